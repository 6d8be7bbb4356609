package casefile

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"zombiezen.com/go/sqlite"

	"github.com/pgrescue/pgrescue/recover/pg"
)

// Problem is something in the case that is not as it was written.
type Problem struct {
	Where string `json:"where"` // file and line, or table and row
	What  string `json:"what"`
}

// VerifyIntegrity looks at the journal's chain and at case.db: whether SQLite finds
// its file sound, and whether each row, ledger line, plan and table is what was
// written. progress may be nil; it hears of the parts that are looked at.
func (c *Case) VerifyIntegrity(ctx context.Context, progress func(part string)) ([]Problem, error) {
	if progress == nil {
		progress = func(string) {}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.run == nil {
		c.conn.SetInterrupt(ctx.Done())
		defer c.conn.SetInterrupt(nil)
	}
	var problems []Problem
	for _, part := range []struct {
		name   string
		verify func(*[]Problem) error
	}{
		{JournalName, c.verifyJournal},
		{DatabaseName, func(p *[]Problem) error { return c.verifyPragma(p, "PRAGMA integrity_check", 0) }},
		{DatabaseName + ", indexes", c.verifyIndexes},
		{DatabaseName + ", references", func(p *[]Problem) error { return c.verifyPragma(p, "PRAGMA foreign_key_check", 2) }},
		{DatabaseName + ", tables", c.verifyDigests},
		{DatabaseName + ", rows and ledger", c.verifySums},
		{DatabaseName + ", plans", func(p *[]Problem) error { return c.verifyPlans(ctx, p) }},
	} {
		progress(part.name)
		if err := part.verify(&problems); err != nil {
			if !damage(err) || ctx.Err() != nil {
				return problems, c.fail(ctx, "verify", err)
			}
			problems = append(problems, Problem{part.name, err.Error()})
		}
	}
	return problems, nil
}

// verifyPragma runs a check of SQLite. One that names a table and row in its first
// columns has the table that they should refer to in column parent.
func (c *Case) verifyPragma(problems *[]Problem, pragma string, parent int) error {
	told := 0
	err := c.each(pragma, func(stmt *sqlite.Stmt) error {
		text := stmt.ColumnText(0)
		if text == "ok" {
			return nil
		}
		if told++; told > mostTold {
			return nil
		}
		if parent > 0 {
			text = fmt.Sprintf("row %d of table %s refers to a line of table %s that there is not", stmt.ColumnInt64(1), text, stmt.ColumnText(parent))
		}
		*problems = append(*problems, Problem{DatabaseName, text})
		return nil
	})
	if told > mostTold {
		*problems = append(*problems, Problem{DatabaseName, fmt.Sprintf("%d more like it", told-mostTold)})
	}
	return err
}

// verifyIndexes begins to read by each index, which fails where the page of an empty one
// claims to lead to other pages: integrity_check does not follow it to a page 0.
func (c *Case) verifyIndexes(problems *[]Problem) error {
	var queries []string
	err := c.each("SELECT name, tbl_name, sql FROM sqlite_schema WHERE type = 'index'", func(stmt *sqlite.Stmt) error {
		query := "SELECT 1 FROM " + pg.QuoteIdentAlways(stmt.ColumnText(1)) + " INDEXED BY " + pg.QuoteIdentAlways(stmt.ColumnText(0))
		if _, condition, partial := strings.Cut(stmt.ColumnText(2), " WHERE "); partial {
			query += " WHERE " + condition
		}
		queries = append(queries, query+" LIMIT 1")
		return nil
	})
	if err != nil {
		return err
	}
	for _, query := range queries {
		if err := c.each(query, func(*sqlite.Stmt) error { return nil }); err != nil {
			if !damage(err) {
				return err
			}
			*problems = append(*problems, Problem{DatabaseName, err.Error()})
		}
	}
	return nil
}

// verifyPlans compares plans with their hashes.
func (c *Case) verifyPlans(ctx context.Context, problems *[]Problem) error {
	var ids []int64
	err := c.each("SELECT id FROM plan", func(stmt *sqlite.Stmt) error {
		ids = append(ids, stmt.ColumnInt64(0))
		return nil
	})
	for _, id := range ids {
		var whole bool
		if whole, err = c.verifyPlan(ctx, id); err != nil {
			return err
		}
		if !whole {
			*problems = append(*problems, Problem{fmt.Sprintf("%s plan %d", DatabaseName, id), "its content is not what was written"})
		}
	}
	return err
}

// verifyJournal follows the chain of the journal's lines.
func (c *Case) verifyJournal(problems *[]Problem) error {
	known, err := c.knownJournal()
	if err != nil {
		*problems = append(*problems, Problem{DatabaseName + " table meta", err.Error()})
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
		if n == known.Lines {
			at = hash
		}
		return nil
	})
	if err != nil {
		return err
	}
	switch {
	case end.Lines < known.Lines:
		tell(known.Lines, "it was cut off: %d lines are there", end.Lines)
	case known.Lines > 0 && at != known.Hash:
		tell(known.Lines, "it is not the line that %s knows", DatabaseName)
	}
	return c.each("SELECT value FROM meta WHERE key LIKE 'journal_break_%' ORDER BY key", func(stmt *sqlite.Stmt) error {
		*problems = append(*problems, Problem{JournalName, stmt.ColumnText(0)})
		return nil
	})
}
