package secrets

import (
	"strings"
	"testing"
	"time"
)

// BenchmarkText masks a line of a backend, and texts that were made to be slow; each says how many
// times longer a byte of it takes than a byte of the line.
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
	} {
		b.Run(test.name, func(b *testing.B) {
			b.SetBytes(size)
			start := time.Now()
			for b.Loop() {
				Text(test.text)
			}
			used := time.Since(start).Seconds() / float64(b.N)
			if test.name == "line" {
				plain = used
			}
			if plain > 0 {
				b.ReportMetric(used/plain, "times-a-line")
			}
		})
	}
}
