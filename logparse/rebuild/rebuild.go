// Package rebuild makes rows of what committed statements say, as logs of servers and backends show them.
//
//   - Deed: a statement that ran, with the place where the log says how it ended. Deeds count in the order in which they
//     were sent.
//   - Change: what a deed does to one table: it inserts a row, sets columns, removes rows, or empties the table.
//   - Cell: a value, and where it stands. What the log does not tell is unknown, with the reason.
//   - Version: a row between two changes. Chain: the versions of one row.
//   - Condition: columns that are one of several tuples. A change hits the rows of which its conditions are known to
//     hold; those of which they may hold are marked.
//   - Doubt: a change of which nobody can say which rows it hit.
//   - Open: a table that may have rows which the log does not show.
//   - Session: what it has set decides which table a name means, and how its strings are read.
//
// Triggers, rules, views, the children of INHERITS, and what foreign keys and the code of functions do stand in no log, and
// are not followed. Where neither the lines nor the beginning of a session name a database, tables of one name are one.
package rebuild

import (
	"time"

	"github.com/pgrescue/pgrescue/logparse"
	"github.com/pgrescue/pgrescue/logparse/statement"
	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/pg"
)

// Options say how rows are made.
type Options struct {
	// Tables gives the shape of a table, whose name may lack database and schema; nil: nobody knows one.
	Tables func(evidence.RelationName) (*evidence.Relation, bool)
	// Root gives the partitioned table whose rows a partition holds; false: the table is none. nil: nobody knows.
	Root   func(evidence.RelationName) (evidence.RelationName, bool)
	Parser *statement.Parser // nil: one of its own
	// Canonical gives the text that the server prints for a text of a type; false: it does not know it. nil: pg.Canonical.
	Canonical func(typ string, text []byte) ([]byte, bool)
	At        time.Time // rows as they stood then; zero: at the end
	Versions  bool      // all versions, not only the newest of each row
	// Uncommitted adds what statements made and destroyed that ended, and of which nothing shows that they were committed.
	Uncommitted bool
	MaxLength   int // log_parameter_max_length in bytes; 0: not known
}

// Builder makes rows of events. It is for one goroutine.
type Builder struct {
	options Options
	tables  map[evidence.RelationName]*table
	deeds   []*deed
	sources map[*logparse.Source]int
	phrases map[phrase]string
	report  Report
	// sessions of servers that have set what later statements depend on.
	sessions map[sessionKey]*settings
}

// deed is a statement that ran.
type deed struct {
	verb      string
	name      string // of the source's file
	line      int64
	source    int // in the order in which they came
	file      int
	ended     logparse.End // of the statement or its transaction, if that is another line
	sent      time.Time
	time      time.Time // when it ended
	at        time.Time // when it was sent, no earlier than what stands before it in its source
	xid       pg.XID
	session   string
	committed bool
	changes   []change
	backend   bool // a program's own log shows it
}

// New returns a Builder that has seen nothing.
func New(options Options) *Builder {
	if options.Parser == nil {
		options.Parser = statement.NewParser()
	}
	if options.Canonical == nil {
		options.Canonical = pg.Canonical
	}
	if options.Tables == nil {
		options.Tables = func(evidence.RelationName) (*evidence.Relation, bool) { return nil, false }
	}
	if options.Root == nil {
		options.Root = func(evidence.RelationName) (evidence.RelationName, bool) { return evidence.RelationName{}, false }
	}
	return &Builder{
		options: options, tables: make(map[evidence.RelationName]*table),
		sources: make(map[*logparse.Source]int), phrases: make(map[phrase]string),
		sessions: make(map[sessionKey]*settings),
	}
}

// Event takes an event. Those of statements that changed nothing are looked at no further.
func (b *Builder) Event(e *logparse.Event) error {
	b.learn(e)
	if e.Statement == "" || !changes(e.Verb) {
		return nil
	}
	switch e.Kind {
	case logparse.Failed:
		b.report.Failed++
		return nil
	case logparse.RolledBack:
		b.report.RolledBack++
		return nil
	case logparse.Committed, logparse.Executed:
	case logparse.Attempted:
		b.report.Attempted++
		return nil
	default:
		return nil
	}
	d := b.deed(e)
	if d.committed {
		b.report.Committed++
	} else {
		b.report.Executed++
	}
	if e.SetsMissing > 0 {
		b.untold(nil, d, "the log leaves out what it was executed with", int64(e.SetsMissing))
	}
	if len(e.Sets) == 0 {
		parameters, _ := statement.ParseParameters("parameters: "+e.Parameters, b.options.MaxLength)
		b.take(d, e, parameters)
	}
	for _, set := range e.Sets {
		b.take(d, e, set)
	}
	if len(d.changes) > 0 {
		b.deeds = append(b.deeds, d)
	}
	return nil
}

// changes reports whether statements that begin with a verb may change or destroy rows.
func changes(verb string) bool {
	switch verb {
	case "INSERT", "UPDATE", "DELETE", "MERGE", "WITH", "TRUNCATE", "DROP", "COPY", "EXECUTE", "EXPLAIN", "ALTER", "DO", "CALL":
		return true
	}
	return false
}

// deed takes what an event says of a statement as a whole.
func (b *Builder) deed(e *logparse.Event) *deed {
	source, ok := b.sources[e.Source]
	if !ok {
		source = len(b.sources)
		b.sources[e.Source] = source
	}
	d := &deed{
		verb: e.Verb, line: e.Line, source: source, file: e.File, sent: e.Time, time: e.Time, ended: e.Ended,
		xid: e.XID, session: e.Session, committed: e.Kind == logparse.Committed,
	}
	if e.Source != nil {
		d.name = e.Name()
		d.backend = !server(e.Source)
	}
	if e.Ended.Line > 0 && !e.Ended.Time.IsZero() {
		d.time = e.Ended.Time
	}
	return d
}

// take makes changes of one execution of a statement.
func (b *Builder) take(d *deed, e *logparse.Event, parameters statement.Parameters) {
	if d.verb == "DO" || d.verb == "CALL" {
		b.untold(nil, d, "what its code changes is not in the log", 1)
		return
	}
	of, sql, prepared := b.known(e), e.Statement, e.Prepared
	if of != nil && of.escapes {
		sql, prepared = statement.WithEscapes(sql), statement.WithEscapes(prepared)
	}
	s, err := b.options.Parser.Parse(sql, parameters)
	if err == nil && s.Verb == "EXECUTE" {
		s, err = b.options.Parser.ParseExecuted(sql, "prepare: "+prepared)
	}
	if err != nil {
		b.untold(nil, d, err.Error(), 1)
		return
	}
	b.statement(d, s, e.Database, of)
}

// statement makes changes of a statement and of those within it.
func (b *Builder) statement(d *deed, s *statement.Statement, database string, of *settings) {
	if s.Verb == "PREPARE" || s.Verb == "EXPLAIN" && !s.Analyze {
		return
	}
	for _, inner := range s.Inner {
		b.statement(d, inner, database, of)
	}
	switch {
	case s.Verb == "DROP" && s.Object == "schema":
		for _, name := range s.Names {
			b.dropTables(d, func(t *table) bool {
				return t.name.Schema == name && (database == "" || t.name.Database == "" || t.name.Database == database)
			})
		}
		return
	case s.Verb == "DROP" && s.Object == "database":
		for _, name := range s.Names {
			b.dropTables(d, func(t *table) bool { return t.name.Database == name })
		}
		return
	case s.Copy != nil && !s.Copy.From:
		return
	}
	for _, name := range s.Tables {
		if name.Database == "" {
			name.Database = database
		}
		if of.temporaryTable(name) {
			if s.Verb == "DROP" {
				of.drop(name.Name)
			}
			continue
		}
		t := b.find(d, name, of)
		b.change(d, b.whole(t), t, s)
	}
}
