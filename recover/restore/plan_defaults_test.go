package restore

import (
	"strings"
	"testing"

	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster/clustertest"
)

// imported puts rows of a source file into the case.
func (c *theCase) imported(t testing.TB, rel *evidence.Relation, route evidence.Route, rows ...string) {
	t.Helper()
	for i, row := range rows {
		c.put(t, rel, evidence.Row{Values: texts(strings.Split(row, "|")...), Provenance: evidence.Provenance{
			Route: route, Confidence: evidence.Derived, Source: "assets.csv", Line: int64(i) + 2,
		}})
	}
}

// TestPlanGivesDefaultsToImportedRows: a source file does not have all columns of the table, and
// its rows take the target's defaults there. Nothing is given to rows of other routes.
func TestPlanGivesDefaultsToImportedRows(t *testing.T) {
	t.Parallel()
	for _, version := range []string{"13", "15", "18"} {
		server := clustertest.Start(t, cluster.Options{Version: version})
		clustertest.Exec(t, server, "postgres",
			"CREATE TABLE t (id int PRIMARY KEY, v text, state text NOT NULL DEFAULT 'new', made date DEFAULT '2020-02-02', free int, u uuid DEFAULT gen_random_uuid(), CHECK (state <> 'new' OR id < 50))",
			"CREATE TABLE hard (id int PRIMARY KEY, v text NOT NULL)", "CREATE TABLE numbered (id int PRIMARY KEY, n serial)", "CREATE TABLE nokey (v text, w text DEFAULT 'w')")
		c := newCase(t)
		c.lost(t, relation("public.t: id integer key, v text, state text, made date, free integer, u uuid"), "1", "a", "old", "2019-01-01", "7", "11111111-2222-3333-4444-555555555555")
		c.imported(t, relation("public.t: id integer key, v text"), evidence.RouteImport, "1|a", "2|b", "60|c")
		c.imported(t, relation("public.t: id integer key, v text"), evidence.RouteDump, "3|d")
		c.lost(t, relation("public.hard: id integer key, v text"), "1", "a")
		c.imported(t, relation("public.hard: id integer key"), evidence.RouteImport, "2")
		c.lost(t, relation("public.numbered: id integer key, n integer"), "1", "4")
		c.imported(t, relation("public.numbered: id integer key"), evidence.RouteImport, "2")
		c.lost(t, relation("public.nokey: v text, w text"), "a", "x")
		c.imported(t, relation("public.nokey: v text"), evidence.RouteImport, "b")
		plan := c.makePlan(t, server, Options{})
		given := map[string]bool{}
		for _, row := range c.rowsOf(t, plan, "public.t") {
			switch {
			case strings.HasPrefix(row, `insert ("1", "a", "old", "2019-01-01", "7", "11111111-2222-3333-4444-555555555555")`):
				given["lost"] = true
			case strings.HasPrefix(row, `insert ("2", "b", "new", "2020-02-02", NULL, "`) && strings.Contains(row, `column state is not in the source, and takes its default: "new"`):
				given["imported"] = true
			case strings.HasPrefix(row, `blocked ("60", "c", "new"`) && strings.Contains(row, "it violates the check t_check"):
				given["checked"] = true
			case strings.HasPrefix(row, `blocked ("3", "d", unknown`) && !strings.Contains(row, "default"):
				given["dump"] = true
			default:
				t.Errorf("%s: %s", version, row)
			}
		}
		if len(given) != 4 {
			t.Errorf("%s: only %v", version, given)
		}
		c.expect(t, plan, "public.hard", `insert ("1", "a")…`, `blocked ("2", NULL) | column v is not in the source, and takes its default: NULL; column v must not be NULL`)
		c.expect(t, plan, "public.numbered", `insert ("1", "4")…`, `blocked ("2", unknown (`+evidence.ReasonNoColumn+`)) | column n is not in the source, and its number is taken when rows go in…`)
		c.expect(t, plan, "public.nokey", `insert ("a", "x")…`, `insert ("b", "w")…`)
	}
}
