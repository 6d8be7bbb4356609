package statement_test

import (
	"strings"
	"testing"

	"github.com/pgrescue/pgrescue/logparse/statement"
)

// executions gives the statements of an echo, with their parameters.
func executions(t *testing.T, messages ...string) []string {
	t.Helper()
	p := shared()
	var echo statement.Echo
	var list []string
	add := func(e statement.Execution, ok bool) {
		if !ok {
			return
		}
		sets := e.Sets
		if len(sets) == 0 {
			sets = []statement.Parameters{nil}
		}
		for _, set := range sets {
			s, err := p.Parse(e.SQL, set)
			if err != nil {
				t.Errorf("%s: %v", e.SQL, err)
			}
			list = append(list, told(s))
		}
		if e.Missing > 0 {
			list = append(list, "and "+strings.Repeat("i", e.Missing)+" more")
		}
	}
	for _, message := range messages {
		add(echo.Take(message))
	}
	add(echo.Flush())
	return list
}

func TestEchoOfSQLAlchemy(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name     string
		messages []string
		want     []string
	}{
		{
			"a dict, doubled by two handlers",
			[]string{
				"BEGIN (implicit)", "BEGIN (implicit)",
				"INSERT INTO app.t (id, name, note) VALUES (%(id)s, %(name)s, 'a %% b') RETURNING app.t.id", "INSERT INTO app.t (id, name, note) VALUES (%(id)s, %(name)s, 'a %% b') RETURNING app.t.id",
				"[generated in 0.00012s] {'id': 7, 'name': \"it's\"}", "[generated in 0.00012s] {'id': 7, 'name': \"it's\"}",
				"COMMIT", "COMMIT",
			},
			[]string{"BEGIN []", "INSERT [app.t] (id,name,note) [7|it's|a % b]", "COMMIT []"},
		},
		{
			"asyncpg, with casts",
			[]string{
				"INSERT INTO t (id, name, seen) VALUES ($1::UUID, $2::VARCHAR, $3::TIMESTAMP WITH TIME ZONE)",
				"[cached since 12.3s ago] (UUID('6a1b0c9e-0000-4000-8000-00000000000a'), None, datetime.datetime(2024, 1, 2, 3, 4, tzinfo=datetime.timezone.utc))",
				"DELETE FROM t WHERE t.id = $1::UUID AND t.name = $2",
				"[generated in 0.00020s] (UUID('6a1b0c9e-0000-4000-8000-00000000000a'), 'x')",
			},
			[]string{
				"INSERT [t] (id,name,seen) [6a1b0c9e-0000-4000-8000-00000000000a|NULL|2024-01-02 03:04:00+00]",
				"DELETE [t] key [id][6a1b0c9e-0000-4000-8000-00000000000a] key [name][x] exact",
			},
		},
		{
			"many sets, some left out",
			[]string{
				"UPDATE t SET a=%(a)s WHERE t.id = %(t_id)s",
				"[generated in 0.1s] [{'a': 1, 't_id': 10}, {'a': None, 't_id': 11}  ... displaying 4 of 7 total bound parameter sets ...  {'a': 6, 't_id': 16}, {'a': 7, 't_id': 17}]",
				"ROLLBACK",
			},
			[]string{
				"UPDATE [t] (a) [1] key [id][10] exact", "UPDATE [t] (a) [NULL] key [id][11] exact",
				"UPDATE [t] (a) [6] key [id][16] exact", "UPDATE [t] (a) [7] key [id][17] exact", "and iii more", "ROLLBACK []",
			},
		},
		{
			"insertmanyvalues",
			[]string{
				"INSERT INTO t (a, b) SELECT p0::VARCHAR, p1::INTEGER FROM (VALUES (%(a__0)s, %(b__0)s, 0), (%(a__1)s, %(b__1)s, 1)) AS imp_sen(p0, p1, sen_counter) ORDER BY sen_counter RETURNING t.id",
				"[generated in 0.00005s (insertmanyvalues) 1/2 (ordered)] {'a__0': 'x', 'b__0': 1, 'a__1': 'y', 'b__1': 2}",
				"INSERT INTO t (a, b) SELECT p0::VARCHAR, p1::INTEGER FROM (VALUES (%(a__0)s, %(b__0)s, 0)) AS imp_sen(p0, p1, sen_counter) ORDER BY sen_counter RETURNING t.id",
				"[insertmanyvalues 2/2 (ordered)] {'a__0': 'z', 'b__0': 3}",
			},
			[]string{"INSERT [t] (a,b) [x|1] [y|2]", "INSERT [t] (a,b) [z|3]"},
		},
		{
			"values and parameters that were cut",
			[]string{
				"INSERT INTO t (a, b, c) VALUES (%(a)s, %(b)s, %(c)s)",
				"[generated in 0.1s] {'a': 'begin ... (130 characters truncated) ... end' ... 1 parameters truncated ... 'c': 3}",
			},
			[]string{"INSERT [t] (a,b,c) [?cut in the log: 130 characters are missing|?the log does not show parameter b|3]"},
		},
		{
			"question marks, %s and names, as other drivers have them",
			[]string{
				"INSERT INTO t (a, b) VALUES (?, ?)", "('x', 1)",
				"INSERT INTO t (a, b) VALUES (%s, %s)", "[raw sql] ('y', 2)",
				"INSERT INTO t (a, b) VALUES (?, ?)", "[raw sql] [('one', 1)]",
				"INSERT INTO t (a, b) VALUES ($1, $2)", "[raw sql] (('two', 2), ('three', 3))",
				"INSERT INTO t (a, b) VALUES ($1, $2)", "[raw sql] ([1, 2], [3, 4])",
				"INSERT INTO t (a, b) VALUES (:a, :b::int)", "[no key 0.1s] {'a': 'z', 'b': 3}",
				"UPDATE t SET a = 'x' WHERE b=%(b)s", "[raw sql] {'b': 4}",
			},
			[]string{
				"INSERT [t] (a,b) [x|1]", "INSERT [t] (a,b) [y|2]", "INSERT [t] (a,b) [one|1]", "INSERT [t] (a,b) [two|2]", "INSERT [t] (a,b) [three|3]",
				"INSERT [t] (a,b) [{1,2}|{3,4}]", "INSERT [t] (a,b) [z|3]", "UPDATE [t] (a) [x] key [b][4] exact",
			},
		},
		{
			"parameters that never came",
			[]string{"DELETE FROM t", "COMMIT using DBAPI connection.commit(), has no effect due to autocommit mode", "Row (1, 'x')"},
			[]string{"DELETE [t] every"},
		},
	} {
		got := executions(t, test.messages...)
		if strings.Join(got, "\n") != strings.Join(test.want, "\n") {
			t.Errorf("%s\n got %s\nwant %s", test.name, strings.Join(got, "\n     "), strings.Join(test.want, "\n     "))
		}
	}
}

func TestStatementOfAnErrorOfSQLAlchemy(t *testing.T) {
	t.Parallel()
	p := shared()
	for _, test := range [][2]string{
		{
			"(sqlalchemy.dialects.postgresql.asyncpg.IntegrityError) <class 'UniqueViolationError'>: duplicate key\nDETAIL:  Key (id)=(7) already exists.\n[SQL: INSERT INTO app.t (id, name, at)\nVALUES ($1::UUID, $2, now()) RETURNING id]\n[parameters: (UUID('6a1b0c9e-0000-4000-8000-00000000000a'), 'a ] b')]\n(Background on this error at: https://sqlalche.me/e/20/gkpj)",
			"INSERT [app.t] (id,name,at) [6a1b0c9e-0000-4000-8000-00000000000a|a ] b|?now() was called]",
		},
		{"(psycopg2.Error) x\n[SQL: DELETE FROM t]\n(Background on this error at: https://sqlalche.me/e/20/f405)", "DELETE [t] every"},
		{"x [SQL: INSERT INTO t (a, b) VALUES (%(a)s, %(b)s)] [parameters: [{'a': 1, 'b': 'x'}, {'a': 2, 'b': None}]]", "INSERT [t] (a,b) [1|x]; INSERT [t] (a,b) [2|NULL]"},
	} {
		e, ok := statement.ReadSQLAlchemyError(test[0])
		if got := ran(t, p, e); !ok || got != test[1] {
			t.Errorf("%s\n got %s\nwant %s", test[0], got, test[1])
		}
	}
	if _, ok := statement.ReadSQLAlchemyError("no statement"); ok {
		t.Error("a statement of nothing")
	}
}

func FuzzEcho(f *testing.F) {
	f.Add("INSERT INTO t (a) VALUES (%(a)s, %s, :b, ?, $1)\n[raw sql] {'a': 1, 'b': '%%'}\nCOMMIT")
	f.Fuzz(func(t *testing.T, text string) {
		var echo statement.Echo
		for message := range strings.SplitSeq(text, "\n") {
			if e, ok := echo.Take(message); ok && e.SQL == "" {
				t.Fatal("an execution of nothing")
			}
		}
		echo.Flush()
	})
}
