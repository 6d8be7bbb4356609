package catalog

// layout15 is the shape of the catalogs in PostgreSQL 15. Trailing columns that
// nobody reads are left out: Deform does not need them.
func layout15() *layout {
	return &layout{
		version:        15,
		catalogVersion: 202209061,
		controlVersion: 1300,
		class:          class15(),
		attribute:      attribute15(),
		types:          type15(),
		namespace:      namespace15(),
		enum:           enum15(),
		index:          index15(),
		database:       database15(),
	}
}

// class15 follows catalog/pg_class.h.
func class15() table {
	return table{classOID, "pg_class", []column{
		oidColumn("oid"), nameColumn("relname"), oidColumn("relnamespace"), oidColumn("reltype"), oidColumn("reloftype"), oidColumn("relowner"),
		oidColumn("relam"), oidColumn("relfilenode"), oidColumn("reltablespace"), int4Column("relpages"), int4Column("reltuples"),
		int4Column("relallvisible"), oidColumn("reltoastrelid"), charColumn("relhasindex"), charColumn("relisshared"),
		charColumn("relpersistence"), charColumn("relkind"), int2Column("relnatts"), int2Column("relchecks"), charColumn("relhasrules"),
		charColumn("relhastriggers"), charColumn("relhassubclass"), charColumn("relrowsecurity"), charColumn("relforcerowsecurity"),
		charColumn("relispopulated"), charColumn("relreplident"), charColumn("relispartition"), oidColumn("relrewrite"),
	}}
}

// attribute15 follows catalog/pg_attribute.h.
func attribute15() table {
	return table{attributeOID, "pg_attribute", []column{
		oidColumn("attrelid"), nameColumn("attname"), oidColumn("atttypid"), int4Column("attstattarget"), int2Column("attlen"),
		int2Column("attnum"), int4Column("attndims"), int4Column("attcacheoff"), int4Column("atttypmod"), charColumn("attbyval"),
		charColumn("attalign"), charColumn("attstorage"), charColumn("attcompression"), charColumn("attnotnull"),
		charColumn("atthasdef"), charColumn("atthasmissing"), charColumn("attidentity"), charColumn("attgenerated"),
		charColumn("attisdropped"), charColumn("attislocal"), int4Column("attinhcount"), oidColumn("attcollation"),
		arrayColumn("attacl"), arrayColumn("attoptions"), arrayColumn("attfdwoptions"), anyarrayColumn("attmissingval"),
	}}
}

// type15 follows catalog/pg_type.h.
func type15() table {
	return table{typeOID, "pg_type", []column{
		oidColumn("oid"), nameColumn("typname"), oidColumn("typnamespace"), oidColumn("typowner"), int2Column("typlen"),
		charColumn("typbyval"), charColumn("typtype"), charColumn("typcategory"), charColumn("typispreferred"),
		charColumn("typisdefined"), charColumn("typdelim"), oidColumn("typrelid"), oidColumn("typsubscript"), oidColumn("typelem"),
		oidColumn("typarray"), oidColumn("typinput"), oidColumn("typoutput"), oidColumn("typreceive"), oidColumn("typsend"),
		oidColumn("typmodin"), oidColumn("typmodout"), oidColumn("typanalyze"), charColumn("typalign"), charColumn("typstorage"),
		charColumn("typnotnull"), oidColumn("typbasetype"), int4Column("typtypmod"), int4Column("typndims"),
	}}
}

// namespace15 follows catalog/pg_namespace.h.
func namespace15() table {
	return table{namespaceOID, "pg_namespace", []column{oidColumn("oid"), nameColumn("nspname")}}
}

// enum15 follows catalog/pg_enum.h.
func enum15() table {
	return table{enumOID, "pg_enum", []column{
		oidColumn("oid"), oidColumn("enumtypid"), int4Column("enumsortorder"), nameColumn("enumlabel"),
	}}
}

// index15 follows catalog/pg_index.h.
func index15() table {
	return table{indexOID, "pg_index", []column{
		oidColumn("indexrelid"), oidColumn("indrelid"), int2Column("indnatts"), int2Column("indnkeyatts"), charColumn("indisunique"),
		charColumn("indnullsnotdistinct"), charColumn("indisprimary"), charColumn("indisexclusion"), charColumn("indimmediate"),
		charColumn("indisclustered"), charColumn("indisvalid"), charColumn("indcheckxmin"), charColumn("indisready"),
		charColumn("indislive"), charColumn("indisreplident"), arrayColumn("indkey"),
	}}
}

// database15 follows catalog/pg_database.h.
func database15() table {
	return table{databaseOID, "pg_database", []column{
		oidColumn("oid"), nameColumn("datname"), oidColumn("datdba"), int4Column("encoding"), charColumn("datlocprovider"),
		charColumn("datistemplate"), charColumn("datallowconn"), int4Column("datconnlimit"), oidColumn("datfrozenxid"),
		oidColumn("datminmxid"), oidColumn("dattablespace"),
	}}
}
