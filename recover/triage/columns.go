package triage

import (
	"context"
	"slices"

	"github.com/pgrescue/pgrescue/recover/catalog"
	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/heap"
	"github.com/pgrescue/pgrescue/recover/pg"
	"github.com/pgrescue/pgrescue/recover/redo"
	"github.com/pgrescue/pgrescue/recover/undelete"
	"github.com/pgrescue/pgrescue/recover/wal/xact"
)

// The catalogs whose changes say more than how many rows were touched.
const (
	attributeCatalog = "pg_attribute"
	databaseCatalog  = "pg_database"
)

// mostReshaped bounds how many transactions that changed columns are looked into.
const mostReshaped = 1000

// catalogFiles finds the files of pg_attribute, in which a transaction that drops columns changes rows, and of
// pg_database, in which one that drops a database deletes one.
func catalogFiles(ctx context.Context, ev *undelete.Evidence, trail *evidence.Trail) (map[pg.RelFileLocator]string, error) {
	if ev.DataDir == "" || ev.Archive == nil || ev.Snapshot == nil {
		return nil, nil
	}
	files, err := redo.CatalogFiles(ctx, ev.Archive, heap.DataDir{Path: ev.DataDir, Tablespaces: ev.Tablespaces, Trail: trail}, nil)
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, nil // opening the evidence told what is wrong with the catalogs
	}
	found := make(map[pg.RelFileLocator]string)
	for file, name := range files {
		if name == attributeCatalog || name == databaseCatalog {
			found[file] = name
		}
	}
	return found, nil
}

// takeCatalogs takes the catalogs out of what a transaction touched, and notes one that dropped columns or a database.
func (t *tallying) takeCatalogs(tx *xact.Transaction) {
	reshapes, drops := false, false
	tx.Tallies = slices.DeleteFunc(tx.Tallies, func(c xact.Tally) bool {
		switch t.catalogs[c.Relation] {
		case attributeCatalog:
			reshapes = reshapes || c.Updated > 0
		case databaseCatalog:
			drops = drops || c.Deleted > 0
		default:
			return false
		}
		return true
	})
	if tx.State != xact.Committed {
		return
	}
	if reshapes && len(t.reshaped) < mostReshaped {
		t.reshaped = append(t.reshaped, xact.Transaction{XID: tx.XID, Subxacts: slices.Clone(tx.Subxacts), State: tx.State, First: tx.First, End: tx.End, EndLSN: tx.EndLSN, EndLSNAfter: tx.EndLSNAfter})
	}
	if drops && len(t.databases) < mostDroppedDatabases {
		t.databases = append(t.databases, DroppedDatabase{tx.XID, tx.End, tx.EndLSN})
	}
}

// DroppedColumns are columns that one transaction dropped from a table which is there still.
type DroppedColumns struct {
	XID     pg.XID
	Table   evidence.RelationName
	File    string
	Rows    float64 // of the table; -1: not known
	Columns []string
}

// readColumns finds the columns that transactions in the WAL dropped. The catalogs name a dropped column no more, so
// those just before the transaction are asked for its name.
func (w *WAL) readColumns(ctx context.Context, ev *undelete.Evidence) error {
	if len(w.reshaped) == 0 || ev.Snapshot == nil {
		return nil
	}
	if ev.HasHistory() {
		if err := ev.ReadHistory(ctx, w.from); err != nil {
			return err
		}
	}
	for i := range ev.Snapshot.Databases {
		db := &ev.Snapshot.Databases[i]
		for j := range db.Relations {
			rel := &db.Relations[j]
			if !ofUser(rel) || rel.DroppedBy != pg.InvalidXID {
				continue
			}
			for k := range w.reshaped {
				tx := &w.reshaped[k]
				if numbers := droppedBy(rel, tx); len(numbers) > 0 {
					found := DroppedColumns{XID: tx.XID, Table: evidence.RelationName{Database: db.Name, Schema: rel.Schema, Name: rel.Name}, File: rel.File.String(), Rows: float64(rel.Rows)}
					found.Columns = w.namesBefore(ctx, ev, tx, db.OID, rel, numbers)
					w.Columns = append(w.Columns, found)
				}
			}
		}
	}
	return ctx.Err()
}

// droppedBy are the numbers of the columns that a transaction dropped.
func droppedBy(rel *catalog.Relation, tx *xact.Transaction) (numbers []int16) {
	for i := range rel.Attributes {
		if a := &rel.Attributes[i]; a.Dropped && tx.Has(a.MadeBy) {
			numbers = append(numbers, a.Number)
		}
	}
	return numbers
}

// namesBefore names columns as they were called before a transaction dropped them; what nobody tells has the name that
// PostgreSQL gave it then.
func (w *WAL) namesBefore(ctx context.Context, ev *undelete.Evidence, tx *xact.Transaction, database pg.OID, rel *catalog.Relation, numbers []int16) (names []string) {
	before, known := w.before[tx.XID]
	if !known && len(w.before) < mostPoints {
		var err error
		if before, _, err = ev.CatalogBefore(ctx, w.from, tx.EndLSN); err != nil {
			before = nil
		}
		w.before[tx.XID] = before
	}
	shape := rel
	if before != nil {
		for i := range before.Databases {
			db := &before.Databases[i]
			at := slices.IndexFunc(db.Relations, func(r catalog.Relation) bool { return r.OID == rel.OID })
			if db.OID == database && at >= 0 && len(db.Relations[at].Attributes) >= int(slices.Max(numbers)) {
				shape = &db.Relations[at]
			}
		}
	}
	for _, n := range numbers {
		names = append(names, shape.Attributes[n-1].Name)
	}
	return names
}
