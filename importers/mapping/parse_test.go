package mapping

import (
	"errors"
	"strings"
	"testing"

	"github.com/pgrescue/pgrescue/recover/evidence"
)

// lead is the least that a profile needs before its columns.
const lead = "profile: p\ntable: s.t\n"

func TestParseErrorsNameTheLine(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ text, place, want, hint string }{
		{"", "p.yaml", "it is empty", "import profile show"},
		{"# nothing\n", "p.yaml", "it is empty", ""},
		{"- a\n", "p.yaml:1", "the profile is not a list of keys with values", ""},
		{"just words\n", "p.yaml:1", "the profile is not a list of keys", ""},
		{"table: t\ncolumns: {a: }\n", "p.yaml:1", "it has no name", "profile: NAME"},
		{"profile: p\ncolumns: {a: }\n", "p.yaml:1", "it names no table", "table:"},
		{lead, "p.yaml:1", "it has no columns", ""},
		{lead + "column: {}\n", "p.yaml:3", `the profile has no key "column"`, "columns"},
		{lead + "columns:\n  a:\n    synonym: [b]\n", "p.yaml:5", `column a has no key "synonym"`, "synonyms"},
		{lead + "columns:\n  a:\n  b:\n  a:\n", "p.yaml:6", "", ""},
		{lead + "columns:\n  a: [x\n", "p.yaml:4", "not YAML: ", ""},
		{lead + "columns:\n\ta: x\n", "p.yaml:4", "not YAML: ", ""},
		{lead + "---\nprofile: q\n", "p.yaml:4", "it holds a second document", "one file is one profile"},
		{"profile: p\ntable: a.b.c\ncolumns: {a: }\n", "p.yaml:2", "names no table", "schema.table"},
		{lead + "columns:\n  a:\n    convert: [trim, shout]\n", "p.yaml:5", `there is no conversion "shout"`, "trim, lower"},
		{lead + "columns:\n  a:\n    convert: [{trim: 1}]\n", "p.yaml:5", "the conversion trim takes nothing", ""},
		{lead + "columns:\n  a:\n    convert: [unit]\n", "p.yaml:5", "the conversion unit needs more than its name", ""},
		{lead + "columns:\n  a:\n    convert: [{unit: {GB: many}}]\n", "p.yaml:5", "the factor of the unit GB is no number above 0", "1/1024"},
		{lead + "columns:\n  a:\n    convert: [{unit: {GB: 1/0}}]\n", "p.yaml:5", "the factor of the unit GB", ""},
		{lead + "columns:\n  a:\n    convert: [{date: DD/MM}]\n", "p.yaml:5", `the format "DD/MM" lacks the year`, "YYYY"},
		{lead + "columns:\n  a:\n    convert: [{date: DD/MM/YYYY DD}]\n", "p.yaml:5", "has DD twice", ""},
		{lead + "columns:\n  a:\n    convert: [{date: YYYY-MM-DD HH12}]\n", "p.yaml:5", "needs HH12 and AM together", ""},
		{lead + "columns:\n  a:\n    convert: [{timestamp: {zone: CET}}]\n", "p.yaml:5", `zone is "CET"`, ""},
		{lead + "columns:\n  a:\n    convert: [{thousands: \"1\"}]\n", "p.yaml:5", "want one mark", ""},
		{lead + "columns:\n  a:\n    convert: [{lookup: {else: keep}}]\n", "p.yaml:5", "lookup has no words", ""},
		{lead + "columns:\n  a:\n    convert: [{lookup: {words: {a: b}, else: drop}}]\n", "p.yaml:5", `else is "drop"`, ""},
		{lead + "columns:\n  a:\n    default: \"{b\"\n", "p.yaml:5", "has a { without a column and a }", ""},
		{lead + "columns:\n  a:\n    value: x\n    default: y\n", "p.yaml:4", "can never count", ""},
		{lead + "columns:\n  a:\n    optional: maybe\n", "p.yaml:5", "want true or false", ""},
		{lead + "columns:\n  a:\n    on_failure: drop\n", "p.yaml:5", "want refuse or null", ""},
		{lead + "columns:\n  a:\n    nulls: [null]\n", "p.yaml:5", "nulls holds something that is no text", ""},
		{lead + "columns:\n  a:\n    synonyms: {b: 1.5}\n", "p.yaml:5", "the confidence of b", "up to 1"},
		{lead + "columns:\n  a:\n    synonyms: {b: NaN}\n", "p.yaml:5", "the confidence of b", ""},
		{lead + "columns:\n  a:\n    synonyms: [b]\n  c:\n    synonyms:\n      - B\n", "p.yaml:8", `the synonym "B" of c is one of a too, in line 4`, "or:"},
		{lead + "columns:\n  a:\n    synonyms: [c]\n  c:\n", "p.yaml:5", "is the name of a column of the profile", ""},
		{lead + "columns:\n  a:\n    synonyms: [\"??\"]\n", "p.yaml:5", "neither letter nor digit", ""},
		{lead + "keys: [[]]\ncolumns: {a: }\n", "p.yaml:3", "a key names no columns", ""},
		{lead + "keys:\n  - {column: [a]}\ncolumns: {a: }\n", "p.yaml:4", `a key has no key "column"`, "columns, with, without"},
		{lead + "given: [a]\ncolumns:\n  a:\n", "p.yaml:5", "column a is one of given: too", ""},
		{lead + "headers: loose\ncolumns: {a: }\n", "p.yaml:3", "want exact or folded", ""},
		{lead + "columns: {a: }\nas_app:\n  table: x\n  columns: {a: }\n", "p.yaml:5", `as_app has no key "table"`, ""},
		{lead + "columns: {a: *x}\n", "p.yaml:3", "", ""},
		{lead + "columns: &x {a: }\n", "p.yaml:3", "", ""},
		{lead + "columns:\n  <<: {a: }\n", "p.yaml:4", "", ""},
		{strings.Repeat("#", MaxProfile+1), "p.yaml", "a profile has at most", ""},
	} {
		_, err := Parse("p.yaml", []byte(test.text))
		var e *evidence.Error
		if !errors.As(err, &e) || !errors.Is(err, ErrProfile) {
			t.Errorf("%.80q: %v, want an error of a profile", test.text, err)
			continue
		}
		if e.Place != test.place || !strings.Contains(e.Err.Error(), test.want) || !strings.Contains(e.Hint, test.hint) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%.80q: %v (hint %q), want %s … %s (hint %q)", test.text, err, e.Hint, test.place, test.want, test.hint)
		}
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	p := parse(t, lead+`skip: [ignored]
unmapped: extra
keys:
  - [a, nowhere]
  - {columns: [nowhere], with: [deleted_at]}
columns:
  a:
    convert: date
  b:
    synonyms: [ignored]
    default: much too long
  c:
    default: twelve
  d:
    convert: [{lookup: {words: {x: 1, y: z}}}]
  e:
  gone:
  later: {optional: true}
  f:
    default: "{nobody}"
  g:
    value: "2024-01-15"
as_app:
  columns:
    c: {value: eleven}
given: [tenant]
`)
	columns := []Column{
		{Name: "a", Type: "integer"},
		{Name: "b", Type: "character varying(5)"},
		{Name: "c", Type: "integer"},
		{Name: "d", Type: "integer"},
		{Name: "e", Type: "text", Generated: true},
		{Name: "f", Type: "text"},
		{Name: "g", Type: "date"},
		{Name: "extra", Type: "boolean"},
		{Name: "id", Type: "uuid", NotNull: true},
		{Name: "tenant", Type: "uuid", NotNull: true},
		{Name: "number", Type: "bigint", NotNull: true, Identity: 'a'},
	}
	var got []string
	for _, problem := range p.Check(columns) {
		line := problem.String()
		if problem.Fatal {
			line = "! " + line
		}
		got = append(got, line)
	}
	want := []string{
		"! line 10: column a: the conversion date makes nothing that integer takes",
		`line 12: column b: the synonym "ignored" never counts, because skip: has it`,
		`! line 13: column b: "much too long": has 13 characters, and the column takes 5`,
		`! line 15: column c: "twelve": "twelve" is no number`,
		`! line 17: column d: "z": "z" is no number`,
		"! line 18: column e: is generated, and takes no values",
		"line 19: column gone: the table does not have it; what would go there is unmapped",
		`line 22: column f: "{nobody}" never counts, because the profile has no column nobody`,
		"! column extra: takes the unmapped fields as a JSON object, and its type is boolean",
		"line 6: the key (a, nowhere) does not count, because the table has no column nowhere",
		"column id: is NOT NULL without a default, and the profile does not have it",
		`! line 27: column c: "eleven": "eleven" is no number`,
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestDraft(t *testing.T) {
	t.Parallel()
	d := Draft{
		Name: "Hosts\n#1", Table: evidence.RelationName{Database: "shop", Schema: "Inventory", Name: "hosts"}, Source: "hosts\n.csv",
		Columns: []Column{
			{Name: "id", Type: "bigint", NotNull: true, Identity: 'd'},
			{Name: "host name", Type: "character varying(64)", NotNull: true},
			{Name: "null", Type: "text"},
			{Name: "size", Type: "integer", HasDefault: true},
			{Name: "sum", Type: "integer", Generated: true},
		},
		Keys: [][]string{{"id"}}, Header: []string{"ID", "host_name", "sizes", "weird: \"x\"\n"},
	}
	want := `# A profile that takes hosts .csv into "Inventory".hosts. ` + "`pgrescue import profile show --help`" + ` explains the keys.
profile: "Hosts\n#1"
table: "\"Inventory\".hosts"
nulls: [""]
keep_quoted: true
keys:
  - [id]
columns:
  id: # bigint, NOT NULL, identity
  "host name": # character varying(64), NOT NULL
  "null": # text
  size: # integer, has a default
    # synonyms: [sizes] # suggested, likeness 0.96
  # sum is generated
# no column for the header "weird: \"x\"\n"
`
	if got := string(d.Text()); got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
	p := parse(t, string(d.Text()))
	if got := told(mapped(t, p, d.Header, MapOptions{Columns: d.Columns})); !strings.HasPrefix(got, "ID=id exact; host_name=host name exact; sizes=UNMAPPED") {
		t.Error(got)
	}
	if p.Table != (evidence.RelationName{Schema: "Inventory", Name: "hosts"}) || p.Name != "Hosts\n#1" {
		t.Errorf("%+v, %q", p.Table, p.Name)
	}
	of, err := OfTable(d.Table, d.Columns)
	if err != nil {
		t.Fatal(err)
	}
	if got := told(mapped(t, of, []string{"ID", "id", "host name"}, MapOptions{Columns: d.Columns})); got != "id=id exact; host name=host name exact; ID=UNMAPPED" {
		t.Error(got)
	}
}
