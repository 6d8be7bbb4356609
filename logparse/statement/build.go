package statement

import (
	"strings"

	"github.com/pgrescue/pgrescue/recover/evidence"
)

// builder makes a Statement of a parse tree and the constants of one text.
type builder struct {
	form       *form
	parameters Parameters
	types      []string         // that parameters are of, where a statement says so
	row        []literal        // stands in the places of the first row of VALUES; nil: the first row itself
	selected   map[string]Value // the columns of the row that is selected
	excluded   map[string]Value // the columns of the row that is inserted, in ON CONFLICT
}

// build fills in what the tree says.
func (b *builder) build(s *Statement, root *node) {
	switch {
	case root.Insert != nil:
		b.insert(s, root.Insert)
	case root.Update != nil:
		b.update(s, root.Update)
	case root.Delete != nil:
		b.remove(s, root.Delete)
	case root.Merge != nil:
		s.Verb, s.Reason = "MERGE", "the log does not tell which rows it found"
		s.addTable(root.Merge.Relation)
		b.with(s, root.Merge.With)
	case root.Select != nil:
		s.Verb = "SELECT"
		b.with(s, root.Select.With)
	case root.Truncate != nil:
		for i := range root.Truncate.Relations {
			s.addTable(root.Truncate.Relations[i].Range)
		}
		s.Every, s.Cascades = true, root.Truncate.Behavior == "DROP_CASCADE"
	case root.Drop != nil:
		s.drop(root.Drop)
	case root.Copy != nil:
		b.copy(s, root.Copy)
	case root.Execute != nil:
		s.Name = root.Execute.Name
		s.Rows = [][]Value{b.values(root.Execute.Params)}
	case root.Prepare != nil:
		s.Name = root.Prepare.Name
		b.declare(root.Prepare.Types)
		b.inner(s, &root.Prepare.Query)
	case root.Explain != nil:
		s.Analyze = analyzes(root.Explain.Options)
		b.inner(s, &root.Explain.Query)
	case root.Alter != nil:
		s.addTable(root.Alter.Relation)
		for i := range root.Alter.Commands {
			if c := root.Alter.Commands[i].Command; c != nil {
				s.Reshapes = s.Reshapes || c.Type == "AT_DropColumn"
				s.Moves = s.Moves || c.Type == "AT_DetachPartition"
			}
		}
	case root.Rename != nil:
		s.rename(root.Rename)
	case root.Moved != nil && root.Moved.Type == "OBJECT_TABLE":
		s.addTable(root.Moved.Relation)
		s.Moves = true
	case root.DropDB != nil:
		s.Object, s.Names = "database", []string{root.DropDB.Name}
	}
}

// rename says what of a table has another name from now on.
func (s *Statement) rename(r *renameStmt) {
	switch r.Type {
	case "OBJECT_TABLE":
		s.Moves = true
	case "OBJECT_COLUMN":
		s.Columns = []string{r.Column, r.Name}
	default:
		return
	}
	s.addTable(r.Relation)
}

// addTable adds a table that the statement changes.
func (s *Statement) addTable(r *rangeVar) {
	if r != nil {
		s.Tables = append(s.Tables, evidence.RelationName{Database: r.Catalog, Schema: r.Schema, Name: r.Name})
	}
}

// with adds the statements of a WITH that change data.
func (b *builder) with(s *Statement, clause *withClause) {
	if clause == nil {
		return
	}
	for i := range clause.CTEs {
		if cte := clause.CTEs[i].CTE; cte != nil {
			b.inner(s, &cte.Query)
		}
	}
}

// inner adds a statement within another, if it changes data.
func (b *builder) inner(s *Statement, n *node) {
	if n.Insert == nil && n.Update == nil && n.Delete == nil && n.Merge == nil && n.Execute == nil && n.Select == nil {
		return
	}
	within := &Statement{Cut: s.Cut}
	if n.Execute != nil {
		within.Verb = "EXECUTE"
	}
	b.build(within, n)
	if n.Select != nil {
		s.Inner = append(s.Inner, within.Inner...)
		return
	}
	s.Inner = append(s.Inner, within)
}

// drop says what goes.
func (s *Statement) drop(d *dropStmt) {
	s.Object = strings.ReplaceAll(strings.ToLower(strings.TrimPrefix(d.Type, "OBJECT_")), "_", " ")
	if s.Object == "matview" {
		s.Object = "materialized view"
	}
	for i := range d.Objects {
		var parts []node
		if list := d.Objects[i].List; list != nil {
			parts = list.Items
		} else {
			parts = d.Objects[i : i+1]
		}
		var names []string
		for j := range parts {
			if parts[j].String != nil {
				names = append(names, parts[j].String.Text)
			}
		}
		if len(names) == 0 {
			continue
		}
		table := evidence.RelationName{Name: names[len(names)-1]}
		if len(names) > 1 {
			table.Schema = names[len(names)-2]
		}
		if s.Object == "table" || s.Object == "foreign table" {
			s.Tables, s.Every = append(s.Tables, table), true
		} else {
			s.Names = append(s.Names, table.String())
		}
	}
}

func (b *builder) values(nodes []node) []Value {
	values := make([]Value, len(nodes))
	for i := range nodes {
		values[i] = b.value(&nodes[i])
	}
	return values
}

// insert says which rows go in.
func (b *builder) insert(s *Statement, n *insertStmt) {
	s.Verb, s.Returning = "INSERT", len(n.Returning) > 0
	s.addTable(n.Relation)
	b.with(s, n.With)
	for i := range n.Columns {
		if target := n.Columns[i].Target; target != nil {
			s.Columns = append(s.Columns, target.Name)
			if len(target.Indirection) > 0 {
				s.Reason = "column " + target.Name + " is set in part"
			}
		}
	}
	s.Overriding = n.Override == "OVERRIDING_USER_VALUE"
	if n.OnConflict != nil {
		s.OnConflict = strings.ToLower(strings.TrimPrefix(n.OnConflict.Action, "ONCONFLICT_"))
	}
	switch {
	case s.Reason != "":
	case n.Select == nil:
		s.Rows = [][]Value{{}} // DEFAULT VALUES
	case n.Select.Select != nil:
		b.source(s, n.Select.Select)
	}
	if n.OnConflict != nil {
		b.conflict(s, n.OnConflict)
	}
}

// conflict says what tells of a conflict, and what each row sets then.
func (b *builder) conflict(s *Statement, n *onConflict) {
	if n.Infer != nil {
		for i := range n.Infer.Elements {
			if e := n.Infer.Elements[i].Index; e != nil && e.Name != "" {
				s.ConflictTarget = append(s.ConflictTarget, e.Name)
			} else {
				s.ConflictTarget = nil // an expression
				break
			}
		}
		if n.Infer.Where != nil { // of some rows only
			s.ConflictTarget = nil
		}
	}
	s.ConflictExact = n.Where == nil
	for i := range n.Targets {
		if target := n.Targets[i].Target; target != nil {
			s.ConflictColumns = append(s.ConflictColumns, target.Name)
		}
	}
	for _, row := range s.Rows {
		b.excluded = make(map[string]Value, len(row))
		for i, name := range s.Columns[:min(len(row), len(s.Columns))] {
			b.excluded[name] = row[i]
		}
		var values []Value
		for i := range n.Targets {
			if target := n.Targets[i].Target; target != nil {
				values = append(values, b.assigned(target))
			}
		}
		s.ConflictRows = append(s.ConflictRows, values)
	}
	b.excluded = nil
}

// analyzes reports whether an EXPLAIN executes.
func analyzes(options []node) bool {
	for i := range options {
		if e := options[i].Element; e != nil && e.Name == "analyze" {
			switch strings.ToLower(optionText(e.Arg)) {
			case "false", "off", "0":
				return false
			}
			return true
		}
	}
	return false
}

// source makes the rows of what an INSERT selects.
func (b *builder) source(s *Statement, q *selectStmt) {
	if len(q.Values) > 0 && q.Limit == nil && q.Offset == nil {
		s.Rows = b.rows(q.Values)
		return
	}
	s.Reason = "its rows come from a query"
	if q.Op != "SETOP_NONE" || q.Where != nil || q.Having != nil || q.Limit != nil || q.Offset != nil || len(q.Group) > 0 || len(q.Distinct) > 0 || q.With != nil || calls(q.Targets) {
		return
	}
	if len(q.From) == 0 {
		s.Rows, s.Reason = [][]Value{b.targets(q.Targets)}, ""
		return
	}
	// SQLAlchemy: SELECT p0::TEXT, p1::INT FROM (VALUES ($1, $2, 0), …) AS imp_sen(p0, p1, sen_counter).
	from := q.From[0].Subselect
	if len(q.From) > 1 || from == nil || from.Query.Select == nil || from.Alias == nil || len(from.Query.Select.Values) == 0 || from.Query.Select.Limit != nil || from.Query.Select.Offset != nil {
		return
	}
	for _, values := range b.rows(from.Query.Select.Values) {
		if len(from.Alias.Columns) > len(values) {
			return
		}
		b.selected = make(map[string]Value, len(values))
		for i := range from.Alias.Columns {
			b.selected[lastName(from.Alias.Columns[i:i+1])] = values[i]
		}
		s.Rows = append(s.Rows, b.targets(q.Targets))
	}
	b.selected, s.Reason = nil, ""
}

// calls reports whether a target may give several rows, or none, or all columns of a table.
func calls(targets []node) bool {
	for i := range targets {
		target := targets[i].Target
		if target == nil || target.Value == nil {
			return true
		}
		value := target.Value
		if value.Cast != nil {
			value = &value.Cast.Arg
		}
		star := value.Column != nil && len(value.Column.Fields) > 0 && value.Column.Fields[len(value.Column.Fields)-1].Star != nil
		simple := value.Const != nil || value.Param != nil || value.SQLValue != nil || value.Array != nil || (value.Column != nil && !star)
		if value.Call != nil {
			switch lastName(value.Call.Names) {
			case "now", "nextval", "gen_random_uuid", "uuid_generate_v4", "clock_timestamp", "statement_timestamp", "lower", "upper":
				simple = true
			}
		}
		if !simple {
			return true
		}
	}
	return false
}

func (b *builder) targets(targets []node) []Value {
	values := make([]Value, len(targets))
	for i := range targets {
		values[i] = asStored(b.value(targets[i].Target.Value))
	}
	return values
}

func (b *builder) stored(nodes []node) []Value {
	values := b.values(nodes)
	for i := range values {
		values[i] = asStored(values[i])
	}
	return values
}

// rows makes the rows of VALUES: those of the tree, and those that look alike.
func (b *builder) rows(lists []node) [][]Value {
	rows := make([][]Value, 0, len(lists)+len(b.form.more))
	for i := range lists {
		if lists[i].List != nil {
			rows = append(rows, b.stored(lists[i].List.Items))
		}
	}
	if len(lists) == 1 && lists[0].List != nil {
		for _, row := range b.form.more {
			b.row = row
			rows = append(rows, b.stored(lists[0].List.Items))
		}
		b.row = nil
	}
	return rows
}

// update says what is set, and where.
func (b *builder) update(s *Statement, n *updateStmt) {
	s.Verb, s.Returning = "UPDATE", len(n.Returning) > 0
	s.addTable(n.Relation)
	b.with(s, n.With)
	var row []Value
	for i := range n.Targets {
		target := n.Targets[i].Target
		if target == nil {
			continue
		}
		value := b.assigned(target)
		s.Columns, row = append(s.Columns, target.Name), append(row, value)
	}
	s.Rows = [][]Value{row}
	b.where(s, n.Relation, n.From, n.Where)
}

// assigned is the value that a column is set to.
func (b *builder) assigned(target *resTarget) Value {
	if len(target.Indirection) > 0 {
		return unknown("the column is set in part")
	}
	if target.Value == nil || target.Value.Multi == nil {
		return asStored(b.value(target.Value))
	}
	multi := target.Value.Multi
	if row := multi.Source.Row; row != nil && multi.Column >= 1 && multi.Column <= len(row.Args) {
		return asStored(b.value(&row.Args[multi.Column-1]))
	}
	return b.value(&multi.Source)
}

// remove says what goes.
func (b *builder) remove(s *Statement, n *deleteStmt) {
	s.Verb, s.Returning = "DELETE", len(n.Returning) > 0
	s.addTable(n.Relation)
	b.with(s, n.With)
	b.where(s, n.Relation, n.Using, n.Where)
}

// copy says what is copied.
func (b *builder) copy(s *Statement, n *copyStmt) {
	s.Copy = &Copy{From: n.From, Query: n.Query != nil, Program: n.Program, Options: make(map[string]string)}
	if n.From {
		s.addTable(n.Relation)
	}
	for i := range n.Columns {
		s.Columns = append(s.Columns, lastName(n.Columns[i:i+1]))
	}
	if n.File != "" {
		s.Copy.File = n.File
	}
	if n.Query != nil {
		b.inner(s, n.Query)
	}
	for i := range n.Options {
		if e := n.Options[i].Element; e != nil {
			s.Copy.Options[e.Name] = optionText(e.Arg)
		}
	}
	if n.From {
		s.Reason = "the log does not hold the rows that were copied"
	}
}

// optionText writes the value of an option; one without any is on.
func optionText(n *node) string {
	switch {
	case n == nil:
		return "true"
	case n.String != nil:
		return n.String.Text
	case n.Boolean != nil:
		return map[bool]string{true: "true", false: "false"}[n.Boolean.Value]
	case n.List != nil:
		var names []string
		for i := range n.List.Items {
			names = append(names, optionText(&n.List.Items[i]))
		}
		return strings.Join(names, ",")
	}
	return ""
}
