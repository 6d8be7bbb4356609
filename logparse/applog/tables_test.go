package applog

import (
	"errors"
	"maps"
	"strings"
	"testing"

	"github.com/pgrescue/pgrescue/logparse"
	"github.com/pgrescue/pgrescue/recover/evidence"
)

// withTables is a pack whose table is changed by the tests below. Its table begins on line 9.
const withTables = `pack: a
patterns:
  - name: b
    match: 'Rows: {n} of {i}'
    fields: {n: int, i: uuid}
    proves: rows
    format: JSON
tables:
  - table: s.t
    of: record
    patterns: [b]
    rows: [x.y]
    number: 1
    key: [id]
    same: [r]
    counts: {field: n, patterns: [b]}
    columns:
      - {name: id, type: uuid, field: i}
      - {name: r, position: true}
      - {name: j, row: true}
      - {name: k, record: [k, K]}
      - {name: l, text: "{id:8} {n}"}
      - {name: m, unknown: never, when: n}
`

// TestTablesAreChecked: an error tells the line and the reason.
func TestTablesAreChecked(t *testing.T) {
	t.Parallel()
	if pack, err := ParsePack("a.yaml", strings.NewReader(withTables)); err != nil || len(pack.Tables) != 1 || len(pack.Tables[0].Columns) != 6 {
		t.Fatalf("%+v, %v", pack, err)
	}
	for _, test := range []struct{ from, to, want string }{
		{"table: s.t", "table: ''", `line 9: table 1, "": it is no name of a table`},
		{"table: s.t", "table: a.b.c", `line 9: table 1, "a.b.c": it is no name`},
		{"of: record", "of: rows", `line 9: table 1, "s.t": it is made of none of [import`},
		{"of: record", "of: asset", "rows is for rows that are made of [record]"},
		{"of: record", "of: import", "line 19: table 1, \"s.t\": column \"r\": row and position are for"},
		{"of: record", "of: message", "number is for rows that are made of [record]"},
		{"of: record", "of: flow", "ids does not tell the field"},
		{"of: record", "of: record\n    ids: [n]", "ids is for rows that are made of [flow]"},
		{"of: record", "of: record\n    where: {n: 1}", "where is for rows that are made of [message]"},
		{"of: record", "of: record\n    named: [k]", "named is for rows that are made of [asset]"},
		{"of: record", "of: record\n    gone: true", "gone is for messages"},
		{"of: record\n    patterns: [b]", "of: message", "says of which patterns"},
		{"patterns: [b]\n    rows", "patterns: [c]\n    rows", `patterns has a pattern "c", which the pack has not`},
		{"number: 1", "number: -1", "number is below 1"},
		{"key: [id]", "key: [z]", `its key has a column "z"`},
		{"same: [r]", "same: [z]", `its key has a column "z"`},
		{"{field: n, patterns: [b]}", "{field: z, patterns: [b]}", `counts has a field "z"`},
		{"{field: n, patterns: [b]}", "{field: n}", "counts has no patterns"},
		{"name: id,", "name: '',", "line 18: table 1, \"s.t\": column \"\": it has no name"},
		{"name: r,", "name: id,", `line 19: table 1, "s.t": column "id": another one has this name`},
		{"position: true", "position: true, row: true", "it has 2 of field, body"},
		{"row: true", "type: json", "it has 0 of field, body"},
		{"field: i}", "field: z}", `line 18: table 1, "s.t": column "id": no pattern has a field "z"`},
		{"{id:8} {n}", "{id:0}", "does not end as {column}"},
		{"{id:8} {n}", "{id", "does not end as {column}"},
		{"{id:8} {n}", "{m}", `its text names "m", which is no column before it`},
		{"unknown: never", "text: never", "when is for what is unknown"},
		{"row: true", "row: true, last: true", "last and from are for fields"},
		{"row: true", "row: true, from: [b]", "last and from are for fields"},
		{"field: i}", "field: i, from: [z]}", `from has a pattern "z"`},
		{"when: n", "when: z", `no pattern has a field "z"`},
		{"row: true", "rows: true", "a.yaml:20"},
		{"proves: rows", "proves: truth", `line 3: pattern 1, "b": proves is none of`},
		{withTables[strings.Index(withTables, "    columns:"):], "", "it has no columns"},
	} {
		_, err := ParsePack("a.yaml", strings.NewReader(strings.Replace(withTables, test.from, test.to, 1)))
		if err == nil || !strings.Contains(err.Error(), test.want) || !errors.Is(err, ErrPack) {
			t.Errorf("%s: %v, want %q", test.to, err, test.want)
		}
	}
}

// TestDiscoveryTables: all tables of the import path that a log can tell of are in the pack.
func TestDiscoveryTables(t *testing.T) {
	t.Parallel()
	of := make(map[string]bool)
	for _, table := range discoveryPack(t).Tables {
		of[table.relation().String()] = of[table.relation().String()] || !table.Gone
	}
	want := map[string]bool{
		"migration.data_imports": true, "migration.raw_import_records": true, "migration.crewai_flow_state_extensions": true,
		"migration.import_field_mappings": true, "migration.discovery_flows": true, "migration.assets": true,
	}
	if !maps.Equal(of, want) {
		t.Errorf("%v", of)
	}
}

// FuzzRows: whatever the messages and the pack, each row has a value and an origin for each column, and what is unknown has
// a reason.
func FuzzRows(f *testing.F) {
	f.Add(withTables, anImport(client, imported, flow, "2")+"DEBUG: Raw request body: "+bodyOfTwo+"\n"+committed(imported, "2")+ofAssets)
	f.Add(withTables, "First record sample: {'a': [REDACTED]'b': UUID('"+asset+"')}\nRows: 7 of "+imported)
	f.Add("tables: [{table: t, of: message, patterns: [b], columns: [{name: a, field: n}]}]", "Rows: 7 of x")
	discovery := discoveryPack(f)
	f.Fuzz(func(t *testing.T, document, text string) {
		packs := []*Pack{discovery}
		if own, err := ParsePack("own.yaml", strings.NewReader(document)); err == nil {
			packs = append(packs, own)
		}
		for _, pack := range packs {
			rows := NewRows(pack, RowsOptions{Uncommitted: len(text)%2 == 0})
			var match Match
			for line := range strings.Lines(text) {
				entry := &logparse.Entry{Message: []byte(strings.ReplaceAll(line, `\n`, "\n"))}
				if pack.Match(entry, &match) {
					rows.Add(entry, &match)
				}
			}
			err := rows.Put(sinkOf(func(row *evidence.Row) error {
				if len(row.Values) != len(row.Relation.Columns) || len(row.Origins) != len(row.Values) {
					t.Errorf("%+v", row)
				}
				for _, value := range row.Values {
					if value.State == evidence.Unknown && value.Reason == "" || value.State == evidence.Known && value.Reason != "" {
						t.Errorf("%+v", value)
					}
				}
				return nil
			}))
			if err != nil {
				t.Error(err)
			}
			rows.Counts()
		}
	})
}
