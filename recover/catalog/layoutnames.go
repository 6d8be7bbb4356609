package catalog

import (
	"github.com/pgrescue/pgrescue/recover/pg"
)

// The catalogs below are read for few types only: pg_range for ranges, the
// others to name what a value of a reg* type or an aclitem refers to. Their
// leading columns, which are all that is read, are the same from 12 to 18,
// except where a table is per version.

const (
	rangeOID     pg.OID = 3541
	procOID      pg.OID = 1255
	operatorOID  pg.OID = 2617
	authidOID    pg.OID = 1260
	tsConfigOID  pg.OID = 3602
	tsDictOID    pg.OID = 3600
	collationOID pg.OID = 3456
)

// rangeTable follows catalog/pg_range.h: multiranges came with 14.
func (l *layout) rangeTable() table {
	shapes := []struct {
		from    pg.Version
		columns []column
	}{
		{12, []column{oidColumn("rngtypid"), oidColumn("rngsubtype")}},
		{14, []column{oidColumn("rngtypid"), oidColumn("rngsubtype"), oidColumn("rngmultitypid")}},
	}
	t := table{rangeOID, "pg_range", shapes[0].columns}
	for _, shape := range shapes {
		if l.version >= shape.from {
			t.columns = shape.columns
		}
	}
	return t
}

// procTable follows catalog/pg_proc.h.
func procTable() table {
	return table{procOID, "pg_proc", []column{
		oidColumn("oid"), nameColumn("proname"), oidColumn("pronamespace"), oidColumn("proowner"), oidColumn("prolang"),
		int4Column("procost"), int4Column("prorows"), oidColumn("provariadic"), oidColumn("prosupport"), charColumn("prokind"),
		charColumn("prosecdef"), charColumn("proleakproof"), charColumn("proisstrict"), charColumn("proretset"), charColumn("provolatile"),
		charColumn("proparallel"), int2Column("pronargs"), int2Column("pronargdefaults"), oidColumn("prorettype"), arrayColumn("proargtypes"),
	}}
}

// operatorTable follows catalog/pg_operator.h.
func operatorTable() table {
	return table{operatorOID, "pg_operator", []column{
		oidColumn("oid"), nameColumn("oprname"), oidColumn("oprnamespace"), oidColumn("oprowner"), charColumn("oprkind"),
		charColumn("oprcanmerge"), charColumn("oprcanhash"), oidColumn("oprleft"), oidColumn("oprright"),
	}}
}

// authidTable follows catalog/pg_authid.h. It is shared by all databases.
func authidTable() table {
	return table{authidOID, "pg_authid", []column{oidColumn("oid"), nameColumn("rolname")}}
}

// tsConfigTable follows catalog/pg_ts_config.h.
func tsConfigTable() table {
	return table{tsConfigOID, "pg_ts_config", []column{oidColumn("oid"), nameColumn("cfgname"), oidColumn("cfgnamespace")}}
}

// tsDictTable follows catalog/pg_ts_dict.h.
func tsDictTable() table {
	return table{tsDictOID, "pg_ts_dict", []column{oidColumn("oid"), nameColumn("dictname"), oidColumn("dictnamespace")}}
}

// collationTable follows catalog/pg_collation.h.
func collationTable() table {
	return table{collationOID, "pg_collation", []column{oidColumn("oid"), nameColumn("collname"), oidColumn("collnamespace")}}
}

// relationNameTable is what names any relation in pg_class, whatever its kind.
func relationNameTable() table {
	return table{classOID, "pg_class", []column{oidColumn("oid"), nameColumn("relname"), oidColumn("relnamespace")}}
}

// lookupTables lists those of a database; the shared pg_authid is not one of them.
func (l *layout) lookupTables() []table {
	return []table{l.rangeTable(), procTable(), operatorTable(), tsConfigTable(), tsDictTable(), collationTable()}
}
