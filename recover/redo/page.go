package redo

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/pgrescue/pgrescue/recover/heap"
	"github.com/pgrescue/pgrescue/recover/pg"
)

// Byte offsets of the fields in a page header (storage/bufpage.h).
const (
	offLSNHigh  = 0
	offLSNLow   = 4
	offFlags    = 10
	offLower    = 12
	offUpper    = 14
	offSpecial  = 16
	offSizeVer  = 18
	offPruneXID = 20
)

// Byte offsets of the fields in a tuple header (access/htup_details.h).
const (
	offXmin      = 0
	offXmax      = 4
	offCID       = 8
	offCtidHigh  = 12
	offCtidLow   = 14
	offCtidPos   = 16
	offInfomask2 = 18
	offInfomask  = 20
	offHoff      = 22
)

const (
	layoutVersion  = 4
	maxHeapTuple   = pg.BlockSize - 32 // MaxHeapTupleSize, rounded down
	linePointerLen = 4
	// maxTuplesPerPage is MaxHeapTuplesPerPage: no more line pointers fit beside tuples.
	maxTuplesPerPage = 291
)

var le = binary.LittleEndian

// errUsed tells that a record wants to put a tuple where one lies already: the
// page is not the one that the record was made for.
var errUsed = errors.New("line pointer is in use already")

// page is a full page of pgrescue's own memory that records are applied to.
// Its length is always pg.BlockSize; its content may be anything.
type page []byte

func (p page) lsn() pg.LSN {
	return pg.LSN(le.Uint32(p[offLSNHigh:]))<<32 | pg.LSN(le.Uint32(p[offLSNLow:]))
}

func (p page) setLSN(lsn pg.LSN) {
	le.PutUint32(p[offLSNHigh:], uint32(lsn>>32))
	le.PutUint32(p[offLSNLow:], uint32(lsn))
}

func (p page) lower() int        { return int(le.Uint16(p[offLower:])) }
func (p page) upper() int        { return int(le.Uint16(p[offUpper:])) }
func (p page) special() int      { return int(le.Uint16(p[offSpecial:])) }
func (p page) setLower(v int)    { le.PutUint16(p[offLower:], uint16(v)) }
func (p page) setUpper(v int)    { le.PutUint16(p[offUpper:], uint16(v)) }
func (p page) flags() uint16     { return le.Uint16(p[offFlags:]) }
func (p page) setFlags(v uint16) { le.PutUint16(p[offFlags:], v) }
func (p page) clearAllVisible()  { p.setFlags(p.flags() &^ heap.FlagAllVisible) }
func (p page) setAllVisible()    { p.setFlags(p.flags() | heap.FlagAllVisible) }
func (p page) linePointers() int {
	return max(0, (min(p.lower(), pg.BlockSize)-heap.PageHeaderSize)/linePointerLen)
}
func (p page) lpAt(offset int) int { return heap.PageHeaderSize + (offset-1)*linePointerLen }

// init makes the page empty (PageInit in bufpage.c).
func (p page) init() {
	clear(p)
	p.setLower(heap.PageHeaderSize)
	p.setUpper(pg.BlockSize)
	le.PutUint16(p[offSpecial:], pg.BlockSize)
	le.PutUint16(p[offSizeVer:], pg.BlockSize|layoutVersion)
}

// linePointer returns the line pointer at an offset number that exists.
func (p page) linePointer(offset pg.OffsetNumber) (heap.LinePointer, error) {
	if offset == 0 || int(offset) > p.linePointers() {
		return heap.LinePointer{}, fmt.Errorf("page has %d line pointers, no %d", p.linePointers(), offset)
	}
	return heap.Page(p).LinePointer(offset), nil
}

func (p page) setLinePointer(offset pg.OffsetNumber, lp heap.LinePointer) {
	le.PutUint32(p[p.lpAt(int(offset)):], lp.Encode())
}

// tuple returns the bytes of the tuple behind a normal line pointer.
func (p page) tuple(offset pg.OffsetNumber) (tupleBytes, error) {
	lp, err := p.linePointer(offset)
	if err != nil {
		return nil, err
	}
	end := int(lp.Offset) + int(lp.Length)
	if lp.State != heap.Normal || lp.Length < heap.TupleHeaderSize || int(lp.Offset) < heap.PageHeaderSize || end > pg.BlockSize {
		return nil, fmt.Errorf("line pointer %d is %s, offset %d, length %d", offset, lp.State, lp.Offset, lp.Length)
	}
	return tupleBytes(p[lp.Offset:end:end]), nil
}

// setPrunable remembers the oldest transaction whose end makes pruning
// worthwhile (PageSetPrunable).
func (p page) setPrunable(xid pg.XID) {
	old := pg.XID(le.Uint32(p[offPruneXID:]))
	if old == pg.InvalidXID || xid.Precedes(old) {
		le.PutUint32(p[offPruneXID:], uint32(xid))
	}
}

// add puts a tuple of the given length at a line pointer that must be free, and
// returns its bytes for the caller to fill (PageAddItemExtended with PAI_OVERWRITE).
func (p page) add(offset pg.OffsetNumber, length int) (tupleBytes, error) {
	count := p.linePointers()
	lower, upper := p.lower(), p.upper()
	if lower < heap.PageHeaderSize || lower > upper || upper > p.special() || p.special() > pg.BlockSize {
		return nil, fmt.Errorf("page bounds are impossible: lower %d, upper %d, special %d", lower, upper, p.special())
	}
	switch {
	case offset == 0 || int(offset) > count+1 || int(offset) > maxTuplesPerPage:
		return nil, fmt.Errorf("tuple is to go to line pointer %d of a page that has %d", offset, count)
	case int(offset) == count+1:
		lower += linePointerLen
	default:
		if lp := heap.Page(p).LinePointer(offset); lp.State != heap.Unused || lp.Length != 0 {
			return nil, errUsed
		}
	}
	upper -= (length + 7) &^ 7
	if length < heap.TupleHeaderSize || length > maxHeapTuple || lower > upper {
		return nil, fmt.Errorf("tuple of %d bytes does not fit between %d and %d", length, p.lower(), p.upper())
	}
	p.setLower(lower)
	p.setUpper(upper)
	p.setLinePointer(offset, heap.LinePointer{Offset: uint16(upper), Length: uint16(length), State: heap.Normal})
	t := tupleBytes(p[upper : upper+length : upper+length])
	clear(p[upper : upper+(length+7)&^7])
	return t, nil
}

// repair is how a version compacts a page (PageRepairFragmentation and
// compactify_tuples in bufpage.c).
type repair uint8

const (
	repairBefore14 repair = iota // tuples keep the order in which they lie
	repairIn14                   // tuples come in the order of their line pointers
	repairFrom15                 // and unused line pointers at the end are dropped
)

// repairFragmentation moves all tuples to the end of the page.
func (p page) repairFragmentation(how repair) error {
	var scratch [pg.BlockSize]byte
	copy(scratch[:], p)
	count := min(p.linePointers(), maxTuplesPerPage)
	if p.special() > pg.BlockSize {
		return fmt.Errorf("page special is %d", p.special())
	}
	var stored [maxTuplesPerPage]storedTuple
	tuples, last, unused := 0, 0, 0
	for i := 1; i <= count; i++ {
		lp := heap.Page(scratch[:]).LinePointer(pg.OffsetNumber(i))
		if lp.State == heap.Unused {
			p.setLinePointer(pg.OffsetNumber(i), heap.LinePointer{})
			unused++
			continue
		}
		last = i
		if lp.Length > 0 {
			stored[tuples] = storedTuple{pg.OffsetNumber(i), lp}
			tuples++
		}
	}
	if how == repairBefore14 {
		slices.SortStableFunc(stored[:tuples], func(a, b storedTuple) int { return int(b.lp.Offset) - int(a.lp.Offset) })
	}
	if err := p.placeTuples(stored[:tuples], scratch[:]); err != nil {
		return err
	}
	if how != repairFrom15 {
		last = count
	}
	p.dropUnusedEnd(last, count, unused)
	return nil
}

// storedTuple is a line pointer with a tuple behind it.
type storedTuple struct {
	offset pg.OffsetNumber
	lp     heap.LinePointer
}

// placeTuples puts tuples one before the other, from the end of the page on;
// from is the page as it was.
func (p page) placeTuples(tuples []storedTuple, from []byte) error {
	upper := p.special()
	for _, t := range tuples {
		aligned := (int(t.lp.Length) + 7) &^ 7
		upper -= aligned
		if upper < p.lower() || int(t.lp.Offset)+aligned > pg.BlockSize {
			return fmt.Errorf("line pointer %d: %d bytes at %d do not fit", t.offset, t.lp.Length, t.lp.Offset)
		}
		copy(p[upper:upper+aligned], from[t.lp.Offset:])
		t.lp.Offset = uint16(upper)
		p.setLinePointer(t.offset, t.lp)
	}
	p.setUpper(upper)
	return nil
}

// dropUnusedEnd truncates the line pointers behind the last used one and sets
// the hint that unused ones remain.
func (p page) dropUnusedEnd(last, count, unused int) {
	if last < count {
		unused -= count - last
		p.setLower(heap.PageHeaderSize + last*linePointerLen)
	}
	if unused > 0 {
		p.setFlags(p.flags() | heap.FlagHasFreeLines)
	} else {
		p.setFlags(p.flags() &^ heap.FlagHasFreeLines)
	}
}

// truncateLinePointers drops unused line pointers at the end, but never the
// first one (PageTruncateLinePointerArray in bufpage.c).
func (p page) truncateLinePointers() {
	count := min(p.linePointers(), maxTuplesPerPage)
	last, unused := 1, 0
	for i := 1; i <= count; i++ {
		if heap.Page(p).LinePointer(pg.OffsetNumber(i)).State == heap.Unused {
			unused++
		} else {
			last = i
		}
	}
	p.dropUnusedEnd(last, count, unused)
}

// tupleBytes is a tuple on a page of our own: at least a whole header.
type tupleBytes []byte

func (t tupleBytes) infomask() uint16      { return le.Uint16(t[offInfomask:]) }
func (t tupleBytes) setInfomask(v uint16)  { le.PutUint16(t[offInfomask:], v) }
func (t tupleBytes) infomask2() uint16     { return le.Uint16(t[offInfomask2:]) }
func (t tupleBytes) setInfomask2(v uint16) { le.PutUint16(t[offInfomask2:], v) }
func (t tupleBytes) setXmin(x pg.XID)      { le.PutUint32(t[offXmin:], uint32(x)) }
func (t tupleBytes) setXmax(x pg.XID)      { le.PutUint32(t[offXmax:], uint32(x)) }

func (t tupleBytes) setCtid(tid pg.TID) {
	le.PutUint16(t[offCtidHigh:], uint16(tid.Block>>16))
	le.PutUint16(t[offCtidLow:], uint16(tid.Block))
	le.PutUint16(t[offCtidPos:], uint16(tid.Offset))
}

// setCmax writes FirstCommandId, which is what replay knows of a command.
func (t tupleBytes) setCmax() {
	le.PutUint32(t[offCID:], 0)
	t.setInfomask(t.infomask() &^ heap.ComboCID)
}

// Bits of infobits_set (XLHL_* in access/heapam_xlog.h).
const (
	infobitIsMulti     = 0x01
	infobitLockOnly    = 0x02
	infobitExclLock    = 0x04
	infobitKeyShrLock  = 0x08
	infobitKeysUpdated = 0x10
)

// setInfobits clears what says anything of xmax and sets what the record says
// (fix_infomask_from_infobits in heapam.c).
func (t tupleBytes) setInfobits(bits uint8) {
	mask := t.infomask() &^ (heap.XmaxBits | heap.MovedOff | heap.MovedIn)
	mask2 := t.infomask2() &^ heap.KeysUpdated
	for _, m := range [...]struct {
		bit  uint8
		mask uint16
	}{
		{infobitIsMulti, heap.XmaxIsMulti},
		{infobitLockOnly, heap.XmaxLockOnly},
		{infobitExclLock, heap.XmaxExclLock},
		{infobitKeyShrLock, heap.XmaxKeyShrLck},
	} {
		if bits&m.bit != 0 {
			mask |= m.mask
		}
	}
	if bits&infobitKeysUpdated != 0 {
		mask2 |= heap.KeysUpdated
	}
	t.setInfomask(mask)
	t.setInfomask2(mask2)
}
