package statement

import (
	"fmt"
	"strings"
	"sync"

	"github.com/pgrescue/pgrescue/recover/evidence"
)

// Statement is what one statement says of rows and tables.
type Statement struct {
	Words           // Verb is the one behind WITH
	Template string // the statement without its constants and comments
	// Tables are those that it changes or destroys, the schema as it stands there.
	Tables []evidence.RelationName
	Object string   // what DROP takes, such as table or schema
	Names  []string // and their names, where they are no tables

	Columns []string // of INSERT and COPY, or those that UPDATE sets; nil: all of the table, in its order
	// Rows are the rows of INSERT, the one that UPDATE sets, and the arguments of EXECUTE.
	Rows [][]Value
	// Reason says why Rows are not all that the statement made, such as "its rows come from a query".
	Reason string
	Keys   []Key // conditions that name rows; all of them hold
	Exact  bool  // Keys say all that WHERE says
	Every  bool  // it has no WHERE: all rows of the table
	// OnConflict is nothing or update, where a row may not have been inserted as it stands.
	OnConflict string
	// ConflictTarget are the columns that tell of a conflict; none: the statement does not say.
	ConflictTarget []string
	// ConflictColumns are those that DO UPDATE sets, and ConflictRows to what, for each of Rows. ConflictExact: in any case.
	ConflictColumns []string
	ConflictRows    [][]Value
	ConflictExact   bool
	Returning       bool
	Overriding      bool         // OVERRIDING USER VALUE: what it gives identity columns does not count
	Cascades        bool         // of TRUNCATE: tables that refer to these are emptied, too
	Moves           bool         // of ALTER: rows are in another table from now on; of some it may be said only
	Reshapes        bool         // of ALTER: the table has lost columns
	Analyze         bool         // of EXPLAIN: what is explained was executed
	Copy            *Copy        // of COPY
	Inner           []*Statement // that change data within WITH, PREPARE and EXPLAIN
	Cut             bool         // the log has not all of it: rows behind the last of Rows are missing
}

// Value is a value as a statement gives it: the text of a constant, or unknown with the reason. PostgreSQL reads the
// text as the column's type, or as Type.
type Value struct {
	evidence.Value
	Param int    // the number of the parameter that it comes from
	Type  string // that the statement casts it to
	// Column is set where the value is that of a column: of the row that there was, or, when Excluded, of the one that was to be inserted.
	Column   string
	Excluded bool
}

// Key is a condition that columns are one of several tuples: id = 7, id IN (1, 2), (a, b) = (1, 2), x IS NULL.
type Key struct {
	Columns []string
	Tuples  [][]Value
}

// Copy is what a COPY copies.
type Copy struct {
	From    bool              // into the table
	Query   bool              // what it copies out is a query's
	Program bool              // File is a command
	File    string            // on the server; "": the client's
	Options map[string]string // format, delimiter, null, header, …
}

// maxTemplates bounds how many templates a Parser remembers; then it forgets all.
const maxTemplates = 4096

// Parser parses statements with PostgreSQL's own grammar, each template once. The grammar, a module in WebAssembly,
// is loaded with the first statement that needs it, which takes seconds of a CPU and 200 MB; BEGIN, SET and SELECT do not.
// A Parser may be used by several goroutines.
type Parser struct {
	mu    sync.Mutex
	trees map[string]*parsed
}

// NewParser makes a parser.
func NewParser() *Parser { return &Parser{trees: make(map[string]*parsed)} }

// parsed is what the grammar said of a template.
type parsed struct {
	root *node
	err  error
}

// Templates tells how many templates the grammar has seen and are remembered.
func (p *Parser) Templates() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.trees)
}

// Parse takes one statement apart; parameters are the values of $1 and so on, where they are known. With an error
// there is still what the first words say. Split takes a text of several statements apart.
func (p *Parser) Parse(sql string, parameters Parameters) (*Statement, error) {
	return p.parse(sql, builder{parameters: parameters}, nil)
}

// parse takes a statement apart, with what EXECUTE gives it.
func (p *Parser) parse(sql string, b builder, given []Value) (*Statement, error) {
	s := &Statement{Words: ReadWords(sql)}
	if !s.needsGrammar() {
		return s, nil
	}
	form, err := normalise(sql)
	s.Template, s.Cut = form.template, form.cut
	if err != nil {
		return s, fmt.Errorf("statement: parse %s: %w", s.Verb, err)
	}
	root, err := p.tree(form.template)
	if err != nil {
		return s, fmt.Errorf("statement: parse %s: %w", s.Verb, err)
	}
	b.form = form
	for _, value := range given {
		b.parameters, b.types = append(b.parameters, value.Value), append(b.types, value.Type)
	}
	b.build(s, root)
	return s, nil
}

// ParseExecuted takes an EXECUTE apart, and the statement that it runs: the server logs "prepare: PREPARE name AS …" in the
// DETAIL, the whole text in which that stood. The statement has the values of EXECUTE in it.
func (p *Parser) ParseExecuted(sql, detail string) (*Statement, error) {
	execute, err := p.Parse(sql, nil)
	if err != nil {
		return execute, err
	}
	if execute.Verb != "EXECUTE" || len(execute.Rows) != 1 || len(detail) < len("prepare: ") || !strings.EqualFold(detail[:len("prepare: ")], "prepare: ") {
		return execute, fmt.Errorf("statement: parse %s: the log does not say what it runs", execute.Verb)
	}
	for _, part := range Split(detail[len("prepare: "):]) {
		if ReadWords(part).Verb != "PREPARE" {
			continue
		}
		prepared, err := p.parse(part, builder{}, execute.Rows[0])
		if err != nil {
			return execute, err
		}
		if prepared.Name == execute.Name && len(prepared.Inner) == 1 {
			return prepared.Inner[0], nil
		}
	}
	return execute, fmt.Errorf("statement: parse EXECUTE %s: it changes nothing, or its PREPARE is not in the log", execute.Name)
}

// needsGrammar reports whether the statement may change or destroy rows.
func (s *Statement) needsGrammar() bool {
	switch s.Verb {
	case "INSERT", "UPDATE", "DELETE", "MERGE", "WITH", "TRUNCATE", "DROP", "COPY", "EXECUTE", "EXPLAIN", "ALTER":
		return true
	case "PREPARE":
		return s.Transaction == NoTransaction
	}
	return false
}

// tree gives what the grammar says of a template.
func (p *Parser) tree(template string) (*node, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	known, ok := p.trees[template]
	if !ok {
		if len(p.trees) >= maxTemplates {
			clear(p.trees)
		}
		root, err := grammar(template)
		known = &parsed{root: root, err: err}
		p.trees[template] = known
	}
	return known.root, known.err
}
