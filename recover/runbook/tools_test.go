package runbook

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

// newScene is a folder to run blocks in.
func newScene(t *testing.T) *scene {
	t.Helper()
	folder := t.TempDir()
	return &scene{tools: &Tools{Grace: 200 * time.Millisecond}, dir: folder, folder: filepath.Join(folder, "block"), evidence: folder, env: os.Environ()}
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// alive reports whether a process runs: one that ended, and that nobody has asked
// about, does not.
func alive(pid string) bool {
	stat, err := os.ReadFile("/proc/" + strings.TrimSpace(pid) + "/stat")
	if err != nil {
		return false
	}
	_, state, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(state, "Z") && !strings.HasPrefix(state, "X")
}

// ends waits for a process that was killed: the system takes a moment.
func ends(t *testing.T, pid string) {
	t.Helper()
	for range 1_000_000 {
		if !alive(pid) {
			return
		}
		runtime.Gosched()
	}
	t.Errorf("process %s is alive still", pid)
}

func TestBlocksThatMisbehave(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, script string
		code         int
		note, stdout string
	}{
		{name: "well", script: "echo here", stdout: "here\n"},
		{name: "asks for input", script: "read answer\necho \"$answer\"", code: 1},
		{name: "asks at the terminal", script: "if (: < /dev/tty) 2>/dev/null; then echo asked; fi", stdout: ""},
		{name: "kills its own shell", script: "echo first\nkill -9 $$\necho second", code: 137, note: "ended by signal 9", stdout: "first\n"},
		{name: "fails in the middle", script: "echo first\nfalse\necho second", code: 1, stdout: "first\n"},
		{name: "uses what nothing set", script: "echo \"$NOBODY_SET_THIS\"", code: 2},
		{name: "exits by itself", script: "exit 42", code: 42},
		{name: "is no shell", script: "if then", code: 2},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := newScene(t)
			outcome, err := s.run(t.Context(), &Block{Language: Shell, Role: Run, Text: test.script})
			if err != nil {
				t.Fatal(err)
			}
			if (outcome.Code != 0) != (test.code != 0) || test.code > 2 && outcome.Code != test.code || !strings.Contains(outcome.Note, test.note) {
				t.Errorf("exit code %d, note %q, want %d, %q", outcome.Code, outcome.Note, test.code, test.note)
			}
			if got := read(t, filepath.Join(s.folder, "stdout")); got != test.stdout {
				t.Errorf("stdout %q, want %q", got, test.stdout)
			}
			if got := read(t, filepath.Join(s.folder, "block.sh")); got != test.script {
				t.Errorf("the block was saved as %q", got)
			}
		})
	}
}

// TestPipesFail where the shell knows how; dash of old does not.
func TestPipesFail(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.tools.Shell = "bash"
	outcome, err := s.run(t.Context(), &Block{Language: Shell, Text: "false | true"})
	if err != nil || outcome.Code != 1 {
		t.Errorf("exit code %d, %v", outcome.Code, err)
	}
}

// TestHangingBlockIsStopped with all that it started, even what does not want to.
func TestHangingBlockIsStopped(t *testing.T) {
	t.Parallel()
	for name, script := range map[string]string{
		"in the foreground": "echo $$ > pids\necho ready\nsleep 1000",
		"in the background": "sleep 1000 & echo $! > pids\nsleep 1000 & echo $! >> pids\necho ready\nwait",
		"without listening": "trap '' INT TERM\necho $$ > pids\n(trap '' INT TERM; sleep 1000) & echo $! >> pids\necho ready\nwhile :; do sleep 1000; done",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newScene(t)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			// It hangs for certain when it has written who it is.
			s.stdout = writer(func(p []byte) (int, error) { cancel(); return len(p), nil })
			outcome, err := s.run(ctx, &Block{Language: Shell, Text: script})
			if !errors.Is(err, context.Canceled) {
				t.Fatalf("%+v, %v", outcome, err)
			}
			for _, pid := range strings.Fields(read(t, filepath.Join(s.dir, "pids"))) {
				ends(t, pid)
			}
		})
	}
}

type writer func([]byte) (int, error)

func (w writer) Write(p []byte) (int, error) { return w(p) }

// TestOutputIsBounded prints a gigabyte.
func TestOutputIsBounded(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.tools.Keep = 1 << 20
	shown := 0
	s.stdout = writer(func(p []byte) (int, error) { shown += len(p); return len(p), nil })
	outcome, err := s.run(t.Context(), &Block{Language: Shell, Text: "head -c 1000000000 /dev/zero"})
	if err != nil || outcome.Code != 0 {
		t.Fatalf("%+v, %v", outcome, err)
	}
	info, err := os.Stat(filepath.Join(s.folder, "stdout"))
	if err != nil || info.Size() != 1<<20 || outcome.Stdout.Kept != 1<<20 || outcome.Stdout.Bytes != 1000000000 || !outcome.Stdout.Cut || shown != 1<<20 {
		t.Errorf("%+v, shown %d, %v", outcome.Stdout, shown, err)
	}
}

// TestBackgroundIsSaid: what goes on behind a block does not hold the run.
func TestBackgroundIsSaid(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	outcome, err := s.run(t.Context(), &Block{Language: Shell, Text: "sleep 1000 & echo $! > pid"})
	if err != nil || outcome.Code != 0 || !strings.Contains(outcome.Note, "in the background") {
		t.Errorf("%+v, %v", outcome, err)
	}
	pid := read(t, filepath.Join(s.dir, "pid"))
	if !alive(pid) {
		t.Error("it was stopped")
	}
	stop := process{argv: []string{"kill", strings.TrimSpace(pid)}}
	if code, _, err := stop.run(context.Background()); code != 0 || err != nil {
		t.Errorf("kill: %d, %v", code, err)
	}
}

func TestSecretsAreMasked(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.tools.Mask = func(text string) string { return strings.ReplaceAll(text, "hunter2", "***") }
	var shown strings.Builder
	s.stdout = &shown
	_, err := s.run(t.Context(), &Block{Language: Shell, Text: "printf 'a hun'; printf 'ter2 b\\nhunter2'; echo hunter2 >&2; echo pw=hunter2 > \"$OUT\""})
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"stdout": "a *** b\n***", "stderr": "***\n"} {
		if got := read(t, filepath.Join(s.folder, name)); got != want {
			t.Errorf("%s: %q", name, got)
		}
	}
	if shown.String() != "a *** b\n***" {
		t.Errorf("shown: %q", shown.String())
	}
}

func TestOutputsOfBlocks(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, out, want, broken string }{
		{name: "two", out: "a=1\\n\\nb=x=y z\\n", want: "map[a:1 b:x=y z]"},
		{name: "empty", out: "", want: "map[]"},
		{name: "no pair", out: "a\\n", broken: "line 1 of $OUT is not name=value"},
		{name: "no name", out: "a=1\\n2 b=1\\n", broken: "line 2 of $OUT is not name=value"},
		{name: "a path", out: "PATH=/tmp\\n", broken: "may not set PATH"},
		{name: "a library", out: "LD_PRELOAD=x\\n", broken: "may not set LD_PRELOAD"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := newScene(t)
			outcome, err := s.run(t.Context(), &Block{Language: Shell, Text: "printf '" + test.out + "' >> \"$OUT\""})
			if test.broken != "" {
				if err == nil || !strings.Contains(err.Error(), test.broken) {
					t.Errorf("%v, want %q", err, test.broken)
				}
				return
			}
			if err != nil || fmt.Sprint(outcome.Outputs) != test.want {
				t.Errorf("%v, %v", outcome.Outputs, err)
			}
		})
	}
}

func TestOwnCommands(t *testing.T) {
	t.Parallel()
	lookup := func(name string) (string, bool) {
		value, ok := map[string]string{"COPY": "/mnt/a copy", "XID": "15", "EMPTY": ""}[name]
		return value, ok
	}
	tests := []struct {
		script string
		want   [][]string // nil: for the shell
	}{
		{"pgrescue version", [][]string{{"version"}}},
		{"# why\npgrescue a \\\n  'b c' \"$COPY/d\" -x=$XID \"${COPY}\" # end\n\npgrescue b \"\\$1 \\z\"\n", [][]string{{"a", "b c", "/mnt/a copy/d", "-x=15", "/mnt/a copy"}, {"b", `$1 \z`}}},
		{"pgrescue a $COPY", nil},
		{"pgrescue a $EMPTY", nil},
		{"pgrescue a \"$EMPTY\"", [][]string{{"a", ""}}},
		{"pgrescue a \"$NOBODY\"", nil},
		{"pgrescue a ${XID:-1}", nil},
		{"pgrescue a | cat", nil},
		{"pgrescue a > b", nil},
		{"pgrescue a && true", nil},
		{"pgrescue a *", nil},
		{"pgrescue `a`", nil},
		{"pgrescue \"`a`\"", nil},
		{"pgrescue $(a)", nil},
		{"pgrescue 'a", nil},
		{"pgrescue \"a", nil},
		{"pgrescue a\nls", nil},
		{"PGHOST=x pgrescue a", nil},
		{"", nil},
		{"# nothing\n", nil},
	}
	for _, test := range tests {
		got, ok := ownCommands(test.script, lookup)
		if ok != (test.want != nil) || ok && !slices.EqualFunc(got, test.want, slices.Equal) {
			t.Errorf("%q: %q, %v, want %q", test.script, got, ok, test.want)
		}
	}
}

// TestOwnCommandsStayInThisProcess, and stop at the first that fails.
func TestOwnCommandsStayInThisProcess(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.values = map[string]string{"XID": "15"}
	var ran []string
	s.tools.Pgrescue = func(_ context.Context, c Command) (int, error) {
		ran = append(ran, strings.Join(c.Argv, " "))
		if valueOf(c.Env, "XID") != "15" || c.Dir != s.dir {
			t.Errorf("it sees %q in %s", c.Env, c.Dir)
		}
		_, err := io.WriteString(c.Stdout, "out\n")
		return len(ran) - 1, err
	}
	outcome, err := s.run(t.Context(), &Block{Language: Shell, Text: "pgrescue a $XID\npgrescue b\npgrescue c\n"})
	if err != nil || outcome.Code != 1 || !slices.Equal(ran, []string{"a 15", "b"}) || outcome.Stdout.Bytes != 8 {
		t.Errorf("%+v, %v, ran %q", outcome, err, ran)
	}
}

// recorder is a server that runs nothing.
type recorder struct {
	scripts []Script
	code    int
}

func (r *recorder) RunSQL(_ context.Context, s Script) (int, error) {
	r.scripts = append(r.scripts, s)
	return r.code, nil
}

func TestSQLBlocks(t *testing.T) {
	t.Parallel()
	tests := []struct {
		role     Role
		text     string
		readOnly bool
		one      bool
	}{
		{Check, "SELECT 1;", true, true},
		{Verify, "SELECT 1;", true, true},
		{Run, "UPDATE t SET a = 'VACUUM';", false, true},
		{Undo, "ALTER TABLE t RESET (autovacuum_enabled);", false, true},
		{Run, "ALTER SYSTEM SET wal_keep_size = '1GB';", false, false},
		{Run, "SELECT 'VACUUM ' || t FROM x \\gexec", false, false},
		{Run, "BEGIN;\nSELECT 1;\nCOMMIT;", false, false},
		{Run, "CREATE INDEX CONCURRENTLY i ON t (a);", false, false},
	}
	for _, test := range tests {
		s := newScene(t)
		server := &recorder{}
		s.tools.SQL, s.values = server, map[string]string{"TABLES": "a b"}
		if _, err := s.run(t.Context(), &Block{Language: SQL, Role: test.role, Text: test.text}); err != nil {
			t.Fatal(err)
		}
		got := server.scripts[0]
		if got.ReadOnly != test.readOnly || got.OneTransaction != test.one || got.Variables["tables"] != "a b" || got.Variables["TABLES"] != "a b" || read(t, got.File) != test.text {
			t.Errorf("%s %q: %+v", test.role, test.text, got)
		}
	}
	if _, err := newScene(t).run(t.Context(), &Block{Language: SQL, Text: "SELECT 1"}); err == nil {
		t.Error("without a server, SQL runs")
	}
}
