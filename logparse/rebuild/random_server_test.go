package rebuild_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/pgrescue/pgrescue/logparse/rebuild"
	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster/clustertest"
)

// anyStatement makes a statement about r (id, a, b, c), ids from 1 to 12 but for those of the sequence.
func anyStatement(random *rand.Rand) string {
	id := func() int { return 1 + random.IntN(12) }
	word := func() string { return []string{"'x'", "'y''z'", "'w'", "NULL"}[random.IntN(4)] }
	row := func() string { return fmt.Sprintf("(%d, %d, %s)", id(), random.IntN(4), word()) }
	where := func() string {
		switch random.IntN(9) {
		case 0, 1, 2:
			return fmt.Sprintf("id = %d", id())
		case 3:
			return fmt.Sprintf("id IN (%d, %d)", id(), id())
		case 4:
			return fmt.Sprintf("a = %d", random.IntN(4))
		case 5:
			return fmt.Sprintf("b = 'x' AND id = %d", id())
		case 6:
			return "b IS NULL AND c = 'k'"
		case 7:
			return fmt.Sprintf("a > 2 AND id = %d", id())
		}
		return "a + id = 9"
	}
	switch random.IntN(20) {
	case 0, 1, 2:
		return "INSERT INTO r (id, a, b) VALUES " + row()
	case 3, 4:
		return "INSERT INTO r (id, a, b) VALUES " + row() + ", " + row()
	case 5:
		return fmt.Sprintf("INSERT INTO r (a, b, c) VALUES (%d, %s, 'k')", random.IntN(4), word())
	case 6:
		return "INSERT INTO r (id, a, b) VALUES " + row() + " ON CONFLICT DO NOTHING"
	case 7:
		return "INSERT INTO r (id, a, b) VALUES " + row() + " ON CONFLICT (id) DO UPDATE SET b = excluded.b, c = 'u'"
	case 8:
		return "INSERT INTO r VALUES " + row() + " ON CONFLICT (id) DO UPDATE SET a = excluded.a, b = excluded.b WHERE r.a > 1"
	case 9, 10, 11:
		return fmt.Sprintf("UPDATE r SET a = %d, b = %s WHERE %s", random.IntN(4), word(), where())
	case 12:
		return "UPDATE r SET a = a + 1 WHERE " + where()
	case 13:
		return "UPDATE r SET b = c, c = b WHERE " + where()
	case 14:
		return fmt.Sprintf("UPDATE r SET id = %d WHERE id = %d", id(), id())
	case 15, 16, 17:
		return "DELETE FROM r WHERE " + where()
	case 18:
		return fmt.Sprintf("WITH d AS (DELETE FROM r WHERE id = %d RETURNING 1) SELECT count(*) FROM d", id())
	}
	if random.IntN(8) == 0 {
		return []string{"TRUNCATE r", "DELETE FROM r", "UPDATE r SET c = 'all'", "COPY r (id, a) FROM PROGRAM 'echo 99'", "INSERT INTO r (id, a) SELECT 1 + max(id) % 12, 3 FROM r HAVING count(*) > 0"}[random.IntN(5)]
	}
	return "SELECT 1"
}

// anyWork lets sessions take turns in statements that are sent at random, in blocks and outside. Errors are part of it.
func anyWork(t *testing.T, c *cluster.Cluster, random *rand.Rand, count int) {
	t.Helper()
	ctx := context.Background()
	var sessions []*pgx.Conn
	for range 3 {
		config, err := pgx.ParseConfig(c.DSN("postgres"))
		if err != nil {
			t.Fatal(err)
		}
		config.DefaultQueryExecMode = pgx.QueryExecModeSimpleProtocol
		conn, err := pgx.ConnectConfig(ctx, config)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Exec(ctx, "SET lock_timeout = '5ms'"); err != nil {
			t.Fatal(err)
		}
		sessions = append(sessions, conn)
	}
	for range count {
		conn := sessions[random.IntN(len(sessions))]
		sql := anyStatement(random)
		switch random.IntN(12) {
		case 0:
			sql = "BEGIN"
		case 1, 2:
			sql = "COMMIT"
		case 3:
			sql = "ROLLBACK"
		case 4:
			sql = []string{"SAVEPOINT a", "SAVEPOINT b", "ROLLBACK TO a", "RELEASE b", "ROLLBACK TO b"}[random.IntN(5)]
		case 5:
			sql += "; " + anyStatement(random)
		}
		if _, err := conn.Exec(ctx, sql); err != nil && conn.IsClosed() {
			t.Fatal(err)
		}
	}
	for i, conn := range sessions {
		if i > 0 { // the first one may be within a block: that is rolled back
			_, _ = conn.Exec(ctx, "COMMIT")
		}
		if err := conn.Close(ctx); err != nil {
			t.Fatal(err)
		}
	}
}

// ofR is the shape of r.
func ofR(evidence.RelationName) (*evidence.Relation, bool) {
	return &evidence.Relation{RelationName: evidence.RelationName{Schema: "public", Name: "r"}, Columns: []evidence.Column{
		{Name: "id", Type: "integer", Key: true}, {Name: "a", Type: "integer"}, {Name: "b", Type: "text"}, {Name: "c", Type: "text"},
	}}, true
}

// TestAnyStatementsNeverMislead sends statements at random, and compares what the log tells of the rows with the server's:
// each row that is there must be told of, and each that is told of without a doubt must be there, with each value that is known.
func TestAnyStatementsNeverMislead(t *testing.T) {
	t.Parallel()
	for _, version := range []string{"13", "15", "18"} {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			seed := rand.Uint64()
			t.Logf("seed %d", seed)
			random := rand.New(rand.NewPCG(seed, 0))
			c := clustertest.Start(t, cluster.Options{Version: version, Collector: true, Settings: map[string]string{
				"log_directory": "log", "log_filename": "server.log", "log_rotation_age": "0", "log_destination": "csvlog", "log_statement": "all",
				"log_connections": "on", "log_disconnections": "on",
			}})
			clustertest.Exec(t, c, "postgres", "SHOW work_mem", "CREATE TABLE r (id serial PRIMARY KEY, a int, b text, c text DEFAULT 'k')", "SELECT setval('r_id_seq', 1000)")
			anyWork(t, c, random, 600)
			want := clustertest.CopyOut(t, c, "postgres", "SELECT * FROM r")
			if err := c.Stop(context.Background(), cluster.Smart); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(t.TempDir(), "server.csv")
			text, err := os.ReadFile(filepath.Join(c.DataDir(), "log", "server.csv"))
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, text, 0o600); err != nil {
				t.Fatal(err)
			}
			got := rebuilt(t, rebuild.Options{Tables: ofR, Uncommitted: true}, path)
			if !got.fit(t, want, string(text)) {
				keep := filepath.Join(os.TempDir(), "rebuild-failed-"+version+".csv")
				_ = os.WriteFile(keep, text, 0o600)
				t.Log("log", keep)
			}
		})
	}
}

// fit compares what is told of r with what it holds.
func (r *rows) fit(t *testing.T, want, log string) bool {
	t.Helper()
	server, told, sure, values := make(map[string][]string), make(map[string]bool), 0, 0
	for line := range strings.Lines(want) {
		fields := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		server[fields[0]] = fields
	}
	fine := true
	wrong := func(format string, args ...any) {
		t.Errorf(format, args...)
		fine = false
	}
	for i := range r.all {
		row := &r.all[i]
		id := string(row.Values[0].Text)
		uncommitted := strings.Contains(row.Note, "nothing shows that its transaction committed")
		if uncommitted || row.Operation == "" {
			told[id] = true // "": of a row whose id is not known
		}
		if row.Values[0].State != evidence.Known || row.Operation != "" || uncommitted || strings.Contains(row.Note, "may have been committed, too") {
			continue
		}
		has := server[id]
		if has == nil {
			if row.Note == "" {
				wrong("row %s of line %d is not on the server", id, row.Line)
			}
			continue
		}
		sure++
		for j, v := range row.Values {
			text := `\N`
			if v.State == evidence.Known {
				text = string(v.Text)
			}
			if v.State != evidence.Unknown {
				values++
			}
			if v.State != evidence.Unknown && text != has[j] {
				wrong("column %d of row %s, of line %d, is %q, on the server %q; %s", j, id, row.Line, text, has[j], row.Note)
			}
		}
	}
	for id := range server {
		// A row whose id is not known may have been given one, or another.
		moved := told[""] && strings.Contains(log, "SET id = "+id+" ")
		if len(id) < 4 && !told[id] && !moved && !slices.ContainsFunc(r.report.Tables[0].Untold, func(u rebuild.Untold) bool { return u.Verb == "COPY" || strings.Contains(u.Why, "query") }) {
			wrong("row %s is not told of", id)
		}
	}
	t.Logf("%d rows on the server, %d told of, %d of their values known, %d rows in all", len(server), sure, values, len(r.all))
	return fine
}
