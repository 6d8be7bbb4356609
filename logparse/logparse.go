// Package logparse reads logs: of PostgreSQL, of an application's backend, and of what
// stands between them and a file.
//
//   - Source: a file, a set of rotated ones, or standard input.
//   - Wrapper: what a transport puts around each line, such as Docker's json-file or CRI.
//   - Line: one physical line, without its wrapper; Outer is what the wrapper said of it.
//   - Unit: who wrote the line, where a wrapper tells: a container, a service, a process's name.
//   - Format: how a program writes its entries, such as PostgreSQL's csvlog.
//   - Entry: one message of a program, its lines joined.
//   - Stamp: a time as it stands in a log, which may lack a zone.
//   - Session: the entries of one session of PostgreSQL, or of one request of a backend.
//   - Event: what an entry tells. A statement that was attempted, one that was executed and
//     one that was committed are three different things.
//
// The rooms below know programs: pglog PostgreSQL's own log, applog backends; statement
// takes SQL apart. They offer themselves by a Detector, and Recognise chooses among them.
package logparse

import (
	"fmt"
	"time"

	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/pg"
)

// Place is where an entry stands.
type Place struct {
	Source *Source
	File   int   // index in the source's Paths
	Line   int64 // from 1, of the first line, within the file
	Offset int64 // in bytes of the uncompressed file, of the first line
	Lines  int   // how many
}

// Name is the file's path, or what the source is called.
func (p Place) Name() string {
	switch {
	case p.Source == nil:
		return ""
	case p.File < len(p.Source.Paths):
		return p.Source.Paths[p.File]
	}
	return p.Source.Name
}

// String prints file and line.
func (p Place) String() string { return fmt.Sprintf("%s:%d", p.Name(), p.Line) }

// Entry is one message of a program. It is valid until the next one is asked for; what
// the program did not write is empty.
type Entry struct {
	Place
	Stamp
	Outer    Outer  // of the first line
	Marks    Marks  // of all lines
	Format   string // as it is shown; a source may have several
	Severity string // in the program's own words: LOG, ERROR, WARNING, info
	Logger   string // of a backend
	Message  []byte

	// Of PostgreSQL's log.
	PID         int64
	Session     string // session id, or else process id
	SessionLine int64  // within the session, from 1
	User        string
	Database    string
	Application string
	Client      string // host and port
	VXID        string
	XID         pg.XID
	SQLState    string
	Detail      []byte
	Hint        []byte
	Context     []byte
	Statement   []byte // that the message is about

	// Fields are the others of a format whose entries have names: JSON lines, key=value.
	Fields []Field
	// Partial tells that the entry was cut: by the log's end, by a limit, by garbage.
	Partial bool
}

// Field is a named part of an entry.
type Field struct {
	Name string
	Text []byte // without the quotes of a string
	JSON bool   // an object or a list, as it stands
}

// EventKind says what happened.
type EventKind string

// The kinds of events. Of a statement the first five tell apart what a log proves.
const (
	Attempted  EventKind = "attempted"   // somebody sent the statement
	Failed     EventKind = "failed"      // and the server refused it: it changed nothing
	Executed   EventKind = "executed"    // and it ended without an error
	Committed  EventKind = "committed"   // and its transaction was committed
	RolledBack EventKind = "rolled back" // and its transaction was not
	Connection EventKind = "connection"
	Server     EventKind = "server" // checkpoints, autovacuum, start and stop
	Request    EventKind = "request"
	Import     EventKind = "import"  // what a pattern proves of an import, a flow or a row; Why names it
	Message    EventKind = "message" // anything else
)

// Event is what one or several entries tell.
type Event struct {
	Place
	Stamp
	Kind EventKind
	// Why says what the Kind rests on, such as "COMMIT of the session on line 12".
	Why       string
	Actor     string // user@database, a backend's user
	Session   string
	Tenant    string
	XID       pg.XID
	IDs       map[string]string // what a pattern took out of the entry
	Verb      string            // DELETE, TRUNCATE, …
	Table     evidence.RelationName
	Statement string // as it was sent, with $1 for parameters
	// Parameters of a prepared statement, as PostgreSQL writes them: $1 = 'it''s', $2 = NULL.
	Parameters string
	Prepared   string // the PREPARE of the statement that an EXECUTE names
	// Sets are the parameters of a statement that a backend logged, one for each time that it ran; none if the log
	// shows no parameters. SetsMissing is how many the log leaves out.
	Sets        [][]evidence.Value
	SetsMissing int
	Rows        int64         // that it touched; -1: not known
	Duration    time.Duration // 0: not known
	SQLState    string        // of a failed one
	Text        string        // one line for people
	Database    string        // that the session was in; "": not known
	// Ended is where the log says what became of it, such as at its COMMIT; zero: where the statement itself stands.
	Ended End
}

// End is where an Event's statement or its transaction ended.
type End struct {
	Stamp
	File int   // of the same Source
	Line int64 // 0: not known
}

// EndAt is the end that a line tells.
func EndAt(place Place, stamp Stamp) End {
	return End{Stamp: stamp, File: place.File, Line: place.Line}
}
