package restore

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/pgrescue/pgrescue/recover/casefile"
	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/pg"
)

// compareOld is for a key that the target has.
func (b *batch) compareOld(it *item) {
	b.takeTypes(it)
	it.before = it.answer.before
	var other []int
	for i := range it.data {
		if it.data[i].State != evidence.Unknown && !equalValue(&it.data[i], &it.before[i]) && !(it.claimed && b.sameJSON(i, &it.data[i], &it.before[i])) {
			other = append(other, i)
		}
	}
	switch {
	case it.dispute != "":
		it.action = Conflict
		it.note("%s; --twice or --route says which counts", it.dispute)
	case len(other) == 0:
		it.action, it.data, it.before = Equal, it.before, nil
	default:
		b.resolve(it, other)
		it.apart = it.action == Conflict || it.action == Keep && !b.same(other)
	}
}

// same reports whether somebody said that the row of the target is the lost one, by giving
// it values of the lost one, were there any to give.
func (b *batch) same(other []int) bool {
	return slices.ContainsFunc(other, func(i int) bool {
		return b.m.resolution(b.table.targetTable, b.table.plan.Columns[i].Name) != TakeTarget
	})
}

// resolve settles a conflict by the choices, column by column.
func (b *batch) resolve(it *item, other []int) {
	merged := append([]evidence.Value(nil), it.before...)
	var undecided, overwritten, filled []string
	for _, i := range other {
		name := pg.QuoteIdent(b.table.plan.Columns[i].Name)
		switch b.m.resolution(b.table.targetTable, b.table.plan.Columns[i].Name) {
		case TakeTarget:
		case TakeCase:
			merged[i] = it.data[i]
			overwritten = append(overwritten, name)
		case FillNulls:
			if it.before[i].State == evidence.Null {
				merged[i] = it.data[i]
				filled = append(filled, name)
			}
		default:
			undecided = append(undecided, name)
		}
	}
	switch {
	case len(undecided) > 0:
		it.action = Conflict
		it.note("the target has other values in %s%s", strings.Join(undecided, ", "), b.history(it))
		return
	case len(overwritten) > 0:
		it.action = Overwrite
	case len(filled) > 0:
		it.action = Fill
	default:
		it.action = Keep
		it.note("the target keeps its own values%s", b.history(it))
		return
	}
	it.again = !equalValues(merged, it.answer.values)
	it.data = merged
	it.note("%s%s", strings.Join(append(overwritten, filled...), ", "), b.history(it))
}

// history says whether the target has what the lost version became. When it has not,
// nobody can say whether the row was changed again: it may be another row.
func (b *batch) history(it *item) string {
	if it.successor == nil {
		return ""
	}
	if after := pickValues(b.table.keyAt, it.successor); complete(after) && !equalValues(canonical(after), canonical(it.key)) {
		return "; the update changed the key to " + valuesText(after) + ", and the target has other values for this key"
	}
	for i := range it.successor {
		if it.successor[i].State != evidence.Unknown && !equalValue(&it.successor[i], &it.before[i]) {
			return "; the target has other values for this key than the update left"
		}
	}
	return "; the row is as the update left it"
}

// resolution is what was chosen for a column; the last choice that fits wins.
func (m *planner) resolution(table *targetTable, column string) Resolution {
	name := evidence.RelationName{Schema: table.schema, Name: table.name}
	chosen := Ask
	for _, choice := range m.Options.Choices {
		if (choice.Table == "" || matches(name, []string{choice.Table})) && (choice.Column == "" || choice.Column == column) {
			chosen = choice.Resolution
		}
	}
	return chosen
}

// constraints looks at what could keep a row from going in.
func (b *batch) constraints(ctx context.Context, it *item) error {
	for i := range it.data {
		if it.data[i].State == evidence.Null && b.table.plan.Columns[i].NotNull {
			it.block("column %s must not be NULL", pg.QuoteIdent(b.table.plan.Columns[i].Name))
		}
	}
	if len(it.answer.failed) > 0 {
		it.block("it violates the check %s", strings.Join(it.answer.failed, ", "))
	}
	for i := range it.answer.taken {
		if err := b.unique(it, i); err != nil {
			return err
		}
	}
	if b.table.keyClaims != nil && it.action == Insert {
		seq, found, err := b.table.keyClaims.get(b.keyDigest(it))
		if err != nil {
			return err
		}
		if found {
			it.block("row %d of this plan has the same key in the target's types", seq)
		}
	}
	for i := range it.answer.parents {
		if err := b.parent(ctx, it, i); err != nil {
			return err
		}
	}
	return nil
}

// keyValues is the key as the target's types print it, if they do.
func (b *batch) keyValues(it *item) []evidence.Value {
	if it.key == nil || it.answer.refused != "" || !complete(it.key) {
		return it.key
	}
	return pickValues(b.table.keyAt, it.data)
}

func (b *batch) keyDigest(it *item) digest {
	return digestOf(canonical(pickValues(b.table.keyAt, it.data)))
}

// unique looks whether somebody has the value of a unique index already.
func (b *batch) unique(it *item, i int) error {
	index, taken := b.table.ask.uniques[i], &it.answer.taken[i]
	what := "unique index"
	if index.exclusion {
		what = "exclusion constraint"
	}
	if taken.by != "" {
		it.block("%s %s: the target has a row with %s, %s", what, pg.QuoteIdent(index.name), valuesText(taken.values), taken.by)
		return nil
	}
	if !b.claimable(i, taken) {
		return nil
	}
	seq, found, err := b.table.claims[i].get(digestOf(canonical(taken.values)))
	if err == nil && found {
		it.block("unique index %s: row %d of this plan has %s too", pg.QuoteIdent(index.name), seq, valuesText(taken.values))
	}
	return err
}

// claimable reports whether the rows of the plan must not have the value twice.
func (b *batch) claimable(i int, taken *takenValue) bool {
	index := b.table.ask.uniques[i]
	return !index.exclusion && taken.counts && (index.nullsEqual || complete(taken.values))
}

// parent looks for the row that a foreign key refers to.
func (b *batch) parent(ctx context.Context, it *item, i int) error {
	ref, fk := &it.answer.parents[i], b.table.ask.keys[i]
	if !ref.refers {
		return nil
	}
	missing := func(note string) {
		it.block("parent missing: %s %s is not in %s: %s", fk.name, valuesText(ref.values), fk.parent.name, note)
	}
	parent := b.m.byOID[fk.parent.oid]
	if ref.exists && (parent == nil || parent.component != b.table.component) {
		own, note, err := b.m.ownParent(fk, digestOf(canonical(ref.values)))
		if !own {
			missing(note)
		}
		return err
	}
	if parent == nil {
		note, err := b.m.elsewhere(ctx, fk, ref.values)
		missing(note)
		return err
	}
	if parent.component == b.table.component {
		return nil // known when all of the circle is decided
	}
	there, note, err := b.m.planned(fk, digestOf(canonical(ref.values)))
	if !there {
		missing(note)
	}
	return err
}

// put writes an item into the plan.
func (b *batch) put(ctx context.Context, it *item) error {
	if it.action.Writes() {
		if err := b.constraints(ctx, it); err != nil {
			return err
		}
	}
	if it.lived && it.action == Insert {
		it.note("the loss only updated it: it was deleted since")
		b.table.wentSince++
	}
	m := b.m
	m.seq++
	row := &casefile.PlanRow{
		Seq: m.seq, Table: b.table.index, Action: string(it.action), Key: b.keyValues(it), Data: it.data, Before: it.before,
		Note: strings.Join(it.notes, "; "), From: it.from,
	}
	if err := m.writer.Put(row); err != nil {
		return err
	}
	b.table.plan.Counts[it.action]++
	if !it.action.Writes() {
		return b.part(it)
	}
	return b.claim(it)
}

// part remembers a row that was deleted and does not come back: what belonged to it does
// not belong to whoever has its key now.
func (b *batch) part(it *item) error {
	if !it.deleted || !it.apart && it.action != Blocked || len(it.answer.values) == 0 {
		return nil
	}
	for _, ref := range b.table.refs {
		values := pickValues(ref.places, it.answer.values)
		if !complete(values) {
			continue
		}
		if err := ref.strangers.put(digestOf(canonical(values)), 1); err != nil {
			return err
		}
	}
	return nil
}

// claim remembers what a row takes and what it offers to others.
func (b *batch) claim(it *item) error {
	seq := b.m.seq
	for i := range it.answer.taken {
		if taken := &it.answer.taken[i]; b.claimable(i, taken) {
			if err := b.table.claims[i].put(digestOf(canonical(taken.values)), seq); err != nil {
				return err
			}
		}
	}
	if b.table.keyClaims != nil {
		if err := b.table.keyClaims.put(b.keyDigest(it), seq); err != nil {
			return err
		}
	}
	for _, ref := range b.table.refs {
		if err := ref.set.put(digestOf(canonical(pickValues(ref.places, it.data))), seq); err != nil {
			return err
		}
	}
	for i := range it.answer.parents {
		ref, fk := &it.answer.parents[i], b.table.ask.keys[i]
		parent := b.m.byOID[fk.parent.oid]
		if !ref.refers || parent == nil || parent.component != b.table.component {
			continue
		}
		if err := b.edges.put(edge{b.table.index, i, ref.exists, seq, digestOf(canonical(ref.values))}); err != nil {
			return err
		}
	}
	b.table.bound(it.data)
	return nil
}

// bound keeps the furthest number of each column with a sequence.
func (t *plannedTable) bound(data []evidence.Value) {
	for i := range t.sequences {
		sequence := &t.sequences[i]
		for n := range t.plan.Columns {
			if t.plan.Columns[n].Name != sequence.column || data[n].State != evidence.Known {
				continue
			}
			number, err := strconv.ParseInt(string(data[n].Text), 10, 64)
			if err != nil {
				continue // a text that a default makes of a number
			}
			furthest, known := t.bounds[sequence.name]
			if !known || (number > furthest) != sequence.down {
				t.bounds[sequence.name] = number
			}
		}
	}
}

// finish adds what is known of a table when all rows are decided.
func (t *plannedTable) finish() {
	for _, sequence := range t.sequences {
		if to, moved := t.bounds[sequence.name]; moved {
			t.plan.Sequences = append(t.plan.Sequences, SequencePlan{Name: sequence.name, Column: sequence.column, To: to, Down: sequence.down})
		}
	}
	if t.wentSince > 0 {
		t.plan.Notes = append(t.plan.Notes, counted(t.wentSince, "row that the loss only updated was deleted since, and the plan takes it for lost: was it deleted on purpose?",
			"rows that the loss only updated were deleted since, and the plan takes them for lost: were they deleted on purpose?"))
	}
	if t.circle {
		t.plan.Notes = append(t.plan.Notes, "it refers to itself, or with other tables in a circle: their rows go in together")
	}
	if t.rowSecurity != "" {
		t.plan.Notes = append(t.plan.Notes, fmt.Sprintf("row security is %s; this role sees all rows", t.rowSecurity))
	}
}
