package casefile

import (
	"context"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/pg"
)

// Conflict is a version of a row on which routes disagree.
type Conflict struct {
	*evidence.Relation
	TID        pg.TID
	Xmin, Xmax pg.XID
	Sides      []Side // in the order of trust
}

// Side is what one route says of it; Values are those of the Relation's columns.
type Side struct {
	Route      evidence.Route
	Confidence evidence.Confidence
	Source     string
	Values     []evidence.Value
}

// placeInConflict is where a version lies on which routes disagree.
type placeInConflict struct{ relation, place, xmin, xmax int64 }

// Conflicts lists some of the versions that Summary counts as in conflict, most at
// the most: table by table, in the order of their places.
func (c *Case) Conflicts(ctx context.Context, most int) ([]Conflict, error) {
	_, shapes, err := c.readShapes()
	if err != nil {
		return nil, c.fail(ctx, "read", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return nil, c.fail(ctx, "read", err)
	}
	var places []placeInConflict
	err = sqlitex.Execute(c.conn, `SELECT relation_id, place, xmin, xmax FROM row WHERE origin = 0 AND unknown = 0
GROUP BY relation_id, place, xmin, xmax HAVING count(DISTINCT route) > 1 AND min(data) <> max(data) ORDER BY 1, 2, 3, 4 LIMIT ?`, &sqlitex.ExecOptions{
		Args: []any{most},
		ResultFunc: func(stmt *sqlite.Stmt) error {
			places = append(places, placeInConflict{stmt.ColumnInt64(0), stmt.ColumnInt64(1), stmt.ColumnInt64(2), stmt.ColumnInt64(3)})
			return nil
		},
	})
	var list []Conflict
	for i := range places {
		if err == nil {
			var one Conflict
			one, err = c.conflictAt(&places[i], shapes)
			if len(one.Sides) > 1 {
				list = append(list, one)
			}
		}
	}
	return list, c.fail(ctx, "read conflicts of", err)
}

// conflictAt reads what routes say of one version. A side of another shape than the
// first one cannot be set beside it, and is left out.
func (c *Case) conflictAt(at *placeInConflict, shapes map[int64]*evidence.Relation) (Conflict, error) {
	one := Conflict{
		TID:  pg.TID{Block: pg.BlockNumber(at.place >> 16), Offset: pg.OffsetNumber(at.place & 0xffff)},
		Xmin: pg.XID(at.xmin), Xmax: pg.XID(at.xmax),
	}
	err := sqlitex.Execute(c.conn, `SELECT shape_id, route, confidence, text.text, data FROM row LEFT JOIN text ON text.id = source_id
WHERE relation_id = ? AND route IN (1, 2, 3, 4, 5, 6, 7) AND place = ? AND xmin = ? AND xmax = ? AND origin = 0 AND unknown = 0 ORDER BY route, lsn, row.id`, &sqlitex.ExecOptions{
		Args: []any{at.relation, at.place, at.xmin, at.xmax},
		ResultFunc: func(stmt *sqlite.Stmt) error {
			rel := shapes[stmt.ColumnInt64(0)]
			if one.Relation == nil {
				one.Relation = rel
			}
			side := Side{Route: routeOf(stmt.ColumnInt64(1)), Confidence: confidenceOf(stmt.ColumnInt64(2)), Source: stmt.ColumnText(3)}
			var err error
			if side.Values, err = ParseValues(nil, columnBytes(stmt, 4, nil)); err != nil {
				return err
			}
			if rel != nil && rel == one.Relation && len(side.Values) == len(rel.Columns) {
				one.Sides = append(one.Sides, side)
			}
			return nil
		},
	})
	return one, err
}
