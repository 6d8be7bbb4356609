package jsonfile

import (
	"bytes"
	"fmt"
	"strconv"

	"github.com/pgrescue/pgrescue/importers"
)

// atom scans true, false, null or a number.
func (s *scan) atom(i int) (int, importers.Kind, status) {
	switch s.buf[i] {
	case 't':
		return s.word(i, "true", importers.Bool)
	case 'f':
		return s.word(i, "false", importers.Bool)
	case 'n':
		return s.word(i, "null", importers.Null)
	}
	end, st := s.number(i)
	return end, importers.Number, st
}

// word scans one of JSON's words.
func (s *scan) word(i int, word string, kind importers.Kind) (int, importers.Kind, status) {
	rest := s.buf[i:]
	if len(rest) >= len(word) {
		if string(rest[:len(word)]) == word && (len(rest) == len(word) || !letter(rest[len(word)])) {
			return i + len(word), kind, whole
		}
	} else if string(rest) == word[:len(rest)] {
		return i, kind, more
	}
	end, st := s.no(i, "where a value must stand, there is "+s.met(i))
	return end, kind, st
}

// number scans a number. Its digits stay as they are.
func (s *scan) number(i int) (int, status) {
	start := i
	if s.buf[i] == '-' {
		i++
	}
	switch {
	case i >= len(s.buf):
		return i, more
	case s.buf[i] == '0':
		i++
	default:
		digits := i
		if i = s.digits(i); i == digits {
			return s.no(start, "where a value must stand, there is "+s.met(start))
		}
	}
	plain := true
	if i < len(s.buf) && s.buf[i] == '.' {
		plain = false
		point := i + 1
		if i = s.digits(point); i == point {
			return s.brokenNumber(start, i)
		}
	}
	if i < len(s.buf) && s.buf[i]|0x20 == 'e' {
		plain = false
		if i++; i < len(s.buf) && (s.buf[i] == '+' || s.buf[i] == '-') {
			i++
		}
		exponent := i
		if i = s.digits(i); i == exponent {
			return s.brokenNumber(start, i)
		}
	}
	switch {
	case i >= len(s.buf) && !s.last:
		return i, more
	case i < len(s.buf) && (letter(s.buf[i]) || s.buf[i] == '.'):
		return s.brokenNumber(start, i)
	case (!plain || i-start > maxIntegral) && !numericHolds(s.buf[start:i]):
		s.refuse(start, "a number that numeric, and so jsonb, cannot hold")
	}
	return i, whole
}

// brokenNumber tells a number that the buffer cuts from one that is none.
func (s *scan) brokenNumber(start, i int) (int, status) {
	if i >= len(s.buf) {
		return i, more
	}
	return s.no(start, "where a number must stand, there is "+s.met(start))
}

func (s *scan) digits(i int) int {
	for i < len(s.buf) && s.buf[i]-'0' <= 9 {
		i++
	}
	return i
}

func letter(c byte) bool {
	return c|0x20 >= 'a' && c|0x20 <= 'z' || c >= '0' && c <= '9' || c == '_'
}

// What numeric can hold, by numeric.c: digits before the decimal point, and behind it.
const (
	maxIntegral = 131072
	maxFraction = 16383
)

// numericHolds tells whether PostgreSQL's numeric takes the number.
func numericHolds(number []byte) bool {
	number = bytes.TrimPrefix(number, []byte("-"))
	exponent := 0
	if e := bytes.IndexAny(number, "eE"); e >= 0 {
		n, err := strconv.Atoi(string(bytes.TrimPrefix(number[e+1:], []byte("+"))))
		if err != nil || n > 1<<29 || n < -1<<29 {
			return false
		}
		number, exponent = number[:e], n
	}
	integral, fraction, _ := bytes.Cut(number, []byte("."))
	if len(fraction)-exponent > maxFraction {
		return false
	}
	significant := bytes.TrimLeft(integral, "0")
	before := len(significant) + exponent
	if len(significant) == 0 {
		rest := bytes.TrimLeft(fraction, "0")
		if len(rest) == 0 {
			return true // zero, however it is written
		}
		before = exponent - (len(fraction) - len(rest))
	}
	return before <= maxIntegral
}

// met names what stands at i, for people.
func (s *scan) met(i int) string {
	rest := s.buf[i:min(len(s.buf), i+16)]
	end := 0
	for end < len(rest) && (letter(rest[end]) || end == 0 && rest[0] == '-') {
		end++
	}
	switch word := string(rest[:end]); {
	case len(rest) == 0:
		return "nothing"
	case word == "NaN" || word == "Infinity" || word == "-Infinity" || word == "undefined" || word == "None" || word == "True" || word == "False":
		return word + ", which is no JSON"
	case rest[0] == '\'':
		return "a single quote"
	case rest[0] == '/' || rest[0] == '#':
		return "a comment, which is no JSON"
	case rest[0] < ' ' || rest[0] >= 0x7F:
		return fmt.Sprintf("the byte 0x%02x", rest[0])
	case end > 1:
		return strconv.Quote(word)
	default:
		return string([]byte{'"', rest[0], '"'})
	}
}
