package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/pgrescue/pgrescue/cmd/internal/exitcode"
	"github.com/pgrescue/pgrescue/cmd/internal/term"
	"github.com/pgrescue/pgrescue/recover/casefile"
	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/pg"
)

func newCaseCommand(terminal *term.Terminal, cases *caseOptions) *cobra.Command {
	return newGroup(
		"case", "What all commands have found about one loss",
		`What all commands have found about one loss. A case is a folder: every command that
gets --case DIR writes what it finds to it: rows, ledger, gaps, the transactions, which
evidence it read with its SHA-256, and a line of the journal. So does a command in a
folder below a case, and one that has $PGRESCUE_CASE. case.db is SQLite; any browser of
such files opens it.`,
		`  pgrescue undelete --pgdata /copy/data --xid 742 --case incident
  pgrescue case show --case incident
  pgrescue case verify --case incident`,
		newCaseExportCommand(terminal, cases),
		newCaseShowCommand(terminal, cases),
		newCaseVerifyCommand(terminal, cases),
	)
}

func newCaseShowCommand(terminal *term.Terminal, cases *caseOptions) *cobra.Command {
	return &cobra.Command{
		Use:   "show",
		Short: "What is known: the balance of each table, the runs, the evidence, the gaps",
		Long: `Print what the case knows: for each table how many row versions were lost, which route
settled them, how many are missing and why, how many are in conflict and how many were
restored, and what became of the others; how many rows there are as logs count them, and
how many of those no route has brought back; the runs that wrote to the case, those included that were interrupted and left
nothing; the evidence that they read, and what of it could not be read.`,
		Example: `  pgrescue case show --case incident
  pgrescue case show
  pgrescue case show --case incident --json | jq '.tables[] | {name, lost, missing}'`,
		Args: noArguments,
		RunE: func(command *cobra.Command, _ []string) error {
			return runCaseShow(command.Context(), cases, terminal)
		},
	}
}

func runCaseShow(ctx context.Context, cases *caseOptions, terminal *term.Terminal) (err error) {
	c, err := cases.open(ctx, "case show")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	summary, err := c.Summary(ctx)
	if err != nil {
		return libraryError(err)
	}
	unkept, err := c.UnkeptRuns(ctx)
	if err != nil {
		return libraryError(err)
	}
	if terminal.JSON() {
		summary.Tables, summary.Runs = noNil(summary.Tables), noNil(summary.Runs)
		summary.Evidence, summary.Gaps, summary.Plans = noNil(summary.Evidence), noNil(summary.Gaps), noNil(summary.Plans)
		return terminal.WriteJSON(caseReport{summary, noNil(unkept)})
	}
	return printCase(terminal, summary, unkept)
}

// caseReport is what `case show --json` prints.
type caseReport struct {
	*casefile.Summary
	Unkept []casefile.UnkeptRun `json:"runs_that_left_nothing"`
}

func printCase(terminal *term.Terminal, s *casefile.Summary, unkept []casefile.UnkeptRun) error {
	facts := term.NewTable("", "")
	facts.Add("case", s.Dir)
	if s.SystemIdentifier != "" {
		facts.Add("server", fmt.Sprintf("PostgreSQL %d, system identifier %s", s.Version, s.SystemIdentifier))
	}
	if len(s.Databases) > 0 {
		facts.Add("databases", strings.Join(s.Databases, ", "))
	}
	facts.Add("timeline", term.Plural(s.Events, "entry", "entries"))
	if err := facts.Write(terminal.Out, ""); err != nil {
		return err
	}
	for _, section := range []struct {
		title string
		table *term.Table
		last  bool
	}{
		{"Tables", caseTables(s), false},
		{"What became of the lost versions", caseFates(s), false},
		{"Why rows are missing or in part", caseReasons(s), false},
		{"What more may be lost", caseLosses(s), false},
		{"What logs count", caseLogged(s), false},
		{"Plans", casePlans(s), true},
		{"Runs", caseRuns(s), true},
		{"Runs that left nothing", caseUnkept(unkept), true},
		{"Evidence", caseEvidence(s), false},
		{"Gaps", caseGaps(s), false},
	} {
		if err := printSection(terminal, section.title, section.table, shownGaps, section.last); err != nil {
			return err
		}
	}
	return nil
}

func caseTables(s *casefile.Summary) *term.Table {
	table := term.NewTable("TABLE", ">LOST", ">= HEAP", ">+ WAL", ">+ OTHER", ">+ IN PART", ">+ MISSING", ">ROWS FOUND", ">IN CONFLICT", ">RESTORED")
	for i := range s.Tables {
		t := &s.Tables[i]
		var other, rows int64
		for route, n := range t.Settled {
			if route != evidence.RouteHeap && route != evidence.RouteWAL {
				other += n
			}
		}
		for _, n := range t.Rows {
			rows += n
		}
		least := ""
		for _, loss := range t.Losses {
			if !loss.Covered || wholeUnseen(loss.Unseen) {
				least = "≥ "
			}
		}
		table.Add(tableName(&t.Relation), least+term.Count(t.Lost), term.Count(t.Settled[evidence.RouteHeap]), term.Count(t.Settled[evidence.RouteWAL]), term.Count(other),
			term.Count(t.InPart), least+term.Count(t.Missing), term.Count(rows), term.Count(t.Conflicts), term.Count(t.Restored))
	}
	return table
}

// caseFates divides what was lost by what became of it, once a plan was applied or when
// there are versions that nobody ever saw.
func caseFates(s *casefile.Summary) *term.Table {
	table := term.NewTable("TABLE", ">LOST", ">= RESTORED", ">+ INTERMEDIATE", ">+ NOT RESTORED", "WHY NOT")
	for i := range s.Tables {
		t := &s.Tables[i]
		f := &t.Fate
		if f.Lost > 0 && (f.Restored > 0 || f.Intermediate > 0) {
			table.Add(tableName(&t.Relation), term.Count(f.Lost), term.Count(f.Restored), term.Count(f.Intermediate), term.Count(f.NotRestored), whyText(f.Why))
		}
	}
	return table
}

// tableName names a table, and the partitioned table that it is a part of.
func tableName(rel *casefile.Relation) string {
	name := rel.RelationName.String()
	if rel.PartitionOf.Name != "" {
		name += " (of " + rel.PartitionOf.String() + ")"
	}
	return name
}

// wholeUnseen reports whether pages of a removed table could not be seen.
func wholeUnseen(unseen []byte) bool { return strings.Contains(string(unseen), `"why"`) }

func caseReasons(s *casefile.Summary) *term.Table {
	table := term.NewTable("TABLE", ">ROWS", "WHY")
	for i := range s.Tables {
		for _, reason := range s.Tables[i].Reasons {
			table.Add(s.Tables[i].RelationName.String(), term.Count(reason.Count), reason.Reason)
		}
	}
	return table
}

func caseLosses(s *casefile.Summary) *term.Table {
	table := term.NewTable("TABLE", "TRANSACTIONS", "WHY")
	for i := range s.Tables {
		for _, loss := range s.Tables[i].Losses {
			if !loss.Covered {
				table.Add(s.Tables[i].RelationName.String(), xidText(loss.XIDs), loss.Why)
			}
		}
	}
	return table
}

// caseLogged compares what logs count with what the case holds.
func caseLogged(s *casefile.Summary) *term.Table {
	table := term.NewTable("TABLE", ">LOGS SAY", ">THE CASE HOLDS", ">NOT BROUGHT BACK", "NOTE")
	for i := range s.Tables {
		l := s.Tables[i].Logged
		if l == nil {
			continue
		}
		var notes []string
		for _, of := range l.Of {
			if !of.Differ {
				continue
			}
			var counts []string
			for _, count := range of.Counts {
				counts = append(counts, fmt.Sprintf("%s (%s:%d)", term.Count(count.Rows), count.Source, count.Line))
			}
			notes = append(notes, fmt.Sprintf("of %s, lines say %s", cmp.Or(of.What, "the table"), strings.Join(counts, " and ")))
		}
		if l.Others > 0 {
			notes = append(notes, fmt.Sprintf("%s more in the case, which these counts do not name", term.Plural(l.Others, "row", "rows")))
		}
		table.Add(tableName(&s.Tables[i].Relation), term.Count(l.Rows), term.Count(l.Held), term.Count(l.Missing), strings.Join(notes, "; "))
	}
	return table
}

func xidText(xids []pg.XID) string {
	text := fmt.Sprint(xids[:min(len(xids), shownFits)])
	if more := len(xids) - shownFits; more > 0 {
		return fmt.Sprintf("%s and %d more", strings.Trim(text, "[]"), more)
	}
	return strings.Trim(text, "[]")
}

func casePlans(s *casefile.Summary) *term.Table {
	table := term.NewTable(">PLAN", "MADE (UTC)", ">ROWS", "STATE")
	for _, plan := range s.Plans {
		table.Add(fmt.Sprint(plan.ID), shortTime(plan.Made), term.Count(plan.Rows), plan.State)
	}
	return table
}

func caseRuns(s *casefile.Summary) *term.Table {
	table := term.NewTable("BEGAN (UTC)", "COMMAND", "WHO", ">TOOK", "ENDED")
	for _, run := range s.Runs {
		ended := fmt.Sprintf("%d (%s)", run.ExitCode, exitcode.Code(run.ExitCode))
		table.Add(shortTime(run.Began), run.Command, run.Who+"@"+run.Host, run.Ended.Sub(run.Began).Round(time.Millisecond).String(), ended)
	}
	return table
}

func caseUnkept(runs []casefile.UnkeptRun) *term.Table {
	table := term.NewTable("BEGAN (UTC)", "COMMAND", "WHO", "ENDED")
	for _, run := range runs {
		ended := "killed, or still running"
		if run.ExitCode != nil {
			ended = fmt.Sprintf("%d (%s)", *run.ExitCode, exitcode.Code(*run.ExitCode))
		}
		began, _, _ := strings.Cut(run.Began, ".")
		table.Add(began, run.Command, run.Who+"@"+run.Host, ended)
	}
	return table
}

func shortTime(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05") }

// caseEvidence sums the evidence up by kind; --json lists every file with its hash.
func caseEvidence(s *casefile.Summary) *term.Table {
	table := term.NewTable("KIND", ">FILES", ">SIZE", ">NOT HASHED", "SUCH AS")
	var kinds []string
	for i := range s.Evidence {
		if !slices.Contains(kinds, s.Evidence[i].Kind) {
			kinds = append(kinds, s.Evidence[i].Kind)
		}
	}
	for _, kind := range kinds {
		var files, size, open int64
		example := ""
		for i := range s.Evidence {
			file := &s.Evidence[i]
			if file.Kind != kind {
				continue
			}
			files, size, example = files+1, size+file.Size, cmp.Or(example, file.Path)
			if file.SHA256 == "" {
				open++
			}
		}
		table.Add(kind, term.Count(files), term.Bytes(size), term.Count(open), example)
	}
	return table
}

func caseGaps(s *casefile.Summary) *term.Table {
	table := term.NewTable("WHERE", "WHAT", "WHY", "SO")
	for _, gap := range s.Gaps {
		table.Add(gap.Where, gap.What, gap.Why, gap.Consequence)
	}
	return table
}
