package main

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/pgrescue/pgrescue/cmd/internal/exitcode"
	"github.com/pgrescue/pgrescue/recover/casefile"
	"github.com/pgrescue/pgrescue/recover/evidence"
)

// TestCaseShowsWhatLogsCount has logs that tell of more rows than the case holds.
func TestCaseShowsWhatLogsCount(t *testing.T) {
	t.Parallel()
	kase := filepath.Join(t.TempDir(), "case")
	c, err := casefile.Open(t.Context(), kase, casefile.Create, casefile.Options{})
	if err != nil {
		t.Fatal(err)
	}
	run, err := c.Begin(t.Context(), casefile.Command{Name: "logs rebuild"})
	if err != nil {
		t.Fatal(err)
	}
	rel := &evidence.Relation{
		RelationName: evidence.RelationName{Database: "app", Schema: "migration", Name: "raw_import_records"},
		Columns:      []evidence.Column{{Name: "id", Type: "uuid", Key: true}, {Name: "data_import_id"}, {Name: "raw_data"}},
	}
	table, err := run.Table(casefile.Table{Relation: rel})
	if err != nil {
		t.Fatal(err)
	}
	for _, values := range [][3]string{{"r1", "import-1", "{}"}, {"r2", "import-1", "{}"}, {"r3", "import-9", "{}"}} {
		row := evidence.Row{Relation: rel, Provenance: evidence.Provenance{Route: evidence.RouteImport, Confidence: evidence.Derived, Source: "a.csv"}}
		for _, value := range values {
			row.Values = append(row.Values, evidence.Value{Text: []byte(value)})
		}
		if err := table.Put(&row); err != nil {
			t.Fatal(err)
		}
	}
	for line, rows := range map[int64]int64{14: 37, 90: 36} {
		if err := run.Count(casefile.Count{Relation: rel.RelationName, What: "import-1", Rows: rows, Source: "backend.log", Line: line}); err != nil {
			t.Fatal(err)
		}
	}
	if err := run.Commit(0); err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	code, stdout, stderr := execute(t.Context(), "case", "show", "--case", kase)
	if code != exitcode.Done {
		t.Fatalf("code %d\n%s", code, stderr)
	}
	shown := strings.Join(strings.Fields(stdout), " ")
	for _, want := range []string{
		"What logs count TABLE LOGS SAY THE CASE HOLDS NOT BROUGHT BACK NOTE migration.raw_import_records 37 2 35",
		"of import-1, lines say 37 (backend.log:14) and 36 (backend.log:90)", "1 row more in the case, which these counts do not name",
	} {
		if !strings.Contains(shown, want) {
			t.Errorf("%q is not in\n%s", want, stdout)
		}
	}
	logged := showCase(t, kase).Tables[0].Logged
	if logged == nil || logged.Rows != 37 || logged.Held != 2 || logged.Missing != 35 || logged.Others != 1 || len(logged.Of) != 1 || len(logged.Of[0].Counts) != 2 {
		t.Errorf("--json: %+v", logged)
	}
}
