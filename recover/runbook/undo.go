package runbook

import (
	"context"
	"errors"
	"slices"
)

// UndoStep runs the undo blocks of a step that a run has gone through, from the
// last to the first.
func UndoStep(ctx context.Context, folder, name string, o RunOptions) (*Result, error) {
	r, err := reopen(ctx, folder, &o)
	if err != nil {
		return nil, err
	}
	err = r.undoStep(ctx, name)
	return r.close(err)
}

func (r *run) undoStep(ctx context.Context, name string) error {
	step := r.book.Step(name)
	if step == nil {
		return failure("undo", r.folder, ErrInput, "`pgrescue runbook show` lists the steps", "the book has no step %q", name)
	}
	before := r.history.latest(step.ID)
	switch {
	case before == nil:
		return failure("undo", r.book.place(step.Line), ErrInput, "", "step %s has not run", step.Name())
	case before.State == StateUndone:
		return failure("undo", r.book.place(step.Line), ErrInput, "", "step %s is undone already", step.Name())
	case len(step.Blocks(Undo)) == 0:
		return failure("undo", r.book.place(step.Line), ErrInput, "the step says: "+step.Fact(factUndo), "step %s has no undo block", step.Name())
	}
	v := &visiting{run: r, step: step, before: before, number: before.Number}
	return v.undo(ctx)
}

// undo takes back what the step did. It is asked for as the step itself was.
func (v *visiting) undo(ctx context.Context) error {
	blocks := v.step.Blocks(Undo)
	slices.Reverse(blocks)
	if err := v.write(Line{Event: LineUndo, Step: v.step.ID, Visit: v.number, Who: v.o.Who, Host: v.o.Host}); err != nil {
		return err
	}
	visit := v.history.visit(v.step.ID, v.number)
	if visit != nil {
		v.blocks = len(visit.Blocks)
	}
	v.mayRun, v.boxed = false, false
	for _, b := range blocks {
		if err := v.askInputs(ctx, v.book.lacking([]*Block{b}, v.values)); err != nil {
			return err
		}
		if err := v.allowed(ctx, b); err != nil {
			return plain(err)
		}
		outcome, err := v.perform(ctx, b)
		if err == nil {
			err = v.judge(b, outcome)
		}
		if err != nil {
			return plain(err)
		}
	}
	_, err := v.end(StateUndone, "", nil)
	return err
}

// plain is an error without the state of a step.
func plain(err error) error {
	var t *troubleError
	if errors.As(err, &t) {
		return t.err
	}
	return err
}
