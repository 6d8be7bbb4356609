package restore

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/pgrescue/pgrescue/recover/casefile"
)

// UndoOptions are the choices of Undo.
type UndoOptions struct {
	// Batch is about how many rows one transaction takes back; 0: one transaction for all.
	Batch int64
}

// Undone is what Undo did.
type Undone struct {
	// Already: an earlier run had taken everything back.
	Already bool `json:"already"`
	// Removed counts the inserted rows that are gone again, Reverted the changed ones
	// that have their former values again, Gone those that were not there any more.
	Removed  int64 `json:"removed"`
	Reverted int64 `json:"reverted"`
	Gone     int64 `json:"gone"`
	// Kept counts rows that were left, in this run and those before that it goes on with:
	// somebody changed them or refers to them since.
	Kept         int64 `json:"kept"`
	Transactions int   `json:"transactions"`
}

// undoer is one call of Undo.
type undoer struct {
	engine
	past   *past
	result Undone
}

// Undo takes back what Apply put in, row by row: inserted rows go, changed ones get their
// former values back. A row that somebody changed since is left, and so is one that a row
// refers to which stays; Finding is called for each, and the error is ErrKept. Sequences
// stay where they are. After Undo the plan can be applied again.
func Undo(ctx context.Context, acting Acting, options UndoOptions) (*Undone, error) {
	u := &undoer{engine: engine{Acting: acting, op: "restore: undo in"}}
	defer u.close()
	err := u.undo(ctx, options)
	return &u.result, err
}

func (u *undoer) undo(ctx context.Context, options UndoOptions) error {
	if err := u.checkPlan(ctx); err != nil {
		return err
	}
	if err := u.connect(ctx); err != nil {
		return err
	}
	if err := u.mayWrite(ctx); err != nil {
		return err
	}
	var err error
	if u.past, err = u.readPast(ctx); err != nil {
		return err
	}
	switch {
	case len(u.past.applied) == 0:
		return u.fail(ErrNotApplied, errors.New("no row of this plan was put in"), "")
	case u.past.undoneAll && u.past.kept == 0:
		u.result.Already = true
		return u.Case.SetPlanState(ctx, u.Plan.PlanID, casefile.PlanUndone)
	case u.past.undoneAll:
		u.past.again()
	}
	u.result.Kept = u.past.kept
	// An undo that was killed may not have come to say so.
	if err := u.Case.UndoBatches(ctx, u.Plan.PlanID, u.past.undoneFrom()); err != nil {
		return err
	}
	spans, err := u.spans(ctx, options.Batch)
	if err != nil {
		return err
	}
	if err := u.Case.SetPlanState(ctx, u.Plan.PlanID, casefile.PlanUndoing); err != nil {
		return err
	}
	for i, s := range slices.Backward(spans) {
		if err := u.span(ctx, s, i == 0); err != nil {
			return err
		}
	}
	return u.end(ctx)
}

// end notes how the undo ended.
func (u *undoer) end(ctx context.Context) error {
	if u.result.Kept == 0 {
		return u.Case.SetPlanState(ctx, u.Plan.PlanID, casefile.PlanUndone)
	}
	if err := u.Case.SetPlanState(ctx, u.Plan.PlanID, casefile.PlanKept); err != nil {
		return err
	}
	cause := errors.New(counted(u.result.Kept, "row was left", "rows were left"))
	if u.findings > 0 {
		cause = fmt.Errorf("%w, such as %s", cause, u.example)
	}
	return u.fail(ErrKept, cause, "what somebody changed or refers to since is theirs; decide by hand, and run undo again for the rest")
}

// spans divides what is still to be taken back into transactions.
func (u *undoer) spans(ctx context.Context, size int64) ([]span, error) {
	seen, err := u.examine(ctx)
	if err != nil {
		return nil, err
	}
	spans, err := u.spansOf(ctx, 1, u.past.undoneFrom()-1, size, seen.tied)
	if err != nil {
		return nil, err
	}
	todo := map[int]work{}
	for i := range spans {
		u.step.Total += spans[i].rows()
		for _, t := range spans[i].tables {
			todo[t.index] = work{deletes: todo[t.index].deletes || t.inserts > 0, updates: todo[t.index].updates || t.updates > 0}
		}
	}
	return spans, u.checkRights(ctx, seen, todo, false)
}

// span takes the rows of one transaction back.
func (u *undoer) span(ctx context.Context, s span, last bool) error {
	places, err := u.begin(ctx, s.indexes())
	detail := batchDetail{Last: last, Multisets: map[int]int64{}}
	var done Undone
	if err == nil {
		done, err = u.takeBack(ctx, &s, places, detail.Multisets)
	}
	if err != nil {
		u.rollback(ctx)
		return err
	}
	detail.Undone, detail.Kept = done.Removed+done.Reverted, done.Kept
	b, err := u.past.note(s, casefile.WorkUndo, detail)
	if err == nil {
		err = u.commit(ctx, &batchRecord{&u.engine, b})
	}
	if err != nil {
		u.rollback(ctx)
		return err
	}
	if err := u.Case.UndoBatches(ctx, u.Plan.PlanID, s.first); err != nil {
		return err
	}
	u.result.Removed += done.Removed
	u.result.Reverted += done.Reverted
	u.result.Gone += done.Gone
	u.result.Kept += done.Kept
	u.result.Transactions++
	return nil
}
