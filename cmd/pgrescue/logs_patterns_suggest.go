package main

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/spf13/cobra"

	"github.com/pgrescue/pgrescue/cmd/internal/exitcode"
	"github.com/pgrescue/pgrescue/cmd/internal/term"
	"github.com/pgrescue/pgrescue/logparse/applog"
	"github.com/pgrescue/pgrescue/logparse/secrets"
)

func newPatternsSuggestCommand(terminal *term.Terminal, cases *caseOptions) *cobra.Command {
	var options patternsOptions
	command := &cobra.Command{
		Use:   "suggest PATH…",
		Short: "Group messages that no pattern takes, and draft patterns for them",
		Long: `Read logs, and group the messages that no pattern takes: those that differ in some words are one
template, with <*> in the place of the words. Templates that carry values of rows or ids say so.
-o writes a draft of a pack, with a pattern for each template: give names to the patterns and their
fields, and say what they prove. Secrets are masked; so a draft may need its example looked up.`,
		Example: `  pgrescue logs patterns suggest backend.log
  pgrescue logs patterns suggest /copy/logs --carrying -o draft.yaml
  pgrescue logs patterns suggest backend.log --patterns mine.yaml --json`,
		Args: options.take,
		RunE: func(command *cobra.Command, _ []string) error {
			return cases.record(command, terminal, func(ctx context.Context, found *recorder) error {
				return runPatternsSuggest(ctx, &options, terminal, found)
			})
		},
	}
	options.addReading(command)
	options.addPack(command)
	options.addWindow(command)
	flags := command.Flags()
	flags.IntVar(&options.limit, "limit", 50, "so many templates, those with the most messages; 0 is all")
	flags.BoolVar(&options.carrying, "carrying", false, "only templates that carry values of rows or ids")
	flags.StringVarP(&options.output, "output", "o", "", "write a draft of a pack to this file; - is stdout")
	flags.BoolVar(&options.force, "force", false, "replace the file if it is there")
	return command
}

// templateFound is a template of `--json`.
type templateFound struct {
	Template string         `json:"template"`
	Count    int64          `json:"count"`
	First    string         `json:"first"`
	Logger   string         `json:"logger,omitempty"`
	Carries  bool           `json:"carries_values"`
	Slots    []templateSlot `json:"slots"`
	Draft    string         `json:"draft,omitempty"`
}

// templateSlot is a word in which its messages differ.
type templateSlot struct {
	Kind    applog.Kind `json:"kind"`
	Values  int         `json:"values"` // different ones
	Example string      `json:"example"`
}

// suggestResult is what `logs patterns suggest --json` prints.
type suggestResult struct {
	Logs      []logFound      `json:"logs"`
	Messages  int64           `json:"messages"`
	Matched   int64           `json:"matched"`
	Templates []templateFound `json:"templates"`
	Untold    int64           `json:"untold_messages"`
}

func runPatternsSuggest(ctx context.Context, options *patternsOptions, terminal *term.Terminal, found *recorder) error {
	if options.limit < 0 {
		return exitcode.Usagef("--limit 0 shows all templates", "--limit %d is no number of templates", options.limit)
	}
	pack, err := options.pack()
	if err != nil {
		return err
	}
	if pack == nil {
		pack = &applog.Pack{}
	}
	var out *outputFile
	if options.output != "" {
		if out, err = createOutput(options.output, options.force); err != nil {
			return err
		}
		defer out.discard()
	}
	trial, logs, gaps, err := tryPack(ctx, pack, options, terminal, found)
	if err != nil {
		return err
	}
	result := suggestResult{Logs: logs, Messages: trial.Entries, Matched: trial.Matched}
	result.Templates, result.Untold = templatesFound(trial.Templates, options.limit, options.carrying)
	if err := result.print(terminal, out); err != nil {
		return err
	}
	if len(result.Templates) == 0 {
		return exitcode.With(exitcode.Findings, errors.New("logs patterns suggest: no message is left over for a template"))
	}
	return exitcode.PartialIf(gaps)
}

// templatesFound lists templates, without secrets, and counts the messages of those that are left out.
func templatesFound(templates *applog.Templates, limit int, carrying bool) (list []templateFound, untold int64) {
	list, untold = []templateFound{}, templates.Others
	for _, t := range templates.List() {
		if carrying && !t.Carries {
			continue
		}
		if limit > 0 && len(list) == limit {
			untold += t.Count
			continue
		}
		found := templateFound{
			Template: secrets.Text(t.Text), Count: t.Count, First: t.First.String(), Logger: t.Logger, Carries: t.Carries,
			Slots: []templateSlot{},
		}
		if text, whole := withoutSecrets(t.Text); whole {
			found.Template = text
		}
		found.Draft, _ = withoutSecrets(t.Pattern())
		for _, slot := range t.Slots {
			if slot.Kind != "" {
				example := secrets.Text(slot.Before + slot.Example + slot.After) // what stands around it tells what it is
				found.Slots = append(found.Slots, templateSlot{slot.Kind, slot.Values, strings.TrimSuffix(strings.TrimPrefix(example, slot.Before), slot.After)})
			}
		}
		list = append(list, found)
	}
	return list, untold
}

// withoutSecrets masks what a template or a draft holds as its text. The places of values stay: there is none in them.
// Where one is taken for a secret itself, whole is false.
func withoutSecrets(text string) (masked string, whole bool) {
	const mark = "[REDACTED]" // which no mask is put on
	var places []string
	text = placeOfValue().ReplaceAllStringFunc(text, func(place string) string {
		places = append(places, place)
		return mark
	})
	parts := strings.Split(secrets.Text(text), mark)
	if len(parts) != len(places)+1 {
		return "", false
	}
	var again strings.Builder
	for i, part := range parts {
		again.WriteString(part)
		if i < len(places) {
			again.WriteString(places[i])
		}
	}
	return again.String(), true
}

func placeOfValue() *regexp.Regexp { return regexp.MustCompile(`<\*>|\{field_[0-9]+\}|\[REDACTED\]`) }

func (r *suggestResult) print(terminal *term.Terminal, out *outputFile) error {
	if out != nil {
		return r.draft(terminal, out)
	}
	if terminal.JSON() {
		return terminal.WriteJSON(r)
	}
	if err := printTemplates(terminal, r.Templates, r.Untold); err != nil {
		return err
	}
	return terminal.Printf("%s of %s taken by patterns that are known\n", term.Count(r.Matched), term.Plural(r.Messages, "message", "messages"))
}

// draft writes a pack of the templates.
func (r *suggestResult) draft(terminal *term.Terminal, out *outputFile) error {
	text := "pack: draft\npatterns:\n"
	for _, t := range r.Templates {
		if t.Draft != "" {
			text += fmt.Sprintf("  # %s, the first at %s\n%s", term.Plural(t.Count, "message", "messages"), term.Printable(t.First), t.Draft)
		}
	}
	if out.path == "" {
		return terminal.Printf("%s", text)
	}
	if _, err := out.WriteString(text); err != nil {
		return resultError(err)
	}
	if err := out.commit(); err != nil {
		return err
	}
	terminal.Infof("wrote %s", out.path)
	return nil
}

// printTemplates shows templates to people.
func printTemplates(terminal *term.Terminal, list []templateFound, untold int64) error {
	table := term.NewTable(">COUNT", "CARRIES", "FIRST", "TEMPLATE")
	for _, t := range list {
		carries := ""
		if t.Carries {
			carries = "values"
		}
		table.Add(term.Count(t.Count), carries, t.First, shorten(t.Template, mostOfTemplate))
	}
	if err := table.Write(terminal.Out, ""); err != nil {
		return err
	}
	if untold > 0 {
		return terminal.Printf("and %s; --limit 0 shows all\n", term.Plural(untold, "message of another template", "messages of other templates"))
	}
	return nil
}

const mostOfTemplate = 160
