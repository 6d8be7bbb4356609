package undelete

import (
	"context"
	"fmt"
	"strings"

	"github.com/pgrescue/pgrescue/recover/datum"
	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/heap"
	"github.com/pgrescue/pgrescue/recover/pg"
)

// DeadRowsOptions say which dead tuples of a table to decode.
type DeadRowsOptions struct {
	XID   pg.XID // only those that this transaction destroyed; 0: all
	Carve bool   // also those that were pruned, from the free space of the pages
}

// DeadRowsResult counts what a table's file holds.
type DeadRowsResult struct {
	Pages   int64 `json:"pages"`
	Tuples  int64 `json:"tuples"`
	Dead    int64 `json:"dead"` // destroyed by a committed transaction, and handed out
	InPart  int64 `json:"in_part"`
	Unknown int64 `json:"commit_state_unknown"` // handed out with a note
	Carved  int64 `json:"carved"`               // of Dead: from the free space of the pages
	Cut     int64 `json:"carved_but_doubtful"`  // not handed out: may be overwritten in part

	// Not handed out, because they are not lost rows.
	RolledBack   int64 `json:"delete_rolled_back"`
	NeverVisible int64 `json:"insert_rolled_back"`

	// Behind are changes in the WAL since the last checkpoint that the file does not have yet.
	Behind int64 `json:"changes_not_in_the_file"`

	Gaps []evidence.Gap `json:"gaps"`
}

// DeadRows decodes the dead tuples in a table's file, in block order. It tells
// what is still there, not what was lost: pruned and vacuumed tuples are gone
// from the file but for their bytes, which opts.Carve looks for, and changes that
// were not written yet are not in it.
func DeadRows(ctx context.Context, ev *Evidence, target Target, opts DeadRowsOptions, sink evidence.Sink) (*DeadRowsResult, error) {
	rel, err := ev.dir().OpenRelation(target.Relation.File)
	if err != nil {
		return nil, err
	}
	defer rel.Close()
	result := &DeadRowsResult{}
	gap := func(g evidence.Gap) { result.Gaps = append(result.Gaps, g) }
	toast := newToastFile(ev, &target, opts.Carve, gap)
	defer toast.close()
	s := &deadScan{
		ev: ev, opts: opts, sink: sink, toast: toast, source: rel.Path(),
		rows: datum.NewRowDecoder(target.Database, target.Relation), result: result,
		attrs: attrsOf(target.Relation), limit: ev.xidLimit(),
	}
	scan := &fileScan{
		rel: rel, checksums: ev.checksums(), consequence: "dead tuples there are not among the rows", gap: gap,
		progress: ev.stage("reading "+target.Relation.QualifiedName(), int64(rel.Blocks())*pg.BlockSize),
	}
	lsns := make([]pg.LSN, rel.Blocks())
	err = scan.pages(ctx, func(block pg.BlockNumber, h heap.PageHeader, p heap.Page) error {
		if int(block) < len(lsns) {
			lsns[block] = h.LSN
		}
		err := scan.tuples(block, h, p, func(tid pg.TID, t *heap.Tuple) error {
			result.Tuples++
			return s.tuple(tid, t, "")
		})
		if err == nil && opts.Carve {
			err = s.carve(block, p, h)
		}
		return err
	})
	result.Pages = scan.read
	s.tellUndecided()
	result.Gaps = append(result.Gaps, rel.Gaps()...)
	if err == nil {
		result.Behind, err = ev.changesBehind(ctx, target.Relation.File, lsns)
	}
	return result, err
}

type deadScan struct {
	ev     *Evidence
	opts   DeadRowsOptions
	sink   evidence.Sink
	toast  *toastFile
	rows   *datum.RowDecoder
	row    evidence.Row
	result *DeadRowsResult
	source string

	unresolved int64 // tuples whose multixact is not at hand
	whyMulti   error
	undecided  pg.XID // the first transaction of which nothing says how it ended

	// The answer for the transaction of the tuple before, which is mostly the same.
	lastXID    pg.XID
	lastStatus heap.XactStatus

	attrs []heap.Attr
	finds []heap.Carved // on the page
	limit pg.XID        // see Evidence.xidLimit
}

// tellUndecided tells of tuples that nobody knows who destroyed, and of
// transactions that nobody knows the end of.
func (s *deadScan) tellUndecided() {
	if s.unresolved > 0 {
		s.result.Gaps = append(s.result.Gaps, evidence.Gap{
			Where: s.source, What: fmt.Sprintf("%d tuples whose xmax is a multixact", s.unresolved), Why: s.whyMulti.Error(),
			Consequence: "whether they are dead cannot be told, and they are not among the rows",
		})
	}
	if s.undecided == pg.InvalidXID {
		return
	}
	where, why := "pg_xact", "it is not at hand"
	if s.ev.Clog != nil {
		where, why = s.ev.Clog.Missing(s.undecided)
	}
	s.result.Gaps = append(s.result.Gaps, evidence.Gap{
		Where: where, What: fmt.Sprintf("how transaction %d and perhaps others ended", s.undecided), Why: why,
		Consequence: fmt.Sprintf("%d rows are handed out with the commit state unknown", s.result.Unknown),
	})
}

// destroyer is the transaction that destroyed the tuple; 0 when it is not known, or
// when there is none.
func (s *deadScan) destroyer(t *heap.Tuple) pg.XID {
	switch {
	case !t.XmaxDestroys():
		return pg.InvalidXID
	case t.Infomask&heap.XmaxIsMulti == 0:
		return t.Xmax
	}
	updater, err := s.ev.updater(t.Xmax)
	if err != nil {
		s.unresolved++
		s.whyMulti = err
		return pg.InvalidXID
	}
	return updater
}

// tuple hands a tuple out if it is dead. carved is a note on one that no line
// pointer led to.
func (s *deadScan) tuple(tid pg.TID, t *heap.Tuple, carved string) error {
	xid := s.destroyer(t)
	if xid == pg.InvalidXID {
		return nil
	}
	if s.opts.XID != 0 && xid != s.opts.XID {
		return nil
	}
	note, dead := s.dead(xid, t)
	if !dead {
		return nil
	}
	s.result.Dead++
	if carved != "" {
		s.result.Carved++
		note = strings.TrimPrefix(note+"; "+carved, "; ")
	}
	if err := s.rows.Decode(t, s.toast, &s.row); err != nil {
		note = "the tuple is damaged: " + err.Error()
	}
	if !s.row.Complete() {
		s.result.InPart++
	}
	op := evidence.OpDelete
	s.row.Moved = t.Moved()
	if _, updated := t.UpdatedTo(tid); updated || s.row.Moved {
		op = evidence.OpUpdate
	}
	s.row.Provenance = evidence.Provenance{
		Route: evidence.RouteHeap, Confidence: evidence.Proven, Source: s.source, TID: tid,
		Xmin: t.Xmin(), Xmax: xid, Operation: op, Note: note,
		Intermediate: t.Xmin() == xid,
	}
	return s.sink.Put(&s.row)
}

// dead decides whether the transaction that destroyed the tuple committed.
func (s *deadScan) dead(xid pg.XID, t *heap.Tuple) (note string, dead bool) {
	switch s.status(xid) {
	case heap.XactCommitted:
	case heap.XactUnknown, heap.XactSubCommitted:
		if t.Infomask&heap.XmaxCommitted == 0 {
			note = noteUnsure
			s.result.Unknown++
			if s.undecided == pg.InvalidXID {
				s.undecided = xid
			}
		}
	default:
		if t.Infomask&heap.XmaxCommitted == 0 {
			s.result.RolledBack++
			return "", false
		}
	}
	if t.Infomask&heap.XminFrozen != heap.XminFrozen && t.Infomask&heap.XminCommitted == 0 &&
		s.ev.Status(t.RawXmin) == heap.XactAborted {
		s.result.NeverVisible++
		return "", false
	}
	return note, true
}

func (s *deadScan) status(xid pg.XID) heap.XactStatus {
	if xid != s.lastXID {
		s.lastXID, s.lastStatus = xid, s.ev.Status(xid)
	}
	return s.lastStatus
}
