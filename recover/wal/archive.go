package wal

import (
	"cmp"
	"fmt"
	"io"
	"runtime"
	"slices"
	"sort"
	"sync"

	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/pg"
)

// OpenOptions say how paths become a log. The zero value takes the newest timeline.
type OpenOptions struct {
	// Timeline is the one to follow; 0 is the newest of which there are segments.
	Timeline pg.TimelineID
	// SystemIdentifier is that of the cluster whose log is wanted, where the paths hold
	// those of several; 0: the newest of an archive, or the one with the most segments.
	SystemIdentifier uint64
	// Trail, if not nil, remembers the files whose records are read, and not those
	// of which one look tells that they are of another log.
	Trail *evidence.Trail
	// Progress, if not nil, begins a stage of work that takes long, such as reading
	// through a compressed tar file, and returns what is told of bytes done.
	Progress func(stage string, bytes int64) func(done int64)
	// Interrupted, if not nil, ends such work by returning an error, such as a context's.
	Interrupted func() error
}

// Archive is the log that the given files hold, on one timeline's path. Its
// methods may be called from several goroutines, but Close only when no scan runs.
type Archive struct {
	layout      *Layout
	systemID    uint64
	segmentSize uint32
	timeline    pg.TimelineID
	path        timelinePath
	log         []*segmentFile // in LSN order
	others      []*segmentFile // what is not in the log, by name
	gaps        []Gap
	trail       *evidence.Trail
	store       io.Closer // of what the files were taken out of; nil: nothing
	proper      pg.LSN    // where the log proper begins, recycled segments that join it without a hole included

	mu   sync.Mutex
	open map[*segmentFile]*handle
	tick uint64
}

// Segments returns what became of every file: first those in the log, in LSN
// order, then the others by name.
func (a *Archive) Segments() []Segment {
	list := make([]Segment, 0, len(a.log)+len(a.others))
	for _, f := range a.log {
		list = append(list, f.Segment)
	}
	for _, f := range a.others {
		list = append(list, f.Segment)
	}
	return list
}

// Gaps returns what opening found: missing, cut and conflicting segments. Scan
// reports what lies inside the segments, and does not repeat these.
func (a *Archive) Gaps() []Gap {
	return slices.DeleteFunc(slices.Clone(a.gaps), func(g Gap) bool { return g.Recycled })
}

// Holes returns the stretches before Start that the server wrote over, in LSN order.
func (a *Archive) Holes() []Gap {
	return slices.DeleteFunc(slices.Clone(a.gaps), func(g Gap) bool { return !g.Recycled })
}

// GapsWithin is Gaps and Holes as far as they touch what a scan with these options reads, in LSN order.
func (a *Archive) GapsWithin(scan ScanOptions) []Gap {
	gaps := slices.DeleteFunc(slices.Clone(a.gaps), func(g Gap) bool {
		return g.To <= a.ScanStart(scan) || scan.To != 0 && g.From >= scan.To
	})
	slices.SortFunc(gaps, func(a, b Gap) int { return cmp.Compare(a.From, b.From) })
	return gaps
}

// Start is the place of the first byte of the log: from there on only damage makes
// gaps. The first record may begin behind it.
func (a *Archive) Start() pg.LSN { return max(a.proper, a.log[0].Start) }

// Oldest is the place of the oldest byte at hand. Between it and Start lie recycled
// segments, and holes where the server wrote over others of them. Only a scan that
// begins before Start reads them.
func (a *Archive) Oldest() pg.LSN { return a.log[0].Start }

// ScanStart is where a scan with these options begins.
func (a *Archive) ScanStart(scan ScanOptions) pg.LSN {
	if scan.From == 0 {
		return a.Start()
	}
	return max(scan.From, a.Oldest())
}

// Recycled returns the segments of the log that lie under other names because the
// server recycled them, in LSN order.
func (a *Archive) Recycled() []Segment {
	var list []Segment
	for _, f := range a.log {
		if f.Recycled {
			list = append(list, f.Segment)
		}
	}
	return list
}

// RandomAccess reports whether reading records in any order is cheap. A compressed
// segment is decompressed from its beginning each time.
func (a *Archive) RandomAccess() bool {
	return !slices.ContainsFunc(a.log, func(f *segmentFile) bool { return f.Compression != "" })
}

// End is the place behind the last page of the log, a multiple of the page size.
// The last record ends on that page; only a scan knows where.
func (a *Archive) End() pg.LSN { return a.log[len(a.log)-1].end() }

// Timeline is the timeline that the log leads to.
func (a *Archive) Timeline() pg.TimelineID { return a.timeline }

// SystemIdentifier is the cluster's, as pg_control has it.
func (a *Archive) SystemIdentifier() uint64 { return a.systemID }

// SegmentSize is the size of a segment in bytes.
func (a *Archive) SegmentSize() uint32 { return a.segmentSize }

// Layout is the layout of the version that wrote the log.
func (a *Archive) Layout() *Layout { return a.layout }

// Bytes is the number of usable bytes of the log from Start on.
func (a *Archive) Bytes() int64 { return a.BytesFrom(a.Start()) }

// BytesFrom is the number of usable bytes of the segments from a place on.
func (a *Archive) BytesFrom(from pg.LSN) int64 {
	var n int64
	for _, f := range a.log {
		if f.Start >= from {
			n += f.Bytes
		}
	}
	return n
}

// SegmentName is the name of the segment that holds the given place: the file's
// own, or what it would be called if there is none.
func (a *Archive) SegmentName(at pg.LSN) string {
	if f := a.segmentAt(at); f != nil {
		return f.Name
	}
	timeline := a.timeline
	for _, part := range a.path {
		if at >= part.begin && (part.end == 0 || at < part.end) {
			timeline = part.timeline
		}
	}
	return formatSegmentName(timeline, uint64(at)/uint64(a.segmentSize), a.segmentSize)
}

// LeavesTimeline tells where the log leaves an older timeline; known is false when no
// history file leads from that to the log's own.
func (a *Archive) LeavesTimeline(timeline pg.TimelineID) (at pg.LSN, known bool) {
	part, onPath := a.path.part(timeline)
	return part.end, onPath && part.end != 0
}

// segmentAt finds the file of the log that holds the given place, or nil.
func (a *Archive) segmentAt(at pg.LSN) *segmentFile {
	i := sort.Search(len(a.log), func(i int) bool { return a.log[i].end() > at })
	if i < len(a.log) && a.log[i].Start <= at {
		return a.log[i]
	}
	return nil
}

// maxOpen is the number of files that stay open at once beyond those being read.
const maxOpen = 16

// maxHeld is the same for compressed segments, which take memory or a temporary
// file while they are open: one for each worker, and the next ones that records run on into.
func maxHeld() int { return runtime.GOMAXPROCS(0) + 2 }

// handle is an open source and how many readers use it now.
type handle struct {
	reader segmentReader
	users  int
	used   uint64 // tick of the last use
}

// readAt reads bytes of the log that lie in one file. It returns fewer bytes
// than asked for only with an error.
func (a *Archive) readAt(f *segmentFile, buf []byte, at pg.LSN) (int, error) {
	h, err := a.acquire(f)
	if err != nil {
		return 0, err
	}
	n, err := h.reader.ReadAt(buf, int64(at-f.Start))
	a.mu.Lock()
	h.users--
	a.mu.Unlock()
	if n == len(buf) {
		return n, nil
	}
	return n, err
}

func (a *Archive) acquire(f *segmentFile) (*handle, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.tick++
	h := a.open[f]
	if h == nil {
		a.closeIdle(f.Compression != "")
		reader, err := f.source.open(int64(a.segmentSize))
		if err != nil {
			return nil, err
		}
		a.trail.Note(f.holder, evidence.KindWAL)
		h = &handle{reader: reader}
		a.open[f] = h
	}
	h.users++
	h.used = a.tick
	return h, nil
}

// closeIdle makes room for one more open file, plain or compressed. The caller
// holds the lock. An error of closing a file that was only read says nothing about its bytes.
func (a *Archive) closeIdle(compressed bool) {
	most := maxOpen
	if compressed {
		most = maxHeld()
	}
	for {
		var oldest *segmentFile
		count := 0
		for f, h := range a.open {
			if (f.Compression != "") != compressed {
				continue
			}
			count++
			if h.users == 0 && (oldest == nil || h.used < a.open[oldest].used) {
				oldest = f
			}
		}
		if oldest == nil || count < most {
			return
		}
		_ = a.open[oldest].reader.Close()
		delete(a.open, oldest)
	}
}

// flawOf tells what is wrong with a segment as a whole, though its pages can be
// read: the archiver's checksum, or what comes behind its end. It is found once.
func (a *Archive) flawOf(f *segmentFile) error {
	if !f.sealed {
		return nil
	}
	a.mu.Lock()
	checked, flaw := f.checked, f.flaw
	a.mu.Unlock()
	if checked {
		return flaw
	}
	h, err := a.acquire(f)
	if err != nil {
		return nil // reading the pages says it
	}
	if whole, ok := h.reader.(interface{ Verify() error }); ok {
		flaw = whole.Verify()
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	h.users--
	f.checked, f.flaw = true, flaw
	return flaw
}

// measure finds how many bytes a compressed segment has, and the damage that ends them.
func (a *Archive) measure(f *segmentFile) error {
	h, err := a.acquire(f)
	if err != nil {
		return err
	}
	length, damage := int64(0), error(nil)
	if whole, ok := h.reader.(interface{ Length() (int64, error) }); ok {
		length, damage = whole.Length()
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	h.users--
	f.size = length
	f.Bytes = min(f.Bytes, f.size&^(pg.BlockSize-1))
	return damage
}

// Close closes the files. The Archive cannot be read afterwards.
func (a *Archive) Close() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	var first error
	for f, h := range a.open {
		if err := h.reader.Close(); err != nil && first == nil {
			first = fmt.Errorf("wal: close %s: %w", f.Path, err)
		}
	}
	a.open = map[*segmentFile]*handle{}
	if a.store != nil {
		if err := a.store.Close(); err != nil && first == nil {
			first = fmt.Errorf("wal: close temporary files: %w", err)
		}
	}
	return first
}
