package restore

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster/clustertest"
)

// claimed puts a row of a log into the case; seconds is when it was destroyed, 0: never.
func (c *theCase) claimed(t testing.TB, rel *evidence.Relation, source string, line, seconds int64, row string) {
	t.Helper()
	r := evidence.Row{Values: texts(strings.Split(row, "|")...), Provenance: evidence.Provenance{
		Route: evidence.RouteLogs, Confidence: evidence.Claimed, Source: source, Line: line,
	}}
	r.Origins = make([]evidence.Origin, len(r.Values))
	r.Origins[len(r.Origins)-1] = evidence.Origin{Confidence: evidence.Claimed, Source: source, Line: line + 1000, Why: "parameter $6"}
	if seconds > 0 {
		r.CommitTime, r.Operation = time.Unix(seconds, 0).UTC(), evidence.OpDelete
	}
	c.put(t, rel, r)
}

const claimColumns = "public.t: id integer key, yes boolean, day date, doc json, state text, n numeric(10,2)"

// claims is a case with rows of logs, alone and beside those of other routes, and a target.
func claims(t testing.TB) (*theCase, *cluster.Cluster) {
	t.Helper()
	server := clustertest.Start(t, cluster.Options{Version: "15"})
	clustertest.Exec(t, server, "postgres",
		"CREATE TABLE t (id int PRIMARY KEY, yes bool, day date, doc json, state text NOT NULL DEFAULT 'new', n numeric(10,2))",
		`INSERT INTO t VALUES (12, true, '2025-01-02', '{"a": 1, "b": [2]}', 's', 1.5), (13, true, '2025-01-02', '{}', 'other', 1)`)
	c, rel := newCase(t), relation(claimColumns)
	const words = `|true|2025-1-2|{"a":1}|s|1.5`
	c.claimed(t, rel, "pg.log", 1, 9, "1"+words)
	c.claimed(t, rel, "pg.log", 2, 9, "2|true|2025-1-2|{}|?|1")
	c.lost(t, rel, "3", "t", "2025-01-02", `{"a": 1}`, "s", "1.50")
	c.claimed(t, rel, "pg.log", 3, 9, "3"+words)
	c.lost(t, rel, "4", "t", "2025-01-02", `{"a": 1}`, "s", "?")
	c.claimed(t, rel, "pg.log", 4, 9, `4|f|2025-1-2|{"a":1}|s|1.5`)
	c.imported(t, rel, evidence.RouteImport, "5|t|2025-01-02|{}|s|1.50", `6|t|2025-01-02|{"a": 1}|s|1.50`, "7|t|2025-01-02|{}|s|1.50", "8|t|2025-01-02|{}|s|?", "14|t|2025-01-02|{}|s|1.50")
	c.claimed(t, rel, "pg.log", 5, 9, "5|t|2025-01-02|{}|s|1.50")
	c.claimed(t, rel, "pg.log", 6, 9, "6"+words)
	c.claimed(t, rel, "pg.log", 7, 9, "7|t|2025-01-02|{}|logged|1.50")
	c.claimed(t, rel, "pg.log", 8, 9, "8|t|2025-01-02|{}|s|1.5")
	c.claimed(t, rel, "pg.log", 9, 8, "9|f|2024-01-01|{}|old|1")
	c.claimed(t, rel, "pg.log", 90, 9, "9|t|2025-01-02|{}|s|?")
	c.claimed(t, rel, "pg.log", 10, 0, "10|t|2025-01-02|{}|s|1")
	c.claimed(t, rel, "app.log", 10, 0, "10|t|2025-01-02|{}|s|2")
	c.claimed(t, rel, "pg.log", 11, 0, "11"+words)
	c.claimed(t, rel, "app.log", 11, 0, `11|t|2025-01-02|{ "a" : 1 }|s|1.50`)
	c.claimed(t, rel, "pg.log", 12, 9, `12|true|2025-1-2|{"b":[2],"a":1}|s|1.5`)
	c.claimed(t, rel, "pg.log", 13, 9, "13|true|2025-1-2|{}|s|1")
	c.claimed(t, rel, "pg.log", 14, 9, "14|maybe|2025-1-2|{}|s|1")
	return c, server
}

// planLine is the line of a plan for a key.
func planLine(t testing.TB, c *theCase, plan *Plan, key string) string {
	t.Helper()
	lines := c.rowsOf(t, plan, "public.t")
	at := slices.IndexFunc(lines, func(line string) bool { return strings.Contains(line, `("`+key+`", `) })
	if at < 0 {
		t.Fatalf("no row %s in %v", key, lines)
	}
	return lines[at]
}

// TestPlanOfClaimedRows: what logs say alone, where it agrees with other routes and where it does not.
func TestPlanOfClaimedRows(t *testing.T) {
	t.Parallel()
	c, server := claims(t)
	plan := c.makePlan(t, server, Options{})
	for _, want := range []struct {
		key   string
		parts []string // of the line; the first is its beginning, and one with ! must not be there
	}{
		{"1", []string{`insert ("1", "t", "2025-01-02", "{\"a\":1}", "s", "1.50")`, "only claimed: from logs"}},
		{"2", []string{`blocked ("2", "t", "2025-01-02", "{}", unknown (a test), "1.00")`, "column state is unknown: a test"}},
		{"3", []string{`insert ("3", "t", "2025-01-02", "{\"a\": 1}", "s", "1.50")`, "logs (pg.log line 3) has the same, in other words", "!differ"}},
		{"4", []string{`insert ("4", "t", "2025-01-02", "{\"a\": 1}", "s", "1.50")`, `logs (pg.log line 4) differ in column yes: "t" and "f"`, "column n is from logs (pg.log line 1004)"}},
		{"5", []string{`insert ("5", "t", "2025-01-02", "{}", "s", "1.50")`, "found by import and logs", "!claimed"}},
		{"6", []string{`insert ("6", "t", "2025-01-02", "{\"a\": 1}", "s", "1.50")`, "logs (pg.log line 6) has the same, in other words"}},
		{"7", []string{`conflict ("7", "t", "2025-01-02", "{}", "s", "1.50")`, `import (assets.csv line 4) and logs (pg.log line 7) differ in column state: "s" and "logged"`}},
		{"8", []string{`insert ("8", "t", "2025-01-02", "{}", "s", "1.50")`, "found by import and logs", "column n is from logs (pg.log line 1008)"}},
		{"9", []string{`blocked ("9", "t", "2025-01-02", "{}", "s", unknown (a test))`}}, // the older version knew it
		{"10", []string{`conflict ("10", `, `differ in column n: "1" and "2"`}},
		{"11", []string{`insert ("11", "t", "2025-01-02", `, "has the same, in other words"}},
		{"12", []string{`equal ("12", "t", "2025-01-02", "{\"a\": 1, \"b\": [2]}", "s", "1.50")`}},
		{"13", []string{`conflict ("13", `, "the target has other values in state"}},
		{"14", []string{`insert ("14", "t", `, "what logs (pg.log line 14) has does not fit, and does not count"}},
	} {
		line := planLine(t, c, plan, want.key)
		for i, part := range want.parts {
			absent, not := strings.CutPrefix(part, "!")
			if i == 0 && !strings.HasPrefix(line, part) || not && strings.Contains(line, absent) || !not && !strings.Contains(line, part) {
				t.Errorf("row %s: %s\nwant %s", want.key, line, part)
			}
		}
	}
}

// TestPlanOfClaimedRowsAsChosen: defaults for what no log tells, and one route alone.
func TestPlanOfClaimedRowsAsChosen(t *testing.T) {
	t.Parallel()
	c, server := claims(t)
	plan := c.makePlan(t, server, Options{Unknowns: DefaultUnknown})
	if line := planLine(t, c, plan, "2"); !strings.HasPrefix(line, `insert ("2", "t", "2025-01-02", "{}", "new", "1.00")`) || !strings.Contains(line, `column state is unknown (a test), and takes its default: "new"`) {
		t.Errorf("with defaults: %s", line)
	}
	if line := planLine(t, c, plan, "9"); !strings.HasPrefix(line, `insert ("9", "t", "2025-01-02", "{}", "s", NULL)`) {
		t.Errorf("with defaults: %s", line)
	}
	plan = c.makePlan(t, server, Options{Routes: []evidence.Route{evidence.RouteLogs}})
	if line := planLine(t, c, plan, "7"); !strings.HasPrefix(line, `insert ("7", "t", "2025-01-02", "{}", "logged", "1.50")`) {
		t.Errorf("logs alone: %s", line)
	}
}
