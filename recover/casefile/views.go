package casefile

import (
	"fmt"
	"strings"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/pg"
)

// makeViews gives each table of the run a view of its rows with its real columns,
// for people with an SQLite browser.
func (r *Run) makeViews() error {
	seen := make(map[int64]bool)
	for _, t := range r.tables {
		if seen[t.id] {
			continue
		}
		seen[t.id] = true
		if err := r.makeView(t); err != nil {
			return err
		}
	}
	return nil
}

func (r *Run) makeView(t *RunTable) error {
	var ids []int64
	var shapes [][]evidence.Column
	err := sqlitex.Execute(r.c.conn, "SELECT id, columns FROM shape WHERE relation_id = ? ORDER BY id", &sqlitex.ExecOptions{
		Args: []any{t.id},
		ResultFunc: func(stmt *sqlite.Stmt) error {
			columns, err := parseShape([]byte(stmt.ColumnText(1)))
			ids, shapes = append(ids, stmt.ColumnInt64(0)), append(shapes, columns)
			return err
		},
	})
	if err != nil || len(ids) == 0 {
		return err
	}
	name, err := r.viewName(t)
	if err != nil {
		return err
	}
	text := viewText(name, t.id, ids, shapes)
	if now, err := r.c.textOf("SELECT sql FROM sqlite_schema WHERE type = 'view' AND name = ?", name); err != nil || now == text {
		return err
	}
	if err := r.exec("DROP VIEW IF EXISTS " + pg.QuoteIdentAlways(name)); err != nil {
		return err
	}
	if err := r.exec(text); err != nil {
		return err
	}
	return r.exec("UPDATE relation SET view = ? WHERE id = ?", name, t.id)
}

// viewName is the name of a table's view: the one it has, or a free one. SQLite
// knows no schemas, and no upper and lower case in names.
func (r *Run) viewName(t *RunTable) (string, error) {
	name, err := r.c.textOf("SELECT view FROM relation WHERE id = ?", t.id)
	if err != nil || name != "" {
		return name, err
	}
	name = "rows_" + t.table.Relation.Schema + "_" + t.table.Relation.Name
	taken, err := r.c.number("SELECT count(*) FROM sqlite_schema WHERE lower(name) = lower(?)", name)
	if taken > 0 {
		name = fmt.Sprintf("%s_%d", name, t.id)
	}
	return name, err
}

// textOf runs a query whose answer is one text; "" when there is none.
func (c *Case) textOf(query string, args ...any) (string, error) {
	var text string
	err := sqlitex.Execute(c.conn, query, &sqlitex.ExecOptions{Args: args, ResultFunc: func(stmt *sqlite.Stmt) error {
		text = stmt.ColumnText(0)
		return nil
	}})
	return text, err
}

// viewText is the statement that makes a view. A column stands once under its
// name, wherever the shapes have it.
func viewText(name string, relationID int64, ids []int64, shapes [][]evidence.Column) string {
	var names []string
	places := make(map[string][]string) // of a column: WHEN shape THEN its value
	for s, columns := range shapes {
		for i, c := range columns {
			if places[c.Name] == nil {
				names = append(names, c.Name)
			}
			places[c.Name] = append(places[c.Name], fmt.Sprintf("WHEN %d THEN json_extract(row.data, '$[%d]')", ids[s], i))
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, "CREATE VIEW %s AS SELECT ", pg.QuoteIdentAlways(name))
	for _, column := range names {
		fmt.Fprintf(&b, "CASE row.shape_id %s END AS %s, ", strings.Join(places[column], " "), pg.QuoteIdentAlways(column))
	}
	fmt.Fprintf(&b, "row_list.id AS _id, row_list.route AS _route, row_list.confidence AS _confidence, row_list.operation AS _operation, "+
		"row_list.commit_time AS _commit_time, row_list.complete AS _complete, row_list.intermediate AS _intermediate, row_list.note AS _note "+
		"FROM row JOIN row_list ON row_list.id = row.id WHERE row.relation_id = %d", relationID)
	return b.String()
}
