package undelete_test

// columnKinds are losses of columns, whose values are still in the tuples until a rewrite.
func columnKinds() []kind {
	plain := append(plainTable(), "UPDATE t SET n = n + 1 WHERE id % 7 = 0", "DELETE FROM t WHERE id > 390", "VACUUM t")
	return []kind{
		{
			name: "column dropped", prepare: plain, loss: []string{"ALTER TABLE t DROP COLUMN note"},
			doomed: map[string]string{"t (column note)": "SELECT id, note FROM t"},
		},
		{
			name: "column out of line dropped, rows changed since", prepare: plain, loss: []string{"ALTER TABLE t DROP COLUMN wide"},
			doomed: map[string]string{"t (column wide)": "SELECT id, wide FROM t"},
			after:  []string{"UPDATE t SET n = -1 WHERE id % 3 = 0", "DELETE FROM t WHERE id % 5 = 0", "INSERT INTO t VALUES (1000, 1, 'new')", "VACUUM t", "UPDATE t SET n = -2"},
		},
		{
			name: "columns dropped and the table rewritten since", prepare: plain, loss: []string{"ALTER TABLE t DROP COLUMN wide, DROP COLUMN n"},
			doomed: map[string]string{"t (columns n, wide)": "SELECT id, n, wide FROM t"},
			after:  []string{"VACUUM FULL t", "CHECKPOINT", "DROP TABLE IF EXISTS t2"},
		},
		{
			name: "column dropped from a table without a key",
			prepare: []string{
				`CREATE TABLE t (a int, b text, c timestamptz); INSERT INTO t SELECT i, 'b' || i, '2026-01-01Z'::timestamptz + i * interval '1 h' FROM generate_series(1, 300) i`,
			},
			loss: []string{"ALTER TABLE t DROP COLUMN b"}, doomed: map[string]string{"t (column b)": "SELECT * FROM t"},
		},
		{
			name: "type dropped with its columns",
			prepare: []string{
				`CREATE TYPE mood AS ENUM ('sad', 'happy'); CREATE TABLE t (id int PRIMARY KEY, m mood, l mood[])`,
				`INSERT INTO t SELECT i, (ARRAY['sad', 'happy'])[i % 2 + 1]::mood, ARRAY['happy', NULL]::mood[] FROM generate_series(1, 200) i`,
			},
			loss: []string{"DROP TYPE mood CASCADE"}, doomed: map[string]string{"t (columns m, l)": "SELECT * FROM t"},
			after: []string{"VACUUM pg_type", "VACUUM pg_enum", "VACUUM pg_attribute"},
		},
		{
			name: "rows deleted and a column dropped", prepare: plain, loss: []string{"DELETE FROM t WHERE id <= 100", "ALTER TABLE t DROP COLUMN note"},
			doomed: map[string]string{"t (column note)": "SELECT id, note FROM t", "t": "SELECT id, n, wide FROM t WHERE id <= 100"},
		},
		{
			name: "columns retyped with USING", prepare: plain, updated: 390,
			loss:   []string{"ALTER TABLE t ALTER n TYPE int USING n * 2, ALTER wide TYPE int USING length(wide)"},
			doomed: map[string]string{"t (columns n, wide before the rewrite)": "SELECT id, n, wide FROM t"},
			after:  []string{"UPDATE t SET n = 0", "VACUUM t", "VACUUM pg_attribute"},
		},
		{
			name: "column of a partitioned table dropped", prepare: partitionedTable(), loss: []string{"ALTER TABLE p DROP COLUMN note"},
			doomed: map[string]string{
				"p_eu_low (column note)": "SELECT id, region, note FROM p_eu_low", "p_eu_high (column note)": "SELECT id, region, note FROM p_eu_high",
				"p_us (column note)": "SELECT note, region, id FROM p_us", "p_rest (column note)": "SELECT id, region, note FROM p_rest",
			},
		},
	}
}
