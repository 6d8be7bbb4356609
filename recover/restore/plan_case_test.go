package restore

import (
	"context"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/pgrescue/pgrescue/recover/casefile"
	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/live"
	"github.com/pgrescue/pgrescue/recover/pg"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster"
)

// theCase is a case that a test fills.
type theCase struct {
	*casefile.Case
	run *casefile.Run
	tid pg.OffsetNumber
}

func newCase(t testing.TB) *theCase {
	t.Helper()
	c, err := casefile.Open(t.Context(), filepath.Join(t.TempDir(), "case"), casefile.Create, casefile.Options{Command: "test"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	run, err := c.Begin(context.WithoutCancel(t.Context()), casefile.Command{Name: "test"})
	if err != nil {
		t.Fatal(err)
	}
	return &theCase{Case: c, run: run}
}

// done ends the filling.
func (c *theCase) done(t testing.TB) {
	t.Helper()
	if c.run == nil {
		return
	}
	if err := c.run.Commit(0); err != nil {
		t.Fatal(err)
	}
	c.run = nil
}

// relation makes a table of the case from "schema.name: id int key, v text".
func relation(description string) *evidence.Relation {
	name, columns, _ := strings.Cut(description, ": ")
	schema, name, _ := strings.Cut(name, ".")
	rel := &evidence.Relation{RelationName: evidence.RelationName{Database: "postgres", Schema: schema, Name: name}}
	for text := range strings.SplitSeq(columns, ", ") {
		column, typ, _ := strings.Cut(text, " ")
		typ, key := strings.CutSuffix(typ, " key")
		rel.Columns = append(rel.Columns, evidence.Column{Name: column, Type: typ, Key: key})
	}
	return rel
}

// texts are values: NULL for `\N`, unknown for `?`.
func texts(values ...string) []evidence.Value {
	out := make([]evidence.Value, len(values))
	for i, text := range values {
		switch text {
		case `\N`:
			out[i].State = evidence.Null
		case "?":
			out[i] = evidence.Value{State: evidence.Unknown, Reason: "a test"}
		default:
			out[i].Text = []byte(text)
		}
	}
	return out
}

// lost puts a deleted row into the case, as WAL has it, each at a place of its own.
func (c *theCase) lost(t testing.TB, rel *evidence.Relation, values ...string) {
	t.Helper()
	c.tid++
	c.put(t, rel, evidence.Row{Values: texts(values...), Provenance: evidence.Provenance{
		Route: evidence.RouteWAL, Confidence: evidence.Proven, LSN: 1000 + pg.LSN(c.tid), TID: pg.TID{Offset: c.tid}, Xmin: 10, Xmax: 20, Operation: evidence.OpDelete,
	}})
}

func (c *theCase) put(t testing.TB, rel *evidence.Relation, row evidence.Row) {
	t.Helper()
	table, err := c.run.Table(casefile.Table{Relation: rel, Encoding: "UTF8"})
	if err != nil {
		t.Fatal(err)
	}
	row.Relation = rel
	if err := table.Put(&row); err != nil {
		t.Fatal(err)
	}
}

// tryPlan makes a plan for a live cluster.
func (c *theCase) tryPlan(t testing.TB, target *cluster.Cluster, options Options) (*Plan, error) {
	t.Helper()
	c.done(t)
	conn, err := live.Connect(t.Context(), target.LibpqDSN("postgres"), live.Options{Command: "restore-plan"})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	return Planning{Case: c.Case, Conn: conn, Options: options, Tool: "test"}.Make(t.Context())
}

func (c *theCase) makePlan(t testing.TB, target *cluster.Cluster, options Options) *Plan {
	t.Helper()
	plan, err := c.tryPlan(t, target, options)
	if err != nil {
		t.Fatal(err)
	}
	return plan
}

// rowsOf lists the rows of a table of a plan: action, data, before and note.
func (c *theCase) rowsOf(t testing.TB, plan *Plan, table string) []string {
	t.Helper()
	var lines []string
	for i := range plan.Tables {
		if plan.Tables[i].String() != table {
			continue
		}
		for row, err := range c.PlanRows(t.Context(), plan.PlanID, i, 0) {
			if err != nil {
				t.Fatal(err)
			}
			line := row.Action + " " + valuesText(row.Data)
			if row.Before != nil {
				line += " was " + valuesText(row.Before)
			}
			if row.Note != "" {
				line += " | " + row.Note
			}
			lines = append(lines, line)
		}
	}
	return lines
}

// expect compares the rows of a table of a plan with lines; one that ends with … is a beginning.
func (c *theCase) expect(t testing.TB, plan *Plan, table string, want ...string) {
	t.Helper()
	got := c.rowsOf(t, plan, table)
	same := len(got) == len(want)
	for i := range min(len(got), len(want)) {
		begin, cut := strings.CutSuffix(want[i], "…")
		same = same && (got[i] == want[i] || cut && strings.HasPrefix(got[i], begin))
	}
	if !same {
		t.Errorf("rows of %s:\n%s\nwant\n%s", table, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// lastTID is where the row of the last call of lost was.
func (c *theCase) lastTID() pg.TID { return pg.TID{Offset: c.tid} }

// putPartition puts a deleted row of a partition into the case, which knows its root.
func (c *theCase) putPartition(t testing.TB, rel *evidence.Relation, root string, values ...string) {
	t.Helper()
	table, err := c.run.Table(casefile.Table{Relation: rel, PartitionOf: evidence.RelationName{Database: rel.Database, Schema: rel.Schema, Name: root}})
	if err != nil {
		t.Fatal(err)
	}
	row := evidence.Row{Relation: rel, Values: texts(values...), Provenance: evidence.Provenance{Route: evidence.RouteDump, Confidence: evidence.Derived, Source: "dump", Line: 1}}
	if err := table.Put(&row); err != nil {
		t.Fatal(err)
	}
}

// lostRow is the nth of many lost rows of two columns, the second a text.
func lostRow(rel *evidence.Relation, n int) evidence.Row {
	return evidence.Row{Relation: rel, Values: texts(strconv.Itoa(n), "v"), Provenance: evidence.Provenance{
		Route: evidence.RouteWAL, Confidence: evidence.Proven, LSN: pg.LSN(n + 1), Xmin: 10, Xmax: 20, Operation: evidence.OpDelete,
		TID: pg.TID{Block: pg.BlockNumber(n / 50), Offset: pg.OffsetNumber(n%50 + 1)},
	}}
}
