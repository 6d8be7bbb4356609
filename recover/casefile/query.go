package casefile

import (
	"context"
	"slices"

	"zombiezen.com/go/sqlite"
)

// query is a SELECT that is stepped through while other statements of the case run
// in between.
type query struct {
	c    *Case
	ctx  context.Context
	stmt *sqlite.Stmt
	n    int64
}

// query begins a SELECT with numbers and texts as its parameters.
func (c *Case) query(ctx context.Context, text string, args ...any) (*query, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	stmt, _, err := c.conn.PrepareTransient(text)
	if err != nil {
		return nil, err
	}
	for i, arg := range args {
		switch v := arg.(type) {
		case int64:
			stmt.BindInt64(i+1, v)
		case string:
			stmt.BindText(i+1, v)
		}
	}
	return &query{c: c, ctx: ctx, stmt: stmt}, nil
}

// next steps to the next row and lets read look at it.
func (q *query) next(read func(*sqlite.Stmt) error) (bool, error) {
	q.c.mu.Lock()
	defer q.c.mu.Unlock()
	if q.n%1024 == 0 {
		if err := q.ctx.Err(); err != nil {
			return false, err
		}
	}
	q.n++
	more, err := q.step()
	if err != nil || !more {
		return false, err
	}
	return true, read(q.stmt)
}

// step steps; the first one, which may sort for long, can be interrupted.
func (q *query) step() (bool, error) {
	if q.n > 1 || q.c.run != nil {
		return q.stmt.Step()
	}
	q.c.conn.SetInterrupt(q.ctx.Done())
	more, err := q.stmt.Step()
	q.c.conn.SetInterrupt(nil)
	return more, err
}

func (q *query) close() {
	q.c.mu.Lock()
	defer q.c.mu.Unlock()
	if q.c.conn != nil {
		_ = q.stmt.Finalize() // its error was that of the last step
	}
}

// columnBytes copies a column into buf, which grows as needed.
func columnBytes(stmt *sqlite.Stmt, column int, buf []byte) []byte {
	n := stmt.ColumnLen(column)
	buf = slices.Grow(buf[:0], n)[:n]
	return buf[:stmt.ColumnBytes(column, buf)]
}
