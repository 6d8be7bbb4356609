package wal

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/pg"
)

// OpenArchive makes one log of the given paths: data directories, directories
// and archives with WAL, tar files, segment files and history files, in any order;
// package archives says which. What is damaged or does not fit costs only itself
// and is named in Gaps and Segments. It errs when a path cannot be opened or is
// encrypted, when no segment is usable, and when the version is unknown or not supported.
func OpenArchive(paths []string, opts OpenOptions) (*Archive, error) {
	c, err := collect(paths, opts)
	if err != nil {
		return nil, err
	}
	a, err := assemble(c, opts)
	if err != nil {
		return nil, errors.Join(err, c.store.Close())
	}
	a.store = c.store
	return a, nil
}

// assemble decides which files make the log.
func assemble(c *collection, opts OpenOptions) (*Archive, error) {
	a := &Archive{gaps: c.gaps, trail: opts.Trail, open: map[*segmentFile]*handle{}}
	if err := a.identify(c.files, opts.SystemIdentifier); err != nil {
		if len(c.files) == 0 && c.refused != nil {
			return nil, c.refused
		}
		return nil, err
	}
	var placed []*segmentFile
	for _, f := range c.files {
		if f.State == SegmentInLog && a.place(f) {
			placed = append(placed, f)
		}
	}
	if err := a.chooseTimeline(placed, c.histories, opts); err != nil {
		return nil, err
	}
	chosen := a.choose(placed)
	a.joinRecycled(chosen, c.files)
	for _, f := range chosen {
		a.log = append(a.log, f)
	}
	slices.SortFunc(a.log, func(x, y *segmentFile) int { return cmp.Compare(x.Number, y.Number) })
	if len(a.log) == 0 {
		return nil, noUsable(c.files)
	}
	a.findEnd()
	for _, f := range c.files {
		if f.State != SegmentInLog {
			a.others = append(a.others, f)
		}
	}
	slices.SortStableFunc(a.others, func(x, y *segmentFile) int { return cmp.Compare(x.Name, y.Name) })
	a.findMissing()
	return a, nil
}

// What OpenArchive does not find.
var (
	// ErrNoSegment: nothing in the paths is a segment, not even a damaged one.
	ErrNoSegment = errors.New("there is no WAL segment")
	// ErrNoTimeline: no segment is of the timeline that was asked for.
	ErrNoTimeline = errors.New("no segment is of it")
)

// noUsable is the error for files of which none can be read; it gives the first cause.
func noUsable(files []*segmentFile) error {
	err := &evidence.Error{
		Op: "wal: open", Err: ErrNoSegment,
		Hint: "give a data directory, a directory with WAL segments, or segment files",
	}
	for _, f := range files {
		err.Place = f.Path
		err.Hint = "the log needs at least one segment whose first page is whole"
		switch {
		case f.err != nil:
			err.Err = fmt.Errorf("no usable segment: %w", f.err)
			return err
		case f.Reason != "":
			err.Err = fmt.Errorf("no usable segment: %s", f.Reason)
		default:
			err.Err = errors.New("no usable segment: the first page is zero or damaged")
		}
	}
	return err
}

// identity is what all segments of one log share.
type identity struct {
	magic       uint16
	systemID    uint64
	segmentSize uint32
	blockSize   uint32
}

func (f *segmentFile) identity() identity {
	return identity{f.head.magic, f.head.systemID, f.head.segSize, f.head.blockSize}
}

// ballot is what speaks for one identity, the weightiest first.
type ballot struct {
	wanted int // 1: the caller asked for its system identifier
	rank   int // of the cluster in its archive
	votes  int // segments
	newest pg.LSN
}

// beats compares two ballots.
func (b *ballot) beats(other *ballot) bool {
	return cmp.Or(cmp.Compare(b.wanted, other.wanted), cmp.Compare(b.rank, other.rank),
		cmp.Compare(b.votes, other.votes), cmp.Compare(b.newest, other.newest)) > 0
}

// identify settles the version, the system identifier and the segment size: those
// that were asked for, those of an archive's newest cluster, or those of the most
// segments. It leaves out the segments that disagree.
func (a *Archive) identify(files []*segmentFile, wanted uint64) error {
	ballots := map[identity]*ballot{}
	for _, f := range files {
		if !f.headOK {
			continue
		}
		id := f.identity()
		b := ballots[id]
		if b == nil {
			b = &ballot{}
			ballots[id] = b
		}
		if wanted != 0 && id.systemID == wanted {
			b.wanted = 1
		}
		b.votes++
		b.rank, b.newest = max(b.rank, f.rank), max(b.newest, f.head.address)
	}
	if len(ballots) == 0 {
		return errUnidentified(files)
	}
	var winner identity
	for id, b := range ballots {
		if best := ballots[winner]; best == nil || b.beats(best) {
			winner = id
		}
	}
	layout, err := LayoutOf(winner.magic)
	if err != nil {
		return &evidence.Error{Op: "wal: open", Place: firstWith(files, winner).Path, Err: err}
	}
	if winner.blockSize != pg.BlockSize {
		return &evidence.Error{
			Op: "wal: open", Place: firstWith(files, winner).Path,
			Err: fmt.Errorf("WAL pages of %d bytes are not supported", winner.blockSize),
		}
	}
	a.layout, a.systemID, a.segmentSize = layout, winner.systemID, winner.segmentSize
	for _, f := range files {
		if f.headOK && f.State == SegmentInLog && f.identity() != winner {
			// That an archive holds several clusters, one after the other, is no damage.
			a.leaveOutStrangers(files, f.identity(), winner, f.rank == 0 || f.rank == ballots[winner].rank)
		}
	}
	return nil
}

// noPlace is the number of a segment that has no place in this log.
const noPlace = ^uint64(0)

// errUnidentified is the error for files none of which begins with a long page
// header. A page magic that is not PostgreSQL's is the likeliest cause.
func errUnidentified(files []*segmentFile) error {
	for _, f := range files {
		if f.err == nil && !f.head.zero() {
			_, err := LayoutOf(f.head.magic)
			if err != nil {
				return &evidence.Error{Op: "wal: open", Place: f.Path, Err: err}
			}
		}
	}
	return noUsable(files)
}

func firstWith(files []*segmentFile, id identity) *segmentFile {
	i := slices.IndexFunc(files, func(f *segmentFile) bool { return f.headOK && f.identity() == id })
	return files[i]
}

// leaveOutStrangers takes the segments of another cluster, version or segment
// size out of the log, with one gap for all of them if that is strange.
func (a *Archive) leaveOutStrangers(files []*segmentFile, id, winner identity, strange bool) {
	var why string
	switch {
	case id.systemID != winner.systemID:
		why = fmt.Sprintf("system identifier %d instead of %d: another cluster", id.systemID, winner.systemID)
	case id.magic != winner.magic:
		why = fmt.Sprintf("page magic 0x%04X instead of 0x%04X: another version", id.magic, winner.magic)
	default:
		why = fmt.Sprintf("segment size %d and page size %d instead of %d and %d",
			id.segmentSize, id.blockSize, winner.segmentSize, winner.blockSize)
	}
	count, first := 0, ""
	for _, f := range files {
		if f.headOK && f.identity() == id {
			if id.magic != winner.magic && a.soundBehindFirst(f) {
				f.headOK = false
				continue
			}
			f.Number = noPlace
			if count == 0 {
				first = f.Name
			}
			count++
			f.leaveOut(SegmentUnusable, why)
		}
	}
	if count > 0 && strange {
		a.gaps = append(a.gaps, Gap{Segment: first, What: fmt.Sprintf("%d segments are left out", count), Why: why})
	}
}

// place gives a file its place in the log by its name, and reports whether it
// holds WAL of that place.
func (a *Archive) place(f *segmentFile) bool {
	number, ok := f.name.number(a.segmentSize)
	if !ok {
		f.leaveOut(SegmentUnusable, fmt.Sprintf("the name cannot be that of a segment of %d bytes", a.segmentSize))
		a.gaps = append(a.gaps, Gap{Segment: f.Name, What: "the segment is left out", Why: f.Reason})
		return false
	}
	f.Number, f.Start = number, pg.LSN(number*uint64(a.segmentSize))
	f.Bytes = min(f.size, int64(a.segmentSize)) &^ (pg.BlockSize - 1)
	switch {
	case f.headOK && f.head.address == f.Start:
		return true
	case f.headOK && !a.soundBehindFirst(f):
		f.Number, f.Start = uint64(f.head.address)/uint64(a.segmentSize), f.head.address
		f.Recycled = true
		f.leaveOut(SegmentRecycled, fmt.Sprintf("it holds the WAL of %s", f.Start))
		return false
	}
	if f.err == nil {
		if end, _ := a.lastPage(f); end != 0 {
			return true // only the first page is damaged
		}
	}
	switch {
	case f.err != nil:
		f.leaveOut(SegmentUnusable, f.err.Error())
	case f.head.zero():
		f.leaveOut(SegmentEmpty, "the file is zero-filled")
	default:
		f.leaveOut(SegmentUnusable, "no page of it is sound")
	}
	return false
}

// soundBehindFirst reports whether the file's second page is in the place that the
// file's name says, so that only the first page is damaged.
func (a *Archive) soundBehindFirst(f *segmentFile) bool {
	number, ok := f.name.number(a.segmentSize)
	if !ok {
		return false
	}
	f.Start = pg.LSN(number * uint64(a.segmentSize))
	page := make([]byte, pg.BlockSize)
	second := f.Start + pg.BlockSize
	_, err := a.readAt(f, page, second)
	return err == nil && a.sound(page, second)
}

// lastPage finds the last page of a file that is in its place, and returns the
// place behind it, or 0. It reads backwards from the end of the file.
func (a *Archive) lastPage(f *segmentFile) (pg.LSN, error) {
	const chunk = 1 << 18
	buf := make([]byte, chunk)
	pages := (f.Bytes + pg.BlockSize - 1) / pg.BlockSize
	for end := f.Start + pg.LSN(pages*pg.BlockSize); end > f.Start; {
		begin := max(f.Start, end-min(end, chunk))
		n, err := a.readAt(f, buf[:end-begin], begin)
		for at := n&^(pg.BlockSize-1) - pg.BlockSize; at >= 0; at -= pg.BlockSize {
			h, ok := decodePageHeader(buf[at : at+pg.BlockSize])
			if ok && h.check(a, begin+pg.LSN(at)) == nil {
				return begin + pg.LSN(at) + pg.BlockSize, nil
			}
		}
		if err != nil {
			return 0, err
		}
		end = begin
	}
	return 0, nil
}

// timelineList names timelines in order.
func timelineList(timelines []pg.TimelineID) string {
	slices.Sort(timelines)
	words := make([]string, len(timelines))
	for i, timeline := range timelines {
		words[i] = strconv.FormatUint(uint64(timeline), 10)
	}
	if len(words) == 1 {
		return "timeline " + words[0]
	}
	return "the timelines " + strings.Join(words, ", ")
}

// chooseTimeline settles the timeline to follow and leaves out the segments of others.
func (a *Archive) chooseTimeline(placed []*segmentFile, histories map[pg.TimelineID]history, opts OpenOptions) error {
	a.timeline = opts.Timeline
	var present []pg.TimelineID
	for _, f := range placed {
		if !slices.Contains(present, f.Timeline) {
			present = append(present, f.Timeline)
		}
		if opts.Timeline == 0 {
			a.timeline = max(a.timeline, f.Timeline)
		}
	}
	if opts.Timeline != 0 && len(present) > 0 && !slices.Contains(present, opts.Timeline) {
		return &evidence.Error{
			Op: "wal: open", Place: fmt.Sprintf("timeline %d", opts.Timeline), Err: ErrNoTimeline,
			Hint: "there are segments of " + timelineList(present),
		}
	}
	a.path = pathTo(a.timeline, histories)
	_, haveHistory := histories[a.timeline]
	strangers := map[pg.TimelineID]int{}
	for _, f := range placed {
		part, onPath := a.path.part(f.Timeline)
		if onPath && part.holds(f.Start, pg.LSN(a.segmentSize)) {
			continue
		}
		f.leaveOut(SegmentOffTimeline, fmt.Sprintf("timeline %d does not hold it on the way to timeline %d", f.Timeline, a.timeline))
		// A newer timeline branched off the one that was asked for; it is no gap in it.
		if !onPath && !haveHistory && f.Timeline < a.timeline {
			strangers[f.Timeline]++
		}
	}
	for timeline, n := range strangers {
		a.gaps = append(a.gaps, Gap{
			What: fmt.Sprintf("%d segments of timeline %d are left out", n, timeline),
			Why:  fmt.Sprintf("no history file ties it to timeline %d, which is followed", a.timeline),
		})
	}
	return nil
}
