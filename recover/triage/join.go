package triage

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pgrescue/pgrescue/recover/pg"
	"github.com/pgrescue/pgrescue/recover/wal/xact"
)

// Join joins statements of logs with transactions of the WAL: by the transaction id where
// the log has it, else by table, verb, number of rows and time where only one fits. First
// all statements are shown to Candidates, and then Settle says of each what the WAL proves.
// A nil Join joins nothing.
type Join struct {
	list  []joined // in the order of their ends
	byXID map[pg.XID][]int

	// Proven statements were joined. Of the Unproven the id is known, and the WAL has no end
	// of it. The Unsure were not, because several fit.
	Proven, Unproven, Unsure int64
}

// joined is a transaction with the first two transactions of logs that fit its tables, verbs and time; 0: none.
type joined struct {
	Transaction
	claims [2]uint64
}

// Candidates are the numbers, from 1, of transactions that a statement may be of: the one
// that has its id, or up to two that did what it did, which are less than zero. Zero: none.
type Candidates [2]int64

// Match is what the WAL says of a statement.
type Match struct {
	Transaction *Transaction // nil: none, or nobody knows which
	Text        string       // for people; "": the WAL says nothing of it
	byTime      bool         // nothing else is known of the statement
}

// noRecord stands for the transaction of a statement whose id the log has, and the WAL has no end of.
const noRecord = 1 << 40

const (
	// sameClock is by how much the times of the server's own log and of its WAL may differ, and otherClock those of a
	// backend's log.
	sameClock  = time.Second
	otherClock = 2 * time.Second
)

// NewJoin makes a Join of transactions whose ends are known; nil when there is none.
func NewJoin(list []Transaction) *Join {
	j := &Join{byXID: make(map[pg.XID][]int)}
	for i := range list {
		if !list[i].End.IsZero() {
			j.list = append(j.list, joined{Transaction: list[i]})
		}
	}
	if len(j.list) == 0 {
		return nil
	}
	slices.SortStableFunc(j.list, func(a, b joined) int { return a.End.Compare(b.End) })
	for i := range j.list {
		tx := &j.list[i]
		for _, xid := range append([]pg.XID{tx.XID}, tx.Subxacts...) {
			j.byXID[xid] = append(j.byXID[xid], i)
		}
	}
	return j
}

// Candidates finds the transactions that a statement may be of. What failed is of none.
func (j *Join) Candidates(s *Statement) (found Candidates) {
	if j == nil || s.Fate == Failed {
		return found
	}
	from, to := s.window()
	if s.XID != 0 {
		for _, i := range j.byXID[s.XID] {
			if end := j.list[i].End; !end.Before(from) && (!s.EndKnown || !end.After(to)) {
				return Candidates{int64(i) + 1}
			}
		}
		// All transactions with such a statement are in the list.
		listed := s.Verb == "DELETE" || s.Verb == "UPDATE" || s.Verb == "TRUNCATE"
		if listed && from.After(j.list[0].End) && to.Before(j.list[len(j.list)-1].End) {
			return Candidates{noRecord}
		}
		return found
	}
	if s.Time.IsZero() || s.Table.Name == "" || s.Fate == RolledBack {
		return found
	}
	n := 0
	at, _ := slices.BinarySearchFunc(j.list, from, func(tx joined, from time.Time) int { return tx.End.Compare(from) })
	for i := at; i < len(j.list) && !j.list[i].End.After(to); i++ {
		tx := &j.list[i]
		if !tx.did(s) {
			continue
		}
		if tx.claims[0] == 0 || tx.claims[0] == s.Group {
			tx.claims[0] = s.Group
		} else if tx.claims[1] == 0 {
			tx.claims[1] = s.Group
		}
		if n < len(found) {
			found[n] = -int64(i) - 1
			n++
		}
	}
	return found
}

// window is between which times the transaction of a statement can have ended. Where the log does not say when
// that was, it is taken to be soon.
func (s *Statement) window() (from, to time.Time) {
	slack := otherClock
	if s.ServersOwn {
		slack = sameClock
	}
	if to = s.Ended; !s.EndKnown || to.IsZero() {
		to = s.Time.Add(s.Duration)
	}
	return s.Time.Add(-slack), to.Add(slack)
}

// did reports whether the transaction did what the statement says.
func (t *Transaction) did(s *Statement) bool {
	for i := range t.Removed {
		if (s.Verb == "TRUNCATE" || s.Verb == "DROP" || s.Verb == "ALTER") && SameTable(s.Table, NameOf(t.Removed[i].Table)) {
			return true
		}
	}
	for i := range t.Tables {
		c := &t.Tables[i]
		if !SameTable(s.Table, NameOf(c.Table)) {
			continue
		}
		n := int64(0)
		switch s.Verb {
		case "DELETE":
			n = c.Deleted
		case "UPDATE":
			n = c.Updated
		case "INSERT", "COPY":
			n = c.Inserted
		case "MERGE":
			n = c.Inserted + c.Updated + c.Deleted
		}
		if n > 0 && (s.Rows < 0 || n == s.Rows) {
			return true
		}
	}
	return false
}

// Settle says what the WAL proves of a statement, once all statements have been seen.
func (j *Join) Settle(found Candidates, xid pg.XID, rows int64) Match {
	if j == nil || found[0] == 0 {
		return Match{}
	}
	first := found[0]
	switch {
	case first == noRecord:
		j.Unproven++
		return Match{Text: "no commit record in the WAL that the case knows, for transaction " + strconv.FormatUint(uint64(xid), 10)}
	case first > 0:
		return j.match(first-1, "by its transaction id")
	case found[1] != 0:
		j.Unsure++
		return Match{Text: "several transactions in the WAL fit, so that it is joined with none"}
	case j.list[-first-1].claims[1] != 0:
		j.Unsure++
		return Match{Text: fmt.Sprintf("transaction %d in the WAL fits, and other statements fit it too, so that it is joined with none", j.list[-first-1].XID)}
	case rows >= 0:
		return j.match(-first-1, "by table, verb, number of rows and time")
	}
	match := j.match(-first-1, "by table, verb and time")
	match.byTime = true
	return match
}

func (j *Join) match(number int64, how string) Match {
	j.Proven++
	tx := &j.list[number].Transaction
	return Match{Transaction: tx, Text: fmt.Sprintf("transaction %d was %s at %s, %s; joined %s", tx.XID, tx.State, tx.EndLSN, pg.FormatTime(tx.End), how)}
}

// Fate is what became of a statement that is joined with a transaction, and the text that says so.
// One that was rolled back to a savepoint stays so, whatever its transaction did; one that is only
// known to be attempted may have failed, and another session's statement be the one that fits by time.
func (m Match) Fate(before Fate) (fate Fate, proven bool, text string) {
	switch {
	case m.Transaction != nil && before == Attempted && m.byTime:
		return before, false, strings.Replace(m.Text, "joined", "that fits", 1) + ", which does not prove that the statement ran"
	case m.Transaction == nil || before == RolledBack:
		return before, false, m.Text
	case m.Transaction.State == xact.Committed:
		return Committed, true, m.Text
	case m.Transaction.State == xact.Aborted:
		return RolledBack, true, m.Text
	}
	return before, false, m.Text
}
