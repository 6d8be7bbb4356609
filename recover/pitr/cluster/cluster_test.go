//go:build unix

package cluster_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster/clustertest"
)

const fruitSQL = "CREATE TABLE fruit (id int PRIMARY KEY, name text); INSERT INTO fruit VALUES (1, E'ap\\tple'), (2, NULL)"

const fruitCopy = "1\tap\\tple\n2\t\\N\n"

func TestClusterRunsAndStartsAgain(t *testing.T) {
	t.Parallel()
	c := clustertest.Start(t, cluster.Options{Initdb: []string{"--data-checksums", "--wal-segsize=1"}, Settings: map[string]string{"wal_keep_size": "64MB"}})
	clustertest.Exec(t, c, "postgres", fruitSQL)
	for query, want := range map[string]string{
		"SHOW data_checksums": "on", "SHOW wal_segment_size": "1MB", "SHOW wal_keep_size": "64MB", "SHOW autovacuum": "off",
		"SHOW TimeZone": "UTC", "SHOW server_encoding": "UTF8", "SHOW listen_addresses": "", "SHOW fsync": "off", "SELECT 1 WHERE false": "",
	} {
		if got := clustertest.Value(t, c, "postgres", query); got != want {
			t.Errorf("%s: got %q, want %q", query, got, want)
		}
	}
	if err := c.Stop(t.Context(), cluster.Fast); err != nil {
		t.Fatal(err)
	}
	if c.Running() || c.PID() != 0 {
		t.Error("a stopped cluster says that it runs")
	}
	if err := c.Configure(map[string]string{"work_mem": "3MB"}); err != nil {
		t.Fatal(err)
	}
	if err := c.Start(context.WithoutCancel(t.Context())); err != nil {
		t.Fatal(err)
	}
	if got := clustertest.CopyOut(t, c, "postgres", "TABLE fruit ORDER BY id"); got != fruitCopy {
		t.Errorf("after a restart: got %q, want %q", got, fruitCopy)
	}
	if got := clustertest.Value(t, c, "postgres", "SHOW work_mem"); got != "3MB" {
		t.Errorf("work_mem: got %s, want 3MB", got)
	}
	if err := c.Start(t.Context()); err == nil {
		t.Error("a second start of a running cluster must fail")
	}
}

// A crash leaves the control file saying that the cluster was in production, and
// the next start brings the committed rows back from WAL.
func TestCrashRecovers(t *testing.T) {
	t.Parallel()
	c := clustertest.Start(t, cluster.Options{})
	clustertest.Exec(t, c, "postgres", fruitSQL)
	before, err := c.CurrentLSN(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Crash(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := c.Start(context.WithoutCancel(t.Context())); err != nil {
		t.Fatal(err)
	}
	if got := clustertest.CopyOut(t, c, "postgres", "TABLE fruit ORDER BY id"); got != fruitCopy {
		t.Errorf("after a crash: got %q, want %q", got, fruitCopy)
	}
	if !strings.Contains(c.LogTail(100), "automatic recovery in progress") {
		t.Errorf("the server did not recover from WAL:\n%s", c.LogTail(100))
	}
	if after, err := c.CurrentLSN(t.Context()); err != nil || after <= before {
		t.Errorf("LSN after recovery %s (%v), want beyond %s", after, err, before)
	}
}

func TestCopyDataDir(t *testing.T) {
	t.Parallel()
	c := clustertest.Start(t, cluster.Options{})
	clustertest.Exec(t, c, "postgres", fruitSQL, "CHECKPOINT")
	running := clustertest.Snapshot(t, c)
	if _, err := os.Stat(filepath.Join(running, "postmaster.pid")); err != nil {
		t.Errorf("the copy of a running server must show that it ran: %v", err)
	}
	if err := c.Stop(t.Context(), cluster.Fast); err != nil {
		t.Fatal(err)
	}
	stopped := clustertest.Snapshot(t, c)
	if _, err := os.Stat(filepath.Join(stopped, "postmaster.pid")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the copy of a stopped server has a postmaster.pid: %v", err)
	}
	original := listFiles(t, c.DataDir())
	if copied := listFiles(t, stopped); len(copied) < 900 || strings.Join(copied, "\n") != strings.Join(original, "\n") {
		t.Errorf("the copy has %d files, the data directory %d, and they are not the same", len(copied), len(original))
	}
	if err := c.CopyDataDir(stopped); err == nil {
		t.Error("a copy must not write over another")
	}
	wal := filepath.Join(t.TempDir(), "wal")
	if err := c.CopyWAL(wal); err != nil {
		t.Fatal(err)
	}
	if segments, err := filepath.Glob(filepath.Join(wal, "0000000100000000*")); err != nil || len(segments) == 0 {
		t.Errorf("no segments in the copy of pg_wal: %v", err)
	}
}

// listFiles gives path and content of each file under root.
func listFiles(t *testing.T, root string) []string {
	t.Helper()
	var files []string
	err := filepath.WalkDir(root, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		files = append(files, strings.TrimPrefix(path, root)+"\x00"+string(content))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestTCPAsksForThePassword(t *testing.T) {
	t.Parallel()
	c := clustertest.Start(t, cluster.Options{TCP: true})
	conn, err := pgx.Connect(t.Context(), c.TCPDSN("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	config, err := pgx.ParseConfig(c.TCPDSN("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	config.Password = "wrong"
	if conn, err := pgx.ConnectConfig(t.Context(), config); err == nil {
		conn.Close(t.Context())
		t.Error("the server took a wrong password")
	}
}

// Nothing stays: neither the server's process nor its folder.
func TestRemoveLeavesNothing(t *testing.T) {
	t.Parallel()
	c, err := cluster.Start(t.Context(), cluster.Options{Version: clustertest.DefaultVersion})
	if err != nil {
		t.Fatal(err)
	}
	pid := c.PID()
	if err := syscall.Kill(pid, 0); err != nil {
		t.Fatalf("server %d does not run: %v", pid, err)
	}
	if err := c.Remove(); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("server %d still runs: %v", pid, err)
	}
	if _, err := os.Stat(c.Dir()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%s is still there: %v", c.Dir(), err)
	}
}

func TestServerEndsWithItsContext(t *testing.T) {
	t.Parallel()
	c := clustertest.New(t, cluster.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	if err := c.Start(ctx); err != nil {
		t.Fatal(err)
	}
	cancel()
	// Smart waits for the end; with no session open both ways lead there.
	if err := c.Stop(t.Context(), cluster.Smart); err != nil {
		t.Fatal(err)
	}
	if c.Running() {
		t.Error("the server outlived its context")
	}
}

func TestErrorsSayWhatToDo(t *testing.T) {
	t.Parallel()
	_, err := cluster.New(t.Context(), cluster.Options{Version: "3"})
	var detail *evidence.Error
	if !errors.Is(err, cluster.ErrNoServer) || !errors.As(err, &detail) || detail.Hint == "" {
		t.Errorf("version 3: got %v, want ErrNoServer with a hint", err)
	}
	if _, err := cluster.New(t.Context(), cluster.Options{Version: clustertest.DefaultVersion, Initdb: []string{"--no-such-option"}}); err == nil || !strings.Contains(err.Error(), "no-such-option") {
		t.Errorf("bad initdb option: got %v, want what initdb said", err)
	}
	c := clustertest.New(t, cluster.Options{Settings: map[string]string{"shared_buffers": "lots"}})
	if err := c.Start(t.Context()); err == nil || !strings.Contains(err.Error(), "shared_buffers") {
		t.Errorf("bad setting: got %v, want what the server's log said", err)
	}
}

func TestLocateReadsTheVariable(t *testing.T) {
	dir, err := cluster.Locate(t.Context(), clustertest.DefaultVersion)
	if err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(t.TempDir(), "postgresql-15")
	if err := os.Mkdir(link, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(dir, filepath.Join(link, "bin")); err != nil {
		t.Fatal(err)
	}
	t.Setenv(cluster.BinDirsVariable, link)
	got, err := cluster.Locate(t.Context(), clustertest.DefaultVersion)
	if want := filepath.Join(link, "bin"); err != nil || got != want {
		t.Errorf("got %s, %v, want %s", got, err, want)
	}
}

func TestEveryVersionRuns(t *testing.T) {
	clustertest.EachVersion(t, func(t *testing.T, version string) {
		c := clustertest.Start(t, cluster.Options{Version: version})
		clustertest.Exec(t, c, "postgres", "CREATE EXTENSION pageinspect")
		if got := clustertest.Value(t, c, "postgres", "SHOW server_version"); !strings.HasPrefix(got, version+".") {
			t.Errorf("server_version is %s, want %s", got, version)
		}
	})
}
