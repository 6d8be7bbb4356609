package catalog

import (
	"math"

	"github.com/pgrescue/pgrescue/recover/binreader"
	"github.com/pgrescue/pgrescue/recover/pg"
)

// The rows of the catalogs, reduced to what is used. Each decoder looks its
// columns up once and then reads record after record.

type databaseRow struct {
	oid         pg.OID
	name        string
	encoding    int32
	template    bool
	connectable bool
	tablespace  pg.OID
}

func databaseDecoder(t *table) func(*record) (pg.OID, databaseRow, bool) {
	oid, name, encoding := t.field("oid"), t.field("datname"), t.field("encoding")
	template, connectable, space := t.field("datistemplate"), t.field("datallowconn"), t.field("dattablespace")
	return func(r *record) (pg.OID, databaseRow, bool) {
		row := databaseRow{
			oid: r.oid(oid), name: r.name(name), encoding: r.int32(encoding),
			template: r.bool(template), connectable: r.bool(connectable), tablespace: r.oid(space),
		}
		return row.oid, row, row.oid != 0
	}
}

type classRow struct {
	oid, namespace, toast   pg.OID
	file                    pg.RelFileNumber // 0: mapped, or no storage
	tablespace              pg.OID           // 0: the database's own
	shared, partition       bool
	name                    string
	kind, persistence, repl string
	natts                   int16
	pages                   uint32  // relpages
	tuples                  float32 // reltuples
	rewrites                pg.OID  // relrewrite: the relation that this transient one is to replace
}

func classDecoder(t *table) func(*record) (pg.OID, classRow, bool) {
	oid, name, namespace := t.field("oid"), t.field("relname"), t.field("relnamespace")
	file, space, shared := t.field("relfilenode"), t.field("reltablespace"), t.field("relisshared")
	toast, kind, persistence := t.field("reltoastrelid"), t.field("relkind"), t.field("relpersistence")
	natts, repl, partition := t.field("relnatts"), t.field("relreplident"), t.field("relispartition")
	rewrites := t.field("relrewrite")
	pages, tuples := t.field("relpages"), t.field("reltuples")
	return func(r *record) (pg.OID, classRow, bool) {
		row := classRow{oid: r.oid(oid), kind: r.char(kind)}
		switch row.kind {
		case "r", "t", "m", "p", "S":
		default:
			return 0, classRow{}, false
		}
		row.name, row.namespace, row.toast = r.name(name), r.oid(namespace), r.oid(toast)
		row.file, row.tablespace, row.shared = pg.RelFileNumber(r.uint32(file)), r.oid(space), r.bool(shared)
		row.persistence, row.repl, row.natts = r.char(persistence), r.char(repl), r.int16(natts)
		row.partition = r.bool(partition)
		row.pages, row.tuples, row.rewrites = r.uint32(pages), rowCount(r.float32(tuples)), r.oid(rewrites)
		return row.oid, row, row.oid != 0
	}
}

// rowCount is reltuples, or -1 where a damaged row holds what is no number: JSON has no word for it.
func rowCount(reltuples float32) float32 {
	if math.IsNaN(float64(reltuples)) || math.IsInf(float64(reltuples), 0) {
		return -1
	}
	return reltuples
}

// attributeKey is the primary key of pg_attribute.
type attributeKey struct {
	relation pg.OID
	number   int16
}

func attributeDecoder(t *table) func(*record) (attributeKey, Attribute, bool) {
	relation, name, typ, length := t.field("attrelid"), t.field("attname"), t.field("atttypid"), t.field("attlen")
	number, typmod, align := t.field("attnum"), t.field("atttypmod"), t.field("attalign")
	notNull, identity, generated := t.field("attnotnull"), t.field("attidentity"), t.field("attgenerated")
	dropped, hasMissing, missing := t.field("attisdropped"), t.field("atthasmissing"), t.field("attmissingval")
	return func(r *record) (attributeKey, Attribute, bool) {
		key := attributeKey{r.oid(relation), r.int16(number)}
		if key.number <= 0 {
			return key, Attribute{}, false // a system column
		}
		row := Attribute{
			Number: key.number, Name: r.name(name), Type: r.oid(typ), TypeMod: r.int32(typmod),
			Len: r.int16(length), Align: r.char(align), Dropped: r.bool(dropped),
			NotNull: r.bool(notNull), Generated: r.char(generated), Identity: r.char(identity),
			MadeBy: r.tuple.RawXmin,
		}
		if r.bool(hasMissing) {
			value, ok := r.detoasted(missing)
			row.Missing, row.MissingUnknown = value, !ok
		}
		return key, row, true
	}
}

// typeRow is a Type whose schema is still a number.
type typeRow struct {
	Type
	namespace pg.OID
}

func typeDecoder(t *table) func(*record) (pg.OID, typeRow, bool) {
	oid, name, namespace, length := t.field("oid"), t.field("typname"), t.field("typnamespace"), t.field("typlen")
	align, kind, category, delimiter := t.field("typalign"), t.field("typtype"), t.field("typcategory"), t.field("typdelim")
	element, base, relation := t.field("typelem"), t.field("typbasetype"), t.field("typrelid")
	return func(r *record) (pg.OID, typeRow, bool) {
		row := typeRow{
			Type: Type{
				OID: r.oid(oid), Name: r.name(name), Len: r.int16(length), Align: r.char(align),
				Kind: r.char(kind), Category: r.char(category), Delimiter: r.char(delimiter),
				Element: r.oid(element), Base: r.oid(base), Relation: r.oid(relation),
			},
			namespace: r.oid(namespace),
		}
		return row.OID, row, row.OID != 0
	}
}

func namespaceDecoder(t *table) func(*record) (pg.OID, string, bool) {
	oid, name := t.field("oid"), t.field("nspname")
	return func(r *record) (pg.OID, string, bool) { return r.oid(oid), r.name(name), true }
}

type enumRow struct {
	EnumLabel
	of    pg.OID
	order float32
}

func enumDecoder(t *table) func(*record) (pg.OID, enumRow, bool) {
	oid, of, order, label := t.field("oid"), t.field("enumtypid"), t.field("enumsortorder"), t.field("enumlabel")
	return func(r *record) (pg.OID, enumRow, bool) {
		row := enumRow{EnumLabel: EnumLabel{OID: r.oid(oid), Label: r.name(label)}, of: r.oid(of), order: r.float32(order)}
		return row.OID, row, true
	}
}

// keyRow is a primary key: pg_index rows that are none are not kept.
type keyRow struct {
	relation pg.OID
	columns  []int16
}

func keyDecoder(t *table) func(*record) (pg.OID, keyRow, bool) {
	oid, relation, primary, live := t.field("indexrelid"), t.field("indrelid"), t.field("indisprimary"), t.field("indislive")
	keys, columns := t.field("indnkeyatts"), t.field("indkey")
	return func(r *record) (pg.OID, keyRow, bool) {
		if !r.bool(primary) || !r.bool(live) {
			return 0, keyRow{}, false
		}
		row := keyRow{relation: r.oid(relation), columns: int2Vector(r.bytes(columns))}
		if n := int(r.int16(keys)); n >= 0 && n < len(row.columns) {
			row.columns = row.columns[:n] // the others are merely included
		}
		return r.oid(oid), row, true
	}
}

// int2Vector decodes an int2vector, varlena header removed: ndim, dataoffset,
// elemtype, dim1, lbound1, values (c.h). Damage gives nil.
func int2Vector(raw []byte) []int16 {
	r := binreader.New(raw)
	r.Skip(3 * 4)
	count := r.Int32()
	r.Skip(4)
	if !r.OK() || count < 0 || int(count) > r.Remaining()/2 {
		return nil
	}
	values := make([]int16, count)
	for i := range values {
		values[i] = r.Int16()
	}
	return values
}
