package pg

import (
	"encoding/binary"
	"math/bits"
	"unicode/utf8"
)

// The most that a JSON text of which one is certain has: levels, digits of a number in
// jsonb, where it becomes a numeric, bytes, and bytes as jsonb, whose offsets have 28 bits.
const (
	mostLevels = 64
	mostDigits = 300
	mostJSON   = 500_000_000
	mostJSONB  = 250_000_000
)

// What jsonb has beside the bytes of a text or the digits of a number, at most: its entry, and
// the header and the padding of what has one.
const (
	entrySize     = 4
	containerSize = entrySize + 8
	numberSize    = entrySize + 16
)

// certainJSON reports whether a text is JSON, and with binary what jsonb can hold, too:
// no NUL and no half of a surrogate pair.
func certainJSON(text []byte, binary bool) bool {
	if len(text) > mostJSON {
		return false
	}
	s := jsonScanner{text: text, binary: binary}
	// Beyond ASCII there is something in texts alone: nothing else takes such a byte, nor a NUL.
	return s.document() && (!binary || s.size <= mostJSONB) && (!s.beyond || utf8.Valid(text))
}

// jsonScanner reads a JSON text from its beginning.
type jsonScanner struct {
	text   []byte
	at     int
	binary bool
	size   int  // as jsonb, at most
	beyond bool // a text has bytes that are not of ASCII
}

// space skips white space, and gives the next byte; 0: the end.
func (s *jsonScanner) space() byte {
	if s.at < len(s.text) && s.text[s.at] > ' ' {
		return s.text[s.at]
	}
	return s.skip()
}

func (s *jsonScanner) skip() byte {
	for s.at < len(s.text) {
		switch c := s.text[s.at]; c {
		case ' ', '\t', '\n', '\r':
			s.at++
		default:
			return c
		}
	}
	return 0
}

// document reads one value and nothing behind it. The levels that are open stand in bits:
// one for an object.
func (s *jsonScanner) document() bool {
	levels, objects := 0, uint64(0)
	for {
		// A value begins here.
		switch c := s.space(); c {
		case '{', '[':
			if levels == mostLevels {
				return false
			}
			levels++
			objects <<= 1
			s.size += containerSize
			s.at++
			next := s.space()
			if c == '{' {
				objects |= 1
			}
			if next != c+2 { // the bracket that closes
				if c == '{' && !s.name() {
					return false
				}
				continue
			}
		default:
			if !s.scalar(c) {
				return false
			}
		}
		// A value has ended here, or an empty object or list is about to.
		for {
			if levels == 0 {
				return s.space() == 0 && s.at == len(s.text)
			}
			c := s.space()
			s.at++
			if c == ',' {
				if objects&1 == 1 && !s.name() {
					return false
				}
				break
			}
			if objects&1 == 1 && c != '}' || objects&1 == 0 && c != ']' {
				return false
			}
			levels--
			objects >>= 1
		}
	}
}

// name reads the name of a member and the colon.
func (s *jsonScanner) name() bool {
	if s.space() != '"' || !s.quoted() || s.space() != ':' {
		return false
	}
	s.at++
	return true
}

// scalar reads a value that begins with c and is no object and no list.
func (s *jsonScanner) scalar(c byte) bool {
	switch c {
	case '"':
		return s.quoted()
	case 't':
		return s.word("true")
	case 'f':
		return s.word("false")
	case 'n':
		return s.word("null")
	}
	return s.number()
}

func (s *jsonScanner) word(word string) bool {
	end := s.at + len(word)
	if end > len(s.text) || string(s.text[s.at:end]) != word {
		return false
	}
	s.at = end
	s.size += entrySize
	// PostgreSQL reads on through letters and digits.
	return end == len(s.text) || !isWordByte(s.text[end])
}

func isWordByte(c byte) bool {
	return c-'0' <= 9 || c|0x20-'a' < 26 || c == '_' || c >= 0x80
}

// digits counts digits.
func (s *jsonScanner) digits() int {
	from := s.at
	for s.at < len(s.text) && s.text[s.at]-'0' <= 9 {
		s.at++
	}
	return s.at - from
}

func (s *jsonScanner) number() bool {
	from := s.at
	if s.at < len(s.text) && s.text[s.at] == '-' {
		s.at++
	}
	zero := s.at < len(s.text) && s.text[s.at] == '0'
	if n := s.digits(); n == 0 || zero && n > 1 {
		return false
	}
	if s.at < len(s.text) && s.text[s.at] == '.' {
		s.at++
		if s.digits() == 0 {
			return false
		}
	}
	if s.at < len(s.text) && s.text[s.at]|0x20 == 'e' {
		s.at++
		if s.at < len(s.text) && (s.text[s.at] == '+' || s.text[s.at] == '-') {
			s.at++
		}
		if n := s.digits(); n == 0 || n > 3 {
			return false
		}
	}
	s.size += s.at - from + numberSize
	return s.at-from <= mostDigits && (s.at == len(s.text) || !isWordByte(s.text[s.at]))
}

// quoted reads a text in quotes.
func (s *jsonScanner) quoted() bool {
	s.at++
	from := s.at
	for {
		n, beyond := plainJSON(s.text[s.at:])
		s.at += n
		s.beyond = s.beyond || beyond
		if s.at >= len(s.text) {
			return false
		}
		switch c := s.text[s.at]; {
		case c == '"':
			s.size += s.at - from + entrySize
			s.at++
			return true
		case c != '\\' || !s.escape():
			return false
		}
	}
}

// escape reads what begins with a backslash.
func (s *jsonScanner) escape() bool {
	if s.at+1 >= len(s.text) {
		return false
	}
	switch s.text[s.at+1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		s.at += 2
		return true
	case 'u':
		code, ok := s.unicode()
		switch {
		case !ok:
			return false
		case !s.binary:
			return true
		case code == 0 || code>>10 == 0xDC00>>10:
			return false
		case code>>10 == 0xD800>>10:
			low, ok := s.unicode()
			return ok && low>>10 == 0xDC00>>10
		}
		return true
	}
	return false
}

// unicode reads \u and four hexadecimal digits.
func (s *jsonScanner) unicode() (code int, ok bool) {
	if s.at+6 > len(s.text) || s.text[s.at] != '\\' || s.text[s.at+1] != 'u' {
		return 0, false
	}
	for _, c := range s.text[s.at+2 : s.at+6] {
		if !isHex(c) {
			return 0, false
		}
		digit := int(c - '0')
		if c > '9' {
			digit = int(c|0x20-'a') + 10
		}
		code = code<<4 | digit
	}
	s.at += 6
	return code, true
}

// plainJSON is the length of the part of a text before the first quote, backslash or
// control character, and tells whether there are bytes in it that are not of ASCII. It looks
// at eight bytes at a time, as evidence does for COPY.
func plainJSON(text []byte) (length int, beyond bool) {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	n, seen := 0, uint64(0)
	for n+8 <= len(text) {
		word := binary.LittleEndian.Uint64(text[n:])
		quote, slash := word^ones*'"', word^ones*'\\'
		hit := ((word - ones*0x20) &^ word & highs) | ((quote - ones) &^ quote & highs) | ((slash - ones) &^ slash & highs)
		if hit != 0 {
			at := bits.TrailingZeros64(hit)
			// Of the word only what stands before the byte that was hit counts.
			return n + at/8, (seen|word&(1<<(at&^7)-1))&highs != 0
		}
		seen |= word
		n += 8
	}
	for n < len(text) && text[n] >= 0x20 && text[n] != '"' && text[n] != '\\' {
		seen |= uint64(text[n])
		n++
	}
	return n, seen&highs != 0
}
