package csvfile_test

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"unicode/utf8"

	"github.com/pgrescue/pgrescue/importers"
	"github.com/pgrescue/pgrescue/importers/csvfile"
)

// FuzzRead opens any bytes, with all that is found by looking: nothing may be lost between records,
// rejects and what stands above the header, and what is given on must fit into PostgreSQL.
func FuzzRead(f *testing.F) {
	for _, seed := range []string{
		"a,b\n1,2\n3\n\"x\ny\",4\n", "title\n\na;b;c\n1;2;3\n4;5;6\n", "sep=|\na|b\n1|2\n", "a,b\r1,2\r", "\xff\xfea\x00;\x00b\x00\n\x001\x00;\x002\x00", "M\xfcller;1\nx;2\n",
		"a,b\n1,\"open\n2,3\n", "'a','b'\n'1','2'\n'3','4'", "a\tb\n1\t\"x\\\"y\"\n2\t\\\"\n", "a,b,,\n1,2,,\n", "a,a\n1,\x00\n\xff,2\n", "# x\n1,2,3\n4,5,6",
	} {
		f.Add([]byte(seed), true, int8(0), uint8(0), "")
		f.Add([]byte(seed), false, int8(-1), uint8(1), "utf-16le")
	}
	path := filepath.Join(f.TempDir(), "fuzz.csv")
	f.Fuzz(func(t *testing.T, content []byte, pad bool, header int8, skip uint8, encoding string) {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		opts := csvfile.Options{Header: max(-1, int(header)), Skip: int(skip), Encoding: encoding}
		if pad {
			opts.Ragged = csvfile.Pad
		}
		list, err := csvfile.Open(t.Context(), &importers.Source{Path: path, Name: "fuzz.csv", Format: importers.FormatCSV}, opts)
		if err != nil {
			return
		}
		names := slices.Clone(list.Head().Header)
		slices.Sort(names)
		if len(names) == 0 || len(slices.Compact(names)) != len(list.Head().Header) {
			t.Fatalf("the header is %q", list.Head().Header)
		}
		plain := bytes.HasPrefix(content, []byte("\ufeff")) || slices.ContainsFunc(list.Head().Settings, func(s importers.Setting) bool { return s.Value == "utf-8" })
		c := checked{t: t, content: content, plain: plain, line: list.Head().Line, offset: -1}
		for record, err := range list.Records(t.Context(), func(r *importers.Reject) error {
			c.next(r.Line, r.Offset, r.Text)
			if r.Reason == "" {
				t.Fatalf("rejected without a reason: %q", r.Text)
			}
			return nil
		}) {
			if err != nil {
				t.Fatal(err)
			}
			c.next(record.Line, record.Offset, record.Raw)
			for i, field := range record.Fields {
				if field.Kind != importers.Text && !(field.Kind == importers.Missing && pad) || !utf8.Valid(field.Text) || bytes.IndexByte(field.Text, 0) >= 0 {
					t.Fatalf("line %d has %+v under %q", record.Line, field, list.Head().Header[i])
				}
			}
		}
		c.rest(int64(len(content)))
	})
}

// checked is how far the records and rejects of a content were checked.
type checked struct {
	t            *testing.T
	content      []byte
	plain        bool // in UTF-8: the records stand in it as they are given
	line, offset int64
	end          int64 // behind the last one
}

// next checks that a record or reject stands where it says, behind the one before it, with nothing but line ends between.
func (c *checked) next(line, offset int64, text []byte) {
	c.t.Helper()
	if line <= c.line && c.offset >= 0 || line < c.line || offset <= c.offset {
		c.t.Fatalf("line %d, offset %d behind line %d, offset %d", line, offset, c.line, c.offset)
	}
	if c.plain {
		if offset+int64(len(text)) > int64(len(c.content)) || !bytes.HasPrefix(c.content[offset:], text) {
			c.t.Fatalf("at offset %d there is no %q", offset, text)
		}
		if c.offset >= 0 {
			c.between(offset)
		}
		c.end = offset + int64(len(text))
	}
	c.line, c.offset = line, offset
}

func (c *checked) between(to int64) {
	c.t.Helper()
	if lost := bytes.Trim(c.content[c.end:to], "\r\n"); len(lost) > 0 {
		c.t.Fatalf("lost between records: %q", lost)
	}
}

func (c *checked) rest(to int64) {
	c.t.Helper()
	if c.plain && c.offset >= 0 {
		c.between(to)
	}
}
