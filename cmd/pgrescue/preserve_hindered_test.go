package main

import (
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pgrescue/pgrescue/cmd/internal/exitcode"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster/clustertest"
)

// as is the connection string of another role.
func (p *preserving) as(role string) string {
	return strings.Replace(p.c.LibpqDSN("shop"), "user="+cluster.Superuser, "user="+role, 1)
}

// undo thaws, and fails unless all is as it was before.
func (p *preserving) undo(says string) {
	p.t.Helper()
	p.run(exitcode.Done, says, "preserve", "--undo", "--yes", "--dsn", p.c.LibpqDSN("shop"))
	if got := p.state(); got != p.before {
		p.t.Errorf("before:\n%s\nafter the thaw:\n%s", p.before, got)
	}
}

// TestPreserveWithoutRights: each right that a role lacks is told with its reason, and the rest is done.
func TestPreserveWithoutRights(t *testing.T) {
	t.Parallel()
	p := newPreserving(t, "15")
	clustertest.Exec(t, p.c, "shop", "CREATE ROLE holder LOGIN", "CREATE ROLE watcher LOGIN IN ROLE pg_monitor", "CREATE ROLE stranger LOGIN",
		"CREATE ROLE streamer LOGIN REPLICATION", "ALTER TABLE plain OWNER TO holder", "CREATE SCHEMA closed CREATE TABLE odd (id int)")
	p.before = p.state()
	const noFiles, noSlot = "does not read them for this role: permission denied", "slot that holds the WAL: it needs max_slot_wal_keep_size as a guard"
	for role, says := range map[string][]string{
		"holder":   {"public.plain: autovacuum_enabled=off", "freeze of public.odd: must be owner of table odd", noFiles},
		"watcher":  {"freeze of public.plain: must be owner of table plain", "the data directory  ", "logs of the server"},
		"stranger": {"freeze of closed.odd: permission denied for schema closed", noFiles, "server/settings-files: permission denied"},
		"streamer": {"freeze of public.plain: must be owner of table plain", noFiles},
	} {
		p.kase = filepath.Join(t.TempDir(), role)
		more := []string{"--dsn", p.as(role), "--table", "closed.odd"}
		p.run(exitcode.Partial, "slot that holds the WAL: ", p.preserve(more...)...)
		if p.state() != p.before {
			t.Error("the plan changed something")
		}
		out := p.run(exitcode.Partial, noSlot, p.preserve(append(more, "--apply", "--yes")...)...)
		out += p.run(exitcode.Partial, "no superuser", "preserve", "--dsn", p.as(role))
		for _, want := range append(says, "autovacuum = off for the whole server: the role "+role+" is no superuser", "statistics, settings and catalogs of the server") {
			if !strings.Contains(out, want) {
				t.Errorf("%s: nothing says %q:\n%s", role, want, out)
			}
		}
		p.run(exitcode.Done, "", "preserve", "--undo", "--yes", "--dsn", p.as(role))
		if got := p.state(); got != p.before {
			t.Errorf("%s: before:\n%s\nafter the thaw:\n%s", role, p.before, got)
		}
	}
}

// TestPreserveWholeServer freezes a server of which nobody knows what was hurt, and thaws it to the byte. What somebody
// else did to what was frozen since stays as it is.
func TestPreserveWholeServer(t *testing.T) {
	t.Parallel()
	p := newPreserving(t, "15")
	clustertest.Exec(t, p.c, "shop", "CREATE DATABASE brief", "ALTER SYSTEM SET work_mem = '5MB'", "ALTER SYSTEM SET autovacuum = 'on'")
	clustertest.Exec(t, p.c, "brief", "CREATE TABLE gone (id int)")
	read := func() string {
		text, err := os.ReadFile(filepath.Join(p.c.DataDir(), "postgresql.auto.conf"))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	p.before = p.state()
	before := read()
	whole := []string{"preserve", "--dsn", p.c.LibpqDSN("shop")}
	p.run(exitcode.Done, "no database has nowhere any more", append(whole, "--table", "nowhere")...)
	p.run(exitcode.Done, "setting autovacuum: off", append(whole, "--apply", "--yes")...)
	running := clustertest.Value(t, p.c, "shop", `SELECT current_setting('autovacuum') || count(a.pid) FROM (SELECT) x
		LEFT JOIN pg_stat_activity a ON a.backend_type LIKE 'autovacuum%'`)
	if running != "off0" {
		t.Errorf("autovacuum is %s", running)
	}
	p.run(exitcode.Done, "", append(whole, "--apply", "--yes")...)
	p.undo("thawed  setting autovacuum")
	if after := read(); after != before {
		t.Errorf("before:\n%s\nafter:\n%s", before, after)
	}

	p.run(exitcode.Done, "public.gone: autovacuum_enabled=off", p.preserve("--table", "gone", "--apply", "--yes")...)
	clustertest.Exec(t, p.c, "postgres", "DROP DATABASE brief")
	clustertest.Exec(t, p.c, "shop", "ALTER TABLE plain SET (autovacuum_enabled = on)", "ALTER TABLE odd SET (parallel_workers = 3)", "ALTER SYSTEM SET max_slot_wal_keep_size = 77", "SELECT pg_reload_conf()")
	out := p.run(exitcode.Done, "database brief is not there any more", "preserve", "--undo", "--yes", "--dsn", p.c.LibpqDSN("shop"))
	for _, want := range []string{"public.plain: somebody else changed autovacuum_enabled", "max_slot_wal_keep_size is 77 now"} {
		if !strings.Contains(out, want) {
			t.Errorf("nothing says %q:\n%s", want, out)
		}
	}
	if got := clustertest.Value(t, p.c, "shop", "SELECT array_to_string(reloptions, ' ') FROM pg_class WHERE relname = 'odd'"); !strings.Contains(got, "parallel_workers=3") || !strings.Contains(got, "autovacuum_enabled=true") {
		t.Errorf("odd has %s", got)
	}
}

// waitingForRedis is the address of a Redis server that never answers, and what says that somebody came: by then
// the freeze is done, the first WAL is copied, and the data directory is not.
func waitingForRedis(t *testing.T) (address string, came func() net.Conn) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	return "redis://" + listener.Addr().String(), func() net.Conn {
		conn, err := listener.Accept()
		if err != nil {
			t.Fatal(err)
		}
		return conn
	}
}

// TestPreserveGoesOn: after a SIGKILL the same command goes on, and remembers what was before the first freeze. When the
// server goes away in the middle, or is not there, its files are captured all the same.
func TestPreserveGoesOn(t *testing.T) {
	t.Parallel()
	p := newPreserving(t, "15")
	snapshot := p.lose()
	defer snapshot.Close(context.WithoutCancel(t.Context())) //nolint:errcheck // the server crashed
	redis, came := waitingForRedis(t)
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	killed := exec.Command(program)
	killed.Args = append([]string{"pgrescue"}, p.preserve("--apply", "--yes", "--case", p.kase, "--redis", redis)...)
	if err := killed.Start(); err != nil {
		t.Fatal(err)
	}
	defer came().Close()
	if err := killed.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := killed.Wait(); err == nil {
		t.Fatal("it ended by itself")
	}
	// What a kill in the middle of a file leaves.
	half := filepath.Join(p.kase, "evidence", "data", "PG_VERSION.part")
	if err := errors.Join(os.MkdirAll(filepath.Dir(half), 0o700), os.WriteFile(half, []byte("half of it, and longer"), 0o600)); err != nil {
		t.Fatal(err)
	}
	p.run(exitcode.Done, "kept from an earlier capture", p.preserve("--apply", "--yes")...)
	if _, err := os.Stat(half); !os.IsNotExist(err) {
		t.Errorf("half a file is still there: %v", err)
	}
	p.undo("thawed  public.odd")
	p.run(exitcode.Done, "", "case", "verify")

	p.kase = filepath.Join(t.TempDir(), "lost")
	redis, came = waitingForRedis(t)
	ended := make(chan string, 1)
	go func() {
		code, stdout, stderr := execute(t.Context(), p.preserve("--apply", "--yes", "--case", p.kase, "--redis", redis)...)
		ended <- code.String() + "\n" + stdout + stderr
	}()
	conn := came()
	if err := p.c.Crash(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := conn.Close(); err != nil {
		t.Fatal(err)
	}
	if text := <-ended; !strings.HasPrefix(text, exitcode.Partial.String()+"\n") || !strings.Contains(text, "what else the server knows: it went away") {
		t.Errorf("it ended with %s", text)
	}
	p.run(exitcode.Partial, "the server: only its files are captured", p.preserve("--apply", "--yes", "--pgdata", p.c.DataDir())...)
	p.rescued()
	if err := p.c.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	p.undo("thawed  public.odd")
}
