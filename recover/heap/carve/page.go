package carve

import (
	"github.com/pgrescue/pgrescue/recover/binreader"
	"github.com/pgrescue/pgrescue/recover/heap"
	"github.com/pgrescue/pgrescue/recover/pg"
)

// Kind is what a page's special space tells of it.
type Kind uint8

// The kinds.
const (
	Heap     Kind = iota // no special space, and tuples
	Empty                // no special space and no tuple: of a heap, or of a free space map
	Index                // special space: of an index
	Sequence             // special space with the magic of a sequence
)

// sequenceMagic stands in a sequence's special space (SEQ_MAGIC in commands/sequence.c).
const sequenceMagic = 0x1717

// sizeAndVersion is pd_pagesize_version of every page since 8.3.
const sizeAndVersion = pg.BlockSize | 4

// mayBePage is the cheap test that almost nothing but a page passes.
func mayBePage(raw []byte) bool {
	return binreader.Fields(raw).Uint16(18) == sizeAndVersion
}

// recognise decides whether bytes are a page, and takes it apart. Most of the line
// pointers of a heap page have to lead to a tuple.
func (p *Page) recognise(src *Source, raw []byte, offset int64) bool {
	*p = Page{Page: raw, Source: src, Offset: offset, Block: -1, Tuples: p.Tuples[:0]}
	var err error
	p.Header, err = p.Page.Header()
	if err != nil || p.Header.Special%8 != 0 || p.Header.Lower%4 != 0 {
		return false
	}
	if src.Named && offset%pg.BlockSize == 0 {
		p.Block = int64(src.Segment)*pg.SegmentBlocks + offset/pg.BlockSize
	}
	if p.Header.Special != pg.BlockSize {
		p.Kind = Index
		if int(p.Header.Special)+8 == pg.BlockSize && binreader.Fields(raw).Uint32(int(p.Header.Special)) == sequenceMagic {
			p.Kind = Sequence
		}
		return true
	}
	p.Kind = Heap
	if !p.readTuples() {
		return false
	}
	if len(p.Tuples) == 0 {
		p.Kind = Empty
		return p.Bad == 0
	}
	if p.Block < 0 {
		p.Block = p.blockOfTuples()
	}
	p.Torn = p.Header.Checksum != 0 && p.Block >= 0 && heap.Checksum(p.Page, pg.BlockNumber(p.Block)) != p.Header.Checksum
	return true
}

// readTuples finds the tuples behind the line pointers; false when the bytes are no page.
func (p *Page) readTuples() bool {
	lines := p.Header.NumLinePointers()
	if lines > heap.MaxTuplesPerPage*8 {
		return false
	}
	for line := pg.OffsetNumber(1); line <= lines; line++ {
		lp := p.LinePointer(line)
		switch {
		case lp.State == heap.Normal:
			t, err := p.Tuple(p.Header, line)
			if err != nil || t.Natts() == 0 {
				p.Bad++
				continue
			}
			p.Tuples = append(p.Tuples, Tuple{t, line})
		case lp.State == heap.Redirect && (lp.Offset == 0 || pg.OffsetNumber(lp.Offset) > lines):
			p.Bad++
		}
	}
	return p.Bad <= len(p.Tuples)
}

// blockOfTuples is the block number that the tuples name: the ctid of one that was
// never updated is its own place. -1: none names one.
func (p *Page) blockOfTuples() int64 {
	votes := 0
	block := int64(-1)
	for i := range p.Tuples { // the majority, if there is one
		t := &p.Tuples[i]
		if t.Ctid.Offset != t.Line {
			continue
		}
		switch {
		case votes == 0:
			block, votes = int64(t.Ctid.Block), 1
		case block == int64(t.Ctid.Block):
			votes++
		default:
			votes--
		}
	}
	return block
}

// Natts is the greatest number of attributes of a tuple on the page.
func (p *Page) Natts() int {
	most := 0
	for i := range p.Tuples {
		most = max(most, p.Tuples[i].Natts())
	}
	return most
}

// State is what is known of a tuple's fate.
type State uint8

// The states.
const (
	Live         State = iota // inserted, and not destroyed
	Dead                      // destroyed by a transaction that committed
	Undecided                 // nobody knows here what became of the transaction that inserted or destroyed it
	NeverVisible              // its insertion was rolled back
)

// StateOf judges a tuple by its hint bits, and by status where they say nothing;
// status may be nil.
func StateOf(t *heap.Tuple, status func(pg.XID) heap.XactStatus) State {
	inserted := judge(t.RawXmin, t.Infomask&heap.XminCommitted != 0, t.Infomask&heap.XminFrozen == heap.XminInvalid, status)
	switch {
	case inserted == heap.XactAborted:
		return NeverVisible
	case !t.XmaxDestroys():
		if inserted != heap.XactCommitted {
			return Undecided
		}
		return Live
	}
	if t.Infomask&heap.XmaxIsMulti != 0 {
		status = nil
	}
	switch judge(t.Xmax, t.Infomask&heap.XmaxCommitted != 0, false, status) {
	case heap.XactCommitted:
		return Dead
	case heap.XactAborted:
		if inserted == heap.XactCommitted {
			return Live
		}
	}
	return Undecided
}

// judge tells how a transaction ended. The permanent ids of bootstrap and of freezing
// stand for committed ones; none at all is what an insertion leaves that was taken back
// (heap_abort_speculative in heapam.c).
func judge(xid pg.XID, committed, aborted bool, status func(pg.XID) heap.XactStatus) heap.XactStatus {
	switch {
	case committed, xid == pg.BootstrapXID, xid == pg.FrozenXID:
		return heap.XactCommitted
	case aborted, xid == pg.InvalidXID:
		return heap.XactAborted
	case status == nil:
		return heap.XactUnknown
	}
	return status(xid)
}
