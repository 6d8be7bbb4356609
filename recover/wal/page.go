package wal

import (
	"errors"
	"fmt"

	"github.com/pgrescue/pgrescue/recover/binreader"
	"github.com/pgrescue/pgrescue/recover/pg"
)

// Sizes in bytes of the two page headers (SizeOfXLogShortPHD and
// SizeOfXLogLongPHD in access/xlog_internal.h).
const (
	shortHeaderSize = 24
	longHeaderSize  = 40
)

// Bits of xlp_info (access/xlog_internal.h).
const (
	pageFirstIsContrecord          = 0x0001
	pageLongHeader                 = 0x0002
	pageFirstIsOverwriteContrecord = 0x0008
	pageAllFlags                   = 0x000F
)

// Bounds of a segment's size in bytes (WalSegMinSize and WalSegMaxSize in access/xlog_internal.h).
const (
	minSegmentSize = 1 << 20
	maxSegmentSize = 1 << 30
)

// pageHeader is XLogPageHeaderData, and XLogLongPageHeaderData on a segment's first page.
type pageHeader struct {
	magic      uint16
	info       uint16
	timeline   pg.TimelineID
	address    pg.LSN
	remLen     uint32 // bytes of a record that began on an earlier page
	systemID   uint64 // long header only, as the two below
	segSize    uint32
	blockSize  uint32
	headerSize int
}

// decodePageHeader reads the header of a page. It checks nothing but that the
// bytes are there.
func decodePageHeader(page []byte) (h pageHeader, ok bool) {
	r := binreader.New(page)
	h.magic = r.Uint16()
	h.info = r.Uint16()
	h.timeline = pg.TimelineID(r.Uint32())
	h.address = pg.LSN(r.Uint64())
	h.remLen = r.Uint32()
	h.headerSize = shortHeaderSize
	if h.info&pageLongHeader != 0 {
		r.Skip(4) // alignment
		h.systemID = r.Uint64()
		h.segSize = r.Uint32()
		h.blockSize = r.Uint32()
		h.headerSize = longHeaderSize
	}
	return h, r.OK()
}

// errZeroPage is a value because the rest of a switched segment has many of them.
var errZeroPage = errors.New("the page is zero")

// zero reports whether the page was never written.
func (h *pageHeader) zero() bool { return h.magic == 0 && h.info == 0 && h.address == 0 }

// check tells why the page cannot be the one at the given place of the log
// (XLogReaderValidatePageHeader in xlogreader.c), or nil.
func (h *pageHeader) check(a *Archive, at pg.LSN) error {
	first := at&pg.LSN(a.segmentSize-1) == 0
	switch {
	case h.zero():
		return errZeroPage
	case h.magic != a.layout.Magic:
		return fmt.Errorf("page magic 0x%04X instead of 0x%04X", h.magic, a.layout.Magic)
	case h.info&^pageAllFlags != 0:
		return fmt.Errorf("impossible page flags 0x%04X", h.info)
	case h.address != at:
		return fmt.Errorf("the page belongs to %s", h.address)
	case first && h.info&pageLongHeader == 0:
		return errors.New("the segment's first page has a short header")
	case h.info&pageLongHeader != 0 && h.systemID != a.systemID:
		return fmt.Errorf("system identifier %d instead of %d", h.systemID, a.systemID)
	}
	return nil
}
