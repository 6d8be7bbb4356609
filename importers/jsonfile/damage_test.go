package jsonfile

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/pgrescue/pgrescue/importers"
)

// TestEveryCut cuts documents at every byte. What was complete before the cut is there, in order,
// and nothing else; and the cut is told of, as a gap or as an error.
func TestEveryCut(t *testing.T) {
	t.Parallel()
	documents := map[string]string{
		"list":    `[ {"a":"x\u00e9\ud83d\ude00","n":-1.50e3} , {"a":[{"b":null},[]],"n":{}},{"a":true} ] `,
		"lines":   "{\"a\":\"x\",\"n\":-1.5}\n{\"a\":[{\"b\":null}]}\n{\"a\":true}\n",
		"request": `{"file_data":[{"a":"1"},{"a":"2"}],"metadata":{"filename":"x.csv","size":10},"client_id":null}`,
		"session": "{\n  \"filename\": \"x.csv\",\n  \"size_mb\": 0.5,\n  \"raw_data\": [\n    {\n      \"a\": \"1\"\n    },\n    {\n      \"a\": \"2\"\n    }\n  ],\n  \"data_record_count\": 2\n}\n",
		"utf-8":   `[{"a":"é😀"},{"é":"\""}]`,
	}
	for name, document := range documents {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			whole, _, ends := rawRecords(t, document)
			if len(whole) < 2 || ends != "" {
				t.Fatalf("the whole document: %q %s", whole, ends)
			}
			for cut := range len(document) {
				// How many elements end before the cut, and whether anything but space is cut off.
				complete, at := 0, 0
				for _, raw := range whole {
					if at += strings.Index(document[at:], raw) + len(raw); at <= cut {
						complete++
					}
				}
				got, opened, ends := rawRecords(t, document[:cut])
				if !opened && complete > 0 {
					t.Errorf("cut at %d: not opened: %s", cut, ends)
				}
				if strings.Join(got, "|") != strings.Join(whole[:complete], "|") && opened {
					t.Errorf("cut at %d: got %q, want %q", cut, got, whole[:complete])
				}
				quiet := strings.TrimSpace(document[cut:]) == "" || name == "lines" && (complete == 0 || strings.HasSuffix(strings.TrimSpace(document[:cut]), "}") && at0(document, cut, whole))
				if quiet != (ends == "") && !(name == "lines" && complete == 0) {
					t.Errorf("cut at %d: told %q", cut, ends)
				}
			}
		})
	}
}

// at0 tells whether a document of lines is cut between two of them.
func at0(document string, cut int, whole []string) bool {
	at := 0
	for _, raw := range whole {
		at += strings.Index(document[at:], raw) + len(raw)
		if strings.TrimSpace(document[:cut]) == strings.TrimSpace(document[:at]) {
			return true
		}
	}
	return false
}

// rawRecords reads the records of a document as they stand in it, and how it ends: gaps, or the
// error of opening it.
func rawRecords(t *testing.T, document string) (raw []string, opened bool, ends string) {
	t.Helper()
	lists, err := Open(context.Background(), written(t, document), Options{})
	if err != nil {
		return nil, false, err.Error()
	}
	rejects := 0
	for record, err := range lists[0].Records(context.Background(), func(*importers.Reject) error { rejects++; return nil }) {
		if err != nil {
			t.Fatal(err)
		}
		raw = append(raw, string(record.Raw))
	}
	for _, gap := range lists[0].Gaps() {
		ends += gap.String()
	}
	if rejects > 0 && ends == "" {
		t.Errorf("%q: a reject and no gap", document)
	}
	return raw, true, ends
}

// TestQuarantine reads a list with one bad element between two good ones: the good ones are there,
// and the bad one is a reject with its line, column and reason, its text as it stands.
func TestQuarantine(t *testing.T) {
	t.Parallel()
	deep := strings.Repeat("[", 2000) + strings.Repeat("]", 2000)
	tests := []struct{ name, element, column, reason string }{
		{"NaN", `{"a":NaN}`, "", `where a value must stand, there is NaN, which is no JSON, at byte 15`},
		{"infinity", `{"a":-Infinity,"b":"}"}`, "", `where a value must stand, there is -Infinity, which is no JSON, at byte 15`},
		{"python", `{"a":None,"b":"]"}`, "", `where a value must stand, there is None, which is no JSON, at byte 15`},
		{"leading zero", `{"a":007}`, "", `where a number must stand, there is "007", at byte 15`},
		{"plus", `{"a":+1}`, "", `where a value must stand, there is "+", at byte 15`},
		{"no digit behind the point", `{"a":1.}`, "", `where a number must stand, there is "1", at byte 15`},
		{"single quotes", `{'a':'x'}`, "", `where a name in double quotes must stand, there is a single quote, at byte 11`},
		{"trailing comma", `{"a":1,}`, "", `where a name in double quotes must stand, there is "}", at byte 17`},
		{"trailing comma in a list", `{"a":[1,]}`, "", `where a value must stand, there is "]", at byte 18`},
		{"comment", `{"a":1 /* one */}`, "", `where a comma or the end of the object must stand, there is a comment, which is no JSON, at byte 17`},
		{"no value", `{"a"}`, "", `where a colon must stand, there is "}", at byte 14`},
		{"line break in a text", "{\"a\":\"x\ny\"}", "", `a text goes over the end of the line: a quote is missing, or a line break is not written as \n, at byte 17`},
		{"control character", "{\"a\":\"x\x01y\"}", "", `a control character in a text, at byte 17`},
		{"zero byte", "{\"a\":\"x\x00y\"}", "", `a control character in a text, at byte 17`},
		{"bad escape", `{"a":"\x41"}`, "", `a backslash before something that cannot be escaped, at byte 16`},
		{"short escape", `{"a":"\u00g0"}`, "", `\u without four hexadecimal digits, at byte 16`},
		{"too deep", `{"a":` + deep + `}`, "", `lists and objects are nested deeper than 1024, at byte 1038`},
		{"wrong bracket", `{"a":[1}`, "", `where a comma or the end must stand, there is "}", at byte 17`},
		{"\\u0000", `{"ok":1,"a":"x\u0000"}`, "a", `\u0000, which jsonb cannot hold, at byte 24`},
		{"\\u0000 in a name", `{"ok":1,"a\u0000":"x"}`, "a\x00", `\u0000, which jsonb cannot hold, at byte 20`},
		{"\\u0000 deep within", `{"a":{"b":["\u0000"]}}`, "a", `\u0000, which jsonb cannot hold, at byte 22`},
		{"high surrogate", `{"a":"\ud83d"}`, "a", `half of a surrogate pair, which jsonb cannot hold, at byte 16`},
		{"high surrogate and a letter", `{"a":"\ud83dx"}`, "a", `half of a surrogate pair, which jsonb cannot hold, at byte 16`},
		{"two high surrogates", `{"a":"\ud83d\ud83d"}`, "a", `half of a surrogate pair, which jsonb cannot hold, at byte 16`},
		{"low surrogate", `{"a":"\ude00\ud83d"}`, "a", `half of a surrogate pair, which jsonb cannot hold, at byte 16`},
		{"huge number", `{"a":1e131073}`, "a", `a number that numeric, and so jsonb, cannot hold, at byte 15`},
		{"tiny number", `{"a":[1e-16384]}`, "a", `a number that numeric, and so jsonb, cannot hold, at byte 16`},
		{"no UTF-8", "{\"b\":\"x\",\"a\":\"x\xff\"}", "a", `bytes that are no UTF-8, at byte 25`},
		{"cut UTF-8", "{\"b\":\"x\",\"a\":\"\xc3\"}", "a", `bytes that are no UTF-8, at byte 24`},
		{"surrogate in UTF-8", "{\"a\":\"\xed\xa0\x80\"}", "a", `bytes that are no UTF-8, at byte 16`},
		{"a number", `17`, "", "not an object"},
		{"a text", `"{"`, "", "not an object"},
		{"null", `null`, "", "not an object"},
		{"a list", `[{"a":1}]`, "", "not an object"},
		{"garbage", `@!`, "", `where a value must stand, there is "@", at byte 10`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			for shape, document := range map[string]string{
				"one line": `[{"a":1},` + " " + test.element + `,{"a":2}]`,
				"lines":    "{\"a\":1}\n\n\n" + test.element + "\n{\"a\":2}\n",
			} {
				list, records, rejects := read(t, document, "")
				good := len(records) == 2 && strings.HasSuffix(records[0], " a=n:1") && strings.HasSuffix(records[1], " a=n:2") && strings.HasPrefix(records[1], "2@")
				want := []string{"1/10 "}
				if shape == "lines" {
					want = []string{"4/10 "}
				} else if test.name == "wrong bracket" || test.name == "line break in a text" {
					continue // nothing tells where it ends: TestNoEnd
				}
				want[0] += test.column + "|" + test.reason + "|" + test.element
				if !good || strings.Join(rejects, "\n") != want[0] || len(list.Gaps()) > 0 || strings.Join(list.Head().Header, ",") != "a" {
					t.Errorf("%s: records %q\nrejects %.600q\nwant    %.600q\ngaps %v, header %q", shape, records, rejects, want, list.Gaps(), list.Head().Header)
				}
			}
		})
	}
}

// TestNoEnd damages an element in a way that hides its end: what is behind it is a gap, told with
// its place, and nothing is made up.
func TestNoEnd(t *testing.T) {
	t.Parallel()
	for _, element := range []string{`{"a":[1}`, "{\"a\":\"x\ny\"}", `{"a":"x}`} {
		list, records, rejects := read(t, `[{"a":1}, `+element+`,{"a":2}]`, "")
		gaps := list.Gaps()
		if len(records) != 1 || len(rejects) != 1 || !strings.HasPrefix(rejects[0], "1/10 ") || len(gaps) != 1 || !strings.Contains(gaps[0].Where, "line ") {
			t.Errorf("%s: records %q, rejects %q, gaps %v", element, records, rejects, gaps)
		}
	}
}

// TestKept holds what must come through as it is.
func TestKept(t *testing.T) {
	t.Parallel()
	_, records, rejects := read(t, `[{"a":9007199254740993,"b":1.10,"c":1e400,"d":-0,"e":0.1E+2,"f":123456789012345678901234567890.000},`+
		`{"a":"\u00e9\ud83d\ude00\n\/\"","b":"😀é","c":{"x": [1, {"y":"\u0041"}]},"d":[],"e":{},"f":""},{"a":1,"b":2,"a":"last","a":null,"b":3}, {}]`, "")
	want := []string{
		`1@1/1 a=n:9007199254740993 b=n:1.10 c=n:1e400 d=n:-0 e=n:0.1E+2 f=n:123456789012345678901234567890.000`,
		"2@1/100 a=t:é😀\n/\" b=t:😀é c=j:" + `{"x": [1, {"y":"\u0041"}]} d=j:[] e=j:{} f=t:`,
		`3@1/198 a=0: b=n:3 # "a" stands more than once in it, and the last one is taken; "b" stands more than once in it, and the last one is taken`,
		`4@1/239`,
	}
	if strings.Join(records, "\n") != strings.Join(want, "\n") || len(rejects) > 0 {
		t.Errorf("got\n%s\nwant\n%s\nrejects %q", strings.Join(records, "\n"), strings.Join(want, "\n"), rejects)
	}
}

// TestDamageHarmsOneElement breaks the quotes and brackets of one element of documents as people's
// programs write them, and reads the rest.
func TestDamageHarmsOneElement(t *testing.T) {
	t.Parallel()
	good := func(i int) string {
		return fmt.Sprintf("  {\n    \"a\": \"x%d\",\n    \"b\": [\n      {\n        \"c\": %d\n      }\n    ]\n  }", i, i)
	}
	tests := []struct{ name, before, after string }{
		{"missing closing quote", `"x2"`, `"x2`},
		{"missing opening quote", `"x2"`, `x2"`},
		{"missing brace", "        \"c\": 2\n      }\n", "        \"c\": 2\n"},
		{"missing bracket", "[\n      {\n        \"c\": 2", "\n      {\n        \"c\": 2"},
		{"a brace too many", `"c": 2`, `"c": 2}`},
		{"bytes gone", "\"x2\",\n    \"b\": [", "\"x"},
	}
	for _, test := range tests {
		for _, compact := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/compact=%v", test.name, compact), func(t *testing.T) {
				t.Parallel()
				var elements []string
				for i := 1; i <= 4; i++ {
					text := good(i)
					if i == 2 {
						text = strings.Replace(text, test.before, test.after, 1)
						if text == good(i) {
							t.Fatal("nothing is damaged")
						}
					}
					if compact {
						text = strings.ReplaceAll(strings.ReplaceAll(text, "\n", ""), "  ", "")
					}
					elements = append(elements, text)
				}
				for _, document := range []string{"[\n" + strings.Join(elements, ",\n") + "\n]\n", strings.ReplaceAll(strings.Join(elements, "\n"), "\n  {", "\n{")[0:]} {
					if !compact && document[0] != '[' {
						document = strings.TrimPrefix(document, "  ")
					}
					list, records, rejects := read(t, document, "")
					if len(records) != 3 || len(rejects) == 0 || len(list.Gaps()) > 0 {
						t.Errorf("%s\nrecords %q\nrejects %q\ngaps %v", document, records, rejects, list.Gaps())
					}
				}
			})
		}
	}
}

// TestCutLineHarmsOneLine cuts a line of NDJSON within an object or a list: the lines behind it are whole.
func TestCutLineHarmsOneLine(t *testing.T) {
	t.Parallel()
	for _, cut := range []string{`{"a":2,"b":"x"`, `{"a":2`, `{"a":2,"b":[1,2`, `{"a":2,"b":{"c":1}`, `{"a":2,"b":{"c":1`, `{`, `{"a"`} {
		_, records, rejects := read(t, "{\"a\":1}\n"+cut+"\n{\"a\":3}\n{\"a\":4}\n", "")
		if len(records) != 3 || len(rejects) != 1 {
			t.Errorf("%s: records %q, rejects %q", cut, records, rejects)
		}
	}
}

func TestNoList(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, document, path, want string }{
		{"empty", "", "", "it is empty"},
		{"white space", " \n\t", "", "it is empty"},
		{"mark only", "\xEF\xBB\xBF", "", "it is empty"},
		{"a number", "17", "", "it begins with neither a list nor an object"},
		{"UTF-32", "[\x00\x00\x00{\x00\x00\x00", "", "the document is UTF-32"},
		{"zero bytes", "\x00\x00\x00\x00\x00", "", "it begins with neither"},
		{"no path", `[{"c":1}]`, "a.x", "could be records; the document itself is a list, which is taken without --path"},
		{"no such path", `{"a":{"b":[{"c":1}]}}`, "a.x", "nothing is under the path a.x that could be records; lists are under a.b"},
		{"cut before the list", `{"filename":"x.csv","raw_da`, "", "line 1, byte 20: the document ends before a list or an object is complete"},
		{"damaged before the list", `{"filename":x,"raw_data":[{"a":1}]}`, "", `it is no JSON: where a value must stand, there is "x"`},
		{"a depth bomb", strings.Repeat(`{"a":`, 1<<20), "", "the document ends before a list or an object is complete"},
		{"a depth bomb of lists", `{"a":` + strings.Repeat(`[`, 1<<20), "", "the document ends before a list or an object is complete"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			lists, err := Open(context.Background(), written(t, test.document), Options{Path: test.path})
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, %v; want %q", lists, err, test.want)
			}
			if test.name != "UTF-32" && !errors.Is(err, ErrNoList) {
				t.Errorf("%v is not ErrNoList", err)
			}
		})
	}
}

// TestDepthBomb is a list of which one element is open a million times.
func TestDepthBomb(t *testing.T) {
	t.Parallel()
	list, records, rejects := read(t, `[{"a":1},`+strings.Repeat(`{"a":[`, 1<<20), "")
	if len(records) != 1 || len(rejects) != 1 || len(list.Gaps()) != 1 {
		t.Errorf("records %q, %d rejects, gaps %.300v", records, len(rejects), list.Gaps())
	}
}

// endless is an element with a text of so many bytes, between two small ones.
func endless(size int64) io.Reader {
	return io.MultiReader(strings.NewReader(`[{"a":1},{"a":"`), io.LimitReader(letters{}, size), strings.NewReader(`"},{"a":2}]`))
}

type letters struct{}

func (letters) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'x'
	}
	return len(p), nil
}

// TestLongText reads past a text of 2 GB in the memory of one window.
func TestLongText(t *testing.T) {
	size := int64(2 << 30)
	if testing.Short() { // the race detector has nothing to see here, and makes each byte dear
		size = 256 << 20
	}
	peak := uint64(0)
	var lines []string
	e := elements{
		w: newWindow(context.Background(), endless(size), importers.UTF8, 0), place: "x.json", array: true, root: true,
		object: func(e *elements, text []byte) error {
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			peak = max(peak, m.HeapSys)
			lines = append(lines, fmt.Sprintf("%d %s", e.w.offset, text))
			return nil
		},
		reject: func(r *importers.Reject) error {
			lines = append(lines, fmt.Sprintf("%d %s %d", r.Offset, r.Reason, len(r.Text)))
			return nil
		},
	}
	if err := e.run(); err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf("1 {\"a\":1}\n9 longer than %d bytes, at byte 9; only its first 4096 bytes are kept here 4096\n%d {\"a\":2}", lastWindow, size+int64(9+len(`{"a":""},`)))
	if got := strings.Join(lines, "\n"); got != want || len(e.gaps) > 0 {
		t.Errorf("got\n%s\nwant\n%s\ngaps %v", got, want, e.gaps)
	}
	if peak > 256<<20 {
		t.Errorf("the heap grew to %d MiB", peak>>20)
	}
}

// TestDamagedCompression cuts a compressed list: what came out is there, and the rest is a gap.
func TestDamagedCompression(t *testing.T) {
	t.Parallel()
	var document, packed bytes.Buffer
	document.WriteByte('[')
	for i := range 5000 {
		if i > 0 {
			document.WriteString(",\n")
		}
		fmt.Fprintf(&document, `{"a":%d,"b":"%x"}`, i, i*7919)
	}
	document.WriteByte(']')
	z := gzip.NewWriter(&packed)
	if _, err := z.Write(document.Bytes()); err != nil || z.Close() != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "x.json.gz")
	if err := os.WriteFile(path, packed.Bytes()[:packed.Len()/2], 0o600); err != nil {
		t.Fatal(err)
	}
	lists, err := Open(context.Background(), &importers.Source{Path: path, Format: importers.FormatJSON, Compression: "gzip"}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	n, rejects := 0, 0
	for record, err := range lists[0].Records(context.Background(), func(*importers.Reject) error { rejects++; return nil }) {
		if err != nil || !json.Valid(record.Raw) {
			t.Fatalf("%v %q", err, record.Raw)
		}
		n++
	}
	if gaps := lists[0].Gaps(); n < 1000 || n > 4000 || rejects > 1 || len(gaps) != 1 || !strings.Contains(gaps[0].Why, "damaged") {
		t.Errorf("%d records, %d rejects, gaps %v", n, rejects, gaps)
	}
}

// TestInterrupted ends a context before and within a read.
func TestInterrupted(t *testing.T) {
	t.Parallel()
	src := written(t, "["+strings.Repeat(`{"a":"`+strings.Repeat("x", 1000)+`"},`, 5000)+"{}]")
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	lists, err := Open(ctx, src, Options{})
	if err != nil {
		t.Fatal(err)
	}
	var last error
	for _, err := range lists[0].Records(ctx, nil) {
		cancel()
		last = err
	}
	if !errors.Is(last, context.Canceled) {
		t.Errorf("the read ended with %v", last)
	}
	if _, err := Open(ctx, src, Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("opened with %v", err)
	}
}
