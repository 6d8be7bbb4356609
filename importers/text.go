package importers

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/transform"
)

// Encoding is how the bytes of a source become characters, by its common name in lower case.
type Encoding string

// The encodings that are found. Those of one byte a character can be asked for by name as well:
// see ParseEncoding.
const (
	UTF8        Encoding = "utf-8"
	UTF16LE     Encoding = "utf-16le"
	UTF16BE     Encoding = "utf-16be"
	Windows1252 Encoding = "windows-1252"
	Latin1      Encoding = "iso-8859-1"
)

// ByteOrderMark returns the mark with which texts of the encoding can begin; nil: there is none.
func (e Encoding) ByteOrderMark() []byte {
	switch e {
	case UTF8:
		return []byte{0xEF, 0xBB, 0xBF}
	case UTF16LE:
		return []byte{0xFF, 0xFE}
	case UTF16BE:
		return []byte{0xFE, 0xFF}
	}
	return nil
}

// Width says how many bytes of the encoding the characters of a text in UTF-8 take.
func (e Encoding) Width(text []byte) int64 {
	switch e {
	case UTF8:
		return int64(len(text))
	case UTF16LE, UTF16BE:
		width := int64(0)
		for _, c := range text {
			switch {
			case c == 0xFF: // a byte too many: see utf16Decoder
				width++
			case c < 0x80 || c >= 0xC0 && c < 0xF0:
				width += 2
			case c >= 0xF0:
				width += 4
			}
		}
		return width
	}
	return int64(utf8.RuneCount(text))
}

// ParseEncoding finds an encoding by its name: utf-8, utf-16le, utf-16be, windows-1250 to 1258, iso-8859-1 to 16, latin1, koi8-r, ibm437, ibm850 and the like.
func ParseEncoding(name string) (Encoding, error) {
	wanted := plainName(name)
	for alias, e := range map[string]Encoding{
		"utf8": UTF8, "utf16le": UTF16LE, "utf16be": UTF16BE, "latin1": Latin1, "cp1252": Windows1252, "ansi": Windows1252,
	} {
		if wanted == alias {
			return e, nil
		}
	}
	if table := charmapOf(wanted); table != nil {
		return Encoding(strings.ReplaceAll(strings.ToLower(table.String()), " ", "-")), nil
	}
	return "", fmt.Errorf("the encoding %q is not known: use utf-8, utf-16le, utf-16be, windows-1252 or another of one byte a character, or convert the file to UTF-8 with iconv", name)
}

func plainName(name string) string {
	return strings.NewReplacer("-", "", "_", "", " ", "").Replace(strings.ToLower(name))
}

// charmapOf finds the table of an encoding of one byte a character, or nil.
func charmapOf(name string) *charmap.Charmap {
	for _, known := range charmap.All {
		if table, ok := known.(*charmap.Charmap); ok {
			full := plainName(table.String()) // such as "ibmcodepage850", "windows1252", "iso88591"
			if full == name || strings.Replace(full, "codepage", "", 1) == name {
				return table
			}
		}
	}
	return nil
}

// DetectEncoding says in which encoding a text is that begins with the sample. A byte order mark
// decides; else zero bytes at every other place do; else the text is UTF-8 if it can be, or if more of
// its characters are so than are not. What remains is Windows-1252, which Latin-1 is a part of in
// all texts but those with bytes that Windows-1252 leaves free.
func DetectEncoding(sample []byte) Encoding {
	if e := cmp.Or(MarkedEncoding(sample), zeroBytes(sample)); e != "" {
		return e
	}
	var counts textCounts
	counts.add(sample)
	return counts.encoding()
}

// MarkedEncoding is the encoding that a byte order mark at the beginning of a text tells; "": there is none.
func MarkedEncoding(text []byte) Encoding {
	for _, e := range []Encoding{UTF8, UTF16LE, UTF16BE} {
		if bytes.HasPrefix(text, e.ByteOrderMark()) {
			return e
		}
	}
	return ""
}

// zeroBytes tells UTF-16 without a mark by its zero bytes.
func zeroBytes(sample []byte) Encoding {
	var zeros [2]int
	for i, c := range sample {
		if c == 0 {
			zeros[i&1]++
		}
	}
	pairs := len(sample) / 2
	switch {
	case pairs < 2:
		return ""
	case zeros[1] > pairs/2 && zeros[0] <= pairs/50:
		return UTF16LE
	case zeros[0] > pairs/2 && zeros[1] <= pairs/50:
		return UTF16BE
	}
	return ""
}

// textCounts are what tells the encodings without zero bytes apart.
type textCounts struct {
	valid, invalid int // characters beyond ASCII that UTF-8 allows, and bytes that it does not
	free           int // bytes that Windows-1252 gives to no character
}

// add counts, and says how many bytes at the end begin a character that the text does not end.
func (c *textCounts) add(text []byte) (rest int) {
	for i := 0; i < len(text); {
		if text[i] < utf8.RuneSelf {
			i++
			continue
		}
		r, size := utf8.DecodeRune(text[i:])
		if r == utf8.RuneError && size == 1 {
			if len(text)-i < utf8.UTFMax && !utf8.FullRune(text[i:]) {
				return len(text) - i
			}
			c.invalid++
		} else {
			c.valid++
		}
		for _, b := range text[i : i+size] {
			switch b {
			case 0x81, 0x8D, 0x8F, 0x90, 0x9D:
				c.free++
			}
		}
		i += size
	}
	return 0
}

func (c *textCounts) encoding() Encoding {
	switch {
	case c.invalid == 0 || c.valid > c.invalid:
		return UTF8
	case c.free > 0:
		return Latin1
	}
	return Windows1252
}

// FirstInvalid finds the first byte of a text that is NUL or no UTF-8, or gives the text's length.
func FirstInvalid(text []byte) int {
	for i := 0; i < len(text); {
		if c := text[i]; c < utf8.RuneSelf {
			if c == 0 {
				return i
			}
			i++
			continue
		}
		r, size := utf8.DecodeRune(text[i:])
		if r == utf8.RuneError && size == 1 {
			return i
		}
		i += size
	}
	return len(text)
}

// DecodeText gives a text in UTF-8, without its byte order mark, and says how many bytes that had.
// What is no character in the encoding stays invalid in UTF-8 too, so that whoever reads the text
// can say where it stands.
func DecodeText(r io.Reader, e Encoding) (text io.Reader, mark int64, err error) {
	r, mark = behindMark(r, e.ByteOrderMark())
	switch e {
	case UTF8:
		return r, mark, nil
	case UTF16LE, UTF16BE:
		return transform.NewReader(r, &utf16Decoder{bigEndian: e == UTF16BE}), mark, nil
	case Latin1:
		return transform.NewReader(r, charmap.ISO8859_1.NewDecoder()), mark, nil
	}
	table := charmapOf(plainName(string(e)))
	if table == nil {
		return nil, 0, fmt.Errorf("the encoding %q is not known", e)
	}
	return transform.NewReader(r, table.NewDecoder()), mark, nil
}

// behindMark passes the mark if r begins with it, and says how long it is.
func behindMark(r io.Reader, mark []byte) (io.Reader, int64) {
	head := make([]byte, len(mark))
	n, _ := io.ReadFull(r, head) // an error comes again with the next read
	if bytes.Equal(head[:n], mark) {
		return r, int64(n)
	}
	return io.MultiReader(bytes.NewReader(head[:n]), r), 0
}

// utf16Decoder turns UTF-16 into UTF-8. A surrogate without its other half becomes the three bytes
// that UTF-8 forbids for it, and a byte too many at the end becomes 0xFF.
type utf16Decoder struct {
	transform.NopResetter
	bigEndian bool
}

// Transform implements transform.Transformer.
func (d *utf16Decoder) Transform(dst, src []byte, atEOF bool) (written, read int, err error) {
	for read < len(src) {
		rest := src[read:]
		if len(rest) < 2 {
			if !atEOF {
				return written, read, transform.ErrShortSrc
			}
			if written == len(dst) {
				return written, read, transform.ErrShortDst
			}
			dst[written] = 0xFF
			return written + 1, read + 1, nil
		}
		r, size := rune(d.unit(rest)), 2
		if r >= 0xD800 && r < 0xDC00 {
			if len(rest) < 4 && !atEOF {
				return written, read, transform.ErrShortSrc
			}
			if len(rest) >= 4 {
				if low := rune(d.unit(rest[2:])); low >= 0xDC00 && low < 0xE000 {
					r, size = 0x10000+(r-0xD800)<<10+(low-0xDC00), 4
				}
			}
		}
		if len(dst)-written < utf8.UTFMax {
			return written, read, transform.ErrShortDst
		}
		if r >= 0xD800 && r < 0xE000 {
			written += copy(dst[written:], []byte{0xED, 0x80 | byte(r>>6&0x3F), 0x80 | byte(r&0x3F)})
		} else {
			written += utf8.EncodeRune(dst[written:], r)
		}
		read += size
	}
	return written, read, nil
}

func (d *utf16Decoder) unit(b []byte) uint16 {
	if d.bigEndian {
		return uint16(b[0])<<8 | uint16(b[1])
	}
	return uint16(b[1])<<8 | uint16(b[0])
}

// DetectEncodingOf is DetectEncoding for a text that is read to its end. An error of reading comes
// with what was found up to there.
func DetectEncodingOf(r io.Reader) (Encoding, error) {
	var counts textCounts
	block := make([]byte, 64<<10)
	kept := 0
	for first := true; ; first = false {
		n, err := io.ReadFull(r, block[kept:])
		text := block[:kept+n]
		if first {
			if e := cmp.Or(MarkedEncoding(text), zeroBytes(text)); e != "" {
				return e, nil
			}
		}
		rest := counts.add(text)
		kept = copy(block, text[len(text)-rest:])
		switch {
		case err == io.EOF || errors.Is(err, io.ErrUnexpectedEOF):
			return counts.encoding(), nil
		case err != nil:
			return counts.encoding(), err
		}
	}
}
