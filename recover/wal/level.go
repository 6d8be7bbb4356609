package wal

import "github.com/pgrescue/pgrescue/recover/binreader"

// LevelMark is what a record says of wal_level. It stays the same until a server
// starts with another one, and then a record says so (XLogReportParameters in xlog.c).
type LevelMark uint8

// The marks. With LevelMinimal what fills a table in the transaction that made it is
// not in the WAL; with LevelFull, which is replica or logical, it is.
const (
	LevelNone    LevelMark = iota // the record says nothing of it
	LevelSeen                     // a record that is written from replica on only
	LevelMinimal                  // from here on it is minimal
	LevelFull                     // from here on it is not
)

const (
	xlogParameterChange = 0x60 // XLOG_PARAMETER_CHANGE in catalog/pg_control.h
	standbyLock         = 0x00 // XLOG_STANDBY_LOCK in storage/standbydefs.h
	standbyRunningXacts = 0x10 // XLOG_RUNNING_XACTS
)

// DecodeLevel tells what a record says of wal_level. A server that keeps enough for
// standbys logs each lock that CREATE TABLE, TRUNCATE and DROP take, and which
// transactions run at each checkpoint (XLogStandbyInfoActive in access/xlog.h).
func DecodeLevel(rec *Record) LevelMark {
	switch {
	case rec.Rmgr == RmgrStandby && (rec.RmgrInfo() == standbyLock || rec.RmgrInfo() == standbyRunningXacts):
		return LevelSeen
	case rec.Rmgr != RmgrXLOG || rec.RmgrInfo() != xlogParameterChange:
		return LevelNone
	}
	r := binreader.New(rec.Main) // xl_parameter_change in access/xlog_internal.h
	r.Skip(5 * 4)                // MaxConnections to max_locks_per_xact
	if level := r.Uint32(); level == 0 || !r.OK() {
		return LevelMinimal
	}
	return LevelFull
}
