package restore

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/pgrescue/pgrescue/recover/pitr/cluster"
)

const keysSQL = `CREATE SCHEMA ext; CREATE EXTENSION citext SCHEMA ext;
CREATE COLLATION nocase (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
CREATE DOMAIN loud AS ext.citext;
CREATE TABLE folded (a ext.citext, b text COLLATE nocase, c loud, v text, PRIMARY KEY (a, b, c));
CREATE TABLE refers (id int PRIMARY KEY, a ext.citext, b text COLLATE nocase, c loud, FOREIGN KEY (a, b, c) REFERENCES folded MATCH FULL);
INSERT INTO folded VALUES ('Abc', 'Def', 'Ghi', 'x'), ('u', 'v', 'w', 'y')`

// Keys are compared as their index does: here without regard to case, by operators that
// are not in the search_path.
func TestKeysAreComparedAsTheirIndexDoes(t *testing.T) {
	t.Parallel()
	g := newTarget(t, "15", keysSQL)
	key := []string{"a", "b", "c"}
	for _, replica := range []bool{true, false} {
		stale := g.plan(replica, tableRows{name: "folded", key: key, rows: []planRow{insert("ABC", "DEF", "GHI", "x")}})
		if _, err := Apply(t.Context(), g.acting(stale), ApplyOptions{}); !errors.Is(err, ErrStale) {
			t.Errorf("replica=%v: the key is there in small letters, and the error is %v", replica, err)
		}
		plan := g.plan(replica, tableRows{name: "folded", key: key, rows: []planRow{
			insert("new", "new", "new", "n"), change(values("Abc", "Def", "Ghi", "x"), values("Abc", "Def", "Ghi", "z")),
		}}, tableRows{name: "refers", component: 1, key: []string{"id"}, rows: []planRow{insert("1", "abc", "DEF", "gHi"), insert("2", "NEW", "new", "New"), insert("3", `\N`, `\N`, `\N`)}})
		g.apply(plan, ApplyOptions{})
		g.verify(plan)
		if done := g.undo(plan, UndoOptions{}); done.Removed != 4 || done.Reverted != 1 {
			t.Errorf("replica=%v: undo did %+v", replica, done)
		}
		half := g.plan(replica, tableRows{name: "refers", key: []string{"id"}, rows: []planRow{insert("4", "abc", `\N`, "ghi")}})
		if _, err := Apply(t.Context(), g.acting(half), ApplyOptions{}); !errors.Is(err, ErrStale) {
			t.Errorf("replica=%v: MATCH FULL does not take a key that is NULL in part; got %v", replica, err)
		}
	}
}

// Sequences go forward only, whoever owns them, and nobody takes a number while they move.
func TestSequencesGoForwardOnly(t *testing.T) {
	t.Parallel()
	g := newTarget(t, "15", `CREATE ROLE user_of LOGIN; CREATE TABLE s (id int PRIMARY KEY); GRANT ALL ON s TO user_of;
CREATE SEQUENCE up; CREATE SEQUENCE ahead START 500; CREATE SEQUENCE at START 9; CREATE SEQUENCE down INCREMENT -1 MINVALUE -100 MAXVALUE 100 START 50 CACHE 5; CREATE SEQUENCE downer INCREMENT -1 MINVALUE -100 START -50;
GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO user_of`)
	for turn, dsn := range []string{strings.Replace(g.dsn, "user=postgres", "user=user_of", 1), g.dsn} {
		to := int64(9 + turn)
		plan := g.plan(false, tableRows{name: "s", key: []string{"id"}, rows: []planRow{insert(fmt.Sprint(turn))}, sequences: []SequencePlan{
			{Name: "public.up", To: to}, {Name: "public.ahead", To: to}, {Name: "public.at", To: 9}, {Name: "public.down", To: 20 - to, Down: true}, {Name: "public.downer", To: to, Down: true},
		}})
		acting := g.acting(plan)
		acting.Connect = connectTo(dsn)
		acting.Progress = func(s Step) {
			if s.Stage == StageCommit && dsn == g.dsn {
				err := g.c.Exec(t.Context(), g.db, "SET lock_timeout = 1; SELECT nextval('up')")
				if said := cluster.ServerMessage(err); !strings.Contains(said, "lock timeout") {
					t.Errorf("a number could be taken while the sequence moves: %v", err)
				}
			}
		}
		done, err := Apply(t.Context(), acting, ApplyOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if want := []int{3, 2}[turn]; len(done.Sequences) != want {
			t.Errorf("turn %d moved %v, want %d of them", turn, done.Sequences, want)
		}
	}
	if got := g.value("SELECT concat_ws(' ', nextval('up'), nextval('ahead'), nextval('at'), nextval('down'), nextval('downer'))"); got != "11 500 10 9 -50" {
		t.Errorf("the next numbers are %s", got)
	}
}

// Keys over periods are checked as the server does it: the parents together must cover the
// child. A key that nothing enforces is no reason to refuse a row.
func TestPeriodsAndUnenforcedKeys(t *testing.T) {
	t.Parallel()
	g := newTarget(t, "18", `CREATE EXTENSION btree_gist;
CREATE TABLE room (id int, during daterange, PRIMARY KEY (id, during WITHOUT OVERLAPS));
CREATE TABLE booking (id int PRIMARY KEY, room int, during daterange, other int, FOREIGN KEY (room, PERIOD during) REFERENCES room (id, PERIOD during),
	FOREIGN KEY (other) REFERENCES booking NOT ENFORCED);
INSERT INTO room VALUES (1, '[2020-01-01,2020-02-01)')`)
	for _, replica := range []bool{true, false} {
		rooms := tableRows{name: "room", key: []string{"id", "during"}, rows: []planRow{insert("1", "[2020-02-01,2020-03-01)"), there("1", "[2020-01-01,2020-02-01)")}}
		plan := g.plan(replica, rooms, tableRows{name: "booking", component: 1, key: []string{"id"}, rows: []planRow{
			insert("1", "1", "[2020-01-15,2020-02-15)", "77"), insert("2", `\N`, "[2020-01-15,2020-02-15)", `\N`),
		}})
		g.apply(plan, ApplyOptions{})
		g.verify(plan)
		g.undo(plan, UndoOptions{})
		late := g.plan(replica, rooms, tableRows{name: "booking", component: 1, key: []string{"id"}, rows: []planRow{insert("3", "1", "[2020-01-15,2020-03-02)", `\N`)}})
		if _, err := Apply(t.Context(), g.acting(late), ApplyOptions{}); !errors.Is(err, ErrStale) {
			t.Errorf("replica=%v: no room covers the period, and the error is %v", replica, err)
		}
	}
}
