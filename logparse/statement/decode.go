package statement

import (
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// stringText gives the characters of a string token. It takes standard_conforming_strings for on, as it is unless
// somebody turned it off.
func stringText(text string) string {
	switch {
	case strings.HasPrefix(text, "$"):
		tag := text[:strings.IndexByte(text[1:], '$')+2]
		return strings.TrimSuffix(text[len(tag):], tag)
	case text[0] == '\'':
		return segments(text, func(part string) string { return part })
	case text[0]|0x20 == 'e':
		return segments(text[1:], func(part string) string { return unescape(part, true) })
	case text[0]|0x20 == 'u':
		return segments(text[2:], func(part string) string { return unicodeText(part, '\\') })
	}
	return segments(text[1:], func(part string) string { return part }) // N'…'
}

// segments joins the parts of a string that goes on over lines, each through the function that decodes it.
func segments(text string, decode func(string) string) string {
	escapes := decode("\\\\") == "\\"
	var b strings.Builder
	for {
		open := strings.IndexByte(text, '\'')
		if open < 0 {
			return b.String()
		}
		end := closing(text, open, escapes)
		if end < 0 {
			end = len(text) + 1 // of a cut string, what there is
		}
		b.WriteString(decode(strings.ReplaceAll(text[open+1:end-1], "''", "'")))
		if end >= len(text) {
			return b.String()
		}
		text = text[end:]
	}
}

// unescape replaces the escapes of COPY's text format, or those of an E” string, which has characters by their numbers too.
func unescape(text string, characters bool) string {
	if strings.IndexByte(text, '\\') < 0 {
		return text
	}
	var b strings.Builder
	for at := 0; at < len(text); {
		if text[at] != '\\' || at+1 == len(text) {
			b.WriteByte(text[at])
			at++
			continue
		}
		c := text[at+1]
		at += 2
		switch {
		case strings.IndexByte("bfnrtv", c) >= 0:
			b.WriteByte("\b\f\n\r\t\v"[strings.IndexByte("bfnrtv", c)])
		case c == 'x':
			at = codeByte(&b, text, at, 2, 16, c)
		case c >= '0' && c <= '7':
			at = codeByte(&b, text, at-1, 3, 8, c)
		case characters && c == 'u':
			at = codePoint(&b, text, at, 4)
		case characters && c == 'U':
			at = codePoint(&b, text, at, 8)
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

// codeByte writes the byte of up to most digits at at; without any, the letter before them stands for itself.
func codeByte(b *strings.Builder, text string, at, most, base int, letter byte) int {
	end := at
	for end < len(text) && end < at+most {
		if _, err := strconv.ParseUint(text[end:end+1], base, 8); err != nil {
			break
		}
		end++
	}
	code, err := strconv.ParseUint(text[at:end], base, 16)
	if err != nil {
		b.WriteByte(letter)
		return at
	}
	b.WriteByte(byte(code))
	return end
}

// codePoint writes the character of the hexadecimal digits at at, two surrogates as the one that they make.
func codePoint(b *strings.Builder, text string, at, digits int) int {
	code, ok := hexRune(text, at, digits)
	if !ok {
		return at
	}
	at += digits
	if utf16.IsSurrogate(code) {
		for _, second := range []struct {
			prefix string
			digits int
		}{{`\u`, 4}, {`\U`, 8}, {`\`, 4}, {`\+`, 6}} {
			low, ok := hexRune(text, at+len(second.prefix), second.digits)
			if strings.HasPrefix(text[at:], second.prefix) && ok {
				if pair := utf16.DecodeRune(code, low); pair != utf8.RuneError {
					b.WriteRune(pair)
					return at + len(second.prefix) + second.digits
				}
			}
		}
	}
	b.WriteRune(code)
	return at
}

func hexRune(text string, at, digits int) (rune, bool) {
	if at+digits > len(text) {
		return 0, false
	}
	code, err := strconv.ParseUint(text[at:at+digits], 16, 32)
	if err != nil || code > utf8.MaxRune {
		return 0, false
	}
	return rune(code), true
}

// unicodeText replaces the escapes of a U&” string or name: \0061 and \+000061.
func unicodeText(text string, escape byte) string {
	var b strings.Builder
	for at := 0; at < len(text); {
		switch {
		case text[at] != escape || at+1 == len(text):
			b.WriteByte(text[at])
			at++
		case text[at+1] == escape:
			b.WriteByte(escape)
			at += 2
		case text[at+1] == '+':
			at = max(codePoint(&b, text, at+2, 6), at+2)
		default:
			at = max(codePoint(&b, text, at+1, 4), at+1)
		}
	}
	return b.String()
}

// numberText writes a number as PostgreSQL's output functions do: no base, no exponent, no underscores.
func numberText(text string) string {
	text = strings.ReplaceAll(text, "_", "")
	if len(text) > 2 && text[0] == '0' && !digit(text[1]) && text[1] != '.' && text[1]|0x20 != 'e' {
		if value, err := strconv.ParseUint(text, 0, 64); err == nil {
			return strconv.FormatUint(value, 10)
		}
		return text
	}
	mantissa, exponent, found := strings.Cut(strings.ToLower(text), "e")
	whole, part, _ := strings.Cut(mantissa, ".")
	if found {
		shift, err := strconv.Atoi(exponent)
		if err != nil || shift > 1000 || shift < -1000 {
			return text
		}
		whole, part = shifted(whole, part, shift)
	}
	whole = strings.TrimLeft(whole, "0")
	if whole == "" {
		whole = "0"
	}
	if part == "" {
		return whole
	}
	return whole + "." + part
}

// shifted moves the decimal point.
func shifted(whole, part string, shift int) (string, string) {
	if shift >= 0 {
		part += strings.Repeat("0", max(shift-len(part), 0))
		return whole + part[:shift], part[shift:]
	}
	whole = strings.Repeat("0", max(-shift-len(whole), 0)) + whole
	return whole[:len(whole)+shift], whole[len(whole)+shift:] + part
}

// identifier gives a name as PostgreSQL keeps it.
func identifier(sql string, t token) string {
	text := sql[t.start:t.end]
	if t.kind == tokenQuoted {
		if text[0] != '"' { // U&"…"
			return unicodeText(strings.ReplaceAll(strings.TrimSuffix(text[3:], `"`), `""`, `"`), '\\')
		}
		return strings.ReplaceAll(strings.TrimSuffix(text[1:], `"`), `""`, `"`)
	}
	return lower(text)
}

// lower folds ASCII letters, as PostgreSQL does in databases of many-byte encodings.
func lower(text string) string {
	for i := 0; i < len(text); i++ {
		if c := text[i]; c >= 'A' && c <= 'Z' {
			return strings.Map(func(r rune) rune {
				if r >= 'A' && r <= 'Z' {
					return r + 'a' - 'A'
				}
				return r
			}, text)
		}
	}
	return text
}
