package events

import (
	"bytes"
	"cmp"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pgrescue/pgrescue/logparse"
	"github.com/pgrescue/pgrescue/logparse/statement"
)

// backend is what is known of the threads of backends.
type backend struct {
	threads map[threadKey]*thread
	owners  map[string]owner // of ids
	order   int64
	bytes   int // of the statements that are held
	names   logparse.Names
	event   logparse.Event
}

const (
	// maxThreads bounds the threads of which more is expected.
	maxThreads = 10_000
	// maxHeld bounds the bytes of a block's statements, and half of those of all threads.
	maxHeld = 64 << 20
	// heldSize is what holding a statement takes beside its texts.
	heldSize = 512
)

// threadKey tells threads apart.
type threadKey struct {
	source    *logparse.Source
	container string
	pid       int64
	id        string
}

// thread is one thread of a backend, and the statements of it whose fate is open.
type thread struct {
	backend *backend
	key     threadKey
	alone   bool // the log names threads, so that no other is in this one
	heard   int64

	echo    statement.Echo
	waiting logparse.Event // where the statement stands whose parameters have not come
	double  doubling

	words      bool // a BEGIN, COMMIT or ROLLBACK was seen
	autocommit bool // the engine said so
	block      block
	held       []held
	bytes      int
}

// doubling is whether each message comes twice, from two handlers.
type doubling struct {
	last   string
	at     time.Time
	same   int // how often the last message has come
	never  bool
	always bool
	words  int // that were taken for the second of two
}

// keyOf finds the thread of an entry. ActiveRecord's tags, such as a request's id, stand before its messages.
func (b *backend) keyOf(e *logparse.Entry) threadKey {
	key := threadKey{source: e.Source, container: e.Outer.Container, pid: e.PID}
	for i := range e.Fields {
		switch field := &e.Fields[i]; field.Name {
		case "trace_id", "request_id", "correlation_id", "thread", "thread_id", "threadName", "thread_name", "taskName":
			if len(field.Text) > 0 {
				key.id = b.names.Of(field.Text)
			}
		}
	}
	return key
}

// thread finds or makes the thread of an entry.
func (b *backend) thread(e *logparse.Entry, out func(*logparse.Event) error) (*thread, error) {
	key := b.keyOf(e)
	t := b.threads[key]
	if t == nil {
		if len(b.threads) >= maxThreads {
			if err := b.forget(out); err != nil {
				return nil, err
			}
		}
		t = &thread{backend: b, key: key, alone: key.id != ""}
		b.threads[key] = t
	}
	b.order++
	t.heard = b.order
	return t, nil
}

// inOrder gives the threads in the order of what they said last.
func (b *backend) inOrder() []*thread {
	return slices.SortedFunc(maps.Values(b.threads), func(a, b *thread) int { return cmp.Compare(a.heard, b.heard) })
}

// forget closes the half of the threads that said nothing for the longest time.
func (b *backend) forget(out func(*logparse.Event) error) error {
	all := b.inOrder()
	for _, t := range all[:len(all)/2] {
		if err := t.close(out); err != nil {
			return err
		}
		delete(b.threads, t.key)
	}
	return nil
}

func (b *backend) flush(out func(*logparse.Event) error) error {
	for _, t := range b.inOrder() {
		if err := t.close(out); err != nil {
			return err
		}
	}
	clear(b.threads)
	return nil
}

// writer is what shows SQL in a backend's log.
type writer uint8

const (
	nobody writer = iota
	sqlAlchemy
	django
	activeRecord
)

// writerOf tells who shows SQL in an entry. Where the log names no loggers, what a message looks like must do.
func writerOf(e *logparse.Entry) writer {
	switch {
	case strings.HasPrefix(e.Logger, "sqlalchemy.engine"):
		return sqlAlchemy
	case strings.HasPrefix(e.Logger, "django.db.backends"):
		return django
	case e.Logger != "" || len(e.Message) == 0:
		return nobody
	case e.Message[0] == '(' && len(e.Message) > 8 && e.Message[2] == '.' && e.Message[1] >= '0' && e.Message[1] <= '9':
		return django
	case bytes.Contains(e.Message[:min(len(e.Message), 200)], []byte("ms)")):
		return activeRecord
	}
	return nobody
}

// sql takes a message of one that shows SQL. It reports false where the message is none of these.
func (b *backend) sql(e *logparse.Entry, by writer, out func(*logparse.Event) error) (bool, error) {
	message := strings.TrimSpace(string(e.Message))
	var one statement.Execution
	var ok bool
	switch by {
	case django:
		one, ok = statement.ReadDjango(message)
	case activeRecord:
		one, ok = statement.ReadActiveRecord(message)
	default:
		t, err := b.thread(e, out)
		if err != nil {
			return true, err
		}
		return true, t.echoed(e, message, out)
	}
	if !ok {
		return false, nil
	}
	t, err := b.thread(e, out)
	if err != nil || t.twice(e, message, false) {
		return true, err
	}
	event := t.of(e)
	if by == django {
		event.Duration = secondsOf(message)
	}
	return true, t.take(event, one, out)
}

// secondsOf reads the duration that a message of Django begins with.
func secondsOf(message string) time.Duration {
	text, _, _ := strings.Cut(strings.TrimPrefix(message, "("), ")")
	seconds, err := strconv.ParseFloat(text, 64)
	if err != nil || seconds < 0 || seconds > 1e6 {
		return 0
	}
	return time.Duration(seconds*1e6) * time.Microsecond
}

// echoed takes a message of SQLAlchemy's engine.
func (t *thread) echoed(e *logparse.Entry, message string, out func(*logparse.Event) error) error {
	if strings.Contains(message, "autocommit mode") {
		t.autocommit = true
	}
	var alone statement.Echo
	word, isWord := alone.Take(message)
	if isWord = isWord && statement.ReadWords(word.SQL).Transaction != statement.NoTransaction; t.twice(e, message, isWord) {
		return nil
	}
	if isWord {
		if err := t.unwait(out); err != nil {
			return err
		}
		return t.take(t.of(e), word, out)
	}
	one, ok := t.echo.Take(message)
	if ok && (len(one.Sets) > 0 || one.Missing > 0) { // these are the parameters
		event := t.waiting
		t.waiting = logparse.Event{}
		return t.take(event, one, out)
	}
	before := t.waiting
	if !strings.HasPrefix(message, "[") {
		t.waiting = t.of(e)
	}
	if ok {
		return t.take(before, one, out)
	}
	return nil
}

// unwait takes the statement whose parameters did not come.
func (t *thread) unwait(out func(*logparse.Event) error) error {
	one, ok := t.echo.Flush()
	event := t.waiting
	t.waiting = logparse.Event{}
	if !ok {
		return nil
	}
	return t.take(event, one, out)
}

// twice reports whether a message is the second one of two handlers. The words of transactions come as often in a row
// when several threads write them, and are counted again once it is clear that the log has each message once.
func (t *thread) twice(e *logparse.Entry, message string, word bool) bool {
	d := &t.double
	near := e.Time.Sub(d.at).Abs() < time.Second || e.Time.IsZero() || d.at.IsZero()
	if same := message == d.last && near; !same {
		if d.last != "" && d.same == 1 && !d.always {
			d.never = true
			for ; d.words > 0; d.words-- { // they were the BEGINs of several
				t.block.open++
				t.block.most = max(t.block.most, t.block.open)
			}
		}
		d.last, d.at, d.same = message, e.Time, 1
		return false
	}
	d.same++
	if d.never {
		return false
	}
	if !word {
		d.always, d.words = true, 0
	} else if !d.always && strings.HasPrefix(message, "BEGIN") {
		d.words++
	}
	return true
}

// of gives what all events of an entry have.
func (t *thread) of(e *logparse.Entry) logparse.Event {
	event := logparse.Event{Place: e.Place, Stamp: e.Stamp, Rows: -1, Session: t.key.name()}
	whose(e, &event)
	return event
}

// name tells the thread to people.
func (k threadKey) name() string {
	switch {
	case k.id != "":
		return k.id
	case k.pid != 0:
		return strconv.FormatInt(k.pid, 10)
	}
	return ""
}
