package triage_test

import (
	"strings"
	"testing"

	"github.com/pgrescue/pgrescue/recover/pitr/cluster/clustertest"
	"github.com/pgrescue/pgrescue/recover/triage"
)

// TestDroppedDatabase: a database that was dropped is named where nothing else is, and not where tests make and drop
// some all the time.
func TestDroppedDatabase(t *testing.T) {
	t.Parallel()
	c := shop(t)
	clustertest.Exec(t, c, "postgres", "VACUUM FULL pg_database", "CREATE DATABASE other", "ALTER DATABASE other CONNECTION LIMIT 7")
	report, _ := look(t, c, true, false, nil)
	if report.Named != "" || report.Question.Hurt != triage.HurtNothing {
		t.Errorf("before: named %q, hurt %q", report.Named, report.Question.Hurt)
	}
	clustertest.Exec(t, c, "postgres", "DROP DATABASE other")
	traffic(t, c)
	report, facts := look(t, c, true, true, nil)
	if report.Named != triage.DatabaseDropped || report.Question.Hurt != triage.HurtDatabase || len(facts.WAL.Databases) != 1 {
		t.Errorf("dropped: named %q, hurt %q, %+v", report.Named, report.Question.Hurt, facts.WAL.Databases)
	}
	var text strings.Builder
	if err := triage.WriteOutputs(&text, triage.Outputs(facts, report)); err != nil {
		t.Fatal(err)
	}
	if out := text.String(); !strings.Contains(out, "HURT=database\nHYPOTHESIS=database\nXID=") {
		t.Errorf("outputs:\n%s", out)
	}
	for range 2 {
		clustertest.Exec(t, c, "postgres", "CREATE DATABASE trial", "DROP DATABASE trial")
	}
	if report, _ = look(t, c, true, false, nil); report.Named != "" {
		t.Errorf("three were dropped: named %q", report.Named)
	}
	clustertest.Exec(t, c, "postgres", "DELETE FROM orders")
	if report, _ = look(t, c, true, false, nil); report.Named != triage.Cleanup {
		t.Errorf("and rows were deleted: named %q", report.Named)
	}
}
