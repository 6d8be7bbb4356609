package pg_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/live"
	"github.com/pgrescue/pgrescue/recover/pg"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster/clustertest"
)

// inputSamples are types, and texts from which others are made by small changes. Those of a
// type that every version prints are certain.
var inputSamples = map[string][]string{
	"text":                           {"", "a", "äöü", "日本語 🐘", "eight by"},
	"character varying(5)":           {"", "abcde", "äöüßé", "🐘🐘🐘🐘🐘", "abc  "},
	"character(3)":                   {"", "abc", "äöü"},
	"name":                           {"", "relname", strings.Repeat("x", 62)},
	"smallint":                       {"0", "-1", "32767", "-32767", "00012"},
	"integer":                        {"0", "-1", "2147483647", "-2147483647", "12"},
	"bigint":                         {"0", "-1", "9223372036854775807", "-9223372036854775807"},
	"oid":                            {"0", "4294967295", "26"},
	"numeric":                        {"0", "-1.50", "123456789012345678901234567890.123456789", "0.000000000000000000001"},
	"numeric(4,2)":                   {"0", "99.99", "-9.999", "1.23456", "0099.1"},
	"numeric(10,0)":                  {"9999999999", "1.5", "-0"},
	"real":                           {"0", "-1.5", "100000000000000000000000000000", "0.0000000000000000000000000001"},
	"double precision":               {"0", "-1.5", "1e99", "1E-99", "123.456e+10"},
	"boolean":                        {"t", "true", "YES", "no", "Off", "on", "0", "1", "F"},
	"uuid":                           {"11111111-2222-3333-4444-555555555555", "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11"},
	"bytea":                          {`\x`, `\x00ff`, `\xABCDEF0123`},
	"inet":                           {"1.2.3.4", "255.255.255.255", "0.0.0.0", "::1", "2001:db8::ff00:42:8329", "::ffff:1.2.3.4", "fe80::"},
	"macaddr":                        {"08:00:2b:01:02:03", "FF:ff:00:11:22:33"},
	"date":                           {"2025-11-26", "1999-02-28", "2000-02-29", "0001-01-01", "9999-12-31"},
	"timestamp without time zone":    {"2025-11-26", "2025-11-26 10:20:30", "2025-11-26T23:59:59.123456", "2025-11-26 10:20:30.5+02"},
	"timestamp(3) without time zone": {"2025-11-26 10:20:30.999999", "9999-12-31T23:59:59.9999"},
	"timestamp with time zone":       {"2025-11-26 10:20:30+00", "2025-11-26T10:20:30Z", "0001-01-01 00:00:00+14", "9999-12-31 23:59:59.9-14:00", "2025-11-26 10:20:30.1-0530"},
	"time without time zone":         {"00:00:00", "23:59:59.999999", "10:20:30"},
	"interval":                       {"00:00:00", "23:59:59.5", "10:20:30"},
	"bit(4)":                         {"0000", "1011"},
	"bit varying(6)":                 {"0", "101101"},
	"integer[]":                      {"{}"},
	"json":                           jsonSamples,
	"jsonb":                          jsonSamples,
}

var jsonSamples = []string{
	`{"a": 1, "b": [true, false, null], "c": {"d": "x\n\"y\""}}`, `[]`, `{}`, `[[[]], {}]`, `"text"`, `-12.5e+10`, `0`, `[1,2.50,0.1E-9]`,
	`{"a":"\u00e9 \ud83d\ude00 \\u0000", "a": ""}`, "  [ 1 , 2 ]\n", `{"name": "Ünïcödé 🐘", "x": null}`, `["\u0000"]`, `["\ud800"]`, `["\ude00x"]`,
}

// changed makes a text that is near to another one.
func changed(random *rand.Rand, text string, others []string) string {
	const alphabet = "0123456789-+.:,eEtTfFzZ \\\"'{}[]()/xXaAbBnNuUdDlL\t\n\x01\x7f"
	out := []byte(text)
	for range random.IntN(4) {
		at := random.IntN(len(out) + 1)
		c := alphabet[random.IntN(len(alphabet))]
		switch random.IntN(5) {
		case 0:
			out = append(out[:at], append([]byte{c}, out[at:]...)...)
		case 1:
			if at < len(out) {
				out = append(out[:at], out[at+1:]...)
			}
		case 2:
			if at < len(out) {
				out[at] = c
			}
		case 3:
			if at < len(out) && out[at]-'0' <= 9 {
				out[at] = byte('0' + random.IntN(10))
			}
		case 4:
			other := others[random.IntN(len(others))]
			out = append(out[:at], other[min(random.IntN(len(other)+1), at):]...)
		}
	}
	if random.IntN(200) == 0 {
		out = append(out, 0x00)
	}
	if random.IntN(200) == 0 {
		out = append(out, 0xc3)
	}
	return string(out)
}

// onServers runs a test on servers old and new, with random numbers whose seed is logged.
func onServers(t *testing.T, test func(t *testing.T, conn *live.Conn, random *rand.Rand)) {
	t.Helper()
	for _, version := range []string{"12", "15", "18"} {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			seed := rand.Uint64()
			t.Logf("seed %d", seed)
			random := rand.New(rand.NewPCG(seed, 0))
			c := clustertest.Start(t, cluster.Options{Version: version})
			conn, err := live.Connect(t.Context(), c.LibpqDSN("postgres"), live.Options{Command: "test", Mode: live.Write})
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			test(t, conn, random)
		})
	}
}

// What CertainInput calls certain is taken by servers old and new, however they read dates.
func TestCertainInputIsTaken(t *testing.T) {
	t.Parallel()
	const each = 20_000
	onServers(t, func(t *testing.T, conn *live.Conn, random *rand.Rand) {
		for typ, samples := range inputSamples {
			certain := pg.CertainInput(typ)
			var text []byte
			lines := 0
			for n := range each {
				sample := samples[n%len(samples)]
				if n >= len(samples) {
					sample = changed(random, sample, samples)
				}
				if certain([]byte(sample)) {
					text = append(evidence.AppendCopyText(text, []byte(sample)), '\n')
					lines++
				}
			}
			if lines < each/100 {
				t.Errorf("%s: only %d texts were certain", typ, lines)
			}
			styles := []string{"ISO, YMD"}
			if strings.HasPrefix(typ, "time") || typ == "date" || typ == "interval" {
				styles = []string{"ISO, YMD", "ISO, DMY", "SQL, MDY", "SQL, DMY", "German, DMY", "Postgres, MDY"}
			}
			for i, style := range styles {
				interval := []string{"postgres", "sql_standard", "iso_8601", "postgres_verbose"}[i%4]
				setup := fmt.Sprintf("DROP TABLE IF EXISTS x; CREATE TEMP TABLE x (v %s); SET DateStyle = '%s'; SET IntervalStyle = %s", typ, style, interval)
				if err := conn.Exec(t.Context(), "set up", setup); err != nil {
					t.Fatal(err)
				}
				if _, err := conn.PgConn().CopyFrom(t.Context(), bytes.NewReader(text), "COPY x FROM STDIN"); err != nil {
					t.Errorf("%s with DateStyle %s: %v", typ, style, err)
				}
			}
		}
	})
}

// What servers print of common values is certain: else each of them would be asked about.
func TestCertainInputKnowsWhatIsPrinted(t *testing.T) {
	t.Parallel()
	for typ, samples := range inputSamples {
		certain := pg.CertainInput(typ)
		for _, sample := range samples {
			if strings.HasSuffix(typ, "b") && (strings.Contains(sample, `"\u0000`) || strings.Contains(sample, `"\ud800"`) || strings.Contains(sample, `\ude00x`)) {
				continue // jsonb does not hold these
			}
			if !certain([]byte(sample)) {
				t.Errorf("%s: %q is not certain", typ, sample)
			}
		}
	}
	for typ, bad := range map[string][]string{
		"text": {"a\x00", "\xff", "12345678\x00"}, "integer": {"", "2147483648", "1.0", " 1", "1_000", "-"}, "jsonb": {`"\u0000"`, `"\ud800"`, "", "[1,]", "01", "nul", `{"a"}`},
		"date": {"26.11.2025", "2025-02-29", "0000-01-01", "2025-1-1"}, "numeric(4,2)": {"100", "99.999"}, "character varying(5)": {"äöüßéx", "abcdef"},
		"double precision": {"1e100", "e5", "1e"}, "inet": {"1.2.3", "01.2.3.4", "1.2.3.256", "fe80::1%eth0"}, "money": {"1"}, "integer[]": {"{1}"},
		"json": {"[1 2]", `{"a":1,}`, "[1]]", "true1", "--1", `"` + "\x01" + `"`, strings.Repeat("[", 100) + strings.Repeat("]", 100)},
	} {
		certain := pg.CertainInput(typ)
		for _, sample := range bad {
			if certain([]byte(sample)) {
				t.Errorf("%s: %q is certain", typ, sample)
			}
		}
	}
}

func BenchmarkCertainInput(b *testing.B) {
	for typ, sample := range map[string]string{
		"text": "web-server-01.example", "uuid": "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "integer": "1234567", "timestamp with time zone": "2025-11-26 10:20:30.123456+00",
		"json": `{"name": "web-server-01", "ip": "10.20.30.40", "os": "Linux", "cpu": "16", "memory": "64", "owner": "Platform Team"}`,
	} {
		b.Run(strings.ReplaceAll(typ, " ", "-"), func(b *testing.B) {
			certain, text := pg.CertainInput(typ), []byte(sample)
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				if !certain(text) {
					b.Fatal("it is certain")
				}
			}
		})
	}
}

// jsonb has offsets of 28 bits: of what comes near them one is not certain, however it is written.
func TestCertainInputOfLongJSON(t *testing.T) {
	t.Parallel()
	list := func(item string, n int) []byte {
		return []byte("[" + strings.Repeat(item+",", n-1) + item + "]")
	}
	certain := pg.CertainInput("jsonb")
	for _, test := range []struct {
		item string
		n    int
		want bool
	}{{"1", 1_000_000, true}, {"1", 13_000_000, false}, {`"` + strings.Repeat("x", 1000) + `"`, 200_000, true}, {`"` + strings.Repeat("x", 1000) + `"`, 260_000, false}, {"[]", 30_000_000, false}} {
		if got := certain(list(test.item, test.n)); got != test.want {
			t.Errorf("%d times %.10s: %v", test.n, test.item, got)
		}
	}
}

// Bytes that are not UTF-8 are found wherever they stand in a text of JSON.
func TestCertainInputOfJSONBeyondASCII(t *testing.T) {
	t.Parallel()
	certain := pg.CertainInput("json")
	for n := range 40 {
		for _, tail := range []string{"", "x", "\\n", "abcdefghijkl"} {
			before := strings.Repeat("p", n)
			for text, want := range map[string]bool{"é": true, "\xe9": false, "\x00": false, "🐘": true, "\xff\"": false} {
				if got := certain([]byte(`["` + before + text + tail + `"]`)); got != want {
					t.Errorf("%q behind %d and before %q: %v", text, n, tail, got)
				}
			}
		}
	}
	for _, text := range []string{"\xc3\xa9", "[\x00]", "[1\x00]", "[1]\x00", "\x00", "{\"a\"\xa0:1}", "\ufeff[]"} {
		if certain([]byte(text)) {
			t.Errorf("%q is certain", text)
		}
	}
}
