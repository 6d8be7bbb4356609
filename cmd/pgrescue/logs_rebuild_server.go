package main

import (
	"context"
	"strconv"

	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/live"
)

// serverShapes asks a server for the shapes of tables, and for the texts that it prints for values. Its session is
// read-only, and reads catalogs alone.
type serverShapes struct {
	ctx     context.Context
	conn    *live.Conn
	tables  []*evidence.Relation                            // names only, until one is asked for
	roots   map[evidence.RelationName]evidence.RelationName // of partitions
	types   map[string]string                               // what a column's type is cast to; "": not
	texts   map[typedText]serverText
	longest int
	err     error // the first that was no answer
}

type typedText struct{ typ, text string }

type serverText struct {
	text string
	ok   bool
}

const listTablesSQL = `SELECT n.nspname, c.relname, rn.nspname, r.relname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_catalog.pg_class r ON c.relispartition AND r.oid = pg_catalog.pg_partition_root(c.oid) LEFT JOIN pg_catalog.pg_namespace rn ON rn.oid = r.relnamespace
WHERE c.relkind IN ('r', 'p') AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'`

// list lists the tables of the database.
func (s *serverShapes) list() error {
	err := s.conn.Query(s.ctx, "list the tables at", listTablesSQL, nil, func(row [][]byte) error {
		name := evidence.RelationName{Database: s.conn.Database(), Schema: string(row[0]), Name: string(row[1])}
		s.tables = append(s.tables, &evidence.Relation{RelationName: name})
		if row[3] != nil {
			s.roots[name] = evidence.RelationName{Database: name.Database, Schema: string(row[2]), Name: string(row[3])}
		}
		return nil
	})
	if err != nil {
		return err
	}
	text, err := s.conn.Value(s.ctx, "ask for log_parameter_max_length at", "SELECT pg_catalog.current_setting('log_parameter_max_length', true)")
	if err != nil {
		return err
	}
	// It prints with a unit, -1 or 0; versions before 13 have none.
	s.longest = bytesOfSetting(text)
	return nil
}

// bytesOfSetting reads a number of bytes as the server prints it: 100B, 2kB, 1MB.
func bytesOfSetting(text string) int {
	digits := 0
	for digits < len(text) && text[digits] >= '0' && text[digits] <= '9' {
		digits++
	}
	n, err := strconv.Atoi(text[:digits])
	if err != nil {
		return 0
	}
	switch text[digits:] {
	case "kB":
		n <<= 10
	case "MB":
		n <<= 20
	case "GB":
		n <<= 30
	}
	return n
}

// relation finds a table.
func (s *serverShapes) relation(name evidence.RelationName) *evidence.Relation {
	if s.err != nil {
		return nil
	}
	found := onlyOne(s.tables, name)
	if found == nil || len(found.Columns) > 0 {
		return found
	}
	described := s.describe(found.RelationName)
	if described != nil {
		*found = *described
		return found
	}
	return nil
}

const castOfTypeSQL = `WITH RECURSIVE t AS (
	SELECT t.oid, t.typtype, t.typbasetype, t.typelem, $1::text AS name FROM pg_catalog.pg_type t WHERE t.oid = pg_catalog.to_regtype($1)
	UNION ALL
	SELECT b.oid, b.typtype, b.typbasetype, b.typelem, pg_catalog.format_type(d.typbasetype, d.typtypmod)
	FROM t JOIN pg_catalog.pg_type d ON d.oid = t.oid JOIN pg_catalog.pg_type b ON b.oid = d.typbasetype WHERE t.typtype = 'd'
) SELECT coalesce((SELECT t.name FROM t LEFT JOIN pg_catalog.pg_type e ON e.oid = t.typelem
WHERE t.typtype IN ('b', 'e', 'r', 'm') AND coalesce(e.typtype, 'b') IN ('b', 'e')), '')`

// learn finds out what values of a column's type are cast to. Those of a domain are cast to what it is made of, since
// its constraints may call functions, which may read tables. What may hold a domain is not cast.
func (s *serverShapes) learn(typ string) error {
	if _, ok := s.types[typ]; ok {
		return nil
	}
	cast, err := s.conn.Value(s.ctx, "ask for a type at", castOfTypeSQL, typ)
	if err != nil && live.Code(err) == "" {
		return err
	}
	s.types[typ] = cast
	return nil
}

// mostTexts and longestText bound what is remembered of the server's answers.
const (
	mostTexts   = 100_000
	longestText = 200
)

// canonical gives the text that the server prints for a text of a column's type.
func (s *serverShapes) canonical(typ string, text []byte) ([]byte, bool) {
	cast := s.types[typ] // as the server named it itself
	if cast == "" || s.err != nil {
		return nil, false
	}
	key := typedText{cast, string(text)}
	if known, ok := s.texts[key]; ok {
		return []byte(known.text), known.ok
	}
	plain, err := s.conn.Value(s.ctx, "print a value at", "SELECT $1::"+cast+"::pg_catalog.text", string(text))
	if err != nil && live.Code(err) == "" {
		s.err = err
		return nil, false
	}
	if len(text) <= longestText && len(s.texts) < mostTexts {
		s.texts[key] = serverText{plain, err == nil}
	}
	return []byte(plain), err == nil
}
