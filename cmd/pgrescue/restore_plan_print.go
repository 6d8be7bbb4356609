package main

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/pgrescue/pgrescue/cmd/internal/term"
	"github.com/pgrescue/pgrescue/recover/casefile"
	"github.com/pgrescue/pgrescue/recover/restore"
)

// planOut is what `restore plan --json` prints.
type planOut struct {
	Path string `json:"path"`
	*restore.Plan
	// Blocked says why rows cannot go in, the reason of the most rows first.
	Blocked []blockedReason `json:"blocked,omitempty"`
	// Conflicts are the first rows that a person must decide about.
	Conflicts []conflictRow `json:"conflicts,omitempty"`
	// Between counts the rows of which routes contradict each other; the other conflicts are with rows that are there.
	Between int64 `json:"conflicts_between_routes,omitempty"`
}

// blockedReason counts the rows of a table that cannot go in for one reason.
type blockedReason struct {
	Table  string `json:"table"`
	Count  int64  `json:"count"`
	Reason string `json:"reason"`
}

// mostReasons bounds the reasons that are told apart: notes name values.
const mostReasons = 10_000

// blockedReasons counts the notes of blocked rows.
func blockedReasons(ctx context.Context, file *casefile.Case, plan *restore.Plan) ([]blockedReason, error) {
	var reasons []blockedReason
	for i := range plan.Tables {
		if plan.Tables[i].Counts[restore.Blocked] == 0 {
			continue
		}
		counts := make(map[string]int64)
		for row, err := range file.PlanRows(ctx, plan.PlanID, i, 0) {
			if err != nil {
				return nil, err
			}
			if restore.Action(row.Action) == restore.Blocked {
				reason := reasonOf(row.Note)
				if counts[reason] == 0 && len(counts) == mostReasons {
					reason = "other reasons; the plan's rows have them"
				}
				counts[reason]++
			}
		}
		for reason, count := range counts {
			reasons = append(reasons, blockedReason{plan.Tables[i].String(), count, reason})
		}
	}
	slices.SortFunc(reasons, func(a, b blockedReason) int {
		if a.Count != b.Count {
			return int(min(max(b.Count-a.Count, -1), 1))
		}
		return strings.Compare(a.Table+a.Reason, b.Table+b.Reason)
	})
	return reasons, nil
}

// reasonOf is a note of a blocked row without what is of this row alone.
func reasonOf(note string) string {
	for _, what := range []string{"unique index ", "exclusion constraint "} {
		if rest, ok := strings.CutPrefix(note, what); ok {
			name, _, _ := strings.Cut(rest, ": ")
			return what + name + ": a row that is there, or another one of the plan, has the value"
		}
	}
	if rest, ok := strings.CutPrefix(note, "parent missing: "); ok {
		name, _, _ := strings.Cut(rest, " ")
		why := regexp.MustCompile(`row \d+ of`).ReplaceAllString(rest[strings.LastIndex(rest, ": ")+1:], "a row of")
		return "parent missing by " + name + ":" + why
	}
	before, _, _ := strings.Cut(note, ` ("`)
	return strings.TrimSuffix(before, ":")
}

// planColumns are the actions in the order in which the summary shows them, with those
// that are shown always.
func planColumns() []struct {
	action restore.Action
	title  string
	always bool
} {
	return []struct {
		action restore.Action
		title  string
		always bool
	}{
		{restore.Insert, "INSERT", true},
		{restore.Equal, "SAME", true},
		{restore.Overwrite, "OVERWRITE", false},
		{restore.Fill, "FILL", false},
		{restore.Keep, "KEEP", false},
		{restore.Conflict, "CONFLICT", true},
		{restore.Blocked, "BLOCKED", true},
	}
}

// planTable has a line for each table, in the order in which rows go in.
func planTable(plan *restore.Plan) *term.Table {
	total := plan.Counts()
	titles := []string{"TABLE"}
	var actions []restore.Action
	for _, column := range planColumns() {
		if column.always || total[column.action] > 0 {
			titles, actions = append(titles, ">"+column.title), append(actions, column.action)
		}
	}
	table := term.NewTable(titles...)
	line := func(name string, counts map[restore.Action]int64) {
		cells := []string{name}
		for _, action := range actions {
			cells = append(cells, term.Count(counts[action]))
		}
		table.Add(cells...)
	}
	for i := range plan.Tables {
		line(plan.Tables[i].String(), plan.Tables[i].Counts)
	}
	if len(plan.Tables) > 1 {
		line("all tables", total)
	}
	return table
}

// mostSentences is how much a tired person reads beneath a table.
const mostSentences = 3

// planSentences say what matters most, first what keeps the plan from being applied.
func planSentences(out *planOut) []string {
	counts := out.Counts()
	var said []string
	say := func(format string, args ...any) { said = append(said, fmt.Sprintf(format, args...)) }
	if n := out.Between; n > 0 {
		say("Of %s routes say different things; apply refuses until it is decided.", term.Plural(n, "row", "rows"))
	}
	if n := counts[restore.Conflict] - out.Between; n > 0 {
		say("%s there already with other values. Decide with --on-conflict TABLE=keep, =overwrite or =fill; apply refuses until then.", term.Plural(n, "row is", "rows are"))
	}
	for i := range out.Conflicts[:min(len(out.Conflicts), mostSentences)] {
		if c := &out.Conflicts[i]; !c.There {
			say("%s", c.tell())
		}
	}
	for i := range out.Tables {
		if lacks := out.Tables[i].Lacks; len(lacks) > 0 {
			say("The role lacks %s on %s.", strings.Join(lacks, ", "), &out.Tables[i])
		}
	}
	for _, blocked := range out.Blocked[:min(len(out.Blocked), mostSentences)] {
		say("%s of %s cannot go in: %s.", rowsWord(blocked.Count), blocked.Table, strings.TrimSuffix(blocked.Reason, "."))
	}
	if n := counts[restore.Overwrite] + counts[restore.Fill]; n > 0 {
		say("%s changed as you chose; undo gives the former values back.", term.Plural(n, "row that is there is", "rows that are there are"))
	}
	if fires := firing(out.Plan); len(fires) > 0 {
		say("%s when rows go in: %s.", term.Plural(int64(len(fires)), "trigger fires", "triggers fire"), strings.Join(fires[:min(len(fires), 5)], ", "))
	}
	for _, note := range out.Notes {
		say("%s.", strings.TrimSuffix(upperFirst(note), "."))
	}
	for i := range out.Tables {
		for _, note := range out.Tables[i].Notes {
			say("%s: %s.", &out.Tables[i], strings.TrimSuffix(note, "."))
		}
	}
	if n := counts[restore.Insert]; len(said) == 0 && n > 0 {
		say("Nothing that is there is changed.")
	}
	return said
}

func upperFirst(text string) string {
	if text == "" {
		return text
	}
	return strings.ToUpper(text[:1]) + text[1:]
}

// firing lists the triggers that fire.
func firing(plan *restore.Plan) []string {
	var names []string
	for i := range plan.Tables {
		for _, trigger := range plan.Tables[i].Triggers {
			if trigger.Fires {
				names = append(names, fmt.Sprintf("%s on %s", trigger.Name, &plan.Tables[i]))
			}
		}
	}
	return names
}

// printPlan prints the summary for people.
func printPlan(terminal *term.Terminal, out *planOut) error {
	if err := planTable(out.Plan).Write(terminal.Out, ""); err != nil {
		return err
	}
	sentences := planSentences(out)
	text := "\n"
	for _, sentence := range sentences[:min(len(sentences), mostSentences)] {
		text += term.Printable(sentence) + "\n"
	}
	more := len(sentences) - mostSentences + max(0, len(out.Blocked)-mostSentences)
	if more > 0 {
		text += fmt.Sprintf("And %s: --json prints everything.\n", term.Plural(int64(more), "more note", "more notes"))
	}
	counts := out.Counts()
	text += fmt.Sprintf("\n%s to put in, %s to change. The plan is %s\n", term.Count(counts[restore.Insert]),
		term.Count(counts[restore.Overwrite]+counts[restore.Fill]), term.Printable(out.Path))
	return terminal.Printf("%s", text)
}
