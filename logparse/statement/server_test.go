package statement_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/pgrescue/pgrescue/logparse/statement"
	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster/clustertest"
)

const allTypes = `create type mood as enum ('sad', 'so so', 'it''s');
create schema app;
create table app.t (id int primary key, s smallint, b bigint, n numeric(20,5), f float8, ok bool, x text, v varchar(20), c char(5), raw bytea,
  d date, ts timestamp, tz timestamptz, tm time, iv interval, u uuid, j json, jb jsonb, ip inet, ints int[], texts text[], bits bit(8), m mood,
  "Odd ""name""" text, made timestamptz default now());
create table app.rebuilt (like app.t);
create table app.log (id int, what text)`

// columns are those of app.t that the statements give, all but made.
const columns = `id, s, b, n, f, ok, x, v, c, raw, d, ts, tz, tm, iv, u, j, jb, ip, ints, texts, bits, m, "Odd ""name"""`

// changes are statements whose rows stand in the text, whole.
func changes() []string {
	return []string{
		`INSERT INTO app.t (id, s, b, n, f, ok, x) VALUES (1, -1, 9007199254740993, 12.5, 1e-3, true, 'it''s; a, "text"')`,
		"insert into app.t (id, x, v, \"Odd \"\"name\"\"\") values\n\t(2, E'tab\\tand\\nline \\'q\\' \\u20ac', $$dollar 'x'$$, 'odd'), -- a comment, with 'quotes'\n\t(3, NULL, U&'d\\0061t\\+000061', null),\n\t(4, '', 'two' \n ' parts', $a$ $$ $a$)",
		`INSERT INTO app.t (id, raw, d, ts, tz, tm, iv) VALUES (5, '\x00ff', '2024-02-29', '2024-02-29 01:02:03.5', '2024-02-29 01:02:03.5+02', '23:59', '1 day 02:00'), (6, E'\\x61', date '0001-01-01', timestamp 'infinity', '2024-01-01T00:00:00Z'::timestamptz, '1:2:3'::time, interval '-1 mon')`,
		`INSERT INTO app.t (id, u, j, jb, ip, ints, texts, bits, m) VALUES (7, '6A1B0C9E-0000-4000-8000-00000000000A'::uuid, '{"a": [1, 2]}'::json, '{"b":  "c,d"}', '10.0.0.1/8', '{1,NULL,3}', '{"a,b",c}'::text[], B'10100101', 'it''s'), (8, NULL, 'null', '[]', '::1'::inet, ARRAY[1, -2], ARRAY['x,y', 'NULL', NULL, ''], X'a5', 'sad'::mood)`,
		`INSERT INTO app.t (id, n, s, b, ok) VALUES (9, 1.5e3, - 5, -(7), false), (10, -0.00001, +5, - -7, 't'), (-11, .5, 7::smallint, '12', 'no'::boolean)`,
		`INSERT INTO app.t SELECT 12, 3, 4, 5, 6, true, 'selected', 'v', 'c'`,
		`INSERT INTO app.t (id, x) SELECT p0::int, p1::text FROM (VALUES (13, 'batch', 0), (14, 'batch ''2''', 1)) AS imp_sen(p0, p1, sen_counter) ORDER BY sen_counter RETURNING app.t.id`,
		`INSERT INTO app.t (id, v, c, n) VALUES (15, 'short'::varchar(20), 'abc'::char(5), '1.25'::numeric(20,5))`,
		`UPDATE app.t SET x = 'new, ''x''', n = 2 WHERE id = 1`,
		`UPDATE app.t SET (x, v) = ('pair', NULL), ok = DEFAULT WHERE id IN (2, 3) AND v IS NOT DISTINCT FROM v`,
		`UPDATE app.t AS a SET m = 'so so' WHERE a.id = ANY ('{5,6}') AND a.raw IS NULL`,
		`UPDATE app.t SET m = 'so so' WHERE id = ANY (ARRAY[7, 8]) AND ok IS NULL`,
		`DELETE FROM app.t WHERE id = -11`,
		`DELETE FROM app.t WHERE (id, s) IN ((9, -5), (12, 99)) `,
		`delete from only app.t where 4 = id`,
	}
}

// apply does to app.rebuilt what a parsed statement says. It gives nothing where that is not known for sure.
func apply(s *statement.Statement) []string {
	var sql []string
	switch s.Verb {
	case "INSERT":
		for _, row := range s.Rows {
			names := s.Columns
			if names == nil {
				names = strings.Split(columns, ", ")[:len(row)]
			} else {
				names = quotedNames(names)
			}
			sql = append(sql, fmt.Sprintf("insert into app.rebuilt (%s) values (%s)", strings.Join(names, ", "), strings.Join(literals(row), ", ")))
		}
	case "UPDATE":
		var sets []string
		for i, name := range quotedNames(s.Columns) {
			sets = append(sets, name+" = "+literals(s.Rows[0])[i])
		}
		sql = append(sql, fmt.Sprintf("update app.rebuilt set %s where %s", strings.Join(sets, ", "), keys(s)))
	case "DELETE":
		sql = append(sql, "delete from app.rebuilt where "+keys(s))
	}
	return sql
}

func quotedNames(names []string) []string {
	quoted := make([]string, len(names))
	for i, name := range names {
		quoted[i] = `"` + strings.ReplaceAll(name, `"`, `""`) + `"`
	}
	return quoted
}

func literals(row []statement.Value) []string {
	texts := make([]string, len(row))
	for i := range row {
		texts[i] = "NULL" // of what is not known too: the test's defaults are NULL
		if row[i].State == evidence.Known {
			texts[i] = "'" + strings.ReplaceAll(string(row[i].Text), "'", "''") + "'"
		}
	}
	return texts
}

func keys(s *statement.Statement) string {
	conditions := []string{"true"}
	for _, key := range s.Keys {
		var any []string
		for _, tuple := range key.Tuples {
			var all []string
			for i, name := range quotedNames(key.Columns) {
				if tuple[i].State == evidence.Null {
					all = append(all, name+" is null")
				} else {
					all = append(all, name+" = "+literals(tuple)[i])
				}
			}
			any = append(any, "("+strings.Join(all, " and ")+")")
		}
		conditions = append(conditions, "("+strings.Join(any, " or ")+")")
	}
	return strings.Join(conditions, " and ")
}

func TestRebuiltRowsEqualThoseOfTheServer(t *testing.T) {
	t.Parallel()
	parser := shared()
	clustertest.EachVersion(t, func(t *testing.T, version string) {
		var c *cluster.Cluster
		list := logged(t, version, nil, func(running *cluster.Cluster) {
			c = running
			clustertest.Exec(t, c, "postgres", allTypes)
			clustertest.Exec(t, c, "postgres", changes()...)
			parameters(t, c)
		})
		for _, sql := range rebuild(t, parser, list) {
			clustertest.Exec(t, c, "postgres", sql)
		}
		query := "select " + columns + " from app.%s order by id"
		got := clustertest.CopyOut(t, c, "postgres", fmt.Sprintf(query, "rebuilt"))
		want := clustertest.CopyOut(t, c, "postgres", fmt.Sprintf(query, "t"))
		if got != want {
			t.Errorf("the rebuilt rows differ\n got:\n%s\nwant:\n%s", got, want)
		}
		if count := strings.Count(want, "\n"); count < 12 {
			t.Errorf("%d rows were compared", count)
		}
	})
}

// parameters changes rows by prepared statements.
func parameters(t *testing.T, c *cluster.Cluster) {
	t.Helper()
	conn, err := c.Connect(t.Context(), "postgres")
	if err != nil {
		t.Fatal(err)
	}
	run := func(sql string, values ...any) {
		if _, err := conn.Exec(t.Context(), sql, values...); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
	run("INSERT INTO app.t (id, x, raw, ints, made) VALUES ($1, $2, $3, $4, now()), ($5, $6, NULL, $7, now())", 20, "a, 'b'\nc", []byte{0, 1, 255}, []int32{1, 2}, 21, "second", nil)
	run("UPDATE app.t SET x = $2, ok = $3 WHERE id = $1", 20, nil, true)
	run("UPDATE app.t SET v = 'any' WHERE id = ANY($1::int[])", []int32{20, 21})
	run("DELETE FROM app.t WHERE id = $1", 21)
	clustertest.Exec(t, c, "postgres", // in one session
		"prepare ins(int, text, int[]) as insert into app.t (id, x, ints) values ($1, $2, $3); prepare up(int) as update app.t set ok = true where id = $1",
		"execute ins(30, 'it''s, \"executed\" ', '{1,2}')", "execute ins(-31, NULL, ARRAY[3])", "execute up(30)")
	if err := conn.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// rebuild makes statements for app.rebuilt of what the log says of app.t.
func rebuild(t *testing.T, parser *statement.Parser, entries []string) []string {
	t.Helper()
	var sql []string
	for i, entry := range entries {
		text, ok := strings.CutPrefix(entry, "LOG:  statement: ")
		if !ok && strings.HasPrefix(entry, "LOG:  execute ") {
			_, text, ok = strings.Cut(strings.TrimPrefix(entry, "LOG:  execute "), ": ")
		}
		if !ok {
			continue
		}
		detail := ""
		if i+1 < len(entries) {
			detail = strings.TrimPrefix(entries[i+1], "DETAIL:  ")
		}
		values, _ := statement.ParseParameters(detail, 0)
		for _, part := range statement.Split(text) {
			s, err := parser.Parse(part, values)
			if s.Verb == "EXECUTE" {
				s, err = parser.ParseExecuted(part, detail)
			}
			if err != nil {
				t.Errorf("%s: %v", part, err)
				continue
			}
			if len(s.Tables) != 1 || s.Tables[0].String() != "app.t" {
				continue
			}
			if s.Reason != "" {
				t.Errorf("%s: %s", part, s.Reason)
			}
			sql = append(sql, apply(s)...)
		}
	}
	return sql
}
