package evidence

// ReasonNoColumn is why a column of the table asked for is unknown in a row.
const ReasonNoColumn = "the table that held the row has no such column"

// Reshape gives rows the columns of another relation, in its order, by name: a
// partition may have them in an order of its own. Columns that rel does not have
// are left out; one that the row does not have is unknown.
func Reshape(rel *Relation, sink Sink) Sink {
	return &reshaper{to: rel, sink: sink}
}

type reshaper struct {
	to   *Relation
	sink Sink

	from  *Relation // of the row before
	place []int     // of each column of to in from; -1: it is not there
	row   Row
}

func (r *reshaper) Put(row *Row) error {
	if r.from != row.Relation {
		r.from, r.place = row.Relation, r.place[:0]
		for i := range r.to.Columns {
			r.place = append(r.place, row.Relation.Column(r.to.Columns[i].Name))
		}
	}
	values, successor, origins := r.row.Values[:0], r.row.Successor[:0], r.row.Origins[:0]
	r.row = *row
	r.row.Relation, r.row.Values, r.row.Successor = r.to, r.pick(values, row.Values), nil
	if row.Successor != nil {
		r.row.Successor = r.pick(successor, row.Successor)
	}
	if row.Origins != nil {
		r.row.Origins = r.pickOrigins(origins, row.Origins)
	}
	return r.sink.Put(&r.row)
}

// pickOrigins copies origins to where their columns are.
func (r *reshaper) pickOrigins(dst, origins []Origin) []Origin {
	for _, at := range r.place {
		if at < 0 || at >= len(origins) {
			dst = append(dst, Origin{})
			continue
		}
		dst = append(dst, origins[at])
	}
	return dst
}

// pick copies values to where their columns are.
func (r *reshaper) pick(dst, values []Value) []Value {
	for _, at := range r.place {
		if at < 0 {
			dst = append(dst, Value{State: Unknown, Reason: ReasonNoColumn})
			continue
		}
		dst = append(dst, values[at])
	}
	return dst
}
