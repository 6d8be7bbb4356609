package catalog_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/pgrescue/pgrescue/recover/catalog"
	"github.com/pgrescue/pgrescue/recover/heap"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster/clustertest"
)

// TestFilesTellWhatBecameOfRewrites takes pg_xact away: a table that was rewritten, and
// that was rolled back, has the file and the columns that it had before; one that was
// truncated has its new file; and what was taken for true is told.
func TestFilesTellWhatBecameOfRewrites(t *testing.T) {
	t.Parallel()
	for _, version := range []string{"13", "15", "18"} {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			c := clustertest.Start(t, cluster.Options{Version: version})
			clustertest.Exec(t, c, "postgres", "CREATE TABLE kept (id int, n int)", "CREATE TABLE emptied (id int)", "CREATE TABLE still (id int)",
				"INSERT INTO kept SELECT i, i FROM generate_series(1, 10) i", "INSERT INTO emptied VALUES (1)", "CHECKPOINT")
			clustertest.Exec(t, c, "postgres", "BEGIN; ALTER TABLE kept ALTER n TYPE bigint; ROLLBACK; BEGIN; TRUNCATE emptied; COMMIT; CHECKPOINT")
			if err := c.Stop(t.Context(), cluster.Fast); err != nil {
				t.Fatal(err)
			}
			dir := clustertest.Snapshot(t, c)
			remove(t, filepath.Join(dir, "pg_xact"))
			snapshot, gaps, err := catalog.Read(t.Context(), catalog.Options{DataDir: dir})
			if err != nil {
				t.Fatal(err)
			}
			db, err := snapshot.Database("postgres")
			if err != nil {
				t.Fatal(err)
			}
			for _, name := range []string{"kept", "emptied", "still"} {
				rel, err := db.Table(name)
				if err != nil {
					t.Fatal(err)
				}
				file, err := heap.OpenRelation(dir, rel.File)
				if err != nil {
					t.Errorf("%s: %v", name, err)
					continue
				}
				file.Close()
				if name == "kept" && (rel.Attributes[1].Len != 4 || file.Blocks() != 1) {
					t.Errorf("kept: %+v, %d blocks", rel.Attributes, file.Blocks())
				}
				if name == "emptied" && file.Blocks() != 0 {
					t.Errorf("emptied has the file of before, with %d blocks", file.Blocks())
				}
			}
			checkGaps(t, gaps, "it is taken for rolled back")
			for _, gap := range gaps {
				if strings.Contains(gap.String(), "still") {
					t.Errorf("gap %s", gap)
				}
			}
		})
	}
}
