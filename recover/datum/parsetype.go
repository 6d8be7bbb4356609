package datum

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/pgrescue/pgrescue/recover/catalog"
)

// ParseType finds a built-in type by its name, as CREATE TABLE takes it: one of
// PostgreSQL's own names or of SQL's, with a modifier, as an array. The error names
// types that are close to it.
func (g *Registry) ParseType(text string) (t *catalog.Type, typmod int32, err error) {
	name, modifier, array, err := splitType(text)
	if err != nil {
		return nil, 0, err
	}
	name, typmod = ownName(name, modifier)
	want := name
	if array {
		want = "_" + name
	}
	var names []string
	for _, oid := range slices.Sorted(maps.Keys(g.types)) {
		found := g.types[oid]
		if found.Schema != systemSchema {
			continue
		}
		if found.Name == want {
			return found, typmod, nil
		}
		if !strings.HasPrefix(found.Name, "_") && catalog.EditDistance(found.Name, name) <= 2 {
			names = append(names, found.Name)
		}
	}
	if len(names) > 0 {
		return nil, 0, fmt.Errorf("type %q is not built in; close to it: %s", text, strings.Join(names, ", "))
	}
	return nil, 0, fmt.Errorf("type %q is not built in", text)
}

// splitType takes "numeric(10,2)[]" apart. A modifier may stand within the name, as
// in timestamp(3) with time zone.
func splitType(text string) (name string, modifier []int32, array bool, err error) {
	rest := strings.Join(strings.Fields(strings.ToLower(text)), " ")
	for strings.HasSuffix(rest, "]") {
		open := strings.LastIndexByte(rest, '[')
		if open < 0 {
			return "", nil, false, fmt.Errorf("type %q: a bracket is not opened", text)
		}
		rest, array = strings.TrimSpace(rest[:open]), true
	}
	if open := strings.IndexByte(rest, '('); open >= 0 {
		end := strings.IndexByte(rest, ')')
		if end < open {
			return "", nil, false, fmt.Errorf("type %q: a parenthesis is not closed", text)
		}
		for _, part := range strings.Split(rest[open+1:end], ",") {
			n, err := strconv.ParseInt(strings.TrimSpace(part), 10, 16)
			if err != nil {
				return "", nil, false, fmt.Errorf("type %q: modifier %q is not a small number", text, part)
			}
			modifier = append(modifier, int32(n))
		}
		rest = strings.TrimSpace(strings.TrimSpace(rest[:open]) + " " + strings.TrimSpace(rest[end+1:]))
	}
	if rest == "" {
		return "", nil, false, fmt.Errorf("type %q has no name", text)
	}
	return rest, modifier, array, nil
}

// ownName turns SQL's name of a type into PostgreSQL's own, and its modifier into a typmod.
func ownName(name string, modifier []int32) (own string, typmod int32) {
	aliases := map[string]string{
		"smallint": "int2", "smallserial": "int2", "int": "int4", "integer": "int4", "serial": "int4", "bigint": "int8", "bigserial": "int8",
		"real": "float4", "float": "float8", "double precision": "float8", "boolean": "bool", "decimal": "numeric", "dec": "numeric",
		"character varying": "varchar", "char varying": "varchar", "char": "bpchar", "character": "bpchar", "bit varying": "varbit",
		"timestamp with time zone": "timestamptz", "timestamp without time zone": "timestamp",
		"time with time zone": "timetz", "time without time zone": "time", `"char"`: "char",
	}
	own = name
	if alias, found := aliases[name]; found {
		own = alias
	}
	if own == "bpchar" && name != own && len(modifier) == 0 {
		modifier = []int32{1} // CHAR is CHAR(1)
	}
	if len(modifier) == 0 {
		return own, -1
	}
	switch own {
	case "varchar", "bpchar":
		return own, modifier[0] + typmodHeader
	case "numeric":
		scale := int32(0)
		if len(modifier) > 1 {
			scale = modifier[1]
		}
		return own, (modifier[0]<<16 | scale&0x7FF) + typmodHeader
	}
	return own, modifier[0]
}
