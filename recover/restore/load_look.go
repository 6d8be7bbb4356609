package restore

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/pgrescue/pgrescue/recover/live"
)

// look finds all rows of tables that refer to each other which the target would refuse, as
// far as that can be asked for all rows at once.
func (l *loader) look(ctx context.Context, tables []*loadTable) error {
	for _, table := range tables {
		if table.staged == table.out {
			continue
		}
		l.at(StageKeys, table.target.name)
		if err := l.lookAlone(ctx, table); err != nil {
			return err
		}
	}
	// A row that is out may be the parent of another one.
	spreads := func(table *loadTable, before int64) bool {
		return table.out > before && (len(tables) > 1 || table.refersToItself())
	}
	for again := true; again; {
		again = false
		for _, table := range tables {
			before := table.out
			if err := l.lookParents(ctx, table); err != nil {
				return err
			}
			again = again || spreads(table, before)
		}
	}
	for _, table := range tables {
		before := table.out
		if err := l.lookShared(ctx, table); err != nil {
			return err
		}
		if spreads(table, before) {
			return l.look(ctx, tables)
		}
	}
	return nil
}

func (t *loadTable) refersToItself() bool {
	return slices.ContainsFunc(t.ask.keys, func(key *foreignKey) bool { return slices.Contains(t.target.tree, key.parent.oid) })
}

// attempt runs a statement that looks, and adds to found how many rows it found. What cannot
// be asked so is left to the server when rows go in, and said in a note.
func (l *loader) attempt(ctx context.Context, table *loadTable, found *int64, what, sql string) error {
	const op = "look at the rows of"
	if err := l.conn().Exec(ctx, op, "SAVEPOINT look"); err != nil {
		return err
	}
	done, err := l.writeAll(ctx, []string{sql}, false)
	if err == nil {
		*found += done[0]
		return l.conn().Exec(ctx, op, "RELEASE SAVEPOINT look")
	}
	if !aboutRow(err) {
		return err
	}
	table.result.Notes = append(table.result.Notes, what+" is left to the server when rows go in: "+live.Message(err))
	return l.conn().Exec(ctx, op, "ROLLBACK TO SAVEPOINT look; RELEASE SAVEPOINT look")
}

// rows makes whole rows of those that may still go in.
func (t *loadTable) rows() string {
	source := fmt.Sprintf("(SELECT s.%s AS __o, s.* FROM %s s WHERE %s) AS __l0", seqColumn, t.place.staging(), t.notOut("s"))
	return t.ask.derived(source, func(place int) string {
		if t.isGiven(place) {
			return "__l0." + t.ask.columnName(place)
		}
		return "NULL::" + t.target.columns[place].typ
	})
}

// firesBefore reports whether something may change the rows before they are checked.
func (t *loadTable) firesBefore() bool {
	for i := range t.target.triggers {
		if strings.Contains(t.target.triggers[i].Definition, " BEFORE ") {
			return true
		}
	}
	return len(t.target.rules) > 0
}

// lookAlone finds rows that are refused for themselves, or because of rows of the target.
func (l *loader) lookAlone(ctx context.Context, table *loadTable) error {
	var cases []string
	for i := range table.target.columns {
		c := &table.target.columns[i]
		if c.notNull && c.identity == 0 && (table.isGiven(i) || c.defaults == "" && c.generation == "") {
			cases = append(cases, fmt.Sprintf("WHEN __x.%s IS NULL THEN 'n%d'", table.ask.columnName(i), i))
		}
	}
	for i := range table.ask.checks {
		cases = append(cases, fmt.Sprintf("WHEN NOT __x.__c%d THEN 'c%d'", i, i))
	}
	if len(cases) > 0 && !table.firesBefore() {
		sql := fmt.Sprintf("INSERT INTO %s (seq, kind, what) SELECT seq, '%c', what FROM (SELECT __x.__o AS seq, CASE %s END AS what FROM (%s) AS __x) y WHERE what IS NOT NULL",
			table.outTable(), outRefused, strings.Join(cases, " "), table.rows())
		if err := l.attempt(ctx, table, &table.out, "what checks say", sql); err != nil {
			return err
		}
	}
	for i, index := range table.ask.uniques {
		values := make([]string, len(index.expressions))
		for n := range values {
			values[n] = fmt.Sprintf("__x.__u%d_%d", i, n)
		}
		sql := fmt.Sprintf("INSERT INTO %s (seq, kind, what, detail, by) SELECT * FROM (SELECT __x.__o, '%c'::\"char\", 'u%d', ROW(%s)::text, %s AS by FROM (%s) AS __x OFFSET 0) y WHERE by IS NOT NULL",
			table.outTable(), outRefused, i, strings.Join(values, ", "), table.ask.taken(i, index), table.rows())
		if err := l.attempt(ctx, table, &table.out, "what "+index.name+" says", sql); err != nil {
			return err
		}
	}
	return nil
}

// isGiven reports whether rows have a column of the target.
func (t *loadTable) isGiven(place int) bool { return slices.Contains(t.ask.columns, place) }

// lookParents finds rows whose parent is neither in the target nor on its way there.
func (l *loader) lookParents(ctx context.Context, table *loadTable) error {
	if table.staged == table.out {
		return nil
	}
	for i, key := range table.ask.keys {
		staged, other := "", "NULL::bigint"
		if parent := l.byOID[key.parent.oid]; parent != nil && parent.has(key) {
			staged = fmt.Sprintf(" AND NOT EXISTS (SELECT FROM %s __q WHERE %s AND %s)", parent.place.staging(), key.matches("__q", "__x"), parent.notOut("__q"))
			other = fmt.Sprintf("(SELECT pg_catalog.min(__q.%s) FROM %s __q WHERE %s)", seqColumn, parent.place.staging(), key.matches("__q", "__x"))
		}
		sql := fmt.Sprintf("INSERT INTO %s (seq, kind, what, detail, other) SELECT __x.__o, '%c', 'f%d', ROW(%s)::text, %s FROM (%s) AS __x WHERE %s AND NOT EXISTS (SELECT FROM %s __p WHERE %s)%s",
			table.outTable(), outRefused, i, key.childColumns("__x"), other, table.rows(), key.referring("__x"), key.parent.from(), key.matches("__p", "__x"), staged)
		if err := l.attempt(ctx, table, &table.out, "what "+key.name+" says", sql); err != nil {
			return err
		}
	}
	return nil
}

// has reports whether the columns that a foreign key refers to are given.
func (t *loadTable) has(key *foreignKey) bool {
	for _, pair := range key.pairs {
		if !t.place.has(pair.parent) {
			return false
		}
	}
	return true
}

// sharedKey is the number of a key among the unique values that rows have in common; unique
// indexes have smaller ones.
const sharedKey = 1000

// lookShared finds rows that have a unique value in common. The first of them goes in.
func (l *loader) lookShared(ctx context.Context, table *loadTable) error {
	if table.staged == table.out {
		return nil
	}
	if err := l.run(ctx, "DELETE FROM "+table.sharedTable()); err != nil {
		return err
	}
	shared := int64(0)
	find := func(number int, what string, values []string, condition string) error {
		list := strings.Join(values, ", ")
		sql := fmt.Sprintf(`INSERT INTO %s (key, seq, first) SELECT %d, seq, first FROM
	(SELECT __x.__o AS seq, pg_catalog.min(__x.__o) OVER w AS first, count(*) OVER w AS n FROM (%s) AS __x WHERE %s WINDOW w AS (PARTITION BY %s)) y WHERE n > 1`,
			table.sharedTable(), number, table.rows(), condition, list)
		return l.attempt(ctx, table, &shared, what, sql)
	}
	for n := range table.keys {
		values := table.namesOf(table.keys[n].columns, "__x")
		known := strings.Join(values, " IS NOT NULL AND ") + " IS NOT NULL"
		if err := find(sharedKey+n, "which rows have the same key", values, known); err != nil {
			return err
		}
	}
	for i, index := range table.ask.uniques {
		if index.exclusion || table.knownBy(index) {
			continue
		}
		condition := fmt.Sprintf("__x.__p%d", i)
		var values []string
		for n := range index.expressions {
			values = append(values, fmt.Sprintf("__x.__u%d_%d", i, n))
			if !index.nullsEqual {
				condition += fmt.Sprintf(" AND __x.__u%d_%d IS NOT NULL", i, n)
			}
		}
		if err := find(i, "which rows share a value of "+index.name, values, condition); err != nil {
			return err
		}
	}
	if shared == 0 {
		return nil
	}
	return l.firstIn(ctx, table)
}

// knownBy reports whether an index is one of the keys.
func (t *loadTable) knownBy(index *targetIndex) bool {
	return slices.ContainsFunc(t.keys, func(key loadKey) bool { return key.index == index })
}

// firstIn refuses, of rows that share a value, all but the first, as they would be refused
// one after the other: a row that is refused itself takes no value from another.
func (l *loader) firstIn(ctx context.Context, table *loadTable) error {
	round := fmt.Sprintf(`WITH open AS (SELECT d.key, d.seq, pg_catalog.min(d.seq) OVER (PARTITION BY d.key, d.first) AS holder FROM %s d
		WHERE NOT EXISTS (SELECT FROM %s o WHERE o.seq = d.seq)),
	waiting AS (SELECT DISTINCT seq FROM open WHERE holder <> seq)
INSERT INTO %s (seq, kind, what, other) SELECT DISTINCT ON (o.seq) o.seq, '%c'::"char", 's' || o.key, o.holder FROM open o
WHERE o.holder <> o.seq AND NOT EXISTS (SELECT FROM waiting w WHERE w.seq = o.holder) ORDER BY o.seq, o.key DESC`,
		table.sharedTable(), table.outTable(), table.outTable(), outRefused)
	for {
		before := table.out
		if err := l.put(ctx, table, round); err != nil {
			return err
		}
		if table.out == before {
			break
		}
	}
	for n := range table.keys {
		// It is no loss that a row with the same values came before.
		err := l.run(ctx, fmt.Sprintf("UPDATE %s o SET kind = '%c' FROM %s a, %s b WHERE o.kind = '%c' AND o.what = 's%d' AND a.%s = o.seq AND b.%s = o.other AND %s",
			table.outTable(), outTwice, table.place.staging(), table.place.staging(), outRefused, sharedKey+n, seqColumn, seqColumn, table.sameImage(n, "a", "b")))
		if err != nil {
			return err
		}
	}
	return nil
}
