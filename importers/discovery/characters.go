package discovery

import (
	"bytes"
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// Python escapes what is not ASCII. A column of type json keeps that; one of type jsonb keeps characters alone, and
// a database whose encoding is not UTF8 refuses escapes there where it takes the characters themselves.

// appendCharacters appends a JSON text with the characters that its escapes stand for. Escapes of ASCII stay, and
// so does half of a surrogate pair: it stands for none.
func appendCharacters(dst, text []byte) []byte {
	for {
		at, size, r := nextEscape(text)
		dst = append(dst, text[:at]...)
		if size == 0 {
			return dst
		}
		dst = utf8.AppendRune(dst, r)
		text = text[at+size:]
	}
}

// nextEscape finds the first escape of a character beyond ASCII, and its length; 0: there is none.
func nextEscape(text []byte) (at, size int, r rune) {
	for {
		next := bytes.IndexByte(text[at:], '\\')
		if next < 0 {
			return len(text), 0, 0
		}
		at += next
		if r, size = escapeOf(text[at:]); r >= utf8.RuneSelf {
			return at, size, r
		}
		at += size
	}
}

// escapeOf is the escape that a text begins with: how long it is, and the character, if it is beyond ASCII.
func escapeOf(text []byte) (r rune, size int) {
	const unit, pair = len(`\u0000`), 2 * len(`\u0000`)
	r, ok := unitOf(text)
	switch {
	case !ok:
		return 0, min(len(`\n`), len(text))
	case !utf16.IsSurrogate(r):
		return r, unit
	}
	if low, ok := unitOf(text[unit:]); ok {
		if r = utf16.DecodeRune(r, low); r != utf8.RuneError {
			return r, pair
		}
	}
	return 0, unit
}

// unitOf is the 16 bits of an escape.
func unitOf(text []byte) (rune, bool) {
	if len(text) < len(`\u0000`) || text[0] != '\\' || text[1] != 'u' {
		return 0, false
	}
	u, err := strconv.ParseUint(string(text[2:6]), 16, 16)
	return rune(u), err == nil
}

// meet remembers the characters of a record's JSON, where the target may have no place for some.
func (im *Import) meet(raw []byte) {
	if im.opts.Holds == nil {
		return
	}
	for {
		at, size, r := nextEscape(raw)
		if size == 0 {
			return
		}
		im.met[r] = struct{}{}
		raw = raw[at+size:]
	}
}

// decideCharacters leaves out of the states of the flows what the target has no place for: a flow that it refuses
// would keep the whole import out.
func (im *Import) decideCharacters(ctx context.Context) error {
	if im.opts.Holds == nil {
		return nil
	}
	holds, err := im.opts.Holds(ctx, string(slices.Sorted(maps.Keys(im.met))))
	if err != nil {
		return err
	}
	if im.stateful && !holds {
		im.stateful = false
		im.note("the states of the flows get no copy of the rows: the database's encoding has no place for some of their characters")
	}
	if holds, err = im.opts.Holds(ctx, strings.Join(im.names, "")); err == nil && !holds {
		im.nameless = true
		im.note("the state of the flow does not list the columns: the database's encoding has no place for some of their characters")
	}
	return err
}
