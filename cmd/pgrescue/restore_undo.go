package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/pgrescue/pgrescue/cmd/internal/exitcode"
	"github.com/pgrescue/pgrescue/cmd/internal/term"
	"github.com/pgrescue/pgrescue/recover/live"
	"github.com/pgrescue/pgrescue/recover/restore"
)

func newRestoreUndoCommand(terminal *term.Terminal, cases *caseOptions) *cobra.Command {
	var options writingOptions
	command := &cobra.Command{
		Use:   "undo PLAN",
		Short: "Take back exactly what apply put in, row by row",
		Long: `Take back exactly what apply put in, row by row: rows that were put in go again, rows
that were changed get the values back that they had before.

A row that somebody has changed since stays as it is, and so does one that other rows
refer to by now; these are listed, and the exit code is 1. Sequences stay where they
are. Afterwards the same plan can be applied again.`,
		Example: `  pgrescue restore undo rescue/plan.json
  pgrescue restore undo rescue/plan.json --dsn 'host=db dbname=shop' --confirm shop
  pgrescue restore undo rescue/plan.json --confirm shop --batch 100000 --json`,
		Args: onePlan,
		RunE: onPlan(terminal, cases, func(ctx context.Context, plan *restore.Plan, found *recorder) error {
			return runRestoreUndo(ctx, &options, plan, terminal, found)
		}),
	}
	options.addFlags(command, "takes back")
	return command
}

// restoreUndone is what `restore undo --json` prints.
type restoreUndone struct {
	Target *live.Card `json:"target"`
	PlanID int64      `json:"plan_id"`
	*restore.Undone
	// Left are examples of rows that were left.
	Left []restore.Finding `json:"left,omitempty"`
}

func runRestoreUndo(ctx context.Context, options *writingOptions, plan *restore.Plan, terminal *term.Terminal, found *recorder) error {
	file, card, err := options.begin(ctx, "restore undo", terminal, found, true)
	if err != nil {
		return err
	}
	show := newShower(terminal, "taking rows back")
	undone, failed := restore.Undo(ctx, options.acting(file, plan, "restore-undo", live.Write, show), restore.UndoOptions{Batch: options.batch})
	show.tell()
	if failed != nil && exitcode.Of(restoreError(failed)) != exitcode.Findings {
		done := "took nothing back"
		if undone.Transactions > 0 {
			done = fmt.Sprintf("took %s back, in %s", rowsWord(undone.Removed+undone.Reverted), transactionsWord(undone.Transactions))
		}
		return actingError(ctx, failed, done)
	}
	out := restoreUndone{Target: card, PlanID: plan.PlanID, Undone: undone, Left: show.findings}
	if terminal.JSON() {
		err = terminal.WriteJSON(out)
	} else {
		err = printUndone(terminal, &out)
	}
	if err != nil {
		return err
	}
	return restoreError(failed)
}

func printUndone(terminal *term.Terminal, out *restoreUndone) error {
	if out.Already {
		return terminal.Printf("Everything was taken back already: nothing was done.\n")
	}
	text := fmt.Sprintf("%s taken out, %s changed back, in %s.", rowsWord(out.Removed), term.Count(out.Reverted),
		transactionsWord(out.Transactions))
	if out.Gone > 0 {
		text += fmt.Sprintf(" %s not there any more.", term.Plural(out.Gone, "row was", "rows were"))
	}
	if out.Kept > 0 {
		text += fmt.Sprintf(" %s left.", term.Plural(out.Kept, "row was", "rows were"))
	}
	return terminal.Printf("%s\n", text)
}
