package rebuild

import (
	"maps"
	"slices"

	"github.com/pgrescue/pgrescue/recover/evidence"
)

// table is what is known of a table while events come.
type table struct {
	name     evidence.RelationName
	relation *evidence.Relation // nil: nobody knows its shape, and columns are those that statements name
	columns  []evidence.Column
	named    map[string]int
	// keys counts the columns that conditions of UPDATE and DELETE name, and order has them as they came.
	keys   map[string]*keyUse
	order  []string
	report *TableReport
}

// keyUse is how often columns stood in a condition.
type keyUse struct {
	columns []int
	count   int
}

// table finds a table by the name that stands in a statement.
func (b *Builder) table(name evidence.RelationName) *table {
	if t := b.tables[name]; t != nil {
		return t
	}
	relation, ok := b.options.Tables(name)
	if ok && relation != nil && relation.RelationName != name {
		full := b.tables[relation.RelationName]
		if full == nil {
			full = b.make(relation.RelationName, relation)
		}
		b.tables[name] = full
		return full
	}
	if !ok {
		relation = nil
	}
	return b.make(name, relation)
}

// whole gives the partitioned table of a partition, whose rows are its own; of other tables themselves.
func (b *Builder) whole(t *table) *table {
	root, ok := b.options.Root(t.name)
	if !ok {
		return t
	}
	return b.table(root)
}

func (b *Builder) make(name evidence.RelationName, relation *evidence.Relation) *table {
	t := &table{name: name, relation: relation, named: make(map[string]int), keys: make(map[string]*keyUse), report: &TableReport{Relation: name}}
	if relation != nil {
		for _, column := range relation.Columns {
			t.named[column.Name] = len(t.columns)
			t.columns = append(t.columns, column)
		}
	}
	b.tables[name] = t
	return t
}

// column finds a column; -1: the catalog has none of that name.
func (t *table) column(name string) int {
	if at, ok := t.named[name]; ok {
		return at
	}
	if t.relation != nil {
		return -1
	}
	t.named[name] = len(t.columns)
	t.columns = append(t.columns, evidence.Column{Name: name})
	return len(t.columns) - 1
}

// dropTables makes the drop of tables that are known by now.
func (b *Builder) dropTables(d *deed, gone func(*table) bool) {
	for _, t := range b.inOrder() {
		if gone(t) {
			d.changes = append(d.changes, change{table: t, kind: empties, by: d})
			t.report.Statements++
		}
	}
}

// inOrder gives each table once, by name.
func (b *Builder) inOrder() []*table {
	once := make(map[*table]bool, len(b.tables))
	for _, t := range b.tables {
		once[t] = true
	}
	list := slices.Collect(maps.Keys(once))
	slices.SortFunc(list, func(x, y *table) int { return compareNames(x.name, y.name) })
	return list
}

// adopt joins tables that statements called by a shorter name with the one that it can only mean: "orders" with
// "public.orders", where there is no other.
func (b *Builder) adopt() map[*table]*table {
	list := b.inOrder()
	meant := make(map[*table]*table)
	for _, short := range list {
		var found []*table
		for _, t := range list {
			same := t != short && t.name.Name == short.name.Name &&
				(short.name.Schema == "" || t.name.Schema == "" || t.name.Schema == short.name.Schema) &&
				(short.name.Database == "" || t.name.Database == "" || t.name.Database == short.name.Database)
			if same {
				found = append(found, t)
			}
		}
		if len(found) == 1 && meant[found[0]] == nil && says(found[0].name) > says(short.name) && short.relation == nil && found[0].relation == nil {
			meant[short] = found[0]
		}
	}
	return meant
}

// says counts how much of a name is there.
func says(name evidence.RelationName) (parts int) {
	if name.Schema != "" {
		parts++
	}
	if name.Database != "" {
		parts++
	}
	return parts
}

// key finds the columns that tell rows apart: the primary key, or those that statements take for one.
func (t *table) key(changes []*change) []int {
	var key []int
	for i := range t.columns {
		if t.columns[i].Key {
			key = append(key, i)
		}
	}
	if t.relation != nil {
		return key
	}
	var uses []*keyUse
	for _, name := range t.order {
		uses = append(uses, t.keys[name])
	}
	if id, ok := t.named["id"]; ok {
		uses = append([]*keyUse{{columns: []int{id}, count: 1}}, uses...)
	}
	slices.SortStableFunc(uses, func(x, y *keyUse) int { return t.rank(y) - t.rank(x) })
	for _, use := range uses {
		if t.distinct(use.columns, changes) {
			return use.columns
		}
	}
	return nil
}

// rank puts what is called as a key before what is not.
func (t *table) rank(use *keyUse) int {
	if len(use.columns) == 1 && t.columns[use.columns[0]].Name == "id" {
		return 1 << 30
	}
	return use.count
}

// distinct reports whether inserted rows differ in some columns, and at least two of them, or whether it is id.
func (t *table) distinct(columns []int, changes []*change) bool {
	seen, gone := make(map[string]bool), false
	row := make([]cell, len(t.columns))
	for _, c := range changes {
		if c.kind == removes || c.kind == empties {
			gone = true
		}
		if c.kind != inserts {
			continue
		}
		for _, column := range columns {
			row[column] = cell{state: evidence.Unknown}
		}
		for i, column := range c.columns {
			row[column] = c.cells[i]
		}
		text, ok := t.tuple(columns, row)
		if ok && seen[text] && !gone && c.conflict == "" {
			return false
		}
		seen[text] = seen[text] || ok
	}
	return len(seen) > 1 || t.rank(&keyUse{columns: columns}) > 1<<20
}
