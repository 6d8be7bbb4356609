package applog

import (
	"bytes"
	"unicode/utf8"
)

// continuation tells whether a line without a head goes on with the entry before it.
type continuation struct {
	traceback bool // the error's own line has not come
	error     bool // it has
	depth     int  // of brackets that are open, of JSON or Python that is printed over several lines
	panel     bool
	chain     bool // another traceback is announced
	blank     bool // the last line was
	heads     bool // the entry has a head
}

// begin starts an entry with a head.
func (c *continuation) begin(text []byte) {
	*c = continuation{heads: true}
	c.note(text)
}

// note looks at a line that belongs to the entry.
func (c *continuation) note(text []byte) {
	c.blank = len(bytes.TrimSpace(text)) == 0
	if bytes.HasPrefix(bytes.TrimLeft(text, " |+"), []byte(tracebackHead)) || bytes.HasSuffix(text, []byte(tracebackHead)) {
		c.traceback, c.chain = true, false
		return
	}
	if c.traceback && !c.blank && text[0] > ' ' && text[0] != '|' {
		c.traceback, c.error = false, true
	}
	switch cornerOf(text) {
	case opens:
		c.panel = true
	case closes:
		c.panel = false
	}
	c.chain = announces(text) || c.chain && c.blank
	if c.depth == 0 && parameters(text) {
		c.depth = count(text, 0)
		return
	}
	c.depth = brackets(text, c.depth)
}

const tracebackHead = "Traceback (most recent call last):"

// announces reports whether a line says that the traceback of another error comes.
func announces(text []byte) bool {
	return beginsWith(text, "During handling of the above", "The above exception was")
}

// parameters reports whether a line begins with what SQLAlchemy adds to the message of an error.
func parameters(text []byte) bool {
	return beginsWith(text, "[SQL: ", "[parameters: ")
}

// goesOn reports whether a line belongs to the entry, and notes it then.
func (c *continuation) goesOn(text []byte) bool {
	belongs := c.belongs(text)
	if belongs {
		c.note(text)
	}
	return belongs
}

func (c *continuation) belongs(text []byte) bool {
	corner := cornerOf(text)
	switch {
	case len(bytes.TrimSpace(text)) == 0:
		return true
	case c.panel:
		return corner != opens
	case corner == opens:
		return false
	case c.traceback, c.depth > 0, corner != none:
		return true
	case text[0] == ' ' || text[0] == '\t':
		return true
	case text[0] == '}' || text[0] == ']' || text[0] == ')':
		return true
	}
	if announces(text) {
		return true
	}
	if bytes.HasPrefix(text, []byte(tracebackHead)) {
		return c.heads || c.chain
	}
	if behindError(text) || beginsWith(text, "[generated in", "[cached since") {
		return true
	}
	return !c.blank && c.heads && !loose(text) && !byServer(text)
}

// holds reports whether a line surely goes on with the entry.
func (c *continuation) holds(text []byte) bool {
	switch {
	case len(text) == 0:
		return false
	case bytes.HasPrefix(text, []byte(tracebackHead)):
		return true
	case c.traceback:
		return text[0] == ' ' || text[0] == '\t' || raised(text)
	case c.error:
		return behindError(text)
	}
	return false
}

// raised reports whether a line is that of the error of a traceback: the name of its class, and what it says.
func raised(text []byte) bool {
	n := 0
	for n < len(text) && (text[n] == '.' || text[n] == '_' || text[n] >= '0' && text[n] <= '9' || text[n] >= 'A' && text[n] <= 'Z' || text[n] >= 'a' && text[n] <= 'z') {
		n++
	}
	return n > 0 && (text[0] < '0' || text[0] > '9') && (n == len(text) || text[n] == ':') && !byServer(text)
}

// byServer reports whether a line begins as one of PostgreSQL's log that has no prefix.
func byServer(text []byte) bool {
	return beginsWith(text, "LOG:  ", "STATEMENT:  ")
}

// behindError reports whether a line is what libpq and SQLAlchemy put behind the message of an error.
func behindError(text []byte) bool {
	return beginsWith(text, "DETAIL: ", "HINT: ", "CONTEXT: ", "(Background on this error") || parameters(text)
}

// loose reports whether a line is known to be printed past the logging.
func loose(text []byte) bool {
	return beginsWith(text, "LiteLLM completion() ", "LiteLLM: ", "Provider List: ", "Give Feedback / Get Help: ")
}

// beginsWith reports whether a line begins with one of some words.
func beginsWith(text []byte, words ...string) bool {
	for _, word := range words {
		if bytes.HasPrefix(text, []byte(word)) {
			return true
		}
	}
	return false
}

// maxDepth bounds how many brackets are counted: a text full of them is none that anybody wrote.
const maxDepth = 1000

// brackets counts those that are open behind a line that ends with one or is within some.
func brackets(text []byte, depth int) int {
	if depth == 0 {
		for i := len(text) - 1; i >= 0 && depth < maxDepth; i-- {
			switch text[i] {
			case ' ', '\r':
			case '{', '[':
				depth++
			default:
				return depth
			}
		}
		return depth
	}
	return count(text, depth)
}

// count goes over a line that is within brackets, or begins with one.
func count(text []byte, depth int) int {
	quote := byte(0)
	for i := 0; i < len(text); i++ {
		switch ch := text[i]; {
		case ch == '\\':
			i++
		case quote != 0:
			if ch == quote {
				quote = 0
			}
		case ch == '"':
			quote = ch
		case ch == '{' || ch == '[':
			depth = min(depth+1, maxDepth)
		case ch == '}' || ch == ']':
			if depth--; depth == 0 {
				return 0
			}
		}
	}
	return depth
}

type corner uint8

const (
	none corner = iota
	opens
	closes
	side
)

// cornerOf tells what part of a panel a line is.
func cornerOf(text []byte) corner {
	trimmed := bytes.TrimLeft(text, " ")
	if len(trimmed) < 3 || trimmed[0] < utf8.RuneSelf {
		return none
	}
	switch r, _ := utf8.DecodeRune(trimmed); r {
	case '╭', '┌', '┏', '╔':
		return opens
	case '╰', '└', '┗', '╚':
		return closes
	case '│', '┃', '║', '├', '┣', '╠':
		return side
	}
	return none
}
