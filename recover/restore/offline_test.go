package restore

import (
	"bytes"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/live"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster/clustertest"
)

// psqlPath is psql of the system, or of the cluster.
func psqlPath(t *testing.T, c *cluster.Cluster) string {
	t.Helper()
	for _, path := range []string{filepath.Join(c.BinDir(), "psql"), "/usr/lib/postgresql/15/bin/psql", "psql"} {
		if found, err := exec.LookPath(path); err == nil {
			return found
		}
	}
	t.Fatal("there is no psql")
	return ""
}

// runScript runs a script as a person would, and gives what psql printed.
func runScript(t *testing.T, c *cluster.Cluster, dsn, dir string, more ...string) (string, error) {
	t.Helper()
	args := append([]string{"-X", "-d", dsn, "-f", filepath.Join(dir, offlineScriptName)}, more...)
	command := exec.CommandContext(t.Context(), psqlPath(t, c), args...)
	var out bytes.Buffer
	command.Stdout, command.Stderr = &out, &out
	err := command.Run()
	return out.String(), err
}

// offlineCase is a database and the tables whose rows a script gives back.
type offlineCase struct {
	c        *cluster.Cluster
	database string
	dsn      string
	head     scriptHead
	tables   []offlineCaseTable
}

type offlineCaseTable struct {
	schema, name string
	columns      []evidence.Column
	key          []string
	where        string // of the rows that are lost
}

func (f offlineCaseTable) quoted() string {
	return quotedTable(&evidence.Relation{RelationName: evidence.RelationName{Schema: f.schema, Name: f.name}})
}

// write makes a script of what the tables hold now.
func (o *offlineCase) write(t *testing.T) string {
	t.Helper()
	conn, err := live.Connect(t.Context(), o.dsn, live.Options{Command: "test"})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	dir := filepath.Join(t.TempDir(), "out")
	s, err := newScript(dir, o.head, false)
	if err != nil {
		t.Fatal(err)
	}
	defer s.discard()
	for _, table := range o.tables {
		relation := &evidence.Relation{RelationName: evidence.RelationName{Schema: table.schema, Name: table.name}, Columns: table.columns}
		into, err := s.table(relation, table.key)
		if err != nil {
			t.Fatal(err)
		}
		query := fmt.Sprintf("SELECT %s FROM %s WHERE %s", quotedNames(relation), table.quoted(), table.where)
		err = conn.Query(t.Context(), "read", query, nil, func(values [][]byte) error {
			row := evidence.Row{Relation: relation}
			for _, text := range values {
				value := evidence.Value{State: evidence.Null}
				if text != nil {
					value = evidence.Value{Text: text}
				}
				row.Values = append(row.Values, value)
			}
			return into.Put(&row)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := s.finish(); err != nil {
		t.Fatal(err)
	}
	return dir
}

// state is COPY's text of all tables, sorted.
func (o *offlineCase) state(t *testing.T) string {
	t.Helper()
	all := ""
	for _, table := range o.tables {
		lines := strings.SplitAfter(clustertest.CopyOut(t, o.c, o.database, "SELECT * FROM "+table.quoted()), "\n")
		slices.Sort(lines)
		all += table.name + "\n" + strings.Join(lines, "")
	}
	return all
}

func columns(names ...string) []evidence.Column {
	var all []evidence.Column
	for _, name := range names {
		name, typ, _ := strings.Cut(name, ":")
		all = append(all, evidence.Column{Name: name, Type: typ})
	}
	return all
}

// offlineSchema: a circle of foreign keys, a partitioned table, identity columns,
// a generated column, a table without a key, names that have to be quoted, every
// character below space, and one of each of Unicode's planes.
const offlineSchema = `
CREATE SCHEMA "Схема"; SET search_path = "Схема", public;
CREATE TYPE public.mood AS ENUM ('so''so', 'good');
CREATE DOMAIN amount AS numeric(9,2) CHECK (VALUE > 0);
CREATE TABLE "weird "" name" (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, "a.b" text, "select" public.mood, double int GENERATED ALWAYS AS (id * 2) STORED, first bigint);
CREATE TABLE "it's; \" (id bigserial, of int NOT NULL REFERENCES "weird "" name" ON DELETE CASCADE, "l.x" "Схема".amount, n numeric DEFAULT 7, PRIMARY KEY (id));
ALTER TABLE "weird "" name" ADD FOREIGN KEY (first) REFERENCES "it's; \" ON DELETE CASCADE;
CREATE TABLE parted (day date, no smallint, of bigint REFERENCES "it's; \" ON DELETE CASCADE, tags text[], PRIMARY KEY (day, no)) PARTITION BY RANGE (day);
CREATE TABLE parted_early PARTITION OF parted FOR VALUES FROM (MINVALUE) TO ('2026-01-01');
CREATE TABLE parted_late PARTITION OF parted DEFAULT;
CREATE TABLE keyless (t text, x json, p point, of bigint REFERENCES "it's; \" ON DELETE CASCADE);
INSERT INTO "weird "" name" ("a.b", "select") SELECT 'a' || chr(i) || E'\\N\\.\n\\.\n' || chr(65536 * (i % 17) + 291) || ':x $1 $pgrescue$', CASE i % 3 WHEN 0 THEN NULL ELSE 'so''so'::public.mood END FROM generate_series(1, 127) i;
INSERT INTO "it's; \" (of, "l.x") SELECT i, i / 3.0 FROM generate_series(1, 127) i;
UPDATE "weird "" name" SET first = id;
INSERT INTO parted SELECT '2025-12-01'::date + i, i % 3, i, ARRAY['', NULL, '"\' || i] FROM generate_series(1, 127) i;
INSERT INTO keyless SELECT E'\\N', ('{"a": [' || i || ', "\t" ]}')::json, point(i, 1e-300), i % 9 + 1 FROM generate_series(1, 100) i;
INSERT INTO keyless SELECT * FROM keyless;
INSERT INTO keyless VALUES (NULL, NULL, NULL, NULL);
CREATE FUNCTION add_one() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.n := NEW.n + 1; RETURN NEW; END $$;
CREATE TRIGGER one BEFORE INSERT ON "it's; \" FOR EACH ROW EXECUTE FUNCTION add_one();`

func newOfflineCase(t *testing.T, version string) *offlineCase {
	t.Helper()
	o := &offlineCase{c: clustertest.Start(t, cluster.Options{Version: version}), database: `d "b' \`}
	clustertest.Exec(t, o.c, "postgres", `CREATE DATABASE "d ""b' \"`, "CREATE ROLE owner LOGIN", `GRANT CREATE ON DATABASE "d ""b' \" TO owner`)
	clustertest.Exec(t, o.c, o.database, "GRANT CREATE ON SCHEMA public TO owner", "SET ROLE owner", offlineSchema)
	o.dsn = o.c.LibpqDSN(o.database)
	system, err := strconv.ParseUint(clustertest.Value(t, o.c, "postgres", "SELECT system_identifier FROM pg_control_system()"), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	o.head = scriptHead{Database: o.database, SystemIdentifier: system, Tool: "a test"}
	o.tables = []offlineCaseTable{
		{"Схема", "keyless", columns("t:text", "x:json", "p:point", "of:bigint"), nil, "of <= 9"},
		{"Схема", "parted", columns("day:date", "no:smallint", "of:bigint", "tags:text[]"), []string{"day", "no"}, "of <= 60"},
		{"Схема", `weird " name`, columns("id:integer", "a.b:text", "select:mood", "first:bigint"), []string{"id"}, "id <= 60"},
		{"Схема", `it's; \`, columns("id:bigint", "of:integer", `l.x:"Схема".amount`, "n:numeric"), []string{"id"}, "of <= 60"},
	}
	return o
}

func TestOfflineScript(t *testing.T) {
	t.Parallel()
	clustertest.EachVersion(t, func(t *testing.T, version string) {
		o := newOfflineCase(t, version)
		before := o.state(t)
		dir := o.write(t)
		clustertest.Exec(t, o.c, o.database, `DELETE FROM "Схема"."weird "" name" WHERE id <= 60`, `SELECT setval('"Схема"."it''s; \_id_seq"', 3)`)
		hurt := o.state(t)
		if strings.Count(before, "\n")-strings.Count(hurt, "\n") < 250 {
			t.Fatal("the cascade did not take the rows")
		}
		out, err := runScript(t, o.c, o.dsn, dir, "-v", "rehearse=1")
		if err != nil || o.state(t) != hurt || !strings.Contains(out, "This was a rehearsal") {
			t.Fatalf("the rehearsal: %v\n%s", err, out)
		}
		if out, err = runScript(t, o.c, o.dsn, dir); err != nil || o.state(t) != before || !strings.Contains(out, "The rows are back") {
			t.Fatalf("the rows are not back: %v\n%s", err, out)
		}
		if next := clustertest.Value(t, o.c, o.database, `SELECT nextval('"Схема"."it''s; \_id_seq"')`); next != "61" {
			t.Errorf("the sequence gives %s", next)
		}
		if out, err = runScript(t, o.c, o.dsn, dir); err == nil || !strings.Contains(out, "60 of the keys are taken, such as (") || !strings.Contains(out, "keyless has no key, and 200 of its 200 rows are there already") || o.state(t) != before {
			t.Errorf("a second time: %v\n%s", err, out)
		}
	})
}

// TestOfflineScriptAsOwner: triggers fire, and the script says so.
func TestOfflineScriptAsOwner(t *testing.T) {
	t.Parallel()
	o := newOfflineCase(t, "")
	before := o.state(t)
	dir := o.write(t)
	clustertest.Exec(t, o.c, o.database, `DELETE FROM "Схема"."weird "" name" WHERE id <= 60`)
	owner := strings.Replace(o.dsn, "user="+cluster.Superuser, "user=owner", 1)
	out, err := runScript(t, o.c, owner, dir)
	if err != nil || !strings.Contains(out, "these triggers fire") || !strings.Contains(out, "one on ") || !strings.Contains(out, "60 of 60 rows stand there with other values") {
		t.Fatalf("%v\n%s", err, out)
	}
	clustertest.Exec(t, o.c, o.database, `UPDATE "Схема"."it's; \" SET n = n - 1 WHERE of <= 60`)
	if o.state(t) != before {
		t.Error("the rows are not back")
	}
}

// TestOfflineScriptRefuses: when something is not as it has to be, it says what, and
// nothing is changed.
func TestOfflineScriptRefuses(t *testing.T) {
	t.Parallel()
	o := newOfflineCase(t, "")
	dir := o.write(t)
	clustertest.Exec(t, o.c, o.database, `DELETE FROM "Схема"."weird "" name" WHERE id <= 60`, `CREATE DATABASE other TEMPLATE template0`)
	for _, test := range []struct {
		name, hurt, heal string
		says             []string
	}{
		{"key taken", `INSERT INTO "Схема"."weird "" name" (id, "a.b") OVERRIDING SYSTEM VALUE VALUES (7, 'new')`, `DELETE FROM "Схема"."weird "" name" WHERE id = 7`, []string{"1 of the keys are taken, such as (7)"}},
		{"no table", `ALTER TABLE "Схема".keyless RENAME TO k`, `ALTER TABLE "Схема".k RENAME TO keyless`, []string{`there is no table "Схема".keyless`}},
		{
			"columns", `ALTER TABLE "Схема".keyless RENAME x TO y; ALTER TABLE "Схема".keyless ADD z int NOT NULL DEFAULT 1; ALTER TABLE "Схема".keyless ALTER z DROP DEFAULT; ALTER TABLE "Схема".parted ALTER tags TYPE varchar[]`,
			`ALTER TABLE "Схема".keyless RENAME y TO x; ALTER TABLE "Схема".keyless DROP z; ALTER TABLE "Схема".parted ALTER tags TYPE text[]`,
			[]string{"has no column x any more", "has a column z that may not be NULL", `column tags of "Схема".parted is of type character varying[] now, and was text[]`},
		},
		{
			"parent", `CREATE TABLE extra (id int PRIMARY KEY); INSERT INTO extra SELECT generate_series(61, 200); ALTER TABLE "Схема"."weird "" name" ADD CONSTRAINT e FOREIGN KEY (id) REFERENCES extra`,
			`ALTER TABLE "Схема"."weird "" name" DROP CONSTRAINT e; DROP TABLE extra`,
			[]string{"60 rows refer to rows of extra that are not there, such as (1) (e)"},
		},
		{"unique", `CREATE UNIQUE INDEX u ON "Схема"."weird "" name" ((id % 100))`, `DROP INDEX "Схема".u`, []string{"duplicate key value violates unique constraint"}},
		{"check", `ALTER TABLE "Схема".parted ADD CONSTRAINT c CHECK (no < 2) NOT VALID`, `ALTER TABLE "Схема".parted DROP CONSTRAINT c`, []string{"violates check constraint"}},
		{"policy", `ALTER TABLE "Схема".keyless ENABLE ROW LEVEL SECURITY; ALTER TABLE "Схема".keyless FORCE ROW LEVEL SECURITY; SET ROLE owner`, `ALTER TABLE "Схема".keyless DISABLE ROW LEVEL SECURITY`, []string{"policy"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			clustertest.Exec(t, o.c, o.database, test.hurt)
			before := o.stateOf(t, "parted", `weird " name`, `it's; \`)
			dsn := o.dsn
			if test.name == "policy" {
				dsn = strings.Replace(o.dsn, "user="+cluster.Superuser, "user=owner", 1)
			}
			out, err := runScript(t, o.c, dsn, dir)
			if err == nil {
				t.Errorf("it ran:\n%s", out)
			}
			for _, says := range test.says {
				if !strings.Contains(out, says) {
					t.Errorf("it does not say %q:\n%s", says, out)
				}
			}
			if o.stateOf(t, "parted", `weird " name`, `it's; \`) != before {
				t.Error("rows were changed")
			}
			clustertest.Exec(t, o.c, o.database, test.heal)
		})
	}
	if out, err := runScript(t, o.c, o.c.LibpqDSN("other"), dir); err == nil || !strings.Contains(out, "this is database other, and the rows are of") {
		t.Errorf("another database: %v\n%s", err, out)
	}
	o.head.SystemIdentifier++
	if out, err := runScript(t, o.c, o.dsn, o.write(t)); err == nil || !strings.Contains(out, "this cluster has system identifier") {
		t.Errorf("another cluster: %v\n%s", err, out)
	}
	if out, err := runScript(t, o.c, o.dsn, dir); err != nil {
		t.Errorf("after all: %v\n%s", err, out)
	}
}

// stateOf is state of some of the tables.
func (o *offlineCase) stateOf(t *testing.T, names ...string) string {
	t.Helper()
	some := *o
	some.tables = slices.DeleteFunc(slices.Clone(o.tables), func(f offlineCaseTable) bool { return !slices.Contains(names, f.name) })
	return some.state(t)
}

// TestOfflineScriptInAnotherEncoding: rows are bytes in the encoding of their database.
func TestOfflineScriptInAnotherEncoding(t *testing.T) {
	t.Parallel()
	c := clustertest.Start(t, cluster.Options{})
	clustertest.Exec(t, c, "postgres", "CREATE DATABASE old ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0")
	clustertest.Exec(t, c, "old", "CREATE TABLE t (id int PRIMARY KEY, v text)", "INSERT INTO t SELECT i, 'Gr\u00f6\u00dfe ' || chr(i) FROM generate_series(1, 255) i WHERE i NOT BETWEEN 128 AND 159")
	want := clustertest.CopyOut(t, c, "old", "SELECT * FROM t ORDER BY id")
	s, err := newScript(filepath.Join(t.TempDir(), "out"), scriptHead{Database: "old", Encoding: "LATIN1", Tool: "a test"}, false)
	if err != nil {
		t.Fatal(err)
	}
	defer s.discard()
	relation := &evidence.Relation{RelationName: evidence.RelationName{Schema: "public", Name: "t"}, Columns: columns("id:integer", "v:text")}
	into, err := s.table(relation, []string{"id"})
	if err != nil {
		t.Fatal(err)
	}
	conn, err := live.Connect(t.Context(), c.LibpqDSN("old"), live.Options{Command: "test", ClientEncoding: "LATIN1"})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	err = conn.Query(t.Context(), "read", "SELECT * FROM t", nil, func(v [][]byte) error {
		return into.Put(&evidence.Row{Relation: relation, Values: []evidence.Value{{Text: v[0]}, {Text: v[1]}}})
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.finish(); err != nil {
		t.Fatal(err)
	}
	clustertest.Exec(t, c, "old", "DELETE FROM t")
	if out, err := runScript(t, c, c.LibpqDSN("old"), s.dir); err != nil || clustertest.CopyOut(t, c, "old", "SELECT * FROM t ORDER BY id") != want {
		t.Errorf("the rows are not back: %v\n%s", err, out)
	}
}
