package casefile

import (
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
	err := c.each(`SELECT plan_id, first_seq, last_seq FROM plan_batch JOIN plan ON plan.id = plan_id
WHERE plan_batch.state = 'committed' AND plan.state NOT LIKE 'und%' AND ifnull(json_extract(detail, '$.work'), 'apply') = 'apply'
 AND ifnull(json_extract(detail, '$.round'), 0) = (SELECT max(ifnull(json_extract(detail, '$.round'), 0)) FROM plan_batch AS other WHERE other.plan_id = plan.id)
ORDER BY plan_id, first_seq`, func(stmt *sqlite.Stmt) error {
		id := stmt.ColumnInt64(0)
		plans[id] = append(plans[id], span{stmt.ColumnInt64(1), stmt.ColumnInt64(2)})
		return nil
	})
	if err != nil {
		return err
	}
	for id, spans := range plans {
		if err := c.sumRestoredBy(tables, id, spans); err != nil {
			return err
		}
	}
	return nil
}

func (c *Case) sumRestoredBy(tables map[int64]*TableSummary, plan int64, spans []span) error {
	return sqlitex.Execute(c.conn, `SELECT plan_row.seq, row.relation_id FROM plan_row JOIN row ON row.id = json_extract(plan_row.from_rows, '$[0]')
WHERE plan_row.plan_id = ? AND plan_row.action IN ('insert', 'overwrite', 'fill')
 AND NOT EXISTS (SELECT 1 FROM plan_absent WHERE plan_absent.plan_id = plan_row.plan_id AND plan_absent.seq = plan_row.seq)`, &sqlitex.ExecOptions{
		Args: []any{plan},
		ResultFunc: func(stmt *sqlite.Stmt) error {
			seq := stmt.ColumnInt64(0)
			at, _ := slices.BinarySearchFunc(spans, seq, func(s span, seq int64) int {
				if s.last < seq {
					return -1
				}
				return 1
			})
			if t := tables[stmt.ColumnInt64(1)]; t != nil && at < len(spans) && spans[at].first <= seq {
				t.Restored++
			}
			return nil
		},
	})
}
