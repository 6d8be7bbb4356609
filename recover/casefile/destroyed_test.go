package casefile

import (
	"context"
	"testing"

	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/pg"
)

// TestDestroyed puts two transactions into a ledger and asks who destroyed what.
func TestDestroyed(t *testing.T) {
	t.Parallel()
	c := create(t, t.TempDir()+"/case")
	items := orders()
	items.Name, items.OID = "items", 16390
	runOf(t, c, func(r *Run) {
		line := func(rel *evidence.Relation, n int, xid pg.XID, operation evidence.Operation) {
			must(t, tableOf(t, r, rel).Ledger(LedgerLine{
				File: "1663/5/" + rel.Name, TID: pg.TID{Offset: pg.OffsetNumber(n)}, LSN: pg.LSN(0x1000 + n), XID: xid, Operation: operation,
				CommitTime: orderRow(rel, 0, evidence.RouteHeap, "").CommitTime, NamedBy: evidence.RouteWAL, Settled: evidence.RouteHeap,
			}))
		}
		line(items, 5, 742, evidence.OpDelete)
		line(orders(), 1, 742, evidence.OpDelete)
		line(orders(), 2, 742, evidence.OpDelete)
		line(orders(), 3, 750, evidence.OpUpdate)
	})
	d, err := c.Destroyed(context.Background(), 10, 10)
	must(t, err)
	if d.Transactions != 2 || d.Tables != 3 || len(d.List) != 3 {
		t.Fatalf("destroyers: %+v", d)
	}
	for i, want := range []struct {
		name      string
		xid       pg.XID
		versions  int64
		first     pg.LSN
		operation evidence.Operation
	}{{"orders", 742, 2, 0x1001, evidence.OpDelete}, {"items", 742, 1, 0x1005, evidence.OpDelete}, {"orders", 750, 1, 0x1003, evidence.OpUpdate}} {
		got := d.List[i]
		if got.Name != want.name || got.XID != want.xid || got.Versions != want.versions || got.First != want.first || got.Operation != want.operation || got.CommitTime.IsZero() {
			t.Errorf("line %d is %+v, not %+v", i, got, want)
		}
	}
	if d, err = c.Destroyed(context.Background(), 1, 10); err != nil || len(d.List) != 2 || d.Transactions != 2 {
		t.Errorf("the worst one: %+v, %v", d, err)
	}
}

// TestConflicts finds the version on which two routes disagree, and leaves alone the
// one on which they agree.
func TestConflicts(t *testing.T) {
	t.Parallel()
	c := create(t, t.TempDir()+"/case")
	rel := orders()
	runOf(t, c, func(r *Run) {
		table := tableOf(t, r, rel)
		for _, row := range []*evidence.Row{
			orderRow(rel, 0, evidence.RouteHeap, "same"), orderRow(rel, 0, evidence.RouteWAL, "same"),
			orderRow(rel, 1, evidence.RouteHeap, "one"), orderRow(rel, 1, evidence.RouteWAL, "another"),
		} {
			must(t, table.Put(row))
		}
	})
	list, err := c.Conflicts(context.Background(), 10)
	must(t, err)
	if len(list) != 1 || list[0].Name != "orders" || len(list[0].Sides) != 2 || list[0].TID.Offset != 2 {
		t.Fatalf("conflicts: %+v", list)
	}
	heap, log := list[0].Sides[0], list[0].Sides[1]
	if heap.Route != evidence.RouteHeap || string(heap.Values[1].Text) != "one" || log.Route != evidence.RouteWAL || string(log.Values[1].Text) != "another" {
		t.Errorf("sides: %+v", list[0].Sides)
	}
	summary, err := c.Summary(context.Background())
	must(t, err)
	if summary.Tables[0].Conflicts != 1 {
		t.Errorf("Summary counts %d conflicts", summary.Tables[0].Conflicts)
	}
}
