package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/pgrescue/pgrescue/cmd/internal/exitcode"
	"github.com/pgrescue/pgrescue/cmd/internal/term"
	"github.com/pgrescue/pgrescue/recover/pg"
	"github.com/pgrescue/pgrescue/recover/triage"
	"github.com/pgrescue/pgrescue/recover/undelete"
	"github.com/pgrescue/pgrescue/recover/wal"
	"github.com/pgrescue/pgrescue/recover/wal/xact"
)

// walTransactionsOptions are the flags of `wal transactions`.
type walTransactionsOptions struct {
	sourceOptions
	since, until string
	tables       []string
	only         bool
	minDeletes   int64
	limit        int
	all          bool
}

func (o *walTransactionsOptions) addFlags(command *cobra.Command) {
	flags := command.Flags()
	o.addDataDir(command)
	o.addCatalog(command)
	o.addTimeline(command)
	flags.StringVar(&o.since, "since", "", "only transactions that ended at this time or later; with a zone")
	flags.StringVar(&o.until, "until", "", "only transactions that ended before this time; with a zone")
	flags.StringArrayVarP(&o.tables, "table", "t", nil, "only what they did to this table and its partitions; needs --pgdata or --catalog")
	addOnly(command, &o.only)
	flags.Int64Var(&o.minDeletes, "min-deletes", 0, "only transactions that deleted or updated at least so many tuples")
	flags.IntVar(&o.limit, "limit", 50, "only the biggest so many; 0 lists all, which takes memory for each")
	flags.BoolVar(&o.all, "all", false, "count system catalogs and TOAST tables too")
}

func newWALTransactionsCommand(terminal *term.Terminal, cases *caseOptions) *cobra.Command {
	var options walTransactionsOptions
	command := &cobra.Command{
		Use:   "transactions PATH…",
		Short: "List what each transaction did, the biggest destroyer first",
		Long: `List the transactions in the WAL: when each ended and how, and how many tuples
it inserted, updated and deleted in each table. Subtransactions are folded into
their parent; what truncated or dropped tables stands first, and what was rolled
back at the end, because it destroyed nothing.

With --pgdata or --catalog the tables have names, without they are file numbers.
PATH is a data directory, a WAL directory, a segment file, a tar file or an archive;
any number of them, compressed as they are. With a case, every transaction that destroyed something
becomes an entry of its timeline, whatever --limit says, and so does each that is
listed; --limit 0 takes those in too that only inserted.`,
		Example: `  pgrescue wal transactions /copy/data/pg_wal --pgdata /copy/data
  pgrescue wal transactions /archive --catalog catalog.json --since "2026-11-23 14:00Z" --min-deletes 100
  pgrescue wal transactions /copy/data --pgdata /copy/data --table public.orders --json`,
		RunE: func(command *cobra.Command, args []string) error {
			options.wal = args
			return cases.record(command, terminal, func(ctx context.Context, found *recorder) error {
				return runWALTransactions(ctx, &options, terminal, found)
			})
		},
	}
	options.addFlags(command)
	return command
}

func runWALTransactions(ctx context.Context, options *walTransactionsOptions, terminal *term.Terminal, found *recorder) error {
	if options.limit < 0 || options.minDeletes < 0 {
		return exitcode.Usagef("--limit 0 lists all transactions", "--limit and --min-deletes are counts, and not negative")
	}
	options.orOfCase(terminal, found)
	if err := options.needPaths("wal transactions"); err != nil {
		return err
	}
	progress := &stages{terminal: terminal}
	ev, gaps, err := options.open(ctx, "wal transactions", terminal, progress, found)
	if err != nil {
		return err
	}
	defer ev.Close()
	result, names, err := options.collect(ctx, ev, progress, found)
	progress.end()
	if err != nil {
		return err
	}
	for _, g := range result.Gaps {
		if !g.Recycled {
			terminal.Warnf("%s", g.Evidence())
		}
	}
	if err := errors.Join(found.logGaps(result.Gaps), found.transactions(result.Transactions, names)); err != nil {
		return err
	}
	if terminal.JSON() {
		err = printTransactionsJSON(terminal, result, names, len(ev.Archive.Recycled()))
	} else {
		err = printTransactions(terminal, result, names)
	}
	if err != nil {
		return err
	}
	return exitcode.PartialIf(len(gaps) + wal.Damage(result.Gaps))
}

// collectOptions turns the flags into what to collect. puzzled is set when a
// transaction removed files that names does not know.
func (o *walTransactionsOptions) collectOptions(ctx context.Context, ev *undelete.Evidence, names *triage.Names, puzzled *bool) (xact.Options, error) {
	since, err := parseTime("since", o.since)
	if err != nil {
		return xact.Options{}, err
	}
	until, err := parseTime("until", o.until)
	if err != nil {
		return xact.Options{}, err
	}
	files := make(map[pg.RelFileLocator]bool)
	if len(o.tables) > 0 {
		if ev.Snapshot == nil {
			return xact.Options{}, exitcode.Usagef("add --pgdata DIR or --catalog FILE", "--table needs a catalog to find the table's file")
		}
		found, err := targetsOf(ctx, ev, o.tables, o.only)
		if err != nil {
			return xact.Options{}, err
		}
		*names = *triage.NewNames(ev.Snapshot) // finding a dropped table may have read more
		for _, t := range found {
			filesOf(t.Relation, files)
			for _, gone := range t.Database.Namesakes(t.Relation) {
				filesOf(gone, files)
			}
		}
	}
	return xact.Options{
		Scan:  wal.ScanOptions{From: ev.Archive.Oldest()},
		Limit: o.limit,
		Counts: func(rel pg.RelFileLocator) bool {
			if len(files) > 0 {
				return files[rel]
			}
			return o.all || rel.Relation >= pg.RelFileNumber(pg.FirstNormalOID) && !names.IsToast(rel)
		},
		Keep: func(tx *xact.Transaction) bool {
			removes, puzzling := names.CountRemovals(tx, files)
			tx.Removes, *puzzled = removes, *puzzled || puzzling
			if len(tx.Tallies) == 0 && (len(tx.Dropped) == 0 || len(files) > 0 && removes == 0) || tx.Destroyed() < o.minDeletes && removes == 0 {
				return false
			}
			return tx.End.IsZero() || !tx.End.Before(since) && (until.IsZero() || tx.End.Before(until))
		},
	}, nil
}

// transactionLine is one transaction as `wal transactions --json` prints it.
type transactionLine struct {
	Type            string               `json:"type"` // transaction
	XID             pg.XID               `json:"xid"`
	State           xact.State           `json:"state"`
	EndTime         string               `json:"end_time,omitempty"`
	EndLSN          pg.LSN               `json:"end_lsn"`
	FirstLSN        pg.LSN               `json:"first_lsn"`
	LastLSN         pg.LSN               `json:"last_lsn"`
	Subtransactions []pg.XID             `json:"subtransactions,omitempty"`
	Inserted        int64                `json:"inserted"`
	Updated         int64                `json:"updated"`
	Deleted         int64                `json:"deleted"`
	Tables          []triage.TableChange `json:"tables"`
	RemovedFiles    []string             `json:"removed_files,omitempty"`
	// RemovedTables are those among the removed files whose names are known.
	RemovedTables []triage.RemovedTable `json:"removed_tables,omitempty"`
}

func transactionOf(tx *xact.Transaction, names *triage.Names) transactionLine {
	named := names.Transaction(tx)
	line := transactionLine{
		Type: "transaction", XID: tx.XID, State: tx.State, EndLSN: tx.EndLSN, FirstLSN: tx.First, LastLSN: tx.Last,
		Subtransactions: tx.Subxacts, Tables: named.Tables, RemovedTables: named.Removed,
	}
	if !tx.End.IsZero() {
		line.EndTime = pg.FormatTime(tx.End)
	}
	for _, t := range line.Tables {
		line.Inserted += t.Inserted
		line.Updated += t.Updated
		line.Deleted += t.Deleted
	}
	for _, file := range tx.Dropped {
		line.RemovedFiles = append(line.RemovedFiles, names.Of(file))
	}
	return line
}

func printTransactionsJSON(terminal *term.Terminal, result *xact.Result, names *triage.Names, recycled int) error {
	for i := range result.Transactions {
		if err := terminal.WriteLine(transactionOf(&result.Transactions[i], names)); err != nil {
			return err
		}
	}
	return terminal.WriteLine(map[string]any{
		"type": "summary", "listed": len(result.Transactions), "committed": result.Committed, "aborted": result.Aborted,
		"undecided": result.Undecided, "records": result.Records, "gaps": wal.Damage(result.Gaps),
		"recycled_segments": recycled,
	})
}

func printTransactions(terminal *term.Terminal, result *xact.Result, names *triage.Names) error {
	table := term.NewTable(">XID", "STATE", "END (UTC)", ">DELETED", ">UPDATED", ">INSERTED", "TABLE")
	for i := range result.Transactions {
		line := transactionOf(&result.Transactions[i], names)
		end := strings.TrimSuffix(line.EndTime, "Z")
		name := ""
		switch {
		case len(line.Tables) == 1:
			name = line.Tables[0].Table
		case len(line.Tables) > 1:
			name = fmt.Sprintf("%d tables", len(line.Tables))
		}
		if n := len(line.Subtransactions); n > 0 {
			name += fmt.Sprintf(" (%s)", term.Plural(int64(n), "subtransaction", "subtransactions"))
		}
		if n := len(line.RemovedFiles); len(line.RemovedTables) > 0 {
			name = strings.TrimSpace(removalText(line.RemovedTables) + "  " + name)
		} else if n > 0 {
			name += fmt.Sprintf(" (removed files of %s)", strings.Join(line.RemovedFiles[:min(n, 3)], ", "))
		}
		table.Add(fmt.Sprint(line.XID), string(line.State), end, term.Count(line.Deleted), term.Count(line.Updated), term.Count(line.Inserted), name)
		if len(line.Tables) > 1 {
			for _, t := range line.Tables {
				table.Add("", "", "", term.Count(t.Deleted), term.Count(t.Updated), term.Count(t.Inserted), "  "+t.Table)
			}
		}
	}
	if err := table.Write(terminal.Out, ""); err != nil {
		return err
	}
	changed := result.Committed + result.Aborted + result.Undecided
	return terminal.Printf("%s listed of %s that changed something: %s committed, %s rolled back, %s undecided\n",
		term.Plural(int64(len(result.Transactions)), "transaction", "transactions"), term.Count(changed),
		term.Count(result.Committed), term.Count(result.Aborted), term.Count(result.Undecided))
}
