package jsonfile

import (
	"strings"
	"testing"

	"github.com/pgrescue/pgrescue/recover/pitr/cluster"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster/clustertest"
)

// samples are values of one member, at the borders of what jsonb holds.
func samples() []string {
	zeros := func(n int) string { return strings.Repeat("0", n) }
	return []string{
		`"x"`, `"\u0000"`, `"\u0001"`, `"\\u0000"`, `["\u0000"]`, `{"\u0000":1}`, `{"x":{"y":"a\u0000b"}}`, `"\ud83d\ude00"`, `"\uD83D\uDE00"`, `"\ud83d"`, `"\ude00"`,
		`"\ud83d\n"`, `"\ud83d\u0041"`, `"\ud83d\ud83d"`, `"\ude00\ud83d"`, `"\\ud83d"`, `"\ud7ff\ue000"`, `"\uffff\ufffe"`, `"é😀"`,
		`0`, `-0`, `1.10`, `9007199254740993`, `1e400`, `1E+400`, `1e-400`, `0e0`, `0e131073`, `0e99999`, `0.0e131073`, `0e-16383`, `0e-16384`, `0.` + zeros(16383), `0.` + zeros(16384),
		`1e131071`, `1e131072`, `9e131071`, `1e131073`, `1e1310719`, `0.1e131072`, `0.1e131073`, `0.001e131074`, `0.001e131075`, `10e131070`, `10e131071`, `123.456e131069`, `123.456e131070`, `00`[1:] + `.5e131072`,
		`1e-16383`, `1e-16384`, `1.5e-16382`, `1.5e-16383`, `100e-16383`, `100e-16384`, `100e-16385`, `1` + zeros(131071), `1` + zeros(131072), `-1` + zeros(131071), `-1` + zeros(131072),
		`1` + zeros(10) + `e131061`, `1` + zeros(10) + `e131062`, `1e2147483647`, `1e-2147483647`, `1e99999999999999999999`, `1e-99999999999999999999`, `0e99999999999999999999`, `1e1073741822`, `1e-1073741822`,
		`0.` + zeros(16382) + `1`, `0.` + zeros(16383) + `1`, `[1e131072]`, `[[[1e131073]]]`, strings.Repeat("[", 1000) + strings.Repeat("]", 1000),
		`true`, `false`, `null`, `[]`, `{}`, `""`, `"\"\\\/\b\f\n\r\t"`, `[1,2,{"a":[]}]`, `NaN`, `1.`, `.5`, `01`, `"\x"`, `[1,]`, `{"a":1,}`, `tru`, `nul`, `1e`, `--1`, `+1`, `'x'`, `"` + "\t" + `"`, `{"a"}`, `{a:1}`,
	}
}

// TestServerAgrees asks PostgreSQL which values jsonb can hold: exactly those that are records here.
func TestServerAgrees(t *testing.T) {
	t.Parallel()
	for _, version := range []string{"13", "15", "18"} {
		t.Run("pg"+version, func(t *testing.T) {
			t.Parallel()
			c := clustertest.Start(t, cluster.Options{Version: version})
			clustertest.Exec(t, c, "postgres", `CREATE FUNCTION holds(document text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN PERFORM document::jsonb; RETURN ''; EXCEPTION WHEN others THEN RETURN sqlerrm; END $$`)
			for _, sample := range samples() {
				document := `{"a": ` + sample + `}`
				server := clustertest.Value(t, c, "postgres", "SELECT holds($document$"+document+"$document$)")
				_, records, rejects := read(t, "["+document+"]", "")
				if len(records)+len(rejects) != 1 {
					t.Errorf("%.100s: %d records, %d rejects", sample, len(records), len(rejects))
				}
				if (server == "") != (len(records) == 1) {
					t.Errorf("%.100s: the server says %q, and here there are records %.200q, rejects %.200q", sample, server, records, rejects)
				}
			}
		})
	}
}
