package casefile

import (
	"encoding/json"

	"zombiezen.com/go/sqlite"

	"github.com/pgrescue/pgrescue/recover/evidence"
)

// ForeignKey is a foreign key of a child table, as catalogs have it.
type ForeignKey struct {
	Name          string                `json:"name"`
	Child         evidence.RelationName `json:"child"` // both are of its database
	Columns       []string              `json:"columns"`
	Parent        evidence.RelationName `json:"parent"`
	ParentColumns []string              `json:"parent_columns"`
	OnDelete      string                `json:"on_delete"` // NO ACTION, RESTRICT, CASCADE, SET NULL, SET DEFAULT; "": not known
}

// ForeignKey notes a foreign key. The last word on a key counts.
func (r *Run) ForeignKey(k ForeignKey) error {
	return r.do("note a foreign key in", func() error {
		return r.exec(`INSERT INTO foreign_key (database, schema, name, constraint_name, columns, parent_schema, parent, parent_columns, on_delete, run_id)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
ON CONFLICT DO UPDATE SET columns = ?5, parent_schema = ?6, parent = ?7, parent_columns = ?8, on_delete = ?9, run_id = ?10
WHERE (columns, parent_schema, parent, parent_columns, on_delete) <> (?5, ?6, ?7, ?8, ?9)`,
			k.Child.Database, k.Child.Schema, k.Child.Name, k.Name, listText(k.Columns), k.Parent.Schema, k.Parent.Name, listText(k.ParentColumns), k.OnDelete, r.id)
	})
}

// listText is a list of names in JSON.
func listText(names []string) string {
	list := make([]columnName, len(names))
	for i, name := range names {
		list[i] = columnName(name)
	}
	return jsonText(list)
}

// listForeignKeys lists the foreign keys that the case knows, by the names of their tables.
func (c *Case) listForeignKeys(s *Summary) error {
	if c.version < versionTriage {
		return nil
	}
	return c.each(`SELECT database, schema, name, constraint_name, columns, parent_schema, parent, parent_columns, on_delete FROM foreign_key
ORDER BY database, schema, name, constraint_name`, func(stmt *sqlite.Stmt) error {
		database := stmt.ColumnText(0)
		k := ForeignKey{
			Name: stmt.ColumnText(3), Child: evidence.RelationName{Database: database, Schema: stmt.ColumnText(1), Name: stmt.ColumnText(2)},
			Parent: evidence.RelationName{Database: database, Schema: stmt.ColumnText(5), Name: stmt.ColumnText(6)}, OnDelete: stmt.ColumnText(8),
		}
		var err error
		if k.Columns, err = readList(stmt.ColumnText(4)); err == nil {
			k.ParentColumns, err = readList(stmt.ColumnText(7))
		}
		s.ForeignKeys = append(s.ForeignKeys, k)
		return err
	})
}

func readList(text string) ([]string, error) {
	var list []columnName
	err := json.Unmarshal([]byte(text), &list)
	names := make([]string, len(list))
	for i, name := range list {
		names[i] = string(name)
	}
	return names, err
}
