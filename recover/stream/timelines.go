package stream

import (
	"context"
	"fmt"

	"github.com/jackc/pglogrepl"

	"github.com/pgrescue/pgrescue/recover/live"
	"github.com/pgrescue/pgrescue/recover/pg"
	"github.com/pgrescue/pgrescue/recover/wal"
)

// path is the way through the timelines to the server's own, oldest first.
type path []stretch

// stretch is what one timeline adds to the log.
type stretch struct {
	timeline   pg.TimelineID
	begin, end pg.LSN // end is 0 on the server's own timeline, which goes on
}

// historyFile is a timeline's history file as the server has it.
type historyFile struct {
	timeline pg.TimelineID
	name     string
	content  []byte
}

// readPath asks for the history of the server's timeline, and for the history
// files of those before it as far as the server still has them.
func (s *Server) readPath(ctx context.Context) (path, []historyFile, error) {
	timeline := s.identity.Timeline
	if timeline == 1 {
		return path{{timeline: timeline}}, nil, nil
	}
	own, err := s.readHistory(ctx, timeline)
	if err != nil {
		return nil, nil, s.commandFailure(ctx, fmt.Sprintf("fetch the history of timeline %d", timeline), err)
	}
	switches, err := wal.ParseHistory(string(own.content))
	if err != nil {
		return nil, nil, s.failure(fmt.Sprintf("read the history of timeline %d", timeline), ErrNoWAL, err, "")
	}
	var p path
	var files []historyFile
	begin := pg.LSN(0)
	for _, at := range switches {
		if at.Timeline >= timeline {
			break
		}
		p = append(p, stretch{timeline: at.Timeline, begin: begin, end: at.End})
		begin = at.End
		if at.Timeline == 1 {
			continue // the first timeline has no history
		}
		older, err := s.readHistory(ctx, at.Timeline)
		switch {
		case err == nil:
			files = append(files, older)
		case live.Code(err) != codeUndefinedFile:
			return nil, nil, s.commandFailure(ctx, fmt.Sprintf("fetch the history of timeline %d", at.Timeline), err)
		}
	}
	return append(p, stretch{timeline: timeline, begin: begin}), append(files, own), nil
}

func (s *Server) readHistory(ctx context.Context, timeline pg.TimelineID) (historyFile, error) {
	answer, err := pglogrepl.TimelineHistory(ctx, s.conn, int32(timeline))
	if err != nil {
		return historyFile{}, err
	}
	// The name is ours: what a server says does not choose where we write.
	return historyFile{timeline: timeline, name: fmt.Sprintf("%08X.history", timeline), content: answer.Content}, nil
}

// of gives the timeline whose file holds a segment: the newest that has WAL in it.
func (p path) of(segment uint64, size uint32) stretch {
	for i := len(p) - 1; i > 0; i-- {
		if p[i].begin < pg.LSN(segment+1)*pg.LSN(size) {
			return p[i]
		}
	}
	return p[0]
}

// at gives the stretch that goes on at a place.
func (p path) at(lsn pg.LSN) stretch {
	for _, part := range p {
		if part.end == 0 || lsn < part.end {
			return part
		}
	}
	return p[len(p)-1]
}

// oldest finds the first segment from floor to last that the server still has;
// last+1 if there is none. A server keeps its newest segments without a hole, so
// it steps back in growing steps until one is refused, and then halves. Each
// question costs the server little more than opening a file.
func (s *Server) oldest(ctx context.Context, p path, floor, last uint64) (uint64, error) {
	has := func(segment uint64) (bool, error) {
		part := p.of(segment, s.segmentSize)
		return s.probe(ctx, part.timeline, pg.LSN(segment)*pg.LSN(s.segmentSize))
	}
	if floor > last {
		return last + 1, nil
	}
	if found, err := has(last); err != nil || !found {
		return last + 1, err
	}
	first := last // the server has it
	for step := uint64(1); first > floor; step *= 2 {
		ask := floor
		if first-floor > step {
			ask = first - step
		}
		found, err := has(ask)
		if err != nil {
			return 0, err
		}
		if found {
			first = ask
			continue
		}
		for gone := ask; first-gone > 1; {
			middle := gone + (first-gone)/2
			if found, err = has(middle); err != nil {
				return 0, err
			}
			if found {
				first = middle
			} else {
				gone = middle
			}
		}
		break
	}
	return first, nil
}
