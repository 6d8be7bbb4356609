package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pgrescue/pgrescue/cmd/internal/exitcode"
	"github.com/pgrescue/pgrescue/importers/discovery"
	"github.com/pgrescue/pgrescue/recover/casefile"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster/clustertest"
)

// joinedIncident is one loss with all its witnesses: a source file, the log of the backend that imported it, the log of
// the server, and its WAL. None of them tells everything.
type joinedIncident struct {
	*importScene
	source, backendLog, serverLog string
	lost                          map[string]string // what the tables held that lost rows, as COPY writes it
	flow, importID                string
	before                        string // when nothing was lost yet
	records                       []joinedRecord
	assets                        []joinedAsset
}

// joinedRecord and joinedAsset are rows that the backend's log names.
type joinedRecord struct {
	ID     string          `json:"id"`
	Number int             `json:"row_number"`
	Data   json.RawMessage `json:"raw_data"`
}

type joinedAsset struct{ ID, Name string }

// lostTables are those that lose rows, parents first.
func lostTables() []string { return []string{"raw_import_records", "assets", "asset_dependencies"} }

// madeID is an id that an import made; the application's own are random.
var madeID = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}`)

// newJoinedIncident makes the incident.
func newJoinedIncident(t *testing.T) *joinedIncident {
	t.Helper()
	c := clustertest.Start(t, cluster.Options{Version: "15", Collector: true, Settings: map[string]string{
		"log_directory": "log", "log_filename": "server.log", "log_rotation_age": "0", "log_line_prefix": "%m [%p] %u@%d xid=%x ", "log_statement": "mod",
		"autovacuum": "off",
	}})
	model := importSceneOn(t, c, "model")
	s := &joinedIncident{importScene: importSceneOn(t, c, "shop"), lost: make(map[string]string)}
	s.source = s.importScene.source("servers-cmdb.csv")
	model.apply(exitcode.Done, s.source, "--as-mapped")
	s.importRows(model)
	s.serverLog = filepath.Join(t.TempDir(), "server.log")
	s.backendLog = s.file("backend.log", s.backendText())
	s.lose()
	copyServerLog(t, c, s.serverLog)
	return s
}

// copyServerLog copies a server's log once its collector, which writes it, has come as far as now.
func copyServerLog(t *testing.T, c *cluster.Cluster, to string) {
	t.Helper()
	path, mark := filepath.Join(c.DataDir(), "log", "server.log"), "no_such_table_"+filepath.Base(filepath.Dir(to))
	if err := c.Exec(t.Context(), "postgres", "DELETE FROM "+mark); err == nil {
		t.Fatalf("there is a table %s", mark)
	}
	for {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(text, []byte("STATEMENT:  DELETE FROM "+mark+"\n")) {
			copyFile(t, path, to)
			return
		}
		clustertest.Value(t, c, "postgres", "SELECT 1")
	}
}

// session runs statements in one session of the database.
func (s *joinedIncident) session(statements ...string) {
	s.t.Helper()
	session, err := s.c.Session(s.t.Context(), s.database)
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = session.Close(s.t.Context()) }()
	for _, statement := range statements {
		wrong := strings.HasPrefix(statement, "/* refused */")
		if err := session.Exec(s.t.Context(), statement); (err != nil) != wrong {
			s.t.Fatalf("%s: %v", statement, err)
		}
	}
}

// importRows puts the rows of the model in as the backend would have: with ids of its own, in a transaction that the
// server's log does not show.
func (s *joinedIncident) importRows(model *importScene) {
	s.t.Helper()
	var script []string
	for _, table := range discovery.Names() {
		if table == "client_accounts" || table == "engagements" || table == "users" {
			continue // they are there
		}
		columns := clustertest.Value(s.t, s.c, "model", "SELECT coalesce(string_agg(quote_ident(attname), ', ' ORDER BY attnum), '') FROM pg_attribute WHERE attrelid = 'migration."+
			table+"'::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = ''")
		var values []string
		for column := range strings.SplitSeq(columns, ", ") {
			values = append(values, "quote_nullable("+column+"::text)")
		}
		text := clustertest.Value(s.t, s.c, "model", "SELECT coalesce(string_agg('INSERT INTO migration."+table+" ("+columns+") VALUES (' || concat_ws(', ', "+
			strings.Join(values, ", ")+") || ')', E'\\n;\\n'), '') FROM migration."+table)
		if text != "" {
			script = append(script, text)
		}
	}
	text := strings.Join(script, "\n;\n")
	short := make(map[string]string)
	text = madeID.ReplaceAllStringFunc(text, func(id string) string {
		own := id[4:8] + id[:4] + id[8:14] + "4" + id[15:]
		short[id[:8]] = own[:8]
		return own
	})
	for made, own := range short {
		text = strings.ReplaceAll(text, made, own)
	}
	s.session(append(append([]string{"SET log_statement = 'none'", "BEGIN", "SET CONSTRAINTS ALL DEFERRED"}, strings.Split(text, "\n;\n")...), "COMMIT")...)
	s.session("SET log_statement = 'none'", `UPDATE migration.raw_import_records SET raw_data = '{"server_name": "renamed by hand"}' WHERE row_number = 2`)
	s.importID = clustertest.Value(s.t, s.c, s.database, "SELECT id::text FROM migration.data_imports")
	s.flow = clustertest.Value(s.t, s.c, s.database, "SELECT master_flow_id::text FROM migration.data_imports")
	s.read("SELECT json_agg(json_build_object('id', id, 'row_number', row_number, 'raw_data', raw_data) ORDER BY row_number) FROM migration.raw_import_records", &s.records)
	s.read("SELECT json_agg(json_build_object('ID', id, 'Name', name) ORDER BY name) FROM migration.assets", &s.assets)
	if len(s.records) == 0 || len(s.assets) == 0 {
		s.t.Fatalf("%d records, %d assets", len(s.records), len(s.assets))
	}
}

func (s *joinedIncident) read(query string, to any) {
	s.t.Helper()
	if err := json.Unmarshal([]byte(clustertest.Value(s.t, s.c, s.database, query)), to); err != nil {
		s.t.Fatal(err)
	}
}

// backendText is what the backend logged of the import, and of another that it rolled back.
func (s *joinedIncident) backendText() string {
	var b strings.Builder
	at := time.Now().UTC().Add(-time.Minute)
	say := func(logger, format string, args ...any) {
		at = at.Add(3 * time.Millisecond)
		fmt.Fprintf(&b, "%s - app.%s - INFO - %s\n", strings.Replace(at.Format("2006-01-02 15:04:05.000"), ".", ",", 1), logger, fmt.Sprintf(format, args...))
	}
	begin := func(id string, records int) {
		say("core.middleware.request_logging", "🔄 POST http://b:8000/api/v1/data-import/store-import | IP: 172.18.0.2 | Agent: curl...")
		say("core.context", "🔍 Headers received: {'host': 'b:8000', 'authorization': 'Bearer invented-token-0123456789abcdef'}")
		say("core.context", "🔍 Final context: RequestContext(client=%s, engagement=%s, user=%s, flow=None)", sceneClient, sceneEngagement, sceneUser)
		say("services.data_import.transaction_manager", "🔄 Starting import transaction")
		say("services.data_import.storage_manager.import_commands", "✅ Created DataImport record: %s", id)
		say("services.data_import.storage_manager.record_operations", "💾 Creating %d RawImportRecord entries...", records)
		say("services.data_import.storage_manager.record_operations", "✅ Successfully added %d RawImportRecord entries to database session for import %s", records, id)
	}
	void := "cccccccc-0000-4000-8000-00000000000f"
	begin(void, 7)
	say("services.data_import.transaction_manager", "❌ Transaction failed, rolling back: connection reset")
	begin(s.importID, len(s.records))
	say("services.flow_orchestration.operations.flow_creation_operations", "✅ Database record flushed for flow %s (atomic=True, parent will commit)", s.flow)
	say("services.data_import.storage_manager.import_commands", "✅ Linked master flow %s to data import %s", s.flow, s.importID)
	say("services.data_import.transaction_manager", "✅ Import transaction committed successfully")
	say("services.data_import.storage_manager.import_commands", "🗳️ Transaction completed - data_import %s with %d raw records committed to database", s.importID, len(s.records))
	for _, asset := range s.assets {
		say("services.asset_service", "🔗 Associating asset with master_flow_id: %s, discovery_flow_id: %s", s.flow, s.flow)
		say("services.asset_service", "✅ Asset created via service: %s (ID: %s)", asset.Name, asset.ID)
	}
	say("services.unified_discovery.flow_execution_handlers", "Executing requested phase 'data_cleansing' for flow ***%s", s.flow[len(s.flow)-8:])
	say("services.unified_discovery.flow_execution_handlers", "Adding data_import_id: %s to phase_input", s.importID)
	for _, record := range s.records {
		say("services.data_cleansing", "Record data: {'id': '%s', 'data_import_id': '%s', 'row_number': %d, 'raw_data': %s}", record.ID, s.importID, record.Number, record.Data)
	}
	return b.String()
}

// lose changes some rows and deletes most, after two attempts that deleted nothing. The server logs statements that
// change rows: neither COMMIT nor ROLLBACK is among them, so that WAL alone tells the attempts apart.
func (s *joinedIncident) lose() {
	s.t.Helper()
	var dependencies, ids []string
	for i := range 3 {
		ids = append(ids, fmt.Sprintf("'dddddddd-0000-4000-8000-00000000000%d'", i))
		dependencies = append(dependencies, fmt.Sprintf("(%s, '%s', '%s', 'runs on', 'it''s, \"no %d\"', '2025-10-07 12:00:0%d+02', NULL, NULL, NULL, NULL, NULL)",
			ids[i], s.assets[i].ID, s.assets[i+1].ID, i, i))
	}
	s.session("INSERT INTO migration.asset_dependencies (id, asset_id, depends_on_asset_id, dependency_type, description, created_at, updated_at, "+
		"relationship_nature, direction, criticality, dataflow_type) VALUES "+strings.Join(dependencies, ", "),
		"UPDATE migration.engagements SET description = 'open'") // so the log shows that the statement before it ended
	clustertest.Exec(s.t, s.c, s.database, "CHECKPOINT")
	for _, table := range lostTables() {
		s.lost[table] = clustertest.CopyOut(s.t, s.c, s.database, "SELECT * FROM migration."+table+" ORDER BY id")
	}
	remove := []string{
		"BEGIN", "UPDATE migration.engagements SET description = 'closed'",
		"DELETE FROM migration.asset_dependencies WHERE id IN (" + strings.Join(ids, ", ") + ")",
		"DELETE FROM migration.assets WHERE client_account_id IN (SELECT id FROM migration.client_accounts WHERE name LIKE 'Ac%')",
		"DELETE FROM migration.raw_import_records WHERE data_import_id = '" + s.importID + "'",
	}
	s.session("/* refused */ DELETE FROM migration.assets WHERE tenant = 'Acme'")
	s.session(append(slices.Clone(remove), "ROLLBACK")...)
	s.before = clustertest.Value(s.t, s.c, s.database, "SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US') || 'Z'")
	s.session(append(slices.Clone(remove), "COMMIT")...)
}

// TestLogsSourceAndWALInOneCase brings the rows of one incident together in a case: values from the source file, ids
// from the backend's log, rows that nobody else has from the server's log, commits from the WAL.
func TestLogsSourceAndWALInOneCase(t *testing.T) {
	t.Parallel()
	s := newJoinedIncident(t)
	data, kase := filepath.Join(t.TempDir(), "copy"), filepath.Join(t.TempDir(), "case")
	if err := s.c.CopyDataDir(data); err != nil {
		t.Fatal(err)
	}
	run := func(want exitcode.Code, line ...string) (stdout string) {
		t.Helper()
		code, stdout, stderr := execute(t.Context(), append(line, "--case", kase)...)
		if code != want {
			t.Fatalf("pgrescue %s: code %d, want %d\n%s%s", strings.Join(line, " "), code, want, stdout, stderr)
		}
		return stdout
	}
	catalog := filepath.Join(t.TempDir(), "catalog.json")
	run(exitcode.Done, "catalog", "dump", "--pgdata", data, "-o", catalog)
	imported := []string{
		"import", s.source, "--as-mapped", "--catalog", catalog, "--database", s.database, "--client-account", sceneClient, "--engagement", sceneEngagement, "--user", sceneUser,
	}
	rebuilt := []string{"logs", "rebuild", s.serverLog, s.backendLog, "--zone", "backend.log=UTC", "--catalog", catalog, "--json"}

	last := kase // the ids are those of the log, whichever comes first
	kase = filepath.Join(t.TempDir(), "logs-first")
	run(exitcode.Done, rebuilt...)
	run(exitcode.Done, imported...)
	s.hasIDs(kase)
	kase = last

	run(exitcode.Done, "wal", "transactions", data, "--pgdata", data, "--limit", "0")
	run(exitcode.Done, imported...)
	s.check(run(exitcode.Done, rebuilt...), kase)
	s.hasIDs(kase)
	if text := run(exitcode.Done, "case", "show"); !regexp.MustCompile(`migration.raw_import_records +15 +15 +0`).MatchString(text) {
		t.Errorf("case show does not compare the records with their count:\n%s", text)
	}

	plan := []string{"restore", "plan", "--dsn", s.dsn, "--pages-not-needed"}
	for _, table := range lostTables() {
		plan = append(plan, "--table", "migration."+table)
	}
	// A record was changed after the import: the source file and the log contradict each other.
	text := run(exitcode.Findings, plan...)
	if strings.Count(text, "differ in column raw_data") != 1 || !strings.Contains(text, "renamed by hand") {
		t.Errorf("the plan does not show the conflict:\n%s", text)
	}
	for _, table := range lostTables()[:2] {
		run(exitcode.Done, "undelete", "--pgdata", data, "--database", s.database, "--table", "migration."+table, "--since", s.before)
	}
	if text := run(exitcode.Done, plan...); !strings.Contains(text, "33 to put in, 0 to change") {
		t.Errorf("the plan is\n%s", text)
	}
	file := filepath.Join(kase, "plan.json")
	run(exitcode.Done, "restore", "apply", file, "--dsn", s.dsn, "--confirm", s.database)
	run(exitcode.Done, "restore", "verify", file, "--dsn", s.dsn)
	for _, table := range lostTables() {
		if got := clustertest.CopyOut(t, s.c, s.database, "SELECT * FROM migration."+table+" ORDER BY id"); got != s.lost[table] {
			t.Errorf("%s came back as\n%s\nand was\n%s", table, got, s.lost[table])
		}
	}
}

// check looks at what the logs gave: the commits are those of the WAL, the ids those of the backend's log.
func (s *joinedIncident) check(stdout, kase string) {
	s.t.Helper()
	var result logsRebuildResult
	if err := json.Unmarshal([]byte(stdout), &result); err != nil {
		s.t.Fatal(err)
	}
	if len(result.Counts) != 1 || result.Counts[0].Rows != int64(len(s.records)) {
		s.t.Errorf("counts %+v", result.Counts)
	}
	if len(result.IDs) != 1 || result.IDs[0].Logged.String() != s.importID {
		s.t.Errorf("imports %+v, want %s", result.IDs, s.importID)
	}
	s.fates(kase)
}

// hasIDs fails when rows of the source file do not have the ids of the backend's log.
func (s *joinedIncident) hasIDs(kase string) {
	s.t.Helper()
	texts, _ := importedTexts(s.t, kase)
	if !strings.Contains(texts, s.importID+"\n") {
		s.t.Errorf("no imported row has the id %s of the import", s.importID)
	}
	for _, asset := range s.assets {
		if !strings.Contains(texts, asset.ID+"\n") {
			s.t.Errorf("no imported row has the id %s of asset %s", asset.ID, asset.Name)
		}
	}
	for _, record := range s.records {
		if !strings.Contains(texts, record.ID+"\n") {
			s.t.Errorf("no imported row has the id %s of record %d", record.ID, record.Number)
		}
	}
}

// fates looks at the deletions in the case's timeline: the WAL says what became of those that did not fail.
func (s *joinedIncident) fates(kase string) {
	s.t.Helper()
	c, err := casefile.Open(s.t.Context(), kase, casefile.Read, casefile.Options{})
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	fates := make(map[string]int)
	for event, err := range c.Events(s.t.Context()) {
		if err != nil {
			s.t.Fatal(err)
		}
		if !strings.Contains(event.Statement, "DELETE FROM migration.") || event.Source != s.serverLog {
			continue
		}
		fates[event.Certainty]++
		if proven := strings.Contains(string(event.Detail), "proven by the WAL"); proven != (event.Certainty != "failed") {
			s.t.Errorf("%s is %s: %s", event.Statement, event.Certainty, event.Detail)
		}
	}
	if want := map[string]int{"failed": 1, "rolled back": 3, "committed": 3}; !maps.Equal(fates, want) {
		s.t.Errorf("of the deletions became %v, want %v", fates, want)
	}
}
