package casefile

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/pg"
)

func contains(text, part string) bool { return strings.Contains(text, part) }

// writePlan makes a plan of rows for two tables, and a batch that applied a part of it.
func writePlan(t *testing.T, c *Case, rows int) Plan {
	t.Helper()
	ctx := context.Background()
	w, err := c.NewPlan(ctx)
	must(t, err)
	for i := range rows {
		must(t, w.Put(planRow(i, rows)))
	}
	plan, err := w.Finish([]byte(`{"format":1}`))
	must(t, err)
	must(t, c.BeginBatch(ctx, plan.ID, Batch{Batch: 1, Table: -1, FirstSeq: 1, LastSeq: int64(rows / 2), Work: WorkApply, Round: 1, XID: pg.FullXID(1<<40 + 7), Detail: []byte(`{"last":true}`)}))
	must(t, c.CommitBatch(ctx, plan.ID, 1, BatchCommitted))
	return plan
}

func planRow(i, rows int) *PlanRow {
	row := &PlanRow{
		Table: i * 2 / rows, Action: "insert", Key: []evidence.Value{known(fmt.Sprint(i))},
		Data: []evidence.Value{known(fmt.Sprint(i)), {State: evidence.Null}}, From: []int64{int64(i + 1)},
	}
	if i%2 == 1 {
		row.Action, row.Note, row.Before = "overwrite", "it was there", []evidence.Value{known("before")}
		row.From = append(row.From, 7)
	}
	return row
}

func TestPlanComesBack(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	c := create(t, t.TempDir()+"/case")
	rel := orders()
	runOf(t, c, func(r *Run) {
		table := tableOf(t, r, rel)
		for i := range 10 {
			must(t, table.Put(orderRow(rel, i, evidence.RouteHeap, "x")))
		}
	})
	const rows = 10
	plan := writePlan(t, c, rows)
	if got, err := c.Plan(ctx, 0); err != nil || got.Hash != plan.Hash || string(got.Header) != `{"format":1}` || got.State != PlanMade || got.Rows != rows {
		t.Errorf("the last plan: %+v, %v", got, err)
	}
	if _, err := c.Plan(ctx, 9); !errors.Is(err, ErrNoPlan) {
		t.Errorf("a plan that is not there: %v", err)
	}
	for table, first := range map[int]int{-1: 0, 0: 0, 1: 5} {
		n := first
		for row, err := range c.PlanRows(ctx, plan.ID, table, 0) {
			must(t, err)
			want := planRow(n, rows)
			if row.Seq != int64(n+1) || row.Table != want.Table || row.Action != want.Action || row.Note != want.Note || fmt.Sprint(row.From) != fmt.Sprint(want.From) ||
				!sameValues(row.Key, want.Key) || !sameValues(row.Data, want.Data) || !sameValues(row.Before, want.Before) || (row.Before == nil) != (want.Before == nil) {
				t.Errorf("table %d row %d: %+v", table, n, row)
			}
			n++
		}
		if want := map[int]int{-1: 10, 0: 5, 1: 10}[table]; n != want {
			t.Errorf("table %d ends at row %d, want %d", table, n, want)
		}
	}
	batches, err := c.Batches(ctx, plan.ID)
	must(t, err)
	if len(batches) != 1 || batches[0].XID != 1<<40+7 || batches[0].State != BatchCommitted || batches[0].CommittedAt.IsZero() || batches[0].LastSeq != 5 {
		t.Errorf("batches: %+v", batches)
	}
	must(t, c.SetPlanState(ctx, plan.ID, "applied"))
	if err := c.SetPlanState(ctx, 9, "applied"); !errors.Is(err, ErrNoPlan) {
		t.Errorf("the state of a plan that is not there: %v", err)
	}
	restored := func(want int64) {
		t.Helper()
		summary, err := c.Summary(ctx)
		must(t, err)
		if got := summary.Tables[0].Restored; got != want {
			t.Errorf("%d rows are restored, want %d", got, want)
		}
	}
	restored(5)
	must(t, c.SetPlanState(ctx, plan.ID, "undone"))
	restored(0)
	if whole, err := c.VerifyPlan(ctx, plan.ID); err != nil || !whole {
		t.Errorf("verify: %v, %v", whole, err)
	}
}

// TestPlanIsWholeOrNot abandons plans, alone and within a run.
func TestPlanIsWholeOrNot(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	c := create(t, t.TempDir()+"/case")
	plans := func() int64 {
		t.Helper()
		n, err := c.number("SELECT count(*) + (SELECT count(*) FROM plan_row) FROM plan")
		must(t, err)
		return n
	}
	w, err := c.NewPlan(ctx)
	must(t, err)
	must(t, w.Put(planRow(0, 10)))
	must(t, w.Abandon())
	must(t, w.Abandon())
	if w.Put(planRow(0, 10)) == nil || plans() != 0 {
		t.Error("an abandoned plan is there")
	}

	rel := orders()
	r, err := c.Begin(ctx, Command{Name: "restore plan"})
	must(t, err)
	table := tableOf(t, r, rel)
	must(t, table.Put(orderRow(rel, 0, evidence.RouteHeap, "before the plan")))
	w, err = c.NewPlan(ctx)
	must(t, err)
	must(t, w.Put(planRow(0, 10)))
	must(t, w.Abandon())
	w, err = c.NewPlan(ctx)
	must(t, err)
	// Not in the order in which they are read: the hash is the same for all that.
	must(t, w.Put(planRow(9, 10)))
	must(t, w.Put(planRow(0, 10)))
	plan, err := w.Finish([]byte("{}"))
	must(t, err)
	if err := c.BeginBatch(ctx, plan.ID, Batch{Batch: 1}); err == nil {
		t.Error("a batch that is not durable was taken")
	}
	must(t, table.Put(orderRow(rel, 1, evidence.RouteHeap, "behind the plan")))
	must(t, r.Commit(0))
	if n := plans(); n != 3 {
		t.Errorf("plans and rows: %d", n)
	}
	if whole, err := c.VerifyPlan(ctx, plan.ID); err != nil || !whole {
		t.Errorf("verify: %v, %v", whole, err)
	}
	if n, err := c.number("SELECT count(*) FROM row"); err != nil || n != 2 {
		t.Errorf("the run kept %d rows: %v", n, err)
	}
	must(t, c.Close())
	sound(t, c.Dir())
}
