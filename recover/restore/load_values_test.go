package restore

import (
	"bytes"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/live"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster/clustertest"
)

// valueTypes are types, with texts that they take and some that they may not.
var valueTypes = []struct{ name, typ, texts string }{
	{"small", "smallint", "1|-32768|32768| 7 |x|"},
	{"big", "bigint", "9223372036854775807|9223372036854775808|1e3"},
	{"num", "numeric(6,2)", "1234.567|9999.999|NaN|1e2|-.5|12345"},
	{"real", "real", "1e38|1e39|Infinity|0x10"},
	{"double", "double precision", "1e308|1e309|-0|nan"},
	{"bool", "boolean", "yes|of|tr|maybe|1"},
	{"vc", "varchar(4)", "abcd|abcde|abcd   |äöüß|äöüßx"},
	{"ch", "char(3)", "a|abcd|äöü"},
	{"txt", "text", "a\\b|tab\there|new\nline|\\N|\\."},
	{"bin", "bytea", `\x00ff|\x0|abc\000|\\`},
	{"day", "date", "2025-11-26|26.11.2025|2025-02-30|infinity|Jan 5, 2024|tomorrow ever"},
	{"ts", "timestamptz", "2025-11-26 10:00:00+02|2025-11-26T10:00:00Z|yesterday|2025-13-01|epoch"},
	{"tsp", "timestamp(1)", "2025-11-26 10:00:00.19|2025-11-26 24:00:00"},
	{"clock", "time", "10:00:00|25:00:00|noon"},
	{"gap", "interval", "1 day|P1D|1 fortnight|3:4"},
	{"u", "uuid", "{11111111-2222-3333-4444-555555555555}|11111111222233334444555555555555|x"},
	{"net", "inet", "10.0.0.1/24|::1|300.1.1.1|fe80::1%1"},
	{"cid", "cidr", "10.0.0.0/8|10.0.0.1/8"},
	{"j", "json", `{"a":1}|{a:1}|"\u0000"|[1,2`},
	{"jb", "jsonb", `{"b":1, "a":[]}|"\u0000"|"\ud83d"|1e999999`},
	{"arr", "int[]", "{1,2}|{1,x}|{}"},
	{"mood", "mood", "ok|bad|worse"},
	{"dom", "short", "abc|abcd|x1"},
	{"must", "must", "a"},
	{"pt", "point", "(1,2)|1,2|(1)"},
	{"r", "int4range", "[1,5)|[5,1)|empty"},
	{"b3", "bit(3)", "101|10|2"},
	{"x", "xml", "<a/>|<a>"},
	{"tv", "tsvector", "a b|'a"},
	{"m", "money", "12.50|$1|x"},
}

const valueTypesSQL = `CREATE TYPE mood AS ENUM ('ok', 'bad'); CREATE DOMAIN short AS varchar(3) CHECK (VALUE !~ '[0-9]'); CREATE DOMAIN must AS text NOT NULL`

// Every text of every type is taken or refused as COPY takes or refuses it, in its own words,
// and what is taken is the same.
func TestLoadValuesAsCopyDoes(t *testing.T) {
	t.Parallel()
	for _, version := range []string{"13", "15", "18"} {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			c := clustertest.Start(t, cluster.Options{Version: version})
			var columns, names []string
			for _, v := range valueTypes {
				columns, names = append(columns, v.name+" "+v.typ), append(names, v.name)
			}
			clustertest.Exec(t, c, "postgres", valueTypesSQL, "CREATE TABLE ours (id int PRIMARY KEY, "+strings.Join(columns, ", ")+")", "CREATE TABLE theirs (LIKE ours INCLUDING ALL)")
			rows, lines := valueRows()
			ours := given("ours", "id "+strings.Join(names, " "))
			ours.Rows = func(yield func(*evidence.Row, error) bool) {
				for i, row := range rows {
					if !yield(&evidence.Row{Relation: ours.Relation, Values: row, Provenance: evidence.Provenance{Route: evidence.RouteImport, Source: "v", Line: int64(i)}}, nil) {
						return
					}
				}
			}
			l := &loading{t: t, dsn: c.LibpqDSN("postgres")}
			done, err := l.run(ours)
			if err != nil {
				t.Fatal(err)
			}
			refused := map[int]LoadRefusal{}
			for _, r := range l.told {
				refused[int(r.Line)] = r
			}
			conn, err := live.Connect(t.Context(), l.dsn, live.Options{Command: "test", Mode: live.Write})
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			for i, line := range lines {
				said := copyLine(t, conn, line)
				r, ours := refused[i]
				if (said != "") != ours || ours && said != r.Reason {
					t.Errorf("%q: COPY says %q, and we say %q", line, said, r.Reason)
				}
				if ours && !bytes.Contains([]byte(line), bytes.ReplaceAll(r.Text, []byte(`\`), []byte(`\\`))) {
					t.Errorf("%q: the refusal has the text %q", line, r.Text)
				}
			}
			const state = "SELECT * FROM %s ORDER BY id"
			if got, want := clustertest.CopyOut(t, c, "postgres", fmt.Sprintf(state, "ours")), clustertest.CopyOut(t, c, "postgres", fmt.Sprintf(state, "theirs")); got != want {
				t.Errorf("we have\n%s\nCOPY has\n%s", got, want)
			}
			if done.Tables[0].Refused < 40 || done.Tables[0].Inserted < 60 {
				t.Errorf("the test is about nothing: %s", counts(done))
			}
		})
	}
}

// valueRows has a row for each text, all other values of which are NULL, as values and as COPY reads them.
func valueRows() (rows [][]evidence.Value, lines []string) {
	must := slices.IndexFunc(valueTypes, func(v struct{ name, typ, texts string }) bool { return v.typ == "must" })
	for at, v := range valueTypes {
		for _, text := range strings.Split(v.texts, "|") {
			row := make([]evidence.Value, len(valueTypes)+1)
			for i := range row {
				row[i].State = evidence.Null
			}
			row[must+1] = evidence.Value{Text: []byte("must")}
			row[0] = evidence.Value{Text: fmt.Append(nil, len(rows))}
			row[at+1] = evidence.Value{Text: []byte(text)}
			rows = append(rows, row)
			lines = append(lines, string(appendCopyLine(nil, row)))
		}
	}
	return rows, lines
}

// copyLine puts one line into theirs, and returns what the server says against it.
func copyLine(t *testing.T, conn *live.Conn, line string) string {
	t.Helper()
	_, err := conn.PgConn().CopyFrom(t.Context(), strings.NewReader(line), "COPY theirs FROM STDIN")
	if err != nil {
		return live.Message(err)
	}
	return ""
}

// Texts that the database's encoding has no place for are refused alone, in the server's words.
func TestLoadEncodings(t *testing.T) {
	t.Parallel()
	c := clustertest.Start(t, cluster.Options{})
	for _, test := range []struct {
		encoding string
		refused  []string // "line says"
	}{
		{"LATIN1", []string{`3 has no equivalent in encoding "LATIN1"`, `4 invalid byte sequence for encoding "UTF8": 0x00`, `5 invalid byte sequence for encoding "UTF8": 0xff`, `7 `, `9 has no equivalent`}},
		{"SQL_ASCII", []string{`4 invalid byte sequence for encoding "UTF8": 0x00`, `5 invalid byte sequence for encoding "UTF8": 0xff`, "7 ", "8 "}},
		{"UTF8", []string{`4 invalid byte sequence for encoding "UTF8": 0x00`, `5 invalid byte sequence for encoding "UTF8": 0xff`}},
	} {
		db := strings.ToLower(test.encoding)
		clustertest.Exec(t, c, "postgres", "CREATE DATABASE "+db+" ENCODING '"+test.encoding+"' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'")
		clustertest.Exec(t, c, db, "CREATE TABLE e (id int PRIMARY KEY, v text, j jsonb)")
		l := &loading{t: t, dsn: c.LibpqDSN(db)}
		done, err := l.run(given("e", "id v j", `1|é|\N`, `2|日本|\N`, "3|a\x00b|\\N", "4|\xff|\\N", `5|plain|{"a": "\\"}`, `6||"\u20ac"`, `7||"\u00e9"`, `8||"日"`))
		if err != nil {
			t.Fatal(err)
		}
		if len(l.told) != len(test.refused) {
			t.Errorf("%s: refused:\n%s", test.encoding, strings.Join(l.refused, "\n"))
			continue
		}
		for i, want := range test.refused {
			line, says, _ := strings.Cut(want, " ")
			if fmt.Sprint(l.told[i].Line) != line || !strings.Contains(l.told[i].Reason, says) {
				t.Errorf("%s: refused %s, want %s", test.encoding, l.refused[i], want)
			}
		}
		want := map[string]string{"LATIN1": "e9", "SQL_ASCII": "c3a9", "UTF8": "c3a9"}[test.encoding]
		if got := clustertest.Value(t, c, db, "SELECT encode(convert_to(v, getdatabaseencoding()), 'hex') FROM e WHERE id = 1"); got != want {
			t.Errorf("%s: é is stored as %s, want %s", test.encoding, got, want)
		}
		_ = done
	}
}

func TestDescribeTables(t *testing.T) {
	t.Parallel()
	for _, version := range []string{"13", "15", "18"} {
		c := clustertest.Start(t, cluster.Options{Version: version})
		clustertest.Exec(t, c, "postgres", `CREATE SCHEMA "Sch.ema"; CREATE TABLE "Sch.ema"."Pa""rent" ("I d" int PRIMARY KEY, a int, b text, UNIQUE (b, a)); CREATE UNIQUE INDEX ON "Sch.ema"."Pa""rent" (lower(b))`,
			`CREATE TABLE c (id bigint GENERATED BY DEFAULT AS IDENTITY, p int NOT NULL CONSTRAINT "f k" REFERENCES "Sch.ema"."Pa""rent", n numeric(5,2) DEFAULT 1.5, g int GENERATED ALWAYS AS (p + 1) STORED)`, "CREATE VIEW v AS SELECT 1")
		conn, err := live.Connect(t.Context(), c.LibpqDSN("postgres"), live.Options{Command: "test"})
		if err != nil {
			t.Fatal(err)
		}
		shapes, err := DescribeTables(t.Context(), conn, []evidence.RelationName{{Schema: "public", Name: "c"}, {Schema: "public", Name: "nothing"}, {Schema: "public", Name: "v"}, {Schema: "Sch.ema", Name: `Pa"rent`}})
		conn.Close()
		if err != nil || len(shapes) != 2 {
			t.Fatal(err, shapes)
		}
		child, parent := &shapes[0], &shapes[1]
		got := fmt.Sprintf("%+v %v %v %+v / %v %v %v", child.Columns, child.Key, child.Unique, child.Parents, parent.Key, parent.Unique, parent.Column("b"))
		want := `[{Name:id Type:bigint NotNull:true Default: Generated:false Identity:100} {Name:p Type:integer NotNull:true Default: Generated:false Identity:0} ` +
			`{Name:n Type:numeric(5,2) NotNull:false Default:1.5 Generated:false Identity:0} {Name:g Type:integer NotNull:false Default: Generated:true Identity:0}] [] [] ` +
			`[{Constraint:f k Columns:[p] Table:"Sch.ema"."Pa""rent" References:[I d]}] / [I d] [[I d] [b a]] &{b text false  false 0}`
		if got != want {
			t.Errorf("%s: got\n%s\nwant\n%s", version, got, want)
		}
	}
}

// thousandBad are rows for asset of which one in about a hundred is bad, each in another column.
func thousandBad(count, bad int) LoadTable {
	table := benchLoad("asset", count)
	good := table.Rows
	wrong := []struct {
		column int
		text   string
	}{{4, "300.1.2.%d"}, {8, "sixteen%d"}, {9, "64 GB %d"}, {17, "last year %d"}, {19, `{"open": %d`}, {5, strings.Repeat("x", 60) + "%d"}}
	table.Rows = func(yield func(*evidence.Row, error) bool) {
		n, given := 0, 0
		for row, err := range good {
			row.Values[1] = evidence.Value{State: evidence.Null}
			if n++; given < bad && n*bad/count > given {
				w := wrong[given%len(wrong)]
				row.Values[w.column].Text = fmt.Appendf(nil, w.text, given)
				given++
			}
			if !yield(row, err) {
				return
			}
			row.Values[1].State = evidence.Known
		}
	}
	return table
}

// Each bad row among many is told with its line, column, reason and text, and all others go in.
func TestLoadThousandBadRows(t *testing.T) {
	t.Parallel()
	c := clustertest.Start(t, cluster.Options{})
	clustertest.Exec(t, c, "postgres", loadBenchSQL)
	l := &loading{t: t, dsn: c.LibpqDSN("postgres")}
	done, err := l.run(thousandBad(20_000, 1012))
	if err != nil {
		t.Fatal(err)
	}
	if got := short(done); got != "asset 20000/18988/0/0/0/0/1012" || len(l.told) != 1012 {
		t.Errorf("got %s", got)
	}
	for _, r := range l.told {
		if r.Line == 0 || r.Column == "" || r.Reason == "" || len(r.Text) == 0 {
			t.Fatalf("a refusal is %+v", r)
		}
	}
	if path := filepath.Base(l.told[0].Source); path != "assets.csv" {
		t.Error(path)
	}
}
