package redo

import (
	"fmt"

	"github.com/pgrescue/pgrescue/recover/binreader"
	"github.com/pgrescue/pgrescue/recover/heap"
	"github.com/pgrescue/pgrescue/recover/pg"
)

// applyConfirm turns a speculative insertion into an ordinary one.
func applyConfirm(p page, c *change, b *changedBlock) error {
	r := binreader.New(c.main)
	offset := pg.OffsetNumber(r.Uint16())
	t, err := p.tuple(offset)
	if err != nil {
		return err
	}
	t.setCtid(pg.TID{Block: b.key.Block, Offset: offset})
	return r.Err()
}

// applyInplace overwrites a tuple's data; the length stays.
func applyInplace(p page, c *change, b *changedBlock) error {
	r := binreader.New(c.main)
	t, err := p.tuple(pg.OffsetNumber(r.Uint16()))
	if err != nil {
		return err
	}
	at := int(t[offHoff])
	if at+len(b.data) != len(t) {
		return fmt.Errorf("in-place change of %d bytes at %d in a tuple of %d", len(b.data), at, len(t))
	}
	copy(t[at:], b.data)
	return nil
}

// applyPrune redirects, kills and frees line pointers, then compacts the page
// (heap_page_prune_execute in pruneheap.c).
func applyPrune(p page, c *change, b *changedBlock) error {
	head := binreader.New(c.main)
	head.Skip(4) // latestRemovedXid
	redirected, dead := int(head.Uint16()), int(head.Uint16())
	if !head.OK() {
		return head.Err()
	}
	r := binreader.New(b.data)
	for range redirected {
		from, to := pg.OffsetNumber(r.Uint16()), r.Uint16()
		if err := replaceLinePointer(p, from, heap.LinePointer{State: heap.Redirect, Offset: to}); err != nil {
			return err
		}
	}
	for range dead {
		if err := replaceLinePointer(p, pg.OffsetNumber(r.Uint16()), heap.LinePointer{State: heap.Dead}); err != nil {
			return err
		}
	}
	if err := freeLinePointers(p, &r, r.Remaining()/2); err != nil {
		return err
	}
	return p.repairFragmentation()
}

func freeLinePointers(p page, r *binreader.Reader, count int) error {
	for range count {
		if err := replaceLinePointer(p, pg.OffsetNumber(r.Uint16()), heap.LinePointer{}); err != nil {
			return err
		}
	}
	return r.Err()
}

func replaceLinePointer(p page, offset pg.OffsetNumber, lp heap.LinePointer) error {
	if _, err := p.linePointer(offset); err != nil {
		return err
	}
	p.setLinePointer(offset, lp)
	return nil
}

// applyVacuum frees dead line pointers; tuples do not move (heap_xlog_vacuum).
func applyVacuum(p page, c *change, b *changedBlock) error {
	head, r := binreader.New(c.main), binreader.New(b.data)
	if err := freeLinePointers(p, &r, int(head.Uint16())); err != nil {
		return err
	}
	p.truncateLinePointers()
	return head.Err()
}

// Bits of frzflags (XLH_FREEZE_XVAC and XLH_INVALID_XVAC in access/heapam_xlog.h).
const (
	freezeXvac  = 0x02
	invalidXvac = 0x04
)

// applyFreeze writes frozen headers: an array of xl_heap_freeze_tuple, twelve bytes each.
func applyFreeze(p page, c *change, b *changedBlock) error {
	head, r := binreader.New(c.main), binreader.New(b.data)
	head.Skip(4) // cutoff_xid
	count := int(head.Uint16())
	for range count {
		xmax, offset := pg.XID(r.Uint32()), pg.OffsetNumber(r.Uint16())
		mask2, mask, flags := r.Uint16(), r.Uint16(), r.Uint8()
		r.Skip(1)
		if !r.OK() {
			return r.Err()
		}
		t, err := p.tuple(offset)
		if err != nil {
			return err
		}
		t.setXmax(xmax)
		switch {
		case flags&freezeXvac != 0:
			le.PutUint32(t[offCID:], uint32(pg.FrozenXID))
		case flags&invalidXvac != 0:
			le.PutUint32(t[offCID:], uint32(pg.InvalidXID))
		}
		t.setInfomask2(mask2)
		t.setInfomask(mask)
	}
	return head.Err()
}
