package mapping

import (
	"strings"
	"testing"

	"github.com/pgrescue/pgrescue/importers"
	"github.com/pgrescue/pgrescue/recover/evidence"
)

const plain = `profile: plain
table: public.hosts
nulls: [""]
convert: trim
unmapped: extra
columns:
  name:
    synonyms: {server: 0.9}
    default: ["{ip}", unnamed]
  ip:
    nulls: ["", "n/a"]
  cores:
    convert: [trim, int]
  gb:
    convert: [trim, {unit: {GB: 1, MB: 1/1024}}, float]
  seen:
    convert: [{date: DD.MM.YYYY}]
  level:
    default: Medium
`

func parse(t testing.TB, text string) *Profile {
	t.Helper()
	p, err := Parse("test.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func mapped(t testing.TB, p *Profile, header []string, options MapOptions) *Mapping {
	t.Helper()
	m, err := p.Map(header, options)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// record is a record of texts, as CSV gives it.
func record(texts ...string) *importers.Record {
	r := &importers.Record{Number: 1, Line: 2, Offset: -1}
	for _, text := range texts {
		r.Fields = append(r.Fields, importers.Field{Kind: importers.Text, Text: []byte(text)})
	}
	return r
}

// row prints the values of a record: NULL, ? with the reason, or the text.
func row(t testing.TB, m *Mapping, r *importers.Record) map[string]string {
	t.Helper()
	values, refused := m.Row(nil, r)
	if refused != nil {
		return map[string]string{"refused": refused.Error()}
	}
	got := map[string]string{}
	for i, v := range values {
		switch v.State {
		case evidence.Known:
			got[m.Targets[i].Name] = string(v.Text)
		case evidence.Null:
			got[m.Targets[i].Name] = "NULL"
		default:
			got[m.Targets[i].Name] = "? " + v.Reason
		}
	}
	return got
}

func TestRow(t *testing.T) {
	t.Parallel()
	m := mapped(t, parse(t, plain), []string{"Server", "IP", "cores", "GB", "seen", "color"}, MapOptions{})
	got := row(t, m, record(" web1 ", "N/A", "16.0", "512 MB", "24.12.2024", "grün"))
	want := map[string]string{
		"name": "web1", "ip": "NULL", "cores": "16", "gb": "0.5", "seen": "2024-12-24", "level": "Medium",
		"extra": `{"color": "gr\u00fcn"}`,
	}
	for column, text := range want {
		if got[column] != text {
			t.Errorf("%s: %q, want %q", column, got[column], text)
		}
	}
	if len(got) != len(want) {
		t.Errorf("got %v", got)
	}
}

// quoted is a record of fields that stand in quotes, as CSV may have them.
func quoted(texts ...string) *importers.Record {
	r := record(texts...)
	for i := range r.Fields {
		r.Fields[i].Quoted = true
	}
	return r
}

// TestQuoted: what stands in quotes is a text, though it is a word for NULL, where the profile says so
// and the column is one of text. Other columns have no such text.
func TestQuoted(t *testing.T) {
	t.Parallel()
	columns := []Column{
		{Name: "a", Type: "text"}, {Name: "b", Type: "character varying(5)"}, {Name: "c", Type: "integer"}, {Name: "d", Type: "date"}, {Name: "e", Type: "bytea"}, {Name: "f", Type: "text[]"},
	}
	header := []string{"a", "b", "c", "d", "e", "f"}
	texts := []string{"", "n/a", "", "", "", ""}
	text := "profile: q\ntable: t\nnulls: [\"\", n/a]\ncolumns: {a: , b: {convert: trim}, c: , d: , e: , f: }\n"
	for _, test := range []struct {
		text string
		rec  *importers.Record
		want string
	}{
		{text, quoted(texts...), "NULL|NULL|NULL|NULL|NULL|NULL"},
		{text + "keep_quoted: true\n", record(texts...), "NULL|NULL|NULL|NULL|NULL|NULL"},
		{text + "keep_quoted: true\n", quoted(texts...), "|n/a|NULL|NULL||NULL"},
	} {
		got := row(t, mapped(t, parse(t, test.text), header, MapOptions{Columns: columns}), test.rec)
		if line := strings.Join([]string{got["a"], got["b"], got["c"], got["d"], got["e"], got["f"]}, "|"); line != test.want {
			t.Errorf("%s\ngives %s, want %s", test.text, line, test.want)
		}
	}
	of, err := OfTable(evidence.RelationName{Schema: "s", Name: "t"}, columns)
	if err != nil {
		t.Fatal(err)
	}
	if got := row(t, mapped(t, of, header, MapOptions{Columns: columns}), quoted(texts...)); got["a"] != "" || got["c"] != "NULL" {
		t.Errorf("the profile of a table gives %v", got)
	}
}

// TestEmpty: a record that has nothing for any column, whatever the defaults would make of it.
func TestEmpty(t *testing.T) {
	t.Parallel()
	header := []string{"name", "cores", "color"}
	nothing := record(" ", "", "")
	odd := record("", "", "red")
	unknown := record("", "", "")
	unknown.Fields[1].Kind = importers.Unknown
	m := mapped(t, parse(t, plain), header, MapOptions{})
	for _, test := range []struct {
		rec  *importers.Record
		want bool
	}{{nothing, true}, {odd, false}, {unknown, false}, {record("", "x", ""), false}, {&importers.Record{}, true}} {
		if got := m.Empty(test.rec); got != test.want {
			t.Errorf("%v: %v", test.rec.Fields, got)
		}
	}
	if m := mapped(t, parse(t, strings.Replace(plain, "unmapped: extra\n", "", 1)), header, MapOptions{}); !m.Empty(odd) {
		t.Error("a field that no column takes counts")
	}
	m = mapped(t, parse(t, strings.Replace(plain, "convert: trim", "keep_quoted: true", 1)), header, MapOptions{Columns: []Column{{Name: "name", Type: "text"}}})
	if !m.Empty(record("", "1", "2")) || m.Empty(quoted("", "", "")) {
		t.Error("an empty text in quotes is nothing")
	}
}
