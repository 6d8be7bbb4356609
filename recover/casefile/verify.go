package casefile

import (
	"context"
	"encoding/json"
	"fmt"

	"zombiezen.com/go/sqlite"
)

// Problem is something in the case that is not as it was written.
type Problem struct {
	Where string `json:"where"` // file and line, or table and row
	What  string `json:"what"`
}

// VerifyIntegrity looks at the journal's chain and at case.db. progress may be nil;
// it hears of the parts that are looked at.
func (c *Case) VerifyIntegrity(ctx context.Context, progress func(part string)) ([]Problem, error) {
	if progress == nil {
		progress = func(string) {}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	var problems []Problem
	progress(JournalName)
	if err := c.verifyJournal(&problems); err != nil {
		return problems, c.fail(ctx, "verify", err)
	}
	progress(DatabaseName)
	err := c.verifyDatabase(&problems)
	return problems, c.fail(ctx, "verify", err)
}

func (c *Case) verifyDatabase(problems *[]Problem) error {
	return c.each("PRAGMA integrity_check", func(stmt *sqlite.Stmt) error {
		if text := stmt.ColumnText(0); text != "ok" {
			*problems = append(*problems, Problem{DatabaseName, text})
		}
		return nil
	})
}

// verifyJournal follows the chain of the journal's lines.
func (c *Case) verifyJournal(problems *[]Problem) error {
	known, err := c.knownJournal()
	if err != nil {
		return err
	}
	tell := func(n int64, format string, args ...any) {
		*problems = append(*problems, Problem{fmt.Sprintf("%s line %d", JournalName, n), fmt.Sprintf(format, args...)})
	}
	previous, at := "", ""
	end, err := c.readJournal(func(n int64, text []byte, hash string) error {
		var line JournalLine
		switch err := json.Unmarshal(text, &line); {
		case err != nil:
			tell(n, "it is no whole line: the system stopped while it was written, or it was changed")
		case line.Seq != n:
			tell(n, "it says that it is line %d", line.Seq)
		case line.Previous != previous:
			tell(n, "the line before is not the one that it was written behind")
		case line.Case != "" && line.Case != c.id:
			tell(n, "it is of another case")
		}
		previous = hash
		if n == known.lines {
			at = hash
		}
		return nil
	})
	if err != nil {
		return err
	}
	switch {
	case end.lines < known.lines:
		tell(known.lines, "it was cut off: %d lines are there", end.lines)
	case known.lines > 0 && at != known.hash:
		tell(known.lines, "it is not the line that %s knows", DatabaseName)
	}
	return c.each("SELECT value FROM meta WHERE key LIKE 'journal_break_%' ORDER BY key", func(stmt *sqlite.Stmt) error {
		*problems = append(*problems, Problem{JournalName, stmt.ColumnText(0)})
		return nil
	})
}
