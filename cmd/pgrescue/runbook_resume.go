package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/pgrescue/pgrescue/cmd/internal/term"
	"github.com/pgrescue/pgrescue/recover/runbook"
)

func newRunbookResumeCommand(terminal *term.Terminal, cases *caseOptions) *cobra.Command {
	var options runningOptions
	command := &cobra.Command{
		Use:   "resume [FOLDER]",
		Short: "Go on with a run where it stopped",
		Long: `Go on with a run where it stopped. A step that failed is not done. Of a step that was
interrupted, the verify block decides whether what had begun has to run again, and that
takes a yes, or --again.

A step that ran and whose text, values or version of pgrescue changed since is stale, and
the run goes on only when somebody says what becomes of it: --accept leaves it as it is,
--again runs it again (exit code 8 without either). Without a FOLDER it is the last run
below ` + runsFolder + `.`,
		Example: `  pgrescue runbook resume
  pgrescue runbook resume incident/first --again 5
  pgrescue runbook resume incident/first --accept all --yes --confirm shop --tick all </dev/null`,
		Args: atMost(1, "the folder of one run"),
		RunE: func(command *cobra.Command, args []string) error {
			return runRunbookResume(command.Context(), &options, args, cases, terminal)
		},
	}
	options.addFlags(command)
	flags := command.Flags()
	flags.StringArrayVar(&options.again, "again", nil, "run this `step` again, though it is stale, undone or was interrupted; all for every such step; may be repeated")
	flags.StringArrayVar(&options.accept, "accept", nil, "leave this `step` as it is, though it is stale; all for every such step; may be repeated")
	return command
}

func runRunbookResume(ctx context.Context, options *runningOptions, args []string, cases *caseOptions, terminal *term.Terminal) (err error) {
	folder, err := runOf(args)
	if err != nil {
		return err
	}
	run, done, err := options.run("runbook resume", cases, "", terminal)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, done()) }()
	status, err := runbook.ReadStatus(folder, run.Options)
	if err != nil {
		return runbookError(err)
	}
	if err := checkSteps(&run, knownTo(status)); err != nil {
		return err
	}
	terminal.Infof("run: %s: %s", status.Folder, whereItIs(status))
	noter := &runNoter{cases: cases, terminal: terminal, command: run.Command, title: status.Title, folder: status.Folder}
	noter.watch(ctx, &run)
	result, err := runbook.Resume(ctx, status.Folder, run)
	if result != nil {
		noter.look(context.WithoutCancel(ctx), &run)
	}
	return runEnded(ctx, terminal, result, err)
}

func newRunbookUndoCommand(terminal *term.Terminal, cases *caseOptions) *cobra.Command {
	var options runningOptions
	command := &cobra.Command{
		Use:   "undo STEP [FOLDER]",
		Short: "Take back what a step of a run did: run its undo blocks",
		Long: `Run the undo blocks of a step that a run has gone through, the last block first. They ask
as the step itself did. Without a FOLDER it is the last run below ` + runsFolder + `.
runbook resume --again runs the step again.`,
		Example: `  pgrescue runbook undo 1
  pgrescue runbook undo 1-freeze-the-scene incident/first
  pgrescue runbook undo 7 incident/first --yes --confirm shop </dev/null`,
		Args: stepAndRun,
		RunE: func(command *cobra.Command, args []string) error {
			return runRunbookUndo(command.Context(), &options, args, cases, terminal)
		},
	}
	options.valueOptions.addFlags(command)
	options.addYes(command)
	return command
}

func runRunbookUndo(ctx context.Context, options *runningOptions, args []string, cases *caseOptions, terminal *term.Terminal) (err error) {
	folder, err := runOf(args[1:])
	if err != nil {
		return err
	}
	run, done, err := options.run("runbook undo", cases, "", terminal)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, done()) }()
	result, err := runbook.UndoStep(ctx, folder, args[0], run)
	return runEnded(ctx, terminal, result, err)
}
