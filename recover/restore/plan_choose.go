package restore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/pgrescue/pgrescue/recover/casefile"
	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/live"
	"github.com/pgrescue/pgrescue/recover/pg"
)

// choose finds the tables of the case in the target, and puts them in order.
func (m *planner) choose(ctx context.Context) error {
	wanted, err := m.relations()
	if err != nil {
		return err
	}
	roots, err := m.locate(ctx, wanted)
	if err != nil {
		return err
	}
	if len(roots) == 0 {
		return m.fail(ErrNoTable, errors.New("none of the tables of the case is there"), "make them anew first, as they were: `pgrescue heap scan` prints CREATE TABLE")
	}
	var oids []string
	for oid := range roots {
		oids = append(oids, oid)
	}
	slices.Sort(oids)
	err = qualified(ctx, m.Conn, func() error { return m.target.describe(ctx, oids) })
	if err != nil {
		return err
	}
	var all []*targetTable
	for _, oid := range oids {
		all = append(all, m.target.tables[oid])
	}
	slices.SortFunc(all, func(a, b *targetTable) int { return strings.Compare(a.qualifiedName(), b.qualifiedName()) })
	for n, component := range order(all) {
		for _, table := range component.tables {
			m.add(table, roots[table.oid], n, component.circle)
		}
	}
	m.plan.Tables = make([]TablePlan, len(m.tables))
	for i, table := range m.tables {
		table.plan = &m.plan.Tables[i]
		m.describe(table)
	}
	if err := m.checkChosenColumns(); err != nil {
		return err
	}
	m.linkParents()
	if err := m.noteDistributed(ctx, oids); err != nil {
		return err
	}
	return m.checkRights(ctx)
}

// checkChosenColumns refuses choices for columns that no table has: with one for the table
// beside it, the column that was meant would silently go the table's way.
func (m *planner) checkChosenColumns() error {
	for _, choice := range m.Options.Choices {
		if choice.Column == "" {
			continue
		}
		known, planned := false, choice.Table == ""
		for _, table := range m.tables {
			if choice.Table == "" || matches(evidence.RelationName{Schema: table.schema, Name: table.name}, []string{choice.Table}) {
				planned = true
				known = known || table.column(choice.Column) >= 0
			}
		}
		if planned && !known {
			place := strings.TrimPrefix(choice.Table+" has no column "+pg.QuoteIdent(choice.Column), " ")
			return failure(opChoice, "", ErrChoice, errors.New(place), hintChoice)
		}
	}
	return nil
}

// relations are the tables of the case that rows are restored of, with all that is
// known of them.
func (m *planner) relations() ([]*casefile.TableSummary, error) {
	database := m.Options.Database
	var databases []string
	var chosen []*casefile.TableSummary
	for i := range m.summary.Tables {
		table := &m.summary.Tables[i]
		if table.Database != "" && !slices.Contains(databases, table.Database) {
			databases = append(databases, table.Database)
		}
	}
	if database == "" {
		database = m.target.card.Database
		if len(databases) > 0 && !slices.Contains(databases, database) {
			return nil, m.fail(ErrOtherCluster, fmt.Errorf("the case has rows of database %s, and this is %s", strings.Join(databases, ", "), database),
				"connect to the right database, or name the one whose rows are to go here with --database")
		}
	}
	if !slices.Contains(databases, database) && len(databases) > 0 {
		return nil, m.fail(ErrNoTable, fmt.Errorf("the case has nothing of database %s", database), "it has "+strings.Join(databases, ", "))
	}
	rows := false
	for i := range m.summary.Tables {
		table := &m.summary.Tables[i]
		if len(table.Rows) > 0 && (table.Database == database || table.Database == "") {
			rows = true
			chosen = append(chosen, table)
		}
	}
	if !rows {
		return nil, m.fail(ErrNothing, errors.New("it has no row to restore"), "`pgrescue undelete --case` and the other routes fill it")
	}
	return chosen, nil
}

// locate finds tables in the target by their names, those of a partition at its root.
// It returns them by the root's OID.
func (m *planner) locate(ctx context.Context, tables []*casefile.TableSummary) (map[string][]*casefile.TableSummary, error) {
	var schemas, names []string
	for _, table := range tables {
		schemas, names = append(schemas, table.Schema, table.PartitionOf.Schema), append(names, table.Name, table.PartitionOf.Name)
	}
	found, err := findTables(ctx, m.Conn, schemas, names)
	if err != nil {
		return nil, err
	}
	roots := map[string][]*casefile.TableSummary{}
	if err := m.checkNames(tables); err != nil {
		return nil, err
	}
	for i, table := range tables {
		at := found[2*i]
		if at.oid == "" {
			at = found[2*i+1]
		}
		asked := matches(table.RelationName, m.Options.Tables) || table.PartitionOf.Name != "" && matches(table.PartitionOf, m.Options.Tables)
		switch {
		case asked && at.oid == "":
			m.plan.Missing = append(m.plan.Missing, table.RelationName.String())
			m.plan.Notes = append(m.plan.Notes, fmt.Sprintf("table %s is not in the target; make it anew first, as it was", table.RelationName))
		case asked && at.kind != "r" && at.kind != "p":
			m.plan.Notes = append(m.plan.Notes, fmt.Sprintf("%s is no table in the target", table.RelationName))
		case asked:
			roots[at.root] = append(roots[at.root], table)
		case at.oid != "":
			m.left[at.root] = append(m.left[at.root], table)
		}
	}
	return roots, nil
}

// checkNames refuses a table that somebody asks for and the case has no rows of.
func (m *planner) checkNames(tables []*casefile.TableSummary) error {
	for _, name := range m.Options.Tables {
		one := []string{name}
		if !slices.ContainsFunc(tables, func(t *casefile.TableSummary) bool {
			return matches(t.RelationName, one) || t.PartitionOf.Name != "" && matches(t.PartitionOf, one)
		}) {
			return m.fail(ErrNoTable, fmt.Errorf("the case has no rows of %s", name), hintNameCase)
		}
	}
	return nil
}

func (m *planner) add(table *targetTable, relations []*casefile.TableSummary, component int, circle bool) {
	p := &plannedTable{targetTable: table, index: len(m.tables), relations: relations, component: component, circle: circle, bounds: map[string]int64{}}
	for _, relation := range relations {
		p.ids = append(p.ids, relation.ID)
	}
	m.tables = append(m.tables, p)
	for _, oid := range table.tree {
		m.byOID[oid] = p
	}
	m.byOID[table.oid] = p
}

// describe fills in what is known of a table before its rows are.
func (m *planner) describe(table *plannedTable) {
	plan := table.plan
	plan.Schema, plan.Name, plan.Order, plan.Component = table.schema, table.name, table.index, table.component
	plan.Counts, plan.Triggers, plan.Rules = map[Action]int64{}, table.triggers, table.rules
	plan.RowSecurity, plan.Fingerprint = table.rowSecurity, table.fingerprint
	m.chooseColumns(table)
	table.key = table.keyOf()
	if table.key != nil {
		plan.Key = table.key.columnNames(table.targetTable)
		for _, name := range plan.Key {
			at := slices.Index(plan.ColumnNames(), name)
			if at < 0 {
				plan.Notes = append(plan.Notes, fmt.Sprintf("the rows of the case have no column %s, which the key has: rows are told apart by all their values", pg.QuoteIdent(name)))
				table.key, plan.Key, table.keyAt = nil, nil, nil
				break
			}
			table.keyAt = append(table.keyAt, at)
		}
	}
	plan.Multiset = table.key == nil
	if plan.Key == nil {
		plan.Key = []string{}
	}
	if table.heirs {
		plan.Notes = append(plan.Notes, "other tables inherit from it; only its own rows are compared")
	}
	table.ask = newEvaluation(table.targetTable, table.places, table.key, table.checks, encodingOf(table.relations))
}

// encodingOf is the encoding of the rows of tables, or "" for the session's, which is UTF8.
// Nothing is known of texts in SQL_ASCII but their bytes.
func encodingOf(tables []*casefile.TableSummary) string {
	for _, table := range tables {
		if table.Encoding != "" && table.Encoding != "UTF8" && table.Encoding != "SQL_ASCII" {
			return table.Encoding
		}
	}
	return ""
}

// chooseColumns finds the columns that the case has values of and the target takes, and
// says what is different from when the rows were lost.
func (m *planner) chooseColumns(table *plannedTable) {
	plan := table.plan
	types := map[string]string{}
	var names []string
	for _, relation := range table.relations {
		for _, shape := range relation.Shapes {
			for i := range shape.Columns {
				column := &shape.Columns[i]
				if _, seen := types[column.Name]; !seen {
					names = append(names, column.Name)
				}
				types[column.Name] = column.Type
			}
		}
	}
	for _, name := range names {
		if table.column(name) < 0 {
			plan.Notes = append(plan.Notes, fmt.Sprintf("column %s is gone from the target: its values stay in the case", pg.QuoteIdent(name)))
		}
	}
	for place := range table.columns {
		column := &table.columns[place]
		was, known := types[column.name]
		switch {
		case column.generation != "":
			plan.Notes = append(plan.Notes, fmt.Sprintf("column %s is generated: the server computes it", pg.QuoteIdent(column.name)))
			continue
		case !known:
			plan.Notes = append(plan.Notes, addedNote(column))
			if column.notNull && column.defaults == "" && column.identity == 0 {
				table.noInsert = fmt.Sprintf("column %s was added since, must not be NULL, and has no default", pg.QuoteIdent(column.name))
			}
			continue
		case was != "" && was != column.typ:
			plan.Notes = append(plan.Notes, fmt.Sprintf("column %s was of type %s and is of type %s", pg.QuoteIdent(column.name), was, column.typ))
		}
		identity := map[byte]string{'a': "always", 'd': "default"}[column.identity]
		table.places = append(table.places, place)
		plan.Columns = append(plan.Columns, ColumnPlan{Name: column.name, Type: column.typ, Identity: identity, NotNull: column.notNull})
	}
}

func addedNote(column *targetColumn) string {
	value := "NULL"
	if column.defaults != "" {
		value = column.defaults
	}
	if column.identity != 0 {
		value = "its next number"
	}
	return fmt.Sprintf("column %s was added since: new rows get %s", pg.QuoteIdent(column.name), value)
}

// checkRights refuses tables that the role may not read, and names what it lacks to apply.
func (m *planner) checkRights(ctx context.Context) error {
	temp, err := m.Conn.Value(ctx, opPlan, "SELECT pg_catalog.has_database_privilege(current_database(), 'TEMP')")
	if err != nil {
		return err
	}
	if temp != "t" {
		m.plan.Notes = append(m.plan.Notes, "the role lacks TEMP on the database, which apply needs")
	}
	var unreadable []string
	for _, table := range m.tables {
		table.plan.Lacks = table.lacks
		for _, privilege := range table.lacks {
			if privilege == "SELECT" || privilege == "BYPASSRLS" || strings.HasPrefix(privilege, "USAGE") {
				unreadable = append(unreadable, privilege+" of "+table.String())
			}
		}
	}
	if len(unreadable) > 0 {
		return m.fail(live.ErrDenied, errors.New("the role lacks "+strings.Join(unreadable, "; ")), "grant it, or plan as the owner of the tables or as a superuser")
	}
	if m.target.card.InRecovery {
		m.plan.Notes = append(m.plan.Notes, "this is a standby: the plan can be applied at its primary only")
	} else if m.target.card.ReadOnly {
		m.plan.Notes = append(m.plan.Notes, "default_transaction_read_only is on: somebody wants no writes here")
	}
	return nil
}

// checkPages refuses to read tables whose dead tuples nobody has saved.
func (m *planner) checkPages(ctx context.Context) error {
	card := m.target.card
	if m.Options.PagesNotNeeded || card.InRecovery || m.source() == 0 || m.source() != card.SystemIdentifier {
		return nil
	}
	hurt, err := unsaved(ctx, m.Conn, m.summary, m.reads())
	if err != nil || len(hurt) == 0 {
		return err
	}
	return m.fail(ErrPagesNeeded, fmt.Errorf("planning reads %s, which prunes dead tuples, and the case has neither their pages nor every lost row", strings.Join(hurt, ", ")),
		"copy the data directory, or fetch the pages, with --case first; or plan at a standby; or say that they are not needed with --pages-not-needed")
}

// reads lists the tables of the case that the plan reads in the target, by their OIDs:
// those that it is about, and those that foreign keys of these refer to.
func (m *planner) reads() map[string]readTable {
	read := map[string]readTable{}
	add := func(oid string, known []*casefile.TableSummary) {
		read[oid] = readTable{known[0].RelationName.String(), known}
	}
	for _, table := range m.tables {
		add(table.oid, table.relations)
		for _, fk := range table.keys {
			if left := m.left[fk.parent.oid]; len(left) > 0 {
				add(fk.parent.oid, left)
			}
		}
	}
	return read
}
