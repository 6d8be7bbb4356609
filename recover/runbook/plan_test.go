package runbook

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// planned makes a plan of a book in a folder of its own.
func planned(t *testing.T, book string, inputs map[string]string) (*Plan, string) {
	t.Helper()
	dir := t.TempDir()
	plan, err := MakePlan(t.Context(), parse(t, book), Options{Inputs: inputs, Dir: dir, Env: []string{"PATH=" + os.Getenv("PATH")}, Version: "1", Tools: Tools{Grace: 100 * time.Millisecond}})
	if err != nil {
		t.Fatal(err)
	}
	return plan, dir
}

const planBook = `## You need

| name | meaning | example |
|---|---|---|
| ´FILE´ | a file | ´x´ |
| ´LATER´ | known later | ´1´ |

### 1. Look

´´´sh check
echo found=yes >> "$OUT"
echo looked > "$FILE"
´´´

### 2. Look twice

´´´sh check
echo "it was $found"
´´´

### 3. Act

- **Changes:** makes a file
- **Time box:** 1 min
- **Undo:** remove it
- **Confirm:** type the database's name

´´´sh check
exit 2
´´´

´´´sh run
touch acted
´´´

´´´sh verify
test -e acted && touch verified
´´´

### 4. Look again

´´´sh check
touch again
´´´

### 5. By hand

- [ ] Somebody was told.

### 6. Copy

- **Changes:** nothing
- **Time box:** 1 min
- **Undo:** none, because nothing happens

´´´sh run
touch "copied-$LATER"
´´´

´´´sh verify
true
´´´

### Aside

´´´sh check
touch aside
´´´
`

func TestPlanHasThreeVerdicts(t *testing.T) {
	t.Parallel()
	plan, dir := planned(t, planBook, map[string]string{"FILE": "looked"})
	want := []struct {
		step    string
		verdict Verdict
		why     string
		assumes string
		missing string
	}{
		{"1", WouldNot, "it only looks", "", ""},
		{"2", WouldNot, "it only looks", "", ""},
		{"3", WouldChange, "makes a file", "", ""},
		{"4", NotPreviewed, "it assumes that this is done: step 3", "3", ""},
		{"5", NotPreviewed, "a person does it", "3 4", ""},
		{"6", WouldNot, "the book says that it changes nothing", "3 4 5", "LATER"},
		{"aside", NotPreviewed, "only a branch leads here", "", ""},
	}
	if len(plan.Steps) != len(want) {
		t.Fatalf("%d steps", len(plan.Steps))
	}
	for i, w := range want {
		got := plan.Steps[i]
		if got.Step != w.step || got.Verdict != w.verdict || !strings.Contains(got.Why, w.why) || strings.Join(got.Assumes, " ") != w.assumes || strings.Join(got.Missing, " ") != w.missing {
			t.Errorf("step %s: %+v", w.step, got)
		}
	}
	if check := plan.Steps[1].Checks[0]; !check.Ran || check.Output != "it was yes\n" {
		t.Errorf("the check of step 2: %+v", check)
	}
	if check := plan.Steps[2].Checks[0]; !check.Ran || check.Code != 2 {
		t.Errorf("the check of step 3: %+v", check)
	}
	if !plan.Steps[2].Severe || plan.Steps[2].Runs[0].Text != "touch acted\n" {
		t.Errorf("step 3: %+v", plan.Steps[2])
	}
	// Only the first check has left something.
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 || entries[0].Name() != "looked" {
		t.Errorf("in the folder: %v, %v", entries, err)
	}
}

func TestPlanOfChecksThatFail(t *testing.T) {
	t.Parallel()
	const act = "\n\n´´´sh run\ntouch x\n´´´\n\n´´´sh verify\ntrue\n´´´\n"
	const facts = "- **Changes:** a file\n- **Undo:** none, because x\n"
	tests := []struct {
		name, check, facts string
		verdict            Verdict
		why                string
	}{
		{"stops", "exit 1", "- **Time box:** 1 min\n", WouldNot, "the check of line 7 stops the step"},
		{"breaks", "echo broken >&2; exit 3", "- **Time box:** 1 min\n", NotPreviewed, "exit code 3: broken"},
		{"notes before its error", "printf 'case: /c\\nerror: no room\\nhint: make some\\n' >&2; exit 9", "- **Time box:** 1 min\n", NotPreviewed, "exit code 9: no room"},
		{"hangs", "sleep 1000", "- **Time box:** 1 s\n", NotPreviewed, "its time box of 1s ran out"},
		{"writes nonsense", "echo nonsense > \"$OUT\"", "- **Time box:** 1 min\n", NotPreviewed, "line 1 of $OUT"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			plan, _ := planned(t, "### 1. Act\n\n"+facts+test.facts+"\n´´´sh check\n"+test.check+"\n´´´"+act, nil)
			if got := plan.Steps[0]; got.Verdict != test.verdict || !strings.Contains(got.Why, test.why) {
				t.Errorf("%s: %s", got.Verdict, got.Why)
			}
		})
	}
	plan, _ := planned(t, "### 1. Act\n\n- **Undo:** none, because x\n"+act, nil)
	if got := plan.Steps[0]; got.Verdict != NotPreviewed || !strings.Contains(got.Why, "does not say what") {
		t.Errorf("a step that says nothing: %s: %s", got.Verdict, got.Why)
	}
}

func TestPlanRefuses(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, book string
		inputs     map[string]string
		kind       error
		text       string
	}{
		{"a broken link", "### 1. a\n\n[x](#nowhere)\n", nil, ErrBroken, "book.md:3: dead-anchor"},
		{"a missing verify", strings.Replace(sound, "sh verify", "sh check", 1), nil, ErrBroken, "run-without-verify"},
		{"an unknown input of a block", "### 1. a\n\n´´´sh check\necho $NOBODY\n´´´\n", nil, ErrBroken, "unknown-input"},
		{"an unknown input", sound, map[string]string{"NOBODY": "x"}, ErrInput, "NOBODY: the book has no such input"},
		{"a number that is none", planBook, map[string]string{"LATER": "soon"}, ErrInput, `"soon" is no number`},
		{"an empty value", planBook, map[string]string{"FILE": ""}, ErrInput, "it is empty"},
		{"two lines", planBook, map[string]string{"FILE": "a\nb"}, ErrInput, "line break"},
	}
	for _, test := range tests {
		_, err := MakePlan(t.Context(), parse(t, test.book), Options{Inputs: test.inputs, Dir: t.TempDir()})
		if !errors.Is(err, test.kind) || !strings.Contains(err.Error(), test.text) {
			t.Errorf("%s: %v", test.name, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := MakePlan(ctx, parse(t, planBook), Options{Inputs: map[string]string{"FILE": "x"}, Dir: t.TempDir()}); !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: %v", err)
	}
}

// TestPlanHash: what somebody approved is this book with these values on that server.
func TestPlanHash(t *testing.T) {
	t.Parallel()
	secret := strings.Replace(planBook, "| ´LATER´", "| ´PGPASSWORD´ | secret | |\n| ´LATER´", 1)
	base := Options{Inputs: map[string]string{"FILE": "a"}, Env: []string{"PGHOST=here"}, Dir: "/x", Version: "1"}
	hash := func(book string, change func(*Options)) string {
		options := base
		if change != nil {
			change(&options)
		}
		b := parse(t, book)
		values, err := b.gather(options.Inputs, options.Env)
		if err != nil {
			t.Fatal(err)
		}
		return b.hash(values, options)
	}
	with := func(inputs map[string]string) func(*Options) { return func(o *Options) { o.Inputs = inputs } }
	own := hash(planBook, nil)
	if len(own) != 64 || own != hash(planBook, nil) {
		t.Errorf("hash %q", own)
	}
	for name, other := range map[string]string{
		"book": hash(planBook+"\n", nil), "values": hash(planBook, with(map[string]string{"FILE": "b"})),
		"server":  hash(planBook, func(o *Options) { o.Env = []string{"PGHOST=there"} }),
		"version": hash(planBook, func(o *Options) { o.Version = "2" }), "folder": hash(planBook, func(o *Options) { o.Dir = "/y" }),
	} {
		if other == own {
			t.Errorf("another %s has the same hash", name)
		}
	}
	if hash(secret, with(map[string]string{"FILE": "a", "PGPASSWORD": "one"})) != hash(secret, with(map[string]string{"FILE": "a", "PGPASSWORD": "two"})) {
		t.Error("the hash tells a secret")
	}
	plan, _ := planned(t, secret, map[string]string{"FILE": "a", "PGPASSWORD": "one"})
	if plan.Values["PGPASSWORD"] != "(secret)" || plan.Values["FILE"] != "a" || filepath.Base(plan.Book) != "book.md" {
		t.Errorf("plan %+v", plan.Values)
	}
}

func TestComplaint(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, stderr, want string }{
		{"nothing", "", "otherwise"},
		{"not marked", "cp: no such file\ncp: omitting\n", "cp: no such file"},
		{"pgrescue", "case: /c\nwarning: w\nerror: plan: this is postgres\nhint: connect elsewhere\n", "plan: this is postgres"},
		{"the first was borne", "error: target: no WAL\ncase: /c\nerror: plan: refused\n", "plan: refused"},
		{"psql", "NOTICE:  n\npsql:a.sql:3: ERROR:  relation \"x\" does not exist\nLINE 1: x\n", "psql:a.sql:3: ERROR:  relation \"x\" does not exist"},
		{"a connection", "psql: error: connection failed: FATAL:  role \"x\" does not exist\n", "psql: error: connection failed: FATAL:  role \"x\" does not exist"},
	}
	for _, test := range tests {
		if got := complaint(test.stderr, "otherwise"); got != test.want {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
	}
}
