package csvfile_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode"

	textunicode "golang.org/x/text/encoding/unicode"

	"github.com/pgrescue/pgrescue/importers"
	"github.com/pgrescue/pgrescue/importers/csvfile"
)

// plainApp is the application's parser as one would write it down from the description of it.
func plainApp(t *testing.T, content string) (header []string, rows []map[string]string) {
	t.Helper()
	text, err := textunicode.UTF8.NewDecoder().String(content)
	if err != nil {
		t.Fatal(err)
	}
	space := func(r rune) bool {
		return strings.ContainsRune("\t\n\v\f\r \u00a0\ufeff\u2028\u2029", r) || unicode.Is(unicode.Zs, r)
	}
	strip := func(value string) string { return strings.ReplaceAll(strings.TrimFunc(value, space), `"`, "") }
	at := 0
	for _, line := range strings.Split(text, "\n") {
		start := at
		at += len(line) + 1
		if strings.TrimFunc(line, space) == "" {
			continue
		}
		values := strings.Split(line, ",")
		if header == nil {
			for i, name := range values {
				mark := ""
				if i == 0 && start == 0 && strings.HasPrefix(name, "\ufeff") {
					mark = "\ufeff" // it stays
					name = "x" + strings.TrimPrefix(name, mark)
					name = strings.TrimPrefix(strings.TrimFunc(name, space), "x")
					header = append(header, mark+strings.ReplaceAll(name, `"`, ""))
					continue
				}
				header = append(header, strip(name))
			}
			continue
		}
		row := make(map[string]string)
		for i, name := range header {
			row[name] = ""
			if i < len(values) {
				row[name] = strip(values[i])
			}
		}
		rows = append(rows, row)
	}
	return header, rows
}

// FuzzAsApp compares what is read as the application with plainApp.
func FuzzAsApp(f *testing.F) {
	for _, seed := range []string{
		"a,b\n1,2\n", "a,b\r\n1\r\n\r\n1,2,3\r\n", "\ufeffa,b\n1,2", "a,a,b\n1,2,3", "2,1,b,10\nx,y,z,w", "\"a\", b \n\" x \",\"1,2\"\n",
		"a\n\u2028\n\u00a0x\u3000", "a,b\nM\xfcller,\xe2\x82\n\xf0\x9f\x98,\xed\xa0\x80", "a\n\n\n", "a", "\"\"\n\"\"", "__proto__,a\n1,2", "\ufeff\n\ufeffa\n1", "\ufeff\v\ufeffa\n1",
	} {
		f.Add(seed)
	}
	path := filepath.Join(f.TempDir(), "fuzz.csv")
	f.Fuzz(func(t *testing.T, text string) {
		if strings.ContainsRune(text, 0) {
			return // rejected
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		header, rows := plainApp(t, text)
		source := &importers.Source{Path: path, Name: "fuzz.csv", Format: importers.FormatCSV}
		list, err := csvfile.Open(t.Context(), source, csvfile.Options{AsApp: true})
		if err != nil {
			if len(rows) > 0 {
				t.Fatalf("%q has %d rows, and was refused: %v", text, len(rows), err)
			}
			return
		}
		if len(rows) == 0 {
			t.Fatalf("%q has no row, and was not refused", text)
		}
		number := 0
		for record, err := range list.Records(t.Context(), func(r *importers.Reject) error {
			t.Fatalf("rejected: %s: %q", r.Reason, r.Text)
			return nil
		}) {
			if err != nil {
				t.Fatal(err)
			}
			if number == len(rows) {
				t.Fatalf("%q: a record more than the %d rows: %q", text, number, record.Raw)
			}
			for i, name := range list.Head().Header {
				if got, want := string(record.Fields[i].Text), rows[number][name]; got != want {
					t.Fatalf("%q: row %d, %q: got %q, want %q", text, number, name, got, want)
				}
			}
			number++
		}
		if number != len(rows) {
			t.Fatalf("%q: %d records, want %d", text, number, len(rows))
		}
		names := make(map[string]bool)
		for _, name := range header {
			names[name] = name != "__proto__"
		}
		delete(names, "__proto__")
		if len(names) != len(list.Head().Header) {
			t.Fatalf("%q: header %q of %q", text, list.Head().Header, header)
		}
	})
}
