package restore

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/pgrescue/pgrescue/recover/casefile"
)

// span is the rows of one transaction: sequence numbers of the plan, from the first to
// the last of them, and the tables that they are of.
type span struct {
	first, last int64
	tables      []share // in the plan's order
}

// share is a table's rows in a span.
type share struct {
	index                   int // of the table in the plan
	inserts, updates, equal int64
}

func (s *share) writes() int64 { return s.inserts + s.updates }

// rows counts the rows that are written.
func (s *span) rows() int64 {
	rows := int64(0)
	for i := range s.tables {
		rows += s.tables[i].writes()
	}
	return rows
}

// indexes are the numbers of the span's tables.
func (s *span) indexes() []int {
	var indexes []int
	for i := range s.tables {
		indexes = append(indexes, s.tables[i].index)
	}
	return indexes
}

// count takes a row into the span.
func (s *span) count(row *casefile.PlanRow) {
	if n := len(s.tables); n == 0 || s.tables[n-1].index != row.Table {
		s.tables = append(s.tables, share{index: row.Table})
	}
	t := &s.tables[len(s.tables)-1]
	switch Action(row.Action) {
	case Insert:
		t.inserts++
	case Overwrite, Fill:
		t.updates++
	case Equal:
		t.equal++
	}
	s.last = row.Seq
}

// batchDetail is what a batch says beside its rows.
type batchDetail struct {
	Last bool `json:"last"` // the work is done with it
	// Undone and Kept count the rows that undo took back, and those that it left.
	Undone int64 `json:"undone,omitempty"`
	Kept   int64 `json:"kept,omitempty"`
	// Multisets counts, by table, the rows that undo removed from tables without a key:
	// nothing else tells later that they are gone because of it.
	Multisets map[int]int64 `json:"multisets,omitempty"`
}

// past is what the batches of a plan tell of apply and undo so far.
type past struct {
	next    int64 // number of the next batch
	round   int
	applied []casefile.Batch // of this round, committed
	undone  []casefile.Batch
	// appliedAll and undoneAll: the work of this round is done.
	appliedAll, undoneAll bool
	kept                  int64 // rows that undo left in this round
	multisets             map[int]int64
}

func newPast(next int64, round int) *past {
	return &past{next: next, round: round, multisets: map[int]int64{}}
}

// readPast reads the batches of the plan, and asks the server about those whose end the
// case does not know.
func (e *engine) readPast(ctx context.Context) (*past, error) {
	batches, err := e.Case.Batches(ctx, e.Plan.PlanID)
	if err != nil {
		return nil, err
	}
	p := newPast(1, 1)
	for _, b := range batches {
		p.next = max(p.next, b.Batch+1)
		if b.State == casefile.BatchBegun {
			if b.State, err = e.fate(ctx, b.XID); err != nil {
				return nil, err
			}
			if err := e.settled(ctx, b, b.State); err != nil {
				return nil, err
			}
		}
		var detail batchDetail
		if err := json.Unmarshal(b.Detail, &detail); err != nil {
			return nil, fmt.Errorf("restore: read batch %d of plan %d: %w", b.Batch, e.Plan.PlanID, err)
		}
		if b.State == casefile.BatchCommitted || b.State == casefile.BatchUndone {
			p.take(b, detail)
		}
	}
	return p, nil
}

func (p *past) take(b casefile.Batch, detail batchDetail) {
	if b.Round > p.round {
		*p = *newPast(p.next, b.Round)
	}
	switch b.Work {
	case casefile.WorkApply:
		p.applied = append(p.applied, b)
		p.appliedAll = p.appliedAll || detail.Last
	case casefile.WorkUndo:
		if p.undoneAll {
			// Undo was called once more, for the rows that it had left.
			p.again()
		}
		p.undone = append(p.undone, b)
		p.undoneAll = detail.Last
		p.kept += detail.Kept
		for table, n := range detail.Multisets {
			p.multisets[table] += n
		}
	}
}

// appliedTo is the last sequence number that apply has put in; 0: none.
func (p *past) appliedTo() int64 {
	last := int64(0)
	for _, b := range p.applied {
		last = max(last, b.LastSeq)
	}
	return last
}

// undoneFrom is the first sequence number that undo has taken back; it goes backwards.
func (p *past) undoneFrom() int64 {
	first := p.appliedTo() + 1
	for _, b := range p.undone {
		first = min(first, b.FirstSeq)
	}
	return first
}

// again makes undo begin anew, for the rows that it had left.
func (p *past) again() { p.undone, p.undoneAll, p.kept = nil, false, 0 }

// xids are the ids of the transactions that put rows in, as tuples carry them.
func (p *past) xids() []uint32 {
	var xids []uint32
	for _, b := range p.applied {
		xids = append(xids, uint32(b.XID))
	}
	slices.Sort(xids)
	return xids
}

// note makes the batch of a span.
func (p *past) note(s span, work string, detail batchDetail) (casefile.Batch, error) {
	text, err := json.Marshal(detail)
	if err != nil {
		return casefile.Batch{}, err
	}
	b := casefile.Batch{Batch: p.next, Table: -1, FirstSeq: s.first, LastSeq: s.last, Work: work, Round: p.round, Detail: text}
	if len(s.tables) == 1 {
		b.Table = s.tables[0].index
	}
	p.next++
	return b, nil
}

// spansOf divides the rows of a plan, between two sequence numbers, into transactions of about size rows that are
// written; 0 makes one of all of them. A component whose rows refer to each other
// stays in one transaction.
func (e *engine) spansOf(ctx context.Context, from, to, size int64, tied []bool) ([]span, error) {
	if size == 0 && from == 1 && to >= allRows {
		return []span{e.wholeSpan()}, nil
	}
	var spans []span
	current := span{first: from}
	for row, err := range e.Case.PlanRows(ctx, e.Plan.PlanID, -1, from) {
		if err != nil {
			return nil, err
		}
		if row.Seq > to {
			break
		}
		if size > 0 && current.rows() >= size && !(tied[row.Table] && e.sameComponent(&current, row.Table)) {
			spans = append(spans, current)
			current = span{first: row.Seq}
		}
		current.count(row)
	}
	return append(spans, current), nil
}

// sameComponent reports whether the span ends in the component of a table.
func (e *engine) sameComponent(s *span, table int) bool {
	last := s.tables[len(s.tables)-1].index
	return e.Plan.Tables[last].Component == e.Plan.Tables[table].Component
}

// allRows is beyond the sequence numbers of any plan.
const allRows = 1 << 62

// wholeSpan is the span of all rows, as the plan counts them.
func (e *engine) wholeSpan() span {
	s := span{first: 1, last: allRows}
	for i := range e.Plan.Tables {
		counts := e.Plan.Tables[i].Counts
		s.tables = append(s.tables, share{index: i, inserts: counts[Insert], updates: counts[Overwrite] + counts[Fill], equal: counts[Equal]})
	}
	return s
}
