package rebuild_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/pgrescue/pgrescue/logparse"
	"github.com/pgrescue/pgrescue/logparse/rebuild"
	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/pg"
)

// tenants are tables of one name in two schemas, and one that both use.
func tenants(name evidence.RelationName) (*evidence.Relation, bool) {
	switch name {
	case evidence.RelationName{Schema: "a", Name: "users"}, evidence.RelationName{Schema: "b", Name: "users"}, evidence.RelationName{Schema: "public", Name: "plans"}:
		columns := []evidence.Column{{Name: "id", Type: "integer", Key: true}, {Name: "name", Type: "text"}}
		return &evidence.Relation{RelationName: name, Columns: columns}, true
	}
	return nil, false
}

// spoken makes events of lines that begin with the name of their session: "x> INSERT …". Those that a session sends behind
// a BEGIN end with its COMMIT.
func spoken(lines ...string) []logparse.Event {
	list := script(lines...)
	for i := range list {
		e := &list[i]
		e.Session, e.Statement, _ = strings.Cut(e.Statement, "> ")
		if e.Statement == "CONNECT" {
			e.Kind, e.Statement = logparse.Connection, ""
			continue
		}
		e.Verb = strings.ToUpper(strings.Fields(e.Statement)[0])
	}
	ends := make(map[string]logparse.End)
	for i := len(list) - 1; i >= 0; i-- {
		e := &list[i]
		switch e.Statement {
		case "COMMIT":
			ends[e.Session] = logparse.End{Stamp: e.Stamp, Line: e.Line}
		case "BEGIN":
			delete(ends, e.Session)
		default:
			e.Ended = ends[e.Session]
		}
	}
	return list
}

// TestWhatASessionSays follows what sessions set: it decides which table a name means, and what a backslash is.
func TestWhatASessionSays(t *testing.T) {
	t.Parallel()
	known := rebuild.Options{Tables: tenants}
	for _, test := range []scripted{
		{"search_path of two tenants", known, []string{
			"x> SET search_path TO a, public", "y> SET search_path = 'b', public", "x> INSERT INTO users VALUES (1, 'of a')", "y> INSERT INTO users VALUES (1, 'of b')",
			"x> DELETE FROM users WHERE id = 1", "x> INSERT INTO plans VALUES (1, 'free')", "y> UPDATE plans SET name = 'paid' WHERE id = 1",
		}, []string{"a.users:3 id*=1 name=of a | delete at 5s", "b.users:4 id*=1 name=of b", "public.plans:7 id*=1 name=paid"}},
		{"search_path of one transaction", known, []string{
			"x> BEGIN", "x> SET LOCAL search_path TO a", "x> INSERT INTO users VALUES (1, 'of a')", "x> COMMIT",
			"x> BEGIN", "x> SELECT pg_catalog.set_config('search_path', 'b', true)", "x> INSERT INTO users VALUES (1, 'of b')", "x> COMMIT", "x> DELETE FROM users WHERE id = 1",
		}, []string{"users:9 id*=1 | delete at 9s | known by the DELETE on line 9 alone, which does not tell whether there was such a row", "a.users:3 id*=1 name=of a", "b.users:7 id*=1 name=of b"}},
		{"nobody knows the tables", rebuild.Options{}, []string{
			"x> SET search_path TO a, public", "x> INSERT INTO users (id) VALUES (1)", "x> RESET search_path", "y> SET search_path TO b", "y> INSERT INTO users (id) VALUES (1)", "y> CONNECT",
			"y> SET search_path TO \"$user\", public", "y> DELETE FROM users WHERE id = 1",
		}, []string{"users:8 id*=1 | delete at 8s | known by the DELETE on line 8 alone, which does not tell whether there was such a row", "a.users:2 id*=1", "b.users:5 id*=1"}},
		{"temporary tables", rebuild.Options{Tables: app}, []string{
			"x> INSERT INTO t VALUES (1, 'a', 's')", "x> CREATE TEMP TABLE IF NOT EXISTS t (LIKE app.t)", "x> INSERT INTO t VALUES (1, 'of x', 's'), (2, 'of x', 's')", "x> UPDATE t SET name = 'of x'",
			"y> INSERT INTO t VALUES (3, 'b', 's')", "x> DROP TABLE t", "x> INSERT INTO t VALUES (4, 'c', 's')", "y> INSERT INTO pg_temp.t VALUES (5, 'd', 's')",
		}, []string{"app.t:1 id*=1 name=a state=s", "app.t:5 id*=3 name=b state=s", "app.t:7 id*=4 name=c state=s"}},
		{"temporary tables of one transaction", rebuild.Options{Tables: app}, []string{
			"x> BEGIN", "x> CREATE TEMPORARY TABLE t ON COMMIT DROP AS TABLE app.t", "x> INSERT INTO t VALUES (1, 'of x', 's')", "x> INSERT INTO app.t VALUES (2, 'a', 's')", "x> COMMIT",
			"x> INSERT INTO t VALUES (3, 'b', 's')",
		}, []string{"app.t:4 id*=2 name=a state=s", "app.t:6 id*=3 name=b state=s"}},
		{"backslashes", rebuild.Options{Tables: app}, []string{
			"x> SET standard_conforming_strings = off", `x> INSERT INTO t VALUES (1, 'C:\\x', 'it\'s')`, `y> INSERT INTO t VALUES (2, 'C:\\x', 's')`, "x> DISCARD ALL", `x> INSERT INTO t VALUES (3, '\n', 's')`,
		}, []string{`app.t:2 id*=1 name=C:\x state=it's`, `app.t:3 id*=2 name=C:\\x state=s`, `app.t:5 id*=3 name=\n state=s`}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, _ := built(t, test.options, spoken(test.lines...))
			if !slices.Equal(got, test.want) {
				t.Errorf("got\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(test.want, "\n\t"))
			}
		})
	}
}

// kinds is a table of the types whose values a cast or a comparison changes.
func kinds(name evidence.RelationName) (*evidence.Relation, bool) {
	if name.Name != "k" {
		return nil, false
	}
	return &evidence.Relation{RelationName: evidence.RelationName{Name: "k"}, Columns: []evidence.Column{
		{Name: "id", Type: "integer", Key: true, Identity: 'd'},
		{Name: "n", Type: "integer"},
		{Name: "f", Type: "double precision"},
		{Name: "r", Type: "real"},
		{Name: "q", Type: "numeric(6,2)"},
		{Name: "s", Type: "text"},
		{Name: "at", Type: "timestamp without time zone"},
		{Name: "i", Type: "interval"},
	}}, true
}

// TestValuesThatServersChange: what a column holds is not always what the statement says. Servers showed each of these.
func TestValuesThatServersChange(t *testing.T) {
	t.Parallel()
	const rest = " n=? f=? r=? q=? s=? at=? i=?"
	with := func(at int, name, text string) string {
		return strings.Replace("k:"+string(rune('0'+at))+" id*=1"+rest, name+"=?", name+"="+text, 1)
	}
	for _, test := range []struct {
		name  string
		lines []string
		want  string
	}{
		{"a number is rounded for an integer", []string{"INSERT INTO k (id, n) VALUES (1, -1.5)"}, with(1, "n", "-2")},
		{"bits are a number", []string{"INSERT INTO k (id, n) VALUES (1, X'1F'::int)"}, with(1, "n", "?")},
		{"a real in a double precision", []string{"INSERT INTO k (id, f) VALUES (1, 0.1::real)"}, with(1, "f", "?")},
		{"a boolean as a text", []string{"INSERT INTO k (id) VALUES (1)", "UPDATE k SET s = true::text WHERE id = 1"}, with(2, "s", "true")},
		{"char is char(1)", []string{"INSERT INTO k (id, s) VALUES (1, 'x'::char)"}, with(1, "s", "x")},
		{"char cuts", []string{"INSERT INTO k (id, s) VALUES (1, 'xy'::char)"}, with(1, "s", "?")},
		{"a date in another order", []string{"INSERT INTO k (id, s) VALUES (1, '01/02/2024'::date)"}, with(1, "s", "?")},
		{"a date", []string{"INSERT INTO k (id, s) VALUES (1, '2024-01-02'::date)"}, with(1, "s", "2024-01-02")},
		{"a moment in a time without zone", []string{"INSERT INTO k (id, at) VALUES (1, '2024-01-02 03:04:05+02'::timestamptz)"}, with(1, "at", "?")},
		{"a column cast to another type", []string{"INSERT INTO k (id, s) VALUES (1, '007')", "UPDATE k SET s = s::int WHERE id = 1"}, with(2, "s", "?")},
		{"a real is not the number", []string{"INSERT INTO k (id, r, s) VALUES (1, 0.1, 'a')", "UPDATE k SET s = 'b' WHERE r = 0.1"}, strings.Replace(with(1, "r", "0.1"), "s=?", "s=?", 1)},
		{"a number of more digits than the column", []string{"INSERT INTO k (id, q, s) VALUES (1, 1.005, 'a')", "UPDATE k SET s = 'b' WHERE q = 1.005"}, strings.Replace(with(1, "q", "1.01"), "s=?", "s=a", 1)},
		{"intervals that are equal", []string{"INSERT INTO k (id, i, s) VALUES (1, '24:00:00', 'a')", "UPDATE k SET s = 'b' WHERE i = '1 day'"}, with(1, "i", "24:00:00")},
		{"an identity column gets its own", []string{"INSERT INTO k (id, s) OVERRIDING USER VALUE VALUES (1, 'a')"}, "k:1 id*=?" + strings.Replace(rest, "s=?", "s=a", 1)},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, _ := built(t, rebuild.Options{Tables: kinds}, script(test.lines...))
			if !slices.Equal(got, []string{test.want}) {
				t.Errorf("got\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), test.want)
			}
		})
	}
}

// TestTablesThatChange: what a later statement does to a table's shape or name.
func TestTablesThatChange(t *testing.T) {
	t.Parallel()
	known := rebuild.Options{Tables: app}
	const elsewhere = " | may not have been inserted: ON CONFLICT names no columns, and a row may have been there with which it was in conflict"
	for _, test := range []scripted{
		{"a column is gone since", known, []string{"INSERT INTO t VALUES (1, 'a', 's')", "INSERT INTO t (id, name) VALUES (2, 'b')", "ALTER TABLE t DROP COLUMN x", "INSERT INTO t VALUES (3, 'c', 's')"}, []string{
			"app.t:1 id*=? name=? state=?", "app.t:2 id*=2 name=b state=?", "app.t:4 id*=3 name=c state=s",
		}},
		{"a column has another name", known, []string{"INSERT INTO t VALUES (1, 'a', 's')", "ALTER TABLE t RENAME COLUMN name TO title", "ALTER TABLE t RENAME state TO name"}, []string{"app.t:1 id*=1 name=? state=?"}},
		{"a table has another name", known, []string{"INSERT INTO t VALUES (1, 'a', 's')", "ALTER TABLE t RENAME TO t_old", "INSERT INTO t VALUES (2, 'b', 's')"}, []string{
			"app.t:1 id*=1 name=a state=s | may be gone: the ALTER on line 2, of which the log does not tell the rows", "app.t:3 id*=2 name=b state=s",
		}},
		{"more values than columns", known, []string{"INSERT INTO t VALUES (1, 'a', 's', 'more')"}, nil},
		{"ON CONFLICT of any index", known, []string{
			"TRUNCATE t", "INSERT INTO t VALUES (1, 'a', 's')", "INSERT INTO t VALUES (2, 'a', 's') ON CONFLICT DO NOTHING", "INSERT INTO t VALUES (3, 'a', 'z') ON CONFLICT ON CONSTRAINT t_name_key DO UPDATE SET state = 'set'",
		}, []string{"app.t:2 id*=1 name=a state=?", "app.t:3 id*=2 name=? state=?" + elsewhere, "app.t:4 id*=3 name=? state=?" + elsewhere}},
		{"NULL is in conflict with none", known, []string{
			"TRUNCATE t", "INSERT INTO t VALUES (1, NULL, 's') ON CONFLICT (name) DO UPDATE SET state = 'set'", "INSERT INTO t VALUES (2, NULL, 's') ON CONFLICT (name) DO UPDATE SET state = 'set'",
		}, []string{"app.t:2 id*=1 name=NULL state=s", "app.t:3 id*=2 name=NULL state=s"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, _ := built(t, test.options, script(test.lines...))
			if !slices.Equal(got, test.want) {
				t.Errorf("got\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(test.want, "\n\t"))
			}
		})
	}
}

// TestDropDatabase takes the rows of a database, and a DO is told of.
func TestDropDatabase(t *testing.T) {
	t.Parallel()
	list := script("INSERT INTO x (id) VALUES (1)", "INSERT INTO x (id) VALUES (1)", "DROP DATABASE shop", "DO $$ BEGIN DELETE FROM x; END $$")
	list[0].Database, list[1].Database = "shop", "other"
	got, r := built(t, rebuild.Options{}, list)
	want := []string{"x:2 id*=1", "x:1 id*=1 | drop at 3s"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if len(r.report.Untold) != 1 || r.report.Untold[0].Line != 4 {
		t.Errorf("the report is %+v", r.report.Untold)
	}
}

// TestASessionsZone: what a server of today reads in a text is not asked for where the session's settings decided it.
func TestASessionsZone(t *testing.T) {
	t.Parallel()
	columns := []evidence.Column{
		{Name: "id", Type: "integer", Key: true}, {Name: "at", Type: "timestamp(3) with time zone"}, {Name: "d", Type: "date"}, {Name: "r", Type: "tstzrange"}, {Name: "list", Type: "timestamp with time zone[]"}, {Name: "i", Type: "int4range"},
	}
	options := rebuild.Options{
		Tables: func(name evidence.RelationName) (*evidence.Relation, bool) {
			return &evidence.Relation{RelationName: name, Columns: columns}, true
		},
		Canonical: func(typ string, text []byte) ([]byte, bool) {
			if plain, ok := pg.Canonical(typ, text); ok {
				return plain, true
			}
			return []byte("asked"), true
		},
	}
	got, _ := built(t, options, script(
		"INSERT INTO z VALUES (1, '2025-01-02 10:00', '02/01/2025', '[2025-01-02 10:00,)', '{2025-01-02 10:00}', '[1,3]')",
		"INSERT INTO z VALUES (2, '2025-01-02T10:00 Europe/Berlin', '2025-01-02 10:00', NULL, NULL, NULL)",
		"INSERT INTO z VALUES (3, '2025-01-02 10:00:00.12345+02', '2025-01-02', NULL, NULL, NULL)",
	))
	want := []string{
		"z:1 id*=1 at=2025-01-02 10:00 d=02/01/2025 r=[2025-01-02 10:00,) list={2025-01-02 10:00} i=asked",
		"z:2 id*=2 at=2025-01-02T10:00 Europe/Berlin d=asked r=NULL list=NULL i=NULL",
		"z:3 id*=3 at=asked d=2025-01-02 r=NULL list=NULL i=NULL",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
	}
}

// parted is a partitioned table of app, and a partition whose columns have another order.
func parted(name evidence.RelationName) (*evidence.Relation, bool) {
	rel, ok := app(evidence.RelationName{Name: "t"})
	rel.Name = name.Name
	if name.Name == "part" {
		rel.Columns = []evidence.Column{rel.Columns[1], rel.Columns[2], rel.Columns[0]}
	}
	return rel, ok
}

// TestPartitions: what statements do to a partition they do to rows of its table, and to which is not known.
func TestPartitions(t *testing.T) {
	t.Parallel()
	options := rebuild.Options{Tables: parted, Root: func(name evidence.RelationName) (evidence.RelationName, bool) {
		return evidence.RelationName{Schema: "app", Name: "t"}, name.Name == "part"
	}}
	const gone = " | may be gone: the TRUNCATE on line 5, of which the log does not tell the rows"
	got, _ := built(t, options, script(
		"INSERT INTO t VALUES (1, 'a', 's'), (2, 'b', 's'), (3, 'c', 's')", "INSERT INTO part VALUES ('d', 's', 4)", "UPDATE part SET name = 'x' WHERE id = 1", "DELETE FROM app.part WHERE id = 2",
		"TRUNCATE part", "INSERT INTO part VALUES ('e', 's', 5)", "DELETE FROM t WHERE id = 3",
	))
	want := []string{
		"app.t:1 id*=1 name=? state=s" + gone, "app.t:1 id*=2 name=b state=s | may be gone: the DELETE on line 4 may have been of it; " + gone[len(" | "):],
		"app.t:1 id*=3 name=c state=s | delete at 7s" + gone, "app.t:2 id*=4 name=d state=s" + gone, "app.t:6 id*=5 name=e state=s",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
	}
}
