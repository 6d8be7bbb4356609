package catalog

import (
	"context"

	"github.com/pgrescue/pgrescue/recover/heap"
	"github.com/pgrescue/pgrescue/recover/pg"
)

// DestroyedRows gives versions of catalog rows that were deleted or replaced.
// VACUUM may have taken them from the catalogs' pages since; the WAL has them
// still.
type DestroyedRows interface {
	// ReadDestroyed calls visit for each version of a row of one catalog of one
	// database (0: a shared catalog) that the source has, as it was right after it was
	// destroyed: with the xmax and the ctid that this left. The tuple is the source's.
	ReadDestroyed(database pg.OID, catalog string, visit func(tid pg.TID, t *heap.Tuple) error) error
}

// restoredTuple visits a version that the WAL gave back.
func (p *pageScan) restoredTuple(tid pg.TID, t *heap.Tuple) error {
	p.rec.tid, p.rec.tuple = tid, *t
	if err := heap.Deform(&p.rec.tuple, p.attrs, p.rec.values); err != nil {
		p.gap(p.where, "tuple "+tid.String()+" out of the WAL", err.Error(), "its row of the catalog is missing")
		return nil
	}
	p.visit(&p.rec)
	return nil
}

// newest holds one version of each row of a catalog by its key.
type newest[K comparable, T any] map[K]version[T]

type version[T any] struct {
	row  T
	rank visibility
	xmin pg.XID
	by   pg.XID // of a row that is gone: the transaction that deleted it
}

// rows are the versions of a catalog's rows that are of use: of each row the best
// that counts, and of a row that is gone the last that there was.
type rows[K comparable, T any] struct {
	live, gone newest[K, T]
}

func newRows[K comparable, T any]() rows[K, T] { return rows[K, T]{newest[K, T]{}, newest[K, T]{}} }

// offer takes a version in if it is better than the one that is there.
func (r *rows[K, T]) offer(key K, row T, rec *record, f fate) {
	v := version[T]{row: row, rank: f.rank, xmin: rec.tuple.Xmin(), by: f.by}
	if f.by == pg.InvalidXID {
		r.live.offer(key, v)
		return
	}
	// A version that was replaced leads to its successor; one that was deleted is the last.
	if _, replaced := rec.tuple.UpdatedTo(rec.tid); !replaced {
		r.gone.offer(key, v)
	}
}

func (n newest[K, T]) offer(key K, v version[T]) {
	old, found := n[key]
	if found && (old.rank > v.rank || old.rank == v.rank && v.xmin.Precedes(old.xmin)) {
		return
	}
	n[key] = v
}

// prune drops what does not count: live rows without a version that does, and
// gone rows whose key is in use again.
func (r *rows[K, T]) prune() {
	for key, v := range r.live {
		if v.rank < doubtfulRow {
			delete(r.live, key)
		}
	}
	for key := range r.gone {
		if _, again := r.live[key]; again {
			delete(r.gone, key)
		}
	}
}

// find gives a row that is there, or else the last version of one that is gone.
func (r *rows[K, T]) find(key K) (version[T], bool) {
	if v, found := r.live[key]; found {
		return v, true
	}
	v, found := r.gone[key]
	return v, found
}

// change completes a row, one that is there or one that is gone, by what another
// catalog says of it.
func (r *rows[K, T]) change(key K, complete func(row *T)) {
	for _, versions := range []newest[K, T]{r.live, r.gone} {
		if v, found := versions[key]; found {
			complete(&v.row)
			versions[key] = v
		}
	}
}

// collect scans a catalog and keeps what is of use of the rows that decode accepts.
func collect[K comparable, T any](ctx context.Context, s *scanner, t *table, loc pg.RelFileLocator, decode func(*record) (K, T, bool)) (rows[K, T], error) {
	found := newRows[K, T]()
	err := s.scan(ctx, t, loc, func(rec *record) {
		if key, row, ok := decode(rec); ok {
			found.offer(key, row, rec, s.judge.fate(rec))
		}
	})
	found.prune()
	return found, err
}
