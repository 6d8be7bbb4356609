package casefile

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"zombiezen.com/go/sqlite/sqlitex"
)

// storyCase is a case that one undisturbed run made.
func storyCase(t *testing.T) string {
	t.Helper()
	dir := t.TempDir() + "/case"
	c := create(t, dir)
	must(t, ingestStory(c, func(string) {}))
	must(t, c.Close())
	return dir
}

// TestKilledRunLeavesNothing kills a process at random points of a run, again and
// again. Whatever the point, the case is as before or as after, and the next run
// carries on; at the end nothing was counted twice.
func TestKilledRunLeavesNothing(t *testing.T) {
	t.Parallel()
	want := contents(t, storyCase(t))
	dir := t.TempDir() + "/case"
	create(t, dir).Close()
	empty := contents(t, dir)
	seed := uint64(time.Now().UnixNano())
	random := rand.New(rand.NewPCG(seed, 0))
	kept, every := 0, 1
	if testing.Short() { // each kind of kill is tried with the race detector too, but not as often
		every = 5
	}
	for n := 0; n < 25; n += every {
		if n < 15 || n >= 20 {
			step := fmt.Sprintf("table %d row %d", random.IntN(storyTables), random.IntN(storyRows))
			if last := startChild(t, "ingest", dir, childKill+"="+step).last(); last != "begun" {
				t.Fatalf("seed %d: the child went on to %q behind %s", seed, last, step)
			}
		} else {
			// Not at a step: at any instant of the commit, or right behind it.
			process := startChild(t, "ingest", dir)
			process.until(t, []string{"committing", "committed"}[random.IntN(2)])
			must(t, process.command.Process.Kill())
			process.last()
		}
		switch got := contents(t, dir); {
		case got == want:
			kept++
		case got != empty || kept > 0:
			t.Fatalf("seed %d: after kill %d the case is neither as before nor as after:\n%.2000s", seed, n, got)
		}
		sound(t, dir)
	}
	for range 2 {
		if last := startChild(t, "ingest", dir).last(); last != "done" {
			t.Fatalf("the next run: %s", last)
		}
		if got := contents(t, dir); got != want {
			t.Fatalf("seed %d: the runs together found something else than one run alone", seed)
		}
	}
	sound(t, dir)
	t.Logf("seed %d: %d of %d killed runs had committed", seed, kept, 25/every)
}

// TestSecondProcessWaits has one process hold the case, and another wait for it.
func TestSecondProcessWaits(t *testing.T) {
	t.Parallel()
	dir := t.TempDir() + "/case"
	holder := startChild(t, "hold", dir)
	holder.until(t, "holding")
	_, err := Open(context.Background(), dir, Write, Options{LockWait: 200 * time.Millisecond, Command: "second"})
	if !errors.Is(err, ErrLocked) {
		t.Fatalf("the second process: %v", err)
	}
	for _, want := range []string{fmt.Sprintf("pid %d", holder.command.Process.Pid), "command hold", "host ", "since "} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error %q does not say %q", err, want)
		}
	}
	reader, err := Open(context.Background(), dir, Read, Options{})
	must(t, err)
	must(t, reader.Close())

	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Open(ctx, dir, Write, Options{LockWait: time.Hour}); !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: %v", err)
	}

	waited := make(chan error)
	go func() {
		c, err := Open(context.Background(), dir, Write, Options{LockWait: time.Minute})
		waited <- errors.Join(err, c.Close())
	}()
	must(t, holder.command.Process.Kill())
	if err := <-waited; err != nil {
		t.Errorf("after the holder was killed: %v", err)
	}
}

// TestFullDiskLeavesTheCaseAsItWas lets files grow only so far, at several lengths:
// the journal, the database or its rollback journal does not fit.
func TestFullDiskLeavesTheCaseAsItWas(t *testing.T) {
	t.Parallel()
	dir := t.TempDir() + "/case"
	create(t, dir).Close()
	empty := contents(t, dir)
	whole := storyCase(t)
	want := contents(t, whole)
	from, to := databaseSize(t, dir), databaseSize(t, whole)
	for _, limit := range []int64{100, from, from + (to-from)/4, from + (to-from)/2, to - pageSize} {
		last := startChild(t, "ingest", dir, fmt.Sprintf("%s=%d", childSize, limit)).last()
		if !strings.HasPrefix(last, "failed case: ") || !strings.Contains(last, "is full") && !strings.Contains(last, "too large") && !strings.Contains(last, "I/O error") {
			t.Fatalf("limit %d: the child said %q", limit, last)
		}
		if got := contents(t, dir); got != empty {
			t.Errorf("limit %d: the case changed", limit)
		}
	}
	if last := startChild(t, "ingest", dir).last(); last != "done" {
		t.Fatalf("with room again: %s", last)
	}
	if got := contents(t, dir); got != want {
		t.Error("with room again the run found something else")
	}
	for _, problem := range problemsOf(t, dir) {
		if !strings.Contains(problem.What, "no whole line") {
			t.Errorf("problem: %v", problem)
		}
	}
}

func databaseSize(t *testing.T, dir string) int64 {
	t.Helper()
	info, err := os.Stat(filepath.Join(dir, DatabaseName))
	must(t, err)
	return info.Size()
}

// TestDiskErrorSaysSo maps what the system says to ErrDisk.
func TestDiskErrorSaysSo(t *testing.T) {
	t.Parallel()
	c := &Case{dir: "case"}
	for _, errno := range []syscall.Errno{syscall.ENOSPC, syscall.EFBIG, syscall.EDQUOT} {
		if err := c.fail(context.Background(), "write", &fs.PathError{Op: "write", Path: "x", Err: errno}); !errors.Is(err, ErrDisk) || !errors.Is(err, errno) {
			t.Errorf("%v: %v", errno, err)
		}
	}
}

// TestReaderSeesTheCaseBeforeARun looks while a writer has begun and found something.
func TestReaderSeesTheCaseBeforeARun(t *testing.T) {
	t.Parallel()
	dir := t.TempDir() + "/case"
	c := create(t, dir)
	before := contents(t, dir)
	r, err := c.Begin(context.Background(), Command{Name: "undelete"})
	must(t, err)
	rel := orders()
	must(t, tableOf(t, r, rel).Put(orderRow(rel, 0, "heap", "x")))
	if got := contents(t, dir); got != before {
		t.Error("a reader sees rows of a run in progress")
	}
	must(t, r.Commit(0))
	if got := contents(t, dir); got == before {
		t.Error("a reader does not see the rows of a run that was committed")
	}
}

// TestReaderWaitsForAWriter looks while the writer has more than its cache holds,
// so that it writes into the file: the reader is told who it is, and gets in later.
func TestReaderWaitsForAWriter(t *testing.T) {
	t.Parallel()
	dir := t.TempDir() + "/case"
	c := create(t, dir)
	must(t, sqlitex.ExecuteTransient(c.conn, "PRAGMA cache_size = -64", nil))
	r, err := c.Begin(context.Background(), Command{Name: "undelete"})
	must(t, err)
	rel := orders()
	must(t, storyTable(r, tableOf(t, r, rel), rel, func(int) {}))
	must(t, r.pipe.flush())
	if _, err := Open(context.Background(), dir, Read, Options{}); !errors.Is(err, ErrLocked) || !strings.Contains(err.Error(), "command test") {
		t.Errorf("a reader that does not wait: %v", err)
	}
	opened := make(chan error)
	go func() {
		reader, err := Open(context.Background(), dir, Read, Options{LockWait: time.Minute})
		opened <- errors.Join(err, reader.Close())
	}()
	must(t, r.Commit(0))
	must(t, <-opened)
}

func TestFilesAreForTheOwnerOnly(t *testing.T) {
	t.Parallel()
	dir := storyCase(t)
	must(t, filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		must(t, err)
		info, err := entry.Info()
		must(t, err)
		if info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %s", path, info.Mode())
		}
		return nil
	}))
	text, err := os.ReadFile(filepath.Join(dir, lockName))
	must(t, err)
	if len(bytes.TrimSpace(text)) > 0 {
		t.Errorf("the lock still says %q", text)
	}
}
