package main

import (
	"bufio"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/pgrescue/pgrescue/cmd/internal/exitcode"
	"github.com/pgrescue/pgrescue/recover/drill"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster/clustertest"
	"github.com/pgrescue/pgrescue/recover/runbook"
)

// drillOne drills a book with one incident; the book "" is the built-in one.
func drillOne(t *testing.T, book, incident, version string) (exitcode.Code, *drill.Score) {
	t.Helper()
	args := []string{"runbook", "drill", "--incident", incident, "--pg", version, "--folder", filepath.Join(t.TempDir(), "kept"), "--json"}
	if book != "" {
		args = append(args, book)
	}
	code, stdout, stderr := execute(t.Context(), args...)
	var report drillReport
	if err := json.Unmarshal([]byte(stdout), &report); err != nil || len(report.Drills) != 1 {
		t.Fatalf("code %d, %v\n%s%s", code, err, stdout, stderr)
	}
	return code, report.Drills[0]
}

// TestDrills: RUNBOOK.md brings all rows back, or says that there is nothing to have or nothing was lost, in each
// incident, with newcomers as they came; no step lies, nothing is left behind, and triage names the right transactions.
func TestDrills(t *testing.T) {
	t.Parallel()
	type one struct{ incident, version string }
	var all []one
	for _, in := range drilled() {
		all = append(all, one{in.Name, clustertest.DefaultVersion})
	}
	if !testing.Short() {
		all = append(all, one{"cascade", "13"}, one{"truncate", "18"})
	}
	for _, d := range all {
		t.Run(d.incident+" "+d.version, func(t *testing.T) {
			t.Parallel()
			code, score := drillOne(t, "", d.incident, d.version)
			if code != exitcode.Done || !score.Passed || !score.Triage.Asked || !score.Triage.Right {
				t.Errorf("code %d, triage %+v: %s", code, score.Triage, strings.Join(score.Problems, "\n"))
			}
			if score.Ending == drill.RowsBack && (score.Lost == 0 || score.Lost != score.Back) {
				t.Errorf("%d of %d rows are back", score.Back, score.Lost)
			}
			frozen := false
			for _, step := range score.Steps {
				t.Logf("%s %s: %s after %d ms, changed %q", step.Step, step.Title, step.State, step.TookMS, step.Changed)
				frozen = frozen || strings.Contains(strings.Join(step.Changed, "\n"), "new: options of sales.customers {autovacuum_enabled=off")
			}
			if frozen != (d.incident == "cascade") {
				t.Error("the table that triage names first is not frozen by itself")
			}
		})
	}
}

// justTriage is a book that only looks.
const justTriage = `# Look

## You need

| name | meaning |
|---|---|
| ` + "`PGDATA`" + ` | data directory |

### 1. What is hurt?

- **Changes:** nothing

` + "```sh check" + `
pgrescue triage --pgdata "$PGDATA" --dsn '' --log "$PGDATA/../server.log" --outputs "$OUT" --no-case
` + "```\n"

// TestTriageInDrills: a triage of the running server and its files names the right transactions and the right
// hypothesis in each incident, and none where nothing was lost.
func TestTriageInDrills(t *testing.T) {
	t.Parallel()
	book := filepath.Join(t.TempDir(), "look.md")
	if err := os.WriteFile(book, []byte(justTriage), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, in := range drilled() {
		t.Run(in.Name, func(t *testing.T) {
			t.Parallel()
			_, score := drillOne(t, book, in.Name, clustertest.DefaultVersion)
			if !score.Triage.Asked || !score.Triage.Right {
				t.Errorf("%+v: %s", score.Triage, strings.Join(score.Problems, "\n"))
			}
			if len(score.Lies) > 0 {
				t.Errorf("triage says that it changes nothing: %+v", score.Lies)
			}
		})
	}
}

// drilled are the incidents that tests drill: one of them with -short, as the race detector runs them.
func drilled() []drill.Incident {
	list := drill.Incidents()
	if testing.Short() {
		list = list[:1]
	}
	return list
}

// look is a book that looks, with a check block.
func look(t *testing.T, block string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "look.md")
	if err := os.WriteFile(path, []byte("# Nothing is changed\n\n### 1. Look\n\n- **Changes:** nothing\n\n```sh check\n"+block+"\n```\n"), 0o640); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestWriteDrilled: a book that passed says so in its front matter, and one that lies is not touched.
func TestWriteDrilled(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		block, says string
		code        exitcode.Code
	}{
		{"psql -XAtc 'SELECT 1'", "The book says so now.", exitcode.Done},
		{`psql -Xqc "ALTER SYSTEM SET work_mem = '8MB'"`, `step 1 said "Changes: nothing", and it changed new: setting work_mem '8MB'`, exitcode.Findings},
	} {
		book := look(t, test.block)
		before, err := os.ReadFile(book)
		if err != nil {
			t.Fatal(err)
		}
		code, stdout, stderr := execute(t.Context(), "runbook", "drill", book, "--incident", "busy", "--pg", clustertest.DefaultVersion, "--write-drilled")
		after, err := os.ReadFile(book)
		if err != nil || code != test.code || !strings.Contains(stdout, test.says) {
			t.Errorf("code %d, %v\n%s%s", code, err, stdout, stderr)
		}
		line, rest, _ := strings.Cut(strings.TrimPrefix(string(after), "---\n"), "\n---\n")
		marked := regexp.MustCompile(`^last drilled: \d{4}-\d\d-\d\d, \d+ s, PG 15$`).MatchString(line) && rest == string(before)
		if marked != (code == exitcode.Done) || !marked && string(after) != string(before) {
			t.Errorf("code %d, the book is now\n%s", code, after)
		}
		if parsed, err := runbook.Parse("look.md", after); err != nil || (parsed.Meta["last drilled"] != "") != marked {
			t.Errorf("%v, %+v", err, parsed)
		}
	}
}

// TestStoppedDrills: a drill that is interrupted or killed in the middle of a block leaves no server behind, and
// one that is interrupted no files either.
func TestStoppedDrills(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		signal syscall.Signal
		code   int // -1: it did not end by itself
	}{
		{"interrupted", syscall.SIGINT, int(exitcode.Interrupted)},
		{"killed", syscall.SIGKILL, -1},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			stopDrill(t, test.signal, test.code)
		})
	}
}

func stopDrill(t *testing.T, signal syscall.Signal, code int) {
	folder, temporary := t.TempDir(), t.TempDir()
	for _, dir := range []string{temporary, filepath.Dir(temporary)} { // the server's user has to get through
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	news := filepath.Join(folder, "news")
	if err := syscall.Mkfifo(news, 0o600); err != nil {
		t.Fatal(err)
	}
	// The statement ends when the server does.
	book := look(t, "echo \"${PGHOST}\" > '"+news+"'\npsql -Xqc 'SELECT pg_sleep(600)'")
	own, err := newOwnCommands()
	if err != nil {
		t.Fatal(err)
	}
	defer own.remove()
	command := exec.CommandContext(t.Context(), filepath.Join(own.folder, ownName), "runbook", "drill", book, "--incident", "busy", "--pg", clustertest.DefaultVersion, "--folder", filepath.Join(folder, "kept"))
	command.Env = append(os.Environ(), "TMPDIR="+temporary)
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- command.Wait() }()
	host := make(chan string, 1)
	go func() {
		if file, err := os.Open(news); err == nil { // waits until the block writes
			line, _ := bufio.NewReader(file).ReadString('\n')
			host <- strings.TrimSpace(line)
			file.Close()
		}
	}()
	var socket string
	select {
	case err := <-ended:
		t.Fatalf("the drill ended too early: %v", err)
	case dir := <-host:
		socket = dir
	}
	if err := command.Process.Signal(signal); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; command.ProcessState.ExitCode() != code {
		t.Errorf("it ended with %v, want exit code %d", err, code)
	}
	// A server that ends takes its sessions along.
	if exec.CommandContext(t.Context(), "psql", "-Xq", "-h", socket, "-U", cluster.Superuser, "-c", "SELECT pg_sleep(120)").Run() == nil {
		t.Error("the server still runs")
	}
	if left, err := os.ReadDir(temporary); signal == syscall.SIGINT && (err != nil || len(left) > 0) {
		t.Errorf("left behind: %v, %v", left, err)
	}
}
