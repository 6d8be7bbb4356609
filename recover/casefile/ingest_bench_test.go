package casefile

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/pg"
)

// peakMemory is the most memory that the process ever had, in MiB (VmHWM).
func peakMemory(b *testing.B) float64 {
	b.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		b.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		if rest, found := strings.CutPrefix(line, "VmHWM:"); found {
			kib, err := strconv.ParseFloat(strings.Fields(rest)[0], 64)
			if err != nil {
				b.Fatal(err)
			}
			return kib / 1024
		}
	}
	b.Fatal("no VmHWM")
	return 0
}

// processorTime is what the process has used so far: on a busy machine it tells more than the clock.
func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// benchRelation has the columns of a usual table.
func benchRelation() *evidence.Relation {
	rel := &evidence.Relation{RelationName: evidence.RelationName{Database: "shop", Schema: "public", Name: "orders"}, OID: 16384}
	for i, name := range []string{"id", "customer", "placed_at", "total", "state", "note"} {
		rel.Columns = append(rel.Columns, evidence.Column{Name: name, Type: "text", Key: i == 0})
	}
	return rel
}

// benchRow fills row with the n-th row of the table; its values take their memory again.
func benchRow(row *evidence.Row, n int) {
	for i := range row.Values {
		row.Values[i].State = evidence.Known
		row.Values[i].Text = row.Values[i].Text[:0]
	}
	v := row.Values
	v[0].Text = strconv.AppendInt(v[0].Text, int64(n), 10)
	v[1].Text = strconv.AppendInt(v[1].Text, int64(n%1000), 10)
	v[2].Text = append(v[2].Text, "2026-11-23 14:00:00.123456+00"...)
	v[3].Text = append(strconv.AppendInt(v[3].Text, int64(n%10000), 10), ".50"...)
	v[4].Text = append(v[4].Text, "delivered"...)
	v[5].Text = append(v[5].Text, "a note as people write it, with \"quotes\""...)
	row.TID = pg.TID{Block: pg.BlockNumber(n / 80), Offset: pg.OffsetNumber(n%80 + 1)}
	row.LSN = pg.LSN(0x16B374000 + n*64)
}

// BenchmarkIngest takes rows in, without and with their ledger lines, into a new case each time.
func BenchmarkIngest(b *testing.B) {
	for _, lines := range []bool{false, true} {
		for _, rows := range []int{250_000, 1_000_000} {
			b.Run(fmt.Sprintf("ledger=%v/rows=%d", lines, rows), func(b *testing.B) {
				before := processorTime(b)
				for range b.N {
					benchIngest(b, b.TempDir()+"/case", rows, lines)
				}
				b.ReportMetric(float64(rows)*float64(b.N)/(processorTime(b)-before).Seconds(), "rows/cpu-s")
				b.ReportMetric(float64(rows)*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
				b.ReportMetric(peakMemory(b), "peak-MiB")
			})
		}
	}
}

func benchIngest(b *testing.B, dir string, rows int, lines bool) {
	b.Helper()
	ctx := context.Background()
	c, err := Open(ctx, dir, Create, Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	r, err := c.Begin(ctx, Command{Name: "bench"})
	if err != nil {
		b.Fatal(err)
	}
	rel := benchRelation()
	table, err := r.Table(Table{Relation: rel})
	if err != nil {
		b.Fatal(err)
	}
	row := evidence.Row{Relation: rel, Values: make([]evidence.Value, len(rel.Columns)), Provenance: evidence.Provenance{
		Route: evidence.RouteHeap, Confidence: evidence.Proven, Source: "/copy/data/base/5/16384", Xmin: 700, Xmax: 742, Operation: evidence.OpDelete,
	}}
	for n := range rows {
		benchRow(&row, n)
		if err := table.Put(&row); err != nil {
			b.Fatal(err)
		}
		if !lines {
			continue
		}
		err := table.Ledger(LedgerLine{
			File: "1663/5/16384", TID: row.TID, LSN: row.LSN, XID: 742, Operation: evidence.OpDelete,
			NamedBy: evidence.RouteWAL, Settled: evidence.RouteHeap,
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	if err := r.Commit(0); err != nil {
		b.Fatal(err)
	}
}
