package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pgrescue/pgrescue/cmd/internal/exitcode"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster/clustertest"
)

// checked runs profile check on the scene's database.
func (s *importScene) checked(code exitcode.Code, args ...string) (result profileCheckResult) {
	s.t.Helper()
	line := append([]string{"import", "profile", "check", "--json", "--no-case", "--dsn", s.dsn}, args...)
	got, stdout, stderr := execute(s.t.Context(), line...)
	if got != code {
		s.t.Fatalf("pgrescue %s: code %d (%s), want %d\n%s%s", strings.Join(line, " "), got, got, code, stdout, stderr)
	}
	if err := json.Unmarshal([]byte(stdout), &result); err != nil {
		s.t.Fatal(err)
	}
	return result
}

// TestDiscoveryProfileFitsBothSchemas: nothing is wrong with the profile for the tables of October and of December,
// and no record of the files that are whole is refused by their types.
func TestDiscoveryProfileFitsBothSchemas(t *testing.T) {
	t.Parallel()
	s := newImportScene(t, "15")
	var files []string
	for _, name := range []string{
		"e2e-test-data.csv", "enterprise-cmdb-data__quoted_commas.csv", "first_discovery_data.csv", "second_discovery_data.csv", "servers-cmdb.csv", "validation_session_23rows.json",
	} {
		files = append(files, s.source(name))
	}
	for _, date := range []string{"October", "December"} {
		if date == "December" {
			s.december()
		}
		result := s.checked(exitcode.Done, append([]string{"discovery"}, files...)...)
		if !result.Compared || len(result.Problems) > 0 {
			t.Errorf("%s: %+v", date, result.Problems)
		}
		records := int64(0)
		for _, f := range result.Files {
			records += f.Records
			for _, c := range f.Columns {
				if c.Header == "business_unit" && c.Column != map[string]string{"October": "department", "December": "business_unit"}[date] {
					t.Errorf("%s: business_unit goes to %s", date, c.Column)
				}
			}
		}
		if records != 18+20+8+8+15+23 {
			t.Errorf("%s: %d records were read", date, records)
		}
	}
}

// TestProfileNew writes a profile for a table of one's own, takes the mark before a suggestion away, and imports by it.
func TestProfileNew(t *testing.T) {
	t.Parallel()
	s := newImportScene(t, "15")
	clustertest.Exec(t, s.c, s.database, "CREATE SCHEMA shop",
		`CREATE TABLE shop.host (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, host_name varchar(10) NOT NULL UNIQUE, seen timestamptz, ram numeric(6,2), shout text GENERATED ALWAYS AS (upper(host_name)) STORED)`)
	path := s.file("hosts.csv", "Host-Name,first seen,RAM,Color\nweb1,2024-01-15 10:00,16,red\nweb2,2024-01-16T10:00:00+02:00,8.5,\na name too long,2024-01-17,4,\nweb4,01/02/2024,4,\n")
	output := filepath.Join(t.TempDir(), "host.yaml")
	line := []string{"import", "profile", "new", "--no-case", "--dsn", s.dsn, "--table", "shop.host", path, "-o", output}
	if code, stdout, stderr := execute(t.Context(), line...); code != exitcode.Done || !strings.Contains(stdout, "Host-Name   host_name  exact") {
		t.Fatalf("code %d\n%s%s", code, stdout, stderr)
	}
	text, err := os.ReadFile(output)
	if err != nil {
		t.Fatal(err)
	}
	_, body, _ := strings.Cut(string(text), "\n") // the first line names the source's path
	want := `profile: host
table: shop.host
nulls: [""]
keep_quoted: true
keys:
  - [id]
  - [host_name]
columns:
  id: # integer, NOT NULL, identity
  host_name: # character varying(10), NOT NULL
  seen: # timestamp with time zone
  ram: # numeric(6,2)
  # shout is generated
# no column for the header "first seen"
# no column for the header "Color"
`
	if body != want {
		t.Errorf("%s\nwant\n%s", body, want)
	}
	if code, _, stderr := execute(t.Context(), line...); code != exitcode.Refused {
		t.Errorf("the file was replaced: code %d\n%s", code, stderr)
	}
	edited := strings.Replace(string(text), "  seen:", "  seen:\n    synonyms: [first seen]\n    convert: timestamp", 1)
	if err := os.WriteFile(output, []byte(edited), 0o600); err != nil {
		t.Fatal(err)
	}
	result := s.checked(exitcode.Findings, output, path)
	if f := result.Files[0]; f.Rejected != 2 || f.First[0].Line != 4 || !strings.Contains(f.First[0].Reason, "15 characters") || f.First[1].Column != "seen" || !strings.Contains(f.First[1].Reason, "which is the day") {
		t.Errorf("%+v", f)
	}
	s.exec(exitcode.Findings, "import", "--no-case", "--dsn", s.dsn, "--pages-not-needed", "--table", "shop.host", "--profile", output, path, "--apply", "--confirm", s.database)
	got := clustertest.CopyOut(t, s.c, s.database, "SELECT host_name, seen AT TIME ZONE 'UTC', ram FROM shop.host ORDER BY 1")
	if want := "web1\t2024-01-15 10:00:00\t16.00\nweb2\t2024-01-16 08:00:00\t8.50\n"; got != want {
		t.Errorf("the table is\n%swant\n%s", got, want)
	}
	if code, _, stderr := execute(t.Context(), "import", "profile", "check", "--dsn", s.dsn, "--table", "shop.nowhere", output); code != exitcode.NotFound {
		t.Errorf("code %d\n%s", code, stderr)
	}
}
