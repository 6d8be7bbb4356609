// Package pg holds PostgreSQL's own vocabulary, so that every room of pgrescue
// speaks of the same things in the same units.
//
//   - LSN: a byte position in the write-ahead log, printed as two hexadecimal halves.
//   - TimelineID: one history of the log; a promotion begins a new one.
//   - XID: a 32-bit transaction id that wraps around; FullXID carries the epoch too.
//   - OID: an object's identifier in the catalogs.
//   - RelFileLocator: tablespace, database and file number of one relation on disk
//     (named RelFileNode before PostgreSQL 16).
//   - BlockNumber, OffsetNumber, TID: a page of a relation fork, a line pointer of that
//     page (from 1), and both together: where a tuple lies.
//   - Timestamp: microseconds since 2000-01-01 00:00:00 UTC.
//
// The package imports the standard library only.
package pg

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// BlockSize is the size in bytes of heap pages and of WAL pages in every
// distributed build (BLCKSZ and XLOG_BLCKSZ in pg_config.h).
const BlockSize = 8192

// SegmentBlocks is the number of pages of one file of a relation fork, 1 GiB
// (RELSEG_SIZE in pg_config.h).
const SegmentBlocks = 131072

// FirstNormalOID is the first OID that a user's object can have
// (FirstNormalObjectId in access/transam.h).
const FirstNormalOID OID = 16384

// LSN is a byte position in the WAL (XLogRecPtr in access/xlogdefs.h).
type LSN uint64

// String prints the LSN as PostgreSQL does, such as 0/16B3740.
func (l LSN) String() string {
	return fmt.Sprintf("%X/%X", uint32(l>>32), uint32(l))
}

// ParseLSN reads the two hexadecimal halves of an LSN.
func ParseLSN(text string) (LSN, error) {
	high, low, found := strings.Cut(text, "/")
	if found {
		h, errHigh := strconv.ParseUint(high, 16, 32)
		l, errLow := strconv.ParseUint(low, 16, 32)
		if errHigh == nil && errLow == nil {
			return LSN(h<<32 | l), nil
		}
	}
	return 0, fmt.Errorf("parse LSN %q: want two hexadecimal numbers around a slash, such as 0/16B3740", text)
}

// MarshalText and UnmarshalText let an LSN stand in JSON as PostgreSQL prints it.
func (l LSN) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

// UnmarshalText parses what MarshalText wrote.
func (l *LSN) UnmarshalText(text []byte) error {
	parsed, err := ParseLSN(string(text))
	*l = parsed
	return err
}

// TimelineID numbers a history of the WAL.
type TimelineID uint32

// XID is a transaction id as tuples and records carry it; it wraps around.
type XID uint32

// The XIDs with a fixed meaning (access/transam.h).
const (
	InvalidXID     XID = 0
	BootstrapXID   XID = 1
	FrozenXID      XID = 2
	FirstNormalXID XID = 3
)

// Normal reports whether x names an ordinary transaction.
func (x XID) Normal() bool { return x >= FirstNormalXID }

// Precedes reports whether x is logically older than y, modulo 2^32
// (TransactionIdPrecedes in transam.c).
func (x XID) Precedes(y XID) bool {
	if !x.Normal() || !y.Normal() {
		return x < y
	}
	return int32(x-y) < 0
}

// FullXID is a transaction id with its epoch in the upper half.
type FullXID uint64

// XID drops the epoch.
func (f FullXID) XID() XID { return XID(f) }

// OID identifies an object of the catalogs.
type OID uint32

// RelFileNumber names the files of a relation; it starts equal to the
// relation's OID and changes with TRUNCATE, VACUUM FULL, CLUSTER and rewrites.
type RelFileNumber uint32

// RelFileLocator names one relation on disk.
type RelFileLocator struct {
	Tablespace OID           `json:"tablespace"`
	Database   OID           `json:"database"`
	Relation   RelFileNumber `json:"relation"`
}

// The tablespaces with fixed OIDs (catalog/pg_tablespace.dat).
const (
	DefaultTablespace OID = 1663
	GlobalTablespace  OID = 1664
)

// String prints the locator as pg_waldump does: tablespace/database/relation.
func (r RelFileLocator) String() string {
	return fmt.Sprintf("%d/%d/%d", r.Tablespace, r.Database, r.Relation)
}

// Compare orders locators by database, relation, tablespace.
func (r RelFileLocator) Compare(o RelFileLocator) int {
	return cmp.Or(cmp.Compare(r.Database, o.Database),
		cmp.Compare(r.Relation, o.Relation), cmp.Compare(r.Tablespace, o.Tablespace))
}

// Fork is one of the files of a relation (common/relpath.h).
type Fork uint8

// The forks.
const (
	ForkMain Fork = iota
	ForkFSM
	ForkVM
	ForkInit
)

// BlockNumber counts the pages of a fork from 0.
type BlockNumber uint32

// OffsetNumber counts the line pointers of a page from 1.
type OffsetNumber uint16

// MaxOffsetNumber bounds the line pointers a page can hold (storage/off.h).
const MaxOffsetNumber OffsetNumber = BlockSize / 4

// TID is where a tuple lies: ctid.
type TID struct {
	Block  BlockNumber
	Offset OffsetNumber
}

// String prints the TID as PostgreSQL prints a ctid, such as (12,3).
func (t TID) String() string { return fmt.Sprintf("(%d,%d)", t.Block, t.Offset) }

// MarshalText lets a TID stand in JSON as PostgreSQL prints it.
func (t TID) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// Compare orders TIDs by block, then by offset.
func (t TID) Compare(o TID) int {
	return cmp.Or(cmp.Compare(t.Block, o.Block), cmp.Compare(t.Offset, o.Offset))
}

// Timestamp is microseconds since 2000-01-01 00:00:00 UTC (TimestampTz).
type Timestamp int64

// epoch is the Unix time in seconds of PostgreSQL's time zero.
const epoch = 946684800

// Time converts to Go's time in UTC; the zero Timestamp means "not known" and
// gives the zero Time.
func (t Timestamp) Time() time.Time {
	if t == 0 {
		return time.Time{}
	}
	seconds, micros := int64(t)/1e6, int64(t)%1e6
	return time.Unix(epoch+seconds, micros*1000).UTC()
}

// TimestampOf converts from Go's time; the zero Time gives the zero Timestamp.
func TimestampOf(t time.Time) Timestamp {
	if t.IsZero() {
		return 0
	}
	return Timestamp((t.Unix()-epoch)*1e6 + int64(t.Nanosecond()/1000))
}

// FormatTime prints a time as every pgrescue command does: UTC, microseconds,
// with the zone. The zero time prints as "unknown".
func FormatTime(t time.Time) string {
	if t.IsZero() {
		return "unknown"
	}
	return t.UTC().Format("2006-01-02 15:04:05.000000Z07:00")
}

// Version is a major version of PostgreSQL, such as 15.
type Version int

// QuoteIdent quotes an SQL identifier when it is not plain lower case
// (quote_identifier in ruleutils.c, without its keyword list: quoting more than
// needed is harmless, so keywords are the caller's only risk and are quoted by QuoteIdentAlways).
func QuoteIdent(name string) string {
	plain := name != ""
	for i, c := range []byte(name) {
		letter := c == '_' || (c >= 'a' && c <= 'z')
		if !letter && (i == 0 || c < '0' || c > '9') {
			plain = false
		}
	}
	if plain {
		return name
	}
	return QuoteIdentAlways(name)
}

// QuoteIdentAlways quotes an SQL identifier whatever it holds.
func QuoteIdentAlways(name string) string {
	return `"` + strings.ReplaceAll(name, `"`, `""`) + `"`
}
