package wal

import (
	"errors"

	"github.com/pgrescue/pgrescue/recover/binreader"
	"github.com/pgrescue/pgrescue/recover/pg"
)

// XactOp is what a record of the transaction resource manager does.
type XactOp uint8

// The operations (XLOG_XACT_* in access/xact.h), by bits 4 to 6 of the info byte.
const (
	XactCommit         XactOp = 0
	XactPrepare        XactOp = 1
	XactAbort          XactOp = 2
	XactCommitPrepared XactOp = 3
	XactAbortPrepared  XactOp = 4
	XactAssignment     XactOp = 5
	XactInvalidations  XactOp = 6
)

// Bits of xinfo in commit and abort records (XACT_XINFO_* in access/xact.h).
const (
	xinfoHasDBInfo       = 1 << 0
	xinfoHasSubxacts     = 1 << 1
	xinfoHasRelFiles     = 1 << 2
	xinfoHasInvals       = 1 << 3
	xinfoHasTwoPhase     = 1 << 4
	xinfoHasDroppedStats = 1 << 8
	xactHasInfo          = 0x80 // XLOG_XACT_HAS_INFO of the info byte

	invalMessageSize = 16 // sizeof(SharedInvalidationMessage) in storage/sinval.h
)

// What Layout.statsItem and Layout.prepareCounts are (access/xact.h): 15 brought
// dropped statistics, 18 made their object number 64 bits wide.
const (
	statsItemFrom15       = 12
	statsItemFrom18       = 16
	prepareCountsBefore15 = 3 // ncommitrels, nabortrels, ninvalmsgs
	prepareCountsFrom15   = 5 // and ncommitstats, nabortstats
)

var errNoLayout = errors.New("it is not known which version wrote the record")

// XactRecord is a decoded commit, abort, prepare or assignment record.
type XactRecord struct {
	Op   XactOp
	XID  pg.XID       // the transaction that it decides; for an assignment the toplevel one
	Time pg.Timestamp // 0 for an assignment
	// Subxacts holds four bytes for each subtransaction; see Subxact.
	subxacts []byte
	// DroppedFiles are the relations whose files the end of the transaction removes.
	DroppedFiles []pg.RelFileLocator
	Database     pg.OID // 0 if the record does not say
}

// Subxacts is the number of subtransactions that the record names.
func (x *XactRecord) Subxacts() int { return len(x.subxacts) / 4 }

// Subxact returns one of them, from 0.
func (x *XactRecord) Subxact(i int) pg.XID {
	r := binreader.New(x.subxacts)
	r.Seek(i * 4)
	return pg.XID(r.Uint32())
}

// DecodeXact decodes a record of the transaction resource manager
// (ParseCommitRecord, ParseAbortRecord and ParsePrepareRecord in xactdesc.c).
// What the record says of its subtransactions points into it.
func DecodeXact(rec *Record) (XactRecord, error) {
	x := XactRecord{Op: XactOp(rec.Info >> 4 & 7), XID: rec.XID}
	if rec.Layout == nil {
		return x, errNoLayout
	}
	r := binreader.New(rec.Main)
	switch x.Op {
	case XactAssignment:
		x.XID = pg.XID(r.Uint32())
		x.subxacts = xidArray(&r)
	case XactPrepare:
		decodePrepare(&r, rec.Layout, &x)
	case XactCommit, XactAbort, XactCommitPrepared, XactAbortPrepared:
		decodeXactEnd(&r, rec.Layout, rec.Info, &x)
	}
	return x, r.Err()
}

// xidArray reads a count and that many transaction ids.
func xidArray(r *binreader.Reader) []byte {
	n := int(r.Int32())
	if n < 0 || n > r.Remaining()/4 {
		r.Skip(r.Remaining() + 1)
		return nil
	}
	return r.Bytes(n * 4)
}

func decodeXactEnd(r *binreader.Reader, layout *Layout, info uint8, x *XactRecord) {
	x.Time = pg.Timestamp(r.Int64())
	if info&xactHasInfo == 0 {
		return
	}
	xinfo := r.Uint32()
	if xinfo&xinfoHasDBInfo != 0 {
		x.Database = pg.OID(r.Uint32())
		r.Skip(4)
	}
	if xinfo&xinfoHasSubxacts != 0 {
		x.subxacts = xidArray(r)
	}
	if xinfo&xinfoHasRelFiles != 0 {
		x.DroppedFiles = relFiles(r)
	}
	if xinfo&xinfoHasDroppedStats != 0 && layout.statsItem > 0 {
		r.Skip(int(r.Uint32()) * layout.statsItem)
	}
	if xinfo&xinfoHasInvals != 0 && x.Op != XactAbort && x.Op != XactAbortPrepared {
		r.Skip(int(r.Uint32()) * invalMessageSize)
	}
	if xinfo&xinfoHasTwoPhase != 0 {
		x.XID = pg.XID(r.Uint32())
	}
}

func relFiles(r *binreader.Reader) []pg.RelFileLocator {
	n := int(r.Int32())
	if n < 0 || n > r.Remaining()/12 {
		r.Skip(r.Remaining() + 1)
		return nil
	}
	files := make([]pg.RelFileLocator, n)
	for i := range files {
		files[i] = locator(r)
	}
	return files
}

// decodePrepare reads xl_xact_prepare (TwoPhaseFileHeader) and the
// subtransactions that follow it, each part aligned to eight bytes.
func decodePrepare(r *binreader.Reader, layout *Layout, x *XactRecord) {
	r.Skip(8) // magic, total_len
	x.XID = pg.XID(r.Uint32())
	x.Database = pg.OID(r.Uint32())
	x.Time = pg.Timestamp(r.Int64())
	r.Skip(4) // owner
	n := int(r.Int32())
	r.Skip(layout.prepareCounts*4 + 1) // and initfileinval
	r.Align(2)
	gidLength := int(r.Uint16())
	r.Align(8)
	r.Skip(16) // origin
	r.Skip(gidLength)
	r.Align(8)
	if n < 0 || n > r.Remaining()/4 {
		r.Skip(r.Remaining() + 1)
		return
	}
	x.subxacts = r.Bytes(n * 4)
}

// RunningXacts is xl_running_xacts (storage/standbydefs.h): which transactions
// ran at one point of the log.
type RunningXacts struct {
	NextXID       pg.XID // the first that was not assigned yet
	OldestRunning pg.XID
}

// DecodeRunningXacts decodes XLOG_RUNNING_XACTS of the standby resource
// manager; ok is false for other records.
func DecodeRunningXacts(rec *Record) (running RunningXacts, ok bool) {
	if rec.Rmgr != RmgrStandby || rec.RmgrInfo() != standbyRunningXacts {
		return running, false
	}
	r := binreader.New(rec.Main)
	r.Skip(9) // xcnt, subxcnt, subxid_overflow
	r.Align(4)
	running = RunningXacts{NextXID: pg.XID(r.Uint32()), OldestRunning: pg.XID(r.Uint32())}
	return running, r.OK()
}
