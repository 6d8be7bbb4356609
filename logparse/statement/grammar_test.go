package statement

import (
	"encoding/json"
	"errors"
	"slices"
	"sort"
	"strings"
	"testing"

	"github.com/wasilibs/go-pgquery/parser"
)

// The tests here that ask the grammar run one after the other: at the same time, each would load it for itself.

// constantsOf lists the constants that the grammar itself sees in a text, in their order.
func constantsOf(t *testing.T, sql string) []string {
	t.Helper()
	text, err := parser.ParseToJSON(sql)
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	var tree any
	if err := json.Unmarshal([]byte(text), &tree); err != nil {
		t.Fatal(err)
	}
	found := make(map[int]string)
	collect(tree, found)
	var places []int
	for place := range found {
		places = append(places, place)
	}
	sort.Ints(places)
	var list []string
	for _, place := range places {
		list = append(list, found[place])
	}
	return list
}

func collect(tree any, found map[int]string) {
	switch tree := tree.(type) {
	case []any:
		for _, item := range tree {
			collect(item, found)
		}
	case map[string]any:
		if constant, ok := tree["A_Const"].(map[string]any); ok {
			place, _ := constant["location"].(float64)
			if value, ok := constant["sval"].(map[string]any); ok {
				text, _ := value["sval"].(string)
				found[int(place)] = text
			}
			if value, ok := constant["fval"].(map[string]any); ok {
				text, _ := value["fval"].(string)
				found[int(place)] = numberText(strings.TrimPrefix(text, "-"))
			}
			if value, ok := constant["ival"].(map[string]any); ok {
				number, _ := value["ival"].(float64)
				digits, _ := json.Marshal(max(number, -number))
				found[int(place)] = string(digits)
			}
		}
		for _, item := range tree {
			collect(item, found)
		}
	}
}

func TestTheNormalisersConstantsAreThoseOfTheGrammar(t *testing.T) {
	for _, sql := range []string{
		`select 'a', E'b\n\x41\'', U&'\0061', $$c'$$, $t$ $$ $t$, N'd', 1, 2.50, 1e3, .5, 0x1F, 1_000, -7, - 8`,
		"insert into t values (1, 'it''s', null), (2, 'b' -- x '\n , true) /* 'no' /* 9 */ */",
		`update t set a = 'x'::varchar(3), b = "c'1" || 'y' where c = $1 and d = -1 and e@>'{}' and f->>'k' = 'v' and g=-2`,
		`delete from t where a in (1,2,3) and b between 'x' and 'y' and c like E'%\\_'`,
		`select a$1, "1", x.y, 1. from t_1 limit 5 offset 6`,
	} {
		list, err := tokens(sql)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, token := range list {
			switch text := sql[token.start:token.end]; token.kind {
			case tokenString:
				got = append(got, stringText(text))
			case tokenNumber:
				got = append(got, numberText(text))
			}
		}
		if want := constantsOf(t, sql); !slices.Equal(got, want) {
			t.Errorf("%s\n     got %q\ngrammar %q", sql, got, want)
		}
	}
}

// nested are statements that nest n deep, each in a way of its own.
func nested(n int) []string {
	wrap := func(before, inside, after string) string {
		return "delete from t where " + strings.Repeat(before, n) + inside + strings.Repeat(after, n)
	}
	return []string{
		wrap("(", "a", ")"),
		wrap("f(", "a", ")"),
		wrap("(select ", "a", ")"),
		wrap("case when a then ", "b", " end"),
		wrap("array[", "a", "]"),
		wrap("a or (b and ", "c", ")"),
		wrap("not a in (select ", "c", ")"),
		wrap("(select ", "a", " + 1 + 1)"),
		wrap("f(g, ", "a", ", b) || 1 || 2"),
		"insert into t values " + strings.Repeat("(", n) + "1" + strings.Repeat(")", n),
	}
}

func chained(n int) []string {
	return []string{
		"delete from t where a" + strings.Repeat(" + 1", n),
		"delete from t where a" + strings.Repeat(" operator(pg_catalog.+) 1", n),
		"delete from t where " + strings.Repeat("not ", n) + "a",
		"delete from t where " + strings.Repeat("- ", n) + "a",
		"delete from t where a" + strings.Repeat("::int", n),
		"delete from t where a" + strings.Repeat("[1]", n),
		"delete from t where a" + strings.Repeat(" is null", n),
		"insert into t select 1" + strings.Repeat(" union select 1", n),
		"insert into t select 1 from a" + strings.Repeat(" join b on true", n),
	}
}

// What the module cannot take must not reach it: its stack is small, and nothing survives its end.
func TestWhatNestsTooDeepIsRefused(t *testing.T) {
	p := NewParser()
	for _, sql := range append(nested(maxNesting-1), chained(maxHeight-3)...) {
		if _, err := p.Parse(sql, nil); errors.Is(err, ErrTooDeep) {
			t.Errorf("%.60s: %v", sql, err)
		}
	}
	for _, sql := range append(nested(100000), chained(100000)...) {
		if s, err := p.Parse(sql, nil); !errors.Is(err, ErrTooDeep) && !errors.Is(err, ErrCut) {
			t.Errorf("%.60s: %v", sql, err)
		} else if s.Verb == "" {
			t.Errorf("%.60s: the first words are lost", sql)
		}
	}
	bulk := "update t set a = (case" + strings.Repeat(" when (t.id = 1) then 'x'", 1000) + " else null end)::text where t.id in (1" + strings.Repeat(", 2", 1000) + ")"
	if s, err := p.Parse(bulk, nil); err != nil || len(s.Keys) != 1 || len(s.Keys[0].Tuples) != 1001 {
		t.Errorf("many rows in one CASE: %v", err)
	}
	long := "delete from t where id in (1" + strings.Repeat(",1", 1<<20) + ")"
	if _, err := p.Parse(long, nil); !errors.Is(err, ErrTooDeep) {
		t.Errorf("a long list: %v", err)
	}
}

func TestStatementsWithoutRowsDoNotLoadTheGrammar(t *testing.T) {
	t.Parallel()
	p := NewParser()
	for _, sql := range []string{"BEGIN", "commit", "SELECT * FROM t WHERE a = 'x'", "SET a = 1", "", "VACUUM t", "create table t (a int)", "do $$ begin end $$"} {
		if s, err := p.Parse(sql, nil); err != nil || s.Template != "" {
			t.Errorf("%s: %v", sql, err)
		}
	}
	if p.Templates() != 0 {
		t.Errorf("the grammar was asked %d times", p.Templates())
	}
}

func TestEachTemplateIsParsedOnce(t *testing.T) {
	p := NewParser()
	for _, sql := range []string{
		"insert into t (a, b) values (1, 'x')", "insert into t (a, b) values ('y', NULL)", "insert into t (a, b) values ($1, $2), (-3, DEFAULT), (true, E'\\n')",
		"insert into t (a,b)\nvalues\n(2, 'z') -- comment",
	} {
		s, err := p.Parse(sql, nil)
		if err != nil || len(s.Rows) == 0 || len(s.Rows[0]) != 2 {
			t.Errorf("%s: %+v, %v", sql, s, err)
		}
	}
	if p.Templates() != 1 {
		t.Errorf("%d templates, want 1", p.Templates())
	}
}

func FuzzParse(f *testing.F) {
	for _, sql := range append(nested(3), chained(3)...) {
		f.Add(sql)
	}
	f.Add("insert into t (a, b) values (1, 'x'), ($1, -2.5::int), (now(), array[1]) on conflict do nothing returning a")
	f.Add("with d as (delete from t where a = 1 returning *) update s.t x set (a, b) = (1, 'c') where x.id in (1, 2) and x.c = any ('{1}')")
	f.Add("copy t (a) from stdin with (format csv, null 'x')")
	f.Add("insert into t select p0::int from (values (1, 2)) as i(p0, p1)")
	f.Add("drop table a.b, c; truncate t; execute p(1, 'a')")
	p := NewParser()
	f.Fuzz(func(t *testing.T, sql string) {
		for _, part := range Split(sql) {
			s, err := p.Parse(part, nil)
			if s == nil {
				t.Fatal("no statement")
			}
			for _, row := range s.Rows {
				for i := range row {
					if (row[i].Reason != "") != (row[i].State == 2) {
						t.Fatalf("%s: %+v, %v", part, row[i], err)
					}
				}
			}
		}
	})
}

func BenchmarkParse(b *testing.B) {
	p := NewParser()
	sql := "INSERT INTO app.assets (id, name, ip, cpu, notes, created_at) VALUES ('6a1b0c9e-0000-4000-8000-00000000000a', 'web 01', '10.0.0.1', 16, 'it''s here', now()) RETURNING id"
	if _, err := p.Parse(sql, nil); err != nil { // loads the grammar
		b.Fatal(err)
	}
	b.SetBytes(int64(len(sql)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := p.Parse(sql, nil); err != nil {
			b.Fatal(err)
		}
	}
}
