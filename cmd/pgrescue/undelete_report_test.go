package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/pgrescue/pgrescue/cmd/internal/exitcode"
	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster/clustertest"
)

// TestUndeleteReportsOpeningGaps: what was found missing when the evidence was opened
// is in the report, and not only in the exit code.
func TestUndeleteReportsOpeningGaps(t *testing.T) {
	t.Parallel()
	c := clustertest.Start(t, cluster.Options{})
	clustertest.Exec(t, c, "postgres", "CREATE TABLE t AS SELECT generate_series(1, 10) AS id")
	xid := xidOf(t, c, "DELETE FROM t")
	if err := c.Stop(t.Context(), cluster.Fast); err != nil {
		t.Fatal(err)
	}
	data := clustertest.Snapshot(t, c)
	if err := os.RemoveAll(filepath.Join(data, "pg_wal")); err != nil {
		t.Fatal(err)
	}
	var report struct {
		Gaps []evidence.Gap `json:"gaps"`
	}
	text := mustRun(t, exitcode.Partial, "undelete", "--pgdata", data, "--xid", xid, "--json")
	if err := json.Unmarshal([]byte(text), &report); err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(report.Gaps, func(g evidence.Gap) bool { return strings.Contains(g.Why, "no pg_wal") }) {
		t.Errorf("gaps %+v", report.Gaps)
	}
}

// TestDroppedEmptyTablesComeBack: a dropped table has no row to lose, and is lost.
func TestDroppedEmptyTablesComeBack(t *testing.T) {
	t.Parallel()
	c := clustertest.Start(t, cluster.Options{Settings: map[string]string{"wal_keep_size": "1GB"}})
	clustertest.Exec(t, c, "postgres", "CREATE TABLE alone (id int PRIMARY KEY)", "CREATE SCHEMA app", "CREATE TABLE app.empty (id int)", "CREATE TABLE app.filled AS SELECT 1 AS one")
	alone := xidOf(t, c, "DROP TABLE alone")
	schema := xidOf(t, c, "DROP SCHEMA app CASCADE")
	if err := c.Stop(t.Context(), cluster.Fast); err != nil {
		t.Fatal(err)
	}
	data := clustertest.Snapshot(t, c)
	for xid, want := range map[string][]string{alone: {"CREATE TABLE public.alone"}, schema: {"CREATE TABLE app.empty", "CREATE TABLE app.filled"}} {
		out := filepath.Join(t.TempDir(), xid)
		mustRun(t, exitcode.Done, "undelete", "--pgdata", data, "--xid", xid, "-o", out)
		script, err := os.ReadFile(filepath.Join(out, schemaFile))
		if err != nil {
			t.Fatal(err)
		}
		for _, statement := range want {
			if !strings.Contains(string(script), statement) {
				t.Errorf("transaction %s: no %s in\n%s", xid, statement, script)
			}
		}
	}
}

// xidOf runs a statement in a transaction of its own and gives its id.
func xidOf(t *testing.T, c *cluster.Cluster, statement string) string {
	t.Helper()
	s, err := c.Session(t.Context(), "postgres")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close(t.Context())
	if err := s.Exec(t.Context(), "BEGIN", statement); err != nil {
		t.Fatal(err)
	}
	xid, err := s.Value(t.Context(), "SELECT txid_current()")
	if err == nil {
		err = s.Exec(t.Context(), "COMMIT")
	}
	if err != nil {
		t.Fatal(err)
	}
	return xid
}
