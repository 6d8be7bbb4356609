package casefile

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"time"

	"zombiezen.com/go/sqlite"
)

// Event is an entry of the timeline.
type Event struct {
	Time      time.Time       `json:"time"`
	Source    string          `json:"source"`         // file or server; "wal"
	Line      int64           `json:"line,omitempty"` // of Source
	Certainty string          `json:"certainty"`      // such as attempted, executed, committed
	Actor     string          `json:"actor,omitempty"`
	Tenant    string          `json:"tenant,omitempty"`
	Statement string          `json:"statement,omitempty"`
	Message   string          `json:"message"`
	Detail    json.RawMessage `json:"detail,omitempty"`
}

// identity is a hash of what an entry is. That of a log is where it stands and what stands there: what became of a statement, and
// what that rests on, may be known better when the log is read again. An entry without a line has the identity that it had before entries had lines.
func (e *Event) identity() []byte {
	digest := sha256.New()
	parts := []string{e.Source, e.Certainty, e.Actor, e.Tenant, e.Statement, e.Message, string(e.Detail)}
	if e.Line != 0 {
		parts = []string{e.Source, e.Statement, e.Message}
	}
	for _, part := range parts {
		_, _ = fmt.Fprintf(digest, "%d ", len(part)) // a hash takes everything
		_, _ = io.WriteString(digest, part)
	}
	_, _ = fmt.Fprint(digest, micros(e.Time))
	if e.Line != 0 {
		_, _ = fmt.Fprintf(digest, " %d", e.Line)
	}
	return digest.Sum(nil)
}

// Event takes an entry of the timeline. The same one, found again, is one entry, as it was found last.
func (r *Run) Event(e Event) error {
	return r.do("note an event in", func() error {
		r.changed["event"] = true
		var line any
		if e.Line != 0 {
			line = e.Line
		}
		return r.exec(`INSERT INTO event (time, source, certainty, actor, tenant, statement, message, detail, identity, run_id, line)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (identity) DO UPDATE SET certainty = excluded.certainty, actor = excluded.actor, tenant = excluded.tenant, detail = excluded.detail
WHERE line IS NOT NULL`, micros(e.Time), e.Source, e.Certainty, e.Actor, e.Tenant, e.Statement, e.Message,
			orNull(string(e.Detail)), e.identity(), r.id, line)
	})
}

// ForgetEvents takes back the entries that this run noted.
func (r *Run) ForgetEvents() error {
	return r.do("take back events of", func() error {
		r.changed["event"] = true
		return r.exec("DELETE FROM event WHERE run_id = ?", r.id)
	})
}

// Events reads the timeline in the order of time, and of what was noted first where that
// is the same. An event is the reader's own. Transactions have the source "wal", the time of
// their commit or abort, and in Detail at least xid and end_lsn. `wal transactions` notes
// every one that destroyed something, and with --limit 0 those too that only inserted: its
// Detail is the object that it prints with --json, with xid, subtransactions, state and for
// each table how many rows were inserted, updated and deleted. `undelete` and `wal rows`
// note those that they were asked for, so that a transaction may be there twice.
func (c *Case) Events(ctx context.Context) iter.Seq2[*Event, error] {
	return func(yield func(*Event, error) bool) {
		rows, err := c.query(ctx, "SELECT time, source, "+c.lineColumn()+", certainty, actor, tenant, statement, message, detail FROM event ORDER BY event.time, event.id")
		if err != nil {
			yield(nil, c.fail(ctx, "read the timeline of", err))
			return
		}
		defer rows.close()
		for {
			var e *Event
			more, err := rows.next(func(stmt *sqlite.Stmt) error {
				e = &Event{
					Time: time.UnixMicro(stmt.ColumnInt64(0)).UTC(), Source: stmt.ColumnText(1), Line: stmt.ColumnInt64(2), Certainty: stmt.ColumnText(3),
					Actor: stmt.ColumnText(4), Tenant: stmt.ColumnText(5), Statement: stmt.ColumnText(6), Message: stmt.ColumnText(7),
				}
				if !stmt.ColumnIsNull(8) {
					e.Detail = json.RawMessage(stmt.ColumnText(8))
				}
				return nil
			})
			if err != nil {
				yield(nil, c.fail(ctx, "read the timeline of", err))
				return
			}
			if !more || !yield(e, nil) {
				return
			}
		}
	}
}
