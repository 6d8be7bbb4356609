package datum

import (
	"errors"
	"fmt"
	"slices"

	"github.com/pgrescue/pgrescue/recover/catalog"
	"github.com/pgrescue/pgrescue/recover/heap"
	"github.com/pgrescue/pgrescue/recover/pg"
)

// Append decodes one datum and appends its text to dst. raw is the bytes of a
// fixed-length type, of a varlena without its header, unpacked, or of a C string
// without its NUL. It does not keep raw. When it fails, what it appended means nothing.
type Append func(dst, raw []byte) ([]byte, error)

// ErrUnsupported is wrapped by the errors of ForType; they name the type.
var ErrUnsupported = errors.New("type is not supported yet")

// maxText is the longest text that a server can print, in bytes (MaxAllocSize
// in utils/memutils.h). Damaged numbers can be far longer than their bytes, so
// what holds many of them stops there.
const maxText = 0x3FFFFFFF

var errTooLong = errors.New("the value's text is longer than 1 GB")

const systemSchema = "pg_catalog"

// maxNesting bounds the steps from a domain or an array to the type beneath;
// a damaged catalog may lead in a circle.
const maxNesting = 32

// Registry knows the types of one database: the built-in ones by their fixed
// OIDs, the users' own from the catalog.
type Registry struct {
	types   map[pg.OID]*catalog.Type
	appends map[pg.OID]Append
}

// NewRegistry makes the registry of a database. A nil db has the built-in types only.
func NewRegistry(db *catalog.Database) *Registry {
	g := &Registry{types: make(map[pg.OID]*catalog.Type), appends: make(map[pg.OID]Append)}
	if db != nil {
		for i := range db.Types {
			g.types[db.Types[i].OID] = &db.Types[i]
		}
	}
	for _, b := range builtins() {
		types := b.types()
		g.types[types[0].OID], g.types[types[1].OID] = &types[0], &types[1]
		if b.append != nil {
			g.appends[b.oid] = b.append
		}
	}
	return g
}

// ForType finds what decodes a type: a built-in base type, an enum, a domain, or
// an array of one of these. The error wraps ErrUnsupported and names the type.
func (g *Registry) ForType(oid pg.OID) (Append, error) { return g.forType(oid, 0) }

func (g *Registry) forType(oid pg.OID, depth int) (Append, error) {
	if found, ok := g.appends[oid]; ok {
		return found, nil
	}
	t, ok := g.types[oid]
	if !ok {
		return nil, fmt.Errorf("%w: OID %d, which the catalog at hand does not know", ErrUnsupported, oid)
	}
	if depth > maxNesting {
		return nil, fmt.Errorf("%w: %s leads in a circle", ErrUnsupported, g.TypeName(oid, -1))
	}
	made, err := g.make(t, depth)
	if err != nil {
		return nil, err
	}
	g.appends[oid] = made
	return made, nil
}

// make makes what decodes a type that is not a built-in base type.
func (g *Registry) make(t *catalog.Type, depth int) (Append, error) {
	switch {
	case t.Kind == "d":
		return g.forType(t.Base, depth+1)
	case t.Kind == "e":
		labels := make(map[uint32]string, len(t.Labels))
		for _, label := range t.Labels {
			labels[uint32(label.OID)] = label.Label
		}
		return (&enumType{name: g.TypeName(t.OID, -1), labels: labels}).append, nil
	case isArray(t):
		element, ok := g.types[t.Element]
		if !ok {
			break
		}
		each, err := g.forType(t.Element, depth+1)
		if err != nil {
			return nil, err
		}
		if element.Len == 0 || element.Len < -1 {
			break
		}
		a := &arrayType{
			element: t.Element, append: each, delimiter: ',',
			attr: heap.Attr{Len: element.Len, Align: catalog.AlignBytes(element.Align)},
		}
		if element.Delimiter != "" {
			a.delimiter = element.Delimiter[0]
		}
		return a.appendArray, nil
	}
	return nil, fmt.Errorf("%w: %s", ErrUnsupported, g.TypeName(t.OID, -1))
}

// isArray reports whether a type is a true array (IsTrueArrayType): it has
// elements and a variable length, and is none of the old vectors.
func isArray(t *catalog.Type) bool {
	return t.Element != 0 && t.Len == -1 && t.Category == "A"
}

// holdsText reports whether the type's values are characters in the database's
// encoding, or domains or arrays of such.
func (g *Registry) holdsText(oid pg.OID) bool {
	for range maxNesting {
		t, ok := g.types[oid]
		switch {
		case !ok:
			return false
		case t.Kind == "d":
			oid = t.Base
		case isArray(t):
			oid = t.Element
		default:
			return slices.Contains([]pg.OID{oidText, oidName, oidJSON, oidJSONB, oidBpchar, oidVarchar}, oid)
		}
	}
	return false
}
