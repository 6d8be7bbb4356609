package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/pgrescue/pgrescue/cmd/internal/exitcode"
	"github.com/pgrescue/pgrescue/cmd/internal/term"
	"github.com/pgrescue/pgrescue/testdata"
)

// unpackIncident writes the demo's evidence below folder and returns its data directory.
func unpackIncident(ctx context.Context, folder string) (dataDir string, err error) {
	_, _, err = testdata.UnpackIncident(ctx, folder)
	return filepath.Join(folder, "data"), err
}

// fingerprint hashes every name, size, mode, time and byte below folder.
func fingerprint(t *testing.T, folder string) string {
	t.Helper()
	hash := sha256.New()
	files := 0
	err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		fmt.Fprintln(hash, path, info.Mode(), info.Size(), info.ModTime().UnixNano())
		if entry.IsDir() {
			return nil
		}
		files++
		content, err := os.ReadFile(path)
		hash.Write(content)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if files == 0 {
		t.Fatalf("%s holds no file", folder)
	}
	return fmt.Sprintf("%x", hash.Sum(nil))
}

// execute runs one command line in this process.
func execute(ctx context.Context, args ...string) (code exitcode.Code, stdout, stderr string) {
	var out, errs bytes.Buffer
	code = exitcode.Code(run(ctx, args, &term.Terminal{Out: &out, Err: &errs}))
	return code, out.String(), errs.String()
}

// TestEvidenceIsOnlyRead runs every command that reads a data directory, and
// compares the evidence before and after.
func TestEvidenceIsOnlyRead(t *testing.T) {
	t.Parallel()
	data, err := unpackIncident(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	before := fingerprint(t, data)
	commands := evidenceCommands(t, data, t.TempDir())
	extras := [][]string{nil, {"--json"}}
	if testing.Short() { // the race detector sees the same goroutines again in TestJSONIsJSON
		extras = extras[:1]
	}
	root, _ := testRoot()
	for command := range allCommands(root) {
		name := strings.TrimPrefix(command.CommandPath(), "pgrescue ")
		if book, isBook := strings.CutPrefix(name, "runbook "); isBook && book != "plan" {
			continue // they read no evidence by themselves; docs_runbook_test.go and the scripts run them
		}
		if name == "wal fetch" || strings.HasPrefix(name, "import profile ") || name == "logs patterns check" || strings.HasPrefix(name, "restore ") && name != "restore plan" {
			continue // they read no evidence; wal_fetch_test.go and restore_scenario_test.go run them on a server
		}
		args, listed := commands[name]
		if !command.Runnable() || command.HasSubCommands() && !listed || name == "help" || name == "version" || name == "demo" {
			continue
		}
		if !listed {
			t.Errorf("%s is not in evidenceCommands; add a command line that reads the incident", name)
			continue
		}
		for _, extra := range extras {
			line := append(append(strings.Fields(name), args...), extra...)
			if name == "case export" {
				line = append(line, "-o", filepath.Join(t.TempDir(), "bundle")) // a new one each time
			}
			code, _, stderr := execute(t.Context(), line...)
			if code != exitcode.Done {
				t.Errorf("pgrescue %s: code %d (%s)\n%s", strings.Join(line, " "), code, code, stderr)
			}
			if fingerprint(t, data) != before {
				t.Fatalf("pgrescue %s changed the evidence", strings.Join(line, " "))
			}
		}
	}
}

// evidenceCommands has a command line that reads the incident for each command;
// what it writes goes to out. The transaction is the cleanup that the demo blames.
func evidenceCommands(t *testing.T, data, out string) map[string][]string {
	t.Helper()
	truth, err := testdata.ReadTruth()
	if err != nil {
		t.Fatal(err)
	}
	culprit := truth.Transaction("retry")
	if culprit == nil || len(culprit.Destroyed) == 0 {
		t.Fatal("the incident has no transaction retry that destroyed something")
	}
	xid, table := fmt.Sprint(culprit.XID), culprit.Destroyed[0].Table
	database := []string{"--pgdata", data, "--database", truth.Database}
	kase := filepath.Join(t.TempDir(), "case")
	if code, _, stderr := execute(t.Context(), "undelete", "--pgdata", data, "--xid", xid, "--case", kase); code != exitcode.Done {
		t.Fatalf("make a case: code %d (%s)\n%s", code, code, stderr)
	}
	with := func(more ...string) []string { return append(slices.Clone(database), more...) }
	logs := filepath.Join(filepath.Dir(data), "logs")
	return map[string][]string{
		"case export":           {"--case", kase, "-o", filepath.Join(t.TempDir(), "bundle")},
		"case show":             {"--case", kase},
		"case verify":           {"--case", kase},
		"catalog dump":          with("--force", "-o", filepath.Join(out, "catalog.json")),
		"heap rows":             with("--table", table),
		"heap scan":             with("--like", table),
		"import":                {sourceInEvidence(t, data)},
		"logs patterns suggest": {logs},
		"logs patterns test":    {"discovery", logs},
		"logs rebuild":          {logs},
		"logs timeline":         {logs, "--zone", "UTC"},
		"preserve":              {"--pgdata", data, "--case", filepath.Join(out, "preserved"), "--apply", "--yes"},
		"report":                {"--case", kase, "-o", filepath.Join(out, "report.html"), "--force"},
		"runbook plan":          {bookOnEvidence(t), "--set", "DATA=" + data},
		"restore plan":          {"--case", kase, "--offline", "-o", filepath.Join(out, "script"), "--force"},
		"triage":                with("--log", logs, "--zone", "backend.log=UTC", "--backups", filepath.Dir(data), "--sources", sourceInEvidence(t, data)),
		"undelete":              with("--xid", xid),
		"wal rows":              with("--xid", xid, "--table", table, filepath.Join(data, "pg_wal")),
		"wal summary":           {data},
		"wal target":            {data, "--xid", xid},
		"wal transactions":      {data},
	}
}

// bookOnEvidence writes a runbook whose check block reads the data directory in DATA.
func bookOnEvidence(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "book.md")
	text := "# Look\n\n## You need\n\n| Name | Meaning |\n|---|---|\n| `DATA` | the data directory |\n\n### 1. Look\n\n```sh check\npgrescue wal transactions \"$DATA\"\n```\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// sourceInEvidence lays a source file beside the data directory.
func sourceInEvidence(t *testing.T, data string) string {
	t.Helper()
	path := filepath.Join(filepath.Dir(data), "servers.csv")
	if err := os.WriteFile(path, []byte("Name,Host Name,CPU Cores\nweb-1,web-1.example.org,4\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestJSONIsJSON(t *testing.T) {
	t.Parallel()
	data, err := unpackIncident(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for name, args := range evidenceCommands(t, data, t.TempDir()) {
		line := append(append(strings.Fields(name), args...), "--json")
		_, stdout, stderr := execute(t.Context(), line...)
		decoder := json.NewDecoder(strings.NewReader(stdout))
		values := 0
		for decoder.More() {
			var value map[string]any
			if err := decoder.Decode(&value); err != nil {
				t.Fatalf("pgrescue %s: stdout is not JSON: %v\n%.400s", strings.Join(line, " "), err, stdout)
			}
			values++
		}
		if values == 0 {
			t.Errorf("pgrescue %s: stdout is empty; stderr:\n%s", strings.Join(line, " "), stderr)
		}
	}
}

func TestInterruptedIs130(t *testing.T) {
	t.Parallel()
	data, err := unpackIncident(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	out := t.TempDir()
	for name, args := range evidenceCommands(t, data, out) {
		code, _, stderr := execute(ctx, append(strings.Fields(name), args...)...)
		if code != exitcode.Interrupted {
			t.Errorf("%s: code %d (%s), want 130\n%s", name, code, code, stderr)
		}
	}
	left, err := os.ReadDir(out)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range left {
		t.Errorf("an interrupted command left %s", entry.Name())
	}
}
