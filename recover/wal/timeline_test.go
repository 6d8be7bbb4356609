//go:build unix

package wal_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/pgrescue/pgrescue/recover/pg"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster/clustertest"
	"github.com/pgrescue/pgrescue/recover/wal"
)

// twoTimelines makes a cluster that was promoted once, with WAL on both sides,
// and returns a copy of its pg_wal.
func twoTimelines(t *testing.T) *fixture {
	t.Helper()
	c := clustertest.Start(t, cluster.Options{
		Initdb: []string{"--wal-segsize=1"}, Settings: map[string]string{"wal_keep_size": "1GB", "hot_standby": "on"},
	})
	clustertest.Exec(t, c, "postgres", "CREATE TABLE t AS SELECT i, repeat('x', 200) AS s FROM generate_series(1, 9000) i", "CHECKPOINT")
	if err := c.Stop(t.Context(), cluster.Fast); err != nil {
		t.Fatal(err)
	}
	signal := filepath.Join(c.DataDir(), "standby.signal")
	if err := os.WriteFile(signal, nil, 0o666); err != nil { //nolint:gosec // the server runs as another user
		t.Fatal(err)
	}
	if err := os.Chmod(signal, 0o666); err != nil { //nolint:gosec // as above
		t.Fatal(err)
	}
	if err := c.Start(context.WithoutCancel(t.Context())); err != nil {
		t.Fatal(err)
	}
	clustertest.Exec(t, c, "postgres", "SELECT pg_promote()")
	clustertest.Exec(t, c, "postgres", "INSERT INTO t SELECT i, repeat('y', 200) FROM generate_series(1, 9000) i", "CHECKPOINT", "DELETE FROM t WHERE i % 3 = 0")
	if err := c.Stop(t.Context(), cluster.Fast); err != nil {
		t.Fatal(err)
	}
	f := &fixture{dir: filepath.Join(t.TempDir(), "wal"), waldump: c.WaldumpPath()}
	if err := c.CopyWAL(f.dir); err != nil {
		t.Fatal(err)
	}
	f.names = segmentNames(t, f.dir)
	return f
}

// ofTimeline lists the segments of one timeline.
func (f *fixture) ofTimeline(timeline int) []string {
	var names []string
	for _, name := range f.names {
		if strings.HasPrefix(name, fmt.Sprintf("%08X", timeline)) {
			names = append(names, name)
		}
	}
	return names
}

// dumpTimeline gives what pg_waldump says of one timeline's segments.
func (f *fixture) dumpTimeline(t *testing.T, timeline int) []string {
	t.Helper()
	names := f.ofTimeline(timeline)
	if len(names) < 2 {
		t.Fatalf("timeline %d has the segments %v", timeline, names)
	}
	only := *f
	only.names = names
	return only.dump(t)
}

func TestTimelines(t *testing.T) {
	t.Parallel()
	f := twoTimelines(t)
	first, second := f.dumpTimeline(t, 1), f.dumpTimeline(t, 2)
	// The second timeline's first segment repeats the records of the one that it left.
	var whole []string
	begin := lsnOf(t, second[0])
	for _, text := range first {
		if lsnOf(t, text) < begin {
			whole = append(whole, text)
		}
	}
	whole = append(whole, second...)

	got := scan(t, []string{f.dir}, wal.OpenOptions{}, wal.ScanOptions{})
	sameRecords(t, got.records, whole)
	checkGaps(t, got.gaps, nil)

	got = scan(t, []string{f.dir}, wal.OpenOptions{Timeline: 1}, wal.ScanOptions{})
	sameRecords(t, got.records, first)
	checkGaps(t, got.gaps, nil)

	// Without the history nothing ties the timelines together.
	if err := os.Remove(filepath.Join(f.dir, "00000002.history")); err != nil {
		t.Fatal(err)
	}
	got = scan(t, []string{f.dir}, wal.OpenOptions{}, wal.ScanOptions{})
	sameRecords(t, got.records, second)
	checkGaps(t, got.gaps, []string{"no history file ties it to timeline 2"})
	if _, err := wal.OpenArchive([]string{f.dir}, wal.OpenOptions{Timeline: 7}); err == nil || !strings.Contains(err.Error(), "timeline 7") {
		t.Errorf("a timeline without segments: %v", err)
	}
}

// Where the newer timeline's first segment is missing, the older one's is used up
// to the switch, and no record behind it.
func TestTimelineSwitchBoundsTheOlderSegment(t *testing.T) {
	t.Parallel()
	f := twoTimelines(t)
	newer := f.ofTimeline(2)
	if err := os.Remove(filepath.Join(f.dir, newer[0])); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(f.dir, "00000002.history"))
	if err != nil {
		t.Fatal(err)
	}
	fork, err := pg.ParseLSN(strings.Fields(string(text))[1])
	if err != nil {
		t.Fatal(err)
	}
	got := scan(t, []string{f.dir}, wal.OpenOptions{}, wal.ScanOptions{})
	want := slices.DeleteFunc(f.dumpTimeline(t, 1), func(text string) bool { return lsnOf(t, text) >= fork })
	if len(got.records) < len(want) {
		t.Fatalf("%d records, want at least %d", len(got.records), len(want))
	}
	sameRecords(t, got.records[:len(want)], want)
	if next := got.lsns[len(want)]; next < (fork+segmentSize)&^(segmentSize-1) {
		t.Errorf("a record at %s follows the switch at %s", next, fork)
	}
	if len(got.gaps) == 0 || got.gaps[0].From != fork {
		t.Errorf("gaps %+v, want one from %s", got.gaps, fork)
	}
}

// A record that a crash cut off and that was written over later is no damage.
func TestOverwrittenContrecordIsNoDamage(t *testing.T) {
	t.Parallel()
	c := clustertest.Start(t, cluster.Options{Initdb: []string{"--wal-segsize=1"}, Settings: map[string]string{"wal_keep_size": "1GB"}})
	clustertest.Exec(t, c, "postgres", "CREATE TABLE t (i int)", "CHECKPOINT")
	before, err := c.CurrentLSN(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	clustertest.Exec(t, c, "postgres", "SELECT pg_logical_emit_message(false, 'long', repeat('cut off ', 400000))")
	if err := c.Crash(t.Context()); err != nil {
		t.Fatal(err)
	}
	// The crash loses what follows the message's first segment and a bit.
	cutWAL(t, c.WALDir(), (before+segmentSize+3*pg.BlockSize)&^(pg.BlockSize-1))
	if err := c.Start(context.WithoutCancel(t.Context())); err != nil {
		t.Fatal(err)
	}
	clustertest.Exec(t, c, "postgres", "INSERT INTO t SELECT generate_series(1, 5000)")
	if err := c.Stop(t.Context(), cluster.Fast); err != nil {
		t.Fatal(err)
	}
	f := &fixture{dir: c.WALDir(), names: segmentNames(t, c.WALDir()), waldump: c.WaldumpPath()}
	a, err := wal.OpenArchive([]string{f.dir}, wal.OpenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close() //nolint:errcheck // opened for reading only
	got := scanArchive(t, a, wal.ScanOptions{})
	checkGaps(t, got.gaps, nil)
	f.names = slices.DeleteFunc(f.names, func(name string) bool { return name > a.SegmentName(a.End()-1) })
	out, _ := exec.Command(f.waldump, "-p", f.dir, f.names[0], f.names[len(f.names)-1]).Output() //nolint:errcheck // ends with an error at the log's end
	if !strings.Contains(string(out), "OVERWRITE_CONTRECORD") {
		t.Fatal("the server wrote no XLOG_OVERWRITE_CONTRECORD; the test tests nothing")
	}
	want := f.dump(t)
	// A segment that initdb recycled lies under a later name, where only pgrescue looks.
	first, records := lsnOf(t, want[0]), got.records
	for len(records) > 0 && lsnOf(t, records[0]) < first {
		records = records[1:]
	}
	sameRecords(t, records, want)
}

// cutWAL zeroes the log from a place on, as if it had never been written.
func cutWAL(t *testing.T, dir string, end pg.LSN) {
	t.Helper()
	for _, name := range segmentNames(t, dir) {
		path := filepath.Join(dir, name)
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		start := pg.LSN(binary.LittleEndian.Uint64(data[8:]))
		if start >= end || start == 0 {
			err = os.Remove(path)
		} else if end < start+segmentSize {
			clear(data[end-start:])
			err = os.WriteFile(path, data, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}
