package pglog

import (
	"bytes"
	"strings"
	"time"

	"github.com/pgrescue/pgrescue/logparse"
)

// said is what a message is about.
type said uint8

const (
	saysOther     said = iota
	saysStatement      // it was sent: "statement: " and "execute NAME: "
	saysDone           // it ended: a duration with the statement
	saysDuration       // something ended: a duration without
	saysStep           // parse or bind ended
	saysPlan           // auto_explain
	saysError          // ERROR
	saysLost           // FATAL, PANIC: the session is over
	saysConnected      // the session begins
	saysGone           // it ends
	saysCrashed        // all sessions are over
	saysStarted        // the server begins: no session is older
	saysReloaded       // log_statement was changed
)

// saying is a message taken apart. The texts are valid as long as the entry.
type saying struct {
	said      said
	statement []byte
	extended  bool // of the extended protocol
	duration  time.Duration
}

// says takes an entry's message apart.
func says(e *logparse.Entry) saying {
	switch e.Severity {
	case "ERROR":
		return saying{said: saysError, statement: e.Statement}
	case "FATAL", "PANIC":
		return saying{said: saysLost, statement: e.Statement}
	case "LOG":
	default:
		return saying{}
	}
	text := e.Message
	if len(text) == 0 {
		return saying{}
	}
	switch text[0] {
	case 's':
		if rest, ok := bytes.CutPrefix(text, []byte("statement: ")); ok {
			return saying{said: saysStatement, statement: rest}
		}
	case 'e':
		if rest, ok := bytes.CutPrefix(text, []byte("execute ")); ok && !bytes.HasPrefix(rest, []byte("fetch from ")) {
			if _, sql, ok := bytes.Cut(rest, []byte(": ")); ok {
				return saying{said: saysStatement, statement: sql, extended: true}
			}
		}
	case 'd':
		if rest, ok := bytes.CutPrefix(text, []byte("duration: ")); ok {
			return timed(rest)
		}
	}
	return saying{said: happens(text)}
}

// timed reads what stands behind "duration: ".
func timed(text []byte) saying {
	duration, n := milliseconds(text)
	rest, ok := bytes.CutPrefix(text[n:], []byte(" ms"))
	if n == 0 || !ok {
		return saying{}
	}
	s := saying{said: saysDuration, duration: duration}
	if len(rest) == 0 {
		return s
	}
	if rest, ok = bytes.CutPrefix(rest, []byte("  ")); !ok {
		return s
	}
	if sql, ok := bytes.CutPrefix(rest, []byte("statement: ")); ok {
		s.said, s.statement = saysDone, sql
		return s
	}
	if bytes.HasPrefix(rest, []byte("plan:")) {
		s.said, s.statement = saysPlan, planned(rest[len("plan:"):])
		return s
	}
	s.said = saysStep
	if named, ok := bytes.CutPrefix(rest, []byte("execute ")); ok && !bytes.HasPrefix(named, []byte("fetch from ")) {
		if _, sql, ok := bytes.Cut(named, []byte(": ")); ok {
			s.said, s.statement, s.extended = saysDone, sql, true
		}
	}
	return s
}

// milliseconds reads a number with three decimals or none, and says how many bytes it takes; 0: none.
func milliseconds(text []byte) (duration time.Duration, n int) {
	whole, n := number(text)
	if n == 0 {
		return 0, 0
	}
	duration = time.Duration(whole) * time.Millisecond
	if n < len(text) && text[n] == '.' {
		micros, m := number(text[n+1:])
		if m != 3 {
			return 0, 0
		}
		return duration + time.Duration(micros)*time.Microsecond, n + 1 + m
	}
	return duration, n
}

// planned gives the statement of auto_explain's text; of its other forms it gives none.
func planned(text []byte) []byte {
	text, ok := bytes.CutPrefix(bytes.TrimLeft(text, " \n"), []byte("Query Text: "))
	if !ok {
		return nil
	}
	end := len(text)
	for _, mark := range []string{"\nQuery Parameters: ", "  (cost="} {
		if i := bytes.Index(text[:end], []byte(mark)); i >= 0 {
			end = i
			if mark[0] == ' ' {
				end = max(0, bytes.LastIndexByte(text[:i], '\n'))
			}
		}
	}
	return text[:end]
}

// happens tells messages about sessions and the server.
func happens(text []byte) said {
	for _, known := range [...]struct {
		text string
		said said
	}{
		{"connection authorized: ", saysConnected},
		{"connection received: ", saysConnected},
		{"disconnection: ", saysGone},
		{"starting PostgreSQL", saysStarted},
		{"database system was ", saysCrashed},
		{"terminating any other active server processes", saysCrashed},
		{"all server processes terminated", saysCrashed},
		{`parameter "log_statement" changed`, saysReloaded},
		{`parameter "log_min_`, saysReloaded},
	} {
		if strings.HasPrefix(known.text, string(text[:min(1, len(text))])) && bytes.HasPrefix(text, []byte(known.text)) {
			return known.said
		}
	}
	return saysOther
}

// ofServer reports whether a message of no session's statement is the server's own.
func ofServer(e *logparse.Entry) bool {
	if e.User != "" || e.Database != "" {
		return false
	}
	for _, f := range e.Fields {
		if f.Name == "backend_type" {
			return string(f.Text) != "client backend"
		}
	}
	for _, text := range []string{"checkpoint", "automatic ", "database system", "starting PostgreSQL", "listening on", "received ", "shutting down", "parameter \"", "recovery", "redo ", "background worker", "server process"} {
		if bytes.HasPrefix(e.Message, []byte(text)) {
			return true
		}
	}
	return false
}
