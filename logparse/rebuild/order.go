package rebuild

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/pgrescue/pgrescue/recover/evidence"
)

func compareNames(x, y evidence.RelationName) int {
	return cmp.Or(strings.Compare(x.Database, y.Database), strings.Compare(x.Schema, y.Schema), strings.Compare(x.Name, y.Name))
}

// inOrder puts deeds in the order in which they were sent: within a source by the lines, across sources by time. A clock
// that was set back does not turn the lines of a source around.
//
// The ends of their transactions do not count for that. Of two that changed one row, the second had to wait for the first's
// end, and a row that nobody else had seen was not there for a statement that was sent before.
func inOrder(deeds []*deed) []*deed {
	list := slices.Clone(deeds)
	slices.SortStableFunc(list, func(x, y *deed) int {
		return cmp.Or(cmp.Compare(x.source, y.source), cmp.Compare(x.file, y.file), cmp.Compare(x.line, y.line))
	})
	for i, d := range list {
		d.at = d.sent
		if i > 0 && list[i-1].source == d.source && list[i-1].at.After(d.at) {
			d.at = list[i-1].at
		}
	}
	slices.SortStableFunc(list, func(x, y *deed) int { return x.at.Compare(y.at) })
	return list
}

// together reports whether two deeds belong to one transaction.
func together(x, y *deed) bool {
	if x == y {
		return true
	}
	return x.source == y.source && (x.xid != 0 && x.xid == y.xid || x.ended.Line > 0 && x.session == y.session && x.ended == y.ended)
}

// sees reports whether a deed that was sent later could see what another one did: it is of the same transaction, or that
// one had been committed.
func (d *deed) sees(other *deed) bool {
	switch {
	case d.source != other.source:
		return !other.time.After(d.at)
	case other.ended.Line == 0 || together(d, other):
		return true
	}
	return cmp.Or(cmp.Compare(other.ended.File, d.file), cmp.Compare(other.ended.Line, d.line)) < 0
}

// apart is by how much the clocks of a server and of a backend may differ.
const apart = 10 * time.Second

// apart is by how much the times may differ that two logs give to one statement. Two of servers are of one in two formats,
// of which one may have whole seconds. Two of backends are copies; two backends may well say the same soon after each other.
func (d *deed) apart(other *deed) time.Duration {
	switch {
	case d.backend != other.backend:
		return apart
	case d.backend:
		return 50 * time.Millisecond
	}
	return time.Second
}

// twins takes out the changes that a second log shows, too: a backend's own and the server's. What one of them knows and
// the other does not is put together.
func twins(deeds []*deed) {
	several := false
	for _, d := range deeds {
		several = several || d.source != deeds[0].source
	}
	if !several {
		return
	}
	open := make(map[string][]*told)
	for _, d := range deeds {
		kept := d.changes[:0]
		for i := range d.changes {
			c := &d.changes[i]
			print := c.fingerprint()
			list := recent(open[print], d.at)
			if first := match(list, c); first != nil {
				first.sources = append(first.sources, d.source)
				twin := first.by
				twin.committed = twin.committed || d.committed
				if twin.xid == 0 {
					twin.xid = d.xid
				}
			} else {
				kept = append(kept, *c)
				list = append(list, &told{by: d, sources: []int{d.source}})
			}
			open[print] = list
		}
		d.changes = kept
	}
}

// told is a change, and the sources that tell of it: each does so once.
type told struct {
	by      *deed
	sources []int
}

// recent leaves out what is too old to be told once more. The list is in the order of time.
func recent(list []*told, now time.Time) []*told {
	for len(list) > 0 && now.Sub(list[0].by.at) > apart {
		list = list[1:]
	}
	return list
}

// match finds the change that another source tells of near in time; nil: none.
func match(list []*told, c *change) *told {
	at := slices.IndexFunc(list, func(o *told) bool {
		return !slices.Contains(o.sources, c.by.source) && c.by.at.Sub(o.by.at) <= o.by.apart(c.by)
	})
	if at < 0 {
		return nil
	}
	return list[at]
}

// fingerprint is what two logs tell alike of a change.
func (c *change) fingerprint() string {
	var b strings.Builder
	b.WriteByte(byte('0' + c.kind))
	b.WriteString(c.table.name.Name)
	add := func(columns []int, cells []cell) {
		for i, at := range columns {
			b.WriteByte(0)
			b.WriteString(c.table.columns[at].Name)
			b.WriteByte(0)
			if text, ok := c.table.form(at, &cells[i]); ok {
				b.WriteString(text)
			} else {
				b.WriteString(cells[i].text)
			}
		}
	}
	add(c.columns, c.cells)
	for _, one := range c.where {
		for _, tuple := range one.tuples {
			add(one.columns, tuple)
		}
	}
	return b.String()
}
