package restore

import (
	"context"
	"fmt"
	"strings"

	"github.com/pgrescue/pgrescue/recover/live"
	"github.com/pgrescue/pgrescue/recover/pg"
)

// foreignKey is a foreign key of the target, with what its check needs.
type foreignKey struct {
	oid    string
	name   string
	child  relationRef
	parent relationRef
	pairs  []keyPair
	full   bool // MATCH FULL
	period bool // the last pair compares ranges (PostgreSQL 18)
}

// relationRef is a table that a foreign key names.
type relationRef struct {
	oid   string
	name  string // schema and name, quoted
	parts bool   // partitioned: its rows lie in other tables
}

// from is the table in a FROM clause. Heirs of a table are no part of its keys, the
// partitions are.
func (r relationRef) from() string {
	if r.parts {
		return r.name
	}
	return "ONLY " + r.name
}

// keyPair is a referenced column and the one that refers to it.
type keyPair struct {
	child, parent         string // quoted
	childName, parentName string // as they are
	// equal compares parent with child, in that order, as the server's own trigger does.
	equal     string
	collation string // a COLLATE clause for the child's side, or ""
}

// foreignKeysSQL asks for the keys from and to some tables. Keys that partitions have
// from their root are the root's.
const foreignKeysSQL = `SELECT c.oid, c.conname, c.confmatchtype,
	c.conrelid, pg_catalog.quote_ident(cn.nspname) || '.' || pg_catalog.quote_ident(cc.relname), cc.relkind = 'p',
	c.confrelid, pg_catalog.quote_ident(pn.nspname) || '.' || pg_catalog.quote_ident(pc.relname), pc.relkind = 'p',
	ca.attname, pa.attname,
	'OPERATOR(' || pg_catalog.quote_ident(opn.nspname) || '.' || op.oprname || ')',
	CASE WHEN pa.attcollation <> 0 AND pa.attcollation <> ca.attcollation
		THEN ' COLLATE ' || pg_catalog.quote_ident(coln.nspname) || '.' || pg_catalog.quote_ident(col.collname) ELSE '' END,
	%s
FROM pg_catalog.pg_constraint c
CROSS JOIN LATERAL ROWS FROM (pg_catalog.unnest(c.conkey), pg_catalog.unnest(c.confkey), pg_catalog.unnest(c.conpfeqop)) WITH ORDINALITY AS k(child, parent, equal, n)
JOIN pg_catalog.pg_class cc ON cc.oid = c.conrelid JOIN pg_catalog.pg_namespace cn ON cn.oid = cc.relnamespace
JOIN pg_catalog.pg_class pc ON pc.oid = c.confrelid JOIN pg_catalog.pg_namespace pn ON pn.oid = pc.relnamespace
JOIN pg_catalog.pg_attribute ca ON ca.attrelid = c.conrelid AND ca.attnum = k.child
JOIN pg_catalog.pg_attribute pa ON pa.attrelid = c.confrelid AND pa.attnum = k.parent
JOIN pg_catalog.pg_operator op ON op.oid = k.equal JOIN pg_catalog.pg_namespace opn ON opn.oid = op.oprnamespace
LEFT JOIN pg_catalog.pg_collation col ON col.oid = pa.attcollation LEFT JOIN pg_catalog.pg_namespace coln ON coln.oid = col.collnamespace
WHERE c.contype = 'f' AND c.conparentid = 0 AND (c.conrelid = ANY ($1::oid[]) OR c.confrelid = ANY ($1::oid[]))%s
ORDER BY c.oid, k.n`

// version18 has foreign keys over periods, and such that nothing enforces.
const version18 = 180000

// readForeignKeys reads the enforced foreign keys from and to the tables with these OIDs.
func readForeignKeys(ctx context.Context, conn *live.Conn, version int, oids []string) ([]*foreignKey, error) {
	period, enforced := "false", ""
	if version >= version18 {
		period, enforced = "c.conperiod", " AND c.conenforced"
	}
	var keys []*foreignKey
	query := fmt.Sprintf(foreignKeysSQL, period, enforced)
	err := conn.Query(ctx, "read the foreign keys of", query, oidArray(oids), func(row [][]byte) error {
		if len(keys) == 0 || keys[len(keys)-1].oid != string(row[0]) {
			keys = append(keys, &foreignKey{
				oid: string(row[0]), name: string(row[1]), full: string(row[2]) == "f",
				child:  relationRef{string(row[3]), string(row[4]), isTrue(row[5])},
				parent: relationRef{string(row[6]), string(row[7]), isTrue(row[8])},
				period: isTrue(row[13]),
			})
		}
		key := keys[len(keys)-1]
		key.pairs = append(key.pairs, keyPair{
			child: pg.QuoteIdentAlways(string(row[9])), parent: pg.QuoteIdentAlways(string(row[10])), childName: string(row[9]), parentName: string(row[10]),
			equal: string(row[11]), collation: string(row[12]),
		})
		return nil
	})
	return keys, err
}

// referring says which rows of alias refer to a parent: those without a NULL in the
// key. With MATCH FULL a key that is NULL in part refers to none, and is wrong.
func (k *foreignKey) referring(alias string) string {
	join := " AND "
	if k.full {
		join = " OR "
	}
	terms := make([]string, len(k.pairs))
	for i, pair := range k.pairs {
		terms[i] = alias + "." + pair.child + " IS NOT NULL"
	}
	return "(" + strings.Join(terms, join) + ")"
}

// matches compares a row of the parent with one of the child.
func (k *foreignKey) matches(parent, child string) string {
	terms := make([]string, len(k.pairs))
	for i, pair := range k.pairs {
		terms[i] = fmt.Sprintf("%s.%s %s %s.%s%s", parent, pair.parent, pair.equal, child, pair.child, pair.collation)
	}
	return strings.Join(terms, " AND ")
}

// childColumns are the referring columns, of alias.
func (k *foreignKey) childColumns(alias string) string {
	names := make([]string, len(k.pairs))
	for i, pair := range k.pairs {
		names[i] = alias + "." + pair.child
	}
	return strings.Join(names, ", ")
}

// parentColumns are the referenced columns, of alias.
func (k *foreignKey) parentColumns(alias string) string {
	names := make([]string, len(k.pairs))
	for i, pair := range k.pairs {
		names[i] = alias + "." + pair.parent
	}
	return strings.Join(names, ", ")
}

// orphansSQL finds values of the key in source that no parent has, at most limit of
// them, and holds the parents that there are as the server's own check does: until our
// transaction ends nobody deletes them. source is what stands behind FROM, with the
// alias s for the referring rows.
func (k *foreignKey) orphansSQL(source string, limit int) string {
	if k.period {
		return k.uncoveredSQL(source, limit)
	}
	return fmt.Sprintf(`WITH s AS MATERIALIZED (SELECT DISTINCT %s FROM %s WHERE %s),
	p AS MATERIALIZED (SELECT %s FROM s JOIN %s p ON %s FOR KEY SHARE OF p)
SELECT ROW(s.*)::text FROM s WHERE NOT EXISTS (SELECT FROM p WHERE %s) LIMIT %d`,
		k.childColumns("s"), source, k.referring("s"), k.parentColumns("p"), k.parent.from(), k.matches("p", "s"), k.matches("p", "s"), limit)
}

// uncoveredSQL is orphansSQL of a key over periods: all parents with the same key
// together must cover the child's period.
func (k *foreignKey) uncoveredSQL(source string, limit int) string {
	same, last := k.withoutPeriod()
	return fmt.Sprintf(`WITH s AS MATERIALIZED (SELECT DISTINCT %s FROM %s WHERE %s),
	p AS MATERIALIZED (SELECT %s FROM s JOIN %s p ON %s AND p.%s OPERATOR(pg_catalog.&&) s.%s FOR KEY SHARE OF p)
SELECT ROW(s.*)::text FROM s WHERE %s LIMIT %d`,
		k.childColumns("s"), source, k.referring("s"), k.parentColumns("p"), k.parent.from(), same.matches("p", "s"), last.parent, last.child,
		k.uncovered("s", "p"), limit)
}

// withoutPeriod takes a key over periods apart: the columns that must be equal, and the
// pair of ranges.
func (k *foreignKey) withoutPeriod() (same *foreignKey, last keyPair) {
	n := len(k.pairs) - 1
	shorter := *k
	shorter.pairs = k.pairs[:n]
	return &shorter, k.pairs[n]
}

// uncovered says that the parents of a key over periods, which have the alias p in
// parents, do not cover the period of child.
func (k *foreignKey) uncovered(child, parents string) string {
	same, last := k.withoutPeriod()
	return fmt.Sprintf("NOT coalesce(%s.%s OPERATOR(pg_catalog.<@) (SELECT pg_catalog.range_agg(p.%s) FROM %s WHERE %s), false)",
		child, last.child, last.parent, parents, same.matches("p", child))
}
