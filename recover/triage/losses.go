package triage

import (
	"cmp"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/pg"
	"github.com/pgrescue/pgrescue/recover/undelete"
	"github.com/pgrescue/pgrescue/recover/wal/xact"
)

// Way is how rows or tables went.
type Way string

// The ways.
const (
	ByDelete   Way = "DELETE"
	ByUpdate   Way = "UPDATE"
	ByTruncate Way = "TRUNCATE"
	ByDrop     Way = "DROP"
	ByColumn   Way = "DROP COLUMN"
)

// Loss is what one transaction took, as far as it stands out from what is usual.
type Loss struct {
	Way      Way         `json:"way"`
	XID      pg.XID      `json:"xid,omitempty"`
	End      time.Time   `json:"end_time,omitzero"`
	FirstLSN pg.LSN      `json:"first_lsn,omitempty"`
	EndLSN   pg.LSN      `json:"end_lsn,omitempty"`
	Tables   []LostTable `json:"tables"`
	// ByLog: only a log tells of it, and no WAL does.
	ByLog *Statement `json:"by_log,omitempty"`
	// Statements are those of logs that are joined with the transaction.
	Statements []*Statement `json:"statements,omitempty"`
}

// LostTable is what a loss took from one table.
type LostTable struct {
	Name evidence.RelationName `json:"name"`
	File string                `json:"file,omitempty"`
	Way  Way                   `json:"way"`
	Rows int64                 `json:"rows"` // -1: not known
	// Left is about how many rows the table had beside those; -1: not known.
	Left int64 `json:"left"`
	// Columns are those that were dropped, where the rows are there still.
	Columns []string `json:"columns,omitempty"`
}

// rows adds up what is known; -1: nothing is.
func (l *Loss) rows() int64 {
	total := int64(-1)
	for i := range l.Tables {
		if n := l.Tables[i].Rows; n >= 0 {
			total = max(total, 0) + n
		}
	}
	return total
}

// whole reports whether tables went as a whole.
func (l *Loss) whole() bool { return l.Way == ByTruncate || l.Way == ByDrop }

const (
	// fewest is how many rows a transaction takes at least before it can stand out unasked.
	fewest = 10
	// many is how many rows stand out in a big table.
	many = 1000
	// usual is how many transactions make a habit.
	usual = 3
)

// Losses finds what stands out: tables that went with their rows, and transactions that took
// a large part of a table as no others do. Nothing that was rolled back, and nothing of which a
// log says only that somebody tried, is among them. Of the tables that were asked for, each
// transaction that took rows is.
func Losses(f *Facts) []Loss {
	var list []Loss
	if f.WAL != nil {
		for i := range f.WAL.Transactions {
			if tx := &f.WAL.Transactions[i]; tx.State == xact.Committed && f.Asked.within(tx.End) {
				list = append(list, f.lossesOf(tx)...)
			}
		}
	}
	list = append(list, f.logged(list)...)
	list = append(list, f.columnLosses()...)
	rank := map[Way]int{ByTruncate: 0, ByDrop: 0, ByDelete: 1, ByColumn: 2, ByUpdate: 3}
	slices.SortStableFunc(list, func(a, b Loss) int {
		return cmp.Or(cmp.Compare(rank[a.Way], rank[b.Way]), cmp.Compare(b.rows(), a.rows()), b.End.Compare(a.End))
	})
	return list
}

// columnLosses are the columns that were dropped from tables with rows.
func (f *Facts) columnLosses() (list []Loss) {
	if f.WAL == nil {
		return nil
	}
	for i := range f.WAL.Columns {
		c := &f.WAL.Columns[i]
		t := f.byFile(c.File, c.Table)
		at := slices.IndexFunc(f.WAL.reshaped, func(tx xact.Transaction) bool { return tx.XID == c.XID })
		if at < 0 || c.Rows == 0 || t != nil && t.Bytes == 0 || !f.Asked.wants(c.Table) || !f.Asked.within(f.WAL.reshaped[at].End) {
			continue
		}
		tx := &f.WAL.reshaped[at]
		lost := LostTable{Name: c.Table, File: c.File, Way: ByColumn, Rows: int64(math.Round(c.Rows)), Left: -1, Columns: c.Columns}
		if same := slices.IndexFunc(list, func(l Loss) bool { return l.XID == c.XID }); same >= 0 {
			list[same].Tables = append(list[same].Tables, lost)
			continue
		}
		list = append(list, Loss{Way: ByColumn, XID: tx.XID, End: tx.End, FirstLSN: cmp.Or(tx.First, tx.EndLSN), EndLSN: tx.EndLSN, Tables: []LostTable{lost}, Statements: f.told(&Transaction{XID: tx.XID, Subxacts: tx.Subxacts})})
	}
	return list
}

// lossesOf finds what of a transaction stands out: its removals, deletes and updates, each for itself.
func (f *Facts) lossesOf(tx *Transaction) []Loss {
	ways := map[Way][]LostTable{}
	for _, r := range tx.Removed {
		if lost, ok := f.removedBy(tx, r); ok {
			ways[lost.Way] = append(ways[lost.Way], lost)
		}
	}
	for i := range tx.Tables {
		c := &tx.Tables[i]
		name := NameOf(c.Table)
		if !f.Asked.wants(name) || c.derived && len(f.Asked.Tables) == 0 {
			continue
		}
		if f.standsOut(tx, c, false) {
			ways[ByDelete] = append(ways[ByDelete], f.lost(c))
		}
		if f.standsOut(tx, c, true) {
			ways[ByUpdate] = append(ways[ByUpdate], LostTable{Name: name, File: c.File, Way: ByUpdate, Rows: c.Updated, Left: -1})
		}
	}
	f.withChildren(tx, ways)
	var list []Loss
	for _, way := range []Way{ByDrop, ByTruncate, ByDelete, ByUpdate} {
		if len(ways[way]) > 0 {
			list = append(list, Loss{Way: way, XID: tx.XID, End: tx.End, FirstLSN: cmp.Or(tx.FirstLSN, tx.EndLSN), EndLSN: tx.EndLSN, Tables: ways[way], Statements: f.told(tx)})
		}
	}
	return list
}

// withChildren adds what else a transaction deleted, once something of it stands out: the
// children that went with their parents.
func (f *Facts) withChildren(tx *Transaction, ways map[Way][]LostTable) {
	if len(ways[ByDelete]) == 0 {
		return
	}
	for i := range tx.Tables {
		c := &tx.Tables[i]
		name := NameOf(c.Table)
		there := slices.ContainsFunc(ways[ByDelete], func(l LostTable) bool { return SameTable(l.Name, name) })
		if c.Deleted > 0 && !there && !replaced(c) {
			ways[ByDelete] = append(ways[ByDelete], f.lost(c))
		}
	}
	children := func(l LostTable) int {
		t := f.table(l.Name)
		if t != nil && slices.ContainsFunc(t.Parents, func(parent evidence.RelationName) bool {
			return !SameTable(parent, l.Name) && slices.ContainsFunc(ways[ByDelete], func(other LostTable) bool { return SameTable(other.Name, parent) })
		}) {
			return 1
		}
		return 0
	}
	slices.SortStableFunc(ways[ByDelete], func(a, b LostTable) int { return children(a) - children(b) })
}

// told are the statements that are joined with a transaction.
func (f *Facts) told(tx *Transaction) (list []*Statement) {
	for i := range f.Statements {
		if s := &f.Statements[i]; s.Fate != Failed && (s.XID == tx.XID || slices.Contains(tx.Subxacts, s.XID)) && s.XID != 0 {
			list = append(list, s)
		}
	}
	return list
}

// removedBy tells what a removed file meant: not where the transaction filled the table
// again, with half as many rows at least, and not where that is what always happens to it.
func (f *Facts) removedBy(tx *Transaction, r RemovedTable) (LostTable, bool) {
	name := NameOf(r.Table)
	if !r.Loss.Lost() || !f.Asked.wants(name) || r.derived && len(f.Asked.Tables) == 0 {
		return LostTable{}, false
	}
	lost := LostTable{Name: name, File: r.File, Way: ByDrop, Rows: -1, Left: -1}
	if r.Loss == undelete.Truncated {
		lost.Way = ByTruncate
	}
	brought := f.WAL.Brought[r.File]
	switch t := f.byFile(r.File, name); {
	case f.WAL.Created[r.File]: // the WAL has all of its rows
		lost.Rows = brought
	case t != nil && t.File == r.File && t.Rows > 0:
		lost.Rows = int64(math.Round(t.Rows))
	case brought > 0:
		lost.Rows = brought
	}
	if habit := f.WAL.habitOf(r.Table, r.File); habit != nil && len(f.Asked.Tables) == 0 && f.removals(habit, name, lost.Rows) >= usual {
		return lost, false // a staging table
	}
	filled := tx.change(r.Table).Inserted
	if lost.Rows > 0 { // what the catalogs counted may be old
		return lost, 2*filled < lost.Rows
	}
	return lost, filled == 0 && lost.Rows != 0
}

// removals counts how often a table went with nearly as many rows: an empty one that is truncated is no habit of losing rows.
func (f *Facts) removals(habit *Habit, name evidence.RelationName, rows int64) (count int64) {
	if rows < 0 {
		return habit.Truncates
	}
	for _, file := range habit.removed {
		had := f.WAL.Brought[file]
		if t := f.byFile(file, name); t != nil && t.File == file {
			had = max(had, int64(math.Round(t.Rows)))
		}
		if 4*had >= rows {
			count++
		}
	}
	return count
}

// byFile finds the table that had a file: of two with one name, the one that is gone.
func (f *Facts) byFile(file string, name evidence.RelationName) *Table {
	for i := range f.Tables {
		if f.Tables[i].File == file {
			return &f.Tables[i]
		}
	}
	if t := f.table(name); t != nil && sameDatabase(t.File, file) {
		return t
	}
	return nil
}

// sameDatabase reports whether two files may be of one database: those whose numbers are not known may be of any.
func sameDatabase(a, b string) bool {
	one, other := strings.Split(a, "/"), strings.Split(b, "/")
	return len(one) < 3 || len(other) < 3 || one[1] == other[1]
}

// replaced reports whether a transaction brought as many rows as it deleted: it loaded the table anew.
func replaced(c *TableChange) bool { return c.Inserted >= c.Deleted }

// left is about how many rows a table had beside those that were taken; -1: not known. It may be
// how many it had before, when after is false: the catalogs do not say when they counted.
func (f *Facts) left(c *TableChange) (rows int64, after bool) {
	t := f.byFile(c.File, NameOf(c.Table))
	if habit := f.WAL.habitOf(c.Table, c.File); habit != nil {
		if rows = max(0, habit.Inserted-habit.Deleted); f.WAL.Created[c.File] {
			return rows, true
		}
	}
	if t != nil && t.Rows >= 0 {
		counted := int64(math.Round(t.Rows))
		if t.Stats != nil && t.Stats.Inserted > 0 { // neither is exact: sessions tell the statistics late what they did
			counted = min(counted, t.Stats.Live)
		}
		return max(rows, counted), false
	}
	if rows > 0 {
		return rows, false
	}
	return -1, false
}

// lost is what a transaction deleted from a table.
func (f *Facts) lost(c *TableChange) LostTable {
	lost := LostTable{Name: NameOf(c.Table), File: c.File, Way: ByDelete, Rows: c.Deleted, Left: -1}
	if rows, after := f.left(c); after {
		lost.Left = rows
	}
	return lost
}

// standsOut reports whether a transaction took of a table what others do not take: a quarter
// of it, or a tenth where nobody else takes nearly as many rows, or many of a big table.
func (f *Facts) standsOut(tx *Transaction, c *TableChange, updates bool) bool {
	n := c.Deleted
	if updates {
		n = c.Updated
	}
	if n == 0 || !updates && (replaced(c) || f.archived(tx, c)) {
		return false
	}
	if len(f.Asked.Tables) > 0 {
		return true // somebody misses rows of it
	}
	habit := f.WAL.habitOf(c.Table, c.File)
	if n < fewest || habit != nil && habit.like(n, updates) >= usual {
		return false
	}
	left, after := f.left(c)
	if updates { // the rows are among those that are left
		return left <= 0 || 2*n >= left
	}
	parts := int64(4)
	if !after { // those that were counted may be all that there were before
		parts = 5
	}
	if left <= 0 || parts*n >= left+n {
		return true
	}
	// Nobody else takes nearly as many: less will do, and less still where other tables are hurt too.
	if habit == nil || habit.like(n, false) > 1 {
		return false
	}
	return 11*n >= left+n || n >= many && 101*n >= left+n || 21*n >= left+n && f.hurtsMore(tx, c)
}

// hurtsMore reports whether a transaction deleted from another table too what nobody else deletes.
func (f *Facts) hurtsMore(tx *Transaction, c *TableChange) bool {
	return slices.ContainsFunc(tx.Tables, func(other TableChange) bool {
		habit := f.WAL.habitOf(other.Table, other.File)
		return other.Table != c.Table && other.Deleted >= fewest && !replaced(&other) && habit != nil && habit.like(other.Deleted, false) == 1
	})
}

// archived reports whether a transaction brought as many rows to another table as it took from this one,
// and that table has room for them: an audit that only tells which rows went is no archive.
func (f *Facts) archived(tx *Transaction, c *TableChange) bool {
	from := f.byFile(c.File, NameOf(c.Table))
	return slices.ContainsFunc(tx.Tables, func(other TableChange) bool {
		if other.Table == c.Table || other.Inserted < c.Deleted || other.Deleted != 0 || other.Updated != 0 {
			return false
		}
		to := f.byFile(other.File, NameOf(other.Table))
		lacks := func(column string) bool { return !slices.Contains(to.Columns, column) }
		return from == nil || to == nil || to.Columns == nil || !slices.ContainsFunc(from.Columns, lacks)
	})
}

// deleting counts the transactions that deleted rows.
func (h *Habit) deleting() (count int64) {
	for _, n := range h.deletes {
		count += n
	}
	return count
}

// logged finds statements of logs that took something, where the WAL does not reach.
func (f *Facts) logged(known []Loss) (list []Loss) {
	for i := range f.Statements {
		s := &f.Statements[i]
		took := s.Fate == Committed || s.Fate == Executed
		if !took || !f.Asked.wants(s.Table) || !f.Asked.within(s.Time) || s.Table.Name == "" {
			continue
		}
		way, ok := wayOf(s.Verb)
		if !ok || s.Rows == 0 || f.covers(s.Time) {
			continue
		}
		if len(f.Asked.Tables) == 0 && (way == ByUpdate || way == ByDelete && s.Rows >= 0 && s.Rows < fewest || f.habitual(s)) {
			continue
		}
		list = append(list, Loss{Way: way, XID: s.XID, End: s.Time, ByLog: s, Statements: []*Statement{s}, Tables: []LostTable{{Name: s.Table, Way: way, Rows: s.Rows, Left: -1}}})
	}
	return list
}

// habitual reports whether logs tell of many like statements on the table.
func (f *Facts) habitual(s *Statement) bool {
	n := 0
	for i := range f.Statements {
		other := &f.Statements[i]
		if other.Verb == s.Verb && SameTable(other.Table, s.Table) && other.Fate != Failed && other.Fate != RolledBack && (s.Rows < 0 || other.Rows < 0 || 4*other.Rows >= s.Rows) {
			n++
		}
	}
	return n >= usual
}

// covers reports whether the WAL at hand has the transactions of a time.
func (f *Facts) covers(t time.Time) bool {
	return f.WAL != nil && !f.WAL.First.IsZero() && !t.Before(f.WAL.First.Add(-sameClock)) && !t.After(f.WAL.Last.Add(sameClock))
}

func wayOf(verb string) (Way, bool) {
	switch verb {
	case "DELETE":
		return ByDelete, true
	case "UPDATE":
		return ByUpdate, true
	case "TRUNCATE":
		return ByTruncate, true
	case "DROP":
		return ByDrop, true
	case "ALTER": // of those only what drops columns is taken from logs
		return ByColumn, true
	}
	return "", false
}
