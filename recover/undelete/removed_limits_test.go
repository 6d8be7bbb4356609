package undelete_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pgrescue/pgrescue/recover/catalog"
	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/pg"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster/clustertest"
	"github.com/pgrescue/pgrescue/recover/undelete"
	"github.com/pgrescue/pgrescue/recover/wal"
)

// playLimits plays losses on a server whose settings leave the WAL without what a
// whole table needs.
func playLimits(t *testing.T, settings map[string]string, kinds []kind) (c *cluster.Cluster, all []played) {
	t.Helper()
	for name, value := range kindSettings() {
		if _, set := settings[name]; !set {
			settings[name] = value
		}
	}
	c = clustertest.Start(t, cluster.Options{Settings: settings})
	return c, playKinds(t, c, clustertest.DefaultVersion, kinds)
}

// stopped gives a copy of the data directory after an ordinary stop.
func stopped(t *testing.T, c *cluster.Cluster) string {
	t.Helper()
	if err := c.Stop(t.Context(), cluster.Fast); err != nil {
		t.Fatal(err)
	}
	return clustertest.Snapshot(t, c)
}

// findIn finds a loss in a copy.
func findIn(t *testing.T, sources undelete.Sources, xid pg.XID) (*undelete.Loss, error) {
	t.Helper()
	ev, gaps, err := undelete.Open(context.Background(), sources)
	if err != nil {
		t.Fatalf("open: %v, gaps %v", err, gaps)
	}
	t.Cleanup(func() { ev.Close() })
	loss, err := undelete.Find(context.Background(), ev, undelete.Request{XID: xid})
	if loss != nil {
		t.Cleanup(func() { loss.Close() })
	}
	return loss, err
}

func hintOf(err error) string {
	var detail *evidence.Error
	if errors.As(err, &detail) {
		return detail.Hint
	}
	return ""
}

func discard(*undelete.Table) (evidence.Sink, error) { return nil, nil }

// says fails unless the error is of the kind, and its hint has the text.
func says(t *testing.T, name string, err, want error, hint string) {
	t.Helper()
	if !errors.Is(err, want) || !strings.Contains(hintOf(err), hint) {
		t.Errorf("%s: got %v (hint %q), want %v with %q", name, err, hintOf(err), want, hint)
	}
}

// TestWholeTablesUnloggedAndTemporary asks for what never was in the WAL.
func TestWholeTablesUnloggedAndTemporary(t *testing.T) {
	t.Parallel()
	fill := func(kind, name string) []string {
		return []string{"CREATE " + kind + " TABLE " + name + " (id int PRIMARY KEY)", "INSERT INTO " + name + " SELECT generate_series(1, 100)"}
	}
	c, kinds := playLimits(t, map[string]string{}, []kind{
		{name: "unlogged, truncated", prepare: fill("UNLOGGED", "u"), loss: []string{"TRUNCATE u"}},
		{name: "unlogged, dropped", prepare: fill("UNLOGGED", "v"), loss: []string{"DROP TABLE v"}},
		{name: "temporary, dropped", prepare: fill("TEMPORARY", "w"), loss: []string{"DROP TABLE w"}},
		{name: "temporary, deleted", prepare: fill("TEMPORARY", "x"), loss: []string{"DELETE FROM x"}},
		{name: "unlogged, beside a table", prepare: append(fill("UNLOGGED", "u"), fill("", "t")...), loss: []string{"TRUNCATE t, u"}},
	})
	dir := stopped(t, c)
	for _, p := range kinds[:2] {
		_, err := findIn(t, undelete.Sources{DataDir: dir}, p.xid)
		says(t, p.name, err, undelete.ErrFilesRemoved, "the table is unlogged: the WAL has none of its rows")
	}
	for _, p := range kinds[2:4] {
		_, err := findIn(t, undelete.Sources{DataDir: dir}, p.xid)
		says(t, p.name, err, undelete.ErrNothingDestroyed, "temporary")
	}
	loss, err := findIn(t, undelete.Sources{DataDir: dir}, kinds[4].xid)
	if err != nil || loss.Covered || !strings.Contains(loss.Uncovered, "unlogged") || loss.Lines() != 100 {
		t.Errorf("%s: %v, %d lines, covered %t %q", kinds[4].name, err, loss.Lines(), loss.Covered, loss.Uncovered)
	}
}

// TestWholeTablesMinimalWAL: what fills a table in the transaction that made it is
// not in the WAL, and nobody may say that all came back.
func TestWholeTablesMinimalWAL(t *testing.T) {
	t.Parallel()
	c, kinds := playLimits(t, map[string]string{"wal_level": "minimal", "max_wal_senders": "0", "wal_skip_threshold": "0"}, []kind{
		{
			name:    "filled when it was made",
			prepare: []string{"BEGIN; CREATE TABLE t (id int); INSERT INTO t SELECT generate_series(1, 5000); COMMIT"}, loss: []string{"TRUNCATE t"},
		},
		{
			name: "filled later", prepare: []string{"CREATE TABLE t (id int)", "INSERT INTO t SELECT generate_series(1, 5000)"}, loss: []string{"DROP TABLE t"},
		},
	})
	dir := stopped(t, c)
	_, err := findIn(t, undelete.Sources{DataDir: dir}, kinds[0].xid)
	says(t, kinds[0].name, err, undelete.ErrFilesRemoved, "wal_level=minimal")
	loss, err := findIn(t, undelete.Sources{DataDir: dir}, kinds[1].xid)
	if err != nil || loss.Lines() != 5000 || loss.Covered || !strings.Contains(loss.Uncovered, "wal_level=minimal") {
		t.Errorf("%s: %v, %d lines, covered %t %q", kinds[1].name, err, loss.Lines(), loss.Covered, loss.Uncovered)
	}
}

// TestWholeTablesWithoutImages: with full_page_writes off, a table that the WAL
// has from its beginning comes back, and an older one leaves pages unseen.
func TestWholeTablesWithoutImages(t *testing.T) {
	t.Parallel()
	old := []string{"CREATE TABLE t (id int PRIMARY KEY, t text)", "INSERT INTO t SELECT i, repeat('x', 100) FROM generate_series(1, 1000) i", "VACUUM ANALYZE t"}
	c, kinds := playLimits(t, map[string]string{"full_page_writes": "off"}, []kind{{name: "from its beginning", prepare: old, loss: []string{"TRUNCATE t"}}})
	late := playLate(t, c, old, "UPDATE k9.t SET t = 'changed' WHERE id < 10", "TRUNCATE k9.t")
	dir := stopped(t, c)
	loss, err := findIn(t, undelete.Sources{DataDir: dir}, kinds[0].xid)
	if err != nil || loss.Lines() != 1000 || !loss.Covered {
		t.Errorf("%s: %v, %d lines, covered %t %q", kinds[0].name, err, loss.Lines(), loss.Covered, loss.Uncovered)
	}
	_, err = findIn(t, undelete.Sources{DataDir: dir, WAL: walFrom(t, dir, late.from)}, late.xid)
	says(t, "an older table", err, undelete.ErrFilesRemoved, "which the WAL at hand does not have")
}

// lateLoss is a loss of a table that is older than a place of the WAL.
type lateLoss struct {
	xid  pg.XID
	from pg.LSN
}

// playLate makes a table in schema k9, switches to a new segment, and hurts it there.
func playLate(t *testing.T, c *cluster.Cluster, prepare []string, change, loss string) lateLoss {
	t.Helper()
	clustertest.Exec(t, c, "postgres", "CREATE SCHEMA k9")
	clustertest.Exec(t, c, "postgres", append([]string{"SET search_path = k9"}, prepare...)...)
	clustertest.Exec(t, c, "postgres", "CHECKPOINT", "SELECT pg_switch_wal()", "CHECKPOINT")
	var l lateLoss
	var err error
	if l.from, err = c.CurrentLSN(t.Context()); err != nil {
		t.Fatal(err)
	}
	clustertest.Exec(t, c, "postgres", "CHECKPOINT", change)
	l.xid = lose(t, c, loss)
	return l
}

// lose runs a statement in a transaction of its own and gives its id.
func lose(t *testing.T, c *cluster.Cluster, statement string) pg.XID {
	t.Helper()
	conn, err := c.Connect(t.Context(), "postgres")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(t.Context()))
	var xid pg.XID
	for _, text := range []string{"BEGIN", statement, "COMMIT"} {
		if text == "COMMIT" {
			if xid, err = currentXID(t.Context(), conn); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := conn.Exec(t.Context(), text); err != nil {
			t.Fatal(err)
		}
	}
	return xid
}

// walFrom lists the segments of a data directory from the one with an LSN on.
func walFrom(t *testing.T, dir string, from pg.LSN) []string {
	t.Helper()
	archive, err := wal.OpenArchive([]string{dir}, wal.OpenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer archive.Close()
	size := pg.LSN(archive.SegmentSize())
	var paths []string
	for _, s := range archive.Segments() {
		if s.Start >= from&^(size-1) {
			paths = append(paths, s.Path)
		}
	}
	if len(paths) == 0 || len(paths) == len(archive.Segments()) {
		t.Fatalf("%d of %d segments begin at %s or later", len(paths), len(archive.Segments()), from)
	}
	return paths
}

// TestWholeTableOlderThanTheWAL counts to the page what the WAL cannot show.
func TestWholeTableOlderThanTheWAL(t *testing.T) {
	t.Parallel()
	c := clustertest.Start(t, cluster.Options{Settings: kindSettings()})
	// 58 rows a page: those of the first three pages change, and no other page.
	late := playLate(t, c, []string{
		"CREATE TABLE t (id int PRIMARY KEY, t text) WITH (fillfactor = 90)", "INSERT INTO t SELECT i, repeat('x', 98) FROM generate_series(1, 2000) i", "VACUUM ANALYZE t",
	}, "UPDATE k9.t SET t = repeat('y', 98) WHERE (ctid::text::point)[0] < 3 AND (ctid::text::point)[1] < 3", "DROP TABLE k9.t")
	dir := stopped(t, c)
	loss, err := findIn(t, undelete.Sources{DataDir: dir, WAL: walFrom(t, dir, late.from)}, late.xid)
	if err != nil {
		t.Fatal(err)
	}
	if err := loss.Settle(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := loss.Recover(t.Context(), discard); err != nil {
		t.Fatal(err)
	}
	tables := loss.Tables()
	if len(tables) != 1 || loss.Covered {
		t.Fatalf("tables %v, covered %t", tables, loss.Covered)
	}
	b := tables[0].Balance
	if b.Unseen == nil || b.Unseen.Pages-b.Unseen.Unseen != 3 || b.Unseen.EstimatedRows != 2000 || b.Lost == 0 || b.Lost > 3*70 || b.Lost != b.WAL {
		t.Errorf("balance %+v, unseen %+v", b, b.Unseen)
	}
	if !strings.Contains(loss.Uncovered, "an unknown number of rows on") || !strings.Contains(loss.Uncovered, "2000 rows") {
		t.Errorf("uncovered: %q", loss.Uncovered)
	}
}

// TestWholeTablesWithSavedCatalogs has WAL alone, and catalogs that were saved
// before the loss, or after it.
func TestWholeTablesWithSavedCatalogs(t *testing.T) {
	t.Parallel()
	c := clustertest.Start(t, cluster.Options{Settings: kindSettings()})
	clustertest.Exec(t, c, "postgres", append([]string{"CREATE SCHEMA k0", "SET search_path = k0"}, append(lived("t"), "CREATE TABLE u AS SELECT * FROM t", "CREATE TABLE v AS SELECT * FROM t")...)...)
	clustertest.Exec(t, c, "postgres", "CHECKPOINT")
	before := saveCatalogs(t, clustertest.Snapshot(t, c))
	doomed := clustertest.CopyOut(t, c, "postgres", "SELECT * FROM k0.t")
	xids := make(map[string]pg.XID)
	for _, loss := range []string{"TRUNCATE k0.t", "DROP TABLE k0.u", "CLUSTER k0.v USING v_key"} {
		if strings.HasPrefix(loss, "CLUSTER") {
			clustertest.Exec(t, c, "postgres", "CREATE INDEX v_key ON k0.v (id)")
		}
		xids[loss] = lose(t, c, loss)
	}
	clustertest.Exec(t, c, "postgres", "VACUUM FULL pg_class", "VACUUM FULL pg_attribute")
	dir := stopped(t, c)
	for name, want := range map[string]string{"TRUNCATE k0.t": "k0.t (truncated by ", "DROP TABLE k0.u": "k0.u (dropped by "} {
		r := run(t, undelete.Sources{WAL: []string{dir}, CatalogFile: before}, func(*undelete.Evidence) undelete.Request { return undelete.Request{XID: xids[name]} }, true)
		tables := r.loss.Tables()
		if len(tables) != 1 || !strings.HasPrefix(tables[0].Name(), want) {
			t.Fatalf("%s: tables %v", name, tables)
		}
		equalRows(t, name, r.rows[tables[0].Name()], []byte(doomed))
	}
	after := saveCatalogs(t, dir) // without the dead rows: the catalogs were rewritten
	loss, err := findIn(t, undelete.Sources{WAL: []string{dir}, CatalogFile: after}, xids["DROP TABLE k0.u"])
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(loss.Settle(t.Context()), loss.Recover(t.Context(), discard)); err != nil {
		t.Fatal(err)
	}
	for _, table := range loss.Tables() {
		if b := table.Balance; table.Relation != nil || b.Missing != b.Lost || !strings.Contains(b.Reasons[0].Reason, "the catalog at hand does not know the relation") {
			t.Errorf("a snapshot taken after the drop: %s %+v", table.Name(), b)
		}
	}
}

// saveCatalogs writes the catalogs of a data directory to a snapshot file.
func saveCatalogs(t *testing.T, dir string) string {
	t.Helper()
	snapshot, _, err := catalog.Read(context.Background(), catalog.Options{DataDir: dir})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "catalog.json")
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if err := snapshot.Save(file); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestWholeTableInAnOlderCopy has a copy of the data directory from before the
// loss: its file gives the pages that the WAL does not have.
func TestWholeTableInAnOlderCopy(t *testing.T) {
	t.Parallel()
	c := clustertest.Start(t, cluster.Options{Settings: kindSettings()})
	clustertest.Exec(t, c, "postgres", "CREATE TABLE t (id int PRIMARY KEY, t text)", "INSERT INTO t SELECT i, repeat('x', 100) FROM generate_series(1, 2000) i",
		"CHECKPOINT", "SELECT pg_switch_wal()", "CHECKPOINT")
	from, err := c.CurrentLSN(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	copied := clustertest.Snapshot(t, c)
	clustertest.Exec(t, c, "postgres", "UPDATE t SET t = 'changed' WHERE id % 200 = 0", "DELETE FROM t WHERE id = 7")
	doomed := clustertest.CopyOut(t, c, "postgres", "SELECT * FROM t")
	xid := lose(t, c, "DROP TABLE t")
	paths := walFrom(t, stopped(t, c), from)
	r := run(t, undelete.Sources{DataDir: copied, WAL: paths}, func(*undelete.Evidence) undelete.Request { return undelete.Request{XID: xid} }, false)
	tables := r.loss.Tables()
	if len(tables) != 1 || !r.loss.Covered || tables[0].Balance.Heap == 0 || tables[0].Balance.WAL == 0 {
		t.Fatalf("tables %v, covered %t %q", tables, r.loss.Covered, r.loss.Uncovered)
	}
	equalRows(t, "t", r.rows[tables[0].Name()], []byte(doomed))
}
