//go:build linux

package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgrescue/pgrescue/recover/pitr/cluster"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster/clustertest"
	"github.com/pgrescue/pgrescue/recover/wal"
)

// benchSizeVariable says how much WAL BenchmarkCommands works on, in MiB. The
// figures in the README were taken with 2700, which holds 100,000 lost rows.
const benchSizeVariable = "PGRESCUE_BENCH_MB"

const benchDefaultMB = 400

// The limits of memory that the commands keep, whatever the size of the WAL.
const (
	transactionsMiB = 128
	rowsMiB         = 256
	rowsPerVersion  = 200 // bytes more for each destroyed version
)

// BenchmarkCommands measures the commands as processes, each beside its peer in
// the same run: CPU seconds of user and kernel, wall time and peak memory.
//
//   - wal transactions beside pg_waldump --stats over the same segments
//   - wal rows and undelete beside pg_dirtyread in the live server, if it is installed
//   - heap rows of simple rows beside the server's own COPY of them
func BenchmarkCommands(b *testing.B) {
	bench := newCommandBench(b)
	b.Run("wal_transactions", bench.transactions)
	b.Run("wal_rows", func(b *testing.B) {
		bench.rows(b, "wal", "rows", bench.walDir, "--catalog", bench.catalog, "--xid", bench.xid)
	})
	b.Run("undelete", func(b *testing.B) {
		bench.rows(b, "undelete", "--pgdata", bench.dataDir, "--xid", bench.xid, "--force", "-o", bench.output)
	})
	b.Run("heap_rows", bench.heapRows)
}

type commandBench struct {
	binary, dataDir, walDir, waldump string
	catalog, output, xid             string
	lost                             int
	start                            string // LSN of the WAL

	dirtyRead float64 // CPU seconds that pg_dirtyread took for the lost rows; 0: not installed
	copySpeed float64 // simple rows that the server copies in a CPU second
	simple    int     // deleted simple rows
}

// simpleRowsPerMB scales the table of simple rows with the corpus, whose WAL it shares.
const simpleRowsPerMB = 400

func newCommandBench(b *testing.B) *commandBench {
	b.Helper()
	bench := buildCommands(b)
	bench.fill(b)
	bench.dumpCatalog(b)
	return bench
}

// buildCommands builds the program, and names the places of what it will write.
func buildCommands(b *testing.B) *commandBench {
	b.Helper()
	folder := b.TempDir()
	bench := &commandBench{
		binary: filepath.Join(folder, "pgrescue"), catalog: filepath.Join(folder, "catalog.json"),
		output: filepath.Join(folder, "rescued"),
	}
	build := exec.Command("go", "build", "-trimpath", "-o", bench.binary, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		b.Fatalf("build: %v\n%s", err, out)
	}
	return bench
}

func (m *commandBench) dumpCatalog(b *testing.B) {
	b.Helper()
	m.run(b, io.Discard, "catalog", "dump", "--pgdata", m.dataDir, "-o", m.catalog, "--force")
}

// benchNumber reads a number from the environment.
func benchNumber(b *testing.B, variable string, otherwise int) int {
	b.Helper()
	text := os.Getenv(variable)
	if text == "" {
		return otherwise
	}
	number, err := strconv.Atoi(text)
	if err != nil {
		b.Fatalf("%s: %v", variable, err)
	}
	return number
}

// fill makes the corpus, and measures the peers that need the server.
func (m *commandBench) fill(b *testing.B) {
	b.Helper()
	size := benchNumber(b, benchSizeVariable, benchDefaultMB)
	m.simple = size * simpleRowsPerMB
	c := startForDirtyRead(b)
	ctx := context.Background()
	clustertest.Exec(b, c, "postgres",
		"CREATE TABLE simple (id uuid, n int, t text, at timestamptz, ok boolean)",
		fmt.Sprintf("INSERT INTO simple SELECT gen_random_uuid(), i, 'row number ' || i, now(), i %% 2 = 0 FROM generate_series(1, %d) i", m.simple))
	corpus, err := cluster.BuildBenchCorpus(ctx, c, int64(size)<<20)
	if err != nil {
		b.Fatal(err)
	}
	m.lost, m.xid = corpus.Table.Rows, fmt.Sprint(corpus.XID)
	_, seconds := backendCopy(b, c, "postgres", "COPY simple TO STDOUT")
	m.copySpeed = float64(m.simple) / seconds
	m.measureDirtyRead(b, c, corpus.Database, corpus.Table.Name)
	clustertest.Exec(b, c, "postgres", "DELETE FROM simple", "CHECKPOINT")
	if err := c.Stop(ctx, cluster.Fast); err != nil {
		b.Fatal(err)
	}
	m.dataDir, m.walDir, m.waldump = c.DataDir(), c.WALDir(), c.WaldumpPath()
	archive, err := wal.OpenArchive([]string{m.walDir}, wal.OpenOptions{})
	if err != nil {
		b.Fatal(err)
	}
	defer archive.Close()
	m.start = archive.Start().String()
}

// startForDirtyRead starts a server that keeps all WAL, and in which the peer finds what it reads.
func startForDirtyRead(b *testing.B) *cluster.Cluster {
	b.Helper()
	settings := cluster.TenantLossSettings()
	settings["vacuum_defer_cleanup_age"] = "1000000" // or pg_dirtyread prunes what it reads
	return clustertest.Start(b, cluster.Options{Settings: settings})
}

// measureDirtyRead lets the best peer that gets such rows right fetch the lost ones.
func (m *commandBench) measureDirtyRead(b *testing.B, c *cluster.Cluster, database, table string) {
	b.Helper()
	if clustertest.Value(b, c, database, "SELECT count(*) FROM pg_available_extensions WHERE name = 'pg_dirtyread'") == "0" {
		b.Log("pg_dirtyread is not installed (Debian: postgresql-15-dirtyread); no ratio to it")
		return
	}
	clustertest.Exec(b, c, database, "CREATE EXTENSION pg_dirtyread")
	list := func(item string) string {
		return clustertest.Value(b, c, database, fmt.Sprintf(
			"SELECT string_agg(%s, ', ' ORDER BY attnum) FROM pg_attribute WHERE attrelid = '%s'::regclass AND attnum > 0", item, table))
	}
	rows, seconds := backendCopy(b, c, database, fmt.Sprintf(
		"COPY (SELECT %s FROM pg_dirtyread('%s') AS t(%s, xmax xid) WHERE xmax = '%s') TO STDOUT",
		list("quote_ident(attname)"), table, list("quote_ident(attname) || ' ' || format_type(atttypid, atttypmod)"), m.xid))
	if rows != m.lost {
		b.Errorf("pg_dirtyread gave %d of %d rows", rows, m.lost)
	}
	m.dirtyRead = seconds
}

// backendCopy runs a COPY and measures the CPU seconds of its server process.
func backendCopy(b *testing.B, c *cluster.Cluster, db, query string) (rows int, seconds float64) {
	b.Helper()
	ctx := context.Background()
	conn, err := c.Connect(ctx, db)
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close(ctx)
	before := backendSeconds(b, conn)
	tag, err := conn.PgConn().CopyTo(ctx, io.Discard, query)
	if err != nil {
		b.Fatal(err)
	}
	return int(tag.RowsAffected()), backendSeconds(b, conn) - before
}

// backendSeconds reads utime and stime of the session's process from /proc.
func backendSeconds(b *testing.B, conn *pgx.Conn) float64 {
	b.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", conn.PgConn().PID()))
	if err != nil {
		b.Fatal(err)
	}
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	const clockTicks = 100 // of USER_HZ, on every Linux
	user, _ := strconv.ParseFloat(fields[11], 64)
	system, _ := strconv.ParseFloat(fields[12], 64)
	return (user + system) / clockTicks
}

// usage is what one process took.
type usage struct {
	cpu, wall float64 // seconds
	peakMiB   float64
}

// run runs pgrescue and expects it to succeed.
func (m *commandBench) run(b *testing.B, stdout io.Writer, args ...string) usage {
	b.Helper()
	u, err := runProcess(stdout, m.binary, args...)
	if err != nil {
		b.Fatalf("pgrescue %s: %v", strings.Join(args, " "), err)
	}
	return u
}

func runProcess(stdout io.Writer, name string, args ...string) (usage, error) {
	var errs bytes.Buffer
	command := exec.Command(name, args...)
	command.Stderr = &errs
	if stdout != io.Discard { // nil is the null device, without a pipe in between
		command.Stdout = stdout
	}
	forgetPeak()
	begin := time.Now()
	err := command.Run()
	u := usage{wall: time.Since(begin).Seconds()}
	if err != nil {
		err = fmt.Errorf("%w: %s", err, errs.Bytes())
	}
	if used, ok := command.ProcessState.SysUsage().(*syscall.Rusage); ok {
		u.cpu = float64(used.Utime.Nano()+used.Stime.Nano()) / 1e9
		u.peakMiB = float64(used.Maxrss) / 1024
	}
	return u, err
}

// forgetPeak makes this process small and resets its peak: a child's peak begins
// with its parent's, because it runs in the parent's memory until it executes its program.
func forgetPeak() {
	debug.FreeOSMemory()
	// Without the right to reset it, the figure is only an upper bound.
	_ = os.WriteFile("/proc/self/clear_refs", []byte("5"), 0)
}

func (m *commandBench) transactions(b *testing.B) {
	var own, peer usage
	for b.Loop() {
		u := m.run(b, io.Discard, "wal", "transactions", m.walDir)
		own.cpu, own.wall, own.peakMiB = own.cpu+u.cpu, own.wall+u.wall, max(own.peakMiB, u.peakMiB)
		// It ends with an error where the WAL ends, which is its way to say so.
		p, _ := runProcess(io.Discard, m.waldump, "--stats", "-p", m.walDir, "-s", m.start)
		peer.cpu, peer.wall = peer.cpu+p.cpu, peer.wall+p.wall
	}
	b.ReportMetric(own.cpu/peer.cpu, "cpu/pg_waldump")
	b.ReportMetric(own.wall/peer.wall, "wall/pg_waldump")
	b.ReportMetric(own.peakMiB, "peak-MiB")
	if own.peakMiB > transactionsMiB {
		b.Errorf("peak memory %.0f MiB, limit %d", own.peakMiB, transactionsMiB)
	}
}

func (m *commandBench) rows(b *testing.B, args ...string) {
	b.Helper()
	var own usage
	for b.Loop() {
		u := m.run(b, io.Discard, args...)
		own.cpu, own.peakMiB = own.cpu+u.cpu, max(own.peakMiB, u.peakMiB)
	}
	m.reportRows(b, own)
}

// reportRows prints what fetching the lost rows took, and holds the limit of memory.
func (m *commandBench) reportRows(b *testing.B, own usage) {
	b.Helper()
	perSecond := float64(m.lost*b.N) / own.cpu
	b.ReportMetric(perSecond, "rows/cpu-s")
	b.ReportMetric(own.peakMiB, "peak-MiB")
	if m.dirtyRead > 0 {
		b.ReportMetric(perSecond/(float64(m.lost)/m.dirtyRead), "x-pg_dirtyread")
	}
	if limit := rowsMiB + float64(m.lost*rowsPerVersion)/(1<<20); own.peakMiB > limit {
		b.Errorf("peak memory %.0f MiB, limit %.0f", own.peakMiB, limit)
	}
}

func (m *commandBench) heapRows(b *testing.B) {
	var own usage
	for b.Loop() {
		var out countLines
		u := m.run(b, &out, "heap", "rows", "--pgdata", m.dataDir, "--table", "public.simple", "--database", "postgres")
		if int(out) != m.simple {
			b.Fatalf("%d rows of %d", out, m.simple)
		}
		own.cpu, own.peakMiB = own.cpu+u.cpu, max(own.peakMiB, u.peakMiB)
	}
	perSecond := float64(m.simple*b.N) / own.cpu
	b.ReportMetric(perSecond, "rows/cpu-s")
	b.ReportMetric(perSecond/m.copySpeed, "x-server-COPY")
	b.ReportMetric(own.peakMiB, "peak-MiB")
}

// countLines counts the lines written to it.
type countLines int

func (n *countLines) Write(p []byte) (int, error) {
	*n += countLines(bytes.Count(p, []byte("\n")))
	return len(p), nil
}
