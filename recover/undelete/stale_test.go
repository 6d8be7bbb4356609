package undelete_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/pgrescue/pgrescue/recover/pg"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster/clustertest"
	"github.com/pgrescue/pgrescue/recover/undelete"
	"github.com/pgrescue/pgrescue/recover/wal"
)

// stoppedCopy gives a copy of the data directory after an ordinary stop, and starts the server again.
func stoppedCopy(t *testing.T, c *cluster.Cluster) string {
	t.Helper()
	dir := stopped(t, c)
	if err := c.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	return dir
}

// newSegment begins a segment and gives its place.
func newSegment(t *testing.T, c *cluster.Cluster) pg.LSN {
	t.Helper()
	clustertest.Exec(t, c, "postgres", "CREATE TABLE IF NOT EXISTS scratch ()", "CHECKPOINT", "SELECT pg_switch_wal()", "CHECKPOINT")
	lsn, err := c.CurrentLSN(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return lsn
}

// TestUnloggedTableInAnOlderCopy has the pages of unlogged tables as they were some
// time before the loss. The WAL does not tell what changed them since, so that nothing
// of them is proven.
func TestUnloggedTableInAnOlderCopy(t *testing.T) {
	t.Parallel()
	c := clustertest.Start(t, cluster.Options{Settings: kindSettings()})
	exec := func(sql ...string) { t.Helper(); clustertest.Exec(t, c, "postgres", sql...) }
	for _, name := range []string{"gone", "narrowed", "later_logged"} {
		exec("CREATE UNLOGGED TABLE "+name+" (id int, t text)", "INSERT INTO "+name+" SELECT i, 'old' FROM generate_series(1, 1000) i")
	}
	from := newSegment(t, c)
	copied := stoppedCopy(t, c)
	xids := make(map[string]pg.XID)
	for name, loss := range map[string]string{
		"gone": "DROP TABLE gone", "narrowed": "ALTER TABLE narrowed DROP COLUMN t", "later_logged": "TRUNCATE later_logged",
	} {
		exec("UPDATE "+name+" SET t = 'new' WHERE id <= 500", "DELETE FROM "+name+" WHERE id > 900", "VACUUM "+name)
		xids[name] = lose(t, c, loss)
	}
	exec("ALTER TABLE later_logged SET LOGGED")
	paths := walFrom(t, stopped(t, c), from)
	for name, xid := range xids {
		r := run(t, undelete.Sources{DataDir: copied, WAL: paths}, func(*undelete.Evidence) undelete.Request { return undelete.Request{XID: xid} }, false)
		tables := r.loss.Tables()
		if len(tables) != 1 || r.loss.Covered || !strings.Contains(r.loss.Uncovered, "unlogged") {
			t.Fatalf("%s: tables %v, covered %t %q", name, tables, r.loss.Covered, r.loss.Uncovered)
		}
		if b := tables[0].Balance; b.Lost != 1000 || b.Derived != b.Lost {
			t.Errorf("%s: %+v", name, b)
		}
	}
}

// TestUnloggedTableBesideTheLoss has a transaction that deletes from a table and from
// an unlogged one, which is vacuumed: nothing names what was in that, and only who
// asks for the other table has a whole ledger.
func TestUnloggedTableBesideTheLoss(t *testing.T) {
	t.Parallel()
	i := newIncident(t, "CREATE UNLOGGED TABLE u AS SELECT * FROM t")
	i.exec("BEGIN; DELETE FROM t WHERE id <= 7; DELETE FROM u; COMMIT", "VACUUM u")
	dir := i.copyOf(cluster.Fast, all)
	xid := firstOf(t, dir, 7)
	r, b := rescueOf(t, dir, undelete.Request{XID: xid})
	if r.loss.Covered || !strings.Contains(r.loss.Uncovered, "public.u is unlogged") || b.Settled() != 7 {
		t.Errorf("covered %t %q, %+v", r.loss.Covered, r.loss.Uncovered, b)
	}
	r = run(t, undelete.Sources{DataDir: dir}, func(ev *undelete.Evidence) undelete.Request {
		return undelete.Request{XID: xid, Tables: tableOf(t, ev)}
	}, false)
	if b := r.loss.Tables()[0].Balance; !r.loss.Covered || b.Settled() != 7 {
		t.Errorf("of t alone: covered %t %q, %+v", r.loss.Covered, r.loss.Uncovered, b)
	}
}

// TestTablesDroppedBeforeTheLoss has a table in the catalogs that was dropped long before
// the loss. That its file is gone is no damage, and says nothing about the loss.
func TestTablesDroppedBeforeTheLoss(t *testing.T) {
	t.Parallel()
	i := newIncident(t, "CREATE TABLE gone AS SELECT id, repeat('x', 10) AS x FROM t", "DROP TABLE gone", "CREATE UNLOGGED TABLE u AS SELECT * FROM t")
	i.exec("DELETE FROM t WHERE id <= 7", "CHECKPOINT")
	dir := i.copyOf(cluster.Fast, all)
	r, b := rescueOf(t, dir, undelete.Request{XID: firstOf(t, dir, 7)})
	if r.loss.Covered || b.Settled() != 7 || len(r.loss.Gaps) > 0 {
		t.Errorf("covered %t, %+v, gaps %v", r.loss.Covered, b, r.loss.Gaps)
	}
}

// TestOnlyAnUnloggedTable has a transaction of which the WAL has the commit and nothing
// else: without a table asked for, the dead tuples still name what it destroyed.
func TestOnlyAnUnloggedTable(t *testing.T) {
	t.Parallel()
	i := newIncident(t, "CREATE UNLOGGED TABLE u AS SELECT * FROM t")
	s, xid := i.session("DELETE FROM u WHERE id <= 7")
	i.do(s, "COMMIT")
	r, _ := rescueOf(t, i.copyOf(cluster.Fast, all), undelete.Request{XID: xid})
	if r.loss.Covered || !strings.Contains(r.loss.Uncovered, "public.u is unlogged") {
		t.Errorf("covered %t %q", r.loss.Covered, r.loss.Uncovered)
	}
	tables := slices.DeleteFunc(r.loss.Tables(), func(t *undelete.Table) bool { return t.Balance.Lost == 0 })
	if len(tables) != 1 || tables[0].Name() != "public.u" || tables[0].Balance.Lost != 7 || tables[0].Balance.Heap != 7 {
		t.Errorf("tables %+v", tables)
	}
}

// TestOlderCommitLog has a pg_xact from before the WAL at hand begins. What it calls in
// progress may have been committed in between: rows that such a transaction made or
// deleted are given out, and said to be unsure.
func TestOlderCommitLog(t *testing.T) {
	t.Parallel()
	c := clustertest.Start(t, cluster.Options{Settings: kindSettings()})
	exec := func(sql ...string) { t.Helper(); clustertest.Exec(t, c, "postgres", sql...) }
	for _, name := range []string{"gone", "narrowed"} {
		exec("CREATE TABLE "+name+" (id int PRIMARY KEY, t text)", "INSERT INTO "+name+" SELECT i, 'row' FROM generate_series(1, 50) i", "VACUUM "+name, "SELECT count(*) FROM "+name)
	}
	exec("CHECKPOINT")
	copied := clustertest.Snapshot(t, c)
	for _, name := range []string{"gone", "narrowed"} {
		exec("DELETE FROM "+name+" WHERE id = 7", "INSERT INTO "+name+" VALUES (51, 'between')")
	}
	from := newSegment(t, c)
	for _, name := range []string{"gone", "narrowed"} {
		exec("INSERT INTO " + name + " VALUES (52, 'late')") // writes an image of the page, and looks at no tuple
	}
	xids := map[string]pg.XID{"gone": lose(t, c, "DROP TABLE gone"), "narrowed": lose(t, c, "ALTER TABLE narrowed DROP COLUMN t")}
	paths := walFrom(t, stopped(t, c), from)
	for name, xid := range xids {
		r := run(t, undelete.Sources{DataDir: copied, WAL: paths}, func(*undelete.Evidence) undelete.Request { return undelete.Request{XID: xid} }, false)
		tables := r.loss.Tables()
		if len(tables) != 1 {
			t.Fatalf("%s: tables %v", name, tables)
		}
		rows := string(r.rows[tables[0].Name()])
		if b := tables[0].Balance; b.Lost != 52 || b.Unsure != 2 || !strings.Contains(rows, "51\tbetween\n") {
			t.Errorf("%s: %+v", name, b)
		}
	}
}

// TestNextSegmentIsGone has an older copy of a table whose first file is full, so that
// another 1 GiB may have followed.
func TestNextSegmentIsGone(t *testing.T) {
	t.Parallel()
	c := clustertest.Start(t, cluster.Options{Settings: kindSettings()})
	exec := func(sql ...string) { t.Helper(); clustertest.Exec(t, c, "postgres", sql...) }
	for _, name := range []string{"gone", "narrowed"} {
		exec("CREATE TABLE "+name+" (id int, t text)", "INSERT INTO "+name+" SELECT i, 'row' FROM generate_series(1, 1000) i")
	}
	from := newSegment(t, c)
	copied := clustertest.Snapshot(t, c)
	files := make(map[string]string)
	for _, name := range []string{"gone", "narrowed"} {
		files[name] = filepath.Join(copied, clustertest.Value(t, c, "postgres", "SELECT pg_relation_filepath('"+name+"')"))
	}
	xids := map[string]pg.XID{"gone": lose(t, c, "DROP TABLE gone"), "narrowed": lose(t, c, "ALTER TABLE narrowed DROP COLUMN t")}
	paths := walFrom(t, stopped(t, c), from)
	for name, xid := range xids {
		look := func(want bool) {
			t.Helper()
			r := run(t, undelete.Sources{DataDir: copied, WAL: paths}, func(*undelete.Evidence) undelete.Request { return undelete.Request{XID: xid} }, false)
			if tables := r.loss.Tables(); len(tables) != 1 || tables[0].Balance.Settled() != 1000 || r.loss.Covered != want {
				t.Errorf("%s: tables %v, covered %t %q", name, tables, r.loss.Covered, r.loss.Uncovered)
			}
		}
		look(true)
		if err := os.Truncate(files[name], pg.SegmentBlocks*pg.BlockSize); err != nil { // it grows, with pages of zeros
			t.Fatal(err)
		}
		look(false)
	}
}

// TestLostRecordBeforeDropColumn damages the one record that deleted a row before the
// columns were dropped. The row must not come back as one that lost its column.
func TestLostRecordBeforeDropColumn(t *testing.T) {
	t.Parallel()
	i := newIncident(t, "DELETE FROM t WHERE id = 1", "DELETE FROM t WHERE id = 50")
	doomed := clustertest.CopyOut(t, i.c, "postgres", "SELECT * FROM t")
	xid := lose(t, i.c, "ALTER TABLE t DROP COLUMN n")
	dir := i.copyOf(cluster.Immediate, all)
	breakDelete(t, dir, 2)
	r, err := tryRun(t, undelete.Sources{DataDir: dir}, func(*undelete.Evidence) undelete.Request { return undelete.Request{XID: xid} }, false)
	if err != nil {
		return // nothing is said to be lost
	}
	if r.loss.Covered {
		t.Error("the ledger claims to be complete, with a record lost")
	}
	for name, rows := range r.rows {
		subsetOf(t, name, rows, []byte(doomed))
	}
}

// breakDelete damages the n-th delete record of ordinary tables in the WAL of a directory.
func breakDelete(t *testing.T, dir string, n int) {
	t.Helper()
	archive, err := wal.OpenArchive([]string{dir}, wal.OpenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer archive.Close()
	var deletes []pg.LSN
	err = wal.Scan(t.Context(), archive, wal.ScanOptions{Workers: 1, Rmgrs: wal.Rmgrs(wal.RmgrHeap)},
		func() *struct{} { return &struct{}{} },
		func(_ *struct{}, rec *wal.Record) error {
			if rec.HeapOp() == wal.HeapDelete && rec.Blocks[0].Relation.Relation >= pg.RelFileNumber(pg.FirstNormalOID) {
				deletes = append(deletes, rec.LSN)
			}
			return nil
		}, func(*struct{}, *wal.Span) error { return nil })
	if err != nil || len(deletes) < n {
		t.Fatalf("%d deletes, %v", len(deletes), err)
	}
	at := deletes[n-1]
	for _, s := range archive.Segments() {
		if at < s.Start || at >= s.Start+pg.LSN(s.Bytes) {
			continue
		}
		data, err := os.ReadFile(s.Path)
		if err != nil {
			t.Fatal(err)
		}
		data[at-s.Start+20] ^= 0xff // its CRC
		if err := os.WriteFile(s.Path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	t.Fatalf("no segment has %s", at)
}
