package undelete

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/pgrescue/pgrescue/recover/catalog"
	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/heap"
	"github.com/pgrescue/pgrescue/recover/pg"
	"github.com/pgrescue/pgrescue/recover/redo"
	"github.com/pgrescue/pgrescue/recover/wal/xact"
)

// knowColumns finds the files of pg_attribute, so that the scan notices a
// transaction that drops columns: it replaces their rows there, and touches no
// row of the table. A catalog that was rewritten has a number like a user's table.
func (l *Loss) knowColumns(ctx context.Context) error {
	if l.req.XID == pg.InvalidXID || l.ev.catalogs == nil || l.ev.Archive == nil {
		return nil
	}
	files, err := redo.CatalogFiles(ctx, l.ev.Archive, l.ev.catalogs.dir, nil)
	if err != nil {
		return err
	}
	l.attributes, l.catalogFiles = make(map[pg.RelFileLocator]bool), make(map[pg.RelFileLocator]bool)
	for file, name := range files {
		if name == "pg_attribute" {
			l.attributes[file] = true
		}
		l.catalogFiles[file] = true
	}
	return nil
}

// forgetColumns takes the counts of pg_attribute out of a transaction's tallies,
// and notes that it changed rows there.
func (l *Loss) forgetColumns(tx *xact.Transaction) {
	tx.Tallies = slices.DeleteFunc(tx.Tallies, func(t xact.Tally) bool {
		if !l.attributes[t.Relation] {
			return false
		}
		l.reshaped = l.reshaped || t.Updated > 0 && tx.State == xact.Committed
		return true
	})
}

// columns lists the rows that lost columns, or their values: those that were there for all to see
// just before the transaction dropped the columns.
func (l *Loss) columns(ctx context.Context) error {
	if !l.reshaped || len(l.Transactions) != 1 {
		return nil
	}
	tx := &l.Transactions[0]
	before, gaps, err := l.ev.CatalogBefore(ctx, l.scanned, tx.EndLSN)
	if err != nil {
		return err
	}
	after, _, err := l.ev.CatalogBefore(ctx, l.scanned, tx.EndLSNAfter)
	if err != nil {
		return err
	}
	found := false
	for i := range before.Databases {
		db := &before.Databases[i]
		at := slices.IndexFunc(after.Databases, func(other catalog.Database) bool { return other.OID == db.OID })
		if at < 0 {
			continue
		}
		for j := range db.Relations {
			rel := &db.Relations[j]
			if rel.File.Relation == 0 || !l.asked(db, rel) {
				continue
			}
			dropped, retyped := lostColumns(rel, &after.Databases[at], tx)
			for i, names := range [][]string{dropped, retyped} {
				if len(names) == 0 {
					continue
				}
				found = true
				if err := l.columnsOf(ctx, l.addColumns(db, rel, names, i == 1), tx); err != nil {
					return err
				}
			}
		}
	}
	if found {
		l.Gaps = append(l.Gaps, gaps...)
	}
	return nil
}

// lostColumns names the columns that a relation has lost in a later catalog, in
// which it is there still, and those whose values the transaction computed anew while
// it rewrote the table: ALTER COLUMN … TYPE … USING.
func lostColumns(rel *catalog.Relation, after *catalog.Database, tx *xact.Transaction) (dropped, retyped []string) {
	at := slices.IndexFunc(after.Relations, func(r catalog.Relation) bool { return r.OID == rel.OID })
	if at < 0 || rel.DroppedBy != 0 || after.Relations[at].DroppedBy != 0 || rel.Kind == "t" {
		return nil, nil
	}
	now := &after.Relations[at]
	for i := range min(len(rel.Attributes), len(now.Attributes)) {
		was, is := &rel.Attributes[i], &now.Attributes[i]
		switch {
		case was.Dropped:
		case is.Dropped:
			dropped = append(dropped, was.Name)
		case rel.File != now.File && tx.Has(is.MadeBy):
			retyped = append(retyped, was.Name)
		}
	}
	return dropped, retyped
}

// asked reports whether the request is about a relation.
func (l *Loss) asked(db *catalog.Database, rel *catalog.Relation) bool {
	return len(l.req.Tables) == 0 || slices.ContainsFunc(l.req.Tables, func(t Target) bool {
		return t.Database.OID == db.OID && t.Relation.OID == rel.OID
	})
}

// addColumns makes the table of a loss of columns: the shape from before, of which
// only the primary key and the lost columns are decoded. Without a key that is left,
// all columns tell which row it was.
func (l *Loss) addColumns(db *catalog.Database, rel *catalog.Relation, names []string, retyped bool) *Table {
	shape := *rel
	shape.Attributes = slices.Clone(rel.Attributes)
	if !retyped && slices.ContainsFunc(rel.PrimaryKey, func(n int16) bool { return slices.Contains(names, rel.Attributes[n-1].Name) }) {
		shape.PrimaryKey = nil // it went with the column
	}
	for i := range shape.Attributes {
		a := &shape.Attributes[i]
		if shape.PrimaryKey != nil && !slices.Contains(names, a.Name) && !slices.Contains(shape.PrimaryKey, a.Number) {
			a.Dropped = true
		}
	}
	t := &Table{Database: db, Relation: &shape, File: rel.File, Columns: names, Retyped: retyped, index: len(l.tables), toastOf: -1}
	l.tables = append(l.tables, t)
	for i := range db.Relations {
		if toast := &db.Relations[i]; rel.Toast != 0 && toast.OID == rel.Toast {
			l.addTable(db, toast, toast.File, t.index)
		}
	}
	return t
}

// columnsOf puts a line into the ledger for each row that the table had, settled
// at once. Where a page cannot be had, nobody knows how many rows it held.
func (l *Loss) columnsOf(ctx context.Context, t *Table, tx *xact.Transaction) error {
	sight, err := newSight(ctx, l, tx)
	if err != nil {
		return err
	}
	var tbl *standing
	tbl = &standing{Loss: l, table: t, at: tx.EndLSN, visit: func(block pg.BlockNumber, p heap.Page, by state) error {
		return eachTuple(p, func(offset pg.OffsetNumber, tuple *heap.Tuple) error {
			seen, unsure := sight.sees(tuple)
			if !seen {
				return nil
			}
			body, err := l.spool.add(tuple.Raw)
			if err != nil {
				return err
			}
			l.entries = append(l.entries, entry{
				lsn: tx.EndLSN, end: tx.EndLSNAfter, xid: tx.XID, xmax: tx.XID, table: int32(t.index),
				block: block, offset: offset, body: body, state: by, namedByHeap: by == byHeap, unsure: unsure, derived: tbl.stale(),
			})
			return nil
		})
	}}
	if err := tbl.read(ctx); err != nil {
		return err
	}
	switch {
	case tbl.unlogged:
		l.Covered, l.Uncovered = false, t.Name()+": the table is unlogged: no WAL says which rows it had then"
	case tbl.mayGoOn != "":
		l.Covered, l.Uncovered = false, fmt.Sprintf("%s: the segment %s, which would come next, is missing: it may have had more pages", t.Name(), tbl.mayGoOn)
	}
	if tbl.unseen > 0 {
		why := fmt.Sprintf("%d pages of %s as they were then are neither in its file nor in the WAL at hand", tbl.unseen, t.Name())
		l.Covered, l.Uncovered = false, why
		l.Gaps = append(l.Gaps, evidence.Gap{Where: t.Name(), What: fmt.Sprintf("%d pages", tbl.unseen), Why: tbl.why, Consequence: "rows on them are not in this ledger"})
	}
	return nil
}

// columnsText lists columns as part of a table's name.
func columnsText(names []string) string {
	quoted := make([]string, len(names))
	for i, name := range names {
		quoted[i] = pg.QuoteIdent(name)
	}
	if len(names) == 1 {
		return "column " + quoted[0]
	}
	return "columns " + strings.Join(quoted, ", ")
}

// markDropped tells the writers which columns of a shape were dropped.
func markDropped(rel *evidence.Relation, names []string) {
	for i := range rel.Columns {
		rel.Columns[i].Dropped = slices.Contains(names, rel.Columns[i].Name)
	}
}
