package main

import (
	"context"
	"strings"
	"testing"

	"github.com/pgrescue/pgrescue/cmd/internal/exitcode"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster/clustertest"
)

// interrupt runs apply or undo until it waits for what a session holds, lets interrupt
// do its work, and returns how it ended.
func (r *restoreRefusal) interrupt(ctx context.Context, holds string, interrupt func(), args ...string) string {
	r.t.Helper()
	holder, err := r.c.Session(r.t.Context(), "shop")
	if err != nil {
		r.t.Fatal(err)
	}
	defer holder.Close(context.WithoutCancel(r.t.Context()))
	if err := holder.Exec(r.t.Context(), "BEGIN", holds); err != nil {
		r.t.Fatal(err)
	}
	ended := make(chan string, 1)
	go func() {
		code, stdout, stderr := execute(ctx, args...)
		ended <- code.String() + stdout + stderr
	}()
	for waiting := "0"; waiting == "0"; {
		waiting = clustertest.Value(r.t, r.c, "postgres", "SELECT count(*) FROM pg_locks WHERE NOT granted")
	}
	interrupt()
	text := <-ended
	if err := holder.Exec(r.t.Context(), "ROLLBACK"); err != nil {
		r.t.Fatal(err)
	}
	return text
}

// TestRestoreInterrupted: a signal ends apply with its own code, and the same command goes on.
func TestRestoreInterrupted(t *testing.T) {
	t.Parallel()
	r := newRestoreRefusal(t)
	shop := r.as(cluster.Superuser, "shop")
	r.must(exitcode.Done, "", "restore", "plan", "--case", r.folder, "--dsn", shop)
	ctx, cancel := context.WithCancel(t.Context())
	apply := []string{"restore", "apply", r.plan, "--dsn", shop, "--confirm", "shop"}
	text := r.interrupt(ctx, "LOCK TABLE item IN SHARE MODE", cancel, apply...)
	if !strings.HasPrefix(text, "interrupted") || !strings.Contains(text, "run the same command again") {
		t.Errorf("it ended with %s", text)
	}
	if n := r.rows(); n != "60" {
		t.Errorf("%s rows after the interruption", n)
	}
	r.must(exitcode.Done, "40 rows put in", apply...)
}

// TestRestoreLost: when the connection is lost, apply and undo say how much is in, and
// that the same command goes on.
func TestRestoreLost(t *testing.T) {
	t.Parallel()
	r := newRestoreRefusal(t)
	shop := r.as(cluster.Superuser, "shop")
	r.must(exitcode.Done, "", "restore", "plan", "--case", r.folder, "--dsn", shop)
	apply := []string{"restore", "apply", r.plan, "--dsn", shop, "--confirm", "shop", "--batch", "10"}
	undo := []string{"restore", "undo", r.plan, "--dsn", shop, "--confirm", "shop"}
	kill := func() {
		clustertest.Exec(t, r.c, "postgres", "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'pgrescue/restore%'")
	}
	const again = "run the same command again when the server is back: it goes on from there"
	for _, test := range []struct {
		holds, says, rows string
		args              []string
	}{
		{"LOCK TABLE item IN SHARE MODE", "this run put nothing in; " + again, "60", apply},
		{"INSERT INTO item VALUES (35)", "this run put 20 rows in, in 2 transactions; " + again, "80", apply},
		{"LOCK TABLE item IN SHARE MODE", "this run took nothing back; " + again, "80", undo},
	} {
		if text := r.interrupt(t.Context(), test.holds, kill, test.args...); !strings.HasPrefix(text, "failed") || !strings.Contains(text, test.says) {
			t.Errorf("%s: it ended with %s", test.args[1], text)
		}
		if n := r.rows(); n != test.rows {
			t.Errorf("%s rows after the loss, want %s", n, test.rows)
		}
	}
	r.must(exitcode.Done, "20 rows taken out", undo...)
}
