package applog

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/pgrescue/pgrescue/logparse"
	"github.com/pgrescue/pgrescue/recover/evidence"
)

// BenchmarkFramers makes entries of lines of a backend.
func BenchmarkFramers(b *testing.B) {
	const head = "2025-10-07 18:22:49,123 - app.services.data_import.storage_manager.import_commands - INFO - "
	for name, test := range map[string]struct {
		line   string
		framer func() logparse.Framer
	}{
		"text":   {head + "✅ Stored 37 records for import " + imported, func() logparse.Framer { return newTextFramer(knownShapes()[:1]) }},
		"second": {head + "✅ Stored 37 records for import " + imported, func() logparse.Framer { s := knownShapes(); return newTextFramer([]*Shape{s[20], s[0]}) }},
		"loose":  {"  more of the same, which has no head, and goes on with the entry before it", func() logparse.Framer { return newTextFramer(knownShapes()[:3]) }},
		"JSON":   {strings.TrimSpace(asJSON([]string{"🔍 Stored 37 records for import " + imported})), func() logparse.Framer { return &jsonFramer{text: newTextFramer(nil)} }},
		"access": {`10.0.0.1 - ann [07/Oct/2025:18:22:51 +0000] "GET /api/v1/flows?x=1 HTTP/1.1" 200 1234 "-" "curl/8"`, func() logparse.Framer { return &accessFramer{} }},
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(test.line) + 1))
			b.ReportAllocs()
			framer, line := test.framer(), &logparse.Line{Text: []byte(test.line)}
			out := func(*logparse.Entry) error { return nil }
			for b.Loop() {
				if err := framer.Frame(line, out); err != nil {
					b.Fatal(err)
				}
				if name == "loose" {
					if err := framer.Flush(out); err != nil {
						b.Fatal(err)
					}
				}
			}
		})
	}
}

// regexps are the patterns of a pack as one regular expression each, to compare with.
func regexps(b *testing.B, pack *Pack) (list []*regexp.Regexp) {
	b.Helper()
	field := regexp.MustCompile(`\\\{(\w+)\\\}`)
	for _, pattern := range pack.Patterns {
		for _, text := range pattern.Match {
			floats := strings.HasPrefix(text, anywhere)
			quoted := field.ReplaceAllString(regexp.QuoteMeta(strings.TrimPrefix(text, anywhere)), "(?P<$1>.*?)")
			if !floats {
				quoted = `^[^A-Za-z]*` + quoted
			}
			list = append(list, regexp.MustCompile(quoted+`$`))
		}
	}
	return list
}

// BenchmarkMatch matches each line of the application, and some that no pattern takes, and says how many times as long
// it takes to try one regular expression after the other.
func BenchmarkMatch(b *testing.B) {
	pack := discoveryPack(b)
	var entries []*logparse.Entry
	size := 0
	for i, line := range lines() {
		for _, message := range []string{line[0], fmt.Sprintf("GET /api/v1/flows/%d took 12 ms", i), fmt.Sprintf("Creating session %d", i)} {
			entries = append(entries, &logparse.Entry{Message: []byte(message)})
			size += len(message)
		}
	}
	var match Match
	used := 0.0
	b.Run("pack", func(b *testing.B) {
		b.SetBytes(int64(size))
		b.ReportAllocs()
		start := time.Now()
		for b.Loop() {
			for _, entry := range entries {
				pack.Match(entry, &match)
			}
		}
		used = time.Since(start).Seconds() / float64(b.N)
		b.ReportMetric(used/float64(len(entries))*1e9, "ns/entry")
	})
	b.Run("regexps", func(b *testing.B) {
		list := regexps(b, pack)
		b.SetBytes(int64(size))
		start := time.Now()
		for b.Loop() {
			for _, entry := range entries {
				for _, expression := range list {
					if expression.Match(entry.Message) {
						break
					}
				}
			}
		}
		if used > 0 {
			b.ReportMetric(time.Since(start).Seconds()/float64(b.N)/used, "times-the-pack")
		}
	})
}

func BenchmarkTemplates(b *testing.B) {
	templates := NewTemplates()
	var entries []*logparse.Entry
	size := 0
	for _, line := range lines() {
		entries = append(entries, &logparse.Entry{Message: []byte(line[0])})
		size += len(line[0])
	}
	b.SetBytes(int64(size))
	for b.Loop() {
		for _, entry := range entries {
			templates.Add(entry)
		}
	}
}

// BenchmarkRows follows the messages of an import with its assets, and makes their rows.
func BenchmarkRows(b *testing.B) {
	pack := discoveryPack(b)
	text := anImport(client, imported, flow, "2") + committed(imported, "2") + strings.ReplaceAll(ofAssets, "FLOW", flow)
	var entries []*logparse.Entry
	for line := range strings.Lines(text) {
		entries = append(entries, &logparse.Entry{Message: []byte(strings.TrimSpace(line))})
	}
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	var match Match
	for b.Loop() {
		rows := NewRows(pack, RowsOptions{})
		for _, entry := range entries {
			if pack.Match(entry, &match) {
				rows.Add(entry, &match)
			}
		}
		if err := rows.Put(sinkOf(func(*evidence.Row) error { return nil })); err != nil {
			b.Fatal(err)
		}
	}
}
