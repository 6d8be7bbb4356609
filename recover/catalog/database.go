package catalog

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"

	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/heap"
	"github.com/pgrescue/pgrescue/recover/pg"
)

// databaseReader reads the catalogs of one database.
type databaseReader struct {
	*reader
	row  databaseRow
	base pg.RelFileLocator // of the database's own tablespace; Relation is zero
	maps RelMap

	classes newest[pg.OID, classRow]
	files   map[pg.OID][]pg.RelFileLocator // of every version of a pg_class row
	schemas newest[pg.OID, string]
	types   newest[pg.OID, typeRow]
}

// readDatabase reads one database. Without pg_class or pg_attribute it fails;
// without another catalog it goes on with a Gap.
func (r *reader) readDatabase(ctx context.Context, row databaseRow) (*Database, error) {
	d := &databaseReader{reader: r, row: row}
	if err := d.readClasses(ctx); err != nil {
		return nil, d.fail(err)
	}
	attributes, err := collect(ctx, &r.scanner, &r.layout.attribute, d.catalogFile(attributeOID), attributeDecoder(&r.layout.attribute))
	if err != nil {
		return nil, d.fail(err)
	}
	db := &Database{OID: row.oid, Name: row.name, Tablespace: row.tablespace, Encoding: encodingName(row.encoding)}
	if d.schemas, err = optional(ctx, d, &r.layout.namespace, namespaceDecoder(&r.layout.namespace), "schemas have no names"); err != nil {
		return nil, err
	}
	keys, err := optional(ctx, d, &r.layout.index, keyDecoder(&r.layout.index), "primary keys are not known")
	if err != nil {
		return nil, err
	}
	inherits := inheritsTable()
	parents, err := optional(ctx, d, &inherits, inheritsDecoder(&inherits), "parents of partitions are not known")
	if err != nil {
		return nil, err
	}
	db.Relations = d.relations(attributes, keys, parentsOf(parents))
	if d.types, err = optional(ctx, d, &r.layout.types, typeDecoder(&r.layout.types), "user types are not known"); err != nil {
		return nil, err
	}
	labels, err := optional(ctx, d, &r.layout.enum, enumDecoder(&r.layout.enum), "labels of enums are not known")
	if err != nil {
		return nil, err
	}
	db.Types = d.usedTypes(db.Relations, labels)
	return db, nil
}

// optional reads a catalog that can be done without.
func optional[K comparable, T any](ctx context.Context, d *databaseReader, t *table, decode func(*record) (K, T, bool), without string) (newest[K, T], error) {
	rows, err := collect(ctx, &d.scanner, t, d.catalogFile(t.oid), decode)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err != nil {
		d.gap("database "+d.row.name, t.name, err.Error(), without)
	}
	return rows, nil
}

// fail explains why a database cannot be read.
func (d *databaseReader) fail(cause error) error {
	err := &evidence.Error{Op: "catalog: read database", Place: d.row.name, Err: cause}
	if errors.Is(cause, fs.ErrNotExist) {
		err.Hint = "its catalogs are gone; use a snapshot file made from an intact copy, with --catalog FILE"
	}
	return err
}

// readClasses reads the map of file numbers and pg_class.
func (d *databaseReader) readClasses(ctx context.Context) error {
	d.base = pg.RelFileLocator{Tablespace: d.row.tablespace, Database: d.row.oid}
	dir, err := heap.DatabasePath(d.opts.DataDir, d.row.tablespace, d.row.oid)
	if err != nil {
		return err
	}
	d.maps = d.relMap(dir)
	d.files = map[pg.OID][]pg.RelFileLocator{}
	d.classes = newest[pg.OID, classRow]{}
	decode := classDecoder(&d.layout.class)
	err = d.scan(ctx, &d.layout.class, d.mapped(d.base, classOID, d.maps), func(rec *record) {
		key, row, ok := decode(rec)
		if !ok {
			return
		}
		d.classes.offer(key, row, d.judge.visibility(&rec.tuple), rec.tuple.Xmin())
		if file := d.file(&row); file.Relation != 0 && !slices.Contains(d.files[key], file) {
			d.files[key] = append(d.files[key], file)
		}
	})
	d.classes.prune()
	if err == nil && len(d.classes) == 0 {
		err = errors.New("pg_class holds no row that counts")
	}
	return err
}

// catalogFile finds the file of a catalog: in the map, in pg_class, or else by its OID.
func (d *databaseReader) catalogFile(catalog pg.OID) pg.RelFileLocator {
	if v, found := d.classes[catalog]; found {
		if file := d.file(&v.row); file.Relation != 0 {
			return file
		}
	}
	return d.mapped(d.base, catalog, d.maps)
}

// file names the main fork of a relation; zero when it has none
// (RelationInitPhysicalAddr in relcache.c).
func (d *databaseReader) file(row *classRow) pg.RelFileLocator {
	loc := d.base
	if row.tablespace != 0 {
		loc.Tablespace = row.tablespace
	}
	if row.shared {
		loc.Tablespace, loc.Database = pg.GlobalTablespace, 0
	}
	loc.Relation = row.file
	if row.file == 0 && !row.shared {
		loc.Relation = d.maps[row.oid]
	}
	if loc.Relation == 0 {
		return pg.RelFileLocator{}
	}
	return loc
}

// relations puts the user's relations and their TOAST relations together,
// sorted by schema and name.
func (d *databaseReader) relations(attributes newest[attributeKey, Attribute], keys newest[pg.OID, keyRow], parents map[pg.OID][]pg.OID) []Relation {
	wanted := d.userRelations()
	columns := map[pg.OID][]Attribute{}
	for key, v := range attributes {
		if wanted[key.relation] {
			columns[key.relation] = append(columns[key.relation], v.row)
		}
	}
	primary := map[pg.OID][]int16{}
	for _, v := range keys {
		primary[v.row.relation] = v.row.columns
	}
	var relations []Relation
	for oid := range wanted {
		row := d.classes[oid].row
		rel := Relation{
			OID: oid, Schema: d.schema(row.namespace), Name: d.readable(row.name, "pg_class of "+d.row.name),
			Kind: row.kind, Persistence: row.persistence, ReplicaIdentity: row.repl,
			File: d.file(&row), Toast: row.toast, PrimaryKey: primary[oid],
			Parents: parents[oid], Partition: row.partition,
		}
		rel.FormerFiles = d.formerFiles(oid, rel.File)
		rel.Attributes = d.attributes(&rel, columns[oid], int(row.natts))
		if rel.check() != nil {
			rel.PrimaryKey = nil // it names columns whose rows are lost: see the Gap
		}
		relations = append(relations, rel)
	}
	slices.SortFunc(relations, func(a, b Relation) int {
		return cmp.Or(cmp.Compare(a.Schema, b.Schema), cmp.Compare(a.Name, b.Name), cmp.Compare(a.OID, b.OID))
	})
	return relations
}

// userRelations chooses by schema: all but the system's own and those of
// sessions (temporary ones, which neither WAL nor a restart know). A TOAST
// relation comes with its owner.
func (d *databaseReader) userRelations() map[pg.OID]bool {
	wanted := map[pg.OID]bool{}
	for oid, v := range d.classes {
		row := &v.row
		if row.namespace == catalogNamespace || row.namespace == toastNamespace || row.kind == "t" ||
			row.persistence == "t" || d.schemas[row.namespace].row == "information_schema" {
			continue
		}
		wanted[oid] = true
		if toast, found := d.classes[row.toast]; found && toast.row.kind == "t" {
			wanted[row.toast] = true
		}
	}
	return wanted
}

// formerFiles are the files that other versions of the relation's row name.
func (d *databaseReader) formerFiles(oid pg.OID, current pg.RelFileLocator) []pg.RelFileLocator {
	var former []pg.RelFileLocator
	for _, file := range d.files[oid] {
		if file != current {
			former = append(former, file)
		}
	}
	slices.SortFunc(former, pg.RelFileLocator.Compare)
	return former
}

// attributes sorts and checks the columns of a relation. Behind a column
// whose row is lost nothing can be found in a tuple, so the columns end there.
func (d *databaseReader) attributes(rel *Relation, columns []Attribute, natts int) []Attribute {
	slices.SortFunc(columns, func(a, b Attribute) int { return int(a.Number) - int(b.Number) })
	for i := range columns {
		columns[i].Name = d.readable(columns[i].Name, "pg_attribute of "+d.row.name)
		if columns[i].MissingUnknown {
			d.gap("database "+d.row.name, fmt.Sprintf("default of column %s of %s.%s", columns[i].Name, rel.Schema, rel.Name),
				"attmissingval cannot be read", "the column is unknown in rows that are older than it")
		}
		if int(columns[i].Number) != i+1 || !validShape(columns[i].Len, columns[i].Align) {
			columns = columns[:i]
			break
		}
	}
	if len(columns) < natts {
		d.gap("database "+d.row.name, fmt.Sprintf("columns of %s.%s", rel.Schema, rel.Name),
			fmt.Sprintf("pg_attribute describes %d of %d", len(columns), natts), fmt.Sprintf("columns from number %d on cannot be decoded", len(columns)+1))
	}
	return columns
}

// validShape checks what Deform relies on.
func validShape(length int16, align string) bool {
	return (length > 0 || length == -1 || length == -2) && (align == "c" || align == "s" || align == "i" || align == "d")
}

// schema names a namespace; one whose row is lost is named by its OID.
func (d *databaseReader) schema(oid pg.OID) string {
	if v, found := d.schemas[oid]; found {
		text, _ := readableName(v.row)
		return text
	}
	switch oid {
	case catalogNamespace:
		return "pg_catalog"
	case toastNamespace:
		return "pg_toast"
	}
	return fmt.Sprintf("schema_%d", oid)
}

// usedTypes keeps the user's types and every type that a column needs, with
// the types that those are made of, sorted by OID.
func (d *databaseReader) usedTypes(relations []Relation, labels newest[pg.OID, enumRow]) []Type {
	used := map[pg.OID]bool{}
	var need func(oid pg.OID)
	need = func(oid pg.OID) {
		v, found := d.types[oid]
		if !found || used[oid] {
			return
		}
		used[oid] = true
		need(v.row.Element)
		need(v.row.Base)
	}
	for oid := range d.types {
		if oid >= pg.FirstNormalOID {
			need(oid)
		}
	}
	for i := range relations {
		for j := range relations[i].Attributes {
			need(relations[i].Attributes[j].Type)
		}
	}
	byType := map[pg.OID][]enumRow{}
	for _, v := range labels {
		byType[v.row.of] = append(byType[v.row.of], v.row)
	}
	var types []Type
	for _, oid := range slices.Sorted(maps.Keys(used)) {
		row := d.types[oid].row
		t := row.Type
		t.Schema, t.Name = d.schema(row.namespace), d.readable(t.Name, "pg_type of "+d.row.name)
		t.Labels = d.labels(byType[oid])
		types = append(types, t)
	}
	return types
}

// labels sorts the labels of one enum as it compares them.
func (d *databaseReader) labels(rows []enumRow) []EnumLabel {
	slices.SortFunc(rows, func(a, b enumRow) int {
		return cmp.Or(cmp.Compare(a.order, b.order), cmp.Compare(a.OID, b.OID))
	})
	var labels []EnumLabel
	for _, row := range rows {
		row.Label = d.readable(row.Label, "pg_enum of "+d.row.name)
		labels = append(labels, row.EnumLabel)
	}
	return labels
}
