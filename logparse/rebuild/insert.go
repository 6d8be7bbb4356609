package rebuild

import (
	"slices"

	"github.com/pgrescue/pgrescue/recover/evidence"
)

// insert does an INSERT of one row.
func (s *state) insert(c *change) {
	row := c.row()
	if c.conflict != "" {
		s.upsert(c, row)
		return
	}
	text, known := "", false
	if len(s.key) > 0 {
		text, known = s.tuple(s.key, row)
	}
	if old := s.keyed[text]; known && old != nil && old.live() && s.has(old, text) && s.twin(old, c, row) {
		return
	}
	s.put(nil, version{cells: row, made: c.by})
}

// twin reports whether a row is there already because another log shows its INSERT, and takes what that one lacked.
func (s *state) twin(old *chain, c *change, row []cell) bool {
	v := old.last()
	if v.made.source == c.by.source || v.partial {
		return false
	}
	for i := range row {
		has := at(v.cells, i)
		if row[i].state != evidence.Unknown && has.state != evidence.Unknown && !same(&row[i], has) {
			return false
		}
	}
	for i := range v.cells {
		if v.cells[i].state == evidence.Unknown && row[i].state != evidence.Unknown {
			v.cells[i] = row[i]
		}
	}
	return true
}

// upsert does an INSERT … ON CONFLICT.
func (s *state) upsert(c *change, row []cell) {
	columns, anywhere := c.onConflict, false
	if len(columns) == 0 {
		columns, anywhere = s.key, true
	}
	if !anywhere && s.null(columns, row) {
		s.put(nil, version{cells: row, made: c.by})
		return
	}
	text, known := "", false
	if len(columns) > 0 {
		text, known = s.tuple(columns, row)
	}
	var there []*chain
	blind := len(columns) == 0 || !known
	if known {
		x := s.index(columns)
		there = x.lookup(s.table, text)
		list, far := x.unknown(s.table)
		blind = far || len(list) > 0
	}
	switch {
	case len(there) > 0:
		s.replace(there[0], c, row)
	case anywhere && (s.open || s.some()):
		s.elsewhere(c, row, columns)
	case !s.open && !blind:
		s.put(nil, version{cells: row, made: c.by})
	case known:
		s.uncertain(c, row, columns)
	default:
		s.put(nil, version{cells: row, made: c.by, notes: []string{"ON CONFLICT: there may have been another row in its place"}})
	}
}

// some reports whether there is a row.
func (s *state) some() bool {
	for _, one := range slices.Backward(s.chains) {
		if one.live() {
			return true
		}
	}
	return false
}

// null reports whether one of some cells is NULL: such a row is in conflict with none.
func (s *state) null(columns []int, row []cell) bool {
	return slices.ContainsFunc(columns, func(column int) bool { return at(row, column).state == evidence.Null })
}

// elsewhere makes a row that a unique index of any columns may have kept out. If so, ON CONFLICT has hit another one.
func (s *state) elsewhere(c *change, row []cell, columns []int) {
	if c.instead != nil && len(s.chains) > 0 {
		other := *c.instead
		other.exact, other.every, other.where = false, false, nil
		s.haze(&other, nil)
	}
	s.uncertain(c, row, columns, "may not have been inserted: ON CONFLICT names no columns, and a row may have been there with which it was in conflict")
}

// replace does what the statement says to a row that was there. If that may have been gone, the row has what is the same
// in both cases.
func (s *state) replace(one *chain, c *change, row []cell) {
	v := one.last()
	shaky := v.shaky || s.doubted(v) != nil
	switch {
	case c.instead == nil:
	case c.instead.exact:
		s.strike(one, c.instead, evidence.OpUpdate)
	default:
		s.graze(one, c.instead)
	}
	if !shaky {
		return
	}
	for column := range row {
		if !same(&row[column], at(one.last().cells, column)) {
			s.blur(one, column, c.by)
		}
	}
}

// uncertain makes a row that may have been there before: it has what is the same in both cases.
func (s *state) uncertain(c *change, row []cell, columns []int, notes ...string) {
	set := make(map[int]*cell)
	if c.instead != nil && c.instead.exact {
		for i, column := range c.instead.columns {
			set[column] = &c.instead.cells[i]
		}
	}
	v := version{cells: row, made: c.by, notes: notes}
	for i := range row {
		other := set[i]
		if slices.Contains(columns, i) || row[i].state == evidence.Unknown || other != nil && same(other, &row[i]) {
			continue
		}
		row[i].why = "ON CONFLICT: the row may have been there before with another value; if not, " + row[i].why + " is it"
		row[i].state = evidence.Unknown
	}
	s.put(nil, v)
}
