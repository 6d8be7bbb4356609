package casefile

import (
	"context"
	"time"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/pg"
)

// Destroyed is what one transaction destroyed of one table, in one way, as the
// ledger has it.
type Destroyed struct {
	evidence.RelationName
	XID        pg.XID
	Operation  evidence.Operation
	CommitTime time.Time // zero: not known
	First      pg.LSN    // of the first record that destroyed a version of it
	Last       pg.LSN
	Versions   int64
	Unsure     int64 // of these: nothing says that the transaction committed
}

// Destroyers are the transactions of the ledger.
type Destroyers struct {
	// List has the transactions that destroyed most, the worst one first, and what each
	// destroyed in the order of its first records.
	List []Destroyed
	// Transactions is how many there are, those included that List leaves out, and Tables
	// how many times a table lost something to one of them.
	Transactions, Tables int64
}

// Destroyed lists what transactions destroyed: at most so many transactions, and
// most lines in all.
func (c *Case) Destroyed(ctx context.Context, transactions, most int) (*Destroyers, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return nil, c.fail(ctx, "read", err)
	}
	d := &Destroyers{}
	err := sqlitex.Execute(c.conn, `WITH part AS MATERIALIZED (
 SELECT xid, relation_id, operation, max(commit_time) AS commit_time, min(lsn) AS first, max(lsn) AS last, count(*) AS n, total(unsure) AS unsure
 FROM ledger GROUP BY xid, relation_id, operation),
worst AS (SELECT xid, sum(n) AS n FROM part GROUP BY xid ORDER BY 2 DESC, xid LIMIT ?1)
SELECT relation.database, relation.schema, relation.name, part.xid, operation, commit_time, first, last, part.n, unsure,
 (SELECT count(*) FROM (SELECT DISTINCT xid FROM part)), (SELECT count(*) FROM (SELECT DISTINCT xid, relation_id FROM part))
FROM part JOIN worst ON worst.xid IS part.xid JOIN relation ON relation.id = relation_id
ORDER BY worst.n DESC, part.xid, first, relation_id, operation LIMIT ?2`, &sqlitex.ExecOptions{
		Args: []any{transactions, most},
		ResultFunc: func(stmt *sqlite.Stmt) error {
			one := Destroyed{
				RelationName: evidence.RelationName{Database: stmt.ColumnText(0), Schema: stmt.ColumnText(1), Name: stmt.ColumnText(2)},
				XID:          pg.XID(stmt.ColumnInt64(3)), Operation: operationOf(stmt.ColumnInt64(4)),
				First: pg.LSN(stmt.ColumnInt64(6)), Last: pg.LSN(stmt.ColumnInt64(7)), Versions: stmt.ColumnInt64(8), Unsure: int64(stmt.ColumnFloat(9)),
			}
			if !stmt.ColumnIsNull(5) {
				one.CommitTime = time.UnixMicro(stmt.ColumnInt64(5)).UTC()
			}
			d.List = append(d.List, one)
			d.Transactions, d.Tables = stmt.ColumnInt64(10), stmt.ColumnInt64(11)
			return nil
		},
	})
	return d, c.fail(ctx, "read the ledger of", err)
}
