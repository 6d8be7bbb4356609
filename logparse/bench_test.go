//go:build unix

package logparse

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// cpuTime is the CPU time that this process has used.
func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// benchLog writes a log of so many bytes, and finds it.
func benchLog(b *testing.B, size int, line func(i int) string) *Source {
	b.Helper()
	path := filepath.Join(b.TempDir(), "bench.log")
	file, err := os.Create(path)
	if err != nil {
		b.Fatal(err)
	}
	defer file.Close()
	var block strings.Builder
	for i := 0; block.Len() < 1<<20; i++ {
		block.WriteString(line(i))
	}
	for written := 0; written < size; written += block.Len() {
		if _, err := file.WriteString(block.String()); err != nil {
			b.Fatal(err)
		}
	}
	sources, _, err := Find(context.Background(), FindOptions{Paths: []string{path}})
	if err != nil {
		b.Fatal(err)
	}
	return sources[0]
}

// BenchmarkLines reads lines of some wrappers: MB a CPU second, and the CPU time of 300 MB.
func BenchmarkLines(b *testing.B) {
	const size = 100 << 20
	tests := []struct {
		name string
		line func(i int) string
	}{
		{"plain", func(i int) string {
			return fmt.Sprintf("2025-10-07 18:22:49.123 UTC [%d] app@shop LOG:  execute <unnamed>: INSERT INTO orders (id, name, note) VALUES ($1, $2, $3)\n", i)
		}},
		{"emoji", func(i int) string {
			return fmt.Sprintf("2025-10-07 18:22:49,123 - app.services.data_import.storage_manager - INFO - ✅ Stored %d records for import 11111111-1111-1111-1111-111111111111\n", i)
		}},
		{"docker", func(i int) string {
			return fmt.Sprintf(`{"log":"2025-10-07 18:22:49.123 UTC [%d] LOG:  statement: SELECT \"a\" FROM b WHERE c \u003c 7\n","stream":"stderr","time":"2025-10-07T18:22:49.123456789Z"}`+"\n", i)
		}},
		{"CRI", func(i int) string {
			return fmt.Sprintf("2025-10-07T18:22:49.123456789Z stderr F 2025-10-07 18:22:49.123 UTC [%d] LOG:  statement: SELECT 1\n", i)
		}},
		{"journald", func(i int) string {
			return fmt.Sprintf(`{"__CURSOR":"s=739ad463348b4ceca5a9e69c95a3c93f;i=%d","__REALTIME_TIMESTAMP":"1759861369123456","PRIORITY":"6","_PID":"71","SYSLOG_IDENTIFIER":"postgres","_SYSTEMD_UNIT":"postgresql.service","MESSAGE":"LOG:  statement: SELECT 1"}`+"\n", i)
		}},
	}
	for _, test := range tests {
		b.Run(test.name, func(b *testing.B) {
			source := benchLog(b, size, test.line)
			b.SetBytes(size)
			b.ReportAllocs()
			lines := 0
			start := cpuTime(b)
			for b.Loop() {
				for _, err := range source.Lines(context.Background()) {
					if err != nil {
						b.Fatal(err)
					}
					lines++
				}
			}
			used := (cpuTime(b) - start).Seconds()
			b.ReportMetric(float64(b.N)*size/1e6/used, "MB/cpu-s")
			b.ReportMetric(300e6/(float64(b.N)*size)*used, "cpu-s/300MB")
			b.ReportMetric(float64(lines)/used, "lines/cpu-s")
		})
	}
}

func BenchmarkParseStamp(b *testing.B) {
	text := []byte("2025-10-07 18:22:49.123 UTC [71] LOG:  statement: SELECT 1")
	b.ReportAllocs()
	for b.Loop() {
		if _, n := ParseStamp(text); n == 0 {
			b.Fatal("no stamp")
		}
	}
}

func BenchmarkStamps(b *testing.B) {
	text := []byte("2025-10-07 18:22:49.123 UTC [71] LOG:  statement: SELECT 1")
	var stamps Stamps
	b.ReportAllocs()
	for b.Loop() {
		if _, n := stamps.Parse(text); n == 0 {
			b.Fatal("no stamp")
		}
	}
}
