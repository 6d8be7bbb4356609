// Package pglz decompresses PostgreSQL's own compression, which TOAST and
// full-page images use.
//
//   - item: a literal byte, or a match.
//   - control byte: says of the next eight items which are matches, lowest bit first.
//   - match: a length and an offset; bytes that were written before are repeated.
//   - raw size: the number of bytes that the data unpacks to. It is not stored in
//     the stream; the caller knows it.
//
// The format is that of common/pg_lzcompress.c. The package imports the standard
// library only.
package pglz

import (
	"errors"
	"fmt"
	"slices"
)

// maxExpansion bounds the bytes that one compressed byte can unpack to: a match
// takes three bytes and gives at most 273 (PGLZ_MAX_MATCH).
const maxExpansion = 91

// ErrCorrupt is wrapped by every error of Decompress.
var ErrCorrupt = errors.New("corrupt pglz data")

// Decompress appends to dst exactly the rawSize bytes that src unpacks to, and
// returns the longer slice. On an error, which wraps ErrCorrupt, it returns dst as
// it was. It refuses a rawSize that src cannot give before it allocates anything.
func Decompress(dst, src []byte, rawSize int) ([]byte, error) {
	if rawSize < 0 || rawSize > len(src)*maxExpansion {
		return dst, fmt.Errorf("%w: %d bytes cannot unpack to %d", ErrCorrupt, len(src), rawSize)
	}
	start := len(dst)
	out := slices.Grow(dst, rawSize)[:start+rawSize]
	if err := unpack(out[start:], src); err != nil {
		return dst, err
	}
	return out, nil
}

// unpack fills out from src, and both must end together.
func unpack(out, src []byte) error {
	in, at := 0, 0
	for in < len(src) && at < len(out) {
		control := src[in]
		in++
		if control == 0 && len(src)-in >= 8 && len(out)-at >= 8 {
			// Eight literals in a row, the common case of data that hardly repeats.
			copy(out[at:at+8], src[in:in+8])
			in, at = in+8, at+8
			continue
		}
		for item := 0; item < 8 && in < len(src) && at < len(out); item++ {
			if control>>item&1 == 0 {
				out[at] = src[in]
				in, at = in+1, at+1
				continue
			}
			length, offset, size := match(src[in:])
			if size == 0 {
				return fmt.Errorf("%w: a match is cut short at byte %d", ErrCorrupt, in)
			}
			in += size
			if offset == 0 || offset > at {
				return fmt.Errorf("%w: a match reaches %d bytes back at byte %d of the output", ErrCorrupt, offset, at)
			}
			at += repeat(out, at, offset, min(length, len(out)-at))
		}
	}
	if in != len(src) || at != len(out) {
		return fmt.Errorf("%w: %d of %d bytes unpack to %d of %d", ErrCorrupt, in, len(src), at, len(out))
	}
	return nil
}

// match reads a match; size is the number of bytes that it takes, 0 when src
// ends before it does.
func match(src []byte) (length, offset, size int) {
	if len(src) < 2 {
		return 0, 0, 0
	}
	length = int(src[0]&0x0f) + 3
	offset = int(src[0]&0xf0)<<4 | int(src[1])
	if length < 18 {
		return length, offset, 2
	}
	if len(src) < 3 {
		return 0, 0, 0
	}
	return length + int(src[2]), offset, 3
}

// repeat copies length bytes from offset bytes before at, where 0 < offset <= at
// and at+length <= len(out), and returns length. Source and target may overlap:
// each round copies what is already there, twice as much as the round before.
func repeat(out []byte, at, offset, length int) int {
	from, done := at-offset, 0
	for done < length {
		done += copy(out[at+done:at+length], out[from:at+done])
	}
	return length
}
