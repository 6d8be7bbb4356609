package heap_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/pgrescue/pgrescue/recover/binreader"
	"github.com/pgrescue/pgrescue/recover/heap"
	"github.com/pgrescue/pgrescue/recover/pg"
	"github.com/pgrescue/pgrescue/testdata"
)

// incidentPages gives some pages of the demo's relation files.
func incidentPages(f *testing.F) []heap.Page {
	f.Helper()
	dir := f.TempDir()
	if _, _, err := testdata.UnpackIncident(context.Background(), dir); err != nil {
		f.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "data", "base", "*", "[1-9]*[0-9]"))
	if err != nil {
		f.Fatal(err)
	}
	var pages []heap.Page
	for _, path := range files {
		content, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		if len(content) < pg.BlockSize {
			continue
		}
		p := heap.Page(content[:pg.BlockSize])
		if h, err := p.Header(); err == nil && h.Special == pg.BlockSize && h.NumLinePointers() > 2 && len(pages) < 24 {
			pages = append(pages, p)
		}
	}
	if len(pages) < 10 {
		f.Fatalf("only %d pages to be seeds", len(pages))
	}
	return pages
}

// shape decodes a list of attributes from fuzzed bytes: length and alignment.
func shape(b []byte) []heap.Attr {
	lengths := [...]int16{-1, -2, 1, 2, 4, 8, 12, 16, 64}
	attrs := make([]heap.Attr, 0, len(b))
	for _, c := range b[:min(len(b), 64)] {
		attrs = append(attrs, heap.Attr{Len: lengths[int(c)%len(lengths)], Align: 1 << (c >> 6)})
	}
	return attrs
}

// FuzzPage decodes everything that an arbitrary page holds.
func FuzzPage(f *testing.F) {
	for i, p := range incidentPages(f) {
		f.Add([]byte(p), []byte{4, 0x80, 0x80, 5, byte(i), 0x80, 0x83})
	}
	f.Fuzz(func(t *testing.T, content, attributes []byte) {
		p := make(heap.Page, pg.BlockSize)
		copy(p, content)
		attrs := shape(attributes)
		out := make([]heap.Datum, len(attrs))
		h, err := p.Header()
		if err != nil {
			return
		}
		for offset := pg.OffsetNumber(1); offset <= h.NumLinePointers(); offset++ {
			lp := p.LinePointer(offset)
			tuple, err := p.Tuple(h, offset)
			if err != nil {
				continue
			}
			if lp.State != heap.Normal || int(lp.Length) != len(tuple.Raw) || lp.Offset < h.Upper {
				t.Fatalf("line pointer %+v gave a tuple of %d bytes", lp, len(tuple.Raw))
			}
			deform(t, &tuple, attrs, out)
		}
	})
}

// FuzzTuple decodes arbitrary bytes as a tuple.
func FuzzTuple(f *testing.F) {
	seeds := 0
	for _, p := range incidentPages(f) {
		h, err := p.Header()
		if err != nil {
			f.Fatal(err)
		}
		for offset := pg.OffsetNumber(1); offset <= min(h.NumLinePointers(), 4); offset++ {
			if tuple, err := p.Tuple(h, offset); err == nil {
				f.Add(tuple.Raw, []byte{4, 0x80, 0x80, 5, 0x80})
				seeds++
			}
		}
	}
	if seeds < 10 {
		f.Fatalf("only %d tuples to be seeds", seeds)
	}
	f.Fuzz(func(t *testing.T, raw, attributes []byte) {
		tuple, err := heap.DecodeTuple(raw)
		if err != nil {
			return
		}
		attrs := shape(attributes)
		deform(t, &tuple, attrs, make([]heap.Datum, len(attrs)))
		_, _ = tuple.UpdatedTo(pg.TID{Block: 1, Offset: 1})
		tuple.XmaxDestroys()
		r := binreader.New(raw)
		for range 64 { // as array elements are read
			if _, err := heap.ReadVarlena(&r, 4); err != nil {
				break
			}
		}
	})
}

// deform checks that what is found lies within the tuple, and is a form that there is.
func deform(t *testing.T, tuple *heap.Tuple, attrs []heap.Attr, out []heap.Datum) {
	err := heap.Deform(tuple, attrs, out)
	if err != nil && !errors.Is(err, heap.ErrAttribute) {
		t.Fatalf("error %v", err)
	}
	total := 0
	for i := range out {
		total += len(out[i].Bytes)
		if i >= tuple.Natts() && out[i].Form != heap.FormMissing {
			t.Fatalf("attribute %d of %d has form %d", i+1, tuple.Natts(), out[i].Form)
		}
		if out[i].Form > heap.FormExternal || (out[i].Form <= heap.FormMissing && out[i].Bytes != nil) {
			t.Fatalf("attribute %d has form %d and %d bytes", i+1, out[i].Form, len(out[i].Bytes))
		}
	}
	if total > len(tuple.Raw) {
		t.Fatalf("attributes of %d bytes in a tuple of %d", total, len(tuple.Raw))
	}
}
