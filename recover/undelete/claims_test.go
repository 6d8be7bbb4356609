package undelete_test

import (
	"strings"
	"testing"

	"github.com/pgrescue/pgrescue/recover/pg"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster/clustertest"
	"github.com/pgrescue/pgrescue/recover/undelete"
)

// TestWholeTablesFilledUnderMinimalWAL fills tables in the transactions that make them
// while wal_level is minimal, and loses them while it is replica: pg_control at
// the end does not say what the WAL lacks.
func TestWholeTablesFilledUnderMinimalWAL(t *testing.T) {
	t.Parallel()
	settings := kindSettings()
	for name, value := range map[string]string{"wal_level": "minimal", "max_wal_senders": "0", "wal_skip_threshold": "0", "full_page_writes": "off"} {
		settings[name] = value
	}
	c := clustertest.Start(t, cluster.Options{Settings: settings})
	exec := func(sql ...string) { t.Helper(); clustertest.Exec(t, c, "postgres", sql...) }
	for _, name := range []string{"untouched", "touched"} {
		exec("BEGIN; CREATE TABLE " + name + " (id int); INSERT INTO " + name + " SELECT generate_series(1, 5000); COMMIT")
	}
	if err := c.Stop(t.Context(), cluster.Fast); err != nil {
		t.Fatal(err)
	}
	if err := c.Configure(map[string]string{"wal_level": "replica"}); err != nil {
		t.Fatal(err)
	}
	if err := c.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	exec("CREATE TABLE whole (id int)", "INSERT INTO whole SELECT generate_series(1, 5000)")
	// The last page is changed and then new ones are made.
	exec("INSERT INTO touched SELECT generate_series(1, 5000)", "INSERT INTO untouched SELECT generate_series(1, 5000)")
	xids := map[string]pg.XID{
		"untouched": lose(t, c, "TRUNCATE untouched"), "touched": lose(t, c, "DROP TABLE touched"), "whole": lose(t, c, "DROP TABLE whole"),
	}
	dir := stopped(t, c)
	for name, xid := range xids {
		loss := run(t, undelete.Sources{DataDir: dir}, func(*undelete.Evidence) undelete.Request { return undelete.Request{XID: xid} }, false).loss
		if whole := name == "whole"; loss.Covered != whole || !whole && !strings.Contains(loss.Uncovered, "wal_level=minimal") {
			t.Errorf("%s: %d lines, covered %t %q", name, loss.Lines(), loss.Covered, loss.Uncovered)
		}
		// The page that was changed has no base to change.
		if b := loss.Tables()[0].Balance; name == "touched" && (b.Unseen == nil || b.Unseen.Unseen != 1) {
			t.Errorf("%s: %+v, %+v", name, b, b.Unseen)
		}
	}
}

// TestGapsAreToldOnce has a damaged record before a table is dropped, so that the WAL is
// scanned again with what its history tells: the table had two files.
func TestGapsAreToldOnce(t *testing.T) {
	t.Parallel()
	i := newIncident(t)
	since := i.now()
	i.exec("DELETE FROM t WHERE id = 1", "DELETE FROM t WHERE id = 2", "TRUNCATE t", "INSERT INTO t VALUES (1, 1)", "DROP TABLE t", "VACUUM pg_class")
	dir := i.copyOf(cluster.Fast, all)
	breakDelete(t, dir, 1)
	r := run(t, undelete.Sources{DataDir: dir}, func(*undelete.Evidence) undelete.Request { return undelete.Request{Since: since} }, false)
	if len(r.loss.Gaps) == 0 || r.loss.Covered {
		t.Errorf("gaps %v, covered %t", r.loss.Gaps, r.loss.Covered)
	}
}
