package restore

import (
	"testing"
)

func TestApplyVerifyUndo(t *testing.T) {
	t.Parallel()
	g := newTarget(t, "15", `CREATE TABLE author (id int PRIMARY KEY, name text UNIQUE, born date);
CREATE TABLE book (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, author int NOT NULL REFERENCES author, title text, pages int GENERATED ALWAYS AS (length(title)) STORED);
INSERT INTO author VALUES (1, 'one', '2001-01-01'), (2, 'two', NULL), (9, 'nine', '2009-09-09');
INSERT INTO book (author, title) VALUES (1, 'a')`)
	plan := g.plan(true,
		tableRows{name: "author", key: []string{"id"}, component: 0, rows: append([]planRow{
			insert("3", "three", "2003-03-03"), insert("4", `f\o'"u,r`, `\N`), there("1", "one", "2001-01-01"),
		}, change(values("2", "two", `\N`), values("2", "zwei", "2002-02-02")))},
		tableRows{
			name: "book", key: []string{"id"}, component: 1, rows: []planRow{insert("7", "3", "x"), insert("8", "2", `\N`)},
			sequences: []SequencePlan{{Name: "public.book_id_seq", Column: "id", To: 8}},
		})
	tables := []string{"author", "book"}
	before := g.state(tables...)
	done := g.apply(plan, ApplyOptions{})
	if done.Inserted != 4 || done.Changed != 1 || done.Transactions != 1 || !done.TriggersOff || len(done.Sequences) != 1 {
		t.Errorf("apply did %+v", done)
	}
	after := g.state(tables...)
	want := "author:\n1\tone\t2001-01-01\n2\tzwei\t2002-02-02\n3\tthree\t2003-03-03\n4\tf\\\\o'\"u,r\t\\N\n9\tnine\t2009-09-09\nbook:\n1\t1\ta\t1\n7\t3\tx\t1\n8\t2\t\\N\t\\N\n"
	if after != want {
		t.Errorf("after apply:\n%s\nwant:\n%s", after, want)
	}
	if next := g.value("SELECT nextval('book_id_seq')"); next != "9" {
		t.Errorf("the sequence goes on with %s, want 9", next)
	}
	if done := g.verify(plan); done.Findings != 0 || done.Tables[0].Restored != 4 || done.Tables[1].Restored != 2 {
		t.Errorf("verify found %+v", done)
	}
	if done := g.apply(plan, ApplyOptions{}); !done.Already || done.Inserted != 0 {
		t.Errorf("a second apply did %+v", done)
	}
	if done := g.undo(plan, UndoOptions{}); done.Removed != 4 || done.Reverted != 1 || done.Kept+done.Gone != 0 {
		t.Errorf("undo did %+v", done)
	}
	if now := g.state(tables...); now != before {
		t.Errorf("after undo:\n%s\nwant:\n%s", now, before)
	}
	if done := g.undo(plan, UndoOptions{}); !done.Already {
		t.Errorf("a second undo did %+v", done)
	}
	if done := g.apply(plan, ApplyOptions{Batch: 2}); done.Inserted != 4 || done.Changed != 1 || done.Transactions != 3 {
		t.Errorf("apply after undo did %+v", done)
	}
	if now := g.state(tables...); now != after {
		t.Errorf("after the second apply:\n%s\nwant:\n%s", now, after)
	}
	if done := g.undo(plan, UndoOptions{Batch: 1}); done.Removed != 4 || done.Reverted != 1 || done.Transactions != 5 {
		t.Errorf("undo in batches did %+v", done)
	}
	if now := g.state(tables...); now != before {
		t.Errorf("after undo in batches:\n%s\nwant:\n%s", now, before)
	}
}
