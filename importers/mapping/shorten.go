package mapping

import (
	"bytes"
	"strconv"
	"strings"
	"unicode/utf8"
)

// rounds is what most types do.
const rounds = "rounds them"

// ignoresZone is what columns of times without a time zone do.
const ignoresZone = "ignores their time zone, and keeps the time as it is written"

// shortens says how the server keeps less of a text than there is, without an error. It is "" where
// all is kept. The value is right all the same: it is what the first import made of the text, too.
func (k *kind) shortens(text []byte) string {
	if k.array {
		return ""
	}
	switch k.base {
	case typeText:
		return k.cuts(text)
	case typeNumeric:
		if k.limit > 0 && finer(text, k.scale) {
			return rounds
		}
	case typeFloat4:
		if inexact(text, 32, 6) {
			return rounds
		}
	case typeFloat8:
		if inexact(text, 64, 15) {
			return rounds
		}
	case typeTimestamp, typeTimestampTZ, typeTime:
		if k.ignoresZone(text) {
			return ignoresZone
		}
		if _, behind, ok := bytes.Cut(text, []byte{'.'}); ok {
			fraction, _ := digits(behind)
			if len(bytes.TrimRight(fraction, "0")) > k.scale {
				return rounds
			}
		}
	}
	return ""
}

// ignoresZone reports whether a zone that is not UTC stands behind a time that the server gets as it is.
func (k *kind) ignoresZone(text []byte) bool {
	day := 0
	switch {
	case k.base == typeTimestamp:
		day = len("2024-01-15 ")
	case k.base != typeTime || strings.HasSuffix(k.name, "with time zone"):
		return false
	}
	if len(text) <= day || bytes.IndexByte(text[day:], '+') < 0 && bytes.IndexByte(text[day:], '-') < 0 {
		return false
	}
	if day == 0 {
		text = append([]byte("2000-01-01 "), text...)
	}
	m, ok := isoMoment(text)
	return ok && m.zoned && m.offset != 0
}

// nameBytes is how long a name may be.
const nameBytes = 63

// cuts is for texts, of which the check has told those apart that are too long.
func (k *kind) cuts(text []byte) string {
	switch {
	case k.name == "name" && len(text) > nameBytes:
		return "keeps the first 63 bytes of them"
	case k.limit > 0 && len(text) > k.limit && utf8.RuneCount(text) > k.limit && !k.padded():
		return "cuts spaces at their end off"
	}
	return ""
}

// padded is char(n), to which spaces at the end mean nothing.
func (k *kind) padded() bool { return len(k.name) > 10 && k.name[:10] == "character(" }

// shortening reports whether texts of the type that are no longer than its limit may be shortened.
func (k *kind) shortening() bool {
	switch k.base {
	case typeNumeric:
		return k.limit > 0
	case typeText:
		return k.name == "name"
	case typeFloat4, typeFloat8, typeTimestamp, typeTimestampTZ, typeTime:
		return true
	}
	return false
}

// finer reports whether a number has a digit other than zero behind so many digits behind the point.
func finer(text []byte, scale int) bool {
	n, ok := parseNumber(text)
	if !ok {
		return false
	}
	lowest, ok := n.lowest()
	return ok && lowest < -scale
}

// lowest is the power of ten of the last digit that is not zero; ok is false for zero.
func (n *number) lowest() (power int, ok bool) {
	if part := bytes.TrimRight(n.part, "0"); len(part) > 0 {
		return n.exponent - len(part), true
	}
	whole := bytes.TrimRight(n.whole, "0")
	return n.exponent + len(n.whole) - len(whole), len(whole) > 0
}

// inexact reports whether a float of so many bits is printed as another number. So many digits always
// come back as they were.
func inexact(text []byte, bits, safe int) bool {
	if len(text) <= safe {
		return false
	}
	n, ok := parseNumber(text)
	if !ok {
		return false
	}
	highest, some := n.magnitude()
	lowest, _ := n.lowest()
	if !some || highest-lowest < safe {
		return false
	}
	value, err := strconv.ParseFloat(string(text), bits)
	if err != nil {
		return false // the server refuses it
	}
	var printed, before, after [64]byte // enough for what programs print
	kept, _ := parseNumber(strconv.AppendFloat(printed[:0], value, 'e', -1, bits))
	power, some := kept.magnitude()
	return !some || power != highest || !bytes.Equal(kept.significant(after[:0]), n.significant(before[:0]))
}

// significant appends the digits to dst, and returns those from the first to the last that is not zero.
func (n *number) significant(dst []byte) []byte {
	return bytes.Trim(append(append(dst, n.whole...), n.part...), "0")
}
