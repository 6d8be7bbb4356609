package main

import (
	"fmt"
	"strings"

	"github.com/pgrescue/pgrescue/cmd/internal/term"
	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/pg"
	"github.com/pgrescue/pgrescue/recover/triage"
	"github.com/pgrescue/pgrescue/recover/triage/backups"
)

// triageOutput is what `triage --json` prints.
type triageOutput struct {
	*triage.Report
	Backups []backups.Backup `json:"backups"`
	Gaps    []evidence.Gap   `json:"gaps"`
}

// whole makes empty lists of those that are missing.
func (o triageOutput) whole() triageOutput {
	report := *o.Report
	report.Losses = noNil(report.Losses)
	for i := range report.Hypotheses {
		h := &report.Hypotheses[i]
		h.For, h.Against = noNil(h.For), noNil(h.Against)
	}
	return triageOutput{&report, noNil(o.Backups), noNil(o.Gaps)}
}

// printTriage prints a report for people: what to do stands at its beginning and its end.
func printTriage(terminal *term.Terminal, facts *triage.Facts, report *triage.Report) error {
	if err := printQuestion(terminal, &report.Question); err != nil {
		return err
	}
	if err := printHypotheses(terminal, report); err != nil {
		return err
	}
	if err := printSection(terminal, "What the statistics say", linesTable(report.Statistics), shownLines, false); err != nil {
		return err
	}
	routes := term.NewTable("ROUTE", "COVERS", ">ROWS", ">OF", "WHY", "OPEN UNTIL")
	for i := range report.Routes {
		r := &report.Routes[i]
		routes.Add(r.Name, string(r.Covers), countOrUnknown(r.Rows), countOrUnknown(r.Of), r.Why, r.Expiry.Text)
	}
	if err := printSection(terminal, "Ways back", routes, shownLines, false); err != nil {
		return err
	}
	if err := printSection(terminal, "Backups, by what is in them", backupsTable(facts, report), shownLines, false); err != nil {
		return err
	}
	if len(report.Next) == 0 {
		return nil
	}
	if err := terminal.Printf("\nNext\n"); err != nil {
		return err
	}
	for i, command := range report.Next {
		if err := terminal.Printf("  %d. %s\n       %s\n", i+1, term.Printable(command.Line), term.Printable(command.Why)); err != nil {
			return err
		}
	}
	return nil
}

func printQuestion(terminal *term.Terminal, q *triage.Question) error {
	if err := terminal.Printf("Rows, a table, or files?  %s: %s\n", strings.ToUpper(string(q.Hurt)), q.Why); err != nil {
		return err
	}
	for _, list := range []struct {
		title string
		lines []string
	}{{"first", q.First}, {"never", q.Never}} {
		for _, line := range list.lines {
			if err := terminal.Printf("  %s: %s\n", list.title, line); err != nil {
				return err
			}
		}
	}
	return nil
}

// printHypotheses prints what may have happened, with + before the evidence for it and - before that against it.
func printHypotheses(terminal *term.Terminal, report *triage.Report) error {
	if err := terminal.Printf("\nWhat may have happened\n"); err != nil {
		return err
	}
	for i := range report.Hypotheses {
		h := &report.Hypotheses[i]
		mark := " "
		if h.Name == report.Named {
			mark = ">"
		}
		if err := terminal.Printf("%s %-15s %s\n", mark, h.Standing, h.Name); err != nil {
			return err
		}
		for _, list := range []struct {
			sign   string
			points []triage.Point
		}{{"+", h.For}, {"-", h.Against}} {
			for _, point := range list.points {
				if err := terminal.Printf("      %s %s: %s\n", list.sign, point.Source, term.Printable(point.Text)); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func linesTable(lines []string) *term.Table {
	table := term.NewTable("")
	for _, line := range lines {
		table.Add(line)
	}
	return table
}

func countOrUnknown(n int64) string {
	if n < 0 {
		return "?"
	}
	return term.Count(n)
}

// backupsTable lists the backups, with whether each precedes the loss.
func backupsTable(facts *triage.Facts, report *triage.Report) *term.Table {
	table := term.NewTable("WHERE", "WHAT", ">BYTES", "MADE", "HOLDS", "BEFORE THE LOSS")
	for i := range facts.Backups {
		b := &facts.Backups[i]
		before := ""
		if len(report.Losses) > 0 {
			answer, why := b.Precedes(report.Losses[0].End)
			before = string(answer) + ": " + why
		}
		table.Add(b.Path, strings.TrimSuffix(string(b.Kind)+", "+b.Format, ", "), term.Count(b.Bytes), madeText(b), holdsText(b, report), before)
	}
	return table
}

func madeText(b *backups.Backup) string {
	switch {
	case !b.Ended.IsZero():
		return pg.FormatTime(b.Ended)
	case !b.Begun.IsZero() && b.ZoneUnknown:
		return b.Begun.Format("2006-01-02 15:04:05") + " (zone unknown)"
	case !b.Begun.IsZero():
		return pg.FormatTime(b.Begun)
	}
	return "unknown"
}

// holdsText says what is in a backup: of a dump first the tables that were hurt.
func holdsText(b *backups.Backup, report *triage.Report) string {
	var parts []string
	if b.Broken != "" {
		parts = append(parts, "damaged: "+b.Broken)
	}
	if b.Label != "" {
		parts = append(parts, b.Label)
	}
	if b.Physical() {
		return strings.Join(append(parts, "the whole cluster"), "; ")
	}
	if len(report.Losses) > 0 {
		for _, lost := range report.Losses[0].Tables {
			if t, has, known := b.Has(lost.Name.Schema, lost.Name.Name); has && t.Rows >= 0 {
				parts = append(parts, fmt.Sprintf("%s: %s", t.Name, term.Plural(t.Rows, "row", "rows")))
			} else if !has && known {
				parts = append(parts, "no rows of "+lost.Name.Name)
			} else if has {
				parts = append(parts, lost.Name.Name)
			}
		}
	}
	text := term.Plural(int64(len(b.Tables)), "table", "tables") + " with rows"
	if !b.Whole {
		text = "at least " + text
	}
	return strings.Join(append(parts, text), "; ")
}
