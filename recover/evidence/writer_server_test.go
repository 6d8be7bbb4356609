package evidence_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/pg"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster/clustertest"
)

// nastyTexts are texts that some format must not take for something else.
func nastyTexts() []string {
	texts := []string{
		"", " ", `\`, `\\`, `\.`, `\N`, `\n`, "NULL", "null", `""`, `"`, "'", "''", `\'`, `E'\n'`, ",", ";", "--", "/* */",
		"a,b", `a"b`, "a'b", "a\tb", "a\nb", "a\r\nb", "\n\\.\n", "line\n--x\n;", "$$", ":name", ":'name'", "\\!ls", "\n\\q\n",
		"ä", "日本語", "🐘", "e\u0301", "\u2028", "\u0085", "\ufeff", "\x7f", strings.Repeat("x", 10_000), strings.Repeat("\n", 1000),
	}
	special := []byte{',', '"', '\'', '\\', '\n', '\r', '\t', '.', 'N', 0x1f, 0x20, 0x7f}
	for c := byte(1); c < 0x80; c++ {
		texts = append(texts, string(c), "before "+string(c), string(c)+" after")
	}
	for _, a := range special {
		for _, b := range special {
			texts = append(texts, string([]byte{a, b}))
		}
		// Every place in the words that are scanned together.
		for at := range 18 {
			plain := bytes.Repeat([]byte{'p'}, 18)
			plain[at] = a
			texts = append(texts, string(plain))
		}
	}
	random := rand.New(rand.NewPCG(15, 2))
	alphabet := []rune("ab \\\"',;.N\n\r\t\b\v\f\x01\x1f\x7fäß日🐘")
	for range 500 {
		text := make([]rune, random.IntN(40))
		for i := range text {
			text[i] = alphabet[random.IntN(len(alphabet))]
		}
		texts = append(texts, string(text))
	}
	return texts
}

// table is a table of the server and the shape that the writers get for it.
type table struct {
	columns []evidence.Column
	rel     *evidence.Relation
}

// newTable makes a table in a schema of its own; sql are the columns' definitions.
func newTable(t *testing.T, c *cluster.Cluster, schema, name, sql string, columns ...evidence.Column) *table {
	t.Helper()
	rel := &evidence.Relation{RelationName: evidence.RelationName{Database: "postgres", Schema: schema, Name: name}, OID: 1, Columns: columns}
	quoted := pg.QuoteIdentAlways(schema)
	clustertest.Exec(t, c, "postgres", "CREATE SCHEMA IF NOT EXISTS "+quoted,
		fmt.Sprintf("CREATE TABLE %s.%s (%s)", quoted, pg.QuoteIdentAlways(name), sql))
	return &table{columns: columns, rel: rel}
}

func (tb *table) sql() string {
	return pg.QuoteIdentAlways(tb.rel.Schema) + "." + pg.QuoteIdentAlways(tb.rel.Name)
}

// rows reads the table's rows as the output functions print them.
func (tb *table) rows(t *testing.T, c *cluster.Cluster, order string) []evidence.Row {
	t.Helper()
	conn, err := c.Connect(t.Context(), "postgres")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	results, err := conn.PgConn().Exec(t.Context(), "TABLE "+tb.sql()+order).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var rows []evidence.Row
	for _, texts := range results[0].Rows {
		row := evidence.Row{Relation: tb.rel, Values: make([]evidence.Value, len(texts))}
		for i, text := range texts {
			row.Values[i] = evidence.Value{State: evidence.Known, Text: text}
			if text == nil {
				row.Values[i] = evidence.Value{State: evidence.Null}
			}
		}
		rows = append(rows, row)
	}
	if len(rows) == 0 {
		t.Fatalf("%s has no rows", tb.rel)
	}
	return rows
}

// copyOut is what the server's COPY says of the table.
func (tb *table) copyOut(t *testing.T, c *cluster.Cluster, options string) string {
	t.Helper()
	conn, err := c.Connect(t.Context(), "postgres")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	var out bytes.Buffer
	if _, err := conn.PgConn().CopyTo(t.Context(), &out, "COPY "+tb.sql()+" TO STDOUT"+options); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// sorted is COPY's output with its lines in order: rows that are given back lie elsewhere.
func (tb *table) sorted(t *testing.T, c *cluster.Cluster) string {
	t.Helper()
	lines := strings.SplitAfter(tb.copyOut(t, c, ""), "\n")
	slices.Sort(lines)
	return strings.Join(lines, "")
}

// printed gives what a writer makes of rows.
func printed(t testing.TB, format evidence.Format, rows []evidence.Row) string {
	t.Helper()
	var out bytes.Buffer
	w, err := evidence.NewWriter(format, &out)
	if err != nil {
		t.Fatal(err)
	}
	for i := range rows {
		if err := w.Put(&rows[i]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	if w.Rows() != int64(len(rows)) {
		t.Errorf("%s: %d rows counted, want %d", format, w.Rows(), len(rows))
	}
	return out.String()
}

// psql runs a script as a responder would.
func psql(t *testing.T, c *cluster.Cluster, script string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), filepath.Join(c.BinDir(), "psql"), "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", c.LibpqDSN("postgres"), "-f", "-")
	cmd.Stdin = strings.NewReader(script)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("psql: %v: %s", err, out)
	}
}

// same compares two long texts and shows the first line that differs.
func same(t *testing.T, what, got, want string) {
	t.Helper()
	if got == want {
		return
	}
	a, b := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			t.Errorf("%s: line %d: got %.300q, want %.300q", what, i+1, a[i], b[i])
			return
		}
	}
	t.Errorf("%s: got %d lines, want %d", what, len(a), len(b))
}

// makeNasty makes a table of nasty texts under nasty names, with a key.
func makeNasty(t *testing.T, c *cluster.Cluster, schema string) *table {
	t.Helper()
	tb := newTable(t, c, schema, "or\"der,\n'x", `"user" int PRIMARY KEY, "a,b" text, "q""u`+"\n"+`ote" text, "\." varchar`,
		evidence.Column{Name: "user", Type: "integer", Key: true}, evidence.Column{Name: "a,b", Type: "text"},
		evidence.Column{Name: "q\"u\note", Type: "text"}, evidence.Column{Name: `\.`, Type: "character varying"})
	texts := nastyTexts()
	ids, shifted, sparse := make([]int32, len(texts)), make([]string, len(texts)), make([]*string, len(texts))
	for i := range texts {
		ids[i], shifted[i] = int32(i), texts[(i+7)%len(texts)]
		if i%3 == 0 {
			sparse[i] = &texts[i]
		}
	}
	conn, err := c.Connect(t.Context(), "postgres")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	if _, err := conn.Exec(t.Context(), "INSERT INTO "+tb.sql()+" SELECT * FROM unnest($1::int[], $2::text[], $3::text[], $4::text[])",
		ids, texts, shifted, sparse); err != nil {
		t.Fatal(err)
	}
	return tb
}

// makeSingle makes a table of one text column under a name.
func makeSingle(t *testing.T, c *cluster.Cluster, schema, column string) *table {
	t.Helper()
	tb := newTable(t, c, schema, "single", pg.QuoteIdentAlways(column)+" text", evidence.Column{Name: column, Type: "text"})
	conn, err := c.Connect(t.Context(), "postgres")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	if _, err := conn.Exec(t.Context(), "INSERT INTO "+tb.sql()+" SELECT unnest($1::text[]) UNION ALL VALUES (NULL), ('')", nastyTexts()); err != nil {
		t.Fatal(err)
	}
	return tb
}

// makeTyped makes a table with columns that an INSERT has to treat differently,
// and types whose texts need quotes.
func makeTyped(t *testing.T, c *cluster.Cluster, schema string) *table {
	t.Helper()
	tb := newTable(t, c, schema, "Table", `id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
		other int GENERATED BY DEFAULT AS IDENTITY, twice numeric GENERATED ALWAYS AS (amount * 2) STORED, amount numeric DEFAULT 7,
		yes bool, bytes bytea, document jsonb, words text[], at timestamptz, span interval, ratio float8, day date`,
		evidence.Column{Name: "id", Key: true, Identity: 'a'}, evidence.Column{Name: "other", Identity: 'd'},
		evidence.Column{Name: "twice", Generated: true}, evidence.Column{Name: "amount"}, evidence.Column{Name: "yes"},
		evidence.Column{Name: "bytes"}, evidence.Column{Name: "document"}, evidence.Column{Name: "words"}, evidence.Column{Name: "at"},
		evidence.Column{Name: "span"}, evidence.Column{Name: "ratio"}, evidence.Column{Name: "day"})
	clustertest.Exec(t, c, "postgres", "INSERT INTO "+tb.sql()+` (amount, yes, bytes, document, words, at, span, ratio, day) VALUES
		(1.50, true, '\x00275c0aff', '{"a": "it''s \\ \"q\"\n", "b": [null, 1.10]}', '{"a,b",NULL,"NULL","\"","\\",""}', '2026-11-23 01:02:03.000004+00', '-1 mon +2 days -03:04:05.6', 0.1, '0044-03-15 BC'),
		('NaN', NULL, '', 'null', '{}', 'infinity', '-1 days', '-Infinity', 'infinity'),
		(NULL, false, NULL, NULL, NULL, NULL, NULL, NULL, NULL)`)
	return tb
}

func TestWritersAgainstServer(t *testing.T) {
	t.Parallel()
	c := clustertest.Start(t, cluster.Options{})
	t.Run("COPY and CSV", func(t *testing.T) {
		t.Parallel()
		empty := newTable(t, c, "shown", "nothing", "")
		clustertest.Exec(t, c, "postgres", "INSERT INTO shown.nothing SELECT FROM generate_series(1, 3)")
		for _, tb := range []*table{
			makeNasty(t, c, "shown"), makeTyped(t, c, "shown"), makeSingle(t, c, "shown", "one"), makeSingle(t, c, "shown 2", `\.`), empty,
		} {
			rows := tb.rows(t, c, "")
			same(t, tb.sql()+" copy", printed(t, evidence.FormatCopy, rows), tb.copyOut(t, c, ""))
			same(t, tb.sql()+" csv", printed(t, evidence.FormatCSV, rows), tb.copyOut(t, c, " CSV HEADER"))
		}
	})
	t.Run("INSERT", func(t *testing.T) {
		t.Parallel()
		for _, tb := range []*table{makeNasty(t, c, "given back"), makeTyped(t, c, "given back"), makeSingle(t, c, "given back", "order")} {
			before := tb.sorted(t, c)
			script := printed(t, evidence.FormatSQL, tb.rows(t, c, ""))
			clustertest.Exec(t, c, "postgres", "DELETE FROM "+tb.sql())
			psql(t, c, script)
			same(t, tb.sql()+" after psql", tb.sorted(t, c), before)
		}
	})
	t.Run("UPDATE", func(t *testing.T) { t.Parallel(); checkUpdates(t, c) })
	t.Run("UPDATE without key", func(t *testing.T) { t.Parallel(); checkWithoutKey(t, c) })
	t.Run("unknown", func(t *testing.T) { t.Parallel(); checkUnknown(t, c) })
}

// checkUpdates takes updates back that changed the key too, and such of which
// the successor is not known.
func checkUpdates(t *testing.T, c *cluster.Cluster) {
	tests := []struct {
		name, change string
		successor    bool
		later        string // a change after the loss, to be kept
	}{
		{"values", `"a,b" = 'lost', "\." = NULL`, true, ""},
		{"values and key", `"user" = -1 - "user", "a,b" = 'lost' || "user"`, true, ""},
		{"what was written since is kept", `"a,b" = 'lost'`, true, `"\." = 'since'`},
		{"successor not known", `"a,b" = 'lost', "\." = 'x', "q""u` + "\n" + `ote" = NULL`, false, ""},
	}
	for i, test := range tests {
		schema := fmt.Sprintf("updated %d", i)
		tb := makeNasty(t, c, schema)
		old := tb.rows(t, c, ` ORDER BY "user"`)
		order := ` ORDER BY abs("user" + 0.5), "user"`
		clustertest.Exec(t, c, "postgres", "UPDATE "+tb.sql()+" SET "+test.change)
		for j, now := range tb.rows(t, c, order) {
			old[j].Operation, old[j].TID = evidence.OpUpdate, pg.TID{Block: 1, Offset: pg.OffsetNumber(j + 1)}
			if test.successor {
				old[j].Successor = now.Values
			}
		}
		want := printed(t, evidence.FormatCopy, old)
		if test.later != "" {
			clustertest.Exec(t, c, "postgres", "UPDATE "+tb.sql()+" SET "+test.later)
			kept := make([]evidence.Row, len(old))
			for j := range old {
				kept[j] = old[j].Clone()
				kept[j].Values[3] = evidence.Value{State: evidence.Known, Text: []byte("since")}
			}
			want = printed(t, evidence.FormatCopy, kept)
		}
		psql(t, c, printed(t, evidence.FormatSQL, old))
		same(t, test.name, printed(t, evidence.FormatCopy, tb.rows(t, c, ` ORDER BY "user"`)), want)
	}
}

// checkWithoutKey runs the script, which must change nothing, and then the
// statements in its comments, which must give the old rows.
func checkWithoutKey(t *testing.T, c *cluster.Cluster) {
	tb := makeSingle(t, c, "keyless", "text")
	old := tb.rows(t, c, "")
	for i := range old {
		old[i].Operation = evidence.OpUpdate
	}
	before := tb.copyOut(t, c, "")
	clustertest.Exec(t, c, "postgres", "UPDATE "+tb.sql()+" SET text = 'lost'")
	after := tb.copyOut(t, c, "")
	script := printed(t, evidence.FormatSQL, old)
	psql(t, c, script)
	same(t, "after the script", tb.copyOut(t, c, ""), after)

	var inserts strings.Builder
	for line := range strings.Lines(script) {
		if insert, found := strings.CutPrefix(line, "-- INSERT"); found {
			inserts.WriteString("INSERT" + insert)
		}
	}
	clustertest.Exec(t, c, "postgres", "TRUNCATE "+tb.sql())
	psql(t, c, inserts.String())
	same(t, "after the statements in the comments", tb.copyOut(t, c, ""), before)
}

// checkUnknown runs scripts of rows with values that are not known, whose
// reasons try to break out of their comments.
func checkUnknown(t *testing.T, c *cluster.Cluster) {
	tb := makeTyped(t, c, "part")
	want := clustertest.CopyOut(t, c, "postgres", "SELECT id, other, 7, yes, NULL, document, words, at, span, ratio, day FROM "+tb.sql())
	rows := tb.rows(t, c, "")
	for i := range rows {
		rows[i].Note = "a note;\nDROP SCHEMA part CASCADE;"
		rows[i].Values[2] = evidence.Value{State: evidence.Unknown}
		rows[i].Values[3] = evidence.Value{State: evidence.Unknown, Reason: "damaged\r\nDROP TABLE " + tb.sql() + ";\n", Raw: []byte{1, 2}}
		rows[i].Values[5] = evidence.Value{State: evidence.Known, Text: []byte("x\x00'); DROP SCHEMA part CASCADE; --")}
	}
	clustertest.Exec(t, c, "postgres", "DELETE FROM "+tb.sql())
	psql(t, c, printed(t, evidence.FormatSQL, rows))
	same(t, "rows with the default for what is not known", tb.copyOut(t, c, ""), want)
}
