// Package exitcode is the one table of pgrescue's exit codes: error -> code -> text.
//
//   - Code: what the process returns to its caller.
//   - Entry: a code with its name and its meaning for people.
//   - mark: an error that says itself which code it asks for (With, Usage, Partial).
//
// `pgrescue help exit-codes`, the README and every --help are made from Table,
// so they cannot drift apart. Callers treat a code that they do not know as a failure.
//
// The same thing has the same code in every command. Where two could be meant:
//
//   - What was named and is not there is 10: a path, a table, a transaction, a timeline.
//     So is a folder that is there and holds nothing of what it was named for: no data
//     directory where one is asked for (--pgdata, --also), no WAL segment (PATH, --wal).
//   - What is there and does not suffice is 6: a file that is damaged, of an unknown
//     version or of another kind; WAL that was cut; a transaction of which nothing at
//     hand says whether it commits, prepared ones included.
//   - What was found out, and means that nothing is to be done, is 1: the transaction
//     was rolled back, or rewrote tables and kept their rows.
//   - What could be mixed up is 5: evidence of two clusters, a copy whose cluster
//     nothing tells, output that is there already.
package exitcode

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"syscall"

	"github.com/pgrescue/pgrescue/recover/evidence"
)

// Code is an exit code of pgrescue.
type Code int

// The codes. A number never changes its meaning.
const (
	Done         Code = 0
	Findings     Code = 1
	Usage        Code = 2
	Partial      Code = 3
	Permission   Code = 4
	Refused      Code = 5
	Insufficient Code = 6
	VerifyFailed Code = 7
	Stale        Code = 8
	Failed       Code = 9
	NotFound     Code = 10
	Locked       Code = 11
	TimeBox      Code = 124
	Interrupted  Code = 130
)

// Entry is one line of the table.
type Entry struct {
	Code    Code   `json:"code"`
	Name    string `json:"name"`
	Meaning string `json:"meaning"`
}

// Table returns the codes in order.
func Table() []Entry {
	return []Entry{
		{Done, "done", "done, and everything that was asked for is there"},
		{Findings, "findings", "done, with findings or differences to look at"},
		{Usage, "usage", "the command line is wrong, or a confirmation is missing"},
		{Partial, "partial", "done in part: some evidence could not be read; the gaps are listed"},
		{Permission, "permission", "authentication failed or permission was denied"},
		{Refused, "refused", "refused by a safety check; nothing was changed"},
		{Insufficient, "insufficient", "the evidence does not hold what was asked for"},
		{VerifyFailed, "verify-failed", "acted, and the verification afterwards failed"},
		{Stale, "stale", "the plan or step is stale: its target has changed since"},
		{Failed, "failed", "failed for another reason, such as a full disk; the message says which"},
		{NotFound, "not-found", "what was named is not there: a path, a table, a transaction"},
		{Locked, "locked", "somebody else holds the lock"},
		{TimeBox, "time-box", "the time box ran out; what was done so far is kept"},
		{Interrupted, "interrupted", "interrupted by a signal; what was done so far is kept"},
	}
}

// String returns the name of the code.
func (c Code) String() string {
	for _, entry := range Table() {
		if entry.Code == c {
			return entry.Name
		}
	}
	return fmt.Sprintf("code %d", int(c))
}

// marked is an error that carries its code.
type marked struct {
	code Code
	err  error
}

func (m *marked) Error() string { return m.err.Error() }
func (m *marked) Unwrap() error { return m.err }

// With marks err so that Of returns code for it. A nil err stays nil.
func With(code Code, err error) error {
	if err == nil {
		return nil
	}
	return &marked{code: code, err: err}
}

// Usagef makes an error of a wrong command line, with a hint for the person.
func Usagef(hint, format string, args ...any) error {
	return With(Usage, Hinted(fmt.Errorf(format, args...), hint))
}

// PartialError says that a command ended, with its result printed, but that some
// evidence could not be read. The gaps themselves were printed before.
type PartialError struct {
	Gaps int // how many stretches of evidence could not be read
}

// Error counts the gaps.
func (e *PartialError) Error() string {
	if e.Gaps == 1 {
		return "1 stretch of evidence could not be read"
	}
	return fmt.Sprintf("%d stretches of evidence could not be read", e.Gaps)
}

// PartialIf returns a PartialError when there are gaps, and nil when there are none.
func PartialIf(gaps int) error {
	if gaps == 0 {
		return nil
	}
	return &PartialError{Gaps: gaps}
}

// hinted is an error with a hint that is not an evidence.Error.
type hinted struct {
	err  error
	hint string
}

func (h *hinted) Error() string { return h.err.Error() }
func (h *hinted) Unwrap() error { return h.err }

// Hinted adds a hint to err: one sentence on what a person can do. An empty
// hint and a nil err change nothing.
func Hinted(err error, hint string) error {
	if err == nil || hint == "" {
		return err
	}
	return &hinted{err: err, hint: hint}
}

// HintOf returns the outermost hint of err, or "". A full disk has one of its own,
// because it can fill anywhere.
func HintOf(err error) string {
	hint := ""
	var own *hinted
	var place *evidence.Error
	switch {
	case errors.As(err, &own):
		hint = own.hint
	case errors.As(err, &place):
		hint = place.Hint
	}
	if hint == "" && errors.Is(err, syscall.ENOSPC) {
		hint = "make room, or write to another disk with -o; temporary files lie in the folder that TMPDIR names"
	}
	return hint
}

// Of finds the code of an error. An interruption and a time box come first,
// because they make other errors on the way; then what the error says itself;
// then what the standard library's errors mean. An evidence.Error of another
// cause means that the evidence does not hold what was asked for.
func Of(err error) Code {
	var mark *marked
	var partial *PartialError
	var unread *evidence.Error
	switch {
	case err == nil:
		return Done
	case errors.Is(err, context.Canceled):
		return Interrupted
	case errors.Is(err, context.DeadlineExceeded):
		return TimeBox
	case errors.As(err, &mark):
		return mark.code
	case errors.As(err, &partial):
		return Partial
	case errors.Is(err, fs.ErrPermission):
		return Permission
	case errors.Is(err, fs.ErrNotExist):
		return NotFound
	case errors.Is(err, syscall.ENOSPC):
		return Failed
	case errors.As(err, &unread):
		return Insufficient
	}
	return Failed
}

// Text is the table for `help exit-codes`.
func Text() string {
	var b strings.Builder
	for _, entry := range Table() {
		fmt.Fprintf(&b, "%5d  %-14s %s\n", entry.Code, entry.Name, entry.Meaning)
	}
	return b.String()
}

// Markdown is the table for the README.
func Markdown() string {
	var b strings.Builder
	b.WriteString("| code | name | meaning |\n|---:|---|---|\n")
	for _, entry := range Table() {
		fmt.Fprintf(&b, "| %d | %s | %s |\n", entry.Code, entry.Name, entry.Meaning)
	}
	return b.String()
}

// Set is some codes of the table, in any order: those that one command ends with.
type Set []Code

// Has reports whether a code is in the set.
func (s Set) Has(code Code) bool { return slices.Contains(s, code) }

// Text is the part of the table at the end of a command's --help.
func (s Set) Text() string {
	var b strings.Builder
	b.WriteString("Exit codes (of all commands: pgrescue help exit-codes):\n")
	for _, entry := range Table() {
		if s.Has(entry.Code) {
			fmt.Fprintf(&b, "%5d  %s\n", entry.Code, entry.Meaning)
		}
	}
	return b.String()
}
