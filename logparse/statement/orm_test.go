package statement_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/pgrescue/pgrescue/logparse/statement"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster/clustertest"
)

// ran parses an execution's statement with each of its sets.
func ran(t *testing.T, p *statement.Parser, e statement.Execution) string {
	t.Helper()
	sets := e.Sets
	if len(sets) == 0 {
		sets = []statement.Parameters{nil}
	}
	var list []string
	for _, set := range sets {
		s, err := p.Parse(e.SQL, set)
		if err != nil {
			t.Errorf("%s: %v", e.SQL, err)
		}
		list = append(list, told(s))
	}
	return strings.Join(list, "; ")
}

func TestStatementsOfDjango(t *testing.T) {
	t.Parallel()
	p := shared()
	for _, test := range [][2]string{
		{`(0.003) INSERT INTO "app_asset" ("name", "note", "seen") VALUES ('it''s; args=(1)', NULL, '2024-01-02T03:04:05+00:00'::timestamptz) RETURNING "app_asset"."id"; args=("it's; args=(1)", None, datetime.datetime(2024, 1, 2, 3, 4, 5)); alias=default`, `INSERT [app_asset] (name,note,seen) [it's; args=(1)|NULL|2024-01-02T03:04:05+00:00]`},
		{`(0.000) DELETE FROM "app_asset" WHERE "app_asset"."id" IN (1, 2); args=(1, 2); alias=default`, `DELETE [app_asset] key [id][1][2] exact`},
		{`(0.001) UPDATE "t" SET "a" = %s WHERE "id" = %s; args=('x%s', 5)`, `UPDATE [t] (a) [x%s] key [id][5] exact`},
		{`(0.002) 2 times: INSERT INTO t (a, b) VALUES (%s, %s); args=[('x', 1), ('y', None)]; alias=default`, `INSERT [t] (a,b) [x|1]; INSERT [t] (a,b) [y|NULL]`},
		{`(0.000) BEGIN; args=None; alias=default`, `BEGIN []`},
		{`(0.000) SAVEPOINT "s1_x1"; args=None; alias=default`, `SAVEPOINT []`},
		{`(0.000) DELETE FROM t WHERE a = '%s' AND id = 4; args=None; alias=default`, `DELETE [t] key [a][%s] key [id][4] exact`},
	} {
		e, ok := statement.ReadDjango(test[0])
		if got := ran(t, p, e); !ok || got != test[1] {
			t.Errorf("%s\n got %s\nwant %s", test[0], got, test[1])
		}
	}
	for _, message := range []string{"", "(fast) SELECT 1", "GET /x 200", "(0.1)"} {
		if e, ok := statement.ReadDjango(message); ok {
			t.Errorf("%q: %+v", message, e)
		}
	}
}

func TestStatementsOfActiveRecord(t *testing.T) {
	t.Parallel()
	p := shared()
	for _, test := range [][2]string{
		{"  \x1b[1m\x1b[36mUser Create (0.5ms)\x1b[0m  \x1b[1m\x1b[32mINSERT INTO \"users\" (\"name\", \"age\", \"ok\", \"raw\", \"key\", \"tags\") VALUES ($1, $2, $3, $4, $5, ARRAY[[1]]) RETURNING \"id\"\x1b[0m  [[\"name\", \"a \\\"b\\\", [x]\\n\\u00e9\\u{1F600}\\e\\#{x}\"], [\"age\", nil], [\"ok\", true], [\"raw\", \"<16 bytes of binary data>\"], [\"key\", \"[FILTERED]\"]]", "INSERT [users] (name,age,ok,raw,key,tags) [a \"b\", [x]\né😀\x1b#{x}|NULL|t|?the log says only: 16 bytes of binary data|?Rails filtered the value out of its log|{{1}}]"},
		{`User Update (1.2ms)  UPDATE "users" SET "name" = $1 WHERE "users"."id" = $2  [["name", "x"], ["id", 7]]`, `UPDATE [users] (name) [x] key [id][7] exact`},
		{`  TRANSACTION (0.1ms)  COMMIT`, `COMMIT []`},
		{`User Destroy (0.3ms)  DELETE FROM "users" WHERE "users"."id" = $1  [["id", 7]]`, `DELETE [users] key [id][7] exact`},
		{`User Destroy (0.3ms)  DELETE FROM "users" WHERE "users"."name" = $1 AND a = $2  [["name", "cut of`, `DELETE [users] key [name][?the log is cut within the value] key [a][?the log does not show parameter $2] exact`},
		{`SQL (0.4ms)  DELETE FROM users WHERE name = '  [["x"]]'`, `DELETE [users] key [name][  [["x"]]] exact`},
	} {
		e, ok := statement.ReadActiveRecord(test[0])
		if got := ran(t, p, e); !ok || got != test[1] {
			t.Errorf("%s\n got %s\nwant %s", test[0], got, test[1])
		}
	}
	for _, message := range []string{"", `  CACHE User Load (0.0ms)  SELECT 1`, "Completed 200 OK in 5ms (Views: 1.0ms)", "  ↳ app/models/user.rb:3"} {
		if e, ok := statement.ReadActiveRecord(message); ok {
			t.Errorf("%q: %+v", message, e)
		}
	}
}

func TestDataBehindACopyIsWhatTheServerHolds(t *testing.T) {
	t.Parallel()
	c := clustertest.Start(t, cluster.Options{})
	conn, err := c.Connect(t.Context(), "postgres")
	if err != nil {
		t.Fatal(err)
	}
	p := shared()
	texts := slices.Concat(nasty(), []string{`\N`, `\.`, `a\`, `""`, `"`, "cr\rx"})
	for _, options := range []string{"format text", "format csv", "format csv, quote '''', escape '\\', delimiter ';', null 'NULL'", "format text, delimiter '|', null 'nil'", "format csv, header"} {
		s, err := p.Parse("copy t (id, x, y) from stdin with ("+options+")", nil)
		if err != nil {
			t.Fatal(err)
		}
		var query strings.Builder
		for i, text := range texts {
			fmt.Fprintf(&query, "%s (%d, '%s', null)", map[bool]string{true: "values", false: ","}[i == 0], i, strings.ReplaceAll(text, "'", "''"))
		}
		var out bytes.Buffer
		if _, err := conn.PgConn().CopyTo(t.Context(), &out, "copy ("+query.String()+") to stdout with ("+options+")"); err != nil {
			t.Fatal(err)
		}
		data := out.String() + "\\.\nselect 1;\n"
		rows, taken := s.Copy.Data(data)
		if len(rows) != len(texts) || data[taken:] != "select 1;\n" {
			t.Errorf("%s: %d rows of %d, behind them %.40q", options, len(rows), len(texts), data[taken:])
			continue
		}
		for i, row := range rows {
			if len(row) != 3 || string(row[0].Text) != fmt.Sprint(i) || row[1].State != 0 || string(row[1].Text) != texts[i] || row[2].State != 1 {
				t.Errorf("%s: row %d is %+v, want %q", options, i, row, texts[i])
			}
		}
		if rows, _ := s.Copy.Data(out.String()[:out.Len()-2]); len(rows) != len(texts)-1 {
			t.Errorf("%s: a row that is cut counts: %d rows", options, len(rows))
		}
	}
	if err := conn.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func FuzzProgramsLogs(f *testing.F) {
	f.Add("(0.001) INSERT INTO t VALUES (%s); args=(1,)")
	f.Add("User Create (0.5ms)  INSERT INTO t VALUES ($1)  [[\"a\", \"\\u{1F600}\"], [nil, 1]]")
	f.Add("1\\tx\\\\N\n\\.\n")
	f.Fuzz(func(t *testing.T, text string) {
		for _, read := range []func(string) (statement.Execution, bool){statement.ReadDjango, statement.ReadActiveRecord} {
			if e, ok := read(text); ok && e.SQL == "" {
				t.Fatal("an execution of nothing")
			}
		}
		for _, format := range []string{"text", "csv"} {
			data := statement.Copy{From: true, Options: map[string]string{"format": format}}
			if _, taken := data.Data(text); taken > len(text) {
				t.Fatalf("%d bytes of %d", taken, len(text))
			}
		}
	})
}
