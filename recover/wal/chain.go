package wal

import (
	"fmt"

	"github.com/pgrescue/pgrescue/recover/pg"
)

// chain joins the results of spans in LSN order: it checks that each span's first
// record is the one that the span before expects, and decides what a loss at a
// span's border was.
type chain struct {
	a        *Archive
	opts     *ScanOptions
	last     pg.LSN // the last record, 0 if unknown
	expected pg.LSN // where the next record begins, 0 if unknown
	to       pg.LSN // where the last span ended
	lost     loss
}

// loss is a place from which on records could not be read.
type loss struct {
	open  bool
	from  pg.LSN
	reach pg.LSN // the pages before it belong to what is lost, or are no pages of the log
	what  string
	why   string
	atEnd bool // there is no WAL behind it
}

// gap closes the loss at the place where reading went on.
func (l *loss) gap(a *Archive, to pg.LSN) Gap {
	return Gap{From: l.from, To: to, Segment: a.SegmentName(l.from), What: l.what, Why: l.why, Recycled: l.open && l.atEnd && to <= a.proper}
}

func newChain(a *Archive, opts *ScanOptions) *chain { return &chain{a: a, opts: opts} }

// add takes the next span's result and completes its gaps.
func (c *chain) add(r *spanResult) {
	own := r.Gaps
	r.Gaps = nil
	if !r.joined {
		c.breakOff(r)
	}
	c.to = r.To
	if r.found == 0 {
		c.addEmpty(r)
		return
	}
	if c.lost.open && r.sound == 0 && len(own) == 0 {
		c.lost.reach = max(c.lost.reach, r.lost.reach)
		return
	}
	switch expected := c.a.recordPlace(c.expected); {
	case c.lost.open:
		r.addGap(c.opts, c.lost.gap(c.a, r.found))
	case c.expected == 0 && r.head.open:
		r.addGap(c.opts, r.head.gap(c.a, r.found))
	case c.expected != 0 && expected < r.found:
		l := loss{from: expected, what: "records are lost", why: "the next page goes on elsewhere"}
		if r.head.open {
			l.why = r.head.why
		}
		r.addGap(c.opts, l.gap(c.a, r.found))
	case c.expected != 0 && c.last != 0 && r.foundPrev != 0 && r.foundPrev != c.last:
		l := loss{from: c.last, what: "the chain of records is broken"}
		l.why = fmt.Sprintf("the record at %s names %s as the one before it instead of %s", r.found, r.foundPrev, c.last)
		r.addGap(c.opts, l.gap(c.a, r.found))
	}
	for _, gap := range own {
		r.addGap(c.opts, gap)
	}
	c.lost, c.expected, c.last = r.lost, r.next, r.last
}

// addEmpty takes a span in which no record begins. That is right if a long record
// crosses it, or if the segment was switched before it.
func (c *chain) addEmpty(r *spanResult) {
	if c.lost.open || (c.expected != 0 && c.expected >= r.To) || !r.head.open {
		return
	}
	c.lost = r.head
	c.lost.from = max(r.head.from, c.expected)
}

// breakOff ends the chain where WAL is missing.
func (c *chain) breakOff(r *spanResult) {
	if c.lost.open && c.to > c.lost.from {
		c.lost.atEnd = true
		r.addGap(c.opts, c.lost.gap(c.a, c.to))
	}
	c.lost, c.expected, c.last = loss{}, 0, 0
}

// finish decides about a loss at the end. Where no page of the log follows what
// is lost, it is just the end of the log: PostgreSQL ends its own recovery there.
func (c *chain) finish() (*Span, bool) {
	if !c.lost.open || c.lost.reach >= c.a.End() || c.to <= c.lost.from {
		return nil, false
	}
	r := spanResult{Span: Span{From: c.to, To: c.to}}
	r.addGap(c.opts, c.lost.gap(c.a, c.to))
	return &r.Span, len(r.Gaps) > 0
}

// recordPlace moves a place at the start of a page behind the page's header.
func (a *Archive) recordPlace(at pg.LSN) pg.LSN {
	switch {
	case at&pg.LSN(a.segmentSize-1) == 0:
		return at + longHeaderSize
	case at&(pg.BlockSize-1) == 0:
		return at + shortHeaderSize
	}
	return at
}

// spanResult is what a worker found out about a span.
type spanResult struct {
	Span
	joined    bool
	found     pg.LSN // where the first record begins, sound or not; 0 if none does
	foundPrev pg.LSN // its xl_prev if it is sound
	sound     pg.LSN // the first sound record; 0 if there is none
	next      pg.LSN // where the first record behind the span begins
	last      pg.LSN // the record before next, sound or not; 0 if unknown
	head      loss   // pages before found that are not the log's
	lost      loss   // a loss that the span's end did not end
}

// addGap keeps a gap unless it lies before what was asked for.
func (r *spanResult) addGap(opts *ScanOptions, gap Gap) {
	if gap.To > opts.From {
		r.Gaps = append(r.Gaps, gap)
	}
}
