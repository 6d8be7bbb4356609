package main

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/pgrescue/pgrescue/cmd/internal/exitcode"
	"github.com/pgrescue/pgrescue/cmd/internal/term"
	"github.com/pgrescue/pgrescue/logparse"
	"github.com/pgrescue/pgrescue/logparse/events"
	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/triage"
)

// logsTimelineOptions are the flags of `logs timeline`.
type logsTimelineOptions struct {
	logsOptions
	kinds, tables []string
	tenant, actor string
	match         string
	all           bool
}

func newLogsTimelineCommand(terminal *term.Terminal, cases *caseOptions) *cobra.Command {
	var options logsTimelineOptions
	command := &cobra.Command{
		Use:   "timeline PATH…",
		Short: "List what was done, by whom, and what became of it",
		Long: `List what logs tell, in the order of time: statements, errors, requests, imports, what the server
did. Of a statement three things are told apart, and each says what it rests on: it was attempted
(somebody sent it), executed (it ended without an error), committed (so was its transaction). A
statement that failed, or was rolled back, changed nothing, and is never shown as one that did.

What only reads, what only begins or ends a transaction, and sessions that come and go are left out
unless --all or --kind asks for them; a statement that failed never is. Passwords, tokens, cookies and keys are
masked. With --json each line has the fields that timesketch needs.

With a case, all that is listed becomes part of its timeline, and statements are joined with the
transactions that ` + "`wal transactions --case`" + ` found: by their transaction id where the log has it,
else by table, verb, number of rows and time, where only one fits; an attempt stays one then.`,
		Example: `  pgrescue logs timeline /copy/data/log --since "2025-10-07 18:00Z"
  pgrescue logs timeline backend.log server.log --zone backend.log=America/New_York --table assets
  pgrescue logs timeline /copy/data/log --kind failed --json --case incident`,
		Args: options.take,
		RunE: func(command *cobra.Command, _ []string) error {
			return cases.record(command, terminal, func(ctx context.Context, found *recorder) error {
				return runLogsTimeline(ctx, &options, terminal, found)
			})
		},
	}
	options.timed = true
	options.addReading(command)
	options.addPack(command)
	options.addWindow(command)
	flags := command.Flags()
	flags.StringArrayVar(&options.kinds, "kind", nil, "only events of this `KIND`: statement, attempted, failed, executed, committed, rolled-back, connection, server, request, import or message; may be repeated")
	flags.StringArrayVarP(&options.tables, "table", "t", nil, "only statements that name this table; may be repeated")
	flags.StringVar(&options.tenant, "tenant", "", "only events of this tenant")
	flags.StringVar(&options.actor, "actor", "", "only events whose user, or user@database, has this in it")
	flags.StringVar(&options.match, "match", "", "only events whose statement or message has this `TEXT` in it, capitals or not")
	flags.BoolVar(&options.all, "all", false, "list what only reads, words of transactions, and sessions too")
	return command
}

// timelineFilter says which events are listed.
type timelineFilter struct {
	kinds         []string
	tables        []evidence.RelationName
	tenant, actor string
	match         string // in lower case
	all           bool
	hidden        int64 // events that --all would list
}

// filter checks the flags.
func (o *logsTimelineOptions) filter() (*timelineFilter, error) {
	f := &timelineFilter{tenant: o.tenant, actor: o.actor, match: strings.ToLower(o.match), all: o.all}
	known := []string{
		"statement", string(logparse.Attempted), string(logparse.Failed), string(logparse.Executed), string(logparse.Committed), string(logparse.RolledBack),
		string(logparse.Connection), string(logparse.Server), string(logparse.Request), string(logparse.Import), string(logparse.Message),
	}
	for _, kind := range o.kinds {
		kind = strings.ReplaceAll(kind, "-", " ")
		if !slices.Contains(known, kind) {
			return nil, exitcode.Usagef("the kinds are "+strings.ReplaceAll(strings.Join(known, ", "), "rolled back", "rolled-back"), "--kind %q is not known", kind)
		}
		f.kinds = append(f.kinds, kind)
	}
	for _, name := range o.tables {
		schema, table, qualified := strings.Cut(name, ".")
		if !qualified {
			schema, table = "", name
		}
		if table == "" {
			return nil, exitcode.Usagef("write it as TABLE or SCHEMA.TABLE", "--table %q names no table", name)
		}
		f.tables = append(f.tables, evidence.RelationName{Schema: schema, Name: table})
	}
	return f, nil
}

// narrow reports whether a flag asks for some events.
func (f *timelineFilter) narrow() bool {
	return len(f.kinds) > 0 || len(f.tables) > 0 || f.tenant != "" || f.actor != "" || f.match != ""
}

// takes reports whether an event is listed.
func (f *timelineFilter) takes(e *logparse.Event) bool {
	if len(f.kinds) > 0 && !slices.Contains(f.kinds, string(e.Kind)) && (e.Statement == "" || !slices.Contains(f.kinds, "statement")) {
		return false
	}
	if len(f.tables) > 0 && !slices.ContainsFunc(f.tables, func(name evidence.RelationName) bool { return triage.SameTable(name, e.Table) }) {
		return false
	}
	if f.tenant != "" && e.Tenant != f.tenant || f.actor != "" && !strings.Contains(e.Actor, f.actor) {
		return false
	}
	if f.match != "" && !strings.Contains(strings.ToLower(e.Statement), f.match) && !strings.Contains(strings.ToLower(e.Text), f.match) {
		return false
	}
	if f.all || len(f.kinds) > 0 || !quiet(e) {
		return true
	}
	f.hidden++
	return false
}

// quiet reports whether an event is one of many that change nothing.
func quiet(e *logparse.Event) bool {
	switch {
	case e.Kind == logparse.Failed: // with all others of its query string
		return e.Verb == "SAVEPOINT" || e.Verb == "RELEASE" || e.Verb == "BEGIN"
	case e.Kind == logparse.Connection:
		return true
	case e.Statement == "":
		return false
	}
	switch e.Verb {
	case "SELECT":
		return !strings.Contains(e.Statement, "INTO") && !strings.Contains(e.Statement, "into")
	case "BEGIN", "START", "COMMIT", "END", "ROLLBACK", "ABORT", "SAVEPOINT", "RELEASE", "SHOW", "SET", "RESET", "DISCARD",
		"FETCH", "MOVE", "DECLARE", "CLOSE", "LISTEN", "UNLISTEN", "NOTIFY", "DEALLOCATE", "PREPARE", "EXPLAIN", "VALUES", "TABLE", "":
		return true
	}
	return false
}

func runLogsTimeline(ctx context.Context, options *logsTimelineOptions, terminal *term.Terminal, found *recorder) error {
	filter, err := options.filter()
	if err != nil {
		return err
	}
	pack, err := options.pack()
	if err != nil {
		return err
	}
	reading, err := openLogs(ctx, terminal, found, &options.logsOptions)
	if err != nil {
		return err
	}
	join, err := loadTransactions(ctx, found)
	if err != nil {
		return err
	}
	t := &timelineRun{
		reading: reading, filter: filter, join: join, queue: newEventQueue(), offsets: len(reading.sources) > 1,
		last: make(map[*logparse.Source]time.Time), ranks: make(map[*logparse.Source]int),
	}
	for i, source := range reading.sources {
		t.ranks[source] = i % 512
	}
	defer t.queue.close()
	if err := reading.events(ctx, events.New(events.Options{Pack: pack}), t.take); err != nil {
		return err
	}
	gaps, err := reading.finish()
	if err != nil {
		return err
	}
	if err := t.print(ctx, terminal, found); err != nil {
		return err
	}
	if t.listed == 0 && filter.narrow() {
		return errors.Join(exitcode.PartialIf(gaps), exitcode.With(exitcode.NotFound, exitcode.Hinted(
			errors.New("logs timeline: no event is as the flags ask"), "try fewer of --kind, --table, --tenant, --actor, --match, --since and --until")))
	}
	return exitcode.PartialIf(gaps)
}

// timelineRun takes events as they come, and lists them in the order of time.
type timelineRun struct {
	reading *logReading
	filter  *timelineFilter
	join    *walJoin // nil: the case knows no transactions
	queue   *eventQueue
	last    map[*logparse.Source]time.Time // of what has a time
	ranks   map[*logparse.Source]int       // the sources' order
	untimed int64
	listed  int64
	offsets bool
	room    []byte
	shown   shownEvent
}

// take takes one event.
func (t *timelineRun) take(e *logparse.Event) error {
	at := e.Time
	if at.IsZero() {
		at = t.last[e.Source]
	} else if at.After(t.last[e.Source]) {
		t.last[e.Source] = at
	}
	if t.offsets {
		t.clock(e)
	}
	joined := t.join.candidates(e)
	if !t.reading.within(e.Stamp) || !t.filter.takes(e) {
		return nil
	}
	if e.Time.IsZero() {
		t.untimed++
	}
	t.shown.fill(e, at)
	t.shown.joined = joined
	t.shown.rank = int64(t.ranks[e.Source])<<54 | int64(e.File)<<40 | e.Line
	return t.queue.add(&t.shown)
}

// clock lets events that may stand in several logs tell how their clocks differ.
func (t *timelineRun) clock(e *logparse.Event) {
	if e.Statement == "" || quiet(e) || e.Zone == logparse.Carried {
		return
	}
	key := append(append(t.room[:0], e.Statement...), 0)
	switch {
	case len(e.Sets) > 0 && len(e.Sets[0]) > 0:
		key = append(key, e.Sets[0][0].Text...)
	case e.Parameters != "":
		key = append(key, firstParameter(e.Parameters)...)
	}
	t.room = key
	t.reading.clocks.Event(e.Source, key, e.Stamp)
}

// print lists the events in the order of time, and gives them to the case.
func (t *timelineRun) print(ctx context.Context, terminal *term.Terminal, found *recorder) error {
	var list eventLister = newTimelineTable(terminal)
	if terminal.JSON() {
		list = newTimelineLines(terminal)
	}
	err := t.queue.each(func(e *shownEvent) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		t.join.settle(e)
		t.listed++
		if err := found.logged(e); err != nil {
			return err
		}
		return list.add(e)
	})
	if err == nil {
		err = list.end()
	}
	if err != nil {
		return err
	}
	t.tell(terminal)
	return nil
}

// tell says what is not in the list, and what was joined.
func (t *timelineRun) tell(terminal *term.Terminal) {
	if t.untimed > 0 {
		terminal.Infof("%s; each stands at the time of the entry before it in its log", term.Plural(t.untimed, "event has no time", "events have no time"))
	}
	if n := t.filter.hidden; n > 0 {
		terminal.Infof("%s that only read, begin or end transactions or sessions; --all lists them too", term.Plural(n, "event is left out", "events are left out"))
	}
	t.join.tell(terminal)
}

// eventLister prints events, one after the other.
type eventLister interface {
	add(e *shownEvent) error
	end() error
}

// timeOf prints the time of an event as ISO 8601 has it.
func timeOf(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000000+00:00") }
