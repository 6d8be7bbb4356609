package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/pgrescue/pgrescue/cmd/internal/exitcode"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster/clustertest"
)

// loggedShop are tables with types whose texts only their server knows how to print.
const loggedShop = `CREATE SCHEMA app;
CREATE TYPE app.state AS ENUM ('new', 'paid');
CREATE FUNCTION app.spy(numeric) RETURNS boolean LANGUAGE plpgsql AS 'BEGIN PERFORM count(*) FROM app.customers; RETURN true; END';
CREATE DOMAIN app.euro AS numeric(10,2) CHECK (app.spy(VALUE));
CREATE TABLE app.customers (id int PRIMARY KEY, name text NOT NULL, vip boolean, since date, token text);
CREATE TABLE app.orders (id int PRIMARY KEY, customer_id int REFERENCES app.customers ON DELETE CASCADE, state app.state, total app.euro, made timestamptz, at time, span interval, tags text[], doc jsonb);`

// TestRebuildFromAServersLog brings deleted rows back from nothing but the log of a server, whose catalogs alone are read.
func TestRebuildFromAServersLog(t *testing.T) {
	t.Parallel()
	c := clustertest.Start(t, cluster.Options{Version: "15", Collector: true, Settings: map[string]string{
		"log_directory": "log", "log_filename": "server.log", "log_rotation_age": "0", "log_line_prefix": "%m [%p] %u@%d %a ", "log_statement": "all", "autovacuum": "off",
	}})
	clustertest.Exec(t, c, "postgres", "CREATE DATABASE shop")
	clustertest.Exec(t, c, "shop", loggedShop)
	session, err := c.Session(t.Context(), "shop")
	if err != nil {
		t.Fatal(err)
	}
	do := func(statements ...string) {
		t.Helper()
		if err := session.Exec(t.Context(), statements...); err != nil {
			t.Fatal(err)
		}
	}
	do("SHOW work_mem", "INSERT INTO app.customers VALUES (1, 'Ann O''Neil', 'yes', '2024-1-2', NULL), (2, E'B\\u00f6b\\n', false, '20240304', NULL), (3, 'Cy', NULL, NULL, 'sk-live-0123456789abcdef')",
		"INSERT INTO app.orders VALUES (10, 1, 'new', 12.5, '2025-01-02 03:04:05+02', '4:05', '1 day 02:00', '{x,\"y z\"}', '{\"b\":1,\"a\":[1, 2]}'), (11, 2, 'paid', 7, 'Jan 3 2025 10:00 PST', NULL, '90 min', NULL, 'null')",
		"UPDATE app.orders SET state = 'paid' WHERE id = 10",
		"BEGIN", "DELETE FROM app.customers WHERE id = 3", "ROLLBACK")
	want := make(map[string]string)
	for _, table := range []string{"customers", "orders"} {
		want[table] = clustertest.CopyOut(t, c, "shop", "SELECT * FROM app."+table+" ORDER BY id")
	}
	do("BEGIN", "DELETE FROM app.orders WHERE id IN (10, 11)", "DELETE FROM app.customers WHERE id = 2", "COMMIT", "SELECT 1")
	if err := session.Close(t.Context()); err != nil {
		t.Fatal(err)
	}

	serverLog := filepath.Join(c.DataDir(), "log", "server.log")
	kase, log := filepath.Join(t.TempDir(), "case"), filepath.Join(t.TempDir(), "server.log")
	copyFile(t, serverLog, log)
	dsn := c.LibpqDSN("shop")
	run := func(line ...string) string {
		t.Helper()
		code, stdout, stderr := execute(t.Context(), append(line, "--case", kase)...)
		if code != exitcode.Done {
			t.Fatalf("pgrescue %s: code %d\n%s%s", strings.Join(line, " "), code, stdout, stderr)
		}
		return stdout
	}
	var result logsRebuildResult
	if err := json.Unmarshal([]byte(run("logs", "rebuild", log, "--dsn", dsn, "--lost", "--json")), &result); err != nil {
		t.Fatal(err)
	}
	if !result.Shapes || len(result.Tables) != 2 || result.Tables[0].Gone+result.Tables[1].Gone != 3 || result.Tables[0].InPart+result.Tables[1].InPart != 0 {
		t.Errorf("tables %+v %+v", result.Tables[0], result.Tables[1])
	}
	onlyCatalogs(t, serverLog)

	file := filepath.Join(kase, "plan.json")
	run("restore", "plan", "--dsn", dsn, "--pages-not-needed")
	run("restore", "apply", file, "--dsn", dsn, "--confirm", "shop")
	run("restore", "verify", file, "--dsn", dsn)
	for table, text := range want {
		if got := clustertest.CopyOut(t, c, "shop", "SELECT * FROM app."+table+" ORDER BY id"); got != text {
			t.Errorf("app.%s came back as\n%s\nand was\n%s", table, got, text)
		}
	}
}

// onlyCatalogs fails when a statement of logs rebuild in a server's log reads a table of the user.
func onlyCatalogs(t *testing.T, serverLog string) {
	t.Helper()
	text, err := os.ReadFile(serverLog)
	if err != nil {
		t.Fatal(err)
	}
	printed := 0
	for line := range strings.Lines(string(text)) {
		_, statement, ours := strings.Cut(line, "pgrescue/logs-rebuild ")
		if !ours || strings.HasPrefix(statement, "DETAIL:") {
			continue
		}
		if regexp.MustCompile(`app\.(customers|orders|euro)|COPY|INSERT|DELETE|UPDATE`).MatchString(statement) {
			t.Errorf("logs rebuild ran %s", statement)
		}
		if strings.Contains(statement, "SELECT $1::") {
			printed++
		}
	}
	if printed == 0 {
		t.Error("logs rebuild let the server print no value, or the log does not show it")
	}
}
