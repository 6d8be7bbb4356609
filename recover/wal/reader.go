package wal

import (
	"context"
	"fmt"

	"github.com/pgrescue/pgrescue/recover/binreader"
	"github.com/pgrescue/pgrescue/recover/pg"
)

// Reader reads single records at places that a scan has given. It serves one goroutine.
type Reader struct {
	scanner *scanner
}

// NewReader makes a Reader of the archive. Reading ends with ctx.
func (a *Archive) NewReader(ctx context.Context) *Reader {
	return &Reader{newScanner(ctx, a, &ScanOptions{SkipCRC: true})}
}

// Read returns the record that begins at the given place. It is valid until the
// next call. Its CRC is not checked again: the scan that named the place did.
func (r *Reader) Read(at pg.LSN) (*Record, error) {
	s := r.scanner
	raw, next, err := []byte(nil), pg.LSN(0), error(nil)
	if page := at &^ (pg.BlockSize - 1); page != s.at || s.page == nil {
		err = s.load(page, page)
	}
	if err == nil {
		raw, next, err = s.fetch(at)
	}
	if err == nil {
		s.rec.LSN, s.rec.End = at, next
		err = s.rec.decode(binreader.Fields(raw).Bytes(recordHeaderSize, len(raw)-recordHeaderSize))
	}
	if err != nil {
		return nil, fmt.Errorf("wal: read record at %s (segment %s): %w", at, s.a.SegmentName(at), err)
	}
	return &s.rec, nil
}
