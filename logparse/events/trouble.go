package events

import (
	"bytes"
	"strings"

	"github.com/pgrescue/pgrescue/logparse"
	"github.com/pgrescue/pgrescue/logparse/statement"
)

// tellsTrouble reports whether a text names an error of the database, as drivers and the libraries above them print it.
func tellsTrouble(text []byte) bool {
	for _, sign := range [...]string{
		"sqlalchemy.exc", "sqlalchemy.dialects", "psycopg", "asyncpg.exceptions", "django.db.utils.", "ActiveRecord::", "PG::",
		"IntegrityError", "OperationalError", "ProgrammingError", "DataError", "InternalError", aborts, "duplicate key value",
	} {
		if bytes.Contains(text, []byte(sign)) {
			return true
		}
	}
	return false
}

// aborts is what the server says of each statement that comes behind an ERROR in its transaction.
const aborts = "current transaction is aborted"

// trouble takes an entry that may tell of an error of the database: the statement that it names has failed, and the
// transactions of its thread may be void. It reports whether it gave an event.
func (b *backend) trouble(e *logparse.Entry, out func(*logparse.Event) error) (bool, error) {
	if !tellsTrouble(e.Message) && !tellsTrouble(e.Detail) {
		return false, nil
	}
	t, err := b.thread(e, out)
	if err != nil {
		return false, err
	}
	if err := t.unwait(out); err != nil {
		return false, err
	}
	aborted := bytes.Contains(e.Message, []byte(aborts)) || bytes.Contains(e.Detail, []byte(aborts))
	if t.block.open > 0 || t.block.ending || !t.words && len(t.held) > 0 {
		if t.block.trouble.Line == 0 {
			t.block.trouble = e.Place
		}
		t.block.aborted = t.block.aborted || aborted
	}
	one, ok := statement.ReadSQLAlchemyError(string(e.Message))
	if !ok {
		one, ok = statement.ReadSQLAlchemyError(string(e.Detail))
	}
	if !ok {
		return false, t.doubtLast(e, out)
	}
	return true, t.failed(e, one, out)
}

// doubtLast takes an error that does not name its statement: outside of a transaction it is the last one's.
func (t *thread) doubtLast(e *logparse.Entry, out func(*logparse.Event) error) error {
	if t.block.open > 0 || t.block.ending || len(t.held) == 0 {
		return nil
	}
	if last := &t.held[len(t.held)-1]; !last.went {
		last.event.Kind, last.event.Why = logparse.Attempted, "an error follows on line "+lineOf(e.Place)
		event := last.event
		t.drop(len(t.held)-1, len(t.held))
		return out(&event)
	}
	return nil
}

// failed gives the statement that an error names as a failed one: the one that was held, if it is there.
func (t *thread) failed(e *logparse.Entry, one statement.Execution, out func(*logparse.Event) error) error {
	for i := len(t.held) - 1; i >= 0; i-- {
		event := t.held[i].event
		if !sameText(event.Statement, one.SQL) {
			continue
		}
		event.Kind, event.Why, event.Text = logparse.Failed, "the error on line "+lineOf(e.Place), firstLine(e)
		event.Ended = logparse.EndAt(e.Place, e.Stamp)
		t.drop(i, i+1)
		return out(&event)
	}
	event := t.of(e)
	event.Kind, event.Why, event.Text = logparse.Failed, "the error in which it stands", firstLine(e)
	describe(&event, one)
	return out(&event)
}

// sameText compares two statements without their white space, which an error may have folded.
func sameText(a, b string) bool {
	if a == b {
		return true
	}
	next := func(text string) (byte, string) {
		text = strings.TrimLeft(text, " \t\r\n")
		if text == "" {
			return 0, ""
		}
		return text[0], text[1:]
	}
	for a != "" || b != "" {
		var x, y byte
		if x, a = next(a); x == 0 && strings.TrimSpace(b) == "" {
			return true
		}
		if y, b = next(b); x != y {
			return false
		}
	}
	return true
}
