package datum

import (
	"errors"
	"fmt"

	"github.com/pgrescue/pgrescue/recover/binreader"
	"github.com/pgrescue/pgrescue/recover/heap"
)

// The words of the binary form (utils/jsonb.h): a container has a header with
// the count of its members, then one JEntry for each, then their bytes. An object
// has two members a pair: all keys, then all values.
const (
	jsonbCountMask = 0x0FFFFFFF // JB_CMASK
	jsonbScalar    = 0x10000000 // JB_FSCALAR: an array of one that stands for a bare scalar
	jsonbObject    = 0x20000000 // JB_FOBJECT
	jsonbArray     = 0x40000000 // JB_FARRAY

	jentryOffLenMask = 0x0FFFFFFF
	jentryTypeMask   = 0x70000000
	jentryString     = 0x00000000
	jentryNumeric    = 0x10000000
	jentryFalse      = 0x20000000
	jentryTrue       = 0x30000000
	jentryNull       = 0x40000000
	jentryContainer  = 0x50000000
	jentryHasOffset  = 0x80000000 // the lower bits are the end offset, not the length

	// maxJSONBDepth bounds the recursion. The server's own stack allows a few
	// thousand levels with its default settings.
	maxJSONBDepth = 1 << 16
)

var (
	errJSONBDepth  = errors.New("jsonb: too many levels")
	errJSONBString = errors.New("jsonb: a NUL byte in a string")
)

// appendJSONB follows jsonb_out (jsonb.c).
func appendJSONB(dst, raw []byte) ([]byte, error) {
	r := binreader.New(raw)
	header := r.Uint32()
	if r.OK() && header&jsonbScalar != 0 {
		if header&(jsonbArray|jsonbObject) != jsonbArray || header&jsonbCountMask != 1 {
			return dst, fmt.Errorf("jsonb: impossible scalar header 0x%08X", header)
		}
		members := newMembers(&r, 1)
		return members.appendNext(dst, 0)
	}
	return appendContainer(dst, raw, 0)
}

// appendContainer prints an object or an array.
func appendContainer(dst, raw []byte, depth int) ([]byte, error) {
	if depth > maxJSONBDepth {
		return dst, errJSONBDepth
	}
	r := binreader.New(raw)
	header := r.Uint32()
	count := int(header & jsonbCountMask)
	if !r.OK() {
		return dst, fmt.Errorf("jsonb: %w", r.Err())
	}
	switch header &^ jsonbCountMask {
	case jsonbArray:
		return appendJSONBArray(dst, &r, count, depth)
	case jsonbObject:
		return appendJSONBObject(dst, &r, count, depth)
	}
	return dst, fmt.Errorf("jsonb: impossible container header 0x%08X", header)
}

func appendJSONBArray(dst []byte, r *binreader.Reader, count, depth int) (_ []byte, err error) {
	members := newMembers(r, count)
	dst = append(dst, '[')
	for i := range count {
		if i > 0 {
			dst = append(dst, ", "...)
		}
		if dst, err = members.appendNext(dst, depth); err != nil {
			return dst, err
		}
	}
	return append(dst, ']'), nil
}

func appendJSONBObject(dst []byte, r *binreader.Reader, count, depth int) (_ []byte, err error) {
	keys := newMembers(r, 2*count)
	values := keys
	for range count { // the values begin behind the last key
		if _, _, err := values.next(); err != nil {
			return dst, err
		}
	}
	dst = append(dst, '{')
	for i := range count {
		if i > 0 {
			dst = append(dst, ", "...)
		}
		kind, key, err := keys.next()
		if err != nil {
			return dst, err
		}
		if kind != jentryString {
			return dst, errors.New("jsonb: a key is not a string")
		}
		if dst, err = appendJSONString(dst, key); err != nil {
			return dst, err
		}
		dst = append(dst, ": "...)
		if dst, err = values.appendNext(dst, depth); err != nil {
			return dst, err
		}
	}
	return append(dst, '}'), nil
}

// members walks the JEntries of a container. Each member's bytes begin where
// those of the one before end, so that all together are read only once.
type members struct {
	entries binreader.Reader
	data    []byte
	offset  int
}

// newMembers reads the JEntries; the rest of r is the members' bytes. Too few
// bytes make every call of next fail.
func newMembers(r *binreader.Reader, count int) members {
	entries := binreader.New(r.Bytes(4 * count))
	return members{entries: entries, data: r.Rest()}
}

// next gives the type and the bytes of the next member. Numbers and containers
// begin at a multiple of four bytes.
func (m *members) next() (kind uint32, b []byte, err error) {
	entry := m.entries.Uint32()
	if !m.entries.OK() {
		return 0, nil, fmt.Errorf("jsonb: members: %w", m.entries.Err())
	}
	end := int(entry & jentryOffLenMask)
	if entry&jentryHasOffset == 0 {
		end += m.offset
	}
	start := m.offset
	kind = entry & jentryTypeMask
	if kind == jentryNumeric || kind == jentryContainer {
		start = (start + 3) &^ 3
	}
	r := binreader.New(m.data)
	r.Seek(start)
	b = r.Bytes(end - start)
	if !r.OK() {
		return 0, nil, fmt.Errorf("jsonb: member: %w", r.Err())
	}
	m.offset = end
	return kind, b, nil
}

// appendNext prints the next member.
func (m *members) appendNext(dst []byte, depth int) ([]byte, error) {
	kind, b, err := m.next()
	if err != nil {
		return dst, err
	}
	if len(dst) > maxText {
		return dst, errTooLong
	}
	switch kind {
	case jentryString:
		return appendJSONString(dst, b)
	case jentryNumeric:
		r := binreader.New(b)
		d, err := heap.ReadVarlena(&r, 4)
		if err != nil {
			return dst, fmt.Errorf("jsonb: number: %w", err)
		}
		if d.Form != heap.FormPlain {
			return dst, errors.New("jsonb: a number is not stored plainly")
		}
		return appendNumeric(dst, d.Bytes)
	case jentryFalse:
		return append(dst, "false"...), nil
	case jentryTrue:
		return append(dst, "true"...), nil
	case jentryNull:
		return append(dst, "null"...), nil
	case jentryContainer:
		return appendContainer(dst, b, depth+1)
	}
	return dst, fmt.Errorf("jsonb: unknown member type 0x%08X", kind)
}

// appendJSONString follows escape_json (json.c).
func appendJSONString(dst, text []byte) ([]byte, error) {
	const hexDigits = "0123456789abcdef"
	dst = append(dst, '"')
	start := 0
	for i, c := range text {
		if c >= ' ' && c != '"' && c != '\\' {
			continue
		}
		dst = append(dst, text[start:i]...)
		start = i + 1
		switch c {
		case 0:
			return dst, errJSONBString
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\b':
			dst = append(dst, `\b`...)
		case '\f':
			dst = append(dst, `\f`...)
		case '\n':
			dst = append(dst, `\n`...)
		case '\r':
			dst = append(dst, `\r`...)
		case '\t':
			dst = append(dst, `\t`...)
		default:
			dst = append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		}
	}
	return append(append(dst, text[start:]...), '"'), nil
}
