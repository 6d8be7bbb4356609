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
// (heap_page_prune_execute in pruneheap.c): xl_heap_clean of 12 and 13,
// xl_heap_prune of 14 to 16.
func applyPrune(p page, c *change, b *changedBlock, how repair) error {
	head := binreader.New(c.main)
	head.Skip(4) // latestRemovedXid
	redirected, dead := int(head.Uint16()), int(head.Uint16())
	if !head.OK() {
		return head.Err()
	}
	r := binreader.New(b.data)
	if err := redirectLinePointers(p, &r, redirected); err != nil {
		return err
	}
	if err := killLinePointers(p, &r, dead); err != nil {
		return err
	}
	if err := freeLinePointers(p, &r, r.Remaining()/2); err != nil {
		return err
	}
	return p.repairFragmentation(how)
}

// Bits of flags in xl_heap_prune (XLHP_* in access/heapam_xlog.h of 17 and 18).
const (
	pruneCleanupLock = 1 << 2
	pruneFreezePlans = 1 << 4
	pruneRedirected  = 1 << 5
	pruneDead        = 1 << 6
	pruneUnused      = 1 << 7
	pruneItems       = pruneRedirected | pruneDead | pruneUnused
)

// applyPruneFreeze does what xl_heap_prune of 17 and 18 says: each part that a
// flag announces, in the order of the flags, but the tuples of the freeze plans
// come last (heap_xlog_prune_freeze).
func applyPruneFreeze(p page, c *change, b *changedBlock) error {
	head, r := binreader.New(c.main), binreader.New(b.data)
	head.Skip(1) // reason
	flags := head.Uint8()
	if !head.OK() {
		return head.Err()
	}
	var plans []byte
	if flags&pruneFreezePlans != 0 {
		count := int(r.Uint16())
		r.Skip(2)
		plans = r.Bytes(count * freezePlanSize)
	}
	for _, part := range [...]struct {
		flag  uint8
		apply func(page, *binreader.Reader, int) error
	}{{pruneRedirected, redirectLinePointers}, {pruneDead, killLinePointers}, {pruneUnused, freeLinePointers}} {
		if flags&part.flag == 0 {
			continue
		}
		if err := part.apply(p, &r, int(r.Uint16())); err != nil {
			return err
		}
	}
	switch {
	case flags&pruneItems == 0:
	case flags&pruneCleanupLock == 0: // the second pass of VACUUM: no tuple moves
		p.truncateLinePointers()
	default:
		if err := p.repairFragmentation(repairFrom15); err != nil {
			return err
		}
	}
	return freezeByPlans(p, plans, &r)
}

func redirectLinePointers(p page, r *binreader.Reader, count int) error {
	for range count {
		from, to := pg.OffsetNumber(r.Uint16()), r.Uint16()
		if err := replaceLinePointer(p, from, heap.LinePointer{State: heap.Redirect, Offset: to}); err != nil {
			return err
		}
	}
	return r.Err()
}

func killLinePointers(p page, r *binreader.Reader, count int) error {
	for range count {
		if err := replaceLinePointer(p, pg.OffsetNumber(r.Uint16()), heap.LinePointer{State: heap.Dead}); err != nil {
			return err
		}
	}
	return r.Err()
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

// frozen is what freezing writes into a tuple's header.
type frozen struct {
	xmax        pg.XID
	mask2, mask uint16
	flags       uint8
}

// apply is heap_execute_freeze_tuple in heapam.c.
func (f *frozen) apply(p page, offset pg.OffsetNumber) error {
	t, err := p.tuple(offset)
	if err != nil {
		return err
	}
	t.setXmax(f.xmax)
	switch {
	case f.flags&freezeXvac != 0:
		le.PutUint32(t[offCID:], uint32(pg.FrozenXID))
	case f.flags&invalidXvac != 0:
		le.PutUint32(t[offCID:], uint32(pg.InvalidXID))
	}
	t.setInfomask2(f.mask2)
	t.setInfomask(f.mask)
	return nil
}

// applyFreezeEach writes frozen headers: an array of xl_heap_freeze_tuple of 12
// to 15, twelve bytes each.
func applyFreezeEach(p page, c *change, b *changedBlock) error {
	head, r := binreader.New(c.main), binreader.New(b.data)
	head.Skip(4) // cutoff_xid
	count := int(head.Uint16())
	for range count {
		f := frozen{xmax: pg.XID(r.Uint32())}
		offset := pg.OffsetNumber(r.Uint16())
		f.mask2, f.mask, f.flags = r.Uint16(), r.Uint16(), r.Uint8()
		r.Skip(1)
		if !r.OK() {
			return r.Err()
		}
		if err := f.apply(p, offset); err != nil {
			return err
		}
	}
	return head.Err()
}

// freezePlanSize is sizeof(xl_heap_freeze_plan) in access/heapam_xlog.h of 16,
// which is xlhp_freeze_plan in 17 and 18.
const freezePlanSize = 12

// applyFreezePlans writes frozen headers, one for each group of tuples:
// xl_heap_freeze_page of 16.
func applyFreezePlans(p page, c *change, b *changedBlock) error {
	head, r := binreader.New(c.main), binreader.New(b.data)
	head.Skip(4) // snapshotConflictHorizon
	plans := r.Bytes(int(head.Uint16()) * freezePlanSize)
	if !head.OK() {
		return head.Err()
	}
	return freezeByPlans(p, plans, &r)
}

// freezeByPlans freezes the tuples whose offsets stand behind the plans, in the
// order of these.
func freezeByPlans(p page, plans []byte, offsets *binreader.Reader) error {
	r := binreader.New(plans)
	for r.Remaining() > 0 {
		f := frozen{xmax: pg.XID(r.Uint32()), mask2: r.Uint16(), mask: r.Uint16(), flags: r.Uint8()}
		r.Skip(1)
		count := int(r.Uint16())
		if !r.OK() {
			return r.Err()
		}
		for range count {
			offset := pg.OffsetNumber(offsets.Uint16())
			if !offsets.OK() {
				return offsets.Err()
			}
			if err := f.apply(p, offset); err != nil {
				return err
			}
		}
	}
	return offsets.Err()
}
