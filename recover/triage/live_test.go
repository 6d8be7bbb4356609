package triage_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/live"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster/clustertest"
	"github.com/pgrescue/pgrescue/recover/triage"
	"github.com/pgrescue/pgrescue/recover/triage/backups"
	"github.com/pgrescue/pgrescue/recover/undelete"
)

// listener notes what a server is asked.
type listener struct {
	*live.Conn
	asked []string
}

func (l *listener) Query(ctx context.Context, op, sql string, parameters [][]byte, each func(row [][]byte) error) error {
	l.asked = append(l.asked, sql)
	return l.Conn.Query(ctx, op, sql, parameters, each)
}

// TestNoUserTableIsRead makes a triage of a server whose tables are locked so that nobody can read them, and
// counts how often they were read, on each version. A role that may nearly nothing gets what it may, and gaps.
func TestNoUserTableIsRead(t *testing.T) {
	t.Parallel()
	clustertest.EachVersion(t, func(t *testing.T, version string) {
		t.Parallel()
		c := clustertest.Start(t, cluster.Options{Version: version, Settings: map[string]string{"autovacuum": "off"}})
		clustertest.Exec(t, c, "postgres", "CREATE TABLE orders (id int PRIMARY KEY, note text)", "INSERT INTO orders SELECT i, repeat('x', 300) FROM generate_series(1, 3000) i",
			"CREATE TABLE lines (id int REFERENCES orders ON DELETE CASCADE)", "INSERT INTO lines SELECT generate_series(1, 3000)", "CHECKPOINT", "DELETE FROM lines", "CREATE ROLE guest LOGIN")
		const reads = `SELECT string_agg(format('%s %s %s %s', relname, seq_scan, coalesce(idx_scan, 0), n_tup_del), ', ' ORDER BY relname) FROM pg_stat_user_tables`
		before := ""
		for !strings.Contains(before, " 3000") && t.Context().Err() == nil { // sessions that have ended count a little later
			before = clustertest.Value(t, c, "postgres", reads)
		}
		locker, err := c.Session(t.Context(), "postgres")
		if err != nil {
			t.Fatal(err)
		}
		defer locker.Close(context.WithoutCancel(t.Context()))
		var asked []string
		for _, locked := range []bool{true, false} { // a lock keeps pg_relation_size waiting too, so only the table itself is tried
			if locked {
				if err := locker.Exec(t.Context(), "BEGIN", "LOCK TABLE lines IN SHARE ROW EXCLUSIVE MODE"); err != nil {
					t.Fatal(err)
				}
			}
			_, facts := look(t, c, false, true, func(s *triage.Sources) {
				l := &listener{Conn: s.Server.(*live.Conn)}
				s.Server = l
				t.Cleanup(func() { asked = append(asked, l.asked...) })
			})
			lines := tableOf(t, facts, "lines")
			if lines.Stats == nil || lines.Stats.Autovacuum || lines.Stats.Threshold != 50 || len(lines.Parents) != 1 || lines.Parents[0].Name != "orders" {
				t.Errorf("%s: %+v %+v", version, lines, lines.Stats)
			}
		}
		if after := clustertest.Value(t, c, "postgres", reads); after != before {
			t.Errorf("the tables were read: %s, before %s", after, before)
		}
		for _, sql := range asked {
			if strings.Contains(sql, "orders") || strings.Contains(sql, "lines") {
				t.Errorf("a table of the user is named: %s", sql)
			}
		}
		asGuest(t, c)
	})
}

func tableOf(t *testing.T, facts *triage.Facts, name string) *triage.Table {
	t.Helper()
	for i := range facts.Tables {
		if facts.Tables[i].Name.Name == name {
			return &facts.Tables[i]
		}
	}
	t.Fatalf("no table %s: %+v", name, facts.Tables)
	return nil
}

// asGuest asks as a role that may not look at pg_wal.
func asGuest(t *testing.T, c *cluster.Cluster) {
	t.Helper()
	conn, err := live.Connect(t.Context(), c.LibpqDSN("postgres")+" user=guest", live.Options{Command: "triage"})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	card, err := conn.Card(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	server, tables, gaps, err := triage.ReadServer(t.Context(), conn, card)
	if err != nil || len(gaps) == 0 || len(tables) != 2 || server.Settings["autovacuum"] != "off" {
		t.Errorf("as guest: %+v, %d tables, gaps %v, %v", server, len(tables), gaps, err)
	}
	for _, gap := range gaps {
		if !strings.Contains(gap.Why, "permission denied") {
			t.Errorf("gap: %s", gap)
		}
	}
}

// TestStatisticsAloneNameNothing: a server that is asked alone has counters like those of a loss, after a DELETE that was rolled back.
func TestStatisticsAloneNameNothing(t *testing.T) {
	t.Parallel()
	c := shop(t)
	happen(t, c, []string{"BEGIN; DELETE FROM orders; ROLLBACK"})
	report, _ := look(t, c, false, true, func(s *triage.Sources) { s.Asked.Tables = []evidence.RelationName{{Name: "orders"}} })
	if report.Named != "" || report.Question.Hurt != triage.HurtNotKnown {
		t.Errorf("named %q, hurt %q", report.Named, report.Question.Hurt)
	}
	if text := strings.Join(report.Statistics, "\n"); !strings.Contains(text, "public.orders: n_tup_ins 2000") || !strings.Contains(text, "prove nothing") {
		t.Errorf("statistics: %s", text)
	}
}

// TestRoutesEnd: what the server's settings and slots say of how long each route lasts.
func TestRoutesEnd(t *testing.T) {
	t.Parallel()
	c := clustertest.Start(t, cluster.Options{Settings: map[string]string{
		"autovacuum": "on", "autovacuum_naptime": "1000s", "wal_level": "logical", "max_replication_slots": "4", "checkpoint_timeout": "30min", "wal_keep_size": "0", "logging_collector": "off",
	}})
	clustertest.Exec(t, c, "postgres", "CREATE TABLE orders (id int)", "ALTER TABLE orders REPLICA IDENTITY FULL", "INSERT INTO orders SELECT generate_series(1, 4000)", "ANALYZE", "CHECKPOINT", "DELETE FROM orders")
	end := func(name string) (triage.Route, *triage.Report) {
		report, _ := look(t, c, true, true, nil)
		for _, route := range report.Routes {
			if route.Name == name {
				return route, report
			}
		}
		t.Fatal("no such route")
		return triage.Route{}, nil
	}
	heap, report := end("heap")
	if heap.Covers != triage.CoversYes || heap.Rows != 4000 || heap.Expiry.At.IsZero() || !strings.Contains(heap.Expiry.Text, "within 16m40s: 4000 dead rows, and it comes beyond 850") {
		t.Errorf("heap: %+v", heap)
	}
	if !strings.HasPrefix(report.Next[0].Line, "pgrescue preserve ") || !strings.HasSuffix(report.Next[0].Line, " --table public.orders --case incident --apply") {
		t.Errorf("next: %+v", report.Next)
	}
	if wal, _ := end("wal"); wal.Covers != triage.CoversYes || time.Until(wal.Expiry.At) > time.Hour || !strings.Contains(wal.Expiry.Text, "at the next checkpoint") {
		t.Errorf("wal: %+v", wal)
	}
	clustertest.Exec(t, c, "postgres", "ALTER TABLE orders SET (autovacuum_vacuum_threshold = 5000)")
	if heap, _ := end("heap"); heap.Expiry.At.IsZero() || !strings.Contains(heap.Expiry.Text, "within 16m40s: 4000 rows were inserted since the last, and it comes beyond 1800") {
		t.Errorf("heap of a table that grows: %+v", heap)
	}
	clustertest.Exec(t, c, "postgres", "ALTER TABLE orders SET (autovacuum_vacuum_insert_threshold = 6000)")
	if heap, _ := end("heap"); !heap.Expiry.At.IsZero() || !strings.Contains(heap.Expiry.Text, "after 1801 more dead rows: there are 4000, and it comes beyond 5800; or after 2801 more inserted ones") {
		t.Errorf("heap of a table that is let alone: %+v", heap)
	}
	clustertest.Exec(t, c, "postgres", "SELECT pg_create_physical_replication_slot('hold', true)", "ALTER TABLE orders SET (autovacuum_enabled = off)")
	if wal, _ := end("wal"); !strings.Contains(wal.Expiry.Text, "slot hold holds it") {
		t.Errorf("wal with a slot: %+v", wal)
	}
	if heap, _ := end("heap"); !heap.Expiry.At.IsZero() || !strings.Contains(heap.Expiry.Text, "switched off") {
		t.Errorf("heap with autovacuum off: %+v", heap)
	}
	clustertest.Exec(t, c, "postgres", "VACUUM orders")
	if heap, _ := end("heap"); heap.Covers != triage.CoversNo || heap.Rows != 0 {
		t.Errorf("heap after VACUUM: %+v", heap)
	}
}

// TestUnloggedAfterACrash: the server was killed, and started again.
func TestUnloggedAfterACrash(t *testing.T) {
	t.Parallel()
	c := shop(t)
	clustertest.Exec(t, c, "postgres", "CHECKPOINT")
	if err := c.Crash(t.Context()); err != nil {
		t.Fatal(err)
	}
	report, _ := look(t, c, true, false, nil)
	if report.Named != "" {
		t.Errorf("before the start: named %q", report.Named)
	}
	if err := c.Start(context.WithoutCancel(t.Context())); err != nil {
		t.Fatal(err)
	}
	for _, copied := range []bool{true, false} { // the catalogs count rows, and the file is empty
		if report, _ = look(t, c, copied, !copied, nil); report.Named != triage.Unlogged || report.Question.Hurt != triage.HurtTable {
			t.Errorf("without a log, copied %v: named %q", copied, report.Named)
		}
	}
	clustertest.Exec(t, c, "postgres", "VACUUM ANALYZE cache")
	report, facts := look(t, c, true, true, nil)
	if report.Named != "" {
		t.Errorf("counted again: named %q", report.Named) // it may always have been empty
	}
	facts.Signs = append(facts.Signs, triage.Sign{Kind: triage.SignCrash, Time: time.Now(), Text: "database system was not properly shut down; automatic recovery in progress", Where: "server.log:7"})
	report, err := triage.Weigh(t.Context(), facts, nil)
	if err != nil {
		t.Fatal(err)
	}
	if report.Named != triage.Unlogged || report.Question.Hurt != triage.HurtTable {
		t.Errorf("named %q, hurt %q: %+v", report.Named, report.Question.Hurt, report.Hypotheses)
	}
}

// TestFilesGone removes the file of a table below the server.
func TestFilesGone(t *testing.T) {
	t.Parallel()
	c := shop(t)
	clustertest.Exec(t, c, "postgres", "CHECKPOINT")
	if err := os.Remove(filepath.Join(c.DataDir(), clustertest.Value(t, c, "postgres", "SELECT pg_relation_filepath('orders')"))); err != nil {
		t.Fatal(err)
	}
	report, _ := look(t, c, true, false, nil)
	if report.Named != triage.FilesGone || report.Question.Hurt != triage.HurtFiles || !strings.Contains(strings.Join(report.Question.Never, " "), "do not stop") {
		t.Errorf("named %q, %+v", report.Named, report.Question)
	}
}

// TestFilesMadeBehindACopy: the WAL was copied later than the files, and tells of one that was made in between. It is not gone.
func TestFilesMadeBehindACopy(t *testing.T) {
	t.Parallel()
	c := shop(t)
	dir, log := filepath.Join(t.TempDir(), "data"), filepath.Join(t.TempDir(), "wal")
	if err := c.CopyDataDir(dir); err != nil {
		t.Fatal(err)
	}
	clustertest.Exec(t, c, "postgres", "TRUNCATE staging", "INSERT INTO staging SELECT generate_series(1, 50)")
	if err := c.CopyWAL(log); err != nil {
		t.Fatal(err)
	}
	ev, _, err := undelete.Open(t.Context(), undelete.Sources{DataDir: dir, WAL: []string{log}})
	if err != nil {
		t.Fatal(err)
	}
	defer ev.Close()
	report, facts := look(t, c, false, false, func(s *triage.Sources) { s.Evidence = ev })
	if report.Named != "" || facts.DataDir.MissingCount != 0 || facts.DataDir.UserTables == 0 {
		t.Errorf("named %q, missing %v", report.Named, facts.DataDir.Missing)
	}
}

// TestEmptyVolume: a cluster that initdb just made, beside a backup of another one.
func TestEmptyVolume(t *testing.T) {
	t.Parallel()
	old, fresh := shop(t), clustertest.Start(t, cluster.Options{})
	folder := filepath.Join(t.TempDir(), "volumes", "x1")
	if err := os.MkdirAll(filepath.Dir(folder), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := old.CopyDataDir(folder); err != nil {
		t.Fatal(err)
	}
	for _, copied := range []bool{true, false} {
		report, facts := look(t, fresh, copied, !copied, func(s *triage.Sources) {
			s.Backups = &backups.Options{Paths: []string{filepath.Dir(folder)}}
		})
		if report.Named != triage.WrongPlace || report.Question.Hurt != triage.HurtPlace || len(facts.Backups) != 1 {
			t.Errorf("copied %v: named %q, %+v, %+v", copied, report.Named, report.Question, report.Hypotheses)
		}
	}
}
