package pg_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/live"
	"github.com/pgrescue/pgrescue/recover/pg"
)

// canonicalSamples are texts beside inputSamples.
var canonicalSamples = map[string][]string{
	"integer[]":                {"{}", "{1,NULL, -007}", `{"1", 2}`},
	"text[]":                   {"{}", `{a,"b c",NULL,"NULL","",  x y ,"q\"\\"}`, "{äö,'}"},
	"boolean[]":                {"{t,FALSE,yes}"},
	"timestamp with time zone": {"2025-11-26 10:20:30.500+02", "2024-02-29T23:30:00-05:30", "2025-01-01 00:00:00.000001Z", "2025-11-26 10:20:30+0100"},
	"jsonb":                    {`{"bb":1,"a":[1, 2.50,-0,-0.0],"a":{"é":"\u00e9\/\u0001\u007f"},"":null}`, `"\ud83d\ude00"`},
	"double precision":         {"0.1", "1e15", "123456789012345.6", "-0", "1e-5", "0.30000000000000004"},
	"real":                     {"0.1", "16777217", "-0.0", "1000000"},
	"uuid":                     {"{A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11}", "a0eebc999c0b4ef8bb6d6bb9bd380a11"},
	"numeric(4,2)":             {"1.005", "-1.005", "-0.001", "2"},
}

// What Canonical prints is what servers old and new print.
func TestCanonicalIsWhatServersPrint(t *testing.T) {
	t.Parallel()
	const each = 5000
	onServers(t, func(t *testing.T, conn *live.Conn, random *rand.Rand) {
		types := map[string][]string{}
		for typ, samples := range inputSamples {
			types[typ] = append(append(types[typ], samples...), canonicalSamples[typ]...)
		}
		for typ, samples := range canonicalSamples {
			if types[typ] == nil {
				types[typ] = samples
			}
		}
		for typ, samples := range types {
			var in, want []byte
			lines := 0
			for n := range each {
				sample := samples[n%len(samples)]
				if n >= len(samples) {
					sample = changed(random, sample, samples)
				}
				plain, ok := pg.Canonical(typ, []byte(sample))
				if !ok {
					continue
				}
				in = append(evidence.AppendCopyText(in, []byte(sample)), '\n')
				want = append(evidence.AppendCopyText(want, plain), '\n')
				lines++
			}
			if lines < each/200 {
				t.Errorf("%s: only %d texts have a canonical one", typ, lines)
			}
			setup := fmt.Sprintf("DROP TABLE IF EXISTS x; CREATE TEMP TABLE x (v %s, n serial); SET TimeZone = 'UTC'; SET DateStyle = 'ISO, MDY'; SET IntervalStyle = postgres", typ)
			if err := conn.Exec(t.Context(), "set up", setup); err != nil {
				t.Fatal(err)
			}
			if _, err := conn.PgConn().CopyFrom(t.Context(), bytes.NewReader(in), "COPY x (v) FROM STDIN"); err != nil {
				t.Errorf("%s: %v", typ, err)
				continue
			}
			var got bytes.Buffer
			if _, err := conn.PgConn().CopyTo(t.Context(), &got, "COPY (SELECT v FROM x ORDER BY n) TO STDOUT"); err != nil {
				t.Fatal(err)
			}
			compareLines(t, typ, in, want, got.Bytes())
		}
	})
}

// compareLines shows the first of the lines that differ.
func compareLines(t *testing.T, typ string, in, want, got []byte) {
	t.Helper()
	texts, ours, server := bytes.Split(in, []byte("\n")), bytes.Split(want, []byte("\n")), bytes.Split(got, []byte("\n"))
	for i := range texts {
		if i >= len(server) || !bytes.Equal(ours[i], server[i]) {
			t.Errorf("%s: of %q is %q, the server prints %q", typ, texts[i], ours[i], server[min(i, len(server)-1)])
			return
		}
	}
}
