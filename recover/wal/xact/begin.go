package xact

import (
	"context"
	"errors"

	"github.com/pgrescue/pgrescue/recover/pg"
	"github.com/pgrescue/pgrescue/recover/wal"
)

// Begin finds the redo point of a checkpoint at which a transaction had not begun
// yet: all that it did lies behind. It looks at few segments only, so a scan for one
// transaction need not read an archive from its start. The zero Horizon means that
// the WAL has no such checkpoint, or that a gap is in the way.
func Begin(ctx context.Context, archive *wal.Archive, xid pg.XID) (Horizon, error) {
	size := pg.LSN(archive.SegmentSize())
	first := archive.Start() &^ (size - 1)
	low, high := 0, int((archive.End()-first+size-1)/size) // segments, counted from the first
	// Transaction ids grow along the log, if not strictly. A wrong turn here costs time
	// and nothing else: only the checkpoint that is found in the end counts.
	for low+1 < high {
		middle := (low + high) / 2
		seen, err := firstXID(ctx, archive, first+pg.LSN(middle)*size, size)
		if err != nil {
			return Horizon{}, err
		}
		if seen != pg.InvalidXID && seen.Precedes(xid) {
			low = middle
		} else {
			high = middle
		}
	}
	for ; low >= 0; low-- {
		found, err := lastBefore(ctx, archive, first+pg.LSN(low)*size, size, xid)
		if err != nil || found.LSN != 0 {
			return found, err
		}
	}
	return Horizon{}, nil
}

// firstXID is the transaction of the first record in a segment that has one.
func firstXID(ctx context.Context, archive *wal.Archive, from, size pg.LSN) (seen pg.XID, err error) {
	err = wal.Scan(ctx, archive, wal.ScanOptions{From: from, To: from + size, Workers: 1},
		func() *struct{} { return new(struct{}) },
		func(_ *struct{}, rec *wal.Record) error {
			if rec.XID != pg.InvalidXID {
				seen = rec.XID
				return errEnough
			}
			return nil
		},
		func(*struct{}, *wal.Span) error { return nil })
	if errors.Is(err, errEnough) {
		err = nil
	}
	return seen, err
}

// lastBefore is the last checkpoint of a segment before which the transaction had not begun.
func lastBefore(ctx context.Context, archive *wal.Archive, from, size pg.LSN, xid pg.XID) (found Horizon, err error) {
	err = wal.Scan(ctx, archive, wal.ScanOptions{From: from, To: from + size, Rmgrs: wal.Rmgrs(wal.RmgrXLOG), TrustOthers: true},
		func() *Horizon { return new(Horizon) },
		func(last *Horizon, rec *wal.Record) error {
			cp, ok := wal.DecodeCheckpoint(rec)
			if ok && cp.Redo >= archive.Start() && !xid.Precedes(cp.NextXID.XID()) {
				*last = Horizon{LSN: cp.Redo, NextXID: cp.NextXID.XID()}
			}
			return nil
		},
		func(last *Horizon, _ *wal.Span) error {
			if last.LSN != 0 {
				found = *last
			}
			*last = Horizon{}
			return nil
		})
	return found, err
}
