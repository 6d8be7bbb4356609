package casefile

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"

	"zombiezen.com/go/sqlite"

	"github.com/pgrescue/pgrescue/recover/evidence"
)

// What can go wrong, for callers that choose an exit code by it.
var (
	// ErrLocked: another process writes to the case; the error says which.
	ErrLocked = errors.New("the case is locked")
	// ErrNoCase: there is no case in the folder.
	ErrNoCase = errors.New("there is no case")
	// ErrOccupied: a case was to be made in a folder with other files.
	ErrOccupied = errors.New("the folder is not empty")
	// ErrDamaged: a file of the case is not what was written.
	ErrDamaged = errors.New("the case is damaged")
	// ErrOtherCluster: the case is about another cluster.
	ErrOtherCluster = errors.New("the case is about another cluster")
	// ErrPseudonymized: values of the case were replaced, so that nothing may be made of it.
	ErrPseudonymized = errors.New("values of the case were replaced by pseudonyms")
	// ErrNewer: a newer pgrescue made the case.
	ErrNewer = errors.New("a newer pgrescue made the case")
	// ErrDisk: the disk takes no more. The case is as it was before the run.
	ErrDisk = errors.New("the disk does not let us")
)

// failure makes an error of one of the kinds above.
func failure(op, place string, sentinel, cause error, hint string) error {
	return &evidence.Error{Op: "case: " + op, Place: place, Err: evidence.OfKind(sentinel, cause), Hint: hint}
}

const (
	hintDisk    = "make room, or move the case to another disk, and run the command again: nothing of this run was kept"
	hintDamaged = "`pgrescue case verify` says what is damaged; work on with a copy of the folder, or begin a new case"
)

// fail says what an error of SQLite or of the system means for the case. ctx is
// that of the operation: an interrupted statement fails with its cause; what must be done
// even then has one of its own.
func (c *Case) fail(ctx context.Context, op string, err error) error {
	var known *evidence.Error
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("case: %s: %w", op, ctx.Err())
	case errors.As(err, &known):
		return err
	case diskError(err):
		return failure(op, c.dir, ErrDisk, err, hintDisk)
	}
	// Our statements fit our schema: where SQLite says that one does not, the schema was changed.
	if strings.Contains(err.Error(), "SQL logic error") {
		return failure(op, c.dir, ErrDamaged, err, hintDamaged)
	}
	switch sqlite.ErrCode(err).ToPrimary() {
	case sqlite.ResultFull, sqlite.ResultIOErr:
		return failure(op, c.dir, ErrDisk, err, hintDisk)
	case sqlite.ResultCorrupt, sqlite.ResultNotADB:
		return failure(op, c.dir, ErrDamaged, err, hintDamaged)
	case sqlite.ResultBusy, sqlite.ResultLocked:
		return failure(op, c.dir, ErrLocked, errors.New("another process writes to it: "+c.holder()), "wait until it has ended")
	case sqlite.ResultReadOnly, sqlite.ResultPerm, sqlite.ResultAuth:
		return failure(op, c.dir, fs.ErrPermission, err, "the folder and its files must be writable")
	}
	return &evidence.Error{Op: "case: " + op, Place: c.dir, Err: err}
}

// diskError reports whether the system refused to write for want of room.
func diskError(err error) bool {
	for _, errno := range []syscall.Errno{syscall.ENOSPC, syscall.EFBIG, syscall.EDQUOT, syscall.EIO} {
		if errors.Is(err, errno) {
			return true
		}
	}
	return false
}
