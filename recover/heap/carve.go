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
	behind  behind
}

// behind is what lies where a carved tuple ends.
type behind struct {
	nothing bool   // it ends where the page does, or where nothing was written since the page was emptied
	xmin    pg.XID // the youngest transaction that can have written there; 0: not known
	xmax    pg.XID // destroyed the tuple that begins there; 0: none is seen
}

// Cut reports whether the last bytes may be another tuple's, whose header is too
// short by now to be seen as one, because something newer took what follows. The
// destroyer is the transaction that the carved tuple was dead from, and limit a
// number above every transaction id that the files ever held; 0: there is none.
//
// Such an intruder began 8 or 16 bytes before the end, so its xmin stands there. And
// what took the rest of its header was inserted, where the tuple ends or 8 bytes
// behind: compaction (compactify_tuples in bufpage.c) writes nothing below the new
// pd_upper, and that is at least a whole header above a tuple that it takes away.
// Both were inserted after the carved tuple was pruned, when its destroyer was older
// than all that ran. So an intruder's xmin, and that of what follows, is younger than the
// destroyer; what follows and is older has been there all the time. It has too when
// the same transaction destroyed it: both were pruned at once.
//
// One thing is taken for granted: that no compaction moved the tuple while its
// destroyer still ran, and that after it a transaction older than the destroyer inserted
// on the page, twice, within these few bytes.
func (c *Carved) Cut(destroyer, limit pg.XID) bool {
	least := pg.InvalidXID // xmin of an intruder is greater
	if destroyer.Normal() && limit != pg.InvalidXID {
		least = destroyer
	}
	switch b := &c.behind; {
	case b.nothing, b.xmax == destroyer && destroyer.Normal(), b.xmin != pg.InvalidXID && b.xmin <= least:
		return false
	}
	end, fields := c.end(), binreader.Fields(c.page)
	for _, at := range [...]int{end - 8, end - 16} {
		xid := pg.XID(fields.Uint32(at))
		if at >= c.At+TupleHeaderSize && xid > least && (limit == pg.InvalidXID || xid < limit) {
			return true
		}
	}
	return false
}

// end is where the next tuple may begin.
func (c *Carved) end() int { return (c.At + len(c.Raw) + 7) &^ 7 }

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
	c := carving{page: p, header: h, youngest: youngestAbove(p, h), ends: runEnds(freeUnits(p, h))}
	for at, end := range c.ends {
		if end-at >= headUnits && mayBeHead(p, at*8, len(attrs)) {
			t, err := decodeHeader(p[at*8 : end*8 : end*8])
			c.heads[at] = err == nil && looksLikeTuple(&t, len(attrs))
		}
	}
	for at := range c.ends {
		found, ok := c.at(at, attrs)
		if !ok {
			continue
		}
		if err := visit(&found); err != nil {
			return err
		}
	}
	return nil
}

// carving is the work on one page.
type carving struct {
	page     Page
	header   PageHeader
	youngest pg.XID // see youngestAbove
	ends     *[unitsPerPage]int
	heads    [unitsPerPage + 1]bool // a tuple's fixed header is there, whole
}

// headUnits is the fixed header, with the byte that is padding or null bitmap.
const headUnits = (TupleHeaderSize + 7) / 8

// at takes the tuple that begins at a unit, if there is one.
func (c *carving) at(at int, attrs []Attr) (Carved, bool) {
	if !c.heads[at] {
		return Carved{}, false
	}
	end := c.ends[at] * 8
	t, err := DecodeTuple(c.page[at*8 : end : end])
	if err != nil || t.RawXmin == pg.InvalidXID {
		return Carved{}, false
	}
	length, err := Extent(&t, attrs)
	if err != nil {
		return Carved{}, false
	}
	found := Carved{Tuple: t, At: at * 8, page: c.page}
	found.Raw = found.Raw[:length:length]
	for next := at + 1; next*8 < found.At+length; next++ {
		found.Crossed = found.Crossed || c.heads[next]
	}
	found.behind = c.behind(found.end())
	return found, true
}

// behind looks at what lies where a carved tuple ends. Where less than a header
// separates that from pd_upper, the tuple at pd_upper tells: had anything been written
// in between after the carved one, pd_upper could only have come there by an insertion.
func (c *carving) behind(end int) behind {
	upper, special := int(c.header.Upper), int(c.header.Special)
	switch {
	case end == special, upper == special && upper-end < headUnits*8:
		return behind{nothing: true}
	case end <= upper && upper-end < headUnits*8:
		return behind{xmin: c.youngest}
	case c.heads[end/8]:
		return behind{xmin: pg.XID(binreader.Fields(c.page).Uint32(end)), xmax: destroyerAt(c.page, end)}
	}
	return behind{}
}

// youngestAbove is the greatest xmin of the tuples that line pointers lead to; 0 when
// none of them begins at pd_upper. All of them count and not just that one, because
// compaction may put them into another order.
func youngestAbove(p Page, h PageHeader) pg.XID {
	youngest, atUpper := pg.InvalidXID, false
	for offset := pg.OffsetNumber(1); offset <= h.NumLinePointers(); offset++ {
		if lp := p.LinePointer(offset); lp.State == Normal {
			youngest = max(youngest, pg.XID(binreader.Fields(p).Uint32(int(lp.Offset))))
			atUpper = atUpper || lp.Offset == h.Upper
		}
	}
	if !atUpper {
		return pg.InvalidXID
	}
	return youngest
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
