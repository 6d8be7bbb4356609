package restore

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/pgrescue/pgrescue/recover/casefile"
	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/live"
	"github.com/pgrescue/pgrescue/recover/pg"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster/clustertest"
)

// oneLost makes a case with one lost row of table t, of the cluster with this identifier.
func oneLost(t testing.TB, systemIdentifier uint64) *theCase {
	t.Helper()
	c := newCase(t)
	if err := c.run.Cluster(systemIdentifier, 15, "postgres"); err != nil {
		t.Fatal(err)
	}
	c.lost(t, relation("public.t: id integer key, v text"), "1", "a")
	return c
}

func identifierOf(t testing.TB, c *cluster.Cluster) uint64 {
	t.Helper()
	number, err := strconv.ParseUint(clustertest.Value(t, c, "postgres", "SELECT system_identifier FROM pg_control_system()"), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return number
}

func TestPlanRefuses(t *testing.T) {
	t.Parallel()
	server := clustertest.Start(t, cluster.Options{})
	clustertest.Exec(t, server, "postgres", "CREATE TABLE t (id int PRIMARY KEY, v text)", "INSERT INTO t VALUES (9)", "DELETE FROM t", "CREATE VIEW seen AS SELECT * FROM t")
	own := identifierOf(t, server)
	refused := func(name string, c *theCase, options Options, want error, says string) {
		t.Helper()
		_, err := c.tryPlan(t, server, options)
		var detail *evidence.Error
		if !errors.Is(err, want) || !errors.As(err, &detail) || !strings.Contains(err.Error()+"; "+detail.Hint, says) {
			t.Errorf("%s: %v", name, err)
		}
	}
	refused("another cluster", oneLost(t, own+1), Options{}, ErrOtherCluster, "--other-cluster")
	c := oneLost(t, own)
	refused("pages", c, Options{}, ErrPagesNeeded, "--pages-not-needed")
	refused("no such table", c, Options{Tables: []string{"public.nothing"}}, ErrNoTable, "case show")
	refused("one of two tables", c, Options{Tables: []string{"public.t", "public.nothing"}, PagesNotNeeded: true}, ErrNoTable, "no rows of public.nothing")
	refused("no such database", c, Options{Database: "elsewhere"}, ErrNoTable, "it has postgres")
	refused("a wrong choice", c, Options{Choices: []Choice{{Resolution: "perhaps"}}}, ErrChoice, "perhaps")
	refused("a choice for a column that is not there", c, Options{PagesNotNeeded: true, Choices: []Choice{{Resolution: TakeCase}, {Table: "public.t", Column: "w", Resolution: TakeTarget}}}, ErrChoice, "public.t has no column w")
	refused("a wrong LSN", c, Options{AsOfLSN: "0-0"}, ErrChoice, "LSN")
	refused("no rows", newCase(t), Options{}, ErrNothing, "undelete")
	other := newCase(t)
	rel := relation("public.t: id integer key, v text")
	rel.Database = "shop"
	other.lost(t, rel, "1", "a")
	refused("another database", other, Options{}, ErrOtherCluster, "--database")
	if plan := other.makePlan(t, server, Options{Database: "shop"}); plan.Tables[0].Counts[Insert] != 1 {
		t.Errorf("%+v", plan)
	}
	gone := newCase(t)
	gone.lost(t, relation("public.gone: id integer key"), "1")
	refused("a table that is gone", gone, Options{}, ErrNoTable, "CREATE TABLE")
	view := newCase(t)
	view.lost(t, relation("public.seen: id integer key"), "1")
	refused("a view", view, Options{}, ErrNoTable, "none of the tables")

	if plan := c.makePlan(t, server, Options{PagesNotNeeded: true}); plan.Tables[0].Counts[Insert] != 1 || plan.SourceSystemIdentifier != own {
		t.Errorf("%+v", plan)
	}
	if plan := oneLost(t, own+1).makePlan(t, server, Options{OtherCluster: true}); plan.Tables[0].Counts[Insert] != 1 {
		t.Errorf("%+v", plan)
	}
}

// TestPlanReadsNoHurtParent: a foreign key leads to another hurt table, which the plan is not about.
func TestPlanReadsNoHurtParent(t *testing.T) {
	t.Parallel()
	server := clustertest.Start(t, cluster.Options{})
	clustertest.Exec(t, server, "postgres", "CREATE TABLE up (id int PRIMARY KEY)", "CREATE TABLE t (id int PRIMARY KEY, v int REFERENCES up)", "CREATE TABLE aside (id int PRIMARY KEY)",
		"INSERT INTO up VALUES (9)", "DELETE FROM up")
	file := clustertest.Value(t, server, "postgres", "SELECT 1663 || '/' || d.oid || '/' || pg_relation_filenode('t') FROM pg_database d WHERE datname = current_database()")
	for _, parent := range []string{"up", "aside"} {
		c := newCase(t)
		if err := c.run.Cluster(identifierOf(t, server), 15, "postgres"); err != nil {
			t.Fatal(err)
		}
		c.lost(t, relation("public.t: id integer key, v integer"), "1", "1")
		c.lost(t, relation("public."+parent+": id integer key"), "1")
		if err := c.run.Evidence(casefile.File{Path: "/copy", Kind: "relation file", RelFile: file}); err != nil {
			t.Fatal(err)
		}
		_, err := c.tryPlan(t, server, Options{Tables: []string{"public.t"}})
		if hurt := errors.Is(err, ErrPagesNeeded) && strings.Contains(err.Error(), "reads public.up,"); hurt != (parent == "up") || !hurt && err != nil {
			t.Errorf("%s: the error is %v", parent, err)
		}
	}
}

// TestPlanReadsTablesWhosePagesAreHeld: the file of the table, or its whole ledger, lets the plan read it.
func TestPlanReadsTablesWhosePagesAreHeld(t *testing.T) {
	t.Parallel()
	server := clustertest.Start(t, cluster.Options{})
	clustertest.Exec(t, server, "postgres", "CREATE TABLE t (id int PRIMARY KEY, v text)", "INSERT INTO t VALUES (9)", "DELETE FROM t")
	own := identifierOf(t, server)
	file := clustertest.Value(t, server, "postgres", "SELECT 1663 || '/' || d.oid || '/' || pg_relation_filenode('t') FROM pg_database d WHERE datname = current_database()")
	held := func(relfile string) *theCase {
		c := oneLost(t, own)
		if err := c.run.Evidence(casefile.File{Path: "/copy", Kind: "relation file", RelFile: relfile}); err != nil {
			t.Fatal(err)
		}
		return c
	}
	held(file).makePlan(t, server, Options{})
	if _, err := held(file+"9").tryPlan(t, server, Options{}); !errors.Is(err, ErrPagesNeeded) {
		t.Errorf("the error is %v", err)
	}
	ledger := func(covered bool, settled evidence.Route) *theCase {
		c := oneLost(t, own)
		table, err := c.run.Table(casefile.Table{Relation: relation("public.t: id integer key, v text")})
		if err != nil {
			t.Fatal(err)
		}
		line := casefile.LedgerLine{File: file, TID: c.lastTID(), LSN: 1001, XID: 20, Operation: evidence.OpDelete, NamedBy: evidence.RouteWAL, Settled: settled}
		if err := errors.Join(table.Ledger(line), table.Loss(casefile.Loss{Covered: covered})); err != nil {
			t.Fatal(err)
		}
		return c
	}
	ledger(true, evidence.RouteWAL).makePlan(t, server, Options{})
	for _, c := range []*theCase{ledger(false, evidence.RouteWAL), ledger(true, "")} {
		if _, err := c.tryPlan(t, server, Options{}); !errors.Is(err, ErrPagesNeeded) {
			t.Errorf("the error is %v", err)
		}
	}
	clustertest.Exec(t, server, "postgres", "TRUNCATE t")
	ledger(false, evidence.RouteWAL).makePlan(t, server, Options{}) // no page is left to prune
}

func TestPlanOnStandbyAndReadOnly(t *testing.T) {
	t.Parallel()
	server := clustertest.Start(t, cluster.Options{Settings: map[string]string{"default_transaction_read_only": "on"}})
	clustertest.Exec(t, server, "postgres", "SET default_transaction_read_only = off", "CREATE TABLE t (id int PRIMARY KEY, v text)")
	own := identifierOf(t, server)
	plan := oneLost(t, own).makePlan(t, server, Options{PagesNotNeeded: true})
	if notes := strings.Join(plan.Notes, "\n"); !plan.Target.ReadOnly || !strings.Contains(notes, "somebody wants no writes") {
		t.Errorf("notes: %s", notes)
	}
	if err := server.Stop(t.Context(), cluster.Fast); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(server.DataDir(), "standby.signal"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := server.Start(context.WithoutCancel(t.Context())); err != nil {
		t.Fatal(err)
	}
	plan = oneLost(t, own).makePlan(t, server, Options{}) // a standby prunes nothing
	if notes := strings.Join(plan.Notes, "\n"); !plan.Target.InRecovery || !strings.Contains(notes, "standby") || plan.Tables[0].Counts[Insert] != 1 {
		t.Errorf("notes: %s, %v", notes, plan.Tables[0].Counts)
	}
}

func TestPlanOfARoleWithoutRights(t *testing.T) {
	t.Parallel()
	server := clustertest.Start(t, cluster.Options{})
	clustertest.Exec(t, server, "postgres", "CREATE ROLE clerk LOGIN", "CREATE TABLE t (id serial PRIMARY KEY, v text)", "GRANT SELECT ON t TO clerk",
		"REVOKE TEMP ON DATABASE postgres FROM PUBLIC", "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
		"CREATE TRIGGER fires BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION f()", "CREATE TRIGGER always AFTER UPDATE ON t FOR EACH ROW EXECUTE FUNCTION f()",
		"ALTER TABLE t ENABLE ALWAYS TRIGGER always", "CREATE TRIGGER never AFTER DELETE ON t FOR EACH ROW EXECUTE FUNCTION f()",
		"CREATE RULE r AS ON INSERT TO t DO ALSO NOTHING")
	c := newCase(t)
	c.lost(t, relation("public.t: id integer key, v text"), "1", "a")
	c.done(t)
	as := func(role string, options Options) (*Plan, error) {
		conn, err := live.Connect(t.Context(), server.LibpqDSN("postgres")+" user="+role, live.Options{Command: "restore-plan"})
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		return Planning{Case: c.Case, Conn: conn, Options: options}.Make(t.Context())
	}
	plan, err := as("clerk", Options{})
	if err != nil {
		t.Fatal(err)
	}
	table := &plan.Tables[0]
	if got := strings.Join(table.Lacks, "; "); plan.Replica || got != "INSERT; UPDATE; UPDATE on sequence public.t_id_seq" || !strings.Contains(strings.Join(plan.Notes, ""), "TEMP") {
		t.Errorf("lacks %s; %+v", got, plan.Notes)
	}
	fires := func(plan *Plan) string {
		var names []string
		for _, trigger := range plan.Tables[0].Triggers {
			names = append(names, trigger.Name+"="+strconv.FormatBool(trigger.Fires))
		}
		return strings.Join(names, " ") + " " + strconv.Itoa(len(plan.Tables[0].Rules))
	}
	if got := fires(plan); got != "always=true fires=true 1" {
		t.Errorf("triggers %s", got)
	}
	for _, triggers := range []bool{false, true} {
		plan, err := as(cluster.Superuser, Options{Triggers: triggers})
		if err != nil {
			t.Fatal(err)
		}
		want := map[bool]string{false: "always=true fires=false 0", true: "always=true fires=true 1"}[triggers]
		if got := fires(plan); got != want || plan.Replica == triggers {
			t.Errorf("triggers %s, want %s", got, want)
		}
	}
	clustertest.Exec(t, server, "postgres", "ALTER TABLE t ENABLE ROW LEVEL SECURITY")
	if _, err := as("clerk", Options{}); !errors.Is(err, live.ErrDenied) || !strings.Contains(err.Error(), "BYPASSRLS of public.t") {
		t.Errorf("the error is %v", err)
	}
}

// Of a key that an update gave to another row nobody can say that its row was changed again.
func TestPlanOfSwappedKeys(t *testing.T) {
	t.Parallel()
	server := clustertest.Start(t, cluster.Options{})
	clustertest.Exec(t, server, "postgres", "CREATE TABLE t (id int PRIMARY KEY, v text)", "INSERT INTO t VALUES (1, 'b'), (2, 'a')")
	c := newCase(t)
	for i, pair := range [][2][]evidence.Value{{texts("1", "a"), texts("2", "a")}, {texts("2", "b"), texts("1", "b")}} {
		c.put(t, relation("public.t: id integer key, v text"), evidence.Row{Values: pair[0], Successor: pair[1], Provenance: evidence.Provenance{
			Route: evidence.RouteWAL, Confidence: evidence.Proven, LSN: 1000, TID: pg.TID{Offset: pg.OffsetNumber(i + 1)}, Xmin: 10, Xmax: 20, Operation: evidence.OpUpdate,
		}})
	}
	c.expect(t, c.makePlan(t, server, Options{}), "public.t",
		`conflict ("1", "a") was ("1", "b") | the target has other values in v; the update changed the key to ("2"), and the target has other values for this key`,
		`conflict ("2", "b") was ("2", "a") | the target has other values in v; the update changed the key to ("1"), and the target has other values for this key`)
}

func TestPlanOfConflicts(t *testing.T) {
	t.Parallel()
	server := clustertest.Start(t, cluster.Options{})
	clustertest.Exec(t, server, "postgres", "CREATE TABLE t (id int PRIMARY KEY, v text, w text UNIQUE)",
		"INSERT INTO t VALUES (1, 'bad', 'x'), (2, 'bad', NULL), (3, 'later', 'y'), (12, 'moved', 'z'), (5, NULL, 'taken')")
	c := newCase(t)
	rel := relation("public.t: id integer key, v text, w text")
	update := func(values, successor []evidence.Value) {
		c.tid++
		c.put(t, rel, evidence.Row{Values: values, Successor: successor, Provenance: evidence.Provenance{
			Route: evidence.RouteWAL, Confidence: evidence.Proven, LSN: 1000, TID: c.lastTID(), Xmin: 10, Xmax: 20, Operation: evidence.OpUpdate,
		}})
	}
	update(texts("1", "good", "x"), texts("1", "bad", "x"))
	update(texts("2", "good", "taken"), texts("2", "bad", `\N`))
	update(texts("3", "good", "y"), texts("3", "bad", "y"))
	update(texts("4", "moved", "z"), texts("12", "moved", "z"))
	for line, v := range []string{"a", "b"} {
		c.put(t, rel, evidence.Row{Values: texts("9", v, `\N`), Provenance: evidence.Provenance{Route: evidence.RouteImport, Confidence: evidence.Derived, Source: "in.csv", Line: int64(line + 1)}})
	}
	plan := c.makePlan(t, server, Options{})
	c.expect(t, plan, "public.t",
		`conflict ("1", "good", "x") was ("1", "bad", "x") | the target has other values in v; the row is as the update left it`,
		`conflict ("2", "good", "taken") was ("2", "bad", NULL) | the target has other values in v, w; the row is as the update left it`,
		`conflict ("3", "good", "y") was ("3", "later", "y") | the target has other values in v; the target has other values for this key than the update left`,
		`blocked ("4", "moved", "z") | an update changed the key to ("12"): the row lives on under it, or was lost under it`,
		`conflict ("9", "a", NULL) | import (in.csv line 1) and import (in.csv line 2) differ in column v: "a" and "b"; --twice or --route says which counts`,
	)
	plan = c.makePlan(t, server, Options{Twice: TwiceLast, Choices: []Choice{{Resolution: TakeCase}, {Table: "t", Column: "w", Resolution: TakeTarget}}})
	c.expect(t, plan, "public.t",
		`overwrite ("1", "good", "x") was ("1", "bad", "x") | v; the row is as the update left it`,
		`overwrite ("2", "good", NULL) was ("2", "bad", NULL) | v; the row is as the update left it`,
		`overwrite ("3", "good", "y") was ("3", "later", "y") | v; the target has other values for this key than the update left`,
		`blocked…`, `insert ("9", "b", NULL) | the key is there 2 times; taken from in.csv line 2`)
	plan = c.makePlan(t, server, Options{Choices: []Choice{{Resolution: FillNulls}}})
	c.expect(t, plan, "public.t", `keep ("1"…`, `blocked ("2", "bad", "taken") was ("2", "bad", NULL) | w; the row is as the update left it; unique index t_w_key: the target has a row with ("taken"), (5)`,
		`keep ("3"…`, `blocked…`, `conflict ("9"…`)
	plan = c.makePlan(t, server, Options{Routes: []evidence.Route{evidence.RouteImport}, Twice: TwiceFirst})
	c.expect(t, plan, "public.t", `insert ("9", "a", NULL)…`)
}

// TestPlanTellsOfRowsThatWentSince: the loss updated a row, and it was there after it.
// When it is not there now, somebody may have deleted it on purpose.
func TestPlanTellsOfRowsThatWentSince(t *testing.T) {
	t.Parallel()
	server := clustertest.Start(t, cluster.Options{})
	clustertest.Exec(t, server, "postgres", "CREATE TABLE t (id int PRIMARY KEY, v text)")
	c := newCase(t)
	rel := relation("public.t: id integer key, v text")
	version := func(xmin pg.XID, operation evidence.Operation, values, successor []evidence.Value) {
		c.tid++
		c.put(t, rel, evidence.Row{Values: values, Successor: successor, Provenance: evidence.Provenance{
			Route: evidence.RouteWAL, Confidence: evidence.Proven, LSN: 1000, TID: c.lastTID(), Xmin: xmin, Xmax: 20, Operation: operation,
		}})
	}
	version(10, evidence.OpUpdate, texts("1", "good"), texts("1", "bad")) // and deleted later, by another transaction
	version(10, evidence.OpUpdate, texts("2", "good"), texts("2", "mid"))
	version(20, evidence.OpDelete, texts("2", "mid"), nil) // the loss itself deleted it
	version(10, evidence.OpDelete, texts("3", "good"), nil)
	plan := c.makePlan(t, server, Options{})
	c.expect(t, plan, "public.t", `insert ("1", "good") | the loss only updated it: it was deleted since`, `insert ("2", "good")`, `insert ("3", "good")`)
	if notes := strings.Join(plan.Tables[0].Notes, "\n"); !strings.Contains(notes, "1 row that the loss only updated was deleted since, and the plan takes it for lost") {
		t.Errorf("notes: %s", notes)
	}
}
