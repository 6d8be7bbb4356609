package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/pgrescue/pgrescue/cmd/internal/exitcode"
	"github.com/pgrescue/pgrescue/cmd/internal/term"
	"github.com/pgrescue/pgrescue/recover/casefile"
	"github.com/pgrescue/pgrescue/recover/live"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster/clustertest"
	"github.com/pgrescue/pgrescue/recover/restore"
)

// restoreRefusal is a small loss, in a case.
type restoreRefusal struct {
	t      *testing.T
	c      *cluster.Cluster
	folder string
	plan   string
}

func newRestoreRefusal(t *testing.T) *restoreRefusal {
	t.Helper()
	r := &restoreRefusal{t: t, c: clustertest.Start(t, cluster.Options{Settings: cluster.TenantLossSettings()}), folder: filepath.Join(t.TempDir(), "case")}
	r.plan = filepath.Join(r.folder, "plan.json")
	clustertest.Exec(t, r.c, "postgres", "CREATE DATABASE shop", "CREATE DATABASE empty", "CREATE ROLE blind LOGIN", "CREATE ROLE reader LOGIN", "CREATE ROLE clerk LOGIN")
	clustertest.Exec(t, r.c, "shop", "CREATE TABLE item (id int PRIMARY KEY, name text, price numeric)",
		"INSERT INTO item SELECT i, 'item ' || i, i / 4.0 FROM generate_series(1, 100) i", "GRANT SELECT ON item TO reader", "GRANT ALL ON item TO clerk", "CHECKPOINT")
	xid := clustertest.Value(t, r.c, "shop", "DELETE FROM item WHERE id <= 40; SELECT txid_current()")
	r.must(exitcode.Done, "", "undelete", "--case", r.folder, "--pgdata", clustertest.Snapshot(t, r.c), "--xid", xid)
	return r
}

// must runs a command that ends with a code and says something, on stdout or stderr.
func (r *restoreRefusal) must(code exitcode.Code, says string, args ...string) string {
	r.t.Helper()
	got, stdout, stderr := execute(r.t.Context(), args...)
	if got != code || !strings.Contains(stdout+stderr, says) {
		r.t.Errorf("pgrescue %s: code %d (%s), want %d, and %q\n%s%s", strings.Join(args, " "), got, got, code, says, stdout, stderr)
	}
	return stdout
}

func (r *restoreRefusal) as(role, database string) string {
	return strings.Replace(r.c.LibpqDSN(database), "user="+cluster.Superuser, "user="+role, 1)
}

func (r *restoreRefusal) rows() string {
	r.t.Helper()
	return clustertest.Value(r.t, r.c, "shop", "SELECT count(*) FROM item")
}

// TestRestoreRefuses: what is wrong with target, plan and role is said with its exit code,
// and nothing is changed.
func TestRestoreRefuses(t *testing.T) {
	t.Parallel()
	r := newRestoreRefusal(t)
	shop := r.as(cluster.Superuser, "shop")
	other := clustertest.Start(t, cluster.Options{})
	clustertest.Exec(t, other, "postgres", "CREATE DATABASE shop")
	clustertest.Exec(t, other, "shop", "CREATE TABLE item (id int PRIMARY KEY, name text, price numeric)")
	plan := func(dsn string, more ...string) []string {
		return append([]string{"restore", "plan", "--case", r.folder, "--dsn", dsn}, more...)
	}
	apply := func(dsn string, more ...string) []string {
		return append([]string{"restore", "apply", r.plan, "--dsn", dsn}, more...)
	}
	r.must(exitcode.Refused, "the case has rows of database shop", plan(r.as(cluster.Superuser, "postgres"))...)
	r.must(exitcode.NotFound, "none of the tables of the case is there", plan(r.as(cluster.Superuser, "empty"), "--database", "shop")...)
	r.must(exitcode.Refused, "system identifier", plan(other.LibpqDSN("shop"))...)
	r.must(exitcode.Permission, "SELECT", plan(r.as("blind", "shop"), "--other-cluster")...)
	r.must(exitcode.Done, "40 to put in, 0 to change", plan(other.LibpqDSN("shop"), "--other-cluster", "-o", filepath.Join(r.folder, "other.json"))...)
	r.must(exitcode.Done, "40 to put in, 0 to change", plan(shop)...)
	r.must(exitcode.Stale, "system identifier", apply(other.LibpqDSN("shop"), "--confirm", "shop")...)
	r.must(exitcode.Stale, "the plan is for database", apply(r.as(cluster.Superuser, "empty"), "--confirm", "empty")...)
	r.must(exitcode.Usage, `--confirm "shop" says that it is the one`, apply(shop)...)
	r.must(exitcode.Usage, "nothing was changed", apply(shop, "--confirm", "item")...)
	r.must(exitcode.Usage, "--batch -1", apply(shop, "--confirm", "shop", "--batch", "-1")...)
	r.must(exitcode.Permission, "session_replication_role", apply(r.as("reader", "shop"), "--confirm", "shop")...)
	r.must(exitcode.Refused, "no row of this plan was put in", "restore", "undo", r.plan, "--dsn", shop, "--confirm", "shop")
	r.must(exitcode.VerifyFailed, "0 in the target", "restore", "verify", r.plan, "--dsn", shop)

	clustertest.Exec(t, r.c, "shop", "ALTER DATABASE shop SET default_transaction_read_only = on")
	r.must(exitcode.Done, "40 rows put in", apply(shop, "--confirm", "shop")...) // told on the card, and confirmed
	r.must(exitcode.Refused, "verify and undo need it", plan(shop)...)
	r.must(exitcode.Done, "40 rows taken out", "restore", "undo", r.plan, "--dsn", shop, "--confirm", "shop")
	clustertest.Exec(t, r.c, "postgres", "ALTER DATABASE shop RESET default_transaction_read_only")

	r.must(exitcode.Done, "", plan(shop)...)
	text, err := os.ReadFile(r.plan)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(r.plan, []byte(strings.Replace(string(text), `"insert": 40`, `"insert": 41`, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	r.must(exitcode.Refused, "it was edited", apply(shop, "--confirm", "shop")...)
	if err := os.WriteFile(r.plan, text, 0o600); err != nil {
		t.Fatal(err)
	}
	clustertest.Exec(t, r.c, "shop", "INSERT INTO item VALUES (7, 'new', 1)")
	r.must(exitcode.Stale, "(7)", apply(shop, "--confirm", "shop")...)
	clustertest.Exec(t, r.c, "shop", "DELETE FROM item WHERE id = 7", "ALTER TABLE item ADD added int")
	r.must(exitcode.Stale, "definition", apply(shop, "--confirm", "shop")...)
	if n := r.rows(); n != "60" {
		t.Errorf("the table has %s rows, and nothing should have been changed", n)
	}
}

// fullDisk takes nothing.
type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, syscall.ENOSPC }

// TestPlanThatIsNotKeptReplacesNone: plan.json changes only together with the case. A
// plan that was applied needs its file for verify and undo.
func TestPlanThatIsNotKeptReplacesNone(t *testing.T) {
	t.Parallel()
	r := newRestoreRefusal(t)
	shop := r.as(cluster.Superuser, "shop")
	args := []string{"restore", "plan", "--case", r.folder, "--dsn", shop, "--force"}
	r.must(exitcode.Done, "40 to put in", args...)
	r.must(exitcode.Done, "40 rows put in", "restore", "apply", r.plan, "--dsn", shop, "--confirm", "shop")
	var errs bytes.Buffer
	if code := exitcode.Code(run(t.Context(), args, &term.Terminal{Out: fullDisk{}, Err: &errs})); code != exitcode.Failed {
		t.Errorf("code %d: %s", code, errs.String())
	}
	r.must(exitcode.Done, "40 rows taken out", "restore", "undo", r.plan, "--dsn", shop, "--confirm", "shop")
	if left, err := filepath.Glob(r.plan + "*"); err != nil || len(left) != 1 {
		t.Errorf("%v, %v: want plan.json alone", left, err)
	}
}

// TestRestoreWithFewRights: a role that is no owner and may only what it was granted.
func TestRestoreWithFewRights(t *testing.T) {
	t.Parallel()
	r := newRestoreRefusal(t)
	r.must(exitcode.Done, "The role lacks INSERT", "restore", "plan", "--case", r.folder, "--other-cluster", "--dsn", r.as("reader", "shop"))
	r.must(exitcode.Permission, "INSERT on table", "restore", "apply", r.plan, "--dsn", r.as("reader", "shop"), "--confirm", "shop")
	r.must(exitcode.Done, "", "restore", "plan", "--case", r.folder, "--other-cluster", "--dsn", r.as("clerk", "shop"), "--force")
	r.must(exitcode.Done, "40 rows put in", "restore", "apply", r.plan, "--dsn", r.as("clerk", "shop"), "--confirm", "shop")
	out := r.must(exitcode.Done, `"restored": 40`, "restore", "verify", r.plan, "--dsn", r.as("clerk", "shop"), "--json")
	if !strings.Contains(out, `"equation"`) {
		t.Errorf("the result is %s", out)
	}
	clustertest.Exec(t, r.c, "shop", "UPDATE item SET price = 0 WHERE id = 3", "DELETE FROM item WHERE id = 4")
	r.must(exitcode.VerifyFailed, "price", "restore", "verify", r.plan, "--dsn", r.as("clerk", "shop"))
	r.must(exitcode.Findings, "1 row was left, such as", "restore", "undo", r.plan, "--dsn", r.as("clerk", "shop"), "--confirm", "shop")
	if n := r.rows(); n != "61" {
		t.Errorf("the table has %s rows, want 61", n)
	}
}

// TestRestorePlanAfterAKill: a plan.json whose plan did not reach the case, because the
// command was killed in between, is refused by apply and makes way for a new one.
func TestRestorePlanAfterAKill(t *testing.T) {
	t.Parallel()
	r := newRestoreRefusal(t)
	shop := r.as(cluster.Superuser, "shop")
	file, err := casefile.Open(t.Context(), r.folder, casefile.Write, casefile.Options{Command: "test"})
	if err != nil {
		t.Fatal(err)
	}
	run, err := file.Begin(t.Context(), casefile.Command{Name: "restore plan"})
	if err != nil {
		t.Fatal(err)
	}
	conn, err := live.Connect(t.Context(), shop, live.Options{Command: "test"})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	plan, err := restore.Planning{Case: file, Conn: conn, Tool: "test"}.Make(t.Context())
	if err == nil {
		err = plan.Write(r.plan)
	}
	if err := errors.Join(err, run.Abandon(137), file.Close()); err != nil {
		t.Fatal(err)
	}
	r.must(exitcode.NotFound, "there is no plan", "restore", "apply", r.plan, "--dsn", shop, "--confirm", "shop")
	r.must(exitcode.Done, "40 to put in", "restore", "plan", "--case", r.folder, "--dsn", shop)
	r.must(exitcode.Done, "40 rows put in", "restore", "apply", r.plan, "--dsn", shop, "--confirm", "shop")
}
