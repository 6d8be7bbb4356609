package undelete_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/heap"
	"github.com/pgrescue/pgrescue/recover/pg"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster/clustertest"
	"github.com/pgrescue/pgrescue/recover/undelete"
	"github.com/pgrescue/pgrescue/recover/wal"
	"github.com/pgrescue/pgrescue/recover/wal/xact"
)

// lossCase is one kind of loss in table t. The transaction to undo is the one
// that destroyed the most; every route has to give the doomed rows back.
type lossCase struct {
	name    string
	prepare []string
	doomed  string // query for the rows about to be destroyed; "": SELECT * FROM t
	loss    []string
	after   []string
	crash   bool // stop without a checkpoint, so that the files are behind the WAL
	// settings are lines of postgresql.conf.
	settings map[string]string
	initdb   []string
	// versions are those to play it on; none: one of all, so that each gets its share.
	versions []string
	// noWAL leaves the route from WAL alone out, with the reason.
	noWAL string
}

// standard fills t with rows in every form of storage: of the wide values, half are
// compressed and still do not fit into their row.
const standard = `CREATE TABLE t (id int PRIMARY KEY, n numeric, note text, wide text, j jsonb);
INSERT INTO t SELECT i, i/8.0, 'note ' || i, CASE WHEN i%10 = 0 THEN (SELECT string_agg(md5((i*100+g)::text) || repeat('x', i % 20 * 4), '') FROM generate_series(1, 200) g) END,
	jsonb_build_object('i', i, 'list', jsonb_build_array(i, NULL, 'ü')) FROM generate_series(1, 2000) i`

func cases() []lossCase {
	return []lossCase{
		{name: "delete", prepare: []string{standard}, loss: []string{"DELETE FROM t"}},
		{name: "delete, crashed before any checkpoint", prepare: []string{standard}, loss: []string{"DELETE FROM t"}, crash: true},
		{name: "delete, checkpoint in between, crashed", prepare: []string{standard, "CHECKPOINT", "UPDATE t SET n = n + 1 WHERE id % 2 = 0"}, loss: []string{"DELETE FROM t"}, crash: true},
		{
			name: "delete, vacuumed, space used again", prepare: []string{standard}, loss: []string{"DELETE FROM t"},
			after: []string{"VACUUM t", "INSERT INTO t SELECT i, 0, 'new', '', '{}' FROM generate_series(1, 3000) i"},
		},
		{name: "delete of rows older than the WAL's first checkpoint", prepare: []string{standard, "CHECKPOINT", "SELECT pg_switch_wal()", "CHECKPOINT"}, loss: []string{"DELETE FROM t"}},
		{name: "update", prepare: []string{standard}, loss: []string{"UPDATE t SET n = -1, note = 'overwritten'"}},
		{name: "update, crashed", prepare: []string{standard, "CHECKPOINT"}, loss: []string{"UPDATE t SET n = -1, j = '{}'"}, crash: true},
		{
			name: "update of values out of line", prepare: []string{standard}, doomed: "SELECT * FROM t WHERE wide IS NOT NULL",
			loss: []string{"UPDATE t SET wide = 'gone' WHERE wide IS NOT NULL"}, after: []string{"VACUUM t"},
		},
		{
			name: "update that leaves values out of line alone", prepare: []string{standard, "CHECKPOINT"}, doomed: "SELECT * FROM t WHERE wide IS NOT NULL",
			loss: []string{"UPDATE t SET note = 'other' WHERE wide IS NOT NULL"},
		},
		{name: "HOT chains", prepare: []string{
			`CREATE TABLE t (id int PRIMARY KEY, n int, pad text) WITH (fillfactor = 50)`,
			`INSERT INTO t SELECT i, 0, repeat('x', 40) FROM generate_series(1, 500) i`,
			"UPDATE t SET n = n + 1", "UPDATE t SET n = n + 1", "SELECT count(*) FROM t", "UPDATE t SET n = n + 1",
		}, loss: []string{"DELETE FROM t"}, after: []string{"VACUUM t"}},
		{name: "subtransactions, one rolled back", prepare: []string{standard}, doomed: "SELECT * FROM t WHERE id <= 1000 OR id > 1500", loss: []string{
			`BEGIN; DELETE FROM t WHERE id <= 500; SAVEPOINT a; DELETE FROM t WHERE id BETWEEN 501 AND 1000; SAVEPOINT b;
			DELETE FROM t WHERE id BETWEEN 1001 AND 1500; ROLLBACK TO b; DELETE FROM t WHERE id > 1500; COMMIT`,
		}},
		{name: "rolled back first, then done", prepare: []string{standard, "BEGIN; DELETE FROM t; ROLLBACK"}, loss: []string{"DELETE FROM t"}},
		{name: "columns added and dropped", prepare: []string{
			`CREATE TABLE t (id int PRIMARY KEY, gone text, kept text)`,
			`INSERT INTO t SELECT i, 'gone', 'kept ' || i FROM generate_series(1, 300) i`,
			`ALTER TABLE t DROP COLUMN gone`, `ALTER TABLE t ADD COLUMN late int DEFAULT 42`, `ALTER TABLE t ADD COLUMN stamp text DEFAULT 'mïssing'`,
			`INSERT INTO t SELECT i, 'kept ' || i, i, NULL FROM generate_series(301, 600) i`, `ALTER TABLE t ADD COLUMN last date`,
		}, loss: []string{"DELETE FROM t"}, after: []string{"VACUUM t"}},
		{name: "locked by two before", prepare: []string{
			standard,
			`BEGIN; SELECT * FROM t WHERE id < 500 FOR KEY SHARE; SAVEPOINT s; SELECT * FROM t WHERE id < 500 FOR UPDATE; COMMIT`,
		}, loss: []string{"DELETE FROM t"}},
		{
			name: "checksums and images with lz4", initdb: []string{"--data-checksums"}, settings: map[string]string{"wal_compression": "lz4"},
			versions: []string{"15"}, // the only one here that is built with it
			prepare:  []string{standard, "CHECKPOINT"}, loss: []string{"DELETE FROM t"}, after: []string{"VACUUM t"},
		},
		{
			name: "checksums, images with pglz, segments of 1 MB", initdb: []string{"--data-checksums", "--wal-segsize=1"},
			settings: map[string]string{"wal_compression": "pglz"}, versions: []string{"12", "17"},
			prepare: []string{standard, "CHECKPOINT"}, loss: []string{"DELETE FROM t"}, after: []string{"VACUUM t"},
		},
		{
			name: "wal_level logical, replica identity nothing, segments of 64 MB", initdb: []string{"--wal-segsize=64"},
			settings: map[string]string{"wal_level": "logical"}, versions: []string{"14", "18"},
			prepare: []string{standard, "ALTER TABLE t REPLICA IDENTITY NOTHING", "CHECKPOINT"}, loss: []string{"UPDATE t SET n = 0, wide = 'x'"}, crash: true,
		},
		{
			name: "wal_level logical, replica identity by an index", settings: map[string]string{"wal_level": "logical"}, versions: []string{"12", "16"},
			prepare: []string{standard, "CREATE UNIQUE INDEX u ON t (id); ALTER TABLE t REPLICA IDENTITY USING INDEX u", "CHECKPOINT"},
			loss:    []string{"UPDATE t SET id = id + 5000, wide = 'x'"}, after: []string{"VACUUM t"},
		},
		{
			name: "wal_level logical, replica identity full", settings: map[string]string{"wal_level": "logical"}, versions: []string{"13", "18"},
			prepare: []string{standard, "ALTER TABLE t REPLICA IDENTITY FULL"}, loss: []string{"UPDATE t SET n = 0", "DELETE FROM t"}, doomed: "SELECT id, 0 AS n, note, wide, j FROM t", after: []string{"VACUUM t"},
		},
		{name: "rewritten since, the former file is gone", prepare: []string{standard, "CHECKPOINT"}, loss: []string{"DELETE FROM t"}, after: []string{"VACUUM FULL t", "CHECKPOINT"}},
		{
			name: "no full-page images", settings: map[string]string{"full_page_writes": "off"}, versions: []string{"14", "16"}, prepare: []string{standard, "CHECKPOINT"},
			loss: []string{"DELETE FROM t"}, crash: true, noWAL: "without full-page images the pages' bases lie in the relation files",
		},
	}
}

func TestLossCases(t *testing.T) {
	t.Parallel()
	all := clustertest.Versions()
	for i, test := range cases() {
		versions := test.versions
		if len(versions) == 0 {
			versions = all[i%len(all) : i%len(all)+1]
		}
		for _, version := range versions {
			t.Run("pg"+version+" "+test.name, func(t *testing.T) {
				t.Parallel()
				test.check(t, version)
			})
		}
	}
}

// check plays the case on a server of a version and rescues by each route.
func (test *lossCase) check(t *testing.T, version string) {
	t.Helper()
	dir, doomed := test.play(t, version)
	xid := biggest(t, dir)
	for _, route := range []struct {
		name         string
		withoutFiles bool
	}{{"both routes", false}, {"wal alone", true}} {
		if route.withoutFiles && test.noWAL != "" {
			continue
		}
		r := run(t, undelete.Sources{DataDir: dir}, func(*undelete.Evidence) undelete.Request { return undelete.Request{XID: xid} }, route.withoutFiles)
		if !r.loss.Covered {
			t.Errorf("%s: ledger not covered: %s", route.name, r.loss.Uncovered)
		}
		if len(r.loss.Gaps) > 0 {
			t.Errorf("%s: gaps %+v", route.name, r.loss.Gaps)
		}
		for _, table := range r.loss.Tables() {
			if table.Balance.Missing+table.Balance.InPart > 0 {
				t.Errorf("%s: %+v", route.name, table.Balance)
			}
		}
		rows := r.rows["public.t"]
		for name, former := range r.rows {
			if strings.HasPrefix(name, "public.t (its former file ") {
				rows = former
			}
		}
		equalRows(t, test.name+", "+route.name, rows, doomed)
	}
}

// play makes the loss on a server of its own and returns a copy of its data
// directory, and the doomed rows as COPY gave them.
func (test *lossCase) play(t *testing.T, version string) (dir string, doomed []byte) {
	t.Helper()
	settings := map[string]string{"wal_keep_size": "2GB", "checkpoint_timeout": "1h"}
	for name, value := range test.settings {
		settings[name] = value
	}
	c := clustertest.Start(t, cluster.Options{Version: version, Initdb: test.initdb, Settings: settings})
	query := test.doomed
	if query == "" {
		query = "SELECT * FROM t"
	}
	scenario := cluster.Scenario{
		Name: test.name, Prepare: []cluster.Step{cluster.SQL("postgres", test.prepare...)},
		Doomed: map[string]string{"t": query},
		Loss:   []cluster.Step{cluster.SQL("postgres", test.loss...)}, After: []cluster.Step{cluster.SQL("postgres", test.after...)},
	}
	outcome, err := scenario.Run(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	mode := cluster.Fast
	if test.crash {
		mode = cluster.Immediate
	}
	if err := c.Stop(t.Context(), mode); err != nil {
		t.Fatal(err)
	}
	dir = filepath.Join(t.TempDir(), "data")
	if err := c.CopyDataDir(dir); err != nil {
		t.Fatal(err)
	}
	return dir, outcome.Doomed["t"]
}

// biggest names the committed transaction that destroyed the most; of equal
// ones the last.
func biggest(t *testing.T, dir string) pg.XID {
	t.Helper()
	archive, err := wal.OpenArchive([]string{dir}, wal.OpenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer archive.Close()
	result, err := xact.Collect(context.Background(), archive, xact.Options{
		Counts: func(rel pg.RelFileLocator) bool { return rel.Relation >= pg.RelFileNumber(pg.FirstNormalOID) },
	})
	if err != nil || len(result.Transactions) == 0 {
		t.Fatalf("no transactions: %v", err)
	}
	best := &result.Transactions[0]
	for i := range result.Transactions {
		tx := &result.Transactions[i]
		if tx.State == xact.Committed && tx.Destroyed() >= best.Destroyed() && tx.XID > best.XID {
			best = tx
		}
	}
	return best.XID
}

// TestRolledBackIsNotLost asks for a transaction that was rolled back.
func TestRolledBackIsNotLost(t *testing.T) {
	t.Parallel()
	test := lossCase{
		prepare: []string{standard, "CHECKPOINT"}, loss: []string{"BEGIN; DELETE FROM t; ROLLBACK"}, crash: true,
		after: []string{"CREATE TABLE flush ()"},
	} // a commit writes the log out, a rollback does not
	dir, _ := test.play(t, clustertest.DefaultVersion)
	ev, _, err := undelete.Open(context.Background(), undelete.Sources{DataDir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer ev.Close()
	archive, err := xact.Collect(context.Background(), ev.Archive, xact.Options{
		Counts: func(rel pg.RelFileLocator) bool { return rel.Relation >= pg.RelFileNumber(pg.FirstNormalOID) },
		Keep:   func(tx *xact.Transaction) bool { return tx.State == xact.Aborted && tx.Destroyed() >= 2000 },
	})
	if err != nil || len(archive.Transactions) != 1 {
		t.Fatalf("aborted transactions: %d, %v", len(archive.Transactions), err)
	}
	_, err = undelete.Find(context.Background(), ev, undelete.Request{XID: archive.Transactions[0].XID})
	if !errors.Is(err, undelete.ErrRolledBack) {
		t.Errorf("error %v", err)
	}
}

// TestDeadRowsEqualCopy reads dead tuples from the file alone, among rows that
// were merely locked, and rows whose delete was rolled back.
func TestDeadRowsEqualCopy(t *testing.T) {
	t.Parallel()
	for _, crash := range []bool{false, true} {
		test := lossCase{
			prepare: []string{
				standard, "BEGIN; SELECT * FROM t WHERE id > 1500 FOR UPDATE; COMMIT",
				"BEGIN; DELETE FROM t WHERE id > 1800; ROLLBACK", "CHECKPOINT",
			},
			doomed: "SELECT * FROM t WHERE id % 3 = 0", loss: []string{"DELETE FROM t WHERE id % 3 = 0"}, crash: crash,
		}
		if !crash {
			test.after = []string{"CHECKPOINT"}
		}
		dir, doomed := test.play(t, clustertest.DefaultVersion)
		ev, _, err := undelete.Open(context.Background(), undelete.Sources{DataDir: dir})
		if err != nil {
			t.Fatal(err)
		}
		defer ev.Close()
		db, err := ev.Snapshot.Database("postgres")
		if err != nil {
			t.Fatal(err)
		}
		rel, err := db.Table("public.t")
		if err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		w, err := evidence.NewWriter(evidence.FormatCopy, &out)
		if err != nil {
			t.Fatal(err)
		}
		result, err := undelete.DeadRows(context.Background(), ev, undelete.Target{Database: db, Relation: rel}, undelete.DeadRowsOptions{}, w)
		if err == nil {
			err = w.Flush()
		}
		if err != nil {
			t.Fatal(err)
		}
		if crash { // the deletes were not written: nothing is dead in the file yet
			if result.Dead != 0 || result.RolledBack == 0 {
				t.Errorf("crashed: %+v", result)
			}
			continue
		}
		equalRows(t, "t", out.Bytes(), doomed)
	}
}

// TestDamagedPage flips bytes of a page of a hurt table: with the WAL nothing is
// lost, without it the page's rows are missing, with the reason.
func TestDamagedPage(t *testing.T) {
	t.Parallel()
	test := lossCase{initdb: []string{"--data-checksums"}, prepare: []string{standard, "CHECKPOINT"}, loss: []string{"DELETE FROM t"}, after: []string{"CHECKPOINT"}}
	dir, doomed := test.play(t, clustertest.DefaultVersion)
	xid := biggest(t, dir)
	ev, _, err := undelete.Open(context.Background(), undelete.Sources{DataDir: dir})
	if err != nil {
		t.Fatal(err)
	}
	db, err := ev.Snapshot.Database("postgres")
	if err != nil {
		t.Fatal(err)
	}
	rel, err := db.Table("t")
	if err != nil {
		t.Fatal(err)
	}
	ev.Close()
	path, err := heap.RelationPath(dir, rel.File)
	if err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	copy(content[pg.BlockSize+4096:], strings.Repeat("torn", 1024)) // second half of block 1
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	r := run(t, undelete.Sources{DataDir: dir}, func(*undelete.Evidence) undelete.Request { return undelete.Request{XID: xid} }, false)
	equalRows(t, "t", r.rows["public.t"], doomed)
	if len(r.loss.Gaps) == 0 {
		t.Error("the torn page is not in the gaps")
	}
	heapOnly := run(t, undelete.Sources{DataDir: dir}, func(*undelete.Evidence) undelete.Request { return undelete.Request{XID: xid, NoWAL: true} }, false)
	b := heapOnly.loss.Tables()[0].Balance
	if b.Missing == 0 || b.Heap+b.Missing+b.InPart != 2000 {
		t.Errorf("heap alone: %+v", b)
	}
	subsetOf(t, "t", heapOnly.rows["public.t"], doomed)
}
