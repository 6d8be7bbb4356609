package main

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/pgrescue/pgrescue/cmd/internal/exitcode"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster/clustertest"
)

// TestRestoreRemovedTables gives back what TRUNCATE … RESTART IDENTITY and DROP TABLE took,
// and the old values of an UPDATE.
func TestRestoreRemovedTables(t *testing.T) {
	t.Parallel()
	c := clustertest.Start(t, cluster.Options{Settings: cluster.TenantLossSettings()})
	const make = "CREATE TABLE emptied (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, v text); CREATE TABLE updated (id int PRIMARY KEY, v text, w text)"
	const makeDropped = "CREATE TABLE dropped (id int PRIMARY KEY, v text)"
	clustertest.Exec(t, c, "postgres", make, makeDropped, "INSERT INTO emptied (v) SELECT 'e' || i FROM generate_series(1, 500) i",
		"INSERT INTO dropped SELECT i, 'd' || i FROM generate_series(1, 500) i", "INSERT INTO updated SELECT i, 'u' || i, 'w' FROM generate_series(1, 500) i", "CHECKPOINT")
	state := func() string {
		all := ""
		for _, table := range []string{"emptied", "dropped", "updated"} {
			all += clustertest.CopyOut(t, c, "postgres", "SELECT * FROM "+table+" ORDER BY id")
		}
		return all
	}
	before := state()
	var lost []string
	for _, statement := range []string{"TRUNCATE emptied RESTART IDENTITY", "DROP TABLE dropped", "UPDATE updated SET v = 'wrong' WHERE id <= 400"} {
		lost = append(lost, clustertest.Value(t, c, "postgres", statement+"; SELECT txid_current()"))
	}
	clustertest.Exec(t, c, "postgres", "UPDATE updated SET w = 'written since' WHERE id = 7")
	data, folder := clustertest.Snapshot(t, c), filepath.Join(t.TempDir(), "case")
	must := func(code exitcode.Code, says string, args ...string) {
		t.Helper()
		got, stdout, stderr := execute(t.Context(), args...)
		if got != code || !strings.Contains(stdout+stderr, says) {
			t.Errorf("pgrescue %s: code %d (%s), want %d, and %q\n%s%s", strings.Join(args, " "), got, got, code, says, stdout, stderr)
		}
	}
	for _, xid := range lost {
		must(exitcode.Done, "0 in part, 0 missing", "undelete", "--case", folder, "--pgdata", data, "--xid", xid)
	}
	plan := []string{"restore", "plan", "--case", folder, "--dsn", c.LibpqDSN("postgres"), "--on-conflict", "updated.v=overwrite", "--on-conflict", "updated.w=keep"}
	must(exitcode.Findings, "the target has no public.dropped", plan...)
	clustertest.Exec(t, c, "postgres", makeDropped)
	must(exitcode.Done, "1,000 to put in, 400 to change", plan...)
	on := []string{filepath.Join(folder, "plan.json"), "--dsn", c.LibpqDSN("postgres")}
	must(exitcode.Done, "1,000 rows put in, 400 changed", append([]string{"restore", "apply", "--confirm", "postgres"}, on...)...)
	must(exitcode.Done, "1,400 in the target", append([]string{"restore", "verify"}, on...)...)
	if got := state(); got != strings.Replace(before, "\n7\tu7\tw\n", "\n7\tu7\twritten since\n", 1) {
		t.Errorf("the tables are not as they were:\n%.2000s", got)
	}
	if next := clustertest.Value(t, c, "postgres", "INSERT INTO emptied (v) VALUES ('next') RETURNING id"); next != "501" {
		t.Errorf("the sequence gives %s", next)
	}
	must(exitcode.Done, "1,000 rows taken out, 400 changed back", append([]string{"restore", "undo", "--confirm", "postgres"}, on...)...)
}

// TestRestoreAcrossSavepoints has a transaction change rows, and delete them under a
// savepoint, whose id the deleted versions carry. What it made itself nobody ever saw:
// the rows come back as they were before it.
func TestRestoreAcrossSavepoints(t *testing.T) {
	t.Parallel()
	c := clustertest.Start(t, cluster.Options{Settings: cluster.TenantLossSettings()})
	const rows = "SELECT * FROM t ORDER BY id"
	clustertest.Exec(t, c, "postgres", "CREATE TABLE t (id int PRIMARY KEY, v text)", "INSERT INTO t SELECT i, 'right' FROM generate_series(1, 50) i", "CREATE TABLE log (xid text)", "CHECKPOINT")
	before := clustertest.CopyOut(t, c, "postgres", rows)
	clustertest.Exec(t, c, "postgres", "BEGIN; UPDATE t SET v = 'wrong'; INSERT INTO log SELECT txid_current(); SAVEPOINT s; DELETE FROM t; COMMIT")
	xid := clustertest.Value(t, c, "postgres", "SELECT xid FROM log")
	data, folder := clustertest.Snapshot(t, c), filepath.Join(t.TempDir(), "case")
	on := []string{filepath.Join(folder, "plan.json"), "--dsn", c.LibpqDSN("postgres")}
	for _, step := range []struct {
		says string
		args []string
	}{
		{"100 lost", []string{"undelete", "--case", folder, "--pgdata", data, "--xid", xid}},
		{"50 to put in", []string{"restore", "plan", "--case", folder, "--dsn", c.LibpqDSN("postgres")}},
		{"50 rows put in", append([]string{"restore", "apply", "--confirm", "postgres"}, on...)},
		{"100 lost = 50 restored + 50 intermediate + 0 not restored.", append([]string{"restore", "verify"}, on...)},
	} {
		if code, stdout, stderr := execute(t.Context(), step.args...); code != exitcode.Done || !strings.Contains(stdout+stderr, step.says) {
			t.Errorf("pgrescue %s: code %d, want %q\n%s%s", strings.Join(step.args, " "), code, step.says, stdout, stderr)
		}
	}
	if got := clustertest.CopyOut(t, c, "postgres", rows); got != before {
		t.Errorf("the rows are not as they were:\n%.500s", got)
	}
}
