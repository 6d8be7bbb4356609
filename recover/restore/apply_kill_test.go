package restore

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/pgrescue/pgrescue/recover/casefile"
)

// childVariable makes TestChild one apply or undo, for a test that kills it. It holds what
// is to be done, the case's folder, the DSN, the size of a batch and the stage at which the
// case's disk is full, or nothing, with tabs between.
const childVariable = "PGRESCUE_TEST_RESTORE_CHILD"

// killsVariable is how often the process is killed: 50 times, with -short 20, unless it says otherwise.
const killsVariable = "PGRESCUE_TEST_KILLS"

// TestChild is the process that others kill. By itself it has nothing to do.
func TestChild(t *testing.T) {
	if text := os.Getenv(childVariable); text != "" {
		if err := runChild(t.Context(), strings.Split(text, "\t")); err != nil {
			t.Fatal(err)
		}
	}
}

// child is the command that does one apply or undo.
func (g *target) child(work string, batch int64, full Stage) *exec.Cmd {
	cmd := exec.CommandContext(g.t.Context(), os.Args[0], "-test.run=^TestChild$")
	cmd.Env = append(os.Environ(), childVariable+"="+strings.Join([]string{work, g.dir, g.dsn, strconv.FormatInt(batch, 10), string(full)}, "\t"))
	cmd.Stderr = os.Stderr
	return cmd
}

// runChild applies or undoes a plan, and prints a line for each step.
func runChild(ctx context.Context, args []string) error {
	work, dir, dsn := args[0], args[1], args[2]
	batch, err := strconv.ParseInt(args[3], 10, 64)
	if err != nil {
		return err
	}
	plan, err := Read(filepath.Join(dir, "plan.json"))
	if err != nil {
		return err
	}
	file, err := casefile.Open(ctx, dir, casefile.Write, casefile.Options{Command: work})
	if err != nil {
		return err
	}
	full := Stage(args[4])
	acting := Acting{Case: file, Plan: plan, Connect: connectTo(dsn), Progress: func(s Step) {
		fmt.Println(s.Stage, s.Table, s.Rows)
		if s.Stage == full {
			fillDisk()
		}
	}}
	if work == "apply" {
		_, err = Apply(ctx, acting, ApplyOptions{Batch: batch})
	} else {
		_, err = Undo(ctx, acting, UndoOptions{Batch: batch})
	}
	if full != "" {
		if !errors.Is(err, casefile.ErrDisk) {
			return fmt.Errorf("the disk was full at %s, and the error is %w", full, err)
		}
		return nil
	}
	return errors.Join(err, file.Close())
}

// fillDisk lets no file of this process grow beyond its first block, as a full disk would.
func fillDisk() {
	signal.Ignore(syscall.SIGXFSZ)
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: 4096, Max: 4096}); err != nil {
		panic(err)
	}
}

// killAfter runs a child, kills it after it has printed a number of lines, and reports
// whether it was done before.
func (g *target) killAfter(work string, batch int64, lines int) bool {
	g.t.Helper()
	cmd := g.child(work, batch, "")
	out, err := cmd.StdoutPipe()
	if err != nil {
		g.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		g.t.Fatal(err)
	}
	seen := 0
	for scan := bufio.NewScanner(out); seen < lines && scan.Scan(); seen++ {
	}
	if seen == lines {
		if err := cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
			g.t.Fatal(err)
		}
	}
	err = cmd.Wait()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return true
	case errors.As(err, &exit) && exit.Sys().(syscall.WaitStatus).Signal() == syscall.SIGKILL:
		return false
	}
	g.t.Fatalf("the child that does %s failed: %v", work, err)
	return false
}

// A process that is killed at any point, again and again, ends where one ends that is
// left alone: apply and undo go on where they were.
func TestKilledProcessGoesOn(t *testing.T) {
	t.Parallel()
	kills := 50
	if testing.Short() {
		kills = 20
	}
	if text := os.Getenv(killsVariable); text != "" {
		var err error
		if kills, err = strconv.Atoi(text); err != nil {
			t.Fatal(err)
		}
	}
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	g := newTarget(t, "15", shapesSQL)
	plan := shapesPlan(g, true)
	before := g.state(shapeTables...)
	g.apply(plan, ApplyOptions{})
	after := g.state(shapeTables...)
	g.undo(plan, UndoOptions{})
	if err := plan.Write(filepath.Join(g.dir, "plan.json")); err != nil {
		t.Fatal(err)
	}
	if err := g.file.Close(); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"apply": after, "undo": before}
	for done := 0; done < kills; {
		for _, work := range []string{"apply", "undo"} {
			for !g.killAfter(work, int64(random.IntN(4)), 1+random.IntN(60)) {
				done++
			}
			if now := g.state(shapeTables...); now != want[work] {
				t.Fatalf("after %d kills, %s ended with:\n%s\nwant:\n%s", done, work, now, want[work])
			}
		}
	}
	g.open()
	g.apply(plan, ApplyOptions{})
	g.verify(plan)
}

// When the case's disk is full before COMMIT nothing is applied; when it is full after,
// the next run finds out that everything was.
func TestCaseDiskFull(t *testing.T) {
	t.Parallel()
	for _, full := range []Stage{StageKeys, StageCommit} {
		g := newTarget(t, "15", shapesSQL)
		plan := shapesPlan(g, true)
		before := g.state(shapeTables...)
		if err := plan.Write(filepath.Join(g.dir, "plan.json")); err != nil {
			t.Fatal(err)
		}
		if err := g.file.Close(); err != nil {
			t.Fatal(err)
		}
		if out, err := g.child("apply", 0, full).Output(); err != nil {
			t.Fatalf("full at %s: %v\n%s", full, err, out)
		}
		if now := g.state(shapeTables...); (now == before) != (full == StageKeys) {
			t.Errorf("full at %s:\n%s\nbefore:\n%s", full, now, before)
		}
		g.open()
		if done := g.apply(plan, ApplyOptions{}); done.Already != (full == StageCommit) {
			t.Errorf("full at %s: the next run did %+v", full, done)
		}
		g.verify(plan)
	}
}
