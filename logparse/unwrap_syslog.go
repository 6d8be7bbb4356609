package logparse

import (
	"bytes"
	"time"
)

// syslog reads what syslog daemons and journalctl write as text: time, host, process and message.
//
// PostgreSQL cuts a message at newlines and after 900 bytes (write_syslog in utils/error/elog.c), and counts
// messages and pieces: [7-1], [7-2]. A piece behind a newline begins with the tab that all its lines go on
// with; any other belongs to the line before.
type syslog struct {
	reader *reader
	names  Names
	stamps Stamps
	last   map[syslogProcess]*syslogLine
	noted  bool
}

type syslogProcess struct {
	name string
	pid  int64
}

// syslogLine is the last line of a process, which may go on.
type syslogLine struct {
	partial
	message, piece int64
}

const (
	// syslogCut is a length below which PostgreSQL cuts no line, unless a word is long.
	syslogCut = 400
	// yearless is how long a stamp without a year is.
	yearless = len("Jan _2 15:04:05")
)

func (s *syslog) unwrap(line *Line, out func(*Line) bool) bool {
	header, n := cutSyslog(&s.stamps, line.Text, s.reader.written())
	if n == 0 {
		line.Marks |= Bare
		return out(line)
	}
	if header.yearless && !s.noted {
		s.noted = true
		s.reader.note("the stamps of syslog have no year: each is taken for the last one before the file was written, on " + s.reader.written().UTC().Format(time.DateOnly))
	}
	line.Outer.Stamp, line.Outer.PID, line.Outer.Container = header.stamp, header.pid, s.names.Of(header.name)
	message, piece, m := cutSequence(line.Text[n:])
	line.take(n + m)
	if bytes.HasPrefix(line.Text, []byte("#011")) { // rsyslog writes control characters so
		line.take(3)
		line.Text[0] = '\t'
	}
	if bytes.Contains(line.Text, []byte("#0")) {
		line.Marks |= Replaced // likely
	}
	process := syslogProcess{line.Outer.Container, header.pid}
	held := s.last[process]
	if held != nil {
		if held.message == message && held.piece+1 == piece && !bytes.HasPrefix(line.Text, []byte{'\t'}) {
			held.join(line)
			held.piece = piece
			return true
		}
		delete(s.last, process)
		if !held.end(out) {
			return false
		}
	}
	if piece == 0 || len(line.Text) < syslogCut || len(s.last) >= maxStreams {
		return out(line)
	}
	if s.last == nil {
		s.last = make(map[syslogProcess]*syslogLine)
	}
	kept := &syslogLine{message: message, piece: piece}
	kept.keep(line)
	s.last[process] = kept
	return true
}

func (s *syslog) flush(out func(*Line) bool) bool {
	held := make([]*partial, 0, len(s.last))
	for _, line := range s.last {
		held = append(held, &line.partial)
	}
	s.last = nil
	return endAll(held, 0, out)
}

// syslogHeader is what stands before a message.
type syslogHeader struct {
	stamp    Stamp
	yearless bool
	name     []byte
	pid      int64
}

// cutSyslog finds the header of a line; the file was written last at that time.
func cutSyslog(stamps *Stamps, text []byte, written time.Time) (header syslogHeader, n int) {
	if header.stamp, n = cutTimestamp(stamps, text); n == 0 {
		if header.stamp, n = parseYearless(text, written); n == 0 {
			return header, 0
		}
		header.yearless = true
	}
	host := bytes.IndexByte(text[n:], ' ')
	if isDate(text[n:]) { // behind the stamp of docker logs -t stands a program's own
		return header, 0
	}
	if host <= 0 || !isLetter(text[n]) && !isDigit(text[n]) || isLevel(text[n:n+host]) {
		return header, 0
	}
	n += host + 1
	begin := n
	for n < len(text) && text[n] > ' ' && text[n] != '[' && text[n] != ':' {
		n++
	}
	if header.name = text[begin:n]; n == begin || n == len(text) || isLevel(header.name) || onlyOfDigits(header.name) {
		return header, 0
	}
	if text[n] == '[' {
		end := bytes.IndexByte(text[n:], ']')
		if end < 2 {
			return header, 0
		}
		header.pid = number(text[n+1 : n+end])
		n += end + 1
	}
	if n >= len(text) || text[n] != ':' {
		return header, 0
	}
	if n++; n < len(text) && text[n] == ' ' {
		n++
	}
	return header, n
}

// parseYearless reads a stamp of syslog's, with the space behind it. The year is the last one in which it is not
// later than the file.
func parseYearless(text []byte, written time.Time) (Stamp, int) {
	if len(text) <= yearless || text[3] != ' ' || text[6] != ' ' || text[yearless] != ' ' || monthOf(text[:3]) == 0 {
		return Stamp{}, 0
	}
	day := int(text[5] - '0')
	if text[4] != ' ' {
		day += 10 * int(text[4]-'0')
	}
	for year := written.Year() + 1; year > written.Year()-8; year-- { // a leap day may be years ago
		stamp, n := parseClock(text[:yearless], 7, year, monthOf(text[:3]), day)
		if n == yearless && stamp.Time.Before(written.Add(24*time.Hour)) {
			return stamp, n + 1
		}
	}
	return Stamp{}, 0
}

// cutSequence finds the numbers of PostgreSQL's message and piece.
func cutSequence(text []byte) (message, piece int64, n int) {
	if len(text) == 0 || text[0] != '[' {
		return 0, 0, 0
	}
	end := bytes.IndexByte(text[:min(len(text), 32)], ']')
	dash := bytes.IndexByte(text[:max(end, 0)], '-')
	if dash < 2 || end < dash+2 || !onlyOfDigits(text[1:dash]) || !onlyOfDigits(text[dash+1:end]) {
		return 0, 0, 0
	}
	n = end + 1
	if n < len(text) && text[n] == ' ' {
		n++
	}
	return number(text[1:dash]), number(text[dash+1 : end]), n
}

// isDate reports whether a text begins with a date such as 2025-10-07, or 07/Oct/2025.
func isDate(text []byte) bool {
	if len(text) < len("2025-10-07") {
		return false
	}
	for _, at := range [...][2]int{{4, 7}, {2, 5}, {2, 6}} {
		if c := text[at[0]]; onlyOfDigits(text[:at[0]]) && (c == '-' && at[0] == 4 || c == '/') && text[at[1]] == c {
			return true
		}
	}
	return false
}

func onlyOfDigits(text []byte) bool {
	for _, c := range text {
		if !isDigit(c) {
			return false
		}
	}
	return true
}

func fitsSyslog(text []byte) bool {
	_, n := cutSyslog(&Stamps{}, text, time.Date(2000, 12, 31, 0, 0, 0, 0, time.UTC))
	return n > 0
}
