package main

import (
	"testing"
	"time"

	"github.com/pgrescue/pgrescue/logparse"
	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/pg"
	"github.com/pgrescue/pgrescue/recover/triage"
	"github.com/pgrescue/pgrescue/recover/wal/xact"
)

// TestShownStatements: a statement is shown as it ran, and without the secrets that its columns or its PREPARE name.
func TestShownStatements(t *testing.T) {
	t.Parallel()
	known := func(text string) evidence.Value { return evidence.Value{Text: []byte(text)} }
	for _, test := range []struct {
		event logparse.Event
		want  string
	}{
		{logparse.Event{Statement: "DELETE FROM t WHERE id = $1", Parameters: "$1 = 'it''s, \"so\"'"}, `DELETE FROM t WHERE id = 'it''s, "so"'`},
		{logparse.Event{Statement: "UPDATE u SET password_hash = $1 WHERE id = $2", Parameters: "$1 = 'geheim', $2 = NULL"}, "UPDATE u SET password_hash = '***' WHERE id = NULL"},
		{logparse.Event{Statement: "INSERT INTO u (id, api_key) VALUES ($1, $2)", Sets: [][]evidence.Value{{known("7"), known("geheim")}, {known("8"), known("x")}}}, "INSERT INTO u (id, api_key) VALUES ('7', '***')"},
		{logparse.Event{Statement: "INSERT INTO u (id, n) VALUES ($1, $2)", Sets: [][]evidence.Value{{known("7"), {State: evidence.Unknown}}}}, "INSERT INTO u (id, n) VALUES ('7', $2)"},
		{logparse.Event{Statement: "EXECUTE p('geheim')", Prepared: "PREPARE p AS UPDATE u SET password = $1"}, "EXECUTE p (***)"},
		{logparse.Event{Statement: "EXECUTE p('7')", Prepared: "PREPARE p AS DELETE FROM u WHERE id = $1"}, "EXECUTE p('7')"},
	} {
		if got := shownStatement(&test.event); got != test.want {
			t.Errorf("%s: %s, want %s", test.event.Statement, got, test.want)
		}
	}
}

// TestJoinProvesNoAttempt: of a statement of which nobody knows that it ran, a transaction that fits by time proves
// nothing; one with its id does. What failed is of none.
func TestJoinProvesNoAttempt(t *testing.T) {
	t.Parallel()
	at := time.Date(2025, 10, 7, 20, 27, 38, 0, time.UTC)
	for _, test := range []struct {
		kind logparse.EventKind
		xid  pg.XID
		want string
	}{
		{logparse.Attempted, 0, "attempted"},
		{logparse.Attempted, 700, "committed"},
		{logparse.Executed, 0, "committed"},
		{logparse.Failed, 0, "failed"},
		{logparse.Failed, 700, "failed"},
		{logparse.RolledBack, 0, "rolled back"},
	} {
		j := &walJoin{join: triage.NewJoin([]triage.Transaction{
			{XID: 700, State: xact.Committed, End: at, EndLSN: 16, Tables: []triage.TableChange{{Table: "public.t", Deleted: 3}}},
		})}
		event := logparse.Event{
			Kind: test.kind, XID: test.xid, Verb: "DELETE", Table: evidence.RelationName{Name: "t"}, Statement: "DELETE FROM t", Rows: -1,
			Stamp: logparse.Stamp{Time: at}, Place: logparse.Place{Source: &logparse.Source{Name: "x.log"}, Line: 7},
		}
		var shown shownEvent
		shown.fill(&event, at)
		shown.joined = j.candidates(&event)
		if j.settle(&shown); shown.kind != test.want {
			t.Errorf("%s, xid %d: %s (%s), want %s", test.kind, test.xid, shown.kind, shown.wal, test.want)
		}
		if failed := test.kind == logparse.Failed; failed && shown.wal != "" {
			t.Errorf("what failed was joined: %s", shown.wal)
		}
	}
}
