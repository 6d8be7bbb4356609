//go:build unix

package cluster_test

import (
	"context"
	"strings"
	"testing"

	"github.com/pgrescue/pgrescue/recover/pitr/cluster"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster/clustertest"
)

func TestBuildCascadeLoss(t *testing.T) {
	t.Parallel()
	c := clustertest.Start(t, cluster.Options{Settings: cluster.TenantLossSettings()})
	ctx := context.WithoutCancel(t.Context())
	loss, err := cluster.BuildCascadeLoss(ctx, c)
	if err != nil {
		t.Fatal(err)
	}
	if err := loss.Newcomers(ctx); err != nil {
		t.Fatal(err)
	}
	hurt, err := loss.State(ctx)
	if err != nil {
		t.Fatal(err)
	}
	expected, err := loss.Expected(ctx)
	if err != nil {
		t.Fatal(err)
	}
	// What stands in the way: tenant 10 by its name, 50 employees by their address
	// and 20 by their number, 30 bookings by their key; and all that is theirs.
	for table, want := range map[string]struct{ hurt, after int }{
		"firm.tenant":             {20 + 5, 30 - 1 + 5},
		"firm.department":         {60 + 20, 90 - 3 + 20},
		"firm.employee":           {600 + 475, 900 - 30 - 70 + 475},
		"firm.booking":            {1800 + 200, 2700 - 90 - 210 - 3 + 200},
		`"Отдел"."weird "" name"`: {3600 + 200, 5400 - 180 - 420 - 6 + 200},
		"firm.scribble":           {780 + 100, 1200 - 60 - 20*2 - 27*2 - 23 + 100},
		"firm.audit":              {900 + 300 + 475, 900 + 300 + 475},
	} {
		if got := strings.Count(hurt[table], "\n"); got != want.hurt {
			t.Errorf("%s: %d rows after the loss, want %d", table, got, want.hurt)
		}
		if got := strings.Count(expected[table], "\n"); got != want.after {
			t.Errorf("%s: %d rows expected, want %d", table, got, want.after)
		}
	}
	if err := loss.CheckSequences(ctx); err != nil {
		t.Error(err)
	}
	clustertest.Exec(t, c, loss.Database, "SELECT setval('firm.employee_id_seq', 1000)")
	if err := loss.CheckSequences(ctx); err == nil || !strings.Contains(err.Error(), "firm.employee_id_seq: 1000 is behind 1355") {
		t.Errorf("a sequence that was set back is not noticed: %v", err)
	}
	if !strings.Contains(loss.DSN(loss.Owner), " user="+loss.Owner+" ") {
		t.Errorf("no role in %s", loss.DSN(loss.Owner))
	}
}
