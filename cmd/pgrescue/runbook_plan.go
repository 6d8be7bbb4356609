package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/pgrescue/pgrescue/cmd/internal/term"
	"github.com/pgrescue/pgrescue/recover/runbook"
)

// planningOptions are the flags that make a plan of a book; approve has the same, because
// they make its hash.
type planningOptions struct {
	valueOptions
	dir string
}

func (o *planningOptions) addFlags(command *cobra.Command) {
	o.valueOptions.addFlags(command)
	command.Flags().StringVar(&o.dir, "dir", "", "`folder` that blocks run in (default this one)")
}

// make opens the book and plans it.
func (o *planningOptions) make(ctx context.Context, args []string, cases *caseOptions) (book *runbook.Book, plan *runbook.Plan, err error) {
	book, err = openBook(args)
	if err != nil {
		return nil, nil, err
	}
	options, done, err := o.options(cases, o.dir)
	if err != nil {
		return nil, nil, err
	}
	defer func() { err = errors.Join(err, done()) }()
	plan, err = runbook.MakePlan(ctx, book, options)
	return book, plan, runbookError(err)
}

func newRunbookPlanCommand(terminal *term.Terminal, cases *caseOptions) *cobra.Command {
	var options planningOptions
	command := &cobra.Command{
		Use:   "plan [FILE]",
		Short: "What running a runbook would do, step by step, without doing it",
		Long: `Say for each step whether it would change something, would not, or was not previewed:
what was not looked at is never called harmless. Check blocks run, because they only
look, up to the first step that would change something; what comes behind it would be
another world, and is said to assume that step. Run blocks are printed and never run.

The hash of the plan is of the book, the values, the folder and the version of pgrescue.
runbook approve makes a token of it for steps that want a second person.`,
		Example: `  pgrescue runbook plan --set TABLES=shop.orders
  pgrescue runbook plan ops/failover.md --json
  pgrescue runbook plan ops/failover.md --set HOST=db1 --json | jq -r '.steps[] | .step + " " + .verdict'`,
		Args: atMost(1, "one book"),
		RunE: func(command *cobra.Command, args []string) error {
			_, plan, err := options.make(command.Context(), args, cases)
			switch {
			case err != nil:
				return err
			case terminal.JSON():
				return terminal.WriteJSON(plan)
			}
			return printRunbookPlan(terminal, plan)
		},
	}
	options.addFlags(command)
	return command
}

// printRunbookPlan prints a plan for people: each step with its verdict, and what makes it.
func printRunbookPlan(terminal *term.Terminal, plan *runbook.Plan) error {
	var b strings.Builder
	fmt.Fprintf(&b, "book    %s\nplan    %s\n", term.Printable(plan.Book), plan.Hash)
	for i := range plan.Steps {
		step := &plan.Steps[i]
		fmt.Fprintf(&b, "\n%s. %s: %s\n", term.Printable(step.Step), term.Printable(step.Title), strings.ToUpper(string(step.Verdict)))
		fmt.Fprintf(&b, "   %s\n", term.Printable(step.Why))
		for _, line := range planNotes(step) {
			fmt.Fprintf(&b, "   %s\n", term.Printable(line))
		}
		for _, run := range step.Runs {
			apart := ""
			if run.Apart != "" {
				apart = "; no one transaction: " + run.Apart
			}
			fmt.Fprintf(&b, "   would run, line %d, %s%s:\n", run.Line, run.Language, term.Printable(apart))
			for line := range strings.Lines(run.Text) {
				fmt.Fprintf(&b, "   | %s\n", term.Printable(strings.TrimRight(line, "\r\n")))
			}
		}
	}
	return terminal.Printf("%s", b.String())
}

// planNotes says what else is known of a step.
func planNotes(step *runbook.Preview) []string {
	var notes []string
	for _, check := range step.Checks {
		switch {
		case check.Ran && check.Problem == "":
			notes = append(notes, fmt.Sprintf("check of line %d: exit code %d after %v", check.Line, check.Code, check.Took.Round(10*time.Millisecond)))
		case check.Problem != step.Why:
			notes = append(notes, fmt.Sprintf("check of line %d: %s", check.Line, check.Problem))
		}
	}
	if len(step.Missing) > 0 && !strings.HasPrefix(step.Why, "no value yet") {
		notes = append(notes, "has no value yet: "+strings.Join(step.Missing, ", "))
	}
	if step.Severe {
		notes = append(notes, "severe: the name of the target has to be typed")
	}
	if step.Approval {
		notes = append(notes, "a second person has to approve it")
	}
	if len(step.Assumes) > 0 {
		notes = append(notes, "assumes that this is done: step "+strings.Join(step.Assumes, ", "))
	}
	return notes
}
