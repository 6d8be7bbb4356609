package undelete

import (
	"cmp"
	"context"
	"path/filepath"
	"slices"
	"strings"

	"github.com/pgrescue/pgrescue/recover/catalog"
	"github.com/pgrescue/pgrescue/recover/datum"
	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/heap"
	"github.com/pgrescue/pgrescue/recover/pg"
)

// attrsOf is the physical shape of a relation's attributes, dropped ones included.
func attrsOf(rel *catalog.Relation) []heap.Attr {
	attrs := make([]heap.Attr, len(rel.Attributes))
	for i := range rel.Attributes {
		attrs[i] = heap.Attr{Len: rel.Attributes[i].Len, Align: catalog.AlignBytes(rel.Attributes[i].Align)}
	}
	return attrs
}

// Recover finds the values out of line, decodes every settled version and puts
// it into the sink of its table, in the order of the table's blocks, or with
// Request.GiveBack from the last change to the first; sinkOf may
// return nil for a table whose rows nobody wants. Afterwards the tables'
// balances are final.
func (l *Loss) Recover(ctx context.Context, sinkOf func(*Table) (evidence.Sink, error)) error {
	if err := l.gatherChunks(ctx); err != nil {
		return err
	}
	for _, t := range l.tables {
		if t.toastOf >= 0 || t.last == t.first {
			continue
		}
		sink, err := sinkOf(t)
		if err != nil {
			return err
		}
		if err := l.decodeTable(ctx, t, sink); err != nil {
			return err
		}
	}
	l.tellUnsure()
	l.tally()
	return nil
}

// tableDecoder turns a table's settled tuples into rows.
type tableDecoder struct {
	*Loss
	table              *Table
	rows               *datum.RowDecoder
	next               *datum.RowDecoder // of the versions that replaced them
	row                evidence.Row
	successor          evidence.Row
	bodies, successors spoolReader
	heapFile           string
	walPlace           string
}

func (l *Loss) decodeTable(ctx context.Context, t *Table, sink evidence.Sink) error {
	t.Balance.Intermediate = 0
	if t.Relation == nil {
		n := l.reason("the catalog at hand does not know the relation, so its rows cannot be decoded")
		for i := t.first; i < t.last; i++ {
			l.entries[i].state, l.entries[i].reason = missing, n
		}
		return nil
	}
	l.chunks.database = t.Database.OID
	d := &tableDecoder{
		Loss: l, table: t, bodies: spoolReader{spool: &l.spool}, successors: spoolReader{spool: &l.spool},
		rows: datum.NewRowDecoder(t.Database, t.Relation), next: datum.NewRowDecoder(t.Database, t.Relation),
	}
	if t.Columns != nil && !t.Retyped {
		markDropped(d.rows.Relation(), t.Columns)
	}
	if l.ev.DataDir != "" {
		if path, err := l.ev.dir().RelationPath(t.File); err == nil {
			d.heapFile = path
		}
	}
	if l.ev.Archive != nil {
		d.walPlace = walPlace(l)
	}
	order := l.giveBackOrder(t)
	for i := t.first; i < t.last; i++ {
		if i%1024 == 0 {
			if err := ctx.Err(); err != nil {
				return err
			}
		}
		e := &l.entries[i]
		if order != nil {
			e = &l.entries[order[i-t.first]]
		}
		if e.state == byHeap || e.state == byWAL {
			if err := d.decode(e, sink); err != nil {
				return err
			}
		}
	}
	return nil
}

// giveBackOrder is the order in which changes to a table can be taken back one
// by one: the last first, so that no key is taken when its row comes back. It is
// nil when nobody is going to take them back.
func (l *Loss) giveBackOrder(t *Table) []int32 {
	if !l.req.GiveBack {
		return nil
	}
	order := make([]int32, t.last-t.first)
	for i := range order {
		order[i] = int32(t.first + i)
	}
	slices.SortStableFunc(order, func(a, b int32) int { return cmp.Compare(l.entries[b].lsn, l.entries[a].lsn) })
	return order
}

// walPlace names the WAL that rows were replayed from, for their provenance.
func walPlace(l *Loss) string {
	segments := l.ev.Archive.Segments()
	if len(segments) == 0 {
		return ""
	}
	return filepath.Dir(segments[0].Path)
}

// decode turns one line's tuple into a row and puts it into the sink.
func (d *tableDecoder) decode(e *entry, sink evidence.Sink) error {
	raw, err := d.bodies.get(e.body)
	if err != nil {
		return err
	}
	tuple, err := heap.DecodeTuple(raw)
	if err != nil {
		d.fail(e, "the tuple's header is damaged")
		return nil
	}
	err = d.rows.Decode(&tuple, &d.chunks, &d.row)
	if !d.row.Complete() || err != nil {
		e.inPart, e.reason = true, d.reason(partReason(&d.row, err))
	}
	intermediate := d.madeByTheSame(e, &tuple)
	d.table.Balance.Intermediate += one(intermediate)
	if sink == nil {
		return nil
	}
	d.row.Provenance = evidence.Provenance{
		Route: evidence.RouteWAL, Confidence: evidence.Proven, Source: d.walPlace, LSN: e.lsn, TID: e.tid(),
		Xmin: tuple.Xmin(), Xmax: e.xid, Operation: d.table.operation(e), CommitTime: d.commitTime(e),
		Intermediate: intermediate,
	}
	if e.state == byHeap {
		d.row.Route, d.row.Source = evidence.RouteHeap, d.heapFile
	}
	if e.also > 0 {
		d.row.Source = d.copyPlace(d.table, e)
	}
	switch {
	case e.derived && (e.removed || d.table.Columns != nil):
		d.row.Confidence, d.row.Note = evidence.Derived, noteUnlogged
	case e.derived:
		d.row.Confidence, d.row.Note = evidence.Derived, noteDerived
	case e.carved:
		d.row.Note = noteCarved
	}
	if d.unsure(e) {
		d.row.Note = strings.TrimPrefix(d.row.Note+"; "+noteUnsure, "; ")
	}
	d.row.Successor = nil
	d.row.Moved = !e.deleted && e.newOffset == 0 && d.table.Columns == nil
	if d.req.Successors && d.table.Columns == nil {
		d.succeed(e)
	}
	return sink.Put(&d.row)
}

// madeByTheSame reports whether the version was inserted by the transaction
// that destroyed it: it never was visible to others.
func (d *tableDecoder) madeByTheSame(e *entry, t *heap.Tuple) bool {
	xmin := t.Xmin()
	if xmin == e.xid {
		return true
	}
	n, known := d.txIndex[xmin]
	return known && n == e.tx && e.tx >= 0
}

// partReason says in one sentence which values are unknown, the same sentence
// for rows that lack the same.
func partReason(row *evidence.Row, err error) string {
	if err != nil {
		return "the tuple is damaged: " + err.Error()
	}
	for i := range row.Values {
		if row.Values[i].State == evidence.Unknown {
			return "column " + pg.QuoteIdent(row.Relation.Columns[i].Name) + ": " + row.Values[i].Reason
		}
	}
	return ""
}

// succeed finds out what became of an updated row in the end: the version that
// stands in its place now, or that the transaction deleted it after all.
func (d *tableDecoder) succeed(e *entry) {
	last := e
	for range len(d.entries) {
		if last.deleted || last.newOffset == 0 { // newOffset 0: to another partition, where its key finds it no more
			if d.req.GiveBack {
				d.end(last)
			}
			return
		}
		next := d.lineAt(pg.TID{Block: last.newBlock, Offset: last.newOffset}, e.tx)
		if next == nil {
			break
		}
		last = next
	}
	if last.successor.length() == 0 {
		return
	}
	raw, err := d.successors.get(last.successor)
	if err != nil {
		return
	}
	if tuple, err := heap.DecodeTuple(raw); err == nil && d.next.Decode(&tuple, &d.chunks, &d.successor) == nil {
		d.row.Successor = d.successor.Values
	}
}

// end makes the row one that ended as the last line of its changes says.
func (d *tableDecoder) end(last *entry) {
	if last.deleted {
		d.row.Operation = evidence.OpDelete
		return
	}
	d.row.Moved = true
}

// lineAt finds the line that says what the same transaction did to a TID.
func (d *tableDecoder) lineAt(tid pg.TID, tx int32) *entry {
	lines := d.entries[d.table.first:d.table.last]
	at, _ := slices.BinarySearchFunc(lines, tid.Block, func(e entry, block pg.BlockNumber) int { return cmp.Compare(e.block, block) })
	for ; at < len(lines) && lines[at].block == tid.Block; at++ {
		if lines[at].offset == tid.Offset && lines[at].tx == tx {
			return &lines[at]
		}
	}
	return nil
}
