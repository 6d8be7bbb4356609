package jsonfile

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"

	"github.com/pgrescue/pgrescue/importers"
	"github.com/pgrescue/pgrescue/recover/evidence"
)

// ErrNoList tells that a document holds no list of objects, nor an object that could be a record.
var ErrNoList = errors.New("no list of objects is in it")

// Options say how a document is read.
type Options struct {
	// Path leads to the list, or to the one object: names with dots between them, or a JSON
	// pointer. Part of a Head can stand here, too. Empty: the list is found.
	Path string
	// Encoding is that of the document, by a name that importers.ParseEncoding knows. Empty: UTF-8
	// or UTF-16, as its first bytes tell.
	Encoding string
	Trail    *evidence.Trail
}

// List is the objects of one list of a document.
type List struct {
	head        importers.Head
	options     Options
	enc         importers.Encoding
	found       *found
	array       bool
	root        bool
	request     *Request
	document    int            // its number, from 1; 0: the source is one document
	outsideGaps []evidence.Gap // of the document, beside the list
	gaps        []evidence.Gap // of the last read
}

// Head says what is known of the list.
func (l *List) Head() *importers.Head { return &l.head }

// Request is what the document says of the import that its list was sent by, or kept of; nil when
// it says nothing.
func (l *List) Request() *Request { return l.request }

// Gaps are what could not be read: of the document when it was opened, and of the list when it
// was read last.
func (l *List) Gaps() []evidence.Gap {
	return append(l.outsideGaps[:len(l.outsideGaps):len(l.outsideGaps)], l.gaps...)
}

// Open finds the lists of a source: the document itself when it is a list, or objects one after
// the other; the list that the application sent or kept; one under a name that lists have; or the one
// that options name. A source with several documents of the application has a list of each.
func Open(ctx context.Context, src *importers.Source, options Options) ([]*List, error) {
	w, file, err := document(ctx, src, options)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	c, ok := w.peek()
	if ok && c == 0x1E { // RFC 7464 puts it before each
		w.consume(1)
		c, ok = w.peek()
	}
	switch {
	case w.stopped() != nil:
		return nil, failed(src, w.stopped(), "")
	case !ok && w.damage() != nil:
		return nil, failed(src, w.damage(), "")
	case !ok:
		return nil, failed(src, noList("it is empty"), "")
	case c == '[' && options.Path == "":
		l := newList(src, options, w, &found{offset: w.offset, line: w.line})
		l.array, l.root = true, true
		err := l.found.scan(w, elements{place: src.Place(), array: true, root: true})
		if err != nil && !errors.Is(err, errCut) {
			return nil, failed(src, err, "")
		}
		l.describe()
		return []*List{l}, nil
	case c == '{' || c == '[':
		return choose(ctx, src, options, w)
	}
	return nil, failed(src, noList("it begins with neither a list nor an object"), "")
}

func newList(src *importers.Source, options Options, w *window, f *found) *List {
	l := &List{options: options, enc: w.enc, found: f, array: !f.single}
	l.head.Source = src
	return l
}

// failed is an error of opening a source. An interruption stays what it is.
func failed(src *importers.Source, cause error, hint string) error {
	if errors.Is(cause, context.Canceled) || errors.Is(cause, context.DeadlineExceeded) {
		return cause
	}
	return &evidence.Error{Op: "jsonfile: open", Place: src.Place(), Err: cause, Hint: hint}
}

func noList(why string) error { return evidence.OfKind(ErrNoList, errors.New(why)) }

// errStop ends a read whose reader has enough.
var errStop = errors.New("stopped")

// Records reads the objects of the list.
func (l *List) Records(ctx context.Context, rejects importers.Rejects) iter.Seq2[*importers.Record, error] {
	return func(yield func(*importers.Record, error) bool) {
		l.gaps = nil
		w, file, err := document(ctx, l.head.Source, l.options)
		if err != nil {
			yield(nil, err)
			return
		}
		defer func() { _ = file.Close() }()
		w.skip(l.found.offset, l.found.line)
		b := builder{names: names{list: l.found.names.list, index: l.found.names.index}, yield: yield}
		b.record.Fields = make([]importers.Field, len(l.head.Header))
		e := elements{w: w, place: l.head.Source.Place(), array: l.array, root: l.root, single: l.found.single, object: b.take, reject: rejects}
		if e.reject == nil {
			e.reject = func(*importers.Reject) error { return nil }
		}
		err = e.run()
		l.gaps = e.gaps
		if err != nil && !errors.Is(err, errStop) {
			yield(nil, err)
		}
	}
}

// builder makes records of objects.
type builder struct {
	names  names
	record importers.Record
	arena  []byte // the texts that had escapes
	yield  func(*importers.Record, error) bool
}

// errChanged tells that a source is another than when it was opened.
var errChanged = errors.New("the source has changed since it was opened: it has a name that it did not have")

// take makes a record of the object that was scanned last.
func (b *builder) take(e *elements, text []byte) error {
	r := &b.record
	clear(r.Fields)
	for i := range r.Fields {
		r.Fields[i].Kind = importers.Missing
	}
	r.Number, r.Line, r.Offset, r.Raw, r.Note = e.count, e.w.line, e.w.offset, text, ""
	b.arena, b.names.last = b.arena[:0], -1
	if need := len(text); cap(b.arena) < need {
		b.arena = make([]byte, 0, need) // so that no text moves while the record is made
	}
	s := &e.scan
	for i := range s.members {
		m := &s.members[i]
		name, err := b.text(s.buf[m.name-1:m.nameEnd+1], m.nameEscaped)
		if err != nil {
			return err
		}
		column := b.names.find(name)
		if column < 0 {
			return &evidence.Error{Op: "jsonfile: read", Place: e.place, Err: errChanged}
		}
		f := &r.Fields[column]
		if f.Kind != importers.Missing {
			r.Note = twice(r.Note, b.names.list[column])
		}
		f.Kind, f.Quoted = m.kind, m.kind == importers.Text
		switch m.kind {
		case importers.Null:
			f.Text = nil
		case importers.Text:
			f.Text, err = b.text(s.buf[m.value-1:m.valueEnd+1], m.escaped)
		default:
			f.Text = s.buf[m.value:m.valueEnd]
		}
		if err != nil {
			return err
		}
	}
	if !b.yield(r, nil) {
		return errStop
	}
	return nil
}

// text gives a text without its quotes and escapes.
func (b *builder) text(quoted []byte, escaped bool) ([]byte, error) {
	if !escaped {
		return quoted[1 : len(quoted)-1], nil
	}
	start := len(b.arena)
	var err error
	if b.arena, err = unquoted(b.arena, quoted, true); err != nil {
		return nil, err
	}
	return b.arena[start:len(b.arena):len(b.arena)], nil
}

// twice says that a record has a name more than once.
func twice(note, name string) string {
	more := fmt.Sprintf("%q stands more than once in it, and the last one is taken", name)
	switch {
	case note == "":
		return more
	case strings.Contains(note, more):
		return note
	}
	return note + "; " + more
}
