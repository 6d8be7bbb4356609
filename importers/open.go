package importers

import (
	"archive/zip"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/packed"
)

// zipped is the Compression of the members of zip archives; the others are those of packed.
const zipped = "zip"

// ErrUnreadable is what a file is that was named and cannot be read as a source.
var ErrUnreadable = errors.New("not a source that can be read")

// What a reader of Open returns when the content ends before its end, as that of a compressed file
// that was cut, and when a small file grows beyond all measure.
var (
	ErrDamaged = packed.ErrDamaged
	ErrBomb    = packed.ErrBomb
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
	if s.Compression == "" {
		return file, nil
	}
	if s.Compression != zipped {
		stream, err := packed.NewReader(file, packed.Kind(s.Compression), packed.Tables())
		if err != nil {
			return nil, err
		}
		return &unpacked{stream, func() error { stream.Close(); return file.Close() }}, nil
	}
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	archive, err := zip.NewReader(file, info.Size())
	if err != nil {
		return nil, packed.Damaged(err)
	}
	for _, member := range archive.File {
		if member.Name == s.Member {
			stream, err := openMember(member)
			if err != nil {
				return nil, err
			}
			return &unpacked{stream, func() error { return errors.Join(stream.Close(), file.Close()) }}, nil
		}
	}
	return nil, fmt.Errorf("the archive has no member %q", s.Member)
}

// unpacked is a stream upon a file.
type unpacked struct {
	io.Reader
	close func() error
}

// Close closes both.
func (u *unpacked) Close() error { return u.close() }

// openMember opens a member of a zip archive, bounded as other compressed sources are.
func openMember(member *zip.File) (io.ReadCloser, error) {
	stream, err := member.Open()
	if err != nil {
		return nil, packed.Damaged(err)
	}
	return &unpacked{packed.Member(stream, int64(min(member.CompressedSize64, 1<<40)), packed.Tables()), stream.Close}, nil
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
