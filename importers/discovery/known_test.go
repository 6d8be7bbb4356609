package discovery

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/pgrescue/pgrescue/importers"
	"github.com/pgrescue/pgrescue/recover/evidence"
)

// application stands for the one that imported first: it takes ids as they come, and keeps them.
type application struct {
	importID, flow uuid.UUID
	rows           map[string]uuid.UUID
}

func newApplication() *application {
	return &application{importID: uuid.New(), flow: uuid.New(), rows: map[string]uuid.UUID{}}
}

func (a *application) Import(Content) (ImportIDs, bool, error) {
	return ImportIDs{Import: a.importID, Flow: a.flow, Time: time.Date(2025, 9, 15, 20, 18, 41, 927000000, time.UTC)}, true, nil
}

func (a *application) Row(table, key string) (uuid.UUID, bool) {
	name := table + key
	if _, ok := a.rows[name]; !ok {
		a.rows[name] = uuid.New()
	}
	return a.rows[name], true
}

// teach gives Ids the rows of some tables of an import.
func teach(t *testing.T, k *Ids, im *Import, tables ...string) {
	t.Helper()
	for _, tb := range im.Tables(t.Context()) {
		if !slices.Contains(tables, tb.Relation.Name) {
			continue
		}
		for row, err := range tb.Rows {
			if err != nil {
				t.Fatal(err)
			}
			if err := k.Put(row); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func hosts() *fixed {
	return listOf(importers.FormatCSV, "hostname|ip_address", "a|10.0.0.1", "b|10.0.0.2", "c|10.0.0.3")
}

// TestSurvivors: whatever is left of an import tells its ids and its time; what nothing tells is made.
func TestSurvivors(t *testing.T) {
	t.Parallel()
	app := newApplication()
	was := newImport(t, hosts(), Options{Known: app, State: true, Store: AsApp})
	clock, _, _ := app.Import(Content{})
	madeUp := newImport(t, hosts(), Options{Store: AsApp})
	for _, test := range []struct {
		left       []string
		imp, flow  bool
		time       bool
		raw, asset bool
	}{
		{left: nil},
		{left: []string{tableImports}, imp: true, flow: true},
		{left: []string{tableMasterFlows}, imp: true, flow: true, time: true},
		{left: []string{tableFlows}, imp: true, flow: true, time: true}, // by its header and number of rows
		{left: []string{tableFlows, tableImports}, imp: true, flow: true, time: true},
		{left: []string{tableMasterFlows, tableAssets}, imp: true, flow: true, time: true, asset: true},
		{left: []string{tableAssets}, asset: true},
		{left: []string{tableRawRecords, tableImports}, imp: true, flow: true, raw: true},
		{left: Names(), imp: true, flow: true, time: true, raw: true, asset: true},
	} {
		k := FromRows(tenantOf(), Choice{})
		teach(t, k, was, test.left...)
		is := newImport(t, hosts(), Options{Known: k, State: true, Store: AsApp})
		check := func(what string, known bool, got, theirs, made any) {
			want := made
			if known {
				want = theirs
			}
			if got != want {
				t.Errorf("%v is left: %s is %v, want %v", test.left, what, got, want)
			}
		}
		check("the import", test.imp, is.ids.Import, app.importID, madeUp.ids.Import)
		check("the flow", test.flow, is.ids.Flow, app.flow, madeUp.ids.Flow)
		check("the time", test.time, is.ids.Time, clock.Time, madeUp.ids.Time)
		first := func(im *Import, table string) string { return column(t, im, table, "id")[1] }
		check("a raw record", test.raw, first(is, tableRawRecords), first(was, tableRawRecords), first(madeUp, tableRawRecords))
		check("an asset", test.asset, first(is, tableAssets), first(was, tableAssets), first(madeUp, tableAssets))
		if got := is.Summary().Known; got != test.imp {
			t.Errorf("%v is left: the import is known: %v", test.left, got)
		}
	}
}

// TestKnownImportIsTheSame: with all ids known, every row is as it was.
func TestKnownImportIsTheSame(t *testing.T) {
	t.Parallel()
	app := newApplication()
	was := newImport(t, hosts(), Options{Known: app, State: true})
	k := FromRows(tenantOf(), Choice{})
	teach(t, k, was, Names()...)
	is := newImport(t, hosts(), Options{Known: k, State: true, Now: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)})
	if a, b := print(t, was), print(t, is); a != b {
		t.Errorf("the rows were\n%s\nand are\n%s", a, b)
	}
}

func print(t *testing.T, im *Import) string {
	t.Helper()
	var b strings.Builder
	w, err := evidence.NewWriter(evidence.FormatJSONL, &b)
	if err != nil {
		t.Fatal(err)
	}
	for _, tb := range im.Tables(t.Context()) {
		for row, err := range tb.Rows {
			if err == nil {
				err = w.Put(row)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestWhichImport(t *testing.T) {
	t.Parallel()
	row := func(id, filename string, records, size int64) *evidence.Row {
		text := func(s string) evidence.Value { return evidence.Value{State: evidence.Known, Text: []byte(s)} }
		rel := &evidence.Relation{RelationName: evidence.RelationName{Name: tableImports}}
		for _, c := range []string{"id", "client_account_id", "engagement_id", "filename", "total_records", "file_size", "created_at"} {
			rel.Columns = append(rel.Columns, evidence.Column{Name: c})
		}
		r := &evidence.Row{Relation: rel, Values: []evidence.Value{
			text(id), text(demoClient.String()), text(demoEngagement.String()), text(filename), text(fmt.Sprint(records)), text(fmt.Sprint(size)), text("2025-10-01 08:00:00.5+00"),
		}}
		if records < 0 {
			r.Values[4] = evidence.Value{State: evidence.Null}
		}
		if size < 0 {
			r.Values[5] = evidence.Value{State: evidence.Unknown}
		}
		return r
	}
	const one, two = "aaaaaaaa-0000-0000-0000-000000000001", "aaaaaaaa-0000-0000-0000-000000000002"
	size := newImport(t, hosts(), Options{}).Summary().FileSize
	for _, test := range []struct {
		what   string
		rows   []*evidence.Row
		choice Choice
		want   string // id; "": none; otherwise the error has it
	}{
		{"another file", []*evidence.Row{row(one, "b.csv", 3, size)}, Choice{}, ""},
		{"another number of records", []*evidence.Row{row(one, "a.csv", 4, size)}, Choice{}, ""},
		{"the same", []*evidence.Row{row(one, "a.csv", 3, size), row(two, "a.csv", 5, size)}, Choice{}, one},
		{"a number that was never written", []*evidence.Row{row(one, "a.csv", -1, -1)}, Choice{}, one},
		{"the same twice", []*evidence.Row{row(two, "a.csv", 3, size), row(one, "a.csv", 3, size)}, Choice{}, "2 imports of \"a.csv\" with 3 records are known: " + one + ", " + two},
		{"the same twice, one chosen", []*evidence.Row{row(one, "a.csv", 3, size), row(two, "a.csv", 3, size)}, Choice{Import: uuid.MustParse(two)}, two},
		{"the same, and another is wanted", []*evidence.Row{row(one, "a.csv", 3, size)}, Choice{Another: true}, ""},
		{"another size", []*evidence.Row{row(one, "a.csv", 3, size+9)}, Choice{}, "another size than"},
		{"another size, chosen", []*evidence.Row{row(one, "a.csv", 3, size+9)}, Choice{Import: uuid.MustParse(one)}, one},
		{"another size beside the right one", []*evidence.Row{row(one, "a.csv", 3, size+9), row(two, "a.csv", 3, size)}, Choice{}, two},
		{"one that is not there", nil, Choice{Import: uuid.MustParse(two)}, "nothing is known of an import " + two},
	} {
		k := FromRows(tenantOf(), test.choice)
		for _, r := range test.rows {
			if err := k.Put(r); err != nil {
				t.Fatal(err)
			}
		}
		im, err := New(t.Context(), hosts(), Options{Tenant: tenantOf(), Known: k, Now: time.Unix(0, 0)})
		switch {
		case err != nil:
			if test.want == "" || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%s: %v, want %s", test.what, err, test.want)
			}
			if ambiguous := test.choice == (Choice{}); errors.Is(err, ErrAmbiguous) != ambiguous {
				t.Errorf("%s: %v: is it ambiguous?", test.what, err)
			}
		case test.want == "":
			if im.Summary().Known {
				t.Errorf("%s: it is %s", test.what, im.ids.Import)
			}
		case im.ids.Import.String() != test.want:
			t.Errorf("%s: it is %s, want %s", test.what, im.ids.Import, test.want)
		case !im.ids.Time.Equal(time.Date(2025, 10, 1, 8, 0, 0, 500000000, time.UTC)):
			t.Errorf("%s: the time is %s, and created_at says another", test.what, im.ids.Time)
		}
	}
}

func TestOtherTenantsTeachNothing(t *testing.T) {
	t.Parallel()
	other := tenantOf()
	other.Engagement = uuid.New()
	k := FromRows(tenantOf(), Choice{})
	teach(t, k, newImport(t, hosts(), Options{Tenant: other, Known: newApplication()}), Names()...)
	if im := newImport(t, hosts(), Options{Known: k}); im.Summary().Known {
		t.Error("the import of another engagement is taken for this one")
	}
	if _, ok := k.Row(tableAssets, "name=a"); ok {
		t.Error("an asset of another engagement is taken for this one's")
	}
}

// TestPrefer: what is in the target goes before what the case holds, which fills the gaps.
func TestPrefer(t *testing.T) {
	t.Parallel()
	before, byHand := newApplication(), newApplication()
	kept := FromRows(tenantOf(), Choice{})
	teach(t, kept, newImport(t, hosts(), Options{Known: before, Store: AsApp}), Names()...)

	// Somebody imported the file by hand in between, as far as the raw records.
	there := FromRows(tenantOf(), Choice{})
	teach(t, there, newImport(t, hosts(), Options{Known: byHand, Until: Stored, Store: AsApp}), Names()...)
	im := newImport(t, hosts(), Options{Known: Prefer(there, kept), Store: AsApp})
	if im.ids.Import != byHand.importID || im.ids.Flow != byHand.flow {
		t.Errorf("the import is %v, want the one by hand", im.ids)
	}
	raw := column(t, im, tableRawRecords, "id")
	if want, _ := byHand.Row(tableRawRecords, Key(byHand.importID, "2")); raw[1] != want.String() {
		t.Errorf("the raw record is %s, want that of the import by hand, %s", raw[1], want)
	}
	assets := column(t, im, tableAssets, "id")
	if want, _ := before.Row(tableAssets, "name=b"); assets[1] != want.String() {
		t.Errorf("the asset is %s, want the one that the case knows, %s", assets[1], want)
	}

	// Only the flow is there, and the case knows the rest.
	there = FromRows(tenantOf(), Choice{})
	teach(t, there, newImport(t, hosts(), Options{Known: before, Store: AsApp}), tableMasterFlows)
	im = newImport(t, hosts(), Options{Known: Prefer(there, nil, kept), Store: AsApp})
	raw = column(t, im, tableRawRecords, "id")
	if want, _ := before.Row(tableRawRecords, Key(before.importID, "2")); raw[1] != want.String() {
		t.Errorf("the raw record is %s, want the one that the case knows, %s", raw[1], want)
	}
	if _, _, err := Prefer(there, Known(failing{})).Import(Content{Filename: "a.csv", Records: 3}); err != nil {
		t.Errorf("what is in the target is known, and the case's doubt matters: %v", err)
	}
}

type failing struct{ preferred }

func (failing) Import(Content) (ImportIDs, bool, error) { return ImportIDs{}, false, ErrAmbiguous }

func TestTimes(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]time.Time{
		"2025-10-08T11:59:00.123456":       time.Date(2025, 10, 8, 11, 59, 0, 123456000, time.UTC),
		"2025-10-08T11:59:00":              time.Date(2025, 10, 8, 11, 59, 0, 0, time.UTC),
		"2025-10-08T11:59:00.5+00:00":      time.Date(2025, 10, 8, 11, 59, 0, 500000000, time.UTC),
		"2025-10-08 07:59:00.25-04":        time.Date(2025, 10, 8, 11, 59, 0, 250000000, time.UTC),
		"2025-10-08 13:29:00+01:30":        time.Date(2025, 10, 8, 11, 59, 0, 0, time.UTC),
		"2025-10-08T11:59:00.123456+00:00": time.Date(2025, 10, 8, 11, 59, 0, 123456000, time.UTC),
	} {
		if got, ok := parsePyTime(text); !ok || !got.Equal(want) {
			t.Errorf("%s is %s, %v, want %s", text, got, ok, want)
		}
	}
	for _, text := range []string{"", "yesterday", "2025-13-01T00:00:00"} {
		if got, ok := parsePyTime(text); ok {
			t.Errorf("%q is %s", text, got)
		}
	}
	at := time.Date(2025, 10, 8, 11, 59, 0, 123456000, time.UTC)
	same(t, "times", []string{pyTime(at), pyTime(at.Truncate(time.Second)), pgTime(at), pgTime(at.Truncate(time.Second))},
		"2025-10-08T11:59:00.123456", "2025-10-08T11:59:00", "2025-10-08 11:59:00.123456+00", "2025-10-08 11:59:00+00")
}
