package importers_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pgrescue/pgrescue/importers"
)

func readFile(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

func TestRejectWriter(t *testing.T) {
	t.Parallel()
	csv := &importers.Head{Source: &importers.Source{Format: importers.FormatCSV}, Header: []string{"a", "b"}, Line: 1, Raw: []byte(`"a";b`)}
	json := &importers.Head{Source: &importers.Source{Format: importers.FormatJSON}, Header: []string{"a", "b"}}
	sheet := &importers.Head{Source: &importers.Source{Format: importers.FormatXLSX}, Header: []string{"a", "b, c"}, Line: 3}
	for _, test := range []struct {
		name             string
		head             *importers.Head
		rejects          []importers.Reject
		ending           string
		records, reasons string
	}{
		{
			"csv", csv,
			[]importers.Reject{
				{Line: 2, Offset: 6, Reason: "1 field where the header has 2", Column: "b", Text: []byte("1")},
				{Line: 7, Offset: 90, Number: 5, Column: "a", Reason: "no number <x>", Text: []byte("\"x\r\ny\";2")},
				{Line: 7, Offset: 90, Number: 5, Column: "b", Reason: "no date", Text: []byte("\"x\r\ny\";2")},
				{Line: 9, Offset: 120, Reason: "byte 0xFF", Text: []byte("\xff;2")},
				{Line: 7, Offset: 90, Number: 5, Reason: "refused later", Text: []byte("\"x\r\ny\";2")},
			},
			".csv", "\"a\";b\n1\n\"x\r\ny\";2\n\xff;2\n",
			`{"line":2,"offset":6,"column":"b","reason":"1 field where the header has 2","text":"1"}` + "\n" +
				`{"line":7,"number":5,"offset":90,"column":"a","reason":"no number <x>","text":"\"x\r\ny\";2"}` + "\n" +
				`{"line":7,"number":5,"offset":90,"column":"b","reason":"no date","text":"\"x\r\ny\";2"}` + "\n" +
				`{"line":9,"offset":120,"reason":"byte 0xFF","text":"` + "\ufffd" + `;2"}` + "\n" +
				`{"line":7,"number":5,"offset":90,"reason":"refused later","text":"\"x\r\ny\";2"}` + "\n",
		},
		{
			"json", json,
			[]importers.Reject{
				{Line: 1, Offset: 0, Reason: "x", Text: []byte("{\n  \"n\": 12345678901234567890.10,\n \"n\": \"\\u0000\"}")},
				{Line: 5, Offset: 9, Reason: "no JSON", Text: []byte("{\"a\":\n")},
			},
			".ndjson", "{\"n\":12345678901234567890.10,\"n\":\"\\u0000\"}\n{\"a\": \n",
			`{"line":1,"offset":0,"reason":"x","text":"{\n  \"n\": 12345678901234567890.10,\n \"n\": \"\\u0000\"}"}` + "\n" + `{"line":5,"offset":9,"reason":"no JSON","text":"{\"a\":\n"}` + "\n",
		},
		{
			"sheet", sheet,
			[]importers.Reject{
				{Line: 4, Offset: -1, Number: 1, Reason: "x", Fields: []importers.Field{{Text: []byte("1,5")}, {Kind: importers.Unknown, Reason: "#N/A"}}},
				{Line: 5, Offset: -1, Number: 2, Reason: "y", Fields: []importers.Field{{Text: []byte("2")}, {Text: []byte(`"`)}}},
			},
			".csv", "a,\"b, c\"\n\"1,5\",\n2,\"\"\"\"\n", `{"line":4,"number":1,"reason":"x"}` + "\n" + `{"line":5,"number":2,"reason":"y"}` + "\n",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			base := filepath.Join(t.TempDir(), "servers.csv")
			w := importers.NewRejectWriter(base, test.head)
			for i := range test.rejects {
				if err := w.Put(&test.rejects[i]); err != nil {
					t.Fatal(err)
				}
			}
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			if int(w.Count()) != len(test.rejects) || len(w.Files()) != 2 || w.Files()[0] != base+".rejects"+test.ending || w.Files()[1] != base+".rejects.jsonl" {
				t.Fatalf("%d rejects in %q", w.Count(), w.Files())
			}
			if got := readFile(t, w.Files()[0]); got != test.records {
				t.Errorf("records\n%q, want\n%q", got, test.records)
			}
			if got := readFile(t, w.Files()[1]); got != test.reasons {
				t.Errorf("reasons\n%s, want\n%s", got, test.reasons)
			}
			for _, file := range w.Files() {
				if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
					t.Errorf("%s can be read by others: %v, %v", file, info, err)
				}
			}
		})
	}
}

// TestRejectWriterKeepsFiles makes no file without a reject, and writes to none that is there.
func TestRejectWriterKeepsFiles(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	base := filepath.Join(folder, "a")
	head := &importers.Head{Source: &importers.Source{Format: importers.FormatCSV}, Header: []string{"a"}}
	none := importers.NewRejectWriter(base, head)
	if err := none.Close(); err != nil || len(none.Files()) != 0 {
		t.Errorf("without a reject: %q, %v", none.Files(), err)
	}
	if left, err := os.ReadDir(folder); err != nil || len(left) != 0 {
		t.Errorf("files without a reject: %v, %v", left, err)
	}
	for _, taken := range []string{base + ".rejects.csv", base + ".rejects-2.jsonl"} {
		if err := os.WriteFile(taken, []byte("repaired"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	w := importers.NewRejectWriter(base, head)
	if err := w.Put(&importers.Reject{Line: 1, Offset: 0, Reason: "x", Text: []byte("1")}); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if want := base + ".rejects-3.csv"; w.Files()[0] != want || readFile(t, want) != "1\n" || readFile(t, base+".rejects.csv") != "repaired" {
		t.Errorf("the files are %q", w.Files())
	}
	if left, err := os.ReadDir(folder); err != nil || len(left) != 4 {
		t.Errorf("files that are left: %v, %v", left, err)
	}
	w = importers.NewRejectWriter(filepath.Join(folder, "none", "a"), head)
	if err := w.Put(&importers.Reject{Reason: "x"}); err == nil || !strings.Contains(err.Error(), "write rejects") {
		t.Errorf("in a folder that is not there: %v", err)
	}
	if err := w.Close(); err != nil {
		t.Error(err)
	}
}
