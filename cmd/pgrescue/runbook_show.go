package main

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/pgrescue/pgrescue/cmd/internal/exitcode"
	"github.com/pgrescue/pgrescue/cmd/internal/term"
	"github.com/pgrescue/pgrescue/recover/runbook"
)

// runbookShowOptions are the flags of `runbook show`.
type runbookShowOptions struct {
	step   string
	source bool
}

func (o *runbookShowOptions) addFlags(command *cobra.Command) {
	flags := command.Flags()
	flags.StringVar(&o.step, "step", "", "print the text of this `step`, named by its number or its anchor")
	flags.BoolVar(&o.source, "source", false, "print the whole book as it is, such as to make one's own of the built-in one")
}

func newRunbookShowCommand(terminal *term.Terminal) *cobra.Command {
	var options runbookShowOptions
	command := &cobra.Command{
		Use:   "show [FILE]",
		Short: "What a runbook needs, and its steps",
		Long: `Print the inputs and the steps of a runbook: which step looks, which acts, which is done
by a person, and what it changes. --step prints the text of one step, --source the book.`,
		Example: `  pgrescue runbook show
  pgrescue runbook show --step 3
  pgrescue runbook show --source > RUNBOOK.md`,
		Args: atMost(1, "one book"),
		RunE: func(_ *cobra.Command, args []string) error { return runRunbookShow(&options, args, terminal) },
	}
	options.addFlags(command)
	return command
}

func runRunbookShow(options *runbookShowOptions, args []string, terminal *term.Terminal) error {
	book, err := openBook(args)
	if err != nil {
		return err
	}
	if options.step != "" && options.source || options.source && terminal.JSON() {
		return exitcode.Usagef("", "runbook show: --source goes neither with --step nor with --json")
	}
	if options.source {
		return terminal.Printf("%s", book.Source())
	}
	if options.step != "" {
		step, err := findStep(book, "runbook show", options.step)
		switch {
		case err != nil:
			return err
		case terminal.JSON():
			return terminal.WriteJSON(step)
		}
		return terminal.Printf("%s\n", printableLines(strings.TrimRight(step.Text, "\n")))
	}
	if terminal.JSON() {
		return terminal.WriteJSON(book)
	}
	return printBook(terminal, book)
}

func printBook(terminal *term.Terminal, book *runbook.Book) error {
	if err := terminal.Printf("%s\n\n", term.Printable(book.Title)); err != nil {
		return err
	}
	if len(book.Inputs) > 0 {
		inputs := term.NewTable("NEEDS", "EXAMPLE", "MEANING")
		for i := range book.Inputs {
			in := &book.Inputs[i]
			inputs.Add(in.Name, in.Example, in.Meaning)
		}
		if err := inputs.Write(terminal.Out, ""); err != nil {
			return err
		}
		if err := terminal.Printf("\n"); err != nil {
			return err
		}
	}
	steps := term.NewTable("STEP", "TITLE", "DOES", "CHANGES")
	for _, step := range book.Steps {
		title := step.Title
		if step.Number == "" {
			title += " (only a branch leads there)"
		}
		steps.Add(step.Name(), title, does(step), shortened(step.Fact("Changes"), 60))
	}
	return steps.Write(terminal.Out, "")
}

// does says what a step is made of.
func does(step *runbook.Step) string {
	var words []string
	for _, role := range []struct {
		role runbook.Role
		word string
	}{{runbook.Check, "looks"}, {runbook.Run, "acts"}, {runbook.Verify, "verifies"}} {
		if len(step.Blocks(role.role)) > 0 {
			words = append(words, role.word)
		}
	}
	for i := range step.Parts {
		if step.Parts[i].Task != nil {
			words = append(words, "a person")
			break
		}
	}
	if step.Severe() {
		words = append(words, "severe")
	}
	return strings.Join(words, ", ")
}

// shortened is the beginning of a text.
func shortened(text string, most int) string {
	if runes := []rune(text); len(runes) > most {
		return strings.TrimSpace(string(runes[:most-1])) + "…"
	}
	return text
}
