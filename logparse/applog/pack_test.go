package applog

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/pgrescue/pgrescue/logparse"
	"github.com/pgrescue/pgrescue/logparse/secrets"
)

const (
	client     = "11111111-2222-4333-8444-555555555555"
	engagement = "22222222-3333-4444-8555-666666666666"
	user       = "33333333-4444-4555-8666-777777777777"
	imported   = "a1b2c3d4-e5f6-4a7b-8c9d-0e1f2a3b4c5d"
	child      = "0a0b0c0d-0e0f-4a0b-8c0d-0e0f0a0b0c0d"
	asset      = "c0ffee00-1234-4567-89ab-cdef01234567"
)

func discoveryPack(t testing.TB) *Pack {
	t.Helper()
	pack, err := Discovery()
	if err != nil {
		t.Fatal(err)
	}
	return pack
}

// lines are one of each kind that the application writes, with the pattern that takes it and the fields.
func lines() [][]string { return append(linesOfImports(), linesOfAssets()...) }

func linesOfImports() [][]string {
	return [][]string{
		{"🔄 POST http://localhost:8000/api/v1/data-import/store-import | IP: 10.0.0.7 | Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36...", "import request", "agent=Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36...", "ip=10.0.0.7", "url=://localhost:8000/api/v1/data-import"},
		{"🔄 POST http://localhost:8000/api/v1/flows | IP: 10.0.0.7 | Agent: curl/8...", "request", "agent=curl/8...", "ip=10.0.0.7", "url=://localhost:8000/api/v1/flows"},
		{"🔄 DELETE http://localhost:8000/api/v1/flows/7 | IP: 10.0.0.7", "request to delete", "ip=10.0.0.7", "url=://localhost:8000/api/v1/flows/7"},
		{"✅ DELETE http://localhost:8000/api/v1/flows/7 | Status: 204 | Time: 0.1s", "response to delete", "seconds=0.1", "status=204", "url=://localhost:8000/api/v1/flows/7"},
		{"🔄 GET http://localhost:8000/api/v1/flows?x=1 | IP: 10.0.0.7 | Agent: curl/8...", "request", "agent=curl/8...", "ip=10.0.0.7", "url=://localhost:8000/api/v1/flows?x=1"},
		{"❌ PUT http://localhost:8000/api/v1/x | Status: 500 | Time: 1s", "response", "seconds=1", "status=500", "url=://localhost:8000/api/v1/x"},
		{"🔄 PATCH http://localhost:8000/api/v1/x | IP: 10.0.0.7", "request", "ip=10.0.0.7", "url=://localhost:8000/api/v1/x"},
		{"Could not retrieve field mappings: type object 'ImportFieldMapping' has no attribute 'engagement_id'", "mappings not applied"},
		{"Query failed: DELETE FROM raw_import_records WHERE data_import_i... - violates foreign key", "cleanup statement failed", "error=violates foreign key", "statement=DELETE FROM raw_import_records WHERE data_import_i"},
		{"✅ All demo data cleaned successfully!", "cleanup ended"},
		{"✅ POST http://localhost:8000/api/v1/data-import/store-import | Status: 200 | Time: 0.253s", "import response", "seconds=0.253", "status=200", "url=://localhost:8000/api/v1/data-import"},
		{"⚠️ POST http://localhost:8000/api/v1/x | Status: 404 | Time: 0.1s", "response", "seconds=0.1", "status=404", "url=://localhost:8000/api/v1/x"},
		{"🔍 Extracted - Client: ***55555555, Engagement: ***66666666, User: ***77777777, Flow: None", "tenant masked", "client_account_id=***55555555", "engagement_id=***66666666", "flow_id=None", "user_id=***77777777"},
		{"🔍 Final context: RequestContext(client=" + client + ", engagement=" + engagement + ", user=" + user + ", flow=None)", "tenant", "client_account_id=" + client, "engagement_id=" + engagement, "flow_id=None", "user_id=" + user},
		{"🔍 Headers received: {'host': 'x', 'authorization': 'Bearer a'}", "headers of the request", "request_headers={'host': 'x', 'authorization': 'Bearer a'}"},
		{"🔄 Starting import transaction", "import begins"},
		{"✅ Import transaction committed successfully", "import committed"},
		{"❌ Transaction failed, rolling back: (psycopg) no {way}", "import rolled back", "error=(psycopg) no {way}"},
		{"📥 Parsed 2048 bytes as list with 5 items", "file parsed", "bytes=2048", "rows=5"},
		{"📥 Received CSV data with 2048 bytes of JSON content", "file received", "bytes=2048"},
		{"📊 Parsed data is list with 5 items", "file is a list", "rows=5"},
		{"📊 First item keys: ['Server Name', \"Owner's\", 'OS']", "first item keys", "headers=['Server Name', \"Owner's\", 'OS']"},
		{"📊 Filtered to 5 valid records out of 6 total", "rows filtered", "received=6", "rows=5"},
		{"📊 Extracted 5 records for import " + imported, "rows extracted", "import_id=" + imported, "rows=5"},
		{"📊 Extracted 5 records from JSON data for import " + imported, "rows extracted", "import_id=" + imported, "rows=5"},
		{"💾 Creating 5 RawImportRecord entries...", "raw records created", "rows=5"},
		{"✅ Successfully added 5 RawImportRecord entries to database session for import " + imported, "raw records added", "import_id=" + imported, "rows=5"},
		{"✅ Stored 5 records for import " + imported, "rows stored", "import_id=" + imported, "rows=5"},
		{"✅ DataImport.total_records updated to: 5", "total records", "rows=5"},
		{"✅ Created DataImport record: " + imported, "import created", "import_id=" + imported},
		{"🗳️ Data import record created with raw records: " + imported, "import created with raw records", "import_id=" + imported},
		{"🚀 Creating flow: " + flow + " (type: discovery)", "flow created", "flow_id=" + flow, "flow_type=discovery"},
		{"✅ Redis registration successful for " + flow, "flow in Redis", "flow_id=" + flow},
		{"✅ Database record flushed for flow " + flow + " (atomic=True, parent will commit)", "flow flushed", "flow_id=" + flow},
		{`📝 AUDIT: {"event_id": "audit_1", "flow_id": "` + flow + `", "success": true}`, "audit", `audit={"event_id": "audit_1", "flow_id": "` + flow + `", "success": true}`},
		{"🚀 Creating discovery flow and extensions record: " + flow, "discovery flow and extensions", "flow_id=" + flow},
		{"   Discovery flow: discovery_flows.flow_id = " + child, "discovery flow id", "discovery_flow_id=" + child},
		{"   Master flow: crewai_flow_state_extensions.flow_id = " + flow, "master flow id", "flow_id=" + flow},
		{"✅ Created discovery flow with flush: " + child + " with timeout at 2025-10-08T18:22:49.123456", "discovery flow created", "discovery_flow_id=" + child, "timeout_at=2025-10-08T18:22:49.123456"},
		{"✅ Linked master flow " + flow + " to data import " + imported, "flow linked", "flow_id=" + flow, "import_id=" + imported},
		{"🗳️ Transaction completed - data_import " + imported + " with 5 raw records committed to database", "import committed with its rows", "import_id=" + imported, "rows=5"},
		{"🔥🔥🔥 CREWAI DISCOVERY FLOW INITIALIZATION - FLOW ID: " + flow + " 🔥🔥🔥", "flow initialized", "flow_id=" + flow},
		{"📊 Processing 5 records", "flow processes", "rows=5"},
		{"🔍 DEBUG: First record keys in initializer: ['Server Name', 'OS']", "first record keys", "headers=['Server Name', 'OS']"},
		{"🔍 DEBUG: First record sample: {'Server Name': 'OG-DC-SRV01', 'CPU': None, 'ok': True}", "first record", "row={'Server Name': 'OG-DC-SRV01', 'CPU': None, 'ok': True}"},
		{"First record sample: {'a': 'cut", "first record", "row={'a': 'cut"},
		{"🔍 Extracted detected columns from raw data: ['OS', 'Server Name']", "detected columns", "headers=['OS', 'Server Name']"},
		{"🔍 File analysis: server_inventory (confidence: 85%)", "file analysis", "category=server_inventory", "confidence=85"},
		{"📊 Processing 7 field mappings for persistence", "mappings persisted", "mappings=7"},
		{"✅ Successfully persisted 7 field mappings to database", "mappings persisted", "mappings=7"},
		{"Extracted mapping: Server Name -> hostname", "mapping", "source_field=Server Name", "target_field=hostname"},
		{"Bulk approval request: 7 mappings, approved=True", "mappings approved", "approved=True", "mappings=7"},
		{"Bulk updated 7 field mappings", "mappings approved", "mappings=7"},
		{"Executing requested phase 'data_cleansing' for flow ***c3d2e1f0", "phase", "flow_id=***c3d2e1f0", "phase=data_cleansing"},
		{"Adding data_import_id: " + imported + " to phase_input", "phase input", "import_id=" + imported},
	}
}

func linesOfAssets() [][]string {
	return [][]string{
		{"📊 Found 5 raw import records", "raw records found", "found=5"},
		{"📋 Sample cleaned record keys: ['id', 'name']", "cleaned record keys", "keys=['id', 'name']"},
		{"📊 ID mapping stats - id: 5, raw: 0", "id mapping", "mapped=5", "others=raw: 0"},
		{"🔄 Updating raw records with cleansed data for import " + imported, "cleansed data stored", "import_id=" + imported},
		{"  - Records successfully updated: 5", "cleansed rows", "updated=5"},
		{"🚨 No rows updated for record UUID " + asset + " with data_import_id " + imported, "row not updated", "import_id=" + imported, "raw_import_record_id=" + asset},
		{"🚨 Record data: {'raw_import_record_id': '" + asset + "', 'name': 'x'}", "record that was not updated", "row_not_updated={'raw_import_record_id': '" + asset + "', 'name': 'x'}"},
		{"📋 Found 5 raw_import_records to link", "raw records found", "found=5"},
		{"No name found for record 3, using fallback: asset-3", "name made up", "fallback=asset-3", "record=3"},
		{"✅ Normalized 4/5 records", "normalized", "normalized=4", "total=5"},
		{"📊 Found 4 cleansed records, 5 total records", "raw records found", "found=4", "total=5"},
		{"🔨 Asset creation result: created=4, failed=1", "assets counted", "created=4", "failed=1"},
		{"🔨 Agent creating 5 assets in bulk via ServiceRegistry", "assets to come", "assets=5"},
		{"🔨 Agent creating asset via ServiceRegistry: web (ID: 7) x", "asset to come", "name=web (ID: 7) x"},
		{"🏷️ Generating asset name: 'Bob's web' from data keys: dict_keys(['Server Name', 'OS'])", "asset name", "keys=dict_keys(['Server Name', 'OS'])", "name=Bob's web"},
		{"🔗 Associating asset with master_flow_id: " + flow + ", discovery_flow_id: " + child, "asset flows", "asset_flow_id=" + child, "flow_id=" + flow},
		{"Created Asset with ID " + asset, "asset row", "asset_id=" + asset},
		{"Updated DataImport with ID " + imported, "another row", "id=" + imported, "model=DataImport"},
		{"Deleted DataImport with ID " + imported, "row deleted", "id=" + imported, "model=DataImport"},
		{"✅ Asset created via service: web (ID: 7) (ID: " + asset + ")", "asset created", "asset_id=" + asset, "name=web (ID: 7)"},
		{"Asset already exists: web (ID: " + asset + ")", "asset there already", "asset_id=" + asset, "name=web"},
		{"Failed to convert 'it's 8 GB' to integer, using default None", "number lost", "default=None", "lost=it's 8 GB", "type=integer"},
		{"✅ Bulk creation via ServiceRegistry complete: 4 created, 1 failed", "assets created", "created=4", "failed=1"},
		{"❌ Asset service failed to create asset: (x) y\n[SQL: INSERT]", "asset failed", "error=(x) y\n[SQL: INSERT]"},
		{"✅ Flow status updated to 'processing' for flow " + flow, "flow status", "flow_id=" + flow, "flow_status=processing"},
		{"✅ State saved and cached securely for flow " + flow + ", version 3", "flow state saved", "flow_id=" + flow, "version=3"},
		{"Agent Field Mapper added insight: 3 (of 5) found (page: flow_" + flow + ")", "insight", "agent=Field Mapper", "flow_id=" + flow, "title=3 (of 5) found"},
		{`🔍 DEBUG: Raw request body: {"file_data":[{"Server Name":"a"}],"metadata":{"filename":"x.csv"}}`, "raw request body", `body={"file_data":[{"Server Name":"a"}],"metadata":{"filename":"x.csv"}}`},
		{"🔍 DEBUG: Parsed JSON: {\n  \"file_data\": [\n  ]\n}", "parsed JSON", "body={\n  \"file_data\": [\n  ]\n}"},
		{"🔍 DEBUG: file_data type: <class 'list'>, length: 5", "file_data", "rows=5"},
		{"No existing import record found. Creating new DataImport record with ID: " + imported, "import created in July", "import_id=" + imported},
		{"✅ Successfully stored 5 field mappings and initiated discovery flow for import " + imported, "import stored in July", "import_id=" + imported, "rows=5"},
		{"Bulk import completed for flow " + flow + ": 5 servers processed, 0 errors", "bulk import", "created=5", "failed=0", "flow_id=" + flow},
		{"Error processing row 3: bad {x}", "bulk import of a row", "error=bad {x}", "record=3"},
	}
}

// TestDiscoveryPack: every line of the application is taken by the pattern that is for it, and every pattern takes one.
func TestDiscoveryPack(t *testing.T) {
	t.Parallel()
	pack := discoveryPack(t)
	trial := NewTrial(pack)
	var match Match
	for _, line := range lines() {
		entry := &logparse.Entry{Message: []byte(line[0])}
		if !pack.Match(entry, &match) {
			t.Errorf("nothing takes %q", line[0])
			continue
		}
		var got []string
		for _, value := range match.Values {
			got = append(got, value.Name+"="+string(value.Text))
		}
		slices.Sort(got)
		if match.Pattern.Name != line[1] || !slices.Equal(got, line[2:]) {
			t.Errorf("%q\ngave %s %q\nwant %s %q", line[0], match.Pattern.Name, got, line[1], line[2:])
		}
		trial.Add(entry)
	}
	if idle := trial.Idle(); len(idle) > 0 {
		t.Errorf("no line is for the patterns %q", idle)
	}
	for _, text := range []string{
		"", "Cre", "Created DataImport record: 7", "Creating many RawImportRecord entries", "Stored 5 records for import " + imported[:35],
		"Linked master flow " + flow + " to data import None", "Generating asset name: 'x' from nothing",
	} {
		if pack.Match(&logparse.Entry{Message: []byte(text)}, &match) {
			t.Errorf("%q is taken by %q", text, match.Pattern.Name)
		}
	}
}

// TestMaskedLines: masking secrets takes nothing away that a pattern reads, but the headers of a request.
func TestMaskedLines(t *testing.T) {
	t.Parallel()
	for _, line := range lines() {
		if masked := secrets.Text(line[0]); masked != line[0] && line[1] != "headers of the request" {
			t.Errorf("%q becomes %q", line[0], masked)
		}
	}
}

func TestTrial(t *testing.T) {
	t.Parallel()
	trial := NewTrial(discoveryPack(t))
	for _, line := range []string{"Starting import transaction", "Starting import transaction", "other"} {
		trial.Add(&logparse.Entry{Message: []byte(line)})
	}
	trial.Add(&logparse.Entry{Place: logparse.Place{Line: 7}, Message: []byte("Stored 5 records for import " + imported)})
	if trial.Entries != 4 || trial.Matched != 3 || len(trial.Templates.List()) != 1 {
		t.Errorf("%d of %d, %d templates", trial.Matched, trial.Entries, len(trial.Templates.List()))
	}
	for _, tried := range trial.Patterns {
		switch tried.Pattern.Name {
		case "import begins":
			if tried.Count != 2 {
				t.Errorf("%+v", tried)
			}
		case "rows stored":
			if tried.Count != 1 || tried.First.Line != 7 || !maps.Equal(tried.Example, map[string]string{"rows": "5", "import_id": imported}) {
				t.Errorf("%+v", tried)
			}
		default:
			if tried.Count != 0 {
				t.Errorf("%+v", tried)
			}
		}
	}
}

func TestPackIsChecked(t *testing.T) {
	t.Parallel()
	const good = "pack: a\npatterns:\n  - name: b\n    match: 'Rows: {n}'\n    fields: {n: int}\n    proves: rows\n"
	if pack, err := ParsePack("a.yaml", strings.NewReader(good)); err != nil || len(pack.Patterns) != 1 {
		t.Fatalf("%+v, %v", pack, err)
	}
	for _, test := range []struct{ from, to, want string }{
		{"name: b", "name: ''", "no name"},
		{"{n: int}", "{n: integer}", `kind "integer"`},
		{"{n: int}", "{m: int}", `a field "n"`},
		{"proves: rows", "proves: truth", "proves is none of"},
		{"proves: rows", "proves: rows\n    commit: true\n    void: true", "not both"},
		{"proves: rows", "proves: rows\n    void: true", "for nothing else"},
		{"proves: rows", "proves: end", "tells commit or void"},
		{"proves: rows", "proof: rows", "a.yaml:6"},
		{"'Rows: {n}'", "'R {n}'", "does not begin with 4"},
		{"'Rows: {n}'", "'🔥 Rows: {n}'", "begins with a sign"},
		{"'Rows: {n}'", "'Rows: {n'", "tells no kind"},
		{"'Rows: {n}'", "'Rows: {n}{n}'", "twice"},
		{"'Rows: {n}'", "[]", "matches nothing"},
		{"  - name: b", "  - {name: b, match: 'Rows', proves: rows}\n  - name: b", "another pattern"},
		{"patterns:", "patterns: [", "a.yaml"},
		{good, "", "0 patterns"},
	} {
		_, err := ParsePack("a.yaml", strings.NewReader(strings.Replace(good, test.from, test.to, 1)))
		if err == nil || !strings.Contains(err.Error(), test.want) || !errors.Is(err, ErrPack) {
			t.Errorf("%s: %v, want %q", test.to, err, test.want)
		}
	}
}

// FuzzPack: any message and any pack; what a field of a kind holds is of the kind.
func FuzzPack(f *testing.F) {
	for _, line := range lines() {
		f.Add(line[0], "Rows {a} of {b}: {c}", "text")
	}
	discovery := discoveryPack(f)
	f.Fuzz(func(t *testing.T, text, match, kind string) {
		entry := &logparse.Entry{Message: []byte(text)}
		packs := []*Pack{discovery}
		own := &Pack{index: make(map[[lead]byte][]*compiled), Patterns: []Pattern{{
			Name: "a", Match: oneOrAll{match}, Proves: ProvesStage, Fields: fieldMap{"a": Kind(kind), "b": KindInt, "c": KindText},
		}}}
		if len(own.compile()) == 0 {
			packs = append(packs, own)
		}
		for _, pack := range packs {
			var m Match
			if !pack.Match(entry, &m) {
				continue
			}
			chain := NewChain()
			chain.Add(entry, &m)
			for _, value := range m.Values {
				if !strings.Contains(text, string(value.Text)) {
					t.Errorf("%q: %s=%q", text, value.Name, value.Text)
				}
				if value.Kind != KindText && extent(value.Kind, value.Text) != len(value.Text) && value.Kind != KindStamp {
					t.Errorf("%q: %s=%q is no %s", text, value.Name, value.Text, value.Kind)
				}
				Names(string(value.Text))
				Read(string(value.Text)).Fits(text)
			}
		}
	})
}
