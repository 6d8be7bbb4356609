package carve_test

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/pgrescue/pgrescue/recover/catalog"
	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/heap"
	"github.com/pgrescue/pgrescue/recover/heap/carve"
	"github.com/pgrescue/pgrescue/recover/pg"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster/clustertest"
)

const (
	ordersSQL = `CREATE TABLE orders (id int PRIMARY KEY, customer uuid NOT NULL, price numeric(10,2), note text, wide text, tags text[]);
ALTER TABLE orders ALTER COLUMN wide SET STORAGE EXTERNAL;
INSERT INTO orders SELECT i, md5(i::text)::uuid, i/8.0, CASE WHEN i%7 > 0 THEN 'ördered ' || i END,
	CASE WHEN i%20 = 0 THEN repeat(md5(i::text), 400) END, ARRAY['a', i::text] FROM generate_series(1, 3000) i`
	ordersColumns = "id int, customer uuid, price numeric(10,2), note text, wide text, tags text[]"
	// otherSQL are tables that lie on the same disk.
	otherSQL = `CREATE TABLE other (id int, name text); INSERT INTO other SELECT i, 'other ' || i FROM generate_series(1, 5000) i;
CREATE TABLE numbers (a int8, b int8); INSERT INTO numbers SELECT i, i FROM generate_series(1, 5000) i; CREATE SEQUENCE counter`
)

// disk is what is left of a dropped table.
type disk struct {
	dir      string // data directory without the table
	image    string // where its pages lie among others
	want     []byte // its rows, as COPY gave them
	snapshot *catalog.Snapshot
}

// drop makes a table, takes its files aside as the blocks of a disk still hold them,
// drops it, and builds the image of a disk.
func drop(t *testing.T, initdb ...string) *disk {
	t.Helper()
	c := clustertest.Start(t, cluster.Options{Initdb: initdb})
	clustertest.Exec(t, c, "postgres", ordersSQL, otherSQL, "SELECT count(*) FROM orders", "CHECKPOINT")
	d := &disk{want: []byte(clustertest.CopyOut(t, c, "postgres", "SELECT * FROM orders"))}
	files := map[string][]byte{}
	for name, query := range map[string]string{
		"orders": "SELECT pg_relation_filepath('orders')", "pkey": "SELECT pg_relation_filepath('orders_pkey')",
		"toast":   "SELECT pg_relation_filepath(reltoastrelid) FROM pg_class WHERE relname = 'orders'",
		"numbers": "SELECT pg_relation_filepath('numbers')", "other": "SELECT pg_relation_filepath('other')",
		"counter": "SELECT pg_relation_filepath('counter')",
	} {
		content, err := os.ReadFile(filepath.Join(c.DataDir(), clustertest.Value(t, c, "postgres", query)))
		if err != nil {
			t.Fatal(err)
		}
		files[name] = content
	}
	before := clustertest.Snapshot(t, c)
	var err error
	if d.snapshot, _, err = catalog.Read(t.Context(), catalog.Options{DataDir: before}); err != nil {
		t.Fatal(err)
	}
	clustertest.Exec(t, c, "postgres", "DROP TABLE orders", "CHECKPOINT")
	d.dir = clustertest.Snapshot(t, c)
	d.image = image(t, files)
	return d
}

// image lays files out as a disk might: in pieces, at sectors that are no multiple of
// a page, between garbage and zeros, one of them twice.
func image(t *testing.T, files map[string][]byte) string {
	t.Helper()
	random := rand.New(rand.NewPCG(1, 2))
	garbage := func(sectors int) []byte {
		b := make([]byte, sectors*512)
		for i := range b {
			b[i] = byte(random.Uint32())
		}
		return b
	}
	half := len(files["toast"]) / 2 / pg.BlockSize * pg.BlockSize
	content := slices.Concat(
		garbage(777), files["toast"][half:], make([]byte, 1<<20), garbage(1), files["other"], files["pkey"], garbage(3),
		files["orders"], garbage(31), files["numbers"], files["counter"], files["toast"][:half], garbage(5), files["orders"][:3*pg.BlockSize], garbage(2),
	)
	path := filepath.Join(t.TempDir(), "disk.img")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// rowsOf decodes the rows of a shape to COPY text.
func rowsOf(t *testing.T, sources []carve.Source, shape *carve.Shape, opts carve.RowsOptions) ([]byte, *carve.RowsResult, []evidence.Row) {
	t.Helper()
	var out bytes.Buffer
	var rows []evidence.Row
	w, err := evidence.NewWriter(evidence.FormatCopy, &out)
	if err != nil {
		t.Fatal(err)
	}
	result, err := carve.Rows(t.Context(), sources, shape, opts, evidence.SinkFunc(func(row *evidence.Row) error {
		rows = append(rows, row.Clone())
		return w.Put(row)
	}))
	if err == nil {
		err = w.Flush()
	}
	if err != nil {
		t.Fatal(err)
	}
	return out.Bytes(), result, rows
}

func file(t *testing.T, path string) []carve.Source {
	t.Helper()
	source, err := carve.File(path)
	if err != nil {
		t.Fatal(err)
	}
	return []carve.Source{source}
}

func equalLines(t *testing.T, got, want []byte) {
	t.Helper()
	g, w := strings.SplitAfter(string(got), "\n"), strings.SplitAfter(string(want), "\n")
	slices.Sort(g)
	slices.Sort(w)
	if len(g) != len(w) {
		t.Errorf("%d rows, want %d", len(g)-1, len(w)-1)
	}
	for i := range min(len(g), len(w)) {
		if g[i] != w[i] {
			t.Fatalf("first different row\n got %.300q\nwant %.300q", g[i], w[i])
		}
	}
}

func columns(t *testing.T, text string) *carve.Shape {
	t.Helper()
	shape, err := carve.ParseColumns(text, "UTF8")
	if err != nil {
		t.Fatal(err)
	}
	return shape
}

// TestDroppedTableFromImage finds a dropped table on the image of a disk: by the
// columns that a person remembers, and by a catalog that was saved.
func TestDroppedTableFromImage(t *testing.T) {
	t.Parallel()
	d := drop(t, "--data-checksums")
	sources := file(t, d.image)
	shapes := map[string]*carve.Shape{"columns": columns(t, ordersColumns)}
	db, err := d.snapshot.Database("postgres")
	if err != nil {
		t.Fatal(err)
	}
	rel, err := db.Table("orders")
	if err != nil {
		t.Fatal(err)
	}
	shapes["catalog"] = carve.NewShape(db, rel)
	for name, shape := range shapes {
		got, result, rows := rowsOf(t, sources, shape, carve.RowsOptions{})
		if result.InPart+result.Unsound+result.BadLines > 0 || result.Copies < 3 || len(result.Gaps) > 0 {
			t.Errorf("%s: %+v", name, result)
		}
		equalLines(t, got, d.want)
		for i := range rows {
			r := &rows[i]
			if r.Confidence != evidence.Proven || r.LSN == 0 || r.TID.Offset == 0 || !strings.HasPrefix(r.Source, d.image+" at byte ") ||
				r.Note != "found by its looks; that it is a row of this table is not known" {
				t.Fatalf("%s: provenance %+v", name, r.Provenance)
			}
		}
	}
	checkSurvey(t, sources, d.snapshot)
	droppedIsNamed(t, sources, d.dir)
	torn(t, d)
	withoutCatalogs(t, d)
}

// checkSurvey looks at the groups that a scan of the image tells apart.
func checkSurvey(t *testing.T, sources []carve.Source, snapshot *catalog.Snapshot) {
	t.Helper()
	survey, err := carve.Look(t.Context(), sources, carve.Options{}, carve.NewFitter(snapshot), nil)
	if err != nil {
		t.Fatal(err)
	}
	tuples := map[string]int64{}
	for i := range survey.Groups {
		g := &survey.Groups[i]
		if slices.Contains(g.Fits, "postgres:public.orders") {
			tuples["orders"] += g.Tuples
		}
		if slices.Contains(g.Fits, "postgres:public.other") {
			tuples["other"] += g.Tuples
		}
		if g.Shape == "2 attributes, 16 bytes" {
			tuples["numbers"] += g.Tuples
		}
		if g.Torn+g.BadLines+g.NeverVisible > 0 {
			t.Errorf("group %+v", g)
		}
	}
	if tuples["orders"] != 3000 || tuples["other"] != 5000 || tuples["numbers"] != 5000 {
		t.Errorf("%v in groups %+v", tuples, survey.Groups)
	}
	if survey.Index == 0 || survey.Sequences != 1 || survey.Copies < 3 {
		t.Errorf("survey %+v", survey)
	}
}

// droppedIsNamed compares the image with catalogs that know the table from dead rows.
func droppedIsNamed(t *testing.T, sources []carve.Source, dir string) {
	t.Helper()
	snapshot, _, err := catalog.Read(t.Context(), catalog.Options{DataDir: dir})
	if err != nil {
		t.Fatal(err)
	}
	survey, err := carve.Look(t.Context(), sources, carve.Options{}, carve.NewFitter(snapshot), nil)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(survey.Groups, func(g carve.Group) bool {
		return slices.ContainsFunc(g.Fits, func(name string) bool {
			return strings.HasPrefix(name, "postgres:public.orders (dropped by transaction ")
		})
	}) {
		t.Errorf("no group fits the dropped table: %+v", survey.Groups)
	}
}

// torn hurts pages of the image: the second half of one is zeroed, a line pointer of
// another leads nowhere, a chunk is gone. Nothing else may be lost, and all is said.
func torn(t *testing.T, d *disk) {
	t.Helper()
	content, err := os.ReadFile(d.image)
	if err != nil {
		t.Fatal(err)
	}
	var places []int64
	_, _, rows := rowsOf(t, file(t, d.image), columns(t, ordersColumns), carve.RowsOptions{})
	for i := range rows {
		at := int64(0)
		for _, c := range rows[i].Source[strings.LastIndexByte(rows[i].Source, ' ')+1:] {
			at = at*10 + int64(c-'0')
		}
		if !slices.Contains(places, at) {
			places = append(places, at)
		}
	}
	clear(content[places[5]+7000 : places[5]+pg.BlockSize])
	content[places[8]+heap.PageHeaderSize] ^= 0x40
	hurt := filepath.Join(t.TempDir(), "hurt.img")
	if err := os.WriteFile(hurt, content, 0o600); err != nil {
		t.Fatal(err)
	}
	got, result, rows := rowsOf(t, file(t, hurt), columns(t, ordersColumns), carve.RowsOptions{})
	if result.Unsound+result.BadLines == 0 {
		t.Errorf("hurt pages are not told of: %+v", result)
	}
	known := map[string]bool{}
	for _, line := range strings.SplitAfter(string(d.want), "\n") {
		known[line] = true
	}
	wrong := 0
	for _, line := range strings.SplitAfter(string(got), "\n") {
		if !known[line] {
			wrong++
		}
	}
	noted := 0
	for i := range rows {
		if strings.Contains(rows[i].Note, "the page does not match its checksum") {
			noted++
		}
	}
	if lost := len(known) - 1 - int(result.Rows); lost < 0 || lost > 120 || noted == 0 || wrong > noted {
		t.Errorf("%d rows, %d are none of the table's, %d noted: %+v", result.Rows, wrong, noted, result)
	}
}

// withoutCatalogs scans a data directory whose catalogs are gone.
func withoutCatalogs(t *testing.T, d *disk) {
	t.Helper()
	for _, pattern := range []string{"global/*", "base/*/1259", "base/*/1249", "base/*/pg_filenode.map"} {
		paths, err := filepath.Glob(filepath.Join(d.dir, pattern))
		if err != nil || len(paths) == 0 {
			t.Fatalf("%s: %v", pattern, err)
		}
		for _, path := range paths {
			if err := os.RemoveAll(path); err != nil {
				t.Fatal(err)
			}
		}
	}
	sources, gaps, err := carve.DataDir(heap.DataDir{Path: d.dir})
	if err != nil || len(gaps) > 0 {
		t.Fatal(gaps, err)
	}
	got, result, _ := rowsOf(t, sources, columns(t, "a int8, b int8"), carve.RowsOptions{})
	if n := bytes.Count(got, []byte("\n")); n < 5000 || result.Unsound > 0 {
		t.Errorf("%d rows of two int8: %+v", n, result)
	}
	// The dropped table's files are gone from the directory.
	if got, result, _ = rowsOf(t, sources, columns(t, ordersColumns), carve.RowsOptions{}); len(got) != 0 || result.Pages != 0 {
		t.Errorf("%d rows of the dropped table: %+v", result.Rows, result)
	}
}

// TestVersionsOfPages finds a page twice, before and after a change: each version
// gives its rows, with its LSN, and the values that are gone are unknown.
func TestVersionsOfPages(t *testing.T) {
	t.Parallel()
	c := clustertest.Start(t, cluster.Options{})
	read := func() []byte {
		clustertest.Exec(t, c, "postgres", "CHECKPOINT")
		content, err := os.ReadFile(filepath.Join(c.DataDir(), clustertest.Value(t, c, "postgres", "SELECT pg_relation_filepath('small')")))
		if err != nil {
			t.Fatal(err)
		}
		return content
	}
	clustertest.Exec(t, c, "postgres", "CREATE TABLE small (id int, note text)", "INSERT INTO small VALUES (1, 'first'), (2, 'second'), (3, repeat('long', 1))", "SELECT * FROM small")
	first := read()
	clustertest.Exec(t, c, "postgres", "UPDATE small SET note = 'changed' WHERE id = 2", "DELETE FROM small WHERE id = 3", "SELECT * FROM small")
	second := read()
	path := filepath.Join(t.TempDir(), "versions.img")
	if err := os.WriteFile(path, slices.Concat(first, make([]byte, 512), second, first), 0o600); err != nil {
		t.Fatal(err)
	}
	shape := columns(t, "id integer, note character varying(20)")
	for _, test := range []struct {
		want carve.Want
		rows string
	}{
		{carve.WantLive, "1 first,2 second,3 long,1 first,2 changed"},
		{carve.WantDead, "2 second,3 long"},
	} {
		var got []string
		lsns := map[pg.LSN]bool{}
		_, result, rows := rowsOf(t, file(t, path), shape, carve.RowsOptions{Want: test.want})
		for i := range rows {
			got = append(got, string(rows[i].Values[0].Text)+" "+string(rows[i].Values[1].Text))
			lsns[rows[i].LSN] = true
		}
		if strings.Join(got, ",") != test.rows || result.Copies != 1 || test.want == carve.WantLive && len(lsns) != 2 {
			t.Errorf("%v: rows %q, %d LSNs, %+v", test.want, got, len(lsns), result)
		}
	}
}

func TestParseColumns(t *testing.T) {
	t.Parallel()
	shape := columns(t, `id uuid, "Full Name" varchar(20), price numeric(10,2) , at timestamp(3) with time zone, flags bit(3), tags int[], c char, f double precision`)
	var got []string
	for _, a := range shape.Relation.Attributes {
		got = append(got, a.Name)
	}
	if strings.Join(got, "|") != "id|Full Name|price|at|flags|tags|c|f" {
		t.Errorf("columns %q", got)
	}
	for _, text := range []string{"", "id", "id uuid,", "id uuuid", `"id uuid`, "n numeric(a)", "n numeric(10", "id uuid not null"} {
		if _, err := carve.ParseColumns(text, "UTF8"); !errors.Is(err, carve.ErrColumns) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// TestCancelled ends a scan with its context.
func TestCancelled(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "zeros")
	if err := os.WriteFile(path, make([]byte, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := carve.Look(ctx, file(t, path), carve.Options{}, nil, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}
