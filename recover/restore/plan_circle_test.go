package restore

import (
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster/clustertest"
)

// tableOf finds a table of a plan.
func tableOf(t testing.TB, plan *Plan, name string) *TablePlan {
	t.Helper()
	for i := range plan.Tables {
		if plan.Tables[i].String() == name {
			return &plan.Tables[i]
		}
	}
	t.Fatalf("%s is not in the plan", name)
	return nil
}

func TestPlanOfCircles(t *testing.T) {
	t.Parallel()
	server := clustertest.Start(t, cluster.Options{})
	clustertest.Exec(t, server, "postgres",
		`CREATE TABLE boss (id int PRIMARY KEY, team int)`, `CREATE TABLE team (id int PRIMARY KEY, boss int REFERENCES boss)`,
		`ALTER TABLE boss ADD FOREIGN KEY (team) REFERENCES team DEFERRABLE`,
		`CREATE TABLE node (id int PRIMARY KEY, up int REFERENCES node)`, `INSERT INTO node VALUES (1, NULL)`,
		`CREATE TABLE leaf (node int REFERENCES node, team int REFERENCES team, id int PRIMARY KEY)`,
		`CREATE TABLE other ("an ""id""" int PRIMARY KEY)`, `CREATE TABLE child (id int PRIMARY KEY, other int REFERENCES other)`)
	c := newCase(t)
	boss, team := relation("public.boss: id integer key, team integer"), relation("public.team: id integer key, boss integer")
	node, leaf := relation("public.node: id integer key, up integer"), relation("public.leaf: node integer, team integer, id integer key")
	other, child := relation("public.other: id integer key"), relation("public.child: id integer key, other integer")
	other.Columns[0].Name = `an "id"`
	c.lost(t, leaf, "2", "1", "1")
	c.lost(t, leaf, "6", "1", "2")
	c.lost(t, leaf, "2", "3", "3")
	c.lost(t, boss, "1", "1")
	c.lost(t, boss, "2", "9")
	c.lost(t, team, "1", "1")
	c.lost(t, team, "3", "2")
	for _, row := range [][]string{{"2", "1"}, {"3", "2"}, {"4", "8"}, {"5", "4"}, {"6", "5"}, {"7", "7"}} {
		c.lost(t, node, row...)
	}
	c.lost(t, other, "1")
	c.lost(t, child, "1", "1")
	c.lost(t, child, "2", "2")
	plan := c.makePlan(t, server, Options{})
	checkStored(t, c, plan)
	c.expect(t, plan, "public.boss", `insert ("1", "1")`, `blocked ("2", "9") | parent missing: boss_team_fkey to public.team: no route…`)
	c.expect(t, plan, "public.team", `insert ("1", "1")`, `blocked ("3", "2") | parent missing: team_boss_fkey to public.boss: the parent is row…`)
	c.expect(t, plan, "public.node", `insert ("2", "1")`, `insert ("3", "2")`, `blocked ("4", "8")…`, `blocked ("5", "4")…`, `blocked ("6", "5")…`, `insert ("7", "7")`)
	c.expect(t, plan, "public.leaf", `insert ("2", "1", "1")`, `blocked ("6", "1", "2") | parent missing…`, `blocked ("2", "3", "3") | parent missing…`)
	if b, n := tableOf(t, plan, "public.boss"), tableOf(t, plan, "public.team"); b.Component != n.Component || tableOf(t, plan, "public.leaf").Order < max(b.Order, n.Order) {
		t.Error("the tables are not in order")
	}
	if counts := tableOf(t, plan, "public.node").Counts; counts[Insert] != 3 || counts[Blocked] != 3 || len(counts) != 2 {
		t.Errorf("counts %v", counts)
	}

	plan = c.makePlan(t, server, Options{Tables: []string{"public.child"}})
	c.expect(t, plan, "public.child",
		`blocked ("1", "1") | parent missing: child_other_fkey ("1") is not in public.other: the case has the parent by wal: plan that table too`,
		`blocked ("2", "2") | parent missing: child_other_fkey ("2") is not in public.other: the case has rows of that table, not this one…`)
}

func TestPlanOfPartitions(t *testing.T) {
	t.Parallel()
	for _, version := range []string{"13", "18"} {
		t.Run("pg"+version, func(t *testing.T) {
			t.Parallel()
			server := clustertest.Start(t, cluster.Options{Version: version})
			clustertest.Exec(t, server, "postgres", `CREATE TABLE m (id bigint GENERATED ALWAYS AS IDENTITY, at date, v text, PRIMARY KEY (id, at)) PARTITION BY RANGE (at)`,
				`CREATE TABLE m1 PARTITION OF m FOR VALUES FROM ('2026-01-01') TO ('2026-02-01')`,
				`CREATE TABLE m2 (v text, at date NOT NULL, id bigint NOT NULL)`, `ALTER TABLE m ATTACH PARTITION m2 FOR VALUES FROM ('2026-02-01') TO ('2026-03-01')`,
				`INSERT INTO m (at, v) VALUES ('2026-01-01', 'there')`)
			c := newCase(t)
			m1, m2 := relation("public.m1: id bigint key, at date key, v text"), relation("public.m2: v text, at date key, id bigint key")
			gone := relation("public.m0: id bigint key, at date key, v text")
			c.lost(t, m1, "1", "2026-01-01", "there")
			c.lost(t, m1, "2", "2026-01-02", "lost")
			c.lost(t, m2, "lost too", "2026-02-02", "70000")
			c.putPartition(t, gone, "m", "3", "2026-01-03", "of a partition that is gone")
			plan := c.makePlan(t, server, Options{})
			if len(plan.Tables) != 1 {
				t.Fatalf("tables: %+v", plan.Tables)
			}
			c.expect(t, plan, "public.m", `equal ("1", "2026-01-01", "there")`, `insert ("2", "2026-01-02", "lost")`,
				`insert ("3", "2026-01-03", "of a partition that is gone")`, `insert ("70000", "2026-02-02", "lost too")`)
			table := &plan.Tables[0]
			if len(table.Sequences) != 1 || table.Sequences[0] != (SequencePlan{Name: "public.m_id_seq", Column: "id", To: 70000}) || table.Columns[0].Identity != "always" {
				t.Errorf("%+v, %+v", table.Sequences, table.Columns)
			}
		})
	}
}

func TestPlanOfMultisets(t *testing.T) {
	t.Parallel()
	server := clustertest.Start(t, cluster.Options{})
	clustertest.Exec(t, server, "postgres", `CREATE TABLE bag (a int, b text)`, `INSERT INTO bag VALUES (1, 'x'), (1, 'x'), (2, NULL), (5, 'five')`)
	c := newCase(t)
	bag := relation("public.bag: a integer, b text")
	for range 3 {
		c.lost(t, bag, "1", "x")
	}
	c.lost(t, bag, "2", `\N`)
	c.lost(t, bag, "3", "")
	// The same version by another route is the same row; a text with it once more is no more.
	c.put(t, bag, evidence.Row{Values: texts("3", ""), Provenance: evidence.Provenance{
		Route: evidence.RouteHeap, Confidence: evidence.Proven, TID: c.lastTID(), Xmin: 10, Xmax: 20,
	}})
	for line := range int64(2) {
		c.put(t, bag, evidence.Row{Values: texts("4", "four"), Provenance: evidence.Provenance{Route: evidence.RouteDump, Confidence: evidence.Derived, Source: "d", Line: line + 1}})
	}
	c.put(t, bag, evidence.Row{Values: texts("1", "x"), Provenance: evidence.Provenance{Route: evidence.RouteDump, Confidence: evidence.Derived, Source: "d", Line: 9}})
	plan := c.makePlan(t, server, Options{})
	got := c.rowsOf(t, plan, "public.bag")
	slices.Sort(got)
	want := []string{
		`equal ("1", "x")`, `equal ("1", "x")`, `equal ("2", NULL)`, `insert ("1", "x")`, `insert ("3", "")`, `insert ("4", "four")`, `insert ("4", "four")`,
	}
	if !slices.Equal(got, want) || !plan.Tables[0].Multiset || len(plan.Tables[0].Key) != 0 {
		t.Errorf("rows:\n%s\n%+v", strings.Join(got, "\n"), plan.Tables[0])
	}
}

func TestPlanOfWeirdNamesAndEveryCharacter(t *testing.T) {
	t.Parallel()
	server := clustertest.Start(t, cluster.Options{})
	clustertest.Exec(t, server, "postgres", `CREATE SCHEMA "Схема"`, `CREATE TABLE "Схема"."weird "" name" ("Ключ "" 'x" text PRIMARY KEY, "v.\" text UNIQUE CHECK ("v.\" <> 'no'))`)
	c := newCase(t)
	rel := &evidence.Relation{
		RelationName: evidence.RelationName{Database: "postgres", Schema: "Схема", Name: `weird " name`},
		Columns:      []evidence.Column{{Name: `Ключ " 'x`, Type: "text", Key: true}, {Name: `v.\`, Type: "text"}},
	}
	var keys []string
	for r := rune(1); r < 256; r++ {
		keys = append(keys, string(r)+"a"+string(r))
	}
	for plane := range rune(17) {
		keys = append(keys, string(plane<<16|0x1234), `"\{},()'"`+string(plane<<16|0xFFFD))
	}
	keys = append(keys, "", " ", `\N`+" ", "NULL", "null", `""`, "\r\n", strings.Repeat("long ", 10000))
	for _, key := range keys {
		c.lost(t, rel, key, "v"+key)
	}
	plan := c.makePlan(t, server, Options{})
	name := `"Схема"."weird "" name"`
	if got := tableOf(t, plan, name).Counts; got[Insert] != int64(len(keys)) || len(got) != 1 {
		t.Errorf("counts %v of %d: %s", got, len(keys), strings.Join(c.rowsOf(t, plan, name)[:20], "\n"))
	}
	seen := map[string]bool{}
	for row, err := range c.PlanRows(t.Context(), plan.PlanID, 0, 0) {
		if err != nil {
			t.Fatal(err)
		}
		seen[string(row.Data[0].Text)] = string(row.Data[1].Text) == "v"+string(row.Data[0].Text)
	}
	for _, key := range keys {
		if !seen[key] {
			t.Errorf("%q is not in the plan as it was", key)
		}
	}
}

func TestPlanOfManyRefusals(t *testing.T) {
	t.Parallel()
	server := clustertest.Start(t, cluster.Options{})
	clustertest.Exec(t, server, "postgres", `CREATE DOMAIN even AS int CHECK (VALUE % 2 = 0)`, `CREATE TABLE d (id int PRIMARY KEY, e even)`)
	c := newCase(t)
	rel := relation("public.d: id integer key, e integer")
	for i := range 300 {
		c.lost(t, rel, strconv.Itoa(i), strconv.Itoa(i/7))
	}
	plan := c.makePlan(t, server, Options{})
	want := int64(0)
	for i := range 300 {
		want += int64(i / 7 % 2)
	}
	if got := plan.Tables[0].Counts; got[Blocked] != want || got[Insert] != 300-want {
		t.Errorf("counts %v, want %d blocked", got, want)
	}
}
