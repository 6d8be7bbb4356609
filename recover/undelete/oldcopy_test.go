package undelete_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/pgrescue/pgrescue/recover/pg"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster/clustertest"
	"github.com/pgrescue/pgrescue/recover/undelete"
)

// TestOldCopyIsNotTheTruth has a copy of the data directory that is older than the
// checkpoint before the loss. What lies in its files counts only as far as the WAL
// says that nothing has changed it since.
func TestOldCopyIsNotTheTruth(t *testing.T) {
	t.Parallel()
	c := clustertest.Start(t, cluster.Options{Settings: kindSettings()})
	exec := func(sql ...string) { t.Helper(); clustertest.Exec(t, c, "postgres", sql...) }
	for _, name := range []string{"lostcolumn", "shrunk", "hole"} {
		exec("CREATE TABLE "+name+" (id int PRIMARY KEY, t text)", "INSERT INTO "+name+" SELECT i, repeat('x', 100) FROM generate_series(1, 2000) i")
	}
	exec("CHECKPOINT", "SELECT pg_switch_wal()", "CHECKPOINT")
	from, err := c.CurrentLSN(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	copied := clustertest.Snapshot(t, c)
	exec("UPDATE lostcolumn SET t = 'changed' WHERE id % 200 = 0", "DELETE FROM lostcolumn WHERE id % 100 = 1", "DELETE FROM shrunk WHERE id > 100", "VACUUM shrunk")
	exec("CREATE TABLE scratch ()", "SELECT pg_switch_wal()", "CREATE TABLE scratch2 ()")
	lost, err := c.CurrentLSN(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	exec("UPDATE hole SET t = 'changed' WHERE id % 2 = 0", "SELECT pg_switch_wal()", "CHECKPOINT", "CREATE TABLE scratch3 ()", "SELECT pg_switch_wal()", "CHECKPOINT")
	exec("UPDATE hole SET t = 'changed again' WHERE id = 2000")
	doomed := make(map[string]string)
	xids := make(map[string]pg.XID)
	for _, loss := range []struct{ table, rows, statement string }{
		{"lostcolumn", "SELECT id, t FROM lostcolumn", "ALTER TABLE lostcolumn DROP COLUMN t"},
		{"shrunk", "SELECT * FROM shrunk", "DROP TABLE shrunk"},
		{"hole", "SELECT * FROM hole", "DROP TABLE hole"},
	} {
		doomed[loss.table] = clustertest.CopyOut(t, c, "postgres", loss.rows)
		xids[loss.table] = lose(t, c, loss.statement)
	}
	paths := walFrom(t, stopped(t, c), from)
	request := func(name string) func(*undelete.Evidence) undelete.Request {
		return func(*undelete.Evidence) undelete.Request { return undelete.Request{XID: xids[name]} }
	}
	for _, name := range []string{"lostcolumn", "shrunk"} {
		r := run(t, undelete.Sources{DataDir: copied, WAL: paths}, request(name), false)
		tables := r.loss.Tables()
		if len(tables) != 1 || !r.loss.Covered {
			t.Fatalf("%s: tables %v, covered %t %q", name, tables, r.loss.Covered, r.loss.Uncovered)
		}
		equalRows(t, name, r.rows[tables[0].Name()], []byte(doomed[name]))
	}
	short := slices.DeleteFunc(slices.Clone(paths), func(path string) bool { return strings.HasSuffix(path, fmt.Sprintf("%08X", uint64(lost)>>24)) })
	r, err := tryRun(t, undelete.Sources{DataDir: copied, WAL: short}, request("hole"), false)
	if err != nil {
		if !errors.Is(err, undelete.ErrFilesRemoved) {
			t.Fatal(err)
		}
		return
	}
	tables := r.loss.Tables()
	if len(tables) != 1 || r.loss.Covered || len(short) != len(paths)-1 {
		t.Fatalf("hole: tables %v, covered %t, %d of %d segments", tables, r.loss.Covered, len(short), len(paths))
	}
	subsetOf(t, "hole", r.rows[tables[0].Name()], []byte(doomed["hole"]))
}
