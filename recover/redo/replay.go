package redo

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/pgrescue/pgrescue/recover/heap"
	"github.com/pgrescue/pgrescue/recover/pg"
	"github.com/pgrescue/pgrescue/recover/wal"
)

// Options say what to replay.
type Options struct {
	Scan wal.ScanOptions // From and To bound the replay; Rmgrs is set by Replay
	// Wants names the pages to replay. It is called from several goroutines.
	Wants func(PageKey) bool
	// Base reads a page as it lies in a relation file. A page that it gives is
	// believed to hold everything before Scan.From; nil: there are no files. It is
	// asked only where the WAL has no image of the page.
	Base func(key PageKey, dst heap.Page) bool
	// Files: the wanted relations are replayed as a whole. Records that make or truncate
	// their files count, and so do those of sequences; see Result.Pages.
	Files bool
	// Whole: the caller asks which tuples a page held, and not for one that a record
	// names: a page of which any record may be lost is not known to it. Files implies it.
	Whole bool
	// Destroyed is called after each delete or update of a wanted page, in LSN order.
	Destroyed func(d *Destroyed) (Verdict, error)
	// MemoryPages bounds the pages in memory; 0: DefaultMemoryPages.
	MemoryPages int
	TempDir     string // for pages beyond that; "": the system's
}

// DefaultMemoryPages is 64 MiB of pages.
const DefaultMemoryPages = 8192

// Verdict is what the observer wants to become of a page.
type Verdict uint8

// The verdicts.
const (
	Keep    Verdict = iota // the page is still needed
	Release                // nobody asks for the page any more
)

// Destroyed is one delete or update, right after it was applied to its page.
type Destroyed struct {
	Key      PageKey
	Offset   pg.OffsetNumber
	LSN, End pg.LSN
	XID      pg.XID // of the (sub)transaction that did it
	Page     heap.Page
	FromFile bool   // the page's base was the relation file, not the WAL
	Unknown  string // why the page is not known; Page is nil then
	change   *change
}

// Result is what a replay left behind.
type Result struct {
	engine  *engine
	Records int64     // that changed wanted pages
	Gaps    []wal.Gap // what Archive.Gaps names is not repeated
	files   map[pg.RelFileLocator]*replayedFile
}

// Close removes what the replay holds, its temporary file among it.
func (r *Result) Close() error { return r.engine.store.close() }

// Known returns one page as the replay left it; ok is false when it is not
// known. The page is valid until the next call.
func (r *Result) Known(key PageKey) (p heap.Page, ok bool) {
	n, seen := r.engine.numbers[key]
	if !seen || r.engine.states[n].kind != stateKnown {
		return nil, false
	}
	kept, err := r.engine.known(n)
	return heap.Page(kept), err == nil && kept != nil
}

// Seen reports whether the replayed range changes a page, known or not.
func (r *Result) Seen(key PageKey) bool {
	_, seen := r.engine.numbers[key]
	return seen
}

// LostTo is where the last gap of the replayed range ended; 0: there was none. A page
// in a file that is older than that may have been changed within the gap.
func (r *Result) LostTo() pg.LSN { return r.engine.lostTo }

// Blocks lists the known pages of a relation in order.
func (r *Result) Blocks(file pg.RelFileLocator) []pg.BlockNumber {
	var blocks []pg.BlockNumber
	for key, n := range r.engine.numbers {
		if key.Relation == file && r.engine.states[n].kind == stateKnown {
			blocks = append(blocks, key.Block)
		}
	}
	slices.Sort(blocks)
	return blocks
}

type stateKind uint8

const (
	stateNew stateKind = iota
	stateKnown
	stateUnknown
	stateReleased
)

type pageState struct {
	kind     stateKind
	fromFile bool
	shaken   bool // one record is lost since the page's base, and it may have changed the page
	reason   *string
}

// engine is the replay in progress. Only merge uses it, one span at a time.
type engine struct {
	opts    Options
	numbers map[PageKey]int
	states  []pageState
	blocks  []pg.BlockNumber // of the pages by number, when whole files are replayed
	store   *store
	result  *Result
	noBase  *string   // why a page without a base is unknown
	missing []wal.Gap // of the archive, those not reached yet
	lostTo  pg.LSN    // where the last gap ended
	levels  []walLevel
}

// Replay replays the records of the given range onto the wanted pages. Damage
// of the WAL makes pages unknown; it is in the result's gaps, not in the error.
func Replay(ctx context.Context, archive *wal.Archive, opts Options) (*Result, error) {
	opts.Scan.Rmgrs = wal.Rmgrs(wal.RmgrHeap, wal.RmgrHeap2, wal.RmgrXLOG)
	if opts.Files {
		opts.Scan.Rmgrs = wal.Rmgrs(wal.RmgrHeap, wal.RmgrHeap2, wal.RmgrXLOG, wal.RmgrSmgr, wal.RmgrSequence, wal.RmgrStandby)
	}
	if opts.MemoryPages == 0 {
		opts.MemoryPages = DefaultMemoryPages
	}
	start := archive.ScanStart(opts.Scan)
	noBase := fmt.Sprintf("the page's image was written before %s, where the WAL at hand begins", start)
	e := &engine{
		opts: opts, numbers: make(map[PageKey]int), noBase: &noBase,
		store: newStore(opts.MemoryPages, opts.TempDir), missing: archive.GapsWithin(opts.Scan), // the scan passes over them
	}
	e.result = &Result{engine: e, files: make(map[pg.RelFileLocator]*replayedFile)}
	e.rereadImages(archive.NewReader(context.WithoutCancel(ctx)))
	err := wal.Scan(ctx, archive, opts.Scan,
		func() *batch { return &batch{eager: !archive.RandomAccess()} },
		func(b *batch, rec *wal.Record) error {
			if opts.Files {
				b.collectFile(rec, opts.Wants)
			}
			b.collect(rec, opts.Wants)
			return nil
		},
		e.merge)
	if err != nil {
		return nil, errors.Join(err, e.store.close())
	}
	return e.result, nil
}

// gapsOf gives a span's gaps, and those of the archive before its end.
func (e *engine) gapsOf(span *wal.Span) []wal.Gap {
	gaps := slices.Clone(span.Gaps)
	for len(e.missing) > 0 && e.missing[0].From < span.To {
		gaps = append(gaps, e.missing[0])
		e.missing = e.missing[1:]
	}
	gaps = slices.DeleteFunc(gaps, func(g wal.Gap) bool { return g.Doubt }) // its records are there
	slices.SortStableFunc(gaps, func(a, b wal.Gap) int { return cmp.Compare(a.From, b.From) })
	return gaps
}

// rereadImages lets the store fetch clean pages from the WAL again. The pages of
// a Result are read after Replay, so reading does not end with its context.
func (e *engine) rereadImages(reader *wal.Reader) {
	var restorer wal.Restorer
	e.store.reload = func(n int, image pg.LSN, dst page) error {
		rec, err := reader.Read(image)
		if err != nil {
			return err
		}
		for i := range rec.Blocks {
			ref := &rec.Blocks[i]
			key := PageKey{ref.Relation, ref.Block}
			if number, seen := e.numbers[key]; !seen || number != n || ref.Fork != pg.ForkMain || !ref.HasImage {
				continue
			}
			if err := restorer.RestoreImage(dst, ref); err != nil {
				return err
			}
			if dst.upper() != 0 {
				dst.setLSN(rec.End)
			}
			return nil
		}
		return fmt.Errorf("the record at %s has no image of the page", image)
	}
}

// merge applies one span's changes; gaps come in between, where they lie.
func (e *engine) merge(b *batch, span *wal.Span) error {
	e.result.Gaps = append(e.result.Gaps, span.Gaps...)
	gaps := e.gapsOf(span)
	for i := range b.changes {
		c := &b.changes[i]
		for len(gaps) > 0 && gaps[0].From <= c.lsn {
			e.gap(gaps[0])
			gaps = gaps[1:]
		}
		if err := e.replay(c); err != nil {
			return err
		}
	}
	for _, g := range gaps {
		e.gap(g)
	}
	b.reset()
	return nil
}

// gap makes every known page unknown: records that changed it may be lost. A
// single lost record only shakes it: to put another tuple in the place of one
// takes two, a prune and an insert, and what does not fit the page from then on
// makes it unknown (no record but in-place updates of catalogs changes a tuple's data).
// That holds for tuples that a record names, and not for who asks which tuples a page or a
// file had: the one record may have been an insert or a delete.
func (e *engine) gap(g wal.Gap) {
	reason := fmt.Sprintf("records between %s and %s are lost (%s), and no full-page image of the page follows", g.From, g.To, g.Why)
	for n := range e.states {
		switch state := &e.states[n]; {
		case state.kind != stateKnown:
		case g.Records == 1 && !state.shaken && !e.opts.Files && !e.opts.Whole:
			state.shaken = true
		default:
			e.store.drop(n)
			e.states[n] = pageState{kind: stateUnknown, reason: &reason}
		}
	}
	for _, f := range e.result.files {
		f.made = false // and so may one that made a page
	}
	e.levels = append(e.levels, walLevel{from: g.From}) // or one that says that wal_level is another
	e.noBase = &reason
	e.lostTo = max(e.lostTo, g.To)
}

func (e *engine) number(key PageKey) int {
	n, seen := e.numbers[key]
	if !seen {
		n = len(e.states)
		e.numbers[key] = n
		e.states = append(e.states, pageState{})
	}
	return n
}

func (e *engine) replay(c *change) error {
	if c.level != wal.LevelNone {
		e.replayLevel(c)
		return nil
	}
	if c.file != wal.FileNone {
		return e.replayFile(c)
	}
	for i := range c.count {
		b := &c.blocks[i]
		if !b.wanted {
			continue
		}
		e.result.Records++
		e.seeBlock(b.key, c.op)
		if err := e.replayBlock(c, b); err != nil {
			return err
		}
	}
	return e.report(c)
}

// replayBlock brings one page from right before the record to right after it.
func (e *engine) replayBlock(c *change, b *changedBlock) error {
	n := e.number(b.key)
	state := &e.states[n]
	if state.kind == stateReleased {
		return nil
	}
	fresh := b.image != nil || b.willInit || b.later || c.file == wal.FileSequence
	// An image is restored whatever the file says: the file's page may be torn, or
	// much later than the record.
	if state.kind == stateNew && !fresh {
		if err := e.readBase(n, b.key); err != nil {
			return err
		}
	}
	if state.kind != stateKnown && !fresh {
		if state.kind == stateNew {
			*state = pageState{kind: stateUnknown, reason: e.noBase}
		}
		return nil
	}
	if b.later {
		e.store.leave(n, c.lsn)
		*state = pageState{kind: stateKnown}
		return nil
	}
	p, err := e.room(n, fresh)
	if err != nil || p == nil {
		return err
	}
	if state.kind == stateKnown && !fresh && p.lsn() >= c.end && p.upper() != 0 {
		return nil // the page holds this change already
	}
	if err := apply(p, c, b); err != nil {
		reason := fmt.Sprintf("the record at %s does not fit the page: %v", c.lsn, err)
		e.store.drop(n)
		*state = pageState{kind: stateUnknown, reason: &reason}
		return nil
	}
	if fresh {
		state.fromFile, state.shaken = false, false
	}
	e.store.dirty(n)
	state.kind = stateKnown
	return nil
}

// room returns the page's memory: kept, or new when the record fills it afresh.
// nil without an error: the page is not known any more.
func (e *engine) room(n int, fresh bool) (page, error) {
	if e.states[n].kind == stateKnown && !fresh {
		return e.known(n)
	}
	return e.store.make(n)
}

// known returns a known page. When its image in the WAL cannot be restored, the
// page is unknown from then on, and nil.
func (e *engine) known(n int) (page, error) {
	p, err := e.store.get(n)
	if errors.Is(err, errImage) {
		reason := err.Error()
		e.store.drop(n)
		e.states[n] = pageState{kind: stateUnknown, reason: &reason}
		return nil, nil
	}
	return p, err
}

// readBase takes a page's base from the relation file when there is one.
func (e *engine) readBase(n int, key PageKey) error {
	if e.opts.Base == nil {
		return nil
	}
	p, err := e.store.make(n)
	if err != nil {
		return err
	}
	if e.opts.Base(key, heap.Page(p)) && p.lsn() >= e.lostTo {
		e.states[n] = pageState{kind: stateKnown, fromFile: true}
		return nil
	}
	e.store.drop(n)
	return nil
}

// report tells the observer of a delete or an update.
func (e *engine) report(c *change) error {
	if e.opts.Destroyed == nil {
		return nil
	}
	b, offset, ok := c.destroys()
	if !ok || !b.wanted {
		return nil
	}
	n := e.number(b.key)
	state := &e.states[n]
	d := Destroyed{
		Key: b.key, Offset: offset, LSN: c.lsn, End: c.end, XID: c.xid,
		FromFile: state.fromFile, change: c,
	}
	switch state.kind {
	case stateReleased:
		return nil
	case stateKnown:
		p, err := e.known(n)
		if err != nil {
			return err
		}
		d.Page = heap.Page(p)
	}
	if d.Page == nil {
		d.Unknown = *state.reason
	}
	verdict, err := e.opts.Destroyed(&d)
	if verdict == Release {
		e.store.drop(n)
		state.kind = stateReleased
	}
	return err
}

// destroys tells which tuple of which block the change destroys.
func (c *change) destroys() (*changedBlock, pg.OffsetNumber, bool) {
	switch c.op {
	case wal.HeapDelete:
		d, err := wal.DecodeHeapDelete(c.main)
		return c.block(0), d.Offset, err == nil && c.block(0) != nil
	case wal.HeapUpdate, wal.HeapHotUpdate:
		u, err := wal.DecodeHeapUpdate(c.main)
		old := c.block(1)
		if old == nil {
			old = c.block(0)
		}
		return old, u.OldOffset, err == nil && old != nil
	}
	return nil, 0, false
}

// Successor returns the tuple that an update put in the place of the destroyed
// one, from the record itself or from its page; ok is false for a delete or
// when it cannot be had. The bytes are valid until the observer returns.
func (d *Destroyed) Successor() (t heap.Tuple, ok bool) {
	if d.change.op == wal.HeapDelete || d.change.block(0) == nil {
		return t, false
	}
	upd, err := wal.DecodeHeapUpdate(d.change.main)
	if err != nil {
		return t, false
	}
	b := d.change.block(0)
	from := heap.Page(b.image)
	if d.change.block(1) == nil {
		from = d.Page
	}
	if from == nil {
		fresh := make(page, pg.BlockSize)
		fresh.init()
		fresh.setLower(heap.PageHeaderSize + int(upd.NewOffset-1)*linePointerLen)
		if addUpdated(fresh, d.change, &upd, nil) != nil {
			return t, false
		}
		from = heap.Page(fresh)
	}
	h, err := from.Header()
	if err != nil {
		return t, false
	}
	t, err = from.Tuple(h, upd.NewOffset)
	return t, err == nil
}
