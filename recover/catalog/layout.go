package catalog

import (
	"fmt"
	"slices"

	"github.com/pgrescue/pgrescue/recover/heap"
	"github.com/pgrescue/pgrescue/recover/pg"
)

// OIDs of the catalogs that are read (CATALOG macros of catalog/pg_*.h); they
// are the same in all versions.
const (
	classOID     pg.OID = 1259
	attributeOID pg.OID = 1249
	typeOID      pg.OID = 1247
	namespaceOID pg.OID = 2615
	enumOID      pg.OID = 3501
	indexOID     pg.OID = 2610
	databaseOID  pg.OID = 1262
)

// OIDs of namespaces (catalog/pg_namespace.dat).
const (
	catalogNamespace pg.OID = 11
	toastNamespace   pg.OID = 99
	publicNamespace  pg.OID = 2200
)

// column is one column of a catalog: what Deform needs, and a name to find it by.
type column struct {
	name string
	attr heap.Attr
}

// table is the shape of one catalog in one version.
type table struct {
	oid     pg.OID
	name    string
	columns []column
}

// layout is the shape of all catalogs that are read, in one version. The next
// version is one more row of layouts; nothing else asks for a version number.
type layout struct {
	version        pg.Version
	catalogVersion uint32 // CATALOG_VERSION_NO in catalog/catversion.h

	class, attribute, types, namespace, enum, index, database table
}

// layoutOf finds the layout of a major version. A version that is not known
// gives an error that names it.
func layoutOf(version pg.Version) (*layout, error) {
	var known []pg.Version
	for _, l := range layouts() {
		if l.version == version {
			return l, nil
		}
		known = append(known, l.version)
	}
	return nil, fmt.Errorf("catalogs of PostgreSQL %d are not supported, only those of %v", version, known)
}

// layoutOfCatalogVersion finds a layout by the number in pg_control.
func layoutOfCatalogVersion(number uint32) (*layout, bool) {
	for _, l := range layouts() {
		if l.catalogVersion == number {
			return l, true
		}
	}
	return nil, false
}

// layouts is the table of versions. The shapes follow catalog/pg_*.h of each.
func layouts() []*layout {
	namespace, enum := namespace12(), enum12()
	return []*layout{
		{12, 201909212, class12(), attribute12(), type12(), namespace, enum, index12(), database12()},
		{13, 202007201, class12(), attribute12(), type12(), namespace, enum, index12(), database12()},
		{14, 202107181, class12(), attribute14(), type14(), namespace, enum, index12(), database12()},
		{15, 202209061, class12(), attribute14(), type14(), namespace, enum, index15(), database15()},
		{16, 202307071, class12(), attribute16(), type14(), namespace, enum, index15(), database15()},
		{17, 202406281, class12(), attribute17(), type14(), namespace, enum, index15(), database17()},
		{18, 202506291, class18(), attribute18(), type14(), namespace, enum, index15(), database17()},
	}
}

// tables lists the catalogs of a database; the shared pg_database is not one of them.
func (l *layout) tables() []table {
	return []table{l.class, l.attribute, l.types, l.namespace, l.enum, l.index, inheritsTable(), l.constraintTable()}
}

// The shapes that catalog columns have. A name is 64 bytes (NAMEDATALEN).
func oidColumn(name string) column      { return column{name, heap.Attr{Len: 4, Align: 4}} }
func int4Column(name string) column     { return column{name, heap.Attr{Len: 4, Align: 4}} }
func int2Column(name string) column     { return column{name, heap.Attr{Len: 2, Align: 2}} }
func charColumn(name string) column     { return column{name, heap.Attr{Len: 1, Align: 1}} }
func nameColumn(name string) column     { return column{name, heap.Attr{Len: 64, Align: 1}} }
func arrayColumn(name string) column    { return column{name, heap.Attr{Len: -1, Align: 4}} }
func anyarrayColumn(name string) column { return column{name, heap.Attr{Len: -1, Align: 8}} }

// wideArrayColumn is an array of elements that are aligned to eight bytes.
func wideArrayColumn(name string) column { return anyarrayColumn(name) }

// with is the table with columns put in behind one of its own; without that one
// it is as it was.
func (t table) with(after string, columns ...column) table {
	t.columns = slices.Clone(t.columns)
	if at := t.field(after); at != noField {
		t.columns = slices.Insert(t.columns, int(at)+1, columns...)
	}
	return t
}

// without is the table without some of its columns.
func (t table) without(names ...string) table {
	t.columns = slices.DeleteFunc(slices.Clone(t.columns), func(c column) bool { return slices.Contains(names, c.name) })
	return t
}

// attrs is what heap.Deform needs.
func (t *table) attrs() []heap.Attr {
	attrs := make([]heap.Attr, len(t.columns))
	for i, c := range t.columns {
		attrs[i] = c.attr
	}
	return attrs
}

// field is the place of a column in its table, or noField in a version that
// does not have the column.
type field int

const noField field = -1

// field finds a column by name.
func (t *table) field(name string) field {
	for i, c := range t.columns {
		if c.name == name {
			return field(i)
		}
	}
	return noField
}
