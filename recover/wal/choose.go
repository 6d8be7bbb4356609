package wal

import (
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

// joinRecycled gives recycled files their old place, below the log's first segment
// and in its holes. A server keeps old segments under new names for long; they are
// WAL like any other. It writes over them in no order that can be foreseen, so there
// may be holes between them: gaps of a kind of their own.
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
	a.proper = pg.LSN(lowest * uint64(a.segmentSize))
	for n, f := range recycled {
		if n < lowest {
			a.join(chosen, f)
		}
	}
	for ; chosen[lowest-1] != nil; lowest-- {
		a.proper -= pg.LSN(a.segmentSize) // those that join it without a hole are as good
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
	if pg.LSN(from*uint64(a.segmentSize)) < a.proper {
		why = "the server wrote over it after it recycled the segments"
	} else if to-from > 1 {
		why = fmt.Sprintf("there are no files for %d segments", to-from)
	}
	start := pg.LSN(from * uint64(a.segmentSize))
	a.miss(start, pg.LSN(to*uint64(a.segmentSize)), a.SegmentName(start), why)
}

func (a *Archive) miss(from, to pg.LSN, segment, why string) {
	a.gaps = append(a.gaps, Gap{From: from, To: to, Segment: segment, What: "WAL is missing", Why: why, Recycled: from < a.proper})
}
