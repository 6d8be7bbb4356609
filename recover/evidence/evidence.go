// Package evidence is the one currency in which every route of pgrescue pays.
//
//   - Row: one version of one row, with its column names and values in
//     PostgreSQL's text form.
//   - Value: the text of one column, or NULL, or unknown with a reason. An
//     unknown value is never an empty string and never silently NULL.
//   - Provenance: which route found the row, in which file, at which LSN or TID.
//   - Confidence: proven, derived or claimed.
//   - Origin: where one value of a row stands, when the row was put together from several places.
//   - Gap: a stretch of evidence that could not be read, and what follows from it.
//   - Trail: which files of the evidence were read; what opens evidence carries one.
//   - Sink: what a route writes rows into; Writer is the Sink that prints them
//     as COPY, CSV, JSON Lines or SQL.
package evidence

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/pgrescue/pgrescue/recover/pg"
)

// Route names the way by which a row was found.
type Route string

// The routes, in order of trust.
const (
	RouteHeap   Route = "heap"
	RouteWAL    Route = "wal"
	RouteStream Route = "stream"
	RoutePITR   Route = "pitr"
	RouteDump   Route = "dump"
	RouteImport Route = "import"
	RouteLogs   Route = "logs"
)

// Routes lists them in that order.
func Routes() []Route {
	return []Route{RouteHeap, RouteWAL, RouteStream, RoutePITR, RouteDump, RouteImport, RouteLogs}
}

// Confidence says how far a row can be trusted.
type Confidence string

// The three words of confidence.
const (
	// Proven: bytes from the database's own pages, WAL or change stream.
	Proven Confidence = "proven"
	// Derived: from a backup, dump or source file.
	Derived Confidence = "derived"
	// Claimed: from logs.
	Claimed Confidence = "claimed"
)

// Operation is what destroyed a row version.
type Operation string

// The operations.
const (
	OpDelete Operation = "delete"
	OpUpdate Operation = "update"
	// OpDropColumn took columns, and left the row.
	OpDropColumn Operation = "drop column"
	// OpTruncate and OpDrop: the row went with its whole table.
	OpTruncate Operation = "truncate"
	OpDrop     Operation = "drop"
)

// RelationName names a table for people.
type RelationName struct {
	Database string `json:"database"`
	Schema   string `json:"schema"`
	Name     string `json:"name"`
}

// String prints schema and name, quoted where SQL needs it.
func (n RelationName) String() string {
	if n.Schema == "" {
		return pg.QuoteIdent(n.Name)
	}
	return pg.QuoteIdent(n.Schema) + "." + pg.QuoteIdent(n.Name)
}

// Relation is the shape that the rows of one table share.
type Relation struct {
	RelationName
	OID     pg.OID
	Columns []Column // in the table's order, dropped ones left out
}

// Column finds a column by its name; -1: there is none.
func (r *Relation) Column(name string) int {
	return slices.IndexFunc(r.Columns, func(c Column) bool { return c.Name == name })
}

// Column is one column of a Relation.
type Column struct {
	Name      string
	Type      string // as format_type prints it, for people; "" if not known
	Key       bool   // part of the primary key
	Generated bool   // GENERATED ALWAYS AS (…) STORED: cannot be inserted
	Dropped   bool   // the values were lost because the column was dropped
	Identity  byte   // 'a' always, 'd' by default, 0 none
}

// ValueState tells what is known of a value.
type ValueState uint8

// The states of a value.
const (
	Known ValueState = iota
	Null
	Unknown
)

// Value is one column of one row.
type Value struct {
	State ValueState
	Text  []byte // text as PostgreSQL's output function gives it, when Known
	// Reason says why the value is Unknown; Raw holds its bytes on disk then, if there are any.
	Reason string
	Raw    []byte
}

// Row is one version of one row. A Row handed to a Sink is valid only until
// the call returns; Clone keeps it.
type Row struct {
	Relation *Relation
	Values   []Value // one for each of Relation.Columns
	// Successor holds the values of the version that replaced an updated one, one
	// for each of Relation.Columns; nil if not known. Giving the old values back
	// finds the row by the key in it, which the update may have changed.
	Successor []Value
	// Moved tells that the update moved the row to another partition: its successor is in another table.
	Moved bool
	// Origins says of each of Values where it stands; nil where Provenance says it of all of them.
	Origins []Origin
	Provenance
}

// Origin says where one value stands and what it rests on. A row of logs is put
// together from several lines, which are not all as sure as each other. The zero
// Origin is that of a value of which the row's Provenance says it all.
type Origin struct {
	Confidence Confidence `json:"confidence,omitempty"` // "": as the row's
	Source     string     `json:"source,omitempty"`     // file
	Line       int64      `json:"line,omitempty"`
	Why        string     `json:"why,omitempty"` // such as "literal of the INSERT" or "parameter $3"
}

// Provenance says where a row comes from. Fields that a route does not know are zero.
type Provenance struct {
	Route      Route
	Confidence Confidence
	Source     string // file or server
	Line       int64  // line of Source, for text files
	LSN        pg.LSN // the record that destroyed the version, or that it was read from
	TID        pg.TID
	Xmin, Xmax pg.XID // inserting and destroying transaction, subtransactions as they are
	Operation  Operation
	CommitTime time.Time // of the destroying transaction
	// Intermediate tells that the transaction that destroyed the version had made it
	// itself: nobody else ever saw it, and giving the loss back leaves it out.
	Intermediate bool
	Note         string // anything that a reader must know, such as "commit state unknown"
}

// Clone returns a copy that shares no bytes with r but the Relation.
func (r *Row) Clone() Row {
	c := *r
	c.Values, c.Successor, c.Origins = CloneValues(r.Values), CloneValues(r.Successor), slices.Clone(r.Origins)
	return c
}

// CloneValues returns a copy that shares no bytes with values; nil stays nil.
func CloneValues(values []Value) []Value {
	if values == nil {
		return nil
	}
	c := make([]Value, len(values))
	for i, v := range values {
		c[i] = Value{State: v.State, Text: append([]byte(nil), v.Text...), Reason: v.Reason, Raw: append([]byte(nil), v.Raw...)}
	}
	return c
}

// Complete reports whether no value of the row is unknown.
func (r *Row) Complete() bool {
	for i := range r.Values {
		if r.Values[i].State == Unknown {
			return false
		}
	}
	return true
}

// Sink takes rows from a route.
type Sink interface {
	// Put takes one row. The row is the caller's again when Put returns.
	Put(row *Row) error
}

// SinkFunc makes a Sink of a function.
type SinkFunc func(row *Row) error

// Put calls the function.
func (f SinkFunc) Put(row *Row) error { return f(row) }

// Gap is a stretch of evidence that could not be read or decided.
type Gap struct {
	Where string `json:"where"` // file and block, or LSN range
	What  string `json:"what"`  // what could not be read
	Why   string `json:"why"`   // the cause
	// Consequence says what could not be decided because of it; may be empty.
	Consequence string `json:"consequence,omitempty"`
}

// String puts a Gap on one line.
func (g Gap) String() string {
	text := g.Where + ": " + g.What + ": " + g.Why
	if g.Consequence != "" {
		text += "; " + g.Consequence
	}
	return text
}

// Error is an error with the operation, the place, the cause and a hint.
type Error struct {
	Op    string // what was tried, such as "wal: open segment"
	Place string // file, LSN, table
	Err   error  // cause
	Hint  string // what to do, in one sentence; may be empty
}

// Error prints operation, place and cause; the hint is printed by the command.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Op)
	if e.Place != "" {
		b.WriteString(" " + e.Place)
	}
	return fmt.Sprintf("%s: %v", b.String(), e.Err)
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// kind is an error that errors.Is finds by its sentinel and that reads as its cause.
type kind struct{ sentinel, cause error }

func (k *kind) Error() string   { return k.cause.Error() }
func (k *kind) Unwrap() []error { return []error{k.sentinel, k.cause} }

// OfKind makes cause an error that errors.Is finds by its sentinel too. It reads as the cause.
func OfKind(sentinel, cause error) error { return &kind{sentinel, cause} }
