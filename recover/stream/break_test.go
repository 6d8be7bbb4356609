package stream

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/pgrescue/pgrescue/recover/live"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster/clustertest"
	"github.com/pgrescue/pgrescue/recover/wal"
)

// killVariable makes this test's binary fetch, and kill itself in the middle: its
// value is the folder, killDSN has the connection string.
const (
	killVariable = "PGRESCUE_TEST_KILL_IN"
	killDSN      = "PGRESCUE_TEST_KILL_DSN"
)

// brokenAt is how many bytes come before a test breaks off: two segments of 1 MiB
// and a part of the third.
const brokenAt = 2<<20 + 300_000

// fetchAndDie ends this process as kill -9 does, in the middle of a segment.
func fetchAndDie(t *testing.T, folder, dsn string) {
	t.Helper()
	_, _, err := fetch(t.Context(), t, dsn, folder, Options{Progress: after(brokenAt, func() {
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	})})
	t.Fatalf("the process lives on: %v", err)
}

// after calls f once so many bytes have come.
func after(bytes int64, f func()) func(int64) {
	return func(n int64) {
		if bytes > 0 && bytes <= n {
			f()
		}
		bytes -= n
	}
}

// whatIsLeft counts what a broken fetch has left, and fails the test unless that is
// whole segments and .partial ones with the server's bytes.
func whatIsLeft(t *testing.T, c *cluster.Cluster, folder string) (whole, partial int) {
	t.Helper()
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		if entry.Name() == lockName {
			continue // of a process that was killed; the next fetch takes it over
		}
		got, err := os.ReadFile(filepath.Join(folder, entry.Name()))
		if err != nil {
			t.Fatal(err)
		}
		name, cut := strings.CutSuffix(entry.Name(), partialSuffix)
		want, err := os.ReadFile(filepath.Join(c.WALDir(), name))
		if err != nil {
			t.Fatal(err)
		}
		switch {
		case !cut && slices.Equal(got, want):
			whole++
		case cut:
			partial++
			if at, differs := conflict(got, want, 0); differs {
				t.Errorf("%s differs from the server's at %d", entry.Name(), at)
			}
		default:
			t.Errorf("%s is not whole", entry.Name())
		}
	}
	return whole, partial
}

// wholeAndPartial is whatIsLeft where it has to be both. A second .partial may have
// all its bytes, and not have been on disk yet.
func wholeAndPartial(t *testing.T, c *cluster.Cluster, folder string) int {
	t.Helper()
	whole, partial := whatIsLeft(t, c, folder)
	if whole == 0 || partial == 0 || partial > 2 {
		t.Errorf("%d whole segments and %d partial are left: the test broke off at the wrong time", whole, partial)
	}
	return whole
}

// complete fetches into a folder what is missing, and compares all of it.
func complete(t *testing.T, c *cluster.Cluster, folder string, whole int) {
	t.Helper()
	plan, result, err := fetch(t.Context(), t, replicatorDSN(c), folder, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if plan.Whole < int64(whole) || plan.Whole == 0 {
		t.Errorf("%d of %d whole segments count", plan.Whole, whole)
	}
	names := sameAsServer(t, c, folder, result.To)
	if partials := slices.DeleteFunc(slices.Clone(names), func(name string) bool { return !strings.HasSuffix(name, partialSuffix) }); len(partials) > 1 {
		t.Errorf("more than one segment is not whole: %v", partials)
	}
}

func TestBrokenFetchIsContinued(t *testing.T) {
	if folder := os.Getenv(killVariable); folder != "" {
		fetchAndDie(t, folder, os.Getenv(killDSN)) // this is the child of the case "killed"
	}
	t.Parallel()
	c := startSmall(t, clustertest.DefaultVersion, nil)
	makeReplicator(t, c)
	hold(t, c)
	write(t, c, "8")

	t.Run("killed", func(t *testing.T) {
		folder := t.TempDir()
		child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestBrokenFetchIsContinued$")
		child.Env = append(os.Environ(), killVariable+"="+folder, killDSN+"="+replicatorDSN(c))
		out, err := child.CombinedOutput()
		var ended *exec.ExitError
		if !errors.As(err, &ended) || ended.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
			t.Fatalf("the child ended with %v: %s", err, out)
		}
		complete(t, c, folder, wholeAndPartial(t, c, folder))
	})
	t.Run("cancelled", func(t *testing.T) {
		folder := t.TempDir()
		ctx, cancel := context.WithCancel(t.Context())
		_, result, err := fetch(ctx, t, replicatorDSN(c), folder, Options{Progress: after(brokenAt, cancel)})
		if !errors.Is(err, context.Canceled) {
			t.Fatalf("the error is %v", err)
		}
		whole := wholeAndPartial(t, c, folder)
		if int(result.Segments) != whole || result.Partial == "" {
			t.Errorf("the result is %+v, %d segments are whole", result, whole)
		}
		complete(t, c, folder, whole)
	})
	t.Run("disk full", func(t *testing.T) {
		folder := t.TempDir()
		server := connect(t, replicatorDSN(c))
		plan, err := server.Plan(t.Context(), folder, Options{})
		if err != nil {
			t.Fatal(err)
		}
		first := uint64(plan.From / (1 << 20))
		plan.folder.open = func(path string) (segmentFile, error) {
			file, err := openSegment(path)
			if strings.Contains(path, wal.SegmentName(1, first+2, 1<<20)) {
				return fullDisk{file}, err
			}
			return file, err
		}
		_, err = server.Fetch(t.Context(), plan, Options{})
		if !errors.Is(err, syscall.ENOSPC) || !errors.Is(err, ErrDisk) {
			t.Fatalf("the error is %v", err)
		}
		server.Close()
		if _, err := os.Stat(filepath.Join(folder, wal.SegmentName(1, first+1, 1<<20))); err != nil {
			t.Errorf("the segment before the full disk is not kept: %v", err)
		}
		complete(t, c, folder, 2)
	})
	t.Run("server crashed", func(t *testing.T) {
		write(t, c, "32") // more than the sockets' buffers hold when it crashes
		folder := t.TempDir()
		crash := after(brokenAt, func() {
			if err := c.Crash(t.Context()); err != nil {
				t.Error(err)
			}
		})
		plan, _, err := fetch(t.Context(), t, replicatorDSN(c), folder, Options{Progress: crash})
		if !errors.Is(err, live.ErrLost) {
			t.Fatalf("the error is %v", err)
		}
		whole, _ := whatIsLeft(t, c, folder)
		if whole < 2 || int64(whole) >= plan.Segments {
			t.Errorf("%d of %d segments are whole", whole, plan.Segments)
		}
		if err := c.Start(context.WithoutCancel(t.Context())); err != nil {
			t.Fatal(err)
		}
		complete(t, c, folder, whole)
	})
	noSlot(t, c)
}

// fullDisk is a file on a disk without room.
type fullDisk struct{ segmentFile }

func (f fullDisk) WriteAt([]byte, int64) (int, error) {
	return 0, &os.PathError{Op: "write", Path: "segment", Err: syscall.ENOSPC}
}
