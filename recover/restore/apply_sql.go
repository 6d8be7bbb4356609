package restore

import (
	"fmt"
	"strconv"
	"strings"
)

// The temporary table of a place holds the rows of one transaction on their way in.
// It has the place's columns, and two more.
const (
	seqColumn    = "pgrescue_seq"
	actionColumn = "pgrescue_action"
)

// What the rows of a temporary table are for.
const (
	stagedInsert = 'i'
	stagedUpdate = 'u'
	stagedEqual  = 'e' // only to be compared
)

// staging is the temporary table of a place.
func (p *place) staging() string { return "pg_temp.pgrescue_" + strconv.Itoa(p.index) }

// createStaging makes the temporary table. Taking its columns from a query keeps types,
// modifiers and collations, and leaves constraints, defaults and identity behind. With
// mixed rows it also says which row is inserted and which is to be changed.
func (p *place) createStaging(mixed bool) string {
	if mixed {
		return p.createStagingWith("'i'::pg_catalog.\"char\" AS " + actionColumn)
	}
	return p.createStagingWith()
}

// createStagingWith makes the temporary table with more columns behind those of the place.
func (p *place) createStagingWith(more ...string) string {
	selected := append(p.names(), more...)
	return fmt.Sprintf("CREATE TEMPORARY TABLE pgrescue_%d ON COMMIT DROP AS SELECT %s FROM %s WITH NO DATA",
		p.index, strings.Join(selected, ", "), p.table.from())
}

// insertRows puts the rows of the temporary table into the table.
func (p *place) insertRows(mixed bool) string {
	if mixed {
		return p.insertWhere(actionColumn + " = 'i'")
	}
	return p.insertWhere("")
}

// insertWhere puts those rows of the temporary table, which has the alias s, into the table.
func (p *place) insertWhere(condition string) string {
	columns := strings.Join(p.names(), ", ")
	if condition != "" {
		condition = " WHERE " + condition
	}
	return fmt.Sprintf("INSERT INTO %s (%s) OVERRIDING SYSTEM VALUE SELECT %s FROM %s s%s", p.table.name, columns, columns, p.staging(), condition)
}

// updateRows gives rows of the table the values of the temporary one.
func (p *place) updateRows() string {
	return fmt.Sprintf("UPDATE %s t SET %s FROM %s s WHERE s.%s = 'u' AND %s",
		p.table.from(), p.settings(), p.staging(), actionColumn, p.sameKey("t", "s"))
}

// changedMultiset finds staged rows of a table without a key that are not as often in the
// table as the plan found them. Rows that are put in are those the table had too few of.
func (p *place) changedMultiset(limit int) string {
	row := "ROW(" + strings.Join(p.names(), ", ") + ")::text"
	return fmt.Sprintf(`SELECT s.r, coalesce(t.n, 0), s.n FROM
	(SELECT %s AS r, count(*) FILTER (WHERE %s = 'e') AS n FROM %s GROUP BY 1 HAVING bool_or(%s = 'i')) s
	LEFT JOIN (SELECT %s AS r, count(*) AS n FROM %s GROUP BY 1) t ON t.r OPERATOR(pg_catalog.=) s.r
WHERE coalesce(t.n, 0) <> s.n LIMIT %d`, row, actionColumn, p.staging(), actionColumn, row, p.table.from(), limit)
}

// inOneStatement makes one statement of several that write. The server checks foreign
// keys that are not deferred when the whole statement is done, so the rows may come in
// any order, and may refer to each other in a circle. The statement gives the number of
// rows that each of them wrote.
func inOneStatement(statements []string) string {
	var with, counts []string
	for i, statement := range statements {
		with = append(with, fmt.Sprintf("w%d AS (%s RETURNING 1)", i, statement))
		counts = append(counts, fmt.Sprintf("(SELECT count(*) FROM w%d)", i))
	}
	return "WITH " + strings.Join(with, ", ") + " SELECT " + strings.Join(counts, ", ")
}

// violatedSQL finds rows of the running transaction, whose id is given without its epoch,
// that a late constraint forbids.
func (c *lateConstraint) violatedSQL(xid uint32, limit int) string {
	var names, conditions []string
	for i, expression := range c.expressions {
		names = append(names, fmt.Sprintf("%s AS e%d", expression, i))
		conditions = append(conditions, fmt.Sprintf("a.e%d %s b.e%d", i, c.operators[i], i))
	}
	rows := fmt.Sprintf("(SELECT ctid AS place, xmin AS xid, %s FROM ONLY %s WHERE %s)", strings.Join(names, ", "), c.table.name, c.predicate)
	return fmt.Sprintf("SELECT ROW(a.*)::text FROM %s a JOIN %s b ON a.place <> b.place AND %s WHERE a.xid = '%d'::pg_catalog.xid LIMIT %d",
		rows, rows, strings.Join(conditions, " AND "), xid, limit)
}
