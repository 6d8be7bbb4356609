package discovery

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"
)

// dumps are JSON texts and what Python 3's json.dumps(json.loads(text)) prints for them.
var dumps = [][2]string{
	{`"plain"`, `"plain"`},
	{`"caf\u00e9 \ud83d\ude00 naïve 😀"`, `"caf\u00e9 \ud83d\ude00 na\u00efve \ud83d\ude00"`},
	{`"\u0041\u002f \/"`, `"A/ /"`},
	{`"\" \\ \b \f \n \r \t"`, `"\" \\ \b \f \n \r \t"`},
	{"\"\\u0001\\u001f\\u007f\x7f\"", `"\u0001\u001f\u007f\u007f"`},
	{`"\u0000"`, `"\u0000"`},
	{"\"\u2028\uFEFF\u00A0\U0010FFFF\"", `"\u2028\ufeff\u00a0\udbff\udfff"`},
	{`"\ud800 alone"`, `"\ud800 alone"`},
	{`[1,-0,0,123456789012345678901234567890]`, `[1, 0, 0, 123456789012345678901234567890]`},
	{`[1.10,-0.0,0.0,1e3,1E+3,1e-3]`, `[1.1, -0.0, 0.0, 1000.0, 1000.0, 0.001]`},
	{`[1e15,1e16,123456789012345.6,0.0001,0.00001,1e22,1e23]`, `[1000000000000000.0, 1e+16, 123456789012345.6, 0.0001, 1e-05, 1e+22, 1e+23]`},
	{`[9007199254740993.0,5e-324,1.7976931348623157e308,0.1,2.5]`, `[9007199254740992.0, 5e-324, 1.7976931348623157e+308, 0.1, 2.5]`},
	{`[true,false,null]`, `[true, false, null]`},
	{` { "a" : 1 , "b":{ }, "c" : [ ] , "d":[{"e":[1,[2]]}] } `, `{"a": 1, "b": {}, "c": [], "d": [{"e": [1, [2]]}]}`},
	{`{"a":1,"b":2,"a":{"x":3}}`, `{"a": {"x": 3}, "b": 2}`},
	{`{"é":1,"\u00e9":2}`, `{"\u00e9": 2}`},
	{`{"a":{"k":1,"k":2},"z":0,"a":{"k":3,"k":4}}`, `{"a": {"k": 4}, "z": 0}`},
	{`{"":""}`, `{"": ""}`},
}

func TestJSONAsPython(t *testing.T) {
	t.Parallel()
	var in, want []string
	for _, d := range dumps {
		got, err := appendPyJSON(nil, []byte(d[0]))
		if err != nil || string(got) != d[1] {
			t.Errorf("%s: got %s, %v, want %s", d[0], got, err, d[1])
		}
		in, want = append(in, d[0]), append(want, d[1])
	}
	for i, printed := range python(in, want) {
		if printed != want[i] {
			t.Errorf("%s: Python prints %s, and the table says %s", in[i], printed, want[i])
		}
	}
	for _, bad := range []string{
		``, ` `, `{`, `[1,]`, `{"a"}`, `{"a":}`, `{a:1}`, `"`, `"\u12"`, `"\x"`, `nul`, `1 2`, `{"a":1,}`, `[`, strings.Repeat("[", 1000),
	} {
		if got, err := appendPyJSON(nil, []byte(bad)); err == nil {
			t.Errorf("%q: got %s, want an error", bad, got)
		}
	}
}

// python asks Python, where there is one that runs; elsewhere it believes what was expected.
func python(texts, expected []string) []string {
	cmd := exec.Command("python3", "-c", "import json, sys\nfor text in sys.stdin.buffer.read().decode('utf-8').split('\\0'): print(json.dumps(json.loads(text)))")
	cmd.Stdin = strings.NewReader(strings.Join(texts, "\x00"))
	out, err := cmd.Output()
	if err != nil {
		return expected
	}
	return strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
}

// TestJSONRoundTrip prints random values, and reads them back: the values are the same, what is printed is ASCII, and
// printing it again changes nothing. Where there is a Python, it prints the same.
func TestJSONRoundTrip(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	var texts []string
	for range 2000 {
		texts = append(texts, string(randomJSON(random, 0)))
	}
	printed := make([]string, len(texts))
	for i, text := range texts {
		once, err := appendPyJSON(nil, []byte(text))
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		twice, err := appendPyJSON(nil, once)
		if err != nil || !bytes.Equal(once, twice) {
			t.Fatalf("%s: printed twice it is %s and %s, %v", text, once, twice, err)
		}
		for _, c := range once {
			if c < ' ' || c > '~' {
				t.Fatalf("%s: %q is not printable ASCII", text, once)
			}
		}
		var a, b any
		if json.Unmarshal([]byte(text), &a) != nil || json.Unmarshal(once, &b) != nil {
			t.Fatalf("%s and %s: one is not JSON", text, once)
		}
		if x, y := mustJSON(t, a), mustJSON(t, b); x != y {
			t.Fatalf("%s: the values are %s, and were %s", text, y, x)
		}
		printed[i] = string(once)
	}
	for i, line := range python(texts, printed) {
		if line != printed[i] {
			t.Fatalf("%s: Python prints %s, and we %s", texts[i], line, printed[i])
		}
	}
}

func mustJSON(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func randomJSON(r *rand.Rand, depth int) []byte {
	switch n := r.IntN(10); {
	case n < 2 && depth < 4:
		b := []byte{'['}
		for i := range r.IntN(4) {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(b, randomJSON(r, depth+1)...)
		}
		return append(b, ']')
	case n < 4 && depth < 4:
		b := []byte{'{'}
		for i := range r.IntN(5) {
			if i > 0 {
				b = append(b, ',', ' ')
			}
			b = append(strconv.AppendQuoteToASCII(b, string(rune('a'+r.IntN(3)))), ':')
			b = append(b, randomJSON(r, depth+1)...)
		}
		return append(b, '}')
	case n < 6:
		return strconv.AppendFloat(nil, (r.Float64()-0.5)*powers[r.IntN(len(powers))], "efg"[r.IntN(3)], -1, 64)
	case n < 7:
		return strconv.AppendInt(nil, r.Int64()-r.Int64(), 10)
	}
	var b bytes.Buffer
	b.WriteByte('"')
	for range r.IntN(12) {
		switch c := rune(r.IntN(0x300)); {
		case c == '"' || c == '\\':
			b.WriteString(`\` + string(c))
		case c < ' ' || r.IntN(8) == 0:
			fmt.Fprintf(&b, `\u%04x`, c)
		case r.IntN(20) == 0:
			b.WriteRune(0x1F600 + c&15)
		default:
			b.Write(utf8.AppendRune(nil, c))
		}
	}
	b.WriteByte('"')
	return b.Bytes()
}

var powers = []float64{1, 1e-7, 1e-4, 1e3, 1e15, 1e16, 1e17, 1e300, 1e-300}

// FuzzJSONAsPython: what is JSON is printed as JSON, and printing that again changes nothing; what is not never panics.
func FuzzJSONAsPython(f *testing.F) {
	for _, d := range dumps {
		f.Add([]byte(d[0]))
	}
	f.Add([]byte(`{"a":[1,{"b":"\ud83d`))
	f.Add([]byte("\"\xff\xfe\""))
	f.Fuzz(func(t *testing.T, text []byte) {
		once, err := appendPyJSON(nil, text)
		if err != nil {
			return
		}
		if json.Valid(text) && !json.Valid(once) {
			t.Fatalf("%q is printed as %q, which is not JSON", text, once)
		}
		twice, err := appendPyJSON(nil, once)
		if json.Valid(text) && (err != nil || !bytes.Equal(once, twice)) {
			t.Fatalf("%q is printed as %q, and that as %q, %v", text, once, twice, err)
		}
	})
}
