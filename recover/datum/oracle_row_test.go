package datum_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/pgrescue/pgrescue/recover/catalog"
	"github.com/pgrescue/pgrescue/recover/datum"
	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/heap"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster/clustertest"
)

// formsOf counts the forms in which a column's values are stored, as words.
func formsOf(t *testing.T, c *cluster.Cluster, rel *catalog.Relation, number int) map[string]int {
	t.Helper()
	attrs := make([]heap.Attr, len(rel.Attributes))
	for i, a := range rel.Attributes {
		attrs[i] = heap.Attr{Len: a.Len, Align: catalog.AlignBytes(a.Align)}
	}
	out := make([]heap.Datum, len(attrs))
	forms := map[string]int{}
	eachTuple(t, c.DataDir(), rel.File, func(tuple *heap.Tuple) {
		if err := heap.Deform(tuple, attrs, out); err != nil {
			t.Fatal(err)
		}
		switch d := out[number-1]; d.Form {
		case heap.FormPlain:
			forms["plain"]++
		case heap.FormCompressed:
			forms[fmt.Sprint("inline ", heap.CompressionMethod(d.Bytes[3]>>6))]++
		case heap.FormExternal:
			p, err := heap.DecodeToastPointer(d.Bytes)
			if err != nil {
				t.Fatal(err)
			}
			if p.Compressed() {
				forms[fmt.Sprint("external ", p.Method)]++
			} else {
				forms["external plain"]++
			}
		}
	})
	return forms
}

// TestOracleToast compares values in every form of TOAST with what COPY prints.
func TestOracleToast(t *testing.T) {
	t.Parallel()
	c := clustertest.Start(t, cluster.Options{})
	clustertest.Exec(t, c, "postgres", `
		CREATE TABLE toasted (n int, pglz text COMPRESSION pglz, lz4 text COMPRESSION lz4, external text, main text,
			doc jsonb COMPRESSION lz4, list text[]);
		ALTER TABLE toasted ALTER external SET STORAGE EXTERNAL, ALTER main SET STORAGE MAIN`)
	r := rand.New(rand.NewPCG(1, 2))
	var lines strings.Builder
	for n := range 120 {
		random := make([]byte, 20<<r.IntN(12))
		for i := range random {
			random[i] = byte('a' + r.IntN(26))
		}
		half := string(random) + strings.Repeat("the same again ", len(random)/15)
		doc := fmt.Sprintf(`{"n": %d, "text": %q, "list": [%s1]}`, n, half, strings.Repeat("1.25, ", len(random)/10))
		list := fmt.Sprintf("{%s,%s,NULL,{}}", half, strings.Repeat("x,", len(random)/5)+"y")
		list = strings.ReplaceAll(list, "{}", `"{}"`)
		fmt.Fprint(&lines, copyLine(fmt.Sprint(n), half, half, half, half, doc, list))
	}
	if err := c.CopyIn(t.Context(), strings.NewReader(lines.String()), "postgres", "toasted"); err != nil {
		t.Fatal(err)
	}
	db := snapshot(t, c)
	rel := table(t, db, "toasted")
	compare(t, decodeTable(t, c, db, rel), clustertest.CopyOut(t, c, "postgres", "SELECT * FROM toasted"))
	for number, wanted := range map[int][]string{
		2: {"plain", "inline pglz", "external pglz"},
		3: {"plain", "inline lz4", "external lz4"},
		4: {"plain", "external plain"},
		6: {"plain", "inline lz4", "external lz4"},
	} {
		forms := formsOf(t, c, rel, number)
		for _, form := range wanted {
			if forms[form] == 0 {
				t.Errorf("no value of column %s is stored %s: %v", rel.Attributes[number-1].Name, form, forms)
			}
		}
	}
	missingChunks(t, c, db, rel)
}

// missingChunks checks that a value whose chunks are not to be had is unknown,
// and that its row still comes.
func missingChunks(t *testing.T, c *cluster.Cluster, db *catalog.Database, rel *catalog.Relation) {
	t.Helper()
	decoder := datum.NewRowDecoder(db, rel)
	unknown := 0
	for _, toast := range []datum.Toaster{nil, chunks{}} {
		eachTuple(t, c.DataDir(), rel.File, func(tuple *heap.Tuple) {
			var row evidence.Row
			if err := decoder.Decode(tuple, toast, &row); err != nil {
				t.Fatal(err)
			}
			if row.Values[0].State != evidence.Known {
				t.Errorf("column n is unknown: %s", row.Values[0].Reason)
			}
			for _, v := range row.Values {
				if v.State != evidence.Unknown {
					continue
				}
				unknown++
				if v.Reason == "" || len(v.Raw) != 16 || v.Text != nil {
					t.Errorf("unknown value has reason %q, %d raw bytes, text %q", v.Reason, len(v.Raw), v.Text)
				}
			}
		})
	}
	if unknown < 100 {
		t.Errorf("%d values are unknown without chunks, want many", unknown)
	}
}

// TestOracleColumns compares a table whose columns came and went with what COPY
// prints: rows older than a column have its missing value, or NULL.
func TestOracleColumns(t *testing.T) {
	t.Parallel()
	c := clustertest.Start(t, cluster.Options{})
	clustertest.Exec(t, c, "postgres", samplePreamble, `
		CREATE TABLE aged (id int GENERATED ALWAYS AS IDENTITY, gone text, kept text, odd int2,
			w int GENERATED ALWAYS AS (odd * 2) STORED, PRIMARY KEY (odd, id));
		INSERT INTO aged (gone, kept, odd) SELECT 'g' || g, CASE WHEN g % 3 > 0 THEN 'k' || g END, g FROM generate_series(1, 20) g;
		ALTER TABLE aged ADD a int DEFAULT 7, ADD b text DEFAULT 'tab	and "quotes"', ADD c numeric(10,3) DEFAULT -1.5,
			ADD d jsonb DEFAULT '{"a": [1, 2.50]}', ADD e text[] DEFAULT '[0:1]={x,NULL}', ADD f mood DEFAULT 'very happy',
			ADD g timestamptz DEFAULT '2020-02-02 02:02:02.5+00', ADD h uuid, ADD i smallpos DEFAULT 5, ADD j "char" DEFAULT 'c',
			ADD k float8 DEFAULT 0.1, ADD l bool DEFAULT true, ADD m int8[] DEFAULT '{1,NULL,3}', ADD p interval DEFAULT '-1 day',
			ADD q text DEFAULT repeat('long ', 500), ADD v point DEFAULT '(1,2)'`, `
		ALTER TABLE aged DROP gone`, `
		INSERT INTO aged (kept, odd, a, h) SELECT 'new', g, NULL, '11111111-2222-3333-4444-555555555555' FROM generate_series(21, 30) g`, `
		ALTER TABLE aged DROP b, DROP v, ADD x varchar(5) DEFAULT 'end'`)
	db := snapshot(t, c)
	rel := table(t, db, "aged")
	compare(t, decodeTable(t, c, db, rel), clustertest.CopyOut(t, c, "postgres",
		"SELECT id, kept, odd, a, c, d, e, f, g, h, i, j, k, l, m, p, q, x FROM aged"))
	generated := clustertest.CopyOut(t, c, "postgres", "SELECT w FROM aged")
	compare(t, columnOf(t, c, db, rel, "w"), generated) // which COPY of a table leaves out
	shape := datum.NewRowDecoder(db, rel).Relation()
	if shape.Name != "aged" || shape.Schema != "public" || shape.Database != "postgres" || shape.OID != rel.OID {
		t.Errorf("relation is %+v", shape.RelationName)
	}
	var keys []string
	for _, column := range shape.Columns {
		if column.Key {
			keys = append(keys, column.Name)
		}
		if column.Generated != (column.Name == "w") || (column.Identity == 'a') != (column.Name == "id") {
			t.Errorf("column %+v", column)
		}
	}
	if !slices.Equal(keys, []string{"id", "odd"}) {
		t.Errorf("key columns are %q", keys)
	}
}

// columnOf decodes one column of all tuples, one line each.
func columnOf(t *testing.T, c *cluster.Cluster, db *catalog.Database, rel *catalog.Relation, name string) string {
	t.Helper()
	decoder := datum.NewRowDecoder(db, rel)
	at := slices.IndexFunc(decoder.Relation().Columns, func(column evidence.Column) bool { return column.Name == name })
	var lines strings.Builder
	eachTuple(t, c.DataDir(), rel.File, func(tuple *heap.Tuple) {
		var row evidence.Row
		if err := decoder.Decode(tuple, nil, &row); err != nil {
			t.Fatal(err)
		}
		lines.WriteString(copyLine(string(row.Values[at].Text)))
	})
	return lines.String()
}

// TestOracleTypeNames compares the names of types with format_type.
func TestOracleTypeNames(t *testing.T) {
	t.Parallel()
	c := clustertest.Start(t, cluster.Options{})
	var columns []string
	all := samples()
	for i, s := range all {
		columns = append(columns, fmt.Sprintf("c%d %s, a%d %s[]", i, s.name, i, s.name))
	}
	for i, name := range strings.Fields(`int4range tstzmultirange point box tsvector money bit(3) bit varbit varbit(5) xml pg_lsn regclass regtype
		tid tsquery jsonpath interval(0) time(0) timetz(4) timestamp(0) numeric(1000,-1000) numeric(3) polygon aclitem oidvector int2vector`) {
		columns = append(columns, fmt.Sprintf("x%d %s", i, name))
	}
	for i, fields := range []string{
		"year", "month", "day", "hour", "minute", "second", "second(2)", "year to month", "day to hour",
		"day to minute", "day to second", "hour to minute", "hour to second(1)", "minute to second",
	} {
		columns = append(columns, fmt.Sprintf("i%d interval %s", i, fields))
	}
	clustertest.Exec(t, c, "postgres", samplePreamble, "CREATE TABLE named ("+strings.Join(columns, ", ")+")")
	db := snapshot(t, c)
	var got strings.Builder
	for _, column := range datum.NewRowDecoder(db, table(t, db, "named")).Relation().Columns {
		got.WriteString(copyLine(column.Name, column.Type))
	}
	compare(t, got.String(), clustertest.CopyOut(t, c, "postgres",
		"SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 'named'::regclass AND attnum > 0 ORDER BY attnum"))
}

// TestOracleUnsupported checks that a column of a type that nobody knows, or of
// one made of it, is unknown with its bytes, in whatever form they are stored, and
// the others known.
func TestOracleUnsupported(t *testing.T) {
	t.Parallel()
	c := clustertest.Start(t, cluster.Options{})
	clustertest.Exec(t, c, "postgres", `
		CREATE TYPE strange;
		CREATE FUNCTION strange_in(cstring) RETURNS strange LANGUAGE internal IMMUTABLE STRICT AS 'byteain';
		CREATE FUNCTION strange_out(strange) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'byteaout';
		CREATE TYPE strange (input = strange_in, output = strange_out, storage = extended);
		CREATE TYPE holder AS (a int, s strange);
		CREATE DOMAIN stranger AS strange;
		CREATE TABLE later (before int, s strange, ss strange[], d stranger, b holder, bs holder[], after text);
		ALTER TABLE later ALTER ss SET STORAGE EXTERNAL;
		INSERT INTO later SELECT g, 'abc', array_fill('abcde'::strange, ARRAY[g * 300]), repeat('x', 3000)::stranger, (1, 'x')::holder, ARRAY[(2, 'y')::holder],
			'text ' || g FROM generate_series(1, 3) g`)
	db := snapshot(t, c)
	rel := table(t, db, "later")
	decoder := datum.NewRowDecoder(db, rel)
	toast := toastOf(t, c.DataDir(), db, rel.Toast)
	n := 0
	var row evidence.Row
	eachTuple(t, c.DataDir(), rel.File, func(tuple *heap.Tuple) {
		n++
		if err := decoder.Decode(tuple, toast, &row); err != nil {
			t.Fatal(err)
		}
		if got, want := fmt.Sprintf("%s|%s", row.Values[0].Text, row.Values[6].Text), fmt.Sprintf("%d|text %d", n, n); got != want {
			t.Errorf("known values are %s, want %s", got, want)
		}
		for i, length := range map[int]int{1: 3, 2: 20 + 12*300*n, 3: 3000, 4: -1, 5: -1} {
			v := row.Values[i]
			if v.State != evidence.Unknown || len(v.Raw) != length && (length > 0 || len(v.Raw) == 0) {
				t.Errorf("column %d: state %d, %d raw bytes, want %d", i, v.State, len(v.Raw), length)
			}
			if !strings.Contains(v.Reason, datum.ErrUnsupported.Error()) || !strings.Contains(v.Reason, "strange") {
				t.Errorf("column %d of type %s: reason is %q", i, row.Relation.Columns[i].Type, v.Reason)
			}
		}
	})
	if n != 3 {
		t.Errorf("%d rows", n)
	}
}

// TestOracleOldComposites compares composites that are older than an attribute of
// their type with what COPY prints.
func TestOracleOldComposites(t *testing.T) {
	t.Parallel()
	c := clustertest.Start(t, cluster.Options{})
	clustertest.Exec(t, c, "postgres", `
		CREATE TYPE grown AS (a int, b text);
		CREATE TABLE base (id int, x text);
		CREATE TABLE holds (g grown, gs grown[], r base, compressed grown, big text);
		ALTER TABLE holds ALTER compressed SET STORAGE MAIN;
		INSERT INTO holds SELECT (g, 'x')::grown, ARRAY[(g, NULL)::grown], ROW(g, 'y')::base FROM generate_series(1, 9) g`,
		"UPDATE holds SET big = repeat('much of the same ', 400)",
		"UPDATE holds SET compressed = (1, big)::grown, gs = ARRAY[(2, big)::grown, (3, big)::grown]",
		"ALTER TYPE grown ADD ATTRIBUTE c numeric, DROP ATTRIBUTE a, ADD ATTRIBUTE d text",
		"ALTER TABLE base DROP id, ADD z int",
		"INSERT INTO holds VALUES (('new', 1.5, 'd'), ARRAY[('n', NULL, '')::grown], ROW('z', 7))")
	db := snapshot(t, c)
	rel := table(t, db, "holds")
	got := strings.Split(decodeTable(t, c, db, rel), "\n")
	want := strings.Split(clustertest.CopyOut(t, c, "postgres", "SELECT * FROM holds"), "\n")
	slices.Sort(got) // the file still has the versions before the updates
	slices.Sort(want)
	for _, line := range want {
		if !slices.Contains(got, line) {
			t.Errorf("not decoded: %.200s", line)
		}
	}
	if len(got) != len(want)+18 {
		t.Errorf("%d lines, want %d live ones and 18 dead ones", len(got), len(want))
	}
}
