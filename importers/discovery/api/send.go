package api

import (
	"context"
	"errors"
	"fmt"
)

// settleTries is how often the server is asked after a request whose answer did not come, before
// it is sent again: the server may still be at work on it.
const settleTries = 5

// errPartial: the import is there without all of its rows.
var errPartial = errors.New("it is there in part")

// send brings one part to the server, once.
func (s *session) send(ctx context.Context, p *part) (*Part, error) {
	before := make(map[string]bool)
	if s.Ask != AskNone {
		s.step(p, 0, "asking", "")
		there, found, err := s.look(ctx, p, nil)
		if err != nil || there != nil {
			return there, err
		}
		before = found.ids()
		if !found.complete && s.Ask == AskAll {
			return nil, s.problem(p, ErrCannotAsk, fmt.Errorf("the server tells of its latest import only, which is %s, and this one may be an earlier one", found.list[0].filename),
				"--api-ask latest takes the latest for an answer")
		}
	}
	var last outcome
	for attempt := 0; attempt <= s.retries(); attempt++ {
		if attempt > 0 {
			if err := s.pause(ctx, attempt-1, last.after); err != nil {
				return nil, err
			}
		}
		s.step(p, attempt+1, "sending", "")
		switch last = s.post(ctx, p); last.fate {
		case stored:
			return s.part(p, last.answer, attempt+1), nil
		case final:
			if errors.Is(last.kind, errSource) {
				return nil, last.err
			}
			return nil, s.problem(p, last.kind, last.err, last.hint)
		case unsent:
			s.step(p, attempt+1, "not sent", last.err.Error())
		case doubted:
			there, err := s.settle(ctx, p, before, last.err)
			if err != nil {
				return nil, err
			}
			if there != nil {
				there.There, there.Attempts = false, attempt+1
				return there, nil
			}
		}
	}
	return nil, s.problem(p, ErrRefused, fmt.Errorf("sent %d times, and not stored: %w", s.retries()+1, last.err), "run it again later: it asks first")
}

// settle finds out what became of a request in doubt. It returns nothing when it was not stored.
func (s *session) settle(ctx context.Context, p *part, before map[string]bool, why error) (*Part, error) {
	doubt := func(cause error) error {
		return s.problem(p, ErrInDoubt, fmt.Errorf("the request was sent, and may have been stored: %w", cause), "wait a minute, since the server may be at work on it, and run it again: it asks first")
	}
	if ctx.Err() != nil {
		return nil, doubt(ctx.Err())
	}
	if s.Ask == AskNone {
		return nil, s.problem(p, ErrInDoubt, fmt.Errorf("the request was sent, and may have been stored: %w", why), "look in the application; without asking it is not sent twice")
	}
	for try := range settleTries {
		s.step(p, try+1, "in doubt", why.Error())
		if err := s.pause(ctx, try, 0); err != nil {
			return nil, doubt(err)
		}
		there, found, err := s.look(ctx, p, before)
		switch {
		case err != nil:
			return nil, doubt(err)
		case there != nil:
			return there, nil
		case !found.complete && len(found.list) == 1 && !before[found.list[0].id]:
			return nil, doubt(fmt.Errorf("another import, %s, came in between, and the server tells of the latest only", found.list[0].filename))
		}
	}
	return nil, nil
}

// look asks for the imports and finds this one among them. Those that were there before are none of it.
func (s *session) look(ctx context.Context, p *part, before map[string]bool) (*Part, *answers, error) {
	found, err := s.ask(ctx, p)
	if err != nil {
		return nil, nil, err
	}
	var other error
	for i := range found.list {
		k := &found.list[i]
		if before[k.id] || !p.looksLike(k) {
			continue
		}
		if err := s.rowsOf(ctx, p, k); err != nil {
			return nil, nil, err
		}
		note, err := p.compare(k)
		switch {
		case errors.Is(err, errOther) || errors.Is(err, errPartial):
			other = s.problem(p, ErrRefused, fmt.Errorf("the server has the import %s of this name: %w", k.id, err), hintOf(err))
			continue
		case err != nil:
			return nil, nil, err
		}
		return &Part{
			Filename: p.filename, ImportID: k.id, FlowID: k.flow, Sent: p.sent, Kept: p.kept, Stored: k.total, There: true, Note: note,
		}, found, nil
	}
	if other != nil && before == nil {
		return nil, nil, other
	}
	return nil, found, nil
}

func hintOf(err error) string {
	if errors.Is(err, errPartial) {
		return "import --apply completes it in the database; this endpoint can only store it a second time"
	}
	return "--api-ask none sends it nevertheless"
}

// part reports what the server stored.
func (s *session) part(p *part, a answer, attempts int) *Part {
	r := &Part{Filename: p.filename, ImportID: a.DataImportID, FlowID: a.FlowID, Sent: p.sent, Kept: p.kept, Stored: a.RecordsStored, Attempts: attempts}
	if !a.Success {
		r.Note = s.clean(fmt.Sprintf("stored, but its flow was not started: %s", a.Error))
	}
	if r.Stored != p.kept {
		r.Note = fmt.Sprintf("%d records were to be kept, and the server says that it stored %d", p.kept, r.Stored)
	}
	return r
}
