package main

import (
	"path/filepath"
	"testing"

	"github.com/pgrescue/pgrescue/cmd/internal/exitcode"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster/clustertest"
)

// TestRestoreFate: versions that the loss made itself are lost and never restored, and the
// balance says so: its parts add up.
func TestRestoreFate(t *testing.T) {
	t.Parallel()
	r := &restoreRefusal{t: t, c: clustertest.Start(t, cluster.Options{Settings: cluster.TenantLossSettings()}), folder: filepath.Join(t.TempDir(), "case")}
	r.plan = filepath.Join(r.folder, "plan.json")
	clustertest.Exec(t, r.c, "postgres", "CREATE TABLE item (id int PRIMARY KEY, price int)", "INSERT INTO item SELECT i, i FROM generate_series(1, 30) i", "CHECKPOINT")
	xid := clustertest.Value(t, r.c, "postgres", "UPDATE item SET price = 0 WHERE id <= 7; DELETE FROM item WHERE id <= 22; SELECT txid_current()")
	r.must(exitcode.Done, "", "undelete", "--case", r.folder, "--pgdata", clustertest.Snapshot(t, r.c), "--xid", xid)
	dsn := r.as(cluster.Superuser, "postgres")
	r.must(exitcode.Done, "22 to put in", "restore", "plan", "--case", r.folder, "--dsn", dsn)
	r.must(exitcode.Done, "", "restore", "apply", r.plan, "--dsn", dsn, "--confirm", "postgres")
	r.must(exitcode.Done, "public.item: 29 lost = 22 restored + 7 intermediate + 0 not restored. Intermediate versions were made by", "restore", "verify", r.plan, "--dsn", dsn)
	r.must(exitcode.Done, `"intermediate": 7`, "restore", "verify", r.plan, "--dsn", dsn, "--json")
	r.must(exitcode.Done, "+ INTERMEDIATE", "case", "show", "--case", r.folder)
	r.must(exitcode.Done, `"not_restored": 0`, "case", "show", "--case", r.folder, "--json")
	clustertest.Exec(t, r.c, "postgres", "UPDATE item SET price = -1 WHERE id = 9")
	const changed = "29 lost = 21 restored + 7 intermediate + 1 not restored (1 put in, and not in the target as planned)"
	r.must(exitcode.VerifyFailed, "1 row is not as it should be, such as", "restore", "verify", r.plan, "--dsn", dsn)
	r.must(exitcode.VerifyFailed, changed, "restore", "verify", r.plan, "--dsn", dsn)
	r.must(exitcode.Done, "1 put in, and not in the target as planned", "case", "show", "--case", r.folder)
}
