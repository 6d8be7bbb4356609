package mapping

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/pgrescue/pgrescue/recover/pg"
)

// formTokens is what formats are made of, for hints.
const formTokens = "YYYY or YY, MM, DD, Mon or Month, HH24 or HH12 with AM, MI, SS, FF (a fraction), TZ (Z or +02:00); all else stands for itself"

// token is a piece of a format.
type token uint8

const (
	literal token = iota
	year4
	year2
	month2
	monthName
	day2
	hour24
	hour12
	minute2
	second2
	fraction
	halfDay
	offset
)

// form is a format of dates and times.
type form struct {
	text   string
	pieces []formPiece
}

type formPiece struct {
	token token
	text  string // of literal
	least int    // digits of numbers that may have one or two
}

// parseForm reads a format as to_timestamp of PostgreSQL writes it.
func parseForm(text string) (form, error) {
	words := []struct {
		word  string
		token token
	}{
		{"YYYY", year4},
		{"YY", year2},
		{"MONTH", monthName},
		{"MON", monthName},
		{"MM", month2},
		{"MI", minute2},
		{"DD", day2},
		{"HH24", hour24},
		{"HH12", hour12},
		{"SS", second2},
		{"FF", fraction},
		{"AM", halfDay},
		{"PM", halfDay},
		{"TZ", offset},
	}
	f := form{text: text}
	var seen [offset + 1]bool
next:
	for rest := text; rest != ""; {
		for _, w := range words {
			if len(rest) >= len(w.word) && strings.EqualFold(rest[:len(w.word)], w.word) {
				if seen[w.token] {
					return f, fmt.Errorf("has %s twice", w.word)
				}
				seen[w.token] = true
				f.pieces = append(f.pieces, formPiece{token: w.token})
				rest = rest[len(w.word):]
				continue next
			}
		}
		if n := len(f.pieces); n > 0 && f.pieces[n-1].token == literal {
			f.pieces[n-1].text += rest[:1]
		} else {
			f.pieces = append(f.pieces, formPiece{text: rest[:1]})
		}
		rest = rest[1:]
	}
	for i := range f.pieces {
		f.pieces[i].least = 1
		if i+1 < len(f.pieces) && f.pieces[i+1].token != literal {
			f.pieces[i].least = 2 // where the next number follows at once, nothing else tells them apart
		}
	}
	switch {
	case !(seen[year4] || seen[year2]) || !(seen[month2] || seen[monthName]) || !seen[day2]:
		return f, errors.New("lacks the year, the month or the day")
	case seen[year4] && seen[year2] || seen[month2] && seen[monthName] || seen[hour24] && seen[hour12]:
		return f, errors.New("has one part in two ways")
	case seen[hour12] != seen[halfDay]:
		return f, errors.New("needs HH12 and AM together")
	}
	return f, nil
}

// moment is a date with a time of day, as it was written.
type moment struct {
	year, month, day     int
	hour, minute, second int
	micros               int
	zoned                bool
	offset               int // minutes east of UTC
	halfDay              byte
	clock                bool // a time of day was written
}

// valid reports whether the calendar has such a moment.
func (m *moment) valid() bool {
	if m.halfDay != 0 {
		if m.hour < 1 || m.hour > 12 {
			return false
		}
		if m.hour %= 12; m.halfDay == 'p' {
			m.hour += 12
		}
	}
	return m.year >= 1 && m.month >= 1 && m.month <= 12 && m.day >= 1 && m.day <= pg.DaysOf(m.year, m.month) &&
		m.hour < 24 && m.minute < 60 && m.second < 60
}

// reader takes a text apart.
type reader struct {
	rest []byte
	ok   bool
}

// number takes from least to most digits.
func (r *reader) number(least, most int) int {
	n, value := 0, 0
	for n < len(r.rest) && n < most && isDigit(r.rest[n]) {
		value = value*10 + int(r.rest[n]-'0')
		n++
	}
	if n < least || n < len(r.rest) && n == most && isDigit(r.rest[n]) && least != most {
		r.ok = false
	}
	r.rest = r.rest[n:]
	return value
}

// sign takes one of the bytes.
func (r *reader) sign(any string) (byte, bool) {
	if len(r.rest) > 0 && strings.IndexByte(any, r.rest[0]) >= 0 {
		c := r.rest[0]
		r.rest = r.rest[1:]
		return c, true
	}
	return 0, false
}

// micros takes up to six digits of a fraction; more must be zeros.
func (r *reader) micros() int {
	value, n := 0, 0
	for n < len(r.rest) && isDigit(r.rest[n]) {
		if n < 6 {
			value = value*10 + int(r.rest[n]-'0')
		} else if r.rest[n] != '0' {
			r.ok = false
		}
		n++
	}
	if n == 0 {
		r.ok = false
	}
	r.rest = r.rest[n:]
	for ; n < 6; n++ {
		value *= 10
	}
	return value
}

// offset takes Z, UTC, +02, +0200 or +02:00.
func (r *reader) offset(m *moment) {
	m.zoned = true
	if len(r.rest) >= 3 && bytes.EqualFold(r.rest[:3], []byte("utc")) {
		r.rest = r.rest[3:]
		return
	}
	if _, ok := r.sign("Zz"); ok {
		return
	}
	sign, ok := r.sign("+-")
	if !ok {
		r.ok = false
		return
	}
	hours, minutes := r.number(2, 2), 0
	if _, colon := r.sign(":"); colon || len(r.rest) > 0 {
		minutes = r.number(2, 2)
	}
	if hours > 15 || minutes > 59 {
		r.ok = false
	}
	if m.offset = hours*60 + minutes; sign == '-' {
		m.offset = -m.offset
	}
}

// isoMoment reads 2024-01-15, with or without a time behind a space or T, and a zone.
func isoMoment(text []byte) (m moment, ok bool) {
	r := reader{rest: text, ok: true}
	m.year = r.number(4, 4)
	_, first := r.sign("-")
	m.month = r.number(2, 2)
	_, second := r.sign("-")
	m.day = r.number(2, 2)
	if !first || !second || !r.ok {
		return m, false
	}
	if len(r.rest) == 0 {
		return m, m.valid()
	}
	if _, ok := r.sign(" Tt"); !ok {
		return m, false
	}
	m.clock = true
	m.hour = r.number(2, 2)
	if _, ok := r.sign(":"); !ok {
		return m, false
	}
	m.minute = r.number(2, 2)
	if _, ok := r.sign(":"); ok {
		m.second = r.number(2, 2)
		if _, ok := r.sign(".,"); ok {
			m.micros = r.micros()
		}
	}
	if len(r.rest) > 0 {
		r.sign(" ")
		r.offset(&m)
	}
	return m, r.ok && len(r.rest) == 0 && m.valid()
}

// read takes a text of the format.
func (f *form) read(text []byte) (m moment, ok bool) {
	r := reader{rest: text, ok: true}
	for i := range f.pieces {
		p := &f.pieces[i]
		switch p.token {
		case literal:
			if len(r.rest) < len(p.text) || string(r.rest[:len(p.text)]) != p.text {
				return m, false
			}
			r.rest = r.rest[len(p.text):]
		case year4:
			m.year = r.number(4, 4)
		case year2:
			if m.year = 1900 + r.number(2, 2); m.year < 1970 {
				m.year += 100
			}
		case month2:
			m.month = r.number(p.least, 2)
		case monthName:
			m.month = r.month()
		case day2:
			m.day = r.number(p.least, 2)
		case hour24, hour12:
			m.hour, m.clock = r.number(p.least, 2), true
		case minute2:
			m.minute, m.clock = r.number(2, 2), true
		case second2:
			m.second = r.number(2, 2)
		case fraction:
			m.micros = r.micros()
		case halfDay:
			half, _ := r.sign("AaPp")
			if _, rest := r.sign("Mm"); half == 0 || !rest {
				return m, false
			}
			m.halfDay = half | 0x20
		case offset:
			r.offset(&m)
		}
		if !r.ok {
			return m, false
		}
	}
	return m, len(r.rest) == 0 && m.valid()
}

// month takes an English name of a month, whole or its first three letters.
func (r *reader) month() int {
	n := 0
	for n < len(r.rest) && (r.rest[n]|0x20) >= 'a' && (r.rest[n]|0x20) <= 'z' {
		n++
	}
	name := r.rest[:n]
	for i := time.January; i <= time.December; i++ {
		full := i.String()
		if n == 3 && strings.EqualFold(full[:3], string(name)) || n == len(full) && strings.EqualFold(full, string(name)) {
			r.rest = r.rest[n:]
			return int(i)
		}
	}
	r.ok = false
	return 0
}

// moment reads a text by the profile's formats, or as ISO 8601. It never guesses.
func (s *step) moment(text []byte) (moment, *failure) {
	for i := range s.forms {
		if m, ok := s.forms[i].read(text); ok {
			return m, nil
		}
	}
	if s.forms == nil {
		if m, ok := isoMoment(text); ok {
			return m, nil
		}
	}
	return moment{}, s.notMoment(text)
}

func (s *step) notMoment(text []byte) *failure {
	if len(s.forms) > 0 {
		var formats []string
		for i := range s.forms {
			formats = append(formats, s.forms[i].text)
		}
		return &failure{reason: fmt.Sprintf("%s is no %s of the format %s", shown(text), s.what(), strings.Join(formats, " or "))}
	}
	f := &failure{reason: fmt.Sprintf("%s is no %s as ISO 8601 writes it, such as 2024-01-15", shown(text), s.what()), hint: "a profile says how they are written: " + s.what() + ": DD.MM.YYYY"}
	if start, rest := digits(text); len(start) > 0 && len(start) <= 2 && len(rest) > 0 && bytes.IndexByte([]byte("/.-"), rest[0]) >= 0 {
		f.reason = shown(text) + " does not say which is the day and which the month"
		f.hint = "a profile says it: " + s.what() + ": DD/MM/YYYY, or MM/DD/YYYY"
	}
	return f
}

func (s *step) what() string {
	if s.op == opDate {
		return "date"
	}
	return "timestamp"
}

// date writes a date. A time of day that would be lost is refused.
func (s *step) date(text []byte, buf *[]byte) ([]byte, *failure) {
	m, bad := s.moment(text)
	if bad != nil {
		return nil, bad
	}
	if m.hour|m.minute|m.second|m.micros != 0 || m.zoned && m.offset != 0 {
		return nil, &failure{reason: shown(text) + " has a time of day, which a date would lose"}
	}
	start := len(*buf)
	*buf = m.appendDate(*buf)
	return (*buf)[start:len(*buf):len(*buf)], nil
}

// timestamp writes a timestamp. A text without a zone is UTC, as all times of pgrescue are. A column without one
// gets the time as it is written, whatever zone stands behind it: that is the server's own rule, so it is what
// the first import stored. Only a profile that says zone: UTC has it shifted.
func (s *step) timestamp(text []byte, buf *[]byte) ([]byte, *failure) {
	m, bad := s.moment(text)
	if bad != nil {
		return nil, bad
	}
	ignored := s.kind.base == typeTimestamp && m.zoned && m.offset != 0
	if ignored && s.zone {
		ignored = false
		at := time.Date(m.year, time.Month(m.month), m.day, m.hour, m.minute-m.offset, m.second, m.micros*1000, time.UTC)
		m.year, m.month, m.day = at.Year(), int(at.Month()), at.Day()
		m.hour, m.minute, m.offset = at.Hour(), at.Minute(), 0
		if m.year < 1 || m.year > 9999 {
			return nil, &failure{reason: shown(text) + " is out of range"}
		}
	}
	start := len(*buf)
	*buf = m.appendDate(*buf)
	*buf = append(appendTwo(*buf, ' ', m.hour), ':', byte('0'+m.minute/10), byte('0'+m.minute%10))
	*buf = appendTwo(*buf, ':', m.second)
	if m.micros != 0 {
		*buf = append(*buf, '.')
		for d := 100000; d > 0 && m.micros > 0; d /= 10 {
			*buf = append(*buf, byte('0'+m.micros/d))
			m.micros %= d
		}
	}
	if s.kind.base != typeTimestamp {
		*buf = m.appendOffset(*buf)
	}
	if ignored {
		bad = &failure{reason: ignoresZone, kept: true}
	}
	return (*buf)[start:len(*buf):len(*buf)], bad
}

func (m *moment) appendDate(dst []byte) []byte {
	dst = append(dst, byte('0'+m.year/1000), byte('0'+m.year/100%10), byte('0'+m.year/10%10), byte('0'+m.year%10))
	return appendTwo(appendTwo(dst, '-', m.month), '-', m.day)
}

func (m *moment) appendOffset(dst []byte) []byte {
	minutes, sign := m.offset, byte('+')
	if minutes < 0 {
		minutes, sign = -minutes, '-'
	}
	dst = appendTwo(dst, sign, minutes/60)
	if minutes %= 60; minutes != 0 {
		dst = appendTwo(dst, ':', minutes)
	}
	return dst
}

// appendTwo appends a mark and two digits.
func appendTwo(dst []byte, mark byte, value int) []byte {
	return append(dst, mark, byte('0'+value/10), byte('0'+value%10))
}
