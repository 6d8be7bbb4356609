package main

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pgrescue/pgrescue/cmd/internal/exitcode"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster/clustertest"
	"github.com/pgrescue/pgrescue/recover/triage"
)

// triageOf runs triage and gives what it says.
func triageOf(t *testing.T, want exitcode.Code, args ...string) (r triage.Report, stderr string) {
	t.Helper()
	code, stdout, stderr := execute(t.Context(), append([]string{"triage", "--json", "--no-case"}, args...)...)
	if code != want {
		t.Fatalf("triage %q: code %d, want %d\n%s", args, code, want, stderr)
	}
	if err := json.Unmarshal([]byte(stdout), &r); err != nil {
		t.Fatalf("%v\n%s", err, stdout)
	}
	return r, stderr
}

// TestTriageOfAServer: a DELETE that fails with a syntax error, one that is rolled back, and then a TRUNCATE, on a server
// that logs. The server, its log and its directory tell it together and each alone.
func TestTriageOfAServer(t *testing.T) {
	t.Parallel()
	c := clustertest.Start(t, cluster.Options{Settings: map[string]string{"log_statement": "mod", "autovacuum": "off"}})
	clustertest.Exec(t, c, "postgres", "CREATE TABLE flows (id int, status text)", "INSERT INTO flows SELECT i, 'open' FROM generate_series(1, 115) i", "ANALYZE flows", "CHECKPOINT")
	s, err := c.Session(t.Context(), "postgres")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close(t.Context())
	if err := s.Exec(t.Context(), `DELETE FROM flows WHERE status \!= 'done'`); err == nil {
		t.Fatal("the DELETE did not fail")
	}
	clustertest.Exec(t, c, "postgres", "BEGIN; DELETE FROM flows; ROLLBACK")
	dump := filepath.Join(t.TempDir(), "old.txt")
	clustertest.Exec(t, c, "postgres", "SELECT pg_stat_reset()")
	text := "--\n-- PostgreSQL database dump\n--\n-- Started on 2026-01-01 01:00:00 UTC\nCOPY public.flows (id, status) FROM stdin;\n1\topen\n\\.\n-- PostgreSQL database dump complete\n"
	if err := os.WriteFile(dump, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	log := filepath.Join(t.TempDir(), "server.log")
	data := filepath.Join(t.TempDir(), "data")
	look := func() {
		t.Helper()
		raw, err := os.ReadFile(c.LogPath())
		if err == nil {
			err = os.WriteFile(log, raw, 0o600)
		}
		if err == nil {
			err = os.RemoveAll(data)
		}
		if err == nil {
			err = c.CopyDataDir(data)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	dsn := c.LibpqDSN("postgres")

	look()
	before, _ := triageOf(t, exitcode.Done, "--pgdata", data, "--dsn", dsn, "--log", log)
	if before.Named != "" || before.Question.Hurt != triage.HurtNothing {
		t.Errorf("before the loss: named %q, hurt %q", before.Named, before.Question.Hurt)
	}
	refused := 0
	for _, h := range before.Hypotheses {
		for _, point := range h.Against {
			if point.Source == "log" && strings.Contains(point.Text, `\!=`) {
				refused++
			}
		}
		for _, point := range h.For {
			if h.Name != triage.Undone && strings.Contains(point.Text, `\!=`) {
				t.Errorf("%s rests on a statement that failed: %s", h.Name, point.Text)
			}
		}
	}
	if refused != 1 {
		t.Errorf("the DELETE that failed is evidence against %d hypotheses", refused)
	}

	clustertest.Exec(t, c, "postgres", "TRUNCATE flows", "INSERT INTO flows VALUES (1, 'new')")
	look()
	all, _ := triageOf(t, exitcode.Done, "--pgdata", data, "--dsn", dsn, "--log", log, "--backups", filepath.Dir(dump))
	checkTruncate(t, all, triage.Proven)
	if lost := all.Losses[0].Tables[0]; lost.Rows != 115 || len(all.Losses[0].Statements) != 1 || all.Losses[0].Statements[0].Fate != triage.Committed {
		t.Errorf("the loss: %+v", all.Losses[0])
	}
	if route := all.Routes[4]; route.Name != "dump" || route.Covers != triage.CoversPart || route.Rows != 1 {
		t.Errorf("dump: %+v", route)
	}
	files, _ := triageOf(t, exitcode.Done, "--pgdata", data)
	checkTruncate(t, files, triage.Proven)
	logged, _ := triageOf(t, exitcode.Done, "--log", log)
	checkTruncate(t, logged, triage.Supported)
	asked, _ := triageOf(t, exitcode.Done, "--dsn", dsn)
	if asked.Named != "" || asked.Question.Hurt != triage.HurtNotKnown || !strings.Contains(asked.Next[0].Line, "wal fetch") {
		t.Errorf("the server alone: named %q, hurt %q, %+v", asked.Named, asked.Question.Hurt, asked.Next)
	}
}

func checkTruncate(t *testing.T, r triage.Report, standing triage.Standing) {
	t.Helper()
	if r.Named != triage.Truncated || r.Question.Hurt != triage.HurtTable {
		t.Errorf("named %q, hurt %q: %+v", r.Named, r.Question.Hurt, r.Hypotheses)
	}
	for _, h := range r.Hypotheses {
		if h.Name == triage.Truncated && h.Standing != standing {
			t.Errorf("%s is %s, want %s: %+v", h.Name, h.Standing, standing, h)
		}
	}
}

// TestTriageOfAServerWithoutFiles removes the files of a server while it runs. Nothing can be opened any more, and that is what is said.
func TestTriageOfAServerWithoutFiles(t *testing.T) {
	t.Parallel()
	for _, gone := range []string{"base", "global", "."} {
		c := clustertest.Start(t, cluster.Options{})
		clustertest.Exec(t, c, "postgres", "CREATE TABLE flows (id int)", "INSERT INTO flows SELECT generate_series(1, 100)", "CHECKPOINT")
		entries, err := os.ReadDir(filepath.Join(c.DataDir(), gone))
		if err != nil {
			t.Fatal(err)
		}
		for _, entry := range entries {
			if err := os.RemoveAll(filepath.Join(c.DataDir(), gone, entry.Name())); err != nil {
				t.Fatal(err)
			}
		}
		out := filepath.Join(t.TempDir(), "out")
		r, _ := triageOf(t, exitcode.Partial, "--pgdata", c.DataDir(), "--dsn", c.LibpqDSN("postgres"), "--outputs", out)
		if r.Named != triage.FilesGone || r.Question.Hurt != triage.HurtFiles {
			t.Errorf("%s: named %q, hurt %q: %+v", gone, r.Named, r.Question.Hurt, r.Hypotheses)
		}
		if text, err := os.ReadFile(out); err != nil || !strings.HasPrefix(string(text), "HURT=files\nHYPOTHESIS=files-gone\n") {
			t.Errorf("%s: %s, %v", gone, text, err)
		}
	}
}

// TestTriageOfRestoresInLogs: a dump was loaded, and later a base backup was restored with recovery from an archive. The log alone
// tells of both; the loading of a dump alone names nothing, for somebody does it every day.
func TestTriageOfRestoresInLogs(t *testing.T) {
	t.Parallel()
	c := clustertest.Start(t, cluster.Options{Settings: map[string]string{"log_statement": "all", "restore_command": "false"}})
	clustertest.Exec(t, c, "postgres", "CREATE TABLE flows (id int)", "INSERT INTO flows SELECT generate_series(1, 100)", "CREATE DATABASE copy")
	dump := filepath.Join(t.TempDir(), "dump.sql")
	for _, command := range [][]string{{"pg_dump", "-f", dump, c.LibpqDSN("postgres")}, {"psql", "-Xq", "-f", dump, c.LibpqDSN("copy")}} {
		if output, err := exec.CommandContext(t.Context(), filepath.Join(c.BinDir(), command[0]), command[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%q: %v\n%s", command, err, output)
		}
	}
	told := func(want string) (triage.Report, triage.Hypothesis) {
		t.Helper()
		r, _ := triageOf(t, exitcode.Done, "--log", c.LogPath())
		for _, h := range r.Hypotheses {
			if h.Name == triage.OldBackup {
				for _, point := range h.For {
					if strings.Contains(point.Text, want) {
						return r, h
					}
				}
				t.Errorf("no %q in %+v", want, h)
			}
		}
		return r, triage.Hypothesis{}
	}
	if r, h := told("SET check_function_bodies"); r.Named != "" || len(h.For) != 1 {
		t.Errorf("a dump was loaded: named %q, %+v", r.Named, h)
	}
	old := filepath.Join(c.Dir(), "monday")
	err := c.BaseBackup(t.Context(), old)
	if err == nil {
		err = os.WriteFile(filepath.Join(old, "recovery.signal"), nil, 0o600)
	}
	if err == nil {
		err = c.Stop(t.Context(), cluster.Fast)
	}
	if err == nil {
		err = c.Replace(old)
	}
	if err == nil {
		err = c.Start(context.WithoutCancel(t.Context()))
	}
	if err != nil {
		t.Fatal(err)
	}
	for clustertest.Value(t, c, "postgres", "SELECT CASE WHEN pg_is_in_recovery() THEN 'yes' ELSE 'no' END") == "yes" && t.Context().Err() == nil { // it takes connections before
	}
	if r, h := told("archive recovery complete"); r.Named != triage.OldBackup || h.Standing != triage.Supported || r.Question.Hurt != triage.HurtPlace {
		t.Errorf("a backup was restored: named %q, %+v", r.Named, h)
	}
}
