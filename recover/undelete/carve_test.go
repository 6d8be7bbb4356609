package undelete_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/pg"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster/clustertest"
	"github.com/pgrescue/pgrescue/recover/undelete"
)

// carveCase is a loss in table t whose dead tuples were pruned, with no page image
// in the WAL at hand.
type carveCase struct {
	name   string
	doomed string
	before []string // after the checkpoint, so that pages have their images earlier than the loss
	loss   []string
	after  []string
	all    bool // every lost row has to come back
	xid    pg.XID
}

// TestPrunedTuplesAreCarved destroys rows, prunes them by looking at the table, and
// keeps of the WAL only what was written since the rows' pages had their images: the
// ledger is whole, and the bytes lie in the free space of the pages alone.
func TestPrunedTuplesAreCarved(t *testing.T) {
	t.Parallel()
	for _, test := range []carveCase{
		{name: "all rows", doomed: "SELECT * FROM t", loss: []string{"DELETE FROM t"}, all: true},
		{name: "every fifth row", doomed: "SELECT * FROM t WHERE id % 5 = 0", loss: []string{"DELETE FROM t WHERE id % 5 = 0"}},
		{name: "update", doomed: "SELECT * FROM t WHERE id % 7 = 0", loss: []string{"UPDATE t SET note = 'other' WHERE id % 7 = 0"}},
		{
			// A row stays at the end, so that VACUUM does not cut the file.
			name: "space used again in part", doomed: "SELECT * FROM t WHERE id < 2000", loss: []string{"DELETE FROM t WHERE id < 2000"},
			after: []string{
				"VACUUM t", "INSERT INTO t SELECT i, i/8.0, 'new ' || i, NULL, '{}' FROM generate_series(1, 900) i",
				"DELETE FROM t WHERE id % 2 = 0 AND id < 2000", "SELECT count(*) FROM t", "VACUUM t",
				"INSERT INTO t SELECT i, i, 'newer', NULL, NULL FROM generate_series(3001, 3400) i",
			},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			dir, doomed := test.play(t)
			r := run(t, undelete.Sources{DataDir: dir}, func(*undelete.Evidence) undelete.Request { return undelete.Request{XID: test.xid} }, false)
			b := r.loss.Tables()[0].Balance
			t.Logf("%+v", b)
			if b.Carved == 0 || b.Carved != b.Heap || b.WAL != 0 {
				t.Errorf("nothing was carved, or not all: %+v", b)
			}
			if test.all {
				equalRows(t, "t", r.rows["public.t"], doomed)
			} else {
				subsetOf(t, "t", r.rows["public.t"], doomed)
			}
			test.checkProvenance(t, r.loss)
			test.withoutWAL(t, dir, doomed)
		})
	}
}

func (test *carveCase) checkProvenance(t *testing.T, loss *undelete.Loss) {
	t.Helper()
	err := loss.Recover(context.Background(), func(*undelete.Table) (evidence.Sink, error) {
		return evidence.SinkFunc(func(row *evidence.Row) error {
			if row.Route != evidence.RouteHeap || row.Confidence != evidence.Proven || row.Note != "carved from the page's free space" {
				t.Fatalf("provenance %+v", row.Provenance)
			}
			return nil
		}), nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// withoutWAL carves the table with nothing to name its rows.
func (test *carveCase) withoutWAL(t *testing.T, dir string, doomed []byte) {
	t.Helper()
	ev, _, err := undelete.Open(context.Background(), undelete.Sources{DataDir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer ev.Close()
	table := targetIn(t, ev, "t")
	var out bytes.Buffer
	w, err := evidence.NewWriter(evidence.FormatCopy, &out)
	if err != nil {
		t.Fatal(err)
	}
	result, err := undelete.DeadRows(context.Background(), ev, table, undelete.DeadRowsOptions{XID: test.xid, Carve: true}, w)
	if err == nil {
		err = w.Flush()
	}
	if err != nil {
		t.Fatal(err)
	}
	if result.Carved == 0 || result.Carved != result.Dead {
		t.Errorf("without WAL: %+v", result)
	}
	if result.InPart == 0 {
		subsetOf(t, "t", out.Bytes(), doomed)
	}
	if test.all {
		equalRows(t, "t", out.Bytes(), doomed)
	}
}

func targetIn(t *testing.T, ev *undelete.Evidence, name string) undelete.Target {
	t.Helper()
	db, err := ev.Snapshot.Database("postgres")
	if err != nil {
		t.Fatal(err)
	}
	rel, err := db.Table(name)
	if err != nil {
		t.Fatal(err)
	}
	return undelete.Target{Database: db, Relation: rel}
}

// play makes the loss. The rows' pages get their images before the segment with the
// loss begins, and the older segments are taken away.
func (test *carveCase) play(t *testing.T) (dir string, doomed []byte) {
	t.Helper()
	c := clustertest.Start(t, cluster.Options{Settings: map[string]string{"wal_keep_size": "2GB", "checkpoint_timeout": "1h"}})
	var begin string
	scenario := cluster.Scenario{
		Name: test.name, Prepare: []cluster.Step{
			cluster.SQL("postgres", standard, "CREATE TABLE other (id int)", "CHECKPOINT"),
			// An image of every page, then a segment that has none of them.
			cluster.SQL("postgres", append(test.before, "BEGIN; SELECT id FROM t FOR UPDATE; ROLLBACK", "SELECT pg_switch_wal()", "INSERT INTO other VALUES (1)")...),
			func(ctx context.Context, c *cluster.Cluster) error {
				var err error
				begin, err = c.Value(ctx, "postgres", "SELECT pg_walfile_name(pg_current_wal_lsn())")
				return err
			},
		},
		Doomed: map[string]string{"t": test.doomed},
		Loss:   []cluster.Step{cluster.SQL("postgres", test.loss...)},
		After:  []cluster.Step{cluster.SQL("postgres", append([]string{"SELECT count(*) FROM t", "SELECT sum(length(wide)) FROM t"}, test.after...)...), cluster.Checkpoint},
	}
	outcome, err := scenario.Run(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Stop(t.Context(), cluster.Fast); err != nil {
		t.Fatal(err)
	}
	dir = filepath.Join(t.TempDir(), "data")
	if err := c.CopyDataDir(dir); err != nil {
		t.Fatal(err)
	}
	segments, err := filepath.Glob(filepath.Join(dir, "pg_wal", "0*"))
	if err != nil || len(segments) == 0 {
		t.Fatalf("no segments: %v", err)
	}
	for _, segment := range segments {
		if name := filepath.Base(segment); name < begin {
			if err := os.Remove(segment); err != nil {
				t.Fatal(err)
			}
		}
	}
	test.xid = outcome.Before.NextXID
	return dir, outcome.Doomed["t"]
}
