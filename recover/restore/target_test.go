package restore

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/pgrescue/pgrescue/recover/live"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster/clustertest"
)

// describeAll reads the definition of tables of schema s, as a plan does.
func describeAll(t testing.TB, conn *live.Conn, names ...string) map[string]*targetTable {
	t.Helper()
	card, err := conn.Card(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	described := &targetDB{conn: conn, card: card}
	if err := described.askReplica(t.Context()); err != nil {
		t.Fatal(err)
	}
	schemas := slices.Repeat([]string{"s"}, len(names))
	found, err := findTables(t.Context(), conn, schemas, names)
	if err != nil {
		t.Fatal(err)
	}
	var oids []string
	for i, table := range found {
		if table.oid == "" {
			t.Fatalf("%s is not there", names[i])
		}
		if !slices.Contains(oids, table.root) {
			oids = append(oids, table.root)
		}
	}
	within(t, conn, func() error { return described.describe(t.Context(), oids) })
	byName := map[string]*targetTable{}
	for _, table := range described.tables {
		byName[table.name] = table
	}
	return byName
}

// outline writes what is known of a table in lines.
func (t *targetTable) outline() string {
	var b strings.Builder
	for _, c := range t.columns {
		fmt.Fprintf(&b, "column %s %s notnull=%v identity=%q generation=%s default=%s\n", c.name, c.typ, c.notNull, c.identity, c.generation, c.defaults)
	}
	for _, i := range t.indexes {
		fmt.Fprintf(&b, "index %s primary=%v exclusion=%v on %v %s %s where %s\n", i.name, i.primary, i.exclusion, i.columns,
			strings.Join(i.expressions, ", "), strings.Join(i.operators, ", "), i.predicate)
	}
	for _, c := range t.checks {
		fmt.Fprintf(&b, "check %s %s\n", c.name, c.expression)
	}
	for _, k := range t.keys {
		fmt.Fprintf(&b, "key %s to %s: %s\n", k.name, k.parent.name, k.matches("p", "c"))
	}
	for _, tr := range t.triggers {
		fmt.Fprintf(&b, "trigger %s of %q fires=%v\n", tr.Name, tr.Table, tr.Fires)
	}
	for _, s := range t.sequences {
		fmt.Fprintf(&b, "sequence %s for %s down=%v\n", s.name, s.column, s.down)
	}
	fmt.Fprintf(&b, "partitioned=%v heirs=%v parts=%d security=%s rules=%d lacks=%d", t.partitioned, t.heirs, len(t.tree)-1, t.rowSecurity, len(t.rules), len(t.lacks))
	return b.String()
}

func TestDescribe(t *testing.T) {
	t.Parallel()
	for _, version := range []string{"12", "13", "18"} {
		t.Run("pg"+version, func(t *testing.T) {
			t.Parallel()
			server := clustertest.Start(t, cluster.Options{Version: version})
			clustertest.Exec(t, server, "postgres", "CREATE SCHEMA s", "CREATE DOMAIN s.word AS varchar(9)",
				"CREATE FUNCTION s.f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
				`CREATE TABLE s.up (id int PRIMARY KEY, "a b" text NOT NULL, UNIQUE ("a b", id))`,
				`CREATE TABLE s.t (gone int, id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, w s.word DEFAULT 'x', n numeric(6,2), up int, "up b" text, self bigint REFERENCES s.t,
					g int GENERATED ALWAYS AS (length(w)) STORED, during int4range, CHECK (n > 0), FOREIGN KEY ("up b", up) REFERENCES s.up ("a b", id) DEFERRABLE,
					EXCLUDE USING gist (during WITH &&) WHERE (n > 1))`,
				"ALTER TABLE s.t DROP gone", "CREATE UNIQUE INDEX i ON s.t (lower(w)) INCLUDE (n) WHERE n < 5",
				"CREATE TRIGGER a BEFORE INSERT ON s.t FOR EACH ROW EXECUTE FUNCTION s.f()", "CREATE TRIGGER b AFTER DELETE ON s.t FOR EACH ROW EXECUTE FUNCTION s.f()",
				"CREATE TRIGGER c AFTER INSERT OR UPDATE ON s.t FOR EACH ROW EXECUTE FUNCTION s.f()", "ALTER TABLE s.t ENABLE REPLICA TRIGGER c",
				"CREATE TRIGGER d AFTER INSERT ON s.t FOR EACH ROW EXECUTE FUNCTION s.f()", "ALTER TABLE s.t DISABLE TRIGGER d",
				"ALTER TABLE s.t ENABLE ROW LEVEL SECURITY", "ALTER TABLE s.t FORCE ROW LEVEL SECURITY", "CREATE TABLE s.heir () INHERITS (s.up)",
				"CREATE TABLE s.parts (id serial, at date, PRIMARY KEY (id, at)) PARTITION BY RANGE (at)",
				"CREATE TABLE s.p1 PARTITION OF s.parts FOR VALUES FROM ('2026-01-01') TO ('2026-02-01') PARTITION BY LIST (id)", "CREATE TABLE s.p11 PARTITION OF s.p1 DEFAULT",
				"CREATE TRIGGER e AFTER INSERT ON s.parts FOR EACH ROW EXECUTE FUNCTION s.f()", "ALTER TABLE s.p11 ENABLE ALWAYS TRIGGER e")
			tables := describeAll(t, readTarget(t, server), "t", "up", "p11")
			want := map[string]string{
				"t": `column id bigint notnull=true identity='a' generation= default=
column w s.word notnull=false identity='\x00' generation= default='x'::character varying
column n numeric(6,2) notnull=false identity='\x00' generation= default=
column up integer notnull=false identity='\x00' generation= default=
column up b text notnull=false identity='\x00' generation= default=
column self bigint notnull=false identity='\x00' generation= default=
column g integer notnull=false identity='\x00' generation=length((w)::text) default=
column during int4range notnull=false identity='\x00' generation= default=
index t_pkey primary=true exclusion=false on [0] id OPERATOR(pg_catalog.=) where 
index i primary=false exclusion=false on [-1] lower(w::text) OPERATOR(pg_catalog.=) where (n < (5)::numeric)
index t_during_excl primary=false exclusion=true on [7] during OPERATOR(pg_catalog.&&) where (n > (1)::numeric)
check t_n_check (n > (0)::numeric)
key t_self_fkey to s.t: p."id" OPERATOR(pg_catalog.=) c."self"
key t_up b_up_fkey to s.up: p."a b" OPERATOR(pg_catalog.=) c."up b" AND p."id" OPERATOR(pg_catalog.=) c."up"
trigger a of "" fires=false
trigger c of "" fires=true
sequence s.t_id_seq for id down=false
partitioned=false heirs=false parts=0 security=forced rules=0 lacks=0`,
				"up": `column id integer notnull=true identity='\x00' generation= default=
column a b text notnull=true identity='\x00' generation= default=
index up_pkey primary=true exclusion=false on [0] id OPERATOR(pg_catalog.=) where 
index up_a b_id_key primary=false exclusion=false on [1 0] "a b", id OPERATOR(pg_catalog.=), OPERATOR(pg_catalog.=) where 
partitioned=false heirs=true parts=0 security= rules=0 lacks=0`,
				"parts": `column id integer notnull=true identity='\x00' generation= default=nextval('s.parts_id_seq'::regclass)
column at date notnull=true identity='\x00' generation= default=
index parts_pkey primary=true exclusion=false on [0 1] id, at OPERATOR(pg_catalog.=), OPERATOR(pg_catalog.=) where 
trigger e of "" fires=false
trigger e of "s.p1" fires=false
trigger e of "s.p11" fires=true
sequence s.parts_id_seq for id down=false
partitioned=true heirs=false parts=2 security= rules=0 lacks=0`,
			}
			for name, outline := range want {
				got := tables[name].outline()
				if name == "t" { // the order of keys is that of their OIDs
					got, outline = sorted(got), sorted(outline)
				}
				if got != outline {
					t.Errorf("%s is\n%s\nwant\n%s", name, got, outline)
				}
			}
			if key := tables["t"].keyOf(); key == nil || key.name != "t_pkey" {
				t.Errorf("the key of t is %v", key)
			}
			named := []*targetTable{tables["parts"], tables["t"], tables["up"]}
			components := order(named)
			if len(components) != 3 || components[1].tables[0].name != "up" || !components[2].circle || components[2].tables[0].name != "t" {
				t.Errorf("the order is %+v", components)
			}
		})
	}
}

func sorted(text string) string {
	lines := strings.Split(text, "\n")
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}
