package csvfile

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// headerOf gives the fields of the record that is the header.
func headerOf(records []sampled, delimiter byte) []string {
	if i := headerIndex(records, delimiter); i >= 0 {
		return records[i].fields
	}
	return nil
}

// headerIndex finds the header: the first record, or the one behind lines that hold next to
// nothing where most records hold more, such as titles. -1: what looks like the header cannot be read.
func headerIndex(records []sampled, delimiter byte) int {
	count, times := usualCount(records)
	for i := range records {
		if records[i].found != sound {
			if 2*strings.Count(records[i].raw, string(rune(delimiter))) >= count-1 {
				return -1
			}
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
	at := headerIndex(records, l.dialect.delimiter)
	if l.opts.Header > 0 {
		at = 0
		if whole && start.at == len(sample) {
			return fmt.Errorf("no header was found: it has no line %d, or nothing is in it", l.opts.Header)
		}
	}
	if at < 0 || len(records) == 0 || records[at].found != sound {
		return errors.New("no header was found: its line cannot be read as a record; repair it, or name another with --header")
	}
	header := records[at]
	l.head.Line = int64(start.line + header.place.line - 1)
	l.head.Raw = []byte(header.raw)
	found := l.opts.Header == 0
	l.setting("header line", strconv.FormatInt(l.head.Line, 10), found)
	if found && at > 0 {
		l.note("lines above the header were left out, as no part of the table: %.100q", records[0].raw)
	}
	if found && looksLikeRecord(header.fields) {
		l.note("the header looks like a record: if it is one, say that there is no header (--header none)")
	}
	l.names(header.fields, records[at+1:])
	if at+1 == len(records) && whole {
		l.note("there is no record behind the header")
	}
	return nil
}

// looksLikeRecord reports whether one of the fields is what no name is: a number of several digits, a
// date, an address, a mail address.
func looksLikeRecord(fields []string) bool {
	return slices.ContainsFunc(fields, func(field string) bool {
		field = strings.TrimSpace(field)
		return strings.Contains(field, "@") && strings.Contains(field, ".") ||
			len(field) > 1 && strings.Trim(field, "0123456789.,:/+- ") == "" && strings.ContainsAny(field, "0123456789")
	})
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
	seen := make(map[string]bool)
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
		if seen[name] {
			again := name
			for n := 2; seen[again]; n++ {
				again = fmt.Sprintf("%s (%d)", name, n)
			}
			l.note("the header has %q more than once: the one in column %d is called %q here", name, i+1, again)
			name = again
		}
		seen[name] = true
		l.head.Header = append(l.head.Header, name)
	}
}

func valuesAt(records []sampled, column int) bool {
	return slices.ContainsFunc(records, func(r sampled) bool {
		return column < len(r.fields) && strings.TrimSpace(r.fields[column]) != ""
	})
}
