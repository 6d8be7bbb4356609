package datum_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/pgrescue/pgrescue/recover/binreader"
	"github.com/pgrescue/pgrescue/recover/catalog"
	"github.com/pgrescue/pgrescue/recover/datum"
	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/heap"
	"github.com/pgrescue/pgrescue/recover/pg"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster/clustertest"
)

// chunks are the values in one TOAST relation's file.
type chunks map[pg.OID]map[int32][]byte

var errNoChunks = errors.New("chunks are missing")

func (c chunks) Fetch(p heap.ToastPointer) ([]byte, error) {
	var value []byte
	for seq := range int32(len(c[p.ValueID])) {
		value = append(value, c[p.ValueID][seq]...)
	}
	if len(value) == 0 {
		return nil, errNoChunks
	}
	return value, nil
}

// eachTuple visits the tuples of a relation's file in the order of a sequential scan.
func eachTuple(t *testing.T, dir string, file pg.RelFileLocator, visit func(tuple *heap.Tuple)) {
	t.Helper()
	rel, err := heap.OpenRelation(dir, file)
	if err != nil {
		t.Fatal(err)
	}
	defer rel.Close()
	err = rel.Pages(t.Context(), func(_ pg.BlockNumber, page heap.Page) error {
		h, err := page.Header()
		if errors.Is(err, heap.ErrZeroPage) { // 16 and later extend a file by many pages at once
			return nil
		} else if err != nil {
			return err
		}
		for offset := pg.OffsetNumber(1); offset <= h.NumLinePointers(); offset++ {
			if page.LinePointer(offset).State != heap.Normal {
				continue
			}
			tuple, err := page.Tuple(h, offset)
			if err != nil {
				return err
			}
			visit(&tuple)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// toastOf reads the chunks of a table's TOAST relation.
func toastOf(t *testing.T, dir string, db *catalog.Database, oid pg.OID) chunks {
	t.Helper()
	found := chunks{}
	for i := range db.Relations {
		if db.Relations[i].OID != oid || oid == 0 {
			continue
		}
		attrs := []heap.Attr{{Len: 4, Align: 4}, {Len: 4, Align: 4}, {Len: -1, Align: 4}}
		out := make([]heap.Datum, 3)
		eachTuple(t, dir, db.Relations[i].File, func(tuple *heap.Tuple) {
			if err := heap.Deform(tuple, attrs, out); err != nil {
				t.Fatal(err)
			}
			id, seq := binreader.New(out[0].Bytes), binreader.New(out[1].Bytes)
			value := pg.OID(id.Uint32())
			if found[value] == nil {
				found[value] = map[int32][]byte{}
			}
			found[value][seq.Int32()] = slices.Clone(out[2].Bytes)
		})
	}
	return found
}

// snapshot checkpoints the server and reads the catalogs from its files.
func snapshot(t *testing.T, c *cluster.Cluster) *catalog.Database {
	t.Helper()
	clustertest.Exec(t, c, "postgres", "CHECKPOINT")
	s, gaps, err := catalog.Read(t.Context(), catalog.Options{DataDir: c.DataDir()})
	if err != nil || len(gaps) > 0 {
		t.Fatalf("read catalogs: %v, gaps %v", err, gaps)
	}
	db, err := s.Database("postgres")
	if err != nil {
		t.Fatal(err)
	}
	return db
}

// table finds a relation of the snapshot.
func table(t *testing.T, db *catalog.Database, name string) *catalog.Relation {
	t.Helper()
	rel, err := db.Table(name)
	if err != nil {
		t.Fatal(err)
	}
	return rel
}

// decodeTable decodes all tuples of a table's file and prints them as COPY does.
func decodeTable(t *testing.T, c *cluster.Cluster, db *catalog.Database, rel *catalog.Relation) string {
	t.Helper()
	var out bytes.Buffer
	w, err := evidence.NewWriter(evidence.FormatCopy, &out)
	if err != nil {
		t.Fatal(err)
	}
	decoder := datum.NewRowDecoder(db, rel)
	toast := toastOf(t, c.DataDir(), db, rel.Toast)
	var row evidence.Row
	eachTuple(t, c.DataDir(), rel.File, func(tuple *heap.Tuple) {
		if err := decoder.Decode(tuple, toast, &row); err != nil {
			t.Error(err)
		}
		for i, v := range row.Values {
			if v.State == evidence.Unknown {
				t.Errorf("row %s, column %s is unknown: %s (%x)", row.Values[0].Text, row.Relation.Columns[i].Name, v.Reason, v.Raw)
			}
		}
		if err := w.Put(&row); err != nil {
			t.Fatal(err)
		}
	})
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// compare reports the first lines that differ.
func compare(t *testing.T, got, want string) {
	t.Helper()
	if got == want {
		return
	}
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	if len(g) != len(w) {
		t.Errorf("%d lines, COPY gives %d", len(g), len(w))
	}
	shown := 0
	for i := range min(len(g), len(w)) {
		if g[i] != w[i] && shown < 5 {
			shown++
			at := 0
			for at < min(len(g[i]), len(w[i])) && g[i][at] == w[i][at] {
				at++
			}
			t.Errorf("line %d, at %d behind %.60q:\n got %.100q\nwant %.100q", i+1, at, g[i][max(0, at-60):at], g[i][at:], w[i][at:])
		}
	}
}

// copyLine writes one line of COPY's text format.
func copyLine(values ...string) string {
	for i := range values {
		values[i] = strings.NewReplacer(`\`, `\\`, "\t", `\t`, "\n", `\n`, "\r", `\r`).Replace(values[i])
	}
	return strings.Join(values, "\t") + "\n"
}

// createSample is the statement that makes a table with a column of the type and
// two of its arrays.
func createSample(s sample, name string) string {
	return fmt.Sprintf("CREATE TABLE %s (n int4, v %s, flat %s[], shaped %s[]);\n", name, s.name, s.name, s.name)
}

// sampleLines are the rows of a sample's table: the fixed texts, random ones, and NULLs.
func sampleLines(s sample, r *rand.Rand) string {
	delimiter := ","
	switch s.name {
	case "box":
		delimiter = ";"
	case "geometry", "geography":
		delimiter = ":"
	}
	element := func() string {
		if s.more == nil || r.IntN(2) == 0 {
			if e := s.fixed[r.IntN(len(s.fixed))]; len(e) < 1000 || r.IntN(20) == 0 {
				return e
			}
			return s.fixed[0]
		}
		return s.more(r)
	}
	values := slices.Clone(s.fixed)
	if s.more != nil {
		for range 300 {
			values = append(values, s.more(r))
		}
	}
	var lines strings.Builder
	for i, v := range values {
		lines.WriteString(copyLine(fmt.Sprint(i+1), v, arrayOf(r, []int{r.IntN(5)}, delimiter, element), shapedArray(r, delimiter, element)))
	}
	lines.WriteString("-1\t\\N\t\\N\t\\N\n\\N\t\\N\t{}\t\\N\n")
	return lines.String()
}

// sampleTable makes and fills a sample's table.
func sampleTable(t *testing.T, c *cluster.Cluster, s sample, name string, r *rand.Rand) {
	t.Helper()
	clustertest.Exec(t, c, "postgres", createSample(s, name))
	if err := c.CopyIn(t.Context(), strings.NewReader(sampleLines(s, r)), "postgres", name); err != nil {
		t.Errorf("%s: %v", s.name, err)
	}
}

// TestOracleTypes compares every type of this stage, and arrays of it,
// with what COPY prints.
func TestOracleTypes(t *testing.T) {
	t.Parallel()
	c := clustertest.Start(t, cluster.Options{})
	clustertest.Exec(t, c, "postgres", samplePreamble)
	loadSamples(t, c, samples())
}
