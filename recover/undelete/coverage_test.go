package undelete_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/pgrescue/pgrescue/recover/catalog"
	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/pg"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster/clustertest"
	"github.com/pgrescue/pgrescue/recover/undelete"
	"github.com/pgrescue/pgrescue/recover/wal"
	"github.com/pgrescue/pgrescue/recover/wal/xact"
)

// incident is a server on which a test makes a loss by hand, with small segments
// so that WAL can be taken away in the middle of it.
type incident struct {
	t *testing.T
	c *cluster.Cluster
}

func newIncident(t *testing.T, sql ...string) *incident {
	t.Helper()
	c := clustertest.Start(t, cluster.Options{Initdb: []string{"--wal-segsize=1"}, Settings: map[string]string{
		"wal_keep_size": "1GB", "checkpoint_timeout": "1h", "max_prepared_transactions": "5",
	}})
	i := &incident{t, c}
	i.exec("CREATE TABLE t (id int PRIMARY KEY, n int)", "INSERT INTO t SELECT i, i FROM generate_series(1, 100) i", "VACUUM t", "CHECKPOINT")
	i.exec(sql...)
	return i
}

func (i *incident) exec(sql ...string) { clustertest.Exec(i.t, i.c, "postgres", sql...) }

// session begins a transaction and gives its id.
func (i *incident) session(sql ...string) (*cluster.Session, pg.XID) {
	i.t.Helper()
	s, err := i.c.Session(i.t.Context(), "postgres")
	if err == nil {
		err = s.Exec(i.t.Context(), append([]string{"BEGIN"}, sql...)...)
	}
	if err != nil {
		i.t.Fatal(err)
	}
	i.t.Cleanup(func() { _ = s.Close(context.Background()) })
	return s, i.xid(s)
}

// xid is the id of the transaction that the session is in, or else of the next one.
func (i *incident) xid(s *cluster.Session) pg.XID {
	i.t.Helper()
	text, err := s.Value(i.t.Context(), "SELECT pg_current_xact_id()::xid::text")
	if err != nil {
		i.t.Fatal(err)
	}
	n, err := strconv.ParseUint(text, 10, 32)
	if err != nil {
		i.t.Fatal(err)
	}
	return pg.XID(n)
}

func (i *incident) do(s *cluster.Session, sql ...string) {
	i.t.Helper()
	if err := s.Exec(i.t.Context(), sql...); err != nil {
		i.t.Fatal(err)
	}
}

// segment names the segment that is written now, and ends it.
func (i *incident) segment() string {
	i.t.Helper()
	return clustertest.Value(i.t, i.c, "postgres", "CREATE TABLE IF NOT EXISTS scratch (); SELECT pg_walfile_name(pg_switch_wal())")
}

// copyOf stops the server and copies its data directory, with the segments for
// which keep answers.
func (i *incident) copyOf(mode cluster.StopMode, keep func(name string) bool) string {
	i.t.Helper()
	if err := i.c.Stop(i.t.Context(), mode); err != nil {
		i.t.Fatal(err)
	}
	dir := filepath.Join(i.t.TempDir(), "data")
	if err := i.c.CopyDataDir(dir); err != nil {
		i.t.Fatal(err)
	}
	segments, err := filepath.Glob(filepath.Join(dir, "pg_wal", strings.Repeat("?", 24)))
	if err != nil {
		i.t.Fatal(err)
	}
	for _, path := range segments {
		if !keep(filepath.Base(path)) {
			if err := os.Remove(path); err != nil {
				i.t.Fatal(err)
			}
		}
	}
	return dir
}

func all(string) bool { return true }

// rescueOf runs the rescue of one transaction and gives the balance of t.
func rescueOf(t *testing.T, dir string, req undelete.Request) (*rescue, undelete.Balance) {
	t.Helper()
	r := run(t, undelete.Sources{DataDir: dir}, func(ev *undelete.Evidence) undelete.Request {
		if req.XID == 0 {
			req.Tables = tableOf(t, ev)
		}
		return req
	}, false)
	for _, table := range r.loss.Tables() {
		if table.Name() == "public.t" {
			return r, table.Balance
		}
	}
	return r, undelete.Balance{}
}

// TestHoleInWAL takes a segment away in which a row was vacuumed and its place
// used again: the old row must not be given out for the new one.
func TestHoleInWAL(t *testing.T) {
	t.Parallel()
	i := newIncident(t, "UPDATE t SET n = 0 WHERE id = 1")
	i.segment()
	i.exec("DELETE FROM t WHERE id = 50", "VACUUM t", "INSERT INTO t VALUES (1050, 1050)")
	hole := i.segment()
	s, xid := i.session("DELETE FROM t WHERE id = 1050", "COMMIT")
	_ = s
	i.exec("VACUUM t")
	dir := i.copyOf(cluster.Fast, func(name string) bool { return name != hole })
	r, b := rescueOf(t, dir, undelete.Request{XID: lastDelete(t, dir, xid)})
	// The row itself lies in the page's free space yet, and carries the transaction.
	if got := string(r.rows["public.t"]); b.Lost != 1 || b.Carved != 1 || got != "1050\t1050\n" {
		t.Errorf("balance %+v, rows %q", b, got)
	}
	if r.loss.Covered {
		t.Error("the ledger claims to be complete, with WAL missing in the middle")
	}
}

// lastDelete names the transaction that deleted last; xid was asked for after its commit.
func lastDelete(t *testing.T, dir string, after pg.XID) pg.XID {
	t.Helper()
	if xid := biggest(t, dir); xid.Precedes(after) {
		return xid
	}
	t.Fatal("no transaction")
	return 0
}

// TestWALEndsWithinTransaction has the first half of a transaction in WAL; that
// it committed only pg_xact knows. The file holds the other half.
func TestWALEndsWithinTransaction(t *testing.T) {
	t.Parallel()
	i := newIncident(t)
	s, xid := i.session("DELETE FROM t WHERE id <= 50")
	last := i.segment()
	i.do(s, "DELETE FROM t WHERE id > 50", "COMMIT")
	dir := i.copyOf(cluster.Fast, func(name string) bool { return name <= last })
	r, b := rescueOf(t, dir, undelete.Request{XID: xid})
	if r.loss.Covered || b.Lost != 100 || b.Settled() != 100 {
		t.Errorf("covered %t (%s), balance %+v", r.loss.Covered, r.loss.Uncovered, b)
	}
}

// TestUndecidedIsNotLost asks for transactions that are prepared, or were in
// flight when the server crashed, with WAL that begins within them.
func TestUndecidedIsNotLost(t *testing.T) {
	t.Parallel()
	for _, prepared := range []bool{true, false} {
		i := newIncident(t)
		s, xid := i.session("DELETE FROM t WHERE id <= 50")
		first := i.segment()
		i.exec("CHECKPOINT")
		i.do(s, "DELETE FROM t WHERE id > 50")
		if prepared {
			i.do(s, "PREPARE TRANSACTION 'p'")
		}
		i.exec("CHECKPOINT", "CREATE TABLE flush ()")
		dir := i.copyOf(cluster.Immediate, func(name string) bool { return name > first })
		ev, _, err := undelete.Open(t.Context(), undelete.Sources{DataDir: dir})
		if err != nil {
			t.Fatal(err)
		}
		defer ev.Close()
		loss, err := undelete.Find(t.Context(), ev, undelete.Request{XID: xid})
		if !errors.Is(err, undelete.ErrUndecided) {
			t.Errorf("prepared %t: error %v", prepared, err)
		}
		if loss != nil {
			_ = loss.Close()
		}
	}
}

// TestSubtransactionAskedFor names a transaction by one of its subtransactions:
// the loss is the whole transaction's.
func TestSubtransactionAskedFor(t *testing.T) {
	t.Parallel()
	i := newIncident(t)
	s, xid := i.session("DELETE FROM t WHERE id <= 10", "SAVEPOINT a", "DELETE FROM t WHERE id BETWEEN 11 AND 20",
		"SAVEPOINT b", "DELETE FROM t WHERE id BETWEEN 21 AND 30", "COMMIT")
	_ = s
	// The id that session asked for after COMMIT is the next transaction's.
	dir := i.copyOf(cluster.Fast, all)
	top := biggest(t, dir)
	for _, asked := range []pg.XID{top, top + 1, top + 2} {
		if !asked.Precedes(xid) {
			t.Fatalf("transaction %d has no subtransaction %d", top, asked)
		}
		r, b := rescueOf(t, dir, undelete.Request{XID: asked})
		if b.Lost != 30 || b.Settled() != 30 || !r.loss.Covered {
			t.Errorf("asked for %d of %d: balance %+v, covered %t", asked, top, b, r.loss.Covered)
		}
	}
}

// TestLockedLater locks updated rows before the update is committed, so that the
// tuples carry a multixact that the update's record does not know.
func TestLockedLater(t *testing.T) {
	t.Parallel()
	for _, cut := range []bool{false, true} {
		i := newIncident(t)
		s, xid := i.session()
		first := i.segment()
		i.exec("CHECKPOINT")
		i.do(s, "UPDATE t SET n = -n WHERE id <= 5")
		locker, _ := i.session("SELECT * FROM t WHERE id <= 5 FOR KEY SHARE")
		i.do(s, "COMMIT")
		i.do(locker, "COMMIT")
		dir := i.copyOf(cluster.Fast, func(name string) bool { return !cut || name > first })
		r, b := rescueOf(t, dir, undelete.Request{XID: xid, NoWAL: true})
		if b.Lost != 5 || b.Heap != 5 || r.loss.Covered == cut {
			t.Errorf("begin cut %t: balance %+v, covered %t", cut, b, r.loss.Covered)
		}
	}
}

// TestOlderTransactionCommitsLate asks for a time: a transaction deleted rows
// before the WAL begins, and committed within the time.
func TestOlderTransactionCommitsLate(t *testing.T) {
	t.Parallel()
	i := newIncident(t)
	s, _ := i.session("DELETE FROM t WHERE id <= 50")
	first := i.segment()
	i.exec("CHECKPOINT", "CREATE TABLE early ()")
	since := i.now()
	i.do(s, "COMMIT")
	i.exec("DELETE FROM t WHERE id BETWEEN 60 AND 69")
	dir := i.copyOf(cluster.Fast, func(name string) bool { return name > first })
	r, b := rescueOf(t, dir, undelete.Request{Since: since})
	if r.loss.Covered || b.Lost < 10 {
		t.Errorf("covered %t, balance %+v", r.loss.Covered, b)
	}
}

func (i *incident) now() time.Time {
	i.t.Helper()
	at, err := i.c.Now(i.t.Context())
	if err != nil {
		i.t.Fatal(err)
	}
	return at.Time
}

// TestTruncateWithinTime asks for a time in which the table was truncated too: the
// rows that were deleted first come back, and those that TRUNCATE took.
func TestTruncateWithinTime(t *testing.T) {
	t.Parallel()
	i := newIncident(t)
	since := i.now()
	i.exec("DELETE FROM t WHERE id <= 10", "TRUNCATE t", "INSERT INTO t VALUES (1, 1)")
	dir := i.copyOf(cluster.Fast, all)
	r, _ := rescueOf(t, dir, undelete.Request{Since: since})
	tables := r.loss.Tables()
	if len(tables) != 1 {
		t.Fatalf("%d tables", len(tables))
	}
	if b := tables[0].Balance; b.Lost != 100 || b.Removed != 90 || b.Settled() != 100 {
		t.Errorf("deleted and truncated rows: %+v", b)
	}
	if name := tables[0].Name(); !strings.Contains(name, "truncated") {
		t.Errorf("%s: nothing says that the table was truncated", name)
	}
}

// TestPrunedAndBehind has a page whose file is younger than one deletion, whose
// tuples were pruned, and older than another.
func TestPrunedAndBehind(t *testing.T) {
	t.Parallel()
	i := newIncident(t)
	since := i.now()
	i.exec("DELETE FROM t WHERE id <= 10", "VACUUM t", "CHECKPOINT", "DELETE FROM t WHERE id BETWEEN 11 AND 20")
	dir := i.copyOf(cluster.Immediate, all)
	_, b := rescueOf(t, dir, undelete.Request{Since: since})
	if b.Lost != 20 || b.Settled() != 20 {
		t.Errorf("balance %+v", b)
	}
}

// TestUnloggedTable asks for a table whose deletions are in no WAL: its dead tuples
// name the loss, and nothing claims that they are all of it.
func TestUnloggedTable(t *testing.T) {
	t.Parallel()
	i := newIncident(t, "ALTER TABLE t SET UNLOGGED")
	s, xid := i.session("DELETE FROM t WHERE id <= 5")
	i.do(s, "COMMIT")
	dir := i.copyOf(cluster.Fast, all)
	r := run(t, undelete.Sources{DataDir: dir}, func(ev *undelete.Evidence) undelete.Request {
		return undelete.Request{XID: xid, Tables: tableOf(t, ev)}
	}, false)
	if b := r.loss.Tables()[0].Balance; r.loss.Covered || b.Lost != 5 || b.Heap != 5 {
		t.Errorf("covered %t, balance %+v", r.loss.Covered, b)
	}
}

// tableOf is table t of the evidence.
func tableOf(t *testing.T, ev *undelete.Evidence) []undelete.Target {
	t.Helper()
	db, err := ev.Snapshot.Database("postgres")
	if err != nil {
		t.Fatal(err)
	}
	rel, err := db.Table("public.t")
	if err != nil {
		t.Fatal(err)
	}
	return []undelete.Target{{Database: db, Relation: rel}}
}

// TestUnknownRelations has a transaction that hurt tables which the catalog at
// hand does not know: every version counts, and none can be decoded.
func TestUnknownRelations(t *testing.T) {
	t.Parallel()
	i := newIncident(t)
	file := filepath.Join(t.TempDir(), "catalog.json")
	snapshot, _, err := catalog.Read(t.Context(), catalog.Options{DataDir: i.c.DataDir()})
	if err != nil {
		t.Fatal(err)
	}
	out, err := os.Create(file)
	if err == nil {
		err = snapshot.Save(out)
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	i.exec("CREATE TABLE u1 AS SELECT generate_series(1, 300) AS id", "CREATE TABLE u2 AS SELECT generate_series(1, 300) AS id",
		"BEGIN; DELETE FROM u1; DELETE FROM u2; DELETE FROM t WHERE id <= 7; COMMIT")
	for range 6 { // spans that are read while the lines are taken
		i.segment()
		i.exec("INSERT INTO u1 SELECT generate_series(1, 500)", "UPDATE u1 SET id = id + 1")
	}
	i.exec("DELETE FROM u1 WHERE id < 0")
	dir := i.copyOf(cluster.Fast, all)
	xid := firstOf(t, dir, 607)
	r := run(t, undelete.Sources{WAL: []string{filepath.Join(dir, "pg_wal")}, CatalogFile: file},
		func(*undelete.Evidence) undelete.Request { return undelete.Request{XID: xid} }, false)
	var known, unknown int64
	for _, table := range r.loss.Tables() {
		if table.Relation == nil {
			unknown += table.Balance.Missing
		} else {
			known += table.Balance.WAL
		}
	}
	if known != 7 || unknown != 600 {
		t.Errorf("%d rows of the known table, %d of unknown ones", known, unknown)
	}
}

// firstOf names the transaction that destroyed so many versions.
func firstOf(t *testing.T, dir string, destroyed int64) pg.XID {
	t.Helper()
	archive, err := wal.OpenArchive([]string{dir}, wal.OpenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer archive.Close()
	result, err := xact.Collect(t.Context(), archive, xact.Options{
		Counts: func(rel pg.RelFileLocator) bool { return rel.Relation >= pg.RelFileNumber(pg.FirstNormalOID) },
	})
	if err != nil {
		t.Fatal(err)
	}
	for i := range result.Transactions {
		if result.Transactions[i].Destroyed() == destroyed {
			return result.Transactions[i].XID
		}
	}
	t.Fatalf("no transaction destroyed %d versions", destroyed)
	return 0
}

// TestMovedPartition gives a row back that an update moved to another partition:
// an UPDATE by its key would find nothing.
func TestMovedPartition(t *testing.T) {
	t.Parallel()
	i := newIncident(t, "CREATE TABLE p (id int, part int, PRIMARY KEY (id, part)) PARTITION BY LIST (part)",
		"CREATE TABLE p1 PARTITION OF p FOR VALUES IN (1)", "CREATE TABLE p2 PARTITION OF p FOR VALUES IN (2)",
		"INSERT INTO p SELECT i, 1 FROM generate_series(1, 40) i", "UPDATE p SET part = 2")
	dir := i.copyOf(cluster.Fast, all)
	ev, _, err := undelete.Open(t.Context(), undelete.Sources{DataDir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer ev.Close()
	loss, err := undelete.Find(t.Context(), ev, undelete.Request{XID: firstOf(t, dir, 40), Successors: true})
	if err == nil {
		defer loss.Close()
		err = loss.Settle(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	given := 0
	err = loss.Recover(t.Context(), func(*undelete.Table) (evidence.Sink, error) {
		return evidence.SinkFunc(func(row *evidence.Row) error {
			if given++; row.Operation != evidence.OpUpdate || !row.Moved || row.Successor != nil {
				t.Errorf("row %v is given back as %s, moved %t", row.TID, row.Operation, row.Moved)
			}
			return nil
		}), nil
	})
	if err != nil || given != 40 {
		t.Errorf("%d rows, %v", given, err)
	}
}
