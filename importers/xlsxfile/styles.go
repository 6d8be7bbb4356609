package xlsxfile

import (
	"bytes"
	"strconv"
)

// styles are the number formats of the book, by the number of the style of a cell.
type styles struct {
	formats []numberFormat
	bad     string // why they, or some of them, could not be read
}

// mostStyles bounds them; Excel has 64,000.
const mostStyles = 1 << 20

// at is the format of a style. ok is false if the book has no such style.
func (s *styles) at(style int) (*numberFormat, bool) {
	if style < len(s.formats) {
		return &s.formats[style], true
	}
	return &generalFormat, style == 0
}

func readStyles(c *container, part string) *styles {
	st := &styles{}
	if part == "" {
		return st
	}
	text, err := c.readSmall(part)
	if err == nil {
		err = st.parse(text)
	}
	if err != nil {
		st.bad = err.Error()
	}
	return st
}

func (st *styles) parse(text []byte) error {
	s := newScanner(bytes.NewReader(text))
	v, err := readRoot(s)
	if err != nil {
		return err
	}
	codes := make(map[int]string)
	made := make(map[int]numberFormat)
	inCells := false
	for {
		found, err := s.next()
		if err != nil || found == tokenEnd {
			return err
		}
		local := string(v.local(s.name))
		switch {
		case found == tokenClose && local == "cellXfs":
			inCells = false
		case found != tokenOpen:
		case local == "cellXfs":
			inCells = true
		case local == "numFmt":
			id, _ := s.attr("numFmtId")
			code, _ := s.attr("formatCode")
			if n, err := strconv.Atoi(id); err == nil && len(codes) < mostStyles {
				codes[n] = code
			}
		case local == "xf" && inCells:
			if len(st.formats) == mostStyles {
				return s.fail("more than %d styles", mostStyles)
			}
			text, _ := s.attr("numFmtId")
			id, _ := strconv.Atoi(text) // without one it is 0, General
			format, ok := made[id]
			if !ok {
				format = newNumberFormat(id, codes)
				made[id] = format
			}
			st.formats = append(st.formats, format)
		}
	}
}
