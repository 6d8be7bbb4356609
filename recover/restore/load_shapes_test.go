package restore

import (
	"regexp"
	"strings"
	"testing"

	"github.com/pgrescue/pgrescue/recover/pitr/cluster"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster/clustertest"
)

// loadShape is a table that refuses rows in its own way.
type loadShape struct {
	name    string
	since   string // first version; "": all
	sql     []string
	tables  func() []LoadTable
	counts  string // read/inserted/there/different/updated/twice/refused of each table
	refused string // a line for each row: table, line, [column], [constraint], reason
	query   string // shows the rows afterwards
	state   string
	// apart holds that Compare cannot know what the server will say: triggers and such.
	apart bool
}

var loadShapes = []loadShape{
	{
		name: "unique in the file and with live rows",
		sql: []string{
			"CREATE TABLE host (id int PRIMARY KEY, name text, ip text)", "CREATE UNIQUE INDEX host_name ON host (lower(name)) WHERE name <> 'any'", "ALTER TABLE host ADD CONSTRAINT host_ip UNIQUE (ip)",
			"INSERT INTO host VALUES (1, 'Live', '10.0.0.1')",
		},
		tables: func() []LoadTable {
			return []LoadTable{given("host", "id name ip", "2|a|10.0.0.2", "3|A|10.0.0.3", "4|c|10.0.0.3", "5|LIVE|10.0.0.5", "6|d|10.0.0.1", "7|any|10.0.0.7", "8|any|10.0.0.8", "9|e|10.0.0.7", `10|\N|\N`, `11|\N|\N`)}
		},
		counts: "host 10/6/0/0/0/0/4",
		refused: "host line 3 [] [host_name] unique index host_name: host.csv line 2 has the same, and came first\n" +
			`host line 5 [] [host_name] unique index host_name: the target has a row with (live), (1)` + "\n" +
			`host line 6 [ip] [host_ip] unique index host_ip: the target has a row with (10.0.0.1), (1)` + "\n" +
			"host line 9 [ip] [host_ip] unique index host_ip: host.csv line 7 has the same, and came first\n",
		query: "SELECT * FROM host ORDER BY id", state: "1\tLive\t10.0.0.1\n2\ta\t10.0.0.2\n4\tc\t10.0.0.3\n7\tany\t10.0.0.7\n8\tany\t10.0.0.8\n10\t\\N\t\\N\n11\t\\N\t\\N\n",
	},
	{
		name: "nulls not distinct", since: "15",
		sql:     []string{"CREATE TABLE n (id int PRIMARY KEY, v int, UNIQUE NULLS NOT DISTINCT (v))", "INSERT INTO n VALUES (1, 7)"},
		tables:  func() []LoadTable { return []LoadTable{given("n", "id v", `2|\N`, `3|\N`, "4|7")} },
		counts:  "n 3/1/0/0/0/0/2",
		refused: "n line 3 [v] [n_v_key] unique index n_v_key: n.csv line 2 has the same, and came first\nn line 4 [v] [n_v_key] unique index n_v_key: the target has a row with (7), (1)\n",
		query:   "SELECT * FROM n ORDER BY id", state: "1\t7\n2\t\\N\n",
	},
	{
		name:   "the same key twice",
		sql:    []string{"CREATE TABLE k (id int PRIMARY KEY, v text)"},
		tables: func() []LoadTable { return []LoadTable{given("k", "id v", "1|a", "1|a", "1|b", "2|x")} },
		counts: "k 4/2/0/0/0/1/1", refused: "k line 4 [] [k_pkey] k.csv line 2 has the same id with other values, and came first\n",
		query: "SELECT * FROM k ORDER BY id", state: "1\ta\n2\tx\n",
	},
	{
		name: "known by another key",
		sql:  []string{"CREATE TABLE k (id int PRIMARY KEY, tenant int, name text, v int)", "INSERT INTO k VALUES (1, 1, 'a', 10), (2, 1, 'b', 20)"},
		tables: func() []LoadTable {
			k := given("k", "id tenant name v", "11|1|a|10", "12|1|b|21", "13|2|a|10", "14|2|a|10", "15|2|a|11", `16|\N|a|1`, `17|\N|a|1`)
			k.Keys = [][]string{{"tenant", "name"}}
			return []LoadTable{k}
		},
		counts: "k 7/3/1/1/0/1/1", refused: "k line 6 [] [] k.csv line 4 has the same tenant, name with other values, and came first\n",
		query: "SELECT * FROM k ORDER BY id", state: "1\t1\ta\t10\n2\t1\tb\t20\n13\t2\ta\t10\n16\t\\N\ta\t1\n17\t\\N\ta\t1\n",
	},
	{
		name:   "without a key",
		sql:    []string{"CREATE TABLE k (v text, w json)", "INSERT INTO k VALUES ('a', '1'), ('a', '1'), ('b', NULL)"},
		tables: func() []LoadTable { return []LoadTable{given("k", "v w", "a|1", "a|1", "a|1", "a|1", `b|\N`, `c|\N`)} },
		counts: "k 6/3/3/0/0/0/0", query: "SELECT v, w::text FROM k ORDER BY 1", state: "a\t1\na\t1\na\t1\na\t1\nb\t\\N\nc\t\\N\n",
	},
	{
		name: "checks and values that must be there",
		sql: []string{
			"CREATE TABLE c (id int PRIMARY KEY, a int NOT NULL, b int CHECK (b > 0), d int DEFAULT 5, g int GENERATED ALWAYS AS (a + 1) STORED, CONSTRAINT sum CHECK (a + b < d * 10), CHECK (g <> 3))",
			"CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'", "CREATE TRIGGER t AFTER INSERT ON c FOR EACH ROW EXECUTE FUNCTION f()",
		},
		tables: func() []LoadTable {
			return []LoadTable{given("c", "id a b", "1|1|1", `2|\N|1`, "3|1|0", "4|30|30", "5|2|2", `6|5|\N`)}
		},
		counts: "c 6/2/0/0/0/0/4",
		refused: "c line 3 [a] [] it must not be NULL\nc line 4 [] [c_b_check] it violates the check c_b_check: (b > 0)\nc line 5 [] [sum] it violates the check sum: ((a + b) < (d * 10))\n" +
			"c line 6 [] [c_g_check] it violates the check c_g_check: (g <> 3)\n",
		query: "SELECT * FROM c ORDER BY id", state: "1\t1\t1\t5\t2\n6\t5\t\\N\t5\t6\n",
	},
	{
		name: "parents refused, children refused",
		sql: []string{
			"CREATE TABLE p (id int PRIMARY KEY, v varchar(2) UNIQUE)", "CREATE TABLE c (id int PRIMARY KEY, p int REFERENCES p)", "CREATE TABLE g (id int PRIMARY KEY, c int REFERENCES c DEFERRABLE INITIALLY DEFERRED)",
			"INSERT INTO p VALUES (9, 'zz')",
		},
		tables: func() []LoadTable {
			return []LoadTable{given("g", "id c", "1|1", "2|2", "3|3", `4|\N`, "5|5", "6|6"), given("c", "id p", "1|1", "2|2", "3|3", "5|9", "6|77"), given("p", "id v", "1|a", "2|abc", "3|a")}
		},
		counts: "g 6/3/0/0/0/0/3\nc 5/2/0/0/0/0/3\np 3/1/0/0/0/0/2",
		refused: "p line 3 [v] [] value too long for type character varying(2)\n" +
			"g line 3 [c] [g_c_fkey] parent missing: g_c_fkey to public.c: its row (2), from c.csv line 3, does not go in either\n" +
			"g line 4 [c] [g_c_fkey] parent missing: g_c_fkey to public.c: its row (3), from c.csv line 4, does not go in either\n" +
			"g line 7 [c] [g_c_fkey] parent missing: g_c_fkey to public.c: its row (6), from c.csv line 6, does not go in either\n" +
			"c line 3 [p] [c_p_fkey] parent missing: c_p_fkey to public.p: there is no row (2)\n" +
			"c line 4 [p] [c_p_fkey] parent missing: c_p_fkey to public.p: its row (3), from p.csv line 4, does not go in either\n" +
			"c line 6 [p] [c_p_fkey] parent missing: c_p_fkey to public.p: there is no row (77)\n" +
			"p line 4 [v] [p_v_key] unique index p_v_key: p.csv line 2 has the same, and came first\n",
		query: "SELECT * FROM g ORDER BY id", state: "1\t1\n4\t\\N\n5\t5\n",
	},
	{
		name: "a tree in one table, and an exclusion constraint that only the server knows",
		sql:  []string{"CREATE TABLE n (id int PRIMARY KEY, up int REFERENCES n, during int4range, EXCLUDE USING gist (during WITH &&))", "INSERT INTO n VALUES (1, NULL, '[1,5)')"},
		tables: func() []LoadTable {
			return []LoadTable{given("n", "id up during", `5|4|\N`, `4|1|\N`, `3|2|\N`, `2|99|\N`, "6|1|[4,6)", `7|6|\N`, "8|1|[10,20)", "9|1|[19,30)", `10|9|\N`)}
		},
		counts: "n 9/3/0/0/0/0/6", query: "SELECT id FROM n ORDER BY id", state: "1\n4\n5\n8\n", apart: true,
		refused: "n line 4 [up] [n_up_fkey] parent missing: n_up_fkey to public.n: its row (2), from n.csv line 5, does not go in either\n" +
			"n line 5 [up] [n_up_fkey] parent missing: n_up_fkey to public.n: there is no row (99)\n" +
			`n line 6 [during] [n_during_excl] exclusion constraint n_during_excl: the target has a row with ("[4,6)"), (1)` + "\n" +
			"n line 7 [up] [n_up_fkey] parent missing: n_up_fkey to public.n: its row (6), from n.csv line 6, does not go in either\n" +
			"n line 9 [] [n_during_excl] conflicting key value violates exclusion constraint \"n_during_excl\"\n" +
			"n line 10 [] [n_up_fkey] insert or update on table \"n\" violates foreign key constraint \"n_up_fkey\"\n",
	},
	{
		name: "a circle",
		sql:  []string{"CREATE TABLE a (id int PRIMARY KEY, b int)", "CREATE TABLE b (id int PRIMARY KEY, a int REFERENCES a)", "ALTER TABLE a ADD CONSTRAINT ab FOREIGN KEY (b) REFERENCES b"},
		tables: func() []LoadTable {
			return []LoadTable{given("a", "id b", "1|1", "2|2", "3|3"), given("b", "id a", "1|1", "2|9", "3|3")}
		},
		counts:  "a 3/2/0/0/0/0/1\nb 3/2/0/0/0/0/1",
		refused: "a line 3 [b] [ab] parent missing: ab to public.b: its row (2), from b.csv line 3, does not go in either\nb line 3 [a] [b_a_fkey] parent missing: b_a_fkey to public.a: there is no row (9)\n",
		query:   "SELECT a.id, b.id FROM a JOIN b ON b.id = a.b ORDER BY 1", state: "1\t1\n3\t3\n",
	},
	{
		name: "triggers that refuse, change and keep out, partitions, rules",
		sql: []string{
			"CREATE TABLE t (id int PRIMARY KEY, v text NOT NULL) PARTITION BY RANGE (id)", "CREATE TABLE t1 PARTITION OF t FOR VALUES FROM (0) TO (100)",
			"CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN IF NEW.v = 'no' THEN RAISE EXCEPTION 'not %', NEW.id; ELSIF NEW.v = 'out' THEN RETURN NULL; END IF; NEW.v := coalesce(NEW.v, 'given'); RETURN NEW; END$$",
			"CREATE TRIGGER t BEFORE INSERT ON t1 FOR EACH ROW EXECUTE FUNCTION f()",
		},
		tables: func() []LoadTable {
			return []LoadTable{given("t", "id v", "1|a", "2|no", "3|out", "150|b", `4|\N`)}
		},
		counts:  "t 5/2/0/0/0/0/3",
		refused: "t line 3 [] [] not 2\nt line 4 [] [] a trigger, a rule or a policy of the table kept the row out\nt line 5 [] [] no partition of relation \"t\" found for row\n",
		query:   "SELECT * FROM t ORDER BY id", state: "1\ta\n4\tgiven\n", apart: true,
	},
	{
		name: "rows that are there, and one to be completed",
		sql: []string{
			"CREATE TABLE r (id int PRIMARY KEY, n numeric(5,2), j json, kept text DEFAULT 'live', f float8)", `INSERT INTO r VALUES (1, 1.5, '{"a": 1}', 'x', 0.1), (2, 2, '{"a":1}', 'y', 1), (3, NULL, NULL, 'z', 2)`,
			"CREATE TABLE u (id int PRIMARY KEY, total int, kept text)", "INSERT INTO u VALUES (1, NULL, 'x'), (2, 7, 'y')",
		},
		tables: func() []LoadTable {
			u := given("u", "id total", "1|5", "2|7", "3|9")
			u.Update = true
			return []LoadTable{given("r", "id n j f", `1|1.50|{"a": 1}|1e-1`, `2|2.001|{"a": 1}|1`, `3|1|\N|2`, `4|4|[]|4`), u}
		},
		counts: "r 4/1/1/2/0/0/0\nu 3/1/1/1/1/0/0",
		query:  "SELECT id, n, j::text, kept FROM r UNION ALL SELECT id, total, NULL, kept FROM u ORDER BY 4, 1",
		state:  "4\t4.00\t[]\tlive\n1\t1.50\t{\"a\": 1}\tx\n1\t5\t\\N\tx\n2\t2.00\t{\"a\":1}\ty\n2\t7\t\\N\ty\n3\t\\N\t\\N\tz\n3\t9\t\\N\t\\N\n",
	},
}

// updated is the count of rows that were given other values, which Compare does not do.
var updated = regexp.MustCompile(`(?m)/\d+(/\d+/\d+)$`)

// short is the counts of all tables.
func short(l *Loaded) string {
	text := counts(l)
	for _, cut := range []string{"inserted ", "there ", "different ", "updated ", "twice ", "refused "} {
		text = strings.ReplaceAll(text, ", "+cut, "/")
	}
	return strings.TrimSpace(strings.ReplaceAll(text, ": read ", " "))
}

// What each kind of constraint refuses is told, and all else goes in. Compare says the same
// before, and leaves nothing; a second load finds all rows there.
func TestLoadShapes(t *testing.T) {
	t.Parallel()
	for _, version := range []string{"13", "15", "18"} {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			c := clustertest.Start(t, cluster.Options{Version: version})
			for i := range loadShapes {
				if shape := &loadShapes[i]; shape.since == "" || version >= shape.since {
					shape.test(t, c)
				}
			}
		})
	}
}

func (s *loadShape) test(t *testing.T, c *cluster.Cluster) {
	clustertest.Exec(t, c, "postgres", append([]string{"DROP SCHEMA public CASCADE; CREATE SCHEMA public"}, s.sql...)...)
	before := clustertest.CopyOut(t, c, "postgres", s.query)
	l := &loading{t: t, dsn: c.LibpqDSN("postgres")}
	run := func(what string, dry bool) (string, string) {
		l.change = func(l *Loading) { l.DryRun = dry }
		done, err := l.run(s.tables()...)
		if err != nil {
			t.Fatalf("%s: %s: %v", s.name, what, err)
		}
		refused := strings.Join(l.refused, "\n")
		if refused != "" {
			refused += "\n"
		}
		return short(done), refused
	}
	foreseen, told := run("compare", true)
	if now := clustertest.CopyOut(t, c, "postgres", s.query); now != before {
		t.Errorf("%s: Compare left\n%s", s.name, now)
	}
	got, refused := run("load", false)
	if got != s.counts || refused != s.refused {
		t.Errorf("%s: got:\n%s\n%s\nwant:\n%s\n%s", s.name, got, refused, s.counts, s.refused)
	}
	if !s.apart && (foreseen != updated.ReplaceAllString(got, "/0$1") || told != refused) {
		t.Errorf("%s: Compare said:\n%s\n%s\nLoad did:\n%s\n%s", s.name, foreseen, told, got, refused)
	}
	if now := clustertest.CopyOut(t, c, "postgres", s.query); now != s.state {
		t.Errorf("%s: the target has\n%s\nwant\n%s", s.name, now, s.state)
	}
	again, _ := run("load again", false)
	if now := clustertest.CopyOut(t, c, "postgres", s.query); now != s.state {
		t.Errorf("%s: a second load left\n%s\nwant\n%s", s.name, now, s.state)
	}
	for _, line := range strings.Split(again, "\n") {
		if fields := strings.Split(line, "/"); fields[1] != "0" {
			t.Errorf("%s: a second load did %s", s.name, line)
		}
	}
}
