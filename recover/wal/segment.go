package wal

import (
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/pgrescue/pgrescue/recover/pg"
	"github.com/pgrescue/pgrescue/recover/wal/archives"
)

// SegmentState tells what became of a segment file.
type SegmentState uint8

// The states of a segment file. Only those InLog are scanned.
const (
	// SegmentInLog: the file is part of the log.
	SegmentInLog SegmentState = iota
	// SegmentRecycled: the file was renamed for later use and still holds WAL of another
	// place, which does not join the log. That is how a server keeps files, not damage.
	SegmentRecycled
	// SegmentEmpty: the file was made ahead of its use and is zero. No damage either.
	SegmentEmpty
	// SegmentDuplicate: another file holds the same segment.
	SegmentDuplicate
	// SegmentOffTimeline: the file is on a timeline that the log does not follow.
	SegmentOffTimeline
	// SegmentUnusable: the file cannot be read, or it is not of this cluster.
	SegmentUnusable
)

// String names the state.
func (s SegmentState) String() string {
	names := [...]string{"in log", "recycled", "empty", "duplicate", "off timeline", "unusable"}
	if int(s) < len(names) {
		return names[s]
	}
	return "unknown"
}

// MarshalText lets a state stand in JSON by its name.
func (s SegmentState) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Segment describes one segment file that was given to OpenArchive.
type Segment struct {
	Name     string        `json:"name"`
	Path     string        `json:"path"`
	Timeline pg.TimelineID `json:"timeline"` // as the name says
	Number   uint64        `json:"number"`   // place in the log, counted in segments from 0
	Start    pg.LSN        `json:"start"`    // place of its first byte
	Bytes    int64         `json:"bytes"`    // usable bytes: whole pages, up to the log's end or the next timeline
	State    SegmentState  `json:"state"`
	// Recycled: the file holds WAL of another place than its name says. One that is InLog
	// all the same stands where its pages say that it belongs.
	Recycled bool `json:"recycled,omitempty"`
	Partial  bool `json:"partial,omitempty"` // the name ends in .partial
	// Compression names how the file is compressed; "" if it is not.
	Compression string `json:"compression,omitempty"`
	Reason      string `json:"reason,omitempty"` // why it is not in the log
}

// segmentName is the name of a segment file taken apart.
type segmentName struct {
	timeline pg.TimelineID
	high     uint32 // the number of the 4 GiB stretch of the log
	low      uint32 // the segment within it
	partial  bool
}

// parseSegmentName reads a name of 24 hexadecimal digits (XLogFileName in
// access/xlog_internal.h), perhaps with .partial behind it.
func parseSegmentName(name string) (n segmentName, ok bool) {
	// The last segment of a timeline that was left, or one that pg_receivewal still writes.
	name, n.partial = strings.CutSuffix(name, archives.PartialSuffix)
	if len(name) != 24 {
		return n, false
	}
	var parts [3]uint32
	for i := range parts {
		if parts[i], ok = parseHex8(name[i*8 : i*8+8]); !ok {
			return n, false
		}
	}
	n.timeline, n.high, n.low = pg.TimelineID(parts[0]), parts[1], parts[2]
	return n, n.timeline != 0
}

// parseHex8 reads eight upper-case hexadecimal digits.
func parseHex8(text string) (uint32, bool) {
	if len(text) != 8 || strings.ToUpper(text) != text {
		return 0, false
	}
	v, err := strconv.ParseUint(text, 16, 32)
	return uint32(v), err == nil
}

// number is the place of the segment in the log (XLogFromFileName in
// access/xlog_internal.h); ok is false when the name cannot exist with that segment size.
func (n *segmentName) number(segmentSize uint32) (number uint64, ok bool) {
	perStretch := uint64(1) << 32 / uint64(segmentSize)
	return uint64(n.high)*perStretch + uint64(n.low), uint64(n.low) < perStretch
}

// formatSegmentName is the inverse of parseSegmentName and number.
func formatSegmentName(timeline pg.TimelineID, number uint64, segmentSize uint32) string {
	perStretch := uint64(1) << 32 / uint64(segmentSize)
	return fmt.Sprintf("%08X%08X%08X", timeline, number/perStretch, number%perStretch)
}

// source is where the bytes of a segment come from. It is opened when it is
// read and closed again when too many are open. No more than limit bytes of it
// are of use.
type source interface {
	open(limit int64) (segmentReader, error)
}

// segmentReader is an open source.
type segmentReader interface {
	io.ReaderAt
	io.Closer
}

// archived is a segment in the place and the wrapping in which it was found.
type archived struct{ *archives.File }

// open opens the file for reading only.
func (f archived) open(limit int64) (segmentReader, error) { return f.Open(limit) }

// segmentFile is a Segment with what it takes to read it.
type segmentFile struct {
	Segment
	name   segmentName
	source source
	holder string // the file on disk
	rank   int    // of the cluster that the archiver filed it under; 0: not known
	size   int64  // bytes of the file; of a compressed one, the most that it can have
	head   pageHeader
	headOK bool // head is a sound long header, of whatever place and cluster
	err    error
	inGap  bool // a gap names it already

	// sealed: only its end tells whether it is whole. flaw is what its end told, once checked.
	sealed, checked bool
	flaw            error
}

// end is the place behind the last usable byte.
func (f *segmentFile) end() pg.LSN { return f.Start + pg.LSN(f.Bytes) }

// leaveOut takes the file out of the log.
func (f *segmentFile) leaveOut(state SegmentState, reason string) {
	f.State, f.Reason, f.Bytes = state, reason, 0
}
