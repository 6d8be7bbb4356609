package heap_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/pgrescue/pgrescue/recover/heap"
	"github.com/pgrescue/pgrescue/recover/pg"
	"github.com/pgrescue/pgrescue/testdata"
)

// transactionFiles are the files that tell how transactions ended, as the fuzzer fills them.
func transactionFiles(dir string) []string {
	return []string{
		filepath.Join(dir, "pg_xact", "0000"), filepath.Join(dir, "pg_subtrans", "0000"),
		filepath.Join(dir, "pg_multixact", "offsets", "0000"), filepath.Join(dir, "pg_multixact", "members", "0000"),
	}
}

// FuzzTransactionFiles asks arbitrary commit logs and multixacts about transactions:
// an answer is one that exists, and a list of members no longer than the files.
func FuzzTransactionFiles(f *testing.F) {
	dir := f.TempDir()
	if _, _, err := testdata.UnpackIncident(context.Background(), dir); err != nil {
		f.Fatal(err)
	}
	var seed [4][]byte
	for i, path := range transactionFiles(filepath.Join(dir, "data")) {
		content, err := os.ReadFile(path)
		if err != nil && i != 1 { // the incident kept no pg_subtrans
			f.Fatal(err)
		}
		seed[i] = content
	}
	f.Add(seed[0], seed[1], seed[2], seed[3], uint32(1516))
	f.Add(seed[0][:100], []byte{1, 0, 0, 0}, seed[2][:64], seed[3][:40], uint32(2))
	f.Fuzz(func(t *testing.T, xact, subtrans, offsets, members []byte, id uint32) {
		dir := t.TempDir()
		for i, content := range [][]byte{xact, subtrans, offsets, members} {
			path := transactionFiles(dir)[i]
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, content, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		log, err := heap.DataDir{Path: dir}.OpenXactLog()
		if err != nil {
			t.Fatal(err)
		}
		if status := log.Status(pg.XID(id)); status > heap.XactUnknown {
			t.Errorf("transaction %d has status %d", id, status)
		}
		if parents, err := (heap.DataDir{Path: dir}).OpenSubTrans(); err == nil { // a circle of parents has to end
			parents.Top(pg.XID(id))
		}
		multi, err := heap.DataDir{Path: dir}.OpenMultiXact()
		if err != nil {
			t.Fatal(err)
		}
		list, err := multi.Members(pg.XID(id))
		if err == nil && len(list) > len(members)/4 {
			t.Errorf("%d members in %d bytes", len(list), len(members))
		}
		if _, err := multi.Updater(pg.XID(id)); err == nil && list == nil {
			t.Error("an updater among no members")
		}
	})
}
