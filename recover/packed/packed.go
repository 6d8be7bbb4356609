// Package packed reads files that somebody has compressed.
//
//   - Kind: how the bytes are compressed, told by their first ones and never by a file's name.
//   - Bound: how far a file may grow when it is decompressed. One that grows further is a bomb.
//   - Damage: the file was cut, or a checksum is wrong. What came before it is good as far as
//     anybody knows.
//
// Archived WAL has a room of its own, wal/archives: its segments have a size that is known.
package packed

import (
	"bytes"
	"compress/bzip2"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"

	"github.com/pgrescue/pgrescue/recover/binreader"
)

// Kind says how bytes are compressed.
type Kind string

// The kinds.
const (
	None  Kind = "" // not at all
	Gzip  Kind = "gzip"
	Zstd  Kind = "zstd"
	XZ    Kind = "xz"
	Bzip2 Kind = "bzip2"
)

// ErrDamaged is what reading returns when the content ends before its end, or is not what it was.
var ErrDamaged = errors.New("the compressed content is damaged")

// ErrBomb is what reading returns when the content grows beyond its Bound.
var ErrBomb = errors.New("the compressed content grows beyond all measure")

// HeadSize is how many bytes KindOf looks at, if there are so many.
const HeadSize = 64

// maxWindow bounds the memory that a stream may ask for before it gives a byte.
const maxWindow = 128 << 20

// KindOf tells the kind by the first bytes.
func KindOf(head []byte) Kind {
	switch {
	case bytes.HasPrefix(head, []byte{0x1F, 0x8B, 8}):
		return Gzip
	case bytes.HasPrefix(head, []byte{0x28, 0xB5, 0x2F, 0xFD}):
		return Zstd
	case bytes.HasPrefix(head, []byte{0xFD, '7', 'z', 'X', 'Z', 0}):
		return XZ
	case len(head) >= 10 && bytes.HasPrefix(head, []byte("BZh")) && head[3] >= '1' && head[3] <= '9' && bytes.Equal(head[4:10], []byte{0x31, 0x41, 0x59, 0x26, 0x53, 0x59}):
		return Bzip2
	}
	return None
}

// Bound says how far compressed bytes may grow.
type Bound struct {
	Free  int64 // what may come out of any file
	Ratio int64 // and how many times the bytes that were read behind that
}

// Tables is the bound for source files: tables compress 3 to 30 times, a file made to hurt a
// thousand times and more.
func Tables() Bound { return Bound{Free: 256 << 20, Ratio: 200} }

// Logs is the bound for logs, which say the same again and again and are read in constant memory.
func Logs() Bound { return Bound{Free: 16 << 30, Ratio: 2000} }

// Reader gives the uncompressed bytes of a stream.
type Reader struct {
	stream io.Reader
	end    func()
	read   counter
	plain  bool
	bound  Bound
	given  int64
	err    error
}

// NewReader puts the decompression upon r, which begins with the first byte of the file. An error
// of the kind ErrDamaged tells that not even the beginning can be read.
func NewReader(r io.Reader, kind Kind, bound Bound) (*Reader, error) {
	p := &Reader{read: counter{r: r}, end: func() {}, bound: bound}
	var err error
	switch kind {
	case None:
		p.stream, p.plain = &p.read, true
	case Gzip:
		p.stream, err = newGzip(&p.read)
	case Zstd:
		var z *zstd.Decoder
		if z, err = zstd.NewReader(&p.read, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxWindow)); err == nil {
			p.stream, p.end = z, z.Close
		}
	case XZ:
		p.stream, err = newXZ(&p.read)
	case Bzip2:
		p.stream = bzip2.NewReader(&p.read)
	default:
		return nil, fmt.Errorf("the compression %q is not known", kind)
	}
	if err != nil {
		return nil, Damaged(err)
	}
	return p, nil
}

// Member gives a member of an archive, which the archive's reader decompresses, of so many compressed bytes.
func Member(stream io.Reader, compressed int64, bound Bound) *Reader {
	return &Reader{stream: stream, end: func() {}, read: counter{n: compressed}, bound: bound}
}

// Read implements io.Reader.
func (p *Reader) Read(b []byte) (int, error) {
	if p.err != nil {
		return 0, p.err
	}
	n, err := p.stream.Read(b)
	if p.plain {
		return n, err
	}
	p.given += int64(n)
	if p.given > p.bound.Free && p.given-p.bound.Free > p.read.n*p.bound.Ratio {
		p.err = fmt.Errorf("%w: more than %d times its size; if that is meant, decompress it and name the result", ErrBomb, p.bound.Ratio)
		return 0, p.err
	}
	if err != nil {
		if err != io.EOF { //nolint:errorlint // a reader ends with this very value; a wrapped one is damage
			err = Damaged(err)
		}
		p.err = err
	}
	return n, err
}

// Consumed is how many bytes of the file were read so far.
func (p *Reader) Consumed() int64 { return p.read.n }

// Close gives back what the decompression holds. The file beneath stays open.
func (p *Reader) Close() { p.end() }

// counter counts what is read of a file, and keeps the last two bytes before its zeros at the end.
type counter struct {
	r    io.Reader
	n    int64
	last [2]byte
}

// Read implements io.Reader.
func (c *counter) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	c.n += int64(n)
	if used := bytes.TrimRight(b[:n], "\x00"); len(used) > 0 {
		used = used[max(0, len(used)-2):]
		if c.last[0] = c.last[1]; len(used) == 2 {
			c.last[0] = used[0]
		}
		c.last[1] = used[len(used)-1]
	}
	return n, err
}

func newGzip(r io.Reader) (io.Reader, error) {
	z, err := gzip.NewReader(r)
	if err != nil {
		return nil, err // not z, which would be an interface that is not nil
	}
	return z, nil
}

// wholeXZ is an xz stream whose end is looked at: the library takes a file that was cut before a block
// or before the index for one that ends there.
type wholeXZ struct {
	*xz.Reader
	read *counter
}

// Read implements io.Reader.
func (w *wholeXZ) Read(b []byte) (int, error) {
	n, err := w.Reader.Read(b)
	if err == io.EOF && w.read.last != [2]byte{'Y', 'Z'} { //nolint:errorlint // this very value
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

func newXZ(r *counter) (io.Reader, error) {
	head := make([]byte, HeadSize)
	n, err := io.ReadFull(r, head)
	if err != nil && err != io.EOF && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, err
	}
	if XZDictionary(head[:n]) > maxWindow {
		return nil, fmt.Errorf("it asks for a dictionary of more than %d MiB", maxWindow>>20)
	}
	z, err := xz.NewReader(io.MultiReader(bytes.NewReader(head[:n]), r))
	if err != nil {
		return nil, err
	}
	return &wholeXZ{z, r}, nil
}

// XZDictionary is the size in bytes of the dictionary that the first block of an xz stream asks for
// (sections 3.1 and 5.3.1 of the .xz file format), or 0. The library would make it before it looks at the block.
func XZDictionary(head []byte) uint64 {
	r := binreader.New(head)
	r.Skip(12 + 1) // the stream's header, the block header's size
	flags := r.Uint8()
	for _, optional := range []uint8{0x40, 0x80} { // sizes of the block
		for flags&optional != 0 && r.Uint8()&0x80 != 0 && r.OK() { //nolint:revive // the condition does the work
		}
	}
	const lzma2 = 0x21
	if flags&3 != 0 || r.Uint8() != lzma2 || r.Uint8() != 1 {
		return 0
	}
	bits := r.Uint8()
	if !r.OK() || bits > 40 {
		return 0
	}
	return uint64(2|bits&1) << (bits/2 + 11)
}

// Damaged makes an error of a decompressor one of ErrDamaged; errors of the file stay what they are.
func Damaged(err error) error {
	var file *os.PathError
	if err == nil || errors.As(err, &file) || errors.Is(err, ErrDamaged) {
		return err
	}
	if err == io.EOF { //nolint:errorlint // this very value
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("%w: %w", ErrDamaged, err)
}
