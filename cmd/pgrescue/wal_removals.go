package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/pgrescue/pgrescue/recover/catalog"
	"github.com/pgrescue/pgrescue/recover/pg"
	"github.com/pgrescue/pgrescue/recover/undelete"
	"github.com/pgrescue/pgrescue/recover/wal/xact"
)

// removedTable is a table whose file a transaction removed.
type removedTable struct {
	Table string `json:"table"`
	// Loss is truncated or dropped; rewritten or moved when the rows went to another
	// file; removed when the catalogs at hand do not tell.
	Loss undelete.Removal `json:"loss"`
	File string           `json:"file"`
}

// removals names the tables whose files a transaction removed; unknown counts
// the files that the catalogs do not know: those of indexes, and of tables that
// were dropped before the catalogs at hand.
func (n *tableNames) removals(tx *xact.Transaction) (tables []removedTable, unknown int) {
	if n.index == nil || tx.State != xact.Committed {
		return nil, len(tx.Dropped)
	}
	for _, file := range tx.Dropped {
		_, rel, known := n.index.ByFile(file)
		switch {
		case !known:
			unknown++
		case rel.Kind != "t":
			tables = append(tables, removedTable{rel.QualifiedName(), undelete.RemovalOf(tx, rel, file), file.String()})
		}
	}
	return tables, unknown
}

// countRemovals tells how many tables a transaction took, rows and all, and
// whether it removed files of which none is known.
func (n *tableNames) countRemovals(tx *xact.Transaction, files map[pg.RelFileLocator]bool) (lost int64, puzzling bool) {
	tables, unknown := n.removals(tx)
	for _, t := range tables {
		if t.Loss.Lost() {
			lost++
		}
	}
	if len(files) == 0 {
		return lost, lost == 0 && unknown > 0 && tx.State == xact.Committed
	}
	lost = 0
	for _, file := range tx.Dropped {
		if _, rel, known := n.index.ByFile(file); files[file] && known && undelete.RemovalOf(tx, rel, file).Lost() {
			lost++
		}
	}
	return lost, false
}

// removalText says in the table of transactions what became of whole tables.
func removalText(tables []removedTable) string {
	const shown = 3
	var parts []string
	for _, t := range tables[:min(len(tables), shown)] {
		parts = append(parts, fmt.Sprintf("%s %s", t.Loss, t.Table))
	}
	text := strings.Join(parts, ", ")
	if more := len(tables) - shown; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

// collect lists the transactions. When some removed files that the catalogs at
// hand do not know, the WAL is asked what was dropped, and the list is made anew:
// what took whole tables comes first. Every one that destroyed something is noted.
func (o *walTransactionsOptions) collect(ctx context.Context, ev *undelete.Evidence, progress *stages, found *recorder) (*xact.Result, *tableNames, error) {
	for again := false; ; again = true {
		names := newTableNames(ev.Snapshot)
		puzzled := false
		opts, err := o.collectOptions(ctx, ev, names, &puzzled)
		if err != nil {
			return nil, nil, err
		}
		if found != nil {
			opts.Kept = func(tx *xact.Transaction) error {
				if tx.Destroyed() == 0 && len(tx.Dropped) == 0 {
					return nil
				}
				return found.transactions([]xact.Transaction{*tx}, names)
			}
		}
		opts.Scan.Progress = progress.begin("reading WAL", ev.Archive.BytesFrom(opts.Scan.From))
		result, err := xact.Collect(ctx, ev.Archive, opts)
		if err != nil || again || !puzzled || !ev.HasHistory() {
			return result, names, err
		}
		if err := ev.ReadHistory(ctx, 0); err != nil {
			return nil, nil, err
		}
		if err := found.forgetEvents(); err != nil { // tables have other names now
			return nil, nil, err
		}
	}
}

// files lists all files that a table has or had.
func filesOf(rel *catalog.Relation, files map[pg.RelFileLocator]bool) {
	files[rel.File] = true
	for _, former := range rel.FormerFiles {
		files[former] = true
	}
}
