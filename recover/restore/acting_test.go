package restore

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/pgrescue/pgrescue/recover/casefile"
	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/live"
	"github.com/pgrescue/pgrescue/recover/pg"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster/clustertest"
)

// target is a throwaway server, and a case whose plans are for it.
type target struct {
	t    testing.TB
	c    *cluster.Cluster
	db   string
	dsn  string
	dir  string
	file *casefile.Case
}

// newTarget starts a server and runs SQL texts on it.
func newTarget(t testing.TB, version string, sql ...string) *target {
	t.Helper()
	c := clustertest.Start(t, cluster.Options{Version: version, TCP: true})
	return newDatabase(t, c, "target", sql...)
}

// newDatabase makes a database on a server, and runs SQL texts in it.
func newDatabase(t testing.TB, c *cluster.Cluster, name string, sql ...string) *target {
	t.Helper()
	clustertest.Exec(t, c, "postgres", "CREATE DATABASE "+name)
	return newTargetIn(t, c, name, sql...)
}

// newSchema empties the database postgres on a server, which is quicker than another
// database, and runs SQL texts in it.
func newSchema(t testing.TB, c *cluster.Cluster, sql ...string) *target {
	t.Helper()
	return newTargetIn(t, c, "postgres", append([]string{"DROP SCHEMA public CASCADE; CREATE SCHEMA public"}, sql...)...)
}

func newTargetIn(t testing.TB, c *cluster.Cluster, db string, sql ...string) *target {
	t.Helper()
	clustertest.Exec(t, c, db, sql...)
	g := &target{t: t, c: c, db: db, dsn: c.DSN(db), dir: filepath.Join(t.TempDir(), "case")}
	g.open()
	return g
}

// open opens the case, which is closed with the test.
func (g *target) open() {
	g.t.Helper()
	file, err := casefile.Open(g.t.Context(), g.dir, casefile.Create, casefile.Options{Command: "test"})
	if err != nil {
		g.t.Fatal(err)
	}
	g.file = file
	g.t.Cleanup(func() {
		if err := file.Close(); err != nil {
			g.t.Error(err)
		}
	})
}

func (g *target) exec(sql ...string) {
	g.t.Helper()
	clustertest.Exec(g.t, g.c, g.db, sql...)
}

// rows gives the rows of a query as COPY prints them.
func (g *target) rows(query string) string {
	g.t.Helper()
	return clustertest.CopyOut(g.t, g.c, g.db, query)
}

func (g *target) value(query string) string {
	g.t.Helper()
	return clustertest.Value(g.t, g.c, g.db, query)
}

// acting is what apply, verify and undo get in tests.
func (g *target) acting(plan *Plan) Acting {
	return Acting{Case: g.file, Plan: plan, Connect: connectTo(g.dsn)}
}

func connectTo(dsn string) func(ctx context.Context) (*live.Conn, error) {
	return func(ctx context.Context) (*live.Conn, error) {
		return live.Connect(ctx, dsn, live.Options{Command: "test", Mode: live.Write})
	}
}

type planRow = casefile.PlanRow

// tableRows is a table of a plan that a test makes by hand.
type tableRows struct {
	schema, name string
	key          []string
	component    int
	rows         []planRow
	sequences    []SequencePlan
}

// values makes values of texts: \N is NULL.
func values(texts ...string) []evidence.Value {
	list := make([]evidence.Value, len(texts))
	for i, text := range texts {
		list[i] = evidence.Value{Text: []byte(text)}
		if text == `\N` {
			list[i] = evidence.Value{State: evidence.Null}
		}
	}
	return list
}

// insert is a row that the target does not have.
func insert(texts ...string) planRow {
	return planRow{Action: string(Insert), Data: values(texts...)}
}

// there is a row that the target has.
func there(texts ...string) planRow {
	return planRow{Action: string(Equal), Data: values(texts...)}
}

// change is a row that the target has with other values.
func change(before, data []evidence.Value) planRow {
	return planRow{Action: string(Overwrite), Data: data, Before: before}
}

// plan makes a plan as `restore plan` would, but of rows that the test gives.
func (g *target) plan(replica bool, tables ...tableRows) *Plan {
	g.t.Helper()
	return g.planOf(replica, tables, func(table int, put func(row planRow)) {
		for _, row := range tables[table].rows {
			put(row)
		}
	})
}

// planOf makes a plan of the rows that each puts for a table.
func (g *target) planOf(replica bool, tables []tableRows, each func(table int, put func(row planRow))) *Plan {
	g.t.Helper()
	check := func(err error) {
		g.t.Helper()
		if err != nil {
			g.t.Fatal(err)
		}
	}
	ctx := g.t.Context()
	conn, err := live.Connect(ctx, g.dsn, live.Options{Command: "test"})
	check(err)
	defer conn.Close()
	card, err := conn.Card(ctx)
	check(err)
	plan := &Plan{Format: planFormat, Case: g.file.ID(), Made: time.Now().UTC(), Tool: "test", Target: *card, Replica: replica}
	writer, err := g.file.NewPlan(ctx)
	check(err)
	for i, table := range tables {
		described := g.describe(conn, table)
		described.Order = i
		var key []int
		for _, name := range table.key {
			key = append(key, slices.Index(described.ColumnNames(), name))
		}
		each(i, func(row planRow) {
			row.Table = i
			for _, at := range key {
				row.Key = append(row.Key, row.Data[at])
			}
			described.Counts[Action(row.Action)]++
			check(writer.Put(&row))
		})
		plan.Tables = append(plan.Tables, *described)
	}
	header, err := plan.header()
	check(err)
	kept, err := writer.Finish(header)
	check(err)
	plan.PlanID, plan.RowsSHA256 = kept.ID, kept.RowsHash
	return plan
}

func (g *target) describe(conn *live.Conn, table tableRows) *TablePlan {
	g.t.Helper()
	ctx := g.t.Context()
	if table.schema == "" {
		table.schema = "public"
	}
	p := &TablePlan{
		Schema: table.schema, Name: table.name, Component: table.component, Key: table.key, Multiset: len(table.key) == 0,
		Counts: map[Action]int64{}, Sequences: table.sequences,
	}
	check := func(err error) {
		g.t.Helper()
		if err != nil {
			g.t.Fatal(err)
		}
	}
	check(conn.Exec(ctx, "test", "BEGIN"))
	check(qualified(ctx, conn, func() error {
		oid, err := conn.Value(ctx, "test", placeSQL, p.Schema, p.Name)
		check(err)
		p.Fingerprint, err = fingerprintOf(ctx, conn, oid)
		check(err)
		return conn.Query(ctx, "test", `SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute
			WHERE attrelid = $1::oid AND attnum > 0 AND NOT attisdropped AND attgenerated = '' ORDER BY attnum`, live.Parameters(oid),
			func(row [][]byte) error {
				p.Columns = append(p.Columns, ColumnPlan{Name: string(row[0]), Type: string(row[1])})
				return nil
			})
	}))
	check(conn.Exec(ctx, "test", "ROLLBACK"))
	return p
}

// apply, verify and undo must succeed.
func (g *target) apply(plan *Plan, options ApplyOptions) *Applied {
	g.t.Helper()
	done, err := Apply(g.t.Context(), g.acting(plan), options)
	if err != nil {
		g.t.Fatalf("apply: %v", err)
	}
	return done
}

func (g *target) verify(plan *Plan) *Verified {
	g.t.Helper()
	done, err := Verify(g.t.Context(), g.acting(plan))
	if err != nil {
		g.t.Fatalf("verify: %v", err)
	}
	return done
}

func (g *target) undo(plan *Plan, options UndoOptions) *Undone {
	g.t.Helper()
	done, err := Undo(g.t.Context(), g.acting(plan), options)
	if err != nil {
		g.t.Fatalf("undo: %v", err)
	}
	return done
}

// state is what the tables hold, to be compared with what they hold later.
func (g *target) state(tables ...string) string {
	g.t.Helper()
	var b strings.Builder
	for _, table := range tables {
		b.WriteString(table + ":\n" + g.rows("SELECT t.* FROM "+table+" t ORDER BY t::text"))
	}
	return b.String()
}

// editRows changes a value of the plan's rows behind the back of the case.
func (g *target) editRows(plan *Plan) {
	g.t.Helper()
	if err := g.file.Close(); err != nil {
		g.t.Fatal(err)
	}
	path := filepath.Join(g.dir, casefile.DatabaseName)
	text, err := os.ReadFile(path)
	if err != nil {
		g.t.Fatal(err)
	}
	edited := bytes.Replace(text, []byte(`"three"`), []byte(`"THREE"`), -1)
	if bytes.Equal(edited, text) {
		g.t.Fatal("the value to edit is not in the case")
	}
	if err := os.WriteFile(path, edited, 0o600); err != nil {
		g.t.Fatal(err)
	}
	g.open()
}

// caseRows puts rows of a table into the case, and gives their numbers.
func (g *target) caseRows(table string, count int) []int64 {
	g.t.Helper()
	check := func(err error) {
		g.t.Helper()
		if err != nil {
			g.t.Fatal(err)
		}
	}
	run, err := g.file.Begin(g.t.Context(), casefile.Command{Name: "test"})
	check(err)
	rel := &evidence.Relation{RelationName: evidence.RelationName{Database: g.db, Schema: "public", Name: table}, Columns: []evidence.Column{{Name: "id", Key: true}}}
	into, err := run.Table(casefile.Table{Relation: rel})
	check(err)
	var numbers []int64
	for i := range count {
		numbers = append(numbers, int64(i+1))
		check(into.Put(&evidence.Row{
			Relation: rel, Values: values(strconv.Itoa(i)),
			Provenance: evidence.Provenance{Route: evidence.RouteHeap, Confidence: evidence.Proven, TID: pg.TID{Offset: pg.OffsetNumber(i + 1)}},
		}))
	}
	check(run.Commit(0))
	return numbers
}
