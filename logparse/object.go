package logparse

import (
	"bytes"
	"unicode/utf16"
	"unicode/utf8"
)

// object walks over the members of a JSON object without making anything of them.
type object struct {
	text []byte
	at   int
	ok   bool // as far as it has come
	cut  bool // it ends within a string
}

// newObject begins at the brace. Without one there are no members.
func newObject(text []byte) object {
	o := object{text: text}
	o.space()
	o.ok = o.take('{')
	return o
}

// next gives a name and a value as they stand, the name without its quotes. more is false at the
// end and at what is no JSON; whole tells the two apart.
func (o *object) next() (name, value []byte, more bool) {
	o.space()
	if !o.ok || o.at >= len(o.text) || o.text[o.at] == '}' {
		return nil, nil, false
	}
	name = o.value()
	o.space()
	if o.ok = o.ok && len(name) >= 2 && name[0] == '"' && o.take(':'); !o.ok {
		return nil, nil, false
	}
	o.space()
	value = o.value()
	o.space()
	if o.ok = o.ok && o.at < len(o.text); o.ok && o.text[o.at] != '}' {
		o.ok = o.take(',')
	}
	return name[1 : len(name)-1], value, len(value) > 0
}

// whole reports whether the object ends where the walk has come to.
func (o *object) whole() bool { return o.ok && o.at < len(o.text) && o.text[o.at] == '}' }

func (o *object) take(c byte) bool {
	if o.at < len(o.text) && o.text[o.at] == c {
		o.at++
		return true
	}
	return false
}

func (o *object) space() {
	for o.at < len(o.text) && (o.text[o.at] == ' ' || o.text[o.at] == '\t') {
		o.at++
	}
}

// value passes over one value and gives it as it stands. One that does not end makes ok false.
func (o *object) value() []byte {
	begin := o.at
	if begin >= len(o.text) {
		o.ok = false
		return nil
	}
	switch o.text[begin] {
	case '"':
		o.quoted()
	case '{', '[':
		o.nested()
	default:
		for o.at < len(o.text) && !bytes.ContainsRune([]byte(",:}] \t"), rune(o.text[o.at])) {
			o.at++
		}
		o.ok = o.ok && o.at > begin
	}
	return o.text[begin:o.at]
}

// quoted passes over a string.
func (o *object) quoted() {
	o.at++
	for {
		i := bytes.IndexByte(o.text[o.at:], '"')
		if i < 0 {
			o.at, o.ok, o.cut = len(o.text), false, true
			return
		}
		end := o.at + i
		slashes := 0
		for end-1-slashes >= o.at && o.text[end-1-slashes] == '\\' {
			slashes++
		}
		if o.at = end + 1; slashes%2 == 0 {
			return
		}
	}
}

// nested passes over an object or a list.
func (o *object) nested() {
	depth := 0
	for o.ok && o.at < len(o.text) {
		switch o.text[o.at] {
		case '"':
			o.quoted()
			continue
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		}
		if o.at++; depth == 0 {
			return
		}
	}
	o.ok = false
}

// unquote gives the text of a JSON string, which may lack its end. Where it has escapes it is put into
// room, which may grow. What is no string stays as it stands. replaced tells of U+FFFD in the text.
func (o *object) unquote(room *[]byte, raw []byte) (text []byte, replaced bool) {
	if len(raw) == 0 || raw[0] != '"' {
		return raw, false
	}
	if raw = raw[1:]; !o.cut {
		raw = raw[:len(raw)-1]
	}
	i := bytes.IndexByte(raw, '\\')
	if i < 0 {
		return raw, bytes.Contains(raw, replacement)
	}
	dst := (*room)[:0]
	for i >= 0 {
		dst = append(dst, raw[:i]...)
		if raw = raw[i+1:]; len(raw) == 0 {
			break
		}
		dst, raw = unescape(dst, raw)
		i = bytes.IndexByte(raw, '\\')
	}
	*room = append(dst, raw...)
	return *room, bytes.Contains(*room, replacement)
}

var replacement = []byte("\uFFFD")

// unescape takes one escape, of which the backslash is gone.
func unescape(dst, raw []byte) (out, rest []byte) {
	switch c := raw[0]; c {
	case 'n':
		return append(dst, '\n'), raw[1:]
	case 't':
		return append(dst, '\t'), raw[1:]
	case 'r':
		return append(dst, '\r'), raw[1:]
	case 'b':
		return append(dst, '\b'), raw[1:]
	case 'f':
		return append(dst, '\f'), raw[1:]
	case 'u':
		r, ok := hex4(raw[1:])
		if !ok {
			return append(dst, '\\', 'u'), raw[1:]
		}
		raw = raw[5:]
		if utf16.IsSurrogate(r) {
			low, ok := rune(0), false
			if len(raw) >= 6 && raw[0] == '\\' && raw[1] == 'u' {
				low, ok = hex4(raw[2:])
			}
			if r = utf16.DecodeRune(r, low); ok && r != utf8.RuneError {
				raw = raw[6:]
			}
		}
		return utf8.AppendRune(dst, r), raw
	default:
		return append(dst, c), raw[1:]
	}
}

func hex4(text []byte) (rune, bool) {
	if len(text) < 4 {
		return 0, false
	}
	r := rune(0)
	for _, c := range text[:4] {
		switch {
		case isDigit(c):
			r = r<<4 | rune(c-'0')
		case c >= 'a' && c <= 'f':
			r = r<<4 | rune(c-'a'+10)
		case c >= 'A' && c <= 'F':
			r = r<<4 | rune(c-'A'+10)
		default:
			return 0, false
		}
	}
	return r, true
}

// Members walks over the members of a JSON object and gives each name and value as they stand, the name without its
// quotes. It reports whether the object is whole; what comes before the damage has been given then.
func Members(text []byte, member func(name, value []byte)) (whole bool) {
	o := newObject(text)
	for {
		name, value, more := o.next()
		if !more {
			return o.whole()
		}
		member(name, value)
	}
}

// Unquote gives the text of a JSON string, which may lack its end. Where it has escapes it is put into room, which may
// grow. What is no string stays as it stands.
func Unquote(room *[]byte, raw []byte) []byte {
	var o object
	o.cut = len(raw) < 2 || raw[len(raw)-1] != '"'
	text, _ := o.unquote(room, raw)
	return text
}
