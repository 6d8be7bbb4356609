package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/pgrescue/pgrescue/cmd/internal/exitcode"
	"github.com/pgrescue/pgrescue/cmd/internal/term"
	"github.com/pgrescue/pgrescue/recover/catalog"
	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/undelete"
)

func newCatalogCommand(terminal *term.Terminal, cases *caseOptions) *cobra.Command {
	return newGroup(
		"catalog", "The shapes of tables",
		`The shapes of tables: names, columns, types, file numbers. Rows cannot be decoded without them.`,
		`  pgrescue catalog dump --pgdata /copy/data -o catalog.json
  pgrescue catalog dump --pgdata /copy/data -o -
  pgrescue catalog dump --pgdata /copy/data --database shop -o shop.json`,
		newCatalogDumpCommand(terminal, cases),
	)
}

// catalogDumpOptions are the flags of `catalog dump`.
type catalogDumpOptions struct {
	dataDir   string
	output    string
	databases []string
	force     bool
}

func (o *catalogDumpOptions) addFlags(command *cobra.Command) {
	flags := command.Flags()
	flags.StringVarP(&o.dataDir, "pgdata", "D", "", "data directory, or a copy of one")
	flags.StringVarP(&o.output, "output", "o", "", "file to write; - for stdout")
	flags.StringArrayVar(&o.databases, "database", nil, "only this database; may be repeated (default all but templates)")
	flags.BoolVar(&o.force, "force", false, "replace the output file if it exists")
}

func newCatalogDumpCommand(terminal *term.Terminal, cases *caseOptions) *cobra.Command {
	var options catalogDumpOptions
	command := &cobra.Command{
		Use:   "dump --pgdata DIR -o FILE",
		Short: "Write the shapes of all tables to a snapshot file",
		Long: `Write the shapes of all tables in a data directory to a snapshot file. With it
rows can be decoded elsewhere, from WAL alone: give it to other commands as
--catalog FILE. The file is JSON and holds no rows of tables. Tables that were
dropped are in it too, as far as dead rows of the catalogs or the WAL in pg_wal still
describe them, each with the transaction that dropped it.`,
		Example: `  pgrescue catalog dump --pgdata /copy/data -o catalog.json
  pgrescue catalog dump --pgdata /copy/data --database shop -o shop.json --force
  pgrescue catalog dump --pgdata /copy/data -o - | jq -r '.databases[].relations[].name'`,
		Args: noArguments,
		RunE: func(command *cobra.Command, _ []string) error {
			return cases.record(command, terminal, func(ctx context.Context, found *recorder) error {
				return runCatalogDump(ctx, &options, terminal, found)
			})
		},
	}
	options.addFlags(command)
	return command
}

// catalogDumpResult is what `catalog dump --json` prints beside the file.
type catalogDumpResult struct {
	Output    string         `json:"output"`
	Databases int            `json:"databases"`
	Relations int            `json:"relations"`
	Gaps      []evidence.Gap `json:"gaps"`
}

func runCatalogDump(ctx context.Context, options *catalogDumpOptions, terminal *term.Terminal, found *recorder) error {
	sources := sourceOptions{dataDir: options.dataDir}
	sources.orOfCase(terminal, found)
	if sources.dataDir == "" {
		return exitcode.Usagef("--pgdata DIR names it", "catalog dump: no data directory is named")
	}
	if options.output == "" {
		return exitcode.Usagef("-o FILE names it; -o - is stdout", "catalog dump: no output file is named")
	}
	if err := sources.keepOut("catalog dump", options.output); err != nil {
		return err
	}
	if !sources.captured {
		warnIfRunning(terminal, sources.dataDir)
	}
	file, err := createOutput(options.output, options.force)
	if err != nil {
		return err
	}
	defer file.discard()
	// Not the files alone: in a copy of a crashed server they are behind the WAL.
	ev, gaps, err := undelete.Open(ctx, undelete.Sources{DataDir: sources.dataDir, WAL: sources.wal, Databases: options.databases, Trail: found.Trail(), Room: "catalog dump"})
	terminal.Gaps(gaps, shownGaps)
	if err != nil {
		return libraryError(err)
	}
	defer ev.Close()
	if err := found.opened(ev, gaps); err != nil {
		return err
	}
	if err := ev.ReadHistory(ctx, 0); err != nil {
		return libraryError(err)
	}
	snapshot := ev.Snapshot
	if options.output == stdoutName {
		if err := snapshot.Save(terminal.Out); err != nil {
			return err
		}
		return exitcode.PartialIf(len(gaps))
	}
	if err := snapshot.Save(file); err != nil {
		return err
	}
	if err := file.commit(); err != nil {
		return err
	}
	result := catalogDumpResult{Output: options.output, Databases: len(snapshot.Databases), Gaps: noNil(gaps)}
	for i := range snapshot.Databases {
		result.Relations += len(snapshot.Databases[i].Relations)
	}
	if terminal.JSON() {
		err = terminal.WriteJSON(result)
	} else {
		err = terminal.Printf("wrote %s: %s, %s\n", term.Printable(options.output),
			term.Plural(int64(result.Databases), "database", "databases"), term.Plural(int64(result.Relations), "relation", "relations"))
	}
	if err != nil {
		return err
	}
	return exitcode.PartialIf(len(gaps))
}

// shownGaps is how many gaps are printed for people before they are only counted.
const shownGaps = 20

// warnIfRunning tells when a server runs on the data directory: the files then
// change while they are read.
func warnIfRunning(terminal *term.Terminal, dataDir string) {
	pid, alive, err := catalog.RunningServer(dataDir)
	switch {
	case err != nil:
		// The lock file is no evidence; what is read next tells if the directory is unreadable.
		return
	case alive:
		terminal.Warnf("a server runs on %s (postmaster.pid names process %d); its files change while they are read", dataDir, pid)
		terminal.Hintf("pages that it has not written yet are not on disk; work on a copy, with pg_wal")
	}
}

// noNil makes an empty list print as [] in JSON and not as null.
func noNil[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}
