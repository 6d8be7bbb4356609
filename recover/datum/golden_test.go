package datum_test

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/pgrescue/pgrescue/recover/catalog"
	"github.com/pgrescue/pgrescue/recover/datum"
	"github.com/pgrescue/pgrescue/recover/heap"
	"github.com/pgrescue/pgrescue/recover/pg"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster/clustertest"
)

var updateGolden = flag.Bool("update-golden", false, "make testdata/values.txt anew with a real server")

// goldenFile has one value a line: the type's OID, the bytes on disk in
// hexadecimal, COPY's text.
var goldenFile = filepath.Join("testdata", "values.txt")

// goldenValue is one line of goldenFile.
type goldenValue struct {
	oid  pg.OID
	raw  []byte
	text string
}

// goldenSQL lists the values that goldenFile is made of, as SQL expressions.
func goldenSQL() []string {
	return []string{
		"true", "false", "(-1)::int2", "32767::int2", "(-2147483648)::int4", "9223372036854775807::int8", "4294967295::oid", "'4294967295'::xid", "'7'::cid", "'18446744073709551615'::xid8",
		"0.1::float8", "'-0'::float8", "'NaN'::float8", "'-Infinity'::float8", "9007199254740993::float8", "1e15::float8", "1e14::float8", "1e23::float8", "5e-324::float8", "9.5e22::float8", "0.000000059604644775390625::float8",
		"0.1::float4", "'Infinity'::float4", "1e6::float4", "9.5e9::float4", "8.6e9::float4", "0.000244140625::float4", "134217712::float4",
		"0::numeric", "0.000::numeric", "-0.0001::numeric", "1e20::numeric", "1e-20::numeric", "'NaN'::numeric", "'Infinity'::numeric", "'-Infinity'::numeric", "12345.67890::numeric", "1e300::numeric", "1e-300::numeric", "10000.00010000::numeric", "(-1.5)::numeric",
		"''::text", `E'a\tb\\c\n'::text`, "'日本語'::varchar", "'x'::bpchar(5)", "'some name'::name", `'x'::"char"`, `'\377'::"char"`, `'\x00ff'::bytea`, `''::bytea`, `'{"a": [1,  2]}'::json`,
		"'2000-01-01'::date", "'4714-11-24 BC'::date", "'5874897-12-31'::date", "'infinity'::date", "'0001-12-31 BC'::date", "'2024-02-29'::date",
		"'24:00:00'::time", "'00:00:00.000001'::time", "'12:34:56.5+05:30'::timetz", "'00:00:00-15:59:59'::timetz",
		"'294276-12-31 23:59:59.999999'::timestamp", "'-infinity'::timestamp", "'0044-03-15 12:00:00 BC'::timestamp", "'1999-12-31 23:59:59.9+00'::timestamptz", "'infinity'::timestamptz",
		"'0'::interval", "'-1 year 1 mon -1 day 00:00:01.5'::interval", "'1 mon -2 days -00:00:00.000001'::interval", "'2562047788:00:54.775807'::interval", "'-178956970 years -8 mons'::interval",
		"'550e8400-e29b-41d4-a716-446655440000'::uuid", "'192.168.1.0/24'::inet", "'::ffff:1.2.3.4'::inet", "'1:0:0:2::/64'::cidr", "'10.0.0.0/8'::cidr", "'08:00:2b:01:02:03'::macaddr", "'08:00:2b:01:02:03:04:05'::macaddr8",
		"'{}'::jsonb", "'[]'::jsonb", "'null'::jsonb", "'1.50'::jsonb", `'"x\u0001\"y"'::jsonb`, `'{"b": [1, -2.5e30, "s", null, true, false, {}], "a": {"": []}, "ccc": "日本"}'::jsonb`, "(SELECT jsonb_agg(i) FROM generate_series(1, 40) i)", "(SELECT jsonb_object_agg('k' || i, repeat('v', i)) FROM generate_series(1, 36) i)", "'[[[[[[1]]]]]]'::jsonb",
		"'{}'::int4[]", "'{1,NULL,3}'::int4[]", "'[2:3][-1:0]={{1,2},{3,4}}'::int2[]", `'{"",NULL,"NULL","a b","\"\\",x,"{,}"}'::text[]`, "'{1.5,NaN,-0.001}'::numeric[]", "'{t,f,t}'::bool[]", `'{{"{\"a\": 1}","[]"}}'::jsonb[]`, `'{2000-01-01,infinity}'::date[]`, "'{1.2.3.4,::1}'::inet[]", `'{1 day,-00:00:01}'::interval[]`, "'{a,b}'::name[]", "'{0.1,1e30}'::float8[]",
		"'{550e8400-e29b-41d4-a716-446655440000,NULL}'::uuid[]", `ARRAY['x','\200']::"char"[]`, "'{2024-02-29 00:00:00.5+00}'::timestamptz[]", "'{12,NULL}'::xid8[]", "'{08:00:2b:01:02:03}'::macaddr[]",
		"'(1,-0)'::point", "'{1,2,NaN}'::line", "'[(0,0),(1e300,Infinity)]'::lseg", "'(3,4),(1,2)'::box", "'[(1,2),(3,4)]'::path", "'((1,2),(3,4))'::path", "'((0,0),(1,1),(2,0))'::polygon", "'<(1,2),3.5>'::circle", "'{(1,1),(0,0);(3,3),(2,2)}'::box[]",
		"'-1234567.89'::money", "B'10110'::bit(5)", "B'1010101010101'::varbit", "''::varbit", "'(65537,3)'::tid", "'16/B374D848'::pg_lsn", "'10:20:10,14,15'::pg_snapshot", "'1 -2 3'::int2vector", "'1 2 3'::oidvector",
		`'''a'':1A,2B ''it''''s'':3 ''\\x'''::tsvector`, `'''a'':*AB & ( ''b'' | !''c'' ) <-> ''d'''::tsquery`, `'<?xml version="1.0" standalone="yes"?><a/>'::xml`, "'<b>text</b>'::xml",
		`'$.a[0 to last] ? (@.b > 1 && @ like_regex "x" flag "i").**{1 to 3}.size()'::jsonpath`, `'strict -(1 + $."k" * 2.5)'::jsonpath`,
		"'[2,6)'::int4range", "'empty'::numrange", "'[1.50,)'::numrange", `'["2020-01-01 10:00:00",infinity)'::tsrange`, "'{[1,2),[5,9),[20,30),[40,50),[60,70),[80,)}'::int8multirange", "'{}'::datemultirange", "'{[1.5,2.25],(3,)}'::nummultirange", `'{"[1,2)",empty}'::int4range[]`,
		"'4294967295'::regclass", "0::regproc", "(SELECT stxdndistinct FROM pg_statistic_ext_data)", "(SELECT stxddependencies FROM pg_statistic_ext_data)", "(SELECT adbin FROM pg_attrdef LIMIT 1)",
	}
}

// makeGolden stores the values on a server and writes what its files have.
func makeGolden(t *testing.T) {
	t.Helper()
	c := clustertest.Start(t, cluster.Options{Initdb: []string{"--encoding=UTF8", "--locale=C"}})
	var lines strings.Builder
	session, err := c.Session(t.Context(), "postgres")
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close(t.Context())
	err = session.Exec(t.Context(), "CREATE TABLE stats AS SELECT g % 7 AS x, g % 14 AS y FROM generate_series(1, 1000) g", "CREATE STATISTICS s ON x, y FROM stats",
		"ANALYZE stats", "ALTER TABLE stats ADD d int DEFAULT 1 + 2")
	if err != nil {
		t.Fatal(err)
	}
	for i, sql := range goldenSQL() {
		table := "golden_" + strconv.Itoa(i)
		if err := session.Exec(t.Context(), "CREATE TABLE "+table+" AS SELECT "+sql+" AS v", "ALTER TABLE "+table+" ALTER v SET STORAGE PLAIN"); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
	clustertest.Exec(t, c, "postgres", "CHECKPOINT")
	snapshot, _, err := catalog.Read(t.Context(), catalog.Options{DataDir: c.DataDir(), Databases: []string{"postgres"}})
	if err != nil {
		t.Fatal(err)
	}
	for i := range goldenSQL() {
		table := "golden_" + strconv.Itoa(i)
		rel, err := snapshot.Databases[0].Table(table)
		if err != nil {
			t.Fatal(err)
		}
		raw := goldenDatum(t, c.DataDir(), rel)
		text := strings.TrimSuffix(clustertest.CopyOut(t, c, "postgres", "SELECT * FROM "+table), "\n")
		fmt.Fprintf(&lines, "%d\t%x\t%s\n", rel.Attributes[0].Type, raw, text)
	}
	if err := os.MkdirAll(filepath.Dir(goldenFile), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(goldenFile, []byte(lines.String()), 0o644); err != nil {
		t.Fatal(err)
	}
}

// goldenDatum gives the bytes of the only value of a table.
func goldenDatum(t *testing.T, dataDir string, rel *catalog.Relation) []byte {
	t.Helper()
	file, err := heap.OpenRelation(dataDir, rel.File)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	page := make(heap.Page, pg.BlockSize)
	if err := file.ReadPage(0, page); err != nil {
		t.Fatal(err)
	}
	header, err := page.Header()
	if err != nil {
		t.Fatal(err)
	}
	tuple, err := page.Tuple(header, 1)
	if err != nil {
		t.Fatal(err)
	}
	var values [1]heap.Datum
	a := rel.Attributes[0]
	if err := heap.Deform(&tuple, []heap.Attr{{Len: a.Len, Align: catalog.AlignBytes(a.Align)}}, values[:]); err != nil {
		t.Fatal(err)
	}
	if values[0].Form == heap.FormCompressed {
		raw, err := heap.DecompressInline(nil, values[0].Bytes)
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	if values[0].Form != heap.FormPlain {
		t.Fatalf("%s: form %d", rel.Name, values[0].Form)
	}
	return values[0].Bytes
}

// readGolden reads goldenFile. It fails when there are few values: then nothing
// would be tested, and nothing fuzzed from real bytes.
func readGolden(tb testing.TB) []goldenValue {
	tb.Helper()
	file, err := os.Open(goldenFile)
	if err != nil {
		tb.Fatal(err)
	}
	defer file.Close()
	unescape := strings.NewReplacer(`\\`, `\`, `\t`, "\t", `\n`, "\n", `\r`, "\r", `\b`, "\b", `\f`, "\f", `\v`, "\v")
	var values []goldenValue
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		fields := strings.SplitN(lines.Text(), "\t", 3)
		if len(fields) != 3 {
			tb.Fatalf("%s: line %q", goldenFile, lines.Text())
		}
		oid, err := strconv.ParseUint(fields[0], 10, 32)
		if err != nil {
			tb.Fatal(err)
		}
		raw, err := hex.DecodeString(fields[1])
		if err != nil {
			tb.Fatal(err)
		}
		values = append(values, goldenValue{pg.OID(oid), raw, unescape.Replace(fields[2])})
	}
	if lines.Err() != nil || len(values) != len(goldenSQL()) {
		tb.Fatalf("%s has %d values, want %d; run go test -update-golden: %v", goldenFile, len(values), len(goldenSQL()), lines.Err())
	}
	return values
}

// TestGoldenValues needs no server: it decodes bytes that one wrote.
func TestGoldenValues(t *testing.T) {
	if *updateGolden {
		makeGolden(t)
	}
	types := datum.NewRegistry(nil)
	for i, v := range readGolden(t) {
		decode, err := types.ForType(v.oid)
		if err != nil {
			t.Errorf("%s: %v", goldenSQL()[i], err)
			continue
		}
		got, err := decode([]byte("before "), v.raw)
		if err != nil || string(got) != "before "+v.text {
			t.Errorf("%s: got %q, %v, want %q", goldenSQL()[i], got, err, v.text)
		}
	}
}

// TestCutValues cuts real values short. That must be an error but where the type
// has no length of its own, and but for the padding behind an array's elements.
func TestCutValues(t *testing.T) {
	cutable := map[pg.OID]bool{17: true, 19: true, 25: true, 114: true, 1042: true, 1043: true, 1700: true, 142: true, 194: true}
	types := datum.NewRegistry(nil)
	for i, v := range readGolden(t) {
		decode, err := types.ForType(v.oid)
		if err != nil {
			t.Fatal(err)
		}
		for cut := range v.raw {
			padding := len(bytes.Trim(v.raw[cut:], "\x00")) == 0 && strings.Contains(v.text, "{")
			if _, err := decode(nil, v.raw[:cut]); err == nil && !cutable[v.oid] && !padding {
				t.Errorf("%s: %d of %d bytes are no error", goldenSQL()[i], cut, len(v.raw))
			}
		}
	}
}
