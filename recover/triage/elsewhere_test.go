package triage_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/live"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster/clustertest"
	"github.com/pgrescue/pgrescue/recover/triage"
)

// TestAnotherDatabase: the table that rows are missing from is in another database of the server.
func TestAnotherDatabase(t *testing.T) {
	t.Parallel()
	c := shop(t)
	clustertest.Exec(t, c, "postgres", "CREATE DATABASE staging", "CREATE DATABASE closed CONNECTION LIMIT 0")
	clustertest.Exec(t, c, "staging", "CREATE TABLE invoices (id int)")
	for table, where := range map[string]string{"invoices": "staging", "orders": "", "nowhere": ""} {
		report, facts := look(t, c, false, true, func(s *triage.Sources) {
			s.Asked.Tables = []evidence.RelationName{{Name: table}}
			s.Open = func(ctx context.Context, database string) (triage.Asker, func(), error) {
				conn, err := live.Connect(ctx, c.LibpqDSN("postgres"), live.Options{Command: "triage", Database: database})
				if err != nil {
					return nil, nil, err
				}
				return conn, conn.Close, nil
			}
		})
		if got := strings.Join(facts.Server.Elsewhere, ","); got != where || (report.Named == triage.WrongPlace) != (table != "orders") {
			t.Errorf("%s: found in %q, named %q: %+v", table, got, report.Named, report.Hypotheses)
		}
	}
}

// TestAnotherCluster: the server that is asked is not the one whose files were copied.
func TestAnotherCluster(t *testing.T) {
	t.Parallel()
	old, other := shop(t), clustertest.Start(t, cluster.Options{})
	report, facts := look(t, old, true, false, func(s *triage.Sources) {
		conn, err := live.Connect(t.Context(), other.LibpqDSN("postgres"), live.Options{Command: "triage"})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(conn.Close)
		if s.Card, err = conn.Card(t.Context()); err != nil {
			t.Fatal(err)
		}
		s.Server = conn
	})
	if !facts.OtherCluster || report.Named != triage.WrongPlace || tableOf(t, facts, "orders").Stats != nil {
		t.Errorf("named %q: %+v", report.Named, report.Hypotheses)
	}
}

// TestEmptiedTogether: many small transactions empty a table that is older than the WAL. None of them is named, but what they did is.
func TestEmptiedTogether(t *testing.T) {
	t.Parallel()
	c := clustertest.Start(t, cluster.Options{Initdb: []string{"--wal-segsize=1"}, Settings: map[string]string{"autovacuum": "off", "wal_keep_size": "0", "min_wal_size": "2MB", "max_wal_size": "8MB", "wal_recycle": "off"}})
	clustertest.Exec(t, c, "postgres", "CREATE TABLE orders (id int, note text)", "INSERT INTO orders SELECT i, repeat('x', 500) FROM generate_series(1, 3000) i", "ANALYZE")
	for range 4 { // the WAL of the rows goes
		clustertest.Exec(t, c, "postgres", "SELECT pg_switch_wal()", "CHECKPOINT")
	}
	var batches []string
	for n := range 20 {
		batches = append(batches, fmt.Sprintf("DELETE FROM orders WHERE id BETWEEN %d AND %d", n*150+1, n*150+150))
	}
	clustertest.Exec(t, c, "postgres", append(batches, "ANALYZE orders", "CREATE TABLE other (i int)")...) // its commit writes the log out
	report, _ := look(t, c, true, false, nil)
	if report.Named != triage.Cleanup || report.Question.Hurt != triage.HurtRows || len(report.Losses) > 0 {
		t.Errorf("named %q, losses %+v: %+v", report.Named, report.Losses, report.Hypotheses)
	}
	for _, h := range report.Hypotheses {
		if h.Name == triage.Cleanup && (h.Standing != triage.Supported || !strings.Contains(h.For[0].Text, "20 transactions together deleted 3000 rows of public.orders")) {
			t.Errorf("%+v", h)
		}
	}
}
