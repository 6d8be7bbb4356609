// Package casefile keeps what all routes find about one loss, in one folder.
//
//   - case: the folder; case.db is an SQLite file whose schema is documented in
//     schema.sql, journal.jsonl says who did what, and evidence/ holds copies.
//   - run: one command that writes to the case. What it finds is one transaction:
//     all of it is in the case when Commit returns, and none if the command is killed.
//   - relation: a table by its name; shape: the columns that rows of it had.
//   - row: one version of one row as one route found it. The same version found
//     again is the same row: more known values win, then the better confidence,
//     then what was found last.
//   - ledger: one line for each destroyed version; the better settlement wins.
//   - plan: what `restore` decided for each row, and the batches that it applied.
//   - event: an entry of the timeline, with the line of the log that tells of it;
//     count: how many rows of a table there are, as a log says.
//   - triage: what may have happened, each hypothesis with its points for and against,
//     and coverage: which ways back cover the loss, and until when.
//   - foreign key: of a child table, by which a loss of its parent pulled it down.
//   - journal: one line for the begin and the end of each run. Each line holds the
//     hash of the one before, so that a changed or missing line is found.
//
// The package knows nothing of routes and of targets.
package casefile

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/pgrescue/pgrescue/recover/journal"
)

// Mode says what a case is opened for.
type Mode int

// The modes.
const (
	// Read looks; it waits for a writer, and locks nobody out.
	Read Mode = iota
	// Write needs a case that is there.
	Write
	// Create makes the case when it is not there.
	Create
)

// The names in the folder.
const (
	DatabaseName = "case.db"
	JournalName  = "journal.jsonl"
	// EvidenceFolder holds preserved copies, RowsFolder exports.
	EvidenceFolder = "evidence"
	RowsFolder     = "rows"
)

const (
	applicationID = 0x70677263 // "pgrc": what `file` tells case.db by
	schemaVersion = versionTriage
	pageSize      = 8192
	cacheKiB      = 64 << 10
)

//go:embed schema.sql
var schema string

// Options are the choices of Open.
type Options struct {
	// LockWait bounds the wait for another process; 0: do not wait.
	LockWait time.Duration
	// Command names this process to one that finds the case locked.
	Command string
}

// Case is an open case. Its methods may be called from several goroutines.
type Case struct {
	dir     string
	mode    Mode
	options Options
	lock    *journal.Lock

	mu   sync.Mutex // guards what is below
	conn *sqlite.Conn
	run  *Run // in progress; nil: none
	id   string
	// version is that of the schema as it was opened.
	version int64
	// functions counts the SQL functions that were made; each has its own name.
	functions int
}

// Find looks for the nearest folder with a case, from start upwards.
func Find(start string) (dir string, found bool, err error) {
	dir, err = filepath.Abs(start)
	if err != nil {
		return "", false, fmt.Errorf("case: find from %s: %w", start, err)
	}
	for {
		info, err := os.Stat(filepath.Join(dir, DatabaseName))
		switch {
		case err == nil && info.Mode().IsRegular():
			return dir, true, nil
		case err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrPermission):
			return "", false, fmt.Errorf("case: find from %s: %w", start, err)
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", false, nil
		}
		dir = parent
	}
}

// Open opens the case in dir.
func Open(ctx context.Context, dir string, mode Mode, opts Options) (*Case, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("case: open: %w", err)
	}
	c := &Case{dir: dir, mode: mode, options: opts}
	if err := c.prepare(ctx); err != nil {
		return nil, err
	}
	if err := c.connect(ctx); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

// Dir is the case's folder.
func (c *Case) Dir() string { return c.dir }

// ID is the random name that the case got when it was made.
func (c *Case) ID() string { return c.id }

// prepare makes folder and file where the mode wants it, and locks the case.
func (c *Case) prepare(ctx context.Context) error {
	path := filepath.Join(c.dir, DatabaseName)
	info, err := os.Stat(path)
	switch {
	case err == nil && !info.Mode().IsRegular():
		return failure("open", path, ErrNoCase, errors.New("it is no regular file"), "name another folder")
	case err == nil && c.mode == Read:
		return nil
	case err == nil:
		return c.takeLock(ctx)
	case !errors.Is(err, fs.ErrNotExist):
		return c.fail(ctx, "open", err)
	case c.mode != Create:
		return failure("open", c.dir, ErrNoCase, errors.New("there is no "+DatabaseName+" in it"),
			"--case DIR or PGRESCUE_CASE names the folder; a command that finds something makes it")
	}
	if err := errors.Join(ctx.Err(), c.mayMake()); err != nil { // nobody finds a case that nobody waited for
		return c.fail(ctx, "make", err)
	}
	for _, folder := range []string{c.dir, filepath.Join(c.dir, EvidenceFolder), filepath.Join(c.dir, RowsFolder)} {
		if err := os.MkdirAll(folder, 0o700); err != nil {
			return c.fail(ctx, "make", err)
		}
	}
	if err := c.takeLock(ctx); err != nil {
		return err
	}
	// SQLite would make the file readable for all.
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err == nil {
		err = file.Close()
	}
	if err != nil {
		return errors.Join(c.fail(ctx, "make", err), c.release())
	}
	return nil
}

// mayMake refuses to make a case among other people's files. What a killed command
// left of a new case is no hindrance.
func (c *Case) mayMake() error {
	entries, err := os.ReadDir(c.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, entry := range entries {
		switch entry.Name() {
		case lockName, JournalName, EvidenceFolder, RowsFolder, DatabaseName + "-journal":
			continue
		}
		return failure("make", c.dir, ErrOccupied, fmt.Errorf("the folder is not empty, and holds no %s", DatabaseName),
			"name the folder of a case, or a new one")
	}
	return err
}

// readersMayTake is how long a writer waits at least for those who look at the case.
const readersMayTake = 10 * time.Second

// connect opens case.db, and writes the schema into a new one. A reader opens it
// for writing too, where it may: only so can SQLite take back what a killed writer left.
func (c *Case) connect(ctx context.Context) error {
	flags := sqlite.OpenReadWrite
	path := filepath.Join(c.dir, DatabaseName)
	conn, err := sqlite.OpenConn(path, flags)
	if err != nil && c.mode == Read {
		conn, err = sqlite.OpenConn(path, sqlite.OpenReadOnly)
	}
	if err != nil {
		return c.fail(ctx, "open", err)
	}
	c.conn = conn
	wait := c.options.LockWait
	if c.mode != Read { // other writers are kept out by the lock, and a reader that looks is gone in a moment: no run is lost by it
		wait = max(wait, readersMayTake)
	}
	conn.SetBusyTimeout(wait)
	if err := c.checkSchema(ctx); err != nil {
		return err
	}
	pragmas := []string{fmt.Sprintf("PRAGMA cache_size = -%d", cacheKiB), "PRAGMA temp_store = FILE"}
	if c.mode == Read {
		pragmas = append(pragmas, "PRAGMA query_only = ON")
	} else {
		pragmas = append(pragmas, "PRAGMA journal_mode = DELETE", "PRAGMA synchronous = FULL")
	}
	for _, pragma := range pragmas {
		if err := sqlitex.ExecuteTransient(conn, pragma, nil); err != nil {
			return c.fail(ctx, "open", err)
		}
	}
	if err := c.mayChange(); err != nil {
		return c.fail(ctx, "open", err)
	}
	if err := c.upgrade(); err != nil {
		return c.fail(ctx, "upgrade", err)
	}
	c.id, err = c.meta("case")
	return c.fail(ctx, "open", err)
}

// mayChange refuses to work on with a case whose values are not those of the rows:
// what is restored from it would be pseudonyms.
func (c *Case) mayChange() error {
	if c.mode == Read {
		return nil
	}
	replaced, err := c.meta(metaPseudonymized)
	if err == nil && replaced != "" {
		err = failure("open", c.dir, ErrPseudonymized, errors.New("it is an export whose personal values were replaced, and only to be looked at"),
			"use the case that it was made of")
	}
	return err
}

// Close gives the case back. A run that is still in progress is taken back.
func (c *Case) Close() error {
	if c == nil {
		return nil
	}
	var err error
	if run := c.inProgress(); run != nil {
		err = run.Abandon(-1)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.conn != nil {
		c.conn.SetInterrupt(nil)
		err = errors.Join(err, c.fail(context.Background(), "close", c.conn.Close()))
		c.conn = nil
	}
	return errors.Join(err, c.release())
}

func (c *Case) release() error {
	held := c.lock
	c.lock = nil
	return held.Release()
}
