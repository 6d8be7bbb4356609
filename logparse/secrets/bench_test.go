//go:build unix

package secrets

import (
	"strings"
	"syscall"
	"testing"
)

// cpuTime is the CPU time that this process has used, in seconds.
func cpuTime(b *testing.B) float64 {
	b.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return float64(usage.Utime.Nano()+usage.Stime.Nano()) / 1e9
}

// BenchmarkText masks a line of a backend, and texts that were made to be slow; each says how many
// times the CPU time a byte of it takes than a byte of the line.
func BenchmarkText(b *testing.B) {
	const size = 1 << 20
	line := "2025-10-07 18:22:49,123 - app.services.data_import - INFO - ✅ Stored 37 records for import " + flow + ", name: 'OG-DC-SRV01' (os=linux)\n"
	fill := func(piece string) string { return strings.Repeat(piece, size/len(piece)+1)[:size] }
	plain := 0.0
	for _, test := range []struct{ name, text string }{
		{"line", fill(line)},
		{"letters", fill("a")},
		{"secrets", fill("password=hunter2 ")},
		{"names", fill("password:")},
		{"quotes", fill("'token'")},
		{"jwt", fill("eyJ-")},
		{"uris", fill("a://b:c/")},
		{"colons", fill("://:")},
		{"keys", fill("Key (")},
		{"hashes", fill("$5$")},
		{"brackets", fill("cookie={[(")},
		{"flags", fill("--token ")},
		{"commas", "password=" + fill(",a b")},
		{"cookies", fill("cookie: a; ")},
		{"separators", fill("=")},
		{"basic", fill("basic ")},
		{"lists", fill("insert into (" + strings.Repeat("token,", 9))},
		{"inserts", fill("insert into a (token) values ('")},
		{"roles", fill("create role '")},
		{"role after role", fill("create role a set ")},
		{"calls", fill("hmac(a,")},
		{"assignments", fill(")=(")},
		{"selected", fill("insert into a (token) select ")},
		{"comparisons", fill("token in (")},
		{"tuples", "insert into a (b, token) values " + fill("(1, '2'), ")},
	} {
		b.Run(test.name, func(b *testing.B) {
			b.SetBytes(size)
			start := cpuTime(b)
			for b.Loop() {
				Text(test.text)
			}
			used := (cpuTime(b) - start) / float64(b.N)
			if test.name == "line" {
				plain = used
			}
			if plain > 0 {
				b.ReportMetric(used/plain, "times-a-line")
				b.ReportMetric(size/1e6/used, "MB/cpu-s")
			}
		})
	}
}
