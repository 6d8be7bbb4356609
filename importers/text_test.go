package importers_test

import (
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/pgrescue/pgrescue/importers"
)

func TestDetectEncoding(t *testing.T) {
	t.Parallel()
	for sample, want := range map[string]importers.Encoding{
		"":                        importers.UTF8,
		"plain":                   importers.UTF8,
		"\ufeffplain":             importers.UTF8,
		"Müller":                  importers.UTF8,
		"Müller \xff, Grüße":      importers.UTF8, // damaged in one place
		"M\xfcller":               importers.Windows1252,
		"Stra\xdfe \x96 5 \x80":   importers.Windows1252,
		"M\xfcller \x81":          importers.Latin1,
		"\xff\xfea\x00":           importers.UTF16LE,
		"\xfe\xff\x00a":           importers.UTF16BE,
		"a\x00,\x00b\x00\n\x00":   importers.UTF16LE,
		"\x00a\x00,\x00b\x00\n":   importers.UTF16BE,
		"a,\x00b\n1,2\n3,4\n5,6,": importers.UTF8, // a NUL byte makes no UTF-16
	} {
		if got := importers.DetectEncoding([]byte(sample)); got != want {
			t.Errorf("%q is said to be %s, want %s", sample, got, want)
		}
		got, err := importers.DetectEncodingOf(iotest.OneByteReader(strings.NewReader(sample)))
		if err != nil || got != want {
			t.Errorf("%q as a stream is said to be %s, %v, want %s", sample, got, err, want)
		}
		// The same behind a long text, cut into blocks.
		if !strings.ContainsAny(sample, "\x00\ufeff") && !strings.HasPrefix(sample, "\xff\xfe") && !strings.HasPrefix(sample, "\xfe\xff") {
			long := strings.Repeat("x", 64<<10-2) + sample
			if got, err := importers.DetectEncodingOf(strings.NewReader(long)); err != nil || got != want {
				t.Errorf("%q behind a block is said to be %s, %v, want %s", sample, got, err, want)
			}
		}
	}
}

func TestParseEncoding(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"UTF-8": "utf-8", "utf8": "utf-8", "UTF-16LE": "utf-16le", "utf16be": "utf-16be", "latin1": "iso-8859-1", "ISO-8859-1": "iso-8859-1", "iso_8859-15": "iso-8859-15",
		"cp1252": "windows-1252", "Windows-1250": "windows-1250", "ibm437": "ibm-code-page-437", "KOI8-R": "koi8-r",
	} {
		got, err := importers.ParseEncoding(name)
		if err != nil || string(got) != want {
			t.Errorf("%s is %q, %v, want %s", name, got, err, want)
		}
		if again, err := importers.ParseEncoding(string(got)); err != nil || again != got {
			t.Errorf("%s is %q when it is parsed again, %v", got, again, err)
		}
	}
	if _, err := importers.ParseEncoding("shift_jis"); err == nil || !strings.Contains(err.Error(), "iconv") {
		t.Errorf("an encoding that is not read: %v", err)
	}
	if _, _, err := importers.DecodeText(strings.NewReader(""), "ebcdic"); err == nil {
		t.Error("an encoding that is not known was taken")
	}
}

func TestDecodeText(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		encoding   importers.Encoding
		text, want string
		width      int64 // of want in the encoding; -1: as long as text
	}{
		{importers.UTF8, "\ufeffé", "é", 2},
		{importers.UTF8, "\xff", "\xff", -1},
		{importers.UTF8, "", "", -1},
		{importers.UTF16LE, "\xff\xfea\x00\xfc\x00", "aü", 4},
		{importers.UTF16BE, "\x00a\xd8\x3d\xde\x00", "a😀", -1},
		{importers.UTF16LE, "\x3d\xd8a\x00", "\xed\xa0\xbda", -1},
		{importers.UTF16LE, "\x00\xdea\x00\x3d\xd8", "\xed\xb8\x80a\xed\xa0\xbd", -1},
		{importers.UTF16BE, "\x20\xac\x00", "€\xff", -1},
		{importers.Windows1252, "M\xfcller \x80\x93", "Müller €“", -1},
		{importers.Latin1, "M\xfcller \x80", "Müller \u0080", -1},
		{"windows-1251", "\xcf\xf0", "Пр", -1},
	} {
		for _, wrap := range []func(io.Reader) io.Reader{func(r io.Reader) io.Reader { return r }, iotest.OneByteReader, iotest.DataErrReader} {
			r, mark, err := importers.DecodeText(wrap(strings.NewReader(test.text)), test.encoding)
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(r)
			if err != nil || string(got) != test.want {
				t.Errorf("%s %q: %q, %v, want %q", test.encoding, test.text, got, err, test.want)
			}
			if want := int64(len(test.text)) - test.encoding.Width([]byte(test.want)); mark != want {
				t.Errorf("%s %q: a mark of %d bytes, want %d", test.encoding, test.text, mark, want)
			}
		}
		width := test.width
		if width < 0 {
			width = int64(len(test.text))
		}
		if got := test.encoding.Width([]byte(test.want)); got != width {
			t.Errorf("%q has %d bytes in %s, want %d", test.want, got, test.encoding, width)
		}
	}
}
