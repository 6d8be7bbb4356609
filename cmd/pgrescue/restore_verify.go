package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/pgrescue/pgrescue/cmd/internal/exitcode"
	"github.com/pgrescue/pgrescue/cmd/internal/term"
	"github.com/pgrescue/pgrescue/recover/casefile"
	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/live"
	"github.com/pgrescue/pgrescue/recover/restore"
)

func newRestoreVerifyCommand(terminal *term.Terminal, cases *caseOptions) *cobra.Command {
	var options targetOptions
	command := &cobra.Command{
		Use:   "verify PLAN",
		Short: "Read the target back and compare every value with the plan",
		Long: `Read the target back and compare every value with what the plan promised, check the
foreign keys of these rows, and print the equation of the loss with a new column:

    lost = heap + wal + … + in part + missing, of which so many are restored

Nothing is written into the target; the case notes which rows are not there. When a
row is not as it should be, the rows are listed and the exit code is 7.`,
		Example: `  pgrescue restore verify rescue/plan.json
  pgrescue restore verify rescue/plan.json --dsn postgres://me@db/shop
  pgrescue restore verify rescue/plan.json --json`,
		Args: onePlan,
		RunE: onPlan(terminal, cases, func(ctx context.Context, plan *restore.Plan, found *recorder) error {
			return runRestoreVerify(ctx, &options, plan, terminal, found)
		}),
	}
	options.addFlags(command)
	return command
}

// restoreVerified is what `restore verify --json` prints.
type restoreVerified struct {
	PlanID int64 `json:"plan_id"`
	*restore.Verified
	// Equation has the loss of each table, as the case knows it.
	Equation []equationLine    `json:"equation"`
	Examples []restore.Finding `json:"examples,omitempty"`
}

// equationLine is the equation of one table, with what of it is in the target again.
type equationLine struct {
	Table    string                   `json:"table"`
	Lost     int64                    `json:"lost"`
	Settled  map[evidence.Route]int64 `json:"settled"`
	InPart   int64                    `json:"in_part"`
	Missing  int64                    `json:"missing"`
	Restored int64                    `json:"restored"`
	// Fate says what became of the lost versions; its parts add up to Lost.
	Fate casefile.Fate `json:"fate"`
}

func runRestoreVerify(ctx context.Context, options *targetOptions, plan *restore.Plan, terminal *term.Terminal, found *recorder) error {
	const name = "restore verify"
	file, err := caseOf(found, name)
	if err != nil {
		return err
	}
	show := newShower(terminal, "reading rows back")
	verified, failed := restore.Verify(ctx, options.acting(file, plan, "restore-verify", live.Read, show))
	show.tell()
	if failed != nil && exitcode.Of(restoreError(failed)) != exitcode.VerifyFailed {
		return restoreError(failed)
	}
	summary, err := file.Summary(ctx)
	if err != nil {
		return libraryError(err)
	}
	out := restoreVerified{PlanID: plan.PlanID, Verified: verified, Equation: equationOf(summary, plan, verified), Examples: show.findings}
	if terminal.JSON() {
		err = terminal.WriteJSON(out)
	} else {
		err = printVerified(terminal, &out)
	}
	if err != nil {
		return err
	}
	return restoreError(failed)
}

// equationOf joins the case's ledger with what verify found, by table. The partitions of a
// partitioned table are one line.
func equationOf(summary *casefile.Summary, plan *restore.Plan, verified *restore.Verified) []equationLine {
	lines := []equationLine{}
	at := make(map[string]int)
	line := func(table string) *equationLine {
		i, known := at[table]
		if !known {
			i = len(lines)
			at[table] = i
			lines = append(lines, equationLine{Table: table, Settled: make(map[evidence.Route]int64)})
		}
		return &lines[i]
	}
	for i := range plan.Tables {
		line(plan.Tables[i].String()).Restored = verified.Tables[i].Restored
	}
	intermediate := make(map[string]int64)
	for i := range summary.Tables {
		t := &summary.Tables[i]
		if t.Database != plan.Target.Database && t.Database != plan.Options.Database || t.Lost == 0 {
			continue
		}
		root := t.RelationName
		if t.PartitionOf.Name != "" {
			root = t.PartitionOf
		}
		l := line(root.String())
		l.Lost += t.Lost
		l.InPart += t.InPart
		l.Missing += t.Missing
		intermediate[l.Table] += t.Intermediate
		for route, n := range t.Settled {
			l.Settled[route] += n
		}
	}
	why := notRestored(plan, verified)
	for i := range lines {
		l := &lines[i]
		reasons, planned := why[l.Table]
		l.Fate = casefile.Divide(l.Lost, l.Missing, intermediate[l.Table], l.Restored, reasons, planned)
	}
	return lines
}

// notRestored says of each table of a plan why rows that it decided are not restored.
func notRestored(plan *restore.Plan, verified *restore.Verified) map[string][]casefile.ReasonCount {
	why := make(map[string][]casefile.ReasonCount)
	for i := range plan.Tables {
		counts := map[string]int64{casefile.ActionAbsent: verified.Tables[i].Promised - verified.Tables[i].Restored}
		for action, n := range plan.Tables[i].Counts {
			if !action.Promises() {
				counts[string(action)] = n
			}
		}
		why[plan.Tables[i].String()] = casefile.PlanReasons(counts)
	}
	return why
}

// fateSentences say of each table of which not every lost version is restored what
// became of the others.
func fateSentences(lines []equationLine) string {
	var text strings.Builder
	for i := range lines {
		f := &lines[i].Fate
		if f.Lost == f.Restored && f.Beside == 0 || f.Lost == 0 {
			continue
		}
		fmt.Fprintf(&text, "%s: %s lost = %s restored + %s intermediate + %s not restored", lines[i].Table,
			term.Count(f.Lost), term.Count(f.Restored), term.Count(f.Intermediate), term.Count(f.NotRestored))
		if why := whyText(f.Why); why != "" {
			fmt.Fprintf(&text, " (%s)", why)
		}
		text.WriteString(".")
		if f.Intermediate > 0 {
			text.WriteString(" Intermediate versions were made by the transaction that destroyed them: nobody ever saw them.")
		}
		if f.Beside > 0 {
			fmt.Fprintf(&text, " %s restored beside the ledger.", rowsAre(f.Beside))
		}
		text.WriteString("\n")
	}
	return text.String()
}

// whyText lists reasons with their counts.
func whyText(why []casefile.ReasonCount) string {
	var parts []string
	for _, reason := range why {
		parts = append(parts, term.Count(reason.Count)+" "+reason.Reason)
	}
	return strings.Join(parts, "; ")
}

func printVerified(terminal *term.Terminal, out *restoreVerified) error {
	var routes []evidence.Route
	for _, route := range evidence.Routes() {
		settles := route == evidence.RouteHeap || route == evidence.RouteWAL
		for i := range out.Equation {
			settles = settles || out.Equation[i].Settled[route] > 0
		}
		if settles {
			routes = append(routes, route)
		}
	}
	if err := equationTable(out.Equation, routes).Write(terminal.Out, ""); err != nil {
		return err
	}
	var promised, restored int64
	for _, t := range out.Tables {
		promised += t.Promised
		restored += t.Restored
	}
	text := "\n" + fateSentences(out.Equation) + fmt.Sprintf("%s promised, %s in the target with every value.", rowsWord(promised), term.Count(restored))
	if out.Findings == 0 {
		text += " Every foreign key of these rows leads to a row."
	}
	return terminal.Printf("%s\n", text)
}

func equationTable(lines []equationLine, routes []evidence.Route) *term.Table {
	titles := []string{"TABLE", ">LOST"}
	for i, route := range routes {
		sign := "+ "
		if i == 0 {
			sign = "= "
		}
		titles = append(titles, ">"+sign+strings.ToUpper(string(route)))
	}
	table := term.NewTable(append(titles, ">+ IN PART", ">+ MISSING", ">RESTORED")...)
	var total equationLine
	total.Settled = make(map[evidence.Route]int64)
	add := func(name string, l *equationLine) {
		cells := []string{name, term.Count(l.Lost)}
		for _, route := range routes {
			cells = append(cells, term.Count(l.Settled[route]))
		}
		table.Add(append(cells, term.Count(l.InPart), term.Count(l.Missing), term.Count(l.Restored))...)
	}
	for i := range lines {
		l := &lines[i]
		add(l.Table, l)
		total.Lost += l.Lost
		total.InPart += l.InPart
		total.Missing += l.Missing
		total.Restored += l.Restored
		for route, n := range l.Settled {
			total.Settled[route] += n
		}
	}
	if len(lines) > 1 {
		add("all tables", &total)
	}
	return table
}
