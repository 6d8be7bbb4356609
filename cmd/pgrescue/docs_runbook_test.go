package main

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/pgrescue/pgrescue/recover/pitr/cluster"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster/clustertest"
	"github.com/pgrescue/pgrescue/recover/runbook"
	"github.com/pgrescue/pgrescue/testdata"
)

// TestRunbook follows RUNBOOK.md as a responder would, on a server that runs on
// the incident's data directory. A block runs by its role, the second word behind
// its fence: check, run and verify must succeed, in the order of the document;
// expect is what the block before it prints, as in runbook.Matches; undo has a test of
// its own here. A block without a role is not run. sh blocks share the variables of
// the table "You need"; sql blocks go through psql with tables set, as it says.
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
}

func newResponder(t *testing.T, truth *testdata.Truth, loss *testdata.Transaction) *responder {
	t.Helper()
	r := &responder{t: t, truth: truth, loss: loss, server: startIncident(t), copy: filepath.Join(t.TempDir(), "copy")}
	for _, destroyed := range loss.Destroyed {
		r.tables = append(r.tables, destroyed.Table)
	}
	book, err := runbook.Open(filepath.Join(repository, "RUNBOOK.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, finding := range runbook.Lint(book) {
		if finding.Rule == "block" {
			t.Errorf("RUNBOOK.md:%d: %s", finding.Line, finding.Text)
		}
	}
	r.book = book
	return r
}

// follow takes every step, and ends when the rows are back and the freeze is undone.
func (r *responder) follow(deletes bool) {
	r.t.Helper()
	ran := 0
	for _, step := range r.book.Steps {
		for _, b := range step.Blocks(runbook.Check, runbook.Run, runbook.Verify, runbook.Undo) {
			if b.Role != runbook.Undo {
				ran++
				r.must(b)
			} else if deletes && step.Number == "7" {
				r.undoGiveBack(step, b)
			}
		}
	}
	if ran < 10 {
		r.t.Fatalf("only %d blocks ran", ran)
	}
	r.rowsAreBack(true)
	r.must(r.find("1", runbook.Undo))
	if _, _, err := r.try(r.find("1", runbook.Verify)); err == nil {
		r.t.Error("the tables are not frozen any more, and the verify block of step 1 did not notice")
	}
}

// undoGiveBack takes the rows out again and gives them back once more.
func (r *responder) undoGiveBack(step *runbook.Step, undo *runbook.Block) {
	r.t.Helper()
	r.rowsAreBack(true)
	r.must(undo)
	r.rowsAreBack(false)
	if _, _, err := r.try(r.find(step.Number, runbook.Verify)); err == nil {
		r.t.Fatalf("the rows are not back, and the verify block of step %s did not notice", step.Number)
	}
	runs := step.Blocks(runbook.Run)
	r.must(runs[len(runs)-1])
}

// find gives the first block of a step with a role.
func (r *responder) find(step string, role runbook.Role) *runbook.Block {
	r.t.Helper()
	if s := r.book.Step(step); s != nil && len(s.Blocks(role)) > 0 {
		return s.Blocks(role)[0]
	}
	r.t.Fatalf("step %s of RUNBOOK.md has no %s block", step, role)
	return nil
}

// must runs a block that has to succeed, and print what the document shows.
func (r *responder) must(b *runbook.Block) {
	r.t.Helper()
	stdout, stderr, err := r.try(b)
	if err != nil {
		r.t.Fatalf("RUNBOOK.md:%d: %v\n%s%s", b.Line, err, stdout, stderr)
	}
	if b.ExpectLine > 0 && !runbook.Matches(b.Expect, stdout) {
		r.t.Fatalf("RUNBOOK.md:%d: the block before it printed this:\n%s", b.ExpectLine, stdout)
	}
}

// try runs a block in bash or psql.
func (r *responder) try(b *runbook.Block) (stdout, stderr string, err error) {
	r.t.Helper()
	script := b.Text
	if b.Language == runbook.SQL {
		script = "psql -X -v ON_ERROR_STOP=1 -v tables=\"$TABLES\" <<'END_OF_SQL'\n" + b.Text + "END_OF_SQL\n"
	}
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
