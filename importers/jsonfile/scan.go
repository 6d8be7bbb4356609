package jsonfile

import (
	"encoding/binary"
	"math/bits"

	"github.com/pgrescue/pgrescue/importers"
)

// maxDepth is how deep lists and objects of an element may be nested. The application's own
// parser gives up at about as many.
const maxDepth = 1024

// status says how the scan of a value ended.
type status uint8

const (
	whole status = iota // the value ends within the buffer
	more                // the buffer ends within the value
	bad                 // it is no JSON: see at and why
)

// member is one name of an object with its value, as places in the buffer.
type member struct {
	name, nameEnd   int // between the quotes
	value, valueEnd int // of a text between the quotes
	kind            importers.Kind
	nameEscaped     bool
	escaped         bool
}

// scan checks one value in a buffer, byte by byte as RFC 8259 has it, and notes the members of
// an object. It never looks at a byte twice, so a value that the buffer cuts is scanned anew
// when there is more of it.
type scan struct {
	buf     []byte
	members []member // of the object that was scanned last
	at      int      // where it is no JSON, or where jsonb cannot hold it
	why     string   // of bad
	cannot  string   // what jsonb cannot hold, though it is JSON; "" when it can
	escaped bool     // of the text that was scanned last
	high    uint64   // has a high bit when a byte may be none of ASCII
	last    bool     // the buffer ends where the document ends
}

// begin prepares for a value in buf.
func (s *scan) begin(buf []byte, last bool) {
	s.buf, s.last = buf, last
	s.members = s.members[:0]
	s.why, s.cannot, s.high = "", "", 0
}

const (
	ones   = 0x0101010101010101
	highs  = 0x8080808080808080
	spaces = 0x2020202020202020
	quotes = 0x2222222222222222
	slants = 0x5c5c5c5c5c5c5c5c
)

// special finds the next byte that is a quote, a backslash or a control character.
func special(buf []byte, i int, high *uint64) int {
	for i+8 <= len(buf) {
		w := binary.LittleEndian.Uint64(buf[i:])
		q, b := w^quotes, w^slants
		*high |= w
		// A byte that was met makes false hits only above itself, and the lowest one counts.
		if hit := ((w-spaces)&^w | (q-ones)&^q | (b-ones)&^b) & highs; hit != 0 {
			return i + bits.TrailingZeros64(hit)>>3
		}
		i += 8
	}
	for ; i < len(buf); i++ {
		c := buf[i]
		if c == '"' || c == '\\' || c < ' ' {
			break
		}
		*high |= uint64(c)
	}
	return i
}

// text scans a text from behind its first quote to behind its last.
func (s *scan) text(i int) (int, status) {
	s.escaped = false
	for {
		i = special(s.buf, i, &s.high)
		if i >= len(s.buf) {
			return i, more
		}
		switch s.buf[i] {
		case '"':
			return i + 1, whole
		case '\\':
			s.escaped = true
			var st status
			if i, st = s.escape(i); st != whole {
				return i, st
			}
		default:
			if s.buf[i] == '\n' || s.buf[i] == '\r' {
				return s.no(i, "a text goes over the end of the line: a quote is missing, or a line break is not written as \\n")
			}
			return s.no(i, "a control character in a text")
		}
	}
}

// escape scans what begins with a backslash.
func (s *scan) escape(i int) (int, status) {
	if i+1 >= len(s.buf) {
		return i, more
	}
	switch s.buf[i+1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return i + 2, whole
	case 'u':
	default:
		return s.no(i, "a backslash before something that cannot be escaped")
	}
	unit, st := s.unit(i)
	if st != whole {
		return i, st
	}
	switch {
	case unit == 0:
		s.refuse(i, "\\u0000, which jsonb cannot hold")
	case unit >= 0xDC00 && unit < 0xE000:
		s.refuse(i, "half of a surrogate pair, which jsonb cannot hold")
	case unit >= 0xD800 && unit < 0xDC00:
		return s.pair(i)
	}
	return i + 6, whole
}

// pair scans what must follow the first half of a surrogate pair.
func (s *scan) pair(i int) (int, status) {
	for n, c := range [2]byte{'\\', 'u'} {
		switch {
		case i+6+n >= len(s.buf):
			return i, more
		case s.buf[i+6+n] != c:
			s.refuse(i, "half of a surrogate pair, which jsonb cannot hold")
			return i + 6, whole
		}
	}
	low, st := s.unit(i + 6)
	if st != whole {
		return i, st
	}
	if low < 0xDC00 || low > 0xDFFF {
		s.refuse(i, "half of a surrogate pair, which jsonb cannot hold")
		return i + 6, whole
	}
	return i + 12, whole
}

// unit reads the four digits of \uXXXX.
func (s *scan) unit(i int) (uint32, status) {
	var unit uint32
	for n := 2; n < 6; n++ {
		if i+n >= len(s.buf) {
			return 0, more
		}
		c := s.buf[i+n]
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			c = c | 0x20 - 'a' + 10
		default:
			_, st := s.no(i, "\\u without four hexadecimal digits")
			return 0, st
		}
		unit = unit<<4 | uint32(c)
	}
	return unit, whole
}

// refuse notes the first thing that jsonb cannot hold.
func (s *scan) refuse(i int, what string) {
	if s.cannot == "" {
		s.at, s.cannot = i, what
	}
}

// no ends the scan: this is no JSON.
func (s *scan) no(i int, why string) (int, status) {
	s.at, s.why = i, why
	return i, bad
}

// space skips white space.
func (s *scan) space(i int) int {
	for i < len(s.buf) {
		switch s.buf[i] {
		case ' ', '\n', '\r', '\t':
			i++
		default:
			return i
		}
	}
	return i
}

// name scans the name of a member and the colon behind it, and returns where its text ends.
func (s *scan) name(i int) (value, nameEnd int, st status) {
	i = s.space(i)
	if i >= len(s.buf) {
		return i, 0, more
	}
	if s.buf[i] != '"' {
		i, st = s.no(i, "where a name in double quotes must stand, there is "+s.met(i))
		return i, 0, st
	}
	if i, st = s.text(i + 1); st != whole {
		return i, 0, st
	}
	nameEnd = i - 1
	if i = s.space(i); i >= len(s.buf) {
		return i, 0, more
	}
	if s.buf[i] != ':' {
		i, st = s.no(i, "where a colon must stand, there is "+s.met(i))
		return i, 0, st
	}
	return s.space(i + 1), nameEnd, whole
}

// object scans an object from its brace, and notes its members.
func (s *scan) object(i int) (int, status) {
	if i = s.space(i + 1); i < len(s.buf) && s.buf[i] == '}' {
		return i + 1, whole
	}
	for {
		var m member
		var st status
		i = s.space(i)
		m.name = i + 1
		if i, m.nameEnd, st = s.name(i); st != whole {
			return i, st
		}
		m.nameEscaped = s.escaped
		m.value = i
		if i, m.kind, st = s.any(i); st != whole {
			return i, st
		}
		m.valueEnd = i
		if m.kind == importers.Text {
			m.value, m.valueEnd, m.escaped = m.value+1, i-1, s.escaped
		}
		s.members = append(s.members, m)
		if i = s.space(i); i >= len(s.buf) {
			return i, more
		}
		switch s.buf[i] {
		case ',':
			i++
		case '}':
			return i + 1, whole
		default:
			return s.no(i, "where a comma or the end of the object must stand, there is "+s.met(i))
		}
	}
}

// any scans a value of any kind.
func (s *scan) any(i int) (int, importers.Kind, status) {
	if i >= len(s.buf) {
		return i, 0, more
	}
	switch s.buf[i] {
	case '"':
		end, st := s.text(i + 1)
		return end, importers.Text, st
	case '{', '[':
		end, st := s.nested(i)
		return end, importers.JSON, st
	default:
		return s.atom(i)
	}
}

// nested scans an object or a list with all that is in it. What is open stands in a bit each,
// so that no depth costs a stack.
func (s *scan) nested(i int) (int, status) {
	var open [maxDepth / 64]uint64 // 1: an object
	depth := 0
	var st status
	for {
		// A value begins at i.
		if i = s.space(i); i >= len(s.buf) {
			return i, more
		}
		switch c := s.buf[i]; c {
		case '"':
			i, st = s.text(i + 1)
		case '{', '[':
			if depth == maxDepth-1 {
				return s.no(i, "lists and objects are nested deeper than 1024")
			}
			depth++
			open[depth/64] &^= 1 << (depth % 64)
			if c == '{' {
				open[depth/64] |= 1 << (depth % 64)
			}
			if i = s.space(i + 1); i >= len(s.buf) {
				return i, more
			}
			if s.buf[i] != c+2 { // the closing brackets stand two behind the opening ones
				if c == '{' {
					if i, _, st = s.name(i); st != whole {
						return i, st
					}
				}
				continue
			}
			i, depth = i+1, depth-1
		default:
			i, _, st = s.atom(i)
		}
		if st != whole {
			return i, st
		}
		// What follows a value: a comma and the next, or the end of what is open.
		for depth > 0 {
			if i = s.space(i); i >= len(s.buf) {
				return i, more
			}
			object := open[depth/64]>>(depth%64)&1 == 1
			if c := s.buf[i]; c == ',' {
				i++
				if object {
					if i, _, st = s.name(i); st != whole {
						return i, st
					}
				}
				break
			} else if object && c != '}' || !object && c != ']' {
				return s.no(i, "where a comma or the end must stand, there is "+s.met(i))
			}
			i, depth = i+1, depth-1
		}
		if depth == 0 {
			return i, whole
		}
	}
}
