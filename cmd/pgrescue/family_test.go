package main

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/pgrescue/pgrescue/cmd/internal/exitcode"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster/clustertest"
)

// family is what the tests of partitioned and inherited tables share: the data
// directory after the loss, and the rows of each loss as COPY gave them before.
type family struct {
	data, xid, parted, city, onlyCity string
}

// loseFamily makes a table of the same name in two databases, a partitioned one
// whose leaves have different orders of columns, and one with a child, and
// deletes from all of them in one transaction.
func loseFamily(t *testing.T) family {
	t.Helper()
	c := clustertest.Start(t, cluster.Options{Settings: map[string]string{"checkpoint_timeout": "1h"}})
	clustertest.Exec(t, c, "postgres", "CREATE DATABASE other", `CREATE TABLE twice (id int); INSERT INTO twice VALUES (1), (2)`,
		`CREATE TABLE parted (id int PRIMARY KEY, note text) PARTITION BY RANGE (id);
		CREATE TABLE parted_low PARTITION OF parted FOR VALUES FROM (0) TO (50);
		CREATE TABLE parted_high (note text, id int NOT NULL); ALTER TABLE parted ATTACH PARTITION parted_high FOR VALUES FROM (50) TO (1000);
		INSERT INTO parted SELECT i, 'n' || i FROM generate_series(1, 99) i`,
		`CREATE TABLE city (name text); CREATE TABLE capital (of text) INHERITS (city); INSERT INTO city VALUES ('a'), ('b'); INSERT INTO capital VALUES ('c', 'd')`,
		"CHECKPOINT")
	clustertest.Exec(t, c, "other", `CREATE TABLE twice (name text); INSERT INTO twice VALUES ('x')`, "DELETE FROM twice")
	f := family{
		parted: clustertest.CopyOut(t, c, "postgres", "SELECT * FROM parted"), onlyCity: clustertest.CopyOut(t, c, "postgres", "SELECT * FROM ONLY city"),
		city: clustertest.CopyOut(t, c, "postgres", "SELECT name FROM city"),
	}
	f.xid = clustertest.Value(t, c, "postgres", "DELETE FROM parted; DELETE FROM city; DELETE FROM twice; SELECT txid_current()")
	if err := c.Stop(t.Context(), cluster.Fast); err != nil {
		t.Fatal(err)
	}
	f.data = filepath.Join(t.TempDir(), "data")
	if err := c.CopyDataDir(f.data); err != nil {
		t.Fatal(err)
	}
	return f
}

func sortedLines(text string) string {
	lines := strings.SplitAfter(text, "\n")
	slices.Sort(lines)
	return strings.Join(lines, "")
}

func TestPartitionedAndInheritedTables(t *testing.T) {
	t.Parallel()
	f := loseFamily(t)
	pgdata := []string{"--pgdata", f.data}
	for _, test := range []struct {
		args []string
		code exitcode.Code
		want string // stdout, whatever the order of its lines; "": see says
		says string // in stdout or stderr
	}{
		{args: []string{"heap", "rows", "--table", "parted"}, want: f.parted},
		{args: []string{"heap", "rows", "--table", "city", "--only"}, want: f.onlyCity},
		{args: []string{"heap", "rows", "--table", "city"}, code: exitcode.Usage, says: "the rows are in 2: public.city, public.capital"},
		{args: []string{"heap", "rows", "--table", "twice"}, code: exitcode.Usage, says: "it is in the databases postgres, other"},
		{args: []string{"heap", "rows", "--table", "twice", "--database", "other"}, want: "x\n"},
		{args: []string{"wal", "rows", f.data, "--table", "parted", "--xid", f.xid}, want: f.parted},
		{args: []string{"wal", "rows", f.data, "--table", "city", "--only", "--xid", f.xid}, want: f.onlyCity},
		{args: []string{"undelete", "--xid", f.xid}, says: "\npublic.parted (all partitions)    99 "},
		{args: []string{"undelete", "--xid", f.xid}, says: "\n  public.parted_high              50 "},
		{args: []string{"undelete", "--xid", f.xid, "--table", "parted", "--json"}, says: `"partition_of": "public.parted"`},
		{args: []string{"undelete", "--xid", f.xid, "--table", "city"}, says: "3 lost, 3 recovered"},
		{args: []string{"undelete", "--xid", f.xid, "--table", "city", "--only"}, says: "2 lost, 2 recovered"},
		{args: []string{"undelete", "--xid", f.xid}, says: "104 lost, 104 recovered"},
		{args: []string{"wal", "transactions", f.data, "--table", "parted", "--limit", "1"}, says: "public.parted_low"},
	} {
		args := append(slices.Clone(test.args), pgdata...)
		code, stdout, stderr := execute(t.Context(), args...)
		if code != test.code || test.want != "" && sortedLines(stdout) != sortedLines(test.want) || !strings.Contains(stdout+stderr, test.says) {
			t.Errorf("pgrescue %s: code %d\n%.800s%.800s\nwant code %d, %q", strings.Join(args, " "), code, stdout, stderr, test.code, test.want+test.says)
		}
	}
	partitionsInACase(t, &f)
}
