package rebuild_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/pgrescue/pgrescue/logparse"
	"github.com/pgrescue/pgrescue/logparse/applog"
	"github.com/pgrescue/pgrescue/logparse/events"
	"github.com/pgrescue/pgrescue/logparse/pglog"
	"github.com/pgrescue/pgrescue/logparse/rebuild"
	"github.com/pgrescue/pgrescue/logparse/statement"
	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster/clustertest"
)

const schema = `create schema app; create table app.t (id int primary key, name text, qty numeric(10,2), ok boolean, at timestamptz, day date,
  tags text[], doc jsonb, raw bytea, uid uuid, f float8, n int default 5);
create table app.s (id serial primary key, name text, state text)`

// shapes are those of the tables, as a catalog tells them.
func shapes(name evidence.RelationName) (*evidence.Relation, bool) {
	column := func(name, typ string) evidence.Column {
		return evidence.Column{Name: name, Type: typ, Key: name == "id"}
	}
	rel := &evidence.Relation{RelationName: evidence.RelationName{Database: "postgres", Schema: "app", Name: name.Name}}
	switch name.Name {
	case "t":
		rel.Columns = []evidence.Column{
			column("id", "integer"), column("name", "text"), column("qty", "numeric(10,2)"), column("ok", "boolean"), column("at", "timestamp with time zone"),
			column("day", "date"), column("tags", "text[]"), column("doc", "jsonb"), column("raw", "bytea"), column("uid", "uuid"),
			column("f", "double precision"), column("n", "integer"),
		}
	case "s":
		rel.Columns = []evidence.Column{column("id", "integer"), column("name", "text"), column("state", "text")}
	default:
		return nil, false
	}
	return rel, true
}

// parser is one for all tests: its grammar takes seconds to load.
var parser = statement.NewParser()

// rows are those that were rebuilt, as COPY writes them; an unknown value is a question mark.
type rows struct {
	live, gone map[string][]string // by table
	all        []evidence.Row
	report     rebuild.Report
}

// rebuilt makes rows of the logs in files.
func rebuilt(t testing.TB, options rebuild.Options, paths ...string) *rows {
	t.Helper()
	ctx := context.Background()
	sources, _, err := logparse.Find(ctx, logparse.FindOptions{Paths: paths})
	if err != nil {
		t.Fatal(err)
	}
	if err := logparse.Recognise(ctx, sources, applog.Detector{}, pglog.Detector{}); err != nil {
		t.Fatal(err)
	}
	options.Parser = parser
	b := rebuild.New(options)
	reader := events.New(events.Options{})
	for _, source := range sources {
		for entry, err := range source.Entries(ctx) {
			if err != nil {
				t.Fatal(err)
			}
			if err := reader.Add(entry, b.Event); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := reader.Flush(b.Event); err != nil {
		t.Fatal(err)
	}
	return result(t, b)
}

// result takes the rows of a Builder.
func result(t testing.TB, b *rebuild.Builder) *rows {
	t.Helper()
	r := &rows{live: make(map[string][]string), gone: make(map[string][]string)}
	err := b.Rows(evidence.SinkFunc(func(row *evidence.Row) error {
		var texts []string
		for i := range row.Values {
			switch v := &row.Values[i]; v.State {
			case evidence.Known:
				texts = append(texts, string(evidence.AppendCopyText(nil, v.Text)))
			case evidence.Null:
				texts = append(texts, `\N`)
			default:
				texts = append(texts, "?")
				if v.Reason == "" {
					t.Errorf("%s is unknown without a reason", row.Relation.Columns[i].Name)
				}
			}
		}
		name, line := row.Relation.Name, strings.Join(texts, "\t")
		if row.Operation == "" {
			r.live[name] = append(r.live[name], line)
		} else {
			r.gone[name] = append(r.gone[name], line)
		}
		r.all = append(r.all, row.Clone())
		return nil
	}))
	if err != nil {
		t.Fatal(err)
	}
	r.report = b.Report()
	return r
}

// work changes rows in all the ways that a log can show.
func work(t *testing.T, c *cluster.Cluster) {
	t.Helper()
	ctx := context.Background()
	open := func(mode pgx.QueryExecMode) *pgx.Conn {
		config, err := pgx.ParseConfig(c.DSN("postgres"))
		if err != nil {
			t.Fatal(err)
		}
		config.DefaultQueryExecMode = mode
		conn, err := pgx.ConnectConfig(ctx, config)
		if err != nil {
			t.Fatal(err)
		}
		return conn
	}
	run := func(conn *pgx.Conn, sql string, args ...any) {
		if _, err := conn.Exec(ctx, sql, args...); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
	fail := func(conn *pgx.Conn, sql string, args ...any) {
		if _, err := conn.Exec(ctx, sql, args...); err == nil {
			t.Fatalf("%s: no error", sql)
		}
	}
	simple, extended, third := open(pgx.QueryExecModeSimpleProtocol), open(pgx.QueryExecModeDescribeExec), open(pgx.QueryExecModeDescribeExec)
	run(simple, "SHOW work_mem")
	run(extended, "SHOW work_mem")
	run(simple, "INSERT INTO app.t (id, name, qty, ok, at, day) VALUES (1, 'one, \"1\"\n\tit''s\n\nLOG:  statement: DELETE FROM app.t', 1.5, TRUE, '2025-01-02T03:04:05.500+02:00', '2025-01-02'),\n\t(2, E'tab\\t\\\\', -0.005, false, NULL, NULL), (3, '', 12, NULL, '2025-01-02 03:04:05Z', DATE '0001-01-01')")
	run(simple, "INSERT INTO app.t VALUES (4, 'no columns', .5, 'yes', '2024-02-29 23:59:59.123456+00', '2024-02-29', '{a,\"b c\",NULL,\"\"}', '{\"bb\": 1, \"a\":[1, 2.50, null],\"a\": \"é\\n\"}', '\\xDEADBEEF', 'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11', 1e15, 007)")
	run(extended, "INSERT INTO app.t (id, name, qty, ok, at, tags, doc, raw, f, n) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
		5, "a, 'b' \"c\"\nd\\e\n\tf €, $1 = 'x'", "3.14159", true, "2025-06-01 10:00:00+05:30", []string{"x,y", "it's", ""}, `{"k": "v, 'w'"}`, []byte{0, 1, 255}, 0.1, nil)
	run(extended, "INSERT INTO app.t (id, name) VALUES ($1, $2)", 6, nil)
	run(extended, "INSERT INTO app.t (id, name, n) VALUES ($1, $2, 1), ($3, $4, 2)", 7, "seven", 8, "eight...")
	fail(simple, "INSERT INTO app.t (id, name) VALUES (1, 'twice')")
	fail(third, "INSERT INTO app.t (id, name) VALUES ($1, $2)", 1, "twice")
	fail(simple, "DELETE FROM app.t WHERE id = 'x'")
	run(simple, "BEGIN")
	run(simple, "UPDATE app.t SET name = 'in a block', n = n + 1 WHERE id = 4")
	run(simple, "SAVEPOINT a")
	run(simple, "DELETE FROM app.t WHERE id = 2")
	fail(simple, "DELETE FROM app.nothing")
	run(simple, "ROLLBACK TO a")
	run(extended, "UPDATE app.t SET name = $2, doc = $3 WHERE id = $1", 6, "between", nil)
	run(simple, "INSERT INTO app.t (id, name, n) VALUES (9, 'kept', 9)")
	run(simple, "DELETE FROM app.t WHERE id IN (7, 3)")
	run(simple, "COMMIT")
	run(extended, "BEGIN")
	run(extended, "DELETE FROM app.t WHERE id = $1", 1)
	run(extended, "INSERT INTO app.t (id, name) VALUES ($1, $2)", 99, "rolled back")
	run(extended, "ROLLBACK")
	run(simple, "INSERT INTO app.t (id, name, n) VALUES (10, 'a;b', 1); /* ; */ UPDATE app.t SET qty = 2 WHERE name = 'a;b'; INSERT INTO app.t (id, n) VALUES (11, 0)")
	run(simple, "INSERT INTO app.t (id, name, n) VALUES (10, 'upserted', 7) ON CONFLICT (id) DO UPDATE SET name = EXCLUDED.name, ok = true")
	run(simple, "INSERT INTO app.t (id, name) VALUES (11, 'not taken') ON CONFLICT DO NOTHING")
	run(simple, "PREPARE up (text, int) AS UPDATE app.t SET name = $1 WHERE id = $2")
	run(simple, "EXECUTE up ('exec''d', 9)")
	run(simple, "WITH gone AS (DELETE FROM app.t WHERE id = 8 RETURNING id) SELECT * FROM gone")
	run(simple, "EXPLAIN DELETE FROM app.t")
	run(simple, "UPDATE app.t SET id = 12, uid = '{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}' WHERE id = 11 AND n = 0")
	run(simple, "INSERT INTO app.s (name, state) VALUES ('p', 'new'), ('q', 'new'), ('r', 'old')")
	run(extended, "UPDATE app.s SET state = $1 WHERE name = $2", "done", "q")
	run(simple, "DELETE FROM app.s WHERE state = 'old'")
	for _, conn := range []*pgx.Conn{simple, extended, third} {
		if err := conn.Close(ctx); err != nil {
			t.Fatal(err)
		}
	}
}

// logs runs the workload, and gives the files of the logs by form, and what the tables hold, with a question mark for
// what no log tells.
func logs(t *testing.T, version, prefix string, settings map[string]string) (paths, want map[string]string) {
	t.Helper()
	forms := "stderr,csvlog"
	if version >= "15" {
		forms += ",jsonlog"
	}
	all := map[string]string{
		"log_directory": "log", "log_filename": "server.log", "log_rotation_age": "0", "log_destination": forms, "log_line_prefix": prefix, "log_statement": "all", "log_connections": "on", "log_disconnections": "on",
	}
	for name, value := range settings {
		all[name] = value
	}
	c := clustertest.Start(t, cluster.Options{Version: version, Settings: all, Collector: true})
	clustertest.Exec(t, c, "postgres", schema)
	work(t, c)
	want = make(map[string]string)
	want["t"] = clustertest.CopyOut(t, c, "postgres", "select id, name, qty, ok, at, day, tags, doc, raw, uid, f, n from app.t order by id")
	want["s"] = clustertest.CopyOut(t, c, "postgres", "select '?', name, state from app.s order by id")
	if err := c.Stop(context.Background(), cluster.Smart); err != nil {
		t.Fatal(err)
	}
	paths = make(map[string]string)
	for form, ending := range map[string]string{"stderr": ".log", "csvlog": ".csv", "jsonlog": ".json"} {
		if form == "jsonlog" && version < "15" {
			continue
		}
		text, err := os.ReadFile(filepath.Join(c.DataDir(), "log", "server"+ending))
		if err != nil {
			t.Fatal(err)
		}
		paths[form] = filepath.Join(t.TempDir(), "server"+ending)
		if err := os.WriteFile(paths[form], text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return paths, want
}

// untold are the columns that stay unknown, by id: defaults, and what was computed.
var untold = map[string][]string{
	"1":  {"tags", "doc", "raw", "uid", "f", "n"},
	"2":  {"tags", "doc", "raw", "uid", "f", "n"},
	"4":  {"n"},
	"5":  {"day", "uid"},
	"6":  {"qty", "ok", "at", "day", "tags", "raw", "uid", "f", "n"},
	"9":  {"qty", "ok", "at", "day", "tags", "doc", "raw", "uid", "f"},
	"10": {"at", "day", "tags", "doc", "raw", "uid", "f"},
	"12": {"name", "qty", "ok", "at", "day", "tags", "doc", "raw", "f"},
}

// masked puts a question mark in the place of what is untold.
func masked(t *testing.T, text string) string {
	t.Helper()
	rel, _ := shapes(evidence.RelationName{Name: "t"})
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	for i := range lines {
		fields := strings.Split(lines[i], "\t")
		for _, name := range untold[fields[0]] {
			fields[rel.Column(name)] = "?"
		}
		lines[i] = strings.Join(fields, "\t")
	}
	return strings.Join(lines, "\n")
}

// sorted puts rows in the order of their first column, a number.
func sorted(lines []string) string {
	slices.SortStableFunc(lines, func(x, y string) int {
		var a, b int
		_, _ = fmt.Sscan(x, &a)
		_, _ = fmt.Sscan(y, &b)
		return a - b
	})
	return strings.Join(lines, "\n")
}

// true fails where a row that is there without a doubt is not the server's.
func (r *rows) true(t *testing.T, form, want string) {
	t.Helper()
	server := make(map[string][]string)
	for line := range strings.Lines(want) {
		fields := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		server[fields[0]] = fields
	}
	count := 0
	for i := range r.all {
		row := &r.all[i]
		if row.Relation.Name != "t" || row.Operation != "" || row.Note != "" {
			continue
		}
		count++
		fields := server[string(row.Values[0].Text)]
		for j := range row.Values {
			has := `\N`
			if row.Values[j].State == evidence.Known {
				has = string(evidence.AppendCopyText(nil, row.Values[j].Text))
			}
			if row.Values[j].State != evidence.Unknown && (fields == nil || fields[j] != has) {
				t.Errorf("%s: column %s of row %s is %q, on the server %q", form, row.Relation.Columns[j].Name, row.Values[0].Text, has, fields)
			}
		}
	}
	if count < 2 {
		t.Errorf("%s: %d rows are there without a doubt", form, count)
	}
}

// TestRowsEqualThoseOfTheServer rebuilds rows from logs that servers write, and compares each value with the server's.
func TestRowsEqualThoseOfTheServer(t *testing.T) {
	t.Parallel()
	tests := []struct {
		version, prefix string
		settings        map[string]string
		whole           bool // the log has all statements
	}{
		{"15", "%m [%p] %q%u@%d ", nil, true},
		{"18", "%t [%p]: [%l-1] user=%u,db=%d,app=%a,client=%r ", map[string]string{"log_min_duration_statement": "0"}, true},
		{"13", "%m %c %l %v %x %e %u@%d ", map[string]string{"log_statement": "mod", "log_duration": "on"}, false},
		{"15", "%m [%p] ", map[string]string{"log_statement": "none", "log_min_duration_statement": "0"}, true},
		{"18", "%n %p %v %x ", map[string]string{"log_statement": "mod", "log_min_duration_statement": "0"}, false},
		{"13", "[%p] ", map[string]string{"log_error_verbosity": "verbose"}, true},
	}
	for _, test := range tests {
		t.Run(test.version+" "+test.prefix, func(t *testing.T) {
			t.Parallel()
			paths, want := logs(t, test.version, test.prefix, test.settings)
			for form, path := range paths {
				got := rebuilt(t, rebuild.Options{Tables: shapes}, path)
				if !test.whole {
					got.true(t, form, want["t"])
					continue
				}
				if have, should := sorted(got.live["t"]), masked(t, want["t"]); have != should {
					t.Errorf("%s: the rows of app.t differ\n got:\n%s\nwant:\n%s", form, have, should)
				}
				if have, should := strings.Join(got.live["s"], "\n"), strings.TrimSuffix(want["s"], "\n"); have != should {
					t.Errorf("%s: the rows of app.s differ\n got:\n%s\nwant:\n%s", form, have, should)
				}
				if len(got.gone["t"]) != 3 || len(got.gone["s"]) != 1 {
					t.Errorf("%s: gone are\n%s\n%s", form, sorted(got.gone["t"]), sorted(got.gone["s"]))
				}
			}
		})
	}
}
