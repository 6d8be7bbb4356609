package main

import (
	"context"
	"iter"
	"slices"

	"github.com/pgrescue/pgrescue/cmd/internal/exitcode"
	"github.com/pgrescue/pgrescue/importers"
	"github.com/pgrescue/pgrescue/importers/discovery"
	"github.com/pgrescue/pgrescue/importers/discovery/api"
	"github.com/pgrescue/pgrescue/importers/mapping"
	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/restore"
)

// importMade is a list with what it is made into.
type importMade struct {
	*importList
	watch      *watched
	mapping    *mapping.Mapping
	profile    *mapping.Profile
	discovered *discovery.Import // nil: rows of one table
	known      *discovery.Heard
	notes      []string // of the rows that the target has
	whose      importers.ReceiptTenant
	tenantIDs  discovery.Tenant
	sent       []api.Part // of --via api
	tables     func(context.Context) []discovery.Table
	empty      error         // why nothing can be made of it
	counts     []importTable // the rows that it gave, by table
	// refusals are the lines whose rows the target refused.
	refusals []importRefusal
}

// count is the list's counter of a table.
func (m *importMade) count(name evidence.RelationName) *importTable {
	text := name.String()
	for i := range m.counts {
		if m.counts[i].Table == text {
			return &m.counts[i]
		}
	}
	m.counts = append(m.counts, importTable{Table: text})
	return &m.counts[len(m.counts)-1]
}

// mergedTable is one table with the rows of all lists: they go in by one transaction.
type mergedTable struct {
	relation *evidence.Relation
	keys     [][]string
	clocks   map[string]string
	parts    []mergedPart
}

type mergedPart struct {
	made  *importMade
	table discovery.Table
	at    []int // of each column of the merged relation in the part's; -1: it has none
	same  bool  // they are the part's own, in their order
}

// merge joins the tables of all lists, in the order in which they go in.
func merge(ctx context.Context, lists []*importMade, shapes importShapes) ([]*mergedTable, error) {
	var merged []*mergedTable
	for _, made := range lists {
		for _, table := range made.tables(ctx) {
			at := slices.IndexFunc(merged, func(m *mergedTable) bool { return m.relation.RelationName == table.Relation.RelationName })
			if at < 0 {
				relation := *table.Relation
				relation.Columns = slices.Clone(relation.Columns)
				merged = append(merged, &mergedTable{relation: &relation, keys: table.Keys, clocks: table.Clocks})
				at = len(merged) - 1
			}
			merged[at].parts = append(merged[at].parts, mergedPart{made: made, table: table})
			made.count(table.Relation.RelationName)
		}
	}
	names := discovery.Names()
	slices.SortStableFunc(merged, func(a, b *mergedTable) int {
		return slices.Index(names, a.relation.Name) - slices.Index(names, b.relation.Name)
	})
	for _, m := range merged {
		if err := m.align(shapes); err != nil {
			return nil, err
		}
	}
	return merged, nil
}

// align gives the table the columns of all lists. A list without one gives NULL there, which
// must be what the table gives it too.
func (m *mergedTable) align(shapes importShapes) error {
	for _, part := range m.parts[1:] {
		for _, c := range part.table.Relation.Columns {
			if m.relation.Column(c.Name) < 0 {
				m.relation.Columns = append(m.relation.Columns, c)
			}
		}
	}
	m.keys = usableKeys(m.keys, m.relation)
	for i := range m.parts {
		part := &m.parts[i]
		for _, c := range m.relation.Columns {
			at := part.table.Relation.Column(c.Name)
			if at < 0 && shapes.hasDefault(m.relation.RelationName, c.Name) {
				return exitcode.Usagef("import the files one after the other", "import: %s has no column %s, and other files of this run do: the table's default would be lost", part.made.place(), c.Name)
			}
			part.at = append(part.at, at)
		}
		part.same = len(m.relation.Columns) == len(part.table.Relation.Columns)
		for place, at := range part.at {
			part.same = part.same && place == at
		}
	}
	return nil
}

// rows yields the rows of all lists. heard is told which list a source's name stands for.
func (m *mergedTable) rows(heard func(*importMade, *evidence.Row)) iter.Seq2[*evidence.Row, error] {
	return func(yield func(*evidence.Row, error) bool) {
		for i := range m.parts {
			part := &m.parts[i]
			count := part.made.count(m.relation.RelationName)
			count.Rows = 0
			var out evidence.Row
			var values []evidence.Value
			for row, err := range part.table.Rows {
				if err != nil {
					yield(nil, err)
					return
				}
				count.Rows++
				out = *row
				out.Relation = m.relation
				if !part.same {
					values = part.appendValues(values[:0], row.Values)
					out.Values = values
				}
				if heard != nil {
					heard(part.made, &out)
				}
				if !yield(&out, nil) {
					return
				}
			}
		}
	}
}

// appendValues appends the values of a row in the columns of the merged relation.
func (p *mergedPart) appendValues(dst, values []evidence.Value) []evidence.Value {
	for _, at := range p.at {
		value := evidence.Value{State: evidence.Null}
		if at >= 0 {
			value = values[at]
		}
		dst = append(dst, value)
	}
	return dst
}

// loadTables are the merged tables for restore.
func loadTables(merged []*mergedTable, heard func(*importMade, *evidence.Row)) []restore.LoadTable {
	tables := make([]restore.LoadTable, len(merged))
	for i, m := range merged {
		tables[i] = restore.LoadTable{Relation: m.relation, Keys: m.keys, Clocks: m.clocks, Rows: m.rows(heard)}
	}
	return tables
}
