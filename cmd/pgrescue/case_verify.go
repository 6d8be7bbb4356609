package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/pgrescue/pgrescue/cmd/internal/exitcode"
	"github.com/pgrescue/pgrescue/cmd/internal/term"
	"github.com/pgrescue/pgrescue/recover/casefile"
)

// caseVerifyOptions are the flags of `case verify`.
type caseVerifyOptions struct {
	noEvidence bool
}

func newCaseVerifyCommand(terminal *term.Terminal, cases *caseOptions) *cobra.Command {
	var options caseVerifyOptions
	command := &cobra.Command{
		Use:   "verify",
		Short: "Check that nothing in the case, and none of its evidence, was changed since",
		Long: `Check the case: that the evidence still has the SHA-256 that it had when it was read,
that no line of the journal was changed, taken out or cut off, and that case.db is
sound. What is not as it was is listed, and the exit code is 1.

Evidence is looked for where it was read. --no-evidence leaves it out, for a case that
was moved to another machine.`,
		Example: `  pgrescue case verify --case incident
  pgrescue case verify --case incident --no-evidence
  pgrescue case verify --case incident --json | jq '.problems'`,
		Args: noArguments,
		RunE: func(command *cobra.Command, _ []string) error {
			return runCaseVerify(command.Context(), &options, cases, terminal)
		},
	}
	command.Flags().BoolVar(&options.noEvidence, "no-evidence", false, "do not hash the evidence again")
	return command
}

// caseVerification is what `case verify --json` prints.
type caseVerification struct {
	Case     string             `json:"case"`
	Dir      string             `json:"dir"`
	Evidence bool               `json:"evidence_hashed"`
	Problems []casefile.Problem `json:"problems"`
}

func runCaseVerify(ctx context.Context, options *caseVerifyOptions, cases *caseOptions, terminal *term.Terminal) (err error) {
	c, err := cases.open(ctx, "case verify")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	progress := &stages{terminal: terminal}
	defer progress.end()
	out := caseVerification{Case: c.ID(), Dir: c.Dir(), Evidence: !options.noEvidence}
	out.Problems, err = c.VerifyIntegrity(ctx, func(part string) { progress.begin("checking "+part, 0) })
	if err != nil {
		return libraryError(err)
	}
	if !options.noEvidence {
		problems, err := c.VerifyEvidence(ctx, func(total int64) func(int64) { return progress.begin("hashing the evidence", total) })
		if err != nil {
			return libraryError(err)
		}
		out.Problems = append(out.Problems, problems...)
	}
	progress.end()
	out.Problems = noNil(out.Problems)
	if terminal.JSON() {
		err = terminal.WriteJSON(out)
	} else {
		err = printVerification(terminal, &out)
	}
	if err != nil {
		return err
	}
	if n := int64(len(out.Problems)); n > 0 {
		return exitcode.With(exitcode.Findings, fmt.Errorf("case verify: %s not as it was", term.Plural(n, "thing is", "things are")))
	}
	return nil
}

func printVerification(terminal *term.Terminal, out *caseVerification) error {
	if len(out.Problems) == 0 {
		what := "journal and case.db"
		if out.Evidence {
			what = "evidence, journal and case.db"
		}
		return terminal.Printf("%s: %s are as they were written\n", term.Printable(out.Dir), what)
	}
	table := term.NewTable("WHERE", "WHAT")
	for _, problem := range out.Problems {
		table.Add(problem.Where, problem.What)
	}
	return table.Write(terminal.Out, "")
}
