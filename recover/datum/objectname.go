package datum

import (
	"bytes"
	"strconv"
	"strings"

	"github.com/pgrescue/pgrescue/recover/binreader"
	"github.com/pgrescue/pgrescue/recover/catalog"
	"github.com/pgrescue/pgrescue/recover/pg"
)

// Values of the reg* types are OIDs that print as names. A name stands alone
// where it would be found without its schema: in pg_catalog, then in public. A
// number that no object has, or whose name is not at hand, stays a number, which
// the server reads back as the same value.

// objects are the objects of one catalog.
type objects struct {
	list   []catalog.ObjectName
	byOID  map[pg.OID]*catalog.ObjectName
	byName map[string][]*catalog.ObjectName
}

func newObjects(list []catalog.ObjectName) *objects {
	o := &objects{list: list, byOID: make(map[pg.OID]*catalog.ObjectName, len(list)), byName: make(map[string][]*catalog.ObjectName, len(list))}
	for i := range list {
		o.byOID[list[i].OID] = &list[i]
		o.byName[list[i].Name] = append(o.byName[list[i].Name], &list[i])
	}
	return o
}

// sameArguments compares the types of arguments.
func sameArguments(a, b *catalog.ObjectName) bool {
	if len(a.Arguments) != len(b.Arguments) {
		return false
	}
	for i := range a.Arguments {
		if a.Arguments[i] != b.Arguments[i] {
			return false
		}
	}
	return true
}

// visible reports whether the object is found by its name, and its arguments if
// it has any, without its schema (RelationIsVisible and the like in namespace.c).
func (o *objects) visible(object *catalog.ObjectName) bool {
	if object.Schema == systemSchema || object.Schema == "" {
		return true
	}
	if object.Schema != "public" {
		return false
	}
	for _, other := range o.byName[object.Name] {
		if other.Schema == systemSchema && sameArguments(object, other) {
			return false
		}
	}
	return true
}

// unique reports whether the object is the only one that its bare name finds,
// whatever the arguments (FuncnameGetCandidates in namespace.c).
func (o *objects) unique(object *catalog.ObjectName) bool {
	for _, other := range o.byName[object.Name] {
		if other != object && o.visible(other) {
			return false
		}
	}
	return o.visible(object)
}

// nameStyle says how a kind of reference is printed.
type nameStyle struct {
	none      string // what 0 prints as
	bareName  bool   // the name is an operator's, which is never quoted
	alone     bool   // without arguments: the schema is left out only if the name is unique
	arguments func(dst []byte, object *catalog.ObjectName) []byte
}

// referenceAppender makes the Append of one reg* type.
func (g *Registry) referenceAppender(list func(*catalog.Names) []catalog.ObjectName, style nameStyle) Append {
	var known *objects // made by the first value: few tables have one
	return func(dst, raw []byte) ([]byte, error) {
		r := binreader.New(raw)
		oid := pg.OID(r.Uint32())
		if err := whole(&r, "reference"); err != nil {
			return dst, err
		}
		if oid == 0 {
			return append(dst, style.none...), nil
		}
		if known == nil {
			known = newObjects(list(g.names()))
		}
		object, found := known.byOID[oid]
		if !found {
			return strconv.AppendUint(dst, uint64(oid), 10), nil
		}
		bare := known.visible(object)
		if style.alone {
			bare = known.unique(object)
		}
		if !bare {
			dst = append(append(dst, g.quoteName(object.Schema)...), '.')
		}
		if style.bareName {
			dst = append(dst, object.Name...)
		} else {
			dst = append(dst, g.quoteName(object.Name)...)
		}
		if style.arguments != nil {
			dst = style.arguments(dst, object)
		}
		return dst, nil
	}
}

// names are those that the catalog at hand has; none at all is fine.
func (g *Registry) names() *catalog.Names {
	if g.db == nil || g.db.Names == nil {
		return &catalog.Names{}
	}
	return g.db.Names
}

// appendRegtype follows regtypeout (regproc.c).
func (g *Registry) appendRegtype(dst, raw []byte) ([]byte, error) {
	r := binreader.New(raw)
	oid := pg.OID(r.Uint32())
	if err := whole(&r, "regtype"); err != nil {
		return dst, err
	}
	if oid == 0 {
		return append(dst, '-'), nil
	}
	return g.appendTypeName(dst, oid), nil
}

// appendTypeName prints a type as format_type_be does, which tells no modifier
// from none; a type that is not known is printed as a number.
func (g *Registry) appendTypeName(dst []byte, oid pg.OID) []byte {
	name := g.TypeName(oid, -1)
	element, array := strings.CutSuffix(name, "[]")
	switch {
	case name == "":
		return strconv.AppendUint(dst, uint64(oid), 10)
	case element == "bpchar":
		element = "character"
	case element == `"bit"`:
		element = "bit"
	}
	dst = append(dst, element...)
	if array {
		dst = append(dst, "[]"...)
	}
	return dst
}

// appendSignature prints the types of a function's arguments (format_procedure in regproc.c).
func (g *Registry) appendSignature(dst []byte, object *catalog.ObjectName) []byte {
	dst = append(dst, '(')
	for i, argument := range object.Arguments {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = g.appendTypeName(dst, argument)
	}
	return append(dst, ')')
}

// appendOperands prints the types of an operator's operands (format_operator in regproc.c).
func (g *Registry) appendOperands(dst []byte, object *catalog.ObjectName) []byte {
	dst = append(dst, '(')
	for i, operand := range object.Arguments {
		if i > 0 {
			dst = append(dst, ',')
		}
		if operand == 0 {
			dst = append(dst, "NONE"...)
			continue
		}
		dst = g.appendTypeName(dst, operand)
	}
	return append(dst, ')')
}

// references lists the reg* types. Their text follows the output functions in regproc.c.
func (g *Registry) references() map[pg.OID]Append {
	none := nameStyle{none: "-"}
	return map[pg.OID]Append{
		24:   g.referenceAppender(func(n *catalog.Names) []catalog.ObjectName { return n.Functions }, nameStyle{none: "-", alone: true}),
		2202: g.referenceAppender(func(n *catalog.Names) []catalog.ObjectName { return n.Functions }, nameStyle{none: "-", arguments: g.appendSignature}),
		2203: g.referenceAppender(func(n *catalog.Names) []catalog.ObjectName { return n.Operators }, nameStyle{none: "0", bareName: true, alone: true}),
		2204: g.referenceAppender(func(n *catalog.Names) []catalog.ObjectName { return n.Operators }, nameStyle{none: "0", bareName: true, arguments: g.appendOperands}),
		2205: g.referenceAppender(func(n *catalog.Names) []catalog.ObjectName { return n.Relations }, none),
		2206: g.appendRegtype,
		3734: g.referenceAppender(func(n *catalog.Names) []catalog.ObjectName { return n.Configs }, none),
		3769: g.referenceAppender(func(n *catalog.Names) []catalog.ObjectName { return n.Dictionaries }, none),
		4089: g.referenceAppender(func(n *catalog.Names) []catalog.ObjectName { return n.Schemas }, none),
		4096: g.referenceAppender(func(n *catalog.Names) []catalog.ObjectName { return n.Roles }, none),
		4191: g.referenceAppender(func(n *catalog.Names) []catalog.ObjectName { return n.Collations }, none),
		1033: g.appendACLItem,
	}
}

// aclLetters are the privileges by their bits (ACL_ALL_RIGHTS_STR in utils/acl.h);
// versions have only added some at the end.
const aclLetters = "arwdDxtXUCTcsAm"

// appendACLItem follows aclitemout (acl.c): who has which privileges, with * if
// they can be handed on, and from whom. The two halves of the privileges are 16
// bits each in 12 bytes up to version 15, and 32 bits each in 16 bytes since.
func (g *Registry) appendACLItem(dst, raw []byte) ([]byte, error) {
	r := binreader.New(raw)
	grantee, grantor := pg.OID(r.Uint32()), pg.OID(r.Uint32())
	var granted, options uint32
	if len(raw) == 12 {
		granted, options = uint32(r.Uint16()), uint32(r.Uint16())
	} else {
		granted, options = r.Uint32(), r.Uint32()
	}
	if err := whole(&r, "aclitem"); err != nil {
		return dst, err
	}
	if grantee != 0 {
		dst = g.appendRole(dst, grantee)
	}
	dst = append(dst, '=')
	for bit, letter := range []byte(aclLetters) {
		if granted&(1<<bit) != 0 {
			dst = append(dst, letter)
		}
		if options&(1<<bit) != 0 {
			dst = append(dst, '*')
		}
	}
	return g.appendRole(append(dst, '/'), grantor), nil
}

// appendRole prints a role in quotes if it is not only letters, digits and
// underscores (putid in acl.c); one that is not known as a number.
func (g *Registry) appendRole(dst []byte, oid pg.OID) []byte {
	for i := range g.names().Roles {
		role := &g.names().Roles[i]
		if role.OID != oid {
			continue
		}
		start := len(dst)
		dst = append(dst, role.Name...)
		for _, c := range []byte(role.Name) {
			if c != '_' && (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') {
				quoted := bytes.ReplaceAll(dst[start:], []byte{'"'}, []byte(`""`))
				return append(append(append(dst[:start:start], '"'), quoted...), '"')
			}
		}
		return dst
	}
	return strconv.AppendUint(dst, uint64(oid), 10)
}
