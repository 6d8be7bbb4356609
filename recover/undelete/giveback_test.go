package undelete_test

import (
	"bytes"
	"context"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/pg"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster/clustertest"
	"github.com/pgrescue/pgrescue/recover/undelete"
)

// TestSQLGivesBack runs the SQL of a loss against the hurt server: deleted rows,
// updated ones, ones whose key changed (also to one that was just given up), ones updated twice or updated and then
// deleted, and rows that only the transaction itself ever saw.
func TestSQLGivesBack(t *testing.T) {
	t.Parallel()
	c := clustertest.Start(t, cluster.Options{Settings: map[string]string{"wal_keep_size": "2GB", "checkpoint_timeout": "1h"}})
	ctx := t.Context()
	scenario := cluster.Scenario{
		Name: "give back",
		Prepare: []cluster.Step{cluster.SQL("postgres", `
			CREATE TABLE "Odd ""Name""" (id int GENERATED ALWAYS AS IDENTITY, "key" int PRIMARY KEY, n numeric, note text, "when" timestamptz, twice int GENERATED ALWAYS AS ("key" * 2) STORED)`,
			`INSERT INTO "Odd ""Name""" ("key", n, note, "when") SELECT i, i / 7.0, CASE i % 5 WHEN 0 THEN NULL WHEN 1 THEN E'it''s \\ a\nline' ELSE repeat('x', i) END, now() FROM generate_series(1, 900) i`, "CHECKPOINT")},
		Doomed: map[string]string{"t": `SELECT * FROM "Odd ""Name""" ORDER BY "key"`},
		Loss: []cluster.Step{cluster.SQL("postgres", `BEGIN;
			UPDATE "Odd ""Name""" SET note = 'lost' WHERE "key" <= 100;
			UPDATE "Odd ""Name""" SET "key" = "key" + 10000 WHERE "key" BETWEEN 101 AND 200;
			UPDATE "Odd ""Name""" SET n = 0 WHERE "key" BETWEEN 10101 AND 10150;
			UPDATE "Odd ""Name""" SET "key" = "key" + 10000 WHERE "key" BETWEEN 10140 AND 10160;
			DELETE FROM "Odd ""Name""" WHERE "key" = 600;
			UPDATE "Odd ""Name""" SET "key" = "key" - 1 WHERE "key" BETWEEN 601 AND 700;
			SAVEPOINT a;
			UPDATE "Odd ""Name""" SET note = 'doomed' WHERE "key" BETWEEN 301 AND 400;
			DELETE FROM "Odd ""Name""" WHERE "key" BETWEEN 301 AND 450;
			SAVEPOINT b; DELETE FROM "Odd ""Name"""; ROLLBACK TO b;
			INSERT INTO "Odd ""Name""" ("key", note) SELECT i, 'mine' FROM generate_series(5000, 5100) i;
			DELETE FROM "Odd ""Name""" WHERE "key" BETWEEN 5000 AND 5100;
			COMMIT`)},
		After: []cluster.Step{cluster.Checkpoint},
	}
	outcome, err := scenario.Run(ctx, c)
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "data")
	if err := c.CopyDataDir(dir); err != nil {
		t.Fatal(err)
	}
	script := giveBackScript(t, dir, biggest(t, dir), func(b *undelete.Balance) bool {
		return b.Intermediate > 0 && b.Updated > 0 && b.Deleted > 0
	})
	if err := c.Exec(ctx, "postgres", script); err != nil {
		t.Fatalf("run the script: %v\n%s", err, script[:min(len(script), 2000)])
	}
	after, err := c.CopyOut(ctx, "postgres", scenario.Doomed["t"])
	if err != nil {
		t.Fatal(err)
	}
	equalRows(t, "given back", after, outcome.Doomed["t"])
}

// TestSQLGivesColumnsBack adds the column again as the script's comment says, and runs the script.
func TestSQLGivesColumnsBack(t *testing.T) {
	t.Parallel()
	c := clustertest.Start(t, cluster.Options{Settings: kindSettings()})
	clustertest.Exec(t, c, "postgres", `CREATE TABLE "Odd" (id int PRIMARY KEY, "it's" varchar(40), n int)`,
		`INSERT INTO "Odd" SELECT i, CASE WHEN i % 3 > 0 THEN E'it''s \\ a\nline ' || i END, i FROM generate_series(1, 400) i`)
	want := clustertest.CopyOut(t, c, "postgres", `SELECT id, n, "it's" FROM "Odd"`)
	xid, err := strconv.ParseUint(clustertest.Value(t, c, "postgres", `ALTER TABLE "Odd" DROP COLUMN "it's"; SELECT txid_current()`), 10, 32)
	if err != nil {
		t.Fatal(err)
	}
	clustertest.Exec(t, c, "postgres", "CHECKPOINT")
	script := giveBackScript(t, clustertest.Snapshot(t, c), pg.XID(xid), func(b *undelete.Balance) bool { return b.Columns == 400 && b.Updated+b.Deleted == 0 })
	const again = `ALTER TABLE "public"."Odd" ADD COLUMN "it's" character varying(40);`
	if !strings.Contains(script, "-- "+again+"\n") {
		t.Errorf("the script does not say how to add the column: %.300s", script)
	}
	clustertest.Exec(t, c, "postgres", again, script)
	equalRows(t, "columns given back", []byte(clustertest.CopyOut(t, c, "postgres", `SELECT * FROM "Odd"`)), []byte(want))
}

// giveBackScript is the SQL of what a transaction destroyed.
func giveBackScript(t *testing.T, dir string, xid pg.XID, expected func(*undelete.Balance) bool) string {
	t.Helper()
	ctx := context.Background()
	ev, _, err := undelete.Open(ctx, undelete.Sources{DataDir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer ev.Close()
	loss, err := undelete.Find(ctx, ev, undelete.Request{XID: xid, GiveBack: true})
	if err != nil {
		t.Fatal(err)
	}
	defer loss.Close()
	if err := loss.Settle(ctx); err != nil {
		t.Fatal(err)
	}
	var script bytes.Buffer
	w, err := evidence.NewWriter(evidence.FormatSQL, &script)
	if err != nil {
		t.Fatal(err)
	}
	err = loss.Recover(ctx, func(*undelete.Table) (evidence.Sink, error) {
		return evidence.SinkFunc(func(row *evidence.Row) error {
			if row.Intermediate {
				return nil
			}
			return w.Put(row)
		}), nil
	})
	if err == nil {
		err = w.Flush()
	}
	if err != nil {
		t.Fatal(err)
	}
	b := loss.Tables()[0].Balance
	if !expected(&b) || b.Settled() != b.Lost {
		t.Errorf("balance %+v", b)
	}
	return script.String()
}
