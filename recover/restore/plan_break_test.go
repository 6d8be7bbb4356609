package restore

import (
	"context"
	"errors"
	"testing"

	"github.com/pgrescue/pgrescue/recover/casefile"
	"github.com/pgrescue/pgrescue/recover/live"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster/clustertest"
)

// TestPlanThatBreaksOff: the server ends the session in the middle, or somebody
// interrupts. Nothing of the plan is in the case, and the next one is whole.
func TestPlanThatBreaksOff(t *testing.T) {
	t.Parallel()
	server := clustertest.Start(t, cluster.Options{})
	clustertest.Exec(t, server, "postgres", "CREATE TABLE t (id int PRIMARY KEY, v text)")
	c := newCase(t)
	rel := relation("public.t: id integer key, v text")
	const rows = 3 * batchRows
	table, err := c.run.Table(casefile.Table{Relation: rel})
	if err != nil {
		t.Fatal(err)
	}
	for i := range rows {
		row := lostRow(rel, i)
		if err := table.Put(&row); err != nil {
			t.Fatal(err)
		}
	}
	c.done(t)
	for name, want := range map[string]error{"ended": live.ErrLost, "interrupted": context.Canceled} {
		ctx, cancel := context.WithCancel(t.Context())
		conn, err := live.Connect(ctx, server.LibpqDSN("postgres"), live.Options{Command: "restore-plan"})
		if err != nil {
			t.Fatal(err)
		}
		planning := Planning{Case: c.Case, Conn: conn, Progress: func(_ string, done int64) {
			switch {
			case done > batchRows:
			case name == "ended":
				clustertest.Exec(t, server, "postgres", "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'pgrescue/restore-plan'")
			default:
				cancel()
			}
		}}
		if plan, err := planning.Make(ctx); !errors.Is(err, want) {
			t.Errorf("%s: %v, %v", name, plan, err)
		}
		cancel()
		conn.Close()
		if _, err := c.Plan(t.Context(), 0); !errors.Is(err, casefile.ErrNoPlan) {
			t.Errorf("%s: a part of a plan is in the case: %v", name, err)
		}
	}
	if plan := c.makePlan(t, server, Options{}); plan.Tables[0].Counts[Insert] != rows {
		t.Errorf("counts %v", plan.Tables[0].Counts)
	}
}
