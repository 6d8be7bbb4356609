package main

import (
	"encoding/binary"
	"encoding/json"
	"strings"
	"time"

	"github.com/pgrescue/pgrescue/cmd/internal/term"
	"github.com/pgrescue/pgrescue/logparse"
	"github.com/pgrescue/pgrescue/logparse/secrets"
	"github.com/pgrescue/pgrescue/logparse/statement"
)

// shownEvent is an event as it is shown: without secrets, and with all that is needed when its source is gone.
type shownEvent struct {
	at       int64 // microseconds since 1970, by which it is put in order
	rank     int64 // where it stands, for those of the same time
	untimed  bool
	zone     logparse.Zone
	kind     string
	why      string
	actor    string
	tenant   string
	session  string
	database string
	ids      string // JSON
	schema   string
	table    string
	verb     string
	text     string // one line for people
	sql      string // as it ran, with the parameters of its first set
	prepared string
	sqlstate string
	source   string
	ref      string // file and line
	line     int64
	xid      int64
	rows     int64
	duration int64 // microseconds
	sets     int64
	missing  int64
	joined   [2]int64 // numbers of transactions in the WAL that it may be of, from 1
	wal      string   // what the WAL says, for people
	walXID   int64
	walLSN   string
}

// fill takes what is shown of an event at a time.
func (s *shownEvent) fill(e *logparse.Event, at time.Time) {
	*s = shownEvent{
		untimed: e.Time.IsZero(), zone: e.Zone, kind: string(e.Kind), why: e.Why, actor: e.Actor, tenant: e.Tenant, session: e.Session, database: e.Database,
		schema: e.Table.Schema, table: e.Table.Name, verb: e.Verb, sqlstate: e.SQLState, source: e.Name(), line: e.Line,
		xid: int64(e.XID), rows: e.Rows, duration: e.Duration.Microseconds(), sets: int64(len(e.Sets)), missing: int64(e.SetsMissing),
	}
	if !at.IsZero() {
		s.at = at.UnixMicro()
	}
	s.ref = e.Place.String()
	s.text = secrets.Text(e.Text)
	if e.Statement != "" {
		s.sql = shownStatement(e)
		s.prepared = secrets.Text(e.Prepared)
	}
	if len(e.IDs) > 0 {
		s.ids = string(jsonOf(maskedFields(e.IDs)))
	}
}

// maxShown bounds what is shown of a statement.
const maxShown = 64 << 10

// shownStatement gives a statement as it ran, without secrets. What is written for a column with a secret is told by
// the statement only when its parameters stand in it.
func shownStatement(e *logparse.Event) string {
	if e.Prepared != "" && namesSecret(e.Prepared) {
		name, _, _ := strings.Cut(e.Statement, "(")
		return strings.TrimSpace(name) + " (" + secrets.Mask + ")"
	}
	text := e.Statement
	switch {
	case len(e.Sets) > 0:
		text = statement.Inline(text, statement.Parameters(e.Sets[0]))
	case e.Parameters != "":
		if values, ok := statement.ParseParameters("parameters: "+e.Parameters, 0); ok {
			text = statement.Inline(text, values)
		}
	}
	if len(text) > maxShown {
		text = secrets.Text(strings.ToValidUTF8(text[:maxShown], "")) + " …"
		return text
	}
	return secrets.Text(text)
}

// namesSecret reports whether a word of a statement is the name of a secret.
func namesSecret(text string) bool {
	for word := range strings.FieldsFuncSeq(text, func(r rune) bool {
		return r != '_' && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
	}) {
		if secrets.Sensitive(word) {
			return true
		}
	}
	return false
}

// firstParameter gives the first value of what the server logs of parameters.
func firstParameter(text string) string {
	_, value, _ := strings.Cut(text, " = ")
	if value, _, whole := statement.Quoted(value); whole {
		return value
	}
	return ""
}

// codec goes over the parts of a shownEvent, to write or to read them.
type codec interface {
	text(*string)
	number(*int64)
}

// parts gives all parts of an event to a codec.
func (s *shownEvent) parts(c codec) {
	flags := int64(s.zone) << 1
	if s.untimed {
		flags |= 1
	}
	c.number(&flags)
	s.untimed, s.zone = flags&1 != 0, logparse.Zone(flags>>1)
	for _, number := range []*int64{&s.at, &s.rank, &s.line, &s.xid, &s.rows, &s.duration, &s.sets, &s.missing, &s.joined[0], &s.joined[1]} {
		c.number(number)
	}
	for _, text := range []*string{
		&s.kind, &s.why, &s.actor, &s.tenant, &s.session, &s.database, &s.ids, &s.schema, &s.table, &s.verb, &s.text, &s.sql, &s.prepared,
		&s.sqlstate, &s.source, &s.ref,
	} {
		c.text(text)
	}
}

// eventWriter writes the parts.
type eventWriter struct{ to []byte }

func (w *eventWriter) number(n *int64) { w.to = binary.AppendVarint(w.to, *n) }

func (w *eventWriter) text(text *string) {
	w.to = binary.AppendUvarint(w.to, uint64(len(*text)))
	w.to = append(w.to, *text...)
}

// eventReader reads what eventWriter wrote. It is bad when that is not so.
type eventReader struct {
	from []byte
	bad  bool
}

func (r *eventReader) number(n *int64) {
	value, size := binary.Varint(r.from)
	if size <= 0 {
		r.bad = true
		return
	}
	*n, r.from = value, r.from[size:]
}

func (r *eventReader) text(text *string) {
	length, size := binary.Uvarint(r.from)
	if size <= 0 || length > uint64(len(r.from)-size) {
		r.bad = true
		return
	}
	*text, r.from = string(r.from[size:size+int(length)]), r.from[size+int(length):]
}

// message is the event in one line.
func (s *shownEvent) message() string {
	if s.sql == "" {
		return s.text
	}
	text := strings.Join(strings.Fields(s.sql), " ")
	if more := s.sets + s.missing - 1; more > 0 {
		text += " (and " + term.Plural(more, "more set of parameters", "more sets of parameters") + ")"
	}
	if s.text != "" {
		text += " -- " + s.text
	}
	return text
}

// timelineLine is an event as `logs timeline --json` prints it. The first three fields are those that timesketch needs.
type timelineLine struct {
	Message       string          `json:"message"`
	Datetime      string          `json:"datetime"` // ISO 8601, UTC
	TimestampDesc string          `json:"timestamp_desc"`
	Kind          string          `json:"kind"`
	Certainty     string          `json:"certainty,omitempty"` // of a statement
	Why           string          `json:"why,omitempty"`
	Source        string          `json:"source"`
	Ref           string          `json:"ref"`
	Actor         string          `json:"actor,omitempty"`
	Tenant        string          `json:"tenant,omitempty"`
	Session       string          `json:"session,omitempty"`
	Database      string          `json:"database,omitempty"`
	IDs           json.RawMessage `json:"ids,omitempty"`
	Verb          string          `json:"verb,omitempty"`
	Table         string          `json:"table,omitempty"`
	Statement     string          `json:"statement,omitempty"`
	Prepared      string          `json:"prepared,omitempty"`
	Sets          int64           `json:"parameter_sets,omitempty"`
	SetsMissing   int64           `json:"parameter_sets_missing,omitempty"`
	XID           int64           `json:"xid,omitempty"`
	Rows          *int64          `json:"rows,omitempty"`
	Duration      float64         `json:"duration_ms,omitempty"`
	SQLState      string          `json:"sqlstate,omitempty"`
	Zone          string          `json:"zone,omitempty"` // how it is known, where it does not stand in the log
	Untimed       bool            `json:"no_time,omitempty"`
	WAL           string          `json:"wal,omitempty"`
	WALXID        int64           `json:"wal_xid,omitempty"`
	WALLSN        string          `json:"wal_lsn,omitempty"`
}

func (s *shownEvent) lineOf() timelineLine {
	line := timelineLine{
		Message: s.message(), Datetime: timeOf(time.UnixMicro(s.at)), TimestampDesc: "Logged: " + s.kind, Kind: s.kind, Why: s.why, Source: s.source, Ref: s.ref,
		Actor: s.actor, Tenant: s.tenant, Session: s.session, Database: s.database, Verb: s.verb, Table: s.tableName(), Statement: s.sql, Prepared: s.prepared,
		SetsMissing: s.missing, XID: s.xid, Duration: float64(s.duration) / 1000, SQLState: s.sqlstate, Untimed: s.untimed,
		WAL: s.wal, WALXID: s.walXID, WALLSN: s.walLSN,
	}
	if s.sql != "" {
		line.Certainty, line.TimestampDesc = s.kind, "Statement "+s.kind
	}
	if s.untimed {
		line.TimestampDesc += ", at the time of the entry before it"
	}
	if s.ids != "" {
		line.IDs = json.RawMessage(s.ids)
	}
	if s.sets > 1 {
		line.Sets = s.sets
	}
	if s.rows >= 0 {
		line.Rows = &s.rows
	}
	if s.zone != logparse.Zoned && s.zone != logparse.NoZone {
		line.Zone = s.zone.String()
	}
	return line
}

// tableName gives the table with its schema.
func (s *shownEvent) tableName() string {
	if s.schema == "" {
		return s.table
	}
	return s.schema + "." + s.table
}
