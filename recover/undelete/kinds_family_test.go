package undelete_test

// partitionedTable has leaves at two depths, one of them with its columns in
// another order and with one that was dropped.
func partitionedTable() []string {
	return []string{
		`CREATE TABLE p (id int, region text, note text, PRIMARY KEY (id, region)) PARTITION BY LIST (region);
		CREATE TABLE p_eu PARTITION OF p FOR VALUES IN ('eu') PARTITION BY RANGE (id);
		CREATE TABLE p_eu_low PARTITION OF p_eu FOR VALUES FROM (0) TO (500);
		CREATE TABLE p_eu_high PARTITION OF p_eu FOR VALUES FROM (500) TO (10000);
		CREATE TABLE p_us (note text, gone int, region text NOT NULL, id int NOT NULL); ALTER TABLE p_us DROP COLUMN gone;
		ALTER TABLE p ATTACH PARTITION p_us FOR VALUES IN ('us'); CREATE TABLE p_rest PARTITION OF p DEFAULT`,
		`INSERT INTO p SELECT i, (ARRAY['eu', 'us', 'asia'])[i % 3 + 1], CASE WHEN i % 10 = 0 THEN ` + wideOf(80) + ` ELSE 'n' || i END FROM generate_series(1, 900) i`,
		"CHECKPOINT",
	}
}

// familyKinds are losses in partitioned tables and in tables that inherit.
func familyKinds() []kind {
	return []kind{
		{
			name: "partitioned", prepare: partitionedTable(), loss: []string{"DELETE FROM p WHERE id % 2 = 0"},
			doomed: map[string]string{
				"p_eu_low": "SELECT * FROM p_eu_low WHERE id % 2 = 0", "p_eu_high": "SELECT * FROM p_eu_high WHERE id % 2 = 0",
				"p_us": "SELECT * FROM p_us WHERE id % 2 = 0", "p_rest": "SELECT * FROM p_rest WHERE id % 2 = 0",
			},
			after: []string{"VACUUM p_us"},
		},
		{
			name: "rows moved to other partitions", prepare: partitionedTable(), updated: 600,
			loss: []string{"UPDATE p SET region = 'us' WHERE region = 'eu'", "UPDATE p SET note = 'x' WHERE region = 'asia'"},
			doomed: map[string]string{
				"p_eu_low": "SELECT * FROM p_eu_low", "p_eu_high": "SELECT * FROM p_eu_high", "p_rest": "SELECT * FROM p_rest",
			},
			after: []string{"VACUUM p_eu_low"},
		},
		{
			name: "rows moved twice", prepare: partitionedTable(), updated: 600, made: 300,
			loss:   []string{"UPDATE p SET region = 'us' WHERE region = 'asia'", "UPDATE p SET region = 'eu' WHERE region = 'us' AND note <> '' AND id % 3 = 2"},
			doomed: map[string]string{"p_rest": "SELECT * FROM p_rest"},
		},
		{
			name: "inherited",
			prepare: []string{
				`CREATE TABLE city (name text, people int); CREATE TABLE capital (country text) INHERITS (city);
				INSERT INTO city SELECT 'c' || i, i FROM generate_series(1, 100) i; INSERT INTO capital SELECT 'k' || i, i, 'x' FROM generate_series(1, 50) i`,
			},
			loss:   []string{"DELETE FROM city"},
			doomed: map[string]string{"city": "SELECT * FROM ONLY city", "capital": "SELECT * FROM capital"},
		},
	}
}
