package triage_test

import (
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/pgrescue/pgrescue/recover/live"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster/clustertest"
	"github.com/pgrescue/pgrescue/recover/triage"
	"github.com/pgrescue/pgrescue/recover/undelete"
)

// incident is something that happens to a shop under traffic, and what a triage has to say of it.
type incident struct {
	name string
	// sql is what happens; the statement behind the word CULPRIT is that of the transaction to be named.
	sql   []string
	named triage.HypothesisName // "": nothing was lost
	hurt  triage.Hurt
	table string // of the loss
	rows  int64
}

func incidents() []incident {
	return []incident{
		{"DELETE without WHERE", []string{"CULPRIT DELETE FROM orders"}, triage.Cleanup, triage.HurtRows, "orders", 2000},
		{"cleanup of a tenant", []string{"CULPRIT DELETE FROM orders WHERE tenant = 3"}, triage.Cleanup, triage.HurtRows, "orders", 500},
		{"cascade", []string{"CULPRIT DELETE FROM customers WHERE id <= 60"}, triage.Cascade, triage.HurtRows, "customers", 60},
		{"TRUNCATE", []string{"CULPRIT TRUNCATE orders"}, triage.Truncated, triage.HurtTable, "orders", 2000},
		{"DROP", []string{"CULPRIT DROP TABLE orders"}, triage.Recreated, triage.HurtTable, "orders", 2000},
		{"DROP and made again", []string{"CULPRIT DROP TABLE orders", "CREATE TABLE orders (id int PRIMARY KEY)"}, triage.Recreated, triage.HurtTable, "orders", 2000},
		{"UPDATE without WHERE", []string{"CULPRIT UPDATE orders SET note = 'x'"}, triage.Overwrote, triage.HurtRows, "orders", 2000},
		{"rolled back first, then done", []string{"BEGIN; DELETE FROM customers; ROLLBACK", "CULPRIT DELETE FROM orders WHERE id > 100"}, triage.Cleanup, triage.HurtRows, "orders", 1900},
		{"one of a hundred in a big table", []string{"CREATE TABLE big AS SELECT generate_series(1, 100000) AS id", "ANALYZE big", "CULPRIT DELETE FROM big WHERE id % 100 < 2"}, triage.Cleanup, triage.HurtRows, "big", 2000},
		{"a name that needs quotes", []string{`CULPRIT DELETE FROM "Odd.One"`}, triage.Cleanup, triage.HurtRows, "Odd.One", 50},
		{"DROP COLUMN", []string{"CULPRIT ALTER TABLE orders DROP COLUMN note"}, triage.Reshaped, triage.HurtTable, "orders", 2000},
		{"DROP TYPE CASCADE", []string{"CREATE TYPE mood AS ENUM ('good', 'bad')", "ALTER TABLE customers ADD COLUMN feels mood DEFAULT 'good'", "CULPRIT DROP TYPE mood CASCADE"}, triage.Reshaped, triage.HurtTable, "customers", 100},
		{"DROP SCHEMA CASCADE", []string{"CREATE SCHEMA app", "CREATE TABLE app.big AS SELECT generate_series(1, 900) AS id", "CREATE TABLE app.small AS SELECT generate_series(1, 30) AS id", "ANALYZE", "CULPRIT DROP SCHEMA app CASCADE"}, triage.Recreated, triage.HurtTable, "big", 900},
		{"a DELETE that fails before one that does not", []string{`DELETE FROM customers WHERE id \!= 5`, "CULPRIT DELETE FROM orders WHERE tenant > 0"}, triage.Cleanup, triage.HurtRows, "orders", 1500},
		{"DELETE that a trigger writes an audit of", []string{"CREATE TABLE audit (what text, id int)", "CREATE FUNCTION audited() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN INSERT INTO audit VALUES (''gone'', OLD.id); RETURN OLD; END'", "CREATE TRIGGER audits AFTER DELETE ON orders FOR EACH ROW EXECUTE FUNCTION audited()", "CULPRIT DELETE FROM orders WHERE tenant = 3"}, triage.Cleanup, triage.HurtRows, "orders", 500},
		{"TRUNCATE and a few rows in one transaction", []string{"CULPRIT TRUNCATE orders; INSERT INTO orders SELECT i, 1, 'new' FROM generate_series(1, 20) i"}, triage.Truncated, triage.HurtTable, "orders", 2000},
		{"TRUNCATE again and again, of which one took rows", []string{"CULPRIT TRUNCATE orders", "TRUNCATE orders", "TRUNCATE orders", "TRUNCATE orders"}, triage.Truncated, triage.HurtTable, "orders", 2000},
		{"in another database, a table of the same name", []string{"CREATE DATABASE other", "AT other CREATE TABLE orders AS SELECT generate_series(1, 3000) AS id", "AT other ANALYZE", "AT other CULPRIT DELETE FROM orders WHERE id > 1000"}, triage.Cleanup, triage.HurtRows, "orders", 2000},

		{"materialized views are dropped, made and refreshed", []string{"CREATE MATERIALIZED VIEW seen AS SELECT * FROM orders", "CREATE UNIQUE INDEX ON seen (id)", "REFRESH MATERIALIZED VIEW seen", "DROP MATERIALIZED VIEW seen"}, "", triage.HurtNothing, "", 0},
		{"nothing but traffic", nil, "", triage.HurtNothing, "", 0},
		{"rolled back", []string{"BEGIN; DELETE FROM orders; ROLLBACK", "BEGIN; TRUNCATE orders; ROLLBACK"}, "", triage.HurtNothing, "", 0},
		{"an empty table is truncated and filled later", []string{"CREATE TABLE history (id int)", "TRUNCATE history", "INSERT INTO history SELECT generate_series(1, 500)", "BEGIN; CREATE TABLE IF NOT EXISTS old (id int); TRUNCATE old; COMMIT", "DROP TABLE old"}, "", triage.HurtNothing, "", 0},
		{"refused", []string{`DELETE FROM orders WHERE note \!= 'x'`, "DELETE FROM nowhere", "DELETE FROM customers WHERE id = 1 / 0"}, "", triage.HurtNothing, "", 0},
		{"rewritten", []string{"VACUUM FULL orders", "ALTER TABLE orders ALTER COLUMN note TYPE varchar(90)", "CLUSTER orders USING orders_pkey"}, "", triage.HurtNothing, "", 0},
		{"a load replaces all rows", []string{"BEGIN; DELETE FROM orders; INSERT INTO orders SELECT i, i % 4, 'new' FROM generate_series(1, 2000) i; COMMIT"}, "", triage.HurtNothing, "", 0},
		{"a load truncates first", []string{"BEGIN; TRUNCATE orders; INSERT INTO orders SELECT i, i % 4, 'new' FROM generate_series(1, 2000) i; COMMIT"}, "", triage.HurtNothing, "", 0},
		{"columns are added, filled, renamed and made anew", []string{"ALTER TABLE customers ADD COLUMN mail text NOT NULL DEFAULT ''", "ALTER TABLE customers RENAME COLUMN mail TO email", "CREATE TABLE empty (a int, b int)", "ALTER TABLE empty DROP COLUMN b", "BEGIN; ALTER TABLE orders DROP COLUMN note; ROLLBACK"}, "", triage.HurtNothing, "", 0},
		{"a queue is worked off", append([]string{"CREATE TABLE jobs (id int PRIMARY KEY)", "ANALYZE jobs"}, jobs()...), "", triage.HurtNothing, "", 0},
		{"rows move to an archive", []string{"CREATE TABLE past (LIKE orders)", "WITH gone AS (DELETE FROM orders WHERE id < 1500 RETURNING *) INSERT INTO past SELECT * FROM gone"}, "", triage.HurtNothing, "", 0},
	}
}

// jobs come one by one, and are deleted one by one later.
func jobs() (list []string) {
	for _, sql := range []string{"INSERT INTO jobs VALUES (%d)", "DELETE FROM jobs WHERE id = %d"} {
		var all []string
		for i := range 150 {
			all = append(all, fmt.Sprintf(sql, i))
		}
		list = append(list, "COMMIT; "+strings.Join(all, "; COMMIT; "))
	}
	return list
}

// shop makes the tables, and traffic that deletes and updates as it always does.
func shop(t *testing.T) *cluster.Cluster {
	t.Helper()
	c := clustertest.Start(t, cluster.Options{Settings: map[string]string{"autovacuum": "off", "checkpoint_timeout": "1h"}})
	clustertest.Exec(t, c, "postgres",
		"CREATE TABLE orders (id int PRIMARY KEY, tenant int, note text)", "INSERT INTO orders SELECT i, i % 4, repeat('x', 30) FROM generate_series(1, 2000) i",
		"CREATE TABLE customers (id int PRIMARY KEY)", "INSERT INTO customers SELECT generate_series(1, 100)",
		"CREATE TABLE bills (id int PRIMARY KEY, customer int REFERENCES customers ON DELETE CASCADE)", "INSERT INTO bills SELECT i, i % 100 + 1 FROM generate_series(1, 1000) i",
		"CREATE TABLE sessions (id int PRIMARY KEY)", "INSERT INTO sessions SELECT generate_series(1, 5000)", `CREATE TABLE "Odd.One" (id int)`, `INSERT INTO "Odd.One" SELECT generate_series(1, 50)`,
		"CREATE UNLOGGED TABLE cache (id int)", "INSERT INTO cache SELECT generate_series(1, 10)", "ANALYZE", "CHECKPOINT")
	traffic(t, c)
	return c
}

// traffic is what always happens: sessions are purged, staging is emptied, some rows change and some go.
func traffic(t *testing.T, c *cluster.Cluster) {
	t.Helper()
	clustertest.Exec(t, c, "postgres", "CREATE TABLE IF NOT EXISTS staging (id int)")
	for range 4 {
		clustertest.Exec(t, c, "postgres", "DELETE FROM sessions WHERE id IN (SELECT id FROM sessions LIMIT 600)", "INSERT INTO staging SELECT generate_series(1, 300)", "TRUNCATE staging",
			"DELETE FROM bills WHERE id IN (SELECT min(id) FROM bills)", "UPDATE customers SET id = id WHERE id % 10 = 0")
	}
}

// happen makes an incident, and gives the transaction to be named.
func happen(t *testing.T, c *cluster.Cluster, list []string) (culprit uint64) {
	t.Helper()
	ctx := t.Context()
	for _, sql := range list {
		database := "postgres"
		if rest, other := strings.CutPrefix(sql, "AT other "); other {
			database, sql = "other", rest
		}
		statement, blamed := strings.CutPrefix(sql, "CULPRIT ")
		s, err := c.Session(ctx, database)
		if err != nil {
			t.Fatal(err)
		}
		if blamed {
			err = s.Exec(ctx, "BEGIN")
			if err == nil {
				err = s.Exec(ctx, statement)
			}
			text, xidErr := s.Value(ctx, "SELECT txid_current()::text")
			if culprit, _ = strconv.ParseUint(text, 10, 64); err != nil || xidErr != nil {
				t.Fatal(err, xidErr)
			}
			err = s.Exec(ctx, "COMMIT")
		} else if err = s.Exec(ctx, statement); err != nil && strings.HasPrefix(sql, "DELETE") {
			err = nil // it is meant to fail
		}
		if err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
		if err := s.Close(ctx); err != nil {
			t.Fatal(err)
		}
	}
	return culprit
}

// look makes a triage of a copy of the data directory, or of the running server, or of both.
func look(t *testing.T, c *cluster.Cluster, copied, asks bool, more func(*triage.Sources)) (*triage.Report, *triage.Facts) {
	t.Helper()
	s := triage.Sources{Now: time.Now()}
	if copied {
		dir := filepath.Join(t.TempDir(), "data")
		if err := c.CopyDataDir(dir); err != nil {
			t.Fatal(err)
		}
		ev, _, err := undelete.Open(t.Context(), undelete.Sources{DataDir: dir})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { ev.Close() })
		s.Evidence = ev
	}
	if asks {
		conn, err := live.Connect(t.Context(), c.LibpqDSN("postgres"), live.Options{Command: "triage"})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(conn.Close)
		card, err := conn.Card(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		s.Server, s.Card = conn, card
	}
	if more != nil {
		more(&s)
	}
	facts, err := triage.Collect(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	if len(facts.Gaps) > 0 {
		t.Errorf("gaps: %v", facts.Gaps)
	}
	ev := s.Evidence
	if ev == nil {
		report, err := triage.Weigh(t.Context(), facts, nil)
		if err != nil {
			t.Fatal(err)
		}
		return report, facts
	}
	report, err := triage.Weigh(t.Context(), facts, ev.Archive)
	if err != nil {
		t.Fatal(err)
	}
	return report, facts
}

// TestIncidents makes each incident under traffic on a server. The triage of a copy names the
// right hypothesis and transaction, and none where nothing was lost.
func TestIncidents(t *testing.T) {
	t.Parallel()
	for _, in := range incidents() {
		t.Run(in.name, func(t *testing.T) {
			t.Parallel()
			c := shop(t)
			culprit := happen(t, c, in.sql)
			traffic(t, c)
			for _, asks := range []bool{false, true} {
				report, _ := look(t, c, true, asks, nil)
				in.check(t, report, culprit, asks)
			}
		})
	}
}

func (in *incident) check(t *testing.T, r *triage.Report, culprit uint64, asks bool) {
	t.Helper()
	named := in.named
	if r.Named != named || r.Question.Hurt != in.hurt {
		t.Errorf("server asked %v: named %q, hurt %q: want %q, %q", asks, r.Named, r.Question.Hurt, named, in.hurt)
	}
	for _, h := range r.Hypotheses {
		if h.Name == r.Named && h.Standing != triage.Proven {
			t.Errorf("%s is %s", h.Name, h.Standing)
		}
		if h.Loses && h.Name != named && h.Standing == triage.Proven && (h.Name != triage.Cleanup || named != triage.Cascade) {
			t.Errorf("%s is proven too: %+v", h.Name, h.For)
		}
		if len(h.For)+len(h.Against) == 0 {
			t.Errorf("%s has no evidence at all", h.Name)
		}
	}
	if t.Failed() {
		t.Logf("%+v", r)
	}
	if in.named == "" {
		if len(r.Losses) > 0 {
			t.Errorf("losses: %+v", r.Losses)
		}
		return
	}
	if len(r.Losses) == 0 {
		t.Fatal("no loss is named")
	}
	loss := &r.Losses[0]
	if uint64(loss.XID) != culprit || loss.Tables[0].Name.Name != in.table || loss.Tables[0].Rows != in.rows {
		t.Errorf("the loss is %+v, want transaction %d, %d rows of %s", *loss, culprit, in.rows, in.table)
	}
	if heap := r.Routes[0]; strings.HasPrefix(in.name, "in another database") && (strings.Contains(heap.Why, "statistics") || loss.Tables[0].Left != 1000) {
		t.Errorf("the table of the same name was asked: %+v, %+v", heap, loss.Tables[0])
	}
	if len(r.Next) == 0 || len(r.Next) > 3 {
		t.Errorf("next: %+v", r.Next)
	}
	in.checkRoutes(t, r)
}

// checkRoutes: all WAL is there, so it covers the loss; the dead rows are there unless the file went.
func (in *incident) checkRoutes(t *testing.T, r *triage.Report) {
	t.Helper()
	covers := make(map[string]triage.Route)
	for _, route := range r.Routes {
		covers[route.Name] = route
		if route.Why == "" || (route.Name == "heap" || route.Name == "wal") && route.Covers != triage.CoversNo && route.Expiry.Text == "" {
			t.Errorf("route %+v says too little", route)
		}
	}
	heap := triage.CoversYes
	if in.hurt == triage.HurtTable && in.named != triage.Reshaped {
		heap = triage.CoversNo
	}
	if len(r.Routes) != 7 || covers["wal"].Covers != triage.CoversYes || covers["wal"].Rows < in.rows || covers["heap"].Covers != heap && covers["heap"].Covers != triage.CoversPart {
		t.Errorf("routes: %+v", r.Routes)
	}
}

// TestDroppedAndTruncated: one transaction loses a table in each of two ways, and stands once among what was committed. A log
// supports the drop where it names the table that was dropped, and not where somebody asks for one that never was.
func TestDroppedAndTruncated(t *testing.T) {
	t.Parallel()
	c := shop(t)
	clustertest.Exec(t, c, "postgres", "BEGIN; DROP TABLE orders; TRUNCATE sessions; COMMIT")
	_, facts := look(t, c, true, false, nil)
	facts.Signs = append(facts.Signs, triage.Sign{Kind: triage.SignRefused, Where: "log:1", Text: `relation "pg_stat_statements" does not exist`},
		triage.Sign{Kind: triage.SignRefused, Where: "log:2", Text: `relation "public.orders" does not exist at character 15`})
	report, err := triage.Weigh(t.Context(), facts, nil)
	if err != nil {
		t.Fatal(err)
	}
	committed, refused := 0, ""
	for _, h := range report.Hypotheses {
		for _, p := range h.Against {
			if h.Name == triage.Undone && strings.HasSuffix(p.Text, "was committed") {
				committed++
			}
		}
		for _, p := range h.For {
			if h.Name == triage.Recreated && p.Source == "log" {
				refused += p.Text
			}
		}
	}
	if committed != 1 || strings.Contains(refused, "pg_stat_statements") || !strings.Contains(refused, "orders") {
		t.Errorf("committed %d times; of the log %q", committed, refused)
	}
}
