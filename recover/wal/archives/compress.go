package archives

import (
	"bytes"
	"compress/bzip2"
	"errors"
	"fmt"
	"io"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
	"github.com/ulikunitz/xz"
	"github.com/ulikunitz/xz/lzma"

	"github.com/pgrescue/pgrescue/recover/binreader"
	"github.com/pgrescue/pgrescue/recover/packed"
)

// headSize is how many bytes of a file are looked at for marks.
const headSize = 64

// maxDictionary bounds the memory that a stream may ask for before it gives a byte.
const maxDictionary = 128 << 20

// errDictionary refuses a stream that asks for more.
var errDictionary = fmt.Errorf("it asks for a dictionary of more than %d MiB", maxDictionary>>20)

// compression is one way to compress that is read.
type compression struct {
	name   string
	mark   []byte // nil: it has none, and the suffix has to tell
	suffix string // of a compression without a mark
	open   func(r io.Reader, head []byte) (io.Reader, func(), error)
}

func compressions() []compression {
	return []compression{
		{name: "gzip", mark: []byte{0x1F, 0x8B}, open: openGzip},
		{name: "zstd", mark: []byte{0x28, 0xB5, 0x2F, 0xFD}, open: openZstd},
		{name: "lz4", mark: []byte{0x04, 0x22, 0x4D, 0x18}, open: openLZ4},
		{name: "xz", mark: []byte{0xFD, '7', 'z', 'X', 'Z', 0}, open: openXZ},
		{name: "bzip2", mark: []byte("BZh"), open: openBzip2},
		{name: "brotli", suffix: ".br", open: openBrotli},
		{name: "lzma", suffix: ".lzma", open: openLZMA},
	}
}

// compressionOf finds the compression of a file by its first bytes and, for those
// that have no mark, by its suffix. nil means that the file is not compressed.
func compressionOf(head []byte, suffix string) *compression {
	for _, c := range compressions() {
		if c.mark != nil && bytes.HasPrefix(head, c.mark) || c.mark == nil && c.suffix == suffix && !walPage(head) {
			return &c
		}
	}
	return nil
}

// walPage reports whether the bytes can begin a page of WAL: the high byte of
// XLOG_PAGE_MAGIC (access/xlog_internal.h) has been 0xD1 since version 12.
func walPage(head []byte) bool { return len(head) > 1 && head[1] == 0xD1 }

func openGzip(r io.Reader, _ []byte) (io.Reader, func(), error) {
	z, err := gzip.NewReader(r)
	return z, func() {}, err
}

func openZstd(r io.Reader, _ []byte) (io.Reader, func(), error) {
	z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
		zstd.WithDecoderMaxWindow(maxDictionary))
	if err != nil {
		return nil, nil, err
	}
	return z, z.Close, nil
}

func openLZ4(r io.Reader, _ []byte) (io.Reader, func(), error) {
	return lz4.NewReader(r), func() {}, nil
}

func openBzip2(r io.Reader, _ []byte) (io.Reader, func(), error) {
	return bzip2.NewReader(r), func() {}, nil
}

func openBrotli(r io.Reader, _ []byte) (io.Reader, func(), error) {
	return brotli.NewReader(r), func() {}, nil
}

func openLZMA(r io.Reader, _ []byte) (io.Reader, func(), error) {
	z, err := lzma.ReaderConfig{DictCap: maxDictionary}.NewReader(r)
	return z, func() {}, err
}

func openXZ(r io.Reader, head []byte) (io.Reader, func(), error) {
	if packed.XZDictionary(head) > maxDictionary {
		return nil, nil, errDictionary
	}
	z, err := xz.NewReader(r)
	return z, func() {}, err
}

// Encrypted tells that a file cannot be read without its key.
type Encrypted struct {
	How  string // as far as the bytes say, such as "OpenPGP"
	Hint string // how the archiver's own tool decrypts it
}

// ErrEncrypted is what every Encrypted is.
var ErrEncrypted = errors.New("the file is encrypted")

// Error says how the file is encrypted.
func (e *Encrypted) Error() string { return ErrEncrypted.Error() + ": " + e.How }

// Unwrap makes an Encrypted known to errors.Is.
func (e *Encrypted) Unwrap() error { return ErrEncrypted }

// encryptionOf tells by the first bytes how a file is encrypted, or "".
func encryptionOf(head []byte) string {
	for _, known := range []struct{ mark, how string }{
		{"Salted__", "a cipher of OpenSSL's format, as pgBackRest's aes-256-cbc"},
		{"-----BEGIN PGP MESSAGE-----", "OpenPGP"},
		{"age-encryption.org/", "age"},
		{"-----BEGIN AGE ENCRYPTED FILE-----", "age"},
	} {
		if bytes.HasPrefix(head, []byte(known.mark)) {
			return known.how
		}
	}
	if openPGP(head) {
		return "OpenPGP"
	}
	return ""
}

// openPGP reports whether the bytes begin with a session key packet (RFC 4880,
// sections 4.2, 5.1 and 5.3): what an encrypted message begins with.
func openPGP(head []byte) bool {
	const publicKey, symmetric = 1, 3
	r := binreader.New(head)
	tag := r.Uint8()
	var length, kind int
	switch {
	case tag&0xC0 == 0xC0:
		kind = int(tag & 0x3F)
		if length = int(r.Uint8()); length >= 192 && length < 224 {
			length = (length-192)<<8 + int(r.Uint8()) + 192
		}
	case tag&0x80 != 0:
		kind = int(tag >> 2 & 0x0F)
		switch tag & 3 {
		case 0:
			length = int(r.Uint8())
		case 1:
			length = int(r.Uint8())<<8 | int(r.Uint8())
		default:
			return false
		}
	default:
		return false
	}
	version := r.Uint8()
	if !r.OK() || length < 4 || length > 8192 {
		return false
	}
	return kind == publicKey && (version == 3 || version == 6) || kind == symmetric && version >= 4 && version <= 6
}
