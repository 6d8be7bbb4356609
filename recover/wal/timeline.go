package wal

import (
	"errors"
	"fmt"
	"strings"

	"github.com/pgrescue/pgrescue/recover/pg"
)

// history is what a history file says: the timelines before, oldest first.
type history []historyEntry

// historyEntry is one timeline and the place at which the next one leaves it.
type historyEntry struct {
	timeline pg.TimelineID
	end      pg.LSN
}

// maxHistorySize bounds a history file in bytes; each switch takes one line.
const maxHistorySize = 1 << 20

// parseHistory reads a history file (readTimeLineHistory in timeline.c): lines of
// timeline, switch point and reason; the reason and lines that begin with # are for people.
func parseHistory(text string) (history, error) {
	var h history
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) == 0 || strings.HasPrefix(fields[0], "#") {
			continue
		}
		if len(fields) < 2 {
			return nil, errors.New("a line has no switch point")
		}
		var e historyEntry
		if _, err := fmt.Sscanf(fields[0], "%d", &e.timeline); err != nil {
			return nil, fmt.Errorf("%q is not a timeline", fields[0])
		}
		var err error
		if e.end, err = pg.ParseLSN(fields[1]); err != nil {
			return nil, err
		}
		if n := len(h); n > 0 && (e.timeline <= h[n-1].timeline || e.end < h[n-1].end) {
			return nil, errors.New("its timelines are not in order")
		}
		h = append(h, e)
	}
	return h, nil
}

// timelinePath is the way through the timelines to the one that is wanted.
type timelinePath []pathPart

// pathPart is one timeline of a path and the stretch of the log that is its own.
type pathPart struct {
	timeline   pg.TimelineID
	begin, end pg.LSN // end is 0 on the last part
}

// pathTo makes the path to a timeline from its history file. Without one the
// timeline stands alone.
func pathTo(target pg.TimelineID, histories map[pg.TimelineID]history) timelinePath {
	var p timelinePath
	begin := pg.LSN(0)
	for _, e := range histories[target] {
		if e.timeline >= target {
			break
		}
		p = append(p, pathPart{timeline: e.timeline, begin: begin, end: e.end})
		begin = e.end
	}
	return append(p, pathPart{timeline: target, begin: begin})
}

// part finds a timeline on the path.
func (p timelinePath) part(timeline pg.TimelineID) (pathPart, bool) {
	for _, part := range p {
		if part.timeline == timeline {
			return part, true
		}
	}
	return pathPart{}, false
}

// holds reports whether the part uses a segment of the given stretch. A segment
// in which a timeline begins holds the older timeline's records before that.
func (p pathPart) holds(start pg.LSN, size pg.LSN) bool {
	return p.begin < start+size && (p.end == 0 || start < p.end)
}
