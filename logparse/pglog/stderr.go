package pglog

import (
	"bytes"

	"github.com/pgrescue/pgrescue/logparse"
)

// stderrFramer makes entries of the lines of a log_destination of stderr, with one log_line_prefix.
type stderrFramer struct {
	matcher
	queue
	names [4]logparse.Names // user, database, application, client
	// verbose: a SQL state stands before each message. That of success tells it from a message that looks so.
	verbose bool
	room    []byte
	ids     [4]logparse.Names // session, vxid, SQL state, the rest
}

func newStderrFramer(prefix *Prefix) *stderrFramer {
	return &stderrFramer{matcher: matcher{prefix: prefix}}
}

// Frame takes the next line.
func (f *stderrFramer) Frame(line *logparse.Line, out func(*logparse.Entry) error) error {
	text := line.Text
	if len(text) > 0 && text[0] != '\t' && f.match(text) {
		return f.headed(line, out)
	}
	if p := f.last; p != nil && goesOn(text) {
		if len(text) > 0 && text[0] == '\t' {
			text = text[1:]
		}
		p.add(newline)
		p.add(text)
		p.take(line)
		return nil
	}
	return f.foreign(line, out)
}

// Holds reports whether a line goes on with a message: the server puts a tab in front.
func (f *stderrFramer) Holds(line *logparse.Line) bool {
	return f.last != nil && len(line.Text) > 0 && line.Text[0] == '\t'
}

var newline = []byte{'\n'}

// goesOn reports whether a line goes on with the one before: the server puts a tab in front. What copied
// the log may have made spaces of it, or have taken it off from an empty line.
func goesOn(text []byte) bool {
	return len(text) == 0 || text[0] == '\t' || text[0] == ' '
}

// foreign makes an entry of a line that is no server's: what a command such as archive_command wrote, or the
// rest of a message whose beginning is not there.
func (f *stderrFramer) foreign(line *logparse.Line, out func(*logparse.Entry) error) error {
	text := bytes.TrimSpace(line.Text)
	if len(text) == 0 {
		return nil
	}
	p, err := f.begin(line, -1, nil, out)
	if err != nil {
		return err
	}
	p.entry.PID = 0
	p.entry.Partial = p.entry.Partial || goesOn(line.Text)
	p.open(message)
	p.add(text)
	p.closed = true
	return nil
}

// headed takes a line that begins with the prefix and a level.
func (f *stderrFramer) headed(line *logparse.Line, out func(*logparse.Entry) error) error {
	h := &f.head
	if h.pid == 0 && len(h.session) > 0 {
		h.pid = processOf(h.session)
	}
	if h.level.part != message {
		p := f.find(h.pid, h.session)
		if p == nil { // the log begins here
			var err error
			if p, err = f.begin(line, h.pid, h.session, out); err != nil {
				return err
			}
			f.fill(p, h)
			p.entry.Severity, p.entry.Partial = "", true
		} else {
			p.take(line)
		}
		f.last = p
		p.open(h.level.part)
		p.add(h.text)
		return nil
	}
	p, err := f.begin(line, h.pid, h.session, out)
	if err != nil {
		return err
	}
	f.fill(p, h)
	text := h.text
	code, n := sqlStateAt(text)
	switch {
	case string(code) == "00000":
		f.verbose = true
	case n == 0 && h.level.word == "LOG":
		f.verbose = false
	}
	if f.verbose && n > 0 {
		p.entry.SQLState = f.ids[2].Of(stateOf(code))
		text = text[n:]
	}
	p.open(message)
	p.add(text)
	p.placed = p.entry.Severity != "LOG"
	return nil
}

// processOf gives the process id, which a session id ends with.
func processOf(session []byte) int64 {
	dot := bytes.IndexByte(session, '.')
	pid := int64(0)
	for _, c := range session[dot+1:] {
		if pid *= 16; digit(c) {
			pid += int64(c - '0')
		} else {
			pid += int64(c-'a') + 10
		}
	}
	return pid
}

// fill gives the entry what the prefix says.
func (f *stderrFramer) fill(p *pending, h *head) {
	e := &p.entry
	e.Stamp, e.Severity = h.stamp, h.level.word
	e.PID, e.SessionLine, e.XID = h.pid, h.sessionLine, transaction(h.xid)
	e.User, e.Database = f.names[0].Of(h.user), f.names[1].Of(h.database)
	e.Application = f.names[2].Of(h.application)
	e.Client = f.names[3].Of(f.client(h.client))
	e.Session, e.VXID, e.SQLState = f.ids[0].Of(h.session), f.ids[1].Of(h.vxid), f.ids[2].Of(stateOf(h.sqlState))
	p.name("backend_type", h.backend)
	p.name("query_id", h.queryID)
	p.name("command_tag", h.tag)
	p.name("session_start", h.start)
}

// client writes host and port of %r as csvlog does: with a colon.
func (f *stderrFramer) client(text []byte) []byte {
	open := bytes.LastIndexByte(text, '(')
	if open <= 0 || text[len(text)-1] != ')' {
		return text
	}
	f.room = append(append(append(f.room[:0], text[:open]...), ':'), text[open+1:len(text)-1]...)
	return f.room
}

// Flush gives the entries that are still open.
func (f *stderrFramer) Flush(out func(*logparse.Entry) error) error { return f.flush(out) }
