package pglog

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pgrescue/pgrescue/logparse"
	"github.com/pgrescue/pgrescue/logparse/statement"
	"github.com/pgrescue/pgrescue/recover/pg"
)

// mode is where a session is.
type mode uint8

const (
	outside mode = iota // of a transaction block
	block               // within one
	unsure              // its beginning was not seen, and no BEGIN, COMMIT or ROLLBACK since
)

// session is what is known of a session, and the statements whose fate is open.
type session struct {
	timeline *Timeline
	key      sessionKey
	server   sessionKey
	heard    int64
	last     logparse.Place // of an entry
	name     string
	actor    string // as the last entry has it
	opened   string // user@database, as the message says with which the session began
	mode     mode
	shows    showing
	blind    bool // what is logged was changed

	held       []held // of the transaction, or of several outside a block
	savepoints []mark
	bytes      int
	aborted    bool // by an ERROR
	vxid       string
	xid        pg.XID

	idle     bool // the server warned that the COMMIT or ROLLBACK that was sent had nothing to end
	warned   bool // so, and the duration of what was sent comes next
	twice    bool // the server warned that the BEGIN whose duration comes next had nothing to begin
	open     bool // a query string was sent, and nothing says yet that it ended
	query    string
	plan     string // the statement of the plan that came last
	words    []sentence
	first    int // of held, that belongs to it
	extended bool
}

// held is a statement whose fate is open.
type held struct {
	event logparse.Event
	done  bool
	word  statement.Transaction
	block bool   // it ran within a transaction block
	back  string // why it was rolled back; "": it was not
}

// mark is a savepoint.
type mark struct {
	name string
	at   int // the first statement behind it
}

// hear takes what the session says.
func (s *session) hear(e *logparse.Entry, what saying, out func(*logparse.Event) error) error {
	t := s.timeline
	if actor := t.actor(e); actor != s.actor && actor != "" {
		if s.actor != "" { // another session, whose process has the same number
			if err := s.close(atEnd, out); err != nil {
				return err
			}
			s.shows, s.vxid = some, ""
		}
		s.actor = actor
	}
	switch what.said {
	case saysConnected:
		if err := s.close(atEnd, out); err != nil {
			return err
		}
		*s = session{timeline: t, key: s.key, server: s.server, heard: s.heard, last: s.last, name: s.name, actor: s.actor, held: s.held}
		if !strings.HasPrefix(string(e.Message), "connection authorized") {
			return nil
		}
		s.opened = openedBy(string(e.Message))
		return t.tell(e, logparse.Connection, out)
	case saysGone:
		if err := s.finish(out); err != nil {
			return err
		}
		if err := s.close(atGone, out); err != nil {
			return err
		}
		t.remove(s)
		return t.tell(e, logparse.Connection, out)
	case saysStatement, saysDone:
		return s.sent(e, what, out)
	case saysStep:
		return s.finish(out)
	case saysDuration:
		return s.timed(e, what, out)
	case saysPlan:
		return s.planned(e, what, out)
	case saysLost:
		return s.lost(e, what, out)
	}
	return s.refused(e, what, out)
}

// openedBy reads "connection authorized: user=… database=… application_name=…".
func openedBy(message string) string {
	_, rest, _ := strings.Cut(message, "user=")
	user, database, ok := strings.Cut(rest, " database=")
	if !ok {
		return ""
	}
	for _, more := range []string{" application_name=", " SSL enabled", " GSS "} {
		database, _, _ = strings.Cut(database, more)
	}
	return user + "@" + database
}

// who gives user@database: as the lines have it, or the session's beginning where they lack one of the two.
func (s *session) who() string {
	if s.opened != "" && (s.actor == "" || strings.HasPrefix(s.actor, "@") || strings.HasSuffix(s.actor, "@")) {
		return s.opened
	}
	return s.actor
}

// sent takes a statement: the one before has ended.
func (s *session) sent(e *logparse.Entry, what saying, out func(*logparse.Event) error) error {
	if err := s.finish(out); err != nil {
		return err
	}
	s.again(what)
	if err := s.observe(e, out); err != nil {
		return err
	}
	text, parameters, prepared := s.timeline.texts(e, what)
	s.words = sentences(s.words, text)
	if len(s.words) == 0 {
		return nil // an empty query
	}
	s.learn(e, what)
	if err := s.part(e, what, out); err != nil {
		return err
	}
	s.idle, s.warned, s.twice = s.warned && what.said == saysDone, false, false
	s.open, s.query, s.first, s.extended = true, text, len(s.held), what.extended
	for i := range s.words {
		s.held = slices.Grow(s.held, 1)[:len(s.held)+1]
		h := &s.held[len(s.held)-1]
		fill(&h.event, e, s.name, s.who())
		h.event.Statement, h.event.Parameters, h.event.Prepared = s.words[i].text, parameters, prepared
		h.event.Verb, h.word = s.words[i].Verb, s.words[i].Transaction
	}
	for i := s.first; i < len(s.held); i++ {
		size := s.held[i].size()
		s.bytes += size
		s.timeline.heldBytes += size
	}
	if what.said == saysDone {
		return s.timed(e, what, out)
	}
	if s.bytes > s.timeline.most || s.timeline.heldBytes > 2*s.timeline.most {
		return s.settle(s.first, logparse.Executed, "its transaction is too long to wait for its end: see what became of later statements of it", out)
	}
	return nil
}

// showing is how much of what a session does is in the log.
type showing uint8

const (
	some  showing = iota
	quick         // all with its duration: a statement was so quick that log_min_duration_statement must be 0
	every         // a statement was seen that only log_statement = all logs
)

// learn finds out whether all statements of the session are in the log.
func (s *session) learn(e *logparse.Entry, what saying) {
	shows := some
	if one := &s.words[0]; len(s.words) == 1 && one.tells() {
		switch {
		case what.said == saysStatement:
			shows = every
		case what.said == saysDone && what.duration < time.Millisecond:
			shows = quick
		}
	}
	s.shows = max(s.shows, shows)
	if e.User != "" && s.shows < every {
		known := s.timeline.whole[s.user(e)]
		s.shows = max(s.shows, known)
	}
	if e.User != "" && shows > some && s.timeline.whole[s.user(e)] < shows {
		s.timeline.whole[s.user(e)] = shows
	}
	for i := range s.words {
		s.blind = s.blind || s.words[i].blinds()
	}
}

// whole reports whether all that the session does is in the log. A log that has a COMMIT without its BEGIN has a sample of
// what is quick, or a threshold.
func (s *session) whole() bool {
	return !s.blind && (s.shows == every || s.shows == quick && !s.timeline.sampled[s.server])
}

func (s *session) user(e *logparse.Entry) sessionKey {
	key := s.server
	key.id = s.timeline.actor(e)
	return key
}

// maxTogether bounds the statements outside a block that are held for an ERROR that may void them.
const maxTogether = 256

// part settles the statements before that cannot belong to the same transaction as the one that was sent. Those of the
// extended protocol can, even outside a block: a client may send several before it asks for their end.
func (s *session) part(e *logparse.Entry, what saying, out func(*logparse.Event) error) error {
	begins := s.words[0].Transaction == statement.Begin
	switch {
	case s.mode == block && begins && s.twice:
		return nil
	case s.mode == block && begins: // so that the session may be another one, whose process has the same number, or the log has a sample
		s.mode = outside
		if s.shows < every {
			s.timeline.sampled[s.server] = true
		}
		return s.settle(len(s.held), logparse.Executed, whyUnseen, out)
	case len(s.held) == 0 || s.mode == block:
		return nil
	}
	last := &s.held[len(s.held)-1].event
	sameKnown := s.vxid != "" && e.VXID == s.vxid
	switch {
	case s.mode == unsure && !begins && len(s.held) < maxTogether:
		return nil
	case s.mode == unsure && !begins:
		return s.settle(len(s.held), logparse.Executed, whyUnseen, out)
	case sameKnown && !begins:
		return nil
	case !begins && what.extended && s.extended && s.vxid == "" && len(s.held) < maxTogether && e.Time.Sub(last.Time) < time.Second:
		return nil
	}
	return s.implied(len(s.held), out)
}

const (
	whyImplied = "outside a transaction block, the session went on without an ERROR, and the log has all its statements"
	whyUnseen  = "whether its transaction was committed is not in the log"
	whyDoubt   = "an ERROR follows that may have voided its transaction"
)

// implied settles the first n statements, which are outside a block: they are committed when nothing else could have been seen.
func (s *session) implied(n int, out func(*logparse.Event) error) error {
	if s.whole() {
		return s.settle(n, logparse.Committed, whyImplied, out)
	}
	return s.settle(n, logparse.Executed, whyUnseen, out)
}

// observe looks at the transaction ids of an entry. A new one ends the transaction before.
func (s *session) observe(e *logparse.Entry, out func(*logparse.Event) error) error {
	if e.VXID == "" && s.mode == block && e.XID != 0 { // %x without %v: within a block it is the block's
		s.xid = e.XID
	}
	if e.VXID == "" || strings.HasSuffix(e.VXID, "/0") {
		return nil
	}
	if s.vxid != "" && s.vxid != e.VXID && len(s.held) > 0 {
		var err error
		if s.mode == block {
			err = s.settle(len(s.held), logparse.Executed, whyUnseen, out)
			s.mode = unsure
		} else {
			err = s.implied(len(s.held), out)
		}
		if err != nil {
			return err
		}
	}
	if s.vxid != e.VXID {
		s.xid = 0
	}
	s.vxid = e.VXID
	if e.XID != 0 {
		s.xid = e.XID
	}
	return nil
}

// timed takes a duration: what was sent has ended.
func (s *session) timed(e *logparse.Entry, what saying, out func(*logparse.Event) error) error {
	if !s.open {
		return nil
	}
	last := &s.held[len(s.held)-1].event
	last.Duration = what.duration
	if last.Line != e.Line {
		last.Ended = logparse.EndAt(e.Place, e.Stamp)
	}
	if err := s.finish(out); err != nil {
		return err
	}
	if e.XID != 0 {
		s.xid = e.XID
	}
	// Without a transaction id behind it, the transaction has ended with the statement. An ERROR would have been seen.
	if s.mode == block || s.aborted || what.extended || len(s.held) == 0 || !strings.HasSuffix(e.VXID, "/0") {
		return nil
	}
	if what.said == saysDone || s.vxid == "" { // those before have had transactions of their own
		rest := s.held[s.first:]
		s.held = s.held[:s.first]
		if err := s.implied(len(s.held), out); err != nil {
			return err
		}
		s.held = append(s.held, rest...)
	}
	return s.settle(len(s.held), logparse.Committed, "its transaction ended with it, as the virtual transaction id beside its duration on line "+lineOf(e)+" shows", out)
}

func lineOf(e *logparse.Entry) string { return strconv.FormatInt(e.Line, 10) }

// planned takes a plan of auto_explain. What runs within another statement that is in the log is that one's business.
func (s *session) planned(e *logparse.Entry, what saying, out func(*logparse.Event) error) error {
	if len(what.statement) == 0 || s.open {
		return nil
	}
	if err := s.sent(e, what, out); err != nil || !s.open {
		return err
	}
	last := &s.held[len(s.held)-1].event
	last.Duration, s.plan = what.duration, s.query
	if len(s.words) > 1 { // which of its query string the plan is of, and what came of the others, nobody says
		s.open = false
		for i := s.first; i < len(s.held); i++ {
			s.held[i].word, s.held[i].event.Duration = statement.NoTransaction, 0
		}
		return nil
	}
	return s.finish(out)
}

// again takes out the statement that a plan was of, when its duration follows.
func (s *session) again(what saying) {
	if first := len(s.held) - len(s.words); what.said == saysDone && s.plan != "" && first >= 0 && string(what.statement) == s.plan {
		s.drop(first, len(s.held))
	}
	s.plan = ""
}
