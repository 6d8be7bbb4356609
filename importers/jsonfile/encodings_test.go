package jsonfile

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/pgrescue/pgrescue/importers"
)

// encoded is a document in UTF-16.
func encoded(document string, order binary.ByteOrder, mark bool) []byte {
	var out []byte
	if mark {
		document = "\uFEFF" + document
	}
	for _, unit := range utf16.Encode([]rune(document)) {
		out = order.(binary.AppendByteOrder).AppendUint16(out, unit)
	}
	return out
}

func TestEncodings(t *testing.T) {
	t.Parallel()
	const document = "[{\"a\":\"é😀\"},\n {\"ü\":\"\\ud83d\"},\r\n {\"ü\":\"€\"}]"
	sources := map[string][]byte{
		"utf-8": []byte(document), "utf-8 with mark": []byte("\xEF\xBB\xBF" + document),
		"utf-16le": encoded(document, binary.LittleEndian, false), "utf-16le with mark": encoded(document, binary.LittleEndian, true),
		"utf-16be": encoded(document, binary.BigEndian, false), "utf-16be with mark": encoded(document, binary.BigEndian, true),
	}
	for name, content := range sources {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			lists, err := Open(context.Background(), written(t, string(content)), Options{})
			if err != nil {
				t.Fatal(err)
			}
			head := lists[0].Head()
			if got := head.Settings[len(head.Settings)-1]; got.Value != strings.Fields(name)[0] || !got.Found {
				t.Errorf("encoding is %+v", got)
			}
			plain := func(at int64, text []byte) bool { // the bytes of the source at an offset are the text
				switch {
				case strings.HasPrefix(name, "utf-16le"):
					text = encoded(string(text), binary.LittleEndian, false)
				case strings.HasPrefix(name, "utf-16be"):
					text = encoded(string(text), binary.BigEndian, false)
				}
				return bytes.HasPrefix(content[at:], text)
			}
			var got []string
			for record, err := range lists[0].Records(context.Background(), func(r *importers.Reject) error {
				got = append(got, fmt.Sprintf("reject %d %s", r.Line, r.Column))
				if !plain(r.Offset, r.Text) {
					t.Errorf("the reject %q is not at %d", r.Text, r.Offset)
				}
				return nil
			}) {
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, fmt.Sprintf("%d %s", record.Line, record.Raw))
				if !plain(record.Offset, record.Raw) {
					t.Errorf("the record %q is not at %d", record.Raw, record.Offset)
				}
			}
			if want := "1 {\"a\":\"é😀\"}|reject 2 ü|3 {\"ü\":\"€\"}"; strings.Join(got, "|") != want {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
	t.Run("lone surrogate in UTF-16", func(t *testing.T) {
		t.Parallel()
		content := encoded(`[{"a":"?"},{"a":"y"}]`, binary.LittleEndian, true)
		at := bytes.IndexByte(content, '?')
		content[at], content[at+1] = 0x3D, 0xD8
		_, records, rejects := read(t, string(content), "")
		if len(records) != 1 || len(rejects) != 1 || !strings.Contains(rejects[0], notUTF8) {
			t.Errorf("records %q, rejects %q", records, rejects)
		}
	})
	t.Run("UTF-16 cut within a character", func(t *testing.T) {
		t.Parallel()
		content := encoded(`[{"a":"x"},{"a":"y"}]`, binary.BigEndian, false)
		list, records, _ := read(t, string(content[:len(content)-5]), "")
		if len(records) != 1 || len(list.Gaps()) != 1 {
			t.Errorf("records %q, gaps %v", records, list.Gaps())
		}
	})
	t.Run("windows-1252 when it is named", func(t *testing.T) {
		t.Parallel()
		src := written(t, "[{\"a\":\"M\xfcnchen \x80\"}]")
		lists, err := Open(context.Background(), src, Options{})
		if err != nil || len(lists[0].Head().Notes) != 1 {
			t.Fatalf("%v, notes %q", err, lists[0].Head().Notes)
		}
		if lists, err = Open(context.Background(), src, Options{Encoding: "cp1252"}); err != nil {
			t.Fatal(err)
		}
		for record, err := range lists[0].Records(context.Background(), nil) {
			if err != nil || string(record.Fields[0].Text) != "München €" {
				t.Errorf("got %q, %v", record.Fields[0].Text, err)
			}
		}
	})
	t.Run("an encoding that nobody knows", func(t *testing.T) {
		t.Parallel()
		if _, err := Open(context.Background(), written(t, "[]"), Options{Encoding: "utf-7"}); err == nil || !strings.Contains(err.Error(), `"utf-7" is not known`) {
			t.Errorf("got %v", err)
		}
	})
}
