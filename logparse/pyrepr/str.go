package pyrepr

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// truncated is the text within SQLAlchemy's mark of a value that is longer than 300 characters:
// " ... (130 characters truncated) ... ".
const (
	truncatedBegin = " ... ("
	truncatedEnd   = " characters truncated) ... "
)

// str reads a string or bytes; the reader stands on the quote.
func (r *reader) str(kind Kind) Value {
	quote := r.peek()
	r.at++
	value := Value{Kind: kind}
	start := r.at
	for ; !r.ended(); r.at++ { // the usual string needs no copy
		c := r.text[r.at]
		if c == quote && kind == Str {
			value.Text = r.text[start:r.at]
			r.at++
			return value
		}
		if c == '\\' || c == quote || (c == ' ' && strings.HasPrefix(r.rest(), truncatedBegin)) {
			break
		}
	}
	var b strings.Builder
	b.WriteString(r.text[start:r.at])
	closed := r.characters(&b, &value, quote)
	value.Text = b.String()
	value.Cut = value.Cut || !closed
	return value
}

// characters reads up to the closing quote, and reports whether there is one.
func (r *reader) characters(b *strings.Builder, value *Value, quote byte) bool {
	for !r.ended() {
		switch c := r.text[r.at]; {
		case c == quote && !(value.Missing > 0 && r.within()):
			r.at++
			return true
		case c == '\\' && !strings.HasPrefix(r.text[r.at+1:], truncatedBegin):
			r.escape(b, value)
		case c == ' ' && r.truncation(value):
			b.WriteString("…")
		default:
			b.WriteByte(c)
			r.at++
		}
	}
	return false
}

// truncation goes over SQLAlchemy's mark, if it is the next.
func (r *reader) truncation(value *Value) bool {
	rest, ok := strings.CutPrefix(r.rest(), truncatedBegin)
	if !ok {
		return false
	}
	count, after, ok := strings.Cut(rest, truncatedEnd)
	missing, err := strconv.Atoi(count)
	if !ok || err != nil || missing <= 0 {
		return false
	}
	value.Cut, value.Missing = true, missing
	r.at = len(r.text) - len(after)
	return true
}

// within reports whether the quote here is one of the string's own characters: the mark may stand between a
// backslash and its quote. What ends a string is followed by what ends an item.
func (r *reader) within() bool {
	rest := strings.TrimLeft(r.text[r.at+1:], " ")
	return rest != "" && !strings.ContainsRune(",:)]}>", rune(rest[0])) && !strings.HasPrefix(rest, "...")
}

// escape reads a backslash and what it stands for.
func (r *reader) escape(b *strings.Builder, value *Value) {
	if r.at+1 >= len(r.text) {
		r.at, value.Cut = len(r.text), true
		return
	}
	c := r.text[r.at+1]
	r.at += 2
	if at := strings.IndexByte(`abfnrtv\'"`, c); at >= 0 {
		b.WriteByte("\a\b\f\n\r\t\v\\'\""[at])
		return
	}
	switch {
	case c == '\n':
	case c == 'x':
		r.code(b, value, 2, 16)
	case c == 'u' && value.Kind == Str:
		r.code(b, value, 4, 16)
	case c == 'U' && value.Kind == Str:
		r.code(b, value, 8, 16)
	case c >= '0' && c <= '7':
		r.at--
		digits := 1
		for digits < 3 && r.at+digits < len(r.text) && r.text[r.at+digits] >= '0' && r.text[r.at+digits] <= '7' {
			digits++
		}
		r.code(b, value, digits, 8)
	default: // Python keeps a backslash that means nothing
		b.WriteByte('\\')
		b.WriteByte(c)
	}
}

// code reads the digits of a character or byte.
func (r *reader) code(b *strings.Builder, value *Value, digits, base int) {
	if r.at+digits > len(r.text) {
		r.at, value.Cut = len(r.text), true
		return
	}
	code, err := strconv.ParseUint(r.text[r.at:r.at+digits], base, 32)
	if err != nil {
		value.Cut = true // the mark, or something else, stands in the middle of it
		return
	}
	r.at += digits
	switch {
	case value.Kind == Bytes:
		b.WriteByte(byte(code))
	case code > utf8.MaxRune || !utf8.ValidRune(rune(code)):
		b.WriteRune(utf8.RuneError) // half of a surrogate pair, which no database holds
		value.Cut = true
	default:
		b.WriteRune(rune(code))
	}
}
