package catalog

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/pgrescue/pgrescue/recover/binreader"
	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/heap"
	"github.com/pgrescue/pgrescue/recover/pg"
)

// record is one tuple of a catalog, taken apart. It is valid until the next one.
type record struct {
	tuple  heap.Tuple
	tid    pg.TID
	values []heap.Datum
	// restored: the version came out of the WAL, as it was right after it was destroyed.
	restored bool
}

// bytes gives a column's bytes, nil for NULL and for a column the version lacks.
func (r *record) bytes(f field) []byte {
	if f == noField || int(f) >= len(r.values) || r.values[f].Form != heap.FormPlain {
		return nil
	}
	return r.values[f].Bytes
}

func (r *record) uint32(f field) uint32 {
	b := binreader.New(r.bytes(f))
	return b.Uint32()
}

func (r *record) oid(f field) pg.OID  { return pg.OID(r.uint32(f)) }
func (r *record) int32(f field) int32 { return int32(r.uint32(f)) }

func (r *record) int16(f field) int16 {
	b := binreader.New(r.bytes(f))
	return b.Int16()
}

func (r *record) float32(f field) float32 {
	b := binreader.New(r.bytes(f))
	return b.Float32()
}

// bool reads a boolean column.
func (r *record) bool(f field) bool {
	b := binreader.New(r.bytes(f))
	return b.Uint8() != 0
}

// char reads a column of type "char"; the zero byte is the empty string.
func (r *record) char(f field) string {
	b := binreader.New(r.bytes(f))
	if c := b.Uint8(); c != 0 {
		return string([]byte{c})
	}
	return ""
}

// name reads a column of type name.
func (r *record) name(f field) string {
	text, _, _ := bytes.Cut(r.bytes(f), []byte{0})
	return string(text)
}

// detoasted gives a column's bytes as bytes does, decompressed. It reports false
// when the value is there but cannot be read.
func (r *record) detoasted(f field) ([]byte, bool) {
	if f == noField || int(f) >= len(r.values) {
		return nil, true
	}
	switch d := r.values[f]; d.Form {
	case heap.FormPlain:
		return append([]byte(nil), d.Bytes...), true // the page's buffer is used again
	case heap.FormNull, heap.FormMissing:
		return nil, true
	case heap.FormCompressed:
		value, err := heap.DecompressInline(nil, d.Bytes)
		return value, err == nil
	}
	return nil, false // these catalogs have no TOAST relation to look it up in
}

// scanner reads catalogs and gathers what could not be read.
type scanner struct {
	pages     PageSource
	destroyed DestroyedRows // may be nil
	judge     judge
	gaps      []evidence.Gap
}

func (s *scanner) gap(where, what, why, consequence string) {
	s.gaps = append(s.gaps, evidence.Gap{Where: where, What: what, Why: why, Consequence: consequence})
}

// scan calls visit for each tuple of a catalog, dead ones included, and then for
// the destroyed ones that the WAL gave back. A page or a tuple that cannot be
// decoded is a Gap, and so is a page of zeros between others.
func (s *scanner) scan(ctx context.Context, t *table, loc pg.RelFileLocator, visit func(*record)) error {
	where := fmt.Sprintf("%s (file %s)", t.name, loc)
	p := pageScan{scanner: s, where: where, attrs: t.attrs(), visit: visit}
	p.rec.values = make([]heap.Datum, len(p.attrs))
	err := s.pages.ReadPages(ctx, loc, p.page)
	p.tellTuples()
	if err != nil {
		return fmt.Errorf("catalog: read %s: %w", where, err)
	}
	if s.destroyed == nil {
		return nil
	}
	p.rec.restored = true
	return s.destroyed.ReadDestroyed(loc.Database, t.name, p.restoredTuple)
}

// pageScan is a scan over the pages of one catalog.
type pageScan struct {
	*scanner
	where string
	attrs []heap.Attr
	visit func(*record)
	rec   record
	// Pages of zeros since the last page with something on it.
	zeroFrom, zeroTo pg.BlockNumber
	// Tuples that cannot be decoded, in blocks one behind the other.
	damaged           int
	damagedIn         pg.BlockNumber // the last block of them
	firstTID, lastTID pg.TID
	why               error // of the first
}

// tellZeros tells of pages of zeros that other pages follow; at the end they are merely new.
func (p *pageScan) tellZeros() {
	what := fmt.Sprintf("block %d", p.zeroFrom)
	if p.zeroTo > p.zeroFrom+1 {
		what = fmt.Sprintf("blocks %d to %d", p.zeroFrom, p.zeroTo-1)
	}
	if p.zeroTo > p.zeroFrom {
		p.gap(p.where, what, heap.ErrZeroPage.Error(), "if there were rows of the catalog on it, they are missing")
	}
	p.zeroFrom, p.zeroTo = 0, 0
}

// tellTuples tells of tuples that cannot be decoded. A file that is none of the
// catalog has thousands of them, which are one gap.
func (p *pageScan) tellTuples() {
	what := "tuple " + p.firstTID.String()
	if p.damaged > 1 {
		what = fmt.Sprintf("%d tuples from %s to %s", p.damaged, p.firstTID, p.lastTID)
	}
	if p.damaged > 0 {
		p.gap(p.where, what, p.why.Error(), "its row of the catalog is missing")
	}
	p.damaged = 0
}

func (p *pageScan) tupleLost(tid pg.TID, why error) {
	if p.damaged > 0 && tid.Block > p.damagedIn+1 {
		p.tellTuples()
	}
	if p.damaged == 0 {
		p.firstTID, p.why = tid, why
	}
	p.damaged++
	p.damagedIn, p.lastTID = tid.Block, tid
}

// page visits the tuples of one page.
func (p *pageScan) page(block pg.BlockNumber, page heap.Page) error {
	head, err := page.Header()
	if errors.Is(err, heap.ErrZeroPage) {
		if p.zeroTo != block {
			p.zeroFrom = block
		}
		p.zeroTo = block + 1
		return nil
	}
	p.tellZeros()
	if err != nil {
		p.gap(p.where, fmt.Sprintf("block %d", block), err.Error(), "its rows of the catalog are missing")
		return nil
	}
	for offset := pg.OffsetNumber(1); offset <= head.NumLinePointers(); offset++ {
		if page.LinePointer(offset).State != heap.Normal {
			continue
		}
		p.rec.tid = pg.TID{Block: block, Offset: offset}
		p.rec.tuple, err = page.Tuple(head, offset)
		if err == nil {
			err = heap.Deform(&p.rec.tuple, p.attrs, p.rec.values)
		}
		if err != nil {
			p.tupleLost(p.rec.tid, err)
			continue
		}
		p.visit(&p.rec)
	}
	return nil
}
