package main

import (
	"strconv"

	"github.com/pgrescue/pgrescue/logparse/applog"
	"github.com/pgrescue/pgrescue/recover/evidence"
)

// told remembers the rows that statements tell of the tables of a pack. A message tells of the same row as it was made,
// and a statement what became of it since: side by side they would contradict each other.
type told struct {
	columns map[string][][]string // by table: sets of columns, each of which tells rows apart
	rows    map[string]bool
	names   map[string]*evidence.Relation // that rows of statements have, by schema and name; nil: of several databases
	renamed map[*evidence.Relation]*evidence.Relation
}

func newTold(pack *applog.Pack) told {
	t := told{
		columns: make(map[string][][]string), rows: make(map[string]bool),
		names: make(map[string]*evidence.Relation), renamed: make(map[*evidence.Relation]*evidence.Relation),
	}
	if pack == nil {
		return t
	}
	for i := range pack.Tables {
		table := &pack.Tables[i]
		for _, columns := range [][]string{table.Key, table.Same} {
			if len(columns) > 0 {
				t.columns[table.Table] = append(t.columns[table.Table], columns)
			}
		}
	}
	return t
}

// add remembers a row of a statement.
func (t *told) add(row *evidence.Row) {
	name := plainName(row.Relation)
	sets := t.columns[name]
	if len(sets) == 0 {
		return
	}
	if known, ok := t.names[name]; !ok {
		t.names[name] = row.Relation
	} else if known != nil && known.Database != row.Relation.Database {
		t.names[name] = nil
	}
	for _, columns := range sets {
		if text, ok := identity(name, columns, row); ok {
			t.rows[text] = true
		}
	}
}

// has reports whether a statement tells the row of a message.
func (t *told) has(row *evidence.Row) bool {
	name := plainName(row.Relation)
	for _, columns := range t.columns[name] {
		if text, ok := identity(name, columns, row); ok && t.rows[text] {
			return true
		}
	}
	return false
}

// adopt gives a relation of messages, which know no database, that of the statements.
func (t *told) adopt(relation *evidence.Relation) *evidence.Relation {
	known := t.names[plainName(relation)]
	if relation.Database != "" || known == nil {
		return relation
	}
	if t.renamed[relation] == nil {
		renamed := *relation
		renamed.Database = known.Database
		t.renamed[relation] = &renamed
	}
	return t.renamed[relation]
}

// plainName is a table's name as a pack has it.
func plainName(relation *evidence.Relation) string {
	if relation.Schema == "" {
		return relation.Name
	}
	return relation.Schema + "." + relation.Name
}

// identity is a text of the values of some columns; ok tells that all are known.
func identity(table string, columns []string, row *evidence.Row) (text string, ok bool) {
	dst := append([]byte(table), ' ')
	for _, column := range columns {
		at := row.Relation.Column(column)
		if at < 0 || row.Values[at].State != evidence.Known {
			return "", false
		}
		dst = append(strconv.AppendQuote(dst, column), ' ')
		dst = strconv.AppendQuote(dst, string(row.Values[at].Text))
	}
	return string(dst), true
}
