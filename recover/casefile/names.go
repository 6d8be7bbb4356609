package casefile

import (
	"encoding/json"
	"errors"
	"fmt"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/pg"
)

// mostTexts bounds the texts whose numbers a run keeps at hand.
const mostTexts = 10_000

// text numbers a text that many lines share; 0 stands for the empty one.
func (r *Run) text(text string) (int64, error) {
	if text == "" {
		return 0, nil
	}
	if id, known := r.texts[text]; known {
		return id, nil
	}
	r.c.mu.Lock()
	defer r.c.mu.Unlock()
	if err := r.start(); err != nil {
		return 0, err
	}
	r.changed["text"] = true
	id, err := r.idOf("SELECT id FROM text WHERE text = ?", "INSERT INTO text (text) VALUES (?)", text)
	if err != nil {
		return 0, err
	}
	if len(r.texts) >= mostTexts {
		clear(r.texts)
	}
	r.texts[text] = id
	return id, nil
}

// idOf finds the number of a line, or makes the line. Both statements take args.
func (r *Run) idOf(find, make string, args ...any) (int64, error) {
	id, err := r.c.number(find, args...)
	if err != nil || id != 0 {
		return id, err
	}
	if err := r.exec(make, args...); err != nil {
		return 0, err
	}
	return r.c.conn.LastInsertRowID(), nil
}

// columnName is a name in JSON; one that is not UTF-8 keeps its bytes.
type columnName string

func (n columnName) MarshalJSON() ([]byte, error) { return appendBytes(nil, string(n)), nil }

func (n *columnName) UnmarshalJSON(text []byte) error {
	p := valueParser{text: text}
	v, err := p.value()
	if err == nil && v.State != evidence.Known {
		err = errors.New("a name is a text")
	}
	*n = columnName(v.Text)
	return err
}

// shapeColumn is a column in shape.columns.
type shapeColumn struct {
	Name      columnName `json:"name"`
	Type      columnName `json:"type"`
	Key       bool       `json:"key,omitempty"`
	Generated bool       `json:"generated,omitempty"`
	Identity  string     `json:"identity,omitempty"` // a or d
	Dropped   bool       `json:"dropped,omitempty"`
}

// shapeText is the JSON of a relation's columns.
func shapeText(columns []evidence.Column) string {
	list := make([]shapeColumn, len(columns))
	for i, c := range columns {
		list[i] = shapeColumn{Name: columnName(c.Name), Type: columnName(c.Type), Key: c.Key, Generated: c.Generated, Dropped: c.Dropped}
		if c.Identity != 0 {
			list[i].Identity = string(rune(c.Identity))
		}
	}
	return jsonText(list)
}

// parseShape is the way back.
func parseShape(text []byte) ([]evidence.Column, error) {
	var list []shapeColumn
	if err := json.Unmarshal(text, &list); err != nil {
		return nil, fmt.Errorf("parse columns of a shape: %w", err)
	}
	columns := make([]evidence.Column, len(list))
	for i, c := range list {
		columns[i] = evidence.Column{Name: string(c.Name), Type: string(c.Type), Key: c.Key, Generated: c.Generated, Dropped: c.Dropped}
		if c.Identity != "" {
			columns[i].Identity = c.Identity[0]
		}
	}
	return columns, nil
}

// relation finds or makes the line of a table. What was not known before is added.
func (r *Run) relation(t *Table) (int64, error) {
	name := t.Relation.RelationName
	id, err := r.idOf("SELECT id FROM relation WHERE database = ? AND schema = ? AND name = ?",
		"INSERT INTO relation (database, schema, name, partition_schema, partition_of, encoding, view) VALUES (?, ?, ?, '', '', '', '')",
		name.Database, name.Schema, name.Name)
	if err != nil {
		return 0, err
	}
	if t.PartitionOf.Name != "" {
		err = r.exec("UPDATE relation SET partition_schema = ?, partition_of = ? WHERE id = ?", t.PartitionOf.Schema, t.PartitionOf.Name, id)
	}
	if err == nil && t.Encoding != "" {
		err = r.exec("UPDATE relation SET encoding = ? WHERE id = ?", t.Encoding, id)
	}
	return id, err
}

// shape finds or makes the line of a shape.
func (r *Run) shape(relationID int64, rel *evidence.Relation) (int64, error) {
	r.c.mu.Lock()
	defer r.c.mu.Unlock()
	if err := r.start(); err != nil {
		return 0, err
	}
	return r.idOf("SELECT id FROM shape WHERE relation_id = ? AND oid = ? AND columns = ?",
		"INSERT INTO shape (relation_id, oid, columns) VALUES (?, ?, ?)", relationID, int64(rel.OID), shapeText(rel.Columns))
}

// Relation is a table that the case has something of.
type Relation struct {
	ID int64 `json:"id"`
	evidence.RelationName
	PartitionOf evidence.RelationName `json:"partition_of"` // Name "": of none
	Encoding    string                `json:"encoding,omitempty"`
	View        string                `json:"view,omitempty"` // in case.db, of its rows
	Shapes      []*evidence.Relation  `json:"-"`              // that its rows had, the last met last
}

// shapes reads all shapes of the case by number.
func (c *Case) shapes(relations map[int64]*Relation) (map[int64]*evidence.Relation, error) {
	shapes := make(map[int64]*evidence.Relation)
	err := sqlitex.Execute(c.conn, "SELECT id, relation_id, oid, columns FROM shape ORDER BY id", &sqlitex.ExecOptions{ResultFunc: func(stmt *sqlite.Stmt) error {
		owner := relations[stmt.ColumnInt64(1)]
		if owner == nil {
			return failure("read", c.dir, ErrDamaged, fmt.Errorf("shape %d is of no table", stmt.ColumnInt64(0)), hintDamaged)
		}
		columns, err := parseShape([]byte(stmt.ColumnText(3)))
		if err != nil {
			return failure("read", c.dir, ErrDamaged, err, hintDamaged)
		}
		rel := &evidence.Relation{RelationName: owner.RelationName, OID: pg.OID(stmt.ColumnInt64(2)), Columns: columns}
		shapes[stmt.ColumnInt64(0)] = rel
		owner.Shapes = append(owner.Shapes, rel)
		return nil
	}})
	return shapes, err
}

// relations reads all tables of the case in the order of their numbers.
func (c *Case) relations() ([]*Relation, error) {
	var list []*Relation
	err := sqlitex.Execute(c.conn, "SELECT id, database, schema, name, partition_schema, partition_of, encoding, view FROM relation ORDER BY id",
		&sqlitex.ExecOptions{ResultFunc: func(stmt *sqlite.Stmt) error {
			rel := &Relation{
				ID:           stmt.ColumnInt64(0),
				RelationName: evidence.RelationName{Database: stmt.ColumnText(1), Schema: stmt.ColumnText(2), Name: stmt.ColumnText(3)},
				Encoding:     stmt.ColumnText(6), View: stmt.ColumnText(7),
			}
			if name := stmt.ColumnText(5); name != "" {
				rel.PartitionOf = evidence.RelationName{Database: rel.Database, Schema: stmt.ColumnText(4), Name: name}
			}
			list = append(list, rel)
			return nil
		}})
	return list, err
}
