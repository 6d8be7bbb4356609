package datum_test

import (
	"encoding/hex"
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// sample is one type with texts that the server takes as its input: those that
// matter, and a generator of more.
type sample struct {
	name  string // as SQL writes it
	fixed []string
	more  func(r *rand.Rand) string
}

// samplePreamble makes the users' types that the samples speak of.
const samplePreamble = `
	CREATE TYPE mood AS ENUM ('sad', 'ok', 'very happy', 'a"b\c', 'null', '{}');
	CREATE SCHEMA other;
	CREATE TYPE other."Odd Name" AS ENUM ('x');
	CREATE DOMAIN posint AS int4 CHECK (value > 0);
	CREATE DOMAIN smallpos AS posint;
	CREATE DOMAIN label AS varchar(30);
	CREATE DOMAIN ints AS int4[];
	CREATE DOMAIN moods AS mood[];` + madePreamble + systemPreamble

// samples lists every type but those of extensions.
func samples() []sample {
	list := append(numberSamples(), timeSamples()...)
	list = append(list, textSamples()...)
	return slices.Concat(list, otherSamples(), geometricSamples(), bitSamples(), textSearchSamples(), systemSamples(), rangeSamples(), compositeSamples())
}

func words(text string) []string { return strings.Fields(text) }

// integer gives numbers of every length up to bits bits.
func integer(bits int, signed bool) func(r *rand.Rand) string {
	return func(r *rand.Rand) string {
		n := new(big.Int).SetUint64(r.Uint64() >> (64 - bits) >> r.IntN(bits))
		if signed {
			n.Rsh(n, 1)
			if r.IntN(2) == 0 {
				n.Neg(n)
			}
		}
		return n.String()
	}
}

func numberSamples() []sample {
	fixed8, fixed4 := floatEdges()
	return []sample{
		{"bool", words("t f"), nil},
		{"int2", words("0 1 -1 32767 -32768"), integer(16, true)},
		{"int4", words("0 1 -1 2147483647 -2147483648"), integer(32, true)},
		{"int8", words("0 1 -1 9223372036854775807 -9223372036854775808"), integer(64, true)},
		{"oid", words("0 1 4294967295"), integer(32, false)},
		{"xid", words("0 3 4294967295"), integer(32, false)},
		{"cid", words("0 4294967295"), integer(32, false)},
		{"xid8", words("0 18446744073709551615"), integer(64, false)},
		{"float8", fixed8, func(r *rand.Rand) string {
			switch r.IntN(3) {
			case 0:
				return strconv.FormatFloat(math.Float64frombits(r.Uint64()), 'g', -1, 64)
			case 1:
				return middle(r, 53)
			}
			return fmt.Sprintf("%de%d", r.Int64N(1e16)>>r.IntN(50), r.IntN(40)-20)
		}},
		{"float4", fixed4, func(r *rand.Rand) string {
			switch r.IntN(3) {
			case 0:
				return strconv.FormatFloat(float64(math.Float32frombits(r.Uint32()&0xFF7FFFFF)), 'g', -1, 32)
			case 1:
				return middle(r, 24)
			}
			return fmt.Sprintf("%de%d", r.Int64N(1e9)>>r.IntN(30), r.IntN(20)-10)
		}},
		{"numeric", numericEdges(), func(r *rand.Rand) string {
			return decimal(r, r.IntN(40), r.IntN(40))
		}},
		{"numeric(20,5)", words("0 NaN -1.5 123456789012345.67891 0.00001"), func(r *rand.Rand) string {
			return decimal(r, r.IntN(16), r.IntN(6))
		}},
		{"numeric(5,-2)", words("0 100 1234567 -99900"), nil},
	}
}

// decimal is a number with so many digits before and behind the point.
func decimal(r *rand.Rand, before, behind int) string {
	var b strings.Builder
	if r.IntN(2) == 0 {
		b.WriteByte('-')
	}
	b.WriteByte(byte('0' + r.IntN(10)))
	digits := func(n int) {
		for n > 0 { // runs of zeros matter: whole digits of base 10000 are left out
			run := min(n, 1+r.IntN(9))
			n -= run
			if r.IntN(3) == 0 {
				b.WriteString(strings.Repeat("0", run))
				continue
			}
			for range run {
				b.WriteByte(byte('0' + r.IntN(10)))
			}
		}
	}
	digits(max(0, before-1))
	if behind > 0 {
		b.WriteByte('.')
		digits(behind)
	}
	return b.String()
}

func numericEdges() []string {
	list := words(`0 0.0 0.000000 -0.10 1 -1 9999 10000 10001 99999999 100000000 0.0001 0.00001 0.00000001 12345.6789
		1e10 1e-10 NaN Infinity -Infinity 1e63 1e-63 1.5e-16 79228162514264337593543950336`)
	list = append(list, "1e131071", "-1e131071", "1e-16383", "0."+strings.Repeat("0", 5000), "1."+strings.Repeat("0", 64),
		strings.Repeat("9", 131072)+"."+strings.Repeat("9", 16383))
	for i := range 70 { // around where the short header ends
		list = append(list, fmt.Sprintf("1e%d", 4*i), fmt.Sprintf("-2.5e-%d", i))
	}
	return list
}

// middle is a whole number in the middle between two floating-point numbers
// with mantissas of so many bits, written with as few digits as it has.
func middle(r *rand.Rand, bits uint) string {
	fives := r.IntN(int(bits) * 3 / 7)
	five := new(big.Int).Exp(big.NewInt(5), big.NewInt(int64(fives)), nil)
	low := new(big.Int).Div(new(big.Int).Lsh(big.NewInt(1), bits), five).Int64()
	odd := big.NewInt((low + r.Int64N(low)) | 1)
	n := odd.Mul(odd, five)
	return n.Lsh(n, uint(fives+r.IntN(3))).String()
}

// floatEdges lists every power of two and its neighbours, and what is printed
// around the change between the layouts with and without exponent.
func floatEdges() (double, single []string) {
	double = words("0 -0 NaN Infinity -Infinity 1e23 9.5e22 5e-324 1.7976931348623157e308 0.1 -0.1 123456789012345 1234567890123456 0.0001 0.00001 0.00012345 9007199254740993")
	single = words("0 -0 NaN Infinity -Infinity 1e-45 3.4028235e38 0.1 99999 999999 1000000 1234567 0.0001 0.00001 16777217 33554431")
	for e := -1074; e <= 1023; e++ {
		v := math.Ldexp(1, e)
		for _, x := range []float64{v, math.Nextafter(v, 0), math.Nextafter(v, math.Inf(1))} {
			if x != 0 {
				double = append(double, strconv.FormatFloat(x, 'g', -1, 64))
			}
		}
		if e >= -149 && e <= 127 {
			single = append(single, strconv.FormatFloat(v, 'g', -1, 32))
		}
	}
	for e := -30; e <= 30; e++ {
		for _, digits := range []string{"1", "1.5", "9.99", "1.23456"} {
			single = append(single, fmt.Sprintf("%se%d", digits, e))
			double = append(double, fmt.Sprintf("%se%d", digits, e))
		}
	}
	return double, single
}

func timeSamples() []sample {
	return []sample{
		{
			"date",
			[]string{
				"infinity", "-infinity", "4714-11-24 BC", "5874897-12-31", "0001-12-31 BC", "0001-01-01", "2000-01-01",
				"2000-02-29", "1900-02-28", "9999-12-31", "10000-01-01", "0005-02-29 BC", "0004-02-28 BC", "1582-10-10",
			},
			func(r *rand.Rand) string { return day(r, 5874896) },
		},
		{"time", words("00:00:00 24:00:00 23:59:59.999999 12:00:00.5 00:00:00.000001"), clock},
		{"time(2)", words("00:00:00 23:59:59.99"), clock},
		{
			"timetz", words("00:00:00+00 24:00:00-15:59:59 23:59:59.999999+15:59 12:00:00+05:30 12:00:00-03:30:15"),
			func(r *rand.Rand) string {
				return fmt.Sprintf("%s%c%02d:%02d", clock(r), "+-"[r.IntN(2)], r.IntN(16), r.IntN(4)*15)
			},
		},
		{
			"timestamp",
			[]string{
				"infinity", "-infinity", "4714-11-24 00:00:00 BC", "294276-12-31 23:59:59.999999", "1999-12-31 23:59:59.999999",
				"2000-01-01", "0001-12-31 23:59:59.5 BC",
			},
			func(r *rand.Rand) string { return moment(r) },
		},
		{
			"timestamptz",
			[]string{"infinity", "-infinity", "4714-11-24 00:00:00+00 BC", "294276-12-31 23:59:59.999999+00", "2000-01-01 00:00+00"},
			func(r *rand.Rand) string { return moment(r) },
		},
		{"timestamptz(3)", []string{"infinity"}, func(r *rand.Rand) string { return moment(r) }},
		{
			"interval",
			[]string{
				"0", "1 year", "1 mon", "1 day", "-1 day", "-1 day +1 hour", "1 day -1 hour", "178000000 years", "-178000000 years",
				"2147483647 days", "-2147483648 days", "2562047788:00:54.775807", "-2562047788:00:54.775807",
				"-1 year +2 mon -3 days +00:00:00.000001", "-1 year -2 days +1 second", "100:00:00", "-00:00:00.5",
			},
			func(r *rand.Rand) string {
				return fmt.Sprintf("%d months %d days %d microseconds", pick(r, 5000), pick(r, 4000), pick(r, 1<<45))
			},
		},
		{"interval day to second(3)", words("0"), func(r *rand.Rand) string {
			return fmt.Sprintf("%d days %d seconds", pick(r, 4000), pick(r, 1<<20))
		}},
	}
}

// pick is 0 in every third case, else a number between -n and n.
func pick(r *rand.Rand, n int64) int64 {
	if r.IntN(3) == 0 {
		return 0
	}
	return r.Int64N(2*n) - n
}

func day(r *rand.Rand, years int) string {
	era, year := "", 1+r.IntN(years)
	switch r.IntN(3) {
	case 0:
		year = 1900 + r.IntN(200)
	case 1:
		era, year = " BC", 1+r.IntN(4700)
	}
	return fmt.Sprintf("%04d-%02d-%02d%s", year, 1+r.IntN(12), 1+r.IntN(28), era)
}

func clock(r *rand.Rand) string {
	text := fmt.Sprintf("%02d:%02d:%02d", r.IntN(24), r.IntN(60), r.IntN(60))
	if r.IntN(2) == 0 {
		text += fmt.Sprintf(".%06d", r.IntN(1000000))[:2+r.IntN(6)]
	}
	return text
}

func moment(r *rand.Rand) string {
	date, era, _ := strings.Cut(day(r, 294000), " ")
	return strings.TrimSpace(date + " " + clock(r) + "+00 " + era)
}

func textSamples() []sample {
	nasty := []string{
		"", " ", "NULL", "null", "Null", "\\N", "\\.", "{}", "{a,b}", `"`, `\`, `a"b\c`, ",", ";", "\t", "\n", "\r", "\v", "\f", "\b",
		"\x01\x1f\x7f", "ä€😀", "it's", strings.Repeat("x", 200), strings.Repeat("long text, not compressed away ", 8),
		strings.Repeat("compressible ", 400), strings.Repeat("€", 700),
	}
	text := func(most int) func(r *rand.Rand) string {
		return func(r *rand.Rand) string {
			var b strings.Builder
			for range r.IntN(most + 1) {
				b.WriteString(pickText(r))
			}
			return b.String()
		}
	}
	short := []string{"", " ", "NULL", "a b", `a"b\c`, "ä€😀", "{", "x,y", "\n"}
	var chars []string
	for c := range 256 {
		if c != 0 {
			chars = append(chars, fmt.Sprintf(`\%03o`, c))
		}
	}
	return []sample{
		{"text", nasty, text(60)},
		{"varchar", nasty, text(20)},
		{"varchar(40)", short, text(10)},
		{"bpchar", short, text(20)},
		{"char(12)", short, text(3)},
		{"name", short, text(15)},
		{`"char"`, append(chars, ""), nil},
		{"bytea", []string{`\x`, `\x00`, `\xdeadbeef`}, func(r *rand.Rand) string {
			b := make([]byte, r.IntN(3000)>>r.IntN(12))
			for i := range b {
				b[i] = byte(r.Uint32())
			}
			return `\x` + hex.EncodeToString(b)
		}},
		{"uuid", words("00000000-0000-0000-0000-000000000000 ffffffff-ffff-ffff-ffff-ffffffffffff"), func(r *rand.Rand) string {
			return fmt.Sprintf("%016x%016x", r.Uint64(), r.Uint64())
		}},
		{"mood", []string{"sad", "ok", "very happy", `a"b\c`, "null", "{}"}, nil},
		{`other."Odd Name"`, words("x"), nil},
		{"posint", words("1 7 2147483647"), nil},
		{"smallpos", words("1 7"), nil},
		{"label", short, text(7)},
		{"ints", []string{"{}", "{1,2,NULL}", "[5:6]={7,8}"}, nil},
		{"moods", []string{"{}", `{sad,"very happy",NULL}`}, nil},
	}
}

// pickText is a character that some format takes for something else, or a word.
func pickText(r *rand.Rand) string {
	odd := []string{"\t", "\n", "\r", "\\", `"`, "'", ",", "{", "}", ";", " ", "\x01", "\b", "\f", "\v", "ü", "漢", "😀", "NULL", "$"}
	if r.IntN(3) == 0 {
		return odd[r.IntN(len(odd))]
	}
	return string(rune('a' + r.IntN(26)))
}

func otherSamples() []sample {
	return []sample{
		{"json", []string{"{}", `{"a": 1,  "b":[ 1,2 ]}`, "null", `"x\u0001"`, " 1 "}, func(r *rand.Rand) string { return document(r, 0) }},
		{"jsonb", jsonbEdges(), func(r *rand.Rand) string { return document(r, 0) }},
		{
			"inet", words(`0.0.0.0 255.255.255.255 10.0.0.1/8 10.0.0.0/0 ::/0 :: ::1 ::ffff:1.2.3.4 ::1.2.3.4 ::1:2 2001:db8::/32 1::
			1:0:0:2:0:0:0:3 1:0:0:2:0:0:3:4 1:0:2:0:3:0:4:0 ::2:3:4:5:6:7:8 1:2:3:4:5:6:7:: 0:0:0:0:0:ffff:0:1 0:0:0:0:0:0:1:0 ::1:0:0 ::1/64`),
			func(r *rand.Rand) string { return network(r, false) },
		},
		{"cidr", words("0.0.0.0/0 10.0.0.0/8 1.2.3.4 ::/0 ::1 2001:db8::/32 ::ffff:1.2.3.0/120"), func(r *rand.Rand) string { return network(r, true) }},
		{"macaddr", words("00:00:00:00:00:00 ff:ff:ff:ff:ff:ff"), func(r *rand.Rand) string { return fmt.Sprintf("%012x", r.Uint64()>>16) }},
		{"macaddr8", words("00:00:00:00:00:00:00:00 ff:ff:ff:ff:ff:ff:ff:ff"), func(r *rand.Rand) string { return fmt.Sprintf("%016x", r.Uint64()) }},
	}
}

func network(r *rand.Rand, masked bool) string {
	length := 4
	if r.IntN(2) == 0 {
		length = 16
	}
	b := make([]byte, length)
	for i := range b {
		if r.IntN(3) == 0 {
			b[i] = byte(r.Uint32())
		}
	}
	address, _ := netip.AddrFromSlice(b)
	prefix := netip.PrefixFrom(address, r.IntN(8*length+1))
	if masked {
		prefix = prefix.Masked()
	}
	return prefix.String()
}

func jsonbEdges() []string {
	list := []string{
		"null", "true", "false", "0", "-0", "1.50", "1e300", "1e-300", `""`, `"a\"b\\c\/d\b\f\n\r\t\u0001\u001f\u007f"`, `"\ud83d\ude00ä"`,
		"[]", "{}", "[[]]", "[{}]", `{"": {"": []}}`, `{"b": 1, "a": 2, "aa": 3, "b": 4}`, `[1, "x", null, true, {"k": [1.0, 2.00]}]`,
		strings.Repeat("[", 2000) + strings.Repeat("]", 2000),
		strings.Repeat(`{"k":`, 1500) + "1" + strings.Repeat("}", 1500),
		`"` + strings.Repeat("x", 300) + `"`,
	}
	var array, object strings.Builder
	for i := range 200 { // every 32nd member has an offset in place of a length
		fmt.Fprintf(&array, `,%d,"s%d",{"n":%d.25},null`, i*i*i, i, i)
		fmt.Fprintf(&object, `,"key%d":[%d,"v"]`, i, i)
	}
	return append(list, "["+array.String()[1:]+"]", "{"+object.String()[1:]+"}")
}

// document is a random JSON text.
func document(r *rand.Rand, depth int) string {
	kind := r.IntN(8)
	if depth > 4 {
		kind = r.IntN(5)
	}
	switch kind {
	case 0:
		return [...]string{"null", "true", "false"}[r.IntN(3)]
	case 1:
		return strconv.FormatInt(r.Int64N(1<<40)-1<<39, 10)
	case 2:
		return strings.TrimLeft(fmt.Sprintf("%d.%03de%d", r.IntN(1000), r.IntN(1000), r.IntN(40)-20), " ")
	case 3, 4:
		return jsonText(r)
	case 5:
		var parts []string
		for range r.IntN(8) * (1 + r.IntN(8)) {
			parts = append(parts, document(r, depth+2))
		}
		return "[" + strings.Join(parts, ",") + "]"
	}
	var parts []string
	for range r.IntN(7) * (1 + r.IntN(6)) {
		parts = append(parts, jsonText(r)+":"+document(r, depth+2))
	}
	return "{" + strings.Join(parts, " , ") + "}"
}

func jsonText(r *rand.Rand) string {
	odd := []string{`\n`, `\"`, `\\`, `\u0007`, `\u00e9`, "é", "😀", " ", `\/`, "x", "key", "}"}
	text := `"`
	for range r.IntN(9) {
		text += odd[r.IntN(len(odd))]
	}
	return text + `"`
}

// arrayOf writes an array of the given texts, every element in quotes, with the
// given dimensions; about every eighth element is NULL.
func arrayOf(r *rand.Rand, dimensions []int, delimiter string, element func() string) string {
	if len(dimensions) == 0 {
		if r.IntN(8) == 0 {
			return "NULL"
		}
		return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(element()) + `"`
	}
	parts := make([]string, dimensions[0])
	for i := range parts {
		parts[i] = arrayOf(r, dimensions[1:], delimiter, element)
	}
	return "{" + strings.Join(parts, delimiter) + "}"
}

// shapedArray writes an array of one to six dimensions with bounds of its own,
// or an empty one.
func shapedArray(r *rand.Rand, delimiter string, element func() string) string {
	count := r.IntN(5)
	if r.IntN(20) == 0 {
		count = 6
	}
	if count == 0 {
		return "{}"
	}
	bounds, dimensions := "", make([]int, count)
	for i := range dimensions {
		dimensions[i] = 1 + r.IntN(3)
		low := 1
		if r.IntN(3) == 0 {
			low = r.IntN(9) - 4
		}
		bounds += fmt.Sprintf("[%d:%d]", low, low+dimensions[i]-1)
	}
	return bounds + "=" + arrayOf(r, dimensions, delimiter, element)
}
