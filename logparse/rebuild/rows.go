package rebuild

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/pgrescue/pgrescue/recover/evidence"
)

// noteUncommitted is what rows of statements have whose fate is not known.
const noteUncommitted = "nothing shows that its transaction committed"

// Rows gives the rows, table by table. It is called once, behind the last event.
func (b *Builder) Rows(sink evidence.Sink) error {
	deeds := inOrder(b.deeds)
	twins(deeds)
	unplace(deeds)
	meant := b.adopt()
	states := b.fold(deeds, meant, false)
	var doubtful []*state
	if b.options.Uncommitted {
		doubtful = b.fold(deeds, meant, true)
	}
	for i, s := range states {
		rel := s.shape()
		if err := b.give(s, rel, false, sink); err != nil {
			return err
		}
		if doubtful == nil {
			continue
		}
		if err := b.give(doubtful[i], rel, true, sink); err != nil { // of the same table: both have all that have changes
			return err
		}
	}
	return nil
}

// shape gives the relation of a table's rows.
func (s *state) shape() *evidence.Relation {
	if s.relation != nil {
		return s.relation
	}
	rel := &evidence.Relation{RelationName: s.name, Columns: slices.Clone(s.columns)}
	for _, column := range s.key {
		rel.Columns[column].Key = true
	}
	return rel
}

// given is a version that is to be given.
type given struct {
	chain *chain
	at    int
}

// give gives the rows of a table, in the order of the lines that made them.
func (b *Builder) give(s *state, rel *evidence.Relation, doubtful bool, sink evidence.Sink) error {
	var list []given
	for _, c := range s.chains {
		from := max(0, c.asOf-1)
		if b.options.Versions {
			from = 0
		}
		for at := from; at < c.asOf; at++ {
			v := &c.versions[at]
			if doubtful && v.made.committed && (v.gone == nil || v.gone.committed) {
				continue
			}
			list = append(list, given{c, at})
		}
	}
	slices.SortStableFunc(list, func(x, y given) int {
		a, b := x.chain.versions[x.at].made, y.chain.versions[y.at].made
		return cmp.Or(cmp.Compare(a.source, b.source), strings.Compare(a.name, b.name), cmp.Compare(a.line, b.line))
	})
	for _, one := range list {
		row := s.row(one, rel)
		if err := sink.Put(&row); err != nil {
			return fmt.Errorf("rebuild: give a row of %s: %w", rel.RelationName, err)
		}
	}
	return nil
}

// row makes the row of a version.
func (s *state) row(one given, rel *evidence.Relation) evidence.Row {
	v := &one.chain.versions[one.at]
	row := evidence.Row{Relation: rel, Provenance: evidence.Provenance{
		Route: evidence.RouteLogs, Confidence: evidence.Claimed, Source: v.made.name, Line: v.made.line, Xmin: v.made.xid,
	}}
	row.Values = values(v.cells, len(rel.Columns))
	row.Origins = make([]evidence.Origin, len(rel.Columns))
	for i := range row.Origins {
		if c := at(v.cells, i); c.by != nil && c.state != evidence.Unknown {
			row.Origins[i] = evidence.Origin{Confidence: evidence.Claimed, Source: c.by.name, Line: c.by.line, Why: c.why}
		}
	}
	notes := v.notes
	if v.gone != nil {
		row.Xmax, row.Operation, row.CommitTime = v.gone.xid, v.by, v.gone.time
		row.Intermediate = together(v.made, v.gone)
		if v.by == evidence.OpUpdate && one.at+1 < len(one.chain.versions) {
			row.Successor = values(one.chain.versions[one.at+1].cells, len(rel.Columns))
		}
	}
	if !v.made.committed || v.gone != nil && !v.gone.committed {
		notes = append(slices.Clone(notes), noteUncommitted)
	}
	row.Note = strings.Join(notes, "; ")
	return row
}

// values makes the values of a row's cells.
func values(cells []cell, count int) []evidence.Value {
	list := make([]evidence.Value, count)
	for i := range list {
		switch c := at(cells, i); c.state {
		case evidence.Known:
			list[i].Text = []byte(c.text)
		case evidence.Unknown:
			list[i] = evidence.Value{State: evidence.Unknown, Reason: c.why}
			if c.text != "" {
				list[i].Raw = []byte(c.text)
			}
		default:
			list[i].State = c.state
		}
	}
	return list
}
