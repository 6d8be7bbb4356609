package restore

import (
	"strings"
	"testing"

	"github.com/pgrescue/pgrescue/recover/pitr/cluster"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster/clustertest"
)

// TestRowsAreNotGivenToStrangers: what belonged to a deleted row does not go to the one
// that has its key since, until somebody says that it is the same.
func TestRowsAreNotGivenToStrangers(t *testing.T) {
	t.Parallel()
	server := clustertest.Start(t, cluster.Options{})
	clustertest.Exec(t, server, "postgres",
		`CREATE TABLE parent (id int PRIMARY KEY, name text UNIQUE, note text)`,
		`CREATE TABLE child (id int PRIMARY KEY, parent int REFERENCES parent, name text REFERENCES parent (name))`,
		`CREATE TABLE tree (id int PRIMARY KEY, v text, above int REFERENCES tree)`,
		`INSERT INTO parent VALUES (1, 'stranger', 'x'), (2, 'same', 'x'), (3, 'changed', 'x'), (9, 'four', NULL), (5, 'five', NULL)`,
		`INSERT INTO tree VALUES (1, 'stranger', NULL), (2, 'same', NULL)`)
	plan := func(choices ...Choice) (*theCase, *Plan) {
		c := newCase(t)
		parent, child, tree := relation("public.parent: id integer key, name text, note text"), relation("public.child: id integer key, parent integer, name text"),
			relation("public.tree: id integer key, v text, above integer")
		c.lost(t, parent, "1", "one", `\N`)
		c.lost(t, parent, "2", "same", "x")
		c.lost(t, parent, "4", "four", `\N`) // its name is taken by row 9
		c.lost(t, parent, "5", "five", "lost")
		for _, row := range [][]string{{"11", "1", `\N`}, {"12", "2", `\N`}, {"13", "3", `\N`}, {"14", `\N`, "four"}, {"15", `\N`, "one"}, {"16", "5", `\N`}} {
			c.lost(t, child, row...)
		}
		c.lost(t, tree, "7", "below", "1")
		c.lost(t, tree, "8", "below", "2")
		c.lost(t, tree, "6", "below below", "7")
		c.lost(t, tree, "1", "one", `\N`)
		return c, c.makePlan(t, server, Options{Choices: choices})
	}
	c, made := plan(Choice{Resolution: TakeTarget})
	c.expect(t, made, "public.child",
		`blocked ("11", "1", NULL) | parent missing: child_parent_fkey ("1") is not in public.parent: the row that it be…`,
		`insert ("12", "2", NULL)`,
		`insert ("13", "3", NULL)`,
		`blocked ("14", NULL, "four") | parent missing: child_name_fkey ("four") is not in public.parent: the row that it be…`,
		`blocked ("15", NULL, "one") | parent missing: child_name_fkey ("one") is not in public.parent: the parent is in the case…`,
		`blocked ("16", "5", NULL) | parent missing: child_parent_fkey ("5") is not in public.parent: the row that it be…`)
	c.expect(t, made, "public.tree",
		`keep ("1", "one", NULL) was ("1", "stranger", NULL) | the target keeps its own values`,
		`blocked ("6", "below below", "7") | parent missing: tree_above_fkey to public.tree: the …`,
		`blocked ("7", "below", "1") | parent missing: tree_above_fkey to public.tree: the …`,
		`insert ("8", "below", "2")`)
	c, made = plan(Choice{Resolution: FillNulls}, Choice{Table: "public.tree", Resolution: TakeCase})
	if counts := made.Counts(); counts[Blocked] != 3 {
		t.Errorf("counts %v", counts)
	}
	c.expect(t, made, "public.child",
		`insert ("11", "1", NULL)`, `insert ("12", "2", NULL)`, `insert ("13", "3", NULL)`,
		`blocked ("14", NULL, "four") | …`, `blocked ("15", NULL, "one") | …`, `insert ("16", "5", NULL)`)
}

// TestDistributedTablesAreRefused: a server whose catalog looks like that of Citus.
func TestDistributedTablesAreRefused(t *testing.T) {
	t.Parallel()
	server := clustertest.Start(t, cluster.Options{})
	clustertest.Exec(t, server, "postgres", `CREATE TABLE t (id int PRIMARY KEY)`,
		`SET allow_system_table_mods = on`, `CREATE TABLE pg_catalog.pg_dist_partition (logicalrelid regclass)`, `INSERT INTO pg_dist_partition VALUES ('t')`)
	c := newCase(t)
	c.lost(t, relation("public.t: id integer key"), "1")
	plan := c.makePlan(t, server, Options{})
	if text := strings.Join(plan.Notes, "\n"); !strings.Contains(text, "Citus distributes t, so apply refuses this plan") {
		t.Errorf("the notes are %q", text)
	}
	_, err := Apply(t.Context(), Acting{Case: c.Case, Plan: plan, Connect: connectTo(server.DSN("postgres"))}, ApplyOptions{})
	if err == nil || !strings.Contains(err.Error(), "distributed by Citus: t") {
		t.Errorf("the error is %v", err)
	}
	if n := clustertest.Value(t, server, "postgres", "SELECT count(*) FROM t"); n != "0" {
		t.Errorf("%s rows went in", n)
	}
}
