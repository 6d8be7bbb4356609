package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pgrescue/pgrescue/cmd/internal/exitcode"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster/clustertest"
	"github.com/pgrescue/pgrescue/recover/runbook"
)

// TestOwnCommands: a command of a block runs in this process where that sees the same as
// the block, and in one of its own where it would not.
func TestOwnCommands(t *testing.T) {
	t.Parallel()
	own, err := newOwnCommands()
	if err != nil {
		t.Fatal(err)
	}
	try := func(dir string, argv []string, more ...string) (int, string, error) {
		var out bytes.Buffer
		code, err := own.run(t.Context(), runbook.Command{Argv: argv, Env: append(os.Environ(), more...), Dir: dir, Stdout: &out, Stderr: &out})
		return code, out.String(), err
	}
	show := []string{"case", "show"}
	if code, out, err := try(own.dir, show, "PGRESCUE_CASE=/no/such/case"); err != nil || exitcode.Code(code) != exitcode.NotFound || !strings.Contains(out, "/no/such/case") {
		t.Errorf("the case of the block's environment: code %d, %v\n%s", code, err, out)
	}
	elsewhere := t.TempDir()
	if err := os.WriteFile(filepath.Join(elsewhere, "book.md"), []byte("# Empty\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, out, err := try(elsewhere, []string{"runbook", "lint", "book.md"}); err != nil || exitcode.Code(code) != exitcode.Findings {
		t.Errorf("a file of the block's folder: code %d, %v\n%s", code, err, out)
	}
	// Without the program, only what runs in this process works.
	if err := own.remove(); err != nil {
		t.Fatal(err)
	}
	if code, out, err := try(own.dir, []string{"version"}, "XID=7", "OUT=x"); err != nil || code != 0 || !strings.HasPrefix(out, "pgrescue ") {
		t.Errorf("in this process: code %d, %v\n%s", code, err, out)
	}
	for _, other := range []string{"PGDATABASE=other", "TMPDIR=/other"} {
		if _, out, err := try(own.dir, []string{"version"}, other); err == nil {
			t.Errorf("%s: ran in this process, which does not see that\n%s", other, out)
		}
	}
	if _, out, err := try(own.dir, []string{"import", "--token-env", "MY_WORD"}, "MY_WORD=x"); err == nil {
		t.Errorf("a variable that a flag names: ran in this process\n%s", out)
	}
}

// TestRunbookTarget: a severe step that names no value asks the server which database it
// is, and shows its identity card.
func TestRunbookTarget(t *testing.T) {
	t.Parallel()
	server := clustertest.Start(t, cluster.Options{})
	clustertest.Exec(t, server, "postgres", "CREATE DATABASE \"it's a shop\"", "CREATE TABLE made (n int)")
	book := filepath.Join(t.TempDir(), "book.md")
	text := "# Book\n\n### 1. Act\n\n- **Changes:** a table\n- **Confirm:** type the name of the database\n- **Time box:** 1 min\n- **Undo:** none, because it is a test\n\n" +
		"```sql run\nCREATE TABLE made (n int);\n```\n\n```sql verify\nSELECT * FROM made;\n```\n"
	if err := os.WriteFile(book, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	runs := t.TempDir()
	line := func(folder, database, confirm string) (exitcode.Code, string) {
		args := []string{
			"runbook", "run", book, "--folder", filepath.Join(runs, folder), "--yes", "--confirm", confirm,
			"--set", "PGHOST=" + filepath.Join(server.Dir(), "run"), "--set", "PGPORT=5432", "--set", "PGUSER=" + cluster.Superuser,
		}
		if database != "" {
			args = append(args, "--set", "PGDATABASE="+database)
		}
		code, stdout, stderr := execute(t.Context(), args...)
		return code, stdout + stderr
	}
	if code, out := line("wrong", "", "shop"); code != exitcode.Usage || !strings.Contains(out, `--confirm "`+cluster.Superuser+`"`) || !strings.Contains(out, "system identifier") {
		t.Errorf("a wrong name: code %d\n%s", code, out)
	}
	if code, out := line("there", "", cluster.Superuser); code != exitcode.Failed || !strings.Contains(out, `relation "made" already exists`) {
		t.Errorf("a table that is there: code %d\n%s", code, out)
	}
	if code, out := line("quoted", "it's a shop", "it's a shop"); code != exitcode.Done {
		t.Errorf("a database with a quote: code %d\n%s", code, out)
	}
	if got := clustertest.Value(t, server, "it's a shop", "SELECT count(*) FROM made"); got != "0" {
		t.Errorf("the table has %s rows", got)
	}
	if dsn := dsnOf(map[string]string{"PGHOST": "a b", "PGDATABASE": `it's\`}); dsn != `host='a b' dbname='it\'s\\'` {
		t.Errorf("dsn %s", dsn)
	}
}

// TestFoldersOfRuns: runs that begin in one second do not take the same folder, and the last of them is the one that
// commands take when none is named.
func TestFoldersOfRuns(t *testing.T) {
	t.Chdir(t.TempDir())
	at := time.Date(2026, 11, 26, 9, 2, 41, 0, time.UTC)
	for _, want := range []string{"2026-11-26T09-02-41Z", "2026-11-26T09-02-41Z-2", "2026-11-26T09-02-41Z-3"} {
		folder := newRunFolder(runsFolder, at)
		if filepath.Base(folder) != want {
			t.Errorf("the run takes %s, want %s", folder, want)
		}
		if err := os.MkdirAll(folder, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(folder, "run.json"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if last, err := runOf(nil); err != nil || last != folder {
			t.Errorf("the last run is %s, want %s: %v", last, folder, err)
		}
	}
}

// TestRunsOfOneSecond: a run that is begun right behind another goes through.
func TestRunsOfOneSecond(t *testing.T) {
	t.Chdir(t.TempDir())
	book := "### 1. Look\n\n```sh check\ntrue\n```\n"
	if err := os.WriteFile("book.md", []byte(book), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if code, _, stderr := execute(t.Context(), "runbook", "run", "book.md"); code != exitcode.Done {
			t.Errorf("code %d: %s", code, stderr)
		}
	}
}
