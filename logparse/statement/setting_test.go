package statement_test

import (
	"reflect"
	"testing"

	"github.com/pgrescue/pgrescue/logparse/statement"
)

func TestWhatASettingSays(t *testing.T) {
	t.Parallel()
	path := func(values ...string) statement.Setting {
		return statement.Setting{Name: "search_path", Values: values}
	}
	local := path("a")
	local.Local = true
	for sql, want := range map[string]statement.Setting{
		`SET search_path TO "Tenant A", public`:                       path("Tenant A", "public"),
		"set session Search_Path = 'a'":                               path("a"),
		"SET LOCAL search_path = a":                                   local,
		"SET SCHEMA 'a'":                                              path("a"),
		"select pg_catalog.set_config('search_path', 'A, \"B\"', no)": path("a", "B"),
		"SELECT set_config('search_path', 'a', true)":                 local,
		"SELECT set_config('search_path', '', false)":                 path(),
		"SET search_path TO DEFAULT":                                  {Name: "search_path", Reset: true},
		"RESET search_path":                                           {Name: "search_path", Reset: true},
		"RESET ALL":                                                   {Name: "all", Reset: true},
		"DISCARD ALL":                                                 {Name: "all", Reset: true},
		"SET standard_conforming_strings TO off":                      {Name: "standard_conforming_strings", Values: []string{"off"}},
	} {
		if got, ok := statement.ReadSetting(sql); !ok || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %+v, %v, want %+v", sql, got, ok, want)
		}
	}
	for _, sql := range []string{"SET TIME ZONE 'UTC'", "SET", "SET search_path", "DISCARD PLANS", "SELECT set_config('search_path', $1, true)", "SELECT 1", "UPDATE t SET a = 1", ""} {
		if got, ok := statement.ReadSetting(sql); ok {
			t.Errorf("%s sets %+v", sql, got)
		}
	}
}

func TestTemporaryTables(t *testing.T) {
	t.Parallel()
	for sql, want := range map[string]string{
		"CREATE TEMP TABLE t (id int)":                                         "t",
		"create local temporary table if not exists \"T\" on commit drop as x": "T dropped",
		"CREATE TABLE pg_temp.t (id int) ON COMMIT DELETE ROWS":                "t",
		"CREATE TABLE t (id int)":                                              "",
		"CREATE TEMP VIEW t AS SELECT 1":                                       "",
		"CREATE TEMP":                                                          "",
	} {
		name, dropped, _ := statement.Temporary(sql)
		if dropped {
			name += " dropped"
		}
		if name != want {
			t.Errorf("%s: got %q, want %q", sql, name, want)
		}
	}
}

func TestBackslashesOfOldSessions(t *testing.T) {
	t.Parallel()
	for sql, want := range map[string]string{
		`INSERT INTO "a\'" VALUES ('it\'s', E'\'', $$\'$$, 'x' -- '` + "\n" + `)`: `INSERT INTO "a\'" VALUES (E'it\'s', E'\'', $$\'$$, E'x' -- '` + "\n" + `)`,
		`SELECT 'cut\'`: `SELECT E'cut\'`,
		"":              "",
	} {
		if got := statement.WithEscapes(sql); got != want {
			t.Errorf("%s: got %s, want %s", sql, got, want)
		}
	}
}
