package mapping

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/pgrescue/pgrescue/importers"
	"github.com/pgrescue/pgrescue/recover/evidence"
)

const hosts = `profile: hosts
table: t
skip: ["_*", id]
identifiers: [ci_id, id]
given: [tenant]
unmapped: {column: extra, headers: [last_updated]}
columns:
  hostname:
    synonyms: [host_name, host]
  os_version:
  serial_number: {optional: true}
  os_name:
    synonyms: [os]
  asset_id:
  asset_tag:
`

// told prints all that a mapping says of a header.
func told(m *Mapping) string {
	var lines []string
	for _, f := range m.Fields {
		lines = append(lines, fmt.Sprintf("%s=%s %s", f.Header, f.Target, f.How))
	}
	for _, i := range m.Unmapped {
		lines = append(lines, m.Header[i]+"=UNMAPPED")
	}
	for _, i := range m.Skipped {
		lines = append(lines, m.Header[i]+" skipped")
	}
	for _, c := range m.Clashes {
		lines = append(lines, fmt.Sprintf("%s wants %s, which %s has", c.Header, c.Target, c.Taker))
	}
	for _, s := range m.Suggestions {
		lines = append(lines, fmt.Sprintf("%s like %s %.2f", s.Header, s.Target, s.Likeness))
	}
	return strings.Join(lines, "; ")
}

func TestMap(t *testing.T) {
	t.Parallel()
	p := parse(t, hosts)
	for _, test := range []struct {
		name   string
		header string
		opts   MapOptions
		want   string
	}{
		{"folded", "HOST NAME|OS-Version|osVersion2", MapOptions{}, "HOST NAME=hostname synonym; OS-Version=os_version exact; osVersion2=UNMAPPED"},
		{"capitals within a word", "osVersion", MapOptions{}, "osVersion=os_version exact"},
		{"the column's own name comes first", "host|hostname", MapOptions{}, "hostname=hostname exact; host=UNMAPPED; host wants hostname, which hostname has"},
		{"the letters come before what folds to them", "HOSTNAME|hostname", MapOptions{}, "hostname=hostname exact; HOSTNAME=UNMAPPED; HOSTNAME wants hostname, which hostname has"},
		{"the profile's order decides", "host|Host Name", MapOptions{}, "Host Name=hostname synonym; host=UNMAPPED; host wants hostname, which Host Name has"},
		{"skipped", "_x|ID|hostname", MapOptions{}, "hostname=hostname exact; _x=UNMAPPED; ID=UNMAPPED; _x skipped; ID skipped"},
		{"known to have none", "Last Updated", MapOptions{}, "Last Updated=UNMAPPED"},
		{"an identifier is no column", "CI ID", MapOptions{}, "CI ID=UNMAPPED"},
		{"optional", "Serial Number", MapOptions{}, "Serial Number=UNMAPPED"},
		{"optional and there", "Serial Number", MapOptions{Columns: []Column{{Name: "serial_number"}}}, "Serial Number=serial_number exact"},
		{"not there", "hostname|os", MapOptions{Columns: []Column{{Name: "os_name"}}}, "os=os_name synonym; hostname=UNMAPPED"},
		{"generated", "os_name", MapOptions{Columns: []Column{{Name: "os_name", Generated: true}}}, "os_name=UNMAPPED"},
		{"named", "a|host", MapOptions{Named: map[string]string{"a": "hostname"}}, "a=hostname named; host=UNMAPPED; host wants hostname, which a has"},
		{"named for none", "host", MapOptions{Named: map[string]string{"host": UNMAPPED}}, "host=UNMAPPED"},
		{"named though skipped", "id", MapOptions{Named: map[string]string{"id": "asset_id"}}, "id=asset_id named"},
		{"named for a column that only the table has", "a", MapOptions{Named: map[string]string{"a": "rack"}, Columns: []Column{{Name: "rack"}}}, "a=rack named"},
		// Likeness misleads: it is told, and never done.
		{"S/N", "S/N", MapOptions{Columns: []Column{{Name: "serial_number"}}}, "S/N=UNMAPPED"},
		{"OS by its synonym", "OS", MapOptions{}, "OS=os_name synonym"},
		{"asset", "asset", MapOptions{}, "asset=UNMAPPED; asset like asset_id 0.93"},
		{"a suggestion leaves out what is taken", "hostname|hostnames", MapOptions{}, "hostname=hostname exact; hostnames=UNMAPPED"},
	} {
		m := mapped(t, p, strings.Split(test.header, "|"), test.opts)
		if got := told(m); got != test.want {
			t.Errorf("%s: %s\nwant %s", test.name, got, test.want)
		}
	}
}

func TestNamedWrongly(t *testing.T) {
	t.Parallel()
	p := parse(t, hosts)
	for _, test := range []struct {
		named   map[string]string
		columns []Column
		kind    error
		hint    string
	}{
		{map[string]string{"b": "hostname"}, nil, ErrNoHeader, "the headers are: a, host"},
		{map[string]string{"a": "rack"}, nil, ErrNoColumn, "give --dsn or --catalog"},
		{map[string]string{"a": "rack"}, []Column{{Name: "hostname"}, {Name: "sum", Generated: true}}, ErrNoColumn, "the columns are: hostname"},
		{map[string]string{"a": "sum"}, []Column{{Name: "sum", Generated: true}}, ErrNoColumn, ""},
		{map[string]string{"a": "hostname", "host": "hostname"}, nil, ErrTwice, ""},
		{map[string]string{"a": "tenant"}, []Column{{Name: "tenant"}}, ErrFilled, "the import path fills the column itself"},
		{map[string]string{"a": "extra"}, []Column{{Name: "extra"}}, ErrFilled, "takes all fields that no other takes"},
	} {
		_, err := p.Map([]string{"a", "host"}, MapOptions{Named: test.named, Columns: test.columns})
		var e *evidence.Error
		if !errors.Is(err, test.kind) || !errors.As(err, &e) || !strings.Contains(e.Hint, test.hint) {
			t.Errorf("%v: %v, want %v with the hint %q", test.named, err, test.kind, test.hint)
		}
	}
}

func TestIdentifier(t *testing.T) {
	t.Parallel()
	p := parse(t, hosts)
	for header, want := range map[string]int{"id|ci id": 1, "x|id": 1, "x": -1} {
		if m := mapped(t, p, strings.Split(header, "|"), MapOptions{}); m.Identifier != want {
			t.Errorf("%s: %d, want %d", header, m.Identifier, want)
		}
	}
}

func TestDefaults(t *testing.T) {
	t.Parallel()
	p := parse(t, `profile: d
table: t
nulls: [""]
unmapped: extra
columns:
  name:
    default: ["{host}", "{source.Display}", "Asset-{ip}", "unnamed_{record.number}"]
  label:
    default: ["{name}"]
  host:
  ip:
  status: {value: found}
  site:
    default: ["{absent}"]
`)
	m := mapped(t, p, []string{"host", "ip", "Display", "status"}, MapOptions{})
	for _, test := range []struct{ fields, want string }{
		{"web1|10.0.0.1|Web|up", "name=web1 label=web1 host=web1 ip=10.0.0.1 status=found"},
		{"|10.0.0.1| Web |up", "name=Web label=Web host=NULL ip=10.0.0.1 status=found"},
		{"|10.0.0.1||up", "name=Asset-10.0.0.1 label=Asset-10.0.0.1 host=NULL ip=10.0.0.1 status=found"},
		{"|||", "name=unnamed_7 label=unnamed_7 host=NULL ip=NULL status=found"},
	} {
		r := record(strings.Split(test.fields, "|")...)
		r.Number = 7
		got := row(t, m, r)
		var line []string
		for _, target := range m.Targets {
			if target.Name != "extra" {
				line = append(line, target.Name+"="+got[target.Name])
			}
		}
		if strings.Join(line, " ") != test.want {
			t.Errorf("%q: %s, want %s", test.fields, strings.Join(line, " "), test.want)
		}
	}
	// The site's only default can never be known, so the column is left to the table.
	if slices.ContainsFunc(m.Targets, func(target Target) bool { return target.Name == "site" }) {
		t.Error("site is a target")
	}
	// What status took from the source goes where unmapped fields go.
	if got := row(t, m, record("a", "b", "c", "up"))["extra"]; got != `{"Display": "c", "status": "up"}` {
		t.Errorf("unmapped: %s", got)
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	p := parse(t, `profile: r
table: t
nulls: [""]
columns:
  priority:
    synonyms: {urgency: {confidence: 0.85, or: criticality}}
    convert: int
  wave:
    convert: int
    on_failure: "null"
  name:
  code:
    default: ["{name}{name}"]
`)
	columns := []Column{
		{Name: "priority", Type: "integer"},
		{Name: "wave", Type: "integer"},
		{Name: "name", Type: "text", NotNull: true},
		{Name: "code", Type: "character varying(8)"},
	}
	m := mapped(t, p, []string{"urgency", "wave", "name"}, MapOptions{Columns: columns})
	for _, test := range []struct{ fields, want string }{
		{"High|1|a", `priority urgency "High" is no number [High] "urgency" may mean criticality instead: --map "urgency=criticality"`},
		{"1|1|", "name name the column is NOT NULL, and the record has nothing for it [] "},
		{"1|1|long name", "code  its default has 18 characters, and the column takes 8 [long namelong name] "},
		{"1|lots|a", ""},
		{"1|many|b", ""},
	} {
		_, refused := m.Row(nil, record(strings.Split(test.fields, "|")...))
		got := ""
		if refused != nil {
			got = fmt.Sprintf("%s %s %s [%s] %s", refused.Column, refused.Header, refused.Reason, refused.Text, refused.Hint)
		}
		if got != test.want {
			t.Errorf("%q: %s\nwant %s", test.fields, got, test.want)
		}
	}
	if losses := m.Losses(); len(losses) != 1 || losses[0].Count != 2 || losses[0].Text != "lots" || losses[0].Line != 2 {
		t.Errorf("losses: %+v", losses)
	}
	// A column that is NOT NULL and has a default is the database's own affair.
	columns[2].HasDefault = true
	m = mapped(t, p, []string{"urgency", "wave", "name"}, MapOptions{Columns: columns})
	if _, refused := m.Row(nil, record("1", "1", "")); refused != nil {
		t.Errorf("refused: %s", refused.Reason)
	}
}

func TestValueIsWithoutDefaults(t *testing.T) {
	t.Parallel()
	m := mapped(t, parse(t, plain), []string{"server", "cores"}, MapOptions{})
	for i, want := range map[string]string{"name": "NULL", "cores": "16", "level": "NULL"} {
		at := slices.IndexFunc(m.Targets, func(target Target) bool { return target.Name == i })
		v, refused := m.Value(at, record("", "16.0"))
		got := "NULL"
		if v.State == evidence.Known {
			got = string(v.Text)
		}
		if refused != nil || got != want {
			t.Errorf("%s: %s, %v, want %s", i, got, refused, want)
		}
	}
}

func TestUnmappedAsPythonPrintsIt(t *testing.T) {
	t.Parallel()
	m := mapped(t, parse(t, "profile: p\ntable: t\nunmapped: {column: x, all: true}\ncolumns: {a: }\n"), []string{"a", "ü\"", "n", "j", "m", "u"}, MapOptions{})
	rec := &importers.Record{Fields: []importers.Field{
		{Text: []byte("tab\t\u007f\\/\x01")},
		{Text: []byte("😀é\u2028")},
		{Kind: importers.Number, Text: []byte("1.10")},
		{Kind: importers.JSON, Text: []byte(`{"b":1}`)},
		{Kind: importers.Missing},
		{Kind: importers.Unknown, Reason: "#N/A"},
	}}
	want := `{"a": "tab\t\u007f\\/\u0001", "\u00fc\"": "\ud83d\ude00\u00e9\u2028", "n": 1.10, "j": {"b":1}, "u": null}`
	if got := row(t, m, rec)["x"]; got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
}
