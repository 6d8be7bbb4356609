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
	return status
}

// visibility ranks one tuple.
func (j *judge) visibility(t *heap.Tuple) visibility {
	rank := liveRow
	if xmin := t.Xmin(); xmin != pg.FrozenXID {
		switch j.resolve(xmin, t.Infomask&heap.XminCommitted != 0, t.Infomask&heap.XminInvalid != 0) {
		case heap.XactAborted:
			return deadRow
		case heap.XactInProgress, heap.XactSubCommitted:
			rank = pendingRow
		case heap.XactUnknown:
			rank = doubtfulRow
		}
	}
	switch j.deleter(t) {
	case heap.XactCommitted:
		return deadRow
	case heap.XactUnknown:
		rank = min(rank, doubtfulRow)
	}
	return rank
}

// deleter tells what became of the transaction that deleted or replaced the
// tuple; heap.XactAborted stands for none.
func (j *judge) deleter(t *heap.Tuple) heap.XactStatus {
	if !t.XmaxDestroys() {
		return heap.XactAborted
	}
	hinted := t.Infomask&heap.XmaxCommitted != 0
	xmax := t.Xmax
	if t.Infomask&heap.XmaxIsMulti != 0 {
		if j.multi == nil {
			return heap.XactUnknown
		}
		updater, err := j.multi.Updater(xmax)
		if err != nil {
			return heap.XactUnknown
		}
		if updater == pg.InvalidXID {
			return heap.XactAborted
		}
		xmax, hinted = updater, false
	}
	return j.resolve(xmax, hinted, false)
}
