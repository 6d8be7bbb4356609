package runbook

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// desk is where the tests run books: a folder for the book, one for the blocks, one
// for the runs.
type desk struct {
	t    *testing.T
	path string // of the book
	dir  string
	runs string
}

func newDesk(t *testing.T, book string) *desk {
	t.Helper()
	root := t.TempDir()
	d := &desk{t: t, path: filepath.Join(root, "book.md"), dir: filepath.Join(root, "work"), runs: filepath.Join(root, "incident")}
	if err := os.Mkdir(d.dir, 0o700); err != nil {
		t.Fatal(err)
	}
	d.write(book)
	return d
}

func (d *desk) write(book string) {
	d.t.Helper()
	if err := os.WriteFile(d.path, []byte(backquotes(book)), 0o600); err != nil {
		d.t.Fatal(err)
	}
}

// options are those of somebody who is not there, and has said yes before.
func (d *desk) options() RunOptions {
	return RunOptions{
		Options: Options{
			Tools: Tools{Grace: 200 * time.Millisecond}, Env: []string{"PATH=" + os.Getenv("PATH")},
			Dir: d.dir, Version: "1.0", Who: "me", Host: "here",
		},
		Command: "runbook run", Yes: true,
	}
}

func (d *desk) folder(name string) string { return filepath.Join(d.runs, name) }

// start runs the book in the run "a".
func (d *desk) start(o RunOptions) (*Result, error) {
	d.t.Helper()
	book, err := Open(d.path)
	if err != nil {
		d.t.Fatal(err)
	}
	return Start(d.t.Context(), book, d.folder("a"), o)
}

func (d *desk) resume(o RunOptions) (*Result, error) {
	d.t.Helper()
	return Resume(d.t.Context(), d.folder("a"), o)
}

// trace is what blocks wrote to the file trace.
func (d *desk) trace() string {
	text, err := os.ReadFile(filepath.Join(d.dir, "trace"))
	if err != nil {
		return ""
	}
	return strings.Join(strings.Fields(string(text)), " ")
}

// states lists the visits of a result.
func states(r *Result) string {
	if r == nil {
		return ""
	}
	var words []string
	for _, v := range r.Visits {
		words = append(words, v.Step+": "+string(v.State))
	}
	return strings.Join(words, ", ")
}

// wants checks how a run ended.
func (d *desk) wants(r *Result, err, kind error, text, visits, trace string) {
	d.t.Helper()
	if !errors.Is(err, kind) || err != nil && !strings.Contains(err.Error()+hintOf(err), text) {
		d.t.Errorf("it ended with %v%s, want %v with %q", err, hintOf(err), kind, text)
	}
	if got := states(r); got != visits {
		d.t.Errorf("visits %q, want %q", got, visits)
	}
	if got := d.trace(); got != trace {
		d.t.Errorf("trace %q, want %q", got, trace)
	}
}

// act is a step that writes its name into the trace, with more lines of facts.
func act(number, title, facts, script, verify string) string {
	return "### " + number + ". " + title + "\n\n- **Changes:** a file\n- **Undo:** none, because it is a test\n" + facts +
		"\n´´´sh run\necho " + title + " >> trace\n" + script + "\n´´´\n\n´´´sh verify\n" + verify + "\n´´´\n\n"
}

const roadBook = `## You need

| name | meaning | example |
|---|---|---|
| ´WHAT´ | what to write | ´x´ |

### 1. Look

´´´sh check
echo look >> trace
echo "road=$WHAT side" >> "$OUT"
echo seen > "$EVIDENCE/seen"
´´´

´´´sh check
echo "$road"
´´´

´´´text expect
left side
´´´

- If ´road = right side´ -> [2](#2-right)
- If ´WHAT = left´ -> [Left](#left)
- Otherwise -> stop

### 2. Right

´´´sh check
echo right >> trace
´´´

### 3. Home

´´´sh check
echo home >> trace
cat "$EVIDENCE/seen"
´´´

### Left

´´´sh check
echo left >> trace
´´´

- Otherwise -> [3](#3-home)
`

// TestRunFollowsTheRoad runs a book to its end, and looks at all that it leaves.
func TestRunFollowsTheRoad(t *testing.T) {
	t.Parallel()
	d := newDesk(t, roadBook)
	o := d.options()
	o.Inputs = map[string]string{"WHAT": "left"}
	var events []EventKind
	o.Tell = func(e Event) { events = append(events, e.Kind) }
	var printed strings.Builder
	o.Stdout = &printed
	result, err := d.start(o)
	d.wants(result, err, nil, "", "1-look: done, left: done, 3-home: done", "look left home")
	if result.Next != "" || printed.String() != "left side\nseen\n" {
		t.Errorf("next %q, printed %q", result.Next, printed.String())
	}
	if events[0] != StepBegins || events[1] != BlockBegins || events[len(events)-1] != StepEnds {
		t.Errorf("events %q", events)
	}
	folder := d.folder("a")
	for name, want := range map[string]string{
		"steps/01/2-check/stdout": "left side\n", "steps/01/1-check/block.sh": "echo look >> trace\necho \"road=$WHAT side\" >> \"$OUT\"\necho seen > \"$EVIDENCE/seen\"\n",
		"steps/left/1-check/stderr": "", "steps/03/1-check/stdout": "seen\n", "evidence/seen": "seen\n", "book.md": backquotes(roadBook),
	} {
		if got := read(t, filepath.Join(folder, name)); got != want {
			t.Errorf("%s: %q", name, got)
		}
	}
	if inputs := read(t, filepath.Join(folder, inputsName)); !strings.Contains(inputs, `"WHAT": "left"`) {
		t.Errorf("inputs: %s", inputs)
	}
	h, err := readHistory(folder)
	if err != nil || len(h.problems) > 0 || !h.ended || h.visits[0].Blocks[0].Outputs["road"] != "left side" {
		t.Errorf("history %+v, %v", h, err)
	}
	check := exec.Command("sha256sum", "--quiet", "-c", manifestName)
	check.Dir = folder
	if out, err := check.CombinedOutput(); err != nil || strings.Count(read(t, filepath.Join(folder, manifestName)), "\n") < 12 {
		t.Errorf("manifest: %s, %v", out, err)
	}
	// There is nothing to go on with.
	result, err = d.resume(d.options())
	d.wants(result, err, nil, "", "1-look: done, left: done, 3-home: done", "look left home")
}

// TestNobodyIsThere: what a person would be asked is refused, with the flag that says it.
func TestNobodyIsThere(t *testing.T) {
	t.Parallel()
	const input = "## You need\n\n| name | meaning |\n|---|---|\n| ´IT´ | what |\n\n"
	branch := "### 1. Ask\n\n- If it rains -> [3](#3-dry)\n- Otherwise -> [2](#2-wet)\n\n" + act("2", "wet", "", "", "true") + act("3", "dry", "", "", "true")
	tests := []struct {
		name, book string
		change     func(*RunOptions)
		kind       error
		text       string
		trace      string
	}{
		{"without a yes", act("1", "one", "", "", "true"), func(o *RunOptions) { o.Yes = false }, ErrConfirm, "--yes", ""},
		{"yes", act("1", "one", "", "", "true"), nil, nil, "", "one"},
		{"severe", act("1", "one", "- **Confirm:** type the database's name\n", "", "true"), func(o *RunOptions) { o.Env = append(o.Env, "PGDATABASE=shop") }, ErrConfirm, `--confirm "shop"`, ""},
		{"severe, and the wrong name", act("1", "one", "- **Confirm:** type the database's name\n", "", "true"), func(o *RunOptions) { o.Env, o.Confirm = append(o.Env, "PGDATABASE=shop"), []string{"yes"} }, ErrConfirm, `--confirm "shop"`, ""},
		{"severe, confirmed", act("1", "one", "- **Confirm:** type the database's name\n", "", "true"), func(o *RunOptions) { o.Env, o.Confirm = append(o.Env, "PGDATABASE=shop"), []string{"shop"} }, nil, "", "one"},
		{"severe, of a variable", input + act("1", "one", "- **Confirm:** type ´$IT´\n", "", "true"), func(o *RunOptions) { o.Inputs, o.Confirm = map[string]string{"IT": "this"}, []string{"this"} }, nil, "", "one"},
		{"severe, of a target", act("1", "one", "- **Confirm:** type the database's name\n", "", "true"), func(o *RunOptions) {
			o.Confirm = []string{"found"}
			o.Target = func(context.Context, map[string]string) (string, error) { return "found", nil }
		}, nil, "", "one"},
		{"severe, of nothing", act("1", "one", "- **Confirm:** think\n", "", "true"), nil, ErrConfirm, `--confirm "1-one"`, ""},
		{"a task", "### 1. Do\n\n- [ ] Call somebody.\n\n" + act("2", "two", "", "", "true"), nil, ErrConfirm, "--tick 1", ""},
		{"a task that is done", "### 1. Do\n\n- [ ] Call somebody.\n\n" + act("2", "two", "", "", "true"), func(o *RunOptions) { o.Tick = []string{"1"} }, nil, "", "two"},
		{"an input", input + act("1", "one", "", "echo $IT", "true"), nil, ErrInput, "--set IT=VALUE", ""},
		{"an input of the environment", input + act("1", "one", "", "echo $IT >> trace", "true"), func(o *RunOptions) { o.Env = append(o.Env, "IT=this") }, nil, "", "one this"},
		{"a branch", branch, nil, ErrConfirm, "--take 1=STEP", ""},
		{"a branch that is taken", branch, func(o *RunOptions) { o.Take = map[string]string{"1": "3"} }, nil, "", "dry"},
		{"a branch to nowhere", branch, func(o *RunOptions) { o.Take = map[string]string{"1": "9"} }, ErrInput, "no such step", ""},
		{"a skip without a reason", act("1", "one", "", "", "true"), func(o *RunOptions) { o.Skip = map[string]string{"1": " "} }, ErrConfirm, "needs a reason", ""},
		{"a skip", act("1", "one", "", "", "true") + act("2", "two", "", "", "true"), func(o *RunOptions) { o.Skip = map[string]string{"1": "done by hand"} }, nil, "", "two"},
		{"by hand", act("1", "one", "", "", "true"), func(o *RunOptions) { o.ByHand = true }, ErrConfirm, "nobody is there", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t, test.book)
			o := d.options()
			if test.change != nil {
				test.change(&o)
			}
			_, err := d.start(o)
			if !errors.Is(err, test.kind) || err != nil && !strings.Contains(err.Error()+hintOf(err), test.text) {
				t.Errorf("%v%s, want %v with %q", err, hintOf(err), test.kind, test.text)
			}
			if d.trace() != test.trace {
				t.Errorf("trace %q, want %q", d.trace(), test.trace)
			}
		})
	}
}

// TestStepsThatFail end the run with an error that says how, and where.
func TestStepsThatFail(t *testing.T) {
	t.Parallel()
	two := act("2", "two", "", "", "true")
	other := "### Other\n\n´´´sh check\necho other >> trace\n´´´\n"
	tests := []struct {
		name, book   string
		kind         error
		text, visits string
		trace        string
	}{
		{"the verify says no", act("1", "one", "", "true", "false") + two, ErrVerify, "book.md:11: exit code 1", "1-one: failed", "one"},
		{"run fails", act("1", "one", "", "echo broken >&2; exit 9", "true") + two, ErrBlock, "exit code 9: broken", "1-one: failed", "one"},
		{"it kills its shell", act("1", "one", "", "kill -9 $$", "true") + two, ErrBlock, "ended by signal 9", "1-one: failed", "one"},
		{"it asks for input", act("1", "one", "", "head -n 1 | grep .", "true") + two, ErrBlock, "exit code 1", "1-one: failed", "one"},
		{"nonsense in $OUT", act("1", "one", "", "echo nonsense >> $OUT", "true") + two, ErrBlock, "line 1 of $OUT", "1-one: failed", "one"},
		{"another output", act("1", "one", "", "", "echo this\n´´´\n\n´´´text expect\nthat") + two, ErrVerify, "not what the book shows", "1-one: failed", "one"},
		{"the output", act("1", "one", "", "", "echo this\n´´´\n\n´´´text expect\nth…") + two, nil, "", "1-one: done, 2-two: done", "one two"},
		{"it hangs", act("1", "one", "- **Time box:** 1 s\n", "sleep 1000", "true") + two, ErrTimeBox, "step 1 took longer than 1s", "1-one: out of time", "one"},
		{"it hangs, and the book knows a way", act("1", "one", "- **Time box:** 1 s, then [Other](#other)\n", "sleep 1000", "true") + two + other, ErrTimeBox, "step 1 took longer", "1-one: out of time, other: done", "one other"},
		{"a check stops", "### 1. One\n\n´´´sh check\nexit 1\n´´´\n\n" + two, ErrStopped, "exit code 1", "1-one: failed", ""},
		{"a check warns", "### 1. One\n\n´´´sh check\nexit 2\n´´´\n\n" + two, nil, "", "1-one: done, 2-two: done", "two"},
		{"a command line of pgrescue is wrong", "### 1. One\n\n´´´sh check\npgrescue() { return 2; }\npgrescue wal\n´´´\n\n" + two, ErrBlock, "exit code 2", "1-one: failed", ""},
		{"a check that talks of pgrescue warns", "### 1. One\n\n´´´sh check\necho 'pgrescue wal'; exit 2\n´´´\n\n" + two, nil, "", "1-one: done, 2-two: done", "two"},
		{"a check breaks", "### 1. One\n\n´´´sh check\nexit 3\n´´´\n\n" + two, ErrBlock, "exit code 3", "1-one: failed", ""},
		{"a branch waits for it", "### 1. One\n\n´´´sh check\nexit 3\n´´´\n\n- If exit code 1 -> [2](#2-two)\n- If exit code 3 or 4 -> [Other](#other)\n- Otherwise -> on\n\n" + two + other, nil, "", "1-one: done, other: done", "other"},
		{"a branch waits for 0", "### 1. One\n\n´´´sh check\ntrue\n´´´\n\n- If the exit code is 0 -> [Other](#other)\n- Otherwise -> on\n\n" + two + other, nil, "", "1-one: done, other: done", "other"},
		{"a branch to a number", "### 1. One\n\n- Otherwise -> step 3.\n\n" + two + act("3", "three", "", "", "true"), nil, "", "1-one: done, 3-three: done", "three"},
		{"a branch behind a failed verify", act("1", "one", "", "", "exit 5") + "- If exit code 5 -> [Other](#other)\n- Otherwise -> on\n\n" + other, ErrVerify, "exit code 5", "1-one: failed, other: done", "one other"},
		{"a branch back, and then it goes well", act("1", "one", "", "", "test -e again || { touch again; exit 5; }") + "- If exit code 5 -> [1](#1-one)\n- Otherwise -> on\n\n" + two, nil, "", "1-one: failed, 1-one: done, 2-two: done", "one one two"},
		{"the book says stop", "### 1. One\n\n- Otherwise -> stop, nothing was lost\n\n" + two, ErrStopped, "stop, nothing was lost", "1-one: failed", ""},
		{"a branch without a value", "### 1. One\n\n- **Gives:** ´it´\n- If ´it = 1´ -> [2](#2-two)\n- Otherwise -> on\n\n" + two, ErrInput, "it has no value", "1-one: failed", ""},
		{"a step before is missing", "### 1. One\n\n- Otherwise -> [3](#3-three)\n\n" + two + act("3", "three", "- **Needs:** [two](#2-two)\n", "", "true"), ErrInput, "needs step 2", "1-one: done", ""},
		{"skip if", "### 1. One\n\n´´´sh check\necho it=yes >> $OUT\n´´´\n\n" + act("2", "two", "- **Skip if:** ´it = yes´\n", "", "true") + act("3", "three", "- **Skip if:** ´it = no´\n", "", "true"), nil, "", "1-one: done, 2-two: skipped, 3-three: done", "three"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t, test.book)
			result, err := d.start(d.options())
			d.wants(result, err, test.kind, test.text, test.visits, test.trace)
		})
	}
}

// TestBlocksFillInputs: what a block gives stands for an input that nobody has given.
func TestBlocksFillInputs(t *testing.T) {
	t.Parallel()
	book := "## You need\n\n| name | meaning | example |\n|---|---|---|\n| ´IT´ | what | ´x´ |\n\n" +
		"### 1. Find\n\n- **Gives:** ´IT´\n\n´´´sh check\nif test -e quiet; then exit 0; fi\necho IT=found >> \"$OUT\"\n´´´\n\n´´´sh check\necho \"$IT\" >> trace\n´´´\n\n" +
		"- If ´IT = found´ -> [2](#2-two)\n- Otherwise -> [3](#3-three)\n\n" + act("2", "two", "", "echo $IT >> trace", "true") + act("3", "three", "", "", "true")
	d := newDesk(t, book)
	result, err := d.start(d.options())
	d.wants(result, err, nil, "", "1-find: done, 2-two: done, 3-three: done", "found two found three")

	// Somebody has said it: that goes for more, also later.
	d = newDesk(t, strings.Replace(book, "echo three", "echo three $IT", 1)+act("4", "four", "", "", "test -e there"))
	o := d.options()
	o.Inputs = map[string]string{"IT": "said"}
	var told []string
	o.Tell = func(e Event) {
		if e.Kind == Told {
			told = append(told, e.Text)
		}
	}
	result, err = d.start(o)
	d.wants(result, err, ErrVerify, "", "1-find: done, 3-three: done, 4-four: failed", "said three said four")
	if len(told) == 0 || told[0] != `IT stays "said", as was said; the block gives "found"` {
		t.Errorf("told %q", told)
	}
	must(t, os.WriteFile(filepath.Join(d.dir, "there"), nil, 0o600))
	result, err = d.resume(d.options())
	d.wants(result, err, nil, "", "1-find: done, 3-three: done, 4-four: failed, 4-four: done", "said three said four four")

	// Nobody gives it, and nobody is there to ask: the block that needs it is where the run stops.
	d = newDesk(t, book)
	must(t, os.WriteFile(filepath.Join(d.dir, "quiet"), nil, 0o600))
	result, err = d.start(d.options())
	d.wants(result, err, ErrInput, "--set IT=VALUE", "1-find: interrupted", "")
}

// TestCirclesEnd though no branch leads out of them.
func TestCirclesEnd(t *testing.T) {
	t.Parallel()
	d := newDesk(t, "### 1. Round\n\n- Otherwise -> [1](#1-round)\n")
	result, err := d.start(d.options())
	if !errors.Is(err, ErrBlock) || !strings.Contains(err.Error(), "has run 100 times") || len(result.Visits) != most {
		t.Errorf("%v, %d visits", err, len(result.Visits))
	}
}

func TestSecretsStayOut(t *testing.T) {
	t.Parallel()
	d := newDesk(t, "## You need\n\n| name | meaning |\n|---|---|\n| ´PGPASSWORD´ | secret |\n\n"+
		act("1", "one", "", "echo \"it is $PGPASSWORD and tok_$((0 + 1))\"\necho \"word=$PGPASSWORD\" >> $OUT", "test ${#word} = 8"))
	o := d.options()
	o.Inputs = map[string]string{"PGPASSWORD": "hunter2x"}
	o.Tools.Mask = func(text string) string { return strings.ReplaceAll(text, "tok_1", "***") }
	if _, err := d.start(o); err != nil {
		t.Fatal(err)
	}
	if got := read(t, filepath.Join(d.folder("a"), "steps/01/1-run/stdout")); got != "it is (secret) and ***\n" {
		t.Errorf("stdout %q", got)
	}
	for _, name := range []string{journalName, inputsName, recordName, runlogName} {
		if text, err := os.ReadFile(filepath.Join(d.folder("a"), name)); strings.Contains(string(text), "hunter2x") || strings.Contains(string(text), "tok_1") {
			t.Errorf("%s tells a secret: %s, %v", name, text, err)
		}
	}
	if !slices.Contains(strings.Fields(read(t, filepath.Join(d.folder("a"), inputsName))), `"PGPASSWORD"`) {
		t.Error("inputs.json does not say that a secret was there")
	}
}
