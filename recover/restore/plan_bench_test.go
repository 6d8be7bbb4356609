package restore

import (
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/pgrescue/pgrescue/recover/casefile"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster/clustertest"
)

// benchRows is the number of rows of BenchmarkPlan.
func benchRows(b *testing.B) int {
	b.Helper()
	text := os.Getenv("PGRESCUE_BENCH_ROWS")
	if text == "" {
		return 200_000
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		b.Fatal(err)
	}
	return n
}

// peakHeap runs f and reports the most that the heap held meanwhile.
func peakHeap(f func()) uint64 {
	stop, ended := make(chan struct{}), make(chan uint64)
	go func() {
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		var peak uint64
		var stats runtime.MemStats
		for {
			select {
			case <-stop:
				ended <- peak
				return
			case <-tick.C:
				runtime.ReadMemStats(&stats)
				peak = max(peak, stats.HeapInuse)
			}
		}
	}()
	f()
	close(stop)
	return <-ended
}

// BenchmarkPlan plans a tree of rows, each the child of another lost one, with a unique
// column beside the key, of which every tenth row is in the target already.
func BenchmarkPlan(b *testing.B) {
	rows := benchRows(b)
	server := clustertest.Start(b, cluster.Options{})
	clustertest.Exec(b, server, "postgres", "CREATE TABLE t (id int PRIMARY KEY, up int REFERENCES t, u text UNIQUE, v text)",
		"INSERT INTO t SELECT i, NULL, 'u' || i, repeat('v', 100) FROM generate_series(0, "+strconv.Itoa(rows-1)+", 10) i", "VACUUM ANALYZE t")
	for _, n := range []int{rows / 10, rows} {
		b.Run("rows="+strconv.Itoa(n), func(b *testing.B) {
			c := newCase(b)
			rel := relation("public.t: id integer key, up integer, u text, v text")
			table, err := c.run.Table(casefile.Table{Relation: rel})
			if err != nil {
				b.Fatal(err)
			}
			long := strings.Repeat("v", 100)
			for i := range n {
				id, up := strconv.Itoa(i), strconv.Itoa(i/2)
				if i%10 == 0 {
					up = `\N`
				}
				row := lostRow(rel, i)
				row.Values = texts(id, up, "u"+id, long)
				if err := table.Put(&row); err != nil {
					b.Fatal(err)
				}
			}
			c.done(b)
			for b.Loop() {
				began := time.Now()
				peak := peakHeap(func() {
					plan := c.makePlan(b, server, Options{})
					if counts := plan.Tables[0].Counts; counts[Equal] != int64((n+9)/10) || counts[Insert] != int64(n-(n+9)/10) {
						b.Fatalf("counts %v", counts)
					}
				})
				b.ReportMetric(float64(peak)/(1<<20), "MiB-heap")
				b.ReportMetric(float64(n)/time.Since(began).Seconds(), "rows/s")
			}
		})
	}
}
