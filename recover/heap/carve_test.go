package heap_test

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"

	"github.com/pgrescue/pgrescue/recover/heap"
	"github.com/pgrescue/pgrescue/recover/pg"
)

// pageModel plays what a server does to a page, and remembers each tuple as it was
// when it was destroyed.
type pageModel struct {
	page   heap.Page
	shape  []heap.Attr
	byLine bool // compaction orders the tuples as their line pointers, as from version 14 on
	xid    pg.XID
	random *rand.Rand
	dead   map[victim][]byte
}

// victim names a destroyed tuple as a ledger does.
type victim struct {
	xid pg.XID
	tid pg.TID
}

const (
	lowerAt, upperAt = 12, 14
	modelBlock       = 7
)

var le = binary.LittleEndian

// newPageModel makes an empty page of a table with an int4, an int8, a bytea and as
// many int2 as make so many columns. With nulls among 3 columns a tuple's header takes
// 24 bytes, among 10 it takes 32, among 80 it takes 40.
func newPageModel(seed uint64, columns int) *pageModel {
	m := &pageModel{
		shape: []heap.Attr{{Len: 4, Align: 4}, {Len: 8, Align: 8}, {Len: -1, Align: 4}}, byLine: seed%2 == 0,
		page: make(heap.Page, pg.BlockSize), xid: 1000, random: rand.New(rand.NewPCG(seed, 1)),
		dead: map[victim][]byte{},
	}
	le.PutUint16(m.page[lowerAt:], heap.PageHeaderSize)
	le.PutUint16(m.page[upperAt:], pg.BlockSize)
	le.PutUint16(m.page[16:], pg.BlockSize)
	le.PutUint16(m.page[18:], pg.BlockSize|4)
	for len(m.shape) < columns {
		m.shape = append(m.shape, heap.Attr{Len: 2, Align: 2})
	}
	return m
}

func (m *pageModel) header() heap.PageHeader {
	h, err := m.page.Header()
	if err != nil {
		panic(err)
	}
	return h
}

func (m *pageModel) setLine(offset int, lp heap.LinePointer) {
	le.PutUint32(m.page[heap.PageHeaderSize+(offset-1)*4:], lp.Encode())
}

// tuple makes the bytes of a tuple; most of the int2 are null.
func (m *pageModel) tuple(offset int) []byte {
	m.xid++
	raw, infomask := make([]byte, 24), uint16(heap.HasVarWidth|heap.XmaxInvalid)
	if columns := len(m.shape); columns > 3 && m.random.IntN(4) > 0 {
		raw, infomask = make([]byte, (23+(columns+7)/8+7)&^7), infomask|heap.HasNull
		raw[23] = 7
	}
	le.PutUint32(raw, uint32(m.xid))
	le.PutUint16(raw[14:], modelBlock)
	le.PutUint16(raw[16:], uint16(offset))
	le.PutUint16(raw[18:], uint16(len(m.shape)))
	le.PutUint16(raw[20:], infomask)
	raw[22] = uint8(len(raw))
	raw = le.AppendUint32(raw, m.random.Uint32())
	raw = le.AppendUint64(append(raw, 0, 0, 0, 0), m.random.Uint64N(5000)) // small numbers look like transaction ids
	length := m.random.IntN(60)
	raw = append(raw, byte(length+1)<<1|1)
	for range length {
		raw = append(raw, byte(m.random.Uint32()))
	}
	for i := 3; i < len(m.shape); i++ {
		if infomask&heap.HasNull != 0 {
			if m.random.IntN(8) > 0 {
				continue
			}
			raw[23+i/8] |= 1 << (i % 8)
		}
		if len(raw)%2 > 0 {
			raw = append(raw, 0)
		}
		raw = le.AppendUint16(raw, uint16(m.random.IntN(5000)))
	}
	return raw
}

// insert puts a tuple into the first free line pointer.
func (m *pageModel) insert() {
	h, offset := m.header(), 1
	for ; offset <= int(h.NumLinePointers()); offset++ {
		if m.page.LinePointer(pg.OffsetNumber(offset)).State == heap.Unused {
			break
		}
	}
	raw := m.tuple(offset)
	lower, upper := int(h.Lower), int(h.Upper)-(len(raw)+7)&^7
	if offset > int(h.NumLinePointers()) {
		lower += 4
	}
	if lower > upper {
		return
	}
	le.PutUint16(m.page[lowerAt:], uint16(lower))
	le.PutUint16(m.page[upperAt:], uint16(upper))
	copy(m.page[upper:], raw) // what pads it stays as it was
	m.setLine(offset, heap.LinePointer{Offset: uint16(upper), Length: uint16(len(raw)), State: heap.Normal})
}

// destroy deletes some tuples in one transaction.
func (m *pageModel) destroy() {
	h := m.header()
	m.xid++
	for range 1 + m.random.IntN(6) {
		offset := pg.OffsetNumber(1 + m.random.IntN(1+int(h.NumLinePointers())))
		t, err := m.page.Tuple(h, offset)
		if err != nil || t.XmaxDestroys() {
			continue
		}
		le.PutUint32(t.Raw[4:], uint32(m.xid))
		le.PutUint16(t.Raw[20:], t.Infomask&^heap.XmaxInvalid)
		m.dead[victim{m.xid, pg.TID{Block: modelBlock, Offset: offset}}] = bytes.Clone(t.Raw)
	}
}

// prune takes the destroyed tuples away, if there are any, and packs the others
// (compactify_tuples in bufpage.c): in the order in which they lie, or in that of
// their line pointers.
func (m *pageModel) prune() {
	h, old := m.header(), bytes.Clone(m.page)
	var kept []pg.OffsetNumber
	dead := false
	for offset := pg.OffsetNumber(1); offset <= h.NumLinePointers(); offset++ {
		t, err := heap.Page(old).Tuple(h, offset)
		switch {
		case err != nil:
		case t.XmaxDestroys():
			m.setLine(int(offset), heap.LinePointer{})
			dead = true
		default:
			kept = append(kept, offset)
		}
	}
	if !dead {
		return
	}
	if !m.byLine {
		place := heap.Page(old).LinePointer
		slices.SortFunc(kept, func(a, b pg.OffsetNumber) int { return cmp.Compare(place(b).Offset, place(a).Offset) })
	}
	upper := pg.BlockSize
	for _, offset := range kept {
		t, err := heap.Page(old).Tuple(h, offset)
		if err != nil {
			panic(err)
		}
		upper -= (len(t.Raw) + 7) &^ 7
		copy(m.page[upper:], t.Raw)
		m.setLine(int(offset), heap.LinePointer{Offset: uint16(upper), Length: uint16(len(t.Raw)), State: heap.Normal})
	}
	le.PutUint16(m.page[upperAt:], uint16(upper))
}

// carvedCounts are what a look at model pages found. Those that are hurt were
// overwritten in part, and are seen as crossed or as cut.
type carvedCounts struct{ whole, crossed, hurtCrossed, cut, hurtCut int }

// TestCarvedTuplesAreWhole plays random histories of a page. A tuple that is carved
// and neither crossed nor cut has to be what was destroyed, to the byte.
func TestCarvedTuplesAreWhole(t *testing.T) {
	t.Parallel()
	for _, columns := range []int{3, 10, 80} {
		t.Run(strconv.Itoa(columns), func(t *testing.T) {
			t.Parallel()
			var n carvedCounts
			for seed := range uint64(200) {
				m := newPageModel(seed, columns)
				inserts, prunes := 50+m.random.IntN(40), 1+m.random.IntN(9)
				for range 100 {
					for range 10 {
						switch n := m.random.IntN(100); {
						case n < inserts:
							m.insert()
						case n < 100-prunes:
							m.destroy()
						default:
							m.prune()
						}
					}
					m.look(t, &n)
				}
			}
			t.Logf("%+v", n)
			// Of the tuples that were not overwritten, most have to be given.
			if n.whole < 5_000 || n.hurtCrossed < 500 || n.hurtCut == 0 || (n.cut-n.hurtCut)*100 > n.whole {
				t.Errorf("%+v: the histories do not do what they should, or too much is withheld", n)
			}
		})
	}
}

// look carves the page and compares with what was destroyed.
func (m *pageModel) look(t *testing.T, n *carvedCounts) {
	t.Helper()
	err := heap.Carve(m.page, m.header(), m.shape, func(c *heap.Carved) error {
		want, known := m.dead[victim{c.Xmax, c.Ctid}]
		if !c.XmaxDestroys() || !known {
			return nil
		}
		hurt := 0
		if !bytes.Equal(c.Raw, want) {
			hurt = 1
		}
		switch {
		case c.Crossed:
			n.crossed++
			n.hurtCrossed += hurt
		case c.Cut(c.Xmax, m.xid+1):
			n.cut++
			n.hurtCut += hurt
		case hurt > 0:
			t.Errorf("carved at %d\n     %x\nwant %x", c.At, c.Raw, want)
		default:
			n.whole++
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// FuzzCarve carves arbitrary pages.
func FuzzCarve(f *testing.F) {
	for i, p := range incidentPages(f) {
		f.Add([]byte(p), []byte{4, 0x80, 0x80, 5, byte(i), 0x80, 0x83})
	}
	m := newPageModel(1, 3)
	for range 50 {
		m.insert()
		m.destroy()
	}
	m.prune()
	f.Add([]byte(m.page), []byte{4, 0xC5, 0x80})
	f.Fuzz(func(t *testing.T, content, attributes []byte) {
		p := make(heap.Page, pg.BlockSize)
		copy(p, content)
		attrs := shape(attributes)
		h, err := p.Header()
		if err != nil {
			return
		}
		last := -1
		err = heap.Carve(p, h, attrs, func(c *heap.Carved) error {
			if c.At <= last || c.At < int(h.Lower) || c.At+len(c.Raw) > int(h.Special) {
				t.Fatalf("tuple of %d bytes carved at %d, after %d, of a page with lower %d", len(c.Raw), c.At, last, h.Lower)
			}
			last = c.At
			c.Cut(c.Xmax, pg.InvalidXID)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	})
}
