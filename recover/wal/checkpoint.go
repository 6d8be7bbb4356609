package wal

import (
	"time"

	"github.com/pgrescue/pgrescue/recover/binreader"
	"github.com/pgrescue/pgrescue/recover/pg"
)

// Operations of the XLOG resource manager (XLOG_* in catalog/pg_control.h).
const (
	xlogCheckpointShutdown = 0x00
	xlogCheckpointOnline   = 0x10
	xlogSwitch             = 0x40
)

// Checkpoint is a checkpoint record (CheckPoint in catalog/pg_control.h).
type Checkpoint struct {
	LSN               pg.LSN        `json:"lsn"`
	Redo              pg.LSN        `json:"redo"` // where replay from this checkpoint begins
	Timeline          pg.TimelineID `json:"timeline"`
	PrevTimeline      pg.TimelineID `json:"prev_timeline"`
	FullPageWrites    bool          `json:"full_page_writes"`
	NextXID           pg.FullXID    `json:"next_xid"`
	NextOID           pg.OID        `json:"next_oid"`
	NextMulti         uint32        `json:"next_multixact"`
	NextMultiOffset   uint32        `json:"next_multixact_offset"`
	OldestXID         pg.XID        `json:"oldest_xid"`
	OldestXIDDatabase pg.OID        `json:"oldest_xid_database"`
	OldestMulti       uint32        `json:"oldest_multixact"`
	OldestMultiDB     pg.OID        `json:"oldest_multixact_database"`
	Time              time.Time     `json:"time"` // UTC, whole seconds
	OldestCommitTSXID pg.XID        `json:"oldest_commit_ts_xid"`
	NewestCommitTSXID pg.XID        `json:"newest_commit_ts_xid"`
	OldestActiveXID   pg.XID        `json:"oldest_active_xid"` // 0 for a shutdown checkpoint
	Shutdown          bool          `json:"shutdown"`
}

// DecodeCheckpoint decodes a checkpoint record; ok is false for other records
// and for one that is cut short.
func DecodeCheckpoint(rec *Record) (c Checkpoint, ok bool) {
	op := rec.RmgrInfo()
	if rec.Rmgr != RmgrXLOG || (op != xlogCheckpointShutdown && op != xlogCheckpointOnline) {
		return c, false
	}
	r := binreader.New(rec.Main)
	c = decodeCheckpoint(&r)
	c.LSN, c.Shutdown = rec.LSN, op == xlogCheckpointShutdown
	return c, r.OK()
}

func decodeCheckpoint(r *binreader.Reader) Checkpoint {
	var c Checkpoint
	c.Redo = pg.LSN(r.Uint64())
	c.Timeline = pg.TimelineID(r.Uint32())
	c.PrevTimeline = pg.TimelineID(r.Uint32())
	c.FullPageWrites = r.Uint8() != 0
	r.Align(8)
	c.NextXID = pg.FullXID(r.Uint64())
	c.NextOID = pg.OID(r.Uint32())
	c.NextMulti = r.Uint32()
	c.NextMultiOffset = r.Uint32()
	c.OldestXID = pg.XID(r.Uint32())
	c.OldestXIDDatabase = pg.OID(r.Uint32())
	c.OldestMulti = r.Uint32()
	c.OldestMultiDB = pg.OID(r.Uint32())
	r.Align(8)
	c.Time = time.Unix(r.Int64(), 0).UTC()
	c.OldestCommitTSXID = pg.XID(r.Uint32())
	c.NewestCommitTSXID = pg.XID(r.Uint32())
	c.OldestActiveXID = pg.XID(r.Uint32())
	return c
}
