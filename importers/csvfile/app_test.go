package csvfile_test

import (
	"strings"
	"testing"

	"github.com/pgrescue/pgrescue/importers/csvfile"
)

func TestAsApp(t *testing.T) {
	t.Parallel()
	const dropped = "more values than the header has: the application dropped them"
	for _, test := range []struct {
		name, content string
		header        string
		records       []string
		rejects       []string
		remarks       []string
		note          string
	}{
		{
			name: "quotes mean nothing", content: "name,deps,note\nweb,\"DB1,LB1\",\"x\"\n", header: "name|deps|note", records: []string{"2@15 web|DB1|LB1"},
			remarks: []string{"2 " + dropped},
		},
		{
			name: "short and long", content: "a,b,c\n1\n1,2,3,4\n,\n", header: "a|b|c", records: []string{"2@6 1||", "3@8 1|2|3", "4@16 ||"}, remarks: []string{"3 " + dropped},
		},
		{
			name: "CRLF, blank lines, white space", content: "\r\n a ,\"b\"\r\n\r\n \u00a0\r\n\t1 ,\u3000\" 2 \"\u2028\r\n3,4\n\n", header: "a|b",
			records: []string{"5@18 1| 2 ", "6@35 3|4"}, // the file's line; white space within the quotes stays
		},
		{
			name: "duplicate names: the last value, at the first place", content: "a,b,a\n1,2,3\n4,5\n", header: "a|b", records: []string{"2@6 3|2", "3@12 |5"}, note: "kept the last value",
		},
		{
			name: "numbers as names", content: "b,10,9,01,x\n1,2,3,4,5\n", header: "9|10|b|01|x", records: []string{"2@12 3|2|1|4|5"},
		},
		{
			name: "byte order mark", content: "\ufeffname,ip\nweb,1\n", header: "\ufeffname|ip", records: []string{"2@11 web|1"}, note: "byte order mark, which stayed part of the first name",
		},
		{
			name: "a byte order mark elsewhere", content: "name,\ufeffip\n\ufeffweb,1\n", header: "name|ip", records: []string{"2@11 web|1"},
		},
		{
			name: "Windows-1252", content: "a,b\nM\xfcller,\xe2\x82\n\xf0\x9f\x98,x\n", header: "a|b", records: []string{"2@4 M\ufffdller|\ufffd", "3@14 \ufffd|x"}, note: "looks like windows-1252",
		},
		{
			name: "semicolons", content: "a;b\n1;2,5\n", header: "a;b", records: []string{"2@4 1;2"}, remarks: []string{"2 " + dropped},
		},
		{
			name: "a name that JavaScript ignores", content: "__proto__,a\n1,2\n", header: "a", records: []string{"2@12 2"},
		},
		{
			name: "an empty name", content: "a,,\n1,2,3\n", header: "a|", records: []string{"2@4 1|3"}, note: `"" more than once`,
		},
		{
			name: "a lone CR ends nothing", content: "a,b\n1,2\r3,4\n", header: "a|b", records: []string{"2@4 1|2\r3"}, remarks: []string{"2 " + dropped},
		},
		{
			name: "NUL", content: "a,b\n1,\x00\n2,3\n", header: "a|b", records: []string{"3@8 2|3"},
			rejects: []string{"2@4 : a NUL byte at offset 6, which PostgreSQL cannot store: the application cannot have stored it :: 1,\x00"},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got := look(t, source(t, test.content), csvfile.Options{AsApp: true})
			same(t, "header", got.header, strings.Split(test.header, "|"))
			same(t, "records", got.records, test.records)
			same(t, "rejects", got.rejects, test.rejects)
			same(t, "remarks", got.remarks, test.remarks)
			same(t, "gaps", got.gaps, nil)
			if notes := strings.Join(got.notes, "\n"); !strings.Contains(notes, test.note) || test.note == "" && notes != "" {
				t.Errorf("notes %q, want %q", notes, test.note)
			}
		})
	}
}

func TestAsAppRefuses(t *testing.T) {
	t.Parallel()
	for _, content := range []string{"a,b", "a,b\n", "a,b\n\n \r\n", "\n\n"} {
		if _, err := csvfile.Open(t.Context(), source(t, content), csvfile.Options{AsApp: true}); err == nil || !strings.Contains(err.Error(), "less than two lines") {
			t.Errorf("%q: %v, want a refusal: the application refused files of less than two lines", content, err)
		}
	}
	if _, err := csvfile.Open(t.Context(), source(t, "a\n1\n"), csvfile.Options{AsApp: true, Delimiter: ';'}); err == nil {
		t.Error("a delimiter was taken that the application did not know")
	}
}
