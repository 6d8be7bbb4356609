package statement_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/pgrescue/pgrescue/logparse/statement"
	"github.com/pgrescue/pgrescue/recover/evidence"
)

// told writes what a statement says on one line.
func told(s *statement.Statement) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %v", s.Verb, s.Tables)
	if s.Object != "" {
		fmt.Fprintf(&b, " %s %v", s.Object, s.Names)
	}
	if s.Columns != nil {
		fmt.Fprintf(&b, " (%s)", strings.Join(s.Columns, ","))
	}
	for _, row := range s.Rows {
		b.WriteString(" " + texts(row))
	}
	for _, key := range s.Keys {
		fmt.Fprintf(&b, " key %v", key.Columns)
		for _, tuple := range key.Tuples {
			b.WriteString(texts(tuple))
		}
	}
	for word, set := range map[string]bool{" exact": s.Exact && !s.Every, " every": s.Every, " cut": s.Cut} {
		if set {
			b.WriteString(word)
		}
	}
	if s.OnConflict != "" {
		b.WriteString(" on conflict " + s.OnConflict)
	}
	if s.Reason != "" {
		b.WriteString(" because " + s.Reason)
	}
	if s.Copy != nil {
		fmt.Fprintf(&b, " copy from %v %q %v", s.Copy.From, s.Copy.File, s.Copy.Options)
	}
	for _, inner := range s.Inner {
		b.WriteString(" {" + told(inner) + "}")
	}
	return b.String()
}

func texts(row []statement.Value) string {
	list := make([]string, len(row))
	for i := range row {
		switch row[i].State {
		case evidence.Null:
			list[i] = "NULL"
		case evidence.Unknown:
			list[i] = "?" + row[i].Reason
		default:
			list[i] = string(row[i].Text)
		}
	}
	return "[" + strings.Join(list, "|") + "]"
}

func TestStatementsSayWhatTheyChange(t *testing.T) {
	t.Parallel()
	p := shared()
	for _, test := range [][2]string{
		{"insert into t default values", "INSERT [t] []"},
		{"insert into t values (default, now(), current_timestamp, nextval('s'), (select 1), a || 'b', lower('X'))", "INSERT [t] [?the column's default|?now() was called|?CURRENT_TIMESTAMP of that moment|?nextval() was called|?the result of a subquery|?the result of an expression|?lower() was called]"},
		{"insert into t (a) values ('now'::timestamptz), ('x'::varchar(2)), ('long'::varchar(2))", "INSERT [t] (a) [?now cast to timestamptz, which may change it] [x] [?long cast to varchar, which may change it]"},
		{"insert into t (a, b) values (1.5::int, true::text), (2::text, interval '1' year)", "INSERT [t] (a,b) [?1.5 cast to int4, which may change it|true] [2|?1 cast to interval, which may change it]"},
		{"insert into t values ('now', 'now'::text, 'Today ')", "INSERT [t] [?'now' is the moment at which it was read, if the column holds a time|now|?'Today ' is the moment at which it was read, if the column holds a time]"},
		{"insert into t (a) select a from u", "INSERT [t] (a) because its rows come from a query"},
		{"insert into t select 1 where not exists (select 1 from t)", "INSERT [t] because its rows come from a query"},
		{"insert into t select generate_series(1, 3)", "INSERT [t] because its rows come from a query"},
		{"insert into t (a) values (1) on conflict (a) do update set b = excluded.b", "INSERT [t] (a) [1] on conflict update"},
		{"insert into t (a[1]) values (1)", "INSERT [t] (a) because column a is set in part"},
		{"insert into t values ($1, $2::uuid)", "INSERT [t] [?the log does not show parameter $1|?the log does not show parameter $2]"},
		{"insert into t values (1, 'a'), (2, 'b'), (3, 'c", "INSERT [t] [1|a] [2|b] cut"},
		{"insert into t values (1, 'a'), (2, 'b'), (3,", "INSERT [t] [1|a] [2|b] cut"},
		{"insert into t values (1), (null),", "INSERT [t] [1] [NULL] cut"},
		{"update t set a = a + 1, b = c", "UPDATE [t] (a,b) [?the result of an expression|?the value of column c] every"},
		{"update t set a = 1 from u where t.id = u.id and t.k = 3", "UPDATE [t] (a) [1] key [k][3]"},
		{"update t set a = 1 where id = 5 and b > 3", "UPDATE [t] (a) [1] key [id][5]"},
		{"update t set a = 1 where id = 5 or id = 6", "UPDATE [t] (a) [1]"},
		{"update t set a = 1 where id <> 5", "UPDATE [t] (a) [1]"},
		{"update t set a = 1 where id = null", "UPDATE [t] (a) [1]"},
		{"update t set a = 1 where id = f(2)", "UPDATE [t] (a) [1]"},
		{"delete from t where id not in (1, 2)", "DELETE [t]"},
		{"delete from t where id <> all ('{1}')", "DELETE [t]"},
		{"delete from t where id = any ('{1,\"a b\",NULL}'::text[])", "DELETE [t] key [id][1][a b] exact"},
		{"delete from t where (a, b) = (1, 'x') and c is null", "DELETE [t] key [a b][1|x] key [c][NULL] exact"},
		{"delete from t where current of c", "DELETE [t]"},
		{"delete from t using u where t.id = u.id", "DELETE [t]"},
		{"DELETE FROM Demo.\"T 1\"", "DELETE [demo.\"T 1\"] every"},
		{"with d as (delete from t where id = 1 returning *) insert into u select * from d", "INSERT [u] because its rows come from a query {DELETE [t] key [id][1] exact}"},
		{"with d as (update t set a = 2 where id = 1) select 1", "SELECT [] {UPDATE [t] (a) [2] key [id][1] exact}"},
		{"merge into t using u on t.id = u.id when matched then delete", "MERGE [t] because the log does not tell which rows it found"},
		{"truncate table a, only b.c restart identity cascade", "TRUNCATE [a b.c] every"},
		{"drop table if exists a.b, c cascade", "DROP [a.b c] table [] every"},
		{"drop schema app cascade", "DROP [] schema [app]"},
		{"drop materialized view a.v", "DROP [] materialized view [a.v]"},
		{"alter table a.b drop column c", "ALTER [a.b]"},
		{"copy a.t (x, y) from stdin with (format csv, header, null 'N')", "COPY [a.t] (x,y) because the log does not hold the rows that were copied copy from true \"\" map[format:csv header:true null:N]"},
		{"copy t to '/tmp/x' csv", "COPY [] copy from false \"/tmp/x\" map[format:csv]"},
		{"execute p(1, 'a', null)", "EXECUTE [] [1|a|NULL]"},
		{"prepare p(int) as delete from t where id = $1", "PREPARE [] {DELETE [t] key [id][?the log does not show parameter $1] exact}"},
		{"explain analyze delete from t where id = 1", "EXPLAIN [] {DELETE [t] key [id][1] exact}"},
	} {
		s, err := p.Parse(test[0], nil)
		if err != nil {
			t.Errorf("%s: %v", test[0], err)
		}
		if got := told(s); got != test[1] {
			t.Errorf("%s\n got %s\nwant %s", test[0], got, test[1])
		}
		// The first words say the same, but of WITH.
		if target, ok := statement.Target(test[0]); ok != (len(s.Tables) > 0 && !strings.HasPrefix(test[0], "with")) || (ok && target != s.Tables[0]) {
			t.Errorf("%s: the first words say %v, %v", test[0], target, ok)
		}
	}
}

func TestWhatIsNoStatementIsAnError(t *testing.T) {
	t.Parallel()
	p := shared()
	for _, sql := range []string{`DELETE FROM t WHERE status \!= 'completed'`, "insert into t", "delete from t where a = '", "update t set a = 'x", "delete from \x00", "insert into t values ('cut"} {
		s, err := p.Parse(sql, nil)
		if err == nil || len(s.Rows) > 0 || len(s.Keys) > 0 || s.Every {
			t.Errorf("%s: %s, %v", sql, told(s), err)
		}
		if s.Verb == "" {
			t.Errorf("%s: the verb is lost", sql)
		}
	}
	if _, err := p.Parse("delete from t where a = '", nil); !errors.Is(err, statement.ErrCut) {
		t.Errorf("a cut statement: %v", err)
	}
}

func TestWhatExecuteRuns(t *testing.T) {
	t.Parallel()
	p := shared()
	detail := "prepare: PREPARE q AS SELECT 1; PREPARE p(int, text) AS INSERT INTO t (a, b, c) VALUES ($1, $2, $3); PREPARE r AS DELETE FROM u;"
	s, err := p.ParseExecuted("EXECUTE p(7, 'it''s', now())", detail)
	if got, want := told(s), "INSERT [t] (a,b,c) [7|it's|?now() was called]"; err != nil || got != want {
		t.Errorf("got %s, %v, want %s", got, err, want)
	}
	s, err = p.ParseExecuted("EXECUTE p(true, true, true)", "prepare: PREPARE p(bool, text) AS INSERT INTO t (a, b, c) VALUES ($1, $2, $3::text)")
	if got, want := told(s), "INSERT [t] (a,b,c) [t|true|true]"; err != nil || got != want {
		t.Errorf("got %s, %v, want %s", got, err, want)
	}
	for _, sql := range []string{"EXECUTE q", "EXECUTE other(1)", "DELETE FROM t"} {
		if s, err := p.ParseExecuted(sql, detail); err == nil {
			t.Errorf("%s runs %s", sql, told(s))
		}
	}
	if _, err := p.ParseExecuted("EXECUTE p(1)", "parameters: $1 = '1'"); err == nil {
		t.Error("EXECUTE without its PREPARE is known")
	}
}
