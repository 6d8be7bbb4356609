package rebuild_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/pgrescue/pgrescue/logparse/rebuild"
	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster/clustertest"
)

// written runs a workload on a server with settings of its log, and gives the log as text.
func written(t *testing.T, version string, settings map[string]string, work func(conn *pgx.Conn)) string {
	t.Helper()
	all := map[string]string{"log_directory": "log", "log_filename": "server.log", "log_rotation_age": "0", "log_destination": "stderr", "log_line_prefix": "%m [%p] %u@%d "}
	for name, value := range settings {
		all[name] = value
	}
	c := clustertest.Start(t, cluster.Options{Version: version, Settings: all, Collector: true})
	clustertest.Exec(t, c, "postgres", schema)
	config, err := pgx.ParseConfig(c.DSN("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	config.DefaultQueryExecMode = pgx.QueryExecModeDescribeExec
	conn, err := pgx.ConnectConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	work(conn)
	if err := conn.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	if err := c.Stop(context.Background(), cluster.Smart); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(c.DataDir(), "log", "server.log"))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "server.log")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestWhatALogLacks: parameters that log_parameter_max_length cut, the rows of COPY, and the fate of statements where
// log_statement leaves out the words of transactions.
func TestWhatALogLacks(t *testing.T) {
	t.Parallel()
	for _, version := range []string{"13", "15", "18"} {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			run := func(conn *pgx.Conn, sql string, args ...any) {
				if _, err := conn.Exec(t.Context(), sql, args...); err != nil {
					t.Fatalf("%s: %v", sql, err)
				}
			}
			path := written(t, version, map[string]string{"log_statement": "all", "log_parameter_max_length": "6", "log_disconnections": "on"}, func(conn *pgx.Conn) {
				run(conn, "SHOW work_mem")
				run(conn, "INSERT INTO app.t (id, name, doc) VALUES ($1, $2, $3)", 1, "it's cut, too", `{"a":1}`)
				run(conn, "INSERT INTO app.t (id, name, doc) VALUES ($1, $2, $3)", 2, "a, 'b'", nil)
				if _, err := conn.PgConn().CopyFrom(t.Context(), strings.NewReader("3\tcopied\n"), "COPY app.t (id, name) FROM STDIN"); err != nil {
					t.Fatal(err)
				}
				run(conn, "UPDATE app.t SET ok = true WHERE id = $1", 3)
			})
			for _, limit := range []int{0, 6} {
				got := rebuilt(t, rebuild.Options{Tables: shapes, MaxLength: limit}, path)
				want := "1\t?\t?\t?\t?\t?\t?\t?\t?\t?\t?\t?\n2\ta, 'b'\t?\t?\t?\t?\t?\t\\N\t?\t?\t?\t?\n3\t?\t?\tt\t?\t?\t?\t?\t?\t?\t?\t?"
				if have := sorted(got.live["t"]); have != want {
					t.Fatalf("limit %d: got\n%s\nwant\n%s", limit, have, want)
				}
				if v := got.all[0].Values[1]; !strings.Contains(v.Reason, "log_parameter_max_length") || string(v.Raw) != "it's c" {
					t.Errorf("the cut value is %q, %q", v.Raw, v.Reason)
				}
				partial := 0
				for _, row := range got.all {
					if strings.HasPrefix(row.Note, "known by the ") {
						partial++
					}
				}
				if table := got.report.Tables[0]; len(table.Untold) != 1 || table.Untold[0].Verb != "COPY" || partial != 1 {
					t.Errorf("the report is %+v, and %d rows are known in part", table, partial)
				}
			}

			path = written(t, version, map[string]string{"log_statement": "mod"}, func(conn *pgx.Conn) {
				run(conn, "INSERT INTO app.t (id, name) VALUES ($1, 'a')", 1)
				run(conn, "BEGIN")
				run(conn, "INSERT INTO app.t (id, name) VALUES ($1, 'b')", 2)
				run(conn, "ROLLBACK")
				run(conn, "INSERT INTO app.t (id, name) VALUES ($1, 'c')", 3)
			})
			if got := rebuilt(t, rebuild.Options{Tables: shapes}, path); len(got.all) > 0 {
				t.Errorf("of a log without COMMIT there are %d rows", len(got.all))
			}
			got := rebuilt(t, rebuild.Options{Tables: shapes, Uncommitted: true}, path)
			if len(got.all) < 2 {
				t.Fatalf("%d rows", len(got.all))
			}
			for i := range got.all {
				if row := &got.all[i]; !strings.Contains(row.Note, "nothing shows that its transaction committed") || row.Values[0].State != evidence.Known {
					t.Errorf("%s: %q", row.Values[0].Text, row.Note)
				}
			}
		})
	}
}
