package jsonfile

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/pgrescue/pgrescue/importers"
)

// FuzzScan compares with encoding/json which texts are one JSON object.
func FuzzScan(f *testing.F) {
	for _, sample := range samples() {
		if len(sample) < 5000 {
			f.Add([]byte(`{"a": ` + sample + `}`))
		}
	}
	f.Add([]byte(`{ "a" : [ { } , [ ] , "\u00e9" , -1.5E-7 ] , "b":{"c":null}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		if len(text) == 0 || text[0] != '{' || len(text) > 1<<16 {
			return
		}
		var s scan
		s.begin(text, true)
		end, st := s.object(0)
		trimmed := bytes.TrimRight(text, " \t\r\n")
		switch valid := json.Valid(trimmed); {
		case valid && (st != whole || end != len(trimmed)):
			if s.why != "lists and objects are nested deeper than 1024" {
				t.Fatalf("%q is JSON, and the scan says %d %d %s", text, st, end, s.why)
			}
		case !valid && st == whole && end == len(trimmed):
			t.Fatalf("%q is no JSON, and the scan says it is", text)
		case st == whole && !json.Valid(text[:end]):
			t.Fatalf("%q is no JSON, and the scan says it is", text[:end])
		case st == bad && (s.at < 0 || s.at > len(text) || s.why == ""):
			t.Fatalf("%q is bad at %d: %q", text, s.at, s.why)
		}
		if st == more {
			// Whatever the buffer cuts is a beginning of JSON, as the first bytes of a whole one are.
			s.begin(append(bytes.Clone(text), '@'), true)
			if _, st := s.object(0); st == whole {
				t.Fatalf("%q is whole with a byte that is none of JSON", text)
			}
		}
	})
}

// FuzzDocument reads any bytes as a document. What encoding/json takes for a list of objects comes
// out object by object, value by value, unless jsonb cannot hold one; what it does not take is
// told of; and no record is anything but JSON that stands where it says.
func FuzzDocument(f *testing.F) {
	for _, seed := range []string{
		`[{"a":1},{"b":"x"}]`, `{"file_data":[{"a":1}],"metadata":{"filename":"x"}}`, "{\"a\":1}\n{\"a\":2}\n", `{"a":{"b":[{"c":1}]}}`, `[{"a":NaN},{"a":1}]`, `[{"a":"x},{"a":1}]`,
		"[\n {\"a\":\"x},\n {\"a\":1}\n]", `[1,"x",null,{}]`, `[{}] [{"a":1}]`, `{"raw_data":[{"a":1}],"filename":"x"}{"raw_data":[{"a":2}],"filename":"y"}`, "[\x00{\x00}\x00]\x00", "\xEF\xBB\xBF[{}]", `[,{},,{}`, `[{"a":"\ud83d"}]`, "[{\"a\":\"\xff\"}]",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, document []byte) {
		if len(document) > 1<<16 {
			return
		}
		src := written(t, string(document))
		lists, err := Open(context.Background(), src, Options{})
		if err != nil {
			return
		}
		told := len(lists[0].Head().Notes)
		var objects []map[string]any
		for _, l := range lists {
			wide := l.enc != importers.UTF8
			for record, err := range l.Records(context.Background(), func(r *importers.Reject) error {
				told++
				if r.Reason == "" || r.Line < 1 || r.Offset < 0 || !wide && !bytes.HasPrefix(document[r.Offset:], r.Text) {
					t.Fatalf("%q: the reject %+v", document, r)
				}
				return nil
			}) {
				if err != nil {
					t.Fatalf("%q: %v", document, err)
				}
				if !json.Valid(record.Raw) || !utf8.Valid(record.Raw) || !wide && !bytes.HasPrefix(document[record.Offset:], record.Raw) {
					t.Fatalf("%q: the record %q at %d", document, record.Raw, record.Offset)
				}
				if !wide && record.Line != int64(bytes.Count(document[:record.Offset], []byte{'\n'})+1) {
					t.Fatalf("%q: the record at %d is on line %d", document, record.Offset, record.Line)
				}
				objects = append(objects, object(t, l.Head().Header, record))
			}
			told += len(l.Gaps())
		}
		if len(lists) > 1 || !bytes.HasPrefix(bytes.TrimLeft(document, " \t\r\n"), []byte("[")) {
			return
		}
		var want []any
		decoder := json.NewDecoder(bytes.NewReader(document))
		decoder.UseNumber()
		if !json.Valid(document) || decoder.Decode(&want) != nil {
			if told == 0 && utf8.Valid(document) && lists[0].enc == importers.UTF8 && lists[0].Head().Settings[0].Value == "a list" {
				t.Fatalf("%q is no list for encoding/json, and nothing is told", document)
			}
			return
		}
		compare(t, document, objects, want, told)
	})
}

// object is a record as encoding/json would have it.
func object(t *testing.T, header []string, record *importers.Record) map[string]any {
	t.Helper()
	o := make(map[string]any)
	for i, f := range record.Fields {
		var value any
		switch f.Kind {
		case importers.Missing:
			continue
		case importers.Text:
			value = string(f.Text)
		case importers.Null:
		default:
			decoder := json.NewDecoder(bytes.NewReader(f.Text))
			decoder.UseNumber()
			if err := decoder.Decode(&value); err != nil {
				t.Fatalf("%q of %s: %v", f.Text, header[i], err)
			}
		}
		o[header[i]] = value
	}
	return o
}

// compare compares the records of a list with its objects; those that are missing were told of.
func compare(t *testing.T, document []byte, objects []map[string]any, want []any, told int) {
	t.Helper()
	text := func(value any) string {
		b, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	missing := 0
	for _, value := range want {
		if o, ok := value.(map[string]any); ok && len(objects) > 0 && text(objects[0]) == text(o) {
			objects = objects[1:]
		} else {
			missing++
		}
	}
	if len(objects) > 0 || missing > told || missing > 0 && !strings.ContainsAny(string(document), `\0123456789[]tfn"`) && utf8.Valid(document) {
		t.Fatalf("%q: left over %v, %d objects are missing, %d were told", document, objects, missing, told)
	}
}
