package restore

import (
	"errors"

	"github.com/pgrescue/pgrescue/recover/evidence"
)

// What can go wrong, for callers that choose an exit code by it.
var (
	// ErrEdited: plan.json or its rows in the case are not as they were made.
	ErrEdited = errors.New("the plan was edited")
	// ErrStale: the target has changed since the plan was made.
	ErrStale = errors.New("the plan is stale")
	// ErrPagesNeeded: reading the target's hurt tables would destroy what the case does not hold yet.
	ErrPagesNeeded = errors.New("the pages of the hurt tables are not in the case")
	// ErrOtherCluster: the target is not the cluster that the evidence is of.
	ErrOtherCluster = errors.New("the target is another cluster")
	// ErrNoTable: what was named is not in the case or in the target.
	ErrNoTable = errors.New("there is no such table")
	// ErrNoColumn: the target's table does not have what was named.
	ErrNoColumn = errors.New("there is no such column")
	// ErrChoice: an option or a choice makes no sense.
	ErrChoice = errors.New("the choice makes no sense")
	// ErrNothing: the case has no rows to restore.
	ErrNothing = errors.New("the case has no rows to restore")
)

// failure makes an error of this package. sentinel may be nil.
func failure(op, place string, sentinel, cause error, hint string) error {
	if sentinel != nil {
		cause = evidence.OfKind(sentinel, cause)
	}
	return &evidence.Error{Op: op, Place: place, Err: cause, Hint: hint}
}
