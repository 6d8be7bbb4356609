package restore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/pgrescue/pgrescue/recover/live"
	"github.com/pgrescue/pgrescue/recover/pg"
)

// place is a table of the plan as it stands in the target, with what the statements
// that read and write its rows are made of.
type place struct {
	index   int // in the plan
	table   relationRef
	columns []placeColumn // as the plan names them
	key     []int         // of columns; empty: rows are told apart by all of their values
	// tree holds the OIDs of the table and its partitions.
	tree map[string]bool
	// deferred are unique and exclusion constraints that a trigger checks late. With
	// session_replication_role = replica nothing checks them.
	deferred []*lateConstraint
	out, in  []*foreignKey
}

// placeColumn is a column of a place.
type placeColumn struct {
	name string // quoted
	// typ is the type with its modifier, bare the one without, which no cast cuts to length.
	typ, bare string
	always    bool   // GENERATED ALWAYS AS IDENTITY: UPDATE cannot set it
	equal     string // the operator of the key's index; "" outside of the key
}

// lateConstraint is a deferrable unique or exclusion constraint.
type lateConstraint struct {
	name        string
	table       relationRef
	expressions []string // columns or expressions of the table
	operators   []string // two rows for which all of them hold are in conflict
	predicate   string
}

// errNoTable: a table of the plan is not in the target any more.
var errNoTable = errors.New("the table is not there any more")

const placeSQL = `SELECT c.oid, c.relkind = 'p' FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = $1 AND c.relname = $2 AND c.relkind IN ('r', 'p')`

const treeSQL = `SELECT relid::pg_catalog.oid FROM pg_catalog.pg_partition_tree($1::oid)`

const columnsSQL = `SELECT a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod), pg_catalog.format_type(a.atttypid, -1), a.attidentity = 'a'
FROM pg_catalog.pg_attribute a WHERE a.attrelid = $1::oid AND a.attnum > 0 AND NOT a.attisdropped`

// keyOperatorsSQL gives the equality of each column of the unique indexes that a key
// can be: on columns alone, for all rows. Only a B-tree (access method 403) knows equality by
// its number; a key without overlaps has a GiST index.
const keyOperatorsSQL = `SELECT i.indexrelid, a.attname, 'OPERATOR(' || pg_catalog.quote_ident(n.nspname) || '.' || o.oprname || ')', i.indnkeyatts
FROM pg_catalog.pg_index i
CROSS JOIN LATERAL ROWS FROM (pg_catalog.unnest(i.indkey::int2[]), pg_catalog.unnest(i.indclass::oid[])) WITH ORDINALITY AS k(attnum, opclass, n)
JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
JOIN pg_catalog.pg_opclass c ON c.oid = k.opclass
JOIN pg_catalog.pg_amop m ON m.amopfamily = c.opcfamily AND m.amoplefttype = c.opcintype AND m.amoprighttype = c.opcintype AND m.amoppurpose = 's'
JOIN pg_catalog.pg_operator o ON o.oid = m.amopopr AND CASE c.opcmethod WHEN 403 THEN m.amopstrategy = 3 ELSE o.oprname = '=' END
JOIN pg_catalog.pg_namespace n ON n.oid = o.oprnamespace
WHERE i.indrelid = $1::oid AND i.indisunique AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL AND k.n <= i.indnkeyatts
ORDER BY i.indisprimary DESC, i.indimmediate DESC, i.indexrelid, k.n`

// readPlace reads a table of the plan, and refuses one that is not as it was planned
// for. It is for a transaction, within qualified.
func readPlace(ctx context.Context, conn *live.Conn, index int, table *TablePlan) (*place, error) {
	const op = "read the definition of a table at"
	p := &place{index: index, table: relationRef{name: table.QualifiedName()}}
	err := conn.Query(ctx, op, placeSQL, live.Parameters(table.Schema, table.Name), func(row [][]byte) error {
		p.table.oid, p.table.parts = string(row[0]), isTrue(row[1])
		return nil
	})
	if err != nil {
		return nil, err
	}
	if p.table.oid == "" {
		return nil, p.stale(errNoTable)
	}
	if err := checkFingerprint(ctx, conn, p.table.oid, table); err != nil {
		return nil, err
	}
	p.tree = map[string]bool{p.table.oid: true}
	err = conn.Query(ctx, op, treeSQL, live.Parameters(p.table.oid), func(row [][]byte) error {
		p.tree[string(row[0])] = true
		return nil
	})
	if err != nil {
		return nil, err
	}
	if err := p.readColumns(ctx, conn, table.ColumnNames()); err != nil {
		return nil, err
	}
	return p, p.readKey(ctx, conn, table.ColumnNames(), table.Key)
}

func (p *place) readColumns(ctx context.Context, conn *live.Conn, names []string) error {
	found := map[string]placeColumn{}
	err := conn.Query(ctx, "read the columns of", columnsSQL, live.Parameters(p.table.oid), func(row [][]byte) error {
		name := string(row[0])
		found[name] = placeColumn{
			name: pg.QuoteIdentAlways(name), typ: string(row[1]), bare: string(row[2]),
			always: isTrue(row[3]),
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, name := range names {
		column, ok := found[name]
		if !ok {
			return p.stale(fmt.Errorf("column %s is not there any more", pg.QuoteIdent(name)))
		}
		p.columns = append(p.columns, column)
	}
	return nil
}

// readKey finds how the columns of the key are compared: as their unique index does.
func (p *place) readKey(ctx context.Context, conn *live.Conn, columns, key []string) error {
	if len(key) == 0 {
		return nil
	}
	wanted := map[string]bool{}
	for _, name := range key {
		at := slices.Index(columns, name)
		if at < 0 {
			return p.stale(fmt.Errorf("column %s of the key is not among the plan's columns", pg.QuoteIdent(name)))
		}
		p.key = append(p.key, at)
		wanted[name] = true
	}
	index, operators, done := "", map[string]string{}, false
	err := conn.Query(ctx, "read the keys of", keyOperatorsSQL, live.Parameters(p.table.oid), func(row [][]byte) error {
		if done {
			return nil
		}
		if string(row[0]) != index {
			index, operators = string(row[0]), map[string]string{}
		}
		if name := string(row[1]); wanted[name] && string(row[3]) == strconv.Itoa(len(wanted)) {
			operators[name] = string(row[2])
		}
		done = len(operators) == len(wanted)
		return nil
	})
	if err != nil {
		return err
	}
	if !done {
		return p.stale(fmt.Errorf("no unique index is on the key (%s) any more", strings.Join(key, ", ")))
	}
	for i, at := range p.key {
		p.columns[at].equal = operators[key[i]]
	}
	return nil
}

// lateConstraintsSQL asks for the constraints that a trigger checks late.
const lateConstraintsSQL = `SELECT i.indexrelid, pg_catalog.quote_ident(x.relname), i.indrelid,
	pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(r.relname),
	pg_catalog.pg_get_indexdef(i.indexrelid, k.n::int, true), coalesce(pg_catalog.pg_get_expr(i.indpred, i.indrelid), 'true'),
	'OPERATOR(' || pg_catalog.quote_ident(opn.nspname) || '.' || op.oprname || ')'
FROM pg_catalog.pg_index i
JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid AND x.relkind = 'i'
JOIN pg_catalog.pg_class r ON r.oid = i.indrelid JOIN pg_catalog.pg_namespace n ON n.oid = r.relnamespace
JOIN pg_catalog.pg_constraint con ON con.conindid = i.indexrelid AND con.contype IN ('p', 'u', 'x')
CROSS JOIN LATERAL pg_catalog.unnest(i.indclass::oid[]) WITH ORDINALITY AS k(opclass, n)
JOIN pg_catalog.pg_opclass c ON c.oid = k.opclass
JOIN pg_catalog.pg_operator op ON op.oid = coalesce(con.conexclop[k.n], (SELECT m.amopopr FROM pg_catalog.pg_amop m
	WHERE m.amopfamily = c.opcfamily AND m.amoplefttype = c.opcintype AND m.amoprighttype = c.opcintype AND m.amopstrategy = 3))
JOIN pg_catalog.pg_namespace opn ON opn.oid = op.oprnamespace
WHERE i.indrelid = ANY ($1::oid[]) AND NOT i.indimmediate AND (i.indisunique OR i.indisexclusion) AND k.n <= i.indnkeyatts
ORDER BY i.indexrelid, k.n`

// readLateConstraints gives each place the constraints that are checked late.
func readLateConstraints(ctx context.Context, conn *live.Conn, places []*place) error {
	last := ""
	oids := treesOf(places)
	return conn.Query(ctx, "read the constraints of", lateConstraintsSQL, oidArray(oids), func(row [][]byte) error {
		for _, p := range places {
			if !p.tree[string(row[2])] {
				continue
			}
			if string(row[0]) != last {
				p.deferred = append(p.deferred, &lateConstraint{
					name: string(row[1]), table: relationRef{oid: string(row[2]), name: string(row[3])}, predicate: string(row[5]),
				})
			}
			constraint := p.deferred[len(p.deferred)-1]
			constraint.expressions = append(constraint.expressions, string(row[4]))
			constraint.operators = append(constraint.operators, string(row[6]))
		}
		last = string(row[0])
		return nil
	})
}

// treesOf lists the OIDs of some places and their partitions.
func treesOf(places []*place) []string {
	var oids []string
	for _, p := range places {
		for oid := range p.tree {
			oids = append(oids, oid)
		}
	}
	return oids
}

// linkForeignKeys gives each place the foreign keys from and to it.
func linkForeignKeys(ctx context.Context, conn *live.Conn, version int, places []*place) error {
	keys, err := readForeignKeys(ctx, conn, version, treesOf(places))
	if err != nil {
		return err
	}
	for _, p := range places {
		for _, key := range keys {
			if p.tree[key.child.oid] {
				p.out = append(p.out, key)
			}
			if p.tree[key.parent.oid] {
				p.in = append(p.in, key)
			}
		}
	}
	return nil
}

// stale is the error of a plan that the target has left behind.
func (p *place) stale(cause error) error {
	return failure("restore: act on", p.table.name, ErrStale, cause, hintPlanAnew)
}

// names are the columns, for an INSERT.
func (p *place) names() []string {
	names := make([]string, len(p.columns))
	for i := range p.columns {
		names[i] = p.columns[i].name
	}
	return names
}

// has reports whether the rows have a column, whose name is quoted.
func (p *place) has(name string) bool {
	return slices.ContainsFunc(p.columns, func(c placeColumn) bool { return c.name == name })
}

// settings gives columns of a row the values of the same columns in the temporary table.
func (p *place) settings() string {
	var sets []string
	for _, name := range p.settable() {
		sets = append(sets, name+" = s."+name)
	}
	return strings.Join(sets, ", ")
}

// settable are the columns that an UPDATE of a row with the same key sets.
func (p *place) settable() []string {
	var names []string
	for i := range p.columns {
		if !p.columns[i].always && !slices.Contains(p.key, i) {
			names = append(names, p.columns[i].name)
		}
	}
	return names
}

// sameKey compares the key of two row aliases.
func (p *place) sameKey(a, b string) string {
	terms := make([]string, len(p.key))
	for i, at := range p.key {
		c := &p.columns[at]
		terms[i] = fmt.Sprintf("%s.%s %s %s.%s", a, c.name, c.equal, b, c.name)
	}
	return strings.Join(terms, " AND ")
}
