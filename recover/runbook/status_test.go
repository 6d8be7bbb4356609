package runbook

import (
	"errors"
	"strings"
	"testing"
)

func TestStatus(t *testing.T) {
	t.Parallel()
	book := act("1", "one", "", "", "true") + act("2", "two", "", "", "false") + act("3", "three", "", "", "true")
	d := newDesk(t, book)
	o := d.options()
	looked := 0
	o.Tell = func(e Event) {
		if e.Kind == BlockBegins {
			looked++
			if s, err := ReadStatus(d.folder("a"), o.Options); err != nil || !strings.Contains(s.Holder, "command runbook run") {
				t.Errorf("while it runs: %+v, %v", s, err)
			}
		}
	}
	o.Skip = map[string]string{"1": "was done"}
	if _, err := d.start(o); !errors.Is(err, ErrVerify) || looked == 0 {
		t.Fatal(err)
	}
	s, err := ReadStatus(d.folder("a"), o.Options)
	if err != nil {
		t.Fatal(err)
	}
	if s.Next != "2-two" || s.Holder != "" || len(s.Steps) != 3 || len(s.Stale) > 0 || len(s.Problems) > 0 || Errors(s.Findings) > 0 || len(s.Plan) != 64 {
		t.Errorf("%+v", s)
	}
	for i, want := range []StepState{StateSkipped, StateFailed, StateTodo} {
		if s.Steps[i].State != want {
			t.Errorf("step %d: %+v, want %s", i+1, s.Steps[i], want)
		}
	}
	if s.Steps[0].Reason != "was done" || s.Steps[0].Who != "me" || !strings.Contains(s.Steps[1].Reason, "exit code 1") {
		t.Errorf("%+v", s.Steps)
	}
	if plan, err := MakePlan(t.Context(), parse(t, book), o.Options); err != nil || plan.Hash != s.Plan {
		t.Errorf("the plan is %s, the run has %s, %v", plan.Hash, s.Plan, err)
	}
	if _, err := ReadStatus(t.TempDir(), o.Options); !errors.Is(err, ErrNoRun) {
		t.Errorf("no run: %v", err)
	}
}
