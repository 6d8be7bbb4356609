package casefile

import (
	"context"
	"reflect"
	"strings"
	"testing"
	"time"

	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/pgrescue/pgrescue/recover/evidence"
)

// someTriage is a triage with something of everything.
func someTriage() *Triage {
	return &Triage{
		Hurt: "rows", Why: "rows were deleted", Named: "rows were deleted",
		Tables: []TriageTable{
			{RelationName: evidence.RelationName{Database: "shop", Schema: "public", Name: "orders"}, XID: 742, Way: "DELETE", Rows: 57},
			{RelationName: evidence.RelationName{Name: `it"ems`}, Way: "DELETE", Rows: NotKnown},
		},
		Hypotheses: []Hypothesis{
			{Name: "rows were deleted", Standing: "proven", Loses: true, For: []Point{{"wal", "transaction 742 deleted 57 rows"}, {"log", "a.log:3: DELETE FROM orders WHERE who = 'Ann'"}}, Against: []Point{{"log", "a.log:1: it failed for 'Ann'"}}},
			{Name: "it was rolled back", Standing: "cannot be told", Against: []Point{{"none", "nothing at hand"}}},
		},
		Coverage: []Coverage{
			{Name: "heap", Covers: "in part", Why: "pruned", Rows: 40, Lost: 57, Expires: time.Date(2026, 11, 23, 14, 5, 0, 1000, time.UTC), Expiry: "autovacuum"},
			{Name: "wal", Covers: "cannot be told", Rows: NotKnown, Lost: NotKnown},
			{Name: "dump", Covers: "no", Rows: 0, Lost: 57},
		},
	}
}

func someForeignKey() ForeignKey {
	return ForeignKey{
		Name: "items_order_fkey", Child: evidence.RelationName{Database: "shop", Schema: "public", Name: "items"}, Columns: []string{"order id", "\xff"},
		Parent: evidence.RelationName{Database: "shop", Schema: "public", Name: "orders"}, ParentColumns: []string{"id", "b"}, OnDelete: "CASCADE",
	}
}

// TestTriageComesBack writes two triages: the second has the last word, and the first stays.
func TestTriageComesBack(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	dir := t.TempDir() + "/case"
	c := create(t, dir)
	if last, err := c.LastTriage(ctx); last != nil || err != nil {
		t.Errorf("a new case has the triage %v, %v", last, err)
	}
	runOf(t, c, func(r *Run) { must(t, r.Triage(&Triage{Hurt: "cannot be told", Why: "no WAL is at hand"})) })
	if last, err := c.LastTriage(ctx); err != nil || last.Hurt != "cannot be told" || last.Named != "" || last.At.IsZero() {
		t.Errorf("the first triage: %+v, %v", last, err)
	}
	want := someTriage()
	runOf(t, c, func(r *Run) { must(t, r.Triage(want)) })
	runOf(t, c, func(*Run) {}) // another command
	last, err := c.LastTriage(ctx)
	must(t, err)
	want.At = last.At
	if !reflect.DeepEqual(last, want) || time.Since(last.At) > time.Hour {
		t.Errorf("got  %+v\nwant %+v", last, want)
	}
	if n, err := c.number("SELECT count(*) FROM triage"); n != 2 || err != nil {
		t.Errorf("%d triages, %v", n, err)
	}
	summary, err := c.Summary(ctx)
	must(t, err)
	if !reflect.DeepEqual(summary.Triage, want) {
		t.Errorf("the summary has %+v", summary.Triage)
	}
}

// TestForeignKeysComeBack writes keys twice: the last word on a key counts.
func TestForeignKeysComeBack(t *testing.T) {
	t.Parallel()
	c := create(t, t.TempDir()+"/case")
	key := someForeignKey()
	other := key
	other.Child.Name, other.OnDelete, other.Columns, other.ParentColumns = "a", "", []string{}, []string{}
	runOf(t, c, func(r *Run) {
		must(t, r.ForeignKey(key))
		must(t, r.RunbookRun(RunbookRun{"/runs/b", "Book"}))
		must(t, r.RunbookRun(RunbookRun{"/runs/a", "Book"}))
	})
	key.OnDelete = "RESTRICT"
	runOf(t, c, func(r *Run) {
		must(t, r.ForeignKey(key))
		must(t, r.ForeignKey(other))
		must(t, r.RunbookRun(RunbookRun{"/runs/0", "Book"}))
		must(t, r.RunbookRun(RunbookRun{"/runs/b", "Book, second edition"}))
	})
	summary, err := c.Summary(context.Background())
	must(t, err)
	if want := []ForeignKey{other, key}; !reflect.DeepEqual(summary.ForeignKeys, want) {
		t.Errorf("got  %+v\nwant %+v", summary.ForeignKeys, want)
	}
	if want := []RunbookRun{{"/runs/a", "Book"}, {"/runs/b", "Book, second edition"}, {"/runs/0", "Book"}}; !reflect.DeepEqual(summary.Runbooks, want) {
		t.Errorf("got %+v", summary.Runbooks)
	}
}

// TestChangedTriageIsFound changes one line of each new table by hand.
func TestChangedTriageIsFound(t *testing.T) {
	t.Parallel()
	for table, change := range map[string]string{
		"triage": "named = ''", "triage_table": "rows = 1", "hypothesis": "standing = 'contradicted'", "point": "against = 1", "coverage": "expires = NULL",
		"foreign_key": "on_delete = 'CASCADE '", "runbook_run": "book = ''",
	} {
		dir := t.TempDir() + "/case"
		c := create(t, dir)
		runOf(t, c, func(r *Run) {
			must(t, r.Triage(someTriage()))
			must(t, r.ForeignKey(someForeignKey()))
			must(t, r.RunbookRun(RunbookRun{"/runs/b", "Book"}))
		})
		sound(t, dir)
		must(t, sqlitex.ExecuteTransient(c.conn, "UPDATE "+table+" SET "+change, nil))
		must(t, c.Close())
		if problems := problemsOf(t, dir); len(problems) != 1 || !strings.HasSuffix(problems[0].Where, "table "+table) {
			t.Errorf("%s: %v", table, problems)
		}
	}
}

// TestPseudonymsTakeOutWhatPointsQuote exports a triage whose points quote logs.
func TestPseudonymsTakeOutWhatPointsQuote(t *testing.T) {
	t.Parallel()
	c := create(t, t.TempDir()+"/case")
	runOf(t, c, func(r *Run) {
		must(t, tableOf(t, r, orders()).Put(orderRow(orders(), 0, evidence.RouteHeap, "Ann's order")))
		must(t, r.Triage(someTriage()))
	})
	out, _ := exportOf(t, c, ExportOptions{Personal: []Personal{{Table: "orders", Column: "note"}}, Key: []byte("key")})
	if files := holding(t, out, "Ann"); len(files) > 0 {
		t.Errorf("the name is in %v", files)
	}
	last, err := read(t, out+"/data").LastTriage(context.Background())
	must(t, err)
	if h := last.Hypotheses[0]; h.For[0].Text != "transaction 742 deleted 57 rows" || h.For[1].Text != takenOut || h.Against[0].Text != takenOut {
		t.Errorf("points: %+v", h)
	}
}
