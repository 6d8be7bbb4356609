//go:build linux

package wal_test

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/pgrescue/pgrescue/recover/pitr/cluster"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster/clustertest"
	"github.com/pgrescue/pgrescue/recover/wal"
)

// cost is what a run took.
type cost struct {
	wall, cpu time.Duration
}

// cpuTime is the time that this process, or its children, spent in user and kernel mode.
func cpuTime(b *testing.B, who int) time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(who, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// measure adds one run of f to c.
func (c *cost) measure(b *testing.B, who int, f func() error) {
	wall, cpu := time.Now(), cpuTime(b, who)
	if err := f(); err != nil {
		b.Fatal(err)
	}
	c.wall += time.Since(wall)
	c.cpu += cpuTime(b, who) - cpu
}

// benchWAL makes about 350 MB of WAL in the proportions of a real incident:
// bulk loads, mass updates with their full-page images after checkpoints, small
// transactions in between, and a mass DELETE; some 60 % of it are images.
func benchWAL(b *testing.B) (dir, waldump string) {
	c := clustertest.Start(b, cluster.Options{Settings: map[string]string{"wal_keep_size": "2GB", "max_wal_size": "2GB"}})
	clustertest.Exec(b, c, "postgres",
		"CREATE TABLE b (id int PRIMARY KEY, grp int, a text, n numeric, at timestamptz)",
		"INSERT INTO b SELECT i, i % 50, repeat(md5(i::text), 1 + i % 24), i * 1.5, now() FROM generate_series(1, 120000) i",
		"CHECKPOINT", "UPDATE b SET n = n + 1 WHERE id % 3 = 0", "CHECKPOINT",
		"DO $$ BEGIN FOR i IN 1..10000 LOOP UPDATE b SET n = n + 1 WHERE id = i * 11; COMMIT; END LOOP; END $$", "CHECKPOINT",
		"UPDATE b SET at = now() WHERE id % 4 = 0", "CHECKPOINT", "DELETE FROM b WHERE grp % 5 = 2")
	if err := c.Stop(context.Background(), cluster.Fast); err != nil {
		b.Fatal(err)
	}
	return c.WALDir(), c.WaldumpPath()
}

// BenchmarkScan prints the cost of scanning with every CRC checked, as ratios
// against pg_waldump --stats and against plain reading with CRC32C of the same
// bytes on as many goroutines, all in the same run. The aims: at most 0.7 of
// pg_waldump's CPU time, 0.5 of its wall time on two cores, and 1.6 of plain
// reading's CPU time. Where two cores share one core's units, work on both costs
// more CPU time than on one, so one worker is measured too.
func BenchmarkScan(b *testing.B) {
	dir, waldump := benchWAL(b)
	for name, rmgrs := range map[string]wal.RmgrSet{
		"all":          {},
		"transactions": wal.Rmgrs(wal.RmgrXLOG, wal.RmgrXact, wal.RmgrStandby, wal.RmgrHeap, wal.RmgrHeap2),
	} {
		for _, workers := range []int{1, runtime.GOMAXPROCS(0)} {
			b.Run(fmt.Sprintf("%s/workers=%d", name, workers), func(b *testing.B) {
				benchScan(b, dir, waldump, wal.ScanOptions{Rmgrs: rmgrs, Workers: workers})
			})
		}
	}
	for _, suffix := range []string{".gz", ".zst", ".lz4"} {
		b.Run("archive"+suffix, func(b *testing.B) { benchArchive(b, dir, suffix) })
	}
}

// benchArchive prints the cost of scanning a compressed archive as ratios against
// the same segments uncompressed, in the same run. Decompression is all the difference.
func benchArchive(b *testing.B, dir, suffix string) {
	packed := b.TempDir()
	for _, name := range segmentNames(b, dir) {
		writeFile(b, filepath.Join(packed, name+suffix), compress(b, read(b, filepath.Join(dir, name)), compressors()[suffix]...))
	}
	var cost [2]cost
	for b.Loop() {
		for i, path := range []string{dir, packed} {
			cost[i].measure(b, syscall.RUSAGE_SELF, func() error {
				a, err := wal.OpenArchive([]string{path}, wal.OpenOptions{})
				if err != nil {
					return err
				}
				b.SetBytes(a.Bytes())
				return errors.Join(countBlocks(b.Context(), a, wal.ScanOptions{}), a.Close())
			})
		}
	}
	b.ReportMetric(cost[1].cpu.Seconds()/cost[0].cpu.Seconds(), "cpu/plain")
	b.ReportMetric(cost[1].wall.Seconds()/cost[0].wall.Seconds(), "wall/plain")
}

func benchScan(b *testing.B, dir, waldump string, opts wal.ScanOptions) {
	a, err := wal.OpenArchive([]string{dir}, wal.OpenOptions{})
	if err != nil {
		b.Fatal(err)
	}
	defer a.Close() //nolint:errcheck // opened for reading only
	summary, err := wal.Summarize(b.Context(), a, wal.ScanOptions{})
	if err != nil || len(summary.Gaps) > 0 {
		b.Fatal(err, summary.Gaps)
	}
	var ours, peers, plain cost
	var before, after runtime.MemStats
	b.SetBytes(summary.Bytes)
	runtime.ReadMemStats(&before)
	for b.Loop() {
		ours.measure(b, syscall.RUSAGE_SELF, func() error { return countBlocks(b.Context(), a, opts) })
		b.StopTimer()
		peers.measure(b, syscall.RUSAGE_CHILDREN, func() error {
			return exec.Command(waldump, "--stats", "-p", dir, "-s", summary.Start.String(), "-e", summary.End.String()).Run()
		})
		plain.measure(b, syscall.RUSAGE_SELF, func() error { return readAndSum(a.Segments(), opts.Workers) })
		b.StartTimer()
	}
	runtime.ReadMemStats(&after)
	gigabytes := float64(summary.Bytes) * float64(b.N) / 1e9
	b.ReportMetric(ours.cpu.Seconds()/gigabytes, "cpu-s/GB")
	b.ReportMetric(ours.cpu.Seconds()/peers.cpu.Seconds(), "cpu/waldump")
	b.ReportMetric(ours.wall.Seconds()/peers.wall.Seconds(), "wall/waldump")
	b.ReportMetric(ours.cpu.Seconds()/plain.cpu.Seconds(), "cpu/read+crc")
	b.ReportMetric(float64(summary.Records)/float64(summary.Bytes)*1e6, "records/MB")
	b.ReportMetric(float64(after.Mallocs-before.Mallocs)/float64(b.N)/float64(summary.Records), "allocs/record")
}

func countBlocks(ctx context.Context, a *wal.Archive, opts wal.ScanOptions) error {
	total := 0
	return wal.Scan(ctx, a, opts, func() *int { return new(int) },
		func(n *int, rec *wal.Record) error { *n += len(rec.Blocks); return nil },
		func(n *int, span *wal.Span) error {
			if len(span.Gaps) > 0 {
				return fmt.Errorf("gaps %v", span.Gaps)
			}
			total += *n
			*n = 0
			return nil
		})
}

// readAndSum reads the segments in pieces as large as the scan's and sums up their CRC32C.
func readAndSum(segments []wal.Segment, workers int) error {
	var group sync.WaitGroup
	errs := make([]error, workers)
	for w := range workers {
		group.Go(func() {
			buf := make([]byte, 256<<10)
			for i := w; i < len(segments) && errs[w] == nil; i += workers {
				if segments[i].State == wal.SegmentInLog {
					errs[w] = readAndSumFile(segments[i], buf)
				}
			}
		})
	}
	group.Wait()
	return errors.Join(errs...)
}

func readAndSumFile(s wal.Segment, buf []byte) error {
	table := crc32.MakeTable(crc32.Castagnoli)
	file, err := os.Open(s.Path)
	if err != nil {
		return err
	}
	defer file.Close() //nolint:errcheck // opened for reading only
	for rest := s.Bytes; rest > 0; {
		n, err := file.Read(buf[:min(rest, int64(len(buf)))])
		if err != nil {
			return err
		}
		crc32.Checksum(buf[:n], table)
		rest -= int64(n)
	}
	return nil
}
