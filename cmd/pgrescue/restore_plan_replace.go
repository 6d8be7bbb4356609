package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/pgrescue/pgrescue/cmd/internal/exitcode"
	"github.com/pgrescue/pgrescue/cmd/internal/term"
	"github.com/pgrescue/pgrescue/recover/casefile"
	"github.com/pgrescue/pgrescue/recover/restore"
)

// replacedPlan is a plan that makes way for another, although verify and undo need it.
type replacedPlan struct {
	path, keepAs string
	id           int64
	state        string
}

// mayReplacePlan refuses to lose a plan that verify and undo still need. With --force such
// a plan is returned, to be kept under another name; nil: there is none.
func (o *restorePlanOptions) mayReplacePlan(ctx context.Context, file *casefile.Case) (*replacedPlan, error) {
	path := o.path(file)
	if err := hasFolder(path); err != nil {
		return nil, err
	}
	if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	old, err := restore.Read(path)
	switch {
	case err != nil && o.force:
		return nil, nil
	case err != nil:
		return nil, exitcode.With(exitcode.Refused, exitcode.Hinted(fmt.Errorf("restore plan: %s is there, and it is no plan", path),
			"name another file with -o, or replace it with --force"))
	}
	kept, err := file.Plan(ctx, old.PlanID)
	switch {
	case old.Case != file.ID():
		kept.State = "of another case" // to be on the safe side
	case errors.Is(err, casefile.ErrNoPlan):
		return nil, nil // the command that made it was killed before the case had it
	case err != nil:
		return nil, libraryError(err)
	}
	switch {
	case kept.State == casefile.PlanMade || kept.State == casefile.PlanUndone:
		return nil, nil
	case !o.force:
		return nil, exitcode.With(exitcode.Refused, exitcode.Hinted(fmt.Errorf("restore plan: %s is there, and its plan is %s: verify and undo need it", path, kept.State),
			"name another file with -o, or replace it with --force, which keeps it beside the new one"))
	}
	r := &replacedPlan{path: path, keepAs: filepath.Join(filepath.Dir(path), fmt.Sprintf("plan-%d.json", old.PlanID)), id: old.PlanID, state: kept.State}
	return r, r.free(old)
}

// hasFolder refuses a plan that has no place, before there is work that would be lost.
func hasFolder(path string) error {
	dir := filepath.Dir(path)
	switch info, err := os.Stat(dir); {
	case errors.Is(err, fs.ErrNotExist):
		return exitcode.With(exitcode.NotFound, exitcode.Hinted(fmt.Errorf("restore plan: folder %s is not there", dir), "make it, or name another one with -o"))
	case err != nil:
		return fmt.Errorf("restore plan: the folder of the plan: %w", err)
	case !info.IsDir():
		return exitcode.With(exitcode.Refused, fmt.Errorf("restore plan: %s is no folder", dir))
	}
	probe, err := os.CreateTemp(dir, filepath.Base(path)+".*")
	if err != nil {
		return fmt.Errorf("restore plan: write into the folder of the plan: %w", err)
	}
	return errors.Join(probe.Close(), os.Remove(probe.Name()))
}

// free refuses a name for the kept plan that another file has.
func (r *replacedPlan) free(old *restore.Plan) error {
	if r.keepAs == filepath.Clean(r.path) {
		return exitcode.With(exitcode.Refused, exitcode.Hinted(fmt.Errorf("restore plan: %s is where plan %d is kept, and verify and undo need it", r.path, r.id),
			"name another file with -o"))
	}
	if _, err := os.Lstat(r.keepAs); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if there, err := restore.Read(r.keepAs); err == nil && there.SHA256 == old.SHA256 {
		return nil // a copy of it
	}
	return exitcode.With(exitcode.Refused, exitcode.Hinted(fmt.Errorf("restore plan: %s is to be kept as %s, which is there, and it is another file", r.path, r.keepAs),
		"move one of them away, or name another file with -o"))
}

// keep gives the plan its other name, and says so.
func (r *replacedPlan) keep(terminal *term.Terminal) error {
	if r == nil {
		return nil
	}
	// A link, so that the plan is there under one of its names at every moment.
	err := os.Link(r.path, r.keepAs)
	if err != nil && !errors.Is(err, fs.ErrExist) {
		err = os.Rename(r.path, r.keepAs)
	}
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("restore plan: keep the plan that was there: %w", err)
	}
	terminal.Infof("plan %d is %s, and is kept as %s: verify and undo take it", r.id, r.state, term.Printable(r.keepAs))
	return nil
}
