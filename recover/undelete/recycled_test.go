package undelete_test

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"

	"github.com/pgrescue/pgrescue/recover/pg"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster/clustertest"
	"github.com/pgrescue/pgrescue/recover/undelete"
	"github.com/pgrescue/pgrescue/recover/wal"
)

// TestRecycledSegmentsRescue lets a server recycle the segments in which a loss
// happened, and takes its rows out of nothing else: whole, then with a hole between
// the loss and the log, then with a hole in the loss.
func TestRecycledSegmentsRescue(t *testing.T) {
	t.Parallel()
	c := clustertest.Start(t, cluster.Options{Initdb: []string{"--wal-segsize=1"}, Settings: map[string]string{
		"wal_keep_size": "0", "min_wal_size": "200MB", "checkpoint_timeout": "1h",
	}})
	i := &incident{t, c}
	i.exec("CREATE TABLE t (id int PRIMARY KEY, n int)", "INSERT INTO t SELECT i, i FROM generate_series(1, 20000) i", "VACUUM t")
	i.segment()
	i.exec("CHECKPOINT")
	first := i.segment()
	s, xid := i.session("DELETE FROM t WHERE id % 2 = 0", "COMMIT")
	_ = s
	last := i.segment()
	i.exec("VACUUM t", "CREATE TABLE later AS SELECT i, repeat('x', 100) FROM generate_series(1, 20000) i")
	i.segment()
	i.exec("CHECKPOINT") // what lies before it is recycled here
	dir := i.copyOf(cluster.Fast, all)
	xid = lastDelete(t, dir, xid)

	rescued := func(covered bool, lost, settled int64) {
		t.Helper()
		r, b := rescueOf(t, dir, undelete.Request{XID: xid, NoHeap: true})
		if r.loss.Covered != covered || b.Lost != lost || b.WAL != settled || b.Settled() != settled || r.loss.RecycledSegments() == 0 {
			t.Errorf("covered %t (%s), %d recycled segments used, balance %+v", r.loss.Covered, r.loss.Uncovered, r.loss.RecycledSegments(), b)
		}
	}
	rescued(true, 10000, 10000)
	recycled := openWAL(t, dir).Recycled()
	at := func(name string) int {
		n := slices.IndexFunc(recycled, func(s wal.Segment) bool { return s.Start == startOf(t, name) })
		if n < 0 {
			t.Fatalf("%s was not recycled; there are %+v", name, recycled)
		}
		return n
	}
	remove := func(s wal.Segment) {
		if err := os.Remove(filepath.Join(dir, "pg_wal", filepath.Base(s.Path))); err != nil {
			t.Fatal(err)
		}
	}
	from, to := at(first), at(last)
	if to-from < 1 || to+1 >= len(recycled) {
		t.Fatalf("the loss is in the recycled segments %d to %d of %d", from, to, len(recycled))
	}
	remove(recycled[to+1]) // between the loss and the log
	rescued(true, 10000, 10000)
	if archive := openWAL(t, dir); len(archive.Holes()) != 1 || len(archive.Gaps()) != 0 || archive.Start() <= recycled[to].Start {
		t.Errorf("holes %+v, gaps %+v, the log begins at %s", archive.Holes(), archive.Gaps(), archive.Start())
	}
	remove(recycled[from+1])
	r, b := rescueOf(t, dir, undelete.Request{XID: xid, NoHeap: true})
	if r.loss.Covered || !b.Balances() {
		t.Errorf("with a hole in the loss: covered %t, balance %+v", r.loss.Covered, b)
	}
}

// startOf is the place of a segment of 1 MiB below 4 GiB, by its name.
func startOf(t *testing.T, name string) pg.LSN {
	t.Helper()
	n, err := strconv.ParseUint(name[16:], 16, 32)
	if err != nil {
		t.Fatal(err)
	}
	return pg.LSN(n << 20)
}

func openWAL(t *testing.T, dir string) *wal.Archive {
	t.Helper()
	archive, err := wal.OpenArchive([]string{dir}, wal.OpenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = archive.Close() })
	return archive
}
