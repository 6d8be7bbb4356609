package catalog

import (
	"cmp"
	"slices"

	"github.com/pgrescue/pgrescue/recover/pg"
)

// constraintOID is pg_constraint; like the other catalogs it has the same number in all versions.
const constraintOID pg.OID = 2606

// ForeignKey is a row of pg_constraint: the child refers to the parent. Keys that
// partitions have from their table are left out.
type ForeignKey struct {
	Name          string  `json:"name"`
	Child         pg.OID  `json:"child"`
	Columns       []int16 `json:"columns"` // attribute numbers
	Parent        pg.OID  `json:"parent"`
	ParentColumns []int16 `json:"parent_columns"`
	OnDelete      string  `json:"on_delete"` // confdeltype: a, r, c, n, d
}

// OnDeleteText is what SQL calls a confdeltype (catalog/pg_constraint.h); "" for another letter.
func OnDeleteText(letter string) string {
	return map[string]string{"a": "NO ACTION", "r": "RESTRICT", "c": "CASCADE", "n": "SET NULL", "d": "SET DEFAULT"}[letter]
}

// constraintTable follows catalog/pg_constraint.h.
func (l *layout) constraintTable() table {
	t := table{constraintOID, "pg_constraint", []column{
		oidColumn("oid"), nameColumn("conname"), oidColumn("connamespace"), charColumn("contype"), charColumn("condeferrable"),
		charColumn("condeferred"), charColumn("convalidated"), oidColumn("conrelid"), oidColumn("contypid"), oidColumn("conindid"),
		oidColumn("conparentid"), oidColumn("confrelid"), charColumn("confupdtype"), charColumn("confdeltype"), charColumn("confmatchtype"),
		charColumn("conislocal"), int4Column("coninhcount"), charColumn("connoinherit"), arrayColumn("conkey"), arrayColumn("confkey"),
	}}
	if l.version >= 16 {
		t = t.without("coninhcount").with("conislocal", int2Column("coninhcount"))
	}
	if l.version >= 18 {
		t = t.with("condeferred", charColumn("conenforced")).with("connoinherit", charColumn("conperiod"))
	}
	return t
}

func foreignKeyDecoder(t *table) func(*record) (pg.OID, ForeignKey, bool) {
	oid, name, kind, child, parent := t.field("oid"), t.field("conname"), t.field("contype"), t.field("conrelid"), t.field("confrelid")
	inherited, onDelete, columns, parentColumns := t.field("conparentid"), t.field("confdeltype"), t.field("conkey"), t.field("confkey")
	return func(r *record) (pg.OID, ForeignKey, bool) {
		if r.char(kind) != "f" || r.oid(inherited) != 0 {
			return 0, ForeignKey{}, false
		}
		// An array of int2 without NULLs is built as an int2vector is.
		row := ForeignKey{
			Name: r.name(name), Child: r.oid(child), Columns: int2Vector(r.bytes(columns)), Parent: r.oid(parent),
			ParentColumns: int2Vector(r.bytes(parentColumns)), OnDelete: r.char(onDelete),
		}
		return r.oid(oid), row, row.Child != 0 && row.Parent != 0
	}
}

// foreignKeys lists the keys between the relations, by child and name: those that are there,
// and those that went with their table.
func (d *databaseReader) foreignKeys(found rows[pg.OID, ForeignKey], relations []Relation) []ForeignKey {
	known := make(map[pg.OID]bool, len(relations))
	for i := range relations {
		known[relations[i].OID] = true
	}
	var list []ForeignKey
	add := func(key ForeignKey) {
		if known[key.Child] && known[key.Parent] {
			key.Name = d.readable(key.Name, "pg_constraint of "+d.row.name)
			list = append(list, key)
		}
	}
	for _, v := range found.live {
		add(v.row)
	}
	for _, v := range found.gone {
		_, child := d.classes.gone[v.row.Child]
		_, parent := d.classes.gone[v.row.Parent]
		if child || parent {
			add(v.row)
		}
	}
	slices.SortFunc(list, func(a, b ForeignKey) int {
		return cmp.Or(cmp.Compare(a.Child, b.Child), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Parent, b.Parent))
	})
	return list
}

// ColumnNames names columns of a relation by their numbers; one that it has not is left out.
func (r *Relation) ColumnNames(numbers []int16) []string {
	var names []string
	for _, number := range numbers {
		if number > 0 && int(number) <= len(r.Attributes) {
			names = append(names, r.Attributes[number-1].Name)
		}
	}
	return names
}

// Reference is a foreign key with its two tables.
type Reference struct {
	*ForeignKey
	From, To *Relation // child and parent
}

// References lists the foreign keys whose tables are both known.
func (d *Database) References() []Reference {
	at := make(map[pg.OID]*Relation, len(d.Relations))
	for i := range d.Relations {
		at[d.Relations[i].OID] = &d.Relations[i]
	}
	var list []Reference
	for i := range d.ForeignKeys {
		key := &d.ForeignKeys[i]
		if from, to := at[key.Child], at[key.Parent]; from != nil && to != nil {
			list = append(list, Reference{key, from, to})
		}
	}
	return list
}
