package undelete

import (
	"context"
	"fmt"
	"slices"

	"github.com/pgrescue/pgrescue/recover/catalog"
	"github.com/pgrescue/pgrescue/recover/heap"
	"github.com/pgrescue/pgrescue/recover/pg"
	"github.com/pgrescue/pgrescue/recover/wal"
	"github.com/pgrescue/pgrescue/recover/wal/xact"
)

// Removal is how a transaction took a relation's file away.
type Removal string

// The ways. With the last two no row is lost.
const (
	Truncated Removal = "truncated"
	Dropped   Removal = "dropped"
	Removed   Removal = "removed"   // the catalogs at hand do not tell by what
	Rewritten Removal = "rewritten" // VACUUM FULL, CLUSTER, ALTER TABLE: the rows went to another file
	Moved     Removal = "moved"     // to another tablespace
)

// Lost reports whether the rows in the file went with it.
func (r Removal) Lost() bool { return r == Truncated || r == Dropped || r == Removed }

// RemovalOf tells why a transaction removed a file of a relation, as far as the
// snapshot that the relation is from says.
func RemovalOf(tx *xact.Transaction, rel *catalog.Relation, file pg.RelFileLocator) Removal {
	if rel.DroppedBy != pg.InvalidXID && tx.Has(rel.DroppedBy) {
		return Dropped
	}
	return removalOf(tx, rel.FileChanges, file)
}

func removalOf(tx *xact.Transaction, changes []catalog.FileChange, file pg.RelFileLocator) Removal {
	for i := range changes {
		switch change := &changes[i]; {
		case change.File != file || !tx.Has(change.By):
		case change.Moved:
			return Moved
		case change.Rewritten:
			return Rewritten
		default:
			return Truncated
		}
	}
	return Removed
}

// removal is one file that a transaction of the loss removed, rows and all.
type removal struct {
	file  pg.RelFileLocator
	table int // index of Loss.tables; -1: no table that is known
	tx    int32
	kind  Removal
	pages uint32 // the catalog's last count
	rows  float32
	// sequence is set when the file is that of a sequence.
	sequence *catalog.Sequence
}

// findRemovals lists the files that the loss's transactions removed, and the rows
// in them. The catalogs are read once more for it, with what the WAL knows of rows
// that VACUUM took from them.
func (l *Loss) findRemovals(ctx context.Context) error {
	if l.scan == nil || !slices.ContainsFunc(l.Transactions, func(tx xact.Transaction) bool { return len(tx.Dropped) > 0 || l.strange(&tx) }) {
		return nil
	}
	if err := l.ev.ReadHistory(ctx, l.scanned); err != nil {
		return err
	}
	l.historyRead = true
	if l.knowsMore() {
		l.Transactions, l.entries, l.txIndex = nil, nil, make(map[pg.XID]int32)
		if err := l.scanWAL(ctx); err != nil {
			return err
		}
	}
	l.txIndex = make(map[pg.XID]int32) // numbers of those that go would point to others
	l.Transactions = slices.DeleteFunc(l.Transactions, func(tx xact.Transaction) bool { return l.req.XID == 0 && !l.wanted(&tx) })
	l.numberTransactions()
	sequences := l.sequencesByFile()
	for i := range l.Transactions {
		tx := &l.Transactions[i]
		if tx.State != xact.Committed {
			continue
		}
		for _, file := range tx.Dropped {
			if err := l.addRemoval(ctx, int32(i), file, sequences[file]); err != nil {
				return err
			}
		}
	}
	return l.replayRemoved(ctx)
}

// strange reports whether a transaction destroyed rows in a file that the snapshot
// does not know: it belonged to a relation that was rewritten or dropped since.
func (l *Loss) strange(tx *xact.Transaction) bool {
	return slices.ContainsFunc(tx.Tallies, func(t xact.Tally) bool {
		_, _, known := l.index.ByFile(t.Relation)
		return !known && t.Updated+t.Deleted > 0
	})
}

// knowsMore numbers the tables again by the snapshot with history, and reports
// whether the ledger has to be listed again: it knows more files of those that the
// transactions touched than before.
func (l *Loss) knowsMore() bool {
	before, tables := l.byFile, l.tables
	l.byFile, l.tables = make(map[pg.RelFileLocator]int), nil
	for i := range l.req.Tables {
		l.req.Tables[i] = l.ev.again(l.req.Tables[i])
	}
	l.addNamesakes()
	l.know()
	for i := range l.Transactions {
		tx := &l.Transactions[i]
		files := slices.Clone(tx.Dropped)
		for j := range tx.Tallies {
			files = append(files, tx.Tallies[j].Relation)
		}
		for _, file := range files {
			_, now := l.byFile[file]
			if n, known := before[file]; now && !(known && tables[n].Relation != nil) {
				return true
			}
		}
	}
	// The lines point to the tables by number. Those know all that is needed, but for
	// how their files went.
	for _, t := range tables {
		if n, known := l.byFile[t.File]; known && t.Relation != nil {
			t.Database, t.Relation = l.tables[n].Database, l.tables[n].Relation
		}
	}
	l.byFile, l.tables = before, tables
	return false
}

// addNamesakes adds the dropped tables that had the name of one that was asked for:
// who names a table means what went by that name.
func (l *Loss) addNamesakes() {
	for _, t := range slices.Clone(l.req.Tables) {
		for _, rel := range t.Database.Namesakes(t.Relation) {
			if !slices.ContainsFunc(l.req.Tables, func(known Target) bool { return known.Relation == rel }) {
				l.req.Tables = append(l.req.Tables, Target{Database: t.Database, Relation: rel})
			}
		}
	}
}

// again finds a target in the snapshot with history.
func (ev *Evidence) again(t Target) Target {
	for i := range ev.Snapshot.Databases {
		db := &ev.Snapshot.Databases[i]
		if db.OID != t.Database.OID {
			continue
		}
		for j := range db.Relations {
			if db.Relations[j].OID == t.Relation.OID {
				return Target{Database: db, Relation: &db.Relations[j]}
			}
		}
	}
	return t
}

func (l *Loss) sequencesByFile() map[pg.RelFileLocator]*catalog.Sequence {
	found := make(map[pg.RelFileLocator]*catalog.Sequence)
	for i := range l.ev.Snapshot.Databases {
		db := &l.ev.Snapshot.Databases[i]
		for j := range db.Sequences {
			s := &db.Sequences[j]
			for _, file := range append([]pg.RelFileLocator{s.File}, s.FormerFiles...) {
				found[file] = s
			}
		}
	}
	return found
}

// addRemoval takes one removed file in, if rows went with it.
func (l *Loss) addRemoval(ctx context.Context, tx int32, file pg.RelFileLocator, sequence *catalog.Sequence) error {
	r := removal{file: file, table: -1, tx: tx, kind: Removed, rows: -1}
	transaction := &l.Transactions[tx]
	n, known := l.byFile[file]
	switch {
	case known && l.tables[n].Relation != nil:
		rel := l.tables[n].Relation
		r.table, r.kind = n, RemovalOf(transaction, rel, file)
		r.pages, r.rows = rel.Pages, rel.Rows
		for i := range rel.FileChanges {
			if change := &rel.FileChanges[i]; change.File == file {
				r.pages, r.rows = change.Pages, change.Rows
			}
		}
		if r.kind == Removed {
			var err error
			if r.kind, err = l.guessRemoval(ctx, transaction, file); err != nil {
				return err
			}
		}
		if !r.kind.Lost() {
			if l.tables[n].toastOf < 0 {
				l.Kept = append(l.Kept, KeptFile{Table: l.tables[n], Transaction: transaction.XID, Removal: r.kind})
			}
			return nil
		}
		l.tables[n].Removal, l.tables[n].removedBy = r.kind, transaction.XID
	case len(l.req.Tables) > 0:
		return nil // of a table that was not asked for
	case sequence != nil:
		r.sequence, r.kind = sequence, removalOf(transaction, sequence.FileChanges, file)
		if sequence.DroppedBy != pg.InvalidXID && transaction.Has(sequence.DroppedBy) {
			r.kind = Dropped
		}
	case l.ev.catalogs != nil && len(l.ev.catalogs.history.Gaps()) == 0:
		return nil // an index: the catalogs know all else that there was
	}
	l.removals = append(l.removals, r)
	return nil
}

// KeptFile is a table whose file a transaction replaced while it kept the rows.
type KeptFile struct {
	Table       *Table
	Transaction pg.XID
	Removal     Removal // Rewritten or Moved
}

// guessRemoval tells TRUNCATE, DROP and rewrites apart by what the transaction did
// to pg_class, where the catalogs were saved before it happened. It knows pg_class
// by the file that initdb gave it.
func (l *Loss) guessRemoval(ctx context.Context, tx *xact.Transaction, file pg.RelFileLocator) (Removal, error) {
	if kind, guessed := l.guesses[tx.XID]; guessed {
		return kind, nil
	}
	class := pg.RelFileNumber(1259)
	result, err := xact.Collect(ctx, l.ev.Archive, xact.Options{
		Scan: wal.ScanOptions{From: l.scanned, To: tx.EndLSNAfter, TrustOthers: true}, One: true, Oldest: tx.XID,
		Counts: func(rel pg.RelFileLocator) bool { return rel.Relation == class && rel.Database == file.Database },
		Keep:   func(other *xact.Transaction) bool { return other.XID == tx.XID },
	})
	if err != nil {
		return Removed, fmt.Errorf("%s: %w", l.ev.op("read WAL"), err)
	}
	kind := Removed
	if len(result.Transactions) == 1 && len(result.Transactions[0].Tallies) == 1 {
		switch tally := result.Transactions[0].Tallies[0]; {
		case tally.Deleted == 0:
			kind = Truncated // a rewrite makes a transient relation, and drops it
		case tally.Inserted == 0:
			kind = Dropped
		}
	}
	l.guesses[tx.XID] = kind
	return kind, nil
}

// outcome tells what became of a transaction that ended before the loss.
func (l *Loss) outcome(xid pg.XID) heap.XactStatus {
	if !xid.Normal() {
		return heap.XactCommitted
	}
	for _, outcomes := range []*xact.Outcomes{&l.scan.Outcomes, l.older} {
		if outcomes == nil {
			continue
		}
		switch outcomes.Get(xid) {
		case xact.Committed:
			return heap.XactCommitted
		case xact.Aborted:
			return heap.XactAborted
		}
	}
	return l.ev.ended(xid)
}

// ended is Status of a transaction that is known to have ended. In progress then stands
// for one that was lost with a crash, where the WAL tells all that pg_xact does not know.
func (ev *Evidence) ended(xid pg.XID) heap.XactStatus {
	status := ev.Status(xid)
	if status == heap.XactInProgress && !ev.endsKnown {
		return heap.XactUnknown
	}
	return status
}

// nothingOfFiles explains an empty ledger of transactions that removed files; nil
// when they are not the reason.
func (l *Loss) nothingOfFiles() error {
	switch {
	case l.unseenWhy() != "":
		return l.nothingBecause(ErrFilesRemoved, l.unseenWhy())
	case len(l.Kept) > 0:
		kept := &l.Kept[0]
		return l.nothingBecause(ErrKept, fmt.Sprintf("transaction %d gave %s another file: it was %s, rows and all",
			kept.Transaction, kept.Table.Relation.QualifiedName(), kept.Removal))
	case slices.ContainsFunc(l.removals, func(r removal) bool { return r.table >= 0 && l.tables[r.table].toastOf < 0 }):
		return l.nothingBecause(ErrNothingDestroyed, "the tables that it removed held no row")
	}
	return nil
}

// unseenWhy says what of removed tables the ledger cannot count; "" when it counts all.
func (l *Loss) unseenWhy() string {
	text, more := "", 0
	for _, t := range l.tables {
		if t.toastOf >= 0 || t.unseen.Why == "" {
			continue
		}
		if text == "" {
			text = t.Name() + ": " + t.unseen.Why
			continue
		}
		more++
	}
	switch {
	case more > 0:
		text += fmt.Sprintf("; and so for %d more tables", more)
	case text == "" && l.unnamed > 0:
		text = fmt.Sprintf("%d removed files are unknown to the catalogs at hand: they may be of tables or of indexes", l.unnamed)
	}
	return text
}
