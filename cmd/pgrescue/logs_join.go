package main

import (
	"context"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"strings"

	"github.com/pgrescue/pgrescue/cmd/internal/term"
	"github.com/pgrescue/pgrescue/logparse"
	"github.com/pgrescue/pgrescue/recover/casefile"
	"github.com/pgrescue/pgrescue/recover/pg"
	"github.com/pgrescue/pgrescue/recover/triage"
	"github.com/pgrescue/pgrescue/recover/wal/xact"
)

// walJoin joins statements of logs with the transactions of the WAL that a case knows. A nil one joins nothing.
type walJoin struct {
	join *triage.Join
}

// loadTransactions reads the transactions that the case knows; nil: there are none.
func loadTransactions(ctx context.Context, found *recorder) (*walJoin, error) {
	if found == nil {
		return nil, nil
	}
	var list []triage.Transaction
	seen := make(map[[2]uint64]int)
	for event, err := range found.file.Events(ctx) {
		if err != nil {
			return nil, libraryError(err)
		}
		tx, ok := transactionOfCase(event)
		if !ok {
			continue
		}
		key := [2]uint64{uint64(tx.XID), uint64(tx.EndLSN)}
		if at, there := seen[key]; !there {
			seen[key] = len(list)
			list = append(list, tx)
		} else if len(list[at].Tables)+len(list[at].Removed) == 0 {
			list[at] = tx
		}
	}
	if join := triage.NewJoin(list); join != nil {
		return &walJoin{join: join}, nil
	}
	return nil, nil
}

// transactionOfCase reads an entry of the case's timeline that is a transaction of the WAL.
func transactionOfCase(event *casefile.Event) (tx triage.Transaction, ok bool) {
	if event.Source != "wal" || len(event.Detail) == 0 || json.Unmarshal(event.Detail, &tx) != nil || tx.XID == 0 {
		return tx, false
	}
	if tx.End = event.Time; tx.State == "" {
		tx.State = xact.State(event.Certainty)
	}
	return tx, true
}

// candidates finds the transactions that a statement may be of. All statements count, those too that are not listed.
// What failed is of none.
func (j *walJoin) candidates(e *logparse.Event) (found [2]int64) {
	if j == nil || e.Statement == "" || e.Kind == logparse.Failed || quiet(e) {
		return found
	}
	s := statementOf(e)
	return j.join.Candidates(&s)
}

// statementOf is what triage wants to know of a statement, but for its text.
func statementOf(e *logparse.Event) triage.Statement {
	return triage.Statement{
		Time: e.Time, Ended: e.Ended.Time, EndKnown: e.Ended.Line != 0, Duration: e.Duration, Fate: triage.Fate(e.Kind), Why: e.Why,
		XID: e.XID, Verb: e.Verb, Table: e.Table, Rows: e.Rows, ServersOwn: strings.Contains(e.Actor, "@") || e.XID != 0, Group: groupOf(e),
		SQLState: e.SQLState, Actor: e.Actor, Tenant: e.Tenant,
	}
}

// groupOf tells transactions of logs apart.
func groupOf(e *logparse.Event) uint64 {
	hash := fnv.New64a()
	line := e.Ended.Line
	if line == 0 {
		line = e.Line
	}
	_, _ = fmt.Fprintf(hash, "%s\x00%s\x00%d\x00%d", e.Source.Name, e.Session, e.File, line) // a hash takes everything
	return hash.Sum64() | 1
}

// settle says of a statement what the WAL proves, once all statements have been seen.
func (j *walJoin) settle(e *shownEvent) {
	if j == nil {
		return
	}
	match := j.join.Settle(e.joined, pg.XID(e.xid), e.rows)
	if match.Text == "" {
		return
	}
	before := triage.Fate(e.kind)
	fate, proven, text := match.Fate(before)
	if e.wal = text; match.Transaction == nil {
		return
	}
	e.walXID, e.walLSN = int64(match.Transaction.XID), match.Transaction.EndLSN.String()
	if before == triage.Committed && fate == triage.RolledBack {
		e.wal += "; the log says otherwise: " + e.why
	}
	if proven {
		e.kind, e.why = string(fate), "proven by the WAL "+e.walLSN
	}
}

// tell says how many statements were joined.
func (j *walJoin) tell(terminal *term.Terminal) {
	if j == nil {
		return
	}
	text := term.Plural(j.join.Proven, "statement was", "statements were") + " joined with transactions in the WAL that the case knows"
	if j.join.Unsure > 0 {
		text += "; " + term.Plural(j.join.Unsure, "other was not, because several fit", "others were not, because several fit")
	}
	if j.join.Unproven > 0 {
		text += "; of " + term.Plural(j.join.Unproven, "other", "others") + " the WAL has no commit record"
	}
	terminal.Infof("%s", text)
}
