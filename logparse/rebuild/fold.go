package rebuild

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/pgrescue/pgrescue/recover/evidence"
)

// most is how many rows with unknown cells are looked at one by one.
const most = 64

func lineOf(d *deed) string {
	if d == nil {
		return "?"
	}
	return strconv.FormatInt(d.line, 10)
}

// deedName names a statement for people.
func deedName(d *deed) string { return "the " + d.verb + " on line " + lineOf(d) }

// fold follows the changes of all tables. With doubtful, statements that may not have been committed count, too.
func (b *Builder) fold(deeds []*deed, meant map[*table]*table, doubtful bool) []*state {
	byTable := make(map[*table][]*change)
	for _, d := range deeds {
		for i := range d.changes {
			c := &d.changes[i]
			if full := meant[c.table]; full != nil {
				c.move(full)
			}
			byTable[c.table] = append(byTable[c.table], c)
		}
	}
	var states []*state
	for _, t := range b.inOrder() {
		list := byTable[t]
		if len(list) == 0 {
			continue
		}
		s := newState(t, list)
		follow := func(c *change) {
			if c.by.committed || doubtful {
				s.apply(c)
			} else {
				s.suspect(c)
			}
		}
		var later []*change
		for _, c := range list {
			if !b.options.At.IsZero() && c.by.time.After(b.options.At) {
				later = append(later, c)
				continue
			}
			follow(c)
		}
		s.freeze()
		for _, c := range later {
			follow(c)
		}
		for _, c := range s.chains {
			s.settle(c)
		}
		states = append(states, s)
	}
	return states
}

// freeze keeps how the table stands: later changes only tell what became of its rows.
func (s *state) freeze() {
	for _, c := range s.chains {
		c.asOf = len(c.versions)
		s.settle(c)
	}
}

// move makes a change one of another table, which has the same columns by name.
func (c *change) move(to *table) {
	from := c.table
	renumber := func(columns []int) []int {
		moved := make([]int, len(columns))
		for i, column := range columns {
			moved[i] = to.column(from.columns[column].Name)
		}
		return moved
	}
	for i := range c.cells {
		if other := &c.cells[i].from; *other > 0 {
			*other = to.column(from.columns[*other-1].Name) + 1
		}
	}
	c.table, c.columns = to, renumber(c.columns)
	for i := range c.where {
		c.where[i].columns = renumber(c.where[i].columns)
	}
	c.onConflict = renumber(c.onConflict)
	if c.instead != nil {
		c.instead.move(to)
	}
}

// apply does a change.
func (s *state) apply(c *change) {
	switch c.kind {
	case inserts:
		s.insert(c)
	case sets, removes:
		s.hit(c)
	case blurs:
		s.haze(c, nil)
	case adds:
		s.open = true
	case empties:
		how := evidence.OpTruncate
		if c.by.verb == "DROP" {
			how = evidence.OpDrop
		}
		s.all(c, how)
		s.open = false
	}
}

// all hits every row.
func (s *state) all(c *change, how evidence.Operation) {
	for _, one := range s.chains {
		if one.live() && (c.kind == empties || c.verdict(one) != no) {
			s.strike(one, c, how)
		}
	}
}

// strike does a change to a row that it surely hits.
func (s *state) strike(one *chain, c *change, how evidence.Operation) {
	if c.kind != sets {
		s.end(one, c.by, how)
		return
	}
	s.end(one, c.by, evidence.OpUpdate)
	old := one.last()
	shaky := old.shaky || s.doubted(old) != nil
	next := version{cells: make([]cell, max(len(old.cells), len(s.columns))), made: c.by, partial: old.partial, shaky: shaky, notes: slices.Clone(old.notes)}
	for i := range next.cells {
		next.cells[i] = *at(old.cells, i)
		if i < len(s.columns) && s.columns[i].Generated {
			next.cells[i] = cell{by: c.by, state: evidence.Unknown, why: whyGenerated}
		}
	}
	for i, column := range c.columns {
		next.cells[column] = s.set(c.cells[i], old.cells, column)
	}
	if shaky && s.either(one, next.cells, c.by) {
		return
	}
	s.put(one, next)
}

// either is for a row that may not have been there when an UPDATE gave it the key of another one: that one has what is the
// same in both. It reports false if there is no other one.
func (s *state) either(one *chain, cells []cell, by *deed) bool {
	if len(s.key) == 0 {
		return false
	}
	text, ok := s.tuple(s.key, cells)
	other := s.keyed[text]
	if !ok || other == nil || other == one || !other.live() || !s.has(other, text) {
		return false
	}
	for column := range cells {
		if !same(&cells[column], at(other.last().cells, column)) {
			s.blur(other, column, by)
		}
	}
	return true
}

// set is the cell that a column is set to, which may be the value of another column of the same type.
func (s *state) set(c cell, row []cell, column int) cell {
	if c.from == 0 || s.columns[c.from-1].Type != s.columns[column].Type {
		return c
	}
	has := *at(row, c.from-1)
	if has.state == evidence.Unknown {
		return c
	}
	has.why += ", through column " + s.columns[c.from-1].Name
	return has
}

// graze marks a row that a change may hit.
func (s *state) graze(one *chain, c *change) {
	v := one.last()
	if c.kind == removes {
		v.shaky = true
		one.note("may be gone: " + deedName(c.by) + " may have been of it")
		return
	}
	for i, column := range c.columns {
		if !same(&c.cells[i], at(v.cells, column)) {
			s.blur(one, column, c.by)
		}
	}
}

// same reports whether two cells are known and have one value.
func same(x, y *cell) bool {
	return x.state == y.state && x.state != evidence.Unknown && x.text == y.text
}

// hit does an UPDATE or a DELETE.
func (s *state) hit(c *change) {
	if c.every {
		s.all(c, evidence.OpDelete)
		s.open = s.open && c.kind != removes
		return
	}
	by := s.choose(c)
	if by == nil {
		s.haze(c, nil)
		return
	}
	sure, grazed, far := s.find(c, by)
	for _, one := range grazed {
		s.graze(one, c)
	}
	for _, one := range sure {
		s.strike(one, c, evidence.OpDelete)
	}
	if far {
		s.haze(c, s.index(by.columns))
	}
	s.reveal(c, by)
}

// choose takes the condition by which rows are looked for: the key's, or the first one whose values are known.
func (s *state) choose(c *change) *condition {
	var best *condition
	for i := range c.where {
		one := &c.where[i]
		if !slices.ContainsFunc(one.tuples, func(tuple []cell) bool {
			return slices.ContainsFunc(tuple, func(v cell) bool { return v.state == evidence.Unknown })
		}) {
			if slices.Equal(one.columns, s.key) {
				return one
			}
			if best == nil {
				best = one
			}
		}
	}
	return best
}

// find gives the rows that a change hits and those that it may hit. With far there are too many of the latter to look at each.
func (s *state) find(c *change, by *condition) (sure, grazed []*chain, far bool) {
	x := s.index(by.columns)
	judge := func(one *chain) {
		if one.looked == c {
			return
		}
		one.looked = c
		switch c.verdict(one) {
		case yes:
			sure = append(sure, one)
		case maybe:
			grazed = append(grazed, one)
		}
	}
	seen, missing := make(map[string]bool), false
	for _, tuple := range by.tuples {
		text, ok := s.given(by.columns, tuple)
		if seen[text] && ok {
			continue
		}
		var list []*chain
		if ok {
			list = x.lookup(s.table, text)
		}
		seen[text], missing = true, missing || len(list) == 0
		for _, one := range list {
			judge(one)
		}
	}
	if !missing && slices.Equal(by.columns, s.key) {
		return sure, grazed, false // a key has one row
	}
	blind, far := x.unknown(s.table)
	for _, one := range blind {
		judge(one)
	}
	return sure, grazed, far
}

// verdict is whether a change hits a row. A version that another transaction had not committed yet is not seen: the one
// before it counts, and then, when the wait for that transaction is over, the newest, too.
func (c *change) verdict(one *chain) verdict {
	newest := one.last()
	if c.by.sees(newest.made) {
		return c.holds(newest.cells)
	}
	for i := len(one.versions) - 2; i >= 0; i-- {
		if v := &one.versions[i]; c.by.sees(v.made) {
			return min(c.holds(v.cells), c.holds(newest.cells))
		}
	}
	return no
}

// reveal makes rows of the keys that a statement names and no statement before has made.
func (s *state) reveal(c *change, by *condition) {
	if len(c.where) != 1 || !c.exact || !slices.Equal(by.columns, s.key) {
		return
	}
	blind := len(s.index(by.columns).blind) > 0
	if !s.open && !blind {
		return
	}
	for _, tuple := range by.tuples {
		text, ok := s.given(by.columns, tuple)
		if !ok || s.keyed[text] != nil {
			continue
		}
		v := version{cells: make([]cell, len(s.columns)), made: c.by, partial: true, shaky: true}
		for i := range v.cells {
			v.cells[i] = cell{by: c.by, state: evidence.Unknown, why: whyBefore}
		}
		for i, column := range by.columns {
			v.cells[column] = tuple[i]
		}
		v.notes = append(v.notes, "known by "+deedName(c.by)+" alone, which does not tell whether there was such a row")
		if blind {
			v.notes = append(v.notes, "may be one of the rows whose key the log does not have")
		}
		for i, column := range c.columns {
			v.cells[column] = c.cells[i]
		}
		if s.either(nil, v.cells, c.by) {
			continue
		}
		one := s.put(nil, v)
		if c.kind == removes {
			s.end(one, c.by, evidence.OpDelete)
		}
	}
}

const whyBefore = "the log does not have the statement that made the row"

// suspect notes on rows that a statement may have hit of which nothing shows that it was committed.
func (s *state) suspect(c *change) {
	var list []*chain
	switch c.kind {
	case inserts:
		if text, ok := s.tuple(s.key, c.row()); ok && c.conflict != "" && len(s.key) > 0 && s.keyed[text] != nil {
			list = append(list, s.keyed[text])
		}
	case empties:
		list = s.chains
	case sets, removes:
		if by := s.choose(c); by != nil {
			sure, grazed, _ := s.find(c, by)
			list = append(sure, grazed...)
		} else {
			list = s.chains
		}
	}
	note := fmt.Sprintf("%s may have been committed, too: nothing shows it", deedName(c.by))
	for _, one := range list {
		if one.live() {
			one.note(note)
		}
	}
}
