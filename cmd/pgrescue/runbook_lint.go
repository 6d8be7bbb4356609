package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/pgrescue/pgrescue/cmd/internal/exitcode"
	"github.com/pgrescue/pgrescue/cmd/internal/term"
	"github.com/pgrescue/pgrescue/recover/runbook"
)

// runbookLintOptions are the flags of `runbook lint`.
type runbookLintOptions struct {
	strict bool
	rules  bool
}

func (o *runbookLintOptions) addFlags(command *cobra.Command) {
	flags := command.Flags()
	flags.BoolVar(&o.strict, "strict", false, "end with exit code 1 for warnings too")
	flags.BoolVar(&o.rules, "rules", false, "list the rules, and look at no book")
}

func newRunbookLintCommand(terminal *term.Terminal) *cobra.Command {
	var options runbookLintOptions
	command := &cobra.Command{
		Use:   "lint [FILE]",
		Short: "What is wrong with a runbook",
		Long: `Say what is wrong with a runbook, by rules that --rules lists: links that lead nowhere,
steps that act and have neither verify nor undo, inputs that nothing gives, branches
without an otherwise, blocks that ask somebody, statements that destroy without a
confirmation. A book with an error does not run (exit code 1); a warning alone is code 0.`,
		Example: `  pgrescue runbook lint
  pgrescue runbook lint ops/failover.md --strict
  pgrescue runbook lint --rules`,
		Args: atMost(1, "one book"),
		RunE: func(_ *cobra.Command, args []string) error { return runRunbookLint(&options, args, terminal) },
	}
	options.addFlags(command)
	return command
}

// lintResult is what `runbook lint --json` prints.
type lintResult struct {
	Book     string            `json:"book"`
	Errors   int               `json:"errors"`
	Warnings int               `json:"warnings"`
	Findings []runbook.Finding `json:"findings"`
}

func runRunbookLint(options *runbookLintOptions, args []string, terminal *term.Terminal) error {
	if options.rules {
		return printRules(terminal)
	}
	book, err := openBook(args)
	if err != nil {
		return err
	}
	findings := runbook.Lint(book)
	n := runbook.Errors(findings)
	result := lintResult{Book: book.Path, Errors: n, Warnings: len(findings) - n, Findings: append([]runbook.Finding{}, findings...)}
	if terminal.JSON() {
		err = terminal.WriteJSON(result)
	} else {
		err = printFindings(terminal, &result)
	}
	if err == nil && (n > 0 || options.strict && len(findings) > 0) {
		err = exitcode.With(exitcode.Findings, fmt.Errorf("%s: %s, %s", book.Path, errorsWord(n), warningsWord(result.Warnings)))
	}
	return err
}

func printFindings(terminal *term.Terminal, result *lintResult) error {
	for _, f := range result.Findings {
		if err := terminal.Printf("%s:%d: %s: %s (%s)\n", term.Printable(result.Book), f.Line, f.Level, term.Printable(f.Text), f.Rule); err != nil {
			return err
		}
	}
	if len(result.Findings) == 0 {
		return terminal.Printf("%s: nothing is wrong\n", term.Printable(result.Book))
	}
	return nil
}

func printRules(terminal *term.Terminal) error {
	if terminal.JSON() {
		return terminal.WriteJSON(struct {
			Rules []runbook.Rule `json:"rules"`
		}{runbook.Rules()})
	}
	table := term.NewTable("RULE", "LEVEL", "MEANING")
	for _, rule := range runbook.Rules() {
		table.Add(rule.Name, string(rule.Level), rule.Meaning)
	}
	return table.Write(terminal.Out, "")
}

func errorsWord(n int) string { return term.Plural(int64(n), "error", "errors") }

func warningsWord(n int) string { return term.Plural(int64(n), "warning", "warnings") }
