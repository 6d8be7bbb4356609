package main

import (
	"errors"

	"github.com/pgrescue/pgrescue/cmd/internal/exitcode"
	"github.com/pgrescue/pgrescue/importers"
	"github.com/pgrescue/pgrescue/importers/discovery"
	"github.com/pgrescue/pgrescue/importers/jsonfile"
	"github.com/pgrescue/pgrescue/importers/mapping"
	"github.com/pgrescue/pgrescue/importers/xlsxfile"
	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/restore"
)

// importError marks an error of importing with its exit code.
func importError(err error) error {
	return withMeaning(err, []meaning{
		{importers.ErrUnreadable, exitcode.Insufficient},
		{importers.ErrBomb, exitcode.Insufficient},
		{importers.ErrNoReceipt, exitcode.Insufficient},
		{importers.ErrOtherFile, exitcode.NotFound},
		{jsonfile.ErrNoList, exitcode.Insufficient},
		{xlsxfile.ErrNoSheet, exitcode.NotFound},
		{mapping.ErrProfile, exitcode.Usage},
		{mapping.ErrNoHeader, exitcode.Usage},
		{mapping.ErrNoColumn, exitcode.Usage},
		{mapping.ErrTwice, exitcode.Usage},
		{mapping.ErrFilled, exitcode.Usage},
		{discovery.ErrEmpty, exitcode.Insufficient},
		{discovery.ErrAmbiguous, exitcode.Refused},
		{discovery.ErrNoTenant, exitcode.NotFound},
		{discovery.ErrWrongTenant, exitcode.NotFound},
		{restore.ErrNoColumn, exitcode.NotFound},
	})
}

// causeOf is an error without the operation and the place.
func causeOf(err error) string {
	var place *evidence.Error
	if errors.As(err, &place) {
		return place.Err.Error()
	}
	return err.Error()
}
