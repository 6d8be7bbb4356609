package casefile

// Fate divides what a table lost by what became of it:
// Lost is the sum of Restored, Intermediate and NotRestored.
type Fate struct {
	Lost int64 `json:"lost"`
	// Restored counts the lost rows that are in the target again.
	Restored int64 `json:"restored"`
	// Intermediate counts the versions that the transaction made which destroyed them:
	// nobody ever saw them, and no plan gives them back.
	Intermediate int64 `json:"intermediate"`
	NotRestored  int64 `json:"not_restored"`
	// Why divides NotRestored.
	Why []ReasonCount `json:"not_restored_why,omitempty"`
	// Beside counts restored rows that the ledger does not name, such as those of a dump.
	Beside int64 `json:"restored_beside_the_ledger,omitempty"`
}

// The reasons why a lost row is not restored, beside those of plans.
const (
	reasonMissing = "missing: no route found their values"
	reasonNoPlan  = "no plan put them in"
	reasonOther   = "other versions of rows that the plan decided, or rows that it leaves out"
)

// PlanReasons says why rows are not restored that a plan decided, by the action that it
// chose, in the order in which they are told.
func PlanReasons(counts map[string]int64) []ReasonCount {
	var why []ReasonCount
	for _, reason := range []struct{ action, text string }{
		{ActionEqual, "in the target already, with the same values"},
		{ActionKeep, "the target keeps its own values"},
		{ActionConflict, "in conflict with the target, and not decided"},
		{ActionBlocked, "blocked: the plan says by what"},
		{actionWaiting, "planned, and not put in yet"},
		{ActionAbsent, "put in, and not in the target as planned"},
	} {
		if n := counts[reason.action]; n > 0 {
			why = append(why, ReasonCount{reason.text, n})
		}
	}
	return why
}

// ActionAbsent stands for rows that a plan promises and verify does not find, and
// actionWaiting for those that apply has not put in yet.
const (
	ActionAbsent  = "absent"
	actionWaiting = "waiting"
)

// Divide makes a fate of the lines of a ledger, the rows that were restored, and why
// others were not; planned: a plan was applied.
func Divide(lost, missing, intermediate, restored int64, why []ReasonCount, planned bool) Fate {
	f := Fate{Lost: lost, Intermediate: min(intermediate, lost-missing)}
	rest := lost - missing - f.Intermediate - restored
	for _, reason := range why {
		rest -= reason.Count
	}
	// More is told of than was lost: another route brought what is missing, or rows
	// that the ledger does not name.
	surplus := max(0, -rest)
	take := func(n *int64) int64 {
		taken := min(*n, surplus)
		*n -= taken
		surplus -= taken
		return taken
	}
	take(&missing)
	f.Beside = take(&restored)
	f.Restored = restored
	other := reasonNoPlan
	if planned {
		other = reasonOther
	}
	for _, reason := range append(append([]ReasonCount(nil), why...), ReasonCount{reasonMissing, missing}, ReasonCount{other, max(0, rest)}) {
		take(&reason.Count)
		if reason.Count > 0 {
			f.Why = append(f.Why, reason)
			f.NotRestored += reason.Count
		}
	}
	return f
}
