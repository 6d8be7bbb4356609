package casefile

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"zombiezen.com/go/sqlite/sqlitex"
)

// smallCase is a case of a few pages, with everything in it.
func smallCase(t *testing.T) string {
	t.Helper()
	dir := t.TempDir() + "/case"
	c := create(t, dir)
	rel := orders()
	runOf(t, c, func(r *Run) {
		table := tableOf(t, r, rel)
		for i := range 60 {
			must(t, table.Put(orderRow(rel, i, "heap", "some text to flip bytes in")))
			must(t, table.Ledger(LedgerLine{File: "1663/5/16384", LSN: 9, XID: 742, Reason: "its page is gone"}))
		}
	})
	writePlan(t, c, 20)
	must(t, c.Close())
	sound(t, dir)
	return dir
}

// TestFlippedByteIsFound flips bytes of case.db, one at a time. Either opening or
// verifying says so, or what the case holds is still the same: not every byte of a
// file has a meaning.
func TestFlippedByteIsFound(t *testing.T) {
	t.Parallel()
	dir := smallCase(t)
	path := filepath.Join(dir, DatabaseName)
	whole, err := os.ReadFile(path)
	must(t, err)
	before := contents(t, dir)
	seed := uint64(time.Now().UnixNano())
	random := rand.New(rand.NewPCG(seed, 0))
	found := 0
	flips := 200
	if testing.Short() { // the race detector sees the same in each
		flips = 50
	}
	for range flips {
		at, mask := random.IntN(len(whole)), byte(1<<random.IntN(8))
		for whole[at] == 0 && random.IntN(30) > 0 { // mostly free space
			at = random.IntN(len(whole))
		}
		hurt := append([]byte(nil), whole...)
		hurt[at] ^= mask
		must(t, os.WriteFile(path, hurt, 0o600))
		if flipFound(t, dir) {
			found++
			continue
		}
		t.Logf("seed %d: byte %d ^ %02x is found by nobody", seed, at, mask) // contents may end the test
		if got := contents(t, dir); got != before {
			t.Errorf("seed %d: byte %d ^ %02x changes the case, and nothing says so", seed, at, mask)
		}
	}
	if found < flips/4 {
		t.Errorf("seed %d: only %d flips were found; this test is blind", seed, found)
	}
	t.Logf("seed %d: %d of %d found", seed, found, flips)
}

// TestEmptyIndexThatLeadsNowhere: an empty page of an index that says of itself that it leads to others is not what
// integrity_check looks at, but who reads by the index ends there.
func TestEmptyIndexThatLeadsNowhere(t *testing.T) {
	t.Parallel()
	const leaf, interior = 0x0a, 0x02 // of the file format's kinds of pages
	dir := smallCase(t)
	path := filepath.Join(dir, DatabaseName)
	whole, err := os.ReadFile(path)
	must(t, err)
	empty := 0
	for at := pageSize; at < len(whole); at += pageSize {
		if whole[at] != leaf || whole[at+3] != 0 || whole[at+4] != 0 {
			continue
		}
		empty++
		hurt := slices.Clone(whole)
		hurt[at] = interior
		must(t, os.WriteFile(path, hurt, 0o600))
		if !flipFound(t, dir) {
			t.Errorf("nobody finds that page %d leads nowhere", at/pageSize+1)
		}
	}
	if empty == 0 {
		t.Error("the case has no empty index")
	}
}

func flipFound(t *testing.T, dir string) bool {
	t.Helper()
	c, err := Open(context.Background(), dir, Read, Options{})
	if err != nil {
		if !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrNoCase) && !errors.Is(err, ErrNewer) {
			t.Errorf("opening a damaged case: %v", err)
		}
		return true
	}
	defer c.Close()
	problems, err := c.VerifyIntegrity(context.Background(), nil)
	if err != nil && !errors.Is(err, ErrDamaged) {
		t.Errorf("verifying a damaged case: %v", err)
	}
	return err != nil || len(problems) > 0
}

// TestChangedContentIsFound edits the case as a person with a browser could.
func TestChangedContentIsFound(t *testing.T) {
	t.Parallel()
	dir := smallCase(t)
	path := filepath.Join(dir, DatabaseName)
	whole, err := os.ReadFile(path)
	must(t, err)
	tests := []struct{ statement, want string }{
		{`UPDATE row SET data = replace(data, 'text', 'lies') WHERE id = 7`, "case.db row 7"},
		{`UPDATE row SET xmin = 5 WHERE id = 7`, "case.db row 7"},
		{`UPDATE row SET note_id = 1 WHERE id = 7`, "case.db row 7"},
		{`UPDATE row SET unknown = 1 WHERE id = 7`, "case.db row 7"},
		{`UPDATE row SET moved = NULL WHERE id = 7`, "case.db row 7"},
		{`UPDATE row SET note_id = 0 WHERE id = 7`, "case.db row 7"},
		{`UPDATE row SET data = CAST(data AS BLOB) WHERE id = 7`, "case.db row 7"},
		{`UPDATE row SET successor = '' WHERE id = 7`, "case.db row 7"},
		{`UPDATE plan_row SET before = '' WHERE seq = 3`, "plan 1"},
		{`UPDATE row SET run_id = 70 WHERE id = 7`, "refers to a line of table run"},
		{`UPDATE ledger SET settled_by = 1`, "case.db ledger line"},
		{`UPDATE text SET text = 'another reason' WHERE text LIKE 'its%'`, "table text"},
		{`UPDATE run SET who = 'somebody else'`, "table run"},
		{`UPDATE relation SET name = 'other'`, "table relation"},
		{`UPDATE relation SET name = CAST(name AS BLOB)`, "table relation"},
		{`INSERT INTO gap VALUES (1, '', '', '', '', 1)`, "table gap"},
		{`UPDATE plan_row SET action = 'overwrite' WHERE seq = 3`, "plan 1"},
		{`DELETE FROM plan_row WHERE seq = 3`, "plan 1"},
		{`UPDATE plan SET header = '{}'`, "table plan"},
		{`UPDATE plan_batch SET state = 'aborted'`, "table plan_batch"},
		{`DROP VIEW rows_public_orders`, "table sqlite_schema"},
		{`INSERT INTO digest VALUES ('x', '')`, "table digest"},
		{`UPDATE meta SET value = '3' WHERE key = 'journal_seq'`, "journal.jsonl line 3"},
		{`UPDATE meta SET value = 'x' WHERE key = 'journal_seq'`, "table meta"},
		{`UPDATE meta SET value = 'x' WHERE key = 'case'`, "it is of another case"},
	}
	for _, test := range tests {
		must(t, os.WriteFile(path, whole, 0o600))
		c := create(t, dir)
		must(t, sqlitex.ExecuteTransient(c.conn, test.statement, nil))
		must(t, c.Close())
		found := false
		for _, problem := range problemsOf(t, dir) {
			found = found || contains(problem.Where+": "+problem.What, test.want)
		}
		if !found {
			t.Errorf("%s: problems %v, want one with %q", test.statement, problemsOf(t, dir), test.want)
		}
	}
}

// TestWhatIsNoCase is refused, each with its reason.
func TestWhatIsNoCase(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	open := func(dir string, mode Mode) error {
		c, err := Open(ctx, dir, mode, Options{})
		return errors.Join(err, c.Close())
	}
	set := func(pragma string) string {
		dir := smallCase(t)
		c := create(t, dir)
		must(t, sqlitex.ExecuteTransient(c.conn, pragma, nil))
		must(t, c.Close())
		return dir
	}
	file := func(text string) string {
		dir := t.TempDir()
		must(t, os.WriteFile(filepath.Join(dir, DatabaseName), []byte(text), 0o600))
		return dir
	}
	folder := t.TempDir()
	must(t, os.Mkdir(filepath.Join(folder, DatabaseName), 0o700))
	tests := []struct {
		name string
		dir  string
		mode Mode
		want error
	}{
		{"an empty folder", t.TempDir(), Write, ErrNoCase},
		{"no folder", filepath.Join(t.TempDir(), "none"), Read, ErrNoCase},
		{"a folder named case.db", folder, Create, ErrNoCase},
		{"an empty file", file(""), Read, ErrNoCase},
		{"a text file", file("this is no database, and it is long enough to be looked at, which takes a hundred bytes at the least"), Write, ErrDamaged},
		{"another program's database", set("PRAGMA application_id = 7"), Write, ErrNoCase},
		{"a newer version", set(fmt.Sprintf("PRAGMA user_version = %d", schemaVersion+1)), Read, ErrNewer},
		{"a newer version, to write", set(fmt.Sprintf("PRAGMA user_version = %d", schemaVersion+1)), Create, ErrNewer},
		{"no version", set("PRAGMA user_version = 0"), Read, ErrDamaged},
	}
	for _, test := range tests {
		if err := open(test.dir, test.mode); !errors.Is(err, test.want) {
			t.Errorf("%s: %v, want %v", test.name, err, test.want)
		}
	}
	// What a process left that was killed while it made the case is made anew.
	dir := file("")
	must(t, open(dir, Create))
	must(t, open(dir, Read))
}

func TestFindLooksUpwards(t *testing.T) {
	t.Parallel()
	dir := smallCase(t)
	below := filepath.Join(dir, "a", "b")
	must(t, os.MkdirAll(below, 0o700))
	for _, start := range []string{dir, below} {
		if got, found, err := Find(start); err != nil || !found || got != dir {
			t.Errorf("from %s: %q, %v, %v", start, got, found, err)
		}
	}
	if got, found, err := Find(t.TempDir()); err != nil || found {
		t.Errorf("where there is none: %q, %v, %v", got, found, err)
	}
}

// TestReadOnlyCase is read where nothing may be written.
func TestReadOnlyCase(t *testing.T) {
	t.Parallel()
	dir := smallCase(t)
	c, err := Open(context.Background(), dir, Read, Options{})
	must(t, err)
	defer c.Close()
	if _, err := c.Begin(context.Background(), Command{}); err == nil {
		t.Error("a run in a case that is open for reading")
	}
	if err := c.SetPlanState(context.Background(), 1, "x"); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("writing: %v", err)
	}
}
