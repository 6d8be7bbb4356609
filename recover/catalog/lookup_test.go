package catalog_test

import (
	"bytes"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/pgrescue/pgrescue/recover/catalog"
	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/pg"
)

// sample is a snapshot with names that are hard to find.
func sample() *catalog.Snapshot {
	file := func(n pg.RelFileNumber) pg.RelFileLocator {
		return pg.RelFileLocator{Tablespace: pg.DefaultTablespace, Database: 5, Relation: n}
	}
	number := catalog.Attribute{Number: 1, Name: "id", Type: 23, TypeMod: -1, Len: 4, Align: "i", NotNull: true, Missing: []byte{1, 2, 0xFF}}
	return &catalog.Snapshot{
		Format: catalog.SnapshotFormat, Version: 15, SystemIdentifier: 1<<63 + 1, TakenFrom: "/data",
		Control: &catalog.ControlState{State: "shut down", CleanShutdown: true, Redo: 0x100000028, Timeline: 3, NextXID: 1<<32 + 7, SegmentSize: 1 << 24},
		Databases: []catalog.Database{{
			OID: 5, Name: "app", Tablespace: pg.DefaultTablespace, Encoding: "UTF8", Version: 15,
			Relations: []catalog.Relation{
				{OID: 100, Schema: "public", Name: "bookmarks", Kind: "r", File: file(100), Toast: 101, Attributes: []catalog.Attribute{number}, PrimaryKey: []int16{1}},
				{OID: 101, Schema: "pg_toast", Name: "pg_toast_100", Kind: "t", File: file(101)},
				{OID: 110, Schema: "audit", Name: "bookmarks", Kind: "r", File: file(111), FormerFiles: []pg.RelFileLocator{file(110), file(100)}},
				{OID: 120, Schema: "audit", Name: "events", Kind: "p"},
				{OID: 121, Schema: "other", Name: "events", Kind: "r", File: file(121)},
				{OID: 130, Schema: "Схема", Name: `Таб"лица.1`, Kind: "r", File: file(130)},
				{OID: 140, Schema: "public", Name: "Users", Kind: "r", File: file(140)},
			},
			Types: []catalog.Type{{OID: 16500, Schema: "public", Name: "mood", Len: 4, Align: "i", Kind: "e", Category: "E", Delimiter: ",", Labels: []catalog.EnumLabel{{OID: 16502, Label: "так <себе>"}}}},
		}},
	}
}

func TestTable(t *testing.T) {
	t.Parallel()
	db := &sample().Databases[0]
	for _, test := range []struct {
		name string
		want pg.OID // 0: an error
		text string // part of the error
	}{
		{"bookmarks", 100, ""},
		{"BookMarks", 100, ""},
		{"public.bookmarks", 100, ""},
		{"audit.bookmarks", 110, ""},
		{`"audit"."bookmarks"`, 110, ""},
		{`"Схема"."Таб""лица.1"`, 130, ""},
		{`"Таб""лица.1"`, 130, ""},
		{"Users", 140, ""},
		{`"Users"`, 140, ""},
		{"pg_toast.pg_toast_100", 101, ""},
		{"events", 0, "ambiguous: audit.events, other.events"},
		{"other.events", 121, ""},
		{"bookmark", 0, "close to it: audit.bookmarks, public.bookmarks"},
		{"audit.boookmarks", 0, "close to it: audit.bookmarks, public.bookmarks"},
		{`"BOOKMARKS"`, 0, "close to it: audit.bookmarks"},
		{"users2", 0, `close to it: public."Users"`},
		{"pg_toast_100", 0, "not found"},
		{"", 0, "empty"},
		{"a.b.c", 0, "3 parts"},
		{`"a`, 0, "quote"},
		{`"a"b`, 0, "unexpected"},
		{"public.", 0, "empty"},
	} {
		rel, err := db.Table(test.name)
		switch {
		case test.want != 0 && (err != nil || rel.OID != test.want):
			t.Errorf("%s: got %v, %v; want %d", test.name, rel, err, test.want)
		case test.want == 0 && (err == nil || !strings.Contains(err.Error(), test.text)):
			t.Errorf("%s: got %v, want an error with %q", test.name, err, test.text)
		}
	}
	_, err := db.Table("qqqqqqqq")
	var detailed *evidence.Error
	if !errors.Is(err, catalog.ErrNotFound) || !errors.As(err, &detailed) || !strings.Contains(detailed.Hint, "none of the 6 names") {
		t.Errorf("nothing near: got %v", err)
	}
	if _, err := db.Table("events"); !errors.Is(err, catalog.ErrAmbiguous) {
		t.Errorf("ambiguous: got %v", err)
	}
}

func TestDatabase(t *testing.T) {
	t.Parallel()
	s := sample()
	for _, name := range []string{"app", ""} {
		if db, err := s.Database(name); err != nil || db.OID != 5 {
			t.Errorf("%q: got %v, %v", name, db, err)
		}
	}
	if _, err := s.Database("ap"); !errors.Is(err, catalog.ErrNotFound) || !strings.Contains(err.Error(), "app") {
		t.Errorf("unknown: got %v", err)
	}
	s.Databases = append(s.Databases, catalog.Database{Name: "second"})
	if _, err := s.Database(""); !errors.Is(err, catalog.ErrAmbiguous) {
		t.Errorf("two databases and no name: got %v", err)
	}
}

func TestIndex(t *testing.T) {
	t.Parallel()
	s := sample()
	index := catalog.NewIndex(s)
	for number, want := range map[pg.RelFileNumber]pg.OID{100: 100, 101: 101, 110: 110, 111: 110, 130: 130, 999: 0, 0: 0} {
		_, rel, ok := index.ByFile(pg.RelFileLocator{Tablespace: pg.DefaultTablespace, Database: 5, Relation: number})
		if ok != (want != 0) || ok && rel.OID != want {
			t.Errorf("file %d: got %v, want %d", number, rel, want)
		}
	}
	relations := s.Databases[0].Relations
	if owner, ok := index.Owner(&relations[1]); !ok || owner != &relations[0] {
		t.Errorf("owner of the TOAST relation: got %v", owner)
	}
	if _, ok := index.Owner(&relations[0]); ok {
		t.Error("a table has no owner")
	}
}

func TestSnapshotFile(t *testing.T) {
	t.Parallel()
	var file bytes.Buffer
	if err := sample().Save(&file); err != nil {
		t.Fatal(err)
	}
	text := file.String()
	got, err := catalog.Load(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, sample()) {
		t.Errorf("got %+v", got)
	}
	for _, test := range []struct{ name, from, to, want string }{
		{"newer format", `"format": 1`, `"format": 2`, "format is 2"},
		{"no format", `"format": 1`, `"from": 1`, "no format number"},
		{"not JSON", `{`, `x`, "not a JSON object"},
		{"cut", `]`, ``, "invalid"},
		{"impossible length", `"len": 4`, `"len": -3`, "impossible length -3"},
		{"impossible alignment", `"align": "i"`, `"align": "q"`, `alignment "q"`},
		{"columns out of order", `"number": 1`, `"number": 2`, "column 1 has the number 2"},
		{"key without column", `"primary_key": [`, `"primary_key": [9,`, "names column 9"},
		{"bad LSN", `"redo": "1/28"`, `"redo": "x"`, "parse LSN"},
	} {
		changed := strings.Replace(text, test.from, test.to, 1)
		if changed == text {
			t.Errorf("%s: nothing to change", test.name)
		}
		if _, err := catalog.Load(strings.NewReader(changed)); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v, want %q", test.name, err, test.want)
		}
	}
	added := strings.Replace(text, `"format": 1`, `"format": 1, "of_a_later_version": {"x": [1]}`, 1)
	if _, err := catalog.Load(strings.NewReader(added)); err != nil {
		t.Errorf("a field added later must not harm: %v", err)
	}
}
