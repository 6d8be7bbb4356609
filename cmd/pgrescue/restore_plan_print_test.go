package main

import (
	"bytes"
	"testing"

	"github.com/pgrescue/pgrescue/cmd/internal/term"
	"github.com/pgrescue/pgrescue/recover/restore"
)

func TestReasonOf(t *testing.T) {
	t.Parallel()
	for note, want := range map[string]string{
		`parent missing: a_fkey ("77: (x)") is not in public.parent: no route has it`:                "parent missing by a_fkey: no route has it",
		"parent missing: a_fkey to public.parent: the parent is row 13 of this plan, and is blocked": "parent missing by a_fkey: the parent is a row of this plan, and is blocked",
		`unique index t_u_key: the target has a row with ("a"), (3)`:                                 "unique index t_u_key: a row that is there, or another one of the plan, has the value",
		`its key is not known: ("x", unknown)`:                                                       "its key is not known",
		"column v is unknown: gone":                                                                  "column v is unknown: gone",
		"":                                                                                           "",
	} {
		if got := reasonOf(note); got != want {
			t.Errorf("reasonOf(%q) = %q, want %q", note, got, want)
		}
	}
}

// TestPlanForATiredPerson: what must be decided comes first, and three sentences are enough.
func TestPlanForATiredPerson(t *testing.T) {
	t.Parallel()
	plan := &restore.Plan{Tables: []restore.TablePlan{
		{
			Schema: "shop", Name: "order", Counts: map[restore.Action]int64{restore.Insert: 1200, restore.Conflict: 2, restore.Blocked: 3},
			Triggers: []restore.TriggerPlan{{Name: "mail", Fires: true}, {Name: "quiet"}}, Notes: []string{"column total is generated"},
		},
		{Schema: "shop", Name: "item", Counts: map[restore.Action]int64{restore.Equal: 7, restore.Overwrite: 1}, Lacks: []string{"INSERT"}},
	}, Notes: []string{"this is a standby"}}
	out := &planOut{Path: "case/plan.json", Plan: plan, Blocked: []blockedReason{{Table: "shop.order", Count: 3, Reason: "parent missing by order_customer: nobody has it"}}}
	for _, test := range []struct {
		name string
		edit func()
		want string
	}{
		{"everything", func() {}, `TABLE       INSERT  SAME  OVERWRITE  CONFLICT  BLOCKED
shop.order   1,200     0          0         2        3
shop.item        0     7          1         0        0
all tables   1,200     7          1         2        3

2 rows are there already with other values. Decide with --on-conflict TABLE=keep, =overwrite or =fill; apply refuses until then.
The role lacks INSERT on shop.item.
3 rows of shop.order cannot go in: parent missing by order_customer: nobody has it.
And 4 more notes: --json prints everything.

1,200 to put in, 1 to change. The plan is case/plan.json
`},
		{"nothing to think about", func() {
			plan.Tables, plan.Notes, out.Blocked = []restore.TablePlan{{Schema: "a", Name: "b", Counts: map[restore.Action]int64{restore.Insert: 1}}}, nil, nil
		}, `TABLE  INSERT  SAME  CONFLICT  BLOCKED
a.b         1     0         0        0

Nothing that is there is changed.

1 to put in, 0 to change. The plan is case/plan.json
`},
	} {
		test.edit()
		var text bytes.Buffer
		if err := printPlan(&term.Terminal{Out: &text}, out); err != nil {
			t.Fatal(err)
		}
		if text.String() != test.want {
			t.Errorf("%s:\n%s\nwant\n%s", test.name, text.String(), test.want)
		}
	}
}
