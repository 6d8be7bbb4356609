package rebuild

import (
	"bytes"
	"slices"
	"strconv"
	"strings"

	"github.com/pgrescue/pgrescue/logparse/applog"
	"github.com/pgrescue/pgrescue/logparse/statement"
	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/pg"
)

// kind is what a change does.
type kind uint8

const (
	inserts kind = iota
	sets
	removes
	empties
	adds // rows that the log does not show
	blurs
	reshapes // the table has lost columns
)

// change is what a deed does to a table.
type change struct {
	table   *table
	by      *deed
	kind    kind
	columns []int // of cells
	cells   []cell
	where   []condition
	exact   bool // where says it all
	every   bool
	placed  bool // values stand in the order of the table's columns
	// conflict is nothing or update; then onConflict are the columns that tell of one, and instead what it sets.
	conflict   string
	onConflict []int
	instead    *change
}

// condition: columns are one of the tuples.
type condition struct {
	columns []int
	tuples  [][]cell
}

// cell is a value.
type cell struct {
	text  string // of what is unknown, what there is of it
	why   string // where it stands, or the reason
	by    *deed  // nil: no statement gave it
	state evidence.ValueState
	plain bool // text is as the server prints it
	// from is a column, plus 1, whose value this one is: of the row that there was.
	from int
}

// phrase is what a Why is made of.
type phrase struct {
	verb  string
	param int
	plain bool
}

// change makes changes of what a statement says of a table, or of a part of it, a partition that it names: which rows stand
// in that is not known.
func (b *Builder) change(d *deed, t, part *table, s *statement.Statement) {
	t.report.Statements++
	if t != part {
		switch s.Verb {
		case "UPDATE", "DELETE":
			partial := *s
			partial.Exact, partial.Every = false, false
			s = &partial
		case "TRUNCATE", "DROP":
			d.changes = append(d.changes, change{table: t, by: d, kind: removes})
			return
		case "ALTER":
			return
		}
	}
	switch s.Verb {
	case "INSERT":
		b.insert(d, t, part, s)
	case "UPDATE":
		c := b.where(d, t, s, sets)
		if len(s.Rows) > 0 {
			c.columns, c.cells = b.cells(d, t, s.Columns, s.Rows[0])
		}
		d.changes = append(d.changes, c)
	case "DELETE":
		d.changes = append(d.changes, b.where(d, t, s, removes))
	case "TRUNCATE", "DROP":
		if s.Cascades {
			b.untold(t, d, "CASCADE may have emptied other tables, too", 1)
		}
		d.changes = append(d.changes, change{table: t, by: d, kind: empties})
	case "COPY":
		b.untold(t, d, "the log does not hold the rows that were copied", 1)
		d.changes = append(d.changes, change{table: t, by: d, kind: adds})
	case "MERGE":
		b.untold(t, d, s.Reason, 1)
		d.changes = append(d.changes, change{table: t, by: d, kind: blurs}, change{table: t, by: d, kind: adds})
	case "ALTER":
		b.alter(d, t, s)
	}
}

// alter makes changes of what ALTER TABLE says that concerns the rows there are.
func (b *Builder) alter(d *deed, t *table, s *statement.Statement) {
	switch {
	case s.Moves:
		b.untold(t, d, "ALTER TABLE has taken rows to another name: of which is not followed", 1)
		d.changes = append(d.changes, change{table: t, by: d, kind: removes}, change{table: t, by: d, kind: adds})
	case len(s.Columns) > 0: // renamed
		c := change{table: t, by: d, kind: sets}
		for _, name := range s.Columns {
			if at := t.column(name); at >= 0 {
				c.columns = append(c.columns, at)
				c.cells = append(c.cells, cell{by: d, state: evidence.Unknown, why: "the column was renamed"})
			}
		}
		d.changes = append(d.changes, c)
	default:
		b.untold(t, d, "ALTER TABLE may have changed columns: values from before it are as they were", 1)
		if s.Reshapes {
			d.changes = append(d.changes, change{table: t, by: d, kind: reshapes})
		}
	}
}

// unplace takes the values of INSERTs without names of columns where the table has lost columns since: the shape that is
// known is that of later.
func unplace(deeds []*deed) {
	reshaped := make(map[*table]*deed)
	for _, d := range slices.Backward(deeds) {
		for i := range d.changes {
			c := &d.changes[i]
			switch by := reshaped[c.table]; {
			case c.kind == reshapes:
				reshaped[c.table] = d
			case c.placed && by != nil:
				for j := range c.cells {
					c.cells[j] = cell{by: d, state: evidence.Unknown, text: c.cells[j].text, why: "it names no columns, and " + deedName(by) + " came later: the columns may have been others"}
				}
			}
		}
	}
}

// insert makes a change of each row. Values without names of columns stand in the order of the part's.
func (b *Builder) insert(d *deed, t, part *table, s *statement.Statement) {
	if s.Reason != "" {
		b.untold(t, d, s.Reason, 1)
		d.changes = append(d.changes, change{table: t, by: d, kind: adds})
	}
	if s.Cut {
		b.untold(t, d, "the log has not all of the statement: rows are missing", 1)
		d.changes = append(d.changes, change{table: t, by: d, kind: adds})
	}
	names := s.Columns
	for i, row := range s.Rows {
		if names == nil && len(row) > 0 {
			if part.relation == nil {
				b.untold(t, d, "it names no columns, and the shape of the table is not known", int64(len(s.Rows)))
				d.changes = append(d.changes, change{table: t, by: d, kind: adds})
				return
			}
			for _, column := range part.columns[:min(len(row), len(part.columns))] {
				names = append(names, column.Name)
			}
		}
		if s.Columns == nil && len(row) > len(part.columns) {
			b.untold(t, d, "it has more values than the table has columns", int64(len(s.Rows)))
			d.changes = append(d.changes, change{table: t, by: d, kind: adds})
			return
		}
		c := change{table: t, by: d, kind: inserts, conflict: s.OnConflict, placed: s.Columns == nil}
		c.columns, c.cells = b.cells(d, t, names, row)
		if s.Overriding {
			c.override()
		}
		if c.conflict != "" {
			b.conflict(&c, s, i)
		}
		d.changes = append(d.changes, c)
	}
}

// override makes unknown what OVERRIDING USER VALUE takes from identity columns: all, where nobody knows which these are.
func (c *change) override() {
	none := !slices.ContainsFunc(c.table.columns, func(column evidence.Column) bool { return column.Identity != 0 })
	for i, column := range c.columns {
		if none || c.table.columns[column].Identity != 0 {
			c.cells[i] = cell{by: c.by, state: evidence.Unknown, text: c.cells[i].text, why: "OVERRIDING USER VALUE: an identity column gets its own"}
		}
	}
}

// conflict takes what ON CONFLICT says.
func (b *Builder) conflict(c *change, s *statement.Statement, row int) {
	for _, name := range s.ConflictTarget {
		if at := c.table.column(name); at >= 0 {
			c.onConflict = append(c.onConflict, at)
		}
	}
	if c.conflict == "update" && row < len(s.ConflictRows) {
		instead := change{table: c.table, by: c.by, kind: sets, exact: s.ConflictExact}
		instead.columns, instead.cells = b.cells(c.by, c.table, s.ConflictColumns, s.ConflictRows[row])
		for i, v := range s.ConflictRows[row] {
			if v.Excluded && len(instead.cells) == len(s.ConflictRows[row]) {
				instead.cells[i] = c.taken(v.Column, instead.cells[i])
			}
		}
		c.instead = &instead
	}
}

// taken is the cell that an INSERT has for a column, or else another one.
func (c *change) taken(name string, other cell) cell {
	column := c.table.column(name)
	for i, at := range c.columns {
		if at == column {
			return c.cells[i]
		}
	}
	return other
}

// where takes the conditions of an UPDATE or a DELETE.
func (b *Builder) where(d *deed, t *table, s *statement.Statement, what kind) change {
	c := change{table: t, by: d, kind: what, exact: s.Exact, every: s.Every}
	for _, key := range s.Keys {
		var one condition
		for _, name := range key.Columns {
			one.columns = append(one.columns, t.column(name))
		}
		for _, tuple := range key.Tuples {
			cells := make([]cell, len(tuple))
			for i := range tuple {
				if i < len(one.columns) && one.columns[i] >= 0 {
					cells[i] = b.compared(d, t, one.columns[i], tuple[i])
				}
			}
			one.tuples = append(one.tuples, cells)
		}
		if !known(one.columns) {
			c.exact = false
			continue
		}
		c.where = append(c.where, one)
	}
	if len(c.where) == 1 && c.exact {
		name := keyName(c.where[0].columns)
		if t.keys[name] == nil {
			t.keys[name] = &keyUse{columns: c.where[0].columns}
			t.order = append(t.order, name)
		}
		t.keys[name].count++
	}
	if !c.exact && !c.every {
		b.untold(t, d, "its WHERE says more than which columns are equal to what", 1)
	}
	return c
}

func known(columns []int) bool {
	for _, at := range columns {
		if at < 0 {
			return false
		}
	}
	return true
}

// keyName tells sets of columns apart.
func keyName(columns []int) string {
	var text []byte
	for _, at := range columns {
		text = append(strconv.AppendInt(text, int64(at), 10), ',')
	}
	return string(text)
}

// cells takes the values of a row. Columns that the table does not have are left out.
func (b *Builder) cells(d *deed, t *table, names []string, row []statement.Value) ([]int, []cell) {
	columns, cells := make([]int, 0, len(names)), make([]cell, 0, len(names))
	for i, name := range names[:min(len(names), len(row))] {
		at := t.column(name)
		if at < 0 {
			b.untold(t, d, "the table has no column "+name, 1)
			continue
		}
		columns, cells = append(columns, at), append(cells, b.cell(d, t, at, row[i]))
	}
	return columns, cells
}

// compared takes a value that a column is compared with, which does not become one of the column's type.
func (b *Builder) compared(d *deed, t *table, column int, v statement.Value) cell {
	typ := t.columns[column].Type
	if bare, _, _ := strings.Cut(typ, "("); bare == "numeric" {
		typ = bare
	}
	if typ == "real" && v.Type != "" && v.Type != "float4" && strings.Contains(string(v.Text), ".") {
		return cell{by: d, state: evidence.Unknown, text: string(v.Text), why: "a real is equal to few numbers that have more digits"}
	}
	return b.typed(d, t, column, typ, v)
}

// cell takes a value for a column, as the server prints it if that is certain.
func (b *Builder) cell(d *deed, t *table, column int, v statement.Value) cell {
	typ := t.columns[column].Type
	if v.State == evidence.Known && changed(v, typ) {
		return cell{by: d, state: evidence.Unknown, text: string(v.Text), why: string(v.Text) + " is cast to " + v.Type + ", and for the column to " + typ + ", which may change it"}
	}
	if v.Type == "numeric" && (typ == "smallint" || typ == "integer" || typ == "bigint") {
		if whole, ok := b.options.Canonical("numeric(131072,0)", v.Text); ok { // it is rounded
			v.Text = whole
		}
	}
	return b.typed(d, t, column, typ, v)
}

// changed reports whether a value of a type that a statement names may be another one in a column of another type.
func changed(v statement.Value, typ string) bool {
	cast := fullName(v.Type)
	if typ == "" || cast == "" || cast == typ {
		return false
	}
	text := typ == "text" || strings.HasPrefix(typ, "character varying")
	switch cast {
	case "real", "double precision":
		return !text
	case "timestamp with time zone", "timestamp without time zone", "time with time zone":
		return !strings.HasPrefix(typ, cast+"(") && (cast != "timestamp without time zone" || typ != "timestamp with time zone" || strings.ContainsAny(string(v.Text), "+Zz"))
	case "date":
		_, iso := pg.Canonical(cast, v.Text)
		return text && !iso
	case "interval", "money", "bytea":
		return text
	}
	return false
}

// typed takes a value as one of a type.
func (b *Builder) typed(d *deed, t *table, column int, typ string, v statement.Value) cell {
	c := cell{by: d, state: v.State}
	switch v.State {
	case evidence.Null:
		c.why, c.plain = b.why(d.verb, v.Param, true), true
		return c
	case evidence.Unknown:
		c.why, c.text = v.Reason, string(v.Raw)
		if v.Column != "" && !v.Excluded {
			c.from = t.column(v.Column) + 1
		}
		return c
	}
	if d.backend {
		if k := applog.Read(string(v.Text)); k.State == applog.Redacted || k.State == applog.Masked || k.State == applog.Filtered {
			return cell{by: d, state: evidence.Unknown, text: k.Text, why: "the log hides it: " + k.String()}
		}
	}
	text, plain := b.canonical(typ, v)
	c.text, c.plain, c.why = text, plain, b.why(d.verb, v.Param, plain)
	return c
}

// canonical gives the text that a column holds of a value.
func (b *Builder) canonical(typ string, v statement.Value) (string, bool) {
	if v.Type == "bool" && (typ == "text" || strings.HasPrefix(typ, "character varying")) {
		return map[string]string{"t": "true", "f": "false"}[string(v.Text)], true
	}
	text := v.Text
	if cast := fullName(v.Type); cast != "" && cast != typ {
		if plain, ok := b.options.Canonical(cast, text); ok {
			text = plain
			if typ == "" {
				return string(text), true
			}
		}
	}
	if typ == "" {
		return string(text), false
	}
	ask := b.options.Canonical
	if ofSession(typ, text) {
		ask = pg.Canonical
	}
	plain, ok := ask(typ, text)
	if !ok {
		return string(text), false
	}
	return string(plain), true
}

// ofSession reports whether the TimeZone or the DateStyle of the session that sent a text may have decided what it means. A
// server that is asked today reads it in a session of its own.
func ofSession(typ string, text []byte) bool {
	zoned := strings.Contains(typ, "with time zone")
	ranges := strings.HasPrefix(typ, "ts") && strings.Contains(typ, "range")
	if !zoned && !ranges && !strings.HasPrefix(typ, "timestamp") && !strings.HasPrefix(typ, "date") {
		return false
	}
	if typ != "date" && !strings.HasPrefix(typ, "timestamp") || strings.HasSuffix(typ, "[]") {
		return true
	}
	date, clock, _ := bytes.Cut(bytes.TrimSpace(bytes.Replace(text, []byte{'T'}, []byte{' '}, 1)), []byte{' '})
	_, iso := pg.Canonical("date", date)
	return !iso || zoned && !bytes.ContainsAny(clock, "+-Zz")
}

// fullName gives the name by which format_type prints a type that a statement calls by its own.
func fullName(name string) string {
	bare, list := strings.CutSuffix(name, "[]")
	switch bare {
	case "int2":
		bare = "smallint"
	case "int4":
		bare = "integer"
	case "int8":
		bare = "bigint"
	case "float4":
		bare = "real"
	case "float8":
		bare = "double precision"
	case "bool":
		bare = "boolean"
	case "varchar":
		bare = "character varying"
	case "timestamp", "time":
		bare += " without time zone"
	case "timestamptz", "timetz":
		bare = strings.TrimSuffix(bare, "tz") + " with time zone"
	case "bpchar":
		return ""
	}
	if list {
		bare += "[]"
	}
	return bare
}

// why says where a value stands.
func (b *Builder) why(verb string, param int, plain bool) string {
	key := phrase{verb, param, plain}
	if text, ok := b.phrases[key]; ok {
		return text
	}
	text := "literal of the " + verb
	if param > 0 {
		text = "parameter $" + strconv.Itoa(param)
	}
	if !plain {
		text += ", as it was written"
	}
	b.phrases[key] = text
	return text
}

// row gives the cells of an inserted row in the table's order; what the statement does not name is its default.
func (c *change) row() []cell {
	row := make([]cell, len(c.table.columns))
	for i := range row {
		row[i] = cell{by: c.by, state: evidence.Unknown, why: whyDefault}
		if c.table.columns[i].Generated {
			row[i].why = whyGenerated
		}
	}
	for i, at := range c.columns {
		row[at] = c.cells[i]
	}
	return row
}

const (
	whyDefault   = "the column's default, which the log does not have"
	whyGenerated = "the column is generated"
)
