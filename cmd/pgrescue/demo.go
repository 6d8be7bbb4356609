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
	"github.com/pgrescue/pgrescue/recover/pg"
	"github.com/pgrescue/pgrescue/testdata"
)

// demoOptions are the flags of `demo`.
type demoOptions struct {
	output string
}

func (o *demoOptions) addFlags(command *cobra.Command) {
	command.Flags().StringVarP(&o.output, "output", "o", "", "folder to keep the evidence and the rescued rows in (default a temporary one, removed in the end)")
}

func newDemoCommand(terminal *term.Terminal) *cobra.Command {
	var options demoOptions
	command := &cobra.Command{
		Use:   "demo",
		Short: "Tell the whole story on bundled evidence, with no server",
		Long: `Unpack a real incident that the program carries, and rescue it: a cleanup script
ran against a tenant that held real data. The data directory and its WAL were
written by a PostgreSQL 15 that was stopped in the middle of its work.

Every command that the demo shows can be typed by hand; -o keeps the evidence.`,
		Example: `  pgrescue demo
  pgrescue demo -o /tmp/incident
  pgrescue demo --json`,
		Args: noArguments,
		RunE: func(command *cobra.Command, _ []string) error {
			return runDemo(command.Context(), &options, terminal)
		},
	}
	options.addFlags(command)
	return command
}

// demo is the story while it is told.
type demo struct {
	terminal *term.Terminal
	truth    *testdata.Truth
	folder   string // holds data, and rescued in the end
	xid      pg.XID // of the transaction that the evidence blames
}

// chapter is one part of the story. Later issues add chapters; each finds what
// the ones before it left in the demo.
type chapter struct {
	title string
	tell  func(d *demo, ctx context.Context) error
}

// story lists the chapters in order.
func story() []chapter {
	return []chapter{
		{"what is left", (*demo).tellEvidence},
		{"who did it", (*demo).tellTransactions},
		{"where recovery would have to stop", (*demo).tellTarget},
		{"the rows back", (*demo).tellUndelete},
		{"the proof", (*demo).tellProof},
	}
}

func runDemo(ctx context.Context, options *demoOptions, terminal *term.Terminal) (err error) {
	truth, err := testdata.ReadTruth()
	if err != nil {
		return err
	}
	terminal.UseLines()
	d := &demo{terminal: terminal, truth: truth, folder: options.output}
	if d.folder == "" {
		if d.folder, err = os.MkdirTemp("", "pgrescue-demo-"); err != nil {
			return fmt.Errorf("demo: make a folder: %w", err)
		}
		defer func() { err = errors.Join(err, os.RemoveAll(d.folder)) }()
	} else if entries, err := os.ReadDir(d.folder); err == nil && len(entries) > 0 {
		return exitcode.With(exitcode.Refused, exitcode.Hinted(fmt.Errorf("demo: %s is not empty", d.folder), "name a new folder"))
	}
	for i, c := range story() {
		if err := d.printf("\n%d. %s\n\n", i+1, strings.ToUpper(c.title[:1])+c.title[1:]); err != nil {
			return err
		}
		if err := c.tell(d, ctx); err != nil {
			return err
		}
	}
	return nil
}

// printf prints prose, which JSON does without.
func (d *demo) printf(format string, args ...any) error {
	if d.terminal.JSON() {
		return nil
	}
	return d.terminal.Printf(format, args...)
}

// command shows a command as it would be typed and runs it. Any exit code but
// the expected one ends the demo.
func (d *demo) command(ctx context.Context, args ...string) error {
	if err := d.printf("$ pgrescue %s\n", strings.Join(args, " ")); err != nil {
		return err
	}
	// The story is no part of a case that is being worked on.
	if code := run(ctx, append(args, "--no-case"), d.terminal); code != int(exitcode.Done) {
		return exitcode.With(exitcode.Code(code), fmt.Errorf("demo: pgrescue %s ended with exit code %d", args[0], code))
	}
	return nil
}

func (d *demo) dataDir() string { return filepath.Join(d.folder, "data") }
func (d *demo) rescued() string { return filepath.Join(d.folder, "rescued") }
