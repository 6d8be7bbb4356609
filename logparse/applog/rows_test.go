package applog

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pgrescue/pgrescue/logparse"
	"github.com/pgrescue/pgrescue/recover/evidence"
)

// gather reads messages, one an entry, as rows; what stands before a tab is the trace, and \n in one begins a new line.
func gather(t testing.TB, pack *Pack, options RowsOptions, text string) *Rows {
	t.Helper()
	rows := NewRows(pack, options)
	readInto(rows, "app.log", text)
	return rows
}

// readInto reads the messages of a log, one a second.
func readInto(rows *Rows, name, text string) {
	var match Match
	number := int64(0)
	begin := time.Date(2025, 10, 7, 18, 0, 0, 0, time.UTC)
	source := &logparse.Source{Name: name, Paths: []string{name}}
	for line := range strings.Lines(text) {
		number++
		trace, message, found := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		entry := &logparse.Entry{
			Place: logparse.Place{Source: source, Line: number},
			Stamp: logparse.Stamp{Time: begin.Add(time.Duration(number) * time.Second), Zone: logparse.Zoned},
		}
		if found {
			entry.Fields = []logparse.Field{{Name: "trace_id", Text: []byte(trace)}}
		} else {
			message = trace
		}
		entry.Message = []byte(strings.ReplaceAll(message, `\n`, "\n"))
		if rows.pack.Match(entry, &match) {
			rows.Add(entry, &match)
		}
	}
}

// got is a row as a test looks at it.
type got map[string]string

// all puts the rows, by their tables without the schema. An unknown value is ? with its reason; the origin stands
// under the name with a @, as LINE: WHY.
func all(t testing.TB, rows *Rows) map[string][]got {
	t.Helper()
	tables := allOf(t, rows)
	for _, list := range tables {
		for _, g := range list {
			if !strings.HasPrefix(g[""], "app.log:") {
				t.Errorf("%v", g)
			}
		}
	}
	return tables
}

// allOf is all for a log of any name.
func allOf(t testing.TB, rows *Rows) map[string][]got {
	t.Helper()
	tables := make(map[string][]got)
	err := rows.Put(sinkOf(func(row *evidence.Row) error {
		if len(row.Origins) != len(row.Values) || len(row.Values) != len(row.Relation.Columns) || row.Route != evidence.RouteLogs || row.Confidence != evidence.Claimed {
			t.Errorf("%+v", row)
		}
		g := got{"": fmt.Sprintf("%s:%d", row.Source, row.Line), "note": row.Note, "operation": string(row.Operation)}
		for i, value := range row.Values {
			name := row.Relation.Columns[i].Name
			switch value.State {
			case evidence.Known:
				g[name] = string(value.Text)
			case evidence.Null:
				g[name] = "NULL"
			default:
				g[name] = "?" + value.Reason
				if value.Reason == "" {
					t.Errorf("%s is unknown without a reason", name)
				}
			}
			origin := row.Origins[i]
			g["@"+name] = fmt.Sprintf("%d: %s", origin.Line, origin.Why)
			if value.State != evidence.Unknown && (origin.Source == "" || origin.Line == 0 || origin.Why == "" || origin.Confidence != evidence.Claimed) {
				t.Errorf("%s has the origin %+v", name, origin)
			}
		}
		tables[row.Relation.Name] = append(tables[row.Relation.Name], g)
		return nil
	}))
	if err != nil {
		t.Fatal(err)
	}
	return tables
}

type sinkOf func(*evidence.Row) error

func (s sinkOf) Put(row *evidence.Row) error { return s(row) }

// check compares columns of a row.
func (g got) check(t testing.TB, want got) {
	t.Helper()
	for name, text := range want {
		if head, cut := strings.CutSuffix(text, "…"); g[name] != text && (!cut || !strings.HasPrefix(g[name], head)) {
			t.Errorf("%s is %q, want %q", name, g[name], text)
		}
	}
}

// committed is what comes behind the lines of anImport once all went well.
func committed(id, rows string) string {
	return "✅ Import transaction committed successfully\n🗳️ Transaction completed - data_import " + id + " with " + rows + " raw records committed to database\n"
}

func TestRowsOfAnImport(t *testing.T) {
	t.Parallel()
	text := anImport(client, imported, flow, "5") + committed(imported, "5") +
		"✅ Flow status updated to 'running' for flow " + flow + "\n✅ Flow status updated to 'paused' for flow " + flow + "\n✅ Flow status updated to 'running' for flow " + flow + "\n" +
		"Extracted mapping: OS -> os\nExtracted mapping: Server Name -> hostname\nExtracted mapping: OS -> operating_system\n" +
		"🔍 DEBUG: First record sample: {'Server Name': 'web', 'OS': None, 'hostname': 'web', 'environment': 'Test'}\n" +
		strings.ReplaceAll(ofAssets, "FLOW", flow)
	rows := gather(t, discoveryPack(t), RowsOptions{}, text)
	tables := all(t, rows)
	for name, want := range map[string]int{"data_imports": 1, "raw_import_records": 1, "crewai_flow_state_extensions": 1, "discovery_flows": 1, "import_field_mappings": 2, "assets": 3} {
		if len(tables[name]) != want {
			t.Fatalf("%d rows of %s, want %d", len(tables[name]), name, want)
		}
	}
	tenant := got{"client_account_id": client, "engagement_id": engagement, "@client_account_id": `2: claim of the pattern "tenant"`}
	tables["data_imports"][0].check(t, tenant)
	tables["data_imports"][0].check(t, got{
		"": "app.log:7", "note": "", "operation": "", "id": imported, "@id": `7: claim of the pattern "import created"`, "master_flow_id": flow, "@master_flow_id": `10: claim of the pattern "flow linked"`, "imported_by": user,
		"file_size": "2048", "total_records": "5", "@total_records": `12: claim of the pattern "import committed with its rows"`, "mime_type": "application/json",
		"filename": "?no message shows the body of the import", "import_name": "?it is made of filename, which is not known", "status": "?the application writes processing first…",
		"created_at": "?the time at which the transaction began; about 2025-10-07 18:00:07Z, the time of the message at app.log:7", "@created_at": "0: ",
	})
	tables["raw_import_records"][0].check(t, tenant)
	tables["raw_import_records"][0].check(t, got{
		"data_import_id": imported, "row_number": "1", "raw_data": `{"Server Name": "web", "OS": null, "hostname": "web", "environment": "Test"}`,
		"@raw_data": `19: the payload of the pattern "first record"`, "id": "?the application makes it, and no message tells it",
	})
	tables["crewai_flow_state_extensions"][0].check(t, got{
		"flow_id": flow, "flow_type": "discovery", "flow_status": "running", "@flow_status": `13: doubt: it may have changed without a message; claim of the pattern "flow status"`,
		"flow_name": "Discovery Import " + imported, "user_id": user, "client_account_id": client, "id": "?the application makes it, and no message tells it",
	})
	tables["discovery_flows"][0].check(t, got{"flow_id": flow, "master_flow_id": flow, "data_import_id": imported, "flow_name": "Discovery Flow " + flow[:8], "user_id": user})
	tables["import_field_mappings"][0].check(t, got{"source_field": "OS", "target_field": "operating_system", "data_import_id": imported, "master_flow_id": flow})
	tables["import_field_mappings"][1].check(t, got{"source_field": "Server Name", "target_field": "hostname"})
	tables["assets"][0].check(t, tenant)
	tables["assets"][0].check(t, got{
		"id": "c0ffee00-1234-4567-89ab-cdef01234567", "name": "web", "asset_name": "web", "master_flow_id": flow, "note": "its source had the fields Server Name, OS",
		"hostname": "web", "@hostname": `19: doubt: the application may have stored another value; the field "hostname" of the row`, "environment": "Test", "ip_address": "?the row of the source has no such field",
	})
	tables["assets"][1].check(t, got{"name": "db", "@name": `25: doubt: the name stands in a message before, which has no id; claim of the pattern "asset name"`, "hostname": "?no message tells which row of the source it was made of"})
	tables["assets"][2].check(t, got{"name": "cache", "master_flow_id": "?no message tells it", "client_account_id": client, "created_at": "?the time at which its transaction began"})
	if counts := rows.Counts(); len(counts) != 1 || counts[0].Rows != 5 || counts[0].What != imported || counts[0].Relation.String() != "migration.raw_import_records" || counts[0].Line != 12 || counts[0].Source != "app.log" {
		t.Errorf("%+v", counts)
	}
	if report := rows.Report(); len(tables) != 6 || len(report.LeftOut) != 0 || len(report.Lacking) != 0 {
		t.Errorf("%+v", report)
	}
}

// TestRowsOfTwoFlows: an import has the flow that it was linked with last, whatever the other one still says.
func TestRowsOfTwoFlows(t *testing.T) {
	t.Parallel()
	text := anImport(client, imported, flow, "5") + committed(imported, "5") + "✅ Linked master flow " + otherFlow + " to data import " + imported + "\n" +
		"✅ Flow status updated to 'failed' for flow " + flow + "\n✅ Flow status updated to 'running' for flow " + otherFlow + "\n✅ Redis registration successful for " + flow + "\n"
	tables := all(t, gather(t, discoveryPack(t), RowsOptions{}, text))
	tables["data_imports"][0].check(t, got{"master_flow_id": otherFlow, "@master_flow_id": `13: claim of the pattern "flow linked"`})
	if flows := tables["crewai_flow_state_extensions"]; len(flows) != 2 || len(tables["discovery_flows"]) != 2 {
		t.Errorf("%v", tables)
	} else {
		flows[0].check(t, got{"flow_id": flow, "flow_status": "failed", "flow_type": "discovery"})
		flows[1].check(t, got{"flow_id": otherFlow, "flow_status": "running", "flow_type": "?no message tells it"})
	}
}

func TestRowsRolledBack(t *testing.T) {
	t.Parallel()
	text := anImport(client, imported, flow, "5") + "❌ Transaction failed, rolling back: no room\n" + anImport(client, otherImport, otherFlow, "7") + committed(otherImport, "7")
	for _, uncommitted := range []bool{false, true} {
		rows := gather(t, discoveryPack(t), RowsOptions{Uncommitted: uncommitted}, text)
		tables := all(t, rows)
		if len(tables["data_imports"]) != 1 || len(tables["discovery_flows"]) != 1 || tables["data_imports"][0]["id"] != otherImport {
			t.Errorf("%v", tables)
		}
		if counts := rows.Counts(); len(counts) != 1 || counts[0].Rows != 7 {
			t.Errorf("%+v", counts)
		}
		if headers := rows.Headers(); len(headers) != 1 || !slices.Equal(headers[otherImport], []string{"Server Name", "OS"}) {
			t.Errorf("%q", headers)
		}
		if left := rows.Report().LeftOut; !slices.Equal(left, []string{"import " + imported + ": its transaction was rolled back: import rolled back: line 11"}) {
			t.Errorf("%q", left)
		}
	}
}

// TestRowsUncommitted: what no message shows to be committed is left out, or has a note.
func TestRowsUncommitted(t *testing.T) {
	t.Parallel()
	text := anImport(client, imported, flow, "5")
	rows := gather(t, discoveryPack(t), RowsOptions{}, text)
	if tables := all(t, rows); len(tables) != 0 || len(rows.Counts()) != 0 || !slices.Equal(rows.Report().LeftOut, []string{"import " + imported + ": nothing shows that its transaction was committed"}) {
		t.Errorf("%v, %q", tables, rows.Report().LeftOut)
	}
	rows = gather(t, discoveryPack(t), RowsOptions{Uncommitted: true}, text)
	if tables := all(t, rows); len(tables["data_imports"]) != 1 || tables["data_imports"][0]["note"] != "nothing shows that its transaction was committed" || len(rows.Counts()) != 1 {
		t.Errorf("%v", tables)
	}
	// What runs only after the commit shows it.
	rows = gather(t, discoveryPack(t), RowsOptions{}, text+"🔥🔥🔥 CREWAI DISCOVERY FLOW INITIALIZATION - FLOW ID: "+flow+" 🔥🔥🔥\n")
	if tables := all(t, rows); len(tables["data_imports"]) != 1 || tables["data_imports"][0]["note"] != "" || rows.Chain.Imports[0].Why != "flow initialized: line 11" {
		t.Errorf("%v, %+v", tables, rows.Chain.Imports[0])
	}
}

const (
	bodyOfTwo   = `{"file_data":[{"Server Name":"web","Größe":"é"},{"Server Name":"d}b","n":1.50}],"metadata":{"filename":"x.csv","size":9},"upload_context":{"intended_type":"cmdb"}}`
	prettyOfTwo = `{\n  "file_data": [\n    {\n      "Server Name": "web",\n      "Größe": "é"\n    },\n    {\n      "Server Name": "d}b",\n      "n": 1.50\n    }\n  ]\n}`
)

// TestRowsOfBodies: the body on one line, printed for people, and its first row as Python has it, are the same rows.
func TestRowsOfBodies(t *testing.T) {
	t.Parallel()
	one, two := `{"Server Name": "web", "Gr\u00f6\u00dfe": "\u00e9"}`, `{"Server Name": "d}b", "n": 1.5}`
	sample := "🔍 DEBUG: First record sample: {'Server Name': 'web', 'Größe': 'é'}\n"
	for name, payloads := range map[string]string{
		"body": "🔍 DEBUG: Raw request body: " + bodyOfTwo + "\n", "pretty": "🔍 DEBUG: Parsed JSON: " + prettyOfTwo + "\n",
		"all": "🔍 DEBUG: Raw request body: " + bodyOfTwo + "\n🔍 DEBUG: Parsed JSON: " + prettyOfTwo + "\n" + sample,
	} {
		tables := all(t, gather(t, discoveryPack(t), RowsOptions{}, strings.Replace(anImport(client, imported, flow, "2"), "🔄 Starting", payloads+"🔄 Starting", 1)+committed(imported, "2")))
		if len(tables["raw_import_records"]) != 2 {
			t.Fatalf("%s: %v", name, tables["raw_import_records"])
		}
		tables["raw_import_records"][0].check(t, got{"raw_data": one, "row_number": "1", "note": "", "@row_number": "3: row 1 of the body; all of its 2 rows were stored"})
		tables["raw_import_records"][1].check(t, got{"raw_data": two, "row_number": "2", "note": "", "data_import_id": imported})
		if name != "pretty" {
			tables["data_imports"][0].check(t, got{"filename": "x.csv", "import_name": "x.csv Import", "import_type": "cmdb", "source_system": "cmdb", "description": "Data import for cmdb category", "@filename": "3: what the body has at metadata.filename", "@import_name": "3: made of filename: …"})
		}
	}
	tables := all(t, gather(t, discoveryPack(t), RowsOptions{}, anImport(client, imported, flow, "2")+"🔍 DEBUG: Raw request body: "+bodyOfTwo+"\n"+strings.Replace(sample, "web", "other", 1)+committed(imported, "2")))
	if note := tables["raw_import_records"][0]["note"]; note != `app.log:12 has another raw_data: {"Server Name": "other", "Gr\u00f6\u00dfe": "\u00e9"}` {
		t.Errorf("%q", note)
	}
}

// TestRowsOfDamagedBodies: what was left out, cut or redacted is unknown, and the rest is there.
func TestRowsOfDamagedBodies(t *testing.T) {
	t.Parallel()
	records := func(rows, body string) []got {
		return all(t, gather(t, discoveryPack(t), RowsOptions{}, anImport(client, imported, flow, rows)+"🔍 DEBUG: Raw request body: "+body+"\n"+committed(imported, rows)))["raw_import_records"]
	}
	left := records("1", bodyOfTwo)
	if len(left) != 2 || left[0]["row_number"] != "?the body has 2 rows and 1 were stored: which were left out is not in the log" {
		t.Errorf("%v", left)
	}
	cut := records("9", bodyOfTwo[:strings.Index(bodyOfTwo, `d}b`)+2])
	cut[0].check(t, got{"row_number": "1", "@row_number": "11: doubt: the application may have left out a row before it; row 1 of the body", "raw_data": `{"Server Name": "web", "Gr\u00f6\u00dfe": "\u00e9"}`})
	cut[1].check(t, got{"row_number": "2", "raw_data": `?its field "Server Name" is cut in the log to "d}"`})
	redacted := records("2", strings.Replace(strings.Replace(bodyOfTwo, `"web"`, `"web","Auth":"[REDACTED]s basic"`, 1), `"n":1.50`, `"token":[REDACTED]}`, 1))
	redacted[0].check(t, got{"row_number": "1", "raw_data": `?its field "Auth" is redacted, ends with "s basic"`})
	if len(redacted) != 2 || redacted[1]["raw_data"] != `?its field "token" is redacted` {
		t.Errorf("%v", redacted)
	}
	secret := records("2", strings.Replace(bodyOfTwo, `"web"`, `"web","Password":"hunter2"`, 1))
	secret[0].check(t, got{"raw_data": `?its field "Password" is a secret that outputs do not show`})
	for _, g := range append(append(cut, redacted...), secret...) {
		for name, text := range g {
			if strings.Contains(text, "hunter2") {
				t.Errorf("%s shows %q", name, text)
			}
		}
	}
	if empty := records("2", `{"file_data":[7,"x",[]]}`); len(empty) != 0 {
		t.Errorf("%v", empty)
	}
}

// TestRowsOfPython: reprs with what JSON has not, and a record that an update did not find.
func TestRowsOfPython(t *testing.T) {
	t.Parallel()
	text := anImport(client, imported, flow, "2") + committed(imported, "2") +
		"🔍 DEBUG: First record sample: {'Server Name': 'web', 'at': datetime.datetime(2025, 10, 7, 18, 22), 'cost': Decimal('1.50')}\n" +
		"🚨 No rows updated for record UUID " + asset + " with data_import_id " + imported + "\n" +
		"🚨 Record data: {'raw_import_record_id': UUID('" + asset + "'), 'row_number': 2, 'raw_data': {'Server Name': \"Bob's\", 'ok': True, 'x': None}, 'cleansed_at': datetime.date(2025, 10, 7)}\n"
	tables := all(t, gather(t, discoveryPack(t), RowsOptions{}, text))
	records := tables["raw_import_records"]
	if len(records) != 2 {
		t.Fatalf("%v", records)
	}
	records[0].check(t, got{"row_number": "1", "raw_data": `?its field "at" is a datetime, which JSON has not`})
	records[1].check(t, got{"id": asset, "row_number": "2", "raw_data": `{"Server Name": "Bob's", "ok": true, "x": null}`, "data_import_id": imported, "@id": `15: the field "raw_import_record_id" of the row`})
}

// TestRowsInAPanel: a row that was printed in a box, which folded it.
func TestRowsInAPanel(t *testing.T) {
	t.Parallel()
	panel := `╭──── Crew ────────────────────╮\n│ Working on it                │\n│ First record sample:         │\n│ {'Server Name': 'web', 'OS': │\n│ 'Windows Server'}            │\n╰──────────────────────────────╯`
	tables := all(t, gather(t, discoveryPack(t), RowsOptions{}, anImport(client, imported, flow, "2")+committed(imported, "2")+panel+"\n"))
	if len(tables["raw_import_records"]) != 1 {
		t.Fatalf("%v", tables)
	}
	tables["raw_import_records"][0].check(t, got{"raw_data": `{"Server Name": "web", "OS": "Windows Server"}`, "@raw_data": "13: doubt: it stood in a box of lines…", "data_import_id": imported})
}

// TestRowsOfTwoAtOnce: of two imports that were under way at once neither gets what may be the other's.
func TestRowsOfTwoAtOnce(t *testing.T) {
	t.Parallel()
	withBody := func(client, id, flow, rows, body string) string {
		return strings.Replace(anImport(client, id, flow, rows), "🔄 Starting", "🔍 DEBUG: Raw request body: "+body+"\n🔄 Starting", 1)
	}
	bodyOfOne := `{"file_data":[{"Server Name":"mail"}],"metadata":{"filename":"y.csv"}}`
	both := committed(imported, "2") + committed(otherImport, "1")
	tables := all(t, gather(t, discoveryPack(t), RowsOptions{}, interleaved(withBody(client, imported, flow, "2", bodyOfTwo), withBody(otherClient, otherImport, otherFlow, "1", bodyOfOne))+both))
	if len(tables["data_imports"]) != 2 || len(tables["raw_import_records"]) != 3 {
		t.Fatalf("%v", tables)
	}
	for _, g := range tables["data_imports"] {
		g.check(t, got{"file_size": "?doubt: …", "client_account_id": "?doubt: …"})
	}
	// The only one of two with as many rows is likely it.
	tables["raw_import_records"][0].check(t, got{"data_import_id": imported, "@data_import_id": "15: doubt: several imports were under way; this is the only one of them that has as many rows; …", "client_account_id": "?doubt: …", "row_number": "1"})
	tables["raw_import_records"][2].check(t, got{"data_import_id": otherImport, "row_number": "1", "raw_data": `{"Server Name": "mail"}`})
	// With as many rows in both nothing tells.
	tables = all(t, gather(t, discoveryPack(t), RowsOptions{}, interleaved(withBody(client, imported, flow, "1", bodyOfOne), withBody(otherClient, otherImport, otherFlow, "1", bodyOfOne))+strings.ReplaceAll(both, "with 2", "with 1")))
	if len(tables["raw_import_records"]) != 2 {
		t.Fatalf("%v", tables)
	}
	tables["raw_import_records"][0].check(t, got{"data_import_id": "?doubt: several imports were under way, and the message names none", "client_account_id": "?doubt: …", "raw_data": `{"Server Name": "mail"}`})
	tables = all(t, gather(t, discoveryPack(t), RowsOptions{}, byTrace("t1", withBody(client, imported, flow, "2", bodyOfTwo)+committed(imported, "2"))+byTrace("t2", withBody(otherClient, otherImport, otherFlow, "1", bodyOfOne)+committed(otherImport, "1"))))
	if len(tables["raw_import_records"]) != 3 {
		t.Fatalf("%v", tables)
	}
	tables["raw_import_records"][2].check(t, got{"client_account_id": otherClient, "data_import_id": otherImport, "row_number": "1"})
}

// byTrace puts a trace before each line.
func byTrace(trace, text string) string {
	return trace + "\t" + strings.ReplaceAll(strings.TrimSuffix(text, "\n"), "\n", "\n"+trace+"\t") + "\n"
}

// TestRowsJoinMaskedIDs: an id of which the log has the end is joined with the only one that ends so.
func TestRowsJoinMaskedIDs(t *testing.T) {
	t.Parallel()
	masked := "🔄 POST http://h/api/v1/data-import/store-import | IP: 10.0.0.7 | Agent: x...\n🔍 Extracted - Client: ***55555555, Engagement: ***66666666, User: ***77777777, Flow: None\n"
	rest := strings.SplitAfterN(anImport(client, imported, flow, "5"), "\n", 3)[2] + committed(imported, "5")
	elsewhere := "🔍 Final context: RequestContext(client=" + client + ", engagement=" + engagement + ", user=" + user + ", flow=None)\n"
	another := strings.Replace(elsewhere, "33333333-", "93333333-", 1)
	for name, test := range map[string]struct {
		text string
		want got
	}{
		"nowhere": {masked + rest, got{"client_account_id": `?masked, ends with "55555555"`, "imported_by": `?masked, ends with "77777777"`}},
		"once":    {elsewhere + masked + rest, got{"client_account_id": client, "engagement_id": engagement, "imported_by": user, "@imported_by": "3: masked there; the only id of the log that ends so stands at app.log:1; claim of the pattern \"tenant masked\""}},
		"twice":   {elsewhere + another + masked + rest, got{"client_account_id": client, "imported_by": `?masked, ends with "77777777"`}},
		"beside":  {masked + elsewhere + rest, got{"client_account_id": client, "imported_by": user, "@imported_by": `3: claim of the pattern "tenant"`}},
	} {
		tables := all(t, gather(t, discoveryPack(t), RowsOptions{}, test.text))
		if len(tables["data_imports"]) != 1 {
			t.Fatalf("%s: %v", name, tables)
		}
		tables["data_imports"][0].check(t, test.want)
	}
}

// TestRowsOfAssetsThatAreNot: those that a failure may have taken along, and those that were deleted.
func TestRowsOfAssetsThatAreNot(t *testing.T) {
	t.Parallel()
	text := strings.ReplaceAll(ofAssets, "FLOW", flow) + "❌ Asset service failed to create asset: (x) Key (hostname)=(web) already exists\n"
	rows := gather(t, discoveryPack(t), RowsOptions{}, text)
	if tables := all(t, rows); len(tables["assets"]) != 1 || tables["assets"][0]["name"] != "cache" || len(rows.Report().LeftOut) != 2 {
		t.Errorf("%v, %q", tables, rows.Report().LeftOut)
	}
	deleted := "Deleted Asset with ID C0FFEE00-1234-4567-89ab-cdef01234567\nDeleted User with ID " + user + "\n"
	tables := all(t, gather(t, discoveryPack(t), RowsOptions{Uncommitted: true}, text+deleted))
	if len(tables) != 1 || len(tables["assets"]) != 3 {
		t.Fatalf("%v", tables)
	}
	tables["assets"][0].check(t, got{"name": "web", "operation": "delete"})
	if note := tables["assets"][0]["note"]; !strings.Contains(note, "another asset could not be made afterwards") || !strings.HasSuffix(note, "deleted, as the message at app.log:10 tells") {
		t.Errorf("%q", note)
	}
	tables["assets"][1].check(t, got{"name": "db", "operation": ""})
}

// TestRowsOfAnotherApplication: a pack of one's own makes rows of messages.
func TestRowsOfAnotherApplication(t *testing.T) {
	t.Parallel()
	pack, err := ParsePack("shop.yaml", strings.NewReader(`
pack: shop
patterns:
  - {name: order, match: "Order {id} of {customer} stored, total {total}, paid={paid}", fields: {id: int, customer: word, total: number, paid: word}, proves: record, commit: true}
  - {name: priced, match: "Order {id} priced {total}", fields: {id: int, total: number}, proves: record, commit: true}
  - {name: dropped, match: "Order {id} dropped", fields: {id: int}, proves: record, commit: true}
  - {name: seen, match: "Customer {customer} with {password}", fields: {customer: word, password: word}, proves: record}
tables:
  - table: orders
    of: message
    patterns: [order, priced]
    key: [id]
    columns:
      - {name: id, type: bigint, field: id}
      - {name: customer, field: customer}
      - {name: total, type: double precision, field: total, last: true}
      - {name: paid, type: boolean, field: paid}
      - {name: label, text: "{id}/{customer:2}"}
  - {table: orders, of: message, patterns: [dropped], key: [id], gone: true, columns: [{name: id, type: bigint, field: id}]}
  - {table: public.customers, of: message, patterns: [seen], where: {customer: ann}, columns: [{name: name, field: customer}, {name: login, field: password}]}
`))
	if err != nil {
		t.Fatal(err)
	}
	shape := &evidence.Relation{RelationName: evidence.RelationName{Schema: "shop", Name: "orders"}, Columns: []evidence.Column{{Name: "note"}, {Name: "total"}, {Name: "id"}, {Name: "paid"}}}
	options := RowsOptions{Uncommitted: true, Tables: func(name evidence.RelationName) (*evidence.Relation, bool) { return shape, name.Name == "orders" }}
	text := "Order 007 of ann stored, total 1.50, paid=True\nOrder 8 of bob stored, total 2, paid=perhaps\nOrder 7 priced 3.25\nOrder 8 dropped\nOrder 9 dropped\nCustomer ann with hunter2\nCustomer bob with x\n"
	rows := gather(t, pack, options, text)
	tables := all(t, rows)
	if len(tables["orders"]) != 3 || len(tables["customers"]) != 1 {
		t.Fatalf("%v", tables)
	}
	tables["orders"][0].check(t, got{"id": "7", "total": "3.25", "@total": `3: claim of the pattern "priced"`, "paid": "t", "note": "?no message tells it", "operation": ""})
	tables["orders"][1].check(t, got{"id": "8", "paid": `?"perhaps" is no boolean`, "operation": "delete"})
	tables["orders"][2].check(t, got{"id": "9", "total": "?no message tells it", "operation": "delete"})
	tables["customers"][0].check(t, got{"name": "ann", "login": "?a secret that outputs do not show", "note": "nothing shows that its transaction was committed"})
	if report := rows.Report(); !slices.Equal(report.Lacking, []string{"shop.orders.customer", "shop.orders.label"}) {
		t.Errorf("%+v", report)
	}
}
