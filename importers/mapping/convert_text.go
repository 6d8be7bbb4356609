package mapping

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/pgrescue/pgrescue/importers"
	"github.com/pgrescue/pgrescue/recover/pg"
)

// shown is a text as a reason quotes it: short, and in one line.
func shown(text []byte) string {
	const most = 40
	if len(text) <= most {
		return fmt.Sprintf("%q", text)
	}
	cut := most
	for cut > 0 && !utf8.RuneStart(text[cut]) {
		cut--
	}
	return fmt.Sprintf("%q…", text[:cut])
}

// isSpace takes what the application's browser trimmed too: every space of Unicode and U+FEFF.
func isSpace(r rune) bool { return unicode.IsSpace(r) && r != 0x85 || r == 0xfeff }

// trim takes spaces away at both ends. It never returns nil.
func trim(text []byte) []byte {
	if n := len(text); n == 0 || text[0] > ' ' && text[0] < utf8.RuneSelf && text[n-1] > ' ' && text[n-1] < utf8.RuneSelf {
		return text
	}
	if short := bytes.TrimFunc(text, isSpace); short != nil {
		return short
	}
	return text[:0]
}

// lower is text in lower case; text itself when it is that already.
func lower(text []byte, buf *[]byte) []byte {
	return folding(text, buf, 'A', 'Z', unicode.ToLower)
}

// upper is text in upper case.
func upper(text []byte, buf *[]byte) []byte {
	return folding(text, buf, 'a', 'z', unicode.ToUpper)
}

func folding(text []byte, buf *[]byte, from, to byte, fold func(rune) rune) []byte {
	if !bytes.ContainsFunc(text, func(r rune) bool { return r >= utf8.RuneSelf || byte(r) >= from && byte(r) <= to }) {
		return text
	}
	start := len(*buf)
	for rest := text; len(rest) > 0; {
		r, size := utf8.DecodeRune(rest)
		if r == utf8.RuneError && size == 1 {
			*buf = append(*buf, rest[0])
		} else {
			*buf = utf8.AppendRune(*buf, fold(r))
		}
		rest = rest[size:]
	}
	return (*buf)[start:len(*buf):len(*buf)]
}

// boolean takes PostgreSQL's words, or those of the profile.
func (s *step) boolean(text []byte, buf *[]byte) ([]byte, *failure) {
	for i := range s.words {
		if bytes.EqualFold(s.words[i].word, text) {
			return s.words[i].to, nil
		}
	}
	if s.words == nil {
		if word := boolWord(text); word != "" {
			start := len(*buf)
			*buf = append(*buf, word...)
			return (*buf)[start:len(*buf):len(*buf)], nil
		}
	}
	return nil, &failure{reason: shown(text) + " is neither true nor false", hint: "list its words: bool: {true: [...], false: [...]}"}
}

// boolWord is true or false, or "" when the text is no word that PostgreSQL takes for them.
func boolWord(text []byte) string {
	var folded [5]byte
	if len(text) > len(folded) {
		return ""
	}
	n := copy(folded[:], text)
	for i := range n {
		if c := folded[i]; c >= 'A' && c <= 'Z' {
			folded[i] = c + 'a' - 'A'
		}
	}
	switch string(folded[:n]) {
	case "true", "t", "yes", "y", "on", "1":
		return "true"
	case "false", "f", "no", "n", "off", "0":
		return "false"
	}
	return ""
}

// convertUUID takes the 32 digits with or without hyphens and braces, and writes them as PostgreSQL does.
func convertUUID(text []byte, buf *[]byte) ([]byte, *failure) {
	inner := text
	if n := len(inner); n >= 2 && inner[0] == '{' && inner[n-1] == '}' {
		inner = inner[1 : n-1]
	}
	if len(inner) != 32 && len(inner) != 36 {
		return nil, notUUID(text)
	}
	start, digits := len(*buf), 0
	for i, c := range inner {
		if len(inner) == 36 && (i == 8 || i == 13 || i == 18 || i == 23) {
			if c != '-' {
				return nil, notUUID(text)
			}
			continue
		}
		switch {
		case c >= 'A' && c <= 'F':
			c += 'a' - 'A'
		case c >= '0' && c <= '9' || c >= 'a' && c <= 'f':
		default:
			return nil, notUUID(text)
		}
		if digits == 8 || digits == 12 || digits == 16 || digits == 20 {
			*buf = append(*buf, '-')
		}
		*buf = append(*buf, c)
		digits++
	}
	return (*buf)[start:len(*buf):len(*buf)], nil
}

func notUUID(text []byte) *failure { return &failure{reason: shown(text) + " is no uuid"} }

// json takes what is JSON.
func (s *step) json(text []byte) ([]byte, *failure) {
	if !utf8.Valid(text) || !json.Valid(text) {
		return nil, &failure{reason: shown(text) + " is not JSON", hint: "json_string makes it a JSON string"}
	}
	if s.kind.base == typeJSONB {
		if why := notInJSONB(text); why != "" {
			return nil, &failure{reason: why}
		}
	}
	return text, nil
}

// notInJSONB says what valid JSON holds that jsonb cannot.
func notInJSONB(text []byte) string {
	high := false // a high surrogate stands just before
	inside := false
	for i := 0; i < len(text); i++ {
		if text[i] != '\\' {
			if high {
				return loneSurrogate
			}
			if text[i] == '"' {
				inside = !inside
			} else if !inside && (isDigit(text[i]) || text[i] == '-') {
				end := i
				for end < len(text) && strings.IndexByte("+-.eE0123456789", text[end]) >= 0 {
					end++
				}
				if !jsonbNumber(text[i:end]) {
					return shown(text[i:end]) + " is a number out of range for jsonb"
				}
				i = end - 1
			}
			continue
		}
		i++
		if text[i] != 'u' {
			if high {
				return loneSurrogate
			}
			continue
		}
		unit := rune(0)
		for _, c := range text[i+1 : i+5] {
			unit = unit<<4 | rune(hexValue(c))
		}
		i += 4
		low := unit >= 0xdc00 && unit < 0xe000
		switch {
		case unit == 0:
			return `holds \u0000, which jsonb cannot hold`
		case low != high:
			return loneSurrogate
		}
		high = unit >= 0xd800 && unit < 0xdc00
	}
	return ""
}

// jsonbNumber reports whether numeric, in which jsonb keeps numbers, takes one.
func jsonbNumber(text []byte) bool {
	n, _ := parseNumber(text)
	power, nonzero := n.magnitude()
	any := kind{base: typeNumeric}
	return any.numeric(&n, power) || !nonzero && n.exponent == 0
}

const loneSurrogate = "holds half of a surrogate pair, which jsonb cannot hold"

func hexValue(c byte) byte {
	switch {
	case c >= 'a':
		return c - 'a' + 10
	case c >= 'A':
		return c - 'A' + 10
	}
	return c - '0'
}

// jsonString makes a JSON string of a text; numbers, booleans and JSON stay.
func (s *step) jsonString(text []byte, field importers.Kind, buf *[]byte) ([]byte, *failure) {
	if field != importers.Text {
		return s.json(text)
	}
	if bytes.IndexByte(text, 0) >= 0 {
		return nil, &failure{reason: zeroByte}
	}
	start := len(*buf)
	*buf = AppendJSONString(*buf, text)
	return (*buf)[start:len(*buf):len(*buf)], nil
}

// lookup replaces a word by another.
func (s *step) lookup(text []byte) ([]byte, *failure) {
	for i := range s.words {
		if bytes.EqualFold(s.words[i].word, text) {
			if s.words[i].null {
				return nil, nil
			}
			return s.words[i].to, nil
		}
	}
	return s.others(text)
}

// contains takes the first word that stands in the text.
func (s *step) contains(text []byte) ([]byte, *failure) {
next:
	for i := range s.words {
		for _, part := range s.words[i].parts {
			if !containsFold(text, part) {
				continue next
			}
		}
		if s.words[i].null {
			return nil, nil
		}
		return s.words[i].to, nil
	}
	return s.others(text)
}

// containsFold reports whether part stands in text, in any case of ASCII letters.
func containsFold(text, part []byte) bool {
	for i := 0; i+len(part) <= len(text); i++ {
		if bytes.EqualFold(text[i:i+len(part)], part) {
			return true
		}
	}
	return false
}

func (s *step) others(text []byte) ([]byte, *failure) {
	switch s.other {
	case keepOthers:
		return text, nil
	case nullOthers:
		return nil, nil
	}
	return nil, &failure{reason: shown(text) + " is none of the words of the profile", hint: "add it to them, or say else: keep"}
}

// list splits a text and makes a JSON list of it, or an array when the column is one.
func (s *step) list(text []byte, field importers.Kind, buf *[]byte) ([]byte, *failure) {
	if bytes.IndexByte(text, 0) >= 0 {
		return nil, &failure{reason: zeroByte}
	}
	if field == importers.JSON {
		if s.kind.array {
			return nil, &failure{reason: "it is JSON, and the column is an array"}
		}
		return text, nil
	}
	if len(text) > 0 && text[0] == '[' && !s.kind.array && json.Valid(text) {
		return text, nil // it is one already
	}
	start := len(*buf)
	open, shut, comma := byte('['), byte(']'), ", "
	if s.kind.array {
		open, shut, comma = '{', '}', ","
	}
	*buf = append(*buf, open)
	for rest := text; len(rest) > 0; {
		item := rest
		if i := bytes.IndexAny(rest, s.marks); i >= 0 {
			item, rest = rest[:i], rest[i+1:]
		} else {
			rest = nil
		}
		if item = trim(item); len(item) == 0 {
			continue
		}
		if len(*buf) > start+1 {
			*buf = append(*buf, comma...)
		}
		if s.kind.array {
			*buf = pg.AppendArrayItem(*buf, item)
		} else {
			*buf = AppendJSONString(*buf, item)
		}
	}
	*buf = append(*buf, shut)
	return (*buf)[start:len(*buf):len(*buf)], nil
}
