package events

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/pgrescue/pgrescue/logparse"
	"github.com/pgrescue/pgrescue/logparse/statement"
	"github.com/pgrescue/pgrescue/recover/evidence"
)

// block is the transactions that are under way in a thread.
type block struct {
	open, most int // now, and at most
	commits    int
	rollbacks  int
	end        logparse.Event // the last COMMIT or ROLLBACK
	verb       string
	ending     bool // its COMMIT was sent, and an error of it may follow
	trouble    logparse.Place
	aborted    bool // the server said so
	savepoints []savepoint
	doubt      string // why the fate of its statements is not known
}

// savepoint is where one stands among the statements that are held.
type savepoint struct {
	name string
	at   int
}

// held is a statement whose fate is open.
type held struct {
	event logparse.Event
	word  statement.Transaction
	back  string // why it was rolled back; "": it was not
	went  bool   // the log goes on behind it
}

func (h *held) size() int {
	n := heldSize + len(h.event.Statement)
	for _, set := range h.event.Sets {
		n += len(set) * heldSize / 4
		for i := range set {
			n += len(set[i].Text)
		}
	}
	return n
}

// take takes a statement that the thread sent.
func (t *thread) take(event logparse.Event, one statement.Execution, out func(*logparse.Event) error) error {
	if err := t.settleEnding(out); err != nil {
		return err
	}
	words := describe(&event, one)
	for i := range t.held {
		t.held[i].went = true
	}
	h := held{event: event, word: words.Transaction}
	if t.block.open == 0 {
		if err := t.outside(&h, out); err != nil {
			return err
		}
	}
	t.held = append(t.held, h)
	t.bytes += h.size()
	t.backend.bytes += h.size()
	if h.word != statement.NoTransaction {
		return t.word(words, out)
	}
	if t.bytes > maxHeld || t.backend.bytes > 2*maxHeld {
		return t.settle(len(t.held), logparse.Executed, "its transaction is too long to wait for its end: see what became of later statements of it", out)
	}
	return nil
}

// describe puts into an event what the log shows of its statement.
func describe(event *logparse.Event, one statement.Execution) statement.Words {
	words := statement.ReadWords(one.SQL)
	event.Statement, event.Verb, event.SetsMissing = one.SQL, words.Verb, one.Missing
	if words.Verb != "SELECT" {
		event.Table, _ = statement.Target(one.SQL)
	}
	for _, set := range one.Sets {
		event.Sets = append(event.Sets, []evidence.Value(set))
	}
	return words
}

// outside settles the statement before one that comes where no transaction is under way. Before the first word of a
// transaction nobody knows that.
func (t *thread) outside(next *held, out func(*logparse.Event) error) error {
	const most = 64
	if !t.words && next.word == statement.NoTransaction && len(t.held) < most || ends(next.word) && !t.words {
		return nil
	}
	return t.settle(len(t.held), logparse.Executed, "", out)
}

func ends(word statement.Transaction) bool {
	return word == statement.Commit || word == statement.Rollback
}

// word does what the last statement that is held, a word of transactions, does to the block.
func (t *thread) word(words statement.Words, out func(*logparse.Event) error) error {
	b, at := &t.block, len(t.held)-1
	switch words.Transaction {
	case statement.Begin:
		t.words = true
		b.open++
		b.most = max(b.most, b.open)
	case statement.Savepoint:
		b.savepoints = append(slices.DeleteFunc(b.savepoints, func(s savepoint) bool { return s.name == words.Name }), savepoint{words.Name, at + 1})
	case statement.RollbackTo:
		t.rollbackTo(words.Name, at)
	case statement.Commit, statement.Rollback:
		return t.end(words, out)
	case statement.Prepare, statement.CommitPrepared, statement.RollbackPrepared:
		b.doubt = words.Verb + " on line " + lineOf(t.held[at].event.Place) + ": what becomes of a prepared transaction is told by the server's log only"
	}
	return nil
}

// rollbackTo voids what came behind a savepoint.
func (t *thread) rollbackTo(name string, at int) {
	b := &t.block
	line := " on line " + lineOf(t.held[at].event.Place)
	if b.most > 1 {
		b.doubt = "a savepoint was rolled back to" + line + ", and the log does not tell of which of several transactions"
		return
	}
	from, why := 0, "ROLLBACK TO SAVEPOINT"+line
	if i := slices.IndexFunc(b.savepoints, func(s savepoint) bool { return s.name == name }); i >= 0 {
		from = b.savepoints[i].at
	} else {
		why += ", to a savepoint that the log does not have"
	}
	for i := from; i < at; i++ {
		if t.held[i].back == "" {
			t.held[i].back = why
		}
	}
	b.trouble, b.aborted = logparse.Place{}, false // what failed behind the savepoint has not aborted the block
}

// end ends one transaction of the block with the word that was held last.
func (t *thread) end(words statement.Words, out func(*logparse.Event) error) error {
	b, began := &t.block, t.words
	last := &t.held[len(t.held)-1]
	t.words = true
	b.end, b.verb = last.event, words.Verb
	if words.Transaction == statement.Commit {
		b.commits++
	} else {
		b.rollbacks++
	}
	switch {
	case b.open == 0 && began && len(t.held) == 1:
		return t.settle(1, logparse.Executed, "", out) // nothing was under way
	case b.open == 0 && !began && !t.alone:
		b.doubt = "the log begins within transactions, and does not tell its threads apart"
	}
	if b.open = max(0, b.open-1); b.open > 0 {
		return nil
	}
	if b.commits == 0 {
		return t.settleEnd(out)
	}
	b.ending = true
	return nil
}

// settleEnding settles a block whose COMMIT was followed by no error.
func (t *thread) settleEnding(out func(*logparse.Event) error) error {
	if !t.block.ending {
		return nil
	}
	return t.settleEnd(out)
}

// settleEnd settles a block that has ended.
func (t *thread) settleEnd(out func(*logparse.Event) error) error {
	kind, why := t.block.fate()
	return t.settle(len(t.held), kind, why, out)
}

// fate tells what became of a block that has ended.
func (b *block) fate() (logparse.EventKind, string) {
	last := b.verb + " on line " + lineOf(b.end.Place)
	switch {
	case b.doubt != "":
		return logparse.Executed, b.doubt
	case b.commits > 0 && b.rollbacks > 0:
		return logparse.Executed, fmt.Sprintf("%d transactions were under way at once, of which %d were rolled back, and the log does not tell them apart",
			b.most, b.rollbacks)
	case b.rollbacks > 0:
		return logparse.RolledBack, last
	case b.aborted && b.most <= 1:
		return logparse.RolledBack, last + ", of a transaction that an error had aborted: see line " + lineOf(b.trouble)
	case b.trouble.Line > 0:
		return logparse.Executed, last + ", but an error on line " + lineOf(b.trouble) + " may have voided its transaction"
	case b.most > 1:
		return logparse.Committed, last + "; all transactions that were under way were committed"
	}
	return logparse.Committed, last
}

// settle hands out the first n statements. Those outside of a transaction have no fate but their own.
func (t *thread) settle(n int, kind logparse.EventKind, why string, out func(*logparse.Event) error) error {
	ended := logparse.EndAt(t.block.end.Place, t.block.end.Stamp)
	for i := range n {
		h := &t.held[i]
		if h.event.Ended = ended; kind == logparse.Executed {
			h.event.Ended = logparse.End{}
		}
		if err := t.give(h, kind, why, out); err != nil {
			return err
		}
	}
	t.drop(0, n)
	if t.block.open == 0 {
		t.block = block{savepoints: t.block.savepoints[:0]}
	}
	return nil
}

// give hands out one statement.
func (t *thread) give(h *held, kind logparse.EventKind, why string, out func(*logparse.Event) error) error {
	event := &h.event
	event.Kind, event.Why = kind, why
	switch {
	case h.word != statement.NoTransaction:
		event.Kind, event.Why = logparse.Executed, ""
	case h.back != "":
		event.Kind, event.Why = logparse.RolledBack, h.back
	case why != "":
	case !h.went:
		event.Kind, event.Why = logparse.Attempted, "the log does not say how it ended"
	case t.autocommit && t.alone:
		event.Kind, event.Why = logparse.Committed, "in autocommit mode, and the thread goes on without an error"
	default:
		event.Why = "the log goes on without an error; whether its transaction was committed is not in it"
	}
	return out(event)
}

// drop takes statements out.
func (t *thread) drop(from, to int) {
	for i := from; i < to; i++ {
		size := t.held[i].size()
		t.bytes -= size
		t.backend.bytes -= size
	}
	n := copy(t.held[from:], t.held[to:])
	clear(t.held[from+n:])
	t.held = t.held[:from+n]
	for i := range t.block.savepoints {
		at := &t.block.savepoints[i].at
		*at -= max(0, min(*at, to)-from)
	}
}

// close hands out what is open at the end of the log.
func (t *thread) close(out func(*logparse.Event) error) error {
	if err := t.unwait(out); err != nil {
		return err
	}
	if err := t.settleEnding(out); err != nil {
		return err
	}
	why := ""
	if t.block.open > 0 {
		why = "the log does not say how its transaction ended"
		if last := len(t.held) - 1; last >= 0 && t.held[last].word == statement.NoTransaction {
			t.held[last].back = ""
			if err := t.settle(last, logparse.Executed, why, out); err != nil {
				return err
			}
			why = ""
		}
	}
	t.block.open = 0
	return t.settle(len(t.held), logparse.Executed, why, out)
}

func lineOf(place logparse.Place) string { return strconv.FormatInt(place.Line, 10) }
