package wal

import (
	"fmt"

	"github.com/pgrescue/pgrescue/recover/pg"
)

// Layout is what differs between the WAL of two versions. Layouts are found by
// the page magic (XLOG_PAGE_MAGIC in access/xlog_internal.h); nothing else in
// this tree asks for a version number.
type Layout struct {
	Magic   uint16
	Version pg.Version

	// image tells what the bits of bimg_info mean (BKPIMAGE_* in access/xlogrecord.h).
	image imageBits
	// toplevelXID: block id 252 carries the toplevel transaction (XLR_BLOCK_ID_TOPLEVEL_XID in access/xlogrecord.h).
	toplevelXID bool
	// maxRmgr is the highest built-in resource manager (RM_MAX_BUILTIN_ID in access/rmgr.h).
	maxRmgr RmgrID
	// customRmgrs: resource managers from 128 on belong to extensions (RM_MIN_CUSTOM_ID in access/rmgr.h).
	customRmgrs bool
	// heap2 is what the operations of the heap2 resource manager mean, by bits 4 to 6 of
	// the info byte (XLOG_HEAP2_* in access/heapam_xlog.h).
	heap2 [8]HeapOp
	// statsItem is the size in bytes of a dropped statistics entry in a commit or abort
	// record (xl_xact_stats_item in access/xact.h); 0: there are none.
	statsItem int
	// prepareCounts is how many counts of things to do at the end stand in a prepare record
	// behind nsubxacts (xl_xact_prepare in access/xact.h).
	prepareCounts int
}

// imageBits are bits of bimg_info; a zero bit does not exist in that version.
type imageBits struct {
	apply, pglz, lz4, zstd uint8
}

// imageHasHole is the one bit of bimg_info that never moved (BKPIMAGE_HAS_HOLE in access/xlogrecord.h).
const imageHasHole = 0x01

// maxBuiltinRmgr is RM_LOGICALMSG_ID, the last of access/rmgrlist.h.
const maxBuiltinRmgr RmgrID = 21

// imageBitsBefore15 and imageBitsFrom15 are BKPIMAGE_* of access/xlogrecord.h:
// version 15 renumbered them when it brought lz4 and zstd.
func imageBitsBefore15() imageBits { return imageBits{apply: 0x04, pglz: 0x02} }

func imageBitsFrom15() imageBits { return imageBits{apply: 0x02, pglz: 0x04, lz4: 0x08, zstd: 0x10} }

// layouts is the table of versions. Each magic is XLOG_PAGE_MAGIC of that
// version's access/xlog_internal.h.
func layouts() []Layout {
	return []Layout{
		{
			Magic: 0xD101, Version: 12, image: imageBitsBefore15(), maxRmgr: maxBuiltinRmgr,
			heap2: heap2Before14(), prepareCounts: prepareCountsBefore15,
		},
		{
			Magic: 0xD106, Version: 13, image: imageBitsBefore15(), maxRmgr: maxBuiltinRmgr,
			heap2: heap2Before14(), prepareCounts: prepareCountsBefore15,
		},
		{
			Magic: 0xD10D, Version: 14, image: imageBitsBefore15(), maxRmgr: maxBuiltinRmgr, toplevelXID: true,
			heap2: heap2In14(), prepareCounts: prepareCountsBefore15,
		},
		{
			Magic: 0xD110, Version: 15, image: imageBitsFrom15(), maxRmgr: maxBuiltinRmgr, toplevelXID: true, customRmgrs: true,
			heap2: heap2In15(), statsItem: statsItemFrom15, prepareCounts: prepareCountsFrom15,
		},
		{
			Magic: 0xD113, Version: 16, image: imageBitsFrom15(), maxRmgr: maxBuiltinRmgr, toplevelXID: true, customRmgrs: true,
			heap2: heap2In16(), statsItem: statsItemFrom15, prepareCounts: prepareCountsFrom15,
		},
		{
			Magic: 0xD116, Version: 17, image: imageBitsFrom15(), maxRmgr: maxBuiltinRmgr, toplevelXID: true, customRmgrs: true,
			heap2: heap2From17(), statsItem: statsItemFrom15, prepareCounts: prepareCountsFrom15,
		},
		{
			Magic: 0xD118, Version: 18, image: imageBitsFrom15(), maxRmgr: maxBuiltinRmgr, toplevelXID: true, customRmgrs: true,
			heap2: heap2From17(), statsItem: statsItemFrom18, prepareCounts: prepareCountsFrom15,
		},
	}
}

// LayoutOf finds the layout for a page magic. It refuses a magic that it does not know.
func LayoutOf(magic uint16) (*Layout, error) {
	for _, layout := range layouts() {
		if layout.Magic == magic {
			return &layout, nil
		}
	}
	return nil, fmt.Errorf("unknown page magic 0x%04X", magic)
}

// compression tells how an image is compressed; ok is false for a bit that this
// version does not have, or for more than one method.
func (l *Layout) compression(info uint8) (method Compression, ok bool) {
	info &^= imageHasHole | l.image.apply
	switch {
	case info == 0:
		return CompressionNone, true
	case info == l.image.pglz:
		return CompressionPGLZ, true
	case info == l.image.lz4:
		return CompressionLZ4, true
	case info == l.image.zstd:
		return CompressionZSTD, true
	}
	return CompressionNone, false
}

// validRmgr reports whether this version can have written a record of the
// resource manager (RmgrIdIsValid in access/rmgr.h).
func (l *Layout) validRmgr(id RmgrID) bool {
	return id <= l.maxRmgr || (l.customRmgrs && id >= minCustomRmgr)
}
