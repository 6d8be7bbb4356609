package logparse

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/pgrescue/pgrescue/recover/evidence"
)

// texts gives texts and marks of a source's lines.
func marked(t *testing.T, source *Source) (texts []string, marks []Marks) {
	t.Helper()
	for line, err := range source.Lines(context.Background()) {
		if err != nil {
			t.Fatal(err)
		}
		texts, marks = append(texts, string(line.Text)), append(marks, line.Marks)
	}
	return texts, marks
}

const (
	oneLine   = "2025-10-07 18:22:49.123 UTC [71] LOG:  one"
	otherLine = "2025-10-07 18:22:50.123 UTC [71] LOG:  other"
)

func TestGarbageIsAGap(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, text string
		want       []string
		marks      []Marks
		gap        string // a part of the only one
	}{
		{"zeros between lines", oneLine + "\n" + strings.Repeat("\x00", 8192) + otherLine + "\n", []string{oneLine, otherLine}, []Marks{0, Torn}, "8192 bytes from offset 43 on"},
		{"zeros within a line", oneLine + strings.Repeat("\x00", 100) + "and more text\n" + otherLine + "\n", []string{oneLine, "and more text", otherLine}, []Marks{Torn, Torn, 0}, "100 bytes from offset 0 on"},
		{"zeros to the end", oneLine + "\n" + strings.Repeat("\x00", 4096), []string{oneLine}, []Marks{0}, "4096 bytes from offset 43 on"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			source := found(t, test.text)
			texts, marks := marked(t, source)
			if !slices.Equal(texts, test.want) || !slices.Equal(marks, test.marks) {
				t.Errorf("lines %.200q, marks %v; want %q, %v", texts, marks, test.want, test.marks)
			}
			if gaps := source.Gaps(); len(gaps) != 1 || !strings.Contains(gaps[0].String(), test.gap) {
				t.Errorf("gaps %v, want one with %q", gaps, test.gap)
			}
		})
	}
}

// TestRandomBytes: what comes before the first byte that no text has may pass for a line in some encoding.
func TestRandomBytes(t *testing.T) {
	t.Parallel()
	for seed := range uint64(20) {
		random := make([]byte, 100<<10)
		numbers := rand.New(rand.NewPCG(seed, 2))
		for i := range random {
			random[i] = byte(numbers.Uint32())
		}
		source := found(t, oneLine+"\n"+string(random)+"\n"+otherLine+"\n")
		texts, marks := marked(t, source)
		if len(texts) < 2 || len(texts) > 4 || texts[0] != oneLine || texts[len(texts)-1] != otherLine {
			t.Fatalf("%d: %d lines, %.1000q", seed, len(texts), texts)
		}
		for i, text := range texts[1 : len(texts)-1] {
			if len(text) > 0 && marks[i+1]&(NotUTF8|Torn) == 0 {
				t.Errorf("%d: %q, %v", seed, text, marks[i+1])
			}
		}
		if gaps := source.Gaps(); len(gaps) != 1 {
			t.Errorf("%d: %v", seed, gaps)
		}
	}
}

func TestWhatIsLeftOfALine(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, text, want string
		marks            Marks
	}{
		{"Windows-1252", "2025-10-07 18:22:49 LOG:  M\xfcller \x80 5", "2025-10-07 18:22:49 LOG:  M\xfcller \x80 5", NotUTF8 | Unended},
		{"Russian in Windows-1251", "\xcf\xf0\xe8\xe2\xe5\xf2, \xec\xe8\xf0\n", "\xcf\xf0\xe8\xe2\xe5\xf2, \xec\xe8\xf0", NotUTF8},
		{"UTF-8", "2025-10-07 18:22:49 LOG:  ✅ Müller\n", "2025-10-07 18:22:49 LOG:  ✅ Müller", 0},
		{"no newline at the end", "2025-10-07 18:22:49 LOG:  a", "2025-10-07 18:22:49 LOG:  a", Unended},
		{"word joiner before a stamp", "\u20602025-07-04 21:00:01,123 - app - INFO - a\u2060b\n", "2025-07-04 21:00:01,123 - app - INFO - ab", Altered},
		{"no-break spaces in the head", "2025-07-04\u00a021:00:01,123\u00a0- app - INFO - a\n", "2025-07-04 21:00:01,123 - app - INFO - a", Altered},
		{"no-break spaces as indentation", "\u00a0\u00a0\"name\": \"a\u00a0b\"\n", "  \"name\": \"a\u00a0b\"", Altered},
		{"a value far into the line", "2025-07-04 21:00:01.123 UTC [71] app@shop LOG:  statement: INSERT INTO t VALUES ('10\u00a0km')\n", "2025-07-04 21:00:01.123 UTC [71] app@shop LOG:  statement: INSERT INTO t VALUES ('10\u00a0km')", 0},
		{"a value on a line that goes on", "\tVALUES ('10\u00a0km')\n", "\tVALUES ('10\u00a0km')", 0},
		{"byte order mark", "\ufeff" + oneLine + "\n", oneLine, Altered},
		{"colours", "\x1b[32mINFO\x1b[0m:     127.0.0.1 - \"GET /\" \x1b[32m200\x1b[0m\n", "INFO:     127.0.0.1 - \"GET /\" 200", Altered},
		{"an escape that is no colour", "a \x1b]0;title\x07 b and some more text\n", "a \x1b]0;title\x07 b and some more text", 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			source := found(t, test.text)
			texts, marks := marked(t, source)
			if len(texts) != 1 || texts[0] != test.want || marks[0] != test.marks {
				t.Errorf("%q, %v; want %q, %v", texts, marks, test.want, test.marks)
			}
			if gaps := source.Gaps(); len(gaps) > 0 {
				t.Error(gaps)
			}
		})
	}
}

func TestPlain(t *testing.T) {
	t.Parallel()
	if got := string(Plain([]byte("x"), []byte("a\u2060\u00a0b\ufeffé\u200bc"))); got != "xa béc" {
		t.Errorf("%q", got)
	}
}

// wide writes a text in UTF-16.
func wide(text string, order binary.AppendByteOrder, mark bool) []byte {
	var out []byte
	if mark {
		out = order.AppendUint16(out, 0xFEFF)
	}
	for _, unit := range utf16.Encode([]rune(text)) {
		out = order.AppendUint16(out, unit)
	}
	return out
}

func TestUTF16(t *testing.T) {
	t.Parallel()
	text := oneLine + " ü 😀\r\n" + otherLine + "\r\n"
	for name, content := range map[string][]byte{
		"little endian": wide(text, binary.LittleEndian, true), "big endian": wide(text, binary.BigEndian, true), "without a mark": wide(text, binary.LittleEndian, false),
	} {
		source := found(t, string(content))
		texts, _ := marked(t, source)
		if want := []string{oneLine + " ü 😀", otherLine}; !slices.Equal(texts, want) || source.Encoding != "utf-16" {
			t.Errorf("%s: %q in %s, want %q", name, texts, source.Encoding, want)
		}
		for line := range source.Lines(context.Background()) {
			at := bytes.Index(content, wide(string(line.Text[:5]), orderOf(name), false))
			if line.Number == 2 {
				at = bytes.Index(content, wide("\n20", orderOf(name), false)) + 2
			}
			if line.Number == 1 {
				at = 0
			}
			if line.Offset != int64(at) {
				t.Errorf("%s: line %d at %d, want %d", name, line.Number, line.Offset, at)
			}
		}
	}
}

func orderOf(name string) binary.AppendByteOrder {
	if name == "big endian" {
		return binary.BigEndian
	}
	return binary.LittleEndian
}

// repeated is a reader of so many bytes, a block again and again.
type repeated struct {
	block []byte
	left  int
}

func (r *repeated) Read(p []byte) (int, error) {
	if r.left == 0 {
		return 0, io.EOF
	}
	n := copy(p[:min(len(p), r.left)], r.block)
	r.left -= n
	return n, nil
}

func TestLineOf500MB(t *testing.T) {
	const size = 500 << 20
	in := io.MultiReader(strings.NewReader(oneLine+"\n"), &repeated{bytes.Repeat([]byte{'x'}, blockSize), size}, strings.NewReader("\n"+otherLine+"\n"))
	sources, _, err := Find(context.Background(), FindOptions{Paths: []string{"-"}, Stdin: in})
	if err != nil {
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	var lengths []int64
	for line, err := range sources[0].Lines(context.Background()) {
		if err != nil {
			t.Fatal(err)
		}
		lengths = append(lengths, line.Length)
		switch line.Number {
		case 2:
			if line.Marks != Cut || len(line.Text) != MaxLine {
				t.Errorf("marks %v, %d bytes kept", line.Marks, len(line.Text))
			}
		case 3:
			if string(line.Text) != otherLine || line.Offset != int64(len(oneLine)+1+size+1) {
				t.Errorf("behind it %q at %d", line.Text, line.Offset)
			}
		}
	}
	runtime.ReadMemStats(&after)
	if want := []int64{int64(len(oneLine)), size, int64(len(otherLine))}; !slices.Equal(lengths, want) {
		t.Errorf("lengths %d, want %d", lengths, want)
	}
	if used := after.TotalAlloc - before.TotalAlloc; used > 4*MaxLine {
		t.Errorf("%d bytes were allocated", used)
	}
	if _, err := collect(sources[0]); !errors.Is(err, errUsed) {
		t.Errorf("standard input was read again: %v", err)
	}
}

func collect(source *Source) (texts []string, err error) {
	for line, err := range source.Lines(context.Background()) {
		if err != nil {
			return texts, err
		}
		texts = append(texts, string(line.Text))
	}
	return texts, nil
}

// TestLinesOfEverySize lays line ends at every place around the end of a block.
func TestLinesOfEverySize(t *testing.T) {
	t.Parallel()
	for _, length := range []int{blockSize - 2, blockSize - 1, blockSize, blockSize + 1, 2*blockSize - 1, 2 * blockSize, 5*blockSize + 3} {
		for _, end := range []string{"\n", "\r\n", ""} {
			long := strings.Repeat("y", length-1) + "é"
			text := oneLine + end + long + end + otherLine + end
			want := []string{oneLine, long, otherLine}
			if end == "" {
				want = []string{oneLine + long + otherLine}
			}
			if texts, err := collect(found(t, text)); err != nil || !slices.Equal(texts, want) {
				t.Errorf("%d with %q: %d lines, %v", length, end, len(texts), err)
			}
		}
	}
}

func TestCutGzip(t *testing.T) {
	t.Parallel()
	text := strings.Repeat(oneLine+"\n"+otherLine+"\n", 10_000)
	dir := folder(t, map[string]string{"a.log.gz": text})
	path := filepath.Join(dir, "a.log.gz")
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, whole[:len(whole)/2], 0o600); err != nil {
		t.Fatal(err)
	}
	trail := &evidence.Trail{}
	sources, _, err := Find(context.Background(), FindOptions{Paths: []string{path}, Trail: trail})
	if err != nil {
		t.Fatal(err)
	}
	texts, err := collect(sources[0])
	if err != nil || len(texts) < 1000 || texts[0] != oneLine {
		t.Errorf("%d lines, %v", len(texts), err)
	}
	if gaps := sources[0].Gaps(); len(gaps) != 1 || !strings.Contains(gaps[0].Why, "damaged") {
		t.Errorf("gaps %v", gaps)
	}
	if reads := trail.Reads(); len(reads) != 1 || reads[0].Kind != evidence.KindLog {
		t.Errorf("trail %v", reads)
	}
}

func TestFindRefusesAndSkips(t *testing.T) {
	t.Parallel()
	dir := folder(t, map[string]string{
		"a.log": oneLine + "\n", "b.zip": "PK\x03\x04xxxxxxxxxxxxxxxxxxxxxxxx", "c.bin": strings.Repeat("\x01\x02\x00\xff", 1000), "d.log": "",
		"e.tar": strings.Repeat("x", 257) + "ustar" + strings.Repeat("\x00", 300),
	})
	sources, skipped, err := Find(context.Background(), FindOptions{Paths: []string{dir, filepath.Join(dir, "a.log")}})
	if err != nil || len(sources) != 1 || len(skipped) != 4 {
		t.Errorf("%v, %v, %v", sources, skipped, err)
	}
	for _, name := range []string{"b.zip", "c.bin", "e.tar"} {
		_, _, err := Find(context.Background(), FindOptions{Paths: []string{filepath.Join(dir, name)}})
		if !errors.Is(err, ErrUnreadable) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, _, err := Find(context.Background(), FindOptions{Paths: []string{filepath.Join(dir, "none")}}); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
	if _, _, err := Find(context.Background(), FindOptions{Paths: []string{"-"}}); err == nil {
		t.Error("standard input that is not there was taken")
	}
	var refused *evidence.Error
	if _, _, err := Find(context.Background(), FindOptions{Paths: []string{os.DevNull}}); !errors.As(err, &refused) || !strings.Contains(refused.Hint, "standard input") {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, _, err := Find(ctx, FindOptions{Paths: []string{dir}}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestStandardInput(t *testing.T) {
	t.Parallel()
	text := strings.Repeat(oneLine+"\n"+otherLine+"\n", 20_000) // more than a sample
	for name, in := range map[string]io.Reader{"plain": strings.NewReader(text), "gzip": bytes.NewReader(gzipped(t, text)), "utf-16": bytes.NewReader(wide(text, binary.LittleEndian, true))} {
		sources, _, err := Find(context.Background(), FindOptions{Paths: []string{"-"}, Stdin: in})
		if err != nil {
			t.Fatal(name, err)
		}
		samples, err := sources[0].Sample(context.Background())
		if err != nil || len(samples[""]) != sampleLines {
			t.Errorf("%s: a sample of %d lines, %v", name, len(samples[""]), err)
		}
		texts, err := collect(sources[0])
		if err != nil || len(texts) != 40_000 || strings.TrimPrefix(texts[0], "\ufeff") != oneLine || texts[39_999] != otherLine {
			t.Errorf("%s: %d lines, %v", name, len(texts), err)
		}
	}
}
