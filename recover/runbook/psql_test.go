package runbook

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pgrescue/pgrescue/recover/pitr/cluster"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster/clustertest"
)

// freezeBook is the first step of a real runbook.
const freezeBook = `## You need

| name | meaning | example |
|---|---|---|
| ´TABLES´ | the tables | ´public.t´ |

### 1. Freeze

- **Changes:** an option of the tables
- **Time box:** 1 min
- **Confirm:** type the database's name

´´´sql check
SELECT current_database();
´´´

´´´text expect
…
 postgres
…
´´´

´´´sql run
SELECT format('ALTER TABLE %s SET (autovacuum_enabled = off)', t::regclass) FROM unnest(string_to_array(:'tables', ' ')) AS t \gexec
´´´

´´´sql verify
SELECT 1 / (count(*) = 2)::int AS frozen FROM pg_class
WHERE oid = ANY (string_to_array(:'TABLES', ' ')::regclass[]) AND 'autovacuum_enabled=off' = ANY (reloptions);
´´´

´´´sql undo
SELECT format('ALTER TABLE %s RESET (autovacuum_enabled)', t::regclass) FROM unnest(string_to_array(:'tables', ' ')) AS t \gexec
´´´
`

// TestPsql runs SQL blocks on a real server.
func TestPsql(t *testing.T) {
	t.Parallel()
	c := clustertest.Start(t, cluster.Options{})
	clustertest.Exec(t, c, "postgres", "CREATE TABLE t (a int)", "CREATE TABLE u (a int)")
	env := []string{"PGHOST=" + filepath.Join(c.Dir(), "run"), "PGPORT=5432", "PGUSER=" + cluster.Superuser, "PGDATABASE=postgres"}
	psql := Psql{Program: filepath.Join(c.BinDir(), "psql"), Grace: defaultGrace}
	frozen := func() string {
		return clustertest.Value(t, c, "postgres", "SELECT count(*)::text FROM pg_class WHERE 'autovacuum_enabled=off' = ANY (reloptions)")
	}
	t.Run("a book", func(t *testing.T) {
		d := newDesk(t, freezeBook)
		o := d.options()
		o.Env, o.Tools.SQL, o.Confirm = append(o.Env, env...), psql, []string{"postgres"}
		o.Inputs = map[string]string{"TABLES": "public.t public.u"}
		result, err := d.start(o)
		d.wants(result, err, nil, "", "1-freeze: done", "")
		if frozen() != "2" {
			t.Errorf("%s tables are frozen", frozen())
		}
		result, err = UndoStep(t.Context(), d.folder("a"), "1", o)
		d.wants(result, err, nil, "", "1-freeze: undone", "")
		if frozen() != "0" {
			t.Errorf("%s tables are frozen still", frozen())
		}
	})
	run := func(t *testing.T, ctx context.Context, role Role, text string, see func([]byte)) (Outcome, string, error) {
		t.Helper()
		s := newScene(t)
		s.env, s.tools.SQL = append(s.env, env...), psql
		s.stdout = writer(func(p []byte) (int, error) { see(p); return len(p), nil })
		outcome, err := s.run(ctx, &Block{Language: SQL, Role: role, Text: text})
		return outcome, read(t, filepath.Join(s.folder, "stderr")), err
	}
	ignore := func([]byte) {}
	for name, test := range map[string]struct {
		role Role
		text string
		code int
		says string
	}{
		"a check that writes":    {Check, "INSERT INTO t VALUES (1);", 3, "read-only transaction"},
		"a verify that writes":   {Verify, "INSERT INTO t VALUES (1);", 3, "read-only transaction"},
		"the first error ends":   {Run, "INSERT INTO t VALUES (1);\nSELECT 1/0;\nINSERT INTO t VALUES (2);", 3, "division by zero"},
		"an unknown variable":    {Run, "SELECT :'nobody';", 3, "syntax error"},
		"a database that is not": {Run, "\\connect nowhere", 2, "nowhere"},
	} {
		t.Run(name, func(t *testing.T) {
			outcome, stderr, err := run(t, t.Context(), test.role, test.text, ignore)
			if err != nil || outcome.Code == 0 || outcome.Code != test.code && test.code == 3 || !strings.Contains(stderr, test.says) {
				t.Errorf("exit code %d, %v: %s", outcome.Code, err, stderr)
			}
		})
	}
	if rows := clustertest.Value(t, c, "postgres", "SELECT count(*)::text FROM t"); rows != "0" {
		t.Errorf("blocks that failed left %s rows", rows)
	}
	t.Run("interrupted", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		_, stderr, err := run(t, ctx, Run, "INSERT INTO t VALUES (3);\n\\echo ready\nSELECT pg_sleep(1000);", func(p []byte) {
			if strings.Contains(string(p), "ready") {
				cancel()
			}
		})
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%v: %s", err, stderr)
		}
		if rows := clustertest.Value(t, c, "postgres", "SELECT count(*)::text FROM t"); rows != "0" {
			t.Errorf("the block that was interrupted left %s rows", rows)
		}
	})
}
