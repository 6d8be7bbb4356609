package restore

import (
	"errors"
	"maps"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pgrescue/pgrescue/recover/pitr/cluster"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster/clustertest"
)

func TestPlanOfEachOutcome(t *testing.T) {
	t.Parallel()
	for _, version := range []string{"12", "15", "18"} {
		t.Run("pg"+version, func(t *testing.T) {
			t.Parallel()
			server := clustertest.Start(t, cluster.Options{Version: version})
			clustertest.Exec(t, server, "postgres", `CREATE TABLE parent (id int PRIMARY KEY, v text)`,
				`INSERT INTO parent VALUES (1, 'there')`,
				`CREATE TABLE t (id int PRIMARY KEY, v varchar(5), n numeric(6,2) CHECK (n > 0), u text UNIQUE, p int REFERENCES parent, must text NOT NULL,
					g int GENERATED ALWAYS AS (id * 2) STORED, added int DEFAULT 7)`,
				`CREATE UNIQUE INDEX t_expression ON t (lower(v)) WHERE n > 100`,
				`INSERT INTO t VALUES (1, 'same', 1, 'a', 1, 'x'), (2, 'new', 2, 'b', NULL, 'x'), (3, 'Taken', 101, 'c', NULL, 'x'), (5, NULL, 5, NULL, NULL, 'x')`)
			c := newCase(t)
			rel := relation("public.t: id integer key, v text, n numeric, u text, p integer, must text, g integer, gone text")
			for _, row := range [][]string{
				{"1", "same", "1.00", "a", "1", "x", "2", "z"},
				{"2", "old", "2", "b", `\N`, "x", "4", "z"},
				{"4", "fine", "4", "d", "1", "x", "8", "z"},
				{"5", "fill", "5", `\N`, `\N`, "x", "10", "z"},
				{"6", "too long", "6", "e", `\N`, "x", "12", "z"},
				{"7", "check", "-1", "f", `\N`, "x", "14", "z"},
				{"8", "taken", "102", "g", `\N`, "x", "16", "z"},
				{"9", "uniq", "9", "a", `\N`, "x", "18", "z"},
				{"10", "orphan"[:5], "10", "h", "77", "x", "20", "z"},
				{"11", "null", "11", "i", `\N`, `\N`, "22", "z"},
				{"12", "?", "12", "j", `\N`, "x", "24", "z"},
				{"13", "twin", "13", "twin", `\N`, "x", "26", "z"},
				{"14", "twin2", "14", "twin", `\N`, "x", "28", "z"},
				{"fifteen", "x", "15", "k", `\N`, "x", "30", "z"},
				{"?", "x", "16", "l", `\N`, "x", "32", "z"},
			} {
				c.lost(t, rel, row...)
			}
			plan := c.makePlan(t, server, Options{})
			c.expect(t, plan, "public.t",
				`equal ("1", "same", "1.00", "a", "1", "x")`,
				`blocked ("10", "orpha", "10.00", "h", "77", "x") | parent missing: t_p_fkey ("77") is not in public.parent: the case has no row of that table…`,
				`blocked ("11", "null", "11.00", "i", NULL, NULL) | column must must not be NULL`,
				`blocked ("12", unknown (a test), "12.00", "j", NULL, "x") | column v is unknown: a test`,
				`insert ("13", "twin", "13.00", "twin", NULL, "x")`,
				`blocked ("14", "twin2", "14.00", "twin", NULL, "x") | unique index t_u_key: row 5 of this plan has ("twin") too`,
				`conflict ("2", "old", "2.00", "b", NULL, "x") was ("2", "new", "2.00", "b", NULL, "x") | the target has other values in v`,
				`insert ("4", "fine", "4.00", "d", "1", "x")`,
				`conflict ("5", "fill", "5.00", NULL, NULL, "x") was ("5", NULL, "5.00", NULL, NULL, "x") | the target has other values in v`,
				`blocked ("6", "too long", "6", "e", NULL, "x") | its values do not fit: value too long for type character varying(5)`,
				`blocked ("7", "check", "-1.00", "f", NULL, "x") | it violates the check t_n_check`,
				`blocked ("8", "taken", "102.00", "g", NULL, "x") | unique index t_expression: the target has a row with ("taken"), (3)`,
				`blocked ("9", "uniq", "9.00", "a", NULL, "x") | unique index t_u_key: the target has a row with ("a"), (1)`,
				`blocked ("fifteen", "x", "15", "k", NULL, "x") | its values do not fit: invalid input syntax for type integer: "fifteen"`,
				`blocked (unknown (a test), "x", "16", "l", NULL, "x") | its key is not known: (unknown (a test))`,
			)
			table := &plan.Tables[0]
			if want := map[Action]int64{Equal: 1, Insert: 2, Conflict: 2, Blocked: 10}; !maps.Equal(table.Counts, want) {
				t.Errorf("counts %v, want %v", table.Counts, want)
			}
			notes := strings.Join(table.Notes, "\n")
			for _, want := range []string{
				"column gone is gone from the target", "column v was of type text and is of type character varying(5)",
				"column g is generated", "column added was added since: new rows get 7",
			} {
				if !strings.Contains(notes, want) {
					t.Errorf("%q is not in the notes:\n%s", want, notes)
				}
			}
			if strings.Join(table.Key, " ") != "id" || !plan.Replica || table.Multiset {
				t.Errorf("the plan is %+v", plan)
			}
			checkStored(t, c, plan)
			plan = c.makePlan(t, server, Options{Unknowns: NullUnknown, Choices: []Choice{{Resolution: TakeCase}, {Table: "public.t", Column: "v", Resolution: FillNulls}}})
			got := strings.Join(c.rowsOf(t, plan, "public.t"), "\n")
			for _, want := range []string{
				`insert ("12", NULL, "12.00", "j", NULL, "x") | column v is unknown (a test), and becomes NULL`,
				`keep ("2", "old", "2.00", "b", NULL, "x") was ("2", "new", "2.00", "b", NULL, "x") | the target keeps its own values`,
				`fill ("5", "fill", "5.00", NULL, NULL, "x") was ("5", NULL, "5.00", NULL, NULL, "x") | v`,
			} {
				if !strings.Contains(got, want) {
					t.Errorf("%s is not in\n%s", want, got)
				}
			}
		})
	}
}

// checkStored compares a plan with what the case keeps of it, in a file and back.
func checkStored(t testing.TB, c *theCase, plan *Plan) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "plan.json")
	if err := plan.Write(path); err != nil {
		t.Fatal(err)
	}
	read, err := Read(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := read.Check(t.Context(), c.Case); err != nil {
		t.Error(err)
	}
	read.RowsSHA256 = "another"
	if err := read.Check(t.Context(), c.Case); !errors.Is(err, ErrEdited) {
		t.Errorf("the error is %v", err)
	}
	read.RowsSHA256, read.Tables[0].Counts = plan.RowsSHA256, map[Action]int64{}
	if err := read.Check(t.Context(), c.Case); !errors.Is(err, ErrEdited) {
		t.Errorf("the error is %v", err)
	}
}
