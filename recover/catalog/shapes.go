package catalog

// The shapes of the catalogs, each named by the first version that has it; a
// later one is told by what is different. Trailing columns that nobody reads are
// left out: Deform does not need them.

// class12 follows catalog/pg_class.h of 12 to 17.
func class12() table {
	return table{classOID, "pg_class", []column{
		oidColumn("oid"), nameColumn("relname"), oidColumn("relnamespace"), oidColumn("reltype"), oidColumn("reloftype"), oidColumn("relowner"),
		oidColumn("relam"), oidColumn("relfilenode"), oidColumn("reltablespace"), int4Column("relpages"), int4Column("reltuples"),
		int4Column("relallvisible"), oidColumn("reltoastrelid"), charColumn("relhasindex"), charColumn("relisshared"),
		charColumn("relpersistence"), charColumn("relkind"), int2Column("relnatts"), int2Column("relchecks"), charColumn("relhasrules"),
		charColumn("relhastriggers"), charColumn("relhassubclass"), charColumn("relrowsecurity"), charColumn("relforcerowsecurity"),
		charColumn("relispopulated"), charColumn("relreplident"), charColumn("relispartition"), oidColumn("relrewrite"),
	}}
}

// class18 follows catalog/pg_class.h of 18.
func class18() table {
	return class12().with("relallvisible", int4Column("relallfrozen"))
}

// attribute12 follows catalog/pg_attribute.h of 12 and 13.
func attribute12() table {
	return table{attributeOID, "pg_attribute", []column{
		oidColumn("attrelid"), nameColumn("attname"), oidColumn("atttypid"), int4Column("attstattarget"), int2Column("attlen"),
		int2Column("attnum"), int4Column("attndims"), int4Column("attcacheoff"), int4Column("atttypmod"), charColumn("attbyval"),
		charColumn("attstorage"), charColumn("attalign"), charColumn("attnotnull"),
		charColumn("atthasdef"), charColumn("atthasmissing"), charColumn("attidentity"), charColumn("attgenerated"),
		charColumn("attisdropped"), charColumn("attislocal"), int4Column("attinhcount"), oidColumn("attcollation"),
		arrayColumn("attacl"), arrayColumn("attoptions"), arrayColumn("attfdwoptions"), anyarrayColumn("attmissingval"),
	}}
}

// attribute14 follows catalog/pg_attribute.h of 14 and 15.
func attribute14() table {
	return attribute12().without("attstorage").with("attalign", charColumn("attstorage"), charColumn("attcompression"))
}

// attribute16 follows catalog/pg_attribute.h of 16, where aclitem is aligned to
// eight bytes, and with it an array of them.
func attribute16() table {
	return attribute14().without("attstattarget", "attndims", "attinhcount", "attacl").
		with("atttypmod", int2Column("attndims")).
		with("attislocal", int2Column("attinhcount"), int2Column("attstattarget")).
		with("attcollation", wideArrayColumn("attacl"))
}

// attribute17 follows catalog/pg_attribute.h of 17.
func attribute17() table {
	return attribute16().without("attstattarget").with("attcollation", int2Column("attstattarget"))
}

// attribute18 follows catalog/pg_attribute.h of 18.
func attribute18() table { return attribute17().without("attcacheoff") }

// type12 follows catalog/pg_type.h of 12 and 13.
func type12() table {
	return table{typeOID, "pg_type", []column{
		oidColumn("oid"), nameColumn("typname"), oidColumn("typnamespace"), oidColumn("typowner"), int2Column("typlen"),
		charColumn("typbyval"), charColumn("typtype"), charColumn("typcategory"), charColumn("typispreferred"),
		charColumn("typisdefined"), charColumn("typdelim"), oidColumn("typrelid"), oidColumn("typelem"),
		oidColumn("typarray"), oidColumn("typinput"), oidColumn("typoutput"), oidColumn("typreceive"), oidColumn("typsend"),
		oidColumn("typmodin"), oidColumn("typmodout"), oidColumn("typanalyze"), charColumn("typalign"), charColumn("typstorage"),
		charColumn("typnotnull"), oidColumn("typbasetype"), int4Column("typtypmod"), int4Column("typndims"),
	}}
}

// type14 follows catalog/pg_type.h of 14 to 18.
func type14() table { return type12().with("typrelid", oidColumn("typsubscript")) }

// namespace12 follows catalog/pg_namespace.h of 12 to 18.
func namespace12() table {
	return table{namespaceOID, "pg_namespace", []column{oidColumn("oid"), nameColumn("nspname")}}
}

// enum12 follows catalog/pg_enum.h of 12 to 18.
func enum12() table {
	return table{enumOID, "pg_enum", []column{
		oidColumn("oid"), oidColumn("enumtypid"), int4Column("enumsortorder"), nameColumn("enumlabel"),
	}}
}

// index12 follows catalog/pg_index.h of 12 to 14.
func index12() table {
	return table{indexOID, "pg_index", []column{
		oidColumn("indexrelid"), oidColumn("indrelid"), int2Column("indnatts"), int2Column("indnkeyatts"), charColumn("indisunique"),
		charColumn("indisprimary"), charColumn("indisexclusion"), charColumn("indimmediate"),
		charColumn("indisclustered"), charColumn("indisvalid"), charColumn("indcheckxmin"), charColumn("indisready"),
		charColumn("indislive"), charColumn("indisreplident"), arrayColumn("indkey"),
	}}
}

// index15 follows catalog/pg_index.h of 15 to 18.
func index15() table { return index12().with("indisunique", charColumn("indnullsnotdistinct")) }

// database12 follows catalog/pg_database.h of 12 to 14.
func database12() table {
	return table{databaseOID, "pg_database", []column{
		oidColumn("oid"), nameColumn("datname"), oidColumn("datdba"), int4Column("encoding"), nameColumn("datcollate"),
		nameColumn("datctype"), charColumn("datistemplate"), charColumn("datallowconn"), int4Column("datconnlimit"),
		oidColumn("datlastsysoid"), oidColumn("datfrozenxid"), oidColumn("datminmxid"), oidColumn("dattablespace"),
	}}
}

// database15 follows catalog/pg_database.h of 15 and 16.
func database15() table {
	return database12().without("datcollate", "datctype", "datlastsysoid").with("encoding", charColumn("datlocprovider"))
}

// database17 follows catalog/pg_database.h of 17 and 18.
func database17() table { return database15().with("datallowconn", charColumn("dathasloginevt")) }
