package datum

import (
	"slices"
	"strings"

	"github.com/pgrescue/pgrescue/recover/pg"
)

// SQL's keywords that a name has to be quoted for (quote_identifier in
// ruleutils.c): all but the unreserved ones of parser/kwlist.h, sorted.
const keywords = `
	all analyse analyze and any array as asc asymmetric authorization between bigint binary bit boolean both case cast char character
	check coalesce collate collation column concurrently constraint create cross current_catalog current_date current_role
	current_schema current_time current_timestamp current_user dec decimal default deferrable desc distinct do else end except exists
	extract false fetch float for foreign freeze from full grant greatest group grouping having ilike in initially inner inout int
	integer intersect interval into is isnull join lateral leading least left like limit localtime localtimestamp national natural
	nchar none not notnull null nullif numeric offset on only or order out outer overlaps overlay placing position precision primary
	real references returning right row select session_user setof similar smallint some substring symmetric table tablesample then
	time timestamp to trailing treat trim true union unique user using values varchar variadic verbose when where window with
	xmlattributes xmlconcat xmlelement xmlexists xmlforest xmlnamespaces xmlparse xmlpi xmlroot xmlserialize xmltable`

// newKeywords are those that later versions have too.
func newKeywords() []struct {
	from  pg.Version
	words string
} {
	return []struct {
		from  pg.Version
		words string
	}{
		{13, "normalize"},
		{16, "json_array json_arrayagg json_object json_objectagg system_user"},
		{17, "json json_exists json_query json_scalar json_serialize json_table json_value merge_action"},
	}
}

// quoteName quotes an identifier where this version of PostgreSQL does.
func (g *Registry) quoteName(name string) string {
	if g.keywords == nil {
		g.keywords = strings.Fields(keywords)
		for _, more := range newKeywords() {
			if g.dialect.version >= more.from {
				g.keywords = append(g.keywords, strings.Fields(more.words)...)
			}
		}
		slices.Sort(g.keywords)
	}
	if _, reserved := slices.BinarySearch(g.keywords, name); reserved {
		return pg.QuoteIdentAlways(name)
	}
	return pg.QuoteIdent(name)
}
