package casefile

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/pgrescue/pgrescue/recover/evidence"
)

// ExportOptions say what goes into a bundle.
type ExportOptions struct {
	Dir     string // must not be there
	Version string // of pgrescue
	// Evidence adds copies of the evidence.
	Evidence bool
	// Personal are the columns whose values are replaced, and Key what they are hashed with.
	Personal []Personal
	Key      []byte
	// Progress begins a stage of so many bytes; may be nil.
	Progress func(stage string, bytes int64) (done func(int64))
}

// Exported is what a bundle holds.
type Exported struct {
	Dir      string    `json:"dir"`
	Files    int       `json:"files"`
	Bytes    int64     `json:"bytes"`
	Rows     int64     `json:"rows"`
	Replaced int64     `json:"values_replaced"`
	Evidence int       `json:"evidence_copied"`
	Missing  []Problem `json:"evidence_not_copied"` // or not what was read
	Columns  []string  `json:"pseudonymized,omitempty"`
}

// Export writes the case as a bundle. The bundle is of one moment, and is there as
// a whole or not at all.
func (c *Case) Export(ctx context.Context, opts ExportOptions) (*Exported, error) {
	b, err := newBundle(filepath.Clean(opts.Dir))
	if err != nil {
		return nil, c.exportFailure(ctx, opts.Dir, err)
	}
	defer b.discard()
	e := &export{c: c, ctx: ctx, bundle: b, opts: opts, result: &Exported{Dir: opts.Dir, Missing: []Problem{}}, names: make(map[string]bool)}
	if e.opts.Progress == nil {
		e.opts.Progress = func(string, int64) func(int64) { return func(int64) {} }
	}
	if err := e.write(); err != nil {
		return nil, c.exportFailure(ctx, opts.Dir, err)
	}
	e.result.Files, e.result.Bytes = len(b.payload), b.bytes
	return e.result, nil
}

// exportFailure says what an error means for the place of the bundle.
func (c *Case) exportFailure(ctx context.Context, dir string, err error) error {
	var known *evidence.Error
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("case: export: %w", ctx.Err())
	case errors.As(err, &known):
		return err
	case errors.Is(err, ErrExists):
		return &evidence.Error{Op: "case: export to", Place: dir, Err: ErrExists, Hint: "name a new folder"}
	case diskError(err):
		return failure("export to", dir, ErrDisk, err, "make room, or name a folder on another disk; nothing was left there")
	}
	return &evidence.Error{Op: "case: export to", Place: dir, Err: err}
}

// export is one bundle on its way.
type export struct {
	c      *Case
	ctx    context.Context
	bundle *bundle
	opts   ExportOptions
	result *Exported
	copied *Case // the bundle's own case.db, read only
	names  map[string]bool
}

func (e *export) write() error {
	if err := e.database(); err != nil {
		return err
	}
	defer e.copied.Close()
	if err := e.journal(); err != nil {
		return err
	}
	if err := e.tables(); err != nil {
		return err
	}
	if err := e.evidence(); err != nil {
		return err
	}
	if err := e.lists(); err != nil {
		return err
	}
	for _, tag := range []struct{ name, text string }{
		{"bagit.txt", "BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"},
		{"bag-info.txt", e.info()},
		{"README.txt", e.readme()},
	} {
		if err := e.bundle.text(e.bundle.tagFile, tag.name, tag.text); err != nil {
			return err
		}
	}
	return e.bundle.finish()
}

// database puts a copy of case.db into the bundle, as it is at one moment. VACUUM
// INTO leaves out what was deleted, so that no replaced value stays in a free page.
func (e *export) database() error {
	work := filepath.Join(e.bundle.temp, "work")
	if err := os.Mkdir(work, 0o700); err != nil {
		return err
	}
	path := filepath.Join(work, DatabaseName)
	if err := e.c.vacuumInto(e.ctx, path); err != nil {
		return err
	}
	if len(e.opts.Personal) > 0 {
		var err error
		if path, err = e.pseudonymize(path, filepath.Join(work, "replaced.db")); err != nil {
			return err
		}
	}
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	size := int64(0)
	if info, err := file.Stat(); err == nil {
		size = info.Size()
	}
	if _, err := e.bundle.copy(e.ctx, file, DatabaseName, e.opts.Progress("copying "+DatabaseName, size)); err != nil {
		return err
	}
	if e.copied, err = Open(e.ctx, filepath.Join(e.bundle.temp, payloadFolder), Read, Options{}); err != nil {
		return err
	}
	return os.RemoveAll(work)
}

// vacuumInto writes the database into a new file.
func (c *Case) vacuumInto(ctx context.Context, path string) (err error) {
	// SQLite would make the file readable for all.
	file, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_EXCL, 0o600)
	if err == nil {
		err = file.Close()
	}
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.conn.SetInterrupt(ctx.Done())
	defer c.conn.SetInterrupt(nil)
	if c.mode == Read {
		// A case that is only looked at takes VACUUM INTO for writing, which it is not.
		if err := sqlitex.ExecuteTransient(c.conn, "PRAGMA query_only = OFF", nil); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, sqlitex.ExecuteTransient(c.conn, "PRAGMA query_only = ON", nil)) }()
	}
	err = sqlitex.ExecuteTransient(c.conn, "VACUUM INTO ?", &sqlitex.ExecOptions{Args: []any{path}})
	return c.fail(ctx, "copy", err)
}

// journal copies the journal up to the last line that the copied case.db knows: what
// was written since is of runs that it does not hold.
func (e *export) journal() error {
	known, err := e.copied.knownJournal()
	if err != nil {
		return err
	}
	f, err := e.bundle.payloadFile(JournalName)
	if err != nil {
		return err
	}
	_, err = e.c.readJournal(func(n int64, line []byte, _ string) error {
		if n > known.Lines {
			return nil
		}
		_, err := f.Write(append(line, '\n'))
		return err
	})
	if err != nil {
		return errors.Join(err, f.file.Close())
	}
	return f.close()
}

// evidence copies the evidence into the bundle, where that was asked for. A file
// that is not what was read any more is copied all the same, and told.
func (e *export) evidence() error {
	if !e.opts.Evidence {
		return nil
	}
	files, err := e.copied.lastRead(e.ctx)
	if err != nil {
		return err
	}
	var total int64
	for _, f := range files {
		total += f.Size
	}
	done := e.opts.Progress("copying the evidence", total)
	for _, f := range files {
		if f.Kind == KindServer {
			continue
		}
		file, err := evidence.Open(f.Path)
		if err != nil {
			e.result.Missing = append(e.result.Missing, Problem{f.Path, err.Error()})
			continue
		}
		sum, err := e.bundle.copy(e.ctx, file, EvidenceFolder+"/"+evidenceName(e.names, f.Path), done)
		_ = file.Close() // opened for reading only
		if err != nil {
			return err
		}
		e.result.Evidence++
		if f.SHA256 != "" && sum != f.SHA256 {
			e.result.Missing = append(e.result.Missing, Problem{f.Path, "the copy is not what was read: its SHA-256 is " + sum + ", and was " + f.SHA256})
		}
	}
	return nil
}

// evidenceName keeps the folders of a path.
func evidenceName(taken map[string]bool, path string) string {
	parts := strings.Split(filepath.ToSlash(strings.TrimPrefix(path, "/")), "/")
	for i, part := range parts[:len(parts)-1] {
		parts[i] = safeName(make(map[string]bool), part)
	}
	folder := strings.Join(parts[:len(parts)-1], "/")
	in := make(map[string]bool)
	name := safeName(in, parts[len(parts)-1])
	for n := 2; taken[folder+"/"+name]; n++ {
		name = fmt.Sprintf("%s.%d", name, n)
	}
	taken[folder+"/"+name] = true
	return folder + "/" + name
}

func (e *export) info() string {
	return fmt.Sprintf(`Bagging-Date: %s
Bag-Software-Agent: pgrescue %s
External-Identifier: %s
External-Description: what pgrescue found about one loss of rows
Payload-Oxum: %d.%d
`, time.Now().UTC().Format("2006-01-02"), e.opts.Version, e.c.id, e.bundle.bytes, len(e.bundle.payload))
}

func (e *export) readme() string {
	text := `What pgrescue found about one loss of rows
==========================================

Nothing but a text editor, a spreadsheet and sha256sum is needed to read this.

Is it complete and unchanged?

    sha256sum -c manifest-sha256.txt
    sha256sum -c tagmanifest-sha256.txt

What is where

    data/rows/*.csv       the row versions that were found, one file per table. A
                          version that was found by two routes is there twice. The
                          columns that begin with _ say where a row comes from:
                          _route and _confidence (proven: bytes from the database's
                          own files; derived: from an older copy; claimed: from logs),
                          _operation and _commit_time of what destroyed it, _unknown
                          (the columns whose value could not be had), _origins
                          (of a row of logs: where each value stands). \N is NULL.
    data/ledger.csv       one line for each version that was destroyed: what settled
                          it, or why it is missing
    data/balance.csv      the sum of the ledger, per table
    data/timeline.csv     what happened, in order
    data/counts.csv       how many rows there are as logs say
    data/evidence.csv     the files that were read, with size and SHA-256
    data/gaps.csv         evidence that could not be read, and what follows
    data/journal.jsonl    who ran which command, and how it ended. Each line holds
                          the SHA-256 of the line before
    data/case.db          all of it, for any browser of SQLite files: begin with the
                          views, such as row_list and ledger_list. Times are
                          microseconds since 1970 in UTC
    data/evidence/        copies of the evidence, if they were asked for

Times are UTC. The folder is a bag in the sense of RFC 8493 (BagIt).
`
	if len(e.opts.Personal) > 0 {
		text += `
Pseudonyms

The values of these columns were replaced by their HMAC-SHA256 under a key that is not
in here. The same value has the same pseudonym everywhere. NULL stays NULL. What a
statement or a message of a log quotes was taken out of the timeline.

`
		for _, column := range e.result.Columns {
			text += "    " + column + "\n"
		}
	}
	return text
}
