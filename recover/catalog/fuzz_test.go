package catalog_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/pgrescue/pgrescue/recover/catalog"
	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/heap"
	"github.com/pgrescue/pgrescue/recover/pg"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster/clustertest"
)

var update = flag.Bool("update", false, "make the seeds of the fuzz targets anew with a real server")

const (
	controlSeed = "testdata/pg_control"
	relMapSeed  = "testdata/pg_filenode.map"
	pagesSeed   = "testdata/catalog_pages"
)

// seedCatalogs are the catalogs of pagesSeed, one page of each in this order.
var seedCatalogs = []struct {
	oid   pg.RelFileNumber
	name  string
	holds string // what the page must hold; empty: the OID of seed_table
}{
	{1262, "pg_database", "postgres\x00"},
	{1259, "pg_class", "seed_table\x00"},
	{1249, "pg_attribute", "seed_column\x00"},
	{1247, "pg_type", "seed_enum\x00"},
	{2615, "pg_namespace", "seed_schema\x00"},
	{2610, "pg_index", ""},
	{3501, "pg_enum", "seed_label\x00"},
}

// TestSeeds makes the seeds when asked to, and fails when one is missing or does
// not decode.
func TestSeeds(t *testing.T) {
	if *update {
		makeSeeds(t)
	}
	if _, err := catalog.DecodeControl(seed(t, controlSeed)); err != nil {
		t.Error(err)
	}
	if _, err := catalog.DecodeRelMap(seed(t, relMapSeed)); err != nil {
		t.Error(err)
	}
	s, err := readSeedPages(t.Context(), versionDirectory(t), seed(t, pagesSeed))
	if err != nil {
		t.Fatal(err)
	}
	db, err := s.Database("postgres")
	if err != nil {
		t.Fatal(err)
	}
	rel, err := db.Table("seed_schema.seed_table")
	if err != nil {
		t.Fatal(err)
	}
	if len(rel.Attributes) != 2 || len(rel.PrimaryKey) != 1 || rel.Attributes[1].Missing == nil {
		t.Errorf("got %+v", rel)
	}
	labels := 0
	for _, typ := range db.Types {
		labels += len(typ.Labels)
	}
	if labels != 1 {
		t.Errorf("got %d labels, want 1", labels)
	}
}

func seed(t testing.TB, path string) []byte {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil || len(raw) == 0 {
		t.Fatalf("seed: %v; make it with go test -run TestSeeds -update", err)
	}
	return raw
}

// makeSeeds takes the seeds from a stopped cluster.
func makeSeeds(t *testing.T) {
	t.Helper()
	c := clustertest.Start(t, cluster.Options{})
	clustertest.Exec(t, c, "postgres", `CREATE SCHEMA seed_schema; CREATE TYPE seed_enum AS ENUM ('seed_label')`,
		`CREATE TABLE seed_schema.seed_table (id int PRIMARY KEY); ALTER TABLE seed_schema.seed_table ADD seed_column text DEFAULT 'seed'`)
	oid := uint32(number(t, clustertest.Value(t, c, "postgres", "SELECT 'seed_schema.seed_table'::regclass::oid")))
	if err := c.Stop(t.Context(), cluster.Fast); err != nil {
		t.Fatal(err)
	}
	dir := c.DataDir()
	control, relMap := seed(t, filepath.Join(dir, "global", "pg_control")), seed(t, filepath.Join(dir, "base", "5", "pg_filenode.map"))
	var pages []byte
	for _, table := range seedCatalogs {
		raw := seed(t, catalogPath(t, dir, table.name))
		holds := []byte(table.holds)
		if len(holds) == 0 {
			holds = binary.LittleEndian.AppendUint32(nil, oid)
		}
		at := 0
		for i := 0; i < len(raw); i += pg.BlockSize {
			if bytes.Contains(raw[i:i+pg.BlockSize], holds) {
				at = i
			}
		}
		pages = append(pages, raw[at:at+pg.BlockSize]...)
	}
	for path, raw := range map[string][]byte{controlSeed: control[:292], relMapSeed: relMap, pagesSeed: pages} {
		if err := os.WriteFile(path, raw, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// seedPages is a PageSource of one page for each of seedCatalogs.
type seedPages []byte

func (p seedPages) ReadPages(_ context.Context, loc pg.RelFileLocator, visit func(pg.BlockNumber, heap.Page) error) error {
	for i, table := range seedCatalogs {
		if table.oid == loc.Relation && len(p) >= (i+1)*pg.BlockSize {
			return visit(0, heap.Page(bytes.Clone(p[i*pg.BlockSize:(i+1)*pg.BlockSize])))
		}
	}
	return fs.ErrNotExist
}

// versionDirectory makes a data directory of which nothing but the version is left.
func versionDirectory(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "PG_VERSION"), []byte("15\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// readSeedPages reads the catalogs from pages alone: no commit log, no map.
func readSeedPages(ctx context.Context, dir string, pages []byte) (*catalog.Snapshot, error) {
	s, _, err := catalog.Read(ctx, catalog.Options{DataDir: dir, Pages: seedPages(pages), Templates: true})
	return s, err
}

func FuzzDecodeControl(f *testing.F) {
	f.Add(seed(f, controlSeed))
	f.Fuzz(func(t *testing.T, raw []byte) {
		c, err := catalog.DecodeControl(raw)
		if err == nil && (c == nil || len(raw) < 292) {
			t.Errorf("%d bytes decoded to %v", len(raw), c)
		}
		if len(raw) >= 292 { // behind the CRC nothing else may fail badly
			_, _ = catalog.DecodeControl(resum(bytes.Clone(raw), controlCRCOffset))
		}
	})
}

func FuzzDecodeRelMap(f *testing.F) {
	f.Add(seed(f, relMapSeed))
	f.Fuzz(func(t *testing.T, raw []byte) {
		if len(raw) >= 508 {
			raw = resum(bytes.Clone(raw), 504)
		}
		if m, err := catalog.DecodeRelMap(raw); err == nil && len(m) > 64 {
			t.Errorf("%d entries", len(m))
		}
	})
}

// FuzzReadCatalogs damages pages of catalogs. Whatever is read of them must
// survive being written and read again.
func FuzzReadCatalogs(f *testing.F) {
	f.Add(seed(f, pagesSeed), uint32(0), []byte{})
	f.Add(seed(f, pagesSeed), uint32(pg.BlockSize*2+40), []byte{0xFF, 0x01})
	dir := versionDirectory(f)
	f.Fuzz(func(t *testing.T, pages []byte, at uint32, damage []byte) {
		pages = bytes.Clone(pages)
		if int64(at) < int64(len(pages)) {
			copy(pages[at:], damage)
		}
		s, err := readSeedPages(t.Context(), dir, pages)
		if err != nil {
			return
		}
		var file bytes.Buffer
		if err := s.Save(&file); err != nil {
			t.Fatal(err)
		}
		if _, err := catalog.Load(&file); err != nil {
			t.Fatal(err)
		}
		index := catalog.NewIndex(s)
		for i := range s.Databases {
			for j := range s.Databases[i].Relations {
				rel := &s.Databases[i].Relations[j]
				index.ByFile(rel.File)
				if found, err := s.Databases[i].Table(evidence.RelationName{Schema: rel.Schema, Name: rel.Name}.String()); err == nil && found.Name != rel.Name {
					t.Errorf("looked for %s, found %s", rel.QualifiedName(), found.QualifiedName())
				}
			}
		}
	})
}

func FuzzLoad(f *testing.F) {
	var file bytes.Buffer
	if err := sample().Save(&file); err != nil {
		f.Fatal(err)
	}
	f.Add(file.Bytes())
	f.Add([]byte(`{"format": 1}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		s, err := catalog.Load(bytes.NewReader(raw))
		if err != nil {
			return
		}
		var again bytes.Buffer
		if err := s.Save(&again); err != nil {
			t.Fatal(err)
		}
		if _, err := catalog.Load(&again); err != nil {
			t.Fatal(err)
		}
	})
}
