package wal

import "github.com/pgrescue/pgrescue/recover/pg"

// What whoever writes segment files has to know about their names and heads.

// SegmentID is what the name of a segment file says.
type SegmentID struct {
	Timeline pg.TimelineID
	Number   uint64 // place in the log, counted in segments from 0
	Partial  bool   // the name ends in .partial
}

// ParseSegmentName reads the name of a segment file; ok is false for other
// names, and for those that do not exist with that segment size.
func ParseSegmentName(name string, segmentSize uint32) (id SegmentID, ok bool) {
	parts, ok := parseSegmentName(name)
	if !ok {
		return id, false
	}
	number, ok := parts.number(segmentSize)
	return SegmentID{Timeline: parts.timeline, Number: number, Partial: parts.partial}, ok
}

// SegmentName is the name of a whole segment file.
func SegmentName(timeline pg.TimelineID, number uint64, segmentSize uint32) string {
	return formatSegmentName(timeline, number, segmentSize)
}

// SegmentHead is what the header of a segment's first page says.
type SegmentHead struct {
	Timeline         pg.TimelineID
	Address          pg.LSN // place of the page
	SystemIdentifier uint64
	SegmentSize      uint32
}

// SegmentHeadSize is the number of bytes that DecodeSegmentHead needs.
const SegmentHeadSize = longHeaderSize

// DecodeSegmentHead reads the header of a segment's first page; ok is false when
// these are not the bytes of one, such as zeros.
func DecodeSegmentHead(page []byte) (head SegmentHead, ok bool) {
	h, ok := decodePageHeader(page)
	if !ok || h.magic == 0 || h.info&pageLongHeader == 0 || h.info&^pageAllFlags != 0 || h.blockSize != pg.BlockSize {
		return head, false
	}
	return SegmentHead{Timeline: h.timeline, Address: h.address, SystemIdentifier: h.systemID, SegmentSize: h.segSize}, true
}

// TimelineSwitch is one line of a history file: a timeline, and the place at
// which the next one leaves it.
type TimelineSwitch struct {
	Timeline pg.TimelineID
	End      pg.LSN
}

// ParseHistory reads the text of a history file, oldest timeline first.
func ParseHistory(text string) ([]TimelineSwitch, error) {
	entries, err := parseHistory(text)
	if err != nil {
		return nil, err
	}
	switches := make([]TimelineSwitch, len(entries))
	for i, e := range entries {
		switches[i] = TimelineSwitch{Timeline: e.timeline, End: e.end}
	}
	return switches, nil
}
