package main

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/xuri/excelize/v2"

	"github.com/pgrescue/pgrescue/cmd/internal/exitcode"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster/clustertest"
)

// workbook writes a workbook with two sheets of as many rows, and a hidden one.
func workbook(t *testing.T) string {
	t.Helper()
	book := excelize.NewFile()
	defer book.Close()
	sheets := map[string][][]any{
		"Sheet1":    {{"Server list"}, {}, {"Name", "IP Address", "CPU Cores"}, {"web-1", "10.0.0.1", 4}, {"web-2", "10.0.0.2", 8}},
		"Databases": {{"Name", "IP Address", "Memory GB"}, {"db-1", "10.0.1.1", 64}, {"db-2", "10.0.1.2", 128.5}},
		"Old":       {{"Name"}, {"gone-1"}},
	}
	for _, sheet := range []string{"Sheet1", "Databases", "Old"} {
		if _, err := book.NewSheet(sheet); err != nil {
			t.Fatal(err)
		}
		for i, row := range sheets[sheet] {
			cell, err := excelize.CoordinatesToCellName(1, i+1)
			if err != nil {
				t.Fatal(err)
			}
			if err := book.SetSheetRow(sheet, cell, &row); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := book.SetSheetVisible("Old", false); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "inventory.xlsx")
	if err := book.SaveAs(path); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestImportWorkbook: each sheet is an import of its own. They are kept apart when one of them is
// lost, and each has a receipt.
func TestImportWorkbook(t *testing.T) {
	t.Parallel()
	s := newImportScene(t, "15")
	path := workbook(t)
	first, _ := s.apply(exitcode.Done, "--as-mapped", path)
	if len(first.Files) != 2 || first.Files[0].HeaderLine != 3 || first.Files[0].Part != "Sheet1" {
		t.Fatalf("the lists are %+v", first.Files)
	}
	if len(first.Skipped) != 1 || first.Skipped[0].Member != "Old" || first.Skipped[0].Hint != "--sheet Old reads it" {
		t.Errorf("it skipped %+v", first.Skipped)
	}
	s.run(exitcode.NotFound, "--as-mapped", path, "--sheet", "Nowhere")
	if hidden, _ := s.run(exitcode.Done, "--as-mapped", path, "--sheet", "Old"); len(hidden.Files) != 1 || hidden.Files[0].Records != 1 {
		t.Errorf("the hidden sheet is %+v", hidden.Files)
	}
	before := s.state()
	if got := clustertest.CopyOut(t, s.c, s.database, "SELECT name, cpu_cores, memory_gb FROM migration.assets ORDER BY 1"); got != "db-1\t\\N\t64\ndb-2\t\\N\t128.5\nweb-1\t4\t\\N\nweb-2\t8\t\\N\n" {
		t.Errorf("the assets are\n%s", got)
	}
	again, _ := s.apply(exitcode.Done, "--as-mapped", path)
	if total := sums(again); total.New != 0 || total.Different != 0 {
		t.Errorf("the second time %+v", again.Tables)
	}
	lost := first.Files[1].IDs["import"]
	clustertest.Exec(t, s.c, s.database,
		"DELETE FROM migration.assets WHERE name LIKE 'db%'",
		"DELETE FROM migration.discovery_flows WHERE data_import_id = '"+lost+"'",
		"DELETE FROM migration.import_field_mappings WHERE data_import_id = '"+lost+"'",
		"DELETE FROM migration.raw_import_records WHERE data_import_id = '"+lost+"'",
		"DELETE FROM migration.data_imports WHERE id = '"+lost+"'",
		"DELETE FROM migration.crewai_flow_state_extensions WHERE flow_name LIKE '%"+lost+"'")
	receipt := first.Files[1].Receipt
	if !strings.HasSuffix(receipt, "inventory.xlsx.Databases"+receiptSuffix) {
		t.Errorf("the receipt is %s", receipt)
	}
	line := []string{"import", "--no-case", "--dsn", s.dsn, "--pages-not-needed", "--apply", "--confirm", s.database}
	s.exec(exitcode.Done, append(line, "--from-receipt", receipt, path)...)
	s.is("from the receipt of the sheet", s.state(), before)

	clustertest.Exec(t, s.c, s.database, "DELETE FROM migration.assets WHERE name LIKE 'db%'", "DELETE FROM migration.raw_import_records WHERE data_import_id = '"+lost+"'",
		"DELETE FROM migration.discovery_flows WHERE data_import_id = '"+lost+"'", "DELETE FROM migration.import_field_mappings WHERE data_import_id = '"+lost+"'",
		"DELETE FROM migration.data_imports WHERE id = '"+lost+"'", "DELETE FROM migration.crewai_flow_state_extensions WHERE flow_name LIKE '%"+lost+"'")
	out, _ := s.apply(exitcode.Done, "--as-mapped", path)
	if total := sums(out); total.Different != 0 || s.rows("data_imports") != "2" || s.rows("assets") != "4" {
		t.Errorf("without the receipt %+v", out.Tables)
	}
}
