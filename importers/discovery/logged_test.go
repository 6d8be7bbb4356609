package discovery

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/pgrescue/pgrescue/importers"
	"github.com/pgrescue/pgrescue/recover/evidence"
)

// loggedRows are the rows of an import as logs may claim them: of some tables, and only some columns.
func loggedRows(t *testing.T, im *Import, columns map[string][]string) []evidence.Row {
	t.Helper()
	var rows []evidence.Row
	line := int64(100)
	for _, tb := range im.Tables(t.Context()) {
		names, logged := columns[tb.Relation.Name]
		for row, err := range tb.Rows {
			if err != nil {
				t.Fatal(err)
			}
			if !logged {
				continue
			}
			claimed := row.Clone()
			line++
			claimed.Provenance = evidence.Provenance{Route: evidence.RouteLogs, Confidence: evidence.Claimed, Source: "backend.log", Line: line}
			for i := range claimed.Values {
				if names != nil && !slices.Contains(names, tb.Relation.Columns[i].Name) {
					claimed.Values[i] = evidence.Value{State: evidence.Unknown, Reason: "no message tells it"}
				}
			}
			rows = append(rows, claimed)
		}
	}
	return rows
}

func importedRows(t *testing.T, im *Import) []evidence.Row {
	t.Helper()
	var rows []evidence.Row
	for _, tb := range im.Tables(t.Context()) {
		for row, err := range tb.Rows {
			if err != nil {
				t.Fatal(err)
			}
			if row.Route != evidence.RouteImport {
				t.Fatalf("a row of an import has the route %q", row.Route)
			}
			rows = append(rows, row.Clone())
		}
	}
	return rows
}

// printRows prints rows without where they are from.
func printRows(t *testing.T, rows []evidence.Row) string {
	t.Helper()
	var b strings.Builder
	w, err := evidence.NewWriter(evidence.FormatJSONL, &b)
	if err != nil {
		t.Fatal(err)
	}
	for i := range rows {
		row := rows[i]
		row.Origins = nil
		if err := w.Put(&row); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func hear(t *testing.T, l *LoggedIDs, rows []evidence.Row) {
	t.Helper()
	for i := range rows {
		if err := l.Put(&rows[i]); err != nil {
			t.Fatal(err)
		}
	}
}

// what a log of the incident's time tells of an import.
func fewColumns() map[string][]string {
	return map[string][]string{
		tableImports:     {"id", "client_account_id", "engagement_id", "master_flow_id", "total_records", "file_size"},
		tableMasterFlows: {"flow_id", "client_account_id", "engagement_id"},
		tableFlows:       {"flow_id", "master_flow_id", "client_account_id", "engagement_id", "data_import_id"},
		tableAssets:      {"id", "client_account_id", "engagement_id", "name"},
	}
}

// TestLoggedIDsTakeThePlaceOfMadeOnes: an import made ids, and then logs tell those that the application gave.
func TestLoggedIDsTakeThePlaceOfMadeOnes(t *testing.T) {
	t.Parallel()
	app := newApplication()
	ids, _, _ := app.Import(Content{})
	for _, store := range []Store{AsApp, AsMapped} {
		was := newImport(t, hosts(), Options{Known: app, State: true, Store: store})
		made := newImport(t, hosts(), Options{State: true, Store: store, Now: ids.Time})
		rows := importedRows(t, made)
		l := NewLoggedIDs()
		all := make(map[string][]string)
		for _, name := range Names() {
			all[name] = nil // every column
		}
		hear(t, l, loggedRows(t, was, all))
		hear(t, l, rows)
		matches := l.Match()
		if len(matches) != 1 || matches[0].Logged != app.importID || matches[0].By != "the number of records and the file's name and the size and the header" {
			t.Fatalf("%s: %+v", store, matches)
		}
		for i := range rows {
			before := rows[i].Clone()
			changed := l.Rewrite(&rows[i])
			for j := range rows[i].Values {
				is := string(rows[i].Values[j].Text) != string(before.Values[j].Text)
				if is != (rows[i].Origins != nil && rows[i].Origins[j].Source == "backend.log" && rows[i].Origins[j].Line > 100) {
					t.Errorf("%s: %s.%s: %q, %+v", store, rows[i].Relation.Name, rows[i].Relation.Columns[j].Name, rows[i].Values[j].Text, rows[i].Origins)
				}
			}
			if l.Rewrite(&rows[i]) || changed != (rows[i].Origins != nil) {
				t.Errorf("%s: a row changes twice, or has changed and does not say so", store)
			}
		}
		if got, want := printRows(t, rows), printRows(t, importedRows(t, was)); got != want {
			t.Errorf("%s: the rows are\n%s\nwant\n%s", store, got, want)
		}
	}
}

// TestLoggedIDsOfWhatLogsTell: they tell no ids of raw records, and those stay.
func TestLoggedIDsOfWhatLogsTell(t *testing.T) {
	t.Parallel()
	app := newApplication()
	was, made := newImport(t, hosts(), Options{Known: app}), newImport(t, hosts(), Options{})
	rows := importedRows(t, made)
	l := NewLoggedIDs()
	hear(t, l, loggedRows(t, was, fewColumns()))
	hear(t, l, rows)
	matches := l.Match()
	if len(matches) != 1 || matches[0].Logged != app.importID || matches[0].IDs != 5 || matches[0].By != "the number of records and the size" {
		t.Fatalf("%+v", matches)
	}
	for i := range rows {
		l.Rewrite(&rows[i])
	}
	text, raw := printRows(t, rows), printRows(t, importedRows(t, made))
	for _, id := range []string{made.ids.Import.String(), made.ids.Flow.String(), made.ids.Flow.String()[:8], column(t, made, tableAssets, "id")[0]} {
		if strings.Contains(text, id) || !strings.Contains(raw, id) {
			t.Errorf("%s is in the rows still, or was not", id)
		}
	}
	for _, id := range append(column(t, made, tableRawRecords, "id"), column(t, was, tableAssets, "id")...) {
		if !strings.Contains(text, id) {
			t.Errorf("%s is not in the rows", id)
		}
	}
}

// TestWhichLoggedImport: what may be several, or of which too little is told, is not taken.
func TestWhichLoggedImport(t *testing.T) {
	t.Parallel()
	made := newImport(t, hosts(), Options{State: true})
	other := newApplication()
	few := fewColumns()
	without := func(column string) map[string][]string {
		left := make(map[string][]string)
		for table, names := range few {
			left[table] = slices.DeleteFunc(slices.Clone(names), func(name string) bool { return name == column })
		}
		return left
	}
	longer := listOf(importers.FormatCSV, "hostname|ip_address", "a|10.0.0.1", "b|10.0.0.2", "c|10.0.0.3", "d|10.0.0.4")
	larger := listOf(importers.FormatCSV, "hostname|ip_address", "a|10.0.0.1", "b|10.0.0.2", "c|10.0.0.34")
	was := func(list importers.List, app *application, columns map[string][]string) []evidence.Row {
		return loggedRows(t, newImport(t, list, Options{Known: app}), columns)
	}
	for _, test := range []struct {
		what   string
		rows   []evidence.Row
		header []string
		by     string // or the beginning of why not
	}{
		{"nothing", nil, nil, "the logs tell of no such import"},
		{"the size", was(hosts(), other, few), nil, "the number of records and the size"},
		{"two", append(was(hosts(), other, few), was(hosts(), newApplication(), few)...), nil, "the logs tell of 2 imports like it"},
		{"no size", was(hosts(), other, without("file_size")), nil, "the logs tell too little"},
		{"no size, and the header", was(hosts(), other, without("file_size")), []string{"ip_address", "hostname"}, "the number of records and the header"},
		{"no size, and another header", was(hosts(), other, without("file_size")), []string{"name"}, "the logs tell of no such import"},
		{"another number", was(longer, other, without("file_size")), []string{"hostname", "ip_address"}, "the logs tell of no such import"},
		{"another size", was(larger, other, few), nil, "the logs tell of no such import"},
		{"no tenant", was(hosts(), other, without("client_account_id")), nil, "the logs do not tell the tenant"},
	} {
		l := NewLoggedIDs()
		hear(t, l, test.rows)
		l.Header(other.importID.String(), test.header)
		rows := importedRows(t, made)
		hear(t, l, rows)
		matches := l.Match()
		if len(matches) != 1 {
			t.Fatalf("%s: %+v", test.what, matches)
		}
		m, taken := matches[0], strings.HasPrefix(test.by, "the number")
		if taken && (m.By != test.by || m.Logged != other.importID || m.Why != "") || !taken && (m.Logged != uuid.Nil || !strings.HasPrefix(m.Why, test.by)) {
			t.Errorf("%s: %+v", test.what, m)
		}
		changed := false
		for i := range rows {
			changed = l.Rewrite(&rows[i]) || changed
		}
		if changed != taken {
			t.Errorf("%s: rows changed: %v", test.what, changed)
		}
	}
}

// TestClaimedRowsTellIDs: logs were read first, and an import takes the ids that they tell.
func TestClaimedRowsTellIDs(t *testing.T) {
	t.Parallel()
	app := newApplication()
	was := newImport(t, hosts(), Options{Known: app, Store: AsApp})
	first := map[string][]string{tableRawRecords: {"data_import_id", "client_account_id", "engagement_id", "row_number", "raw_data"}}
	noSize := fewColumns()
	noSize[tableImports] = noSize[tableImports][:5]
	noTenant := fewColumns()
	noTenant[tableImports] = []string{"id", "master_flow_id", "total_records", "file_size"}
	for _, test := range []struct {
		what   string
		rows   []evidence.Row
		choice uuid.UUID
		want   bool
		note   bool
	}{
		{"the size", loggedRows(t, was, fewColumns()), uuid.Nil, true, false},
		{"the number alone", loggedRows(t, was, noSize), uuid.Nil, false, false},
		{"the first record", append(loggedRows(t, was, noSize), loggedRows(t, was, first)[0]), uuid.Nil, true, false},
		{"no tenant", loggedRows(t, was, noTenant)[1:2], uuid.Nil, false, true},
		{"no tenant, and chosen", loggedRows(t, was, noTenant)[1:2], app.importID, true, false},
	} {
		k := FromRows(tenantOf(), Choice{Import: test.choice})
		for i := range test.rows {
			if err := k.Put(&test.rows[i]); err != nil {
				t.Fatal(err)
			}
		}
		is := newImport(t, hosts(), Options{Known: k, Store: AsApp, Now: time.Unix(0, 0)})
		if (is.ids.Import == app.importID) != test.want || (is.ids.Flow == app.flow) != test.want {
			t.Errorf("%s: the import is %v", test.what, is.ids)
		}
		if notes := k.Strangers(); (len(notes) == 1 && strings.Contains(notes[0], app.importID.String())) != test.note {
			t.Errorf("%s: %v", test.what, notes)
		}
		if len(test.rows) == 1 {
			continue // no asset
		}
		if got, want := column(t, is, tableAssets, "id"), column(t, was, tableAssets, "id"); !slices.Equal(got, want) {
			t.Errorf("%s: assets %v, want %v", test.what, got, want)
		}
	}
}
