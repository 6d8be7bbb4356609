package stream

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pgrescue/pgrescue/recover/pitr/cluster"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster/clustertest"
	"github.com/pgrescue/pgrescue/recover/wal"
)

// TestSetBack: a server that came back from an older copy of its disk has the same
// identifier and timeline, and other WAL.
func TestSetBack(t *testing.T) {
	t.Parallel()
	c := startSmall(t, clustertest.DefaultVersion, nil)
	makeReplicator(t, c)
	hold(t, c)
	write(t, c, "4")
	folder := t.TempDir()
	plan, result, err := fetch(t.Context(), t, replicatorDSN(c), folder, Options{})
	if err != nil || len(plan.legs) != 1 {
		t.Fatal(err, plan)
	}

	// The last whole segment as another history of this server would have it.
	name := filepath.Join(folder, wal.SegmentName(1, uint64(result.To/(1<<20))-1, 1<<20))
	hurt(t, name, 700_000)
	_, again, err := fetch(t.Context(), t, replicatorDSN(c), folder, Options{})
	if !errors.Is(err, ErrOtherSystem) || !strings.Contains(err.Error(), filepath.Base(name)) || again.Bytes != 0 {
		t.Errorf("other WAL in the last whole segment gave %v, and %d bytes more", err, again.Bytes)
	}
	hurt(t, name, 700_000) // whole again
	if _, _, err = fetch(t.Context(), t, replicatorDSN(c), folder, Options{}); err != nil {
		t.Error(err)
	}

	// The segment that is not whole.
	hurt(t, filepath.Join(folder, result.Partial), 5000)
	if _, _, err = fetch(t.Context(), t, replicatorDSN(c), folder, Options{}); !errors.Is(err, ErrOtherSystem) {
		t.Errorf("other WAL in %s gave %v", result.Partial, err)
	}
	hurt(t, filepath.Join(folder, result.Partial), 5000)

	// Whole segments of a future that the server does not have.
	future := wal.SegmentName(1, 4000, 1<<20)
	if err := os.WriteFile(filepath.Join(folder, future), head(connect(t, replicatorDSN(c)).Identity().SystemIdentifier, 4000<<20, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	var notice string
	_, err = connect(t, replicatorDSN(c)).Plan(t.Context(), folder, Options{Notice: func(text string) { notice = text }})
	if err != nil || !strings.Contains(notice, "was set back") {
		t.Errorf("a folder ahead of the server gave %v and said %q", err, notice)
	}
}

// hurt flips one byte of a file; the second time it mends it.
func hurt(t *testing.T, path string, offset int64) {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	content[offset] ^= 0xFF
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestBigSegmentsWithoutSlots: segments of 64 MiB, on a server that has no
// replication slot to spare, so that the fetch goes on without one and says so.
func TestBigSegmentsWithoutSlots(t *testing.T) {
	t.Parallel()
	c := clustertest.Start(t, cluster.Options{TCP: true, Initdb: []string{"--wal-segsize=64"}, Settings: map[string]string{
		"max_replication_slots": "0", "min_wal_size": "128MB", "wal_keep_size": "1GB",
	}})
	makeReplicator(t, c)
	clustertest.Exec(t, c, "postgres", "SELECT pg_switch_wal()", "CHECKPOINT")
	folder := t.TempDir()
	server := connect(t, replicatorDSN(c))
	var notices []string
	options := Options{Notice: func(text string) { notices = append(notices, text) }}
	plan, err := server.Plan(t.Context(), folder, options)
	if err != nil {
		t.Fatal(err)
	}
	result, err := server.Fetch(t.Context(), plan, options)
	if err != nil {
		t.Fatal(err)
	}
	names := sameAsServer(t, c, folder, result.To)
	if result.Segments != 1 || len(names) != 2 || server.Identity().SegmentSize != 64<<20 {
		t.Errorf("%v, %+v", names, result)
	}
	if len(notices) != 1 || !strings.Contains(notices[0], "no slot") {
		t.Errorf("the notices are %q", notices)
	}
	if _, _, err := fetch(t.Context(), t, replicatorDSN(c), t.TempDir(), Options{Slot: "kept"}); err == nil {
		t.Error("a slot that cannot be made gave no error")
	}
}

// TestSlotLimit: where a slot may not hold as much as is to be fetched, the server
// would end the fetch; it goes without.
func TestSlotLimit(t *testing.T) {
	t.Parallel()
	c := startSmall(t, clustertest.DefaultVersion, map[string]string{"max_slot_wal_keep_size": "2MB"})
	makeReplicator(t, c)
	write(t, c, "6")
	var notices []string
	_, result, err := fetch(t.Context(), t, replicatorDSN(c), t.TempDir(), Options{Notice: func(text string) { notices = append(notices, text) }})
	if err != nil || result.Segments < 5 {
		t.Fatalf("%v, %+v", err, result)
	}
	if len(notices) != 1 || !strings.Contains(notices[0], "max_slot_wal_keep_size allows a slot 2 MB") {
		t.Errorf("the notices are %q", notices)
	}
}
