package heap_test

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"github.com/pgrescue/pgrescue/recover/heap"
	"github.com/pgrescue/pgrescue/recover/pg"
)

// pageModel plays what a server does to a page, and remembers each tuple as it was
// when it was destroyed.
type pageModel struct {
	page   heap.Page
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

func newPageModel(seed uint64) *pageModel {
	m := &pageModel{
		page: make(heap.Page, pg.BlockSize), xid: 1000, random: rand.New(rand.NewPCG(seed, 1)),
		dead: map[victim][]byte{},
	}
	le.PutUint16(m.page[lowerAt:], heap.PageHeaderSize)
	le.PutUint16(m.page[upperAt:], pg.BlockSize)
	le.PutUint16(m.page[16:], pg.BlockSize)
	le.PutUint16(m.page[18:], pg.BlockSize|4)
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

// insert puts a tuple of an int4, an int8 and a bytea into the first free line pointer.
func (m *pageModel) insert() {
	h, offset := m.header(), 1
	for ; offset <= int(h.NumLinePointers()); offset++ {
		if m.page.LinePointer(pg.OffsetNumber(offset)).State == heap.Unused {
			break
		}
	}
	m.xid++
	raw := make([]byte, 24+4+4+8)
	le.PutUint32(raw, uint32(m.xid))
	le.PutUint16(raw[14:], modelBlock)
	le.PutUint16(raw[16:], uint16(offset))
	le.PutUint16(raw[18:], 3)
	le.PutUint16(raw[20:], heap.HasVarWidth|heap.XmaxInvalid)
	raw[22] = 24
	le.PutUint32(raw[24:], m.random.Uint32())
	le.PutUint64(raw[32:], m.random.Uint64N(5000)) // small numbers look like transaction ids
	length := m.random.IntN(60)
	raw = append(raw, byte(length+1)<<1|1)
	for range length {
		raw = append(raw, byte(m.random.Uint32()))
	}
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
		le.PutUint16(t.Raw[20:], heap.HasVarWidth)
		m.dead[victim{m.xid, pg.TID{Block: modelBlock, Offset: offset}}] = bytes.Clone(t.Raw)
	}
}

// prune takes the destroyed tuples away and packs the others.
func (m *pageModel) prune() {
	h, old := m.header(), bytes.Clone(m.page)
	upper := pg.BlockSize
	for offset := 1; offset <= int(h.NumLinePointers()); offset++ {
		t, err := heap.Page(old).Tuple(h, pg.OffsetNumber(offset))
		switch {
		case err != nil:
		case t.XmaxDestroys():
			m.setLine(offset, heap.LinePointer{})
		default:
			upper -= (len(t.Raw) + 7) &^ 7
			copy(m.page[upper:], t.Raw)
			m.setLine(offset, heap.LinePointer{Offset: uint16(upper), Length: uint16(len(t.Raw)), State: heap.Normal})
		}
	}
	le.PutUint16(m.page[upperAt:], uint16(upper))
}

// TestCarvedTuplesAreWhole plays random histories of a page. A tuple that is carved
// and neither crossed nor cut has to be what was destroyed, to the byte.
func TestCarvedTuplesAreWhole(t *testing.T) {
	t.Parallel()
	shape := []heap.Attr{{Len: 4, Align: 4}, {Len: 8, Align: 8}, {Len: -1, Align: 4}}
	whole, crossed, cut := 0, 0, 0 // the last two: and not what was destroyed
	look := func(m *pageModel) {
		err := heap.Carve(m.page, m.header(), shape, func(c *heap.Carved) error {
			want, known := m.dead[victim{c.Xmax, c.Ctid}]
			if !c.XmaxDestroys() || !known {
				return nil
			}
			same := bytes.Equal(c.Raw, want)
			switch {
			case c.Crossed && !same:
				crossed++
			case c.Crossed:
			case c.Cut(c.Xmax, m.xid+1):
				if !same {
					cut++
				}
			case !same:
				t.Errorf("carved at %d\n     %x\nwant %x", c.At, c.Raw, want)
			default:
				whole++
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for seed := range uint64(200) {
		m := newPageModel(seed)
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
			look(m)
		}
	}
	t.Logf("%d whole; overwritten and seen: %d crossed, %d cut", whole, crossed, cut)
	if whole < 10_000 || crossed < 1000 || cut == 0 {
		t.Errorf("%d whole, %d crossed, %d cut: the histories do not do what they should", whole, crossed, cut)
	}
}

// FuzzCarve carves arbitrary pages.
func FuzzCarve(f *testing.F) {
	for i, p := range incidentPages(f) {
		f.Add([]byte(p), []byte{4, 0x80, 0x80, 5, byte(i), 0x80, 0x83})
	}
	m := newPageModel(1)
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
