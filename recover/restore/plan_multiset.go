package restore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/pgrescue/pgrescue/recover/casefile"
	"github.com/pgrescue/pgrescue/recover/evidence"
)

// planMultiset plans a table whose rows nothing tells apart: as many of each as were
// lost must be there, and those that are missing are inserted. The target is read once,
// in whole; of its rows only those count that the case has too.
func (m *planner) planMultiset(ctx context.Context, table *plannedTable, edges *edgeFile) (err error) {
	have, err := newKeySet()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, have.close()) }()
	note := func(it *item, _ int64) error {
		if it.action != Blocked {
			return have.put(digestOf(it.data), 0)
		}
		return nil
	}
	if err := m.eachMultiple(ctx, table, note); err != nil {
		return err
	}
	if err := m.countRows(ctx, table, have); err != nil {
		return err
	}
	b := &batch{m: m, table: table, edges: edges}
	return m.eachMultiple(ctx, table, func(it *item, lost int64) error {
		there := int64(0)
		d := digestOf(it.data)
		if it.action != Blocked {
			if there, _, err = have.get(d); err != nil {
				return err
			}
			// Values that differ in the case may be the same in the target's types.
			if err := have.put(d, max(0, there-lost)); err != nil {
				return err
			}
		}
		for n := range lost {
			one := *it
			shared := *it.decision
			one.decision = &shared
			if one.action != Blocked {
				one.action = Insert
				if n < there {
					one.action = Equal
				}
			}
			if err := b.put(ctx, &one); err != nil {
				return err
			}
		}
		return nil
	})
}

// countRows reads the target's rows and counts those that have holds.
func (m *planner) countRows(ctx context.Context, table *plannedTable, have *keySet) error {
	names := make([]string, len(table.places))
	for i, place := range table.places {
		names[i] = table.ask.columnName(place)
	}
	// It reads everything, for as long as that takes.
	const op = "SET LOCAL statement_timeout = 0; SET LOCAL enable_seqscan = on"
	if err := m.Conn.Exec(ctx, opPlan, op); err != nil {
		return err
	}
	sql := fmt.Sprintf("SELECT %s FROM %s", strings.Join(names, ", "), table.from())
	err := m.Conn.Query(ctx, opPlan, sql, nil, func(row [][]byte) error {
		d := digestOf(valuesOf(row))
		count, wanted, err := have.get(d)
		if err != nil || !wanted {
			return err
		}
		return have.put(d, count+1)
	})
	if err != nil {
		return err
	}
	return m.Conn.Exec(ctx, opPlan, "SET LOCAL statement_timeout TO DEFAULT; SET LOCAL enable_seqscan = off")
}

// eachMultiple visits the different rows of a table, as the target's types have them,
// with how many of each were lost.
func (m *planner) eachMultiple(ctx context.Context, table *plannedTable, visit func(*item, int64) error) error {
	b := &batch{m: m, table: table}
	var items []*item
	var counts []int64
	flush := func() error {
		rows := make([][]evidence.Value, len(items))
		for i := range items {
			rows[i] = items[i].values
		}
		answers, err := table.ask.evaluate(ctx, m.Conn, rows)
		if err != nil {
			return err
		}
		for i, it := range items {
			it.answer, it.data = answers[i], it.values
			if it.answer.refused != "" {
				it.block("its values do not fit: %s", it.answer.refused)
			} else {
				b.takeTypes(it)
				b.takeUnknowns(it)
			}
		}
		if err := b.takeDefaults(ctx, items); err != nil {
			return err
		}
		for i, it := range items {
			if err := visit(it, counts[i]); err != nil {
				return err
			}
		}
		items, counts = items[:0], counts[:0]
		return nil
	}
	for found, err := range m.multiples(ctx, table) {
		if err != nil {
			return err
		}
		items, counts = append(items, &item{decision: found.decision}), append(counts, found.lost)
		if len(items) == batchRows {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	return flush()
}

// multiple is a row without a key, and how many of it were lost.
type multiple struct {
	*decision
	lost int64
}

// multiples groups versions with the same values. Of a version that two routes found
// there is one; a text that has the row three times makes three.
func (m *planner) multiples(ctx context.Context, table *plannedTable) func(func(multiple, error) bool) {
	return func(yield func(multiple, error) bool) {
		shape := newProjection(table.plan.Columns)
		var group int64
		var current multiple
		counts := map[evidence.Route]int64{}
		places := map[string]bool{}
		end := func() bool {
			current.lost = int64(len(places))
			for _, n := range counts {
				current.lost = max(current.lost, n)
			}
			clear(counts)
			clear(places)
			return current.decision == nil || current.lost == 0 || yield(current, nil)
		}
		for candidate, err := range m.Case.Candidates(ctx, table.ids, nil) {
			if err != nil {
				yield(multiple{}, err)
				return
			}
			if candidate.Group != group {
				if !end() {
					return
				}
				group, current = candidate.Group, multiple{}
			}
			if v := shape.version(candidate); m.counts(candidate, &v) {
				if current.decision == nil {
					current.decision = &decision{values: v.values, imported: v.imported()}
				}
				if len(current.from) < mostVersions {
					current.from = append(current.from, v.id)
				}
				if v.TID.Offset != 0 {
					places[fmt.Sprintf("%d %s %d", candidate.RelationID, v.TID, v.Xmin)] = true
				} else {
					counts[v.Route]++
				}
			}
		}
		end()
	}
}

// counts reports whether a version of a row without a key is one of those that are lost.
func (m *planner) counts(candidate *casefile.Candidate, v *version) bool {
	if candidate.Intermediate {
		return false
	}
	if len(m.Options.Routes) > 0 && !slices.Contains(m.Options.Routes, v.Route) {
		return false
	}
	later, known := m.asOf.after(v)
	return later || !known
}
