package main

import (
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/pgrescue/pgrescue/cmd/internal/exitcode"
	"github.com/pgrescue/pgrescue/cmd/internal/term"
	"github.com/pgrescue/pgrescue/logparse/secrets"
	"github.com/pgrescue/pgrescue/recover/runbook"
)

// builtInBook is RUNBOOK.md of the root, which an embed of this package does not reach, and
// at the root no Go file may lie. TestBuiltInBook compares the two.
//
//go:generate cp ../../RUNBOOK.md RUNBOOK.md
//go:embed RUNBOOK.md
var builtInBook []byte

// builtInName is what the built-in book is called. No file is: a run that is resumed takes
// the book from its own folder.
const builtInName = "built-in:RUNBOOK.md"

// newRunbookCommand is the group of the commands that work on runbooks.
func newRunbookCommand(terminal *term.Terminal, cases *caseOptions) *cobra.Command {
	return newGroup("runbook", "Read, check and run a runbook that is plain Markdown",
		`Read, check and run a runbook: plain Markdown that a person can follow without any tool.
Without a FILE it is the built-in one, RUNBOOK.md: rows are missing from PostgreSQL.

A step is a heading "### 3. Title". The second word behind the fence of a block is its
role: check looks, run acts, verify says whether it worked, undo takes it back, expect is
what the block before it prints. Inputs stand in a table under "You need".

A run has a folder, with a journal, the output of every block, and RUNLOG.md, which is the
book with what was done. It can be resumed.`,
		`  pgrescue runbook show
  pgrescue runbook plan --set TABLES=shop.orders
  pgrescue runbook run --set TABLES=shop.orders --folder incident/first`,
		newRunbookShowCommand(terminal),
		newRunbookLintCommand(terminal),
		newRunbookPlanCommand(terminal, cases),
		newRunbookApproveCommand(terminal, cases),
		newRunbookRunCommand(terminal, cases),
		newRunbookResumeCommand(terminal, cases),
		newRunbookUndoCommand(terminal, cases),
		newRunbookStatusCommand(terminal, cases),
		newRunbookExportCommand(terminal),
		newRunbookDrillCommand(terminal, cases),
	)
}

// openBook reads the book that is named, or the built-in one.
func openBook(args []string) (*runbook.Book, error) {
	if len(args) == 0 {
		book, err := runbook.Parse(builtInName, builtInBook)
		return book, runbookError(err)
	}
	book, err := runbook.Open(args[0])
	return book, runbookError(err)
}

// atMost is the cobra.PositionalArgs of commands that take some arguments or fewer; what names them.
func atMost(n int, what string) cobra.PositionalArgs {
	return func(command *cobra.Command, args []string) error {
		if len(args) > n {
			return exitcode.Usagef("see "+command.CommandPath()+" --help", "%s: %q is more than the command takes: %s", command.CommandPath(), args[n], what)
		}
		return nil
	}
}

// stepAndRun is the cobra.PositionalArgs of undo.
func stepAndRun(command *cobra.Command, args []string) error {
	if len(args) == 0 {
		return exitcode.Usagef("by its number or its anchor; `pgrescue runbook status` lists the steps", "%s: no step is named", command.CommandPath())
	}
	return atMost(2, "a step and the folder of one run")(command, args)
}

// runsFolder is where runs lie that are given no other folder.
const runsFolder = "runbook-runs"

// runOf is the folder of the run that is named, or the last of those in runsFolder.
func runOf(args []string) (string, error) {
	if len(args) > 0 {
		return args[0], nil
	}
	entries, err := os.ReadDir(runsFolder)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("runbook: look for runs: %w", err)
	}
	last := ""
	for _, entry := range entries { // by name, which is the time
		if _, err := os.Stat(filepath.Join(runsFolder, entry.Name(), "run.json")); err == nil {
			last = filepath.Join(runsFolder, entry.Name())
		}
	}
	if last == "" {
		return "", exitcode.With(exitcode.NotFound, exitcode.Hinted(errors.New("runbook: no run is named, and there is none in "+runsFolder),
			"name the folder that `pgrescue runbook run` has made"))
	}
	return last, nil
}

// pairs reads NAME=VALUE of a flag that may be repeated.
func pairs(flag string, texts []string) (map[string]string, error) {
	found := make(map[string]string, len(texts))
	for _, text := range texts {
		name, value, ok := strings.Cut(text, "=")
		if !ok || name == "" {
			return nil, exitcode.Usagef("", "--%s %q has no = between two words", flag, secrets.Text(text))
		}
		if _, twice := found[name]; twice {
			return nil, exitcode.Usagef("", "--%s names %s twice", flag, name)
		}
		found[name] = value
	}
	return found, nil
}

// runbookError marks an error of runbooks with its exit code.
func runbookError(err error) error {
	return restoreError(withMeaning(err, []meaning{
		{runbook.ErrConfirm, exitcode.Usage},
		{runbook.ErrInput, exitcode.Usage},
		{errLeft, exitcode.Usage},
		{runbook.ErrStopped, exitcode.Refused},
		{runbook.ErrOccupied, exitcode.Refused},
		{runbook.ErrBroken, exitcode.Refused},
		{runbook.ErrDamaged, exitcode.Insufficient},
		{runbook.ErrNewer, exitcode.Insufficient},
		{runbook.ErrNoBook, exitcode.Insufficient},
		{runbook.ErrVerify, exitcode.VerifyFailed},
		{runbook.ErrStale, exitcode.Stale},
		{runbook.ErrLocked, exitcode.Locked},
		{runbook.ErrNoRun, exitcode.NotFound},
		{runbook.ErrTimeBox, exitcode.TimeBox},
		{runbook.ErrBlock, exitcode.Failed},
	}))
}

// findStep finds a step of a book that a command line names.
func findStep(book *runbook.Book, command, name string) (*runbook.Step, error) {
	if step := book.Step(name); step != nil {
		return step, nil
	}
	return nil, exitcode.With(exitcode.NotFound, exitcode.Hinted(fmt.Errorf("%s: %s has no step %q", command, book.Path, name),
		"`pgrescue runbook show` lists the steps; a step is named by its number or its anchor"))
}
