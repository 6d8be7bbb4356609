package restore

import (
	"fmt"
	"strings"
)

// tableColumn and ctidColumn say where in the target a row of a temporary table of undo lies.
const (
	tableColumn = "pgrescue_table"
	ctidColumn  = "pgrescue_ctid"
)

// createDoom makes the temporary table of rows that are taken back: where they lie, and
// the former values of those that were changed.
func (p *place) createDoom() string {
	return fmt.Sprintf(`CREATE TEMPORARY TABLE pgrescue_%d ON COMMIT DROP AS
SELECT 0::bigint AS %s, 'd'::pg_catalog."char" AS %s, tableoid AS %s, ctid AS %s, %s FROM %s WITH NO DATA`,
		p.index, seqColumn, actionColumn, tableColumn, ctidColumn, strings.Join(p.names(), ", "), p.table.from())
}

// noteRemovals and noteReverts write rows of lists into the temporary table.
func (p *place) noteRemovals(l *lists) string {
	return fmt.Sprintf("INSERT INTO %s (%s, %s, %s, %s) SELECT k.k0::bigint, 'd', k.k1::pg_catalog.oid, k.k2::pg_catalog.tid FROM %s",
		p.staging(), seqColumn, actionColumn, tableColumn, ctidColumn, l.unnested())
}

func (p *place) noteReverts(l *lists) string {
	var values []string
	for i := range p.columns {
		values = append(values, fmt.Sprintf("k.k%d::%s", doomColumns+i, p.columns[i].typ))
	}
	return fmt.Sprintf("INSERT INTO %s (%s, %s, %s, %s, %s) SELECT k.k0::bigint, 'u', k.k1::pg_catalog.oid, k.k2::pg_catalog.tid, %s FROM %s",
		p.staging(), seqColumn, actionColumn, tableColumn, ctidColumn, strings.Join(p.names(), ", "), strings.Join(values, ", "), l.unnested())
}

// lies says that a row of the target is one of the temporary table.
func lies(target, staged string) string {
	return fmt.Sprintf("%s.ctid = %s.%s AND %s.tableoid = %s.%s", target, staged, ctidColumn, target, staged, tableColumn)
}

// removeRows deletes the inserted rows.
func (p *place) removeRows() string {
	return fmt.Sprintf("DELETE FROM %s t USING %s s WHERE s.%s = 'd' AND %s", p.table.from(), p.staging(), actionColumn, lies("t", "s"))
}

// revertRows gives changed rows their former values.
func (p *place) revertRows(first, last int64) string {
	return fmt.Sprintf("UPDATE %s t SET %s FROM %s s WHERE s.%s = 'u' AND s.%s BETWEEN %d AND %d AND %s",
		p.table.from(), p.settings(), p.staging(), actionColumn, seqColumn, first, last, lies("t", "s"))
}

// rowOfKey is the key of a row of alias for people.
func (p *place) rowOfKey(alias string) string {
	var names []string
	for _, at := range p.key {
		names = append(names, alias+"."+p.columns[at].name)
	}
	return "ROW(" + strings.Join(names, ", ") + ")::text"
}

// spareReferred takes rows off the temporary table to which a row refers that stays. child
// is what is taken back of the referring table; nil: nothing.
func (d *doom) spareReferred(key *foreignKey, child *doom) string {
	leaves := "s." + actionColumn + " = 'd'"
	if changed := d.changed(key, "p", "s", true); d.updates > 0 && changed != "" {
		leaves = fmt.Sprintf("(%s OR %s)", leaves, changed)
	}
	stays := ""
	if child != nil {
		stays = fmt.Sprintf(" AND NOT EXISTS (SELECT FROM %s x WHERE %s AND x.%s = 'd')", child.staging(), lies("c", "x"), actionColumn)
		if child.gives(key) {
			stays = fmt.Sprintf(" AND NOT EXISTS (SELECT FROM %s x WHERE %s AND (x.%s = 'd' OR (%s) IS NOT TRUE))",
				child.staging(), lies("c", "x"), actionColumn, key.matches("p", "x"))
		}
	}
	return fmt.Sprintf(`WITH r AS MATERIALIZED (SELECT DISTINCT s.%[1]s AS seq, %[2]s AS key FROM %[3]s s JOIN %[4]s p ON %[5]s JOIN %[6]s c ON %[7]s WHERE %[8]s%[9]s)
DELETE FROM %[3]s s USING r WHERE s.%[1]s = r.seq RETURNING r.seq, r.key`,
		seqColumn, d.rowOfKey("p"), d.staging(), key.parent.from(), lies("p", "s"), key.child.from(), key.matches("p", "c"), leaves, stays)
}

// changed compares the columns of a foreign key in a row of the target with those in the
// temporary table; "" if the table does not have them all.
func (d *doom) changed(key *foreignKey, target, staged string, referred bool) string {
	var there, former []string
	names := map[string]bool{}
	for _, name := range d.names() {
		names[name] = true
	}
	for _, pair := range key.pairs {
		name := pair.child
		if referred {
			name = pair.parent
		}
		if !names[name] {
			return ""
		}
		there, former = append(there, target+"."+name), append(former, staged+"."+name)
	}
	return fmt.Sprintf("(%s.%s = 'u' AND ROW(%s)::text <> ROW(%s)::text)", staged, actionColumn, strings.Join(there, ", "), strings.Join(former, ", "))
}

// spareReferring takes changed rows off the temporary table whose former values refer to
// a row that is not there, or is taken back too.
func (d *doom) spareReferring(key *foreignKey, parent *doom) string {
	changed := d.changed(key, "t", "s", false)
	if changed == "" {
		changed = "false"
	}
	leaves := ""
	if parent != nil {
		leaves = fmt.Sprintf(" AND NOT EXISTS (SELECT FROM %s x WHERE %s AND x.%s = 'd')", parent.staging(), lies("p", "x"), actionColumn)
	}
	return fmt.Sprintf(`WITH r AS MATERIALIZED (SELECT s.%[1]s AS seq, %[2]s AS key FROM %[3]s s JOIN %[4]s t ON %[5]s
	WHERE %[6]s AND %[7]s AND NOT EXISTS (SELECT FROM %[8]s p WHERE %[9]s%[10]s))
DELETE FROM %[3]s s USING r WHERE s.%[1]s = r.seq RETURNING r.seq, r.key`,
		seqColumn, d.rowOfKey("t"), d.staging(), key.child.from(), lies("t", "s"), changed, key.referring("s"), key.parent.from(), key.matches("p", "s"), leaves)
}

// removeMultisetRows deletes rows that transactions with these ids put into a table
// without a key, one for each row of the temporary table with the same values.
func (p *place) removeMultisetRows(xids []string) string {
	there, planned := "ROW(t."+strings.Join(p.names(), ", t.")+")::text", "ROW(s."+strings.Join(p.names(), ", s.")+")::text"
	return fmt.Sprintf(`DELETE FROM %[1]s t USING
	(SELECT t.tableoid AS o, t.ctid AS c, %[2]s AS r, row_number() OVER (PARTITION BY %[2]s) AS n
		FROM %[1]s t JOIN pg_catalog.unnest('{%[5]s}'::pg_catalog.xid[]) AS x(xid) ON t.xmin = x.xid) m
	JOIN (SELECT %[3]s AS r, row_number() OVER (PARTITION BY %[3]s) AS n FROM %[4]s s) s ON s.r OPERATOR(pg_catalog.=) m.r AND s.n = m.n
WHERE t.ctid = m.c AND t.tableoid = m.o`, p.table.from(), there, planned, p.staging(), strings.Join(xids, ","))
}
