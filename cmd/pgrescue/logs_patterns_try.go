package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/pgrescue/pgrescue/cmd/internal/exitcode"
	"github.com/pgrescue/pgrescue/cmd/internal/term"
	"github.com/pgrescue/pgrescue/logparse"
	"github.com/pgrescue/pgrescue/logparse/applog"
	"github.com/pgrescue/pgrescue/logparse/secrets"
)

// patternsOptions are the flags of `logs patterns test` and `suggest`.
type patternsOptions struct {
	logsOptions
	packName string
	limit    int
	carrying bool
	output   string
	force    bool
}

func newPatternsTestCommand(terminal *term.Terminal, cases *caseOptions) *cobra.Command {
	var options patternsOptions
	command := &cobra.Command{
		Use:   "test PACK PATH…",
		Short: "Count which messages of a log the patterns of a pack take",
		Long: `Read logs, and count which of their messages each pattern of a pack takes, with the fields of the
first one. PACK is discovery, or a YAML file. What no pattern takes is shown as templates: messages
that differ in some words are one. Secrets are masked.

The exit code is 1 when no pattern takes anything.`,
		Example: `  pgrescue logs patterns test discovery backend.log
  pgrescue logs patterns test mine.yaml /copy/logs --limit 100
  pgrescue logs patterns test discovery - --json < backend.log`,
		Args: func(command *cobra.Command, args []string) error {
			if len(args) < 2 {
				return exitcode.Usagef("the pack comes first: discovery, or a YAML file; then the logs", "%s: name a PACK and a PATH", command.CommandPath())
			}
			return nil
		},
		RunE: func(command *cobra.Command, args []string) error {
			options.packName = args[0]
			if err := options.take(command, args[1:]); err != nil {
				return err
			}
			return cases.record(command, terminal, func(ctx context.Context, found *recorder) error {
				return runPatternsTest(ctx, &options, terminal, found)
			})
		},
	}
	options.addReading(command)
	options.addWindow(command)
	command.Flags().IntVar(&options.limit, "limit", 20, "so many templates of what no pattern takes; 0 is all")
	return command
}

// patternsTestResult is what `logs patterns test --json` prints.
type patternsTestResult struct {
	Pack     string          `json:"pack"`
	Logs     []logFound      `json:"logs"`
	Messages int64           `json:"messages"`
	Matched  int64           `json:"matched"`
	Patterns []patternTried  `json:"patterns"`
	Idle     []string        `json:"idle"`
	Others   []templateFound `json:"unmatched_templates"`
	// Untold are messages of further templates.
	Untold int64 `json:"untold_messages"`
}

// patternTried is what one pattern took.
type patternTried struct {
	Name    string            `json:"name"`
	Proves  applog.Proof      `json:"proves"`
	Count   int64             `json:"count"`
	First   string            `json:"first"`
	Example map[string]string `json:"example"`
}

func runPatternsTest(ctx context.Context, options *patternsOptions, terminal *term.Terminal, found *recorder) error {
	if options.limit < 0 {
		return exitcode.Usagef("--limit 0 shows all templates", "--limit %d is no number of templates", options.limit)
	}
	pack, err := findPack(options.packName)
	if err != nil {
		return err
	}
	trial, logs, gaps, err := tryPack(ctx, pack, options, terminal, found)
	if err != nil {
		return err
	}
	result := patternsTestResult{Pack: pack.Name, Logs: logs, Messages: trial.Entries, Matched: trial.Matched, Patterns: []patternTried{}, Idle: noNil(trial.Idle())}
	for i := range trial.Patterns {
		if t := &trial.Patterns[i]; t.Count > 0 {
			result.Patterns = append(result.Patterns, patternTried{t.Pattern.Name, t.Pattern.Proves, t.Count, t.First.String(), maskedFields(t.Example)})
		}
	}
	result.Others, result.Untold = templatesFound(trial.Templates, options.limit, false)
	if err := result.print(terminal); err != nil {
		return err
	}
	if trial.Matched == 0 {
		return exitcode.With(exitcode.Findings, fmt.Errorf("logs patterns test: no pattern of %s takes any of %s", pack.Name, term.Plural(trial.Entries, "message", "messages")))
	}
	return exitcode.PartialIf(gaps)
}

// tryPack compares the messages of backends within --since and --until with a pack. What PostgreSQL wrote is no matter of patterns.
func tryPack(ctx context.Context, pack *applog.Pack, options *patternsOptions, terminal *term.Terminal, found *recorder) (trial *applog.Trial, logs []logFound, gaps int, err error) {
	reading, err := openLogs(ctx, terminal, found, &options.logsOptions)
	if err != nil {
		return nil, nil, 0, err
	}
	trial = applog.NewTrial(pack)
	err = reading.entries(ctx, func(entry *logparse.Entry) error {
		if !logparse.OfServer(entry.Format) && reading.within(entry.Stamp) {
			trial.Add(entry)
		}
		return nil
	})
	if err != nil {
		return nil, nil, 0, err
	}
	gaps, err = reading.finish()
	return trial, reading.logs(), gaps, err
}

// maskedFields are fields without their secrets.
func maskedFields(fields map[string]string) map[string]string {
	masked := make(map[string]string, len(fields))
	for name, value := range fields {
		masked[name] = secrets.Field(name, value)
	}
	return masked
}

func (r *patternsTestResult) print(terminal *term.Terminal) error {
	if terminal.JSON() {
		return terminal.WriteJSON(r)
	}
	table := term.NewTable(">COUNT", "PATTERN", "PROVES", "FIRST", "FIELDS OF THE FIRST")
	for _, p := range r.Patterns {
		var fields []string
		for _, name := range slices.Sorted(maps.Keys(p.Example)) {
			fields = append(fields, name+"="+shorten(p.Example[name], mostOfField))
		}
		table.Add(term.Count(p.Count), p.Name, string(p.Proves), p.First, strings.Join(fields, " "))
	}
	if err := table.Write(terminal.Out, ""); err != nil {
		return err
	}
	if err := terminal.Printf("%s of %s taken by %s of %d; %d took nothing\n", term.Count(r.Matched), term.Plural(r.Messages, "message", "messages"),
		term.Plural(int64(len(r.Patterns)), "pattern", "patterns"), len(r.Patterns)+len(r.Idle), len(r.Idle)); err != nil {
		return err
	}
	if len(r.Others) == 0 {
		return nil
	}
	if err := terminal.Printf("\nno pattern takes these\n"); err != nil {
		return err
	}
	return printTemplates(terminal, r.Others, r.Untold)
}

const mostOfField = 40

// shorten cuts a text that is long.
func shorten(text string, most int) string {
	runes := []rune(text)
	if len(runes) <= most {
		return text
	}
	return string(runes[:most]) + "…"
}
