package restore

import (
	"slices"
	"strings"
	"testing"

	"github.com/pgrescue/pgrescue/recover/casefile"
	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster/clustertest"
)

// TestPlanOfAnotherEncoding: the bytes of a database in LATIN1 go to one in UTF8.
func TestPlanOfAnotherEncoding(t *testing.T) {
	t.Parallel()
	server := clustertest.Start(t, cluster.Options{})
	clustertest.Exec(t, server, "postgres", "CREATE TABLE t (k text PRIMARY KEY, v text)", "INSERT INTO t VALUES ('é', 'ü')")
	c := newCase(t)
	rel := relation("public.t: k text key, v text")
	for line, row := range [][]string{{"\xe9", "\xfc"}, {"\xe8", "\xff"}} {
		table, err := c.run.Table(casefile.Table{Relation: rel, Encoding: "LATIN1"})
		if err != nil {
			t.Fatal(err)
		}
		if err := table.Put(&evidence.Row{Relation: rel, Values: texts(row...), Provenance: evidence.Provenance{Route: evidence.RouteDump, Confidence: evidence.Derived, Source: "d", Line: int64(line + 1)}}); err != nil {
			t.Fatal(err)
		}
	}
	plan := c.makePlan(t, server, Options{})
	got := c.rowsOf(t, plan, "public.t")
	slices.Sort(got)
	if !slices.Equal(got, []string{`equal ("é", "ü")`, `insert ("è", "ÿ")`}) {
		t.Errorf("rows %q", got)
	}
}

// constraintCase is a table of the target, rows of the case, and what a plan makes of them.
type constraintCase struct {
	name    string
	version string
	sql     []string
	rel     string
	rows    [][]string
	want    []string
	note    string // of the table
}

// uniqueCases are about values that rows must not have in common.
func uniqueCases() []constraintCase {
	return []constraintCase{
		{
			name: "exclusion",
			sql: []string{
				"CREATE TABLE t (id int PRIMARY KEY, r int4range, EXCLUDE USING gist (r WITH &&) WHERE (id < 100))", "INSERT INTO t VALUES (1, '[1,5)')",
			},
			rel: "public.t: id integer key, r int4range", rows: [][]string{{"2", "[4,6)"}, {"3", "[5,7)"}, {"101", "[1,2)"}},
			want: []string{
				`insert ("101", "[1,2)")`, `blocked ("2", "[4,6)") | exclusion constraint t_r_excl: the target has a row with ("[4,6)"), (1)`, `insert ("3", "[5,7)")`,
			},
		},
		{
			name: "nulls are equal", sql: []string{"CREATE TABLE t (id int PRIMARY KEY, a text, b int, UNIQUE NULLS NOT DISTINCT (a, b))", "INSERT INTO t VALUES (1, NULL, 1)"},
			rel: "public.t: id integer key, a text, b integer", rows: [][]string{{"2", `\N`, "1"}, {"3", `\N`, "2"}, {"4", `\N`, "2"}, {"5", `\N`, `\N`}},
			want: []string{
				`blocked ("2", NULL, "1") | unique index t_a_b_key: the target has a row with (NULL, "1"), (1)`, `insert ("3", NULL, "2")`,
				`blocked ("4", NULL, "2") | unique index t_a_b_key: row 2 of this plan has (NULL, "2") too`, `insert ("5", NULL, NULL)`,
			},
		},
		{
			name: "nulls are different", version: "13", sql: []string{"CREATE TABLE t (id int PRIMARY KEY, a text UNIQUE DEFERRABLE)", "INSERT INTO t VALUES (1, NULL), (2, 'x')"},
			rel: "public.t: id integer key, a text", rows: [][]string{{"3", `\N`}, {"4", `\N`}, {"5", "x"}},
			want: []string{`insert ("3", NULL)`, `insert ("4", NULL)`, `blocked ("5", "x") | unique index t_a_key…`},
		},
		{
			name: "one key in the target's type", sql: []string{"CREATE TABLE t (id numeric PRIMARY KEY)", "INSERT INTO t VALUES (7.00)"},
			rel: "public.t: id numeric key", rows: [][]string{{"1"}, {"1.0"}, {"7.0"}},
			want: []string{`insert ("1")`, `blocked ("1.0") | row 1 of this plan has the same key…`, `conflict ("7.0") was ("7.00")…`},
		},
		{
			name: "no primary key, a unique index", sql: []string{"CREATE TABLE t (a text, b int NOT NULL, c int NOT NULL)", "CREATE UNIQUE INDEX ON t (c, b)", "CREATE UNIQUE INDEX ON t (a)", "INSERT INTO t VALUES ('x', 1, 1)"},
			rel: "public.t: a text, b integer, c integer", rows: [][]string{{"y", "2", "1"}, {"x", "3", "1"}},
			want: []string{`insert ("y", "2", "1")`, `blocked ("x", "3", "1") | unique index t_a_idx…`},
		},
		{
			name: "no default", sql: []string{"CREATE TABLE t (id int PRIMARY KEY, added int NOT NULL)"},
			rel: "public.t: id integer key", rows: [][]string{{"1"}},
			want: []string{`blocked ("1") | column added was added since, must not be NULL, and has no default`},
		},
	}
}

// definitionCases are about what else a table's definition asks for.
func definitionCases() []constraintCase {
	return []constraintCase{
		{
			name: "a check with a default", sql: []string{"CREATE TABLE t (id int PRIMARY KEY, added int DEFAULT 5, at timestamptz DEFAULT now(), CHECK (id > added), CHECK (at IS NOT NULL OR id > 0))"},
			rel: "public.t: id integer key", rows: [][]string{{"4"}, {"6"}},
			want: []string{`blocked ("4") | it violates the check t_check`, `insert ("6")`}, note: "column at was added since: new rows get now()",
		},
		{
			name: "a check on the whole row", sql: []string{
				"CREATE TABLE t (id int PRIMARY KEY, CHECK (id <> 9))", "CREATE FUNCTION f(t) RETURNS bool LANGUAGE sql AS 'SELECT true'", "ALTER TABLE t ADD CHECK (f(t))",
			},
			rel: "public.t: id integer key", rows: [][]string{{"8"}, {"9"}},
			want: []string{`insert ("8")`, `blocked ("9") | it violates the check t_id_check`}, note: "check t_check is left to the server when rows go in",
		},
		{
			name: "an index on an expression over a generated column", sql: []string{
				"CREATE TABLE t (id int PRIMARY KEY, v text, g text GENERATED ALWAYS AS (lower(v)) STORED)", "CREATE UNIQUE INDEX i ON t ((g || '!'))", "INSERT INTO t VALUES (1, 'ABC')",
			},
			rel: "public.t: id integer key, v text", rows: [][]string{{"2", "abc"}, {"3", "abd"}},
			want: []string{`blocked ("2", "abc") | unique index i: the target has a row with ("abc!"), (1)`, `insert ("3", "abd")`},
		},
		{
			name: "a dropped column within the table", sql: []string{"CREATE TABLE t (a int, gone int, b text, id int PRIMARY KEY)", "ALTER TABLE t DROP gone"},
			rel: "public.t: id integer key, gone integer, b text, a integer", rows: [][]string{{"1", "2", "b,\"\\", "3"}},
			want: []string{`insert ("3", "b,\"\\", "1")`}, note: "column gone is gone",
		},
		{
			name: "identity and serial", version: "18", sql: []string{"CREATE TABLE t (id int GENERATED BY DEFAULT AS IDENTITY (INCREMENT -1) PRIMARY KEY, n serial, g int GENERATED ALWAYS AS (n * 2) VIRTUAL CHECK (g <> 22))"},
			rel: "public.t: id integer key, n integer, g integer", rows: [][]string{{"-5", "9", "18"}, {"-4", "10", "20"}, {"-3", "11", "22"}},
			want: []string{`blocked ("-3", "11") | it violates the check t_g_check`, `insert ("-4", "10")`, `insert ("-5", "9")`},
		},
		{
			name: "key over periods", version: "18", sql: []string{
				"CREATE EXTENSION btree_gist", "CREATE TABLE t (id int, at daterange, PRIMARY KEY (id, at WITHOUT OVERLAPS))", "INSERT INTO t VALUES (1, '[2026-01-01,2026-02-01)')",
			},
			rel: "public.t: id integer key, at daterange key", rows: [][]string{{"1", "[2026-01-15,2026-03-01)"}, {"2", "[2026-01-15,2026-03-01)"}},
			want: []string{`blocked ("1", "[2026-01-15,2026-03-01)") | exclusion constraint t_pkey…`, `insert ("2", "[2026-01-15,2026-03-01)")`},
		},
	}
}

func TestPlanOfConstraints(t *testing.T) {
	t.Parallel()
	servers := map[string]*cluster.Cluster{}
	for _, version := range []string{"13", "15", "18"} {
		servers[version] = clustertest.Start(t, cluster.Options{Version: version})
	}
	for n, test := range append(uniqueCases(), definitionCases()...) {
		if test.version == "" {
			test.version = "15"
		}
		server := servers[test.version]
		clustertest.Exec(t, server, "postgres", "DROP TABLE IF EXISTS t CASCADE")
		clustertest.Exec(t, server, "postgres", test.sql...)
		c := newCase(t)
		rel := relation(test.rel)
		for _, row := range test.rows {
			c.lost(t, rel, row...)
		}
		plan, err := c.tryPlan(t, server, Options{})
		if err != nil {
			t.Errorf("%d %s: %v", n, test.name, err)
			continue
		}
		t.Log(test.name)
		c.expect(t, plan, "public.t", test.want...)
		if test.note != "" && !slices.ContainsFunc(plan.Tables[0].Notes, func(note string) bool { return strings.HasPrefix(note, test.note) }) {
			t.Errorf("%s: notes %q", test.name, plan.Tables[0].Notes)
		}
		if test.name == "identity and serial" {
			want := []SequencePlan{{"public.t_id_seq", "id", -5, true}, {"public.t_n_seq", "n", 10, false}}
			if !slices.Equal(plan.Tables[0].Sequences, want) {
				t.Errorf("sequences %+v", plan.Tables[0].Sequences)
			}
		}
	}
}
