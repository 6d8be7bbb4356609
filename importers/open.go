package importers

import (
	"archive/zip"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/pgrescue/pgrescue/recover/evidence"
)

// The ways in which a Source can be compressed.
const (
	plain     = ""
	gzipped   = "gzip"
	zstandard = "zstd"
	zipped    = "zip"
)

// ErrUnreadable is what a file is that was named and cannot be read as a source.
var ErrUnreadable = errors.New("not a source that can be read")

// ErrDamaged is what a reader of Open returns when the content ends before its end: a compressed
// file that was cut, or whose checksum is wrong. What was read up to there is good as far as anybody knows.
var ErrDamaged = errors.New("the compressed content is damaged")

// ErrBomb is what a reader of Open returns when a small file grows beyond all measure.
var ErrBomb = errors.New("the compressed content grows beyond all measure")

const (
	// bombFree is how much may come out of any compressed file, and bombRatio how many times its
	// size behind that. Tables compress 3 to 30 times; a file made to hurt, a thousand times and more.
	bombFree  = 256 << 20
	bombRatio = 200
	// maxWindow bounds the memory that a stream may ask for before it gives a byte.
	maxWindow = 128 << 20
)

// Open gives the uncompressed bytes of the source. Nothing is written, and the trail remembers the file.
func (s *Source) Open(trail *evidence.Trail) (io.ReadCloser, error) {
	file, err := trail.Open(s.Path, evidence.KindSource)
	if err != nil {
		return nil, &evidence.Error{Op: "importers: open", Place: s.Place(), Err: err}
	}
	content, err := s.content(file)
	if err != nil {
		file.Close()
		return nil, &evidence.Error{Op: "importers: open", Place: s.Place(), Err: err}
	}
	return content, nil
}

// content puts the decompression of the source upon its file.
func (s *Source) content(file *os.File) (io.ReadCloser, error) {
	switch s.Compression {
	case plain:
		return file, nil
	case gzipped, zstandard:
		info, err := file.Stat()
		if err != nil {
			return nil, err
		}
		stream, end, err := decompress(file, s.Compression)
		if err != nil {
			return nil, err
		}
		return &inflated{r: stream, limit: bombLimit(info.Size()), close: func() error { end(); return file.Close() }}, nil
	case zipped:
		info, err := file.Stat()
		if err != nil {
			return nil, err
		}
		archive, err := zip.NewReader(file, info.Size())
		if err != nil {
			return nil, damaged(err)
		}
		for _, member := range archive.File {
			if member.Name == s.Member {
				return openMember(file, member)
			}
		}
		return nil, fmt.Errorf("the archive has no member %q", s.Member)
	}
	return nil, fmt.Errorf("the compression %q is not known", s.Compression)
}

func openMember(file *os.File, member *zip.File) (io.ReadCloser, error) {
	stream, err := member.Open()
	if err != nil {
		return nil, damaged(err)
	}
	return &inflated{r: stream, limit: bombLimit(int64(member.CompressedSize64)), close: func() error {
		return errors.Join(stream.Close(), file.Close())
	}}, nil
}

// decompress opens a stream of a compression, with a function that ends it.
func decompress(r io.Reader, compression string) (io.Reader, func(), error) {
	if compression == gzipped {
		stream, err := gzip.NewReader(r)
		return stream, func() {}, damaged(err)
	}
	stream, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
		zstd.WithDecoderMaxWindow(maxWindow))
	if err != nil {
		return nil, nil, damaged(err)
	}
	return stream, stream.Close, nil
}

func bombLimit(compressed int64) int64 {
	return max(bombFree, min(compressed, 1<<53)*bombRatio)
}

// inflated is a stream of uncompressed bytes that tells damage from its end, and ends a bomb.
type inflated struct {
	r     io.Reader
	limit int64 // bytes that may still come
	close func() error
}

// Read implements io.Reader.
func (f *inflated) Read(p []byte) (int, error) {
	n, err := f.r.Read(p)
	if f.limit -= int64(n); f.limit < 0 {
		return 0, fmt.Errorf("%w: more than %d times its size; if that is meant, decompress it and name the result", ErrBomb, bombRatio)
	}
	if err != nil && err != io.EOF {
		err = damaged(err)
	}
	return n, err
}

// Close closes the stream and the file.
func (f *inflated) Close() error { return f.close() }

// damaged makes an error of a decompressor one of ErrDamaged; errors of the file stay what they are.
func damaged(err error) error {
	var file *os.PathError
	if err == nil || errors.As(err, &file) {
		return err
	}
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("%w: %w", ErrDamaged, err)
}

// Hash reads the whole content, and sets SHA256 and Length. Of damaged content they are those of
// what can be read, and Damage says why it ends.
func (s *Source) Hash(ctx context.Context, trail *evidence.Trail) error {
	content, err := s.Open(trail)
	if err != nil {
		return err
	}
	defer content.Close()
	hash := sha256.New()
	length, err := io.CopyBuffer(hash, &interruptible{ctx, content}, make([]byte, 256<<10))
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, ErrDamaged):
		s.Damage = err.Error()
	case err != nil:
		return &evidence.Error{Op: "importers: read", Place: s.Place(), Err: err}
	}
	hash.Sum(s.SHA256[:0])
	s.Length = length
	return nil
}

// interruptible ends reading when its context ends.
type interruptible struct {
	ctx context.Context
	r   io.Reader
}

// Read implements io.Reader.
func (i *interruptible) Read(p []byte) (int, error) {
	if err := i.ctx.Err(); err != nil {
		return 0, err
	}
	return i.r.Read(p)
}
