package discovery

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"unicode/utf8"

	"github.com/pgrescue/pgrescue/importers/mapping"
)

// What is here prints values as Python's json.dumps does: the application re-encodes with it
// what it was sent, and the column's type is json, which keeps every byte.

// appendPyNumber appends a number of a JSON text as Python prints what it read: integers keep
// their digits, and all others went through a float. One that no float holds stays as it is:
// Python would print Infinity, which no column of type json takes.
func appendPyNumber(dst, text []byte) []byte {
	if isInteger(text) {
		if string(text) == "-0" {
			return append(dst, '0')
		}
		return append(dst, text...)
	}
	f, err := strconv.ParseFloat(string(text), 64)
	if err != nil {
		return append(dst, text...)
	}
	return appendPyFloat(dst, f)
}

func isInteger(text []byte) bool {
	for _, c := range text {
		if c == '.' || c == 'e' || c == 'E' {
			return false
		}
	}
	return true
}

// appendPyFloat is Python's repr of a float: the fewest digits that give it back, with an
// exponent below 1e-4 and from 1e16 on, and .0 behind a whole number.
func appendPyFloat(dst []byte, f float64) []byte {
	if f == 0 {
		if math.Signbit(f) {
			dst = append(dst, '-')
		}
		return append(dst, "0.0"...)
	}
	if a := math.Abs(f); a >= 1e-4 && a < 1e16 {
		start := len(dst)
		dst = strconv.AppendFloat(dst, f, 'f', -1, 64)
		if isInteger(dst[start:]) {
			dst = append(dst, ".0"...)
		}
		return dst
	}
	return strconv.AppendFloat(dst, f, 'e', -1, 64)
}

// maxDepth is how deep the values of a record may nest. Python gives up near a thousand.
const maxDepth = 900

var (
	errDeep   = fmt.Errorf("its values nest more than %d levels deep, more than Python reads", maxDepth)
	errNoJSON = errors.New("it is not JSON")
)

// appendPyJSON appends a JSON text as Python prints what it read from it. Of names that an object
// has twice, the last value stands where the first stood, as in Python's dict.
func appendPyJSON(dst, text []byte) ([]byte, error) {
	t := transcoder{dst: dst, src: text}
	err := t.value(0)
	if err == nil {
		if t.space(); t.at < len(t.src) {
			err = errNoJSON
		}
	}
	return t.dst, err
}

// transcoder reads JSON from src and prints it to dst.
type transcoder struct {
	dst, src []byte
	at       int
}

func (t *transcoder) space() {
	for t.at < len(t.src) {
		switch t.src[t.at] {
		case ' ', '\t', '\n', '\r':
			t.at++
		default:
			return
		}
	}
}

// take takes a character, if it is the next one.
func (t *transcoder) take(c byte) bool {
	t.space()
	if t.at < len(t.src) && t.src[t.at] == c {
		t.at++
		return true
	}
	return false
}

func (t *transcoder) value(depth int) error {
	if depth > maxDepth {
		return errDeep
	}
	t.space()
	if t.at >= len(t.src) {
		return errNoJSON
	}
	switch c := t.src[t.at]; {
	case c == '{':
		return t.object(depth)
	case c == '[':
		return t.list(depth)
	case c == '"':
		return t.text()
	case c == '-' || c >= '0' && c <= '9':
		t.dst = appendPyNumber(t.dst, t.word())
		return nil
	}
	switch word := t.word(); string(word) {
	case "true", "false", "null":
		t.dst = append(t.dst, word...)
		return nil
	}
	return errNoJSON
}

// word takes what stands before the next space, comma or bracket.
func (t *transcoder) word() []byte {
	start := t.at
	for t.at < len(t.src) {
		switch t.src[t.at] {
		case ' ', '\t', '\n', '\r', ',', ']', '}', ':':
			return t.src[start:t.at]
		}
		t.at++
	}
	return t.src[start:]
}

func (t *transcoder) list(depth int) error {
	t.at++
	t.dst = append(t.dst, '[')
	if t.take(']') {
		t.dst = append(t.dst, ']')
		return nil
	}
	for {
		if err := t.value(depth + 1); err != nil {
			return err
		}
		if t.take(']') {
			t.dst = append(t.dst, ']')
			return nil
		}
		if !t.take(',') {
			return errNoJSON
		}
		t.dst = append(t.dst, ", "...)
	}
}

// member is where the name and the value of a member stand in what was printed.
type member struct{ name, value, end int }

func (t *transcoder) object(depth int) error {
	t.at++
	start := len(t.dst)
	t.dst = append(t.dst, '{')
	if t.take('}') {
		t.dst = append(t.dst, '}')
		return nil
	}
	var few [32]member
	members := few[:0]
	for {
		m := member{name: len(t.dst)}
		if t.space(); t.at >= len(t.src) || t.src[t.at] != '"' {
			return errNoJSON
		}
		if err := t.text(); err != nil {
			return err
		}
		if !t.take(':') {
			return errNoJSON
		}
		m.value = len(t.dst)
		t.dst = append(t.dst, ": "...)
		if err := t.value(depth + 1); err != nil {
			return err
		}
		m.end = len(t.dst)
		members = append(members, m)
		if t.take('}') {
			t.dst = append(t.dst, '}')
			t.lastWins(start, members)
			return nil
		}
		if !t.take(',') {
			return errNoJSON
		}
		t.dst = append(t.dst, ", "...)
	}
}

// lastWins prints an object again if a name is there twice.
func (t *transcoder) lastWins(start int, members []member) {
	seen := make(map[string]int, len(members))
	for i, m := range members {
		seen[string(t.dst[m.name:m.value])] = i
	}
	if len(seen) == len(members) {
		return
	}
	was := append([]byte(nil), t.dst[start:]...)
	t.dst = append(t.dst[:start], '{')
	for _, m := range members {
		name := string(was[m.name-start : m.value-start])
		last, first := seen[name]
		if !first {
			continue
		}
		delete(seen, name)
		if len(t.dst) > start+1 {
			t.dst = append(t.dst, ", "...)
		}
		t.dst = append(t.dst, name...)
		t.dst = append(t.dst, was[members[last].value-start:members[last].end-start]...)
	}
	t.dst = append(t.dst, '}')
}

// text takes a string. Its escapes become characters, and those that Python escapes become escapes again.
func (t *transcoder) text() error {
	t.at++
	t.dst = append(t.dst, '"')
	for t.at < len(t.src) {
		switch c := t.src[t.at]; {
		case c == '"':
			t.at++
			t.dst = append(t.dst, '"')
			return nil
		case c == '\\':
			if err := t.escape(); err != nil {
				return err
			}
		case c >= ' ' && c <= '~':
			t.dst = append(t.dst, c)
			t.at++
		default:
			r, size := utf8.DecodeRune(t.src[t.at:])
			t.dst = mapping.AppendJSONRune(t.dst, r)
			t.at += size
		}
	}
	return errNoJSON
}

// escape takes one escape. A half of a surrogate pair is printed as it is: the other half follows.
func (t *transcoder) escape() error {
	if t.at+1 >= len(t.src) {
		return errNoJSON
	}
	c := t.src[t.at+1]
	t.at += 2
	switch c {
	case '"', '\\', '/':
		t.dst = mapping.AppendJSONRune(t.dst, rune(c))
	case 'b', 'f', 'n', 'r', 't':
		t.dst = append(t.dst, '\\', c)
	case 'u':
		unit, ok := unitOf(t.src[t.at-len(`\u`):])
		if !ok {
			return errNoJSON
		}
		t.at += len("0000")
		t.dst = mapping.AppendJSONRune(t.dst, unit)
	default:
		return errNoJSON
	}
	return nil
}
