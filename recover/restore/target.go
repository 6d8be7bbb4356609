package restore

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/pgrescue/pgrescue/recover/live"
	"github.com/pgrescue/pgrescue/recover/pg"
)

// targetTable is a table of the target as its catalogs describe it.
type targetTable struct {
	oid          string
	schema, name string
	partitioned  bool
	tree         []string // OIDs of the table and its partitions
	columns      []targetColumn
	indexes      []*targetIndex // unique and exclusion ones, the primary key first
	checks       []targetCheck
	keys         []*foreignKey // to other tables
	triggers     []TriggerPlan
	rules        []string
	rowSecurity  string
	sequences    []targetSequence
	lacks        []string // privileges
	heirs        bool
	fingerprint  string
}

// targetColumn is a column that was not dropped, in the table's order.
type targetColumn struct {
	number     int
	name       string
	typ        string // as format_type prints it
	notNull    bool
	identity   byte   // 'a', 'd' or 0
	generation string // the expression of a generated column
	defaults   string // the expression of the default
}

// targetIndex is what rows may not have in common: a unique index or an exclusion constraint.
type targetIndex struct {
	oid, name  string
	primary    bool
	exclusion  bool
	nullsEqual bool
	columns    []int // places in targetTable.columns; -1: an expression
	// expressions are over the table's columns; two rows are in conflict when each
	// operator holds between theirs, and the predicate for both.
	expressions, operators []string
	predicate              string
}

// targetCheck is a check constraint.
type targetCheck struct{ name, expression string }

// targetSequence gives a column its numbers.
type targetSequence struct {
	name   string // quoted
	column string
	down   bool
}

func (t *targetTable) String() string { return pg.QuoteIdent(t.schema) + "." + pg.QuoteIdent(t.name) }

// qualifiedName is schema and name, quoted.
func (t *targetTable) qualifiedName() string {
	return pg.QuoteIdentAlways(t.schema) + "." + pg.QuoteIdentAlways(t.name)
}

// from is the table in a FROM clause, without its heirs.
func (t *targetTable) from() string {
	return relationRef{name: t.qualifiedName(), parts: t.partitioned}.from()
}

// column finds a column by its name; -1: there is none.
func (t *targetTable) column(name string) int {
	return slices.IndexFunc(t.columns, func(c targetColumn) bool { return c.name == name })
}

// targetDB is the database that rows go to. All of it is read in one transaction.
type targetDB struct {
	conn    *live.Conn
	card    *live.Card
	replica bool // the role may set session_replication_role
	tables  map[string]*targetTable
}

const findTablesSQL = `SELECT w.n, c.oid, c.relkind, coalesce(pg_catalog.pg_partition_root(c.oid), c.oid)::pg_catalog.oid
FROM ROWS FROM (pg_catalog.unnest($1::text[]), pg_catalog.unnest($2::text[])) WITH ORDINALITY AS w(schema, name, n)
JOIN pg_catalog.pg_namespace n ON n.nspname = w.schema JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = w.name
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f')`

// foundTable is a table that was looked for by its name.
type foundTable struct {
	oid, kind, root string // root: of its partition tree, or itself
}

// findTables looks tables up by name; one that is not there has no OID.
func findTables(ctx context.Context, conn *live.Conn, schemas, names []string) ([]foundTable, error) {
	found := make([]foundTable, len(names))
	err := conn.Query(ctx, "look for the tables at", findTablesSQL, live.Parameters(textArray(schemas), textArray(names)), func(row [][]byte) error {
		n, err := strconv.Atoi(string(row[0]))
		if err == nil {
			found[n-1] = foundTable{string(row[1]), string(row[2]), string(row[3])}
		}
		return err
	})
	return found, err
}

// textArray writes an array as PostgreSQL reads it.
func textArray(texts []string) string {
	var b strings.Builder
	b.WriteByte('{')
	for i, text := range texts {
		if i > 0 {
			b.WriteByte(',')
		}
		b.Write(pg.AppendArrayItem(nil, []byte(text)))
	}
	b.WriteByte('}')
	return b.String()
}

const describeTablesSQL = `SELECT c.oid, n.nspname, c.relname, c.relkind = 'p',
	CASE WHEN c.relforcerowsecurity THEN 'forced' WHEN c.relrowsecurity THEN 'enabled' ELSE '' END,
	c.relkind = 'r' AND EXISTS (SELECT FROM pg_catalog.pg_inherits i WHERE i.inhparent = c.oid),
	(SELECT pg_catalog.string_agg(t.relid::pg_catalog.oid::text, ' ') FROM pg_catalog.pg_partition_tree(c.oid) t),
	pg_catalog.concat_ws(',',
		CASE WHEN NOT pg_catalog.has_schema_privilege(n.oid, 'USAGE') THEN 'USAGE on the schema' END,
		CASE WHEN NOT pg_catalog.has_table_privilege(c.oid, 'SELECT') THEN 'SELECT' END,
		CASE WHEN NOT pg_catalog.has_table_privilege(c.oid, 'INSERT') THEN 'INSERT' END,
		CASE WHEN NOT pg_catalog.has_table_privilege(c.oid, 'UPDATE') THEN 'UPDATE' END,
		CASE WHEN pg_catalog.row_security_active(c.oid) THEN 'BYPASSRLS' END)
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = ANY ($1::oid[])`

// describe reads the definition of tables by their OIDs, in a transaction and with
// names printed in full. It reads catalogs only, and no row of a user.
func (t *targetDB) describe(ctx context.Context, oids []string) error {
	t.tables = make(map[string]*targetTable, len(oids))
	const op = "read the definition of the tables at"
	err := t.conn.Query(ctx, op, describeTablesSQL, oidArray(oids), func(row [][]byte) error {
		table := &targetTable{
			oid: string(row[0]), schema: string(row[1]), name: string(row[2]), partitioned: isTrue(row[3]),
			rowSecurity: string(row[4]), heirs: isTrue(row[5]), tree: strings.Fields(string(row[6])),
		}
		if len(row[7]) > 0 {
			table.lacks = strings.Split(string(row[7]), ",")
		}
		if len(table.tree) == 0 {
			table.tree = []string{table.oid}
		}
		t.tables[table.oid] = table
		return nil
	})
	if err != nil {
		return err
	}
	for _, read := range []func(context.Context, string, [][]byte) error{
		t.readColumns, t.readIndexes, t.readChecks, t.readSequences, t.readTriggers, t.readRules,
	} {
		if err := read(ctx, op, oidArray(oids)); err != nil {
			return err
		}
	}
	keys, err := readForeignKeys(ctx, t.conn, t.card.VersionNumber, oids)
	if err != nil {
		return err
	}
	for _, key := range keys {
		if table := t.tables[key.child.oid]; table != nil {
			table.keys = append(table.keys, key)
		}
	}
	for _, oid := range oids {
		if t.tables[oid].fingerprint, err = fingerprintOf(ctx, t.conn, oid); err != nil {
			return err
		}
	}
	return nil
}

func oidArray(oids []string) [][]byte { return live.Parameters("{" + strings.Join(oids, ",") + "}") }

func isTrue(value []byte) bool { return string(value) == "t" }

// askReplica finds out whether the role may switch triggers off, by doing it.
func (t *targetDB) askReplica(ctx context.Context) error {
	const op = "ask for session_replication_role at"
	if err := t.conn.Exec(ctx, op, "BEGIN READ ONLY"); err != nil {
		return err
	}
	err := t.conn.Exec(ctx, op, "SET LOCAL session_replication_role = replica")
	t.replica = err == nil
	if err != nil && live.Code(err) == "" {
		return err
	}
	return t.conn.Exec(ctx, op, "ROLLBACK")
}
