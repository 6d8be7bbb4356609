package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/pgrescue/pgrescue/cmd/internal/exitcode"
	"github.com/pgrescue/pgrescue/cmd/internal/term"
	"github.com/pgrescue/pgrescue/importers/discovery"
	"github.com/pgrescue/pgrescue/importers/mapping"
	"github.com/pgrescue/pgrescue/recover/catalog"
	"github.com/pgrescue/pgrescue/recover/datum"
	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/live"
	"github.com/pgrescue/pgrescue/recover/restore"
)

// importShapes are the tables that are known, by schema and name.
type importShapes map[string]*restore.TableShape

// hasDefault reports whether a column takes a value by itself.
func (s importShapes) hasDefault(table evidence.RelationName, name string) bool {
	shape := s[table.String()]
	if shape == nil {
		return false
	}
	column := shape.Column(name)
	return column != nil && (column.Default != "" || column.Identity != 0)
}

// importTarget is the database that rows are made for, or what is known of it.
type importTarget struct {
	options  *importOptions
	conn     *live.Conn // nil: no server is asked
	card     *live.Card
	offline  *catalog.Database // of --catalog
	database string
	shapes   importShapes
	schemas  *discovery.Schema // of the application's tables, once they were needed
}

// openTarget connects to the server that is named, or reads the snapshot. Without either
// nothing is known.
func openTarget(ctx context.Context, options *importOptions, terminal *term.Terminal, found *recorder) (*importTarget, error) {
	target := &importTarget{options: options, shapes: importShapes{}}
	switch {
	case options.asks():
		conn, err := options.connect(ctx, "import", live.Read)
		if err != nil {
			return nil, restoreError(err)
		}
		target.conn = conn
		if target.card, err = conn.Card(ctx); err != nil {
			conn.Close()
			return nil, restoreError(err)
		}
		target.database = target.card.Database
		showCard(terminal, target.card)
	case options.catalogFile != "":
		var err error
		if target.offline, err = readCatalogOf(options.catalogFile, options.database, found); err != nil {
			return nil, err
		}
		target.database = target.offline.Name
	}
	return target, nil
}

// readCatalogOf finds the database of a snapshot file.
func readCatalogOf(path, name string, found *recorder) (*catalog.Database, error) {
	snapshot, err := readSnapshot("import", path, found)
	if err != nil {
		return nil, err
	}
	var names []string
	var one *catalog.Database
	for i := range snapshot.Databases {
		if db := &snapshot.Databases[i]; name == "" || db.Name == name {
			one, names = db, append(names, db.Name)
		}
	}
	switch len(names) {
	case 1:
		return one, nil
	case 0:
		return nil, exitcode.With(exitcode.NotFound, fmt.Errorf("import: the catalog %s has no database %s", path, name))
	}
	return nil, exitcode.Usagef("name one with --database", "import: the catalog %s has the databases %s", path, strings.Join(names, ", "))
}

func (t *importTarget) close() {
	if t != nil && t.conn != nil {
		t.conn.Close()
	}
}

// known reports whether anything is known of the target's tables.
func (t *importTarget) known() bool { return t.conn != nil || t.offline != nil }

// describe finds tables, those that are there.
func (t *importTarget) describe(ctx context.Context, names ...evidence.RelationName) ([]restore.TableShape, error) {
	var shapes []restore.TableShape
	var err error
	switch {
	case t.conn != nil:
		shapes, err = restore.DescribeTables(ctx, t.conn, names)
	case t.offline != nil:
		for _, name := range names {
			if rel, failed := t.offline.Table(name.String()); failed == nil {
				shapes = append(shapes, shapeOf(t.offline, rel))
			}
		}
	}
	if err != nil {
		return nil, restoreError(err)
	}
	for i := range shapes {
		t.shapes[shapes[i].String()] = &shapes[i]
	}
	return shapes, nil
}

// shapeOf is a table of a snapshot, which knows no defaults: any column may have one.
func shapeOf(db *catalog.Database, rel *catalog.Relation) restore.TableShape {
	shape := restore.TableShape{RelationName: evidence.RelationName{Database: db.Name, Schema: rel.Schema, Name: rel.Name}}
	types := datum.NewRegistry(db)
	names := map[int16]string{}
	for i := range rel.Attributes {
		a := &rel.Attributes[i]
		if a.Dropped {
			continue
		}
		column := restore.ColumnShape{
			Name: a.Name, Type: types.TypeName(a.Type, a.TypeMod), NotNull: a.NotNull, Generated: a.Generated != "", Default: "not known",
		}
		if a.Identity != "" {
			column.Identity = a.Identity[0]
		}
		names[a.Number] = a.Name
		shape.Columns = append(shape.Columns, column)
	}
	for _, number := range rel.PrimaryKey {
		shape.Key = append(shape.Key, names[number])
	}
	return shape
}

// relationOf is a table's shape for rows.
func relationOf(shape *restore.TableShape) *evidence.Relation {
	relation := &evidence.Relation{RelationName: shape.RelationName}
	for i := range shape.Columns {
		c := &shape.Columns[i]
		relation.Columns = append(relation.Columns, evidence.Column{
			Name: c.Name, Type: c.Type, Key: slices.Contains(shape.Key, c.Name), Generated: c.Generated, Identity: c.Identity,
		})
	}
	return relation
}

// holds says whether the database has a place for all characters of a text; nil: it has, as far as anybody knows.
func (t *importTarget) holds() func(ctx context.Context, text string) (bool, error) {
	if t.conn == nil || t.card.Encoding == "UTF8" || t.card.Encoding == "SQL_ASCII" {
		return nil
	}
	return func(ctx context.Context, text string) (bool, error) {
		_, err := t.conn.Value(ctx, "import: ask for characters at", "SELECT $1::text IS NULL", text)
		switch live.Code(err) {
		case "22P05", "22021": // untranslatable_character, character_not_in_repertoire
			return false, nil
		}
		return err == nil, restoreError(err)
	}
}

// columnsOf are a table's columns for a mapping; nil: nothing is known of them.
func columnsOf(shape *restore.TableShape) []mapping.Column {
	if shape == nil {
		return nil
	}
	var columns []mapping.Column
	for i := range shape.Columns {
		c := &shape.Columns[i]
		columns = append(columns, mapping.Column{
			Name: c.Name, Type: c.Type, NotNull: c.NotNull, HasDefault: c.Default != "", Generated: c.Generated, Identity: c.Identity,
		})
	}
	return columns
}

// schema finds the application's tables; nil: nothing is known of them.
func (t *importTarget) schema(ctx context.Context) (*discovery.Schema, error) {
	if t.schemas != nil || !t.known() {
		return t.schemas, nil
	}
	schema := &discovery.Schema{Name: t.options.schema, Tables: map[string]*evidence.Relation{}}
	var names []evidence.RelationName
	for _, name := range discovery.Names() {
		names = append(names, evidence.RelationName{Schema: schema.Name, Name: name})
	}
	shapes, err := t.describe(ctx, names...)
	if err != nil {
		return nil, err
	}
	for i := range shapes {
		schema.Tables[shapes[i].Name] = relationOf(&shapes[i])
	}
	for _, name := range names {
		if optional := name.Name == "asset_dependencies" || name.Name == "import_field_mappings"; !optional && schema.Tables[name.Name] == nil {
			return nil, exitcode.With(exitcode.NotFound, exitcode.Hinted(
				fmt.Errorf("import: the database %s has no table %s", t.database, name), "--schema names the application's schema; --table S.T imports into a table of your own"))
		}
	}
	t.schemas = schema
	return schema, nil
}

// assetColumns are the columns of assets for a mapping.
func (t *importTarget) assetColumns() []mapping.Column {
	return columnsOf(t.shapes[evidence.RelationName{Schema: t.options.schema, Name: "assets"}.String()])
}
