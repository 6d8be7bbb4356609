package rebuild_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pgrescue/pgrescue/logparse"
	"github.com/pgrescue/pgrescue/logparse/rebuild"
	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/pg"
)

// noon is when line 0 of every log here was written; each line is a second later.
var noon = time.Date(2025, 11, 26, 12, 0, 0, 0, time.UTC)

// script makes events of statements, one a line. A word before a colon is the kind: "executed: …"; else it is committed.
func script(lines ...string) []logparse.Event {
	var list []logparse.Event
	for i, line := range lines {
		e := logparse.Event{Kind: logparse.Committed, Statement: line, XID: pg.XID(700 + i), Rows: -1}
		for _, kind := range []logparse.EventKind{logparse.Executed, logparse.RolledBack, logparse.Failed, logparse.Attempted} {
			if rest, ok := strings.CutPrefix(line, string(kind)+": "); ok {
				e.Kind, e.Statement = kind, rest
			}
		}
		e.Statement, e.Parameters, _ = strings.Cut(e.Statement, " <- ")
		e.Verb = strings.ToUpper(strings.Fields(e.Statement)[0])
		e.Place = logparse.Place{Source: server, Line: int64(i + 1), Lines: 1}
		e.Stamp = logparse.Stamp{Time: noon.Add(time.Duration(i+1) * time.Second)}
		list = append(list, e)
	}
	return list
}

var (
	server  = &logparse.Source{Name: "server.log", Paths: []string{"server.log"}, Format: "PostgreSQL csvlog"}
	backend = &logparse.Source{Name: "app.log", Paths: []string{"app.log"}, Format: "Python logging"}
)

// built gives the rows of events, one text each: what is there, what is gone and how, and the notes.
func built(t testing.TB, options rebuild.Options, list []logparse.Event) ([]string, *rows) {
	t.Helper()
	options.Parser = parser
	b := rebuild.New(options)
	for i := range list {
		if err := b.Event(&list[i]); err != nil {
			t.Fatal(err)
		}
	}
	r := result(t, b)
	var texts []string
	for i := range r.all {
		texts = append(texts, rowText(&r.all[i]))
	}
	return texts, r
}

// rowText writes a row on one line.
func rowText(row *evidence.Row) string {
	var parts []string
	for j, v := range row.Values {
		text := "?"
		switch v.State {
		case evidence.Known:
			text = string(v.Text)
		case evidence.Null:
			text = "NULL"
		}
		name := row.Relation.Columns[j].Name
		if row.Relation.Columns[j].Key {
			name += "*"
		}
		parts = append(parts, name+"="+text)
	}
	text := fmt.Sprintf("%s:%d %s", row.Relation.RelationName, row.Line, strings.Join(parts, " "))
	if row.Operation != "" {
		text += fmt.Sprintf(" | %s at %ds", row.Operation, int(row.CommitTime.Sub(noon)/time.Second))
	}
	if row.Note != "" {
		text += " | " + row.Note
	}
	return text
}

type scripted struct {
	name    string
	options rebuild.Options
	lines   []string
	want    []string
}

// app is a table t (id, name, state), and c without a key.
func app(name evidence.RelationName) (*evidence.Relation, bool) {
	rel := &evidence.Relation{RelationName: evidence.RelationName{Schema: "app", Name: name.Name}}
	switch name.Name {
	case "t":
		rel.Columns = []evidence.Column{{Name: "id", Type: "integer", Key: true}, {Name: "name", Type: "text"}, {Name: "state", Type: "text"}}
	case "c":
		rel.Columns = []evidence.Column{{Name: "a", Type: "integer"}, {Name: "g", Type: "integer", Generated: true}}
	default:
		return nil, false
	}
	return rel, true
}

func scriptedCases() []scripted {
	known := rebuild.Options{Tables: app}
	versions := rebuild.Options{Tables: app, Versions: true}
	return []scripted{
		{"what was not committed makes nothing", known, []string{
			"rolled back: INSERT INTO t VALUES (1, 'a', 's')", "failed: INSERT INTO t VALUES (2, 'a', 's')", "attempted: INSERT INTO t VALUES (3, 'a', 's')",
			"executed: INSERT INTO t VALUES (4, 'a', 's')", "INSERT INTO t VALUES (5, 'a', 's')", "rolled back: DELETE FROM t",
		}, []string{"app.t:5 id*=5 name=a state=s"}},
		{"what may have been committed is noted", known, []string{"INSERT INTO t VALUES (1, 'a', 's'), (2, 'b', 's')", "executed: DELETE FROM t WHERE id = 1"}, []string{
			"app.t:1 id*=1 name=a state=s | the DELETE on line 2 may have been committed, too: nothing shows it", "app.t:1 id*=2 name=b state=s",
		}},
		{"and given beside the others when asked for", rebuild.Options{Tables: app, Uncommitted: true}, []string{"INSERT INTO t VALUES (1, 'a', 's')", "executed: INSERT INTO t VALUES (2, 'b', 's')"}, []string{
			"app.t:1 id*=1 name=a state=s", "app.t:2 id*=2 name=b state=s | nothing shows that its transaction committed",
		}},
		{"update keeps what it does not set", versions, []string{"INSERT INTO t VALUES (1, 'a', 's')", "UPDATE t SET name = name || 'x', state = 'z' WHERE id = 1", "DELETE FROM app.t WHERE id = '1'"}, []string{
			"app.t:1 id*=1 name=a state=s | update at 2s", "app.t:2 id*=1 name=? state=z | delete at 3s",
		}},
		{"a column set to another", known, []string{"INSERT INTO t VALUES (1, 'a', 's'), (2, DEFAULT, 's')", "UPDATE t SET name = state, state = name"}, []string{"app.t:2 id*=1 name=s state=a", "app.t:2 id*=2 name=s state=?"}},
		{"truncate, drop, delete all", known, []string{
			"INSERT INTO t VALUES (1, 'a', 's')", "TRUNCATE t", "INSERT INTO t VALUES (1, 'b', 's')", "DELETE FROM t", "INSERT INTO t VALUES (1, 'c', 's')", "DROP TABLE t",
			"INSERT INTO t VALUES (1, 'd', 's')", "DROP SCHEMA app CASCADE",
		}, []string{
			"app.t:1 id*=1 name=a state=s | truncate at 2s", "app.t:3 id*=1 name=b state=s | delete at 4s", "app.t:5 id*=1 name=c state=s | drop at 6s", "app.t:7 id*=1 name=d state=s | drop at 8s",
		}},
		{"rows from before the log", known, []string{"UPDATE t SET name = 'n' WHERE id IN (7, 8)", "DELETE FROM t WHERE id = 8", "DELETE FROM t WHERE id = 9", "UPDATE t SET name = 'm' WHERE id = 10 AND state = 's'"}, []string{
			"app.t:1 id*=7 name=n state=? | known by the UPDATE on line 1 alone, which does not tell whether there was such a row",
			"app.t:1 id*=8 name=n state=? | delete at 2s | known by the UPDATE on line 1 alone, which does not tell whether there was such a row",
			"app.t:3 id*=9 name=? state=? | delete at 3s | known by the DELETE on line 3 alone, which does not tell whether there was such a row",
		}},
		{"none are from before a TRUNCATE", known, []string{"TRUNCATE t", "DELETE FROM t WHERE id = 9", "INSERT INTO t (id, name) VALUES (1, 'a') ON CONFLICT DO NOTHING"}, []string{"app.t:3 id*=1 name=a state=?"}},
		{"conditions on other columns", known, []string{
			"INSERT INTO t VALUES (1, 'a', 's'), (2, 'b', 's'), (3, 'a', 'z'), (4, NULL, 'z')", "INSERT INTO t (id, state) VALUES (5, 'z')", "DELETE FROM t WHERE name = 'a' AND state = 'z'",
			"UPDATE t SET state = 'n' WHERE name IS NULL",
		}, []string{
			"app.t:1 id*=1 name=a state=s", "app.t:1 id*=2 name=b state=s", "app.t:1 id*=3 name=a state=z | delete at 3s",
			"app.t:2 id*=5 name=? state=? | may be gone: the DELETE on line 3 may have been of it", "app.t:4 id*=4 name=NULL state=n",
		}},
		{"conditions that nobody can follow", known, []string{
			"INSERT INTO t VALUES (1, 'a', 's'), (2, 'b', 'z')", "UPDATE t SET state = 'z' WHERE name > 'a'", "INSERT INTO t VALUES (3, 'c', 's')", "DELETE FROM t WHERE id = 2 AND name LIKE 'b%'",
			"UPDATE t SET name = 'q' WHERE id = 3 AND length(state) = 1",
		}, []string{
			"app.t:1 id*=1 name=a state=?", "app.t:1 id*=2 name=b state=? | may be gone: the DELETE on line 4 may have been of it", "app.t:3 id*=3 name=? state=s",
		}},
		{"doubts end with the version", known, []string{
			"INSERT INTO t VALUES (1, 'a', 's')", "UPDATE t SET state = 'z' WHERE name > 'a'", "UPDATE t SET state = 'known' WHERE id = 1", "DELETE FROM t WHERE name > 'x'", "DELETE FROM t WHERE id = 1", "DELETE FROM t WHERE name > 'y'",
		}, []string{"app.t:3 id*=1 name=a state=known | delete at 5s | may be gone: the DELETE on line 4, of which the log does not tell the rows"}},
		{"rows whose key is a default", known, []string{
			"INSERT INTO t (name, state) VALUES ('a', 's'), ('b', 's')", "UPDATE t SET state = 'z' WHERE id = 7", "UPDATE t SET state = 'y' WHERE name = 'b'", "DELETE FROM t WHERE state = 'y'",
		}, []string{
			"app.t:1 id*=? name=a state=? | may be gone: the DELETE on line 4 may have been of it",
			"app.t:2 id*=7 name=? state=? | known by the UPDATE on line 2 alone, which does not tell whether there was such a row; may be one of the rows whose key the log does not have; may be gone: the DELETE on line 4 may have been of it",
			"app.t:3 id*=? name=b state=y | delete at 4s",
		}},
		{"ON CONFLICT", known, []string{
			"INSERT INTO t VALUES (1, 'a', 's') ON CONFLICT (id) DO NOTHING", "INSERT INTO t VALUES (1, 'b', 'z') ON CONFLICT (id) DO UPDATE SET name = excluded.name, state = 'set'",
			"INSERT INTO t VALUES (2, 'c', 's') ON CONFLICT (id) DO UPDATE SET name = excluded.name, state = excluded.state", "INSERT INTO t VALUES (2, 'd', 's') ON CONFLICT (id) DO NOTHING",
			"INSERT INTO t VALUES (2, 'e', 's') ON CONFLICT (id) DO UPDATE SET name = excluded.name WHERE t.state > 'a'",
			"INSERT INTO t VALUES (3, 'f', 's') ON CONFLICT (name) DO NOTHING",
		}, []string{"app.t:2 id*=1 name=b state=set", "app.t:3 id*=2 name=? state=s", "app.t:6 id*=? name=f state=?"}},
		{"a key that moves, and comes again", known, []string{
			"INSERT INTO t VALUES (1, 'a', 's')", "UPDATE t SET id = 2 WHERE id = 1", "INSERT INTO t VALUES (1, 'b', 's')", "DELETE FROM t WHERE id = 2", "INSERT INTO t VALUES (1, 'c', 's')",
		}, []string{
			"app.t:2 id*=2 name=a state=s | delete at 4s", "app.t:3 id*=1 name=b state=s | delete at 5s | gone before the INSERT on line 5, which makes a row of its key; what removed it is not in the log", "app.t:5 id*=1 name=c state=s",
		}},
		{"no key, and a generated column", known, []string{"INSERT INTO c VALUES (1), (1)", "DELETE FROM c WHERE a = 1", "INSERT INTO c VALUES (2)"}, []string{
			"app.c:1 a=1 g=? | delete at 2s", "app.c:1 a=1 g=? | delete at 2s", "app.c:3 a=2 g=?",
		}},
		{"no catalog: id is the key", rebuild.Options{}, []string{"INSERT INTO x (id, v) VALUES (1, 'a'), (2, 'b')", "UPDATE public.x SET w = true WHERE id = '01'", "INSERT INTO x VALUES (3, 'c')"}, []string{
			"public.x:1 id*=2 w=? v=b", "public.x:2 id*=1 w=t v=a",
		}},
		{"no catalog: the key is what conditions name", rebuild.Options{}, []string{
			"INSERT INTO x (code, state) VALUES ('A', 's'), ('B', 's'), ('C', 's')", "UPDATE x SET state = 'z' WHERE state = 's'", "UPDATE x SET state = 'y' WHERE state = 'z'", "DELETE FROM x WHERE code = 'A'",
		}, []string{"x:3 code*=A state=y | delete at 4s", "x:3 code*=B state=y", "x:3 code*=C state=y"}},
		{"as rows stood", rebuild.Options{Tables: app, At: noon.Add(2 * time.Second)}, []string{
			"INSERT INTO t VALUES (1, 'a', 's'), (2, 'b', 's')", "UPDATE t SET name = 'x' WHERE id = 1", "UPDATE t SET name = 'y' WHERE id = 1", "DELETE FROM t", "INSERT INTO t VALUES (3, 'c', 's')",
		}, []string{"app.t:1 id*=2 name=b state=s | delete at 4s", "app.t:2 id*=1 name=x state=s | update at 3s"}},
		{"a WITH and an EXPLAIN", known, []string{
			"WITH a AS (INSERT INTO t VALUES (1, 'a', 's') RETURNING id) INSERT INTO c (a) VALUES (7)", "EXPLAIN INSERT INTO t VALUES (2, 'b', 's')", "EXPLAIN (ANALYZE) INSERT INTO t VALUES (3, 'c', 's')",
		}, []string{"app.c:1 a=7 g=?", "app.t:1 id*=1 name=a state=s", "app.t:3 id*=3 name=c state=s"}},
		{"parameters that were cut", rebuild.Options{Tables: app, MaxLength: 4}, []string{
			"INSERT INTO t VALUES ($1, $2, $3) <- $1 = '1', $2 = 'abcd...', $3 = 'it''s,'", "DELETE FROM t WHERE name = $1 <- $1 = 'abcd...'",
		}, []string{"app.t:1 id*=1 name=? state=it's, | may be gone: the DELETE on line 2, of which the log does not tell the rows"}},
		{"what a log does not show", known, []string{
			"COPY t FROM stdin", "INSERT INTO t SELECT * FROM u", "MERGE INTO t USING u ON t.id = u.id WHEN MATCHED THEN DELETE", "ALTER TABLE t ADD x int", "INSERT INTO t VALUES (now(), nextval('s'), DEFAULT)",
		}, []string{"app.t:5 id*=? name=? state=?"}},
	}
}

// TestStatements follows statements whose fate is known.
func TestStatements(t *testing.T) {
	t.Parallel()
	for _, test := range scriptedCases() {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, _ := built(t, test.options, script(test.lines...))
			if !slices.Equal(got, test.want) {
				t.Errorf("got\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(test.want, "\n\t"))
			}
		})
	}
}

// TestTwoLogsOfOneServer: what the server's log and a program's own tell of one statement counts once, and each has what
// the other lacks.
func TestTwoLogsOfOneServer(t *testing.T) {
	t.Parallel()
	all := script(
		"INSERT INTO t VALUES (1, 'a', $1) <- $1 = 'abcd...'", "INSERT INTO t (name) VALUES ('b')", "INSERT INTO t (name) VALUES ('b')", "UPDATE t SET state = 'x' WHERE name = 'b'",
		"executed: INSERT INTO t VALUES (3, 'c', 's')", "DELETE FROM t WHERE id = 1",
	)
	for _, e := range script(
		"INSERT INTO t VALUES (1, 'a', $1)", "INSERT INTO t (name) VALUES ($1)", "UPDATE t SET state = 'x' WHERE name = 'b'", "INSERT INTO t VALUES (3, 'c', 's')", "INSERT INTO t VALUES (4, $1, $2)",
	) {
		e.Source, e.XID, e.Time = backend, 0, e.Time.Add(2*time.Second)
		switch e.Line {
		case 1:
			e.Sets = [][]evidence.Value{{{Text: []byte("abcdefgh")}}}
		case 2:
			e.Sets = [][]evidence.Value{{{Text: []byte("b")}}, {{Text: []byte("b")}}}
		case 3:
			e.Time = e.Time.Add(time.Second)
		case 5:
			e.Sets = [][]evidence.Value{{{Text: []byte("[REDACTED]s basic")}, {Text: []byte("***12345678")}}}
		}
		all = append(all, e)
	}
	got, _ := built(t, rebuild.Options{Tables: app, MaxLength: 4}, all)
	want := []string{
		"app.t:1 id*=1 name=a state=abcdefgh | delete at 6s", "app.t:4 id*=? name=b state=x", "app.t:4 id*=? name=b state=x", "app.t:5 id*=3 name=c state=s", "app.t:5 id*=4 name=? state=?",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
	}
}

// TestSeveralLogs: three formats of one server's log and a copy of a backend's tell nothing twice, and two backends do.
func TestSeveralLogs(t *testing.T) {
	t.Parallel()
	lines := []string{"INSERT INTO c (a) VALUES (1)", "INSERT INTO t VALUES (1, 'a', 's')", "INSERT INTO t VALUES (1, 'b', 'z') ON CONFLICT (id) DO UPDATE SET state = excluded.state", "INSERT INTO c (a) VALUES (1)"}
	of := func(name, format string, late time.Duration) []logparse.Event {
		source := &logparse.Source{Name: name, Paths: []string{name}, Format: format}
		list := script(lines...)
		for i := range list {
			list[i].Source, list[i].Time = source, list[i].Time.Add(late)
		}
		return list
	}
	twice := []string{"app.c:1 a=1 g=?", "app.c:4 a=1 g=?", "app.t:3 id*=1 name=a state=z"}
	for name, test := range map[string]struct {
		list []logparse.Event
		want []string
	}{
		"three formats": {slices.Concat(of("s.csv", "PostgreSQL csvlog", 0), of("s.json", "PostgreSQL jsonlog", 0), of("s.log", "PostgreSQL stderr", -900*time.Millisecond)), twice},
		"a copy":        {slices.Concat(of("a.log", "Python logging", 0), of("docker.log", "Python logging", 3*time.Millisecond)), twice},
		"two backends": {
			slices.Concat(of("a.log", "Python logging", 0)[:1], of("b.log", "Python logging", 2*time.Second)[:1]),
			[]string{"app.c:1 a=1 g=?", "app.c:1 a=1 g=?"},
		},
		"two backends and their server": {
			slices.Concat(of("a.log", "Python logging", 0)[:1], of("b.log", "Python logging", 2*time.Second)[:1], of("s.log", "PostgreSQL stderr", time.Second)[:1]),
			[]string{"app.c:1 a=1 g=?", "app.c:1 a=1 g=?"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, _ := built(t, rebuild.Options{Tables: app}, test.list)
			if !slices.Equal(got, test.want) {
				t.Errorf("got\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(test.want, "\n\t"))
			}
		})
	}
}

// TestWhatARowSaysOfItself looks at the provenance, the origins, the reasons and the report.
func TestWhatARowSaysOfItself(t *testing.T) {
	t.Parallel()
	list := script("INSERT INTO t (id, name) VALUES (1, $1) <- $1 = '7'", "UPDATE t SET state = lower('S'), name = '2025-13-1' WHERE id = 1", "DELETE FROM t WHERE id = 1", "COPY t FROM stdin", "DELETE FROM")
	list[1].XID = 701
	list[2].Ended = logparse.End{Stamp: logparse.Stamp{Time: noon.Add(time.Minute)}, Line: 60}
	_, r := built(t, rebuild.Options{Tables: app, Versions: true}, list)
	if len(r.all) != 2 {
		t.Fatalf("%d versions", len(r.all))
	}
	old, row := r.all[0], r.all[1]
	if old.Route != evidence.RouteLogs || old.Confidence != evidence.Claimed || old.Source != "server.log" || old.Line != 1 || old.Xmin != 700 || old.Xmax != 701 || string(old.Successor[1].Text) != "2025-13-1" {
		t.Errorf("the old version: %+v", old.Provenance)
	}
	if row.Xmax != 702 || !row.CommitTime.Equal(noon.Add(time.Minute)) || row.Intermediate {
		t.Errorf("the new version: %+v", row.Provenance)
	}
	want := []evidence.Origin{
		{Confidence: evidence.Claimed, Source: "server.log", Line: 1, Why: "literal of the INSERT"},
		{Confidence: evidence.Claimed, Source: "server.log", Line: 2, Why: "literal of the UPDATE"},
		{},
	}
	if !slices.Equal(row.Origins, want) || old.Origins[1].Why != "parameter $1" || row.Values[2].Reason != "lower() was called" || old.Values[2].Reason == "" {
		t.Errorf("origins %+v and %+v, reasons %q and %q", old.Origins, row.Origins, old.Values[2].Reason, row.Values[2].Reason)
	}
	table := r.report.Tables[0]
	if r.report.Committed != 5 || row.Operation != evidence.OpDelete || old.Operation != evidence.OpUpdate || table.Statements != 4 || len(table.Untold) != 1 || table.Untold[0].Line != 4 || len(r.report.Untold) != 1 || r.report.Untold[0].Line != 5 {
		t.Errorf("the report is %+v", r.report)
	}
}
