package jsonfile

import (
	"bytes"
	"context"
	"errors"
	"io"
	"unicode/utf8"

	"github.com/pgrescue/pgrescue/importers"
)

// Sizes of a window. An element that does not fit into the largest is no record.
const (
	firstWindow = 1 << 20
	lastWindow  = 64 << 20
)

// window is the part of a document that is in memory, as UTF-8. What is consumed makes room for more.
type window struct {
	ctx    context.Context
	r      io.Reader
	enc    importers.Encoding
	buf    []byte
	pos    int   // where the unconsumed part begins
	limit  int   // of len(buf)
	line   int64 // of pos, from 1
	offset int64 // of pos in the source, in its own encoding
	fresh  int   // where the line of pos begins in buf; -1: not in buf
	err    error // why there is no more: io.EOF, or what is wrong
}

// newWindow reads the text r, whose encoding is enc, from behind a byte order mark of so many bytes.
func newWindow(ctx context.Context, r io.Reader, enc importers.Encoding, mark int64) *window {
	return &window{ctx: ctx, r: r, enc: enc, limit: lastWindow, line: 1, offset: mark, buf: make([]byte, 0, firstWindow)}
}

// rest is what is unconsumed and in memory.
func (w *window) rest() []byte { return w.buf[w.pos:] }

// fill reads more. It reports false when there is no more, or when the window is full.
func (w *window) fill() bool {
	if w.err != nil {
		return false
	}
	if err := w.ctx.Err(); err != nil {
		w.err = err
		return false
	}
	if w.pos > 0 && (w.pos == len(w.buf) || len(w.buf) == cap(w.buf)) {
		n := copy(w.buf, w.rest())
		w.buf, w.fresh = w.buf[:n], w.fresh-w.pos
		w.pos = 0
	}
	if len(w.buf) == cap(w.buf) {
		if cap(w.buf) >= w.limit {
			return false
		}
		w.buf = append(make([]byte, 0, min(2*cap(w.buf), w.limit)), w.buf...)
	}
	before := len(w.buf)
	for idle := 0; w.err == nil && len(w.buf) < cap(w.buf); idle++ {
		n, err := w.r.Read(w.buf[len(w.buf):cap(w.buf)])
		w.buf = w.buf[:len(w.buf)+n]
		if w.err = err; n > 0 {
			idle = 0
		} else if err == nil && idle == 100 {
			w.err = io.ErrNoProgress
		}
	}
	return len(w.buf) > before
}

// full tells that fill gave up because of the limit.
func (w *window) full() bool { return w.err == nil }

// damage is why reading ended before the end of the source; nil when it did not.
func (w *window) damage() error {
	if errors.Is(w.err, io.EOF) {
		return nil
	}
	return w.err
}

// stopped is why reading must not go on: a person ended it, or the content has no end that anybody
// could wait for.
func (w *window) stopped() error {
	if err := w.ctx.Err(); err != nil {
		return err
	}
	if errors.Is(w.err, importers.ErrBomb) {
		return w.err
	}
	return nil
}

// at is the offset in the source of a place in the unconsumed part.
func (w *window) at(i int) int64 { return w.offset + w.enc.Width(w.rest()[:i]) }

// consume passes n bytes.
func (w *window) consume(n int) {
	passed := w.buf[w.pos : w.pos+n]
	if newlines := bytes.Count(passed, []byte{'\n'}); newlines > 0 {
		w.line += int64(newlines)
		w.fresh = w.pos + bytes.LastIndexByte(passed, '\n') + 1
	}
	w.offset += w.enc.Width(passed)
	w.pos += n
}

// peek passes white space and returns the byte behind it; false at the end.
func (w *window) peek() (byte, bool) {
	for {
		i := w.pos
		for i < len(w.buf) {
			switch w.buf[i] {
			case ' ', '\n', '\r', '\t':
				i++
				continue
			}
			break
		}
		w.consume(i - w.pos)
		if w.pos < len(w.buf) {
			return w.buf[w.pos], true
		}
		if !w.fill() {
			return 0, false
		}
	}
}

// indent is the white space before pos on its line; nil when something else stands there.
func (w *window) indent() []byte {
	if w.fresh < 0 || w.fresh > w.pos {
		return nil
	}
	before := w.buf[w.fresh:w.pos]
	if len(bytes.TrimLeft(before, " \t\r")) > 0 || len(before) > 256 {
		return nil
	}
	return append(make([]byte, 0, len(before)+1), before...)
}

// skip passes bytes up to an offset of the source, where a line is known to be.
func (w *window) skip(offset, line int64) {
	for w.offset < offset {
		if w.pos == len(w.buf) && !w.fill() {
			return
		}
		rest := w.rest()
		n := int(min(int64(len(rest)), offset-w.offset))
		if w.enc != importers.UTF8 {
			n = 0
			for at := w.offset; n < len(rest) && at < offset; {
				_, size := utf8.DecodeRune(rest[n:])
				at += w.enc.Width(rest[n : n+size])
				n += size
			}
		}
		w.consume(n)
	}
	w.line = line
}
