package xact

import (
	"github.com/pgrescue/pgrescue/recover/pg"
	"github.com/pgrescue/pgrescue/recover/wal"
)

// stretch is what one span of the WAL says, before it is merged. Its slices are
// used again for the next span, so visiting a record allocates nothing.
type stretch struct {
	opts        *Options
	index       map[pg.XID]int32 // of works
	works       []work
	tallies     []linkedTally
	lines       []Line
	ends        []end
	subxacts    []pg.XID
	checkpoints []wal.Checkpoint
	horizon     Horizon

	current     int32 // of works, for the record before
	counted     pg.RelFileLocator
	countedKnow bool
	countedYes  bool
}

// work is what one (sub)transaction did in the span; tally begins its list of tallies.
type work struct {
	xid         pg.XID
	tally       int32
	top         pg.XID // its toplevel transaction, where a record names it
	landed      bool   // it ends in the span too, without subtransactions
	first, last pg.LSN
}

type linkedTally struct {
	Tally
	next int32 // -1 ends the list
}

// end is a decoded record of the transaction resource manager.
type end struct {
	op             wal.XactOp
	xid            pg.XID
	time           pg.Timestamp
	lsn, after     pg.LSN
	subFrom, subTo int
	work           int32 // of the stretch, if it landed there; -1: none
	dropped        []pg.RelFileLocator
}

func newStretch(opts *Options) *stretch {
	return &stretch{opts: opts, index: make(map[pg.XID]int32), current: -1}
}

func (s *stretch) reset() {
	clear(s.index)
	s.works, s.tallies, s.lines = s.works[:0], s.tallies[:0], s.lines[:0]
	clear(s.ends)
	s.ends, s.subxacts, s.checkpoints = s.ends[:0], s.subxacts[:0], s.checkpoints[:0]
	s.horizon, s.current = Horizon{}, -1
}

func (s *stretch) visit(rec *wal.Record) {
	switch rec.Rmgr {
	case wal.RmgrHeap, wal.RmgrHeap2:
		if rec.XID != pg.InvalidXID && (s.opts.Oldest == pg.InvalidXID || !rec.XID.Precedes(s.opts.Oldest)) {
			s.heap(rec)
		}
	case wal.RmgrXact:
		s.xact(rec)
	case wal.RmgrXLOG:
		if cp, ok := wal.DecodeCheckpoint(rec); ok {
			s.checkpoints = append(s.checkpoints, cp)
			// The id was read right after the redo point was set, so records of later
			// transactions may lie anywhere behind the redo point.
			if s.horizon.LSN == 0 && cp.Redo >= s.opts.start {
				s.horizon = Horizon{LSN: cp.Redo, NextXID: cp.NextXID.XID()}
			}
		}
	case wal.RmgrStandby:
		if running, ok := wal.DecodeRunningXacts(rec); ok && s.horizon.LSN == 0 {
			s.horizon = Horizon{LSN: rec.LSN, NextXID: running.NextXID}
		}
	}
}

// xact notes the end of a transaction. A record that cannot be decoded decides nothing.
func (s *stretch) xact(rec *wal.Record) {
	x, err := wal.DecodeXact(rec)
	if err != nil || x.Op == wal.XactInvalidations {
		return
	}
	e := end{
		op: x.Op, xid: x.XID, time: x.Time, lsn: rec.LSN, after: rec.End,
		subFrom: len(s.subxacts), dropped: x.DroppedFiles,
	}
	for i := range x.Subxacts() {
		s.subxacts = append(s.subxacts, x.Subxact(i))
	}
	e.subTo = len(s.subxacts)
	e.work = -1
	if at, seen := s.index[e.xid]; seen && e.subTo == e.subFrom && (e.op == wal.XactCommit || e.op == wal.XactAbort) {
		e.work = at
		s.works[at].landed = true
	}
	s.ends = append(s.ends, e)
}

// heap counts what a heap record did.
func (s *stretch) heap(rec *wal.Record) {
	if len(rec.Blocks) == 0 {
		return
	}
	rel := rec.Blocks[0].Relation
	if !s.counts(rel) {
		return
	}
	var inserted, updated, deleted int64
	switch rec.HeapOp() {
	case wal.HeapInsert:
		inserted = 1
	case wal.HeapMultiInsert:
		ins, err := wal.DecodeHeapMultiInsert(rec.Main, rec.Info)
		if err != nil {
			return
		}
		inserted = int64(ins.Tuples)
	case wal.HeapUpdate, wal.HeapHotUpdate:
		updated = 1
		s.updateLine(rec, rel)
	case wal.HeapDelete:
		del, err := wal.DecodeHeapDelete(rec.Main)
		if err != nil || del.Flags&wal.DeleteIsSuper != 0 {
			return
		}
		deleted = 1
		if del.Flags&wal.DeleteIsPartitionMove != 0 {
			deleted, updated = 0, 1
		}
		s.deleteLine(rec, rel, &del)
	default:
		return
	}
	w := s.work(rec)
	t := s.tally(w, rel)
	t.Inserted += inserted
	t.Updated += updated
	t.Deleted += deleted
}

// counts remembers the answer for the relation of the record before.
func (s *stretch) counts(rel pg.RelFileLocator) bool {
	if s.opts.Counts == nil {
		return true
	}
	if !s.countedKnow || s.counted != rel {
		s.counted, s.countedYes, s.countedKnow = rel, s.opts.Counts(rel), true
	}
	return s.countedYes
}

func (s *stretch) work(rec *wal.Record) *work {
	if s.current < 0 || s.works[s.current].xid != rec.XID {
		at, seen := s.index[rec.XID]
		if !seen {
			at = int32(len(s.works))
			s.index[rec.XID] = at
			s.works = append(s.works, work{xid: rec.XID, tally: -1, first: rec.LSN})
		}
		s.current = at
	}
	w := &s.works[s.current]
	w.last = rec.LSN
	if rec.TopXID != pg.InvalidXID {
		w.top = rec.TopXID
	}
	return w
}

// tally finds or makes the count of a relation and moves it to the front, where
// the next record will look first.
func (s *stretch) tally(w *work, rel pg.RelFileLocator) *Tally {
	before := int32(-1)
	for at := w.tally; at >= 0; at = s.tallies[at].next {
		t := &s.tallies[at]
		if t.Relation == rel {
			if before >= 0 {
				s.tallies[before].next, t.next, w.tally = t.next, w.tally, at
			}
			return &t.Tally
		}
		before = at
	}
	s.tallies = append(s.tallies, linkedTally{Tally: Tally{Relation: rel}, next: w.tally})
	w.tally = int32(len(s.tallies) - 1)
	return &s.tallies[w.tally].Tally
}

func (s *stretch) wantsLine(rel pg.RelFileLocator) bool {
	return s.opts.Lines != nil && (s.opts.WantsLine == nil || s.opts.WantsLine(rel))
}

// xmaxIsMulti is XLHL_XMAX_IS_MULTI of the infobits in access/heapam_xlog.h.
const xmaxIsMulti = 0x01

func (s *stretch) deleteLine(rec *wal.Record, rel pg.RelFileLocator, del *wal.HeapDeleteRecord) {
	if s.wantsLine(rel) {
		s.lines = append(s.lines, Line{
			Relation: rel, TID: pg.TID{Block: rec.Blocks[0].Block, Offset: del.Offset},
			XID: rec.XID, Xmax: del.Xmax, LSN: rec.LSN, End: rec.End,
			Multi: del.Infobits&xmaxIsMulti != 0, Deleted: del.Flags&wal.DeleteIsPartitionMove == 0,
		})
	}
}

func (s *stretch) updateLine(rec *wal.Record, rel pg.RelFileLocator) {
	if !s.wantsLine(rel) {
		return
	}
	upd, err := wal.DecodeHeapUpdate(rec.Main)
	if err != nil {
		return
	}
	newBlock := rec.Blocks[0].Block
	oldBlock := newBlock
	if b := rec.Block(1); b != nil {
		oldBlock = b.Block
	}
	s.lines = append(s.lines, Line{
		Relation: rel, TID: pg.TID{Block: oldBlock, Offset: upd.OldOffset},
		NewTID: pg.TID{Block: newBlock, Offset: upd.NewOffset},
		XID:    rec.XID, Xmax: upd.OldXmax, LSN: rec.LSN, End: rec.End, Multi: upd.OldInfobits&xmaxIsMulti != 0,
	})
}
