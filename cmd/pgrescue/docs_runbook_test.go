package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/pgrescue/pgrescue/cmd/internal/exitcode"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster/clustertest"
	"github.com/pgrescue/pgrescue/recover/runbook"
)

// TestRunbook runs RUNBOOK.md with `pgrescue runbook run`, as a responder would, on a server
// that was hurt a moment ago. Nobody is at the terminal, and nobody says which transaction it
// was: flags say yes to what is asked, the same for every loss, and the book finds its way by
// what triage says. Every block that it comes by must succeed, and print what the document
// shows; in the end the rows are back, and the server is as it was.
func TestRunbook(t *testing.T) {
	t.Parallel()
	list := losses()
	if testing.Short() { // the race detector sees the same goroutines on each road; this one comes by undo and resume
		list = list[1:2]
	}
	for _, loss := range list {
		t.Run(loss.name, func(t *testing.T) {
			t.Parallel()
			r := newResponder(t, &loss)
			if loss.hurt != nil {
				loss.hurt(r)
			}
			result := r.run("first")
			r.went(result, loss.road...)
			if loss.hurt == nil {
				r.rowsAreBack(true)
				r.serverIsAsBefore()
			}
			if loss.then != nil {
				loss.then(r)
			}
		})
	}
}

// hurtBy is a loss, and the road that the book takes.
type hurtBy struct {
	name string
	sql  []string // each in a transaction of its own
	hurt func(r *responder)
	road []string
	then func(r *responder) // what else is tried behind it
}

func losses() []hurtBy {
	return []hurtBy{
		{
			name: "delete", sql: []string{"DELETE FROM shop.customers WHERE id % 2 = 0"}, // its orders go along
			road: []string{"1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11"}, then: (*responder).sideRoads,
		},
		{
			name: "update", sql: []string{"UPDATE shop.orders SET total = 0, note = NULL"},
			road: []string{"1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11"}, then: (*responder).undoGiveBack,
		},
		{
			name: "truncate", sql: []string{"TRUNCATE shop.orders"},
			road: []string{"1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11"},
		},
		{
			name: "drop", sql: []string{"DROP TABLE shop.orders"},
			road: []string{"1", "2", "3", "4", "5", "a-table-was-dropped", "6", "7", "8", "9", "10", "11"},
		},
		{
			name: "column", sql: []string{"ALTER TABLE shop.orders DROP COLUMN note"},
			road: []string{"1", "2", "3", "4", "5", "a-column-was-dropped", "6", "7", "8", "9", "10", "11"},
		},
		{
			name: "rolled back", sql: []string{"BEGIN; DELETE FROM shop.orders; ROLLBACK"},
			road: []string{"1", "nothing-was-lost", "8", "9", "10", "11"},
		},
		{
			name: "files", hurt: (*responder).removeFile, road: []string{"1", "files-were-removed", "9", "10", "11"}, then: (*responder).fileIsSaved,
		},
	}
}

// TestBuiltInBook: the book in the program is the one at the root, and nothing is wrong with it.
func TestBuiltInBook(t *testing.T) {
	t.Parallel()
	root, err := os.ReadFile(filepath.Join(repository, "RUNBOOK.md"))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(root, builtInBook) {
		t.Error("cmd/pgrescue/RUNBOOK.md is not RUNBOOK.md of the root: run `go generate ./cmd/pgrescue`")
	}
	if code, stdout, stderr := execute(t.Context(), "runbook", "lint", "--strict", filepath.Join(repository, "RUNBOOK.md")); code != exitcode.Done {
		t.Errorf("runbook lint: code %d\n%s%s", code, stdout, stderr)
	}
}

// responder is somebody who follows the runbook.
type responder struct {
	t      *testing.T
	server *cluster.Cluster
	loss   *hurtBy
	book   *runbook.Book
	tables []string
	before map[string]string // the rows of each table before the loss
	state  string            // what a freeze changes, before the loss
	folder string            // holds the case, and the folders of runs
	// Of the incident in which a file is removed: its path and what it held.
	lost    string
	content []byte
}

// shopTables makes tables with rows, and a checkpoint behind most of them.
func shopTables() []string {
	return []string{
		"CREATE SCHEMA shop",
		"CREATE TABLE shop.customers (id int PRIMARY KEY, name text NOT NULL, note text)",
		"CREATE TABLE shop.orders (id int PRIMARY KEY, customer int REFERENCES shop.customers ON DELETE CASCADE, total numeric(10,2), note text)",
		"INSERT INTO shop.customers SELECT i, 'customer ' || i, repeat(md5(i::text), i % 90) FROM generate_series(1, 300) i",
		"INSERT INTO shop.orders SELECT i, 1 + i % 300, i * 1.01, 'order ' || i FROM generate_series(1, 900) i",
		"ALTER TABLE shop.orders SET (fillfactor = 90)",
		"CHECKPOINT",
		"UPDATE shop.customers SET note = 'called ' || note WHERE id < 20",
	}
}

func newResponder(t *testing.T, loss *hurtBy) *responder {
	t.Helper()
	// Autovacuum is on, as on any server that somebody uses.
	r := &responder{
		t: t, loss: loss, server: clustertest.Start(t, cluster.Options{Settings: map[string]string{"autovacuum": "on"}}),
		tables: []string{"shop.customers", "shop.orders"}, before: map[string]string{}, folder: t.TempDir(),
	}
	path, err := filepath.Abs(filepath.Join(repository, "RUNBOOK.md"))
	if err != nil {
		t.Fatal(err)
	}
	if r.book, err = runbook.Open(path); err != nil {
		t.Fatal(err)
	}
	clustertest.Exec(t, r.server, r.database(), shopTables()...)
	for _, table := range r.tables {
		r.before[table] = clustertest.CopyOut(t, r.server, r.database(), "SELECT * FROM "+table)
	}
	r.state = r.frozen()
	clustertest.Exec(t, r.server, r.database(), loss.sql...)
	return r
}

func (r *responder) database() string { return "postgres" }

// frozen is what a freeze changes.
func (r *responder) frozen() string {
	r.t.Helper()
	return clustertest.CopyOut(r.t, r.server, r.database(), "SELECT relname, reloptions FROM pg_class WHERE relnamespace = 'shop'::regnamespace AND reloptions IS NOT NULL ORDER BY 1") +
		clustertest.CopyOut(r.t, r.server, r.database(), "SELECT slot_name FROM pg_replication_slots") +
		clustertest.CopyOut(r.t, r.server, r.database(), "SELECT name, setting FROM pg_file_settings WHERE sourcefile LIKE '%auto.conf' ORDER BY 1")
}

// serverIsAsBefore: nothing of the freeze is left.
func (r *responder) serverIsAsBefore() {
	r.t.Helper()
	want := r.state
	if r.loss.name == "drop" { // options are not among what the WAL tells of a dropped table
		want = ""
	}
	if got := r.frozen(); got != want {
		r.t.Errorf("the server has %q, and had %q", got, want)
	}
}

// went checks which steps a run took, and that all of them were done.
func (r *responder) went(result *ended, road ...string) {
	r.t.Helper()
	var took []string
	for _, visit := range result.Visits {
		took = append(took, r.book.Step(visit.Step).Name())
		if visit.State != runbook.StateDone {
			r.t.Errorf("step %s is %s: %s", visit.Step, visit.State, visit.Reason)
		}
	}
	if !slices.Equal(took, road) {
		r.t.Errorf("the run took the steps %q, want %q", took, road)
	}
}

// undoGiveBack takes the rows out again and gives them back once more.
func (r *responder) undoGiveBack() {
	r.t.Helper()
	folder := filepath.Join(r.folder, "first")
	r.must("undo", "7", folder, "--yes", "--confirm", r.database())
	r.rowsAreBack(false)
	if r.verifies("7") {
		r.t.Fatal("the rows are not back, and the verify block of step 7 did not notice")
	}
	r.must("resume", folder, "--again", "7", "--yes", "--confirm", r.database(), "--tick", "all")
	r.rowsAreBack(true)
}

// removeFile removes the file of a table that a session has open.
func (r *responder) removeFile() {
	r.t.Helper()
	session, err := r.server.Session(r.t.Context(), r.database())
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = session.Close(context.Background()) }) // the server goes too
	if _, err := session.Value(r.t.Context(), "SELECT count(note) FROM shop.orders"); err != nil {
		r.t.Fatal(err)
	}
	clustertest.Exec(r.t, r.server, r.database(), "CHECKPOINT")
	r.lost = filepath.Join(r.server.DataDir(), clustertest.Value(r.t, r.server, r.database(), "SELECT pg_relation_filepath('shop.orders')"))
	if r.content, err = os.ReadFile(r.lost); err == nil {
		err = os.Remove(r.lost)
	}
	if err != nil {
		r.t.Fatal(err)
	}
}

// fileIsSaved: the case has the file that was removed, byte for byte; without it the book says that none is saved.
func (r *responder) fileIsSaved() {
	r.t.Helper()
	saved, err := os.ReadFile(filepath.Join(r.folder, "case", "evidence", "open", r.lost))
	if err != nil || !bytes.Equal(saved, r.content) {
		r.t.Errorf("%s: %d bytes were saved of %d: %v", r.lost, len(saved), len(r.content), err)
	}
	open := filepath.Join(r.folder, "case", "evidence", "open")
	if err := errors.Join(os.RemoveAll(open), os.Mkdir(open, 0o700)); err != nil {
		r.t.Fatal(err)
	}
	if r.verifies("files-were-removed") {
		r.t.Error("no file is saved, and the verify block did not notice")
	}
}

// sideRoads takes the roads that lead away, on the evidence that is there.
func (r *responder) sideRoads() {
	r.t.Helper()
	r.undoGiveBack()
	seen := map[string]bool{"a-table-was-dropped": true, "a-column-was-dropped": true, "nothing-was-lost": true, "files-were-removed": true} // other losses come by
	away := func(name, step string, flags ...string) {
		seen[name] = true
		result := r.run(name, append(flags, "--take", step+"="+name)...)
		if !slices.ContainsFunc(result.Visits, func(v *runbook.Visit) bool { return v.Step == name && len(v.Blocks)+len(v.Answers) > 0 }) {
			r.t.Errorf("no run went through %s", name)
		}
	}
	captured := []string{"--skip", "2=it is captured"}
	away("the-wal-is-gone", "3", append(captured, "--set", "TABLES=shop.customers shop.orders")...)
	away("many-transactions-took-the-rows", "3", captured...)
	away("only-a-copy-and-no-server", "5", captured...)
	away("some-rows-are-not-there", "5", captured...)
	away("some-rows-are-blocked", "6", captured...)
	away("only-a-replication-role", "3", captured...)
	for _, step := range r.book.Steps {
		if step.Number == "" && !seen[step.ID] && len(step.Blocks(runbook.Check, runbook.Run, runbook.Verify)) > 0 {
			r.t.Errorf("no run went through %s", step.ID)
		}
	}
	r.must("undo", "2", filepath.Join(r.folder, "first"), "--yes")
}

// ended is how a run ended.
type ended struct {
	runbook.Result
}

// run runs the book in a folder of its own, to its end.
func (r *responder) run(name string, flags ...string) *ended {
	r.t.Helper()
	folder := filepath.Join(r.folder, name)
	text := r.must(append([]string{
		"run", r.book.Path, "--folder", folder, "--yes", "--confirm", r.database(), "--tick", "all", "--json",
	}, flags...)...)
	var result ended
	if err := json.Unmarshal([]byte(text), &result); err != nil || len(result.Visits) == 0 || result.Next != "" {
		r.t.Fatalf("run %s: %v, next %q, %d visits", name, err, result.Next, len(result.Visits))
	}
	log, err := os.ReadFile(filepath.Join(folder, "RUNLOG.md"))
	if err != nil || !bytes.Contains(log, []byte("exit code 0")) {
		r.t.Errorf("%s: RUNLOG.md: %v\n%.400s", name, err, log)
	}
	return &result
}

// must runs a command of runbook that has to succeed.
func (r *responder) must(args ...string) string {
	r.t.Helper()
	var script strings.Builder
	script.WriteString("pgrescue runbook")
	for _, arg := range args {
		script.WriteString(" '" + arg + "'")
	}
	stdout, stderr, err := r.shell(script.String())
	if err != nil {
		r.t.Fatalf("%s: %v\n%s%s", script.String(), err, stdout, stderr)
	}
	return stdout
}

// verifies reports whether the verify block of a step succeeds by itself.
func (r *responder) verifies(step string) bool {
	r.t.Helper()
	blocks := r.book.Step(step).Blocks(runbook.Verify)
	if len(blocks) == 0 {
		r.t.Fatalf("step %s has no verify block", step)
	}
	_, _, err := r.shell(blocks[0].Text)
	return err == nil
}

// shell runs a script with the values that the book needs.
func (r *responder) shell(script string) (stdout, stderr string, err error) {
	r.t.Helper()
	return shell(r.t, r.t.TempDir(), script, append(reach(r.server, r.database()),
		"PGDATA="+r.server.DataDir(), "PGRESCUE_CASE="+filepath.Join(r.folder, "case"))...)
}

// reach is the environment in which libpq's programs reach a server, and find psql.
func reach(server *cluster.Cluster, database string) []string {
	return []string{
		"PATH=" + os.Getenv("PATH") + string(filepath.ListSeparator) + server.BinDir(),
		"PGHOST=" + filepath.Join(server.Dir(), "run"), "PGPORT=5432", "PGUSER=" + cluster.Superuser, "PGDATABASE=" + database,
	}
}

// rowsAreBack compares the server's tables with what COPY gave before the loss.
func (r *responder) rowsAreBack(want bool) {
	r.t.Helper()
	back := true
	for _, table := range r.tables {
		there := make(map[string]bool)
		for line := range strings.Lines(clustertest.CopyOut(r.t, r.server, r.database(), "SELECT * FROM "+table)) {
			there[line] = true
		}
		rows := 0
		for line := range strings.Lines(r.before[table]) {
			rows++
			if !there[line] && want {
				r.t.Fatalf("%s: a row is not back: %.80s", table, line)
			}
			back = back && there[line]
		}
		if rows < 300 || rows > len(there) && want {
			r.t.Errorf("%s: %d rows before, %d now", table, rows, len(there))
		}
	}
	if back != want {
		r.t.Errorf("the rows are back: %v, want %v", back, want)
	}
}

// startIncident starts a server on the incident's data directory. It recovers
// from the crash first, as the incident's own server would.
func startIncident(t *testing.T) *cluster.Cluster {
	t.Helper()
	c := clustertest.New(t, cluster.Options{Settings: map[string]string{"wal_keep_size": "256MB"}})
	data, err := unpackIncident(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	// The configuration stays, because the archive leaves it out, and so do empty folders.
	for _, name := range []string{"base", "global", "pg_wal", "pg_xact", "pg_multixact", "pg_subtrans"} {
		if err := os.RemoveAll(filepath.Join(c.DataDir(), name)); err != nil {
			t.Fatal(err)
		}
		if err := os.CopyFS(filepath.Join(c.DataDir(), name), os.DirFS(filepath.Join(data, name))); err != nil {
			t.Fatal(err)
		}
	}
	giveToOwner(t, c.DataDir())
	if err := c.Start(context.WithoutCancel(t.Context())); err != nil {
		t.Fatal(err)
	}
	return c
}

// giveToOwner gives everything in a folder to the owner of the folder, as a
// server wants it.
func giveToOwner(t *testing.T, folder string) {
	t.Helper()
	info, err := os.Stat(folder)
	if err != nil {
		t.Fatal(err)
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		t.Fatalf("%s: no owner is known", folder)
	}
	err = filepath.WalkDir(folder, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(path, int(owner.Uid), int(owner.Gid))
	})
	if err != nil {
		t.Fatal(err)
	}
}
