package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"

	"github.com/pgrescue/pgrescue/cmd/internal/exitcode"
	"github.com/pgrescue/pgrescue/cmd/internal/term"
	"github.com/pgrescue/pgrescue/recover/casefile"
	"github.com/pgrescue/pgrescue/recover/runbook"
)

// runNoter notes the folder of a run in the case that its blocks write to, so that a report
// finds what responders did. The case may be made by a block, so it looks at every step.
type runNoter struct {
	cases    *caseOptions
	terminal *term.Terminal
	command  string
	title    string // of the book
	folder   string
	done     bool
}

// watch lets the noter look whenever a step begins, when no block holds the case.
func (n *runNoter) watch(ctx context.Context, run *runbook.RunOptions) {
	tell := run.Tell
	run.Tell = func(e runbook.Event) {
		if e.Kind == runbook.StepBegins {
			n.look(ctx, run)
		}
		tell(e)
	}
}

// look notes the run as soon as there is a case. That it cannot is told, and stops nobody.
func (n *runNoter) look(ctx context.Context, run *runbook.RunOptions) {
	dir := n.caseOf(run)
	if n.done || dir == "" {
		return
	}
	if _, err := os.Stat(filepath.Join(dir, casefile.DatabaseName)); err != nil {
		return
	}
	n.done = true
	if err := n.note(ctx, dir); err != nil {
		n.terminal.Warnf("the case does not know of this run, and report wants --run %s: %v", n.folder, err)
	}
}

// caseOf is the case that blocks write to; "": none is named.
func (n *runNoter) caseOf(run *runbook.RunOptions) string {
	if n.cases.none {
		return ""
	}
	if dir := run.Inputs[caseVariable]; dir != "" {
		return dir
	}
	for _, entry := range run.Env {
		if dir, is := strings.CutPrefix(entry, caseVariable+"="); is && dir != "" {
			return dir
		}
	}
	dir, _, err := casefile.Find(".")
	if err != nil {
		return ""
	}
	return dir
}

func (n *runNoter) note(ctx context.Context, dir string) error {
	folder, err := filepath.Abs(n.folder)
	if err != nil {
		return err
	}
	c, run, err := n.cases.beginIn(ctx, dir, casefile.Write, n.command)
	if err != nil {
		return err
	}
	err = run.RunbookRun(casefile.RunbookRun{Folder: folder, Book: n.title})
	if err == nil {
		err = run.Commit(int(exitcode.Done))
	}
	return errors.Join(err, run.Abandon(int(exitcode.Failed)), c.Close())
}
