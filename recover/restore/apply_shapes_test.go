package restore

import (
	"fmt"
	"strings"
	"testing"

	"github.com/pgrescue/pgrescue/recover/pitr/cluster"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster/clustertest"
)

// shapesSQL makes tables of every kind that rows are put into in another way.
const shapesSQL = `CREATE SCHEMA "схема";
CREATE TYPE "схема".mood AS ENUM ('sad', 'ok');
CREATE DOMAIN "схема".code AS varchar(8) CHECK (value ~ '^[a-z]+$');
CREATE TYPE "схема".pair AS (a int, b text);
CREATE TABLE "схема"."weird "" name" (
	"select" "схема".mood, k2 "схема".code, k3 "схема".pair, k4 char(5), k5 varbit, "Value" text, n numeric(10,2), f float8, j jsonb, b bytea,
	PRIMARY KEY ("select", k2, k3, k4, k5));
CREATE TABLE ring_a (id int PRIMARY KEY, b int NOT NULL, name text);
CREATE TABLE ring_b (id int PRIMARY KEY, c int NOT NULL);
CREATE TABLE ring_c (id int PRIMARY KEY, a int NOT NULL REFERENCES ring_a);
ALTER TABLE ring_a ADD FOREIGN KEY (b) REFERENCES ring_b;
ALTER TABLE ring_b ADD FOREIGN KEY (c) REFERENCES ring_c DEFERRABLE;
CREATE TABLE tree (id int PRIMARY KEY, parent int REFERENCES tree ON DELETE CASCADE, ring int REFERENCES ring_a ON DELETE CASCADE);
CREATE TABLE part (region text, id int GENERATED ALWAYS AS IDENTITY, tree int REFERENCES tree ON DELETE CASCADE, twice int GENERATED ALWAYS AS (length(region) * 2) STORED, PRIMARY KEY (region, id)) PARTITION BY LIST (region);
CREATE TABLE part_eu PARTITION OF part FOR VALUES IN ('eu') PARTITION BY RANGE (id);
CREATE TABLE part_eu_1 PARTITION OF part_eu FOR VALUES FROM (0) TO (100);
CREATE TABLE part_rest PARTITION OF part DEFAULT;
ALTER TABLE part_rest ADD FOREIGN KEY (tree) REFERENCES ring_a;
CREATE TABLE to_part (id int PRIMARY KEY, region text, part int, FOREIGN KEY (region, part) REFERENCES part_eu_1 ON DELETE CASCADE);
CREATE TABLE heir_of (id int PRIMARY KEY, name text);
CREATE TABLE heir () INHERITS (heir_of);
CREATE TABLE slot (id int PRIMARY KEY, pos int UNIQUE DEFERRABLE INITIALLY DEFERRED, during tsrange, EXCLUDE USING gist (during WITH &&) DEFERRABLE);
CREATE TABLE nokey (a int, b text);
CREATE TABLE touched (what text);
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO touched VALUES (TG_TABLE_NAME || ' ' || TG_OP); RETURN NULL; END $$;
CREATE TRIGGER t AFTER INSERT OR UPDATE OR DELETE ON tree FOR EACH ROW EXECUTE FUNCTION touch();
INSERT INTO ring_b SELECT 1, 1 WHERE false;
INSERT INTO heir VALUES (5, 'of the heir');
INSERT INTO slot VALUES (1, 1, '[2020-01-01,2020-01-02)');
INSERT INTO nokey VALUES (1, 'x'), (1, 'x'), (2, NULL), (3, 'z');
INSERT INTO part (region, id) OVERRIDING SYSTEM VALUE VALUES ('eu', 1), ('us', 1);
INSERT INTO tree VALUES (100, NULL, NULL);
TRUNCATE touched;`

var shapeTables = []string{
	`"схема"."weird "" name"`, "ring_a", "ring_b", "ring_c", "tree", "part", "heir_of", "slot", "nokey", "to_part",
}

// shapesPlan plans rows for each of the tables.
func shapesPlan(g *target, replica bool) *Plan {
	var control strings.Builder
	for c := rune(1); c < 0x20; c++ {
		control.WriteRune(c)
	}
	for plane := rune(0); plane <= 16; plane++ {
		control.WriteRune(plane<<16 + 0x1F4A)
	}
	text := control.String() + "\x7f\\N\\.\t\u2028\ufeff"
	return g.plan(
		replica,
		tableRows{schema: "схема", name: `weird " name`, component: 0, key: []string{"select", "k2", "k3", "k4", "k5"}, rows: []planRow{
			insert("sad", "abc", `(1,"a ""b"" \\c")`, "ab   ", "101", text, "1.50", "0.1", `{"a": [1, null]}`, `\x00ff`),
			insert("ok", "abc", `(,)`, "ab c ", "", "", "NaN", "-Infinity", "null", `\x`),
		}},
		tableRows{name: "ring_a", component: 1, key: []string{"id"}, rows: []planRow{insert("1", "11", "x"), insert("2", "12", `\N`)}},
		tableRows{name: "ring_b", component: 1, key: []string{"id"}, rows: []planRow{insert("11", "21"), insert("12", "21")}},
		tableRows{name: "ring_c", component: 1, key: []string{"id"}, rows: []planRow{insert("21", "1"), insert("22", "2")}},
		tableRows{name: "tree", component: 2, key: []string{"id"}, rows: []planRow{
			insert("3", "2", "1"), insert("2", "1", `\N`), insert("1", `\N`, "2"), change(values("100", `\N`, `\N`), values("100", "3", "2")),
		}},
		tableRows{
			name: "part", component: 3, key: []string{"region", "id"}, rows: []planRow{insert("eu", "7", "3"), insert("asia", "8", "1"), change(values("eu", "1", `\N`), values("eu", "1", "2"))},
			sequences: []SequencePlan{{Name: "public.part_id_seq", Column: "id", To: 8}},
		},
		tableRows{name: "heir_of", component: 4, key: []string{"id"}, rows: []planRow{insert("5", "of the parent"), insert("6", "y")}},
		tableRows{name: "slot", component: 5, key: []string{"id"}, rows: []planRow{
			insert("2", "2", "[2020-01-02,2020-01-03)"), change(values("1", "1", "[2020-01-01,2020-01-02)"), values("1", "3", "[2019-01-01,2020-01-02)")),
		}},
		tableRows{name: "nokey", component: 6, rows: []planRow{
			there("1", "x"), there("1", "x"), insert("1", "x"), insert("2", `\N`), there("2", `\N`), insert("4", "\t"), insert("4", "\t"),
		}},
		tableRows{name: "to_part", component: 7, key: []string{"id"}, rows: []planRow{insert("1", "eu", "7"), insert("2", "us", `\N`)}},
	)
}

// Rows come in, are what the plan promises, and go again, whatever their table is, with
// triggers off and on, in one transaction and in many.
func TestShapes(t *testing.T) {
	for _, version := range []string{"13", "15", "18"} {
		t.Run("pg"+version, func(t *testing.T) {
			t.Parallel()
			c := clustertest.Start(t, cluster.Options{Version: version})
			for _, replica := range []bool{true, false} {
				for _, batch := range []int64{0, 1} {
					t.Run(fmt.Sprintf("replica=%v,batch=%d", replica, batch), func(t *testing.T) {
						checkShapes(newDatabase(t, c, fmt.Sprintf("replica_%v_batch_%d", replica, batch), shapesSQL), replica, batch)
					})
				}
			}
		})
	}
}

func checkShapes(g *target, replica bool, batch int64) {
	t := g.t
	plan := shapesPlan(g, replica)
	before := g.state(shapeTables...)
	var after string
	for turn := range 2 {
		done := g.apply(plan, ApplyOptions{Batch: batch})
		if done.Inserted != 22 || done.Changed != 3 {
			t.Errorf("apply did %+v", done)
		}
		if now := g.state(shapeTables...); turn == 0 {
			after = now
		} else if now != after {
			t.Errorf("applied once more:\n%s\nwant:\n%s", now, after)
		}
		if found := g.verify(plan); found.Findings != 0 {
			t.Errorf("verify found %+v", found)
		}
		if done := g.undo(plan, UndoOptions{Batch: batch}); done.Removed != 22 || done.Reverted != 3 {
			t.Errorf("undo did %+v", done)
		}
		if now := g.state(shapeTables...); now != before {
			t.Errorf("after undo:\n%s\nwant:\n%s", now, before)
		}
	}
	if !strings.Contains(after, "part:\nasia\t8\t1\t8\neu\t1\t2\t4\neu\t7\t3\t4\nus\t1\t\\N\t4\n") || !strings.Contains(after, "heir_of:\n5\tof the heir\n5\tof the parent\n6\ty\n") {
		t.Errorf("after apply:\n%s", after)
	}
	touched := g.value("SELECT count(*) FROM touched")
	if want := map[bool]string{true: "0", false: "16"}[replica]; touched != want {
		t.Errorf("triggers fired %s times, want %s", touched, want)
	}
	if next := g.value("SELECT nextval('part_id_seq')"); next != "9" {
		t.Errorf("the sequence goes on with %s, want 9", next)
	}
}
