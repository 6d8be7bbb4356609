package pglog

import (
	"github.com/pgrescue/pgrescue/logparse"
	"github.com/pgrescue/pgrescue/logparse/statement"
)

// finish: the query that was sent has ended without an ERROR.
func (s *session) finish(out func(*logparse.Event) error) error {
	if !s.open {
		return nil
	}
	s.open = false
	before := len(s.held)
	for i := range s.words {
		at := s.first + i - (before - len(s.held)) // what was settled is gone
		s.held[at].done, s.held[at].block = true, s.mode == block
		if s.words[i].Transaction == statement.NoTransaction {
			s.aborted = s.aborted && s.mode == block // else it would have failed
			continue
		}
		if err := s.apply(&s.words[i], at, out); err != nil {
			return err
		}
	}
	return nil
}

// apply does what a word does to the transaction. The word itself is at that place.
func (s *session) apply(one *sentence, at int, out func(*logparse.Event) error) error {
	line := " of the session on line " + s.held[at].line()
	switch one.Transaction {
	case statement.Begin:
		s.start()
	case statement.Commit:
		return s.end(one.Chain, at, logparse.Committed, one.Verb+line, out)
	case statement.Rollback:
		return s.end(one.Chain, at, logparse.RolledBack, one.Verb+line, out)
	case statement.Savepoint:
		s.savepoints = append(s.savepoints, mark{one.Name, at + 1})
	case statement.Release:
		if i := s.savepoint(one.Name); i >= 0 {
			s.savepoints = s.savepoints[:i]
		}
	case statement.RollbackTo:
		s.rollbackTo(one.Name, at, one.Verb+" TO"+line)
	case statement.Prepare:
		return s.prepare(one.Name, at, line, out)
	case statement.CommitPrepared:
		ended(s.timeline.prepared[s.prepared(one.Name)], &s.held[at])
		return s.timeline.settlePrepared(s.prepared(one.Name), logparse.Committed, "COMMIT PREPARED"+line, out)
	case statement.RollbackPrepared:
		ended(s.timeline.prepared[s.prepared(one.Name)], &s.held[at])
		return s.timeline.settlePrepared(s.prepared(one.Name), logparse.RolledBack, "ROLLBACK PREPARED"+line, out)
	}
	return nil
}

// ended tells statements that their transaction ended with the word at that place.
func ended(statements []held, word *held) {
	end := logparse.EndAt(word.event.Place, word.event.Stamp)
	for i := range statements {
		statements[i].event.Ended = end
	}
}

func (h *held) line() string { return lineOf(&logparse.Entry{Place: h.event.Place}) }

// start begins a transaction block.
func (s *session) start() {
	if s.mode != block {
		s.savepoints, s.aborted = s.savepoints[:0], false
		if s.vxid == "" {
			s.xid = 0
		}
	}
	s.mode = block
}

// end ends a transaction with the word at that place.
func (s *session) end(chain bool, at int, kind logparse.EventKind, why string, out func(*logparse.Event) error) error {
	was := s.mode
	if s.mode = outside; chain {
		s.mode = block
	}
	if s.idle && was != block {
		return s.endedNothing(at, kind, why, out)
	}
	if was == outside {
		s.timeline.sampled[s.server] = true
	}
	if was != outside && !s.seesEnds() && !s.beganWith(at) {
		kind, why = logparse.Executed, whyUnseen
	}
	switch {
	case kind == logparse.Committed && s.aborted:
		kind, why = logparse.RolledBack, why+", of a transaction that an ERROR had aborted"
	case kind == logparse.RolledBack && was == outside && at > 0:
		kind, why = logparse.Executed, why+", where no transaction block was begun"
	}
	s.aborted, s.savepoints = false, s.savepoints[:0]
	ended(s.held[:at], &s.held[at])
	err := s.settle(at+1, kind, why, out)
	s.vxid, s.xid = "", 0
	return err
}

// endedNothing is what a COMMIT or ROLLBACK does outside a transaction block: the statements before it in the same query string
// are one transaction, which it ends.
func (s *session) endedNothing(at int, kind logparse.EventKind, why string, out func(*logparse.Event) error) error {
	if kind != logparse.RolledBack || at == 0 {
		return s.implied(at+1, out)
	}
	if s.extended { // what was sent together with it is one transaction too
		return s.settle(at+1, logparse.Executed, whyUnseen, out)
	}
	first := at
	for first > 0 && s.held[first-1].event.Place == s.held[at].event.Place {
		first--
	}
	n := at + 1 - first
	if err := s.implied(first, out); err != nil {
		return err
	}
	return s.settle(n, kind, why+", in the same query string", out)
}

// seesEnds reports whether the COMMIT or ROLLBACK of a transaction block would have been seen. A log of durations from some
// length on, or of a sample, may lack it, and the next one that it has is another transaction's.
func (s *session) seesEnds() bool {
	return s.vxid != "" || s.shows == every || s.shows == quick && !s.timeline.sampled[s.server]
}

// beganWith reports whether the transaction block began in the query string that ends it at that place.
func (s *session) beganWith(at int) bool {
	for i := at - 1; i >= 0 && s.held[i].event.Place == s.held[at].event.Place; i-- {
		if s.held[i].word == statement.Begin {
			return true
		}
	}
	return false
}

// savepoint finds the latest savepoint of a name; -1: none.
func (s *session) savepoint(name string) int {
	for i := len(s.savepoints) - 1; i >= 0; i-- {
		if s.savepoints[i].name == name {
			return i
		}
	}
	return -1
}

// rollbackTo voids what came behind a savepoint. One that was not seen may be anywhere: all before is in doubt, and
// none of it shall be taken for committed.
func (s *session) rollbackTo(name string, at int, why string) {
	from := 0
	if i := s.savepoint(name); i >= 0 {
		from = s.savepoints[i].at
		s.savepoints = s.savepoints[:i+1]
	} else {
		why += ", to a savepoint that the log does not have"
	}
	for i := from; i < at; i++ {
		if h := &s.held[i]; h.back == "" {
			h.back = why
		}
	}
	s.aborted = false
	if s.mode == unsure {
		s.mode = block
	}
}

// prepare puts a transaction aside.
func (s *session) prepare(name string, at int, line string, out func(*logparse.Event) error) error {
	s.mode = outside
	if s.aborted {
		s.aborted = false
		return s.settle(at+1, logparse.RolledBack, "PREPARE TRANSACTION"+line+", of a transaction that an ERROR had aborted", out)
	}
	key := s.prepared(name)
	if err := s.timeline.settlePrepared(key, logparse.Executed, whyUnseen, out); err != nil {
		return err
	}
	aside := make([]held, at+1)
	copy(aside, s.held)
	for i := range aside {
		s.identify(&aside[i])
	}
	s.timeline.prepared[key] = aside
	bytes := 0
	for i := range aside {
		bytes += aside[i].size()
	}
	s.drop(0, at+1)
	s.timeline.heldBytes += bytes
	s.vxid, s.xid, s.savepoints = "", 0, s.savepoints[:0]
	return nil
}

// prepared is the key of a prepared transaction, which any session of the server can end.
func (s *session) prepared(name string) string {
	source := ""
	if s.server.source != nil {
		source = s.server.source.Name
	}
	return source + "\x00" + s.server.container + "\x00" + name
}

// settlePrepared hands out the statements of a prepared transaction.
func (t *Timeline) settlePrepared(key string, kind logparse.EventKind, why string, out func(*logparse.Event) error) error {
	aside := t.prepared[key]
	delete(t.prepared, key)
	for i := range aside {
		t.heldBytes -= aside[i].size()
		if err := aside[i].give(kind, why, out); err != nil {
			return err
		}
	}
	return nil
}

// heldSize is what holding a statement takes beside its texts.
const heldSize = 512

func (h *held) size() int {
	return heldSize + len(h.event.Statement) + len(h.event.Parameters) + len(h.event.Prepared)
}

// give hands out a statement, with the fate of its transaction or with its own.
func (h *held) give(kind logparse.EventKind, why string, out func(*logparse.Event) error) error {
	event := &h.event
	switch {
	case !h.done && kind == logparse.RolledBack:
		event.Kind, event.Why = kind, why
	case !h.done:
		event.Kind, event.Why = logparse.Attempted, "the log does not say how it ended"
	case h.word != statement.NoTransaction:
		event.Kind, event.Why = logparse.Executed, ""
	case h.back != "":
		event.Kind, event.Why = logparse.RolledBack, h.back
	default:
		event.Kind, event.Why = kind, why
		if doubt := undoes(event.Verb, event.Statement, h.block); kind == logparse.Committed && doubt != "" {
			event.Kind, event.Why = logparse.Executed, doubt
		}
	}
	return out(event)
}

// identify gives a statement the id of its transaction, which the server gives at the first change.
func (s *session) identify(h *held) {
	if h.event.XID == 0 {
		h.event.XID = s.xid
	}
}

// settle hands out the first n statements.
func (s *session) settle(n int, kind logparse.EventKind, why string, out func(*logparse.Event) error) error {
	for i := range n {
		h := &s.held[i]
		s.identify(h)
		if err := h.give(kind, why, out); err != nil {
			return err
		}
	}
	s.drop(0, n)
	return nil
}

// settleOpen hands out the statements of the open query as attempted.
func (s *session) settleOpen(why string, out func(*logparse.Event) error) error {
	s.open = false
	for i := s.first; i < len(s.held); i++ {
		event := &s.held[i].event
		event.Kind, event.Why = logparse.Attempted, why
		if err := out(event); err != nil {
			return err
		}
	}
	s.drop(s.first, len(s.held))
	return nil
}

// drop takes statements out. Savepoints and the open query move with what is left.
func (s *session) drop(from, to int) {
	for i := from; i < to; i++ {
		size := s.held[i].size()
		s.bytes -= size
		s.timeline.heldBytes -= size
	}
	n := copy(s.held[from:], s.held[to:])
	clear(s.held[from+n:])
	s.held = s.held[:from+n]
	if cap(s.held) > 4*maxTogether && len(s.held) == 0 {
		s.held = nil
	}
	for i := range s.savepoints {
		s.savepoints[i].at = without(s.savepoints[i].at, from, to)
	}
	if s.open {
		s.first = without(s.first, from, to)
	}
}

// without is where a place is once those between two others are gone.
func without(at, from, to int) int {
	return at - max(0, min(at, to)-from)
}

// closing is how a session is left.
type closing uint8

const (
	atEnd   closing = iota // the log says nothing more of it
	atGone                 // it has ended
	atCrash                // and the server with it
)

// close hands out what is open.
func (s *session) close(how closing, out func(*logparse.Event) error) error {
	if s.open && how == atEnd && len(s.words) == 1 && s.words[0].Transaction != statement.NoTransaction {
		if err := s.finish(out); err != nil {
			return err
		}
	}
	if s.open && how == atCrash && len(s.words) == 1 && s.words[0].Transaction == statement.Prepare { // what is prepared outlives the server
		if err := s.finish(out); err != nil {
			return err
		}
		if aside := s.timeline.prepared[s.prepared(s.words[0].Name)]; len(aside) > 0 {
			aside[len(aside)-1].done = false
		}
	}
	if s.open {
		last := &s.words[len(s.words)-1]
		crashed := last.Transaction == statement.Commit && !last.Chain
		if err := s.settleOpen("the log does not say how it ended", out); err != nil {
			return err
		}
		if crashed {
			return s.settle(len(s.held), logparse.Executed, "the log does not say how its COMMIT ended", out)
		}
	}
	was := s.mode
	s.mode = unsure
	switch {
	case was == block && !s.seesEnds():
	case was == block && how == atGone:
		return s.settle(len(s.held), logparse.RolledBack, "its session ended without a COMMIT", out)
	case was == block && how == atCrash:
		return s.settle(len(s.held), logparse.RolledBack, "the server ended before a COMMIT", out)
	case was == block:
		return s.settle(len(s.held), logparse.Executed, "the log does not say how its transaction ended", out)
	case was == outside:
		return s.implied(len(s.held), out)
	}
	return s.settle(len(s.held), logparse.Executed, whyUnseen, out)
}
