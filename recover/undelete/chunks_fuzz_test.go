package undelete

import (
	"context"
	"path/filepath"
	"slices"
	"testing"

	"github.com/pgrescue/pgrescue/recover/pg"
	"github.com/pgrescue/pgrescue/recover/wal"
	"github.com/pgrescue/pgrescue/testdata"
)

// FuzzInsertedTuple decodes arbitrary block data of an insert, as a tuple and as
// a chunk. The seeds are inserts of the demo's WAL, chunks among them.
func FuzzInsertedTuple(f *testing.F) {
	dir := f.TempDir()
	if _, _, err := testdata.UnpackIncident(context.Background(), dir); err != nil {
		f.Fatal(err)
	}
	archive, err := wal.OpenArchive([]string{filepath.Join(dir, "data")}, wal.OpenOptions{})
	if err != nil {
		f.Fatal(err)
	}
	defer archive.Close()
	chunks, others := 0, 0
	err = wal.Scan(context.Background(), archive, wal.ScanOptions{Workers: 1, Rmgrs: wal.Rmgrs(wal.RmgrHeap)},
		func() *int { return new(int) },
		func(_ *int, rec *wal.Record) error {
			if rec.HeapOp() != wal.HeapInsert || len(rec.Blocks) == 0 || len(rec.Blocks[0].Data) == 0 {
				return nil
			}
			count := &others
			if tuple, ok := insertedTuple(rec.Blocks[0].Data); ok && tuple.Natts() == 3 {
				if _, seq, data, ok := decodeChunk(toastTable{}, &tuple); ok && seq < 100 && len(data) > 500 {
					count = &chunks
				}
			}
			if *count++; *count <= 4 {
				f.Add(slices.Clone(rec.Blocks[0].Data))
			}
			return nil
		}, func(*int, *wal.Span) error { return nil })
	if err != nil {
		f.Fatal(err)
	}
	if chunks == 0 || others == 0 {
		f.Fatalf("%d chunks and %d other inserts to be seeds", chunks, others)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		tuple, ok := insertedTuple(data)
		if !ok {
			return
		}
		key, _, chunk, ok := decodeChunk(toastTable{1, 2}, &tuple)
		if ok && (len(chunk) > len(data) || key.toast != 2 || key.database != pg.OID(1)) {
			t.Fatalf("chunk of %d bytes in %d, key %+v", len(chunk), len(data), key)
		}
	})
}
