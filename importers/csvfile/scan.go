package csvfile

import (
	"bytes"
	"encoding/binary"
	"io"
	"math/bits"
	"unicode/utf8"

	"github.com/pgrescue/pgrescue/importers"
)

const (
	blockLength = 256 << 10 // of the buffer, until a record is longer
	slack       = 8         // bytes behind the buffer that a word may reach over
)

// fault is what is wrong with a record, in the order of weight.
type fault uint8

const (
	sound       fault = iota
	bareQuote         // in a field that does not begin with one
	afterQuote        // text between a closing quote and the delimiter
	unclosed          // a quote that nothing closes, in the last line
	misquoted         // the record has several lines, and a quote in the first of them seems never to be closed
	tooLong           // a line, or a quoted field, beyond the limit
	endOfStream       // nothing is left
)

// span is a field within the buffer.
type span struct {
	start, end int
	escaped    bool // it has escapes that are not part of its value
	quoted     bool // it stands in quotes, which are outside of it
}

// scanner splits a text into records, in a buffer that grows to the longest of them.
type scanner struct {
	dialect
	r        io.Reader
	encoding importers.Encoding
	limit    int

	buf      []byte // with slack bytes behind its length
	pos, end int    // what is not yet read as records
	ended    bool   // nothing comes behind end
	err      error  // why, if not at the end of the text
	clean    int    // up to here the buffer is valid UTF-8 without NUL

	line   int64 // of pos, from 1
	offset int64 // of pos, in the source

	// The record that was read last.
	fields []span
	start  int // of its first byte in the buffer
	stop   int // behind its last one, without the line's end
	lines  int // that it takes
	at     int // where its fault is
}

func newScanner(r io.Reader, d dialect, encoding importers.Encoding, limit int) *scanner {
	s := &scanner{dialect: d, r: r, encoding: encoding, limit: limit, line: 1}
	s.buf = make([]byte, min(blockLength, limit+1), min(blockLength, limit+1)+slack)
	return s
}

// fill reads more behind pos, and reports whether there was any. Places in the buffer move.
func (s *scanner) fill() bool {
	if s.ended {
		return false
	}
	if s.pos > 0 {
		copy(s.buf, s.buf[s.pos:s.end])
		s.end -= s.pos
		s.clean = max(0, s.clean-s.pos)
		s.pos = 0
	}
	if s.end == len(s.buf) {
		larger := make([]byte, min(2*len(s.buf), s.limit+1+blockLength), min(2*len(s.buf), s.limit+1+blockLength)+slack)
		copy(larger, s.buf[:s.end])
		s.buf = larger
	}
	before := s.end
	for empty := 0; s.end < len(s.buf) && !s.ended; {
		n, err := s.r.Read(s.buf[s.end:])
		s.end += n
		switch {
		case err == io.EOF:
			s.ended = true
		case err != nil:
			s.ended, s.err = true, err
		case n > 0:
			empty = 0
		default:
			if empty++; empty == 100 {
				s.ended, s.err = true, io.ErrNoProgress
			}
		}
	}
	return s.end > before
}

// advance moves pos, over lines of the text.
func (s *scanner) advance(to, lines int) {
	s.offset += s.encoding.Width(s.buf[s.pos:to])
	s.line += int64(lines)
	s.pos = to
}

// next reads a record that is not blank. Its line and offset are those of the scanner until take moves on behind it.
func (s *scanner) next() fault {
	for {
		if s.pos == s.end && !s.fill() {
			return endOfStream
		}
		found, complete := s.parse()
		switch {
		case complete && s.start < s.stop:
			return found
		case complete: // a blank line
			s.take()
		case s.end-s.pos > s.limit:
			return s.long()
		default:
			s.fill() // if nothing comes, what is there is all there is
		}
	}
}

// broken reports whether the text breaks off behind the record, for another reason than its end.
func (s *scanner) broken() bool { return s.err != nil && s.stop == s.end }

// take moves on behind the record.
func (s *scanner) take() {
	to := s.stop
	if s.newline == '\n' && to < s.end && s.buf[to] == '\r' {
		to++
	}
	if to < s.end && s.buf[to] == s.newline {
		to++
	}
	s.advance(to, s.lines)
}

// firstLine cuts the record after its first line.
func (s *scanner) firstLine() {
	s.lines = 1
	s.stop = s.end
	if i := bytes.IndexByte(s.buf[s.start:s.end], s.newline); i >= 0 {
		s.stop = s.start + i
		if s.newline == '\n' && i > 0 && s.buf[s.stop-1] == '\r' {
			s.stop--
		}
	}
}

// long is a record beyond the limit: quoted, with a line in it, or one line.
func (s *scanner) long() fault {
	s.start, s.fields, s.at = s.pos, s.fields[:0], -1
	s.firstLine()
	if s.stop < s.end {
		return misquoted
	}
	return tooLong
}

// skipLine moves on behind the line that is too long, without keeping it.
func (s *scanner) skipLine() {
	for {
		if i := bytes.IndexByte(s.buf[s.pos:s.end], s.newline); i >= 0 {
			s.advance(s.pos+i+1, 1)
			return
		}
		s.advance(s.end, 0)
		if !s.fill() {
			return
		}
	}
}

const (
	lowBits  = 0x0101010101010101
	highBits = 0x8080808080808080
)

// zeros marks the zero bytes of a word. Behind the first of them it may mark too many.
func zeros(w uint64) uint64 { return (w - lowBits) &^ w & highBits }

// parse reads the record at pos; false: it needs more of the text.
func (s *scanner) parse() (fault, bool) {
	s.start, s.lines, s.at = s.pos, 1, s.pos
	fields, found := s.fields[:0], sound
	// What lies in buf behind end is of no meaning, and i never stays there.
	buf, end, delimiter, newline, quote := s.buf[:s.end+slack], s.end, s.delimiter, s.newline, s.quote
	delimiters, newlines, quotes := lowBits*uint64(delimiter), lowBits*uint64(newline), lowBits*uint64(quote)
	for i := s.pos; ; {
		start := i
		if quote != 0 && i < end && buf[i] == quote {
			field, wrong, complete := s.quoted(i)
			if !complete {
				return sound, false
			}
			if wrong != sound {
				if s.lines > 1 {
					s.fields, s.at = fields, start
					s.firstLine()
					return misquoted, true
				}
				found, s.at = max(found, wrong), field.end
			}
			i = field.end + 1
			fields = append(fields, field)
			if i < end && buf[i] == delimiter {
				i++
				continue
			}
			start = -1
		}
		for {
			w := binary.LittleEndian.Uint64(buf[i:])
			m := zeros(w^delimiters) | zeros(w^newlines)
			if quote != 0 {
				m |= zeros(w ^ quotes)
			}
			if m == 0 {
				if i += 8; i < end {
					continue
				}
				i = end
				break
			}
			if i += bits.TrailingZeros64(m) >> 3; i >= end || buf[i] != quote || quote == 0 {
				i = min(i, end)
				break
			}
			if found == sound {
				found, s.at = bareQuote, i
			}
			i++
		}
		if i == end && !s.ended {
			return sound, false
		}
		stop := i
		if i == end || buf[i] == newline {
			if newline == '\n' && stop > s.pos && buf[stop-1] == '\r' && (start < 0 || stop > start) {
				stop--
			}
			if start >= 0 {
				fields = append(fields, span{start: start, end: stop})
			}
			s.fields, s.stop = fields, stop
			return found, true
		}
		if start >= 0 {
			fields = append(fields, span{start: start, end: stop})
		}
		i++
	}
}

// quoted reads the field whose opening quote is at i. Its end is the place of the closing one.
func (s *scanner) quoted(i int) (field span, wrong fault, complete bool) {
	field.start, field.quoted = i+1, true
	for j := i + 1; ; {
		q, escapes := s.closing(j)
		field.escaped = field.escaped || escapes
		if q < 0 || q+1 == s.end && !s.ended {
			if !s.ended {
				return field, sound, false
			}
			field.end = s.end - 1 // never closed
			s.lines += bytes.Count(s.buf[i:s.end], []byte{s.newline})
			return field, unclosed, true
		}
		if q+1 < s.end && s.buf[q+1] == s.quote {
			field.escaped = true
			j = q + 2
			continue
		}
		field.end = q
		break
	}
	s.lines += bytes.Count(s.buf[field.start:field.end], []byte{s.newline})
	if !s.fieldEnds(field.end + 1) {
		return field, afterQuote, true
	}
	return field, sound, true
}

// closing finds the next quote from j on that has no escape before it, or gives -1.
func (s *scanner) closing(j int) (at int, escapes bool) {
	if s.escape == s.quote {
		if at = bytes.IndexByte(s.buf[j:s.end], s.quote); at >= 0 {
			at += j
		}
		return at, false
	}
	for ; j < s.end; j++ {
		switch s.buf[j] {
		case s.quote:
			return j, escapes
		case s.escape:
			escapes = true
			j++
		}
	}
	return -1, escapes
}

// fieldEnds reports whether a field can end at i.
func (s *scanner) fieldEnds(i int) bool {
	switch {
	case i >= s.end || s.buf[i] == s.delimiter || s.buf[i] == s.newline:
		return true
	case s.buf[i] == '\r' && s.newline == '\n':
		return i+1 == s.end || s.buf[i+1] == '\n'
	}
	return false
}

// value is what a field says, appended to arena if it has escapes.
func (s *scanner) value(f span, arena []byte) (text, rest []byte) {
	raw := s.buf[f.start:f.end:f.end]
	if !f.escaped {
		return raw, arena
	}
	from := len(arena)
	for i := 0; i < len(raw); i++ {
		c := raw[i]
		if i+1 < len(raw) && (c == s.quote && raw[i+1] == s.quote || c == s.escape && (raw[i+1] == s.quote || raw[i+1] == s.escape)) {
			i++
			c = raw[i]
		}
		arena = append(arena, c)
	}
	return arena[from:len(arena):len(arena)], arena
}

// invalid finds the first byte of the record that is NUL or no UTF-8, or gives -1.
func (s *scanner) invalid() int {
	for s.clean < s.stop {
		from := max(s.clean, s.start)
		to := min(s.end, max(s.stop, from+64<<10))
		chunk := s.buf[from:to]
		if bytes.IndexByte(chunk, 0) < 0 && utf8.Valid(chunk) {
			s.clean = to
			return -1
		}
		if s.clean = from + importers.FirstInvalid(chunk); s.clean < s.stop {
			return s.clean
		}
	}
	return -1
}
