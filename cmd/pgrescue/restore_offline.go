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

// mayWriteScript refuses a folder that holds something.
func mayWriteScript(dir string, force bool) error {
	const name = "restore plan --offline"
	if dir == "" || dir == stdoutName {
		return exitcode.Usagef("-o DIR takes the SQL files, so it is a folder", "%s: no folder is named", name)
	}
	entries, err := os.ReadDir(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return exitcode.With(exitcode.Refused, fmt.Errorf("%s: %w", name, err))
	case len(entries) > 0 && !force:
		return exitcode.With(exitcode.Refused, exitcode.Hinted(fmt.Errorf("%s: folder %s is not empty", name, dir), "name another folder, or replace what has the same names with --force"))
	}
	return nil
}

func runRestoreOffline(ctx context.Context, options *restorePlanOptions, request restore.Options, terminal *term.Terminal, file *casefile.Case) error {
	if err := mayWriteScript(options.output, options.force); err != nil {
		return err
	}
	if options.dsn != "" {
		return exitcode.Usagef("", "restore plan: --offline asks no server, so --dsn makes no sense")
	}
	if request.Unknowns == restore.DefaultUnknown {
		return exitcode.Usagef("--unknown null needs no server", "restore plan: --offline asks no server, so --unknown default has no defaults to give")
	}
	plan, failed := restore.Offline(ctx, file, options.output, toolName(), options.force, request)
	if plan == nil {
		return restoreError(failed)
	}
	var err error
	if terminal.JSON() {
		err = terminal.WriteJSON(plan)
	} else {
		err = printOffline(terminal, plan)
	}
	switch counts := plan.Counts(); {
	case err != nil || failed != nil:
		return errors.Join(err, restoreError(failed))
	case counts[restore.Conflict]+counts[restore.Blocked] > 0:
		return exitcode.With(exitcode.Findings, fmt.Errorf("restore plan: %s left out; the notes say why", rowsAre(counts[restore.Conflict]+counts[restore.Blocked])))
	}
	return nil
}

func rowsAre(n int64) string { return term.Plural(n, "row is", "rows are") }

func printOffline(terminal *term.Terminal, plan *restore.OfflinePlan) error {
	table := term.NewTable("TABLE", ">INSERT", ">LEFT OUT", "FILE")
	for i := range plan.Tables {
		t := &plan.Tables[i]
		table.Add(t.Table, term.Count(t.Counts[restore.Insert]), term.Count(t.Counts[restore.Conflict]+t.Counts[restore.Blocked]), t.File)
	}
	if err := table.Write(terminal.Out, ""); err != nil {
		return err
	}
	text := "\n"
	notes := 0
	for i := range plan.Tables {
		for _, note := range plan.Tables[i].Notes {
			if notes++; notes <= mostSentences {
				text += fmt.Sprintf("%s: %s.\n", plan.Tables[i].Table, term.Printable(note))
			}
		}
	}
	if notes > mostSentences {
		text += fmt.Sprintf("And %s: --json prints everything.\n", term.Plural(int64(notes-mostSentences), "more note", "more notes"))
	}
	if plan.Counts()[restore.Insert] > 0 {
		text += fmt.Sprintf("Run it with: psql -X -d %s -f %s\nFirst with -v rehearse=1, which changes nothing.\n",
			term.Printable(plan.Database), term.Printable(filepath.Join(plan.Dir, "restore.sql")))
	}
	return terminal.Printf("%s", text)
}

// toolName is what a plan says it was made by.
func toolName() string { return "pgrescue " + readVersion().Version }
