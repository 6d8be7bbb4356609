package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pgrescue/pgrescue/cmd/internal/exitcode"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster/clustertest"
)

// killed runs import as a process of its own until it waits for what a session holds, and kills it.
func (s *importScene) killed(holds string, args ...string) {
	s.t.Helper()
	holder, err := s.c.Session(s.t.Context(), s.database)
	if err != nil {
		s.t.Fatal(err)
	}
	defer holder.Close(context.WithoutCancel(s.t.Context()))
	if err := holder.Exec(s.t.Context(), "BEGIN", holds); err != nil {
		s.t.Fatal(err)
	}
	command := exec.CommandContext(s.t.Context(), os.Args[0])
	command.Args = append([]string{"pgrescue"}, args...) // TestMain makes the program of it
	if err := command.Start(); err != nil {
		s.t.Fatal(err)
	}
	for waiting := "0"; waiting == "0"; {
		waiting = clustertest.Value(s.t, s.c, "postgres", "SELECT count(*) FROM pg_locks WHERE NOT granted")
	}
	if err := command.Process.Kill(); err != nil {
		s.t.Fatal(err)
	}
	if err := command.Wait(); err == nil {
		s.t.Error("the killed process ended well")
	}
	if err := holder.Exec(s.t.Context(), "ROLLBACK"); err != nil {
		s.t.Fatal(err)
	}
	for left := "1"; left != "0"; {
		left = clustertest.Value(s.t, s.c, "postgres", "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'pgrescue/import%'")
	}
}

// partialOf finds what a killed process leaves: a receipt that nobody takes for one.
func partialOf(t *testing.T, folder string) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(folder, ".*.partial"))
	if err != nil || len(found) != 1 {
		t.Fatalf("the killed process left %v (%v)", found, err)
	}
	return found[0]
}

// TestImportInterrupted: neither a signal, nor a connection that is lost, nor the end of the process
// leaves a part behind.
func TestImportInterrupted(t *testing.T) {
	t.Parallel()
	s := newImportScene(t, "15")
	path := s.source("e2e-test-data.csv")
	empty := s.whole()
	r := &restoreRefusal{t: t, c: s.c}
	ctx, cancel := context.WithCancel(t.Context())
	args := append(s.tenant(), "--no-case", "--as-mapped", "--apply", "--confirm", s.database, path)
	if text := r.interrupt(ctx, "LOCK TABLE migration.assets IN SHARE MODE", cancel, args...); !strings.HasPrefix(text, "interrupted") || !strings.Contains(text, "nothing of it is in the target") {
		t.Errorf("a signal: it ended with %s", text)
	}
	s.is("after the signal", s.whole(), empty)
	kill := func() {
		clustertest.Exec(t, s.c, "postgres", "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'pgrescue/import%'")
	}
	if text := r.interrupt(t.Context(), "LOCK TABLE migration.assets IN SHARE MODE", kill, args...); !strings.HasPrefix(text, "failed") {
		t.Errorf("a lost connection: it ended with %s", text)
	}
	s.is("after the lost connection", s.whole(), empty)
	s.killed("LOCK TABLE migration.assets IN SHARE MODE", args...)
	s.is("after the kill", s.whole(), empty)
	if err := os.Remove(partialOf(t, filepath.Dir(path))); err != nil {
		t.Error(err)
	}
	left, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(left) != 1 {
		t.Errorf("beside the source lies %v (%v)", left, err)
	}
	s.apply(exitcode.Done, "--as-mapped", path)
	if n := s.rows("assets"); n != "18" {
		t.Errorf("%s assets", n)
	}
}
