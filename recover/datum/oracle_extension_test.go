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
	CREATE EXTENSION seg; CREATE EXTENSION intarray;`

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
	return []sample{
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
	}
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
}
