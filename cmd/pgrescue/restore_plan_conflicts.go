package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/pgrescue/pgrescue/recover/casefile"
	"github.com/pgrescue/pgrescue/recover/restore"
)

// conflictRow is a row of a plan that a person must decide about.
type conflictRow struct {
	Table string   `json:"table"`
	Key   []string `json:"key"`
	// There tells that the target has the row, with other values; else routes contradict each other.
	There bool   `json:"there"`
	Note  string `json:"note"`
}

// mostConflicts bounds how many are shown: the plan's rows have all of them.
const mostConflicts = 20

// conflictRows are the first rows in conflict, and how many there are of which routes contradict each other.
func conflictRows(ctx context.Context, file *casefile.Case, plan *restore.Plan) (list []conflictRow, between int64, err error) {
	for i := range plan.Tables {
		if plan.Tables[i].Counts[restore.Conflict] == 0 {
			continue
		}
		for row, err := range file.PlanRows(ctx, plan.PlanID, i, 0) {
			if err != nil {
				return nil, 0, err
			}
			if restore.Action(row.Action) != restore.Conflict {
				continue
			}
			if row.Before == nil {
				between++
			}
			if len(list) == mostConflicts {
				continue
			}
			one := conflictRow{Table: plan.Tables[i].String(), Key: []string{}, There: row.Before != nil, Note: row.Note}
			for k := range row.Key {
				one.Key = append(one.Key, string(row.Key[k].Text))
			}
			list = append(list, one)
		}
	}
	return list, between, nil
}

// tell is a conflict between routes for people.
func (c *conflictRow) tell() string {
	return fmt.Sprintf("%s %s: %s.", c.Table, strings.Join(c.Key, ", "), shorten(strings.TrimSuffix(c.Note, "."), longestConflict))
}

// longestConflict is how much is shown of a note, which has values in it.
const longestConflict = 300
