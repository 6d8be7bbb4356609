package main

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/pgrescue/pgrescue/cmd/internal/exitcode"
	"github.com/pgrescue/pgrescue/importers/discovery"
	"github.com/pgrescue/pgrescue/importers/discovery/discoverytest"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster/clustertest"
)

// stated is a file with the state that it makes, which a person worked out.
type stated struct {
	path  string // of the state
	file  string // of the source
	store string // the flag
	late  bool   // in December's schema
}

func statedFiles(t *testing.T) []stated {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(repository, "testdata", "state", "*.txt"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("%d states, %v", len(paths), err)
	}
	var list []stated
	for _, path := range paths {
		base, rest, _ := strings.Cut(strings.TrimSuffix(filepath.Base(path), ".txt"), ".")
		sources, err := filepath.Glob(filepath.Join(repository, "testdata", "sources", base+".*"))
		if err != nil || len(sources) != 1 {
			t.Fatalf("%d sources are named %s, %v", len(sources), base, err)
		}
		store, late := strings.CutSuffix(rest, ".december")
		list = append(list, stated{path, filepath.Base(sources[0]), "--" + store, late})
	}
	return list
}

// checkState compares the database with the state. The import's time is what the flow says.
func (s *importScene) checkState(when string, of stated, anyTime bool) {
	s.t.Helper()
	text := clustertest.Value(s.t, s.c, s.database, "SELECT flow_configuration ->> 'import_timestamp' FROM migration.crewai_flow_state_extensions")
	const python = "2006-01-02T15:04:05.999999"
	at, err := time.Parse(python, text)
	if err != nil {
		s.t.Fatalf("%s: %v", when, err)
	}
	later := at.Add(24 * time.Hour).Format("2006-01-02T15:04:05")
	if _, fraction, found := strings.Cut(text, "."); found {
		later += "." + fraction
	}
	discoverytest.Read(s.t, of.path).Check(s.t, discoverytest.Actual{
		Schema: "migration", AnyTime: anyTime,
		Copy: func(query string) string { return clustertest.CopyOut(s.t, s.c, s.database, query) },
		Fixed: map[string]string{
			"client": sceneClient, "engagement": sceneEngagement, "user": sceneUser,
			"time": text, "timeout": later, "pgtime": at.Format("2006-01-02 15:04:05.999999") + "+00",
		},
	})
}

// versions is every table's rows with all columns, with the transaction that made them, and where they lie.
func (s *importScene) versions() map[string]string {
	s.t.Helper()
	state := map[string]string{}
	for _, table := range discovery.Names() {
		state[table] = clustertest.CopyOut(s.t, s.c, s.database, "SELECT xmin, ctid, * FROM migration."+table+" ORDER BY id")
	}
	return state
}

// loses deletes rows though others refer to them, as TRUNCATE or a script without foreign keys does.
func (s *importScene) loses(sql ...string) {
	s.t.Helper()
	clustertest.Exec(s.t, s.c, s.database, append([]string{"SET session_replication_role = replica"}, sql...)...)
}

// TestImportState: each of the seven files makes the state that was worked out by hand; the second time
// changes nothing, not even a row's version; what was deleted comes back, and what was not stays as it lies.
func TestImportState(t *testing.T) {
	t.Parallel()
	c := clustertest.Start(t, cluster.Options{})
	for i, of := range statedFiles(t) {
		if testing.Short() && !strings.HasPrefix(of.file, "first") {
			continue
		}
		t.Run(strings.TrimSuffix(filepath.Base(of.path), ".txt"), func(t *testing.T) {
			s := importSceneOn(t, c, fmt.Sprint("state", i))
			if of.late {
				s.december()
			}
			s.goesThrough(of)
		})
	}
}

// TestImportStateOfVersions: the same on old and new servers, and in December's schema.
func TestImportStateOfVersions(t *testing.T) {
	t.Parallel()
	for _, version := range []string{"13", "18"} {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			c := clustertest.Start(t, cluster.Options{Version: version})
			for i, of := range statedFiles(t) {
				if !of.late && of.file != "test-invalid-cmdb-data__ragged.csv" {
					continue
				}
				s := importSceneOn(t, c, fmt.Sprint("state", i))
				if of.late {
					s.december()
				}
				s.goesThrough(of)
			}
		})
	}
}

// goesThrough imports a file into an empty scene, again, and after losses: as mapped, and of two
// files as the application did.
func (s *importScene) goesThrough(of stated) {
	s.t.Helper()
	path := s.source(of.file)
	s.apply(exitcode.Done, of.store, path)
	s.checkState("after the import", of, false)
	if of.store == "--as-app" && !strings.HasPrefix(of.file, "first") && !strings.HasPrefix(of.file, "test-invalid") {
		return
	}

	before := s.versions()
	out, _ := s.apply(exitcode.Done, of.store, path)
	s.is("after the second time", s.versions(), before)
	if total := sums(out); total.New != 0 || total.Different != 0 || total.Refused != 0 {
		s.t.Errorf("the second time %+v", out.Tables)
	}

	s.loses(
		"DELETE FROM migration.asset_dependencies WHERE get_byte(uuid_send(id), 15) % 2 = 0",
		"DELETE FROM migration.assets WHERE get_byte(uuid_send(id), 15) % 3 = 0",
		"DELETE FROM migration.raw_import_records WHERE row_number % 2 = 0",
		"DELETE FROM migration.import_field_mappings WHERE source_field < 'i'",
		"DELETE FROM migration.discovery_flows",
	)
	lost := s.versions()
	s.apply(exitcode.Done, of.store, path)
	s.checkState("after a loss", of, false)
	s.holds("after a loss", lost)
}

// asApplication gives the rows other ids: those that the application took as they came. Everything that
// names an id of a row names the new one.
func (s *importScene) asApplication() {
	s.t.Helper()
	ids := map[string]string{}
	dumps := map[string]string{}
	tables := discovery.Names()[3:] // the tenant keeps its own
	for _, table := range tables {
		dumps[table] = clustertest.CopyOut(s.t, s.c, s.database, "SELECT * FROM migration."+table)
		for line := range strings.Lines(dumps[table]) {
			id, _, _ := strings.Cut(line, "\t")
			ids[id] = uuid.NewString()
		}
	}
	flow := clustertest.Value(s.t, s.c, s.database, "SELECT flow_id FROM migration.crewai_flow_state_extensions")
	ids[flow] = uuid.NewString()
	name := regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)
	for _, table := range tables {
		text := name.ReplaceAllStringFunc(dumps[table], func(id string) string {
			if other, ok := ids[id]; ok {
				return other
			}
			return id
		})
		text = strings.ReplaceAll(text, "Discovery Flow "+flow[:8], "Discovery Flow "+ids[flow][:8])
		s.loses("DELETE FROM migration." + table)
		dumps[table] = text
	}
	for _, table := range tables {
		if err := s.c.CopyIn(context.Background(), bytes.NewReader([]byte(dumps[table])), s.database, "migration."+table); err != nil {
			s.t.Fatal(err)
		}
	}
}

// TestImportPartialLoss: any of the tables may be empty, alone and with any others. What comes back is the
// whole state; the ids are the application's as long as anything tells them.
func TestImportPartialLoss(t *testing.T) {
	t.Parallel()
	c := clustertest.Start(t, cluster.Options{})
	of := stated{
		filepath.Join(repository, "testdata", "state", "test-invalid-cmdb-data__ragged.as-app.txt"), "test-invalid-cmdb-data__ragged.csv", "--as-app", false,
	}
	first := importSceneOn(t, c, "whole")
	path := first.source(of.file)
	first.apply(exitcode.Done, of.store, path)
	first.asApplication()
	first.checkState("with the application's ids", of, false)
	whole := first.state()
	out, _ := first.apply(exitcode.Done, of.store, path)
	if total := sums(out); total.New != 0 || total.Different != 0 || total.Refused != 0 {
		t.Errorf("of the application's own import %+v", out.Tables)
	}
	first.is("the application's own import", first.state(), whole)

	const (
		flows    = "DELETE FROM migration.crewai_flow_state_extensions"
		imports  = "DELETE FROM migration.data_imports"
		raw      = "DELETE FROM migration.raw_import_records"
		mappings = "DELETE FROM migration.import_field_mappings"
		runs     = "DELETE FROM migration.discovery_flows"
		assets   = "DELETE FROM migration.assets"
	)
	losses := map[string][]string{
		"the master flow":      {flows},
		"the import":           {imports},
		"the mappings":         {mappings},
		"the discovery flow":   {runs},
		"the assets":           {assets},
		"some of three":        {assets + " WHERE name = 'server02'", raw + " WHERE row_number = 2", mappings + " WHERE source_field = 'os_type'"},
		"the incident":         {mappings, runs, assets},               // the script's first run (fact sheet 3.1)
		"the script twice":     {mappings, runs, assets, raw, imports}, // and its second
		"flows but no import":  {flows, mappings, assets},
		"imports but no flows": {flows, runs},
		"no flow state":        {flows, imports}, // a discovery flow knows the header
		"everything":           {flows, imports, raw, mappings, runs, assets},
	}
	for i, what := range slices.Sorted(maps.Keys(losses)) {
		database := fmt.Sprint("loss", i)
		clustertest.Exec(t, c, "postgres", "CREATE DATABASE "+database+" TEMPLATE whole")
		s := &importScene{t: t, c: c, database: database, dsn: c.LibpqDSN(database)}
		s.loses(losses[what]...)
		left := s.versions()
		s.apply(exitcode.Done, of.store, path)
		s.checkState("after the loss of "+what, of, true)
		s.holds(what, left)
		const flow = "SELECT flow_id FROM migration.crewai_flow_state_extensions"
		was, is := clustertest.Value(t, c, "whole", flow), clustertest.Value(t, c, database, flow)
		if told := what != "everything"; (was == is) != told {
			t.Errorf("after the loss of %s: the flow is %s, and was %s", what, is, was)
		}
		if t.Failed() {
			t.Fatalf("after the loss of %s", what)
		}
	}
}

// holds tells of rows that were there and are other versions now.
func (s *importScene) holds(when string, there map[string]string) {
	s.t.Helper()
	now := s.versions()
	for table, text := range there {
		for line := range strings.Lines(text) {
			if !strings.Contains(now[table], line) {
				s.t.Errorf("%s: a row of %s that was there is another now: %s", when, table, line)
			}
		}
	}
}

// TestImportByHandInBetween: somebody imported the file again through the application. That import is
// found, and nothing is made beside it; with the flow of the old one still there, a person must choose.
func TestImportByHandInBetween(t *testing.T) {
	t.Parallel()
	s := newImportScene(t, "15")
	path := s.source("first_discovery_data.csv")
	s.apply(exitcode.Done, "--as-app", path)
	s.asApplication()
	before := s.versions()
	out, _ := s.apply(exitcode.Done, "--as-app", path)
	if total := sums(out); total.New != 0 || total.There != total.Rows || !out.Files[0].Known {
		t.Errorf("of what was imported by hand: %+v", out.Tables)
	}
	s.is("by hand", s.versions(), before)

	// The old import is gone but for its flow, which no script deletes, and there is the one by hand.
	clustertest.Exec(t, s.c, s.database, `INSERT INTO migration.crewai_flow_state_extensions (id, flow_id, client_account_id, engagement_id, user_id, flow_type, flow_configuration)
SELECT gen_random_uuid(), gen_random_uuid(), client_account_id, engagement_id, user_id, flow_type, flow_configuration || '{"import_id": "aaaaaaaa-bbbb-4000-8000-000000000001"}' FROM migration.crewai_flow_state_extensions`)
	before = s.versions()
	_, errs := s.apply(exitcode.Refused, "--as-app", path)
	byHand := clustertest.Value(t, s.c, s.database, "SELECT id FROM migration.data_imports")
	for _, says := range []string{"2 imports of", byHand, "aaaaaaaa-bbbb-4000-8000-000000000001", "--import-id"} {
		if !strings.Contains(errs, says) {
			t.Errorf("the refusal does not say %q: %s", says, errs)
		}
	}
	s.apply(exitcode.Done, "--as-app", path, "--import-id", byHand)
	s.is("the one by hand, chosen", s.versions(), before)
}

// TestImportParentsMadeAgain: everything went, tenant and all, and a start of the application made the tenant again with
// other times and another name. Its rows are left as they are.
func TestImportParentsMadeAgain(t *testing.T) {
	t.Parallel()
	s := newImportScene(t, "15")
	path := s.source("first_discovery_data.csv")
	of := stated{filepath.Join(repository, "testdata", "state", "first_discovery_data.as-mapped.txt"), "first_discovery_data.csv", "--as-mapped", false}
	s.apply(exitcode.Done, of.store, path)
	all := make([]string, 0, 10)
	for _, table := range discovery.Names() {
		all = append(all, "DELETE FROM migration."+table)
	}
	s.loses(all...)
	_, errs := s.apply(exitcode.NotFound, of.store, path)
	if !strings.Contains(errs, "there is no client account "+sceneClient) {
		t.Errorf("without a tenant: %s", errs)
	}
	clustertest.Exec(t, s.c, s.database,
		"INSERT INTO migration.client_accounts (id, name, slug, created_at) VALUES ('"+sceneClient+"', 'Acme International', 'acme', '2030-01-01')",
		"INSERT INTO migration.engagements (id, client_account_id, name, slug, created_at) VALUES ('"+sceneEngagement+"', '"+sceneClient+"', 'Move', 'move', '2030-01-01')",
		"INSERT INTO migration.users (id, email, created_at, updated_at) VALUES ('"+sceneUser+"', 'ann@example.org', '2030-01-01', '2030-01-01')")
	there := s.versions()
	s.apply(exitcode.Done, of.store, path)
	s.checkState("with parents made again", of, false)
	s.holds("with parents made again", there)

	// And without anybody: the tenant is made.
	s.loses(all...)
	s.apply(exitcode.Done, of.store, path, "--create-tenant", "--client-name", "Acme", "--engagement-name", "Move", "--user-email", "ann@example.org")
	s.checkState("with a tenant that was made", of, false)
	if name := clustertest.Value(t, s.c, s.database, "SELECT name || slug FROM migration.client_accounts"); name != "Acmeacme" {
		t.Errorf("the client account is %s", name)
	}
}
