package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pgrescue/pgrescue/cmd/internal/exitcode"
	"github.com/pgrescue/pgrescue/recover/pg"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster/clustertest"
)

// newLargeCluster has a table plain of more than 1 GiB: the server finds its file
// as long as a segment, of zeros that take no room, and goes on behind them.
func newLargeCluster(t *testing.T) *hurtCluster {
	t.Helper()
	c := clustertest.Start(t, cluster.Options{Settings: map[string]string{"checkpoint_timeout": "1h"}})
	clustertest.Exec(t, c, "postgres", "CREATE TABLE plain (id int, n numeric, note text)")
	h := &hurtCluster{files: map[string]string{}, truth: map[string]map[string]string{"plain": {}}}
	h.files["plain"] = clustertest.Value(t, c, "postgres", "SELECT pg_relation_filepath('plain')")
	if err := c.Stop(t.Context(), cluster.Fast); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(filepath.Join(c.DataDir(), h.files["plain"]), pg.SegmentBlocks*pg.BlockSize); err != nil {
		t.Fatal(err)
	}
	if err := c.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	clustertest.Exec(t, c, "postgres", "INSERT INTO plain SELECT i, i / 8.0, 'note ' || i FROM generate_series(1, 2000) i", "CHECKPOINT")
	for line := range strings.Lines(clustertest.CopyOut(t, c, "postgres", "SELECT ctid, * FROM plain")) {
		tid, row, _ := strings.Cut(line, "\t")
		h.truth["plain"][tid] = row
	}
	culprit, err := c.Session(t.Context(), "postgres")
	if err != nil {
		t.Fatal(err)
	}
	if err := culprit.Exec(t.Context(), "BEGIN", "DELETE FROM plain"); err != nil {
		t.Fatal(err)
	}
	if h.xid, err = culprit.Value(t.Context(), "SELECT pg_current_xact_id()::text"); err != nil {
		t.Fatal(err)
	}
	if err := culprit.Exec(t.Context(), "COMMIT"); err != nil {
		t.Fatal(err)
	}
	if err := culprit.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := c.Stop(t.Context(), cluster.Fast); err != nil {
		t.Fatal(err)
	}
	h.heap = c.DataDir() // stopped for good: linked, and never changed
	return h
}

// TestMissingSegment takes a table's second segment, or its first. What lies in
// the other one comes back, and what does not is in the gap.
func TestMissingSegment(t *testing.T) {
	t.Parallel()
	h := newLargeCluster(t)
	second := func(table string, block int) bool { return block >= pg.SegmentBlocks }
	first := func(table string, block int) bool { return block < pg.SegmentBlocks }
	cases := []damageCase{
		{name: "none", hurt: func(*victim) {}, code: exitcode.Done},
		{name: "second is gone", hurt: func(v *victim) { v.remove(v.files["plain"] + ".1") }, code: exitcode.Partial, gaps: []string{".1: segment of 1 GiB…missing…blocks from 131072 on"}},
		{name: "second is gone, no WAL", noWAL: true, hurt: func(v *victim) { v.remove(v.files["plain"] + ".1") }, code: exitcode.Partial, gaps: []string{".1: segment of 1 GiB…missing…blocks from 131072 on"}, touched: second, lost: -1},
		{
			name: "second is a directory, no WAL", noWAL: true, hurt: func(v *victim) { v.remove(v.files["plain"] + ".1"); v.mkdir(v.files["plain"] + ".1") },
			code: exitcode.Partial, gaps: []string{".1: segment of 1 GiB…not a regular file…blocks 131072 to 262143"}, touched: second, lost: -1,
		},
		{name: "first is gone, no WAL", noWAL: true, hurt: func(v *victim) { v.remove(v.files["plain"]) }, code: exitcode.Partial, gaps: []string{"segment of 1 GiB…missing…blocks 0 to 131071"}, touched: first, lost: -1},
		{name: "zeros before the rows, no WAL", noWAL: true, hurt: func(*victim) {}, code: exitcode.Partial, gaps: []string{"blocks 0 to 131070…131071 pages…zeros"}},
	}
	if testing.Short() { // the race detector sees the same goroutines in each
		cases = cases[2:3]
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) { c.run(t, h) })
	}
}
