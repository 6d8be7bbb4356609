package undelete_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pgrescue/pgrescue/recover/pitr/cluster"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster/clustertest"
	"github.com/pgrescue/pgrescue/recover/undelete"
)

// TestValuesOfAnotherHistory has a further copy of a server that went on by itself after
// another had been promoted. Both gave the same number to a value out of line: the one
// of the other history is not the lost one.
func TestValuesOfAnotherHistory(t *testing.T) {
	t.Parallel()
	c := clustertest.Start(t, cluster.Options{Initdb: []string{"--wal-segsize=1"}, Settings: map[string]string{"wal_keep_size": "1GB", "checkpoint_timeout": "1h", "full_page_writes": "off"}})
	i := &incident{t, c}
	stop := func() {
		t.Helper()
		if err := c.Stop(t.Context(), cluster.Fast); err != nil {
			t.Fatal(err)
		}
	}
	start := func() {
		t.Helper()
		if err := c.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	shell := func(name string, args ...string) {
		t.Helper()
		if out, err := exec.CommandContext(t.Context(), name, args...).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v: %s", name, err, out)
		}
	}
	fill := func(what string) (value string) {
		t.Helper()
		i.exec("INSERT INTO t VALUES (1, repeat(md5('"+what+"'), 200))", "CHECKPOINT")
		toast := clustertest.Value(t, c, "postgres", "SELECT reltoastrelid::regclass FROM pg_class WHERE relname = 't'")
		return clustertest.Value(t, c, "postgres", "SELECT max(chunk_id) FROM "+toast)
	}
	i.exec("CREATE TABLE t (id int, wide text)", "ALTER TABLE t ALTER wide SET STORAGE EXTERNAL")
	stop()
	base := filepath.Join(t.TempDir(), "base")
	shell("cp", "-a", c.DataDir(), base)
	start()
	there := fill("there")
	stop()
	other := clustertest.Snapshot(t, c)
	if err := os.RemoveAll(c.DataDir()); err != nil {
		t.Fatal(err)
	}
	shell("cp", "-a", base, c.DataDir())
	shell("cp", "-a", filepath.Join(base, "PG_VERSION"), filepath.Join(c.DataDir(), "recovery.signal")) // with its owner
	// Without hot_standby nobody is let in before the recovery is over.
	if err := c.Configure(map[string]string{"restore_command": "false", "hot_standby": "off"}); err != nil {
		t.Fatal(err)
	}
	start()
	here := fill("here")
	lost := i.segment()
	i.exec("CHECKPOINT")
	s, xid := i.session("DELETE FROM t")
	i.do(s, "COMMIT")
	i.exec("VACUUM " + clustertest.Value(t, c, "postgres", "SELECT reltoastrelid::regclass FROM pg_class WHERE relname = 't'"))
	dir := i.copyOf(cluster.Fast, func(name string) bool { return name != lost })
	if here != there || !strings.HasPrefix(lost, "00000002") {
		t.Fatalf("value %s here, %s there; segment %s", here, there, lost)
	}
	look := func() {
		t.Helper()
		r := run(t, undelete.Sources{DataDir: dir, Also: []string{other}}, func(*undelete.Evidence) undelete.Request { return undelete.Request{XID: xid} }, false)
		if b := r.loss.Tables()[0].Balance; b.Lost != 1 || b.InPart != 1 {
			t.Errorf("%+v, rows %.100q", b, r.rows["public.t"])
		}
	}
	look()
	segments, err := filepath.Glob(filepath.Join(dir, "pg_wal", "00000002"+strings.Repeat("?", 16)))
	if err != nil {
		t.Fatal(err)
	}
	left := false
	for _, path := range segments { // what is left of the timeline begins after the other history's value
		if ours := filepath.Base(path) > lost && !left; ours {
			left = true
		} else {
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
		}
	}
	look()
}
