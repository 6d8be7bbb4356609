package triage

import (
	"maps"
	"slices"

	"github.com/pgrescue/pgrescue/recover/evidence"
)

// Spread is what many transactions took from a table together, none of which stands out.
type Spread struct {
	Table        evidence.RelationName `json:"table"`
	Transactions int64                 `json:"transactions"`
	Rows         int64                 `json:"rows"`
	Left         int64                 `json:"left"` // about how many rows the table has now
}

// spreadLosses looks for tables that many transactions emptied: four rows of five are gone, and few came.
func (w *weigher) spreadLosses() (list []Spread) {
	if w.WAL == nil {
		return nil
	}
	for _, name := range slices.Sorted(maps.Keys(w.WAL.Habits)) {
		habit, table := w.WAL.Habits[name], NameOf(name)
		t := w.table(table)
		if t == nil || t.Rows < 0 || habit.Deleted < 10*fewest || habit.Inserted*4 > habit.Deleted || habit.Truncates > 0 || w.hurt(table) && len(w.Asked.Tables) == 0 {
			continue
		}
		left := int64(t.Rows)
		if t.Stats != nil && t.Stats.Inserted > 0 {
			left = min(left, t.Stats.Live)
		}
		if count := habit.deleting(); count >= usual && left*4 <= habit.Deleted && w.Asked.wants(table) {
			list = append(list, Spread{Table: table, Transactions: count, Rows: habit.Deleted, Left: left})
		}
	}
	return list
}
