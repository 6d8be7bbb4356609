package mapping

import (
	"encoding/binary"
	"unicode/utf8"

	"github.com/pgrescue/pgrescue/importers"
)

// JSONName is the name of a member that is not the first of its object, as Python's json.dumps prints it: a comma
// and a colon have a space behind them.
func JSONName(name string) []byte {
	return append(AppendJSONString([]byte(", "), name), ": "...)
}

// appendJSON appends a field as JSON, as Python's json.dumps prints it: what is not ASCII is escaped. Objects and
// lists stay as they stand in the source. A field that the source lacks, or that cannot be had, is null.
func appendJSON(dst []byte, f *importers.Field) []byte {
	switch f.Kind {
	case importers.Text:
		return AppendJSONText(dst, f.Text)
	case importers.Number, importers.Bool, importers.JSON:
		return append(dst, f.Text...)
	}
	return append(dst, "null"...)
}

// AppendJSONText is AppendJSONString for a text that most often needs no escape: it looks at eight bytes at a time.
func AppendJSONText(dst, text []byte) []byte {
	if !plainJSON(text) {
		return AppendJSONString(dst, text)
	}
	dst = append(dst, '"')
	return append(append(dst, text...), '"')
}

// plainJSON reports whether a text is of printable ASCII without quotes and backslashes.
func plainJSON(text []byte) bool {
	n := len(text)
	if n < 8 {
		for _, c := range text {
			if c < ' ' || c > '~' || c == '"' || c == '\\' {
				return false
			}
		}
		return true
	}
	for i := 0; i < n-8; i += 8 {
		if !plainWord(binary.LittleEndian.Uint64(text[i:])) {
			return false
		}
	}
	return plainWord(binary.LittleEndian.Uint64(text[n-8:])) // some of it a second time
}

// plainWord is plainJSON for eight bytes. What is taken from a byte that is too small for it sets its high
// bit, and perhaps by a carry those of bytes behind it: then one before them is not plain anyway.
func plainWord(word uint64) bool {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	quote, slash, del := word^ones*'"', word^ones*'\\', word^ones*0x7f
	return (word|(word-ones*' ')|(quote-ones)|(slash-ones)|(del-ones))&highs == 0
}

const hexDigits = "0123456789abcdef"

// AppendJSONString appends a text as a JSON string in ASCII. As Python does, it escapes all but the printable
// characters, DEL included. What is no UTF-8 is U+FFFD.
func AppendJSONString[T string | []byte](dst []byte, text T) []byte {
	dst = append(dst, '"')
	start := 0
	for i := 0; i < len(text); {
		if c := text[i]; c >= ' ' && c <= '~' && c != '"' && c != '\\' {
			i++
			continue
		}
		dst = append(dst, text[start:i]...)
		r, size := decodeRune(text[i:])
		dst = AppendJSONRune(dst, r)
		i += size
		start = i
	}
	return append(append(dst, text[start:]...), '"')
}

func decodeRune[T string | []byte](text T) (rune, int) {
	var part [utf8.UTFMax]byte
	return utf8.DecodeRune(part[:copy(part[:], text)])
}

// AppendJSONRune appends one character of a JSON string. Half of a surrogate pair is escaped as it is.
func AppendJSONRune(dst []byte, r rune) []byte {
	switch r {
	case '"', '\\':
		return append(dst, '\\', byte(r))
	case '\n':
		return append(dst, '\\', 'n')
	case '\r':
		return append(dst, '\\', 'r')
	case '\t':
		return append(dst, '\\', 't')
	case '\b':
		return append(dst, '\\', 'b')
	case '\f':
		return append(dst, '\\', 'f')
	}
	switch {
	case r >= ' ' && r <= '~':
		return append(dst, byte(r))
	case r > 0xffff:
		r -= 0x10000
		return appendUnit(appendUnit(dst, 0xd800+r>>10), 0xdc00+r&0x3ff)
	}
	return appendUnit(dst, r)
}

// appendUnit appends the escape of 16 bits.
func appendUnit(dst []byte, u rune) []byte {
	return append(dst, '\\', 'u', hexDigits[u>>12&15], hexDigits[u>>8&15], hexDigits[u>>4&15], hexDigits[u&15])
}
