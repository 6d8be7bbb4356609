package applog

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/pgrescue/pgrescue/recover/evidence"
)

// Table says how what messages tell becomes rows of a table. A pack may have several for one table.
type Table struct {
	Table    string            `yaml:"table"`    // its name, with its schema
	Of       Thing             `yaml:"of"`       // what a row is made of
	IDs      []string          `yaml:"ids"`      // of: flow; the field with its id, or else the next one
	Patterns []string          `yaml:"patterns"` // of: record and message; none: all that prove row or body
	Where    map[string]string `yaml:"where"`    // of: message; what fields of it must be
	Rows     []string          `yaml:"rows"`     // of: record; where in a body its rows stand, the first place that holds a list
	Number   int64             `yaml:"number"`   // of: record; which row of the import it is
	Named    []string          `yaml:"named"`    // of: asset; the fields of a payload's row in which its name stands
	Key      []string          `yaml:"key"`      // the primary key
	Same     []string          `yaml:"same"`     // rows that agree in these columns are one row; none: Key
	Gone     bool              `yaml:"gone"`     // of: message; it tells that the row was deleted
	Counts   Counted           `yaml:"counts"`   // what tells how many of its rows an import made
	Columns  []Column          `yaml:"columns"`
}

// Counted is a field of patterns that has a number of rows.
type Counted struct {
	Field    string   `yaml:"field"`
	Patterns []string `yaml:"patterns"`
}

// Thing is what a row is made of.
type Thing string

// The things.
const (
	OfImport  Thing = "import"
	OfFlow    Thing = "flow"    // of an import
	OfRecord  Thing = "record"  // a row of the source, as a payload has it
	OfMapping Thing = "mapping" // a pair of names
	OfAsset   Thing = "asset"
	OfMessage Thing = "message" // whatever a message tells
)

func things() []Thing {
	return []Thing{OfImport, OfFlow, OfRecord, OfMapping, OfAsset, OfMessage}
}

// Column says where the value of a column comes from: one of Field, Body, Record, Row, Position, Text and Unknown.
type Column struct {
	Name     string   `yaml:"name"`
	Type     string   `yaml:"type"`
	Field    oneOrAll `yaml:"field"`    // of the messages: the first that is known
	Body     oneOrAll `yaml:"body"`     // of the import's body: the first path that is there
	Record   oneOrAll `yaml:"record"`   // of the source's row: the first field that is there
	Row      bool     `yaml:"row"`      // the source's row as JSON
	Position bool     `yaml:"position"` // which row of the import it is
	Last     bool     `yaml:"last"`     // of Field: the last that is told, since it changes
	From     []string `yaml:"from"`     // of Field: the patterns whose word counts before that of others
	Text     string   `yaml:"text"`     // with {column} or {field}, or {column:8} for its first characters
	Unknown  string   `yaml:"unknown"`  // why no log tells it
	When     string   `yaml:"when"`     // of Unknown: the field whose message came at about that time
	Doubt    string   `yaml:"doubt"`    // why the value may not be the one that was stored
}

// relation is the name of the table.
func (t *Table) relation() evidence.RelationName {
	schema, name, found := strings.Cut(t.Table, ".")
	if !found {
		return evidence.RelationName{Name: t.Table}
	}
	return evidence.RelationName{Schema: schema, Name: name}
}

// same are the columns by which rows are told apart.
func (t *Table) same() []string {
	if len(t.Same) > 0 {
		return t.Same
	}
	return t.Key
}

// takes reports whether messages of a pattern are what the rows are made of.
func (t *Table) takes(pattern string) bool {
	return len(t.Patterns) == 0 || slices.Contains(t.Patterns, pattern)
}

// trouble is what is wrong with a part of a pack.
type trouble struct {
	path string // of the part, such as $.tables[3]
	err  error
}

// checkTables lists what is wrong with the tables.
func (p *Pack) checkTables() (troubles []trouble) {
	fields := make(map[string]bool)
	names := make(map[string]bool)
	for i := range p.Patterns {
		names[p.Patterns[i].Name] = true
		for field := range p.Patterns[i].Fields {
			fields[field] = true
		}
	}
	for i := range p.Tables {
		c := tableCheck{table: &p.Tables[i], path: fmt.Sprintf("$.tables[%d]", i), number: i + 1, fields: fields, patterns: names}
		c.check()
		troubles = append(troubles, c.troubles...)
	}
	return troubles
}

type tableCheck struct {
	table            *Table
	path             string
	number           int
	fields, patterns map[string]bool
	columns          []string // so far
	troubles         []trouble
}

func (c *tableCheck) wrong(format string, args ...any) { c.at(c.path, format, args...) }

func (c *tableCheck) at(path, format string, args ...any) {
	prefix := fmt.Sprintf("table %d, %q: ", c.number, c.table.Table)
	c.troubles = append(c.troubles, trouble{path, fmt.Errorf(prefix+format, args...)})
}

func (c *tableCheck) check() {
	t := c.table
	switch name := t.relation(); {
	case name.Name == "" || strings.Contains(name.Name, "."):
		c.wrong("it is no name of a table, with its schema or without")
	case !slices.Contains(things(), t.Of):
		c.wrong("it is made of none of %v", things())
	case len(t.Columns) == 0:
		c.wrong("it has no columns")
	case t.Of == OfMessage && len(t.Patterns) == 0:
		c.wrong("it is made of messages, and says of which patterns")
	case t.Of == OfFlow && len(t.IDs) == 0:
		c.wrong("it is made of flows, and ids does not tell the field with their id")
	case t.Gone && (t.Of != OfMessage || len(t.same()) == 0):
		c.wrong("gone is for messages that tell the key of a row")
	}
	c.only("ids", len(t.IDs) > 0, OfFlow)
	c.only("patterns", len(t.Patterns) > 0, OfMessage, OfRecord)
	c.only("where", len(t.Where) > 0, OfMessage)
	c.only("rows", len(t.Rows) > 0, OfRecord)
	c.only("number", t.Number != 0, OfRecord)
	c.only("named", len(t.Named) > 0, OfAsset)
	if t.Number < 0 {
		c.wrong("number is below 1")
	}
	c.known("patterns", "pattern", t.Patterns, c.patterns)
	c.known("ids", "field", t.IDs, c.fields)
	if counted := t.Counts; counted.Field != "" || len(counted.Patterns) > 0 {
		c.known("counts", "field", []string{counted.Field}, c.fields)
		c.known("counts", "pattern", counted.Patterns, c.patterns)
		if len(counted.Patterns) == 0 {
			c.wrong("counts has no patterns")
		}
	}
	for field := range t.Where {
		c.known("where", "field", []string{field}, c.fields)
	}
	for i := range t.Columns {
		c.column(fmt.Sprintf("%s.columns[%d]", c.path, i), &t.Columns[i])
	}
	for _, name := range append(slices.Clone(t.Key), t.Same...) {
		if !slices.Contains(c.columns, name) {
			c.wrong("its key has a column %q, which is none of its columns", name)
		}
	}
}

// only refuses what is for rows that are made of other things.
func (c *tableCheck) only(what string, there bool, of ...Thing) {
	if there && !slices.Contains(of, c.table.Of) {
		c.wrong("%s is for rows that are made of %v", what, of)
	}
}

func (c *tableCheck) known(where, what string, names []string, known map[string]bool) {
	for _, name := range names {
		if !known[name] {
			c.wrong("%s has a %s %q, which the pack has not", where, what, name)
		}
	}
}

func (c *tableCheck) column(path string, column *Column) {
	wrong := func(format string, args ...any) {
		c.at(path, "column %q: "+format, append([]any{column.Name}, args...)...)
	}
	sources := 0
	for _, there := range []bool{
		len(column.Field) > 0, len(column.Body) > 0, len(column.Record) > 0, column.Row, column.Position, column.Text != "", column.Unknown != "",
	} {
		if there {
			sources++
		}
	}
	of := c.table.Of
	switch {
	case column.Name == "":
		wrong("it has no name")
	case slices.Contains(c.columns, column.Name):
		wrong("another one has this name")
	case sources != 1:
		wrong("it has %d of field, body, record, row, position, text and unknown; it needs one", sources)
	case (column.Row || column.Position) && of != OfRecord:
		wrong("row and position are for rows that are made of records")
	case len(column.Record) > 0 && of != OfRecord && (of != OfAsset || len(c.table.Named) == 0):
		wrong("record is for rows that are made of records, and of assets whose name is in one: see named")
	case column.When != "" && column.Unknown == "":
		wrong("when is for what is unknown")
	case (column.Last || len(column.From) > 0) && len(column.Field) == 0:
		wrong("last and from are for fields")
	}
	fields := slices.Clone(column.Field)
	if column.When != "" {
		fields = append(fields, column.When)
	}
	for _, field := range fields {
		if !c.fields[field] {
			wrong("no pattern has a field %q", field)
		}
	}
	for _, name := range column.From {
		if !c.patterns[name] {
			wrong("from has a pattern %q, which the pack has not", name)
		}
	}
	for _, part := range textParts(column.Text) {
		switch {
		case part.broken:
			wrong("its text has a { that does not end as {column} or {column:8}")
		case part.column != "" && !slices.Contains(c.columns, part.column) && !c.fields[part.column]:
			wrong("its text names %q, which is no column before it and no field", part.column)
		}
	}
	c.columns = append(c.columns, column.Name)
}

// textPart is a part of a Text: what stands there, or a column with how many characters of it.
type textPart struct {
	literal, column string
	length          int // 0: all
	broken          bool
}

func textParts(text string) (parts []textPart) {
	for text != "" {
		literal, rest, found := strings.Cut(text, "{")
		if literal != "" {
			parts = append(parts, textPart{literal: literal})
		}
		if !found {
			break
		}
		name, after, closed := strings.Cut(rest, "}")
		part := textPart{column: name}
		if name, length, cut := strings.Cut(name, ":"); cut {
			n, err := strconv.Atoi(length)
			part = textPart{column: name, length: n, broken: err != nil || n < 1}
		}
		part.broken = part.broken || !closed || part.column == ""
		parts = append(parts, part)
		text = after
	}
	return parts
}
