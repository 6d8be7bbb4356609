package undelete

import (
	"fmt"
	"maps"
	"slices"

	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/heap"
	"github.com/pgrescue/pgrescue/recover/pg"
	"github.com/pgrescue/pgrescue/recover/wal/xact"
)

// noteUnsure stands at rows of which nothing says that they were destroyed for good.
const noteUnsure = "commit state unknown"

// decided reports whether what a transaction did counts as lost: the WAL or
// pg_xact says that it committed, or, unsure, neither can say how it ended.
func (l *Loss) decided(tx *xact.Transaction) (counts, unsure bool) {
	if tx.State == xact.Committed || tx.State == xact.Aborted {
		return tx.State == xact.Committed, false
	}
	switch l.clogStatus(tx.XID) {
	case heap.XactCommitted:
		return true, false
	case heap.XactUnknown:
		// Without a data directory a transaction may be merely in flight where the WAL ends.
		return tx.State == xact.Undecided && (l.ev.DataDir != "" || l.req.XID != 0), true
	}
	return false, false
}

// learn takes a tuple's hint bits as a witness: they reach the disk only after
// the commit record did, so one of them decides for the whole transaction.
func (l *Loss) learn(t *heap.Tuple) {
	if t.Infomask&(heap.XmaxCommitted|heap.XmaxIsMulti) == heap.XmaxCommitted {
		l.prove(t.Xmax)
	}
	if t.Infomask&heap.XminFrozen == heap.XminCommitted {
		l.prove(t.RawXmin)
	}
}

func (l *Loss) prove(xid pg.XID) {
	if l.req.XID == 0 && l.ev.Clog != nil || l.ended[xid] {
		return
	}
	if _, listed := l.txIndex[xid]; !listed && xid != l.req.XID && l.req.XID != 0 {
		return
	}
	if l.ended == nil {
		l.ended = make(map[pg.XID]bool)
	}
	l.ended[xid] = true
	if n, listed := l.txIndex[xid]; listed { // a subtransaction's commit is its parent's
		l.ended[l.Transactions[n].XID] = true
	}
}

// unsure reports whether nothing at hand says that a line's transaction committed.
func (l *Loss) unsure(e *entry) bool {
	if !e.unsure || e.removed || l.tables[e.table].Columns != nil { // it is the row's own birth, or end, that is not sure
		return e.unsure
	}
	if l.ended[e.xid] {
		return false
	}
	if e.tx < 0 {
		return true
	}
	tx := &l.Transactions[e.tx]
	return !l.ended[tx.XID]
}

// tellUnsure says which lines nothing decided about, and why.
func (l *Loss) tellUnsure() {
	counts := make(map[pg.XID]int64)
	for i := range l.entries {
		if e := &l.entries[i]; l.tables[e.table].toastOf < 0 && !e.removed && l.tables[e.table].Columns == nil && l.unsure(e) {
			counts[e.xid]++
		}
	}
	for _, xid := range slices.Sorted(maps.Keys(counts)) {
		n := counts[xid]
		where, why := "pg_xact", "it is not at hand"
		if l.ev.Clog != nil {
			where, why = l.ev.Clog.Missing(xid)
		}
		l.gap(evidence.Gap{
			Where: where, What: fmt.Sprintf("how transaction %d ended", xid), Why: why + ", and neither the WAL at hand nor a hint bit says it",
			Consequence: fmt.Sprintf("%d row versions are counted with the commit state unknown", n),
		})
	}
}
