package undelete

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/heap"
	"github.com/pgrescue/pgrescue/recover/pg"
	"github.com/pgrescue/pgrescue/recover/redo"
	"github.com/pgrescue/pgrescue/recover/wal"
)

// Settle looks for the bytes of each version in the ledger, by the heap route
// first and then by the wal route; what neither finds may still lie in the free
// space of its page. The others are missing, with the reason. Values out of line are
// looked for by Recover.
func (l *Loss) Settle(ctx context.Context) error {
	if l.ev.DataDir != "" && !l.req.NoHeap {
		for _, t := range l.tables {
			if err := l.settleByHeap(ctx, t); err != nil {
				return err
			}
		}
	}
	if l.ev.Archive != nil && !l.req.NoWAL {
		if err := l.settleByWAL(ctx); err != nil {
			return err
		}
	}
	if l.ev.DataDir != "" && !l.req.NoHeap {
		if err := l.settleByCarving(ctx); err != nil {
			return err
		}
	}
	if err := l.settleByAlso(ctx); err != nil {
		return err
	}
	for i := range l.entries {
		if e := &l.entries[i]; e.state == pending {
			e.state = missing
		}
	}
	return nil
}

// settleByHeap looks for a table's lines in its relation file.
func (l *Loss) settleByHeap(ctx context.Context, t *Table) error {
	if !slices.ContainsFunc(l.entries[t.first:t.last], func(e entry) bool { return e.state == pending }) {
		return nil
	}
	rel, err := l.ev.dir().OpenRelation(t.File)
	if err != nil {
		// A former file, and that of a dropped relation, is removed for good: its absence is no damage.
		if current := t.Relation != nil && t.File == t.Relation.File && t.Removal == "" && t.Relation.DroppedBy == 0; current || !errors.Is(err, fs.ErrNotExist) {
			l.relationGone(t, err, "the heap route finds nothing for this table")
		}
		l.failPending(t, "the relation file cannot be opened")
		return nil
	}
	defer rel.Close()
	buffer := make(heap.Page, pg.BlockSize)
	for from := t.first; from < t.last; {
		to := from + 1
		for to < t.last && l.entries[to].block == l.entries[from].block {
			to++
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := l.settlePage(t, rel, l.entries[from:to], buffer); err != nil {
			return err
		}
		from = to
	}
	for _, g := range rel.Gaps() {
		l.gap(g)
	}
	if l.req.Successors {
		return l.successorsFromFile(t, rel, buffer)
	}
	return nil
}

// successorsFromFile looks for the versions that stand in the place of updated
// ones; where they are not in the file, their rows go without.
func (l *Loss) successorsFromFile(t *Table, rel *heap.Relation, buffer heap.Page) error {
	for i := t.first; i < t.last; i++ {
		e := &l.entries[i]
		if e.state != byHeap || e.deleted || e.successor.length() > 0 {
			continue
		}
		h, err := l.readPage(rel, e.newBlock, buffer)
		if err != nil {
			continue
		}
		next, err := buffer.Tuple(h, e.newOffset)
		if err != nil || next.Xmin() != e.xid {
			continue
		}
		if e.successor, err = l.spool.add(next.Raw); err != nil {
			return err
		}
	}
	return nil
}

// settlePage looks for the lines of one block on its page in the file.
func (l *Loss) settlePage(t *Table, rel *heap.Relation, lines []entry, buffer heap.Page) error {
	block := lines[0].block
	h, err := l.readPage(rel, block, buffer)
	if err != nil {
		reason := "the page is not in the relation file"
		if errors.Is(err, heap.ErrNoPage) {
			l.segmentGone(rel)
		}
		if zeroed := errors.Is(err, heap.ErrZeroPage) && l.written(lines); zeroed || !errors.Is(err, heap.ErrNoPage) && !errors.Is(err, heap.ErrZeroPage) {
			reason = "the page in the relation file is damaged"
			l.gap(evidence.Gap{
				Where: fmt.Sprintf("%s block %d", rel.Path(), block), What: "page", Why: err.Error(),
				Consequence: "its dead tuples count only if the WAL has the page",
			})
		}
		for i := range lines {
			if lines[i].state == pending {
				lines[i].reason = l.reason(reason)
			}
		}
		return nil
	}
	for i := range lines {
		e := &lines[i]
		if e.state != pending {
			continue
		}
		if h.LSN < e.end {
			l.behind[redo.PageKey{Relation: t.File, Block: block}] = true
			e.reason = l.reason("the page in the relation file is older than the loss")
			continue
		}
		switch err := l.take(e, buffer, h, byHeap); {
		case err == nil:
		case errors.Is(err, errSpool):
			return err
		case buffer.LinePointer(e.offset).State == heap.Normal && e.offset <= h.NumLinePointers() && !errors.Is(err, errNotVictim):
			e.reason = l.reason("the tuple in the relation file is damaged")
			l.gap(evidence.Gap{
				Where: fmt.Sprintf("%s block %d", rel.Path(), block), What: "tuples", Why: err.Error(),
				Consequence: "they count only if the WAL has the page",
			})
		default:
			e.reason = l.reason("the tuple was pruned or vacuumed from the relation file")
		}
	}
	return nil
}

// written reports whether the last checkpoint wrote the page with these lines, so
// that it cannot be zero for being new.
func (l *Loss) written(lines []entry) bool {
	control := l.ev.Snapshot.Control
	return control != nil && lines[0].end != 0 && lines[0].end <= control.Redo
}

// readPage reads a page and checks its header, and its checksum where the cluster has them.
func (l *Loss) readPage(rel *heap.Relation, block pg.BlockNumber, buffer heap.Page) (heap.PageHeader, error) {
	if err := rel.ReadPage(block, buffer); err != nil {
		return heap.PageHeader{}, err
	}
	h, err := buffer.Header()
	if err == nil && l.checksums() && !heap.VerifyChecksum(buffer, block) {
		err = errChecksum
	}
	return h, err
}

func (l *Loss) checksums() bool { return l.ev.checksums() }

func (ev *Evidence) checksums() bool {
	return ev.Snapshot.Control != nil && ev.Snapshot.Control.Checksums
}

var (
	errChecksum  = errors.New("the page's checksum is wrong: it is torn or damaged")
	errSpool     = errors.New("cannot keep tuples")
	errNotVictim = errors.New("the tuple at this place is another one")
)

// take settles a line with the tuple on a page, if it is the one that the ledger names.
func (l *Loss) take(e *entry, p heap.Page, h heap.PageHeader, by state) error {
	t, err := p.Tuple(h, e.offset)
	if err != nil {
		return err
	}
	if !t.XmaxDestroys() || !l.destroyedBy(e, &t) {
		return errNotVictim
	}
	l.learn(&t)
	body, err := l.spool.add(t.Raw)
	if err != nil {
		return fmt.Errorf("%w: %w", errSpool, err)
	}
	e.body, e.state = body, by
	return nil
}

// destroyedBy reports whether a tuple's xmax is the one that the ledger names.
// Others may have locked the row since, or the locks have been forgotten: then a
// multixact stands in the place of the transaction, or the other way round.
func (l *Loss) destroyedBy(e *entry, t *heap.Tuple) bool {
	if multi := t.Infomask&heap.XmaxIsMulti != 0; !multi {
		return t.Xmax == e.xid
	}
	if e.multi && t.Xmax == e.xmax {
		return true
	}
	updater, err := l.updater(t.Xmax)
	return err == nil && updater == e.xid
}

func (l *Loss) failPending(t *Table, reason string) {
	n := l.reason(reason)
	for i := t.first; i < t.last; i++ {
		if l.entries[i].state == pending {
			l.entries[i].reason = n
		}
	}
}

// walRoute replays the pages of the lines that are still pending.
type walRoute struct {
	*Loss
	numbers map[redo.PageKey]int32 // of pages; read by several goroutines, so it never changes
	pages   []pageLines
	files   map[pg.RelFileLocator]*heap.Relation
	start   pg.LSN
	// also is the further copy whose pages are replayed, and its number; nil: none. With
	// trust, its pages are taken to have stayed as they were until the WAL at hand begins.
	also   *furtherCopy
	number uint8
	trust  bool
}

// pageLines are the lines of one page, entries[from:to], and how many are pending.
type pageLines struct {
	from, to int32
	open     int32
}

func (l *Loss) settleByWAL(ctx context.Context) error {
	w := &walRoute{Loss: l, numbers: make(map[redo.PageKey]int32), files: make(map[pg.RelFileLocator]*heap.Relation)}
	return w.replay(ctx, l.replayStart)
}

// replay settles what it can of the lines that are pending. startOf gives where
// replay begins, of the first line's LSN.
func (w *walRoute) replay(ctx context.Context, startOf func(first pg.LSN) pg.LSN) error {
	defer w.close()
	first, last := w.collect()
	if len(w.pages) == 0 {
		return nil
	}
	w.start = startOf(first)
	archive := w.ev.Archive
	result, err := redo.Replay(ctx, archive, redo.Options{
		Scan: wal.ScanOptions{
			From: w.start, To: last + 1, SkipCRC: len(w.scan.Gaps) == 0 && w.start >= w.scanned,
			Progress: w.ev.stage("replaying pages", int64(last-w.start)),
		},
		Wants:     func(key redo.PageKey) bool { _, wanted := w.numbers[key]; return wanted },
		Base:      w.base,
		Destroyed: w.destroyed,
	})
	if err != nil {
		return fmt.Errorf("%s: %w", w.ev.op("replay WAL"), err)
	}
	return result.Close()
}

func (w *walRoute) close() {
	for _, rel := range w.files {
		if rel != nil {
			rel.Close()
		}
	}
}

// collect gathers the pages with pending lines, and the range of their LSNs.
func (w *walRoute) collect() (first, last pg.LSN) {
	for i := range w.entries {
		e := &w.entries[i]
		if e.state != pending || e.lsn == 0 {
			continue
		}
		key := redo.PageKey{Relation: w.tables[e.table].File, Block: e.block}
		n, seen := w.numbers[key]
		if !seen {
			n = int32(len(w.pages))
			w.numbers[key] = n
			w.pages = append(w.pages, pageLines{from: int32(i)})
		}
		w.pages[n].to = int32(i) + 1
		w.pages[n].open++
		if first == 0 || e.lsn < first {
			first = e.lsn
		}
		last = max(last, e.lsn)
	}
	return first, last
}

// replayStart is the redo point from which every page that the lines touch has
// a full-page image, or the begin of the WAL when it is not at hand. With pages
// in files that are behind, replay also has to begin where crash recovery would.
func (l *Loss) replayStart(first pg.LSN) pg.LSN {
	start := l.ev.Archive.ScanStart(wal.ScanOptions{From: l.scanned})
	oldest := start
	for i := range l.scan.Checkpoints {
		if redo := l.scan.Checkpoints[i].Redo; redo <= first {
			start = max(start, redo)
		}
	}
	if control := l.ev.Snapshot.Control; control != nil && l.ev.DataDir != "" && len(l.behind) > 0 {
		start = max(oldest, min(start, control.Redo))
	}
	return start
}

// base reads a page from its file when the file is older than the loss. What
// lies between the page's LSN and the replay's start is on the page already
// when the checkpoint in pg_control began behind the start.
func (w *walRoute) base(key redo.PageKey, dst heap.Page) bool {
	if w.also != nil {
		return w.copyBase(key, dst)
	}
	if !w.behind[key] {
		return false
	}
	rel := w.file(w.ev.dir(), key.Relation)
	if rel == nil {
		return false
	}
	h, err := w.readPage(rel, key.Block, dst)
	if err != nil {
		return false
	}
	control := w.ev.Snapshot.Control
	return h.LSN >= w.start || control != nil && control.Redo >= w.start
}

// file opens a relation file once; nil if it is not there.
func (w *walRoute) file(dir heap.DataDir, loc pg.RelFileLocator) *heap.Relation {
	rel, opened := w.files[loc]
	if !opened {
		rel, _ = dir.OpenRelation(loc)
		w.files[loc] = rel
	}
	return rel
}

// destroyed settles the line of one replayed delete or update.
func (w *walRoute) destroyed(d *redo.Destroyed) (redo.Verdict, error) {
	page := &w.pages[w.numbers[d.Key]]
	lines := w.entries[page.from:page.to]
	at, found := slices.BinarySearchFunc(lines, d.LSN, func(e entry, lsn pg.LSN) int { return cmp.Compare(e.lsn, lsn) })
	if !found || lines[at].offset != d.Offset || lines[at].state != pending {
		return redo.Keep, nil
	}
	e := &lines[at]
	if err := w.settleReplayed(e, d); err != nil {
		return redo.Keep, err
	}
	page.open--
	if page.open == 0 {
		return redo.Release, nil
	}
	return redo.Keep, nil
}

func (w *walRoute) settleReplayed(e *entry, d *redo.Destroyed) error {
	if d.Page == nil {
		w.fail(e, d.Unknown)
		return nil
	}
	by := byWAL
	if d.FromFile {
		by = byHeap
	}
	h, err := d.Page.Header()
	if err == nil {
		err = w.take(e, d.Page, h, by)
	}
	switch {
	case errors.Is(err, errSpool):
		return err
	case err != nil:
		w.fail(e, "the replayed page does not hold the tuple")
		return nil
	}
	if by == byHeap && w.also != nil {
		e.also, e.derived = w.number, w.trust
	}
	if w.req.Successors && !e.deleted && e.successor.length() == 0 {
		if next, ok := d.Successor(); ok {
			e.successor, err = w.spool.add(next.Raw)
		}
	}
	return err
}
