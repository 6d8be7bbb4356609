package undelete

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/pgrescue/pgrescue/recover/catalog"
	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/heap"
	"github.com/pgrescue/pgrescue/recover/pg"
	"github.com/pgrescue/pgrescue/recover/redo"
	"github.com/pgrescue/pgrescue/recover/wal"
	"github.com/pgrescue/pgrescue/recover/wal/xact"
)

// Evidence is what a rescue works on. Any part but the snapshot may be absent.
type Evidence struct {
	Room        string // that errors begin with; see Sources
	Snapshot    *catalog.Snapshot
	DataDir     string            // "": no relation files
	Tablespaces map[pg.OID]string // see heap.DataDir
	Archive     *wal.Archive      // nil: no WAL
	Clog        *heap.XactLog     // nil: no pg_xact
	Multi       *heap.MultiXact   // nil: no pg_multixact
	Subtrans    *heap.SubTrans    // nil: no pg_subtrans
	// Progress, if not nil, begins a stage that works through that many bytes and
	// returns what is to be called with bytes done.
	Progress func(stage string, bytes int64) func(done int64)

	trail    *evidence.Trail
	also     []*furtherCopy
	outcomes *xact.Outcomes // of the WAL since the last checkpoint; nil: not read
	// endsKnown: the WAL has what pg_xact does not have yet, without a hole. Otherwise a
	// transaction that pg_xact calls in progress may have ended since.
	endsKnown bool
	catalogs  *catalogSource // nil: the snapshot came from a file
}

func (ev *Evidence) dir() heap.DataDir {
	return heap.DataDir{Path: ev.DataDir, Tablespaces: ev.Tablespaces, Trail: ev.trail}
}

// op is an operation as errors name it.
func (ev *Evidence) op(what string) string { return cmp.Or(ev.Room, "undelete") + ": " + what }

func (ev *Evidence) stage(name string, bytes int64) func(int64) {
	if ev.Progress == nil {
		return nil
	}
	return ev.Progress(name, bytes)
}

// Target is a table that a request is about.
type Target struct {
	Database *catalog.Database
	Relation *catalog.Relation
}

// Request says which loss to find: what one transaction destroyed (XID), or what
// all transactions destroyed in the tables since a time.
type Request struct {
	XID          pg.XID
	Tables       []Target  // empty: all
	Since, Until time.Time // UTC; zero: no bound
	NoHeap       bool      // leave the relation files out
	NoWAL        bool      // leave page replay out; the ledger still comes from the WAL
	Successors   bool      // also keep the versions that replaced updated ones
	// GiveBack hands the rows out as they can be given back one by one: the last change
	// first, and an updated row that was deleted after all is a deleted one. It implies Successors.
	GiveBack bool
}

// ErrNothingDestroyed tells that the evidence names no destroyed version that the request is about.
var ErrNothingDestroyed = errors.New("no destroyed row version found")

// ErrRolledBack tells that the transaction was rolled back: what it touched is not lost.
var ErrRolledBack = errors.New("the transaction was rolled back, so what it touched is not lost")

// ErrUndecided tells that nothing at hand says whether the transaction was committed.
var ErrUndecided = errors.New("it is not decided whether the transaction commits, so what it touched is not lost yet")

// ErrFilesRemoved tells that the transaction removed whole relations, and that nothing at hand has a row of them.
var ErrFilesRemoved = errors.New("it removed whole relations, and none of their rows can be had from the evidence at hand")

// ErrKept tells that the transaction gave tables new files and kept their rows.
var ErrKept = errors.New("it rewrote tables and kept their rows, so nothing is lost")

// ErrUnreadable tells that nothing names the loss because WAL that could is missing or damaged.
var ErrUnreadable = errors.New("no destroyed row version found, and WAL that could name one is missing")

// Find scans the WAL for the loss and lists its ledger. Where the WAL does not
// reach back to the begin of the transaction, dead tuples in the relation files
// complete the ledger.
func Find(ctx context.Context, ev *Evidence, req Request) (*Loss, error) {
	l := &Loss{
		ev: ev, req: req,
		byFile: make(map[pg.RelFileLocator]int), reasonIndex: make(map[string]int32),
		txIndex: make(map[pg.XID]int32), behind: make(map[redo.PageKey]bool),
		spool: spool{budget: spoolBudget}, guesses: make(map[pg.XID]Removal), index: catalog.NewIndex(ev.Snapshot),
	}
	l.reason("not looked for")
	l.req.Tables = slices.Clone(req.Tables)
	l.req.Successors = req.Successors || req.GiveBack
	l.addNamesakes()
	l.know()
	if err := l.knowColumns(ctx); err != nil {
		return nil, err
	}
	if ev.Archive != nil {
		if err := l.scanWAL(ctx); err != nil {
			return nil, err
		}
		if err := l.findRemovals(ctx); err != nil {
			return nil, err
		}
	}
	if err := l.cover(ctx); err != nil {
		return nil, err
	}
	if err := l.columns(ctx); err != nil {
		return nil, err
	}
	l.sortEntries()
	if len(l.entries) == 0 && (l.unseenWhy() != "" || !slices.ContainsFunc(l.tables, l.droppedEmpty)) {
		return l, l.nothing()
	}
	return l, nil
}

// spoolBudget is how many bytes of tuples stay in memory.
const spoolBudget = 64 << 20

// know numbers the tables that the request is about, each with its TOAST table.
func (l *Loss) know() {
	if len(l.req.Tables) > 0 {
		for _, t := range l.req.Tables {
			l.knowRelation(t.Database, t.Relation)
		}
		return
	}
	for i := range l.ev.Snapshot.Databases {
		db := &l.ev.Snapshot.Databases[i]
		for j := range db.Relations {
			if rel := &db.Relations[j]; rel.Kind == "r" || rel.Kind == "m" {
				l.knowRelation(db, rel)
			}
		}
	}
}

func (l *Loss) knowRelation(db *catalog.Database, rel *catalog.Relation) {
	owner := l.addTable(db, rel, rel.File, -1)
	if rel.Toast == 0 {
		return
	}
	for i := range db.Relations {
		if toast := &db.Relations[i]; toast.OID == rel.Toast {
			l.addTable(db, toast, toast.File, owner)
		}
	}
}

func (l *Loss) addTable(db *catalog.Database, rel *catalog.Relation, file pg.RelFileLocator, toastOf int) int {
	if n, known := l.byFile[file]; known {
		return n
	}
	n := len(l.tables)
	l.tables = append(l.tables, &Table{Database: db, Relation: rel, File: file, index: n, toastOf: toastOf})
	l.byFile[file] = n
	if rel != nil && file == rel.File {
		// TRUNCATE, VACUUM FULL and rewrites give a relation a new file; older WAL names the old one.
		for _, former := range rel.FormerFiles {
			l.addTable(db, rel, former, toastOf)
		}
	}
	return n
}

// scanWAL lists the transactions and the lines that the WAL names.
func (l *Loss) scanWAL(ctx context.Context) error {
	archive := l.ev.Archive
	l.RolledBack = nil // of a scan before
	opts := xact.Options{
		Scan:   wal.ScanOptions{Progress: l.ev.stage("reading WAL", archive.Bytes()), TrustOthers: true},
		One:    l.req.XID != pg.InvalidXID,
		Oldest: l.req.XID, // a subtransaction's id is younger than its parent's
		Counts: func(rel pg.RelFileLocator) bool {
			return rel.Relation >= pg.RelFileNumber(pg.FirstNormalOID) && !l.catalogFiles[rel] || l.attributes[rel]
		},
		Keep:    l.wanted,
		Lines:   l.takeLines,
		Aborted: l.takeRolledBack,
		WantsLine: func(rel pg.RelFileLocator) bool {
			// Without tables that are asked for, takeLines adds to byFile meanwhile.
			if len(l.req.Tables) == 0 {
				return !l.attributes[rel]
			}
			_, known := l.byFile[rel]
			return known
		},
	}
	var begin xact.Horizon
	if l.req.XID != pg.InvalidXID {
		var err error
		if begin, err = xact.Begin(ctx, archive, l.req.XID); err != nil {
			return fmt.Errorf("%s: %w", l.ev.op("read WAL"), err)
		}
		opts.Scan.From = begin.LSN
	}
	result, err := l.collect(ctx, &opts)
	if err != nil {
		return fmt.Errorf("%s: %w", l.ev.op("read WAL"), err)
	}
	if len(result.Transactions) > 0 && l.req.XID != 0 && result.Transactions[0].XID != l.req.XID {
		// A subtransaction was asked for: the lines of its parent are older than it.
		l.req.XID, l.entries, l.toastEntries = result.Transactions[0].XID, l.entries[:0], nil
		return l.scanWAL(ctx)
	}
	l.entries, l.toastEntries = append(l.entries, l.toastEntries...), nil
	if begin.LSN != 0 && opts.Scan.From == begin.LSN {
		result.Horizon = begin // what the scan met first may be a little later
	}
	l.scan, l.scanned = result, opts.Scan.From
	for _, g := range result.Gaps {
		l.gap(g.Evidence()) // once, though the WAL may be scanned again
	}
	l.Transactions = result.Transactions
	for i := range l.Transactions {
		l.forgetColumns(&l.Transactions[i])
	}
	l.numberTransactions()
	return nil
}

// collect scans the WAL from where opts say. Where it does not reach back to what
// was asked for, recycled segments that lie before it may know of it, in parts.
func (l *Loss) collect(ctx context.Context, opts *xact.Options) (*xact.Result, error) {
	archive := l.ev.Archive
	result, err := xact.Collect(ctx, archive, *opts)
	if err != nil || opts.Scan.From != 0 || archive.Oldest() == archive.Start() || l.reaches(result) {
		return result, err
	}
	again := func(from pg.LSN) (*xact.Result, error) {
		l.entries, l.toastEntries, opts.Scan.From = l.entries[:0], nil, from
		return xact.Collect(ctx, archive, *opts)
	}
	if result, err = again(archive.Oldest()); err != nil || l.req.XID == pg.InvalidXID {
		return result, err
	}
	// Holes before the transaction began do not matter.
	for _, cp := range slices.Backward(result.Checkpoints) {
		if cp.Redo > archive.Oldest() && !l.req.XID.Precedes(cp.NextXID.XID()) {
			return again(cp.Redo)
		}
	}
	return result, nil
}

// reaches reports whether what was asked for began within the scanned WAL.
func (l *Loss) reaches(result *xact.Result) bool {
	if l.req.XID != pg.InvalidXID {
		return result.Horizon.LSN != 0 && !l.req.XID.Precedes(result.Horizon.NextXID)
	}
	return !result.FirstEnd.IsZero() && !l.req.Since.Before(result.FirstEnd)
}

// wanted decides which transactions the request is about.
func (l *Loss) wanted(tx *xact.Transaction) bool {
	if l.req.XID != 0 {
		return tx.Has(l.req.XID)
	}
	if counts, _ := l.decided(tx); !counts {
		return false
	}
	known := slices.ContainsFunc(tx.Tallies, func(t xact.Tally) bool {
		_, known := l.byFile[t.Relation]
		return known && t.Updated+t.Deleted > 0
	})
	// Which files a table had may be known only after the history of the catalogs was read.
	known = known || l.droppedKnown(tx) > 0 || !l.historyRead && (len(tx.Dropped) > 0 || l.strange(tx))
	// A commit that only pg_xact knows of came after the end of the WAL at hand.
	inTime := tx.End.IsZero() || !tx.End.Before(l.req.Since) && (l.req.Until.IsZero() || tx.End.Before(l.req.Until))
	return known && inTime
}

// droppedKnown counts the files of the tables asked for that a transaction removed.
func (l *Loss) droppedKnown(tx *xact.Transaction) int {
	n := 0
	for _, file := range tx.Dropped {
		if _, known := l.byFile[file]; known {
			n++
		}
	}
	return n
}

// clogStatus asks pg_xact.
func (l *Loss) clogStatus(xid pg.XID) heap.XactStatus {
	if l.ev.Clog == nil {
		return heap.XactUnknown
	}
	return l.ev.Clog.Status(xid)
}

// takeLines copies a transaction's destroyed versions into the ledger, unless
// it was rolled back.
func (l *Loss) takeLines(tx *xact.Transaction, pieces [][]xact.Line) error {
	counts, unsure := l.decided(tx)
	if !counts {
		return nil
	}
	count := 0
	for _, lines := range pieces {
		count += len(lines)
	}
	l.entries = slices.Grow(l.entries, count)
	for i, lines := range pieces {
		for j := range lines {
			l.takeLine(&lines[j], unsure)
		}
		pieces[i] = nil
	}
	return nil
}

// takeLine copies one line into the ledger.
func (l *Loss) takeLine(line *xact.Line, unsure bool) {
	table, known := l.byFile[line.Relation]
	if !known {
		table = l.addTable(nil, nil, line.Relation, -1)
	}
	e := entry{
		lsn: line.LSN, end: line.End, xid: line.XID, xmax: line.Xmax, tx: -1, table: int32(table),
		block: line.TID.Block, offset: line.TID.Offset, newBlock: line.NewTID.Block, newOffset: line.NewTID.Offset,
		deleted: line.Deleted, multi: line.Multi, unsure: unsure,
	}
	if l.tables[table].toastOf >= 0 { // apart, so that each table's lines stay in the order that they came in
		l.toastEntries = append(l.toastEntries, e)
		return
	}
	l.entries = append(l.entries, e)
}

// numberTransactions points each line to its transaction.
func (l *Loss) numberTransactions() {
	for i := range l.Transactions {
		tx := &l.Transactions[i]
		l.txIndex[tx.XID] = int32(i)
		for _, sub := range tx.Subxacts {
			l.txIndex[sub] = int32(i)
		}
	}
	for i := range l.entries {
		if n, known := l.txIndex[l.entries[i].xid]; known {
			l.entries[i].tx = n
		}
	}
}

// nothing explains an empty ledger.
func (l *Loss) nothing() error {
	if err := l.nothingOfFiles(); err != nil {
		return err
	}
	if l.req.XID == 0 {
		return l.nothingBecause(ErrNothingDestroyed,
			"`pgrescue wal transactions` lists what the WAL names: check the table, and the time and the zone of --since and --until; "+
				"values of columns that were dropped or computed anew have no such record, and come back by the id of the transaction, --xid")
	}
	for i := range l.Transactions {
		return l.nothingOf(&l.Transactions[i])
	}
	switch {
	case l.ev.Archive != nil && l.scan.Outcomes.Get(l.req.XID) == xact.Aborted || l.clogStatus(l.req.XID) == heap.XactAborted:
		return l.nothingBecause(ErrRolledBack, "")
	case l.ev.Archive == nil:
		return l.nothingBecause(ErrUnreadable,
			"without WAL only dead tuples can name it, and none carries this id; the rows of a subtransaction carry its own")
	}
	if l.walIsHurt() {
		return l.nothingBecause(ErrUnreadable, l.Uncovered)
	}
	hint := "no WAL record and no dead tuple at hand carries this transaction id; `pgrescue wal transactions` lists those that do; " + noteTemporary
	if l.Uncovered != "" {
		hint += "; " + l.Uncovered
	}
	return l.nothingBecause(ErrNothingDestroyed, hint)
}

// walIsHurt reports whether WAL that could name the transaction is missing or damaged.
func (l *Loss) walIsHurt() bool {
	return len(l.scan.Gaps) > 0 || len(l.scan.Missing) > 0 || l.endsEarly()
}

// endsEarly reports whether the data directory has seen WAL behind the end of that at hand.
func (l *Loss) endsEarly() bool {
	control := l.ev.Snapshot.Control
	return control != nil && l.ev.DataDir != "" && control.Checkpoint >= l.ev.Archive.End()
}

// nothingOf explains the empty ledger of a transaction that the WAL names.
func (l *Loss) nothingOf(tx *xact.Transaction) error {
	switch {
	case tx.State == xact.Aborted:
		return l.nothingBecause(ErrRolledBack, "")
	case tx.State == xact.Prepared && tx.Destroyed() > 0:
		return l.nothingBecause(ErrUndecided, fmt.Sprintf("it is prepared; of its %d row versions, "+
			"ROLLBACK PREPARED in the server keeps all, COMMIT PREPARED destroys them", tx.Destroyed()))
	case tx.State == xact.Undecided || tx.State == xact.Prepared:
		return l.nothingBecause(ErrUndecided,
			fmt.Sprintf("the transaction is %s: neither the WAL at hand nor pg_xact says that it was committed; the WAL that follows may", tx.State))
	case len(l.req.Tables) > 0 && tx.Destroyed() > 0:
		return l.nothingBecause(ErrNothingDestroyed,
			fmt.Sprintf("the transaction is %s and destroyed no version of the tables asked for", tx.State))
	}
	return l.nothingBecause(ErrNothingDestroyed, fmt.Sprintf("the transaction is %s and destroyed no row version; %s", tx.State, noteTemporary))
}

// noteTemporary says what no evidence can show.
const noteTemporary = "rows of temporary tables are never in the WAL, and their files end with the session"

func (l *Loss) nothingBecause(cause error, hint string) error {
	return &evidence.Error{Op: l.ev.op("find the loss"), Place: l.place(), Err: cause, Hint: hint}
}

func (l *Loss) place() string {
	if l.req.XID != 0 {
		return fmt.Sprintf("of transaction %d", l.req.XID)
	}
	tables := "1 table"
	if n := len(l.req.Tables); n != 1 {
		tables = fmt.Sprintf("%d tables", n)
	}
	return fmt.Sprintf("in %s since %s", tables, pg.FormatTime(l.req.Since))
}
