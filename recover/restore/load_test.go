package restore

import (
	"context"
	"fmt"
	"iter"
	"strings"
	"testing"

	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/live"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster/clustertest"
)

// given is rows for a table as texts: \N is NULL. Their lines are 2, 3, ….
func given(table, columns string, rows ...string) LoadTable {
	relation := &evidence.Relation{RelationName: evidence.RelationName{Schema: "public", Name: table}}
	for _, name := range strings.Split(columns, " ") {
		relation.Columns = append(relation.Columns, evidence.Column{Name: name})
	}
	return LoadTable{Relation: relation, Rows: rowsOf(relation, rows)}
}

func rowsOf(relation *evidence.Relation, rows []string) iter.Seq2[*evidence.Row, error] {
	return func(yield func(*evidence.Row, error) bool) {
		for i, text := range rows {
			row := &evidence.Row{Relation: relation, Values: values(strings.Split(text, "|")...)}
			row.Provenance = evidence.Provenance{Route: evidence.RouteImport, Confidence: evidence.Derived, Source: relation.Name + ".csv", Line: int64(i) + 2}
			if !yield(row, nil) {
				return
			}
		}
	}
}

// loading is a load into a database, and what it refuses.
type loading struct {
	t       testing.TB
	dsn     string
	ctx     context.Context // nil: the test's
	options live.Options    // of the session; without a command: for writing
	refused []string
	told    []LoadRefusal
	change  func(*Loading) // nil: as it is
}

func (l *loading) run(tables ...LoadTable) (*Loaded, error) {
	l.t.Helper()
	ctx := l.ctx
	if ctx == nil {
		ctx = l.t.Context()
	}
	if l.options.Command == "" {
		l.options = live.Options{Command: "test", Mode: live.Write}
	}
	conn, err := live.Connect(ctx, l.dsn, l.options)
	if err != nil {
		l.t.Fatal(err)
	}
	defer conn.Close()
	l.refused, l.told = nil, nil
	loading := Loading{Conn: conn, Tables: tables, PagesNotNeeded: true, Probe: func(ctx context.Context) (*live.Conn, error) {
		return live.Connect(ctx, l.dsn, live.Options{Command: "test-probe"})
	}, Refused: func(r LoadRefusal) error {
		l.told = append(l.told, r)
		l.refused = append(l.refused, fmt.Sprintf("%s line %d [%s] [%s] %s", r.Table.Name, r.Line, r.Column, r.Constraint, r.Reason))
		return nil
	}}
	if l.change != nil {
		l.change(&loading)
	}
	return Load(ctx, loading)
}

// counts is what became of the rows of all tables, on a line each.
func counts(l *Loaded) string {
	var b strings.Builder
	for i := range l.Tables {
		t := &l.Tables[i]
		fmt.Fprintf(&b, "%s: read %d, inserted %d, there %d, different %d, updated %d, twice %d, refused %d\n",
			t.Name, t.Read, t.Inserted, t.There, t.Different, t.Updated, t.Twice, t.Refused)
		if t.Read != t.Inserted+t.There+t.Different+t.Twice+t.Refused {
			fmt.Fprintf(&b, "these do not add up\n")
		}
	}
	return b.String()
}

func TestLoadPlain(t *testing.T) {
	t.Parallel()
	for _, version := range []string{"13", "15", "18"} {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			c := clustertest.Start(t, cluster.Options{Version: version})
			clustertest.Exec(t, c, "postgres", `CREATE TABLE parent (id int PRIMARY KEY, name text NOT NULL, at timestamptz DEFAULT '2020-01-01')`,
				`CREATE TABLE child (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, parent int REFERENCES parent, v varchar(3), twice int GENERATED ALWAYS AS (parent * 2) STORED)`)
			l := &loading{t: t, dsn: c.LibpqDSN("postgres")}
			run := func(want string) *Loaded {
				t.Helper()
				done, err := l.run(given("child", "id parent v", "7|1|abc", "8|2|abcd", `9|\N|\N`, "x|1|a"), given("parent", "id name", "1|one", "2|two \t\\ 'x'"))
				if err != nil {
					t.Fatal(err)
				}
				if got := counts(done); got != want {
					t.Errorf("got:\n%s\nwant:\n%s", got, want)
				}
				if got := strings.Join(l.refused, "\n"); got != "child line 3 [v] [] value too long for type character varying(3)\nchild line 5 [id] [] invalid input syntax for type bigint: \"x\"" {
					t.Errorf("refused:\n%s", got)
				}
				return done
			}
			l.change = func(l *Loading) { l.DryRun = true }
			run("child: read 4, inserted 2, there 0, different 0, updated 0, twice 0, refused 2\nparent: read 2, inserted 2, there 0, different 0, updated 0, twice 0, refused 0\n")
			if got := clustertest.CopyOut(t, c, "postgres", "SELECT count(*) FROM parent"); got != "0\n" {
				t.Errorf("the dry run left %s", got)
			}
			l.change = nil
			done := run("child: read 4, inserted 2, there 0, different 0, updated 0, twice 0, refused 2\nparent: read 2, inserted 2, there 0, different 0, updated 0, twice 0, refused 0\n")
			if got := fmt.Sprint(done.Sequences, done.Tables[1].Defaults); got != "[{public.child_id_seq 9}] [at]" || done.Committed.IsZero() {
				t.Errorf("sequences and defaults: %s", got)
			}
			want := "7\t1\tabc\t2\n9\t\\N\t\\N\t\\N\n1\tone\t2020-01-01 00:00:00+00\n2\ttwo \\t\\\\ 'x'\t2020-01-01 00:00:00+00\n"
			state := clustertest.CopyOut(t, c, "postgres", "SELECT * FROM child ORDER BY id") + clustertest.CopyOut(t, c, "postgres", "SELECT id, name, at AT TIME ZONE 'UTC' || '+00' FROM parent ORDER BY id")
			if state != want {
				t.Errorf("got:\n%s\nwant:\n%s", state, want)
			}
			run("child: read 4, inserted 0, there 2, different 0, updated 0, twice 0, refused 2\nparent: read 2, inserted 0, there 2, different 0, updated 0, twice 0, refused 0\n")
		})
	}
}
