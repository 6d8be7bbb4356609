package main

import (
	"context"
	"errors"
	"strings"

	"github.com/spf13/cobra"

	"github.com/pgrescue/pgrescue/cmd/internal/exitcode"
	"github.com/pgrescue/pgrescue/cmd/internal/term"
	"github.com/pgrescue/pgrescue/importers/mapping"
)

func newProfileNewCommand(terminal *term.Terminal, cases *caseOptions) *cobra.Command {
	var options profileOptions
	var force bool
	command := &cobra.Command{
		Use:   "new --table SCHEMA.NAME [FILE]",
		Short: "Write a profile for a table, and for the header of a source file",
		Long: `Write a profile for any table: --dsn or --catalog says which columns it has. With a source
FILE the headers that are columns go there by themselves. What another header resembles
stands in the profile as a comment: a suggestion counts only when the mark before it is
taken away. Of the server only the catalogs are read.`,
		Example: `  pgrescue import profile new --table inventory.hosts hosts.csv --dsn 'host=db dbname=shop' -o hosts.yaml
  pgrescue import profile new --table inventory.hosts --catalog catalog.json
  pgrescue import profile new -t hosts hosts.xlsx --sheet Servers --dsn '' -o hosts.yaml --force`,
		RunE: func(command *cobra.Command, args []string) error {
			if err := options.check(command); err != nil {
				return err
			}
			return cases.record(command, terminal, func(ctx context.Context, found *recorder) error {
				return runProfileNew(ctx, &options, args, force, terminal, found)
			})
		},
	}
	options.addFlags(command, "the table, as `schema.name`")
	command.Flags().StringVarP(&options.output, "output", "o", stdoutName, "`file` to write; - for stdout")
	command.Flags().BoolVar(&force, "force", false, "replace the output file if it exists")
	return command
}

// profileNewResult is what `profile new --json` prints.
type profileNewResult struct {
	Output  string         `json:"output"` // - is none: see the text
	Table   string         `json:"table"`
	Columns []importColumn `json:"columns"` // where the header goes
	Text    string         `json:"text"`
}

func runProfileNew(ctx context.Context, options *profileOptions, args []string, force bool, terminal *term.Terminal, found *recorder) (err error) {
	switch {
	case options.table == "":
		return exitcode.Usagef("--table SCHEMA.NAME names it", "import profile new: no table is named")
	case !options.dsnGiven && options.catalogFile == "":
		return exitcode.Usagef("--dsn names the database, or --catalog a file of `pgrescue catalog dump`", "import profile new: which columns table %s has, only a server or its catalog can say", options.table)
	case len(args) > 1:
		return exitcode.Usagef("name one; `pgrescue import profile check` takes many", "import profile new: %d files are named", len(args))
	}
	name, err := qualified(options.table)
	if err != nil {
		return err
	}
	shape, err := options.shape(ctx, name, terminal, found)
	if err != nil {
		return err
	}
	draft := mapping.Draft{Name: shape.Name, Table: shape.RelationName, Columns: columnsOf(shape), Keys: shape.Unique}
	if len(draft.Keys) == 0 && len(shape.Key) > 0 {
		draft.Keys = [][]string{shape.Key}
	}
	if len(args) == 1 {
		sources := importSources{terminal: terminal, trail: found.Trail()}
		defer func() { err = firstError(err, sources.end()) }()
		lists, err := sources.lists(ctx, &options.importOptions, args)
		if err != nil {
			return err
		}
		if len(lists) > 1 {
			var places []string
			for _, list := range lists {
				places = append(places, list.place())
			}
			return exitcode.Usagef("name one file, with --sheet or --path where it holds several", "import profile new: there are %d lists: %s", len(lists), strings.Join(places, ", "))
		}
		draft.Header, draft.Source = lists[0].Head().Header, lists[0].place()
	}
	return writeDraft(&draft, options.output, force, terminal)
}

// writeDraft writes the profile, once it was read back.
func writeDraft(draft *mapping.Draft, output string, force bool, terminal *term.Terminal) error {
	text := draft.Text()
	profile, err := mapping.Parse("the new profile", text)
	if err != nil {
		return err
	}
	m, err := profile.Map(draft.Header, mapping.MapOptions{Columns: draft.Columns})
	if err != nil {
		return err
	}
	result := profileNewResult{Output: output, Table: draft.Table.String(), Columns: noNil(columnsOfHeader(draft.Header, m)), Text: string(text)}
	if output != stdoutName {
		file, err := createOutput(output, force)
		if err != nil {
			return err
		}
		defer file.discard()
		if _, err := file.Write(text); err != nil {
			return err
		}
		if err := file.commit(); err != nil {
			return err
		}
	}
	switch {
	case terminal.JSON():
		return terminal.WriteJSON(result)
	case output == stdoutName:
		return terminal.Printf("%s", text)
	}
	err = terminal.Printf("wrote %s\n", term.Printable(output))
	if len(draft.Header) > 0 {
		err = errors.Join(err, columnTable(result.Columns).Write(terminal.Out, "  "))
	}
	if len(m.Suggestions) > 0 {
		terminal.Hintf("%s in it as comments; take the marks away from what is meant", term.Plural(int64(len(m.Suggestions)), "suggestion stands", "suggestions stand"))
	}
	return err
}
