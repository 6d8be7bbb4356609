package runbook

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pgrescue/pgrescue/recover/evidence"
)

func hintOf(err error) string {
	var e *evidence.Error
	if errors.As(err, &e) {
		return " / hint: " + e.Hint
	}
	return ""
}

// script answers questions in turn, as "kind: answer".
type script struct {
	t       *testing.T
	answers []string
	asked   []Question
}

func (s *script) Ask(_ context.Context, q Question) (string, error) {
	s.asked = append(s.asked, q)
	if len(s.answers) == 0 {
		return "", fmt.Errorf("nobody answers %s: %s", q.Kind, q.Text)
	}
	kind, answer, _ := strings.Cut(s.answers[0], ": ")
	s.answers = s.answers[1:]
	if kind != string(q.Kind) {
		s.t.Errorf("asked for %s (%s), the script knows %s", q.Kind, q.Text, kind)
	}
	return answer, nil
}

// TestSomebodyIsThere answers at a terminal.
func TestSomebodyIsThere(t *testing.T) {
	t.Parallel()
	one := act("1", "one", "- **Why:** it must be\n", "", "true")
	two := act("2", "two", "", "", "true")
	severe := act("1", "one", "- **Confirm:** type ´PGDATABASE´\n", "", "true")
	flaky := act("1", "one", "", "test -e there || { touch there; exit 3; }", "true") + "´´´sh undo\necho undone >> trace\n´´´\n\n"
	input := "## You need\n\n| name | meaning | example |\n|---|---|---|\n| ´N´ | a number | ´1´ |\n\n"
	tests := []struct {
		name, book string
		answers    []string
		kind       error
		text       string
		visits     string
		trace      string
	}{
		{"yes", one, []string{"run: y"}, nil, "", "1-one: done", "one"},
		{"no", one, []string{"run: n"}, ErrConfirm, "as you said", "1-one: failed", ""},
		{"nothing typed", one, []string{"run: "}, ErrConfirm, "as you said", "1-one: failed", ""},
		{"why", one, []string{"run: why", "run: y"}, nil, "", "1-one: done", "one"},
		{"skip", one + two, []string{"run: skip", "reason: was done", "run: y"}, nil, "", "1-one: skipped, 2-two: done", "two"},
		{"skip without a reason", one + two, []string{"run: skip", "reason: "}, ErrConfirm, "needs a reason", "1-one: failed", ""},
		{"the name", severe, []string{"confirm: shop"}, nil, "", "1-one: done", "one"},
		{"another name", severe, []string{"confirm: shops"}, ErrConfirm, `"shops" is not "shop"`, "1-one: failed", ""},
		{"yes for a name", severe, []string{"confirm: y"}, ErrConfirm, "not confirmed", "1-one: failed", ""},
		{"retry", flaky, []string{"run: y", "failed: retry", "run: y"}, nil, "", "1-one: failed, 1-one: done", "one one"},
		{"undo", flaky + two, []string{"run: y", "failed: undo", "run: y"}, ErrBlock, "exit code 3", "1-one: undone", "one undone"},
		{"quit", flaky + two, []string{"run: y", "failed: "}, ErrBlock, "exit code 3", "1-one: failed", "one"},
		{"skip what failed", flaky + two, []string{"run: y", "failed: skip", "reason: no matter", "run: y"}, nil, "", "1-one: skipped, 2-two: done", "one two"},
		{"a task", "### 1. Do\n\n- [ ] Call.\n\n", []string{"task: y, at 3 o'clock"}, nil, "", "1-do: done", ""},
		{"a task that is not done", "### 1. Do\n\n- [ ] Call.\n\n" + two, []string{"task: "}, ErrConfirm, "it is not done: Call.", "1-do: failed", ""},
		{"a branch", "### 1. Ask\n\n- If it rains -> [3](#3-dry)\n- If it snows -> [2](#2-two)\n- Otherwise -> stop\n\n" + two + "### 3. Dry\n", []string{"branch: n", "branch: y", "run: n"}, ErrConfirm, "as you said", "1-ask: done, 2-two: failed", ""},
		{"an input", input + act("1", "one", "", "echo $N >> trace", "true"), []string{"input: many", "input: 5", "run: y"}, nil, "", "1-one: done", "one 5"},
		{"no input", input + act("1", "one", "", "echo $N >> trace", "true"), []string{"input: "}, ErrInput, "N has no value", "", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t, test.book)
			o := d.options()
			o.Yes, o.Env = false, append(o.Env, "PGDATABASE=shop")
			person := &script{t: t, answers: test.answers}
			o.Ask = person
			result, err := d.start(o)
			d.wants(result, err, test.kind, test.text, test.visits, test.trace)
			if len(person.answers) > 0 {
				t.Errorf("nobody asked for %q", person.answers)
			}
		})
	}
}

// TestByHand shows what to run elsewhere, and takes down what came of it.
func TestByHand(t *testing.T) {
	t.Parallel()
	d := newDesk(t, "## You need\n\n| name | meaning |\n|---|---|\n| ´IT´ | what |\n\n"+act("1", "one", "", "echo \"$IT\"", "true"))
	o := d.options()
	o.ByHand, o.Inputs = true, map[string]string{"IT": "it's"}
	person := &script{t: t, answers: []string{"exit code: well", "exit code: 0", "note: it said so", "exit code: 1", "note: it is not there"}}
	o.Ask = person
	var shown []string
	o.Tell = func(e Event) {
		if e.Kind == ByHand {
			shown = append(shown, e.Text)
		}
	}
	result, err := d.start(o)
	if !errors.Is(err, ErrVerify) || states(result) != "1-one: failed" || d.trace() != "" {
		t.Errorf("%v, %s, trace %q", err, states(result), d.trace())
	}
	if len(shown) != 2 || !strings.HasPrefix(shown[0], "export IT='it'\\''s'\nexport OUT=") || !strings.Contains(shown[0], "\necho one >> trace\n") {
		t.Errorf("shown: %q", shown)
	}
	if note := result.Visits[0].Blocks[0].Note; note != "by hand; it said so" {
		t.Errorf("note %q", note)
	}
}

// TestTwoPeople run the same book.
func TestTwoPeople(t *testing.T) {
	t.Parallel()
	d := newDesk(t, act("1", "one", "", "", "true"))
	other := newDesk(t, act("1", "one", "", "", "true"))
	book, err := Open(d.path)
	if err != nil {
		t.Fatal(err)
	}
	another, err := Open(other.path)
	if err != nil {
		t.Fatal(err)
	}
	o := d.options()
	began := 0
	o.Tell = func(e Event) {
		if e.Kind != BlockBegins || e.Block.Role != Run {
			return
		}
		began++
		second := d.options()
		for name, try := range map[string]func() (*Result, error){
			"resumes it":        func() (*Result, error) { return Resume(t.Context(), d.folder("a"), second) },
			"undoes it":         func() (*Result, error) { return UndoStep(t.Context(), d.folder("a"), "1", second) },
			"begins beside it":  func() (*Result, error) { return Start(t.Context(), book, d.folder("b"), second) },
			"begins in its own": func() (*Result, error) { return Start(t.Context(), book, d.folder("a"), second) },
		} {
			if _, err := try(); !errors.Is(err, ErrLocked) || !strings.Contains(err.Error(), "command runbook run") {
				t.Errorf("somebody %s: %v", name, err)
			}
		}
		if _, err := Start(t.Context(), another, d.folder("c"), other.options()); err != nil {
			t.Errorf("another book: %v", err)
		}
	}
	result, err := d.start(o)
	d.wants(result, err, nil, "", "1-one: done", "one")
	if began != 1 {
		t.Errorf("the second person came %d times", began)
	}
	// When it has ended, anybody may.
	if _, err := Start(t.Context(), book, d.folder("b"), d.options()); err != nil {
		t.Error(err)
	}
	if _, err := d.start(d.options()); !errors.Is(err, ErrOccupied) {
		t.Errorf("a folder with a run: %v", err)
	}
}

// TestApproval wants a second person for severe steps.
func TestApproval(t *testing.T) {
	t.Parallel()
	book := "---\napproval: severe steps\n---\n" + act("1", "one", "- **Confirm:** think\n", "", "true")
	d := newDesk(t, book)
	parsed, err := Open(d.path)
	if err != nil {
		t.Fatal(err)
	}
	plan, err := MakePlan(t.Context(), parsed, d.options().Options)
	if err != nil {
		t.Fatal(err)
	}
	good := Approval{Plan: plan.Hash, Who: "you", Host: "there", At: time.Now()}
	with := func(change func(*Approval)) []string {
		a := good
		change(&a)
		return []string{a.Token()}
	}
	tests := []struct {
		name   string
		tokens []string
		kind   error
		text   string
	}{
		{"nobody", nil, ErrConfirm, "--approval"},
		{"oneself", with(func(a *Approval) { a.Who = "Me" }), ErrConfirm, "cannot approve it too"},
		{"another plan", with(func(a *Approval) { a.Plan = strings.Repeat("0", 64) }), ErrStale, "is for plan 000000000000"},
		{"long ago", with(func(a *Approval) { a.At = a.At.Add(-13 * time.Hour) }), ErrStale, "is 13h0m0s old"},
		{"tomorrow", with(func(a *Approval) { a.At = a.At.Add(time.Hour) }), ErrStale, "comes from the future"},
		{"cut off", []string{good.Token()[:40]}, ErrInput, "cut off"},
		{"changed", []string{"x" + good.Token()}, ErrInput, "cut off"},
		{"good", []string{" " + good.Token() + "\n"}, nil, ""},
		{"good, among others", append(with(func(a *Approval) { a.Who = "me" }), good.Token()), nil, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			o := d.options()
			o.Confirm, o.Approvals = []string{"1-one"}, test.tokens
			if err := os.RemoveAll(d.folder("a")); err != nil {
				t.Fatal(err)
			}
			_, err := d.start(o)
			if !errors.Is(err, test.kind) || err != nil && !strings.Contains(err.Error()+hintOf(err), test.text) {
				t.Errorf("%v%s", err, hintOf(err))
			}
			if err == nil && !strings.Contains(read(t, filepath.Join(d.folder("a"), journalName)), `"answer":"you"`) {
				t.Error("the journal does not say who approved")
			}
		})
	}
	if d.trace() != "one one" {
		t.Errorf("trace %q", d.trace())
	}
}
