package casefile

import (
	"path/filepath"
	"time"

	"github.com/pgrescue/pgrescue/recover/journal"
	"github.com/pgrescue/pgrescue/recover/pg"
)

// The events of the journal.
const (
	EventBegin = "begin"
	EventEnd   = "end"
	EventNote  = "note"
)

// JournalLine is one line of journal.jsonl. Previous is the SHA-256 of the bytes of
// the line before, without its newline; the first line has none.
type JournalLine struct {
	Seq        int64    `json:"seq"` // the number of the line, from 1
	Event      string   `json:"event"`
	Of         int64    `json:"of,omitempty"`   // of an end: the line of its begin
	Case       string   `json:"case,omitempty"` // of a begin: the case's name
	Time       string   `json:"time"`
	Who        string   `json:"who,omitempty"`
	Host       string   `json:"host,omitempty"`
	Command    string   `json:"command,omitempty"`
	Version    string   `json:"version,omitempty"`
	Argv       []string `json:"argv,omitempty"`
	ExitCode   *int     `json:"exit_code,omitempty"`
	DurationMS *int64   `json:"duration_ms,omitempty"`
	Kept       *bool    `json:"kept,omitempty"` // of an end: whether what the run found is in the case
	Note       string   `json:"note,omitempty"`
	Previous   string   `json:"previous"`
}

// readJournal scans the journal of the case; one that is not there has no lines.
func (c *Case) readJournal(visit journal.Visit) (journal.End, error) {
	return journal.Read(filepath.Join(c.dir, JournalName), visit)
}

// appendJournal adds a line behind end.
func (c *Case) appendJournal(end journal.End, line JournalLine) (journal.End, error) {
	if line.Time == "" {
		line.Time = pg.FormatTime(time.Now())
	}
	return journal.Append(filepath.Join(c.dir, JournalName), end, func(seq int64, previous string) any {
		line.Seq, line.Previous = seq, previous
		return line
	})
}
