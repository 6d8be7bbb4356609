package undelete

import (
	"context"
	"fmt"

	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/heap"
	"github.com/pgrescue/pgrescue/recover/pg"
)

// fileScan reads the pages of a relation file in block order. A page that cannot
// be believed costs itself, and a tuple that cannot be decoded costs that tuple;
// each is a gap. So are pages of zeros between others: at the file's end they
// are merely new.
type fileScan struct {
	rel         *heap.Relation
	checksums   bool
	consequence string // of a page or a tuple that cannot be read
	gap         func(evidence.Gap)
	progress    func(int64)

	read             int64
	zeroFrom, zeroTo pg.BlockNumber // pages of zeros since the last other page
}

// pages visits the pages worth believing.
func (s *fileScan) pages(ctx context.Context, visit func(block pg.BlockNumber, h heap.PageHeader, p heap.Page) error) error {
	return s.rel.Pages(ctx, func(block pg.BlockNumber, p heap.Page) error {
		if s.read++; s.progress != nil {
			s.progress(pg.BlockSize)
		}
		h, err := p.Header()
		if err == heap.ErrZeroPage { //nolint:errorlint // Header returns it bare
			if s.zeroTo != block {
				s.zeroFrom = block
			}
			s.zeroTo = block + 1
			return nil
		}
		s.tellZeros()
		if err == nil && s.checksums && !heap.VerifyChecksum(p, block) {
			err = errChecksum
		}
		if err != nil {
			s.tell(fmt.Sprintf("block %d", block), "page", err.Error())
			return nil
		}
		return visit(block, h, p)
	})
}

// tellZeros tells of the pages of zeros that came before a page that is none.
func (s *fileScan) tellZeros() {
	from, to := s.zeroFrom, s.zeroTo
	s.zeroFrom, s.zeroTo = 0, 0
	const why = "nothing but zeros, with other pages behind: they were lost, or the file was extended and they were never used"
	switch {
	case to == from:
	case to == from+1:
		s.tell(fmt.Sprintf("block %d", from), "page", why)
	default:
		s.tell(fmt.Sprintf("blocks %d to %d", from, to-1), fmt.Sprintf("%d pages", to-from), why)
	}
}

// tuples visits the tuples of a page behind its normal line pointers.
func (s *fileScan) tuples(block pg.BlockNumber, h heap.PageHeader, p heap.Page, visit func(pg.TID, *heap.Tuple) error) error {
	var first error
	damaged := 0
	for offset := pg.OffsetNumber(1); offset <= h.NumLinePointers(); offset++ {
		if p.LinePointer(offset).State != heap.Normal {
			continue
		}
		t, err := p.Tuple(h, offset)
		if err != nil {
			if damaged++; first == nil {
				first = fmt.Errorf("(%d,%d): %w", block, offset, err)
			}
			continue
		}
		if err := visit(pg.TID{Block: block, Offset: offset}, &t); err != nil {
			return err
		}
	}
	if damaged > 0 {
		s.tell(fmt.Sprintf("block %d", block), fmt.Sprintf("%d of its %d tuples", damaged, h.NumLinePointers()), first.Error())
	}
	return nil
}

func (s *fileScan) tell(place, what, why string) {
	s.gap(evidence.Gap{Where: s.rel.Path() + " " + place, What: what, Why: why, Consequence: s.consequence})
}

// gap keeps a gap once: several passes may meet the same place.
func (l *Loss) gap(g evidence.Gap) {
	place := [2]string{g.Where, g.What}
	if l.told[place] {
		return
	}
	if l.told == nil {
		l.told = make(map[[2]string]bool)
	}
	l.told[place] = true
	l.Gaps = append(l.Gaps, g)
}

// scanFile is a fileScan whose gaps are the loss's.
func (l *Loss) scanFile(rel *heap.Relation, consequence string) *fileScan {
	return &fileScan{rel: rel, checksums: l.checksums(), consequence: consequence, gap: l.gap}
}

// segmentGone tells that a relation's next segment is missing, if it seems so.
func (l *Loss) segmentGone(rel *heap.Relation) {
	if next, may := rel.MayGoOn(); may {
		l.gap(evidence.Gap{
			Where: next, What: "segment of 1 GiB", Why: "the file is missing, and the segment before it is full",
			Consequence: fmt.Sprintf("blocks from %d on, if there were any, count only if the WAL has them", rel.Blocks()),
		})
	}
}

// relationGone tells that the file of a relation cannot be opened. A former file, and
// that of a dropped relation, is removed for good: its absence is no damage.
func (l *Loss) relationGone(t *Table, err error, consequence string) {
	l.gap(evidence.Gap{Where: t.Name(), What: "the relation file", Why: err.Error(), Consequence: consequence})
}
