//go:build linux

package redo_test

import (
	"fmt"
	"os"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/pgrescue/pgrescue/recover/pg"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster/clustertest"
	"github.com/pgrescue/pgrescue/recover/redo"
	"github.com/pgrescue/pgrescue/recover/wal"
)

// benchSizeVariable says how much WAL is replayed, in MiB.
const benchSizeVariable = "PGRESCUE_BENCH_MB"

const benchDefaultMB = 400

// BenchmarkReplay replays every page of the corpus's wide table out of the WAL,
// which has everybody else's records too: MB/s is that of all WAL read, with
// every CRC checked.
func BenchmarkReplay(b *testing.B) {
	corpus := newReplayCorpus(b)
	archive, err := wal.OpenArchive([]string{corpus.dir}, wal.OpenOptions{})
	if err != nil {
		b.Fatal(err)
	}
	defer archive.Close()
	b.SetBytes(corpus.bytes)
	var cpu time.Duration
	var records int64
	for b.Loop() {
		before := cpuTime(b)
		result, err := redo.Replay(b.Context(), archive, redo.Options{
			Wants:   func(key redo.PageKey) bool { return key.Relation == corpus.wide },
			TempDir: b.TempDir(),
		})
		if err != nil {
			b.Fatal(err)
		}
		cpu += cpuTime(b) - before
		records = result.Records
		if known := len(result.Blocks(corpus.wide)); known != corpus.pages || len(result.Gaps) > 0 {
			b.Fatalf("%d pages of %d are known; gaps: %v", known, corpus.pages, result.Gaps)
		}
		if err := result.Close(); err != nil {
			b.Fatal(err)
		}
	}
	gigabytes := float64(corpus.bytes) * float64(b.N) / 1e9
	b.ReportMetric(gigabytes/b.Elapsed().Seconds(), "WAL-GB/s")
	b.ReportMetric(cpu.Seconds()/gigabytes, "cpu-s/GB")
	b.ReportMetric(float64(corpus.pages), "pages")
	b.ReportMetric(float64(records*int64(b.N))/cpu.Seconds(), "records/cpu-s")
}

// replayCorpus is the WAL of a stopped server, and what its replay has to give.
type replayCorpus struct {
	dir   string
	bytes int64
	wide  pg.RelFileLocator
	pages int
}

func newReplayCorpus(b *testing.B) replayCorpus {
	b.Helper()
	size := benchDefaultMB
	if text := os.Getenv(benchSizeVariable); text != "" {
		var err error
		if size, err = strconv.Atoi(text); err != nil {
			b.Fatalf("%s: %v", benchSizeVariable, err)
		}
	}
	c := clustertest.Start(b, cluster.Options{Settings: cluster.TenantLossSettings()})
	made, err := cluster.BuildBenchCorpus(b.Context(), c, int64(size)<<20)
	if err != nil {
		b.Fatal(err)
	}
	corpus := replayCorpus{dir: c.WALDir(), bytes: made.WALBytes, wide: pg.RelFileLocator{Tablespace: pg.DefaultTablespace}}
	shape := clustertest.Value(b, c, made.Database, `SELECT concat_ws(' ', d.oid, pg_relation_filenode('wide'), pg_relation_size('wide') / 8192)
		FROM pg_database d WHERE datname = current_database()`)
	if _, err := fmt.Sscan(shape, &corpus.wide.Database, &corpus.wide.Relation, &corpus.pages); err != nil {
		b.Fatalf("%q: %v", shape, err)
	}
	if err := c.Stop(b.Context(), cluster.Fast); err != nil {
		b.Fatal(err)
	}
	return corpus
}

// cpuTime is the time that this process spent in user and kernel mode.
func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
