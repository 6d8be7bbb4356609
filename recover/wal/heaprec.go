package wal

import (
	"github.com/pgrescue/pgrescue/recover/binreader"
	"github.com/pgrescue/pgrescue/recover/pg"
)

// HeapOp is what a record of the heap resource managers does, whatever number
// the version gave it.
type HeapOp uint8

// The operations of the heap and heap2 resource managers.
const (
	HeapNone HeapOp = iota // not a heap record, or one that this version does not have
	HeapInsert
	HeapDelete
	HeapUpdate
	HeapHotUpdate
	HeapTruncate
	HeapConfirm
	HeapLock
	HeapInplace
	HeapMultiInsert
	HeapClean       // of 12 and 13: line pointers alone
	HeapPruneIn14   // the same, but the page is compacted in another way
	HeapPrune       // of 15 and 16: the same in yet another way
	HeapVacuum      // of 14 to 16: dead line pointers become free
	HeapFreezeEach  // of 12 to 15: a new header for each tuple
	HeapFreezePlans // of 16: a new header for each group of tuples
	HeapPruneFreeze // from 17 on: all of these in one
	HeapCleanupInfo // of 12 and 13: changes no page
	HeapVisible
	HeapLockUpdated
	HeapNewCID
	HeapRewrite
)

// InitPage marks a heap record that makes the page anew (XLOG_HEAP_INIT_PAGE).
const InitPage = 0x80

// heapOps gives the operation by bits 4 to 6 of the info byte: XLOG_HEAP_* in
// access/heapam_xlog.h, the same in versions 12 to 18.
var heapOps = [8]HeapOp{
	HeapInsert, HeapDelete, HeapUpdate, HeapTruncate, HeapHotUpdate, HeapConfirm, HeapLock, HeapInplace,
}

// heap2Before14 is XLOG_HEAP2_* of access/heapam_xlog.h in versions 12 and 13.
func heap2Before14() [8]HeapOp {
	return [8]HeapOp{
		HeapRewrite, HeapClean, HeapFreezeEach, HeapCleanupInfo, HeapVisible, HeapMultiInsert, HeapLockUpdated, HeapNewCID,
	}
}

// heap2In14 is the same of version 14.
func heap2In14() [8]HeapOp {
	return [8]HeapOp{
		HeapRewrite, HeapPruneIn14, HeapVacuum, HeapFreezeEach, HeapVisible, HeapMultiInsert, HeapLockUpdated, HeapNewCID,
	}
}

// heap2In15 is the same of version 15, in which the same record compacts the
// page in another way (PageRepairFragmentation in bufpage.c).
func heap2In15() [8]HeapOp {
	return [8]HeapOp{
		HeapRewrite, HeapPrune, HeapVacuum, HeapFreezeEach, HeapVisible, HeapMultiInsert, HeapLockUpdated, HeapNewCID,
	}
}

// heap2In16 is the same of version 16, whose xl_heap_freeze_page has plans.
func heap2In16() [8]HeapOp {
	return [8]HeapOp{
		HeapRewrite, HeapPrune, HeapVacuum, HeapFreezePlans, HeapVisible, HeapMultiInsert, HeapLockUpdated, HeapNewCID,
	}
}

// heap2From17 is XLOG_HEAP2_* of access/heapam_xlog.h in versions 17 and 18: the
// three PRUNE_* tell only why they were written.
func heap2From17() [8]HeapOp {
	return [8]HeapOp{
		HeapRewrite, HeapPruneFreeze, HeapPruneFreeze, HeapPruneFreeze, HeapVisible, HeapMultiInsert, HeapLockUpdated, HeapNewCID,
	}
}

// HeapOp tells what a record does to a heap page; HeapNone for other resource managers.
func (r *Record) HeapOp() HeapOp {
	switch r.Rmgr {
	case RmgrHeap:
		return heapOps[r.Info>>4&7]
	case RmgrHeap2:
		if r.Layout != nil {
			return r.Layout.heap2[r.Info>>4&7]
		}
	}
	return HeapNone
}

// Bits of the flags field of heap records (XLH_* in access/heapam_xlog.h).
const (
	InsertAllVisibleCleared = 1 << 0
	InsertAllFrozenSet      = 1 << 5

	UpdateOldAllVisibleCleared = 1 << 0
	UpdateNewAllVisibleCleared = 1 << 1
	UpdatePrefixFromOld        = 1 << 5
	UpdateSuffixFromOld        = 1 << 6

	DeleteAllVisibleCleared = 1 << 0
	DeleteIsSuper           = 1 << 3
	DeleteIsPartitionMove   = 1 << 4
)

// HeapDeleteRecord is xl_heap_delete, without an old tuple that logical
// decoding may have added.
type HeapDeleteRecord struct {
	Xmax     pg.XID // may be a multixact: see Infobits
	Offset   pg.OffsetNumber
	Infobits uint8
	Flags    uint8
}

// DecodeHeapDelete decodes the main data of a HeapDelete record.
func DecodeHeapDelete(main []byte) (HeapDeleteRecord, error) {
	r := binreader.New(main)
	d := HeapDeleteRecord{
		Xmax: pg.XID(r.Uint32()), Offset: pg.OffsetNumber(r.Uint16()), Infobits: r.Uint8(), Flags: r.Uint8(),
	}
	return d, r.Err()
}

// HeapUpdateRecord is xl_heap_update, without an old tuple or key that logical
// decoding may have added. Block 0 is the new version's page, block 1 the old
// one's unless it is the same.
type HeapUpdateRecord struct {
	OldXmax     pg.XID
	OldOffset   pg.OffsetNumber
	OldInfobits uint8
	Flags       uint8
	NewXmax     pg.XID
	NewOffset   pg.OffsetNumber
}

// DecodeHeapUpdate decodes the main data of a HeapUpdate or HeapHotUpdate record.
func DecodeHeapUpdate(main []byte) (HeapUpdateRecord, error) {
	r := binreader.New(main)
	u := HeapUpdateRecord{
		OldXmax: pg.XID(r.Uint32()), OldOffset: pg.OffsetNumber(r.Uint16()), OldInfobits: r.Uint8(), Flags: r.Uint8(),
		NewXmax: pg.XID(r.Uint32()), NewOffset: pg.OffsetNumber(r.Uint16()),
	}
	return u, r.Err()
}

// HeapInsertRecord is xl_heap_insert. The tuple is the data of block 0.
type HeapInsertRecord struct {
	Offset pg.OffsetNumber
	Flags  uint8
}

// DecodeHeapInsert decodes the main data of a HeapInsert record.
func DecodeHeapInsert(main []byte) (HeapInsertRecord, error) {
	r := binreader.New(main)
	i := HeapInsertRecord{Offset: pg.OffsetNumber(r.Uint16()), Flags: r.Uint8()}
	return i, r.Err()
}

// HeapMultiInsertRecord is xl_heap_multi_insert. Offsets holds two bytes for
// each tuple, and nothing when the page is initialised: the tuples then get 1, 2, 3, ….
// The tuples are the data of block 0.
type HeapMultiInsertRecord struct {
	Flags   uint8
	Tuples  uint16
	Offsets []byte
}

// DecodeHeapMultiInsert decodes the main data of a HeapMultiInsert
// record, whose info byte says whether it initialises the page.
func DecodeHeapMultiInsert(main []byte, info uint8) (HeapMultiInsertRecord, error) {
	r := binreader.New(main)
	m := HeapMultiInsertRecord{Flags: r.Uint8()}
	r.Skip(1)
	m.Tuples = r.Uint16()
	if info&InitPage == 0 {
		m.Offsets = r.Bytes(int(m.Tuples) * 2)
	}
	return m, r.Err()
}

// HeapLockRecord is xl_heap_lock and xl_heap_lock_updated, which have the same shape.
type HeapLockRecord struct {
	Xmax     pg.XID
	Offset   pg.OffsetNumber
	Infobits uint8
}

// DecodeHeapLock decodes the main data of a HeapLock or HeapLockUpdated record.
func DecodeHeapLock(main []byte) (HeapLockRecord, error) {
	r := binreader.New(main)
	l := HeapLockRecord{Xmax: pg.XID(r.Uint32()), Offset: pg.OffsetNumber(r.Uint16()), Infobits: r.Uint8()}
	return l, r.Err()
}
