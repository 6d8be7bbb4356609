package main

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pgrescue/pgrescue/cmd/internal/exitcode"
	"github.com/pgrescue/pgrescue/recover/heap"
	"github.com/pgrescue/pgrescue/recover/pg"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster/clustertest"
)

// TestHeapRowsTellsWhatItWithholds writes into a pruned tuple what a younger one
// would leave: the row is not given, and neither the summary nor the exit code hides it.
func TestHeapRowsTellsWhatItWithholds(t *testing.T) {
	t.Parallel()
	c := clustertest.Start(t, cluster.Options{})
	clustertest.Exec(t, c, "postgres", "CREATE TABLE t (id int, a int, b int); INSERT INTO t SELECT i, i, i FROM generate_series(1, 100) i")
	xid := clustertest.Value(t, c, "postgres", "DELETE FROM t WHERE id < 100; SELECT txid_current()")
	clustertest.Exec(t, c, "postgres", "VACUUM t", "SELECT txid_current()", "SELECT txid_current()")
	path := clustertest.Value(t, c, "postgres", "SELECT pg_relation_filepath('t')")
	if err := c.Stop(t.Context(), cluster.Fast); err != nil {
		t.Fatal(err)
	}
	data := clustertest.Snapshot(t, c)
	args := []string{"heap", "rows", "--pgdata", data, "--table", "t", "--carve"}
	if out := mustRun(t, exitcode.Done, args...); strings.Count(out, "\n") != 98 { // VACUUM moved the last row onto one
		t.Errorf("%d rows carved", strings.Count(out, "\n"))
	}
	content, err := os.ReadFile(filepath.Join(data, path))
	if err != nil {
		t.Fatal(err)
	}
	h, err := heap.Page(content).Header()
	if err != nil {
		t.Fatal(err)
	}
	const size = 40 // of a tuple
	last := 0       // the lowest, which was inserted last
	err = heap.Carve(content, h, []heap.Attr{{Len: 4, Align: 4}, {Len: 4, Align: 4}, {Len: 4, Align: 4}}, func(found *heap.Carved) error {
		if last == 0 && found.XmaxDestroys() {
			last = found.At
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	younger := binary.LittleEndian.Uint32(content[last+4:]) + 1
	binary.LittleEndian.PutUint32(content[last+size-8:], younger)
	binary.LittleEndian.PutUint64(content[last+size:], uint64(younger+1)<<32|uint64(younger))
	if err := os.WriteFile(filepath.Join(data, path), content[:pg.BlockSize], 0o600); err != nil {
		t.Fatal(err)
	}
	code, out, stderr := execute(t.Context(), append(args, "--xid", xid)...)
	if code != exitcode.Partial || strings.Count(out, "\n") != 96 || !strings.Contains(stderr, "1 pruned tuple is withheld") {
		t.Errorf("exit code %d, %d rows\n%s", code, strings.Count(out, "\n"), stderr)
	}
}

// TestHeapRowsSaysWhatTheFileCannotHave asks for tables whose rows went with their
// files, or that the WAL alone changed: a crash came before the pages were written.
func TestHeapRowsSaysWhatTheFileCannotHave(t *testing.T) {
	t.Parallel()
	c := clustertest.Start(t, cluster.Options{Settings: map[string]string{"checkpoint_timeout": "1h", "bgwriter_lru_maxpages": "0"}})
	for _, table := range []string{"gone", "emptied", "packed", "late", "early", "gone_late"} {
		clustertest.Exec(t, c, "postgres", "CREATE TABLE "+table+" (id int); INSERT INTO "+table+" SELECT generate_series(1, 100)")
	}
	xids := map[string]string{}
	for _, loss := range []struct{ name, sql string }{
		{"early", "DELETE FROM early"},
		{"gone", "DROP TABLE gone"},
		{"emptied", "TRUNCATE emptied"},
		{"rolled back", "DELETE FROM packed WHERE id < 5"},
		{"late", "CHECKPOINT; DELETE FROM late"},
		{"gone_late", "DROP TABLE gone_late"},
	} {
		end := "COMMIT"
		if loss.name == "rolled back" {
			end = "ROLLBACK"
		}
		if before, after, found := strings.Cut(loss.sql, "; "); found {
			clustertest.Exec(t, c, "postgres", "VACUUM FULL packed", before)
			loss.sql = after
		}
		xids[loss.name] = clustertest.Value(t, c, "postgres", "SELECT txid_current() + 1")
		clustertest.Exec(t, c, "postgres", "BEGIN; "+loss.sql+"; "+end)
	}
	clustertest.Exec(t, c, "postgres", "SELECT txid_current()")
	if err := c.Stop(t.Context(), cluster.Immediate); err != nil {
		t.Fatal(err)
	}
	data := clustertest.Snapshot(t, c)
	for _, test := range []struct {
		args string
		code exitcode.Code
		says string
		not  string
	}{
		{"--table gone", exitcode.Insufficient, "public.gone was dropped by transaction " + xids["gone"] + ", and its file is gone\nhint: `pgrescue undelete --xid " + xids["gone"], ""},
		{"--table gone_late", exitcode.Insufficient, "public.gone_late was dropped by transaction " + xids["gone_late"] + ", and its file is gone", ""},
		{"--table emptied", exitcode.Done, "warning: public.emptied was truncated by transaction " + xids["emptied"] + ": rows of before are not in its file\nhint: `pgrescue undelete --xid " + xids["emptied"], "not in the file"},
		{"--table packed", exitcode.Done, "0 dead", "truncated"},
		{"--table late", exitcode.Done, "warning: 100 changes in the WAL are not in the file of public.late yet\nhint: `pgrescue undelete` replays them", "truncated"},
		{"--table early", exitcode.Done, "100 dead", "warning"},
		{"--table early --xid " + xids["early"], exitcode.Done, "100 dead", "warning"},
		{"--table early --xid " + xids["gone"], exitcode.NotFound, "transaction " + xids["gone"] + " destroyed no tuple that is in the file of early", ""},
		{"--table early --xid 99999", exitcode.NotFound, "hint: `pgrescue wal transactions` lists transactions", ""},
		{"--table early --xid 0", exitcode.Usage, "0 is no transaction", ""},
		{"--table pg_class", exitcode.NotFound, "the system's own catalogs are not decoded as tables\nhint: `pgrescue catalog dump`", ""},
		{"--table pg_catalog.pg_class", exitcode.NotFound, "the system's own catalogs", ""},
	} {
		code, _, stderr := execute(t.Context(), append([]string{"heap", "rows", "--pgdata", data}, strings.Fields(test.args)...)...)
		if code != test.code || !strings.Contains(stderr, test.says) || test.not != "" && strings.Contains(stderr, test.not) {
			t.Errorf("%s: exit code %d, want %d\n%s", test.args, code, test.code, stderr)
		}
	}
}
