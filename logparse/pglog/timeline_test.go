package pglog

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/pgrescue/pgrescue/logparse"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster"
)

// events gives the events of a log, of each session in the order of its lines.
func events(t testing.TB, content []byte, detector Detector) []logparse.Event {
	t.Helper()
	source := recognised(t, content, detector)
	var all []logparse.Event
	out := func(e *logparse.Event) error {
		all = append(all, *e)
		return nil
	}
	timeline := NewTimeline()
	for entry, err := range source.Entries(context.Background()) {
		if err != nil {
			t.Fatal(err)
		}
		if err := timeline.Add(entry, out); err != nil {
			t.Fatal(err)
		}
	}
	if err := timeline.Flush(out); err != nil {
		t.Fatal(err)
	}
	slices.SortStableFunc(all, func(a, b logparse.Event) int { return int(a.Line - b.Line) })
	return all
}

// fates gives what became of the statements, one text each.
func fates(all []logparse.Event) (texts []string) {
	for _, e := range all {
		if e.Statement != "" {
			texts = append(texts, strings.TrimRight(fmt.Sprintf("%s: %s | %s", e.Kind, e.Statement, e.Parameters), " |"))
		}
	}
	return texts
}

// TestFormsGiveTheSameEvents compares what csvlog, jsonlog and stderr tell of an incident with what became of its statements.
func TestFormsGiveTheSameEvents(t *testing.T) {
	t.Parallel()
	const values = `INSERT INTO orders VALUES ($1, $2) | $1 = '3', $2 = 'a, ''b'' "c"` + "\nd\\e\n\tf €'"
	all := []string{
		"executed: CREATE TABLE orders (id int PRIMARY KEY, note text)",
		"executed: INSERT INTO orders VALUES (1, 'one, \"two\"\n\tthree\n\nLOG:  statement: four'),\n\t(2, 'it''s')",
		"executed: " + values,
		"executed: INSERT INTO orders VALUES ($1, $2) | $1 = '4', $2 = NULL",
		"failed: DELETE FROM orders WHERE\n  id = 'x'",
		"executed: BEGIN",
		"committed: UPDATE orders SET note = 'in a transaction' WHERE id = 1",
		"committed: SELECT pg_advisory_lock(1), pg_sleep(0)",
		"executed: SAVEPOINT a",
		"rolled back: DELETE FROM orders WHERE id = 2",
		"failed: DELETE FROM ordres",
		"failed: SELECT 1",
		"executed: ROLLBACK TO SAVEPOINT a",
		"committed: INSERT INTO orders VALUES (5, 'kept')",
		"executed: COMMIT",
		"executed: BEGIN",
		"rolled back: DELETE FROM orders WHERE id = $1 | $1 = '1'",
		"executed: ROLLBACK",
		"failed: INSERT INTO orders VALUES ($1, $2) | $1 = '3', $2 = 'twice, and so refused'",
		"failed: INSERT INTO orders VALUES (6, 'a')",
		"failed: INSERT INTO orders VALUES (1, 'b')",
		"committed: INSERT INTO orders VALUES (7, 'a;b')",
		"committed: -- ; INSERT\nINSERT INTO orders VALUES (8, $$;$$)",
		"committed: DO $$BEGIN DELETE FROM orders WHERE id = 8; RAISE WARNING 'done; %', 1 USING HINT = 'a\nb'; END$$",
		"failed: DO $$BEGIN EXECUTE 'SELECT 1\n/0'; END$$",
		"committed: COPY orders FROM STDIN",
		"committed: DELETE FROM orders",
	}
	failures := []string{
		"failed: DELETE FROM orders WHERE\n  id = 'x'", "failed: DELETE FROM ordres", "failed: SELECT 1", "failed: INSERT INTO orders VALUES ($1, $2)",
		"failed: INSERT INTO orders VALUES (6, 'a'); INSERT INTO orders VALUES (1, 'b')", "failed: DO $$BEGIN EXECUTE 'SELECT 1\n/0'; END$$",
	}
	const prefix = "%m %c %l %v %x %q%u@%d "
	tests := []struct {
		name, version, prefix string
		settings              map[string]string
		want                  []string // nil: only that all forms agree, and that nothing is taken for committed that was not
	}{
		{"all", "13", prefix, nil, all},
		{"all", "15", prefix, nil, all},
		{"all", "18", prefix, nil, all},
		{"none", "15", "%m [%p] ", map[string]string{"log_statement": "none"}, failures},
		{"none", "18", "[%p] %q%a ", map[string]string{"log_statement": "none"}, failures},
		{"mod", "15", prefix, map[string]string{"log_statement": "mod"}, nil},
		{"mod", "13", prefix, map[string]string{"log_statement": "mod", "log_duration": "on"}, nil},
		{"durations", "18", prefix, map[string]string{"log_statement": "none", "log_min_duration_statement": "0"}, nil},
		{"both", "15", prefix, map[string]string{"log_min_duration_statement": "0"}, nil},
		{"plans only", "15", prefix, map[string]string{"log_statement": "none", "session_preload_libraries": "auto_explain", "auto_explain.log_min_duration": "0", "auto_explain.log_nested_statements": "on"}, nil},
		{"plans", "15", prefix, map[string]string{"session_preload_libraries": "auto_explain", "auto_explain.log_min_duration": "0", "auto_explain.log_nested_statements": "on"}, nil},
	}
	for _, test := range tests {
		t.Run(test.name+" "+test.version, func(t *testing.T) {
			t.Parallel()
			logs := logged(t, test.version, test.prefix, test.settings, incident)
			for form, text := range logs {
				got := fates(events(t, text, Detector{}))
				if test.want != nil {
					compareTexts(t, form, got, test.want)
				}
				compareTexts(t, form+" beside csvlog", got, fates(events(t, logs["csvlog"], Detector{})))
				for _, fate := range got {
					kind, statement, _ := strings.Cut(fate, ": ")
					if kind != "committed" {
						continue
					}
					for _, other := range all {
						if before, same, _ := strings.Cut(other, ": "); same == statement && before != "committed" && before != "executed" {
							t.Errorf("%s: %q is taken for committed, and was %s", form, statement, before)
						}
					}
				}
			}
		})
	}
}

// TestPipeline: statements of the extended protocol that are sent together are one transaction. What an ERROR of the last one
// voided is not taken for committed, whether transactions are in the log or not.
func TestPipeline(t *testing.T) {
	t.Parallel()
	for _, shown := range []struct {
		name     string
		settings map[string]string
		failed   string
	}{{"log_statement", nil, "failed'1'"}, {"durations", map[string]string{"log_statement": "none", "log_min_duration_statement": "0"}, "failed"}} {
		t.Run(shown.name, func(t *testing.T) {
			t.Parallel()
			logs := logged(t, "15", "%m [%p] %q%u@%d ", shown.settings, pipelines)
			for form, want := range map[string]string{"csvlog": "rolled back", "jsonlog": "rolled back", "stderr": "executed"} {
				var got []string
				for _, e := range events(t, logs[form], Detector{}) {
					if strings.HasPrefix(e.Statement, "INSERT") {
						got = append(got, string(e.Kind)+strings.TrimPrefix(e.Parameters, "$1 = "))
					}
				}
				compareTexts(t, form, got, []string{"committed'1'", "committed'2'", want + "'3'", want + "'4'", shown.failed})
			}
		})
	}
}

// pipelines sends statements together, first good ones, then some of which the last is refused.
func pipelines(t *testing.T, c *cluster.Cluster) {
	t.Helper()
	ctx := context.Background()
	conn, err := c.Connect(ctx, "postgres")
	if err != nil {
		t.Fatal(err)
	}
	// One SHOW in less than a millisecond tells that the log has all durations: on a busy machine not every one is so quick.
	for _, sql := range append([]string{"CREATE TABLE a (b int PRIMARY KEY)"}, slices.Repeat([]string{"SHOW work_mem"}, 30)...) {
		if _, err := conn.Exec(ctx, sql); err != nil {
			t.Fatal(err)
		}
	}
	for i, values := range [][]int{{1, 2}, {3, 4, 1}} {
		batch := &pgx.Batch{}
		for _, value := range values {
			batch.Queue("INSERT INTO a VALUES ($1)", value)
		}
		if err := conn.SendBatch(ctx, batch).Close(); (err != nil) != (i == 1) {
			t.Fatalf("batch %d: %v", i, err)
		}
		if _, err := conn.Exec(ctx, "BEGIN; COMMIT"); err != nil {
			t.Fatal(err)
		}
	}
	if err := conn.Close(ctx); err != nil {
		t.Fatal(err)
	}
}

// TestFates: what becomes of statements, in logs that no workload makes on purpose.
func TestFates(t *testing.T) {
	t.Parallel()
	const all = "1 LOG:  statement: SHOW x\n"
	const connected = "1 LOG:  connection authorized: user=a database=b\n"
	tests := []struct {
		name, prefix, text string
		want               []string
	}{
		{"a COMMIT that fails", "%p ", all + "1 LOG:  statement: BEGIN\n1 LOG:  statement: A\n1 LOG:  statement: COMMIT\n1 ERROR:  deferred\n1 STATEMENT:  COMMIT\n", []string{"committed: SHOW x", "executed: BEGIN", "rolled back: A", "failed: COMMIT"}},
		{"COMMIT behind an ERROR", "%p ", "1 LOG:  statement: BEGIN\n1 LOG:  statement: A\n1 LOG:  statement: B\n1 ERROR:  x\n1 STATEMENT:  B\n1 LOG:  statement: COMMIT\n", []string{"executed: BEGIN", "rolled back: A", "failed: B", "executed: COMMIT"}},
		{"COMMIT is the last line", "%p ", "1 LOG:  statement: BEGIN\n1 LOG:  statement: A\n1 LOG:  statement: COMMIT\n", []string{"executed: BEGIN", "committed: A", "executed: COMMIT"}},
		{"the log ends within a transaction", "%p ", "1 LOG:  statement: BEGIN\n1 LOG:  statement: A\n1 LOG:  statement: B\n", []string{"executed: BEGIN", "executed: A", "attempted: B"}},
		{"the session ends within a transaction", "%p ", "1 LOG:  statement: BEGIN\n1 LOG:  statement: A\n1 LOG:  disconnection: session time: 0:00:01\n", []string{"executed: BEGIN", "rolled back: A"}},
		{"FATAL", "%p ", "1 LOG:  statement: BEGIN\n1 LOG:  statement: A\n1 LOG:  statement: B\n1 FATAL:  terminating connection\n1 STATEMENT:  B\n", []string{"executed: BEGIN", "rolled back: A", "failed: B"}},
		{"a crash", "%p ", "1 LOG:  statement: BEGIN\n1 LOG:  statement: A\n2 LOG:  statement: B\n9 LOG:  all server processes terminated; reinitializing\n1 LOG:  statement: COMMIT\n", []string{"executed: BEGIN", "attempted: A", "attempted: B", "executed: COMMIT"}},
		{"the log begins within a transaction", "%p ", "1 LOG:  statement: A\n1 LOG:  statement: B\n1 LOG:  statement: ROLLBACK\n2 LOG:  statement: C\n2 LOG:  statement: COMMIT\n", []string{"rolled back: A", "rolled back: B", "executed: ROLLBACK", "committed: C", "executed: COMMIT"}},
		{"log_statement = mod says nothing of COMMIT", "%p ", "1 LOG:  connection authorized: user=a database=b\n1 LOG:  statement: INSERT INTO a VALUES (1)\n1 LOG:  statement: INSERT INTO a VALUES (2)\n", []string{"executed: INSERT INTO a VALUES (1)", "attempted: INSERT INTO a VALUES (2)"}},
		{"the statements of a pipeline", "%p ", "1 LOG:  connection authorized: user=a database=b\n" + all + "1 LOG:  execute a: A\n1 LOG:  execute b: B\n1 ERROR:  x\n1 STATEMENT:  B\n", []string{"committed: SHOW x", "executed: A", "failed: B"}},
		{"the statements of a pipeline, with transactions", "%p %v ", "1  LOG:  connection authorized: user=a database=b\n1 3/1 LOG:  statement: SHOW x\n1 3/2 LOG:  execute a: A\n1 3/3 LOG:  execute a: A\n1 3/3 LOG:  execute b: B\n1 3/3 ERROR:  x\n1 3/3 STATEMENT:  B\n", []string{"committed: SHOW x", "committed: A", "rolled back: A", "failed: B"}},
		{"savepoints", "%p ", "1 LOG:  statement: BEGIN\n1 LOG:  statement: SAVEPOINT a\n1 LOG:  statement: A\n1 LOG:  statement: savepoint \"B\"\n1 LOG:  statement: B\n1 LOG:  statement: RELEASE \"B\"\n1 LOG:  statement: C\n1 LOG:  statement: ROLLBACK TO a\n1 LOG:  statement: D\n1 LOG:  statement: END\n", []string{"executed: BEGIN", "executed: SAVEPOINT a", "rolled back: A", "executed: savepoint \"B\"", "rolled back: B", "executed: RELEASE \"B\"", "rolled back: C", "executed: ROLLBACK TO a", "committed: D", "executed: END"}},
		{"prepared transactions", "%p ", "1 LOG:  statement: BEGIN\n1 LOG:  statement: A\n1 LOG:  statement: PREPARE TRANSACTION 'a'\n1 LOG:  statement: BEGIN\n1 LOG:  statement: B\n1 LOG:  statement: PREPARE TRANSACTION 'b'\n2 LOG:  statement: COMMIT PREPARED 'a'\n2 LOG:  statement: ROLLBACK PREPARED 'b'\n", []string{"executed: BEGIN", "committed: A", "executed: PREPARE TRANSACTION 'a'", "executed: BEGIN", "rolled back: B", "executed: PREPARE TRANSACTION 'b'", "executed: COMMIT PREPARED 'a'", "executed: ROLLBACK PREPARED 'b'"}},
		{"a query string with its own transaction", "%p ", "1 LOG:  statement: BEGIN; A; COMMIT; B\n1 LOG:  statement: BEGIN; C; COMMIT; D\n1 ERROR:  x\n1 STATEMENT:  BEGIN; C; COMMIT; D\n", []string{"executed: BEGIN", "committed: A", "executed: COMMIT", "executed: B", "attempted: BEGIN", "attempted: C", "attempted: COMMIT", "attempted: D"}},
		{"COMMIT AND CHAIN", "%p ", "1 LOG:  statement: BEGIN\n1 LOG:  statement: A\n1 LOG:  statement: COMMIT AND CHAIN\n1 LOG:  statement: B\n1 LOG:  statement: ROLLBACK\n", []string{"executed: BEGIN", "committed: A", "executed: COMMIT AND CHAIN", "rolled back: B", "executed: ROLLBACK"}},
		{"a function whose END is none", "%p ", "1 LOG:  statement: BEGIN\n1 LOG:  statement: A\n1 LOG:  statement: CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; END\n1 LOG:  statement: ROLLBACK\n", []string{"executed: BEGIN", "rolled back: A", "rolled back: CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; END", "executed: ROLLBACK"}},
		{"a COMMIT behind a function whose END is none", "%p ", "1 LOG:  statement: BEGIN; A; CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1 AS end; SELECT 2; END; COMMIT\n1 LOG:  statement: B\n", []string{"executed: BEGIN", "committed: A", "committed: CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1 AS end; SELECT 2; END", "executed: COMMIT", "attempted: B"}},
		{"another session with the same process", "%p %u@%d ", "1 a@b LOG:  statement: BEGIN\n1 a@b LOG:  statement: A\n1 c@b LOG:  statement: B\n1 c@b LOG:  statement: COMMIT\n", []string{"executed: BEGIN", "attempted: A", "committed: B", "executed: COMMIT"}},
		{"BEGIN within a transaction", "%p ", "1 LOG:  statement: BEGIN\n1 LOG:  statement: A\n1 LOG:  statement: BEGIN\n1 LOG:  statement: B\n1 LOG:  statement: COMMIT\n", []string{"executed: BEGIN", "executed: A", "executed: BEGIN", "committed: B", "executed: COMMIT"}},
		{"no sessions", "", "LOG:  statement: BEGIN\nLOG:  statement: A\nLOG:  statement: B\nERROR:  x\nSTATEMENT:  A\nLOG:  statement: COMMIT\nLOG:  duration: 1.000 ms  statement: C\n", []string{"attempted: BEGIN", "failed: A", "attempted: B", "attempted: COMMIT", "executed: C"}},
		{"SET log_statement", "%p ", "1 LOG:  connection authorized: user=a database=b\n" + all + "1 LOG:  statement: SET log_statement = 'mod'\n1 LOG:  statement: A\n1 LOG:  statement: B\n", []string{"executed: SHOW x", "executed: SET log_statement = 'mod'", "executed: A", "attempted: B"}},
		{"a pool's ROLLBACK without a transaction", "%p ", "1 LOG:  statement: SHOW x\n1 LOG:  statement: A\n1 LOG:  statement: ROLLBACK\n1 WARNING:  there is no transaction in progress\n1 LOG:  statement: B\n", []string{"committed: SHOW x", "committed: A", "executed: ROLLBACK", "attempted: B"}},
		{"auto_explain says nothing of BEGIN", "%p ", "1 LOG:  connection authorized: user=a database=b\n1 LOG:  duration: 0.100 ms  plan:\n\tQuery Text: SELECT 1\n\tResult  (cost=0\n1 LOG:  duration: 0.100 ms  plan:\n\tQuery Text: DELETE FROM a\n\tDelete  (cost=0\n1 LOG:  disconnection: session time: 0\n", []string{"executed: SELECT 1", "executed: DELETE FROM a"}},
		{"plans of a query string", "%p ", "1 LOG:  duration: 0.100 ms  plan:\n\tQuery Text: A\n\tResult  (cost=0\n1 LOG:  duration: 0.100 ms  plan:\n\tQuery Text: B; ROLLBACK; C\n\tResult  (cost=0\n", []string{"executed: A", "attempted: B", "attempted: ROLLBACK", "attempted: C"}},
		{"a plan of a query string, and its duration", "%p ", "1 LOG:  duration: 0.100 ms  plan:\n\tQuery Text: A; B\n\tResult  (cost=0\n1 LOG:  duration: 0.200 ms  statement: A; B\n", []string{"executed: A", "executed: B"}},
		{"plans and a ROLLBACK whose BEGIN nobody saw", "%p ", "1 LOG:  duration: 0.100 ms  plan:\n\tQuery Text: A\n\tResult  (cost=0\n1 LOG:  duration: 9.000 ms  statement: ROLLBACK\n", []string{"executed: A", "executed: ROLLBACK"}},
		{"a plan, and the duration of the same statement", "%p ", "1 LOG:  duration: 0.100 ms  plan:\n\tQuery Text: A\n\tResult  (cost=0\n1 LOG:  duration: 0.200 ms  statement: A\n", []string{"executed: A"}},
		{"durations of all", "%p ", "1 LOG:  connection authorized: user=a database=b\n1 LOG:  duration: 0.100 ms  statement: SHOW x\n1 LOG:  duration: 0.100 ms  statement: A\n1 LOG:  duration: 0.100 ms  statement: BEGIN\n1 LOG:  duration: 0.100 ms  statement: B\n1 LOG:  duration: 0.100 ms  statement: ROLLBACK\n", []string{"committed: SHOW x", "committed: A", "executed: BEGIN", "rolled back: B", "executed: ROLLBACK"}},
		{"durations of a sample", "%p ", "1 LOG:  connection authorized: user=a database=b\n1 LOG:  duration: 0.100 ms  statement: COMMIT\n1 LOG:  duration: 0.100 ms  statement: SHOW x\n1 LOG:  duration: 0.100 ms  statement: A\n1 LOG:  disconnection: session time: 0\n", []string{"executed: COMMIT", "executed: SHOW x", "executed: A"}},
		{"a ROLLBACK outside a block voids what its query string did before it", "%p ", connected + all + "1 LOG:  statement: A\n1 LOG:  statement: B; ROLLBACK; C\n1 WARNING:  there is no transaction in progress\n1 LOG:  statement: BEGIN\n", []string{"committed: SHOW x", "committed: A", "rolled back: B", "executed: ROLLBACK", "committed: C", "executed: BEGIN"}},
		{"DO and CALL may roll back what they did", "%p ", connected + all + "1 LOG:  statement: DO $$BEGIN A; ROLLBACK; END$$\n1 LOG:  statement: CALL a()\n1 LOG:  statement: DO $$BEGIN A; EXCEPTION WHEN others THEN END$$\n1 LOG:  statement: DO $$BEGIN A; END$$\n1 LOG:  statement: BEGIN\n", []string{"committed: SHOW x", "executed: DO $$BEGIN A; ROLLBACK; END$$", "executed: CALL a()", "executed: DO $$BEGIN A; EXCEPTION WHEN others THEN END$$", "committed: DO $$BEGIN A; END$$", "executed: BEGIN"}},
		{"CALL within a block cannot end it", "%p ", "1 LOG:  statement: BEGIN\n1 LOG:  statement: CALL a()\n1 LOG:  statement: COMMIT\n1 LOG:  statement: BEGIN\n1 LOG:  statement: CALL b()\n1 ERROR:  x\n1 STATEMENT:  CALL b()\n", []string{"executed: BEGIN", "committed: CALL a()", "executed: COMMIT", "executed: BEGIN", "failed: CALL b()"}},
		{"what code committed before its ERROR stays", "%p ", "1 LOG:  statement: CALL a()\n1 ERROR:  x\n1 STATEMENT:  CALL a()\n1 ERROR:  x\n1 STATEMENT:  CALL b()\n1 ERROR:  x\n1 STATEMENT:  DO $$BEGIN A; COMMIT; B; END$$\n1 ERROR:  x\n1 STATEMENT:  DO $$BEGIN A; B; END$$\n", []string{"attempted: CALL a()", "attempted: CALL b()", "attempted: DO $$BEGIN A; COMMIT; B; END$$", "failed: DO $$BEGIN A; B; END$$"}},
		{"what a query string committed before its ERROR stays", "%p ", "1 ERROR:  x\n1 STATEMENT:  BEGIN; A; COMMIT; B\n1 ERROR:  syntax error at or near \"C\" at character 1\n1 STATEMENT:  C; COMMIT; B\n1 ERROR:  x\n1 STATEMENT:  A; B\n", []string{"attempted: BEGIN; A; COMMIT; B", "failed: C; COMMIT; B", "failed: A; B"}},
		{"what a query string committed before its ERROR stays, without sessions", "", "LOG:  statement: A; COMMIT; B\nERROR:  x\nSTATEMENT:  A; COMMIT; B\n", []string{"attempted: A", "attempted: COMMIT", "attempted: B"}},
		{"durations of a sample lack a COMMIT", "%p ", "1 LOG:  duration: 0.100 ms  statement: BEGIN\n1 LOG:  duration: 0.100 ms  statement: A\n1 LOG:  duration: 0.100 ms  statement: BEGIN\n1 LOG:  duration: 0.100 ms  statement: B\n1 LOG:  duration: 0.100 ms  statement: ROLLBACK\n", []string{"executed: BEGIN", "executed: A", "executed: BEGIN", "executed: B", "executed: ROLLBACK"}},
		{"durations from some length on lack a ROLLBACK", "%p ", "1 LOG:  duration: 9.000 ms  statement: BEGIN; A\n1 LOG:  duration: 9.000 ms  statement: B\n1 LOG:  duration: 9.000 ms  statement: COMMIT\n", []string{"executed: BEGIN", "executed: A", "executed: B", "executed: COMMIT"}},
		{"a BEGIN that the server warned of begins nothing", "%p ", "1 LOG:  duration: 0.100 ms  statement: BEGIN\n1 LOG:  duration: 0.100 ms  statement: A\n1 WARNING:  there is already a transaction in progress\n1 LOG:  duration: 0.100 ms  statement: BEGIN\n1 LOG:  duration: 0.100 ms  statement: ROLLBACK\n", []string{"executed: BEGIN", "rolled back: A", "executed: BEGIN", "executed: ROLLBACK"}},
		{"a crash behind PREPARE TRANSACTION", "%p ", "1 LOG:  statement: BEGIN\n1 LOG:  statement: A\n1 LOG:  statement: PREPARE TRANSACTION 'a'\n9 LOG:  all server processes terminated; reinitializing\n2 LOG:  statement: COMMIT PREPARED 'a'\n", []string{"executed: BEGIN", "committed: A", "attempted: PREPARE TRANSACTION 'a'", "executed: COMMIT PREPARED 'a'"}},
		{"a crash behind PREPARE TRANSACTION that nobody ended", "%p ", "1 LOG:  statement: BEGIN\n1 LOG:  statement: A\n1 LOG:  statement: PREPARE TRANSACTION 'a'\n9 LOG:  all server processes terminated; reinitializing\n", []string{"executed: BEGIN", "executed: A", "attempted: PREPARE TRANSACTION 'a'"}},
		{"a pool's ROLLBACK without a transaction, in durations", "%p ", connected + "1 LOG:  duration: 0.100 ms  statement: SHOW x\n1 LOG:  duration: 0.100 ms  statement: A\n1 WARNING:  there is no transaction in progress\n1 LOG:  duration: 0.100 ms  statement: ROLLBACK\n1 LOG:  duration: 0.100 ms  statement: BEGIN\n1 LOG:  duration: 0.100 ms  statement: B\n1 LOG:  duration: 0.100 ms  statement: COMMIT\n", []string{"committed: SHOW x", "committed: A", "executed: ROLLBACK", "executed: BEGIN", "committed: B", "executed: COMMIT"}},
		{"EXECUTE", "%p ", "1 LOG:  statement: EXECUTE a(1)\n1 DETAIL:  prepare: PREPARE a AS DELETE FROM b WHERE c = $1\n1 LOG:  duration: 1.000 ms\n", []string{"executed: EXECUTE a(1)"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			prefix, err := ParsePrefix(test.prefix)
			if err != nil {
				t.Fatal(err)
			}
			compareTexts(t, "fate", fates(events(t, []byte(test.text), Detector{Prefix: prefix})), test.want)
		})
	}
}

func TestParameters(t *testing.T) {
	t.Parallel()
	values, ok := Parameters("$1 = 'a, ''b'', $2 = ''x''\n\"', $2 = NULL, $3 = '', $4 = 'cut...'")
	want := []Parameter{{Text: "a, 'b', $2 = 'x'\n\""}, {Null: true}, {}, {Text: "cut...", Cut: true}}
	if !ok || !slices.Equal(values, want) {
		t.Errorf("%+v, %v", values, ok)
	}
	for _, text := range []string{"", "$2 = 'a'", "$1 = a", "$1 = 'a", "$1 = 'a', ", "$1 = 'a' $2 = 'b'"} {
		if values, ok := Parameters(text); ok {
			t.Errorf("%q is read as %+v", text, values)
		}
	}
}

// TestParametersThatWereCut: a value that log_parameter_max_length cut is marked, and the others are whole.
func TestParametersThatWereCut(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a, 'b'\n", 10)
	for _, version := range []string{"13", "18"} {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			logs := logged(t, version, "%m [%p] ", map[string]string{"log_parameter_max_length": "20"}, func(t *testing.T, c *cluster.Cluster) {
				conn, err := c.Connect(context.Background(), "postgres")
				if err != nil {
					t.Fatal(err)
				}
				var count int
				if err := conn.QueryRow(context.Background(), "SELECT length($1::text) + length($2::text)", long, "c, 'd'\n").Scan(&count); err != nil {
					t.Fatal(err)
				}
				if err := conn.Close(context.Background()); err != nil {
					t.Fatal(err)
				}
			})
			want := []Parameter{{Text: long[:20] + "...", Cut: true}, {Text: "c, 'd'\n"}}
			for form, text := range logs {
				found := false
				for _, e := range events(t, text, Detector{}) {
					if strings.HasPrefix(e.Statement, "SELECT length($1") {
						values, ok := Parameters(e.Parameters)
						found = ok && slices.Equal(values, want)
						if !found {
							t.Errorf("%s: %+v, %v", form, values, ok)
						}
					}
				}
				if !found {
					t.Errorf("%s: the statement is not there", form)
				}
			}
		})
	}
}

// TestStartThatComesLate: entries of several formats in one log come out of order. A start of the server that stands before a
// session does not end it.
func TestStartThatComesLate(t *testing.T) {
	t.Parallel()
	for line, want := range map[int64]string{1: "committed: A", 4: "rolled back: A"} {
		timeline := NewTimeline()
		var all []logparse.Event
		out := func(e *logparse.Event) error {
			all = append(all, *e)
			return nil
		}
		for i, message := range []string{"statement: BEGIN", "statement: A", "starting PostgreSQL 15", "statement: COMMIT"} {
			e := &logparse.Entry{Severity: "LOG", PID: 1, Message: []byte(message), Place: logparse.Place{Line: int64(i) + 2}}
			if i == 2 {
				e.PID, e.Line = 9, line
			}
			if err := timeline.Add(e, out); err != nil {
				t.Fatal(err)
			}
			if i == 1 { // it has ended when the server begins
				if err := timeline.Add(&logparse.Entry{Severity: "LOG", PID: 1, Message: []byte("duration: 1.000 ms"), Place: e.Place}, out); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := timeline.Flush(out); err != nil {
			t.Fatal(err)
		}
		if got := fates(all); !slices.Contains(got, want) {
			t.Errorf("a start on line %d: %q, want %q", line, got, want)
		}
	}
}

// TestLongTransactionIsBounded sends statements without an end. What is held stays within its bound, and what is handed out
// before the end is not taken for committed.
func TestLongTransactionIsBounded(t *testing.T) {
	t.Parallel()
	if size := reflect.TypeFor[held]().Size(); size > heldSize {
		t.Errorf("a held statement takes %d bytes, more than %d", size, heldSize)
	}
	timeline, statements, committed := NewTimeline(), 0, 0
	timeline.most = 8 << 20
	out := func(e *logparse.Event) error {
		if e.Verb != "INSERT" {
			return nil
		}
		if statements++; e.Kind == logparse.Committed {
			committed++
		}
		return nil
	}
	long := "statement: INSERT " + strings.Repeat("x", 1<<20)
	const sent = 30 // MiB
	for i := range sent + 2 {
		e := &logparse.Entry{Severity: "LOG", PID: 1, Message: []byte(long)}
		switch i {
		case 0:
			e.Message = []byte("statement: BEGIN")
		case sent + 1:
			e.Message = []byte("statement: COMMIT")
		}
		if err := timeline.Add(e, out); err != nil {
			t.Fatal(err)
		}
		if timeline.heldBytes > timeline.most+2<<20 {
			t.Fatalf("%d bytes are held", timeline.heldBytes)
		}
	}
	if err := timeline.Flush(out); err != nil {
		t.Fatal(err)
	}
	if statements != sent || committed == 0 || committed == sent {
		t.Errorf("%d statements, %d committed", statements, committed)
	}
}

// TestWhereStatementsEnded looks at the places that the ends of transactions and durations give their statements.
func TestWhereStatementsEnded(t *testing.T) {
	t.Parallel()
	const log = "1 a@shop LOG:  statement: BEGIN\n1 a@shop LOG:  statement: A\n1 a@shop LOG:  statement: SAVEPOINT s\n1 a@shop LOG:  statement: B\n1 a@shop LOG:  statement: COMMIT\n" +
		"1 a@shop LOG:  statement: BEGIN\n1 a@shop LOG:  statement: C\n1 a@shop LOG:  statement: PREPARE TRANSACTION 'p'\n2 a@shop LOG:  statement: COMMIT PREPARED 'p'\n" +
		"1 a@shop LOG:  statement: D\n2 a@shop LOG:  statement: E\n1 a@shop LOG:  duration: 1.000 ms\n1 a@shop LOG:  statement: SHOW x\n"
	want := map[string]int64{"A": 5, "B": 5, "C": 9, "D": 12, "E": 0}
	prefix, err := ParsePrefix("%p %u@%d ")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range events(t, []byte(log), Detector{Prefix: prefix}) {
		line, ok := want[e.Statement]
		if delete(want, e.Statement); ok && e.Ended.Line != line {
			t.Errorf("%s (%s) ended on line %d, want %d", e.Statement, e.Kind, e.Ended.Line, line)
		}
		if e.Statement != "" && e.Database != "shop" {
			t.Errorf("%s is of database %q", e.Statement, e.Database)
		}
	}
	if len(want) > 0 {
		t.Errorf("not told: %v", want)
	}
}

// TestWhoOfALogWithoutNames: lines without user and database are of those with whom the session began.
func TestWhoOfALogWithoutNames(t *testing.T) {
	t.Parallel()
	const text = `2025-11-26 10:00:00.000 UTC [7] LOG:  connection received: host=[local]
2025-11-26 10:00:00.001 UTC [7] LOG:  connection authorized: user=app database=shop one application_name=psql
2025-11-26 10:00:01.000 UTC [8] LOG:  connection authorized: user=app database=other SSL enabled (protocol=TLSv1.3, cipher=TLS_AES_256_GCM_SHA384, bits=256)
2025-11-26 10:00:02.000 UTC [7] LOG:  statement: DELETE FROM t
2025-11-26 10:00:03.000 UTC [8] LOG:  statement: DELETE FROM t
2025-11-26 10:00:04.000 UTC [7] LOG:  connection received: host=[local]
2025-11-26 10:00:05.000 UTC [7] LOG:  statement: DELETE FROM t
2025-11-26 10:00:06.000 UTC [9] LOG:  statement: DELETE FROM t
`
	var got []string
	for _, e := range events(t, []byte(text), Detector{}) {
		if e.Statement != "" {
			got = append(got, e.Actor+" in "+e.Database)
		}
	}
	want := []string{"app@shop one in shop one", "app@other in other", " in ", " in "}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
