package casefile

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/pgrescue/pgrescue/recover/evidence"
)

// The values of a row are a JSON array: a text is a string, NULL is null, an
// unknown value {"unknown": reason, "raw": hex}, its raw bytes left out when there
// are none, and a text that is not UTF-8 {"bytes": hex}. What is written of one
// value is always the same bytes, so that texts can be compared instead of values.

// AppendValues appends values as JSON.
func AppendValues(dst []byte, values []evidence.Value) []byte {
	dst = append(dst, '[')
	for i := range values {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendValue(dst, &values[i])
	}
	return append(dst, ']')
}

func appendValue(dst []byte, v *evidence.Value) []byte {
	switch v.State {
	case evidence.Known:
		return appendBytes(dst, v.Text)
	case evidence.Null:
		return append(dst, "null"...)
	}
	dst = append(dst, `{"unknown":`...)
	dst = appendBytes(dst, v.Reason)
	if len(v.Raw) > 0 {
		dst = append(dst, `,"raw":"`...)
		dst = hex.AppendEncode(dst, v.Raw)
		dst = append(dst, '"')
	}
	return append(dst, '}')
}

// appendBytes appends any bytes: as a string when they are UTF-8.
func appendBytes[T string | []byte](dst []byte, text T) []byte {
	start, from, ascii := len(dst), 0, true
	dst = append(dst, '"')
	for i := range len(text) {
		c := text[i]
		if c >= utf8.RuneSelf {
			ascii = false
			continue
		}
		if c >= 0x20 && c != '"' && c != '\\' {
			continue
		}
		dst = append(dst, text[from:i]...)
		dst = appendEscape(dst, c)
		from = i + 1
	}
	dst = append(dst, text[from:]...)
	if !ascii && !utf8.Valid(dst[start:]) {
		dst = append(dst[:start], `{"bytes":"`...)
		dst = hex.AppendEncode(dst, []byte(text))
		return append(dst, `"}`...)
	}
	return append(dst, '"')
}

// appendEscape appends a character that cannot stand in a JSON string.
func appendEscape(dst []byte, c byte) []byte {
	const digits = "0123456789abcdef"
	switch c {
	case '"', '\\':
		return append(dst, '\\', c)
	case '\n':
		return append(dst, '\\', 'n')
	case '\r':
		return append(dst, '\\', 'r')
	case '\t':
		return append(dst, '\\', 't')
	}
	return append(dst, '\\', 'u', '0', '0', digits[c>>4], digits[c&15])
}

// ParseValues appends the values that AppendValues wrote to dst. Their bytes may
// be those of text.
func ParseValues(dst []evidence.Value, text []byte) ([]evidence.Value, error) {
	p := valueParser{text: text}
	err := p.array(func() error {
		v, err := p.value()
		if err == nil {
			dst = append(dst, v)
		}
		return err
	})
	return dst, err
}

// valueParser reads JSON that was written here, or by a person.
type valueParser struct {
	text []byte
	at   int
}

// array reads an array that is all of the text; item reads one of its values.
func (p *valueParser) array(item func() error) error {
	if !p.take('[') {
		return p.fail("an array begins with [")
	}
	if p.take(']') {
		return p.end()
	}
	for {
		if err := item(); err != nil {
			return err
		}
		if p.take(']') {
			return p.end()
		}
		if !p.take(',') {
			return p.fail("values are separated by commas")
		}
	}
}

func (p *valueParser) fail(cause string) error {
	return fmt.Errorf("case: parse values at byte %d: %w", p.at, errors.New(cause))
}

func (p *valueParser) space() {
	for p.at < len(p.text) {
		switch p.text[p.at] {
		case ' ', '\t', '\n', '\r':
			p.at++
		default:
			return
		}
	}
}

// take steps over a character if it comes next.
func (p *valueParser) take(c byte) bool {
	p.space()
	if p.at < len(p.text) && p.text[p.at] == c {
		p.at++
		return true
	}
	return false
}

func (p *valueParser) end() error {
	p.space()
	if p.at < len(p.text) {
		return p.fail("something follows the array")
	}
	return nil
}

func (p *valueParser) value() (evidence.Value, error) {
	p.space()
	rest := p.text[p.at:]
	switch {
	case bytes.HasPrefix(rest, []byte("null")):
		p.at += len("null")
		return evidence.Value{State: evidence.Null}, nil
	case len(rest) > 0 && rest[0] == '"':
		text, err := p.quoted()
		return evidence.Value{Text: text}, err
	case len(rest) > 0 && rest[0] == '{':
		return p.object()
	}
	return evidence.Value{}, p.fail("a value is a string, null or an object")
}

// object reads an unknown value, or bytes.
func (p *valueParser) object() (evidence.Value, error) {
	p.at++
	var v evidence.Value
	name, err := p.name()
	if err != nil {
		return v, err
	}
	switch name {
	case "bytes":
		v.Text, err = p.hex()
	case "unknown":
		v, err = p.unknown()
	default:
		err = p.fail("an object holds unknown or bytes")
	}
	if err == nil && !p.take('}') {
		err = p.fail("the object does not end")
	}
	return v, err
}

func (p *valueParser) name() (string, error) {
	text, err := p.quoted()
	if err == nil && !p.take(':') {
		err = p.fail("a name is followed by a colon")
	}
	return string(text), err
}

func (p *valueParser) unknown() (evidence.Value, error) {
	v := evidence.Value{State: evidence.Unknown}
	reason, err := p.value()
	if err != nil {
		return v, err
	}
	if reason.State != evidence.Known {
		return v, p.fail("the reason is a text")
	}
	v.Reason = string(reason.Text)
	if !p.take(',') {
		return v, nil
	}
	name, err := p.name()
	if err == nil && name != "raw" {
		err = p.fail("a reason is followed by raw")
	}
	if err != nil {
		return v, err
	}
	v.Raw, err = p.hex()
	return v, err
}

func (p *valueParser) hex() ([]byte, error) {
	text, err := p.quoted()
	if err != nil {
		return nil, err
	}
	raw := make([]byte, hex.DecodedLen(len(text)))
	if _, err := hex.Decode(raw, text); err != nil {
		return nil, p.fail(err.Error())
	}
	return raw, nil
}

// quoted reads a string. Without an escape in it, it is a part of the text.
func (p *valueParser) quoted() ([]byte, error) {
	if !p.take('"') {
		return nil, p.fail("a string begins with a quote")
	}
	start := p.at
	for p.at < len(p.text) {
		switch c := p.text[p.at]; {
		case c == '"':
			p.at++
			return p.text[start : p.at-1 : p.at-1], nil
		case c == '\\':
			return p.escaped(append([]byte(nil), p.text[start:p.at]...))
		case c < 0x20:
			return nil, p.fail("a control character stands in a string")
		}
		p.at++
	}
	return nil, p.fail("the string does not end")
}

// escaped reads the rest of a string that has escapes.
func (p *valueParser) escaped(text []byte) ([]byte, error) {
	for p.at < len(p.text) {
		c := p.text[p.at]
		p.at++
		switch {
		case c == '"':
			return text, nil
		case c < 0x20:
			return nil, p.fail("a control character stands in a string")
		case c != '\\':
			text = append(text, c)
			continue
		}
		if p.at == len(p.text) {
			break
		}
		c = p.text[p.at]
		p.at++
		switch c {
		case '"', '\\', '/':
			text = append(text, c)
		case 'b', 'f', 'n', 'r', 't':
			text = append(text, map[byte]byte{'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}[c])
		case 'u':
			r, err := p.codePoint()
			if err != nil {
				return nil, err
			}
			text = utf8.AppendRune(text, r)
		default:
			return nil, p.fail("no such escape")
		}
	}
	return nil, p.fail("the string does not end")
}

// codePoint reads what follows \u: one code point, or the two halves of one.
func (p *valueParser) codePoint() (rune, error) {
	r, err := p.unit()
	if err != nil || !utf16.IsSurrogate(r) {
		return r, err
	}
	if !bytes.HasPrefix(p.text[p.at:], []byte(`\u`)) {
		return 0, p.fail("half of a surrogate pair is missing")
	}
	p.at += 2
	low, err := p.unit()
	if err != nil {
		return 0, err
	}
	if r = utf16.DecodeRune(r, low); r == utf8.RuneError {
		return 0, p.fail("no surrogate pair")
	}
	return r, nil
}

func (p *valueParser) unit() (rune, error) {
	if len(p.text)-p.at < 4 {
		return 0, p.fail("the escape does not end")
	}
	n, err := strconv.ParseUint(string(p.text[p.at:p.at+4]), 16, 16)
	if err != nil {
		return 0, p.fail("no hexadecimal number")
	}
	p.at += 4
	return rune(n), nil
}
