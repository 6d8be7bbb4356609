package main

import (
	"context"
	"fmt"
	"iter"
	"slices"

	"github.com/pgrescue/pgrescue/cmd/internal/exitcode"
	"github.com/pgrescue/pgrescue/importers/discovery"
	"github.com/pgrescue/pgrescue/importers/mapping"
	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/pg"
	"github.com/pgrescue/pgrescue/recover/restore"
)

// makeTable makes the rows of one table, as the profile says, or of headers that are its columns.
func (r *importRun) makeTable(ctx context.Context, made *importMade) error {
	shape, err := r.tableShape(ctx, made)
	if err != nil {
		return err
	}
	columns := columnsOf(shape)
	if made.profile == nil {
		if made.profile, err = mapping.OfTable(shape.RelationName, columns); err != nil {
			return err
		}
	}
	if made.mapping, err = r.mapHeader(made, columns); err != nil {
		return err
	}
	relation := &evidence.Relation{RelationName: shape.RelationName}
	for _, target := range made.mapping.Targets {
		relation.Columns = append(relation.Columns, evidence.Column{Name: target.Name, Type: target.Type, Key: slices.Contains(shape.Key, target.Name), Identity: target.Identity})
	}
	if len(relation.Columns) == 0 {
		return exitcode.With(exitcode.Insufficient, exitcode.Hinted(
			fmt.Errorf("import: no header of %s is a column of %s", made.place(), shape.RelationName),
			"--map HEADER=COLUMN names them, or a profile: `pgrescue import profile new` begins one"))
	}
	keys := usableKeys(append(made.profile.KeysOf(columns), shape.Unique...), relation)
	made.tables = func(ctx context.Context) []discovery.Table {
		return []discovery.Table{{Relation: relation, Keys: keys, Rows: made.plainRows(ctx, relation)}}
	}
	return nil
}

// qualified reads the name of a table with its schema.
func qualified(text string) (evidence.RelationName, error) {
	parts, _, err := pg.SplitName(text)
	if err != nil || len(parts) != 2 {
		return evidence.RelationName{}, exitcode.Usagef("write it as in SQL: schema.name", "--table %q names no table with its schema", text)
	}
	return evidence.RelationName{Schema: parts[0], Name: parts[1]}, nil
}

// tableShape finds the table in the target.
func (r *importRun) tableShape(ctx context.Context, made *importMade) (*restore.TableShape, error) {
	text := made.options.table
	name, err := qualified(text)
	if err != nil {
		return nil, err
	}
	if !r.target.known() {
		return nil, exitcode.Usagef("--dsn names the target, or --catalog a file of `pgrescue catalog dump`", "import: which columns table %s has, only a target or its catalog can say", text)
	}
	shapes, err := r.target.describe(ctx, name)
	if err != nil {
		return nil, err
	}
	if len(shapes) == 0 {
		return nil, exitcode.With(exitcode.NotFound, exitcode.Hinted(
			fmt.Errorf("import: the database %s has no table %s", r.target.database, name), "write it as schema.name, as in SQL"))
	}
	return &shapes[0], r.mayRead(ctx, &shapes[0])
}

// usableKeys are those whose columns are all given, each once.
func usableKeys(keys [][]string, relation *evidence.Relation) [][]string {
	var usable [][]string
	seen := map[string]bool{}
	for _, key := range keys {
		all := len(key) > 0
		for _, name := range key {
			all = all && relation.Column(name) >= 0
		}
		if text := fmt.Sprintf("%q", key); all && !seen[text] {
			seen[text] = true
			usable = append(usable, key)
		}
	}
	return usable
}

// plainRows yields the rows of the records. What the mapping refuses is a reject.
func (m *importMade) plainRows(ctx context.Context, relation *evidence.Relation) iter.Seq2[*evidence.Row, error] {
	return func(yield func(*evidence.Row, error) bool) {
		row := evidence.Row{Relation: relation, Provenance: evidence.Provenance{Route: evidence.RouteImport, Confidence: evidence.Derived, Source: m.place()}}
		var values []evidence.Value
		for record, err := range m.watch.Records(ctx, m.trouble.put) {
			if err != nil {
				yield(nil, err)
				return
			}
			refused := &mapping.Refusal{Reason: "it has nothing for any column of the table"}
			if !m.mapping.Empty(record) {
				values, refused = m.mapping.Row(values[:0], record)
			}
			if refused != nil {
				if err := m.trouble.put(record.Reject(refused.Column, refused.Reason)); err != nil {
					yield(nil, err)
					return
				}
				continue
			}
			row.Values, row.Line, row.Note = values, record.Line, record.Note
			if !yield(&row, nil) {
				return
			}
		}
	}
}
