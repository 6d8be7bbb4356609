package catalog_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pgrescue/pgrescue/recover/catalog"
	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/heap"
	"github.com/pgrescue/pgrescue/recover/pg"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster/clustertest"
)

// change edits a file of a data directory.
func change(t *testing.T, path string, edit func(raw []byte) []byte) {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, edit(raw), 0o600); err != nil {
		t.Fatal(err)
	}
}

func remove(t *testing.T, path string) {
	t.Helper()
	if err := os.RemoveAll(path); err != nil {
		t.Fatal(err)
	}
}

// catalogPath finds a catalog's file in the database postgres (OID 5).
func catalogPath(t *testing.T, dir, name string) string {
	t.Helper()
	files, err := catalog.CatalogFiles(t.Context(), heap.DataDir{Path: dir}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for loc, table := range files {
		path, err := heap.RelationPath(dir, loc)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(path); err == nil && table == name && (loc.Database == 5 || loc.Database == 0) {
			return path
		}
	}
	t.Fatalf("no file of %s", name)
	return ""
}

// copyCatalogs copies what Read needs of a data directory, and nothing else.
func copyCatalogs(t *testing.T, from string) string {
	t.Helper()
	dir := t.TempDir()
	files, err := catalog.CatalogFiles(t.Context(), heap.DataDir{Path: from}, nil)
	if err != nil {
		t.Fatal(err)
	}
	names := []string{"PG_VERSION", "global/pg_control", "global/pg_filenode.map", "pg_xact/0000", "pg_multixact/offsets/0000", "pg_multixact/members/0000"}
	for loc := range files {
		path, err := heap.RelationPath("", loc)
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, path, filepath.Join(filepath.Dir(path), "pg_filenode.map"))
	}
	for _, name := range names {
		raw, err := os.ReadFile(filepath.Join(from, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue // a catalog that moved leaves its first number behind
		}
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, raw, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// pageWithout finds a page that does not hold a text, by its place in the file.
func pageWithout(t *testing.T, raw []byte, text string) int {
	t.Helper()
	for at := 0; at < len(raw); at += pg.BlockSize {
		if !bytes.Contains(raw[at:at+pg.BlockSize], []byte(text)) {
			return at
		}
	}
	t.Fatalf("every page holds %q", text)
	return 0
}

func TestReadDamaged(t *testing.T) {
	t.Parallel()
	c := clustertest.Start(t, cluster.Options{Initdb: []string{"--data-checksums", "--wal-segsize=1"}, Settings: map[string]string{"max_wal_size": "2MB"}})
	clustertest.Exec(t, c, "postgres", "CREATE DATABASE second STRATEGY file_copy", "CREATE TYPE mood AS ENUM ('sad')", "CREATE TABLE kept (id int PRIMARY KEY, m mood)",
		"CREATE TABLE filler AS SELECT 1", "VACUUM FULL pg_class")
	clustertest.Exec(t, c, "second", "CREATE TABLE elsewhere (a int)")
	if err := c.Stop(t.Context(), cluster.Fast); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name   string
		damage func(t *testing.T, dir string)
		gap    string // part of a gap
		err    string // part of the error; then nothing was read
		lost   bool   // the database postgres is not in the snapshot
	}{
		{"none", func(*testing.T, string) {}, "", "", false},
		{"flipped bit in pg_class", func(t *testing.T, dir string) {
			change(t, catalogPath(t, dir, "pg_class"), func(raw []byte) []byte { raw[8191] ^= 1; return raw })
		}, "block 0: page does not match its checksum", "", false},
		{"broken page header in pg_class", func(t *testing.T, dir string) {
			change(t, catalogPath(t, dir, "pg_class"), func(raw []byte) []byte {
				copy(raw[pageWithout(t, raw, "kept\x00")+8:], "garbagegarbagega")
				return raw
			})
		}, "page header says", "", false},
		{"broken tuples in pg_attribute", func(t *testing.T, dir string) {
			change(t, catalogPath(t, dir, "pg_attribute"), func(raw []byte) []byte { raw[24], raw[25] = 0xFF, 0xFF; return raw })
		}, "tuple (0,1)", "", false},
		{"torn end of pg_attribute", func(t *testing.T, dir string) {
			change(t, catalogPath(t, dir, "pg_attribute"), func(raw []byte) []byte { return append(raw, 1, 2, 3) })
		}, "file ends after 3", "", false},
		{"zeroed page in pg_type", func(t *testing.T, dir string) {
			change(t, catalogPath(t, dir, "pg_type"), func(raw []byte) []byte { clear(raw[:8192]); return raw })
		}, "block 0: page holds only zeros", "", false},
		{"no pg_class", func(t *testing.T, dir string) { remove(t, catalogPath(t, dir, "pg_class")) }, "database postgres: catalogs", "", true},
		{"no pg_attribute", func(t *testing.T, dir string) { remove(t, catalogPath(t, dir, "pg_attribute")) }, "database postgres: catalogs", "", true},
		{"no pg_enum", func(t *testing.T, dir string) { remove(t, catalogPath(t, dir, "pg_enum")) }, "labels of enums are not known", "", false},
		{"no pg_type", func(t *testing.T, dir string) { remove(t, catalogPath(t, dir, "pg_type")) }, "user types are not known", "", false},
		{"no pg_index", func(t *testing.T, dir string) { remove(t, catalogPath(t, dir, "pg_index")) }, "primary keys are not known", "", false},
		{"no map of moved catalogs", func(t *testing.T, dir string) { remove(t, filepath.Join(dir, "base", "5", "pg_filenode.map")) }, "taken to be the numbers that initdb gave", "", true},
		{"no pg_database", func(t *testing.T, dir string) { remove(t, filepath.Join(dir, "global", "1262")) }, "named by the OID of their directory", "", true},
		{"no pg_control", func(t *testing.T, dir string) { remove(t, filepath.Join(dir, "global", "pg_control")) }, "control file", "", false},
		{"no PG_VERSION", func(t *testing.T, dir string) { remove(t, filepath.Join(dir, "PG_VERSION")) }, "version was taken from pg_control", "", false},
		{"neither of them", func(t *testing.T, dir string) {
			remove(t, filepath.Join(dir, "PG_VERSION"))
			remove(t, filepath.Join(dir, "global", "pg_control"))
		}, "", "read version", true},
		{"another version", func(t *testing.T, dir string) {
			change(t, filepath.Join(dir, "PG_VERSION"), func([]byte) []byte { return []byte("99\n") })
		}, "version was taken from pg_control", "", false},
		{"unknown version", func(t *testing.T, dir string) {
			change(t, filepath.Join(dir, "PG_VERSION"), func([]byte) []byte { return []byte("99\n") })
			remove(t, filepath.Join(dir, "global", "pg_control"))
		}, "", "PostgreSQL 99 are not supported", true},
		{"no pg_xact", func(t *testing.T, dir string) { remove(t, filepath.Join(dir, "pg_xact")) }, "hint bits decide", "", false},
		{"no pg_multixact", func(t *testing.T, dir string) { remove(t, filepath.Join(dir, "pg_multixact")) }, "multixacts", "", false},
		{"no databases at all", func(t *testing.T, dir string) { remove(t, filepath.Join(dir, "base")) }, "", "no database can be read", true},
		{"nothing", func(t *testing.T, dir string) { remove(t, dir) }, "", "no such file", true},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			dir := copyCatalogs(t, c.DataDir())
			test.damage(t, dir)
			s, gaps, err := catalog.Read(t.Context(), catalog.Options{DataDir: dir})
			if test.err != "" {
				if err == nil || !strings.Contains(err.Error(), test.err) {
					t.Fatalf("got %v, want %q", err, test.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			checkGaps(t, gaps, test.gap)
			db, err := s.Database("postgres")
			if (err != nil) != test.lost {
				t.Fatalf("database postgres: %v", err)
			}
			if err == nil {
				rel, err := db.Table("kept")
				if err != nil {
					t.Fatal(err)
				}
				if len(rel.Attributes) != 2 {
					t.Errorf("kept has %d columns, want 2", len(rel.Attributes))
				}
			}
		})
	}
}

// checkGaps wants a gap with the text in it, or no gap.
func checkGaps(t *testing.T, gaps []evidence.Gap, want string) {
	t.Helper()
	var texts []string
	for _, gap := range gaps {
		texts = append(texts, gap.String())
	}
	all := strings.Join(texts, "\n")
	if want == "" && all != "" || !strings.Contains(all, want) {
		t.Errorf("gaps: got\n%s\nwant %q", all, want)
	}
}

// A transaction without an outcome on disk: its catalog rows do not count,
// unless another source knows that it committed.
func TestReadStatus(t *testing.T) {
	t.Parallel()
	c := clustertest.Start(t, cluster.Options{})
	clustertest.Exec(t, c, "postgres", "CREATE TABLE before (id int)", "CREATE TABLE truncated (id int)", "CREATE TABLE gone (id int)")
	ctx := context.WithoutCancel(t.Context())
	conn, err := c.Connect(ctx, "postgres")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	var xid uint32
	for _, sql := range []string{
		"BEGIN", "ALTER TABLE before RENAME TO after", "ALTER TABLE after ADD extra int", "CREATE TABLE fresh (id int)", "TRUNCATE truncated", "DROP TABLE gone",
	} {
		if _, err := conn.Exec(ctx, sql); err != nil {
			t.Fatal(err)
		}
	}
	if err := conn.QueryRow(ctx, "SELECT pg_current_xact_id()::text::bigint").Scan(&xid); err != nil {
		t.Fatal(err)
	}
	clustertest.Exec(t, c, "postgres", "CHECKPOINT")
	dir := clustertest.Snapshot(t, c)
	committed := func(x pg.XID) heap.XactStatus {
		if x == pg.XID(xid) {
			return heap.XactCommitted
		}
		return heap.XactUnknown
	}
	var files []pg.RelFileLocator
	for _, test := range []struct {
		status catalog.XactStatusFunc
		want   string
	}{{nil, "before/1 gone/1 truncated/1"}, {committed, "after/2 fresh/1 gone/1 truncated/1"}} {
		s, gaps, err := catalog.Read(t.Context(), catalog.Options{DataDir: dir, Status: test.status})
		if err != nil || len(gaps) > 0 {
			t.Fatal(err, gaps)
		}
		var names []string
		for _, rel := range s.Databases[0].Relations {
			names = append(names, fmt.Sprintf("%s/%d", rel.Name, len(rel.Attributes)))
			if wantsBy := rel.Name == "gone" && test.status != nil; wantsBy != (rel.DroppedBy == pg.XID(xid)) {
				t.Errorf("%s was dropped by %d", rel.Name, rel.DroppedBy)
			}
		}
		if got := strings.Join(names, " "); got != test.want {
			t.Errorf("got %s, want %s", got, test.want)
		}
		rel, err := s.Databases[0].Table("truncated")
		if err != nil {
			t.Fatal(err)
		}
		if len(rel.FormerFiles) != 1 {
			t.Fatalf("former files of truncated: %v", rel.FormerFiles)
		}
		files = append(files, rel.File, rel.FormerFiles[0])
		if _, found, ok := catalog.NewIndex(s).ByFile(rel.FormerFiles[0]); !ok || found.OID != rel.OID {
			t.Errorf("the former file belongs to %v", found)
		}
	}
	if files[0] != files[3] || files[1] != files[2] {
		t.Errorf("the two files did not change places: %v", files)
	}
}

// replaced is a PageSource that knows more than the files: one relation has
// other pages, another exists although its file does not.
type replaced struct {
	*catalog.Files
	asked map[pg.RelFileLocator]int
}

func (r *replaced) ReadPages(ctx context.Context, loc pg.RelFileLocator, visit func(pg.BlockNumber, heap.Page) error) error {
	r.asked[loc]++
	return r.Files.ReadPages(ctx, loc, visit)
}

func TestCatalogFilesAndPageSource(t *testing.T) {
	t.Parallel()
	c := clustertest.Start(t, cluster.Options{})
	clustertest.Exec(t, c, "postgres", "CREATE DATABASE second", "VACUUM FULL pg_namespace", "VACUUM FULL pg_class", "VACUUM FULL pg_database")
	want := map[string]string{}
	for _, db := range []string{"postgres", "second", "template1"} {
		for _, row := range queryRows(t, c, db, "SELECT pg_relation_filepath(oid), relname FROM pg_class WHERE relname IN ('pg_class', 'pg_attribute', 'pg_type', 'pg_namespace', 'pg_enum', 'pg_index', 'pg_database', 'pg_range', 'pg_proc', 'pg_authid', 'pg_ts_dict')") {
			want[row[0]] = row[1]
		}
	}
	if err := c.Stop(t.Context(), cluster.Fast); err != nil {
		t.Fatal(err)
	}
	files, err := catalog.CatalogFiles(t.Context(), heap.DataDir{Path: c.DataDir()}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for loc, name := range files {
		path, err := heap.RelationPath("", loc)
		if err != nil {
			t.Fatal(err)
		}
		if want[path] == name {
			delete(want, path)
		}
	}
	if len(want) > 0 {
		t.Errorf("not found: %v", want)
	}
	source := &replaced{Files: catalog.NewFiles(heap.DataDir{Path: c.DataDir()}, false), asked: map[pg.RelFileLocator]int{}}
	if _, gaps, err := catalog.Read(t.Context(), catalog.Options{DataDir: c.DataDir(), Pages: source}); err != nil || len(gaps) > 0 {
		t.Fatal(err, gaps)
	}
	if len(source.asked) != 19 { // nine catalogs of two databases, and pg_database
		t.Errorf("asked for %d files: %v", len(source.asked), source.asked)
	}
	for loc := range source.asked {
		if files[loc] == "" {
			t.Errorf("read %s, which CatalogFiles does not name", loc)
		}
	}
	err = source.ReadPages(t.Context(), pg.RelFileLocator{Tablespace: pg.DefaultTablespace, Database: 5, Relation: 1}, nil)
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing file: got %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := catalog.Read(ctx, catalog.Options{DataDir: c.DataDir()}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: got %v", err)
	}
}
