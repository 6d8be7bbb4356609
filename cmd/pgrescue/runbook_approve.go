package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/pgrescue/pgrescue/cmd/internal/exitcode"
	"github.com/pgrescue/pgrescue/cmd/internal/term"
	"github.com/pgrescue/pgrescue/recover/runbook"
)

// runbookApproveOptions are the flags of `runbook approve`.
type runbookApproveOptions struct {
	planningOptions
	run string
}

func (o *runbookApproveOptions) addFlags(command *cobra.Command) {
	o.planningOptions.addFlags(command)
	command.Flags().StringVar(&o.run, "run", "", "approve the plan of the run in this `folder`, with the values that it has")
}

func newRunbookApproveCommand(terminal *term.Terminal, cases *caseOptions) *cobra.Command {
	var options runbookApproveOptions
	command := &cobra.Command{
		Use:   "approve [FILE]",
		Short: "Approve the plan of a runbook, as a second person: prints a token",
		Long: `Print a token that approves the plan of a book with the values that are given, or with
--run that of a run. Steps with a line **Approval:**, and all severe ones of a book whose
front matter says "approval", want one from another person than the one who runs it.
It holds for 12 hours, and for this plan alone: book, values, folder and version of
pgrescue. Look at runbook plan first.

A token is no signature. It keeps the mistake of one person from being enough, and the
journal says who the other was. Where two people share a user of the system, --who says
who is who.`,
		Example: `  pgrescue runbook approve ops/failover.md --set HOST=db1 --who ada
  pgrescue runbook approve --run runbook-runs/2026-11-26T09-02-41Z --who ada
  pgrescue runbook run ops/failover.md --set HOST=db1 --who grace --approval "$TOKEN"`,
		Args: atMost(1, "one book"),
		RunE: func(command *cobra.Command, args []string) error {
			return runRunbookApprove(command.Context(), &options, args, cases, terminal)
		},
	}
	options.addFlags(command)
	return command
}

// approved is what `runbook approve --json` prints.
type approved struct {
	Book  string `json:"book"`
	Title string `json:"title"`
	runbook.Approval
	Token string `json:"token"`
}

func runRunbookApprove(ctx context.Context, options *runbookApproveOptions, args []string, cases *caseOptions, terminal *term.Terminal) error {
	if options.run != "" && (len(args) > 0 || len(options.set) > 0 || options.dir != "") {
		return exitcode.Usagef("", "runbook approve: --run has its book, values and folder; it goes with no FILE, --set or --dir")
	}
	result := approved{}
	result.Who, result.Host, result.At = options.who, hostName(), time.Now().UTC()
	if result.Who == "" {
		result.Who = userName()
	}
	if options.run != "" {
		status, err := statusOf([]string{options.run}, &options.valueOptions, cases)
		if err != nil {
			return err
		}
		result.Book, result.Title, result.Plan = status.Book, status.Title, status.Plan
	} else {
		book, plan, err := options.make(ctx, args, cases)
		if err != nil {
			return err
		}
		result.Book, result.Title, result.Plan = book.Path, book.Title, plan.Hash
	}
	result.Token = result.Approval.Token()
	if terminal.JSON() {
		return terminal.WriteJSON(result)
	}
	terminal.Infof("%s approves plan %s of %s (%s)", result.Who, result.Plan, result.Book, result.Title)
	return terminal.Printf("%s\n", result.Token)
}
