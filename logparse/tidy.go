package logparse

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"unicode/utf8"

	"github.com/pgrescue/pgrescue/recover/evidence"
)

// Characters that come into a log when somebody pastes it out of a browser or a chat.
var (
	wordJoiner = []byte("\u2060")
	zeroSpace  = []byte("\u200B")
	orderMark  = []byte("\uFEFF")
	noBreak    = []byte("\u00A0")
)

// pastedAt is the length of such a character at the beginning of text, and whether it stands for a space; 0: none is there.
func pastedAt(text []byte) (length int, space bool) {
	switch {
	case len(text) < 2 || text[0] < 0xC2:
	case bytes.HasPrefix(text, noBreak):
		return len(noBreak), true
	case bytes.HasPrefix(text, wordJoiner), bytes.HasPrefix(text, zeroSpace), bytes.HasPrefix(text, orderMark):
		return len(wordJoiner), false
	}
	return 0, false
}

// Plain appends text without the characters of no width that pasting puts in (U+2060, U+200B, U+FEFF),
// and with a space for each no-break space. Lines have that done where they begin; what stands
// further on may belong to a value, so that only who knows the format can take it off.
func Plain(dst, text []byte) []byte {
	for len(text) > 0 {
		n, space := pastedAt(text)
		switch {
		case space:
			dst = append(dst, ' ')
		case n == 0:
			dst = append(dst, text[0])
			n = 1
		}
		text = text[n:]
	}
	return dst
}

// headSize is how far into a line pasted characters are taken off: stamp, logger and level.
const headSize = 64

// tidy takes colours off, and pasted characters from the beginning of a line. It reports whether it
// changed anything; the text stays as it was then, and the result is another one.
func tidy(text []byte) (tidied []byte, changed bool) {
	if bytes.IndexByte(text, 0x1B) >= 0 {
		text, changed = uncolour(make([]byte, 0, len(text)), text)
	}
	if !pastedWithin(text) {
		return text, changed
	}
	head := min(len(text), headSize)
	for head < len(text) && !utf8.RuneStart(text[head]) {
		head++
	}
	plain := Plain(make([]byte, 0, len(text)), text[:head])
	if begin := bytes.TrimLeft(plain, " ["); !begins(begin) {
		plain = Plain(plain[:0], text[:leading(text)])
		head = leading(text)
		if head == 0 {
			return text, changed
		}
	}
	return append(plain, text[head:]...), true
}

// pastedWithin reports whether a pasted character stands near the beginning of a line. A line of
// PostgreSQL's that goes on after a tab has no beginning of its own.
func pastedWithin(text []byte) bool {
	if len(text) == 0 || text[0] == '\t' {
		return false
	}
	head := text[:min(len(text), headSize)]
	for at := firstOdd(head); at < len(head); at += 1 + firstOdd(head[at+1:]) {
		if n, _ := pastedAt(text[at:]); n > 0 {
			return true
		}
	}
	return false
}

// leading is the length of the spaces and pasted characters that a line begins with.
func leading(text []byte) int {
	at := 0
	for at < len(text) {
		n, _ := pastedAt(text[at:])
		if n == 0 && text[at] == ' ' {
			n = 1
		}
		if n == 0 {
			break
		}
		at += n
	}
	return at
}

// begins reports whether a log's line begins so: with a stamp, or with a level.
func begins(text []byte) bool {
	if _, n := ParseStamp(text); n > 0 {
		return true
	}
	for _, level := range []string{"DEBUG", "INFO", "LOG", "WARN", "ERROR", "CRITICAL", "FATAL"} {
		if bytes.HasPrefix(text, []byte(level)) {
			return true
		}
	}
	return false
}

// uncolour appends text without the sequences that set colours (ESC [ … m) and clear lines (ESC [ … K).
func uncolour(dst, text []byte) ([]byte, bool) {
	changed := false
	for {
		i := bytes.IndexByte(text, 0x1B)
		if i < 0 {
			return append(dst, text...), changed
		}
		dst = append(dst, text[:i]...)
		text = text[i:]
		n := 0
		if len(text) > 1 && text[1] == '[' {
			n = 2
			for n < len(text) && (isDigit(text[n]) || text[n] == ';' || text[n] == ':') {
				n++
			}
			if n < len(text) && (text[n] == 'm' || text[n] == 'K') {
				n++
			} else {
				n = 0
			}
		}
		if changed = changed || n > 0; n == 0 {
			dst, n = append(dst, text[0]), 1
		}
		text = text[n:]
	}
}

// garbage is a stretch of bytes that are no text.
type garbage struct {
	line, offset int64 // where it begins
	bytes        int64
}

// leastPiece is how long a text beside garbage must be to count as a line.
const leastPiece = 12

// control reports whether no text has the byte.
func control(c byte) bool {
	return c < 0x20 && (c < '\b' || c > '\r') && c != 0x1B || c == 0x7F
}

// noText reports whether a line is no text: zero bytes, or too many that no text has. The encoding
// does not matter: a Russian text in Windows-1251 is no UTF-8 at all, and yet has none of them.
func noText(text []byte) bool {
	controls := 0
	for _, c := range text[firstControl(text):] {
		if c == 0 {
			return true
		}
		if control(c) {
			controls++
		}
	}
	return controls > 1 && controls*20 > len(text)
}

// surelyText reports whether a line is text even behind garbage, where a few bytes may look so by chance.
func surelyText(text []byte) bool {
	if len(text) < leastPiece {
		return false
	}
	for _, c := range text[firstControl(text):] {
		if control(c) {
			return false
		}
	}
	return valid(text) || begins(text)
}

// firstControl finds a place before which no text has a control character, of any kind.
func firstControl(text []byte) int {
	const high, spaces = 0x8080808080808080, 0x2020202020202020
	i := 0
	for ; i+8 <= len(text); i += 8 {
		if w := binary.LittleEndian.Uint64(text[i:]); (w-spaces)&^w&high != 0 {
			break
		}
	}
	return i
}

// valid reports whether a text is UTF-8. Most of it is ASCII.
func valid(text []byte) bool {
	for at := firstOdd(text); at < len(text); at += firstOdd(text[at:]) {
		if text[at] < utf8.RuneSelf {
			at++
			continue
		}
		r, size := utf8.DecodeRune(text[at:])
		if r == utf8.RuneError && size < 2 {
			return false
		}
		at += size
	}
	return true
}

// pieces gives what is text before and behind the garbage of a line; either may be empty.
func pieces(text []byte) (before, behind []byte) {
	first, last := -1, -1
	for i, c := range text {
		if control(c) {
			if last = i; first < 0 {
				first = i
			}
		}
	}
	if first < 0 {
		return nil, nil // what surelyText refuses
	}
	before, behind = text[:first], text[last+1:]
	if len(before) < leastPiece || !utf8.Valid(before) {
		before = nil
	}
	if len(behind) < leastPiece || !utf8.Valid(behind) {
		behind = nil
	}
	return before, behind
}

// skip notes garbage of the current line.
func (r *reader) skip(n int64) {
	if n <= 0 {
		return
	}
	if r.garbage.bytes == 0 {
		r.garbage.line, r.garbage.offset = r.line.Number, r.line.Offset
	}
	r.garbage.bytes += n
}

// endGarbage makes a gap of the garbage up to here.
func (r *reader) endGarbage() {
	if r.garbage.bytes == 0 {
		return
	}
	r.gap(r.garbage.line, evidence.Gap{
		What: fmt.Sprintf("%s from offset %d on", plural(int(r.garbage.bytes), "byte", "bytes"), r.garbage.offset),
		Why:  "they are no text", Consequence: "entries may lack here, or be cut",
	})
	r.garbage = garbage{}
}

// gap notes what could not be read of the current file.
func (r *reader) gap(line int64, g evidence.Gap) {
	if r.sampling {
		return
	}
	g.Where = fmt.Sprintf("%s:%d", r.source.files[r.line.File].name(), line)
	r.source.gap(g)
}
