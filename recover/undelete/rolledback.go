package undelete

import (
	"github.com/pgrescue/pgrescue/recover/pg"
	"github.com/pgrescue/pgrescue/recover/wal/xact"
)

// RolledBack is a part of the transaction that was undone by a rollback to a savepoint
// or in a PL/pgSQL block with EXCEPTION: what it touched is not lost. An abort
// record does not say whose part it was; where nothing else does, it may have been
// another transaction that ran at the same time.
type RolledBack struct {
	XID     pg.XID `json:"xid"` // of the subtransaction
	Deleted int64  `json:"deleted"`
	Updated int64  `json:"updated"`
	// Own tells that it surely was a part of the transaction asked for.
	Own bool `json:"own"`
}

// mostRolledBack bounds how many are told of one by one.
const mostRolledBack = 1000

// takeRolledBack notes an aborted transaction, if it can have been a part of the
// one that is asked for.
func (l *Loss) takeRolledBack(tx *xact.Transaction) {
	if l.req.XID == pg.InvalidXID || !l.req.XID.Precedes(tx.XID) {
		return
	}
	part := RolledBack{XID: tx.XID}
	for i := range tx.Tallies {
		t := &tx.Tallies[i]
		n, known := l.byFile[t.Relation]
		if l.attributes[t.Relation] || known && l.tables[n].toastOf >= 0 || !known && len(l.req.Tables) > 0 {
			continue
		}
		part.Deleted += t.Deleted
		part.Updated += t.Updated
	}
	top := tx.Parent
	if top == pg.InvalidXID && l.ev.Subtrans != nil {
		top = l.ev.Subtrans.Top(tx.XID)
	}
	if part.Deleted+part.Updated == 0 || top != pg.InvalidXID && top != l.req.XID {
		return
	}
	part.Own = top == l.req.XID
	if len(l.RolledBack) >= mostRolledBack { // the last one stands for all that follow
		last := &l.RolledBack[len(l.RolledBack)-1]
		last.XID, last.Own = pg.InvalidXID, last.Own && part.Own
		last.Deleted += part.Deleted
		last.Updated += part.Updated
		return
	}
	l.RolledBack = append(l.RolledBack, part)
}
