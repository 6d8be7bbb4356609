// Package events makes events of the entries of all kinds of logs, in one stream.
//
//   - Reader: takes the entries of one or several sources, each in order, and gives events.
//   - Echo: a statement that a backend's own log shows, by SQLAlchemy, Django or ActiveRecord.
//   - Thread: the entries of a backend's log among which a statement, its parameters and the words of its transaction
//     belong together.
//
// What the server wrote goes through pglog. Of a statement that a backend's log shows the same is told apart:
// attempted, executed, committed, rolled back, failed.
package events

import (
	"strings"

	"github.com/pgrescue/pgrescue/logparse"
	"github.com/pgrescue/pgrescue/logparse/applog"
	"github.com/pgrescue/pgrescue/logparse/pglog"
	"github.com/pgrescue/pgrescue/logparse/statement"
)

// Options say how entries are read.
type Options struct {
	Pack *applog.Pack // nil: messages of a backend are not looked at
	// Matched is called with each entry that a pattern takes, before its event; nil: nobody asks.
	Matched func(*logparse.Entry, *applog.Match)
}

// Reader makes events of entries.
type Reader struct {
	options Options
	server  *pglog.Timeline
}

// New returns a Reader that has seen nothing.
func New(options Options) *Reader {
	return &Reader{options: options, server: pglog.NewTimeline()}
}

// Add takes the next entry. The event is valid until out returns; its texts stay.
func (r *Reader) Add(e *logparse.Entry, out func(*logparse.Event) error) error {
	if !strings.HasPrefix(e.Format, "PostgreSQL") {
		return nil
	}
	return r.server.Add(e, func(event *logparse.Event) error { return r.told(event, out) })
}

// Flush hands out what is still open at the end.
func (r *Reader) Flush(out func(*logparse.Event) error) error {
	return r.server.Flush(func(event *logparse.Event) error { return r.told(event, out) })
}

// told completes an event of the server's log.
func (r *Reader) told(event *logparse.Event, out func(*logparse.Event) error) error {
	if event.Statement != "" {
		event.Table, _ = statement.Target(event.Statement)
	}
	return out(event)
}
