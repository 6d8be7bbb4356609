package undelete

import (
	"context"
	"errors"
	"fmt"

	"github.com/pgrescue/pgrescue/recover/heap"
	"github.com/pgrescue/pgrescue/recover/pg"
	"github.com/pgrescue/pgrescue/recover/redo"
)

// settleByAlso looks in the further copies for the lines that nothing else settled.
// First for what is certain: the dead tuple itself, on a page that is younger than the
// loss, and pages from which all WAL up to the loss is at hand. Then, where WAL in
// between is missing, for what may be: the older page is taken to have stayed as it
// was, and rows from it are derived and not proven.
func (l *Loss) settleByAlso(ctx context.Context) error {
	for n, c := range l.ev.also {
		if err := l.deadInCopy(ctx, uint8(n+1), c); err != nil {
			return err
		}
		if err := l.replayCopies(ctx, uint8(n+1), c); err != nil {
			return err
		}
	}
	for n, c := range l.ev.also {
		if l.ev.Archive == nil || l.req.NoWAL {
			break
		}
		if err := l.replayCopy(ctx, uint8(n+1), c, l.ev.Archive.Start(), true); err != nil {
			return err
		}
	}
	return nil
}

// deadInCopy looks for the destroyed tuples themselves: the copy was made after the
// loss, and before they were vacuumed.
func (l *Loss) deadInCopy(ctx context.Context, number uint8, c *furtherCopy) error {
	for _, t := range l.tables {
		if !l.anyOpen(t) {
			continue
		}
		rel, err := c.dataDir().OpenRelation(t.File)
		if err != nil {
			continue // the copy is from before the file, or from after it
		}
		err = l.tableInCopy(ctx, t, number, c, rel)
		rel.Close()
		if err != nil {
			return err
		}
	}
	return nil
}

func (l *Loss) tableInCopy(ctx context.Context, t *Table, number uint8, c *furtherCopy, rel *heap.Relation) error {
	var carve *carver
	if t.Relation != nil && len(t.Relation.Attributes) > 0 {
		carve = newCarver(l, t)
	}
	buffer := make(heap.Page, pg.BlockSize)
	err := l.eachOpenPage(ctx, t, func(lines []entry) error {
		h, err := c.readPage(rel, lines[0].block, buffer)
		if err != nil {
			return nil // the copy is from before the page, or does not help
		}
		return l.linesInCopy(lines, buffer, h, number, c, carve)
	})
	if err != nil || !l.req.Successors {
		return err
	}
	return l.successorsFromFile(t, rel, buffer)
}

// linesInCopy settles the lines of one page with the dead tuples on it, and with
// those in its free space, where nothing speaks against the page.
func (l *Loss) linesInCopy(lines []entry, p heap.Page, h heap.PageHeader, number uint8, c *furtherCopy, carve *carver) error {
	open := make([]*entry, 0, len(lines))
	for i := range lines {
		e := &lines[i]
		if !e.open() || h.LSN < e.end || !c.whole(e.lsn) {
			continue
		}
		switch err := l.take(e, p, h, byHeap); {
		case err == nil:
			e.also, e.reason = number, 0
		case errors.Is(err, errSpool):
			return err
		default:
			open = append(open, e)
		}
	}
	if carve == nil || len(open) == 0 {
		return nil
	}
	copy(carve.page, p)
	if err := carve.settle(open, h); err != nil {
		return err
	}
	for _, e := range open {
		if !e.open() {
			e.also = number
		}
	}
	return nil
}

// replayCopies replays the WAL at hand over the copy's pages: from where it is whole,
// and then with the recycled segments before that, which may have holes.
func (l *Loss) replayCopies(ctx context.Context, number uint8, c *furtherCopy) error {
	archive := l.ev.Archive
	if archive == nil || l.req.NoWAL {
		return nil
	}
	err := l.replayCopy(ctx, number, c, archive.Start(), false)
	if err != nil || archive.Oldest() == archive.Start() {
		return err
	}
	return l.replayCopy(ctx, number, c, archive.Oldest(), false)
}

// replayCopy replays the WAL from start on over the copy's pages. With trust, a page
// is taken even when records that changed it before start may be missing.
func (l *Loss) replayCopy(ctx context.Context, number uint8, c *furtherCopy, start pg.LSN, trust bool) error {
	before := make(map[int]int32) // the reasons of lines that are tried again
	for i := range l.entries {
		if e := &l.entries[i]; e.open() && e.lsn != 0 && !e.removed {
			before[i], e.state = e.reason, pending
		}
	}
	if len(before) == 0 {
		return nil
	}
	w := &walRoute{
		Loss: l, numbers: make(map[redo.PageKey]int32), files: make(map[pg.RelFileLocator]*heap.Relation),
		also: c, number: number, trust: trust,
	}
	err := w.replay(ctx, func(pg.LSN) pg.LSN { return start })
	for i, reason := range before {
		if e := &l.entries[i]; e.open() {
			e.state, e.reason = missing, reason
		} else {
			e.reason = 0
		}
	}
	return err
}

// copyBase reads a page of the further copy that is replayed.
func (w *walRoute) copyBase(key redo.PageKey, dst heap.Page) bool {
	rel := w.file(w.also.dataDir(), key.Relation)
	if rel == nil {
		return false
	}
	h, err := w.also.readPage(rel, key.Block, dst)
	if err != nil {
		return false
	}
	first := w.entries[w.pages[w.numbers[key]].from].lsn // of the lines on the page, which are in the order of their LSNs
	if w.trust {
		return h.LSN < first
	}
	return w.also.base(h, w.start, first)
}

// chunksFromCopies looks for chunks in the further copies. The row's pointer names
// them, and a value never changes once it is stored; in another history its number may
// stand for another value.
func (l *Loss) chunksFromCopies(ctx context.Context, lacking map[valueKey]bool) error {
	for _, c := range l.ev.also {
		if err := l.chunksIn(ctx, c.dataDir(), lacking, c.ofHistory); err != nil {
			return err
		}
	}
	return nil
}

// noteDerived is in the provenance of rows from an older page whose history has a hole.
const noteDerived = "from an older page: WAL between it and the loss is missing, so another row may have stood there since"

// noteUnlogged is in the provenance of rows of unlogged tables from a file that may be older than the loss.
const noteUnlogged = "from a copy of an unlogged table: no WAL says what changed it between the copy and the loss"

// copyPlace is the file in a further copy that a line was settled from.
func (l *Loss) copyPlace(t *Table, e *entry) string {
	dir := l.ev.also[e.also-1].dir
	path, err := heap.RelationPath(dir, t.File)
	if err != nil {
		return fmt.Sprintf("%s relation %s", dir, t.File)
	}
	return path
}
