package datum

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/pgrescue/pgrescue/recover/binreader"
	"github.com/pgrescue/pgrescue/recover/heap"
)

// member is what is needed to decode a value that lies within another: an
// attribute of a composite, a bound of a range.
type member struct {
	append Append
	attr   heap.Attr
}

var errOutOfLine = errors.New("a value within it is stored out of line")

// next reads the bytes of one member, aligned from the reader's start. A
// composite may hold values that are compressed; none is out of line, since the
// server fetches them when it makes the composite.
func (m *member) next(r *binreader.Reader) ([]byte, error) {
	switch {
	case m.attr.Len > 0:
		r.Align(int(m.attr.Align))
		raw := r.Bytes(int(m.attr.Len))
		return raw, r.Err()
	case m.attr.Len == -2:
		raw := r.CString()
		return raw, r.Err()
	}
	d, err := heap.ReadVarlena(r, int(m.attr.Align))
	switch {
	case err != nil:
		return nil, err
	case d.Form == heap.FormCompressed:
		return heap.DecompressInline(nil, d.Bytes)
	case d.Form != heap.FormPlain:
		return nil, errOutOfLine
	}
	return d.Bytes, nil
}

// appendQuoted reads one member and appends its text, in double quotes if it is
// empty or has a space or one of special in it. Quotes and backslashes are doubled.
func (m *member) appendQuoted(dst []byte, r *binreader.Reader, typeName, special string) ([]byte, error) {
	raw, err := m.next(r)
	if err != nil {
		return dst, fmt.Errorf("%s: %w", typeName, err)
	}
	start := len(dst)
	if dst, err = m.append(dst, raw); err != nil {
		return dst, err
	}
	if len(dst) > maxText {
		return dst, errTooLong
	}
	return quoteDoubled(dst, start, special), nil
}

// quoteDoubled puts what lies behind start into double quotes where needed, in place.
func quoteDoubled(dst []byte, start int, special string) []byte {
	text := dst[start:]
	escapes := bytes.Count(text, []byte{'"'}) + bytes.Count(text, []byte{'\\'})
	if len(text) > 0 && escapes == 0 && !bytes.ContainsAny(text, special+" \t\n\r\v\f") {
		return dst
	}
	return wrapQuotes(dst, start, escapes, func(c byte) byte { return c })
}

// wrapQuotes puts what lies behind start into double quotes, in place. Each of
// the escapes quotes and backslashes in it gets the byte that escape says before it.
func wrapQuotes(dst []byte, start, escapes int, escape func(c byte) byte) []byte {
	length := len(dst) - start
	for range escapes + 2 {
		dst = append(dst, '"')
	}
	// From the back, so that nothing is overwritten before it has moved; the last
	// byte is the closing quote already.
	to := len(dst) - 2
	for from := start + length - 1; from >= start; from-- {
		c := dst[from]
		dst[to] = c
		to--
		if c == '"' || c == '\\' {
			dst[to] = escape(c)
			to--
		}
	}
	dst[start] = '"'
	return dst
}
