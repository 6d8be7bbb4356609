package main

import (
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/pgrescue/pgrescue/cmd/internal/exitcode"
	"github.com/pgrescue/pgrescue/cmd/internal/term"
	"github.com/pgrescue/pgrescue/recover/runbook"
)

// runbookExportOptions are the flags of `runbook export`.
type runbookExportOptions struct {
	output string
	format string
	force  bool
}

func (o *runbookExportOptions) addFlags(command *cobra.Command) {
	flags := command.Flags()
	flags.StringVarP(&o.output, "output", "o", "", "file to write, .md, .jsonl or .tar.gz; - is stdout")
	flags.StringVar(&o.format, "format", "", "runlog, timeline or archive (default by the name of the file)")
	flags.BoolVar(&o.force, "force", false, "replace the file if it exists")
}

func newRunbookExportCommand(terminal *term.Terminal) *cobra.Command {
	var options runbookExportOptions
	command := &cobra.Command{
		Use:   "export [FOLDER] -o FILE",
		Short: "Hand a run over: what was done as Markdown, as a timeline, or all of it",
		Long: `Write a run into a file: .md is the runlog, the book with ticks, times, answers and
outputs where they belong; .jsonl is the timeline, a moment a line, with the names of
fields that timesketch wants; .tar.gz is the folder with its manifest. Secrets are masked
in all of them. Without a FOLDER it is the last run below ` + runsFolder + `.`,
		Example: `  pgrescue runbook export -o runlog.md
  pgrescue runbook export incident/first -o first.tar.gz
  pgrescue runbook export incident/first --format timeline -o - | jq -r .message`,
		Args: atMost(1, "the folder of one run"),
		RunE: func(_ *cobra.Command, args []string) error { return runRunbookExport(&options, args, terminal) },
	}
	options.addFlags(command)
	return command
}

// check settles the format.
func (o *runbookExportOptions) check(terminal *term.Terminal) error {
	if o.output == "" {
		return exitcode.Usagef("-o runlog.md, -o timeline.jsonl or -o run.tar.gz", "runbook export: no file is named")
	}
	if o.format == "" {
		switch name := strings.ToLower(o.output); {
		case strings.HasSuffix(name, ".md"):
			o.format = "runlog"
		case strings.HasSuffix(name, ".jsonl"):
			o.format = "timeline"
		case strings.HasSuffix(name, ".tar.gz"), strings.HasSuffix(name, ".tgz"):
			o.format = "archive"
		default:
			return exitcode.Usagef("--format runlog, timeline or archive says it", "runbook export: the name %s does not tell the format", o.output)
		}
	}
	switch {
	case o.format != "runlog" && o.format != "timeline" && o.format != "archive":
		return exitcode.Usagef("runlog, timeline or archive", "runbook export: unknown format %q", o.format)
	case o.output == stdoutName && terminal.JSON():
		return exitcode.Usagef("name a file", "runbook export: --json and -o - exclude each other: both are stdout")
	}
	return nil
}

// exported is what `runbook export --json` prints.
type exported struct {
	Run    string `json:"run"`
	File   string `json:"file"`
	Format string `json:"format"`
	Bytes  int64  `json:"bytes"`
}

func runRunbookExport(options *runbookExportOptions, args []string, terminal *term.Terminal) error {
	if err := options.check(terminal); err != nil {
		return err
	}
	folder, err := runOf(args)
	if err != nil {
		return err
	}
	if options.output == stdoutName {
		return runbookError(options.write(folder, terminal.Out))
	}
	out, err := createOutput(options.output, options.force)
	if err != nil {
		return err
	}
	defer out.discard()
	count := new(byteCount)
	if err := options.write(folder, io.MultiWriter(out, count)); err != nil {
		return runbookError(err)
	}
	if err := out.commit(); err != nil {
		return err
	}
	result := exported{Run: folder, File: options.output, Format: options.format, Bytes: int64(*count)}
	if terminal.JSON() {
		return terminal.WriteJSON(result)
	}
	return terminal.Printf("wrote %s: the %s of %s, %s\n", term.Printable(result.File), result.Format, term.Printable(result.Run), term.Bytes(result.Bytes))
}

func (o *runbookExportOptions) write(folder string, w io.Writer) error {
	switch o.format {
	case "timeline":
		return runbook.ExportTimeline(folder, w)
	case "archive":
		return runbook.ExportArchive(folder, w)
	}
	text, err := runbook.Runlog(folder)
	if err == nil {
		_, err = w.Write(text)
	}
	return err
}
