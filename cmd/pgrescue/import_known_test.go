package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pgrescue/pgrescue/cmd/internal/exitcode"
	"github.com/pgrescue/pgrescue/importers/discovery"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster/clustertest"
)

// TestImportIDsOfCase: rows that were deleted, all of them, are in the case by undelete. An import with the case
// gives back the application's ids, which nothing in the database tells any more.
func TestImportIDsOfCase(t *testing.T) {
	t.Parallel()
	s := newImportScene(t, "15")
	path := s.source("enterprise-cmdb-data__quoted_commas.csv")
	clustertest.Exec(t, s.c, s.database, "CHECKPOINT")
	s.apply(exitcode.Done, "--as-mapped", path)
	s.asApplication()
	before := s.state()
	tables := discovery.Names()[3:]
	script, err := s.c.Session(t.Context(), s.database)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = script.Close(t.Context()) }()
	var deletes []string
	for _, table := range tables {
		deletes = append(deletes, table+" AS (DELETE FROM migration."+table+" RETURNING 1)")
	}
	if err := script.Exec(t.Context(), "SET session_replication_role = replica"); err != nil {
		t.Fatal(err)
	}
	xid, err := script.Value(t.Context(), "WITH "+strings.Join(deletes, ", ")+" SELECT pg_current_xact_id()::text FROM assets LIMIT 1")
	if err != nil {
		t.Fatal(err)
	}
	clustertest.Exec(t, s.c, s.database, "CHECKPOINT")

	folder := filepath.Join(t.TempDir(), "case")
	data := clustertest.Snapshot(t, s.c)
	s.exec(exitcode.Done, "undelete", "--case", folder, "--pgdata", data, "--database", s.database, "--xid", xid)
	line := append(s.tenant(), "--case", folder, "--as-mapped", path, "--apply", "--confirm", s.database)
	out, _ := s.exec(exitcode.Done, line...)
	if !out.Files[0].Known {
		t.Error("the ids are not known")
	}
	s.is("with the case's ids", s.state(), before)

	// Without the case the ids are others, and the relations the same.
	for _, table := range tables {
		s.loses("DELETE FROM migration." + table)
	}
	s.apply(exitcode.Done, "--as-mapped", path)
	after := s.state()
	for _, table := range tables {
		if after[table] == before[table] || strings.Count(after[table], "\n") != strings.Count(before[table], "\n") {
			t.Errorf("without the case %s is\n%.500s\nand was\n%.500s", table, after[table], before[table])
		}
	}
}

// TestImportDecemberRefuses: a later schema has checks that a value of October does not pass. The row is refused and
// told, its raw record is kept, and the value is not changed.
func TestImportDecemberRefuses(t *testing.T) {
	t.Parallel()
	s := newImportScene(t, "15")
	s.december()
	path := s.source("e2e-test-data.csv")
	out, _ := s.apply(exitcode.Findings, "--as-mapped", path)
	if n := s.rows("assets"); n != "17" {
		t.Errorf("%s assets, want 17: no environment is called Testing", n)
	}
	if n := s.rows("raw_import_records"); n != "18" {
		t.Errorf("%s raw records, want 18", n)
	}
	file := out.Files[0]
	if len(file.Reasons) != 1 || !strings.Contains(file.Reasons[0].Reason, "chk_assets_environment") || file.First[0].Line != 18 {
		t.Errorf("the reasons are %+v, and the first %+v", file.Reasons, file.First)
	}
	// The person changes the file, and the rest goes in.
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	changed := s.file("e2e-test-data.csv", strings.ReplaceAll(string(text), ",Testing,", ",Test,"))
	_, errs := s.apply(exitcode.Refused, "--as-mapped", changed)
	if !strings.Contains(errs, "another size") {
		t.Errorf("the changed file: %s", errs)
	}
	id := clustertest.Value(t, s.c, s.database, "SELECT id FROM migration.data_imports")
	out, _ = s.apply(exitcode.Findings, "--as-mapped", changed, "--import-id", id) // the raw record is different
	if n := s.rows("assets"); n != "18" {
		t.Errorf("%s assets, want 18", n)
	}
	if total := sums(out); total.New != 1 || total.Different == 0 {
		t.Errorf("the changed file: %+v", total)
	}

	// What the application hides is left as it is, and told.
	clustertest.Exec(t, s.c, s.database, "UPDATE migration.assets SET deleted_at = now() WHERE name = 'prod-web-01'")
	before := s.versions()
	out, _ = s.apply(exitcode.Findings, "--as-mapped", changed, "--import-id", id)
	s.is("with an asset that is hidden", s.versions(), before)
	if notes := strings.Join(out.Files[0].Notes, "; "); !strings.Contains(notes, "1 of the tenant's assets there are hidden") {
		t.Errorf("the notes are %s", notes)
	}
}
