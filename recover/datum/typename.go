package datum

import (
	"fmt"
	"strconv"

	"github.com/pgrescue/pgrescue/recover/pg"
)

// typmodHeader is what the type modifiers of varchar, bpchar and numeric carry
// on top (VARHDRSZ).
const typmodHeader = 4

// TypeName names a type as format_type does when public is in the search path:
// SQL's own names, the modifier, a schema other than pg_catalog and public. A
// typmod of -1 is none. It is empty when the type is not known.
func (g *Registry) TypeName(oid pg.OID, typmod int32) string {
	t, ok := g.types[oid]
	if !ok {
		return ""
	}
	if isArray(t) {
		if element := g.elementName(t.Element, typmod); element != "" {
			return element + "[]"
		}
	}
	return g.elementName(oid, typmod)
}

// elementName names a type that is not looked into.
func (g *Registry) elementName(oid pg.OID, typmod int32) string {
	t, ok := g.types[oid]
	switch {
	case !ok:
		return ""
	case t.Schema != systemSchema && t.Schema != "public" && t.Schema != "":
		return g.quoteName(t.Schema) + "." + g.quoteName(t.Name)
	case t.Schema != systemSchema:
		return g.quoteName(t.Name)
	}
	switch oid {
	case oidBpchar:
		if typmod < 0 {
			return "bpchar"
		}
		return "character" + lengthTypmod(typmod-typmodHeader)
	case oidVarchar:
		return "character varying" + lengthTypmod(typmod-typmodHeader)
	case oidBit:
		if typmod < 0 {
			return `"bit"`
		}
		return "bit" + lengthTypmod(typmod)
	case oidVarbit:
		return "bit varying" + lengthTypmod(typmod)
	case oidNumeric:
		return "numeric" + numericTypmod(typmod)
	case oidTime, oidTimestamp:
		return t.Name + lengthTypmod(typmod) + " without time zone"
	case oidTimeTZ, oidTimestampTZ:
		return t.Name[:len(t.Name)-len("tz")] + lengthTypmod(typmod) + " with time zone"
	case oidInterval:
		return "interval" + intervalTypmod(typmod)
	}
	return sqlName(t.Name)
}

// sqlName gives the SQL standard's name of a built-in type.
func sqlName(name string) string {
	switch name {
	case "bool":
		return "boolean"
	case "int2":
		return "smallint"
	case "int4":
		return "integer"
	case "int8":
		return "bigint"
	case "float4":
		return "real"
	case "float8":
		return "double precision"
	case "char": // the type of one byte, which is not character(1)
		return `"char"`
	}
	return name
}

func lengthTypmod(n int32) string {
	if n < 0 {
		return ""
	}
	return "(" + strconv.Itoa(int(n)) + ")"
}

// numericTypmod takes precision and scale apart; the scale may be negative
// since 15 (numerictypmodout in numeric.c).
func numericTypmod(typmod int32) string {
	if typmod < typmodHeader {
		return ""
	}
	word := typmod - typmodHeader
	return fmt.Sprintf("(%d,%d)", word>>16&0xFFFF, word&0x7FF^1024-1024)
}

// intervalTypmod names the fields and the precision of an interval
// (intervaltypmodout in timestamp.c). The bits are those of datetime.h.
func intervalTypmod(typmod int32) string {
	if typmod < 0 {
		return ""
	}
	const (
		month, year, day     = 1 << 1, 1 << 2, 1 << 3
		hour, minute, second = 1 << 10, 1 << 11, 1 << 12
		fullPrecision        = 0xFFFF
	)
	fields := ""
	switch typmod >> 16 & 0x7FFF {
	case year:
		fields = " year"
	case month:
		fields = " month"
	case day:
		fields = " day"
	case hour:
		fields = " hour"
	case minute:
		fields = " minute"
	case second:
		fields = " second"
	case year | month:
		fields = " year to month"
	case day | hour:
		fields = " day to hour"
	case day | hour | minute:
		fields = " day to minute"
	case day | hour | minute | second:
		fields = " day to second"
	case hour | minute:
		fields = " hour to minute"
	case hour | minute | second:
		fields = " hour to second"
	case minute | second:
		fields = " minute to second"
	}
	if precision := typmod & fullPrecision; precision != fullPrecision {
		fields += lengthTypmod(precision)
	}
	return fields
}
