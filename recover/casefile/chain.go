package casefile

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/pgrescue/pgrescue/recover/journal"
)

// rememberJournal notes the last line of the journal, so that a cut one is found.
func (c *Case) rememberJournal(end journal.End) error {
	return c.atomic(func() error {
		if err := c.setMeta("journal_seq", strconv.FormatInt(end.Lines, 10)); err != nil {
			return err
		}
		return c.setMeta("journal_hash", end.Hash)
	})
}

// knownJournal is the last line that case.db knows.
func (c *Case) knownJournal() (journal.End, error) {
	seq, err := c.meta("journal_seq")
	if err != nil {
		return journal.End{}, err
	}
	hash, err := c.meta("journal_hash")
	if err != nil {
		return journal.End{}, err
	}
	n, err := strconv.ParseInt(seq, 10, 64)
	if err != nil {
		return journal.End{}, failure("read", c.dir, ErrDamaged, fmt.Errorf("meta has no number of journal lines: %w", err), hintDamaged)
	}
	return journal.End{Lines: n, Hash: hash}, nil
}

// reconcileJournal reads the journal before a new run. Where it is not what
// case.db knows, the run goes on, but the break is noted in both. The end of a run
// that was killed just behind its commit is added.
func (c *Case) reconcileJournal() (journal.End, error) {
	known, err := c.knownJournal()
	if err != nil {
		return journal.End{}, err
	}
	at := "" // hash of the line that case.db knows
	ended := make(map[int64]bool)
	end, err := c.readJournal(func(n int64, text []byte, hash string) error {
		if n == known.Lines {
			at = hash
		}
		var line JournalLine
		if json.Unmarshal(text, &line) == nil && line.Event == EventEnd {
			ended[line.Of] = true
		}
		return nil
	})
	if err != nil {
		return end, err
	}
	if known.Lines > 0 && at != known.Hash {
		note := fmt.Sprintf("the journal was changed: case.db knows %d lines, the last of them with hash %s; %d are there", known.Lines, known.Hash, end.Lines)
		if end, err = c.appendJournal(end, JournalLine{Event: EventNote, Note: note}); err != nil {
			return end, err
		}
		if err := c.noteBreak(note, end); err != nil {
			return end, err
		}
		return end, nil
	}
	return c.endLastRun(end, ended)
}

// noteBreak keeps a break of the journal in case.db, where `case verify` finds it.
func (c *Case) noteBreak(note string, end journal.End) error {
	return c.atomic(func() error {
		n, err := c.number("SELECT count(*) FROM meta WHERE key LIKE 'journal_break_%'")
		if err == nil {
			err = c.setMeta(fmt.Sprintf("journal_break_%d", n+1), note)
		}
		if err == nil {
			err = c.rememberJournal(end)
		}
		return err
	})
}

// endLastRun writes the end of the last run in case.db if the journal lacks it.
func (c *Case) endLastRun(end journal.End, ended map[int64]bool) (journal.End, error) {
	var line *JournalLine
	var begin int64
	err := sqlitex.Execute(c.conn, "SELECT journal_seq, exit_code, (ended - began) / 1000 FROM run ORDER BY id DESC LIMIT 1",
		&sqlitex.ExecOptions{ResultFunc: func(stmt *sqlite.Stmt) error {
			begin = stmt.ColumnInt64(0)
			code, ms, kept := stmt.ColumnInt(1), stmt.ColumnInt64(2), true
			line = &JournalLine{
				Event: EventEnd, Of: begin, ExitCode: &code, DurationMS: &ms, Kept: &kept,
				Note: "written by the next run: the process was stopped behind its commit",
			}
			return nil
		}})
	if err != nil || line == nil || ended[begin] {
		return end, err
	}
	return c.appendJournal(end, *line)
}

var errRunEnded = errors.New("the run has ended")

var errTakenBack = errors.New("an error before this one took the whole run back")

var errRunOpen = errors.New("the run in progress has written something; end it first")
