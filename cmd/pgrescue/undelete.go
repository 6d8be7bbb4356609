package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/pgrescue/pgrescue/cmd/internal/exitcode"
	"github.com/pgrescue/pgrescue/cmd/internal/term"
	"github.com/pgrescue/pgrescue/recover/catalog"
	"github.com/pgrescue/pgrescue/recover/datum"
	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/pg"
	"github.com/pgrescue/pgrescue/recover/undelete"
)

// lossOptions are the flags that say which loss a command is about.
type lossOptions struct {
	xid          uint32
	tables       []string
	only         bool
	since, until string
}

func (o *lossOptions) addFlags(command *cobra.Command) {
	flags := command.Flags()
	flags.Uint32Var(&o.xid, "xid", 0, "the transaction that destroyed the rows")
	flags.StringArrayVarP(&o.tables, "table", "t", nil, "only this table and its partitions, as schema.name; may be repeated")
	addOnly(command, &o.only)
	flags.StringVar(&o.since, "since", "", "instead of --xid: all that was destroyed in --table since this time; with a zone")
	flags.StringVar(&o.until, "until", "", "and before this time")
}

// request turns the flags into what the library looks for.
func (o *lossOptions) request(ctx context.Context, ev *undelete.Evidence) (undelete.Request, error) {
	request := undelete.Request{XID: pg.XID(o.xid)}
	var err error
	if request.Since, err = parseTime("since", o.since); err != nil {
		return request, err
	}
	if request.Until, err = parseTime("until", o.until); err != nil {
		return request, err
	}
	switch {
	case o.xid == 0 && (len(o.tables) == 0 || o.since == ""):
		return request, exitcode.Usagef("`pgrescue wal transactions` lists the transactions",
			"say which loss: --xid N, or --table S.T and --since TIME")
	case o.xid != 0 && (o.since != "" || o.until != ""):
		return request, exitcode.Usagef("a transaction has one commit time", "--xid and --since or --until exclude each other")
	}
	request.Tables, err = targetsOf(ctx, ev, o.tables, o.only)
	return request, err
}

// find lists the ledger of the loss. A case also takes what became of updated rows.
func (o *lossOptions) find(ctx context.Context, ev *undelete.Evidence, format evidence.Format, found *recorder) (*undelete.Loss, error) {
	request, err := o.request(ctx, ev)
	if err != nil {
		return nil, err
	}
	request.GiveBack, request.Successors = format == evidence.FormatSQL, found != nil
	loss, err := undelete.Find(ctx, ev, request)
	if err == nil && loss.Lines() > bigLedger {
		// Such a ledger is most of the memory, and stays: collecting what lies around it
		// more often costs little, and the other half of the memory would be a lot.
		debug.SetGCPercent(bigLedgerGC)
	}
	return loss, libraryError(err)
}

const (
	bigLedger   = 500_000 // lines
	bigLedgerGC = 40      // percent of garbage beside what is in use
)

// undeleteOptions are the flags of `undelete`.
type undeleteOptions struct {
	sourceOptions
	rowsOptions
	lossOptions
	output string
	force  bool
}

func (o *undeleteOptions) addFlags(command *cobra.Command) {
	o.addDataDir(command)
	o.addCatalog(command)
	o.addTimeline(command)
	o.addAlso(command)
	o.rowsOptions.addFlags(command, "copy")
	o.lossOptions.addFlags(command)
	flags := command.Flags()
	flags.Lookup("format").Usage = "of the files in the folder: copy, csv, jsonl or sql; --json is for the balance alone"
	flags.StringArrayVar(&o.wal, "wal", nil, "WAL directory, segment or tar file, or an archive; may be repeated (default pg_wal of --pgdata)")
	flags.StringVarP(&o.output, "output", "o", "", "folder for one file per table and ledger.jsonl")
	flags.BoolVar(&o.force, "force", false, "replace files that are in the folder")
}

func newUndeleteCommand(terminal *term.Terminal, cases *caseOptions) *cobra.Command {
	var options undeleteOptions
	command := &cobra.Command{
		Use:   "undelete --pgdata DIR (--xid N | --table S.T --since T)",
		Short: "Bring destroyed rows back by every route, and balance the count",
		Long: `List every row version that a transaction destroyed, bring each one back by the
best route there is, and print the balance:

    lost = heap + wal + in part + missing

heap is the dead tuple itself, in the relation file; wal is its page, replayed in
memory; in part means found with a value that is unknown; missing comes with the
reason. Each version is settled exactly once.

-o writes one file per table and ledger.jsonl, which says for each version where it
lay, what destroyed it, and what settled it or why it is missing. --format sql
gives statements that put the rows back: INSERTs, and for an UPDATE the old
values by primary key. Without -o only the balance is printed.

Tables that were truncated or dropped come back too, each row a line of the ledger;
schema.sql beside them has the dropped tables' CREATE TABLE. Rows on pages that the
WAL does not reach cannot be counted: the balance says ≥, and the exit code is 3.

--also names further copies of the same cluster: a base backup, a standby's data
directory, a snapshot. A dead tuple on a younger page of theirs settles its version,
and so does an older page when the WAL at hand holds every change since. Where WAL
in between is missing, a row from an older page is derived and not proven (exit
code 3). A copy of another cluster is refused.`,
		Example: `  pgrescue undelete --pgdata /copy/data --xid 742
  pgrescue undelete --pgdata /copy/data --wal /archive --also /backup/monday --xid 742 -o rescued --format csv
  pgrescue undelete --pgdata /copy/data --table public.orders --since "2026-11-23 14:00Z" -o rescued --format sql`,
		Args: noArguments,
		RunE: func(command *cobra.Command, _ []string) error {
			return cases.record(command, terminal, func(ctx context.Context, found *recorder) error {
				return runUndelete(ctx, &options, terminal, found)
			})
		},
	}
	options.addFlags(command)
	return command
}

func runUndelete(ctx context.Context, options *undeleteOptions, terminal *term.Terminal, found *recorder) error {
	options.orOfCase(terminal, found)
	if options.dataDir == "" && (options.catalogFile == "" || len(options.wal) == 0) {
		return exitcode.Usagef("--pgdata DIR names it; WAL alone needs --wal PATH and --catalog FILE", "undelete: no data directory is named")
	}
	format, err := formatOf(options.format)
	if err != nil {
		return err
	}
	if err := options.keepOut("undelete", options.output); err != nil {
		return err
	}
	if err := mayRescueInto(options.output, options.force); err != nil {
		return err
	}
	options.leaveOutSame(terminal)
	progress := &stages{terminal: terminal}
	ev, gaps, err := options.sourceOptions.open(ctx, "undelete", terminal, progress, found)
	if err != nil {
		return err
	}
	defer ev.Close()
	loss, err := options.find(ctx, ev, format, found)
	if err != nil {
		return err
	}
	defer loss.Close()
	if err := loss.Settle(ctx); err != nil {
		return err
	}
	folder, err := newRescueFolder(options.output, format, options.force)
	if err != nil {
		return err
	}
	defer folder.discard()
	err = loss.Recover(ctx, func(t *undelete.Table) (evidence.Sink, error) {
		written, err := folder.sink(t)
		if err != nil {
			return nil, err
		}
		return found.rows(undelete.Target{Database: t.Database, Relation: t.Relation}, found.asWithout(written, format))
	})
	progress.end()
	if err == nil {
		err = found.loss(loss)
	}
	if err != nil {
		return err
	}
	if err := folder.finish(terminal, loss); err != nil {
		return err
	}
	report := reportOf(loss, folder, gaps)
	if err := printBalance(terminal, report, pg.XID(options.xid)); err != nil {
		return err
	}
	if options.xid != 0 {
		tellCopies(terminal, report)
	}
	return tellBalance(terminal, "undelete", loss, len(gaps))
}

// giveBack leaves out, for SQL, the versions that the destroying transaction
// made itself: nobody else ever saw them.
func giveBack(sink evidence.Sink, format evidence.Format) evidence.Sink {
	if format != evidence.FormatSQL {
		return sink
	}
	return evidence.SinkFunc(func(row *evidence.Row) error {
		if row.Intermediate {
			return nil
		}
		return sink.Put(row)
	})
}

// rescueFolder takes the rows of a loss: one file per table, and the ledger.
type rescueFolder struct {
	dir               string // "": nothing is written
	format            evidence.Format
	force             bool
	files             []*rescueFile
	unknown, unstated int64
	schema            bool // schemaFile was written
	made              bool // the folder was not there before
}

// rescueFile is the file of one table.
type rescueFile struct {
	name   string
	output *outputFile
	writer *evidence.Writer
}

// ledgerFile is the name of the ledger among the rescued rows.
const ledgerFile = "ledger.jsonl"

// mayRescueInto refuses a folder that cannot be used or holds another rescue,
// before any work is done: two ledgers in one folder would not balance.
func mayRescueInto(dir string, force bool) error {
	switch dir {
	case "":
		return nil
	case stdoutName:
		return exitcode.Usagef("name a folder; `pgrescue wal rows` and `pgrescue heap rows` print rows on stdout", "undelete: -o - is no folder")
	}
	if info, err := os.Stat(dir); err == nil && !info.IsDir() {
		return exitcode.With(exitcode.Refused, exitcode.Hinted(
			fmt.Errorf("undelete: write into %s: it is there, and it is no folder", dir), "name another folder"))
	}
	if err := mayWrite(filepath.Join(dir, ledgerFile), force); err != nil {
		return exitcode.Hinted(err, "the folder holds another rescue; name another folder, or replace what has the same names with --force")
	}
	return nil
}

func newRescueFolder(dir string, format evidence.Format, force bool) (*rescueFolder, error) {
	folder := &rescueFolder{dir: dir, format: format, force: force}
	if dir != "" {
		_, err := os.Stat(dir)
		folder.made = errors.Is(err, fs.ErrNotExist)
		if err := makeFolder(dir); err != nil {
			return nil, err
		}
	}
	return folder, nil
}

// sink begins the file of a table.
func (f *rescueFolder) sink(t *undelete.Table) (evidence.Sink, error) {
	if f.dir == "" || t.Relation == nil {
		return nil, nil
	}
	name := fileName(t, f.files) + "." + string(f.format)
	output, err := createOutput(filepath.Join(f.dir, name), f.force)
	if err != nil {
		return nil, err
	}
	file := &rescueFile{name: name, output: output}
	f.files = append(f.files, file)
	if file.writer, err = evidence.NewWriter(f.format, output); err != nil {
		return nil, err
	}
	return giveBack(file.writer, f.format), nil
}

// finish makes the files durable and writes the ledger beside them.
func (f *rescueFolder) finish(terminal *term.Terminal, loss *undelete.Loss) error {
	if f.dir == "" {
		return nil
	}
	for _, file := range f.files {
		if err := file.writer.Flush(); err != nil {
			return err
		}
		if err := file.output.commit(); err != nil {
			return err
		}
		f.unknown += file.writer.UnknownValues()
		f.unstated += file.writer.Unstated()
	}
	warnUnknown(terminal, f.unknown, f.format)
	warnUnstated(terminal, f.unstated)
	if err := f.writeSchema(loss); err != nil {
		return err
	}
	return f.writeLedger(loss)
}

// schemaFile holds the statements that make dropped tables anew.
const schemaFile = "schema.sql"

// writeSchema writes statements that make the dropped tables of the loss anew, for
// each database in the order of the balance; nothing when none was dropped.
func (f *rescueFolder) writeSchema(loss *undelete.Loss) error {
	var databases []*catalog.Database
	dropped := make(map[*catalog.Database][]*catalog.Relation)
	for _, t := range loss.Tables() {
		if t.Removal != undelete.Dropped || t.Relation == nil {
			continue
		}
		if dropped[t.Database] == nil {
			databases = append(databases, t.Database)
		}
		dropped[t.Database] = append(dropped[t.Database], t.Relation)
	}
	if len(databases) == 0 {
		return nil
	}
	output, err := createOutput(filepath.Join(f.dir, schemaFile), f.force)
	if err != nil {
		return err
	}
	defer output.discard()
	for _, db := range databases {
		if _, err := fmt.Fprintln(output, datum.CreateTables(db, dropped[db])); err != nil {
			return fmt.Errorf("write %s: %w", schemaFile, err)
		}
	}
	f.schema = true
	return output.commit()
}

func (f *rescueFolder) writeLedger(loss *undelete.Loss) error {
	output, err := createOutput(filepath.Join(f.dir, ledgerFile), f.force)
	if err != nil {
		return err
	}
	defer output.discard()
	lines := newLineWriter(output)
	for _, t := range loss.Tables() {
		if err := loss.Ledger(t, lines.write); err != nil {
			return err
		}
	}
	return output.commit()
}

// discard removes what is not complete, and the folder when nothing is in it.
func (f *rescueFolder) discard() {
	for _, file := range f.files {
		file.output.discard()
	}
	if f.made {
		_ = os.Remove(f.dir) // the system refuses it for a folder with files
	}
}
