package restore

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/pgrescue/pgrescue/recover/casefile"
	"github.com/pgrescue/pgrescue/recover/evidence"
)

// abandoned is the values that changed rows had in columns that a foreign key refers to.
type abandoned struct {
	key     *foreignKey
	columns []int // of the place, in the key's order
	sql     string
	lists
	seqs []int64
}

// abandonable lists the foreign keys that refer to columns which changing a row can change.
func (p *place) abandonable() []*abandoned {
	var all []*abandoned
	names := p.names()
	for _, key := range p.in {
		a := &abandoned{key: key, lists: newLists(len(key.pairs))}
		var terms []string
		changes := false
		for i, pair := range key.pairs {
			at := slices.Index(names, pair.parent)
			if at < 0 {
				continue // a generated column: it follows from the others
			}
			a.columns = append(a.columns, at)
			changes = changes || !slices.Contains(p.key, at)
			terms = append(terms, fmt.Sprintf("k.k%d::%s %s c.%s%s", i, p.columns[at].bare, pair.equal, pair.child, pair.collation))
		}
		if len(a.columns) < len(key.pairs) || !changes || key.period {
			continue
		}
		a.sql = fmt.Sprintf("SELECT k.n, %s FROM %s JOIN %s c ON %s WHERE NOT EXISTS (SELECT FROM %s p WHERE %s)",
			"ROW("+key.childColumns("c")+")::text", a.unnested(), key.child.from(), strings.Join(terms, " AND "), key.parent.from(), key.matches("p", "c"))
		all = append(all, a)
	}
	return all
}

// checkAbandoned looks for rows that refer to a value which a changed row had before and
// no row has any more. New rows cannot leave any behind.
func (e *engine) checkAbandoned(ctx context.Context, p *place, s *span) error {
	all := p.abandonable()
	if len(all) == 0 {
		return nil
	}
	for row, err := range e.rowsOf(ctx, p.index, s) {
		if err != nil {
			return err
		}
		if action := Action(row.Action); action != Overwrite && action != Fill {
			continue
		}
		for _, a := range all {
			if a.take(row); a.full() {
				if err := a.find(ctx, e, p); err != nil {
					return err
				}
			}
		}
	}
	for _, a := range all {
		if err := a.find(ctx, e, p); err != nil {
			return err
		}
	}
	return nil
}

// take adds the former values of a row that changed them.
func (a *abandoned) take(row *casefile.PlanRow) {
	if !slices.ContainsFunc(a.columns, func(at int) bool { return !sameValue(&row.Before[at], &row.Data[at]) }) {
		return
	}
	a.seqs = append(a.seqs, row.Seq)
	a.add(func(column int) *evidence.Value { return &row.Before[a.columns[column]] })
}

// find tells of the rows that refer to what was added.
func (a *abandoned) find(ctx context.Context, e *engine, p *place) error {
	defer func() { a.seqs = a.seqs[:0] }()
	return a.query(ctx, e.conn, "check foreign key "+a.key.name+" at", a.sql, func(n int, row [][]byte) error {
		e.find(Finding{
			Table: p.table.name, Seq: a.seqs[n],
			Why: fmt.Sprintf("foreign key %s: rows of table %s refer to the value %s that the row had before", a.key.name, a.key.child.name, row[0]),
		})
		return nil
	})
}
