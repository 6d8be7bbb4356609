package main

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/pgrescue/pgrescue/cmd/internal/exitcode"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster/clustertest"
)

// TestRestoreScenario is the whole way: a cascade delete over six tables with a
// circle of foreign keys, a partitioned table, identity columns, triggers and a
// generated column; 1,000 new rows come in, some under lost keys and unique values;
// then undelete into a case, plan, apply, verify, undo, apply again. The database has
// to be what PostgreSQL itself works out from the rows before the loss and the new
// ones, to the byte.
func TestRestoreScenario(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name    string
		version string
		role    string // "": the tables' owner
		grant   []string
	}{
		{name: "superuser", role: cluster.Superuser},
		{name: "superuser on 12", version: "12", role: cluster.Superuser},
		{name: "superuser on 18", version: "18", role: cluster.Superuser},
		{name: "owner that may switch triggers off", grant: []string{"GRANT SET ON PARAMETER session_replication_role TO keeper"}},
		{name: "owner", grant: []string{"ALTER TABLE firm.employee DISABLE TRIGGER USER"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := newRestoreScenario(t, test.version, true)
			if test.grant != nil {
				clustertest.Exec(t, s.c, s.loss.Database, test.grant...)
			}
			role := test.role
			if role == "" {
				role = s.loss.Owner
			}
			s.dsn = s.loss.DSN(role)
			s.wholeWay()
		})
	}
}

// restoreScenario is a hurt database, the case about it, and what it has to become.
type restoreScenario struct {
	t              *testing.T
	c              *cluster.Cluster
	loss           *cluster.CascadeLoss
	data           string // the copy of the data directory
	folder         string // the case
	dsn            string
	hurt, expected map[string]string
}

// newRestoreScenario hurts a database and undeletes what it lost into a case. Without
// newcomers it has to become what it was.
func newRestoreScenario(t *testing.T, version string, newcomers bool) *restoreScenario {
	t.Helper()
	s := &restoreScenario{t: t, c: clustertest.Start(t, cluster.Options{Version: version, Settings: cluster.TenantLossSettings()}), folder: filepath.Join(t.TempDir(), "case")}
	var err error
	if s.loss, err = cluster.BuildCascadeLoss(t.Context(), s.c); err != nil {
		t.Fatal(err)
	}
	s.data = clustertest.Snapshot(t, s.c)
	work := s.loss.Before
	if newcomers {
		if err := s.loss.Newcomers(t.Context()); err != nil {
			t.Fatal(err)
		}
		work = s.loss.Expected
	}
	if s.expected, err = work(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !newcomers {
		// The trigger's trace of the loss is no row that was lost.
		s.expected[`firm.audit`] = s.state()[`firm.audit`]
	}
	s.hurt = s.state()
	s.run(exitcode.Done, "undelete", "--case", s.folder, "--pgdata", s.data, "--database", s.loss.Database, "--xid", fmt.Sprint(s.loss.XID))
	return s
}

// run runs a command that must end with a code.
func (s *restoreScenario) run(code exitcode.Code, args ...string) (stdout, stderr string) {
	s.t.Helper()
	got, stdout, stderr := execute(s.t.Context(), args...)
	if got != code {
		s.t.Fatalf("pgrescue %s: code %d (%s), want %d\n%s%s", strings.Join(args, " "), got, got, code, stdout, stderr)
	}
	return stdout, stderr
}

// restore runs a command of restore on the plan, with what it needs.
func (s *restoreScenario) restore(code exitcode.Code, verb string, more ...string) (stdout, stderr string) {
	s.t.Helper()
	args := []string{"restore", verb}
	if verb == "plan" {
		args = append(args, "--case", s.folder)
	} else {
		args = append(args, filepath.Join(s.folder, "plan.json"))
	}
	return s.run(code, append(append(args, "--dsn", s.dsn), more...)...)
}

func (s *restoreScenario) state() map[string]string {
	s.t.Helper()
	state, err := s.loss.State(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	return state
}

// is fails unless the database is as it has to be.
func (s *restoreScenario) is(when string, want map[string]string) {
	s.t.Helper()
	got := s.state()
	for _, table := range slices.Sorted(maps.Keys(want)) {
		if got[table] == want[table] {
			continue
		}
		g, w := strings.SplitAfter(got[table], "\n"), strings.SplitAfter(want[table], "\n")
		s.t.Errorf("%s: %s has %d rows, want %d", when, table, len(g)-1, len(w)-1)
		for i := range min(len(g), len(w)) {
			if g[i] != w[i] {
				s.t.Errorf("%s: %s: first difference\n got %.300q\nwant %.300q", when, table, g[i], w[i])
				break
			}
		}
	}
	if s.t.Failed() {
		s.t.FailNow()
	}
}

// keepNewcomers are the choices that leave every new row as it is.
func keepNewcomers() []string {
	return []string{
		"--on-conflict", "firm.employee=keep", "--on-conflict", "firm.booking=keep", "--on-conflict", `"Отдел"."weird "" name"=keep`,
	}
}

func (s *restoreScenario) wholeWay() {
	s.t.Helper()
	stdout, _ := s.restore(exitcode.Findings, "plan")
	if !strings.Contains(stdout, "--on-conflict TABLE=keep") {
		s.t.Errorf("the plan does not say what to decide:\n%s", stdout)
	}
	s.restore(exitcode.Refused, "apply", "--confirm", s.loss.Database)
	s.restore(exitcode.Findings, "plan", keepNewcomers()...)
	s.is("after planning", s.hurt)
	s.restore(exitcode.Usage, "apply")
	s.restore(exitcode.Usage, "apply", "--confirm", "postgres")
	s.restore(exitcode.Done, "apply", "--dry-run")
	s.is("before applying", s.hurt)
	_, stderr := s.restore(exitcode.Done, "apply", "--confirm", s.loss.Database)
	if !strings.Contains(stderr, "system identifier") || !strings.Contains(stderr, "/"+s.loss.Database) {
		s.t.Errorf("no identity card:\n%s", stderr)
	}
	s.is("after applying", s.expected)
	s.restore(exitcode.Done, "verify")
	if err := s.loss.CheckSequences(s.t.Context()); err != nil {
		s.t.Error(err)
	}
	stdout, _ = s.restore(exitcode.Done, "apply", "--confirm", s.loss.Database)
	if !strings.Contains(stdout, "already") {
		s.t.Errorf("applied twice:\n%s", stdout)
	}
	s.restore(exitcode.Done, "undo", "--confirm", s.loss.Database)
	s.is("after undoing", s.hurt)
	s.restore(exitcode.VerifyFailed, "verify")
	s.restore(exitcode.Done, "apply", "--confirm", s.loss.Database, "--batch", "500")
	s.is("after applying again", s.expected)
	stdout, _ = s.restore(exitcode.Done, "verify")
	if !strings.Contains(stdout, "RESTORED") || !strings.Contains(stdout, "firm.booking") {
		s.t.Errorf("no equation:\n%s", stdout)
	}
	s.run(exitcode.Done, "case", "verify", "--case", s.folder)
}

// TestRestoreOffline gives the rows back with psql alone. While new rows are in the way
// the script says so, and changes nothing.
func TestRestoreOffline(t *testing.T) {
	t.Parallel()
	s := newRestoreScenario(t, "", false)
	out := filepath.Join(t.TempDir(), "give-back")
	s.run(exitcode.Usage, "restore", "plan", "--case", s.folder, "--offline")
	stdout, _ := s.run(exitcode.Done, "restore", "plan", "--case", s.folder, "--offline", "-o", out)
	if !strings.Contains(stdout, "firm.employee") || !strings.Contains(stdout, "rehearse=1") {
		t.Errorf("the summary is\n%s", stdout)
	}
	s.run(exitcode.Refused, "restore", "plan", "--case", s.folder, "--offline", "-o", out)
	psql := func(more string) (string, error) {
		t.Helper()
		stdout, stderr, err := shell(t, out, "psql -X -f restore.sql "+more+` -d "$DSN"`, "DSN="+s.loss.DSN(cluster.Superuser),
			"PATH="+s.c.BinDir()+string(filepath.ListSeparator)+os.Getenv("PATH"))
		return stdout + stderr, err
	}
	if text, err := psql("-v rehearse=1"); err != nil {
		t.Fatalf("the rehearsal: %v\n%s", err, text)
	}
	s.is("after the rehearsal", s.hurt)
	clustertest.Exec(t, s.c, s.loss.Database, "INSERT INTO firm.tenant (id, name) OVERRIDING SYSTEM VALUE VALUES (4, 'new')")
	if text, err := psql(""); err == nil || !strings.Contains(text, "firm.tenant: 1 of the keys are taken, such as (4)") {
		t.Fatalf("a key is taken: %v\n%s", err, text)
	}
	clustertest.Exec(t, s.c, s.loss.Database, "DELETE FROM firm.tenant WHERE id = 4")
	s.is("after the refusal", s.hurt)
	if text, err := psql(""); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	s.is("after the script", s.expected)
	if err := s.loss.CheckSequences(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestRestoreFiresTriggers: where the role may not switch them off, the plan names the
// triggers that fire, and verify finds what they changed.
func TestRestoreFiresTriggers(t *testing.T) {
	t.Parallel()
	s := newRestoreScenario(t, "", true)
	s.dsn = s.loss.DSN(s.loss.Owner)
	stdout, _ := s.restore(exitcode.Findings, "plan", append(keepNewcomers(), "--json")...)
	if !strings.Contains(stdout, `"name": "version"`) || strings.Count(stdout, `"fires": true`) != 2 {
		t.Errorf("the plan does not name the triggers:\n%.3000s", stdout)
	}
	s.restore(exitcode.Done, "apply", "--confirm", s.loss.Database)
	_, stderr := s.restore(exitcode.VerifyFailed, "verify")
	if !strings.Contains(stderr, "version") {
		t.Errorf("verify does not name the column:\n%s", stderr)
	}
	s.restore(exitcode.Done, "undo", "--confirm", s.loss.Database)
	after := s.state()
	s.hurt["firm.audit"] = after["firm.audit"] // what the trigger wrote is not apply's to take back
	s.is("after undoing", s.hurt)
}
