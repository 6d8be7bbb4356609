package main

import (
	"errors"

	"github.com/pgrescue/pgrescue/cmd/internal/exitcode"
	"github.com/pgrescue/pgrescue/recover/casefile"
	"github.com/pgrescue/pgrescue/recover/catalog"
	"github.com/pgrescue/pgrescue/recover/heap/carve"
	"github.com/pgrescue/pgrescue/recover/report"
	"github.com/pgrescue/pgrescue/recover/undelete"
	"github.com/pgrescue/pgrescue/recover/wal"
)

// libraryError marks an error of the library with its exit code. The table of
// codes cannot do it itself: it lies below the library.
func libraryError(err error) error {
	return withMeaning(err, []meaning{
		{catalog.ErrNotFound, exitcode.NotFound},
		{wal.ErrNoSegment, exitcode.NotFound},
		{wal.ErrNoTimeline, exitcode.NotFound},
		{catalog.ErrAmbiguous, exitcode.Usage},
		{undelete.ErrNothingDestroyed, exitcode.NotFound},
		{undelete.ErrFilesRemoved, exitcode.Insufficient},
		{undelete.ErrUnreadable, exitcode.Insufficient},
		{undelete.ErrUndecided, exitcode.Insufficient},
		{catalog.ErrBadName, exitcode.Usage},
		{undelete.ErrRolledBack, exitcode.Findings},
		{undelete.ErrKept, exitcode.Findings},
		{undelete.ErrOtherCluster, exitcode.Refused},
		{carve.ErrFolder, exitcode.Usage},
		{casefile.ErrLocked, exitcode.Locked},
		{casefile.ErrNoCase, exitcode.NotFound},
		{casefile.ErrOccupied, exitcode.Refused},
		{casefile.ErrDamaged, exitcode.Refused},
		{casefile.ErrExists, exitcode.Refused},
		{casefile.ErrNoColumn, exitcode.NotFound},
		{casefile.ErrPseudonymized, exitcode.Refused},
		{casefile.ErrNewer, exitcode.Refused},
		{casefile.ErrOtherCluster, exitcode.Refused},
		{casefile.ErrDisk, exitcode.Failed},
		{report.ErrUnbalanced, exitcode.VerifyFailed},
	})
}

// meaning is the exit code that a kind of the library's errors asks for.
type meaning struct {
	sentinel error
	code     exitcode.Code
}

// withMeaning marks err with the code of the first kind that it is of.
func withMeaning(err error, meanings []meaning) error {
	for _, known := range meanings {
		if errors.Is(err, known.sentinel) {
			return exitcode.With(known.code, err)
		}
	}
	return err
}
