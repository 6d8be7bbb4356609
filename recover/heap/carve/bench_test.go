package carve_test

import (
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/heap/carve"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster/clustertest"
)

// BenchmarkScan compares a scan with plain reading, on pages that are full of
// tuples, and on zeros, which most of a disk is.
func BenchmarkScan(b *testing.B) {
	c := clustertest.Start(b, cluster.Options{})
	clustertest.Exec(b, c, "postgres", `CREATE TABLE t (id int, u uuid, name text, price numeric(10,2), at timestamptz);
		INSERT INTO t SELECT i, md5(i::text)::uuid, 'name ' || i, i/8.0, now() FROM generate_series(1, 400000) i`, "SELECT count(*) FROM t", "CHECKPOINT")
	heapFile := filepath.Join(c.DataDir(), clustertest.Value(b, c, "postgres", "SELECT pg_relation_filepath('t')"))
	content, err := os.ReadFile(heapFile)
	if err != nil {
		b.Fatal(err)
	}
	images := map[string][]byte{"tuples": append(make([]byte, 512), content...), "zeros": make([]byte, 64<<20)}
	shape, err := carve.ParseColumns("id int, u uuid, name text, price numeric(10,2), at timestamptz", "UTF8")
	if err != nil {
		b.Fatal(err)
	}
	for name, image := range images {
		path := filepath.Join(b.TempDir(), name)
		if err := os.WriteFile(path, image, 0o600); err != nil {
			b.Fatal(err)
		}
		source, err := carve.File(path)
		if err != nil {
			b.Fatal(err)
		}
		sources := []carve.Source{source}
		b.Run("read/"+name, func(b *testing.B) {
			b.SetBytes(int64(len(image)))
			buffer := make([]byte, 1<<20)
			for b.Loop() {
				f, err := os.Open(path)
				if err != nil {
					b.Fatal(err)
				}
				for err == nil {
					_, err = f.Read(buffer)
				}
				f.Close()
				if err != io.EOF {
					b.Fatal(err)
				}
			}
		})
		b.Run("survey/"+name, func(b *testing.B) {
			b.SetBytes(int64(len(image)))
			for b.Loop() {
				if _, err := carve.Look(b.Context(), sources, carve.Options{}, nil, nil); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run("rows/"+name, func(b *testing.B) {
			b.SetBytes(int64(len(image)))
			for b.Loop() {
				if _, err := carve.Rows(b.Context(), sources, shape, carve.RowsOptions{}, evidence.SinkFunc(func(*evidence.Row) error { return nil })); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
