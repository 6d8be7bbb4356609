package report

import (
	"context"
	"time"

	"github.com/pgrescue/pgrescue/recover/casefile"
	"github.com/pgrescue/pgrescue/recover/pg"
)

// How much of a case a report shows.
const (
	mostTables       = 100 // and their reasons
	mostDestroyers   = 20
	mostFalls        = 400 // tables, of all transactions together
	mostConflicts    = 20
	mostDiffering    = 6 // columns of a conflict
	mostGaps         = 100
	mostFiles        = 50 // of each kind
	mostRuns         = 100
	mostRunbooks     = 20
	mostSteps        = 100 // of all runbooks together
	mostCounts       = 50
	mostSources      = 16
	mostText         = 1000 // bytes of one text
	mostLinkedFiles  = 200
	mostArguments    = 60
	mostSummaryNames = 5
)

// facts is what the case says, as far as a report shows it.
type facts struct {
	summary   *casefile.Summary
	unkept    []casefile.UnkeptRun
	destroyed *casefile.Destroyers
	conflicts []casefile.Conflict
	story     *story
}

// read reads the case. The timeline is read twice: what is worth showing depends on
// when the loss was.
func read(ctx context.Context, c *casefile.Case) (*facts, error) {
	f := &facts{}
	var err error
	if f.summary, err = c.Summary(ctx); err != nil {
		return nil, err
	}
	if f.unkept, err = c.UnkeptRuns(ctx); err != nil {
		return nil, err
	}
	if f.destroyed, err = c.Destroyed(ctx, mostDestroyers, mostFalls); err != nil {
		return nil, err
	}
	if total := totalsOf(f.summary); total.Conflicts > 0 { // looking for them reads all rows
		if f.conflicts, err = c.Conflicts(ctx, mostConflicts); err != nil {
			return nil, err
		}
	}
	f.story = newStory(f.destroyed.List)
	for e, err := range c.Events(ctx) {
		if err != nil {
			return nil, err
		}
		f.story.survey(e)
	}
	f.story.choose()
	for e, err := range c.Events(ctx) {
		if err != nil {
			return nil, err
		}
		f.story.tell(e)
	}
	return f, nil
}

// destroyer is a transaction of the loss.
type destroyer struct {
	XID    pg.XID
	Commit time.Time // zero: not known
	// After and Before hold its first record between them, by the commits around it in
	// the WAL; zero: not known.
	After, Before time.Time
	First, End    pg.LSN // as the timeline has them; 0: not known
	Versions      int64
	Unsure        int64
	Tables        []casefile.Destroyed
}

// destroyers groups the lines of one transaction.
func destroyers(list []casefile.Destroyed) []*destroyer {
	var all []*destroyer
	for _, one := range list {
		if n := len(all); n == 0 || all[n-1].XID != one.XID {
			all = append(all, &destroyer{XID: one.XID, First: one.First, End: one.Last})
		}
		d := all[len(all)-1]
		d.Tables = append(d.Tables, one)
		d.Versions, d.Unsure = d.Versions+one.Versions, d.Unsure+one.Unsure
		d.First, d.End = min(d.First, one.First), max(d.End, one.Last)
		if d.Commit.IsZero() {
			d.Commit = one.CommitTime
		}
	}
	return all
}
