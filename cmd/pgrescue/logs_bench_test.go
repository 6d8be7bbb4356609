//go:build linux

package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// busyServerLog writes a log of a server with log_statement = all, and gives its path.
func busyServerLog(b *testing.B, bytes int, statement string) string {
	b.Helper()
	path := filepath.Join(b.TempDir(), "server.log")
	file, err := os.Create(path)
	if err != nil {
		b.Fatal(err)
	}
	defer file.Close()
	out := bufio.NewWriterSize(file, 1<<20)
	for i, n := 0, 0; n < bytes; i++ {
		head := fmt.Sprintf("2025-10-07 %02d:%02d:%02d.%03d UTC [%d] app@shop ", 8+i/3600000%12, i/60000%60, i/1000%60, i%1000, 7100+i%20)
		wrote, err := fmt.Fprintf(out, "%sLOG:  execute <unnamed>: %s\n%sDETAIL:  parameters: $1 = '%d', $2 = 'c-%d', $3 = 'a, \"b\" and it''s so'\n%sLOG:  duration: 0.0%d ms\n",
			head, statement, head, i, i%97, head, i%90+10)
		if err != nil {
			b.Fatal(err)
		}
		n += wrote
	}
	if err := out.Flush(); err != nil {
		b.Fatal(err)
	}
	return path
}

// BenchmarkLogsTimeline reads a log of statements that only read, of which none is listed, and one of statements that
// write, of which all are; and pgBadger reads it, where it is installed. Its report says more of durations and nothing
// of transactions.
func BenchmarkLogsTimeline(b *testing.B) {
	m := buildCommands(b)
	for name, statement := range map[string]string{
		"reads":  "SELECT id, customer, note FROM orders\n\tWHERE id = $1 AND customer = $2 AND note = $3",
		"writes": "INSERT INTO orders (id, customer, note, created_at)\n\tVALUES ($1, $2, $3, now())",
	} {
		b.Run(name, func(b *testing.B) {
			log := busyServerLog(b, 128<<20, statement)
			part := busyServerLog(b, 16<<20, statement) // pgBadger takes minutes for all of it
			info, err := os.Stat(log)
			if err != nil {
				b.Fatal(err)
			}
			size := float64(info.Size()) / 1e6
			partInfo, err := os.Stat(part)
			if err != nil {
				b.Fatal(err)
			}
			var own, theirs, peak float64
			for b.Loop() {
				used := m.run(b, io.Discard, "logs", "timeline", log, "--json")
				own, peak = own+used.cpu, max(peak, used.peakMiB)
				if badger, err := exec.LookPath("pgbadger"); err == nil {
					used, err := runProcess(io.Discard, badger, "-q", "-j", "1", "-f", "stderr", "-p", "%m [%p] %u@%d ", "-o", filepath.Join(b.TempDir(), "report.html"), part)
					if err != nil {
						b.Fatal(err)
					}
					theirs += used.cpu
				}
			}
			b.ReportMetric(size*float64(b.N)/own, "MB/cpu-s")
			b.ReportMetric(peak, "peak-MiB")
			if theirs > 0 {
				b.ReportMetric(theirs/float64(partInfo.Size())*float64(info.Size())/own, "times-pgbadger")
			}
		})
	}
}
