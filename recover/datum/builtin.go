package datum

import (
	"github.com/pgrescue/pgrescue/recover/catalog"
	"github.com/pgrescue/pgrescue/recover/pg"
)

// builtin is a base type that every database has, with its fixed OIDs
// (catalog/pg_type.dat).
type builtin struct {
	oid, array pg.OID // array is 0 where there is none
	name       string
	len        int16
	align      string
	append     Append // nil: made for each Registry, see its builtins
}

// The types that are spoken of elsewhere too.
const (
	oidName        pg.OID = 19
	oidText        pg.OID = 25
	oidJSON        pg.OID = 114
	oidJSONB       pg.OID = 3802
	oidBpchar      pg.OID = 1042
	oidVarchar     pg.OID = 1043
	oidBit         pg.OID = 1560
	oidVarbit      pg.OID = 1562
	oidTime        pg.OID = 1083
	oidTimestamp   pg.OID = 1114
	oidTimestampTZ pg.OID = 1184
	oidTimeTZ      pg.OID = 1266
	oidChar        pg.OID = 18
	oidInterval    pg.OID = 1186
	oidNumeric     pg.OID = 1700
	oidACLItem     pg.OID = 1033
	oidXML         pg.OID = 142
	oidRefcursor   pg.OID = 1790
	oidTSVector    pg.OID = 3614
	oidTSQuery     pg.OID = 3615
	oidJSONPath    pg.OID = 4072
	oidMinmaxMulti pg.OID = 4601
)

// builtins lists the base types of pg_type.dat that a table can have.
func builtins() []builtin {
	return []builtin{
		{16, 1000, "bool", 1, "c", appendBool},
		{17, 1001, "bytea", -1, "i", appendBytea},
		{oidChar, 1002, "char", 1, "c", appendChar},
		{oidName, 1003, "name", 64, "c", appendName},
		{20, 1016, "int8", 8, "d", appendInt8},
		{21, 1005, "int2", 2, "s", appendInt2},
		{23, 1007, "int4", 4, "i", appendInt4},
		{oidText, 1009, "text", -1, "i", appendText},
		{26, 1028, "oid", 4, "i", appendUint4},
		{28, 1011, "xid", 4, "i", appendUint4},
		{29, 1012, "cid", 4, "i", appendUint4},
		{oidJSON, 199, "json", -1, "i", appendText},
		{5069, 271, "xid8", 8, "d", appendUint8},
		{650, 651, "cidr", -1, "i", appendCIDR},
		{700, 1021, "float4", 4, "i", appendFloat4},
		{701, 1022, "float8", 8, "d", appendFloat8},
		{774, 775, "macaddr8", 8, "i", appendMacaddr8},
		{829, 1040, "macaddr", 6, "i", appendMacaddr},
		{869, 1041, "inet", -1, "i", appendInet},
		{oidBpchar, 1014, "bpchar", -1, "i", appendText},
		{oidVarchar, 1015, "varchar", -1, "i", appendText},
		{1082, 1182, "date", 4, "i", appendDate},
		{oidTime, 1183, "time", 8, "d", appendTime},
		{oidTimestamp, 1115, "timestamp", 8, "d", appendTimestamp},
		{oidTimestampTZ, 1185, "timestamptz", 8, "d", appendTimestampTZ},
		{oidInterval, 1187, "interval", 16, "d", appendInterval},
		{oidTimeTZ, 1270, "timetz", 12, "d", appendTimeTZ},
		{oidNumeric, 1231, "numeric", -1, "i", appendNumeric},
		{2950, 2951, "uuid", 16, "c", appendUUID},
		{oidJSONB, 3807, "jsonb", -1, "i", appendJSONB},

		{22, 1006, "int2vector", -1, "i", appendInt2Vector},
		{24, 1008, "regproc", 4, "i", nil},
		{27, 1010, "tid", 6, "s", appendTID},
		{30, 1013, "oidvector", -1, "i", appendOIDVector},
		{oidXML, 143, "xml", -1, "i", appendXML},
		{194, 0, "pg_node_tree", -1, "i", appendText},
		{600, 1017, "point", 16, "d", appendPoint},
		{601, 1018, "lseg", 32, "d", appendLseg},
		{602, 1019, "path", -1, "d", appendPath},
		{603, 1020, "box", 32, "d", appendBox},
		{604, 1027, "polygon", -1, "d", appendPolygon},
		{628, 629, "line", 24, "d", appendLine},
		{718, 719, "circle", 24, "d", appendCircle},
		{790, 791, "money", 8, "d", appendMoney},
		{oidACLItem, 1034, "aclitem", 12, "i", nil},
		{oidBit, 1561, "bit", -1, "i", appendBits},
		{oidVarbit, 1563, "varbit", -1, "i", appendBits},
		{oidRefcursor, 2201, "refcursor", -1, "i", appendText},
		{2202, 2207, "regprocedure", 4, "i", nil},
		{2203, 2208, "regoper", 4, "i", nil},
		{2204, 2209, "regoperator", 4, "i", nil},
		{2205, 2210, "regclass", 4, "i", nil},
		{2206, 2211, "regtype", 4, "i", nil},
		{2970, 2949, "txid_snapshot", -1, "d", appendSnapshot},
		{3220, 3221, "pg_lsn", 8, "d", appendLSN},
		{3361, 0, "pg_ndistinct", -1, "i", appendNDistinct},
		{3402, 0, "pg_dependencies", -1, "i", appendDependencies},
		{oidTSVector, 3643, "tsvector", -1, "i", appendTSVector},
		{oidTSQuery, 3645, "tsquery", -1, "i", appendTSQuery},
		{3642, 3644, "gtsvector", -1, "i", appendGTSVector},
		{3734, 3735, "regconfig", 4, "i", nil},
		{3769, 3770, "regdictionary", 4, "i", nil},
		{oidJSONPath, 4073, "jsonpath", -1, "i", nil},
		{4089, 4090, "regnamespace", 4, "i", nil},
		{4096, 4097, "regrole", 4, "i", nil},
		{4191, 4192, "regcollation", 4, "i", nil},
		{4600, 0, "pg_brin_bloom_summary", -1, "i", appendBloomSummary},
		{oidMinmaxMulti, 0, "pg_brin_minmax_multi_summary", -1, "i", nil},
		{5017, 0, "pg_mcv_list", -1, "i", appendBytea},
		{5038, 5039, "pg_snapshot", -1, "d", appendSnapshot},
	}
}

// builtinRange is a range type that every database has, with its multirange
// (catalog/pg_range.dat).
type builtinRange struct {
	oid, array, multirange, multirangeArray pg.OID
	name, multirangeName                    string
	subtype                                 pg.OID
	align                                   string
}

func builtinRanges() []builtinRange {
	return []builtinRange{
		{3904, 3905, 4451, 6150, "int4range", "int4multirange", 23, "i"},
		{3906, 3907, 4532, 6151, "numrange", "nummultirange", oidNumeric, "i"},
		{3908, 3909, 4533, 6152, "tsrange", "tsmultirange", oidTimestamp, "d"},
		{3910, 3911, 4534, 6153, "tstzrange", "tstzmultirange", oidTimestampTZ, "d"},
		{3912, 3913, 4535, 6155, "daterange", "datemultirange", 1082, "i"},
		{3926, 3927, 4536, 6157, "int8range", "int8multirange", 20, "d"},
	}
}

// types gives the range, the multirange and the array types of both as pg_type
// and pg_range have them.
func (b *builtinRange) types() []catalog.Type {
	one := builtin{oid: b.oid, array: b.array, name: b.name, len: -1, align: b.align}
	many := builtin{oid: b.multirange, array: b.multirangeArray, name: b.multirangeName, len: -1, align: b.align}
	ranges, multiranges := one.types(), many.types()
	ranges[0].Kind, ranges[0].Category, ranges[0].Subtype = "r", "R", b.subtype
	multiranges[0].Kind, multiranges[0].Category, multiranges[0].Range = "m", "R", b.oid
	return append(ranges[:], multiranges[:]...)
}

// types gives the type and its array type as pg_type has them.
func (b *builtin) types() [2]catalog.Type {
	delimiter := ","
	if b.name == "box" {
		delimiter = ";"
	}
	arrayAlign := "i"
	if b.align == "d" {
		arrayAlign = "d"
	}
	return [2]catalog.Type{
		{OID: b.oid, Schema: systemSchema, Name: b.name, Len: b.len, Align: b.align, Kind: "b", Delimiter: delimiter},
		{OID: b.array, Schema: systemSchema, Name: "_" + b.name, Len: -1, Align: arrayAlign, Kind: "b", Category: "A", Delimiter: delimiter, Element: b.oid},
	}
}
