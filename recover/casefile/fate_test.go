package casefile

import (
	"fmt"
	"testing"
)

// What became of the lost versions adds up to them, whatever is told.
func TestFateAddsUp(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		lost, missing, intermediate, restored int64
		why                                   map[string]int64
		planned                               bool
		want                                  string
	}{
		{29, 0, 7, 22, nil, true, "22+7+0 [] 0"},
		{29, 0, 7, 0, nil, false, "0+7+22 [{no plan put them in 22}] 0"},
		{
			10, 2, 0, 5,
			map[string]int64{"blocked": 2, ActionAbsent: 1},
			true,
			"5+0+5 [{blocked: the plan says by what 2} {put in, and not in the target as planned 1} {missing: no route found their values 2}] 0",
		},
		{10, 5, 0, 10, nil, true, "10+0+0 [] 0"}, // a dump had the missing ones
		{10, 5, 0, 30, nil, true, "10+0+0 [] 20"},
		{10, 0, 0, 8, nil, true, "8+0+2 [{other versions of rows that the plan decided, or rows that it leaves out 2}] 0"},
		{3, 0, 0, 0, map[string]int64{"blocked": 9}, true, "0+0+3 [{blocked: the plan says by what 3}] 0"},
	} {
		f := Divide(test.lost, test.missing, test.intermediate, test.restored, PlanReasons(test.why), test.planned)
		got := fmt.Sprintf("%d+%d+%d %v %d", f.Restored, f.Intermediate, f.NotRestored, f.Why, f.Beside)
		if got != test.want || f.Restored+f.Intermediate+f.NotRestored != f.Lost {
			t.Errorf("%+v: got %s", test, got)
		}
	}
}
