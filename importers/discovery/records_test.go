package discovery

import (
	"context"
	"errors"
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/pgrescue/pgrescue/importers"
	"github.com/pgrescue/pgrescue/recover/evidence"
)

// fixed is a List of given records.
type fixed struct {
	head    importers.Head
	records []importers.Record
}

func (f *fixed) Head() *importers.Head { return &f.head }

func (f *fixed) Records(context.Context, importers.Rejects) iter.Seq2[*importers.Record, error] {
	return func(yield func(*importers.Record, error) bool) {
		for i := range f.records {
			if !yield(&f.records[i], nil) {
				return
			}
		}
	}
}

// listOf makes a List. A cell is a text; "=7" a number, "#N/A" unknown, "~" missing and "\N" null.
func listOf(format importers.Format, header string, rows ...string) *fixed {
	f := &fixed{head: importers.Head{
		Source: &importers.Source{Path: "a.csv", Name: "a.csv", Format: format, SHA256: [32]byte{7}}, Header: strings.Split(header, "|"), Line: 1,
	}}
	for i, row := range rows {
		r := importers.Record{Number: int64(i + 1), Line: int64(i + 2)}
		if format == importers.FormatJSON {
			r.Raw = []byte(row)
			row = strings.Repeat("~|", len(f.head.Header)-1) + "~"
		}
		for _, cell := range strings.Split(row, "|") {
			field := importers.Field{Text: []byte(cell)}
			switch {
			case cell == "~":
				field = importers.Field{Kind: importers.Missing}
			case cell == `\N`:
				field = importers.Field{Kind: importers.Null}
			case cell == "#N/A":
				field = importers.Field{Kind: importers.Unknown, Reason: "the cell says #N/A"}
			case strings.HasPrefix(cell, "="):
				field = importers.Field{Kind: importers.Number, Text: []byte(cell[1:])}
			case strings.HasPrefix(cell, "{") || strings.HasPrefix(cell, "["):
				if format == importers.FormatJSON {
					field.Kind = importers.JSON
				}
			}
			r.Fields = append(r.Fields, field)
		}
		f.records = append(f.records, r)
	}
	return f
}

func tenantOf() Tenant {
	return Tenant{ClientAccount: demoClient, Engagement: demoEngagement, User: demoUser}
}

func newImport(t *testing.T, list importers.List, opts Options) *Import {
	t.Helper()
	if opts.Tenant == (Tenant{}) {
		opts.Tenant = tenantOf()
	}
	if opts.Now.IsZero() {
		opts.Now = time.Date(2025, 10, 7, 12, 0, 0, 0, time.UTC)
	}
	im, err := New(t.Context(), list, opts)
	if err != nil {
		t.Fatal(err)
	}
	return im
}

// column gives a column of all rows of a table; "NULL" and "unknown: …" are no texts.
func column(t *testing.T, im *Import, table, name string) []string {
	t.Helper()
	var texts []string
	for _, tb := range im.Tables(t.Context()) {
		if tb.Relation.Name != table {
			continue
		}
		at := slices.IndexFunc(tb.Relation.Columns, func(c evidence.Column) bool { return c.Name == name })
		if at < 0 {
			t.Fatalf("%s has no column %s", table, name)
		}
		for row, err := range tb.Rows {
			if err != nil {
				t.Fatal(err)
			}
			switch v := row.Values[at]; v.State {
			case evidence.Known:
				texts = append(texts, string(v.Text))
			case evidence.Null:
				texts = append(texts, "NULL")
			default:
				texts = append(texts, "unknown: "+v.Reason)
			}
		}
	}
	return texts
}

func same(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s:\n got %q\nwant %q", what, got, want)
	}
}

func TestRawData(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		what  string
		store Store
		list  *fixed
		want  string
		size  string
	}{
		{"texts, in the header's order", AsApp, listOf(importers.FormatCSV, "b|a", "1|é"), `{"b": "1", "a": "\u00e9"}`, "27"},
		{"a browser has array indexes first", AsApp, listOf(importers.FormatCSV, "b|10|9|01|4294967295", "v|w|x|y|z"), `{"9": "x", "10": "w", "b": "v", "01": "y", "4294967295": "z"}`, "63"},
		{"strictly, the header's order stays", AsMapped, listOf(importers.FormatCSV, "b|10|9", "v|w|x"), `{"b": "v", "10": "w", "9": "x"}`, "33"},
		{"what a line lacks is an empty text", AsApp, listOf(importers.FormatCSV, "a|b", "1|~"), `{"a": "1", "b": ""}`, "21"},
		{"numbers of a sheet are texts, as all values are", AsMapped, listOf(importers.FormatXLSX, "a|b|c", "=8|#N/A|~"), `{"a": "8", "b": null, "c": ""}`, "32"},
		{"JSON as Python reads it, names as they come", AsMapped, listOf(importers.FormatJSON, "a|b", `{"b":1.0,"a":{"x":[1e2,null]}}`), `{"b": 1.0, "a": {"x": [100.0, null]}}`, "39"},
	} {
		im := newImport(t, test.list, Options{Store: test.store})
		same(t, test.what, column(t, im, tableRawRecords, "raw_data"), test.want)
		same(t, test.what+": file_size", column(t, im, tableImports, "file_size"), test.size)
	}
	im := newImport(t, listOf(importers.FormatCSV, "a", "1", "2"), Options{})
	same(t, "a list has brackets and commas", column(t, im, tableImports, "file_size"), "24") // [{"a": "1"}, {"a": "2"}]
}

// TestDropped: the application drops records that look like broken JSON or its agents' metadata, and numbers
// the rest from 1 (fact sheet 1.3). Its file_size has them.
func TestDropped(t *testing.T) {
	t.Parallel()
	metadata := listOf(importers.FormatJSON, "name|mappings|agent_reasoning|clarifications|x",
		`{"name":"a"}`, `{"mappings":{"a":1},"agent_reasoning":"b","clarifications":"c"}`,
		`{"mappings":{},"agent_reasoning":"b","clarifications":"c"}`, `{"mappings":"a","agent_reasoning":"b","x":[1]}`)
	fill := func(i int, kinds string) {
		for j, k := range kinds {
			switch k {
			case 't':
				metadata.records[i].Fields[j] = importers.Field{Text: []byte("t")}
			case 'o':
				metadata.records[i].Fields[j] = importers.Field{Kind: importers.JSON, Text: []byte(`{"a":1}`)}
			case 'e':
				metadata.records[i].Fields[j] = importers.Field{Kind: importers.JSON, Text: []byte(`{ }`)}
			}
		}
	}
	fill(0, "t----")
	fill(1, "-ott-") // three names of agents and an object that is not empty
	fill(2, "-ett-") // the object is empty
	fill(3, "-tt-o") // two names only
	var rejected []string
	rejects := func(r *importers.Reject) error { rejected = append(rejected, r.Reason); return nil }
	im := newImport(t, metadata, Options{Store: AsApp, Rejects: rejects})
	same(t, "row_number", column(t, im, tableRawRecords, "row_number"), "1", "2", "3")
	same(t, "total_records", column(t, im, tableImports, "total_records"), "3")
	if len(rejected) != 1 || !strings.Contains(rejected[0], "mappings, agent_reasoning, clarifications") {
		t.Errorf("the rejects are %q", rejected)
	}
	if s := im.Summary(); s.Dropped != 1 {
		t.Errorf("%d records were dropped, want 1", s.Dropped)
	}
	want := len(`[{"name": "a"}, {"mappings": {"a": 1}, "agent_reasoning": "b", "clarifications": "c"}, `) +
		len(`{"mappings": {}, "agent_reasoning": "b", "clarifications": "c"}, {"mappings": "a", "agent_reasoning": "b", "x": [1]}]`)
	if s := im.Summary(); s.FileSize != int64(want) {
		t.Errorf("file_size is %d, want %d", s.FileSize, want)
	}

	_, err := New(t.Context(), listOf(importers.FormatCSV, "a|undefined", "1|2"), Options{Store: AsApp, Tenant: tenantOf()})
	if !errors.Is(err, ErrEmpty) {
		t.Errorf("a header of undefined: %v, want ErrEmpty", err)
	}
	if im := newImport(t, listOf(importers.FormatCSV, "a|undefined", "1|2"), Options{Store: AsMapped}); im.Summary().Records != 1 {
		t.Error("as mapped, nothing is dropped")
	}
}

func TestStages(t *testing.T) {
	t.Parallel()
	l := listOf(importers.FormatCSV, "hostname", "a")
	var names []string
	im := newImport(t, l, Options{Until: Stored})
	for _, tb := range im.Tables(t.Context()) {
		names = append(names, tb.Relation.Name)
		for _, c := range tb.Relation.Columns {
			if slices.Contains([]string{"cleansed_data", "is_processed", "data_cleansing_completed", "approved_by"}, c.Name) {
				t.Errorf("%s: %s is given, and the cleansing comes later", tb.Relation.Name, c.Name)
			}
		}
		if tb.Relation.Name == tableRawRecords && slices.ContainsFunc(tb.Relation.Columns, func(c evidence.Column) bool { return c.Name == "master_flow_id" }) {
			t.Error("raw_import_records.master_flow_id is given, and it is null at the insert (fact sheet 1.5)")
		}
	}
	same(t, "tables until stored", names, tableMasterFlows, tableImports, tableRawRecords, tableFlows)
	im = newImport(t, l, Options{Until: Mapped})
	same(t, "status of mappings before the approval", column(t, im, tableMappings, "status"), "suggested")
	im = newImport(t, l, Options{Until: Assets})
	same(t, "status of mappings after the approval", column(t, im, tableMappings, "status"), "approved")
}

func TestNobodyImported(t *testing.T) {
	t.Parallel()
	im := newImport(t, listOf(importers.FormatCSV, "hostname", "a"), Options{Tenant: Tenant{ClientAccount: demoClient, Engagement: demoEngagement}})
	same(t, "imported_by", column(t, im, tableImports, "imported_by"), "33333333-3333-3333-3333-333333333333")
	same(t, "user_id of the master flow", column(t, im, tableMasterFlows, "user_id"), "system")
}

func TestState(t *testing.T) {
	t.Parallel()
	l := listOf(importers.FormatCSV, "a", "1")
	same(t, "without the rows", column(t, newImport(t, l, Options{}), tableMasterFlows, "flow_persistence_data"),
		`{"data_import_id": "`+newImport(t, l, Options{}).IDs().Import.String()+`"}`)
	im := newImport(t, l, Options{State: true})
	im.content.Size = maxState + 1
	im.summary.Notes = nil
	im.decideState()
	if s := im.Summary(); s.State || len(s.Notes) != 1 || !strings.Contains(s.Notes[0], "no copy of the rows") {
		t.Errorf("a state that is too long: %+v", s)
	}

	// Of numbers jsonb takes more than their digits.
	im = newImport(t, listOf(importers.FormatJSON, "a", `{"a":[1,2,3]}`, `{"a":4}`), Options{State: true})
	if im.values != 4 { // two commas, and one for each record
		t.Errorf("%d values, want 4", im.values)
	}
	im.content.Size = maxState - 4*numberInJSONB + 1
	if im.decideState(); im.stateful {
		t.Error("a state of numbers that is too long is written")
	}
	im.content.Size--
	if im.decideState(); !im.stateful {
		t.Error("a state that fits is not written")
	}

	im.content.Size = 1 << 31
	im.decideState()
	same(t, "a size that the column does not hold", column(t, im, tableImports, "file_size"), "NULL")
	if notes := im.Summary().Notes; !strings.Contains(notes[len(notes)-1], "file_size stays empty") {
		t.Errorf("notes are %q", notes)
	}
}

func TestMadeIDs(t *testing.T) {
	t.Parallel()
	base := func() *fixed { return listOf(importers.FormatCSV, "hostname", "a", "b") }
	ids := func(l *fixed, tenant Tenant) []string {
		im := newImport(t, l, Options{Tenant: tenant})
		list := []string{im.ids.Import.String(), im.ids.Flow.String()}
		for _, table := range []string{tableMasterFlows, tableRawRecords, tableMappings, tableFlows, tableAssets} {
			list = append(list, column(t, im, table, "id")...)
		}
		return list
	}
	first := ids(base(), tenantOf())
	same(t, "made twice", ids(base(), tenantOf()), first...)
	sorted := slices.Compact(slices.Sorted(slices.Values(first)))
	if len(sorted) != len(first) {
		t.Errorf("of %d ids only %d are different: %q", len(first), len(sorted), first)
	}
	// They never change: an import of an older version of the program must be found again. Python's uuid5 says the same.
	if want := "ccb2e0a9-af24-561d-a410-01237a7573e3"; first[0] != want {
		t.Errorf("the import's id is %s, and was %s", first[0], want)
	}
	other := tenantOf()
	other.Engagement = uuid.MustParse("99999999-2222-2222-2222-222222222222")
	content, part := base(), base()
	content.head.Source.SHA256 = [32]byte{8}
	part.head.Part = "Sheet2"
	for what, list := range map[string][]string{
		"another engagement": ids(base(), other), "another content": ids(content, tenantOf()), "another sheet": ids(part, tenantOf()),
	} {
		for i, id := range list {
			if slices.Contains(first, id) {
				t.Errorf("%s: id %d is %s again", what, i, id)
			}
		}
	}
	if _, err := New(t.Context(), &fixed{head: importers.Head{Source: &importers.Source{}, Header: []string{"a"}}}, Options{}); err == nil {
		t.Error("a source without a hash is taken")
	}
}
