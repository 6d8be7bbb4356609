package undelete_test

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/pg"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster/clustertest"
	"github.com/pgrescue/pgrescue/recover/undelete"
)

// witness records every destroyed version in a table of its own, in the same
// transaction: what is rolled back there is rolled back here.
const witness = `
CREATE TABLE t (id int PRIMARY KEY, n numeric, note text, wide text, j jsonb) WITH (fillfactor = 80);
CREATE TABLE gone (xid bigint, LIKE t);
CREATE FUNCTION witness() RETURNS trigger LANGUAGE plpgsql AS
	'BEGIN INSERT INTO gone VALUES (txid_current(), OLD.*); RETURN NULL; END';
CREATE TRIGGER witness AFTER UPDATE OR DELETE ON t FOR EACH ROW EXECUTE FUNCTION witness();
INSERT INTO t SELECT i, i / 8.0, 'note ' || i, CASE WHEN i % 15 = 0 THEN (SELECT string_agg(md5((i*100+g)::text), '') FROM generate_series(1, 150) g) END,
	jsonb_build_object('i', i) FROM generate_series(1, 1200) i;
CHECKPOINT`

// TestRandomLosses lets sessions change a table at random, with savepoints,
// rollbacks, locks, vacuums and checkpoints, stops the server at once, and then
// rescues what each committed transaction destroyed, one by one.
func TestRandomLosses(t *testing.T) {
	t.Parallel()
	clustertest.EachVersion(t, func(t *testing.T, version string) {
		t.Parallel()
		seed, err := strconv.ParseUint(version, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		dir, doomed := randomLife(t, version, seed)
		if len(doomed) < 30 {
			t.Fatalf("only %d transactions destroyed something", len(doomed))
		}
		for _, withoutFiles := range []bool{false, true} {
			rescueEach(t, dir, doomed, withoutFiles)
		}
	})
}

// randomLife runs the sessions and returns the data directory, and what each
// committed transaction destroyed, as COPY's text.
func randomLife(t *testing.T, version string, seed uint64) (dir string, doomed map[pg.XID][]byte) {
	t.Helper()
	c := clustertest.Start(t, cluster.Options{Version: version, Settings: map[string]string{
		"wal_keep_size": "2GB", "checkpoint_timeout": "1h", "deadlock_timeout": "50ms",
	}})
	clustertest.Exec(t, c, "postgres", strings.Split(witness, ";\n")...)
	var sessions sync.WaitGroup
	for worker := range uint64(4) {
		sessions.Go(func() {
			conn, err := c.Connect(t.Context(), "postgres")
			if err != nil {
				t.Error(err)
				return
			}
			defer conn.Close(context.Background())
			random := rand.New(rand.NewPCG(seed, worker))
			for range 40 {
				if worker == 0 {
					maintain(t, conn, random)
				} else {
					transact(t, conn, random)
				}
			}
		})
	}
	sessions.Wait()
	clustertest.Exec(t, c, "postgres", "CREATE TABLE flush ()") // so that the last commits are in the WAL
	doomed = make(map[pg.XID][]byte)
	list := clustertest.Value(t, c, "postgres", "SELECT coalesce(string_agg(DISTINCT xid::text, ' '), '') FROM gone")
	for text := range strings.FieldsSeq(list) {
		xid, err := strconv.ParseUint(text, 10, 32)
		if err != nil {
			t.Fatal(err)
		}
		doomed[pg.XID(xid)] = []byte(clustertest.CopyOut(t, c, "postgres", "SELECT id, n, note, wide, j FROM gone WHERE xid = "+text))
	}
	if err := c.Crash(t.Context()); err != nil {
		t.Fatal(err)
	}
	dir = filepath.Join(t.TempDir(), "data")
	if err := c.CopyDataDir(dir); err != nil {
		t.Fatal(err)
	}
	return dir, doomed
}

// maintain does what happens to a table beside the application.
func maintain(t *testing.T, conn *pgx.Conn, random *rand.Rand) {
	statement := []string{"VACUUM t", "CHECKPOINT", "SELECT count(*) FROM t", "VACUUM (FREEZE) t", "SELECT pg_switch_wal()", "SELECT pg_sleep(0)"}[random.IntN(6)]
	if _, err := conn.Exec(t.Context(), statement); err != nil {
		t.Errorf("%s: %v", statement, err)
	}
}

// transact runs one transaction. Sessions get into each other's way; a statement
// that fails ends its transaction by a rollback.
func transact(t *testing.T, conn *pgx.Conn, random *rand.Rand) {
	ctx := t.Context()
	var statements []string
	open := 0
	for range 1 + random.IntN(5) {
		switch kind := random.IntN(8); {
		case kind == 0:
			open++
			statements = append(statements, fmt.Sprintf("SAVEPOINT s%d", open))
		case kind == 1 && open > 0:
			statements = append(statements, fmt.Sprintf("ROLLBACK TO s%d", open))
		default:
			statements = append(statements, change(random))
		}
	}
	end := "COMMIT"
	if random.IntN(5) == 0 {
		end = "ROLLBACK"
	}
	if _, err := conn.Exec(ctx, "BEGIN"); err != nil {
		t.Error(err)
		return
	}
	for _, statement := range statements {
		if _, err := conn.Exec(ctx, statement); err != nil {
			end = "ROLLBACK"
			break
		}
	}
	if _, err := conn.Exec(ctx, end); err != nil {
		t.Error(err)
	}
}

// change is one statement on a few rows.
func change(random *rand.Rand) string {
	from := 1 + random.IntN(1200)
	to := from + random.IntN(40)
	return fmt.Sprintf([]string{
		"UPDATE t SET n = n + 1 WHERE id BETWEEN %d AND %d",
		"UPDATE t SET note = repeat('y', id %% 300) WHERE id BETWEEN %d AND %d",
		"UPDATE t SET wide = (SELECT string_agg(md5((id+g)::text), '') FROM generate_series(1, 120) g) WHERE id BETWEEN %d AND %d",
		"UPDATE t SET wide = NULL, j = j || '{\"k\": [1, null]}' WHERE id BETWEEN %d AND %d",
		"DELETE FROM t WHERE id BETWEEN %d AND %d",
		"INSERT INTO t SELECT i, 0, 'again', NULL, '{}' FROM generate_series(%d, %d) i ON CONFLICT (id) DO UPDATE SET note = 'conflict'",
		"INSERT INTO t SELECT i, 0, 'back', repeat('w', 5000), NULL FROM generate_series(%d, %d) i ON CONFLICT DO NOTHING",
		"SELECT id FROM t WHERE id BETWEEN %d AND %d FOR UPDATE",
		"SELECT id FROM t WHERE id BETWEEN %d AND %d FOR KEY SHARE",
	}[random.IntN(9)], from, to)
}

// rescueEach rescues each transaction on its own and compares with the witness.
func rescueEach(t *testing.T, dir string, doomed map[pg.XID][]byte, withoutFiles bool) {
	t.Helper()
	ctx := context.Background()
	ev, gaps, err := undelete.Open(ctx, undelete.Sources{DataDir: dir})
	if err != nil || len(gaps) > 0 {
		t.Fatalf("open: %v %v", err, gaps)
	}
	defer ev.Close()
	if withoutFiles {
		ev.DataDir = ""
	}
	db, err := ev.Snapshot.Database("postgres")
	if err != nil {
		t.Fatal(err)
	}
	rel, err := db.Table("t")
	if err != nil {
		t.Fatal(err)
	}
	for i, xid := range slices.Sorted(maps.Keys(doomed)) {
		if testing.Short() && i%4 != 0 { // the race detector sees the same goroutines in each
			continue
		}
		want := doomed[xid]
		loss, err := undelete.Find(ctx, ev, undelete.Request{XID: xid, Tables: []undelete.Target{{Database: db, Relation: rel}}})
		if err == nil {
			err = loss.Settle(ctx)
		}
		var out bytes.Buffer
		w, _ := evidence.NewWriter(evidence.FormatCopy, &out)
		if err == nil {
			err = loss.Recover(ctx, func(*undelete.Table) (evidence.Sink, error) { return w, nil })
		}
		if err == nil {
			err = w.Flush()
		}
		if err != nil {
			t.Fatalf("transaction %d: %v", xid, err)
		}
		equalRows(t, fmt.Sprintf("transaction %d, without files %t", xid, withoutFiles), out.Bytes(), want)
		if b := loss.Tables()[0].Balance; !loss.Covered || b.Settled() != b.Lost {
			t.Errorf("transaction %d, without files %t: %+v, covered %t %s", xid, withoutFiles, b, loss.Covered, loss.Uncovered)
		}
		if err := loss.Close(); err != nil {
			t.Error(err)
		}
	}
}
