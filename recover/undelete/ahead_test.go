package undelete_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/pg"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster/clustertest"
	"github.com/pgrescue/pgrescue/recover/undelete"
)

// TestFilesAheadOfWAL has relation files that know of a delete which the WAL at
// hand does not, because it was copied before, or because there is none. Dead
// tuples name the loss then, and nothing claims that they are all of it.
func TestFilesAheadOfWAL(t *testing.T) {
	t.Parallel()
	c := clustertest.Start(t, cluster.Options{Settings: map[string]string{"wal_keep_size": "1GB", "checkpoint_timeout": "1h"}})
	ctx := t.Context()
	early := filepath.Join(t.TempDir(), "early")
	before := time.Now().UTC().Add(-time.Hour)
	var xid string
	scenario := cluster.Scenario{
		Name: "ahead", Prepare: []cluster.Step{cluster.SQL("postgres", standard, "CHECKPOINT", "UPDATE t SET note = 'other' WHERE id > 1900")},
		Doomed: map[string]string{"t": "SELECT * FROM t WHERE id <= 1500"},
		Loss: []cluster.Step{func(ctx context.Context, c *cluster.Cluster) error {
			if err := c.CopyWAL(early); err != nil {
				return err
			}
			var err error
			xid, err = c.Value(ctx, "postgres", "WITH gone AS (DELETE FROM t WHERE id <= 1500 RETURNING id) SELECT pg_current_xact_id()::text FROM gone LIMIT 1")
			return err
		}},
		After: []cluster.Step{cluster.Checkpoint},
	}
	outcome, err := scenario.Run(ctx, c)
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "data")
	if err := c.CopyDataDir(dir); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(filepath.Join(dir, "pg_wal")); err != nil {
		t.Fatal(err)
	}
	var id pg.XID
	for _, digit := range xid {
		id = id*10 + pg.XID(digit-'0')
	}
	table := func(ev *undelete.Evidence) undelete.Target {
		db, err := ev.Snapshot.Database("postgres")
		if err != nil {
			t.Fatal(err)
		}
		rel, err := db.Table("t")
		if err != nil {
			t.Fatal(err)
		}
		return undelete.Target{Database: db, Relation: rel}
	}
	for _, test := range []struct {
		name    string
		sources undelete.Sources
		request func(*undelete.Evidence) undelete.Request
		also    bool // the rows updated before the loss come too
	}{
		{"WAL copied before, by transaction", undelete.Sources{DataDir: dir, WAL: []string{early}}, func(*undelete.Evidence) undelete.Request { return undelete.Request{XID: id} }, false},
		{"no WAL, by transaction", undelete.Sources{DataDir: dir}, func(*undelete.Evidence) undelete.Request { return undelete.Request{XID: id} }, false},
		{"no WAL, by table", undelete.Sources{DataDir: dir}, func(ev *undelete.Evidence) undelete.Request {
			return undelete.Request{Tables: []undelete.Target{table(ev)}, Since: before}
		}, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := run(t, test.sources, test.request, false)
			if r.loss.Covered {
				t.Error("the ledger claims to be complete")
			}
			if test.also {
				subsetOf(t, "t", outcome.Doomed["t"], r.rows["public.t"])
				return
			}
			equalRows(t, "t", r.rows["public.t"], outcome.Doomed["t"])
			err := r.loss.Ledger(r.loss.Tables()[0], func(line *undelete.Line) error {
				if line.NamedBy != evidence.RouteHeap || line.Settled != evidence.RouteHeap {
					t.Fatalf("line %+v", line)
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		})
	}
}
