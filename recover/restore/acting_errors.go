package restore

import "errors"

// What can go wrong while a plan is acted on, for callers that choose an exit code by it.
var (
	// ErrUndecided: the plan has conflicts that nobody has decided.
	ErrUndecided = errors.New("the plan has undecided conflicts")
	// ErrRejected: a trigger, rule, policy or constraint of the target does not take the rows.
	ErrRejected = errors.New("the target rejects the rows")
	// ErrInDoubt: the connection was lost at COMMIT, and nobody can be asked how it ended.
	ErrInDoubt = errors.New("the end of a transaction is not known")
	// ErrDiffers: the target does not have what the plan promised.
	ErrDiffers = errors.New("the target differs from the plan")
	// ErrKept: undo left rows, because somebody changed them or refers to them since.
	ErrKept = errors.New("rows were left as they are")
	// ErrNotApplied: there is nothing to undo.
	ErrNotApplied = errors.New("the plan is not applied")
)
