package xlsxfile

import (
	"bytes"
	"fmt"
	"strconv"
	"unicode/utf8"
)

var byteOrderMark = []byte("\xef\xbb\xbf")

// What a byte means within a part.
const (
	className    = 1 << iota // it may stand in a name
	classBad                 // XML forbids it
	classSpecial             // a text with it is not as it stands: & ] and carriage return
	classWide                // it is not ASCII
)

var charClass = makeCharClass()

func makeCharClass() (class [256]byte) {
	for c := range class {
		switch {
		case c >= 0x80:
			class[c] = className | classWide
		case c < 0x20 && c != '\t' && c != '\n' && c != '\r':
			class[c] = classBad
		case c == '&' || c == ']' || c == '\r':
			class[c] = classSpecial
		case c == ':' || c == '_' || c == '-' || c == '.',
			c >= '0' && c <= '9', c >= 'A' && c <= 'Z', c >= 'a' && c <= 'z':
			class[c] = className
		}
	}
	return class
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }

// setText makes raw the text of the token. References are replaced in it unless it is CDATA.
func (s *scanner) setText(raw []byte, references bool) {
	s.flaw, s.lost = "", false
	var classes byte
	for _, c := range raw {
		classes |= charClass[c]
	}
	s.text = raw
	if classes&(classBad|classSpecial|classWide) == 0 {
		return
	}
	if classes&classWide != 0 {
		s.checkWide(raw)
	}
	if classes&classBad != 0 {
		s.checkBad(raw)
	}
	if classes&classSpecial != 0 {
		if references && bytes.Contains(raw, []byte("]]>")) {
			s.setFlaw("holds ]]>, which XML forbids", false)
		}
		s.scratch = s.unescape(s.scratch[:0], raw, references)
		s.text = s.scratch
	}
}

func (s *scanner) setFlaw(flaw string, lost bool) {
	if s.flaw == "" || lost && !s.lost {
		s.flaw = flaw
	}
	s.lost = s.lost || lost
}

// checkWide looks for bytes that are no UTF-8.
func (s *scanner) checkWide(raw []byte) {
	if utf8.Valid(raw) {
		return
	}
	for at := 0; at < len(raw); {
		r, size := utf8.DecodeRune(raw[at:])
		if r == utf8.RuneError && size == 1 {
			s.setFlaw(fmt.Sprintf("holds the byte %#02x, which is no UTF-8 there", raw[at]), true)
			return
		}
		at += size
	}
}

// checkBad looks for control characters. All but NUL are kept: the text is what it is.
func (s *scanner) checkBad(raw []byte) {
	for _, c := range raw {
		if charClass[c]&classBad != 0 {
			s.setFlaw(fmt.Sprintf("holds the control character %U, which XML forbids", rune(c)), c == 0)
			if s.lost {
				return
			}
		}
	}
}

// unescape appends raw with its references replaced and its ends of line made newlines.
func (s *scanner) unescape(dst, raw []byte, references bool) []byte {
	for len(raw) > 0 {
		n := bytes.IndexAny(raw, "&\r")
		if n < 0 {
			break
		}
		dst = append(dst, raw[:n]...)
		raw = raw[n:]
		switch {
		case raw[0] == '\r':
			dst = append(dst, '\n')
			raw = raw[1:]
			if len(raw) > 0 && raw[0] == '\n' {
				raw = raw[1:]
			}
		case !references:
			dst = append(dst, raw[0])
			raw = raw[1:]
		default:
			size := 0
			dst, size = s.reference(dst, raw)
			raw = raw[size:]
		}
	}
	return append(dst, raw...)
}

// reference appends what the reference at the beginning of raw stands for. An ampersand that
// begins none stands for itself: whoever wrote the part did not know that it must be escaped.
func (s *scanner) reference(dst, raw []byte) ([]byte, int) {
	const longest = 12
	n := bytes.IndexByte(raw[:min(len(raw), longest)], ';')
	if n > 1 {
		switch name := string(raw[1:n]); name {
		case "amp":
			return append(dst, '&'), n + 1
		case "lt":
			return append(dst, '<'), n + 1
		case "gt":
			return append(dst, '>'), n + 1
		case "quot":
			return append(dst, '"'), n + 1
		case "apos":
			return append(dst, '\''), n + 1
		default:
			if r, ok := characterReference(name); ok {
				switch {
				case r == 0 || !utf8.ValidRune(r):
					s.setFlaw("holds the reference "+string(raw[:n+1])+", which is no character", true)
				case r < 0x20 && charClass[r]&classBad != 0:
					s.setFlaw(fmt.Sprintf("holds the control character %U, which XML forbids", r), false)
				}
				return utf8.AppendRune(dst, r), n + 1
			}
		}
	}
	s.setFlaw("holds an & that is not escaped", false)
	return append(dst, '&'), 1
}

func characterReference(name string) (rune, bool) {
	if len(name) < 2 || name[0] != '#' {
		return 0, false
	}
	digits, base := name[1:], 10
	if digits[0] == 'x' {
		digits, base = digits[1:], 16
	}
	code, err := strconv.ParseUint(digits, base, 32)
	if err != nil || code > 1<<31-1 {
		return 0, false
	}
	return rune(code), true
}

// attr is the text of an attribute of the tag, by its name with prefix.
func (s *scanner) attr(name string) (string, bool) {
	for _, a := range s.attrs {
		if string(a.name) == name {
			return s.attrText(a.value), true
		}
	}
	return "", false
}

func (s *scanner) attrText(value []byte) string {
	for _, c := range value {
		if charClass[c]&(classSpecial|classWide) != 0 {
			return string(s.unescape(nil, bytes.ToValidUTF8(value, []byte("\uFFFD")), true))
		}
	}
	return string(value)
}

// unescapeX replaces _xHHHH_, with which the format writes characters that XML forbids, in
// place. ok is false when the text holds what no text can: a NUL.
func unescapeX(text []byte) (_ []byte, ok bool) {
	n := bytes.Index(text, []byte("_x"))
	if n < 0 {
		return text, true
	}
	ok = true
	dst := text[:n]
	for text = text[n:]; len(text) > 0; {
		r, size := escapeX(text)
		if size == 0 {
			dst = append(dst, text[0])
			text = text[1:]
			continue
		}
		ok = ok && r != 0
		dst = utf8.AppendRune(dst, r) // never longer than what it replaces
		text = text[size:]
	}
	return dst, ok
}

// escapeX reads an escape, or two that are a pair of surrogates. The size is 0 if there is none.
func escapeX(text []byte) (rune, int) {
	r, ok := oneEscapeX(text)
	if !ok {
		return 0, 0
	}
	if r >= 0xd800 && r < 0xdc00 {
		low, ok := oneEscapeX(text[escapeSize:])
		if ok && low >= 0xdc00 && low < 0xe000 {
			return (r-0xd800)<<10 + (low - 0xdc00) + 0x10000, 2 * escapeSize
		}
	}
	if !utf8.ValidRune(r) {
		return 0, 0
	}
	return r, escapeSize
}

const escapeSize = len("_x0000_")

func oneEscapeX(text []byte) (rune, bool) {
	if len(text) < escapeSize || text[0] != '_' || text[1] != 'x' || text[6] != '_' {
		return 0, false
	}
	var r rune
	for _, c := range text[2:6] {
		switch {
		case c >= '0' && c <= '9':
			r = r<<4 | rune(c-'0')
		case c >= 'A' && c <= 'F':
			r = r<<4 | rune(c-'A'+10)
		case c >= 'a' && c <= 'f':
			r = r<<4 | rune(c-'a'+10)
		default:
			return 0, false
		}
	}
	return r, true
}
