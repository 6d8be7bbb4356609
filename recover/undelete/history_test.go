package undelete_test

import (
	"context"
	"path/filepath"
	"slices"
	"testing"

	"github.com/pgrescue/pgrescue/recover/catalog"
	"github.com/pgrescue/pgrescue/recover/pg"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster/clustertest"
	"github.com/pgrescue/pgrescue/recover/undelete"
	"github.com/pgrescue/pgrescue/recover/wal"
	"github.com/pgrescue/pgrescue/recover/wal/xact"
)

// historySQL makes relations with all that a shape needs, and a table of the same
// name in the place of one that was dropped.
const historySQL = `CREATE SCHEMA app;
CREATE TYPE app.mood AS ENUM ('sad', 'ok', 'happy');
CREATE TABLE app.orders (id serial PRIMARY KEY, gone int, m app.mood NOT NULL, note text, price numeric(10,2) DEFAULT 1.5);
ALTER TABLE app.orders DROP COLUMN gone;
ALTER TABLE app.orders ADD COLUMN late int DEFAULT 42;
INSERT INTO app.orders (m, note) SELECT 'ok', 'n' || i FROM generate_series(1, 100) i;
CREATE TABLE kept (id int PRIMARY KEY, t text);
CREATE TABLE again (id int, a text);
CREATE TABLE full_vacuumed (id int, t text);
CREATE TABLE retyped (id int, t text);
ANALYZE app.orders`

// TestCatalogHistory drops and truncates, takes the dead rows out of the catalogs,
// and reads what was there out of the WAL.
func TestCatalogHistory(t *testing.T) {
	t.Parallel()
	c := clustertest.Start(t, cluster.Options{Settings: map[string]string{"wal_keep_size": "1GB"}})
	clustertest.Exec(t, c, "postgres", historySQL)
	rewriteCatalogs(t, c) // so that the files at the time of the drop are neither the first ones nor the last
	clustertest.Exec(t, c, "postgres", "CHECKPOINT")
	before := clustertest.Snapshot(t, c)
	clustertest.Exec(t, c, "postgres", `DROP SCHEMA app CASCADE`)
	clustertest.Exec(t, c, "postgres", `BEGIN; DROP TABLE kept; ROLLBACK`)
	clustertest.Exec(t, c, "postgres", `DROP TABLE again`, `CREATE TABLE again (b date)`)
	clustertest.Exec(t, c, "postgres", `BEGIN; SAVEPOINT a; TRUNCATE kept; RELEASE a; COMMIT`, `VACUUM FULL full_vacuumed`,
		`ALTER TABLE retyped ALTER id TYPE bigint`)
	rewriteCatalogs(t, c)
	if err := c.Stop(t.Context(), cluster.Fast); err != nil {
		t.Fatal(err)
	}
	dir := clustertest.Snapshot(t, c)
	ev, gaps, err := undelete.Open(t.Context(), undelete.Sources{DataDir: dir})
	if err != nil || len(gaps) > 0 {
		t.Fatalf("open: %v, gaps %v", err, gaps)
	}
	defer ev.Close()
	if rel := dropped(ev.Snapshot, "orders"); rel != nil {
		t.Errorf("the vacuumed catalogs still hold %s: this tests nothing", rel.Label())
	}
	if err := ev.ReadHistory(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	checkHistory(t, ev.Snapshot, before)

	drop := schemaDrop(t, ev, dropped(ev.Snapshot, "orders"))
	asOf, gaps, err := ev.CatalogBefore(t.Context(), 0, drop.EndLSN)
	if err != nil || len(gaps) > 0 {
		t.Fatalf("catalog before %d: %v, gaps %v", drop.XID, err, gaps)
	}
	sameTables(t, asOf, before)
}

// rewriteCatalogs gives the catalogs new files without dead rows.
func rewriteCatalogs(t *testing.T, c *cluster.Cluster) {
	t.Helper()
	for _, name := range []string{"pg_attribute", "pg_type", "pg_namespace", "pg_index", "pg_enum", "pg_class"} {
		clustertest.Exec(t, c, "postgres", "VACUUM FULL "+name)
	}
}

// checkHistory looks at what the WAL gave back.
func checkHistory(t *testing.T, s *catalog.Snapshot, before string) {
	t.Helper()
	intact, _, err := catalog.Read(context.Background(), catalog.Options{DataDir: before})
	if err != nil {
		t.Fatal(err)
	}
	was, err := intact.Databases[0].Table("app.orders")
	if err != nil {
		t.Fatal(err)
	}
	got := dropped(s, "orders")
	if got == nil || got.Schema != "app" || got.ColumnsLost != 0 || got.Rows != 100 || got.Pages == 0 {
		t.Fatalf("dropped table is %+v", got)
	}
	if !slices.EqualFunc(got.Attributes, was.Attributes, sameAttribute) || !slices.Equal(got.PrimaryKey, was.PrimaryKey) ||
		got.File != was.File || got.Toast != was.Toast {
		t.Errorf("dropped table is\n%+v\nit was\n%+v", got, was)
	}
	if found, err := s.Databases[0].Table("app.orders"); err != nil || found != got {
		t.Errorf("find the dropped table: %v", err)
	}
	again, err := s.Databases[0].Table("again")
	if err != nil || again.DroppedBy != 0 || len(s.Databases[0].Namesakes(again)) != 1 {
		t.Errorf("the table that is there has to win over the dropped one: %+v, %v", again, err)
	}
	for name, want := range map[string]catalog.FileChange{"kept": {}, "full_vacuumed": {Rewritten: true}, "retyped": {Rewritten: true}} {
		rel, err := s.Databases[0].Table(name)
		if err != nil || len(rel.FileChanges) != 1 || rel.FileChanges[0].Rewritten != want.Rewritten || rel.FileChanges[0].Moved {
			t.Errorf("%s changed its file: %+v, %v", name, rel, err)
		}
	}
	sequences := s.Databases[0].Sequences
	if len(sequences) != 1 || sequences[0].Name != "orders_id_seq" || sequences[0].DroppedBy == 0 {
		t.Errorf("sequences %+v", sequences)
	}
}

func sameAttribute(a, b catalog.Attribute) bool {
	return a.Number == b.Number && a.Name == b.Name && a.Type == b.Type && a.TypeMod == b.TypeMod && a.Dropped == b.Dropped &&
		a.NotNull == b.NotNull && string(a.Missing) == string(b.Missing)
}

// dropped finds a dropped relation by its name.
func dropped(s *catalog.Snapshot, name string) *catalog.Relation {
	for i := range s.Databases {
		for j := range s.Databases[i].Relations {
			if rel := &s.Databases[i].Relations[j]; rel.DroppedBy != 0 && rel.Name == name {
				return rel
			}
		}
	}
	return nil
}

// schemaDrop finds the transaction that dropped a relation.
func schemaDrop(t *testing.T, ev *undelete.Evidence, rel *catalog.Relation) xact.Transaction {
	t.Helper()
	result, err := xact.Collect(t.Context(), ev.Archive, xact.Options{
		Scan: wal.ScanOptions{}, Keep: func(tx *xact.Transaction) bool { return tx.Has(rel.DroppedBy) },
		Counts: func(pg.RelFileLocator) bool { return true },
	})
	if err != nil || len(result.Transactions) != 1 {
		t.Fatalf("transactions %+v, %v", result, err)
	}
	return result.Transactions[0]
}

// sameTables compares relations and types with those of an intact data directory.
func sameTables(t *testing.T, got *catalog.Snapshot, dir string) {
	t.Helper()
	want, _, err := catalog.Read(context.Background(), catalog.Options{DataDir: filepath.Clean(dir)})
	if err != nil {
		t.Fatal(err)
	}
	a, b := &got.Databases[0], &want.Databases[0]
	if len(a.Relations) != len(b.Relations) {
		t.Fatalf("%d relations before the drop, there were %d", len(a.Relations), len(b.Relations))
	}
	for i := range a.Relations {
		if x, y := &a.Relations[i], &b.Relations[i]; x.Label() != y.Label() || x.File != y.File || !slices.EqualFunc(x.Attributes, y.Attributes, sameAttribute) {
			t.Errorf("before the drop\n%+v\nthere was\n%+v", x, y)
		}
	}
	if !slices.EqualFunc(a.Types, b.Types, func(x, y catalog.Type) bool { return x.Name == y.Name && slices.Equal(x.Labels, y.Labels) }) {
		t.Errorf("types %+v, there were %+v", a.Types, b.Types)
	}
}
