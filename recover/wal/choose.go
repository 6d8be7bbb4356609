package wal

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"

	"github.com/pgrescue/pgrescue/recover/pg"
)

// choose picks one file for each segment: the newest timeline's, because it
// holds the older one's records too, and a whole file before a partial one.
func (a *Archive) choose(placed []*segmentFile) map[uint64]*segmentFile {
	slices.SortStableFunc(placed, func(x, y *segmentFile) int {
		partial := 0
		if x.Partial != y.Partial {
			partial = 1
			if y.Partial {
				partial = -1
			}
		}
		return cmp.Or(cmp.Compare(x.Number, y.Number), cmp.Compare(y.Timeline, x.Timeline), partial)
	})
	chosen := map[uint64]*segmentFile{}
	for _, f := range placed {
		if f.State != SegmentInLog {
			continue
		}
		rival := chosen[f.Number]
		switch {
		case rival == nil:
			chosen[f.Number] = f
		case rival.Timeline != f.Timeline:
			f.leaveOut(SegmentOffTimeline, fmt.Sprintf("timeline %d holds its records too", rival.Timeline))
		default:
			chosen[f.Number] = a.settle(rival, f)
		}
	}
	for _, f := range chosen {
		if part, _ := a.path.part(f.Timeline); part.end != 0 && part.end < f.end() {
			f.Bytes = int64(part.end - f.Start)
		}
	}
	return chosen
}

// settle picks one of two files of the same segment and timeline. Copies taken at
// different times differ only where the older one has no WAL yet. Other
// differences are a conflict, which is reported; the first file stays.
func (a *Archive) settle(first, second *segmentFile) *segmentFile {
	winner, at, err := a.compare(first, second)
	if winner == nil {
		winner = first
		why := fmt.Sprintf("%s and %s differ from %s on", first.Path, second.Path, at)
		if err != nil {
			why = fmt.Sprintf("%s and %s cannot be compared: %v", first.Path, second.Path, err)
		}
		a.gaps = append(a.gaps, Gap{
			Segment: first.Name, What: "two files hold different WAL for the same segment; the first is used", Why: why,
		})
	}
	loser := second
	if winner == second {
		loser = first
	}
	loser.leaveOut(SegmentDuplicate, "another file holds the same segment: "+winner.Path)
	return winner
}

// compare reads two files of the same place page by page. It returns the one
// that holds all that the other holds, or nil and where they begin to differ.
func (a *Archive) compare(x, y *segmentFile) (*segmentFile, pg.LSN, error) {
	longer := x
	if y.Bytes > x.Bytes {
		longer = y
	}
	var pageX, pageY [pg.BlockSize]byte
	for at := x.Start; at < min(x.end(), y.end()); at += pg.BlockSize {
		_, errX := a.readAt(x, pageX[:], at)
		_, errY := a.readAt(y, pageY[:], at)
		switch {
		case errX != nil && errY != nil:
			return nil, at, errX
		case errX != nil:
			return y, at, nil
		case errY != nil:
			return x, at, nil
		}
		if pageX == pageY {
			continue
		}
		soundX, soundY := a.sound(pageX[:], at), a.sound(pageY[:], at)
		differ := firstDifference(pageX[:], pageY[:])
		switch {
		case soundX && (!soundY || isZero(pageY[differ:])):
			return x, at, nil
		case soundY && (!soundX || isZero(pageX[differ:])):
			return y, at, nil
		case soundX || soundY:
			return nil, at + pg.LSN(differ), nil
		}
	}
	return longer, 0, nil
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

// joinRecycled gives recycled files their old place where that continues the log:
// below its first segment without a hole, and in holes. A server keeps old
// segments under new names for long; they are WAL like any other. One that does
// not join is left aside, and is no gap.
func (a *Archive) joinRecycled(chosen map[uint64]*segmentFile, files []*segmentFile) {
	recycled := map[uint64]*segmentFile{}
	for _, f := range files {
		part, onPath := a.path.part(f.head.timeline)
		if f.State == SegmentRecycled && onPath && part.holds(f.Start, pg.LSN(a.segmentSize)) && recycled[f.Number] == nil {
			recycled[f.Number] = f
		}
	}
	if len(chosen) == 0 {
		return
	}
	lowest, highest := ^uint64(0), uint64(0)
	for n := range chosen {
		lowest, highest = min(lowest, n), max(highest, n)
	}
	for n, f := range recycled {
		if n > lowest && n < highest && chosen[n] == nil {
			a.join(chosen, f)
		}
	}
	for ; lowest > 0 && recycled[lowest-1] != nil; lowest-- {
		a.join(chosen, recycled[lowest-1])
	}
}

func (a *Archive) join(chosen map[uint64]*segmentFile, f *segmentFile) {
	f.State = SegmentInLog
	f.Bytes = min(f.size, int64(a.segmentSize)) &^ (pg.BlockSize - 1)
	if part, _ := a.path.part(f.head.timeline); part.end != 0 && part.end < f.end() {
		f.Bytes = int64(part.end - f.Start)
	}
	chosen[f.Number] = f
}

// findEnd cuts the last segment behind its last page that was written: the rest
// is zero, or what the file held before it was recycled.
func (a *Archive) findEnd() {
	last := a.log[len(a.log)-1]
	cut := ""
	if last.Compression != "" {
		if damage := a.measure(last); damage != nil {
			cut = ": " + damage.Error()
		}
	}
	end, err := a.lastPage(last)
	end = max(end, last.Start)
	switch {
	case err != nil:
		a.gaps = append(a.gaps, Gap{
			From: last.Start, To: last.end(), Segment: last.Name, What: "the end of the log cannot be found", Why: err.Error(),
		})
	case end < last.end():
		last.Bytes = int64(end - last.Start)
	case last.size < int64(a.segmentSize) && !last.Partial:
		// A server makes segments of full size; this one was cut while it held WAL.
		a.miss(last.end(), last.Start+pg.LSN(a.segmentSize), last.Name, fmt.Sprintf("the file was cut after %d bytes%s", last.size, cut))
	}
}

// findMissing names the stretches between the segments of the log, and what is
// known of the files that would fill them.
func (a *Archive) findMissing() {
	var damaged []*segmentFile
	for _, f := range a.others {
		if f.State == SegmentEmpty || f.State == SegmentUnusable {
			if number, ok := f.name.number(a.segmentSize); ok && f.Number == number {
				damaged = append(damaged, f)
			}
		}
	}
	slices.SortStableFunc(damaged, func(x, y *segmentFile) int { return cmp.Compare(x.Number, y.Number) })
	for i := range len(a.log) - 1 {
		this, next := a.log[i], a.log[i+1]
		if segmentEnd := this.Start + pg.LSN(a.segmentSize); this.end() < segmentEnd {
			a.miss(this.end(), segmentEnd, this.Name, fmt.Sprintf("the segment ends after %d bytes", this.Bytes))
		}
		from := this.Number + 1
		for _, f := range damaged {
			if f.Number >= from && f.Number < next.Number {
				a.missSegments(from, f.Number)
				a.miss(f.Start, f.Start+pg.LSN(a.segmentSize), f.Name, f.Reason)
				f.inGap = true
				from = f.Number + 1
			}
		}
		a.missSegments(from, next.Number)
	}
	for _, f := range damaged {
		if f.State == SegmentUnusable && !f.inGap {
			a.gaps = append(a.gaps, Gap{Segment: f.Name, What: "the segment is left out", Why: f.Reason})
		}
	}
}

// missSegments reports segments of which there is no file.
func (a *Archive) missSegments(from, to uint64) {
	if from >= to {
		return
	}
	why := "there is no such file"
	if to-from > 1 {
		why = fmt.Sprintf("there are no files for %d segments", to-from)
	}
	start := pg.LSN(from * uint64(a.segmentSize))
	a.miss(start, pg.LSN(to*uint64(a.segmentSize)), a.SegmentName(start), why)
}

func (a *Archive) miss(from, to pg.LSN, segment, why string) {
	a.gaps = append(a.gaps, Gap{From: from, To: to, Segment: segment, What: "WAL is missing", Why: why})
}
