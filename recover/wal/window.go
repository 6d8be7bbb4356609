package wal

import (
	"context"
	"errors"
	"fmt"

	"github.com/pgrescue/pgrescue/recover/pg"
)

// windowSize is how many bytes a worker reads at a time, and overrunSize how many
// where it only needs the rest of a record that began before.
const (
	windowSize  = 512 << 10
	overrunSize = 16 << 10
)

// window is a worker's view of the log: some pages in memory, and the one page
// that is being read, its header checked.
type window struct {
	ctx  context.Context
	a    *Archive
	buf  []byte
	from pg.LSN // place of the first byte in buf
	to   pg.LSN // place behind the last byte in buf

	at     pg.LSN // place of the current page
	page   []byte // the current page's bytes; fewer than pg.BlockSize in a cut file
	header pageHeader
}

// errNoPage is the cause of a loss at the end of what there is.
var errNoPage = errors.New("there is no WAL behind it")

// load makes the page at the given place the current one. limit is how far
// reading ahead makes sense. Errors say why there is no such page; one that is
// the context's ends the scan.
func (w *window) load(at, limit pg.LSN) error {
	w.at, w.page = at, nil
	if at < w.from || at >= w.to {
		if err := w.fill(at, limit); err != nil {
			return err
		}
	}
	offset := at - w.from
	w.page = w.buf[offset:min(offset+pg.BlockSize, w.to-w.from)]
	header, ok := decodePageHeader(w.page)
	if !ok {
		return errNoPage
	}
	w.header = header
	return header.check(w.a, at)
}

// fill reads a window that begins at the given place.
func (w *window) fill(at, limit pg.LSN) error {
	if err := w.ctx.Err(); err != nil {
		return err
	}
	w.from, w.to = at, at
	f := w.a.segmentAt(at)
	if f == nil {
		return errNoPage
	}
	size := pg.LSN(overrunSize)
	if at < limit {
		size = min(windowSize, (limit-at+pg.BlockSize-1)&^(pg.BlockSize-1))
	}
	size = min(size, f.readable()-at)
	n, err := w.a.readAt(f, w.buf[:size], at)
	if err != nil {
		// Pages before the damage are whole; the one that cannot be read costs only itself.
		n &^= pg.BlockSize - 1
	}
	if n == 0 {
		return w.unreadable(f, at, err)
	}
	w.to = at + pg.LSN(n)
	return nil
}

// unreadable names the place and cause of a read error.
func (w *window) unreadable(f *segmentFile, at pg.LSN, err error) error {
	return fmt.Errorf("read %s at byte %d: %w", f.Path, at-f.Start, err)
}

// readable is the place behind the last whole page that has usable bytes: on a
// timeline that was left, records end within a page.
func (f *segmentFile) readable() pg.LSN {
	whole := f.size &^ (pg.BlockSize - 1)
	return min(f.Start+pg.LSN(whole), (f.end()+pg.BlockSize-1)&^(pg.BlockSize-1))
}
