package triage

import (
	"maps"
	"slices"
	"time"

	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/pg"
)

// Spread is what many transactions took from a table together, none of which stands out.
type Spread struct {
	Table        evidence.RelationName `json:"table"`
	Transactions int64                 `json:"transactions"`
	Rows         int64                 `json:"rows"`
	Left         int64                 `json:"left"` // about how many rows the table has now; -1: not known
	// Since and Until are between which times they ended, and XIDs their ids, where they were small and are known.
	Since time.Time `json:"since,omitzero"`
	Until time.Time `json:"until,omitzero"`
	XIDs  []pg.XID  `json:"xids,omitempty"`
	// Dense: they came many times as densely as such transactions do otherwise.
	Dense    bool `json:"dense,omitempty"`
	file     string
	from, to pg.LSN
}

// smallDelete is a transaction that deleted few rows of a table.
type smallDelete struct {
	end  time.Time
	at   pg.LSN
	xid  pg.XID
	rows int64
}

const (
	// mostSmall bounds how many of them are kept.
	mostSmall = 500_000
	// fewTogether is how many rows they take at least before they can stand out together.
	fewTogether = 10 * fewest
	// dense is by how much deletes must come more densely than otherwise, in bytes of WAL.
	dense = 10
)

// spreadLosses looks for tables that many transactions emptied: four rows of five are gone, and few came; or where
// single rows went in one run, many times as densely as otherwise, and were a quarter of the table.
func (w *weigher) spreadLosses() (list []Spread) {
	if w.WAL == nil {
		return nil
	}
	for _, name := range slices.Sorted(maps.Keys(w.WAL.Habits)) {
		t := w.tableAt(name)
		if t == nil {
			continue
		}
		table := t.Name
		if w.hurt(table) && len(w.Asked.Tables) == 0 || !w.Asked.wants(table) {
			continue
		}
		if s, found := w.runOf(name, table); found {
			list = append(list, s)
		} else if s, found := w.emptiedOf(name, table); found {
			list = append(list, s)
		}
	}
	return list
}

// together are the tables of which many small transactions took rows, for whose files the WAL is asked.
func (f *Facts) together() (list []Loss) {
	for _, name := range slices.Sorted(maps.Keys(f.WAL.small)) {
		t := f.tableAt(name)
		if small := f.WAL.small[name]; t != nil && len(small)*fewest >= fewTogether {
			list = append(list, Loss{EndLSN: small[0].at, Tables: []LostTable{{File: t.File}}})
		}
	}
	return list
}

// emptiedOf looks for transactions of any size that emptied a table together.
func (w *weigher) emptiedOf(name string, table evidence.RelationName) (Spread, bool) {
	habit := w.WAL.Habits[name]
	left := w.leftNow(w.tableAt(name), habit)
	count := habit.deleting()
	if left < 0 || habit.Deleted < fewTogether || habit.Inserted*4 > habit.Deleted || habit.Truncates > 0 || count < usual || left*4 > habit.Deleted {
		return Spread{}, false
	}
	return Spread{Table: table, Transactions: count, Rows: habit.Deleted, Left: left, file: w.tableAt(name).File, from: w.WAL.Start, to: w.WAL.End}, true
}

// leftNow is about how many rows a table has; -1: not known.
func (f *Facts) leftNow(t *Table, habit *Habit) int64 {
	if f.WAL.Created[t.File] {
		return max(0, habit.Inserted-habit.Deleted)
	}
	if t.Rows < 0 {
		return -1
	}
	left := int64(t.Rows)
	if t.Stats != nil && t.Stats.Inserted > 0 {
		left = min(left, t.Stats.Live)
	}
	return left
}

// runOf looks for small transactions that took single rows in one run.
func (w *weigher) runOf(name string, table evidence.RelationName) (Spread, bool) {
	var all []smallDelete
	for i := range w.WAL.small[name] {
		if d := &w.WAL.small[name][i]; w.Asked.within(d.end) {
			all = append(all, *d)
		}
	}
	slices.SortFunc(all, func(a, b smallDelete) int { return int(min(1, max(-1, int64(a.at)-int64(b.at)))) })
	run, outside := densest(all)
	rows := int64(0)
	for i := range run {
		rows += run[i].rows
	}
	habit, file := w.WAL.Habits[name], w.tableAt(name).File
	if rows < fewTogether || habit.smallInserted*4 > rows || habit.Truncates > 0 {
		return Spread{}, false
	}
	left := w.leftNow(w.tableAt(name), habit)
	before := left + rows
	if left < 0 || !w.WAL.Created[file] { // those that were counted may be all that there were before
		before = max(left, rows)
	}
	s := Spread{Table: table, Transactions: int64(len(run)), Rows: rows, Left: left, file: file, from: run[0].at, to: run[len(run)-1].at}
	if !w.WAL.Created[file] {
		s.Left = -1
	}
	within := float64(len(run)) / float64(max(1, s.to-s.from))
	other := float64(outside) / float64(max(1, int64(w.WAL.End-w.WAL.Start)-int64(s.to-s.from)))
	s.Dense = within >= dense*other
	if 4*rows < before || !s.Dense && left*4 > rows {
		return Spread{}, false
	}
	s.Since, s.Until = run[0].end, run[0].end
	for i := range run {
		s.XIDs = append(s.XIDs, run[i].xid)
		if run[i].end.Before(s.Since) {
			s.Since = run[i].end
		}
		if run[i].end.After(s.Until) {
			s.Until = run[i].end
		}
	}
	return s, true
}

// someImages is how much WAL a DELETE of one row writes that is the first to touch its pages.
const someImages = 4 * pageSize

// densest is the run that has four fifths of the deletes on the least WAL, with those at its ends that are as close to each
// other; outside counts the others.
func densest(all []smallDelete) (run []smallDelete, outside int) {
	n := (len(all)*4 + 4) / 5
	if n < 2 {
		return nil, len(all)
	}
	from := 0
	for i := 0; i+n <= len(all); i++ {
		if all[i+n-1].at-all[i].at < all[from+n-1].at-all[from].at {
			from = i
		}
	}
	to := from + n
	// Five times the usual distance still belongs to it, or the images of some pages.
	step := max(5*(all[to-1].at-all[from].at)/pg.LSN(n), someImages)
	for from > 0 && all[from].at-all[from-1].at <= step {
		from--
	}
	for to < len(all) && all[to].at-all[to-1].at <= step {
		to++
	}
	return all[from:to], len(all) - (to - from)
}

// asLoss shows what went together as one loss, for the routes.
func (s *Spread) asLoss() *Loss {
	return &Loss{Way: ByDelete, End: s.Since, FirstLSN: s.from, EndLSN: s.to, Tables: []LostTable{{Name: s.Table, File: s.file, Way: ByDelete, Rows: s.Rows, Left: s.Left}}}
}

// say tells of it in the evidence for a hypothesis.
func (s *Spread) say(h *Hypothesis) {
	left := ""
	if s.Left >= 0 {
		left = ", which has about " + counted(s.Left, "row") + " left"
	}
	switch {
	case s.Since.IsZero():
		h.support("wal", "%d transactions together deleted %d rows of %s%s: none of them stands out, and --table lists them", s.Transactions, s.Rows, s.Table.String(), left)
	case s.Dense:
		h.support("wal", "%d transactions of few rows each, from %s to %s, together deleted %d rows of %s%s: as densely as never else in the WAL at hand", s.Transactions, pg.FormatTime(s.Since), pg.FormatTime(s.Until), s.Rows, s.Table.String(), left)
	default:
		h.support("wal", "%d transactions of few rows each, from %s to %s, together deleted %d rows of %s%s", s.Transactions, pg.FormatTime(s.Since), pg.FormatTime(s.Until), s.Rows, s.Table.String(), left)
	}
	if h.Standing != Proven {
		h.Standing = Supported
	}
}
