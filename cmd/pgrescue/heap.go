package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/pgrescue/pgrescue/cmd/internal/exitcode"
	"github.com/pgrescue/pgrescue/cmd/internal/term"
	"github.com/pgrescue/pgrescue/recover/catalog"
	"github.com/pgrescue/pgrescue/recover/pg"
	"github.com/pgrescue/pgrescue/recover/undelete"
)

func newHeapCommand(terminal *term.Terminal, cases *caseOptions) *cobra.Command {
	return newGroup(
		"heap", "Tuples in relation files and in images of disks",
		`Tuples in relation files: rows that were deleted or updated and not vacuumed yet; and
tables that no catalog speaks of any more, in relation files or in the image of a disk.`,
		`  pgrescue heap rows --pgdata /copy/data --table public.orders
  pgrescue heap rows --pgdata /copy/data --table public.orders --xid 742
  pgrescue heap scan /evidence/disk.img --catalog catalog.json`,
		newHeapRowsCommand(terminal, cases),
		newHeapScanCommand(terminal, cases),
	)
}

// heapRowsOptions are the flags of `heap rows`.
type heapRowsOptions struct {
	sourceOptions
	rowsOptions
	table string
	only  bool
	xid   uint32
	carve bool
}

func (o *heapRowsOptions) addFlags(command *cobra.Command) {
	o.addDataDir(command)
	o.addCatalog(command)
	o.rowsOptions.addFlags(command, "copy")
	command.Flags().StringVarP(&o.table, "table", "t", "", "the table, as schema.name; of a partitioned one all its partitions")
	addOnly(command, &o.only)
	command.Flags().Uint32Var(&o.xid, "xid", 0, "only rows that this (sub)transaction destroyed")
	command.Flags().BoolVar(&o.carve, "carve", false, "also look for pruned tuples in the free space of the pages")
}

func newHeapRowsCommand(terminal *term.Terminal, cases *caseOptions) *cobra.Command {
	var options heapRowsOptions
	command := &cobra.Command{
		Use:   "rows --pgdata DIR --table S.T",
		Short: "Decode the dead tuples of a table",
		Long: `Decode the dead tuples in a table's file: versions that a committed transaction
deleted or updated, and that nothing has pruned or vacuumed yet. Rows that were
merely locked, or whose delete was rolled back, are alive and left out.

This shows what is still in the file, not what was lost: "pgrescue undelete"
joins it with the WAL and balances the count. Where rows went with the whole file, by
DROP or TRUNCATE, or where the WAL has changes that the file does not have yet, as
after a crash, this is said.

--carve also looks for the bytes of pruned tuples, which stay in the free space of a
page until a newer tuple needs their place. Each such row carries a note in JSON
Lines; those that may be overwritten in part are withheld and counted (exit code 3).`,
		Example: `  pgrescue heap rows --pgdata /copy/data --table public.orders > orders.copy
  pgrescue heap rows --pgdata /copy/data --table public.orders --xid 742 --format csv
  pgrescue heap rows --pgdata /copy/data --table 'sales."Order Lines"' --carve --json`,
		Args: noArguments,
		RunE: func(command *cobra.Command, _ []string) error {
			if options.xid == 0 && command.Flags().Changed("xid") {
				return exitcode.Usagef("without --xid all dead tuples come", "heap rows: 0 is no transaction")
			}
			return cases.record(command, terminal, func(ctx context.Context, found *recorder) error {
				return runHeapRows(ctx, &options, terminal, found)
			})
		},
	}
	options.addFlags(command)
	return command
}

func runHeapRows(ctx context.Context, options *heapRowsOptions, terminal *term.Terminal, found *recorder) error {
	options.orOfCase(terminal, found)
	switch {
	case options.dataDir == "":
		return exitcode.Usagef("--pgdata DIR names it", "heap rows: no data directory is named")
	case options.table == "":
		return exitcode.Usagef("--table SCHEMA.NAME names it", "heap rows: no table is named")
	}
	format, err := options.resolve(terminal)
	if err != nil {
		return err
	}
	progress := &stages{terminal: terminal}
	ev, opening, err := options.open(ctx, "heap rows", terminal, progress, found)
	if err != nil {
		return err
	}
	defer ev.Close()
	gaps := len(opening)
	tables, err := targetsOf(ctx, ev, []string{options.table}, options.only)
	if err != nil {
		return notOfSystem(err, options.table)
	}
	printer, err := newRowPrinter(terminal, format)
	if err != nil {
		return err
	}
	sink, err := oneShape(printer, tables, format)
	if err != nil {
		return err
	}
	run := deadRows{terminal: terminal, found: found, ev: ev, opts: undelete.DeadRowsOptions{XID: pg.XID(options.xid), Carve: options.carve}, gaps: gaps}
	for _, table := range tables {
		err := run.table(ctx, table, sink)
		progress.end()
		if err != nil {
			return err
		}
	}
	if err := printer.close(terminal); err != nil {
		return err
	}
	return run.outcome(options.table)
}

// notOfSystem says of a table that is not found and has a name as only the system's
// own have, that those are not looked for.
func notOfSystem(err error, name string) error {
	bare := strings.TrimPrefix(name, "pg_catalog.")
	if !errors.Is(err, catalog.ErrNotFound) || !strings.HasPrefix(bare, "pg_") && !strings.HasPrefix(name, "information_schema.") {
		return err
	}
	return exitcode.With(exitcode.NotFound, exitcode.Hinted(fmt.Errorf("heap rows: %s: the system's own catalogs are not decoded as tables", name),
		"`pgrescue catalog dump` writes what they and their dead rows say of tables, dropped ones included"))
}
