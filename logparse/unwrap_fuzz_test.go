package logparse

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/pgrescue/pgrescue/recover/packed"
)

// wrapped is a source of the bytes with one wrapper, whatever they look like.
func wrapped(t testing.TB, name string, content []byte) *Source {
	t.Helper()
	stream, err := packed.NewReader(bytes.NewReader(nil), packed.None, packed.Logs())
	if err != nil {
		t.Fatal(err)
	}
	source := &Source{Name: name, files: []file{{size: -1, stdin: stream, sample: content, modified: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}}}
	for _, known := range wrappers() {
		if known.name == name {
			source.wrappers = []wrapper{known}
		}
	}
	if name != "" && source.wrappers == nil {
		t.Fatalf("no wrapper is named %q", name)
	}
	return source
}

func wrapperNames() []string {
	names := []string{""}
	for _, known := range wrappers() {
		names = append(names, known.name)
	}
	return names
}

// FuzzLines: whatever stands in a file, its lines are within bounds and in order, and what is plain
// text comes out as it is.
func FuzzLines(f *testing.F) {
	for _, text := range []string{
		oneLine + "\n" + otherLine + "\r\n", "\x00\x00\x00a\n\x1b[1mb\x1b[0m\n\xff\xfe", "\ufeffa\u2060b\n",
		`{"log":"a\u00e9\n","stream":"stdout","time":"2025-10-07T18:22:49.123456789Z"}` + "\n" + `{"log":"b`,
		`{"MESSAGE":[1,2,[3]],"__REALTIME_TIMESTAMP":"1"}` + "\n" + `{"MESSAGE":null}` + "\n" + `{"MESSAGE":["a",[98]],"_PID":"7"}`,
		"2016-10-06T00:17:09.669794202Z stdout P a\n2016-10-06T00:17:09.669794202Z stdout F b\n2016-10-06T00:17:09.669794202Z stdout P c",
		"2025-09-15 16:18:41.928 | a\n2025-09-15 16:18:41.928 |\n", "a-1  | b\na-1  |\n", "[pod/a/b] c\n[pod/", "2025-10-07T18:22:49.123456789Z a\n2025-10-07T18:22:49.123456789Z\n",
	} {
		for which := range wrapperNames() {
			f.Add(byte(which), []byte(text))
		}
	}
	f.Fuzz(func(t *testing.T, which byte, content []byte) {
		names := wrapperNames()
		checkLines(t, names[int(which)%len(names)], content)
		for _, known := range wrappers() {
			known.fits(content)
		}
	})
}

// checkLines reads bytes with one wrapper, whatever they are.
func checkLines(t *testing.T, name string, content []byte) {
	t.Helper()
	source := wrapped(t, name, content)
	var texts []string
	number, offset := int64(0), int64(-1)
	for line, err := range source.Lines(context.Background()) {
		if err != nil {
			t.Fatal(err)
		}
		if len(line.Text) > MaxLine || int64(len(line.Text)) > line.Length && line.Marks&Altered == 0 {
			t.Errorf("%s: %d bytes of %d", name, len(line.Text), line.Length)
		}
		if line.Offset < 0 || line.Offset > int64(len(content)) {
			t.Errorf("%s: line at %d of %d", name, line.Offset, len(content))
		}
		if name == "" && (line.Number < number || line.Offset < offset || bytes.IndexByte(line.Text, '\n') >= 0) {
			t.Errorf("line %d at %d behind %d at %d: %q", line.Number, line.Offset, number, offset, line.Text)
		}
		number, offset = line.Number, line.Offset
		texts = append(texts, string(line.Text))
	}
	if name == "" {
		checkPlain(t, content, texts)
	}
}

// checkPlain compares lines with those of the standard library, where there is nothing to take off.
func checkPlain(t *testing.T, content []byte, texts []string) {
	t.Helper()
	for _, c := range content {
		if c == 0 || c >= 0x80 || c == 0x1B || control(c) {
			return
		}
	}
	var want []string
	for line := range strings.Lines(string(content)) {
		want = append(want, strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r"))
	}
	if strings.Join(texts, "\n") != strings.Join(want, "\n") || len(texts) != len(want) {
		t.Errorf("%q, want %q", texts, want)
	}
}

// FuzzWrappers wraps a line as each transport does, in pieces of some size, and takes the wrappers off again.
func FuzzWrappers(f *testing.F) {
	f.Add("2025-10-07 18:22:49.123 UTC [71] LOG:  one <\"two\">\\ é 😀", 7)
	f.Add("", 1)
	f.Add(" \t x | y", 100)
	f.Add("\x1b[1mred\x1b[0m", 3)
	f.Fuzz(func(t *testing.T, text string, size int) {
		if !utf8.ValidString(text) || strings.ContainsAny(text, "\r\n\x00") || noText([]byte(text)) {
			return
		}
		want := text
		if tidied, changed := tidy([]byte(text)); changed {
			want = string(tidied)
		}
		pieces := cutPieces(text, max(1, size))
		syslog := "Oct  7 18:22:49 db1 postgres[71]: " + text + "\n"
		if text != "" && !strings.ContainsAny(text, "\t#") {
			syslog = splitSyslog("Oct  7 18:22:49 db1 postgres[71]: ", size, text)
		}
		for name, content := range map[string]string{
			"docker json-file": asDocker(t, pieces), "CRI": asCRI(pieces), "journald JSON": asJournald(pieces), "Docker Desktop": "2025-09-15 16:18:41.928 | " + text + "\n",
			"docker compose": "backend-1   | " + text + "\n", "timestamps of docker logs -t": "2025-10-07T18:22:49.123456789Z " + text + "\n", "kubectl --prefix": "[pod/a-7/web] " + text + "\n",
			"syslog": syslog,
		} {
			source := wrapped(t, name, []byte(content))
			texts, err := collect(source)
			outerColours := strings.Contains(text, "\x1b") || pastedWithin([]byte(text)) // what is taken off depends on what stands before it
			if err != nil || len(texts) != 1 || texts[0] != want && !outerColours && (name != "syslog" || plainSyslog(text)) {
				t.Errorf("%s: %q, %v; want %q (%q)", name, texts, err, want, content)
			}
			if gaps := source.Gaps(); len(gaps) > 0 {
				t.Errorf("%s: %v", name, gaps)
			}
		}
	})
}

// plainSyslog reports whether a text without PostgreSQL's numbers has nothing that looks like them.
func plainSyslog(text string) bool {
	return !strings.ContainsAny(text, "\t#") || !strings.HasPrefix(text, "[") && !strings.HasPrefix(text, "#")
}

// cutPieces cuts a text, between characters.
func cutPieces(text string, size int) []string {
	var pieces []string
	for len(text) > size {
		n := size
		for n < len(text) && !utf8.RuneStart(text[n]) {
			n++
		}
		pieces, text = append(pieces, text[:n]), text[n:]
	}
	return append(pieces, text)
}

func asDocker(t *testing.T, pieces []string) string {
	t.Helper()
	var out strings.Builder
	for i, piece := range pieces {
		if i == len(pieces)-1 {
			piece += "\n"
		}
		b, err := json.Marshal(map[string]string{"log": piece, "stream": "stdout", "time": "2025-10-07T18:22:49.123456789Z"})
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&out, "%s\n", b)
	}
	return out.String()
}

func asCRI(pieces []string) string {
	var out strings.Builder
	for i, piece := range pieces {
		tag := "P"
		if i == len(pieces)-1 {
			tag = "F"
		}
		fmt.Fprintf(&out, "2016-10-06T00:17:09.669794202Z stdout %s %s\n", tag, piece)
	}
	return out.String()
}

// asJournald writes the bytes of each piece as numbers.
func asJournald(pieces []string) string {
	var out strings.Builder
	for i, piece := range pieces {
		partial := ""
		if i < len(pieces)-1 {
			partial = `,"CONTAINER_PARTIAL_MESSAGE":"true"`
		}
		numbers := strings.Trim(strings.ReplaceAll(fmt.Sprint([]byte(piece)), " ", ", "), "[]")
		fmt.Fprintf(&out, `{"__REALTIME_TIMESTAMP":"1759861369123456","MESSAGE":[%s]%s}`+"\n", numbers, partial)
	}
	return out.String()
}
