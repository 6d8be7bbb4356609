package main

import (
	"github.com/spf13/cobra"

	"github.com/pgrescue/pgrescue/cmd/internal/exitcode"
	"github.com/pgrescue/pgrescue/cmd/internal/term"
)

// newHelpCommand replaces cobra's own, which ends with 0 for a topic that does
// not exist.
func newHelpCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND | TOPIC]",
		Short: "Explain a command or a topic",
		Long:  "Explain a command, or a topic such as exit-codes.",
		Example: `  pgrescue help version
  pgrescue help exit-codes
  pgrescue help exit-codes --json`,
		RunE: runHelp,
	}
}

func runHelp(command *cobra.Command, args []string) error {
	subject, rest, err := command.Root().Find(args)
	if err != nil {
		return unknownCommand(command.Root(), args[0])
	}
	if len(rest) > 0 {
		return unknownCommand(subject, rest[0])
	}
	subject.InitDefaultHelpFlag()
	return subject.Help()
}

// newExitCodesTopic is the page behind `help exit-codes`.
func newExitCodesTopic(terminal *term.Terminal) *cobra.Command {
	topic := &cobra.Command{
		Use:   "exit-codes",
		Short: "The exit codes of every command",
		Long: "pgrescue ends with one of these codes. Treat a code that is not in this table as a failure.\n\n" +
			exitcode.Text(),
		Example: `  pgrescue help exit-codes
  pgrescue help exit-codes --json
  pgrescue help exit-codes --json | jq -r '.[].name'`,
	}
	page := topic.HelpFunc()
	topic.SetHelpFunc(func(topic *cobra.Command, args []string) {
		if terminal.JSON() {
			// Cobra gives a help page no way to fail; a closed stdout shows in the next command.
			_ = terminal.WriteJSON(exitcode.Table())
			return
		}
		page(topic, args)
	})
	return topic
}
