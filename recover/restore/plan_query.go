package restore

import (
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/pg"
)

// evaluation is the one statement that asks the server about rows of a table: what their
// values are in the table's types, what the target has under their keys, whether checks
// hold, which unique values are taken, and whether parents are there. It reads only, and
// makes nothing, so that a standby runs it too.
//
// The rows go as an array of texts, each a literal of the table's row type. So every value
// goes through its type's input function with its modifier, as COPY would do it: a
// cast would cut a text to its length.
type evaluation struct {
	table   *targetTable
	columns []int // of the plan, as places in table.columns
	key     *targetIndex
	uniques []*targetIndex // beside the key
	checks  []targetCheck
	keys    []*foreignKey
	// encoding is that of the rows, if it is not the session's: the server converts them.
	encoding string
	sql      string
}

// newEvaluation makes the statement.
func newEvaluation(table *targetTable, columns []int, key *targetIndex, checks []targetCheck, encoding string) *evaluation {
	e := &evaluation{table: table, columns: columns, key: key, checks: checks, encoding: encoding}
	for _, index := range table.indexes {
		if index != key {
			e.uniques = append(e.uniques, index)
		}
	}
	for _, fk := range table.keys {
		if !fk.period {
			e.keys = append(e.keys, fk)
		}
	}
	e.sql = e.statement()
	return e
}

// rows is the part of the statement that makes rows of literals.
func (e *evaluation) rows() string {
	// OFFSET 0 keeps the planner from reading each literal once for every column.
	source := fmt.Sprintf("(SELECT u.__o, u.__t::%s AS __r\nFROM pg_catalog.unnest(%s::pg_catalog.text[]) WITH ORDINALITY AS u(__t, __o) OFFSET 0) AS __l0",
		e.table.qualifiedName(), e.parameter())
	return e.derived(source, func(place int) string { return "(__r)." + e.columnName(place) })
}

// derived makes whole rows of the table: each column under its name, checks and index
// expressions under names that no column has. source numbers its rows in __o, and value
// gives what it has of a column, which for one that is not of the plan is NULL.
func (e *evaluation) derived(source string, value func(place int) string) string {
	planned := map[int]bool{}
	for _, place := range e.columns {
		planned[place] = true
	}
	var plain, generated, derived []string
	for i := range e.table.columns {
		column := &e.table.columns[i]
		name := pg.QuoteIdentAlways(column.name)
		switch {
		case column.generation != "":
			generated = append(generated, fmt.Sprintf("(%s) AS %s", column.generation, name))
		case !planned[i] && column.defaults != "" && !strings.Contains(column.defaults, "("):
			plain = append(plain, fmt.Sprintf("(%s)::%s AS %s", column.defaults, column.typ, name))
		default:
			plain = append(plain, fmt.Sprintf("%s AS %s", value(i), name))
		}
	}
	for i, check := range e.checks {
		derived = append(derived, fmt.Sprintf("(%s) AS __c%d", check.expression, i))
	}
	for i, index := range e.uniques {
		derived = append(derived, fmt.Sprintf("(%s) AS __p%d", orTrue(index.predicate), i))
		for n, expression := range index.expressions {
			derived = append(derived, fmt.Sprintf("(%s) AS __u%d_%d", expression, i, n))
		}
	}
	return fmt.Sprintf("SELECT %s FROM (SELECT %s FROM (SELECT %s FROM %s OFFSET 0) AS __l1 OFFSET 0) AS __l2 OFFSET 0",
		list("__l2.*", derived), list("__l1.*", generated), list("__o", plain), source)
}

// parameter is the array in the statement.
func (e *evaluation) parameter() string {
	if e.encoding == "" {
		return "$1"
	}
	return "pg_catalog.convert_from($1::pg_catalog.bytea, " + quoteLiteral(e.encoding) + ")"
}

// encode makes the parameter of the array.
func (e *evaluation) encode(array []byte) []byte {
	if e.encoding == "" {
		return array
	}
	return hex.AppendEncode([]byte(`\x`), array)
}

func list(first string, others []string) string {
	return strings.Join(append([]string{first}, others...), ", ")
}

func orTrue(expression string) string {
	if expression == "" {
		return "true"
	}
	return expression
}

func (e *evaluation) columnName(place int) string {
	return pg.QuoteIdentAlways(e.table.columns[place].name)
}

func (e *evaluation) statement() string {
	out := []string{}
	join := ""
	for _, place := range e.columns {
		out = append(out, "__x."+e.columnName(place))
	}
	if e.key != nil {
		out = append(out, "__y.__found")
		for _, place := range e.columns {
			out = append(out, "__y."+e.columnName(place))
		}
		join = fmt.Sprintf(" LEFT JOIN LATERAL (SELECT __t.*, true AS __found FROM %s AS __t WHERE %s LIMIT 1) AS __y ON true", e.table.from(), e.sameKey())
	}
	for i := range e.checks {
		out = append(out, fmt.Sprintf("__x.__c%d IS NOT FALSE", i))
	}
	for i, index := range e.uniques {
		out = append(out, fmt.Sprintf("__x.__p%d IS TRUE", i))
		for n := range index.expressions {
			out = append(out, fmt.Sprintf("__x.__u%d_%d", i, n))
		}
		out = append(out, e.taken(i, index))
	}
	for _, fk := range e.keys {
		// Of EXISTS the planner may make a hash of the whole parent table, for each batch.
		out = append(out, fk.referring("__x"), fmt.Sprintf("(SELECT true FROM %s AS __p WHERE %s LIMIT 1) IS TRUE", fk.parent.from(), fk.matches("__p", "__x")))
		for _, pair := range fk.pairs {
			out = append(out, "__x."+pair.child)
		}
	}
	return "SELECT " + list("__x.__o", out) + " FROM (" + e.rows() + ") AS __x" + join
}

// sameKey compares the key of __t and of __x.
func (e *evaluation) sameKey() string {
	terms := make([]string, len(e.key.columns))
	for i, place := range e.key.columns {
		name := e.columnName(place)
		terms[i] = fmt.Sprintf("__t.%s %s __x.%s", name, e.key.operators[i], name)
	}
	return strings.Join(terms, " AND ")
}

// taken asks for a row of the target that has a unique value already, and is not the
// row itself.
func (e *evaluation) taken(i int, index *targetIndex) string {
	terms := []string{fmt.Sprintf("__x.__p%d", i)}
	if index.predicate != "" {
		terms = append(terms, "("+index.predicate+")")
	}
	for n, expression := range index.expressions {
		value := fmt.Sprintf("__x.__u%d_%d", i, n)
		term := fmt.Sprintf("(%s) %s %s", expression, index.operators[n], value)
		if index.nullsEqual {
			term = fmt.Sprintf("(%s OR (%s) IS NULL AND %s IS NULL)", term, expression, value)
		}
		terms = append(terms, term)
	}
	what := "__t.ctid::pg_catalog.text"
	if e.key != nil {
		terms = append(terms, "(("+e.sameKey()+") IS NOT TRUE)")
		names := make([]string, len(e.key.columns))
		for n, place := range e.key.columns {
			names[n] = "__t." + e.columnName(place)
		}
		what = "ROW(" + strings.Join(names, ", ") + ")::pg_catalog.text"
	}
	return fmt.Sprintf("(SELECT %s FROM %s AS __t WHERE %s LIMIT 1)", what, e.table.from(), strings.Join(terms, " AND "))
}

// appendRow writes a row as a literal of the table's row type. Values that are not
// known, and columns that the plan does not have, are NULL in it.
func (e *evaluation) appendRow(dst []byte, values []evidence.Value) []byte {
	dst = append(dst, '(')
	next := 0
	for i := range e.table.columns {
		if i > 0 {
			dst = append(dst, ',')
		}
		if next == len(e.columns) || e.columns[next] != i {
			continue
		}
		v := &values[next]
		next++
		if v.State != evidence.Known {
			continue
		}
		dst = append(dst, '"')
		for _, c := range v.Text {
			if c == '"' || c == '\\' {
				dst = append(dst, c)
			}
			dst = append(dst, c)
		}
		dst = append(dst, '"')
	}
	return append(dst, ')')
}
