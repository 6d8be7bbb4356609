package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/pgrescue/pgrescue/cmd/internal/exitcode"
	"github.com/pgrescue/pgrescue/cmd/internal/term"
	"github.com/pgrescue/pgrescue/importers/mapping"
	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/restore"
)

// profileOptions are the flags of commands that put a profile beside a table and sources.
type profileOptions struct {
	importOptions
	output string
}

func (o *profileOptions) addFlags(command *cobra.Command, table string) {
	o.targetOptions.addFlags(command)
	flags := command.Flags()
	flags.Lookup("dsn").Usage = "the table is in this database: connection `string` of libpq, keywords or URI; '' is libpq's environment"
	flags.StringVar(&o.catalogFile, "catalog", "", "the table is in this snapshot `FILE` of catalog dump, when no server is asked")
	flags.StringVar(&o.database, "database", "", "`name` of the database in --catalog, when it holds several")
	flags.StringVarP(&o.table, "table", "t", "", table)
	o.importReading.addFlags(flags)
}

// check refuses flags that do not go together.
func (o *profileOptions) check(command *cobra.Command) error {
	o.via, o.until, o.dsnGiven = "sql", "assets", command.Flags().Changed("dsn")
	if o.catalogFile != "" && o.dsnGiven {
		return exitcode.Usagef("the server tells its columns itself", "%s: --catalog is for when no server is asked", command.CommandPath())
	}
	return o.checkEncoding()
}

// shape finds a table in the target that is named.
func (o *profileOptions) shape(ctx context.Context, name evidence.RelationName, terminal *term.Terminal, found *recorder) (*restore.TableShape, error) {
	target, err := openTarget(ctx, &o.importOptions, terminal, found)
	if err != nil {
		return nil, err
	}
	defer target.close()
	shapes, err := target.describe(ctx, name)
	if err != nil {
		return nil, err
	}
	if len(shapes) == 0 {
		return nil, exitcode.With(exitcode.NotFound, exitcode.Hinted(
			fmt.Errorf("import profile: the database %s has no table %s", target.database, name), "--table SCHEMA.NAME names another"))
	}
	return &shapes[0], nil
}

func newProfileCheckCommand(terminal *term.Terminal, cases *caseOptions) *cobra.Command {
	var options profileOptions
	command := &cobra.Command{
		Use:   "check [PROFILE [PATH…]]",
		Short: "Check a profile against a table and source files",
		Long: `Read a profile, by discovery or as a file, and say what is wrong with it. --dsn or --catalog
puts it beside the table: columns that are not there, conversions that make nothing that
the column takes, defaults that do not fit. Of the server only the catalogs are read. Each
PATH is a source file or a folder: every record is converted, and what would be refused is
counted with its reason. Nothing is written.

The exit code is 1 when rows would be refused.`,
		Example: `  pgrescue import profile check mine.yaml
  pgrescue import profile check mine.yaml servers.csv --dsn 'host=db dbname=shop'
  pgrescue import profile check discovery downloads --catalog catalog.json --json`,
		RunE: func(command *cobra.Command, args []string) error {
			if err := options.check(command); err != nil {
				return err
			}
			return cases.record(command, terminal, func(ctx context.Context, found *recorder) error {
				return runProfileCheck(ctx, &options, args, terminal, found)
			})
		},
	}
	options.addFlags(command, "put it beside this table, as `schema.name` (default the profile's)")
	return command
}

// profileProblem is a mapping.Problem of `profile check --json`.
type profileProblem struct {
	Line   int    `json:"line,omitempty"`
	Column string `json:"column,omitempty"`
	What   string `json:"what"`
	Fatal  bool   `json:"fatal"` // rows would be refused
}

// profileCheckResult is what `profile check --json` prints.
type profileCheckResult struct {
	Profile  string           `json:"profile"`
	Table    string           `json:"table"`
	Compared bool             `json:"compared"` // with the columns of the table
	Problems []profileProblem `json:"problems"`
	Files    []importFile     `json:"files"`
}

func runProfileCheck(ctx context.Context, options *profileOptions, args []string, terminal *term.Terminal, found *recorder) (err error) {
	name := ""
	if len(args) > 0 {
		name, args = args[0], args[1:]
	}
	profile, err := findProfile(name)
	if err != nil {
		return err
	}
	table := profile.Table
	if options.table != "" {
		if table, err = qualified(options.table); err != nil {
			return err
		}
	}
	result := profileCheckResult{Profile: profile.Name, Table: table.String(), Problems: []profileProblem{}, Files: []importFile{}}
	var columns []mapping.Column
	if options.dsnGiven || options.catalogFile != "" {
		shape, err := options.shape(ctx, table, terminal, found)
		if err != nil {
			return err
		}
		columns, result.Compared = columnsOf(shape), true
		for _, p := range profile.Check(columns) {
			result.Problems = append(result.Problems, profileProblem{p.Line, p.Column, p.What, p.Fatal})
		}
	}
	if len(args) > 0 {
		options.profile = name
		sources := importSources{terminal: terminal, trail: found.Trail()}
		defer func() { err = firstError(err, sources.end()) }()
		lists, err := sources.lists(ctx, &options.importOptions, args)
		if err != nil {
			return err
		}
		for _, list := range lists {
			file, err := checkList(ctx, list, profile, columns, terminal)
			if err != nil {
				return importError(err)
			}
			result.Files = append(result.Files, file)
		}
	}
	return result.tell(terminal)
}

// firstError is the error that came first.
func firstError(first, second error) error {
	if first != nil {
		return first
	}
	return second
}

// checkList converts every record of a list.
func checkList(ctx context.Context, list *importList, profile *mapping.Profile, columns []mapping.Column, terminal *term.Terminal) (importFile, error) {
	m, err := profile.Map(list.Head().Header, mapping.MapOptions{Columns: columns})
	if err != nil {
		return importFile{}, err
	}
	made := &importMade{importList: list, profile: profile, mapping: m, watch: &watched{List: list.List, terminal: terminal, show: true}}
	for _, err := range made.plainRows(ctx, &evidence.Relation{RelationName: profile.Table}) {
		if err != nil {
			return importFile{}, err
		}
	}
	return made.report(), nil
}

// tell prints the result, and ends with the code that it means.
func (r *profileCheckResult) tell(terminal *term.Terminal) error {
	if terminal.JSON() {
		if err := terminal.WriteJSON(r); err != nil {
			return err
		}
		return r.outcome()
	}
	beside := "not put beside a table"
	if r.Compared {
		beside = "put beside table " + r.Table
	}
	if err := terminal.Printf("profile %s: %s\n", term.Printable(r.Profile), term.Printable(beside)); err != nil {
		return err
	}
	for _, p := range r.Problems {
		problem := mapping.Problem{Line: p.Line, Column: p.Column, What: p.What}
		word := "note"
		if p.Fatal {
			word = "wrong"
		}
		if err := terminal.Printf("  %s: %s\n", word, term.Printable(problem.String())); err != nil {
			return err
		}
	}
	run := importRun{terminal: terminal}
	for i := range r.Files {
		if err := terminal.Printf("\n"); err != nil {
			return err
		}
		if err := run.printFile(&r.Files[i]); err != nil {
			return err
		}
	}
	return r.outcome()
}

// outcome is the exit code.
func (r *profileCheckResult) outcome() error {
	gaps, refused, wrong := 0, int64(0), int64(0)
	for i := range r.Files {
		gaps, refused = gaps+len(r.Files[i].Gaps), refused+r.Files[i].Rejected
	}
	for _, p := range r.Problems {
		if p.Fatal {
			wrong++
		}
	}
	var what []string
	if wrong > 0 {
		what = append(what, term.Plural(wrong, "thing is", "things are")+" wrong with the profile for the table")
	}
	if refused > 0 {
		what = append(what, term.Plural(refused, "record would be", "records would be")+" refused")
	}
	switch {
	case len(what) > 0:
		return exitcode.With(exitcode.Findings, fmt.Errorf("import profile check: %s", strings.Join(what, ", and ")))
	case gaps > 0:
		return exitcode.PartialIf(gaps)
	}
	return nil
}
