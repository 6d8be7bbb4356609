package pglog

import (
	"bytes"
	"cmp"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/pgrescue/pgrescue/logparse"
)

// Timeline makes events of the entries of one or several logs, each log's in their order.
//
// Of a statement there is one event, which comes when it is known what became of it: at the latest when the
// log ends. A statement is Executed when its session went on without an ERROR, and Committed when
// its session committed. Outside a transaction block no COMMIT is written down: there a statement that ended is
// Committed too, if the log shows that it has all statements of the session, so that a BEGIN would be seen; Why says so.
type Timeline struct {
	sessions map[sessionKey]*session
	recent   [64]*session      // some of them, by their processes
	prepared map[string][]held // transactions by name
	// whole has how much is seen of users and databases.
	whole                          map[sessionKey]showing
	started                        map[sessionKey]bool // servers whose start was seen
	sampled                        map[sessionKey]bool // servers that log some of the quick statements only
	heldBytes                      int                 // bytes of statements whose fate is open
	most                           int                 // bytes of a transaction that are held
	entries                        int64
	loose                          []loose // of logs that do not tell sessions apart
	names                          logparse.Names
	user, database, userAtDatabase string // of the last entry
	room                           []byte
	event                          logparse.Event
}

// NewTimeline returns a Timeline that has seen nothing.
func NewTimeline() *Timeline {
	return &Timeline{
		most:     maxTransaction,
		sessions: make(map[sessionKey]*session), prepared: make(map[string][]held),
		whole: make(map[sessionKey]showing), sampled: make(map[sessionKey]bool), started: make(map[sessionKey]bool),
	}
}

// sessionKey tells sessions apart; with no session, users of servers, and servers.
type sessionKey struct {
	source    *logparse.Source
	container string
	id        string
	pid       int64
}

const (
	// maxTransaction bounds the bytes of a transaction's statements, and half the bytes of all whose fate is open.
	maxTransaction = 128 << 20
	// maxSessions bounds the sessions of which nobody has said that they are over.
	maxSessions = 20_000
	// maxLoose bounds how long an ERROR is waited for where sessions are not told apart.
	maxLoose = 64
)

// Add takes the next entry. The event is valid until out returns; its texts stay.
func (t *Timeline) Add(e *logparse.Entry, out func(*logparse.Event) error) error {
	s := says(e)
	switch s.said {
	case saysStarted, saysCrashed:
		if err := t.restart(e, s.said, out); err != nil {
			return err
		}
		return t.tell(e, logparse.Server, out)
	case saysReloaded:
		for key := range t.whole {
			if key.source == e.Source && key.container == e.Outer.Container {
				delete(t.whole, key)
			}
		}
		for key, one := range t.sessions {
			if key.source == e.Source && key.container == e.Outer.Container {
				one.blind = true
			}
		}
		return t.tell(e, logparse.Server, out)
	case saysOther:
		return t.other(e, out)
	}
	if e.PID == 0 && e.Session == "" {
		return t.unsessioned(e, s, out)
	}
	one, err := t.session(e, out)
	if err != nil {
		return err
	}
	t.entries++
	one.heard, one.last = t.entries, e.Place
	return one.hear(e, s, out)
}

// Flush hands out what is still open at the end.
func (t *Timeline) Flush(out func(*logparse.Event) error) error {
	for _, one := range t.inOrder() {
		if err := one.close(atEnd, out); err != nil {
			return err
		}
	}
	clear(t.sessions)
	clear(t.recent[:])
	for _, name := range slices.Sorted(maps.Keys(t.prepared)) {
		if err := t.settlePrepared(name, logparse.Executed, "its transaction was prepared, and the log does not say what became of it", out); err != nil {
			return err
		}
	}
	for i := range t.loose {
		if err := out(&t.loose[i].event); err != nil {
			return err
		}
	}
	t.loose = t.loose[:0]
	return nil
}

// keyOf gives what tells the session of an entry from others: its id, or else its process.
func keyOf(e *logparse.Entry) sessionKey {
	key := sessionKey{source: e.Source, container: e.Outer.Container, id: e.Session}
	if key.id == "" {
		key.pid = e.PID
	}
	return key
}

// session finds the session of an entry.
func (t *Timeline) session(e *logparse.Entry, out func(*logparse.Event) error) (*session, error) {
	key := keyOf(e)
	recent := &t.recent[uint64(e.PID)%uint64(len(t.recent))]
	if *recent != nil && (*recent).key == key {
		return *recent, nil
	}
	one := t.sessions[key]
	if one != nil {
		*recent = one
		return one, nil
	}
	if len(t.sessions) >= maxSessions {
		if err := t.forget(out); err != nil {
			return nil, err
		}
	}
	one = &session{timeline: t, key: key, name: e.Session}
	if one.name == "" {
		one.name = strconv.FormatInt(e.PID, 10)
	}
	one.server = sessionKey{source: key.source, container: key.container}
	if !t.started[one.server] {
		one.mode = unsure
	}
	t.sessions[key] = one
	return one, nil
}

// forget closes the half of the sessions that said nothing for the longest time.
func (t *Timeline) forget(out func(*logparse.Event) error) error {
	all := t.inOrder()
	for _, one := range all[:len(all)/2] {
		if err := one.close(atEnd, out); err != nil {
			return err
		}
		t.remove(one)
	}
	return nil
}

// remove takes a session out.
func (t *Timeline) remove(one *session) {
	delete(t.sessions, one.key)
	for i := range t.recent {
		if t.recent[i] == one {
			t.recent[i] = nil
		}
	}
}

// before reports whether an entry stands before another one of the same source. Those of several formats come out of order.
func before(a, b logparse.Place) bool {
	return a.File < b.File || a.File == b.File && a.Line < b.Line
}

// restart closes the sessions of a server that has crashed or is beginning. One that has said something since is a new one.
func (t *Timeline) restart(e *logparse.Entry, what said, out func(*logparse.Event) error) error {
	server := sessionKey{source: e.Source, container: e.Outer.Container}
	for _, one := range t.inOrder() {
		if one.server != server || before(e.Place, one.last) {
			continue
		}
		if err := one.close(atCrash, out); err != nil {
			return err
		}
		t.remove(one)
	}
	if what == saysStarted {
		t.started[server] = true
	}
	return nil
}

// other takes a message that says nothing of statements.
func (t *Timeline) other(e *logparse.Entry, out func(*logparse.Event) error) error {
	kind := logparse.Message
	if e.Severity == "WARNING" && string(e.Message) == "there is no transaction in progress" {
		if one := t.sessions[keyOf(e)]; one != nil {
			one.idle, one.warned = one.open, !one.open
		}
	}
	if e.Severity == "WARNING" && string(e.Message) == "there is already a transaction in progress" {
		if one := t.sessions[keyOf(e)]; one != nil {
			one.twice = !one.open
		}
	}
	if ofServer(e) {
		kind = logparse.Server
	}
	return t.tell(e, kind, out)
}

// tell hands out an event for an entry as it is.
func (t *Timeline) tell(e *logparse.Entry, kind logparse.EventKind, out func(*logparse.Event) error) error {
	t.event = t.of(e)
	t.event.Kind = kind
	t.event.Text = oneLine(e)
	return out(&t.event)
}

// of gives what all events of an entry have.
func (t *Timeline) of(e *logparse.Entry) logparse.Event {
	var event logparse.Event
	name := e.Session
	if name == "" && e.PID != 0 {
		name = strconv.FormatInt(e.PID, 10)
	}
	fill(&event, e, name, t.actor(e))
	return event
}

// fill puts into an event that is empty what all events of an entry have.
func fill(event *logparse.Event, e *logparse.Entry, session, actor string) {
	event.Place, event.Stamp, event.XID, event.Rows = e.Place, e.Stamp, e.XID, -1
	event.SQLState, event.Session, event.Actor = e.SQLState, session, actor
	if at := strings.LastIndexByte(actor, '@'); at >= 0 {
		event.Database = actor[at+1:]
	}
}

// actor gives user@database.
func (t *Timeline) actor(e *logparse.Entry) string {
	if e.User == "" && e.Database == "" {
		return ""
	}
	if e.User != t.user || e.Database != t.database {
		t.room = append(append(append(t.room[:0], e.User...), '@'), e.Database...)
		t.user, t.database, t.userAtDatabase = e.User, e.Database, t.names.Of(t.room)
	}
	return t.userAtDatabase
}

// oneLine gives severity and message without what goes on in further lines.
func oneLine(e *logparse.Entry) string {
	text := e.Message
	if i := bytes.IndexByte(text, '\n'); i >= 0 {
		text = text[:i]
	}
	var line strings.Builder
	if e.Severity != "" {
		line.WriteString(e.Severity)
		line.WriteString(": ")
	}
	line.Write(text)
	return line.String()
}

// inOrder gives the sessions in the order of what they said last.
func (t *Timeline) inOrder() []*session {
	all := slices.Collect(maps.Values(t.sessions))
	slices.SortFunc(all, func(a, b *session) int { return cmp.Compare(a.heard, b.heard) })
	return all
}

// texts gives statement, parameters and PREPARE as strings that share one room.
func (t *Timeline) texts(e *logparse.Entry, s saying) (statement, parameters, prepared string) {
	values, prepare := parametersOf(e.Detail)
	t.room = append(append(append(t.room[:0], s.statement...), values...), prepare...)
	all := string(t.room)
	n, m := len(s.statement), len(s.statement)+len(values)
	if cap(t.room) > maxKept {
		t.room = nil
	}
	return all[:n], all[n:m], all[m:]
}
