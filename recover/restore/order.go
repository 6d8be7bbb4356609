package restore

// component is tables that refer to each other in a circle, or one table alone.
type component struct {
	tables []*targetTable
	circle bool // a table of it refers to one of it, maybe itself
}

// order sorts tables so that those that are referred to come first (Tarjan's strongly
// connected components, which come out in that order).
func order(tables []*targetTable) []component {
	o := &ordering{known: make(map[string]*targetTable, len(tables)), index: map[string]int{}, low: map[string]int{}, open: map[string]bool{}}
	for _, table := range tables {
		o.known[table.oid] = table
		for _, part := range table.tree {
			o.known[part] = table // a key may refer to a partition
		}
	}
	for _, table := range tables {
		if o.index[table.oid] == 0 {
			o.visit(table)
		}
	}
	return o.components
}

type ordering struct {
	known      map[string]*targetTable
	index, low map[string]int // from 1
	open       map[string]bool
	stack      []*targetTable
	next       int
	components []component
}

func (o *ordering) visit(table *targetTable) {
	o.next++
	o.index[table.oid], o.low[table.oid], o.open[table.oid] = o.next, o.next, true
	o.stack = append(o.stack, table)
	self := false
	for _, key := range table.keys {
		parent := o.known[key.parent.oid]
		switch {
		case parent == nil:
			continue
		case parent == table:
			self = true
		case o.index[parent.oid] == 0:
			o.visit(parent)
			o.low[table.oid] = min(o.low[table.oid], o.low[parent.oid])
		case o.open[parent.oid]:
			o.low[table.oid] = min(o.low[table.oid], o.index[parent.oid])
		}
	}
	if o.low[table.oid] < o.index[table.oid] {
		return
	}
	at := len(o.stack) - 1
	for o.stack[at] != table {
		at--
	}
	members := append([]*targetTable(nil), o.stack[at:]...)
	o.stack = o.stack[:at]
	for _, member := range members {
		o.open[member.oid] = false
	}
	o.components = append(o.components, component{tables: members, circle: self || len(members) > 1})
}
