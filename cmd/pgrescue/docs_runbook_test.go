package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/pgrescue/pgrescue/cmd/internal/exitcode"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster/clustertest"
	"github.com/pgrescue/pgrescue/recover/runbook"
	"github.com/pgrescue/pgrescue/testdata"
)

// TestRunbook runs RUNBOOK.md with `pgrescue runbook run`, as a responder would, on a
// server that runs on the incident's data directory. Nobody is at the terminal, so flags
// say what a person would. Every check, run and verify block must succeed, in the order of
// the document, and print what the document shows; undo blocks run where somebody would
// want them. Then the roads that lead away from the first one.
func TestRunbook(t *testing.T) {
	t.Parallel()
	truth, err := testdata.ReadTruth()
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		label   string // of the transaction
		deletes bool
	}{
		{label: "retry", deletes: true},
		{label: "users"},
	} {
		t.Run(test.label, func(t *testing.T) {
			t.Parallel()
			loss := truth.Transaction(test.label)
			if loss == nil || len(loss.Destroyed) == 0 {
				t.Fatalf("the incident has no loss %s", test.label)
			}
			r := newResponder(t, truth, loss)
			if r.conflict = "overwrite"; test.deletes {
				r.conflict = "keep"
			}
			r.follow(test.deletes)
		})
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
	truth  *testdata.Truth
	loss   *testdata.Transaction
	// conflict is what becomes of rows that are there with other values.
	conflict string
	book     *runbook.Book
	tables   []string
	copy     string
	runs     string // holds the folders of runs
}

func newResponder(t *testing.T, truth *testdata.Truth, loss *testdata.Transaction) *responder {
	t.Helper()
	folder := t.TempDir()
	r := &responder{t: t, truth: truth, loss: loss, server: startIncident(t), copy: filepath.Join(folder, "copy"), runs: filepath.Join(folder, "runs")}
	for _, destroyed := range loss.Destroyed {
		r.tables = append(r.tables, destroyed.Table)
	}
	path, err := filepath.Abs(filepath.Join(repository, "RUNBOOK.md"))
	if err != nil {
		t.Fatal(err)
	}
	if r.book, err = runbook.Open(path); err != nil {
		t.Fatal(err)
	}
	return r
}

// follow takes every step, and ends when the rows are back and the freeze is undone.
func (r *responder) follow(deletes bool) {
	r.t.Helper()
	first := r.run("first", "--take", "3=4")
	ran := 0
	for _, step := range r.book.Steps {
		if step.Number != "" {
			ran += len(step.Blocks(runbook.Check, runbook.Run, runbook.Verify))
		}
	}
	if blocks := first.blocks(); blocks != ran || ran < 10 {
		r.t.Errorf("%d blocks ran, the steps have %d", blocks, ran)
	}
	r.rowsAreBack(true)
	if deletes {
		r.undoGiveBack()
	}
	seen := map[string]bool{}
	// The roads that lead away, on the copy that is there.
	for _, side := range []string{"the-wal-is-gone", "no-access-to-files-only-a-replication-role"} {
		seen[side] = true
		way := r.run(side, "--skip", "1=it is frozen", "--skip", "2=it is copied", "--take", "3="+side)
		if last := way.Visits[len(way.Visits)-1]; last.Step != side || len(last.Blocks) == 0 {
			r.t.Errorf("the road to %s ended at %s, after %d blocks", side, last.Step, len(last.Blocks))
		}
	}
	for _, step := range r.book.Steps {
		if step.Number == "" && !seen[step.ID] && len(step.Blocks(runbook.Check, runbook.Run, runbook.Verify)) > 0 {
			r.t.Errorf("no run went through %s", step.ID)
		}
	}
	r.must("undo", "1", filepath.Join(r.runs, "first"), "--yes")
	if r.verifies("1") {
		r.t.Error("the tables are not frozen any more, and the verify block of step 1 did not notice")
	}
}

// undoGiveBack takes the rows out again and gives them back once more.
func (r *responder) undoGiveBack() {
	r.t.Helper()
	folder := filepath.Join(r.runs, "first")
	r.must("undo", "7", folder, "--yes", "--confirm", r.truth.Database)
	r.rowsAreBack(false)
	if r.verifies("7") {
		r.t.Fatal("the rows are not back, and the verify block of step 7 did not notice")
	}
	r.must("resume", folder, "--again", "7", "--yes", "--confirm", r.truth.Database, "--tick", "all")
	r.rowsAreBack(true)
}

// ended is how a run ended.
type ended struct {
	runbook.Result
}

// blocks counts the blocks that ended well.
func (e *ended) blocks() int {
	n := 0
	for _, visit := range e.Visits {
		for _, block := range visit.Blocks {
			if block.ExitCode != nil && *block.ExitCode == 0 {
				n++
			}
		}
	}
	return n
}

// run runs the book in a folder of its own; every step must be done, or skipped.
func (r *responder) run(name string, flags ...string) *ended {
	r.t.Helper()
	folder := filepath.Join(r.runs, name)
	text := r.must(append([]string{
		"run", r.book.Path, "--folder", folder, "--yes", "--confirm", r.truth.Database, "--tick", "all", "--json",
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
	script := blocks[0].Text
	if blocks[0].Language == runbook.SQL {
		script = "psql -X -v ON_ERROR_STOP=1 -v tables=\"$TABLES\" <<'END_OF_SQL'\n" + script + "END_OF_SQL\n"
	}
	_, _, err := r.shell(script)
	return err == nil
}

// shell runs a script with the values that the book needs.
func (r *responder) shell(script string) (stdout, stderr string, err error) {
	r.t.Helper()
	return shell(r.t, r.t.TempDir(), script, append(reach(r.server, r.truth.Database),
		"PGDATA="+r.server.DataDir(), "COPY="+r.copy, "TABLES="+strings.Join(r.tables, " "), "CONFLICT="+r.conflict, fmt.Sprintf("XID=%d", r.loss.XID))...)
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
	for _, destroyed := range r.loss.Destroyed {
		doomed, err := os.ReadFile(filepath.Join(repository, "testdata", "incident", filepath.FromSlash(destroyed.File)))
		if err != nil {
			r.t.Fatal(err)
		}
		there := make(map[string]bool)
		for line := range strings.Lines(clustertest.CopyOut(r.t, r.server, r.truth.Database, "SELECT * FROM "+destroyed.Table)) {
			there[line] = true
		}
		rows := 0
		for line := range strings.Lines(string(doomed)) {
			rows++
			if there[line] != want {
				r.t.Errorf("%s: a destroyed row is in the table: %v, want %v: %.80s", destroyed.Table, there[line], want, line)
			}
		}
		if rows != destroyed.Rows || rows == 0 {
			r.t.Errorf("%s: %d rows were destroyed, the file has %d", destroyed.Table, destroyed.Rows, rows)
		}
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
