package main

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/pgrescue/pgrescue/cmd/internal/exitcode"
	"github.com/pgrescue/pgrescue/importers/discovery"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster/clustertest"
)

// importScene is a database with the application's tables and one tenant.
type importScene struct {
	t        *testing.T
	c        *cluster.Cluster
	database string
	dsn      string
}

const (
	sceneClient     = "aaaaaaaa-0000-4000-8000-000000000001"
	sceneEngagement = "aaaaaaaa-0000-4000-8000-000000000002"
	sceneUser       = "aaaaaaaa-0000-4000-8000-000000000003"
)

func newImportScene(t *testing.T, version string) *importScene {
	t.Helper()
	return importSceneOn(t, clustertest.Start(t, cluster.Options{Version: version}), "shop")
}

// schema is one of the schemas in testdata.
func schema(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(repository, "testdata", "schema", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// december migrates the database to December's schema.
func (s *importScene) december() {
	s.t.Helper()
	clustertest.Exec(s.t, s.c, s.database, "SET search_path = migration; "+schema(s.t, "discovery_2025_12.sql"))
}

// importSceneOn makes another database on a server.
func importSceneOn(t *testing.T, c *cluster.Cluster, database string, options ...string) *importScene {
	t.Helper()
	clustertest.Exec(t, c, "postgres", "CREATE DATABASE "+database+" "+strings.Join(options, " "))
	clustertest.Exec(t, c, database, schema(t, "discovery_2025_10.sql"),
		"INSERT INTO migration.client_accounts (id, name, slug) VALUES ('"+sceneClient+"', 'Acme', 'acme')",
		"INSERT INTO migration.engagements (id, client_account_id, name, slug) VALUES ('"+sceneEngagement+"', '"+sceneClient+"', 'Move', 'move')",
		"INSERT INTO migration.users (id, email) VALUES ('"+sceneUser+"', 'ann@example.org')")
	return &importScene{t: t, c: c, database: database, dsn: c.LibpqDSN(database)}
}

// tenant are the flags that every import of the scene needs.
func (s *importScene) tenant() []string {
	return []string{"import", "--dsn", s.dsn, "--client-account", sceneClient, "--engagement", sceneEngagement, "--user", sceneUser, "--pages-not-needed"}
}

// run runs import with the tenant and without a case; it must end with a code.
func (s *importScene) run(code exitcode.Code, args ...string) (out importOut, text string) {
	s.t.Helper()
	return s.exec(code, append(append(s.tenant(), "--no-case"), args...)...)
}

// apply is run that puts the rows in.
func (s *importScene) apply(code exitcode.Code, args ...string) (out importOut, text string) {
	s.t.Helper()
	return s.run(code, append(args, "--apply", "--confirm", s.database)...)
}

// exec runs a command line with --json, and reads what it prints.
func (s *importScene) exec(code exitcode.Code, line ...string) (out importOut, stderr string) {
	s.t.Helper()
	got, stdout, stderr := execute(s.t.Context(), append(line, "--json")...)
	if got != code {
		s.t.Fatalf("pgrescue %s: code %d (%s), want %d\n%s%s", strings.Join(line, " "), got, got, code, stdout, stderr)
	}
	if stdout != "" {
		if err := json.Unmarshal([]byte(stdout), &out); err != nil {
			s.t.Fatalf("pgrescue %s: %v\n%s", strings.Join(line, " "), err, stdout)
		}
	}
	return out, stderr
}

// source copies a source file into a folder of the test.
func (s *importScene) source(name string) string {
	s.t.Helper()
	text, err := os.ReadFile(filepath.Join(repository, "testdata", "sources", name))
	if err != nil {
		s.t.Fatal(err)
	}
	return s.file(name, string(text))
}

// file writes a source file into a folder of its own.
func (s *importScene) file(name, text string) string {
	s.t.Helper()
	path := filepath.Join(s.t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
	return path
}

// state is every table's rows, without the columns that the database fills with its clock.
func (s *importScene) state() map[string]string {
	s.t.Helper()
	state := map[string]string{}
	for _, table := range discovery.Names() {
		columns := clustertest.Value(s.t, s.c, s.database, `SELECT string_agg(quote_ident(column_name), ', ' ORDER BY ordinal_position) FROM information_schema.columns
WHERE table_schema = 'migration' AND table_name = '`+table+`' AND coalesce(column_default, '') NOT LIKE '%now()%'`)
		state[table] = clustertest.CopyOut(s.t, s.c, s.database, "SELECT "+columns+" FROM migration."+table+" ORDER BY 1")
	}
	return state
}

// whole is every table's rows with all columns.
func (s *importScene) whole() map[string]string {
	s.t.Helper()
	state := map[string]string{}
	for _, table := range discovery.Names() {
		state[table] = clustertest.CopyOut(s.t, s.c, s.database, "SELECT * FROM migration."+table+" ORDER BY 1")
	}
	return state
}

// is compares the state of the database.
func (s *importScene) is(when string, got, want map[string]string) {
	s.t.Helper()
	for _, table := range slices.Sorted(maps.Keys(want)) {
		if got[table] != want[table] {
			s.t.Errorf("%s: %s is\n%.1200s\nwant\n%.1200s", when, table, got[table], want[table])
		}
	}
}

// rows counts the rows of a table.
func (s *importScene) rows(table string) string {
	s.t.Helper()
	return clustertest.Value(s.t, s.c, s.database, "SELECT count(*) FROM migration."+table)
}

// sums adds up what became of the rows.
func sums(out importOut) importTable {
	var total importTable
	for i := range out.Tables {
		total.add(&out.Tables[i])
	}
	return total
}
