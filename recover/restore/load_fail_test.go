package restore

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/pgrescue/pgrescue/recover/casefile"
	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/live"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster/clustertest"
)

const pairSQL = "CREATE TABLE p (id int PRIMARY KEY, v varchar(3)); CREATE TABLE c (id int PRIMARY KEY, p int REFERENCES p)"

// pair is rows for two tables, of which one is refused for its value and one because of it.
func pair() []LoadTable {
	return []LoadTable{given("c", "id p", "1|1", "2|2"), given("p", "id v", "1|a", "2|abcd")}
}

const pairState = "SELECT 'p', id FROM p UNION ALL SELECT 'c', id FROM c ORDER BY 1, 2"

// A server process that is killed, and a Ctrl-C, at any stage leave nothing behind.
func TestLoadInterrupted(t *testing.T) {
	t.Parallel()
	c := clustertest.Start(t, cluster.Options{})
	clustertest.Exec(t, c, "postgres", pairSQL)
	for _, stage := range []Stage{StageCheck, StageCopy, StageWrite, StageKeys, StageCommit} {
		for _, kill := range []bool{true, false} {
			l := &loading{t: t, dsn: c.LibpqDSN("postgres")}
			ctx, cancel := context.WithCancel(t.Context())
			hit := false
			l.ctx = ctx
			l.change = func(l *Loading) {
				l.Progress = func(s LoadStep) {
					if s.Stage != stage || hit {
						return
					}
					hit = true
					if kill {
						clustertest.Exec(t, c, "postgres", "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'pgrescue/test'")
					} else {
						cancel()
					}
				}
			}
			_, err := l.run(pair()...)
			want := live.ErrLost
			if !kill {
				want = context.Canceled
			}
			// A COMMIT that is about to be sent is sent: what was done is known then.
			committed := stage == StageCommit && !kill
			if !hit || committed != (err == nil) || !committed && !errors.Is(err, want) {
				t.Errorf("%s, killed %v: the error is %v", stage, kill, err)
			}
			if got := clustertest.CopyOut(t, c, "postgres", pairState); (got != "") != committed {
				t.Errorf("%s, killed %v: the target has\n%s", stage, kill, got)
			}
			cancel()
			clustertest.Exec(t, c, "postgres", "TRUNCATE p, c")
		}
	}
}

// A COMMIT whose answer is lost is looked up; when nobody can be asked, it is said.
func TestLoadConnectionLostAtCommit(t *testing.T) {
	t.Parallel()
	c := clustertest.Start(t, cluster.Options{TCP: true})
	clustertest.Exec(t, c, "postgres", pairSQL)
	p := startProxy(t, c.TCPDSN("postgres"))
	for _, sent := range []bool{true, false} {
		for _, reachable := range []bool{true, false} {
			l := &loading{t: t, dsn: p.dsn}
			asked := 0
			l.change = func(l *Loading) {
				probe := l.Probe
				l.Probe = func(ctx context.Context) (*live.Conn, error) {
					if asked++; asked > 1 && !reachable {
						return nil, live.ErrUnreachable
					}
					return probe(ctx)
				}
			}
			p.cutAt(sent)
			done, err := l.run(pair()...)
			switch {
			case !p.cut():
				t.Fatal("the connection was not cut")
			case !reachable && !errors.Is(err, ErrInDoubt), reachable && sent && (err != nil || done.Committed.IsZero()), reachable && !sent && !errors.Is(err, live.ErrLost):
				t.Errorf("sent %v, reachable %v: %v", sent, reachable, err)
			}
			if got := clustertest.CopyOut(t, c, "postgres", pairState); (got != "") != sent {
				t.Errorf("sent %v: the target has\n%s", sent, got)
			}
			// Whatever it was: once more, and it is all there once.
			l.change, l.dsn = nil, c.TCPDSN("postgres")
			if _, err := l.run(pair()...); err != nil {
				t.Error(err)
			}
			if got := clustertest.CopyOut(t, c, "postgres", pairState); got != "c\t1\np\t1\n" {
				t.Errorf("sent %v: once more left\n%s", sent, got)
			}
			clustertest.Exec(t, c, "postgres", "TRUNCATE p, c")
		}
	}
}

// A process that is killed at any point has loaded all or nothing.
func TestLoadKilledProcess(t *testing.T) {
	t.Parallel()
	c := clustertest.Start(t, cluster.Options{})
	clustertest.Exec(t, c, "postgres", loadBenchSQL)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	const rows = 3000
	for range 15 {
		cmd := loadChild(t, c.LibpqDSN("postgres"), rows)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		scan := bufio.NewScanner(out)
		for lines := 1 + random.IntN(12); lines > 0 && scan.Scan(); lines-- {
		}
		if err := cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
			t.Fatal(err)
		}
		_ = cmd.Wait()                                                       // it was killed, or was done just before
		clustertest.Exec(t, c, "postgres", "BEGIN; LOCK raw, asset; COMMIT") // waits for what is left of it
		got := clustertest.CopyOut(t, c, "postgres", "SELECT (SELECT count(*) FROM raw), (SELECT count(*) FROM asset)")
		if got != "0\t0\n" && got != fmt.Sprintf("%d\t%d\n", rows, rows) {
			t.Fatalf("a killed load left %s", got)
		}
		clustertest.Exec(t, c, "postgres", "TRUNCATE raw, asset")
	}
}

func TestLoadRefuses(t *testing.T) {
	t.Parallel()
	c := clustertest.Start(t, cluster.Options{})
	clustertest.Exec(t, c, "postgres", pairSQL, "INSERT INTO p VALUES (9, 'x')", "CREATE TABLE empty (id int PRIMARY KEY)", "CREATE VIEW seen AS SELECT 1 AS id", "CREATE ROLE clerk LOGIN",
		"CREATE TABLE own (id int PRIMARY KEY)", "ALTER TABLE own ENABLE ROW LEVEL SECURITY", "GRANT ALL ON own TO clerk", "GRANT SELECT ON p TO clerk", "CREATE ROLE reader LOGIN", "ALTER ROLE reader SET default_transaction_read_only = on",
		"GRANT ALL ON empty TO reader")
	dsn := c.LibpqDSN("postgres")
	as := func(role string) string {
		return strings.Replace(dsn, "user="+cluster.Superuser, "user="+role, 1)
	}
	broken := given("empty", "id")
	broken.Rows = func(yield func(*evidence.Row, error) bool) { yield(nil, errors.ErrUnsupported) }
	withKey := func(names ...string) LoadTable {
		table := given("p", "id v", "1|a")
		table.Keys = [][]string{names}
		return table
	}
	for _, test := range []struct {
		name, dsn string
		tables    []LoadTable
		change    func(*Loading)
		want      error
		says      string
	}{
		{"hurt pages", dsn, pair(), func(l *Loading) { l.PagesNotNeeded = false }, ErrPagesNeeded, "public.p"},
		{"hurt pages to compare", dsn, pair(), func(l *Loading) { l.PagesNotNeeded, l.DryRun = false, true }, ErrPagesNeeded, "--pages-not-needed"},
		{"no table", dsn, []LoadTable{given("nothing", "id", "1")}, nil, ErrNoTable, "public.nothing"},
		{"a view", dsn, []LoadTable{given("seen", "id", "1")}, nil, ErrNoTable, "public.seen"},
		{"no column", dsn, []LoadTable{given("p", "id w", "1|1")}, nil, ErrNoColumn, "has no column w"},
		{"no column of a key", dsn, []LoadTable{withKey("w")}, nil, ErrNoColumn, "has no column w"},
		{"twice", dsn, []LoadTable{given("p", "id", "1"), given("p", "id", "1")}, nil, ErrChoice, "named twice"},
		{"no rights", as("clerk"), pair(), nil, live.ErrDenied, "INSERT on table"},
		{"row security", as("clerk"), []LoadTable{given("own", "id", "1")}, nil, live.ErrDenied, "BYPASSRLS"},
		{"read-only", as("reader"), []LoadTable{given("empty", "id", "1")}, func(l *Loading) {}, nil, ""},
		{"rows that end in an error", dsn, []LoadTable{broken}, nil, errors.ErrUnsupported, ""},
		{"nobody takes a refusal", dsn, pair(), func(l *Loading) { l.Refused = func(LoadRefusal) error { return errors.ErrUnsupported } }, errors.ErrUnsupported, ""},
		{"a second session is refused", dsn, pair(), func(l *Loading) { l.Probe = func(context.Context) (*live.Conn, error) { return nil, live.ErrDenied } }, live.ErrDenied, ""},
		{"too few values", dsn, []LoadTable{given("p", "id v", "1")}, nil, nil, "has 1 values for 2 columns"},
	} {
		l := &loading{t: t, dsn: test.dsn, change: test.change}
		_, err := l.run(test.tables...)
		if test.want == nil && test.says == "" {
			if err != nil {
				t.Errorf("%s: %v", test.name, err)
			}
			continue
		}
		text := fmt.Sprint(err)
		var detail *evidence.Error
		if errors.As(err, &detail) {
			text += "; " + detail.Hint
		}
		if err == nil || test.want != nil && !errors.Is(err, test.want) || !strings.Contains(text, test.says) {
			t.Errorf("%s: %v", test.name, text)
		}
	}
	if got := clustertest.CopyOut(t, c, "postgres", pairState); got != "p\t9\n" {
		t.Errorf("the target has\n%s", got)
	}
	l := &loading{t: t, dsn: dsn, change: func(l *Loading) { l.PagesNotNeeded = false }}
	if _, err := l.run(given("empty", "id", "5")); err == nil {
		t.Error("the table has a page from before")
	}
	clustertest.Exec(t, c, "postgres", "TRUNCATE empty")
	if _, err := l.run(given("empty", "id", "5")); err != nil {
		t.Errorf("a table without a page: %v", err)
	}
}

// A case that holds the pages lets their tables be read.
func TestLoadReadsTablesWhosePagesAreHeld(t *testing.T) {
	t.Parallel()
	c := clustertest.Start(t, cluster.Options{})
	clustertest.Exec(t, c, "postgres", pairSQL, "INSERT INTO p VALUES (9, 'x')", "DELETE FROM p")
	held := func(tables ...string) *casefile.Case {
		file := newCase(t)
		if err := file.run.Cluster(identifierOf(t, c), 15, "postgres"); err != nil {
			t.Fatal(err)
		}
		for _, table := range tables {
			relfile := clustertest.Value(t, c, "postgres", "SELECT 1663 || '/' || d.oid || '/' || pg_relation_filenode('"+table+"') FROM pg_database d WHERE datname = current_database()")
			if err := file.run.Evidence(casefile.File{Path: "/copy/" + table, Kind: "relation file", RelFile: relfile}); err != nil {
				t.Fatal(err)
			}
		}
		file.done(t)
		return file.Case
	}
	for _, test := range []struct {
		file *casefile.Case
		want error
	}{{held(), ErrPagesNeeded}, {held("c"), ErrPagesNeeded}, {held("c", "p"), nil}} {
		l := &loading{t: t, dsn: c.LibpqDSN("postgres"), change: func(l *Loading) { l.PagesNotNeeded, l.Case = false, test.file }}
		if _, err := l.run(pair()...); !errors.Is(err, test.want) {
			t.Errorf("the error is %v, want %v", err, test.want)
		}
	}
}

// Locks that others hold, and statements that take too long, end it in order.
func TestLoadTimeouts(t *testing.T) {
	t.Parallel()
	c := clustertest.Start(t, cluster.Options{})
	clustertest.Exec(t, c, "postgres", pairSQL, "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(60); RETURN NEW; END'")
	l := &loading{t: t, dsn: c.LibpqDSN("postgres"), options: live.Options{Command: "test", Mode: live.Write, LockTimeout: 50 * time.Millisecond}}
	holder, err := c.Session(t.Context(), "postgres")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = holder.Close(context.Background()) }()
	if err := holder.Exec(t.Context(), "BEGIN", "LOCK p IN SHARE MODE"); err != nil {
		t.Fatal(err)
	}
	if _, err := l.run(pair()...); !errors.Is(err, live.ErrLocked) {
		t.Errorf("the error is %v", err)
	}
	if err := holder.Exec(t.Context(), "ROLLBACK"); err != nil {
		t.Fatal(err)
	}
	clustertest.Exec(t, c, "postgres", "CREATE TRIGGER slow BEFORE INSERT ON c FOR EACH ROW EXECUTE FUNCTION slow()")
	// Not before: on a busy machine a statement that waits for nothing may take as long.
	l.options.StatementTimeout = 500 * time.Millisecond
	if _, err := l.run(pair()...); !errors.Is(err, live.ErrTimeout) {
		t.Errorf("the error is %v", err)
	}
	if got := clustertest.CopyOut(t, c, "postgres", pairState); got != "" {
		t.Errorf("the target has\n%s", got)
	}
}

// A table that takes no row at all is no file of bad rows: it is said at once.
func TestLoadIntoTableThatTakesNothing(t *testing.T) {
	t.Parallel()
	c := clustertest.Start(t, cluster.Options{})
	clustertest.Exec(t, c, "postgres", "CREATE TABLE p (id int PRIMARY KEY)", "CREATE FUNCTION asks() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN PERFORM current_setting('app.tenant'); RETURN NEW; END$$",
		"CREATE FUNCTION moves() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'")
	many := func(count int) LoadTable {
		rows := make([]string, count)
		for i := range rows {
			rows[i] = fmt.Sprint(i)
		}
		return given("p", "id", rows...)
	}
	for function, says := range map[string]string{"asks": `unrecognized configuration parameter "app.tenant"`, "moves": errKeptOut.Error()} {
		clustertest.Exec(t, c, "postgres", "CREATE TRIGGER t BEFORE INSERT ON p FOR EACH ROW EXECUTE FUNCTION "+function+"()")
		l := &loading{t: t, dsn: c.LibpqDSN("postgres")}
		if _, err := l.run(many(5000)); !errors.Is(err, ErrRejected) || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: the error is %v", function, err)
		}
		done, err := l.run(many(10))
		if err != nil || short(done) != "p 10/0/0/0/0/0/10" || !strings.Contains(l.refused[9], says) {
			t.Errorf("%s: few rows: %v %s", function, err, strings.Join(l.refused, "\n"))
		}
		clustertest.Exec(t, c, "postgres", "DROP TRIGGER t ON p")
	}
}
