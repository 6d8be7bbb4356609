package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/pg"
	"github.com/pgrescue/pgrescue/recover/undelete"
	"github.com/pgrescue/pgrescue/testdata"
)

// TestTrailIsEnough rescues the incident, copies only the files that the trail
// names, and rescues from those: the balance and the rows must be the same, so
// nothing that counted is left out of the trail.
func TestTrailIsEnough(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	data, err := unpackIncident(t.Context(), folder)
	if err != nil {
		t.Fatal(err)
	}
	trail := new(evidence.Trail)
	rows, balance := rescueWith(t, data, trail)
	copied := filepath.Join(t.TempDir(), "data")
	kinds := make(map[evidence.Kind]int)
	for _, read := range trail.Reads() {
		below, found := strings.CutPrefix(read.Path, data+"/")
		if !found {
			t.Errorf("the trail names %s, which is not below %s", read.Path, data)
			continue
		}
		kinds[read.Kind]++
		if read.Kind == evidence.KindRelation && !strings.Contains(read.Path, "/"+fmt.Sprint(read.Relation.Relation)) {
			t.Errorf("%s is said to be of relation %s", read.Path, read.Relation)
		}
		if size := copyFile(t, read.Path, filepath.Join(copied, below)); size != read.Size {
			t.Errorf("%s has %d bytes, the trail says %d", below, size, read.Size)
		}
	}
	for _, kind := range []evidence.Kind{evidence.KindRelation, evidence.KindWAL, evidence.KindXact, evidence.KindControl, evidence.KindVersion, evidence.KindMap} {
		if kinds[kind] == 0 {
			t.Errorf("the trail names no file of kind %s", kind)
		}
	}
	again, balanceAgain := rescueWith(t, copied, nil)
	if rows == "" || again != rows || !reflect.DeepEqual(balanceAgain, balance) {
		t.Errorf("from the files of the trail alone: %+v, %d bytes of rows; from all: %+v, %d bytes", balanceAgain, len(again), balance, len(rows))
	}
}

// rescueWith gives the lost rows of the incident, and the balance.
func rescueWith(t *testing.T, data string, trail *evidence.Trail) (rows string, total undelete.Balance) {
	t.Helper()
	truth, err := testdata.ReadTruth()
	if err != nil {
		t.Fatal(err)
	}
	ev, _, err := undelete.Open(t.Context(), undelete.Sources{DataDir: data, Databases: []string{truth.Database}, Trail: trail})
	if err != nil {
		t.Fatal(err)
	}
	defer ev.Close()
	loss, err := undelete.Find(t.Context(), ev, undelete.Request{XID: pg.XID(truth.Transaction("retry").XID)})
	if err != nil {
		t.Fatal(err)
	}
	defer loss.Close()
	if err := loss.Settle(t.Context()); err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	w, err := evidence.NewWriter(evidence.FormatJSONL, &text)
	if err != nil {
		t.Fatal(err)
	}
	err = loss.Recover(t.Context(), func(*undelete.Table) (evidence.Sink, error) {
		return evidence.SinkFunc(func(row *evidence.Row) error {
			row.Source = "" // names the folder
			return w.Put(row)
		}), nil
	})
	if err == nil {
		err = w.Flush()
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, table := range loss.Tables() {
		add(&total, &table.Balance)
	}
	return text.String(), total
}

// copyFile copies one file and makes the folders above it; it returns the size.
func copyFile(t *testing.T, from, to string) int64 {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
		t.Fatal(err)
	}
	in, err := os.Open(from)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := os.Create(to)
	if err != nil {
		t.Fatal(err)
	}
	size, err := io.Copy(out, in)
	if err == nil {
		err = out.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return size
}
