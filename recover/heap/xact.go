package heap

import (
	"path/filepath"

	"github.com/pgrescue/pgrescue/recover/binreader"
	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/pg"
)

// XactStatus is what became of a transaction, as far as one source knows.
type XactStatus uint8

// The first four are the states of pg_xact (access/clog.h).
const (
	XactInProgress   XactStatus = iota // no outcome was written: running, or lost with a crash
	XactCommitted                      // committed
	XactAborted                        // rolled back
	XactSubCommitted                   // a subtransaction whose parent's outcome is not written yet
	XactUnknown                        // the source does not reach this transaction
)

// String names the state.
func (s XactStatus) String() string {
	switch s {
	case XactInProgress:
		return "in progress"
	case XactCommitted:
		return "committed"
	case XactAborted:
		return "aborted"
	case XactSubCommitted:
		return "sub-committed"
	}
	return "unknown"
}

// Two bits for each transaction (access/transam/clog.c).
const xactsPerPage = pg.BlockSize * 4 // CLOG_XACTS_PER_PAGE

// XactLog is the commit log in pg_xact of a data directory. On a copy of a
// running or crashed server it may be behind the WAL: a transaction that it
// calls in progress may have committed.
type XactLog struct {
	pages *slru
}

// OpenXactLog opens pg_xact.
func (d DataDir) OpenXactLog() (*XactLog, error) {
	dir := filepath.Join(d.Path, "pg_xact")
	pages, err := openSLRU(dir, d.Trail)
	if err != nil {
		return nil, &evidence.Error{
			Op: "heap: open commit log", Place: dir, Err: err,
			Hint: "without pg_xact, commit states come from the WAL and from hint bits only",
		}
	}
	return &XactLog{pages: pages}, nil
}

// Missing says why the log does not reach a transaction, and the file that would.
func (l *XactLog) Missing(xid pg.XID) (where, why string) {
	number := uint32(xid) / xactsPerPage
	where, why = l.pages.file(number), "it does not reach the transaction"
	if _, err := l.pages.page(number); err != nil {
		why = err.Error()
	}
	return where, why
}

// Status tells what became of a transaction. The permanent XIDs of bootstrap
// and freezing are committed, the invalid one is aborted (TransactionLogFetch in
// transam.c). A missing or short file gives XactUnknown: the log was cut because
// all older rows are frozen, or damaged. It may be called from several goroutines.
func (l *XactLog) Status(xid pg.XID) XactStatus {
	switch {
	case xid == pg.InvalidXID:
		return XactAborted
	case !xid.Normal():
		return XactCommitted
	}
	page, err := l.pages.page(uint32(xid) / xactsPerPage)
	if err != nil {
		return XactUnknown
	}
	within := uint32(xid) % xactsPerPage
	r := binreader.New(page)
	r.Seek(int(within / 4))
	return XactStatus(r.Uint8() >> (within % 4 * 2) & 3)
}
