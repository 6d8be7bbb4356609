package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/jackc/pgx/v5"
	"github.com/pgrescue/pgrescue/recover/pg"
)

// TenantLoss is a database of three tenants in which one transaction deleted all
// rows of tenant 1 while the others worked on.
type TenantLoss struct {
	Database string
	Tables   []LostTable // in the order in which they were deleted from
	XID      pg.XID      // of the top-level transaction that deleted them
	Before   Instant     // before the transaction began
	After    Instant     // after it committed

	cluster *Cluster
}

// LostTable is what a loss took from one table.
type LostTable struct {
	Schema, Name string
	Key          []string // columns of the primary key
	Rows         int      // how many rows were deleted
	// Doomed is COPY's text of them, taken just before, in the order of the key.
	Doomed []byte
}

// String is the table's name as SQL writes it.
func (t LostTable) String() string { return pg.QuoteIdent(t.Schema) + "." + pg.QuoteIdent(t.Name) }

// Lost is the number of deleted rows of all tables.
func (l *TenantLoss) Lost() int {
	total := 0
	for _, table := range l.Tables {
		total += table.Rows
	}
	return total
}

// TenantLossSettings are the settings that BuildTenantLoss needs: all WAL is
// kept, checkpoints come only when asked for, and nothing vacuums unasked.
func TenantLossSettings() map[string]string {
	return map[string]string{
		"autovacuum": "off", "wal_keep_size": "20GB", "max_wal_size": "10GB", "checkpoint_timeout": "1h",
		"maintenance_work_mem": "128MB",
	}
}

// BuildTenantLoss makes the loss in a new database named shop: about size rows in
// three tables, a third of them tenant 1's. The tables have TOAST in every form,
// rows moved and not moved by updates, columns added and dropped, locks, rolled
// back deletes; other tenants insert, update and delete all the while. The
// cluster should have been made with TenantLossSettings.
func BuildTenantLoss(ctx context.Context, c *Cluster, size int) (*TenantLoss, error) {
	loss := &TenantLoss{Database: "shop", cluster: c}
	if err := c.Exec(ctx, "postgres", "CREATE DATABASE shop"); err != nil {
		return nil, err
	}
	if err := c.Exec(ctx, loss.Database, tenantSchema, tenantCompression); err != nil {
		return nil, err
	}
	traffic, err := c.StartTraffic(ctx, loss.Database, tenantTraffic(2), tenantTraffic(3))
	if err != nil {
		return nil, err
	}
	err = loss.live(ctx, size)
	if err == nil {
		err = loss.lose(ctx)
	}
	if err := errors.Join(err, traffic.Stop()); err != nil {
		return nil, fmt.Errorf("cluster: build tenant loss: %w", err)
	}
	return loss, nil
}

// live is the life of the database before the loss.
func (l *TenantLoss) live(ctx context.Context, size int) error {
	c, db := l.cluster, l.Database
	third := max(size/3, 3)
	events, items := third/2*3, third/3*3
	documents := third*3 - events - items
	if err := c.Exec(ctx, db, fmt.Sprintf(loadEvents, 1, events/2), "CHECKPOINT", fmt.Sprintf(loadEvents, events/2+1, events)); err != nil {
		return err
	}
	if err := c.pump(ctx, db, fmt.Sprintf(itemRows, items), "shop.item"); err != nil {
		return err
	}
	steps := []string{fmt.Sprintf(loadDocuments, documents), "CHECKPOINT", "VACUUM shop.item"}
	return c.Exec(ctx, db, append(steps, tenantLife()...)...)
}

// lose copies the doomed rows out and deletes them: three tables in one
// transaction, one of them under a savepoint, and a savepoint that is rolled
// back between them.
func (l *TenantLoss) lose(ctx context.Context) error {
	c := l.cluster
	for _, table := range []LostTable{
		{Schema: "shop", Name: "event", Key: []string{"id"}},
		{Schema: "shop", Name: "item", Key: []string{"order_no", "line"}},
		{Schema: "shop", Name: "document", Key: []string{"id"}},
	} {
		if err := table.copyOut(ctx, c, l.Database, "tenant = 1"); err != nil {
			return err
		}
		l.Tables = append(l.Tables, table)
	}
	var err error
	if l.Before, err = c.Now(ctx); err != nil {
		return err
	}
	err = c.with(ctx, l.Database, func(conn *pgx.Conn) (err error) {
		l.XID, err = transact(ctx, conn, tenantDelete())
		return err
	})
	if err != nil {
		return err
	}
	l.After, err = c.Now(ctx)
	return err
}

// copyOut fills in Rows and Doomed by a condition.
func (t *LostTable) copyOut(ctx context.Context, c *Cluster, db, where string) error {
	order := ""
	for i, column := range t.Key {
		if i > 0 {
			order += ", "
		}
		order += pg.QuoteIdent(column)
	}
	doomed, err := c.CopyOut(ctx, db, fmt.Sprintf("SELECT * FROM %s WHERE %s ORDER BY %s", t, where, order))
	if err != nil {
		return err
	}
	t.Doomed = doomed
	for _, b := range doomed { // a newline within a value is written as \n
		if b == '\n' {
			t.Rows++
		}
	}
	return nil
}

// transact runs statements in one transaction and gives its id.
func transact(ctx context.Context, conn *pgx.Conn, statements []string) (pg.XID, error) {
	if err := execAll(ctx, conn, "BEGIN"); err != nil {
		return 0, err
	}
	if err := execAll(ctx, conn, statements...); err != nil {
		return 0, err
	}
	text, err := queryValue(ctx, conn, "SELECT txid_current() % (1::bigint << 32)")
	if err != nil {
		return 0, err
	}
	var xid pg.XID
	if _, err := fmt.Sscan(text, &xid); err != nil {
		return 0, fmt.Errorf("cluster: read transaction id %q: %w", text, err)
	}
	return xid, execAll(ctx, conn, "COMMIT")
}

// pump copies the rows of a query into a table by COPY, so that they arrive as
// multi-inserts.
func (c *Cluster) pump(ctx context.Context, db, query, table string) error {
	r, w := io.Pipe()
	out := make(chan error, 1)
	go func() {
		err := c.CopyTo(ctx, w, db, query)
		w.CloseWithError(err) // nil makes it an ordinary end
		out <- err
	}()
	err := c.CopyIn(ctx, r, db, table)
	r.CloseWithError(err)
	return errors.Join(err, <-out)
}

// SnapshotCheckpointed copies the data directory to dst after a checkpoint: the
// dead tuples lie in the relation files, untouched.
func (l *TenantLoss) SnapshotCheckpointed(ctx context.Context, dst string) error {
	if err := Checkpoint(ctx, l.cluster); err != nil {
		return err
	}
	return l.cluster.CopyDataDir(dst)
}

// SnapshotCrashed stops the server at once, copies the data directory to dst and
// starts the server again: the relation files are behind the WAL.
func (l *TenantLoss) SnapshotCrashed(ctx context.Context, dst string) error {
	if err := l.cluster.Crash(ctx); err != nil {
		return err
	}
	if err := l.cluster.CopyDataDir(dst); err != nil {
		return err
	}
	return l.cluster.Start(ctx)
}

// SnapshotVacuumed vacuums the hurt tables and copies the data directory to dst:
// the dead tuples are gone from the relation files.
func (l *TenantLoss) SnapshotVacuumed(ctx context.Context, dst string) error {
	for _, table := range l.Tables {
		if err := l.cluster.Exec(ctx, l.Database, "VACUUM (INDEX_CLEANUP ON) "+table.String()); err != nil {
			return err
		}
	}
	return l.SnapshotCheckpointed(ctx, dst)
}
