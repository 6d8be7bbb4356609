package datum_test

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
)

// coordinate is a float8 as it is written in a geometric value.
func coordinate(r *rand.Rand) string {
	odd := words("0 -0 1 -1 0.1 1e300 -1e-300 Infinity -Infinity NaN 123456789012345680 1e15")
	if r.IntN(3) == 0 {
		return odd[r.IntN(len(odd))]
	}
	return strconv.FormatFloat(r.NormFloat64()*1000, 'g', 1+r.IntN(17), 64)
}

// points writes count points, each in parentheses.
func points(r *rand.Rand, count int) string {
	list := make([]string, count)
	for i := range list {
		list[i] = "(" + coordinate(r) + "," + coordinate(r) + ")"
	}
	return strings.Join(list, ",")
}

func geometricSamples() []sample {
	return []sample{
		{"point", words("(0,0) (-0,0.1) (1e300,-1e-300) (NaN,Infinity) (-Infinity,1e-320)"), func(r *rand.Rand) string { return points(r, 1) }},
		{"line", words("{1,2,3} {0,-1,NaN} {-0.1,0,Infinity}"), func(r *rand.Rand) string {
			return fmt.Sprintf("{%s,%d.5,%s}", coordinate(r), r.IntN(100), coordinate(r))
		}},
		{"lseg", words("[(0,0),(1,1)] [(-1.5,NaN),(Infinity,0)]"), func(r *rand.Rand) string { return "[" + points(r, 2) + "]" }},
		{"box", words("(1,1),(0,0) (-1,5),(7,-9.25) (0,0),(0,0)"), func(r *rand.Rand) string { return points(r, 2) }},
		{"path", words("[(0,0)] ((0,0)) [(1,2),(3,4)] ((1,2),(3,4),(5,6))"), func(r *rand.Rand) string {
			if list := points(r, 1+r.IntN(8)); r.IntN(2) == 0 {
				return "[" + list + "]"
			} else {
				return "(" + list + ")"
			}
		}},
		{"polygon", words("((0,0)) ((1,2),(3,4),(5,6))"), func(r *rand.Rand) string { return "(" + points(r, 1+r.IntN(200)>>r.IntN(8)) + ")" }},
		{"circle", words("<(0,0),0> <(1,-1),2.5> <(NaN,0),Infinity>"), func(r *rand.Rand) string {
			return fmt.Sprintf("<%s,%d.25>", points(r, 1), r.IntN(1000))
		}},
	}
}

func bitText(r *rand.Rand, length int) string {
	b := make([]byte, length)
	for i := range b {
		b[i] = byte('0' + r.IntN(2))
	}
	return string(b)
}

func bitSamples() []sample {
	return []sample{
		{"bit", words("0 1"), nil},
		{"bit(17)", []string{strings.Repeat("1", 17), strings.Repeat("0", 17)}, func(r *rand.Rand) string { return bitText(r, 17) }},
		{"varbit", []string{"", "1", "00000000", strings.Repeat("10", 5000)}, func(r *rand.Rand) string { return bitText(r, r.IntN(600)>>r.IntN(10)) }},
		{"varbit(9)", words("1 000000001"), func(r *rand.Rand) string { return bitText(r, r.IntN(10)) }},
		{"money", words("0 0.01 -0.01 0.99 1 999.99 -1000 1234567.89 92233720368547758.07 -92233720368547758.08"), func(r *rand.Rand) string {
			return fmt.Sprintf("%d.%02d", pick(r, 1<<50)>>r.IntN(50), r.IntN(100))
		}},
	}
}

// lexeme is a word in quotes as text search takes it.
func lexeme(r *rand.Rand) string {
	odd := []string{"a", "b", "word", `''`, `\\`, " ", "ü", "漢", ":", "&", "(", "x1"}
	text := "'"
	for range 1 + r.IntN(5) {
		text += odd[r.IntN(len(odd))]
	}
	return text + "'"
}

func vectorText(r *rand.Rand) string {
	var list []string
	for range r.IntN(12) {
		word := lexeme(r)
		for i := range r.IntN(4) {
			word += fmt.Sprintf("%c%d%s", ":,,,"[i], 1+r.IntN(16383), []string{"", "A", "B", "C", "D"}[r.IntN(5)])
		}
		list = append(list, word)
	}
	return strings.Join(list, " ")
}

// queryText is a random query of text search.
func queryText(r *rand.Rand, depth int) string {
	if depth > 4 || r.IntN(3) == 0 {
		return lexeme(r) + []string{"", "", ":A", ":*", ":*BCD", ":ABCD"}[r.IntN(6)]
	}
	if r.IntN(4) == 0 {
		return "!(" + queryText(r, depth+1) + ")"
	}
	operator := []string{"&", "|", "<->", "<7>", "<0>"}[r.IntN(5)]
	return "(" + queryText(r, depth+1) + ")" + operator + "(" + queryText(r, depth+1) + ")"
}

func textSearchSamples() []sample {
	many := "'w':1"
	for i := range 255 {
		many += fmt.Sprintf(",%d%c", i+2, "ABCD"[i%4])
	}
	return []sample{
		{"tsvector", []string{"", "'a'", `'it''s' 'back\\slash' 'x y'`, "'a':1A,2B,3C,4D 'b':16383", many, "'" + strings.Repeat("x", 2046) + "'"}, vectorText},
		{"tsquery", []string{
			"", "'a'", "'a' & 'b' | 'c'", "('a' | 'b') & !'c'", "'a' <-> ('b' <-> 'c')", "'a' <-> 'b' <-> 'c'", "!!'a'", "!('a' & 'b')",
			"'a' <16384> 'b'", "'it''s':*A", "'a':B & ('b' | 'c' & 'd')", strings.Repeat("'a' & ", 200) + "'b'", strings.Repeat("!(", 20) + "'x'" + strings.Repeat(")", 20), strings.Repeat("!", 5) + "'x'",
		}, func(r *rand.Rand) string { return queryText(r, 0) }},
		{"jsonpath", pathEdges(), nil},
		{"xml", []string{
			"", "text", "<a/>", "<a b='c'>d &amp; e</a>", `<?xml version="1.0"?><a/>`, `<?xml version="1.0" encoding="UTF-8"?>` + "\n<a/>",
			`<?xml version="1.1"?><a/>`, `<?xml version="1.0" standalone="yes"?><a/>`, `<?xml version='1.0' standalone='no' ?>` + "\n<a/>",
			`<?xml-stylesheet href="x"?><a/>`, "<a>ä€😀</a>", "<?xml version = '1.0'  encoding='utf-8' standalone = 'yes'?>\n\n<a/>",
		}, nil},
	}
}

func pathEdges() []string {
	list := strings.Split(`$
strict $
$.a.b.c
$."a b"."\"\\\n\u0001ü"
$var
$"odd var".x
null
true
false
1.50
"text \" \\ \t"
(1).type()
(-1.5).abs()
-$.a
+$.a
-(1 + 2) * 3
1 + 2 * 3 - 4 / 5 % 6
(1 + 2) * (3 - 4)
1 - (2 - 3)
$[*]
$.*
$[0]
$[0, 1 to 3, last]
$[last - 1 to last]
$[$.a + 1 to $.b.size()]
$.**
$.**{2}
$.**{last}
$.**{1 to 3}
$.**{1 to last}
$.**{last to 5}.a
$ ? (@.a == 1)
$.a ? (@ > 1 && @ < 5 || @ == 7 && !(@ != 3)).b
$ ? ((@.a == 1) is unknown)
$ ? (exists (@.a ? (@.b <= 1)))
$ ? (@.a starts with "x")
$ ? (@.a starts with $v)
$ ? (@ like_regex "^a.*b$")
$ ? (@ like_regex "a\"b" flag "i")
$ ? (@ like_regex "a" flag "ismxq")
$.type()
$.size().double().ceiling().floor().abs()
$.keyvalue().key
$.datetime()
$.datetime("HH24:MI:SS")
$.a == 1
$.a == 1 || $.b == 2 && $.c == 3
($.a == 1 || $.b == 2) && $.c == 3
!($.a == 1)
-(-1)
-(-($.a))
($.a + 1).abs()
$.a[*].b ? (@.c[0] == @.d).e
123456789012345678901234567890.123456789
1e100
(1 < 2).type()
($ ? (@ > 1)).a`, "\n")
	return append(list, "$"+strings.Repeat(".k", 2000), "$"+strings.Repeat(" ? (exists (@.a", 200)+strings.Repeat("))", 200))
}

// systemSamples are the types that refer to objects or to places in the server.
func systemSamples() []sample {
	list := []sample{
		{"tid", words("(0,0) (0,1) (4294967295,65535) (65536,7)"), func(r *rand.Rand) string { return fmt.Sprintf("(%d,%d)", r.Uint32(), r.IntN(65536)) }},
		{"pg_lsn", words("0/0 0/16B3740 FFFFFFFF/FFFFFFFF 16/B374D848"), func(r *rand.Rand) string { return fmt.Sprintf("%X/%X", r.Uint32()>>r.IntN(32), r.Uint32()) }},
		{"int2vector", []string{"", "1", "-32768 32767 0"}, nil},
		{"oidvector", []string{"", "1", "0 4294967295 16384"}, nil},
		{"refcursor", []string{"", "cursor", `odd "name"`, "NULL"}, nil},
		{"aclitem", []string{
			"postgres=arwdDxtXUCTc/postgres", "=r/postgres", "postgres=r*w*/postgres", `"odd ""role"=U/postgres`, `=c/"odd ""role"`, "clerk=X*/clerk",
		}, nil},
		{"regproc", []string{"-", "0", "4294967295", "now", "boolin", "870", "array_in", "public.mine", "other.mine", "public.twice", "1397", "only_public", `other."Odd Fn"`}, nil},
		{"regprocedure", []string{"-", "4294967295", "now()", "abs(int4)", "public.mine(integer,text[])", `other.mine(other."Odd Name",interval)`, "public.twice(int8)", "public.abs(float8)", "lower(anyrange)"}, nil},
		{"regoper", []string{"0", "4294967295", "551", "||/", "other.@@@@", "@@@@@"}, nil},
		{"regoperator", []string{"0", "4294967295", "+(int4,int4)", "-(NONE,int8)", "other.@@@@(int4,int4)", "@@@@@(NONE,int4)", "||(text,text)"}, nil},
		{"regclass", []string{"-", "0", "4294967295", "pg_class", "pg_class_oid_index", "public.pg_attribute", "here", "other.there", `other."Odd Table"`, `"order"`, "information_schema.tables", `"user"`, "here_id_seq"}, nil},
		{"regtype", []string{"-", "4294967295", "int4", "varchar", "bpchar", "bit", "varbit", "timestamptz", "_bpchar", "_bit", "int4[]", `"char"`, "mood", `other."Odd Name"`, `other."Odd Name"[]`, "pg_catalog.point", "anyelement", "pair", "information_schema.sql_identifier", "numeric[]"}, nil},
		{"regrole", []string{"-", "4294967295", "postgres", "clerk", `"odd ""role"`, "pg_monitor", `"user"`}, nil},
		{"regnamespace", []string{"-", "4294967295", "pg_catalog", "public", "other", "information_schema"}, nil},
		{"regconfig", []string{"-", "4294967295", "english", "simple", "other.english", "mine"}, nil},
		{"regdictionary", []string{"-", "4294967295", "simple", "english_stem", "other.simple"}, nil},
		{"regcollation", []string{"-", "4294967295", `"C"`, `"default"`, `"POSIX"`, "other.mine"}, nil},
	}
	for _, name := range []string{"txid_snapshot", "pg_snapshot"} {
		list = append(list, sample{name, words("1:1: 10:20:10,14,15 9223372036854775806:9223372036854775807:"), func(r *rand.Rand) string {
			text, xid := "", 100+r.IntN(1000)
			for range r.IntN(20) {
				xid += 1 + r.IntN(9)
				text += fmt.Sprintf(",%d", xid)
			}
			return fmt.Sprintf("100:%d:%s", xid+5, strings.TrimPrefix(text, ","))
		}})
	}
	return list
}

// systemPreamble makes what systemSamples refer to.
const systemPreamble = `
	CREATE ROLE clerk; CREATE ROLE "odd ""role"; CREATE ROLE "user";
	CREATE FUNCTION mine(int, text[]) RETURNS int LANGUAGE sql AS 'SELECT 1';
	CREATE FUNCTION other.mine(other."Odd Name", interval) RETURNS int LANGUAGE sql AS 'SELECT 1';
	CREATE FUNCTION other."Odd Fn"() RETURNS int LANGUAGE sql AS 'SELECT 1';
	CREATE FUNCTION only_public() RETURNS int LANGUAGE sql AS 'SELECT 1';
	CREATE FUNCTION twice(int8) RETURNS int LANGUAGE sql AS 'SELECT 1';
	CREATE FUNCTION public.abs(float8) RETURNS float8 LANGUAGE sql AS 'SELECT 1::float8';
	CREATE OPERATOR other.@@@@ (leftarg = int4, rightarg = int4, function = int4pl);
	CREATE OPERATOR @@@@@ (rightarg = int4, function = int4um);
	CREATE TABLE here (id serial PRIMARY KEY); CREATE TABLE other.there (); CREATE TABLE other."Odd Table" (); CREATE TABLE "order" (); CREATE VIEW "user" AS SELECT 1;
	CREATE TABLE public.pg_attribute ();
	CREATE TEXT SEARCH CONFIGURATION other.english (copy = simple); CREATE TEXT SEARCH CONFIGURATION mine (copy = simple);
	CREATE TEXT SEARCH DICTIONARY other.simple (template = simple);
	CREATE COLLATION other.mine (locale = 'C');`
