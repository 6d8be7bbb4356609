package casefile

import (
	"context"
	"fmt"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/pgrescue/pgrescue/recover/evidence"
)

// someRewritten is how many rows are read before those that changed are written.
const someRewritten = 1000

// Rewrite shows change each row of a table that a route found, those of the run in
// progress included, in the order in which they came. Where change says that it gave the
// row other values or origins, the row keeps its place and its identity, and is of this
// run from then on. It returns how many were changed.
func (r *Run) Rewrite(relationID int64, route evidence.Route, change func(row *evidence.Row) bool) (changed int64, err error) {
	if err := r.pipe.flush(); err != nil {
		return 0, r.c.fail(r.ctx, "take rows into", err)
	}
	w := &rewriter{run: r, relation: relationID, route: route, change: change}
	for more := true; more && err == nil; {
		if more, err = w.some(); err == nil {
			err = r.do("rewrite rows of", w.write)
		}
	}
	return w.n, err
}

// rewriter rewrites the rows of a table. None is changed while it is read.
type rewriter struct {
	run      *Run
	relation int64
	route    evidence.Route
	change   func(*evidence.Row) bool
	after    int64 // the last row that was read
	rows     []rewritten
	n        int64
}

type rewritten struct {
	id  int64
	row evidence.Row
}

// some reads some rows, and keeps those that change; more says whether others follow.
func (w *rewriter) some() (more bool, err error) {
	w.rows = w.rows[:0]
	read := 0
	query := fmt.Sprintf(" WHERE row.relation_id = %d AND row.route = %d AND row.id > %d ORDER BY row.id LIMIT %d", w.relation, routeID(w.route), w.after, someRewritten)
	err = w.run.c.scanRows(w.run.ctx, query, func(found *Candidate) error {
		read++
		w.after = found.ID
		if w.change(&found.Row) {
			w.rows = append(w.rows, rewritten{found.ID, found.Row.Clone()})
		}
		return nil
	})
	return read == someRewritten, err
}

// write writes the rows that changed.
func (w *rewriter) write() error {
	var b pipeBatch
	for i := range w.rows {
		row := &w.rows[i].row
		var rec record
		rec.encode(&b, shape{key: keyColumns(row.Relation)}, row.Values, row.Successor)
		rec.encodeOrigins(&b, row)
		if err := w.run.c.readNumbers(&rec, w.rows[i].id); err != nil {
			return err
		}
		rec.numbers[recordNumbers-1] = unknownValues(row.Values)
		data, rest := b.text[:rec.data], b.text[rec.data:]
		key, rest := rest[:rec.key], rest[rec.key:]
		err := sqlitex.Execute(w.run.c.conn, "UPDATE row SET run_id = ?, unknown = ?, data = ?, key = ?, successor = ?, origins = ?, sum = ? WHERE id = ?",
			&sqlitex.ExecOptions{Args: []any{
				w.run.id, rec.numbers[recordNumbers-1], string(data), orNull(string(key)), orNull(string(rest[:rec.successor])), orNull(string(rest[rec.successor:])),
				int64(rec.checksum(b.text)), w.rows[i].id,
			}})
		if err != nil {
			return err
		}
		w.n++
	}
	return nil
}

// readNumbers reads the numbers of a row.
func (c *Case) readNumbers(rec *record, id int64) error {
	const query = `SELECT relation_id, run_id, shape_id, route, confidence, place, lsn, xmin, xmax, origin, nth, source_id, line,
 operation, commit_time, note_id, intermediate, moved, unknown FROM row WHERE id = ?`
	return sqlitex.Execute(c.conn, query, &sqlitex.ExecOptions{Args: []any{id}, ResultFunc: func(stmt *sqlite.Stmt) error {
		for i := range rec.numbers {
			rec.numbers[i] = stmt.ColumnInt64(i)
		}
		return nil
	}})
}

// scanRows reads rows as they lie, with the columns of their own shape. A row is valid
// until read returns.
func (c *Case) scanRows(ctx context.Context, where string, read func(*Candidate) error) error {
	s, err := c.newRowScan()
	if err != nil {
		return c.fail(ctx, "read rows of", err)
	}
	if s.rows, err = c.query(ctx, fmt.Sprintf(selectRow, c.originsColumn(), "'[]'")+where); err != nil {
		return c.fail(ctx, "read rows of", err)
	}
	defer s.rows.close()
	for {
		more, err := s.rows.next(s.scan)
		if err != nil || !more {
			return c.fail(ctx, "read rows of", err)
		}
		if err := read(&s.candidate); err != nil {
			return err
		}
	}
}

// Rows reads the rows of a table that a route found, in the order in which they came, those
// of the run in progress included. A row is valid until read returns.
func (c *Case) Rows(ctx context.Context, relationID int64, route evidence.Route, read func(row *evidence.Row) error) error {
	if run := c.inProgress(); run != nil {
		if err := run.pipe.flush(); err != nil {
			return c.fail(ctx, "take rows into", err)
		}
	}
	query := fmt.Sprintf(" WHERE row.relation_id = %d AND row.route = %d ORDER BY row.id", relationID, routeID(route))
	return c.scanRows(ctx, query, func(found *Candidate) error { return read(&found.Row) })
}
