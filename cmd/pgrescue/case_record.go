package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/pgrescue/pgrescue/cmd/internal/exitcode"
	"github.com/pgrescue/pgrescue/cmd/internal/term"
	"github.com/pgrescue/pgrescue/recover/casefile"
	"github.com/pgrescue/pgrescue/recover/evidence"
)

// caseVariable names a case for all commands of a shell.
const caseVariable = "PGRESCUE_CASE"

// caseOptions are the flags of every command that say which case it writes to.
type caseOptions struct {
	dir  string
	none bool
	wait time.Duration
	argv []string // the whole command line, for the journal
	// existing: the command has nothing to do with a case that is not there.
	existing bool
}

func (o *caseOptions) addFlags(root *cobra.Command) {
	flags := root.PersistentFlags()
	flags.StringVar(&o.dir, "case", "", "case folder to write what is found to, made when it is not there (default $"+caseVariable+
		", or the nearest folder upwards that holds a case)")
	flags.DurationVar(&o.wait, "case-wait", 5*time.Second, "how long to wait for another command that writes to the same case")
	flags.BoolVar(&o.none, "no-case", false, "write to no case, wherever the command runs")
}

// choose finds the case and what to open it for; "": there is none.
func (o *caseOptions) choose() (dir string, mode casefile.Mode, err error) {
	named, mode := os.Getenv(caseVariable), casefile.Create
	if o.existing {
		mode = casefile.Write
	}
	switch {
	case o.none && o.dir != "":
		return "", casefile.Read, exitcode.Usagef("", "--case and --no-case exclude each other")
	case o.none:
		return "", casefile.Read, nil
	case o.dir != "":
		return o.dir, mode, nil
	case named != "":
		return named, mode, nil
	}
	dir, found, err := casefile.Find(".")
	if err != nil || !found {
		return "", casefile.Read, err
	}
	return dir, casefile.Write, nil
}

// record runs a command, and writes what it finds to the case. The body gets a
// recorder, which is nil when there is no case.
func (o *caseOptions) record(command *cobra.Command, terminal *term.Terminal, body func(context.Context, *recorder) error) error {
	ctx := command.Context()
	r, err := o.begin(ctx, command, terminal)
	if err != nil {
		return libraryError(err)
	}
	err = body(ctx, r)
	return r.end(ctx, err)
}

// begin opens the case before any work is done, so that one that cannot be written
// to costs nobody an hour.
func (o *caseOptions) begin(ctx context.Context, command *cobra.Command, terminal *term.Terminal) (*recorder, error) {
	dir, mode, err := o.choose()
	if err != nil || dir == "" {
		return nil, err
	}
	if err := mayHoldCase(dir); err != nil {
		return nil, err
	}
	name := strings.TrimPrefix(command.CommandPath(), command.Root().Name()+" ")
	c, run, err := o.beginIn(ctx, dir, mode, name)
	if err != nil {
		return nil, err
	}
	terminal.Infof("case: %s", c.Dir())
	return &recorder{terminal: terminal, file: c, run: run, trail: new(evidence.Trail)}, nil
}

// beginIn opens a case for writing, and begins a run of a command in it.
func (o *caseOptions) beginIn(ctx context.Context, dir string, mode casefile.Mode, name string) (*casefile.Case, *casefile.Run, error) {
	c, err := casefile.Open(ctx, dir, mode, casefile.Options{LockWait: o.wait, Command: name})
	if err != nil {
		return nil, nil, err
	}
	run, err := c.Begin(ctx, casefile.Command{
		Name: name, Version: readVersion().Version, Argv: maskSecrets(o.argv), Who: userName(), Host: hostName(), Began: time.Now(),
	})
	if err != nil {
		return nil, nil, errors.Join(err, c.Close())
	}
	return c, run, nil
}

// open opens the case for looking at it.
func (o *caseOptions) open(ctx context.Context, command string) (*casefile.Case, error) {
	dir, _, err := o.choose()
	if err != nil {
		return nil, err
	}
	if dir == "" {
		return nil, exitcode.With(exitcode.NotFound, exitcode.Hinted(fmt.Errorf("%s: no folder upwards from here holds a case", command),
			"name it with --case DIR; --case makes one on any command that reads evidence"))
	}
	c, err := casefile.Open(ctx, dir, casefile.Read, casefile.Options{LockWait: o.wait, Command: command})
	return c, libraryError(err)
}

// mayHoldCase refuses a folder within a data directory: that is evidence.
func mayHoldCase(dir string) error {
	return mayHold("case", dir, "name another folder with --case DIR")
}

// mayHold refuses a file or folder within a data directory.
func mayHold(what, dir, hint string) error {
	path, err := filepath.Abs(dir)
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	for ; ; path = filepath.Dir(path) {
		for _, sign := range []string{"PG_VERSION", "global/pg_control"} {
			if _, err := os.Stat(filepath.Join(path, sign)); err == nil {
				return exitcode.With(exitcode.Refused, exitcode.Hinted(
					fmt.Errorf("%s %s: it lies within the data directory %s, which is only read", what, dir, path), hint))
			}
		}
		if path == filepath.Dir(path) {
			return nil
		}
	}
}

// userName is who runs the command.
func userName() string {
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return fmt.Sprint(os.Getuid())
}

func hostName() string {
	name, err := os.Hostname()
	if err != nil {
		return "unknown"
	}
	return name
}

// recorder writes what a command finds to the case. A nil one takes everything
// and writes nothing.
type recorder struct {
	terminal *term.Terminal
	file     *casefile.Case
	run      *casefile.Run
	trail    *evidence.Trail
	tables   map[tableKey]*casefile.RunTable
	// settle is called when the run has ended: kept says whether the case has it. It is for
	// files beside the case that must not be ahead of it. nil: there are none.
	settle func(kept bool) error
}

// end closes the case after the command has ended with an outcome. What was found
// stays in it unless the command was interrupted, refused or failed.
func (r *recorder) end(ctx context.Context, outcome error) error {
	if r == nil {
		return outcome
	}
	code := exitcode.Of(settled(ctx, outcome))
	var err error
	kept := false
	if keeps(code) {
		if err = r.manifest(ctx); err == nil {
			err = r.run.Commit(int(code))
		}
		kept = err == nil
		if err != nil {
			code = exitcode.Of(settled(ctx, libraryError(err)))
		}
	}
	if r.settle != nil {
		err = errors.Join(err, r.settle(kept))
	}
	// Of a run that was committed nothing is taken back.
	err = errors.Join(err, r.run.Abandon(int(code)), r.file.Close())
	if err == nil {
		return outcome
	}
	if outcome != nil {
		r.terminal.Warnf("%v", outcome)
	}
	return libraryError(err)
}

// manifest hashes the evidence that the command read, and notes it in the case.
func (r *recorder) manifest(ctx context.Context) error {
	reads := r.trail.Reads()
	files := make([]casefile.File, len(reads))
	for i := range reads {
		files[i] = casefile.ReadFile(&reads[i])
	}
	progress := &stages{terminal: r.terminal}
	defer progress.end()
	return r.run.Manifest(ctx, files, func(total int64) func(int64) { return progress.begin("hashing the evidence", total) })
}

// keeps reports whether what a command found before it ended so is to stay.
func keeps(code exitcode.Code) bool {
	switch code {
	case exitcode.Done, exitcode.Findings, exitcode.Partial, exitcode.Insufficient, exitcode.VerifyFailed, exitcode.NotFound:
		return true
	}
	return false
}

// Trail remembers the evidence that the command reads; nil without a case.
func (r *recorder) Trail() *evidence.Trail {
	if r == nil {
		return nil
	}
	return r.trail
}
