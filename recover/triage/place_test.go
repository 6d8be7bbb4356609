package triage_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pgrescue/pgrescue/recover/live"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster/clustertest"
	"github.com/pgrescue/pgrescue/recover/triage"
	"github.com/pgrescue/pgrescue/recover/undelete"
)

// TestOldBackupOverTheCluster: a base backup is restored in the place of the data directory, and rows that came after it are gone. A
// server that was once made of a base backup, as standbys are, and has gone on since, has lost nothing.
func TestOldBackupOverTheCluster(t *testing.T) {
	t.Parallel()
	for _, version := range []string{"13", "15", "18"} {
		t.Run("pg"+version, func(t *testing.T) {
			t.Parallel()
			c := clustertest.Start(t, cluster.Options{Version: version, Settings: map[string]string{"wal_keep_size": "0", "wal_recycle": "off", "min_wal_size": "32MB", "checkpoint_timeout": "1h"}})
			clustertest.Exec(t, c, "postgres", "CREATE TABLE orders (id int)", "INSERT INTO orders SELECT generate_series(1, 500)", "CREATE UNLOGGED TABLE cache AS SELECT generate_series(1, 90) AS id", "ANALYZE")
			old := filepath.Join(c.Dir(), "monday")
			if err := c.BaseBackup(t.Context(), old); err != nil {
				t.Fatal(err)
			}
			clustertest.Exec(t, c, "postgres", "INSERT INTO orders SELECT generate_series(501, 900)")
			if report, _ := look(t, c, true, true, nil); report.Named != "" {
				t.Errorf("before: named %q", report.Named)
			}
			if err := c.Stop(t.Context(), cluster.Fast); err != nil {
				t.Fatal(err)
			}
			if err := c.Replace(old); err != nil {
				t.Fatal(err)
			}
			if err := c.Start(t.Context()); err != nil {
				t.Fatal(err)
			}
			clustertest.Exec(t, c, "postgres", "INSERT INTO orders VALUES (1000)")
			for _, asks := range []bool{false, true} {
				report, _ := look(t, c, true, asks, nil)
				if report.Named != triage.OldBackup || report.Question.Hurt != triage.HurtPlace {
					t.Errorf("named %q: %+v", report.Named, report.Hypotheses)
				}
			}
			for range 4 { // it goes on
				clustertest.Exec(t, c, "postgres", "INSERT INTO orders VALUES (1)", "SELECT pg_switch_wal()", "CHECKPOINT")
			}
			clustertest.Exec(t, c, "postgres", "INSERT INTO cache VALUES (1)", "VACUUM ANALYZE")
			if report, _ := look(t, c, true, true, func(s *triage.Sources) { s.Now = s.Now.AddDate(0, 0, 3) }); report.Named != "" {
				t.Errorf("long after: named %q: %+v", report.Named, report.Hypotheses)
			}
		})
	}
}

// TestPartOfADataDirectory: a copy of what reading one table takes lacks the other files, and that is no loss.
func TestPartOfADataDirectory(t *testing.T) {
	t.Parallel()
	c := shop(t)
	clustertest.Exec(t, c, "postgres", "CHECKPOINT")
	path := clustertest.Value(t, c, "postgres", "SELECT pg_relation_filepath('orders')")
	for _, part := range []bool{true, false} {
		dir := filepath.Join(t.TempDir(), "data")
		if err := c.CopyDataDir(dir); err != nil {
			t.Fatal(err)
		}
		gone := []string{path}
		if part {
			gone = append(gone, "pg_notify", "pg_replslot", "pg_stat", "pg_serial")
		}
		for _, name := range gone {
			if err := os.RemoveAll(filepath.Join(dir, name)); err != nil {
				t.Fatal(err)
			}
		}
		report := lookAt(t, dir)
		if (report.Named == triage.FilesGone) == part {
			t.Errorf("part %v: named %q: %+v", part, report.Named, report.Hypotheses[0])
		}
	}
}

// lookAt makes a triage of a copy of a data directory.
func lookAt(t *testing.T, dir string) *triage.Report {
	t.Helper()
	ev, _, err := undelete.Open(t.Context(), undelete.Sources{DataDir: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ev.Close() })
	facts, err := triage.Collect(t.Context(), triage.Sources{Evidence: ev, Now: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	report, err := triage.Weigh(t.Context(), facts, ev.Archive)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

// TestFilesGoneBySQLAlone: the file of a table was removed below a server, and nobody may look at its files. An empty table, a truncated one and a
// partitioned one have no page either, and lost none.
func TestFilesGoneBySQLAlone(t *testing.T) {
	t.Parallel()
	c := shop(t)
	clustertest.Exec(t, c, "postgres", "CREATE TABLE parts (id int) PARTITION BY RANGE (id)", "CREATE TABLE part PARTITION OF parts FOR VALUES FROM (0) TO (1000)", "INSERT INTO parts SELECT generate_series(1, 99)",
		"CREATE TABLE short AS SELECT generate_series(1, 50) AS id", "ANALYZE", "TRUNCATE short", "CREATE TABLE none (id int)", "CREATE TABLE all_gone AS SELECT generate_series(1, 50) AS id", "ANALYZE", "DELETE FROM all_gone", "VACUUM all_gone", "CHECKPOINT")
	if report, _ := look(t, c, false, true, nil); report.Named != "" {
		t.Errorf("before: named %q: %+v", report.Named, report.Hypotheses)
	}
	if err := os.Remove(filepath.Join(c.DataDir(), clustertest.Value(t, c, "postgres", "SELECT pg_relation_filepath('orders')"))); err != nil {
		t.Fatal(err)
	}
	report, _ := look(t, c, false, true, nil)
	if report.Named != triage.FilesGone || report.Question.Hurt != triage.HurtFiles {
		t.Errorf("named %q: %+v", report.Named, report.Hypotheses)
	}
}

// TestEmptyDatabaseOfAServer: the connection leads to a database without tables, and another one of the server has them.
func TestEmptyDatabaseOfAServer(t *testing.T) {
	t.Parallel()
	c := shop(t)
	clustertest.Exec(t, c, "postgres", "CREATE TABLE much AS SELECT i, repeat('x', 500) AS note FROM generate_series(1, 4000) i", "CREATE DATABASE shop_new")
	report, _ := look(t, c, false, false, func(s *triage.Sources) {
		conn, err := live.Connect(t.Context(), c.LibpqDSN("shop_new"), live.Options{Command: "triage"})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(conn.Close)
		if s.Card, err = conn.Card(t.Context()); err != nil {
			t.Fatal(err)
		}
		s.Server = conn
	})
	text := ""
	for _, h := range report.Hypotheses {
		for _, point := range h.For {
			text += string(h.Name) + ": " + point.Text + "\n"
		}
	}
	if report.Named != triage.WrongPlace || !strings.Contains(text, "database postgres of the same server has") {
		t.Errorf("named %q:\n%s", report.Named, text)
	}
}
