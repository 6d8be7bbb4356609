package rebuild

import (
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
	doubts  doubts
	open    bool
}

// chain is the versions of one row.
type chain struct {
	versions []version
	asOf     int // how many of them there were at Options.At
	number   int
}

// version is a row between two changes.
type version struct {
	cells   []cell
	made    *deed
	order   int // when
	gone    *deed
	by      evidence.Operation
	settled bool
	partial bool // only what later statements named of it is known
	notes   []string
}

func (c *chain) last() *version { return &c.versions[len(c.versions)-1] }
func (c *chain) live() bool     { return c.last().gone == nil }

// index finds chains by the cells of some columns. What has changed since is found, too, and must be looked at.
type index struct {
	columns []int
	found   map[string][]*chain
	blind   []*chain // those whose cells are not known
	doubts  doubts   // that concern the blind ones alone
}

// doubts are changes of which nobody can say whether they hit a row that is older.
type doubts struct {
	columns map[int]doubt
	removed doubt
}

type doubt struct {
	order int
	by    *deed
}

func newState(t *table, changes []*change) *state {
	return &state{table: t, key: t.key(changes), keyed: make(map[string]*chain), indexes: make(map[string]*index), open: true}
}

// index finds or makes the index of some columns.
func (s *state) index(columns []int) *index {
	name := keyName(columns)
	x := s.indexes[name]
	if x == nil {
		x = &index{columns: columns, found: make(map[string][]*chain)}
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
		x.blind = append(x.blind, c)
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

// unknown gives the live chains whose cells are not known.
func (x *index) unknown(t *table) []*chain {
	kept := x.blind[:0]
	for _, c := range x.blind {
		if _, ok := t.tuple(x.columns, c.last().cells); !ok && c.live() {
			kept = append(kept, c)
		}
	}
	x.blind = kept
	return kept
}

// put makes a version of a row, or the first one of a new chain.
func (s *state) put(c *chain, v version) *chain {
	s.order++
	v.order = s.order
	if c == nil {
		c = &chain{number: len(s.chains)}
		s.chains = append(s.chains, c)
	}
	c.versions = append(c.versions, v)
	if len(s.key) > 0 {
		if text, ok := s.tuple(s.key, v.cells); ok {
			s.keyed[text] = c
		}
	}
	for _, x := range s.indexes {
		x.add(s.table, c)
	}
	return c
}

// end lets a version go.
func (s *state) end(c *chain, by *deed, how evidence.Operation) {
	v := c.last()
	s.settle(v)
	v.gone, v.by = by, how
}

// settle puts the doubts of a version's life into its cells.
func (s *state) settle(v *version) {
	if v.settled {
		return
	}
	v.settled = true
	s.doubts.into(s.table, v)
	for _, x := range s.indexes {
		if _, ok := s.tuple(x.columns, v.cells); !ok {
			x.doubts.into(s.table, v)
		}
	}
}

// into marks what a version cannot be sure of.
func (d *doubts) into(t *table, v *version) {
	for column, one := range d.columns {
		if one.order > v.order {
			blur(at(v.cells, column), one.by)
		}
	}
	if d.removed.order > v.order {
		v.notes = append(v.notes, "may be gone: "+deedName(d.removed.by)+", of which the log does not tell the rows")
	}
}

// note keeps a doubt.
func (d *doubts) note(c *change, order int) {
	one := doubt{order, c.by}
	if c.kind == removes || c.kind == blurs {
		d.removed = one
	}
	if c.kind == removes {
		return
	}
	if d.columns == nil {
		d.columns = make(map[int]doubt)
	}
	if c.kind == blurs {
		for column := range c.table.columns {
			d.columns[column] = one
		}
	}
	for _, column := range c.columns {
		d.columns[column] = one
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
