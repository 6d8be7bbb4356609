package restore

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"unicode/utf8"

	"github.com/pgrescue/pgrescue/recover/casefile"
	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/pg"
)

// The most that one question to the server holds.
const (
	batchRows  = 2000
	batchBytes = 8 << 20
)

// planComponent decides the rows of tables that may refer to each other.
func (m *planner) planComponent(ctx context.Context, tables []*plannedTable) error {
	edges, err := newEdgeFile()
	if err != nil {
		return err
	}
	for _, table := range tables {
		if err = m.planTable(ctx, table, edges); err != nil {
			break
		}
	}
	if err == nil {
		err = m.resolve(edges)
	}
	return errors.Join(err, edges.close())
}

func (m *planner) planTable(ctx context.Context, table *plannedTable, edges *edgeFile) error {
	if err := table.openSets(); err != nil {
		return err
	}
	notes, err := table.ask.probe(ctx, m.Conn)
	if err != nil {
		return err
	}
	table.plan.Notes = append(table.plan.Notes, notes...)
	if table.key == nil {
		return m.planMultiset(ctx, table, edges)
	}
	b := &batch{m: m, table: table, edges: edges}
	for d, err := range decisions(ctx, m.Case, table.ids, table.plan.Key, table.plan.Columns, m.Options, m.asOf) {
		if err == nil {
			err = b.add(ctx, d)
		}
		if err != nil {
			return err
		}
	}
	return b.flush(ctx)
}

// decisions makes one decision per key of the rows of some tables of a case. A decision
// is its caller's. Rows whose key is not known make one each.
func decisions(ctx context.Context, c *casefile.Case, ids []int64, key []string, columns []ColumnPlan, options Options, asOf moment) iter.Seq2[*decision, error] {
	return func(yield func(*decision, error) bool) {
		shape := newProjection(columns)
		var versions []version
		var group int64
		var values []evidence.Value
		ended := false // the transaction that updated the row deleted it, too
		end := func() bool {
			if len(versions) == 0 {
				return true
			}
			d := decide(versions, columns, asOf, options.Twice)
			d.key, versions = values, versions[:0]
			d.lived = d.lived && !ended
			return d.none || yield(&d, nil)
		}
		for candidate, err := range c.Candidates(ctx, ids, key) {
			if err != nil {
				yield(nil, err)
				return
			}
			if candidate.Intermediate && candidate.Group == group && candidate.Operation != evidence.OpUpdate {
				ended = true // these come last of their key
			}
			if candidate.Intermediate || len(options.Routes) > 0 && !slices.Contains(options.Routes, candidate.Route) {
				continue
			}
			unknown := !complete(candidate.Key)
			if candidate.Group != group || unknown {
				if !end() {
					return
				}
				group, values, ended = candidate.Group, evidence.CloneValues(candidate.Key), false
			}
			versions = keep(versions, shape.version(candidate), asOf)
		}
		end()
	}
}

// keep adds a version of a key to those that came before, as many as matter. Without a
// moment these are the first; at a moment the versions that were destroyed next after it,
// which come last of each confidence.
func keep(versions []version, v version, asOf moment) []version {
	if later, known := asOf.after(&v); known && !later {
		return versions
	}
	if len(versions) < mostVersions {
		return append(versions, v)
	}
	if asOf != (moment{}) && versions[0].Confidence == v.Confidence {
		return append(versions[1:], v)
	}
	return versions
}

// complete reports whether every value is known and none is NULL: only then they tell a row.
func complete(values []evidence.Value) bool {
	return !slices.ContainsFunc(values, func(v evidence.Value) bool { return v.State != evidence.Known })
}

// batch is decisions that the server is asked about together.
type batch struct {
	m     *planner
	table *plannedTable
	edges *edgeFile
	items []*item
	bytes int
}

// item is a decision on its way into the plan.
type item struct {
	*decision
	action Action
	data   []evidence.Value
	before []evidence.Value
	answer answer
	again  bool  // data is not what the server was asked about
	lacks  []int // of data: columns that the row's source file does not have
	apart  bool  // the target's row is another one, as far as anybody said
}

func (b *batch) add(ctx context.Context, d *decision) error {
	b.items = append(b.items, &item{decision: d})
	for i := range d.values {
		b.bytes += len(d.values[i].Text)
	}
	if len(b.items) < batchRows && b.bytes < batchBytes {
		return nil
	}
	return b.flush(ctx)
}

func (b *batch) flush(ctx context.Context) error {
	items := b.items
	b.items, b.bytes = nil, 0
	if len(items) == 0 {
		return nil
	}
	rows := make([][]evidence.Value, len(items))
	for i := range items {
		rows[i] = items[i].values
	}
	answers, err := b.table.ask.evaluate(ctx, b.m.Conn, rows)
	if err != nil {
		return err
	}
	for i, it := range items {
		it.answer = answers[i]
	}
	if err := b.settle(ctx, items); err != nil {
		return err
	}
	for _, it := range items {
		b.compare(it)
	}
	if err := b.takeDefaults(ctx, items); err != nil {
		return err
	}
	var again []*item
	for _, it := range items {
		if it.again {
			again = append(again, it)
		}
	}
	if err := b.askAgain(ctx, again); err != nil {
		return err
	}
	for _, it := range items {
		if err := b.put(ctx, it); err != nil {
			return err
		}
	}
	b.m.decided += int64(len(items))
	if b.m.Progress != nil {
		b.m.Progress(b.table.String(), b.m.decided)
	}
	return nil
}

// askAgain asks about rows as they are to be, which are neither the case's nor the target's.
func (b *batch) askAgain(ctx context.Context, items []*item) error {
	rows := make([][]evidence.Value, len(items))
	for i, it := range items {
		rows[i] = it.data
	}
	answers, err := b.table.ask.evaluate(ctx, b.m.Conn, rows)
	for i, it := range items {
		it.answer = answers[i]
		if it.answer.refused != "" {
			it.block("its values do not fit: %s", it.answer.refused)
		}
	}
	return err
}

func (it *item) note(format string, args ...any) {
	it.notes = append(it.notes, fmt.Sprintf(format, args...))
}

// block says why the row cannot go in.
func (it *item) block(format string, args ...any) {
	it.action = Blocked
	it.note(format, args...)
}

// compare decides what becomes of a row, before constraints are looked at.
func (b *batch) compare(it *item) {
	a := &it.answer
	it.data = it.values
	switch {
	case !complete(it.key):
		it.block("its key is not known: %s", valuesText(it.key))
	case a.refused != "":
		it.block("its values do not fit: %s", a.refused)
	case !a.found:
		b.compareNew(it)
	default:
		b.compareOld(it)
	}
}

// compareNew is for a key that the target does not have.
func (b *batch) compareNew(it *item) {
	b.takeTypes(it)
	if it.dispute != "" {
		it.action = Conflict
		it.note("%s; --twice or --route says which counts", it.dispute)
		return
	}
	if it.successor != nil {
		after := pickValues(b.table.keyAt, it.successor)
		if complete(after) && !equalValues(canonical(after), canonical(it.key)) {
			it.block("an update changed the key to %s: the row lives on under it, or was lost under it", valuesText(after))
			return
		}
	}
	it.action = Insert
	b.takeUnknowns(it)
	if b.table.noInsert != "" && it.action == Insert {
		it.block("%s", b.table.noInsert)
	}
}

// takeUnknowns decides what becomes of values of a new row that nobody knows.
func (b *batch) takeUnknowns(it *item) {
	for i := range it.data {
		if it.data[i].State != evidence.Unknown {
			continue
		}
		if it.imported && it.data[i].Reason == evidence.ReasonNoColumn {
			it.lacks = append(it.lacks, i)
			continue
		}
		if b.m.Options.Unknowns == DefaultUnknown {
			it.lacks = append(it.lacks, i)
			continue
		}
		name := pg.QuoteIdent(b.table.plan.Columns[i].Name)
		if b.m.Options.Unknowns == BlockUnknown {
			it.block("column %s is unknown: %s", name, it.data[i].Reason)
			return
		}
		it.note("column %s is unknown (%s), and becomes NULL", name, it.data[i].Reason)
		it.data[i] = evidence.Value{State: evidence.Null}
	}
}

// takeTypes takes values as the target's types print them.
func (b *batch) takeTypes(it *item) {
	data := make([]evidence.Value, len(it.values))
	for i := range it.values {
		switch was, is := &it.values[i], &it.answer.values[i]; {
		case was.State == evidence.Unknown:
			data[i] = *was
		default:
			data[i] = *is
			if b.changed(was, is) {
				it.note("column %s: %s becomes %s", pg.QuoteIdent(b.table.plan.Columns[i].Name), valueText(was), valueText(is))
			}
		}
	}
	it.data = data
}

// changed reports whether the target's type makes another value of one. The same text in
// another encoding, and a number with other zeros behind its point, are the same.
func (b *batch) changed(was, is *evidence.Value) bool {
	if equalValue(was, is) || b.table.ask.encoding != "" && !isASCII(was.Text) {
		return false
	}
	return !equalValues(canonical([]evidence.Value{*was}), canonical([]evidence.Value{*is}))
}

func isASCII(text []byte) bool {
	return !slices.ContainsFunc(text, func(c byte) bool { return c >= utf8.RuneSelf })
}

func equalValues(a, b []evidence.Value) bool {
	return slices.EqualFunc(a, b, func(a, b evidence.Value) bool { return equalValue(&a, &b) })
}
