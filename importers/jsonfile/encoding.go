package jsonfile

import (
	"bytes"
	"errors"
	"io"
	"unicode/utf16"
	"unicode/utf8"
)

// encoding is how a document is written, as its first bytes tell.
type encoding struct {
	name   string // for people
	little bool   // of UTF-16
	mark   int64  // length of the byte order mark
}

func (e encoding) wide() bool { return e.name != "UTF-8" }

// errUTF32 tells an encoding that no exporter is known to write.
var errUTF32 = errors.New("the document is UTF-32")

// detect finds the encoding of a document by its first bytes: a byte order mark, or where the
// zero bytes stand, since JSON begins with two characters of ASCII.
func detect(head []byte) (encoding, error) {
	switch {
	case bytes.HasPrefix(head, []byte{0xFF, 0xFE, 0, 0}), bytes.HasPrefix(head, []byte{0, 0, 0xFE, 0xFF}), bytes.HasPrefix(head, []byte{0, 0, 0}):
		return encoding{}, errUTF32
	case bytes.HasPrefix(head, []byte{0xEF, 0xBB, 0xBF}):
		return encoding{name: "UTF-8", mark: 3}, nil
	case bytes.HasPrefix(head, []byte{0xFF, 0xFE}):
		return encoding{name: "UTF-16LE", little: true, mark: 2}, nil
	case bytes.HasPrefix(head, []byte{0xFE, 0xFF}):
		return encoding{name: "UTF-16BE", mark: 2}, nil
	case len(head) > 3 && head[0] != 0 && head[1] == 0 && head[2] != 0 && head[3] == 0:
		return encoding{name: "UTF-16LE", little: true}, nil
	case len(head) > 3 && head[0] == 0 && head[1] != 0 && head[2] == 0 && head[3] != 0:
		return encoding{name: "UTF-16BE"}, nil
	}
	return encoding{name: "UTF-8"}, nil
}

// utf16Reader makes UTF-8 of UTF-16. A unit that is half of a pair becomes three bytes that are
// no UTF-8, so that what reads them finds it: replacing it would be a silent loss.
type utf16Reader struct {
	r      io.Reader
	little bool
	in     [8192]byte
	kept   int    // bytes of in that are not used yet
	out    []byte // what was decoded and not read yet
	room   []byte // where out lies
	err    error
}

func (u *utf16Reader) Read(p []byte) (int, error) {
	for len(u.out) == 0 {
		if u.err != nil {
			return 0, u.err
		}
		n, err := io.ReadFull(u.r, u.in[u.kept:])
		if errors.Is(err, io.ErrUnexpectedEOF) {
			err = io.EOF
		}
		u.err = err
		u.decode(u.kept + n)
	}
	n := copy(p, u.out)
	u.out = u.out[n:]
	return n, nil
}

// decode decodes the first n bytes of in and keeps what is no whole character yet.
func (u *utf16Reader) decode(n int) {
	u.out = u.room[:0]
	i := 0
	for ; i+1 < n; i += 2 {
		unit := u.unit(i)
		if !utf16.IsSurrogate(unit) {
			u.out = utf8.AppendRune(u.out, unit)
			continue
		}
		if i+3 >= n && u.err == nil {
			break // the other half comes with the next bytes
		}
		if i+3 < n {
			if r := utf16.DecodeRune(unit, u.unit(i+2)); r != utf8.RuneError {
				u.out = utf8.AppendRune(u.out, r)
				i += 2
				continue
			}
		}
		u.out = append(u.out, byte(0xE0|unit>>12), byte(0x80|unit>>6&0x3F), byte(0x80|unit&0x3F))
	}
	if u.err != nil && i < n {
		u.out = append(u.out, 0xC0) // half a unit at the end: no UTF-8 either
		i = n
	}
	u.room = u.out
	u.kept = copy(u.in[:], u.in[i:n])
}

func (u *utf16Reader) unit(i int) rune {
	if u.little {
		return rune(u.in[i]) | rune(u.in[i+1])<<8
	}
	return rune(u.in[i+1]) | rune(u.in[i])<<8
}
