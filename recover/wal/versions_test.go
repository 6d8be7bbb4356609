//go:build unix

package wal_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/pgrescue/pgrescue/recover/pg"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster/clustertest"
	"github.com/pgrescue/pgrescue/recover/wal"
)

// The servers of these versions come without pg_waldump. From 16 on they have
// pg_walinspect, which names the block references as pg_waldump does.
func TestScanAgreesWithWalinspect(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		version  string
		initdb   []string
		settings map[string]string
	}{
		{"16", []string{"--wal-segsize=1"}, map[string]string{"wal_compression": "pglz"}},
		{"17", []string{"--data-checksums"}, map[string]string{"wal_level": "replica"}},
		{"18", []string{"--wal-segsize=64", "--no-data-checksums"}, map[string]string{"wal_compression": "pglz"}},
	} {
		t.Run("pg"+test.version, func(t *testing.T) {
			t.Parallel()
			settings := map[string]string{"wal_keep_size": "1GB", "wal_level": "logical"}
			for name, value := range test.settings {
				settings[name] = value
			}
			c := clustertest.Start(t, cluster.Options{Version: test.version, Initdb: test.initdb, Settings: settings})
			clustertest.Exec(t, c, "postgres", "CREATE EXTENSION pg_walinspect")
			from := currentLSN(t, c)
			clustertest.Exec(t, c, "postgres", manyKinds()...)
			to := currentLSN(t, c)
			want := strings.Split(strings.TrimSuffix(clustertest.CopyOut(t, c, "postgres", fmt.Sprintf(
				`SELECT start_lsn, end_lsn, prev_lsn, xid, left(resource_manager, 11), record_length, main_data_length, fpi_length, coalesce(ltrim(block_ref), '')
				FROM pg_get_wal_records_info('%s', '%s')`, from, to)), "\n"), "\n")
			if err := c.Stop(t.Context(), cluster.Fast); err != nil {
				t.Fatal(err)
			}
			var got []string
			visit(t, c.WALDir(), from, to, func(rec *wal.Record) { got = append(got, inspect(rec)) })
			if len(want) < 10000 {
				t.Errorf("pg_walinspect names %d records only", len(want))
			}
			sameRecords(t, got, want)
		})
	}
}

func currentLSN(t *testing.T, c *cluster.Cluster) pg.LSN {
	t.Helper()
	lsn, err := c.CurrentLSN(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return lsn
}

// inspect prints a record as the query on pg_walinspect does.
func inspect(rec *wal.Record) string {
	images := 0
	var blocks []string
	for i := range rec.Blocks {
		images += len(rec.Blocks[i].Image.Stored)
		blocks = append(blocks, describeBlock(&rec.Blocks[i]))
	}
	manager := rec.Rmgr.String()
	return fmt.Sprintf("%s\t%s\t%s\t%d\t%s\t%d\t%d\t%d\t%s", rec.LSN, rec.End, rec.Prev, rec.XID, manager[:min(len(manager), 11)],
		rec.Length, len(rec.Main), images, strings.Join(blocks, " "))
}

// visit scans a stretch of a log that is sound.
func visit(t *testing.T, dir string, from, to pg.LSN, see func(*wal.Record)) {
	t.Helper()
	a, err := wal.OpenArchive([]string{dir}, wal.OpenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close() //nolint:errcheck // opened for reading only
	gaps := a.Gaps()
	err = wal.Scan(context.Background(), a, wal.ScanOptions{Workers: 1, From: from, To: to}, func() *struct{} { return &struct{}{} },
		func(_ *struct{}, rec *wal.Record) error { see(rec); return nil },
		func(_ *struct{}, span *wal.Span) error { gaps = append(gaps, span.Gaps...); return nil })
	if err != nil {
		t.Fatal(err)
	}
	if len(gaps) > 0 {
		t.Errorf("gaps in a sound log: %v", gaps)
	}
}

// walCounts is what EXPLAIN tells of a statement's WAL.
type walCounts struct {
	Records int `json:"WAL Records"`
	Images  int `json:"WAL FPI"`
	Bytes   int `json:"WAL Bytes"`
}

// explained runs a statement.
func explained(t *testing.T, c *cluster.Cluster, sql string) walCounts {
	t.Helper()
	var plans []struct{ Plan walCounts }
	text := clustertest.Value(t, c, "postgres", "EXPLAIN (ANALYZE, WAL, FORMAT json) "+sql)
	if err := json.Unmarshal([]byte(text), &plans); err != nil || len(plans) != 1 {
		t.Fatalf("%v in %s", err, text)
	}
	return plans[0].Plan
}

// 13 and 14 have neither tool, but EXPLAIN counts the WAL of a statement.
func TestScanAgreesWithExplain(t *testing.T) {
	t.Parallel()
	for _, version := range []string{"13", "14"} {
		t.Run("pg"+version, func(t *testing.T) {
			t.Parallel()
			c := clustertest.Start(t, cluster.Options{Version: version, Settings: map[string]string{"wal_compression": "pglz", "wal_keep_size": "1GB"}})
			clustertest.Exec(t, c, "postgres",
				"CREATE TABLE t AS SELECT i, repeat(md5(i::text), i % 30) AS a FROM generate_series(1, 5000) i", "CREATE INDEX ON t (i)", "CREATE INDEX ON t USING hash (a)",
				"CHECKPOINT")
			want := make(map[pg.LSN]walCounts) // by where the statement's records begin
			ends := make(map[pg.LSN]pg.LSN)
			for _, sql := range []string{
				"UPDATE t SET i = i + 1 WHERE i % 3 = 0", "DELETE FROM t WHERE i % 5 = 0", "INSERT INTO t SELECT i, repeat('x', 50) FROM generate_series(1, 3000) i",
			} {
				from := currentLSN(t, c)
				want[from] = explained(t, c, sql)
				ends[from] = currentLSN(t, c)
			}
			if err := c.Stop(t.Context(), cluster.Fast); err != nil {
				t.Fatal(err)
			}
			images := 0
			for from, n := range want {
				images += n.Images
				var got walCounts
				visit(t, c.WALDir(), from, ends[from], func(rec *wal.Record) {
					if len(rec.Blocks) == 0 || rec.Blocks[0].Relation.Relation < pg.RelFileNumber(pg.FirstNormalOID) {
						return // not of the statement itself: its commit, what reading catalogs wrote
					}
					got.Records++
					got.Bytes += int(rec.Length)
					for i := range rec.Blocks {
						if rec.Blocks[i].HasImage {
							got.Images++
						}
					}
				})
				if got != n {
					t.Errorf("from %s: got %+v, EXPLAIN says %+v", from, got, n)
				}
			}
			if images == 0 {
				t.Error("the statements made no image")
			}
		})
	}
}
