package carve

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"slices"
	"sort"

	"github.com/pgrescue/pgrescue/recover/binreader"
	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/heap"
	"github.com/pgrescue/pgrescue/recover/pg"
)

// chunkAttrs is the shape of every TOAST relation (access/toast_internals.h).
func chunkAttrs() []heap.Attr {
	return []heap.Attr{{Len: 4, Align: 4}, {Len: 4, Align: 4}, {Len: -1, Align: 4}}
}

// Every chunk of a value but the last has TOAST_MAX_CHUNK_SIZE bytes, 1996 with pages
// of 8 KiB (access/heaptoast.h).
const (
	maxChunk   = 2000
	leastChunk = 1000
)

// decodeChunk takes a tuple apart that looks like a chunk.
func decodeChunk(t *heap.Tuple) (value pg.OID, seq int32, data []byte, ok bool) {
	if t.Natts() != 3 || t.Infomask&(heap.HasNull|heap.HasExternal) != 0 || t.Infomask&heap.HasVarWidth == 0 {
		return 0, 0, nil, false
	}
	attrs := [...]heap.Attr{{Len: 4, Align: 4}, {Len: 4, Align: 4}, {Len: -1, Align: 4}}
	var out [len(attrs)]heap.Datum
	if heap.Deform(t, attrs[:], out[:]) != nil || out[2].Form != heap.FormPlain {
		return 0, 0, nil, false
	}
	value, seq, data = pg.OID(binreader.Fields(out[0].Bytes).Uint32(0)), int32(binreader.Fields(out[1].Bytes).Uint32(0)), out[2].Bytes
	end, err := heap.Extent(t, chunkAttrs())
	return value, seq, data, err == nil && end == len(t.Raw) && value != 0 && seq >= 0 && len(data) > 0 && len(data) <= maxChunk
}

// isChunks reports whether all tuples of a page look like chunks.
func isChunks(p *Page) bool {
	for i := range p.Tuples {
		if _, _, _, ok := decodeChunk(&p.Tuples[i].Tuple); !ok {
			return false
		}
	}
	return len(p.Tuples) > 0
}

// chunkPlace is where a chunk lies.
type chunkPlace struct {
	value  pg.OID
	seq    int32
	source int32
	line   pg.OffsetNumber
	offset int64 // of its page in the source
}

const placeBytes = 4 + 4 + 4 + 4 + 8

func (c *chunkPlace) compare(o *chunkPlace) int {
	return cmp.Or(cmp.Compare(c.value, o.value), cmp.Compare(c.seq, o.seq), cmp.Compare(c.source, o.source),
		cmp.Compare(c.offset, o.offset), cmp.Compare(c.line, o.line))
}

func (c *chunkPlace) append(dst []byte) []byte {
	dst = binary.LittleEndian.AppendUint32(dst, uint32(c.value))
	dst = binary.LittleEndian.AppendUint32(dst, uint32(c.seq))
	dst = binary.LittleEndian.AppendUint32(dst, uint32(c.source))
	dst = binary.LittleEndian.AppendUint32(dst, uint32(c.line))
	return binary.LittleEndian.AppendUint64(dst, uint64(c.offset))
}

func placeAt(raw []byte) chunkPlace {
	f := binreader.Fields(raw)
	return chunkPlace{pg.OID(f.Uint32(0)), int32(f.Uint32(4)), int32(f.Uint32(8)), pg.OffsetNumber(f.Uint32(12)), int64(f.Uint64(16))}
}

// chunkIndex knows where chunks lie. Beyond a bounded number the places go to a
// temporary file without a name, in sorted runs.
type chunkIndex struct {
	sources []Source
	places  []chunkPlace // not yet in the file
	runs    []run
	file    *os.File
	size    int64

	found []chunkPlace
	value []byte
	page  Page
	raw   []byte
	files map[int32]*os.File
}

// run is a sorted stretch of the temporary file.
type run struct{ at, count int64 }

const placesInMemory = 1 << 21 // 64 MiB

// indexChunks looks through the sources for chunks.
func indexChunks(ctx context.Context, sources []Source, opts *Options) (*chunkIndex, error) {
	x := &chunkIndex{sources: sources, raw: make([]byte, pg.BlockSize), files: map[int32]*os.File{}}
	s := newScanner(sources, opts, "looking for TOAST values")
	for i := range sources {
		err := s.pages(ctx, &sources[i], func(p *Page) error {
			if p.Kind != Heap {
				return nil
			}
			return x.addPage(int32(i), p)
		})
		if err != nil {
			return nil, errors.Join(err, x.close())
		}
	}
	slices.SortFunc(x.places, func(a, b chunkPlace) int { return a.compare(&b) })
	return x, nil
}

func (x *chunkIndex) addPage(source int32, p *Page) error {
	for i := range p.Tuples {
		t := &p.Tuples[i]
		if value, seq, _, ok := decodeChunk(&t.Tuple); ok {
			x.places = append(x.places, chunkPlace{value, seq, source, t.Line, p.Offset})
		}
	}
	if len(x.places) < placesInMemory {
		return nil
	}
	return x.spill()
}

// spill writes the places to the temporary file as a sorted run.
func (x *chunkIndex) spill() error {
	if x.file == nil {
		file, err := os.CreateTemp("", "pgrescue-chunks-")
		if err == nil {
			x.file, err = file, os.Remove(file.Name())
		}
		if err != nil {
			return temporary("make temporary file", err)
		}
	}
	slices.SortFunc(x.places, func(a, b chunkPlace) int { return a.compare(&b) })
	raw := make([]byte, 0, len(x.places)*placeBytes)
	for i := range x.places {
		raw = x.places[i].append(raw)
	}
	if _, err := x.file.WriteAt(raw, x.size); err != nil {
		return temporary("write temporary file", err)
	}
	x.runs = append(x.runs, run{x.size, int64(len(x.places))})
	x.size, x.places = x.size+int64(len(raw)), x.places[:0]
	return nil
}

// temporary is an error of the temporary file, with what a person can do.
func temporary(op string, err error) error {
	return &evidence.Error{Op: "carve: " + op, Err: err, Hint: "set TMPDIR to a folder on a disk with room"}
}

func (x *chunkIndex) close() error {
	var errs []error
	for _, f := range x.files {
		errs = append(errs, f.Close())
	}
	if x.file != nil {
		errs = append(errs, x.file.Close())
	}
	return errors.Join(errs...)
}

// find gathers the places of one value's chunks, in their order. A value of a size
// cannot have more than so many.
func (x *chunkIndex) find(value pg.OID, most int) error {
	x.found = x.found[:0]
	at := sort.Search(len(x.places), func(i int) bool { return x.places[i].value >= value })
	for ; at < len(x.places) && x.places[at].value == value && len(x.found) < most; at++ {
		x.found = append(x.found, x.places[at])
	}
	var raw [placeBytes]byte
	for _, r := range x.runs {
		var failure error
		read := func(i int64) chunkPlace {
			if _, err := x.file.ReadAt(raw[:], r.at+i*placeBytes); err != nil {
				failure = temporary("read temporary file", err)
			}
			return placeAt(raw[:])
		}
		from := int64(sort.Search(int(r.count), func(i int) bool { return read(int64(i)).value >= value }))
		for ; from < r.count && failure == nil && len(x.found) < most; from++ {
			place := read(from)
			if place.value != value {
				break
			}
			x.found = append(x.found, place)
		}
		if failure != nil {
			return failure
		}
	}
	slices.SortFunc(x.found, func(a, b chunkPlace) int { return a.compare(&b) })
	return nil
}

// The reasons why a value is unknown, the same for all rows that lack one.
var (
	errNoChunks = errors.New("it is stored out of line, and its chunks were not all found")
	errTwice    = errors.New("it is stored out of line, and two different values with its id were found")
)

// copiesOfChunk bounds how often a chunk is looked at: a page may have many copies.
const copiesOfChunk = 64

// Fetch puts a value together from chunks found anywhere in the sources.
func (x *chunkIndex) Fetch(p heap.ToastPointer) ([]byte, error) {
	if err := x.find(p.ValueID, (int(p.ExtSize)/leastChunk+1)*copiesOfChunk); err != nil {
		return nil, err
	}
	x.value = x.value[:0]
	last, from := int32(-1), 0 // the chunk before, and where it begins in the value
	for i := range x.found {
		place := &x.found[i]
		data := x.chunk(place)
		switch {
		case data == nil:
		case place.seq == last:
			if !bytes.Equal(x.value[from:], data) {
				return nil, errTwice
			}
		case place.seq != last+1:
			return nil, errNoChunks
		default:
			last, from = place.seq, len(x.value)
			x.value = append(x.value, data...)
		}
	}
	if len(x.value) != int(p.ExtSize) {
		return nil, errNoChunks
	}
	return x.value, nil
}

// chunk reads a chunk's data; nil if it cannot be had any more.
func (x *chunkIndex) chunk(place *chunkPlace) []byte {
	file := x.files[place.source]
	if file == nil {
		var err error
		if file, err = x.open(place.source); err != nil {
			return nil
		}
	}
	if _, err := file.ReadAt(x.raw, place.offset); err != nil || !x.page.recognise(&x.sources[place.source], x.raw, place.offset) {
		return nil
	}
	for i := range x.page.Tuples {
		if t := &x.page.Tuples[i]; t.Line == place.line {
			if value, seq, data, ok := decodeChunk(&t.Tuple); ok && value == place.value && seq == place.seq {
				return data
			}
		}
	}
	return nil
}

const openSources = 32

func (x *chunkIndex) open(source int32) (*os.File, error) {
	if len(x.files) >= openSources {
		for n, f := range x.files {
			f.Close()
			delete(x.files, n)
		}
	}
	file, err := os.Open(x.sources[source].Path)
	if err != nil {
		return nil, fmt.Errorf("carve: open: %w", err)
	}
	x.files[source] = file
	return file, nil
}
