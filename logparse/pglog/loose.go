package pglog

import (
	"bytes"

	"github.com/pgrescue/pgrescue/logparse"
)

// unsessioned takes an entry of a log that does not tell sessions apart: there a statement can be known to have failed or to
// have ended, but not to have been committed.
func (t *Timeline) unsessioned(e *logparse.Entry, s saying, out func(*logparse.Event) error) error {
	switch s.said {
	case saysStatement:
		return t.keepLoose(e, s, logparse.Attempted, "the log does not tell sessions apart", out)
	case saysDone:
		return t.keepLoose(e, s, logparse.Executed, "its duration is in the log, which does not tell sessions apart", out)
	case saysError, saysLost:
		return t.looseError(e, s, out)
	case saysConnected, saysGone:
		return t.tell(e, logparse.Connection, out)
	}
	return nil
}

// loose is a statement of a log that does not tell sessions apart.
type loose struct {
	event logparse.Event
	query string // that it is of
}

// keepLoose holds events back for a while, since an ERROR may follow.
func (t *Timeline) keepLoose(e *logparse.Entry, s saying, kind logparse.EventKind, why string, out func(*logparse.Event) error) error {
	text, parameters, prepared := t.texts(e, s)
	for _, one := range sentences(nil, text) {
		event := t.of(e)
		event.Kind, event.Why, event.Duration = kind, why, s.duration
		event.Statement, event.Parameters, event.Prepared, event.Verb = one.text, parameters, prepared, one.Verb
		t.loose = append(t.loose, loose{event, text})
	}
	over := max(0, len(t.loose)-maxLoose)
	for i := range over {
		if err := out(&t.loose[i].event); err != nil {
			return err
		}
	}
	t.loose = append(t.loose[:0], t.loose[over:]...)
	return nil
}

// looseError makes the statements of an ERROR failed ones.
func (t *Timeline) looseError(e *logparse.Entry, s saying, out func(*logparse.Event) error) error {
	found, line := false, logparse.Place{}
	words := sentences(nil, string(s.statement))
	for i := len(t.loose) - 1; i >= 0; i-- {
		event := &t.loose[i].event
		if event.Kind != logparse.Attempted || t.loose[i].query != string(s.statement) || found && event.Place != line {
			continue
		}
		found, line = true, event.Place
		event.SQLState, event.Text = e.SQLState, oneLine(e)
		refuse(event, because(e), keeps(words, false))
	}
	if found {
		return nil
	}
	return t.failed(e, s, false, out)
}

// failed hands out an event for an ERROR whose statement was not seen before.
func (t *Timeline) failed(e *logparse.Entry, s saying, inBlock bool, out func(*logparse.Event) error) error {
	if len(s.statement) == 0 {
		return t.tell(e, logparse.Message, out)
	}
	t.event = t.of(e)
	t.event.Text = oneLine(e)
	t.event.Statement, _, _ = t.texts(e, s)
	t.event.Verb = read(t.event.Statement).Verb
	kept := ""
	if !bytes.HasPrefix(e.Message, []byte("syntax error at ")) || len(e.Context) > 0 { // with a syntax error none of a query string runs
		kept = keeps(sentences(nil, t.event.Statement), inBlock)
	}
	refuse(&t.event, because(e), kept)
	return out(&t.event)
}

// because names the line of an error.
func because(e *logparse.Entry) string { return e.Severity + " on line " + lineOf(e) }
