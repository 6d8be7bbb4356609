package jsonfile

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/pgrescue/pgrescue/importers"
)

// benchBytes is the size of the document, from PGRESCUE_BENCH_MB.
func benchBytes(b *testing.B) int {
	b.Helper()
	text := os.Getenv("PGRESCUE_BENCH_MB")
	if text == "" {
		return 64 << 20
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		b.Fatal(err)
	}
	return n << 20
}

// benchRecord is an object of 20 names and a nested value, of about 690 bytes.
func benchRecord(dst []byte, i int) []byte {
	dst = fmt.Appendf(dst, `{"id": %d, "hostname": "srv-%07d.prod.example.com", "ip_address": "10.%d.%d.%d", "os": "Ubuntu 22.04 LTS", "cpu_cores": %d, "memory_gb": %d.50, "storage_gb": 512,`, i, i, i>>16&255, i>>8&255, i&255, i%64, i%512)
	dst = fmt.Appendf(dst, ` "environment": "Production", "location": "München, Rack %d", "department": "Operations \"%d\"", "owner": "Zoë Smith", "owner_email": "zoe.smith+%d@example.com", "status": "Active",`, i%40, i%7, i)
	dst = fmt.Appendf(dst, ` "active": true, "retired": null, "cost": 1234.5678, "serial": "9007199254740993%d", "description": "A server of the second row that serves the customer portal, line one\nline two", "last_updated": "2024-01-15T10:37:29Z",`, i)
	return fmt.Appendf(dst, ` "application": "eCommerce Platform", "details": {"tags": ["web", "tier-%d", "blue"], "ports": [80, 443, %d], "owner": {"team": "core", "since": 2019}}}`, i%3, 1024+i%60000)
}

// benchDocument writes a document and returns it as a source.
func benchDocument(b *testing.B, lines bool) *importers.Source {
	b.Helper()
	size := benchBytes(b)
	path := filepath.Join(b.TempDir(), "bench.json")
	file, err := os.Create(path)
	if err != nil {
		b.Fatal(err)
	}
	var text []byte
	written := 0
	for i := 0; written < size; i++ {
		text = text[:0]
		switch {
		case lines && i > 0:
			text = append(text, '\n')
		case !lines && i == 0:
			text = append(text, '[')
		case !lines:
			text = append(text, ',', '\n')
		}
		text = benchRecord(text, i)
		n, err := file.Write(text)
		if err != nil {
			b.Fatal(err)
		}
		written += n
	}
	if !lines {
		if _, err := file.WriteString("]\n"); err != nil {
			b.Fatal(err)
		}
		written += 2
	}
	if err := file.Close(); err != nil {
		b.Fatal(err)
	}
	return &importers.Source{Path: path, Name: "bench.json", Format: importers.FormatJSON, Size: int64(written)}
}

// cpu is what this process has used.
func cpu(b *testing.B) time.Duration {
	b.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// measured reports megabytes a CPU second of read, which returns how many records it met.
func measured(b *testing.B, src *importers.Source, read func() (int, error)) {
	b.Helper()
	b.SetBytes(src.Size)
	b.ReportAllocs()
	b.ResetTimer()
	before := cpu(b)
	for b.Loop() {
		n, err := read()
		if err != nil {
			b.Fatal(err)
		}
		if want := src.Size / 1000; int64(n) < want {
			b.Fatalf("read %d records, want more than %d", n, want)
		}
	}
	used := (cpu(b) - before).Seconds()
	b.ReportMetric(float64(src.Size)*float64(b.N)/1e6/used, "MB/cpu-s")
}

// records reads all records of a source, with the pass that finds their names.
func records(src *importers.Source) (int, error) {
	lists, err := Open(context.Background(), src, Options{})
	if err != nil {
		return 0, err
	}
	n := 0
	for _, err := range lists[0].Records(context.Background(), nil) {
		if err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}

func opened(src *importers.Source, read func(r io.Reader) (int, error)) (int, error) {
	file, err := os.Open(src.Path)
	if err != nil {
		return 0, err
	}
	defer func() { _ = file.Close() }()
	return read(file)
}

// rawV1 splits a document into raw values with encoding/json, decoding nothing else.
func rawV1(array bool) func(io.Reader) (int, error) {
	return func(r io.Reader) (int, error) {
		decoder := json.NewDecoder(r)
		if array {
			if _, err := decoder.Token(); err != nil {
				return 0, err
			}
		}
		n := 0
		var value json.RawMessage
		for decoder.More() {
			if err := decoder.Decode(&value); err != nil {
				return n, err
			}
			n++
		}
		return n, nil
	}
}

// rawText splits a document into raw values with jsontext.
func rawText(array bool) func(io.Reader) (int, error) {
	return func(r io.Reader) (int, error) {
		decoder := jsontext.NewDecoder(r)
		if array {
			if _, err := decoder.ReadToken(); err != nil {
				return 0, err
			}
		}
		for n := 0; ; n++ {
			if array && decoder.PeekKind() == ']' {
				return n, nil
			}
			if _, err := decoder.ReadValue(); errors.Is(err, io.EOF) {
				return n, nil
			} else if err != nil {
				return n, err
			}
		}
	}
}

// BenchmarkSplit compares both passes of this package, records with fields included, with what
// only finds where the values end.
func BenchmarkSplit(b *testing.B) {
	for _, lines := range []bool{false, true} {
		name := "list"
		if lines {
			name = "lines"
		}
		src := benchDocument(b, lines)
		b.Run(name+"/pgrescue", func(b *testing.B) { measured(b, src, func() (int, error) { return records(src) }) })
		b.Run(name+"/encoding-json", func(b *testing.B) {
			measured(b, src, func() (int, error) { return opened(src, rawV1(!lines)) })
		})
		b.Run(name+"/jsontext", func(b *testing.B) {
			measured(b, src, func() (int, error) { return opened(src, rawText(!lines)) })
		})
	}
}

// BenchmarkScan is the inner loop alone.
func BenchmarkScan(b *testing.B) {
	text := benchRecord(nil, 4711)
	var s scan
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		s.begin(text, true)
		if end, st := s.object(0); st != whole || end != len(text) {
			b.Fatal(s.why, bytes.Clone(text[:end]))
		}
	}
}
