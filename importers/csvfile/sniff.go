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
	"unicode/utf8"

	"github.com/pgrescue/pgrescue/importers"
	"github.com/pgrescue/pgrescue/recover/evidence"
)

const (
	sampleLength   = 256 << 10 // of the text that the dialect is found in
	encodingLength = 8 << 20   // of the bytes that the encoding is found in
	sampleRecords  = 500
)

// sniff finds out how the source is read, and its header.
func (l *List) sniff(ctx context.Context) error {
	if err := l.sniffEncoding(ctx); err != nil {
		return err
	}
	sample, whole, err := l.sample()
	if err != nil {
		return err
	}
	if l.opts.AsApp {
		return l.sniffApp(ctx)
	}
	start := l.skipped(sample)
	if l.sniffDialect(sample[start.at:], whole) && l.opts.Header == 0 {
		start = start.behind(sample, l.dialect.newline) // the sep= line
	}
	l.setting("line end", map[byte]string{'\n': "LF or CRLF", '\r': "CR"}[l.dialect.newline], true)
	if l.opts.Skip > 0 {
		l.setting("skip", strconv.Itoa(l.opts.Skip), false)
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
	}
	l.encoding = found
	l.setting("encoding", string(found), true)
	return ctx.Err()
}

// sample reads the beginning of the text.
func (l *List) sample() (text []byte, whole bool, err error) {
	content, r, err := l.open()
	if err != nil {
		return nil, false, err
	}
	defer content.Close()
	text, err = io.ReadAll(io.LimitReader(r, sampleLength+1))
	if err != nil && !errors.Is(err, importers.ErrDamaged) {
		return nil, false, &evidence.Error{Op: "csvfile: read", Place: l.head.Source.Place(), Err: err}
	}
	if len(text) > sampleLength {
		return text[:sampleLength], false, nil
	}
	return text, true, nil
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

// skipped finds the line's end, and the place behind the lines that are to be skipped.
func (l *List) skipped(sample []byte) place {
	l.dialect.newline = '\n'
	if bytes.IndexByte(sample, '\n') < 0 && bytes.IndexByte(sample, '\r') >= 0 {
		l.dialect.newline = '\r'
	}
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
	s := newScanner(bytes.NewReader(sample), d, importers.UTF8, max(1, len(sample)))
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
			if count, times = len(headerOf(records)), 0; count < 2 {
				continue
			}
		}
		share := float64(times) / float64(len(records))
		if len(headerOf(records)) == count {
			share++ // a header that agrees says more than any row
		}
		if share > bestShare+0.05 || share > bestShare-0.05 && count > bestCount {
			best, bestShare, bestCount = delimiter, share, count
		}
	}
	return best
}

// headerOf gives the fields of the record that is the header.
func headerOf(records []sampled) []string {
	if i := headerIndex(records); i >= 0 {
		return records[i].fields
	}
	return nil
}

// headerIndex finds the header: the first record, or the one behind lines that hold next to
// nothing where most records hold more, such as titles.
func headerIndex(records []sampled) int {
	count, times := usualCount(records)
	for i := range records {
		if records[i].found != sound {
			continue
		}
		filled := 0
		for _, field := range records[i].fields {
			if strings.TrimSpace(field) != "" {
				filled++
			}
		}
		if times >= 2 && count >= 2 && filled <= max(1, count/3) && len(records)-i > 2 {
			continue
		}
		if strings.HasPrefix(records[i].raw, "#") && len(records[i].fields) != count {
			continue
		}
		return i
	}
	if len(records) == 0 || records[0].found != sound {
		return -1
	}
	return 0
}

// sniffHeader finds the header and its names.
func (l *List) sniffHeader(sample []byte, start place, whole bool) error {
	records := parseSample(sample[start.at:], l.dialect, whole)
	at := headerIndex(records)
	if l.opts.Header > 0 && len(records) > 0 && records[0].found == sound {
		at = 0
	}
	if at < 0 {
		return errors.New("no header was found: no line at its beginning can be read as a record")
	}
	header := records[at]
	l.head.Line = int64(start.line + header.place.line - 1)
	l.head.Raw = []byte(header.raw)
	found := l.opts.Header == 0
	l.setting("header line", strconv.FormatInt(l.head.Line, 10), found)
	if found && at > 0 {
		l.note("%d lines above the header were left out: %.80q …", l.head.Line-1, records[0].raw)
	}
	l.names(header.fields, records[at+1:])
	if at+1 == len(records) && whole {
		l.note("there is no record behind the header")
	}
	return nil
}

// withoutHeader gives names to the columns of a file without a header.
func (l *List) withoutHeader(sample []byte, whole bool) error {
	l.setting("header line", "none", false)
	records := parseSample(sample, l.dialect, whole)
	count, _ := usualCount(records)
	if count == 0 {
		return errors.New("no record was found at its beginning")
	}
	l.names(make([]string, count), records)
	return nil
}

// names makes the header of the fields of a record: each name once, and none empty. Columns at
// the end that have neither a name nor a value in the sample are none.
func (l *List) names(fields []string, records []sampled) {
	for len(fields) > 1 && strings.TrimSpace(fields[len(fields)-1]) == "" && l.head.Line > 0 && !valuesAt(records, len(fields)-1) {
		fields = fields[:len(fields)-1]
	}
	seen := make(map[string]int)
	for i, name := range fields {
		name = strings.TrimSpace(name)
		if !utf8.ValidString(name) {
			name = strings.ToValidUTF8(name, "\uFFFD")
			l.note("the name of column %d is no valid %s", i+1, l.encoding)
		}
		if name == "" {
			name = fmt.Sprintf("column %d", i+1)
			if l.head.Line > 0 {
				l.note("column %d has no name in the header", i+1)
			}
		}
		if seen[name]++; seen[name] > 1 {
			again := fmt.Sprintf("%s (%d)", name, seen[name])
			l.note("the header has %q more than once: the one in column %d is called %q here", name, i+1, again)
			name = again
		}
		l.head.Header = append(l.head.Header, name)
	}
}

func valuesAt(records []sampled, column int) bool {
	return slices.ContainsFunc(records, func(r sampled) bool {
		return column < len(r.fields) && strings.TrimSpace(r.fields[column]) != ""
	})
}

// sniffApp finds the header as the application's parser did: the first line that is not blank.
func (l *List) sniffApp(ctx context.Context) error {
	l.setting("reading", "as the application", false)
	content, text, err := l.open()
	if err != nil {
		return err
	}
	defer content.Close()
	s := newScanner(text, dialect{newline: '\n', delimiter: ','}, l.encoding, l.limit)
	l.dialect = s.dialect
	if found := s.textLine(); found != sound {
		return errors.New("no header was found in the first line")
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
		return errors.New("less than two lines: the application refused such files")
	}
	return ctx.Err()
}
