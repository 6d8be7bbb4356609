package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/pgrescue/pgrescue/cmd/internal/exitcode"
	"github.com/pgrescue/pgrescue/cmd/internal/term"
	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/undelete"
)

// walRowsOptions are the flags of `wal rows`.
type walRowsOptions struct {
	sourceOptions
	rowsOptions
	lossOptions
}

func newWALRowsCommand(terminal *term.Terminal, cases *caseOptions) *cobra.Command {
	var options walRowsOptions
	command := &cobra.Command{
		Use:   "rows PATH… --pgdata DIR | --catalog FILE --xid N",
		Short: "Bring destroyed rows back from WAL alone",
		Long: `Bring back the rows that a transaction destroyed, from WAL alone: their pages are
replayed in memory from the full-page images in the WAL. No relation file is read;
--pgdata only gives the catalogs, and --catalog does without a data directory.

All rows come back when the WAL reaches back to the redo point of the last
checkpoint before the loss ("pgrescue wal target" tells). Otherwise those come
back whose pages are in the WAL, and the others are counted with their reasons.`,
		Example: `  pgrescue wal rows /archive --catalog catalog.json --xid 742 --table public.orders > orders.copy
  pgrescue wal rows /copy/data/pg_wal --pgdata /copy/data --xid 742 --format jsonl
  pgrescue wal rows /archive --catalog catalog.json --table public.orders --since "2026-11-23 14:00Z" --format csv`,
		RunE: func(command *cobra.Command, args []string) error {
			options.wal = args
			return cases.record(command, terminal, func(ctx context.Context, found *recorder) error {
				return runWALRows(ctx, &options, terminal, found)
			})
		},
	}
	options.addDataDir(command)
	options.addCatalog(command)
	options.addTimeline(command)
	options.addAlso(command)
	options.rowsOptions.addFlags(command, "copy")
	options.lossOptions.addFlags(command)
	return command
}

func runWALRows(ctx context.Context, options *walRowsOptions, terminal *term.Terminal, found *recorder) error {
	options.orOfCase(terminal, found)
	if err := options.needPaths("wal rows"); err != nil {
		return err
	}
	if options.dataDir == "" && options.catalogFile == "" {
		return exitcode.Usagef("add --pgdata DIR, or --catalog FILE made by `pgrescue catalog dump`",
			"wal rows: rows cannot be decoded without the shapes of the tables")
	}
	format, err := options.resolve(terminal)
	if err != nil {
		return err
	}
	progress := &stages{terminal: terminal}
	ev, gaps, err := options.sourceOptions.open(ctx, "wal rows", terminal, progress, found)
	if err != nil {
		return err
	}
	defer ev.Close()
	ev.DataDir = "" // the files are not this route's evidence
	loss, err := options.find(ctx, ev, format, found)
	if err != nil {
		return err
	}
	defer loss.Close()
	printer, err := newRowPrinter(terminal, format)
	if err != nil {
		return err
	}
	var tables []undelete.Target
	for _, t := range loss.Tables() {
		tables = append(tables, undelete.Target{Database: t.Database, Relation: t.Relation})
	}
	sink, err := oneShape(printer, tables, format)
	if err != nil {
		return err
	}
	if err := loss.Settle(ctx); err != nil {
		return err
	}
	printed := found.asWithout(giveBack(sink, format), format)
	err = loss.Recover(ctx, func(t *undelete.Table) (evidence.Sink, error) {
		return found.rows(undelete.Target{Database: t.Database, Relation: t.Relation}, printed)
	})
	progress.end()
	if err == nil {
		err = found.loss(loss)
	}
	if err != nil {
		return err
	}
	if err := printer.close(terminal); err != nil {
		return err
	}
	return tellBalance(terminal, "wal rows", loss, len(gaps))
}
