//go:build unix

package cluster_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pgrescue/pgrescue/recover/pitr/cluster"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster/clustertest"
)

func TestScenarioKnowsWhatWasLost(t *testing.T) {
	t.Parallel()
	scenario := cluster.Scenario{
		Name:    "delete, then crash",
		Prepare: []cluster.Step{cluster.SQL("postgres", fruitSQL), cluster.Checkpoint},
		Doomed:  map[string]string{"fruit": "SELECT * FROM fruit WHERE id = 1"},
		Loss:    []cluster.Step{cluster.SQL("postgres", "DELETE FROM fruit WHERE id = 1")},
		After:   []cluster.Step{cluster.Crash},
	}
	c := clustertest.Start(t, scenario.Options)
	outcome, err := scenario.Run(context.WithoutCancel(t.Context()), c)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := string(outcome.Doomed["fruit"]), "1\tap\\tple\n"; got != want {
		t.Errorf("doomed: got %q, want %q", got, want)
	}
	if outcome.Before.LSN >= outcome.After.LSN || outcome.After.NextXID-outcome.Before.NextXID != 1 || outcome.After.Time.Before(outcome.Before.Time) {
		t.Errorf("one transaction must lie between %+v and %+v", outcome.Before, outcome.After)
	}
	if c.Running() {
		t.Error("the cluster runs after a crash")
	}
}

func TestScenarioNamesTheStepThatFailed(t *testing.T) {
	t.Parallel()
	c := clustertest.Start(t, cluster.Options{})
	scenario := cluster.Scenario{Name: "wrong", Loss: []cluster.Step{cluster.SQL("postgres", "DELETE FROM nowhere")}}
	if _, err := scenario.Run(t.Context(), c); err == nil || !strings.Contains(err.Error(), "scenario wrong: loss: cluster: run DELETE FROM nowhere") {
		t.Errorf("got %v", err)
	}
}

func TestBuildTenantLoss(t *testing.T) {
	t.Parallel()
	c := clustertest.Start(t, cluster.Options{Settings: cluster.TenantLossSettings()})
	ctx := context.WithoutCancel(t.Context())
	const size = 3000
	loss, err := cluster.BuildTenantLoss(ctx, c, size)
	if err != nil {
		t.Fatal(err)
	}
	if loss.Lost() != size/3 || len(loss.Tables) != 3 {
		t.Errorf("lost %d rows of %d tables, want %d of 3", loss.Lost(), len(loss.Tables), size/3)
	}
	if loss.XID < loss.Before.NextXID || loss.XID >= loss.After.NextXID || loss.Before.LSN >= loss.After.LSN {
		t.Errorf("transaction %d must lie between %+v and %+v", loss.XID, loss.Before, loss.After)
	}
	if got := clustertest.Value(t, c, loss.Database, fmt.Sprintf("SELECT pg_xact_status('%d'::xid8)", loss.XID)); got != "committed" {
		t.Errorf("status of transaction %d: %q, want committed", loss.XID, got)
	}
	snapshots := t.TempDir()
	for _, snapshot := range []struct {
		name string
		take func(context.Context, string) error
	}{{"crashed", loss.SnapshotCrashed}, {"checkpointed", loss.SnapshotCheckpointed}, {"vacuumed", loss.SnapshotVacuumed}} {
		name, dst := snapshot.name, filepath.Join(snapshots, snapshot.name)
		if err := snapshot.take(ctx, dst); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if _, err := os.Stat(filepath.Join(dst, "pg_wal", "000000010000000000000001")); err != nil {
			t.Errorf("%s: the first segment must have been kept: %v", name, err)
		}
	}
	for _, table := range loss.Tables {
		if got := clustertest.Value(t, c, loss.Database, "SELECT count(*) FROM "+table.String()+" WHERE tenant = 1"); got != "0" {
			t.Errorf("%s: %s rows of tenant 1 are left", table, got)
		}
		if got := clustertest.Value(t, c, loss.Database, "SELECT count(*) > 100 FROM "+table.String()+" WHERE tenant = 2"); got != "t" {
			t.Errorf("%s: tenant 2 lost its rows", table)
		}
	}
}

func TestBuildBenchCorpus(t *testing.T) {
	t.Parallel()
	c := clustertest.Start(t, cluster.Options{Settings: cluster.TenantLossSettings()})
	const target = 24 << 20
	corpus, err := cluster.BuildBenchCorpus(t.Context(), c, target)
	if err != nil {
		t.Fatal(err)
	}
	if corpus.WALBytes < target || corpus.WALBytes > 2*target {
		t.Errorf("made %d bytes of WAL, want %d to twice that", corpus.WALBytes, target)
	}
	left := clustertest.Value(t, c, corpus.Database, "SELECT count(*) FROM wide")
	if want := fmt.Sprint(4 * corpus.Table.Rows); left != want || corpus.Table.Rows < 500 {
		t.Errorf("deleted %d rows and left %s, want one of five deleted", corpus.Table.Rows, left)
	}
	columns := clustertest.Value(t, c, corpus.Database, "SELECT count(*) FROM pg_attribute WHERE attrelid = 'wide'::regclass AND attnum > 0")
	if columns != "21" {
		t.Errorf("the table has %s columns, want 21", columns)
	}
}
