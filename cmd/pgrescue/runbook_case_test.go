package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pgrescue/pgrescue/cmd/internal/exitcode"
)

const smallBook = "# Small\n\n### 1. Look\n\n- **Changes:** nothing\n\n```sh check\necho looked; echo 'SEEN=yes' >> \"$OUT\"\n```\n\n### 2. Say\n\n- [ ] Somebody knows.\n"

// TestRunIsNotedInTheCase runs a book with a case, and without one: the report of the case finds the run by itself.
func TestRunIsNotedInTheCase(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	book, kase, folder := filepath.Join(dir, "book.md"), filepath.Join(dir, "case"), filepath.Join(dir, "run")
	if err := os.WriteFile(book, []byte(smallBook), 0o600); err != nil {
		t.Fatal(err)
	}
	data, err := unpackIncident(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	expect := func(want exitcode.Code, args ...string) (stdout, stderr string) {
		t.Helper()
		code, stdout, stderr := execute(t.Context(), args...)
		if code != want {
			t.Fatalf("%q: code %d, want %d\n%s", args, code, want, stderr)
		}
		return stdout, stderr
	}
	// A run makes no case: only what its blocks find does.
	expect(exitcode.Done, "runbook", "run", book, "--folder", filepath.Join(dir, "before"), "--yes", "--tick", "all", "--case", kase)
	if _, err := os.Stat(kase); err == nil {
		t.Error("the run made a case")
	}
	expect(exitcode.Done, "triage", "--pgdata", data, "--case", kase)
	expect(exitcode.Done, "runbook", "run", book, "--folder", folder, "--yes", "--tick", "all", "--set", "PGUSER=ann", "--case", kase)
	runs := showCase(t, kase).Runbooks
	if len(runs) != 1 || runs[0].Folder != folder || runs[0].Book != "Small" {
		t.Fatalf("the case knows of %+v", runs)
	}
	text, _ := expect(exitcode.Done, "report", "-o", "-", "--format", "markdown", "--case", kase)
	for _, want := range []string{"The runbook, as it was followed", "| 1. Look | done |", "SEEN=yes", "check (line 7): 0", "2. Say"} {
		if !strings.Contains(text, want) && !strings.Contains(strings.ReplaceAll(text, `\`, ""), want) {
			t.Errorf("the report does not say %q\n%s", want, text)
		}
	}
	text, _ = expect(exitcode.Done, "report", "-o", "-", "--format", "markdown", "--case", kase, "--run", filepath.Join(dir, "before"))
	if strings.Contains(text, "("+folder+")") || !strings.Contains(text, filepath.Join(dir, "before")+")") {
		t.Error("--run does not choose the run")
	}
	expect(exitcode.NotFound, "report", "-o", "-", "--format", "markdown", "--case", kase, "--run", dir)
	if err := os.RemoveAll(folder); err != nil {
		t.Fatal(err)
	}
	text, stderr := expect(exitcode.Done, "report", "-o", "-", "--format", "markdown", "--case", kase)
	if !strings.Contains(text, "cannot be read") || !strings.Contains(stderr, folder) {
		t.Errorf("a run that is gone is not told: %s", stderr)
	}
	if code, _, stderr := execute(t.Context(), "case", "verify", "--case", kase); code != exitcode.Done {
		t.Errorf("case verify: code %d\n%s", code, stderr)
	}
}
