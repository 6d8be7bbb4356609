package wal_test

import (
	"context"
	"path/filepath"
	"slices"
	"testing"

	"github.com/pgrescue/pgrescue/recover/wal"
	"github.com/pgrescue/pgrescue/testdata"
)

// FuzzRecordBodies decodes arbitrary main data as each record that says what
// became of rows or transactions. The seeds are records of the demo's WAL.
func FuzzRecordBodies(f *testing.F) {
	dir := f.TempDir()
	if _, _, err := testdata.UnpackIncident(context.Background(), dir); err != nil {
		f.Fatal(err)
	}
	archive, err := wal.OpenArchive([]string{filepath.Join(dir, "data")}, wal.OpenOptions{})
	if err != nil {
		f.Fatal(err)
	}
	defer archive.Close()
	type kind struct {
		rmgr wal.RmgrID
		info uint8
	}
	seen := make(map[kind]int)
	err = wal.Scan(context.Background(), archive, wal.ScanOptions{
		Workers: 1, Rmgrs: wal.Rmgrs(wal.RmgrHeap, wal.RmgrHeap2, wal.RmgrXact, wal.RmgrXLOG, wal.RmgrStandby),
	}, func() *int { return new(int) },
		func(_ *int, rec *wal.Record) error {
			k := kind{rec.Rmgr, rec.RmgrInfo()}
			if seen[k]++; seen[k] <= 3 {
				f.Add(uint8(rec.Rmgr), rec.Info, slices.Clone(rec.Main))
			}
			return nil
		}, func(*int, *wal.Span) error { return nil })
	if err != nil {
		f.Fatal(err)
	}
	if seen[kind{wal.RmgrXact, 0x80}]+seen[kind{wal.RmgrXact, 0}] == 0 || len(seen) < 12 {
		f.Fatalf("the seeds are of %d kinds only: %v", len(seen), seen)
	}
	f.Fuzz(func(t *testing.T, rmgr, info uint8, main []byte) {
		rec := wal.Record{Rmgr: wal.RmgrID(rmgr), Info: info, Main: main, XID: 9}
		if _, err := wal.DecodeXact(&rec); err == nil {
			t.Fatal("a record of no version is decoded")
		}
		for _, magic := range []uint16{0xD101, 0xD110, 0xD118} { // three shapes of records
			layout, err := wal.LayoutOf(magic)
			if err != nil {
				t.Fatal(err)
			}
			rec.Layout = layout
			decodeXact(t, &rec)
		}
		if running, ok := wal.DecodeRunningXacts(&rec); ok && len(main) < 20 {
			t.Fatalf("%+v of %d bytes", running, len(main))
		}
		_, _ = wal.DecodeCheckpoint(&rec)
		_ = rec.HeapOp()
		decodeHeap(t, info, main)
	})
}

// decodeXact decodes a record as one of a transaction.
func decodeXact(t *testing.T, rec *wal.Record) {
	t.Helper()
	x, err := wal.DecodeXact(rec)
	if x.Subxacts()*4+len(x.DroppedFiles)*12 > len(rec.Main) {
		t.Fatalf("%d subtransactions and %d files of %d bytes", x.Subxacts(), len(x.DroppedFiles), len(rec.Main))
	}
	for i := range x.Subxacts() {
		x.Subxact(i)
	}
	if err == nil && x.Op <= wal.XactAbortPrepared && len(rec.Main) < 8 {
		t.Fatalf("operation %d of %d bytes", x.Op, len(rec.Main))
	}
	_ = x.Time.Time()
}

// decodeHeap decodes the bytes as each heap record.
func decodeHeap(t *testing.T, info uint8, main []byte) {
	t.Helper()
	for name, test := range map[string]struct {
		err   error
		least int
	}{
		"insert": {second(wal.DecodeHeapInsert(main)), 3},
		"delete": {second(wal.DecodeHeapDelete(main)), 8},
		"update": {second(wal.DecodeHeapUpdate(main)), 14},
		"lock":   {second(wal.DecodeHeapLock(main)), 7},
	} {
		if (test.err == nil) != (len(main) >= test.least) {
			t.Fatalf("%s of %d bytes: %v", name, len(main), test.err)
		}
	}
	m, err := wal.DecodeHeapMultiInsert(main, info)
	if err == nil && info&wal.InitPage == 0 && len(m.Offsets) != 2*int(m.Tuples) {
		t.Fatalf("%d tuples with %d bytes of offsets", m.Tuples, len(m.Offsets))
	}
}

func second[T any](_ T, err error) error { return err }
