package main

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/pgrescue/pgrescue/recover/pitr/cluster"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster/clustertest"
	"github.com/pgrescue/pgrescue/testdata"
)

// TestRunbook follows RUNBOOK.md as a responder would, on a server that runs on
// the incident's data directory. A block runs by its role, the second word behind
// its fence: check, run and verify must succeed, in the order of the document;
// expect is what the block before it prints, as in matches; undo has a test of its
// own here. A block without a role is not run. sh blocks share the variables of
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
	blocks   []block
	tables   []string
	copy     string
	printed  string // by the last block
}

func newResponder(t *testing.T, truth *testdata.Truth, loss *testdata.Transaction) *responder {
	t.Helper()
	r := &responder{t: t, truth: truth, loss: loss, server: startIncident(t), copy: filepath.Join(t.TempDir(), "copy")}
	for _, destroyed := range loss.Destroyed {
		r.tables = append(r.tables, destroyed.Table)
	}
	_, r.blocks = readDocument(t, "RUNBOOK.md")
	return r
}

// follow takes every step, and ends when the rows are back and the freeze is undone.
func (r *responder) follow(deletes bool) {
	r.t.Helper()
	ran := 0
	for i, b := range r.blocks {
		switch b.role {
		case "check", "run", "verify":
			ran++
			r.must(b)
		case "expect":
			if !matches(b.text, r.printed) {
				r.t.Fatalf("RUNBOOK.md:%d: the block before it printed this:\n%s", b.line, r.printed)
			}
		case "undo":
			if deletes && strings.HasPrefix(b.heading, "7.") {
				r.undoGiveBack(i)
			}
		case "":
		default:
			r.t.Errorf("RUNBOOK.md:%d: no block has the role %q", b.line, b.role)
		}
	}
	if ran < 10 {
		r.t.Fatalf("only %d blocks ran", ran)
	}
	r.rowsAreBack(true)
	r.must(r.find("1.", "undo"))
	if _, _, err := r.try(r.find("1.", "verify")); err == nil {
		r.t.Error("the tables are not frozen any more, and the verify block of step 1 did not notice")
	}
}

// undoGiveBack takes the rows out again and gives them back once more.
func (r *responder) undoGiveBack(undo int) {
	r.t.Helper()
	r.rowsAreBack(true)
	r.must(r.blocks[undo])
	r.rowsAreBack(false)
	if _, _, err := r.try(r.find("7.", "verify")); err == nil {
		r.t.Fatal("the rows are not back, and the verify block of step 7 did not notice")
	}
	var runs []block
	for _, b := range r.blocks[:undo] {
		if b.role == "run" && strings.HasPrefix(b.heading, "7.") {
			runs = append(runs, b)
		}
	}
	r.must(runs[len(runs)-1])
}

// find gives the first block of a step with a role.
func (r *responder) find(step, role string) block {
	r.t.Helper()
	at := slices.IndexFunc(r.blocks, func(b block) bool { return strings.HasPrefix(b.heading, step) && b.role == role })
	if at < 0 {
		r.t.Fatalf("step %s of RUNBOOK.md has no %s block", step, role)
	}
	return r.blocks[at]
}

// must runs a block that has to succeed.
func (r *responder) must(b block) {
	r.t.Helper()
	stdout, stderr, err := r.try(b)
	if err != nil {
		r.t.Fatalf("RUNBOOK.md:%d: %v\n%s%s", b.line, err, stdout, stderr)
	}
	r.printed = stdout
}

// try runs a block in bash or psql.
func (r *responder) try(b block) (stdout, stderr string, err error) {
	r.t.Helper()
	script := b.text
	switch b.lang {
	case "sh":
	case "sql":
		script = "psql -X -v ON_ERROR_STOP=1 -v tables=\"$TABLES\" <<'END_OF_SQL'\n" + b.text + "END_OF_SQL\n"
	default:
		r.t.Fatalf("RUNBOOK.md:%d: a block of %q has the role %s", b.line, b.lang, b.role)
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
