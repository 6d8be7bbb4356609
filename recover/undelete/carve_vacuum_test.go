package undelete_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/heap"
	"github.com/pgrescue/pgrescue/recover/pg"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster/clustertest"
	"github.com/pgrescue/pgrescue/recover/undelete"
)

// vacuumCase is a loss that a plain VACUUM followed.
type vacuumCase struct {
	name, columns, row string
	doomed             string // condition
	after              []string
	least              int64 // rows that have to come back: those that no survivor was moved onto
}

func vacuumCases() []vacuumCase {
	const names, values = "id int PRIMARY KEY, small int, note text", "i, i % 50, 'note ' || i"
	return []vacuumCase{
		{name: "every_third", columns: names, row: values, doomed: "id % 3 = 0", least: 109},
		{name: "no_index", columns: "id int, small int, note text", row: values, doomed: "id % 3 = 0", least: 109},
		{name: "the_last", columns: names, row: values, doomed: "id > 900", least: 57},
		{name: "the_first", columns: names, row: values, doomed: "id < 60 OR id > 990", least: 10},
		{name: "all_but_one", columns: names, row: values, doomed: "id < 1000", least: 998}, // else VACUUM cuts the file
		{name: "numbers", columns: "id int PRIMARY KEY, a int, b int, c int", row: "i, i % 7, i % 3, i % 5", doomed: "id % 4 < 2", least: 252},
		{name: "short", columns: "id int PRIMARY KEY, a smallint", row: "i, i % 7", doomed: "id % 10 > 0", least: 810},
		{
			name: "used_again", columns: names, row: values, doomed: "id % 2 = 0", least: 172,
			after: []string{"INSERT INTO used_again SELECT i, 0, 'newer ' || i FROM generate_series(5001, 5150) i", "DELETE FROM used_again WHERE id > 5100", "VACUUM used_again"},
		},
	}
}

// TestVacuumedRowsAreCarved deletes rows, lets VACUUM pack the survivors at the end
// of their pages, and reads the free space with nothing to name the rows.
func TestVacuumedRowsAreCarved(t *testing.T) {
	t.Parallel()
	for _, version := range []string{"12", "15", "18"} {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			c := clustertest.Start(t, cluster.Options{Version: version})
			doomed, xids := map[string]string{}, map[string]pg.XID{}
			for _, test := range vacuumCases() {
				clustertest.Exec(t, c, "postgres", fmt.Sprintf("CREATE TABLE %s (%s); INSERT INTO %[1]s SELECT %[3]s FROM generate_series(1, 1000) i", test.name, test.columns, test.row))
				doomed[test.name] = clustertest.CopyOut(t, c, "postgres", "SELECT * FROM "+test.name+" WHERE "+test.doomed)
				var xid uint32
				if _, err := fmt.Sscan(clustertest.Value(t, c, "postgres", "DELETE FROM "+test.name+" WHERE "+test.doomed+"; SELECT txid_current()"), &xid); err != nil {
					t.Fatal(err)
				}
				xids[test.name] = pg.XID(xid)
				clustertest.Exec(t, c, "postgres", "VACUUM "+test.name)
				clustertest.Exec(t, c, "postgres", test.after...)
			}
			if err := c.Stop(t.Context(), cluster.Fast); err != nil {
				t.Fatal(err)
			}
			dir := clustertest.Snapshot(t, c)
			for _, test := range vacuumCases() {
				test.check(t, dir, xids[test.name], doomed[test.name])
			}
		})
	}
}

func (test *vacuumCase) check(t *testing.T, dir string, xid pg.XID, doomed string) {
	t.Helper()
	ev, _, err := undelete.Open(t.Context(), undelete.Sources{DataDir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer ev.Close()
	var out bytes.Buffer
	w, err := evidence.NewWriter(evidence.FormatCopy, &out)
	if err != nil {
		t.Fatal(err)
	}
	result, err := undelete.DeadRows(t.Context(), ev, targetIn(t, ev, test.name), undelete.DeadRowsOptions{XID: xid, Carve: true}, w)
	if err == nil {
		err = w.Flush()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%s: %d lost, %d carved, %d withheld", test.name, strings.Count(doomed, "\n"), result.Carved, result.Cut)
	subsetOf(t, test.name, out.Bytes(), []byte(doomed))
	if result.Carved < test.least || result.Cut > 0 {
		t.Errorf("%s: %d carved, want %d; %d withheld, want none", test.name, result.Carved, test.least, result.Cut)
	}
}

// TestCutChunksMakeNoValue writes over the last bytes of pruned chunks: they look whole
// and have their size, and no value may be made of them.
func TestCutChunksMakeNoValue(t *testing.T) {
	t.Parallel()
	test := carveCase{
		name: "cut chunks",
		// Every byte is a value of bytea, so that nothing but their place tells that some are wrong.
		before: []string{"ALTER TABLE t ALTER wide SET STORAGE EXTERNAL, ALTER wide TYPE bytea USING wide::bytea", "CHECKPOINT", "BEGIN; DELETE FROM t; ROLLBACK"},
		doomed: "SELECT * FROM t WHERE id < 1990", loss: []string{"DELETE FROM t WHERE id < 1990"}, // the last stay, so that VACUUM does not cut the files
		after: []string{"VACUUM t", "SELECT txid_current()", "SELECT txid_current()"},
	}
	dir, doomed := test.play(t)
	hurtChunks(t, dir, test.xid)
	r := run(t, undelete.Sources{DataDir: dir}, func(*undelete.Evidence) undelete.Request { return undelete.Request{XID: test.xid} }, false)
	subsetOf(t, "t", r.rows["public.t"], doomed)
	if b := r.loss.Tables()[0].Balance; b.InPart == 0 {
		t.Errorf("balance %+v", b)
	}
	ev, _, err := undelete.Open(t.Context(), undelete.Sources{DataDir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer ev.Close()
	var out bytes.Buffer
	w, err := evidence.NewWriter(evidence.FormatCopy, &out)
	if err != nil {
		t.Fatal(err)
	}
	result, err := undelete.DeadRows(t.Context(), ev, targetIn(t, ev, "t"), undelete.DeadRowsOptions{Carve: true}, evidence.SinkFunc(func(row *evidence.Row) error {
		if !row.Complete() {
			return nil
		}
		return w.Put(row)
	}))
	if err == nil {
		err = w.Flush()
	}
	if err != nil || result.InPart == 0 {
		t.Fatalf("%v, %+v", err, result)
	}
	subsetOf(t, "t", out.Bytes(), doomed)
}

// hurtChunks writes what a younger tuple leaves that was itself overwritten: its
// xmin in the last bytes of a chunk, and a still younger tuple behind.
func hurtChunks(t *testing.T, dir string, xid pg.XID) {
	t.Helper()
	ev, _, err := undelete.Open(t.Context(), undelete.Sources{DataDir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer ev.Close()
	target := targetIn(t, ev, "t")
	hurt := 0
	for i := range target.Database.Relations {
		toast := &target.Database.Relations[i]
		if toast.OID != target.Relation.Toast {
			continue
		}
		path := filepath.Join(dir, "base", fmt.Sprint(toast.File.Database), fmt.Sprint(toast.File.Relation))
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for page := range slices.Chunk(content, pg.BlockSize) {
			h, err := heap.Page(page).Header()
			if err != nil {
				continue
			}
			var ends []int
			err = heap.Carve(page, h, []heap.Attr{{Len: 4, Align: 4}, {Len: 4, Align: 4}, {Len: -1, Align: 4}}, func(c *heap.Carved) error {
				if end := (c.At + len(c.Raw) + 7) &^ 7; end < pg.BlockSize {
					ends = append(ends, end)
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			for _, end := range ends {
				binary.LittleEndian.PutUint32(page[end-8:], uint32(xid)+1)
				binary.LittleEndian.PutUint64(page[end:], uint64(xid+2)<<32|uint64(xid+1))
				hurt++
			}
		}
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if hurt == 0 {
		t.Fatal("no chunk was hurt")
	}
}
