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
	"github.com/pgrescue/pgrescue/testdata"
)

// demoOptions are the flags of `demo`.
type demoOptions struct {
	output string
}

func (o *demoOptions) addFlags(command *cobra.Command) {
	command.Flags().StringVarP(&o.output, "output", "o", "", "folder to keep everything in (default a temporary one, where only the report and the log of the run stay)")
}

func newDemoCommand(terminal *term.Terminal) *cobra.Command {
	var options demoOptions
	command := &cobra.Command{
		Use:   "demo",
		Short: "Tell the whole story on bundled evidence, with no server",
		Long: `Unpack a real incident that the program carries, and rescue it: a cleanup script
ran against a tenant that held real data. The data directory and its WAL were
written by a PostgreSQL 15 that was stopped in the middle of its work.

The built-in runbook does it, from the first question to the report, as pgrescue
runbook run would at work; what people have to do is ticked. There is no server, so the
rows come back as files and as a script that would put them in. In the end they are
compared, to the byte, with what COPY gave before the loss.

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
	folder   string // holds data and logs, then the case and the runs
}

// chapter is one part of the story; each finds what the ones before it left in the demo.
type chapter struct {
	title string
	tell  func(d *demo, ctx context.Context) error
}

// story lists the chapters in order.
func story() []chapter {
	return []chapter{
		{"what is left", (*demo).tellEvidence},
		{"the runbook", (*demo).tellRunbook},
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
		defer func() { err = errors.Join(err, d.clean(err == nil)) }()
	} else if err := mayFill("demo", d.folder); err != nil {
		return err
	}
	for i, c := range story() {
		if err := d.printf("\n%d. %s\n\n", i+1, strings.ToUpper(c.title[:1])+c.title[1:]); err != nil {
			return err
		}
		if err := c.tell(d, ctx); err != nil {
			return err
		}
	}
	return d.end(options.output == "")
}

// reportLine is what `demo --json` prints last.
type reportLine struct {
	Type   string `json:"type"` // report
	Report string `json:"report"`
	RunLog string `json:"run_log"`
}

// end says where the report is, which it takes out of a folder that will go.
func (d *demo) end(goes bool) error {
	line := reportLine{Type: "report", Report: filepath.Join(d.caseDir(), "report.html"), RunLog: filepath.Join(d.runDir(), "RUNLOG.md")}
	if goes {
		for _, path := range []*string{&line.Report, &line.RunLog} {
			kept := filepath.Join(d.folder, filepath.Base(*path))
			if err := os.Rename(*path, kept); err != nil {
				return fmt.Errorf("demo: keep the report: %w", err)
			}
			*path = kept
		}
	}
	if d.terminal.JSON() {
		return d.terminal.WriteLine(line)
	}
	return d.printf("\nWhat was done, with all outputs: %s\nThe report: %s\n", line.RunLog, line.Report)
}

// clean removes a temporary folder, or what nobody needs of it once the story is told.
func (d *demo) clean(told bool) error {
	gone := []string{d.folder}
	if told {
		gone = []string{d.dataDir(), d.logs(), d.caseDir(), filepath.Dir(d.runDir())}
	}
	for _, path := range gone {
		if err := os.RemoveAll(path); err != nil {
			return fmt.Errorf("demo: remove %s: %w", path, err)
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

// command shows a command as it would be typed and runs it on a terminal. Any exit code
// but 0 ends the demo.
func (d *demo) command(ctx context.Context, terminal *term.Terminal, args ...string) error {
	if err := d.printf("$ pgrescue %s\n", strings.Join(args, " ")); err != nil {
		return err
	}
	// The story is no part of a case that is being worked on.
	if code := run(ctx, append(args, "--no-case"), terminal); code != int(exitcode.Done) {
		return exitcode.With(exitcode.Code(code), fmt.Errorf("demo: pgrescue %s ended with exit code %d", args[0], code))
	}
	return nil
}

func (d *demo) dataDir() string { return filepath.Join(d.folder, "data") }
func (d *demo) logs() string    { return filepath.Join(d.folder, "logs") }
func (d *demo) caseDir() string { return filepath.Join(d.folder, "case") }
func (d *demo) runDir() string  { return filepath.Join(d.folder, "runs", "first") }
