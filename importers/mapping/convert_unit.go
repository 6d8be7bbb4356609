package mapping

import (
	"bytes"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// unit is a word behind a number, and how many of the column's units it is.
type unit struct {
	name     string
	up, down float64
}

// units reads `GB`, or {GB: 1, MB: 1/1024}.
func (d *document) units(s *step, e entry) {
	if name, ok := scalar(e.value); ok {
		s.units = []unit{{name: name, up: 1, down: 1}}
		return
	}
	for _, inner := range d.entries(e.value, e.key, nil) {
		up, down, _ := strings.Cut(d.text(inner), "/")
		u := unit{name: inner.key, down: 1}
		var err error
		if u.up, err = strconv.ParseFloat(up, 64); err == nil && down != "" {
			u.down, err = strconv.ParseFloat(down, 64)
		}
		if err != nil || !(u.up > 0) || !(u.down > 0) || math.IsInf(u.up, 0) || math.IsInf(u.down, 0) {
			d.fail(inner.line, "write 1024 or 1/1024", "the factor of the unit %s is no number above 0", inner.key)
		}
		s.units = append(s.units, u)
	}
	if _, ok := e.value.(ast.MapNode); !ok || len(s.units) == 0 {
		d.fail(e.line, "", "unit names no unit")
	}
}

// unit takes the unit behind or before a number away, and counts in the column's unit. A number alone stays.
func (s *step) unit(text []byte, buf *[]byte) ([]byte, *failure) {
	end := len(text)
	for end > 0 && !isDigit(text[end-1]) && text[end-1] != '.' {
		end--
	}
	begin := 0
	for begin < end && !isDigit(text[begin]) && text[begin] != '-' && text[begin] != '+' && text[begin] != '.' {
		begin++
	}
	count, name := trim(text[begin:end]), trim(text[end:])
	if len(name) == 0 {
		name = trim(text[:begin])
	} else if begin > 0 {
		count = trim(text[:end])
	}
	if len(name) == 0 || begin == end {
		return text, nil
	}
	for i := range s.units {
		u := &s.units[i]
		if len(u.name) != len(name) || !bytes.EqualFold(name, []byte(u.name)) {
			continue
		}
		if u.up == u.down {
			return count, nil
		}
		if _, ok := parseNumber(count); !ok {
			return nil, notNumber(count)
		}
		value, err := strconv.ParseFloat(string(count), 64)
		if value = value * u.up / u.down; err != nil || math.IsInf(value, 0) {
			return nil, &failure{reason: shown(text) + " is out of range"}
		}
		start := len(*buf)
		*buf = appendFloat(*buf, value)
		return (*buf)[start:len(*buf):len(*buf)], nil
	}
	return nil, &failure{
		reason: fmt.Sprintf("%s has the unit %s, which the profile does not know", shown(text), shown(name)),
		hint:   "add it with its factor: unit: {GB: 1, MB: 1/1024}",
	}
}

// numberEnd is where the number at the start of a text ends, marks and spaces between its digits included.
func numberEnd(text []byte, mark byte) int {
	end := 0
	for i, c := range text {
		if isDigit(c) {
			end = i + 1
		} else if c != mark && c != '.' && c != ',' && !(i == 0 && (c == '-' || c == '+')) {
			break
		}
	}
	return end
}

// thousands takes the marks between groups of three digits away. Marks anywhere else are refused: 1,5 is no thousands.
func (s *step) thousands(text []byte, buf *[]byte) ([]byte, *failure) {
	mark := s.marks[0]
	if bytes.IndexByte(text, mark) < 0 {
		return text, nil
	}
	start, end := len(*buf), numberEnd(text, mark)
	run, marks, fraction := 0, 0, false
	for _, c := range text[:end] {
		switch {
		case isDigit(c):
			*buf = append(*buf, c)
			run++
			continue
		case c == mark:
			if fraction || marks == 0 && (run < 1 || run > 3) || marks > 0 && run != 3 {
				return nil, misplaced(text, mark)
			}
			marks++
		default:
			if (c == '.' || c == ',') && marks > 0 && run != 3 {
				return nil, misplaced(text, mark)
			}
			fraction = fraction || c == '.' || c == ','
			*buf = append(*buf, c)
		}
		run = 0
	}
	if marks > 0 && !fraction && run != 3 || bytes.IndexByte(text[end:], mark) == 0 {
		return nil, misplaced(text, mark)
	}
	*buf = append(*buf, text[end:]...)
	return (*buf)[start:len(*buf):len(*buf)], nil
}

func misplaced(text []byte, mark byte) *failure {
	return &failure{reason: fmt.Sprintf("%s has a %q where none can stand between thousands", shown(text), mark)}
}

// decimal makes a point of the mark before the fraction. A point that is there already is refused.
func (s *step) decimal(text []byte, buf *[]byte) ([]byte, *failure) {
	at := bytes.IndexByte(text, s.marks[0])
	if s.marks[0] == '.' {
		return text, nil
	}
	if bytes.IndexByte(text, '.') >= 0 || at >= 0 && bytes.IndexByte(text[at+1:], s.marks[0]) >= 0 {
		return nil, &failure{reason: fmt.Sprintf("%s has more than one mark, and %q is the decimal one", shown(text), s.marks)}
	}
	if at < 0 {
		return text, nil
	}
	start := len(*buf)
	*buf = append(append(append(*buf, text[:at]...), '.'), text[at+1:]...)
	return (*buf)[start:len(*buf):len(*buf)], nil
}
