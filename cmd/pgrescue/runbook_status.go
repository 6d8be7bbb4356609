package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/pgrescue/pgrescue/cmd/internal/exitcode"
	"github.com/pgrescue/pgrescue/cmd/internal/term"
	"github.com/pgrescue/pgrescue/recover/runbook"
)

func newRunbookStatusCommand(terminal *term.Terminal, cases *caseOptions) *cobra.Command {
	return &cobra.Command{
		Use:   "status [FOLDER]",
		Short: "How far a run is, who is busy with it, and what is wrong with it",
		Long: `Print how far the run in a folder is, without taking part in it: the state of each step,
where it goes on, who holds it now, which steps are stale because their text, their
values or the version of pgrescue changed since they ran, and whether the journal is as it
was written. Without a FOLDER it is the last run below ` + runsFolder + `. Something to look at
is exit code 1.`,
		Example: `  pgrescue runbook status
  pgrescue runbook status incident/first
  pgrescue runbook status incident/first --json | jq -r .next`,
		Args: atMost(1, "the folder of one run"),
		RunE: func(_ *cobra.Command, args []string) error {
			status, err := statusOf(args, &valueOptions{}, cases)
			if err != nil {
				return err
			}
			if terminal.JSON() {
				err = terminal.WriteJSON(status)
			} else {
				err = printStatus(terminal, status)
			}
			if n := len(status.Problems) + len(status.Stale) + runbook.Errors(status.Findings); err == nil && n > 0 {
				err = exitcode.With(exitcode.Findings, fmt.Errorf("runbook status: %s: %s", status.Folder, term.Plural(int64(n), "thing to look at", "things to look at")))
			}
			return err
		},
	}
}

// statusOf reads the status of the run that is named, or of the last one.
func statusOf(args []string, values *valueOptions, cases *caseOptions) (status *runbook.Status, err error) {
	folder, err := runOf(args)
	if err != nil {
		return nil, err
	}
	options, done, err := values.options(cases, "")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, done()) }()
	status, err = runbook.ReadStatus(folder, options)
	return status, runbookError(err)
}

func printStatus(terminal *term.Terminal, status *runbook.Status) error {
	var b strings.Builder
	fmt.Fprintf(&b, "run     %s\nbook    %s (%s)\nbegan   %s by %s on %s\nplan    %s\n", term.Printable(status.Folder), term.Printable(status.Book),
		term.Printable(status.Title), status.Began, term.Printable(status.Who), term.Printable(status.Host), status.Plan)
	if status.Holder != "" {
		fmt.Fprintf(&b, "busy    %s\n", term.Printable(status.Holder))
	}
	next := "it came to its end"
	if status.Next != "" {
		next = "step " + status.Next
	}
	fmt.Fprintf(&b, "next    %s\n\n", term.Printable(next))
	table := term.NewTable("STEP", "TITLE", "STATE", ">TIMES", "ENDED", "WHO", "WHY")
	for _, step := range status.Steps {
		times := ""
		if step.Visits > 0 {
			times = fmt.Sprint(step.Visits)
		}
		table.Add(step.Step, step.Title, string(step.State), times, step.Ended, step.Who, step.Reason)
	}
	if err := table.Write(&b, ""); err != nil {
		return err
	}
	for _, stale := range status.Stale {
		fmt.Fprintf(&b, "stale: step %s: %s\n", term.Printable(stale.Step), term.Printable(strings.Join(stale.Why, "; ")))
	}
	for _, problem := range status.Problems {
		fmt.Fprintf(&b, "journal: %s\n", term.Printable(problem))
	}
	for _, f := range status.Findings {
		if f.Level == runbook.LevelError {
			fmt.Fprintf(&b, "book: line %d: %s\n", f.Line, term.Printable(f.Text))
		}
	}
	return terminal.Printf("%s", b.String())
}
