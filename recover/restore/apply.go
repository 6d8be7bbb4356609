package restore

import (
	"context"
	"errors"
	"fmt"

	"github.com/pgrescue/pgrescue/recover/casefile"
)

// ApplyOptions are the choices of Apply.
type ApplyOptions struct {
	// Batch is about how many rows one transaction writes; 0: one transaction for all.
	// Rows of tables that refer to each other in a circle stay together, however many they
	// are, and so do those of a table without a key.
	Batch int64
	// DryRun checks plan, target and rights, and writes nothing.
	DryRun bool
}

// Applied is what Apply did.
type Applied struct {
	// Already: an earlier run had put everything in.
	Already bool `json:"already"`
	// Inserted and Changed count the rows of this run.
	Inserted int64 `json:"inserted"`
	Changed  int64 `json:"changed"`
	// Earlier counts the rows that earlier runs had put in, before they were interrupted.
	Earlier int64 `json:"earlier"`
	// Transactions is how many this run committed.
	Transactions int `json:"transactions"`
	// TriggersOff: session_replication_role was replica.
	TriggersOff bool    `json:"triggers_off"`
	Sequences   []Moved `json:"sequences,omitempty"`
	Bytes       int64   `json:"bytes"`
}

// applier is one call of Apply.
type applier struct {
	engine
	past   *past
	result Applied
}

// Apply puts the rows of the plan into the target: all of them in one transaction, or in
// batches, of which each comes whole or not at all. Called again after it was
// interrupted, it goes on where it was.
//
// The error is ErrStale when the target is not as the plan found it, ErrEdited when the
// plan is not as it was made, live.ErrDenied when the role may not do it; nothing of the
// transaction is in the target then. It is ErrInDoubt when the connection was lost at
// COMMIT and the server cannot be asked; calling Apply again asks it.
func Apply(ctx context.Context, acting Acting, options ApplyOptions) (*Applied, error) {
	a := &applier{engine: engine{Acting: acting, op: "restore: apply to"}}
	defer a.close()
	err := a.apply(ctx, options)
	return &a.result, err
}

func (a *applier) apply(ctx context.Context, options ApplyOptions) error {
	if err := a.checkPlan(ctx); err != nil {
		return err
	}
	if err := a.connect(ctx); err != nil {
		return err
	}
	if err := a.decided(); err != nil {
		return err
	}
	if err := a.mayWrite(ctx); err != nil {
		return err
	}
	a.result.TriggersOff = a.replica
	var err error
	if a.past, err = a.readPast(ctx); err != nil {
		return err
	}
	if err := a.beginRound(); err != nil {
		return err
	}
	if a.past.appliedAll {
		a.result.Already = true
		if options.DryRun {
			return nil
		}
		return a.Case.SetPlanState(ctx, a.Plan.PlanID, casefile.PlanApplied)
	}
	spans, err := a.spans(ctx, options.Batch)
	if err != nil || options.DryRun {
		return err
	}
	if err := a.Case.SetPlanState(ctx, a.Plan.PlanID, casefile.PlanApplying); err != nil {
		return err
	}
	if err := a.Case.SetAbsent(ctx, a.Plan.PlanID, nil); err != nil {
		return err
	}
	for i, s := range spans {
		if err := a.span(ctx, s, i == len(spans)-1); err != nil {
			return err
		}
	}
	return a.Case.SetPlanState(ctx, a.Plan.PlanID, casefile.PlanApplied)
}

// beginRound says which rows are still to be put in: after an undo all of them again.
func (a *applier) beginRound() error {
	switch {
	case a.past.undoneAll && a.past.kept > 0:
		return a.fail(ErrStale, fmt.Errorf("undo left %s of this plan in the target", counted(a.past.kept, "row", "rows")), "plan anew")
	case a.past.undoneAll:
		a.past = newPast(a.past.next, a.past.round+1)
	case len(a.past.undone) > 0:
		return a.fail(ErrStale, errors.New("an undo of this plan was interrupted"), "let `restore undo` end first")
	}
	return nil
}

// spans divides what is still to be put in into transactions, and checks that the role
// may do all of it.
func (a *applier) spans(ctx context.Context, size int64) ([]span, error) {
	seen, err := a.examine(ctx)
	if err != nil {
		return nil, err
	}
	spans, err := a.spansOf(ctx, a.past.appliedTo()+1, everything().last, size, seen.tied)
	if err != nil {
		return nil, err
	}
	todo := map[int]work{}
	for i := range spans {
		a.step.Total += spans[i].rows()
		for _, t := range spans[i].tables {
			todo[t.index] = work{inserts: todo[t.index].inserts || t.inserts > 0, updates: todo[t.index].updates || t.updates > 0}
		}
	}
	return spans, a.checkRights(ctx, seen, todo, true)
}

// span puts the rows of one transaction in.
func (a *applier) span(ctx context.Context, s span, last bool) error {
	places, err := a.begin(ctx, s.indexes())
	if err == nil {
		err = a.write(ctx, &s, places, last)
	}
	if err != nil {
		a.rollback(ctx)
		return err
	}
	b, err := a.past.note(s, casefile.WorkApply, batchDetail{Last: last})
	if err == nil {
		err = a.commit(ctx, &batchRecord{&a.engine, b})
	}
	if err != nil {
		a.rollback(ctx)
		return err
	}
	for i := range s.tables {
		a.result.Inserted += s.tables[i].inserts
		a.result.Changed += s.tables[i].updates
	}
	a.result.Transactions++
	a.result.Bytes = a.step.Bytes
	return nil
}
