package xact

import (
	"errors"
	"slices"
	"time"

	"github.com/pgrescue/pgrescue/recover/pg"
)

// Target is where recovery has to stop so that one transaction has not happened,
// with everything that committed before it.
type Target struct {
	XID      pg.XID        `json:"xid"`
	State    State         `json:"state"`
	LSN      pg.LSN        `json:"recovery_target_lsn"` // the commit record's first byte; stop before it
	Time     time.Time     `json:"recovery_target_time"`
	Timeline pg.TimelineID `json:"recovery_target_timeline"`
	First    pg.LSN        `json:"first_change"`
	// Redo is the redo point of the last checkpoint before the first change: what
	// replay of pages in memory needs to start from. Zero: no checkpoint in the
	// WAL at hand names one.
	Redo pg.LSN `json:"redo"`
	// Reaches reports whether the WAL at hand reaches back to Redo without a gap.
	Reaches bool   `json:"wal_reaches_redo"`
	WALFrom pg.LSN `json:"wal_from"`
	WALTo   pg.LSN `json:"wal_to"`
}

// ErrNotFound tells that the WAL at hand does not name the transaction.
var ErrNotFound = errors.New("the WAL at hand does not name the transaction")

// Target finds the recovery target just before a transaction of the result, in
// WAL of one timeline from start to end.
func (r *Result) Target(xid pg.XID, timeline pg.TimelineID, start, end pg.LSN) (*Target, error) {
	for i := range r.Transactions {
		tx := &r.Transactions[i]
		if !tx.Has(xid) {
			continue
		}
		t := &Target{
			XID: tx.XID, State: tx.State, LSN: tx.EndLSN, Time: tx.End, Timeline: timeline,
			First: tx.First, WALFrom: start, WALTo: end,
		}
		first := tx.First
		if first == 0 { // it changed no counted tuple: DROP, TRUNCATE
			first = tx.EndLSN
		}
		for _, cp := range r.Checkpoints {
			if cp.Redo <= first && cp.Redo > t.Redo {
				t.Redo = cp.Redo
			}
		}
		t.Reaches = t.Redo >= start && t.Redo != 0
		for _, g := range slices.Concat(r.Gaps, r.Missing) {
			if g.To > t.Redo && g.From < max(tx.Last, tx.EndLSN) {
				t.Reaches = false
			}
		}
		return t, nil
	}
	return nil, ErrNotFound
}
