package runbook

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/journal"
)

// What lies in the folder of a run.
const (
	journalName  = "journal.jsonl"
	recordName   = "run.json"
	inputsName   = "inputs.json"
	bookName     = "book.md" // as it was when the run began
	runlogName   = "RUNLOG.md"
	manifestName = "manifest-sha256.txt"
	lockName     = "lock"
	startName    = "starting.lock" // beside the folders of runs
	stepsName    = "steps"
	evidenceName = "evidence"
)

// recordFormat is the version of run.json. A higher one is refused.
const recordFormat = 1

// startWait is how long somebody else may take to begin a run beside this one.
const startWait = 5 * time.Second

// record is run.json: what a run is of. It never changes.
type record struct {
	Format  int    `json:"format"`
	Book    string `json:"book"` // its path; not an absolute one: the book is in no file
	Title   string `json:"title"`
	SHA256  string `json:"sha256"`
	Dir     string `json:"dir"` // that blocks run in
	Version string `json:"version"`
	Who     string `json:"who"`
	Host    string `json:"host"`
	Began   string `json:"began"`
}

// makeFolder begins a run: nobody else may be running the same book beside it.
func makeFolder(ctx context.Context, b *Book, folder string, o *RunOptions) (*journal.Lock, error) {
	parent := filepath.Dir(folder)
	if err := os.MkdirAll(parent, 0o700); err != nil {
		return nil, err
	}
	starting, err := journal.Take(ctx, filepath.Join(parent, startName), startWait, o.Command)
	if err != nil {
		return nil, lockError(folder, err)
	}
	defer func() { _ = starting.Release() }() // the process has it no longer than it lives
	path := b.Path
	if b.inFile {
		if path, err = filepath.Abs(path); err != nil {
			return nil, err
		}
	}
	if err := refuseSecond(parent, path); err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(folder)
	switch {
	case err == nil && len(entries) > 0:
		return nil, failure("make run in", folder, ErrOccupied, "`pgrescue runbook resume` goes on with a run; a new one wants a folder of its own", "it holds %s", entries[0].Name())
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return nil, err
	}
	for _, name := range []string{stepsName, evidenceName} {
		if err := os.MkdirAll(filepath.Join(folder, name), 0o700); err != nil {
			return nil, err
		}
	}
	lock, err := takeLock(ctx, folder, o.Command)
	if err != nil {
		return nil, err
	}
	r := &record{
		Format: recordFormat, Book: path, Title: b.Title, SHA256: b.SHA256, Dir: o.Dir, Version: o.Version,
		Who: o.Who, Host: o.Host, Began: now(),
	}
	err = errors.Join(writeFile(filepath.Join(folder, bookName), b.source), writeJSON(filepath.Join(folder, recordName), r))
	if err != nil {
		return nil, errors.Join(err, lock.Release())
	}
	return lock, nil
}

// refuseSecond looks for a run of the same book that somebody is busy with.
func refuseSecond(parent, book string) error {
	records, err := filepath.Glob(filepath.Join(parent, "*", recordName))
	if err != nil {
		return err
	}
	for _, path := range records {
		var r record
		if readJSON(path, &r) != nil || r.Book != book {
			continue
		}
		holder, err := journal.HeldBy(filepath.Join(filepath.Dir(path), lockName))
		if err == nil && holder != "" {
			err = lockError(filepath.Dir(path), &journal.HeldError{Holder: holder})
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func takeLock(ctx context.Context, folder, command string) (*journal.Lock, error) {
	lock, err := journal.Take(ctx, filepath.Join(folder, lockName), 0, command)
	return lock, lockError(folder, err)
}

func lockError(folder string, err error) error {
	if errors.Is(err, journal.ErrHeld) {
		return failure("lock run", folder, ErrLocked, "talk to whoever runs it; `pgrescue runbook status` shows how far it is", "%w", err)
	}
	return err
}

// openFolder reads the record of a run.
func openFolder(folder string) (*record, error) {
	var r record
	err := readJSON(filepath.Join(folder, recordName), &r)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, failure("open run", folder, ErrNoRun, "name the folder that `pgrescue runbook run` has made", "there is no %s in it", recordName)
	case err != nil:
		return nil, failure("open run", folder, ErrDamaged, "begin a new run", "%s: %w", recordName, err)
	case r.Format > recordFormat:
		return nil, failure("open run", folder, ErrNewer, "use the pgrescue that made it, or a newer one", "its format is %d, this pgrescue knows %d", r.Format, recordFormat)
	}
	return &r, nil
}

// openRun reads the record of a run and its book, and gives the folder's whole path.
func openRun(folder string) (string, *record, *Book, error) {
	path, err := filepath.Abs(folder)
	if err != nil {
		return "", nil, nil, err
	}
	rec, err := openFolder(path)
	if err != nil {
		return "", nil, nil, err
	}
	book, err := bookOf(path, rec)
	return path, rec, book, err
}

// bookOf reads the book of a run: the file that it was, or else the copy in the folder.
func bookOf(folder string, r *record) (*Book, error) {
	if filepath.IsAbs(r.Book) {
		b, err := Open(r.Book)
		if !errors.Is(err, fs.ErrNotExist) {
			return b, err
		}
	}
	source, err := os.ReadFile(filepath.Join(folder, bookName))
	if err != nil {
		return nil, err
	}
	return Parse(r.Book, source)
}

// keptInputs is inputs.json.
type keptInputs struct {
	Values map[string]string `json:"values"`
	Secret []string          `json:"secret,omitempty"` // inputs that have a value, which is kept nowhere
}

func (b *Book) keepInputs(folder string, values map[string]string) error {
	kept := keptInputs{Values: make(map[string]string)}
	for _, name := range sortedKeys(values) {
		if in := b.input(name); in != nil && in.Secret() {
			kept.Secret = append(kept.Secret, name)
			continue
		}
		kept.Values[name] = values[name]
	}
	return writeJSON(filepath.Join(folder, inputsName), kept)
}

func readJSON(path string, into any) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	return json.Unmarshal(text, into)
}

func writeJSON(path string, value any) error {
	text, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		return err
	}
	return writeFile(path, append(text, '\n'))
}

// writeFile replaces a file of a run, which is for its owner.
func writeFile(path string, content []byte) error { return ReplaceFile(path, content, 0o600) }

// ReplaceFile writes a file in one moment: a reader sees the old one or the new one.
func ReplaceFile(path string, content []byte, mode fs.FileMode) error {
	file, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return err
	}
	_, err = file.Write(content)
	err = errors.Join(err, file.Chmod(mode), file.Sync(), file.Close())
	if err == nil {
		err = os.Rename(file.Name(), path)
	}
	if err != nil {
		return errors.Join(&evidence.Error{Op: "runbook: write", Place: path, Err: err}, os.Remove(file.Name()))
	}
	return journal.SyncFolder(filepath.Dir(path))
}

// stepFolder is the name of the folder of a visit, below that of the run.
func stepFolder(s *Step, visit int) string {
	name := s.Number
	if len(name) == 1 {
		name = "0" + name
	}
	if name == "" {
		name = s.ID
		if runes := []rune(name); len(runes) > 60 {
			name = string(runes[:60])
		}
	}
	if visit > 1 {
		name = fmt.Sprintf("%s-%d", name, visit)
	}
	return filepath.Join(stepsName, name)
}

func hashOf(text string) string {
	sum := sha256.Sum256([]byte(strings.TrimSpace(text)))
	return hex.EncodeToString(sum[:])
}
