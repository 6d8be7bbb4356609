package heap_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/pgrescue/pgrescue/recover/heap"
	"github.com/pgrescue/pgrescue/recover/pg"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster/clustertest"
)

func parseUint32(t *testing.T, text string) uint32 {
	t.Helper()
	n, err := strconv.ParseUint(text, 10, 32)
	if err != nil {
		t.Fatal(err)
	}
	return uint32(n)
}

// Every transaction of a real server must have the state that the server
// itself reports: commits, aborts, subtransactions of both, over several pages.
func TestXactLogAgreesWithServer(t *testing.T) {
	t.Parallel()
	clustertest.EachVersion(t, func(t *testing.T, version string) {
		t.Parallel()
		xactLogAgrees(t, clustertest.Start(t, cluster.Options{Version: version}))
	})
}

func xactLogAgrees(t *testing.T, c *cluster.Cluster) {
	t.Helper()
	clustertest.Exec(t, c, "postgres",
		"CREATE TABLE t (i int)",
		"BEGIN; INSERT INTO t VALUES (1); ROLLBACK",
		"BEGIN; INSERT INTO t VALUES (2); SAVEPOINT a; INSERT INTO t VALUES (3); ROLLBACK TO a; SAVEPOINT b; INSERT INTO t VALUES (4); COMMIT",
		"BEGIN; SAVEPOINT a; INSERT INTO t VALUES (5); SAVEPOINT b; INSERT INTO t VALUES (6); RELEASE b; ROLLBACK",
		// Each turn burns two transaction ids, one of which aborts: more than one page of the log.
		`DO $$ BEGIN FOR i IN 1..17000 LOOP
			BEGIN PERFORM txid_current(); INSERT INTO t VALUES (i); RAISE EXCEPTION 'x'; EXCEPTION WHEN raise_exception THEN NULL; END;
			BEGIN INSERT INTO t VALUES (i); EXCEPTION WHEN raise_exception THEN NULL; END;
		END LOOP; END $$`,
		"BEGIN; INSERT INTO t VALUES (7); PREPARE TRANSACTION 'open'", "CHECKPOINT")
	// txid_status looks up one xid after the other; the oldest it may be asked for is in pg_control.
	want := clustertest.CopyOut(t, c, "postgres", `SELECT x, coalesce(txid_status(x), 'unknown')
		FROM generate_series((SELECT oldest_xid::text::bigint FROM pg_control_checkpoint()),
			(SELECT max(transaction::text::bigint) FROM pg_prepared_xacts)) x`)
	if err := c.Stop(t.Context(), cluster.Fast); err != nil {
		t.Fatal(err)
	}
	log, err := heap.DataDir{Path: c.DataDir()}.OpenXactLog()
	if err != nil {
		t.Fatal(err)
	}
	counts := map[string]int{}
	lines := strings.Split(strings.TrimSpace(want), "\n")
	for _, line := range lines {
		id, state, _ := strings.Cut(line, "\t")
		if got := log.Status(pg.XID(parseUint32(t, id))).String(); got != state {
			t.Errorf("transaction %s: got %s, want %s", id, got, state)
		}
		counts[state]++
	}
	if len(lines) < 34000 || counts["committed"] < 17000 || counts["aborted"] < 17000 || counts["in progress"] != 1 {
		t.Errorf("the server did too little to test with: %v", counts)
	}
	for xid, want := range map[pg.XID]heap.XactStatus{
		pg.InvalidXID: heap.XactAborted, pg.BootstrapXID: heap.XactCommitted, pg.FrozenXID: heap.XactCommitted,
		4000000000: heap.XactUnknown,
	} {
		if got := log.Status(xid); got != want {
			t.Errorf("transaction %d: got %s, want %s", xid, got, want)
		}
	}
}

func TestXactLogDamage(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if _, err := (heap.DataDir{Path: dir}).OpenXactLog(); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("missing: got %v", err)
	}
	writeFile(t, filepath.Join(dir, "pg_xact", "0000"), make([]byte, pg.BlockSize+10))
	writeFile(t, filepath.Join(dir, "pg_xact", "0001"), []byte{0x01 | 0x02<<2 | 0x03<<4})
	log, err := heap.DataDir{Path: dir}.OpenXactLog()
	if err != nil {
		t.Fatal(err)
	}
	const perFile = 32 * 8192 * 4
	for xid, want := range map[pg.XID]heap.XactStatus{
		3: heap.XactInProgress, 8192 * 4: heap.XactUnknown, perFile: heap.XactUnknown, 2 * perFile: heap.XactUnknown,
	} {
		if got := log.Status(xid); got != want {
			t.Errorf("transaction %d: got %s, want %s", xid, got, want)
		}
	}
	page := make([]byte, pg.BlockSize)
	page[0] = 0x01 | 0x02<<2 | 0x03<<4
	writeFile(t, filepath.Join(dir, "pg_xact", "0ABC"), page)
	for i, want := range []heap.XactStatus{heap.XactCommitted, heap.XactAborted, heap.XactSubCommitted, heap.XactInProgress} {
		if got := log.Status(pg.XID(0xABC*perFile + i)); got != want {
			t.Errorf("state %d: got %s, want %s", i, got, want)
		}
	}
}

func writeFile(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// Multixacts of a real server, with lockers and updaters, must have the members
// that pg_get_multixact_members gives.
func TestMultiXactAgreesWithServer(t *testing.T) {
	t.Parallel()
	clustertest.EachVersion(t, func(t *testing.T, version string) {
		t.Parallel()
		multiXactAgrees(t, clustertest.Start(t, cluster.Options{Version: version}))
	})
}

func multiXactAgrees(t *testing.T, c *cluster.Cluster) {
	t.Helper()
	clustertest.Exec(t, c, "postgres", "CREATE EXTENSION pageinspect", "CREATE TABLE t (id int PRIMARY KEY, v int)", "INSERT INTO t SELECT i, 0 FROM generate_series(1, 3000) i")
	ctx := context.WithoutCancel(t.Context())
	var sessions []*pgx.Conn
	for _, sql := range []string{
		"SELECT FROM t WHERE id % 3 = 0 FOR KEY SHARE",
		"SELECT FROM t WHERE id % 5 <> 0 FOR KEY SHARE",
		"SELECT FROM t WHERE id % 7 = 0 FOR SHARE",
		"UPDATE t SET v = v + 1 WHERE id % 7 <> 0",
	} {
		conn, err := c.Connect(ctx, "postgres")
		if err != nil {
			t.Fatal(err)
		}
		sessions = append(sessions, conn)
		if _, err := conn.Exec(ctx, "BEGIN"); err != nil {
			t.Fatal(err)
		}
		// One row after the other, each in a subtransaction of its own, makes many different multixacts.
		sql = strings.ReplaceAll(sql, "WHERE", "WHERE id = i AND")
		sql = strings.ReplaceAll(sql, "SELECT", "PERFORM")
		block := fmt.Sprintf("DO $$ BEGIN FOR i IN 1..3000 LOOP BEGIN %s; EXCEPTION WHEN raise_exception THEN NULL; END; END LOOP; END $$", sql)
		if _, err := conn.Exec(ctx, block); err != nil {
			t.Fatal(err)
		}
	}
	for _, conn := range sessions {
		if _, err := conn.Exec(ctx, "COMMIT"); err != nil {
			t.Fatal(err)
		}
		if err := conn.Close(ctx); err != nil {
			t.Fatal(err)
		}
	}
	clustertest.Exec(t, c, "postgres", "CHECKPOINT")
	want := clustertest.CopyOut(t, c, "postgres", `SELECT m, string_agg(xid || ' ' || mode, ',' ORDER BY xid::text::int)
		FROM generate_series(1, (SELECT next_multixact_id::text::int - 1 FROM pg_control_checkpoint())) m,
		LATERAL pg_get_multixact_members(m::text::xid) GROUP BY m ORDER BY m`)
	if err := c.Stop(t.Context(), cluster.Fast); err != nil {
		t.Fatal(err)
	}
	compareMultiXacts(t, c.DataDir(), want)
}

func compareMultiXacts(t *testing.T, dataDir, want string) {
	t.Helper()
	multi, err := heap.DataDir{Path: dataDir}.OpenMultiXact()
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(want), "\n")
	updates := 0
	for _, line := range lines {
		id, members, _ := strings.Cut(line, "\t")
		mxid := pg.XID(parseUint32(t, id))
		got, err := multi.Members(mxid)
		if err != nil {
			t.Fatal(err)
		}
		var texts []string
		var updater pg.XID
		for _, m := range got {
			texts = append(texts, fmt.Sprintf("%d %s", m.XID, m.Status))
			if m.Status.Updates() {
				updater = m.XID
				updates++
			}
		}
		if text := strings.Join(texts, ","); text != members {
			t.Fatalf("multixact %s: got %s, want %s", id, text, members)
		}
		if found, err := multi.Updater(mxid); err != nil || found != updater {
			t.Errorf("multixact %s: updater %d, %v; want %d", id, found, err, updater)
		}
	}
	if len(lines) < 2100 || updates < 100 {
		t.Errorf("the server did too little to test with: %d multixacts, %d updates", len(lines), updates)
	}
	beyond := pg.XID(len(lines) + 2)
	if _, err := multi.Members(beyond); !errors.Is(err, heap.ErrNoMultiXact) {
		t.Errorf("multixact %d: got %v, want ErrNoMultiXact", beyond, err)
	}
	if _, err := multi.Members(0); !errors.Is(err, heap.ErrNoMultiXact) {
		t.Errorf("multixact 0: got %v, want ErrNoMultiXact", err)
	}
}

// offsetsPage puts offsets of multixacts on one page.
func offsetsPage(offsets map[int]uint32) []byte {
	page := make([]byte, pg.BlockSize)
	for id, offset := range offsets {
		binary.LittleEndian.PutUint32(page[id*4:], offset)
	}
	return page
}

// membersPage puts members on the first page, from offset 1 on.
func membersPage(members ...heap.Member) []byte {
	page := make([]byte, pg.BlockSize)
	for i, m := range members {
		at := i + 1
		page[at/4*20+at%4] = byte(m.Status)
		binary.LittleEndian.PutUint32(page[at/4*20+4+at%4*4:], uint32(m.XID))
	}
	return page
}

func TestMultiXactDamage(t *testing.T) {
	t.Parallel()
	members := membersPage(heap.Member{XID: 700, Status: heap.MemberForShare}, heap.Member{XID: 701, Status: heap.MemberUpdate},
		heap.Member{XID: 702, Status: heap.MemberForKeyShare}, heap.Member{XID: 703, Status: heap.MemberNoKeyUpdate}, heap.Member{XID: 704, Status: heap.MemberForShare})
	damaged := membersPage(heap.Member{XID: 700, Status: 77}, heap.Member{XID: 701})
	for _, test := range []struct {
		name    string
		offsets map[int]uint32
		members []byte
		id      pg.XID
		count   int
		err     string
	}{
		{"known end", map[int]uint32{1: 1, 2: 3}, members, 1, 2, ""},
		{"newest without an end", map[int]uint32{1: 1, 2: 3}, members, 2, 3, ""},
		{"the next one's offset is lost", map[int]uint32{1: 1, 3: 4}, members, 1, 0, "next one was never written"},
		{"own offset is lost", map[int]uint32{2: 3}, members, 1, 0, "offset was never written"},
		{"no such page of offsets", map[int]uint32{1: 1}, members, 5000, 0, "not on disk"},
		{"no such page of members", map[int]uint32{1: 50000, 2: 50002}, members, 1, 0, "not on disk"},
		{"absurd length", map[int]uint32{1: 1, 2: 2000000}, members, 1, 0, "cannot be"},
		{"backwards", map[int]uint32{1: 100, 2: 50}, members, 1, 0, "cannot be"},
		{"unknown state", map[int]uint32{1: 1, 2: 3}, damaged, 1, 0, "unknown status 77"},
		{"never written", map[int]uint32{1: 100}, members, 1, 0, "members were never written"},
	} {
		dir := filepath.Join(t.TempDir(), "pg_multixact")
		writeFile(t, filepath.Join(dir, "offsets", "0000"), offsetsPage(test.offsets))
		writeFile(t, filepath.Join(dir, "members", "0000"), test.members)
		multi, err := heap.DataDir{Path: filepath.Dir(dir)}.OpenMultiXact()
		if err != nil {
			t.Fatal(err)
		}
		got, err := multi.Members(test.id)
		if test.err == "" && (err != nil || len(got) != test.count) {
			t.Errorf("%s: got %v, %v; want %d members", test.name, got, err, test.count)
		}
		if test.err != "" && (err == nil || !strings.Contains(err.Error(), test.err)) {
			t.Errorf("%s: got %v, %v; want %q", test.name, got, err, test.err)
		}
	}
	if _, err := (heap.DataDir{Path: t.TempDir()}).OpenMultiXact(); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("missing: got %v", err)
	}
}
