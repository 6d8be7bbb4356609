package main

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"unicode"

	"github.com/pgrescue/pgrescue/cmd/internal/exitcode"
	"github.com/pgrescue/pgrescue/cmd/internal/term"
	"github.com/pgrescue/pgrescue/importers"
)

// tell prints the result, and says how the run ended.
func (r *importRun) tell() error {
	var err error
	if r.terminal.JSON() {
		err = r.terminal.WriteJSON(r.out)
	} else {
		err = r.print()
	}
	if err != nil {
		return err
	}
	return r.outcome()
}

// outcome is the exit code: something that could not be read comes first, then what was not taken.
func (r *importRun) outcome() error {
	gaps, rejected := 0, int64(0)
	for i := range r.out.Files {
		gaps, rejected = gaps+len(r.out.Files[i].Gaps), rejected+r.out.Files[i].Rejected
	}
	different := int64(0)
	for i := range r.out.Tables {
		different += r.out.Tables[i].Different
	}
	for _, made := range r.made {
		if made.empty != nil && gaps == 0 {
			return r.emptyError(made)
		}
	}
	switch {
	case gaps > 0:
		return exitcode.PartialIf(gaps)
	case rejected > 0:
		what := term.Plural(rejected, "record or value", "records or values")
		if r.out.Did == didPreview {
			return exitcode.With(exitcode.Findings, fmt.Errorf("import: %s cannot be taken; the rest can", what))
		}
		return exitcode.With(exitcode.Findings, fmt.Errorf("import: %s not taken; the rest was", what))
	case different > 0:
		return exitcode.With(exitcode.Findings, fmt.Errorf("import: %s there with other values, and left as they are", term.Plural(different, "row is", "rows are")))
	}
	return nil
}

// emptyError tells of a list that nothing can be made of, and what became of the others.
func (r *importRun) emptyError(made *importMade) error {
	err := importError(made.empty)
	if !slices.ContainsFunc(r.made, func(m *importMade) bool { return m.empty == nil }) {
		return err
	}
	others := map[string]string{
		importers.OutcomeApplied: "the rows of the other files are in the target", importers.OutcomeCase: "the rows of the other files are in the case",
		importers.OutcomeSent: "the other files were sent", didPreview: "the other files can be imported",
	}[r.out.Did]
	return exitcode.With(exitcode.Of(err), exitcode.Hinted(fmt.Errorf("import: nothing can be made of %s: %s; %s", made.place(), causeOf(err), others), exitcode.HintOf(err)))
}

// print prints the result for people.
func (r *importRun) print() error {
	for i := range r.out.Files {
		if err := r.printFile(&r.out.Files[i]); err != nil {
			return err
		}
	}
	if err := r.printSkipped(); err != nil {
		return err
	}
	if err := r.printTables(); err != nil {
		return err
	}
	if err := r.printDifferences(); err != nil {
		return err
	}
	return r.terminal.Printf("\n%s.\nNext: %s\n", r.sentence(), term.Printable(r.out.Next))
}

// label names a file for people.
func (f *importFile) label() string {
	label := f.Path
	if f.Member != "" {
		label += ":" + f.Member
	}
	if f.Part != "" {
		label += ", " + f.Part
	}
	return label
}

// printFile tells of one list.
func (r *importRun) printFile(f *importFile) error {
	var how []string
	for _, s := range f.Settings {
		text := s.Name + " " + s.Value
		if len(s.Value) == 1 && !unicode.IsLetter(rune(s.Value[0])) && !unicode.IsDigit(rune(s.Value[0])) {
			text = s.Name + " '" + s.Value + "'"
		}
		if !s.Found {
			text += " (as told)"
		}
		how = append(how, text)
	}
	text := fmt.Sprintf("%s\n  %s, %s\n  %s: %s\n", f.label(), term.Plural(f.Records, "record", "records"), term.Bytes(f.Size), f.Format, strings.Join(how, ", "))
	if err := r.terminal.Printf("%s", printableLines(text)); err != nil {
		return err
	}
	if err := columnTable(f.Columns).Write(r.terminal.Out, "  "); err != nil {
		return err
	}
	if err := r.printRejects(f); err != nil {
		return err
	}
	if f.Formulas > 0 {
		f.Notes = append(f.Notes, fmt.Sprintf("%s kept as text: mind it when rows are opened in a spreadsheet", term.Plural(f.Formulas, "value begins like a formula, and is", "values begin like a formula, and are")))
	}
	if f.Duplicates > 0 {
		f.Notes = append(f.Notes, fmt.Sprintf("%s the name of one before, whose asset it shares", term.Plural(f.Duplicates, "record has", "records have")))
	}
	if err := r.printSentences("Note:", f.Notes); err != nil {
		return err
	}
	if err := r.printSentences("Not in the file:", f.CannotGiveBack); err != nil {
		return err
	}
	if f.Receipt != "" {
		if err := r.terminal.Printf("  Receipt: %s\n", term.Printable(f.Receipt)); err != nil {
			return err
		}
	}
	r.terminal.Gaps(f.Gaps, shownGaps)
	return r.terminal.Printf("\n")
}

// printableLines makes each line printable.
func printableLines(text string) string {
	lines := strings.Split(text, "\n")
	for i := range lines {
		lines[i] = term.Printable(lines[i])
	}
	return strings.Join(lines, "\n")
}

// columnTable shows where the header goes.
func columnTable(columns []importColumn) *term.Table {
	table := term.NewTable("HEADER", "COLUMN", "HOW")
	for i := range columns {
		c := &columns[i]
		how := c.How
		if c.Confidence > 0 {
			how += fmt.Sprintf(" %.2f", c.Confidence)
		}
		if c.Or != "" {
			how += ", or " + c.Or
		}
		switch {
		case c.TakenBy != "":
			how = fmt.Sprintf("%q has its column", c.TakenBy)
		case c.Skipped:
			how = "means nothing to the application"
		case c.Suggested != "":
			how = fmt.Sprintf("like %s? --map %s=%s", c.Suggested, quoteForShell(c.Header), c.Suggested)
		}
		column := c.Column
		if column == "" {
			column = "-"
		}
		table.Add(c.Header, column, how)
	}
	return table
}

// quoteForShell quotes a text when a shell would take it apart.
func quoteForShell(text string) string {
	if text != "" && !strings.ContainsFunc(text, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("_-./", r)
	}) {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}

// shownTroubles is how many rejects people are shown.
const shownTroubles = 5

// printRejects tells what is not taken, by reason, and the first of it.
func (r *importRun) printRejects(f *importFile) error {
	if f.Rejected == 0 {
		return nil
	}
	if err := r.terminal.Printf("  Not taken: %s\n", term.Count(f.Rejected)); err != nil {
		return err
	}
	reasons := term.NewTable("", "", "")
	reasons.Columns[0].Right = true
	for _, reason := range f.Reasons[:min(len(f.Reasons), shownTroubles)] {
		reasons.Add(term.Count(reason.Count), strings.Trim(reason.Table+"."+reason.Column, "."), reason.Reason)
	}
	if err := reasons.Write(r.terminal.Out, "    "); err != nil {
		return err
	}
	for _, t := range f.First[:min(len(f.First), shownTroubles)] {
		line := fmt.Sprintf("    line %d: %s", t.Line, t.Reason)
		if t.Text != "" {
			line += ": " + t.Text
		}
		if err := r.terminal.Printf("%s\n", term.Printable(line)); err != nil {
			return err
		}
	}
	if len(f.RejectFiles) > 0 {
		return r.terminal.Printf("    all of them: %s\n", term.Printable(strings.Join(f.RejectFiles, ", ")))
	}
	return nil
}

func (r *importRun) printSentences(title string, sentences []string) error {
	for _, sentence := range sentences {
		if err := r.terminal.Printf("  %s %s\n", title, term.Printable(sentence)); err != nil {
			return err
		}
	}
	return nil
}

func (r *importRun) printSkipped() error {
	for i, skipped := range r.out.Skipped {
		if i == mostFindings {
			r.terminal.Infof("and %s more that are no sources; --json lists them", term.Count(int64(len(r.out.Skipped)-i)))
			break
		}
		name := filepath.Base(skipped.Path)
		if skipped.Member != "" {
			name += ":" + skipped.Member
		}
		text := "skipped " + name + ": " + skipped.Why
		if skipped.Hint != "" {
			text += "; " + skipped.Hint
		}
		r.terminal.Infof("%s", text)
	}
	return nil
}

// printTables shows the rows by table.
func (r *importRun) printTables() error {
	if len(r.out.Tables) == 0 {
		return nil
	}
	compared := r.out.Tables[0].Compared
	table := term.NewTable("TABLE", ">ROWS")
	if compared {
		fresh := ">NEW"
		if r.out.Did == importers.OutcomeApplied {
			fresh = ">PUT IN"
		}
		table = term.NewTable("TABLE", ">ROWS", fresh, ">THERE", ">DIFFERENT", ">REFUSED")
	}
	var total importTable
	line := func(t *importTable) {
		table.Add(t.Table, term.Count(t.Rows), term.Count(t.New), term.Count(t.There+t.Twice), term.Count(t.Different), term.Count(t.Refused))
	}
	for i := range r.out.Tables {
		total.add(&r.out.Tables[i])
		line(&r.out.Tables[i])
	}
	if len(r.out.Tables) > 1 {
		total.Table = "all tables"
		line(&total)
	}
	if err := table.Write(r.terminal.Out, ""); err != nil {
		return err
	}
	var defaults []string
	for i := range r.out.Tables {
		if t := &r.out.Tables[i]; t.New > 0 && len(t.Defaults) > 0 {
			defaults = append(defaults, fmt.Sprintf("%s %d", t.Table, len(t.Defaults)))
		}
	}
	if len(defaults) > 0 {
		if err := r.terminal.Printf("Columns that nothing gives a value, and that take the target's default or NULL: %s.\n", strings.Join(defaults, ", ")); err != nil {
			return err
		}
	}
	for i := range r.out.Tables {
		t := &r.out.Tables[i]
		notes := t.Notes
		if len(t.Triggers) > 0 {
			notes = append(notes, "triggers fire: "+strings.Join(t.Triggers, ", "))
		}
		for _, note := range notes {
			if err := r.terminal.Printf("%s\n", term.Printable(t.Table+": "+note)); err != nil {
				return err
			}
		}
	}
	return nil
}

// shownDifferences is how many differences people are shown.
const shownDifferences = 10

func (r *importRun) printDifferences() error {
	list := r.out.Differences
	if len(list) == 0 {
		return nil
	}
	if err := r.terminal.Printf("\nThere with other values, and left as they are:\n"); err != nil {
		return err
	}
	table := term.NewTable("TABLE", "KEY", "COLUMN", "TARGET", "FILE")
	for i := range list[:min(len(list), shownDifferences)] {
		d := &list[i]
		table.Add(d.Table, d.Key, d.Column, shownText(d.Theirs), shownText(d.Ours))
	}
	if err := table.Write(r.terminal.Out, "  "); err != nil {
		return err
	}
	if more := len(list) - shownDifferences; more > 0 {
		return r.terminal.Printf("  and %s; --json lists the first of each table\n", term.Plural(int64(more), "more value", "more values"))
	}
	return nil
}

// mostShownText bounds a value in a table.
const mostShownText = 40

func shownText(text *string) string {
	if text == nil {
		return "NULL"
	}
	return shorten(term.Printable(*text), mostShownText)
}

// sentence says what was done.
func (r *importRun) sentence() string {
	var total importTable
	for i := range r.out.Tables {
		total.add(&r.out.Tables[i])
	}
	how := map[string]string{"as-app": "as the application stored them", "as-mapped": "as mapped", "table": "into one table"}[r.out.Store]
	switch r.out.Did {
	case importers.OutcomeApplied:
		return fmt.Sprintf("%s put in, %s, in one transaction; %s there already", rowsWord(total.New), how, rowsWord(total.There+total.Twice))
	case importers.OutcomeCase:
		return fmt.Sprintf("%s went into the case, %s", rowsWord(total.Rows), how)
	case importers.OutcomeSent:
		return "The application took the records"
	}
	if !r.options.chosen() {
		how += " unless you say --as-app"
	}
	if r.target.conn == nil {
		return fmt.Sprintf("A look at the files alone, %s: nothing was changed", how)
	}
	return fmt.Sprintf("A comparison, %s: nothing was changed", how)
}
