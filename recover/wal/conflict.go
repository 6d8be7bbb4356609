package wal

import (
	"bytes"
	"context"
	"fmt"

	"github.com/pgrescue/pgrescue/recover/pg"
)

// settle picks one of two files of the same segment and timeline. Copies taken at
// different times differ only where the older one has no WAL yet. Other
// differences are a conflict, which is a gap: the file with fewer damaged records
// is used, or else the first, but what lies between is in doubt.
func (a *Archive) settle(first, second *segmentFile) *segmentFile {
	c := comparison{a: a, x: first, y: second}
	c.run()
	winner, loser := c.lead, second
	switch {
	case c.from != 0 && a.damage(second, c.from, c.to) < a.damage(first, c.from, c.to):
		winner = second
	case winner == nil || c.from != 0:
		winner = first
	}
	if winner == second {
		loser = first
	}
	reason := "another file holds the same segment: "
	if c.from != 0 {
		reason = "another file holds other WAL for the same segment: "
		a.gaps = append(a.gaps, Gap{
			From: c.from, To: c.to, Segment: first.Name, Doubt: true,
			What: "two files hold different WAL for the same segment; used is " + winner.Path,
			Why:  fmt.Sprintf("%s and %s differ from %s on", first.Path, second.Path, c.from),
		})
	}
	loser.leaveOut(SegmentDuplicate, reason+winner.Path)
	return winner
}

// comparison reads two files of the same place page by page.
type comparison struct {
	a        *Archive
	x, y     *segmentFile
	lead     *segmentFile // the one that holds all that the other holds; nil: they do not differ yet
	from, to pg.LSN       // where they hold different WAL; 0: nowhere
}

func (c *comparison) run() {
	var pageX, pageY [pg.BlockSize]byte
	for at := c.x.Start; at < min(c.x.end(), c.y.end()); at += pg.BlockSize {
		_, errX := c.a.readAt(c.x, pageX[:], at)
		_, errY := c.a.readAt(c.y, pageY[:], at)
		switch {
		case errX != nil && errY != nil: // the damage is told when the log is read
			return
		case errX != nil:
			c.better(c.y, at, 0)
			return
		case errY != nil:
			c.better(c.x, at, 0)
			return
		case pageX == pageY:
			continue
		}
		soundX, soundY := c.a.sound(pageX[:], at), c.a.sound(pageY[:], at)
		differ := firstDifference(pageX[:], pageY[:])
		switch {
		case soundX && (!soundY || isZero(pageY[differ:])):
			c.better(c.x, at, differ)
		case soundY && (!soundX || isZero(pageX[differ:])):
			c.better(c.y, at, differ)
		case soundX || soundY:
			c.conflict(at, differ)
		}
	}
	if c.lead == nil && c.y.Bytes > c.x.Bytes {
		c.better(c.y, c.x.end(), 0)
	}
}

// better notes that a file holds more of the page at a place. If the other one held
// more before, neither holds all.
func (c *comparison) better(f *segmentFile, at pg.LSN, differ int) {
	if c.lead != nil && c.lead != f {
		c.conflict(at, differ)
		return
	}
	c.lead = f
}

func (c *comparison) conflict(at pg.LSN, differ int) {
	if c.from == 0 {
		c.from = at + pg.LSN(differ)
	}
	c.to = at + pg.BlockSize
}

// damage counts what cannot be read of a stretch of one file.
func (a *Archive) damage(f *segmentFile, from, to pg.LSN) int {
	alone := &Archive{
		layout: a.layout, systemID: a.systemID, segmentSize: a.segmentSize, timeline: a.timeline, path: a.path,
		log: []*segmentFile{f}, trail: a.trail, open: map[*segmentFile]*handle{},
	}
	defer alone.Close() //nolint:errcheck // opened for reading only
	n := 0
	// Neither the visitor nor the merger fails, and nobody cancels.
	_ = Scan(context.Background(), alone, ScanOptions{Workers: 1}, func() *struct{} { return new(struct{}) },
		func(*struct{}, *Record) error { return nil },
		func(_ *struct{}, span *Span) error {
			for _, g := range span.Gaps {
				if g.From < to && g.To > from {
					n++
				}
			}
			return nil
		})
	return n
}

// sound reports whether the page has a header of the given place.
func (a *Archive) sound(page []byte, at pg.LSN) bool {
	h, ok := decodePageHeader(page)
	return ok && h.check(a, at) == nil
}

// firstDifference is the index of the first byte in which two pages differ.
func firstDifference(x, y []byte) int {
	for i := range min(len(x), len(y)) {
		if x[i] != y[i] {
			return i
		}
	}
	return min(len(x), len(y))
}

func isZero(b []byte) bool { return len(bytes.TrimLeft(b, "\x00")) == 0 }
