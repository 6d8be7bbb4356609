package casefile

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"zombiezen.com/go/sqlite"

	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/pg"
)

// listing is the rows of the case on a line each, in the order of their numbers.
func listing(t *testing.T, c *Case) []string {
	t.Helper()
	var lines []string
	must(t, c.each("SELECT route, confidence, data, ifnull(successor, ''), run_id FROM row_list ORDER BY id", func(stmt *sqlite.Stmt) error {
		lines = append(lines, strings.TrimRight(fmt.Sprintf("%s %s %s %s run %d", stmt.ColumnText(0), stmt.ColumnText(1), stmt.ColumnText(2), stmt.ColumnText(3), stmt.ColumnInt64(4)), " "))
		return nil
	}))
	return lines
}

func wantListing(t *testing.T, c *Case, want ...string) {
	t.Helper()
	got := listing(t, c)
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("rows:\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestSameVersionIsOneRow finds one version of a row again and again.
func TestSameVersionIsOneRow(t *testing.T) {
	t.Parallel()
	c := create(t, t.TempDir()+"/case")
	rel := orders()
	put := func(change func(row *evidence.Row)) {
		t.Helper()
		runOf(t, c, func(r *Run) {
			row := orderRow(rel, 0, evidence.RouteHeap, "whole")
			change(row)
			must(t, tableOf(t, r, rel).Put(row))
		})
	}
	unknown := evidence.Value{State: evidence.Unknown, Reason: "chunk 3 is gone"}

	put(func(row *evidence.Row) { row.Values[1] = unknown })
	wantListing(t, c, `heap proven ["a",{"unknown":"chunk 3 is gone"}]  run 1`)
	put(func(row *evidence.Row) { row.Confidence = evidence.Derived })
	wantListing(t, c, `heap derived ["a","whole"]  run 2`)
	put(func(row *evidence.Row) { row.Values[1] = unknown })
	wantListing(t, c, `heap derived ["a","whole"]  run 2`)
	put(func(*evidence.Row) {})
	wantListing(t, c, `heap proven ["a","whole"]  run 4`)
	put(func(row *evidence.Row) { row.Confidence, row.Values[1] = evidence.Derived, known("worse") })
	put(func(*evidence.Row) {})
	wantListing(t, c, `heap proven ["a","whole"]  run 4`)
	put(func(row *evidence.Row) { row.Values[1] = known("again") })
	wantListing(t, c, `heap proven ["a","again"]  run 7`)
	put(func(row *evidence.Row) {
		row.Values[1], row.Successor = known("again"), []evidence.Value{known("a"), known("after")}
	})
	put(func(row *evidence.Row) { row.Values[1] = known("no successor") })
	wantListing(t, c, `heap proven ["a","again"] ["a","after"] run 8`)

	// Another route, another transaction and another place are other rows.
	put(func(row *evidence.Row) { row.Route = evidence.RouteWAL })
	put(func(row *evidence.Row) { row.Xmax++ })
	put(func(row *evidence.Row) { row.TID.Offset++ })
	wantListing(t, c, `heap proven ["a","again"] ["a","after"] run 8`, `wal proven ["a","whole"]  run 10`,
		`heap proven ["a","whole"]  run 11`, `heap proven ["a","whole"]  run 12`)
}

// TestRowsOfTexts have a source and a line instead of a place.
func TestRowsOfTexts(t *testing.T) {
	t.Parallel()
	c := create(t, t.TempDir()+"/case")
	rel := orders()
	row := func(source string, line int64, note string) *evidence.Row {
		return &evidence.Row{Relation: rel, Values: []evidence.Value{known("1"), known(note)}, Provenance: evidence.Provenance{
			Route: evidence.RouteDump, Confidence: evidence.Derived, Source: source, Line: line,
		}}
	}
	for range 2 {
		runOf(t, c, func(r *Run) {
			table := tableOf(t, r, rel)
			must(t, table.Put(row("a.dump", 1, "a1")))
			must(t, table.Put(row("a.dump", 2, "a2 first")))
			must(t, table.Put(row("a.dump", 2, "a2 second")))
			must(t, table.Put(row("b.dump", 1, "b1")))
			must(t, table.Put(row("", 0, "nowhere first")))
			must(t, table.Put(row("", 0, "nowhere second")))
		})
	}
	wantListing(t, c, `dump derived ["1","a1"]  run 1`, `dump derived ["1","a2 first"]  run 1`, `dump derived ["1","a2 second"]  run 1`,
		`dump derived ["1","b1"]  run 1`, `dump derived ["1","nowhere first"]  run 1`, `dump derived ["1","nowhere second"]  run 1`)
	n := 0
	for candidate, err := range c.Candidates(context.Background(), []int64{1}, []string{"id"}) {
		must(t, err)
		if candidate.TID != (pg.TID{}) || candidate.Group != 1 {
			t.Errorf("candidate: %+v", candidate)
		}
		n++
	}
	if n != 6 {
		t.Errorf("%d candidates", n)
	}
}

// TestBetterSettlementWins settles one ledger line again and again.
func TestBetterSettlementWins(t *testing.T) {
	t.Parallel()
	c := create(t, t.TempDir()+"/case")
	line := func(settled evidence.Route, change func(*LedgerLine)) LedgerLine {
		l := LedgerLine{File: "1663/5/16384", TID: pg.TID{Block: 3, Offset: 4}, LSN: 0x1000, XID: 742, Operation: evidence.OpDelete, NamedBy: evidence.RouteWAL, Settled: settled}
		if change != nil {
			change(&l)
		}
		return l
	}
	tests := []struct {
		line LedgerLine
		want string
	}{
		{line("", func(l *LedgerLine) { l.Reason = "the WAL is cut" }), "missing the WAL is cut 1"},
		{line("", func(l *LedgerLine) { l.Reason = "the page is gone" }), "missing the page is gone 2"},
		{line("", func(l *LedgerLine) { l.Reason = "the page is gone" }), "missing the page is gone 2"},
		{line(evidence.RouteWAL, func(l *LedgerLine) { l.InPart, l.Reason = true, "column note" }), "in part column note 4"},
		{line("", func(l *LedgerLine) { l.Reason = "worse" }), "in part column note 4"},
		{line(evidence.RouteHeap, func(l *LedgerLine) { l.Derived = true }), "whole, from an older page  6"},
		{line(evidence.RouteWAL, func(l *LedgerLine) { l.Unsure = true }), "whole  7"},
		{line(evidence.RouteWAL, nil), "whole  8"},
		{line(evidence.RouteWAL, func(l *LedgerLine) { l.InPart = true }), "whole  8"},
		{line(evidence.RouteHeap, nil), "whole  10"},
		{line(evidence.RouteWAL, nil), "whole  10"},
	}
	for i, test := range tests {
		runOf(t, c, func(r *Run) { must(t, tableOf(t, r, orders()).Ledger(test.line)) })
		got, err := c.textOf("SELECT standing || ' ' || ifnull(reason, '') || ' ' || run_id FROM ledger_list")
		must(t, err)
		if got != test.want {
			t.Errorf("after %d: %q, want %q", i, got, test.want)
		}
	}
	summary, err := c.Summary(context.Background())
	must(t, err)
	if s := summary.Tables[0]; s.Lost != 1 || s.Settled[evidence.RouteHeap] != 1 || s.Missing != 0 || s.InPart != 0 {
		t.Errorf("summary: %+v", s)
	}
}

// TestRowTooLong keeps what fits of a row, and says of the rest why it is not known.
func TestRowTooLong(t *testing.T) {
	t.Parallel()
	c := create(t, t.TempDir()+"/case")
	rel := orders()
	runOf(t, c, func(r *Run) {
		table := tableOf(t, r, rel)
		r.pipe.longest = 200
		row := orderRow(rel, 0, evidence.RouteHeap, strings.Repeat("x", 1000))
		row.Successor = []evidence.Value{known("a"), known("after")}
		must(t, table.Put(row))
		row = orderRow(rel, 1, evidence.RouteHeap, strings.Repeat("x", 100))
		row.Successor = []evidence.Value{known("a"), known(strings.Repeat("y", 100))}
		must(t, table.Put(row))
	})
	wantListing(t, c, `heap proven ["a",{"unknown":"too long for the case: 1000 bytes"}]  run 1`, `heap proven ["b","`+strings.Repeat("x", 100)+`"]  run 1`)
	must(t, c.Close())
	sound(t, c.Dir())
}

// TestRoutesThatDisagree are a conflict of the version, unless one of them does not know a value.
func TestRoutesThatDisagree(t *testing.T) {
	t.Parallel()
	c := create(t, t.TempDir()+"/case")
	rel := orders()
	runOf(t, c, func(r *Run) {
		table := tableOf(t, r, rel)
		for i, other := range []evidence.Value{known("x"), known("y"), {State: evidence.Unknown, Reason: "gone"}} {
			must(t, table.Put(orderRow(rel, i, evidence.RouteHeap, "x")))
			row := orderRow(rel, i, evidence.RouteWAL, "x")
			row.Values[1] = other
			must(t, table.Put(row))
		}
	})
	summary, err := c.Summary(context.Background())
	must(t, err)
	if got := summary.Tables[0]; got.Conflicts != 1 || got.Rows[evidence.RouteHeap] != 3 || got.Rows[evidence.RouteWAL] != 3 {
		t.Errorf("summary: %+v", got)
	}
}

// TestSameRunTwiceChangesNothing compares all that is in the case, but the runs.
func TestSameRunTwiceChangesNothing(t *testing.T) {
	t.Parallel()
	dir := storyCase(t)
	before := contents(t, dir)
	c := create(t, dir)
	must(t, ingestStory(c, func(string) {}))
	n, err := c.number("SELECT count(*) FROM row WHERE run_id <> 1")
	must(t, err)
	lines, err := c.number("SELECT count(*) FROM ledger WHERE run_id <> 1")
	must(t, err)
	if n != 0 || lines != 0 {
		t.Errorf("the second run wrote %d rows and %d lines anew", n, lines)
	}
	must(t, c.Close())
	if contents(t, dir) != before {
		t.Error("the second run changed the case")
	}
	sound(t, dir)
}

// TestBestCandidateFirst orders the versions of a key.
func TestBestCandidateFirst(t *testing.T) {
	t.Parallel()
	c := create(t, t.TempDir()+"/case")
	rel := orders()
	partition := orders()
	partition.Name = "orders_2026"
	partition.Columns = append([]evidence.Column{{Name: "extra", Type: "text"}}, partition.Columns...)
	gone := orders()
	gone.Name, gone.Columns = "orders_old", []evidence.Column{{Name: "note", Type: "text"}}
	runOf(t, c, func(r *Run) {
		table := tableOf(t, r, rel)
		for i, version := range []struct {
			note       string
			confidence evidence.Confidence
			lsn        pg.LSN
			xmin       pg.XID
		}{{"old", evidence.Proven, 10, 700}, {"new", evidence.Proven, 20, 701}, {"own", evidence.Proven, 30, 742}, {"dump", evidence.Derived, 40, 1}, {"log", evidence.Claimed, 50, 1}} {
			row := orderRow(rel, 0, evidence.RouteHeap, version.note)
			row.Confidence, row.LSN, row.Xmin, row.TID.Offset = version.confidence, version.lsn, version.xmin, pg.OffsetNumber(i+1)
			must(t, table.Put(row))
		}
		other := orderRow(partition, 0, evidence.RouteWAL, "")
		other.Values = []evidence.Value{known("e"), known("a"), known("newest")}
		other.LSN = 25
		must(t, tableOf(t, r, partition).Put(other))
		lost := orderRow(gone, 0, evidence.RouteWAL, "")
		lost.Values = []evidence.Value{known("no key")}
		must(t, tableOf(t, r, gone).Put(lost))
	})
	var got []string
	for candidate, err := range c.Candidates(context.Background(), []int64{1, 2, 3}, []string{"id"}) {
		must(t, err)
		note := candidate.Values[len(candidate.Values)-1].Text
		got = append(got, fmt.Sprintf("%d %s %s %v", candidate.Group, candidate.Key[0].Text, note, candidate.Intermediate))
	}
	want := "1 a newest false, 1 a new false, 1 a old false, 1 a dump false, 1 a log false, 1 a own true, 2  no key false"
	if strings.Join(got, ", ") != want {
		t.Errorf("candidates: %s\nwant %s", strings.Join(got, ", "), want)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	for _, err := range c.Candidates(ctx, []int64{1}, nil) {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("interrupted: %v", err)
		}
	}
}

// TestBadInputIsRefused puts what cannot be kept.
func TestBadInputIsRefused(t *testing.T) {
	t.Parallel()
	c := create(t, t.TempDir()+"/case")
	r, err := c.Begin(context.Background(), Command{Name: "undelete"})
	must(t, err)
	if _, err := c.Begin(context.Background(), Command{}); err == nil {
		t.Error("two runs at once")
	}
	if _, err := r.Table(Table{}); err == nil {
		t.Error("a table without a relation")
	}
	rel := orders()
	table := tableOf(t, r, rel)
	row := orderRow(rel, 0, "", "x")
	if err := table.Put(row); err == nil {
		t.Error("a row without a route")
	}
	row = orderRow(rel, 0, evidence.RouteHeap, "x")
	row.Values = row.Values[:1]
	if err := table.Put(row); err == nil {
		t.Error("a row with too few values")
	}
	must(t, r.Cluster(1, 150000))
	if err := r.Cluster(2, 150000); !errors.Is(err, ErrOtherCluster) {
		t.Errorf("another cluster: %v", err)
	}
	must(t, r.Abandon(5))
	must(t, r.Abandon(5))
	if err := table.Put(orderRow(rel, 0, evidence.RouteHeap, "x")); err == nil {
		t.Error("a row behind the run")
	}
	if err := r.Gap(evidence.Gap{Where: "x"}); err == nil {
		t.Error("a gap behind the run")
	}
	if err := r.Commit(0); err == nil {
		t.Error("a run committed behind its end")
	}
	if n, err := c.number("SELECT count(*) FROM relation"); err != nil || n != 0 {
		t.Errorf("an abandoned run left %d tables: %v", n, err)
	}

	ctx, cancel := context.WithCancel(context.Background())
	r, err = c.Begin(ctx, Command{Name: "undelete", Began: time.Now()})
	must(t, err)
	table = tableOf(t, r, rel)
	must(t, table.Put(orderRow(rel, 0, evidence.RouteHeap, "x")))
	cancel()
	if err := r.Commit(0); !errors.Is(err, context.Canceled) {
		t.Errorf("an interrupted run: %v", err)
	}
	must(t, r.Abandon(130))
	if n, err := c.number("SELECT count(*) FROM row"); err != nil || n != 0 {
		t.Errorf("an interrupted run left %d rows: %v", n, err)
	}
}
