package main

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/pgrescue/pgrescue/cmd/internal/exitcode"
	"github.com/pgrescue/pgrescue/cmd/internal/term"
	"github.com/pgrescue/pgrescue/logparse/secrets"
	"github.com/pgrescue/pgrescue/recover/report"
)

// reportOptions are the flags of `report`.
type reportOptions struct {
	output  string
	format  string
	force   bool
	redact  bool
	keyFile string
	runs    []string
}

func (o *reportOptions) addFlags(command *cobra.Command) {
	flags := command.Flags()
	flags.StringVarP(&o.output, "output", "o", "", "file to write, .html or .md; - is stdout")
	flags.StringVar(&o.format, "format", "", "html or markdown (default by the name of the file)")
	flags.BoolVar(&o.force, "force", false, "replace the file if it exists")
	flags.BoolVar(&o.redact, "redact", false, "replace names of people, hosts and tenants and values by pseudonyms, and take out what quotes logs and command lines")
	flags.StringArrayVar(&o.runs, "run", nil, "`folder` of a run of a runbook, whose journal says what responders did; may be repeated (default those that the case knows)")
	flags.StringVar(&o.keyFile, "key-file", "", "file with the key of the pseudonyms, as in case export; made when it is not there (default a key that is thrown away)")
}

func newReportCommand(terminal *term.Terminal, cases *caseOptions) *cobra.Command {
	var options reportOptions
	command := &cobra.Command{
		Use:   "report -o FILE",
		Short: "The postmortem of a case: one HTML file with charts, or Markdown",
		Long: `Write what the case knows as a postmortem: the balance of each table, what became of
the lost rows, the timeline with how sure each entry is and a link to its evidence, what
was destroyed when, which tables fell together by which foreign keys, what may have
happened with the evidence for and against, the ways back with how long they were open,
what the evidence covers, gaps, conflicts, what logs count, the evidence with its SHA-256,
and what responders did: their commands, and the steps of runbooks. What only people can
answer is left blank.

The HTML file needs no other file, no script and no network, prints well and follows the
reader's choice of light or dark. The Markdown is what GitHub renders. The same case gives
the same bytes. A large case gives a report of a bounded size, which says what it leaves
out.

Secrets are masked. --redact is for readers outside: the same name or value has the same
pseudonym everywhere in the report and, with --key-file, in what case export writes.`,
		Example: `  pgrescue report --case incident -o report.html
  pgrescue report --case incident -o report.md
  pgrescue report --case incident -o public.html --redact --key-file ~/incident.key`,
		Args: noArguments,
		RunE: func(command *cobra.Command, _ []string) error {
			return runReport(command.Context(), &options, cases, terminal)
		},
	}
	options.addFlags(command)
	return command
}

// check refuses flags that do not go together, and settles the format.
func (o *reportOptions) check(terminal *term.Terminal) error {
	if o.output == "" {
		return exitcode.Usagef("-o report.html or -o report.md", "report: no file is named")
	}
	if o.format == "" {
		switch strings.ToLower(filepath.Ext(o.output)) {
		case ".html", ".htm":
			o.format = "html"
		case ".md", ".markdown":
			o.format = "markdown"
		default:
			return exitcode.Usagef("--format html or --format markdown says it", "report: the name %s does not tell the format", o.output)
		}
	}
	switch {
	case o.format != "html" && o.format != "markdown":
		return exitcode.Usagef("html or markdown", "report: unknown format %q", o.format)
	case o.keyFile != "" && !o.redact:
		return exitcode.Usagef("", "report: --key-file goes with --redact")
	case o.output == stdoutName && terminal.JSON():
		return exitcode.Usagef("name a file", "report: --json and -o - exclude each other: both are stdout")
	case o.output == stdoutName:
		return nil
	}
	return mayHold("report", o.output, "name a place outside of it")
}

// key is the key of the pseudonyms.
func (o *reportOptions) key(terminal *term.Terminal) ([]byte, error) {
	switch {
	case !o.redact:
		return nil, nil
	case o.keyFile != "":
		return pseudonymKey(terminal, "report", o.keyFile)
	}
	key := make([]byte, 32)
	_, _ = rand.Read(key) // never fails
	return key, nil
}

// reportResult is what `report --json` prints.
type reportResult struct {
	File     string `json:"file"`
	Format   string `json:"format"`
	Bytes    int64  `json:"bytes"`
	SHA256   string `json:"sha256"`
	Redacted bool   `json:"redacted"`
	Case     string `json:"case"`
	report.Totals
}

func runReport(ctx context.Context, options *reportOptions, cases *caseOptions, terminal *term.Terminal) (err error) {
	if err := options.check(terminal); err != nil {
		return err
	}
	c, err := cases.open(ctx, "report")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	if options.output != stdoutName {
		if err := mayWrite(options.output, options.force); err != nil {
			return err
		}
	}
	key, err := options.key(terminal)
	if err != nil {
		return err
	}
	progress := &stages{terminal: terminal}
	defer progress.end()
	progress.begin("reading the case", 0)
	followed, err := options.followed(ctx, c, terminal)
	if err != nil {
		return err
	}
	made, err := report.Make(ctx, c, report.Options{Version: readVersion().Version, Mask: maskField, Redact: options.redact, Key: key, Runbooks: followed})
	if err != nil {
		return libraryError(err)
	}
	progress.end()
	result := reportResult{File: options.output, Format: options.format, Redacted: options.redact, Case: c.ID(), Totals: made.Totals()}
	if options.output == stdoutName {
		return options.write(made, terminal.Out)
	}
	if err := options.save(made, &result); err != nil {
		return err
	}
	if terminal.JSON() {
		return terminal.WriteJSON(result)
	}
	return terminal.Printf("wrote %s: %s, SHA-256 %s\n", term.Printable(result.File), term.Bytes(result.Bytes), result.SHA256)
}

func (o *reportOptions) write(made *report.Report, w io.Writer) error {
	if o.format == "html" {
		return made.HTML(w)
	}
	return made.Markdown(w)
}

// save writes the file, which is there as a whole or not at all.
func (o *reportOptions) save(made *report.Report, result *reportResult) error {
	out, err := createOutput(o.output, o.force)
	if err != nil {
		return err
	}
	defer out.discard()
	sum, bytes := sha256.New(), new(byteCount)
	if err := o.write(made, io.MultiWriter(out, sum, bytes)); err != nil {
		return fmt.Errorf("report: write %s: %w", o.output, err)
	}
	result.Bytes, result.SHA256 = int64(*bytes), hex.EncodeToString(sum.Sum(nil))
	return out.commit()
}

// byteCount counts what is written to it.
type byteCount int64

func (n *byteCount) Write(data []byte) (int, error) {
	*n += byteCount(len(data))
	return len(data), nil
}

// maskField masks the secrets of a text, or of the value of a field.
func maskField(field, text string) string {
	if field == "" {
		return secrets.Text(text)
	}
	return secrets.Field(field, text)
}
