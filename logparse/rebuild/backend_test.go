package rebuild_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pgrescue/pgrescue/logparse/rebuild"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster/clustertest"
)

// step is what a program does, as three libraries log it, and as SQL. An empty message: the library logs nothing.
type step struct{ sql, sqlalchemy, django, activeRecord string }

// steps are the work of a program. A line break parts the statement from the parameters in SQLAlchemy's column.
func steps() []step {
	begin := step{"BEGIN", "BEGIN (implicit)", "(0.000) BEGIN; args=None; alias=default", "  TRANSACTION (0.1ms)  BEGIN"}
	commit := step{"COMMIT", "COMMIT", "(0.001) COMMIT; args=None; alias=default", "  TRANSACTION (0.4ms)  COMMIT"}
	rollback := step{"ROLLBACK", "ROLLBACK", "(0.001) ROLLBACK; args=None; alias=default", "  TRANSACTION (0.4ms)  ROLLBACK"}
	return []step{
		begin,
		{
			`INSERT INTO app.t (id, name, qty, ok, at, day, tags, f, n) VALUES (1, E'it''s, "x"\n', 1.50, true, '2024-01-02 03:04:05.000006+02:00', '2024-01-02', '{"a,b",NULL,c}', 1e-07, 7)`,
			"INSERT INTO app.t (id, name, qty, ok, at, day, tags, f, n) VALUES (%(id)s, %(name)s, %(qty)s, %(ok)s, %(at)s, %(day)s, %(tags)s::TEXT[], %(f)s, %(n)s)\n" +
				`[generated in 0.00022s] {'id': 1, 'name': 'it\'s, "x"\n', 'qty': Decimal('1.50'), 'ok': True, 'at': datetime.datetime(2024, 1, 2, 3, 4, 5, 6, tzinfo=datetime.timezone(datetime.timedelta(seconds=7200))), 'day': datetime.date(2024, 1, 2), 'tags': ['a,b', None, 'c'], 'f': 1e-07, 'n': 7}`,
			`(0.001) INSERT INTO "app"."t" ("id", "name", "qty", "ok", "at", "day", "tags", "f", "n") VALUES (1, 'it''s, "x"` + "\n" + `', 1.50, true, '2024-01-02T03:04:05.000006+02:00'::timestamptz, '2024-01-02'::date, ARRAY['a,b',NULL,'c']::text[], 1e-07, 7); args=(1, 'it\'s, "x"\n', Decimal('1.50'), True, datetime.datetime(2024, 1, 2, 3, 4, 5, 6), datetime.date(2024, 1, 2), ['a,b', None, 'c'], 1e-07, 7); alias=default`,
			`  T Create (0.5ms)  INSERT INTO "app"."t" ("id", "name", "qty", "ok", "at", "day", "tags", "f", "n") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)  [["id", 1], ["name", "it's, \"x\"\n"], ["qty", "1.5"], ["ok", true], ["at", "2024-01-02 01:04:05.000006+00"], ["day", "2024-01-02"], ["tags", "{\"a,b\",NULL,c}"], ["f", 1.0e-07], ["n", 7]]`,
		},
		{
			"INSERT INTO app.t (id, name, ok, doc) VALUES (2, NULL, false, '{\"b\": 1, \"a\": [null, \"x\"]}'), (3, 'three', NULL, NULL)",
			"INSERT INTO app.t (id, name, ok, doc) VALUES (%(id)s, %(name)s, %(ok)s, %(doc)s::JSONB)\n" +
				`[generated in 0.00015s] [{'id': 2, 'name': None, 'ok': False, 'doc': '{"b": 1, "a": [null, "x"]}'}, {'id': 3, 'name': 'three', 'ok': None, 'doc': None}]`,
			`(0.001) INSERT INTO "app"."t" ("id", "name", "ok", "doc") VALUES (2, NULL, false, '{"b": 1, "a": [null, "x"]}'), (3, 'three', NULL, NULL); args=(2, None, False, '{"b": 1, "a": [null, "x"]}', 3, 'three', None, None); alias=default`,
			`  T Bulk Insert (0.5ms)  INSERT INTO "app"."t" ("id","name","ok","doc") VALUES (2, NULL, FALSE, '{"b": 1, "a": [null, "x"]}'), (3, 'three', NULL, NULL)`,
		},
		commit, begin,
		{
			"UPDATE app.t SET name = 'new', qty = 3 WHERE id = 2",
			"UPDATE app.t SET name=%(name)s, qty=%(qty)s WHERE app.t.id = %(t_id)s\n[cached since 0.1s ago] {'name': 'new', 'qty': Decimal('3'), 't_id': 2}",
			`(0.001) UPDATE "app"."t" SET "name" = 'new', "qty" = 3 WHERE "app"."t"."id" = 2; args=('new', Decimal('3'), 2); alias=default`,
			`  T Update (0.5ms)  UPDATE "app"."t" SET "name" = $1, "qty" = $2 WHERE "app"."t"."id" = $3  [["name", "new"], ["qty", "3.0"], ["id", 2]]`,
		},
		{
			"DELETE FROM app.t WHERE id = 3",
			"DELETE FROM app.t WHERE app.t.id = %(id)s\n[generated in 0.00011s] {'id': 3}",
			`(0.001) DELETE FROM "app"."t" WHERE "app"."t"."id" IN (3); args=(3,); alias=default`,
			`  T Destroy (0.5ms)  DELETE FROM "app"."t" WHERE "app"."t"."id" = $1  [["id", 3]]`,
		},
		commit, begin,
		{
			"DELETE FROM app.t WHERE id = 1",
			"DELETE FROM app.t WHERE app.t.id = %(id)s\n[cached since 0.2s ago] {'id': 1}",
			`(0.001) DELETE FROM "app"."t" WHERE "app"."t"."id" IN (1); args=(1,); alias=default`,
			`  T Destroy (0.5ms)  DELETE FROM "app"."t" WHERE "app"."t"."id" = $1  [["id", 1]]`,
		},
		rollback, begin,
		{
			"INSERT INTO app.t (id, name) VALUES (4, 'a value that ends with dots ...')",
			"INSERT INTO app.t (id, name) VALUES (%(id)s, %(name)s)\n[cached since 0.3s ago] {'id': 4, 'name': 'a value that ends with dots ...'}",
			`(0.001) INSERT INTO "app"."t" ("id", "name") VALUES (4, 'a value that ends with dots ...'); args=(4, 'a value that ends with dots ...'); alias=default`,
			`  T Create (0.5ms)  INSERT INTO "app"."t" ("id", "name") VALUES ($1, $2)  [["id", 4], ["name", "a value that ends with dots ..."]]`,
		},
		commit,
	}
}

// programLogs writes the logs of the three libraries.
func programLogs(t *testing.T) map[string]string {
	t.Helper()
	paths := make(map[string]string)
	write := func(name string, message func(step) string, line func(second int, message string) string) {
		var log strings.Builder
		for i, s := range steps() {
			for _, one := range strings.SplitAfterN(message(s), "\n", map[bool]int{true: 2, false: 1}[name == "SQLAlchemy"]) {
				log.WriteString(line(i, strings.TrimSuffix(one, "\n")) + "\n")
			}
		}
		paths[name] = filepath.Join(t.TempDir(), "app.log")
		if err := os.WriteFile(paths[name], []byte(log.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("SQLAlchemy", func(s step) string { return s.sqlalchemy }, func(second int, message string) string {
		return fmt.Sprintf("2025-10-07 18:22:%02d,100 - sqlalchemy.engine.Engine - INFO - %s", second, message)
	})
	write("Django", func(s step) string { return s.django }, func(second int, message string) string {
		return fmt.Sprintf("2025-10-07 18:22:%02d,100 DEBUG django.db.backends: %s", second, message)
	})
	write("ActiveRecord", func(s step) string { return s.activeRecord }, func(second int, message string) string {
		return fmt.Sprintf("D, [2025-10-07T18:22:%02d.100000 #41] DEBUG -- : %s", second, message)
	})
	return paths
}

// TestRowsOfProgramsLogs rebuilds rows from what libraries log, and compares them with those that a server holds after the
// same work.
func TestRowsOfProgramsLogs(t *testing.T) {
	t.Parallel()
	c := clustertest.Start(t, cluster.Options{})
	clustertest.Exec(t, c, "postgres", schema)
	var work []string
	for _, s := range steps() {
		work = append(work, s.sql)
	}
	clustertest.Exec(t, c, "postgres", work...) // in one session
	want := clustertest.CopyOut(t, c, "postgres", `select id, name, case when id in (1, 2) then qty::text else '?' end, case when id < 4 then ok::text::char else '?' end,
		case id when 1 then at::text else '?' end, case id when 1 then day::text else '?' end, case id when 1 then tags::text else '?' end,
		case id when 2 then doc::text else '?' end, '?', '?', case id when 1 then f::text else '?' end, case id when 1 then n::text else '?' end from app.t order by id`)
	for name, path := range programLogs(t) {
		got := rebuilt(t, rebuild.Options{Tables: shapes}, path)
		if have := sorted(got.live["t"]); have != strings.TrimSuffix(want, "\n") {
			t.Errorf("%s: got\n%s\nwant\n%s", name, have, want)
		}
		if gone := sorted(got.gone["t"]); !strings.HasPrefix(gone, "3\tthree\t") || strings.Count(gone, "\n") > 0 {
			t.Errorf("%s: gone are %s", name, gone)
		}
	}
}
