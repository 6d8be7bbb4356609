package casefile

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/pgrescue/pgrescue/recover/evidence"
)

// How evidence was read, and what became of it until it was hashed.
const (
	readOnly      = "opened for reading only"
	readAndGone   = readOnly + "; it was gone before it could be hashed"
	readAndOther  = readOnly + "; it changed while it was read"
	readAndClosed = readOnly + "; it could not be read again for its hash"
)

// KindServer is evidence that is no file: its path is an address.
const KindServer = "server"

// ReadFile is the line of the manifest for a file that was read.
func ReadFile(read *evidence.Read) File {
	f := File{Path: read.Path, Kind: string(read.Kind), Size: read.Size, Modified: read.Modified, How: readOnly}
	if read.Relation.Relation != 0 {
		f.RelFile = read.Relation.String()
	}
	return f
}

// Manifest hashes files that the run read, and notes them. A file that the case
// knows with the same size and time keeps its hash, as VerifyEvidence is there to
// hash everything again. progress is told how many bytes there are to hash, and
// gives what is to be called with bytes done.
func (r *Run) Manifest(ctx context.Context, files []File, progress func(total int64) (done func(int64))) error {
	var total int64
	for i := range files {
		f := &files[i]
		var err error
		if f.SHA256, err = r.knownHash(f); err != nil {
			return err
		}
		if f.SHA256 == "" {
			total += f.Size
		}
	}
	done := progress(total)
	for _, f := range files {
		if f.SHA256 == "" {
			if err := f.hash(ctx, done); err != nil {
				return fmt.Errorf("case: hash the evidence: %w", err)
			}
		}
		if err := r.Evidence(f); err != nil {
			return err
		}
	}
	return nil
}

// knownHash is the hash that a file got from an earlier run; "" if the case does not
// know it, or if its size or time has changed since.
func (r *Run) knownHash(f *File) (sum string, err error) {
	err = r.do("look for evidence in", func() error {
		return sqlitex.Execute(r.c.conn, "SELECT sha256 FROM evidence WHERE path = ? AND size = ? AND mtime = ? ORDER BY last_run", &sqlitex.ExecOptions{
			Args:       []any{f.Path, f.Size, micros(f.Modified)},
			ResultFunc: func(stmt *sqlite.Stmt) error { sum = stmt.ColumnText(0); return nil },
		})
	})
	return sum, err
}

// hash hashes one file. What became of it since it was read is said in the line;
// only an interruption is an error.
func (f *File) hash(ctx context.Context, done func(int64)) error {
	sum, size, err := hashFile(ctx, f.Path, done)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, fs.ErrNotExist):
		f.How = readAndGone
	case err != nil:
		f.How = readAndClosed
	default:
		f.SHA256 = sum
		if size != f.Size {
			f.How, f.Size = readAndOther, size
		}
	}
	return nil
}

// hashFile gives the SHA-256 of a file and the number of bytes that it is of.
func hashFile(ctx context.Context, path string, done func(int64)) (sum string, size int64, err error) {
	file, err := evidence.Open(path)
	if err != nil {
		return "", 0, err
	}
	defer file.Close()
	hash := sha256.New()
	size, err = copyBytes(ctx, hash, file, done)
	return hex.EncodeToString(hash.Sum(nil)), size, err
}

// copyBytes copies until the end, and can be interrupted.
func copyBytes(ctx context.Context, to io.Writer, from io.Reader, done func(int64)) (size int64, err error) {
	piece := make([]byte, 1<<20)
	for {
		if err := ctx.Err(); err != nil {
			return size, err
		}
		n, err := from.Read(piece)
		if _, failed := to.Write(piece[:n]); failed != nil {
			return size, failed
		}
		size += int64(n)
		done(int64(n))
		switch {
		case errors.Is(err, io.EOF):
			return size, nil
		case err != nil:
			return size, err
		}
	}
}

// VerifyEvidence hashes the evidence again, and tells of every file that is not what
// the run that read it last had before it.
func (c *Case) VerifyEvidence(ctx context.Context, progress func(total int64) (done func(int64))) ([]Problem, error) {
	files, err := c.lastRead(ctx)
	if err != nil {
		return nil, err
	}
	var total int64
	for _, f := range files {
		total += f.Size
	}
	done := progress(total)
	var problems []Problem
	for _, f := range files {
		what, err := f.differs(ctx, done)
		if err != nil {
			return problems, c.fail(ctx, "verify evidence of", err)
		}
		if what != "" {
			problems = append(problems, Problem{f.Path, what})
		}
	}
	return problems, nil
}

// differs says how a file differs from its line in the manifest; "" if it does not.
func (f *manifestLine) differs(ctx context.Context, done func(int64)) (string, error) {
	if f.Kind == KindServer {
		return "", nil
	}
	if f.SHA256 == "" {
		return "it was never hashed: " + f.How, nil
	}
	sum, size, err := hashFile(ctx, f.Path, done)
	switch {
	case ctx.Err() != nil:
		return "", ctx.Err()
	case errors.Is(err, fs.ErrNotExist):
		return "it is not there any more", nil
	case err != nil:
		return err.Error(), nil
	case size != f.Size:
		return fmt.Sprintf("it has %d bytes, and had %d", size, f.Size), nil
	case sum != f.SHA256:
		return fmt.Sprintf("its SHA-256 is %s, and was %s", sum, f.SHA256), nil
	case f.versions > 1:
		return fmt.Sprintf("runs read it with %d different contents; it is as the last one had it", f.versions), nil
	}
	return "", nil
}

// manifestLine is the last line of the manifest for a path.
type manifestLine struct {
	File
	versions int64 // how many contents runs met under the path
}

// lastRead lists the evidence as it was read last, by path.
func (c *Case) lastRead(ctx context.Context) ([]manifestLine, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return nil, c.fail(ctx, "read", err)
	}
	var list []manifestLine
	// A bare column beside max() is that of the row with the maximum.
	err := c.each(`SELECT path, kind, size, sha256, how, relfile, count(*), max(last_run) FROM evidence GROUP BY path ORDER BY path`, func(stmt *sqlite.Stmt) error {
		list = append(list, manifestLine{versions: stmt.ColumnInt64(6), File: File{
			Path: stmt.ColumnText(0), Kind: stmt.ColumnText(1), Size: stmt.ColumnInt64(2), SHA256: stmt.ColumnText(3),
			How: stmt.ColumnText(4), RelFile: stmt.ColumnText(5),
		}})
		return nil
	})
	return list, c.fail(ctx, "read", err)
}
