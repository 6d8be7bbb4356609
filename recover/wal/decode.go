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

// decodeHeader reads the fixed header (XLogRecord) at the start of buf; ok is
// false when buf is shorter.
func (rec *Record) decodeHeader(buf []byte) (ok bool) {
	r := binreader.New(buf)
	rec.Length = r.Uint32()
	rec.XID = pg.XID(r.Uint32())
	rec.Prev = pg.LSN(r.Uint64())
	rec.Info = r.Uint8()
	rec.Rmgr = RmgrID(r.Uint8())
	r.Skip(2)
	rec.crc = r.Uint32()
	return r.OK()
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
	rec.TopXID = 0
	rec.Main = nil
	rec.Blocks = rec.storage[:0]
	r := binreader.New(body)
	total, mainLength := 0, 0
	var previous *BlockRef
	for r.Remaining() > total {
		switch id := r.Uint8(); {
		case id == blockIDDataShort || id == blockIDDataLong:
			if id == blockIDDataShort {
				mainLength = int(r.Uint8())
			} else {
				mainLength = int(r.Uint32())
			}
			if r.Remaining() != total+mainLength {
				return errRecordLength
			}
			total += mainLength
		case id == blockIDOrigin:
			r.Skip(2)
		case id == blockIDToplevelXID && rec.Layout.toplevelXID:
			rec.TopXID = pg.XID(r.Uint32())
		case id < MaxBlockRefs:
			n := len(rec.Blocks)
			if previous != nil && id <= previous.ID {
				return errBlockOrder
			}
			rec.Blocks = rec.storage[:n+1]
			block := &rec.Blocks[n]
			*block = BlockRef{ID: id}
			rec.lengths[n] = imageAndData{}
			if err := block.decode(&r, rec.Layout, previous, &rec.lengths[n]); err != nil {
				return err
			}
			total += int(rec.lengths[n].image) + int(rec.lengths[n].data)
			previous = block
		default:
			return errBlockID
		}
	}
	if !r.OK() || r.Remaining() != total {
		return errRecordLength
	}
	for i := range rec.Blocks {
		block := &rec.Blocks[i]
		if block.HasImage {
			block.Image.Stored = r.Bytes(int(rec.lengths[i].image))
		}
		block.Data = r.Bytes(int(rec.lengths[i].data))
	}
	rec.Main = r.Bytes(mainLength)
	return r.Err()
}

// imageAndData are the lengths in bytes of what a block header announces.
type imageAndData struct {
	image, data uint16
}

// decode reads one block header (XLogRecordBlockHeader), its id already read.
func (b *BlockRef) decode(r *binreader.Reader, layout *Layout, previous *BlockRef, lengths *imageAndData) error {
	flags := r.Uint8()
	lengths.data = r.Uint16()
	b.Fork = pg.Fork(flags & blockForkMask)
	if b.Fork > pg.ForkInit {
		return errBlockFork
	}
	b.WillInit = flags&blockWillInit != 0
	if (flags&blockHasData != 0) != (lengths.data != 0) {
		return errBlockData
	}
	if flags&blockHasImage != 0 {
		b.HasImage = true
		if err := b.decodeImage(r, layout, lengths); err != nil {
			return err
		}
	}
	if flags&blockSameRel == 0 {
		b.Relation = pg.RelFileLocator{
			Tablespace: pg.OID(r.Uint32()), Database: pg.OID(r.Uint32()), Relation: pg.RelFileNumber(r.Uint32()),
		}
	} else {
		if previous == nil {
			return errBlockRelation
		}
		b.Relation = previous.Relation
	}
	b.Block = pg.BlockNumber(r.Uint32())
	return nil
}

// decodeImage reads XLogRecordBlockImageHeader and, of a compressed image with a
// hole, XLogRecordBlockCompressHeader.
func (b *BlockRef) decodeImage(r *binreader.Reader, layout *Layout, lengths *imageAndData) error {
	lengths.image = r.Uint16()
	b.Image.HoleOffset = r.Uint16()
	info := r.Uint8()
	b.Apply = info&layout.image.apply != 0
	var ok bool
	if b.Image.Compression, ok = layout.compression(info); !ok {
		return errImageFlags
	}
	hole := info&imageHasHole != 0
	compressed := b.Image.Compression != CompressionNone
	switch {
	case compressed && hole:
		b.Image.HoleLength = r.Uint16()
	case !compressed:
		if lengths.image > pg.BlockSize {
			return errImageHole
		}
		b.Image.HoleLength = pg.BlockSize - lengths.image
	}
	offset, length := int(b.Image.HoleOffset), int(b.Image.HoleLength)
	if hole != (length != 0) || hole != (offset != 0) || offset+length > pg.BlockSize {
		return errImageHole
	}
	if compressed && lengths.image >= pg.BlockSize {
		return errImageHole
	}
	return nil
}

// describeRecord names a record in the text of a gap.
func describeRecord(rmgr RmgrID, xid pg.XID) string {
	if xid == pg.InvalidXID {
		return fmt.Sprintf("a record of %s", rmgr)
	}
	return fmt.Sprintf("a record of %s by transaction %d", rmgr, xid)
}
