package csvfile_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/pgrescue/pgrescue/importers"
	"github.com/pgrescue/pgrescue/importers/csvfile"
)

const sources = "../../testdata/sources"

// TestSources reads the real files in both ways. The numbers were counted by hand, or with wc and grep.
func TestSources(t *testing.T) {
	t.Parallel()
	found, skipped, err := importers.Find(t.Context(), importers.FindOptions{Paths: []string{sources}})
	if err != nil || len(skipped) != 0 || len(found) != 7 {
		t.Fatalf("%d sources, skipped %v, error %v", len(found), skipped, err)
	}
	want := map[string]struct {
		columns, records, rejects, asApp, dropped int
		first                                     string // the record of line 2, strictly
	}{
		"e2e-test-data.csv":                       {15, 18, 0, 18, 0, "prod-web-01.demo-corp.com"},
		"enterprise-cmdb-data__quoted_commas.csv": {13, 20, 0, 20, 13, "|DB001,LB001|Primary web server"},
		"first_discovery_data.csv":                {7, 8, 0, 8, 0, "web-server-01|192.168.1.10|Ubuntu 20.04 LTS|john.doe@company.com|running|datacenter-1|production"},
		"second_discovery_data.csv":               {7, 8, 0, 8, 0, "api-server-01|10.0.1.50|"},
		"servers-cmdb.csv":                        {13, 15, 0, 15, 0, "WEB-PROD-01|10.1.1.10|Linux|Ubuntu 20.04|8|32|500|"},
		"test-invalid-cmdb-data__ragged.csv":      {3, 0, 3, 3, 1, ""},
	}
	for _, src := range found {
		if src.Name == "validation_session_23rows.json" {
			if src.Format != importers.FormatJSON {
				t.Errorf("%s is said to be %s", src.Name, src.Format)
			}
			continue
		}
		w, ok := want[src.Name]
		if !ok || src.Format != importers.FormatCSV {
			t.Errorf("%s is said to be %s", src.Name, src.Format)
			continue
		}
		strict := look(t, src, csvfile.Options{})
		if len(strict.header) != w.columns || len(strict.records) != w.records || len(strict.rejects) != w.rejects || len(strict.gaps) != 0 || len(strict.notes) != 0 {
			t.Errorf("%s: %d columns, %d records, rejects %q, gaps %q, notes %q", src.Name, len(strict.header), len(strict.records), strict.rejects, strict.gaps, strict.notes)
		}
		if w.first != "" && (!strings.HasPrefix(strict.records[0], "2@") || !strings.Contains(strict.records[0], w.first)) {
			t.Errorf("%s: the first record is %q", src.Name, strict.records[0])
		}
		app := look(t, src, csvfile.Options{AsApp: true})
		if len(app.header) != w.columns || len(app.records) != w.asApp || len(app.remarks) != w.dropped || len(app.rejects) != 0 {
			t.Errorf("%s as app: %d columns, %d records, %d with more values, rejects %q", src.Name, len(app.header), len(app.records), len(app.remarks), app.rejects)
		}
		if w.dropped == 0 && w.rejects == 0 && !slices.Equal(app.records, strict.records) {
			t.Errorf("%s has no quotes and is read differently as the application read it", src.Name)
		}
	}
}

// TestQuotedCommas looks at what the application made of a quoted list: the columns behind it are shifted.
func TestQuotedCommas(t *testing.T) {
	t.Parallel()
	src := &importers.Source{Path: filepath.Join(sources, "enterprise-cmdb-data__quoted_commas.csv"), Name: "x.csv", Format: importers.FormatCSV}
	const line = `2@133 SRV001|Web Server 1|Server|10.1.1.10|Ubuntu 20.04 LTS|Production|High|John Smith|IT|DataCenter-A|`
	if got := look(t, src, csvfile.Options{}).records[0]; got != line+"DB001,LB001|Primary web server handling customer traffic|2024-01-15" {
		t.Errorf("strictly: %s", got)
	}
	if got := look(t, src, csvfile.Options{AsApp: true}).records[0]; got != line+"DB001|LB001|Primary web server handling customer traffic" {
		t.Errorf("as the application: %s", got)
	}
}

// TestRejectsComeBack repairs a file of rejects, and reads it again.
func TestRejectsComeBack(t *testing.T) {
	t.Parallel()
	src := source(t, "title\n\n\"first; name\";b;c\n1;2;3\n\"x\ny\";2\n4;\"5\"6;7\n")
	list, err := csvfile.Open(t.Context(), src, csvfile.Options{Header: 3})
	if err != nil {
		t.Fatal(err)
	}
	w := importers.NewRejectWriter(filepath.Join(t.TempDir(), "source"), list.Head())
	for _, err := range list.Records(t.Context(), w.Put) {
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(w.Files()[0])
	if err != nil {
		t.Fatal(err)
	}
	if want := "\"first; name\";b;c\n\"x\ny\";2\n4;\"5\"6;7\n"; string(content) != want {
		t.Fatalf("rejects %q, want %q", content, want)
	}
	repaired := strings.NewReplacer("\";2\n", "\";2;3\n", "\"5\"6", "56").Replace(string(content))
	if err := os.WriteFile(w.Files()[0], []byte(repaired), 0o600); err != nil {
		t.Fatal(err)
	}
	again, _, err := importers.Find(t.Context(), importers.FindOptions{Paths: w.Files()[:1]})
	if err != nil || len(again) != 1 {
		t.Fatal(again, err)
	}
	got := look(t, again[0], csvfile.Options{})
	same(t, "records", got.records, []string{"2@18 x\ny|2|3", "4@28 4|56|7"})
	same(t, "rejects", got.rejects, nil)
}
