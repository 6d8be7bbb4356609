package xact

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/pgrescue/pgrescue/recover/pg"
	"github.com/pgrescue/pgrescue/recover/wal"
)

// Options say what to collect.
type Options struct {
	Scan wal.ScanOptions // Rmgrs is set by Collect
	// Counts says which relations make a transaction big; nil: all. Others are not tallied.
	Counts func(pg.RelFileLocator) bool
	// Oldest leaves the changes of older transactions out, whose ends are noted all the same; 0: none.
	Oldest pg.XID
	// Keep says which transactions to list; nil: all that changed a counted relation.
	Keep func(*Transaction) bool
	// Kept, if not nil, is told of each transaction that is to be listed, also of those
	// that Limit leaves out. The transaction is valid only until it returns.
	Kept func(*Transaction) error
	// Aborted, if not nil, is told of each transaction that was rolled back, and of
	// each that was rolled back to a savepoint. The transaction is valid only until it returns.
	Aborted func(*Transaction)
	// One ends the scan when a transaction that Keep accepts has ended: nothing behind
	// its end is read, so nothing there can be a gap.
	One bool
	// Limit bounds the list to the biggest destroyers; 0: all.
	Limit int
	// Lines, if not nil, receives the destroyed versions of each kept transaction,
	// when it is decided and at the end of the WAL for those that are not. The lines
	// come in pieces, in no promised order; the receiver may give each piece up, by
	// setting it to nil, as soon as it has copied it.
	Lines func(tx *Transaction, pieces [][]Line) error
	// WantsLine bounds which versions are remembered until then; nil: those of all
	// counted relations. It is called from several goroutines.
	WantsLine func(relation pg.RelFileLocator) bool

	start pg.LSN // of the WAL
}

// Result is what one scan found.
type Result struct {
	Transactions []Transaction // biggest destroyer first
	// Transactions that changed something, by how they ended.
	Committed, Aborted, Undecided int64
	Outcomes                      Outcomes
	Checkpoints                   []wal.Checkpoint
	// Horizon is the first place in the WAL that says which transaction id comes
	// next: every transaction from NextXID on lies in the WAL behind it as a whole.
	Horizon Horizon
	// FirstEnd is the time of the first commit or abort in the WAL; zero if there is none.
	FirstEnd time.Time
	// OlderEnd is the time of the last commit of a transaction that may have begun
	// before the WAL, and OlderXID that transaction; zero if there is none.
	OlderEnd time.Time
	OlderXID pg.XID
	Gaps     []wal.Gap // what the scan could not read
	// Missing are the stretches within the scanned range that the archive has no
	// WAL for; Archive.Gaps names them too.
	Missing []wal.Gap
	Records int64
}

// Horizon is the next transaction id at one place of the WAL; zero if not known.
type Horizon struct {
	LSN     pg.LSN
	NextXID pg.XID
}

// Collect scans the WAL once and tells what its transactions did.
func Collect(ctx context.Context, archive *wal.Archive, opts Options) (*Result, error) {
	opts.Scan.Rmgrs = wal.Rmgrs(wal.RmgrHeap, wal.RmgrHeap2, wal.RmgrXact, wal.RmgrXLOG, wal.RmgrStandby)
	opts.start = archive.ScanStart(opts.Scan)
	c := &collector{opts: opts, flights: make(map[pg.XID]*flight), result: &Result{Missing: archive.GapsWithin(opts.Scan)}}
	err := wal.Scan(ctx, archive, opts.Scan,
		func() *stretch { return newStretch(&opts) },
		func(s *stretch, rec *wal.Record) error { s.visit(rec); return nil },
		c.merge)
	if err == nil {
		err = c.endOfLog()
	}
	switch {
	case errors.Is(err, errEnough):
		c.result.Missing = slices.DeleteFunc(c.result.Missing, func(g wal.Gap) bool { return g.From >= c.read })
	case err != nil:
		return nil, err
	}
	slices.SortFunc(c.result.Transactions, func(a, b Transaction) int { return bigger(&a, &b) })
	if opts.Limit > 0 && len(c.result.Transactions) > opts.Limit {
		c.result.Transactions = c.result.Transactions[:opts.Limit]
	}
	return c.result, nil
}

// flight is what is known of a transaction that is not decided yet.
type flight struct {
	first, last pg.LSN
	tallies     []Tally
	lines       [][]Line // in pieces, so that a big loss is never copied as a whole
	parent      pg.XID   // from an assignment record; 0 if not known
	prepared    bool
}

func (f *flight) see(first, last pg.LSN) {
	if f.first == 0 || first < f.first {
		f.first = first
	}
	f.last = max(f.last, last)
}

// line keeps one line; more says how many may follow.
func (f *flight) line(l Line, more int) {
	last := len(f.lines) - 1
	if last < 0 || len(f.lines[last]) == cap(f.lines[last]) {
		room := 4
		if last >= 0 {
			room = min(max(2*cap(f.lines[last]), 4), max(more, 64))
		}
		f.lines = append(f.lines, make([]Line, 0, room))
		last++
	}
	f.lines[last] = append(f.lines[last], l)
}

// add folds one count in.
func (f *flight) add(t Tally) {
	for i := range f.tallies {
		if have := &f.tallies[i]; have.Relation == t.Relation {
			have.Inserted += t.Inserted
			have.Updated += t.Updated
			have.Deleted += t.Deleted
			return
		}
	}
	f.tallies = append(f.tallies, t)
}

// collector merges the stretches in LSN order.
type collector struct {
	opts    Options
	flights map[pg.XID]*flight
	result  *Result
	spare   []*flight
	tx      Transaction // in hand; one for all, so that none is allocated for each
	solo    flight      // of the transaction in hand, when it never was in flight
	// floor is the last transaction that the list has room for, once it was full.
	floor *Transaction
	read  pg.LSN // how far
}

func (c *collector) merge(s *stretch, span *wal.Span) error {
	c.result.Gaps = append(c.result.Gaps, span.Gaps...)
	c.result.Records += span.Records
	c.read = span.To
	c.result.Checkpoints = append(c.result.Checkpoints, s.checkpoints...)
	if c.result.Horizon.LSN == 0 {
		c.result.Horizon = s.horizon
	}
	for i := range s.works {
		if !s.works[i].landed {
			c.board(s, &s.works[i])
		}
	}
	var f *flight
	for i := range s.lines {
		if i == 0 || s.lines[i].XID != s.lines[i-1].XID {
			f = c.flight(s.lines[i].XID)
		}
		f.line(s.lines[i], len(s.lines)-i)
	}
	for i := range s.ends {
		if err := c.decide(s, &s.ends[i]); err != nil {
			return err
		}
	}
	s.reset()
	return nil
}

func (c *collector) flight(xid pg.XID) *flight {
	f := c.flights[xid]
	if f == nil {
		if last := len(c.spare) - 1; last >= 0 {
			f, c.spare = c.spare[last], c.spare[:last]
		} else {
			f = new(flight)
		}
		c.flights[xid] = f
	}
	return f
}

// board adds what a stretch knows of one transaction to what came before.
func (c *collector) board(s *stretch, w *work) { c.flight(w.xid).join(s, w) }

// join adds what a stretch knows of a transaction that ended in it. Most
// transactions begin and end in one stretch, and never are in flight.
func (c *collector) join(f *flight, s *stretch, w *work) *flight {
	if f == nil {
		f = &c.solo
		*f = flight{tallies: f.tallies[:0]}
	}
	f.join(s, w)
	return f
}

func (f *flight) join(s *stretch, w *work) {
	f.see(w.first, w.last)
	if w.top != pg.InvalidXID {
		f.parent = w.top
	}
	for at := w.tally; at >= 0; at = s.tallies[at].next {
		f.add(s.tallies[at].Tally)
	}
}

// land takes a transaction out of flight.
func (c *collector) land(xid pg.XID) *flight {
	f := c.flights[xid]
	delete(c.flights, xid)
	return f
}

// recycle keeps a flight's memory for another one.
func (c *collector) recycle(f *flight) {
	if f != nil && f != &c.solo && len(c.spare) < 64 {
		*f = flight{tallies: f.tallies[:0]}
		c.spare = append(c.spare, f)
	}
}

// decide settles one transaction by its commit, abort, prepare or assignment record.
func (c *collector) decide(s *stretch, e *end) error {
	subxacts := s.subxacts[e.subFrom:e.subTo]
	switch e.op {
	case wal.XactAssignment:
		for _, sub := range subxacts {
			c.flight(sub).parent = e.xid
		}
		return nil
	case wal.XactPrepare:
		c.flight(e.xid).prepared = true
		for _, sub := range subxacts {
			c.flight(sub).parent = e.xid
		}
		return nil
	}
	if c.result.FirstEnd.IsZero() {
		c.result.FirstEnd = e.time.Time()
	}
	state, bits := Committed, byte(bitsCommitted)
	if e.op == wal.XactAbort || e.op == wal.XactAbortPrepared {
		state, bits = Aborted, bitsAborted
	} else if end := e.time.Time(); e.xid.Normal() && !c.inside(e.xid) && end.After(c.result.OlderEnd) {
		c.result.OlderEnd, c.result.OlderXID = end, e.xid
	}
	c.result.Outcomes.set(e.xid, bits)
	for _, sub := range subxacts {
		c.result.Outcomes.set(sub, bits)
	}
	f := c.land(e.xid)
	if e.work >= 0 {
		f = c.join(f, s, &s.works[e.work])
	}
	for _, sub := range subxacts {
		f = c.fold(f, sub)
	}
	if f == nil && len(e.dropped) == 0 {
		return nil // it changed nothing that counts
	}
	c.tx = Transaction{
		XID: e.xid, State: state, End: e.time.Time(), EndLSN: e.lsn, EndLSNAfter: e.after, Dropped: e.dropped,
	}
	if len(subxacts) > 0 {
		c.tx.Subxacts = subxacts
	}
	return c.finish(&c.tx, f)
}

// inside reports whether a transaction surely began within the WAL.
func (c *collector) inside(xid pg.XID) bool {
	return c.result.Horizon.LSN != 0 && !xid.Precedes(c.result.Horizon.NextXID)
}

// fold adds a subtransaction's work to its parent's.
func (c *collector) fold(parent *flight, sub pg.XID) *flight {
	f := c.land(sub)
	if f == nil || parent == nil {
		if f == nil {
			return parent
		}
		return f
	}
	if f.first != 0 {
		parent.see(f.first, f.last)
	}
	for _, t := range f.tallies {
		parent.add(t)
	}
	parent.lines = append(parent.lines, f.lines...)
	c.recycle(f)
	return parent
}

// finish counts a decided transaction, lists it if it is wanted, and hands its lines over.
func (c *collector) finish(tx *Transaction, f *flight) error {
	if f == nil || f.first == 0 {
		if len(tx.Dropped) == 0 {
			return nil
		}
		f = new(flight)
	}
	defer c.recycle(f)
	switch tx.State {
	case Committed:
		c.result.Committed++
	case Aborted:
		c.result.Aborted++
	default:
		c.result.Undecided++
	}
	tx.First, tx.Last, tx.Tallies, tx.Parent = f.first, f.last, f.tallies, f.parent
	if tx.State == Aborted && c.opts.Aborted != nil {
		c.opts.Aborted(tx)
	}
	if len(f.tallies) == 0 && len(tx.Dropped) == 0 && c.opts.Keep == nil {
		return nil
	}
	if c.opts.Keep != nil && !c.opts.Keep(tx) {
		return nil
	}
	if c.opts.Lines != nil && len(f.lines) > 0 {
		if err := c.opts.Lines(tx, f.lines); err != nil {
			return err
		}
	}
	if c.opts.Kept != nil {
		if err := c.opts.Kept(tx); err != nil {
			return err
		}
	}
	c.list(tx)
	if c.opts.One {
		return errEnough
	}
	return nil
}

// errEnough ends a scan for one transaction.
var errEnough = errors.New("the transaction that was looked for has ended")

// list keeps a copy of the transaction, and drops the smallest ones once the
// list is twice as long as asked for.
func (c *collector) list(tx *Transaction) {
	if c.floor != nil && bigger(c.floor, tx) <= 0 {
		return
	}
	kept := *tx
	kept.Tallies = slices.Clone(tx.Tallies)
	kept.Subxacts = slices.Clone(tx.Subxacts)
	slices.SortFunc(kept.Tallies, func(a, b Tally) int { return a.Relation.Compare(b.Relation) })
	c.result.Transactions = append(c.result.Transactions, kept)
	if c.opts.Limit > 0 && len(c.result.Transactions) >= max(2*c.opts.Limit, 64) {
		slices.SortFunc(c.result.Transactions, func(a, b Transaction) int { return bigger(&a, &b) })
		clear(c.result.Transactions[c.opts.Limit:])
		c.result.Transactions = c.result.Transactions[:c.opts.Limit]
		floor := c.result.Transactions[c.opts.Limit-1]
		c.floor = &floor
	}
}

// endOfLog lists what is still in flight, subtransactions folded where an
// assignment or prepare record named their parent.
func (c *collector) endOfLog() error {
	var xids []pg.XID
	subs := make(map[pg.XID][]pg.XID)
	for xid, f := range c.flights {
		switch {
		case f.parent == 0, c.flights[f.parent] != nil && c.flights[f.parent].parent != 0:
			xids = append(xids, xid)
		case c.flights[f.parent] == nil && len(subs[f.parent]) == 0: // it changed nothing itself
			xids = append(xids, f.parent)
			fallthrough
		default:
			subs[f.parent] = append(subs[f.parent], xid)
		}
	}
	slices.Sort(xids)
	for _, xid := range xids {
		tx := Transaction{XID: xid, State: Undecided, Subxacts: subs[xid]}
		slices.Sort(tx.Subxacts)
		f := c.land(xid)
		if f != nil && f.prepared {
			tx.State = Prepared
		}
		for _, sub := range tx.Subxacts {
			f = c.fold(f, sub)
		}
		if err := c.finish(&tx, f); err != nil {
			return err
		}
	}
	return nil
}
