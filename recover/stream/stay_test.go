package stream

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pgrescue/pgrescue/recover/live"
	"github.com/pgrescue/pgrescue/recover/pg"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster/clustertest"
)

// TestFollowSurvivesARestart: the server is stopped while it is followed, and does not
// wait for us with that. The first attempt finds nobody, and before the second one it
// is up again.
func TestFollowSurvivesARestart(t *testing.T) {
	t.Parallel()
	for _, slot := range []string{"", "on_purpose"} {
		t.Run("slot "+slot, func(t *testing.T) {
			t.Parallel()
			followRestarted(t, slot)
		})
	}
}

func followRestarted(t *testing.T, slot string) {
	t.Helper()
	c := startSmall(t, clustertest.DefaultVersion, nil)
	makeReplicator(t, c)
	hold(t, c)
	write(t, c, "3")
	f := &following{t: t, c: c, folder: t.TempDir(), done: make(chan struct{})}
	var ctx context.Context
	ctx, f.cancel = context.WithCancel(t.Context())
	server := connect(t, replicatorDSN(c))
	down, up := make(chan struct{}), make(chan struct{})
	var pauses []time.Duration
	server.pause = func(_ context.Context, pause time.Duration) error {
		<-down
		if pauses = append(pauses, pause); len(pauses) == 2 {
			if err := c.Start(context.WithoutCancel(t.Context())); err != nil {
				t.Error(err)
			}
			config, err := parseDSN(replicatorDSN(c)) // this server has another port after each start
			if err != nil {
				t.Error(err)
			}
			server.config = config
			close(up)
		}
		return nil
	}
	var notices []string
	options := Options{Follow: true, Slot: slot, Notice: func(text string) { notices = append(notices, text) }}
	plan, err := server.Plan(ctx, f.folder, options)
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(f.done)
		f.result, f.err = server.Fetch(ctx, plan, options)
	}()
	f.await("it streams", func() bool { return f.seen("pid") != "" })
	f.fill()
	if err := c.Stop(t.Context(), cluster.Fast); err != nil {
		t.Fatal(err)
	}
	close(down)
	f.await("the server is up again", func() bool {
		select {
		case <-up:
			return true
		default:
			return false
		}
	})
	f.fill()
	f.end()
	if !slices.Equal(pauses, []time.Duration{time.Second, 2 * time.Second}) {
		t.Errorf("the pauses were %v", pauses)
	}
	if len(notices) != 3 || !strings.Contains(notices[0], "attempt 1 of 20") || !strings.Contains(notices[2], "connected again") {
		t.Errorf("the notices were %q", notices)
	}
	if slot == "" {
		noSlot(t, c)
	}
}

// TestFollowGivesUp: a server that does not come back ends it, after pauses that grow
// up to a bound.
func TestFollowGivesUp(t *testing.T) {
	t.Parallel()
	c := startSmall(t, clustertest.DefaultVersion, nil)
	makeReplicator(t, c)
	server := connect(t, replicatorDSN(c))
	var pauses []time.Duration
	server.pause = func(_ context.Context, pause time.Duration) error {
		pauses = append(pauses, pause)
		return nil
	}
	options := Options{Follow: true}
	plan, err := server.Plan(t.Context(), t.TempDir(), options)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Stop(t.Context(), cluster.Fast); err != nil {
		t.Fatal(err)
	}
	_, err = server.Fetch(t.Context(), plan, options)
	if !errors.Is(err, live.ErrLost) || !strings.Contains(err.Error(), "no connection after 20 attempts") {
		t.Errorf("the error is %v", err)
	}
	if len(pauses) != mostAttempts || !slices.IsSorted(pauses) || pauses[len(pauses)-1] != longestPause {
		t.Errorf("the pauses were %v", pauses)
	}
}

// TestUntilIsWaitedFor: a place that the server has not written yet is told of at once,
// and each byte counts once, though a segment comes from its beginning twice.
func TestUntilIsWaitedFor(t *testing.T) {
	t.Parallel()
	c := startSmall(t, clustertest.DefaultVersion, nil)
	makeReplicator(t, c)
	hold(t, c)
	write(t, c, "2")
	server := connect(t, replicatorDSN(c))
	now := server.Identity().LSN
	until := now + 3<<20 + 4096
	f := &following{t: t, c: c, folder: t.TempDir(), done: make(chan struct{})}
	var notices []string
	progress := int64(0)
	options := Options{
		Until: until, Notice: func(text string) { notices = append(notices, text) }, Progress: func(n int64) { progress += n },
	}
	plan, err := server.Plan(t.Context(), f.folder, options)
	if err != nil {
		t.Fatal(err)
	}
	if len(notices) != 1 || !strings.Contains(notices[0], "is at "+now.String()+", and "+until.String()+" was asked for") {
		t.Errorf("the notices are %q", notices)
	}
	go func() {
		defer close(f.done)
		f.result, f.err = server.Fetch(t.Context(), plan, options)
	}()
	f.await("it waits", func() bool { return f.seen("pid") != "" && f.seen("sent_lsn") != "" })
	write(t, c, "4")
	<-f.done
	if f.err != nil || f.result.To != until {
		t.Fatalf("it went to %s, not %s: %v", f.result.To, until, f.err)
	}
	if want := int64(until - plan.From); f.result.Bytes != want || plan.Bytes != want || progress != want {
		t.Errorf("%d bytes were received, %d planned, %d shown; there are %d", f.result.Bytes, plan.Bytes, progress, want)
	}
	if want := int64((until-plan.From)/(1<<20)) + 1; plan.Segments != want {
		t.Errorf("%d segments are planned, want %d", plan.Segments, want)
	}
	sameAsServer(t, c, f.folder, until)
}

// TestOneFetchAtATime: the second fetch into a folder is refused while the first one
// runs, and nothing is left of the lock.
func TestOneFetchAtATime(t *testing.T) {
	t.Parallel()
	c := startSmall(t, clustertest.DefaultVersion, nil)
	makeReplicator(t, c)
	write(t, c, "3")
	folder := t.TempDir()
	var second error
	_, _, err := fetch(t.Context(), t, replicatorDSN(c), folder, Options{Progress: after(1, func() {
		_, _, second = fetch(t.Context(), t, replicatorDSN(c), folder, Options{})
	})})
	if err != nil || !errors.Is(second, ErrFolderInUse) || !strings.Contains(second.Error(), "as process") {
		t.Errorf("the first ended with %v, the second with %v", err, second)
	}
	if _, err := os.Stat(filepath.Join(folder, lockName)); err == nil {
		t.Error("the lock is left behind")
	}
	if _, result, err := fetch(t.Context(), t, replicatorDSN(c), folder, Options{}); err != nil || result.To == pg.LSN(0) {
		t.Errorf("a fetch after that ended with %v", err)
	}
}
