package runbook

import (
	"errors"
	"fmt"

	"github.com/pgrescue/pgrescue/recover/evidence"
)

// What can go wrong, for callers that choose an exit code by it. An interrupted run
// fails with context.Canceled.
var (
	// ErrBroken: the book has errors, which Lint lists.
	ErrBroken = errors.New("the runbook has errors")
	// ErrConfirm: a person has to say something, and nobody is there; or said no.
	ErrConfirm = errors.New("a confirmation is missing")
	// ErrInput: a value is missing or wrong.
	ErrInput = errors.New("a value is missing or wrong")
	// ErrBlock: a block failed.
	ErrBlock = errors.New("a block failed")
	// ErrStopped: a check says that the run must not go on.
	ErrStopped = errors.New("a check stopped the run")
	// ErrOccupied: a run was to be made in a folder with other files.
	ErrOccupied = errors.New("the folder is not empty")
	// ErrVerify: a step acted, and its verify or expect block says that it did not work.
	ErrVerify = errors.New("verification failed")
	// ErrTimeBox: a step took longer than its time box.
	ErrTimeBox = errors.New("the time box ran out")
	// ErrStale: a step that ran is another one now, or the plan is.
	ErrStale = errors.New("stale")
	// ErrLocked: somebody else runs the same book.
	ErrLocked = errors.New("the run is locked")
	// ErrNoRun: there is no run in a folder.
	ErrNoRun = errors.New("there is no run")
	// ErrDamaged: a file of a run is not what was written.
	ErrDamaged = errors.New("the run is damaged")
	// ErrNewer: a newer pgrescue made the run.
	ErrNewer = errors.New("a newer pgrescue made the run")
)

// failure makes an error of one of the kinds above.
func failure(op, place string, kind error, hint, format string, args ...any) error {
	return &evidence.Error{Op: "runbook: " + op, Place: place, Err: evidence.OfKind(kind, fmt.Errorf(format, args...)), Hint: hint}
}

// place says where a step stands.
func (b *Book) place(line int) string { return fmt.Sprintf("%s:%d", b.Path, line) }
