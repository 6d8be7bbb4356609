package main

import (
	"github.com/spf13/cobra"

	"github.com/pgrescue/pgrescue/cmd/internal/term"
)

func newImportCommand(terminal *term.Terminal) *cobra.Command {
	return newGroup(
		"import", "Source files that rows once came from",
		`Source files that rows once came from, and how they go into tables.`,
		`  pgrescue import profile show
  pgrescue import profile show mine.yaml
  pgrescue import profile --help`,
		newImportProfileCommand(terminal),
	)
}
