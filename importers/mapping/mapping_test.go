package mapping

import (
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
