package restore

import (
	"context"

	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/live"
)

// TableShape is a table of a target as its catalogs describe it.
type TableShape struct {
	evidence.RelationName
	Columns []ColumnShape // in the table's order
	Key     []string      // the primary key; none: there is none
	// Unique are the columns of unique indexes over columns alone and for all rows, the
	// primary key first.
	Unique   [][]string
	Parents  []ParentShape
	Triggers []TriggerPlan
	reads    map[string]string // for MayRead
}

// ColumnShape is a column of a TableShape.
type ColumnShape struct {
	Name      string
	Type      string // as format_type prints it
	NotNull   bool
	Default   string // the expression; "": none
	Generated bool
	Identity  byte // 'a' always, 'd' by default, 0 none
}

// ParentShape is a foreign key of a TableShape.
type ParentShape struct {
	Constraint string
	Columns    []string
	Table      string // schema and name, quoted where SQL needs it
	References []string
}

// Column finds a column by its name; nil: there is none.
func (t *TableShape) Column(name string) *ColumnShape {
	for i := range t.Columns {
		if t.Columns[i].Name == name {
			return &t.Columns[i]
		}
	}
	return nil
}

// DescribeTables reads the definitions of tables, and no row of them. A table that is not
// there, or is none, is left out of the answer, which is in the order of the names.
func DescribeTables(ctx context.Context, conn *live.Conn, names []evidence.RelationName) ([]TableShape, error) {
	target, found, err := readTables(ctx, conn, names)
	if err != nil {
		return nil, err
	}
	var shapes []TableShape
	for _, at := range found {
		if table := target.tables[at.oid]; table != nil {
			shapes = append(shapes, table.shape(conn.Database()))
		}
	}
	return shapes, nil
}

// readTables looks tables up and reads their definitions, in a transaction of its own.
func readTables(ctx context.Context, conn *live.Conn, names []evidence.RelationName) (*targetDB, []foundTable, error) {
	const op = "read the definition of the tables at"
	target := &targetDB{conn: conn}
	var err error
	if target.card, err = conn.Card(ctx); err != nil {
		return nil, nil, err
	}
	if err := conn.Exec(ctx, op, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"); err != nil {
		return nil, nil, err
	}
	defer func() { _ = conn.Exec(context.WithoutCancel(ctx), op, "ROLLBACK") }() // nothing was written
	var schemas, plain []string
	for _, name := range names {
		schemas, plain = append(schemas, name.Schema), append(plain, name.Name)
	}
	found, err := findTables(ctx, conn, schemas, plain)
	if err != nil {
		return nil, nil, err
	}
	var oids []string
	for _, at := range found {
		if at.oid != "" && (at.kind == "r" || at.kind == "p") {
			oids = append(oids, at.oid)
		}
	}
	return target, found, qualified(ctx, conn, func() error { return target.describe(ctx, oids) })
}

func (t *targetTable) shape(database string) TableShape {
	shape := TableShape{RelationName: evidence.RelationName{Database: database, Schema: t.schema, Name: t.name}, Triggers: t.triggers, reads: t.reads()}
	for i := range t.columns {
		c := &t.columns[i]
		shape.Columns = append(shape.Columns, ColumnShape{
			Name: c.name, Type: c.typ, NotNull: c.notNull, Default: c.defaults, Generated: c.generation != "", Identity: c.identity,
		})
	}
	for _, index := range t.indexes {
		if !index.plain() {
			continue
		}
		names := index.columnNames(t)
		if index.primary {
			shape.Key = names
		}
		shape.Unique = append(shape.Unique, names)
	}
	for _, key := range t.keys {
		parent := ParentShape{Constraint: key.name, Table: key.parent.name}
		for _, pair := range key.pairs {
			parent.Columns, parent.References = append(parent.Columns, pair.childName), append(parent.References, pair.parentName)
		}
		shape.Parents = append(shape.Parents, parent)
	}
	return shape
}
