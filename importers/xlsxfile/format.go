package xlsxfile

import (
	"strings"
	"unicode/utf8"
)

// formatKind is what a number is by its format.
type formatKind uint8

const (
	isNumber   formatKind = iota
	isDate                // a day
	isTime                // of a day
	isDateTime            // both
	isMoment              // any of the three, by its value: the format differs by language
	isElapsed             // hours that may be more than a day has
)

// numberFormat is one of the formats of a book.
type numberFormat struct {
	id    int
	code  string // "": one that is built in
	kind  formatKind
	zeros int // digits before the point that are always shown; 0 and 1 add nothing
}

var generalFormat = numberFormat{}

func newNumberFormat(id int, codes map[int]string) numberFormat {
	f := numberFormat{id: id}
	if code, ok := codes[id]; ok {
		f.code = code
		f.kind, f.zeros = classify(code)
		return f
	}
	f.kind = builtIn(id)
	return f
}

// builtIn is the kind of a format that a book need not spell out.
func builtIn(id int) formatKind {
	switch {
	case id >= 14 && id <= 17, id >= 27 && id <= 31, id == 36, id == 50, id == 51, id == 54, id == 57, id == 58,
		id >= 71 && id <= 74, id == 81:
		return isDate
	case id >= 18 && id <= 21, id == 32, id == 33, id == 45, id == 47, id == 75, id == 76, id == 78, id == 80:
		return isTime
	case id == 22, id == 77:
		return isDateTime
	case id == 34, id == 35, id == 52, id == 53, id == 55, id == 56:
		return isMoment
	case id == 46, id == 79:
		return isElapsed
	}
	return isNumber
}

// formatLetters is what stands in the code of a format.
type formatLetters struct {
	date, time, elapsed bool
	placeholder         bool // of a digit that is not a fraction of a second
	zeros               int  // of them, before the point
	point               bool
	last                byte // the letter before: h or s decide what an m is
	month               bool // the last m may still be of minutes, if an s follows
}

// classify reads the code of a format: up to three sections for numbers and one for texts.
func classify(code string) (formatKind, int) {
	var all, first formatLetters
	for i, section := range splitSections(code) {
		if i == 3 {
			break
		}
		l := readSection(section)
		if i == 0 {
			first = l
		}
		all.date, all.time, all.elapsed = all.date || l.date, all.time || l.time, all.elapsed || l.elapsed
		all.placeholder = all.placeholder || l.placeholder
	}
	switch {
	case all.placeholder:
		return isNumber, first.zeros
	case all.date && (all.time || all.elapsed):
		return isDateTime, 0
	case all.date:
		return isDate, 0
	case all.elapsed:
		return isElapsed, 0
	case all.time:
		return isTime, 0
	}
	return isNumber, 0
}

// splitSections cuts the code at the semicolons that are not quoted.
func splitSections(code string) []string {
	var sections []string
	begin := 0
	for i := 0; i < len(code); i += literal(code[i:]) {
		if code[i] == ';' {
			sections = append(sections, code[begin:i])
			begin = i + 1
		}
	}
	return append(sections, code[min(begin, len(code)):])
}

// literal is the length of what begins the code: a quoted text, a character with what takes
// its meaning or its place, or one byte.
func literal(code string) int {
	switch code[0] {
	case '"':
		if n := strings.IndexByte(code[1:], '"'); n >= 0 {
			return n + 2
		}
		return len(code)
	case '\\', '_', '*':
		_, size := utf8.DecodeRuneInString(code[1:])
		return 1 + size
	}
	return 1
}

func readSection(code string) formatLetters {
	var l formatLetters
	for len(code) > 0 {
		size := literal(code)
		switch {
		case size > 1 || strings.IndexByte(`"\_*`, code[0]) >= 0:
		case code[0] == '[':
			size = l.bracket(code)
		default:
			size = l.word(code)
		}
		code = code[size:]
	}
	l.date = l.date || l.month
	return l
}

// bracket reads what stands in brackets: elapsed hours, minutes or seconds, a color, a
// condition, a language.
func (l *formatLetters) bracket(code string) int {
	n := strings.IndexByte(code, ']')
	if n < 0 {
		return len(code)
	}
	inside := strings.ToLower(code[1:n])
	if inside == "" || strings.Trim(inside, inside[:1]) != "" || strings.IndexByte("hms", inside[0]) < 0 {
		return n + 1
	}
	l.elapsed, l.last = true, inside[0]
	if inside[0] == 's' {
		l.minutes()
		return n + 1 + fraction(code[n+1:])
	}
	return n + 1
}

// word reads a letter and those that repeat it, or a word that is known.
func (l *formatLetters) word(code string) int {
	for _, known := range []string{"general", "am/pm", "a/p", "上午/下午"} {
		if len(code) >= len(known) && strings.EqualFold(code[:len(known)], known) {
			l.time = l.time || known != "general"
			return len(known)
		}
	}
	c := code[0] | 0x20
	size := 1
	for size < len(code) && code[size]|0x20 == c && c >= 'a' && c <= 'z' {
		size++
	}
	switch c {
	case 'y', 'd', 'g', 'b', 'e':
		if c == 'e' && l.placeholder {
			return size // of a power of ten
		}
		l.date, l.last, l.month = true, c, false
	case 'h':
		l.date = l.date || l.month // the m before it is of months
		l.time, l.last, l.month = true, c, false
	case 's':
		l.minutes()
		l.time, l.last = true, c
		size += fraction(code[size:])
	case 'm':
		switch {
		case l.last == 'h' || l.last == 's':
			l.time = true
		default:
			l.date, l.month = l.date || l.month, true
		}
		l.last = c
	default:
		l.digit(code[0])
	}
	return size
}

// minutes makes the m before an s one of minutes.
func (l *formatLetters) minutes() {
	if l.month {
		l.time, l.month = true, false
	}
}

func (l *formatLetters) digit(c byte) {
	switch c {
	case '0', '#', '?':
		l.placeholder = true
		if c == '0' && !l.point {
			l.zeros++
		}
	case '.':
		l.point = true
	}
}

// fraction is the length of the fraction of a second at the beginning of the code.
func fraction(code string) int {
	if len(code) < 2 || (code[0] != '.' && code[0] != ',') || code[1] != '0' {
		return 0
	}
	n := 1
	for n < len(code) && code[n] == '0' {
		n++
	}
	return n
}
