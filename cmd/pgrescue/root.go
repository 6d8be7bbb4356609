package main

import (
	"context"
	"errors"
	"slices"

	"github.com/spf13/cobra"

	"github.com/pgrescue/pgrescue/cmd/internal/exitcode"
	"github.com/pgrescue/pgrescue/cmd/internal/term"
)

// run executes one command line and returns the exit code.
func run(ctx context.Context, args []string, terminal *term.Terminal) int {
	// Known before the flags are parsed, so that an error of parsing is JSON too.
	terminal.UseJSON(slices.Contains(args, "--json"))
	root := newRootCommand(terminal, args)
	started := false
	for command := range allCommands(root) {
		if inner := command.RunE; inner != nil {
			command.RunE = func(command *cobra.Command, args []string) error {
				started = true
				return inner(command, args)
			}
		}
	}
	root.SetArgs(args)
	command, err := root.ExecuteContextC(ctx)
	if err != nil && !started {
		// Cobra refused the command line before any of our code ran.
		err = exitcode.With(exitcode.Usage, exitcode.Hinted(err, usageHint(err, command, args)))
	}
	return terminal.Fatal(settled(ctx, err))
}

// settled is the error that a command ends with, once a signal is taken into account.
func settled(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil && exitcode.Of(err) != exitcode.Usage {
		return interrupted(err)
	}
	return err
}

// errInterrupted is what a person reads who has pressed Ctrl-C.
var errInterrupted = errors.New("interrupted by a signal")

// interrupted is the error of a command that a signal ended. Which of the
// command's steps noticed it first tells nobody anything.
func interrupted(err error) error {
	for _, known := range []error{errKept, errActing, errLoading, errRunning} {
		if errors.Is(err, known) {
			return exitcode.With(exitcode.Interrupted, exitcode.Hinted(known, exitcode.HintOf(err)))
		}
	}
	if errors.Is(err, context.Canceled) {
		err = errInterrupted
	}
	return exitcode.With(exitcode.Interrupted, exitcode.Hinted(err,
		"what was printed so far is whole rows, but not all of them; files that were not complete are removed"))
}

// newRootCommand lists every command. argv is what the journal of a case says was typed.
func newRootCommand(terminal *term.Terminal, argv []string) *cobra.Command {
	options := globalOptions{caseOptions: caseOptions{argv: append([]string{"pgrescue"}, argv...)}}
	cases := &options.caseOptions
	root := &cobra.Command{
		Use:   "pgrescue",
		Short: "Bring rows back after a PostgreSQL data loss, and prove how many",
		Long: `pgrescue brings rows back after a PostgreSQL data loss, and proves how many.

It reads a copy of the data directory and its WAL, names the transaction that
destroyed the rows, and gives the rows back with a balance that adds up to the
row. It only reads the evidence. Run it on a copy, not on the hurt server: every
query on a hurt table can destroy what is left of it.`,
		Example: `  pgrescue demo
  pgrescue wal transactions /copy/data/pg_wal --pgdata /copy/data
  pgrescue undelete --pgdata /copy/data --xid 742 -o rescued
  pgrescue help exit-codes`,
		SilenceErrors:      true,
		SilenceUsage:       true,
		DisableSuggestions: true, // usageHint makes them
		PersistentPreRun: func(*cobra.Command, []string) {
			terminal.UseJSON(options.json)
			if options.noColor {
				terminal.NoColor()
			}
		},
		RunE: func(command *cobra.Command, _ []string) error { return command.Help() },
	}
	options.addFlags(root)
	root.SetFlagErrorFunc(badFlagValue)
	root.SetOut(terminal.Out)
	root.SetErr(terminal.Err)
	root.CompletionOptions.HiddenDefaultCmd = true
	help := newHelpCommand()
	root.SetHelpCommand(help)
	root.AddCommand(
		help,
		newCaseCommand(terminal, cases),
		newCatalogCommand(terminal, cases),
		newDemoCommand(terminal),
		newExitCodesTopic(terminal),
		newHeapCommand(terminal, cases),
		newImportCommand(terminal, cases),
		newLogsCommand(terminal, cases),
		newPreserveCommand(terminal, cases),
		newReportCommand(terminal, cases),
		newRestoreCommand(terminal, cases),
		newRunbookCommand(terminal, cases),
		newTriageCommand(terminal, cases),
		newUndeleteCommand(terminal, cases),
		newVersionCommand(terminal),
		newWALCommand(terminal, cases),
	)
	addExitCodes(root)
	return root
}

// globalOptions are the flags of every command.
type globalOptions struct {
	caseOptions
	json    bool
	noColor bool
}

func (o *globalOptions) addFlags(root *cobra.Command) {
	flags := root.PersistentFlags()
	flags.BoolVar(&o.json, "json", false, "print the result as JSON on stdout, and a fatal error as JSON on stderr")
	o.caseOptions.addFlags(root)
	flags.BoolVar(&o.noColor, "no-color", false, "print without colour (so does NO_COLOR in the environment)")
}

// newGroup makes a command that only holds other commands.
func newGroup(use, short, long, example string, commands ...*cobra.Command) *cobra.Command {
	group := &cobra.Command{
		Use: use + " COMMAND", Short: short, Long: long, Example: example,
		// A wrong command comes with flags of its own; the command is the error to report.
		FParseErrWhitelist: cobra.FParseErrWhitelist{UnknownFlags: true},
		RunE: func(group *cobra.Command, args []string) error {
			if len(args) == 0 {
				return exitcode.Usagef(commandHint(group, ""), "%s: name a command", group.CommandPath())
			}
			return unknownCommand(group, args[0])
		},
	}
	group.AddCommand(commands...)
	return group
}

// allCommands yields a command and all commands below it.
func allCommands(root *cobra.Command) func(yield func(*cobra.Command) bool) {
	return func(yield func(*cobra.Command) bool) {
		var walk func(*cobra.Command) bool
		walk = func(command *cobra.Command) bool {
			if !yield(command) {
				return false
			}
			for _, child := range command.Commands() {
				if !walk(child) {
					return false
				}
			}
			return true
		}
		walk(root)
	}
}
