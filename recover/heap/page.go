package heap

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/pgrescue/pgrescue/recover/binreader"
	"github.com/pgrescue/pgrescue/recover/pg"
)

// Sizes and flags of the page header (storage/bufpage.h).
const (
	PageHeaderSize = 24 // SizeOfPageHeaderData
	linePointerLen = 4  // sizeof(ItemIdData)

	FlagHasFreeLines = 0x0001 // PD_HAS_FREE_LINES
	FlagPageFull     = 0x0002 // PD_PAGE_FULL
	FlagAllVisible   = 0x0004 // PD_ALL_VISIBLE
	validFlags       = 0x0007 // PD_VALID_FLAG_BITS

	pageLayoutVersion = 4 // PG_PAGE_LAYOUT_VERSION since 8.3
)

// Page is one page of a heap relation: pg.BlockSize bytes.
type Page []byte

// PageHeader is the decoded head of a page (PageHeaderData in storage/bufpage.h).
type PageHeader struct {
	LSN      pg.LSN // end of the last WAL record that changed the page
	Checksum uint16
	Flags    uint16
	Lower    uint16 // end of the line pointers
	Upper    uint16 // start of the tuples
	Special  uint16
	Size     uint16 // page size and layout version share a field
	Version  uint8
	PruneXID pg.XID
}

// ErrZeroPage tells that a page holds only zeros: the relation was extended, but
// nothing was written there yet.
var ErrZeroPage = errors.New("page holds only zeros")

// Header decodes the page header and checks what PageIsVerified checks of it.
// A page of zeros gives ErrZeroPage.
func (p Page) Header() (PageHeader, error) {
	if len(p) != pg.BlockSize {
		return PageHeader{}, fmt.Errorf("page has %d bytes, want %d", len(p), pg.BlockSize)
	}
	r := binreader.New(p)
	high, low := r.Uint32(), r.Uint32()
	h := PageHeader{
		LSN:      pg.LSN(high)<<32 | pg.LSN(low),
		Checksum: r.Uint16(),
		Flags:    r.Uint16(),
		Lower:    r.Uint16(),
		Upper:    r.Uint16(),
		Special:  r.Uint16(),
	}
	sizeVersion := r.Uint16()
	h.Size, h.Version = sizeVersion&0xFF00, uint8(sizeVersion)
	h.PruneXID = pg.XID(r.Uint32())
	if h.Upper == 0 && allZero(p) {
		return PageHeader{}, ErrZeroPage
	}
	switch {
	case h.Size != pg.BlockSize || h.Version != pageLayoutVersion:
		return h, fmt.Errorf("page header says size %d, layout version %d; want %d, %d", h.Size, h.Version, pg.BlockSize, pageLayoutVersion)
	case h.Flags&^validFlags != 0:
		return h, fmt.Errorf("page header has unknown flags 0x%04X", h.Flags)
	case h.Lower < PageHeaderSize || h.Lower > h.Upper || h.Upper > h.Special || h.Special > pg.BlockSize:
		return h, fmt.Errorf("page header has impossible bounds: lower %d, upper %d, special %d", h.Lower, h.Upper, h.Special)
	}
	return h, nil
}

// allZero compares eight bytes at a time: a file with a hole has a great many such pages.
func allZero(p []byte) bool {
	for ; len(p) >= 8; p = p[8:] {
		if binary.NativeEndian.Uint64(p) != 0 {
			return false
		}
	}
	return len(bytes.Trim(p, "\x00")) == 0
}

// LinePointerState is the state of a line pointer (LP_* in storage/itemid.h).
type LinePointerState uint8

// The four states.
const (
	Unused LinePointerState = iota
	Normal
	Redirect
	Dead
)

// String names the state with PostgreSQL's word.
func (s LinePointerState) String() string {
	return [...]string{"unused", "normal", "redirect", "dead"}[s&3]
}

// LinePointer is a decoded ItemIdData. For a redirect, Offset is the offset
// number it points to.
type LinePointer struct {
	Offset uint16 // bytes from the start of the page
	Length uint16 // bytes
	State  LinePointerState
}

// decodeLinePointer takes the bit fields apart: offset 15, flags 2, length 15.
func decodeLinePointer(word uint32) LinePointer {
	return LinePointer{Offset: uint16(word & 0x7FFF), State: LinePointerState(word >> 15 & 3), Length: uint16(word >> 17)}
}

// Encode is the ItemIdData of the line pointer.
func (lp LinePointer) Encode() uint32 {
	return uint32(lp.Offset&0x7FFF) | uint32(lp.State&3)<<15 | uint32(lp.Length&0x7FFF)<<17
}

// NumLinePointers is the number of line pointers of a page with this header.
func (h PageHeader) NumLinePointers() pg.OffsetNumber {
	if h.Lower < PageHeaderSize {
		return 0
	}
	return pg.OffsetNumber((h.Lower - PageHeaderSize) / linePointerLen)
}

// LinePointer returns a line pointer by its offset number, from 1. An offset
// outside the page gives an unused one.
func (p Page) LinePointer(offset pg.OffsetNumber) LinePointer {
	r := binreader.New(p)
	r.Seek(PageHeaderSize + (int(offset)-1)*linePointerLen)
	if offset == 0 {
		return LinePointer{}
	}
	return decodeLinePointer(r.Uint32())
}

// Tuple returns the tuple behind a normal line pointer. It fails when the line
// pointer is in another state or points outside the page.
func (p Page) Tuple(h PageHeader, offset pg.OffsetNumber) (Tuple, error) {
	if offset == 0 || offset > h.NumLinePointers() {
		return Tuple{}, fmt.Errorf("page has %d line pointers, no %d", h.NumLinePointers(), offset)
	}
	lp := p.LinePointer(offset)
	if lp.State != Normal {
		return Tuple{}, fmt.Errorf("line pointer %d is %s", offset, lp.State)
	}
	r := binreader.New(p)
	r.Seek(int(lp.Offset))
	raw := r.Bytes(int(lp.Length))
	if raw == nil || lp.Offset < h.Upper || lp.Offset%8 != 0 {
		return Tuple{}, fmt.Errorf("line pointer %d points outside the tuples: offset %d, length %d", offset, lp.Offset, lp.Length)
	}
	return DecodeTuple(raw)
}
