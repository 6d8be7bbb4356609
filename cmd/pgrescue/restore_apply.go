package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/pgrescue/pgrescue/cmd/internal/term"
	"github.com/pgrescue/pgrescue/recover/live"
	"github.com/pgrescue/pgrescue/recover/restore"
)

// restoreApplyOptions are the flags of `restore apply`.
type restoreApplyOptions struct {
	writingOptions
	dryRun bool
}

func (o *restoreApplyOptions) addFlags(command *cobra.Command) {
	o.writingOptions.addFlags(command, "puts in")
	command.Flags().BoolVar(&o.dryRun, "dry-run", false, "check plan, definitions and rights, not yet the rows, and change nothing")
}

func newRestoreApplyCommand(terminal *term.Terminal, cases *caseOptions) *cobra.Command {
	var options restoreApplyOptions
	command := &cobra.Command{
		Use:   "apply PLAN",
		Short: "Put the rows of a plan into the target: all of them, or none",
		Long: `Put the rows of a plan into the target, in one transaction: all of them, or none.

The identity card of the target is shown first, and the database's name has to be
typed, or given with --confirm. The plan is checked against the target as it is now:
when a row or a table's definition has changed since the plan was made, nothing is
changed and the exit code is 8. So do rights that are missing (exit code 4).

Triggers do not fire where the role may set session_replication_role; then the foreign
keys are checked before COMMIT all the same. restore plan lists the triggers that do fire.

--batch divides the work into transactions, for tables that are too large for one. Tables
that refer to each other in a circle, and those without a key, are not divided. When it
is interrupted, run the same command again: it goes on, and no row is put in twice. When
the connection is lost at COMMIT, the server is asked how it ended.`,
		Example: `  pgrescue restore apply rescue/plan.json
  pgrescue restore apply rescue/plan.json --dsn 'host=db dbname=shop' --confirm shop --json
  pgrescue restore apply rescue/plan.json --confirm shop --batch 100000
  pgrescue restore apply rescue/plan.json --dry-run`,
		Args: onePlan,
		RunE: onPlan(terminal, cases, func(ctx context.Context, plan *restore.Plan, found *recorder) error {
			return runRestoreApply(ctx, &options, plan, terminal, found)
		}),
	}
	options.addFlags(command)
	return command
}

// restoreApplied is what `restore apply --json` prints.
type restoreApplied struct {
	Target *live.Card `json:"target"`
	PlanID int64      `json:"plan_id"`
	DryRun bool       `json:"dry_run,omitempty"`
	*restore.Applied
	Findings []restore.Finding `json:"findings,omitempty"`
}

func runRestoreApply(ctx context.Context, options *restoreApplyOptions, plan *restore.Plan, terminal *term.Terminal, found *recorder) error {
	file, card, err := options.begin(ctx, "restore apply", terminal, found, !options.dryRun)
	if err != nil {
		return err
	}
	show := newShower(terminal, "putting rows in")
	applied, err := restore.Apply(ctx, options.acting(file, plan, "restore-apply", live.Write, show), restore.ApplyOptions{Batch: options.batch, DryRun: options.dryRun})
	show.tell()
	if err != nil {
		done := "put nothing in"
		if applied.Transactions > 0 {
			done = fmt.Sprintf("put %s in, in %s", rowsWord(applied.Inserted+applied.Changed), transactionsWord(applied.Transactions))
		}
		return actingError(ctx, err, done)
	}
	out := restoreApplied{Target: card, PlanID: plan.PlanID, DryRun: options.dryRun, Applied: applied, Findings: show.findings}
	if terminal.JSON() {
		return terminal.WriteJSON(out)
	}
	return printApplied(terminal, plan, &out)
}

func printApplied(terminal *term.Terminal, plan *restore.Plan, out *restoreApplied) error {
	var text string
	switch {
	case out.DryRun:
		todo := plan.Counts()
		text = fmt.Sprintf("%s would be put in, and %s changed; nothing was done.\n", rowsWord(todo[restore.Insert]), term.Count(todo[restore.Overwrite]+todo[restore.Fill]))
	case out.Already:
		text = "Everything was in already: nothing was done.\n"
	default:
		text = fmt.Sprintf("%s put in, %s changed, in %s.", rowsWord(out.Inserted), term.Count(out.Changed), transactionsWord(out.Transactions))
		if out.Earlier > 0 {
			text += fmt.Sprintf(" %s had come in before the interruption.", rowsWord(out.Earlier))
		}
		text += "\n"
		for _, moved := range out.Sequences {
			text += fmt.Sprintf("Sequence %s moved on to %s.\n", moved.Name, term.Count(moved.To))
		}
		text += "Next: pgrescue restore verify, with the same plan.\n"
	}
	return terminal.Printf("%s", text)
}

func rowsWord(n int64) string { return term.Plural(n, "row", "rows") }

func transactionsWord(n int) string { return term.Plural(int64(n), "transaction", "transactions") }
