package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pgrescue/pgrescue/cmd/internal/exitcode"
	"github.com/pgrescue/pgrescue/importers/discovery"
	"github.com/pgrescue/pgrescue/recover/casefile"
	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/testdata"
)

// The tenant of the test, and the ids that a log tells of its import.
const (
	loggedClient     = "11111111-1111-1111-1111-111111111111"
	loggedEngagement = "22222222-2222-2222-2222-222222222222"
	loggedImport     = "aaaaaaaa-0000-4000-8000-000000000001"
	loggedFlow       = "aaaaaaaa-0000-4000-8000-000000000002"
	loggedAsset      = "aaaaaaaa-0000-4000-8000-000000000003"
	loggedRecord     = "aaaaaaaa-0000-4000-8000-000000000004"
)

// claimIDs puts into a case what a log tells of the import of servers.csv.
func claimIDs(t *testing.T, run *casefile.Run, database string) {
	t.Helper()
	for line, claim := range []struct {
		table  string
		values []string // name, value, ...
	}{
		{"data_imports", []string{"id", loggedImport, "master_flow_id", loggedFlow, "total_records", "3"}},
		{"raw_import_records", []string{"id", loggedRecord, "data_import_id", loggedImport, "row_number", "1", "raw_data", `{"name":"web-1","ip_address":"10.0.0.1"}`}},
		{"discovery_flows", []string{"flow_id", loggedFlow, "data_import_id", loggedImport}},
		{"assets", []string{"id", loggedAsset, "master_flow_id", loggedFlow, "name", "web-1"}},
	} {
		rel := &evidence.Relation{RelationName: evidence.RelationName{Database: database, Schema: "migration", Name: claim.table}}
		row := evidence.Row{Relation: rel, Provenance: evidence.Provenance{
			Route: evidence.RouteLogs, Confidence: evidence.Claimed, Source: "backend.log", Line: int64(line + 10),
		}}
		values := append([]string{"client_account_id", loggedClient, "engagement_id", loggedEngagement}, claim.values...)
		for i := 0; i < len(values); i += 2 {
			rel.Columns = append(rel.Columns, evidence.Column{Name: values[i], Key: values[i] == "id"})
			row.Values = append(row.Values, evidence.Value{Text: []byte(values[i+1])})
		}
		table, err := run.Table(casefile.Table{Relation: rel})
		if err != nil {
			t.Fatal(err)
		}
		if err := table.Put(&row); err != nil {
			t.Fatal(err)
		}
	}
}

// inCase runs f in a run of a case.
func inCase(t *testing.T, kase string, f func(*recorder)) {
	t.Helper()
	c, err := casefile.Open(t.Context(), kase, casefile.Create, casefile.Options{})
	if err != nil {
		t.Fatal(err)
	}
	run, err := c.Begin(t.Context(), casefile.Command{Name: "logs rebuild"})
	if err != nil {
		t.Fatal(err)
	}
	f(&recorder{file: c, run: run, trail: new(evidence.Trail)})
	if err := run.Commit(0); err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
}

// importedTexts is every value of the imported rows of a case, and how many there are.
func importedTexts(t *testing.T, kase string) (texts string, rows int) {
	t.Helper()
	c, err := casefile.Open(t.Context(), kase, casefile.Read, casefile.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	relations, err := c.Relations(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for i := range relations {
		err := c.Rows(t.Context(), relations[i].ID, evidence.RouteImport, func(row *evidence.Row) error {
			rows++
			for i := range row.Values {
				b.Write(row.Values[i].Text)
				b.WriteByte('\n')
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return b.String(), rows
}

// TestImportsHaveTheIDsOfLogs: whichever comes first, the imported rows of a case end with the ids that logs tell.
func TestImportsHaveTheIDsOfLogs(t *testing.T) {
	t.Parallel()
	truth, err := testdata.ReadTruth()
	if err != nil {
		t.Fatal(err)
	}
	data, err := unpackIncident(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	catalog, source := filepath.Join(folder, "catalog.json"), filepath.Join(folder, "servers.csv")
	if err := os.WriteFile(source, []byte("name,ip_address\nweb-1,10.0.0.1\nweb-2,10.0.0.2\ndb-1,10.0.0.3\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, _, stderr := execute(t.Context(), "catalog", "dump", "--pgdata", data, "-o", catalog); code != exitcode.Done {
		t.Fatalf("code %d\n%s", code, stderr)
	}
	imported := func(kase string) {
		t.Helper()
		code, _, stderr := execute(t.Context(), "import", source, "--as-mapped", "--catalog", catalog, "--database", truth.Database,
			"--client-account", loggedClient, "--engagement", loggedEngagement, "--case", kase)
		if code != exitcode.Done {
			t.Fatalf("code %d\n%s", code, stderr)
		}
	}
	give := func(r *recorder) []discovery.LoggedImport {
		t.Helper()
		matches, err := r.loggedIDs(context.Background(), nil)
		if err != nil {
			t.Fatal(err)
		}
		return matches
	}
	told := func(kase string, want bool) (texts string, rows int) {
		t.Helper()
		texts, rows = importedTexts(t, kase)
		for _, id := range []string{loggedImport, loggedFlow, loggedAsset, loggedRecord, "Discovery Flow " + loggedFlow[:8] + "\n"} {
			if strings.Contains(texts, id) != want {
				t.Errorf("%s is in the imported rows of %s: %v", id, kase, !want)
			}
		}
		if code, _, stderr := execute(t.Context(), "case", "verify", "--case", kase); code != exitcode.Done {
			t.Errorf("case verify: code %d\n%s", code, stderr)
		}
		return texts, rows
	}

	logsFirst := filepath.Join(folder, "logs-first")
	inCase(t, logsFirst, func(r *recorder) { claimIDs(t, r.run, truth.Database) })
	imported(logsFirst)
	_, want := told(logsFirst, true)
	inCase(t, logsFirst, func(r *recorder) {
		if matches := give(r); len(matches) != 0 {
			t.Errorf("no id is made, and %+v", matches)
		}
	})

	importFirst := filepath.Join(folder, "import-first")
	imported(importFirst)
	texts, _ := told(importFirst, false)
	inCase(t, importFirst, func(r *recorder) {
		claimIDs(t, r.run, truth.Database)
		matches := give(r)
		if len(matches) != 1 || matches[0].Logged.String() != loggedImport || matches[0].Filename != "servers.csv" || matches[0].By != "the number of records and the header" {
			t.Fatalf("%+v", matches)
		}
		if strings.Count(texts, matches[0].Made.String()) < 5 || matches[0].IDs != 4 {
			t.Errorf("%+v, in\n%s", matches, texts)
		}
		texts = matches[0].Made.String()
	})
	after, rows := told(importFirst, true)
	if rows != want || strings.Contains(after, texts) {
		t.Errorf("%d rows, want %d; the made id is there: %v", rows, want, strings.Contains(after, texts))
	}

	// The import once more finds the same rows, and takes nothing back.
	imported(importFirst)
	if again, rows := told(importFirst, true); rows != want || strings.Contains(again, texts) {
		t.Errorf("imported again: %d rows, want %d; the made id is there: %v", rows, want, strings.Contains(again, texts))
	}
}
