package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pgrescue/pgrescue/cmd/internal/exitcode"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster/clustertest"
)

// TestHeapScanLikeDroppedTable scans the blocks of a dropped table for its rows. The
// catalogs were rewritten since, so that only the WAL has its columns.
func TestHeapScanLikeDroppedTable(t *testing.T) {
	t.Parallel()
	c := clustertest.Start(t, cluster.Options{Settings: map[string]string{"wal_keep_size": "1GB"}})
	clustertest.Exec(t, c, "postgres",
		"CREATE TABLE gone (id int, note text, added int); INSERT INTO gone SELECT i, 'note ' || i, i FROM generate_series(1, 1000) i",
		"CREATE TABLE other (id int, note text); INSERT INTO other SELECT i, 'other ' || i FROM generate_series(1, 30) i", "CHECKPOINT")
	want := clustertest.CopyOut(t, c, "postgres", "SELECT * FROM gone")
	image := filepath.Join(t.TempDir(), "disk.img")
	var content []byte
	for _, table := range []string{"gone", "other"} {
		raw, err := os.ReadFile(filepath.Join(c.DataDir(), clustertest.Value(t, c, "postgres", "SELECT pg_relation_filepath('"+table+"')")))
		if err != nil {
			t.Fatal(err)
		}
		content = append(content, raw...)
	}
	if err := os.WriteFile(image, content, 0o600); err != nil {
		t.Fatal(err)
	}
	clustertest.Exec(t, c, "postgres", "DROP TABLE gone", "VACUUM FULL pg_class", "VACUUM FULL pg_attribute", "CHECKPOINT")
	if err := c.Stop(t.Context(), cluster.Fast); err != nil {
		t.Fatal(err)
	}
	data := clustertest.Snapshot(t, c)
	args := []string{"heap", "scan", image, "--pgdata", data, "--like", "gone"}
	code, out, stderr := execute(t.Context(), args...)
	if code != exitcode.Done || strings.Count(out, "\n") != 1030 || !strings.Contains(stderr, "30 of these rows have fewer columns") ||
		!strings.Contains(stderr, "public.gone was dropped by transaction ") {
		t.Errorf("exit code %d, %d rows\n%s", code, strings.Count(out, "\n"), stderr)
	}
	if got := mustRun(t, exitcode.Done, append(args, "--exact")...); sortedLines(got) != sortedLines(want) {
		t.Errorf("%d rows with all columns", strings.Count(got, "\n"))
	}
}
