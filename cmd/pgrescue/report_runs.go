package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/pgrescue/pgrescue/cmd/internal/term"
	"github.com/pgrescue/pgrescue/recover/casefile"
	"github.com/pgrescue/pgrescue/recover/report"
	"github.com/pgrescue/pgrescue/recover/runbook"
)

// followed reads the journals of the runs that are named, or else of those that the case
// knows. One of the latter that cannot be read is told in the report.
func (o *reportOptions) followed(ctx context.Context, c *casefile.Case, terminal *term.Terminal) ([]report.RunbookRun, error) {
	var list []report.RunbookRun
	for _, folder := range o.runs {
		run, err := followedRun(folder)
		if err != nil {
			return nil, runbookError(err)
		}
		list = append(list, run)
	}
	if len(o.runs) > 0 {
		return list, nil
	}
	summary, err := c.Summary(ctx)
	if err != nil {
		return nil, libraryError(err)
	}
	for _, known := range summary.Runbooks {
		run, err := followedRun(known.Folder)
		if err != nil {
			terminal.Warnf("%v", err)
			run = report.RunbookRun{Folder: known.Folder, Title: known.Book, Problems: []string{"the journal of this run of \"" + known.Book + "\" cannot be read: " + err.Error()}}
		}
		list = append(list, run)
	}
	return list, nil
}

// followedRun reads the journal of one run.
func followedRun(folder string) (report.RunbookRun, error) {
	told, err := runbook.ReadFollowed(folder)
	if err != nil {
		return report.RunbookRun{}, err
	}
	run := report.RunbookRun{Folder: told.Folder, Title: told.Title, Who: told.Who, Host: told.Host, Began: journalTime(told.Began), Problems: told.Problems}
	for _, v := range told.Visits {
		step := report.RunbookStep{Step: told.Titles[v.Step], State: string(v.State), Reason: v.Reason, Who: v.Who, Began: journalTime(v.Began), Ended: journalTime(v.Ended)}
		if step.Step == "" { // the book is another one now
			step.Step = v.Step
		}
		if v.Number > 1 {
			step.Step += fmt.Sprintf(" (visit %d)", v.Number)
		}
		for i := range v.Blocks {
			line := &v.Blocks[i]
			block := report.RunbookBlock{Role: string(line.Role), Line: line.Block, ExitCode: line.ExitCode}
			if line.DurationMS != nil {
				block.Took = time.Duration(*line.DurationMS) * time.Millisecond
			}
			step.Blocks = append(step.Blocks, block)
			for _, name := range slices.Sorted(maps.Keys(line.Outputs)) {
				step.Gave = append(step.Gave, name+"="+line.Outputs[name])
			}
		}
		for i := range v.Answers {
			step.Answers = append(step.Answers, v.Answers[i].Question+" "+v.Answers[i].Answer)
		}
		run.Steps = append(run.Steps, step)
	}
	return run, nil
}

// journalTime reads a time of a journal; zero: it has none.
func journalTime(text string) time.Time {
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return time.Time{}
	}
	return t.UTC()
}
