package mapping

import (
	"unicode/utf8"

	"github.com/pgrescue/pgrescue/importers"
)

// AppendJSON appends a field as JSON, as Python's json.dumps prints it: a comma and a colon have a
// space behind them, and what is not ASCII is escaped. Objects and lists stay as they stand in the source. A
// field that the source lacks, or that cannot be had, is null.
func AppendJSON(dst []byte, f *importers.Field) []byte {
	switch f.Kind {
	case importers.Text:
		return appendString(dst, f.Text)
	case importers.Number, importers.Bool, importers.JSON:
		return append(dst, f.Text...)
	}
	return append(dst, "null"...)
}

// AppendObject appends the fields as one JSON object. A field that the source lacks is left out.
func AppendObject(dst []byte, names []string, fields []importers.Field) []byte {
	dst = append(dst, '{')
	first := true
	for i := range fields {
		if i >= len(names) || fields[i].Kind == importers.Missing {
			continue
		}
		if !first {
			dst = append(dst, ", "...)
		}
		first = false
		dst = AppendJSONString(dst, names[i])
		dst = append(dst, ": "...)
		dst = AppendJSON(dst, &fields[i])
	}
	return append(dst, '}')
}

// AppendJSONString appends a text as a JSON string in ASCII.
func AppendJSONString(dst []byte, text string) []byte { return appendString(dst, text) }

const hexDigits = "0123456789abcdef"

func appendString[T string | []byte](dst []byte, text T) []byte {
	dst = append(dst, '"')
	start := 0
	for i := 0; i < len(text); {
		c := text[i]
		if c >= ' ' && c < 0x7f && c != '"' && c != '\\' {
			i++
			continue
		}
		dst = append(dst, text[start:i]...)
		size := 1
		switch c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\n':
			dst = append(dst, `\n`...)
		case '\r':
			dst = append(dst, `\r`...)
		case '\t':
			dst = append(dst, `\t`...)
		case '\b':
			dst = append(dst, `\b`...)
		case '\f':
			dst = append(dst, `\f`...)
		default:
			var r rune
			r, size = decodeRune(text[i:])
			dst = appendEscaped(dst, r)
		}
		i += size
		start = i
	}
	dst = append(dst, text[start:]...)
	return append(dst, '"')
}

func decodeRune[T string | []byte](text T) (rune, int) {
	var part [utf8.UTFMax]byte
	return utf8.DecodeRune(part[:copy(part[:], text)])
}

// appendEscaped appends \uXXXX, or two of them for what is beyond 16 bits.
func appendEscaped(dst []byte, r rune) []byte {
	if r > 0xffff {
		r -= 0x10000
		dst = appendEscaped(dst, 0xd800+r>>10)
		r = 0xdc00 + r&0x3ff
	}
	return append(dst, '\\', 'u', hexDigits[r>>12&15], hexDigits[r>>8&15], hexDigits[r>>4&15], hexDigits[r&15])
}
