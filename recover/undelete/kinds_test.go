package undelete_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/pg"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster/clustertest"
	"github.com/pgrescue/pgrescue/recover/undelete"
)

// kind is one way to lose rows. All kinds of a table share one server, each in
// a schema of its own that its statements find without naming it.
type kind struct {
	name    string
	prepare []string
	// doomed has a query for each table whose rows the loss destroys; the rows of
	// the ledger but for those that the transaction made itself must be the same.
	doomed map[string]string
	loss   []string // one transaction
	end    string   // how it ends; "": COMMIT
	after  []string // each a transaction of its own

	updated int64 // of the loss's versions, how many were replaced and not deleted
	made    int64 // how many the transaction had made itself
	// fails is what Find says in the place of a ledger.
	fails error
	// rolledBack is how many versions were touched by parts of it that were rolled back.
	rolledBack int64
	from       int // the first major version that has the statements; 0: all
}

// played is a kind that has happened.
type played struct {
	*kind
	schema string
	xid    pg.XID
	rows   map[string][]byte // doomed, as COPY gave them
}

// playKinds plays kinds on one server, one after the other.
func playKinds(t *testing.T, c *cluster.Cluster, version string, kinds []kind) []played {
	t.Helper()
	major, err := strconv.Atoi(version)
	if err != nil {
		t.Fatal(err)
	}
	var all []played
	for i := range kinds {
		if kinds[i].from > major {
			continue
		}
		p := played{kind: &kinds[i], schema: fmt.Sprintf("k%d", i), rows: make(map[string][]byte)}
		if err := p.play(t.Context(), c); err != nil {
			t.Fatalf("%s: %v", p.name, err)
		}
		all = append(all, p)
	}
	return all
}

func (p *played) play(ctx context.Context, c *cluster.Cluster) error {
	conn, err := c.Connect(ctx, "postgres")
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	run := func(texts ...string) {
		for _, text := range texts {
			if err == nil {
				if _, err = conn.PgConn().Exec(ctx, text).ReadAll(); err != nil {
					err = fmt.Errorf("%s: %w", text, err)
				}
			}
		}
	}
	run("CREATE SCHEMA "+p.schema, "SET search_path = "+p.schema)
	run(p.prepare...)
	for table, query := range p.doomed {
		var out bytes.Buffer
		if err == nil {
			_, err = conn.PgConn().CopyTo(ctx, &out, "COPY ("+query+") TO STDOUT")
		}
		p.rows[table] = out.Bytes()
	}
	run("BEGIN")
	run(p.loss...)
	if err == nil {
		p.xid, err = currentXID(ctx, conn)
	}
	end := p.end
	if end == "" {
		end = "COMMIT"
	}
	run(end)
	run(p.after...)
	return err
}

// currentXID asks for the toplevel transaction by the function that all versions have.
func currentXID(ctx context.Context, conn *pgx.Conn) (pg.XID, error) {
	var xid int64
	err := conn.QueryRow(ctx, "SELECT txid_current()").Scan(&xid)
	return pg.FullXID(xid).XID(), err
}

// rescueKinds stops the server and rescues every kind, from files and WAL and
// from WAL alone.
func rescueKinds(t *testing.T, c *cluster.Cluster, kinds []played) {
	t.Helper()
	clustertest.Exec(t, c, "postgres", "CREATE TABLE flush ()") // a rollback does not write the log out
	if err := c.Stop(t.Context(), cluster.Fast); err != nil {
		t.Fatal(err)
	}
	rescueKindsFrom(t, clustertest.Snapshot(t, c), kinds)
}

// rescueKindsFrom rescues every kind from a copy of the data directory.
func rescueKindsFrom(t *testing.T, dir string, kinds []played) {
	t.Helper()
	ev, gaps, err := undelete.Open(context.Background(), undelete.Sources{DataDir: dir})
	if err != nil || len(gaps) > 0 {
		t.Fatalf("open: %v, gaps %v", err, gaps)
	}
	defer ev.Close()
	for _, route := range []string{"both routes", "wal alone"} {
		if route == "wal alone" {
			ev.DataDir = ""
		}
		for i := range kinds {
			t.Run(kinds[i].name+", "+route, func(t *testing.T) { kinds[i].rescue(t, ev) })
		}
	}
}

func (p *played) rescue(t *testing.T, ev *undelete.Evidence) {
	ctx := context.Background()
	loss, err := undelete.Find(ctx, ev, undelete.Request{XID: p.xid})
	if loss != nil {
		defer loss.Close()
	}
	if p.fails != nil {
		if !errors.Is(err, p.fails) {
			t.Errorf("find transaction %d: %v", p.xid, err)
		}
		return
	}
	if err != nil {
		t.Fatalf("find transaction %d: %v", p.xid, err)
	}
	if !loss.Covered || len(loss.Gaps) > 0 {
		t.Errorf("covered %t %s, gaps %v", loss.Covered, loss.Uncovered, loss.Gaps)
	}
	if err := loss.Settle(ctx); err != nil {
		t.Fatal(err)
	}
	rows, made := p.recover(t, loss)
	var updated int64
	for _, table := range loss.Tables() {
		checkLedger(t, loss, table)
		b := table.Balance
		updated += b.Updated
		if !b.Balances() || b.Settled() != b.Lost {
			t.Errorf("%s: %+v", table.Name(), b)
		}
	}
	var rolledBack int64
	for _, part := range loss.RolledBack {
		rolledBack += part.Deleted + part.Updated
		if !part.Own {
			t.Errorf("not known to be a part of it: %+v", part)
		}
	}
	if rolledBack != p.rolledBack {
		t.Errorf("%d versions were rolled back, want %d", rolledBack, p.rolledBack)
	}
	if updated != p.updated || made != p.made {
		t.Errorf("%d versions were updated, %d made by the transaction; want %d, %d", updated, made, p.updated, p.made)
	}
	for table, want := range p.rows {
		equalRows(t, table, rows[table], want)
		delete(rows, table)
	}
	for table, more := range rows {
		t.Errorf("%s: rows that were not doomed: %q", table, short(more))
	}
}

// recover collects the rows of each table that the transaction had not made
// itself, as COPY text, and counts those that it had.
func (p *played) recover(t *testing.T, loss *undelete.Loss) (rows map[string][]byte, made int64) {
	t.Helper()
	buffers := make(map[string]*bytes.Buffer)
	var writers []*evidence.Writer
	err := loss.Recover(context.Background(), func(table *undelete.Table) (evidence.Sink, error) {
		name := strings.TrimPrefix(table.Name(), p.schema+".")
		for _, suffix := range []string{" (its former file ", " (dropped by ", " (truncated by "} {
			name, _, _ = strings.Cut(name, suffix)
		}
		buffer := buffers[name]
		if buffer == nil {
			buffer = new(bytes.Buffer)
			buffers[name] = buffer
		}
		w, err := evidence.NewWriter(evidence.FormatCopy, buffer)
		writers = append(writers, w)
		return evidence.SinkFunc(func(row *evidence.Row) error {
			if row.Intermediate {
				made++
				return nil
			}
			return w.Put(row)
		}), err
	})
	for _, w := range writers {
		err = errors.Join(err, w.Flush())
	}
	if err != nil {
		t.Fatal(err)
	}
	rows = make(map[string][]byte)
	for name, buffer := range buffers {
		if buffer.Len() > 0 {
			rows[name] = buffer.Bytes()
		}
	}
	return rows, made
}

func TestKindsOfLoss(t *testing.T) {
	t.Parallel()
	clustertest.EachVersion(t, func(t *testing.T, version string) {
		t.Parallel()
		kindsOfLoss(t, version)
	})
}

func kindsOfLoss(t *testing.T, version string) {
	t.Helper()
	c := clustertest.Start(t, cluster.Options{Version: version, Settings: kindSettings()})
	kinds := playKinds(t, c, version, slices.Concat(cascadeKinds(), changeKinds(), endKinds(), familyKinds(), columnKinds()))
	if len(kinds) < 15 || !slices.ContainsFunc(kinds, func(p played) bool { return p.updated > 0 }) {
		t.Fatalf("only %d kinds were played", len(kinds))
	}
	rescueKinds(t, c, append(kinds, playSpeculative(t, c)))
}

// TestKindsWithOldTuples plays kinds whose records carry the old row for logical decoding.
func TestKindsWithOldTuples(t *testing.T) {
	t.Parallel()
	settings := kindSettings()
	settings["wal_level"] = "logical"
	c := clustertest.Start(t, cluster.Options{Settings: settings})
	kinds := slices.Concat(cascadeKinds(), changeKinds(), endKinds(), familyKinds())
	for i := range kinds {
		kinds[i].prepare = append(slices.Clone(kinds[i].prepare), `DO $$ DECLARE t regclass; BEGIN
			FOR t IN SELECT oid FROM pg_class WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace LOOP
				EXECUTE format('ALTER TABLE %s REPLICA IDENTITY FULL', t); END LOOP; END $$`)
	}
	rescueKinds(t, c, playKinds(t, c, clustertest.DefaultVersion, kinds))
}

func kindSettings() map[string]string {
	return map[string]string{"wal_keep_size": "2GB", "checkpoint_timeout": "1h"}
}
