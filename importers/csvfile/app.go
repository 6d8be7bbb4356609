package csvfile

import (
	"bytes"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/pgrescue/pgrescue/importers"
)

// moreValues notes what the application dropped.
const moreValues = "more values than the header has: the application dropped them"

// app reads lines as the application's browser split them: at every comma, whatever the quotes
// say, and without the quotes. What a line lacks is an empty text, and what it has too much is dropped.
func (r *reading) app() error {
	header := true
	for {
		if err := r.interrupted(); err != nil {
			return err
		}
		found := r.s.textLine()
		switch found {
		case endOfStream:
			return r.ended()
		case tooLong:
			if err := r.tooLong(); err != nil {
				return err
			}
			continue
		}
		if header {
			header = false
			r.s.take()
			continue
		}
		if err := r.appRecord(); err != nil {
			return err
		}
	}
}

// textLine finds the next line that is not blank.
func (s *scanner) textLine() fault {
	for {
		if s.pos == s.end && !s.fill() {
			return endOfStream
		}
		i := bytes.IndexByte(s.buf[s.pos:s.end], '\n')
		switch {
		case i < 0 && s.end-s.pos > s.limit:
			s.start, s.stop, s.fields = s.pos, s.end, s.fields[:0]
			return tooLong
		case i < 0 && !s.ended:
			s.fill()
			continue
		case i < 0:
			i = s.end - s.pos
		}
		s.start, s.stop, s.lines = s.pos, s.pos+i, 1
		if len(trim(s.buf[s.start:s.stop])) > 0 {
			return sound
		}
		s.take()
	}
}

// appRecord takes the line that the scanner found.
func (r *reading) appRecord() error {
	s := r.s
	s.splitLine()
	if s.broken() {
		return r.reject("", endsWithin+s.err.Error())
	}
	if at := bytes.IndexByte(s.buf[s.start:s.stop], 0); at >= 0 {
		return r.reject("", r.invalidAt(s.start+at)+": the application cannot have stored it")
	}
	valid := s.invalid() < 0
	r.arena = r.arena[:0]
	if need := 3 * (s.stop - s.start); need > cap(r.arena) {
		r.arena = make([]byte, 0, 2*need)
	}
	for i, origin := range r.origins {
		field := &r.record.Fields[i]
		field.Kind, field.Text = importers.Text, nil
		if origin < len(s.fields) {
			field.Text, r.arena = appValue(s.buf[s.fields[origin].start:s.fields[origin].end], valid, r.arena)
		}
	}
	return r.giveApp(len(s.fields))
}

func (r *reading) giveApp(values int) error {
	s := r.s
	r.record.Number++
	r.record.Line, r.record.Offset, r.record.Note = s.line, s.offset, ""
	r.record.Raw = bytes.TrimSuffix(s.buf[s.start:s.stop:s.stop], []byte{'\r'})
	if values > r.width {
		r.record.Note = moreValues
	}
	if !r.yield(&r.record, nil) {
		return errStopped
	}
	s.take()
	return nil
}

// splitLine cuts a line at its commas.
func (s *scanner) splitLine() {
	s.fields = s.fields[:0]
	for from := s.start; ; {
		i := bytes.IndexByte(s.buf[from:s.stop], ',')
		if i < 0 {
			s.fields = append(s.fields, span{start: from, end: s.stop})
			return
		}
		s.fields = append(s.fields, span{start: from, end: from + i})
		from += i + 1
	}
}

// appValue is a value as the application had it: trimmed, and then without double quotes. What is
// no UTF-8 became U+FFFD when the browser decoded the file.
func appValue(raw []byte, valid bool, arena []byte) (value, rest []byte) {
	if !valid {
		from := len(arena)
		arena = appendDecoded(arena, raw)
		raw = arena[from:len(arena):len(arena)]
	}
	raw = trim(raw)
	if bytes.IndexByte(raw, '"') < 0 {
		return raw[:len(raw):len(raw)], arena
	}
	from := len(arena)
	for _, c := range raw {
		if c != '"' {
			arena = append(arena, c)
		}
	}
	return arena[from:len(arena):len(arena)], arena
}

// trim takes from both ends what trim of JavaScript does: white space, line ends, the byte order mark.
func trim(text []byte) []byte {
	for len(text) > 0 && text[0] < utf8.RuneSelf && asciiSpace(text[0]) {
		text = text[1:]
	}
	for len(text) > 0 && text[len(text)-1] < utf8.RuneSelf && asciiSpace(text[len(text)-1]) {
		text = text[:len(text)-1]
	}
	if len(text) == 0 || text[0] < utf8.RuneSelf && text[len(text)-1] < utf8.RuneSelf {
		return text
	}
	return bytes.TrimFunc(text, scriptSpace)
}

func asciiSpace(c byte) bool { return c == ' ' || c >= '\t' && c <= '\r' }

// scriptSpace reports whether r is WhiteSpace or LineTerminator of ECMAScript.
func scriptSpace(r rune) bool {
	return r == 0xFEFF || r == 0x2028 || r == 0x2029 || r >= '\t' && r <= '\r' || unicode.Is(unicode.Zs, r)
}

// appendDecoded appends a text as a browser decodes UTF-8: each longest beginning of a character
// that breaks off, and each byte that begins none, is U+FFFD.
func appendDecoded(dst, text []byte) []byte {
	for len(text) > 0 {
		r, size := utf8.DecodeRune(text)
		if r != utf8.RuneError || size > 1 {
			dst = append(dst, text[:size]...)
			text = text[size:]
			continue
		}
		dst = append(dst, "\uFFFD"...)
		text = text[brokenOff(text):]
	}
	return dst
}

// brokenOff is the length of the longest beginning of a character at the start of text, at least 1.
func brokenOff(text []byte) int {
	for n := min(3, len(text)); n > 1; n-- {
		if !utf8.FullRune(text[:n]) {
			return n
		}
	}
	return 1
}

// appHeader gives the names of a header as an object of JavaScript has them: each once, at the
// place where it came first, with the values of where it came last; those that are whole numbers
// stand before the others, by their value.
func appHeader(names []string) (header []string, origins []int, twice []string) {
	place := make(map[string]int)
	for i, name := range names {
		if name == "__proto__" {
			continue // a text that is assigned to it is ignored
		}
		if at, ok := place[name]; ok {
			origins[at] = i
			twice = append(twice, name)
			continue
		}
		place[name] = len(header)
		header, origins = append(header, name), append(origins, i)
	}
	return numbersFirst(header, origins, twice)
}

func numbersFirst(header []string, origins []int, twice []string) ([]string, []int, []string) {
	type column struct {
		name   string
		origin int
		index  int64 // -1: not a whole number
	}
	var numbers, others []column
	for i, name := range header {
		c := column{name, origins[i], arrayIndex(name)}
		if c.index < 0 {
			others = append(others, c)
			continue
		}
		at := len(numbers)
		for at > 0 && numbers[at-1].index > c.index {
			at--
		}
		numbers = append(numbers[:at], append([]column{c}, numbers[at:]...)...)
	}
	header, origins = header[:0], origins[:0]
	for _, c := range append(numbers, others...) {
		header, origins = append(header, c.name), append(origins, c.origin)
	}
	return header, origins, twice
}

// arrayIndex is the number that a name is an index of, as JavaScript writes numbers, or -1.
func arrayIndex(name string) int64 {
	n, err := strconv.ParseUint(name, 10, 32)
	if err != nil || n == 1<<32-1 || strconv.FormatUint(n, 10) != name {
		return -1
	}
	return int64(n)
}

// appName is a name of the header as the application had it. A byte order mark at the beginning of
// the file stays glued to the first name: it is not trimmed, and so nothing behind it is.
func appName(raw []byte, first bool) string {
	mark := []byte("\uFEFF")
	if !first || !bytes.HasPrefix(raw, mark) {
		value, _ := appValue(raw, utf8.Valid(raw), nil)
		return string(value)
	}
	name := bytes.TrimRightFunc(appendDecoded(nil, raw[len(mark):]), scriptSpace)
	return string(mark) + strings.ReplaceAll(string(name), `"`, "")
}
