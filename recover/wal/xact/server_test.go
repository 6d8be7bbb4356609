package xact_test

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/pgrescue/pgrescue/recover/pg"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster/clustertest"
	"github.com/pgrescue/pgrescue/recover/wal"
	"github.com/pgrescue/pgrescue/recover/wal/xact"
)

// counts are inserted, updated and deleted versions.
type counts struct{ inserted, updated, deleted int64 }

// played is a transaction that a session ran, and what has to be found of it.
type played struct {
	name  string
	xid   pg.XID
	state xact.State
	want  counts
	subs  int // at least so many subtransactions
}

// player runs transactions; before each statement it switches to a new segment
// at times, so that they cross spans.
type player struct {
	t     *testing.T
	c     *cluster.Cluster
	steps int
	list  []played
}

const (
	// loop deletes rows in as many subtransactions, more than a session remembers (64).
	loop = `DO $$ BEGIN FOR i IN %d..%d LOOP BEGIN DELETE FROM t WHERE id = i; EXCEPTION WHEN division_by_zero THEN NULL; END; END LOOP; END $$`
	rows = 4000
)

// run plays one transaction in a session of its own and leaves the session open.
func (p *player) run(name string, state xact.State, want counts, subs int, sql ...string) *cluster.Session {
	p.t.Helper()
	ctx := p.t.Context()
	s, err := p.c.Session(ctx, "postgres")
	if err != nil {
		p.t.Fatal(err)
	}
	if err := s.Exec(ctx, "BEGIN"); err != nil {
		p.t.Fatal(err)
	}
	var xid uint64
	for _, text := range sql {
		if p.steps++; p.steps%3 == 0 {
			clustertest.Exec(p.t, p.c, "postgres", "SELECT pg_switch_wal()")
		}
		if xid == 0 {
			// The id is given out here unless a subtransaction is the first to write.
			if text, err := s.Value(ctx, "SELECT txid_current()::text"); err == nil {
				xid, _ = strconv.ParseUint(text, 10, 64)
			}
		}
		if err := s.Exec(ctx, text); err != nil {
			p.t.Fatalf("%s: %v", name, err)
		}
	}
	p.list = append(p.list, played{name, pg.FullXID(xid).XID(), state, want, subs})
	return s
}

func (p *player) close(s *cluster.Session) {
	if err := s.Close(p.t.Context()); err != nil {
		p.t.Error(err)
	}
}

// play runs every kind of transaction, and crashes the server with some in flight.
func play(t *testing.T, version string) *player {
	c := clustertest.Start(t, cluster.Options{Version: version, Initdb: []string{"--wal-segsize=1"}, Settings: map[string]string{
		"wal_keep_size": "1GB", "max_prepared_transactions": "10", "checkpoint_timeout": "1h",
	}})
	clustertest.Exec(t, c, "postgres",
		"CREATE TABLE t (id int PRIMARY KEY, n int)", fmt.Sprintf("INSERT INTO t SELECT i, 0 FROM generate_series(1, %d) i", rows),
		"CREATE TABLE parts (id int, p int) PARTITION BY LIST (p)", "CREATE TABLE part1 PARTITION OF parts FOR VALUES IN (1)",
		"CREATE TABLE part2 PARTITION OF parts FOR VALUES IN (2)", "INSERT INTO parts SELECT i, 1 FROM generate_series(1, 10) i",
		"CREATE TABLE gone AS SELECT 1", "CHECKPOINT")
	p := &player{t: t, c: c}
	committed, aborted := xact.Committed, xact.Aborted
	for _, tx := range []struct {
		name  string
		state xact.State
		want  counts
		subs  int
		sql   []string
	}{
		{"plain", committed, counts{deleted: 10}, 0, []string{"DELETE FROM t WHERE id <= 10", "COMMIT"}},
		{"rolled back", aborted, counts{deleted: 10}, 0, []string{"DELETE FROM t WHERE id BETWEEN 11 AND 20", "ROLLBACK"}},
		{"savepoints", committed, counts{deleted: 8}, 1, []string{
			"DELETE FROM t WHERE id BETWEEN 11 AND 15", "SAVEPOINT a", "DELETE FROM t WHERE id BETWEEN 16 AND 18", "RELEASE a",
			"SAVEPOINT b", "DELETE FROM t WHERE id BETWEEN 19 AND 22", "ROLLBACK TO b", "COMMIT",
		}},
		{"nested", committed, counts{updated: 1}, 0, []string{
			"UPDATE t SET n = 1 WHERE id = 30", "SAVEPOINT a", "DELETE FROM t WHERE id IN (31, 32)", "SAVEPOINT b",
			"UPDATE t SET n = 2 WHERE id BETWEEN 33 AND 35", "RELEASE b", "ROLLBACK TO a", "COMMIT",
		}},
		{"only a subtransaction writes", committed, counts{deleted: 7}, 1, []string{"SAVEPOINT a", "DELETE FROM t WHERE id BETWEEN 41 AND 47", "COMMIT"}},
		{"many subtransactions", committed, counts{deleted: 150}, 150, []string{fmt.Sprintf(loop, 101, 250), "COMMIT"}},
		{"many subtransactions, rolled back", aborted, counts{deleted: 150}, 150, []string{fmt.Sprintf(loop, 251, 400), "ROLLBACK"}},
		{"prepared, committed", committed, counts{deleted: 8}, 1, []string{
			"DELETE FROM t WHERE id BETWEEN 51 AND 56", "SAVEPOINT a", "DELETE FROM t WHERE id IN (57, 58)", "PREPARE TRANSACTION 'one'", "COMMIT PREPARED 'one'",
		}},
		{"prepared, rolled back", aborted, counts{deleted: 8}, 1, []string{
			"DELETE FROM t WHERE id BETWEEN 61 AND 66", "SAVEPOINT a", "DELETE FROM t WHERE id IN (67, 68)", "PREPARE TRANSACTION 'two'", "ROLLBACK PREPARED 'two'",
		}},
		{"prepared", xact.Prepared, counts{deleted: 9}, 70, []string{"DELETE FROM t WHERE id BETWEEN 71 AND 79", "SAVEPOINT a", fmt.Sprintf(loop, 401, 470), "PREPARE TRANSACTION 'three'"}},
		{"upsert", committed, counts{inserted: 1, updated: 1}, 0, []string{"INSERT INTO t VALUES (90, 5), (9000, 5) ON CONFLICT (id) DO UPDATE SET n = 5", "COMMIT"}},
		{"to another partition", committed, counts{inserted: 4, updated: 4}, 0, []string{"UPDATE parts SET p = 2 WHERE id <= 4", "COMMIT"}},
		{"truncate", committed, counts{}, 0, []string{"TRUNCATE gone", "COMMIT"}},
		{"in flight", xact.Undecided, counts{deleted: 3}, 0, []string{"DELETE FROM t WHERE id BETWEEN 501 AND 503"}},
		{"in flight with subtransactions", xact.Undecided, counts{deleted: 128}, 128, []string{fmt.Sprintf(loop, 601, 728)}},
	} {
		if tx.name == "prepared" {
			tx.want.deleted += 70
		}
		s := p.run(tx.name, tx.state, tx.want, tx.subs, tx.sql...)
		defer p.close(s)
	}
	p.underLocks()
	clustertest.Exec(t, c, "postgres", "INSERT INTO t VALUES (9999, 0)") // its commit writes the log out
	if err := c.Stop(t.Context(), cluster.Immediate); err != nil {
		t.Fatal(err)
	}
	return p
}

// underLocks updates rows that another session has locked, so that xmax is a multixact.
func (p *player) underLocks() {
	ctx := p.t.Context()
	locker, err := p.c.Session(ctx, "postgres")
	if err == nil {
		err = locker.Exec(ctx, "BEGIN", "SELECT * FROM t WHERE id BETWEEN 801 AND 805 FOR KEY SHARE")
	}
	if err != nil {
		p.t.Fatal(err)
	}
	p.close(p.run("under locks", xact.Committed, counts{updated: 5}, 0, "UPDATE t SET n = 9 WHERE id BETWEEN 801 AND 805", "COMMIT"))
	p.close(locker)
}

// TestCollectAgainstServer compares what is found of every transaction with what
// the sessions did, and with what pg_waldump prints where there is one.
func TestCollectAgainstServer(t *testing.T) {
	t.Parallel()
	clustertest.EachVersion(t, func(t *testing.T, version string) {
		t.Parallel()
		collectAgainst(t, play(t, version), version == clustertest.DefaultVersion)
	})
}

func collectAgainst(t *testing.T, p *player, waldump bool) {
	t.Helper()
	archive, err := wal.OpenArchive([]string{p.c.WALDir()}, wal.OpenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer archive.Close()
	lines := make(map[pg.XID][]xact.Line)
	user := func(rel pg.RelFileLocator) bool { return rel.Relation >= pg.RelFileNumber(pg.FirstNormalOID) }
	result, err := xact.Collect(context.Background(), archive, xact.Options{
		Counts: user,
		Keep:   func(*xact.Transaction) bool { return true },
		Lines: func(tx *xact.Transaction, pieces [][]xact.Line) error {
			lines[tx.XID] = slices.Concat(pieces...)
			slices.SortFunc(lines[tx.XID], func(a, b xact.Line) int { return cmp.Compare(a.LSN, b.LSN) })
			return nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(result.Gaps)+len(result.Missing) > 0 {
		t.Errorf("gaps %v, missing %v", result.Gaps, result.Missing)
	}
	byXID := make(map[pg.XID]*xact.Transaction)
	for i := range result.Transactions {
		tx := &result.Transactions[i]
		byXID[tx.XID] = tx
		if int64(len(lines[tx.XID])) != tx.Destroyed() {
			t.Errorf("transaction %d: %d lines for %d destroyed versions", tx.XID, len(lines[tx.XID]), tx.Destroyed())
		}
	}
	for _, want := range p.list {
		want.check(t, byXID[want.xid])
	}
	if waldump {
		compareWithWaldump(t, p.c, archive, result)
	}
	checkMultixacts(t, p, lines)
}

func (want *played) check(t *testing.T, tx *xact.Transaction) {
	t.Helper()
	if tx == nil {
		t.Errorf("%s: transaction %d is not listed", want.name, want.xid)
		return
	}
	if got := sum(tx); got != want.want || tx.State != want.state || len(tx.Subxacts) < want.subs {
		t.Errorf("%s: %d is %s %+v with %d subtransactions, want %s %+v with %d",
			want.name, tx.XID, tx.State, got, len(tx.Subxacts), want.state, want.want, want.subs)
	}
	if decided := want.state == xact.Committed || want.state == xact.Aborted; decided == tx.End.IsZero() {
		t.Errorf("%s: %s at %s", want.name, tx.State, pg.FormatTime(tx.End))
	}
	if want.name == "truncate" && len(tx.Dropped) == 0 {
		t.Error("truncate: no files are dropped")
	}
}

func sum(tx *xact.Transaction) counts {
	var c counts
	for _, t := range tx.Tallies {
		c.inserted += t.Inserted
		c.updated += t.Updated
		c.deleted += t.Deleted
	}
	return c
}

// checkMultixacts looks at the lines of the rows that were locked by others.
func checkMultixacts(t *testing.T, p *player, lines map[pg.XID][]xact.Line) {
	t.Helper()
	for _, tx := range p.list {
		if tx.name != "under locks" {
			continue
		}
		for _, line := range lines[tx.xid] {
			if !line.Multi || line.XID != tx.xid || line.Xmax == tx.xid {
				t.Errorf("line %+v of transaction %d has no multixact", line, tx.xid)
			}
		}
	}
}

var (
	waldumpLine = regexp.MustCompile(`^rmgr: Heap2? .* tx: +(\d+), lsn: .* desc: (\w+)(?:\+INIT)? (.*blkref #0: rel \d+/\d+/(\d+) .*)$`)
	multiTuples = regexp.MustCompile(`^(\d+) tuples`)
)

// compareWithWaldump counts pg_waldump's lines for every transaction and its
// subtransactions.
func compareWithWaldump(t *testing.T, c *cluster.Cluster, archive *wal.Archive, result *xact.Result) {
	t.Helper()
	var names []string
	for _, s := range archive.Segments() {
		if s.State == wal.SegmentInLog {
			names = append(names, s.Name)
		}
	}
	command := exec.CommandContext(t.Context(), c.WaldumpPath(), "-p", c.WALDir(), names[0], names[len(names)-1]) //nolint:gosec // our own server
	command.Env = append(os.Environ(), "LC_ALL=C")
	out, err := command.Output()
	if err != nil && len(out) == 0 { // it ends with an error where the log does
		t.Fatal(err)
	}
	dumped := make(map[pg.XID]counts)
	for line := range strings.Lines(string(out)) {
		m := waldumpLine.FindStringSubmatch(strings.TrimSuffix(line, "\n"))
		if m == nil {
			continue
		}
		file, _ := strconv.ParseUint(m[4], 10, 32)
		id, _ := strconv.ParseUint(m[1], 10, 32)
		if file < uint64(pg.FirstNormalOID) {
			continue
		}
		n := dumped[pg.XID(id)]
		switch m[2] {
		case "INSERT":
			n.inserted++
		case "MULTI_INSERT":
			tuples, _ := strconv.ParseInt(multiTuples.FindStringSubmatch(m[3])[1], 10, 64)
			n.inserted += tuples
		case "UPDATE", "HOT_UPDATE":
			n.updated++
		case "DELETE":
			if strings.Contains(m[3], "flags 0x10") || strings.Contains(m[3], "flags 0x11") { // to another partition
				n.updated++
			} else {
				n.deleted++
			}
		}
		dumped[pg.XID(id)] = n
	}
	if len(dumped) < 100 {
		t.Fatalf("pg_waldump names %d transactions (%s)", len(dumped), filepath.Base(c.WaldumpPath()))
	}
	for i := range result.Transactions {
		tx := &result.Transactions[i]
		var want counts
		for _, xid := range append([]pg.XID{tx.XID}, tx.Subxacts...) {
			n := dumped[xid]
			want = counts{want.inserted + n.inserted, want.updated + n.updated, want.deleted + n.deleted}
			delete(dumped, xid)
		}
		if got := sum(tx); got != want {
			t.Errorf("transaction %d with %d subtransactions: %+v, pg_waldump prints %+v", tx.XID, len(tx.Subxacts), got, want)
		}
	}
	for xid, n := range dumped {
		if n != (counts{}) {
			t.Errorf("pg_waldump names transaction %d with %+v, which no transaction has", xid, n)
		}
	}
}
