package pglog

import (
	"bytes"

	"github.com/pgrescue/pgrescue/logparse"
	"github.com/pgrescue/pgrescue/recover/pg"
)

// pending is an entry that is being put together. Its texts stand one behind the other.
type pending struct {
	entry  logparse.Entry
	text   []byte
	begin  [parts]int
	end    [parts]int
	part   int // that the last line belongs to
	closed bool
	placed bool // the message may end with a place in the statement
	named  []namedText
}

// namedText is a field by its place in the text.
type namedText struct {
	name       string
	begin, end int
}

// maxKept is how much room an entry leaves for the next one.
const maxKept = 1 << 20

// start begins an entry with a line.
func (p *pending) start(line *logparse.Line) {
	if cap(p.text) > maxKept {
		p.text = nil
	}
	p.text, p.named, p.part, p.closed, p.placed = p.text[:0], p.named[:0], message, false, false
	p.begin, p.end = [parts]int{}, [parts]int{}
	fields := p.entry.Fields[:0]
	p.entry = logparse.Entry{Place: line.Place(0), Outer: line.Outer, Fields: fields}
	p.take(line)
}

// take counts a line as one of the entry's.
func (p *pending) take(line *logparse.Line) {
	p.entry.Lines++
	p.entry.Marks |= line.Marks
	if line.Marks.Partial() {
		p.entry.Partial = true
	}
}

// open begins a part. One that is there already goes on, after a newline.
func (p *pending) open(part int) {
	if p.end[part] > p.begin[part] {
		if p.part = part; p.end[part] == len(p.text) {
			p.add([]byte{'\n'})
		}
		return
	}
	p.part = part
	p.begin[part], p.end[part] = len(p.text), len(p.text)
}

// add appends to the part that is open. What does not end the text cannot go on: it is of a log that was tampered with.
func (p *pending) add(text []byte) {
	if p.end[p.part] != len(p.text) || len(p.text)+len(text) > maxEntry {
		p.entry.Partial = true
		if p.end[p.part] != len(p.text) {
			return
		}
		text = text[:max(0, maxEntry-len(p.text))]
	}
	p.text = append(p.text, text...)
	p.end[p.part] = len(p.text)
}

// name appends a field.
func (p *pending) name(name string, text []byte) {
	if len(text) == 0 || len(p.text)+len(text) > maxEntry {
		return
	}
	begin := len(p.text)
	p.text = append(p.text, text...)
	p.named = append(p.named, namedText{name, begin, len(p.text)})
}

// of gives a part's text, nil when there is none.
func (p *pending) of(part int) []byte {
	if p.end[part] == p.begin[part] {
		return nil
	}
	return p.text[p.begin[part]:p.end[part]]
}

// finish gives the whole entry.
func (p *pending) finish() *logparse.Entry {
	e := &p.entry
	if p.placed {
		p.place()
	}
	e.Message, e.Detail, e.Hint, e.Context, e.Statement = p.of(message), p.of(detail), p.of(hint), p.of(where), p.of(about)
	e.Fields = e.Fields[:0]
	for _, f := range p.named {
		e.Fields = append(e.Fields, logparse.Field{Name: f.name, Text: p.text[f.begin:f.end]})
	}
	if text := p.of(query); text != nil {
		e.Fields = append(e.Fields, logparse.Field{Name: "internal_query", Text: text})
	}
	if text := p.of(location); text != nil {
		e.Fields = append(e.Fields, logparse.Field{Name: "location", Text: text})
	}
	return e
}

// cursor is the field that says at which character of the statement the server found an error.
const cursor = "cursor_position"

// place takes the place in the statement off from the end of the message, where stderr has it.
func (p *pending) place() {
	const at = " at character "
	text := p.of(message)
	end := len(text)
	for end > 0 && digit(text[end-1]) {
		end--
	}
	if end == len(text) || !bytes.HasSuffix(text[:end], []byte(at)) {
		return
	}
	begin, stop := p.begin[message]+end, p.end[message]
	p.end[message] = begin - len(at)
	p.named = append(p.named, namedText{cursor, begin, stop})
}

// queue holds the entries that may go on, in the order of their first lines. Without a collector the
// lines of a message that is longer than a pipe takes at once may stand between those of others.
type queue struct {
	ring  [8]pending
	first int
	n     int
	last  *pending // that the last line belongs to; nil: none does
}

// begin makes room for an entry of a process, of which the one before ends by that.
func (q *queue) begin(line *logparse.Line, pid int64, session []byte, out func(*logparse.Entry) error) (*pending, error) {
	if before := q.find(pid, session); before != nil {
		before.closed = true
	}
	if q.n == len(q.ring) {
		q.ring[q.first].closed = true
	}
	if err := q.give(out); err != nil {
		return nil, err
	}
	p := &q.ring[(q.first+q.n)%len(q.ring)]
	q.n++
	p.start(line)
	q.last = p
	return p, nil
}

// find gives the entry of a process that may go on, or nil.
func (q *queue) find(pid int64, session []byte) *pending {
	for i := q.n - 1; i >= 0; i-- {
		p := &q.ring[(q.first+i)%len(q.ring)]
		if p.closed || p.entry.PID != pid {
			continue
		}
		if pid == 0 && string(session) != p.entry.Session {
			continue
		}
		return p
	}
	return nil
}

// give hands out the first entries, as far as they are closed.
func (q *queue) give(out func(*logparse.Entry) error) error {
	for q.n > 0 && q.ring[q.first].closed {
		p := &q.ring[q.first]
		if q.last == p {
			q.last = nil
		}
		q.first = (q.first + 1) % len(q.ring)
		q.n--
		if err := out(p.finish()); err != nil {
			return err
		}
	}
	return nil
}

// flush hands out all.
func (q *queue) flush(out func(*logparse.Entry) error) error {
	for i := range q.ring {
		q.ring[i].closed = true
	}
	return q.give(out)
}

// transaction gives a transaction id that fits, else none.
func transaction(value int64) pg.XID {
	if value < 0 || value > 1<<32-1 {
		return 0
	}
	return pg.XID(value)
}
