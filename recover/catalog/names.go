package catalog

import (
	"cmp"
	"context"
	"slices"

	"github.com/pgrescue/pgrescue/recover/binreader"
	"github.com/pgrescue/pgrescue/recover/pg"
)

// The types whose values refer to objects by OID (catalog/pg_type.dat).
const (
	regprocOID       pg.OID = 24
	aclitemOID       pg.OID = 1033
	regprocedureOID  pg.OID = 2202
	regoperOID       pg.OID = 2203
	regoperatorOID   pg.OID = 2204
	regclassOID      pg.OID = 2205
	regtypeOID       pg.OID = 2206
	regconfigOID     pg.OID = 3734
	regdictionaryOID pg.OID = 3769
	regnamespaceOID  pg.OID = 4089
	regroleOID       pg.OID = 4096
	regcollationOID  pg.OID = 4191
)

// Names are what values of the reg* types and of aclitem refer to. A list is
// read only when a column of the database can refer to it.
type Names struct {
	Relations    []ObjectName `json:"relations,omitempty"`
	Functions    []ObjectName `json:"functions,omitempty"`
	Operators    []ObjectName `json:"operators,omitempty"`
	Roles        []ObjectName `json:"roles,omitempty"`
	Schemas      []ObjectName `json:"schemas,omitempty"`
	Configs      []ObjectName `json:"text_search_configurations,omitempty"`
	Dictionaries []ObjectName `json:"text_search_dictionaries,omitempty"`
	Collations   []ObjectName `json:"collations,omitempty"`
}

// ObjectName is the name of one object.
type ObjectName struct {
	OID       pg.OID   `json:"oid"`
	Schema    string   `json:"schema,omitempty"`
	Name      string   `json:"name"`
	Arguments []pg.OID `json:"arguments,omitempty"` // types; of an operator left and right, 0 for none
}

// objectRow is an ObjectName whose schema is still a number.
type objectRow struct {
	ObjectName
	namespace pg.OID
}

type objectDecoder func(*record) (pg.OID, objectRow, bool)

// named decodes a catalog by the columns of its name and its namespace.
func named(t *table, nameColumn, namespaceColumn string) objectDecoder {
	oid, name, namespace := t.field("oid"), t.field(nameColumn), t.field(namespaceColumn)
	return func(r *record) (pg.OID, objectRow, bool) {
		row := objectRow{ObjectName: ObjectName{OID: r.oid(oid), Name: r.name(name)}, namespace: r.oid(namespace)}
		return row.OID, row, row.OID != 0
	}
}

func procDecoder(t *table) objectDecoder {
	base, arguments := named(t, "proname", "pronamespace"), t.field("proargtypes")
	return func(r *record) (pg.OID, objectRow, bool) {
		oid, row, ok := base(r)
		row.Arguments = oidVector(r.bytes(arguments))
		return oid, row, ok
	}
}

func operatorDecoder(t *table) objectDecoder {
	base, left, right := named(t, "oprname", "oprnamespace"), t.field("oprleft"), t.field("oprright")
	return func(r *record) (pg.OID, objectRow, bool) {
		oid, row, ok := base(r)
		row.Arguments = []pg.OID{r.oid(left), r.oid(right)}
		return oid, row, ok
	}
}

type rangeRow struct {
	oid, subtype, multirange pg.OID
}

func rangeDecoder(t *table) func(*record) (pg.OID, rangeRow, bool) {
	oid, subtype, multirange := t.field("rngtypid"), t.field("rngsubtype"), t.field("rngmultitypid")
	return func(r *record) (pg.OID, rangeRow, bool) {
		row := rangeRow{oid: r.oid(oid), subtype: r.oid(subtype), multirange: r.oid(multirange)}
		return row.oid, row, row.oid != 0
	}
}

// oidVector decodes an oidvector, varlena header removed, which is built as an
// int2vector is. Damage gives nil.
func oidVector(raw []byte) []pg.OID {
	r := binreader.New(raw)
	r.Skip(3 * 4)
	count := r.Int32()
	r.Skip(4)
	if !r.OK() || count < 0 || int(count) > r.Remaining()/4 {
		return nil
	}
	values := make([]pg.OID, count)
	for i := range values {
		values[i] = pg.OID(r.Uint32())
	}
	return values
}

// readNames reads the names that columns of the database may need; nil if none.
func (d *databaseReader) readNames(ctx context.Context) (*Names, error) {
	relations, procs, operators := relationNameTable(), procTable(), operatorTable()
	configs, dictionaries, collations := tsConfigTable(), tsDictTable(), collationTable()
	names := &Names{}
	lists := []struct {
		of     []pg.OID // types that refer to it
		into   *[]ObjectName
		table  *table
		decode objectDecoder
	}{
		{[]pg.OID{regclassOID}, &names.Relations, &relations, named(&relations, "relname", "relnamespace")},
		{[]pg.OID{regprocOID, regprocedureOID}, &names.Functions, &procs, procDecoder(&procs)},
		{[]pg.OID{regoperOID, regoperatorOID}, &names.Operators, &operators, operatorDecoder(&operators)},
		{[]pg.OID{regconfigOID}, &names.Configs, &configs, named(&configs, "cfgname", "cfgnamespace")},
		{[]pg.OID{regdictionaryOID}, &names.Dictionaries, &dictionaries, named(&dictionaries, "dictname", "dictnamespace")},
		{[]pg.OID{regcollationOID}, &names.Collations, &collations, named(&collations, "collname", "collnamespace")},
	}
	found := false
	for _, list := range lists {
		if !d.refersTo(list.of...) {
			continue
		}
		found = true
		rows, err := optional(ctx, d, list.table, list.decode, "values that refer to it stay numbers")
		if err != nil {
			return nil, err
		}
		*list.into = d.objectNames(rows, list.table.name)
	}
	if d.refersTo(regroleOID, aclitemOID) {
		found = true
		roles := authidTable()
		rows, err := collect(ctx, &d.scanner, &roles, d.sharedFile(roles.oid), named(&roles, "rolname", ""))
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err != nil {
			d.gap(roles.name, "names of roles", err.Error(), "values that refer to roles stay numbers")
		}
		names.Roles = d.objectNames(rows, roles.name)
	}
	if d.refersTo(regnamespaceOID) {
		found = true
		for oid := range d.schemas.live {
			names.Schemas = append(names.Schemas, ObjectName{OID: oid, Name: d.schema(oid)})
		}
		sortObjects(names.Schemas)
	}
	if !found {
		return nil, nil
	}
	return names, nil
}

// refersTo reports whether a column can hold one of the types.
func (d *databaseReader) refersTo(types ...pg.OID) bool {
	return slices.ContainsFunc(types, func(oid pg.OID) bool { return d.needed[oid] })
}

// objectNames sorts the names by OID.
func (d *databaseReader) objectNames(found rows[pg.OID, objectRow], where string) []ObjectName {
	var names []ObjectName
	for _, v := range found.live {
		name := v.row.ObjectName
		name.Name = d.readable(name.Name, where+" of "+d.row.name)
		if v.row.namespace != 0 {
			name.Schema = d.schema(v.row.namespace)
		}
		names = append(names, name)
	}
	sortObjects(names)
	return names
}

func sortObjects(names []ObjectName) {
	slices.SortFunc(names, func(a, b ObjectName) int { return cmp.Compare(a.OID, b.OID) })
}
