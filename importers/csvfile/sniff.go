package csvfile

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/pgrescue/pgrescue/importers"
	"github.com/pgrescue/pgrescue/recover/evidence"
)

const (
	sampleLength   = 256 << 10 // of the text that the dialect is found in
	longestSample  = 8 << 20   // if the lines are so long that few of them fit
	fewLines       = 4
	encodingLength = 8 << 20 // of the bytes that the encoding is found in
	sampleRecords  = 500
)

// sniff finds out how the source is read, and its header.
func (l *List) sniff(ctx context.Context) error {
	if err := l.sniffEncoding(ctx); err != nil {
		return err
	}
	if l.opts.AsApp {
		return l.sniffApp(ctx)
	}
	sample, whole, err := l.sample()
	if err != nil {
		return err
	}
	l.endsOfLines(sample)
	start := l.skipped(sample)
	if l.sniffDialect(sample[start.at:], whole) && l.opts.Header <= 0 {
		start = start.behind(sample, l.dialect.newline) // the sep= line
	}
	if l.opts.Skip > 0 {
		l.setting("skip", strconv.Itoa(l.opts.Skip), false)
	}
	if l.opts.Ragged == Pad {
		l.setting("short rows", "padded", false)
	}
	if l.opts.Header == None {
		l.opts.Skip = start.line - 1
		return l.withoutHeader(sample[start.at:], whole)
	}
	return l.sniffHeader(sample, start, whole)
}

func (l *List) setting(name, value string, found bool) {
	l.head.Settings = append(l.head.Settings, importers.Setting{Name: name, Value: value, Found: found})
}

func (l *List) note(format string, args ...any) {
	l.head.Notes = append(l.head.Notes, fmt.Sprintf(format, args...))
}

// sniffEncoding looks at the bytes of the source.
func (l *List) sniffEncoding(ctx context.Context) error {
	content, err := l.head.Source.Open(l.opts.Trail)
	if err != nil {
		return err
	}
	defer content.Close()
	found, err := importers.DetectEncodingOf(io.LimitReader(content, encodingLength))
	if err != nil && !errors.Is(err, importers.ErrDamaged) {
		return err
	}
	switch {
	case l.opts.Encoding != "":
		if l.encoding, err = importers.ParseEncoding(l.opts.Encoding); err != nil {
			return err
		}
		l.setting("encoding", string(l.encoding), false)
		return ctx.Err()
	case l.opts.AsApp && found != importers.UTF8:
		l.note("the file looks like %s; the application's browser read every file as UTF-8, so what is no UTF-8 became U+FFFD", found)
		found = importers.UTF8
	case found == importers.Windows1252 || found == importers.Latin1:
		l.note("the file is no UTF-8, and no file says which other encoding it has: it is read as %s; where letters look wrong, name its --encoding", found)
	}
	l.encoding = found
	l.setting("encoding", string(found), true)
	return ctx.Err()
}

// sample reads the beginning of the text: so much that a few lines are in it, if they are not endless.
func (l *List) sample() (sample []byte, whole bool, err error) {
	text, err := l.open()
	if err != nil {
		return nil, false, err
	}
	defer text.Close()
	for length := sampleLength; ; length *= 2 {
		larger := make([]byte, length, length+slack)
		n := copy(larger, sample)
		more, err := io.ReadFull(text, larger[n:])
		sample = larger[:n+more]
		switch {
		case err == io.EOF, errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, importers.ErrDamaged):
			return sample, true, nil
		case err != nil:
			return nil, false, &evidence.Error{Op: "csvfile: read", Place: l.head.Source.Place(), Err: err}
		case length >= longestSample, bytes.Count(sample, []byte{'\n'})+bytes.Count(sample, []byte{'\r'}) > l.opts.Skip+max(0, l.opts.Header)+fewLines:
			return sample, false, nil
		}
	}
}

// place is a place in the sample.
type place struct {
	at   int
	line int // from 1
}

// behind is the place behind the line at p.
func (p place) behind(sample []byte, newline byte) place {
	if i := bytes.IndexByte(sample[p.at:], newline); i >= 0 {
		return place{p.at + i + 1, p.line + 1}
	}
	return place{len(sample), p.line}
}

// endsOfLines finds how lines end.
func (l *List) endsOfLines(sample []byte) {
	l.dialect.newline = '\n'
	name := "LF"
	switch {
	case bytes.IndexByte(sample, '\n') < 0 && bytes.IndexByte(sample, '\r') >= 0:
		l.dialect.newline = '\r'
		name = "CR"
	case bytes.Contains(sample, []byte("\r\n")):
		name = "CRLF"
	}
	l.setting("line end", name, true)
}

// skipped finds the place behind the lines that are to be skipped.
func (l *List) skipped(sample []byte) place {
	start := place{0, 1}
	for range max(l.opts.Skip, l.opts.Header-1) {
		start = start.behind(sample, l.dialect.newline)
	}
	return start
}

// sniffDialect finds delimiter, quote and escape, and reports whether a line says the delimiter.
func (l *List) sniffDialect(sample []byte, whole bool) (said bool) {
	if l.dialect.quote = '"'; l.opts.Quote > 0 {
		l.dialect.quote = byte(l.opts.Quote)
	} else if l.opts.Quote == None {
		l.dialect.quote = 0
	} else if apostrophes(sample) {
		l.dialect.quote = '\''
	}
	l.dialect.escape = l.dialect.quote
	if l.opts.Escape > 0 {
		l.dialect.escape = byte(l.opts.Escape)
	}
	line := bytes.ToLower(bytes.TrimSpace(sample[:place{}.behind(sample, l.dialect.newline).at]))
	switch {
	case len(line) == 5 && bytes.HasPrefix(line, []byte("sep=")):
		said, l.dialect.delimiter = true, line[4]
	case bytes.Equal(line, []byte("sep=")): // a tab was trimmed
		said, l.dialect.delimiter = true, '\t'
	}
	if l.opts.Delimiter != anyone {
		l.dialect.delimiter = byte(l.opts.Delimiter)
	} else if !said {
		l.dialect.delimiter = l.bestDelimiter(sample, whole)
	}
	if l.opts.Escape == anyone && l.dialect.quote != 0 && bytes.Contains(sample, []byte{'\\', l.dialect.quote}) {
		l.sniffEscape(sample, whole)
	}
	l.setting("delimiter", charName(l.dialect.delimiter), l.opts.Delimiter == anyone)
	l.setting("quote", charName(l.dialect.quote), l.opts.Quote == anyone)
	escape := "doubled quote"
	if l.dialect.escape != l.dialect.quote {
		escape = charName(l.dialect.escape)
	}
	l.setting("escape", escape, l.opts.Escape == anyone)
	return said
}

func charName(c byte) string {
	switch c {
	case 0:
		return "none"
	case '\t':
		return "tab"
	case ' ':
		return "space"
	}
	return string(rune(c))
}

// apostrophes reports whether fields are quoted with apostrophes, and none with double quotes.
func apostrophes(sample []byte) bool {
	if bytes.IndexByte(sample, '"') >= 0 {
		return false
	}
	pairs := 0
	for _, line := range bytes.FieldsFunc(sample, func(r rune) bool { return r == '\n' || r == '\r' }) {
		for _, delimiter := range []byte(",;\t|") {
			for _, field := range bytes.Split(line, []byte{delimiter}) {
				if len(field) > 1 && field[0] == '\'' && field[len(field)-1] == '\'' {
					pairs++
				}
			}
		}
	}
	return pairs > 1
}

// sniffEscape takes the backslash as escape if fewer records go wrong with it.
func (l *List) sniffEscape(sample []byte, whole bool) {
	doubled := faults(parseSample(sample, l.dialect, whole))
	l.dialect.escape = '\\'
	if faults(parseSample(sample, l.dialect, whole)) >= doubled {
		l.dialect.escape = l.dialect.quote
	}
}

// sampled is a record of the sample.
type sampled struct {
	place  place // within what was parsed
	fields []string
	raw    string
	found  fault
}

func faults(records []sampled) int {
	n := 0
	for i := range records {
		if records[i].found != sound {
			n++
		}
	}
	return n
}

// parseSample reads the records of a sample. The last one may be cut, and is left out then.
func parseSample(sample []byte, d dialect, whole bool) []sampled {
	s := &scanner{dialect: d, encoding: importers.UTF8, limit: len(sample), line: 1}
	s.buf, s.end, s.ended = slices.Grow(sample, slack), len(sample), true
	var records []sampled
	for len(records) < sampleRecords {
		found := s.next()
		if found == endOfStream {
			break
		}
		if found == tooLong || !whole && s.stop == s.end {
			break
		}
		record := sampled{place: place{int(s.offset), int(s.line)}, raw: string(s.buf[s.start:s.stop]), found: found}
		if found == sound {
			for _, f := range s.fields {
				value, _ := s.value(f, nil)
				record.fields = append(record.fields, string(value))
			}
		}
		records = append(records, record)
		s.take()
	}
	return records
}

// usualCount is the number of fields that most records have, and how many have it.
func usualCount(records []sampled) (count, times int) {
	counts := make(map[int]int)
	for i := range records {
		counts[len(records[i].fields)]++
	}
	for n, t := range counts {
		if n > 0 && (t > times || t == times && n > count) {
			count, times = n, t
		}
	}
	return count, times
}

// bestDelimiter tries each, and takes the one with which most records have the same number of fields.
func (l *List) bestDelimiter(sample []byte, whole bool) byte {
	best, bestShare, bestCount := byte(','), 0.0, 0
	for _, delimiter := range []byte(",;\t|") {
		d := l.dialect
		d.delimiter = delimiter
		records := parseSample(sample, d, whole)
		count, times := usualCount(records)
		if count < 2 {
			if count, times = len(headerOf(records, delimiter)), 0; count < 2 {
				continue
			}
		}
		share := float64(times) / float64(len(records))
		if len(headerOf(records, delimiter)) == count {
			share++ // a header that agrees says more than any row
		}
		if share > bestShare+0.05 || share > bestShare-0.05 && count > bestCount {
			best, bestShare, bestCount = delimiter, share, count
		}
	}
	return best
}

// errTwoLines refuses what the application refused.
var errTwoLines = errors.New("less than two lines: the application refused such files")

// sniffApp finds the header as the application's parser did: the first line that is not blank.
func (l *List) sniffApp(ctx context.Context) error {
	l.setting("reading", "as the application", false)
	text, err := l.open()
	if err != nil {
		return err
	}
	defer text.Close()
	s := newScanner(text, dialect{newline: '\n', delimiter: ','}, l.encoding, l.limit)
	l.dialect = s.dialect
	switch s.textLine() {
	case endOfStream:
		return errTwoLines
	case tooLong:
		return fmt.Errorf("its first line is longer than %d MiB", l.limit>>20)
	}
	s.splitLine()
	var names []string
	for i, f := range s.fields {
		names = append(names, appName(s.buf[f.start:f.end], i == 0 && s.offset == 0))
	}
	l.width = len(names)
	l.head.Line, l.head.Raw = s.line, bytes.Clone(bytes.TrimSuffix(s.buf[s.start:s.stop], []byte{'\r'}))
	var twice []string
	l.head.Header, l.origins, twice = appHeader(names)
	for _, name := range twice {
		l.note("the header has %q more than once: the application kept the last value", name)
	}
	if strings.HasPrefix(names[0], "\uFEFF") {
		l.note("the file begins with a byte order mark, which stayed part of the first name in the application")
	}
	s.take()
	if s.textLine() == endOfStream {
		return errTwoLines
	}
	return ctx.Err()
}
