package casefile

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/pgrescue/pgrescue/recover/evidence"
)

// TestRewriteKeepsIdentity gives some rows of a route other values: they stay the same rows.
func TestRewriteKeepsIdentity(t *testing.T) {
	t.Parallel()
	dir := t.TempDir() + "/case"
	c := create(t, dir)
	rel := orders()
	imported := func(n int) *evidence.Row {
		return &evidence.Row{Relation: rel, Values: []evidence.Value{known(fmt.Sprintf("made-%d", n)), known("x")}, Provenance: evidence.Provenance{
			Route: evidence.RouteImport, Confidence: evidence.Derived, Source: "orders.csv", Line: int64(n / 2), // two of each line
		}}
	}
	put := func(r *Run) {
		table := tableOf(t, r, rel)
		for n := range 2500 {
			must(t, table.Put(imported(n)))
		}
		must(t, table.Put(orderRow(rel, 0, evidence.RouteHeap, "made-1")))
	}
	runOf(t, c, put)
	change := func(r *Run) int64 {
		n, err := r.Rewrite(1, evidence.RouteImport, func(row *evidence.Row) bool {
			if row.Line%10 != 3 || string(row.Values[1].Text) != "x" {
				return false
			}
			row.Values[0].Text = append([]byte("told"), row.Values[0].Text[4:]...)
			row.Values[1] = evidence.Value{State: evidence.Unknown, Reason: "rewritten"}
			row.Origins = []evidence.Origin{{Confidence: evidence.Claimed, Source: "app.log", Line: 7, Why: "id that the logs tell"}, {}}
			return true
		})
		must(t, err)
		return n
	}
	before := listing(t, c)
	r, err := c.Begin(context.Background(), Command{Name: "logs rebuild"})
	must(t, err)
	if n := change(r); n != 250 {
		t.Errorf("%d rows changed", n)
	}
	must(t, r.Abandon(1))
	if !slices.Equal(listing(t, c), before) {
		t.Error("an abandoned run changed rows")
	}
	runOf(t, c, func(r *Run) {
		must(t, tableOf(t, r, rel).Put(&evidence.Row{Relation: rel, Values: imported(0).Values, Provenance: evidence.Provenance{
			Route: evidence.RouteImport, Confidence: evidence.Derived, Source: "more.csv", Line: 13, // of the run itself
		}}))
		if n := change(r); n != 251 {
			t.Errorf("%d rows changed", n)
		}
		if n := change(r); n != 0 {
			t.Errorf("%d rows changed again", n)
		}
	})
	n, told := 0, 0
	must(t, c.Rows(context.Background(), 1, evidence.RouteImport, func(row *evidence.Row) error {
		n++
		if row.Values[1].State == evidence.Unknown {
			told++
			if row.Origins == nil || row.Origins[0].Line != 7 || string(row.Values[0].Text[:4]) != "told" {
				t.Errorf("row %s: %+v", row.Values[0].Text, row.Origins)
			}
		}
		return nil
	}))
	if n != 2501 || told != 251 {
		t.Errorf("%d rows, %d of them rewritten", n, told)
	}
	// The import again: what it finds is the same rows, which know more.
	runOf(t, c, put)
	if got := listing(t, c); len(got) != len(before)+1 {
		t.Errorf("%d rows, want %d", len(got), len(before)+1)
	}
	must(t, c.Close())
	sound(t, dir)
}
