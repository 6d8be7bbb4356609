package main

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgrescue/pgrescue/cmd/internal/exitcode"
	"github.com/pgrescue/pgrescue/recover/casefile"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster/clustertest"
	"github.com/pgrescue/pgrescue/testdata"
)

// timelineOf runs `logs timeline --json`, and checks that each line is as timesketch imports it.
func timelineOf(t *testing.T, args ...string) []timelineLine {
	t.Helper()
	code, out, errs := execute(t.Context(), append([]string{"logs", "timeline", "--json"}, args...)...)
	if code != exitcode.Done {
		t.Fatalf("code %d\n%s", code, errs)
	}
	iso := regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+00:00$`)
	var lines []timelineLine
	before := ""
	for text := range strings.Lines(out) {
		var fields map[string]any
		var line timelineLine
		if err := json.Unmarshal([]byte(text), &fields); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		for _, name := range []string{"message", "datetime", "timestamp_desc"} {
			if value, ok := fields[name].(string); !ok || value == "" {
				t.Fatalf("%s has no %s", text, name)
			}
		}
		if err := json.Unmarshal([]byte(text), &line); err != nil {
			t.Fatal(err)
		}
		if !iso.MatchString(line.Datetime) || line.Datetime < before {
			t.Fatalf("datetime %s behind %s", line.Datetime, before)
		}
		if _, err := time.Parse(time.RFC3339, line.Datetime); err != nil {
			t.Fatal(err)
		}
		before = line.Datetime
		lines = append(lines, line)
	}
	return lines
}

// only finds the one line whose statement begins so.
func only(t *testing.T, lines []timelineLine, begin string) timelineLine {
	t.Helper()
	var found []timelineLine
	for i := range lines {
		if strings.HasPrefix(lines[i].Statement, begin) {
			found = append(found, lines[i])
		}
	}
	if len(found) != 1 {
		t.Fatalf("%d statements begin with %q, want 1: %+v", len(found), begin, found)
	}
	return found[0]
}

// destroyer hurts a server in all ways that a log must tell apart.
func destroyer(t *testing.T, c *cluster.Cluster) {
	t.Helper()
	ctx := t.Context()
	clustertest.Exec(t, c, "postgres", "CREATE TABLE a (id int)", "CREATE TABLE b (id int)", "CREATE TABLE c (id int)", "CREATE TABLE login (id int, password text)")
	for _, table := range []string{"a", "b", "c"} {
		clustertest.Exec(t, c, "postgres", "INSERT INTO "+table+" SELECT generate_series(1, 20)")
	}
	conn, err := pgx.Connect(ctx, c.DSN("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	work := func(sql string, args ...any) {
		if _, err := conn.Exec(ctx, sql, args...); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
	work("BEGIN")
	work("DELETE FROM a WHERE id <= 3")
	work("SELECT 'so that the transaction has an id when it is logged'")
	work("COMMIT")
	work("BEGIN")
	work("DELETE FROM b WHERE id <= 4")
	work("ROLLBACK")
	if _, err := conn.Exec(ctx, `DELETE FROM b WHERE id \!= 1`); err == nil {
		t.Fatal("no syntax error")
	}
	work("BEGIN")
	work("DELETE FROM b WHERE id = 5")
	if _, err := conn.Exec(ctx, "DELETE FROM nowhere"); err == nil {
		t.Fatal("there is such a table")
	}
	work("COMMIT") // which is a ROLLBACK
	work("DELETE FROM c WHERE id = 1")
	work("DELETE FROM c WHERE id = 2")
	work("INSERT INTO login (id, password) VALUES ($1, $2)", 1, "geheim")
	work("SELECT 'so that the log goes on'")
}

// TestTimelineOfServers: through the whole command, statements that real servers logged are told apart by what became of
// them, and joined with their transactions in the WAL: by transaction id, or by what they did; where two fit, with none.
func TestTimelineOfServers(t *testing.T) {
	t.Parallel()
	for name, settings := range map[string]map[string]string{
		"ids":     {"log_line_prefix": "%m [%p] %q%u@%d xid=%x "},
		"counts":  {"log_line_prefix": "%m [%p] %q%u@%d "},
		"jsonlog": {"log_destination": "jsonlog"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			all := map[string]string{
				"log_directory": "log", "log_filename": "server.log", "log_rotation_age": "0", "log_timezone": "UTC", "log_statement": "all", "autovacuum": "off",
			}
			for setting, value := range settings {
				all[setting] = value
			}
			c := clustertest.Start(t, cluster.Options{Version: "15", Settings: all, Collector: true})
			destroyer(t, c)
			if err := c.Stop(context.Background(), cluster.Fast); err != nil {
				t.Fatal(err)
			}
			log := filepath.Join(c.DataDir(), "log", "server.log")
			if name == "jsonlog" {
				log = filepath.Join(c.DataDir(), "log", "server.json")
			}
			kase := filepath.Join(t.TempDir(), "case")
			checkFates(t, timelineOf(t, log, "--case", kase), false)
			if code, _, errs := execute(t.Context(), "wal", "transactions", c.DataDir(), "--pgdata", c.DataDir(), "--case", kase); code != exitcode.Done {
				t.Fatal(errs)
			}
			lines := timelineOf(t, log, "--case", kase)
			checkFates(t, lines, true)
			checkWAL(t, lines, name != "counts")
			checkTimelineInCase(t, kase, lines)
		})
	}
}

// checkFates checks what became of each statement.
func checkFates(t *testing.T, lines []timelineLine, joined bool) {
	t.Helper()
	for begin, want := range map[string]string{
		"DELETE FROM a WHERE id <= 3":                         "committed",
		"DELETE FROM b WHERE id <= 4":                         "rolled back",
		`DELETE FROM b WHERE id \!= 1`:                        "failed",
		"DELETE FROM b WHERE id = 5":                          "rolled back",
		"DELETE FROM nowhere":                                 "failed",
		"DELETE FROM c WHERE id = 1":                          "committed",
		"DELETE FROM c WHERE id = 2":                          "committed",
		"INSERT INTO login (id, password) VALUES ('1', '***'": "committed",
	} {
		line := only(t, lines, begin)
		if line.Certainty != want || line.Why == "" {
			t.Errorf("%s: %s because of %q, want %s", begin, line.Certainty, line.Why, want)
		}
		if (line.Certainty == "failed" || !joined) && (line.WAL != "" || line.WALXID != 0) {
			t.Errorf("%s: joined: %s", begin, line.WAL)
		}
	}
	if slices.ContainsFunc(lines, func(l timelineLine) bool { return strings.Contains(l.Message+l.Statement, "geheim") }) {
		t.Error("a password is shown")
	}
}

// checkWAL checks which statements were joined.
func checkWAL(t *testing.T, lines []timelineLine, ids bool) {
	t.Helper()
	first := only(t, lines, "DELETE FROM a WHERE id <= 3")
	how := "by table, verb and time"
	if ids {
		how = "by its transaction id"
	}
	if first.WALXID == 0 || first.WALLSN == "" || !strings.Contains(first.WAL, how) || !strings.Contains(first.Why, "proven by the WAL "+first.WALLSN) {
		t.Errorf("joined: %+v, want %s", first, how)
	}
	for _, id := range []string{"1", "2"} { // outside of a block, the server has no transaction id yet when it logs them
		line := only(t, lines, "DELETE FROM c WHERE id = "+id)
		if line.WALXID != 0 || !strings.Contains(line.WAL, "several") {
			t.Errorf("one of two that fit was joined: %+v", line)
		}
	}
	if line := only(t, lines, "DELETE FROM b WHERE id <= 4"); line.WALXID != 0 && !strings.Contains(line.WAL, "aborted") {
		t.Errorf("what was rolled back was joined: %+v", line)
	}
}

// checkTimelineInCase checks that the case has each line once, however often it is read, and no secret.
func checkTimelineInCase(t *testing.T, kase string, lines []timelineLine) {
	t.Helper()
	c, err := casefile.Open(t.Context(), kase, casefile.Read, casefile.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	n := 0
	for event, err := range c.Events(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		if event.Source != "wal" {
			n++
			if event.Line == 0 || event.Certainty == "" {
				t.Errorf("an event without its line: %+v", event)
			}
		}
		if strings.Contains(event.Statement+event.Message+string(event.Detail), "geheim") {
			t.Error("a password is in the case")
		}
	}
	if n != len(lines) {
		t.Errorf("the case has %d events of logs, want %d", n, len(lines))
	}
}

// TestTimelineOfTheIncident: the demo's logs and WAL in one case. The transaction that destroyed is proven, the one that
// was rolled back too, and what failed is joined with none.
func TestTimelineOfTheIncident(t *testing.T) {
	t.Parallel()
	data, err := unpackIncident(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	truth, err := testdata.ReadTruth()
	if err != nil {
		t.Fatal(err)
	}
	kase := filepath.Join(t.TempDir(), "case")
	if code, _, errs := execute(t.Context(), "wal", "transactions", data, "--pgdata", data, "--case", kase); code != exitcode.Done {
		t.Fatal(errs)
	}
	lines := timelineOf(t, filepath.Join(filepath.Dir(data), "logs"), "--zone", "UTC", "--case", kase)
	proven := make(map[int64]int)
	for i := range lines {
		line := &lines[i]
		if proven[line.WALXID]++; line.Certainty == "failed" && (line.WALXID != 0 || line.WAL != "") {
			t.Errorf("a statement that failed was joined: %+v", line)
		}
		if line.WALXID != 0 && line.Certainty == "committed" != strings.Contains(line.WAL, "was committed") {
			t.Errorf("%s, and the WAL says: %s", line.Certainty, line.WAL)
		}
		if strings.Contains(line.Message, "invented-for-the-demo") {
			t.Errorf("a token is shown: %s", line.Message)
		}
	}
	for _, name := range []string{"retry", "rehearsal"} {
		tx := truth.Transaction(name)
		if tx == nil || proven[int64(tx.XID)] == 0 {
			t.Errorf("no statement was joined with transaction %s: %+v", name, tx)
		}
	}
}

// TestTimelineBeyondMemory: events that wait in a file come in the same order as those that memory holds.
func TestTimelineBeyondMemory(t *testing.T) {
	t.Parallel()
	order := func(most int) (refs []string) {
		q := newEventQueue()
		q.most = most
		defer q.close()
		for i := range 2000 {
			at := int64(i * 7919 % 2000 / 4) // of four the time is the same
			if err := q.add(&shownEvent{at: at, rank: int64(i), ref: time.Duration(i).String(), kind: "message", rows: -1}); err != nil {
				t.Fatal(err)
			}
		}
		if most == 1<<10 && len(q.runs) < 10 {
			t.Fatalf("%d runs", len(q.runs))
		}
		if err := q.each(func(e *shownEvent) error {
			refs = append(refs, e.ref)
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		return refs
	}
	want, got := order(maxQueued), order(1<<10)
	if len(want) != 2000 || !slices.Equal(want, got) {
		t.Errorf("%d and %d events, or in another order", len(want), len(got))
	}
	if left, _ := filepath.Glob(filepath.Join(os.TempDir(), "pgrescue-timeline-*")); len(left) > 0 {
		t.Errorf("files are left: %s", left)
	}
}
