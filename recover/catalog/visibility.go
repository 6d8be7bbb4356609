package catalog

import (
	"github.com/pgrescue/pgrescue/recover/heap"
	"github.com/pgrescue/pgrescue/recover/pg"
)

// XactStatusFunc tells what became of a transaction, from a source that may
// know more than pg_xact on disk, such as the commit records of the WAL. It
// answers heap.XactUnknown for a transaction that it does not know.
type XactStatusFunc func(pg.XID) heap.XactStatus

// visibility ranks the versions of one catalog row. The best one counts, if it
// is at least doubtful; of two with the same rank the younger counts.
type visibility uint8

const (
	deadRow     visibility = iota // never committed, or deleted
	pendingRow                    // inserted by a transaction without an outcome
	doubtfulRow                   // no source knows the inserting or the deleting transaction
	liveRow
)

// judge decides about tuples by the sources in the order: injected function,
// pg_xact, hint bits. Any of its sources may be nil.
type judge struct {
	injected XactStatusFunc
	log      *heap.XactLog
	multi    *heap.MultiXact
	// notYet, if not nil, names transactions that count as not having happened.
	notYet func(pg.XID) bool
	// assumed are transactions of which no source knows the end, and what the files of
	// relations make likely.
	assumed map[pg.XID]heap.XactStatus
}

// status asks the injected function, then pg_xact.
func (j *judge) status(xid pg.XID) heap.XactStatus {
	if !xid.Normal() {
		return heap.XactCommitted // frozen, or written by initdb
	}
	status := heap.XactUnknown
	if j.injected != nil {
		status = j.injected(xid)
	}
	if status == heap.XactUnknown && j.log != nil {
		status = j.log.Status(xid)
	}
	return status
}

// resolve adds the tuple's hint bits to what the sources say. They count only
// where no outcome is known: a hint reaches the disk only after the outcome is
// in the WAL, so it may be ahead of pg_xact on disk (SetHintBits in heapam_visibility.c).
func (j *judge) resolve(xid pg.XID, committed, aborted bool) heap.XactStatus {
	status := j.status(xid)
	if status == heap.XactCommitted || status == heap.XactAborted {
		return status
	}
	switch {
	case committed:
		return heap.XactCommitted
	case aborted:
		return heap.XactAborted
	}
	if assumed, known := j.assumed[xid]; known {
		return assumed
	}
	return status
}

// fate is what the sources say of one version of a row.
type fate struct {
	rank visibility
	by   pg.XID // the committed transaction that destroyed it; 0: none did
}

// fate ranks one version. One that the WAL gave back was destroyed by somebody:
// when that was rolled back, a page has the row as it was afterwards.
func (j *judge) fate(rec *record) fate {
	rank := j.inserted(&rec.tuple)
	by, state := j.deleter(&rec.tuple)
	switch {
	case rank == deadRow, rec.restored && state != heap.XactCommitted:
		return fate{}
	case state == heap.XactCommitted && !j.isNotYet(by):
		return fate{by: by}
	case state == heap.XactUnknown:
		rank = min(rank, doubtfulRow)
	}
	return fate{rank: rank}
}

func (j *judge) isNotYet(xid pg.XID) bool { return j.notYet != nil && j.notYet(xid) }

// inserted ranks a tuple by the transaction that inserted it.
func (j *judge) inserted(t *heap.Tuple) visibility {
	if j.isNotYet(t.RawXmin) { // a frozen tuple keeps its xmin
		return deadRow
	}
	xmin := t.Xmin()
	if xmin == pg.FrozenXID {
		return liveRow
	}
	switch j.resolve(xmin, t.Infomask&heap.XminCommitted != 0, t.Infomask&heap.XminInvalid != 0) {
	case heap.XactAborted:
		return deadRow
	case heap.XactInProgress, heap.XactSubCommitted:
		return pendingRow
	case heap.XactUnknown:
		return doubtfulRow
	}
	return liveRow
}

// deleter tells which transaction deleted or replaced the tuple, and what became
// of it; heap.XactAborted stands for none.
func (j *judge) deleter(t *heap.Tuple) (pg.XID, heap.XactStatus) {
	if !t.XmaxDestroys() {
		return pg.InvalidXID, heap.XactAborted
	}
	hinted := t.Infomask&heap.XmaxCommitted != 0
	xmax := t.Xmax
	if t.Infomask&heap.XmaxIsMulti != 0 {
		if j.multi == nil {
			return xmax, heap.XactUnknown
		}
		updater, err := j.multi.Updater(xmax)
		if err != nil {
			return xmax, heap.XactUnknown
		}
		if updater == pg.InvalidXID {
			return pg.InvalidXID, heap.XactAborted
		}
		xmax, hinted = updater, false
	}
	return xmax, j.resolve(xmax, hinted, false)
}
