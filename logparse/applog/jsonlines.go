package applog

import (
	"bytes"
	"strconv"
	"time"

	"github.com/pgrescue/pgrescue/logparse"
)

// jsonLines offers JSON lines, as structlog, python-json-logger, loguru and the application write them.
func jsonLines(sample []logparse.Line) logparse.Candidate {
	var shown string
	for i := range sample {
		if shown == "" && beginsJSON(sample[i].Text) {
			shown = writerOf(sample[i].Text)
		}
	}
	return logparse.Candidate{
		Format: shown, Score: share(sample, beginsJSON),
		Framer: func() logparse.Framer { return &jsonFramer{text: newTextFramer(nil)} }, Begins: beginsJSON,
	}
}

// writerOf names who writes such lines, by the names of the members.
func writerOf(text []byte) string {
	has := func(names ...string) bool {
		for _, name := range names {
			if !bytes.Contains(text, []byte(`"`+name+`"`)) {
				return false
			}
		}
		return true
	}
	switch {
	case has("text", "record"):
		return "JSON lines, as loguru writes them"
	case has("event", "level"):
		return "JSON lines, as structlog writes them"
	case has("timestamp", "level", "logger", "message", "module", "function", "line"):
		return "JSON lines, as the application writes them"
	case has("message", "asctime"), has("message", "levelname"):
		return "JSON lines, as python-json-logger writes them"
	}
	return "JSON lines"
}

// role is what a member of a JSON line is.
type role uint8

const (
	other role = iota
	roleTime
	roleLevel
	roleLogger
	roleMessage
	rolePID
	roleException
	roleNested // an object whose members are fields too
)

func roleOf(name []byte) role {
	switch string(name) {
	case "timestamp", "time", "asctime", "@timestamp", "ts", "datetime", "created":
		return roleTime
	case "level", "levelname", "severity", "log_level", "lvl":
		return roleLevel
	case "logger", "name", "logger_name", "log.logger":
		return roleLogger
	case "message", "msg", "event":
		return roleMessage
	case "process", "pid", "process_id":
		return rolePID
	case "exception", "exc_info", "exc_text", "traceback", "stack_info":
		return roleException
	case "context", "extra", "performance":
		return roleNested
	}
	return other
}

// beginsJSON reports whether a line is a record of a log in JSON: it has a message, and a time or a level.
func beginsJSON(text []byte) bool {
	if len(text) < 2 || text[0] != '{' || text[1] != '"' && text[1] != ' ' {
		return false
	}
	var has [roleNested + 1]bool
	record, server := false, false
	logparse.Members(text, func(name, value []byte) {
		has[roleOf(name)] = true
		record = record || string(name) == "record" && value[0] == '{'
		server = server || string(name) == "error_severity" // PostgreSQL's jsonlog
	})
	return has[roleMessage] && (has[roleTime] || has[roleLevel]) && !server || record
}

// jsonFramer makes entries of JSON lines, and of what is printed between them.
type jsonFramer struct {
	text   *textFramer
	entry  logparse.Entry
	fields []logparse.Field
	rooms  [][]byte // one for each text with escapes
	used   int
	stamps logparse.Stamps
}

// Frame takes the next line.
func (f *jsonFramer) Frame(line *logparse.Line, out func(*logparse.Entry) error) error {
	o := f.text.of(line.Outer.Stream)
	if !beginsJSON(line.Text) {
		return o.more(line, out)
	}
	if err := o.end(out); err != nil {
		return err
	}
	f.entry = logparse.Entry{Place: line.Place(1), Outer: line.Outer, Marks: line.Marks}
	f.fields, f.used = f.fields[:0], 0
	whole := logparse.Members(line.Text, func(name, value []byte) { f.member("", name, value) })
	f.entry.Fields = f.fields
	f.entry.Partial = !whole || line.Marks&(logparse.Cut|logparse.Torn) != 0
	return out(&f.entry)
}

// Holds does what that of text does, for what is printed between the records.
func (f *jsonFramer) Holds(line *logparse.Line) bool { return f.text.Holds(line) }

// Flush hands out what the end of the log has completed.
func (f *jsonFramer) Flush(out func(*logparse.Entry) error) error { return f.text.Flush(out) }

// member takes one member of the record, or of an object in it whose name is the prefix.
func (f *jsonFramer) member(prefix string, name, value []byte) {
	if prefix == "" && string(name) == "record" && value[0] == '{' { // loguru's; text has the same again
		f.entry.Message, f.fields = nil, f.fields[:0]
		logparse.Members(value, func(name, value []byte) { f.loguru(name, value) })
		return
	}
	r := roleOf(name)
	if prefix != "" {
		r = other
	}
	text := f.unquote(value)
	switch {
	case string(value) == "null":
		return
	case r == roleTime && f.time(value, text):
		return
	case r == roleLevel && value[0] == '"':
		f.entry.Severity = f.text.names.Of(text)
		return
	case r == roleLogger && value[0] == '"':
		f.entry.Logger = f.text.names.Of(text)
		return
	case r == roleMessage && f.entry.Message == nil:
		f.entry.Message = text
		return
	case r == rolePID:
		if number, err := strconv.ParseInt(string(text), 10, 64); err == nil {
			f.entry.PID = number
			return
		}
	case r == roleException && f.entry.Detail == nil:
		f.entry.Detail = text
		return
	case r == roleNested && value[0] == '{':
		within := string(name)
		logparse.Members(value, func(name, value []byte) { f.member(within, name, value) })
		return
	}
	full := f.text.names.Of(name)
	if prefix != "" {
		full = prefix + "." + full
	}
	f.fields = append(f.fields, logparse.Field{Name: full, Text: text, JSON: value[0] == '{' || value[0] == '['})
}

// loguru takes a member of the record that loguru serializes.
func (f *jsonFramer) loguru(name, value []byte) {
	inner := func(want string) (found []byte) {
		logparse.Members(value, func(name, value []byte) {
			if string(name) == want {
				found = value
			}
		})
		return found
	}
	switch string(name) {
	case "time":
		if v := inner("timestamp"); v != nil {
			f.time(v, v)
		}
	case "level":
		f.entry.Severity = f.text.names.Of(f.unquote(inner("name")))
	case "process":
		f.entry.PID, _ = strconv.ParseInt(string(inner("id")), 10, 64)
	case "elapsed", "file", "thread":
	default:
		f.member("", name, value)
	}
}

// time reads a stamp: a text, or seconds or milliseconds since 1970.
func (f *jsonFramer) time(value, text []byte) bool {
	if value[0] == '"' {
		stamp, n := f.stamps.Parse(text)
		if n == 0 {
			return false
		}
		f.entry.Stamp = stamp
		return true
	}
	if len(value) >= 13 && bytes.IndexByte(value[:13], '.') < 0 {
		millis, err := strconv.ParseInt(string(value[:13]), 10, 64)
		if err == nil {
			f.entry.Stamp = logparse.Stamp{Time: time.UnixMilli(millis).UTC(), Zone: logparse.Zoned}
		}
		return err == nil
	}
	stamp, n := logparse.ParseEpoch(value)
	if n > 0 {
		f.entry.Stamp = stamp
	}
	return n > 0
}

// unquote gives the text of a value, which is valid until the next line.
func (f *jsonFramer) unquote(value []byte) []byte {
	if len(value) == 0 || value[0] != '"' {
		return value
	}
	if f.used == len(f.rooms) {
		f.rooms = append(f.rooms, nil)
	}
	text := logparse.Unquote(&f.rooms[f.used], value)
	f.used++
	return text
}
