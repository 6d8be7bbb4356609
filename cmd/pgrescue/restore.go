package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/pgrescue/pgrescue/cmd/internal/exitcode"
	"github.com/pgrescue/pgrescue/cmd/internal/term"
	"github.com/pgrescue/pgrescue/recover/casefile"
	"github.com/pgrescue/pgrescue/recover/live"
	"github.com/pgrescue/pgrescue/recover/restore"
)

// newRestoreCommand is the group of the commands that give rows back.
func newRestoreCommand(terminal *term.Terminal, cases *caseOptions) *cobra.Command {
	return newGroup("restore", "Give the rows of a case back to a database: plan, apply, verify, undo",
		`Give the rows of a case back to a database. plan decides for each row what is to be
done, by reading only; apply does it in one transaction; verify reads the target back and
compares it with the plan; undo takes back what apply put in.

Nothing but apply and undo writes into a database, and both ask for its name first.`,
		`  pgrescue restore plan --case rescue --dsn 'host=db dbname=shop'
  pgrescue restore apply rescue/plan.json --confirm shop
  pgrescue restore verify rescue/plan.json`,
		newRestorePlanCommand(terminal, cases),
		newRestoreApplyCommand(terminal, cases),
		newRestoreVerifyCommand(terminal, cases),
		newRestoreUndoCommand(terminal, cases),
	)
}

// targetOptions are the flags that say which database the rows go to.
type targetOptions struct {
	dsn string
}

func (o *targetOptions) addFlags(command *cobra.Command) {
	command.Flags().StringVar(&o.dsn, "dsn", "", "connection `string` of libpq, keywords or URI (default libpq's environment)")
}

// connect opens a session of the target.
func (o *targetOptions) connect(ctx context.Context, command string, mode live.Mode) (*live.Conn, error) {
	return live.Connect(ctx, o.dsn, live.Options{Command: command, Mode: mode})
}

// writingOptions are the flags of commands that write into the target.
type writingOptions struct {
	targetOptions
	confirm string
	batch   int64
}

// addFlags says in verb what the command does to rows.
func (o *writingOptions) addFlags(command *cobra.Command, verb string) {
	o.targetOptions.addFlags(command)
	flags := command.Flags()
	flags.StringVar(&o.confirm, "confirm", "", "the `name` of the database, instead of typing it")
	flags.Int64Var(&o.batch, "batch", 0, "about how many `rows` one transaction "+verb+" (default all of them in one transaction)")
}

// begin finds the case, shows the target, and asks whether it is the one unless nothing
// will be changed.
func (o *writingOptions) begin(ctx context.Context, command string, terminal *term.Terminal, found *recorder, changes bool) (*casefile.Case, *live.Card, error) {
	file, err := caseOf(found, command)
	if err != nil {
		return nil, nil, err
	}
	if o.batch < 0 {
		return nil, nil, exitcode.Usagef("", "%s: --batch %d is no number of rows", command, o.batch)
	}
	card, err := o.showTarget(ctx, command, terminal)
	if err == nil && changes {
		err = confirm(terminal, command, o.confirm, card.Database)
	}
	return file, card, err
}

// showCard prints the identity card of the target on stderr.
func showCard(terminal *term.Terminal, card *live.Card) {
	for _, line := range card.Lines() {
		if line[0] == "database size" && card.Size >= 0 {
			line[1] = term.Bytes(card.Size)
		}
		terminal.Infof("%-18s %s", line[0], line[1])
	}
}

// confirm asks for the name of the database that is about to be changed.
func confirm(terminal *term.Terminal, command, given, database string) error {
	return confirmName(terminal, command, given, database, "database")
}

// confirmName asks for the name of what is about to be changed.
func confirmName(terminal *term.Terminal, command, given, name, what string) error {
	answer := given
	if given == "" {
		var asked bool
		var err error
		if answer, asked, err = terminal.Ask("type the name of the " + what + " to go on"); err != nil {
			return err
		}
		if !asked {
			return exitcode.Usagef(fmt.Sprintf("look at the target above; --confirm %q says that it is the one", name),
				"%s: the %s has to be named, and nobody is here to type it; nothing was changed", command, what)
		}
	}
	if answer != name {
		return exitcode.Usagef("nothing was changed", "%s: the %s is %q, and %q was confirmed", command, what, name, answer)
	}
	return nil
}

// ofCase are the options of a command that needs a case that is there. Unless one is
// named, it is the one that the plan lies in; plan may be "".
func ofCase(cases *caseOptions, plan string) *caseOptions {
	own := *cases
	own.existing = true
	if plan == "" || own.dir != "" || own.none || os.Getenv(caseVariable) != "" {
		return &own
	}
	if dir, found, err := casefile.Find(filepath.Dir(plan)); err == nil && found {
		own.dir = dir
	}
	return &own
}

// onPlan makes the RunE of a command that takes plan.json.
func onPlan(terminal *term.Terminal, cases *caseOptions, body func(context.Context, *restore.Plan, *recorder) error) func(*cobra.Command, []string) error {
	return func(command *cobra.Command, args []string) error {
		plan, err := restore.Read(args[0])
		if err != nil {
			return restoreError(err)
		}
		return ofCase(cases, args[0]).record(command, terminal, func(ctx context.Context, found *recorder) error { return body(ctx, plan, found) })
	}
}

// onePlan is the cobra.Args of commands that take plan.json.
func onePlan(command *cobra.Command, args []string) error {
	if len(args) == 1 {
		return nil
	}
	cause := "no plan is named"
	if len(args) > 1 {
		cause = fmt.Sprintf("%q is one plan too many", args[1])
	}
	return exitcode.Usagef("`pgrescue restore plan` writes plan.json into the case's folder", "%s: %s", command.CommandPath(), cause)
}

// caseOf is the case of a recorder, which restoring cannot do without.
func caseOf(found *recorder, command string) (*casefile.Case, error) {
	if found == nil {
		return nil, exitcode.Usagef("--case DIR names it; every command that reads evidence fills one", "%s: no case is named", command)
	}
	return found.file, nil
}

// shower shows the progress of apply, verify and undo, and what they find.
type shower struct {
	terminal *term.Terminal
	progress *term.Progress
	verb     string
	findings []restore.Finding // the first of them
	more     int64
}

// mostFindings bounds what is kept and printed of rows that are not as they should be.
const mostFindings = 20

func newShower(terminal *term.Terminal, verb string) *shower {
	return &shower{terminal: terminal, verb: verb, progress: terminal.ProgressOf(0, "rows", verb)}
}

func (s *shower) step(step restore.Step) {
	what := s.verb
	switch step.Stage {
	case restore.StageCheck:
		what = "checking the plan"
	case restore.StageCompare:
		what = "comparing with the target"
	case restore.StageWrite:
		what = "the server writes the rows"
	case restore.StageKeys:
		what = "checking foreign keys"
	case restore.StageCommit:
		what = "committing"
	}
	s.progress.Begin(step.Total, what)
	s.progress.Set(step.Rows)
}

func (s *shower) finding(f restore.Finding) {
	if len(s.findings) == mostFindings {
		s.more++
		return
	}
	f.Columns = append([]string(nil), f.Columns...)
	s.findings = append(s.findings, f)
}

// tell prints the findings as warnings.
func (s *shower) tell() {
	s.progress.End()
	for i := range s.findings {
		s.terminal.Warnf("%s", s.findings[i])
	}
	if s.more > 0 {
		s.terminal.Warnf("and %s", term.Plural(s.more, "more row", "more rows"))
	}
}

// acting joins what apply, verify and undo need.
func (o *targetOptions) acting(file *casefile.Case, plan *restore.Plan, command string, mode live.Mode, show *shower) restore.Acting {
	return restore.Acting{
		Case: file, Plan: plan, Progress: show.step, Finding: show.finding,
		Connect: func(ctx context.Context) (*live.Conn, error) { return o.connect(ctx, command, mode) },
	}
}

// showTarget asks the target who it is, and shows it.
func (o *targetOptions) showTarget(ctx context.Context, command string, terminal *term.Terminal) (*live.Card, error) {
	conn, err := o.connect(ctx, strings.ReplaceAll(command, " ", "-"), live.Read)
	if err != nil {
		return nil, restoreError(err)
	}
	defer conn.Close()
	card, err := conn.Card(ctx)
	if err != nil {
		return nil, restoreError(err)
	}
	showCard(terminal, card)
	return card, nil
}

// errActing marks an interrupted command that writes into a target.
var errActing = errors.New("interrupted by a signal; the transaction in progress was rolled back, and what was committed before it stays")

// actingError is restoreError for commands that write; done says what they have done.
func actingError(ctx context.Context, err error, done string) error {
	if err != nil && ctx.Err() != nil {
		return exitcode.Hinted(errors.Join(errActing, err), "run the same command again: it goes on where this one stopped, or undo takes back what is there")
	}
	if errors.Is(err, live.ErrLost) && !errors.Is(err, restore.ErrInDoubt) {
		err = exitcode.Hinted(err, "this run "+done+"; run the same command again when the server is back: it goes on from there")
	}
	return restoreError(err)
}

// restoreError marks an error of restoring with its exit code.
func restoreError(err error) error {
	return libraryError(withMeaning(err, []meaning{
		{live.ErrLocked, exitcode.Locked},
		{restore.ErrEdited, exitcode.Refused},
		{restore.ErrStale, exitcode.Stale},
		{restore.ErrPagesNeeded, exitcode.Refused},
		{restore.ErrOtherCluster, exitcode.Refused},
		{restore.ErrUndecided, exitcode.Refused},
		{restore.ErrRejected, exitcode.Refused},
		{restore.ErrNotApplied, exitcode.Refused},
		{restore.ErrNoTable, exitcode.NotFound},
		{restore.ErrChoice, exitcode.Usage},
		{restore.ErrNothing, exitcode.Insufficient},
		{restore.ErrDiffers, exitcode.VerifyFailed},
		{restore.ErrKept, exitcode.Findings},
		{restore.ErrInDoubt, exitcode.Failed},
		{casefile.ErrNoPlan, exitcode.NotFound},
		{live.ErrBadDSN, exitcode.Usage},
		{live.ErrDenied, exitcode.Permission},
		{live.ErrReadOnly, exitcode.Refused},
		{live.ErrUnreachable, exitcode.Failed},
		{live.ErrLost, exitcode.Failed},
		{live.ErrTimeout, exitcode.Failed},
		{live.ErrRefused, exitcode.Failed},
	}))
}
