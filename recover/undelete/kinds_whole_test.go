package undelete_test

import (
	"context"
	"testing"

	"github.com/pgrescue/pgrescue/recover/pitr/cluster"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster/clustertest"
	"github.com/pgrescue/pgrescue/recover/undelete"
)

// lived is a table with a past: rows in every form of storage, some updated, some
// deleted, some that were rolled back, some merely locked.
func lived(name string) []string {
	return []string{
		"CREATE TABLE " + name + " (id int PRIMARY KEY, n numeric, note text, wide text)",
		"INSERT INTO " + name + " SELECT i, i/8.0, 'note ' || i, " + wideOf(1) + " FROM generate_series(1, 300) i",
		"UPDATE " + name + " SET note = 'later' WHERE id % 5 = 0",
		"DELETE FROM " + name + " WHERE id % 7 = 0",
		"BEGIN; INSERT INTO " + name + " SELECT i, 0, 'never', '' FROM generate_series(1001, 1100) i; DELETE FROM " + name + " WHERE id < 50; ROLLBACK",
		"BEGIN; SELECT * FROM " + name + " WHERE id < 30 FOR UPDATE; COMMIT",
		"BEGIN; SAVEPOINT a; INSERT INTO " + name + " VALUES (2001, 1, 'kept', ''); RELEASE a; SAVEPOINT b; DELETE FROM " + name + " WHERE id < 100; ROLLBACK TO b; COMMIT",
	}
}

func then(first []string, more ...string) []string { return append(first, more...) }

// removalKinds are losses of whole tables.
func removalKinds() []kind {
	all := map[string]string{"t": "SELECT * FROM t"}
	return []kind{
		{name: "truncate", prepare: lived("t"), doomed: all, loss: []string{"TRUNCATE t"}, after: []string{"INSERT INTO t VALUES (1, 1, 'new', '')"}},
		{name: "truncate after a checkpoint", prepare: then(lived("t"), "VACUUM t", "CHECKPOINT", "UPDATE t SET n = 5 WHERE id < 20"), doomed: all, loss: []string{"TRUNCATE t"}},
		{
			name: "truncate, restart identity, cascade",
			prepare: []string{
				"CREATE TABLE p (id serial PRIMARY KEY, t text)", "CREATE TABLE c (id int GENERATED ALWAYS AS IDENTITY, p int REFERENCES p)",
				"INSERT INTO p (t) SELECT 'p' || i FROM generate_series(1, 100) i", "INSERT INTO c (p) SELECT i FROM generate_series(1, 100) i",
			},
			doomed: map[string]string{"p": "SELECT * FROM p", "c": "SELECT * FROM c"}, loss: []string{"TRUNCATE p RESTART IDENTITY CASCADE"},
		},
		{
			name: "drop table and its type",
			prepare: then([]string{"CREATE TYPE mood AS ENUM ('sad', 'o''k')"}, then(lived("t"),
				"ALTER TABLE t DROP COLUMN n", "ALTER TABLE t ADD COLUMN m mood DEFAULT 'o''k'", "INSERT INTO t (id, m) VALUES (5001, 'sad')")...),
			doomed: all, loss: []string{"DROP TABLE t", "DROP TYPE mood"},
		},
		{
			name: "drop schema cascade",
			prepare: []string{
				"CREATE SCHEMA gone", "CREATE TYPE gone.mood AS ENUM ('a', 'b')", "CREATE DOMAIN gone.small AS int CHECK (VALUE < 1000)",
				"CREATE TYPE gone.pair AS (i int, m gone.mood)", "CREATE TYPE gone.span AS RANGE (subtype = int)",
				"CREATE TABLE gone.x (id gone.small PRIMARY KEY, m gone.mood[], j jsonb, p gone.pair, r gone.span)", "CREATE TABLE gone.y (t text)",
				"INSERT INTO gone.x SELECT i, '{a,b}', jsonb_build_object('i', i), (i, 'b'::gone.mood)::gone.pair, gone.span(i, i + 5) FROM generate_series(1, 200) i",
				"INSERT INTO gone.y SELECT " + wideOf(1) + " FROM generate_series(1, 20) i",
			},
			doomed: map[string]string{"gone.x": "SELECT * FROM gone.x", "gone.y": "SELECT * FROM gone.y"},
			loss:   []string{"DROP SCHEMA gone CASCADE"},
		},
		{name: "delete of some, then truncate", prepare: lived("t"), doomed: all, loss: []string{"DELETE FROM t WHERE id < 100", "TRUNCATE t"}},
		{
			name: "update and insert, then drop", prepare: lived("t"), doomed: all, updated: 1, made: 11,
			loss: []string{"UPDATE t SET n = 0 WHERE id = 3", "INSERT INTO t (id) SELECT i FROM generate_series(9001, 9010) i", "DROP TABLE t"},
		},
		{
			name: "truncate twice in one transaction", prepare: lived("t"), doomed: all,
			loss: []string{"TRUNCATE t", "INSERT INTO t (id) SELECT i FROM generate_series(1, 10) i", "TRUNCATE t"},
		},
		{
			name: "truncate twice, under savepoints", prepare: lived("t"), doomed: all, made: 10,
			loss: []string{"SAVEPOINT a", "TRUNCATE t", "INSERT INTO t (id) SELECT i FROM generate_series(1, 10) i", "RELEASE a", "SAVEPOINT b", "TRUNCATE t", "RELEASE b"},
		},
		{name: "drop under a savepoint", prepare: lived("t"), doomed: all, loss: []string{"SAVEPOINT a", "DROP TABLE t", "RELEASE a"}},
		{name: "drop, and another table of the name", prepare: lived("t"), doomed: all, loss: []string{"DROP TABLE t"}, after: []string{"CREATE TABLE t (other date)", "DROP TABLE t", "CREATE TABLE t (third uuid)"}},
		{name: "truncate, and dropped later", prepare: lived("t"), doomed: all, loss: []string{"TRUNCATE t"}, after: []string{"INSERT INTO t VALUES (1, 1, 'new', '')", "DROP TABLE t"}},
		{
			name: "truncate of a partitioned table",
			prepare: []string{
				"CREATE TABLE m (k int, v text) PARTITION BY RANGE (k)", "CREATE TABLE m1 PARTITION OF m FOR VALUES FROM (0) TO (100)",
				"CREATE TABLE m2 PARTITION OF m FOR VALUES FROM (100) TO (200)", "INSERT INTO m SELECT i, 'v' || i FROM generate_series(50, 149) i",
			},
			doomed: map[string]string{"m1": "SELECT * FROM m1", "m2": "SELECT * FROM m2"}, loss: []string{"TRUNCATE m"},
		},
		{name: "made, filled and dropped at once", made: 10, loss: []string{"CREATE TABLE t (id int)", "INSERT INTO t SELECT generate_series(1, 10)", "DROP TABLE t"}},
		{name: "drop that is rolled back", prepare: lived("t"), loss: []string{"DROP TABLE t"}, end: "ROLLBACK", fails: undelete.ErrRolledBack},
		{name: "truncate that is rolled back", prepare: lived("t"), loss: []string{"TRUNCATE t"}, end: "ROLLBACK", fails: undelete.ErrRolledBack},
		{name: "cluster", prepare: lived("t"), loss: []string{"CLUSTER t USING t_pkey"}, fails: undelete.ErrKept},
		{name: "truncate of an empty table", prepare: []string{"CREATE TABLE t (id int)"}, loss: []string{"TRUNCATE t"}, fails: undelete.ErrNothingDestroyed},
	}
}

// TestLossOfWholeTables plays them on a server of each version, and rescues when
// the server has written all over: the catalogs are rewritten, the removed files gone.
// Of one version, the server crashes before that, and is rescued as it lies too.
func TestLossOfWholeTables(t *testing.T) {
	t.Parallel()
	clustertest.EachVersion(t, func(t *testing.T, version string) {
		t.Parallel()
		c := clustertest.Start(t, cluster.Options{Version: version, Settings: kindSettings()})
		kinds := playKinds(t, c, version, removalKinds())
		clustertest.Exec(t, c, "postgres", "CREATE TABLE flush_now ()") // a rollback does not write the log out
		if version == clustertest.DefaultVersion {
			crash(t, c, kinds)
		}
		for _, name := range []string{"pg_class", "pg_attribute", "pg_type", "pg_namespace", "pg_index", "pg_enum", "pg_inherits", "pg_range"} {
			clustertest.Exec(t, c, "postgres", "VACUUM FULL "+name)
		}
		rescueKinds(t, c, kinds)
	})
}

// crash stops the server at once, rescues from what lies there, and starts it again.
func crash(t *testing.T, c *cluster.Cluster, kinds []played) {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	if err := c.Crash(ctx); err != nil {
		t.Fatal(err)
	}
	crashed := clustertest.Snapshot(t, c)
	if err := c.Start(ctx); err != nil {
		t.Fatal(err)
	}
	t.Run("crashed", func(t *testing.T) { rescueKindsFrom(t, crashed, kinds) })
}
