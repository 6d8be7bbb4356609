package casefile

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/pgrescue/pgrescue/recover/evidence"
)

// loggedOrder is a row that was put together from lines of a log.
func loggedOrder(rel *evidence.Relation, id string, line int64) *evidence.Row {
	return &evidence.Row{
		Relation: rel, Values: []evidence.Value{known(id), known("Ann's order")},
		Origins: []evidence.Origin{{}, {Confidence: evidence.Claimed, Source: "app.log", Line: line + 2, Why: `claim of pattern "made": Ann`}},
		Provenance: evidence.Provenance{
			Route: evidence.RouteLogs, Confidence: evidence.Claimed, Source: "pg.log", Line: line,
		},
	}
}

func candidatesOf(t *testing.T, c *Case, relation int64) []Candidate {
	t.Helper()
	var list []Candidate
	for candidate, err := range c.Candidates(context.Background(), []int64{relation}, []string{"id"}) {
		must(t, err)
		list = append(list, Candidate{ID: candidate.ID, Group: candidate.Group, Row: candidate.Row.Clone()})
	}
	return list
}

func TestOriginsComeBackAsTheyWentIn(t *testing.T) {
	t.Parallel()
	c := create(t, t.TempDir()+"/case")
	rel := orders()
	all := [][]evidence.Origin{
		loggedOrder(rel, "", 4).Origins,
		{{Confidence: evidence.Claimed, Source: "pg.log", Line: 4, Why: "literal of the INSERT"}, {Confidence: evidence.Derived, Source: "\xff.log", Line: 9, Why: "a \"quote\"\n"}},
		{{Why: "parameter $1"}, {Source: "pg.log"}},
		nil,
		{{Line: 3, Source: "b.log"}, {}},
	}
	runOf(t, c, func(r *Run) {
		table := tableOf(t, r, rel)
		for i, origins := range all {
			row := loggedOrder(rel, fmt.Sprint(i), 4)
			row.Origins = origins
			must(t, table.Put(row))
		}
	})
	got := candidatesOf(t, c, 1)
	if len(got) != len(all) {
		t.Fatalf("%d rows", len(got))
	}
	for i, want := range all {
		want := slices.Clone(want)
		for j := range want {
			if want[j] != (evidence.Origin{}) && want[j].Confidence == "" {
				want[j].Confidence = evidence.Claimed // the row's
			}
		}
		if !slices.Equal(got[i].Origins, want) || (want == nil) != (got[i].Origins == nil) {
			t.Errorf("row %d: %+v, want %+v", i, got[i].Origins, want)
		}
	}
	must(t, sqlitex.ExecuteTransient(c.conn, "UPDATE row SET origins = replace(origins, 'made', 'mode') WHERE id = 1", nil))
	problems, err := c.VerifyIntegrity(context.Background(), nil)
	must(t, err)
	if len(problems) != 1 || problems[0].Where != "case.db row 1" {
		t.Errorf("a changed origin: %v", problems)
	}
}

// TestRowsOfLogsAreTheSameInAnyOrder reads a log twice, the second time only a part of it, in another order.
func TestRowsOfLogsAreTheSameInAnyOrder(t *testing.T) {
	t.Parallel()
	c := create(t, t.TempDir()+"/case")
	rel := orders()
	put := func(rows ...*evidence.Row) {
		runOf(t, c, func(r *Run) {
			table := tableOf(t, r, rel)
			for _, row := range rows {
				must(t, table.Put(row))
			}
		})
	}
	// Line 3 inserts a and b, line 9 changes a.
	put(loggedOrder(rel, "a", 3), loggedOrder(rel, "a", 9), loggedOrder(rel, "b", 3), loggedOrder(rel, "b", 9))
	before := listing(t, c)
	if len(before) != 4 {
		t.Fatalf("rows: %v", before)
	}
	put(loggedOrder(rel, "b", 9), loggedOrder(rel, "b", 3))
	if got := listing(t, c); !slices.Equal(got, before) {
		t.Errorf("rows: %v, want %v", got, before)
	}
	nameless := func() *evidence.Row {
		row := loggedOrder(rel, "", 3)
		row.Values[0] = evidence.Value{State: evidence.Unknown, Reason: "nextval"}
		return row
	}
	put(nameless(), loggedOrder(rel, "a", 9), nameless())
	if got := listing(t, c); len(got) != 6 {
		t.Errorf("rows: %v", got)
	}
}

// TestOrderOfVersionsWithoutLSN is that of time, and then of lines.
func TestOrderOfVersionsWithoutLSN(t *testing.T) {
	t.Parallel()
	c := create(t, t.TempDir()+"/case")
	rel := orders()
	at := func(seconds int64, line int64) *evidence.Row {
		row := loggedOrder(rel, "a", line)
		if seconds > 0 {
			row.CommitTime, row.Operation = time.Unix(seconds, 0).UTC(), evidence.OpUpdate
		}
		return row
	}
	rows := []*evidence.Row{at(100, 50), at(300, 5), at(200, 20), at(200, 30), at(0, 60)}
	want := []int64{60, 5, 30, 20, 50}
	for n := range 2 {
		runOf(t, c, func(r *Run) {
			table := tableOf(t, r, rel)
			for _, row := range rows {
				must(t, table.Put(row))
			}
		})
		var got []int64
		for _, candidate := range candidatesOf(t, c, 1) {
			got = append(got, candidate.Line)
		}
		if !slices.Equal(got, want) {
			t.Errorf("run %d: lines %v, want %v", n, got, want)
		}
		slices.Reverse(rows)
	}
}

// TestCountsOfLogs compares what logs count with what the case holds.
func TestCountsOfLogs(t *testing.T) {
	t.Parallel()
	dir := t.TempDir() + "/case"
	c := create(t, dir)
	rel := orders()
	rel.Columns = append(rel.Columns, evidence.Column{Name: "import", Type: "uuid"})
	row := func(route evidence.Route, id, what, note string) *evidence.Row {
		r := loggedOrder(rel, id, 1)
		r.Route, r.Origins = route, nil
		r.Values = []evidence.Value{known(id), {State: evidence.Unknown, Reason: "x"}, known(what)}
		if note != "" {
			r.Values[1] = known(note)
		}
		return r
	}
	unnamed := row(evidence.RouteWAL, "?", "i1", "w")
	unnamed.Values[0] = evidence.Value{State: evidence.Unknown, Reason: "gone"}
	for range 2 {
		runOf(t, c, func(r *Run) {
			nameless := rel.RelationName // a log does not always tell the database
			nameless.Database = ""
			must(t, r.Count(Count{Relation: nameless, What: "i2", Rows: 5, Source: "pg.log", Line: 1}))
			must(t, r.Count(Count{Relation: rel.RelationName, What: "i1", Rows: 7, Source: "app.log", Line: 4, Why: "Creating 7 entries"}))
			must(t, r.Count(Count{Relation: rel.RelationName, What: "i1", Rows: 6, Source: "app.log", Line: 9, Why: "Made 6 entries"}))
			must(t, r.Count(Count{Relation: rel.RelationName, What: "i2", Rows: 1, Source: "app.log", Line: 12}))
			must(t, r.Count(Count{Relation: evidence.RelationName{Database: "shop", Schema: "public", Name: "unseen"}, Rows: 3, Source: "app.log", Line: 5}))
			table := tableOf(t, r, rel)
			for _, row := range []*evidence.Row{
				row(evidence.RouteWAL, "a", "i1", "w"), row(evidence.RouteWAL, "b", "i1", "w"), row(evidence.RouteHeap, "a", "i1", "h"), unnamed,
				row(evidence.RouteLogs, "c", "i1", ""), // only its id is known
				row(evidence.RouteImport, "made 1", "i1", "f"), row(evidence.RouteImport, "made 2", "i1", "f"),
				row(evidence.RouteImport, "made 3", "i1", "f"), row(evidence.RouteImport, "made 4", "i1", "f"),
				row(evidence.RouteImport, "made 5", "i2", "f"), row(evidence.RouteImport, "made 6", "i2", "f"), row(evidence.RouteWAL, "d", "i3", "w"),
			} {
				must(t, table.Put(row))
			}
		})
	}
	summary, err := c.Summary(context.Background())
	must(t, err)
	show := func(l *Logged) string {
		text := fmt.Sprintf("%d %d %d +%d:", l.Rows, l.Held, l.Missing, l.Others)
		for _, of := range l.Of {
			text += fmt.Sprintf(" %s %d %d %d %v %d", of.What, of.Rows, of.Held, of.Missing, of.Differ, len(of.Counts))
		}
		return text
	}
	for _, table := range summary.Tables {
		want := "8 6 3 +1: i1 7 4 3 true 2 i2 1 2 0 false 1"
		switch {
		case table.Name == "unseen":
			want = "3 0 3 +0:  3 0 3 false 1"
		case table.Database == "":
			want = "5 2 3 +5: i2 5 2 3 false 1"
		}
		if table.Logged == nil || show(table.Logged) != want {
			t.Errorf("%s: %+v, want %s", table.Name, table.Logged, want)
		}
	}
	must(t, c.Close())
	sound(t, dir)
}

// TestEventsHaveTheirLine reads the timeline; two lines that say the same are two events.
func TestEventsHaveTheirLine(t *testing.T) {
	t.Parallel()
	c := create(t, t.TempDir()+"/case")
	event := func(second, line int64) Event {
		return Event{
			Time: time.Unix(second, 5000).UTC(), Source: "pg.log", Line: line, Certainty: "executed", Actor: "app", Tenant: "t",
			Statement: "DELETE", Message: "statement", Detail: []byte(`{"xid":7}`),
		}
	}
	for range 2 {
		runOf(t, c, func(r *Run) {
			for _, e := range []Event{event(20, 9), event(10, 8), event(10, 3)} {
				must(t, r.Event(e))
			}
		})
	}
	var got []Event
	for e, err := range c.Events(context.Background()) {
		must(t, err)
		got = append(got, *e)
	}
	want := []Event{event(10, 8), event(10, 3), event(20, 9)}
	if fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	for _, err := range c.Events(context.Background()) {
		must(t, err)
		break // and the case is free again
	}
	runOf(t, c, func(r *Run) { must(t, r.Event(event(30, 1))) })
}

// TestPseudonymsTakeOutWhatOriginsQuote looks for a value in every file of a bundle.
func TestPseudonymsTakeOutWhatOriginsQuote(t *testing.T) {
	t.Parallel()
	c := create(t, t.TempDir()+"/case")
	rel, other := orders(), orders()
	other.Name = "others"
	runOf(t, c, func(r *Run) {
		for _, rel := range []*evidence.Relation{rel, other} {
			table := tableOf(t, r, rel)
			row := loggedOrder(rel, "a", 3)
			if rel == other {
				row.Values[1] = known("plain")
			}
			must(t, table.Put(row))
			row = loggedOrder(rel, "b", 4)
			row.Values[1] = evidence.Value{State: evidence.Unknown, Reason: "cut behind 300 characters; it begins with Ann"}
			if rel == other {
				row.Values[1].Reason = "cut"
			}
			must(t, table.Put(row))
		}
		must(t, r.Count(Count{Relation: rel.RelationName, Rows: 2, Source: "app.log", Line: 1, Why: "Ann made 2"}))
		must(t, r.Event(Event{Source: "app.log", Line: 1, Message: "Ann made 2"}))
	})
	out := t.TempDir() + "/bundle"
	_, err := c.Export(context.Background(), ExportOptions{Dir: out, Personal: []Personal{{Table: "orders", Column: "note"}}, Key: []byte("key")})
	must(t, err)
	files, err := os.ReadDir(out + "/data/rows")
	must(t, err)
	for _, name := range []string{"data/case.db", "data/counts.csv", "data/timeline.csv", "data/rows/" + files[0].Name(), "data/rows/" + files[1].Name()} {
		text, err := os.ReadFile(out + "/" + name)
		must(t, err)
		if strings.Contains(string(text), "Ann") {
			t.Errorf("%s quotes a value", name)
		}
	}
	copied := read(t, out+"/data")
	n := 0
	must(t, copied.each("SELECT origins FROM row ORDER BY id", func(stmt *sqlite.Stmt) error {
		n++
		if got := stmt.ColumnText(0); !strings.Contains(got, `"source":"app.log","line":`) || !strings.Contains(got, takenOut) {
			t.Errorf("origins: %s", got)
		}
		return nil
	}))
	if n != 4 {
		t.Errorf("%d rows", n)
	}
	sound(t, out+"/data")
}
