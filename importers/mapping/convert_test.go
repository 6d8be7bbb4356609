package mapping

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/pgrescue/pgrescue/importers"
	"github.com/pgrescue/pgrescue/recover/evidence"
)

// conversionCase is a text, the conversions of a column of a type, and what must come out.
type conversionCase struct {
	convert, typ, text string
	want               string // NULL, or the value
	refused            string // a part of the reason; "": it is not
	lossy              bool   // NULL with a Loss
}

func makes(convert, typ, text, want string) conversionCase {
	return conversionCase{convert: convert, typ: typ, text: text, want: want}
}

func refuses(convert, typ, text, reason string) conversionCase {
	return conversionCase{convert: convert, typ: typ, text: text, refused: reason}
}

func loses(convert, typ, text string) conversionCase {
	return conversionCase{convert: convert, typ: typ, text: text, want: "NULL", lossy: true}
}

// shortened is put in whole, and the server keeps less of it.
func shortened(typ, text string) conversionCase {
	return conversionCase{convert: "[]", typ: typ, text: text, want: text, lossy: true}
}

// ignored is a time whose zone the column does not keep.
func ignored(convert, typ, text, want string) conversionCase {
	return conversionCase{convert: convert, typ: typ, text: text, want: want, lossy: true}
}

func kept(typ, text string) conversionCase { return makes("[]", typ, text, text) }

func shortenedCases() []conversionCase {
	return []conversionCase{
		shortened("numeric(10,2)", "1.239"),
		shortened("numeric(10,2)", "1239e-3"),
		shortened("numeric(4,-2)", "1210"),
		shortened("numeric(10,0)", "0.5"),
		kept("numeric(10,2)", "1.2300"),
		kept("numeric(10,2)", "1.2e-1"),
		kept("numeric(4,-2)", "1200"),
		kept("numeric(10,2)", "0.000"),
		kept("numeric", "1.23456789012345678901234567890"),
		shortened("real", "0.123456789"),
		shortened("real", "16777217"),
		kept("real", "1677721600"),
		kept("real", "0.1000000000000000"),
		kept("real", "3.4028235e38"),
		shortened("double precision", "9007199254740993"),
		shortened("double precision", "0.12345678901234567890"),
		kept("double precision", "9007199254740992"),
		kept("double precision", "0.30000000000000004"),
		kept("double precision", "-1.7976931348623157e308"),
		kept("double precision", "000000000000000000012.50"),
		shortened("timestamp(0) without time zone", "2024-01-15 10:00:00.6"),
		makes("[]", "timestamp(3) with time zone", "2024-01-15 10:00:00.600+00", "2024-01-15 10:00:00.6+00"),
		kept("timestamp without time zone", "2024-01-15 10:00:00.123456"),
		shortened("time(0) without time zone", "10:00:00.7"),
		kept("time without time zone", "10:00:00.7"),
		shortened("character varying(3)", "abc  "), // the server cuts spaces, and nothing else
		kept("character(3)", "abc  "),
		kept("character varying(3)", "ä  "),
		shortened("name", strings.Repeat("x", 64)),
		kept("name", strings.Repeat("x", 63)),
	}
}

// gigabytes is how the discovery profile reads sizes.
const gigabytes = `[trim, {thousands: ","}, {unit: {GB: 1, MB: 1/1024, TB: 1024}}, float]`

func conversionCases() []conversionCase {
	return slices.Concat(textCases(), numberCases(), unitCases(), appCases(), timeCases(), wordCases(), shortenedCases())
}

func textCases() []conversionCase {
	return []conversionCase{
		makes("[]", "text", " a ", " a "),
		makes("trim", "text", "\u00a0\ufeff a\tb \r", "a\tb"),
		makes("trim", "text", "   ", "NULL"),
		makes("[trim, lower]", "text", " ÄBC x", "äbc x"),
		makes("[lower]", "text", "abc", "abc"),
		makes("[upper]", "text", "straße é", "STRAßE É"),
		makes("[]", "character varying(3)", "äöü", "äöü"),
		refuses("[]", "character varying(3)", "äöüx", "has 4 characters, and the column takes 3"),
		refuses("[]", "text", "a\x00b", "zero byte"),
	}
}

func numberCases() []conversionCase {
	return []conversionCase{
		makes("int", "integer", "16", "16"),
		makes("int", "integer", "+16", "+16"),
		makes("int", "integer", "-2147483648", "-2147483648"),
		makes("int", "integer", "16.0", "16"),
		makes("int", "integer", "1.6e1", "16"),
		makes("int", "integer", "16.", "16"),
		makes("int", "integer", "-0.0", "0"),
		makes("int", "integer", "160e-1", "16"),
		makes("int", "bigint", "9007199254740993", "9007199254740993"),
		makes("int", "bigint", "9007199254740993.0", "9007199254740993"),
		makes("int", "numeric", "123456789012345678901234567890", "123456789012345678901234567890"),
		refuses("int", "integer", "2147483648", "out of range for integer"),
		refuses("int", "integer", "21474836470e-1x", "is no number"),
		refuses("int", "smallint", "32768", "out of range for smallint"),
		refuses("int", "bigint", "9223372036854775808", "out of range for bigint"),
		refuses("int", "integer", "16.5", "no whole number"),
		refuses("int", "integer", "0.5", "no whole number"),
		refuses("int", "integer", "1e300", "out of range"),
		refuses("int", "integer", "16 cores", "is no number"),
		refuses("int", "integer", "1,5", "is no number"),
		makes("int", "integer", "", "NULL"),
		refuses("int", "integer", "0x10", "is no number"),
		refuses("int", "integer", "--5", "is no number"),
		makes("[]", "integer", " 16 ", "16"),
		makes("[]", "integer", "16.0", "16"), // whole numbers are checked though nothing says so
		refuses("[]", "integer", "many", "is no number"),

		makes("float", "double precision", "32", "32"),
		makes("float", "double precision", "0.10", "0.10"),
		makes("float", "double precision", "1e-5", "1e-5"),
		{convert: "float", typ: "numeric(6,2)", text: "1234.567", want: "1234.567", lossy: true},
		makes("float", "double precision", "1e308", "1e308"),
		refuses("float", "double precision", "1e309", "out of range for double precision"),
		refuses("float", "double precision", "1e-400", "out of range"),
		refuses("float", "real", "1e39", "out of range for real"),
		refuses("float", "numeric(6,2)", "12345.6", "out of range for numeric(6,2)"),
		refuses("float", "double precision", "NaN", "is no number"),
		refuses("float", "double precision", "1e", "is no number"),
		refuses("float", "double precision", ".", "is no number"),
	}
}

func unitCases() []conversionCase {
	return []conversionCase{
		makes(gigabytes, "double precision", "16 GB", "16"),
		makes(gigabytes, "double precision", "16gb", "16"),
		makes(gigabytes, "double precision", "16", "16"),
		makes(gigabytes, "double precision", "512 MB", "0.5"),
		makes(gigabytes, "double precision", "1.5 TB", "1536"),
		makes(gigabytes, "double precision", "1,024 MB", "1"),
		makes(gigabytes, "double precision", "16.50 GB", "16.50"),
		refuses(gigabytes, "double precision", "16 XB", `the unit "XB"`),
		refuses(gigabytes, "double precision", "1,5 GB", "none can stand between thousands"),
		refuses(gigabytes, "double precision", "1234,567 GB", "none can stand between thousands"),
		refuses(gigabytes, "double precision", "lots", "is no number"),
		makes(`[{unit: {USD: 1, $: 1}}, {thousands: ","}, float]`, "double precision", "$1,234.50", "1234.50"),
		makes(`[{unit: "%"}, float]`, "double precision", "45%", "45"),
		makes(`[{thousands: "."}, {decimal: ","}, float]`, "numeric", "1.234.567,89", "1234567.89"),
		makes(`[{thousands: " "}, float]`, "numeric", "1 234 567.5", "1234567.5"),
		makes(`[{thousands: ","}, int]`, "integer", "-1,234", "-1234"),
		refuses(`[{thousands: ","}, int]`, "integer", "1,23", "none can stand"),
		refuses(`[{thousands: ","}, int]`, "integer", "1,234,", "none can stand"),
		refuses(`[{thousands: ","}, int]`, "integer", ",123", "none can stand"),
		refuses(`[{thousands: ","}, float]`, "numeric", "1.5,000", "none can stand"),
		refuses(`[{decimal: ","}, float]`, "numeric", "1.234,5", "more than one mark"),
	}
}

func appCases() []conversionCase {
	return []conversionCase{
		makes("app_int", "integer", " 16.9 ", "16"),
		makes("app_int", "integer", "-16.9", "-16"),
		makes("app_int", "integer", "1_000", "1000"),
		makes("app_int", "integer", "1e3", "1000"),
		makes("app_int", "integer", "", "NULL"),
		loses("app_int", "integer", "16 GB"),
		loses("app_int", "integer", "1,024"),
		loses("app_int", "integer", "nan"),
		loses("app_int", "integer", "1__0"),
		refuses("app_int", "integer", "2147483648", "the application failed here too"),
		makes("app_float", "double precision", "32", "32"),
		makes("app_float", "double precision", "1_0.50", "10.5"),
		makes("app_float", "double precision", "nan", "NaN"),
		makes("app_float", "double precision", "-Infinity", "-Infinity"),
		loses("app_float", "double precision", "32GB"),
	}
}

func timeCases() []conversionCase {
	return []conversionCase{
		makes("date", "date", "2024-02-29", "2024-02-29"),
		makes("date", "date", "2024-01-15 00:00:00", "2024-01-15"),
		refuses("date", "date", "2023-02-29", "is no date"),
		refuses("date", "date", "2024-01-15 10:00", "has a time of day"),
		refuses("date", "date", "01/02/2024", "does not say which is the day"),
		refuses("date", "date", "20240229", "is no date"),
		refuses("date", "date", "10.1.2.3", "does not say which is the day"),
		refuses("date", "date", "SN12", "is no date"),
		refuses("[]", "date", "1.2.2024", "does not say which is the day"), // without a conversion too
		makes(`[{date: DD/MM/YYYY}]`, "date", "1/2/2024", "2024-02-01"),
		makes(`[{date: MM/DD/YYYY}]`, "date", "1/2/2024", "2024-01-02"),
		makes(`[{date: [DD.MM.YYYY, YYYYMMDD]}]`, "date", "20240229", "2024-02-29"),
		makes(`[{date: DD Mon YYYY}]`, "date", "5 mar 2024", "2024-03-05"),
		makes(`[{date: "Month DD, YYYY"}]`, "date", "March 5, 2024", "2024-03-05"),
		makes(`[{date: DD.MM.YY}]`, "date", "5.3.69", "2069-03-05"),
		makes(`[{date: DD.MM.YY}]`, "date", "5.3.70", "1970-03-05"),
		refuses(`[{date: DD/MM/YYYY}]`, "date", "31/04/2024", "is no date of the format DD/MM/YYYY"),
		refuses(`[{date: DD/MM/YYYY}]`, "date", "2024-01-02", "is no date of the format"),

		makes("timestamp", "timestamp with time zone", "2024-01-15", "2024-01-15 00:00:00+00"),
		makes("timestamp", "timestamp with time zone", "2024-01-15T10:00:00Z", "2024-01-15 10:00:00+00"),
		makes("timestamp", "timestamp with time zone", "2024-01-15 10:00:00.5+02:30", "2024-01-15 10:00:00.5+02:30"),
		makes("timestamp", "timestamp with time zone", "2024-01-15 10:00 -0500", "2024-01-15 10:00:00-05"),
		ignored("timestamp", "timestamp without time zone", "2024-01-15 10:00:00+02", "2024-01-15 10:00:00"), // as the server does
		ignored("[]", "timestamp without time zone", "2024-01-15T10:00:00+05:30", "2024-01-15 10:00:00"),
		ignored("text", "timestamp without time zone", "2024-01-15 10:00:00-05", "2024-01-15 10:00:00-05"), // the server gets it
		ignored(`[{timestamp: "DD.MM.YYYY HH24:MI TZ"}]`, "timestamp without time zone", "15.01.2024 10:00 -0500", "2024-01-15 10:00:00"),
		ignored("[]", "time without time zone", "10:00:00+05", "10:00:00+05"),
		makes("[]", "time with time zone", "10:00:00+05", "10:00:00+05"),
		makes("[]", "timestamp without time zone", "2024-01-15 10:00:00Z", "2024-01-15 10:00:00"),
		makes(`[{timestamp: {zone: UTC}}]`, "timestamp without time zone", "2024-01-01 01:00:00+02", "2023-12-31 23:00:00"),
		makes(`[{timestamp: {format: "DD.MM.YYYY HH24:MI TZ", zone: UTC}}]`, "timestamp without time zone", "15.01.2024 10:00 +02", "2024-01-15 08:00:00"),
		makes("timestamp", "timestamp without time zone", "2025-06-20T20:17:53.790076", "2025-06-20 20:17:53.790076"),
		makes(`[{timestamp: "DD.MM.YYYY HH24:MI"}]`, "timestamp without time zone", "1.2.2024 9:05", "2024-02-01 09:05:00"),
		makes(`[{timestamp: {format: "MM/DD/YYYY HH12:MI:SS AM", zone: UTC}}]`, "timestamp with time zone", "01/15/2024 12:30:00 am", "2024-01-15 00:30:00+00"),
		makes(`[{timestamp: "DD.MM.YYYY HH24:MI:SS.FF TZ"}]`, "timestamp with time zone", "01.02.2024 10:11:12.25 +02:00", "2024-02-01 10:11:12.25+02"),
		refuses("timestamp", "timestamp with time zone", "2024-01-15 25:00", "is no timestamp"),
		refuses("timestamp", "timestamp with time zone", "2024-01-15 10:00:00.1234567", "is no timestamp"),
		refuses(`[{timestamp: {zone: UTC}}]`, "timestamp without time zone", "0001-01-01 00:00:00+02", "out of range"),
	}
}

func wordCases() []conversionCase {
	return []conversionCase{
		makes("bool", "boolean", "Yes", "true"),
		makes("bool", "boolean", "0", "false"),
		makes(`[{bool: {"true": [ja, x], "false": [nein]}}]`, "boolean", "JA", "true"),
		refuses(`[{bool: {"true": [ja, x], "false": [nein]}}]`, "boolean", "yes", "neither true nor false"),
		refuses("bool", "boolean", "perhaps", "neither true nor false"),

		makes("uuid", "uuid", "{0B0789D0-7354-5378-18A8-0D6AB92A2A24}", "0b0789d0-7354-5378-18a8-0d6ab92a2a24"),
		makes("uuid", "uuid", "0b0789d07354537818a80d6ab92a2a24", "0b0789d0-7354-5378-18a8-0d6ab92a2a24"),
		refuses("uuid", "uuid", "0b0789d0-7354-5378-18a8-0d6ab92a2a2", "is no uuid"),
		refuses("uuid", "uuid", "0b0789d0x7354-5378-18a8-0d6ab92a2a24", "is no uuid"),

		makes("json", "jsonb", `{"a": [1, "\u00e4\ud83d\ude00"]}`, `{"a": [1, "\u00e4\ud83d\ude00"]}`),
		makes("json", "json", `"\u0000"`, `"\u0000"`),
		refuses("json", "jsonb", `"\u0000"`, "which jsonb cannot hold"),
		refuses("json", "jsonb", `"\ud83d"`, "half of a surrogate pair"),
		refuses("json", "jsonb", `"\ud83dx\ude00"`, "half of a surrogate pair"),
		refuses("json", "jsonb", "SRV1", "is not JSON"),
		refuses("json", "json", "\"\xff\"", "is not JSON"),
		makes("json_string", "json", `SRV "1"`, `"SRV \"1\""`),

		makes(`[{lookup: {words: {Prod: Production, "": x, tbd: null}, else: keep}}]`, "text", "prod", "Production"),
		makes(`[{lookup: {words: {Prod: Production, tbd: null}, else: keep}}]`, "text", "TBD", "NULL"),
		makes(`[{lookup: {words: {Prod: Production}, else: keep}}]`, "text", "Test", "Test"),
		makes(`[{lookup: {words: {Prod: Production}, else: none}}]`, "text", "Test", "NULL"),
		refuses(`[{lookup: {words: {Prod: Production}}}]`, "text", "Test", "none of the words"),
		makes(`[{contains: {words: {app: application, load+balancer: load_balancer}}}]`, "text", "F5 Balancer (Load)", "load_balancer"),
		makes(`[{list: [";", ","]}]`, "json", "DB001, LB001;;x", `["DB001", "LB001", "x"]`),
		makes(`[{list: ";"}]`, "text[]", `a"b; c\d`, `{"a\"b","c\\d"}`),
		makes(`[{list: ";"}]`, "json", `["a;b"]`, `["a;b"]`),
		makes(`[trim, {list: ";"}]`, "json", " ", "NULL"),
	}
}

// mappingOf is a profile of one column x.
func (c *conversionCase) mappingOf(t testing.TB) *Mapping {
	t.Helper()
	p := parse(t, "profile: one\ntable: t\nnulls: [\"\"]\ncolumns:\n  x:\n    convert: "+c.convert+"\n")
	return mapped(t, p, []string{"x"}, MapOptions{Columns: []Column{{Name: "x", Type: c.typ}}})
}

func TestConversions(t *testing.T) {
	t.Parallel()
	for _, test := range conversionCases() {
		name := fmt.Sprintf("%s of %q for %s", test.convert, test.text, test.typ)
		m := test.mappingOf(t)
		values, refused := m.Row(nil, record(test.text))
		if test.refused != "" {
			if refused == nil || !strings.Contains(refused.Reason, test.refused) {
				t.Errorf("%s: refused %v, want %q", name, refused, test.refused)
			}
			continue
		}
		if refused != nil {
			t.Errorf("%s: %s", name, refused.Reason)
			continue
		}
		got := "NULL"
		if values[0].State == evidence.Known {
			got = string(values[0].Text)
		}
		if want := test.want; got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
		if losses := m.Losses(); len(losses) > 0 != test.lossy {
			t.Errorf("%s: losses %v, want %v", name, losses, test.lossy)
		}
	}
}

func TestRowAllocatesNothing(t *testing.T) { // not parallel: it counts what all goroutines allocate
	for _, test := range conversionCases() {
		if test.refused != "" || test.lossy {
			continue // a reason is a text
		}
		m, rec := test.mappingOf(t), record(test.text)
		var values []evidence.Value
		row := func() { values, _ = m.Row(values[:0], rec) }
		// The race detector makes sync.Pool, which encoding/json uses, forget some of what it
		// holds: a row that needs no allocation has one then, but not each time.
		fewest := testing.AllocsPerRun(20, row)
		for trial := 0; trial < 50 && fewest > 0; trial++ {
			fewest = min(fewest, testing.AllocsPerRun(1, row))
		}
		if fewest > 0 {
			t.Errorf("%s of %q: %v allocations a row", test.convert, test.text, fewest)
		}
	}
}

func TestKindsOfFields(t *testing.T) {
	t.Parallel()
	p := parse(t, "profile: kinds\ntable: t\nnulls: [\"\"]\ncolumns:\n  n: {convert: int}\n  j: {convert: json_string}\n  d:\n    default: Medium\n  u:\n")
	m := mapped(t, p, []string{"n", "j", "d", "u"}, MapOptions{Columns: []Column{
		{Name: "n", Type: "bigint"},
		{Name: "j", Type: "jsonb"},
		{Name: "d", Type: "character varying(10)"},
		{Name: "u", Type: "text"},
	}})
	rec := &importers.Record{Fields: []importers.Field{
		{Kind: importers.Number, Text: []byte("9007199254740993")},
		{Kind: importers.JSON, Text: []byte(`{"a": 1.10}`)},
		{Kind: importers.Missing},
		{Kind: importers.Unknown, Reason: "#N/A"},
	}}
	got := row(t, m, rec)
	want := map[string]string{"n": "9007199254740993", "j": `{"a": 1.10}`, "d": "Medium", "u": "? #N/A"}
	for column, text := range want {
		if got[column] != text {
			t.Errorf("%s: %q, want %q", column, got[column], text)
		}
	}
	// A short record has nothing under the later names.
	if got := row(t, m, record("1")); got["j"] != "NULL" || got["d"] != "Medium" {
		t.Errorf("a short record: %v", got)
	}
	if got := row(t, m, &importers.Record{Fields: []importers.Field{{Kind: importers.Bool, Text: []byte("true")}}}); got["refused"] == "" {
		t.Errorf("true went into a bigint: %v", got)
	}
}
