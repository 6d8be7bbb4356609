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
