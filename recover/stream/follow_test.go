package stream

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pgrescue/pgrescue/recover/pg"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster/clustertest"
	"github.com/pgrescue/pgrescue/recover/wal"
)

// following is a fetch that goes on in the background.
type following struct {
	t      *testing.T
	c      *cluster.Cluster
	folder string
	cancel context.CancelFunc
	done   chan struct{}
	result *Result
	err    error
}

// follow begins one.
func follow(t *testing.T, c *cluster.Cluster, folder string) *following {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	f := &following{t: t, c: c, folder: folder, cancel: cancel, done: make(chan struct{})}
	server := connect(t, replicatorDSN(c))
	options := Options{Follow: true}
	plan, err := server.Plan(ctx, folder, options)
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(f.done)
		f.result, f.err = server.Fetch(ctx, plan, options)
	}()
	return f
}

// await runs until reached says so; it fails the test when the fetch ends before.
func (f *following) await(what string, reached func() bool) {
	f.t.Helper()
	for !reached() {
		select {
		case <-f.done:
			f.t.Fatalf("the fetch ended before %s: %v", what, f.err)
		case <-f.t.Context().Done():
			f.t.Fatalf("waiting for %s: %v", what, f.t.Context().Err())
		default:
		}
	}
}

// seen asks the server about our connection.
func (f *following) seen(column string) string {
	f.t.Helper()
	return clustertest.Value(f.t, f.c, "postgres",
		"SELECT "+column+" FROM pg_stat_replication WHERE application_name = '"+applicationName+"' AND state = 'streaming'")
}

// fill completes the current segment, and waits until it is in the folder.
func (f *following) fill() {
	f.t.Helper()
	name := clustertest.Value(f.t, f.c, "postgres", "SELECT pg_walfile_name(pg_current_wal_lsn())")
	write(f.t, f.c, "2")
	f.await(name, func() bool {
		_, err := os.Stat(filepath.Join(f.folder, name))
		return err == nil
	})
}

// end interrupts the fetch and compares what it has left.
func (f *following) end() {
	f.t.Helper()
	f.cancel()
	<-f.done
	if !errors.Is(f.err, context.Canceled) {
		f.t.Fatalf("the fetch ended with %v", f.err)
	}
	names := sameAsServer(f.t, f.c, f.folder, f.result.To)
	if len(names) < 3 || len(f.result.Gaps) > 0 {
		f.t.Errorf("%v, gaps %v", names, f.result.Gaps)
	}
}

func TestFollow(t *testing.T) {
	t.Parallel()
	c := startSmall(t, clustertest.DefaultVersion, map[string]string{
		"wal_sender_timeout": "1s", "synchronous_commit": "local", "synchronous_standby_names": "*",
	})
	makeReplicator(t, c)
	hold(t, c)
	write(t, c, "3")

	f := follow(t, c, t.TempDir())
	f.await("it streams", func() bool { return f.seen("pid") != "" })
	f.fill()
	pid := f.seen("pid")
	noSlot(t, c) // what follows comes as it is written
	replies := map[string]bool{}
	f.await("answers to the server's questions", func() bool {
		replies[f.seen("reply_time")] = true
		return len(replies) > 4
	})
	if again := f.seen("pid"); again != pid {
		t.Errorf("the connection was %s and is %s", pid, again)
	}
	if state := f.seen("sync_state"); state != "async" {
		t.Errorf("with synchronous_standby_names '*' our connection is %q; nobody's commit may wait for us", state)
	}
	f.fill()
	f.end()

	makeStandby(t, c)
	g := follow(t, c, f.folder)
	g.await("it streams from the standby", func() bool { return g.seen("pid") != "" })
	promote(t, c)
	g.fill()
	g.fill()
	g.end()
	second := wal.SegmentName(2, uint64(g.result.To/(1<<20))-1, 1<<20)
	if _, err := os.Stat(filepath.Join(g.folder, second)); err != nil {
		t.Errorf("the fetch did not go on after the promotion: %v", err)
	}
}

func TestSlots(t *testing.T) {
	t.Parallel()
	c := startSmall(t, clustertest.DefaultVersion, map[string]string{"wal_level": "logical"})
	makeReplicator(t, c)
	hold(t, c)
	write(t, c, "24")
	keptSlots(t, c)
	clustertest.Exec(t, c, "postgres", "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name <> '"+holder+"'")
	temporarySlots(t, c)
}

// slots lists the server's slots but the tests' own.
func slots(t *testing.T, c *cluster.Cluster) string {
	t.Helper()
	return clustertest.Value(t, c, "postgres",
		"SELECT string_agg(slot_name || ' ' || temporary || ' ' || restart_lsn, ', ') FROM pg_replication_slots WHERE slot_name <> '"+holder+"'")
}

func keptSlots(t *testing.T, c *cluster.Cluster) {
	t.Helper()
	t.Run("kept", func(t *testing.T) {
		folder := t.TempDir()
		for _, mib := range []string{"1", "2"} {
			write(t, c, mib)
			_, result, err := fetch(t.Context(), t, replicatorDSN(c), folder, Options{Slot: "on_purpose"})
			if err != nil {
				t.Fatal(err)
			}
			name, lsn, _ := strings.Cut(slots(t, c), " false ")
			at, err := pg.ParseLSN(lsn)
			// The slot moves with whole segments, in steps of status messages.
			if err != nil || name != "on_purpose" || at > result.To || at < result.From {
				t.Errorf("the slots are %q; the fetch went to %s", slots(t, c), result.To)
			}
		}
	})
	t.Run("in use", func(t *testing.T) {
		server := connect(t, replicatorDSN(c))
		options := Options{Slot: "on_purpose"}
		plan, err := server.Plan(t.Context(), t.TempDir(), options)
		if err != nil {
			t.Fatal(err)
		}
		var other error
		options.Progress = after(1, func() {
			_, _, other = fetch(t.Context(), t, replicatorDSN(c), t.TempDir(), Options{Slot: "on_purpose"})
		})
		if _, err := server.Fetch(t.Context(), plan, options); err != nil {
			t.Error(err)
		}
		if !errors.Is(other, ErrSlotInUse) {
			t.Errorf("the second fetch with the slot ended with %v", other)
		}
	})
	t.Run("logical", func(t *testing.T) {
		clustertest.Exec(t, c, "postgres", "SELECT pg_create_logical_replication_slot('of_somebody', 'pgoutput')")
		_, _, err := fetch(t.Context(), t, replicatorDSN(c), t.TempDir(), Options{Slot: "of_somebody"})
		if err == nil || !strings.Contains(err.Error(), "logical") {
			t.Errorf("a logical slot gave %v", err)
		}
	})
}

// temporarySlots drops the tests' slot under way: nothing but the fetch itself
// can hold the WAL then.
func temporarySlots(t *testing.T, c *cluster.Cluster) {
	t.Helper()
	begin := func(t *testing.T, options Options) (plan *Plan, result *Result, during string) {
		t.Helper()
		server := connect(t, replicatorDSN(c))
		plan, err := server.Plan(t.Context(), t.TempDir(), options)
		if err != nil {
			t.Fatal(err)
		}
		options.Progress = after(1, func() {
			during = slots(t, c)
			clustertest.Exec(t, c, "postgres", "SELECT pg_drop_replication_slot('"+holder+"')", "SELECT pg_switch_wal()", "CHECKPOINT", "CHECKPOINT")
		})
		result, err = server.Fetch(t.Context(), plan, options)
		if err != nil {
			t.Fatal(err)
		}
		server.Close()
		noSlot(t, c)
		return plan, result, during
	}
	t.Run("temporary", func(t *testing.T) {
		plan, result, during := begin(t, Options{})
		if want := " true " + plan.From.String(); !strings.HasPrefix(during, "pgrescue_wal_fetch_") || !strings.HasSuffix(during, want) {
			t.Errorf("the slots were %q while fetching, want one of ours at %s", during, plan.From)
		}
		if len(result.Gaps) > 0 || result.To != plan.Until || plan.Segments < 20 {
			t.Errorf("a checkpoint took WAL before its turn: %+v of %d segments", result, plan.Segments)
		}
	})
	t.Run("none", func(t *testing.T) {
		hold(t, c)
		write(t, c, "24")
		plan, result, during := begin(t, Options{NoSlot: true})
		if during != "" {
			t.Errorf("with NoSlot the slots were %q", during)
		}
		// What is removed under way is named, and what comes behind it is fetched.
		if len(result.Gaps) != 1 || result.To != plan.Until || result.Bytes >= plan.Bytes {
			t.Errorf("the result is %+v of %d bytes", result, plan.Bytes)
		}
	})
}
