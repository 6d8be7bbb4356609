package pglog

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/pgrescue/pgrescue/logparse"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster/clustertest"
)

// logged runs a workload on a server that writes each of its messages in all forms that it knows, and gives the logs by form.
func logged(t *testing.T, version, prefix string, settings map[string]string, work func(t *testing.T, c *cluster.Cluster)) map[string][]byte {
	t.Helper()
	forms := "stderr,csvlog"
	if version >= "15" {
		forms += ",jsonlog"
	}
	all := map[string]string{
		"log_directory": "log", "log_filename": "server.log", "log_rotation_age": "0",
		"log_destination": forms, "log_line_prefix": prefix, "log_statement": "all", "log_connections": "on", "log_disconnections": "on",
	}
	for name, value := range settings {
		all[name] = value
	}
	c := clustertest.Start(t, cluster.Options{Version: version, Settings: all, Collector: true})
	work(t, c)
	if err := c.Stop(context.Background(), cluster.Smart); err != nil {
		t.Fatal(err)
	}
	logs := make(map[string][]byte)
	for form, ending := range map[string]string{"stderr": ".log", "csvlog": ".csv", "jsonlog": ".json"} {
		text, err := os.ReadFile(filepath.Join(c.DataDir(), "log", "server"+ending))
		if err != nil && (form != "jsonlog" || version >= "15") {
			t.Fatal(err)
		}
		if err == nil {
			logs[form] = text
		}
	}
	return logs
}

// found writes a log into a file and finds it.
func found(t testing.TB, content []byte) *logparse.Source {
	t.Helper()
	path := filepath.Join(t.TempDir(), "server.log")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	sources, _, err := logparse.Find(context.Background(), logparse.FindOptions{Paths: []string{path}, Stdin: io.Reader(nil)})
	if err != nil {
		t.Fatal(err)
	}
	return sources[0]
}

// recognised finds a log and its format.
func recognised(t testing.TB, content []byte, detector Detector) *logparse.Source {
	t.Helper()
	source := found(t, content)
	if err := logparse.Recognise(context.Background(), []*logparse.Source{source}, detector); err != nil {
		t.Fatal(err)
	}
	return source
}

// told gives what entries tell, one text each. Only what the prefix has is there for stderr.
func told(t *testing.T, source *logparse.Source, with string) []string {
	t.Helper()
	var texts []string
	for e, err := range source.Entries(context.Background()) {
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(e.Message), "ending log output to stderr") || strings.Contains(string(e.Hint), "Future log output") {
			continue // which goes to stderr only
		}
		text := fmt.Sprintf("%s|%s|%s|%s|%s|%s|partial=%v", e.Severity, e.Message, e.Detail, e.Hint, e.Context, e.Statement, e.Partial)
		for _, f := range e.Fields {
			if f.Name == "internal_query" {
				text += "|query=" + string(f.Text)
			}
		}
		for escape, value := range map[byte]string{
			'm': e.Stamp.Time.Format("2006-01-02T15:04:05.000"), 't': e.Stamp.Time.Format("2006-01-02T15:04:05"),
			'p': fmt.Sprint(e.PID), 'u': e.User, 'd': e.Database, 'a': e.Application, 'r': e.Client, 'c': e.Session,
			'v': e.VXID, 'x': fmt.Sprint(e.XID), 'e': e.SQLState,
		} {
			if strings.IndexByte(with, escape) >= 0 {
				text += fmt.Sprintf("|%c=%s", escape, value)
			}
		}
		fields := strings.Split(text, "|")
		slices.Sort(fields)
		texts = append(texts, strings.Join(fields, "|"))
	}
	// Each form is written by itself, so that only the order within a process is the same. Where nothing tells processes apart, none is.
	slices.SortStableFunc(texts, func(a, b string) int {
		if strings.IndexByte(with, 'p') < 0 {
			return strings.Compare(a, b)
		}
		return strings.Compare(process(a), process(b))
	})
	return texts
}

// process gives the field of the process.
func process(text string) string {
	_, rest, _ := strings.Cut(text, "|p=")
	pid, _, _ := strings.Cut(rest, "|")
	return pid
}

// compareTexts fails at the first difference.
func compareTexts(t *testing.T, what string, got, want []string) {
	t.Helper()
	for i := range max(len(got), len(want)) {
		switch {
		case i >= len(got):
			t.Fatalf("%s: %d, want %d; lacks %q", what, len(got), len(want), want[i])
		case i >= len(want):
			t.Fatalf("%s: %d, want %d; has %q", what, len(got), len(want), got[i])
		case got[i] != want[i]:
			t.Fatalf("%s: number %d is\n%q, want\n%q", what, i, got[i], want[i])
		}
	}
}

// incident is a workload with what makes logs hard to read. It runs in both protocols.
func incident(t *testing.T, c *cluster.Cluster) {
	t.Helper()
	ctx := context.Background()
	exec := func(conn *pgx.Conn, sql string, args ...any) {
		if _, err := conn.Exec(ctx, sql, args...); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
	fails := func(conn *pgx.Conn, sql string, args ...any) {
		if _, err := conn.Exec(ctx, sql, args...); err == nil {
			t.Fatalf("%s: no error", sql)
		}
	}
	open := func(application string, mode pgx.QueryExecMode) *pgx.Conn {
		config, err := pgx.ParseConfig(c.DSN("postgres"))
		if err != nil {
			t.Fatal(err)
		}
		config.RuntimeParams["application_name"] = application
		config.DefaultQueryExecMode = mode
		conn, err := pgx.ConnectConfig(ctx, config)
		if err != nil {
			t.Fatal(err)
		}
		return conn
	}
	simple, extended := open("simple app", pgx.QueryExecModeSimpleProtocol), open("ext-1", pgx.QueryExecModeDescribeExec)
	exec(simple, "CREATE TABLE orders (id int PRIMARY KEY, note text)")
	exec(simple, "INSERT INTO orders VALUES (1, 'one, \"two\"\n\tthree\n\nLOG:  statement: four'),\n\t(2, 'it''s')")
	exec(extended, "INSERT INTO orders VALUES ($1, $2)", 3, "a, 'b' \"c\"\nd\\e\n\tf €")
	exec(extended, "INSERT INTO orders VALUES ($1, $2)", 4, nil)
	fails(simple, "DELETE FROM orders WHERE\n  id = 'x'")
	exec(simple, "BEGIN")
	exec(simple, "UPDATE orders SET note = 'in a transaction' WHERE id = 1")
	exec(extended, "SELECT pg_advisory_lock(1), pg_sleep(0)")
	exec(simple, "SAVEPOINT a")
	exec(simple, "DELETE FROM orders WHERE id = 2")
	fails(simple, "DELETE FROM ordres")
	fails(simple, "SELECT 1")
	exec(simple, "ROLLBACK TO SAVEPOINT a")
	exec(simple, "INSERT INTO orders VALUES (5, 'kept')")
	exec(simple, "COMMIT")
	exec(extended, "BEGIN")
	exec(extended, "DELETE FROM orders WHERE id = $1", 1)
	exec(extended, "ROLLBACK")
	fails(extended, "INSERT INTO orders VALUES ($1, $2)", 3, "twice, and so refused")
	fails(simple, "INSERT INTO orders VALUES (6, 'a'); INSERT INTO orders VALUES (1, 'b')")
	exec(simple, "INSERT INTO orders VALUES (7, 'a;b'); -- ; INSERT\nINSERT INTO orders VALUES (8, $$;$$)")
	exec(simple, "DO $$BEGIN DELETE FROM orders WHERE id = 8; RAISE WARNING 'done; %', 1 USING HINT = 'a\nb'; END$$")
	fails(simple, "DO $$BEGIN EXECUTE 'SELECT 1\n/0'; END$$")
	if _, err := extended.PgConn().CopyFrom(ctx, strings.NewReader("9\tcopied\n"), "COPY orders FROM STDIN"); err != nil {
		t.Fatal(err)
	}
	exec(extended, "DELETE FROM orders")
	for _, conn := range []*pgx.Conn{simple, extended} {
		if err := conn.Close(ctx); err != nil {
			t.Fatal(err)
		}
	}
}

// TestFormsTellTheSame compares the entries of csvlog, jsonlog and stderr, the prefix of which is inferred and given.
func TestFormsTellTheSame(t *testing.T) {
	t.Parallel()
	// %t is not compared: the server asks for it again for each form, so that a second may have passed.
	tests := []struct {
		version, prefix, inferred, with string
		settings                        map[string]string
	}{
		{"15", "%m [%p] %q%u@%d ", "%m [%p] %q%u@%d ", "mpud", nil},
		{"18", "%t [%p]: [%l-1] user=%u,db=%d,app=%a,client=%r ", "", "pudar", nil},
		{"13", "%m %c %l %v %x %e %u@%d ", "", "mcpvxeud", map[string]string{"log_statement": "mod", "log_min_duration_statement": "0"}},
		{"15", "", "", "", nil},
		{"18", "[%p] %q%a ", "", "p", map[string]string{"log_error_verbosity": "verbose"}},
		{"13", "%n %p %x %q%d|%u|%h|", "", "p", map[string]string{"log_statement": "none"}},
	}
	for _, test := range tests {
		t.Run(test.version+" "+test.prefix, func(t *testing.T) {
			t.Parallel()
			logs := logged(t, test.version, test.prefix, test.settings, incident)
			given, err := ParsePrefix(test.prefix)
			if err != nil {
				t.Fatal(err)
			}
			want := recognised(t, logs["csvlog"], Detector{})
			for _, form := range []struct {
				name string
				Detector
			}{{"jsonlog", Detector{}}, {"stderr", Detector{}}, {"stderr", Detector{Prefix: given}}} {
				if logs[form.name] == nil {
					continue
				}
				source := recognised(t, logs[form.name], form.Detector)
				with := test.with
				if form.name == "jsonlog" {
					with = "mtpudarcvxe"
				}
				compareTexts(t, source.Format, told(t, source, with), told(t, want, with))
			}
			if test.inferred != "" {
				var lines [][]byte
				for line := range strings.Lines(string(logs["stderr"])) {
					lines = append(lines, []byte(strings.TrimSuffix(line, "\n")))
				}
				if got := InferPrefix(lines); got == nil || got.String() != test.inferred {
					t.Errorf("inferred %v, want %s", got, test.inferred)
				}
			}
		})
	}
}
