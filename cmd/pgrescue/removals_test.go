package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pgrescue/pgrescue/cmd/internal/exitcode"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster/clustertest"
)

// removalSQL makes what is dropped and truncated, and a table that is merely rewritten.
// Some names are reserved words of SQL.
const removalSQL = `CREATE SCHEMA app;
CREATE TYPE app.mood AS ENUM ('sad', 'it''s ok');
CREATE DOMAIN app.small AS smallint;
CREATE TYPE app.pair AS ("user" app.small, m app.mood);
CREATE TABLE app."Orders" (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, m app.mood NOT NULL, moods app.mood[], s app.small, note varchar(20), price numeric(10,2), p app.pair, "order" int);
INSERT INTO app."Orders" (m, moods, s, note, price, p) SELECT 'it''s ok', '{sad,NULL}', i, 'note ' || i, i / 4.0, (i::app.small, 'sad'::app.mood)::app.pair FROM generate_series(1, 500) i;
CREATE TABLE emptied (id serial PRIMARY KEY, t text);
INSERT INTO emptied (t) SELECT 'row ' || i FROM generate_series(1, 100) i;
CREATE TABLE packed (id int PRIMARY KEY);
INSERT INTO packed SELECT generate_series(1, 100)`

// TestRemovedTablesComeBack follows the commands from the list of transactions to
// the script that gives tables back, and runs the script.
func TestRemovedTablesComeBack(t *testing.T) {
	t.Parallel()
	c := clustertest.Start(t, cluster.Options{Settings: map[string]string{"wal_keep_size": "1GB"}})
	clustertest.Exec(t, c, "postgres", removalSQL)
	orders, emptied := clustertest.CopyOut(t, c, "postgres", `SELECT * FROM app."Orders" ORDER BY id`), clustertest.CopyOut(t, c, "postgres", "SELECT * FROM emptied ORDER BY id")
	clustertest.Exec(t, c, "postgres", "DROP SCHEMA app CASCADE")
	clustertest.Exec(t, c, "postgres", "TRUNCATE emptied RESTART IDENTITY")
	clustertest.Exec(t, c, "postgres", "VACUUM FULL packed", "VACUUM FULL pg_class", "VACUUM FULL pg_attribute", "CHECKPOINT")
	if err := c.Stop(t.Context(), cluster.Fast); err != nil {
		t.Fatal(err)
	}
	data := clustertest.Snapshot(t, c)
	list := mustRun(t, exitcode.Done, "wal", "transactions", data, "--pgdata", data, "--min-deletes", "1")
	drop, truncate := xidOfLine(t, list, `dropped app."Orders"`), xidOfLine(t, list, "truncated public.emptied")
	if lines := strings.Split(list, "\n"); !strings.Contains(lines[1], "app.") || !strings.Contains(lines[2], "emptied") || strings.Contains(list, "packed") {
		t.Errorf("what took whole tables does not come first, or too much does:\n%s", list)
	}
	out := filepath.Join(t.TempDir(), "rescued")
	for _, test := range []struct{ xid, folder, want string }{
		{drop, filepath.Join(out, "drop"), "500 lost, 500 recovered"},
		{truncate, filepath.Join(out, "truncate"), "public.emptied_id_seq was restarted; it stood at 132 or up to 32 values before"},
	} {
		if got := mustRun(t, exitcode.Done, "undelete", "--pgdata", data, "--xid", test.xid, "--format", "sql", "-o", test.folder); !strings.Contains(got, test.want) {
			t.Errorf("undelete --xid %s says\n%s\nwant %q", test.xid, got, test.want)
		}
	}
	kept := mustRun(t, exitcode.Done, "wal", "transactions", data, "--pgdata", data)
	if code, _, stderr := execute(t.Context(), "undelete", "--pgdata", data, "--xid", xidOfLine(t, kept, "rewritten public.packed")); code != exitcode.Findings || !strings.Contains(stderr, "nothing is lost") {
		t.Errorf("VACUUM FULL: exit code %d, %s", code, stderr)
	}
	// The WAL begins later than the time that is asked for: exit code 3.
	since := mustRun(t, exitcode.Partial, "undelete", "--pgdata", data, "--table", `app."Orders"`, "--since", "2020-01-01 00:00Z", "--json")
	if !strings.Contains(since, `"lost": 500`) {
		t.Errorf("undelete of a dropped table by its name: %s", since)
	}
	if err := c.Start(context.WithoutCancel(t.Context())); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{"drop/schema.sql", "drop/app.Orders.sql", "truncate/public.emptied.sql"} {
		script, err := os.ReadFile(filepath.Join(out, file))
		if err != nil {
			t.Fatal(err)
		}
		clustertest.Exec(t, c, "postgres", string(script))
	}
	if got := clustertest.CopyOut(t, c, "postgres", `SELECT * FROM app."Orders" ORDER BY id`); got != orders {
		t.Errorf("the dropped table came back different: %.300q", got)
	}
	if got := clustertest.CopyOut(t, c, "postgres", "SELECT * FROM emptied ORDER BY id"); got != emptied {
		t.Errorf("the truncated table came back different: %.300q", got)
	}
}

// TestCopiedDatabase has a database that was copied file by file after the loss: the
// dead tuples are in both. The WAL says which one lost them; without it the balance tells
// the two apart.
func TestCopiedDatabase(t *testing.T) {
	t.Parallel()
	c := clustertest.Start(t, cluster.Options{Settings: map[string]string{"wal_keep_size": "1GB"}})
	clustertest.Exec(t, c, "postgres", "CREATE TABLE t AS SELECT generate_series(1, 50) AS id", "CHECKPOINT")
	clustertest.Exec(t, c, "postgres", "BEGIN; DELETE FROM t WHERE id <= 7; SELECT pg_switch_wal(); DELETE FROM t WHERE id IN (8, 9); COMMIT")
	clustertest.Exec(t, c, "template1", "CREATE DATABASE copied TEMPLATE postgres STRATEGY file_copy")
	if err := c.Stop(t.Context(), cluster.Fast); err != nil {
		t.Fatal(err)
	}
	data := clustertest.Snapshot(t, c)
	xid := xidOfLine(t, mustRun(t, exitcode.Done, "wal", "transactions", data, "--pgdata", data, "--min-deletes", "9"), "public.t")
	segments, err := filepath.Glob(filepath.Join(data, "pg_wal", "0*"))
	if err != nil || len(segments) < 2 {
		t.Fatalf("segments %v, %v", segments, err)
	}
	if err := os.Remove(segments[0]); err != nil {
		t.Fatal(err)
	}
	if got := mustRun(t, exitcode.Partial, "undelete", "--pgdata", data, "--xid", xid); !strings.Contains(got, "\n9 lost, 9 recovered") {
		t.Errorf("with the end of the transaction in the WAL:\n%s", got)
	}
	if err := os.RemoveAll(filepath.Join(data, "pg_wal")); err != nil {
		t.Fatal(err)
	}
	code, stdout, stderr := execute(t.Context(), "undelete", "--pgdata", data, "--xid", xid)
	if code != exitcode.Partial || !strings.Contains(stdout, "copied: public.t") || !strings.Contains(stdout, "postgres: public.t") || !strings.Contains(stderr, "works in one database") {
		t.Errorf("without WAL: exit code %d\n%s%s", code, stdout, stderr)
	}
}

// mustRun runs a command and fails the test on another exit code than wanted.
func mustRun(t *testing.T, want exitcode.Code, args ...string) string {
	t.Helper()
	code, stdout, stderr := execute(t.Context(), args...)
	if code != want {
		t.Fatalf("pgrescue %s: exit code %d, want %d\n%s%s", strings.Join(args, " "), code, want, stdout, stderr)
	}
	return stdout
}

// xidOfLine finds the transaction in whose line a text stands.
func xidOfLine(t *testing.T, list, text string) string {
	t.Helper()
	for line := range strings.Lines(list) {
		if strings.Contains(line, text) {
			return strings.Fields(line)[0]
		}
	}
	t.Fatalf("no line with %q in\n%s", text, list)
	return ""
}
