// Package pyrepr reads Python's literals as programs log them: what repr() prints.
//
//   - Value: one literal; a list, a tuple, a set or a dict holds others.
//   - Call: the repr of an object that names its constructor, such as UUID('…') or datetime.datetime(…).
//     Those of the standard library that databases take are values; others are objects.
//   - Object: what says nothing of its value, such as <memory at 0x7f12>.
//   - Cut: a value that was shortened, by a logger, by SQLAlchemy or by the end of the line. What is known
//     of it is kept; Missing says how much is not, where the mark tells.
package pyrepr

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Kind is the type of a literal.
type Kind uint8

// The kinds.
const (
	None Kind = iota
	Bool
	Int
	Float
	Decimal
	Str
	Bytes
	UUID
	Date
	Time
	DateTime
	Interval
	List
	Tuple
	Set
	Dict
	Enum   // <Status.ACTIVE: 'active'>: Name is Status.ACTIVE, and its value is the only one of Items
	Object // Name is its type, where it tells; Items are the arguments of a call
	Lost   // what a mark stands for, such as "50 parameters truncated"
)

// String names the kind as Python does.
func (k Kind) String() string {
	names := [...]string{
		"None", "bool", "int", "float", "Decimal", "str", "bytes", "UUID", "date", "time", "datetime", "timedelta",
		"list", "tuple", "set", "dict", "Enum", "object", "left out",
	}
	if int(k) < len(names) {
		return names[k]
	}
	return "kind " + strconv.Itoa(int(k))
}

// Value is one literal.
type Value struct {
	Kind Kind
	// Text of a Str are its characters, of Bytes its bytes, of a Bool True or False, of a number its digits; of UUID, Date,
	// Time, DateTime and Interval what PostgreSQL prints; of an Object what stands in the log.
	Text  string
	Name  string
	Items []Value // of a Dict, keys and values in turn
	Cut   bool    // something is missing, in it or below it
	// Missing counts the characters of a cut Str that are not there, and of Lost the values. 0: not known.
	Missing int
}

// Get finds the value of a dict's key.
func (v *Value) Get(key string) (*Value, bool) {
	if v.Kind != Dict {
		return nil, false
	}
	for i := 0; i+1 < len(v.Items); i += 2 {
		if v.Items[i].Kind == Str && v.Items[i].Text == key {
			return &v.Items[i+1], true
		}
	}
	return nil, false
}

// ErrNone tells that no literal stands at the beginning.
var ErrNone = errors.New("no Python literal")

// maxDepth bounds how deep literals nest: a line of brackets may not exhaust the stack.
const maxDepth = 200

// Parse reads the literal at the beginning of text, after white space, and tells how many bytes it takes. A
// literal that the end of the text cuts is a Value that is Cut, and takes all of it.
func Parse(text string) (Value, int, error) {
	r := reader{text: text}
	r.space()
	value, ok := r.value(0)
	if !ok {
		return Value{}, 0, fmt.Errorf("pyrepr: parse %q: %w", excerpt(text), ErrNone)
	}
	return value, r.at, nil
}

func excerpt(text string) string {
	const most = 40
	if len(text) > most {
		return text[:most] + "…"
	}
	return text
}

// reader goes over a text.
type reader struct {
	text string
	at   int
}

func (r *reader) rest() string { return r.text[r.at:] }

func (r *reader) ended() bool { return r.at >= len(r.text) }

// peek gives the next byte, or 0 at the end.
func (r *reader) peek() byte {
	if r.ended() {
		return 0
	}
	return r.text[r.at]
}

// take goes over a byte if it is the next one.
func (r *reader) take(c byte) bool {
	if r.peek() != c || r.ended() {
		return false
	}
	r.at++
	return true
}

func (r *reader) space() {
	for !r.ended() {
		switch r.text[r.at] {
		case ' ', '\t', '\n', '\r':
			r.at++
		default:
			return
		}
	}
}

// value reads one literal; false if none begins here.
func (r *reader) value(depth int) (Value, bool) {
	if depth > maxDepth {
		return Value{}, false
	}
	switch c := r.peek(); {
	case c == '\'' || c == '"':
		return r.str(Str), true
	case c == '[':
		return r.sequence(List, ']', depth), true
	case c == '(':
		return r.parenthesis(depth), true
	case c == '{':
		return r.braces(depth), true
	case c == '<':
		return r.angle(depth), true
	case c == '.' && strings.HasPrefix(r.rest(), "..."):
		r.at += len("...")
		return Value{Kind: Lost, Cut: true}, true
	case c == '-' || c == '+' || c == '.' || (c >= '0' && c <= '9'):
		return r.number(depth)
	case isLetter(c):
		return r.word(depth)
	}
	return Value{}, false
}

func isLetter(c byte) bool {
	return c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c >= 0x80
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// number reads an int or a float as repr prints them.
func (r *reader) number(depth int) (Value, bool) {
	start := r.at
	if c := r.peek(); c == '-' || c == '+' {
		r.at++
	}
	for _, word := range []string{"inf", "nan"} {
		if strings.HasPrefix(r.rest(), word) {
			r.at += len(word)
			return Value{Kind: Float, Text: r.text[start:r.at]}, true
		}
	}
	kind, digits := Int, 0
	for ; !r.ended(); r.at++ {
		c := r.text[r.at]
		switch {
		case isDigit(c):
			digits++
			continue
		case c == '.' && kind == Int:
			kind = Float
			continue
		case (c == 'e' || c == 'E') && digits > 0 && exponent(r.text[r.at+1:]):
			kind = Float
			r.at++ // and the sign
			continue
		}
		break
	}
	if digits == 0 {
		r.at = start
		return Value{}, false
	}
	return Value{Kind: kind, Text: r.text[start:r.at], Cut: r.ended() && depth > 0}, true
}

// exponent reports whether text begins with the digits of an exponent.
func exponent(text string) bool {
	if text != "" && (text[0] == '+' || text[0] == '-') {
		text = text[1:]
	}
	return text != "" && isDigit(text[0])
}

// word reads a constant, a string with a prefix, or a call.
func (r *reader) word(depth int) (Value, bool) {
	start := r.at
	for !r.ended() && (isLetter(r.text[r.at]) || isDigit(r.text[r.at]) || r.text[r.at] == '.') {
		r.at++
	}
	name := r.text[start:r.at]
	switch next := r.peek(); {
	case next == '(':
		return r.call(name, start, depth), true
	case (next == '\'' || next == '"') && (name == "b" || name == "B"):
		return r.str(Bytes), true
	case (next == '\'' || next == '"') && (name == "u" || name == "U"):
		return r.str(Str), true
	}
	switch name {
	case "None":
		return Value{Kind: None}, true
	case "True", "False":
		return Value{Kind: Bool, Text: name}, true
	case "inf", "nan":
		return Value{Kind: Float, Text: name}, true
	case "Undefined", "NotImplemented", "Ellipsis":
		return Value{Kind: Object, Name: name, Text: name}, true
	}
	// A word that is no literal: a program's own repr of a constant, or text that is no Python at all.
	if depth == 0 {
		r.at = start
		return Value{}, false
	}
	return Value{Kind: Object, Name: name, Text: name, Cut: r.ended()}, true
}
