package pg

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"strconv"
	"strings"
	"unicode/utf8"
)

// CertainInput returns a function that tells whether PostgreSQL surely takes a text as a
// value of a type, which is named as format_type prints it. It says true only where every
// version does, under every DateStyle and IntervalStyle, in a database in UTF8. Of what it
// does not know for sure it says false: then the server must be asked.
func CertainInput(typ string) func(text []byte) bool {
	bare, modifiers := splitType(typ)
	if certain := inputs[bare]; certain != nil && (len(modifiers) == 0 || strings.HasPrefix(bare, "time") && len(modifiers) == 1) {
		return certain
	}
	switch {
	case bare == "character varying" && len(modifiers) == 1:
		return func(text []byte) bool { return certainText(text) && fits(text, modifiers[0]) }
	case bare == "character" && len(modifiers) == 1:
		return func(text []byte) bool { return certainText(text) && fits(text, modifiers[0]) }
	case bare == "numeric" && len(modifiers) == 2:
		return certainNumeric(modifiers[0], modifiers[1])
	case bare == "bit" && len(modifiers) == 1:
		return func(text []byte) bool { return len(text) == modifiers[0] && onlyBits(text) }
	case bare == "bit varying" && len(modifiers) == 1:
		return func(text []byte) bool { return len(text) <= modifiers[0] && onlyBits(text) }
	case strings.HasSuffix(typ, "[]"):
		return func(text []byte) bool { return string(text) == "{}" }
	}
	return func([]byte) bool { return false }
}

// inputs are the types whose modifiers, if they have any, do not matter.
var inputs = map[string]func([]byte) bool{
	"text":                        certainText,
	"character varying":           certainText,
	"name":                        func(text []byte) bool { return len(text) < 64 && certainText(text) },
	"smallint":                    func(text []byte) bool { return inRange(text, 1<<15-1) },
	"integer":                     func(text []byte) bool { return inRange(text, 1<<31-1) },
	"bigint":                      func(text []byte) bool { return inRange(text, 1<<63-1) },
	"oid":                         certainOID,
	"numeric":                     func(text []byte) bool { _, _, ok := decimal(text); return ok && len(text) < 1000 },
	"real":                        func(text []byte) bool { _, _, ok := decimal(text); return ok && len(text) <= 30 },
	"double precision":            certainFloat,
	"boolean":                     certainBool,
	"uuid":                        certainUUID,
	"bytea":                       certainBytea,
	"inet":                        certainInet,
	"macaddr":                     certainMAC,
	"date":                        func(text []byte) bool { return len(text) == isoDate && certainDate(text) },
	"timestamp without time zone": certainTimestamp,
	"timestamp with time zone":    certainTimestamp,
	"time without time zone":      certainTime,
	"interval":                    certainTime,
	"json":                        func(text []byte) bool { return certainJSON(text, false) },
	"jsonb":                       func(text []byte) bool { return certainJSON(text, true) },
}

// splitType takes the modifiers out of the name of a type, such as numeric(10,2).
func splitType(typ string) (bare string, modifiers []int) {
	before, rest, found := strings.Cut(typ, "(")
	if !found {
		return typ, nil
	}
	inside, after, _ := strings.Cut(rest, ")")
	for _, text := range strings.Split(inside, ",") {
		n, err := strconv.Atoi(text)
		if err != nil {
			return typ, nil
		}
		modifiers = append(modifiers, n)
	}
	return before + after, modifiers
}

// certainText: UTF-8 without NUL.
func certainText(text []byte) bool {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	rest := text
	for len(rest) >= 8 {
		word := binary.LittleEndian.Uint64(rest)
		// A byte that is not of ASCII has its high bit set, and taking one from a NUL sets it.
		if (word|(word-ones))&highs != 0 {
			return utf8.Valid(text) && bytes.IndexByte(text, 0) < 0
		}
		rest = rest[8:]
	}
	for _, c := range rest {
		if c-1 >= utf8.RuneSelf-1 {
			return utf8.Valid(text) && bytes.IndexByte(text, 0) < 0
		}
	}
	return true
}

// fits reports whether a text has at most so many characters.
func fits(text []byte, most int) bool {
	return len(text) <= most || utf8.RuneCount(text) <= most
}

func onlyBits(text []byte) bool {
	for _, c := range text {
		if c != '0' && c != '1' {
			return false
		}
	}
	return len(text) > 0
}

// inRange reports whether a text is a whole number between most and -most.
func inRange(text []byte, most uint64) bool {
	if len(text) > 0 && text[0] == '-' {
		text = text[1:]
	}
	if len(text) == 0 || len(text) > 19 {
		return false
	}
	n := uint64(0)
	for _, c := range text {
		if c-'0' > 9 {
			return false
		}
		n = n*10 + uint64(c-'0')
	}
	return n <= most
}

// decimal reads a number such as -12.50, and counts its digits before and behind the
// point. Zeros at its beginning do not count.
func decimal(text []byte) (whole, fraction int, ok bool) {
	if len(text) > 0 && text[0] == '-' {
		text = text[1:]
	}
	digits, point, leading := 0, -1, 0
	for i, c := range text {
		switch {
		case c-'0' <= 9:
			if c == '0' && digits == leading && point < 0 {
				leading++
			}
			digits++
		case c == '.' && point < 0 && i > 0:
			point = digits
		default:
			return 0, 0, false
		}
	}
	if point < 0 {
		return digits - leading, 0, digits > 0
	}
	return point - leading, digits - point, digits > point
}

// certainNumeric is for numeric with a precision and a scale.
func certainNumeric(precision, scale int) func([]byte) bool {
	return func(text []byte) bool {
		whole, fraction, ok := decimal(text)
		if !ok || scale < 0 || scale > precision || len(text) > 1000 {
			return false
		}
		if fraction > scale {
			whole++ // rounding may carry
		}
		return whole <= precision-scale
	}
}

// certainFloat is a decimal number that may have an exponent of one or two digits.
func certainFloat(text []byte) bool {
	number := text
	if at := bytes.IndexAny(text, "eE"); at >= 0 {
		exponent := text[at+1:]
		number = text[:at]
		if len(exponent) > 0 && (exponent[0] == '+' || exponent[0] == '-') {
			exponent = exponent[1:]
		}
		if len(exponent) == 0 || len(exponent) > 2 || exponent[0] == '-' || !inRange(exponent, 99) {
			return false
		}
	}
	_, _, ok := decimal(number)
	return ok && len(number) <= 100
}

// certainBool is one of the whole words, in any case.
func certainBool(text []byte) bool {
	var lower [5]byte
	if len(text) > len(lower) {
		return false
	}
	for i, c := range text {
		if c-'A' < 26 {
			c += 'a' - 'A'
		}
		lower[i] = c
	}
	switch string(lower[:len(text)]) {
	case "t", "true", "y", "yes", "on", "1", "f", "false", "n", "no", "off", "0":
		return true
	}
	return false
}

func isHex(c byte) bool { return hexDigits[c] }

var hexDigits = [256]bool{
	'0': true, '1': true, '2': true, '3': true, '4': true, '5': true, '6': true, '7': true, '8': true, '9': true,
	'a': true, 'b': true, 'c': true, 'd': true, 'e': true, 'f': true, 'A': true, 'B': true, 'C': true, 'D': true, 'E': true, 'F': true,
}

// certainUUID is the form that the server prints.
func certainUUID(text []byte) bool {
	if len(text) != 36 {
		return false
	}
	if text[8] != '-' || text[13] != '-' || text[18] != '-' || text[23] != '-' {
		return false
	}
	for _, part := range [...][2]int{{0, 8}, {9, 13}, {14, 18}, {19, 23}, {24, 36}} {
		for _, c := range text[part[0]:part[1]] {
			if !isHex(c) {
				return false
			}
		}
	}
	return true
}

// certainBytea is bytea in hex.
func certainBytea(text []byte) bool {
	if len(text) < 2 || text[0] != '\\' || text[1] != 'x' || len(text)%2 != 0 {
		return false
	}
	for _, c := range text[2:] {
		if !isHex(c) {
			return false
		}
	}
	return true
}

// certainInet is an address without a network.
func certainInet(text []byte) bool {
	if len(text) > len("ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255") || len(text) < 2 {
		return false
	}
	if bytes.IndexByte(text, ':') >= 0 {
		address, err := netip.ParseAddr(string(text))
		return err == nil && address.Zone() == ""
	}
	parts, digits, n := 1, 0, 0
	for _, c := range text {
		switch {
		case c == '.' && digits > 0:
			parts, digits, n = parts+1, 0, 0
		case c-'0' <= 9 && !(digits > 0 && n == 0):
			digits, n = digits+1, n*10+int(c-'0')
		default:
			return false
		}
		if n > 255 {
			return false
		}
	}
	return parts == 4 && digits > 0
}

// certainMAC is six bytes with colons between them.
func certainMAC(text []byte) bool {
	if len(text) != 17 {
		return false
	}
	for i, c := range text {
		if i%3 == 2 && c != ':' || i%3 != 2 && !isHex(c) {
			return false
		}
	}
	return true
}

// certainOID is a number without zeros before it, which would make it an octal one since
// PostgreSQL 16.
func certainOID(text []byte) bool {
	return len(text) > 0 && text[0] != '-' && (text[0] != '0' || len(text) == 1) && inRange(text, 1<<32-1)
}
