package wal

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"

	"github.com/pgrescue/pgrescue/recover/binreader"
	"github.com/pgrescue/pgrescue/recover/pg"
)

// scanner scans spans, one after the other, on one goroutine.
type scanner struct {
	window
	opts    *ScanOptions
	known   [256]bool // resource managers that this version can have
	wanted  [256]bool // those whose records are delivered
	checked [256]bool // those whose records' CRC is checked
	crc     *crc32.Table
	rec     Record
	long    []byte // a record that crosses pages
	result  *spanResult
	visit   func(rec *Record) error
	to      pg.LSN // records that begin here or later belong to another span
	prev    pg.LSN // the record before, 0 if unknown
	told    pg.LSN // up to here progress was reported
	lost    loss   // what is lost since the last sound record
	restart pg.LSN // page at which an aborted record was written over
}

func newScanner(ctx context.Context, a *Archive, opts *ScanOptions) *scanner {
	s := &scanner{window: window{ctx: ctx, a: a, buf: make([]byte, windowSize)}, opts: opts}
	s.crc = crc32.MakeTable(crc32.Castagnoli)
	s.rec.Layout = a.layout
	for id := range s.known {
		s.known[id], s.wanted[id] = a.layout.validRmgr(RmgrID(id)), opts.Rmgrs.Has(RmgrID(id))
		s.checked[id] = !opts.SkipCRC && (s.wanted[id] || !opts.TrustOthers)
	}
	return s
}

// The ways in which a record cannot be had.
var (
	errAborted = errors.New("the record was never finished")
	errShort   = errors.New("the record's length is impossible")
	errRmgr    = errors.New("unknown resource manager")
	errPrev    = errors.New("the record names another one as the one before it")
	errCRC     = errors.New("bad CRC")
)

// scan reads one span. It returns only errors of the visitor and of the context.
func (s *scanner) scan(span stretch, result *spanResult, visit func(rec *Record) error) error {
	*result = spanResult{Span: Span{From: span.from, To: span.to, Bytes: int64(span.to - span.from)}, joined: span.joined}
	s.result, s.visit, s.to, s.prev, s.told = result, visit, span.to, 0, span.from
	at, why, err := s.resync(span.from)
	if err != nil {
		return err
	}
	if why != nil {
		result.head = loss{open: true, from: span.from, reach: span.from + pg.BlockSize, what: "pages cannot be used", why: why.Error()}
	}
	if at < s.to {
		result.found = at
	}
	s.lost = loss{}
	for at < s.to {
		if at, err = s.step(at); err != nil {
			return err
		}
	}
	result.next, result.last, result.lost = at, s.prev, s.lost
	if f := span.sealed; f != nil {
		if flaw := s.a.flawOf(f); flaw != nil {
			result.Gaps = append(result.Gaps, Gap{
				From: f.Start, To: f.end(), Segment: f.Name, What: "the segment may not be what was archived", Why: flaw.Error(), Doubt: true,
			})
		}
	}
	s.tell(span.to)
	return nil
}

// tell reports progress up to the given place.
func (s *scanner) tell(at pg.LSN) {
	if at = min(at, s.to); at > s.told && s.opts.Progress != nil {
		s.opts.Progress(int64(at - s.told))
		s.told = at
	}
}

// resync finds the first record that begins on the page at the given place or
// on a later one of the span. why tells of the first page that was no page of the log.
// Where there is none, at is not before the span's end.
func (s *scanner) resync(page pg.LSN) (at pg.LSN, why, err error) {
	for ; page < s.to; page += pg.BlockSize {
		if bad := s.load(page, s.to); bad != nil {
			if err := s.ctx.Err(); err != nil {
				return 0, nil, err
			}
			if why == nil {
				why = bad
			}
			continue
		}
		at := page + pg.LSN(s.header.headerSize)
		if s.header.info&pageFirstIsContrecord == 0 {
			return at, why, nil
		}
		if rest := align8(pg.LSN(s.header.remLen)); at+rest < page+pg.BlockSize {
			return at + rest, why, nil
		}
	}
	return page, why, nil
}

// step reads the record at the given place and returns the place of the next.
// Damage is noted in the result.
func (s *scanner) step(at pg.LSN) (next pg.LSN, err error) {
	if page := at &^ (pg.BlockSize - 1); page != s.at {
		if bad := s.load(page, s.to); bad != nil {
			return s.lose(at, page+pg.BlockSize, 0, bad)
		}
		s.tell(page)
	}
	if at == s.at {
		if s.header.info&pageFirstIsContrecord != 0 {
			return s.lose(at, at, 0, errors.New("the page goes on with a record that does not end before it"))
		}
		at += pg.LSN(s.header.headerSize)
	}
	if s.prev != 0 && s.result.First != 0 {
		if next, err = s.inPage(at); next != at || err != nil {
			return next, err
		}
	}
	raw, next, bad := s.fetch(at)
	if bad == nil {
		bad = s.validate(raw, at)
	}
	if bad != nil {
		if errors.Is(bad, errAborted) {
			return s.restart, nil
		}
		return s.lose(at, s.at, next, bad)
	}
	if s.rec.isSwitch() {
		next = (next + pg.LSN(s.a.segmentSize) - 1) &^ pg.LSN(s.a.segmentSize-1)
	}
	if s.lost.open {
		s.regain(at)
	}
	s.prev = at
	return next, s.deliver(raw, at, next)
}

// inPage reads the sound records that lie wholly on the current page, from the
// given place on: nearly all of them, so this is the loop that must be quick. It
// stops at the first that is not so, and step looks at that one in its slower way.
func (s *scanner) inPage(at pg.LSN) (pg.LSN, error) {
	rec, f, base, prev, count := &s.rec, binreader.Fields(s.page), s.at, s.prev, int64(0)
	off, stop := int(at-base), int(min(pg.LSN(len(f)), s.to-base))
	length := int(f.Uint32(off))
	for off < stop && length >= recordHeaderSize && f.Has(off, length) {
		rec.decodeHeader(f, off)
		body := f.Bytes(off+recordHeaderSize, length-recordHeaderSize)
		next := off + int(align8(pg.LSN(length)))
		// The next record's first bytes are fetched while the CRC of this one is summed up.
		length = int(f.Uint32(next))
		if rec.Prev != prev || !s.known[rec.Rmgr] || rec.isSwitch() {
			break
		}
		if s.checked[rec.Rmgr] && s.sum(body, f.Bytes(off, crcOffset)) != rec.crc {
			break
		}
		if s.wanted[rec.Rmgr] {
			rec.LSN, rec.End = base+pg.LSN(off), base+pg.LSN(next)
			if rec.decode(body) != nil {
				break
			}
			if err := s.visit(rec); err != nil {
				return 0, err
			}
		}
		prev = base + pg.LSN(off)
		count++
		off = next
	}
	if count > 0 {
		s.prev = prev
		s.result.Records += count
		s.result.Last, s.result.End = prev, base+pg.LSN(off)
	}
	return base + pg.LSN(off), nil
}

// sum is the CRC of a record: its body first, then its header up to the CRC.
func (s *scanner) sum(body, header []byte) uint32 {
	return crc32.Update(crc32.Update(0, s.crc, body), s.crc, header)
}

// isSwitch: the rest of the segment is not used (XLOG_SWITCH).
func (rec *Record) isSwitch() bool { return rec.Rmgr == RmgrXLOG && rec.RmgrInfo() == xlogSwitch }

// regain ends a loss at a place where there is a record for sure.
func (s *scanner) regain(at pg.LSN) {
	if s.lost.open {
		s.result.Gaps = append(s.result.Gaps, s.lost.gap(s.a, at))
		s.lost = loss{}
	}
}

// fetch gets the bytes of the record at the given place of the current page, and
// the fields of its header. next is where the following record begins, 0 if that is not known.
func (s *scanner) fetch(at pg.LSN) (raw []byte, next pg.LSN, bad error) {
	f, off := binreader.Fields(s.page), int(at-s.at)
	s.rec.decodeHeader(f, off)
	whole := s.rec.Length != 0
	length := int(f.Uint32(off))
	if length < recordHeaderSize || length > maxRecordSize {
		return nil, 0, errShort
	}
	if whole && f.Has(off, length) {
		return f.Bytes(off, length), at + align8(pg.LSN(length)), nil
	}
	raw, next, bad = s.assemble(f.Bytes(off, len(f)-off), length)
	if bad == nil && !whole {
		s.rec.decodeHeader(raw, 0)
	}
	return raw, next, bad
}

// assemble puts a record together that goes on behind the current page. The
// buffer grows with the pages that are really there.
func (s *scanner) assemble(first []byte, length int) (raw []byte, next pg.LSN, bad error) {
	s.long = append(s.long[:0], first...)
	for page := s.at + pg.BlockSize; ; page += pg.BlockSize {
		if bad := s.load(page, s.to); bad != nil {
			return nil, 0, bad
		}
		if s.header.info&pageFirstIsOverwriteContrecord != 0 {
			s.restart = page
			return nil, 0, errAborted
		}
		rest := length - len(s.long)
		if s.header.info&pageFirstIsContrecord == 0 {
			return nil, 0, errors.New("the next page does not go on with it")
		}
		if int64(s.header.remLen) != int64(rest) {
			return nil, 0, fmt.Errorf("the next page goes on with %d bytes instead of %d", s.header.remLen, rest)
		}
		r := binreader.New(s.page)
		r.Skip(s.header.headerSize)
		if rest <= r.Remaining() {
			s.long = append(s.long, r.Bytes(rest)...)
			return s.long, page + pg.LSN(s.header.headerSize) + align8(pg.LSN(rest)), nil
		}
		s.long = append(s.long, r.Rest()...)
	}
}

// validate checks a record (ValidXLogRecordHeader and ValidXLogRecord in xlogreader.c).
func (s *scanner) validate(raw []byte, at pg.LSN) error {
	rec := &s.rec
	if !s.known[rec.Rmgr] {
		return errRmgr
	}
	if rec.Prev >= at || (s.prev != 0 && rec.Prev != s.prev) {
		return errPrev
	}
	if !s.checked[rec.Rmgr] {
		return nil
	}
	f := binreader.Fields(raw)
	if s.sum(f.Bytes(recordHeaderSize, len(raw)-recordHeaderSize), f.Bytes(0, crcOffset)) != rec.crc {
		return errCRC
	}
	return nil
}

// deliver decodes a sound record and hands it to the visitor.
func (s *scanner) deliver(raw []byte, at, next pg.LSN) error {
	result, rec := s.result, &s.rec
	if result.sound == 0 {
		result.sound = at
		if at == result.found {
			result.foundPrev = rec.Prev
		}
	}
	if at < s.opts.From {
		return nil
	}
	if result.Records++; result.First == 0 {
		result.First = at
	}
	result.Last, result.End = at, next
	if !s.wanted[rec.Rmgr] {
		return nil
	}
	rec.LSN, rec.End = at, next
	if err := rec.decode(binreader.Fields(raw).Bytes(recordHeaderSize, len(raw)-recordHeaderSize)); err != nil {
		result.Records--
		result.Gaps = append(result.Gaps, Gap{
			From: at, To: next, Segment: s.a.SegmentName(at), Records: 1,
			What: describeRecord(rec.Rmgr, rec.XID), Why: err.Error(),
		})
		return nil
	}
	return s.visit(rec)
}

// lose goes on behind a record that cannot be had. next is where the following
// record must begin, if that is known: if there is one that names this one as its
// predecessor, no other is lost. Otherwise reading goes on at the page tried, or at the
// first one behind it that is sound.
func (s *scanner) lose(at, tried, next pg.LSN, bad error) (pg.LSN, error) {
	if err := s.ctx.Err(); err != nil {
		return 0, err
	}
	s.prev = 0
	page := at &^ (pg.BlockSize - 1)
	if next != 0 && s.follows(at, next) {
		s.regain(at)
		s.prev = at
		s.result.Gaps = append(s.result.Gaps, Gap{
			From: at, To: next, Segment: s.a.SegmentName(at), Records: 1, What: "a record", Why: bad.Error(),
		})
		return next, nil
	}
	if !s.lost.open {
		s.lost = loss{open: true, from: at, what: "records are lost", why: bad.Error()}
	}
	s.lost.reach = max(s.lost.reach, tried, page+pg.BlockSize, (next+pg.BlockSize-1)&^(pg.BlockSize-1))
	if tried == page && at != page {
		tried += pg.BlockSize
	}
	found, _, err := s.resync(tried)
	return found, err
}

// follows reports whether a record at next names the one at the given place as
// its predecessor.
func (s *scanner) follows(at, next pg.LSN) bool {
	if page := next &^ (pg.BlockSize - 1); page != s.at {
		if s.load(page, s.to) != nil {
			return false
		}
	}
	if next == s.at {
		if s.header.info&pageFirstIsContrecord != 0 {
			return false
		}
		next += pg.LSN(s.header.headerSize)
	}
	_, _, bad := s.fetch(next)
	return bad == nil && s.rec.Prev == at && s.known[s.rec.Rmgr]
}

// align8 rounds up to the alignment of records (MAXALIGN).
func align8(n pg.LSN) pg.LSN { return (n + 7) &^ 7 }
