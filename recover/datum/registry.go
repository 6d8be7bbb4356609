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
// OIDs, the users' own and those of extensions from the catalog.
type Registry struct {
	db       *catalog.Database // may be nil
	dialect  dialect
	types    map[pg.OID]*catalog.Type
	appends  map[pg.OID]Append
	keywords []string // made when the first name is printed
}

// NewRegistry makes the registry of a database. A nil db has the built-in types only.
func NewRegistry(db *catalog.Database) *Registry {
	g := &Registry{db: db, types: make(map[pg.OID]*catalog.Type), dialect: dialectOf(0)}
	if db != nil {
		g.dialect = dialectOf(db.Version)
		for i := range db.Types {
			g.types[db.Types[i].OID] = &db.Types[i]
		}
	}
	known := g.types[oidACLItem]
	g.appends = g.references()
	for _, b := range builtins() {
		types := b.types()
		g.types[types[0].OID] = &types[0]
		if b.array != 0 {
			g.types[types[1].OID] = &types[1]
		}
		if b.append != nil {
			g.appends[b.oid] = b.append
		}
	}
	for _, b := range builtinRanges() {
		for _, t := range b.types() {
			g.types[t.OID] = &t
		}
	}
	g.appends[oidJSONPath] = pathAppender(&g.dialect)
	g.appends[oidMinmaxMulti] = g.appendMinmaxMulti
	if g.dialect.infiniteInterval {
		g.appends[oidInterval] = appendInfiniteInterval
	}
	if g.dialect.rawChars {
		g.appends[oidChar] = appendRawChar
	}
	if known != nil { // the only built-in type that has changed its size
		g.types[oidACLItem] = known
	}
	return g
}

// ForType finds what decodes a type: a built-in base type, an enum, a domain, a
// composite, a range, a multirange, a type of a known extension, or an array of
// one of these. The error wraps ErrUnsupported and names the type.
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
	case t.Kind == "c":
		return g.newComposite(t, depth)
	case t.Kind == "r":
		return g.newRange(t.OID, t, depth)
	case t.Kind == "m":
		if of, ok := g.types[t.Range]; ok {
			return g.newRange(t.OID, of, depth)
		}
	case isArray(t):
		return g.newArray(t, depth)
	case t.Kind == "b":
		if known, ok := extensionAppend(t); ok {
			return known, nil
		}
	}
	return nil, g.unsupported(t)
}

func (g *Registry) unsupported(t *catalog.Type) error {
	return fmt.Errorf("%w: %s", ErrUnsupported, g.TypeName(t.OID, -1))
}

// newArray finds what decodes an array.
func (g *Registry) newArray(t *catalog.Type, depth int) (Append, error) {
	each, err := g.newMember(t, t.Element, depth)
	if err != nil {
		return nil, err
	}
	a := &arrayType{element: t.Element, append: each.append, delimiter: ',', attr: each.attr}
	if delimiter := g.types[t.Element].Delimiter; delimiter != "" {
		a.delimiter = delimiter[0]
	}
	return a.appendArray, nil
}

// newRange finds what decodes a range type, or the multirange of it with the OID.
func (g *Registry) newRange(oid pg.OID, of *catalog.Type, depth int) (Append, error) {
	bound, err := g.newMember(of, of.Subtype, depth)
	if err != nil {
		return nil, err
	}
	t := &rangeType{oid: oid, bound: bound}
	if oid != of.OID {
		return t.appendMulti, nil
	}
	return t.append, nil
}

// newMember finds what decodes the values that a type's values hold.
func (g *Registry) newMember(t *catalog.Type, oid pg.OID, depth int) (member, error) {
	of, ok := g.types[oid]
	if !ok || of.Len == 0 || of.Len < -2 {
		return member{}, g.unsupported(t)
	}
	each, err := g.forType(oid, depth+1)
	if err != nil {
		return member{}, err
	}
	return member{append: each, attr: heap.Attr{Len: of.Len, Align: catalog.AlignBytes(of.Align)}}, nil
}

// isArray reports whether a type is a true array (IsTrueArrayType): it has
// elements and a variable length, and is none of the old vectors.
func isArray(t *catalog.Type) bool {
	return t.Element != 0 && t.Len == -1 && t.Category == "A"
}

// holdsText reports whether the type's values may have characters in the
// database's encoding; those of the other types are printed in ASCII.
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
		case t.Kind == "c" || t.Kind == "r" || t.Kind == "m" || oid >= pg.FirstNormalOID:
			return true
		default:
			return slices.Contains([]pg.OID{
				oidText, oidName, oidJSON, oidJSONB, oidBpchar, oidVarchar, oidXML, oidTSVector, oidTSQuery, oidJSONPath, oidRefcursor,
			}, oid)
		}
	}
	return false
}
