package undelete_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/pg"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster/clustertest"
	"github.com/pgrescue/pgrescue/recover/undelete"
)

// copiesOf plays the loss and keeps copies of the data directory in a folder: before
// (stopped), between the loss and the vacuum, and two of the end: with the WAL since
// the first copy (long), and with that of the loss alone (short).
func copiesOf(t *testing.T) (path func(name string) string, xid pg.XID, doomed []byte) {
	t.Helper()
	c := clustertest.Start(t, cluster.Options{Settings: map[string]string{"wal_keep_size": "2GB", "checkpoint_timeout": "1h", "full_page_writes": "off"}})
	folder := t.TempDir()
	path = func(name string) string { return filepath.Join(folder, name) }
	keep := func(name string) cluster.Step {
		return func(_ context.Context, c *cluster.Cluster) error { return c.CopyDataDir(path(name)) }
	}
	var begin, afterCopy string
	note := func(to *string) cluster.Step {
		return func(ctx context.Context, c *cluster.Cluster) (err error) {
			*to, err = c.Value(ctx, "postgres", "SELECT pg_walfile_name(pg_current_wal_lsn())")
			return err
		}
	}
	const change = "UPDATE t SET note = 'changed ' || id WHERE id % 3 = 0"
	scenario := cluster.Scenario{
		Name: "copies", Prepare: []cluster.Step{
			cluster.SQL("postgres", standard, "CREATE TABLE other (id int)", "CHECKPOINT", "INSERT INTO other VALUES (1)", "SELECT count(*) FROM t", "SELECT sum(length(wide)) FROM t"),
			cluster.SQL("postgres", "SELECT pg_switch_wal()", "INSERT INTO other VALUES (2)"),
			note(&begin),
			func(ctx context.Context, c *cluster.Cluster) error {
				if err := c.Stop(ctx, cluster.Fast); err != nil {
					return err
				}
				return errors.Join(c.CopyDataDir(path("before")), c.Start(ctx))
			},
			cluster.SQL("postgres", change, "SELECT pg_switch_wal()", "INSERT INTO other VALUES (4)"),
			note(&afterCopy),
		},
		Doomed: map[string]string{"t": "SELECT * FROM t"},
		Loss:   []cluster.Step{cluster.SQL("postgres", "DELETE FROM t")},
		After:  []cluster.Step{cluster.Checkpoint, keep("between"), cluster.SQL("postgres", "VACUUM t", "CHECKPOINT")},
	}
	outcome, err := scenario.Run(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Stop(t.Context(), cluster.Fast); err != nil {
		t.Fatal(err)
	}
	cut := func(name, from string) {
		if err := c.CopyDataDir(path(name)); err != nil {
			t.Fatal(err)
		}
		segments, err := filepath.Glob(filepath.Join(path(name), "pg_wal", "0*"))
		if err != nil || len(segments) == 0 {
			t.Fatalf("no segments: %v", err)
		}
		for _, segment := range segments {
			if filepath.Base(segment) < from {
				if err := os.Remove(segment); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	cut("short", afterCopy)
	cut("long", begin)
	return path, outcome.Before.NextXID, outcome.Doomed["t"]
}

// TestFurtherCopies takes copies of a data directory before a loss, between the loss
// and the vacuum, and after it, and keeps of the WAL only a part; without
// full-page writes it has no image of any page. Each copy then gives what it can prove, and no more.
func TestFurtherCopies(t *testing.T) {
	t.Parallel()
	path, xid, doomed := copiesOf(t)
	short, long := path("short"), path("long")
	look := func(dir string, also ...string) *rescue {
		return run(t, undelete.Sources{DataDir: dir, Also: also}, func(*undelete.Evidence) undelete.Request { return undelete.Request{XID: xid} }, false)
	}
	if b := look(short).loss.Tables()[0].Balance; b.Missing == 0 {
		t.Fatalf("nothing is missing without copies: %+v", b)
	}
	t.Run("between loss and vacuum", func(t *testing.T) {
		r := look(short, path("between"))
		b := r.loss.Tables()[0].Balance
		if b.Missing+b.InPart > 0 || b.Also == 0 || b.Derived > 0 {
			t.Errorf("%+v", b)
		}
		equalRows(t, "t", r.rows["public.t"], doomed)
	})
	t.Run("before, WAL in between missing", func(t *testing.T) {
		r := look(short, path("before"))
		b := r.loss.Tables()[0].Balance
		if b.Derived == 0 || b.Derived != b.Also {
			t.Errorf("%+v", b)
		}
		notes := map[evidence.Confidence]int64{}
		err := r.loss.Recover(context.Background(), func(*undelete.Table) (evidence.Sink, error) {
			return evidence.SinkFunc(func(row *evidence.Row) error {
				notes[row.Confidence]++
				return nil
			}), nil
		})
		if err != nil || notes[evidence.Derived] != b.Derived {
			t.Errorf("%v, %v", notes, err)
		}
		subsetOf(t, "t", r.rows["public.t"], doomed)
	})
	t.Run("before, with the WAL since", func(t *testing.T) {
		if b := look(long).loss.Tables()[0].Balance; b.Missing == 0 {
			t.Errorf("nothing is missing without the copy: %+v", b)
		}
		r := look(long, path("before"))
		b := r.loss.Tables()[0].Balance
		if b.Missing+b.InPart+b.Derived > 0 || b.Also == 0 {
			t.Errorf("%+v", b)
		}
		equalRows(t, "t", r.rows["public.t"], doomed)
	})
	t.Run("of another cluster", func(t *testing.T) {
		stranger := clustertest.New(t, cluster.Options{})
		_, _, err := undelete.Open(context.Background(), undelete.Sources{DataDir: short, Also: []string{stranger.DataDir()}})
		if !errors.Is(err, undelete.ErrOtherCluster) {
			t.Errorf("error %v", err)
		}
		if err := os.Remove(filepath.Join(path("between"), "global", "pg_control")); err != nil {
			t.Fatal(err)
		}
		if _, _, err = undelete.Open(context.Background(), undelete.Sources{DataDir: short, Also: []string{path("between")}}); !errors.Is(err, undelete.ErrOtherCluster) {
			t.Errorf("without pg_control: error %v", err)
		}
	})
}
