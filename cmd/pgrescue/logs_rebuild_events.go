package main

import (
	"context"
	"fmt"

	"github.com/pgrescue/pgrescue/logparse"
	"github.com/pgrescue/pgrescue/recover/pg"
)

// waiting is a statement while others come: which transaction of the WAL it is of is known when all were seen.
type waiting struct {
	event  logparse.Event
	joined [2]int64
}

// read makes events of the logs, for rows and for the case.
func (j *logsRebuild) read(ctx context.Context) error {
	err := j.reading.events(ctx, j.events, j.event)
	for i := range j.waiting {
		if err == nil {
			err = j.settled(&j.waiting[i].event, j.waiting[i].joined)
		}
	}
	j.waiting = nil
	if err != nil {
		return err
	}
	j.join.tell(j.terminal)
	return j.shapes.failure()
}

// event takes an event. Its texts stay when it is gone.
func (j *logsRebuild) event(e *logparse.Event) error {
	joined := j.join.candidates(e)
	if j.join == nil || e.Statement == "" || quiet(e) {
		return j.settled(e, joined)
	}
	// Those wait too that are of none: statements of one line count in their order.
	j.waiting = append(j.waiting, waiting{*e, joined})
	return nil
}

// settled takes an event whose fate is as well known as it can be.
func (j *logsRebuild) settled(e *logparse.Event, joined [2]int64) error {
	j.shown.fill(e, e.Time)
	j.shown.joined = joined
	j.join.settle(&j.shown)
	if j.shown.walXID != 0 {
		e.Kind, e.Why = logparse.EventKind(j.shown.kind), j.shown.why
		if e.XID == 0 {
			e.XID = pg.XID(j.shown.walXID)
		}
	}
	if err := j.builder.Event(e); err != nil {
		return fmt.Errorf("logs rebuild: %w", err)
	}
	if e.Time.IsZero() || !j.tells(e) { // what has no time has no place in the case's timeline
		return nil
	}
	return j.found.logged(&j.shown)
}

// tells reports whether rows rest on an event, or could have: the case has it beside them.
func (j *logsRebuild) tells(e *logparse.Event) bool {
	switch e.Kind {
	case logparse.Import:
		return true
	case logparse.Attempted, logparse.Failed, logparse.Executed, logparse.Committed, logparse.RolledBack:
		return e.Table.Name != "" && !quiet(e) && (len(j.options.tables) == 0 || j.options.wants(e.Table))
	}
	return false
}
