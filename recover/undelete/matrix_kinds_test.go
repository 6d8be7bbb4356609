package undelete_test

import (
	"slices"
	"strconv"
)

// lossKind is a row of the matrix: one way to lose rows, in a schema of its own.
type lossKind struct {
	name    string
	from    int // the first version that has the statement; 0: all have it
	schema  string
	prepare []string
	// doomed has a query for each table, by its plain name, that gives what is about to be lost.
	doomed map[string]string
	loss   []string // in one transaction
	end    []string // of the transaction; nil: COMMIT
	// refill fills space that a vacuum found; "": nothing is left to fill.
	refill   string
	identity bool // t takes the replica identity of the server
	notLost  bool // it was rolled back
	// limits are the cells that cannot be whole, by fate.
	limits map[string]cellLimit
}

// cellLimit says in one line why a cell is not whole.
type cellLimit struct {
	why     string
	all     bool // every row comes back, but nothing proves that these are all
	nothing bool // there may be nothing at all
}

const tableT = `CREATE TABLE t (id int PRIMARY KEY, n numeric, note text, wide text, j jsonb, mood mood);
INSERT INTO t SELECT i, i/8.0, CASE WHEN i%7 > 0 THEN 'note ' || i END, CASE WHEN i%10 = 0 THEN (SELECT string_agg(md5((i*100+g)::text), '') FROM generate_series(1, 160) g) END,
	jsonb_build_object('i', i, 'list', jsonb_build_array(i, NULL, 'ü')), (enum_range(NULL::mood))[1 + i%3] FROM generate_series(1, 300) i`

func prepareT(more ...string) []string {
	return append([]string{"CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy')", tableT}, more...)
}

// refillT overwrites the room of the rows that were lost.
const refillT = "INSERT INTO t SELECT i, 0, repeat('new', 30), '', '{}' FROM generate_series(1001, 2500) i"

// Limits that several kinds share.
func heapOnly() cellLimit {
	return cellLimit{why: "all rows, but only WAL proves that these are all", all: true}
}

func kinds() []lossKind {
	deleted := func() map[string]cellLimit { return map[string]cellLimit{"no WAL": heapOnly()} }
	return slices.Concat(deletes(deleted), updates(deleted), wholeRelations())
}

// deletes are the ways to lose single rows.
func deletes(limits func() map[string]cellLimit) []lossKind {
	return []lossKind{
		{name: "`DELETE`", prepare: prepareT(), doomed: one("t"), loss: []string{"DELETE FROM t"}, refill: refillT, identity: true, limits: limits()},
		{
			name: "`DELETE`, some of it in a savepoint, some rolled back", prepare: prepareT(), doomed: map[string]string{"t": "SELECT * FROM t WHERE id <= 200"},
			loss:   []string{"DELETE FROM t WHERE id <= 100", "SAVEPOINT a", "DELETE FROM t WHERE id <= 200", "SAVEPOINT b", "DELETE FROM t", "ROLLBACK TO b"},
			limits: map[string]cellLimit{"no WAL": {why: "only rows that the transaction itself deleted, not those of its subtransactions: only WAL ties their ids together"}},
		},
		{name: "`DELETE` in `PREPARE TRANSACTION`", prepare: prepareT(), doomed: one("t"), loss: []string{"DELETE FROM t"}, end: []string{"PREPARE TRANSACTION 'p'", "COMMIT PREPARED 'p'"}, limits: limits()},
		{
			name: "`DELETE` with `ON DELETE CASCADE`", prepare: []string{
				"CREATE TABLE a (id int PRIMARY KEY, boss int REFERENCES a ON DELETE CASCADE)", "CREATE TABLE b (id int PRIMARY KEY, a int REFERENCES a ON DELETE CASCADE, note text)",
				"CREATE TABLE c (b int REFERENCES b ON DELETE CASCADE, a int REFERENCES a ON DELETE CASCADE, at timestamptz DEFAULT '2026-11-24 03:00+00')",
				"INSERT INTO a SELECT i, nullif(i/2, 0) FROM generate_series(1, 50) i", "INSERT INTO b SELECT i, 1 + i%50, 'b ' || i FROM generate_series(1, 200) i",
				"INSERT INTO c SELECT 1 + i%200, 1 + i%50 FROM generate_series(1, 400) i",
			},
			doomed: one("a", "b", "c"), loss: []string{"DELETE FROM a WHERE id = 1"}, limits: limits(),
		},
		{
			name: "`DELETE` from a partitioned table", prepare: []string{
				"CREATE TABLE p (id int, day date, note text, PRIMARY KEY (id, day)) PARTITION BY RANGE (day)",
				"CREATE TABLE p1 PARTITION OF p FOR VALUES FROM ('2026-01-01') TO ('2026-02-01')",
				"CREATE TABLE p2 (note text, junk int, day date NOT NULL, id int NOT NULL)", "ALTER TABLE p2 DROP COLUMN junk",
				"ALTER TABLE p ATTACH PARTITION p2 FOR VALUES FROM ('2026-02-01') TO ('2026-03-01')",
				"INSERT INTO p SELECT i, '2026-01-01'::date + i%59, 'day ' || i FROM generate_series(1, 300) i",
			},
			doomed: one("p1", "p2"), loss: []string{"DELETE FROM p"}, limits: limits(),
		},
		{
			name: "`DELETE` from a table with heirs", prepare: []string{
				"CREATE TABLE parent (id int, note text)", "CREATE TABLE heir (more numeric) INHERITS (parent)",
				"INSERT INTO parent SELECT i, 'p' FROM generate_series(1, 100) i", "INSERT INTO heir SELECT i, 'h', i/3.0 FROM generate_series(1, 100) i",
			},
			doomed: map[string]string{"parent": "SELECT * FROM ONLY parent", "heir": "SELECT * FROM heir"}, loss: []string{"DELETE FROM parent"}, limits: limits(),
		},
		{
			name: "`DELETE` of rows that `COPY … FREEZE` brought", prepare: []string{
				"BEGIN; CREATE TABLE t (id int); COPY t FROM PROGRAM 'seq 1 500' (FREEZE); COMMIT",
			},
			doomed: one("t"), loss: []string{"DELETE FROM t"}, limits: limits(),
		},
		{name: "`DELETE` that was rolled back", prepare: prepareT(), loss: []string{"DELETE FROM t"}, end: []string{"ROLLBACK"}, notLost: true},
	}
}

// updates are the ways to lose old values.
func updates(limits func() map[string]cellLimit) []lossKind {
	return []lossKind{
		{name: "`UPDATE`", prepare: prepareT(), doomed: one("t"), loss: []string{"UPDATE t SET n = -1, note = 'overwritten', wide = 'short'"}, identity: true, limits: limits()},
		{name: "`UPDATE` beside values out of line", prepare: prepareT(), doomed: one("t"), loss: []string{"UPDATE t SET n = -1, note = 'overwritten'"}, identity: true, limits: limits()},
		{
			name: "`INSERT … ON CONFLICT DO UPDATE`", prepare: prepareT(), doomed: one("t"),
			loss: []string{"INSERT INTO t SELECT id, -1, 'upserted' FROM t ON CONFLICT (id) DO UPDATE SET n = EXCLUDED.n, note = EXCLUDED.note"}, limits: limits(),
		},
		{
			name: "`MERGE`", from: 15, prepare: prepareT(), doomed: one("t"),
			loss: []string{"MERGE INTO t USING (SELECT id FROM t) s ON t.id = s.id WHEN MATCHED AND t.id % 2 = 0 THEN DELETE WHEN MATCHED THEN UPDATE SET n = -1"}, limits: limits(),
		},
		{
			name: "`UPDATE` that moves rows to another partition", prepare: []string{
				"CREATE TABLE p (id int, part int, note text) PARTITION BY LIST (part)",
				"CREATE TABLE p1 PARTITION OF p FOR VALUES IN (1)", "CREATE TABLE p2 PARTITION OF p FOR VALUES IN (2)",
				"INSERT INTO p SELECT i, 1, 'row ' || i FROM generate_series(1, 200) i",
			},
			doomed: one("p1"), loss: []string{"UPDATE p SET part = 2"}, limits: limits(),
		},
	}
}

// wholeRelations are the ways to lose all rows, or all values of a column, at once.
func wholeRelations() []lossKind {
	gone := func(what string) map[string]cellLimit {
		return map[string]cellLimit{
			"WAL begins at the last checkpoint before": {why: what + " touches no page of the table, so only WAL since the rows were written has them", nothing: true},
			"no WAL": {why: what + " empties the file, and nothing but WAL names what was in it", nothing: true},
		}
	}
	columnLimits := map[string]cellLimit{
		"no WAL": {why: "the values are in the tuples still, but only WAL names the transaction that dropped the column", nothing: true},
	}
	return []lossKind{
		{name: "`TRUNCATE`", prepare: prepareT(), doomed: one("t"), loss: []string{"TRUNCATE t"}, refill: refillT, limits: gone("`TRUNCATE`")},
		{
			name: "`TRUNCATE … RESTART IDENTITY CASCADE`", prepare: []string{
				"CREATE TABLE a (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, note text)", "CREATE TABLE b (a int REFERENCES a, tags text[])",
				"INSERT INTO a (note) SELECT 'a ' || i FROM generate_series(1, 200) i", "INSERT INTO b SELECT 1 + i%200, ARRAY['x', i::text] FROM generate_series(1, 400) i",
			},
			doomed: one("a", "b"), loss: []string{"TRUNCATE a RESTART IDENTITY CASCADE"}, limits: gone("`TRUNCATE`"),
		},
		{name: "`DROP TABLE`", prepare: prepareT(), doomed: one("t"), loss: []string{"DROP TABLE t"}, limits: gone("`DROP`")},
		{
			name: "`DROP SCHEMA … CASCADE`", prepare: prepareT("CREATE TABLE u (id int, t int REFERENCES t)", "INSERT INTO u SELECT i, i FROM generate_series(1, 300) i"),
			doomed: one("t", "u"), loss: []string{"DO $$ BEGIN EXECUTE format('DROP SCHEMA %I CASCADE', current_schema()); END $$"}, limits: gone("`DROP`"),
		},
		{
			name: "`DROP COLUMN`", prepare: prepareT(), doomed: map[string]string{"t": "SELECT id, wide FROM t"}, loss: []string{"ALTER TABLE t DROP COLUMN wide"},
			limits: columnLimits,
		},
		{
			name: "`DROP TYPE … CASCADE`", prepare: prepareT(), doomed: map[string]string{"t": "SELECT id, mood FROM t"}, loss: []string{"DROP TYPE mood CASCADE"},
			limits: columnLimits,
		},
	}
}

// one is the doomed map of whole tables.
func one(tables ...string) map[string]string {
	doomed := make(map[string]string)
	for _, table := range tables {
		doomed[table] = "SELECT * FROM " + table
	}
	return doomed
}

// kindsOf are the kinds that a version knows, each with the name of its schema filled in.
func kindsOf(version string) []lossKind {
	major, err := strconv.Atoi(version)
	if err != nil {
		return nil
	}
	var list []lossKind
	for i, k := range kinds() {
		if k.from > major {
			continue
		}
		k.schema = "k_" + strconv.Itoa(i)
		list = append(list, k)
	}
	return list
}
