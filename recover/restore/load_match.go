package restore

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/pgrescue/pgrescue/recover/pg"
)

// notOut leaves the rows of a temporary table, with an alias, that may still go in.
func (t *loadTable) notOut(alias string) string {
	return fmt.Sprintf("NOT EXISTS (SELECT FROM %s o WHERE o.seq = %s.%s)", t.outTable(), alias, seqColumn)
}

// match finds the rows that the target has. Those that it does not have may go in.
func (l *loader) match(ctx context.Context, table *loadTable) error {
	if table.staged == 0 {
		return nil
	}
	l.at(StageCompare, table.target.name)
	some, err := l.conn().Value(ctx, "look into a table of", "SELECT EXISTS (SELECT FROM "+table.place.table.from()+")")
	if err != nil || some != "t" {
		return err
	}
	if len(table.keys) == 0 {
		return l.put(ctx, table, table.matchWhole())
	}
	if err := l.analyze(ctx, table); err != nil {
		return err
	}
	for n := range table.keys {
		if err := l.put(ctx, table, table.matchKey(n)); err != nil {
			return err
		}
		// The same value may have two images, which its text does not show.
		if err := l.run(ctx, table.sameText(n)); err != nil {
			return err
		}
	}
	return nil
}

// put runs a statement that finds rows which do not go in.
func (l *loader) put(ctx context.Context, table *loadTable, sql string) error {
	done, err := l.writeAll(ctx, []string{sql}, false)
	if err != nil {
		return err
	}
	table.out += done[0]
	return nil
}

func (l *loader) run(ctx context.Context, sql string) error {
	return l.conn().Exec(ctx, "compare rows at", sql)
}

// analyze lets the server know the keys of a temporary table, and nothing else of it: the
// rest is what costs time.
func (l *loader) analyze(ctx context.Context, table *loadTable) error {
	var names []string
	for _, key := range table.keys {
		for _, at := range key.columns {
			if name := table.place.columns[at].name; !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	return l.run(ctx, fmt.Sprintf("ANALYZE %s (%s)", table.place.staging(), strings.Join(append(names, seqColumn), ", ")))
}

// same compares a key of two aliases.
func (t *loadTable) same(n int, a, b string) string {
	key := &t.keys[n]
	terms := make([]string, len(key.columns))
	for i, at := range key.columns {
		name := t.place.columns[at].name
		terms[i] = fmt.Sprintf("%s.%s %s %s.%s", a, name, key.equal[i], b, name)
	}
	return strings.Join(terms, " AND ")
}

// namesOf are some columns, by their places, of an alias.
func (t *loadTable) namesOf(columns []int, alias string) []string {
	names := make([]string, len(columns))
	for i, at := range columns {
		names[i] = alias + "." + t.place.columns[at].name
	}
	return names
}

// keyNames are the columns of a key, of an alias.
func (t *loadTable) keyNames(n int, alias string) string {
	return strings.Join(t.namesOf(t.keys[n].columns, alias), ", ")
}

// keyShown is the columns of a key for people.
func (t *loadTable) keyShown(n int) string {
	var names []string
	for _, at := range t.keys[n].columns {
		names = append(names, pg.QuoteIdent(t.columnName(at)))
	}
	return strings.Join(names, ", ")
}

// compared lists the columns, of an alias, that make rows with the same key different. One
// that is known by another key than the primary keeps its own primary key.
func (t *loadTable) compared(n int, alias string) []string {
	return t.namesOf(t.comparedAt(n), alias)
}

func (t *loadTable) comparedAt(n int) []int {
	var places []int
	for i := range t.place.columns {
		own := !t.keys[n].primary && t.keys[0].primary && slices.Contains(t.keys[0].columns, i)
		if !own && !slices.Contains(t.keys[n].columns, i) {
			places = append(places, i)
		}
	}
	return places
}

// sameImage compares rows of two aliases byte by byte. Unlike equality every type has it.
func (t *loadTable) sameImage(n int, a, b string) string {
	return fmt.Sprintf("ROW(%s)::record OPERATOR(pg_catalog.*=) ROW(%s)::record", strings.Join(t.compared(n, a), ", "), strings.Join(t.compared(n, b), ", "))
}

// matchKey finds the rows that the target has by a key.
func (t *loadTable) matchKey(n int) string {
	return fmt.Sprintf(`INSERT INTO %s (seq, kind, what)
SELECT seq, CASE WHEN pg_catalog.bool_or(same) THEN '%c' ELSE '%c' END, 'k%d' FROM
	(SELECT s.%s AS seq, %s AS same FROM %s s JOIN %s t ON %s WHERE %s) found GROUP BY seq`,
		t.outTable(), outThere, outDifferent, n, seqColumn, t.sameImage(n, "s", "t"), t.place.staging(), t.place.table.from(), t.same(n, "s", "t"), t.notOut("s"))
}

// sameText takes rows for equal whose values read the same, but for what a clock said.
func (t *loadTable) sameText(n int) string {
	return fmt.Sprintf("UPDATE %s o SET kind = '%c' FROM %s s JOIN %s t ON %s WHERE o.kind = '%c' AND o.what = 'k%d' AND s.%s = o.seq AND ROW(%s)::text = ROW(%s)::text",
		t.outTable(), outThere, t.place.staging(), t.place.table.from(), t.same(n, "s", "t"), outDifferent, n, seqColumn,
		t.comparedText(n, "s"), t.comparedText(n, "t"))
}

// matchWhole finds rows of a table without a key that the target has: of each as many as
// there are.
func (t *loadTable) matchWhole() string {
	row := "ROW(" + strings.Join(t.place.names(), ", ") + ")::text"
	return fmt.Sprintf(`INSERT INTO %s (seq, kind, what) SELECT s.seq, '%c', 'm' FROM
	(SELECT %s AS seq, %s AS row, pg_catalog.row_number() OVER (PARTITION BY %s ORDER BY %s) AS n FROM %s) s
	JOIN (SELECT %s AS row, count(*) AS n FROM %s GROUP BY 1) t ON t.row OPERATOR(pg_catalog.=) s.row WHERE s.n <= t.n`,
		t.outTable(), outThere, seqColumn, row, row, seqColumn, t.place.staging(), row, t.place.table.from())
}

// update gives rows that are there the values of these.
func (l *loader) update(ctx context.Context, table *loadTable) error {
	if !table.Update {
		return nil
	}
	for n := range table.keys {
		var sets []string
		for _, at := range table.comparedAt(n) {
			if c := &table.place.columns[at]; !c.always {
				sets = append(sets, c.name+" = s."+c.name)
			}
		}
		if len(sets) == 0 {
			continue
		}
		done, err := l.writeAll(ctx, []string{fmt.Sprintf("UPDATE %s t SET %s FROM %s s JOIN %s o ON o.seq = s.%s WHERE o.kind = '%c' AND o.what = 'k%d' AND %s",
			table.place.table.from(), strings.Join(sets, ", "), table.place.staging(), table.outTable(), seqColumn, outDifferent, n, table.same(n, "t", "s"))}, false)
		if err != nil {
			return l.explain(err)
		}
		table.result.Updated += done[0]
	}
	return nil
}

// mostDifferences is how many different rows of a table are told of, by each key.
const mostDifferences = 10

// differences reads the first rows that are there with other values.
func (l *loader) differences(ctx context.Context, table *loadTable) error {
	for n := range table.keys {
		columns := table.comparedAt(n)
		if len(columns) == 0 {
			continue
		}
		sql := fmt.Sprintf("SELECT s.%s, ROW(%s)::text, %s, %s FROM %s o JOIN %s s ON s.%s = o.seq JOIN %s t ON %s WHERE o.kind = '%c' AND o.what = 'k%d' ORDER BY o.seq LIMIT %d",
			seqColumn, table.keyNames(n, "s"), strings.Join(table.compared(n, "s"), ", "), strings.Join(table.compared(n, "t"), ", "), table.outTable(), table.place.staging(),
			seqColumn, table.place.table.from(), table.same(n, "s", "t"), outDifferent, n, mostDifferences)
		err := l.conn().Query(ctx, "read differences at", sql, nil, func(row [][]byte) error {
			return table.differs(table.keyShown(n)+" "+string(row[1]), row, columns)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// differs notes the columns of a row that is there with other values.
func (t *loadTable) differs(key string, row [][]byte, columns []int) error {
	seq, err := strconv.ParseInt(string(row[0]), 10, 64)
	if err != nil {
		return err
	}
	where, err := t.lines.of(seq)
	if err != nil {
		return err
	}
	values := valuesOf(row[2:])
	ours, theirs := values[:len(columns)], values[len(columns):]
	for i, at := range columns {
		if name := t.columnName(at); !t.sameButClocks(name, &ours[i], &theirs[i]) {
			t.result.Differences = append(t.result.Differences, LoadDifference{Provenance: where, Key: key, Column: name, Theirs: theirs[i], Ours: ours[i]})
		}
	}
	return nil
}
