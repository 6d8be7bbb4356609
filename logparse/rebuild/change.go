package rebuild

import (
	"slices"
	"strconv"

	"github.com/pgrescue/pgrescue/logparse/statement"
	"github.com/pgrescue/pgrescue/recover/evidence"
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
		if slices.Contains(one.columns, -1) {
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

// keyName tells sets of columns apart.
func keyName(columns []int) string {
	var text []byte
	for _, at := range columns {
		text = append(strconv.AppendInt(text, int64(at), 10), ',')
	}
	return string(text)
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
