//go:build linux

package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/pgrescue/pgrescue/recover/pitr/cluster"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster/clustertest"
)

// benchRowsVariable says how many rows BenchmarkMillionRows loses and brings back.
const benchRowsVariable = "PGRESCUE_BENCH_ROWS"

const benchDefaultRows = 1_000_000

// narrowRows fills a table as narrow as those with millions of rows are.
const narrowRows = `INSERT INTO narrow SELECT i, i %% 1000, 'item ' || i, '2024-01-01Z'::timestamptz + i * '1 s'::interval, i %% 3 = 0
	FROM generate_series(1, %d) i`

// BenchmarkMillionRows brings all rows of a narrow table back, by each route, and
// lets pg_dirtyread fetch the same rows in the live server:
//
//   - undelete joins the dead tuples with the WAL, and writes rows and ledger to files
//   - heap_rows decodes the dead tuples alone, as the peer does
//   - wal_rows replays the pages out of the WAL, and reads no relation file
func BenchmarkMillionRows(b *testing.B) {
	bench := buildCommands(b)
	bench.lose(b, benchNumber(b, benchRowsVariable, benchDefaultRows))
	bench.dumpCatalog(b)
	b.Run("undelete", func(b *testing.B) {
		bench.rows(b, "undelete", "--pgdata", bench.dataDir, "--xid", bench.xid, "--force", "-o", bench.output)
		rescued, err := os.ReadFile(filepath.Join(bench.output, "public.narrow.copy"))
		if lines := bytes.Count(rescued, []byte("\n")); err != nil || lines != bench.lost {
			b.Fatalf("%d rows of %d: %v", lines, bench.lost, err)
		}
	})
	b.Run("heap_rows", func(b *testing.B) {
		bench.printedRows(b, "heap", "rows", "--pgdata", bench.dataDir, "--table", "public.narrow", "--xid", bench.xid)
	})
	b.Run("wal_rows", func(b *testing.B) {
		bench.printedRows(b, "wal", "rows", bench.walDir, "--catalog", bench.catalog, "--xid", bench.xid)
	})
}

// lose makes the table, deletes every row of it, and measures the peer.
func (m *commandBench) lose(b *testing.B, rows int) {
	b.Helper()
	c := startForDirtyRead(b)
	clustertest.Exec(b, c, "postgres",
		"CREATE TABLE narrow (id bigint, n int, t text, at timestamptz, ok boolean)",
		fmt.Sprintf(narrowRows, rows), "CHECKPOINT")
	m.lost = rows
	m.xid = clustertest.Value(b, c, "postgres", "WITH gone AS (DELETE FROM narrow RETURNING 1) SELECT pg_current_xact_id() FROM gone LIMIT 1")
	m.measureDirtyRead(b, c, "postgres", "narrow")
	if m.dirtyRead > 0 {
		b.Logf("pg_dirtyread: %.0f rows a CPU second", float64(m.lost)/m.dirtyRead)
	}
	if err := c.Stop(context.Background(), cluster.Fast); err != nil {
		b.Fatal(err)
	}
	m.dataDir, m.walDir = c.DataDir(), c.WALDir()
}

// printedRows measures a command that prints the rows, and counts them.
func (m *commandBench) printedRows(b *testing.B, args ...string) {
	b.Helper()
	var own usage
	for b.Loop() {
		var printed countLines
		u := m.run(b, &printed, args...)
		if int(printed) != m.lost {
			b.Fatalf("%d rows of %d", printed, m.lost)
		}
		own.cpu, own.peakMiB = own.cpu+u.cpu, max(own.peakMiB, u.peakMiB)
	}
	m.reportRows(b, own)
}
