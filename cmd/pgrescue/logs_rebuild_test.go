package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/pgrescue/pgrescue/cmd/internal/exitcode"
	"github.com/pgrescue/pgrescue/recover/casefile"
	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster/clustertest"
	"github.com/pgrescue/pgrescue/testdata"
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

	kase, log := filepath.Join(t.TempDir(), "case"), filepath.Join(t.TempDir(), "server.log")
	copyServerLog(t, c, log)
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
	after := filepath.Join(t.TempDir(), "server.log")
	copyServerLog(t, c, after)
	onlyCatalogs(t, after)

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

// TestRebuildOfTheIncident compares what the incident's logs tell, with the commits of its WAL, with the rows that were lost.
func TestRebuildOfTheIncident(t *testing.T) {
	t.Parallel()
	data, err := unpackIncident(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	truth, err := testdata.ReadTruth()
	if err != nil {
		t.Fatal(err)
	}
	kase := filepath.Join(t.TempDir(), "case")
	run := func(line ...string) string {
		t.Helper()
		code, stdout, stderr := execute(t.Context(), append(line, "--case", kase)...)
		if code != exitcode.Done {
			t.Fatalf("pgrescue %s: code %d\n%s%s", strings.Join(line, " "), code, stdout, stderr)
		}
		return stdout
	}
	catalog := filepath.Join(t.TempDir(), "catalog.json")
	run("catalog", "dump", "--pgdata", data, "-o", catalog)
	run("wal", "transactions", data, "--pgdata", data)
	var result logsRebuildResult
	stdout := run("logs", "rebuild", filepath.Join(filepath.Dir(data), "logs"), "--zone", "backend.log=UTC", "--catalog", catalog, "--json")
	if err := json.Unmarshal([]byte(stdout), &result); err != nil {
		t.Fatal(err)
	}
	for _, table := range result.Tables {
		// What the log has of mappings in one line is: out with the old, in with the new.
		if table.Gone != 0 {
			t.Errorf("%d rows of %s are gone, and no DELETE by key took one for good", table.Gone, table.Table)
		}
	}
	c, err := casefile.Open(t.Context(), kase, casefile.Read, casefile.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	relations, err := c.Relations(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, lost := range truth.Transaction("retry").Destroyed {
		for i := range relations {
			if relations[i].String() == lost.Table {
				comparedWithLost(t, c, &relations[i], &lost)
			}
		}
	}
}

// comparedWithLost fails where logs tell a value of a lost row that it did not have, or lack the row.
func comparedWithLost(t *testing.T, c *casefile.Case, relation *casefile.Relation, lost *testdata.Destroyed) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(repository, "testdata", "incident", lost.File))
	if err != nil {
		t.Fatal(err)
	}
	was := make(map[string][]string)
	for line := range strings.Lines(string(text)) {
		fields := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		was[fields[0]] = fields
	}
	found, values := 0, 0
	err = c.Rows(t.Context(), relation.ID, evidence.RouteLogs, func(row *evidence.Row) error {
		fields := was[string(row.Values[0].Text)]
		if fields == nil {
			return nil
		}
		if found++; len(fields) != len(row.Values) {
			t.Fatalf("%s has %d columns, and its rows %d", lost.Table, len(fields), len(row.Values))
		}
		for i := range row.Values {
			has := `\N`
			if row.Values[i].State == evidence.Known {
				has = string(evidence.AppendCopyText(nil, row.Values[i].Text))
			}
			// Changes of which nothing shows that they were committed are told in the note.
			if row.Values[i].State == evidence.Unknown || strings.Contains(row.Note, "may have been committed, too") {
				continue
			}
			if values++; has != fields[i] {
				t.Errorf("%s %s: column %s is %q in the logs, and was %q; %s", lost.Table, fields[0], row.Relation.Columns[i].Name, has, fields[i], row.Note)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if found != len(was) || len(was) == 0 || lost.Table != "migration.crewai_flow_state_extensions" && values == 0 {
		t.Errorf("of %d lost rows of %s the logs tell %d, with %d values that are sure", len(was), lost.Table, found, values)
	}
}
