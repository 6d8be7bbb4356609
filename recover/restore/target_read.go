package restore

import (
	"context"
	"slices"
	"strconv"
	"strings"
)

const describeColumnsSQL = `SELECT a.attrelid, a.attnum, a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity,
	CASE WHEN a.attgenerated <> '' THEN pg_catalog.pg_get_expr(d.adbin, d.adrelid) ELSE '' END,
	CASE WHEN a.attgenerated = '' THEN coalesce(pg_catalog.pg_get_expr(d.adbin, d.adrelid), '') ELSE '' END
FROM pg_catalog.pg_attribute a LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE a.attrelid = ANY ($1::oid[]) AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attrelid, a.attnum`

func (t *targetDB) readColumns(ctx context.Context, op string, oids [][]byte) error {
	return t.conn.Query(ctx, op, describeColumnsSQL, oids, func(row [][]byte) error {
		number, err := strconv.Atoi(string(row[1]))
		column := targetColumn{
			number: number, name: string(row[2]), typ: string(row[3]), notNull: isTrue(row[4]),
			generation: string(row[6]), defaults: string(row[7]),
		}
		if len(row[5]) > 0 {
			column.identity = row[5][0]
		}
		table := t.tables[string(row[0])]
		table.columns = append(table.columns, column)
		return err
	})
}

// describeIndexesSQL gives a line for each column of a unique index or an exclusion
// constraint. What can be a key comes first.
const describeIndexesSQL = `SELECT i.indrelid, i.indexrelid, x.relname, i.indisprimary, con.contype = 'x' OR i.indisexclusion,
	%s, k.attnum, pg_catalog.pg_get_indexdef(i.indexrelid, k.n::int, true),
	'OPERATOR(' || pg_catalog.quote_ident(opn.nspname) || '.' || op.oprname || ')',
	coalesce(pg_catalog.pg_get_expr(i.indpred, i.indrelid), '')
FROM pg_catalog.pg_index i
JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid
LEFT JOIN pg_catalog.pg_constraint con ON con.conindid = i.indexrelid AND con.conrelid = i.indrelid AND con.contype IN ('p', 'u', 'x')
CROSS JOIN LATERAL ROWS FROM (pg_catalog.unnest(i.indkey::int2[]), pg_catalog.unnest(i.indclass::oid[])) WITH ORDINALITY AS k(attnum, opclass, n)
JOIN pg_catalog.pg_opclass c ON c.oid = k.opclass
JOIN pg_catalog.pg_operator op ON op.oid = coalesce(con.conexclop[k.n], (SELECT m.amopopr FROM pg_catalog.pg_amop m
	WHERE m.amopfamily = c.opcfamily AND m.amoplefttype = c.opcintype AND m.amoprighttype = c.opcintype AND m.amopstrategy = 3))
JOIN pg_catalog.pg_namespace opn ON opn.oid = op.oprnamespace
WHERE i.indrelid = ANY ($1::oid[]) AND i.indisvalid AND (i.indisunique OR i.indisexclusion) AND k.n <= i.indnkeyatts
ORDER BY i.indrelid, i.indisprimary DESC, i.indimmediate DESC, i.indnkeyatts, x.relname, k.n`

// version15 has indexes for which NULLs are equal.
const version15 = 150000

func (t *targetDB) readIndexes(ctx context.Context, op string, oids [][]byte) error {
	nullsEqual := "false"
	if t.card.VersionNumber >= version15 {
		nullsEqual = "i.indnullsnotdistinct"
	}
	return t.conn.Query(ctx, op, strings.Replace(describeIndexesSQL, "%s", nullsEqual, 1), oids, func(row [][]byte) error {
		table := t.tables[string(row[0])]
		if n := len(table.indexes); n == 0 || table.indexes[n-1].oid != string(row[1]) {
			table.indexes = append(table.indexes, &targetIndex{
				oid: string(row[1]), name: string(row[2]), primary: isTrue(row[3]), exclusion: isTrue(row[4]),
				nullsEqual: isTrue(row[5]), predicate: string(row[9]),
			})
		}
		index := table.indexes[len(table.indexes)-1]
		number, err := strconv.Atoi(string(row[6]))
		place := -1
		for i := range table.columns {
			if table.columns[i].number == number {
				place = i
			}
		}
		index.columns = append(index.columns, place)
		index.expressions = append(index.expressions, string(row[7]))
		index.operators = append(index.operators, string(row[8]))
		return err
	})
}

const describeChecksSQL = `SELECT c.conrelid, c.conname, pg_catalog.pg_get_expr(c.conbin, c.conrelid) FROM pg_catalog.pg_constraint c
WHERE c.contype = 'c' AND c.conrelid = ANY ($1::oid[])%s ORDER BY c.conrelid, c.conname`

func (t *targetDB) readChecks(ctx context.Context, op string, oids [][]byte) error {
	enforced := ""
	if t.card.VersionNumber >= version18 {
		enforced = " AND c.conenforced"
	}
	return t.conn.Query(ctx, op, strings.Replace(describeChecksSQL, "%s", enforced, 1), oids, func(row [][]byte) error {
		table := t.tables[string(row[0])]
		table.checks = append(table.checks, targetCheck{string(row[1]), string(row[2])})
		return nil
	})
}

// describeSequencesSQL finds the sequences that columns own, and those that their defaults name.
const describeSequencesSQL = `SELECT DISTINCT f.relid, a.attname, pg_catalog.format('%I.%I', n.nspname, s.relname), q.seqincrement < 0,
	pg_catalog.has_sequence_privilege(s.oid, 'UPDATE')
FROM (SELECT d.objid AS seq, d.refobjid AS relid, d.refobjsubid AS attnum FROM pg_catalog.pg_depend d
	WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
		AND d.deptype IN ('a', 'i') AND d.refobjsubid > 0
	UNION SELECT d.refobjid, ad.adrelid, ad.adnum FROM pg_catalog.pg_attrdef ad JOIN pg_catalog.pg_depend d ON d.objid = ad.oid
		AND d.classid = 'pg_catalog.pg_attrdef'::pg_catalog.regclass AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass) f
JOIN pg_catalog.pg_class s ON s.oid = f.seq AND s.relkind = 'S' JOIN pg_catalog.pg_namespace n ON n.oid = s.relnamespace
JOIN pg_catalog.pg_sequence q ON q.seqrelid = s.oid
JOIN pg_catalog.pg_attribute a ON a.attrelid = f.relid AND a.attnum = f.attnum
WHERE f.relid = ANY ($1::oid[]) ORDER BY 1, 2, 3`

func (t *targetDB) readSequences(ctx context.Context, op string, oids [][]byte) error {
	return t.conn.Query(ctx, op, describeSequencesSQL, oids, func(row [][]byte) error {
		table := t.tables[string(row[0])]
		table.sequences = append(table.sequences, targetSequence{name: string(row[2]), column: string(row[1]), down: isTrue(row[3])})
		if !isTrue(row[4]) {
			table.lacks = append(table.lacks, "UPDATE on sequence "+string(row[2]))
		}
		return nil
	})
}

// describeTriggersSQL gives the triggers that INSERT or UPDATE concern. Of a cascade of
// partitions each has its own.
const describeTriggersSQL = `SELECT o.oid, t.tgname, pg_catalog.pg_get_triggerdef(t.oid), t.tgenabled,
	CASE WHEN t.tgrelid <> o.oid THEN (SELECT pg_catalog.format('%I.%I', n.nspname, c.relname)
		FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = t.tgrelid) ELSE '' END
FROM pg_catalog.unnest($1::oid[]) AS o(oid)
JOIN pg_catalog.pg_trigger t ON t.tgrelid = o.oid OR t.tgrelid IN (SELECT p.relid FROM pg_catalog.pg_partition_tree(o.oid) p)
WHERE (NOT t.tgisinternal OR t.tgconstraint = 0) AND t.tgtype & 20 <> 0 AND t.tgenabled <> 'D' ORDER BY o.oid, 5, t.tgname`

func (t *targetDB) readTriggers(ctx context.Context, op string, oids [][]byte) error {
	return t.conn.Query(ctx, op, describeTriggersSQL, oids, func(row [][]byte) error {
		table := t.tables[string(row[0])]
		table.triggers = append(table.triggers, TriggerPlan{
			Name: string(row[1]), Definition: string(row[2]), Table: string(row[4]), Fires: t.fires(string(row[3])),
		})
		return nil
	})
}

// fires tells whether a trigger or a rule with this mode (pg_trigger.tgenabled) does.
func (t *targetDB) fires(mode string) bool {
	switch mode {
	case "A":
		return true
	case "R":
		return t.replica
	case "O":
		return !t.replica
	}
	return false
}

const describeRulesSQL = `SELECT r.ev_class, pg_catalog.pg_get_ruledef(r.oid), r.ev_enabled FROM pg_catalog.pg_rewrite r
WHERE r.ev_class = ANY ($1::oid[]) AND r.ev_type IN ('2', '3') ORDER BY r.ev_class, r.rulename`

func (t *targetDB) readRules(ctx context.Context, op string, oids [][]byte) error {
	return t.conn.Query(ctx, op, describeRulesSQL, oids, func(row [][]byte) error {
		table := t.tables[string(row[0])]
		if t.fires(string(row[2])) {
			table.rules = append(table.rules, string(row[1]))
		}
		return nil
	})
}

// keyOf chooses what tells the rows of a table apart: the primary key, or else a
// unique index on columns alone, for all rows, none of which is NULL. Without one it is
// nil. With named, the index must be on these columns.
func (t *targetTable) keyOf() *targetIndex {
	for _, index := range t.indexes {
		usable := index.plain()
		for _, place := range index.columns {
			usable = usable && (t.columns[place].notNull || index.primary) && t.columns[place].generation == ""
		}
		if usable {
			return index
		}
	}
	return nil
}

// plain reports whether an index is unique over columns alone, for all rows.
func (i *targetIndex) plain() bool {
	return !i.exclusion && i.predicate == "" && !slices.Contains(i.columns, -1)
}

// columnNames are the names of an index's columns.
func (i *targetIndex) columnNames(t *targetTable) []string {
	names := make([]string, len(i.columns))
	for n, place := range i.columns {
		names[n] = t.columns[place].name
	}
	return names
}
