package csvfile

import (
	"bytes"
	"encoding/csv"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/pgrescue/pgrescue/importers"
)

// scanned is what a scanner made of a record.
type scanned struct {
	found  fault
	line   int64
	fields []string
}

// scanAll reads a text to its end, and checks that every byte of it belongs to a record, a line's end or a blank line.
func scanAll(t *testing.T, text string, d dialect, limit, block int) []scanned {
	t.Helper()
	s := newScanner(iotest.HalfReader(strings.NewReader(text)), d, importers.UTF8, limit)
	s.buf = make([]byte, block, block+slack)
	var all []scanned
	for {
		found := s.next()
		if found == endOfStream {
			break
		}
		one := scanned{found: found, line: s.line}
		raw := string(s.buf[s.start:s.stop])
		if at := int(s.offset); at < 0 || !strings.HasPrefix(text[min(at, len(text)):], raw) {
			t.Fatalf("at offset %d there is no %q in %q", at, raw, text)
		}
		if lines := int64(1 + strings.Count(text[:s.offset], string(rune(d.newline)))); lines != s.line {
			t.Fatalf("the record at offset %d of %q is said to be in line %d, and is in line %d", s.offset, text, s.line, lines)
		}
		if found == sound {
			var arena []byte
			for _, f := range s.fields {
				var value []byte
				value, arena = s.value(f, arena)
				one.fields = append(one.fields, string(value))
			}
		}
		all = append(all, one)
		before := s.offset
		if found == tooLong {
			s.skipLine()
		} else {
			s.take()
		}
		if s.offset <= before {
			t.Fatalf("the scanner stands still at offset %d of %q", before, text)
		}
	}
	if s.offset != int64(len(text)) {
		t.Fatalf("it ended at offset %d of %q, which has %d bytes", s.offset, text, len(text))
	}
	return all
}

// standard reads a text with encoding/csv.
func standard(text string, delimiter rune) ([][]string, error) {
	r := csv.NewReader(strings.NewReader(text))
	r.FieldsPerRecord, r.Comma = -1, delimiter
	return r.ReadAll()
}

// FuzzStrict compares the scanner with encoding/csv. Where that gives up, the scanner must find fault with the same record.
func FuzzStrict(f *testing.F) {
	for _, seed := range []string{
		"a,b\n1,2\n", "a,b\r\n1,2\r\n", "a,\"b\"\"c\"\n", "\"a\nb\",c\n\n\nd", "\"a\r\nb\",\r\n", "a\"b,c\n", "\"a\"b,c\nd\n", "\"open\n1,2\n3,4",
		"a,b,c", ",,\n,", "\"\"\n\"\"\"\"", "a\r", "a\r\r\n", "\r\n", "é,ü\n\x00\xff,1\n", "12345678,12345678,1234567\n", "\"12345678\"\"\",x\n", "x,\"",
	} {
		f.Add(seed, uint8(0))
		f.Add(seed, uint8(7))
	}
	f.Fuzz(func(t *testing.T, text string, block uint8) {
		d := dialect{delimiter: ',', quote: '"', escape: '"', newline: '\n'}
		got := scanAll(t, text, d, 1<<20, 1+int(block))
		want, err := standard(text, ',')
		if err == nil {
			// It makes LF of CRLF within quotes, and drops a CR before the end of the text everywhere.
			var mine [][]string
			for _, record := range got {
				if record.found != sound {
					t.Fatalf("fault %d with the record in line %d of %q, which encoding/csv reads as %q", record.found, record.line, text, want)
				}
				for i := range record.fields {
					record.fields[i] = strings.ReplaceAll(record.fields[i], "\r\n", "\n")
				}
				mine = append(mine, record.fields)
			}
			if !slices.EqualFunc(mine, want, slices.Equal[[]string]) {
				t.Fatalf("%q: got %q, want %q", text, mine, want)
			}
			return
		}
		var wrong *csv.ParseError
		if !errors.As(err, &wrong) {
			t.Fatal(err)
		}
		if !slices.ContainsFunc(got, func(r scanned) bool { return r.found != sound && r.line == int64(wrong.StartLine) }) {
			t.Fatalf("no fault with the record in line %d of %q, of which encoding/csv says: %v; got %+v", wrong.StartLine, text, err, got)
		}
	})
}

// FuzzDialects reads with other characters, small buffers and a small limit: every byte must belong somewhere.
func FuzzDialects(f *testing.F) {
	f.Add("a;b\r1;'2\\'3'\r", byte(';'), byte('\''), byte('\\'), byte('\r'), uint8(3), uint8(9))
	f.Add("a|b\n1|2\n\"x\ny", byte('|'), byte('"'), byte('"'), byte('\n'), uint8(0), uint8(40))
	f.Add("a\tb\n\"1\t2\n", byte('\t'), byte(0), byte(0), byte('\n'), uint8(8), uint8(4))
	f.Fuzz(func(t *testing.T, text string, delimiter, quote, escape, newline byte, block, limit uint8) {
		if newline != '\r' {
			newline = '\n'
		}
		special := []byte{delimiter, quote}
		if delimiter == quote || bytes.ContainsAny(special, "\r\n") || escape == '\r' || escape == '\n' || escape == delimiter || delimiter == 0 {
			return
		}
		if quote == 0 {
			escape = 0
		}
		scanAll(t, text, dialect{delimiter, quote, escape, newline}, int(limit), 1+int(block))
	})
}
