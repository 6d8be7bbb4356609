package datum_test

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"github.com/pgrescue/pgrescue/recover/pitr/cluster"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster/clustertest"
)

// contribPreamble makes the extensions of contribSamples, one of them in a schema of its own.
const contribPreamble = `
	CREATE SCHEMA ext; CREATE EXTENSION hstore SCHEMA ext; CREATE EXTENSION citext; CREATE EXTENSION ltree; CREATE EXTENSION cube;
	CREATE EXTENSION seg; CREATE EXTENSION intarray; CREATE EXTENSION isn;`

// contribSamples are the types of PostgreSQL's own extensions.
func contribSamples() []sample {
	pairs := func(r *rand.Rand) string {
		var list []string
		for i := range r.IntN(6) {
			value := "NULL"
			if r.IntN(3) > 0 {
				value = `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(pickText(r)+pickText(r)) + `"`
			}
			list = append(list, fmt.Sprintf(`"%c %d"=>%s`, 'a'+r.IntN(26), i, value))
		}
		return strings.Join(list, ",")
	}
	return append(articleSamples(), []sample{
		{"ext.hstore", []string{"", "a=>1", `"a b"=>"c\"d\\", e=>NULL, ""=>""`, "x=>" + strings.Repeat("y", 5000)}, pairs},
		{"citext", []string{"", "AbC", `"q", {x}`, "Ünï"}, nil},
		{"ltree", []string{"", "Top", "Top.Science.Astronomy", "a.bb.ccc.dddd.eeeee.ffffff.ggggggg.hhhhhhhh", "A_1.2"}, nil},
		{"lquery", words("* *.a.* a.b *{2} *{,3}.a *{1,} *{1,4} !a.b a|b.c !a|b.c foo*.bar@.baz% foo%@* aa|bbb*|cccc@.d"), nil},
		{"ltxtquery", []string{"a", "a & b", "a | b & !c", "!(a | b)", "(a | b) & (c | d)", "foo*@ & !bar%", "!!a", "a & (b & c)"}, nil},
		{"query_int", words("1 1&2 1|2&!3 !(1|2) (1|2)&(3|4) -5&2147483647 !!1 1&(2&3)"), nil},
		{"cube", []string{"()", "(1)", "(1,2,3)", "(1,2),(3,4)", "(0),(-0)", "(NaN)", "(1,2),(1,2)", "(1e300, -Infinity)"}, nil},
		{"seg", []string{
			"1", "10", "1.0", "1.50", "0.001", "0.00001", "123456", "1e10", "-1.5", "<5", ">5.0", "~5.00", "1 .. 2", "1.5 ..", ".. 2.5", "~1 .. ~2", "-1e-20 .. 1e20",
			"100 .. 1000.0", "1.2(+-)0.1", "0", "0.0", "-0.05", "12345.6", "1234.5", "99999", "<1.5 .. >2",
		}, func(r *rand.Rand) string {
			return strconv.FormatFloat(float64(r.Int64N(2e6)-1e6)/float64([]int{1, 10, 1000, 1e6, 1e9}[r.IntN(5)]), 'f', r.IntN(8), 64)
		}},
	}...)
}

// articleSamples are the types of isn; a question mark lets the server compute the check digit.
func articleSamples() []sample {
	number := func(prefixes ...string) func(r *rand.Rand) string {
		return func(r *rand.Rand) string {
			text := prefixes[r.IntN(len(prefixes))]
			for len(text) < 12 {
				text += fmt.Sprint(r.IntN(10))
			}
			return text + []string{"?", "0!"}[r.IntN(6)/5]
		}
	}
	books := words("0-393-04002-X 9780393040029 978-0-393-04002-9! 979109063607? 979999999999? 978000000000? 978999999999? 978610000000?")
	scores := words("M-3452-4680-5 9790345246805! 979000000000? 979099999999?")
	serials := words("1144-875X 977114487553? 9771144875007! 977000000000? 977999999999?")
	return []sample{
		{"ean13", words("000000000000? 999999999999? 140000000000? 9780393040029 9771144875007! 0000000000000!"), number("", "978", "979", "977", "14", "0")},
		{"isbn", books, number("978", "9789", "97899", "97910")},
		{"isbn13", books, number("978", "9789", "97899", "97910")},
		{"ismn", scores, number("9790")},
		{"ismn13", scores, number("9790")},
		{"issn", serials, number("977")},
		{"issn13", serials, number("977")},
		{"upc", words("036000291452 000000000000 99999999999? 012345678905!"), number("0")},
	}
}

// everyGroup makes tables of articles that lie in every range of isn's tables, and
// beside it: all first digits down to where ranges differ.
func everyGroup(t *testing.T, c *cluster.Cluster) []string {
	t.Helper()
	clustertest.Exec(t, c, "postgres", `
		CREATE FUNCTION numbers(prefix text, width int) RETURNS SETOF text LANGUAGE sql AS $$
			SELECT rpad(prefix || lpad(g::text, width, '0'), 12, '3141592') || '?' FROM generate_series(0, (10 ^ width)::int - 1) g $$;
		CREATE TABLE articles AS SELECT n::ean13 AS n FROM numbers('', 3) n;
		CREATE TABLE books AS SELECT n::isbn AS n FROM (SELECT numbers('978', 5) UNION ALL SELECT numbers('9789', 5)
			UNION ALL SELECT numbers('97899', 5) UNION ALL SELECT numbers('9791', 4)) AS all_of_them(n)`)
	return []string{"articles", "books"}
}

// loadSamples makes and fills a table for each sample and compares each with COPY.
func loadSamples(t *testing.T, c *cluster.Cluster, all []sample) {
	t.Helper()
	for i, s := range all {
		sampleTable(t, c, s, fmt.Sprintf("s%d", i), rand.New(rand.NewPCG(15, uint64(i))))
	}
	db := snapshot(t, c)
	for i, s := range all {
		name := fmt.Sprintf("s%d", i)
		t.Run(s.name, func(t *testing.T) {
			got := decodeTable(t, c, db, table(t, db, name))
			compare(t, got, clustertest.CopyOut(t, c, "postgres", "SELECT * FROM "+name))
		})
	}
}

// TestOracleContrib compares random values of the extensions' types with COPY.
func TestOracleContrib(t *testing.T) {
	t.Parallel()
	c := clustertest.Start(t, cluster.Options{})
	clustertest.Exec(t, c, "postgres", contribPreamble)
	loadSamples(t, c, contribSamples())
	names := everyGroup(t, c)
	db := snapshot(t, c)
	for _, name := range names {
		compare(t, decodeTable(t, c, db, table(t, db, name)), clustertest.CopyOut(t, c, "postgres", "SELECT * FROM "+name))
	}
}
