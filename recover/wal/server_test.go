//go:build unix

package wal_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/pgrescue/pgrescue/recover/pg"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster/clustertest"
	"github.com/pgrescue/pgrescue/recover/wal"
)

// manyKinds makes WAL of as many kinds as one session can: all resource managers
// that a bare server has, records across pages and segments, block references by
// the dozen, origins, subtransactions at wal_level logical, images for checks.
func manyKinds() []string {
	return []string{
		"CREATE TABLE kinds (id int PRIMARY KEY, a text, b int[], c point, d int4range)",
		"INSERT INTO kinds SELECT i, repeat(md5(i::text), i % 40), ARRAY[i, i%7], point(i, -i), int4range(i, i+3) FROM generate_series(1, 4000) i",
		"CREATE INDEX ON kinds USING gin (b); CREATE INDEX ON kinds USING gist (c); CREATE INDEX ON kinds USING hash (a);" +
			"CREATE INDEX ON kinds USING brin (id); CREATE INDEX ON kinds USING spgist (d)",
		"INSERT INTO kinds SELECT i, i::text, ARRAY[i], point(i, i), int4range(i, i+2) FROM generate_series(5001, 6000) i",
		"CREATE SEQUENCE counter; SELECT nextval('counter')",
		"SELECT pg_logical_emit_message(true, 'note', repeat('long ', 700000))",
		"SELECT pg_replication_origin_create('elsewhere'); SELECT pg_replication_origin_session_setup('elsewhere')",
		"UPDATE kinds SET b = b || 1 WHERE id % 9 = 0",
		"SELECT pg_replication_origin_session_reset()",
		"SET wal_consistency_checking = 'all'; UPDATE kinds SET a = 'checked' WHERE id < 50; RESET wal_consistency_checking",
		"SELECT pg_switch_wal()",
		"BEGIN; SAVEPOINT s; DELETE FROM kinds WHERE id % 11 = 0; ROLLBACK TO s; SAVEPOINT t; UPDATE kinds SET a = a || '!' WHERE id % 10 = 0; COMMIT",
		"BEGIN; DELETE FROM kinds WHERE id = 5; PREPARE TRANSACTION 'two'", "COMMIT PREPARED 'two'",
		"BEGIN; SELECT id FROM kinds WHERE id = 7 FOR SHARE; SAVEPOINT s; UPDATE kinds SET a = 'x' WHERE id = 7; COMMIT",
		"CREATE DATABASE other STRATEGY wal_log", "CREATE DATABASE third STRATEGY file_copy", "DROP DATABASE third",
		"CHECKPOINT", "VACUUM kinds", "VACUUM FREEZE kinds", "UPDATE kinds SET a = repeat('z', 3000) WHERE id % 3 = 0", "TRUNCATE kinds",
	}
}

// fixture is WAL that a real server wrote, and what pg_waldump says of it.
type fixture struct {
	dir      string // copy of pg_wal
	data     string // the data directory that it came from; the server is stopped
	names    []string
	waldump  string
	describe []string // one text for each record, in order
	lsns     []pg.LSN // of the same records
}

// newFixture runs the statements on a server with segments of 1 MiB, so that many
// records cross segments, and stops it.
func newFixture(t testing.TB, sql []string, settings map[string]string) *fixture {
	t.Helper()
	all := map[string]string{"wal_keep_size": "1GB", "wal_level": "logical"}
	for name, value := range settings {
		all[name] = value
	}
	c := clustertest.Start(t, cluster.Options{Initdb: []string{"--wal-segsize=1"}, Settings: all})
	clustertest.Exec(t, c, "postgres", sql...)
	if err := c.Stop(t.Context(), cluster.Fast); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "wal")
	if err := c.CopyWAL(dir); err != nil {
		t.Fatal(err)
	}
	f := &fixture{dir: dir, data: filepath.Dir(c.WALDir()), names: segmentNames(t, dir), waldump: c.WaldumpPath()}
	f.describe = f.dump(t)
	for _, text := range f.describe {
		f.lsns = append(f.lsns, lsnOf(t, text))
	}
	return f
}

// segmentNames lists the segments of a directory.
func segmentNames(t testing.TB, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		if len(e.Name()) == 24 {
			names = append(names, e.Name())
		}
	}
	if len(names) == 0 {
		t.Fatalf("no segments in %s", dir)
	}
	return names
}

// dump runs pg_waldump over the fixture and cuts its output into records: the
// line up to its description, which is PostgreSQL's own prose, and the block references.
func (f *fixture) dump(t testing.TB) []string {
	t.Helper()
	out := f.run(t, "--bkp-details", f.names[0], f.names[len(f.names)-1])
	var list []string
	for line := range strings.Lines(string(out)) {
		line = strings.TrimSuffix(line, "\n")
		switch {
		case strings.HasPrefix(line, "rmgr: "):
			head, _, found := strings.Cut(line, ", desc: ")
			if !found {
				t.Fatalf("pg_waldump line without a description: %s", line)
			}
			list = append(list, head+"\n")
		case strings.HasPrefix(line, "\tblkref #"):
			list[len(list)-1] += line + "\n"
		}
	}
	if len(list) == 0 {
		t.Fatal("pg_waldump printed no record")
	}
	return list
}

// run runs pg_waldump; at the end of the log it exits with an error, as always.
func (f *fixture) run(t testing.TB, args ...string) []byte {
	t.Helper()
	var stderr bytes.Buffer
	cmd := exec.Command(f.waldump, append([]string{"-p", f.dir}, args...)...)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil && !strings.Contains(stderr.String(), "invalid record length") {
		t.Fatalf("pg_waldump: %v\n%s", err, &stderr)
	}
	return out
}

// lsnOf reads the LSN out of a record's text.
func lsnOf(t testing.TB, text string) pg.LSN {
	t.Helper()
	_, rest, _ := strings.Cut(text, "lsn: ")
	lsn, _, _ := strings.Cut(rest, ",")
	at, err := pg.ParseLSN(lsn)
	if err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return at
}

// describe prints a record as pg_waldump --bkp-details does, up to the description.
func describe(rec *wal.Record) string {
	images := 0
	for i := range rec.Blocks {
		images += len(rec.Blocks[i].Image.Stored)
	}
	text := fmt.Sprintf("rmgr: %-11s len (rec/tot): %6d/%6d, tx: %10d, lsn: %s, prev %s\n",
		rec.Rmgr, int(rec.Length)-images, rec.Length, rec.XID, paddedLSN(rec.LSN), paddedLSN(rec.Prev))
	for i := range rec.Blocks {
		text += "\t" + describeBlock(&rec.Blocks[i]) + "\n"
	}
	return text
}

// describeBlock prints a block reference as pg_waldump and pg_walinspect do.
func describeBlock(b *wal.BlockRef) string {
	forks := []string{"main", "fsm", "vm", "init"}
	methods := map[wal.Compression]string{wal.CompressionPGLZ: "pglz", wal.CompressionLZ4: "lz4", wal.CompressionZSTD: "zstd"}
	text := fmt.Sprintf("blkref #%d: rel %s fork %s blk %d", b.ID, b.Relation, forks[b.Fork], b.Block)
	if !b.HasImage {
		return text
	}
	use := ""
	if !b.Apply {
		use = " for WAL verification"
	}
	text += fmt.Sprintf(" (FPW%s); hole: offset: %d, length: %d", use, b.Image.HoleOffset, b.Image.HoleLength)
	if b.Image.Compression != wal.CompressionNone {
		text += fmt.Sprintf(", compression saved: %d, method: %s",
			pg.BlockSize-int(b.Image.HoleLength)-len(b.Image.Stored), methods[b.Image.Compression])
	}
	return text
}

func paddedLSN(l pg.LSN) string { return fmt.Sprintf("%X/%08X", uint32(l>>32), uint32(l)) }

// scanned is what a scan delivered.
type scanned struct {
	records []string
	lsns    []pg.LSN
	gaps    []wal.Gap // of the archive and of the scan
	total   int64     // records that spans counted
}

// scan opens paths and describes every record.
func scan(t testing.TB, paths []string, open wal.OpenOptions, opts wal.ScanOptions) *scanned {
	t.Helper()
	a, err := wal.OpenArchive(paths, open)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close() //nolint:errcheck // opened for reading only
	return scanArchive(t, a, opts)
}

func scanArchive(t testing.TB, a *wal.Archive, opts wal.ScanOptions) *scanned {
	t.Helper()
	type part struct {
		records []string
		lsns    []pg.LSN
	}
	s := &scanned{gaps: a.Gaps()}
	var end pg.LSN
	err := wal.Scan(context.Background(), a, opts, func() *part { return &part{} },
		func(p *part, rec *wal.Record) error {
			p.records = append(p.records, describe(rec))
			p.lsns = append(p.lsns, rec.LSN)
			return nil
		},
		func(p *part, span *wal.Span) error {
			if span.From < end {
				return fmt.Errorf("span %s comes after %s", span.From, end)
			}
			end = span.To
			s.records = append(s.records, p.records...)
			s.lsns = append(s.lsns, p.lsns...)
			s.gaps = append(s.gaps, span.Gaps...)
			s.total += span.Records
			p.records, p.lsns = p.records[:0], p.lsns[:0]
			return nil
		})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// sameRecords compares two lists of records and shows the first difference.
func sameRecords(t *testing.T, got, want []string) {
	t.Helper()
	for i := range min(len(got), len(want)) {
		if got[i] != want[i] {
			t.Fatalf("record %d:\ngot  %s\nwant %s", i, got[i], want[i])
		}
	}
	if len(got) != len(want) {
		t.Fatalf("got %d records, want %d", len(got), len(want))
	}
}

// Every record of a real log, field by field, is what pg_waldump says.
func TestScanAgreesWithWaldump(t *testing.T) {
	t.Parallel()
	f := newFixture(t, manyKinds(), nil)
	managers := map[string]bool{}
	for _, text := range f.describe {
		managers[strings.TrimSpace(text[6:18])] = true
	}
	for _, name := range []string{
		"XLOG", "Transaction", "Storage", "Database", "Standby", "Heap2", "Heap", "Btree", "Hash", "Gin", "Gist", "Sequence",
		"SPGist", "BRIN", "LogicalMessa", "MultiXact",
	} {
		if !managers[name] {
			t.Errorf("the workload made no record of %s; there are %v", name, managers)
		}
	}
	t.Run("all", func(t *testing.T) {
		t.Parallel()
		for _, workers := range []int{1, 4} {
			var done atomic.Int64
			a, err := wal.OpenArchive([]string{f.dir}, wal.OpenOptions{})
			if err != nil {
				t.Fatal(err)
			}
			got := scanArchive(t, a, wal.ScanOptions{Workers: workers, Progress: func(n int64) { done.Add(n) }})
			if len(got.gaps) > 0 {
				t.Errorf("gaps in a sound log: %v", got.gaps)
			}
			sameRecords(t, got.records, f.describe)
			if done.Load() != a.Bytes() {
				t.Errorf("progress told of %d bytes, the log has %d", done.Load(), a.Bytes())
			}
			if err := a.Close(); err != nil {
				t.Error(err)
			}
		}
	})
	t.Run("parts", func(t *testing.T) { t.Parallel(); scanParts(t, f) })
	t.Run("filter", func(t *testing.T) { t.Parallel(); scanFiltered(t, f) })
	t.Run("summary", func(t *testing.T) { t.Parallel(); compareStats(t, f) })
	t.Run("orders", func(t *testing.T) { t.Parallel(); scanOrders(t, f) })
	t.Run("damage", func(t *testing.T) { t.Parallel(); damageAll(t, f) })
	t.Run("forms", func(t *testing.T) { t.Parallel(); scanForms(t, f) })
	t.Run("damaged archives", func(t *testing.T) { t.Parallel(); damagedArchives(t, f) })
	t.Run("pgBackRest", func(t *testing.T) { t.Parallel(); scanPGBackRest(t, f) })
}

// A scan from one record to another delivers exactly those between.
func scanParts(t *testing.T, f *fixture) {
	n := len(f.lsns)
	for _, bounds := range [][2]int{{0, 1}, {1, 2}, {n / 3, n / 2}, {n / 2, n/2 + 700}, {n - 1, n}, {n - 40, n}} {
		from, to := bounds[0], bounds[1]
		opts := wal.ScanOptions{From: f.lsns[from], SkipCRC: true}
		if to < n {
			opts.To = f.lsns[to]
		}
		got := scan(t, []string{f.dir}, wal.OpenOptions{}, opts)
		sameRecords(t, got.records, f.describe[from:to])
		if len(got.gaps) > 0 || got.total != int64(to-from) {
			t.Errorf("from record %d to %d: %d counted, gaps %v", from, to, got.total, got.gaps)
		}
	}
}

// Only the wanted resource managers are delivered; the others count.
func scanFiltered(t *testing.T, f *fixture) {
	var want []string
	for _, text := range f.describe {
		if strings.HasPrefix(text, "rmgr: Heap ") || strings.HasPrefix(text, "rmgr: Transaction ") {
			want = append(want, text)
		}
	}
	got := scan(t, []string{f.dir}, wal.OpenOptions{}, wal.ScanOptions{Rmgrs: wal.Rmgrs(wal.RmgrHeap, wal.RmgrXact)})
	sameRecords(t, got.records, want)
	if got.total != int64(len(f.describe)) {
		t.Errorf("%d records counted, want %d", got.total, len(f.describe))
	}
}

// The order in which files are given does not matter, nor that some are given twice.
func scanOrders(t *testing.T, f *fixture) {
	var paths []string
	for _, name := range f.names {
		paths = append(paths, filepath.Join(f.dir, name))
	}
	slices.Reverse(paths)
	other := t.TempDir()
	copyFile(t, filepath.Join(other, f.names[2]), filepath.Join(f.dir, f.names[2]))
	for name, given := range map[string][]string{
		"reverse":     paths,
		"overlapping": append([]string{paths[3], f.dir, paths[0]}, paths...),
		"two copies":  {filepath.Join(other, f.names[2]), f.dir},
	} {
		got := scan(t, given, wal.OpenOptions{}, wal.ScanOptions{})
		if len(got.gaps) > 0 {
			t.Errorf("%s: gaps %v", name, got.gaps)
		}
		sameRecords(t, got.records, f.describe)
	}
}

// The summary counts what pg_waldump --stats counts.
func compareStats(t *testing.T, f *fixture) {
	out := f.run(t, "--stats", f.names[0], f.names[len(f.names)-1])
	a, err := wal.OpenArchive([]string{f.dir}, wal.OpenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close() //nolint:errcheck // opened for reading only
	summary, err := wal.Summarize(t.Context(), a, wal.ScanOptions{})
	if err != nil {
		t.Fatal(err)
	}
	got := map[string][3]int64{}
	for _, r := range summary.Rmgrs {
		got[r.Rmgr.String()] = [3]int64{r.Records, r.RecordBytes, r.ImageBytes}
	}
	rows := 0
	for line := range strings.Lines(string(out)) {
		fields := strings.Fields(strings.NewReplacer("(", " ", ")", " ").Replace(line))
		var want [3]int64
		if len(fields) < 7 || fields[0] == "Total" {
			continue
		}
		if n, _ := fmt.Sscan(fields[1]+" "+fields[3]+" "+fields[5], &want[0], &want[1], &want[2]); n != 3 {
			continue
		}
		rows++
		if got[fields[0]] != want {
			t.Errorf("%s: got %v, want %v", fields[0], got[fields[0]], want)
		}
	}
	if rows < 20 {
		t.Errorf("pg_waldump --stats has only %d rows:\n%s", rows, out)
	}
	if len(summary.Checkpoints) < 3 || summary.Records != int64(len(f.lsns)) {
		t.Errorf("%d checkpoints, %d records", len(summary.Checkpoints), summary.Records)
	}
	last := summary.Checkpoints[len(summary.Checkpoints)-1]
	if !last.Shutdown || last.LSN != f.lsns[len(f.lsns)-1] || last.Redo != last.LSN || last.Time.IsZero() || last.Timeline != 1 {
		t.Errorf("the last checkpoint is %+v", last)
	}
}
