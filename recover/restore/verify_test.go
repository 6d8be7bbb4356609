package restore

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/pgrescue/pgrescue/recover/casefile"
)

// Verify names every row that is not as the plan promises, and writes nothing.
func TestVerifyFindsDifferences(t *testing.T) {
	t.Parallel()
	g := newTarget(t, "15", undoSQL)
	plan := planToUndo(g, true)
	g.apply(plan, ApplyOptions{})
	g.verify(plan)
	if kept, err := g.file.Plan(t.Context(), plan.PlanID); err != nil || kept.State != casefile.PlanVerified {
		t.Errorf("the plan is %q, %v; want verified", kept.State, err)
	}
	g.exec("SET session_replication_role = replica; UPDATE a SET name = NULL WHERE id = 5; DELETE FROM c WHERE id = 7; DELETE FROM a WHERE id = 6; " +
		"UPDATE nokey SET v = 3 WHERE v = 2; INSERT INTO b VALUES (20, NULL, 30); INSERT INTO nokey VALUES (1)")
	before := g.line()
	acting := g.acting(plan)
	var found []string
	acting.Finding = func(f Finding) { found = append(found, fmt.Sprintf("%s %s", f, f.Columns)) }
	done, err := Verify(t.Context(), acting)
	if !errors.Is(err, ErrDiffers) {
		t.Errorf("got %v, want ErrDiffers", err)
	}
	want := []string{
		`"public"."a" (5): the row has other values in "name" ["name"]`,
		`"public"."a" (6): the row is not there []`,
		`"public"."a": foreign key b_code_fkey: rows of table public.b refer to the value (30) that the row had before []`,
		`"public"."b" (2): foreign key b_a_fkey: table public.a has no row (6) []`,
		`"public"."b" (6): foreign key b_a_fkey: table public.a has no row (6) []`,
		`"public"."b" (6): foreign key b_code_fkey: table public.a has no row (60) []`,
		`"public"."c" (7): the row is not there []`,
		`"public"."nokey" (2): the row is not there often enough []`,
	}
	slices.Sort(found)
	if !slices.Equal(found, want) || done.Findings != int64(len(want)) {
		t.Errorf("verify found %d:\n%q\nwant:\n%q", done.Findings, found, want)
	}
	restored := map[string]int64{}
	for _, table := range done.Tables {
		restored[table.Table] = table.Restored
	}
	if fmt.Sprint(restored) != `map["public"."a":3 "public"."b":4 "public"."c":2 "public"."nokey":2]` {
		t.Errorf("restored are %v", restored)
	}
	if now := g.line(); now != before {
		t.Errorf("verify changed the target:\n%s\nwant:\n%s", now, before)
	}
}

// Values that the evidence writes in another way than the target are the same values.
func TestVerifyComparesValuesAndNotTexts(t *testing.T) {
	t.Parallel()
	g := newTarget(t, "15", "CREATE TABLE v (id int PRIMARY KEY, n numeric(10,2), t timestamptz, j jsonb, c char(4)); CREATE TABLE w (n numeric(10,2), r tsrange)")
	rows := []planRow{insert("01", "1", "2025-10-08 09:00+02", `{"b":1,  "a":2}`, "x"), insert("+2", "1e1", "epoch", "[]", "y   ")}
	plan := g.plan(true, tableRows{name: "v", key: []string{"id"}, rows: rows}, tableRows{name: "w", component: 1, rows: []planRow{
		insert("1", "[2020-01-01,2020-01-02)"), insert("1.0", "[2020-01-01,2020-01-02)"), insert("2", `\N`),
	}})
	g.apply(plan, ApplyOptions{})
	if done := g.verify(plan); done.Tables[0].Restored != 2 || done.Tables[1].Restored != 3 {
		t.Errorf("verify found %+v", done)
	}
	if done := g.undo(plan, UndoOptions{}); done.Removed != 5 {
		t.Errorf("undo did %+v", done)
	}
}

// What the case says to be restored follows what the target has.
func TestRestoredInTheCase(t *testing.T) {
	t.Parallel()
	g := newTarget(t, "15", undoSQL)
	restored := func() int64 {
		t.Helper()
		summary, err := g.file.Summary(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		n := int64(0)
		for _, table := range summary.Tables {
			n += table.Restored
		}
		return n
	}
	from := g.caseRows("a", 5)
	rows := []planRow{insert("5", "50", "five"), insert("6", "60", "six"), insert("7", "70", "seven"), change(values("1", "10", "one"), values("1", "11", "uno")), there("2", "20", "two")}
	for i := range rows {
		rows[i].From = from[i : i+1]
	}
	plan := g.plan(true, tableRows{name: "a", key: []string{"id"}, rows: rows})
	for _, step := range []struct {
		what string
		do   func()
		want int64
	}{
		{"plan", func() {}, 0},
		{"apply", func() { g.apply(plan, ApplyOptions{Batch: 2}) }, 4},
		{"verify with a row gone", func() {
			g.exec("DELETE FROM a WHERE id = 7")
			if _, err := Verify(t.Context(), g.acting(plan)); !errors.Is(err, ErrDiffers) {
				t.Errorf("verify: %v", err)
			}
		}, 3},
		{"undo", func() { g.undo(plan, UndoOptions{Batch: 3}) }, 0},
		{"apply again", func() { g.apply(plan, ApplyOptions{}) }, 4},
		{"verify", func() { g.verify(plan) }, 4},
	} {
		step.do()
		if n := restored(); n != step.want {
			t.Errorf("after %s the case says that %d rows are restored, want %d", step.what, n, step.want)
		}
	}
}
