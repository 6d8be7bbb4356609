package main

import (
	"fmt"
	"maps"
	"slices"

	"github.com/pgrescue/pgrescue/cmd/internal/term"
	"github.com/pgrescue/pgrescue/importers/discovery"
	"github.com/pgrescue/pgrescue/logparse/rebuild"
	"github.com/pgrescue/pgrescue/logparse/secrets"
	"github.com/pgrescue/pgrescue/recover/evidence"
)

// logsRebuildResult is what `logs rebuild --json` prints.
type logsRebuildResult struct {
	Logs       []logFound        `json:"logs"`
	Tables     []*rebuiltTable   `json:"tables"`
	Statements rebuiltStatements `json:"statements"`
	Messages   int64             `json:"messages"` // that patterns took
	// Again counts the rows of messages that statements tell, too: those of the statements are given.
	Again  int64          `json:"rows_told_twice"`
	Counts []rebuiltCount `json:"counts"`
	// IDs says of each import in the case whose id was made which id the logs tell in its place, or why none.
	IDs []discovery.LoggedImport `json:"imports"`
	// Untold are statements of which the logs do not tell the rows.
	Untold []rebuiltUntold `json:"untold"`
	// LeftOut says of what messages tell why no row was made of it.
	LeftOut []string `json:"left_out"`
	// Lacking are columns of the patterns' tables that the tables do not have.
	Lacking []string `json:"columns_not_there"`
	// Secrets counts the values that do not come out, by column.
	Secrets map[string]int64 `json:"secrets"`
	// Shapes tells whether anybody knew the shapes of tables.
	Shapes bool     `json:"shapes_known"`
	Files  []string `json:"files"`
}

// rebuiltTable counts the rows of one table.
type rebuiltTable struct {
	Database   string `json:"database,omitempty"`
	Table      string `json:"table"`
	Statements int64  `json:"statements"`
	There      int64  `json:"there"` // rows that nothing removed
	Gone       int64  `json:"gone"`
	Replaced   int64  `json:"replaced"`
	InPart     int64  `json:"in_part"`     // of all these, those with a value that is unknown
	OfMessages int64  `json:"of_messages"` // and those that messages of a backend tell

	name evidence.RelationName
}

// rebuiltStatements counts statements that change rows.
type rebuiltStatements struct {
	Committed  int64 `json:"committed"`
	Executed   int64 `json:"executed"` // of which nothing shows that they were committed
	Attempted  int64 `json:"attempted"`
	Failed     int64 `json:"failed"`
	RolledBack int64 `json:"rolled_back"`
}

// rebuiltCount is how many rows there are of something, as a message tells.
type rebuiltCount struct {
	Table  string `json:"table"`
	What   string `json:"what"`
	Rows   int64  `json:"rows"`
	Source string `json:"source"`
	Line   int64  `json:"line"`
	Why    string `json:"why"`
}

// rebuiltUntold is why the rows of statements are not known.
type rebuiltUntold struct {
	Table string `json:"table,omitempty"`
	Verb  string `json:"verb"`
	Why   string `json:"why"`
	Count int64  `json:"count"`
	First string `json:"first"`
}

// summarize puts the result together.
func (j *logsRebuild) summarize() {
	r, report := &j.result, j.builder.Report()
	r.Logs, r.Messages, r.Secrets, r.Shapes = j.reading.logs(), j.took, j.rows.secret, j.shapes.any()
	r.Again = j.rows.again
	r.Statements = rebuiltStatements{report.Committed, report.Executed, report.Attempted, report.Failed, report.RolledBack}
	r.untold("", report.Untold)
	for i := range report.Tables {
		t := &report.Tables[i]
		if len(j.options.tables) > 0 && !j.options.wants(t.Relation) {
			continue
		}
		table := j.rows.byTable[t.Relation.Database+" "+t.Relation.String()]
		if table == nil {
			table = &rebuiltTable{Database: t.Relation.Database, Table: t.Relation.String(), name: t.Relation}
			j.rows.tables = append(j.rows.tables, table)
		}
		table.Statements = t.Statements
		r.untold(table.Table, t.Untold)
	}
	if j.messages != nil {
		report := j.messages.Report()
		for _, text := range report.LeftOut {
			r.LeftOut = append(r.LeftOut, secrets.Text(text))
		}
		r.Lacking = report.Lacking
	}
	r.Tables, r.Counts, r.Untold = noNil(j.rows.tables), noNil(r.Counts), noNil(r.Untold)
	r.IDs = noNil(r.IDs)
	r.LeftOut, r.Lacking, r.Files = noNil(r.LeftOut), noNil(r.Lacking), noNil(r.Files)
	if r.Secrets == nil {
		r.Secrets = map[string]int64{}
	}
}

func (r *logsRebuildResult) untold(table string, list []rebuild.Untold) {
	for _, u := range list {
		r.Untold = append(r.Untold, rebuiltUntold{table, u.Verb, secrets.Text(u.Why), u.Count, fmt.Sprintf("%s:%d", u.Source, u.Line)})
	}
}

// print prints the summary; where the rows are on stdout, it goes to stderr.
func (r *logsRebuildResult) print(terminal *term.Terminal, aside bool) error {
	if aside {
		r.tell(func(text string) { terminal.Infof("%s", text) })
		return nil
	}
	if terminal.JSON() {
		return terminal.WriteJSON(r)
	}
	table := term.NewTable("TABLE", ">STATEMENTS", ">THERE", ">GONE", ">REPLACED", ">IN PART", ">OF MESSAGES")
	for _, t := range r.Tables {
		table.Add(t.Table, term.Count(t.Statements), term.Count(t.There), term.Count(t.Gone), term.Count(t.Replaced), term.Count(t.InPart), term.Count(t.OfMessages))
	}
	if table.Len() > 0 {
		if err := table.Write(terminal.Out, ""); err != nil {
			return err
		}
	}
	var failed error
	r.tell(func(text string) {
		if failed == nil {
			failed = terminal.Printf("%s\n", term.Printable(text))
		}
	})
	return failed
}

// tell says in lines what the table does not.
func (r *logsRebuildResult) tell(say func(text string)) {
	s := &r.Statements
	say(fmt.Sprintf("statements that change rows: %s committed, %s executed of which nothing shows a commit, %s of unknown end, %s failed, %s rolled back",
		term.Count(s.Committed), term.Count(s.Executed), term.Count(s.Attempted), term.Count(s.Failed), term.Count(s.RolledBack)))
	if r.Messages > 0 {
		text := term.Plural(r.Messages, "message is", "messages are") + " of the pattern pack"
		if r.Again > 0 {
			text += "; " + term.Plural(r.Again, "row that they tell of is", "rows that they tell of are") + " told by statements, too, which say more"
		}
		say(text)
	}
	most := func(n, shown int, what string, line func(i int) string) {
		for i := range min(n, shown) {
			say(line(i))
		}
		if n > shown {
			say(fmt.Sprintf("and %s more %s; --json has them", term.Count(int64(n-shown)), what))
		}
	}
	most(len(r.Counts), fewShown, "counts", func(i int) string {
		c := &r.Counts[i]
		return fmt.Sprintf("%s: %s of %s, as %s:%d says", c.Table, term.Plural(c.Rows, "row", "rows"), c.What, c.Source, c.Line)
	})
	most(len(r.IDs), mostShown, "imports", func(i int) string {
		one := &r.IDs[i]
		if one.IDs == 0 {
			return fmt.Sprintf("import of %s: it keeps the ids that were made: %s", one.Filename, one.Why)
		}
		return fmt.Sprintf("import of %s: it is %s in the logs, by %s; %s of logs in place of made ones", one.Filename, one.Logged, one.By, term.Plural(one.IDs, "id", "ids"))
	})
	reasons := reasonsOf(r.Untold)
	most(len(reasons), mostShown, "reasons", func(i int) string { return reasons[i] })
	most(len(r.LeftOut), mostShown, "that give no row", func(i int) string { return "no row: " + r.LeftOut[i] })
	if len(r.Lacking) > 0 {
		say("columns of the patterns that the tables do not have: " + shortList(r.Lacking))
	}
	for _, column := range slices.Sorted(maps.Keys(r.Secrets)) {
		say(fmt.Sprintf("%s: %s of secrets that outputs do not show", column, term.Plural(r.Secrets[column], "value", "values")))
	}
	if !r.Shapes && len(r.Tables) > 0 {
		say("nobody knows the shapes of these tables: columns are those that statements name, and values are as they were written (--dsn, --catalog)")
	}
}

// fewShown is how many counts are shown.
const fewShown = 5

// reasonsOf says why statements do not tell their rows, each reason once.
func reasonsOf(list []rebuiltUntold) []string {
	type reason struct{ verb, why string }
	var order []reason
	of := make(map[reason][]rebuiltUntold)
	for _, u := range list {
		key := reason{u.Verb, u.Why}
		if of[key] == nil {
			order = append(order, key)
		}
		of[key] = append(of[key], u)
	}
	var lines []string
	for _, key := range order {
		var tables []string
		count := int64(0)
		for _, u := range of[key] {
			count += u.Count
			if u.Table != "" {
				tables = append(tables, u.Table)
			}
		}
		text := "not told: " + key.verb
		if len(tables) > 0 {
			text += " of " + shortList(tables)
		}
		lines = append(lines, fmt.Sprintf("%s: %s (%s, the first at %s)", text, key.why, term.Plural(count, "time", "times"), of[key][0].First))
	}
	return lines
}

// hint says what a person can do when there are no rows.
func (r *logsRebuildResult) hint() string {
	s := &r.Statements
	switch {
	case s.Executed+s.Attempted > 0:
		return "--uncommitted adds what statements did of which nothing shows that they were committed"
	case s.Committed > 0:
		return "the statements do not tell their rows; the summary says why"
	}
	return "log_statement = mod or all makes PostgreSQL log the statements; `pgrescue logs patterns suggest` shows what a backend's log tells"
}
