//go:build unix

package evidence_test

import (
	"io"
	"syscall"
	"testing"
	"time"

	"github.com/pgrescue/pgrescue/recover/evidence"
)

// simpleRow is what most tables look like: a uuid, a number, a text, a time, a boolean.
func simpleRow() evidence.Row {
	rel := fruit()
	rel.Columns = []evidence.Column{{Name: "id", Key: true}, {Name: "n"}, {Name: "name"}, {Name: "at"}, {Name: "yes"}}
	return evidence.Row{Relation: rel, Provenance: provenance(), Values: []evidence.Value{
		known("6f1c3a52-4f0e-4a8e-9a34-0c6f1f0f7d11"), known("2116718"), known("a name of some length, with a comma"),
		known("2026-11-23 01:02:03.000004+00"), known("t"),
	}}
}

func TestWriterAllocatesNothingPerRow(t *testing.T) {
	row := simpleRow()
	for _, format := range []evidence.Format{evidence.FormatCopy, evidence.FormatCSV, evidence.FormatSQL} {
		w, err := evidence.NewWriter(format, io.Discard)
		if err != nil {
			t.Fatal(err)
		}
		row.Note = ""
		put := func() {
			if err := w.Put(&row); err != nil {
				t.Error(err)
			}
		}
		for range 2000 { // until the buffer has its size
			put()
		}
		if n := testing.AllocsPerRun(2000, put); n != 0 {
			t.Errorf("%s: %v allocations a row, want none", format, n)
		}
	}
}

// cpuTime is the CPU time that this process has used.
func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

func BenchmarkWriter(b *testing.B) {
	for _, format := range evidence.Formats() {
		b.Run(string(format), func(b *testing.B) {
			row := simpleRow()
			w, err := evidence.NewWriter(format, io.Discard)
			if err != nil {
				b.Fatal(err)
			}
			var size int64
			for i := range row.Values {
				size += int64(len(row.Values[i].Text)) + 1
			}
			b.SetBytes(size)
			b.ReportAllocs()
			start := cpuTime(b)
			for b.Loop() {
				if err := w.Put(&row); err != nil {
					b.Fatal(err)
				}
			}
			if used := cpuTime(b) - start; used > 0 {
				b.ReportMetric(float64(b.N)/used.Seconds(), "rows/cpu-s")
			}
		})
	}
}
