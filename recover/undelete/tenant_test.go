package undelete_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/pgrescue/pgrescue/recover/catalog"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster/clustertest"
	"github.com/pgrescue/pgrescue/recover/undelete"
)

// TestTenantLoss is the loss that pgrescue was made for: 300,000 rows in three
// tables with TOAST, checkpoints and traffic, then one transaction deletes the
// 100,000 rows of one tenant. They come back untouched, after a crash, after
// VACUUM and from WAL alone, byte for byte.
func TestTenantLoss(t *testing.T) {
	t.Parallel()
	c := clustertest.Start(t, cluster.Options{Settings: cluster.TenantLossSettings()})
	ctx := t.Context()
	want := 100_000
	if testing.Short() { // the race detector has nothing to see in more, and makes each row dear
		want = 30_000
	}
	loss, err := cluster.BuildTenantLoss(ctx, c, 3*want)
	if err != nil {
		t.Fatal(err)
	}
	if loss.Lost() != want {
		t.Fatalf("the scenario deleted %d rows", loss.Lost())
	}
	folder := t.TempDir()
	for _, snapshot := range []struct {
		name string
		take func(context.Context, string) error
		heap func(heap, wal int64) bool
	}{
		{"crashed", loss.SnapshotCrashed, func(heap, wal int64) bool { return heap+wal == int64(want) }},
		// The other tenants' sessions prune the pages that they share with the dead rows.
		{"untouched", loss.SnapshotCheckpointed, func(heap, wal int64) bool { return heap > int64(want)*9/10 && heap+wal == int64(want) }},
		{"vacuumed", loss.SnapshotVacuumed, func(heap, wal int64) bool { return heap == 0 && wal == int64(want) }},
	} {
		dir := filepath.Join(folder, snapshot.name)
		if err := snapshot.take(ctx, dir); err != nil {
			t.Fatal(err)
		}
		t.Run(snapshot.name, func(t *testing.T) {
			r := run(t, undelete.Sources{DataDir: dir}, byXID(loss), false)
			total := wholeTenant(t, r, loss)
			if !snapshot.heap(total.Heap, total.WAL) || !r.loss.Covered {
				t.Errorf("settled %+v, covered %t %s", total, r.loss.Covered, r.loss.Uncovered)
			}
		})
	}
	t.Run("since", func(t *testing.T) {
		r := run(t, undelete.Sources{DataDir: filepath.Join(folder, "vacuumed")}, func(ev *undelete.Evidence) undelete.Request {
			return undelete.Request{Tables: tables(t, ev, loss), Since: loss.Before.Time, Until: loss.After.Time}
		}, false)
		for _, table := range loss.Tables {
			if got := r.rows[table.String()]; len(got) < len(table.Doomed) {
				t.Errorf("%s: rows are missing", table)
			}
			subsetOf(t, table.String(), table.Doomed, r.rows[table.String()])
		}
	})
	t.Run("wal and catalog alone", func(t *testing.T) { walAlone(t, loss, filepath.Join(folder, "vacuumed")) })
}

func byXID(loss *cluster.TenantLoss) func(*undelete.Evidence) undelete.Request {
	return func(*undelete.Evidence) undelete.Request { return undelete.Request{XID: loss.XID} }
}

func tables(t *testing.T, ev *undelete.Evidence, loss *cluster.TenantLoss) []undelete.Target {
	t.Helper()
	db, err := ev.Snapshot.Database(loss.Database)
	if err != nil {
		t.Fatal(err)
	}
	var targets []undelete.Target
	for _, table := range loss.Tables {
		rel, err := db.Table(table.String())
		if err != nil {
			t.Fatal(err)
		}
		targets = append(targets, undelete.Target{Database: db, Relation: rel})
	}
	return targets
}

// wholeTenant checks that every doomed row came back, and sums the balances up.
func wholeTenant(t *testing.T, r *rescue, loss *cluster.TenantLoss) undelete.Balance {
	t.Helper()
	var total undelete.Balance
	for _, table := range r.loss.Tables() {
		total.Lost += table.Balance.Lost
		total.Heap += table.Balance.Heap
		total.WAL += table.Balance.WAL
		total.InPart += table.Balance.InPart
		total.Missing += table.Balance.Missing
	}
	for _, table := range loss.Tables {
		equalRows(t, table.String(), r.rows[table.String()], table.Doomed)
	}
	if total.Lost != int64(loss.Lost()) || total.Missing+total.InPart != 0 {
		t.Errorf("balance: %+v of %d lost rows", total, loss.Lost())
	}
	return total
}

// walAlone recovers from the WAL and a catalog file in another place, first
// whole, then with the oldest segments gone.
func walAlone(t *testing.T, loss *cluster.TenantLoss, dataDir string) {
	folder := t.TempDir()
	catalogFile := filepath.Join(folder, "catalog.json")
	snapshot, _, err := catalog.Read(t.Context(), catalog.Options{DataDir: dataDir})
	if err != nil {
		t.Fatal(err)
	}
	file, err := os.Create(catalogFile)
	if err != nil {
		t.Fatal(err)
	}
	if err := snapshot.Save(file); err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	segments, err := filepath.Glob(filepath.Join(dataDir, "pg_wal", strings.Repeat("?", 24)))
	if err != nil || len(segments) < 5 {
		t.Fatalf("segments: %d, %v", len(segments), err)
	}
	slices.Sort(segments)
	r := run(t, undelete.Sources{WAL: segments, CatalogFile: catalogFile}, byXID(loss), false)
	if total := wholeTenant(t, r, loss); total.WAL != int64(loss.Lost()) {
		t.Errorf("settled %+v", total)
	}
	// Cut the log off in the middle of the loss's checkpoint cycle, one segment more each time.
	size := uint64(16 << 20)
	last := uint64(loss.After.LSN) / size
	for _, keepFrom := range []uint64{uint64(loss.Before.LSN)/size - 1, uint64(loss.Before.LSN) / size, last} {
		name := fmt.Sprintf("%08X%08X%08X", 1, keepFrom>>8, keepFrom&0xFF)
		at := slices.IndexFunc(segments, func(path string) bool { return filepath.Base(path) >= name })
		t.Run("from "+name, func(t *testing.T) {
			r := run(t, undelete.Sources{WAL: segments[at:], CatalogFile: catalogFile}, byXID(loss), false)
			var lost, settled int64
			for _, table := range r.loss.Tables() {
				lost += table.Balance.Lost
				settled += table.Balance.Settled()
				t.Logf("%s: %+v", table.Name(), table.Balance)
			}
			if lost > int64(loss.Lost()) || settled == 0 {
				t.Errorf("lost %d, settled %d", lost, settled)
			}
			if lost < int64(loss.Lost()) && r.loss.Covered {
				t.Errorf("the ledger names %d of %d versions and claims to be complete", lost, loss.Lost())
			}
			for _, table := range loss.Tables {
				subsetOf(t, table.String(), r.rows[table.String()], table.Doomed)
			}
		})
	}
}
