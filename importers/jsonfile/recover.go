package jsonfile

// lost looks for the end of an element that is no JSON. It knows brackets and texts only, and it
// takes up again where it stopped, so an element may be longer than any window.
//
// JSON has no line breaks in texts. So a text ends with its line here, and a quote that is missing
// harms no more than that. And a line that begins as the element's own did, with a brace behind the
// same white space, begins the next element.
type lost struct {
	array   bool   // of a list or an object: a comma or a closing bracket ends it too
	indent  []byte // of the element's own line; nil: it did not begin one
	from    int64  // where it is no JSON, from the element's beginning: nothing before it begins the next one
	seen    int64
	depth   int64
	opened  bool
	text    bool // within a text
	escaped bool // behind a backslash
	match   int  // how much of the indent the line has so far; -1: it is another
	before  byte // the last byte that is no white space
}

// feed looks at the next bytes and returns how many of them belong to the element. When done, the
// element is at its end.
func (l *lost) feed(chunk []byte) (n int, done bool) {
	var high uint64
	for i := 0; i < len(chunk); i++ {
		if l.text && !l.escaped && l.match < 0 {
			if i = special(chunk, i, &high); i == len(chunk) {
				break
			}
		}
		c := chunk[i]
		if c == '\n' {
			l.text, l.escaped, l.match = false, false, 0
			if !l.array && !l.opened {
				return l.end(i)
			}
			continue
		}
		if l.begins(c, i) {
			return l.end(i)
		}
		if c > ' ' {
			l.before = c
		}
		switch {
		case l.escaped:
			l.escaped = false
		case l.text:
			l.escaped, l.text = c == '\\', c != '"'
		case c == '"':
			l.text = true
		case c == '{' || c == '[':
			l.depth, l.opened = l.depth+1, true
		case (c == '}' || c == ']') && l.depth > 0:
			if l.depth--; l.depth == 0 {
				return l.end(i + 1)
			}
		case l.array && l.depth == 0 && (c == ',' || c == ']' || c == '}'):
			return l.end(i)
		}
	}
	l.seen += int64(len(chunk))
	return len(chunk), false
}

// begins tells whether c is the brace of the next element.
func (l *lost) begins(c byte, i int) bool {
	if l.match < 0 || l.indent == nil {
		l.match = -1
		return false
	}
	if l.match == len(l.indent) {
		l.match = -1
		// Behind a colon or a bracket it is within the element, however it is indented.
		return c == '{' && l.before != ':' && l.before != '[' && l.seen+int64(i) >= l.from && l.seen+int64(i) > 0
	}
	if l.indent[l.match] == c {
		l.match++
	} else {
		l.match = -1
	}
	return false
}

func (l *lost) end(i int) (int, bool) {
	l.seen += int64(i)
	return i, true
}
