package applog

import (
	"bytes"
	"strings"

	"github.com/pgrescue/pgrescue/logparse"
	"github.com/pgrescue/pgrescue/logparse/pyrepr"
)

// readLiteral reads the value of a payload, and tells how many bytes it takes; -1: there is none. One that the log
// has not all of is Cut.
func readLiteral(kind Kind, text string) (pyrepr.Value, int) {
	if kind == KindJSON {
		if value, n := readJSON(text); n >= 0 {
			return value, n
		}
	}
	mended := unredact(text)
	value, n, err := pyrepr.Parse(mended)
	switch {
	case err != nil:
		return value, -1
	case len(mended) != len(text) && n == len(mended):
		return value, len(text)
	case len(mended) != len(text):
		value, n, err = pyrepr.Parse(text)
		if err != nil {
			return value, -1
		}
	}
	return value, n
}

// unredact puts into quotes what the application's filter left of a value that had none: it takes what stands behind a
// name up to a quote, with the comma, so that {'token': None, 'x': 1} becomes {'token':[REDACTED]'x': 1}.
func unredact(text string) string {
	if !strings.Contains(text, redacted) {
		return text
	}
	var out strings.Builder
	quote := byte(0)
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case quote != 0 && c == '\\' && i+1 < len(text):
			out.WriteByte(c)
			i++
			c = text[i]
		case quote != 0 && c == quote:
			quote = 0
		case quote != 0:
		case c == '"' || c == '\'':
			quote = c
		case strings.HasPrefix(text[i:], redacted):
			end := i + len(redacted)
			for end < len(text) && !strings.ContainsRune(`'",}]`+"\n", rune(text[end])) {
				end++
			}
			out.WriteByte('"')
			out.WriteString(text[i:end])
			out.WriteByte('"')
			if end < len(text) && (text[end] == '\'' || text[end] == '"') {
				out.WriteString(", ")
			}
			i = end - 1
			continue
		}
		out.WriteByte(c)
	}
	return out.String()
}

// maxNesting is how deep JSON may nest.
const maxNesting = 200

// readJSON reads an object or a list as a Python program has it once it is read, and tells how many bytes that takes;
// -1: none begins there.
func readJSON(text string) (pyrepr.Value, int) {
	mended := unredact(text)
	r := jsonReader{text: []byte(mended)}
	r.space()
	if c := r.peek(); c != '{' && c != '[' {
		return pyrepr.Value{}, -1
	}
	value, ok := r.value(0)
	switch {
	case !ok && !r.ended() && len(value.Items) == 0:
		return value, -1
	case !ok: // it is cut, or something that is no JSON stands in it
		return value, len(text)
	case len(mended) != len(text):
		return value, len(text)
	}
	return value, r.at
}

type jsonReader struct {
	text []byte
	at   int
	room []byte
}

func (r *jsonReader) space() {
	for r.at < len(r.text) && bytes.IndexByte([]byte(" \t\r\n"), r.text[r.at]) >= 0 {
		r.at++
	}
}

func (r *jsonReader) peek() byte {
	if r.at < len(r.text) {
		return r.text[r.at]
	}
	return 0
}

func (r *jsonReader) ended() bool { return r.at >= len(r.text) }

// value reads one value; ok tells that it is whole.
func (r *jsonReader) value(depth int) (v pyrepr.Value, ok bool) {
	r.space()
	switch c := r.peek(); {
	case depth > maxNesting:
		return pyrepr.Value{Kind: pyrepr.Lost, Cut: true}, false
	case c == '{':
		return r.members(pyrepr.Dict, '}', depth)
	case c == '[':
		return r.members(pyrepr.List, ']', depth)
	case c == '"':
		return r.str()
	}
	begin := r.at
	for r.at < len(r.text) && !bytes.ContainsRune([]byte(",:{}[]\" \t\r\n"), rune(r.text[r.at])) {
		r.at++
	}
	return r.word(string(r.text[begin:r.at]))
}

// word tells what a word is. One at the end of the text may be cut.
func (r *jsonReader) word(word string) (v pyrepr.Value, ok bool) {
	v, ok = pyrepr.Value{Kind: pyrepr.Int, Text: word}, !r.ended()
	switch {
	case word == "true" || word == "false":
		v = pyrepr.Value{Kind: pyrepr.Bool, Text: strings.ToUpper(word[:1]) + word[1:]}
	case word == "null":
		v = pyrepr.Value{Kind: pyrepr.None}
	case !isNumber(word):
		v, ok = pyrepr.Value{Kind: pyrepr.Lost}, false
	case strings.ContainsAny(word, ".eE"):
		v.Kind = pyrepr.Float
	}
	v.Cut = !ok
	return v, ok
}

// isNumber reports whether JSON would read a word as a number.
func isNumber(word string) bool {
	rest := strings.TrimPrefix(word, "-")
	whole, n := digits([]byte(rest))
	if len(whole) == 0 || len(whole) > 1 && whole[0] == '0' {
		return false
	}
	rest = rest[len(rest)-len(n):]
	if fraction, found := strings.CutPrefix(rest, "."); found {
		part, n := digits([]byte(fraction))
		if len(part) == 0 {
			return false
		}
		rest = fraction[len(fraction)-len(n):]
	}
	if rest != "" && (rest[0] == 'e' || rest[0] == 'E') {
		exponent := strings.TrimLeft(rest[1:], "+-")
		part, n := digits([]byte(exponent))
		if len(part) == 0 || len(rest)-1-len(exponent) > 1 {
			return false
		}
		rest = exponent[len(exponent)-len(n):]
	}
	return rest == ""
}

func (r *jsonReader) str() (v pyrepr.Value, ok bool) {
	begin := r.at
	for r.at++; r.at < len(r.text); r.at++ {
		switch r.text[r.at] {
		case '\\':
			r.at++
		case '"':
			r.at++
			return pyrepr.Value{Kind: pyrepr.Str, Text: string(logparse.Unquote(&r.room, r.text[begin:r.at]))}, true
		}
	}
	r.at = len(r.text)
	text := bytes.TrimSuffix(r.text[begin:], []byte{'\\'})
	if i := bytes.LastIndex(text, []byte(`\u`)); i >= 0 && len(text)-i < len(`\u0000`) {
		text = text[:i]
	}
	text = append(bytes.Clone(text), '"')
	return pyrepr.Value{Kind: pyrepr.Str, Text: string(logparse.Unquote(&r.room, text)), Cut: true}, false
}

// members reads an object or a list, as far as it is one.
func (r *jsonReader) members(kind pyrepr.Kind, end byte, depth int) (v pyrepr.Value, ok bool) {
	v.Kind = kind
	r.at++
	for r.space(); r.peek() != end; r.space() {
		if r.ended() {
			break
		}
		if len(v.Items) > 0 {
			if r.peek() != ',' {
				v.Cut = true
				return v, false
			}
			r.at++
		}
		if kind == pyrepr.Dict {
			name, ok := r.name()
			if !ok {
				v.Cut = true
				return v, false
			}
			v.Items = append(v.Items, name)
		}
		item, ok := r.value(depth + 1)
		if v.Items = append(v.Items, item); !ok {
			v.Cut = true
			return v, false
		}
	}
	if r.ended() {
		v.Cut = true
		return v, false
	}
	r.at++
	return v, true
}

// name reads the name of a member with its colon.
func (r *jsonReader) name() (name pyrepr.Value, ok bool) {
	if r.space(); r.peek() != '"' {
		return name, false
	}
	if name, ok = r.str(); !ok {
		return name, false
	}
	if r.space(); r.peek() != ':' {
		return name, false
	}
	r.at++
	return name, true
}
