package casefile

import (
	"maps"
	"slices"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"
)

// span is a stretch of a plan's rows.
type span struct{ first, last int64 }

// sumRestored counts the rows that plans put into a target, in the last round of
// apply; a plan that was undone, and rows that were not put in yet or that verify did not
// find, do not count.
func (c *Case) sumRestored(tables map[int64]*TableSummary) error {
	plans := make(map[int64][]span)
	err := sqlitex.Execute(c.conn, `SELECT plan_id, first_seq, last_seq FROM plan_batch JOIN plan ON plan.id = plan_id
WHERE plan_batch.state = ? AND work = ? AND plan.state NOT IN (?, ?, ?)
 AND round = (SELECT max(round) FROM plan_batch AS other WHERE other.plan_id = plan.id)
ORDER BY plan_id, first_seq`, &sqlitex.ExecOptions{
		Args: []any{BatchCommitted, WorkApply, PlanUndoing, PlanUndone, PlanKept},
		ResultFunc: func(stmt *sqlite.Stmt) error {
			id := stmt.ColumnInt64(0)
			plans[id] = append(plans[id], span{stmt.ColumnInt64(1), stmt.ColumnInt64(2)})
			return nil
		},
	})
	if err != nil {
		return err
	}
	others := make(map[int64]map[string]int64, len(tables))
	earlier := make(map[int64]int64, len(tables))
	for _, id := range slices.Sorted(maps.Keys(plans)) {
		clear(others)
		for relation, t := range tables {
			earlier[relation] = t.Restored
		}
		if err := c.sumRestoredBy(tables, others, id, plans[id]); err != nil {
			return err
		}
	}
	for relation, t := range tables {
		counts := others[relation]
		if counts != nil {
			// What an earlier plan put in is equal for a later one.
			counts[ActionEqual] -= min(counts[ActionEqual], earlier[relation])
		}
		t.Fate = Divide(t.Lost, t.Missing, t.Intermediate, t.Restored, PlanReasons(counts), len(plans) > 0)
	}
	return nil
}

// sumRestoredBy counts the rows that a plan put in, and by table and action those that
// it did not.
func (c *Case) sumRestoredBy(tables map[int64]*TableSummary, others map[int64]map[string]int64, plan int64, spans []span) error {
	return sqlitex.Execute(c.conn, `SELECT plan_row.seq, row.relation_id, plan_row.action,
 EXISTS (SELECT 1 FROM plan_absent WHERE plan_absent.plan_id = plan_row.plan_id AND plan_absent.seq = plan_row.seq)
FROM plan_row JOIN row ON row.id = json_extract(plan_row.from_rows, '$[0]') WHERE plan_row.plan_id = ?`, &sqlitex.ExecOptions{
		Args: []any{plan},
		ResultFunc: func(stmt *sqlite.Stmt) error {
			t := tables[stmt.ColumnInt64(1)]
			if t == nil {
				return nil
			}
			action := stmt.ColumnText(2)
			switch writes := ActionWrites(action); {
			case stmt.ColumnBool(3):
				action = ActionAbsent
			case writes && within(spans, stmt.ColumnInt64(0)):
				t.Restored++
				return nil
			case writes:
				action = actionWaiting
			}
			if others[t.ID] == nil {
				others[t.ID] = make(map[string]int64)
			}
			others[t.ID][action]++
			return nil
		},
	})
}

// within reports whether a row of a plan lies in one of the stretches, which are in order.
func within(spans []span, seq int64) bool {
	at, _ := slices.BinarySearchFunc(spans, seq, func(s span, seq int64) int {
		if s.last < seq {
			return -1
		}
		return 1
	})
	return at < len(spans) && spans[at].first <= seq
}
