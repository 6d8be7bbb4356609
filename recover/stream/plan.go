package stream

import (
	"context"
	"fmt"

	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/pg"
	"github.com/pgrescue/pgrescue/recover/wal"
)

// Options say what is to be fetched. The zero value is all that the server has now.
type Options struct {
	// From is where to begin; 0 is the oldest segment that the server still has.
	From pg.LSN
	// Until is where to stop; 0 is where the server's log was when it was asked.
	// A later place is waited for.
	Until pg.LSN
	// Follow goes on until ctx ends.
	Follow bool
	// Slot is the name of a slot that is made if it is not there, and kept. Without a
	// name a temporary slot holds the WAL back until it is fetched, unless NoSlot is set.
	Slot   string
	NoSlot bool
	// Progress is called with the number of bytes that were received, each byte of a
	// segment once; may be nil.
	Progress func(bytes int64)
	// Gap is called with each stretch that the server does not have any more; may be nil.
	Gap func(gap evidence.Gap)
	// Notice is called with what a person should know; may be nil.
	Notice func(text string)
}

// Plan is what a fetch into a folder will do.
type Plan struct {
	Folder string `json:"folder"`
	From   pg.LSN `json:"from"` // of the oldest segment that is fetched or is there
	Until  pg.LSN `json:"until"`
	// Segments and Bytes are what is to be fetched, and waited for where the server has
	// not written it yet; Whole is what is there already.
	Segments int64          `json:"segments"`
	Bytes    int64          `json:"bytes"`
	Whole    int64          `json:"whole_segments"`
	Gaps     []evidence.Gap `json:"gaps"`

	folder    *folder
	path      path
	histories []historyFile
	legs      []leg
}

// leg is a stretch of one timeline that is fetched in one go. It begins with a
// segment; to is 0 when it goes on and on.
type leg struct {
	timeline pg.TimelineID
	from, to pg.LSN
}

// Plan finds out what the server still has and the folder lacks. Nothing is
// written, here or on the server.
func (s *Server) Plan(ctx context.Context, into string, options Options) (*Plan, error) {
	f, err := openFolder(into, s.identity)
	if err != nil {
		return nil, err
	}
	p := &Plan{Folder: into, Until: s.identity.LSN, folder: f, Gaps: []evidence.Gap{}}
	if options.Until != 0 {
		p.Until = options.Until
	}
	if p.path, p.histories, err = s.readPath(ctx); err != nil {
		return nil, err
	}
	if options.From > s.identity.LSN {
		return nil, s.failure("fetch WAL from", ErrNoWAL, fmt.Errorf("its log ends at %s, before %s", s.identity.LSN, options.From), "")
	}
	if p.Until == 0 || p.Until <= options.From {
		return nil, s.failure("fetch WAL from", ErrNoWAL, fmt.Errorf("there is nothing between %s and %s", options.From, p.Until), "")
	}
	if err := s.planFrom(ctx, p, options); err != nil {
		return p, err
	}
	s.planWait(p, options)
	return p, nil
}

// planWait adds what the server has not written yet, and says that it is waited for.
func (s *Server) planWait(p *Plan, options Options) {
	now := s.identity.LSN
	if p.Until <= now {
		return
	}
	size := pg.LSN(s.segmentSize)
	p.Bytes += int64(p.Until - now)
	p.Segments += int64((p.Until+size-1)/size - (now+size-1)/size)
	if options.Notice != nil {
		options.Notice(fmt.Sprintf("the server's log is at %s, and %s was asked for: this waits until the server has written that much; "+
			"what is fetched until an interruption is kept", now, p.Until))
	}
}

// planFrom makes the legs from the oldest segment that the server has.
func (s *Server) planFrom(ctx context.Context, p *Plan, options Options) error {
	size := pg.LSN(s.segmentSize)
	floor, last := uint64(options.From/size), uint64((min(p.Until, s.identity.LSN)-1)/size)
	// The end may lie far back: the search runs over all that the server has.
	oldest, err := s.oldest(ctx, p.path, floor, uint64((s.identity.LSN-1)/size))
	if err != nil {
		return err
	}
	if ahead, found := p.folder.newest(^uint64(0)); found && s.lsn(ahead) >= s.identity.LSN && options.Notice != nil {
		options.Notice(fmt.Sprintf("the folder has WAL up to %s, and the server only up to %s: it lags behind, or was set back", s.lsn(ahead+1), s.identity.LSN))
	}
	had, some := p.folder.newest(last)
	if oldest > last && (!some || had < last) {
		return s.failure("fetch WAL from", ErrNoWAL, fmt.Errorf("it has removed all WAL before %s", s.lsn(oldest)), elsewhere)
	}
	oldest = min(oldest, last+1)
	switch {
	case some && had+1 < oldest && had >= floor:
		p.gap(s.missing(p.path, had+1, oldest, "removed by the server since the folder was filled"))
	case !some && options.From != 0 && floor < oldest:
		p.gap(s.missing(p.path, floor, oldest, "removed by the server already"))
	}
	begin := oldest
	for begin > 0 && p.folder.whole[segmentKey{p.path.of(begin-1, s.segmentSize).timeline, begin - 1}] {
		begin--
	}
	p.From = s.lsn(begin)
	for _, part := range p.path {
		s.planTimeline(p, part, oldest)
	}
	return nil
}

// planTimeline adds the legs of one timeline: what the folder lacks of it.
func (s *Server) planTimeline(p *Plan, part stretch, oldest uint64) {
	size := pg.LSN(s.segmentSize)
	end := min(p.Until, s.identity.LSN)
	if part.end != 0 {
		end = min(end, part.end)
	}
	begin := max(oldest, uint64(part.begin/size))
	open := false // the last leg goes up to here
	for n := begin; s.lsn(n) < end; n++ {
		if p.folder.whole[segmentKey{part.timeline, n}] {
			p.Whole++
			open = false
			continue
		}
		to := min(s.lsn(n+1), end)
		p.Segments++
		p.Bytes += int64(to - s.lsn(n))
		if open {
			p.legs[len(p.legs)-1].to = to
			continue
		}
		p.legs = append(p.legs, leg{timeline: part.timeline, from: s.lsn(n), to: to})
		open = true
	}
}

// lsn is the place at which a segment begins.
func (s *Server) lsn(segment uint64) pg.LSN { return pg.LSN(segment) * pg.LSN(s.segmentSize) }

func (p *Plan) gap(g evidence.Gap) { p.Gaps = append(p.Gaps, g) }

const elsewhere = "an archive, a standby or a backup may still have it"

// missing is the gap of segments from first up to, not including, behind.
func (s *Server) missing(p path, first, behind uint64, why string) evidence.Gap {
	name := func(n uint64) string { return wal.SegmentName(p.of(n, s.segmentSize).timeline, n, s.segmentSize) }
	where := name(first)
	if behind-first > 1 {
		where += " to " + name(behind-1)
	}
	return evidence.Gap{
		Where: where, What: fmt.Sprintf("WAL from %s to %s", s.lsn(first), s.lsn(behind)), Why: why,
		Consequence: elsewhere,
	}
}
