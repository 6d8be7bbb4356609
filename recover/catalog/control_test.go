package catalog_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pgrescue/pgrescue/recover/catalog"
	"github.com/pgrescue/pgrescue/recover/heap"
	"github.com/pgrescue/pgrescue/recover/pg"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster/clustertest"
)

// TestControlAgreesWithControldata compares with pg_controldata, line by line.
func TestControlAgreesWithControldata(t *testing.T) {
	t.Parallel()
	c := clustertest.Start(t, cluster.Options{Initdb: []string{"--data-checksums", "--wal-segsize=4"}, Settings: map[string]string{"wal_log_hints": "on"}})
	clustertest.Exec(t, c, "postgres", "CREATE TABLE t (i int)", "CHECKPOINT")
	compareControldata(t, c, "in production")
	if err := c.Stop(t.Context(), cluster.Fast); err != nil {
		t.Fatal(err)
	}
	compareControldata(t, c, "shut down")
}

func compareControldata(t *testing.T, c *cluster.Cluster, state string) {
	t.Helper()
	tool := exec.CommandContext(t.Context(), filepath.Join(c.BinDir(), "pg_controldata"), c.DataDir())
	tool.Env = append(os.Environ(), "TZ=UTC", "LC_ALL=C")
	out, err := tool.Output()
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{}
	for line := range strings.Lines(string(out)) {
		name, value, _ := strings.Cut(line, ":")
		want[name] = strings.TrimSpace(value)
	}
	got, err := catalog.ReadControl(heap.DataDir{Path: c.DataDir()})
	if err != nil {
		t.Fatal(err)
	}
	onOff := map[bool]string{true: "on", false: "off"}
	const clock = "Mon Jan _2 15:04:05 2006"
	for name, value := range map[string]string{
		"pg_control version number":            fmt.Sprint(got.ControlVersion),
		"Catalog version number":               fmt.Sprint(got.CatalogVersion),
		"Database system identifier":           fmt.Sprint(got.SystemIdentifier),
		"Database cluster state":               got.State,
		"pg_control last modified":             got.Updated.Format(clock),
		"Latest checkpoint location":           got.Checkpoint.String(),
		"Latest checkpoint's REDO location":    got.Redo.String(),
		"Latest checkpoint's TimeLineID":       fmt.Sprint(got.Timeline),
		"Latest checkpoint's full_page_writes": onOff[got.FullPageWrite],
		"Latest checkpoint's NextXID":          fmt.Sprintf("%d:%d", got.NextXID>>32, got.NextXID.XID()),
		"Latest checkpoint's NextOID":          fmt.Sprint(got.NextOID),
		"Latest checkpoint's NextMultiXactId":  fmt.Sprint(got.NextMultiXact),
		"Latest checkpoint's oldestXID":        fmt.Sprint(got.OldestXID),
		"Time of latest checkpoint":            got.CheckpointTime.Format(clock),
		"Minimum recovery ending location":     got.MinRecoveryPoint.String(),
		"wal_log_hints setting":                onOff[got.WALLogHints],
		"Bytes per WAL segment":                fmt.Sprint(got.SegmentSize),
		"Data page checksum version":           map[bool]string{true: "1", false: "0"}[got.Checksums],
	} {
		if want[name] != value {
			t.Errorf("%s: got %q, pg_controldata says %q", name, value, want[name])
		}
	}
	if got.State != state || got.CleanShutdown != (state == "shut down") {
		t.Errorf("state: got %q, clean %v", got.State, got.CleanShutdown)
	}
}

// resum puts the right CRC behind changed bytes.
func resum(raw []byte, at int) []byte {
	binary.LittleEndian.PutUint32(raw[at:], crc32.Checksum(raw[:at], crc32.MakeTable(crc32.Castagnoli)))
	return raw
}

const controlCRCOffset = 288

// realControl makes a cluster and gives its pg_control.
func realControl(t testing.TB) []byte {
	t.Helper()
	c := clustertest.New(t, cluster.Options{})
	raw, err := os.ReadFile(filepath.Join(c.DataDir(), "global", "pg_control"))
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func TestControlDamage(t *testing.T) {
	t.Parallel()
	raw := realControl(t)
	if _, err := catalog.DecodeControl(raw); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name   string
		change func(raw []byte) []byte
		want   string
	}{
		{"empty", func([]byte) []byte { return nil }, "cut short"},
		{"cut", func(raw []byte) []byte { return raw[:200] }, "cut short"},
		{"zeros", func(raw []byte) []byte { clear(raw); return raw }, "pg_control version 0 is not supported"},
		{"flipped bit", func(raw []byte) []byte { raw[60] ^= 1; return raw }, "bad CRC"},
		{"older", func(raw []byte) []byte { raw[8] = 0x4C; raw[9] = 0x04; return resum(raw, controlCRCOffset) }, "version 1100 is not supported"},
		{"other block size", func(raw []byte) []byte {
			binary.LittleEndian.PutUint32(raw[216:], 4096)
			return resum(raw, controlCRCOffset)
		}, "pages of 4096 bytes"},
		{"other alignment", func(raw []byte) []byte { raw[204] = 4; return resum(raw, controlCRCOffset) }, "another alignment"},
		{"unknown state", func(raw []byte) []byte { raw[16] = 99; return resum(raw, controlCRCOffset) }, ""},
	} {
		c, err := catalog.DecodeControl(test.change(append([]byte(nil), raw...)))
		switch {
		case test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)):
			t.Errorf("%s: got %v, want %q", test.name, err, test.want)
		case test.want == "" && (err != nil || c.State != "unrecognized status code 99"):
			t.Errorf("%s: got %v, %v", test.name, c, err)
		}
	}
	if _, err := catalog.ReadControl(heap.DataDir{Path: t.TempDir()}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing: got %v", err)
	}
}

func TestReadVersion(t *testing.T) {
	t.Parallel()
	for content, want := range map[string]pg.Version{"15\n": 15, "9.6\n": 9, "18": 18, "": 0, "x\n": 0, "99999999999\n": 0} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "PG_VERSION"), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := catalog.ReadVersion(heap.DataDir{Path: dir}); got != want || (err == nil) != (want != 0) {
			t.Errorf("%q: got %d, %v; want %d", content, got, err, want)
		}
	}
	if _, err := catalog.ReadVersion(heap.DataDir{Path: t.TempDir()}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing: got %v", err)
	}
}

// realRelMap gives the map of file numbers of a new cluster.
func realRelMap(t testing.TB) []byte {
	t.Helper()
	c := clustertest.New(t, cluster.Options{})
	raw, err := os.ReadFile(filepath.Join(c.DataDir(), "base", "1", "pg_filenode.map"))
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func TestRelMap(t *testing.T) {
	t.Parallel()
	raw := realRelMap(t)
	m, err := catalog.DecodeRelMap(raw)
	if err != nil {
		t.Fatal(err)
	}
	if len(raw) != 512 || m[1259] != 1259 || m[1249] != 1249 || m[1247] != 1247 || m[1255] != 1255 || m[2615] != 0 {
		t.Errorf("got %v of %d bytes", m, len(raw))
	}
	newer := resum(append(append([]byte(nil), raw[:504]...), make([]byte, 20)...), 520) // 64 entries, as in 16
	if m, err := catalog.DecodeRelMap(newer); err != nil || m[1259] != 1259 {
		t.Errorf("map of 524 bytes: got %v, %v", m, err)
	}
	for _, test := range []struct {
		name   string
		change func(raw []byte) []byte
		want   string
	}{
		{"empty", func([]byte) []byte { return nil }, "cut short"},
		{"cut", func(raw []byte) []byte { return raw[:100] }, "bad CRC"},
		{"zeros", func(raw []byte) []byte { clear(raw); return raw }, "unknown magic"},
		{"flipped bit", func(raw []byte) []byte { raw[12] ^= 1; return raw }, "bad CRC"},
		{"too many", func(raw []byte) []byte { raw[4] = 65; return resum(raw, 504) }, "65 entries"},
	} {
		if _, err := catalog.DecodeRelMap(test.change(append([]byte(nil), raw...))); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v, want %q", test.name, err, test.want)
		}
	}
}

func TestRunningServer(t *testing.T) {
	t.Parallel()
	c := clustertest.Start(t, cluster.Options{})
	pid, alive, err := catalog.RunningServer(c.DataDir())
	if err != nil || !alive || pid != c.PID() {
		t.Errorf("running: got %d, %v, %v; want %d", pid, alive, err, c.PID())
	}
	// A copy carries the lock file of the running server along and is not its directory.
	lock, err := os.ReadFile(filepath.Join(c.DataDir(), "postmaster.pid"))
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		lock  string
		pid   int
		fails bool
	}{
		"copy of a running server": {string(lock), c.PID(), false},
		"another program":          {fmt.Sprintf("%d\n", os.Getpid()), os.Getpid(), false},
		"no such process":          {"1999999999\n/data\n", 1999999999, false},
		"empty":                    {"", 0, true},
		"not a number":             {"x\n", 0, true},
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "postmaster.pid"), []byte(test.lock), 0o600); err != nil {
			t.Fatal(err)
		}
		if pid, alive, err := catalog.RunningServer(dir); pid != test.pid || alive || (err != nil) != test.fails {
			t.Errorf("%s: got %d, %v, %v", name, pid, alive, err)
		}
	}
	if err := c.Stop(t.Context(), cluster.Immediate); err != nil {
		t.Fatal(err)
	}
	if _, alive, err := catalog.RunningServer(c.DataDir()); alive || err != nil {
		t.Errorf("crashed: got %v, %v", alive, err)
	}
	if pid, alive, err := catalog.RunningServer(t.TempDir()); pid != 0 || alive || err != nil {
		t.Errorf("no lock file: got %d, %v, %v", pid, alive, err)
	}
}
