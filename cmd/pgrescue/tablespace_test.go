package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pgrescue/pgrescue/cmd/internal/exitcode"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster/clustertest"
)

// TestTablespaces copies a data directory whose links lead nowhere afterwards, and
// keeps the tablespace's copy in another place: named, beside, and not there.
func TestTablespaces(t *testing.T) {
	t.Parallel()
	c := clustertest.Start(t, cluster.Options{Settings: map[string]string{"checkpoint_timeout": "1h"}})
	space := filepath.Join(c.Dir(), "run", "space")
	clustertest.Exec(t, c, "postgres", "COPY (SELECT) TO PROGRAM 'mkdir -m 700 "+space+"'", "CREATE TABLESPACE space LOCATION '"+space+"'",
		"CREATE DATABASE inside TABLESPACE space", `CREATE TABLE t (id int PRIMARY KEY) TABLESPACE space; INSERT INTO t SELECT generate_series(1, 500)`, "CHECKPOINT")
	clustertest.Exec(t, c, "inside", `CREATE TABLE u (id int); INSERT INTO u SELECT generate_series(1, 300)`, "DELETE FROM u")
	oid := clustertest.Value(t, c, "postgres", "SELECT oid FROM pg_tablespace WHERE spcname = 'space'")
	doomed, doomedInside := clustertest.CopyOut(t, c, "postgres", "SELECT * FROM t"), "300 dead"
	xid := clustertest.Value(t, c, "postgres", "DELETE FROM t; SELECT txid_current()")
	if err := c.Stop(t.Context(), cluster.Fast); err != nil {
		t.Fatal(err)
	}
	work := t.TempDir()
	data, elsewhere := filepath.Join(work, "data"), filepath.Join(work, "elsewhere")
	if err := c.CopyDataDir(data); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(space, elsewhere); err != nil {
		t.Fatal(err)
	}
	check := func(name string, want exitcode.Code, stdout, says string, args ...string) {
		t.Helper()
		code, out, stderr := execute(t.Context(), append(args, "--pgdata", data)...)
		if code != want || stdout != "" && sortedLines(out) != sortedLines(stdout) || !strings.Contains(out+stderr, says) {
			t.Errorf("%s: code %d, stdout %.300q, stderr\n%s", name, code, out, stderr)
		}
	}
	check("the link leads nowhere", exitcode.Partial, "", "pg_tblspc/"+oid, "undelete", "--xid", xid)
	check("the files are out of reach, the WAL is not", exitcode.Partial, "", "500 lost, 500 recovered: 0 from dead tuples, 500 from WAL", "undelete", "--xid", xid)
	check("the link leads nowhere, scan", exitcode.Partial, "", "pg_tblspc/"+oid, "heap", "scan", "--limit", "0")
	named := []string{"--tablespace", oid + "=" + elsewhere}
	check("named", exitcode.Done, "", "500 lost, 500 recovered: 500 from dead tuples", append(named, "undelete", "--xid", xid)...)
	check("named, rows", exitcode.Done, doomed, "", append(named, "heap", "rows", "--table", "t")...)
	check("named, a database inside", exitcode.Done, "", doomedInside, append(named, "heap", "rows", "--table", "u")...)
	check("named, scan", exitcode.Done, "", elsewhere+"/PG_", append(named, "heap", "scan", "--limit", "0")...)
	check("named wrongly", exitcode.NotFound, "", "open tablespace "+oid, "undelete", "--xid", xid, "--tablespace", oid+"="+work)
	check("not OID=DIR", exitcode.Usage, "", "is not OID=DIR", "undelete", "--xid", xid, "--tablespace", elsewhere)
	if err := os.Rename(elsewhere, filepath.Join(work, "space")); err != nil {
		t.Fatal(err)
	}
	check("beside", exitcode.Done, doomed, "", "heap", "rows", "--table", "t")
}
