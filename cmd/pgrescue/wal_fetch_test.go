package main

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/pgrescue/pgrescue/cmd/internal/exitcode"
	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/live"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster/clustertest"
	"github.com/pgrescue/pgrescue/recover/stream"
)

const replicatorPassword = "Geh1im, sagt keiner"

// tcpDSN is a role's connection string over TCP.
func tcpDSN(c *cluster.Cluster, more string) string {
	var kept []string
	for _, field := range strings.Fields(c.TCPDSN("postgres")) {
		if strings.HasPrefix(field, "host=") || strings.HasPrefix(field, "port=") || strings.HasPrefix(field, "sslmode=") {
			kept = append(kept, field)
		}
	}
	return strings.Join(kept, " ") + " " + more
}

// TestWALFetch runs the command against one server, with nothing but a
// replication role, and reads with the other commands what it brought.
func TestWALFetch(t *testing.T) {
	t.Parallel()
	c := clustertest.Start(t, cluster.Options{TCP: true, Settings: map[string]string{"wal_keep_size": "1GB"}})
	clustertest.Exec(t, c, "postgres",
		"CREATE ROLE replicator LOGIN REPLICATION PASSWORD '"+replicatorPassword+"'",
		"CREATE ROLE reader LOGIN PASSWORD '"+replicatorPassword+"'",
		"CREATE TABLE lost (id int, t text)",
		"INSERT INTO lost SELECT i, repeat(md5(i::text), 30) FROM generate_series(1, 20000) i",
		"CHECKPOINT")
	clustertest.Exec(t, c, "postgres", "DELETE FROM lost WHERE id % 2 = 0", "SELECT pg_switch_wal()", "INSERT INTO lost VALUES (0)")
	dsn := tcpDSN(c, "user=replicator password='"+replicatorPassword+"'")
	folder := filepath.Join(t.TempDir(), "fetched")

	t.Run("refusals", func(t *testing.T) { walFetchRefusals(t, c) })
	t.Run("dry run", func(t *testing.T) {
		code, stdout, stderr := execute(t.Context(), "wal", "fetch", "--dsn", dsn, "-o", folder, "--dry-run", "--json")
		var plan struct {
			Segments int
			Bytes    int64
			DryRun   bool `json:"dry_run"`
			Server   struct{ User, Version string }
			Fetched  any
		}
		if err := json.Unmarshal([]byte(stdout), &plan); err != nil || code != exitcode.Done {
			t.Fatalf("code %d, %v\n%s%s", code, err, stdout, stderr)
		}
		if !plan.DryRun || plan.Segments < 2 || plan.Bytes < 16<<20 || plan.Server.User != "replicator" || plan.Fetched != nil {
			t.Errorf("the plan is %s", stdout)
		}
		if _, err := os.Stat(folder); err == nil {
			t.Error("--dry-run made the folder")
		}
	})
	t.Run("interrupted", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		code, _, stderr := execute(ctx, "wal", "fetch", "--dsn", dsn, "-o", folder)
		if code != exitcode.Interrupted {
			t.Errorf("code %d\n%s", code, stderr)
		}
	})
	t.Run("beyond the server's log", func(t *testing.T) {
		code, _, stderr := execute(t.Context(), "wal", "fetch", "--dsn", dsn, "-o", folder, "--dry-run", "--until", "FF/0")
		if code != exitcode.Done || !strings.Contains(stderr, "and FF/0 was asked for: this waits until the server has written that much") {
			t.Errorf("code %d\n%s", code, stderr)
		}
	})
	t.Run("folder in use", func(t *testing.T) { walFetchLocked(t, dsn) })
	t.Run("fetch and read", func(t *testing.T) { walFetchAndRead(t, dsn, folder) })
	t.Run("a case", func(t *testing.T) { walFetchCase(t, dsn, folder) })
	t.Run("another cluster", func(t *testing.T) { walFetchOtherCluster(t, dsn, folder) })
	t.Run("password file", func(t *testing.T) {
		// The entry names the database as PostgreSQL's own programs would look for it.
		file := filepath.Join(t.TempDir(), "pgpass")
		if err := os.WriteFile(file, []byte("127.0.0.1:*:replication:replicator:"+replicatorPassword+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		code, _, stderr := execute(t.Context(), "wal", "fetch", "--dsn", tcpDSN(c, "user=replicator passfile="+file), "-o", folder, "--dry-run")
		if code != exitcode.Done {
			t.Errorf("code %d\n%s", code, stderr)
		}
	})
	if left := clustertest.Value(t, c, "postgres", "SELECT count(*) FROM pg_replication_slots"); left != "0" {
		t.Errorf("%s slots are left behind", left)
	}
}

// walFetchRefusals: what the server refuses has the exit code and the hint for it,
// and no password is in any message.
func walFetchRefusals(t *testing.T, c *cluster.Cluster) {
	t.Helper()
	hba := filepath.Join(c.Dir(), "pg_hba.conf")
	lines, err := os.ReadFile(hba)
	if err != nil {
		t.Fatal(err)
	}
	reload := func(text string) {
		if err := os.WriteFile(hba, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		clustertest.Exec(t, c, "postgres", "SELECT pg_reload_conf()")
	}
	for _, test := range []struct {
		name, who  string
		noLine     bool
		more       []string
		code       exitcode.Code
		says, hint string
	}{
		{name: "no REPLICATION", who: "user=reader password='" + replicatorPassword + "'", code: exitcode.Permission, hint: "ALTER ROLE reader REPLICATION"},
		{name: "wrong password", who: "user=replicator password=" + "wr0ng", code: exitcode.Permission, says: "password authentication failed", hint: ".pgpass"},
		{name: "no password", who: "user=replicator", code: exitcode.Permission, says: "password authentication failed", hint: ".pgpass"},
		{name: "no line", who: "user=replicator password='" + replicatorPassword + "'", noLine: true, code: exitcode.Permission, hint: "host replication replicator"},
		{name: "no WAL there yet", who: "user=replicator password='" + replicatorPassword + "'", more: []string{"--from", "FF/0"}, code: exitcode.Insufficient, says: "its log ends at"},
		{name: "no WAL there any more", who: "user=replicator password='" + replicatorPassword + "'", more: []string{"--until", "0/1000"}, code: exitcode.Insufficient, says: "it has removed all WAL before"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if test.noLine {
				reload("local all all trust\nhost all all 127.0.0.1/32 scram-sha-256\n")
				defer reload(string(lines))
			}
			args := append([]string{"wal", "fetch", "-o", filepath.Join(t.TempDir(), "none"), "--dsn", tcpDSN(c, test.who)}, test.more...)
			code, stdout, stderr := execute(t.Context(), args...)
			if code != test.code || stdout != "" {
				t.Errorf("code %d, want %d; stdout %q", code, test.code, stdout)
			}
			if !strings.Contains(stderr, test.says) || !strings.Contains(stderr, test.hint) || !strings.Contains(stderr, "@127.0.0.1:") {
				t.Errorf("stderr does not say %q, or not hint at %q:\n%s", test.says, test.hint, stderr)
			}
			if strings.Contains(stderr, replicatorPassword) || strings.Contains(stderr, "wr0ng") {
				t.Errorf("the password is printed:\n%s", stderr)
			}
		})
	}
}

// walFetchLocked: a folder into which another process fetches is left alone.
func walFetchLocked(t *testing.T, dsn string) {
	t.Helper()
	folder := t.TempDir()
	lock, err := os.Create(filepath.Join(folder, ".wal-fetch.lock"))
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		t.Fatal(err)
	}
	code, stdout, stderr := execute(t.Context(), "wal", "fetch", "--dsn", dsn, "-o", folder)
	if code != exitcode.Locked || stdout != "" || !strings.Contains(stderr, "another wal fetch writes into it") {
		t.Errorf("code %d, stdout %q\n%s", code, stdout, stderr)
	}
	if entries, err := os.ReadDir(folder); err != nil || len(entries) != 1 {
		t.Errorf("the refused fetch left %d files: %v", len(entries), err)
	}
}

// walFetchAndRead fetches, continues, and finds the loss in what was fetched.
func walFetchAndRead(t *testing.T, dsn, folder string) {
	t.Helper()
	code, stdout, stderr := execute(t.Context(), "wal", "fetch", "--dsn", dsn, "-o", folder)
	if code != exitcode.Done {
		t.Fatalf("code %d\n%s", code, stderr)
	}
	if !strings.Contains(stderr, "server: replicator@127.0.0.1:") || !strings.Contains(stderr, "PostgreSQL 15") || strings.Contains(stderr, replicatorPassword) {
		t.Errorf("the identity card is not right:\n%s", stderr)
	}
	if !strings.Contains(stdout, ".partial") || !strings.Contains(stdout, "gaps          0") {
		t.Errorf("the result is\n%s", stdout)
	}
	for _, command := range [][]string{
		{"wal", "summary", folder},
		{"wal", "transactions", folder, "--min-deletes", "10000"},
	} {
		code, stdout, stderr = execute(t.Context(), command...)
		if code != exitcode.Done {
			t.Errorf("pgrescue %s: code %d\n%s%s", strings.Join(command, " "), code, stdout, stderr)
		}
	}
	if !strings.Contains(stdout, "committed") || !strings.Contains(stdout, "10,000") {
		t.Errorf("the loss is not in what was fetched:\n%s", stdout)
	}
	code, stdout, stderr = execute(t.Context(), "wal", "fetch", "--dsn", dsn, "-o", folder, "--json")
	var again struct {
		Whole   int `json:"whole_segments"`
		Fetched struct {
			Bytes int64
			Gaps  []any
		}
	}
	if err := json.Unmarshal([]byte(stdout), &again); err != nil || code != exitcode.Done {
		t.Fatalf("code %d, %v\n%s", code, err, stderr)
	}
	if again.Whole < 2 || again.Fetched.Bytes >= 16<<20 || again.Fetched.Gaps == nil {
		t.Errorf("the second run fetched again what was whole: %s", stdout)
	}
}

// walFetchOtherCluster: a folder with WAL of another cluster is not mixed with this one's.
func walFetchOtherCluster(t *testing.T, dsn, folder string) {
	t.Helper()
	other := t.TempDir()
	const name = "000000010000000000000002"
	content, err := os.ReadFile(filepath.Join(folder, name))
	if err != nil {
		t.Fatal(err)
	}
	content[24]++ // xlp_sysid
	if err := os.WriteFile(filepath.Join(other, name), content, 0o600); err != nil {
		t.Fatal(err)
	}
	before := fingerprint(t, other)
	code, _, stderr := execute(t.Context(), "wal", "fetch", "--dsn", dsn, "-o", other)
	if code != exitcode.Refused || !strings.Contains(stderr, "system identifier") {
		t.Errorf("code %d\n%s", code, stderr)
	}
	if fingerprint(t, other) != before {
		t.Error("the folder was changed")
	}
}

// TestFetchOutcome: how a fetch ended decides the exit code.
func TestFetchOutcome(t *testing.T) {
	t.Parallel()
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	disk := func(err error) error { return &evidence.Error{Op: "write", Err: errors.Join(stream.ErrDisk, err)} }
	for _, test := range []struct {
		name   string
		ctx    context.Context
		follow bool
		gaps   []evidence.Gap
		err    error
		want   exitcode.Code
		says   string
	}{
		{name: "done", ctx: t.Context(), want: exitcode.Done},
		{name: "gaps", ctx: t.Context(), gaps: []evidence.Gap{{}}, want: exitcode.Partial},
		{name: "server gone", ctx: t.Context(), err: live.ErrLost, want: exitcode.Partial, says: "kept in out; run the same command again"},
		{name: "server gone while following", ctx: t.Context(), follow: true, err: live.ErrLost, want: exitcode.Partial, says: "run the same command again"},
		{name: "interrupted", ctx: gone, err: context.Canceled, want: exitcode.Interrupted, says: "kept"},
		{name: "followed until interrupted", ctx: gone, follow: true, err: context.Canceled, want: exitcode.Done},
		{name: "disk full", ctx: t.Context(), err: disk(syscall.ENOSPC), want: exitcode.Failed},
		{name: "input/output error", ctx: t.Context(), err: disk(syscall.EIO), want: exitcode.Failed},
		{name: "no right to write", ctx: t.Context(), err: disk(syscall.EACCES), want: exitcode.Permission},
		{name: "other WAL", ctx: t.Context(), err: stream.ErrOtherSystem, want: exitcode.Refused},
		{name: "slot in use", ctx: t.Context(), err: stream.ErrSlotInUse, want: exitcode.Locked},
	} {
		out := &walFetch{Fetched: &stream.Result{Gaps: test.gaps}}
		err := fetchOutcome(test.ctx, out, &walFetchOptions{folder: "out", follow: test.follow}, test.err)
		if code := exitcode.Of(err); code != test.want {
			t.Errorf("%s: code %d, want %d", test.name, code, test.want)
		}
		if test.says != "" && !strings.Contains(err.Error(), test.says) {
			t.Errorf("%s: %q does not say %q", test.name, err, test.says)
		}
	}
}
