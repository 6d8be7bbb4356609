package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/pgrescue/pgrescue/cmd/internal/exitcode"
	"github.com/pgrescue/pgrescue/cmd/internal/term"
	"github.com/pgrescue/pgrescue/logparse"
	"github.com/pgrescue/pgrescue/logparse/applog"
	"github.com/pgrescue/pgrescue/logparse/events"
	"github.com/pgrescue/pgrescue/logparse/rebuild"
	"github.com/pgrescue/pgrescue/logparse/secrets"
	"github.com/pgrescue/pgrescue/recover/evidence"
)

// logsRebuildOptions are the flags of `logs rebuild`.
type logsRebuildOptions struct {
	logsOptions
	targetOptions
	rowsOptions
	dsnGiven    bool
	catalogFile string
	database    string
	at          string
	versions    bool
	lost        bool
	uncommitted bool
	tables      []string
	longest     int
	output      string
	force       bool
}

func newLogsRebuildCommand(terminal *term.Terminal, cases *caseOptions) *cobra.Command {
	var options logsRebuildOptions
	command := &cobra.Command{
		Use:   "rebuild PATH…",
		Short: "Make rows of what logs say, each value with the line that it stands on",
		Long: `Make rows of what logs say. Of statements that a server or a backend logged only those count that
were committed: a statement that failed or was rolled back gives no row. What a message of a backend
tells becomes rows as the pattern pack says. Each value has the line that it stands on; what a log
does not tell (defaults, now(), INSERT … SELECT, what was cut or masked) is unknown, with the reason,
and never guessed.

A row that a DELETE, a TRUNCATE or a DROP took is there as it was before, with what took it; --lost
gives these alone, and --since and --until those of the loss: rows go every day. The shapes of
tables come from --dsn, --catalog or the case; without one of them columns are those that statements
name, and values stay as they were written. Of a server only the catalogs are read, and values are
printed by it as it prints their types; no table is read.

Secrets do not come out: a value whose column is called like one, or that looks like one, is unknown.

-o names a folder for a file of each table, a file when the name ends with .copy, .csv, .jsonl or
.sql, or - for stdout. Without it the summary is printed, and the case has the rows.`,
		Example: `  pgrescue logs rebuild /var/log/postgresql --catalog catalog.json --lost -o lost.sql
  pgrescue logs rebuild server.log --dsn service=shop --lost --since "2026-11-23 14:00Z" --case incident
  pgrescue logs rebuild backend.log --profile discovery --at "2025-10-07 18:22Z" -o - | jq .values`,
		Args: options.take,
		RunE: func(command *cobra.Command, _ []string) error {
			options.dsnGiven = command.Flags().Changed("dsn")
			return cases.record(command, terminal, func(ctx context.Context, found *recorder) error {
				return runLogsRebuild(ctx, &options, terminal, found)
			})
		},
	}
	options.addFlags(command)
	return command
}

func (o *logsRebuildOptions) addFlags(command *cobra.Command) {
	o.addReading(command)
	o.addPack(command)
	o.rowsOptions.addFlags(command, "jsonl")
	flags := command.Flags()
	flags.StringVar(&o.dsn, "dsn", "", "connection `string` of libpq, keywords or URI, of a server that has the tables; only its catalogs are read")
	flags.StringVar(&o.catalogFile, "catalog", "", "snapshot `FILE` of catalog dump with the shapes of the tables")
	flags.StringVar(&o.database, "database", "", "of --catalog: the database of statements whose line names none")
	flags.StringVar(&o.at, "at", "", "rows as they stood at this `time`; with a zone")
	flags.BoolVar(&o.versions, "versions", false, "also the versions of rows that an UPDATE replaced")
	flags.StringVar(&o.since, "since", "", "of rows that are gone only those that went at this `time` or later; with a zone")
	flags.StringVar(&o.until, "until", "", "and before this `time`; with a zone")
	flags.BoolVar(&o.lost, "lost", false, "only rows that are gone; with --versions also those that an UPDATE replaced")
	flags.BoolVar(&o.uncommitted, "uncommitted", false, "also rows of which nothing shows that their transaction was committed")
	flags.StringArrayVarP(&o.tables, "table", "t", nil, "only this table, as schema.name or name; may be repeated")
	flags.IntVar(&o.longest, "log-parameter-max-length", 0, "log_parameter_max_length in `bytes`, which tells values that it cut (default as --dsn says, or not known)")
	flags.StringVarP(&o.output, "output", "o", "", "folder, file or - for the rows")
	flags.BoolVar(&o.force, "force", false, "replace files that are there")
}

func runLogsRebuild(ctx context.Context, options *logsRebuildOptions, terminal *term.Terminal, found *recorder) error {
	at, err := parseTime("at", options.at)
	if err != nil {
		return err
	}
	options.timed = !at.IsZero()
	if err := options.checkOutput(terminal); err != nil {
		return err
	}
	pack, err := options.pack()
	if err != nil {
		return err
	}
	shapes, err := openLogShapes(ctx, options, terminal, found)
	if err != nil {
		return err
	}
	defer shapes.close()
	reading, err := openLogs(ctx, terminal, found, &options.logsOptions)
	if err != nil {
		return err
	}
	job := &logsRebuild{options: options, terminal: terminal, found: found, shapes: shapes, reading: reading, at: at, pack: pack}
	if job.join, err = loadTransactions(ctx, found); err != nil {
		return err
	}
	job.prepare()
	if err := job.read(ctx); err != nil {
		return err
	}
	gaps, err := reading.finish()
	if err != nil {
		return err
	}
	if err := job.give(ctx); err != nil {
		return err
	}
	return job.end(gaps)
}

// logsRebuild is one run of `logs rebuild`.
type logsRebuild struct {
	options  *logsRebuildOptions
	terminal *term.Terminal
	found    *recorder
	shapes   *logShapes
	reading  *logReading
	at       time.Time
	builder  *rebuild.Builder
	messages *applog.Rows // nil: no patterns
	events   *events.Reader
	join     *walJoin  // nil: the case knows no transactions
	waiting  []waiting // statements whose fate the WAL may tell
	shown    shownEvent
	pack     *applog.Pack
	took     int64 // messages that patterns took
	rows     rebuiltRows
	result   logsRebuildResult
}

func (j *logsRebuild) prepare() {
	options := rebuild.Options{
		Tables: j.shapes.relation, Root: j.shapes.root, Canonical: j.shapes.canonical, At: j.at, Versions: j.options.versions, Uncommitted: j.options.uncommitted,
		MaxLength: j.options.longest,
	}
	if options.MaxLength == 0 {
		options.MaxLength = j.shapes.longest()
	}
	j.builder = rebuild.New(options)
	reader := events.Options{Pack: j.pack}
	if j.pack != nil {
		j.messages = applog.NewRows(j.pack, applog.RowsOptions{Tables: j.shapes.relation, Uncommitted: j.options.uncommitted})
		reader.Matched = func(entry *logparse.Entry, match *applog.Match) {
			if j.before(entry.Stamp) {
				j.took++
				j.messages.Add(entry, match)
			}
		}
	}
	j.events = events.New(reader)
}

// before reports whether something counts for rows as they stood at a time.
func (j *logsRebuild) before(stamp logparse.Stamp) bool {
	return j.at.IsZero() || stamp.Time.IsZero() || !stamp.Time.After(j.at)
}

// give hands out the rows: first those of statements, then those of messages.
func (j *logsRebuild) give(ctx context.Context) error {
	out, err := newRebuiltFiles(j.options, j.terminal)
	if err != nil {
		return err
	}
	defer out.discard()
	j.rows = rebuiltRows{options: j.options, found: j.found, within: j.reading.lostWithin, next: out, told: newTold(j.pack)}
	if err := j.builder.Rows(&j.rows); err != nil {
		return err
	}
	if j.messages != nil {
		j.rows.messages = true
		if err := j.messages.Put(&j.rows); err != nil {
			return err
		}
	}
	if err := j.shapes.failure(); err != nil {
		return err
	}
	if err := j.counts(); err != nil {
		return err
	}
	if err := j.ids(ctx); err != nil {
		return err
	}
	j.result.Files, err = out.finish(j.terminal)
	return err
}

// counts takes how many rows there are, as messages tell.
func (j *logsRebuild) counts() error {
	if j.messages == nil {
		return nil
	}
	for _, count := range j.messages.Counts() {
		if relation, ok := j.shapes.relation(count.Relation); ok {
			count.Relation = relation.RelationName
		}
		if len(j.options.tables) > 0 && !j.options.wants(count.Relation) {
			continue
		}
		j.result.Counts = append(j.result.Counts, rebuiltCount{
			Table: count.Relation.String(), What: count.What, Rows: count.Rows, Source: count.Source, Line: count.Line, Why: secrets.Text(count.Why),
		})
		if err := j.found.counted(&count); err != nil {
			return err
		}
	}
	return nil
}

// ids gives rows of imports that the case holds the ids that logs tell.
func (j *logsRebuild) ids(ctx context.Context) error {
	var headers map[string][]string
	if j.messages != nil {
		headers = j.messages.Headers()
	}
	var err error
	j.result.IDs, err = j.found.loggedIDs(ctx, headers)
	return err
}

// end prints the summary, and says how the command ends.
func (j *logsRebuild) end(gaps int) error {
	j.summarize()
	if err := j.result.print(j.terminal, j.options.output == stdoutName); err != nil {
		return err
	}
	rows := j.rows.given
	if bare := j.withoutSchema(); j.found != nil && len(bare) > 0 {
		j.terminal.Warnf("nobody knows the schema of %s: no plan can give its rows back", shortList(bare))
		j.terminal.Hintf("--dsn or --catalog tells it; so does a case that has rows of the table by another route")
	}
	switch {
	case rows > 0:
		return exitcode.PartialIf(gaps)
	case j.rows.left > 0 && len(j.options.tables) > 0:
		return exitcode.With(exitcode.NotFound, fmt.Errorf("logs rebuild: the logs tell of no such row of %s, and of %s of other tables",
			shortList(j.options.tables), term.Plural(j.rows.left, "row", "rows")))
	case j.options.lost && j.rows.there > 0:
		return exitcode.With(exitcode.NotFound, exitcode.Hinted(fmt.Errorf("logs rebuild: of no row the logs tell that it was lost%s; %s there",
			j.inTime(), term.Plural(j.rows.there, "row is", "rows are")), "the summary says which statements do not tell their rows; without --lost all rows are given, and `pgrescue restore plan` finds those that a server lacks"))
	}
	return exitcode.With(exitcode.Insufficient, exitcode.Hinted(fmt.Errorf("logs rebuild: no row can be made of these logs"), j.result.hint()))
}

// inTime says that only some time was asked for.
func (j *logsRebuild) inTime() string {
	if j.reading.since.IsZero() && j.reading.until.IsZero() {
		return ""
	}
	return " in this time"
}

// withoutSchema are tables with rows that statements name without a schema, and of which nobody knows it.
func (j *logsRebuild) withoutSchema() (names []string) {
	for _, table := range j.rows.tables {
		if table.name.Schema == "" && table.There+table.Gone+table.Replaced > 0 {
			names = append(names, table.Table)
		}
	}
	return names
}

// wants reports whether a table is one of those that were asked for.
func (o *logsRebuildOptions) wants(name evidence.RelationName) bool {
	for _, table := range o.tables {
		if table == name.Name || table == name.String() || table == name.Schema+"."+name.Name {
			return true
		}
	}
	return false
}
