package undelete

import (
	"context"
	"fmt"

	"github.com/pgrescue/pgrescue/recover/heap"
	"github.com/pgrescue/pgrescue/recover/pg"
	"github.com/pgrescue/pgrescue/recover/redo"
	"github.com/pgrescue/pgrescue/recover/wal"
	"github.com/pgrescue/pgrescue/recover/wal/xact"
)

// sight decides which tuples everybody saw just before a transaction committed,
// its own changes left out.
type sight struct {
	*Loss
	tx    *xact.Transaction
	later *xact.Outcomes // of what ended from its commit on
}

func newSight(ctx context.Context, l *Loss, tx *xact.Transaction) (*sight, error) {
	result, err := xact.Collect(ctx, l.ev.Archive, xact.Options{
		Scan:   wal.ScanOptions{From: tx.EndLSN},
		Counts: func(pg.RelFileLocator) bool { return false },
		Keep:   func(*xact.Transaction) bool { return false },
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", l.ev.op("read WAL"), err)
	}
	return &sight{l, tx, &result.Outcomes}, nil
}

// committed reports whether another transaction had committed by then. Where
// nothing tells, the hint bit decides; without it, the answer is unsure.
func (s *sight) committed(xid pg.XID, hinted bool) (committed, unsure bool) {
	if s.tx.Has(xid) || s.later.Get(xid) == xact.Committed {
		return false, false
	}
	switch s.ev.ended(xid) {
	case heap.XactCommitted:
		return true, false
	case heap.XactUnknown:
		return hinted, !hinted
	}
	return false, false
}

// sees reports whether a tuple was seen. unsure tells that nothing at hand knows what
// became of a transaction: then it may have been.
func (s *sight) sees(t *heap.Tuple) (seen, unsure bool) {
	frozen := t.Infomask&heap.XminFrozen == heap.XminFrozen // a frozen tuple keeps its xmin, and may have been frozen later
	if frozen && (s.tx.Has(t.RawXmin) || s.later.Get(t.RawXmin) == xact.Committed) {
		return false, false
	}
	if !frozen {
		seen, unsure = s.committed(t.RawXmin, t.Infomask&heap.XminCommitted != 0)
		if unsure = unsure && t.Infomask&heap.XminInvalid == 0; !seen && !unsure {
			return false, false
		}
	}
	if !t.XmaxDestroys() {
		return true, unsure
	}
	xid := t.Xmax
	if t.Infomask&heap.XmaxIsMulti != 0 {
		updater, err := s.updater(xid)
		if err != nil {
			return true, true
		}
		if updater == pg.InvalidXID {
			return true, unsure
		}
		xid = updater
	}
	gone, unknown := s.committed(xid, t.Infomask&heap.XmaxCommitted != 0)
	return !gone, unsure || unknown
}

// standing reads the pages of a table as they stood at a place of the WAL: the
// page in the file if nothing has changed it since, the page as replayed up to
// there, or the first image that was written of it since, which has one change
// more and lacks no row that was there.
type standing struct {
	*Loss
	table *Table
	at    pg.LSN
	visit func(block pg.BlockNumber, p heap.Page, by state) error

	done     map[pg.BlockNumber]bool
	replayed *redo.Result
	start    pg.LSN // of the replay
	unseen   int64  // pages that cannot be had
	mayGoOn  string // the segment of the file that is missing, if there was one; "": none
	unlogged bool
	why      string
}

func (s *standing) read(ctx context.Context) error {
	s.done, s.why = make(map[pg.BlockNumber]bool), "the WAL at hand has no image of them"
	var rel *heap.Relation
	if s.ev.DataDir != "" && !s.req.NoHeap {
		if opened, err := s.ev.dir().OpenRelation(s.table.File); err == nil {
			rel = opened
			defer rel.Close()
			s.unlogged = rel.Unlogged()
			if next, may := rel.MayGoOn(); may {
				s.mayGoOn = next
				s.segmentGone(rel)
			}
		}
	}
	if !s.req.NoWAL {
		if err := s.replay(ctx, rel); err != nil {
			return err
		}
		defer s.replayed.Close()
	}
	if rel != nil {
		if err := s.pagesOfFile(ctx, rel); err != nil {
			return err
		}
	}
	if s.replayed == nil {
		s.count(rel)
		return nil
	}
	if err := s.pagesReplayed(); err != nil {
		return err
	}
	if err := s.imagesSince(ctx); err != nil {
		return err
	}
	s.count(rel)
	return nil
}

// replay brings the pages that the WAL changed to where they stood. A file has
// everything from before the redo point where the search for the transaction
// began; without one, all of the WAL has to give it.
func (s *standing) replay(ctx context.Context, rel *heap.Relation) (err error) {
	start := s.scanned
	control := s.ev.Snapshot.Control
	switch {
	case rel == nil:
		start = 0
	case control != nil && control.Redo < start: // a copy from before: all since then may be missing in its files
		start = max(control.Redo, s.ev.Archive.Start())
	}
	s.start = start
	s.replayed, err = redo.Replay(ctx, s.ev.Archive, redo.Options{
		Scan:  wal.ScanOptions{From: start, To: s.at, Progress: s.ev.stage("replaying "+s.table.Name(), int64(s.at-max(start, s.ev.Archive.Start())))},
		Wants: func(key redo.PageKey) bool { return key.Relation == s.table.File },
		Whole: true,
		Base: func(key redo.PageKey, dst heap.Page) bool {
			if rel == nil {
				return false
			}
			h, err := s.readPage(rel, key.Block, dst)
			return err == nil && h.LSN < s.at && (h.LSN >= start || control != nil && control.Redo >= start)
		},
	})
	if err != nil {
		return fmt.Errorf("%s: %w", s.ev.op("replay WAL"), err)
	}
	return nil
}

// pagesOfFile takes the pages that nothing has changed since.
func (s *standing) pagesOfFile(ctx context.Context, rel *heap.Relation) error {
	control := s.ev.Snapshot.Control
	written := control != nil && (control.Redo >= s.at || control.CleanShutdown && s.ev.Archive == nil)
	return rel.Pages(ctx, func(block pg.BlockNumber, p heap.Page) error {
		h, err := p.Header()
		if err != nil || h.LSN >= s.at || s.checksums() && !heap.VerifyChecksum(p, block) {
			return nil
		}
		if s.replayed != nil && !written {
			key := redo.PageKey{Relation: s.table.File, Block: block}
			if known, ok := s.replayed.Known(key); ok {
				if k, err := known.Header(); err != nil || k.LSN > h.LSN {
					return nil
				}
			} else if s.replayed.Seen(key) || h.LSN < s.replayed.LostTo() || h.LSN < s.start && (control == nil || control.Redo < s.start) {
				return nil // or WAL is missing that may have changed it
			}
		}
		s.done[block] = true
		return s.visit(block, p, byHeap)
	})
}

// pagesReplayed takes the pages that the WAL brought to where they stood.
func (s *standing) pagesReplayed() error {
	for _, block := range s.replayed.Blocks(s.table.File) {
		if s.done[block] {
			continue
		}
		if p, ok := s.replayed.Known(redo.PageKey{Relation: s.table.File, Block: block}); ok {
			s.done[block] = true
			if err := s.visit(block, p, byWAL); err != nil {
				return err
			}
		}
	}
	return nil
}

// pageImage is the first that a span of the WAL says of a page; nil stands for a
// change without an image.
type pageImage struct {
	block pg.BlockNumber
	page  heap.Page
}

type pageImages struct {
	pages    []pageImage
	met      map[pg.BlockNumber]bool
	restorer wal.Restorer
}

// imagesSince takes the first image of each page that is still open. A page that
// was made anew since held nothing.
func (s *standing) imagesSince(ctx context.Context) error {
	open := func(block pg.BlockNumber) bool { return !s.done[block] }
	lost := make(map[pg.BlockNumber]bool)
	err := wal.Scan(ctx, s.ev.Archive, wal.ScanOptions{
		From: s.at, Rmgrs: wal.Rmgrs(wal.RmgrHeap, wal.RmgrHeap2, wal.RmgrXLOG),
	}, func() *pageImages { return &pageImages{met: make(map[pg.BlockNumber]bool)} },
		func(f *pageImages, rec *wal.Record) error { f.collect(rec, s.table.File); return nil },
		func(f *pageImages, _ *wal.Span) error {
			for _, image := range f.pages {
				if !open(image.block) || lost[image.block] {
					continue
				}
				if image.page == nil {
					lost[image.block] = true
					continue
				}
				s.done[image.block] = true
				if err := s.visit(image.block, image.page, byWAL); err != nil {
					return err
				}
			}
			f.pages = f.pages[:0]
			clear(f.met)
			return nil
		})
	for range lost {
		s.unseen++
	}
	for block := range lost {
		s.done[block] = true // counted
	}
	return err
}

// collect keeps the first mention of each page of a relation in the span.
func (f *pageImages) collect(rec *wal.Record, file pg.RelFileLocator) {
	for i := range rec.Blocks {
		b := &rec.Blocks[i]
		if b.Relation != file || b.Fork != pg.ForkMain || f.met[b.Block] {
			continue
		}
		f.met[b.Block] = true
		image := pageImage{block: b.Block}
		switch {
		case b.HasImage && (b.Apply || rec.HeapOp() == wal.HeapNone):
			image.page = make(heap.Page, pg.BlockSize)
			if f.restorer.RestoreImage(image.page, b) != nil {
				image.page = nil
			}
		case b.WillInit || rec.Info&wal.InitPage != 0 && rec.HeapOp() != wal.HeapVisible:
			image.page = make(heap.Page, pg.BlockSize) // of zeros: no tuple
		}
		f.pages = append(f.pages, image)
	}
}

// count tells how many pages of the table nobody has seen: those of the file that
// changed since, and those that the statistics of then count beyond.
func (s *standing) count(rel *heap.Relation) {
	blocks := pg.BlockNumber(s.table.Relation.Pages)
	for block := range s.done {
		blocks = max(blocks, block+1)
	}
	if rel != nil {
		blocks = max(blocks, rel.Blocks())
	}
	for block := range blocks {
		if !s.done[block] && !s.newPage(rel, block) {
			s.unseen++
		}
	}
}

// newPage reports whether a page of the file was never used.
func (s *standing) newPage(rel *heap.Relation, block pg.BlockNumber) bool {
	if rel == nil {
		return false
	}
	p := make(heap.Page, pg.BlockSize)
	if err := rel.ReadPage(block, p); err != nil {
		return block >= rel.Blocks() // cut off since: it was empty by then, or its changes are in the WAL
	}
	_, err := p.Header()
	return err == heap.ErrZeroPage //nolint:errorlint // Header returns it bare
}

// stale reports whether the pages may be older than the place, and no WAL says what
// changed them since: those of unlogged tables reach the file only when the server stops
// (BufferSync in bufmgr.c).
func (s *standing) stale() bool {
	control := s.ev.Snapshot.Control
	return s.unlogged && (control == nil || !control.CleanShutdown || control.Redo < s.at)
}
