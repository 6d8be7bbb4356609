package statement

import (
	"strings"

	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/pg"
)

// conditions collects the keys of a WHERE.
type conditions struct {
	*builder
	table   string // how columns of the table are called, if they are qualified
	several bool   // there are other tables: a name without one may be of any
	keys    []Key
	exact   bool
}

// where says which rows a WHERE names.
func (b *builder) where(s *Statement, relation *rangeVar, others []node, where *node) {
	if where == nil {
		s.Every, s.Exact = len(others) == 0, len(others) == 0
		return
	}
	c := conditions{builder: b, several: len(others) > 0, exact: len(others) == 0}
	if relation != nil {
		c.table = relation.Name
		if relation.Alias != nil {
			c.table = relation.Alias.Name
		}
	}
	c.and(where)
	s.Keys, s.Exact = c.keys, c.exact
}

// and takes what conditions that all hold name; what it does not understand makes the keys inexact.
func (c *conditions) and(n *node) {
	if n.Bool != nil && n.Bool.Op == "AND_EXPR" {
		for i := range n.Bool.Args {
			c.and(&n.Bool.Args[i])
		}
		return
	}
	key, ok := c.condition(n)
	if !ok {
		c.exact = false
		return
	}
	c.keys = append(c.keys, key)
}

// condition reads one condition.
func (c *conditions) condition(n *node) (Key, bool) {
	if n.Null != nil && n.Null.Type == "IS_NULL" {
		columns, ok := c.columns(&n.Null.Arg)
		return Key{columns, [][]Value{{{Value: evidence.Value{State: evidence.Null}}}}}, ok && len(columns) == 1
	}
	e := n.Expr
	if e == nil || lastName(e.Names) != "=" || e.Left == nil || e.Right == nil {
		return Key{}, false
	}
	left, right := e.Left, e.Right
	columns, ok := c.columns(left)
	if !ok && e.Kind == "AEXPR_OP" { // 7 = id
		left, right = right, left
		columns, ok = c.columns(left)
	}
	if !ok {
		return Key{}, false
	}
	key := Key{Columns: columns}
	switch e.Kind {
	case "AEXPR_OP":
		key.Tuples, ok = c.tuples([]node{*right}, len(columns))
	case "AEXPR_IN":
		if right.List == nil {
			return Key{}, false
		}
		key.Tuples, ok = c.tuples(right.List.Items, len(columns))
	case "AEXPR_OP_ANY":
		key.Tuples, ok = c.anyOf(right)
		ok = ok && len(columns) == 1
	default:
		return Key{}, false
	}
	return key, ok
}

// columns gives the columns of one side: a column of the table, or a row of them.
func (c *conditions) columns(n *node) ([]string, bool) {
	if n.Row != nil {
		var columns []string
		for i := range n.Row.Args {
			one, ok := c.columns(&n.Row.Args[i])
			if !ok || len(one) != 1 {
				return nil, false
			}
			columns = append(columns, one[0])
		}
		return columns, len(columns) > 0
	}
	if n.Column == nil {
		return nil, false
	}
	fields := n.Column.Fields
	name := lastName(fields)
	if name == "" || (len(fields) == 1 && c.several) {
		return nil, false
	}
	if len(fields) > 1 && fields[len(fields)-2].String != nil && fields[len(fields)-2].String.Text != c.table {
		return nil, false
	}
	return []string{name}, true
}

// tuples gives the values of the other side; each must be known, or be a parameter.
func (c *conditions) tuples(nodes []node, width int) ([][]Value, bool) {
	tuples := make([][]Value, 0, len(nodes))
	for i := range nodes {
		parts := nodes[i : i+1]
		if nodes[i].Row != nil {
			parts = nodes[i].Row.Args
		}
		if len(parts) != width {
			return nil, false
		}
		tuple := c.values(parts)
		for j := range tuple {
			if tuple[j].State == evidence.Null || (tuple[j].State == evidence.Unknown && tuple[j].Param == 0) {
				return nil, false // = NULL is true of no row
			}
		}
		tuples = append(tuples, tuple)
	}
	return tuples, len(tuples) > 0
}

// anyOf gives the values of = ANY ('{1,2}') and = ANY (ARRAY[1, 2]).
func (c *conditions) anyOf(n *node) ([][]Value, bool) {
	array := c.value(n)
	if array.State == evidence.Unknown && array.Param > 0 {
		return [][]Value{{array}}, true
	}
	items, ok := pg.ArrayItems(string(array.Text))
	if array.State != evidence.Known || !ok {
		return nil, false
	}
	var tuples [][]Value
	for _, item := range items {
		if !item.Null { // = NULL is true of no row
			value := known(item.Text)
			value.Type = strings.TrimSuffix(array.Type, "[]")
			tuples = append(tuples, []Value{value})
		}
	}
	return tuples, true
}
