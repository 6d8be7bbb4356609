package datum_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// madePreamble makes the types that madeSamples speak of.
const madePreamble = `
	CREATE TYPE pair AS (a int4, b text);
	CREATE TYPE nest AS (p pair, ps pair[], r int4range, n numeric, gone int8, j jsonb, c "char", x smallpos, m mood, b bool, f float8);
	ALTER TYPE nest DROP ATTRIBUTE gone;
	CREATE TYPE lonely AS (x text);
	CREATE TYPE nothing AS (gone int); ALTER TYPE nothing DROP ATTRIBUTE gone, ADD ATTRIBUTE back numeric;
	CREATE DOMAIN dpair AS pair CHECK ((value).a IS DISTINCT FROM 0);
	CREATE DOMAIN dpairs AS dpair[];
	CREATE TABLE rowtype (id int8, gone text, name varchar(20) NOT NULL DEFAULT 'x', at timestamptz);
	ALTER TABLE rowtype DROP gone;
	CREATE VIEW seen AS SELECT 1::int2 AS one, 'x'::text AS two;
	CREATE TYPE floatrange AS RANGE (subtype = float8);
	CREATE TYPE other.textrange AS RANGE (subtype = text, collation = "C");
	CREATE TYPE intsrange AS RANGE (subtype = int4[]);
	CREATE TYPE pairrange AS RANGE (subtype = pair);
	CREATE TYPE charrange AS RANGE (subtype = "char");
	CREATE TYPE rangerange AS RANGE (subtype = int4range);
	CREATE DOMAIN year AS int4range CHECK (lower(value) > 0);
	CREATE TYPE spans AS (r tsrange, t other.textrange);`

// span writes a range between two bounds, each of which may be missing.
func span(r *rand.Rand, low, high string) string {
	bound := func(text string) string {
		if r.IntN(5) == 0 {
			return ""
		}
		return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(text) + `"`
	}
	return string("[("[r.IntN(2)]) + bound(low) + "," + bound(high) + string(")]"[r.IntN(2)])
}

// multi writes count ranges that do not touch; pair gives the bounds of each.
func multi(r *rand.Rand, count int, bounds func(i int) (low, high string)) string {
	var list []string
	for i := range count {
		low, high := bounds(i)
		list = append(list, span(r, low, high))
	}
	return "{" + strings.Join(list, ",") + "}"
}

func rangeSamples() []sample {
	number := func(i int) (string, string) { return fmt.Sprint(10 * i), fmt.Sprint(10*i + 4) }
	decimals := func(i int) (string, string) {
		return fmt.Sprintf("%d.%0*d", 10*i, i%30+1, i), fmt.Sprintf("%d.5", 10*i+4)
	}
	days := func(i int) (string, string) { return fmt.Sprintf("20%02d-01-01", i), fmt.Sprintf("20%02d-06-30", i) }
	letters := func(i int) (string, string) {
		return strings.Repeat(string(rune('b'+i)), 1+i*9) + ` ",\()[]`, string(rune('b'+i)) + "~ö"
	}
	ranges := []struct {
		name, multi string
		fixed       []string
		bounds      func(i int) (string, string)
		most        int
	}{
		{"int4range", "int4multirange", words("empty [1,5) (,) [,7] (-2147483648,2147483647) [3,3]"), number, 100},
		{"int8range", "int8multirange", words("empty [1,5) (,) [-9223372036854775808,9223372036854775807)"), number, 100},
		{"numrange", "nummultirange", words("empty [1.50,2.500] (,) [NaN,NaN] (0,1e30)"), decimals, 60},
		{"daterange", "datemultirange", words("empty [2020-01-01,2020-02-01) (,infinity) [-infinity,infinity]"), days, 90},
		{"tsrange", "tsmultirange", []string{"empty", `["2020-01-01 10:00:00.5","infinity"]`, `("0044-03-15 BC",)`}, days, 90},
		{"tstzrange", "tstzmultirange", []string{"empty", `["2020-01-01 10:00:00+00",)`}, days, 90},
		{"floatrange", "floatmultirange", words("empty [0.1,0.2) [-Infinity,NaN] (,1e300]"), number, 100},
		{"other.textrange", "other.textmultirange", []string{
			"empty", `["",a]`, `[a b,"c,d"]`, `["\"","\\\\"]`, "[ä,ö)", "(,)", "[" + strings.Repeat("a", 200) + "," + strings.Repeat("b", 200) + "]",
		}, letters, 20},
		{"intsrange", "intsmultirange", []string{"empty", `["{1,2}","{1,3,NULL}"]`, `["{}",)`}, func(i int) (string, string) {
			return fmt.Sprintf("{%d,2}", 10*i), fmt.Sprintf("{%d,7,8}", 10*i+3)
		}, 20},
		{"pairrange", "pairmultirange", []string{"empty", `["(1,a)","(1,\"b c\")"]`, `["(1,)","(2,)"]`}, func(i int) (string, string) {
			return fmt.Sprintf(`(%d,"x y")`, 10*i), fmt.Sprintf("(%d,)", 10*i+3)
		}, 20},
		{"charrange", "charmultirange", []string{"empty", "[a,c]", `[" ",")"]`}, func(i int) (string, string) {
			return string(rune('a' + 2*i)), string(rune('b' + 2*i))
		}, 10},
		{"rangerange", "multirangerange", []string{"empty", `["empty","[1,5)"]`, `["[1,2)","[3,4)")`}, func(i int) (string, string) {
			return fmt.Sprintf("[%d,%d)", 10*i, 10*i+1), fmt.Sprintf("[%d,%d)", 10*i+3, 10*i+9)
		}, 20},
		{"year", "", words("[1,5) [7,)"), nil, 0},
	}
	var list []sample
	for _, s := range ranges {
		one := sample{name: s.name, fixed: s.fixed}
		if s.bounds != nil {
			one.more = func(r *rand.Rand) string {
				low, high := s.bounds(r.IntN(s.most))
				return span(r, low, high)
			}
			list = append(list, sample{s.multi, append([]string{"{}", "{(,)}"}, "{"+s.fixed[1]+"}"), func(r *rand.Rand) string {
				return multi(r, r.IntN(s.most), s.bounds)
			}})
		}
		list = append(list, one)
	}
	return list
}

// record writes a composite, each value in quotes, an empty one for NULL.
func record(values ...string) string {
	for i, v := range values {
		if v != "" {
			values[i] = `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(v) + `"`
		}
	}
	return "(" + strings.Join(values, ",") + ")"
}

func pairText(r *rand.Rand) string {
	number, text := fmt.Sprint(1+r.IntN(1000)), ""
	if r.IntN(4) == 0 {
		number = ""
	}
	for range r.IntN(4) {
		text += pickText(r)
	}
	if r.IntN(10) == 0 {
		text = strings.Repeat("compressible, (really) ", r.IntN(300))
	}
	return record(number, text)
}

func nestText(r *rand.Rand) string {
	maybe := func(text string) string {
		if r.IntN(4) == 0 {
			return ""
		}
		return text
	}
	return record(
		maybe(pairText(r)), maybe(arrayOf(r, []int{r.IntN(4)}, ",", func() string { return pairText(r) })), maybe(span(r, "1", "9")),
		maybe(decimal(r, r.IntN(20), r.IntN(20))), maybe(document(r, 0)), maybe(pickASCII(r)), maybe("7"), maybe("very happy"), maybe("t"), maybe("1e-7"),
	)
}

func pickASCII(r *rand.Rand) string { return string(rune(' ' + r.IntN(90))) }

func compositeSamples() []sample {
	return []sample{
		{"pair", []string{"(1,a)", "(,)", `(,"")`, `(1,"a ""b"" \\c, (d)")`, "(-5,NULL)", "(1,\"\n\t\")", "(2," + strings.Repeat("x", 5000) + ")"}, pairText},
		{"nest", []string{"(,,,,,,,,,)", `("(1,x)","{""(1,a)"",NULL}","[1,5)",1.50,"{""a"": [1]}",c,7,ok,t,0.1)`}, nestText},
		{"lonely", []string{"()", `("")`, "(a)"}, nil},
		{"nothing", []string{"()", "(1.5)"}, nil},
		{"dpair", []string{"(1,a)", "(,)"}, nil},
		{"dpairs", []string{"{}", `{"(1,a)","(,\"\")"}`}, nil},
		{"rowtype", []string{"(1,n,2020-01-01 00:00:00+00)", "(,n,)"}, nil},
		{"seen", []string{"(1,x)", "(,)"}, nil},
		{"spans", []string{"(,)", `("[2020-01-01,2020-02-02)","[a,""b c""]")`}, nil},
	}
}
