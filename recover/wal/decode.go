package wal

import (
	"errors"
	"fmt"

	"github.com/pgrescue/pgrescue/recover/binreader"
	"github.com/pgrescue/pgrescue/recover/pg"
)

// recordHeaderSize is the size in bytes of the fixed record header
// (SizeOfXLogRecord in access/xlogrecord.h); crcOffset is where its CRC lies.
const (
	recordHeaderSize = 24
	crcOffset        = 20
)

// maxRecordSize bounds a record in bytes. PostgreSQL allocates a record in one
// piece, so it is below 1 GiB (MaxAllocSize in utils/memutils.h).
const maxRecordSize = 1<<30 - 1

// Block ids with a meaning of their own (XLR_BLOCK_ID_* in access/xlogrecord.h).
const (
	blockIDDataShort   = 255
	blockIDDataLong    = 254
	blockIDOrigin      = 253
	blockIDToplevelXID = 252
)

// Bits of fork_flags (BKPBLOCK_* in access/xlogrecord.h).
const (
	blockForkMask = 0x0F
	blockHasImage = 0x10
	blockHasData  = 0x20
	blockWillInit = 0x40
	blockSameRel  = 0x80
)

// decodeHeader reads the fixed header (XLogRecord) at an offset of buf. Where buf
// is too short the length becomes 0.
func (rec *Record) decodeHeader(f binreader.Fields, off int) {
	if !f.Has(off, recordHeaderSize) {
		rec.Length = 0
		return
	}
	rec.Length = f.Uint32(off)
	rec.XID = pg.XID(f.Uint32(off + 4))
	rec.Prev = pg.LSN(f.Uint64(off + 8))
	rec.Info = f.Uint8(off + 16)
	rec.Rmgr = RmgrID(f.Uint8(off + 17))
	rec.crc = f.Uint32(off + crcOffset)
}

// The reasons for which a record cannot be decoded. They are values so that the
// hot path allocates nothing.
var (
	errBlockOrder    = errors.New("block ids are out of order")
	errBlockID       = errors.New("unknown block id")
	errBlockData     = errors.New("a block's data flag and length disagree")
	errBlockFork     = errors.New("unknown fork")
	errBlockRelation = errors.New("a block names the previous relation, but there is none")
	errImageHole     = errors.New("a full-page image's hole and length disagree")
	errImageFlags    = errors.New("unknown flags of a full-page image")
	errRecordLength  = errors.New("the parts do not add up to the record's length")
)

// decode reads the bytes of a whole record behind its fixed header: the block
// references, images, data and main data (DecodeXLogRecord in xlogreader.c). The
// header fields of rec are set already. Whatever rec held before is replaced.
func (rec *Record) decode(body []byte) error {
	f := binreader.Fields(body)
	off, total, main, n := 0, 0, 0, 0
	rec.TopXID = 0
	rec.Main = nil
	rec.Blocks = nil
	for len(f)-off > total {
		switch id := f.Uint8(off); {
		case id < MaxBlockRefs:
			var previous *BlockRef
			if n > 0 {
				if previous = &rec.storage[n-1]; id <= previous.ID {
					return errBlockOrder
				}
			}
			block, lengths := &rec.storage[n], &rec.lengths[n]
			block.ID = id
			var err error
			if off, err = block.decode(f, off+1, rec.Layout, previous, lengths); err != nil {
				return err
			}
			total += int(lengths.image) + int(lengths.data)
			n++
		case id == blockIDDataShort:
			main = int(f.Uint8(off + 1))
			off, total = off+2, total+main
		case id == blockIDDataLong:
			main = int(f.Uint32(off + 1))
			off, total = off+5, total+main
		case id == blockIDOrigin:
			off += 3
		case id == blockIDToplevelXID && rec.Layout.toplevelXID:
			rec.TopXID = pg.XID(f.Uint32(off + 1))
			off += 5
		default:
			return errBlockID
		}
	}
	if len(f)-off != total {
		return errRecordLength
	}
	for i := range n {
		block, lengths := &rec.storage[i], &rec.lengths[i]
		if block.HasImage {
			block.Image.Stored = f.Bytes(off, int(lengths.image))
			off += int(lengths.image)
		}
		block.Data = f.Bytes(off, int(lengths.data))
		off += int(lengths.data)
	}
	rec.Blocks = rec.storage[:n]
	rec.Main = f.Bytes(off, main)
	return nil
}

// imageAndData are the lengths in bytes of what a block header announces.
type imageAndData struct {
	image, data uint16
}

// decode reads one block header (XLogRecordBlockHeader), its id already read, and
// returns the offset behind it. Bytes that are not there read as zero; the caller
// finds out by the record's length.
func (b *BlockRef) decode(f binreader.Fields, off int, layout *Layout, previous *BlockRef, lengths *imageAndData) (int, error) {
	flags := f.Uint8(off)
	*lengths = imageAndData{data: f.Uint16(off + 1)}
	off += 3
	b.Fork = pg.Fork(flags & blockForkMask)
	if b.Fork > pg.ForkInit {
		return off, errBlockFork
	}
	b.WillInit = flags&blockWillInit != 0
	if (flags&blockHasData != 0) != (lengths.data != 0) {
		return off, errBlockData
	}
	b.HasImage, b.Apply, b.Image = false, false, Image{}
	if flags&blockHasImage != 0 {
		var err error
		if off, err = b.decodeImage(f, off, layout, lengths); err != nil {
			return off, err
		}
	}
	if flags&blockSameRel == 0 {
		b.Relation = pg.RelFileLocator{
			Tablespace: pg.OID(f.Uint32(off)), Database: pg.OID(f.Uint32(off + 4)), Relation: pg.RelFileNumber(f.Uint32(off + 8)),
		}
		off += 12
	} else {
		if previous == nil {
			return off, errBlockRelation
		}
		b.Relation = previous.Relation
	}
	b.Block = pg.BlockNumber(f.Uint32(off))
	return off + 4, nil
}

// decodeImage reads XLogRecordBlockImageHeader and, of a compressed image with a
// hole, XLogRecordBlockCompressHeader.
func (b *BlockRef) decodeImage(f binreader.Fields, off int, layout *Layout, lengths *imageAndData) (int, error) {
	lengths.image = f.Uint16(off)
	b.Image.HoleOffset = f.Uint16(off + 2)
	info := f.Uint8(off + 4)
	off += 5
	b.HasImage = true
	b.Apply = info&layout.image.apply != 0
	var ok bool
	if b.Image.Compression, ok = layout.compression(info); !ok {
		return off, errImageFlags
	}
	hole := info&imageHasHole != 0
	compressed := b.Image.Compression != CompressionNone
	switch {
	case compressed && hole:
		b.Image.HoleLength = f.Uint16(off)
		off += 2
	case !compressed:
		if lengths.image > pg.BlockSize {
			return off, errImageHole
		}
		b.Image.HoleLength = pg.BlockSize - lengths.image
	}
	offset, length := int(b.Image.HoleOffset), int(b.Image.HoleLength)
	if hole != (length != 0) || hole != (offset != 0) || offset+length > pg.BlockSize {
		return off, errImageHole
	}
	if compressed && lengths.image >= pg.BlockSize {
		return off, errImageHole
	}
	return off, nil
}

// describeRecord names a record in the text of a gap.
func describeRecord(rmgr RmgrID, xid pg.XID) string {
	if xid == pg.InvalidXID {
		return fmt.Sprintf("a record of %s", rmgr)
	}
	return fmt.Sprintf("a record of %s by transaction %d", rmgr, xid)
}
