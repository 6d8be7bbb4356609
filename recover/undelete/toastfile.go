package undelete

import (
	"bytes"
	"cmp"
	"context"
	"slices"

	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/heap"
	"github.com/pgrescue/pgrescue/recover/pg"
)

// toastFile gives values out of line from a TOAST relation's file. It learns
// where the chunks are when the first value is asked for.
type toastFile struct {
	rel    *heap.Relation
	scan   fileScan
	oid    pg.OID
	places []chunkPlace
	read   bool
	page   heap.Page
	block  int64 // in page; -1: none
	value  []byte
	carve  bool   // also from the free space of its pages
	limit  pg.XID // see Evidence.xidLimit
}

// chunkPlace is where one chunk lies.
type chunkPlace struct {
	value pg.OID
	seq   int32
	tid   pg.TID
	at    int // carved: where it begins on the page, which has no line pointer to it
}

// newToastFile opens the TOAST relation of a table. Without one, every value
// that is asked for is missing.
func newToastFile(ev *Evidence, target *Target, carve bool, gap func(evidence.Gap)) *toastFile {
	f := &toastFile{carve: carve, limit: ev.xidLimit(), oid: target.Relation.Toast, page: make(heap.Page, pg.BlockSize), block: -1}
	for i := range target.Database.Relations {
		if toast := &target.Database.Relations[i]; toast.OID == f.oid && f.oid != 0 {
			var err error
			if f.rel, err = ev.dir().OpenRelation(toast.File); err != nil {
				gap(evidence.Gap{
					Where: toast.QualifiedName(), What: "the relation file", Why: err.Error(), Consequence: "values out of line are unknown",
				})
			}
		}
	}
	f.scan = fileScan{rel: f.rel, checksums: ev.checksums(), consequence: "values out of line that lie there are unknown", gap: gap}
	return f
}

func (f *toastFile) close() {
	if f.rel != nil {
		f.rel.Close()
	}
}

// learn notes where every chunk lies, dead or alive.
func (f *toastFile) learn() {
	f.read = true
	if f.rel == nil {
		return
	}
	// A page that cannot be read costs its chunks: their values are then not whole.
	_ = f.scan.pages(context.Background(), func(block pg.BlockNumber, h heap.PageHeader, p heap.Page) error {
		keep := func(t *heap.Tuple, offset pg.OffsetNumber, at int) {
			if key, seq, _, ok := decodeChunk(toastTable{oid: f.oid}, t); ok {
				f.places = append(f.places, chunkPlace{key.value, seq, pg.TID{Block: block, Offset: offset}, at})
			}
		}
		if f.carve {
			_ = heap.Carve(p, h, chunkAttrs(), func(c *heap.Carved) error {
				if !doubtfulChunk(c, f.limit) {
					keep(&c.Tuple, 0, c.At)
				}
				return nil
			})
		}
		return f.scan.tuples(block, h, p, func(tid pg.TID, t *heap.Tuple) error {
			keep(t, tid.Offset, 0)
			return nil
		})
	})
	slices.SortStableFunc(f.places, func(a, b chunkPlace) int {
		return cmp.Or(cmp.Compare(a.value, b.value), cmp.Compare(a.seq, b.seq))
	})
}

// Fetch puts a value together from its chunks. The bytes are valid until the next call.
func (f *toastFile) Fetch(p heap.ToastPointer) ([]byte, error) {
	if !f.read {
		f.learn()
	}
	f.value = f.value[:0]
	if p.ToastRelation != f.oid {
		return nil, errChunks
	}
	at, _ := slices.BinarySearchFunc(f.places, p.ValueID, func(c chunkPlace, value pg.OID) int { return cmp.Compare(c.value, value) })
	next := int32(0)
	for ; at < len(f.places) && f.places[at].value == p.ValueID; at++ {
		place := f.places[at]
		data := f.chunk(place)
		switch {
		case data == nil:
			return nil, errChunks
		case place.seq == next-1: // another version of the same chunk
			if !bytes.HasSuffix(f.value, data) {
				return nil, errDiffer
			}
			continue
		case place.seq != next:
			return nil, errChunks
		}
		f.value = append(f.value, data...)
		next++
	}
	if len(f.value) != int(p.ExtSize) {
		return nil, errChunks
	}
	return f.value, nil
}

// chunk reads one chunk's data; nil if it cannot be read.
func (f *toastFile) chunk(place chunkPlace) []byte {
	if f.block != int64(place.tid.Block) {
		f.block = -1
		if f.rel.ReadPage(place.tid.Block, f.page) != nil {
			return nil
		}
		f.block = int64(place.tid.Block)
	}
	h, err := f.page.Header()
	if err != nil {
		return nil
	}
	t, err := f.tuple(h, place)
	if err != nil {
		return nil
	}
	_, _, data, ok := decodeChunk(toastTable{oid: f.oid}, &t)
	if !ok {
		return nil
	}
	return data
}

// tuple finds a chunk's tuple on the page that was read.
func (f *toastFile) tuple(h heap.PageHeader, place chunkPlace) (heap.Tuple, error) {
	if place.at == 0 {
		return f.page.Tuple(h, place.tid.Offset)
	}
	t, err := heap.DecodeTuple(f.page[place.at:])
	if err != nil {
		return t, err
	}
	end, err := heap.Extent(&t, chunkAttrs())
	if err == nil {
		t.Raw = t.Raw[:end]
	}
	return t, err
}
