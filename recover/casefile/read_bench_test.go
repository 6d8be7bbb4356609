package casefile

import (
	"context"
	"testing"
)

// BenchmarkRead reads a case of a million rows and lines in each way that there is.
func BenchmarkRead(b *testing.B) {
	const rows = 1_000_000
	ctx := context.Background()
	dir := b.TempDir() + "/case"
	benchIngest(b, dir, rows, true)
	c, err := Open(ctx, dir, Read, Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	b.Run("candidates", func(b *testing.B) {
		for range b.N {
			n := 0
			for candidate, err := range c.Candidates(ctx, []int64{1}, []string{"id"}) {
				if err != nil || len(candidate.Key) != 1 {
					b.Fatal(candidate, err)
				}
				n++
			}
			if n != rows {
				b.Fatalf("%d candidates", n)
			}
		}
		b.ReportMetric(float64(rows)*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
		b.ReportMetric(peakMemory(b), "peak-MiB")
	})
	b.Run("summary", func(b *testing.B) {
		for range b.N {
			summary, err := c.Summary(ctx)
			if err != nil || summary.Tables[0].Lost != rows {
				b.Fatal(summary, err)
			}
		}
		b.ReportMetric(peakMemory(b), "peak-MiB")
	})
	b.Run("verify", func(b *testing.B) {
		for range b.N {
			problems, err := c.VerifyIntegrity(ctx, nil)
			if err != nil || len(problems) > 0 {
				b.Fatal(problems, err)
			}
		}
		b.ReportMetric(float64(rows)*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
		b.ReportMetric(peakMemory(b), "peak-MiB")
	})
}
