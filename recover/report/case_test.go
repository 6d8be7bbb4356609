package report

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/pgrescue/pgrescue/recover/casefile"
	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/pg"
)

// What a hostile case holds: each of these would do something if it were not escaped.
const (
	hostileName = `<script>alert(1)</script>`
	hostileText = `<img src=x onerror=alert(2)> "'&amp; | @octocat #7 [x](http://evil.example/) ` + "`code` ``` </style> ]]> \u202e $x$ www.evil.example"
	secret      = "hunter2"
	person      = "Ann Smith"
)

// lossTime is when the transactions of the test's loss were committed.
func lossTime() time.Time { return time.Date(2026, 11, 23, 14, 0, 0, 123456000, time.UTC) }

func relation(name string) *evidence.Relation {
	return &evidence.Relation{
		RelationName: evidence.RelationName{Database: "shop", Schema: "public", Name: name}, OID: 16384,
		Columns: []evidence.Column{{Name: "id", Type: "integer", Key: true}, {Name: "note", Type: "text"}, {Name: "password", Type: "text"}},
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func create(t *testing.T) *casefile.Case {
	t.Helper()
	c, err := casefile.Open(context.Background(), t.TempDir()+"/case", casefile.Create, casefile.Options{Command: "test"})
	must(t, err)
	t.Cleanup(func() { must(t, c.Close()) })
	return c
}

func begin(t *testing.T, c *casefile.Case, name string, argv ...string) *casefile.Run {
	t.Helper()
	r, err := c.Begin(context.Background(), casefile.Command{
		Name: name, Version: "test", Argv: append([]string{"pgrescue", name}, argv...), Who: person, Host: "annes-laptop", Began: lossTime().Add(time.Hour),
	})
	must(t, err)
	return r
}

// lose puts n lines into the ledger of a table, of which the last ones are missing.
func lose(t *testing.T, r *casefile.Run, name string, xid pg.XID, at pg.LSN, heap, log, part, missing int) {
	t.Helper()
	rel := relation(name)
	table, err := r.Table(casefile.Table{Relation: rel, Encoding: "UTF8"})
	must(t, err)
	for i := range heap + log + part + missing {
		tid := pg.TID{Block: pg.BlockNumber(i / 50), Offset: pg.OffsetNumber(i%50 + 1)}
		line := casefile.LedgerLine{
			File: "1663/5/16384", TID: tid, LSN: at + pg.LSN(i), XID: xid, Operation: evidence.OpDelete, CommitTime: lossTime(), NamedBy: evidence.RouteWAL,
		}
		switch {
		case i < heap:
			line.Settled = evidence.RouteHeap
		case i < heap+log:
			line.Settled = evidence.RouteWAL
		case i < heap+log+part:
			line.Settled, line.InPart, line.Reason = evidence.RouteWAL, true, "a TOAST chunk is gone"
		default:
			line.Reason = "no image of its page since 0/1000000"
		}
		must(t, table.Ledger(line))
		if line.Settled == "" {
			continue
		}
		must(t, table.Put(rowOf(rel, i, at, xid, line.Settled, fmt.Sprintf("row %d", i))))
	}
	must(t, table.Loss(casefile.Loss{XIDs: []pg.XID{xid}, Covered: missing == 0, Why: "the WAL begins at 0/2000000"}))
}

func rowOf(rel *evidence.Relation, i int, at pg.LSN, xid pg.XID, route evidence.Route, note string) *evidence.Row {
	return &evidence.Row{
		Relation: rel, Values: []evidence.Value{{Text: []byte(fmt.Sprint(i))}, {Text: []byte(note)}, {Text: []byte(secret + note)}},
		Provenance: evidence.Provenance{
			Route: route, Confidence: evidence.Proven, Source: "/copy/base/5/16384", LSN: at + pg.LSN(i), Xmin: 700, Xmax: xid,
			TID: pg.TID{Block: pg.BlockNumber(i / 50), Offset: pg.OffsetNumber(i%50 + 1)}, Operation: evidence.OpDelete, CommitTime: lossTime(),
		},
	}
}

func detailOf(t *testing.T, value any) json.RawMessage {
	t.Helper()
	text, err := json.Marshal(value)
	must(t, err)
	return text
}

// transactionEvent is an entry as `wal transactions` writes it.
func transactionEvent(t *testing.T, at time.Time, xid int, first, end pg.LSN, deleted int) casefile.Event {
	t.Helper()
	return casefile.Event{
		Time: at, Source: sourceWAL, Certainty: "committed", Actor: fmt.Sprintf("xid %d", xid),
		Message: fmt.Sprintf("transaction %d was committed at %s: public.orders: deleted %d", xid, end, deleted),
		Detail:  detailOf(t, map[string]any{"xid": xid, "first_lsn": first.String(), "end_lsn": end.String(), "deleted": deleted}),
	}
}

// hurt is a case with something of everything, some of it hostile.
func hurt(t *testing.T) *casefile.Case {
	t.Helper()
	c := create(t)
	r := begin(t, c, "undelete", "--dsn", "password="+secret)
	must(t, r.Cluster(7294839201, 15, "shop"))
	lose(t, r, "orders", 742, 0x3000100, 40, 12, 2, 3)
	lose(t, r, "items", 742, 0x3000400, 80, 40, 0, 0)
	lose(t, r, hostileName, 741, 0x2ff8000, 0, 4, 0, 0)
	rel := relation("orders")
	table, err := r.Table(casefile.Table{Relation: rel, Encoding: "UTF8"})
	must(t, err)
	must(t, table.Put(rowOf(rel, 1, 0x3000100, 742, evidence.RouteWAL, "another "+hostileText)))
	tellStory(t, r)
	for i := range 4 {
		must(t, r.Evidence(casefile.File{
			Path: fmt.Sprintf("/home/ann smith/pg_wal/00000001000000000000000%d", i+1), Kind: string(evidence.KindWAL), Size: 16 << 20,
			SHA256: fmt.Sprintf("%064x", i+1), Modified: lossTime(), How: "opened for reading only",
		}))
	}
	for _, f := range []casefile.File{
		{Path: "/home/ann smith/log/postgresql.log", Kind: string(evidence.KindLog), Size: 5120, SHA256: fmt.Sprintf("%064x", 77), Modified: lossTime().Add(time.Minute)},
		{Path: "/home/ann smith/" + hostileName + ".csv", Kind: string(evidence.KindSource), Size: 900, Modified: lossTime().Add(-48 * time.Hour), How: "it was gone before it could be hashed"},
	} {
		must(t, r.Evidence(f))
	}
	must(t, r.Gap(evidence.Gap{Where: "/home/ann smith/pg_wal/000000010000000000000002", What: "64 kB of WAL", Why: "bad CRC", Consequence: "transactions that ended there are not known " + hostileText}))
	must(t, r.Gap(evidence.Gap{Where: "/home/ann smith/log/postgresql.log:9", What: "a line", Why: "it says " + person}))
	must(t, r.Count(casefile.Count{Relation: rel.RelationName, What: "import " + person, Rows: 90, Source: "/home/ann smith/log/postgresql.log", Line: 12, Why: "Created 90 orders for " + person}))
	weigh(t, r)
	must(t, r.Commit(3))
	must(t, begin(t, c, "wal rows", hostileText).Abandon(5))
	return c
}

// weigh writes what a triage says, foreign keys, and where a runbook was run.
func weigh(t *testing.T, r *casefile.Run) {
	t.Helper()
	must(t, r.Triage(&casefile.Triage{
		Hurt: "rows", Why: "rows were deleted", Named: "rows were deleted along with their parents",
		Tables: []casefile.TriageTable{{RelationName: relation("orders").RelationName, XID: 742, Way: "DELETE", Rows: 57}},
		Hypotheses: []casefile.Hypothesis{
			{Name: "a table was truncated", Standing: "contradicted", Loses: true, Against: []casefile.Point{{Source: "wal", Text: "no committed transaction stands out by TRUNCATE " + hostileText}}},
			{
				Name: "rows were deleted along with their parents", Standing: "proven", Loses: true,
				For:     []casefile.Point{{Source: "wal", Text: "transaction 742 deleted 57 rows of public.orders"}, {Source: "log", Text: "/home/ann smith/log/postgresql.log:7: DELETE FROM orders WHERE who = '" + person + "' AND password = '" + secret + "'"}},
				Against: []casefile.Point{{Source: "log", Text: "/home/ann smith/log/postgresql.log:4: it failed for " + person}},
			},
			{Name: "it was rolled back", Standing: "cannot be told", Against: []casefile.Point{{Source: "none", Text: "nothing at hand"}}},
		},
		Coverage: []casefile.Coverage{
			{Name: "heap", Covers: "in part", Why: "2 pages were pruned", Rows: 40, Lost: 57, Expires: lossTime().Add(time.Minute), Expiry: "autovacuum comes within 1m"},
			{Name: "wal", Covers: "yes", Why: "it reaches back", Rows: 57, Lost: 57, Expiry: "at the next checkpoint"},
			{Name: "dump", Covers: "cannot be told", Why: "/home/ann smith/" + hostileName + ".dump", Rows: casefile.NotKnown, Lost: casefile.NotKnown},
			{Name: "logs", Covers: "no", Rows: 0, Lost: 57},
		},
	}))
	must(t, r.ForeignKey(casefile.ForeignKey{
		Name: "items_order_fkey", Child: relation("items").RelationName, Columns: []string{"order_id"}, Parent: relation("orders").RelationName, ParentColumns: []string{"id"}, OnDelete: "CASCADE",
	}))
	must(t, r.RunbookRun(casefile.RunbookRun{Folder: "/home/ann smith/runs/first", Book: "Rows are missing"}))
}

// followed is a run of a runbook, hostile and by people.
func followed() []RunbookRun {
	at, seven := lossTime().Add(10*time.Minute), 7
	return []RunbookRun{
		{
			Folder: "/home/ann smith/runs/first", Title: "Rows are missing " + hostileName, Who: person, Host: "annes-laptop", Began: at,
			Steps: []RunbookStep{
				{Step: "1. What is hurt?", State: "done", Who: person, Began: at, Ended: at.Add(2500 * time.Millisecond), Blocks: []RunbookBlock{{Role: "check", Line: 12, ExitCode: new(int)}}, Gave: []string{"XID=742"}},
				{Step: "2. Freeze", State: "failed", Reason: "it said " + hostileText + secret, Who: person, Began: at.Add(3 * time.Second), Ended: at.Add(time.Minute), Blocks: []RunbookBlock{{Role: "run", Line: 30, ExitCode: &seven}, {Role: "verify", Line: 33}}},
				{Step: "3. Tell people", State: "interrupted", Who: person, Began: at.Add(2 * time.Minute), Answers: []string{"Does the owner know? " + person + " does"}},
			},
		},
		{Folder: "/home/ann smith/runs/second", Title: "Rows are missing", Problems: []string{"/home/ann smith/runs/second cannot be read"}},
	}
}

// tellStory writes the timeline of hurt.
func tellStory(t *testing.T, r *casefile.Run) {
	t.Helper()
	at := lossTime()
	for _, e := range []casefile.Event{
		transactionEvent(t, at.Add(-3*time.Second), 740, 0x2ff0000, 0x3000000, 2),
		transactionEvent(t, at, 742, 0x3000100, 0x3000900, 177),
		transactionEvent(t, at.Add(2*time.Second), 744, 0x3000a00, 0x3000b00, 1),
		{Time: at.Add(-20 * time.Second), Certainty: "failed", Statement: `DELETE FROM orders WHERE tenant \!= 'demo'`, Message: "syntax error", Actor: person, Line: 4},
		{Time: at.Add(-2 * time.Second), Certainty: "committed", Statement: "DELETE FROM orders WHERE who = '" + person + "' AND password = '" + secret + "'", Message: "DELETE 57", Actor: person, Tenant: "acme", Line: 7, Detail: detailOf(t, map[string]any{"wal_xid": 742, "wal_lsn": "0/3000900", "wal": "transaction 742 was committed at 0/3000900; joined by table, rows and time", "verb": "delete", "table": "public.orders", "rows": 57})},
		{Time: at.Add(-time.Second), Certainty: "attempted", Statement: "TRUNCATE audit", Message: "canceling statement due to lock timeout", Actor: person, Line: 8},
		{Time: at.Add(30 * time.Second), Certainty: "said", Message: hostileText, Actor: hostileName, Line: 30},
	} {
		if e.Source == "" {
			e.Source = "/home/ann smith/log/postgresql.log"
		}
		must(t, r.Event(e))
	}
}

// steady reads the case, and puts in the place of what no two cases share what is
// always the same.
func steady(t *testing.T, c *casefile.Case) *facts {
	t.Helper()
	f, err := read(context.Background(), c)
	must(t, err)
	f.summary.Case, f.summary.Dir = "THECASE", "/cases/incident"
	if f.summary.Triage != nil {
		f.summary.Triage.At = lossTime().Add(time.Hour)
	}
	for i := range f.summary.Runs {
		f.summary.Runs[i].Ended = f.summary.Runs[i].Began.Add(1234 * time.Millisecond)
	}
	return f
}
