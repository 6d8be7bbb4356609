package wal

import (
	"context"

	"github.com/pgrescue/pgrescue/recover/pg"
)

// RmgrStats counts the records of one resource manager as pg_waldump --stats does.
type RmgrStats struct {
	Rmgr        RmgrID `json:"rmgr"`
	Records     int64  `json:"records"`
	RecordBytes int64  `json:"record_bytes"` // without full-page images
	Images      int64  `json:"images"`
	ImageBytes  int64  `json:"image_bytes"` // as stored: compressed, without holes
}

// Summary is what a whole log holds.
type Summary struct {
	Version          pg.Version    `json:"version"`
	SystemIdentifier uint64        `json:"system_identifier"`
	Timeline         pg.TimelineID `json:"timeline"`
	SegmentSize      uint32        `json:"segment_size"`
	Segments         []Segment     `json:"segments"`
	Start            pg.LSN        `json:"start"` // of the first record, 0 if there is none
	Last             pg.LSN        `json:"last"`  // of the last record
	End              pg.LSN        `json:"end"`   // where the last record ends
	Bytes            int64         `json:"bytes"` // of the log that were read
	Records          int64         `json:"records"`
	Rmgrs            []RmgrStats   `json:"rmgrs"` // those that occur, by id
	Checkpoints      []Checkpoint  `json:"checkpoints"`
	Gaps             []Gap         `json:"gaps"`
}

// summaryPart is what one span adds to a Summary.
type summaryPart struct {
	rmgrs       [256]RmgrStats
	checkpoints []Checkpoint
}

func (p *summaryPart) visit(rec *Record) error {
	images, imageBytes := int64(0), int64(0)
	for i := range rec.Blocks {
		if rec.Blocks[i].HasImage {
			images++
			imageBytes += int64(len(rec.Blocks[i].Image.Stored))
		}
	}
	stats := &p.rmgrs[rec.Rmgr]
	stats.Records++
	stats.RecordBytes += int64(rec.Length) - imageBytes
	stats.Images += images
	stats.ImageBytes += imageBytes
	if checkpoint, ok := DecodeCheckpoint(rec); ok {
		p.checkpoints = append(p.checkpoints, checkpoint)
	}
	return nil
}

// addTo adds the part to a summary and empties it.
func (p *summaryPart) addTo(s *Summary, rmgrs *[256]RmgrStats) {
	for i := range p.rmgrs {
		from, to := &p.rmgrs[i], &rmgrs[i]
		to.Records += from.Records
		to.RecordBytes += from.RecordBytes
		to.Images += from.Images
		to.ImageBytes += from.ImageBytes
		*from = RmgrStats{}
	}
	s.Checkpoints = append(s.Checkpoints, p.checkpoints...)
	p.checkpoints = p.checkpoints[:0]
}

// Summarize scans the log and counts, from Archive.Oldest on unless From says otherwise. Only From, To, Workers, SkipCRC and Progress
// of the options are used. Damage is in Gaps, those of opening first.
func Summarize(ctx context.Context, a *Archive, opts ScanOptions) (*Summary, error) {
	opts.Rmgrs = RmgrSet{}
	if opts.From == 0 {
		opts.From = a.Oldest()
	}
	s := &Summary{
		Version: a.layout.Version, SystemIdentifier: a.systemID, Timeline: a.timeline, SegmentSize: a.segmentSize,
		Segments: a.Segments(), Gaps: append(a.Gaps(), a.Holes()...),
	}
	var rmgrs [256]RmgrStats
	err := Scan(ctx, a, opts, func() *summaryPart { return &summaryPart{} }, (*summaryPart).visit,
		func(part *summaryPart, span *Span) error {
			part.addTo(s, &rmgrs)
			s.Gaps = append(s.Gaps, span.Gaps...)
			s.Bytes += span.Bytes
			s.Records += span.Records
			if span.Records == 0 {
				return nil
			}
			if s.Start == 0 {
				s.Start = span.First
			}
			s.Last, s.End = span.Last, span.End
			return nil
		})
	for i := range rmgrs {
		if rmgrs[i].Records > 0 {
			rmgrs[i].Rmgr = RmgrID(i)
			s.Rmgrs = append(s.Rmgrs, rmgrs[i])
		}
	}
	return s, err
}
