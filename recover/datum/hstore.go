package datum

import (
	"errors"
	"fmt"

	"github.com/pgrescue/pgrescue/recover/binreader"
)

// The words of an hstore (contrib/hstore/hstore.h): the count of pairs, then for
// each key and each value where it ends among the texts.
const (
	hstoreNewVersion = 0x80000000
	hstoreCountMask  = 0x0FFFFFFF
	hstoreFirst      = 0x80000000
	hstoreNull       = 0x40000000
	hstoreEndMask    = 0x3FFFFFFF
)

// appendHstore follows hstore_out (hstore_io.c).
func appendHstore(dst, raw []byte) ([]byte, error) {
	r := binreader.New(raw)
	head := r.Uint32()
	count := int(head & hstoreCountMask)
	switch {
	case !r.OK():
		return dst, fmt.Errorf("hstore: %w", r.Err())
	case count == 0:
		return dst, nil
	case head&hstoreNewVersion == 0:
		return dst, errors.New("hstore: the form of versions before 9.0")
	}
	entries := binreader.New(r.Bytes(8 * count))
	texts := binreader.New(r.Rest())
	next := func(dst []byte) ([]byte, error) {
		entry := entries.Uint32()
		if entry&hstoreFirst != 0 {
			texts.Seek(0)
		}
		text := texts.Bytes(int(entry&hstoreEndMask) - texts.Offset())
		switch {
		case !entries.OK():
			return dst, fmt.Errorf("hstore: %w", entries.Err())
		case !texts.OK():
			return dst, fmt.Errorf("hstore: %w", texts.Err())
		case entry&hstoreNull != 0:
			return append(dst, "NULL"...), nil
		}
		return appendBackslashed(dst, text)
	}
	var err error
	for i := range count {
		if i > 0 {
			dst = append(dst, ", "...)
		}
		if dst, err = next(dst); err != nil {
			return dst, err
		}
		if dst, err = next(append(dst, "=>"...)); err != nil {
			return dst, err
		}
	}
	return dst, nil
}

// appendBackslashed puts a text into double quotes, with a backslash before
// quotes and backslashes.
func appendBackslashed(dst, text []byte) ([]byte, error) {
	start, escapes := len(dst), 0
	for _, c := range text {
		switch c {
		case 0:
			return dst, errors.New("text: a NUL byte among the characters")
		case '"', '\\':
			escapes++
		}
	}
	return wrapQuotes(append(dst, text...), start, escapes, func(byte) byte { return '\\' }), nil
}
