package events_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/pgrescue/pgrescue/logparse"
	"github.com/pgrescue/pgrescue/logparse/applog"
	"github.com/pgrescue/pgrescue/logparse/events"
	"github.com/pgrescue/pgrescue/logparse/pglog"
)

// read gives the events of logs, in the order of their lines.
func read(t *testing.T, options events.Options, logs ...string) []logparse.Event {
	t.Helper()
	var paths []string
	dir := t.TempDir()
	for i, log := range logs {
		path := filepath.Join(dir, fmt.Sprintf("%d.log", i))
		if err := os.WriteFile(path, []byte(log), 0o600); err != nil {
			t.Fatal(err)
		}
		paths = append(paths, path)
	}
	ctx := context.Background()
	sources, _, err := logparse.Find(ctx, logparse.FindOptions{Paths: paths})
	if err != nil {
		t.Fatal(err)
	}
	if err := logparse.Recognise(ctx, sources, applog.Detector{}, pglog.Detector{}); err != nil {
		t.Fatal(err)
	}
	var list []logparse.Event
	out := func(e *logparse.Event) error {
		list = append(list, *e)
		return nil
	}
	reader := events.New(options)
	for _, source := range sources {
		for entry, err := range source.Entries(ctx) {
			if err == nil {
				err = reader.Add(entry, out)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := reader.Flush(out); err != nil {
		t.Fatal(err)
	}
	slices.SortStableFunc(list, func(a, b logparse.Event) int { return int(a.Line - b.Line) })
	return list
}

// fates gives the statements that are no words of transactions, one text each: kind, statement and reason.
func fates(list []logparse.Event) string {
	var b strings.Builder
	for i := range list {
		e := &list[i]
		switch e.Verb {
		case "", "BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT", "RELEASE":
			continue
		}
		fmt.Fprintf(&b, "%s: %s", e.Kind, e.Statement)
		for _, set := range e.Sets {
			b.WriteString(" (")
			for i := range set {
				fmt.Fprintf(&b, "[%s%s]", set[i].Text, set[i].Reason)
			}
			b.WriteString(")")
		}
		fmt.Fprintf(&b, ": %s\n", e.Why)
	}
	return strings.TrimSpace(b.String())
}

// echoed makes a log of SQLAlchemy's messages.
func echoed(messages ...string) string {
	var b strings.Builder
	for i, message := range messages {
		logger, level := "sqlalchemy.engine.Engine", "INFO"
		if rest, ok := strings.CutPrefix(message, "app!"); ok {
			logger, level, message = "app.work", "ERROR", rest
		}
		fmt.Fprintf(&b, "2025-10-07 18:22:%02d,%03d - %s - %s - %s\n", i/50, i%50*20, logger, level, message)
	}
	return b.String()
}

// echoTest is a log of SQLAlchemy's messages, and what became of its statements.
type echoTest struct {
	name     string
	messages []string
	want     string
}

func (test *echoTest) check(t *testing.T) {
	t.Helper()
	if got := fates(read(t, events.Options{}, echoed(test.messages...))); got != test.want {
		t.Errorf("%s:\n got %s\nwant %s", test.name, got, test.want)
	}
}

func TestStatementsOfSQLAlchemy(t *testing.T) {
	t.Parallel()
	const insert, id = "INSERT INTO t (id) VALUES (%(id)s)", "[generated in 0.00012s] {'id': "
	for _, test := range []echoTest{
		{
			"committed",
			[]string{"BEGIN (implicit)", insert, id + "1}", "SELECT 1", "[raw sql] {}", "COMMIT"},
			"committed: INSERT INTO t (id) VALUES ($1) ([1]): COMMIT on line 6\ncommitted: SELECT 1 (): COMMIT on line 6",
		},
		{
			"rolled back, then committed",
			[]string{"BEGIN (implicit)", insert, id + "1}", "ROLLBACK", "BEGIN (implicit)", insert, id + "2}", "COMMIT"},
			"rolled back: INSERT INTO t (id) VALUES ($1) ([1]): ROLLBACK on line 4\ncommitted: INSERT INTO t (id) VALUES ($1) ([2]): COMMIT on line 8",
		},
		{
			"the log ends",
			[]string{"BEGIN (implicit)", insert, id + "1}", insert, id + "2}"},
			"executed: INSERT INTO t (id) VALUES ($1) ([1]): the log does not say how its transaction ended\n" +
				"attempted: INSERT INTO t (id) VALUES ($1) ([2]): the log does not say how it ended",
		},
		{
			"the log begins within transactions",
			[]string{insert, id + "1}", "COMMIT", "BEGIN (implicit)", insert, id + "2}", "COMMIT"},
			"executed: INSERT INTO t (id) VALUES ($1) ([1]): the log begins within transactions, and does not tell its threads apart\n" +
				"committed: INSERT INTO t (id) VALUES ($1) ([2]): COMMIT on line 7",
		},
		{
			"two at once, one rolled back",
			[]string{"BEGIN (implicit)", insert, id + "1}", "BEGIN (implicit)", insert, id + "2}", "COMMIT", "ROLLBACK"},
			"executed: INSERT INTO t (id) VALUES ($1) ([1]): 2 transactions were under way at once, of which 1 were rolled back, and the log does not tell them apart\n" +
				"executed: INSERT INTO t (id) VALUES ($1) ([2]): 2 transactions were under way at once, of which 1 were rolled back, and the log does not tell them apart",
		},
		{
			"two that begin in a row, one rolled back",
			[]string{"BEGIN (implicit)", "BEGIN (implicit)", insert, id + "1}", insert, id + "2}", "COMMIT", "ROLLBACK"},
			"executed: INSERT INTO t (id) VALUES ($1) ([1]): 2 transactions were under way at once, of which 1 were rolled back, and the log does not tell them apart\n" +
				"executed: INSERT INTO t (id) VALUES ($1) ([2]): 2 transactions were under way at once, of which 1 were rolled back, and the log does not tell them apart",
		},
		{
			"two at once, both committed",
			[]string{"BEGIN (implicit)", insert, id + "1}", "BEGIN (implicit)", insert, id + "2}", "COMMIT", "COMMIT"},
			"committed: INSERT INTO t (id) VALUES ($1) ([1]): COMMIT on line 8; all transactions that were under way were committed\n" +
				"committed: INSERT INTO t (id) VALUES ($1) ([2]): COMMIT on line 8; all transactions that were under way were committed",
		},
		{
			"each message twice",
			[]string{"BEGIN (implicit)", "BEGIN (implicit)", insert, insert, id + "1}", id + "1}", "COMMIT", "COMMIT", "BEGIN (implicit)", "BEGIN (implicit)", insert, insert, id + "2}", id + "2}", "ROLLBACK", "ROLLBACK"},
			"committed: INSERT INTO t (id) VALUES ($1) ([1]): COMMIT on line 7\nrolled back: INSERT INTO t (id) VALUES ($1) ([2]): ROLLBACK on line 15",
		},
	} {
		test.check(t)
	}
}

// TestErrorsInLogsOfSQLAlchemy: a COMMIT behind an error may have been a ROLLBACK.
func TestErrorsInLogsOfSQLAlchemy(t *testing.T) {
	t.Parallel()
	const insert, id = "INSERT INTO t (id) VALUES (%(id)s)", "[generated in 0.00012s] {'id': "
	for _, test := range []echoTest{
		{
			"a savepoint",
			[]string{"BEGIN (implicit)", insert, id + "1}", "SAVEPOINT sa_savepoint_1", "[no key 0.1s] {}", insert, id + "2}", "ROLLBACK TO SAVEPOINT sa_savepoint_1", "[no key 0.1s] {}", insert, id + "3}", "COMMIT"},
			"committed: INSERT INTO t (id) VALUES ($1) ([1]): COMMIT on line 12\nrolled back: INSERT INTO t (id) VALUES ($1) ([2]): ROLLBACK TO SAVEPOINT on line 8\n" +
				"committed: INSERT INTO t (id) VALUES ($1) ([3]): COMMIT on line 12",
		},
		{
			"a statement that failed, and a COMMIT all the same",
			[]string{
				"BEGIN (implicit)", insert, id + "1}", "DELETE FROM u", "[raw sql] {}",
				"app!(sqlalchemy.dialects.postgresql.asyncpg.IntegrityError) violates foreign key\n[SQL: DELETE FROM u]\n(Background on this error at: x)", "COMMIT",
			},
			"executed: INSERT INTO t (id) VALUES ($1) ([1]): COMMIT on line 9, but an error on line 6 may have voided its transaction\n" +
				"failed: DELETE FROM u (): the error on line 6",
		},
		{
			"a transaction that was aborted, and a COMMIT all the same",
			[]string{
				"BEGIN (implicit)", insert, id + "1}",
				"app!Query failed: DELETE FROM u - (sqlalchemy.dialects.postgresql.asyncpg.InternalServerError) current transaction is aborted, commands ignored", "COMMIT",
			},
			"rolled back: INSERT INTO t (id) VALUES ($1) ([1]): COMMIT on line 5, of a transaction that an error had aborted: see line 4",
		},
		{
			"a COMMIT that failed",
			[]string{"BEGIN (implicit)", insert, id + "1}", "COMMIT", "app!(psycopg2.errors.ForeignKeyViolation) insert or update on table", "BEGIN (implicit)", insert, id + "2}", "COMMIT"},
			"executed: INSERT INTO t (id) VALUES ($1) ([1]): COMMIT on line 4, but an error on line 5 may have voided its transaction\n" +
				"committed: INSERT INTO t (id) VALUES ($1) ([2]): COMMIT on line 9",
		},
		{
			"an error whose statement the log does not show",
			[]string{"app!(psycopg2.errors.UniqueViolation) duplicate key\n[SQL: INSERT INTO t (id) VALUES (%(id)s)]\n[parameters: {'id': 7}]", "BEGIN (implicit)", insert, id + "2}", "COMMIT"},
			"failed: INSERT INTO t (id) VALUES ($1) ([7]): the error in which it stands\ncommitted: INSERT INTO t (id) VALUES ($1) ([2]): COMMIT on line 7",
		},
		{
			"several sets, some of which are left out",
			[]string{"BEGIN (implicit)", insert, "[generated in 0.1s] [{'id': 1}, {'id': 2}  ... displaying 2 of 9 total bound parameter sets ...  {'id': 9}]", "COMMIT"},
			"committed: INSERT INTO t (id) VALUES ($1) ([1]) ([2]) ([9]): COMMIT on line 4",
		},
	} {
		test.check(t)
	}
}

// TestThreadsOfBackends: where a log names threads, transactions that are under way at once are told apart.
func TestThreadsOfBackends(t *testing.T) {
	t.Parallel()
	line := func(thread, message string) string {
		return `{"timestamp":"2025-10-07T18:22:49.1Z","level":"INFO","logger":"sqlalchemy.engine.Engine","message":"` + message + `","trace_id":"` + thread + `"}` + "\n"
	}
	log := line("a", "BEGIN (implicit)") + line("b", "BEGIN (implicit)") + line("a", "DELETE FROM t") + line("b", "DELETE FROM u") +
		line("a", "[raw sql] {}") + line("b", "[raw sql] {}") + line("b", "ROLLBACK") + line("a", "COMMIT")
	want := "committed: DELETE FROM t (): COMMIT on line 8\nrolled back: DELETE FROM u (): ROLLBACK on line 7"
	list := read(t, events.Options{}, log)
	if got := fates(list); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	for i := range list {
		if e := &list[i]; e.Verb == "DELETE" && (e.Session == "" || e.Table.Name == "" || e.Ended.Line < 7) {
			t.Errorf("session %q, table %q, ended on line %d", e.Session, e.Table.Name, e.Ended.Line)
		}
	}
}

func TestStatementsOfDjango(t *testing.T) {
	t.Parallel()
	line := func(message string) string {
		return "2025-10-07 18:22:49,100 DEBUG django.db.backends: " + message + "\n"
	}
	const insert = `(0.002) INSERT INTO "t" ("id") VALUES (1); args=(1,); alias=default`
	for name, test := range map[string]struct{ log, want string }{
		"with transactions": {
			line(`(0.000) BEGIN; args=None; alias=default`) + line(insert) + line(`(0.001) COMMIT; args=None; alias=default`) +
				line(`(0.000) BEGIN; args=None; alias=default`) + line(insert) + line(`(0.001) ROLLBACK; args=None; alias=default`) + line(insert) + line(insert),
			`committed: INSERT INTO "t" ("id") VALUES (1): COMMIT on line 3` + "\n" +
				`rolled back: INSERT INTO "t" ("id") VALUES (1): ROLLBACK on line 6` + "\n" +
				`executed: INSERT INTO "t" ("id") VALUES (1): the log goes on without an error; whether its transaction was committed is not in it` + "\n" +
				`attempted: INSERT INTO "t" ("id") VALUES (1): the log does not say how it ended`,
		},
		"without, and with an error": {
			line(insert) + "2025-10-07 18:22:49,100 ERROR app: django.db.utils.IntegrityError: duplicate key value violates unique constraint\n",
			`attempted: INSERT INTO "t" ("id") VALUES (1): an error follows on line 2`,
		},
	} {
		if got := fates(read(t, events.Options{}, test.log)); got != test.want {
			t.Errorf("%s:\n got %s\nwant %s", name, got, test.want)
		}
	}
}

func TestStatementsOfActiveRecord(t *testing.T) {
	t.Parallel()
	line := func(message string) string {
		return "D, [2025-10-07T18:22:49.100000 #41] DEBUG -- : " + message + "\n"
	}
	log := line("  TRANSACTION (0.1ms)  BEGIN") + line(`  User Create (0.5ms)  INSERT INTO "users" ("name") VALUES ($1)  [["name", "x"]]`) + line("  TRANSACTION (0.3ms)  ROLLBACK") +
		line("  TRANSACTION (0.1ms)  BEGIN") + line(`  User Destroy (0.5ms)  DELETE FROM "users" WHERE "users"."id" = $1  [["id", 7]]`) + line("  TRANSACTION (0.3ms)  COMMIT")
	want := `rolled back: INSERT INTO "users" ("name") VALUES ($1) ([x]): ROLLBACK on line 3` + "\n" +
		`committed: DELETE FROM "users" WHERE "users"."id" = $1 ([7]): COMMIT on line 6`
	if got := fates(read(t, events.Options{}, log)); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// TestMessages: what a pattern takes has its ids, and whose they are; access lines are requests.
func TestMessages(t *testing.T) {
	t.Parallel()
	pack, err := applog.Discovery()
	if err != nil {
		t.Fatal(err)
	}
	const flow, tenant, user, imported = "6a1b0c9e-0000-4000-8000-00000000000a", "11111111-1111-1111-1111-111111111111", "33333333-3333-3333-3333-333333333333", "6a1b0c9e-0000-4000-8000-00000000000b"
	line := func(logger, message string) string {
		return "2025-10-07 18:22:49,100 - app." + logger + " - INFO - " + message + "\n"
	}
	log := line("audit_logger", `AUDIT: {"flow_id": "`+flow+`", "operation": "create_flow", "user_id": "`+user+`", "client_account_id": "`+tenant+`"}`) +
		line("operations", "✅ Linked master flow "+flow+" to data import "+imported) +
		line("operations", "✅ Stored 12 records for import "+imported) +
		line("transaction_manager", "✅ Import transaction committed successfully") +
		line("other", "nothing that a pattern knows") +
		`10.0.0.7 - - [07/Oct/2025:18:22:50 +0000] "POST /store-import HTTP/1.1" 200 12` + "\n"
	matched := 0
	list := read(t, events.Options{Pack: pack, Matched: func(*logparse.Entry, *applog.Match) { matched++ }}, log)
	var got []string
	for i := range list {
		e := &list[i]
		got = append(got, fmt.Sprintf("%s|%s|%s|%s|%s", e.Kind, e.Why, e.Tenant, e.Actor, e.IDs["rows"]))
	}
	want := []string{
		"import|pattern audit|" + tenant + "|" + user + "|", "import|pattern flow linked|" + tenant + "|" + user + "|", "import|pattern rows stored|" + tenant + "|" + user + "|12",
		"import|pattern import committed: the transaction was committed|||", "message||||", "request|||10.0.0.7|",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") || matched != 4 {
		t.Errorf("%d matched, got\n%s\nwant\n%s", matched, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestMixedSources: what the server wrote and what a backend wrote come as events of one stream.
func TestMixedSources(t *testing.T) {
	t.Parallel()
	server := "2025-10-07 18:22:49.123 UTC [71] app@shop LOG:  statement: BEGIN\n2025-10-07 18:22:49.124 UTC [71] app@shop LOG:  statement: DELETE FROM shop.orders\n" +
		"2025-10-07 18:22:49.125 UTC [71] app@shop LOG:  statement: COMMIT\n2025-10-07 18:22:50.125 UTC [71] app@shop ERROR:  syntax error at or near \"!\" at character 9\n" +
		"2025-10-07 18:22:50.125 UTC [71] app@shop STATEMENT:  DELETE FROM shop.orders WHERE a \\!= 1\n"
	list := read(t, events.Options{}, server, echoed("BEGIN (implicit)", "DELETE FROM orders", "[raw sql] {}", "ROLLBACK"))
	want := "committed: DELETE FROM shop.orders: COMMIT of the session on line 3\nrolled back: DELETE FROM orders (): ROLLBACK on line 4\n" +
		"failed: DELETE FROM shop.orders WHERE a \\!= 1: ERROR on line 4"
	if got := fates(list); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	for i := range list {
		if e := &list[i]; e.Verb == "DELETE" && e.Table.Name != "orders" {
			t.Errorf("%s: table %q", e.Statement, e.Table)
		}
	}
}
