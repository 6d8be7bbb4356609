package redo

import (
	"errors"
	"fmt"

	"github.com/pgrescue/pgrescue/recover/binreader"
	"github.com/pgrescue/pgrescue/recover/heap"
	"github.com/pgrescue/pgrescue/recover/pg"
	"github.com/pgrescue/pgrescue/recover/wal"
)

// heapHeaderSize is SizeOfHeapHeader: infomask2, infomask and hoff before a
// tuple's data in the WAL.
const heapHeaderSize = 5

// apply makes one record's change on the page of one of its blocks. The page is
// known to stand right before the record. On error the page is no longer known.
func apply(p page, c *change, b *changedBlock) error {
	switch {
	case c.file == wal.FileSequence:
		return applySequence(p, c, b)
	case b.imageErr != nil:
		return fmt.Errorf("full-page image: %w", b.imageErr)
	case b.image != nil:
		copy(p, b.image)
		if p.upper() != 0 {
			p.setLSN(c.end)
		}
		return nil
	case b.willInit || c.info&wal.InitPage != 0 && b.id == 0 && c.op != wal.HeapVisible:
		p.init()
	}
	if err := applyOp(p, c, b); err != nil {
		return err
	}
	if c.op != wal.HeapVisible { // replay moves the LSN only with checksums; see heap_xlog_visible
		p.setLSN(c.end)
	}
	return nil
}

func applyOp(p page, c *change, b *changedBlock) error {
	switch c.op {
	case wal.HeapInsert:
		return applyInsert(p, c, b)
	case wal.HeapMultiInsert:
		return applyMultiInsert(p, c, b)
	case wal.HeapDelete:
		return applyDelete(p, c, b)
	case wal.HeapUpdate, wal.HeapHotUpdate:
		return applyUpdate(p, c, b)
	case wal.HeapLock, wal.HeapLockUpdated:
		return applyLock(p, c, b)
	case wal.HeapConfirm:
		return applyConfirm(p, c, b)
	case wal.HeapInplace:
		return applyInplace(p, c, b)
	case wal.HeapClean:
		return applyPrune(p, c, b, repairBefore14)
	case wal.HeapPruneIn14:
		return applyPrune(p, c, b, repairIn14)
	case wal.HeapPrune:
		return applyPrune(p, c, b, repairFrom15)
	case wal.HeapVacuum:
		return applyVacuum(p, c, b)
	case wal.HeapFreezeEach:
		return applyFreezeEach(p, c, b)
	case wal.HeapFreezePlans:
		return applyFreezePlans(p, c, b)
	case wal.HeapPruneFreeze:
		return applyPruneFreeze(p, c, b)
	case wal.HeapVisible:
		p.setAllVisible()
	}
	return nil
}

// newTuple puts a tuple on the page from its WAL form: header fields, then the
// data from the null bitmap on.
func newTuple(p page, offset pg.OffsetNumber, header []byte, parts ...[]byte) (tupleBytes, error) {
	length := heap.TupleHeaderSize
	for _, part := range parts {
		length += len(part)
	}
	t, err := p.add(offset, length)
	if err != nil {
		return nil, err
	}
	copy(t[offInfomask2:], header[:heapHeaderSize])
	at := heap.TupleHeaderSize
	for _, part := range parts {
		at += copy(t[at:], part)
	}
	return t, nil
}

func applyInsert(p page, c *change, b *changedBlock) error {
	ins, err := wal.DecodeHeapInsert(c.main)
	if err != nil {
		return err
	}
	r := binreader.New(b.data)
	header := r.Bytes(heapHeaderSize)
	if header == nil {
		return r.Err()
	}
	t, err := newTuple(p, ins.Offset, header, r.Rest())
	if err != nil {
		return err
	}
	t.setXmin(c.xid)
	t.setCtid(pg.TID{Block: b.key.Block, Offset: ins.Offset})
	if ins.Flags&wal.InsertAllVisibleCleared != 0 {
		p.clearAllVisible()
	}
	if ins.Flags&wal.InsertAllFrozenSet != 0 {
		p.setAllVisible()
	}
	return nil
}

func applyMultiInsert(p page, c *change, b *changedBlock) error {
	ins, err := wal.DecodeHeapMultiInsert(c.main, c.info)
	if err != nil {
		return err
	}
	offsets, r := binreader.New(ins.Offsets), binreader.New(b.data)
	for i := range int(ins.Tuples) {
		offset := pg.OffsetNumber(i + 1)
		if ins.Offsets != nil {
			offset = pg.OffsetNumber(offsets.Uint16())
		}
		r.Align(2)
		length := int(r.Uint16())
		header := r.Bytes(heapHeaderSize)
		data := r.Bytes(length)
		if !r.OK() {
			return r.Err()
		}
		t, err := newTuple(p, offset, header, data)
		if err != nil {
			return err
		}
		t.setXmin(c.xid)
		t.setCtid(pg.TID{Block: b.key.Block, Offset: offset})
	}
	if ins.Flags&wal.InsertAllVisibleCleared != 0 {
		p.clearAllVisible()
	}
	if ins.Flags&wal.InsertAllFrozenSet != 0 {
		p.setAllVisible()
	}
	return nil
}

func applyDelete(p page, c *change, b *changedBlock) error {
	del, err := wal.DecodeHeapDelete(c.main)
	if err != nil {
		return err
	}
	t, err := p.tuple(del.Offset)
	if err != nil {
		return err
	}
	t.setInfobits(del.Infobits)
	t.setInfomask2(t.infomask2() &^ heap.HotUpdated)
	if del.Flags&wal.DeleteIsSuper != 0 {
		t.setXmin(pg.InvalidXID)
	} else {
		t.setXmax(del.Xmax)
	}
	t.setCmax()
	p.setPrunable(c.xid)
	if del.Flags&wal.DeleteAllVisibleCleared != 0 {
		p.clearAllVisible()
	}
	ctid := pg.TID{Block: b.key.Block, Offset: del.Offset}
	if del.Flags&wal.DeleteIsPartitionMove != 0 {
		ctid = pg.TID{Block: movedPartitionsBlock, Offset: heap.MovedPartitionsOffset}
	}
	t.setCtid(ctid)
	return nil
}

// movedPartitionsBlock is MovedPartitionsBlockNumber (storage/itemptr.h).
const movedPartitionsBlock pg.BlockNumber = 0xFFFFFFFF

func applyUpdate(p page, c *change, b *changedBlock) error {
	upd, err := wal.DecodeHeapUpdate(c.main)
	if err != nil {
		return err
	}
	if c.block(0) == nil || b.id > 1 {
		return errors.New("an update without the page of its new version")
	}
	samePage := c.block(1) == nil
	var old tupleBytes
	if samePage || b.id == 1 {
		if old, err = markUpdated(p, c, &upd); err != nil {
			return err
		}
	}
	if b.id == 1 {
		return nil
	}
	return addUpdated(p, c, &upd, old)
}

// markUpdated changes the old version: xmax, and ctid to the new one.
func markUpdated(p page, c *change, upd *wal.HeapUpdateRecord) (tupleBytes, error) {
	t, err := p.tuple(upd.OldOffset)
	if err != nil {
		return nil, err
	}
	t.setInfobits(upd.OldInfobits)
	if c.op == wal.HeapHotUpdate {
		t.setInfomask2(t.infomask2() | heap.HotUpdated)
	} else {
		t.setInfomask2(t.infomask2() &^ heap.HotUpdated)
	}
	t.setXmax(upd.OldXmax)
	t.setCmax()
	t.setCtid(pg.TID{Block: c.block(0).key.Block, Offset: upd.NewOffset})
	p.setPrunable(c.xid)
	if upd.Flags&wal.UpdateOldAllVisibleCleared != 0 {
		p.clearAllVisible()
	}
	return t, nil
}

// addUpdated puts the new version on its page.
func addUpdated(p page, c *change, upd *wal.HeapUpdateRecord, old tupleBytes) error {
	b := c.block(0)
	header, parts, err := updatedParts(upd, b.data, old)
	if err != nil {
		return err
	}
	t, err := newTuple(p, upd.NewOffset, header, parts[:]...)
	if err != nil {
		return err
	}
	t.setXmin(c.xid)
	t.setXmax(upd.NewXmax)
	t.setCtid(pg.TID{Block: b.key.Block, Offset: upd.NewOffset})
	if upd.Flags&wal.UpdateNewAllVisibleCleared != 0 {
		p.clearAllVisible()
	}
	return nil
}

// updatedParts finds the pieces of an update's new version: null bitmap, the
// start and the end that it shares with the old version, and what is its own.
func updatedParts(upd *wal.HeapUpdateRecord, data []byte, old tupleBytes) (header []byte, parts [4][]byte, err error) {
	r := binreader.New(data)
	prefix, suffix := 0, 0
	if upd.Flags&wal.UpdatePrefixFromOld != 0 {
		prefix = int(r.Uint16())
	}
	if upd.Flags&wal.UpdateSuffixFromOld != 0 {
		suffix = int(r.Uint16())
	}
	header = r.Bytes(heapHeaderSize)
	if header == nil {
		return nil, parts, r.Err()
	}
	if prefix > 0 {
		parts[0] = r.Bytes(int(header[4]) - heap.TupleHeaderSize)
	}
	parts[2] = r.Rest()
	if prefix+suffix > 0 {
		or := binreader.New(old)
		if len(old) >= heap.TupleHeaderSize {
			or.Seek(int(old[offHoff]))
			parts[1] = or.Bytes(prefix)
			or.Seek(len(old) - suffix)
			parts[3] = or.Bytes(suffix)
		}
		if parts[1] == nil && prefix > 0 || parts[3] == nil && suffix > 0 {
			return nil, parts, fmt.Errorf("new version shares %d and %d bytes with an old one of %d", prefix, suffix, len(old))
		}
	}
	return header, parts, r.Err()
}

func applyLock(p page, c *change, b *changedBlock) error {
	lock, err := wal.DecodeHeapLock(c.main)
	if err != nil {
		return err
	}
	t, err := p.tuple(lock.Offset)
	if err != nil {
		return err
	}
	t.setInfobits(lock.Infobits)
	if c.op == wal.HeapLock {
		if mask := t.infomask(); mask&heap.XmaxLockOnly != 0 || mask&(heap.XmaxIsMulti|heap.XmaxExclLock|heap.XmaxKeyShrLck) == heap.XmaxExclLock {
			t.setInfomask2(t.infomask2() &^ heap.HotUpdated)
			t.setCtid(pg.TID{Block: b.key.Block, Offset: lock.Offset})
		}
		t.setCmax()
	}
	t.setXmax(lock.Xmax)
	return nil
}
