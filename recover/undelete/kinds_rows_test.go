package undelete_test

import (
	"fmt"

	"github.com/pgrescue/pgrescue/recover/undelete"
)

// wideOf makes a text of n times 32 characters that does not compress.
func wideOf(n int) string {
	return fmt.Sprintf("(SELECT string_agg(md5((i * 1000 + g)::text), '') FROM generate_series(1, %d) g)", n)
}

// plainTable has every tenth row with a value out of line.
func plainTable() []string {
	return []string{
		`CREATE TABLE t (id int PRIMARY KEY, n int, note text, wide text)`,
		`INSERT INTO t SELECT i, i, 'note ' || i, CASE WHEN i % 10 = 0 THEN ` + wideOf(100) + ` END FROM generate_series(1, 400) i`,
		"CHECKPOINT",
	}
}

// cascadeKinds are losses by what a foreign key does.
func cascadeKinds() []kind {
	family := []string{
		`CREATE TABLE parent (id int PRIMARY KEY, name text);
		CREATE TABLE child (id int PRIMARY KEY, parent int REFERENCES parent ON DELETE CASCADE, name text);
		CREATE TABLE grandchild (id int PRIMARY KEY, child int REFERENCES child ON DELETE CASCADE, wide text)`,
		`INSERT INTO parent SELECT i, 'p' || i FROM generate_series(1, 50) i;
		INSERT INTO child SELECT i, i % 50 + 1, 'c' || i FROM generate_series(1, 500) i;
		INSERT INTO grandchild SELECT i, i % 500 + 1, CASE WHEN i % 10 = 0 THEN ` + wideOf(100) + ` END FROM generate_series(1, 1500) i`,
		"CHECKPOINT",
	}
	return []kind{
		{
			name: "cascade", prepare: family, loss: []string{"DELETE FROM parent WHERE id <= 25"},
			doomed: map[string]string{
				"parent": "SELECT * FROM parent WHERE id <= 25", "child": "SELECT * FROM child WHERE parent <= 25",
				"grandchild": "SELECT * FROM grandchild WHERE child IN (SELECT id FROM child WHERE parent <= 25)",
			},
			after: []string{"VACUUM grandchild"},
		},
		{
			name: "cascade along a self-reference",
			prepare: []string{
				`CREATE TABLE node (id int PRIMARY KEY, up int REFERENCES node ON DELETE CASCADE)`,
				`INSERT INTO node SELECT i, NULLIF(i - 1, 0) FROM generate_series(1, 300) i`,
			},
			loss: []string{"DELETE FROM node WHERE id = 101"}, doomed: map[string]string{"node": "SELECT * FROM node WHERE id > 100"},
		},
		{
			name: "children set to NULL",
			prepare: []string{
				`CREATE TABLE parent (id int PRIMARY KEY); INSERT INTO parent SELECT generate_series(1, 20);
				CREATE TABLE child (id int PRIMARY KEY, parent int REFERENCES parent ON DELETE SET NULL);
				CREATE TABLE other (id int PRIMARY KEY, parent int DEFAULT 20 REFERENCES parent ON DELETE SET DEFAULT)`,
				`INSERT INTO child SELECT i, i % 20 + 1 FROM generate_series(1, 200) i; INSERT INTO other SELECT * FROM child`,
			},
			loss: []string{"DELETE FROM parent WHERE id <= 10"}, updated: 200,
			doomed: map[string]string{
				"parent": "SELECT * FROM parent WHERE id <= 10",
				"child":  "SELECT * FROM child WHERE parent <= 10", "other": "SELECT * FROM other WHERE parent <= 10",
			},
		},
	}
}

// changeKinds are losses of single rows by one statement each.
func changeKinds() []kind {
	return []kind{
		{
			name: "update, values out of line unchanged", prepare: plainTable(), loss: []string{"UPDATE t SET note = 'x'"},
			doomed: map[string]string{"t": "SELECT * FROM t"}, updated: 400, after: []string{"VACUUM t"},
		},
		{
			name: "update, values out of line changed and unchanged", prepare: plainTable(),
			loss:   []string{"UPDATE t SET wide = " + wideOf(90) + " FROM generate_series(1, 400) i WHERE i = id AND id % 20 = 0; UPDATE t SET n = 0 WHERE id % 20 > 0"},
			doomed: map[string]string{"t": "SELECT * FROM t"}, updated: 400, after: []string{"VACUUM t"},
		},
		{
			name: "update twice without WHERE", prepare: plainTable(), loss: []string{"UPDATE t SET n = 0", "UPDATE t SET note = NULL"},
			doomed: map[string]string{"t": "SELECT * FROM t"}, updated: 800, made: 400,
		},
		{
			name: "insert on conflict update", prepare: plainTable(), updated: 200,
			loss:   []string{"INSERT INTO t SELECT i, -1, 'new' FROM generate_series(201, 600) i ON CONFLICT (id) DO UPDATE SET n = excluded.n, note = excluded.note"},
			doomed: map[string]string{"t": "SELECT * FROM t WHERE id > 200"},
		},
		{
			name: "merge", from: 15, prepare: plainTable(), updated: 100,
			loss: []string{`MERGE INTO t USING generate_series(1, 500) i ON i = id
				WHEN MATCHED AND id <= 100 THEN UPDATE SET note = 'merged' WHEN MATCHED AND id <= 150 THEN DELETE
				WHEN MATCHED THEN DO NOTHING WHEN NOT MATCHED THEN INSERT VALUES (i, 0, 'merged')`},
			doomed: map[string]string{"t": "SELECT * FROM t WHERE id <= 150"},
		},
		{
			name: "locks only", prepare: plainTable(), fails: undelete.ErrNothingDestroyed,
			loss: []string{"SELECT * FROM t FOR UPDATE", "SELECT * FROM t FOR KEY SHARE"},
		},
		{
			name: "COPY FREEZE, then deleted",
			prepare: []string{
				`BEGIN; CREATE TABLE t (id int, note text); COPY t FROM PROGRAM 'seq 1 900 | sed "s/$/\tfrozen/"' WITH (FREEZE); COMMIT`,
			},
			loss: []string{"DELETE FROM t"}, doomed: map[string]string{"t": "SELECT * FROM t"}, after: []string{"VACUUM t"},
		},
		{
			name: "VACUUM FULL and CLUSTER since", prepare: plainTable(), loss: []string{"DELETE FROM t WHERE id % 2 = 0"},
			doomed: map[string]string{"t": "SELECT * FROM t WHERE id % 2 = 0"},
			after:  []string{"VACUUM FULL t", "CLUSTER t USING t_pkey", "CHECKPOINT"},
		},
		{
			name: "VACUUM FULL since, of pg_class too", prepare: plainTable(), loss: []string{"UPDATE t SET note = 'x' WHERE id % 2 = 0"}, updated: 200,
			doomed: map[string]string{"t": "SELECT * FROM t WHERE id % 2 = 0"},
			after:  []string{"VACUUM FULL t", "VACUUM FULL pg_class", "CHECKPOINT"},
		},
	}
}

// endKinds are losses by transactions that end in every way there is.
func endKinds() []kind {
	return []kind{
		{
			name: "delete in a subtransaction", prepare: plainTable(),
			loss:   []string{"DELETE FROM t WHERE id <= 10", "SAVEPOINT a", "DELETE FROM t WHERE id <= 20", "RELEASE a", "SAVEPOINT b", "SAVEPOINT c", "DELETE FROM t WHERE id <= 30"},
			doomed: map[string]string{"t": "SELECT * FROM t WHERE id <= 30"},
		},
		{
			name: "savepoint rolled back", prepare: plainTable(), rolledBack: 390,
			loss:   []string{"DELETE FROM t WHERE id <= 10", "SAVEPOINT a", "DELETE FROM t", "ROLLBACK TO a", "DELETE FROM t WHERE id <= 30"},
			doomed: map[string]string{"t": "SELECT * FROM t WHERE id <= 30"},
		},
		{
			name: "a block with EXCEPTION", prepare: plainTable(), rolledBack: 400,
			loss:   []string{`DO $$ BEGIN DELETE FROM t; RAISE 'no'; EXCEPTION WHEN OTHERS THEN DELETE FROM t WHERE id <= 5; END $$`},
			doomed: map[string]string{"t": "SELECT * FROM t WHERE id <= 5"},
		},
		{name: "rolled back", prepare: plainTable(), loss: []string{"DELETE FROM t"}, end: "ROLLBACK", fails: undelete.ErrRolledBack},
		{
			name: "prepared, then committed", prepare: plainTable(), loss: []string{"DELETE FROM t WHERE id <= 10", "SAVEPOINT a", "DELETE FROM t WHERE id <= 20"},
			end: "PREPARE TRANSACTION 'later'", after: []string{"UPDATE t SET n = 0 WHERE id > 300", "CHECKPOINT", "COMMIT PREPARED 'later'"},
			doomed: map[string]string{"t": "SELECT * FROM t WHERE id <= 20"},
		},
		{
			name: "prepared, then rolled back", prepare: plainTable(), loss: []string{"DELETE FROM t"},
			end: "PREPARE TRANSACTION 'never'", after: []string{"ROLLBACK PREPARED 'never'"}, fails: undelete.ErrRolledBack,
		},
		{
			name: "prepared and undecided", prepare: plainTable(), loss: []string{"DELETE FROM t"},
			end: "PREPARE TRANSACTION 'open'", fails: undelete.ErrUndecided,
		},
	}
}
