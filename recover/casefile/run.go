package casefile

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/journal"
	"github.com/pgrescue/pgrescue/recover/pg"
)

// Command is what a run is of: it goes into the journal.
type Command struct {
	Name    string // such as "undelete"
	Version string // of pgrescue
	Argv    []string
	Who     string // user
	Host    string
	Began   time.Time // zero: now
}

// Run is one command that writes to the case. What it finds is in the case when
// Commit returns; until then nobody sees it. It is not for several goroutines.
type Run struct {
	c       *Case
	ctx     context.Context
	command Command
	id      int64
	begin   int64 // its line in the journal
	journal journal.End
	open    bool // its transaction has begun
	done    bool
	texts   map[string]int64
	tables  []*RunTable
	pipe    *pipe
	changed map[string]bool // tables, of those that are seldom digested
}

// Begin writes that a command begins. Only one run is in progress at a time. Its
// transaction begins with the first thing that it finds.
func (c *Case) Begin(ctx context.Context, command Command) (*Run, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.mode == Read:
		return nil, c.fail(ctx, "begin", errors.New("the case is open for reading only"))
	case c.run != nil:
		return nil, c.fail(ctx, "begin", errors.New("another run of this process is in progress"))
	case ctx.Err() != nil:
		return nil, c.fail(ctx, "begin", ctx.Err())
	}
	if command.Began.IsZero() {
		command.Began = time.Now()
	}
	end, err := c.reconcileJournal()
	if err != nil {
		return nil, c.fail(ctx, "read journal of", err)
	}
	end, err = c.appendJournal(end, JournalLine{
		Event: EventBegin, Case: c.id, Time: pg.FormatTime(command.Began), Who: command.Who, Host: command.Host,
		Command: command.Name, Version: command.Version, Argv: command.Argv,
	})
	if err != nil {
		return nil, c.fail(ctx, "write journal of", err)
	}
	r := &Run{c: c, ctx: ctx, command: command, begin: end.Lines, journal: end, texts: make(map[string]int64), changed: make(map[string]bool)}
	c.run = r
	return r, nil
}

// inProgress is the run in progress, or nil.
func (c *Case) inProgress() *Run {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.run
}

// start begins the transaction, if it has not begun.
func (r *Run) start() error {
	switch {
	case r.done:
		return errRunEnded
	case r.open:
		return r.c.inTransaction()
	}
	r.c.conn.SetInterrupt(r.ctx.Done())
	if err := sqlitex.ExecuteTransient(r.c.conn, "BEGIN IMMEDIATE", nil); err != nil {
		return err
	}
	r.open = true
	err := r.exec("INSERT INTO run (journal_seq, command, version, argv, who, host, began, ended, exit_code) VALUES (?, ?, ?, ?, ?, ?, ?, 0, -1)",
		r.begin, r.command.Name, r.command.Version, jsonText(r.command.Argv), r.command.Who, r.command.Host, micros(r.command.Began))
	r.id = r.c.conn.LastInsertRowID()
	return err
}

// inTransaction fails when SQLite has taken the transaction back by itself, as it
// does when the disk is full: what is written after that would be kept.
func (c *Case) inTransaction() error {
	if !c.conn.AutocommitEnabled() {
		return nil
	}
	if c.run != nil && c.run.pipe != nil {
		if failed := c.run.pipe.failed.Load(); failed != nil {
			return *failed
		}
	}
	return errTakenBack
}

// do runs f in the run's transaction.
func (r *Run) do(op string, f func() error) error {
	r.c.mu.Lock()
	defer r.c.mu.Unlock()
	err := r.start()
	if err == nil {
		err = f()
	}
	return r.c.fail(r.ctx, op, err)
}

// exec runs one statement.
func (r *Run) exec(query string, args ...any) error {
	return sqlitex.Execute(r.c.conn, query, &sqlitex.ExecOptions{Args: args})
}

// Cluster says which cluster the evidence is of. A case is about one cluster.
func (r *Run) Cluster(systemIdentifier uint64, version pg.Version, databases ...string) error {
	return r.do("note the cluster of", func() error {
		own := strconv.FormatUint(systemIdentifier, 10)
		known, names, err := r.cluster()
		if err != nil {
			return err
		}
		if known != "" && known != own {
			return failure("note the cluster of", r.c.dir, ErrOtherCluster,
				fmt.Errorf("it is about the cluster with system identifier %s, this evidence is of %s", known, own), "use one case for each cluster")
		}
		for _, name := range databases {
			names = appendNew(names, name)
		}
		return r.exec("INSERT OR REPLACE INTO cluster VALUES (?, ?, ?)", own, int64(version), jsonText(names))
	})
}

// cluster reads what the case knows of its cluster; "" when it knows none.
func (r *Run) cluster() (systemIdentifier string, databases []string, err error) {
	err = sqlitex.Execute(r.c.conn, "SELECT system_identifier, databases FROM cluster", &sqlitex.ExecOptions{ResultFunc: func(stmt *sqlite.Stmt) error {
		systemIdentifier = stmt.ColumnText(0)
		return json.Unmarshal([]byte(stmt.ColumnText(1)), &databases)
	}})
	return systemIdentifier, databases, err
}

func appendNew(names []string, name string) []string {
	for _, known := range names {
		if known == name {
			return names
		}
	}
	return append(names, name)
}

// Commit makes everything that the run found part of the case, and writes the
// end of the run into the journal. A run that cannot be committed is still to be
// abandoned: only the caller knows how the command ends then.
func (r *Run) Commit(exitCode int) error {
	err := r.c.fail(r.ctx, "take rows into", r.pipe.flush())
	if err == nil {
		err = r.commit(exitCode)
	}
	if err != nil {
		return err
	}
	return r.end(exitCode, true)
}

func (r *Run) commit(exitCode int) error {
	return r.do("commit", func() error {
		if err := r.finish(exitCode); err != nil {
			return err
		}
		r.c.conn.SetInterrupt(nil) // from here on it is done, or it is not
		return sqlitex.ExecuteTransient(r.c.conn, "COMMIT", nil)
	})
}

// finish writes the last lines of the transaction.
func (r *Run) finish(exitCode int) error {
	if err := r.makeViews(); err != nil {
		return err
	}
	if err := r.exec("UPDATE run SET ended = ?, exit_code = ? WHERE id = ?", micros(time.Now()), exitCode, r.id); err != nil {
		return err
	}
	tables := runTables()
	return errors.Join(r.c.digest(slices.DeleteFunc(tables, func(table string) bool { return seldom(table) && !r.changed[table] })), r.c.rememberJournal(r.journal))
}

// Abandon takes back what the run wrote, and writes its end into the journal. On
// a run that has ended it does nothing.
func (r *Run) Abandon(exitCode int) error {
	if r.done {
		return nil
	}
	r.pipe.stop()
	r.pipe = nil
	r.c.mu.Lock()
	r.c.conn.SetInterrupt(nil)
	err := r.c.fail(context.Background(), "take back a run of", r.c.rollback())
	r.c.mu.Unlock()
	return errors.Join(err, r.end(exitCode, false))
}

// end closes the run, and writes its last line into the journal.
func (r *Run) end(exitCode int, kept bool) error {
	r.pipe.stop()
	r.pipe = nil
	r.c.mu.Lock()
	defer r.c.mu.Unlock()
	r.done, r.open = true, false
	r.c.run = nil
	ms := time.Since(r.command.Began).Milliseconds()
	end, err := r.c.appendJournal(r.journal, JournalLine{Event: EventEnd, Of: r.begin, ExitCode: &exitCode, DurationMS: &ms, Kept: &kept})
	if err != nil {
		return r.c.fail(context.Background(), "write journal of", err)
	}
	return r.c.fail(context.Background(), "write journal of", r.c.rememberJournal(end))
}

// micros is a time as case.db keeps it.
func micros(t time.Time) int64 { return t.UnixMicro() }

// jsonText is a value that always has a JSON form.
func jsonText(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		return "null"
	}
	return string(text)
}

var _ evidence.Sink = (*RunTable)(nil)
