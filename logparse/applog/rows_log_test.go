package applog

import (
	"context"
	"fmt"
	"strings"
	"testing"
)

// asBasic writes messages as the application's version of July did, without times.
func asBasic(messages []string) string {
	var text strings.Builder
	for _, message := range messages {
		fmt.Fprintf(&text, "INFO:app.services.data_import:%s\n", message)
	}
	return text.String()
}

// fromLog reads the bytes of a log as rows.
func fromLog(t *testing.T, text string, options RowsOptions) *Rows {
	t.Helper()
	source := recognised(t, text, Detector{})
	pack := discoveryPack(t)
	rows := NewRows(pack, options)
	var match Match
	for entry, err := range source.Entries(context.Background()) {
		if err != nil {
			t.Fatal(err)
		}
		if pack.Match(entry, &match) {
			rows.Add(entry, &match)
		}
	}
	return rows
}

// TestRowsFromTheBytesOfLogs: the same rows from the application's three formats, with what else stands in such logs.
func TestRowsFromTheBytesOfLogs(t *testing.T) {
	t.Parallel()
	messages := strings.Split(strings.TrimSpace(anImport(client, imported, flow, "2")+committed(imported, "2")), "\n")
	messages = append(messages,
		"🔥🔥🔥 CREWAI DISCOVERY FLOW INITIALIZATION - FLOW ID: "+flow+" 🔥🔥🔥",
		"🔍 DEBUG: First record sample: {'Server Name': 'web', 'Größe': 'é'}",
		"🔍 DEBUG: Parsed JSON: "+strings.ReplaceAll(prettyOfTwo, `\n`, "\n"),
		"Extracted mapping: Server Name -> hostname",
	)
	messages = append(messages, strings.Split(strings.TrimSpace(strings.ReplaceAll(ofAssets, "FLOW", flow)), "\n")...)
	for name, text := range map[string]string{"text": asText(t, messages), "JSON": asJSON(messages), "basic": asBasic(messages)} {
		rows := fromLog(t, text, RowsOptions{})
		tables := allOf(t, rows)
		if len(tables["data_imports"]) != 1 || len(tables["raw_import_records"]) != 2 || len(tables["assets"]) != 3 || len(tables["discovery_flows"]) != 1 || len(tables["import_field_mappings"]) != 1 {
			t.Errorf("%s: %v", name, tables)
			continue
		}
		tables["data_imports"][0].check(t, got{"id": imported, "client_account_id": client, "imported_by": user, "total_records": "2", "file_size": "2048"})
		tables["raw_import_records"][0].check(t, got{"raw_data": `{"Server Name": "web", "Gr\u00f6\u00dfe": "\u00e9"}`, "row_number": "1", "data_import_id": imported, "note": ""})
		tables["raw_import_records"][1].check(t, got{"raw_data": `{"Server Name": "d}b", "n": 1.5}`, "row_number": "2"})
		tables["assets"][0].check(t, got{"name": "web", "client_account_id": client, "master_flow_id": flow})
		if counts := rows.Counts(); len(counts) != 1 || counts[0].Rows != 2 || counts[0].What != imported {
			t.Errorf("%s: %+v", name, counts)
		}
	}
}

// TestRowsWithAContext: where each line has the tenant, an asset of no import that the log tells has it too.
func TestRowsWithAContext(t *testing.T) {
	t.Parallel()
	tables := allOf(t, fromLog(t, asJSON([]string{"Created Asset with ID " + asset, "✅ Asset created via service: web (ID: " + asset + ")"}), RowsOptions{}))
	if len(tables["assets"]) != 1 {
		t.Fatalf("%v", tables)
	}
	tables["assets"][0].check(t, got{"id": asset, "name": "web", "client_account_id": client, "engagement_id": "?no message tells it"})
}

// TestRowsOfTwoCopies: a log that is read twice, as a file and as a transport kept it, tells of nothing twice.
func TestRowsOfTwoCopies(t *testing.T) {
	t.Parallel()
	text := strings.Replace(anImport(client, imported, flow, "2"), "🔄 Starting", "🔍 DEBUG: Raw request body: "+bodyOfTwo+"\n🔄 Starting", 1) +
		committed(imported, "2") + strings.ReplaceAll(ofAssets, "FLOW", flow)
	rows := gather(t, discoveryPack(t), RowsOptions{Uncommitted: true}, text)
	once := all(t, rows)
	rows = gather(t, discoveryPack(t), RowsOptions{Uncommitted: true}, text)
	readInto(rows, "copy.log", text)
	twice := all(t, rows)
	for name, list := range once {
		if len(twice[name]) != len(list) {
			t.Errorf("%d rows of %s, want %d", len(twice[name]), name, len(list))
		}
	}
	if left, counts := rows.Report().LeftOut, rows.Counts(); len(left) != 0 || len(counts) != 1 {
		t.Errorf("%q, %+v", left, counts)
	}
}

// TestRowsOfAStray: a row whose import the log does not show is given as such, when it is asked for.
func TestRowsOfAStray(t *testing.T) {
	t.Parallel()
	text := "🔥🔥🔥 CREWAI DISCOVERY FLOW INITIALIZATION - FLOW ID: " + flow + " 🔥🔥🔥\n🔍 DEBUG: First record sample: {'Server Name': 'web'}\n"
	rows := gather(t, discoveryPack(t), RowsOptions{}, text)
	if tables := all(t, rows); len(tables) != 0 || len(rows.Report().LeftOut) != 1 {
		t.Errorf("%v, %q", tables, rows.Report().LeftOut)
	}
	tables := all(t, gather(t, discoveryPack(t), RowsOptions{Uncommitted: true}, text))
	if len(tables) != 1 || len(tables["raw_import_records"]) != 1 {
		t.Fatalf("%v", tables)
	}
	tables["raw_import_records"][0].check(t, got{"raw_data": `{"Server Name": "web"}`, "row_number": "1", "data_import_id": "?doubt: the log does not show the import of which the message is", "note": "nothing shows that its transaction was committed"})
}
