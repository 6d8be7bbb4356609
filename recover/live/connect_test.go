package live

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster/clustertest"
)

func connect(t testing.TB, dsn string, options Options) *Conn {
	t.Helper()
	conn, err := Connect(t.Context(), dsn, options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	return conn
}

func value(t testing.TB, conn *Conn, sql string) string {
	t.Helper()
	got, err := conn.Value(t.Context(), "ask", sql)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestConnectOnEveryVersion(t *testing.T) {
	t.Parallel()
	clustertest.EachVersion(t, func(t *testing.T, version string) {
		c := clustertest.Start(t, cluster.Options{Version: version})
		clustertest.Exec(t, c, "postgres", `CREATE DATABASE "weird "" 'name\"`, "CREATE TABLE t (i int)")
		conn := connect(t, c.LibpqDSN("postgres"), Options{Command: "restore-plan", Database: `weird " 'name\`})
		card, err := conn.Card(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		identifier := clustertest.Value(t, c, "postgres", "SELECT system_identifier FROM pg_control_system()")
		if card.Database != `weird " 'name\` || conn.Database() != card.Database || strconv.FormatUint(card.SystemIdentifier, 10) != identifier ||
			card.Role != cluster.Superuser || !card.Superuser || card.InRecovery || card.ReadOnly || card.Size < 1<<20 ||
			strconv.Itoa(int(card.Major())) != version || card.Encoding != "UTF8" || time.Since(card.LastWrite) > time.Hour || card.LastWriteBy == "" {
			t.Errorf("the card is %+v", card)
		}
		if got := value(t, conn, "SELECT current_setting('application_name')"); got != "pgrescue/restore-plan" {
			t.Errorf("application_name is %q", got)
		}
		const printed = `SELECT '2026-11-26 01:02:03.000004+01'::timestamptz || ' ' || '1 day'::interval || ' ' || '\x00ff'::bytea || ' ' || 0.1::float4`
		if got := value(t, conn, printed); got != `2026-11-26 00:02:03.000004+00 1 day \x00ff 0.1` {
			t.Errorf("values print as %q", got)
		}
		err = conn.Exec(t.Context(), "write into", "CREATE TABLE u (i int)")
		if !errors.Is(err, ErrReadOnly) || Code(err) != "25006" {
			t.Errorf("a session for reading wrote: %v", err)
		}
		writer := connect(t, c.LibpqDSN("postgres"), Options{Command: "restore-apply", Mode: Write})
		if err := writer.Exec(t.Context(), "write into", "INSERT INTO t VALUES (1); INSERT INTO t VALUES (2)"); err != nil {
			t.Error(err)
		}
	})
}

func TestCardOfDefaults(t *testing.T) {
	t.Parallel()
	c := clustertest.Start(t, cluster.Options{TCP: true, Settings: map[string]string{"track_commit_timestamp": "on"}})
	clustertest.Exec(t, c, "postgres", "CREATE ROLE clerk LOGIN PASSWORD 's3cret'", "ALTER ROLE clerk SET default_transaction_read_only = on",
		"REVOKE EXECUTE ON FUNCTION pg_control_system FROM PUBLIC", "CREATE TABLE hidden (i int)")
	dsn := strings.Replace(strings.Replace(c.TCPDSN("postgres"), "user="+cluster.Superuser, "user=clerk", 1), "password=", "password=s3cret unused=", 1)
	dsn, _, _ = strings.Cut(dsn, " unused=")
	dsn += " dbname=postgres sslmode=disable"
	conn := connect(t, dsn, Options{Command: "x", LockTimeout: 50 * time.Millisecond})
	card, err := conn.Card(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !card.ReadOnly || card.Superuser || card.SystemIdentifier != 0 || card.LastWriteBy != "last commit" {
		t.Errorf("the card is %+v", card)
	}
	text := ""
	for _, line := range card.Lines() {
		text += line[0] + ": " + line[1] + "\n"
	}
	if !strings.Contains(text, "clerk@127.0.0.1:") || !strings.Contains(text, "/postgres") || !strings.Contains(text, "unknown to this role") || strings.Contains(text, "s3cret") {
		t.Errorf("for people:\n%s", text)
	}
	if err := conn.Exec(t.Context(), "read", "SELECT * FROM hidden"); !errors.Is(err, ErrDenied) {
		t.Errorf("the error is %v", err)
	}
	clustertest.Exec(t, c, "postgres", "GRANT SELECT ON hidden TO clerk")
	holder, err := c.Session(t.Context(), "postgres")
	if err != nil {
		t.Fatal(err)
	}
	defer holder.Close(t.Context())
	if err := holder.Exec(t.Context(), "BEGIN", "LOCK hidden"); err != nil {
		t.Fatal(err)
	}
	if err := conn.Exec(t.Context(), "read", "SELECT * FROM hidden"); !errors.Is(err, ErrTimeout) {
		t.Errorf("the error is %v", err)
	}
	if err := c.Crash(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := conn.Exec(t.Context(), "read", "SELECT 1"); !errors.Is(err, ErrLost) {
		t.Errorf("the error is %v", err)
	}
}

func TestCardOfAStandby(t *testing.T) {
	t.Parallel()
	c := clustertest.Start(t, cluster.Options{})
	if err := c.Stop(t.Context(), cluster.Fast); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(c.DataDir(), "standby.signal"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := c.Start(context.WithoutCancel(t.Context())); err != nil {
		t.Fatal(err)
	}
	conn := connect(t, c.LibpqDSN("postgres"), Options{Command: "x", Mode: Write})
	card, err := conn.Card(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !card.InRecovery || card.SystemIdentifier == 0 {
		t.Errorf("the card is %+v", card)
	}
	if err := conn.Exec(t.Context(), "write into", "CREATE TABLE t (i int)"); !errors.Is(err, ErrReadOnly) {
		t.Errorf("the error is %v", err)
	}
}

func TestConnectErrors(t *testing.T) {
	t.Parallel()
	c := clustertest.Start(t, cluster.Options{TCP: true})
	tests := []struct {
		name, dsn string
		want      error
		says      string
	}{
		{"no DSN", "host", ErrBadDSN, "host=… port=…"},
		{"bad URI", "postgres://me:s3cret@%zz/db", ErrBadDSN, "percent-encoded"},
		{"nobody there", "host=127.0.0.1 port=1 user=me password=s3cret dbname=x", ErrUnreachable, "is the server up"},
		{"no such database", c.LibpqDSN("nowhere"), ErrUnreachable, "PGDATABASE"},
		{"wrong password", c.TCPDSN("postgres") + " password=s3cret", ErrDenied, ".pgpass"},
	}
	for _, test := range tests {
		_, err := Connect(t.Context(), test.dsn, Options{Command: "x"})
		if !errors.Is(err, test.want) {
			t.Errorf("%s: the error is %v", test.name, err)
			continue
		}
		var detail *evidence.Error
		if !errors.As(err, &detail) || !strings.Contains(detail.Hint, test.says) || strings.Contains(err.Error()+detail.Hint, "s3cret") {
			t.Errorf("%s: %v; hint: %+v", test.name, err, detail)
		}
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Connect(cancelled, c.LibpqDSN("postgres"), Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("the error is %v", err)
	}
}
