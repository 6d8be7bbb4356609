package mapping

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/pgrescue/pgrescue/importers"
	"github.com/pgrescue/pgrescue/recover/evidence"
)

// FuzzConversions puts any text through any conversion for any type. What comes out must go through the strict
// conversion of the type unchanged in meaning, and fit it; what is refused must have a reason.
func FuzzConversions(f *testing.F) {
	var mappings []*Mapping
	for _, typ := range serverTypes() {
		for _, convert := range everyConversion() {
			mappings = append(mappings, (&conversionCase{convert: convert, typ: typ}).mappingOf(f))
		}
	}
	for i, text := range oddTexts() {
		f.Add(text, uint16(i*7), uint8(i%7))
	}
	f.Fuzz(func(t *testing.T, text string, which uint16, fieldKind uint8) {
		m := mappings[int(which)%len(mappings)]
		typ := m.Targets[0].Type
		rec := &importers.Record{Fields: []importers.Field{{Kind: importers.Kind(fieldKind % 7), Text: []byte(text), Reason: "none"}}}
		if rec.Fields[0].Kind == importers.JSON && !strings.HasPrefix(text, "{") { // no other JSON comes from a reader
			rec.Fields[0].Kind = importers.Text
		}
		values, refused := m.Row(nil, rec)
		if refused != nil {
			if refused.Reason == "" || refused.Column != "x" || !utf8.ValidString(refused.Reason) && utf8.ValidString(text) {
				t.Errorf("refused: %+v", refused)
			}
			return
		}
		v := values[0]
		if v.State == evidence.Unknown && v.Reason == "" || v.State == evidence.Known && v.Text == nil {
			t.Fatalf("%+v", v)
		}
		k := kindOf(typ)
		if v.State != evidence.Known || !promises(&m.plans[0], k) {
			return
		}
		limit := k.fitOf()
		if bad := limit.check(v.Text); bad != nil {
			t.Errorf("%q does not fit %s: %s", v.Text, typ, bad.reason)
		}
		if check, ok := k.strict(); ok && !strings.Contains(string(v.Text), "NaN") && !strings.Contains(string(v.Text), "Infinity") {
			s := step{op: check, kind: k}
			var buf []byte
			if again, bad := s.apply(v.Text, importers.Text, &buf); bad != nil {
				t.Errorf("%q is no %s: %s", v.Text, typ, bad.reason)
			} else if check == opDate && string(again) != string(v.Text) {
				t.Errorf("%q becomes %q", v.Text, again)
			}
		}
	})
}

// FuzzParse gives any text to Parse. What is a profile must be one that can be checked and mapped.
func FuzzParse(f *testing.F) {
	f.Add(plain)
	f.Add(hosts)
	f.Add(lead + "as_app:\n  columns: {a: {convert: [{date: [YYYYMMDD]}]}}\ncolumns: {a: }\n")
	columns := []Column{{Name: "name", Type: "text"}, {Name: "a", Type: "date", NotNull: true}, {Name: "extra", Type: "json"}}
	f.Fuzz(func(t *testing.T, text string) {
		p, err := Parse("fuzz.yaml", []byte(text))
		if err != nil {
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("the error has more than one line: %q", err)
			}
			return
		}
		p.Check(columns)
		for _, opts := range []MapOptions{{}, {Columns: columns}} {
			for _, profile := range []*Profile{p, p.AsApp()} {
				if profile == nil {
					continue
				}
				m, err := profile.Map([]string{"name", "a", "B", "id"}, opts)
				if err != nil {
					t.Fatal(err)
				}
				m.Row(nil, record("x", "2024-01-15", "16 GB", ""))
			}
		}
	})
}

// FuzzDraft writes a profile of any names, which must be read as what it was written from.
func FuzzDraft(f *testing.F) {
	f.Add("name", "a: b", "x #y", `"`)
	f.Add("null", "~", "&a", "*a")
	f.Add("yes", "\u2028", "\x85", "- a")
	f.Fuzz(func(t *testing.T, name, first, second, header string) {
		for _, text := range []string{name, first, second, header} {
			if !utf8.ValidString(text) || text == "" || strings.ContainsRune(text, 0) {
				return // PostgreSQL has no such names
			}
		}
		if first == second {
			return
		}
		d := Draft{Name: name, Table: evidence.RelationName{Schema: first, Name: second}, Header: []string{header}, Source: header, Keys: [][]string{{first}}}
		d.Columns = []Column{{Name: first, Type: "text"}, {Name: second, Type: header}}
		p, err := Parse("draft", d.Text())
		if err != nil {
			t.Fatalf("%v\n%s", err, d.Text())
		}
		if p.Name != name || p.Columns[0].Column != first || p.Columns[1].Column != second || p.Table != d.Table || p.Keys[0].Columns[0] != first {
			t.Errorf("%+v\n%s", p, d.Text())
		}
	})
}
