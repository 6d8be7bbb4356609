package undelete

import (
	"bytes"
	"context"
	"errors"
	"slices"

	"github.com/pgrescue/pgrescue/recover/datum"
	"github.com/pgrescue/pgrescue/recover/heap"
	"github.com/pgrescue/pgrescue/recover/pg"
)

// noteCarved is in the provenance of rows that no line pointer led to.
const noteCarved = "carved from the page's free space"

// Why a carved tuple does not settle its line.
const (
	reasonCrossed = "the tuple was pruned, and what is left of it in the page's free space may be overwritten in part"
	reasonTwice   = "the tuple was pruned, and two different ones in the page's free space carry its place and its transaction"
)

// settleByCarving looks in the free space of the pages in the relation files for
// the lines that no other step settled: a pruned tuple's bytes stay until a newer
// tuple needs their place. A find settles a line only when the ledger names it, by
// its place and by the transaction that destroyed it, when every value in it is one
// of its column's type, and when nothing else can be meant.
func (l *Loss) settleByCarving(ctx context.Context) error {
	for _, t := range l.tables {
		if t.Relation == nil || len(t.Relation.Attributes) == 0 || !l.anyOpen(t) {
			continue
		}
		rel, err := l.ev.dir().OpenRelation(t.File)
		if err != nil {
			continue // said by the heap route
		}
		err = l.carveTable(ctx, t, rel)
		rel.Close()
		if err != nil {
			return err
		}
	}
	return nil
}

func (l *Loss) anyOpen(t *Table) bool {
	return slices.ContainsFunc(l.entries[t.first:t.last], func(e entry) bool { return e.open() })
}

// open reports whether no step settled the line yet.
func (e *entry) open() bool { return e.state == pending || e.state == missing }

func (l *Loss) carveTable(ctx context.Context, t *Table, rel *heap.Relation) error {
	c := newCarver(l, t)
	var open []*entry
	err := l.eachOpenPage(ctx, t, func(lines []entry) error {
		h, err := l.readPage(rel, lines[0].block, c.page)
		if err != nil {
			return nil // its gap is listed by the heap route
		}
		open = open[:0]
		for i := range lines {
			if lines[i].open() {
				open = append(open, &lines[i])
			}
		}
		return c.settle(open, h)
	})
	if err != nil || !l.req.Successors {
		return err
	}
	return l.successorsFromFile(t, rel, c.page)
}

// eachOpenPage visits the lines of a table page by page, where one is open.
func (l *Loss) eachOpenPage(ctx context.Context, t *Table, visit func(lines []entry) error) error {
	for from := t.first; from < t.last; {
		to := from + 1
		for to < t.last && l.entries[to].block == l.entries[from].block {
			to++
		}
		lines := l.entries[from:to]
		from = to
		if !slices.ContainsFunc(lines, func(e entry) bool { return e.open() }) {
			continue
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := visit(lines); err != nil {
			return err
		}
	}
	return nil
}

// carver settles a table's lines from the free space of one page after the other.
type carver struct {
	*Loss
	attrs []heap.Attr
	rows  *datum.RowDecoder
	page  heap.Page
	finds []heap.Carved // of the page; they point into it
	limit pg.XID        // see Evidence.xidLimit
}

func newCarver(l *Loss, t *Table) *carver {
	return &carver{
		Loss: l, limit: l.ev.xidLimit(), attrs: attrsOf(t.Relation), rows: datum.NewRowDecoder(t.Database, t.Relation), page: make(heap.Page, pg.BlockSize),
	}
}

// idsPerCheckpoint is more transactions than a server runs between two checkpoints.
const idsPerCheckpoint = 1 << 24

// xidLimit is a number that is above every transaction id that the files ever held.
// There is none without pg_control, or when the ids went round: then it is 0.
func (ev *Evidence) xidLimit() pg.XID {
	control := ev.Snapshot.Control
	if control == nil {
		return pg.InvalidXID
	}
	next := control.NextXID
	if !control.CleanShutdown {
		next += idsPerCheckpoint
	}
	if next.XID() != pg.XID(min(next, 1<<32-1)) {
		return pg.InvalidXID
	}
	return next.XID()
}

// settle looks for open lines of the page that was read.
func (c *carver) settle(open []*entry, h heap.PageHeader) error {
	c.finds = c.finds[:0]
	err := heap.Carve(c.page, h, c.attrs, func(found *heap.Carved) error {
		c.finds = append(c.finds, *found)
		return nil
	})
	if err != nil || len(c.finds) == 0 {
		return err
	}
	for _, e := range open {
		// A page older than the loss still has the tuple in its place.
		if h.LSN >= e.end {
			if err := c.take(e); err != nil {
				return err
			}
		}
	}
	return nil
}

// take settles a line with the one tuple among the finds that the ledger names.
func (c *carver) take(e *entry) error {
	var best *heap.Carved
	reason := ""
	for i := range c.finds {
		found := &c.finds[i]
		switch {
		case !c.named(e, &found.Tuple):
		case found.Crossed || found.Cut(e.xid, c.limit):
			reason = reasonCrossed
		case c.rows.Sound(&found.Tuple) != nil || c.ev.Status(found.Xmin()) == heap.XactAborted:
		case best != nil && !sameVersion(&best.Tuple, &found.Tuple):
			e.reason = c.reason(reasonTwice)
			return nil
		default:
			best = found
		}
	}
	if best == nil {
		if reason != "" {
			e.reason = c.reason(reason)
		}
		return nil
	}
	body, err := c.spool.add(best.Raw)
	if err != nil {
		return errors.Join(errSpool, err)
	}
	e.body, e.state, e.carved, e.reason = body, byHeap, true, 0
	return nil
}

// named reports whether the ledger names a tuple without a line pointer: its xmax
// is the transaction of the line, and its ctid is what the transaction wrote into
// it. A delete writes the tuple's own place there (heap_delete in heapam.c), an
// update the place of the next version, which no other tuple can share. A row that
// moved to another partition carries neither.
func (c *carver) named(e *entry, t *heap.Tuple) bool {
	if !t.XmaxDestroys() || !c.destroyedBy(e, t) {
		return false
	}
	if e.deleted {
		return t.Ctid == e.tid()
	}
	return e.newOffset != 0 && t.Ctid == pg.TID{Block: e.newBlock, Offset: e.newOffset}
}

// sameVersion reports whether two tuples are copies of one: pruning moves the
// tuples that stay, and leaves the bytes behind. Hint bits come and go.
func sameVersion(a, b *heap.Tuple) bool {
	return a.RawXmin == b.RawXmin && a.Natts() == b.Natts() && len(a.Raw) == len(b.Raw) &&
		bytes.Equal(a.Raw[heap.TupleHeaderSize:], b.Raw[heap.TupleHeaderSize:])
}

// carve hands out the dead tuples in the free space of a page. Nothing names them but
// themselves: the place of a deleted one is in its ctid, that of an updated one is not
// known. A delete and an update that changes the key leave the same bits.
func (s *deadScan) carve(block pg.BlockNumber, p heap.Page, h heap.PageHeader) error {
	s.finds = s.finds[:0]
	return heap.Carve(p, h, s.attrs, func(c *heap.Carved) error {
		xid := s.destroyer(&c.Tuple)
		if xid == pg.InvalidXID || s.opts.XID != 0 && xid != s.opts.XID || s.rows.Sound(&c.Tuple) != nil || s.onPage(p, h, &c.Tuple) {
			return nil
		}
		if c.Crossed || c.Cut(xid, s.limit) {
			if s.status(xid) != heap.XactAborted {
				s.result.Cut++
			}
			return nil
		}
		s.finds = append(s.finds, *c)
		tid, note := pg.TID{}, noteCarved+"; its place is not known"
		if c.Ctid.Block == block && c.Infomask2&(heap.KeysUpdated|heap.HotUpdated) == heap.KeysUpdated {
			tid, note = c.Ctid, noteCarved+"; deleted, or else updated in its key"
		}
		return s.tuple(tid, &c.Tuple, note)
	})
}

// onPage reports whether a carved tuple is a copy of one that has a line pointer, or
// of one that was carved before: what pruning moved lies there twice.
func (s *deadScan) onPage(p heap.Page, h heap.PageHeader, t *heap.Tuple) bool {
	for i := range s.finds {
		if s.finds[i].Ctid == t.Ctid && sameVersion(&s.finds[i].Tuple, t) {
			return true
		}
	}
	for offset := pg.OffsetNumber(1); offset <= h.NumLinePointers(); offset++ {
		if p.LinePointer(offset).State != heap.Normal {
			continue
		}
		if other, err := p.Tuple(h, offset); err == nil && other.Ctid == t.Ctid && sameVersion(&other, t) {
			return true
		}
	}
	return false
}

// chunksFromFreeSpace looks for chunks whose tuples were pruned from their TOAST
// relation. The row's pointer names them, and their sizes have to add up to what it says.
func (l *Loss) chunksFromFreeSpace(ctx context.Context, lacking map[valueKey]bool) error {
	if l.ev.DataDir == "" || l.req.NoHeap {
		return nil
	}
	limit := l.ev.xidLimit()
	for _, t := range l.tables {
		if t.toastOf < 0 || !anyOf(lacking, t.toastTable()) {
			continue
		}
		rel, err := l.ev.dir().OpenRelation(t.File)
		if err != nil {
			continue
		}
		err = rel.Pages(ctx, func(block pg.BlockNumber, p heap.Page) error {
			h, err := p.Header()
			if err != nil || l.checksums() && !heap.VerifyChecksum(p, block) {
				return nil
			}
			return heap.Carve(p, h, chunkAttrs(), func(found *heap.Carved) error {
				if doubtfulChunk(found, limit) {
					return nil
				}
				return l.chunks.add(t.toastTable(), &found.Tuple, func(key valueKey) bool { return lacking[key] })
			})
		})
		rel.Close()
		if err != nil {
			return err
		}
	}
	return nil
}

// doubtfulChunk reports whether a carved chunk may be overwritten in part. Its size
// would be right all the same.
func doubtfulChunk(c *heap.Carved, limit pg.XID) bool {
	destroyer := pg.InvalidXID
	if c.XmaxDestroys() && c.Infomask&heap.XmaxIsMulti == 0 {
		destroyer = c.Xmax
	}
	return c.Crossed || c.Cut(destroyer, limit)
}
