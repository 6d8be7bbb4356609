package rebuild

import (
	"strings"

	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/pg"
)

// form gives a text that is the same for all cells whose values are equal in a column; false: that is not known.
func (t *table) form(column int, c *cell) (string, bool) {
	switch c.state {
	case evidence.Null:
		return "\x00", true
	case evidence.Unknown:
		return "", false
	}
	typ := t.columns[column].Type
	bare, _, _ := strings.Cut(typ, "(")
	switch bare {
	case "":
		return loose(c.text), true
	case "citext":
		return strings.ToLower(c.text), true
	case "character":
		return strings.TrimRight(c.text, " "), true
	case "numeric", "real", "double precision":
		return decimal(c.text), c.plain
	case "money", "interval", "time with time zone":
		return "", false // texts that differ may be equal
	}
	return c.text, c.plain || !builtin(bare)
}

// builtin reports whether texts of a type that differ can mean one value.
func builtin(bare string) bool {
	switch bare {
	case "smallint", "integer", "bigint", "oid", "boolean", "uuid", "bytea", "date", "interval", "inet", "cidr", "macaddr", "json", "jsonb":
		return true
	}
	return strings.HasPrefix(bare, "time") || strings.HasSuffix(bare, "[]")
}

// loose is the form of a text of a type that nobody knows.
func loose(text string) string {
	if len(text) == 36 && strings.Count(text, "-") == 4 {
		return strings.ToLower(text)
	}
	return decimal(text)
}

// decimal takes off what makes no difference to a number; other texts stay.
func decimal(text string) string {
	plain, ok := pg.Canonical("numeric", []byte(strings.TrimPrefix(text, "+")))
	if !ok {
		return text
	}
	whole, part, found := strings.Cut(string(plain), ".")
	if part = strings.TrimRight(part, "0"); found && part != "" {
		return whole + "." + part
	}
	if whole == "-0" {
		return "0"
	}
	return whole
}

// tuple gives the forms of some cells of a row as one text; false: not all are known.
func (t *table) tuple(columns []int, row []cell) (string, bool) {
	if len(columns) == 1 {
		return t.form(columns[0], at(row, columns[0]))
	}
	var b strings.Builder
	for _, column := range columns {
		text, ok := t.form(column, at(row, column))
		if !ok {
			return "", false
		}
		b.WriteString(strings.ReplaceAll(text, "\x01", "\x01\x01"))
		b.WriteString("\x01,")
	}
	return b.String(), true
}

// given is the tuple of cells that a condition names, one for each of columns.
func (t *table) given(columns []int, cells []cell) (string, bool) {
	row := make([]cell, len(t.columns))
	for i, column := range columns {
		if i < len(cells) {
			row[column] = cells[i]
		}
	}
	return t.tuple(columns, row)
}

// at gives a cell of a row, which may be older than some columns.
func at(row []cell, column int) *cell {
	if column < len(row) {
		return &row[column]
	}
	return &cell{state: evidence.Unknown, why: whyDefault}
}

// verdict is whether a condition holds for a row.
type verdict uint8

const (
	no verdict = iota
	maybe
	yes
)

// holds looks at all conditions of a change.
func (c *change) holds(row []cell) verdict {
	result := yes
	for i := range c.where {
		result = min(result, c.where[i].holds(c.table, row))
		if result == no {
			return no
		}
	}
	if !c.exact && !c.every {
		return min(result, maybe)
	}
	return result
}

func (w *condition) holds(t *table, row []cell) verdict {
	best := no
	for _, tuple := range w.tuples {
		one := yes
		for i, column := range w.columns {
			want, knownWant := t.form(column, &tuple[i])
			has, knownHas := t.form(column, at(row, column))
			switch {
			case knownWant && knownHas && want != has:
				one = no
			case (!knownWant || !knownHas) && !same(&tuple[i], at(row, column)):
				one = min(one, maybe)
			}
		}
		best = max(best, one)
	}
	return best
}
