package casefile

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/pg"
)

// orders is a table with two rows that were deleted.
func orders() *evidence.Relation {
	return &evidence.Relation{
		RelationName: evidence.RelationName{Database: "shop", Schema: "public", Name: "orders"}, OID: 16384,
		Columns: []evidence.Column{{Name: "id", Type: "integer", Key: true, Identity: 'a'}, {Name: "note", Type: "text"}},
	}
}

func known(text string) evidence.Value { return evidence.Value{Text: []byte(text)} }

func orderRow(rel *evidence.Relation, n int, route evidence.Route, note string) *evidence.Row {
	return &evidence.Row{
		Relation: rel, Values: []evidence.Value{known(string(rune('a' + n))), known(note)},
		Provenance: evidence.Provenance{
			Route: route, Confidence: evidence.Proven, Source: "/copy/base/5/16384", LSN: pg.LSN(0x1000 + n),
			TID: pg.TID{Block: pg.BlockNumber(n / 10), Offset: pg.OffsetNumber(n%10 + 1)}, Xmin: 700, Xmax: 742,
			Operation: evidence.OpDelete, CommitTime: time.Date(2026, 11, 23, 14, 0, 0, 123456000, time.UTC),
		},
	}
}

func create(t *testing.T, dir string) *Case {
	t.Helper()
	c, err := Open(context.Background(), dir, Create, Options{Command: "test"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// runOf begins a run, lets f write, and commits it.
func runOf(t *testing.T, c *Case, f func(r *Run)) {
	t.Helper()
	r, err := c.Begin(context.Background(), Command{Name: "undelete", Version: "test", Argv: []string{"pgrescue", "undelete"}, Who: "me", Host: "here"})
	if err != nil {
		t.Fatal(err)
	}
	f(r)
	if err := r.Commit(0); err != nil {
		t.Fatal(err)
	}
}

func tableOf(t *testing.T, r *Run, rel *evidence.Relation) *RunTable {
	t.Helper()
	table, err := r.Table(Table{Relation: rel, Encoding: "UTF8"})
	if err != nil {
		t.Fatal(err)
	}
	return table
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestRowsComeBackAsTheyWentIn(t *testing.T) {
	t.Parallel()
	c := create(t, t.TempDir()+"/case")
	rel := orders()
	runOf(t, c, func(r *Run) {
		must(t, r.Cluster(7294839201, 150000, "shop"))
		table := tableOf(t, r, rel)
		for i := range 5 {
			must(t, table.Put(orderRow(rel, i, evidence.RouteHeap, "text")))
			must(t, table.Ledger(LedgerLine{
				File: "1663/5/16384", TID: pg.TID{Block: 0, Offset: pg.OffsetNumber(i + 1)}, LSN: pg.LSN(0x1000 + i), XID: 742,
				Operation: evidence.OpDelete, NamedBy: evidence.RouteWAL, Settled: evidence.RouteHeap,
			}))
		}
	})
	relations, err := c.Relations(context.Background())
	must(t, err)
	if len(relations) != 1 || relations[0].RelationName != rel.RelationName || !slices.Equal(relations[0].Shapes[0].Columns, rel.Columns) {
		t.Fatalf("relations: %+v", relations)
	}
	n := 0
	for candidate, err := range c.Candidates(context.Background(), []int64{relations[0].ID}, []string{"id"}) {
		must(t, err)
		want := orderRow(rel, n, evidence.RouteHeap, "text")
		if candidate.Provenance != want.Provenance || string(candidate.Values[0].Text) != string(want.Values[0].Text) || string(candidate.Key[0].Text) != string(want.Values[0].Text) {
			t.Errorf("row %d: %+v", n, candidate)
		}
		n++
	}
	if n != 5 {
		t.Errorf("%d rows came back", n)
	}
	summary, err := c.Summary(context.Background())
	must(t, err)
	if s := summary.Tables[0]; s.Lost != 5 || s.Settled[evidence.RouteHeap] != 5 || s.Rows[evidence.RouteHeap] != 5 || summary.SystemIdentifier != "7294839201" {
		t.Errorf("summary: %+v", summary)
	}
	problems, err := c.VerifyIntegrity(context.Background(), nil)
	must(t, err)
	if len(problems) > 0 {
		t.Errorf("problems: %v", problems)
	}
}
