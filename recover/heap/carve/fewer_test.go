package carve_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/pgrescue/pgrescue/recover/catalog"
	"github.com/pgrescue/pgrescue/recover/heap"
	"github.com/pgrescue/pgrescue/recover/heap/carve"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster/clustertest"
)

// TestFewerColumns scans a table with a column that was added later, beside a table
// that looks like it did before: such rows are told apart, and can be left out.
func TestFewerColumns(t *testing.T) {
	t.Parallel()
	c := clustertest.Start(t, cluster.Options{})
	clustertest.Exec(t, c, "postgres",
		"CREATE TABLE grown (id int, note text); INSERT INTO grown SELECT i, 'old ' || i FROM generate_series(1, 7) i; ALTER TABLE grown ADD COLUMN added int",
		"INSERT INTO grown SELECT i, 'note ' || i, i FROM generate_series(1, 1000) i",
		"CREATE TABLE other (id int, note text); INSERT INTO other SELECT i, 'other ' || i FROM generate_series(1, 30) i", "CHECKPOINT")
	var content [][]byte
	for _, table := range []string{"grown", "other"} {
		raw, err := os.ReadFile(filepath.Join(c.DataDir(), clustertest.Value(t, c, "postgres", "SELECT pg_relation_filepath('"+table+"')")))
		if err != nil {
			t.Fatal(err)
		}
		content = append(content, raw)
	}
	path := filepath.Join(t.TempDir(), "both.img")
	if err := os.WriteFile(path, slices.Concat(content...), 0o600); err != nil {
		t.Fatal(err)
	}
	dir := clustertest.Snapshot(t, c)
	snapshot, _, err := catalog.Read(t.Context(), catalog.Options{DataDir: dir})
	if err != nil {
		t.Fatal(err)
	}
	db, err := snapshot.Database("postgres")
	if err != nil {
		t.Fatal(err)
	}
	rel, err := db.Table("grown")
	if err != nil {
		t.Fatal(err)
	}
	own, _, err := carve.DataDir(heap.DataDir{Path: dir})
	if err != nil {
		t.Fatal(err)
	}
	belongs := func(src *carve.Source) bool { return src.File == rel.File }
	own = slices.DeleteFunc(own, func(src carve.Source) bool { return !belongs(&src) })
	shape := carve.NewShape(db, rel)
	for _, test := range []struct {
		name                  string
		sources               []carve.Source
		exact                 bool
		rows, narrow, leftOut int64
	}{
		{"image", file(t, path), false, 1037, 37, 0},
		{"image, exact", file(t, path), true, 1000, 0, 7}, // the others are on a page of their own
		{"its own file", own, false, 1007, 0, 0},
		{"its own file, exact", own, true, 1000, 0, 7},
	} {
		_, result, rows := rowsOf(t, test.sources, shape, carve.RowsOptions{Exact: test.exact, Belongs: belongs})
		noted := int64(0)
		for i := range rows {
			if strings.Contains(rows[i].Note, "it has 2 of 3 columns") {
				noted++
			}
		}
		if result.Rows != test.rows || result.Narrow != test.narrow || noted != test.narrow || result.NarrowLeftOut != test.leftOut {
			t.Errorf("%s: %d noted, %+v", test.name, noted, result)
		}
	}
}
