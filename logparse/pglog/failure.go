package pglog

import (
	"bytes"
	"slices"
	"strings"

	"github.com/pgrescue/pgrescue/logparse"
	"github.com/pgrescue/pgrescue/logparse/statement"
)

// refused takes an ERROR.
func (s *session) refused(e *logparse.Entry, what saying, out func(*logparse.Event) error) error {
	if s.open && (len(what.statement) > 0 && string(what.statement) != s.query || ofBinding(e.Context)) {
		if err := s.finish(out); err != nil {
			return err
		}
	}
	if err := s.observe(e, out); err != nil {
		return err
	}
	if !s.open {
		if err := s.timeline.failed(e, what, s.mode == block, out); err != nil {
			return err
		}
		return s.abort(e, out)
	}
	s.open = false
	ends := slices.ContainsFunc(s.words, func(one sentence) bool {
		return one.Transaction != statement.NoTransaction && one.Transaction != statement.Savepoint && one.Transaction != statement.Release
	})
	if ends && len(s.words) > 1 {
		s.mode = unsure
		if err := s.settle(s.first, logparse.Executed, whyDoubt, out); err != nil {
			return err
		}
		return s.settle(len(s.held), logparse.Attempted, because(e)+" voided a part of its query string, which has several transactions", out)
	}
	one := s.words[0].Transaction
	if err := s.fail(e, out); err != nil {
		return err
	}
	if one == statement.Commit || one == statement.Prepare {
		s.mode = outside
		return s.settle(len(s.held), logparse.RolledBack, because(e)+" voided the end of its transaction", out)
	}
	return s.abort(e, out)
}

// ofBinding reports whether an ERROR came when parameters were bound, so that it is not of a statement that ran before
// with the same text.
func ofBinding(context []byte) bool {
	return bytes.HasPrefix(context, []byte("unnamed portal parameter $")) || bytes.HasPrefix(context, []byte("portal ")) && bytes.Contains(context, []byte("\" parameter $"))
}

// fail hands out the statements of the open query as failed.
func (s *session) fail(e *logparse.Entry, out func(*logparse.Event) error) error {
	kept := keeps(s.words, s.mode == block)
	for i := s.first; i < len(s.held); i++ {
		event := &s.held[i].event
		event.SQLState, event.Text = e.SQLState, oneLine(e)
		refuse(event, because(e), kept)
		if err := out(event); err != nil {
			return err
		}
	}
	s.drop(s.first, len(s.held))
	return nil
}

// abort is what an ERROR does to the statements before.
func (s *session) abort(e *logparse.Entry, out func(*logparse.Event) error) error {
	switch {
	case s.mode == block:
		s.aborted = true
		return nil
	case s.mode == unsure:
		s.aborted = true
		return s.settle(len(s.held), logparse.Executed, whyDoubt, out)
	case len(s.held) == 0:
		return nil
	case s.vxid != "" && e.VXID == s.vxid && s.whole():
		return s.settle(len(s.held), logparse.RolledBack, because(e)+", of the same transaction", out)
	case s.vxid == "" && s.extended || s.vxid != "" && e.VXID == s.vxid:
		return s.settle(len(s.held), logparse.Executed, whyDoubt, out)
	}
	return s.implied(len(s.held), out)
}

// lost takes a FATAL or PANIC.
func (s *session) lost(e *logparse.Entry, what saying, out func(*logparse.Event) error) error {
	if s.open && len(what.statement) == 0 && s.vxid != "" && strings.HasSuffix(e.VXID, "/0") { // the session was idle
		if err := s.finish(out); err != nil {
			return err
		}
	}
	if s.open && len(what.statement) > 0 && string(what.statement) == s.query {
		if err := s.fail(e, out); err != nil {
			return err
		}
		s.open = false
	}
	if err := s.timeline.tell(e, logparse.Message, out); err != nil {
		return err
	}
	if s.mode == block {
		if s.open {
			if err := s.settleOpen(because(e)+" ended its session", out); err != nil {
				return err
			}
		}
		s.mode = outside
		if !s.seesEnds() {
			return s.settle(len(s.held), logparse.Executed, whyUnseen, out)
		}
		return s.settle(len(s.held), logparse.RolledBack, because(e)+" ended its session before a COMMIT", out)
	}
	return s.close(atEnd, out)
}
