package catalog

import (
	"context"
	"maps"
	"slices"

	"github.com/pgrescue/pgrescue/recover/pg"
)

// readRanges completes the types that are ranges and multiranges by pg_range.
func (d *databaseReader) readRanges(ctx context.Context) error {
	table := d.layout.rangeTable()
	rows, err := optional(ctx, d, &table, rangeDecoder(&table), "ranges of user types are not known")
	if err != nil {
		return err
	}
	for _, found := range []newest[pg.OID, rangeRow]{rows.gone, rows.live} {
		for _, v := range found {
			d.types.change(v.row.oid, func(t *typeRow) { t.Subtype = v.row.subtype })
			d.types.change(v.row.multirange, func(t *typeRow) { t.Range = v.row.oid })
		}
	}
	return nil
}

// typeWalk finds the types that are used, and what they are made of.
type typeWalk struct {
	*databaseReader
	used       map[pg.OID]bool
	composites map[pg.OID][]Attribute // by relation, of relations that are not the user's
}

// usedTypes keeps the user's types and every type that a column needs, with
// the types that those are made of, sorted by OID. Composites have their
// attributes when a column needs them.
func (d *databaseReader) usedTypes(relations []Relation, labels rows[pg.OID, enumRow], attributes rows[attributeKey, Attribute]) []Type {
	w := typeWalk{databaseReader: d, used: map[pg.OID]bool{}, composites: map[pg.OID][]Attribute{}}
	known := map[pg.OID]bool{}
	for i := range relations {
		known[relations[i].OID] = true
	}
	for _, found := range []newest[attributeKey, Attribute]{attributes.live, attributes.gone} {
		old := maps.Clone(w.composites) // an attribute that is gone is of use when the whole composite is
		for key, v := range found {
			if !known[key.relation] && old[key.relation] == nil {
				w.composites[key.relation] = append(w.composites[key.relation], v.row)
			}
		}
	}
	for i := range relations {
		for j := range relations[i].Attributes {
			w.need(relations[i].Attributes[j].Type)
		}
	}
	for oid, v := range d.types.live {
		if element, _ := d.types.find(v.row.Element); oid >= pg.FirstNormalOID && v.row.Kind != "c" && element.row.Kind != "c" {
			w.need(oid)
		}
	}
	d.needed = maps.Clone(w.used)
	all := w.namesTypes()
	for oid := range d.types.live {
		if all || oid >= pg.FirstNormalOID { // the row types of all relations are merely listed
			w.used[oid] = true
		}
	}
	return w.list(labels)
}

// need marks a type and all that it is made of.
func (w *typeWalk) need(oid pg.OID) {
	v, found := w.types.find(oid)
	if !found || w.used[oid] {
		return
	}
	w.used[oid] = true
	for _, part := range []pg.OID{v.row.Element, v.row.Base, v.row.Subtype, v.row.Range} {
		w.need(part)
	}
	if v.row.Kind == "c" {
		for _, a := range w.composites[v.row.Relation] {
			w.need(a.Type)
		}
	}
}

// namesTypes reports whether a value may name any type: its name is needed then.
func (w *typeWalk) namesTypes() bool {
	return w.used[regtypeOID] || w.used[regprocedureOID] || w.used[regoperatorOID]
}

// list puts the used types together.
func (w *typeWalk) list(labels rows[pg.OID, enumRow]) []Type {
	byType := map[pg.OID][]enumRow{}
	for _, found := range []newest[pg.OID, enumRow]{labels.live, labels.gone} {
		for _, v := range found {
			byType[v.row.of] = append(byType[v.row.of], v.row)
		}
	}
	var types []Type
	for _, oid := range slices.Sorted(maps.Keys(w.used)) {
		found, _ := w.types.find(oid)
		row := &found.row
		t := row.Type
		t.Schema, t.Name = w.schema(row.namespace), w.readable(t.Name, "pg_type of "+w.row.name)
		t.Labels, t.DroppedBy = w.labels(byType[oid]), found.by
		if columns := w.composites[t.Relation]; t.Kind == "c" && w.needed[oid] && len(columns) > 0 {
			t.Attributes = w.attributes(&Relation{Schema: t.Schema, Name: t.Name}, columns, len(columns))
		}
		types = append(types, t)
	}
	return types
}
