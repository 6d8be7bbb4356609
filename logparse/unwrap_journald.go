package logparse

import (
	"bytes"
	"time"

	"github.com/pgrescue/pgrescue/recover/evidence"
)

// journald reads journalctl -o json: an object a record. A field with bytes that are no text is a list
// of their numbers, one that is too large for journalctl is null, and one with several values is a list of them.
type journald struct {
	joiner
	reader  *reader
	names   Names
	scratch []byte // the message
	piece   Line
	quoted  []byte // room for a string with escapes
}

func (j *journald) unwrap(line *Line, out func(*Line) bool) bool {
	record := journalRecord{}
	if !record.read(bytes.TrimPrefix(line.Text, []byte{0x1E})) { // of -o json-seq
		line.Marks |= Bare
		return out(line)
	}
	outer := &line.Outer
	outer.Stamp, outer.Priority, outer.PID = record.stamp, record.priority, record.pid
	outer.Container = j.names.Of(record.name())
	if string(record.message) == "null" {
		j.reader.gap(line.Number, evidence.Gap{What: "a message", Why: "journalctl left it out because it is too long", Consequence: "journalctl --all writes it"})
		line.Text, line.Length = nil, 0
		line.Marks |= Cut
		return out(line)
	}
	if record.torn {
		line.Marks |= Torn
	}
	text, marks := j.field(j.scratch[:0], &record.messageAt, record.message, 0)
	j.scratch = text
	line.Marks |= marks
	return j.lines(line, !record.partial, out)
}

// lines hands on each line of a message.
func (j *journald) lines(line *Line, whole bool, out func(*Line) bool) bool {
	text := bytes.TrimSuffix(j.scratch, newline)
	for {
		first, rest, several := bytes.Cut(text, newline)
		j.piece = *line
		j.piece.Text, j.piece.Length = first, int64(len(first))
		if !j.add(&j.piece, whole || several, out) {
			return false
		}
		if !several {
			return true
		}
		text = rest
	}
}

// field appends the text of a field; of several values, with a newline between them.
func (j *journald) field(dst []byte, in *object, value []byte, depth int) (text []byte, marks Marks) {
	if len(value) == 0 || value[0] != '[' || depth > 1 {
		text, replaced := in.unquote(&j.quoted, value)
		if replaced {
			marks = Replaced
		}
		return append(dst, text...), marks
	}
	items := object{text: value, at: 1, ok: true}
	for values := 0; ; values++ {
		items.space()
		item := items.value()
		if !items.ok || item[0] == ']' {
			return dst, marks
		}
		if isDigit(item[0]) {
			dst = append(dst, byte(number(item)))
		} else {
			if values > 0 {
				dst = append(dst, '\n')
			}
			var more Marks
			dst, more = j.field(dst, &items, item, depth+1)
			marks |= more
		}
		items.space()
		items.take(',')
	}
}

// journalRecord is what is wanted of a record.
type journalRecord struct {
	message                           []byte
	messageAt                         object // where the walk had come to
	container, identifier, comm, unit []byte
	stamp                             Stamp
	priority                          int8
	pid                               int64
	partial, torn                     bool
}

// read takes a record's fields; it reports whether this is one.
func (j *journalRecord) read(text []byte) bool {
	o := newObject(text)
	source := false
	for name, value, more := o.next(); more; name, value, more = o.next() {
		switch string(name) {
		case "MESSAGE":
			j.message, j.messageAt = value, o
		case "CONTAINER_NAME":
			j.container = value
		case "SYSLOG_IDENTIFIER":
			j.identifier = value
		case "_COMM":
			j.comm = value
		case "_SYSTEMD_UNIT":
			j.unit = value
		case "CONTAINER_PARTIAL_MESSAGE":
			j.partial = string(value) == `"true"`
		case "PRIORITY":
			j.priority = int8(number(value)&7) + 1
		case "_PID":
			j.pid = number(value)
		case "_SOURCE_REALTIME_TIMESTAMP":
			j.stamp, source = microseconds(value), true
		case "__REALTIME_TIMESTAMP":
			if !source {
				j.stamp = microseconds(value)
			}
		}
	}
	j.torn = !o.whole()
	return j.message != nil
}

// name is whose record it is.
func (j *journalRecord) name() []byte {
	for _, field := range [][]byte{j.container, j.identifier, j.comm, j.unit} {
		if len(field) > 2 && field[0] == '"' {
			return field[1 : len(field)-1]
		}
	}
	return nil
}

// number reads the digits of a value, in quotes or without.
func number(value []byte) int64 {
	n := int64(0)
	for _, c := range value {
		if isDigit(c) && n < 1<<58 {
			n = n*10 + int64(c-'0')
		}
	}
	return n
}

func microseconds(value []byte) Stamp {
	return Stamp{Time: time.UnixMicro(number(value)).UTC(), Zone: Zoned}
}

// fitsJournald wants a field that journald adds to each record.
func fitsJournald(text []byte) bool {
	if !bytes.Contains(text, []byte(`"MESSAGE"`)) || !bytes.Contains(text, []byte(`_REALTIME_TIMESTAMP"`)) {
		return false
	}
	record := journalRecord{}
	return record.read(bytes.TrimPrefix(text, []byte{0x1E}))
}
