package redo

import (
	"bytes"
	"context"
	"path/filepath"
	"testing"

	"github.com/pgrescue/pgrescue/recover/heap"
	"github.com/pgrescue/pgrescue/recover/pg"
	"github.com/pgrescue/pgrescue/recover/wal"
	"github.com/pgrescue/pgrescue/testdata"
)

// seedChange is a page and a record that really came to it.
type seedChange struct {
	page   page
	change change
	block  int
}

// seedsEach is how many records of each operation are seeds.
const seedsEach = 3

// incidentChanges replays the demo's WAL, one record after the other, and keeps
// some of each operation with the page as it was before.
func incidentChanges(f *testing.F) []seedChange {
	f.Helper()
	dir := f.TempDir()
	if _, _, err := testdata.UnpackIncident(f.Context(), dir); err != nil {
		f.Fatal(err)
	}
	archive, err := wal.OpenArchive([]string{filepath.Join(dir, "data")}, wal.OpenOptions{})
	if err != nil {
		f.Fatal(err)
	}
	defer archive.Close()
	pages, counts := make(map[PageKey]page), make(map[wal.HeapOp]int)
	var seeds []seedChange
	err = wal.Scan(context.Background(), archive, wal.ScanOptions{Workers: 1},
		func() *batch { return new(batch) },
		func(b *batch, rec *wal.Record) error {
			first := len(b.changes)
			if rec.Rmgr == wal.RmgrSmgr || rec.Rmgr == wal.RmgrSequence {
				return nil // of a file as a whole: no page to apply it to
			}
			b.collect(rec, func(PageKey) bool { return true })
			return withImages(b.changes[first:], rec)
		},
		func(b *batch, _ *wal.Span) error {
			for i := range b.changes {
				c := &b.changes[i]
				for j := range c.count {
					blk := &c.blocks[j]
					p := pages[blk.key]
					if p == nil && blk.image == nil && !blk.willInit {
						continue
					}
					if p == nil {
						p = make(page, pg.BlockSize)
						pages[blk.key] = p
					}
					if counts[c.op] < seedsEach && blk.image == nil && c.op != wal.HeapNone {
						counts[c.op]++
						kept := *c
						kept.main = bytes.Clone(c.main)
						for k := range kept.blocks {
							kept.blocks[k].data = bytes.Clone(c.blocks[k].data)
							kept.blocks[k].image = nil
						}
						seeds = append(seeds, seedChange{bytes.Clone(p), kept, j})
					}
					if err := apply(p, c, blk); err != nil {
						f.Errorf("record at %s: %v", c.lsn, err)
						delete(pages, blk.key)
					}
				}
			}
			b.reset()
			return nil
		})
	if err != nil {
		f.Fatal(err)
	}
	for _, op := range []wal.HeapOp{
		wal.HeapInsert, wal.HeapMultiInsert, wal.HeapDelete, wal.HeapUpdate, wal.HeapHotUpdate, wal.HeapLock,
		wal.HeapInplace, wal.HeapPrune, wal.HeapVacuum, wal.HeapVisible,
	} {
		if counts[op] == 0 {
			f.Errorf("the incident's WAL has no record of operation %d to be a seed", op)
		}
	}
	return seeds
}

// withImages restores every image of a record at once.
func withImages(changes []change, rec *wal.Record) error {
	var restorer wal.Restorer
	for i := range changes {
		for j := range changes[i].count {
			blk := &changes[i].blocks[j]
			ref := rec.Block(blk.id)
			if blk.image != nil || !ref.HasImage || changes[i].op != wal.HeapNone && !ref.Apply {
				continue
			}
			blk.image = make([]byte, pg.BlockSize)
			if err := restorer.RestoreImage(blk.image, ref); err != nil {
				return err
			}
		}
	}
	return nil
}

// FuzzApply applies arbitrary records to arbitrary pages. A page whose header
// was sound keeps a sound header, or the record is refused.
func FuzzApply(f *testing.F) {
	for _, s := range incidentChanges(f) {
		b := &s.change.blocks
		f.Add([]byte(s.page), uint8(s.change.op), s.change.info, s.change.main,
			b[0].data, b[1].data, b[0].id, b[1].id, uint8(s.change.count), uint8(s.block), b[s.block].willInit)
	}
	for _, op := range []wal.HeapOp{
		wal.HeapConfirm, wal.HeapLockUpdated, wal.HeapClean, wal.HeapPruneIn14, wal.HeapFreezeEach, wal.HeapFreezePlans, wal.HeapPruneFreeze,
	} { // rare ones
		f.Add(make([]byte, pg.BlockSize), uint8(op), uint8(0), make([]byte, 8), make([]byte, 24), []byte(nil), uint8(0), uint8(0), uint8(1), uint8(0), true)
	}
	// One freeze plan for two tuples, a redirection, a dead and an unused line pointer.
	everything := []byte{1, 0, 0, 0, 9, 0, 0, 0, 1, 0, 0, 11, 0, 0, 2, 0, 1, 0, 1, 0, 2, 0, 1, 0, 3, 0, 1, 0, 4, 0, 5, 0, 6, 0}
	f.Add(make([]byte, pg.BlockSize), uint8(wal.HeapPruneFreeze), uint8(0), []byte{0, pruneFreezePlans | pruneItems | pruneCleanupLock}, everything,
		[]byte(nil), uint8(0), uint8(0), uint8(1), uint8(0), false)
	f.Fuzz(func(t *testing.T, content []byte, op, info uint8, main, data0, data1 []byte, id0, id1, count, block uint8, willInit bool) {
		p := make(page, pg.BlockSize)
		copy(p, content)
		c := &change{lsn: 100, end: 200, xid: 7, op: wal.HeapOp(op), info: info, main: main, count: 1 + int(count)%2}
		c.blocks[0] = changedBlock{id: id0, data: data0}
		c.blocks[1] = changedBlock{id: id1, data: data1, key: PageKey{Block: 1}}
		b := &c.blocks[int(block)%c.count]
		b.willInit = willInit
		before, beforeErr := heap.Page(p).Header()
		if err := apply(p, c, b); err != nil {
			return
		}
		after, err := heap.Page(p).Header()
		if beforeErr == nil && err != nil {
			t.Fatalf("header %+v became %+v: %v", before, after, err)
		}
		if err != nil {
			return
		}
		for offset := pg.OffsetNumber(1); offset <= after.NumLinePointers(); offset++ {
			_, _ = heap.Page(p).Tuple(after, offset) // must not panic
		}
		d := Destroyed{Page: heap.Page(p), change: c}
		_, _ = d.Successor()
		_, _, _ = c.destroys()
	})
}
