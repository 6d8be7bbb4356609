package csvfile_test

import (
	"strings"
	"testing"

	"github.com/pgrescue/pgrescue/importers/csvfile"
)

func TestStrictDelimiters(t *testing.T) {
	t.Parallel()
	for _, test := range []strictCase{
		{
			name: "plain", content: "name,ip\nweb,10.0.0.1\ndb,10.0.0.2",
			header: "name|ip", records: []string{"2@8 web|10.0.0.1", "3@21 db|10.0.0.2"},
			settings: []string{"encoding utf-8 (found)", "delimiter , (found)", `quote " (found)`, "line end LF (found)", "header line 1 (found)"},
		},
		{
			name: "CRLF, blank lines, spaces kept", content: "name,ip\r\n\r\n web ,\t10.0.0.1\r\n\r\n",
			header: "name|ip", records: []string{"3@11  web |\t10.0.0.1"}, settings: []string{"line end CRLF (found)"},
		},
		{
			name: "quotes", content: "a,b,c\n\"1,1\",\"say \"\"x\"\"\",\"\"\n\"two\r\nlines\",\"\"\"\",2\n3,4,5\n", header: "a|b|c",
			records: []string{`2@6 1,1|say "x"|`, "3@27 two\r\nlines|\"|2", "5@47 3|4|5"},
		},
		{
			name: "lone CR", content: "a;b\r1;2\r\"x\ry\";3\r", header: "a|b", records: []string{"2@4 1|2", "3@8 x\ry|3"},
			settings: []string{"line end CR (found)", "delimiter ; (found)"},
		},
		{
			name: "a CR within a field", content: "a,b\n1\r1,2\n", header: "a|b", records: []string{"2@4 1\r1|2"},
		},
		{
			name: "semicolons beside decimal commas", content: "id;price\n1;1,50\n2;2,75\n", header: "id|price", records: []string{"2@9 1|1,50", "3@16 2|2,75"},
		},
		{
			name: "tabs", content: "id\tnote\n1\ta, b, c\n2\td\n", header: "id|note", records: []string{"2@8 1|a, b, c", "3@18 2|d"}, settings: []string{"delimiter tab (found)"},
		},
		{
			name: "bars", content: "id|note\n1|a, b\n2|d\n", header: "id|note", records: []string{"2@8 1|a, b", "3@15 2|d"},
		},
		{
			name: "apostrophes as quotes", content: "a,b\n'1,1','it''s'\n'2','3'\n", header: "a|b", records: []string{"2@4 1,1|it's", "3@18 2|3"}, settings: []string{"quote ' (found)"},
		},
		{
			name: "apostrophes that are none", content: "a,b\nO'Brien,'tis\n", header: "a|b", records: []string{"2@4 O'Brien|'tis"}, settings: []string{`quote " (found)`},
		},
		{
			name: "backslashes escape", content: "a,b\n\"say \\\"x, y\\\"\",1\n\"C:\\\\dir\\n\",2\n", header: "a|b",
			records: []string{`2@4 say "x, y"|1`, `3@21 C:\dir\n|2`}, settings: []string{`escape \ (found)`},
		},
		{
			name: "backslashes that escape nothing", content: "a,b\n\"C:\\\",1\n\"D:\\\",2\n", header: "a|b", records: []string{`2@4 C:\|1`, `3@12 D:\|2`},
			settings: []string{"escape doubled quote (found)"},
		},
		{
			name: "asked for", content: "x\n1^~2^3~^4\n", opts: csvfile.Options{Delimiter: '^', Quote: '~', Header: csvfile.None, Skip: 1}, header: "column 1|column 2|column 3",
			records: []string{"2@2 1|2^3|4"}, settings: []string{"delimiter ^ (asked)", "quote ~ (asked)", "skip 1 (asked)"},
		},
		{
			name: "quotes are characters", content: "a,b\n5\" disk,\"x\n", opts: csvfile.Options{Quote: csvfile.None}, header: "a|b", records: []string{"2@4 5\" disk|\"x"}, settings: []string{"quote none (asked)"},
		},
		{
			name: "one column", content: "name\nweb, the first\ndb\n", header: "name", records: []string{"3@20 db"}, rejects: []string{"2@5 : 2 fields where the header has 1 :: web, the first"},
		},
		{
			name: "formulas stay text", content: "a,b\n=1+1,@x\n-2,+3\n", header: "a|b", records: []string{"2@4 =1+1|@x", "3@12 -2|+3"},
		},
	} {
		t.Run(test.name, test.run)
	}
}

func TestStrictHeaders(t *testing.T) {
	t.Parallel()
	for _, test := range []strictCase{
		{
			name: "sep= line", content: "sep=;\r\na;b\r\n1;2,2,2\r\n", header: "a|b", records: []string{"3@12 1|2,2,2"}, settings: []string{"header line 2 (found)"},
		},
		{
			name: "sep= line without a header", content: "sep=;\n1;2\n", opts: csvfile.Options{Header: csvfile.None}, header: "column 1|column 2", records: []string{"2@6 1|2"},
			settings: []string{"header line none (asked)"},
		},
		{
			name: "title above the header", content: "Inventory of all servers\n\nmade,2024-01-15\nname,ip,os,env,owner,site\nweb,1,2,3,4,5\ndb,1,2,3,4,5\napp,1,2,3,4,5\n",
			header: "name|ip|os|env|owner|site", records: []string{"5@68 web|1|2|3|4|5", "6@82 db|1|2|3|4|5", "7@95 app|1|2|3|4|5"},
			settings: []string{"header line 4 (found)"}, notes: []string{"Inventory of all servers"},
		},
		{
			name: "header in a line that was named", content: "x,y\na,b\n1,2\n", opts: csvfile.Options{Header: 2}, header: "a|b", records: []string{"3@8 1|2"}, settings: []string{"header line 2 (asked)"},
		},
		{
			name: "lines to skip", content: "\"never closed\na,b\n1,2\n", opts: csvfile.Options{Skip: 1}, header: "a|b", records: []string{"3@18 1|2"},
		},
		{
			name: "comments above the header", content: "# made by a tool, 2024\nname,ip,os\na,b,c\nd,e,f\n", header: "name|ip|os", records: []string{"3@34 a|b|c", "4@40 d|e|f"},
		},
		{
			name: "a header of several lines", content: "\"first\nname\",b\n1,2\n", header: "first\nname|b", records: []string{"3@15 1|2"},
		},
		{
			name: "duplicate and missing names", content: "a,a,,a (2),a\n1,2,3,4,5\n", header: "a|a (2)|column 3|a (2) (2)|a (3)", records: []string{"2@13 1|2|3|4|5"},
			notes: []string{`"a" more than once: the one in column 2 is called "a (2)"`, "column 3 has no name"},
		},
		{
			name: "empty columns at the end", content: "a,b,,\n1,2,,\n3,4\n5,6,,,,\n7,8,x,\n", header: "a|b|column 3", records: []string{"2@6 1|2|", "4@16 5|6|", "5@24 7|8|x"},
			rejects: []string{"3@12 column 3: 2 fields where the header has 3 :: 3,4"},
		},
		{
			name: "empty columns at the end that stay empty", content: "a,b,,\n1,2,,\n3,4\n", header: "a|b", records: []string{"2@6 1|2", "3@12 3|4"},
		},
		{
			name: "header only", content: "a,b,c\n", header: "a|b|c", notes: []string{"no record behind the header"},
		},
		{
			name: "no header, as it seems", content: "web,10.0.0.1\ndb,10.0.0.2\n", header: "web|10.0.0.1", records: []string{"2@13 db|10.0.0.2"}, notes: []string{"looks like a record"},
		},
	} {
		t.Run(test.name, test.run)
	}
}

func TestStrictFaults(t *testing.T) {
	t.Parallel()
	for _, test := range []strictCase{
		{
			name: "ragged", content: "a,b,c\n1,2\n1,2,3,4\n1\n1,2,3,,\n", header: "a|b|c", records: []string{"5@20 1|2|3"},
			rejects: []string{
				"2@6 c: 2 fields where the header has 3 :: 1,2", "3@10 : 4 fields where the header has 3 :: 1,2,3,4", "4@18 b: 1 field where the header has 3 :: 1",
			},
		},
		{
			name: "ragged, padded", content: "a,b,c\n1,2\n1,2,3,4\n,\n", opts: csvfile.Options{Ragged: csvfile.Pad}, header: "a|b|c", records: []string{"2@6 1|2|∅", "4@18 ||∅"},
			rejects: []string{"3@10 : 4 fields where the header has 3 :: 1,2,3,4"}, settings: []string{"short rows padded (asked)"},
		},
		{
			name: "quotes in the wrong place", content: "a,b\n5\" disk,1\n\"x\"y,2\n3,4\n", header: "a|b", records: []string{"4@21 3|4"},
			rejects: []string{
				"2@4 a: a quote inside a field that does not begin with one :: 5\" disk,1", "3@14 a: text between the closing quote and the delimiter :: \"x\"y,2",
			},
		},
		{
			name: "a quote that is never closed", content: "a,b\n1,\"open\n2,3\n4,\"5\"\n6,7\n", header: "a|b", records: []string{"3@12 2|3", "4@16 4|5", "5@22 6|7"},
			rejects: []string{"2@4 b: a quote in it is not closed, or the text behind the closing one is no delimiter :: 1,\"open"},
			gaps:    []string{"line 2: a record of several lines: a quote in it is not closed, or the text behind the closing one is no delimiter; its first line was rejected, and reading goes on with the next"},
		},
		{
			name: "a quote that is never closed, up to the end", content: "a,b\n1,\"open\n2,3\n4,5", header: "a|b", records: []string{"3@12 2|3", "4@16 4|5"},
			rejects: []string{"2@4 b: a quote in it is not closed, or the text behind the closing one is no delimiter :: 1,\"open"},
			gaps:    []string{"line 2: a record of several lines: a quote in it is not closed, or the text behind the closing one is no delimiter; its first line was rejected, and reading goes on with the next"},
		},
		{
			name: "an open quote in the last line", content: "a,b\n2,3\n1,\"open", header: "a|b", records: []string{"2@4 2|3"},
			rejects: []string{"3@8 b: its quote is not closed :: 1,\"open"},
		},
		{
			name: "Ctrl-Z at the end", content: "a,b\n1,2\n\x1a", header: "a|b", records: []string{"2@4 1|2"}, rejects: []string{"3@8 b: 1 field where the header has 2 :: \x1a"},
		},
	} {
		t.Run(test.name, test.run)
	}
}

func TestStrictEncodings(t *testing.T) {
	t.Parallel()
	for _, test := range []strictCase{
		{
			name: "NUL and invalid UTF-8", content: "a,b\n1,x\x00y\nM\xfcller,2\n3,é\n\xe9\xff,5\nüü,üü\n", header: "a|b", records: []string{"4@19 3|é", "6@29 üü|üü"},
			rejects: []string{
				"2@4 b: a NUL byte at offset 7, which PostgreSQL cannot store :: 1,x\x00y",
				"3@10 a: byte 0xFC at offset 11 is no UTF-8; if all of the file is like that, name its --encoding :: M\xfcller,2",
				"5@24 a: byte 0xE9 at offset 24 is no UTF-8; if all of the file is like that, name its --encoding :: \xe9\xff,5",
			},
			settings: []string{"encoding utf-8 (found)"},
		},
		{
			name: "byte order mark", content: "\ufeff\"a\",b\n1,2\n", header: "a|b", records: []string{"2@9 1|2"},
		},
		{
			name: "Windows-1252", content: "a,b\nM\xfcller,\x80 5\n\x93x\x94,2\n", header: "a|b", records: []string{"2@4 Müller|€ 5", "3@15 “x”|2"}, settings: []string{"encoding windows-1252 (found)"},
			notes: []string{"it is read as windows-1252; where letters look wrong"},
		},
		{
			name: "Latin-1", content: "a,b\nM\xfcller,\x81\n", header: "a|b", records: []string{"2@4 Müller|\u0081"}, settings: []string{"encoding iso-8859-1 (found)"},
			notes: []string{"it is read as iso-8859-1"},
		},
		{
			name: "an encoding that was asked for", content: "a,b\n\xa4,\xbd\n", opts: csvfile.Options{Encoding: "ISO-8859-15"}, header: "a|b", records: []string{"2@4 €|œ"}, settings: []string{"encoding iso-8859-15 (asked)"},
		},
		{
			name: "UTF-16, little endian", content: "\xff\xfe" + wide("a;b\r\nü;😀\r\nx;y\r\n", false), header: "a|b", records: []string{"2@12 ü|😀", "3@24 x|y"},
			settings: []string{"encoding utf-16le (found)", "delimiter ; (found)"},
		},
		{
			name: "UTF-16, big endian, without a mark", content: wide("name,ip\nweb,1\n", true), header: "name|ip", records: []string{"2@16 web|1"}, settings: []string{"encoding utf-16be (found)"},
		},
		{
			name: "half a character of UTF-16", content: "\xff\xfe" + wide("name,ip\nweb,", false) + "\x3d\xd8" + wide("\nx,y\n", false), header: "name|ip", records: []string{"3@30 x|y"},
			rejects: []string{"2@18 ip: half a character at offset 26 :: web,\xed\xa0\xbd"},
		},
	} {
		t.Run(test.name, test.run)
	}
}

// wide is a text in UTF-16.
func wide(text string, bigEndian bool) string {
	var b []byte
	for _, r := range text {
		units := []uint16{uint16(r)}
		if r > 0xFFFF {
			units = []uint16{uint16(0xD800 + (r-0x10000)>>10), uint16(0xDC00 + (r-0x10000)&0x3FF)}
		}
		for _, u := range units {
			if bigEndian {
				b = append(b, byte(u>>8), byte(u))
			} else {
				b = append(b, byte(u), byte(u>>8))
			}
		}
	}
	return string(b)
}

// TestHeaderThatCannotBeRead refuses a file rather than to take a record for the header.
func TestHeaderThatCannotBeRead(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		content string
		opts    csvfile.Options
		says    string
	}{
		{content: "name,\"ip\"x,os\nweb,1,2\ndb,3,4\n"},
		{content: "na\"me,ip\nweb,1\n"},
		{content: "a,b\n\"c\"d,e\nweb,1\n", opts: csvfile.Options{Header: 2}},
		{content: "a,b\n1,2\n", opts: csvfile.Options{Header: 9}, says: "it has no line 9"},
		{content: "a,b\n1,2", opts: csvfile.Options{Header: 3}, says: "it has no line 3"},
	} {
		if list, err := csvfile.Open(t.Context(), source(t, test.content), test.opts); err == nil || !strings.Contains(err.Error(), "no header was found") || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%q: %v", test.content, err)
			if err == nil {
				t.Errorf("it was read with the header %q", list.Head().Header)
			}
		}
	}
	// A title with a quote in it is no header.
	got := look(t, source(t, "The \"new\" servers\nname,ip,os\nweb,1,2\ndb,3,4\n"), csvfile.Options{})
	same(t, "header", got.header, []string{"name", "ip", "os"})
}
