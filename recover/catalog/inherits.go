package catalog

import (
	"cmp"
	"maps"
	"slices"

	"github.com/pgrescue/pgrescue/recover/pg"
)

// inheritsOID is pg_inherits; like the other catalogs it has the same number in all versions.
const inheritsOID pg.OID = 2611

// inheritsTable follows catalog/pg_inherits.h, whose first columns are the same
// in versions 12 to 18.
func inheritsTable() table {
	return table{inheritsOID, "pg_inherits", []column{oidColumn("inhrelid"), oidColumn("inhparent"), int4Column("inhseqno")}}
}

// inheritsKey is the primary key of pg_inherits.
type inheritsKey struct {
	child pg.OID
	order int32
}

func inheritsDecoder(t *table) func(*record) (inheritsKey, pg.OID, bool) {
	child, parent, order := t.field("inhrelid"), t.field("inhparent"), t.field("inhseqno")
	return func(r *record) (inheritsKey, pg.OID, bool) {
		key := inheritsKey{r.oid(child), r.int32(order)}
		return key, r.oid(parent), key.child != 0
	}
}

// parentsOf lists the parents of each child in their order. What a child that is
// there once inherited from does not count; of one that was dropped it does.
func (d *databaseReader) parentsOf(found rows[inheritsKey, pg.OID]) map[pg.OID][]pg.OID {
	all := maps.Clone(found.live)
	for key, v := range found.gone {
		if _, gone := d.classes.gone[key.child]; gone {
			all[key] = v
		}
	}
	keys := slices.SortedFunc(maps.Keys(all), func(a, b inheritsKey) int {
		return cmp.Or(cmp.Compare(a.child, b.child), cmp.Compare(a.order, b.order))
	})
	parents := map[pg.OID][]pg.OID{}
	for _, key := range keys {
		parents[key.child] = append(parents[key.child], all[key].row)
	}
	return parents
}

// Family lists a table and all tables that inherit from it at any depth, those
// with storage of their own only: the leaves of a partitioned table.
func (d *Database) Family(of *Relation) []*Relation {
	children := map[pg.OID][]*Relation{}
	for i := range d.Relations {
		for _, parent := range d.Relations[i].Parents {
			children[parent] = append(children[parent], &d.Relations[i])
		}
	}
	var family []*Relation
	seen := map[pg.OID]bool{of.OID: true} // a damaged catalog may lead in a circle, and a child may have two parents
	for queue := []*Relation{of}; len(queue) > 0; queue = queue[1:] {
		if queue[0].File.Relation != 0 {
			family = append(family, queue[0])
		}
		for _, child := range children[queue[0].OID] {
			if !seen[child.OID] {
				seen[child.OID] = true
				queue = append(queue, child)
			}
		}
	}
	return family
}

// Root finds the partitioned table that a partition is in the end a part of;
// nil for a relation that is no partition.
func (d *Database) Root(rel *Relation) *Relation {
	var root *Relation
	for range d.Relations { // no deeper than that, even in a circle
		if !rel.Partition || len(rel.Parents) == 0 {
			break
		}
		at := slices.IndexFunc(d.Relations, func(r Relation) bool { return r.OID == rel.Parents[0] })
		if at < 0 {
			break
		}
		rel = &d.Relations[at]
		root = rel
	}
	return root
}
