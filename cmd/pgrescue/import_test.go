package main

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/pgrescue/pgrescue/cmd/internal/exitcode"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster/clustertest"
)

// TestImportTwice: a preview changes nothing and says what apply then does; a second apply does
// nothing; rows that were deleted come back alone.
func TestImportTwice(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		december bool
		store    string
		files    []string
		records  string
	}{
		{false, "--as-mapped", []string{"servers-cmdb.csv", "second_discovery_data.csv"}, "23"},
		{false, "--as-app", []string{"e2e-test-data.csv", "first_discovery_data.csv"}, "26"},
		{true, "--as-app", []string{"e2e-test-data.csv"}, "18"},
	} {
		t.Run(fmt.Sprint(test.store, test.december), func(t *testing.T) {
			t.Parallel()
			s := newImportScene(t, "15")
			if test.december {
				s.december()
			}
			files := []string{test.store}
			for _, name := range test.files {
				files = append(files, s.source(name))
			}
			empty := s.whole()
			preview, _ := s.run(exitcode.Done, files...)
			s.is("after the preview", s.whole(), empty)
			applied, _ := s.apply(exitcode.Done, files...)
			for i := range applied.Tables {
				if a, p := applied.Tables[i], preview.Tables[i]; a.New != p.New || a.Table != p.Table || a.New == 0 {
					t.Errorf("the preview said %+v, and it became %+v", p, a)
				}
			}
			if n := s.rows("raw_import_records"); n != test.records {
				t.Errorf("%s raw records, want %s", n, test.records)
			}
			before := s.whole()
			again, _ := s.apply(exitcode.Done, files...)
			if total := sums(again); total.New != 0 || total.Different != 0 || total.There+total.Twice != total.Rows || total.Rows == 0 {
				t.Errorf("the second time %+v", again.Tables)
			}
			s.is("after the second time", s.whole(), before)

			clustertest.Exec(t, s.c, s.database, "DELETE FROM migration.assets WHERE name LIKE 'prod%' OR hostname LIKE '%1'", "DELETE FROM migration.import_field_mappings")
			state := s.state()
			if state["assets"] == before["assets"] {
				t.Fatal("nothing was deleted")
			}
			s.apply(exitcode.Done, files...)
			for table, text := range s.state() {
				if lines, want := strings.Count(text, "\n"), strings.Count(before[table], "\n"); lines != want {
					t.Errorf("%s has %d rows again, want %d", table, lines, want)
				}
			}
		})
	}
}

// TestImportThroughCase: the rows that go through a case are those of the direct way, with the
// receipt's choices and ids in another database.
func TestImportThroughCase(t *testing.T) {
	t.Parallel()
	for _, store := range []string{"--as-mapped", "--as-app"} {
		t.Run(store, func(t *testing.T) {
			t.Parallel()
			direct := newImportScene(t, "15")
			other := importSceneOn(t, direct.c, "other")
			path := direct.source("e2e-test-data.csv")
			receipt := filepath.Join(t.TempDir(), "receipt.json")
			direct.apply(exitcode.Done, store, path, "--receipt", receipt)

			folder := filepath.Join(t.TempDir(), "case")
			kept, _ := other.exec(exitcode.Done, "import", "--case", folder, "--from-receipt", receipt, "--dsn", other.dsn, "--pages-not-needed", path)
			if kept.Did != "case" || other.rows("assets") != "0" {
				t.Fatalf("it did %q, and assets has %s rows", kept.Did, other.rows("assets"))
			}
			opposite := map[string]string{"--as-mapped": "--as-app", "--as-app": "--as-mapped"}[store]
			_, errs := other.exec(exitcode.Refused, append(other.tenant(), "--case", folder, opposite, path)...)
			if !strings.Contains(errs, "the case has rows of") {
				t.Errorf("the other way into the same case: %s", errs)
			}
			plan := filepath.Join(folder, "plan.json")
			other.exec(exitcode.Done, "restore", "plan", "--case", folder, "--dsn", other.dsn)
			other.exec(exitcode.Done, "restore", "apply", plan, "--dsn", other.dsn, "--confirm", "other")
			other.exec(exitcode.Done, "restore", "verify", plan, "--dsn", other.dsn)
			other.is("through the case", other.state(), direct.state())
			other.exec(exitcode.Done, "case", "verify", "--case", folder)
			state := other.state()
			other.exec(exitcode.Done, "restore", "undo", plan, "--dsn", other.dsn, "--confirm", "other")
			if n := other.rows("assets"); n != "0" {
				t.Errorf("%s assets after undo", n)
			}
			other.exec(exitcode.Done, "restore", "apply", plan, "--dsn", other.dsn, "--confirm", "other")
			other.is("after undo and apply", other.state(), state)
			again, _ := other.run(exitcode.Done, store, path)
			if total := sums(again); total.New != 0 || total.Different != 0 {
				t.Errorf("after the case, import would still %+v", again.Tables)
			}
		})
	}
}

// TestImportApplyWithCase: the direct way with a case leaves receipt, rejects and the hash of the
// source in it, and no rows; a compressed copy of the source is the same file to the receipt.
func TestImportApplyWithCase(t *testing.T) {
	t.Parallel()
	s := newImportScene(t, "15")
	text := "Name,CPU Cores\nweb-1,4\nweb-2,many\n"
	path, folder := s.file("servers.csv", text), filepath.Join(t.TempDir(), "case")
	out, _ := s.exec(exitcode.Findings, append(s.tenant(), "--case", folder, "--as-mapped", path, "--apply", "--confirm", s.database)...)
	file := out.Files[0]
	if filepath.Dir(file.Receipt) != filepath.Join(folder, receiptsFolder) || len(file.RejectFiles) != 2 || filepath.Dir(file.RejectFiles[0]) != filepath.Dir(file.Receipt) {
		t.Errorf("receipt %s, rejects %v", file.Receipt, file.RejectFiles)
	}
	code, stdout, _ := execute(t.Context(), "case", "show", "--case", folder, "--json")
	if code != exitcode.Done || !strings.Contains(stdout, file.SHA256) || !strings.Contains(stdout, `"events": 1`) || strings.Contains(stdout, `"import": 1`) {
		t.Errorf("case show: %s\n%s", code, stdout)
	}
	before := s.state()
	clustertest.Exec(t, s.c, s.database, "TRUNCATE migration.data_imports, migration.crewai_flow_state_extensions, migration.assets CASCADE")
	var packed bytes.Buffer
	writer := gzip.NewWriter(&packed)
	if _, err := writer.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := writer.Close(); err != nil {
		t.Fatal(err)
	}
	copied := s.file("old.csv.gz", packed.String())
	s.exec(exitcode.Findings, "import", "--no-case", "--dsn", s.dsn, "--pages-not-needed", "--apply", "--confirm", s.database, "--from-receipt", file.Receipt, copied)
	s.is("from the compressed copy", s.state(), before)
}

// TestImportFromReceipt: after everything is gone, the receipt brings back the same rows under
// the same ids, from a copy of the file under another name.
func TestImportFromReceipt(t *testing.T) {
	t.Parallel()
	s := newImportScene(t, "15")
	text := strings.ReplaceAll("Name;Host Name;CPU Cores;Cost Center\nweb-1;web-1.example.org;4;77\ndb-1;db-1.example.org;8;78\n", "web-1.", "wéb-1.")
	path := s.file("servers.csv", text)
	first, _ := s.apply(exitcode.Done, "--as-mapped", "--map", "Cost Center=department", "--category", "infrastructure", path)
	if first.Files[0].Receipt != path+receiptSuffix {
		t.Fatalf("the receipt is %q", first.Files[0].Receipt)
	}
	before := s.state()
	clustertest.Exec(t, s.c, s.database, "TRUNCATE migration.data_imports, migration.crewai_flow_state_extensions, migration.assets CASCADE")

	folder := t.TempDir()
	if err := os.Rename(path, filepath.Join(folder, "copy of servers (2).csv")); err != nil {
		t.Fatal(err)
	}
	line := []string{"import", "--no-case", "--dsn", s.dsn, "--pages-not-needed", "--from-receipt", path + receiptSuffix, "--apply", "--confirm", s.database}
	_, errs := s.exec(exitcode.NotFound, append(line, s.file("servers.csv", text+"more;;;\n"))...)
	if !strings.Contains(errs, "no file here has the SHA-256") {
		t.Errorf("another file: %s", errs)
	}
	s.exec(exitcode.Usage, append(line, folder, "--map", "Name=hostname")...)
	s.exec(exitcode.Done, append(line, folder)...)
	s.is("from the receipt", s.state(), before)

	// After the next loss somebody imports the file by hand: the receipt does not make a second import.
	clustertest.Exec(t, s.c, s.database, "TRUNCATE migration.data_imports, migration.crewai_flow_state_extensions, migration.assets CASCADE",
		"INSERT INTO migration.data_imports (id, client_account_id, engagement_id, import_name, import_type, filename, total_records, imported_by) VALUES (gen_random_uuid(), '"+
			sceneClient+"', '"+sceneEngagement+"', 'servers.csv Import', 'infrastructure', 'servers.csv', 2, '"+sceneUser+"')")
	before = s.whole()
	if _, errs := s.exec(exitcode.Refused, append(line, folder)...); !strings.Contains(errs, "the file was imported again since, as ") {
		t.Errorf("imported by hand: %s", errs)
	}
	s.is("imported by hand", s.whole(), before)
}

// TestImportTogether: two files are one transaction; what a record of one cannot give does not
// keep the others out, but what ends one ends both.
func TestImportTogether(t *testing.T) {
	t.Parallel()
	s := newImportScene(t, "18")
	good := s.file("good.csv", "Name,IP Address\nweb-1,10.0.0.1\nweb-2,10.0.0.2\n")
	partly := s.file("partly.csv", "Name,IP Address,CPU Cores\nweb-3,10.0.0.3,4\nweb-4,10.0.0.1,4\nweb-5,10.0.0.5,many\nweb-6,"+strings.Repeat("9", 50)+",1\n")
	out, _ := s.apply(exitcode.Findings, "--as-mapped", good, partly)
	if n := s.rows("assets"); n != "3" {
		t.Errorf("%s assets, want 3", n)
	}
	if n := s.rows("raw_import_records"); n != "6" {
		t.Errorf("%s raw records, want 6", n)
	}
	rejected := out.Files[1]
	if rejected.Rejected != 3 || len(rejected.RejectFiles) != 2 {
		t.Fatalf("rejects are %+v", rejected)
	}
	text, err := os.ReadFile(rejected.RejectFiles[0])
	if err != nil {
		t.Fatal(err)
	}
	want := "Name,IP Address,CPU Cores\nweb-4,10.0.0.1,4\nweb-5,10.0.0.5,many\nweb-6," + strings.Repeat("9", 50) + ",1\n"
	if got := string(text); !sameSorted(got, want) {
		t.Errorf("the rejects are\n%s\nwant\n%s", got, want)
	}
	before := s.whole()
	clustertest.Exec(t, s.c, s.database, "ALTER TABLE migration.raw_import_records ADD CHECK (row_number < 3) NOT VALID", "DELETE FROM migration.assets")
	third := s.file("third.csv", "Name,IP Address\na,10.0.1.1\nb,10.0.1.2\nc,10.0.1.3\n")
	out, _ = s.apply(exitcode.Findings, "--as-mapped", third)
	if total := sums(out); total.Refused != 2 { // the raw record, and the asset that refers to it
		t.Errorf("refused %+v", out.Tables)
	}
	if s.rows("data_imports") != "3" || s.rows("assets") != "2" {
		t.Errorf("%s imports and %s assets; before %d", s.rows("data_imports"), s.rows("assets"), strings.Count(before["assets"], "\n"))
	}
}

// TestImportSharedAssets: files of one run share assets by name, as if the first had been there
// already: a dependency leads to the asset of the other file, and a second run adds nothing. The
// receipts do the same again.
func TestImportSharedAssets(t *testing.T) {
	t.Parallel()
	s := newImportScene(t, "15")
	first := s.file("first.csv", "name,ip_address,dependencies\nA,10.0.0.1,\nB,10.0.0.2,D\n")
	second := s.file("second.csv", "name,ip_address,dependencies\nA,10.0.0.9,\nB,10.0.0.3,C\nC,10.0.0.4,A\nD,10.0.0.5,\n")
	receipts := t.TempDir()
	edges := func(when string) {
		t.Helper()
		const sql = "SELECT string_agg(a.name || b.name || host(b.ip_address::inet), ' ' ORDER BY a.name, b.name) FROM migration.asset_dependencies d JOIN migration.assets a ON a.id = d.asset_id JOIN migration.assets b ON b.id = d.depends_on_asset_id"
		if got, want := clustertest.Value(t, s.c, s.database, sql), "BC10.0.0.4 BD10.0.0.5 CA10.0.0.1"; got != want {
			t.Errorf("%s: the dependencies are %s, want %s", when, got, want)
		}
	}
	s.apply(exitcode.Findings, "--as-mapped", first, second, "--receipt", receipts)
	edges("together")
	before := s.whole()
	if out, _ := s.apply(exitcode.Findings, "--as-mapped", first, second); sums(out).New != 0 {
		t.Errorf("the second run put in %+v", out.Tables)
	}
	s.is("twice", s.whole(), before)

	clustertest.Exec(t, s.c, s.database, "DELETE FROM migration.asset_dependencies", "DELETE FROM migration.assets")
	s.exec(exitcode.Findings, "import", first, second, "--from-receipt", filepath.Join(receipts, "first.csv.receipt.json"), "--from-receipt", filepath.Join(receipts, "second.csv.receipt.json"),
		"--dsn", s.dsn, "--no-case", "--pages-not-needed", "--apply", "--confirm", s.database)
	edges("from the receipts")
}

func sameSorted(a, b string) bool {
	x, y := strings.Split(a, "\n"), strings.Split(b, "\n")
	slices.Sort(x)
	slices.Sort(y)
	return slices.Equal(x, y)
}

// TestImportRefuses: the tenant is checked before anything is made, rights are named, and hurt
// tables are not read before somebody says so.
func TestImportRefuses(t *testing.T) {
	t.Parallel()
	s := newImportScene(t, "15")
	clustertest.Exec(t, s.c, s.database,
		"INSERT INTO migration.client_accounts (id, name, slug) VALUES ('bbbbbbbb-0000-4000-8000-000000000001', 'Other', 'other')",
		"CREATE ROLE looker LOGIN", "GRANT USAGE ON SCHEMA migration TO looker", "GRANT SELECT ON ALL TABLES IN SCHEMA migration TO looker",
		"CREATE SCHEMA other", "CREATE TABLE other.assets (id uuid)")
	path := s.source("servers-cmdb.csv")
	empty := s.whole()
	base := []string{"import", "--no-case", "--as-mapped", path, "--apply", "--confirm", s.database}
	nobody := strings.ReplaceAll(s.dsn, cluster.Superuser, "looker")
	for _, test := range []struct {
		code exitcode.Code
		says string
		args []string
	}{
		{exitcode.NotFound, "belongs to client account " + sceneClient, []string{"--dsn", s.dsn, "--client-account", "bbbbbbbb-0000-4000-8000-000000000001", "--engagement", sceneEngagement, "--user", sceneUser, "--pages-not-needed"}},
		{exitcode.NotFound, "there is no client account", []string{"--dsn", s.dsn, "--client-account", "cccccccc-0000-4000-8000-000000000001", "--engagement", "cccccccc-0000-4000-8000-000000000002", "--pages-not-needed"}},
		{exitcode.Usage, "it is no UUID", []string{"--dsn", s.dsn, "--client-account", "acme", "--engagement", sceneEngagement, "--pages-not-needed"}},
		{exitcode.Usage, "say whose rows they are", []string{"--dsn", s.dsn, "--pages-not-needed"}},
		{exitcode.Refused, "prunes dead tuples", []string{"--dsn", s.dsn, "--client-account", sceneClient, "--engagement", sceneEngagement, "--user", sceneUser}},
		{exitcode.Permission, "row-level security", []string{"--dsn", nobody, "--client-account", sceneClient, "--engagement", sceneEngagement, "--user", sceneUser, "--pages-not-needed"}},
		{exitcode.NotFound, "has no table other", []string{"--dsn", s.dsn, "--schema", "other", "--client-account", sceneClient, "--engagement", sceneEngagement, "--pages-not-needed"}},
		{exitcode.NotFound, "has no table elsewhere", []string{"--dsn", s.dsn, "--schema", "elsewhere", "--client-account", sceneClient, "--engagement", sceneEngagement, "--pages-not-needed"}},
	} {
		_, errs := s.exec(test.code, append(slices.Clone(base), test.args...)...)
		if !strings.Contains(errs, test.says) {
			t.Errorf("%v: %s\nwant %q", test.args, errs, test.says)
		}
	}
	s.is("after refusals", s.whole(), empty)
	if _, err := os.Stat(path + receiptSuffix); err == nil {
		t.Error("a refused import left a receipt")
	}
}

// TestImportTable: a table of one's own, by the names of its columns and by a profile.
func TestImportTable(t *testing.T) {
	t.Parallel()
	s := newImportScene(t, "13")
	clustertest.Exec(t, s.c, s.database, "CREATE SCHEMA shop", `CREATE TABLE shop.price (id int PRIMARY KEY, name text NOT NULL, cents int CHECK (cents > 0), since date DEFAULT '2020-01-01', "Upper" text, twice int GENERATED ALWAYS AS (cents * 2) STORED)`,
		"INSERT INTO shop.price VALUES (1, 'apple', 50), (2, 'pear', 99)")
	path := s.file("prices.csv", "id,name,cents,Upper,note\n1,apple,50,,\n2,pear,70,,\n3,plum,x,U,\n4,fig,-3,,\n5,,7,,\n6,nut,12,V,\n")
	line := []string{"import", "--no-case", "--dsn", s.dsn, "--pages-not-needed", "--table", "shop.price", path}
	out, _ := s.exec(exitcode.Findings, line...)
	if total := sums(out); total.New != 1 || total.There != 1 || total.Different != 1 || total.Refused != 1 {
		t.Errorf("the preview says %+v", out.Tables)
	}
	out, _ = s.exec(exitcode.Findings, append(line, "--apply", "--confirm", s.database)...)
	got := clustertest.CopyOut(t, s.c, s.database, "SELECT * FROM shop.price ORDER BY id")
	want := "1\tapple\t50\t2020-01-01\t\\N\t100\n2\tpear\t99\t2020-01-01\t\\N\t198\n6\tnut\t12\t2020-01-01\tV\t24\n"
	if got != want {
		t.Errorf("the table is\n%s\nwant\n%s\n%+v", got, want, out.Tables)
	}
	if len(out.Differences) == 0 || out.Differences[0].Column != "cents" || out.Files[0].Rejected != 3 {
		t.Errorf("differences %+v, rejects %+v", out.Differences, out.Files[0])
	}
	profile := s.file("mine.yaml", "profile: mine\ntable: shop.price\nnulls: [\"\"]\ncolumns:\n  id: {synonyms: [number]}\n  name: {synonyms: [what]}\n  cents: {convert: [{decimal: \",\"}, int]}\n")
	other := s.file("other.csv", "number;what;cents\n7;kiwi;8,0\n")
	s.exec(exitcode.Done, "import", "--no-case", "--dsn", s.dsn, "--pages-not-needed", "--table", "shop.price", "--profile", profile, other, "--apply", "--confirm", s.database)
	if got := clustertest.Value(t, s.c, s.database, "SELECT name || cents FROM shop.price WHERE id = 7"); got != "kiwi8" {
		t.Errorf("by the profile came %q", got)
	}
	clustertest.Exec(t, s.c, s.database, "ALTER TABLE shop.price ADD weight numeric(5,1)")
	out, _ = s.exec(exitcode.Done, append(slices.Clone(line[:len(line)-1]), s.file("weights.csv", "id,name,weight\n8,fig,1.50\n9,date,2.25\n"), "--apply", "--confirm", s.database)...)
	if notes := strings.Join(out.Files[0].Notes, "\n"); !strings.Contains(notes, "column weight does not keep all of 1 value: numeric(5,1) rounds them, such as 2.25 on line 3") {
		t.Errorf("what is rounded is not told: %q", notes)
	}
}

// TestImportTableAsServer: a file that COPY wrote comes back as it was, and what PostgreSQL ignores of
// a value is ignored in the same way, and told.
func TestImportTableAsServer(t *testing.T) {
	t.Parallel()
	s := newImportScene(t, "15")
	clustertest.Exec(t, s.c, s.database, "CREATE SCHEMA shop", "CREATE TABLE shop.note (id int, body text, at timestamp, raw bytea, clock time)",
		`INSERT INTO shop.note VALUES (1, '', '2024-01-15 10:00:00+05', '', '10:00:00+05'), (2, NULL, '2024-01-15 10:00:00Z', NULL, NULL), (3, 'x', '2024-01-15 10:00:00 -0530', '\x00', '10:00-02')`)
	wrote := clustertest.CopyOut(t, s.c, s.database, "SELECT * FROM shop.note ORDER BY id")
	// As `psql --csv` and COPY write it: an empty text in quotes, NULL as nothing.
	path := s.file("notes.csv", "id,body,at,raw,clock,other\n1,\"\",2024-01-15 10:00:00+05,\"\",10:00:00+05,\n2,,2024-01-15 10:00:00Z,,,\n3,x,2024-01-15 10:00:00 -0530,\\x00,10:00-02,\n,,,,,left\n")
	clustertest.Exec(t, s.c, s.database, "TRUNCATE shop.note")
	line := []string{"import", "--no-case", "--dsn", s.dsn, "--pages-not-needed", "--table", "shop.note", path, "--apply", "--confirm", s.database}
	out, _ := s.exec(exitcode.Findings, line...)
	if got := clustertest.CopyOut(t, s.c, s.database, "SELECT * FROM shop.note ORDER BY id"); got != wrote {
		t.Errorf("the table is\n%s\nwant\n%s", got, wrote)
	}
	file := &out.Files[0]
	if file.Rejected != 1 || file.First[0].Line != 5 || file.First[0].Reason != "it has nothing for any column of the table" {
		t.Errorf("a record of nothing: %+v", file.First)
	}
	s.exec(exitcode.Done, append([]string{"import", s.file("more.json", `[{"id": 4, "body": ""}, {"id": 5, "body": null}]`)}, slices.DeleteFunc(slices.Clone(line[1:]), func(arg string) bool { return arg == path })...)...)
	if got := clustertest.CopyOut(t, s.c, s.database, "SELECT id, body FROM shop.note WHERE id > 3 ORDER BY id"); got != "4\t\n5\t\\N\n" {
		t.Errorf("of JSON came %q", got)
	}
	if notes := strings.Join(file.Notes, "\n"); !strings.Contains(notes, "column at does not keep all of 2 values: timestamp without time zone ignores their time zone, and keeps the time as it is written, such as 2024-01-15 10:00:00+05 on line 2") {
		t.Errorf("the zones that are ignored are not told: %q", notes)
	}
}

// TestImportOnlyReadsSources: neither a look nor an import that ends well, in part or not at all
// touches a source; receipts and rejects go where they are told.
func TestImportOnlyReadsSources(t *testing.T) {
	t.Parallel()
	s := newImportScene(t, "15")
	folder := filepath.Join(t.TempDir(), "downloads")
	if err := os.CopyFS(folder, os.DirFS(filepath.Join(repository, "testdata", "sources"))); err != nil {
		t.Fatal(err)
	}
	before := fingerprint(t, folder)
	receipts, rejects := t.TempDir(), t.TempDir()
	s.run(exitcode.Insufficient, folder)
	s.run(exitcode.Findings, "--as-app", folder, "--rejects", rejects)
	s.apply(exitcode.Insufficient, "--as-mapped", folder, "--receipt", receipts, "--rejects", rejects)
	s.exec(exitcode.Insufficient, append(s.tenant(), "--case", filepath.Join(t.TempDir(), "case"), "--as-mapped", folder)...)
	if after := fingerprint(t, folder); after != before {
		t.Error("the folder of the sources is another one")
	}
	if made, err := os.ReadDir(receipts); err != nil || len(made) != 6 {
		t.Errorf("receipts are %v (%v), want one for each file with records", made, err)
	}
}
