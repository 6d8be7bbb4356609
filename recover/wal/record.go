package wal

import (
	"github.com/pgrescue/pgrescue/recover/pg"
)

// MaxBlockRefs is the number of block references that a record can hold
// (XLR_MAX_BLOCK_ID + 1 in access/xlogrecord.h).
const MaxBlockRefs = 33

// RmgrID names a resource manager (access/rmgrlist.h). Those from 128 on belong
// to extensions; their records are kept opaque.
type RmgrID uint8

// The resource managers that pgrescue decodes.
const (
	RmgrXLOG    RmgrID = 0
	RmgrXact    RmgrID = 1
	RmgrRelMap  RmgrID = 7
	RmgrSmgr    RmgrID = 2
	RmgrStandby RmgrID = 8
	RmgrHeap2   RmgrID = 9
	RmgrHeap    RmgrID = 10
	// RmgrSequence is RM_SEQ_ID.
	RmgrSequence RmgrID = 15
)

// Record is one WAL record. A record handed to a visitor is valid only during
// the call: its slices point into the scanner's buffers.
type Record struct {
	LSN    pg.LSN // of its first byte (ReadRecPtr)
	End    pg.LSN // where the next record can begin (EndRecPtr); a page that it changed gets this LSN
	Prev   pg.LSN // xl_prev
	Length uint32 // xl_tot_len in bytes, padding not counted
	XID    pg.XID // of the (sub)transaction, 0 if none
	Rmgr   RmgrID
	Info   uint8 // xl_info; the resource manager owns the upper four bits

	TopXID  pg.XID // toplevel transaction, when the record carries it (block id 252)
	Layout  *Layout
	Blocks  []BlockRef // in order of block id
	Main    []byte     // main data
	storage [MaxBlockRefs]BlockRef
	lengths [MaxBlockRefs]imageAndData // what the headers of Blocks announce
	crc     uint32
}

// RmgrInfo is the part of Info that the resource manager owns (XLR_RMGR_INFO_MASK).
func (r *Record) RmgrInfo() uint8 { return r.Info & 0xF0 }

// Block returns the block reference with the given id, or nil.
func (r *Record) Block(id uint8) *BlockRef {
	for i := range r.Blocks {
		if r.Blocks[i].ID == id {
			return &r.Blocks[i]
		}
	}
	return nil
}

// BlockRef is one block reference of a record.
type BlockRef struct {
	ID       uint8
	Fork     pg.Fork
	HasImage bool
	Apply    bool // the image is to be restored in replay, not only for consistency checks
	WillInit bool // replay makes the page anew
	Relation pg.RelFileLocator
	Block    pg.BlockNumber
	Image    Image
	Data     []byte
}

// Image is a full-page image as it lies in the record.
type Image struct {
	Stored      []byte
	HoleOffset  uint16
	HoleLength  uint16 // 0: no hole
	Compression Compression
}

// Compression is how an image's bytes are compressed.
type Compression uint8

// The compression methods of full-page images.
const (
	CompressionNone Compression = iota
	CompressionPGLZ
	CompressionLZ4
	CompressionZSTD
)
