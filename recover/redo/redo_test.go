package redo_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"strconv"
	"testing"

	"github.com/pgrescue/pgrescue/recover/heap"
	"github.com/pgrescue/pgrescue/recover/pg"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster/clustertest"
	"github.com/pgrescue/pgrescue/recover/redo"
	"github.com/pgrescue/pgrescue/recover/wal"
)

// workload touches every heap record that an ordinary table can see.
var workload = []string{
	`CREATE TABLE t (id int PRIMARY KEY, n int, note text, pad text) WITH (fillfactor = 70)`,
	`CREATE TABLE c (id int REFERENCES t ON DELETE CASCADE, v text)`,
	`INSERT INTO t SELECT i, i, 'note ' || i, repeat('x', i % 200) FROM generate_series(1, 4000) i`,
	`INSERT INTO c SELECT i, 'child ' || i FROM generate_series(1, 4000) i`,
	`CHECKPOINT`,
	`UPDATE t SET n = n + 1 WHERE id % 3 = 0`,                  // HOT, prefix and suffix from the old version
	`UPDATE t SET pad = repeat('y', 900) WHERE id % 7 = 0`,     // to other pages
	`UPDATE t SET note = NULL, pad = '' WHERE id % 11 = 0`,     // null bitmap appears
	`SELECT count(*) FROM t`,                                   // prunes
	`BEGIN; SELECT * FROM t WHERE id < 300 FOR UPDATE; COMMIT`, // locks
	`BEGIN; SELECT * FROM t WHERE id < 200 FOR SHARE; UPDATE t SET n = 0 WHERE id < 50; COMMIT`,
	`DELETE FROM t WHERE id % 13 = 0`,
	`ALTER TABLE t REPLICA IDENTITY FULL`, // the old tuple comes along at wal_level logical
	`BEGIN; DELETE FROM t WHERE id % 17 = 0; SAVEPOINT s; DELETE FROM t WHERE id % 19 = 0; ROLLBACK TO s; COMMIT`,
	`BEGIN; UPDATE t SET n = -1 WHERE id % 23 = 0; ROLLBACK`,
	`ALTER TABLE t REPLICA IDENTITY NOTHING`,
	`INSERT INTO t VALUES (1, 1, 'conflict', '') ON CONFLICT (id) DO UPDATE SET note = 'again'`,
	`INSERT INTO t VALUES (9001, 1, 'speculative', '') ON CONFLICT (id) DO NOTHING`,
	`VACUUM t`,
	`INSERT INTO t SELECT i, i, 'late ' || i, repeat('z', i % 100) FROM generate_series(10000, 11000) i`,
	`ALTER TABLE t REPLICA IDENTITY USING INDEX t_pkey`,
	`VACUUM (FREEZE) c`,
	`ALTER TABLE t ADD COLUMN extra int DEFAULT 7`,
	`UPDATE t SET extra = 8 WHERE id % 29 = 0`,
	`TRUNCATE c`,
	`INSERT INTO c SELECT i, 'anew ' || i FROM generate_series(10000, 10500) i`,
	`COPY c FROM PROGRAM 'seq 10501 11000 | sed "s/$/,copied/"' WITH (DELIMITER ',')`,
	`DELETE FROM c WHERE id % 40 = 0`,
	`COPY c FROM PROGRAM 'seq 10501 10700 | sed "s/$/,copied into pages that hold some/"' WITH (DELIMITER ',')`,
	`BEGIN; TRUNCATE c; COPY c FROM PROGRAM 'seq 10001 10900 | sed "s/$/,frozen/"' WITH (DELIMITER ',', FREEZE); COMMIT`,
	`DELETE FROM c WHERE id % 30 = 0`,
	`SELECT count(*) FROM t`,
	`BEGIN; SELECT * FROM t WHERE id % 37 = 0 FOR KEY SHARE; SAVEPOINT s; UPDATE t SET n = n + 2 WHERE id % 37 = 0; COMMIT`, // multixacts
	`VACUUM (FREEZE) t`,
	`UPDATE c SET v = v || '!' WHERE id % 7 = 0`,
	`VACUUM (FREEZE) c`,
	`BEGIN; SAVEPOINT s; SELECT * FROM t WHERE id % 31 = 0 FOR UPDATE; ROLLBACK TO s; UPDATE t SET n = n - 1 WHERE id % 5 = 0; COMMIT`,
}

// operations are the records that the workload has to make on each version,
// beside those that compact and freeze pages.
var operations = []wal.HeapOp{
	wal.HeapInsert, wal.HeapMultiInsert, wal.HeapDelete, wal.HeapUpdate, wal.HeapHotUpdate, wal.HeapLock, wal.HeapConfirm, wal.HeapInplace,
}

// TestReplayEqualsServer replays a table's whole life from WAL and compares
// each page with the one that PostgreSQL wrote. Each version meets some of the
// options, each option at least two versions; lz4 and zstd are built into 15 only.
func TestReplayEqualsServer(t *testing.T) {
	t.Parallel()
	prune15 := []wal.HeapOp{wal.HeapPrune, wal.HeapVacuum, wal.HeapFreezeEach}
	for _, test := range []struct {
		version, name string
		initdb        []string
		settings      map[string]string
		compact       []wal.HeapOp // the records of this version that compact and freeze pages
	}{
		{
			"12", "checksums, pglz, segments of 1 MB",
			[]string{"--data-checksums", "--wal-segsize=1"},
			map[string]string{"wal_compression": "pglz"},
			[]wal.HeapOp{wal.HeapClean, wal.HeapFreezeEach},
		},
		{
			"13", "logical, segments of 64 MB",
			[]string{"--wal-segsize=64"},
			map[string]string{"wal_level": "logical"},
			[]wal.HeapOp{wal.HeapClean, wal.HeapFreezeEach},
		},
		{
			"14", "consistency images", nil,
			map[string]string{"wal_consistency_checking": "heap,heap2"},
			[]wal.HeapOp{wal.HeapPruneIn14, wal.HeapVacuum, wal.HeapFreezeEach},
		},
		{"15", "plain", nil, nil, prune15},
		{"15", "logical, checksums, lz4", []string{"--data-checksums"}, map[string]string{"wal_level": "logical", "wal_compression": "lz4"}, prune15},
		{"15", "zstd, hints", nil, map[string]string{"wal_compression": "zstd", "wal_log_hints": "on"}, prune15},
		{
			"16", "pglz, segments of 64 MB",
			[]string{"--wal-segsize=64"},
			map[string]string{"wal_compression": "pglz"},
			[]wal.HeapOp{wal.HeapPrune, wal.HeapVacuum, wal.HeapFreezePlans},
		},
		{
			"17", "logical, checksums, segments of 1 MB",
			[]string{"--data-checksums", "--wal-segsize=1"},
			map[string]string{"wal_level": "logical"},
			[]wal.HeapOp{wal.HeapPruneFreeze},
		},
		{
			"18", "pglz, hints, consistency images",
			[]string{"--no-data-checksums"},
			map[string]string{"wal_compression": "pglz", "wal_log_hints": "on", "wal_consistency_checking": "heap,heap2"},
			[]wal.HeapOp{wal.HeapPruneFreeze},
		},
	} {
		t.Run("pg"+test.version+" "+test.name, func(t *testing.T) {
			t.Parallel()
			settings := map[string]string{"wal_keep_size": "10GB", "checkpoint_timeout": "1h"}
			for name, value := range test.settings {
				settings[name] = value
			}
			c := clustertest.Start(t, cluster.Options{Version: test.version, Initdb: test.initdb, Settings: settings})
			ctx := t.Context()
			if err := c.Exec(ctx, "postgres", workload...); err != nil {
				t.Fatal(err)
			}
			files := relationFiles(t, c, "t", "c", "pg_class")
			if err := c.Stop(ctx, cluster.Fast); err != nil {
				t.Fatal(err)
			}
			compareWithFiles(t, c.DataDir(), files)
			done := replayed(t, c.DataDir(), files)
			for _, op := range slices.Concat(operations, test.compact) {
				if done[op] == 0 {
					t.Errorf("the workload made no record of operation %d that carries no image: %v", op, done)
				}
			}
		})
	}
}

// replayed counts the records of each operation that have to be applied, since no image stands for them.
func replayed(t *testing.T, dataDir string, files []pg.RelFileLocator) map[wal.HeapOp]int {
	t.Helper()
	archive, err := wal.OpenArchive([]string{dataDir}, wal.OpenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer archive.Close()
	done := make(map[wal.HeapOp]int)
	err = wal.Scan(context.Background(), archive, wal.ScanOptions{Workers: 1, Rmgrs: wal.Rmgrs(wal.RmgrHeap, wal.RmgrHeap2)},
		func() *struct{} { return &struct{}{} },
		func(_ *struct{}, rec *wal.Record) error {
			for i := range rec.Blocks {
				if b := &rec.Blocks[i]; slices.Contains(files, b.Relation) && b.Fork == pg.ForkMain && (!b.HasImage || !b.Apply) {
					done[rec.HeapOp()]++
				}
			}
			return nil
		}, func(*struct{}, *wal.Span) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	return done
}

func relationFiles(t *testing.T, c *cluster.Cluster, tables ...string) []pg.RelFileLocator {
	t.Helper()
	var files []pg.RelFileLocator
	for _, table := range tables {
		file := number(t, c, fmt.Sprintf("SELECT pg_relation_filenode('%s')", table))
		db := number(t, c, "SELECT oid FROM pg_database WHERE datname = current_database()")
		files = append(files, pg.RelFileLocator{Tablespace: pg.DefaultTablespace, Database: pg.OID(db), Relation: pg.RelFileNumber(file)})
	}
	return files
}

func number(t *testing.T, c *cluster.Cluster, query string) uint64 {
	t.Helper()
	text, err := c.Value(t.Context(), "postgres", query)
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.ParseUint(text, 10, 32)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func compareWithFiles(t *testing.T, dataDir string, files []pg.RelFileLocator) {
	t.Helper()
	archive, err := wal.OpenArchive([]string{dataDir}, wal.OpenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer archive.Close()
	wanted := make(map[pg.RelFileLocator]bool)
	for _, file := range files {
		wanted[file] = true
	}
	result, err := redo.Replay(context.Background(), archive, redo.Options{
		Wants:       func(key redo.PageKey) bool { return wanted[key.Relation] },
		MemoryPages: 16, // so that most pages go through the temporary file
	})
	if err != nil {
		t.Fatal(err)
	}
	defer result.Close()
	if len(result.Gaps) > 0 {
		t.Errorf("gaps: %v", result.Gaps)
	}
	pages := 0
	for _, file := range files {
		rel, err := heap.OpenRelation(dataDir, file)
		if err != nil {
			t.Fatal(err)
		}
		err = rel.Pages(context.Background(), func(block pg.BlockNumber, want heap.Page) error {
			got, ok := result.Known(redo.PageKey{Relation: file, Block: block})
			if !ok && file.Relation < pg.RelFileNumber(pg.FirstNormalOID) {
				return nil // initdb wrote the page before there was a log
			}
			if !ok {
				t.Errorf("%s block %d: not known after replay", file, block)
				return nil
			}
			pages++
			if g, w := masked(t, got), masked(t, want); !bytes.Equal(g, w) {
				t.Errorf("%s block %d differs at byte %d", file, block, firstDifference(g, w))
			}
			return nil
		})
		rel.Close()
		if err != nil {
			t.Fatal(err)
		}
	}
	if pages < 20 {
		t.Errorf("compared %d pages only", pages)
	}
}

func firstDifference(a, b []byte) int {
	for i := range a {
		if a[i] != b[i] {
			return i
		}
	}
	return -1
}

// masked blanks what replay cannot know or PostgreSQL does not log: LSN and
// checksum, hint bits, the hole, command ids (heap_mask in heapam.c does the same).
func masked(t *testing.T, original heap.Page) heap.Page {
	t.Helper()
	p := bytes.Clone(original)
	h, err := heap.Page(p).Header()
	if err != nil {
		t.Fatalf("page header: %v", err)
	}
	clear(p[0:12])  // LSN, checksum, flags: all of them hints, but for all-visible
	clear(p[20:24]) // prune xid
	clear(p[h.Lower:h.Upper])
	for offset := pg.OffsetNumber(1); offset <= h.NumLinePointers(); offset++ {
		lp := heap.Page(p).LinePointer(offset)
		if lp.State != heap.Normal {
			continue
		}
		tuple := p[lp.Offset : lp.Offset+lp.Length]
		mask := binary.LittleEndian.Uint16(tuple[20:])
		if mask&heap.XminFrozen != heap.XminFrozen {
			mask &^= heap.XminFrozen
		}
		mask &^= heap.XmaxCommitted | heap.XmaxInvalid | heap.ComboCID
		binary.LittleEndian.PutUint16(tuple[20:], mask)
		clear(tuple[8:12]) // command id
		for i := int(lp.Offset) + int(lp.Length); i%8 != 0; i++ {
			p[i] = 0 // padding
		}
	}
	return p
}
