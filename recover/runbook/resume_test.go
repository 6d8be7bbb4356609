package runbook

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// TestResumeBeginsAtTheStepThatFailed, and leaves alone what is done.
func TestResumeBeginsAtTheStepThatFailed(t *testing.T) {
	t.Parallel()
	d := newDesk(t, "### 1. Look\n\n´´´sh check\necho n=5 >> \"$OUT\"\n´´´\n\n"+act("2", "two", "", "test -e \"there$n\"", "true")+act("3", "three", "", "", "true"))
	result, err := d.start(d.options())
	d.wants(result, err, ErrBlock, "exit code 1", "1-look: done, 2-two: failed", "two")
	if result.Next != "2-two" {
		t.Errorf("next %q", result.Next)
	}
	result, err = d.resume(d.options())
	d.wants(result, err, ErrBlock, "exit code 1", "1-look: done, 2-two: failed, 2-two: failed", "two two")
	if err := os.WriteFile(filepath.Join(d.dir, "there5"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	result, err = d.resume(d.options())
	d.wants(result, err, nil, "", "1-look: done, 2-two: failed, 2-two: failed, 2-two: done, 3-three: done", "two two two three")
	if _, err := os.Stat(filepath.Join(d.folder("a"), "steps/02-3/1-run/block.sh")); err != nil {
		t.Error(err)
	}
}

// TestKeptValuesAreTold: a run keeps its values, and says so where the environment has another one since.
func TestKeptValuesAreTold(t *testing.T) {
	t.Parallel()
	d := newDesk(t, staleBook+act("1", "one", "", "test -e \"$IT\"", "true"))
	o := d.options()
	o.Inputs = map[string]string{"IT": "this"}
	result, err := d.start(o)
	d.wants(result, err, ErrBlock, "exit code 1", "1-one: failed", "one")
	must(t, os.WriteFile(filepath.Join(d.dir, "that"), nil, 0o600))
	var told []string
	o = d.options()
	o.Env = append(o.Env, "IT=that")
	o.Tell = func(e Event) {
		if e.Kind == Told {
			told = append(told, e.Text)
		}
	}
	result, err = d.resume(o)
	d.wants(result, err, ErrBlock, "exit code 1", "1-one: failed, 1-one: failed", "one one")
	if want := `IT stays "this", as the run has it; --set IT=VALUE changes it`; len(told) == 0 || told[0] != want {
		t.Errorf("told %q, want %q first", told, want)
	}
	told, o.Inputs = nil, map[string]string{"IT": "that"}
	result, err = d.resume(o)
	d.wants(result, err, nil, "", "1-one: failed, 1-one: failed, 1-one: done", "one one one")
	if len(told) > 0 {
		t.Errorf("the value was given, and told %q", told)
	}
}

// TestFailureIsRemembered: a way on does not make a run a success, not even later.
func TestFailureIsRemembered(t *testing.T) {
	t.Parallel()
	other := "### Other\n\n´´´sh check\necho other >> trace\ntest -e there || exit 3\n´´´\n"
	for name, test := range map[string]struct {
		step string
		kind error
		is   StepState
	}{
		"verify":   {act("1", "one", "", "", "exit 5") + "- If exit code 5 -> [Other](#other)\n- Otherwise -> on\n\n", ErrVerify, StateFailed},
		"time box": {act("1", "one", "- **Time box:** 1 s, then [Other](#other)\n", "sleep 1000", "true"), ErrTimeBox, StateOutOfTime},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t, test.step+other)
			first := "1-one: " + string(test.is)
			result, err := d.start(d.options())
			d.wants(result, err, ErrBlock, "exit code 3", first+", other: failed", "one other")
			must(t, os.WriteFile(filepath.Join(d.dir, "there"), nil, 0o600))
			result, err = d.resume(d.options())
			d.wants(result, err, test.kind, "and the run went on", first+", other: failed, other: done", "one other other")
			// And once more, when there is nothing left to do.
			result, err = d.resume(d.options())
			d.wants(result, err, test.kind, "and the run went on", first+", other: failed, other: done", "one other other")
		})
	}
}

const staleBook = "## You need\n\n| name | meaning |\n|---|---|\n| ´IT´ | what |\n\n"

// TestStaleStepsAreRefused until somebody says what becomes of them.
func TestStaleStepsAreRefused(t *testing.T) {
	t.Parallel()
	one := act("1", "one", "", "echo $IT >> trace", "true")
	three := act("3", "three", "", "", "test -e there")
	book := staleBook + one + act("2", "two", "", "", "true") + three
	const before = "1-one: done, 2-two: done, 3-three: failed"
	tests := []struct {
		name   string
		book   string
		change func(*RunOptions)
		kind   error
		text   string
		visits string // added
		trace  string // added
	}{
		{"nothing changed", book, nil, nil, "", ", 3-three: done", " three"},
		{"its text", strings.Replace(book, "echo one", "echo ONE", 1), nil, ErrStale, "step 1 ran before, and is not what it was: its text changed", "", ""},
		{"the text of the step that failed", strings.Replace(book, "echo three", "echo THREE", 1), nil, nil, "", ", 3-three: done", " THREE"},
		{"text outside of steps", "# A title\n\n" + book, nil, nil, "", ", 3-three: done", " three"},
		{"an input", book, func(o *RunOptions) { o.Inputs = map[string]string{"IT": "that"} }, ErrStale, "step 1 ran before, and is not what it was: IT was this, and is that", "", ""},
		{"the version", book, func(o *RunOptions) { o.Version = "2.0" }, ErrStale, "it ran with version 1.0, this is 2.0", "", ""},
		{"a step is gone", staleBook + one + three, nil, ErrStale, "the book has no such step any more", "", ""},
		{"accepted", strings.Replace(book, "echo one", "echo ONE", 1), func(o *RunOptions) { o.Accept = []string{"1"} }, nil, "", ", 3-three: done", " three"},
		{"another one accepted", strings.Replace(book, "echo one", "echo ONE", 1), func(o *RunOptions) { o.Accept = []string{"2"} }, ErrStale, "--again 1", "", ""},
		{"all accepted", book, func(o *RunOptions) { o.Version, o.Accept = "2.0", []string{"all"} }, nil, "", ", 3-three: done", " three"},
		{"run again", strings.Replace(book, "echo one", "echo ONE", 1), func(o *RunOptions) { o.Again = []string{"1"} }, nil, "", ", 1-one: done, 3-three: done", " ONE this three"},
		{"an error since", strings.Replace(book, "sh verify", "sh check", 1), nil, ErrBroken, "run-without-verify", "", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t, book)
			o := d.options()
			o.Inputs = map[string]string{"IT": "this"}
			result, err := d.start(o)
			d.wants(result, err, ErrVerify, "exit code 1", before, "one this two three")
			if err := os.WriteFile(filepath.Join(d.dir, "there"), nil, 0o600); err != nil {
				t.Fatal(err)
			}
			d.write(test.book)
			o = d.options()
			if test.change != nil {
				test.change(&o)
			}
			result, err = d.resume(o)
			visits := before + test.visits
			if errors.Is(err, ErrStale) || errors.Is(err, ErrBroken) {
				visits = "" // nothing was begun
			}
			d.wants(result, err, test.kind, test.text, visits, "one this two three"+test.trace)
			if test.kind != nil || len(o.Accept) == 0 {
				return
			}
			// What was accepted is not asked for again.
			o.Accept = nil
			if _, err := d.resume(o); err != nil {
				t.Errorf("accepted before: %v", err)
			}
		})
	}
}

// TestFoundAgain: a step that runs again and gives another value makes those stale that went by the first.
func TestFoundAgain(t *testing.T) {
	t.Parallel()
	book := "### 1. Find\n\n´´´sh check\necho \"it=$(cat is 2>/dev/null || echo one)\" >> \"$OUT\"\n´´´\n\n" +
		act("2", "two", "", "echo $it >> trace", "true") + act("3", "three", "", "", "test -e there")
	const before = "1-find: done, 2-two: done, 3-three: failed"
	begin := func(t *testing.T) *desk {
		d := newDesk(t, book)
		result, err := d.start(d.options())
		d.wants(result, err, ErrVerify, "", before, "two one three")
		must(t, os.WriteFile(filepath.Join(d.dir, "there"), nil, 0o600))
		return d
	}
	again := func(steps ...string) RunOptions {
		o := newDesk(t, book).options()
		o.Again = steps
		return o
	}
	d := begin(t)
	o := again("1")
	o.Dir = d.dir
	result, err := d.resume(o)
	d.wants(result, err, nil, "", before+", 1-find: done, 3-three: done", "two one three three")

	d = begin(t)
	must(t, os.WriteFile(filepath.Join(d.dir, "is"), []byte("other"), 0o600))
	result, err = d.resume(again("1"))
	d.wants(result, err, ErrStale, "step 2 ran before, and is not what it was: it was one, and a step that ran again gave other", before+", 1-find: done", "two one three")
	o = d.options()
	o.Accept = []string{"2"}
	result, err = d.resume(o)
	d.wants(result, err, nil, "", before+", 1-find: done, 3-three: done", "two one three three")
	if _, err := d.resume(d.options()); err != nil {
		t.Errorf("accepted before: %v", err)
	}

	d = begin(t)
	must(t, os.WriteFile(filepath.Join(d.dir, "is"), []byte("other"), 0o600))
	result, err = d.resume(again("1", "2"))
	d.wants(result, err, nil, "", before+", 1-find: done, 2-two: done, 3-three: done", "two one three two other three")
}

// TestInterruptedStep is stopped by its context, as by Ctrl-C or a lost connection.
func TestInterruptedStep(t *testing.T) {
	t.Parallel()
	d := newDesk(t, act("1", "one", "", "test -e there || { echo ready; sleep 1000; }", "test -e there"))
	book, err := Open(d.path)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	o := d.options()
	o.Stdout = writer(func(p []byte) (int, error) { cancel(); return len(p), nil })
	result, err := Start(ctx, book, d.folder("a"), o)
	d.wants(result, err, context.Canceled, "", "1-one: interrupted", "one")
	if note := result.Visits[0].Blocks[0].Note; note != "it was interrupted" {
		t.Errorf("note %q", note)
	}
	// The verify says no, and nobody is there to say that it may run twice.
	result, err = d.resume(d.options())
	d.wants(result, err, ErrConfirm, "--again 1", "1-one: interrupted, 1-one: interrupted", "one")
	if !strings.Contains(err.Error(), "no verify block says that it worked") {
		t.Errorf("the verify block said no, and the error is %v", err)
	}
	// Somebody is there.
	if err := os.WriteFile(filepath.Join(d.dir, "there"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	// The verify says that it worked: it does not run again.
	result, err = d.resume(d.options())
	d.wants(result, err, nil, "", "1-one: interrupted, 1-one: interrupted, 1-one: done", "one")
}

func TestInterruptedStepRunsAgain(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*testing.T, *RunOptions){
		"--again":           func(_ *testing.T, o *RunOptions) { o.Again = []string{"1"} },
		"somebody is there": func(t *testing.T, o *RunOptions) { o.Yes, o.Ask = false, &script{t: t, answers: []string{"run: y"}} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t, "### 1. Two blocks\n\n- **Undo:** none, because\n- [ ] Asked.\n\n´´´sh run\necho first >> trace\n´´´\n\n´´´sh run\necho second >> trace\ntest -e slept || { touch slept; echo ready; sleep 1000; }\ntouch there\n´´´\n\n´´´sh verify\ntest -e there\n´´´\n")
			book, err := Open(d.path)
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			o := d.options()
			o.Tick = []string{"1"}
			o.Stdout = writer(func(p []byte) (int, error) { cancel(); return len(p), nil })
			result, err := Start(ctx, book, d.folder("a"), o)
			d.wants(result, err, context.Canceled, "", "1-two-blocks: interrupted", "first second")
			o = d.options()
			o.Tick = []string{"1"}
			change(t, &o)
			result, err = d.resume(o)
			want := "first second second" // the first block had ended well
			if name == "--again" {
				want = "first second first second"
			}
			d.wants(result, err, nil, "", "1-two-blocks: interrupted, 1-two-blocks: done", want)
		})
	}
}

// childFolder tells the test binary to be the pgrescue that is killed.
const childFolder = "PGRESCUE_TEST_RUNBOOK"

// TestChild runs a book when another test has started it.
func TestChild(t *testing.T) {
	root := os.Getenv(childFolder)
	if root == "" {
		return
	}
	d := &desk{t: t, path: filepath.Join(root, "book.md"), dir: filepath.Join(root, "work"), runs: filepath.Join(root, "incident")}
	_, err := d.start(d.options())
	t.Fatalf("nobody killed it: %v", err)
}

// TestKilledInMidStep kills the whole pgrescue while a block runs.
func TestKilledInMidStep(t *testing.T) {
	t.Parallel()
	d := newDesk(t, act("1", "one", "", "true", "true")+act("2", "two", "", "echo ready > pipe\nsleep 1000", "test -e there"))
	pipe := filepath.Join(d.dir, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run", "^TestChild$")
	child.Env = append(os.Environ(), childFolder+"="+filepath.Dir(d.path))
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(pipe); err != nil || string(text) != "ready\n" {
		t.Fatalf("%q, %v", text, err)
	}
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := child.Wait(); err == nil {
		t.Fatal("the child ended well")
	}
	// The block lives on.
	pid := strings.TrimSpace(read(t, filepath.Join(d.folder("a"), "steps/02/1-run", pidName)))
	o := d.options()
	o.Again = []string{"2"}
	result, err := d.resume(d.options())
	d.wants(result, err, ErrLocked, "process group "+pid, "1-one: done, 2-two: interrupted, 2-two: interrupted", "one two")
	stop := process{argv: []string{"kill", "-9", "--", "-" + pid}}
	if code, _, err := stop.run(t.Context()); code != 0 || err != nil {
		t.Fatalf("kill: %d, %v", code, err)
	}
	group, err := strconv.Atoi(pid)
	must(t, err)
	for groupAlive(group) {
		runtime.Gosched()
	}
	if err := os.WriteFile(filepath.Join(d.dir, "there"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	result, err = d.resume(d.options())
	d.wants(result, err, nil, "", "1-one: done, 2-two: interrupted, 2-two: interrupted, 2-two: done", "one two")
}

func TestUndo(t *testing.T) {
	t.Parallel()
	undo := "´´´sh undo\necho back >> trace\n´´´\n\n"
	d := newDesk(t, act("1", "one", "", "", "true")+undo+act("2", "two", "", "", "false"))
	result, err := d.start(d.options())
	d.wants(result, err, ErrVerify, "", "1-one: done, 2-two: failed", "one two")
	for name, test := range map[string]struct {
		step string
		text string
		o    RunOptions
	}{
		"no such step": {"7", `no step "7"`, d.options()}, "no undo block": {"2", "no undo block", d.options()},
		"nobody says yes": {"1", "nobody is there to say yes / hint: --yes", func() RunOptions { o := d.options(); o.Yes = false; return o }()},
	} {
		if _, err := UndoStep(t.Context(), d.folder("a"), test.step, test.o); err == nil || !strings.Contains(err.Error()+hintOf(err), test.text) {
			t.Errorf("%s: %v%s", name, err, hintOf(err))
		} else if strings.Contains(hintOf(err), "--skip") {
			t.Errorf("%s: undo has no --skip: %s", name, hintOf(err))
		}
	}
	result, err = UndoStep(t.Context(), d.folder("a"), "1", d.options())
	d.wants(result, err, nil, "", "1-one: undone, 2-two: failed", "one two back")
	if _, err := UndoStep(t.Context(), d.folder("a"), "1", d.options()); err == nil || !strings.Contains(err.Error(), "undone already") {
		t.Errorf("twice: %v", err)
	}
}

// TestBookOfNoFile is called by its name, from wherever its run is looked at.
func TestBookOfNoFile(t *testing.T) {
	d := newDesk(t, act("1", "one", "", "", "true"))
	book, err := Parse("built-in:BOOK.md", []byte(backquotes(act("1", "one", "", "", "test -e there")+"´´´sh undo\necho back >> trace\n´´´\n")))
	must(t, err)
	if _, err := Start(t.Context(), book, d.folder("a"), d.options()); !errors.Is(err, ErrVerify) || !strings.Contains(err.Error(), " built-in:BOOK.md:11: ") {
		t.Errorf("run: %v", err)
	}
	// A file of that name is another book.
	t.Chdir(filepath.Dir(d.path))
	must(t, os.WriteFile("built-in:BOOK.md", []byte("# Another\n\n### 7. Another\n"), 0o600))
	o := d.options()
	o.Yes = false
	if _, err := UndoStep(t.Context(), d.folder("a"), "1", o); err == nil || !strings.Contains(err.Error(), " built-in:BOOK.md:15: ") {
		t.Errorf("undo: %v", err)
	}
	status, err := ReadStatus(d.folder("a"), d.options().Options)
	if err != nil || status.Book != "built-in:BOOK.md" || len(status.Steps) != 1 || status.Steps[0].Step != "1" {
		t.Errorf("status: %+v, %v", status, err)
	}
}

// TestDamagedRuns are refused, with what is wrong.
func TestDamagedRuns(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		damage func(t *testing.T, folder string)
		kind   error
		text   string
	}{
		{"no folder", func(t *testing.T, folder string) { must(t, os.RemoveAll(folder)) }, ErrNoRun, recordName},
		{"no record", func(t *testing.T, folder string) { must(t, os.Remove(filepath.Join(folder, recordName))) }, ErrNoRun, recordName},
		{"a record of nonsense", func(t *testing.T, folder string) { overwrite(t, folder, recordName, "{") }, ErrDamaged, recordName},
		{"a newer one", func(t *testing.T, folder string) { overwrite(t, folder, recordName, `{"format":2}`) }, ErrNewer, "its format is 2"},
		{"a changed journal", func(t *testing.T, folder string) {
			overwrite(t, folder, journalName, strings.Replace(read(t, filepath.Join(folder, journalName)), `"state":"done"`, `"state":"todo"`, 1))
		}, ErrDamaged, "the line before is not the one"},
		{"a line is gone", func(t *testing.T, folder string) {
			lines := strings.SplitAfter(read(t, filepath.Join(folder, journalName)), "\n")
			overwrite(t, folder, journalName, strings.Join(append(lines[:2], lines[3:]...), ""))
		}, ErrDamaged, "line 3: it says that it is line 4"},
		{"no inputs", func(t *testing.T, folder string) { must(t, os.Remove(filepath.Join(folder, inputsName))) }, ErrDamaged, inputsName},
		{"outputs are gone", func(t *testing.T, folder string) { must(t, os.Remove(filepath.Join(folder, "steps/01/1-check/out"))) }, ErrDamaged, "outputs of the block"},
		{"half a line", func(t *testing.T, folder string) {
			overwrite(t, folder, journalName, read(t, filepath.Join(folder, journalName))+`{"seq":9,"ev`)
		}, nil, ""},
		{"the book is gone", func(t *testing.T, folder string) { must(t, os.Remove(filepath.Join(folder, "../../book.md"))) }, nil, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t, "### 1. Look\n\n´´´sh check\necho a=1 >> $OUT\n´´´\n\n"+act("2", "two", "", "", "test -e there"))
			if _, err := d.start(d.options()); !errors.Is(err, ErrVerify) {
				t.Fatal(err)
			}
			must(t, os.WriteFile(filepath.Join(d.dir, "there"), nil, 0o600))
			test.damage(t, d.folder("a"))
			_, err := d.resume(d.options())
			if !errors.Is(err, test.kind) || err != nil && !strings.Contains(err.Error(), test.text) {
				t.Errorf("%v, want %v with %q", err, test.kind, test.text)
			}
		})
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func overwrite(t *testing.T, folder, name, text string) {
	t.Helper()
	must(t, os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600))
}
