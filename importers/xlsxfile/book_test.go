package xlsxfile

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/xuri/excelize/v2"

	"github.com/pgrescue/pgrescue/importers"
)

// save writes the workbook where a test reads it.
func save(t testing.TB, file *excelize.File) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "book.xlsx")
	if err := file.SaveAs(path); err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

// sourceOf is the source of a file.
func sourceOf(path string) *importers.Source {
	return &importers.Source{Path: path, Name: filepath.Base(path), Format: importers.FormatXLSX}
}

func openBook(t testing.TB, path string, opts Options) *Book {
	t.Helper()
	book, err := Open(context.Background(), sourceOf(path), opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := book.Close(); err != nil {
			t.Error(err)
		}
	})
	return book
}

// readAll prints every record of a list on a line, and the rejects.
func readAll(t testing.TB, list *List) (records, rejects []string) {
	t.Helper()
	refuse := func(r *importers.Reject) error {
		rejects = append(rejects, fmt.Sprintf("%d: %s: %s", r.Line, printFields(r.Fields), r.Reason))
		return nil
	}
	for record, err := range list.Records(context.Background(), refuse) {
		if err != nil {
			t.Fatal(err)
		}
		line := fmt.Sprintf("%d: %s", record.Line, printFields(record.Fields))
		if record.Note != "" {
			line += " # " + record.Note
		}
		if record.Number != int64(len(records)+1) {
			t.Errorf("row %d has number %d, not %d", record.Line, record.Number, len(records)+1)
		}
		records = append(records, line)
	}
	return records, rejects
}

func printFields(fields []importers.Field) string {
	var parts []string
	for _, f := range fields {
		switch f.Kind {
		case importers.Text:
			parts = append(parts, fmt.Sprintf("%q", f.Text))
		case importers.Missing:
			parts = append(parts, "-")
		case importers.Unknown:
			parts = append(parts, "?("+f.Reason+")")
		default:
			parts = append(parts, string(f.Text))
		}
	}
	return strings.Join(parts, " ")
}

// equalLines compares what was read with what is expected, a line each.
func equalLines(t testing.TB, what string, got []string, want ...string) {
	t.Helper()
	if a, b := strings.Join(got, "\n"), strings.Join(want, "\n"); a != b {
		t.Errorf("%s:\n%s\nexpected:\n%s", what, a, b)
	}
}

// fill sets cells, row by row, from A1.
func fill(t testing.TB, file *excelize.File, sheet string, rows ...[]any) {
	t.Helper()
	for i, row := range rows {
		if err := file.SetSheetRow(sheet, fmt.Sprintf("A%d", i+1), &row); err != nil {
			t.Fatal(err)
		}
	}
}

func TestPlainSheet(t *testing.T) {
	t.Parallel()
	file := excelize.NewFile()
	fill(t, file, "Sheet1",
		[]any{"Asset report"},
		nil,
		[]any{"Name", "CPU", "Live", "Location"},
		[]any{"srv1", 4, true, "Berlin"},
		[]any{"srv2", 2.5, false},
		nil,
		[]any{"srv3", nil, nil, " Rome "},
	)
	list := openBook(t, save(t, file), Options{}).Lists()[0]
	if head := list.Head(); head.Line != 3 || strings.Join(head.Header, "|") != "Name|CPU|Live|Location" || head.Part != "Sheet1" {
		t.Errorf("head %+v", head)
	}
	records, rejects := readAll(t, list)
	equalLines(t, "records", records,
		`4: "srv1" 4 true "Berlin"`,
		`5: "srv2" 2.5 false -`,
		`7: "srv3" - - " Rome "`)
	equalLines(t, "rejects", rejects)
	if gaps := list.Gaps(); len(gaps) > 0 {
		t.Errorf("gaps %v", gaps)
	}
}
