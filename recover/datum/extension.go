package datum

import (
	"github.com/pgrescue/pgrescue/recover/catalog"
)

// extensionType is a base type of an extension. Its OID differs from database to
// database, so it is known by its name and shape.
type extensionType struct {
	name   string
	len    int16
	align  string
	append Append
}

// extensionTypes lists those of PostgreSQL's own extensions, of pgvector and of PostGIS.
func extensionTypes() []extensionType {
	return []extensionType{
		{"citext", -1, "i", appendText},
		{"hstore", -1, "i", appendHstore},
		{"ltree", -1, "i", appendLtree},
		{"lquery", -1, "i", appendLquery},
		{"ltxtquery", -1, "i", appendLtxtquery},
		{"query_int", -1, "i", appendQueryInt},
		{"cube", -1, "d", appendCube},
		{"seg", 12, "i", appendSeg},
		{"ean13", 8, "d", appendEAN13},
		{"isbn13", 8, "d", appendEAN13},
		{"ismn13", 8, "d", appendEAN13},
		{"issn13", 8, "d", appendEAN13},
		{"isbn", 8, "d", appendISN},
		{"ismn", 8, "d", appendISN},
		{"issn", 8, "d", appendISN},
		{"upc", 8, "d", appendISN},
		{"vector", -1, "i", appendEmbedding},
		{"halfvec", -1, "i", appendHalfvec},
		{"sparsevec", -1, "i", appendSparsevec},
		{"geometry", -1, "d", appendGeometry},
		{"geography", -1, "d", appendGeometry},
	}
}

// extensionAppend finds what decodes a base type that is not built in.
func extensionAppend(t *catalog.Type) (Append, bool) {
	for _, known := range extensionTypes() {
		if known.name == t.Name && known.len == t.Len && known.align == t.Align && t.Schema != systemSchema {
			return known.append, true
		}
	}
	return nil, false
}
