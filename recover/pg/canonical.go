package pg

import (
	"bytes"
	"math/big"
	"net/netip"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Canonical gives the text that PostgreSQL prints for a value of a type, named as format_type prints it, that it reads
// from a text: under DateStyle ISO, in UTC, in hex. It reports false where only the server can tell, and gives nothing then.
func Canonical(typ string, text []byte) ([]byte, bool) {
	if element, ok := strings.CutSuffix(typ, "[]"); ok {
		return canonicalArray(element, text)
	}
	if typ == "uuid" {
		return canonicalUUID(text)
	}
	if !CertainInput(typ)(text) {
		return nil, false
	}
	bare, modifiers := splitType(typ)
	switch bare {
	case "text", "character varying", "name", "json", "date", "bit", "bit varying", "oid":
		return text, true
	case "character":
		if len(modifiers) == 0 {
			return nil, false
		}
		return append(bytes.Clone(text), bytes.Repeat([]byte{' '}, max(0, modifiers[0]-utf8.RuneCount(text)))...), true
	case "smallint", "integer", "bigint":
		return plainNumber(text), true
	case "numeric":
		return canonicalNumeric(text, modifiers)
	case "real", "double precision":
		return canonicalFloat(text, bare == "real")
	case "boolean":
		return []byte(map[bool]string{true: "t", false: "f"}[isTrue(text)]), true
	case "bytea", "macaddr":
		return bytes.ToLower(text), true
	case "inet":
		return canonicalInet(text)
	case "jsonb":
		return canonicalJSONB(text)
	}
	return canonicalTime(bare, modifiers, text)
}

// plainNumber takes the zeros off that a number begins with, and the sign of zero.
func plainNumber(text []byte) []byte {
	digits, negative := bytes.CutPrefix(text, []byte("-"))
	digits = bytes.TrimLeft(digits, "0")
	if len(digits) == 0 || digits[0] == '.' {
		digits = append([]byte("0"), digits...)
	}
	if negative && len(bytes.Trim(digits, "0.")) > 0 {
		return append([]byte("-"), digits...)
	}
	return digits
}

// canonicalNumeric rounds to the scale as numeric does, halves away from zero.
func canonicalNumeric(text []byte, modifiers []int) ([]byte, bool) {
	if len(modifiers) != 2 {
		return plainNumber(text), true
	}
	number, ok := new(big.Rat).SetString(string(text))
	if !ok {
		return nil, false
	}
	return plainNumber([]byte(number.FloatString(modifiers[1]))), true
}

func canonicalFloat(text []byte, single bool) ([]byte, bool) {
	if single {
		value, err := strconv.ParseFloat(string(text), 32)
		if err != nil || value == 0 && len(bytes.Trim(text, "-0.")) > 0 {
			return nil, false
		}
		return AppendFloat4(nil, float32(value)), true
	}
	value, err := strconv.ParseFloat(string(text), 64)
	if err != nil {
		return nil, false
	}
	return AppendFloat8(nil, value), true
}

// isTrue tells which of the words that certainBool takes it is.
func isTrue(text []byte) bool {
	switch strings.ToLower(string(text)) {
	case "t", "true", "y", "yes", "on", "1":
		return true
	}
	return false
}

// canonicalUUID takes 32 digits with the hyphens that the server prints or with none, in braces or not.
func canonicalUUID(text []byte) ([]byte, bool) {
	if len(text) > 2 && text[0] == '{' && text[len(text)-1] == '}' {
		text = text[1 : len(text)-1]
	}
	if len(text) == 32 {
		text = bytes.Join([][]byte{text[:8], text[8:12], text[12:16], text[16:20], text[20:]}, []byte("-"))
	}
	return bytes.ToLower(text), certainUUID(text)
}

func canonicalInet(text []byte) ([]byte, bool) {
	if bytes.IndexByte(text, ':') < 0 {
		return text, true
	}
	address, err := netip.ParseAddr(string(text))
	if err != nil || strings.HasPrefix(address.String(), "::") && address != netip.IPv6Loopback() && address != netip.IPv6Unspecified() {
		return nil, false // some of these are printed with an address of version 4 in them
	}
	return []byte(address.String()), true
}

// canonicalTime is for times and timestamps as certainTime and certainTimestamp take them.
func canonicalTime(bare string, modifiers []int, text []byte) ([]byte, bool) {
	date, clock := "", string(text)
	moment := strings.HasPrefix(bare, "timestamp")
	if moment {
		date, clock = clock[:isoDate]+" ", "00:00:00"
		if len(text) > isoDate {
			clock = string(text[isoDate+1:])
		}
	}
	clock, zone := cutZone(clock)
	clock, fraction, _ := strings.Cut(clock, ".")
	fraction = strings.TrimRight(fraction, "0")
	if len(modifiers) == 1 && len(fraction) > modifiers[0] {
		return nil, false
	}
	if fraction != "" {
		clock += "." + fraction
	}
	switch bare {
	case "timestamp with time zone":
		return inUTC(date+clock, zone)
	case "timestamp without time zone", "time without time zone", "interval":
		return []byte(date + clock), true
	}
	return nil, false
}

// cutZone takes the zone off a time of day.
func cutZone(clock string) (rest, zone string) {
	if at := strings.IndexAny(clock, "Z+-"); at >= 0 {
		return clock[:at], clock[at:]
	}
	return clock, ""
}

// canonicalArray is for arrays of one dimension.
func canonicalArray(element string, text []byte) ([]byte, bool) {
	items, ok := ArrayItems(string(text))
	if !ok || !utf8.Valid(text) || bytes.IndexByte(text, 0) >= 0 {
		return nil, false
	}
	out := []byte{'{'}
	for i, item := range items {
		if i > 0 {
			out = append(out, ',')
		}
		if item.Null {
			out = append(out, "NULL"...)
			continue
		}
		plain, ok := Canonical(element, []byte(item.Text))
		if !ok {
			return nil, false
		}
		out = append(out, ArrayItem(string(plain))...)
	}
	return append(out, '}'), true
}
