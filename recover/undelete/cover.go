package undelete

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/pgrescue/pgrescue/recover/catalog"
	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/heap"
	"github.com/pgrescue/pgrescue/recover/pg"
	"github.com/pgrescue/pgrescue/recover/wal"
	"github.com/pgrescue/pgrescue/recover/wal/xact"
)

// cover decides whether the WAL names the whole loss. Where it does not, the
// dead tuples in the relation files complete the ledger.
func (l *Loss) cover(ctx context.Context) error {
	l.Uncovered = l.uncovered()
	l.Covered = l.Uncovered == ""
	if l.Covered || l.ev.DataDir == "" || l.req.NoHeap {
		return nil
	}
	l.sortEntries()
	known := len(l.entries)
	databases := l.databases()
	for _, t := range slices.Clone(l.tables) {
		// A transaction is in one database. Its dead tuples in another one came there when
		// CREATE DATABASE copied the files, and nothing was lost there.
		elsewhere := l.req.XID != pg.InvalidXID && len(databases) > 0 && !databases[t.File.Database]
		if t.Relation == nil || t.Columns != nil || elsewhere {
			continue
		}
		if err := l.nameByHeap(ctx, t, known); err != nil {
			return err
		}
	}
	return nil
}

// uncovered says why the WAL may not name every destroyed version; "" if it does.
func (l *Loss) uncovered() string {
	switch {
	case l.ev.Archive == nil:
		return "there is no WAL at hand"
	case len(l.scan.Gaps) > 0:
		return fmt.Sprintf("the WAL has %d gaps, the first at %s", len(l.scan.Gaps), l.scan.Gaps[0].From)
	case len(l.scan.Missing) > 0:
		return missingSentence(l.scan.Missing)
	case l.scan.Horizon.LSN == 0:
		return "the WAL at hand has no checkpoint that says which transaction came next"
	case l.req.XID == 0:
		return l.uncoveredTime()
	case l.scan.Outcomes.Get(l.req.XID) == xact.Undecided && l.endsEarly():
		return l.endsEarlySentence()
	case l.req.XID.Precedes(l.scan.Horizon.NextXID):
		return fmt.Sprintf("the transaction may have begun before the WAL at hand: at %s the next transaction id was %d already",
			l.scan.Horizon.LSN, l.scan.Horizon.NextXID)
	case l.scan.Outcomes.Get(l.req.XID) == xact.Undecided:
		return "the WAL at hand ends before the transaction does"
	}
	return l.outsideWAL()
}

// outsideWAL says what the loss may have that no WAL has, however whole it is.
func (l *Loss) outsideWAL() string {
	if why := l.unseenWhy(); why != "" {
		return why
	}
	if slices.ContainsFunc(l.req.Tables, func(t Target) bool { return t.Relation.Persistence == "u" }) {
		return "a table asked for is unlogged: the WAL names none of its rows"
	}
	if len(l.req.Tables) > 0 {
		return ""
	}
	databases := l.databases()
	for i := range l.ev.Snapshot.Databases {
		db := &l.ev.Snapshot.Databases[i]
		for j := range db.Relations {
			// Where the WAL names no change at all, nothing says which database it was.
			if rel := &db.Relations[j]; (databases[db.OID] || len(databases) == 0) && rel.Kind == "r" && rel.Persistence == "u" && l.outlived(rel) {
				return fmt.Sprintf("%s is unlogged: if the loss has rows of it too, no WAL names them; who asks for tables by name leaves it out", rel.QualifiedName())
			}
		}
	}
	return ""
}

// databases are those that the transactions were in, as far as the WAL names them.
func (l *Loss) databases() map[pg.OID]bool {
	databases := make(map[pg.OID]bool)
	for i := range l.Transactions {
		for j := range l.Transactions[i].Tallies {
			databases[l.Transactions[i].Tallies[j].Relation.Database] = true
		}
		for _, file := range l.Transactions[i].Dropped {
			databases[file.Database] = true
		}
	}
	delete(databases, 0) // shared catalogs are in none
	return databases
}

// outlived reports whether a relation may have been there still after the loss.
func (l *Loss) outlived(rel *catalog.Relation) bool {
	return rel.DroppedBy == pg.InvalidXID || slices.ContainsFunc(l.Transactions, func(tx xact.Transaction) bool {
		return !tx.Has(rel.DroppedBy) && !rel.DroppedBy.Precedes(tx.XID)
	})
}

// RecycledSegments counts the segments that the scan read though the server had
// recycled them under other names.
func (l *Loss) RecycledSegments() int {
	if l.ev.Archive == nil {
		return 0
	}
	n := 0
	for _, segment := range l.ev.Archive.Recycled() {
		if segment.Start+pg.LSN(segment.Bytes) > l.scanned {
			n++
		}
	}
	return n
}

// missingSentence tells of WAL that is not there, or else of WAL that is in doubt.
func missingSentence(gaps []wal.Gap) string {
	absent := slices.DeleteFunc(slices.Clone(gaps), func(g wal.Gap) bool { return g.Doubt })
	if len(absent) == 0 {
		return fmt.Sprintf("the WAL is in doubt at %d places, first from %s to %s: %s", len(gaps), gaps[0].From, gaps[0].To, gaps[0].What)
	}
	return fmt.Sprintf("WAL is missing at %d places, first at %s", len(absent), absent[0].From)
}

func (l *Loss) endsEarlySentence() string {
	return fmt.Sprintf("the WAL at hand ends at %s, before the data directory's checkpoint at %s", l.ev.Archive.End(), l.ev.Snapshot.Control.Checkpoint)
}

// uncoveredTime is uncovered for a loss that is named by a time.
func (l *Loss) uncoveredTime() string {
	if l.scan.FirstEnd.IsZero() || l.req.Since.Before(l.scan.FirstEnd) {
		return fmt.Sprintf("the WAL at hand begins at %s, after the time asked for", pg.FormatTime(l.scan.FirstEnd))
	}
	if !l.scan.OlderEnd.Before(l.req.Since) {
		return fmt.Sprintf("transaction %d, which committed at %s, may have begun before the WAL at hand",
			l.scan.OlderXID, pg.FormatTime(l.scan.OlderEnd))
	}
	for i := range l.Transactions {
		tx := &l.Transactions[i]
		if tx.XID.Precedes(l.scan.Horizon.NextXID) {
			return fmt.Sprintf("transaction %d may have begun before the WAL at hand", tx.XID)
		}
		if tx.State != xact.Committed {
			return fmt.Sprintf("the WAL at hand ends before transaction %d does", tx.XID)
		}
	}
	if l.endsEarly() {
		return l.endsEarlySentence()
	}
	return l.outsideWAL()
}

// nameByHeap adds the dead tuples of a relation file that the request is about
// and the WAL did not name.
func (l *Loss) nameByHeap(ctx context.Context, t *Table, known int) error {
	rel, err := l.ev.dir().OpenRelation(t.File)
	if err != nil {
		// What was dropped before the loss had no part in it.
		if current := t.File == t.Relation.File && l.outlived(t.Relation); current || !errors.Is(err, fs.ErrNotExist) {
			l.relationGone(t, err, "what lies in it is not in the ledger, unless the WAL names it")
		}
		return nil
	}
	defer rel.Close()
	scan := l.scanFile(rel, "what was destroyed there is not in the ledger, unless the WAL names it")
	scan.progress = l.ev.stage("reading "+t.Name(), int64(rel.Blocks())*pg.BlockSize)
	named := heapNames{Loss: l, table: t, rel: rel, known: known}
	err = scan.pages(ctx, func(block pg.BlockNumber, h heap.PageHeader, p heap.Page) error {
		return scan.tuples(block, h, p, named.tuple)
	})
	named.tellUnresolved()
	l.segmentGone(rel)
	for _, g := range rel.Gaps() {
		l.gap(g)
	}
	return err
}

// heapNames adds the dead tuples of one relation file to the ledger.
type heapNames struct {
	*Loss
	table      *Table
	rel        *heap.Relation
	known      int
	unresolved int64 // tuples whose multixact is not at hand
	why        error
}

// tellUnresolved tells of tuples that nobody knows who destroyed.
func (n *heapNames) tellUnresolved() {
	if n.unresolved > 0 {
		n.gap(evidence.Gap{
			Where: n.rel.Path(), What: fmt.Sprintf("%d tuples whose xmax is a multixact", n.unresolved), Why: n.why.Error(),
			Consequence: "whether the loss is theirs cannot be told, and they are not in the ledger, unless the WAL names them",
		})
	}
}

// tuple adds one dead tuple to the ledger, settled at once.
func (n *heapNames) tuple(tid pg.TID, tuple *heap.Tuple) error {
	l, t := n.Loss, n.table
	l.learn(tuple)
	if !tuple.XmaxDestroys() {
		return nil
	}
	xid, multi := tuple.Xmax, tuple.Infomask&heap.XmaxIsMulti != 0
	if multi {
		updater, err := l.updater(xid)
		if err != nil {
			if updater = n.madeSuccessor(tid, tuple); updater == pg.InvalidXID {
				n.unresolved++
				n.why = err
				return nil
			}
		}
		xid = updater
	}
	tx, wanted, unsure := l.wantedDead(xid, tuple)
	if !wanted || l.named(t, tid, xid, tuple.Xmax, n.known) {
		return nil
	}
	body, err := l.spool.add(tuple.Raw)
	if err != nil {
		return err
	}
	e := entry{
		xid: xid, xmax: tuple.Xmax, multi: multi, tx: tx, table: int32(t.index), block: tid.Block, offset: tid.Offset,
		body: body, state: byHeap, namedByHeap: true, deleted: true, unsure: unsure,
	}
	if next, updated := tuple.UpdatedTo(tid); updated {
		e.deleted, e.newBlock, e.newOffset = false, next.Block, next.Offset
	} else if tuple.Moved() {
		e.deleted = false
	}
	l.entries = append(l.entries, e)
	return nil
}

// madeSuccessor finds out who updated a tuple whose multixact is not at hand: the
// next version carries the same transaction as its xmin (heap_update in heapam.c).
func (n *heapNames) madeSuccessor(tid pg.TID, tuple *heap.Tuple) pg.XID {
	next, updated := tuple.UpdatedTo(tid)
	if !updated {
		return pg.InvalidXID
	}
	page := make(heap.Page, pg.BlockSize)
	h, err := n.readPage(n.rel, next.Block, page)
	if err != nil {
		return pg.InvalidXID
	}
	successor, err := page.Tuple(h, next.Offset)
	if err != nil || successor.Infomask&heap.Updated == 0 {
		return pg.InvalidXID
	}
	return successor.Xmin()
}

// updater resolves a multixact to the transaction that destroyed the tuple.
func (l *Loss) updater(multi pg.XID) (pg.XID, error) { return l.ev.updater(multi) }

func (ev *Evidence) updater(multi pg.XID) (pg.XID, error) {
	if ev.Multi == nil {
		return 0, fmt.Errorf("no pg_multixact at hand to resolve %d", multi)
	}
	return ev.Multi.Updater(multi)
}

// wantedDead decides whether a dead tuple belongs to the loss. A transaction
// that the WAL lists is wanted or not by that; one that ended before the WAL
// begins is wanted when it is the one asked for, or when the time asked for
// lies before the WAL too. When nothing says how it ended, it is wanted, and unsure.
func (l *Loss) wantedDead(xid pg.XID, tuple *heap.Tuple) (tx int32, wanted, unsure bool) {
	tx, listed := l.txIndex[xid]
	switch {
	case !listed:
		tx = -1
	case l.Transactions[tx].State == xact.Committed || l.Transactions[tx].State == xact.Aborted:
		return tx, l.Transactions[tx].State == xact.Committed, false
	}
	if l.req.XID != 0 && xid != l.req.XID && !listed {
		return -1, false, false
	}
	if l.scan != nil && !listed {
		if state := l.scan.Outcomes.Get(xid); state != xact.Undecided {
			return -1, l.req.XID != 0 && state == xact.Committed, false
		}
		if l.req.XID == 0 && !l.req.Since.Before(l.scan.FirstEnd) {
			return -1, false, false
		}
	}
	// Where pg_xact is gone, or older than the page, the hint bit is the last witness; it
	// reaches the disk only after the commit record did (SetHintBits in heapam_visibility.c).
	hinted := tuple.Infomask&heap.XmaxCommitted != 0
	switch l.clogStatus(xid) {
	case heap.XactCommitted:
		return tx, true, false
	case heap.XactInProgress:
		return tx, hinted, false
	case heap.XactUnknown:
		return tx, true, !hinted
	}
	return -1, false, false
}

// named reports whether one of the first known lines names the tuple already. A
// lock that came later may have put a multixact in the place of the transaction.
func (l *Loss) named(t *Table, tid pg.TID, xid, xmax pg.XID, known int) bool {
	if t.last == 0 {
		return false
	}
	lines := l.entries[t.first:min(t.last, known)]
	at, _ := slices.BinarySearchFunc(lines, tid.Block, func(e entry, block pg.BlockNumber) int {
		switch {
		case e.block < block:
			return -1
		case e.block > block:
			return 1
		}
		return 0
	})
	for ; at < len(lines) && lines[at].block == tid.Block; at++ {
		if lines[at].offset == tid.Offset && (lines[at].xmax == xmax || lines[at].xid == xid) {
			return true
		}
	}
	return false
}
