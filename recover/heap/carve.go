package heap

import (
	"errors"
	"fmt"

	"github.com/pgrescue/pgrescue/recover/binreader"
	"github.com/pgrescue/pgrescue/recover/pg"
)

// Carved is a tuple that was found by its looks, in space that no line pointer
// claims any more: pruning takes the line pointer away and leaves the bytes.
type Carved struct {
	Tuple     // Raw ends where the last attribute does
	At    int // where it begins, in bytes from the start of the page
	// Crossed tells that something that looks like another tuple begins within its
	// bytes: they may have been overwritten in part, by a tuple that was pruned since.
	Crossed bool
	page    Page
	// neighbour destroyed the tuple that begins where this one ends; 0: none is seen.
	neighbour pg.XID
	last      bool // it ends where the page does
}

// Cut reports whether the last bytes may be another tuple's, whose header is too
// short by now to be seen as one, because something newer took what follows. That
// has not happened when the tuple behind it is destroyed by the same transaction, the
// destroyer: both were pruned at once, and nothing was written there since. Else it
// may have, when a number stands where such a header would begin that is a transaction
// id below limit; without a limit, which is 0, any number may be one.
func (c *Carved) Cut(destroyer, limit pg.XID) bool {
	if c.last || c.neighbour == destroyer && destroyer.Normal() {
		return false
	}
	end := (c.At + len(c.Raw) + 7) &^ 7
	fields := binreader.Fields(c.page)
	for _, at := range [...]int{end - 8, end - 16} {
		xid := pg.XID(fields.Uint32(at))
		if at >= c.At+TupleHeaderSize && xid != pg.InvalidXID && (limit == pg.InvalidXID || xid < limit) {
			return true
		}
	}
	return false
}

const (
	unusedInfomask  = 0x0008 | MovedOff | MovedIn // object ids went with 12, the others with the VACUUM FULL of 8.4
	unusedInfomask2 = 0x1800
	unitsPerPage    = pg.BlockSize / 8 // tuples begin at a multiple of 8 bytes
)

// MaxTuplesPerPage is MaxHeapTuplesPerPage: no more line pointers fit beside tuples.
const MaxTuplesPerPage = 291

// Carve looks for tuples of a shape in the space of a page that no line pointer
// claims. It calls visit for each in the order of their bytes; the tuple points into
// the page and is valid until visit returns.
//
// Nothing is written to a page but whole tuples, each beginning with its header, and
// line pointers from the front. So what overwrote a part of a stale tuple, and not
// its header, left the header of a tuple within it, or the begin of one at its end:
// a tuple that is neither Crossed nor Cut is whole. Its line pointer is not known here.
func Carve(p Page, h PageHeader, attrs []Attr, visit func(*Carved) error) error {
	if len(p) != pg.BlockSize || len(attrs) == 0 {
		return nil
	}
	ends, heads := runEnds(freeUnits(p, h)), [unitsPerPage + 1]bool{}
	for at, end := range ends {
		if end > at && mayBeHead(p, at*8, len(attrs)) {
			t, err := DecodeTuple(p[at*8 : end*8 : end*8])
			heads[at] = err == nil && looksLikeTuple(&t, len(attrs))
		}
	}
	for at, end := range ends {
		if !heads[at] {
			continue
		}
		t, err := DecodeTuple(p[at*8 : end*8 : end*8])
		if err != nil || t.RawXmin == pg.InvalidXID {
			continue
		}
		length, err := Extent(&t, attrs)
		if err != nil {
			continue
		}
		c := Carved{Tuple: t, At: at * 8, page: p}
		c.Raw = c.Raw[:length:length]
		next := at + 1
		for ; next*8 < c.At+length; next++ {
			c.Crossed = c.Crossed || heads[next]
		}
		c.last = next*8 == int(h.Special)
		if heads[next] {
			c.neighbour = destroyerAt(p, next*8)
		}
		if err := visit(&c); err != nil {
			return err
		}
	}
	return nil
}

// destroyerAt is the transaction that destroyed the tuple at a place, if it says so
// by itself.
func destroyerAt(p Page, at int) pg.XID {
	t, err := DecodeTuple(p[at:])
	if err != nil || !t.XmaxDestroys() || t.Infomask&XmaxIsMulti != 0 {
		return pg.InvalidXID
	}
	return t.Xmax
}

// runEnds gives for each unit that is free the end of the free stretch that it is
// in, and 0 for the others.
func runEnds(free *[unitsPerPage]bool) *[unitsPerPage]int {
	var ends [unitsPerPage]int
	for at := unitsPerPage - 1; at >= 0; at-- {
		switch {
		case !free[at]:
		case at+1 < unitsPerPage && free[at+1]:
			ends[at] = ends[at+1]
		default:
			ends[at] = at + 1
		}
	}
	return &ends
}

// freeUnits marks the stretches of eight bytes that no line pointer claims, from
// the end of the line pointers on.
func freeUnits(p Page, h PageHeader) *[unitsPerPage]bool {
	var free [unitsPerPage]bool
	for unit := (int(h.Lower) + 7) / 8; unit < min(int(h.Special), pg.BlockSize)/8; unit++ {
		free[unit] = true
	}
	for offset := pg.OffsetNumber(1); offset <= h.NumLinePointers(); offset++ {
		lp := p.LinePointer(offset)
		if lp.State == Redirect {
			continue // its place is the number of a line pointer
		}
		for unit := int(lp.Offset) / 8; unit < min((int(lp.Offset)+int(lp.Length)+7)/8, unitsPerPage); unit++ {
			free[unit] = false
		}
	}
	return &free
}

// mayBeHead is what most bytes fail of looksLikeTuple, before they are decoded.
func mayBeHead(p Page, at, attributes int) bool {
	fields := binreader.Fields(p)
	natts, head := int(fields.Uint16(at+18)&NattsMask), fields.Uint8(at+22)
	return natts >= 1 && natts <= attributes && head > TupleHeaderSize && head%8 == 0
}

// looksLikeTuple checks what a server never writes otherwise in a tuple's header,
// for a relation of so many attributes. The inserting transaction may be invalid:
// so an insertion is taken back that lost its race (heap_abort_speculative).
func looksLikeTuple(t *Tuple, attributes int) bool {
	natts := t.Natts()
	if natts < 1 || natts > attributes || t.Infomask&unusedInfomask != 0 || t.Infomask2&unusedInfomask2 != 0 {
		return false
	}
	head := TupleHeaderSize
	if t.Infomask&HasNull != 0 {
		head += (natts + 7) / 8
	}
	offset := t.Ctid.Offset
	return int(t.DataOffset) == (head+7)&^7 &&
		(offset >= 1 && offset <= MaxTuplesPerPage || offset == SpecTokenOffset || offset == MovedPartitionsOffset) &&
		t.Infomask&(XmaxCommitted|XmaxInvalid) != XmaxCommitted|XmaxInvalid
}

// errInfomask tells that a tuple's bits say other things of its attributes than they are.
var errInfomask = errors.New("infomask does not fit the attributes")

// Extent walks a tuple's attributes and returns where they end in Raw: a tuple that
// a server made has that length. It fails when they do not fit into Raw, when the
// tuple has more attributes than attrs, or when its infomask says other things of
// them than heap_fill_tuple would have (heaptuple.c).
func Extent(t *Tuple, attrs []Attr) (end int, err error) {
	natts := t.Natts()
	if natts > len(attrs) {
		return 0, fmt.Errorf("%w: tuple has %d attributes, the shape %d", ErrAttribute, natts, len(attrs))
	}
	if int(t.DataOffset) > len(t.Raw) {
		return 0, ErrAttribute
	}
	r := binreader.New(t.Raw[t.DataOffset:])
	variable, external := false, false
	for i := range natts {
		if t.Null(i) {
			continue
		}
		d, err := readDatum(&r, attrs[i])
		if err != nil {
			return 0, fmt.Errorf("%w: attribute %d: %w", ErrAttribute, i+1, err)
		}
		variable = variable || attrs[i].Len < 0
		external = external || d.Form == FormExternal
	}
	if variable != (t.Infomask&HasVarWidth != 0) || external != (t.Infomask&HasExternal != 0) {
		return 0, errInfomask
	}
	return int(t.DataOffset) + r.Offset(), nil
}
