package mapping

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster/clustertest"
)

// oddTexts are put through every conversion: what comes out must be what a server takes.
func oddTexts() []string {
	texts := []string{
		"", " ", "0", "-0", "+0", "00", "1", "-1", "+1", "007", "1.", ".5", "-.5", "1.0", "16.0", "1e3", "1E+3", "1e-3", "1.5e3", "12e-1", "1e30", "1e31", "1e400", "-1e400",
		"1e-400", "0e999999999", "1e99999999999999999999", "32767", "32768", "-32768", "-32769", "2147483647", "2147483648", "-2147483648", "-2147483649",
		"9223372036854775807", "9223372036854775808", "-9223372036854775808", "-9223372036854775809", "9223372036854775807.0", "99999999.995", "99999999.994", "9.995", "3.5e38", "1e-46",
		"1_000", "1__0", "_1", "0x10", "0b1", "nan", "NaN", "inf", "-Infinity", "١٢", "1,234", "1,23", "1.234,5", "16 GB", "512MB", "1.5 TB", "16 XB", "$5", "45%", "1 2",
		"t", "TRUE", "yes", "on", "off", "No", "2", "2024-02-29", "2023-02-29", "0000-01-01", "0001-01-01", "9999-12-31", "10000-01-01", "2024-1-5", "2024-01-15T10:00", "2024-01-15 10:00:60",
		"2024-01-15 24:00:00", "2024-01-15 23:59:59.999999", "2024-01-15 10:00:00.1234567", "2024-01-15 10:00:00Z", "2024-01-15 10:00:00+15:59", "2024-01-15 10:00:00-15:59", "2024-01-15 10:00:00+16:00",
		"0001-01-01 00:00:00+02", "9999-12-31 23:00:00-02", "2024-01-15 10:00:00 UTC", "01/02/2024", "31.12.1999", "5 mar 2024", "20240229", "10.1.2.3", "now", "today", "infinity", "epoch", "tomorrow",
		"0b0789d0-7354-5378-18a8-0d6ab92a2a24", "{0B0789D0735453781 8A80D6AB92A2A24}", "{0B0789D073545378F8A80D6AB92A2A24}", "0b07-89d07354537818a80d6ab92a2a24",
		"{}", "[]", "null", `"a"`, `"\u0000"`, `"\ud800"`, `"\udc00"`, `"\ud83d\ude00"`, `"\ud83d\\ude00"`, `{"a":1,"a":2}`, "{'a':1}", "[1,]", "\"\xff\"", "a\x00b", "äöü", "日本語", "a\"b\\c", "{a,b}", "'", ";", ",,",
		strings.Repeat("[", 60) + strings.Repeat("]", 60), strings.Repeat("9", 60), strings.Repeat("x", 300), "a;b;c", "\ufeffa", "\u0085", "\\N", "\\.", "abc  ",
	}
	for _, c := range conversionCases() {
		texts = append(texts, c.text)
	}
	return texts
}

// everyConversion has each conversion once, with each way to say it.
func everyConversion() []string {
	return []string{
		"[]", "trim", "[lower]", "[upper]", "text", "int", "float", "[trim, int]", "[trim, float]", "bool", "date", "timestamp", "uuid", "json", "json_string", "app_int", "app_float",
		`[{unit: {GB: 1, MB: 1/1024, TB: 1024, "%": 1, $: 1}}, int]`, `[{thousands: ","}, {unit: {GB: 1, MB: 1/1024, TB: 1024}}, float]`, `[{thousands: "."}, {decimal: ","}, float]`,
		`[{date: [DD/MM/YYYY, DD.MM.YY, DD Mon YYYY, YYYYMMDD]}]`, `[{timestamp: ["DD/MM/YYYY", "YYYY-MM-DD HH24:MI:SS.FF TZ"]}]`, `[{list: [";", ","]}]`,
	}
}

// serverTypes are the types that conversions know, and some that they leave to the server.
func serverTypes() []string {
	return []string{
		"text", "character varying(3)", "smallint", "integer", "bigint", "real", "double precision", "numeric", "numeric(10,2)", "boolean", "date", "timestamp without time zone",
		"timestamp with time zone", "uuid", "json", "jsonb", "text[]",
	}
}

// promises reports whether what the conversions of a column make is sure to be of its type.
func promises(p *plan, k kind) bool {
	if k.base == typeText && !k.array {
		return true
	}
	for i := range p.steps {
		if s := &p.steps[i]; !s.suits(k) {
			return false
		} else if s.typed() && s.op != opText {
			return true
		}
	}
	return false
}

// TestServerTakesWhatConversionsMake puts every odd text through every conversion for every type it is for, and
// what is not refused into a table, with dates in a style that is not the usual one. Conversions that leave
// the judgement to the server are left out: they promise nothing.
func TestServerTakesWhatConversionsMake(t *testing.T) {
	t.Parallel()
	c := clustertest.Start(t, cluster.Options{})
	session, err := c.Session(t.Context(), "postgres")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { session.Close(t.Context()) })
	for i, typ := range serverTypes() {
		if err := session.Exec(t.Context(), fmt.Sprintf("CREATE TEMPORARY TABLE t%d (x %s)", i, typ)); err != nil {
			t.Fatal(err)
		}
	}
	tried := map[string]bool{}
	for _, style := range []string{"SQL, DMY", "German, MDY"} {
		if err := session.Exec(t.Context(), "SET datestyle = '"+style+"'", "SET timezone = 'Asia/Kolkata'"); err != nil {
			t.Fatal(err)
		}
		for i, typ := range serverTypes() {
			for _, convert := range everyConversion() {
				m := (&conversionCase{convert: convert, typ: typ}).mappingOf(t)
				if !promises(&m.plans[0], kindOf(typ)) {
					continue
				}
				for _, text := range oddTexts() {
					values, refused := m.Row(nil, record(text))
					if refused != nil || values[0].State != evidence.Known || !utf8.Valid(values[0].Text) { // the readers refuse what is not UTF-8
						continue
					}
					out := string(values[0].Text)
					if key := style + typ + "\x00" + out; tried[key] {
						continue
					} else {
						tried[key] = true
					}
					if err := session.Exec(t.Context(), fmt.Sprintf("INSERT INTO t%d VALUES (E'%s')", i, strings.NewReplacer(`'`, `''`, `\`, `\\`).Replace(out))); err != nil {
						t.Errorf("%s of %.60q for %s makes %.60q: %s", convert, text, typ, out, cluster.ServerMessage(err))
					}
				}
			}
		}
	}
	if len(tried) < 500 {
		t.Errorf("only %d values were tried", len(tried))
	}
}
