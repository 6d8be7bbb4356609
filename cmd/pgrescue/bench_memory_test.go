//go:build linux

package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/pgrescue/pgrescue/recover/pg"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster/clustertest"
)

// benchMemoryVariable lists the sizes of WAL in MiB at which BenchmarkMemory
// measures, smallest first.
const benchMemoryVariable = "PGRESCUE_BENCH_MEMORY_MB"

const benchMemoryDefault = "64,256,512"

// growthMiB is how much more a command may take for the longest WAL than for the
// shortest: what a heap of that size varies by from run to run. Much less than the
// WAL grows by, so that a command that keeps what it reads is found.
const growthMiB = 64

// memoryLost is how many rows of memoryTable are lost before each measurement.
const memoryLost = 2000

// memoryTable is updated over and over. It is much smaller than what is kept of
// replayed pages in memory, and one row in twenty is lost before each measurement.
const memoryTable = `
CREATE TABLE busy (id int PRIMARY KEY, n int, pad text) WITH (fillfactor = 70);
INSERT INTO busy SELECT i, 0, repeat('x', 400) FROM generate_series(1, 40000) i;
CREATE PROCEDURE traffic(turns int) LANGUAGE plpgsql AS $$
BEGIN
	FOR i IN 1..turns LOOP
		UPDATE busy SET n = n + 1 WHERE id = 20 * (1 + i * 7 % 1999);
		COMMIT;
	END LOOP;
END $$`

// BenchmarkMemory measures the peak memory of the commands on WAL that gets longer
// and longer, each in a process of its own. Most of the WAL are full-page images,
// the rest transactions of one row. The number of rows lost is the same each time,
// so what a command takes more of is for the length of the WAL.
func BenchmarkMemory(b *testing.B) {
	bench := buildCommands(b)
	commands := []memoryCommand{
		{name: "wal_transactions", args: func(m *commandBench) []string {
			return []string{"wal", "transactions", m.walDir, "--pgdata", m.dataDir}
		}},
		{name: "wal_rows", prints: memoryLost, args: func(m *commandBench) []string {
			return []string{"wal", "rows", m.walDir, "--catalog", m.catalog, "--xid", m.xid}
		}},
		{name: "undelete", args: func(m *commandBench) []string {
			return []string{"undelete", "--pgdata", m.dataDir, "--xid", m.xid, "--force", "-o", m.output}
		}},
	}
	bench.measureMemory(b, commands)
	for _, command := range commands {
		b.Run(command.name, command.report)
	}
}

// memoryCommand is a command line, and its peak memory at each length of WAL.
type memoryCommand struct {
	name   string
	prints int // lines; 0: they are not counted
	args   func(*commandBench) []string
	points []memoryPoint
}

// peak runs the command once.
func (c *memoryCommand) peak(b *testing.B, m *commandBench) float64 {
	b.Helper()
	var lines countLines
	used := m.run(b, &lines, c.args(m)...)
	if c.prints > 0 && int(lines) != c.prints {
		b.Fatalf("%s printed %d lines, not %d", c.name, lines, c.prints)
	}
	return used.peakMiB
}

type memoryPoint struct{ walGiB, peakMiB float64 }

// measureMemory lets the WAL of one server grow from size to size, and measures
// all commands at each, with the server stopped.
func (m *commandBench) measureMemory(b *testing.B, commands []memoryCommand) {
	b.Helper()
	ctx := context.Background()
	c := clustertest.Start(b, cluster.Options{Settings: map[string]string{
		"wal_keep_size": "200GB", "max_wal_size": "200GB", "checkpoint_timeout": "1h", "wal_compression": "off",
	}})
	m.dataDir, m.walDir = c.DataDir(), c.WALDir()
	clustertest.Exec(b, c, "postgres", memoryTable)
	turn := 0
	for i, size := range memorySizes(b) {
		if i > 0 {
			if err := c.Start(ctx); err != nil {
				b.Fatal(err)
			}
		}
		until := pg.LSN(size << 20)
		for ; currentLSN(b, c) < until; turn++ {
			clustertest.Exec(b, c, "postgres", "CHECKPOINT",
				fmt.Sprintf("UPDATE busy SET n = n + 1 WHERE id %% 20 = %d", 10+turn%10), "CALL traffic(1000)")
		}
		m.xid = clustertest.Value(b, c, "postgres", fmt.Sprintf(
			"WITH gone AS (DELETE FROM busy WHERE id %% 20 = %d RETURNING 1) SELECT pg_current_xact_id() FROM gone LIMIT 1", i+1))
		length := float64(currentLSN(b, c)-firstSegment) / (1 << 30)
		if err := c.Stop(ctx, cluster.Fast); err != nil {
			b.Fatal(err)
		}
		m.dumpCatalog(b)
		for n := range commands {
			commands[n].points = append(commands[n].points, memoryPoint{walGiB: length, peakMiB: commands[n].peak(b, m)})
		}
	}
}

// firstSegment is where the WAL of a new cluster begins.
const firstSegment pg.LSN = 16 << 20

func currentLSN(b *testing.B, c *cluster.Cluster) pg.LSN {
	b.Helper()
	lsn, err := c.CurrentLSN(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	return lsn
}

// memorySizes reads the sizes. Nine at most: each costs a twentieth of the rows, and
// the rows that are updated must not be among them.
func memorySizes(b *testing.B) []int64 {
	b.Helper()
	text := os.Getenv(benchMemoryVariable)
	if text == "" {
		text = benchMemoryDefault
	}
	var sizes []int64
	for _, item := range strings.Split(text, ",") {
		size, err := strconv.ParseInt(item, 10, 64)
		if err != nil {
			b.Fatalf("%s: %v", benchMemoryVariable, err)
		}
		sizes = append(sizes, size)
	}
	if len(sizes) < 2 || len(sizes) > 9 {
		b.Fatalf("%s: two to nine sizes, not %d", benchMemoryVariable, len(sizes))
	}
	return sizes
}

// report prints the peaks and the slope of the line through them.
func (c *memoryCommand) report(b *testing.B) {
	for _, p := range c.points {
		b.ReportMetric(p.peakMiB, fmt.Sprintf("MiB@%.2fGiB", p.walGiB))
	}
	b.ReportMetric(slope(c.points), "MiB/GiB")
	b.ReportMetric(0, "ns/op") // not a measure of time
	first, last := c.points[0], c.points[len(c.points)-1]
	if last.peakMiB > first.peakMiB+growthMiB {
		b.Errorf("peak memory grew from %.0f MiB at %.2f GiB of WAL to %.0f MiB at %.2f GiB; limit %d MiB more",
			first.peakMiB, first.walGiB, last.peakMiB, last.walGiB, growthMiB)
	}
}

// slope is that of the line with the least squares.
func slope(points []memoryPoint) float64 {
	var x, y float64
	for _, p := range points {
		x, y = x+p.walGiB/float64(len(points)), y+p.peakMiB/float64(len(points))
	}
	var above, below float64
	for _, p := range points {
		above += (p.walGiB - x) * (p.peakMiB - y)
		below += (p.walGiB - x) * (p.walGiB - x)
	}
	return above / below
}
