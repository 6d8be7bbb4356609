package carve_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/heap/carve"
	"github.com/pgrescue/pgrescue/recover/pg"
	"github.com/pgrescue/pgrescue/testdata"
)

// FuzzScan carves arbitrary bytes for arbitrary columns.
func FuzzScan(f *testing.F) {
	dir := f.TempDir()
	if _, _, err := testdata.UnpackIncident(context.Background(), dir); err != nil {
		f.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "data", "base", "*", "[1-9]*[0-9]"))
	if err != nil {
		f.Fatal(err)
	}
	seeds := 0
	for _, path := range files {
		content, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		if len(content) >= pg.BlockSize && seeds < 24 {
			f.Add(content[:min(len(content), 2*pg.BlockSize)], uint16(seeds*512), "a int, b int, c bytea")
			seeds++
		}
	}
	if seeds < 10 {
		f.Fatalf("only %d files to be seeds", seeds)
	}
	f.Add([]byte("notes"), uint16(0), `"id" uuid, name text[], price numeric(10,2), "char" "char"`)
	f.Fuzz(func(t *testing.T, content []byte, skip uint16, columns string) {
		path := filepath.Join(t.TempDir(), "fuzz.img")
		image := append(make([]byte, int(skip)&^7), content...)
		if err := os.WriteFile(path, image, 0o600); err != nil {
			t.Fatal(err)
		}
		sources := file(t, path)
		survey, err := carve.Look(t.Context(), sources, carve.Options{Step: 8}, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		var pages int64
		for i := range survey.Groups {
			pages += survey.Groups[i].Pages
		}
		if pages != survey.HeapPages || survey.Pages*pg.BlockSize > int64(len(image)) {
			t.Fatalf("%d pages in %d bytes: %+v", survey.Pages, len(image), survey)
		}
		shape, err := carve.ParseColumns(columns, "UTF8")
		if err != nil {
			return
		}
		var rows int64
		result, err := carve.Rows(t.Context(), sources, shape, carve.RowsOptions{Want: carve.WantAll}, evidence.SinkFunc(func(row *evidence.Row) error {
			rows++
			if len(row.Values) != len(shape.Relation.Attributes) {
				t.Fatalf("%d values for %d columns", len(row.Values), len(shape.Relation.Attributes))
			}
			return nil
		}))
		if err != nil || result.Rows != rows {
			t.Fatalf("%d rows, %+v, %v", rows, result, err)
		}
	})
}
