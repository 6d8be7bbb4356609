package stream

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/pgrescue/pgrescue/recover/pg"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster/clustertest"
	"github.com/pgrescue/pgrescue/recover/wal"
)

// benchSizeVariable says how much WAL is fetched, in MiB.
const benchSizeVariable = "PGRESCUE_BENCH_MB"

const benchDefaultMB = 400

// benchFrom is the third segment: pg_receivewal takes no notice of one that is number 0.
const benchFrom = 2 * 16 << 20

// BenchmarkFetch fetches the WAL of one server, and lets pg_receivewal fetch the
// same right after, from the same segment to the same place. Both make every
// segment durable.
func BenchmarkFetch(b *testing.B) {
	size := benchDefaultMB
	if text := os.Getenv(benchSizeVariable); text != "" {
		var err error
		if size, err = strconv.Atoi(text); err != nil {
			b.Fatalf("%s: %v", benchSizeVariable, err)
		}
	}
	c := clustertest.Start(b, cluster.Options{TCP: true, Settings: map[string]string{"wal_keep_size": "100GB", "max_wal_size": "100GB"}})
	makeReplicator(b, c)
	write(b, c, strconv.Itoa(size))

	var own, peer time.Duration
	var bytes int64
	for b.Loop() {
		begin := time.Now()
		plan, result, err := fetch(b.Context(), b, replicatorDSN(c), b.TempDir(), Options{From: benchFrom})
		if err != nil {
			b.Fatal(err)
		}
		own += time.Since(begin)
		bytes += result.Bytes
		peer += receive(b, c, plan)
	}
	b.ReportMetric(float64(bytes)/1e6/own.Seconds(), "MB/s")
	b.ReportMetric(float64(bytes)/1e6/peer.Seconds(), "MB/s-pg_receivewal")
	b.ReportMetric(peer.Seconds()/own.Seconds(), "x-pg_receivewal")
}

// receive lets pg_receivewal fetch what a plan has fetched.
func receive(b *testing.B, c *cluster.Cluster, plan *Plan) time.Duration {
	b.Helper()
	dir := b.TempDir()
	// It goes on behind the newest whole segment in its folder, and begins with the
	// server's current one if there is none.
	before := wal.SegmentName(1, uint64(plan.From/pg.LSN(plan.folder.segmentSize))-1, plan.folder.segmentSize)
	file := filepath.Join(dir, before)
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		b.Fatal(err)
	}
	if err := os.Truncate(file, int64(plan.folder.segmentSize)); err != nil {
		b.Fatal(err)
	}
	command := exec.CommandContext(b.Context(), filepath.Join(c.BinDir(), "pg_receivewal"),
		"-D", dir, "-d", replicatorDSN(c), "--no-loop", "--endpos", (plan.Until - 1).String()) // it stops behind endpos
	begin := time.Now()
	if out, err := command.CombinedOutput(); err != nil {
		b.Fatalf("pg_receivewal: %v\n%s", err, out)
	}
	took := time.Since(begin)
	entries, err := os.ReadDir(dir)
	if err != nil || int64(len(entries)) != plan.Segments+1 {
		b.Fatalf("pg_receivewal made %d files of %d segments: %v", len(entries)-1, plan.Segments, err)
	}
	return took
}
