package evidence

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"slices"
)

// copyEncoder prints COPY's text format (CopyOneRowTo and CopyAttributeOutText
// in commands/copyto.c). As COPY of a table does, it leaves generated columns
// out, which COPY FROM would refuse (CopyGetAttnums in commands/copy.c).
type copyEncoder struct{}

func (copyEncoder) appendRow(dst []byte, row *Row) []byte {
	columns, tab := row.Relation.Columns, false
	for i := range row.Values {
		if columns[i].Generated {
			continue
		}
		if tab {
			dst = append(dst, '\t')
		}
		tab = true
		v := &row.Values[i]
		if v.State == Null || v.unprintable() {
			dst = append(dst, '\\', 'N')
			continue
		}
		dst = AppendCopyText(dst, v.Text)
	}
	return append(dst, '\n')
}

// longText is how long a text is that gets its room at once.
const longText = 1 << 20

// AppendCopyText appends text with a backslash before what COPY FROM would take
// for something else.
func AppendCopyText(dst, text []byte) []byte {
	if len(text) > longText {
		dst = slices.Grow(dst, len(text)+len(text)/16) // once, and not by half as much again and again
	}
	for {
		n := plainCopyPrefix(text)
		dst = append(dst, text[:n]...)
		if n == len(text) {
			return dst
		}
		dst = append(dst, '\\', copyEscape(text[n]))
		text = text[n+1:]
	}
}

// copyEscape gives the character that stands behind the backslash for c, or 0
// if c stands for itself.
func copyEscape(c byte) byte {
	switch c {
	case '\b':
		return 'b'
	case '\t':
		return 't'
	case '\n':
		return 'n'
	case '\v':
		return 'v'
	case '\f':
		return 'f'
	case '\r':
		return 'r'
	case '\\':
		return '\\'
	}
	return 0
}

// plainCopyPrefix is the length of the part of text before the first byte that
// must be escaped. It looks at eight bytes at a time: a byte below 0x20 or equal
// to a backslash leaves the high bit of its place set. A carry can set the bit of
// a later place by mistake, never of an earlier one, so the first is right.
func plainCopyPrefix(text []byte) int {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	n := 0
	for n+8 <= len(text) {
		word := binary.LittleEndian.Uint64(text[n:])
		slash := word ^ ones*'\\'
		hit := ((word - ones*0x20) &^ word & highs) | ((slash - ones) &^ slash & highs)
		if hit == 0 {
			n += 8
			continue
		}
		n += bits.TrailingZeros64(hit) / 8
		if copyEscape(text[n]) != 0 {
			return n
		}
		n++
	}
	for n < len(text) && (text[n] >= ' ' && text[n] != '\\' || copyEscape(text[n]) == 0) {
		n++
	}
	return n
}

// csvEncoder prints COPY's CSV format with its defaults and a header line
// (CopyAttributeOutCSV in commands/copyto.c), generated columns left out.
type csvEncoder struct {
	begun  bool // the header is printed
	single bool // the table has one column that is printed
}

func (e *csvEncoder) appendRow(dst []byte, row *Row) []byte {
	if !e.begun {
		dst = e.begin(dst, row.Relation)
	}
	columns, comma := row.Relation.Columns, false
	for i := range row.Values {
		if columns[i].Generated {
			continue
		}
		if comma {
			dst = append(dst, ',')
		}
		comma = true
		v := &row.Values[i]
		if v.State == Null || v.unprintable() {
			continue
		}
		dst = appendCSVText(dst, v.Text, e.single)
	}
	return append(dst, '\n')
}

// begin appends the header line.
func (e *csvEncoder) begin(dst []byte, rel *Relation) []byte {
	e.begun = true
	var names []string
	for i := range rel.Columns {
		if !rel.Columns[i].Generated {
			names = append(names, rel.Columns[i].Name)
		}
	}
	e.single = len(names) == 1
	for i, name := range names {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendCSVText(dst, []byte(name), e.single)
	}
	return append(dst, '\n')
}

// appendCSVText appends text, in quotes if it needs them: if it is empty, which
// would be NULL, or alone on its line and COPY's end of data, or holds a
// character of the format.
func appendCSVText(dst, text []byte, single bool) []byte {
	quote := bytes.IndexByte(text, '"') >= 0
	if !quote && len(text) > 0 && (!single || string(text) != `\.`) &&
		bytes.IndexByte(text, ',') < 0 && bytes.IndexByte(text, '\n') < 0 && bytes.IndexByte(text, '\r') < 0 {
		return append(dst, text...)
	}
	dst = append(dst, '"')
	dst = appendDoubled(dst, text, '"')
	return append(dst, '"')
}

// appendDoubled appends text with each quote in it doubled.
func appendDoubled(dst, text []byte, quote byte) []byte {
	for {
		n := bytes.IndexByte(text, quote)
		if n < 0 {
			return append(dst, text...)
		}
		dst = append(dst, text[:n+1]...)
		dst = append(dst, quote)
		text = text[n+1:]
	}
}
