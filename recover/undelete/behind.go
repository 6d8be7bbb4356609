package undelete

import (
	"context"
	"fmt"

	"github.com/pgrescue/pgrescue/recover/pg"
	"github.com/pgrescue/pgrescue/recover/wal"
)

// changesBehind counts the changes since the last checkpoint that pages of a
// relation do not have yet, by the LSN of each page; 0 where a page has none.
func (ev *Evidence) changesBehind(ctx context.Context, file pg.RelFileLocator, lsns []pg.LSN) (int64, error) {
	if ev.Archive == nil {
		return 0, nil
	}
	var from pg.LSN
	if control := ev.Snapshot.Control; control != nil {
		from = control.Redo
	}
	var total int64
	err := wal.Scan(ctx, ev.Archive, wal.ScanOptions{From: from, Rmgrs: wal.Rmgrs(wal.RmgrHeap, wal.RmgrHeap2)},
		func() *int64 { return new(int64) },
		func(n *int64, rec *wal.Record) error {
			if rec.HeapOp() == wal.HeapVisible {
				return nil // it leaves the LSN of the heap's page as it is, but with checksums
			}
			for i := range rec.Blocks {
				b := &rec.Blocks[i]
				if b.Fork == pg.ForkMain && b.Relation == file && (int(b.Block) >= len(lsns) || lsns[b.Block] < rec.End) {
					*n++
					break
				}
			}
			return nil
		},
		func(n *int64, _ *wal.Span) error {
			total, *n = total+*n, 0
			return nil
		})
	if err != nil {
		return 0, fmt.Errorf("undelete: read WAL: %w", err)
	}
	return total, nil
}

// EmptiedBy is the last transaction that gave a relation an empty file in the place
// of the one before, as TRUNCATE does; 0: none that is known. history looks into the
// WAL too, for what VACUUM took from the catalogs.
func EmptiedBy(ctx context.Context, ev *Evidence, target Target, history bool) (pg.XID, error) {
	rel := target.Relation
	if history && ev.HasHistory() {
		if err := ev.ReadHistory(ctx, 0); err != nil {
			return pg.InvalidXID, err
		}
		rel = ev.again(target).Relation
	}
	last := pg.InvalidXID
	for i := range rel.FileChanges {
		change := &rel.FileChanges[i]
		if !change.Rewritten && !change.Moved && (last == pg.InvalidXID || last.Precedes(change.By)) {
			last = change.By
		}
	}
	return last, nil
}
