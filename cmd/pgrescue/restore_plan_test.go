package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/pgrescue/pgrescue/cmd/internal/exitcode"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster"
)

// TestForceKeepsTheAppliedPlan: a plan that replaces an applied one leaves it beside
// itself, and undo still takes it.
func TestForceKeepsTheAppliedPlan(t *testing.T) {
	t.Parallel()
	r := newRestoreRefusal(t)
	shop := r.as(cluster.Superuser, "shop")
	args := []string{"restore", "plan", "--case", r.folder, "--dsn", shop, "--force"}
	first := filepath.Join(r.folder, "plan-1.json")
	r.must(exitcode.Done, "40 to put in", args...)
	r.must(exitcode.Done, "40 rows put in", "restore", "apply", r.plan, "--dsn", shop, "--confirm", "shop")
	r.must(exitcode.Done, "plan 1 is applied, and is kept as "+first, args...)
	r.must(exitcode.Done, "", args...) // plan 2 was not applied, and nobody needs it
	if left, err := filepath.Glob(filepath.Join(r.folder, "plan-*.json")); err != nil || len(left) != 1 {
		t.Errorf("%v, %v: want %s alone", left, err, first)
	}
	r.must(exitcode.Done, "40 rows taken out", "restore", "undo", first, "--dsn", shop, "--confirm", "shop")
	if n := r.rows(); n != "60" {
		t.Errorf("%s rows after undo, want 60", n)
	}
}

// TestForceLosesNoPlan: when another file has the name that the applied plan would get,
// the plan stays.
func TestForceLosesNoPlan(t *testing.T) {
	t.Parallel()
	r := newRestoreRefusal(t)
	shop := r.as(cluster.Superuser, "shop")
	args := []string{"restore", "plan", "--case", r.folder, "--dsn", shop, "--force"}
	r.must(exitcode.Done, "40 to put in", args...)
	r.must(exitcode.Done, "40 rows put in", "restore", "apply", r.plan, "--dsn", shop, "--confirm", "shop")
	if err := os.WriteFile(filepath.Join(r.folder, "plan-1.json"), []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	r.must(exitcode.Refused, "plan-1.json, which is there, and it is another file", args...)
	r.must(exitcode.Done, "40 rows taken out", "restore", "undo", r.plan, "--dsn", shop, "--confirm", "shop")
}

// TestPlanNeedsItsFolderFirst: a plan that has no place is refused before the target is
// asked anything.
func TestPlanNeedsItsFolderFirst(t *testing.T) {
	t.Parallel()
	r := newRestoreRefusal(t)
	path := filepath.Join(r.folder, "missing", "plan.json")
	r.must(exitcode.NotFound, "folder "+filepath.Dir(path)+" is not there", "restore", "plan", "--case", r.folder, "--dsn", "host=/nowhere", "-o", path)
	r.must(exitcode.Refused, "is no folder", "restore", "plan", "--case", r.folder, "--dsn", "host=/nowhere", "-o", filepath.Join(r.folder, "case.db", "plan.json"))
}
