package archives

import (
	"bufio"
	"crypto/sha1" //nolint:gosec // pgBackRest's choice; it tells damage, not forgery
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"sync"
)

const (
	// chunkSize is the step in which a file is decompressed.
	chunkSize = 256 << 10
	// inMemory is the biggest content that is held in memory; more goes into a spool.
	inMemory = 16 << 20
)

// inflater decompresses a file as far as somebody reads it, and holds what it has.
type inflater struct {
	mu     sync.Mutex
	kind   string
	stored io.Closer
	stream io.Reader
	end    func() // of the stream
	limit  int64
	size   int64 // bytes decompressed so far
	err    error // why there are no more; io.EOF where the stream ends as it should
	excess bool  // the stream goes on behind the limit
	sum    hash.Hash
	want   string // the checksum that the content must have; "": not known
	chunks [][]byte
	spool  *os.File
	step   []byte // of the spool
}

func newInflater(c *compression, stored section, head []byte, limit int64, want string) (*inflater, error) {
	stream, end, err := c.open(bufio.NewReaderSize(io.NewSectionReader(stored, 0, stored.Size()), 64<<10), head)
	if err != nil {
		return nil, fmt.Errorf("decompress %s: %w", c.name, cut(err))
	}
	f := &inflater{kind: c.name, stored: stored, stream: stream, end: end, limit: limit, want: want}
	if want != "" {
		f.sum = sha1.New() //nolint:gosec // see the import
	}
	return f, nil
}

// cut says plainly that a stream ends before its end.
func cut(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("the file was cut")
	}
	return err
}

// Compression names how the file is compressed.
func (f *inflater) Compression() string { return f.kind }

// ReadAt reads decompressed bytes.
func (f *inflater) ReadAt(p []byte, off int64) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if off < 0 {
		return 0, fmt.Errorf("read at %d", off)
	}
	f.advance(min(off+int64(len(p)), f.limit))
	n, err := f.copyAt(p, off)
	switch {
	case err != nil || n == len(p):
		return n, err
	case f.err != nil && !errors.Is(f.err, io.EOF):
		return n, f.err
	}
	return n, fmt.Errorf("its content ends after %d bytes: %w", f.size, io.EOF)
}

// advance decompresses up to the given size, or as far as it goes.
func (f *inflater) advance(to int64) {
	for f.size < to && f.err == nil {
		space, err := f.space()
		if err != nil {
			f.err = err
			return
		}
		n, err := f.stream.Read(space)
		if f.sum != nil {
			f.sum.Write(space[:n])
		}
		if kept := f.keep(space[:n]); kept != nil {
			f.err = kept
			return
		}
		f.stop(err)
	}
	if f.size == f.limit && f.err == nil {
		f.finish()
	}
}

// stop notes an error of the stream.
func (f *inflater) stop(err error) {
	switch {
	case err == nil:
	case err == io.EOF: //nolint:errorlint // a reader ends with this very value; a wrapped one is damage
		f.err = io.EOF
	default:
		f.err = fmt.Errorf("decompress %s behind byte %d: %w", f.kind, f.size, cut(err))
	}
}

// finish looks whether the stream ends where its content may. Decompressors check
// their own checksums there.
func (f *inflater) finish() {
	var one [1]byte
	for range 100 { // a reader may return nothing now and then
		n, err := f.stream.Read(one[:])
		if n > 0 {
			f.excess, f.err = true, io.EOF
			return
		}
		if err != nil {
			f.stop(err)
			return
		}
	}
	f.err = io.ErrNoProgress
}

// space is where the next bytes go; it is not empty.
func (f *inflater) space() ([]byte, error) {
	size := min(chunkSize, f.limit-f.size)
	if f.limit > inMemory {
		if f.spool == nil {
			spool, err := newSpool()
			if err != nil {
				return nil, err
			}
			f.spool, f.step = spool, make([]byte, chunkSize)
		}
		return f.step[:size], nil
	}
	at := f.size % chunkSize
	if at == 0 {
		f.chunks = append(f.chunks, make([]byte, size))
	}
	return f.chunks[len(f.chunks)-1][at:], nil
}

// keep counts bytes that were read into space.
func (f *inflater) keep(b []byte) error {
	if f.spool != nil && len(b) > 0 {
		if _, err := f.spool.WriteAt(b, f.size); err != nil {
			return fmt.Errorf("write to temporary file: %w", err)
		}
	}
	f.size += int64(len(b))
	return nil
}

// copyAt copies what was decompressed.
func (f *inflater) copyAt(p []byte, off int64) (int, error) {
	if off >= f.size {
		return 0, nil
	}
	p = p[:min(int64(len(p)), f.size-off)]
	if f.spool != nil {
		return f.spool.ReadAt(p, off)
	}
	n := 0
	for n < len(p) {
		at := off + int64(n)
		n += copy(p[n:], f.chunks[at/chunkSize][at%chunkSize:])
	}
	return n, nil
}

// Length decompresses the rest and tells how many bytes it gave.
func (f *inflater) Length() (int64, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.advance(f.limit)
	if f.err != nil && !errors.Is(f.err, io.EOF) {
		return f.size, f.err
	}
	return f.size, nil
}

// Verify decompresses the rest and tells what is wrong with the whole.
func (f *inflater) Verify() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.advance(f.limit)
	switch {
	case f.excess:
		return fmt.Errorf("decompressed it has more than the %d bytes of a segment", f.limit)
	case !errors.Is(f.err, io.EOF):
		if f.size == f.limit {
			return f.err
		}
		return nil // ReadAt says it
	case f.sum != nil && hex.EncodeToString(f.sum.Sum(nil)) != f.want:
		return errChecksum
	}
	return nil
}

// Close gives the memory and the spool back.
func (f *inflater) Close() error {
	f.end()
	f.chunks = nil
	err := f.stored.Close()
	if f.spool != nil {
		err = errors.Join(err, f.spool.Close())
	}
	return err
}

// newSpool makes a temporary file. Its name goes at once, its space when it is
// closed, even after a crash.
func newSpool() (*os.File, error) {
	file, err := os.CreateTemp("", "pgrescue-wal-")
	if err != nil {
		return nil, fmt.Errorf("make temporary file: %w", err)
	}
	if err := os.Remove(file.Name()); err != nil {
		_ = file.Close() // the first error counts
		return nil, fmt.Errorf("unlink temporary file: %w", err)
	}
	return file, nil
}
