package preserve

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/journal"
)

// File is a copy in the case.
type File struct {
	Path     string // of the copy
	From     string
	Kind     evidence.Kind
	Size     int64
	Modified time.Time // of the original
	SHA256   string    // "": an earlier capture made the copy
	Note     string    // such as that it changed while it was copied
}

// Copied is what one step of a capture did.
type Copied struct {
	Name     string   `json:"name"`
	To       string   `json:"to"` // in the case's folder evidence
	Files    int      `json:"files"`
	Bytes    int64    `json:"bytes"`
	Kept     int      `json:"kept,omitempty"`     // from an earlier capture
	Vanished []string `json:"vanished,omitempty"` // before they could be copied; the first of them
	Changed  []string `json:"changed,omitempty"`  // while they were copied; the first of them
	// VanishedFiles and ChangedFiles count all of them.
	VanishedFiles int `json:"vanished_files,omitempty"`
	ChangedFiles  int `json:"changed_files,omitempty"`
}

// mostNamed bounds how many files are named in a list.
const mostNamed = 20

// copier fills the folder of evidence.
type copier struct {
	*work
	files []File
}

// copyJob is a set of files that go to one folder.
type copyJob struct {
	name  string
	from  place
	to    string // in the folder of evidence
	items []item // of the place
	strip string // what is taken off their paths
	kind  func(string) evidence.Kind
	fresh bool // what changed since an earlier capture is copied again
}

// relative is where a file goes to below the folder of the job.
func (j *copyJob) relative(it item) string {
	name := it.path
	if j.strip != "" {
		name, _ = filepath.Rel(j.strip, name) // both are paths of one tree
	}
	return filepath.FromSlash(name)
}

// target is the path of a copy, and whether it is there already. What changed since an earlier capture gets a
// path of its own, because nothing is written over: in a folder that readers of WAL open, too.
func (w *work) target(j *copyJob, it item) (path string, there bool) {
	name := j.relative(it)
	path = filepath.Join(w.Folder, j.to, name)
	for n := 2; ; n++ {
		info, err := os.Lstat(path)
		switch {
		case err != nil:
			return path, false
		case !j.fresh || info.Size() == it.size && info.ModTime().Equal(it.modified.Truncate(time.Microsecond)):
			return path, true
		}
		later := fmt.Sprintf("later-%d", n)
		if j.to == toLast {
			later = fmt.Sprintf("%016X", n)
		}
		path = filepath.Join(w.Folder, j.to, later, name)
	}
}

// todo counts the bytes that are not copied yet.
func (w *work) todo(j *copyJob) (bytes int64) {
	for _, it := range j.items {
		if it.folder {
			continue
		}
		if w.Folder == "" {
			bytes += it.size
		} else if _, there := w.target(j, it); !there {
			bytes += it.size
		}
	}
	return bytes
}

// run copies the files of a job.
func (c *copier) run(ctx context.Context, j *copyJob) (*Copied, error) {
	done := &Copied{Name: j.name, To: j.to}
	var total int64
	for _, it := range j.items {
		total += it.size
	}
	progress := c.Progress("copying: "+j.name, total)
	for _, it := range j.items {
		if it.folder {
			if err := os.MkdirAll(filepath.Join(c.Folder, j.to, j.relative(it)), 0o700); err != nil {
				return done, err
			}
			continue
		}
		if err := c.one(ctx, j, it, done, progress); err != nil {
			return done, err
		}
	}
	return done, nil
}

func (c *copier) one(ctx context.Context, j *copyJob, it item, done *Copied, progress func(int64)) error {
	target, there := c.target(j, it)
	file := File{Path: target, From: j.from.at(it.path), Kind: j.kind(it.path), Size: it.size, Modified: it.modified}
	if there {
		if info, err := os.Lstat(target); err == nil {
			file.Size, file.Modified = info.Size(), info.ModTime()
		}
		done.Kept++
		progress(it.size)
		c.files = append(c.files, file)
		return nil
	}
	err := c.copy(ctx, j, it, &file, progress)
	switch {
	case err == nil:
	case lost(ctx, err):
		return err
	case errors.Is(err, fs.ErrNotExist):
		if done.VanishedFiles++; len(done.Vanished) < mostNamed {
			done.Vanished = append(done.Vanished, it.path)
		}
		return nil
	case isOurs(err):
		return err
	default:
		c.lacks(file.From, err.Error())
		return nil
	}
	if file.Note != "" {
		if done.ChangedFiles++; len(done.Changed) < mostNamed {
			done.Changed = append(done.Changed, it.path)
		}
	}
	done.Files++
	done.Bytes += file.Size
	c.files = append(c.files, file)
	return nil
}

// writeError is an error of the copy and not of the original.
type writeError struct{ error }

func (e writeError) Unwrap() error { return e.error }

func isOurs(err error) bool {
	var own writeError
	return errors.As(err, &own)
}

// copy copies one file.
func (c *copier) copy(ctx context.Context, j *copyJob, it item, file *File, progress func(int64)) error {
	in, err := j.from.open(ctx, it.path)
	if err != nil {
		return err
	}
	defer in.Close()
	info, sum, err := whole(file.Path, it.modified.Truncate(time.Microsecond), func(out io.Writer) error { return pump(ctx, out, in, progress) })
	if err != nil {
		return err
	}
	if info.Size() != it.size {
		file.Note = "it changed while it was copied"
	}
	file.Size, file.SHA256 = info.Size(), sum
	return nil
}

// whole makes a file of what fill writes, and gives its SHA-256. Under its name it is only seen when it is whole and on
// the disk. modified is when its original was; zero: it has none.
func whole(path string, modified time.Time, fill func(io.Writer) error) (info os.FileInfo, sum string, err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, "", writeError{err}
	}
	part := path + ".part"
	out, err := os.OpenFile(part, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, "", writeError{err}
	}
	hash := sha256.New()
	buffered := bufio.NewWriter(io.MultiWriter(out, hash))
	if err = fill(buffered); err == nil {
		err = ours(errors.Join(buffered.Flush(), out.Sync()))
	}
	err = errors.Join(err, ours(out.Close()))
	if err == nil && !modified.IsZero() {
		err = ours(os.Chtimes(part, time.Time{}, modified))
	}
	if err == nil {
		info, err = os.Stat(part)
		err = ours(err)
	}
	if err != nil {
		return nil, "", errors.Join(err, os.Remove(part))
	}
	return info, hex.EncodeToString(hash.Sum(nil)), ours(errors.Join(os.Rename(part, path), journal.SyncFolder(filepath.Dir(path))))
}

func ours(err error) error {
	if err == nil {
		return nil
	}
	return writeError{err}
}

// pump copies until the end, and can be interrupted.
func pump(ctx context.Context, to io.Writer, from io.Reader, progress func(int64)) error {
	piece := make([]byte, 1<<20)
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := from.Read(piece)
		if n > 0 {
			if _, failed := to.Write(piece[:n]); failed != nil {
				return writeError{failed}
			}
		}
		progress(int64(n))
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
	}
}
