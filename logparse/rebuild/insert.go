package rebuild

import (
	"github.com/pgrescue/pgrescue/recover/evidence"
)

// insert does an INSERT of one row.
func (s *state) insert(c *change) {
	row := c.row()
	text, known := "", false
	if len(s.key) > 0 {
		text, known = s.tuple(s.key, row)
	}
	if c.conflict != "" {
		s.upsert(c, row)
		return
	}
	if old := s.keyed[text]; known && old != nil && old.live() && s.has(old, text) {
		if s.same(old, c, row) {
			return
		}
		v := old.last()
		v.notes = append(v.notes, "gone before "+deedName(c.by)+", which has its key; what removed it is not in the log")
		s.end(old, c.by, evidence.OpDelete)
	}
	s.put(nil, version{cells: row, made: c.by})
}

// has reports whether a row still has a key.
func (s *state) has(one *chain, text string) bool {
	now, ok := s.tuple(s.key, one.last().cells)
	return ok && now == text
}

// same reports whether a row is there already because another log shows its INSERT, and takes what that one lacked.
func (s *state) same(old *chain, c *change, row []cell) bool {
	v := old.last()
	if v.made.source == c.by.source || v.partial {
		return false
	}
	for i := range row {
		has := at(v.cells, i)
		if row[i].state != evidence.Unknown && has.state != evidence.Unknown && (row[i].state != has.state || row[i].text != has.text) {
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
	columns := c.onConflict
	if len(columns) == 0 {
		columns = s.key
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
		blind = len(x.unknown(s.table)) > 0
	}
	switch {
	case len(there) > 0:
		if c.instead != nil {
			s.replace(there[0], c)
		}
	case !s.open && !blind:
		s.put(nil, version{cells: row, made: c.by})
	case known:
		s.uncertain(c, row, columns)
	default:
		s.put(nil, version{cells: row, made: c.by, notes: []string{"ON CONFLICT: there may have been another row in its place"}})
	}
}

// replace does what DO UPDATE says to a row that was there.
func (s *state) replace(one *chain, c *change) {
	if c.instead.exact {
		s.strike(one, c.instead, evidence.OpUpdate)
		return
	}
	s.graze(one, c.instead)
}

// uncertain makes a row that may have been there before: it has what is the same in both cases.
func (s *state) uncertain(c *change, row []cell, columns []int) {
	set := make(map[int]*cell)
	if c.instead != nil && c.instead.exact {
		for i, column := range c.instead.columns {
			set[column] = &c.instead.cells[i]
		}
	}
	named := make(map[int]bool, len(columns))
	for _, column := range columns {
		named[column] = true
	}
	v := version{cells: row, made: c.by}
	for i := range row {
		other := set[i]
		if named[i] || row[i].state == evidence.Unknown || other != nil && other.state == row[i].state && other.text == row[i].text {
			continue
		}
		row[i].why = "ON CONFLICT: the row may have been there before with another value; if not, " + row[i].why + " is it"
		row[i].state = evidence.Unknown
	}
	s.put(nil, v)
}
