package wal

import (
	"github.com/pgrescue/pgrescue/recover/binreader"
	"github.com/pgrescue/pgrescue/recover/pg"
)

// FileOp is what a record does to a relation's file as a whole.
type FileOp uint8

// The operations of the Storage and Sequence resource managers (XLOG_SMGR_* in
// catalog/storage_xlog.h, XLOG_SEQ_LOG in commands/sequence.h).
const (
	FileNone FileOp = iota
	FileCreate
	FileTruncate
	FileSequence // the one row of a sequence, written anew
)

const (
	smgrCreate       = 0x10 // XLOG_SMGR_CREATE
	smgrTruncate     = 0x20 // XLOG_SMGR_TRUNCATE
	smgrTruncateHeap = 0x01 // SMGR_TRUNCATE_HEAP: of the main fork
)

// FileRecord is a decoded record of that kind.
type FileRecord struct {
	Op       FileOp
	Relation pg.RelFileLocator
	Blocks   pg.BlockNumber // left by a truncation
	Tuple    []byte         // of a sequence, header included
}

// DecodeFileRecord decodes records that make or truncate the main fork of a
// relation, and those of sequences; ok is false for others.
func DecodeFileRecord(rec *Record) (f FileRecord, ok bool) {
	r := binreader.New(rec.Main)
	switch {
	case rec.Rmgr == RmgrSmgr && rec.RmgrInfo() == smgrCreate:
		f = FileRecord{Op: FileCreate, Relation: locator(&r)}
		return f, r.Int32() == int32(pg.ForkMain) && r.OK()
	case rec.Rmgr == RmgrSmgr && rec.RmgrInfo() == smgrTruncate:
		f = FileRecord{Op: FileTruncate, Blocks: pg.BlockNumber(r.Uint32())}
		f.Relation = locator(&r)
		return f, r.Uint32()&smgrTruncateHeap != 0 && r.OK()
	case rec.Rmgr == RmgrSequence && rec.RmgrInfo() == 0:
		f = FileRecord{Op: FileSequence, Relation: locator(&r)}
		f.Tuple = r.Rest()
		return f, r.OK()
	}
	return f, false
}

func locator(r *binreader.Reader) pg.RelFileLocator {
	return pg.RelFileLocator{Tablespace: pg.OID(r.Uint32()), Database: pg.OID(r.Uint32()), Relation: pg.RelFileNumber(r.Uint32())}
}
