package discovery_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/pgrescue/pgrescue/importers"
	"github.com/pgrescue/pgrescue/importers/csvfile"
	"github.com/pgrescue/pgrescue/importers/discovery"
	"github.com/pgrescue/pgrescue/importers/discovery/discoverytest"
	"github.com/pgrescue/pgrescue/importers/jsonfile"
	"github.com/pgrescue/pgrescue/importers/mapping"
	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/live"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster/clustertest"
)

const (
	sources = "../../testdata/sources"
	states  = "../../testdata/state"
)

// target is a database with the application's tables.
type target struct {
	*cluster.Cluster
	db   string
	conn *live.Conn
}

// newTarget makes a database of October, or of December, with the tenant of the tests in it.
func newTarget(t *testing.T, c *cluster.Cluster, db string, december bool) *target {
	t.Helper()
	files := []string{"discovery_2025_10.sql"}
	if december {
		files = append(files, "discovery_2025_12.sql")
	}
	clustertest.Exec(t, c, "postgres", "CREATE DATABASE "+db)
	for _, file := range files {
		text, err := os.ReadFile(filepath.Join("../../testdata/schema", file))
		if err != nil {
			t.Fatal(err)
		}
		clustertest.Exec(t, c, db, string(text))
	}
	clustertest.Exec(t, c, db, `INSERT INTO migration.client_accounts (id, name, slug) VALUES ('11111111-1111-1111-1111-111111111111', 'Demo Corporation', 'demo-corp')`,
		`INSERT INTO migration.engagements (id, client_account_id, name, slug) VALUES ('22222222-2222-2222-2222-222222222222', '11111111-1111-1111-1111-111111111111', 'Demo Cloud Migration Project', 'demo-cloud-migration')`,
		`INSERT INTO migration.users (id, email) VALUES ('33333333-3333-3333-3333-333333333333', 'demo@demo-corp.com')`)
	conn, err := live.Connect(t.Context(), c.LibpqDSN(db), live.Options{Command: "test"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	return &target{Cluster: c, db: db, conn: conn}
}

// open reads a source as the application's browser did, or strictly.
func open(t *testing.T, file string, asApp bool) importers.List {
	t.Helper()
	found, _, err := importers.Find(t.Context(), importers.FindOptions{Paths: []string{filepath.Join(sources, file)}})
	if err != nil || len(found) != 1 {
		t.Fatalf("%s: %d sources, %v", file, len(found), err)
	}
	if err := found[0].Hash(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if found[0].Format == importers.FormatJSON {
		lists, err := jsonfile.Open(t.Context(), found[0], jsonfile.Options{})
		if err != nil {
			t.Fatal(err)
		}
		return lists[0]
	}
	list, err := csvfile.Open(t.Context(), found[0], csvfile.Options{AsApp: asApp})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// mapOf applies the discovery profile to a header.
func mapOf(t *testing.T, header []string, schema *discovery.Schema) *mapping.Mapping {
	t.Helper()
	profile, err := discovery.Profile()
	if err != nil {
		t.Fatal(err)
	}
	var columns []mapping.Column
	for _, c := range schema.Tables["assets"].Columns {
		columns = append(columns, mapping.Column{Name: c.Name, Type: c.Type})
	}
	m, err := profile.Map(header, mapping.MapOptions{Columns: columns})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// schema is the shapes of the application's tables.
func (tg *target) schema(t *testing.T) *discovery.Schema {
	t.Helper()
	s := &discovery.Schema{Name: "migration", Tables: map[string]*evidence.Relation{}}
	const sql = `SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod),
  coalesce(a.attnum = ANY (i.indkey::int2[]), false)::int, (a.attgenerated <> '')::int, a.attidentity
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
LEFT JOIN pg_index i ON i.indrelid = c.oid AND i.indisprimary
WHERE n.nspname = $1 AND c.relname = ANY ($2::name[]) AND c.relkind IN ('r', 'p') ORDER BY c.relname, a.attnum`
	parameters := [][]byte{[]byte(s.Name), []byte("{" + strings.Join(discovery.Names(), ",") + "}")}
	err := tg.conn.Query(t.Context(), "read the shapes of the tables", sql, parameters, func(row [][]byte) error {
		name := string(row[0])
		rel := s.Tables[name]
		if rel == nil {
			rel = &evidence.Relation{RelationName: evidence.RelationName{Schema: s.Name, Name: name}}
			s.Tables[name] = rel
		}
		c := evidence.Column{Name: string(row[1]), Type: string(row[2]), Key: string(row[3]) == "1", Generated: string(row[4]) == "1"}
		if len(row[5]) > 0 {
			c.Identity = row[5][0]
		}
		rel.Columns = append(rel.Columns, c)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// importFile makes the import of a file into a target.
func (tg *target) importFile(t *testing.T, file string, store discovery.Store) *discovery.Import {
	t.Helper()
	schema := tg.schema(t)
	list := open(t, file, store == discovery.AsApp)
	opts := discovery.Options{Tenant: tenant(), Store: store, Schema: schema, Now: noon(), State: true}
	if l, ok := list.(*jsonfile.List); ok && l.Request() != nil {
		opts.Filename, opts.Category = l.Request().Filename, l.Request().Category
	}
	opts.Mapping = mapOf(t, list.Head().Header, schema)
	opts.Refused = func(r *importers.Reject) error {
		t.Errorf("%s:%d: %s: %s", file, r.Line, r.Column, r.Reason)
		return nil
	}
	im, err := discovery.New(t.Context(), list, opts)
	if err != nil {
		t.Fatal(err)
	}
	return im
}

// write puts all rows in, as plainly as can be.
func (tg *target) write(t *testing.T, im *discovery.Import) {
	t.Helper()
	for _, table := range im.Tables(context.Background()) {
		var sql bytes.Buffer
		w, err := evidence.NewWriter(evidence.FormatSQL, &sql)
		if err != nil {
			t.Fatal(err)
		}
		for row, err := range table.Rows {
			if err != nil {
				t.Fatal(err)
			}
			if err := w.Put(row); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
		clustertest.Exec(t, tg.Cluster, tg.db, sql.String())
	}
}

// actual is what the target holds.
func (tg *target) actual(t *testing.T) discoverytest.Actual {
	return discoverytest.Actual{
		Schema: "migration",
		Copy:   func(query string) string { return clustertest.CopyOut(t, tg.Cluster, tg.db, query) },
		Fixed: map[string]string{
			"client": tenant().ClientAccount.String(), "engagement": tenant().Engagement.String(), "user": tenant().User.String(),
			"time": "2025-10-07T12:00:00.250000", "timeout": "2025-10-08T12:00:00.250000", "pgtime": "2025-10-07 12:00:00.25+00",
		},
	}
}

// december is what columns that came until December hold when nobody gives them a value.
func december() map[string]map[string]string {
	return map[string]map[string]string{
		"data_imports":    {"processing_config": "{}"},
		"discovery_flows": {"data_validation_completed": "f"},
		"assets":          {"asset_tags": "[]", "pii_flag": "f", "ai_gap_analysis_status": "0"},
	}
}

// TestStates compares every column of every table with what was worked out by hand. A state holds in
// October; one without constraints of December in its way holds there too, and with columns that nobody knows.
func TestStates(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(filepath.Join(states, "*.txt"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%d states, %v", len(files), err)
	}
	c := clustertest.Start(t, cluster.Options{})
	for i, path := range files {
		file, rest, _ := strings.Cut(strings.TrimSuffix(filepath.Base(path), ".txt"), ".")
		store, late := strings.CutSuffix(rest, ".december")
		run := func(name string, isDecember bool, more map[string]map[string]string, sql ...string) {
			t.Run(file+"/"+store+"/"+name, func(t *testing.T) {
				matches, err := filepath.Glob(filepath.Join(sources, file+".*"))
				if err != nil || len(matches) != 1 {
					t.Fatalf("%d sources are named %s, %v", len(matches), file, err)
				}
				tg := newTarget(t, c, fmt.Sprintf("%s_%d", name, i), isDecember)
				clustertest.Exec(t, c, tg.db, sql...)
				tg.write(t, tg.importFile(t, filepath.Base(matches[0]), discovery.Store(store)))
				actual := tg.actual(t)
				actual.More = more
				discoverytest.Read(t, path).Check(t, actual)
			})
		}
		if late {
			run("december", true, nil)
			continue
		}
		run("october", false, nil)
		if store == "as-app" {
			run("december", true, december())
		}
		if store == "as-app" && (strings.HasPrefix(file, "first") || strings.HasPrefix(file, "validation")) {
			run("others", false, map[string]map[string]string{
				"assets": {"zone": "unknown"}, "raw_import_records": {"seen": "0"}, "data_imports": {"name_length": lengthOf(path)},
			}, "ALTER TABLE migration.assets ADD zone text NOT NULL DEFAULT 'unknown', ADD nobody text",
				"ALTER TABLE migration.raw_import_records ADD seen integer DEFAULT 0, DROP COLUMN processing_notes, DROP COLUMN processed_at",
				"ALTER TABLE migration.data_imports ADD name_length integer GENERATED ALWAYS AS (length(filename)) STORED")
		}
	}
}

// lengthOf is what the generated column of the test holds for a state's source.
func lengthOf(path string) string {
	name := strings.TrimSuffix(filepath.Base(path), ".as-app.txt") + ".csv"
	if strings.HasPrefix(name, "validation_session") {
		name = "sample_servicenow_asset_export.csv"
	}
	return strconv.Itoa(len(name))
}
