package casefile

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/pgrescue/pgrescue/recover/pg"
)

// The states of a batch.
const (
	BatchBegun     = "begun"     // its COMMIT may have been sent
	BatchCommitted = "committed" // the server said so
	BatchAborted   = "aborted"   // the server, or pg_xact_status, said so
	BatchUndone    = "undone"
)

// The works that batches are of.
const (
	WorkApply = "apply"
	WorkUndo  = "undo"
)

// Batch is one transaction in the target that applied rows of a plan. It is
// durable in the case before the transaction's COMMIT is sent.
type Batch struct {
	Batch             int64 // in the plan
	Table             int   // of the plan; -1: of several
	FirstSeq, LastSeq int64
	Work              string
	Round             int        // an apply and the undo of it are one round
	XID               pg.FullXID // of the target
	State             string
	Detail            json.RawMessage // what else `restore` must know, as JSON
	CommittedAt       time.Time       // zero: not known to be committed
}

// BeginBatch notes a batch before its COMMIT. It is durable when it returns, and
// so refused while the run in progress has a transaction of its own.
func (c *Case) BeginBatch(ctx context.Context, planID int64, b Batch) error {
	return c.alone(ctx, "note a batch in", `INSERT OR REPLACE INTO plan_batch (plan_id, batch, tbl, first_seq, last_seq, work, round, xid, state, detail, committed_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, NULL)`, planID, b.Batch, int64(b.Table), b.FirstSeq, b.LastSeq, b.Work, int64(b.Round), strconv.FormatUint(uint64(b.XID), 10),
		BatchBegun, orNull(string(b.Detail)))
}

// CommitBatch notes how a batch ended.
func (c *Case) CommitBatch(ctx context.Context, planID, batch int64, state string) error {
	var at any
	if state == BatchCommitted {
		at = micros(time.Now())
	}
	return c.alone(ctx, "note a batch in", "UPDATE plan_batch SET state = ?, committed_at = ifnull(?, committed_at) WHERE plan_id = ? AND batch = ?",
		state, at, planID, batch)
}

// UndoBatches notes that the rows of a plan from a sequence number on were taken back: the
// batches that applied them, and nothing else, are undone.
func (c *Case) UndoBatches(ctx context.Context, planID, fromSeq int64) error {
	return c.alone(ctx, "note undone batches in", `UPDATE plan_batch SET state = ? WHERE plan_id = ? AND first_seq >= ? AND state = ? AND work = ?`,
		BatchUndone, planID, fromSeq, BatchCommitted, WorkApply)
}

// SetAbsent notes which rows of a plan were not found in the target, in place of those
// that were noted before.
func (c *Case) SetAbsent(ctx context.Context, planID int64, seqs []int64) error {
	text, err := json.Marshal(seqs)
	if err != nil {
		return c.fail(ctx, "note absent rows in", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.fail(ctx, "note absent rows in", c.atomic(func() error {
		if err := c.writePlans("DELETE FROM plan_absent WHERE plan_id = ?", planID); err != nil {
			return err
		}
		return c.writePlans("INSERT OR IGNORE INTO plan_absent SELECT ?, value FROM json_each(?)", planID, string(text))
	}))
}

// alone runs one statement as a transaction of its own.
func (c *Case) alone(ctx context.Context, op, query string, args ...any) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.conn.AutocommitEnabled() {
		return c.fail(ctx, op, errRunOpen)
	}
	return c.fail(ctx, op, c.writePlans(query, args...))
}

// writePlans runs one statement that changes plans or batches, and makes their digests anew.
func (c *Case) writePlans(query string, args ...any) error {
	return c.atomic(func() error {
		if err := sqlitex.Execute(c.conn, query, &sqlitex.ExecOptions{Args: args}); err != nil {
			return err
		}
		return c.digest(planTables())
	})
}

// Batches lists the batches of a plan in order.
func (c *Case) Batches(ctx context.Context, planID int64) ([]Batch, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var list []Batch
	err := sqlitex.Execute(c.conn, "SELECT batch, tbl, first_seq, last_seq, xid, state, detail, committed_at, work, round FROM plan_batch WHERE plan_id = ? ORDER BY batch",
		&sqlitex.ExecOptions{Args: []any{planID}, ResultFunc: func(stmt *sqlite.Stmt) error {
			xid, err := strconv.ParseUint(stmt.ColumnText(4), 10, 64)
			if err != nil {
				return failure("read batches of", c.dir, ErrDamaged, fmt.Errorf("batch %d: %w", stmt.ColumnInt64(0), err), hintDamaged)
			}
			b := Batch{
				Batch: stmt.ColumnInt64(0), Table: stmt.ColumnInt(1), FirstSeq: stmt.ColumnInt64(2), LastSeq: stmt.ColumnInt64(3),
				XID: pg.FullXID(xid), State: stmt.ColumnText(5), Work: stmt.ColumnText(8), Round: stmt.ColumnInt(9),
			}
			if text := stmt.ColumnText(6); text != "" {
				b.Detail = json.RawMessage(text)
			}
			if !stmt.ColumnIsNull(7) {
				b.CommittedAt = time.UnixMicro(stmt.ColumnInt64(7)).UTC()
			}
			list = append(list, b)
			return nil
		}})
	return list, c.fail(ctx, "read batches of", err)
}
