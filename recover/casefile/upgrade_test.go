package casefile

import (
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/pgrescue/pgrescue/recover/evidence"
)

// oldCase is a case that a pgrescue made whose schema had a version before this one: three
// rows of pages, one of a file, a ledger of four lines, a loss, an event, a gap and a plan. In
// version 2 it has a row, an event and a count of logs too.
func oldCase(t *testing.T, version int64) string {
	t.Helper()
	dir := t.TempDir()
	from := fmt.Sprintf("testdata/version%d/", version)
	packed, err := os.Open(from + "case.db.gz")
	must(t, err)
	defer packed.Close()
	reader, err := gzip.NewReader(packed)
	must(t, err)
	file, err := os.Create(filepath.Join(dir, DatabaseName))
	must(t, err)
	_, err = io.Copy(file, reader)
	must(t, err)
	must(t, file.Close())
	journal, err := os.ReadFile(from + JournalName)
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
func oldStory(t *testing.T, c *Case, version int64) string {
	t.Helper()
	ctx := context.Background()
	rows := []string{
		`heap proven ["a","what was ordered"]  run 1`, `heap proven ["b","what was ordered"]  run 1`,
		`heap proven ["c",{"unknown":"chunk 3 is gone","raw":"01ff"}]  run 1`, `import derived ["d","from a file"]  run 1`,
	}
	if version > 1 {
		rows = append(rows, `logs claimed ["e","Ann's order"]  run 2`)
	}
	wantListing(t, c, rows...)
	candidates, origins := 0, 0
	for candidate, err := range c.Candidates(ctx, []int64{1}, []string{"id"}) {
		must(t, err)
		origins += len(candidate.Origins)
		candidates++
	}
	summary, err := c.Summary(ctx)
	must(t, err)
	if s := summary.Tables[0]; candidates != len(rows) || s.Lost != 4 || s.Missing != 1 || s.InPart != 1 || summary.Events != version || len(summary.Plans) != 1 || (s.Logged != nil) != (version > 1) {
		t.Errorf("%d candidates, summary: %+v", candidates, summary)
	}
	if (origins > 0) != (version > 1) {
		t.Errorf("%d origins", origins)
	}
	if triage, err := c.LastTriage(ctx); triage != nil || err != nil || summary.Triage != nil || summary.ForeignKeys != nil || summary.Runbooks != nil {
		t.Errorf("triage: %v, %v; summary: %+v", triage, err, summary)
	}
	for event, err := range c.Events(ctx) {
		must(t, err)
		if event.Source == "wal" && (event.Line != 0 || event.Actor != "xid 742" || string(event.Detail) != `{"xid":742}`) || event.Source != "wal" && event.Line != 7 {
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

// ofEachVersion runs a test on a case of each older version.
func ofEachVersion(t *testing.T, test func(t *testing.T, dir string, version int64)) {
	for version := int64(1); version < schemaVersion; version++ {
		t.Run(fmt.Sprint(version), func(t *testing.T) {
			t.Parallel()
			test(t, oldCase(t, version), version)
		})
	}
}

// TestOlderCaseIsReadAsItIs reads one, and exports it, also with pseudonyms; not a byte of it changes.
func TestOlderCaseIsReadAsItIs(t *testing.T) {
	t.Parallel()
	ofEachVersion(t, func(t *testing.T, dir string, version int64) {
		before, err := os.ReadFile(filepath.Join(dir, DatabaseName))
		must(t, err)
		c := read(t, dir)
		oldStory(t, c, version)
		for _, personal := range [][]Personal{nil, {{Table: "orders", Column: "note"}}} {
			out := t.TempDir() + "/bundle"
			exported, err := c.Export(context.Background(), ExportOptions{Dir: out, Personal: personal, Key: []byte("key")})
			must(t, err)
			if exported.Rows != 3+version {
				t.Errorf("exported: %+v", exported)
			}
			sound(t, out+"/data")
		}
		after, err := os.ReadFile(filepath.Join(dir, DatabaseName))
		must(t, err)
		if string(after) != string(before) {
			t.Error("reading changed case.db")
		}
	})
}

// schemaOf lists the columns of all tables and views, in their order; those of rows, which
// people see through views, are made by runs.
func schemaOf(t *testing.T, c *Case) string {
	t.Helper()
	text, err := c.textOf("SELECT group_concat(line, char(10)) FROM (SELECT m.name || '.' || c.name || ' ' || c.type || ' ' || c.pk AS line FROM sqlite_schema m, pragma_table_info(m.name) c WHERE m.type IN ('table', 'view') AND m.name NOT LIKE 'rows\\_%' ESCAPE '\\' ORDER BY m.name, c.cid)")
	must(t, err)
	return text
}

// TestOlderCaseIsUpgraded opens one for writing: it holds what it held, and takes what is new.
func TestOlderCaseIsUpgraded(t *testing.T) {
	t.Parallel()
	ofEachVersion(t, func(t *testing.T, dir string, version int64) {
		c, err := Open(context.Background(), dir, Write, Options{})
		must(t, err)
		if now, err := c.number("PRAGMA user_version"); err != nil || now != schemaVersion {
			t.Errorf("version %d, %v", now, err)
		}
		id := oldStory(t, c, version)
		rel := orders()
		runOf(t, c, func(r *Run) {
			table := tableOf(t, r, rel)
			must(t, table.Put(orderRow(rel, 0, evidence.RouteHeap, "what was ordered"))) // known already
			must(t, table.Put(loggedOrder(rel, "f", 8)))
			must(t, r.Count(Count{Relation: rel.RelationName, Rows: 9, Source: "pg.log", Line: 3}))
			must(t, r.Event(Event{Source: "pg.log", Line: 8, Message: "INSERT"}))
			must(t, r.Triage(someTriage()))
			must(t, r.ForeignKey(someForeignKey()))
			must(t, r.RunbookRun(RunbookRun{Folder: "/runs/first", Book: "Rows are missing"}))
		})
		must(t, c.Close())
		sound(t, dir)
		c = read(t, dir)
		if c.ID() != id || len(listing(t, c)) != 4+int(version) {
			t.Errorf("case %s, rows %v", c.ID(), listing(t, c))
		}
		got, want := schemaOf(t, c), schemaOf(t, create(t, t.TempDir()+"/case"))
		if got != want || strings.Count(got, "\n") < 100 {
			t.Errorf("the upgraded case has the columns\n%s\na new one\n%s", got, want)
		}
	})
}

// TestUpgradeHidesNoDamage upgrades a case whose timeline was changed by hand.
func TestUpgradeHidesNoDamage(t *testing.T) {
	t.Parallel()
	ofEachVersion(t, func(t *testing.T, dir string, _ int64) {
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
	})
}

// TestUpgradeIsOneTransaction lets the upgrade fail half way: the case is as it was.
func TestUpgradeIsOneTransaction(t *testing.T) {
	t.Parallel()
	ofEachVersion(t, func(t *testing.T, dir string, version int64) {
		c := read(t, dir)
		must(t, sqlitex.ExecuteTransient(c.conn, "PRAGMA query_only = OFF", nil))
		must(t, sqlitex.ExecuteTransient(c.conn, "CREATE TABLE runbook_run (x)", nil)) // what the upgrade makes in its end
		if _, err := Open(context.Background(), dir, Write, Options{}); err == nil {
			t.Fatal("the upgrade did not fail")
		}
		if now, err := c.number("PRAGMA user_version"); err != nil || now != version {
			t.Errorf("version %d, %v", now, err)
		}
		must(t, sqlitex.ExecuteTransient(c.conn, "DROP TABLE runbook_run", nil))
		c, err := Open(context.Background(), dir, Write, Options{})
		must(t, err)
		oldStory(t, c, version)
		must(t, c.Close())
	})
}
