// Package pglog reads PostgreSQL's own log, in the three forms that a server writes.
//
//   - stderr: text, each message behind what log_line_prefix says; DETAIL, HINT, QUERY, CONTEXT and
//     STATEMENT are lines of their own, and what goes on in the next line begins with a tab.
//   - csvlog, jsonlog: a record of named fields for each message.
//   - Prefix: a log_line_prefix, given or inferred from the lines.
//   - Head: what the prefix of one line says.
//   - Part: the message itself, or one of the lines that belong to it.
//   - Pending: entries of which more parts may come, since lines of several processes can be mixed.
//   - Timeline: what became of each statement of each session, as logparse.Event.
//   - Sentence: one statement of a query string, which may have several.
//   - Mode: whether a session is within a transaction block, outside one, or neither is known.
//   - Held: a statement whose fate is open. The end of its transaction settles it.
//
// Entries come in the order of their first lines, events when the fate of a statement is known.
package pglog

import (
	"bytes"

	"github.com/pgrescue/pgrescue/logparse"
)

// Parts of an entry, in no order.
const (
	message = iota
	detail
	hint
	query // that PL/pgSQL or SPI ran
	where // CONTEXT
	about // STATEMENT
	location
	parts
)

// level is a severity or the name of a part, as stderr has it.
type level struct {
	word string // as it stands before the colon
	part int
}

// levelAt reads a severity, or the name of a part, with the colon and the two spaces behind it.
func levelAt(text []byte) (found level, n int) {
	if len(text) < len("LOG:  ") {
		return level{}, 0
	}
	switch text[0] {
	case 'L':
		found = either(text, level{"LOG", message}, level{"LOCATION", location})
	case 'E':
		found = either(text, level{"ERROR", message}, level{})
	case 'S':
		found = either(text, level{"STATEMENT", about}, level{})
	case 'D':
		found = either(text, level{"DETAIL", detail}, debugAt(text))
	case 'C':
		found = either(text, level{"CONTEXT", where}, level{})
	case 'H':
		found = either(text, level{"HINT", hint}, level{})
	case 'W':
		found = either(text, level{"WARNING", message}, level{})
	case 'F':
		found = either(text, level{"FATAL", message}, level{})
	case 'N':
		found = either(text, level{"NOTICE", message}, level{})
	case 'I':
		found = either(text, level{"INFO", message}, level{})
	case 'P':
		found = either(text, level{"PANIC", message}, level{})
	case 'Q':
		found = either(text, level{"QUERY", query}, level{})
	case 'B':
		found = either(text, level{"BACKTRACE", location}, level{})
	}
	if found.word == "" {
		return level{}, 0
	}
	return found, len(found.word) + len(":  ")
}

// either gives the one that text begins with.
func either(text []byte, a, b level) level {
	for _, l := range [...]level{a, b} {
		n := len(l.word)
		if n > 0 && len(text) >= n+3 && string(text[:n]) == l.word && text[n] == ':' && text[n+1] == ' ' && text[n+2] == ' ' {
			return l
		}
	}
	return level{}
}

// debugAt gives one of DEBUG1 to DEBUG5, or DEBUG.
func debugAt(text []byte) level {
	for _, word := range [...]string{"DEBUG1", "DEBUG2", "DEBUG3", "DEBUG4", "DEBUG5", "DEBUG"} {
		if bytes.HasPrefix(text, []byte(word)) {
			return level{word, message}
		}
	}
	return level{}
}

// sqlStateAt reads the code that log_error_verbosity = verbose puts before the message.
func sqlStateAt(text []byte) (code []byte, n int) {
	const length = 5
	if len(text) < length+2 || text[length] != ':' || text[length+1] != ' ' || !isSQLState(text[:length]) {
		return nil, 0
	}
	return text[:length], length + 2
}

// isSQLState reports whether text is five digits and capitals, of which two are digits, as in all of PostgreSQL's.
func isSQLState(text []byte) bool {
	if len(text) != 5 {
		return false
	}
	digits := 0
	for _, c := range text {
		switch {
		case digit(c):
			digits++
		case c < 'A' || c > 'Z':
			return false
		}
	}
	return digits > 1
}

// stateOf gives a SQL state, and none for success, which jsonlog does not write at all.
func stateOf(code []byte) []byte {
	if string(code) == "00000" {
		return nil
	}
	return code
}

func digit(c byte) bool { return c >= '0' && c <= '9' }

// number reads decimal digits.
func number(text []byte) (value int64, n int) {
	for n < len(text) && n < 19 && digit(text[n]) {
		value = value*10 + int64(text[n]-'0')
		n++
	}
	return value, n
}

// maxEntry bounds the text of an entry.
const maxEntry = logparse.MaxLine
