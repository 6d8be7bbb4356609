package redo

import (
	"github.com/pgrescue/pgrescue/recover/pg"
	"github.com/pgrescue/pgrescue/recover/wal"
)

// change is what replay keeps of a record that touches a wanted page: a copy
// that outlives the scanner's buffers.
type change struct {
	lsn, end pg.LSN
	xid      pg.XID
	op       wal.HeapOp
	file     wal.FileOp    // what it does to a file as a whole; then block 0 names the file, and where a truncation begins
	level    wal.LevelMark // what it says of wal_level; then it changes nothing
	info     uint8
	main     []byte
	blocks   [2]changedBlock // no heap record changes more than two heap pages
	count    int
}

// changedBlock is one main-fork block reference of a change.
type changedBlock struct {
	id       uint8
	wanted   bool
	willInit bool
	key      PageKey
	image    []byte // pg.BlockSize bytes, or nil
	later    bool   // the record has an image that is not needed yet: it stays in the WAL
	imageErr error  // the record has an image, but it cannot be restored
	data     []byte
}

// PageKey names a page of a relation's main fork.
type PageKey struct {
	Relation pg.RelFileLocator
	Block    pg.BlockNumber
}

// batch collects the changes of one span; its memory is used again for the next.
type batch struct {
	changes []change
	arena   arena
	// restorer decompresses images; one for each batch, since batches are filled in parallel.
	restorer wal.Restorer
	eager    bool // images are restored at once: the WAL is costly to read again
}

func (b *batch) reset() {
	b.changes = b.changes[:0]
	b.arena.reset()
}

// arena hands out memory in slabs and takes it all back at once.
type arena struct {
	slabs [][]byte
	slab  int
	used  int
}

const slabSize = 1 << 20

func (a *arena) reset() { a.slab, a.used = 0, 0 }

// alloc returns n bytes with undefined content; n is at most a record's length.
func (a *arena) alloc(n int) []byte {
	for {
		if a.slab == len(a.slabs) {
			a.slabs = append(a.slabs, make([]byte, max(slabSize, n)))
		}
		if slab := a.slabs[a.slab]; len(slab)-a.used >= n {
			out := slab[a.used : a.used+n : a.used+n]
			a.used += n
			return out
		}
		a.slab++
		a.used = 0
	}
}

func (a *arena) clone(b []byte) []byte {
	if len(b) == 0 {
		return nil
	}
	c := a.alloc(len(b))
	copy(c, b)
	return c
}

// collectFile keeps a record that is about a wanted file as a whole, or about wal_level.
func (b *batch) collectFile(rec *wal.Record, wants func(PageKey) bool) {
	if level := wal.DecodeLevel(rec); level != wal.LevelNone {
		b.next(rec, wal.HeapNone).level = level
		return
	}
	f, ok := wal.DecodeFileRecord(rec)
	key := PageKey{Relation: f.Relation, Block: f.Blocks}
	if !ok || !wants(key) {
		return
	}
	c := b.next(rec, wal.HeapNone)
	c.file, c.count = f.Op, 1
	c.blocks[0] = changedBlock{wanted: true, key: key, data: b.arena.clone(f.Tuple)}
}

// collect keeps a record if it touches a wanted page.
func (b *batch) collect(rec *wal.Record, wants func(PageKey) bool) {
	op := rec.HeapOp()
	if op == wal.HeapNone && rec.Rmgr != wal.RmgrXLOG {
		return
	}
	var wanted [wal.MaxBlockRefs]bool
	any := false
	for i := range rec.Blocks {
		ref := &rec.Blocks[i]
		if ref.Fork == pg.ForkMain && wants(PageKey{ref.Relation, ref.Block}) {
			wanted[i], any = true, true
		}
	}
	if !any {
		return
	}
	if op == wal.HeapNone { // full-page images alone: each block is a change of its own
		for i := range rec.Blocks {
			if wanted[i] && rec.Blocks[i].HasImage {
				c := b.next(rec, op)
				b.addBlock(c, &rec.Blocks[i], true)
			}
		}
		return
	}
	c := b.next(rec, op)
	c.main = b.arena.clone(rec.Main)
	for i := range rec.Blocks {
		if rec.Blocks[i].Fork == pg.ForkMain && c.count < len(c.blocks) {
			b.addBlock(c, &rec.Blocks[i], wanted[i])
		}
	}
}

func (b *batch) next(rec *wal.Record, op wal.HeapOp) *change {
	if len(b.changes) < cap(b.changes) {
		b.changes = b.changes[:len(b.changes)+1]
	} else {
		b.changes = append(b.changes, change{})
	}
	c := &b.changes[len(b.changes)-1]
	*c = change{lsn: rec.LSN, end: rec.End, xid: rec.XID, op: op, info: rec.Info}
	return c
}

func (b *batch) addBlock(c *change, ref *wal.BlockRef, wanted bool) {
	blk := &c.blocks[c.count]
	c.count++
	*blk = changedBlock{
		id: ref.ID, wanted: wanted, willInit: ref.WillInit,
		key: PageKey{ref.Relation, ref.Block}, data: b.arena.clone(ref.Data),
	}
	if ref.HasImage && (ref.Apply || c.op == wal.HeapNone) {
		// Only what a record destroyed is asked for, so images of others can wait.
		if !b.eager && c.op != wal.HeapDelete && c.op != wal.HeapUpdate && c.op != wal.HeapHotUpdate {
			blk.later = true
			return
		}
		image := b.arena.alloc(pg.BlockSize)
		if err := b.restorer.RestoreImage(image, ref); err != nil {
			blk.imageErr = err
			return
		}
		blk.image = image
	}
}

// block returns the block reference with an id, or nil.
func (c *change) block(id uint8) *changedBlock {
	for i := range c.count {
		if c.blocks[i].id == id {
			return &c.blocks[i]
		}
	}
	return nil
}
