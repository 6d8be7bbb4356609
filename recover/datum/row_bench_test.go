//go:build unix

package datum_test

import (
	"io"
	"syscall"
	"testing"
	"time"

	"github.com/pgrescue/pgrescue/recover/datum"
	"github.com/pgrescue/pgrescue/recover/evidence"
)

// BenchmarkDecode measures rows a second of CPU time: decoding alone, and with
// the COPY text.
func BenchmarkDecode(b *testing.B) {
	for _, bm := range []struct {
		name  string
		natts int
		write bool
	}{{"simple", 5, false}, {"simple_copy", 5, true}, {"numeric_copy", 6, true}} {
		b.Run(bm.name, func(b *testing.B) {
			decoder := datum.NewRowDecoder(nil, simpleRelation())
			tuple := benchTuple(b, simpleTuple(bm.natts, "some text"))
			w, err := evidence.NewWriter(evidence.FormatCopy, io.Discard)
			if err != nil {
				b.Fatal(err)
			}
			var row evidence.Row
			b.ReportAllocs()
			start := usedCPU(b)
			for b.Loop() {
				if err := decoder.Decode(tuple, nil, &row); err != nil {
					b.Fatal(err)
				}
				if bm.write {
					if err := w.Put(&row); err != nil {
						b.Fatal(err)
					}
				}
			}
			b.ReportMetric(float64(b.N)/(usedCPU(b)-start).Seconds(), "rows/cpu-s")
		})
	}
}

// usedCPU is the CPU time that this process has used.
func usedCPU(b *testing.B) time.Duration {
	b.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
