package applog

import (
	"github.com/pgrescue/pgrescue/logparse"
)

// maxMessage is how many bytes of a message are kept.
const maxMessage = 32 << 20

// textFramer makes entries of text whose heads have some shapes.
type textFramer struct {
	shapes []*Shape
	head   head
	names  logparse.Names
	opened []*opened // by stream, so that a traceback on stderr is not torn by lines on stdout
}

// opened is an entry that may go on.
type opened struct {
	stream  string
	entry   logparse.Entry
	message []byte
	fields  []logparse.Field
	room    []byte
	rest    continuation
	held    int // blank lines that are part of it only when something follows
}

func newTextFramer(shapes []*Shape) *textFramer {
	return &textFramer{shapes: shapes}
}

// Frame takes the next line.
func (f *textFramer) Frame(line *logparse.Line, out func(*logparse.Entry) error) error {
	o := f.of(line.Outer.Stream)
	for _, shape := range f.shapes {
		if shape.parse(&f.head, line.Text) {
			if err := o.end(out); err != nil {
				return err
			}
			o.start(line, f.head.message)
			f.fill(o)
			o.rest.begin(f.head.message)
			return nil
		}
	}
	return o.more(line, out)
}

// Holds reports whether a line is of the traceback that is open, or of what SQLAlchemy and libpq put behind an error.
func (f *textFramer) Holds(line *logparse.Line) bool {
	o := f.of(line.Outer.Stream)
	return o.entry.Lines > 0 && o.rest.holds(line.Text)
}

// fill takes what stands in the head.
func (f *textFramer) fill(o *opened) {
	h := &f.head
	e := &o.entry
	e.Stamp, e.Severity, e.Logger, e.PID = h.stamp, f.names.Of(h.level), f.names.Of(h.logger), h.process
	o.keep(h.fields)
	if access(&o.entry, o.message, &o.fields) {
		o.entry.Fields = o.fields
	}
}

// of finds the entry of a stream. There are two, and what a hostile transport makes up shares the last one.
func (f *textFramer) of(stream string) *opened {
	for _, o := range f.opened {
		if o.stream == stream {
			return o
		}
	}
	const most = 4
	if len(f.opened) == most {
		return f.opened[most-1]
	}
	o := &opened{stream: stream}
	f.opened = append(f.opened, o)
	return o
}

// Flush hands out what the end of the log has completed.
func (f *textFramer) Flush(out func(*logparse.Entry) error) error {
	for _, o := range f.opened {
		if err := o.end(out); err != nil {
			return err
		}
	}
	return nil
}

// start begins an entry.
func (o *opened) start(line *logparse.Line, message []byte) {
	o.entry = logparse.Entry{Place: line.Place(1), Outer: line.Outer}
	o.message, o.fields, o.room, o.held = append(o.message[:0], message...), o.fields[:0], o.room[:0], 0
	o.rest = continuation{}
	o.mark(line)
}

// mark takes over what must be known of a line.
func (o *opened) mark(line *logparse.Line) {
	o.entry.Marks |= line.Marks
	if line.Marks.Partial() {
		o.entry.Partial = true
	}
}

// keep copies fields, whose texts are valid until the next line.
func (o *opened) keep(fields []logparse.Field) {
	for _, field := range fields {
		begin := len(o.room)
		o.room = append(o.room, field.Text...)
		field.Text = o.room[begin:len(o.room):len(o.room)]
		o.fields = append(o.fields, field)
	}
	o.entry.Fields = o.fields
}

// more takes a line without a head: it goes on with the entry, or is loose.
func (o *opened) more(line *logparse.Line, out func(*logparse.Entry) error) error {
	text := line.Text
	if len(text) == 0 {
		if o.entry.Lines > 0 {
			o.held++
			o.rest.blank = true
		}
		return nil
	}
	if o.entry.Lines == 0 || !o.rest.goesOn(text) {
		if err := o.end(out); err != nil {
			return err
		}
		o.start(line, text)
		o.rest.note(text)
		return nil
	}
	for range o.held {
		o.append(nil)
	}
	o.held = 0
	o.append(text)
	o.mark(line)
	return nil
}

// append adds a line to the message.
func (o *opened) append(text []byte) {
	o.entry.Lines++
	if len(o.message)+1+len(text) > maxMessage {
		o.entry.Partial = true
		return
	}
	o.message = append(append(o.message, '\n'), text...)
}

// end hands out the entry.
func (o *opened) end(out func(*logparse.Entry) error) error {
	if o.entry.Lines == 0 {
		return nil
	}
	o.entry.Message = o.message
	err := out(&o.entry)
	o.entry = logparse.Entry{}
	return err
}
