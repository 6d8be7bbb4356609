package evidence

import (
	"bytes"
	"encoding/hex"

	"github.com/pgrescue/pgrescue/recover/pg"
)

// sqlEncoder prints one statement a row. Names are always quoted, so that no
// keyword of any version is in the way. A comment is one line.
type sqlEncoder struct {
	begun    bool
	rel      *Relation // whose names are below
	table    string
	columns  []string
	scratch  []byte    // a statement that becomes a comment
	dropped  *Relation // whose lost columns were announced
	unstated int64     // rows that only a comment tells of
}

func (e *sqlEncoder) appendRow(dst []byte, row *Row) []byte {
	if !e.begun {
		e.begun = true
		// With the old meaning of backslashes the texts below would read differently.
		dst = append(dst, "SET standard_conforming_strings = on;\n"...)
	}
	e.name(row.Relation)
	if row.Note != "" {
		dst = e.comment(dst, row, row.Note)
	}
	for i := range row.Values {
		if v := &row.Values[i]; v.unprintable() && !row.Relation.Columns[i].Generated {
			dst = e.comment(dst, row, "column "+e.columns[i]+" is left out, its value is not known: "+reasonAndBytes(v))
		}
	}
	switch row.Operation {
	case OpUpdate:
		return e.appendUpdate(dst, row)
	case OpDropColumn:
		return e.appendColumns(dst, row)
	}
	return e.appendInsert(dst, row, appendLiteral)
}

// name quotes the names of a relation, once for all rows that share it.
func (e *sqlEncoder) name(rel *Relation) {
	if e.rel == rel {
		return
	}
	e.rel = rel
	e.table = pg.QuoteIdentAlways(rel.Name)
	if rel.Schema != "" {
		e.table = pg.QuoteIdentAlways(rel.Schema) + "." + e.table
	}
	e.columns = make([]string, len(rel.Columns))
	for i := range rel.Columns {
		e.columns[i] = pg.QuoteIdentAlways(rel.Columns[i].Name)
	}
}

// reasonAndBytes is why a value is not known, and its bytes if there are any.
func reasonAndBytes(v *Value) string {
	reason, raw := v.why()
	if len(raw) == 0 {
		return reason
	}
	return reason + "; its bytes are \\x" + hex.EncodeToString(raw)
}

// insertable reports whether INSERT names the column of row.
func insertable(row *Row, i int) bool {
	return !row.Relation.Columns[i].Generated && !row.Values[i].unprintable()
}

// appendInsert appends the INSERT that makes the row anew. A column that is not
// known is left out, and gets its default.
func (e *sqlEncoder) appendInsert(dst []byte, row *Row, literal func(dst []byte, v *Value) []byte) []byte {
	dst = append(dst, "INSERT INTO "...)
	dst = append(dst, e.table...)
	named, always := 0, false
	for i := range row.Values {
		if !insertable(row, i) {
			continue
		}
		dst = append(dst, separator(named, " (", ", ")...)
		dst = append(dst, e.columns[i]...)
		named++
		always = always || row.Relation.Columns[i].Identity == 'a'
	}
	if named == 0 {
		return append(dst, " DEFAULT VALUES;\n"...)
	}
	dst = append(dst, ')')
	if always {
		dst = append(dst, " OVERRIDING SYSTEM VALUE"...)
	}
	dst = append(dst, " VALUES"...)
	named = 0
	for i := range row.Values {
		if insertable(row, i) {
			dst = append(dst, separator(named, " (", ", ")...)
			dst = literal(dst, &row.Values[i])
			named++
		}
	}
	return append(dst, ");\n"...)
}

// separator is what stands before the n-th item of a list.
func separator(n int, first, other string) string {
	if n == 0 {
		return first
	}
	return other
}

// appendUpdate appends the UPDATE that gives an updated row its old values back.
// Where the successor is known, only what the update changed is set, so that what
// others wrote into the row's other columns since stays.
func (e *sqlEncoder) appendUpdate(dst []byte, row *Row) []byte {
	key, why := findKey(row)
	if row.Moved {
		key, why = nil, "the update moved the row to another partition, where it has to be deleted first"
	}
	if key == nil {
		e.unstated++
		dst = e.comment(dst, row, why+", so the row cannot be given back by its key; this was it:")
		e.scratch = e.appendInsert(e.scratch[:0], row, appendLineLiteral)
		return appendComment(dst, e.scratch[:len(e.scratch)-1])
	}
	if why != "" {
		dst = e.comment(dst, row, why+"; the statement finds the row by its old key")
	}
	start := len(dst)
	dst, set := e.appendSet(dst, row, func(i int) bool { return row.changed(i) && row.Relation.Columns[i].Identity != 'a' })
	if set == 0 {
		e.unstated++
		dst = e.comment(dst[:start], row, "the update changed no value that is known and can be set")
	} else {
		dst = e.appendWhere(dst, row, key)
	}
	for i := range row.Values {
		if row.Relation.Columns[i].Identity == 'a' && row.changed(i) {
			was := appendLineLiteral(nil, &row.Values[i])
			dst = e.comment(dst, row, "column "+e.columns[i]+" is GENERATED ALWAYS AS IDENTITY and cannot be set; it was "+string(was))
		}
	}
	return dst
}

// appendSet begins an UPDATE that sets the wanted columns to the row's values, and
// tells how many these are; none leave dst as it is.
func (e *sqlEncoder) appendSet(dst []byte, row *Row, wanted func(i int) bool) ([]byte, int) {
	set := 0
	for i := range row.Values {
		if !wanted(i) {
			continue
		}
		if set == 0 {
			dst = append(dst, "UPDATE "...)
			dst = append(dst, e.table...)
		}
		dst = append(dst, separator(set, " SET ", ", ")...)
		dst = append(dst, e.columns[i]...)
		dst = append(dst, " = "...)
		dst = appendLiteral(dst, &row.Values[i])
		set++
	}
	return dst, set
}

func (e *sqlEncoder) appendWhere(dst []byte, row *Row, key []Value) []byte {
	named := 0
	for i := range key {
		if row.Relation.Columns[i].Key {
			dst = append(dst, separator(named, " WHERE ", " AND ")...)
			dst = append(dst, e.columns[i]...)
			dst = append(dst, " = "...)
			dst = appendLiteral(dst, &key[i])
			named++
		}
	}
	return append(dst, ";\n"...)
}

// findKey chooses the values whose key columns find the row as it is now: those
// of the successor, or else its own. why says what is in doubt; it comes with nil
// when there is no key.
func findKey(row *Row) (key []Value, why string) {
	named := false
	for i := range row.Relation.Columns {
		named = named || row.Relation.Columns[i].Key
	}
	switch {
	case !named:
		return nil, "the table has no primary key that is known"
	case row.Successor != nil && row.knowsKey(row.Successor):
		return row.Successor, ""
	case !row.knowsKey(row.Values):
		return nil, "the values of the primary key are not known"
	}
	return row.Values, "the key of the version that replaced this one is not known"
}

// knowsKey reports whether all columns of the key have a text in values.
func (r *Row) knowsKey(values []Value) bool {
	for i := range r.Relation.Columns {
		if r.Relation.Columns[i].Key && (values[i].State != Known || values[i].unprintable()) {
			return false
		}
	}
	return true
}

// changed reports whether giving the old values back must set the column: it is
// known and not computed, and the successor has another value. Without successor
// every column counts but the key, by which the row is found.
func (r *Row) changed(i int) bool {
	column, old := &r.Relation.Columns[i], &r.Values[i]
	if column.Generated || old.unprintable() {
		return false
	}
	if r.Successor == nil {
		return !column.Key
	}
	now := &r.Successor[i]
	return old.State != now.State || !bytes.Equal(old.Text, now.Text)
}

// appendLiteral appends a value as SQL, which takes its type from the column.
func appendLiteral(dst []byte, v *Value) []byte {
	if v.State != Known {
		return append(dst, "NULL"...)
	}
	dst = append(dst, '\'')
	dst = appendDoubled(dst, v.Text, '\'')
	return append(dst, '\'')
}

// appendLineLiteral appends a value as appendLiteral does, but never breaks the line.
func appendLineLiteral(dst []byte, v *Value) []byte {
	breaks := func(c rune) bool { return c == '\n' || c == '\r' }
	if v.State != Known || bytes.IndexFunc(v.Text, breaks) < 0 {
		return appendLiteral(dst, v)
	}
	dst = append(dst, "E'"...)
	for _, c := range v.Text {
		switch c {
		case '\n':
			dst = append(dst, '\\', 'n')
		case '\r':
			dst = append(dst, '\\', 'r')
		case '\\', '\'':
			dst = append(dst, c, c)
		default:
			dst = append(dst, c)
		}
	}
	return append(dst, '\'')
}

// comment appends a comment that names the row's place, if it has one.
func (e *sqlEncoder) comment(dst []byte, row *Row, text string) []byte {
	place := e.table
	if row.TID != (pg.TID{}) {
		place += " " + row.TID.String()
	}
	return appendComment(dst, []byte(place+": "+text))
}

// appendComment appends a line that runs nothing: text cannot end it.
func appendComment(dst, text []byte) []byte {
	dst = append(dst, "-- "...)
	for _, c := range text {
		if c == '\n' || c == '\r' || c == 0 {
			c = ' '
		}
		dst = append(dst, c)
	}
	return append(dst, '\n')
}
