// Package xact tells from the WAL what each transaction did.
//
//   - Transaction: one toplevel transaction with its subtransactions folded in: how
//     it ended, when, and how many tuples it inserted, updated and deleted in each relation.
//   - Line: one destroyed tuple version: relation, TID, transaction, LSN. The lines
//     of a loss are its ledger.
//   - Outcomes: which transactions the WAL says committed or aborted. A transaction
//     rolled back to a savepoint is an aborted one of its own.
//   - in flight: begun, and not decided at the point that the scan has reached.
//
// One scan finds all of it. Memory grows with the transactions that run at the
// same time and with the lines that somebody asked for, not with the WAL.
package xact

import (
	"cmp"
	"slices"
	"time"

	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/pg"
)

// State is how a transaction ended, as far as the WAL says.
type State string

// The states.
const (
	Committed State = "committed"
	Aborted   State = "aborted"
	Prepared  State = "prepared"  // PREPARE TRANSACTION, not decided yet
	Undecided State = "undecided" // no end in the WAL at hand
)

// Tally counts what a transaction did to one relation.
type Tally struct {
	Relation pg.RelFileLocator
	Inserted int64
	Updated  int64
	Deleted  int64
}

// Transaction is what the WAL says of one transaction.
type Transaction struct {
	XID      pg.XID
	Subxacts []pg.XID // committed subtransactions
	// Parent is the toplevel transaction of one that was rolled back on its own, where
	// the WAL says so: with wal_level logical, or after many savepoints. 0: not known.
	Parent pg.XID
	State  State
	End    time.Time // UTC; zero when undecided
	// EndLSN is where the commit or abort record begins, and EndLSNAfter where it ends.
	EndLSN, EndLSNAfter pg.LSN
	First, Last         pg.LSN // of its changes to heap tuples
	Tallies             []Tally
	// Dropped are relations whose files the commit removed: DROP, TRUNCATE, rewrites.
	Dropped []pg.RelFileLocator
	// Removes is for Options.Keep to set: how many tables went with Dropped, rows and all.
	Removes int64
}

// Destroyed is the number of tuple versions that it updated or deleted.
func (t *Transaction) Destroyed() int64 {
	var n int64
	for i := range t.Tallies {
		n += t.Tallies[i].Updated + t.Tallies[i].Deleted
	}
	return n
}

// Has reports whether xid is the transaction or one of its subtransactions.
func (t *Transaction) Has(xid pg.XID) bool {
	return t.XID == xid || slices.Contains(t.Subxacts, xid)
}

// Line is one destroyed tuple version.
type Line struct {
	Relation pg.RelFileLocator
	TID      pg.TID
	NewTID   pg.TID // of the version that replaced it; zero for a delete
	XID      pg.XID // the (sub)transaction that destroyed it
	Xmax     pg.XID // as the tuple carries it: XID, or a multixact
	LSN, End pg.LSN // of the record, first byte and behind the last
	Multi    bool   // Xmax is a multixact
	Deleted  bool   // deleted, not updated
}

// Operation names what destroyed the version.
func (l *Line) Operation() evidence.Operation {
	if l.Deleted {
		return evidence.OpDelete
	}
	return evidence.OpUpdate
}

// bigger orders transactions for people: those that took effect first, then those
// that took whole tables, then by what they destroyed, then by LSN.
func bigger(a, b *Transaction) int {
	return cmp.Or(
		cmp.Compare(rank(b.State), rank(a.State)),
		cmp.Compare(b.Removes, a.Removes),
		cmp.Compare(b.Destroyed(), a.Destroyed()),
		cmp.Compare(a.First, b.First))
}

func rank(s State) int {
	if s == Aborted {
		return 0
	}
	return 1
}
