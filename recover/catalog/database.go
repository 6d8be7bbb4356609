package catalog

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"

	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/pg"
)

// databaseReader reads the catalogs of one database.
type databaseReader struct {
	*reader
	row  databaseRow
	base pg.RelFileLocator // of the database's own tablespace; Relation is zero
	maps RelMap

	classes  rows[pg.OID, classRow]
	located  rows[pg.OID, classRow]    // as they are now, whatever Options.NotYet says: by these the files are found
	versions map[pg.OID][]classVersion // of every pg_class row
	rewrites map[rewrite]bool
	schemas  rows[pg.OID, string]
	types    rows[pg.OID, typeRow]
	needed   map[pg.OID]bool // types that a column can hold
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
	db := &Database{
		OID: row.oid, Name: row.name, Tablespace: row.tablespace, Encoding: encodingName(row.encoding), Version: r.layout.version,
	}
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
	db.Relations, db.Sequences = d.relations(attributes, keys, d.parentsOf(parents)), d.sequences()
	constraints := r.layout.constraintTable()
	foreign, err := optional(ctx, d, &constraints, foreignKeyDecoder(&constraints), "foreign keys are not known")
	if err != nil {
		return nil, err
	}
	db.ForeignKeys = d.foreignKeys(foreign, db.Relations)
	if d.types, err = optional(ctx, d, &r.layout.types, typeDecoder(&r.layout.types), "user types are not known"); err != nil {
		return nil, err
	}
	labels, err := optional(ctx, d, &r.layout.enum, enumDecoder(&r.layout.enum), "labels of enums are not known")
	if err != nil {
		return nil, err
	}
	if err := d.readRanges(ctx); err != nil {
		return nil, err
	}
	db.Types = d.usedTypes(db.Relations, labels, attributes)
	if db.Names, err = d.readNames(ctx); err != nil {
		return nil, err
	}
	return db, nil
}

// optional reads a catalog that can be done without.
func optional[K comparable, T any](ctx context.Context, d *databaseReader, t *table, decode func(*record) (K, T, bool), without string) (rows[K, T], error) {
	found, err := collect(ctx, &d.scanner, t, d.catalogFile(t.oid), decode)
	if ctx.Err() != nil {
		return found, ctx.Err()
	}
	if err != nil {
		d.gap("database "+d.row.name, t.name, err.Error(), without)
	}
	return found, nil
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
	dir, err := d.opts.dir().DatabasePath(d.row.tablespace, d.row.oid)
	if err != nil {
		return err
	}
	d.maps = d.relMap(dir)
	loc, first := d.mapped(d.base, classOID, d.maps), d.mapped(d.base, classOID, nil)
	itself, err := d.readClassFile(ctx, loc)
	if itself || loc == first || ctx.Err() != nil {
		return err
	}
	// A map that is sound and wrong: one of another database, or of another time.
	named, why := *d, err
	d.maps = nil
	itself, err = d.readClassFile(ctx, first)
	if err != nil || !itself {
		*d = named
		return why
	}
	if why == nil {
		why = errors.New("pg_class's own row is not in it")
	}
	d.gap(relativePath(d.opts.DataDir, filepath.Join(dir, "pg_filenode.map")), "file numbers of catalogs",
		fmt.Sprintf("it says that pg_class is file %d: %v", loc.Relation, why), "they are taken to be the numbers that initdb gave")
	return nil
}

// readClassFile reads pg_class from one file, and reports whether pg_class itself is
// in it. It does so again with what the files tell of transactions that nothing else
// knows the end of.
func (d *databaseReader) readClassFile(ctx context.Context, loc pg.RelFileLocator) (itself bool, err error) {
	unsettled := newUnsettled()
	itself, err = d.readClassRows(ctx, loc, unsettled)
	if err == nil && d.assume(unsettled) {
		itself, err = d.readClassRows(ctx, loc, newUnsettled())
	}
	return itself, err
}

func (d *databaseReader) readClassRows(ctx context.Context, loc pg.RelFileLocator, unsettled *unsettled) (itself bool, err error) {
	d.classes, d.located = newRows[pg.OID, classRow](), newRows[pg.OID, classRow]()
	now := d.judge
	now.notYet = nil
	d.versions, d.rewrites = map[pg.OID][]classVersion{}, map[rewrite]bool{}
	decode := classDecoder(&d.layout.class)
	err = d.scan(ctx, &d.layout.class, loc, func(rec *record) {
		if key, row, ok := decode(rec); ok {
			f := d.judge.fate(rec)
			d.classes.offer(key, row, rec, f)
			d.remember(key, &row, rec, f)
			unsettled.note(d, key, &row, rec)
			if row.namespace == catalogNamespace {
				d.located.offer(key, row, rec, now.fate(rec))
			}
		}
	})
	d.classes.prune()
	d.located.prune()
	if err == nil && len(d.classes.live) == 0 {
		err = fmt.Errorf("pg_class (file %s) holds no row that counts", loc)
	}
	_, itself = d.classes.live[classOID]
	return itself, err
}

// catalogFile finds the file of a catalog: in the map, in pg_class, or else by its OID.
func (d *databaseReader) catalogFile(catalog pg.OID) pg.RelFileLocator {
	if v, found := d.located.live[catalog]; found {
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
// sorted by schema and name; of one name, those that are gone come last.
func (d *databaseReader) relations(attributes rows[attributeKey, Attribute], keys rows[pg.OID, keyRow], parents map[pg.OID][]pg.OID) []Relation {
	wanted := d.userRelations()
	columns := columnsOf(attributes.live, attributes.gone, wanted)
	primary := map[pg.OID][]int16{}
	for _, found := range []newest[pg.OID, keyRow]{keys.gone, keys.live} {
		for _, v := range found {
			primary[v.row.relation] = v.row.columns
		}
	}
	var relations []Relation
	for oid := range wanted {
		class, _ := d.classes.find(oid)
		row := &class.row
		rel := Relation{
			OID: oid, Schema: d.schema(row.namespace), Name: d.readable(row.name, "pg_class of "+d.row.name),
			Kind: row.kind, Persistence: row.persistence, ReplicaIdentity: row.repl,
			File: d.file(row), Toast: row.toast, PrimaryKey: primary[oid],
			DroppedBy: class.by, Pages: row.pages, Rows: row.tuples,
			Parents: parents[oid], Partition: row.partition,
		}
		rel.FormerFiles, rel.FileChanges = d.formerFiles(oid, rel.File)
		rel.Attributes = d.attributes(&rel, columns[oid], int(row.natts))
		if rel.check() != nil {
			rel.PrimaryKey = nil // it names columns whose rows are lost: see the Gap
		}
		relations = append(relations, rel)
	}
	d.toastRewrites(relations)
	slices.SortFunc(relations, func(a, b Relation) int {
		return cmp.Or(cmp.Compare(a.Schema, b.Schema), cmp.Compare(a.Name, b.Name), cmp.Compare(a.DroppedBy, b.DroppedBy), cmp.Compare(a.OID, b.OID))
	})
	return relations
}

// columnsOf sorts columns by their relations. Those that are gone are the
// columns of relations that are gone: a column that is merely dropped keeps its row.
func columnsOf(live, gone newest[attributeKey, Attribute], wanted map[pg.OID]bool) map[pg.OID][]Attribute {
	columns := map[pg.OID][]Attribute{}
	for _, found := range []newest[attributeKey, Attribute]{live, gone} {
		for key, v := range found {
			if wanted[key.relation] {
				columns[key.relation] = append(columns[key.relation], v.row)
			}
		}
	}
	return columns
}

// userRelations chooses by schema: all but the system's own and those of
// sessions (temporary ones, which neither WAL nor a restart know). A TOAST
// relation comes with its owner. Relations that are gone are among them.
func (d *databaseReader) userRelations() map[pg.OID]bool {
	wanted := map[pg.OID]bool{}
	for _, found := range []newest[pg.OID, classRow]{d.classes.live, d.classes.gone} {
		for oid, v := range found {
			row := &v.row
			if !d.usersOwn(row) || row.kind == "t" || row.kind == "S" {
				continue
			}
			wanted[oid] = true
			if toast, found := d.classes.find(row.toast); found && toast.row.kind == "t" {
				wanted[row.toast] = true
			}
		}
	}
	return wanted
}

// usersOwn tells the user's relations from those of the system and of sessions,
// and from transient ones that a rewrite fills.
func (d *databaseReader) usersOwn(row *classRow) bool {
	schema, _ := d.schemas.find(row.namespace)
	return row.namespace != catalogNamespace && row.namespace != toastNamespace && row.persistence != "t" &&
		row.rewrites == 0 && schema.row != "information_schema"
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
	if rel.DroppedBy != 0 {
		rel.ColumnsLost = max(0, natts-len(columns)) // VACUUM takes dead rows: that is no damage
		return columns
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
	if v, found := d.schemas.find(oid); found {
		text, _ := readableName(v.row)
		return text
	}
	switch oid {
	case catalogNamespace:
		return "pg_catalog"
	case toastNamespace:
		return "pg_toast"
	case publicNamespace:
		return "public"
	}
	return fmt.Sprintf("schema_%d", oid)
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
