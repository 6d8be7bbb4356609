package undelete

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/pgrescue/pgrescue/recover/catalog"
	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/pg"
	"github.com/pgrescue/pgrescue/recover/redo"
	"github.com/pgrescue/pgrescue/recover/wal/xact"
)

// state tells how a ledger line stands.
type state uint8

const (
	pending state = iota
	byHeap
	byWAL
	missing
)

// entry is one line of the ledger in memory. A loss of ten million rows has ten
// million of them, so it holds numbers and no pointers.
type entry struct {
	lsn, end            pg.LSN
	body, successor     ref // tuple bytes in the spool
	xid, xmax           pg.XID
	block, newBlock     pg.BlockNumber
	tx                  int32 // index of Loss.Transactions
	table               int32 // index of Loss.tables
	reason              int32 // index of Loss.reasons, when missing or in part
	offset, newOffset   pg.OffsetNumber
	state               state
	deleted, multi      bool
	namedByHeap, inPart bool
	carved              bool  // by heap, from its page's free space
	removed             bool  // with the whole file
	derived             bool  // by heap, from an older page whose history has a hole
	also                uint8 // number of the further copy that it was found in; 0: none
	unsure              bool  // nothing at hand says whether its transactions committed; see Loss.unsure
}

func (e *entry) tid() pg.TID { return pg.TID{Block: e.block, Offset: e.offset} }

// Line is one line of the ledger as it is shown and written to ledger.jsonl.
type Line struct {
	Relation   string             `json:"relation"`
	File       string             `json:"file"` // tablespace/database/relation
	TID        pg.TID             `json:"tid"`
	XID        pg.XID             `json:"xid"`               // toplevel transaction
	Subxact    pg.XID             `json:"subxact,omitempty"` // when a subtransaction did it
	LSN        pg.LSN             `json:"lsn"`
	Operation  evidence.Operation `json:"operation"`
	CommitTime string             `json:"commit_time,omitempty"`
	Committed  time.Time          `json:"-"` // CommitTime; zero when it is not known
	NamedBy    evidence.Route     `json:"named_by"`
	Settled    evidence.Route     `json:"settled_by,omitempty"`
	Carved     bool               `json:"carved,omitempty"`  // from the free space of its page
	Copy       string             `json:"copy,omitempty"`    // the further copy it was found in
	Derived    bool               `json:"derived,omitempty"` // from an older page: not proven
	InPart     bool               `json:"in_part,omitempty"`
	Reason     string             `json:"reason,omitempty"` // why missing, or why in part
	Unsure     bool               `json:"commit_state_unknown,omitempty"`
}

// Balance is the equation of one table: Lost = Heap + WAL + InPart + Missing.
// Intermediate and Updated tell how many of the lost versions were made by the
// destroying transaction itself, and how many were replaced rather than deleted.
type Balance struct {
	Lost    int64 `json:"lost"`
	Heap    int64 `json:"settled_by_heap"`
	WAL     int64 `json:"settled_by_wal"`
	InPart  int64 `json:"in_part"`
	Missing int64 `json:"missing"`

	Deleted      int64 `json:"deleted"`
	Updated      int64 `json:"updated"`
	Carved       int64 `json:"carved"`              // of those settled by heap: from the free space of their pages
	Also         int64 `json:"from_further_copies"` // of those settled by heap
	Derived      int64 `json:"derived"`             // of those: from an older page, not proven
	Intermediate int64 `json:"made_by_the_same_transaction"`
	Columns      int64 `json:"lost_columns,omitempty"` // rows that lost columns, not themselves
	// Removed counts those of Deleted that went with the whole table.
	Removed int64 `json:"removed_with_the_table,omitempty"`
	// Unsure counts those of which nothing at hand says that their transaction committed.
	Unsure int64 `json:"commit_state_unknown,omitempty"`
	// Unseen is set for a table that was removed as a whole.
	Unseen *Unseen `json:"whole_table,omitempty"`

	Reasons []ReasonCount `json:"reasons,omitempty"`
}

// ReasonCount says how many versions are missing, or in part, for one reason.
type ReasonCount struct {
	Reason string `json:"reason"`
	Count  int64  `json:"count"`
}

// Settled is the number of versions that came back whole.
func (b *Balance) Settled() int64 { return b.Heap + b.WAL }

// Balances reports whether the equation holds to the row.
func (b *Balance) Balances() bool { return b.Lost == b.Heap+b.WAL+b.InPart+b.Missing }

// Table is one table of a loss.
type Table struct {
	Database *catalog.Database
	Relation *catalog.Relation // nil when the catalog does not know it
	File     pg.RelFileLocator
	Balance  Balance
	// Columns are the columns that were dropped, where the loss is theirs; nil: whole rows.
	Columns []string
	// Retyped: they were not dropped, but got new values when the table was rewritten.
	Retyped bool
	// Removal tells how the table was lost as a whole; "": it was not.
	Removal Removal

	removedBy pg.XID
	unseen    Unseen
	index     int
	toastOf   int // index of the table whose values it holds; -1 for an ordinary table
	reasons   map[int32]int64
	first     int // its entries are Loss.entries[first:last]
	last      int
}

// Name is schema and name, or the file's name when the catalog does not know the table.
func (t *Table) Name() string {
	if t.Relation == nil {
		return "unknown relation " + t.File.String()
	}
	switch {
	case t.Retyped:
		return t.Relation.QualifiedName() + " (" + columnsText(t.Columns) + " before the rewrite)"
	case t.Columns != nil:
		return t.Relation.QualifiedName() + " (" + columnsText(t.Columns) + ")"
	case t.Removal != "" && t.Relation.DroppedBy == pg.InvalidXID || t.Removal == Truncated:
		return fmt.Sprintf("%s (%s by transaction %d)", t.Relation.QualifiedName(), t.Removal, t.removedBy)
	case t.File != t.Relation.File:
		return t.Relation.Label() + " (its former file " + t.File.String() + ")"
	}
	return t.Relation.Label()
}

// Root is the partitioned table that the table is a partition of at some depth, or nil.
func (t *Table) Root() *catalog.Relation {
	if t.Relation == nil {
		return nil
	}
	return t.Database.Root(t.Relation)
}

// Loss is what one transaction, or the transactions since a time, destroyed.
type Loss struct {
	Transactions []xact.Transaction
	Gaps         []evidence.Gap
	// Covered reports whether the WAL names every version that the transactions
	// destroyed; Uncovered says why not, when it does not.
	Covered   bool
	Uncovered string
	// Kept are tables whose file a transaction replaced without losing a row.
	Kept []KeptFile
	// Sequences tell where those stood that the transactions dropped or restarted.
	Sequences []SequenceState

	// RolledBack are the parts of the transaction asked for that were rolled back.
	RolledBack []RolledBack

	ev           *Evidence
	req          Request
	scan         *xact.Result
	scanned      pg.LSN // from where; 0: from the start of the WAL
	tables       []*Table
	byFile       map[pg.RelFileLocator]int
	entries      []entry
	toastEntries []entry // while the ledger is listed
	reasons      []string
	reasonIndex  map[string]int32
	txIndex      map[pg.XID]int32
	spool        spool
	chunks       chunkStore
	attributes   map[pg.RelFileLocator]bool // files of pg_attribute
	catalogFiles map[pg.RelFileLocator]bool
	reshaped     bool                  // the transaction replaced rows of it
	behind       map[redo.PageKey]bool // pages whose file is older than a ledger line

	removals    []removal
	index       *catalog.Index // of the snapshot before the history was read
	historyRead bool           // the snapshot knows what was dropped and which files there were
	unnamed     int            // removed files that nothing at hand knows
	older       *xact.Outcomes // before scanned; nil: pg_xact knows them
	guesses     map[pg.XID]Removal
	told        map[[2]string]bool // places of Gaps
	ended       map[pg.XID]bool    // transactions that hint bits prove to be committed
}

// Tables lists the tables of the loss by name; TOAST tables are left out. A dropped
// table is lost even when it had no row.
func (l *Loss) Tables() []*Table {
	var tables []*Table
	for _, t := range l.tables {
		if t.toastOf < 0 && (t.last > t.first || t.unseen.Why != "" || l.droppedEmpty(t)) {
			tables = append(tables, t)
		}
	}
	slices.SortFunc(tables, func(a, b *Table) int {
		return cmp.Or(cmp.Compare(b.last-b.first, a.last-a.first), cmp.Compare(a.Name(), b.Name()))
	})
	return tables
}

// droppedEmpty reports whether a table was dropped that had no row, in none of its files.
func (l *Loss) droppedEmpty(t *Table) bool {
	return t.Removal == Dropped && t.Relation != nil && t.toastOf < 0 && t.File == t.Relation.File &&
		!slices.ContainsFunc(l.tables, func(other *Table) bool {
			return other.Relation == t.Relation && other.Columns == nil && (other.last > other.first || other.unseen.Why != "")
		})
}

// Lines is the number of lines in the ledger, those of TOAST tables included.
func (l *Loss) Lines() int { return len(l.entries) }

// Close gives back memory and temporary files.
func (l *Loss) Close() error { return l.spool.close() }

// fail marks a line as missing.
func (l *Loss) fail(e *entry, reason string) {
	e.state, e.reason = missing, l.reason(reason)
}

// reason numbers a text, so that millions of lines can share it.
func (l *Loss) reason(text string) int32 {
	n, seen := l.reasonIndex[text]
	if !seen {
		n = int32(len(l.reasons))
		l.reasons = append(l.reasons, text)
		l.reasonIndex[text] = n
	}
	return n
}

// sortEntries orders the ledger by table, block and LSN, and notes where each
// table's lines are. A big delete walks its table in order, so mostly there is
// nothing to sort but what TOAST tables bring in between.
func (l *Loss) sortEntries() {
	if !slices.IsSortedFunc(l.entries, byPlace) {
		slices.SortFunc(l.entries, byPlace)
	}
	at := 0
	for i, t := range l.tables {
		t.first = at
		for at < len(l.entries) && l.entries[at].table == int32(i) {
			at++
		}
		t.last = at
	}
}

func byPlace(a, b entry) int {
	return cmp.Or(cmp.Compare(a.table, b.table), cmp.Compare(a.block, b.block), cmp.Compare(a.lsn, b.lsn), cmp.Compare(a.offset, b.offset))
}

// tally fills the balances of all tables from the lines.
func (l *Loss) tally() {
	for _, t := range l.tables {
		b := Balance{}
		t.reasons = make(map[int32]int64)
		for i := t.first; i < t.last; i++ {
			e := &l.entries[i]
			b.Lost++
			if e.removed {
				b.Removed++
			}
			switch {
			case t.Columns != nil && !t.Retyped:
				b.Columns++
			case e.deleted:
				b.Deleted++
			default:
				b.Updated++
			}
			if l.unsure(e) {
				b.Unsure++
			}
			switch {
			case e.state == missing || e.state == pending:
				b.Missing++
				t.reasons[e.reason]++
			case e.inPart:
				b.InPart++
				t.reasons[e.reason]++
			case e.state == byHeap:
				b.Heap++
				b.Carved += one(e.carved)
				b.Also += one(e.also > 0)
				b.Derived += one(e.derived)
			default:
				b.WAL++
			}
		}
		b.Intermediate = t.Balance.Intermediate
		if t.Removal != "" {
			b.Unseen = &t.unseen
		}
		for reason, n := range t.reasons {
			b.Reasons = append(b.Reasons, ReasonCount{l.reasons[reason], n})
		}
		slices.SortFunc(b.Reasons, func(x, y ReasonCount) int {
			return cmp.Or(cmp.Compare(y.Count, x.Count), cmp.Compare(x.Reason, y.Reason))
		})
		t.Balance = b
	}
}

// one counts a yes.
func one(yes bool) int64 {
	if yes {
		return 1
	}
	return 0
}

// Ledger calls visit for each line of a table, in the order of its blocks.
func (l *Loss) Ledger(t *Table, visit func(*Line) error) error {
	name := t.Name()
	for i := t.first; i < t.last; i++ {
		e := &l.entries[i]
		line := Line{
			Relation: name, File: t.File.String(), TID: e.tid(), XID: e.xid, LSN: e.lsn,
			Operation: t.operation(e), NamedBy: evidence.RouteWAL, InPart: e.inPart, Carved: e.carved, Derived: e.derived, Unsure: l.unsure(e),
		}
		if e.also > 0 {
			line.Copy = l.ev.also[e.also-1].dir
		}
		if tx := l.transaction(e); tx != nil {
			if tx.XID != e.xid {
				line.XID, line.Subxact = tx.XID, e.xid
			}
			if !tx.End.IsZero() {
				line.CommitTime, line.Committed = pg.FormatTime(tx.End), tx.End
			}
		}
		if e.namedByHeap {
			line.NamedBy = evidence.RouteHeap
		}
		switch e.state {
		case byHeap:
			line.Settled = evidence.RouteHeap
		case byWAL:
			line.Settled = evidence.RouteWAL
		}
		if line.Settled == "" || e.inPart {
			line.Reason = l.reasons[e.reason]
		}
		if err := visit(&line); err != nil {
			return err
		}
	}
	return nil
}

// operation names what destroyed the version.
func (t *Table) operation(e *entry) evidence.Operation {
	switch {
	case t.Columns != nil && !t.Retyped:
		return evidence.OpDropColumn
	case !e.deleted:
		return evidence.OpUpdate
	case !e.removed:
		return evidence.OpDelete
	case t.Removal == Truncated:
		return evidence.OpTruncate
	}
	return evidence.OpDrop
}

// transaction returns the transaction of a line; nil when the WAL does not know it.
func (l *Loss) transaction(e *entry) *xact.Transaction {
	if e.tx < 0 {
		return nil
	}
	return &l.Transactions[e.tx]
}

// commitTime is when the version was destroyed, for all to see; zero if not known.
func (l *Loss) commitTime(e *entry) time.Time {
	if tx := l.transaction(e); tx != nil {
		return tx.End
	}
	return time.Time{}
}
