package restore

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/pgrescue/pgrescue/recover/pitr/cluster"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster/clustertest"
)

const undoSQL = `CREATE TABLE a (id int PRIMARY KEY, code int UNIQUE, name text);
CREATE TABLE b (id int PRIMARY KEY, a int REFERENCES a ON DELETE CASCADE, code int REFERENCES a (code) ON UPDATE CASCADE);
CREATE TABLE c (id int PRIMARY KEY, b int REFERENCES b ON DELETE SET NULL);
CREATE TABLE outside (id int PRIMARY KEY, c int REFERENCES c ON DELETE CASCADE, a int REFERENCES a ON DELETE CASCADE);
CREATE TABLE nokey (v int);
INSERT INTO a VALUES (1, 10, 'one'), (2, 20, 'two'), (3, 30, 'three');
INSERT INTO b VALUES (1, 1, NULL), (2, 2, NULL)`

func planToUndo(g *target, replica bool) *Plan {
	return g.plan(replica,
		tableRows{name: "a", key: []string{"id"}, component: 0, rows: []planRow{
			insert("5", "50", "five"), insert("6", "60", "six"), insert("7", "70", "seven"),
			change(values("1", "10", "one"), values("1", "11", "uno")), change(values("3", "30", "three"), values("3", "33", "tre")),
		}},
		tableRows{name: "b", key: []string{"id"}, component: 1, rows: []planRow{
			insert("5", "5", `\N`), insert("6", "6", "60"), insert("7", "7", `\N`), change(values("2", "2", `\N`), values("2", "6", "33")),
		}},
		tableRows{name: "c", key: []string{"id"}, component: 2, rows: []planRow{insert("5", "5"), insert("6", "6"), insert("7", `\N`)}},
		tableRows{name: "nokey", component: 3, rows: []planRow{insert("1"), insert("1"), insert("2")}},
	)
}

// Undo leaves what somebody changed since, and what that refers to; the rest it takes back.
func TestUndoKeepsWhatOthersTouched(t *testing.T) {
	t.Parallel()
	c := clustertest.Start(t, cluster.Options{})
	cases := []struct {
		name, since string
		// kept are the tables of the rows that stay, gone is how many were not there.
		kept []string
		gone int64
		ends string // the state of the tables, on one line
	}{
		{"nothing", "SELECT 1", nil, 0, "a:1-10-one,2-20-two,3-30-three b:1-1-,2-2- c: nokey:"},
		{"row changed", "UPDATE c SET id = 6 WHERE id = 6", []string{"c", "b", "a"}, 0, "a:1-10-one,2-20-two,3-30-three,6-60-six b:1-1-,2-2-,6-6-60 c:6-6 nokey:"},
		{"row changed and changed back", "UPDATE a SET name = 'x' WHERE id = 7; UPDATE a SET name = 'seven' WHERE id = 7", []string{"a"}, 0, "a:1-10-one,2-20-two,3-30-three,7-70-seven b:1-1-,2-2- c: nokey:"},
		{"row referred to", "INSERT INTO outside VALUES (1, 5, NULL)", []string{"c", "b", "a"}, 0, "a:1-10-one,2-20-two,3-30-three,5-50-five b:1-1-,2-2-,5-5- c:5-5 nokey:"},
		{"row locked and let go", "SELECT * FROM a FOR UPDATE", nil, 0, "a:1-10-one,2-20-two,3-30-three b:1-1-,2-2- c: nokey:"},
		{"row gone", "DELETE FROM c WHERE id = 5", nil, 1, "a:1-10-one,2-20-two,3-30-three b:1-1-,2-2- c: nokey:"},
		{"row gone and another in its place", "DELETE FROM c WHERE id = 7; INSERT INTO c VALUES (7, NULL)", []string{"c"}, 0, "a:1-10-one,2-20-two,3-30-three b:1-1-,2-2- c:7- nokey:"},
		{"changed row changed again", "UPDATE a SET name = 'ein' WHERE id = 1", []string{"a"}, 0, "a:1-11-ein,2-20-two,3-30-three b:1-1-,2-2- c: nokey:"},
		{"changed row changed back", "UPDATE a SET name = 'one', code = 10 WHERE id = 1", nil, 1, "a:1-10-one,2-20-two,3-30-three b:1-1-,2-2- c: nokey:"},
		{"new value referred to", "INSERT INTO b VALUES (9, NULL, 11)", []string{"a"}, 0, "a:1-11-uno,2-20-two,3-30-three b:1-1-,2-2-,9--11 c: nokey:"},
		{"former value taken", "INSERT INTO a VALUES (9, 30, 'x')", []string{"a"}, 0, "a:1-10-one,2-20-two,3-33-tre,9-30-x b:1-1-,2-2- c: nokey:"},
		{"what it referred to is gone", "DELETE FROM a WHERE id = 2", []string{"b", "a", "a"}, 0, "a:1-10-one,3-33-tre,6-60-six b:1-1-,2-6-33 c: nokey:"},
		{"row without key gone", "DELETE FROM nokey WHERE v = 2", []string{"nokey"}, 0, "a:1-10-one,2-20-two,3-30-three b:1-1-,2-2- c: nokey:"},
		{"row without key came", "INSERT INTO nokey VALUES (1), (2)", nil, 0, "a:1-10-one,2-20-two,3-30-three b:1-1-,2-2- c: nokey:1,2"},
	}
	for _, r := range cases {
		for _, replica := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s,replica=%v", r.name, replica), func(t *testing.T) {
				g := newSchema(t, c, undoSQL)
				plan := planToUndo(g, replica)
				g.apply(plan, ApplyOptions{})
				g.exec(r.since)
				outside := g.state("outside")
				acting := g.acting(plan)
				var kept []string
				acting.Finding = func(f Finding) { kept = append(kept, strings.Trim(strings.TrimPrefix(f.Table, `"public".`), `"`)) }
				done, err := Undo(t.Context(), acting, UndoOptions{})
				if (len(r.kept) > 0) != errors.Is(err, ErrKept) || len(r.kept) == 0 && err != nil {
					t.Errorf("undo: %v", err)
				}
				slices.Sort(kept)
				want := slices.Sorted(slices.Values(r.kept))
				if !slices.Equal(kept, want) || done.Gone != r.gone || done.Kept != int64(len(r.kept)) {
					t.Errorf("undo kept rows of %v and found %d gone, want %v and %d: %+v", kept, done.Gone, want, r.gone, done)
				}
				if now := g.line(); now != r.ends {
					t.Errorf("undo ended with\n%s\nwant\n%s", now, r.ends)
				}
				if now := g.state("outside"); now != outside {
					t.Errorf("undo changed other rows:\n%s\nwant:\n%s", now, outside)
				}
			})
		}
	}
}

// line is the state of undoSQL's tables on one line.
func (g *target) line() string {
	var parts []string
	for _, table := range []string{"a", "b", "c", "nokey"} {
		rows := strings.TrimSuffix(g.rows("SELECT t.* FROM "+table+" t ORDER BY t::text"), "\n")
		parts = append(parts, table+":"+strings.NewReplacer("\n", ",", "\t", "-", `\N`, "").Replace(rows))
	}
	return strings.Join(parts, " ")
}

// What undo left can be taken back later, when nobody needs it any more. A plan of which
// rows were left is not applied again.
func TestUndoGoesOnWithTheRest(t *testing.T) {
	t.Parallel()
	g := newTarget(t, "15", undoSQL)
	plan := planToUndo(g, true)
	before := g.line()
	g.apply(plan, ApplyOptions{Batch: 2})
	g.exec("INSERT INTO outside VALUES (1, 5, NULL)")
	done, err := Undo(t.Context(), g.acting(plan), UndoOptions{Batch: 2})
	if !errors.Is(err, ErrKept) || done.Kept != 3 {
		t.Errorf("undo did %+v, %v", done, err)
	}
	if _, err := Apply(t.Context(), g.acting(plan), ApplyOptions{}); !errors.Is(err, ErrStale) {
		t.Errorf("apply with rows left: got %v, want ErrStale", err)
	}
	g.exec("DELETE FROM outside")
	if done := g.undo(plan, UndoOptions{}); done.Removed != 3 || done.Gone != 9+3 {
		t.Errorf("undo of the rest did %+v", done)
	}
	if now := g.line(); now != before {
		t.Errorf("after all\n%s\nwant\n%s", now, before)
	}
	g.apply(plan, ApplyOptions{})
	g.verify(plan)
}

// An apply that was interrupted can be undone too.
func TestUndoOfAPart(t *testing.T) {
	t.Parallel()
	g := newTarget(t, "15", undoSQL)
	plan := planToUndo(g, true)
	if _, err := Undo(t.Context(), g.acting(plan), UndoOptions{}); !errors.Is(err, ErrNotApplied) {
		t.Errorf("undo before apply: got %v, want ErrNotApplied", err)
	}
	before := g.line()
	g.exec("ALTER TABLE c ADD CONSTRAINT no CHECK (id <> 7) NOT VALID")
	plan = planToUndo(g, true)
	if _, err := Apply(t.Context(), g.acting(plan), ApplyOptions{Batch: 2}); !errors.Is(err, ErrRejected) {
		t.Errorf("apply: got %v, want ErrRejected", err)
	}
	if now := g.line(); now == before {
		t.Error("nothing was applied before the batch that failed")
	}
	if done := g.undo(plan, UndoOptions{}); done.Removed == 0 || done.Kept+done.Gone > 0 {
		t.Errorf("undo did %+v", done)
	}
	if now := g.line(); now != before {
		t.Errorf("after undo\n%s\nwant\n%s", now, before)
	}
}
