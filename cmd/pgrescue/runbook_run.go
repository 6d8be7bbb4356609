package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/pgrescue/pgrescue/cmd/internal/exitcode"
	"github.com/pgrescue/pgrescue/cmd/internal/term"
	"github.com/pgrescue/pgrescue/recover/runbook"
)

// runningOptions are the flags of run and resume: what a person would say at the terminal.
type runningOptions struct {
	valueOptions
	yes       bool
	confirm   []string
	approvals []string
	byHand    bool
	tick      []string
	skip      []string
	take      []string
	again     []string
	accept    []string
}

func (o *runningOptions) addFlags(command *cobra.Command) {
	o.valueOptions.addFlags(command)
	o.addYes(command)
	flags := command.Flags()
	flags.StringArrayVar(&o.approvals, "approval", nil, "`token` of a second person, which runbook approve prints; may be repeated")
	flags.BoolVar(&o.byHand, "by-hand", false, "show each block with its values; somebody runs it elsewhere and says how it ended")
	flags.StringArrayVar(&o.tick, "tick", nil, "what a person does in this `step` is done; all for every step; may be repeated")
	flags.StringArrayVar(&o.skip, "skip", nil, "`STEP=REASON`: leave the step out; may be repeated")
	flags.StringArrayVar(&o.take, "take", nil, "`STEP=STEP`: go there from here, where a person has to decide; may be repeated")
}

// addYes adds what lets blocks act.
func (o *runningOptions) addYes(command *cobra.Command) {
	flags := command.Flags()
	flags.BoolVar(&o.yes, "yes", false, "blocks that act may run, except in severe steps, which want --confirm too")
	flags.StringArrayVar(&o.confirm, "confirm", nil, "the `name` of what a severe step acts on, instead of typing it; may be repeated")
}

// run joins everything that a run needs.
func (o *runningOptions) run(command string, cases *caseOptions, dir string, terminal *term.Terminal) (run runbook.RunOptions, done func() error, err error) {
	run = runbook.RunOptions{
		Command: command, Yes: o.yes, Confirm: o.confirm, Approvals: o.approvals, ByHand: o.byHand,
		Tick: o.tick, Again: o.again, Accept: o.accept, Target: targetOf(terminal),
	}
	if run.Skip, err = pairs("skip", o.skip); err != nil {
		return run, nil, err
	}
	if run.Take, err = pairs("take", o.take); err != nil {
		return run, nil, err
	}
	if run.Options, done, err = o.options(cases, dir); err != nil {
		return run, nil, err
	}
	guide := &guide{terminal: terminal}
	run.Tell, run.Stdout, run.Stderr = guide.tell, guide, guide
	if terminal.Attended() {
		run.Ask = guide
	}
	return run, done, nil
}

// checkSteps refuses names that no step has: a typing error must not pass for a decision.
func checkSteps(run *runbook.RunOptions, known func(name string) bool) error {
	targets := slices.Collect(maps.Values(run.Take))
	for _, flag := range []struct {
		name  string
		steps []string
		all   bool
	}{
		{"tick", run.Tick, true},
		{"skip", slices.Collect(maps.Keys(run.Skip)), false},
		{"take", append(targets, slices.Collect(maps.Keys(run.Take))...), false},
		{"again", run.Again, true},
		{"accept", run.Accept, true},
	} {
		for _, step := range flag.steps {
			if !known(step) && (!flag.all || step != "all") {
				return exitcode.Usagef("`pgrescue runbook show` lists the steps; a step is named by its number or its anchor", "--%s: the book has no step %q", flag.name, step)
			}
		}
	}
	return nil
}

// errRunning marks a run that a signal has interrupted.
var errRunning = errors.New("interrupted by a signal; the step in progress is marked as interrupted")

// runEnded prints how far a run came, and gives the error of its end.
func runEnded(ctx context.Context, terminal *term.Terminal, result *runbook.Result, err error) error {
	if result == nil {
		return runbookError(err)
	}
	var printing error
	if terminal.JSON() {
		printing = terminal.WriteJSON(result)
	} else {
		printing = printRun(terminal, result)
	}
	resume := "pgrescue runbook resume " + result.Folder
	switch {
	case err != nil && ctx.Err() != nil:
		return exitcode.Hinted(errors.Join(errRunning, err), resume+" goes on with it")
	case err == nil:
		return printing
	}
	if result.Next != "" && exitcode.HintOf(err) == "" {
		err = exitcode.Hinted(err, resume+" goes on")
	}
	return runbookError(err)
}

func printRun(terminal *term.Terminal, result *runbook.Result) error {
	table := term.NewTable("STEP", "STATE", ">TOOK", "WHY")
	for _, visit := range result.Visits {
		table.Add(visit.Step, string(visit.State), took(visit.Began, visit.Ended), visit.Reason)
	}
	if err := table.Write(terminal.Out, ""); err != nil {
		return err
	}
	text := "The run came to its end."
	if result.Next != "" {
		text = "The run goes on with step " + result.Next + "."
	}
	return terminal.Printf("%s What was done: %s\n", term.Printable(text), term.Printable(filepath.Join(result.Folder, "RUNLOG.md")))
}

// took is the time between two times of a journal.
func took(began, ended string) string {
	begin, err := time.Parse(time.RFC3339, began)
	if err != nil {
		return ""
	}
	end, err := time.Parse(time.RFC3339, ended)
	if err != nil {
		return ""
	}
	return end.Sub(begin).Round(time.Second / 10).String()
}

// runbookRunOptions are the flags of `runbook run`.
type runbookRunOptions struct {
	runningOptions
	folder string
	dir    string
}

func (o *runbookRunOptions) addFlags(command *cobra.Command) {
	o.runningOptions.addFlags(command)
	flags := command.Flags()
	flags.StringVar(&o.folder, "folder", "", "`folder` of the run, which is made (default "+runsFolder+"/TIME)")
	flags.StringVar(&o.dir, "dir", "", "`folder` that blocks run in (default this one)")
}

func newRunbookRunCommand(terminal *term.Terminal, cases *caseOptions) *cobra.Command {
	var options runbookRunOptions
	command := &cobra.Command{
		Use:   "run [FILE]",
		Short: "Run a runbook, step by step, and write down what was done",
		Long: `Run a runbook from its first step. Every block is shown before it runs, and what acts
asks first: y runs it, skip wants a reason, why says what the step says of itself, quit
stops. A step that says Confirm has the name of the target typed. When a step fails, it is
tried again, skipped with a reason, undone, or left for later.

Without a terminal nothing is assumed: what a person would say has to be said with
--yes, --confirm, --tick, --take, --skip, --approval or --set, or the run is refused with
the flag that says it (exit code 2). --by-hand shows the blocks for running elsewhere.

The outputs of all blocks are kept in the run's folder, with secrets masked. A run that
was interrupted, or in which a step failed, goes on with runbook resume. Steps whose time
box ran out end with 124, those that did not verify with 7, other blocks with 9.`,
		Example: `  pgrescue runbook run --set TABLES='shop.orders shop.items'
  pgrescue runbook run ops/failover.md --folder incident/failover --by-hand
  pgrescue runbook run ops/failover.md --yes --confirm shop --tick all --take 3=4 </dev/null`,
		Args: atMost(1, "one book"),
		RunE: func(command *cobra.Command, args []string) error {
			return runRunbookRun(command.Context(), &options, args, cases, terminal)
		},
	}
	options.addFlags(command)
	return command
}

// newRunFolder names the folder of a run that begins at a time. A second run of the same
// second gets one of its own, which sorts behind the first.
func newRunFolder(parent string, at time.Time) string {
	name := filepath.Join(parent, at.UTC().Format("2006-01-02T15-04-05Z"))
	folder := name
	for n := 2; ; n++ {
		if _, err := os.Lstat(folder); err != nil {
			return folder
		}
		folder = fmt.Sprintf("%s-%d", name, n)
	}
}

func runRunbookRun(ctx context.Context, options *runbookRunOptions, args []string, cases *caseOptions, terminal *term.Terminal) (err error) {
	book, err := openBook(args)
	if err != nil {
		return err
	}
	folder := options.folder
	if folder == "" {
		folder = newRunFolder(runsFolder, time.Now())
	}
	if err := mayHold("run", folder, "name another folder with --folder"); err != nil {
		return err
	}
	run, done, err := options.run("runbook run", cases, options.dir, terminal)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, done()) }()
	if err := checkSteps(&run, func(name string) bool { return book.Step(name) != nil }); err != nil {
		return err
	}
	terminal.Infof("run: %s", folder)
	noter := &runNoter{cases: cases, terminal: terminal, command: run.Command, title: book.Title, folder: folder}
	noter.watch(ctx, &run)
	result, err := runbook.Start(ctx, book, folder, run)
	if result != nil {
		noter.look(context.WithoutCancel(ctx), &run)
	}
	return runEnded(ctx, terminal, result, err)
}

// knownTo reports which steps a run has, for checkSteps.
func knownTo(status *runbook.Status) func(string) bool {
	return func(name string) bool {
		return slices.ContainsFunc(status.Steps, func(s runbook.StepStatus) bool { return s.Step == name || s.ID == name }) ||
			slices.ContainsFunc(status.Stale, func(s runbook.Stale) bool { return s.Step == name })
	}
}

// whereItIs says in a line what of a run is done.
func whereItIs(status *runbook.Status) string {
	var done []string
	for _, step := range status.Steps {
		if step.State == runbook.StateDone || step.State == runbook.StateSkipped {
			done = append(done, fmt.Sprintf("%s %s", step.Step, step.State))
		}
	}
	next := "it came to its end"
	if status.Next != "" {
		next = "it goes on with step " + status.Next
	}
	if len(done) == 0 {
		return next
	}
	return strings.Join(done, ", ") + "; " + next
}
