package rebuild

import (
	"slices"

	"github.com/pgrescue/pgrescue/recover/evidence"
)

// state is a table while its changes are followed.
type state struct {
	*table
	key    []int
	chains []*chain
	keyed  map[string]*chain // the newest chain of each key, which may be gone
	// indexes find the rows of which some columns are known.
	indexes map[string]*index
	order   int
	puts    []entry // versions in their order
	removed doubt   // the last DELETE that may have hit any row
	blurred map[int]int
	open    bool
}

// chain is the versions of one row.
type chain struct {
	versions []version
	asOf     int     // how many of them there were at Options.At
	looked   *change // that looked at it last
}

// version is a row between two changes.
type version struct {
	cells   []cell
	made    *deed
	order   int // when
	gone    *deed
	by      evidence.Operation
	settled bool // what may have hit it is noted
	shaky   bool // a DELETE may have hit it
	partial bool // only what later statements named of it is known
	notes   []string
}

func (c *chain) last() *version { return &c.versions[len(c.versions)-1] }
func (c *chain) live() bool     { return c.last().gone == nil }

// index finds chains by the cells of some columns. What has changed since is found, too, and must be looked at.
type index struct {
	columns []int
	found   map[string][]*chain
	blind   []entry // those whose cells are not known
	limit   int     // so many of them, and it is time to take out what has left
	removed doubt   // the last DELETE that concerned the blind ones alone
	blurred map[int]int
}

// entry is a chain in an index as it stood.
type entry struct {
	*chain
	order int
}

// doubt is a change of which nobody can say whether it hit a row that is older.
type doubt struct {
	order int
	by    *deed
}

func newState(t *table, changes []*change) *state {
	return &state{table: t, key: t.key(changes), keyed: make(map[string]*chain), indexes: make(map[string]*index), blurred: make(map[int]int), open: true}
}

// index finds or makes the index of some columns.
func (s *state) index(columns []int) *index {
	name := keyName(columns)
	x := s.indexes[name]
	if x == nil {
		x = &index{columns: columns, found: make(map[string][]*chain), blurred: make(map[int]int), limit: most}
		s.indexes[name] = x
		for _, c := range s.chains {
			if c.live() {
				x.add(s.table, c)
			}
		}
	}
	return x
}

func (x *index) add(t *table, c *chain) {
	if text, ok := t.tuple(x.columns, c.last().cells); ok {
		x.found[text] = append(x.found[text], c)
	} else {
		x.blind = append(x.blind, entry{c, c.last().order})
	}
}

// lookup gives the live chains of a tuple, and takes out of the index what has left it.
func (x *index) lookup(t *table, text string) []*chain {
	list := x.found[text]
	kept := list[:0]
	for _, c := range list {
		if has, ok := t.tuple(x.columns, c.last().cells); ok && has == text && c.live() && (len(kept) == 0 || kept[len(kept)-1] != c) {
			kept = append(kept, c)
		}
	}
	if len(kept) == 0 {
		delete(x.found, text)
	} else {
		x.found[text] = kept
	}
	return kept
}

// unknown gives the live chains whose cells are not known. With far there are too many to look at each.
func (x *index) unknown(t *table) (list []*chain, far bool) {
	if len(x.blind) > x.limit {
		kept, seen := x.blind[:0], make(map[*chain]bool)
		for _, e := range x.blind {
			if _, ok := t.tuple(x.columns, e.last().cells); !ok && e.live() && e.last().order == e.order && !seen[e.chain] {
				seen[e.chain] = true
				kept = append(kept, e)
			}
		}
		clear(x.blind[len(kept):])
		x.blind, x.limit = kept, max(most, 2*len(kept))
	}
	if len(x.blind) > most {
		return nil, true
	}
	for _, e := range x.blind {
		if _, ok := t.tuple(x.columns, e.last().cells); !ok && e.live() && !slices.Contains(list, e.chain) {
			list = append(list, e.chain)
		}
	}
	return list, false
}

// put makes a version of a row, or the first one of a new chain.
func (s *state) put(c *chain, v version) *chain {
	s.order++
	v.order = s.order
	if c == nil {
		c = &chain{}
		s.chains = append(s.chains, c)
	}
	c.versions = append(c.versions, v)
	s.puts = append(s.puts, entry{c, v.order})
	if len(s.key) > 0 {
		if text, ok := s.tuple(s.key, v.cells); ok {
			if old := s.keyed[text]; old != nil && old != c && old.live() && s.has(old, text) {
				old.note("gone before " + deedName(v.made) + ", which makes a row of its key; what removed it is not in the log")
				s.end(old, v.made, evidence.OpDelete)
			}
			s.keyed[text] = c
		}
	}
	for _, x := range s.indexes {
		x.add(s.table, c)
	}
	return c
}

// has reports whether a row has a key.
func (s *state) has(one *chain, text string) bool {
	now, ok := s.tuple(s.key, one.last().cells)
	return ok && now == text
}

// note says something of the newest version.
func (c *chain) note(text string) {
	if v := c.last(); len(v.notes) < maxNotes && !slices.Contains(v.notes, text) {
		v.notes = append(v.notes, text)
	}
}

// maxNotes bounds the notes of a row.
const maxNotes = 8

// end lets a version go.
func (s *state) end(c *chain, by *deed, how evidence.Operation) {
	s.settle(c)
	v := c.last()
	v.gone, v.by = by, how
}

// settle notes on a row the DELETEs that may have hit it in its version's life.
func (s *state) settle(c *chain) {
	v := c.last()
	if v.gone != nil || v.settled {
		return
	}
	v.settled = true
	if by := s.doubted(v); by != nil {
		c.note("may be gone: " + deedName(by) + ", of which the log does not tell the rows")
	}
}

// doubted gives the DELETE that may have hit a version, without being looked at row by row; nil: there is none.
func (s *state) doubted(v *version) *deed {
	if s.removed.order > v.order {
		return s.removed.by
	}
	for _, x := range s.indexes {
		if x.removed.order > v.order {
			if _, ok := s.tuple(x.columns, v.cells); !ok {
				return x.removed.by
			}
		}
	}
	return nil
}

// haze is a change that may hit any row, or any whose cells an index does not know: each row that is newer than the last
// such change of a column is marked once.
func (s *state) haze(c *change, x *index) {
	s.order++
	list, blurred, removed := s.puts, s.blurred, &s.removed
	if x != nil {
		list, blurred, removed = x.blind, x.blurred, &x.removed
	}
	columns := c.columns
	switch c.kind {
	case removes:
		*removed = doubt{s.order, c.by}
		return
	case blurs:
		*removed = doubt{s.order, c.by}
		columns = nil
		for column := range s.columns {
			columns = append(columns, column)
		}
	}
	for _, column := range columns {
		for i := len(list) - 1; i >= 0 && list[i].order > blurred[column]; i-- {
			one := list[i]
			if !one.live() || one.last().order != one.order {
				continue
			}
			if x != nil {
				if _, ok := s.tuple(x.columns, one.last().cells); ok {
					continue
				}
			}
			s.blur(one.chain, column, c.by)
		}
		blurred[column] = s.order
	}
}

// blur makes a cell unknown that a deed may have changed, and tells the indexes.
func (s *state) blur(one *chain, column int, by *deed) {
	cell := at(one.last().cells, column)
	if cell.state == evidence.Unknown {
		return
	}
	blur(cell, by)
	for _, x := range s.indexes {
		if slices.Contains(x.columns, column) {
			x.add(s.table, one)
		}
	}
}

// blur makes a cell unknown that a deed may have changed.
func blur(c *cell, by *deed) {
	if c.state == evidence.Unknown {
		return
	}
	before := "NULL"
	if c.state == evidence.Known {
		before = "a value that the log shows on line " + lineOf(c.by)
	}
	*c = cell{by: by, state: evidence.Unknown, text: c.text, why: deedName(by) + " may have changed it; before that it was " + before}
}
