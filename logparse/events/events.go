// Package events makes events of the entries of all kinds of logs, in one stream.
//
//   - Reader: takes the entries of one or several sources, each in order, and gives events.
//   - Thread: the entries of a backend's log that follow each other in one thread, task or request, as far as the log
//     tells them apart. All others of a log are one thread.
//   - Block: what stands between BEGIN and the COMMIT or ROLLBACK of a thread. Where several were under way at once,
//     it lasts until the last one ended, and what became of its statements is known only if all ended the same way.
//   - Trouble: a line that tells of an error of the database. A COMMIT behind it may have been a ROLLBACK.
//
// What the server wrote goes through pglog. Of a statement that a backend's log shows, by SQLAlchemy, Django or
// ActiveRecord, the same is told apart: attempted, failed, executed, committed, rolled back. Its messages are compared
// with the patterns of a pack.
package events

import (
	"github.com/pgrescue/pgrescue/logparse"
	"github.com/pgrescue/pgrescue/logparse/applog"
	"github.com/pgrescue/pgrescue/logparse/pglog"
	"github.com/pgrescue/pgrescue/logparse/statement"
)

// Options say how entries are read.
type Options struct {
	Pack *applog.Pack // nil: messages of a backend are not compared with patterns
	// Matched is called with each entry that a pattern takes, before its event; nil: nobody asks.
	Matched func(*logparse.Entry, *applog.Match)
}

// Reader makes events of entries.
type Reader struct {
	options Options
	server  *pglog.Timeline
	target  func(*logparse.Event) error // of the call under way
	told    func(*logparse.Event) error // completes an event of the server's log
	backend backend
}

// New returns a Reader that has seen nothing.
func New(options Options) *Reader {
	r := &Reader{options: options, server: pglog.NewTimeline()}
	r.backend.threads = make(map[threadKey]*thread)
	r.backend.owners = make(map[string]owner)
	r.told = func(event *logparse.Event) error {
		if event.Statement != "" && event.Verb != "SELECT" {
			event.Table, _ = statement.Target(event.Statement)
		}
		return r.target(event)
	}
	return r
}

// Add takes the next entry. The event is valid until out returns; its texts stay.
func (r *Reader) Add(e *logparse.Entry, out func(*logparse.Event) error) error {
	r.target = out
	if logparse.OfServer(e.Format) {
		return r.server.Add(e, r.told)
	}
	return r.message(e)
}

// Flush hands out what is still open at the end.
func (r *Reader) Flush(out func(*logparse.Event) error) error {
	r.target = out
	if err := r.server.Flush(r.told); err != nil {
		return err
	}
	return r.backend.flush(out)
}
