package xlsxfile

import (
	"bytes"
	"fmt"
	"math"
	"strconv"

	"github.com/pgrescue/pgrescue/importers"
)

// values makes fields of cells.
type values struct {
	strings  *sharedStrings
	styles   *styles
	from1904 bool
	shown    *shower // nil: as they are stored
	text     []byte  // of the fields of one row that do not stand in the row itself
	counts   valueCounts
}

// valueCounts is what a person should know about the values of a sheet.
type valueCounts struct {
	errors, formulas int64 // errors such as #N/A; formulas without a stored result
	shortened        int64 // numbers that were written with 17 digits
	padded           int64 // numbers that are shown with zeros before them
	paddedAt         string
	noString         int64 // cells whose shared string is not there
	noStringAt       string
	noStyle          int64 // cells whose style is not there
	noStyleAt        string
	noDate           int64 // numbers with a date's format that are no date
	strings          int64 // cells that refer to shared strings
	flaws            int64 // texts that hold what XML forbids
	flawAt, flaw     string
}

func unknown(format string, args ...any) importers.Field {
	return importers.Field{Kind: importers.Unknown, Reason: fmt.Sprintf(format, args...)}
}

// holding is unknown, with what the cell holds in its place, for people.
func holding(raw []byte, format string, args ...any) importers.Field {
	f := unknown(format, args...)
	f.Text = raw
	return f
}

func asText(text []byte) importers.Field { return importers.Field{Kind: importers.Text, Text: text} }

// reset begins a row.
func (v *values) reset() { v.text = v.text[:0] }

// field is what the cell holds. Its text is valid until reset, or as long as the row is.
func (v *values) field(row *sheetRow, c *cell) importers.Field {
	raw := row.valueOf(c)
	if c.flaw != "" {
		v.flawed(row, c)
	}
	if c.lost {
		return unknown("the text %s", c.flaw)
	}
	if c.formula && (!c.value || len(raw) == 0 && c.kind != "str") {
		v.counts.formulas++
		return unknown("a formula whose result is not stored")
	}
	switch c.kind {
	case "s":
		return v.shared(row, c, raw)
	case "inlineStr":
		return asText(raw)
	case "str":
		text, ok := unescapeX(raw)
		if !ok {
			return unknown("the text holds the character U+0000")
		}
		return asText(text)
	}
	raw = bytes.TrimSpace(raw)
	if len(raw) == 0 {
		return importers.Field{Kind: importers.Missing}
	}
	switch c.kind {
	case "":
		return v.number(row, c, raw)
	case "b":
		return v.boolean(raw)
	case "e":
		v.counts.errors++
		return holding(raw, "the error %.40s", raw)
	case "d":
		return v.iso(raw)
	}
	return unknown("a cell of type %.40q", c.kind)
}

// flawed counts a text with a flaw.
func (v *values) flawed(row *sheetRow, c *cell) {
	v.counts.flaws++
	if v.counts.flaw == "" {
		v.counts.flaw, v.counts.flawAt = c.flaw, cellName(c.column, row.number)
	}
}

func (v *values) shared(row *sheetRow, c *cell, raw []byte) importers.Field {
	raw = bytes.TrimSpace(raw)
	if len(raw) == 0 {
		return importers.Field{Kind: importers.Missing}
	}
	v.counts.strings++
	number, err := strconv.Atoi(string(raw))
	if err == nil {
		var text []byte
		if text, err = v.strings.at(number); err == nil {
			return v.sharedText(row, c, number, text)
		}
	}
	v.counts.noString++
	if v.counts.noStringAt == "" {
		v.counts.noStringAt = cellName(c.column, row.number)
	}
	if v.strings.bad != "" {
		return unknown("shared string %.20s is behind damage", raw)
	}
	return unknown("shared string %.20s is not there", raw)
}

func (v *values) sharedText(row *sheetRow, c *cell, number int, text []byte) importers.Field {
	if len(v.strings.flaws) > 0 {
		if g, ok := v.strings.flaws[uint32(number)]; ok {
			c.flaw = g.flaw
			v.flawed(row, c)
			if g.lost {
				return unknown("the text %s", g.flaw)
			}
		}
	}
	if v.strings.file != nil { // it is valid only until the next one
		text = v.keep(text)
	}
	return asText(text)
}

// keep copies text to where it is valid until reset.
func (v *values) keep(text []byte) []byte {
	begin := len(v.text)
	v.text = append(v.text, text...)
	return v.text[begin:len(v.text):len(v.text)]
}

func (v *values) boolean(raw []byte) importers.Field {
	value := ""
	switch string(raw) {
	case "1", "true":
		value = "true"
	case "0", "false":
		value = "false"
	default:
		return holding(raw, "%.40q is neither true nor false", raw)
	}
	if v.shown != nil {
		return asText(bytes.ToUpper([]byte(value)))
	}
	return importers.Field{Kind: importers.Bool, Text: v.keep([]byte(value))}
}

// iso is a date that is stored as ISO 8601 and not as a serial number.
func (v *values) iso(raw []byte) importers.Field {
	text := v.keep(raw)
	if n := bytes.IndexByte(text, 'T'); n == len("2006-01-02") {
		text[n] = ' '
	}
	return asText(text)
}

func (v *values) number(row *sheetRow, c *cell, raw []byte) importers.Field {
	digits, fraction, ok := measureNumber(raw)
	if !ok {
		return holding(raw, "%.40q is no number", raw)
	}
	format, ok := v.styles.at(c.style)
	if !ok {
		v.counts.noStyle++
		if v.counts.noStyleAt == "" {
			v.counts.noStyleAt = cellName(c.column, row.number)
		}
	}
	if v.shown != nil {
		return v.showNumber(raw, format)
	}
	if format.kind != isNumber {
		return v.serial(raw, format)
	}
	if format.zeros > 1 && !fraction && digits < format.zeros {
		v.counts.padded++
		if v.counts.paddedAt == "" {
			v.counts.paddedAt = cellName(c.column, row.number)
		}
	}
	if fraction && (digits == 16 || digits == 17) {
		raw = v.shortest(raw)
	}
	return importers.Field{Kind: importers.Number, Text: raw}
}

func (v *values) serial(raw []byte, format *numberFormat) importers.Field {
	serial, err := strconv.ParseFloat(string(raw), 64)
	if err != nil {
		return holding(raw, "%.40q is no number", raw)
	}
	begin := len(v.text)
	text, reason := appendSerial(v.text, serial, format.kind, v.from1904)
	if reason != "" {
		v.counts.noDate++
		return holding(raw, "the date's number %.40s %s", raw, reason)
	}
	v.text = text
	return asText(v.text[begin:len(v.text):len(v.text)])
}

// shortest writes a number that has the 16 or 17 digits with which Excel stores it as short as
// it can be and still is the same: 1.1 for 1.1000000000000001. One that needs its digits keeps
// them.
func (v *values) shortest(raw []byte) []byte {
	const exact = 15 // digits that every float64 keeps
	value, err := strconv.ParseFloat(string(raw), 64)
	if err != nil {
		return raw
	}
	layout := byte('f')
	if bytes.ContainsAny(raw, "eE") || math.Abs(value) >= 1e21 {
		layout = 'E'
	}
	begin := len(v.text)
	text := strconv.AppendFloat(v.text, value, layout, -1, 64)
	short := text[begin:len(text):len(text)]
	if digits, _, ok := measureNumber(short); !ok || digits > exact {
		return raw
	}
	v.text = text
	v.counts.shortened++
	return short
}

// measureNumber counts the significant digits of a number, and tells whether it has a
// fraction or an exponent. ok is false if the text is no number.
func measureNumber(text []byte) (digits int, fraction, ok bool) {
	i := 0
	if i < len(text) && (text[i] == '-' || text[i] == '+') {
		i++
	}
	seen := false
	for ; i < len(text); i++ {
		if c := text[i]; c >= '0' && c <= '9' {
			seen = true
			if digits > 0 || c != '0' {
				digits++
			}
		} else if c == '.' && !fraction {
			fraction = true
		} else {
			break
		}
	}
	if i == len(text) || !seen || text[i]|0x20 != 'e' {
		return digits, fraction, seen && i == len(text)
	}
	i++
	if i < len(text) && (text[i] == '-' || text[i] == '+') {
		i++
	}
	begin := i
	for i < len(text) && text[i] >= '0' && text[i] <= '9' {
		i++
	}
	return digits, true, i == len(text) && i > begin && i-begin <= 3
}
