package csvfile_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/pgrescue/pgrescue/importers"
	"github.com/pgrescue/pgrescue/importers/csvfile"
)

// seen is all that reading a file tells.
type seen struct {
	header   []string
	settings []string
	notes    []string
	records  []string // line@offset field|field, with ∅ for what is missing
	remarks  []string // notes of records
	rejects  []string // line@offset column: reason :: text
	gaps     []string
}

// source writes a file and makes a Source of it.
func source(tb testing.TB, content string) *importers.Source {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), "source.csv")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		tb.Fatal(err)
	}
	return &importers.Source{Path: path, Name: "source.csv", Format: importers.FormatCSV, Size: int64(len(content))}
}

// look opens and reads a source.
func look(t *testing.T, src *importers.Source, opts csvfile.Options) seen {
	t.Helper()
	list, err := csvfile.Open(t.Context(), src, opts)
	if err != nil {
		t.Fatal(err)
	}
	head := list.Head()
	s := seen{header: head.Header, notes: head.Notes}
	for _, setting := range head.Settings {
		how := "asked"
		if setting.Found {
			how = "found"
		}
		s.settings = append(s.settings, fmt.Sprintf("%s %s (%s)", setting.Name, setting.Value, how))
	}
	for record, err := range list.Records(t.Context(), func(r *importers.Reject) error {
		s.rejects = append(s.rejects, fmt.Sprintf("%d@%d %s: %s :: %s", r.Line, r.Offset, r.Column, r.Reason, r.Text))
		return nil
	}) {
		if err != nil {
			t.Fatal(err)
		}
		if int(record.Number) != len(s.records)+1 {
			t.Errorf("record %d is numbered %d", len(s.records)+1, record.Number)
		}
		var fields []string
		for _, f := range record.Fields {
			switch f.Kind {
			case importers.Missing:
				fields = append(fields, "∅")
			case importers.Text:
				fields = append(fields, string(f.Text))
			default:
				t.Errorf("a field of kind %d", f.Kind)
			}
		}
		s.records = append(s.records, fmt.Sprintf("%d@%d %s", record.Line, record.Offset, strings.Join(fields, "|")))
		if record.Note != "" {
			s.remarks = append(s.remarks, fmt.Sprintf("%d %s", record.Line, record.Note))
		}
	}
	for _, gap := range list.Gaps() {
		s.gaps = append(s.gaps, strings.TrimPrefix(gap.String(), src.Place()+": "))
	}
	return s
}

// TestQuotedFields: an empty field in quotes is another one than one without. A short row has no such field,
// whatever the row before it had.
func TestQuotedFields(t *testing.T) {
	t.Parallel()
	list, err := csvfile.Open(t.Context(), source(t, "a,b\n\"\",\n,\"\"\r\n\"x\"\ny,'z'\n"), csvfile.Options{Ragged: csvfile.Pad})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for record, err := range list.Records(t.Context(), nil) {
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range record.Fields {
			got = append(got, fmt.Sprintf("%s %t", f.Text, f.Quoted))
		}
	}
	same(t, "fields", got, []string{" true", " false", " false", " true", "x true", " false", "y false", "'z' false"})
}

// same compares a part of what was seen.
func same(t *testing.T, what string, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s:\n got %s\nwant %s", what, strings.Join(got, "\n     "), strings.Join(want, "\n     "))
	}
}

// strictCase is a file that is read strictly, and what is seen then.
type strictCase struct {
	name, content string
	opts          csvfile.Options
	header        string // joined with |
	records       []string
	rejects       []string
	gaps          []string
	notes         []string // each must be in one
	settings      []string // each must be there
}

func (c strictCase) run(t *testing.T) {
	t.Parallel()
	got := look(t, source(t, c.content), c.opts)
	same(t, "header", got.header, strings.Split(c.header, "|"))
	same(t, "records", got.records, c.records)
	same(t, "rejects", got.rejects, c.rejects)
	same(t, "gaps", got.gaps, c.gaps)
	for _, want := range c.settings {
		if !slices.Contains(got.settings, want) {
			t.Errorf("no setting %q in %q", want, got.settings)
		}
	}
	for _, want := range c.notes {
		if !strings.Contains(strings.Join(got.notes, "\n"), want) {
			t.Errorf("no note %q in %q", want, got.notes)
		}
	}
}
