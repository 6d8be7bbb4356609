package jsonfile

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pgrescue/pgrescue/importers"
)

// written makes a source of a document.
func written(t testing.TB, document string) *importers.Source {
	t.Helper()
	path := filepath.Join(t.TempDir(), "document.json")
	if err := os.WriteFile(path, []byte(document), 0o600); err != nil {
		t.Fatal(err)
	}
	return &importers.Source{Path: path, Name: "document.json", Format: importers.FormatJSON, Size: int64(len(document))}
}

// shown writes a record on one line.
func shown(header []string, r *importers.Record) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d@%d/%d", r.Number, r.Line, r.Offset)
	for i, f := range r.Fields {
		if f.Kind != importers.Missing {
			fmt.Fprintf(&b, " %s=%c:%s", header[i], "tnbj0mu"[f.Kind], f.Text)
		}
	}
	if r.Note != "" {
		b.WriteString(" # " + r.Note)
	}
	return b.String()
}

// read reads the list of a document whole.
func read(t testing.TB, document, path string) (list *List, records, rejects []string) {
	t.Helper()
	lists, err := Open(context.Background(), written(t, document), Options{Path: path})
	if err != nil {
		t.Fatalf("%.200q: %v", document, err)
	}
	list = lists[0]
	for record, err := range list.Records(context.Background(), func(r *importers.Reject) error {
		rejects = append(rejects, fmt.Sprintf("%d/%d %s|%s|%s", r.Line, r.Offset, r.Column, r.Reason, r.Text))
		return nil
	}) {
		if err != nil {
			t.Fatalf("%.200q: %v", document, err)
		}
		records = append(records, shown(list.Head().Header, record))
	}
	return list, records, rejects
}

func TestShapes(t *testing.T) {
	t.Parallel()
	const want = `1 a=n:1 b=t:x|2 a=n:2 c=b:true`
	tests := []struct{ name, document, path, shape string }{
		{"list", `[{"a":1,"b":"x"},{"a":2,"c":true}]`, "", "a list"},
		{"list with white space", "\n [ {\"a\" : 1 , \"b\" :\t\"x\" }\r\n,{\"a\":2,\"c\":true} ] \n", "", "a list"},
		{"a line each", "{\"a\":1,\"b\":\"x\"}\n{\"a\":2,\"c\":true}\n", "", "objects one after the other"},
		{"concatenated", `{"a":1,"b":"x"}{"a":2,"c":true}`, "", "objects one after the other"},
		{"separated by RS", "\x1e{\"a\":1,\"b\":\"x\"}\n\x1e{\"a\":2,\"c\":true}\n", "", "objects one after the other"},
		{"two lists", `[{"a":1,"b":"x"}] [{"a":2,"c":true}]`, "", "2 lists one after the other"},
		{"under data", `{"page":1,"data":[{"a":1,"b":"x"},{"a":2,"c":true}],"next":null}`, "", "a list"},
		{"data before records", `{"records":[{"z":1}],"data":[{"a":1,"b":"x"},{"a":2,"c":true}]}`, "", "a list"},
		{"under rows", `{"rows":[{"a":1,"b":"x"},{"a":2,"c":true}]}`, "", "a list"},
		{"by path", `{"v":{"x.y":{"deep":[{"a":1,"b":"x"},{"a":2,"c":true}]}}}`, "/v/x.y/deep", "a list"},
		{"by path with a number", `{"v":[{"deep":[]},{"deep":[{"a":1,"b":"x"},{"a":2,"c":true}]}]}`, "v.1.deep", "a list"},
		{"byte order mark", "\xEF\xBB\xBF" + `[{"a":1,"b":"x"},{"a":2,"c":true}]`, "", "a list"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			list, records, rejects := read(t, test.document, test.path)
			for i := range records {
				number, rest, _ := strings.Cut(records[i], "@")
				_, fields, _ := strings.Cut(rest, " ")
				records[i] = number + " " + fields
			}
			if got := strings.Join(records, "|"); got != want || len(rejects) > 0 || len(list.Gaps()) > 0 {
				t.Errorf("got %s, rejects %q, gaps %v; want %s", got, rejects, list.Gaps(), want)
			}
			if got := list.Head().Settings[0].Value; got != test.shape {
				t.Errorf("shape is %q, want %q", got, test.shape)
			}
			if got := strings.Join(list.Head().Header, ","); got != "a,b,c" {
				t.Errorf("header is %s", got)
			}
		})
	}
}
