package restore

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/pgrescue/pgrescue/recover/casefile"
	"github.com/pgrescue/pgrescue/recover/live"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster/clustertest"
)

const refuseSQL = `CREATE TABLE parent (id int PRIMARY KEY, name text UNIQUE, code int UNIQUE);
CREATE TABLE child (id int PRIMARY KEY, parent int REFERENCES parent, code int REFERENCES parent (code), pos int UNIQUE DEFERRABLE INITIALLY DEFERRED);
CREATE TABLE nokey (a int);
INSERT INTO parent VALUES (1, 'one', 1), (2, 'two', 2);
INSERT INTO child VALUES (1, 1, 1, 1)`

// refusePlan has a row of each kind.
func refusePlan(g *target, replica bool) *Plan {
	return g.plan(replica,
		tableRows{name: "parent", key: []string{"id"}, component: 0, rows: []planRow{
			insert("3", "three", "3"), change(values("2", "two", "2"), values("2", "zwei", "22")), there("1", "one", "1"),
		}},
		tableRows{name: "child", key: []string{"id"}, component: 1, rows: []planRow{insert("4", "3", "22", "4"), insert("5", "1", "1", "5")}},
		tableRows{name: "nokey", component: 2, rows: []planRow{insert("1"), insert("1")}},
	)
}

// What changed between plan and apply makes the plan stale, and nothing is applied.
func TestStalePlanIsRefused(t *testing.T) {
	t.Parallel()
	c := clustertest.Start(t, cluster.Options{})
	cases := []struct {
		name, meanwhile string
		sentinel        error
		says            string
	}{
		{"key came", "INSERT INTO parent VALUES (3, 'new', 33)", ErrStale, "(id)=(3)"},
		{"unique value came", "INSERT INTO parent VALUES (9, 'three', 33)", ErrStale, "(name)=(three)"},
		{"row changed", "UPDATE parent SET name = 'deux' WHERE id = 2", ErrStale, `the row has other values in "name"`},
		{"row to change is gone", "DELETE FROM parent WHERE id = 2", ErrStale, "the row is not there"},
		{"equal row changed", "UPDATE parent SET name = 'uno' WHERE id = 1", ErrStale, "other values"},
		{"referred value goes", "INSERT INTO child VALUES (7, 2, 2, 7)", ErrStale, "foreign key"},
		{"late unique value came", "INSERT INTO child VALUES (7, 2, 1, 4)", ErrStale, "child_pos_key"},
		{"row without key came", "INSERT INTO nokey VALUES (1)", ErrStale, "is there 1 times"},
		{"column came", "ALTER TABLE child ADD COLUMN c int", ErrStale, "definition"},
		{"table gone", "DROP TABLE nokey", ErrStale, "not there any more"},
		{"trigger refuses", refusing("RAISE EXCEPTION 'no'"), nil, "no"},
		{"trigger swallows", refusing("RETURN NULL"), nil, "wrote 0 rows of 1"},
	}
	for _, r := range cases {
		for _, replica := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s,replica=%v", r.name, replica), func(t *testing.T) {
				g := newSchema(t, c, refuseSQL)
				plan := refusePlan(g, replica)
				g.exec(r.meanwhile)
				if r.sentinel == nil { // the definition is as it was planned for
					plan = refusePlan(g, replica)
				}
				tables := []string{"parent", "child"}
				before := g.state(tables...)
				_, err := Apply(t.Context(), g.acting(plan), ApplyOptions{})
				if r.sentinel == nil && replica {
					if err != nil {
						t.Errorf("the trigger does not fire: %v", err)
					}
					return
				}
				want := r.sentinel
				if want == nil {
					want = ErrRejected
				}
				if !errors.Is(err, want) || !strings.Contains(err.Error(), r.says) {
					t.Errorf("got %v, want %v with %q", err, want, r.says)
				}
				if now := g.state(tables...); now != before {
					t.Errorf("something was applied:\n%s\nwant:\n%s", now, before)
				}
				if batches, err := g.file.Batches(t.Context(), plan.PlanID); err != nil || len(batches) > 0 && batches[0].State == casefile.BatchCommitted {
					t.Errorf("the case has batches %+v, %v", batches, err)
				}
			})
		}
	}
}

func refusing(does string) string {
	return `CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN ` + does + `; END $$;
CREATE TRIGGER refuse BEFORE INSERT ON parent FOR EACH ROW EXECUTE FUNCTION refuse()`
}

// A parent that goes away makes the plan stale, whether the server checks the key or we do.
func TestParentGone(t *testing.T) {
	t.Parallel()
	c := clustertest.Start(t, cluster.Options{})
	for _, replica := range []bool{true, false} {
		g := newSchema(t, c, refuseSQL)
		plan := g.plan(replica, tableRows{name: "child", key: []string{"id"}, rows: []planRow{insert("8", "2", `\N`, "8"), insert("9", `\N`, `\N`, "9")}})
		g.exec("DELETE FROM parent WHERE id = 2")
		_, err := Apply(t.Context(), g.acting(plan), ApplyOptions{})
		if !errors.Is(err, ErrStale) || !strings.Contains(err.Error(), "child_parent_fkey") {
			t.Errorf("replica=%v: got %v, want ErrStale for the foreign key", replica, err)
		}
		if n := g.value("SELECT count(*) FROM child"); n != "1" {
			t.Errorf("replica=%v: child has %s rows, want 1", replica, n)
		}
	}
}

// While rows are applied nobody can delete what they refer to.
func TestParentsAreHeld(t *testing.T) {
	t.Parallel()
	g := newTarget(t, "15", refuseSQL)
	plan := g.plan(true, tableRows{name: "child", key: []string{"id"}, rows: []planRow{insert("8", "2", `\N`, "8")}})
	acting := g.acting(plan)
	tried := false
	acting.Progress = func(s Step) {
		if s.Stage == StageCommit {
			tried = true
			err := g.c.Exec(t.Context(), g.db, "SET lock_timeout = 1; DELETE FROM parent WHERE id = 2")
			if said := cluster.ServerMessage(err); !strings.Contains(said, "lock timeout") {
				t.Errorf("the parent could be deleted: %v", err)
			}
		}
	}
	if _, err := Apply(t.Context(), acting, ApplyOptions{}); err != nil || !tried {
		t.Errorf("apply: %v", err)
	}
}

func TestEditedPlanIsNotApplied(t *testing.T) {
	t.Parallel()
	g := newTarget(t, "15", refuseSQL)
	plan := refusePlan(g, true)
	refuse := func(what string, plan *Plan, want error) {
		t.Helper()
		if _, err := Apply(t.Context(), g.acting(plan), ApplyOptions{}); !errors.Is(err, want) {
			t.Errorf("%s: got %v, want %v", what, err, want)
		}
	}
	head := *plan
	head.Replica = false
	refuse("head", &head, ErrEdited)
	head = *plan
	head.RowsSHA256 = strings.Repeat("0", 64)
	refuse("hash of the rows", &head, ErrEdited)
	head = *plan
	head.Case = "another"
	refuse("another case", &head, ErrEdited)
	undecided := g.plan(true, tableRows{name: "parent", key: []string{"id"}, rows: []planRow{{Action: string(Conflict), Data: values("1", "x", "1"), Before: values("1", "one", "1")}}})
	refuse("conflict", undecided, ErrUndecided)
	// Such a plan was never applied, so undo has no choice to ask for.
	if _, err := Undo(t.Context(), g.acting(undecided), UndoOptions{}); !errors.Is(err, ErrNotApplied) || !strings.Contains(err.Error(), "no row of this plan was put in") {
		t.Errorf("undo of a plan with conflicts: got %v, want ErrNotApplied", err)
	}
	g.exec("CREATE DATABASE other")
	acting := g.acting(plan)
	acting.Connect = connectTo(g.c.DSN("other"))
	if _, err := Apply(t.Context(), acting, ApplyOptions{}); !errors.Is(err, ErrStale) || !strings.Contains(err.Error(), `"other"`) {
		t.Errorf("another database: got %v, want ErrStale", err)
	}
	g.editRows(plan)
	refuse("rows", plan, ErrEdited)
	if n := g.value("SELECT count(*) FROM parent"); n != "2" {
		t.Errorf("parent has %s rows, want 2", n)
	}
}

// The role needs what it needs before anything is begun, and is told all of it.
func TestLackingPrivilegesAreListed(t *testing.T) {
	t.Parallel()
	g := newTarget(t, "15", refuseSQL, "CREATE SEQUENCE s; CREATE ROLE poor LOGIN; ALTER TABLE child ENABLE ROW LEVEL SECURITY; GRANT SELECT ON parent TO poor; REVOKE TEMPORARY ON DATABASE target FROM public")
	plan := g.plan(false,
		tableRows{name: "parent", key: []string{"id"}, rows: []planRow{insert("3", "three", "3"), change(values("2", "two", "2"), values("2", "zwei", "2"))}},
		tableRows{name: "child", key: []string{"id"}, component: 1, rows: []planRow{insert("4", "3", `\N`, "4")}, sequences: []SequencePlan{{Name: "public.s", To: 3}}})
	acting := g.acting(plan)
	acting.Connect = connectTo(strings.Replace(g.dsn, "user=postgres", "user=poor", 1))
	_, err := Apply(t.Context(), acting, ApplyOptions{})
	if !errors.Is(err, live.ErrDenied) {
		t.Fatalf("got %v, want ErrDenied", err)
	}
	for _, right := range []string{
		"TEMPORARY on database target", `INSERT on table "public"."parent"`, `UPDATE on table "public"."parent"`, `SELECT on table "public"."child"`,
		`INSERT on table "public"."child"`, "row security", "UPDATE on sequence public.s",
	} {
		if !strings.Contains(err.Error(), right) {
			t.Errorf("the error does not name %q: %v", right, err)
		}
	}
	if strings.Contains(err.Error(), `SELECT on table "public"."parent"`) {
		t.Errorf("the role has SELECT on parent: %v", err)
	}
	replica := refusePlan(g, true)
	acting.Plan = replica
	if _, err := Apply(t.Context(), acting, ApplyOptions{}); !errors.Is(err, live.ErrDenied) || !strings.Contains(err.Error(), "session_replication_role") {
		t.Errorf("got %v, want ErrDenied for session_replication_role", err)
	}
}

// A role that owns the tables and is nothing more brings all shapes in and takes them back.
func TestOwnerWithoutMore(t *testing.T) {
	t.Parallel()
	c := clustertest.Start(t, cluster.Options{})
	clustertest.Exec(t, c, "postgres", "CREATE ROLE owner LOGIN", "CREATE DATABASE owned OWNER owner")
	g := &target{t: t, c: c, db: "owned", dsn: strings.Replace(c.DSN("owned"), "user=postgres", "user=owner", 1), dir: t.TempDir()}
	g.open()
	g.exec("ALTER SCHEMA public OWNER TO owner", "SET ROLE owner; "+shapesSQL)
	checkShapes(g, false, 0)
}
