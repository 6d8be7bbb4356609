package restore

import (
	"context"
	"fmt"
	"strconv"

	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/pg"
)

// tell counts what became of the rows of a table, and tells of those that do not go in.
func (l *loader) tell(ctx context.Context, table *loadTable) error {
	if table.out > 0 {
		if err := l.count(ctx, table); err != nil {
			return err
		}
		if err := l.tellRefused(ctx, table); err != nil {
			return err
		}
	}
	// Of rows that were updated the differences are gone.
	if table.result.Different > table.result.Updated {
		if err := l.differences(ctx, table); err != nil {
			return err
		}
	}
	table.result.Inserted = table.staged - table.out
	return nil
}

// count counts the rows that do not go in by what they are.
func (l *loader) count(ctx context.Context, table *loadTable) error {
	r := table.result
	return l.conn().Query(ctx, "count rows at", "SELECT kind, count(*) FROM "+table.outTable()+" GROUP BY kind", nil, func(row [][]byte) error {
		n, err := strconv.ParseInt(string(row[1]), 10, 64)
		switch row[0][0] {
		case outThere:
			r.There = n
		case outDifferent:
			r.Different = n
		case outTwice:
			r.Twice = n
		}
		return err
	})
}

// tellRefused tells of the rows that are refused, in the order in which they came.
func (l *loader) tellRefused(ctx context.Context, table *loadTable) error {
	sql := fmt.Sprintf("SELECT seq, what, coalesce(detail, ''), coalesce(other, 0), coalesce(by, '') FROM %s WHERE kind = '%c' ORDER BY seq", table.outTable(), outRefused)
	return l.conn().Query(ctx, "read the rows that are refused at", sql, nil, func(row [][]byte) error {
		seq, err := strconv.ParseInt(string(row[0]), 10, 64)
		if err != nil {
			return err
		}
		other, err := strconv.ParseInt(string(row[3]), 10, 64)
		if err != nil {
			return err
		}
		r := LoadRefusal{}
		if r.Provenance, err = table.lines.of(seq); err != nil {
			return err
		}
		if err := l.explainRefusal(table, &r, verdict{what: string(row[1]), detail: string(row[2]), other: other, by: string(row[4])}); err != nil {
			return err
		}
		return l.refuse(table, r)
	})
}

// verdict is why a row is refused, as the temporary table says it.
type verdict struct {
	what   string // a letter and a number
	detail string // values
	other  int64  // another row of the load
	by     string // a row of the target
}

// explainRefusal puts a verdict into words.
func (l *loader) explainRefusal(table *loadTable, r *LoadRefusal, v verdict) error {
	if v.what[0] == 'x' {
		r.Reason, r.Constraint = v.detail, v.by
		return nil
	}
	n, err := strconv.Atoi(v.what[1:])
	if err != nil {
		return err
	}
	switch v.what[0] {
	case 'n':
		r.Column = table.target.columns[n].name
		r.Reason = "it must not be NULL"
	case 'c':
		check := table.ask.checks[n]
		r.Constraint, r.Reason = check.name, fmt.Sprintf("it violates the check %s: %s", pg.QuoteIdent(check.name), check.expression)
	case 'u':
		index := table.ask.uniques[n]
		what := "unique index"
		if index.exclusion {
			what = "exclusion constraint"
		}
		r.Constraint, r.Column = index.name, index.onlyColumn(table.target)
		r.Reason = fmt.Sprintf("%s %s: the target has a row with %s, %s", what, pg.QuoteIdent(index.name), v.detail, v.by)
	case 's':
		return l.explainShared(table, r, n, v)
	case 'f':
		return l.explainOrphan(table, r, n, v)
	}
	return nil
}

// onlyColumn is the column of an index over one column; "": it has more, or an expression.
func (i *targetIndex) onlyColumn(t *targetTable) string {
	if len(i.columns) != 1 || i.columns[0] < 0 {
		return ""
	}
	return t.columns[i.columns[0]].name
}

// explainShared says which row came first.
func (l *loader) explainShared(table *loadTable, r *LoadRefusal, n int, v verdict) error {
	where, err := table.lines.of(v.other)
	if err != nil {
		return err
	}
	if n < sharedKey {
		index := table.ask.uniques[n]
		r.Constraint, r.Column = index.name, index.onlyColumn(table.target)
		r.Reason = fmt.Sprintf("unique index %s: %s has the same, and came first", pg.QuoteIdent(index.name), cameFrom(where))
		return nil
	}
	key := &table.keys[n-sharedKey]
	if key.index != nil {
		r.Constraint = key.index.name
	}
	r.Reason = fmt.Sprintf("%s has the same %s with other values, and came first", cameFrom(where), table.keyShown(n-sharedKey))
	return nil
}

// explainOrphan says what became of the parent.
func (l *loader) explainOrphan(table *loadTable, r *LoadRefusal, n int, v verdict) error {
	key := table.ask.keys[n]
	r.Constraint = key.name
	if len(key.pairs) == 1 {
		r.Column = key.pairs[0].childName
	}
	r.Reason = fmt.Sprintf("parent missing: %s to %s: there is no row %s", pg.QuoteIdent(key.name), key.parent.name, v.detail)
	parent := l.byOID[key.parent.oid]
	if v.other == 0 || parent == nil {
		return nil
	}
	where, err := parent.lines.of(v.other)
	r.Reason = fmt.Sprintf("parent missing: %s to %s: its row %s, from %s, does not go in either", pg.QuoteIdent(key.name), key.parent.name, v.detail, cameFrom(where))
	return err
}

// cameFrom is where a row comes from, for people.
func cameFrom(where evidence.Provenance) string {
	if where.Line == 0 {
		return where.Source
	}
	return fmt.Sprintf("%s line %d", where.Source, where.Line)
}

// moveSequences moves the sequences of the given columns forward to where the rows are.
func (l *loader) moveSequences(ctx context.Context) error {
	for i, table := range l.tables {
		for _, s := range l.Plan.Tables[i].Sequences {
			furthest := "max"
			if s.Down {
				furthest = "min"
			}
			condition := ""
			if table.out > 0 {
				condition = " WHERE " + table.notOut("s")
			}
			to, err := l.conn().Value(ctx, "read the furthest number at", fmt.Sprintf("SELECT pg_catalog.%s(s.%s) FROM %s s%s",
				furthest, pg.QuoteIdentAlways(s.Column), table.place.staging(), condition))
			if err != nil {
				return err
			}
			if to == "" {
				continue
			}
			if s.To, err = strconv.ParseInt(to, 10, 64); err != nil {
				return err
			}
			moved, err := l.moveSequence(ctx, s)
			if err != nil {
				return err
			}
			l.result.Sequences = append(l.result.Sequences, moved...)
		}
	}
	return nil
}
