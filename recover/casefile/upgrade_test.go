package casefile

import (
	"compress/gzip"
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/pgrescue/pgrescue/recover/evidence"
)

// oldCase is a case that a pgrescue made whose schema had version 1: three rows of
// pages, one of a file, a ledger of four lines, a loss, an event, a gap and a plan.
func oldCase(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	packed, err := os.Open("testdata/version1/case.db.gz")
	must(t, err)
	defer packed.Close()
	reader, err := gzip.NewReader(packed)
	must(t, err)
	file, err := os.Create(filepath.Join(dir, DatabaseName))
	must(t, err)
	_, err = io.Copy(file, reader)
	must(t, err)
	must(t, file.Close())
	journal, err := os.ReadFile("testdata/version1/" + JournalName)
	must(t, err)
	must(t, os.WriteFile(filepath.Join(dir, JournalName), journal, 0o600))
	return dir
}

func read(t *testing.T, dir string) *Case {
	t.Helper()
	c, err := Open(context.Background(), dir, Read, Options{})
	must(t, err)
	t.Cleanup(func() { must(t, c.Close()) })
	return c
}

// oldStory checks what an older case holds, and returns what people see of it.
func oldStory(t *testing.T, c *Case) string {
	t.Helper()
	ctx := context.Background()
	wantListing(t, c, `heap proven ["a","what was ordered"]  run 1`, `heap proven ["b","what was ordered"]  run 1`,
		`heap proven ["c",{"unknown":"chunk 3 is gone","raw":"01ff"}]  run 1`, `import derived ["d","from a file"]  run 1`)
	candidates := 0
	for candidate, err := range c.Candidates(ctx, []int64{1}, []string{"id"}) {
		must(t, err)
		if candidate.Origins != nil {
			t.Errorf("origins: %v", candidate.Origins)
		}
		candidates++
	}
	summary, err := c.Summary(ctx)
	must(t, err)
	if s := summary.Tables[0]; candidates != 4 || s.Lost != 4 || s.Missing != 1 || s.InPart != 1 || summary.Events != 1 || len(summary.Plans) != 1 || s.Logged != nil {
		t.Errorf("%d candidates, summary: %+v", candidates, summary)
	}
	for event, err := range c.Events(ctx) {
		must(t, err)
		if event.Line != 0 || event.Actor != "xid 742" || string(event.Detail) != `{"xid":742}` {
			t.Errorf("event: %+v", event)
		}
	}
	problems, err := c.VerifyIntegrity(ctx, nil)
	must(t, err)
	if len(problems) > 0 {
		t.Errorf("problems: %v", problems)
	}
	return c.ID()
}

// TestOlderCaseIsReadAsItIs reads one, and exports it, also with pseudonyms; not a byte of it changes.
func TestOlderCaseIsReadAsItIs(t *testing.T) {
	t.Parallel()
	dir := oldCase(t)
	before, err := os.ReadFile(filepath.Join(dir, DatabaseName))
	must(t, err)
	c := read(t, dir)
	oldStory(t, c)
	for _, personal := range [][]Personal{nil, {{Table: "orders", Column: "note"}}} {
		out := t.TempDir() + "/bundle"
		exported, err := c.Export(context.Background(), ExportOptions{Dir: out, Personal: personal, Key: []byte("key")})
		must(t, err)
		if exported.Rows != 4 {
			t.Errorf("exported: %+v", exported)
		}
		sound(t, out+"/data")
	}
	after, err := os.ReadFile(filepath.Join(dir, DatabaseName))
	must(t, err)
	if string(after) != string(before) {
		t.Error("reading changed case.db")
	}
}

// TestOlderCaseIsUpgraded opens one for writing: it holds what it held, and takes what is new.
func TestOlderCaseIsUpgraded(t *testing.T) {
	t.Parallel()
	dir := oldCase(t)
	c, err := Open(context.Background(), dir, Write, Options{})
	must(t, err)
	if version, err := c.number("PRAGMA user_version"); err != nil || version != schemaVersion {
		t.Errorf("version %d, %v", version, err)
	}
	id := oldStory(t, c)
	rel := orders()
	runOf(t, c, func(r *Run) {
		table := tableOf(t, r, rel)
		must(t, table.Put(orderRow(rel, 0, evidence.RouteHeap, "what was ordered"))) // known already
		row := loggedOrder(rel, "e", 7)
		must(t, table.Put(row))
		must(t, r.Count(Count{Relation: rel.RelationName, Rows: 9, Source: "pg.log", Line: 3}))
		must(t, r.Event(Event{Source: "pg.log", Line: 7, Message: "INSERT"}))
	})
	must(t, c.Close())
	sound(t, dir)
	c = read(t, dir)
	if c.ID() != id || len(listing(t, c)) != 5 {
		t.Errorf("case %s, rows %v", c.ID(), listing(t, c))
	}
	fresh := create(t, t.TempDir()+"/case")
	const columns = "SELECT group_concat(name) FROM (SELECT name FROM pragma_table_info('row') UNION ALL SELECT name FROM pragma_table_info('event') UNION ALL SELECT name FROM pragma_table_info('logged_count') UNION ALL SELECT name FROM pragma_table_info('row_list'))"
	got, err := c.textOf(columns)
	must(t, err)
	if want, err := fresh.textOf(columns); err != nil || got != want || !strings.Contains(got, "origins") {
		t.Errorf("the upgraded case has the columns %s, a new one %s, %v", got, want, err)
	}
}

// TestUpgradeHidesNoDamage upgrades a case whose timeline was changed by hand.
func TestUpgradeHidesNoDamage(t *testing.T) {
	t.Parallel()
	dir := oldCase(t)
	c := read(t, dir)
	must(t, sqlitex.ExecuteTransient(c.conn, "PRAGMA query_only = OFF", nil))
	must(t, sqlitex.ExecuteTransient(c.conn, "UPDATE event SET actor = 'somebody else'", nil))
	c, err := Open(context.Background(), dir, Write, Options{})
	must(t, err)
	must(t, c.Close())
	problems := problemsOf(t, dir)
	if len(problems) != 1 || !strings.Contains(problems[0].Where, "table event") {
		t.Errorf("problems: %v", problems)
	}
}

// TestUpgradeIsOneTransaction lets the upgrade fail half way: the case is as it was.
func TestUpgradeIsOneTransaction(t *testing.T) {
	t.Parallel()
	dir := oldCase(t)
	c := read(t, dir)
	must(t, sqlitex.ExecuteTransient(c.conn, "PRAGMA query_only = OFF", nil))
	must(t, sqlitex.ExecuteTransient(c.conn, "CREATE TABLE logged_count (x)", nil)) // what the upgrade makes
	if _, err := Open(context.Background(), dir, Write, Options{}); err == nil {
		t.Fatal("the upgrade did not fail")
	}
	if version, err := c.number("PRAGMA user_version"); err != nil || version != 1 {
		t.Errorf("version %d, %v", version, err)
	}
	must(t, sqlitex.ExecuteTransient(c.conn, "DROP TABLE logged_count", nil))
	c, err := Open(context.Background(), dir, Write, Options{})
	must(t, err)
	oldStory(t, c)
	must(t, c.Close())
}
