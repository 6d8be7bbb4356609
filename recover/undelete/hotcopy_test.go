package undelete_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/pgrescue/pgrescue/recover/pitr/cluster"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster/clustertest"
	"github.com/pgrescue/pgrescue/recover/undelete"
)

// TestTornCopyIsNotCarved has a copy that a backup made of the running server after the
// loss, without checksums: a page of it may be torn. The deleted rows lie in the free
// space of its pages, and nothing vouches for the bytes there.
func TestTornCopyIsNotCarved(t *testing.T) {
	t.Parallel()
	c := clustertest.Start(t, cluster.Options{Initdb: []string{"--wal-segsize=1"}, Settings: map[string]string{
		"wal_keep_size": "1GB", "checkpoint_timeout": "1h", "full_page_writes": "off",
	}})
	i := &incident{t, c}
	i.exec("CREATE TABLE t (id int PRIMARY KEY, n int)", "INSERT INTO t SELECT i, i FROM generate_series(1, 100) i", "VACUUM t", "CHECKPOINT")
	first := i.segment()
	i.exec("CHECKPOINT", "DELETE FROM t WHERE id > 90", "VACUUM t", "CHECKPOINT")
	hot := filepath.Join(t.TempDir(), "hot")
	s, err := c.Session(t.Context(), "postgres")
	if err != nil {
		t.Fatal(err)
	}
	i.do(s, "SELECT pg_backup_start('hot', true)")
	if err := c.CopyDataDir(hot); err != nil {
		t.Fatal(err)
	}
	label, err := s.Value(t.Context(), "SELECT labelfile FROM pg_backup_stop()")
	if err != nil {
		t.Fatal(err)
	}
	i.exec("VACUUM FULL t")
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	dir := i.copyOf(cluster.Fast, func(name string) bool { return name > first })
	xid := firstOf(t, dir, 10)
	look := func() undelete.Balance {
		t.Helper()
		r := run(t, undelete.Sources{DataDir: dir, Also: []string{hot}}, func(*undelete.Evidence) undelete.Request { return undelete.Request{XID: xid} }, false)
		return r.loss.Tables()[0].Balance
	}
	if b := look(); b.Lost != 10 || b.Carved == 0 || b.Also != b.Carved {
		t.Errorf("a copy that is no backup: %+v", b)
	}
	if err := os.WriteFile(filepath.Join(hot, "backup_label"), []byte(label), 0o600); err != nil {
		t.Fatal(err)
	}
	if b := look(); b.Lost != 10 || b.Missing != 10 {
		t.Errorf("a backup of the running server: %+v", b)
	}
}
