package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/pgrescue/pgrescue/cmd/internal/term"
	"github.com/pgrescue/pgrescue/logparse"
	"github.com/pgrescue/pgrescue/recover/casefile"
)

// timelineLines prints events as JSON Lines.
type timelineLines struct {
	out     *bufio.Writer
	encoder *json.Encoder
}

func newTimelineLines(terminal *term.Terminal) *timelineLines {
	l := &timelineLines{out: bufio.NewWriterSize(terminal.Out, outRoom)}
	l.encoder = json.NewEncoder(l.out)
	l.encoder.SetEscapeHTML(false)
	return l
}

func (l *timelineLines) add(e *shownEvent) error {
	line := e.lineOf()
	return resultError(l.encoder.Encode(&line))
}

func (l *timelineLines) end() error { return resultError(l.out.Flush()) }

// outRoom is how many bytes of the list wait before they are written.
const outRoom = 64 << 10

// resultError says which writing failed.
func resultError(err error) error {
	if err != nil {
		return fmt.Errorf("write the result: %w", err)
	}
	return nil
}

// timelineTable prints events for people. The first ones say how wide its columns are.
type timelineTable struct {
	out     *bufio.Writer
	first   [][]string
	widths  [3]int
	printed bool
}

const (
	firstEvents = 200
	widest      = 40  // of a column
	longest     = 200 // characters of a statement or message
)

func newTimelineTable(terminal *term.Terminal) *timelineTable {
	return &timelineTable{out: bufio.NewWriterSize(terminal.Out, outRoom)}
}

func (t *timelineTable) add(e *shownEvent) error {
	at := time.UnixMicro(e.at).UTC().Format("2006-01-02 15:04:05.000")
	if e.untimed {
		at = "after " + at[11:]
		if e.at == 0 {
			at = "unknown"
		}
	}
	what := shorten(term.Printable(e.message()), longest)
	why := e.why
	if e.wal != "" && (e.walXID != 0 || e.kind != string(logparse.Committed)) {
		why = strings.TrimPrefix(why+"; "+e.wal, "; ")
	}
	if why != "" {
		what += "  [" + term.Printable(why) + "]"
	}
	cells := []string{at, e.kind, term.Printable(e.actor), term.Printable(e.ref), what}
	if t.printed {
		return t.write(cells)
	}
	for i, cell := range cells[1:4] {
		t.widths[i] = max(t.widths[i], min(widest, utf8.RuneCountInString(cell)))
	}
	if t.first = append(t.first, cells); len(t.first) < firstEvents {
		return nil
	}
	return t.begin()
}

// begin prints what was kept to find the widths.
func (t *timelineTable) begin() error {
	t.printed = true
	if len(t.first) == 0 {
		_, err := t.out.WriteString("no events\n")
		return resultError(err)
	}
	for i, title := range []string{"WHAT", "WHO", "WHERE"} {
		t.widths[i] = max(t.widths[i], len(title))
	}
	if err := t.write([]string{"TIME (UTC)", "WHAT", "WHO", "WHERE", "STATEMENT OR MESSAGE  [WHY]"}); err != nil {
		return err
	}
	for _, cells := range t.first {
		if err := t.write(cells); err != nil {
			return err
		}
	}
	t.first = nil
	return nil
}

func (t *timelineTable) write(cells []string) error {
	_, err := fmt.Fprintf(t.out, "%-23s  %-*s  %-*s  %-*s  %s\n", cells[0], t.widths[0], cells[1], t.widths[1], cells[2], t.widths[2], cells[3], cells[4])
	return resultError(err)
}

func (t *timelineTable) end() error {
	if !t.printed {
		if err := t.begin(); err != nil {
			return err
		}
	}
	return resultError(t.out.Flush())
}

// loggedDetail is what the case keeps of an event beside its text.
type loggedDetail struct {
	Kind     string          `json:"kind"`
	Why      string          `json:"why,omitempty"`
	Verb     string          `json:"verb,omitempty"`
	Table    string          `json:"table,omitempty"`
	Session  string          `json:"session,omitempty"`
	Database string          `json:"database,omitempty"`
	XID      int64           `json:"xid,omitempty"`
	SQLState string          `json:"sqlstate,omitempty"`
	IDs      json.RawMessage `json:"ids,omitempty"`
	WAL      string          `json:"wal,omitempty"`
	WALXID   int64           `json:"wal_xid,omitempty"`
	WALLSN   string          `json:"wal_lsn,omitempty"`
}

// logged notes an event of a log in the case's timeline.
func (r *recorder) logged(e *shownEvent) error {
	if r == nil {
		return nil
	}
	line := e.lineOf()
	return libraryError(r.run.Event(casefile.Event{
		Time: time.UnixMicro(e.at).UTC(), Source: e.source, Line: e.line, Certainty: e.kind, Actor: e.actor, Tenant: e.tenant, Statement: e.sql, Message: line.Message,
		Detail: jsonOf(loggedDetail{
			Kind: e.kind, Why: e.why, Verb: e.verb, Table: line.Table, Session: e.session, Database: e.database, XID: e.xid, SQLState: e.sqlstate,
			IDs: line.IDs, WAL: e.wal, WALXID: e.walXID, WALLSN: e.walLSN,
		}),
	}))
}
