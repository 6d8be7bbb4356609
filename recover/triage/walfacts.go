package triage

import (
	"context"
	"math/bits"
	"slices"
	"strings"
	"time"

	"github.com/pgrescue/pgrescue/recover/catalog"
	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/pg"
	"github.com/pgrescue/pgrescue/recover/undelete"
	"github.com/pgrescue/pgrescue/recover/wal"
	"github.com/pgrescue/pgrescue/recover/wal/xact"
)

// WAL is what the log at hand says.
type WAL struct {
	SystemIdentifier uint64
	Start, End       pg.LSN
	Timeline         pg.TimelineID
	First, Last      time.Time // ends of transactions
	Checkpoints      []wal.Checkpoint
	// Transactions are the biggest that destroyed something, or tried to, the biggest first.
	Transactions []Transaction
	Committed    int64
	RolledBack   int64
	// Habits are what is usual for each table, by its place.
	Habits map[string]*Habit
	// Brought are the rows that came to each file and were not deleted from it.
	Brought map[string]int64
	// Gaps are what the scan could not read, and behind those the stretches that are not there.
	Gaps   []wal.Gap
	unread int // of them
	from   pg.LSN
	// Level is wal_level: replica or logical; "": not known.
	Level string
	// Cleaned are pages of files that VACUUM or pruning worked on, with the last record of each file.
	Cleaned map[string]Cleaned
	// Created are files of relations whose making the log holds: it has all of them.
	Created map[string]bool
	// Gone are files that transactions removed, their own in case they were rolled back.
	Gone map[string]bool
	// Columns are those that were dropped from tables that are there still.
	Columns []DroppedColumns
	// Databases are the transactions that dropped one, within what was read.
	Databases []DroppedDatabase
	// small are, by the place of the table, the committed transactions that deleted few rows of it and brought none.
	small map[string][]smallDelete
	// reshaped are transactions that changed columns, and before the catalogs just before some of them.
	reshaped []xact.Transaction
	before   map[pg.XID]*catalog.Snapshot
}

// Cleaned counts the pages of a file that were vacuumed or pruned behind a loss.
type Cleaned struct {
	Pages int64
	Cut   bool // the file was made shorter
}

// Habit is how transactions usually treat one table: by powers of two, how many
// committed ones deleted and updated so many rows.
type Habit struct {
	Inserted, Updated, Deleted int64
	deletes, updates           [64]int64
	Truncates                  int64    // and drops
	removed                    []string // the files that went by those
	smallInserted              int64    // by transactions of few rows, as a queue gets its jobs
}

func (h *Habit) see(c *xact.Tally) {
	h.Inserted += c.Inserted
	h.Updated += c.Updated
	h.Deleted += c.Deleted
	if c.Inserted < fewest {
		h.smallInserted += c.Inserted
	}
	if c.Deleted > 0 {
		h.deletes[bits.Len64(uint64(c.Deleted))-1]++
	}
	if c.Updated > 0 {
		h.updates[bits.Len64(uint64(c.Updated))-1]++
	}
}

func (h *Habit) add(other *Habit) {
	h.Inserted += other.Inserted
	h.Updated += other.Updated
	h.Deleted += other.Deleted
	h.smallInserted += other.smallInserted
	for i := range h.deletes {
		h.deletes[i] += other.deletes[i]
		h.updates[i] += other.updates[i]
	}
	h.Truncates += other.Truncates
}

// like counts the transactions that did about as much as one that took n rows, itself among them.
func (h *Habit) like(n int64, updates bool) (count int64) {
	list := &h.deletes
	if updates {
		list = &h.updates
	}
	for i := max(0, bits.Len64(uint64(n))-3); i < len(list); i++ {
		count += list[i]
	}
	return count
}

// mostWAL bounds how much WAL a triage reads, from its end back: a triage takes seconds.
const mostWAL = 8 << 30

// mostTransactions bounds how many transactions are kept with their tables.
const mostTransactions = 2000

// ReadWAL reads what transactions did to the tables of users. When some removed files that
// the catalogs do not know, the WAL is asked what they were.
func ReadWAL(ctx context.Context, ev *undelete.Evidence, trail *evidence.Trail, progress func(stage string, bytes int64) func(int64)) (*WAL, error) {
	catalogs, err := catalogFiles(ctx, ev, trail)
	if err != nil {
		return nil, err
	}
	for again := false; ; again = true {
		w, puzzled, err := readWAL(ctx, ev, catalogs, progress)
		if err != nil {
			return nil, err
		}
		if again || !puzzled || !ev.HasHistory() {
			return w, w.readColumns(ctx, ev)
		}
		if err := ev.ReadHistory(ctx, 0); err != nil {
			return nil, err
		}
	}
}

// tallying is what one scan adds up.
type tallying struct {
	names     *Names
	catalogs  map[pg.RelFileLocator]string // the files of some catalogs, by their names
	habits    map[pg.RelFileLocator]*Habit
	truncates map[string][]string // by the place of the table, the files that were removed
	gone      map[string]bool
	small     map[pg.RelFileLocator][]smallDelete
	smalls    int // of all files
	reshaped  []xact.Transaction
	databases []DroppedDatabase
	puzzled   bool // a transaction removed files that no catalog at hand knows
}

// take adds a transaction up, and reports whether it is one to keep.
func (t *tallying) take(tx *xact.Transaction) bool {
	t.takeCatalogs(tx)
	for _, file := range tx.Dropped {
		t.gone[file.String()] = true
	}
	removes, puzzling := t.names.CountRemovals(tx, nil)
	tx.Removes, t.puzzled = removes, t.puzzled || puzzling
	if tx.State == xact.Committed {
		for i := range tx.Tallies {
			t.tally(tx, &tx.Tallies[i])
		}
	}
	if removes > 0 {
		tables, _ := t.names.Removals(tx)
		for _, table := range tables {
			if table.Loss.Lost() {
				place := placeOf(table.Table, table.File)
				t.truncates[place] = append(t.truncates[place], table.File)
			}
		}
	}
	return tx.Destroyed() > 0 || len(tx.Dropped) > 0
}

// tally adds up what a committed transaction did to one file.
func (t *tallying) tally(tx *xact.Transaction, c *xact.Tally) {
	habit := t.habits[c.Relation]
	if habit == nil {
		habit = new(Habit)
		t.habits[c.Relation] = habit
	}
	habit.see(c)
	if c.Deleted > 0 && c.Deleted < fewest && c.Inserted == 0 && t.smalls < mostSmall {
		t.small[c.Relation] = append(t.small[c.Relation], smallDelete{tx.End, tx.EndLSN, tx.XID, c.Deleted})
		t.smalls++
	}
}

// give gives what was added up to the facts, by the names of tables.
func (t *tallying) give(w *WAL) {
	for file, habit := range t.habits {
		w.Brought[file.String()] = habit.Inserted - habit.Deleted
		w.habit(placeOf(t.names.Of(file), file.String())).add(habit)
	}
	for file, list := range t.small {
		name := placeOf(t.names.Of(file), file.String())
		w.small[name] = append(w.small[name], list...)
	}
	for name, files := range t.truncates {
		habit := w.habit(name)
		habit.Truncates += int64(len(files))
		habit.removed = append(habit.removed, files...)
	}
	w.Gone, w.reshaped, w.Databases = t.gone, t.reshaped, t.databases
}

// placeOf is a table's name behind the number of its database: several databases may have tables of one name.
func placeOf(table, file string) string {
	parts := strings.Split(file, "/")
	if len(parts) < 3 {
		return "/" + table
	}
	return parts[1] + "/" + table
}

// tableAt finds the table of a place; nil: nobody knows it.
func (f *Facts) tableAt(place string) *Table {
	_, name, _ := strings.Cut(place, "/")
	for i := range f.Tables {
		if t := &f.Tables[i]; SameTable(t.Name, NameOf(name)) && (t.File == "" || placeOf(name, t.File) == place) {
			return t
		}
	}
	return nil
}

// habitOf is the habit of the table that has a file; nil: there is none.
func (w *WAL) habitOf(table, file string) *Habit { return w.Habits[placeOf(table, file)] }

// habit is the habit of the table of a place, which begins with nothing.
func (w *WAL) habit(place string) *Habit {
	if w.Habits[place] == nil {
		w.Habits[place] = new(Habit)
	}
	return w.Habits[place]
}

func readWAL(ctx context.Context, ev *undelete.Evidence, catalogs map[pg.RelFileLocator]string, progress func(string, int64) func(int64)) (*WAL, bool, error) {
	t := &tallying{
		names: NewNames(ev.Snapshot), catalogs: catalogs, habits: make(map[pg.RelFileLocator]*Habit), truncates: make(map[string][]string),
		gone: make(map[string]bool), small: make(map[pg.RelFileLocator][]smallDelete),
	}
	from := ev.Archive.Oldest()
	if ev.Archive.End()-from > mostWAL {
		from = ev.Archive.End() - mostWAL
	}
	options := xact.Options{
		Scan:  wal.ScanOptions{From: from},
		Limit: mostTransactions,
		Counts: func(file pg.RelFileLocator) bool {
			return catalogs[file] != "" || file.Relation >= pg.RelFileNumber(pg.FirstNormalOID) && !t.names.IsToast(file)
		},
		Keep: t.take,
	}
	if progress != nil {
		options.Scan.Progress = progress("reading WAL", ev.Archive.BytesFrom(options.Scan.From))
	}
	result, err := xact.Collect(ctx, ev.Archive, options)
	if err != nil {
		return nil, false, err
	}
	w := &WAL{
		SystemIdentifier: ev.Archive.SystemIdentifier(), Start: ev.Archive.Start(), End: ev.Archive.End(), Timeline: ev.Archive.Timeline(),
		First: result.FirstEnd, Checkpoints: result.Checkpoints, Committed: result.Committed, RolledBack: result.Aborted,
		Habits: make(map[string]*Habit), Brought: make(map[string]int64), Gaps: slices.Concat(result.Gaps, result.Missing), unread: len(result.Gaps), from: from, Level: levelOf(ev.Snapshot),
		small: make(map[string][]smallDelete), before: make(map[pg.XID]*catalog.Snapshot),
	}
	if from > ev.Archive.Oldest() {
		w.Gaps = slices.Insert(w.Gaps, w.unread, wal.Gap{From: ev.Archive.Oldest(), To: from, What: "the older WAL", Why: "a triage reads the last 8 GiB only; pgrescue wal transactions reads all"})
		w.unread++
	}
	t.give(w)
	for i := range result.Transactions {
		w.Transactions = append(w.Transactions, t.names.Transaction(&result.Transactions[i]))
	}
	w.Last = lastEnd(w)
	return w, t.puzzled, nil
}

func levelOf(snapshot *catalog.Snapshot) string {
	if snapshot == nil || snapshot.Control == nil {
		return ""
	}
	return snapshot.Control.WALLevel
}

// lastEnd is the last time that the log tells, of a transaction or a checkpoint.
func lastEnd(w *WAL) (last time.Time) {
	for i := range w.Transactions {
		if w.Transactions[i].End.After(last) {
			last = w.Transactions[i].End
		}
	}
	for i := range w.Checkpoints {
		if w.Checkpoints[i].Time.After(last) {
			last = w.Checkpoints[i].Time
		}
	}
	return last
}

// FollowUp looks at what became of the files of losses: where they were cleaned since, and
// whether the log holds the making of those that are gone.
func (w *WAL) FollowUp(ctx context.Context, archive *wal.Archive, losses []Loss) error {
	after := make(map[string]pg.LSN)
	for i := range losses {
		for j := range losses[i].Tables {
			after[losses[i].Tables[j].File] = losses[i].EndLSN
		}
	}
	w.Cleaned, w.Created = make(map[string]Cleaned), make(map[string]bool)
	if len(after) == 0 {
		return nil
	}
	type seen struct {
		pages   map[string]map[pg.BlockNumber]bool
		cut     map[string]bool
		created map[string]bool
	}
	fresh := func() *seen {
		return &seen{make(map[string]map[pg.BlockNumber]bool), make(map[string]bool), make(map[string]bool)}
	}
	pages := make(map[string]map[pg.BlockNumber]bool)
	err := wal.Scan(ctx, archive, wal.ScanOptions{From: w.from, Rmgrs: wal.Rmgrs(wal.RmgrHeap2, wal.RmgrSmgr), TrustOthers: true}, fresh,
		func(s *seen, rec *wal.Record) error {
			if f, ok := wal.DecodeFileRecord(rec); ok {
				name := f.Relation.String()
				if from, lost := after[name]; lost {
					s.created[name] = s.created[name] || f.Op == wal.FileCreate
					s.cut[name] = s.cut[name] || f.Op == wal.FileTruncate && rec.LSN > from
				}
				return nil
			}
			if !cleans(rec.HeapOp()) || len(rec.Blocks) == 0 {
				return nil
			}
			name := rec.Blocks[0].Relation.String()
			if from, lost := after[name]; lost && rec.LSN > from {
				if s.pages[name] == nil {
					s.pages[name] = make(map[pg.BlockNumber]bool)
				}
				s.pages[name][rec.Blocks[0].Block] = true
			}
			return nil
		},
		func(s *seen, _ *wal.Span) error {
			for name, blocks := range s.pages {
				if pages[name] == nil {
					pages[name] = make(map[pg.BlockNumber]bool)
				}
				for block := range blocks {
					pages[name][block] = true
				}
			}
			for name := range s.created {
				w.Created[name] = w.Created[name] || s.created[name]
			}
			for name := range s.cut {
				w.Cleaned[name] = Cleaned{Cut: w.Cleaned[name].Cut || s.cut[name]}
			}
			*s = *fresh()
			return nil
		})
	for name, blocks := range pages {
		w.Cleaned[name] = Cleaned{Pages: int64(len(blocks)), Cut: w.Cleaned[name].Cut}
	}
	return err
}

// cleans reports whether a record takes dead rows from a page, or may.
func cleans(op wal.HeapOp) bool {
	switch op {
	case wal.HeapClean, wal.HeapPruneIn14, wal.HeapPrune, wal.HeapVacuum, wal.HeapPruneFreeze:
		return true
	}
	return false
}
