package logparse

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"unicode/utf8"
)

// blockSize is how much is read at once.
const blockSize = 256 << 10

// feed cuts bytes into lines, in a buffer of its own.
type feed struct {
	r        io.Reader
	buf      []byte
	at, end  int   // of buf: what has not been handed out
	oddAt    int   // the first byte in buf[at:end] that is not plain, or end
	wide     bool  // the file has two bytes for each UTF-16 unit of what is read
	position int64 // of buf[at] in the file
	offset   int64 // of the line that was handed out last
	dropped  int64 // how many of its bytes are not there
	marks    Marks // of that line
	err      error // why there are no more bytes; io.EOF where they end as they should
}

// open begins a file.
func (f *feed) open(r io.Reader, wide bool) {
	if f.buf == nil || len(f.buf) > 4*blockSize {
		f.buf = make([]byte, blockSize)
	}
	*f = feed{r: r, buf: f.buf, wide: wide}
}

// pass counts bytes that have been handed out or passed over.
func (f *feed) pass(text []byte) {
	if f.wide {
		f.position += 2 * utf16Units(text)
		return
	}
	f.position += int64(len(text))
}

// next hands out a line without its end; odd tells that it needs a closer look.
func (f *feed) next() (text []byte, odd, ok bool) {
	i := bytes.IndexByte(f.buf[f.at:f.end], '\n')
	if i < 0 {
		return f.long()
	}
	begin, stop := f.at, f.at+i
	f.offset = f.position
	f.pass(f.buf[begin : stop+1])
	f.at = stop + 1
	if f.oddAt < stop {
		odd = true
		f.oddAt = f.at + firstOdd(f.buf[f.at:f.end])
		f.marks, f.dropped = 0, 0
	}
	if stop > begin && f.buf[stop-1] == '\r' {
		stop--
	}
	return f.buf[begin:stop], odd, true
}

// long reads on until the line ends, the log ends or the line is longer than MaxLine.
func (f *feed) long() (text []byte, odd, ok bool) {
	for searched := f.end - f.at; ; {
		if f.end-f.at > MaxLine {
			return f.cut()
		}
		if !f.fill() {
			break
		}
		if i := bytes.IndexByte(f.buf[f.at+searched:f.end], '\n'); i >= 0 {
			return f.next()
		}
		searched = f.end - f.at
	}
	if f.at == f.end {
		return nil, false, false
	}
	text = f.buf[f.at:f.end]
	f.offset, f.marks, f.dropped = f.position, Unended, 0
	f.pass(text)
	f.at = f.end
	return bytes.TrimSuffix(text, []byte{'\r'}), true, true
}

// cut hands out the first MaxLine bytes of a line, and passes over the rest.
func (f *feed) cut() (text []byte, odd, ok bool) {
	head := f.buf[f.at : f.at+MaxLine : f.at+MaxLine]
	rest := f.buf[f.at+MaxLine : f.end] // at most a block: see fill
	f.offset, f.marks, f.dropped = f.position, Cut, 0
	f.pass(head)
	f.buf = make([]byte, blockSize)
	f.at, f.end, f.oddAt = 0, copy(f.buf, rest), 0
	for {
		n := bytes.IndexByte(f.buf[f.at:f.end], '\n')
		ended := n >= 0
		if !ended {
			n = f.end - f.at
		}
		f.dropped += int64(n)
		f.pass(f.buf[f.at : f.at+n])
		f.at += n
		if ended {
			f.pass(f.buf[f.at : f.at+1])
			f.at++
			break
		}
		if f.oddAt = f.end; !f.fill() {
			f.marks |= Unended
			break
		}
	}
	f.oddAt = f.at + firstOdd(f.buf[f.at:f.end])
	return head, true, true
}

// fill reads more bytes behind those that are there. It reports whether some came.
func (f *feed) fill() bool {
	if f.err != nil {
		return false
	}
	if f.at > 0 {
		copy(f.buf, f.buf[f.at:f.end])
		f.oddAt, f.end, f.at = f.oddAt-f.at, f.end-f.at, 0
	}
	if f.end == len(f.buf) {
		f.buf = append(f.buf, make([]byte, min(len(f.buf), MaxLine+blockSize-len(f.buf)))...)
	}
	for range 100 { // a reader may return nothing now and then
		n, err := f.r.Read(f.buf[f.end:])
		if n > 0 {
			if f.oddAt == f.end {
				f.oddAt += firstOdd(f.buf[f.end : f.end+n])
			}
			f.end += n
			f.err = err
			return true
		}
		if err != nil {
			f.err = err
			return false
		}
	}
	f.err = io.ErrNoProgress
	return false
}

// damage is why the file could not be read to its end, or nil.
func (f *feed) damage() error {
	if errors.Is(f.err, io.EOF) {
		return nil
	}
	return f.err
}

// firstOdd finds the first byte that is zero, an escape or not ASCII, or len(b). It looks at a stretch at a time,
// as who asks wants to know of the next line, and asks again behind it.
func firstOdd(b []byte) int {
	const stretch = 512
	at := 0
	for ; at+stretch <= len(b); at += stretch {
		if i := oddWithin(b[at : at+stretch]); i < stretch {
			return at + i
		}
	}
	return at + oddWithin(b[at:])
}

func oddWithin(b []byte) int {
	const high = 0x8080808080808080
	if i := bytes.IndexByte(b, 0); i >= 0 {
		b = b[:i]
	}
	if i := bytes.IndexByte(b, 0x1B); i >= 0 {
		b = b[:i]
	}
	i := 0
	for ; i+32 <= len(b); i += 32 {
		c := b[i : i+32]
		if (binary.LittleEndian.Uint64(c)|binary.LittleEndian.Uint64(c[8:])|binary.LittleEndian.Uint64(c[16:])|binary.LittleEndian.Uint64(c[24:]))&high != 0 {
			break
		}
	}
	for ; i < len(b); i++ {
		if b[i] >= utf8.RuneSelf {
			return i
		}
	}
	return i
}
