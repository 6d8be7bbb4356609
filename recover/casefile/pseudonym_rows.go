package casefile

import (
	"os"
	"slices"
	"strings"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"
)

// pseudonymize replaces the values of the personal columns in the copy of case.db at
// path, and writes the result to another file, so that nothing of them stays in
// pages that are free. It returns that file.
func (e *export) pseudonymize(path, result string) (string, error) {
	conn, err := sqlite.OpenConn(path, sqlite.OpenReadWrite)
	if err != nil {
		return "", err
	}
	copied := &Case{dir: path, conn: conn}
	defer copied.Close()
	if copied.version, err = copied.number("PRAGMA user_version"); err != nil {
		return "", err
	}
	done := e.opts.Progress("replacing values", 0)
	p := &pseudonyms{c: copied, personal: e.opts.Personal, key: e.opts.Key, used: make([]bool, len(e.opts.Personal)), ctx: e.ctx, done: done}
	for _, pragma := range []string{"PRAGMA journal_mode = MEMORY", "PRAGMA synchronous = OFF"} { // it is thrown away when anything goes wrong
		if err := sqlitex.ExecuteTransient(conn, pragma, nil); err != nil {
			return "", err
		}
	}
	if err := p.run(); err != nil {
		return "", err
	}
	e.result.Replaced = p.replaced
	for _, column := range e.opts.Personal {
		e.result.Columns = append(e.result.Columns, column.String())
	}
	if err := copied.vacuumInto(e.ctx, result); err != nil {
		return "", err
	}
	return result, os.Remove(path)
}

// someRows is how many rows are replaced between two looks at the clock.
const someRows = 1000

// replacedRow is a row, or a row of a plan, with its new texts.
type replacedRow struct {
	id      int64 // of a row; of a plan, its seq
	texts   [3][]byte
	origins []byte
	sum     int32
}

// rows replaces values in the rows of one shape.
func (p *pseudonyms) rows(shapeID int64, s personalShape) error {
	selectRows := "SELECT " + p.c.rowColumns() + ", id FROM row WHERE shape_id = ? AND id > ? ORDER BY id LIMIT ?"
	if len(s.places) == 0 {
		selectRows = strings.Replace(selectRows, "AND id", "AND origins IS NOT NULL AND id", 1)
	}
	places := [3][]int{s.inKey, s.places, s.places}
	return p.batches(func(after int64) ([]replacedRow, error) {
		var list []replacedRow
		err := sqlitex.Execute(p.c.conn, selectRows, &sqlitex.ExecOptions{Args: []any{shapeID, after, someRows}, ResultFunc: func(stmt *sqlite.Stmt) error {
			row := replacedRow{id: stmt.ColumnInt64(recordNumbers + 5)}
			if err := p.texts(stmt, recordNumbers, &row, places); err != nil {
				return err
			}
			var rec record
			for i := range rec.numbers {
				rec.numbers[i] = stmt.ColumnInt64(i)
			}
			if !stmt.ColumnIsNull(recordNumbers + 3) {
				var err error
				if row.origins, err = withoutWhy(columnBytes(stmt, recordNumbers+3, nil)); err != nil {
					return err
				}
			}
			text := slices.Concat(row.texts[1], row.texts[0], row.texts[2], row.origins)
			row.sum = rec.checksum(text)
			list = append(list, row)
			return nil
		}})
		return list, err
	}, func(row *replacedRow) error {
		err := sqlitex.Execute(p.c.conn, "UPDATE row SET key = ?, data = ?, successor = ?, sum = ? WHERE id = ?",
			&sqlitex.ExecOptions{Args: []any{textOrNull(row.texts[0]), textOrNull(row.texts[1]), textOrNull(row.texts[2]), int64(row.sum), row.id}})
		if err == nil && row.origins != nil {
			err = sqlitex.Execute(p.c.conn, "UPDATE row SET origins = ? WHERE id = ?", &sqlitex.ExecOptions{Args: []any{string(row.origins), row.id}})
		}
		return err
	})
}

// planRows replaces values in the rows of one table of a plan.
func (p *pseudonyms) planRows(plan, table int64, places, inKey []int) error {
	if len(places)+len(inKey) == 0 {
		return nil
	}
	wanted := [3][]int{inKey, places, places}
	return p.batches(func(after int64) ([]replacedRow, error) {
		var list []replacedRow
		err := sqlitex.Execute(p.c.conn, "SELECT key, data, before, seq FROM plan_row WHERE plan_id = ? AND tbl = ? AND seq > ? ORDER BY seq LIMIT ?",
			&sqlitex.ExecOptions{Args: []any{plan, table, after, someRows}, ResultFunc: func(stmt *sqlite.Stmt) error {
				row := replacedRow{id: stmt.ColumnInt64(3)}
				err := p.texts(stmt, 0, &row, wanted)
				list = append(list, row)
				return err
			}})
		return list, err
	}, func(row *replacedRow) error {
		return sqlitex.Execute(p.c.conn, "UPDATE plan_row SET key = ?, data = ?, before = ? WHERE plan_id = ? AND tbl = ? AND seq = ?",
			&sqlitex.ExecOptions{Args: []any{textOrNull(row.texts[0]), textOrNull(row.texts[1]), textOrNull(row.texts[2]), plan, table, row.id}})
	})
}

// texts replaces values in three columns of a line.
func (p *pseudonyms) texts(stmt *sqlite.Stmt, from int, row *replacedRow, places [3][]int) error {
	for i := range row.texts {
		if stmt.ColumnIsNull(from + i) {
			continue
		}
		var err error
		if row.texts[i], err = p.replace(columnBytes(stmt, from+i, nil), places[i]); err != nil {
			return err
		}
	}
	return nil
}

// batches reads and writes some rows at a time: no table is changed while it is read.
func (p *pseudonyms) batches(read func(after int64) ([]replacedRow, error), write func(*replacedRow) error) error {
	after := int64(-1 << 63)
	for {
		if err := p.ctx.Err(); err != nil {
			return err
		}
		list, err := read(after)
		if err != nil || len(list) == 0 {
			return err
		}
		for i := range list {
			if err := write(&list[i]); err != nil {
				return err
			}
			p.done(int64(len(list[i].texts[1])))
		}
		after = list[len(list)-1].id
	}
}

// textOrNull is a text as a parameter; nil is NULL.
func textOrNull(text []byte) any {
	if text == nil {
		return nil
	}
	return string(text)
}

// sealPlan makes the hash of a plan's rows anew, and says that the plan is not to be applied.
func (p *pseudonyms) sealPlan(id int64) error {
	sum, _, err := p.c.hashPlanRows(p.ctx, id)
	if err != nil {
		return err
	}
	return sqlitex.Execute(p.c.conn, "UPDATE plan SET rows_hash = ?, state = ? WHERE id = ?", &sqlitex.ExecOptions{Args: []any{sum, planPseudonymized, id}})
}

// planPseudonymized is the state of a plan whose values are not those of the rows any more.
const planPseudonymized = "pseudonymized"
