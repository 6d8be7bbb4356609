package undelete

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/pgrescue/pgrescue/recover/binreader"
	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/heap"
	"github.com/pgrescue/pgrescue/recover/pg"
	"github.com/pgrescue/pgrescue/recover/redo"
	"github.com/pgrescue/pgrescue/recover/wal"
	"github.com/pgrescue/pgrescue/recover/wal/xact"
)

// replayRemoved replays the removed files as a whole, from the start of the WAL
// to the commit that removed them, and takes each row that was visible then into
// the ledger, settled at once.
func (l *Loss) replayRemoved(ctx context.Context) error {
	if len(l.removals) == 0 {
		return nil
	}
	wanted := make(map[pg.RelFileLocator]bool)
	var last pg.LSN
	for i := range l.removals {
		wanted[l.removals[i].file] = true
		last = max(last, l.Transactions[l.removals[i].tx].EndLSN)
	}
	if err := l.readOlderOutcomes(ctx); err != nil {
		return err
	}
	files := &fileCopies{l: l, open: make(map[pg.RelFileLocator]*heap.Relation)}
	defer files.close()
	archive := l.ev.Archive
	result, err := redo.Replay(ctx, archive, redo.Options{
		Scan: wal.ScanOptions{
			To: last, Progress: l.ev.stage("replaying removed tables", int64(max(last, archive.Start())-archive.Start())),
		},
		Wants: func(key redo.PageKey) bool { return wanted[key.Relation] },
		Base:  files.base(), Files: true,
	})
	if err != nil {
		return fmt.Errorf("%s: %w", l.ev.op("replay WAL"), err)
	}
	defer result.Close()
	for i := range l.removals {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := l.takeRemoved(ctx, result, files, &l.removals[i]); err != nil {
			return err
		}
	}
	return nil
}

// readOlderOutcomes learns from the WAL how transactions ended before the scan for
// the loss began, where there is no pg_xact that knows.
func (l *Loss) readOlderOutcomes(ctx context.Context) error {
	if l.ev.Clog != nil || l.scanned == 0 {
		return nil
	}
	result, err := xact.Collect(ctx, l.ev.Archive, xact.Options{
		Scan:   wal.ScanOptions{To: l.scanned, TrustOthers: true},
		Counts: func(pg.RelFileLocator) bool { return false },
		Keep:   func(*xact.Transaction) bool { return false },
	})
	if err != nil {
		return fmt.Errorf("%s: %w", l.ev.op("read WAL"), err)
	}
	l.older = &result.Outcomes
	return nil
}

// fileCopies reads pages of removed relations where a copy of the data directory
// has them still: it was made before the commit.
type fileCopies struct {
	l    *Loss
	open map[pg.RelFileLocator]*heap.Relation
}

// base is what replay may begin from: nil when the files are behind the WAL at hand.
func (f *fileCopies) base() func(redo.PageKey, heap.Page) bool {
	control := f.l.ev.Snapshot.Control
	if f.l.ev.DataDir == "" || f.l.req.NoHeap || control == nil || control.Redo < f.l.ev.Archive.Start() {
		return nil
	}
	return func(key redo.PageKey, dst heap.Page) bool {
		rel := f.relation(key.Relation)
		if rel == nil {
			return false
		}
		_, err := f.l.readPage(rel, key.Block, dst)
		return err == nil
	}
}

// relation opens a file; nil when it is gone, or empty as a commit leaves it.
func (f *fileCopies) relation(file pg.RelFileLocator) *heap.Relation {
	rel, opened := f.open[file]
	if !opened {
		rel, _ = f.l.ev.dir().OpenRelation(file)
		f.open[file] = rel
	}
	return rel
}

func (f *fileCopies) close() {
	for _, rel := range f.open {
		if rel != nil {
			rel.Close()
		}
	}
}

// takeRemoved takes the rows of one removed file into the ledger.
func (l *Loss) takeRemoved(ctx context.Context, result *redo.Result, files *fileCopies, r *removal) error {
	state := result.File(r.file)
	if r.sequence != nil {
		return l.takeSequence(result, r)
	}
	if r.table < 0 {
		if !state.Heap {
			l.unnamed++
			return nil
		}
		r.table = l.addTable(nil, nil, r.file, -1)
		l.tables[r.table].Removal, l.tables[r.table].removedBy = r.kind, l.Transactions[r.tx].XID
	}
	t := l.tables[r.table]
	taker := &removedPages{Loss: l, table: t, tx: r.tx}
	err := result.Pages(r.file, func(p *redo.ReplayedPage) error {
		if p.Page == nil {
			taker.unknown++
			return nil
		}
		by := byWAL
		if p.FromFile {
			by = byHeap
		}
		taker.seen = append(taker.seen, p.Block)
		return taker.page(p.Block, p.Page, by)
	})
	if err != nil {
		return err
	}
	size := removedSize{blocks: max(state.Blocks, pg.BlockNumber(r.pages)), made: state.Made}
	switch {
	case state.Made && !state.Logged:
		size.doubt = "rows that came in the transaction that made or truncated the table need not be in the WAL: with wal_level=minimal they are not"
	case !state.Made && !state.Heap && t.Relation != nil && t.Relation.Persistence == "u":
		size.unlogged, size.doubt = true, "the table is unlogged: the WAL has none of its rows, and the file is gone"
	case !state.Made:
		size.doubt = fmt.Sprintf("the WAL at hand begins at %s, later than the table: there may be pages that it does not name", l.ev.Archive.Start())
	}
	if files.base() != nil {
		if rel := files.relation(r.file); rel != nil && rel.Blocks() > 0 {
			if err := taker.fileCopy(ctx, rel, result); err != nil {
				return err
			}
			size.ofCopy(l, rel, state)
		}
	}
	if state.Made {
		size.blocks = state.Blocks
	}
	l.noteUnseen(t, r, taker, size)
	return nil
}

// removedSize is how big a removed table was, as far as is known.
type removedSize struct {
	blocks   pg.BlockNumber
	made     bool // the WAL has the file from its beginning: a page that it does not name is empty
	unlogged bool
	doubt    string // why there may be rows on no page that was seen or counted; "": there are none
}

// ofCopy takes into account that a copy of the file is at hand, from before it was removed.
func (s *removedSize) ofCopy(l *Loss, rel *heap.Relation, state redo.FileState) {
	s.blocks = max(state.Blocks, rel.Blocks())
	next, mayGoOn := rel.MayGoOn()
	switch {
	case rel.Unlogged():
		s.unlogged, s.doubt = true, "the table is unlogged: no WAL says what changed it since the copy of its file was made"
	case state.Logged:
	case mayGoOn:
		l.segmentGone(rel)
		s.doubt = fmt.Sprintf("the segment %s, which would come next, is missing: there may be pages that the WAL does not name", next)
	case !state.Made || l.ev.Snapshot.Control.CleanShutdown: // the copy of a running server may be from within the transaction
		s.doubt = ""
	}
}

// removedPages takes the pages of one removed file.
type removedPages struct {
	*Loss
	table *Table
	tx    int32
	seen  []pg.BlockNumber // ascending
	rows  int64
	// unknown counts pages that the WAL names and whose changes cannot be followed.
	unknown int64
	stale   bool // no WAL says what changed the pages since the copy that they are from
}

// fileCopy takes the pages that the WAL does not have from a copy of the file.
// One that the WAL names without having it may have been changed since, or cut off.
func (r *removedPages) fileCopy(ctx context.Context, rel *heap.Relation, result *redo.Result) error {
	replayed := r.seen
	r.stale = rel.Unlogged()
	err := rel.Pages(ctx, func(block pg.BlockNumber, p heap.Page) error {
		if _, known := slices.BinarySearch(replayed, block); known {
			return nil
		}
		key := redo.PageKey{Relation: r.table.File, Block: block}
		if result.Cut(key) {
			r.seen = append(r.seen, block) // it held nothing any more
			return nil
		}
		h, err := p.Header()
		if result.Seen(key) || h.LSN < result.LostTo() {
			return nil
		}
		if errors.Is(err, heap.ErrZeroPage) || err == nil && (!r.checksums() || heap.VerifyChecksum(p, block)) {
			r.seen = append(r.seen, block)
			return r.page(block, p, byHeap)
		}
		return nil
	})
	r.Gaps = append(r.Gaps, rel.Gaps()...)
	return err
}

// page takes the tuples of one page that were visible just before the loss.
func (r *removedPages) page(block pg.BlockNumber, p heap.Page, by state) error {
	transaction := &r.Transactions[r.tx]
	return eachTuple(p, func(offset pg.OffsetNumber, t *heap.Tuple) error {
		visible, unsure := r.visible(t)
		if !visible {
			return nil
		}
		body, err := r.spool.add(t.Raw)
		if err != nil {
			return err
		}
		r.rows++
		r.entries = append(r.entries, entry{
			lsn: transaction.EndLSN, end: transaction.EndLSNAfter, body: body, xid: transaction.XID, xmax: transaction.XID,
			block: block, tx: r.tx, table: int32(r.table.index), offset: offset, state: by,
			deleted: true, removed: true, unsure: unsure, derived: r.stale,
		})
		return nil
	})
}

// visible decides whether a tuple was there for all to see when the transaction
// removed the file, or was its own. unsure tells that nothing at hand knows what
// became of a transaction. What the transaction itself deleted or updated before has a
// line of its own.
func (r *removedPages) visible(t *heap.Tuple) (visible, unsure bool) {
	if xmin := t.Xmin(); xmin != pg.FrozenXID {
		switch status := r.outcome(xmin); {
		case status == heap.XactCommitted || t.Infomask&heap.XminCommitted != 0 && status != heap.XactAborted:
		case status == heap.XactUnknown && t.Infomask&heap.XminInvalid == 0:
			unsure = true
		default: // rolled back: whoever wrote to the table had ended when it was removed
			return false, false
		}
	}
	if !t.XmaxDestroys() {
		return true, unsure
	}
	xmax, hinted := t.Xmax, t.Infomask&heap.XmaxCommitted != 0
	if t.Infomask&heap.XmaxIsMulti != 0 {
		updater, err := r.updater(xmax)
		if err != nil {
			return true, true
		}
		if updater == pg.InvalidXID {
			return true, unsure
		}
		xmax, hinted = updater, false
	}
	switch status := r.outcome(xmax); {
	case status == heap.XactCommitted || hinted && status != heap.XactAborted:
		return false, false
	case status == heap.XactUnknown:
		return true, true
	}
	return true, unsure
}

// noteUnseen keeps what the ledger cannot count: pages that neither the WAL nor a
// file has.
func (l *Loss) noteUnseen(t *Table, r *removal, taken *removedPages, size removedSize) {
	u := &t.unseen
	u.Pages += int64(size.blocks)
	u.EstimatedRows = int64(max(r.rows, -1))
	if size.made {
		u.Unseen += taken.unknown
	} else {
		u.Unseen += max(0, int64(size.blocks)-int64(len(taken.seen)))
	}
	if size.doubt != "" || u.Unseen > 0 {
		u.Why = unseenSentence(l, u, size)
	}
}

// unseenSentence says of a removed table what cannot be counted, and why.
func unseenSentence(l *Loss, u *Unseen, size removedSize) string {
	text := size.doubt
	switch {
	case size.made && u.Unseen > 0:
		text = fmt.Sprintf("an unknown number of rows on %d of %d pages, whose changes in the WAL do not fit together", u.Unseen, u.Pages)
		if size.doubt != "" {
			text += "; " + size.doubt
		}
	case size.made || size.unlogged:
	case u.Pages == 0:
		text = fmt.Sprintf("no page of it is in the WAL at hand, which begins at %s, and how many it had is not known", l.ev.Archive.Start())
	case u.Unseen == 0:
		text = fmt.Sprintf("all of %d pages were seen, but %s", u.Pages, size.doubt)
	default:
		text = fmt.Sprintf("an unknown number of rows on %d of %d pages, which the WAL at hand does not have: it begins at %s", u.Unseen, u.Pages, l.ev.Archive.Start())
	}
	if u.EstimatedRows >= 0 {
		text += fmt.Sprintf(" (the catalog's last estimate for the whole table: %d rows)", u.EstimatedRows)
	}
	return text
}

// Unseen is what a removed table's ledger cannot count.
type Unseen struct {
	Pages  int64 `json:"pages"`        // of the removed table, as far as known
	Unseen int64 `json:"pages_unseen"` // of them neither in the WAL nor in a file
	// EstimatedRows is reltuples, the count of the last VACUUM or ANALYZE; -1: none.
	EstimatedRows int64 `json:"estimated_rows"`
	// Why says what is not counted; "": every row is.
	Why string `json:"why,omitempty"`
}

// SequenceState is where a sequence stood that the transaction dropped or restarted.
type SequenceState struct {
	Name        string  `json:"sequence"`
	Transaction pg.XID  `json:"xid"`
	Removal     Removal `json:"removal"` // dropped, or truncated by RESTART IDENTITY
	Known       bool    `json:"known"`   // the WAL at hand has a record of it
	// LastValue is what the WAL says. A server logs values ahead of their use, so that
	// up to 32 of the last may not have been given out (SEQ_LOG_VALS in sequence.c).
	LastValue int64 `json:"last_value"`
	IsCalled  bool  `json:"is_called"`
}

// takeSequence reads where a removed sequence stood.
func (l *Loss) takeSequence(result *redo.Result, r *removal) error {
	s := SequenceState{
		Name:        evidence.RelationName{Schema: r.sequence.Schema, Name: r.sequence.Name}.String(),
		Transaction: l.Transactions[r.tx].XID, Removal: r.kind,
	}
	err := result.Pages(r.file, func(p *redo.ReplayedPage) error {
		if p.Page == nil || p.Block != 0 {
			return nil
		}
		return eachTuple(p.Page, func(_ pg.OffsetNumber, t *heap.Tuple) error {
			// FormData_pg_sequence_data: last_value, log_cnt, is_called (commands/sequence.h).
			b := binreader.New(t.Raw)
			b.Seek(int(t.DataOffset))
			s.LastValue = b.Int64()
			b.Skip(8)
			s.IsCalled = b.Uint8() != 0
			s.Known = b.OK()
			return nil
		})
	})
	l.Sequences = append(l.Sequences, s)
	return err
}
