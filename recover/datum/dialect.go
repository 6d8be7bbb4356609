package datum

import "github.com/pgrescue/pgrescue/recover/pg"

// dialect is what versions of PostgreSQL print differently from the same bytes.
type dialect struct {
	version pg.Version // the first that prints so
	// infiniteInterval: an interval whose fields are all extreme is infinity
	// (INTERVAL_IS_NOBEGIN in datatype/timestamp.h).
	infiniteInterval bool
	// bareNumbersInPaths: a number in a jsonpath stands without parentheses before
	// a step (printJsonPathItem in jsonpath.c).
	bareNumbersInPaths bool
	// noDatetimeInPaths: .datetime() is not among the items of a jsonpath, and
	// those behind it have numbers less by one (JsonPathItemType in utils/jsonpath.h).
	noDatetimeInPaths bool
	// rawChars: a "char" above 127 is printed as the byte that it is, and not in
	// octal (charout in char.c).
	rawChars bool
}

// dialects lists them, oldest first.
func dialects() []dialect {
	return []dialect{
		{version: 12, bareNumbersInPaths: true, noDatetimeInPaths: true, rawChars: true},
		{version: 13, bareNumbersInPaths: true, rawChars: true},
		{version: 15},
		{version: 17, infiniteInterval: true},
	}
}

// defaultVersion is spoken when the catalog at hand does not know the version.
const defaultVersion pg.Version = 15

// dialectOf finds the dialect of a version.
func dialectOf(version pg.Version) dialect {
	if version == 0 {
		version = defaultVersion
	}
	list := dialects()
	found := list[0]
	for _, d := range list {
		if d.version <= version {
			found = d
		}
	}
	found.version = version
	return found
}
