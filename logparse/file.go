package logparse

import (
	"bytes"
	"errors"
	"io"
	"time"

	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/packed"
)

// sampleSize is how much of a source is looked at before it is read.
const sampleSize = 512 << 10

// file is what lines are read from.
type file struct {
	path  string // "": standard input
	trail *evidence.Trail
	kind  packed.Kind
	order byteOrder
	size  int64 // bytes on disk; -1: not known

	modified time.Time // of standard input: when it was found

	stdin  *packed.Reader // what follows the sample
	sample []byte         // of standard input
	used   bool           // standard input is read once
}

var errUsed = errors.New("standard input can be read once only")

func (f *file) name() string {
	if f.path == "" {
		return "standard input"
	}
	return f.path
}

// content is the uncompressed text of a file, in UTF-8 or what it takes for it.
type content struct {
	io.Reader
	packed *packed.Reader
	closer io.Closer
}

// Close gives back what reading holds.
func (c *content) Close() {
	c.packed.Close()
	if c.closer != nil {
		_ = c.closer.Close() // it was only read
	}
}

// open begins to read the file; the trail remembers that.
func (f *file) open(trail *evidence.Trail) (*content, error) {
	if f.path == "" {
		if f.used {
			return nil, errUsed
		}
		f.used = true
		return f.text(io.MultiReader(bytes.NewReader(f.sample), f.stdin), f.stdin, nil), nil
	}
	opened, err := trail.Open(f.path, evidence.KindLog)
	if err != nil {
		return nil, err
	}
	stream, err := packed.NewReader(opened, f.kind, packed.Logs())
	if err != nil {
		_ = opened.Close() // the first error counts
		return nil, err
	}
	return f.text(stream, stream, opened), nil
}

// text puts the decoding of UTF-16 upon a stream.
func (f *file) text(r io.Reader, stream *packed.Reader, closer io.Closer) *content {
	if f.order != 0 {
		r = &narrow{r: r, order: f.order}
	}
	return &content{Reader: r, packed: stream, closer: closer}
}

// head gives the beginning of the text, as much as a sample is. No trail remembers it: the file may turn out to be no log.
func (f *file) head() ([]byte, error) {
	if f.path == "" {
		sample := f.sample
		if f.order != 0 {
			return io.ReadAll(&narrow{r: bytes.NewReader(sample), order: f.order})
		}
		return sample, nil
	}
	content, err := f.open(nil)
	if err != nil {
		return nil, err
	}
	defer content.Close()
	sample, err := io.ReadAll(io.LimitReader(content, sampleSize))
	if errors.Is(err, packed.ErrDamaged) {
		err = nil // Lines says it
	}
	return sample, err
}

const (
	excerptSize  = 128 << 10
	excerptLines = 500
)

// excerpts gives whole lines of the middle and the end of the source's last file, as far as that can be had
// without reading what stands before them.
func (s *Source) excerpts() ([][]byte, error) {
	f := &s.files[len(s.files)-1]
	if f.path == "" || f.kind != packed.None || f.order != 0 || f.size <= sampleSize+2*excerptSize {
		return nil, nil
	}
	opened, err := evidence.Open(f.path)
	if err != nil {
		return nil, &evidence.Error{Op: "logparse: open", Place: f.path, Err: cause(err)}
	}
	defer opened.Close()
	var excerpts [][]byte
	for _, at := range []int64{f.size / 2, f.size - excerptSize} {
		excerpt := make([]byte, excerptSize)
		n, err := opened.ReadAt(excerpt, at)
		if err != nil && err != io.EOF { //nolint:errorlint // ReadAt ends with this very value
			return nil, &evidence.Error{Op: "logparse: read", Place: f.path, Err: cause(err)}
		}
		if _, rest, found := bytes.Cut(excerpt[:n], newline); found {
			excerpts = append(excerpts, rest)
		}
	}
	return excerpts, nil
}
