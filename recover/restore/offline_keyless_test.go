package restore

import (
	"strings"
	"testing"

	"github.com/pgrescue/pgrescue/recover/pitr/cluster"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster/clustertest"
)

// offlineLoose is a table without a key, with types that know no equality. The lost rows,
// which have a batch below 3, include equal ones, NULLs, and rows that differ from one
// that stays in nothing but how a value is written.
const offlineLoose = `
CREATE TABLE loose (batch int, doc json, place point, note text, "a ""b" char(3));
INSERT INTO loose VALUES (1, '{"a": 1}', '(1,1e-300)', 'twice', 'x'), (1, '{"a": 1}', '(1,1e-300)', 'twice', 'x'),
    (1, NULL, NULL, NULL, NULL), (2, '{"a": 1}', NULL, '', NULL), (2, 'null', '(0,0)', '(,")\', 'y');
INSERT INTO loose VALUES (3, '{"a": 1}', '(1,1e-300)', 'twice', 'x'), (NULL, NULL, NULL, NULL, NULL);`

func newOfflineLoose(t *testing.T) *offlineCase {
	t.Helper()
	o := &offlineCase{c: clustertest.Start(t, cluster.Options{}), database: "postgres", head: scriptHead{Database: "postgres", Tool: "a test"}}
	clustertest.Exec(t, o.c, o.database, offlineLoose)
	o.dsn = o.c.LibpqDSN(o.database)
	o.tables = []offlineCaseTable{{"public", "loose", columns("batch:integer", "doc:json", "place:point", "note:text", `a "b:character`), nil, "batch < 3"}}
	return o
}

// TestOfflineScriptTwiceWithoutKey: no key says that the rows are back already, so all of
// their values do, as often as they are there.
func TestOfflineScriptTwiceWithoutKey(t *testing.T) {
	t.Parallel()
	o := newOfflineLoose(t)
	before := o.state(t)
	dir := o.write(t)
	clustertest.Exec(t, o.c, o.database, "DELETE FROM loose WHERE batch < 3",
		`INSERT INTO loose VALUES (1, '{"a":1}', '(1,1e-300)', 'twice', 'x'), (1, NULL, NULL, '', NULL), (2, '{"a": 1}', NULL, NULL, NULL)`)
	near := o.state(t)
	if out, err := runScript(t, o.c, o.dsn, dir); err != nil {
		t.Fatalf("rows that are only similar are in the way: %v\n%s", err, out)
	}
	clustertest.Exec(t, o.c, o.database, `DELETE FROM loose WHERE doc::text = '{"a":1}' OR (batch, note) = (1, '') OR batch = 2 AND note IS NULL`)
	if o.state(t) != before || near == before {
		t.Fatal("the rows are not back")
	}
	for _, test := range []struct {
		name, hurt, says string
		more             []string
	}{
		{"all", "", "loose has no key, and 5 of its 5 rows are there already", nil},
		{"all in a rehearsal", "", "5 of its 5 rows are there already", []string{"-v", "rehearse=1"}},
		{"all and a switch that is off", "", "5 of its 5 rows are there already", []string{"-v", "allow_equal=0"}},
		{"one more of each", "INSERT INTO loose SELECT * FROM loose", "5 of its 5 rows are there already", nil},
		{"one of two", "DELETE FROM loose WHERE batch = 2 OR note IS NULL OR ctid = (SELECT min(ctid) FROM loose WHERE batch = 1 AND note = 'twice')", "1 of its 5 rows are there already, such as (1,", nil},
		{"a row of NULLs", "DELETE FROM loose WHERE batch = 2 OR note IS NOT NULL", "1 of its 5 rows are there already, such as (1,,,,)", nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			clustertest.Exec(t, o.c, o.database, "CREATE TABLE kept AS TABLE loose", test.hurt)
			hurt := o.state(t)
			out, err := runScript(t, o.c, o.dsn, dir, test.more...)
			if err == nil || o.state(t) != hurt {
				t.Errorf("it was run again: %v", err)
			}
			for _, says := range []string{test.says, "nothing was changed", "-v allow_equal=1"} {
				if !strings.Contains(out, says) {
					t.Errorf("it does not say %q:\n%s", says, out)
				}
			}
			clustertest.Exec(t, o.c, o.database, "TRUNCATE loose", "INSERT INTO loose TABLE kept", "DROP TABLE kept")
		})
	}
	out, err := runScript(t, o.c, o.dsn, dir, "-v", "allow_equal=1")
	if err != nil || !strings.Contains(out, "WARNING:  pgrescue: loose has no key, and 5 of its 5 rows are there already") {
		t.Errorf("all the same: %v\n%s", err, out)
	}
	if got, want := strings.Count(o.state(t), "\n"), strings.Count(before, "\n")+5; got != want {
		t.Errorf("with the rows once more there are %d lines, not %d", got, want)
	}
}
