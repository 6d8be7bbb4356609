package heap

import (
	"fmt"

	"github.com/pgrescue/pgrescue/recover/binreader"
	"github.com/pgrescue/pgrescue/recover/pg"
)

// TupleHeaderSize is SizeofHeapTupleHeader: the fixed head before the null bitmap.
const TupleHeaderSize = 23

// Bits of t_infomask and t_infomask2 (access/htup_details.h).
const (
	HasNull       = 0x0001
	HasVarWidth   = 0x0002
	HasExternal   = 0x0004
	XmaxKeyShrLck = 0x0010
	ComboCID      = 0x0020
	XmaxExclLock  = 0x0040
	XmaxLockOnly  = 0x0080
	XminCommitted = 0x0100
	XminInvalid   = 0x0200
	XminFrozen    = XminCommitted | XminInvalid
	XmaxCommitted = 0x0400
	XmaxInvalid   = 0x0800
	XmaxIsMulti   = 0x1000
	Updated       = 0x2000
	MovedOff      = 0x4000
	MovedIn       = 0x8000

	// XmaxBits are all bits that say something of xmax (HEAP_XMAX_BITS).
	XmaxBits = XmaxCommitted | XmaxInvalid | XmaxIsMulti | lockMask | XmaxLockOnly

	lockMask = XmaxKeyShrLck | XmaxExclLock

	NattsMask   = 0x07FF // of t_infomask2: how many attributes (HEAP_NATTS_MASK)
	KeysUpdated = 0x2000 // of t_infomask2
	HotUpdated  = 0x4000 // of t_infomask2
	OnlyTuple   = 0x8000 // HEAP_ONLY_TUPLE of t_infomask2

	// SpecTokenOffset marks in t_ctid a speculative insertion that was not
	// confirmed yet; MovedPartitionsOffset a row that moved to another partition.
	SpecTokenOffset       pg.OffsetNumber = 0xFFFE
	MovedPartitionsOffset pg.OffsetNumber = 0xFFFD
)

// Tuple is a row version as it lies on a page: the decoded header, and the bytes.
type Tuple struct {
	Raw        []byte // the whole tuple, header included
	RawXmin    pg.XID // as stored; see Xmin
	Xmax       pg.XID // may be a multixact or a mere lock: see the infomask
	Ctid       pg.TID // the next version, or the tuple itself
	Infomask2  uint16
	Infomask   uint16
	DataOffset uint8 // t_hoff: where the attributes begin in Raw
}

// DecodeTuple decodes a tuple's header and checks that the data offset and the
// null bitmap lie within its bytes.
func DecodeTuple(raw []byte) (Tuple, error) {
	t, err := decodeHeader(raw)
	if err != nil {
		return Tuple{}, err
	}
	least := TupleHeaderSize
	if t.Infomask&HasNull != 0 {
		least += (t.Natts() + 7) / 8
	}
	if int(t.DataOffset) < least || int(t.DataOffset) > len(raw) || t.DataOffset%8 != 0 {
		return Tuple{}, fmt.Errorf("tuple of %d bytes with %d attributes has an impossible data offset %d", len(raw), t.Natts(), t.DataOffset)
	}
	return t, nil
}

// decodeHeader decodes the fixed header alone.
func decodeHeader(raw []byte) (Tuple, error) {
	r := binreader.New(raw)
	t := Tuple{Raw: raw, RawXmin: pg.XID(r.Uint32()), Xmax: pg.XID(r.Uint32())}
	r.Skip(4) // t_cid or t_xvac
	high, low := r.Uint16(), r.Uint16()
	t.Ctid = pg.TID{Block: pg.BlockNumber(high)<<16 | pg.BlockNumber(low), Offset: pg.OffsetNumber(r.Uint16())}
	t.Infomask2, t.Infomask, t.DataOffset = r.Uint16(), r.Uint16(), r.Uint8()
	if !r.OK() {
		return Tuple{}, fmt.Errorf("tuple header: %w", r.Err())
	}
	return t, nil
}

// Natts is the number of attributes that the tuple holds; columns added later
// are not among them.
func (t *Tuple) Natts() int { return int(t.Infomask2 & NattsMask) }

// Xmin is the inserting transaction, or pg.FrozenXID when it is frozen
// (HeapTupleHeaderGetXmin).
func (t *Tuple) Xmin() pg.XID {
	if t.Infomask&XminFrozen == XminFrozen {
		return pg.FrozenXID
	}
	return t.RawXmin
}

// XmaxDestroys reports whether xmax can name a transaction that deleted or
// updated the tuple: it is there, and not merely a lock
// (HEAP_XMAX_IS_LOCKED_ONLY). Whether that transaction committed is another question.
func (t *Tuple) XmaxDestroys() bool {
	if t.Infomask&XmaxInvalid != 0 || t.Xmax == pg.InvalidXID {
		return false
	}
	lockedOnly := t.Infomask&XmaxLockOnly != 0 || t.Infomask&(XmaxIsMulti|lockMask) == XmaxExclLock
	return !lockedOnly
}

// UpdatedTo reports whether the version was replaced by an update, and by
// which tuple: ctid points elsewhere, and not to another partition.
func (t *Tuple) UpdatedTo(self pg.TID) (pg.TID, bool) {
	return t.Ctid, t.Ctid != self && t.Ctid.Offset != MovedPartitionsOffset && t.Ctid.Offset != SpecTokenOffset
}

// Moved reports whether an update moved the row to another partition, so that
// its next version is in another table.
func (t *Tuple) Moved() bool { return t.Ctid.Offset == MovedPartitionsOffset }

// Null reports whether the null bitmap marks the attribute, counted from 0, as NULL.
func (t *Tuple) Null(attribute int) bool {
	if t.Infomask&HasNull == 0 {
		return false
	}
	r := binreader.New(t.Raw)
	r.Seek(TupleHeaderSize + attribute/8)
	return r.Uint8()&(1<<(attribute%8)) == 0
}
