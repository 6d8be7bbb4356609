package jsonfile

import (
	"bytes"
	"fmt"
	"io"
	"unicode/utf8"

	"github.com/pgrescue/pgrescue/importers"
	"github.com/pgrescue/pgrescue/recover/evidence"
)

// keptOfLong is how much is kept of the text of an element that is longer than a window.
const keptOfLong = 4096

// notUTF8 is what a record cannot hold, in no column.
const notUTF8 = "bytes that are no UTF-8"

// elements goes through the values of a list, or of a sequence of values, one by one. It is where
// the list, or the sequence, begins.
type elements struct {
	w      *window
	place  string // of the source, for gaps
	array  bool   // a list in brackets; otherwise values one after the other
	root   bool   // the list is a document of its own: others may follow
	single bool   // only one
	scan   scan
	object func(e *elements, text []byte) error // an object: scan has its members
	reject func(*importers.Reject) error
	notes  notes
	gaps   []evidence.Gap
	count  int64 // objects so far
}

// notes counts what a person should know of how the list is written.
type notes struct {
	missingCommas, extraCommas, lists int64
}

// run goes through all of them. It ends without an error at the list's end, and where the
// document is cut or damaged for good, which is a gap then.
func (e *elements) run() error {
	if e.array {
		e.w.consume(1)
		e.notes.lists++
	}
	for first := true; ; first = false {
		c, ok := e.separator(first)
		switch {
		case !ok:
			return e.ended()
		case e.array && c == ']':
			e.w.consume(1)
			if !e.root || !e.follows() {
				return e.w.stopped()
			}
			first = true
		default:
			if err := e.element(c); err != nil || e.single {
				return err
			}
		}
	}
}

// separator passes what stands between two values, and returns what the next begins with.
func (e *elements) separator(first bool) (byte, bool) {
	commas := int64(0)
	c, ok := e.w.peek()
	for ok && (c == ',' || !e.array && c == 0x1E) { // RFC 7464 separates by 0x1E
		if c == ',' {
			commas++
		}
		e.w.consume(1)
		c, ok = e.w.peek()
	}
	switch {
	case !ok || !e.array:
		e.notes.extraCommas += commas
	case first || c == ']':
		e.notes.extraCommas += commas
	case commas == 0:
		e.notes.missingCommas++
	default:
		e.notes.extraCommas += commas - 1
	}
	return c, ok
}

// follows goes on to a list that stands behind the end of one that is a document of its own.
func (e *elements) follows() bool {
	c, ok := e.separator(true)
	switch {
	case !ok && e.w.damage() != nil:
		e.gap("the rest of the document", e.w.damage().Error())
	case ok && c != '[':
		e.gap("what stands behind the end of the list", "it is no other list")
	case ok:
		e.w.consume(1)
		e.notes.lists++
		return true
	}
	return false
}

// ended says what the end of the document means here.
func (e *elements) ended() error {
	if err := e.w.stopped(); err != nil {
		return err
	}
	switch damage := e.w.damage(); {
	case damage != nil:
		e.gap("the rest of the document", damage.Error())
	case e.array:
		e.gap("the end of the list", "the document ends before it")
	}
	return nil
}

// gap notes what could not be read from here on.
func (e *elements) gap(what, why string) {
	e.gaps = append(e.gaps, evidence.Gap{
		Where: fmt.Sprintf("%s line %d, byte %d", e.place, e.w.line, e.w.offset), What: what, Why: why,
		Consequence: fmt.Sprintf("the %d complete objects before it are kept", e.count),
	})
}

// element takes the value that begins with c.
func (e *elements) element(c byte) error {
	for {
		e.scan.begin(e.w.rest(), e.w.err != nil)
		end, st := e.value(c)
		switch st {
		case whole:
			return e.take(c, end)
		case bad:
			return e.broken(e.scan.why, e.scan.at)
		}
		if e.w.fill() {
			continue
		}
		if err := e.w.stopped(); err != nil {
			return err
		}
		if e.w.full() {
			return e.broken(fmt.Sprintf("longer than %d bytes", e.w.limit), 0)
		}
		return e.cut()
	}
}

func (e *elements) value(c byte) (int, status) {
	if c == '{' {
		return e.scan.object(0)
	}
	end, _, st := e.scan.any(0)
	return end, st
}

// take hands over a value that is JSON.
func (e *elements) take(c byte, end int) error {
	text := e.w.rest()[:end]
	if c == '{' && e.scan.high&highs != 0 && e.scan.cannot == "" && !utf8.Valid(text) {
		e.scan.refuse(importers.FirstInvalid(text), notUTF8)
	}
	var err error
	switch {
	case c != '{':
		err = e.refused(text, "not an object", "")
	case e.scan.cannot != "":
		err = e.refused(text, fmt.Sprintf("%s, at byte %d", e.scan.cannot, e.w.at(e.scan.at)), e.within(e.scan.at))
	default:
		e.count++
		err = e.object(e, text)
	}
	e.w.consume(end)
	return err
}

// within names the member in which a place of the element lies.
func (e *elements) within(at int) string {
	for i := range e.scan.members {
		if m := &e.scan.members[i]; at <= m.valueEnd {
			name, err := unquoted(nil, e.scan.buf[m.name-1:m.nameEnd+1], m.nameEscaped)
			if err != nil {
				name = e.scan.buf[m.name:m.nameEnd]
			}
			return string(bytes.ToValidUTF8(name, []byte("\uFFFD")))
		}
	}
	return ""
}

// refused gives a value to the rejects.
func (e *elements) refused(text []byte, reason, column string) error {
	return e.reject(&importers.Reject{
		Line: e.w.line, Offset: e.w.offset, Column: column, Reason: reason, Text: bytes.TrimRight(text, " \t\r\n"),
	})
}

// broken passes an element that is no JSON, or that is longer than a window.
func (e *elements) broken(why string, at int) error {
	l := lost{array: e.array, indent: e.w.indent(), from: int64(at), match: -1}
	reject := importers.Reject{Line: e.w.line, Offset: e.w.offset}
	reject.Reason = fmt.Sprintf("%s, at byte %d", why, e.w.at(at))
	fed := 0
	for {
		n, done := l.feed(e.w.rest()[fed:])
		if fed += n; done {
			break
		}
		if e.w.fill() {
			continue
		}
		if err := e.w.stopped(); err != nil {
			return err
		}
		if e.w.full() {
			return e.long(&l, &reject)
		}
		e.gap("the rest of the list", "the element that begins here is damaged and has no end: "+why)
		e.end()
		break
	}
	fed = max(fed, 1)
	reject.Text = bytes.TrimRight(e.w.rest()[:fed], " \t\r\n")
	err := e.reject(&reject)
	e.w.consume(fed)
	return err
}

// long passes an element that is longer than a window, and keeps only its beginning.
func (e *elements) long(l *lost, reject *importers.Reject) error {
	kept := keptOfLong
	for !utf8.RuneStart(e.w.rest()[kept]) && kept > keptOfLong-utf8.UTFMax {
		kept--
	}
	reject.Text = bytes.Clone(e.w.rest()[:kept])
	reject.Reason += fmt.Sprintf("; only its first %d bytes are kept here", kept)
	start := e.w.offset
	e.w.consume(len(e.w.rest()))
	for e.w.fill() {
		n, done := l.feed(e.w.rest())
		e.w.consume(n)
		if done {
			return e.reject(reject)
		}
	}
	if err := e.w.stopped(); err != nil {
		return err
	}
	e.gap("the rest of the list", fmt.Sprintf("the element that begins at byte %d has no end", start))
	e.end()
	return e.reject(reject)
}

// cut ends at an element that the end of the document cuts.
func (e *elements) cut() error {
	why := "the document ends in it"
	if damage := e.w.damage(); damage != nil {
		why = damage.Error()
	}
	e.gap("the element that begins here", why)
	text := e.w.rest()
	err := e.refused(text, "cut: "+why, "")
	e.w.consume(len(text))
	e.end()
	return err
}

// end ends the list where the document does: a gap said already what there is to say.
func (e *elements) end() { e.array, e.w.err = false, io.EOF }
