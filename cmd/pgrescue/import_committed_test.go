package main

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/pgrescue/pgrescue/cmd/internal/exitcode"
	"github.com/pgrescue/pgrescue/importers"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster/clustertest"
)

// meanwhile runs a command line, and something else while it puts the rows in.
func (s *importScene) meanwhile(does func(), line ...string) (exitcode.Code, string) {
	s.t.Helper()
	holder, err := s.c.Session(s.t.Context(), s.database)
	if err != nil {
		s.t.Fatal(err)
	}
	defer holder.Close(context.WithoutCancel(s.t.Context()))
	if err := holder.Exec(s.t.Context(), "BEGIN", "LOCK TABLE migration.assets IN SHARE MODE"); err != nil {
		s.t.Fatal(err)
	}
	type result struct {
		code exitcode.Code
		text string
	}
	ended := make(chan result, 1)
	go func() {
		code, stdout, stderr := execute(s.t.Context(), line...)
		ended <- result{code, stdout + stderr}
	}()
	for waiting := "0"; waiting == "0"; {
		waiting = clustertest.Value(s.t, s.c, "postgres", "SELECT count(*) FROM pg_locks WHERE NOT granted")
	}
	does()
	if err := holder.Exec(s.t.Context(), "ROLLBACK"); err != nil {
		s.t.Fatal(err)
	}
	got := <-ended
	return got.code, got.text
}

// names lists what lies in a folder.
func names(t *testing.T, folder string) []string {
	t.Helper()
	list, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, entry := range list {
		names = append(names, entry.Name())
	}
	return names
}

// TestImportTellsWhatWasCommitted: rows that are in the target are told, whatever becomes of the files
// that tell of them too: a receipt whose name somebody took meanwhile gets another one.
func TestImportTellsWhatWasCommitted(t *testing.T) {
	t.Parallel()
	s := newImportScene(t, "15")
	path := s.source("e2e-test-data.csv")
	taken := path + receiptSuffix
	line := append(s.tenant(), "--no-case", "--as-mapped", "--apply", "--confirm", s.database, path)
	code, text := s.meanwhile(func() {
		if err := os.WriteFile(taken, []byte("another's"), 0o600); err != nil {
			t.Error(err)
		}
	}, line...)
	if code != exitcode.Done || !strings.Contains(text, "put in, as mapped") || s.rows("assets") != "18" {
		t.Fatalf("a receipt that appeared: code %d (%s), %s assets\n%s", code, code, s.rows("assets"), text)
	}
	if other, err := os.ReadFile(taken); err != nil || string(other) != "another's" {
		t.Errorf("the receipt that appeared is %q now (%v)", other, err)
	}
	id := clustertest.Value(t, s.c, s.database, "SELECT id FROM migration.data_imports")
	own := path + "." + id[:8] + receiptSuffix
	receipt, err := importers.ReadReceipt(own)
	if err != nil || receipt.IDs["import"] != id || receipt.Outcome != importers.OutcomeApplied {
		t.Errorf("the receipt is %+v (%v)", receipt, err)
	}
	for _, says := range []string{"warning: ", "Receipt: " + own, taken + " is there"} {
		if !strings.Contains(text, says) {
			t.Errorf("it does not say %q:\n%s", says, text)
		}
	}
	if left := names(t, filepath.Dir(path)); len(left) != 3 {
		t.Errorf("beside the source lie %q", left)
	}

	// The folders of receipts and rejects are gone: what was put in is told, and what is missing.
	second := s.file("second.csv", "Name,IP Address\nweb-1,10.7.0.1\nweb-2,10.7.0.1\n")
	gone := filepath.Join(t.TempDir(), "gone")
	if err := os.Mkdir(gone, 0o700); err != nil {
		t.Fatal(err)
	}
	code, text = s.meanwhile(func() {
		if err := os.RemoveAll(gone); err != nil {
			t.Error(err)
		}
	}, append(slices.Clone(line[:len(line)-1]), second, "--receipt", gone+"/r.json", "--rejects", gone)...)
	if code != exitcode.Findings || !strings.Contains(text, "put in, as mapped") || strings.Contains(text, "Receipt: ") || s.rows("assets") != "19" {
		t.Errorf("without folders: code %d (%s), %s assets\n%s", code, code, s.rows("assets"), text)
	}
	for _, says := range []string{"warning: write " + gone + "/r.json", "warning: importers: write rejects"} {
		if !strings.Contains(text, says) {
			t.Errorf("it does not say %q:\n%s", says, text)
		}
	}
}

// TestImportRefusedLeavesNothing: an import that is refused leaves no file of rejects.
func TestImportRefusedLeavesNothing(t *testing.T) {
	t.Parallel()
	s := newImportScene(t, "15")
	clustertest.Exec(t, s.c, s.database,
		"CREATE ROLE looker LOGIN", "GRANT USAGE ON SCHEMA migration TO looker", "GRANT SELECT ON ALL TABLES IN SCHEMA migration TO looker")
	path := s.file("servers.csv", "Name,CPU Cores\nweb-1,4\nweb-2\nweb-3,many\n")
	line := append(s.tenant(), "--no-case", "--as-mapped", path, "--apply", "--confirm", s.database)
	line[2] = strings.ReplaceAll(s.dsn, cluster.Superuser, "looker")
	s.exec(exitcode.Permission, line...)
	if left := names(t, filepath.Dir(path)); len(left) != 1 {
		t.Errorf("beside the source lie %q", left)
	}
	s.exec(exitcode.Findings, append(append(s.tenant(), "--no-case", "--as-mapped", path), "--apply", "--confirm", s.database)...)
	if left := names(t, filepath.Dir(path)); len(left) != 4 {
		t.Errorf("after an import, beside the source lie %q", left)
	}
}

// TestImportWithEmptyFile: a file that holds nothing has its own exit code, and what became of the others is said.
func TestImportWithEmptyFile(t *testing.T) {
	t.Parallel()
	s := newImportScene(t, "15")
	folder := t.TempDir()
	for name, text := range map[string]string{"a.csv": "Name,IP Address\n", "b.csv": "Name,IP Address\nweb-1,10.0.0.1\n"} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, test := range []struct {
		says string
		line []string
	}{
		{"the other files can be imported", []string{"--no-case"}},
		{"the rows of the other files are in the target", []string{"--no-case", "--apply", "--confirm", s.database}},
		{"the rows of the other files are in the case", []string{"--case", filepath.Join(t.TempDir(), "case")}},
	} {
		_, errs := s.exec(exitcode.Insufficient, append(append(s.tenant(), "--as-mapped", folder), test.line...)...)
		if !strings.Contains(errs, test.says) || !strings.Contains(errs, "a.csv") {
			t.Errorf("it does not say %q: %s", test.says, errs)
		}
	}
	if n := s.rows("assets"); n != "1" {
		t.Errorf("%s assets", n)
	}
	_, errs := s.run(exitcode.Insufficient, "--as-mapped", filepath.Join(folder, "a.csv"))
	if strings.Contains(errs, "other files") {
		t.Errorf("there are no other files: %s", errs)
	}
}

// TestImportDamagedReceipt: an id of a receipt that is none is refused, with a hint, and no other is made.
func TestImportDamagedReceipt(t *testing.T) {
	t.Parallel()
	s := newImportScene(t, "15")
	path := s.source("e2e-test-data.csv")
	s.apply(exitcode.Done, "--as-mapped", path)
	text, err := os.ReadFile(path + receiptSuffix)
	if err != nil {
		t.Fatal(err)
	}
	id := clustertest.Value(t, s.c, s.database, "SELECT id FROM migration.data_imports")
	flow := clustertest.Value(t, s.c, s.database, "SELECT flow_id FROM migration.discovery_flows")
	for what, bad := range map[string]string{
		"import": strings.ReplaceAll(string(text), id, id[1:]),
		"flow":   strings.ReplaceAll(string(text), `"flow": "`+flow, `"flow": "x`+flow[1:]),
		"client": strings.ReplaceAll(string(text), sceneClient, "x"+sceneClient[1:]),
		"row":    strings.Replace(string(text), `"records"`, `"known": {"assets": {"web": "x"}}, "records"`, 1),
	} {
		_, errs := s.exec(exitcode.Usage, "import", "--no-case", "--dsn", s.dsn, "--pages-not-needed", "--from-receipt", s.file("r.json", bad), path)
		if !strings.Contains(errs, `"hint":`) || !strings.Contains(errs, "UUID") {
			t.Errorf("%s: %s", what, errs)
		}
	}
}
