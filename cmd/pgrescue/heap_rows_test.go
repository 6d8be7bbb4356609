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
