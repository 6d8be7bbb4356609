package redo

import (
	"cmp"
	"slices"

	"github.com/pgrescue/pgrescue/recover/heap"
	"github.com/pgrescue/pgrescue/recover/pg"
	"github.com/pgrescue/pgrescue/recover/wal"
)

// replayedFile is what a replay of whole relations knows of one file.
type replayedFile struct {
	made   bool   // within the WAL, without a gap since: the WAL has all its pages, see FileState
	at     pg.LSN // where it was made
	heap   bool   // heap records name it
	blocks pg.BlockNumber
	pages  []int // numbers of pages, sorted by block when the replay is over
	sorted bool
}

// FileState tells what a replay saw of a file.
type FileState struct {
	// Made: the file was made within the replayed WAL, and no gap lies behind that.
	// Then a page that the WAL does not have holds nothing, if it is Logged.
	Made bool
	// Logged: it was made, and while wal_level was not minimal, so that what filled it
	// then is in the WAL too. Without it, a page that the WAL does not have may hold rows.
	Logged bool
	Heap   bool           // records of the heap name it: it is a table's, or that of a TOAST relation
	Blocks pg.BlockNumber // up to the highest that the WAL names, since the last truncation
}

// File tells what the replay saw of a file; it needs Options.Files.
func (r *Result) File(rel pg.RelFileLocator) FileState {
	f := r.files[rel]
	if f == nil {
		return FileState{}
	}
	return FileState{Made: f.made, Logged: f.made && r.engine.fullAt(f.at), Heap: f.heap, Blocks: f.blocks}
}

// walLevel is a stretch of the WAL in which wal_level was the same, as far as is known.
type walLevel struct {
	from pg.LSN
	full bool // it was replica or logical; otherwise minimal, or nothing tells
}

// replayLevel notes what a record says of wal_level.
func (e *engine) replayLevel(c *change) {
	if last := len(e.levels) - 1; c.level == wal.LevelSeen && last >= 0 {
		e.levels[last].full = true
		return
	}
	level := walLevel{from: c.lsn, full: c.level != wal.LevelMinimal}
	if len(e.levels) == 0 && c.level == wal.LevelSeen {
		level.from = 0 // the first record that tells
	}
	e.levels = append(e.levels, level)
}

// fullAt reports whether wal_level is known not to have been minimal at a place.
func (e *engine) fullAt(at pg.LSN) bool {
	full := false
	for _, l := range e.levels {
		if l.from <= at {
			full = l.full
		}
	}
	return full
}

// ReplayedPage is one page as the replay left it.
type ReplayedPage struct {
	Block    pg.BlockNumber
	Page     heap.Page // nil when it is not known
	FromFile bool      // its base was the relation file, not the WAL
	Unknown  string    // why it is not known
}

// Pages calls visit for each page of a file that the WAL names, in block order.
// The page is valid until visit returns. It needs Options.Files.
func (r *Result) Pages(rel pg.RelFileLocator, visit func(*ReplayedPage) error) error {
	f, e := r.files[rel], r.engine
	if f == nil {
		return nil
	}
	if !f.sorted {
		slices.SortFunc(f.pages, func(a, b int) int { return cmp.Compare(e.blocks[a], e.blocks[b]) })
		f.sorted = true
	}
	for _, n := range f.pages {
		out := ReplayedPage{Block: e.blocks[n], FromFile: e.states[n].fromFile}
		switch e.states[n].kind {
		case stateNew: // cut off by a truncation
			continue
		case stateKnown:
			p, err := e.known(n)
			if err != nil {
				return err
			}
			out.Page = heap.Page(p)
		}
		if reason := e.states[n].reason; out.Page == nil && reason != nil {
			out.Unknown = *reason
		}
		if err := visit(&out); err != nil {
			return err
		}
	}
	return nil
}

// Cut reports whether a page that the replay saw was cut off by a truncation since.
func (r *Result) Cut(key PageKey) bool {
	n, seen := r.engine.numbers[key]
	return seen && r.engine.states[n].kind == stateNew
}

// file finds what is known of a file; nil unless whole relations are replayed.
func (e *engine) file(rel pg.RelFileLocator) *replayedFile {
	if !e.opts.Files {
		return nil
	}
	f := e.result.files[rel]
	if f == nil {
		f = &replayedFile{}
		e.result.files[rel] = f
	}
	return f
}

// seeBlock notes that a record names a page.
func (e *engine) seeBlock(key PageKey, op wal.HeapOp) {
	f := e.file(key.Relation)
	if f == nil {
		return
	}
	f.heap = f.heap || op != wal.HeapNone
	f.blocks = max(f.blocks, key.Block+1)
	if _, seen := e.numbers[key]; !seen {
		n := e.number(key)
		for n >= len(e.blocks) {
			e.blocks = append(e.blocks, 0)
		}
		e.blocks[n] = key.Block
		f.pages = append(f.pages, n)
	}
}

// replayFile does what a record does to a file as a whole.
func (e *engine) replayFile(c *change) error {
	b := &c.blocks[0]
	f := e.file(b.key.Relation)
	switch {
	case f == nil:
	case c.file == wal.FileCreate:
		// An earlier file of the same number is another relation's.
		e.cut(f, 0)
		f.made, f.at, f.heap = true, c.lsn, false
	case c.file == wal.FileTruncate:
		e.cut(f, b.key.Block)
	case c.file == wal.FileSequence:
		e.seeBlock(b.key, wal.HeapNone)
		return e.replayBlock(c, b)
	}
	return nil
}

// cut forgets the pages of a file from a block on.
func (e *engine) cut(f *replayedFile, from pg.BlockNumber) {
	for _, n := range f.pages {
		if e.blocks[n] >= from {
			e.store.drop(n)
			e.states[n] = pageState{}
		}
	}
	f.blocks = min(f.blocks, from)
}

// applySequence makes the page of a sequence anew: its one row.
func applySequence(p page, c *change, b *changedBlock) error {
	p.init()
	t, err := p.add(1, len(b.data))
	if err != nil {
		return err
	}
	copy(t, b.data)
	p.setLSN(c.end)
	return nil
}
