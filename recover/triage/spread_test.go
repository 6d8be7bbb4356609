package triage_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/pgrescue/pgrescue/recover/pitr/cluster"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster/clustertest"
	"github.com/pgrescue/pgrescue/recover/triage"
)

// oneByOne deletes each row in a transaction of its own.
func oneByOne(t *testing.T, c *cluster.Cluster, table string, from, to int) {
	t.Helper()
	var all []string
	for id := from; id <= to; id++ {
		all = append(all, fmt.Sprintf("DELETE FROM %s WHERE id = %d", table, id))
	}
	clustertest.Exec(t, c, "postgres", all...)
}

// TestOneByOne: a loop deletes a third of a table row by row, under traffic that deletes single rows of it too. What it took is named, with
// its transactions; what traffic took before and after is not among them.
func TestOneByOne(t *testing.T) {
	t.Parallel()
	c := shop(t)
	usual := func(from int) {
		for i := range 4 {
			oneByOne(t, c, "orders", from+i, from+i)
			traffic(t, c)
		}
	}
	usual(1)
	first := clustertest.Value(t, c, "postgres", "SELECT txid_current()")
	oneByOne(t, c, "orders", 1001, 1700)
	last := clustertest.Value(t, c, "postgres", "SELECT txid_current()")
	traffic(t, c)
	usual(11)
	for _, asks := range []bool{false, true} {
		report, facts := look(t, c, true, asks, nil)
		if report.Named != triage.Cleanup || report.Question.Hurt != triage.HurtRows || len(report.Losses) > 0 || len(report.Spread) != 1 {
			t.Fatalf("named %q, losses %+v, spread %+v", report.Named, report.Losses, report.Spread)
		}
		s := report.Spread[0]
		if s.Table.Name != "orders" || s.Rows != 700 || s.Transactions != 700 || len(s.XIDs) != 700 || !s.Dense || s.Since.IsZero() {
			t.Errorf("%+v", s)
		}
		for _, xid := range s.XIDs {
			if text := fmt.Sprint(xid); len(text) == len(first) && text < first || len(text) == len(last) && text > last {
				t.Errorf("transaction %s is not of the loop, from %s to %s", text, first, last)
			}
		}
		for _, route := range report.Routes {
			if route.Name == "wal" && (route.Covers != triage.CoversYes || route.Of != 700) {
				t.Errorf("%+v", route)
			}
		}
		outputs := triage.Outputs(facts, report)
		for _, want := range []triage.Output{{Name: "HURT", Value: "rows"}, {Name: "HYPOTHESIS", Value: "cleanup"}, {Name: "SPREAD", Value: "yes"}, {Name: "TABLES", Value: "public.orders"}, {Name: "WAL_COVERS", Value: "yes"}} {
			if !slices.Contains(outputs, want) {
				t.Errorf("no %v in %v", want, outputs)
			}
		}
		if !strings.Contains(report.Next[len(report.Next)-1].Line, "--table public.orders --since") {
			t.Errorf("next: %+v", report.Next)
		}
	}
}
