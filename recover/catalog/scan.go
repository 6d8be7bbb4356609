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

// scanner reads catalogs and gathers what could not be read.
type scanner struct {
	pages PageSource
	judge judge
	gaps  []evidence.Gap
}

func (s *scanner) gap(where, what, why, consequence string) {
	s.gaps = append(s.gaps, evidence.Gap{Where: where, What: what, Why: why, Consequence: consequence})
}

// scan calls visit for each tuple of a catalog, dead ones included. A page or a
// tuple that cannot be decoded is a Gap.
func (s *scanner) scan(ctx context.Context, t *table, loc pg.RelFileLocator, visit func(*record)) error {
	attrs := t.attrs()
	rec := &record{values: make([]heap.Datum, len(attrs))}
	where := fmt.Sprintf("%s (file %s)", t.name, loc)
	err := s.pages.ReadPages(ctx, loc, func(block pg.BlockNumber, page heap.Page) error {
		head, err := page.Header()
		if errors.Is(err, heap.ErrZeroPage) {
			return nil
		}
		if err != nil {
			s.gap(where, fmt.Sprintf("block %d", block), err.Error(), "its rows of the catalog are missing")
			return nil
		}
		for offset := pg.OffsetNumber(1); offset <= head.NumLinePointers(); offset++ {
			if page.LinePointer(offset).State != heap.Normal {
				continue
			}
			rec.tid = pg.TID{Block: block, Offset: offset}
			rec.tuple, err = page.Tuple(head, offset)
			if err == nil {
				err = heap.Deform(&rec.tuple, attrs, rec.values)
			}
			if err != nil {
				s.gap(where, "tuple "+rec.tid.String(), err.Error(), "its row of the catalog is missing")
				continue
			}
			visit(rec)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("catalog: read %s: %w", where, err)
	}
	return nil
}

// newest keeps the best version of each row of a catalog by its key.
type newest[K comparable, T any] map[K]version[T]

type version[T any] struct {
	row  T
	rank visibility
	xmin pg.XID
}

// offer takes a version in if it is better than the one that is there.
func (n newest[K, T]) offer(key K, row T, rank visibility, xmin pg.XID) {
	old, found := n[key]
	if found && (old.rank > rank || old.rank == rank && xmin.Precedes(old.xmin)) {
		return
	}
	n[key] = version[T]{row: row, rank: rank, xmin: xmin}
}

// prune drops the keys without a version that counts.
func (n newest[K, T]) prune() {
	for key, v := range n {
		if v.rank < doubtfulRow {
			delete(n, key)
		}
	}
}

// collect scans a catalog and keeps the newest version of each row that
// decode accepts.
func collect[K comparable, T any](ctx context.Context, s *scanner, t *table, loc pg.RelFileLocator, decode func(*record) (K, T, bool)) (newest[K, T], error) {
	rows := newest[K, T]{}
	err := s.scan(ctx, t, loc, func(rec *record) {
		if key, row, ok := decode(rec); ok {
			rows.offer(key, row, s.judge.visibility(&rec.tuple), rec.tuple.Xmin())
		}
	})
	rows.prune()
	return rows, err
}
