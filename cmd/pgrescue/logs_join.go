package main

import (
	"context"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pgrescue/pgrescue/cmd/internal/term"
	"github.com/pgrescue/pgrescue/logparse"
	"github.com/pgrescue/pgrescue/recover/casefile"
	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/pg"
	"github.com/pgrescue/pgrescue/recover/wal/xact"
)

// walJoin joins statements of logs with the transactions of the WAL that a case knows. A nil one joins nothing.
type walJoin struct {
	list     []walTransaction // in the order of their ends
	byXID    map[pg.XID][]int
	proven   int64
	unproven int64 // whose id is known, and of which the WAL has no end
	unsure   int64
}

// walTransaction is a transaction of the WAL as the case has it.
type walTransaction struct {
	XID      pg.XID         `json:"xid"`
	State    xact.State     `json:"state"`
	EndLSN   pg.LSN         `json:"end_lsn"`
	Subxacts []pg.XID       `json:"subtransactions"`
	Tables   []tableLine    `json:"tables"`
	Removed  []removedTable `json:"removed_tables"`

	end time.Time
	// claims are the first two transactions of logs that fit its tables, verbs and time; 0: none.
	claims [2]uint64
}

// byTime is how a statement is joined of which only that is known.
const byTime = "by table, verb and time"

// noRecord stands for the transaction of a statement whose id the log has, and the WAL has no end of.
const noRecord = 1 << 40

const (
	// sameClock is by how much the times of the server's own log and of its WAL may differ, and otherClock those of a
	// backend's log.
	sameClock  = time.Second
	otherClock = 2 * time.Second
)

// loadTransactions reads the transactions that the case knows; nil: there are none.
func loadTransactions(ctx context.Context, found *recorder) (*walJoin, error) {
	if found == nil {
		return nil, nil
	}
	j := &walJoin{byXID: make(map[pg.XID][]int)}
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
			seen[key] = len(j.list)
			j.list = append(j.list, tx)
		} else if len(j.list[at].Tables)+len(j.list[at].Removed) == 0 {
			j.list[at] = tx
		}
	}
	if len(j.list) == 0 {
		return nil, nil
	}
	slices.SortStableFunc(j.list, func(a, b walTransaction) int { return a.end.Compare(b.end) })
	for i := range j.list {
		tx := &j.list[i]
		for _, xid := range append([]pg.XID{tx.XID}, tx.Subxacts...) {
			j.byXID[xid] = append(j.byXID[xid], i)
		}
	}
	return j, nil
}

// transactionOfCase reads an entry of the case's timeline that is a transaction of the WAL.
func transactionOfCase(event *casefile.Event) (tx walTransaction, ok bool) {
	if event.Source != "wal" || len(event.Detail) == 0 || json.Unmarshal(event.Detail, &tx) != nil || tx.XID == 0 {
		return tx, false
	}
	if tx.end = event.Time; tx.State == "" {
		tx.State = xact.State(event.Certainty)
	}
	return tx, true
}

// candidates finds the transactions that a statement may be of: by its id, or else by what it did and when, which is
// less than zero then. All statements count, those too that are not listed. What failed is of none.
func (j *walJoin) candidates(e *logparse.Event) (found [2]int64) {
	if j == nil || e.Statement == "" || e.Kind == logparse.Failed || quiet(e) {
		return found
	}
	from, to := joinWindow(e)
	if e.XID != 0 {
		for _, i := range j.byXID[e.XID] {
			if end := j.list[i].end; !end.Before(from) && (e.Ended.Line == 0 || !end.After(to)) {
				return [2]int64{int64(i) + 1}
			}
		}
		if destroys(e.Verb) && from.After(j.list[0].end) && to.Before(j.list[len(j.list)-1].end) {
			return [2]int64{noRecord}
		}
		return found
	}
	if e.Time.IsZero() || e.Table.Name == "" || e.Kind == logparse.RolledBack {
		return found
	}
	group, n := groupOf(e), 0
	at, _ := slices.BinarySearchFunc(j.list, from, func(tx walTransaction, from time.Time) int { return tx.end.Compare(from) })
	for i := at; i < len(j.list) && !j.list[i].end.After(to); i++ {
		tx := &j.list[i]
		if !tx.did(e) {
			continue
		}
		if tx.claims[0] == 0 || tx.claims[0] == group {
			tx.claims[0] = group
		} else if tx.claims[1] == 0 {
			tx.claims[1] = group
		}
		if n < len(found) {
			found[n] = -int64(i) - 1
			n++
		}
	}
	return found
}

// joinWindow is between which times the transaction of a statement can have ended. Where the log does not say when
// that was, it is taken to be soon.
func joinWindow(e *logparse.Event) (from, to time.Time) {
	slack := otherClock
	if strings.Contains(e.Actor, "@") || e.XID != 0 {
		slack = sameClock
	}
	if to = e.Ended.Time; e.Ended.Line == 0 || to.IsZero() {
		to = e.Time.Add(e.Duration)
	}
	return e.Time.Add(-slack), to.Add(slack)
}

// destroys reports whether all transactions with such a statement are in the timeline that `wal transactions` gives a case.
func destroys(verb string) bool {
	return verb == "DELETE" || verb == "UPDATE" || verb == "TRUNCATE"
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

// did reports whether the transaction did what the statement says.
func (tx *walTransaction) did(e *logparse.Event) bool {
	for i := range tx.Removed {
		if (e.Verb == "TRUNCATE" || e.Verb == "DROP" || e.Verb == "ALTER") && sameTable(e.Table, nameOfTable(tx.Removed[i].Table)) {
			return true
		}
	}
	for i := range tx.Tables {
		t := &tx.Tables[i]
		if !sameTable(e.Table, nameOfTable(t.Table)) {
			continue
		}
		n := int64(0)
		switch e.Verb {
		case "DELETE":
			n = t.Deleted
		case "UPDATE":
			n = t.Updated
		case "INSERT", "COPY":
			n = t.Inserted
		case "MERGE":
			n = t.Inserted + t.Updated + t.Deleted
		}
		if n > 0 && (e.Rows < 0 || n == e.Rows) {
			return true
		}
	}
	return false
}

// nameOfTable reads a name as `wal transactions` prints it.
func nameOfTable(text string) evidence.RelationName {
	if schema, table, ok := strings.Cut(text, "."); ok {
		return evidence.RelationName{Schema: schema, Name: table}
	}
	return evidence.RelationName{Name: text}
}

// settle says of a statement what the WAL proves, once all statements have been seen.
func (j *walJoin) settle(e *shownEvent) {
	if j == nil || e.joined[0] == 0 {
		return
	}
	first := e.joined[0]
	switch {
	case first == noRecord:
		j.unproven++
		e.wal = "no commit record in the WAL that the case knows, for transaction " + strconv.FormatInt(e.xid, 10)
	case first > 0:
		j.apply(e, &j.list[first-1], "by its transaction id")
	case e.joined[1] != 0:
		j.unsure++
		e.wal = "several transactions in the WAL fit, so that it is joined with none"
	case j.list[-first-1].claims[1] != 0:
		j.unsure++
		e.wal = fmt.Sprintf("transaction %d in the WAL fits, and other statements fit it too, so that it is joined with none", j.list[-first-1].XID)
	default:
		how := byTime
		if e.rows >= 0 {
			how = "by table, verb, number of rows and time"
		}
		j.apply(e, &j.list[-first-1], how)
	}
}

// apply joins a statement with a transaction.
func (j *walJoin) apply(e *shownEvent, tx *walTransaction, how string) {
	j.proven++
	e.walXID, e.walLSN = int64(tx.XID), tx.EndLSN.String()
	before := logparse.EventKind(e.kind)
	e.wal = fmt.Sprintf("transaction %d was %s at %s, %s; joined %s", tx.XID, tx.State, tx.EndLSN, pg.FormatTime(tx.end), how)
	switch {
	case before == logparse.Attempted && how == byTime: // it may have failed, and another session's statement be the one
		e.wal = strings.Replace(e.wal, "joined", "that fits", 1) + ", which does not prove that the statement ran"
	case before == logparse.RolledBack: // within a transaction that was committed, to a savepoint
	case tx.State == xact.Committed:
		e.kind, e.why = string(logparse.Committed), "proven by the WAL "+tx.EndLSN.String()
	case tx.State == xact.Aborted:
		if before == logparse.Committed {
			e.wal += "; the log says otherwise: " + e.why
		}
		e.kind, e.why = string(logparse.RolledBack), "proven by the WAL "+tx.EndLSN.String()
	}
}

// tell says how many statements were joined.
func (j *walJoin) tell(terminal *term.Terminal) {
	if j == nil {
		return
	}
	text := term.Plural(j.proven, "statement was", "statements were") + " joined with transactions in the WAL that the case knows"
	if j.unsure > 0 {
		text += "; " + term.Plural(j.unsure, "other was not, because several fit", "others were not, because several fit")
	}
	if j.unproven > 0 {
		text += "; of " + term.Plural(j.unproven, "other", "others") + " the WAL has no commit record"
	}
	terminal.Infof("%s", text)
}
