package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/pgrescue/pgrescue/cmd/internal/exitcode"
	"github.com/pgrescue/pgrescue/cmd/internal/term"
	"github.com/pgrescue/pgrescue/recover/pg"
	"github.com/pgrescue/pgrescue/recover/undelete"
)

func newHeapCommand(terminal *term.Terminal) *cobra.Command {
	return newGroup(
		"heap", "Tuples in relation files and in images of disks",
		`Tuples in relation files: rows that were deleted or updated and not vacuumed yet; and
tables that no catalog speaks of any more, in relation files or in the image of a disk.`,
		`  pgrescue heap rows --pgdata /copy/data --table public.orders
  pgrescue heap rows --pgdata /copy/data --table public.orders --xid 742
  pgrescue heap scan /evidence/disk.img --catalog catalog.json`,
		newHeapRowsCommand(terminal),
		newHeapScanCommand(terminal),
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

func newHeapRowsCommand(terminal *term.Terminal) *cobra.Command {
	var options heapRowsOptions
	command := &cobra.Command{
		Use:   "rows --pgdata DIR --table S.T",
		Short: "Decode the dead tuples of a table",
		Long: `Decode the dead tuples in a table's file: versions that a committed transaction
deleted or updated, and that nothing has pruned or vacuumed yet. Rows that were
merely locked, or whose delete was rolled back, are alive and left out.

This shows what is still in the file, not what was lost: "pgrescue undelete"
joins it with the WAL and balances the count.

--carve also looks for the bytes of pruned tuples, which stay in the free space of a
page until a newer tuple needs their place. Each such row carries a note in JSON
Lines; those that may be overwritten in part are withheld and counted (exit code 3).`,
		Example: `  pgrescue heap rows --pgdata /copy/data --table public.orders > orders.copy
  pgrescue heap rows --pgdata /copy/data --table public.orders --xid 742 --format csv
  pgrescue heap rows --pgdata /copy/data --table 'sales."Order Lines"' --carve --json`,
		Args: noArguments,
		RunE: func(command *cobra.Command, _ []string) error {
			return runHeapRows(command.Context(), &options, terminal)
		},
	}
	options.addFlags(command)
	return command
}

func runHeapRows(ctx context.Context, options *heapRowsOptions, terminal *term.Terminal) error {
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
	ev, gaps, err := options.open(ctx, "heap rows", terminal, progress)
	if err != nil {
		return err
	}
	defer ev.Close()
	tables, err := targets(ev.Snapshot, []string{options.table}, options.only)
	if err != nil {
		return err
	}
	printer, err := newRowPrinter(terminal, format)
	if err != nil {
		return err
	}
	sink, err := oneShape(printer, tables, format)
	if err != nil {
		return err
	}
	for _, table := range tables {
		result, err := undelete.DeadRows(ctx, ev, table, undelete.DeadRowsOptions{XID: pg.XID(options.xid), Carve: options.carve}, sink)
		progress.end()
		if err != nil {
			return err
		}
		gaps += tellDeadRows(terminal, table.Relation.QualifiedName(), result)
	}
	if err := printer.close(terminal); err != nil {
		return err
	}
	return exitcode.PartialIf(gaps)
}

// tellDeadRows says on stderr what one table's file holds, and counts what of it
// is not whole.
func tellDeadRows(terminal *term.Terminal, table string, result *undelete.DeadRowsResult) int {
	terminal.Gaps(result.Gaps, shownGaps)
	terminal.Infof("%s: %s on %s, %s dead; left out: %s whose delete was rolled back, %s that never were visible",
		table, term.Plural(result.Tuples, "tuple", "tuples"), term.Plural(result.Pages, "page", "pages"),
		term.Count(result.Dead), term.Count(result.RolledBack), term.Count(result.NeverVisible))
	if result.Carved > 0 {
		terminal.Infof("%s of the dead carved from free space", term.Count(result.Carved))
	}
	if result.Cut > 0 {
		terminal.Warnf("%s withheld: in the page's free space something younger begins within them, or may have written over their last bytes",
			term.Plural(result.Cut, "pruned tuple is", "pruned tuples are"))
	}
	if result.Unknown > 0 {
		terminal.Warnf("%s: commit state unknown", term.Plural(result.Unknown, "row", "rows"))
	}
	if len(result.Gaps) == 0 {
		return int(result.InPart + result.Cut)
	}
	return len(result.Gaps)
}
