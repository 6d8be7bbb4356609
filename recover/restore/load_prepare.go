package restore

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/live"
	"github.com/pgrescue/pgrescue/recover/pg"
)

// loadTable is a table on its way through Load.
type loadTable struct {
	LoadTable
	index  int
	target *targetTable
	place  *place
	fields []int // of place.columns: which of Relation.Columns each is
	keys   []loadKey
	ask    *evaluation // what must hold for rows
	checks []valueCheck
	lines  *lineFile
	staged int64 // rows in the temporary table
	out    int64 // of them that do not go in
	// orphans are rows that the server refused because their parent was not there.
	orphans []int64
	result  *LoadedTable
}

// loadKey is columns by which rows are known.
type loadKey struct {
	columns []int    // of place.columns
	equal   []string // operators
	index   *targetIndex
	primary bool
}

// prepare reads what the target is, and refuses what cannot be done there.
func (l *loader) prepare(ctx context.Context) error {
	l.at(StageCheck, "")
	names := make([]evidence.RelationName, len(l.Tables))
	for i := range l.Tables {
		if l.Tables[i].Relation == nil {
			return errNoRelation
		}
		names[i] = l.Tables[i].Relation.RelationName
	}
	target, found, err := readTables(ctx, l.conn(), names)
	if err != nil {
		return err
	}
	l.target, l.card, l.result.Target = target, target.card, *target.card
	if l.card.InRecovery {
		return l.fail(live.ErrReadOnly, errors.New("the server is a standby, or still in recovery"), "connect to the primary")
	}
	l.Plan = &Plan{Target: *l.card}
	for i := range l.Tables {
		if err := l.add(&l.Tables[i], found[i]); err != nil {
			return err
		}
	}
	var all []*targetTable
	read := map[string]string{}
	for _, table := range l.tables {
		all = append(all, table.target)
		maps.Copy(read, table.target.reads())
	}
	l.order = order(all)
	for n := range l.order {
		for _, table := range l.order[n].tables {
			l.Plan.Tables[l.byOID[table.oid].index].Component = n
		}
	}
	if err := l.checkPages(ctx, read); err != nil {
		return err
	}
	seen, err := l.examine(ctx)
	if err != nil {
		return err
	}
	todo := map[int]work{}
	if !l.dry {
		for i, table := range l.tables {
			todo[i] = work{inserts: true, updates: table.Update}
		}
	}
	return l.checkRights(ctx, seen, todo, !l.dry)
}

func (l *loader) conn() *live.Conn { return l.engine.conn }

// add finds the columns and keys of a table in the target.
func (l *loader) add(given *LoadTable, at foundTable) error {
	target := l.target.tables[at.oid]
	if target == nil {
		return l.fail(ErrNoTable, fmt.Errorf("the target has no table %s", given.Relation.RelationName), "make it anew first, as it was")
	}
	if l.byOID[at.oid] != nil {
		return l.fail(ErrChoice, fmt.Errorf("table %s is named twice", target), "")
	}
	table := &loadTable{LoadTable: *given, index: len(l.tables), target: target, result: &l.result.Tables[len(l.tables)]}
	l.tables = append(l.tables, table)
	for _, oid := range target.tree {
		l.byOID[oid] = table
	}
	l.byOID[target.oid] = table
	r := table.result
	r.RelationName = evidence.RelationName{Database: l.card.Database, Schema: target.schema, Name: target.name}
	r.Triggers = target.triggers
	for _, rule := range target.rules {
		r.Notes = append(r.Notes, "a rule works on rows that go in: "+rule)
	}
	return l.addPlan(table)
}

// addPlan describes the table as the plan of a case would, for what writes rows.
func (l *loader) addPlan(table *loadTable) error {
	target := table.target
	plan := TablePlan{Schema: target.schema, Name: target.name, Order: table.index, Fingerprint: target.fingerprint}
	given := map[string]int{}
	for i := range table.Relation.Columns {
		name := table.Relation.Columns[i].Name
		if target.column(name) < 0 {
			return l.noColumn(table, name)
		}
		given[name] = i
	}
	var places []int
	for i := range target.columns {
		c := &target.columns[i]
		field, known := given[c.name]
		switch {
		case known && c.generation != "":
			table.result.Notes = append(table.result.Notes, fmt.Sprintf("column %s is generated: the server computes it", pg.QuoteIdent(c.name)))
		case known:
			plan.Columns = append(plan.Columns, ColumnPlan{Name: c.name, Type: c.typ, NotNull: c.notNull})
			table.fields, places = append(table.fields, field), append(places, i)
		case c.generation == "":
			table.result.Defaults = append(table.result.Defaults, c.name)
		}
	}
	if len(plan.Columns) == 0 {
		return l.fail(ErrNoColumn, fmt.Errorf("no column of table %s is given", target), "")
	}
	for i := range target.sequences {
		s := &target.sequences[i]
		if at := target.column(s.column); slices.Contains(places, at) && isInteger(target.columns[at].typ) {
			plan.Sequences = append(plan.Sequences, SequencePlan{Name: s.name, Column: s.column, Down: s.down})
		}
	}
	if err := l.addKeys(table, places); err != nil {
		return err
	}
	var primary *targetIndex
	if len(table.keys) > 0 && table.keys[0].primary {
		primary = table.keys[0].index
	}
	table.ask = newEvaluation(target, places, primary, target.checks, "")
	l.Plan.Tables = append(l.Plan.Tables, plan)
	return nil
}

func isInteger(typ string) bool { return typ == "smallint" || typ == "integer" || typ == "bigint" }

// addKeys finds how rows are known: by the primary key, and by the keys that are named.
func (l *loader) addKeys(table *loadTable, places []int) error {
	add := func(columns []int, index *targetIndex) bool {
		key := loadKey{index: index, primary: index != nil && index.primary}
		for n, place := range columns {
			at := slices.Index(places, place)
			if at < 0 {
				return false
			}
			equal := ""
			if index != nil {
				equal = index.operators[n]
			} else if equal = plainEqual(table.target.columns[place].typ); equal == "" {
				return false
			}
			key.columns, key.equal = append(key.columns, at), append(key.equal, equal)
		}
		table.keys = append(table.keys, key)
		return true
	}
	for _, index := range table.target.indexes {
		if index.primary {
			add(index.columns, index)
		}
	}
	for _, names := range table.Keys {
		columns := make([]int, len(names))
		for i, name := range names {
			if columns[i] = table.target.column(name); columns[i] < 0 {
				return l.noColumn(table, name)
			}
		}
		index, sorted := table.target.indexOn(columns)
		if index != nil {
			if index.primary {
				continue
			}
			columns = sorted
		}
		if len(columns) == 0 || !add(columns, index) {
			return l.fail(ErrChoice, fmt.Errorf("rows of table %s cannot be known by %s", table.target, strings.Join(names, ", ")),
				"a key is of columns that are given, and whose types are texts, numbers, dates or uuid, or with a unique index on them")
		}
	}
	return nil
}

// indexOn finds the unique index over exactly these columns, and gives them in its order.
func (t *targetTable) indexOn(columns []int) (*targetIndex, []int) {
	want := slices.Clone(columns)
	slices.Sort(want)
	for _, index := range t.indexes {
		have := slices.Clone(index.columns)
		slices.Sort(have)
		if index.plain() && slices.Equal(want, have) {
			return index, index.columns
		}
	}
	return nil, nil
}

// plainEqual is the equality of common types, by format_type's name; "": of another one.
func plainEqual(typ string) string {
	bare, _, _ := strings.Cut(typ, "(")
	switch strings.TrimSpace(bare) {
	case "text", "character varying", "character", "uuid", "smallint", "integer", "bigint", "numeric", "boolean", "date", "inet",
		"timestamp without time zone", "timestamp with time zone", "timestamp", "bytea", "macaddr":
		return "OPERATOR(pg_catalog.=)"
	}
	return ""
}
