package triage

import (
	"cmp"
	"slices"

	"github.com/pgrescue/pgrescue/recover/catalog"
	"github.com/pgrescue/pgrescue/recover/pg"
	"github.com/pgrescue/pgrescue/recover/undelete"
	"github.com/pgrescue/pgrescue/recover/wal/xact"
)

// Names names relations by their files.
type Names struct {
	index *catalog.Index // nil: nothing has a name
}

// NewNames makes the names of a snapshot; nil: there are no catalogs.
func NewNames(snapshot *catalog.Snapshot) *Names {
	if snapshot == nil {
		return &Names{}
	}
	return &Names{index: catalog.NewIndex(snapshot)}
}

// Of names a relation, or prints its file numbers.
func (n *Names) Of(file pg.RelFileLocator) string {
	if n.index != nil {
		if _, rel, known := n.index.ByFile(file); known {
			return rel.QualifiedName()
		}
	}
	return file.String()
}

// IsToast reports whether a file is that of a TOAST table.
func (n *Names) IsToast(file pg.RelFileLocator) bool { return n.isKind(file, "t") }

// isKind reports whether a file is known to be of a relation with that relkind.
func (n *Names) isKind(file pg.RelFileLocator, kind string) bool {
	if n.index == nil {
		return false
	}
	_, rel, known := n.index.ByFile(file)
	return known && rel.Kind == kind
}

// Transaction names what a transaction did, the table first to which it did most.
func (n *Names) Transaction(tx *xact.Transaction) Transaction {
	t := Transaction{
		XID: tx.XID, State: tx.State, End: tx.End, EndLSN: tx.EndLSN, FirstLSN: tx.First, Subxacts: slices.Clone(tx.Subxacts), Tables: []TableChange{},
	}
	for _, tally := range tx.Tallies {
		t.Tables = append(t.Tables, TableChange{
			Table: n.Of(tally.Relation), File: tally.Relation.String(), Inserted: tally.Inserted, Updated: tally.Updated, Deleted: tally.Deleted, derived: n.isKind(tally.Relation, "m"),
		})
	}
	slices.SortStableFunc(t.Tables, func(a, b TableChange) int {
		return cmp.Or(cmp.Compare(b.Deleted+b.Updated, a.Deleted+a.Updated), cmp.Compare(b.Inserted, a.Inserted), cmp.Compare(a.Table, b.Table))
	})
	t.Removed, t.Unknown = n.Removals(tx)
	return t
}

// Removals names the tables whose files a transaction removed; unknown counts
// the files that the catalogs do not know: those of indexes, and of tables that
// were dropped before the catalogs at hand.
func (n *Names) Removals(tx *xact.Transaction) (tables []RemovedTable, unknown int) {
	if n.index == nil || tx.State != xact.Committed {
		return nil, len(tx.Dropped)
	}
	for _, file := range tx.Dropped {
		_, rel, known := n.index.ByFile(file)
		switch {
		case !known:
			unknown++
		case rel.Kind != "t":
			tables = append(tables, RemovedTable{Table: rel.QualifiedName(), Loss: undelete.RemovalOf(tx, rel, file), File: file.String(), derived: rel.Kind == "m"})
		}
	}
	return tables, unknown
}

// CountRemovals tells how many tables a transaction took, rows and all, and
// whether it removed files of which none is known. With files, only those count.
func (n *Names) CountRemovals(tx *xact.Transaction, files map[pg.RelFileLocator]bool) (lost int64, puzzling bool) {
	tables, unknown := n.Removals(tx)
	for _, t := range tables {
		if t.Loss.Lost() {
			lost++
		}
	}
	if len(files) == 0 {
		return lost, lost == 0 && unknown > 0 && tx.State == xact.Committed
	}
	lost = 0
	if n.index == nil {
		return lost, false
	}
	for _, file := range tx.Dropped {
		if _, rel, known := n.index.ByFile(file); files[file] && known && undelete.RemovalOf(tx, rel, file).Lost() {
			lost++
		}
	}
	return lost, false
}
