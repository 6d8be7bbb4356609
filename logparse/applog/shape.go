package applog

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/pgrescue/pgrescue/logparse"
	"github.com/pgrescue/pgrescue/recover/evidence"
)

// Shape is how a program writes the head of its entries.
type Shape struct {
	text  string
	parts []part
}

// part is one field of a head, or what stands between two.
type part struct {
	field   string // "": literal
	literal string
	initial bool // only the first letter of the field
}

// fields are the ones of Python's logging that a shape may have.
func fields() []string {
	return []string{
		"asctime", "name", "levelname", "message", "process", "thread", "processName", "threadName", "taskName", "module", "funcName",
		"filename", "pathname", "lineno", "msecs", "levelno",
	}
}

// knownShapes are those that are looked for, those first that say more.
func knownShapes() []*Shape {
	var shapes []*Shape
	for _, text := range []string{
		"%(asctime)s - %(name)s - %(levelname)s - %(message)s",
		"%(asctime)s | %(levelname)s | %(name)s:%(funcName)s:%(lineno)d - %(message)s", // loguru
		"%(asctime)s - %(levelname)s - %(name)s - %(message)s",
		"%(asctime)s - %(name)s - %(levelname)s - [%(filename)s:%(lineno)d] - %(message)s",
		"%(asctime)s [%(levelname)s] %(process)d#%(thread)d: %(message)s", // nginx's error log
		"[%(asctime)s] [%(process)d] [%(levelname)s] %(message)s",         // gunicorn
		"[%(asctime)s: %(levelname)s/%(processName)s] %(message)s",        // celery
		"[%(asctime)s] %(levelname)s in %(module)s: %(message)s",          // Flask
		"%(asctime)s [%(levelname)s] %(name)s: %(message)s",
		"%(asctime)s %(levelname)s [%(name)s] %(message)s",
		"[%(asctime)s] %(levelname)s [%(name)s:%(lineno)d] %(message)s",
		"[%(asctime)s] %(levelname)s %(name)s: %(message)s",
		"%(asctime)s %(levelname)s %(name)s: %(message)s",
		"%(asctime)s %(name)s %(levelname)s %(message)s",
		"%(levelname)s %(asctime)s %(module)s %(process)d %(thread)d %(message)s", // Django's verbose
		"%(asctime)s - %(levelname)s - %(message)s",
		"%(asctime)s | %(levelname)s | %(message)s",
		"%(asctime)s [%(levelname)s] %(message)s", // structlog's console
		"[%(asctime)s] %(levelname)s: %(message)s",
		"%(asctime)s %(levelname)s: %(message)s",
		"%(asctime)s %(levelname)s %(message)s",
		"%(name)s - %(levelname)s - %(message)s",
		"%(levelname)s: %(message)s", // uvicorn, which pads the level
		"%(levelname)s:%(name)s:%(message)s",
		"%(levelname)s - %(name)s - %(message)s",
		"%(levelname)s - %(message)s",
		"%(levelname).1s, [%(asctime)s #%(process)d] %(levelname)s -- : %(message)s", // Ruby's Logger
		"%(levelname).1s, [%(asctime)s #%(process)d] %(levelname)s -- %(name)s: %(message)s",
	} {
		if shape, err := ParseShape(text); err == nil { // TestKnownShapes reads them all
			shapes = append(shapes, shape)
		}
	}
	return shapes
}

// String gives the shape as ParseShape reads it.
func (s *Shape) String() string { return s.text }

// ParseShape reads a shape: the format string that a program gives to Python's logging.
func ParseShape(text string) (*Shape, error) {
	shape := &Shape{text: text}
	refuse := func(format string, args ...any) (*Shape, error) {
		return nil, &evidence.Error{
			Op: "applog: read shape", Place: text, Err: fmt.Errorf(format, args...),
			Hint: "write it as the program gives it to Python's logging, as in '%(asctime)s %(levelname)s %(name)s: %(message)s'",
		}
	}
	rest := text
	for rest != "" {
		i := strings.Index(rest, "%(")
		if i < 0 {
			i = len(rest)
		}
		if i > 0 {
			shape.parts = append(shape.parts, part{literal: rest[:i]})
			rest = rest[i:]
			continue
		}
		name, behind, found := strings.Cut(rest[2:], ")")
		if !found || !slices.Contains(fields(), name) {
			return refuse("%q is no field", name)
		}
		width := behind
		behind = strings.TrimLeft(behind, "-+0123456789.")
		initial := strings.HasSuffix(width[:len(width)-len(behind)], ".1")
		if behind == "" || !strings.Contains("sdfr", behind[:1]) {
			return refuse("the type of %q is not told", name)
		}
		if n := len(shape.parts); n > 0 && shape.parts[n-1].field != "" {
			return refuse("nothing stands between %q and %q", shape.parts[n-1].field, name)
		}
		shape.parts = append(shape.parts, part{field: name, initial: initial})
		rest = behind[1:]
	}
	has := func(name string) bool {
		return slices.ContainsFunc(shape.parts, func(p part) bool { return p.field == name })
	}
	if len(shape.parts) == 0 || shape.parts[len(shape.parts)-1].field != "message" {
		return refuse("it does not end with the message")
	}
	if !has("asctime") && !has("levelname") {
		return refuse("%w", errors.New("it has neither a time nor a level, so that no head could be told from other lines"))
	}
	return shape, nil
}

// matches reports whether a line is a head of the shape.
func (s *Shape) matches(text []byte) bool {
	var head head
	return s.parse(&head, text)
}

// head is what stands in the first line of an entry.
type head struct {
	stamps  logparse.Stamps
	stamp   logparse.Stamp
	level   []byte
	logger  []byte
	process int64
	message []byte
	fields  []logparse.Field
}

// parse takes a line apart. It reports whether it is a head of the shape.
func (s *Shape) parse(h *head, text []byte) bool {
	h.stamp, h.level, h.logger, h.process, h.fields = logparse.Stamp{}, nil, nil, 0, h.fields[:0]
	at := 0
	for i, p := range s.parts {
		rest := text[at:]
		if p.field == "" {
			n := literalAt(rest, p.literal, i > 0)
			if n < 0 || p.literal == ": " && i > 0 && s.parts[i-1].field == "levelname" && h.byServer(rest, i == 1) {
				return false
			}
			at += n
			continue
		}
		if p.field == "message" {
			h.message = rest
			if i == 2 && s.parts[0].field == "levelname" && s.parts[1].literal == ": " {
				h.message = bytes.TrimLeft(rest, " ")
			}
			h.echo()
			return true
		}
		next := byte(0)
		if i+1 < len(s.parts) {
			next = s.parts[i+1].literal[0]
		}
		if p.initial {
			if len(rest) == 0 || strings.IndexByte("DIWEFAUC", rest[0]) < 0 {
				return false
			}
			at++
			continue
		}
		for i > 0 && len(rest) > 0 && rest[0] == ' ' { // it is padded on its left
			rest = rest[1:]
			at++
		}
		n := h.take(p.field, rest, next)
		if n == 0 {
			return false
		}
		at += n
	}
	return false
}

// byServer reports whether PostgreSQL wrote a level and what stands behind it: a colon and two spaces. uvicorn puts as many
// behind WARNING alone, and nothing before it.
func (h *head) byServer(text []byte, first bool) bool {
	return len(text) > 3 && text[1] == ' ' && text[2] == ' ' && text[3] != ' ' && (!first || string(h.level) != "WARNING")
}

// echo takes the logger that SQLAlchemy's echo=True writes before its messages.
func (h *head) echo() {
	const begin = "sqlalchemy."
	if h.logger != nil || len(h.message) < len(begin) || string(h.message[:len(begin)]) != begin {
		return
	}
	if i := bytes.IndexByte(h.message, ' '); i > 0 {
		h.logger, h.message = h.message[:i], h.message[i+1:]
	}
}

// literalAt is how much of a text is what stands between two fields; -1: it is not there. A field may be padded,
// so that there are more spaces, and a message may be empty.
func literalAt(text []byte, literal string, padded bool) int {
	at := 0
	for i := range len(literal) {
		c := literal[i]
		if c == ' ' && at == len(text) && strings.TrimLeft(literal[i:], " ") == "" {
			return at
		}
		if padded && i == 0 && c != ' ' {
			for at < len(text) && text[at] == ' ' {
				at++
			}
		}
		if at >= len(text) || text[at] != c {
			return -1
		}
		at++
		if c == ' ' && i+1 < len(literal) && literal[i+1] != ' ' {
			for at < len(text) && text[at] == ' ' {
				at++
			}
		}
	}
	return at
}

// take reads one field, which ends before the character next; 0: it is not there.
func (h *head) take(field string, text []byte, next byte) int {
	switch field {
	case "asctime":
		stamp, n := h.stamps.Parse(text)
		h.stamp = stamp
		return n
	case "levelname":
		n := letters(text)
		if !isLevel(text[:n]) {
			return 0
		}
		h.level = text[:n]
		return n
	case "process", "thread", "lineno", "msecs", "levelno":
		n, number := 0, int64(0)
		for n < len(text) && n < 18 && text[n] >= '0' && text[n] <= '9' {
			number = number*10 + int64(text[n]-'0')
			n++
		}
		if field == "process" {
			h.process = number
		} else if n > 0 {
			h.fields = append(h.fields, logparse.Field{Name: field, Text: text[:n]})
		}
		return n
	}
	n := 0
	for n < len(text) && n < maxWord && text[n] > ' ' && text[n] != next && text[n] != '"' && text[n] != '{' {
		n++
	}
	if n == maxWord || n == 0 {
		return 0
	}
	if field == "name" {
		h.logger = text[:n]
	} else {
		h.fields = append(h.fields, logparse.Field{Name: field, Text: text[:n]})
	}
	return n
}

// maxWord is how long the name of a logger or function may be.
const maxWord = 160

func letters(text []byte) int {
	n := 0
	for n < len(text) && n < 10 && (text[n] >= 'A' && text[n] <= 'Z' || text[n] >= 'a' && text[n] <= 'z') {
		n++
	}
	return n
}

// isLevel reports whether a word names a level: in capitals, or all small as structlog does.
func isLevel(word []byte) bool {
	switch string(word) {
	case "INFO", "info", "WARNING", "warning", "ERROR", "error", "DEBUG", "debug", "CRITICAL", "critical", "WARN", "warn", "FATAL", "fatal",
		"TRACE", "trace", "NOTSET", "SUCCESS", "success", "NOTICE", "notice", "crit", "alert", "emerg", "exception":
		return true
	}
	return false
}
